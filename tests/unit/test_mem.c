/* test_mem.c: arena, growing arrays, hand-over, and the one error. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "test.h"
#include "util/err.h"
#include "util/mem.h"

/* Every allocation is zeroed, aligned, apart from the others and kept until the end. */
static void arena_many(void **state)
{
	static const size_t sizes[] = { 0, 1, 15, 16, 17, 100, 4096, 70000, 3, 65536, 65537, 200000, 8 };
	enum { ROUNDS = 300 };
	struct arena *a = arena_new();
	unsigned char *p[ROUNDS];

	(void)state;
	for (size_t i = 0; i < ROUNDS; i++) {
		size_t n = sizes[i % ARRAY_SIZE(sizes)];

		p[i] = arena_alloc(a, n);
		assert_int_equal((uintptr_t)p[i] % 16, 0);
		for (size_t j = 0; j < n; j++)
			assert_int_equal(p[i][j], 0);
		memset(p[i], (int)(i % 255) + 1, n);
		for (size_t k = 0; k < i; k++)
			assert_ptr_not_equal(p[k], p[i]);
	}
	for (size_t i = 0; i < ROUNDS; i++)
		for (size_t j = 0; j < sizes[i % ARRAY_SIZE(sizes)]; j++)
			assert_int_equal(p[i][j], i % 255 + 1);
	arena_free(&a);
	assert_null(a);
	arena_free(&a);
	arena_free(NULL);
}

static void arena_text(void **state)
{
	struct arena *a = arena_new();

	(void)state;
	assert_string_equal(arena_strdup(a, ""), "");
	assert_string_equal(arena_strdup(a, "web-1"), "web-1");
	assert_string_equal(arena_printf(a, "%s.%d", "lab", 7), "lab.7");
	assert_memory_equal(arena_memdup(a, "a\0b", 3), "a\0b", 3);
	assert_int_equal(strlen(arena_printf(a, "%100000s", "")), 100000);
	arena_free(&a);
}

static void vec_grows(void **state)
{
	struct item {
		int x;
		char pad[20];
	} *v = NULL;
	size_t n = 0, cap = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct item *e = VEC_PUSH(v, n, cap);

		assert_int_equal(e->x, 0);
		e->x = i;
	}
	assert_int_equal(n, 1000);
	assert_true(cap >= n);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(v[i].x, i);
	free(v);
}

static void hand_over(void **state)
{
	char *p = xasprintf("%d", 42), *q = TAKE_PTR(p);
	int fd = open("/dev/null", O_RDONLY), taken = TAKE_FD(fd);

	(void)state;
	assert_null(p);
	assert_string_equal(q, "42");
	free(q);
	assert_int_equal(fd, -1);
	{
		_cleanup_close_ int closed_at_end = taken;
		_cleanup_free_ char *freed_at_end = xstrdup("x");

		assert_non_null(freed_at_end);
		assert_true(closed_at_end >= 0);
	}
	assert_int_equal(fcntl(taken, F_GETFD), -1);
}

static void err_builds_outward(void **state)
{
	struct err e = { .loc = { "old.ini", 9 } };

	(void)state;
	assert_int_equal(err_set(&e, ENOENT, "no such %s", "subnet"), -ENOENT);
	assert_int_equal(e.loc.line, 0);
	assert_int_equal(err_wrap(&e, "instance %s", "web-1"), -ENOENT);
	assert_int_equal(err_wrap(&e, "lab demo"), -ENOENT);
	assert_string_equal(e.msg, "lab demo: instance web-1: no such subnet");
	assert_string_equal(e.aws, "");
	assert_int_equal(err_set_aws(&e, -EINVAL, "InvalidSubnet.Conflict", "%s again", e.msg), -EINVAL);
	assert_string_equal(e.aws, "InvalidSubnet.Conflict");
	assert_string_equal(e.msg, "lab demo: instance web-1: no such subnet again");
	assert_int_equal(err_set(NULL, -EPERM, "x"), -EPERM);
	assert_int_equal(err_wrap(NULL, "x"), -EINVAL);
}

/* What is too long loses its end, and says so; the outermost words stay. */
static void err_too_long(void **state)
{
	struct err e;

	(void)state;
	err_set(&e, EIO, "%1000s", "x");
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	assert_string_equal(e.msg + sizeof(e.msg) - 4, "...");
	err_wrap(&e, "outermost");
	assert_memory_equal(e.msg, "outermost: ", 11);
	assert_string_equal(e.msg + sizeof(e.msg) - 4, "...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arena_many), cmocka_unit_test(arena_text),         cmocka_unit_test(vec_grows),
		cmocka_unit_test(hand_over),  cmocka_unit_test(err_builds_outward), cmocka_unit_test(err_too_long),
	};

	return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
