/* v_trace.c: vpc trace: the static walk, of a file or of what runs. */
#include <errno.h>
#include <string.h>
#include "cli/client.h"
#include "cli/source.h"
#include "cli/verbs.h"
#include "filters/rule.h"
#include "path/advice.h"
#include "path/trace.h"
#include "util/mem.h"
#include "util/str.h"

enum { FLOW_LINE_MAX = 64 << 10 };
#define BOM "\xef\xbb\xbf"

struct tracer {
	const struct args *a;
	const struct model *m;
	struct walker *w;
	struct source source; /* of a file; else */
	const char *lab;      /* running */
	json_t *entries;      /* what its interfaces remember, for --state live */
	struct parts *parts;  /* what it is made of, once advice was asked for */
};

static int flow_trace(const struct tracer *t, const struct flow *f, bool one_line, bool *ret_allow);
static int advice_add(const struct tracer *t, const struct flow *f, bool one_line, char **text);
static char *advice_json(const struct advice *advice, const char *trace, bool one_line);
static int flows_trace(const struct tracer *t);
static int words_trace(const struct tracer *t, char **words);
static int words_check(const struct args *a);
static int state_set(struct tracer *t);

int trace_run(const struct args *a)
{
	_cleanup_model_ struct model *m = NULL;
	_cleanup_parts_ struct parts parts = { 0 };
	struct tracer t = { .a = a, .parts = &parts };
	struct err e = { 0 };
	const char *src = NULL;
	char lab[LAB_SIZE], *words[3] = { NULL };
	int r = words_check(a);

	if (r)
		return r;
	if (!a->flows)
		memcpy(words, a->words + !a->live, sizeof(words));
	if (!a->live) {
		r = source_read(a->words[0], &t.source);
		if (r == 0)
			r = model_of_source(&t.source, &m);
	} else {
		r = lab_of(a, words[0], lab, &src);
		words[0] = (char *)src;
		if (r == 0)
			r = model_of_lab(lab, &m);
	}
	t.m = m;
	t.lab = lab;
	if (r == 0 && walker_new(m, &t.w, &e) < 0)
		r = fail_err(EXIT_BROKEN, &e);
	if (r == 0)
		r = state_set(&t);
	if (r == 0)
		r = a->flows ? flows_trace(&t) : words_trace(&t, words);
	walker_free(&t.w);
	json_decref(t.entries);
	source_done(&t.source);
	return r;
}

static int words_check(const struct args *a)
{
	size_t want = (a->live ? 0 : 1) + (a->flows ? 0 : 3);

	if (a->summary && a->minimal)
		return fail(EXIT_USAGE, "trace: --summary or --minimal, not both");
	if (a->state && !str_eq(a->state, "new") && !str_eq(a->state, "established") && !str_eq(a->state, "live"))
		return fail(EXIT_USAGE, "trace: --state %s: it is new, established or live", a->state);
	if (str_eq(a->state, "live") && !a->live)
		return fail(EXIT_USAGE, "trace: --state live asks a running lab; add --live");
	if (a->lab && !a->live)
		return fail(EXIT_USAGE, "trace: --lab names a running lab; add --live");
	if (a->n == want)
		return 0;
	return fail(EXIT_USAGE, "trace: %zu word%s where %zu %s wanted; usage: vpc trace %s", a->n,
		    a->n == 1 ? "" : "s", want, want == 1 ? "is" : "are", a->verb->usage);
}

/* ---- the state of the connection ---- */

static bool always(void *ctx, const struct abi_flow_key *key)
{
	(void)ctx;
	(void)key;
	return true;
}

static bool entry_is(const json_t *o, const struct model *m, const struct abi_flow_key *k)
{
	bool inbound = str_eq(json_string_value(json_object_get(o, "direction")), "inbound");
	uint32_t eni = model_find_eni(m, json_string_value(json_object_get(o, "eni")));
	const char *own = json_string_value(json_object_get(o, inbound ? "dst" : "src"));
	const char *other = json_string_value(json_object_get(o, inbound ? "src" : "dst"));
	const char *from = inbound ? "dport" : "sport", *to = inbound ? "sport" : "dport";
	bool ports = k->proto == 6 || k->proto == 17;
	struct addr a = { k->src }, b = { k->dst };
	char name[8], x[ADDR_STRLEN], y[ADDR_STRLEN];

	return json_is_true(json_object_get(o, "tracked")) && eni != NONE && m->enis[eni].obj.number == k->port &&
	       str_eq(json_string_value(json_object_get(o, "proto")), rule_proto_name(k->proto, name)) &&
	       str_eq(own, addr_format(&a, x)) && str_eq(other, addr_format(&b, y)) &&
	       (!ports || (json_integer_value(json_object_get(o, from)) == (k->sport[0] << 8 | k->sport[1]) &&
			   json_integer_value(json_object_get(o, to)) == (k->dport[0] << 8 | k->dport[1])));
}

