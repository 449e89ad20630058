/* v_diff.c: vpc diff: which flows a change of a topology allows or denies, and by which rule. */
#include <string.h>
#include "cli/client.h"
#include "cli/source.h"
#include "cli/verbs.h"
#include "filters/explain.h"
#include "path/reach.h"
#include "path/trace.h"
#include "util/mem.h"

static void change_print(const struct reach_change *c);
static json_t *change_json(const struct reach_change *c);
static void diff_json_print(const struct args *a, const struct reach_diff *d);

int diff_run(const struct args *a)
{
	_cleanup_model_ struct model *before = NULL, *after = NULL;
	_cleanup_reach_diff_ struct reach_diff d = { 0 };
	struct err e = { 0 };
	int r = model_of_file(a->words[0], &before);

	if (r == 0)
		r = model_of_file(a->words[1], &after);
	if (r)
		return r;
	if (reach_diff_make(before, after, 0, &d, &e) < 0)
		return fail_err(EXIT_BROKEN, &e);
	if (a->output == OUTPUT_JSON) {
		diff_json_print(a, &d);
	} else {
		for (size_t i = 0; i < d.n; i++)
			change_print(&d.v[i]);
		if (d.n)
			printf("%llu pair%s differ%s\n", (unsigned long long)d.pairs, d.pairs == 1 ? "" : "s",
			       d.pairs == 1 ? "s" : "");
		else
			printf("no changes\n");
	}
	return d.n ? EXIT_FINDING : EXIT_OK;
}

static void rule_print(const char *when, const struct reach_rule *r)
{
	if (!r->known)
		return;
	printf("    %s  %s", when, r->text[0] ? r->text : "no rule matches");
	if (r->loc.line)
		printf("  %s%s:%u%s", style_on(stdout, STYLE_DIM), r->loc.file, r->loc.line,
		       style_off(stdout, STYLE_DIM));
	printf("\n");
}

/* "+ laptop -> web-1  tcp/22   at sg-in@web-1" and what decides there, before and after. */
static void change_print(const struct reach_change *c)
{
	bool more = c->is == REACH_ALLOW;
	char place[96];

	printf("%s%s%s %s -> %s  %s", style_on(stdout, more ? STYLE_GOOD : STYLE_BAD), more ? "+ allow" : "- deny ",
	       style_off(stdout, STYLE_GOOD), c->srcs, c->dsts, c->flows);
	if (c->gate != ABI_GATE_NONE)
		printf("  at %s", trace_place(c->leg, c->gate, c->object[0] ? c->object : NULL, place, sizeof(place)));
	else
		printf("  %s", more ? "new" : "gone");
	printf("\n");
	rule_print("was:", &c->before);
	rule_print("is: ", &c->after);
}

static void diff_json_print(const struct args *a, const struct reach_diff *d)
{
	json_t *list = json_array(), *root;

	for (size_t i = 0; i < d->n; i++)
		json_array_append_new(list, change_json(&d->v[i]));
	root = json_pack("{s:i,s:s,s:s,s:I,s:o}", "api", 1, "old", a->words[0], "new", a->words[1], "pairs",
			 (json_int_t)d->pairs, "changes", list);
	json_print(root);
	json_decref(root);
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
