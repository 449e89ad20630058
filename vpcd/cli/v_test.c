/* v_test.c: vpc test: the [expect] lines of files by the static walk, or of a running lab by real
 * packets. Live answers are also held against the walk's: where the two differ, one of them is wrong. */
#include <string.h>
#include "cli/client.h"
#include "cli/probes.h"
#include "cli/source.h"
#include "cli/test_view.h"
#include "cli/verbs.h"
#include "path/trace.h"
#include "util/mem.h"
#include "util/str.h"

static int files_test(const struct args *a, json_t *results, json_t *covered, json_t *by_file);
static int lab_test(const struct args *a, json_t *results);
static int live_answers(const struct args *a, const char *lab, const struct model *m, json_t **ret);
static bool can_be_sent(const struct model *m, const struct expect *x);
static json_t *live_result(struct walker *w, const struct model *m, const struct expect *x, const json_t *probe);
static void walk_answer(struct walker *w, const struct model *m, const struct expect *x, uint16_t sport,
			struct walk *walk, struct answer *ret, struct err *e);
static json_t *result_make(const struct expect *x, const struct answer *got, const char *note);
static void trace_attach(json_t *result, const struct model *m, const struct expect *x, const struct walk *walk);
static int results_print(const struct args *a, const json_t *results, json_t *covered, const json_t *by_file);
static void line_print(const json_t *r);
static void text_indented(const char *text, const char *before); /* of lines, each with its newline */
static void tap_print(const json_t *r, size_t n);
static void tap_coverage_print(const json_t *covered);
static json_t *text_or_null(const char *s);
static const char *member(const json_t *o, const char *name);

int test_run(const struct args *a)
{
	json_t *results = json_array(), *covered = a->coverage ? json_object() : json_null(), *by_file = json_object();
	int r;

	if (!a->live && a->n == 0)
		r = fail(EXIT_USAGE, "test: which FILE? (or --live for a running lab); usage: vpc test %s",
			 a->verb->usage);
	else if (a->live && a->n > 1)
		r = fail(EXIT_USAGE, "test --live takes one LAB; usage: vpc test %s", a->verb->usage);
	else if (!a->live && a->lab)
		r = fail(EXIT_USAGE, "test: --lab names a running lab; add --live");
	else if (a->live && a->coverage)
		r = fail(EXIT_USAGE, "test: --coverage is of files; leave --live out");
	else
		r = a->live ? lab_test(a, results) : files_test(a, results, covered, by_file);
	if (r == 0)
		r = results_print(a, results, covered, by_file);
	json_decref(results);
	json_decref(covered);
	json_decref(by_file);
	return r;
}

/* by_file: what covered sums up, by the name of the file. */
static int files_test(const struct args *a, json_t *results, json_t *covered, json_t *by_file)
{
	for (size_t i = 0; i < a->n; i++) {
		_cleanup_model_ struct model *m = NULL;
		struct walker *w = NULL;
		struct coverage coverage;
		struct err e = { 0 };
		int r = model_of_file(a->words[i], &m);

		if (r)
			return r;
		if (walker_new(m, &w, &e) < 0)
			return fail_err(EXIT_BROKEN, &e);
		coverage_init(&coverage, m);
		for (uint32_t k = 0; k < m->n_expects; k++) {
			struct walk walk = { 0 };
			struct answer got;
			struct err why = { 0 };
			json_t *result;

			walk_answer(w, m, &m->expects[k], 0, &walk, &got, &why);
			result = result_make(&m->expects[k], why.code ? NULL : &got, why.code ? why.msg : NULL);
			trace_attach(result, m, &m->expects[k], &walk);
			json_array_append_new(results, result);
			coverage_add(&coverage, &walk);
			walk_done(&walk);
		}
		walker_free(&w);
		if (a->coverage) {
			json_t *own = json_object();

			coverage_json(&coverage, own);
			json_object_set_new(by_file, m->file, own);
			coverage_json(&coverage, covered);
		}
		coverage_done(&coverage);
		if (m->n_expects == 0)
			warn_line("%s has no [expect] lines: nothing was tested", a->words[i]);
	}
	return 0;
}

