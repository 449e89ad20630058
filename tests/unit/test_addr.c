/* test_addr.c: addresses and prefixes. The prefix arithmetic is held against a naive evaluator (one
 * bit after the other, one address after the other) over every prefix of a small world. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "test.h"
#include "util/addr.h"
#include "util/mem.h"

static struct addr addr(const char *s)
{
	struct addr a;

	assert_int_equal(addr_parse(s, &a), 0);
	return a;
}

static struct prefix prefix(const char *s)
{
	struct prefix p;

	assert_int_equal(prefix_parse(s, &p, NULL), 0);
	return p;
}

/* Naive: bit i of the 128, the first being the highest. */
static int bit(const struct addr *a, unsigned i)
{
	return a->a.b[i / 8] >> (7 - i % 8) & 1;
}

static bool naive_contains(const struct addr *base, unsigned len128, const struct addr *a)
{
	for (unsigned i = 0; i < len128; i++)
		if (bit(base, i) != bit(a, i))
			return false;
	return true;
}

static void parse_good(void **state)
{
	static const char *const same[] = {
		"0.0.0.0", "255.255.255.255", "10.0.0.1",           "169.254.169.254", "::",
		"::1",     "2001:db8::1",     "fe80::ffff:1.2.3.4",
	};
	char buf[ADDR_STRLEN];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(same) - 1; i++) {
		struct addr a = addr(same[i]);

		assert_string_equal(addr_format(&a, buf), same[i]);
		assert_int_equal(addr_family(&a), strchr(same[i], ':') ? FAMILY_V6 : FAMILY_V4);
	}
	assert_int_equal(addr_family(&(struct addr){ 0 }), FAMILY_V6);
	assert_true(addr_is_zero(&(struct addr){ 0 }));
	/* 0.0.0.0 is an address; only all 16 bytes zero means "unset". */
	struct addr any = addr("0.0.0.0");
	assert_false(addr_is_zero(&any));
	struct addr v6 = addr("2001:db8::1");
	assert_int_equal(addr_to_v4(&v6), 0);
}

static void parse_bad(void **state)
{
	static const char *const bad[] = {
		"",        " 1.2.3.4",       "1.2.3.4 ",   "1.2.3",        "1.2.3.4.5",  "1.2.3.256", "01.2.3.4",
		"1.2.3.a", "0x1.2.3.4",      "-1.2.3.4",   "1.2.3.+4",     ":::",        "2001:db8",  "1::2::3",
		"g::1",    "::ffff:1.2.3.4", "::ffff:0:1", "fe80::1%eth0", "1.2.3.4/32",
	};
	struct addr a = addr("9.9.9.9"), before = a;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (addr_parse(bad[i], &a) != -EINVAL)
			fail_msg("\"%s\" was taken for an address", bad[i]);
		assert_int_equal(addr_cmp(&a, &before), 0); /* untouched on failure */
	}
}

static void prefix_text(void **state)
{
	static const struct {
		const char *in, *out;
		bool host_bits;
	} good[] = {
		{ "10.0.0.0/8", "10.0.0.0/8", false },
		{ "10.1.2.3/8", "10.0.0.0/8", true },
		{ "10.1.2.3", "10.1.2.3/32", false },
		{ "0.0.0.0/0", "0.0.0.0/0", false },
		{ "1.2.3.4/0", "0.0.0.0/0", true },
		{ "100.68.0.18/18", "100.68.0.0/18", true },
		{ "255.255.255.255/31", "255.255.255.254/31", true },
		{ "::/0", "::/0", false },
		{ "2001:db8::1/56", "2001:db8::/56", true },
		{ "2001:db8::1", "2001:db8::1/128", false },
	};
	static const char *const bad[] = {
		"",
		"/",
		"/8",
		"10.0.0.0/",
		"10.0.0.0/33",
		"10.0.0.0/-1",
		"10.0.0.0/+8",
		"10.0.0.0/08",
		"10.0.0.0/8 ",
		"10.0.0.0/8/8",
		"10.0.0.0/a",
		"10.0.0/8",
		"::/129",
		"::ffff:10.0.0.0/104",
		"10.0.0.0/4294967304",
		"1111111111111111111111111111111111111111111111111111111/8",
	};
	char buf[PREFIX_STRLEN];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct prefix p;
		bool host_bits = !good[i].host_bits;

		assert_int_equal(prefix_parse(good[i].in, &p, &host_bits), 0);
		assert_string_equal(prefix_format(&p, buf), good[i].out);
		assert_int_equal(host_bits, good[i].host_bits);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct prefix p;

		if (prefix_parse(bad[i], &p, NULL) != -EINVAL)
			fail_msg("\"%s\" was taken for a prefix", bad[i]);
	}
	assert_string_equal(prefix_format(&(struct prefix){ 0 }, buf), "");
}

