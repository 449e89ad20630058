/* scenario.c: reads and writes scenarios. */
#include "tests/support/scenario.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "util/mem.h"

static void bad(const char *what, const char *line)
{
	fprintf(stderr, "scenario: %s: %s\n", what, line);
	abort();
}

static struct addr address(const char *s)
{
	struct addr a;

	if (addr_parse(s, &a))
		bad("no address", s);
	return a;
}

static void flow_set(struct oracle_flow *f, const char *proto, const char *src, const char *a, const char *dst,
		     const char *b)
{
	f->proto = (uint8_t)atoi(proto);
	f->src = address(src);
	f->dst = address(dst);
	f->a = (uint16_t)atoi(a);
	f->b = (uint16_t)atoi(b);
	f->family = strchr(src, ':') ? 6 : 4;
}

static void option_parse(struct step *p, char *word)
{
	char *value = strchr(word, '='), *part[5];

	if (!value)
		bad("no option", word);
	*value++ = 0;
	if (str_eq(word, "flags")) {
		p->frame.tcp_flags = (uint8_t)atoi(value);
	} else if (str_eq(word, "mac")) {
		snprintf(p->mac, sizeof(p->mac), "%s", value);
	} else if (str_eq(word, "bytes")) {
		p->frame.bytes = (uint32_t)atoi(value);
	} else if (str_eq(word, "first")) {
		p->frame.frag = ORACLE_FIRST;
		p->frame.frag_id = (uint32_t)atoi(value);
	} else if (str_eq(word, "later")) {
		p->frame.frag = ORACLE_LATER;
		if (sscanf(value, "%u/%u", &p->frame.frag_id, &p->frame.frag_off) != 2)
			bad("later=ID/OFF", value);
	} else if (str_eq(word, "about")) {
		for (int i = 0; i < 5; i++) {
			part[i] = strsep(&value, "/");
			if (!part[i])
				bad("about=PROTO/SRC/A/DST/B", word);
		}
		p->frame.is_error = true;
		flow_set(&p->frame.about, part[0], part[1], part[2], part[3], part[4]);
	} else {
		bad("unknown option", word);
	}
}

static void packet_parse_line(struct step *p, char *rest)
{
	char *word[7], *w;

	for (int i = 0; i < 7; i++) {
		word[i] = str_word(&rest);
		if (!word[i])
			bad("pkt FROM PROTO SRC A > DST B", word[0] ? word[0] : "");
	}
	snprintf(p->from, sizeof(p->from), "%s", word[0]);
	flow_set(&p->frame.flow, word[1], word[2], word[3], word[5], word[6]);
	p->frame.bytes = 20;
	while ((w = str_word(&rest)))
		option_parse(p, w);
}

static void step_parse(struct step *p, char *line)
{
	char *rest = line, *word = str_word(&rest);

	if (str_eq(word, "pkt")) {
		packet_parse_line(p, rest);
	} else if (str_eq(word, "wait")) {
		p->kind = STEP_WAIT;
		p->wait_ms = strtoull(rest, NULL, 10);
	} else if (str_eq(word, "edit")) {
		p->kind = STEP_EDIT;
		p->line = (unsigned)strtoul(rest, &rest, 10);
		p->text = xstrdup(str_trim(rest));
	} else if (str_eq(word, "sweep")) {
		p->kind = STEP_SWEEP;
	} else if (str_eq(word, "flush")) {
		p->kind = STEP_FLUSH;
	} else {
		bad("unknown step", word ? word : "");
	}
}

void scenario_lines_set(struct scenario *s, const char *topology)
{
	char *all = xstrdup(topology), *rest = all, *line;

	for (unsigned i = 0; i < s->n_lines; i++)
		free(s->lines[i]);
	s->n_lines = 0;
	s->lines = xrealloc(s->lines, (strlen(all) + 1) * sizeof(*s->lines));
	while ((line = strsep(&rest, "\n")))
		if (*line || rest)
			s->lines[s->n_lines++] = xstrdup(line);
	free(all);
}

void scenario_parse(const char *topology, const char *steps, bool six, struct scenario *ret)
{
	char *all = xstrdup(steps), *rest = all, *line;

	memset(ret, 0, sizeof(*ret));
	ret->six = six;
	scenario_lines_set(ret, topology);
	while ((line = strsep(&rest, "\n")))
		if (*str_trim(line))
			step_parse(scenario_step_add(ret), line);
	free(all);
}

void scenario_done(struct scenario *s)
{
	for (unsigned i = 0; i < s->n_lines; i++)
		free(s->lines[i]);
	for (unsigned i = 0; i < s->n_steps; i++)
		free(s->steps[i].text);
	free(s->lines);
	free(s->steps);
	memset(s, 0, sizeof(*s));
}

struct step *scenario_step_add(struct scenario *s)
{
	if (s->n_steps == s->cap_steps) {
		s->cap_steps = s->cap_steps ? s->cap_steps * 2 : 64;
		s->steps = xrealloc(s->steps, s->cap_steps * sizeof(*s->steps));
	}
	memset(&s->steps[s->n_steps], 0, sizeof(*s->steps));
	return &s->steps[s->n_steps++];
}