static int lab_test(const struct args *a, json_t *results)
{
	_cleanup_model_ struct model *m = NULL;
	struct args b = *a;
	struct walker *w = NULL;
	struct err e = { 0 };
	json_t *live = NULL;
	char lab[LAB_SIZE];
	int r;

	if (a->n)
		b.lab = a->words[0];
	if (b.lab && lab_check(a, b.lab))
		return EXIT_USAGE;
	r = lab_of(&b, NULL, lab, NULL);
	if (r == 0)
		r = model_of_lab(lab, &m);
	if (r == 0)
		r = live_answers(a, lab, m, &live);
	if (r)
		return r;
	if (walker_new(m, &w, &e) < 0) {
		json_decref(live);
		return fail_err(EXIT_BROKEN, &e);
	}
	for (uint32_t k = 0; k < m->n_expects; k++)
		json_array_append_new(results, live_result(w, m, &m->expects[k], json_array_get(live, k)));
	walker_free(&w);
	json_decref(live);
	if (m->n_expects == 0)
		warn_line("lab %s has no [expect] lines: nothing was tested", lab);
	return 0;
}

/* Packets against the expectation, and against the walk. */
static json_t *live_result(struct walker *w, const struct model *m, const struct expect *x, const json_t *probe)
{
	const char *said = member(probe, "note");
	struct answer got, expected;
	struct walk walk = { 0 };
	struct err why = { 0 };
	char text[128], note[512];
	enum agreement agreement;
	json_t *o;

	walk_answer(w, m, x, probe_from_port(probe), &walk, &expected, &why);
	if (why.code || !json_is_object(probe)) {
		o = result_make(x, NULL, why.code ? why.msg : "not tried: nobody in the lab sends from there");
		if (!why.code)
			json_object_set_new(o, "ok", json_null());
		walk_done(&walk);
		return o;
	}
	if (!member(probe, "verdict")) {
		walk_done(&walk);
		return result_make(x, NULL, said ? said : "it could not be sent");
	}
	answer_of_probe(probe, &got);
	agreement = answers_compare(&got, probe_is_by_state(probe), &expected);
	if (agreement == ANSWERS_BY_LUCK) {
		snprintf(note, sizeof(note), "the port that the NAT gateway draws decides (%s); this packet %s",
			 walk.steps[walk.denied].reason_more, got.allow ? "passed" : "did not pass");
		o = result_make(x, &expected, note);
		walk_done(&walk);
		return o;
	}
	if (agreement == ANSWERS_BY_STATE) {
		o = result_make(x, NULL, said);
		json_object_set_new(o, "ok", json_null());
		walk_done(&walk);
		return o;
	}
	snprintf(note, sizeof(note), "%s", said ? said : "");
	if (agreement == ANSWERS_DIFFER)
		snprintf(note, sizeof(note), "the static walk differs: it says %s%s%s",
			 answer_format_rule(&expected, text, sizeof(text)), said ? "; " : "", said ? said : "");
	o = result_make(x, &got, note);
	if (agreement == ANSWERS_DIFFER)
		json_object_set_new(o, "ok", json_false());
	else
		trace_attach(o, m, x, &walk); /* the walk says the same, and more */
	walk_done(&walk);
	return o;
}

