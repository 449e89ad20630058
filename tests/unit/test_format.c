/* test_format.c: formatting keeps what a file means and every comment, and does not change its own output. */
#include <glob.h>
#include <string.h>
#include "conf/build.h"
#include "conf/format.h"
#include "path/reach.h"
#include "test.h"
#include "tests/support/random_topology.h"
#include "util/mem.h"
#include "util/str.h"

enum { FILE_MAX = 1 << 20, SEEDS = 30 };

static char *formatted(const char *text)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_document_ struct document d;

	document_init(&d);
	assert_int_equal(document_parse(text, strlen(text), "x.ini", &d, &diags), 0);
	return format_text(text, &d);
}

static size_t comments(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == ';' || *text == '#';
	return n;
}

static void check(const char *text)
{
	_cleanup_free_ char *once = formatted(text), *twice = formatted(once);

	assert_string_equal(once, twice);
	assert_int_equal(comments(text), comments(once));
}

/* No flow of the two models differs. */
static void meaning_check(const char *text)
{
	_cleanup_free_ char *once = formatted(text);
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_model_ struct model *a = NULL, *b = NULL;
	_cleanup_reach_diff_ struct reach_diff d = { 0 };
	struct err e = { 0 };

	assert_int_equal(model_from_text(text, strlen(text), "x.ini", &a, &diags), 0);
	assert_int_equal(model_from_text(once, strlen(once), "x.ini", &b, &diags), 0);
	assert_int_equal(reach_diff_make(a, b, 0, &d, &e), 0);
	assert_int_equal(d.n, 0);
}

static void shipped_and_random(void **state)
{
	glob_t g;

	(void)state;
	assert_int_equal(glob("topologies/*.ini", 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		_cleanup_free_ char *text = NULL;

		assert_int_equal(read_whole_file(g.gl_pathv[i], FILE_MAX, &text, NULL), 0);
		check(text);
		meaning_check(text);
	}
	globfree(&g);
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		_cleanup_free_ char *text = random_topology(seed, "random");

		check(text);
	}
}

static void ends_of_files(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "" },
		{ "\n\n", "" },
		{ "; only\n\n\n; comments", "; only\n\n; comments\n" },
		{ "[vpc v]\ncidr=10.0.0.0/16", "[vpc v]\ncidr = 10.0.0.0/16\n" },
		{ "\xef\xbb\xbf[vpc v]\r\ncidr = 10.0.0.0/16\r\n", "[vpc v]\ncidr = 10.0.0.0/16\n" },
		{ "[vpc v]\ncidr = 10.0.0.0/16\n; of w\n[vpc w]\ncidr = 10.1.0.0/16\n\n\n",
		  "[vpc v]\ncidr = 10.0.0.0/16\n\n; of w\n[vpc w]\ncidr = 10.1.0.0/16\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *got = formatted(cases[i].in);

		assert_string_equal(got, cases[i].out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shipped_and_random),
		cmocka_unit_test(ends_of_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
