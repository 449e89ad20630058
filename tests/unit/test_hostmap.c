/* test_hostmap.c: host maps against naive ones; contents of maps as rows. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "test.h"
#include "filters/hostmap.h"
#include "filters/rows.h"
#include "util/mem.h"

enum { KEYS_MAX = 512 };

static uint64_t rnd_state = 42;

static uint32_t rnd(uint32_t n)
{
	rnd_state = rnd_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(rnd_state >> 33) % n;
}

/* ---- trie ---- */

struct lpm_key {
	uint32_t len;
	uint8_t data[4];
};

struct naive {
	struct lpm_key key;
	uint64_t value;
	void *at; /* what the map gave for it */
	bool used;
};
static struct naive naive[KEYS_MAX];

static bool same_bits(const uint8_t *a, const uint8_t *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if ((a[i / 8] ^ b[i / 8]) >> (7 - i % 8) & 1)
			return false;
	return true;
}

/* Longest stored prefix that is no longer than the key asks for. */
static struct naive *naive_match(const struct lpm_key *k)
{
	struct naive *best = NULL;

	for (size_t i = 0; i < KEYS_MAX; i++)
		if (naive[i].used && naive[i].key.len <= k->len &&
		    same_bits(naive[i].key.data, k->data, naive[i].key.len) &&
		    (!best || naive[i].key.len > best->key.len))
			best = &naive[i];
	return best;
}

static struct naive *naive_exact(const struct lpm_key *k)
{
	struct naive *n = naive_match(k);

	return n && n->key.len == k->len ? n : NULL;
}

/* Few different bits, so that keys nest, branch and repeat. */
static struct lpm_key random_key(void)
{
	struct lpm_key k = { .len = rnd(33) };

	for (size_t i = 0; i < sizeof(k.data); i++)
		k.data[i] = (uint8_t)(rnd(3) ? 0 : rnd(4) << rnd(7));
	return k;
}

static int count_one(void *ctx, const void *key, void *value)
{
	const struct lpm_key *k = key;
	struct naive *n = naive_exact(k);
	uint64_t v;

	memcpy(&v, value, sizeof(v));
	assert_non_null(n);
	assert_int_equal(n->value, v);
	(*(size_t *)ctx)++;
	return 0;
}

static void trie_is_naive(void **state)
{
	struct host_map *m = host_map_new(HOST_LPM, sizeof(struct lpm_key), sizeof(uint64_t), KEYS_MAX / 2);
	size_t count = 0, walked = 0;

	(void)state;
	for (unsigned round = 0; round < 60000; round++) {
		struct lpm_key k = random_key();
		struct naive *n = naive_exact(&k), *spare = naive;
		uint64_t v = round;

		switch (rnd(round / 4000 % 2 ? 4 : 3)) {
		case 0:
			if (!n && count == KEYS_MAX / 2) {
				assert_int_equal(host_map_update(m, &k, &v), -E2BIG);
				break;
			}
			assert_int_equal(host_map_update(m, &k, &v), 0);
			if (!n) {
				while (spare->used)
					spare++;
				*spare = (struct naive){ .key = k, .used = true };
				n = spare;
				n->at = host_map_lookup(m, &k);
				count++;
			}
			n->value = v;
			break;
		case 1:
		case 3:
			assert_int_equal(host_map_delete(m, &k), n ? 0 : -ENOENT);
			if (n)
				n->used = false;
			count -= n != NULL;
			break;
		}
		k = random_key();
		n = naive_match(&k);
		assert_ptr_equal(host_map_lookup(m, &k), n ? n->at : NULL);
		if (n)
			assert_memory_equal(n->at, &n->value, sizeof(n->value));
		assert_int_equal(host_map_count(m), count);
	}
	host_map_each(m, count_one, &walked);
	assert_int_equal(walked, count);
	host_map_free(&m);
	assert_null(m);
	host_map_free(&m);
}