/* One PROBE an expectation; null where nobody in the lab can send the flow. */
static int live_answers(const struct args *a, const char *lab, const struct model *m, json_t **ret)
{
	json_t *flows = json_array(), *out = NULL, *all = json_array();
	size_t sent = 0;
	int r;

	for (uint32_t k = 0; k < m->n_expects; k++) {
		_cleanup_free_ char *copy = xstrdup(m->expects[k].flow);
		char *src, *dst, *proto;
		json_t *flow;

		if (!can_be_sent(m, &m->expects[k]))
			continue;
		flow = flow_words(copy, &src, &dst, &proto) ? probe_flow(src, dst, proto, 0) : NULL;
		if (flow)
			json_array_append_new(flows, flow);
	}
	r = probes_send(lab, flows, a->timeout_ms, &out);
	for (uint32_t k = 0; r == 0 && k < m->n_expects; k++)
		json_array_append(all, can_be_sent(m, &m->expects[k])
					       ? json_array_get(json_object_get(out, "results"), sent++)
					       : json_null());
	json_decref(out);
	*ret = all;
	return r;
}

static bool can_be_sent(const struct model *m, const struct expect *x)
{
	struct flow f;

	return flow_parse(m, x->flow, &f, NULL) == 0 && f.src.kind != END_ADDRESS &&
	       (f.src.kind != END_ENI || m->enis[f.src.index].owner == ENI_OF_INSTANCE);
}

/* sport 0: the flow's own. */
static void walk_answer(struct walker *w, const struct model *m, const struct expect *x, uint16_t sport,
			struct walk *walk, struct answer *ret, struct err *e)
{
	struct flow f;

	*ret = (struct answer){ 0 };
	if (flow_parse(m, x->flow, &f, e) < 0)
		return;
	if (sport)
		f.sport = sport;
	if (walk_flow(w, &f, walk, e) == 0)
		answer_of_walk(walk, ret);
}

/* got NULL: there is no answer, note says why. */
static json_t *result_make(const struct expect *x, const struct answer *got, const char *note)
{
	bool ok = got && expect_holds(x, got);
	char wanted[128], is[128], text[512];
	json_t *o = json_object(), *denied = json_null();

	if (!got)
		snprintf(text, sizeof(text), "%s", note);
	else if (!ok)
		snprintf(text, sizeof(text), "expected %s, got %s%s%s", expect_format(x, wanted, sizeof(wanted)),
			 answer_format(got, is, sizeof(is)), note && *note ? "; " : "", note ? note : "");
	else
		snprintf(text, sizeof(text), "%s", note ? note : "");
	if (got && !got->allow)
		denied = json_pack("{s:o,s:o,s:o,s:o}", "leg", text_or_null(got->leg), "gate", text_or_null(got->gate),
				   "object", text_or_null(got->object), "reason", text_or_null(got->reason));
	json_object_set_new(o, "file", text_or_null(x->loc.line ? x->loc.file : NULL));
	json_object_set_new(o, "line", x->loc.line ? json_integer(x->loc.line) : json_null());
	json_object_set_new(o, "expect", json_string(x->allow ? "allow" : "deny"));
	json_object_set_new(o, "flow", json_string(x->flow));
	json_object_set_new(o, "ok", json_boolean(ok));
	json_object_set_new(o, "verdict", got ? json_string(got->allow ? "allow" : "deny") : json_null());
	json_object_set_new(o, "denied", denied);
	json_object_set_new(o, "decided",
			    got && (got->rule || (!got->allow && got->gate))
				    ? json_pack("{s:s?,s:s?,s:s?,s:o}", "rule_gate", got->rule_gate, "rule", got->rule,
						"file", got->file, "line",
						got->line ? json_integer(got->line) : json_null())
				    : json_null());
	json_object_set_new(o, "note", text_or_null(text));
	return o;
}

/* Why it failed, for people: not part of the JSON. */
static void trace_attach(json_t *result, const struct model *m, const struct expect *x, const struct walk *walk)
{
	_cleanup_free_ char *text = NULL;
	struct flow f;

	if (!json_is_false(json_object_get(result, "ok")) || !walk->n || flow_parse(m, x->flow, &f, NULL) < 0)
		return;
	text = trace_text(&f, walk, TRACE_FULL, &trace_plain);
	json_object_set_new(result, "trace", json_string(text));
}

