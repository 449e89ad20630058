/* test_precedence.c: what AWS decides by a table: which range may join a VPC, who gets a public address, which of two
 * routes to one destination counts. Each table is written here from AWS's words, apart from the code that follows it, and
 * tried whole. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "conf/build.h"
#include "test.h"
#include "util/mem.h"
#include "util/str.h"

static struct model *try_build(const char *text, struct diag_list *diags)
{
	struct model *m = NULL;

	diag_list_init(diags);
	model_from_text(text, strlen(text), "t.ini", &m, diags);
	return m;
}

/* ---- ranges beside a VPC's: semantics 1.1 ---- */

enum family { TEN_0, TEN_1, TEN, SEVENTEEN, SEVENTEEN_31, NINETEEN, BENCH, SHARED, PUBLIC, FAMILIES };
/* Some of each family: both ends, and something between. No two overlap. */
static const char *const ranges[FAMILIES][3] = {
	[TEN_0] = { "10.0.0.0/17", "10.0.128.0/20", "10.0.255.240/28" },
	[TEN_1] = { "10.1.0.0/18", "10.1.64.0/24", "10.1.255.240/28" },
	[TEN] = { "10.2.0.0/16", "10.128.7.0/24", "10.255.255.240/28" },
	[SEVENTEEN] = { "172.16.0.0/16", "172.20.1.0/24", "172.30.255.240/28" },
	[SEVENTEEN_31] = { "172.31.0.0/18", "172.31.128.0/24", "172.31.255.240/28" },
	[NINETEEN] = { "192.168.0.0/18", "192.168.100.0/24", "192.168.255.240/28" },
	[BENCH] = { "198.19.0.0/18", "198.19.100.0/24", "198.19.255.240/28" },
	[SHARED] = { "100.64.0.0/16", "100.100.0.0/24", "100.127.255.240/28" },
	[PUBLIC] = { "9.0.0.0/16", "172.32.0.0/24", "198.18.255.240/28" },
};
/* Rows: the primary range. Columns: what is added. y: may be; n: may not; ?: AWS does not say. */
static const char *const may_join[FAMILIES] = {
	/*                  T0  T1  T   17  31  19  B   S   P */
	[TEN_0] = /*      */ "nyynnnnyy", [TEN_1] = /*      */ "nyynnnnyy",  [TEN] = /*        */ "yyynnnnyy",
	[SEVENTEEN] = /*  */ "nnnynnnyy", [SEVENTEEN_31] = /**/ "nnnynnnyy", [NINETEEN] = /*   */ "nnnnnynyy",
	[BENCH] = /*      */ "nnnnnn?yy", [SHARED] = /*     */ "nnnnnnnyy",  [PUBLIC] = /*     */ "nnnnnnnyy",
};

static bool joins(const char *const *cidrs, unsigned n)
{
	_cleanup_diag_list_ struct diag_list diags;
	_cleanup_strbuf_ struct strbuf b = { 0 };
	_cleanup_model_ struct model *m = NULL;

	strbuf_adds(&b, "[lab t]\nquotas = off\n[vpc v]\n");
	for (unsigned i = 0; i < n; i++)
		strbuf_addf(&b, "cidr = %s\n", cidrs[i]);
	m = try_build(b.s, &diags);
	for (size_t i = 0; i < diags.n; i++)
		if (diags.v[i].severity == SEV_ERROR) /* and only about the last one */
			assert_true(str_eq(diags.v[i].code, "InvalidVpc.Range") && diags.v[i].line == 3 + n);
	assert_true((m != NULL) == (diags.errors == 0));
	return m != NULL;
}

static void ranges_that_join(void **state)
{
	unsigned tried = 0;

	(void)state;
	for (int a = 0; a < FAMILIES; a++)
		for (int b = 0; b < FAMILIES; b++)
			for (int i = 0; i < 3; i++)
				for (int k = 0; k < 3; k++) {
					const char *cidrs[] = { ranges[a][i], ranges[b][k] };

					if ((a == b && i == k) || may_join[a][b] == '?')
						continue;
					tried++;
					if (joins(cidrs, 2) != (may_join[a][b] == 'y'))
						fail_msg("%s beside %s: %s expected", cidrs[1], cidrs[0],
							 may_join[a][b] == 'y' ? "accepted" : "refused");
				}
	assert_int_equal(tried, FAMILIES * FAMILIES * 9 - FAMILIES * 3 - 6);
}

