/* test_registry.c: numbers, ids, remembered addresses; forgetting; saving and loading. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "abi.h"
#include "model/keymap.h"
#include "model/registry.h"
#include "test.h"
#include "util/mem.h"

#define _cleanup_registry_ __attribute__((cleanup(registry_free)))

static void numbers_stay(void **state)
{
	_cleanup_registry_ struct registry *r = registry_new(1);

	(void)state;
	assert_int_equal(registry_number(r, KIND_VPC, "a"), 1);
	assert_int_equal(registry_number(r, KIND_VPC, "b"), 2);
	assert_int_equal(registry_number(r, KIND_VPC, "a"), 1);
	assert_int_equal(registry_number(r, KIND_SUBNET, "a"), 1);
}

static void numbers_are_not_reused_at_once(void **state)
{
	_cleanup_registry_ struct registry *r = registry_new(1);

	(void)state;
	registry_number(r, KIND_RULE, "a");
	registry_number(r, KIND_RULE, "b");
	registry_begin(r);
	registry_number(r, KIND_RULE, "b");
	registry_end(r);
	assert_int_equal(registry_number(r, KIND_RULE, "b"), 2);
	assert_int_equal(registry_number(r, KIND_RULE, "c"), 3);
	assert_int_equal(registry_number(r, KIND_RULE, "a"), 4);
}

static void numbers_run_out_and_come_back(void **state)
{
	_cleanup_registry_ struct registry *r = registry_new(1);
	char key[16];

	(void)state;
	for (int i = 1; i < ABI_PORTS_MAX; i++) {
		snprintf(key, sizeof(key), "%d", i);
		assert_int_equal(registry_number(r, KIND_PORT, key), i);
	}
	assert_int_equal(registry_number(r, KIND_PORT, "more"), 0);
	assert_int_equal(registry_number(r, KIND_PORT, "17"), 17);
	registry_begin(r);
	for (int i = 1; i < ABI_PORTS_MAX; i++) {
		snprintf(key, sizeof(key), "%d", i);
		if (i != 5 && i != 900)
			registry_number(r, KIND_PORT, key);
	}
	registry_end(r);
	assert_int_equal(registry_number(r, KIND_PORT, "more"), 5);
	assert_int_equal(registry_number(r, KIND_PORT, "more2"), 900);
	assert_int_equal(registry_number(r, KIND_PORT, "more3"), 0);
}

static void ids_look_like_aws(void **state)
{
	_cleanup_registry_ struct registry *r = registry_new(7), *same = registry_new(7), *other = registry_new(8);
	const char *id = registry_id(r, "eni", "web-1");

	(void)state;
	assert_int_equal(strlen(id), strlen("eni-") + 17);
	assert_int_equal(strspn(id + 4, "0123456789abcdef"), 17);
	assert_memory_equal(id, "eni-", 4);
	assert_ptr_equal(registry_id(r, "eni", "web-1"), id);
	assert_string_equal(registry_id(same, "eni", "web-1"), id);
	assert_string_not_equal(registry_id(other, "eni", "web-1"), id);
	assert_string_not_equal(registry_id(r, "eni", "web-2"), id);
	assert_string_not_equal(registry_id(r, "i", "web-1") + 2, id + 4);
}

static void a_new_life_has_a_new_id(void **state)
{
	_cleanup_registry_ struct registry *r = registry_new(7);
	_cleanup_free_ char *old = xstrdup(registry_id(r, "i", "a")), *kept = xstrdup(registry_id(r, "i", "b"));

	(void)state;
	registry_begin(r);
	registry_id(r, "i", "b");
	registry_end(r);
	assert_string_equal(registry_id(r, "i", "b"), kept);
	assert_string_not_equal(registry_id(r, "i", "a"), old);
}

static void addresses_are_remembered(void **state)
{
	_cleanup_registry_ struct registry *r = registry_new(1);
	struct addr a = addr_from_v4(0x0a000004), b;

	(void)state;
	assert_int_equal(registry_addr_get(r, "private/web-1", &b), -ENOENT);
	registry_addr_set(r, "private/web-1", &a);
	assert_int_equal(registry_addr_get(r, "private/web-1", &b), 0);
	assert_int_equal(addr_cmp(&a, &b), 0);
	registry_begin(r);
	registry_end(r);
	assert_int_equal(registry_addr_get(r, "private/web-1", &b), -ENOENT);
}

static struct registry *sample(void)
{
	struct registry *r = registry_new(UINT64_C(0xfedcba9876543210));
	struct addr a = addr_from_v4(0xcb007101);

	registry_number(r, KIND_VPC, "shop");
	registry_number(r, KIND_RULE, "sg/web/in/tcp 80 from 0.0.0.0/0");
	registry_number(r, KIND_RULE, "gone");
	registry_id(r, "vpc", "shop");
	registry_addr_set(r, "public/web-1/10.0.0.10", &a);
	registry_begin(r);
	registry_number(r, KIND_VPC, "shop");
	registry_number(r, KIND_RULE, "sg/web/in/tcp 80 from 0.0.0.0/0");
	registry_addr_set(r, "public/web-1/10.0.0.10", &a);
	registry_end(r);
	registry_id(r, "vpc", "shop");
	return r;
}

static void dump_and_load(void **state)
{
	_cleanup_registry_ struct registry *r = sample(), *l = NULL, *c = registry_clone(r);
	_cleanup_free_ char *json = registry_dump(r), *again = NULL, *cloned = registry_dump(c);
	struct err e = { 0 };
	struct addr a;

	(void)state;
	assert_string_equal(json, cloned);
	assert_int_equal(registry_load(json, &l, &e), 0);
	again = registry_dump(l);
	assert_string_equal(json, again);
	assert_int_equal(registry_number(l, KIND_RULE, "new"), 3);
	assert_int_equal(registry_number(l, KIND_VPC, "shop"), 1);
	assert_string_equal(registry_id(l, "vpc", "shop"), registry_id(r, "vpc", "shop"));
	assert_string_equal(registry_id(l, "i", "new"), registry_id(r, "i", "new"));
	assert_int_equal(registry_addr_get(l, "public/web-1/10.0.0.10", &a), 0);
	assert_int_equal(addr_to_v4(&a), 0xcb007101);
}

static void one_change(struct registry *r, int which)
{
	struct addr a = addr_from_v4(0xcb007102);

	switch (which) {
	case 0: registry_number(r, KIND_VPC, "other"); return;
	case 1: registry_id(r, "i", "web-9"); return;
	case 2: registry_addr_set(r, "public/web-1/10.0.0.10", &a); return;
	case 3: registry_addr_set(r, "public/web-1/10.0.0.11", &a); return;
	default: /* all but one is forgotten */
		registry_begin(r);
		registry_number(r, KIND_VPC, "shop");
		registry_end(r);
	}
}