static void trie_bounds(void **state)
{
	struct host_map *m = host_map_new(HOST_LPM, sizeof(struct lpm_key), 4, 8);
	struct lpm_key k = { .len = 33 };
	uint32_t v = 5, *found;

	(void)state;
	assert_int_equal(host_map_update(m, &k, &v), -EINVAL);
	assert_int_equal(host_map_delete(m, &k), -EINVAL);
	assert_null(host_map_lookup(m, &k));
	k.len = 0; /* matches everything */
	assert_int_equal(host_map_update(m, &k, &v), 0);
	k = (struct lpm_key){ .len = 32, .data = { 255, 255, 255, 255 } };
	found = host_map_lookup(m, &k);
	assert_non_null(found);
	assert_int_equal(*found, 5);
	/* A key shorter than a prefix does not match it. */
	k.len = 24;
	v = 6;
	assert_int_equal(host_map_update(m, &k, &v), 0);
	k.len = 23;
	found = host_map_lookup(m, &k);
	assert_int_equal(*found, 5);
	k.len = 25;
	found = host_map_lookup(m, &k);
	assert_int_equal(*found, 6);
	host_map_free(&m);
}

/* ---- hash, LRU, array ---- */

static int delete_odd(void *ctx, const void *key, void *value)
{
	uint32_t v;

	memcpy(&v, value, sizeof(v));
	if (v % 2)
		assert_int_equal(host_map_delete(ctx, key), 0);
	return 0;
}

static int stop_at_third(void *ctx, const void *key, void *value)
{
	(void)key;
	(void)value;
	return ++*(int *)ctx == 3 ? -EINTR : 0;
}

static void hash_is_naive(void **state)
{
	struct host_map *m = host_map_new(HOST_HASH, 7, sizeof(uint32_t), KEYS_MAX);
	uint32_t values[1024], *at[1024] = { 0 };
	size_t count = 0;
	int calls = 0;

	(void)state;
	for (uint32_t round = 0; round < 50000; round++) {
		uint32_t i = rnd(ARRAY_SIZE(values));
		uint8_t key[7] = { 1, (uint8_t)i, 2, (uint8_t)(i >> 8), 3 };

		assert_ptr_equal(host_map_lookup(m, key), at[i]);
		if (rnd(2)) {
			if (!at[i] && count == KEYS_MAX) {
				assert_int_equal(host_map_update(m, key, &round), -E2BIG);
				continue;
			}
			assert_int_equal(host_map_update(m, key, &round), 0);
			count += !at[i];
			values[i] = round;
			if (!at[i])
				at[i] = host_map_lookup(m, key);
			assert_ptr_equal(host_map_lookup(m, key), at[i]);
			assert_int_equal(*at[i], values[i]);
		} else {
			assert_int_equal(host_map_delete(m, key), at[i] ? 0 : -ENOENT);
			count -= at[i] != NULL;
			at[i] = NULL;
		}
		assert_int_equal(host_map_count(m), count);
	}
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		if (at[i])
			assert_int_equal(*at[i], values[i]);
	assert_int_equal(host_map_each(m, stop_at_third, &calls), -EINTR);
	assert_int_equal(calls, 3);
	host_map_each(m, delete_odd, m);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		uint8_t key[7] = { 1, (uint8_t)i, 2, (uint8_t)(i >> 8), 3 };

		assert_ptr_equal(host_map_lookup(m, key), at[i] && values[i] % 2 == 0 ? at[i] : NULL);
	}
	host_map_free(&m);
}

static void lru_forgets_the_oldest(void **state)
{
	struct host_map *m = host_map_new(HOST_LRU, 4, 4, 3);

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(host_map_update(m, &i, &i), 0);
	assert_non_null(host_map_lookup(m, &(uint32_t){ 0 })); /* used: 1 is the oldest now */
	assert_int_equal(host_map_update(m, &(uint32_t){ 2 }, &(uint32_t){ 22 }), 0);
	assert_int_equal(host_map_update(m, &(uint32_t){ 3 }, &(uint32_t){ 3 }), 0);
	assert_int_equal(host_map_count(m), 3);
	assert_null(host_map_lookup(m, &(uint32_t){ 1 }));
	assert_non_null(host_map_lookup(m, &(uint32_t){ 0 }));
	assert_int_equal(*(uint32_t *)host_map_lookup(m, &(uint32_t){ 2 }), 22);
	assert_int_equal(host_map_update(m, &(uint32_t){ 4 }, &(uint32_t){ 4 }), 0);
	assert_null(host_map_lookup(m, &(uint32_t){ 3 }));
	host_map_free(&m);
	m = host_map_new(HOST_LRU, 4, 4, 0);
	assert_int_equal(host_map_update(m, &(uint32_t){ 1 }, &(uint32_t){ 1 }), -E2BIG);
	host_map_free(&m);
}

