/* test_format.c: formatting keeps what a file means and every comment, and does not change its own output. */
#include <glob.h>
#include <string.h>
#include "conf/format.h"
#include "test.h"
#include "tests/support/random_topology.h"
#include "util/mem.h"
#include "util/str.h"

enum { FILE_MAX = 1 << 20, SEEDS = 30 };

static char *formatted(const char *text, char **ret_meaning)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_document_ struct document d;

	document_init(&d);
	assert_int_equal(document_parse(text, strlen(text), "x.ini", &d, &diags), 0);
	if (ret_meaning)
		*ret_meaning = document_format(&d);
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
	_cleanup_free_ char *before = NULL, *after = NULL, *once = formatted(text, &before);
	_cleanup_free_ char *twice = formatted(once, &after);

	assert_string_equal(once, twice);
	assert_int_equal(comments(text), comments(once));
}

static void shipped_and_random(void **state)
{
	glob_t g;

	(void)state;
	assert_int_equal(glob("topologies/*.ini", 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		_cleanup_free_ char *text = NULL, *meaning = NULL, *again = NULL, *once = NULL;

		assert_int_equal(read_whole_file(g.gl_pathv[i], FILE_MAX, &text, NULL), 0);
		check(text);
		once = formatted(text, &meaning);
		free(formatted(once, &again));
		assert_string_equal(meaning, again);
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
		_cleanup_free_ char *got = formatted(cases[i].in, NULL);

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