/* What was written once is not written again after a change, whether a clone has it from another or not. */
static void a_dump_is_of_now(void **state)
{
	(void)state;
	for (int which = 0; which < 5; which++) {
		_cleanup_registry_ struct registry *never = sample(), *once = sample(), *clone = NULL;
		_cleanup_free_ char *before = registry_dump(once), *want, *got, *cloned, *still;

		clone = registry_clone(once);
		one_change(never, which);
		one_change(clone, which);
		want = registry_dump(never);
		cloned = registry_dump(clone);
		still = registry_dump(once);
		one_change(once, which);
		got = registry_dump(once);
		assert_string_not_equal(want, before);
		assert_string_equal(cloned, want);
		assert_string_equal(still, before);
		assert_string_equal(got, want);
	}
}

static void a_clone_lives_alone(void **state)
{
	_cleanup_registry_ struct registry *r = sample(), *c = registry_clone(r);

	(void)state;
	registry_number(c, KIND_VPC, "other");
	assert_int_equal(registry_number(r, KIND_VPC, "third"), 2);
}

/* Clone after clone, each of which forgets a key and gives one: texts are kept as long as a clone needs them. */
static void clones_outlive_what_they_came_from(void **state)
{
	_cleanup_registry_ struct registry *r = sample();
	char key[16];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		_cleanup_registry_ struct registry *c = registry_clone(r), *again = NULL;
		_cleanup_free_ char *before = registry_dump(r), *after = NULL, *loaded = NULL;
		struct err e = { 0 };

		registry_begin(c);
		for (int k = i; k < i + 5; k++) {
			snprintf(key, sizeof(key), "key%d", k);
			assert_int_equal(registry_number(c, KIND_VPC, key), k + 2);
		}
		registry_end(c);
		after = registry_dump(r);
		assert_string_equal(before, after);
		registry_free(&r);
		r = TAKE_PTR(c);
		free(after);
		after = registry_dump(r);
		assert_int_equal(registry_load(after, &again, &e), 0);
		loaded = registry_dump(again);
		assert_string_equal(after, loaded);
	}
}

