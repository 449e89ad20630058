/* reach_view.c: what becomes reachable and what no longer is, as text and JSON: for vpc diff and vpc plan. */
#include <string.h>
#include "cli/reach_view.h"
#include "filters/explain.h"
#include "path/trace.h"
#include "util/mem.h"
#include "util/str.h"

enum { NAMES_SHOWN_MAX = 8 };

static void change_print(const struct reach_change *c);
static json_t *change_json(const struct reach_change *c);

void reach_print(const struct reach_diff *d)
{
	for (size_t i = 0; i < d->n; i++)
		change_print(&d->v[i]);
	if (d->n)
		printf("%llu pair%s differ%s\n", (unsigned long long)d->pairs, d->pairs == 1 ? "" : "s",
		       d->pairs == 1 ? "s" : "");
}

json_t *reach_json(const struct reach_diff *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->n; i++)
		json_array_append_new(list, change_json(&d->v[i]));
	return json_pack("{s:I,s:o}", "pairs", (json_int_t)d->pairs, "changes", list);
}

/* "a, b, c and 97 more": JSON has them all. */
static char *names_shortened(const char *names)
{
	const char *p = names;
	size_t n = 1, shown;

	for (const char *c = names; (c = strstr(c, ", ")); c += 2)
		n++;
	if (n <= NAMES_SHOWN_MAX)
		return xstrdup(names);
	for (shown = 0; shown < NAMES_SHOWN_MAX - 1; shown++)
		p = strstr(p, ", ") + 2;
	return xasprintf("%.*s and %zu more", (int)(p - names - 2), names, n - shown);
}

static void rule_print(const char *when, const struct reach_rule *r, enum abi_gate gate)
{
	if (!r->known)
		return;
	printf("    %s  %s", when, r->text[0] ? r->text : gate == ABI_GATE_ROUTE ? "no route" : "no rule matches");
	if (r->loc.line)
		printf("  %s%s:%u%s", style_on(stdout, STYLE_DIM), r->loc.file, r->loc.line,
		       style_off(stdout, STYLE_DIM));
	printf("\n");
}

/* "+ laptop -> web-1  tcp/22   at sg-in@web-1" and what decides there, before and after. */
static void change_print(const struct reach_change *c)
{
	_cleanup_free_ char *srcs = names_shortened(c->srcs), *dsts = names_shortened(c->dsts);
	bool more = c->is == REACH_ALLOW;
	char place[96];

	printf("%s%s%s %s -> %s  %s", style_on(stdout, more ? STYLE_GOOD : STYLE_BAD), more ? "+ allow" : "- deny ",
	       style_off(stdout, STYLE_GOOD), srcs, dsts, c->flows);
	if (c->gate != ABI_GATE_NONE)
		printf("  at %s", trace_place(c->leg, c->gate, c->object[0] ? c->object : NULL, place, sizeof(place)));
	else
		printf("  %s", more ? "new" : "gone");
	printf("\n");
	rule_print("was:", &c->before, c->gate);
	rule_print("is: ", &c->after, c->gate);
}

static json_t *words_json(const char *text, const char *sep)
{
	_cleanup_free_ char *copy = xstrdup(text);
	json_t *list = json_array();
	char *save = NULL;

	for (char *w = strtok_r(copy, sep, &save); w; w = strtok_r(NULL, sep, &save))
		json_array_append_new(list, json_string(w));
	return list;
}

static json_t *rule_json(const struct reach_rule *r)
{
	if (!r->known)
		return json_null();
	return json_pack("{s:s?,s:s?,s:o}", "rule", r->text[0] ? r->text : NULL, "file",
			 r->loc.line ? r->loc.file : NULL, "line",
			 r->loc.line ? json_integer(r->loc.line) : json_null());
}

static json_t *change_json(const struct reach_change *c)
{
	bool met = c->gate != ABI_GATE_NONE;

	return json_pack("{s:o,s:o,s:o,s:s,s:s,s:s?,s:s?,s:s?,s:o,s:o}", "src", words_json(c->srcs, ", "), "dst",
			 words_json(c->dsts, ", "), "flows", words_json(c->flows, " "), "was", reach_name(c->was), "is",
			 reach_name(c->is), "leg", met ? leg_name(c->leg) : NULL, "gate",
			 met ? gate_name(c->gate) : NULL, "object", c->object[0] ? c->object : NULL, "before",
			 rule_json(&c->before), "after", rule_json(&c->after));
}