/* Every prefix /24../32 of a /24, against every address of it and its two neighbours. */
static void contains_exhaustive(void **state)
{
	const uint32_t net = 0x0a000100;

	(void)state;
	for (uint32_t host = 0; host < 256; host++) {
		struct addr base = addr_from_v4(net + host);

		for (unsigned len = 24; len <= 32; len++) {
			struct prefix p = prefix_of(&base, len);
			struct addr first = p.addr, last = prefix_last(&p);
			uint64_t members = 0;

			assert_int_equal(prefix_len128(&p), 96 + len);
			for (uint32_t x = net - 16; x < net + 256 + 16; x++) {
				struct addr a = addr_from_v4(x);
				bool in = naive_contains(&base, 96 + len, &a);

				assert_int_equal(prefix_contains(&p, &a), in);
				assert_int_equal(in, addr_cmp(&first, &a) <= 0 && addr_cmp(&a, &last) <= 0);
				members += in;
			}
			assert_true(prefix_size(&p) == members);
		}
	}
}

/* covers, overlaps and cmp over all pairs of a /28's prefixes, by their sets of addresses. */
static void pairs_exhaustive(void **state)
{
	struct prefix all[31];
	uint16_t set[31];
	size_t n = 0;

	(void)state;
	for (unsigned len = 28; len <= 32; len++) {
		for (uint32_t host = 0; host < 16; host += 1u << (32 - len)) {
			struct addr base = addr_from_v4(0xc0a80010 + host);

			all[n] = prefix_of(&base, len);
			set[n] = 0;
			for (uint32_t x = 0; x < 16; x++) {
				struct addr a = addr_from_v4(0xc0a80010 + x);

				if (naive_contains(&base, 96 + len, &a))
					set[n] |= (uint16_t)(1u << x);
			}
			n++;
		}
	}
	assert_int_equal(n, ARRAY_SIZE(all));
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < n; j++) {
			assert_int_equal(prefix_covers(&all[i], &all[j]), (set[j] & ~set[i]) == 0);
			assert_int_equal(prefix_overlaps(&all[i], &all[j]), (set[i] & set[j]) != 0);
			assert_int_equal(prefix_cmp(&all[i], &all[j]) == 0, i == j);
			assert_int_equal(prefix_cmp(&all[i], &all[j]) < 0, prefix_cmp(&all[j], &all[i]) > 0);
		}
	}
}

/* Every length of an IPv6 prefix, every single bit flipped. */
static void v6_every_length(void **state)
{
	struct addr base = addr("2001:db8:1234:5678:9abc:def0:1357:9bdf");

	(void)state;
	for (unsigned len = 0; len <= 128; len++) {
		struct prefix p = prefix_of(&base, len);
		struct addr last = prefix_last(&p);

		for (unsigned i = 0; i < 128; i++) {
			struct addr flipped = base;

			flipped.a.b[i / 8] ^= (uint8_t)(0x80 >> i % 8);
			assert_int_equal(prefix_contains(&p, &flipped), naive_contains(&base, len, &flipped));
			assert_int_equal(bit(&p.addr, i), i < len ? bit(&base, i) : 0);
			assert_int_equal(bit(&last, i), i < len ? bit(&base, i) : 1);
		}
		assert_true(prefix_size(&p) == (len > 64 ? UINT64_C(1) << (128 - len) : UINT64_MAX));
	}
}