static bool remembered(void *ctx, const struct abi_flow_key *key)
{
	const struct tracer *t = ctx;
	size_t i;
	json_t *o;

	json_array_foreach(t->entries, i, o) if (entry_is(o, t->m, key)) return true;
	return false;
}

static int state_set(struct tracer *t)
{
	_cleanup_reply_ struct reply reply = { 0 };
	int r;

	if (!t->a->state || str_eq(t->a->state, "new"))
		return 0;
	if (str_eq(t->a->state, "established")) {
		walker_state_set(t->w, always, NULL);
		return 0;
	}
	r = client_get(&reply, "/v1/labs/%s/ct", t->lab);
	if (r)
		return r;
	t->entries = json_incref(json_object_get(reply.json, "entries"));
	walker_state_set(t->w, remembered, t);
	return 0;
}

static int words_trace(const struct tracer *t, char **words)
{
	const struct args *a = t->a;
	struct flow f;
	struct err e = { 0 };
	bool allow;
	int r = flow_parse_words(t->m, words[0], words[1], words[2], &f, &e);

	if (r < 0)
		return fail_err(EXIT_USAGE, &e);
	if (a->from_port)
		f.sport = (uint16_t)a->from_port;
	r = flow_trace(t, &f, false, &allow);
	return r ? r : allow ? EXIT_OK : EXIT_FINDING;
}

/* The next line; NULL: there is none, and *ret is an exit code. Whoever goes on writing without one is told soon. */
static char *line_next(FILE *in, const char *file, unsigned n, char *buf, int *ret)
{
	size_t len = 0;
	int c;

	*ret = EXIT_OK;
	while ((c = getc(in)) != EOF && c != '\n') {
		if (!c)
			*ret = fail(EXIT_BROKEN, "%s: a NUL byte in line %u; flows are text", file, n);
		else if (len + 1 == FLOW_LINE_MAX)
			*ret = fail(EXIT_USAGE, "%s:%u: longer than %d KB; that is no flow", file, n,
				    FLOW_LINE_MAX >> 10);
		if (*ret)
			return NULL;
		buf[len++] = (char)c;
	}
	buf[len] = '\0';
	if (ferror(in))
		*ret = fail(EXIT_BROKEN, "%s cannot be read: %s", file, strerror(errno));
	return *ret || (c == EOF && !len) ? NULL : buf;
}

/* A flow a line, traced as it comes; empty lines and lines of # or ; are left out. */
static int flows_of(const struct tracer *t, FILE *in, const char *file)
{
	const struct args *a = t->a;
	_cleanup_free_ char *buf = xmalloc(FLOW_LINE_MAX);
	int r, worst = EXIT_OK;
	char *p;

	for (unsigned n = 1; (p = line_next(in, file, n, buf, &r)); n++) {
		struct err e = { 0 };
		struct flow f;
		bool allow;

		if (n == 1 && strncmp(p, BOM, strlen(BOM)) == 0)
			p += strlen(BOM);
		p = str_trim(p);
		if (!*p || *p == '#' || *p == ';')
			continue;
		if (flow_parse(t->m, p, &f, &e) < 0)
			return fail(EXIT_USAGE, "%s:%u: %s", file, n, e.msg);
		if (a->from_port)
			f.sport = (uint16_t)a->from_port;
		r = flow_trace(t, &f, true, &allow);
		if (r)
			return r;
		if (!allow)
			worst = EXIT_FINDING;
		if (fflush(stdout) != 0)
			break; /* main tells of it */
	}
	return r ? r : worst;
}