/* The family of a VPC is that of its first range; 10.0.0.0/16 beside 10.0.0.0/15 is about all of them. */
static void ranges_beside_two(void **state)
{
	(void)state;
	for (int a = 0; a < FAMILIES; a++)
		for (int b = 0; b < FAMILIES; b++)
			for (int c = 0; c < FAMILIES; c++) {
				const char *cidrs[] = { ranges[a][0], ranges[b][1], ranges[c][2] };
				bool want = may_join[a][c] == 'y' && !(c == TEN_0 && (b == TEN_0 || b == TEN_1));

				if (may_join[a][b] != 'y' || may_join[a][c] == '?')
					continue;
				if (joins(cidrs, 3) != want)
					fail_msg("%s beside %s and %s: %s expected", cidrs[2], cidrs[0], cidrs[1],
						 want ? "accepted" : "refused");
			}
}

/* ---- public addresses: semantics 3.2, 3.3 ---- */

enum card { FIRST, FURTHER, UNATTACHED, CARDS };
enum want { NO_ADDRESS, AUTOMATIC, ELASTIC, REFUSED };
/* An interface's own word beats its subnet's; the subnet's is for what is made at launch; both need a gateway. */
static enum want public_wanted(enum card card, int line, bool map, bool igw)
{
	if (line == 0) /* none is written */
		return map && igw && card == FIRST ? AUTOMATIC : NO_ADDRESS;
	if (line == 1)
		return NO_ADDRESS;
	if (!igw)
		return REFUSED;
	return line == 2 ? AUTOMATIC : ELASTIC;
}

static void public_address_of(enum card card, int line, bool map, bool igw)
{
	static const char *const lines[] = { "", "public-ip = none\n", "public-ip = auto\n",
					     "public-ip = 192.0.2.77\n" };
	_cleanup_free_ char *text = xasprintf(
		"[vpc v]\ncidr = 10.0.0.0/16\n%s[subnet s]\nvpc = v\ncidr = 10.0.0.0/24\n%s[subnet plain]\nvpc = v\n"
		"cidr = 10.0.1.0/24\n[instance i]\nsubnet = %s\n%s%s%s%s",
		igw ? "[internet-gateway g]\nvpc = v\n" : "", map ? "map-public-ip = yes\n" : "",
		card == FIRST ? "s" : "plain", card == FIRST ? lines[line] : "",
		card == FIRST ? "" : "[interface x]\nsubnet = s\n", card == FURTHER ? "instance = i\n" : "",
		card == FIRST ? "" : lines[line]);
	_cleanup_diag_list_ struct diag_list diags;
	_cleanup_model_ struct model *m = try_build(text, &diags);
	enum want want = public_wanted(card, line, map, igw);
	const struct eni_addr *a;
	char got[ADDR_STRLEN];

	if (want == REFUSED) {
		assert_null(m);
		assert_string_equal(diags.v[diags.n - 1].code, "Gateway.NotAttached");
		return;
	}
	if (!m)
		fail_msg("%s\n%s", text, diags.v[0].message);
	a = &m->enis[model_find_eni(m, card == FIRST ? "i" : "x")].addrs[0];
	addr_format(&a->public_ip, got);
	if (addr_is_zero(&a->public_ip) != (want == NO_ADDRESS) ||
	    (want != NO_ADDRESS && strcmp(got, want == ELASTIC ? "192.0.2.77" : "203.0.113.1") != 0) ||
	    (want != NO_ADDRESS && a->public_automatic != (want == AUTOMATIC)))
		fail_msg("%s\ngot %s", text, got);
	/* A subnet that promises what it cannot give is told of. */
	for (size_t i = 0; map && !igw && i < diags.n; i++)
		assert_string_equal(diags.v[i].code, "Gateway.NotAttached");
	assert_int_equal(diags.n, map && !igw);
}

static void public_addresses(void **state)
{
	(void)state;
	for (int card = 0; card < CARDS; card++)
		for (int line = 0; line < 4; line++)
			for (int map = 0; map < 2; map++)
				for (int igw = 0; igw < 2; igw++)
					public_address_of((enum card)card, line, map, igw);
}

/* ---- routes to one destination: semantics 2.2 ---- */

