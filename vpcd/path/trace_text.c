/* trace_text.c: a walk as text: a line a gate, the rule that decided, and why it died. Pure. */
#include <stdio.h>
#include <string.h>
#include "filters/explain.h"
#include "path/trace.h"
#include "util/mem.h"
#include "util/str.h"

const struct trace_style trace_plain = { "", "", "", "" };

enum { GATE_WIDTH = 12, OBJECT_WIDTH_MAX = 24 };

static void leg_text(struct strbuf *b, const struct flow *f, const struct walk *w, enum walk_leg leg,
		     const struct trace_style *style);
static void step_text(struct strbuf *b, const struct walk_step *s, int width, const struct trace_style *style);
static void packet_text(struct strbuf *b, const struct flow *f, const struct walk_step *s);
static void port_text(struct strbuf *b, uint16_t lo, uint16_t hi);
static void summary_text(struct strbuf *b, const struct walk *w, const struct trace_style *style);
static void verdict_text(struct strbuf *b, const struct flow *f, const struct walk *w, const struct trace_style *style);
static int object_width(const struct walk *w);
static bool same_packet(const struct walk_step *a, const struct walk_step *b);

const char *leg_name(enum walk_leg leg)
{
	return leg == LEG_FORWARD ? "forward" : "return";
}

char *trace_place(enum walk_leg leg, enum abi_gate gate, const char *object, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s%s", leg == LEG_RETURN ? "return:" : "", gate_name(gate), object ? "@" : "",
		 object ? object : "");
	return buf;
}

char *trace_text(const struct flow *f, const struct walk *w, enum trace_view view, const struct trace_style *style)
{
	struct strbuf b = { 0 };

	if (view == TRACE_FULL) {
		leg_text(&b, f, w, LEG_FORWARD, style);
		leg_text(&b, f, w, LEG_RETURN, style);
	} else if (view == TRACE_SUMMARY) {
		summary_text(&b, w, style);
	}
	verdict_text(&b, f, w, style);
	return strbuf_take(&b);
}

static void leg_text(struct strbuf *b, const struct flow *f, const struct walk *w, enum walk_leg leg,
		     const struct trace_style *style)
{
	const struct walk_step *last = NULL;
	int width = object_width(w);

	for (size_t i = 0; i < w->n; i++) {
		const struct walk_step *s = &w->steps[i];

		if (s->leg != leg)
			continue;
		if (!last || !same_packet(last, s)) {
			strbuf_addf(b, "%s%-8s", style->dim, last ? "" : leg_name(leg));
			packet_text(b, f, s);
			strbuf_addf(b, "%s\n", style->off);
		}
		last = s;
		step_text(b, s, width, style);
	}
}

static void step_text(struct strbuf *b, const struct walk_step *s, int width, const struct trace_style *style)
{
	bool more = s->rule_text[0] || s->reason_more[0] || !s->allow || s->loc.line ||
		    s->reason == ABI_REASON_TRACKED || s->reason == ABI_REASON_RELATED;

	strbuf_addf(b, "  %s%s%s  %-*s  %-*s%s", s->allow ? style->good : style->bad, s->allow ? "allow" : "deny ",
		    style->off, GATE_WIDTH, gate_name(s->gate), more ? width : 0, s->object ? s->object : "-",
		    more ? "  " : "");
	if (s->rule_text[0])
		strbuf_adds(b, s->rule_text);
	else if (s->allow && s->reason_more[0])
		strbuf_adds(b, s->reason_more);
	else if (!s->allow)
		strbuf_addf(b, "%s", s->reason_more[0] ? s->reason_more : reason_text(s->reason));
	if (s->loc.line)
		strbuf_addf(b, "  %s%s:%u%s", style->dim, s->loc.file, s->loc.line, style->off);
	if (s->allow && (s->reason == ABI_REASON_TRACKED || s->reason == ABI_REASON_RELATED))
		strbuf_addf(b, "%s(%s)", s->rule_text[0] || s->loc.line ? "  " : "",
			    s->reason == ABI_REASON_TRACKED ? "tracked" : "related");
	strbuf_adds(b, "\n");
}

/* "198.51.100.7:40000 -> 203.0.113.1:443 tcp" */
static void packet_text(struct strbuf *b, const struct flow *f, const struct walk_step *s)
{
	char addr[ADDR_CHOICE_STRLEN], name[8];

	strbuf_adds(b, addr_choice_format(&s->src_any, &s->src, addr));
	port_text(b, s->sport, s->sport_hi);
	strbuf_addf(b, " -> %s", addr_choice_format(&s->dst_any, &s->dst, addr));
	port_text(b, s->dport, s->dport_hi);
	strbuf_addf(b, " %s", rule_proto_name(f->proto, name));
}

static void port_text(struct strbuf *b, uint16_t lo, uint16_t hi)
{
	if (!lo)
		return;
	strbuf_addf(b, ":%u", lo);
	if (hi != lo)
		strbuf_addf(b, "-%u", hi);
}

static void summary_text(struct strbuf *b, const struct walk *w, const struct trace_style *style)
{
	for (enum walk_leg leg = LEG_FORWARD; leg <= LEG_RETURN; leg++) {
		bool any = false;

		for (size_t i = 0; i < w->n; i++) {
			const struct walk_step *s = &w->steps[i];
			char place[96];

			if (s->leg != leg)
				continue;
			if (any)
				strbuf_adds(b, " > ");
			else
				strbuf_addf(b, "%-8s", leg_name(leg));
			strbuf_addf(b, "%s%s%s", s->allow ? "" : style->bad,
				    trace_place(LEG_FORWARD, s->gate, s->object, place, sizeof(place)),
				    s->allow ? "" : style->off);
			any = true;
		}
		if (any)
			strbuf_adds(b, "\n");
	}
}

static void verdict_text(struct strbuf *b, const struct flow *f, const struct walk *w, const struct trace_style *style)
{
	const struct walk_step *s;
	char flow[160], place[96];

	flow_format(f, flow, sizeof(flow));
	if (w->allow) {
		strbuf_addf(b, "%sallow%s  %s%s\n", style->good, style->off, flow,
			    !w->n                 ? "  (stays inside the instance)"
			    : walk_is_answered(f) ? ""
						  : "  (no answer is due to it)");
		return;
	}
	s = &w->steps[w->denied];
	strbuf_addf(b, "%sdeny%s   %s  at %s: %s", style->bad, style->off, flow,
		    trace_place(s->leg, s->gate, s->object, place, sizeof(place)), reason_text(s->reason));
	if (s->reason_more[0])
		strbuf_addf(b, " (%s)", s->reason_more);
	if (s->rule_text[0])
		strbuf_addf(b, "; rule \"%s\"", s->rule_text);
	if (s->loc.line)
		strbuf_addf(b, " %s:%u", s->loc.file, s->loc.line);
	strbuf_addf(b, " [%s]\n", reason_name(s->reason));
}

static int object_width(const struct walk *w)
{
	int width = 1;

	for (size_t i = 0; i < w->n; i++)
		if (w->steps[i].object && (int)strlen(w->steps[i].object) > width)
			width = (int)strlen(w->steps[i].object);
	return width < OBJECT_WIDTH_MAX ? width : OBJECT_WIDTH_MAX;
}

static bool same_packet(const struct walk_step *a, const struct walk_step *b)
{
	return addr_cmp(&a->src, &b->src) == 0 && addr_cmp(&a->dst, &b->dst) == 0 && a->sport == b->sport &&
	       a->dport == b->dport && a->sport_hi == b->sport_hi && a->dport_hi == b->dport_hi;
}
