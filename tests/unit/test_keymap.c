/* test_keymap.c: the hash behind every lookup: finds what was put, and not after a long search. */
#include <stdio.h>
#include <string.h>
#include "model/keymap.h"
#include "test.h"
#include "util/mem.h"

enum { KEYS = 5000, KEY_MAX = 64 };

/* As people and the daemon name things. */
static const char *const patterns[] = {
	"i%d",       "web-%d",    "eni/i%d", "%d",   "i/%d", "private/web-%d", "sg/g%d/in/all from 10.0.0.0/8",
	"10.0.%d.1", "abcdefg%d", "%05d",    "a%07d"
};

static double steps_mean(const struct keymap *m)
{
	size_t steps = 0;

	for (uint32_t i = 0; i < m->cap; i++)
		if (m->slots[i].key)
			steps += (i - m->slots[i].hash) & (m->cap - 1);
	return (double)steps / m->n;
}

/* At most half full: 0.5 steps are what chance would have. */
static void names_are_spread(void **state)
{
	char(*keys)[KEY_MAX] = xcalloc(KEYS, sizeof(*keys));

	(void)state;
	for (size_t p = 0; p < ARRAY_SIZE(patterns); p++) {
		struct keymap m = { 0 };

		for (int i = 0; i < KEYS; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			snprintf(keys[i], sizeof(keys[i]), patterns[p], i);
#pragma GCC diagnostic pop
			assert_true(keymap_put_str(&m, keys[i], (uint64_t)i));
			if (m.n >= 512 && m.n == m.cap / 2 && steps_mean(&m) > 1)
				fail_msg("%s: %.1f steps a lookup of %u", patterns[p], steps_mean(&m), m.n);
		}
		for (int i = 0; i < KEYS; i++)
			assert_int_equal(keymap_get_str(&m, keys[i]), i);
		assert_false(keymap_put_str(&m, keys[7], 8));
		assert_int_equal(keymap_get_str(&m, keys[7]), 7);
		assert_int_equal(keymap_get_str(&m, "nobody"), KEYMAP_NONE);
		keymap_done(&m);
	}
	free(keys);
}

/* Keys are bytes: NULs count, and so does the length. */
static void keys_of_bytes(void **state)
{
	static const uint8_t zeros[16], one[16] = { [15] = 1 };
	struct keymap m = { 0 };

	(void)state;
	for (size_t n = 0; n <= sizeof(zeros); n++)
		assert_true(keymap_put(&m, zeros, n, n));
	assert_true(keymap_put(&m, one, sizeof(one), 100));
	for (size_t n = 0; n <= sizeof(zeros); n++)
		assert_int_equal(keymap_get(&m, zeros, n), n);
	assert_int_equal(keymap_get(&m, one, sizeof(one)), 100);
	keymap_done(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_spread),
		cmocka_unit_test(keys_of_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