/* The name of what a route leads to: "local", or as written. */
static const char *target_for(const struct model *m, const char *table, const char *dst, unsigned *ret_n)
{
	const char *target = NULL;
	struct prefix p;

	*ret_n = 0;
	assert_int_equal(prefix_parse(dst, &p, NULL), 0);
	for (uint32_t i = 0; i < m->n_route_tables; i++)
		for (uint32_t k = 0; k < m->route_tables[i].n_routes; k++) {
			const struct route *r = &m->route_tables[i].routes[k];

			if (strcmp(m->route_tables[i].obj.name, table) != 0 || prefix_cmp(&r->dst, &p) != 0)
				continue;
			++*ret_n;
			target = r->target == TARGET_LOCAL ? "local" : r->target_name;
		}
	return target;
}

#define PLACE \
	"[vpc v]\ncidr = 10.0.0.0/16\n[internet-gateway g]\nvpc = v\n[subnet s]\nvpc = v\ncidr = 10.0.0.0/24\n" \
	"[instance one]\nsubnet = s\nsource-dest-check = no\n[instance two]\nsubnet = s\nsource-dest-check = no\n" \
	"[instance three]\nsubnet = s\nsource-dest-check = no\n"

/* Of every order of lines, and of lists in the file, the same one wins. */
static void equal_destinations(void **state)
{
	static const char *const lines[] = { "route = pl:b via instance:two\n", "route = pl:a via instance:one\n",
					     "route = 192.0.2.0/24 via instance:three\n" };
	static const char *const lists[] = { "[prefix-list a]\nentry = 192.0.2.0/24\nentry = 198.51.100.0/24\n",
					     "[prefix-list b]\nentry = 198.51.100.0/24\nentry = 192.0.2.0/24\n"
					     "entry = 198.51.100.0/25\n" };
	static const int orders[][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
	unsigned n;

	(void)state;
	for (size_t o = 0; o < ARRAY_SIZE(orders); o++)
		for (int swap = 0; swap < 2; swap++) {
			_cleanup_free_ char *text =
				xasprintf(PLACE "%s%s[route-table r]\nvpc = v\n%s%s%s", lists[swap], lists[!swap],
					  lines[orders[o][0]], lines[orders[o][1]], lines[orders[o][2]]);
			_cleanup_diag_list_ struct diag_list diags;
			_cleanup_model_ struct model *m = try_build(text, &diags);

			assert_non_null(m);
			/* a prefix written out beats both lists; of the lists the first by name; the longest prefix all */
			assert_string_equal(target_for(m, "r", "192.0.2.0/24", &n), "three");
			assert_int_equal(n, 1);
			assert_string_equal(target_for(m, "r", "198.51.100.0/24", &n), "one");
			assert_int_equal(n, 1);
			assert_string_equal(target_for(m, "r", "198.51.100.0/25", &n), "two");
			assert_int_equal(n, 1);
		}
}

/* Written out, a route to a whole range takes local's place; a list that happens to have that range does not. */
static void local_and_equal_ones(void **state)
{
	static const struct {
		const char *lines, *target;
	} cases[] = {
		{ "", "local" },
		{ "route = 10.0.0.0/16 via instance:one\n", "one" },
		{ "route = 10.0.0.0/16 via local\n", "local" },
		{ "route = pl:range via instance:one\n", "local" },
		{ "route = pl:range via instance:one\nroute = 10.0.0.0/16 via local\n", "local" },
		{ "route = pl:range via instance:one\nroute = 10.0.0.0/16 via instance:two\n", "two" },
	};
	unsigned n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text =
			xasprintf(PLACE "[prefix-list range]\nentry = 10.0.0.0/16\nentry = 10.0.0.0/24\n"
					"[route-table r]\nvpc = v\n%s",
				  cases[i].lines);
		_cleanup_diag_list_ struct diag_list diags;
		_cleanup_model_ struct model *m = try_build(text, &diags);
		const char *target;

		assert_non_null(m);
		target = target_for(m, "r", "10.0.0.0/16", &n);
		if (strcmp(target, cases[i].target) != 0 || n != 1)
			fail_msg("%s: %s, %u routes", cases[i].lines, target, n);
		/* more specific than local, it counts */
		if (strstr(cases[i].lines, "pl:"))
			assert_string_equal(target_for(m, "r", "10.0.0.0/24", &n), "one");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_that_join),     cmocka_unit_test(ranges_beside_two),
		cmocka_unit_test(public_addresses),     cmocka_unit_test(equal_destinations),
		cmocka_unit_test(local_and_equal_ones),
	};

	return cmocka_run_group_tests_name("precedence", tests, NULL, NULL);
}
