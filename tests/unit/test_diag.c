/* test_diag.c: order, repeats and text of located findings. */
#include <string.h>
#include "test.h"
#include "util/diag.h"
#include "util/mem.h"

static void add(struct diag_list *l, enum severity sev, const char *file, uint32_t line, const char *msg)
{
	diag_add(l, sev, (struct src_loc){ file, line }, "Code", NULL, "%s", msg);
}

static void sorts_and_drops_repeats(void **state)
{
	static const char *const want[] = {
		"a.ini:1: error: x",  "a.ini:2: error: y",        "a.ini:2: error: z", "a.ini:2: warning: y",
		"a.ini:10: error: x", "b.ini: error: whole file", "b.ini:1: error: x", "error: nowhere",
	};
	_cleanup_diag_list_ struct diag_list l;

	(void)state;
	diag_list_init(&l);
	diag_sort(&l);
	add(&l, SEV_ERROR, NULL, 0, "nowhere");
	add(&l, SEV_ERROR, "b.ini", 1, "x");
	add(&l, SEV_ERROR, "b.ini", 0, "whole file");
	add(&l, SEV_ERROR, "a.ini", 10, "x");
	add(&l, SEV_WARNING, "a.ini", 2, "y");
	add(&l, SEV_ERROR, "a.ini", 2, "z");
	add(&l, SEV_ERROR, "a.ini", 2, "y");
	add(&l, SEV_ERROR, "a.ini", 2, "z");
	add(&l, SEV_WARNING, "a.ini", 2, "y");
	add(&l, SEV_ERROR, "a.ini", 1, "x");
	add(&l, SEV_ERROR, "a.ini", 2, "z");
	assert_int_equal(l.errors, 9);
	diag_sort(&l);
	assert_int_equal(l.n, ARRAY_SIZE(want));
	assert_int_equal(l.errors, 7);
	for (size_t i = 0; i < l.n; i++) {
		_cleanup_free_ char *s = diag_format(&l.v[i]);

		assert_string_equal(s, want[i]);
	}
}

static void owns_its_strings(void **state)
{
	char file[] = "lab.ini", fix[] = "take a free one", code[] = "InvalidSubnet.Conflict";
	_cleanup_diag_list_ struct diag_list l;
	_cleanup_free_ char *s = NULL;

	(void)state;
	diag_list_init(&l);
	diag_add(&l, SEV_ERROR, (struct src_loc){ file, 3 }, code, fix, "subnet %s: %d addresses", "a", 5);
	memset(file, 'X', sizeof(file) - 1);
	memset(fix, 'X', sizeof(fix) - 1);
	memset(code, 'X', sizeof(code) - 1);
	s = diag_format(&l.v[0]);
	assert_string_equal(s, "lab.ini:3: error: subnet a: 5 addresses; take a free one");
	assert_string_equal(l.v[0].code, "InvalidSubnet.Conflict");
}

/* The same words with another code or another fix are another finding. */
static void nearly_the_same_is_kept(void **state)
{
	struct src_loc at = { "a.ini", 1 };
	_cleanup_diag_list_ struct diag_list l;

	(void)state;
	diag_list_init(&l);
	diag_add(&l, SEV_ERROR, at, "A", NULL, "x");
	diag_add(&l, SEV_ERROR, at, "B", NULL, "x");
	diag_add(&l, SEV_ERROR, at, "A", "fix", "x");
	diag_add(&l, SEV_ERROR, at, "A", "fix", "x");
	diag_sort(&l);
	assert_int_equal(l.n, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sorts_and_drops_repeats),
		cmocka_unit_test(owns_its_strings),
		cmocka_unit_test(nearly_the_same_is_kept),
	};

	return cmocka_run_group_tests_name("diag", tests, NULL, NULL);
}