static void families_apart(void **state)
{
	struct prefix v4_all = prefix("0.0.0.0/0"), v6_all = prefix("::/0"), unset = { 0 };
	struct addr v4 = addr("10.0.0.1"), v6 = addr("2001:db8::1");

	(void)state;
	assert_true(prefix_contains(&v4_all, &v4));
	assert_false(prefix_contains(&v4_all, &v6));
	assert_true(prefix_contains(&v6_all, &v6));
	/* IPv4 is stored inside ::/0, yet it is not IPv6. */
	assert_false(prefix_contains(&v6_all, &v4));
	assert_false(prefix_covers(&v6_all, &v4_all));
	assert_false(prefix_overlaps(&v6_all, &v4_all));
	assert_false(prefix_contains(&unset, &v4));
	assert_false(prefix_contains(&unset, &v6));
	assert_false(prefix_overlaps(&unset, &unset));
	assert_true(prefix_cmp(&v4_all, &v6_all) < 0);
	assert_true(prefix_size(&v4_all) == UINT64_C(1) << 32);
}

static void adding(void **state)
{
	static const struct {
		const char *a;
		uint64_t n;
		const char *sum;
	} cases[] = {
		{ "10.0.0.0", 4, "10.0.0.4" },
		{ "10.0.0.255", 1, "10.0.1.0" },
		{ "10.255.255.255", 1, "11.0.0.0" },
		{ "2001:db8::ffff:ffff:ffff:ffff", 1, "2001:db8:0:1::" },
		{ "2001:db8::", UINT64_MAX, "2001:db8::ffff:ffff:ffff:ffff" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1, "::" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", UINT64_MAX, "::ffff:ffff:ffff:fffe" },
	};
	char buf[ADDR_STRLEN];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct addr a = addr(cases[i].a), sum = addr_add(&a, cases[i].n);

		assert_string_equal(addr_format(&sum, buf), cases[i].sum);
	}
	for (uint32_t x = 0; x < 0x30000; x += 251) {
		struct addr a = addr_from_v4(0x0a00fe00), sum = addr_add(&a, x);

		assert_int_equal(addr_to_v4(&sum), 0x0a00fe00 + x);
	}
}

static void private_ranges(void **state)
{
	static const struct {
		const char *p;
		bool rfc1918, rfc6598;
	} cases[] = {
		{ "10.0.0.0/8", true, false },      { "10.1.0.0/16", true, false },
		{ "8.0.0.0/6", false, false },      { "172.16.0.0/12", true, false },
		{ "172.31.255.0/24", true, false }, { "172.32.0.0/16", false, false },
		{ "172.15.0.0/16", false, false },  { "192.168.0.0/16", true, false },
		{ "192.169.0.0/16", false, false }, { "192.168.0.0/15", false, false },
		{ "100.64.0.0/10", false, true },   { "100.127.0.0/16", false, true },
		{ "100.128.0.0/16", false, false }, { "0.0.0.0/0", false, false },
		{ "fd00::/8", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct prefix p = prefix(cases[i].p);

		assert_int_equal(prefix_is_rfc1918(&p), cases[i].rfc1918);
		assert_int_equal(prefix_is_rfc6598(&p), cases[i].rfc6598);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_good),       cmocka_unit_test(parse_bad),
		cmocka_unit_test(prefix_text),      cmocka_unit_test(contains_exhaustive),
		cmocka_unit_test(pairs_exhaustive), cmocka_unit_test(v6_every_length),
		cmocka_unit_test(families_apart),   cmocka_unit_test(adding),
		cmocka_unit_test(private_ranges),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