static void refuses_broken_state(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"{}",
		"{\"version\":1}",
		"{\"version\":9,\"seed\":\"1\",\"generation\":0,\"numbers\":{},\"ids\":{},\"addresses\":{}}",
		"{\"version\":1,\"seed\":\"x\",\"generation\":0,\"numbers\":{},\"ids\":{},\"addresses\":{}}",
		"{\"version\":1,\"seed\":\"1\",\"generation\":-1,\"numbers\":{},\"ids\":{},\"addresses\":{}}",
		"{\"version\":1,\"seed\":\"1\",\"generation\":0,\"numbers\":[],\"ids\":{},\"addresses\":{}}",
		"{\"version\":1,\"seed\":\"1\",\"generation\":0,\"numbers\":{\"vpc\":{}},\"ids\":{},\"addresses\":{}}",
		"{\"version\":1,\"seed\":\"1\",\"generation\":0,\"numbers\":{\"vpc\":{\"last\":1,\"keys\":{\"a\":2}}},\"ids\":{},\"addresses\":{}}",
		"{\"version\":1,\"seed\":\"1\",\"generation\":0,\"numbers\":{\"vpc\":{\"last\":2,\"keys\":{\"a\":1,\"b\":1}}},\"ids\":{},\"addresses\":{}}",
		"{\"version\":1,\"seed\":\"1\",\"generation\":0,\"numbers\":{\"port\":{\"last\":99999,\"keys\":{}}},\"ids\":{},\"addresses\":{}}",
		"{\"version\":1,\"seed\":\"1\",\"generation\":0,\"numbers\":{},\"ids\":{\"a\":3},\"addresses\":{}}",
		"{\"version\":1,\"seed\":\"1\",\"generation\":0,\"numbers\":{},\"ids\":{},\"addresses\":{\"a\":\"10.0.0\"}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct registry *r = NULL;
		struct err e = { 0 };

		assert_int_equal(registry_load(texts[i], &r, &e), -EINVAL);
		assert_null(r);
		assert_memory_equal(e.msg, "registry: ", 10);
	}
}

static void keymap_holds_many(void **state)
{
	struct keymap m = { 0 };
	static uint32_t keys[5000];

	(void)state;
	assert_int_equal(keymap_get_str(&m, "x"), KEYMAP_NONE);
	assert_int_equal(keymap_index(&m, "x"), UINT32_MAX);
	for (uint32_t i = 0; i < ARRAY_SIZE(keys); i++) {
		keys[i] = i * 64;
		assert_true(keymap_put(&m, &keys[i], sizeof(keys[i]), i));
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(keys); i++) {
		uint32_t k = i * 64, no = i * 64 + 1;

		assert_int_equal(keymap_get(&m, &k, sizeof(k)), i);
		assert_int_equal(keymap_get(&m, &no, sizeof(no)), KEYMAP_NONE);
		assert_false(keymap_put(&m, &k, sizeof(k), 7));
	}
	/* A key is its bytes and its length. */
	assert_true(keymap_put(&m, "ab", 1, 1));
	assert_true(keymap_put(&m, "ab", 2, 2));
	assert_int_equal(keymap_get_str(&m, "a"), 1);
	assert_int_equal(keymap_get_str(&m, "ab"), 2);
	keymap_done(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_stay),
		cmocka_unit_test(numbers_are_not_reused_at_once),
		cmocka_unit_test(numbers_run_out_and_come_back),
		cmocka_unit_test(ids_look_like_aws),
		cmocka_unit_test(a_new_life_has_a_new_id),
		cmocka_unit_test(addresses_are_remembered),
		cmocka_unit_test(dump_and_load),
		cmocka_unit_test(a_dump_is_of_now),
		cmocka_unit_test(a_clone_lives_alone),
		cmocka_unit_test(clones_outlive_what_they_came_from),
		cmocka_unit_test(refuses_broken_state),
		cmocka_unit_test(keymap_holds_many),
	};

	return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