static int sum(void *ctx, const void *key, void *value)
{
	uint32_t i;
	uint8_t v[3];

	memcpy(&i, key, sizeof(i));
	memcpy(v, value, sizeof(v));
	*(unsigned *)ctx += v[0] * (i + 1);
	return 0;
}

static void array_is_always_there(void **state)
{
	struct host_map *m = host_map_new(HOST_ARRAY, 4, 3, 5);
	unsigned total = 0;

	(void)state;
	assert_int_equal(host_map_count(m), 5);
	assert_memory_equal(host_map_lookup(m, &(uint32_t){ 4 }), "\0\0\0", 3);
	assert_null(host_map_lookup(m, &(uint32_t){ 5 }));
	assert_int_equal(host_map_update(m, &(uint32_t){ 5 }, "abc"), -ENOENT);
	assert_int_equal(host_map_update(m, &(uint32_t){ 4 }, "\2bc"), 0);
	assert_int_equal(host_map_update(m, &(uint32_t){ 0 }, "\3bc"), 0);
	assert_memory_equal(host_map_lookup(m, &(uint32_t){ 4 }), "\2bc", 3);
	assert_memory_equal(host_map_lookup(m, &(uint32_t){ 3 }), "\0\0\0", 3);
	assert_int_equal(host_map_delete(m, &(uint32_t){ 4 }), -EINVAL);
	host_map_each(m, sum, &total);
	assert_int_equal(total, 2 * 5 + 3);
	host_map_free(&m);
}

/* ---- rows ---- */

static void shapes_are_the_abi(void **state)
{
	static const struct abi_map_shape want[ABI_MAP_SYNC_MAX] = {
		[ABI_MAP_PORTS] = { "ports", 4, 64 },       [ABI_MAP_ADDRS] = { "addrs", 20, 24 },
		[ABI_MAP_ROUTES] = { "routes", 28, 12 },    [ABI_MAP_INET] = { "inet", 28, 28 },
		[ABI_MAP_POLICIES] = { "policies", 4, 48 }, [ABI_MAP_PEERS] = { "peers", 28, 24 },
		[ABI_MAP_MEMBERS] = { "members", 8, 16 },   [ABI_MAP_RULES] = { "rules", 8, 392 },
	};

	(void)state;
	for (size_t i = 0; i < ABI_MAP_SYNC_MAX; i++) {
		assert_string_equal(abi_map_shapes[i].name, want[i].name);
		assert_int_equal(abi_map_shapes[i].key_size, want[i].key_size);
		assert_int_equal(abi_map_shapes[i].value_size, want[i].value_size);
	}
}

static void rows_sort_by_map_and_key(void **state)
{
	struct map_rows r;
	uint8_t key[UINT8_MAX], value[2 * UINT8_MAX] = { 9 };

	(void)state;
	map_rows_init(&r);
	map_rows_sort(&r);
	assert_true(r.sorted);
	for (unsigned i = 0; i < 3000; i++) {
		enum abi_map map = rnd(ABI_MAP_SYNC_MAX);

		memset(key, 0, sizeof(key));
		for (unsigned k = 0; k < abi_map_shapes[map].key_size; k++)
			key[k] = (uint8_t)(rnd(3) ? 0 : rnd(256));
		value[0] = key[0]; /* equal keys have equal values */
		map_rows_add(&r, map, key, value);
	}
	/* The same row twice is one row. */
	map_rows_add(&r, ABI_MAP_RULES, key, value);
	map_rows_add(&r, ABI_MAP_RULES, key, value);
	assert_false(r.sorted);
	map_rows_sort(&r);
	assert_true(r.sorted);
	assert_true(r.n <= 3001 && r.n > 1000);
	for (size_t i = 1; i < r.n; i++) {
		const struct map_row *a = &r.v[i - 1], *b = &r.v[i];

		assert_true(a->map <= b->map);
		if (a->map == b->map)
			assert_true(memcmp(map_row_key(&r, a), map_row_key(&r, b), a->key_size) < 0);
		assert_memory_equal(map_row_value(&r, a), map_row_key(&r, a), 1);
	}
	map_rows_done(&r);
	assert_null(r.v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trie_is_naive),
		cmocka_unit_test(trie_bounds),
		cmocka_unit_test(hash_is_naive),
		cmocka_unit_test(lru_forgets_the_oldest),
		cmocka_unit_test(array_is_always_there),
		cmocka_unit_test(shapes_are_the_abi),
		cmocka_unit_test(rows_sort_by_map_and_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
