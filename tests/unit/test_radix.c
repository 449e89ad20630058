/* test_radix.c: the sort against insertion, and the order of equal words, for every length around the bound of small
 * ones. */
#include "test.h"
#include "util/mem.h"
#include "util/radix.h"

enum { N_MAX = 300, ROUNDS = 400 };

static uint64_t rnd(void)
{
	static uint64_t x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

/* Few words, so that many are equal; of few bytes that vary, which differ by round. */
static uint64_t word(uint64_t mask)
{
	return rnd() & mask;
}

static void sorts_and_is_stable(void **state)
{
	static const uint64_t masks[] = {
		0, 0x7, 0xff00, UINT64_C(0xff) << 56, UINT64_C(0x0300000000000003), UINT64_MAX
	};
	struct radix_item v[2 * N_MAX];

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t n = round < 60 ? round : rnd() % N_MAX;
		uint64_t mask = masks[round % ARRAY_SIZE(masks)], sum = 0;

		for (size_t i = 0; i < n; i++) {
			v[i] = (struct radix_item){ word(mask), (uint32_t)i };
			sum += v[i].word * (i + 1);
		}
		radix_sort(v, v + n, n);
		for (size_t i = 0; i < n; i++) {
			sum -= v[i].word * (v[i].index + 1);
			if (!i)
				continue;
			assert_true(v[i - 1].word <= v[i].word);
			if (v[i - 1].word == v[i].word)
				assert_true(v[i - 1].index < v[i].index);
		}
		assert_int_equal(sum, 0); /* the same words, each with its index */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(sorts_and_is_stable) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
