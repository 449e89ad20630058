/* trace_json.c: a walk as JSON, in the shape of docs/json.md. Pure. */
#include <jansson.h>
#include <stdlib.h>
#include "filters/explain.h"
#include "path/trace.h"
#include "util/mem.h"

static json_t *step_json(const struct walk_step *s);
static json_t *text_or_null(const char *s);
static json_t *number_or_null(uint32_t n);
static json_t *addr_json(const struct addr *a);

char *trace_json(const struct walk *w, bool compact)
{
	json_t *root = json_object(), *steps = json_array(), *denied = json_null();
	char *text;

	if (!w->allow) {
		const struct walk_step *s = &w->steps[w->denied];

		denied = json_pack("{s:s,s:s,s:o,s:s}", "leg", leg_name(s->leg), "gate", gate_name(s->gate), "object",
				   text_or_null(s->object), "reason", reason_name(s->reason));
	}
	for (size_t i = 0; i < w->n; i++)
		json_array_append_new(steps, step_json(&w->steps[i]));
	json_object_set_new(root, "api", json_integer(1));
	json_object_set_new(root, "verdict", json_string(w->allow ? "allow" : "deny"));
	json_object_set_new(root, "denied", denied);
	json_object_set_new(root, "steps", steps);
	text = json_dumps(root, compact ? JSON_COMPACT : JSON_INDENT(1));
	json_decref(root);
	return text ? text : xstrdup("");
}

/* A port or address that a NAT gateway is yet to choose is unknown: null. */
static json_t *step_json(const struct walk_step *s)
{
	json_t *o = json_object();

	json_object_set_new(o, "leg", json_string(leg_name(s->leg)));
	json_object_set_new(o, "gate", json_string(gate_name(s->gate)));
	json_object_set_new(o, "verdict", json_string(s->allow ? "allow" : "deny"));
	json_object_set_new(o, "object", text_or_null(s->object));
	json_object_set_new(o, "eni", text_or_null(s->eni));
	json_object_set_new(o, "rule", text_or_null(s->rule_text));
	json_object_set_new(o, "file", text_or_null(s->loc.line ? s->loc.file : NULL));
	json_object_set_new(o, "line", number_or_null(s->loc.line));
	json_object_set_new(o, "reason", json_string(reason_name(s->reason)));
	json_object_set_new(o, "src", s->src_any.eni ? json_null() : addr_json(&s->src));
	json_object_set_new(o, "dst", s->dst_any.eni ? json_null() : addr_json(&s->dst));
	json_object_set_new(o, "sport", s->sport == s->sport_hi ? number_or_null(s->sport) : json_null());
	json_object_set_new(o, "dport", s->dport == s->dport_hi ? number_or_null(s->dport) : json_null());
	return o;
}

static json_t *text_or_null(const char *s)
{
	return s && *s ? json_string(s) : json_null();
}

static json_t *number_or_null(uint32_t n)
{
	return n ? json_integer(n) : json_null();
}

static json_t *addr_json(const struct addr *a)
{
	char buf[ADDR_STRLEN];

	return addr_is_zero(a) ? json_null() : json_string(addr_format(a, buf));
}
