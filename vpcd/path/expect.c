/* expect.c: holds answers against expectations. Pure. */
#include <stdio.h>
#include <string.h>
#include "filters/explain.h"
#include "path/expect.h"
#include "path/matrix.h"
#include "path/trace.h"
#include "util/str.h"

static bool object_matches(const char *object, const char *wanted);

void answer_of_walk(const struct walk *w, struct answer *ret)
{
	const struct walk_step *s;

	*ret = (struct answer){ .allow = w->allow };
	s = w->allow ? walk_admitting_step(w) : &w->steps[w->denied];
	if (s) {
		ret->rule = s->rule_text[0] ? s->rule_text : NULL;
		ret->file = s->loc.line ? s->loc.file : NULL;
		ret->line = s->loc.line;
		ret->rule_gate = gate_name(s->gate);
	}
	if (w->allow)
		return;
	ret->leg = leg_name(s->leg);
	ret->gate = gate_name(s->gate);
	ret->object = s->object;
	ret->reason = reason_name(s->reason);
}

char *answer_format(const struct answer *a, char *buf, size_t size)
{
	if (a->allow || !a->gate) /* without a gate: nobody saw where it died */
		snprintf(buf, size, a->allow ? "allow" : "deny at an unknown gate");
	else
		snprintf(buf, size, "deny at %s%s%s%s", str_eq(a->leg, "return") ? "return:" : "", a->gate,
			 a->object ? "@" : "", a->object ? a->object : "");
	return buf;
}

char *answer_format_rule(const struct answer *a, char *buf, size_t size)
{
	size_t n;

	answer_format(a, buf, size);
	n = strlen(buf);
	if (a->rule && a->allow)
		n += (size_t)snprintf(buf + n, size - n, " by %s", a->rule_gate);
	if (a->rule && n < size)
		n += (size_t)snprintf(buf + n, size - n, ": rule \"%s\"", a->rule);
	if (a->line && n < size)
		snprintf(buf + n, size - n, " %s:%u", a->file, a->line);
	return buf;
}

/* One that was not heard of is not another one. */
static bool answer_rule_eq(const struct answer *a, const struct answer *b)
{
	return !a->rule || !b->rule ||
	       (str_eq(a->rule_gate, b->rule_gate) && str_eq(a->rule, b->rule) && a->line == b->line);
}

bool answer_eq(const struct answer *a, const struct answer *b)
{
	if (a->allow != b->allow || !answer_rule_eq(a, b))
		return false;
	return a->allow || (str_eq(a->leg, b->leg) && str_eq(a->gate, b->gate) && str_eq(a->object, b->object));
}

enum agreement answers_compare(const struct answer *packet, bool by_state, const struct answer *walk)
{
	bool same = answer_eq(packet, walk),
	     luck = !walk->allow && str_eq(walk->reason, reason_name(ABI_REASON_REMAP_EPHEMERAL_PORT));

	if (luck && (same || packet->allow))
		return ANSWERS_BY_LUCK;
	return same ? ANSWERS_AGREE : by_state ? ANSWERS_BY_STATE : ANSWERS_DIFFER;
}

char *expect_format(const struct expect *x, char *buf, size_t size)
{
	if (x->allow || !x->at_gate)
		snprintf(buf, size, "%s", x->allow ? "allow" : "deny");
	else
		snprintf(buf, size, "deny at %s%s%s%s", str_eq(x->at_leg, "return") ? "return:" : "", x->at_gate,
			 x->at_object ? "@" : "", x->at_object ? x->at_object : "");
	return buf;
}

bool expect_holds(const struct expect *x, const struct answer *a)
{
	if (x->allow != a->allow)
		return false;
	if (x->allow || !x->at_gate)
		return true;
	return str_eq(x->at_leg ? x->at_leg : "forward", a->leg) && str_eq(x->at_gate, a->gate) &&
	       (!x->at_object || object_matches(a->object, x->at_object));
}

bool flow_words(char *text, char **src, char **dst, char **proto)
{
	char *p = text, *arrow;

	*src = str_word(&p);
	arrow = str_word(&p);
	*dst = str_word(&p);
	*proto = str_word(&p);
	return *src && arrow && strcmp(arrow, "->") == 0 && *dst && *proto && !str_word(&p);
}

static bool object_matches(const char *object, const char *wanted)
{
	return object && obj_name_matches(object, wanted);
}
