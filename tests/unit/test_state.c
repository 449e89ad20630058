/* test_state.c: rows: every kind has a key and a value that are told apart, order is total, words name the thing. */
#include <stdio.h>
#include <string.h>
#include "plan/state.h"
#include "test.h"
#include "util/mem.h"

static struct addr addr(const char *s)
{
	struct addr a;

	assert_int_equal(addr_parse(s, &a), 0);
	return a;
}

/* Variant 0 is the base, 1 has another value under the same key, the others another key. */
enum { VARIANTS = 6 };
static int make(struct state *s, enum row_kind kind, int variant)
{
	struct row *r = state_add(s, kind, variant == 2 ? "t.b" : "t.a", KIND_INSTANCE, "a");

	switch (kind) {
	case ROW_NS: r->ns_row.user_owned = variant == 1; return 3;
	case ROW_LINK:
		strcpy(r->link.ifname, variant == 3 ? "b" : "a");
		r->link.peer_ns = state_name(s, "t.c");
		strcpy(r->link.peer_ifname, "eth0");
		r->link.mtu = variant == 1 ? 1500 : 9001;
		return 4;
	case ROW_SYSCTL:
		r->sysctl.path = variant == 3 ? "net/b" : "net/a";
		r->sysctl.value = variant == 1 ? "1" : "0";
		return 4;
	case ROW_ADDR:
		strcpy(r->addr.ifname, variant == 3 ? "eth1" : "eth0");
		r->addr.addr = addr(variant == 4 ? "10.0.0.6" : "10.0.0.5");
		r->addr.prefix_len = variant == 1 ? 25 : 24;
		return 5;
	case ROW_NEIGH:
		strcpy(r->neigh.ifname, variant == 3 ? "eth1" : "eth0");
		r->neigh.addr = addr(variant == 4 ? "10.0.0.6" : "10.0.0.5");
		r->neigh.mac[5] = variant == 1;
		return 5;
	case ROW_ROUTE:
		r->route.table = variant == 3 ? 1001 : ROUTE_TABLE_MAIN;
		assert_int_equal(prefix_parse(variant == 4 ? "10.0.0.0/9" : "10.0.0.0/8", &r->route.dst, NULL), 0);
		r->route.metric = variant == 5;
		strcpy(r->route.ifname, "eth0");
		if (variant == 1)
			r->route.via = addr("10.0.0.1");
		return 6;
	case ROW_RULE:
		/* No value: variant 1 is another key too. */
		r->rule.pref = variant == 3 ? 1001 : 1000;
		r->rule.mark = variant == 4 ? 2 : 1;
		r->rule.mask = variant == 5 ? 0xff : 0xffff;
		r->rule.table = variant == 1 ? 1002 : 1001;
		return 6;
	case ROW_NFT: r->nft.idle_s = variant == 1 ? 5 : 350; return 3;
	case ROW_UPLINK: strcpy(r->uplink.ifname, variant == 1 ? "vpcd1" : "vpcd2"); return 3;
	case ROW_FILTER:
		strcpy(r->filter.ifname, variant == 3 ? "b" : "a");
		r->filter.hook = variant == 4 ? HOOK_ENI_EGRESS : HOOK_ENI_INGRESS;
		r->filter.ifindex = variant == 1 ? 102 : 101;
		return 5;
	case ROW_KIND_MAX: break;
	}
	return 0;
}

static void keys_and_values(void **state)
{
	(void)state;
	for (int kind = 0; kind < ROW_KIND_MAX; kind++) {
		_cleanup_state_ struct state *s = state_new();
		_cleanup_state_ struct state *other = state_new();
		int n = VARIANTS;

		for (int v = 0; v < n; v++)
			n = make(s, (enum row_kind)kind, v);
		make(other, (enum row_kind)kind, 0);
		/* The same row of another state, with strings of its own. */
		assert_int_equal(row_key_cmp(&s->rows[0], &other->rows[0]), 0);
		assert_true(row_value_eq(&s->rows[0], &other->rows[0]));
		for (int a = 0; a < n; a++)
			for (int b = 0; b < n; b++) {
				const struct row *x = &s->rows[a], *y = &s->rows[b];
				bool same_key = a == b || (kind != ROW_RULE && a < 2 && b < 2);
				int c = row_key_cmp(x, y);

				assert_int_equal(c == 0, same_key);
				assert_true((c > 0) == (row_key_cmp(y, x) < 0));
				if (same_key)
					assert_int_equal(row_value_eq(x, y), a == b);
			}
	}
}

static void link_values(void **state)
{
	struct row a = { .kind = ROW_LINK, .ns = "t.a" }, b;

	(void)state;
	strcpy(a.link.ifname, "a");
	a.link.ifindex = 101;
	a.link.peer_ns = "t.c";
	strcpy(a.link.alias, "vpcd t eni a");
	a.link.mtu = 9001;
	b = a;
	assert_true(row_value_eq(&a, &b));
	b.link.down = true;
	assert_false(row_value_eq(&a, &b));
	b = a;
	b.link.peer_ifindex = 7; /* any will do */
	assert_true(row_value_eq(&a, &b));
	a.link.peer_ifindex = 8;
	assert_false(row_value_eq(&a, &b));
	b = a;
	b.link.peer_ns = NULL;
	assert_false(row_value_eq(&a, &b));
	b = a;
	b.link.alias[0] = '\0';
	assert_false(row_value_eq(&a, &b));
	b = a;
	b.link.mac[3] = 1;
	assert_false(row_value_eq(&a, &b));
	b = a;
	b.link.peer_mac[3] = 1;
	assert_false(row_value_eq(&a, &b));
}