static int results_print(const struct args *a, const json_t *results, json_t *covered, const json_t *by_file)
{
	size_t i, passed = 0, skipped = 0, failed, n = json_array_size(results);
	json_t *r, *root;

	json_array_foreach(results, i, r)
	{
		passed += json_is_true(json_object_get(r, "ok"));
		skipped += json_is_null(json_object_get(r, "ok"));
		if (a->output == OUTPUT_TABLE)
			line_print(r);
		else if (a->output == OUTPUT_TAP)
			tap_print(r, i + 1);
	}
	failed = n - passed - skipped;
	if (a->output == OUTPUT_TAP) {
		printf("1..%zu\n", n);
		if (a->coverage)
			tap_coverage_print(covered);
	} else if (a->output == OUTPUT_JSON) {
		json_array_foreach(results, i, r) json_object_del(r, "trace");
		root = json_pack("{s:I,s:I,s:O,s:O}", "passed", (json_int_t)passed, "failed", (json_int_t)failed,
				 "results", results, "coverage", covered);
		json_print(root);
		json_decref(root);
	} else if (a->output == OUTPUT_JUNIT) {
		junit_print(stdout, results, by_file);
	} else {
		printf("%zu passed, %zu failed", passed, failed);
		if (skipped)
			printf(", %zu not tried", skipped);
		printf("\n");
		if (a->coverage) {
			printf("\n");
			coverage_print(stdout, covered);
		}
	}
	return failed ? EXIT_FINDING : EXIT_OK;
}

/* "ok    deny   laptop -> db-1 tcp/5432  at igw@igw" */
static void line_print(const json_t *r)
{
	bool ok = json_is_true(json_object_get(r, "ok")), skipped = json_is_null(json_object_get(r, "ok"));
	const json_t *denied = json_object_get(r, "denied");
	const char *object = member(denied, "object"), *note = member(r, "note");
	enum style s = ok ? STYLE_GOOD : skipped ? STYLE_WARN : STYLE_BAD;

	printf("%s%-4s%s  %-5s  %s", style_on(stdout, s),
	       ok        ? "ok"
	       : skipped ? "skip"
			 : "FAIL",
	       style_off(stdout, s), member(r, "expect"), member(r, "flow"));
	if (ok && member(denied, "gate"))
		printf("  at %s%s%s%s", str_eq(member(denied, "leg"), "return") ? "return:" : "",
		       member(denied, "gate"), object ? "@" : "", object ? object : "");
	if (!ok && member(r, "file"))
		printf("  %s:%" JSON_INTEGER_FORMAT, member(r, "file"), json_integer_value(json_object_get(r, "line")));
	printf("\n");
	if (!ok && note)
		printf("      %s\n", note);
	text_indented(member(r, "trace"), "      ");
}

static void text_indented(const char *text, const char *before)
{
	for (size_t n; text && *text; text += n) {
		n = strcspn(text, "\n") + 1;
		printf("%s%s%.*s%s\n", before, style_on(stdout, STYLE_DIM), (int)(n - 1), text,
		       style_off(stdout, STYLE_DIM));
	}
}

static void tap_print(const json_t *r, size_t n)
{
	const char *note = member(r, "note"), *file = member(r, "file");
	bool failed = json_is_false(json_object_get(r, "ok")), skipped = json_is_null(json_object_get(r, "ok"));

	printf("%sok %zu - ", failed ? "not " : "", n);
	if (file)
		printf("%s:%" JSON_INTEGER_FORMAT " ", file, json_integer_value(json_object_get(r, "line")));
	printf("%s %s%s%s\n", member(r, "expect"), member(r, "flow"), skipped ? " # SKIP " : "", skipped ? note : "");
	if (failed && note)
		printf("# %s\n", note);
	text_indented(member(r, "trace"), "#   ");
}

static void tap_coverage_print(const json_t *covered)
{
	_cleanup_free_ char *text = coverage_text(covered);

	text_indented(text, "# ");
}

static json_t *text_or_null(const char *s)
{
	return s && *s ? json_string(s) : json_null();
}

static const char *member(const json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}
