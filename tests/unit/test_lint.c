/* test_lint.c: each code is found, silenced by its comment and only by its own; what --fix takes away
 * changes no flow, in the file with one of each and in random topologies. */
#include <stdio.h>
#include <string.h>
#include "conf/build.h"
#include "path/lint.h"
#include "path/reach.h"
#include "test.h"
#include "tests/support/random_topology.h"
#include "util/mem.h"
#include "util/str.h"

enum { FILE_MAX = 1 << 20, SEEDS = 40 };

static struct model *load(const char *text, const char *name)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	struct model *m = NULL;

	if (model_from_text(text, strlen(text), name, &m, &diags) < 0)
		fail_msg("%s: %s", name, diags.v[0].message);
	return m;
}

static size_t count(const struct diag_list *l, const char *code)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		n += str_eq(l->v[i].code, code);
	return n;
}

static void each_code_is_found_and_silenced(void **state)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_model_ struct model *m = NULL;
	_cleanup_diag_list_ struct diag_list l = { 0 };

	(void)state;
	assert_int_equal(read_whole_file("tests/golden/lint/findings.ini", FILE_MAX, &text, NULL), 0);
	m = load(text, "findings.ini");
	lint_model(m, text, &l);
	for (size_t i = 0; i < n_lint_codes; i++)
		if (!count(&l, lint_codes[i].code))
			fail_msg("nothing shows %s", lint_codes[i].code);
	for (size_t i = 0; i < l.n; i++) {
		_cleanup_diag_list_ struct diag_list less = { 0 };
		struct strbuf b = { 0 };
		uint32_t line = 0;

		for (const char *p = text, *end; *p; p = end) {
			end = p + strcspn(p, "\n") + 1;
			if (++line == l.v[i].line)
				strbuf_addf(&b, "; lint: %s: we know\n", l.v[i].code);
			strbuf_add(&b, p, (size_t)(end - p));
		}
		for (size_t k = 0; k < l.n; k++) /* what stands behind the new line moves */
			assert_true(l.v[k].line > 0);
		{
			_cleanup_model_ struct model *again = load(b.s, "findings.ini");

			lint_model(again, b.s, &less);
		}
		assert_true(less.n < l.n);
		assert_true(count(&less, l.v[i].code) < count(&l, l.v[i].code));
		strbuf_done(&b);
	}
}

static void another_code_silences_nothing(void **state)
{
	static const char text[] =
		"[vpc v]\ncidr = 10.0.0.0/16\n[security-group g] \nvpc = v ; lint: unused-other, unusedx\n";
	_cleanup_model_ struct model *m = load(text, "g.ini");
	_cleanup_diag_list_ struct diag_list l = { 0 };

	(void)state;
	lint_model(m, text, &l);
	assert_int_equal(count(&l, "unused"), 1);
}

static size_t fix_check(const char *text, const char *name)
{
	_cleanup_model_ struct model *m = load(text, name), *fixed = NULL;
	_cleanup_diag_list_ struct diag_list l = { 0 }, after = { 0 };
	_cleanup_reach_diff_ struct reach_diff d = { 0 };
	_cleanup_free_ char *less = NULL;
	struct err e = { 0 };
	size_t n;

	lint_model(m, text, &l);
	less = lint_fix(text, &l, &n);
	fixed = load(less, name);
	assert_int_equal(reach_diff_make(m, fixed, 0, &d, &e), 0);
	if (d.n)
		fail_msg("%s: %s -> %s %s changes:\n%s", name, d.v[0].srcs, d.v[0].dsts, d.v[0].flows, text);
	lint_model(fixed, less, &after);
	for (size_t i = 0; i < after.n; i++)
		if (lint_code_find(after.v[i].code)->fixable)
			fail_msg("%s: still %s: %s", name, after.v[i].code, after.v[i].message);
	return n;
}

static void fixes_change_no_flow(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t n = 0;

	(void)state;
	assert_int_equal(read_whole_file("tests/golden/lint/findings.ini", FILE_MAX, &text, NULL), 0);
	assert_int_equal(fix_check(text, "findings.ini"), 9);
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		_cleanup_free_ char *random = random_topology(seed, "random");

		n += fix_check(random, "random.ini");
	}
	assert_true(n > SEEDS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_code_is_found_and_silenced),
		cmocka_unit_test(another_code_silences_nothing),
		cmocka_unit_test(fixes_change_no_flow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