static void nft_values(void **state)
{
	struct prefix inside[2] = { { .len = 8, .family = FAMILY_V4 }, { .len = 16, .family = FAMILY_V4 } };
	struct prefix inside2[2] = { { .len = 8, .family = FAMILY_V4 }, { .len = 24, .family = FAMILY_V4 } };
	struct addr addrs[2] = { addr("10.0.0.4"), addr("10.0.0.5") },
		    addrs2[2] = { addr("10.0.0.5"), addr("10.0.0.4") };
	struct row a = { .kind = ROW_NFT, .ns = "t.n" }, b;

	(void)state;
	a.nft.inside = inside;
	a.nft.n_inside = 2;
	a.nft.addrs = addrs;
	a.nft.n_addrs = 2;
	b = a;
	assert_true(row_value_eq(&a, &b));
	b.nft.inside = inside2;
	assert_false(row_value_eq(&a, &b));
	b = a;
	b.nft.addrs = addrs2;
	assert_false(row_value_eq(&a, &b));
	b = a;
	b.nft.n_addrs = 1;
	assert_false(row_value_eq(&a, &b));
	b = a;
	b.nft.icmp_s = 3;
	assert_false(row_value_eq(&a, &b));
}

static void names_are_kept_once(void **state)
{
	_cleanup_state_ struct state *s = state_new();
	const char *first[300];
	char name[32];

	(void)state;
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "t.i-%d", i);
		first[i] = state_name(s, name);
		assert_string_equal(first[i], name);
	}
	for (int i = 299; i >= 0; i--) {
		snprintf(name, sizeof(name), "t.i-%d", i);
		assert_ptr_equal(state_name(s, name), first[i]);
		assert_ptr_equal(state_add(s, ROW_NS, name, KIND_HOST, NULL)->ns, first[i]);
	}
	assert_null(s->rows[0].owner);
}

static void sorts(void **state)
{
	_cleanup_state_ struct state *s = state_new();

	(void)state;
	state_sort(s);
	assert_true(s->sorted);
	for (int v = VARIANTS - 1; v >= 0; v--)
		for (int kind = ROW_KIND_MAX - 1; kind >= 0; kind--) {
			_cleanup_state_ struct state *scratch = state_new();

			if (v != 1 && v < make(scratch, (enum row_kind)kind, v))
				make(s, (enum row_kind)kind, v);
		}
	assert_false(s->sorted);
	state_sort(s);
	assert_true(s->sorted);
	for (size_t i = 1; i < s->n; i++)
		assert_true(row_key_cmp(&s->rows[i - 1], &s->rows[i]) < 0);
}

static void words(void **state)
{
	static const char *const wanted[ROW_KIND_MAX] = {
		"namespace t.a",
		"link a in t.a to eth0 in t.c",
		"sysctl net/a = 0 in t.a",
		"address 10.0.0.5/24 on eth0 in t.a",
		"neighbour 10.0.0.5 at 00:00:00:00:00:00 on eth0 in t.a",
		"route 10.0.0.0/8 dev eth0 in main table of t.a",
		"rule 1000: mark 0x1/0xffff to table 1001 in t.a",
		"translation to nothing in t.a",
		"uplink from t.a by vpcd2 of this machine",
		"filter eni-ingress on a in t.a",
	};
	char text[300], small[8];

	(void)state;
	for (int kind = 0; kind < ROW_KIND_MAX; kind++) {
		_cleanup_state_ struct state *s = state_new();

		make(s, (enum row_kind)kind, 0);
		assert_string_equal(row_format(&s->rows[0], text, sizeof(text)), wanted[kind]);
		row_format(&s->rows[0], small, sizeof(small));
		assert_int_equal(strlen(small), sizeof(small) - 1);
	}
}

static void map_words(void **state)
{
	struct abi_lpm_key lpm = { .prefixlen = 64 + 96 + 24, .table_hi = 1, .table_lo = 2 };
	struct abi_lpm_key bad = { .prefixlen = 3 };
	struct abi_addr_key owner = { .vpc = 4 };
	struct abi_member_key member = { ABI_TABLE_OF(2, 1), 3 };
	uint64_t node = 0xabcdef;
	uint32_t index = 7;
	static const uint8_t value[512];
	struct map_rows rows;
	char text[200];
	static const char *const wanted[] = {
		"port 7",
		"owner of 10.1.2.0 in VPC 4",
		"range 10.1.2.0/24 of VPC 2",
		"owner of 10.1.2.0/24 on the internet",
		"policy 7",
		"class of 10.1.2.0/24 in policy 1 inbound",
		"class of group set 3 in policy 2 outbound",
		"rules 0000000000abcdef",
	};
	const void *const keys[] = { &index, &owner, &lpm, &lpm, &index, &lpm, &member, &node };

	(void)state;
	lpm.addr = owner.addr = addr("10.1.2.0").a;
	map_rows_init(&rows);
	for (int map = 0; map < ABI_MAP_SYNC_MAX; map++)
		map_rows_add(&rows, (enum abi_map)map, keys[map], value);
	map_rows_add(&rows, ABI_MAP_INET, &bad, value);
	for (int map = 0; map < ABI_MAP_SYNC_MAX; map++)
		assert_string_equal(map_row_format(&rows, &rows.v[map], text, sizeof(text)), wanted[map]);
	assert_non_null(map_row_format(&rows, &rows.v[ABI_MAP_SYNC_MAX], text, sizeof(text)));
	map_rows_done(&rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_and_values),     cmocka_unit_test(link_values), cmocka_unit_test(nft_values),
		cmocka_unit_test(names_are_kept_once), cmocka_unit_test(sorts),       cmocka_unit_test(words),
		cmocka_unit_test(map_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