void scenario_step_remove(struct scenario *s, unsigned i)
{
	free(s->steps[i].text);
	memmove(&s->steps[i], &s->steps[i + 1], (s->n_steps - i - 1) * sizeof(*s->steps));
	s->n_steps--;
}

void scenario_copy(const struct scenario *from, struct scenario *to)
{
	memset(to, 0, sizeof(*to));
	to->six = from->six;
	to->lines = xcalloc(from->n_lines + 1, sizeof(*to->lines));
	for (; to->n_lines < from->n_lines; to->n_lines++)
		to->lines[to->n_lines] = xstrdup(from->lines[to->n_lines]);
	for (unsigned i = 0; i < from->n_steps; i++) {
		struct step *p = scenario_step_add(to);

		*p = from->steps[i];
		p->text = p->text ? xstrdup(p->text) : NULL;
	}
}

static void flow_format(const struct oracle_flow *f, const char *fmt, struct strbuf *b)
{
	char src[ADDR_STRLEN], dst[ADDR_STRLEN];

	addr_format(&f->src, src);
	addr_format(&f->dst, dst);
	if (*fmt == '/')
		strbuf_addf(b, "%u/%s/%u/%s/%u", f->proto, src, f->a, dst, f->b);
	else
		strbuf_addf(b, "%u %s %u > %s %u", f->proto, src, f->a, dst, f->b);
}

void step_format(const struct step *p, struct strbuf *b)
{
	const struct oracle_frame *f = &p->frame;

	switch (p->kind) {
	case STEP_WAIT: strbuf_addf(b, "wait %llu", (unsigned long long)p->wait_ms); return;
	case STEP_EDIT: strbuf_addf(b, "edit %u %s", p->line, p->text); return;
	case STEP_SWEEP: strbuf_adds(b, "sweep"); return;
	case STEP_FLUSH: strbuf_adds(b, "flush"); return;
	case STEP_PACKET: break;
	}
	strbuf_addf(b, "pkt %s ", p->from);
	flow_format(&f->flow, " ", b);
	if (f->tcp_flags)
		strbuf_addf(b, " flags=%u", f->tcp_flags);
	if (*p->mac)
		strbuf_addf(b, " mac=%s", p->mac);
	if (f->frag == ORACLE_FIRST)
		strbuf_addf(b, " first=%u", f->frag_id);
	if (f->frag == ORACLE_LATER)
		strbuf_addf(b, " later=%u/%u", f->frag_id, f->frag_off);
	if (f->bytes != 20)
		strbuf_addf(b, " bytes=%u", f->bytes);
	if (f->is_error) {
		strbuf_adds(b, " about=");
		flow_format(&f->about, "/", b);
	}
}

/* Lines that were taken out go, and edits count without them. */
void scenario_print(const struct scenario *s, struct strbuf *b)
{
	unsigned *place = xcalloc(s->n_lines + 1, sizeof(*place)), n = 0;

	strbuf_adds(b, "\t{ \"name\",\n");
	for (unsigned i = 0; i < s->n_lines; i++) {
		bool kept = *s->lines[i];

		for (unsigned k = 0; k < s->n_steps; k++)
			kept |= s->steps[k].kind == STEP_EDIT && s->steps[k].line == i;
		place[i] = n;
		if (!kept)
			continue;
		n++;
		strbuf_addf(b, "\t  \"%s\\n\"\n", s->lines[i]);
	}
	strbuf_adds(b, "\t  ,\n");
	for (unsigned k = 0; k < s->n_steps; k++) {
		struct step p = s->steps[k];

		if (p.kind == STEP_EDIT)
			p.line = place[p.line];
		strbuf_adds(b, "\t  \"");
		step_format(&p, b);
		strbuf_adds(b, "\\n\"\n");
	}
	strbuf_addf(b, "\t  , %s },\n", s->six ? "true" : "false");
	free(place);
}

char *scenario_topology(char *const *lines, unsigned n)
{
	struct strbuf b;

	strbuf_init(&b);
	for (unsigned i = 0; i < n; i++)
		strbuf_addf(&b, "%s\n", lines[i]);
	return strbuf_take(&b);
}

uint32_t scenario_port(const struct model *m, const char *name)
{
	const char *what = strchr(name, ':');
	uint32_t i;

	if (what) {
		size_t n = strcspn(what + 1, "/");

		for (i = 0; i < m->n_igws; i++)
			if (str_eq(m->igws[i].obj.name, what + 1))
				return name[2] == 'w' ? m->igws[i].port : m->igws[i].inet_port;
		for (i = 0; i < m->n_peerings; i++)
			if (strlen(m->peerings[i].obj.name) == n && !strncmp(m->peerings[i].obj.name, what + 1, n))
				return m->peerings[i].ports[name[strlen(name) - 1] == '1'];
		return 0;
	}
	i = model_find_eni(m, name);
	if (i != NONE)
		return m->enis[i].obj.number;
	if (strcmp(name, "uplink") == 0)
		return m->uplink.port;
	i = model_find_host(m, name);
	return i != NONE ? m->hosts[i].port : 0;
}