static int flows_trace(const struct tracer *t)
{
	const char *file = t->a->flows;
	FILE *in;
	int r;

	if (strcmp(file, "-") == 0)
		return flows_of(t, stdin, "stdin");
	in = fopen(file, "re");
	if (!in)
		return fail(errno == ENOENT ? EXIT_USAGE : EXIT_BROKEN, "%s cannot be read: %s", file, strerror(errno));
	r = flows_of(t, in, file);
	fclose(in);
	return r;
}

static int flow_trace(const struct tracer *t, const struct flow *f, bool one_line, bool *ret_allow)
{
	const struct args *a = t->a;
	struct trace_style style = { style_on(stdout, STYLE_GOOD), style_on(stdout, STYLE_BAD),
				     style_on(stdout, STYLE_DIM), style_off(stdout, STYLE_DIM) };
	enum trace_view view = a->minimal   ? TRACE_MINIMAL
			       : a->summary ? TRACE_SUMMARY
			       : one_line   ? TRACE_MINIMAL
					    : TRACE_FULL;
	_cleanup_free_ char *text = NULL;
	struct walk walk;
	struct err e = { 0 };
	int r = 0;

	if (walk_flow(t->w, f, &walk, &e) < 0)
		return fail_err(EXIT_USAGE, &e);
	if (a->output == OUTPUT_JSON)
		text = trace_json(&walk, one_line);
	else
		text = trace_text(f, &walk, view, &style);
	if (a->advice ||
	    (!walk.allow && (!a->state || str_eq(a->state, "new")) && view == TRACE_FULL && a->output == OUTPUT_TABLE))
		r = advice_add(t, f, one_line, &text);
	if (r == 0)
		printf("%s%s", text, a->output == OUTPUT_JSON ? "\n" : "");
	*ret_allow = walk.allow;
	walk_done(&walk);
	return r;
}

/* Read once, however many flows there are. */
static int parts_get(const struct tracer *t)
{
	if (t->parts->lab[0] || t->parts->document.n)
		return 0;
	return t->a->live ? parts_of_lab(t->lab, t->parts) : parts_of_source(&t->source, t->parts);
}

/* Of a flow that is allowed: nothing in text, null in JSON. */
static int advice_add(const struct tracer *t, const struct flow *f, bool one_line, char **text)
{
	_cleanup_advice_ struct advice advice = { 0 };
	struct strbuf b = { 0 };
	struct advice_base base = { 0 };
	struct err e = { 0 };
	char flow[200], *more;
	int r = parts_get(t);

	if (r)
		return r;
	base = (struct advice_base){ &t->parts->document, t->parts->lab[0] ? t->parts->lab : NULL, t->parts->registry };
	if (advice_find(&base, flow_format(f, flow, sizeof(flow)), &advice, &e) < 0)
		return fail_err(EXIT_BROKEN, &e);
	if (t->a->output == OUTPUT_JSON) {
		more = advice_json(&advice, *text, one_line);
		free(*text);
		*text = more;
		return 0;
	}
	if (advice.works && !advice.n)
		return 0;
	more = advice_text(&advice, walk_is_answered(f));
	strbuf_addf(&b, "%s%s%s", *text, one_line ? "" : "\n", more);
	free(more);
	free(*text);
	*text = strbuf_take(&b);
	return 0;
}

static char *advice_json(const struct advice *advice, const char *trace, bool one_line)
{
	json_t *root = json_loads(trace, 0, NULL), *o = json_null(), *lines;
	char *text;

	if (!advice->works || advice->n) {
		lines = json_array();
		for (size_t i = 0; i < advice->n && advice->works; i++) {
			const struct advice_line *l = &advice->v[i];

			json_array_append_new(lines,
					      json_pack("{s:s,s:s,s:s,s:b,s:s,s:s,s:s?,s:o}", "op",
							l->op == ADVICE_ADD ? "add" : "remove", "kind", l->kind, "name",
							l->name, "new_section", l->new_section, "key", l->key, "value",
							l->value, "file", l->loc.line ? l->loc.file : NULL, "line",
							l->loc.line ? json_integer(l->loc.line) : json_null()));
		}
		o = json_pack("{s:b,s:s?,s:o}", "works", advice->works, "why_not",
			      advice->works ? NULL : advice->why_not, "lines", lines);
	}
	json_object_set_new(root, "advice", o);
	text = json_dumps(root, one_line ? JSON_COMPACT : JSON_INDENT(1));
	json_decref(root);
	return text;
}
