/* test_desired.c: what a model means in the kernel. A golden plan says it whole for one small lab
 * (UPDATE_GOLDEN=1 writes it anew); over random topologies the parts must fit together, and the Linux
 * tables must lead where the maps of the data path lead. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "conf/build.h"
#include "plan/desired.h"
#include "plan/diff.h"
#include "test.h"
#include "tests/support/random_topology.h"
#include "util/mem.h"
#include "util/str.h"

#define GOLDEN "tests/golden/plan/"
enum { SEEDS = 120, PROBES = 300, FILE_MAX = 1 << 20 };

static struct model *build(const char *text)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	struct model *m = NULL;

	model_from_text(text, strlen(text), "t.ini", &m, &diags);
	return m;
}

static struct model *build_file(const char *path)
{
	_cleanup_free_ char *text = NULL;
	struct model *m;

	assert_int_equal(read_whole_file(path, FILE_MAX, &text, NULL), 0);
	m = build(text);
	assert_non_null(m);
	return m;
}

static struct state *desired_of(const struct model *m)
{
	struct err e = { 0 };
	struct state *s = NULL;

	if (state_desired(m, &s, &e) < 0)
		print_message("# %s\n", e.msg);
	assert_non_null(s);
	assert_true(s->sorted && s->maps.sorted);
	return s;
}

/* The tables of rules have names made of hashes and tests of their own: only their number is told. */
static char *plan_text(const struct state *s)
{
	_cleanup_plan_ struct plan *p = NULL;
	struct strbuf out;
	size_t tables = 0;
	char text[600];

	strbuf_init(&out);
	assert_int_equal(plan_diff(s, NULL, &p), 0);
	for (size_t i = 0; i < p->n; i++)
		if (p->ops[i].rank == RANK_TABLES)
			tables++;
		else
			strbuf_addf(&out, "%s\n", op_format(&p->ops[i], text, sizeof(text)));
	strbuf_addf(&out, "%s\n", tables ? "and tables of rules" : "no rules");
	return strbuf_take(&out);
}

static void golden_plan(void **state)
{
	_cleanup_model_ struct model *m = build_file(GOLDEN "small.ini");
	_cleanup_state_ struct state *s = desired_of(m);
	_cleanup_free_ char *got = plan_text(s), *want = NULL;

	(void)state;
	if (getenv("UPDATE_GOLDEN"))
		assert_int_equal(write_whole_file(GOLDEN "small.plan", got, strlen(got), 0644), 0);
	assert_int_equal(read_whole_file(GOLDEN "small.plan", FILE_MAX, &want, NULL), 0);
	assert_string_equal(got, want);
}

/* ---- lookups ---- */
static const void *map_find(const struct map_rows *rows, enum abi_map map, const void *key)
{
	for (size_t i = 0; i < rows->n; i++)
		if (rows->v[i].map == map && memcmp(map_row_key(rows, &rows->v[i]), key, rows->v[i].key_size) == 0)
			return map_row_value(rows, &rows->v[i]);
	return NULL;
}

static bool port_get(const struct map_rows *rows, uint32_t port, struct abi_port *ret)
{
	const void *v = map_find(rows, ABI_MAP_PORTS, &port);

	if (v)
		memcpy(ret, v, sizeof(*ret));
	return v != NULL;
}

static bool lpm_get(const struct map_rows *rows, enum abi_map map, uint32_t table, const struct addr *a, void *ret)
{
	uint32_t best = 0;

	for (size_t i = 0; i < rows->n; i++) {
		struct abi_lpm_key key;
		struct prefix p;

		if (rows->v[i].map != map)
			continue;
		memcpy(&key, map_row_key(rows, &rows->v[i]), sizeof(key));
		if (key.table_lo != table || key.table_hi || key.prefixlen < ABI_LPM_TABLE_BITS + 96)
			continue;
		p = prefix_of(&(struct addr){ key.addr }, key.prefixlen - ABI_LPM_TABLE_BITS - 96);
		if (key.prefixlen > best && prefix_contains(&p, a)) {
			best = key.prefixlen;
			memcpy(ret, map_row_value(rows, &rows->v[i]), rows->v[i].value_size);
		}
	}
	return best > 0;
}

/* The longest prefix, then the lowest metric, as Linux does it. */
static const struct route_row *table_get(const struct state *s, const char *ns, uint32_t table, const struct addr *a)
{
	const struct route_row *best = NULL;

	for (size_t i = 0; i < s->n; i++) {
		const struct route_row *r = &s->rows[i].route;

		if (s->rows[i].kind != ROW_ROUTE || strcmp(s->rows[i].ns, ns) != 0 || r->table != table ||
		    !prefix_contains(&r->dst, a))
			continue;
		if (!best || r->dst.len > best->dst.len || (r->dst.len == best->dst.len && r->metric < best->metric))
			best = r;
	}
	return best;
}

static const struct row *link_at(const struct state *s, const char *ns, const char *ifname)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct row *r = &s->rows[i];

		if (r->kind == ROW_LINK &&
		    ((strcmp(r->ns, ns) == 0 && strcmp(r->link.ifname, ifname) == 0) ||
		     (strcmp(r->link.peer_ns, ns) == 0 && strcmp(r->link.peer_ifname, ifname) == 0)))
			return r;
	}
	return NULL;
}

static bool has_row(const struct state *s, const struct row *key)
{
	for (size_t i = 0; i < s->n; i++)
		if (row_key_cmp(&s->rows[i], key) == 0)
			return true;
	return false;
}

static bool has_filter(const struct state *s, const char *ns, const char *ifname, enum tc_hook hook)
{
	struct row key = { .kind = ROW_FILTER, .ns = ns };

	snprintf(key.filter.ifname, sizeof(key.filter.ifname), "%s", ifname);
	key.filter.hook = hook;
	return has_row(s, &key);
}

static bool has_neigh(const struct state *s, const char *ns, const char *ifname, const struct addr *a)
{
	struct row key = { .kind = ROW_NEIGH, .ns = ns };

	snprintf(key.neigh.ifname, sizeof(key.neigh.ifname), "%s", ifname);
	key.neigh.addr = *a;
	return has_row(s, &key);
}

static bool has_addr(const struct state *s, const char *ns, const struct addr *a)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->rows[i].kind == ROW_ADDR && strcmp(s->rows[i].ns, ns) == 0 &&
		    addr_cmp(&s->rows[i].addr.addr, a) == 0)
			return true;
	return false;
}

/* ---- what must hold in every lab ---- */
static void check_link(const struct state *s, const struct row *r)
{
	uint32_t port = r->link.ifindex - ABI_IFINDEX_BASE;
	uint8_t router[6];
	struct abi_port p;

	port_mac(0, router);
	assert_memory_equal(r->link.mac, router, 6);
	assert_int_equal(strncmp(r->link.alias, "vpcd t ", 7), 0);
	assert_true(strlen(r->link.alias) < sizeof(r->link.alias) - 1);
	assert_false(r->link.down);
	assert_true(port_get(&s->maps, port, &p));
	assert_int_equal(p.mtu, r->link.mtu);
	assert_memory_equal(p.mac, r->link.peer_mac, 6);
	switch (p.kind) {
	case ABI_PORT_ENI:
	case ABI_PORT_NAT:
		assert_true(has_filter(s, r->ns, r->link.ifname, HOOK_ENI_INGRESS));
		assert_true(has_filter(s, r->ns, r->link.ifname, HOOK_ENI_EGRESS));
		assert_int_equal(p.mtu, p.kind == ABI_PORT_NAT ? 8500 : 9001);
		assert_true(p.vpc && p.subnet && p.route_table && p.nacl_policy);
		assert_int_equal(!p.sg_policy, p.kind == ABI_PORT_NAT);
		assert_non_null(map_find(&s->maps, ABI_MAP_POLICIES, &p.nacl_policy));
		if (p.sg_policy)
			assert_non_null(map_find(&s->maps, ABI_MAP_POLICIES, &p.sg_policy));
		break;
	case ABI_PORT_IGW: {
		struct abi_port far;

		assert_true(has_filter(s, r->ns, r->link.ifname, HOOK_LINK_INGRESS));
		assert_true(has_filter(s, r->ns, r->link.ifname, HOOK_IGW_EGRESS));
		assert_true(has_filter(s, r->link.peer_ns, r->link.peer_ifname, HOOK_LINK_INGRESS));
		assert_true(port_get(&s->maps, p.link, &far));
		assert_int_equal(far.kind, ABI_PORT_INET);
		assert_int_equal(far.link, port);
		assert_int_equal(r->link.peer_ifindex, ABI_IFINDEX_BASE + p.link);
		assert_memory_equal(far.mac, router, 6);
		break;
	}
	case ABI_PORT_UPLINK:
	case ABI_PORT_HOST: assert_true(has_filter(s, r->ns, r->link.ifname, HOOK_LINK_INGRESS)); break;
	default: fail();
	}
}

static void check_row(const struct state *s, const struct row *r)
{
	const char *device = "";

	if (r->kind != ROW_NS)
		assert_true(has_row(s, &(struct row){ .kind = ROW_NS, .ns = r->ns }));
	switch (r->kind) {
	case ROW_LINK:
		assert_true(has_row(s, &(struct row){ .kind = ROW_NS, .ns = r->link.peer_ns }));
		check_link(s, r);
		break;
	case ROW_ADDR: device = strcmp(r->addr.ifname, "lo") ? r->addr.ifname : ""; break;
	case ROW_NEIGH: device = r->neigh.ifname; break;
	case ROW_FILTER: device = r->filter.ifname; break;
	case ROW_ROUTE:
		assert_int_equal(r->route.type == ROUTE_TYPE_UNICAST, r->route.ifname[0] != '\0');
		device = r->route.ifname;
		/* ARP is answered inside; elsewhere a next hop must be known. */
		if (device[0] && !addr_is_zero(&r->route.via) && strncmp(device, "eth", 3) != 0)
			assert_true(has_neigh(s, r->ns, device, &r->route.via));
		if (!addr_is_zero(&r->route.prefsrc))
			assert_true(has_addr(s, r->ns, &r->route.prefsrc));
		break;
	default: break;
	}
	if (device[0]) {
		const struct row *link = link_at(s, r->ns, device);

		assert_non_null(link);
		if (r->kind == ROW_FILTER && strcmp(link->ns, r->ns) == 0 && strcmp(link->link.ifname, device) == 0)
			assert_int_equal(r->filter.ifindex, link->link.ifindex);
	}
}

/* Of each name and index there is one in a namespace. */
static void check_unique_ends(const struct state *s)
{
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < i && s->rows[i].kind == ROW_LINK; k++) {
			const struct row *a = &s->rows[i], *b = &s->rows[k];

			if (b->kind != ROW_LINK)
				continue;
			assert_false(strcmp(a->link.peer_ns, b->link.peer_ns) == 0 &&
				     strcmp(a->link.peer_ifname, b->link.peer_ifname) == 0);
			assert_false(strcmp(a->link.peer_ns, b->ns) == 0 &&
				     strcmp(a->link.peer_ifname, b->link.ifname) == 0);
			assert_false(a->link.ifindex == b->link.ifindex);
			assert_false(a->link.peer_ifindex && a->link.peer_ifindex == b->link.ifindex);
		}
}

/* Where the tables of a router lead a packet that came in with this table's number on it. */
static const struct route_row *walk_tables(const struct model *m, const struct state *s, const struct route_table *t,
					   const struct addr *a)
{
	const struct route_row *r;
	char ns[128];

	ns_name_router(m, t->vpc, ns);
	r = table_get(s, ns, ABI_ROUTE_TABLE_BASE + t->obj.number, a);
	assert_non_null(r);
	if (r->type == ROUTE_TYPE_THROW)
		r = table_get(s, ns, ABI_LOCAL_TABLE_BASE + m->vpcs[t->vpc].obj.number, a);
	assert_non_null(r);
	return r;
}

static uint32_t port_of_route(const struct model *m, const struct state *s, const struct route_table *t,
			      const struct route_row *r)
{
	const struct row *link;
	char ns[128];

	if (r->type != ROUTE_TYPE_UNICAST)
		return 0;
	link = link_at(s, ns_name_router(m, t->vpc, ns), r->ifname);
	assert_non_null(link);
	return link->link.ifindex - ABI_IFINDEX_BASE;
}

/* The same from the maps. */
static uint32_t port_of_maps(const struct model *m, const struct state *s, const struct route_table *t,
			     const struct addr *a)
{
	struct abi_addr_key key = { .vpc = m->vpcs[t->vpc].obj.number, .addr = a->a };
	struct abi_addr_val owner;
	struct abi_route route;
	struct abi_port port;
	const void *v;

	if (!lpm_get(&s->maps, ABI_MAP_ROUTES, t->obj.number, a, &route) || route.kind == ABI_ROUTE_BLACKHOLE)
		return 0;
	if (route.kind != ABI_ROUTE_LOCAL)
		return route.port;
	v = map_find(&s->maps, ABI_MAP_ADDRS, &key);
	if (!v)
		return 0;
	memcpy(&owner, v, sizeof(owner));
	/* An interface without an instance has an owner, but no port. */
	return owner.port && port_get(&s->maps, owner.port, &port) ? owner.port : 0;
}

static void check_tables(const struct model *m, const struct state *s, struct rng *rng)
{
	for (unsigned i = 0; i < PROBES && m->n_route_tables; i++) {
		const struct route_table *t = &m->route_tables[rng_below(rng, m->n_route_tables)];
		struct addr a = addr_from_v4(rng_next(rng) << 1);
		const struct route_row *r;

		if (i % 2 && m->n_enis) {
			const struct eni *eni = &m->enis[rng_below(rng, m->n_enis)];

			a = eni->addrs[rng_below(rng, eni->n_addrs)].addr;
		} else if (i % 3 == 0 && t->n_routes) {
			a = addr_add(&t->routes[rng_below(rng, t->n_routes)].dst.addr, rng_below(rng, 300));
		}
		r = walk_tables(m, s, t, &a);
		assert_int_equal(port_of_route(m, s, t, r), port_of_maps(m, s, t, &a));
	}
}

/* The rules of a router in order: by table, then for what was judged, then nothing. */
static void check_rules(const struct model *m, const struct state *s)
{
	for (uint32_t v = 0; v < m->n_vpcs; v++) {
		uint32_t last = 0, tables = 0;
		char ns[128];

		ns_name_router(m, v, ns);
		for (size_t i = 0; i < s->n; i++) {
			const struct rule_row *r = &s->rows[i].rule;

			if (s->rows[i].kind != ROW_RULE || strcmp(s->rows[i].ns, ns) != 0)
				continue;
			assert_true(r->pref >= last && r->pref < 32766);
			last = r->pref;
			tables += r->mask == ABI_MARK_TABLE_MASK;
			if (r->mask == ABI_MARK_TABLE_MASK)
				assert_int_equal(r->table, ABI_ROUTE_TABLE_BASE + r->mark);
			else if (r->mask)
				assert_true(r->mask == ABI_MARK_JUDGED && r->mark == ABI_MARK_JUDGED);
			if (!r->mask)
				assert_int_equal(r->table, 0);
		}
		for (uint32_t i = 0; i < m->n_route_tables; i++)
			tables -= m->route_tables[i].vpc == v;
		assert_int_equal(tables, 0);
		assert_int_equal(last, 30000);
	}
}

static void parts_fit(void **state)
{
	unsigned built = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		_cleanup_free_ char *text = random_topology(seed, "t");
		_cleanup_model_ struct model *m = build(text);
		_cleanup_state_ struct state *s = NULL;
		struct map_rows maps;
		struct rng rng = { seed };

		if (!m)
			continue;
		built++;
		s = desired_of(m);
		for (size_t i = 0; i < s->n; i++) {
			assert_true(i == 0 || row_key_cmp(&s->rows[i - 1], &s->rows[i]) < 0);
			assert_non_null(s->rows[i].owner);
			check_row(s, &s->rows[i]);
		}
		check_unique_ends(s);
		check_tables(m, s, &rng);
		check_rules(m, s);
		assert_int_equal(maps_desired(m, &maps, NULL), 0);
		assert_int_equal(maps.n, s->maps.n);
		map_rows_done(&maps);
	}
	assert_true(built > SEEDS / 2);
}

/* ---- single facts ---- */
#define VPC "[lab t]\n[vpc v]\ncidr = 10.0.0.0/16\n[subnet s]\nvpc = v\ncidr = 10.0.0.0/24\n"

static void macs_and_names(void **state)
{
	_cleanup_model_ struct model *m = build(VPC);
	uint8_t mac[6];
	char text[128];

	(void)state;
	assert_non_null(m);
	port_mac(0x01020304, mac);
	assert_memory_equal(mac, ((uint8_t[]){ 2, 0x76, 1, 2, 3, 4 }), 6);
	assert_string_equal(ns_name_of(m, "web", text), "t.web");
	assert_string_equal(ns_name_router(m, 0, text), "t.v.router");
	assert_string_equal(ns_name_internet(m, text), "t.internet");
}

/* Neither gateway nor host: no internet. */
static void no_internet(void **state)
{
	_cleanup_model_ struct model *m = build(VPC);
	_cleanup_state_ struct state *s = desired_of(m);

	(void)state;
	for (size_t i = 0; i < s->n; i++)
		assert_string_equal(s->rows[i].ns, "t.v.router");
}

static void interface_names(void **state)
{
	static const char text[] =
		VPC "[instance fifteen-letters]\nsubnet = s\n[instance sixteen-letters-]\nsubnet = s\n"
		    "[instance lo]\nsubnet = s\n[instance 7]\nsubnet = s\n";
	static const struct {
		const char *name, *ifname;
	} cases[] = {
		{ "fifteen-letters", "fifteen-letters" }, { "sixteen-letters-", NULL }, { "lo", NULL }, { "7", "7" }
	};
	_cleanup_model_ struct model *m = build(text);
	_cleanup_state_ struct state *s = NULL;

	(void)state;
	assert_non_null(m);
	s = desired_of(m);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct eni *eni = &m->enis[model_find_eni(m, cases[i].name)];
		const struct row *link = NULL;
		char wanted[IFNAME_MAX];

		for (size_t k = 0; k < s->n; k++)
			if (s->rows[k].kind == ROW_LINK && strcmp(s->rows[k].owner, cases[i].name) == 0)
				link = &s->rows[k];
		assert_non_null(link);
		if (cases[i].ifname)
			snprintf(wanted, sizeof(wanted), "%s", cases[i].ifname);
		else
			snprintf(wanted, sizeof(wanted), "p_%u", eni->obj.number);
		assert_string_equal(link->link.ifname, wanted);
		assert_int_equal(link->link.ifindex, ABI_IFINDEX_BASE + eni->obj.number);
	}
}

/* Longest names there are: the alias still tells lab and object apart. */
static void long_names(void **state)
{
#define N32(c) "a234567890123456789012345678901" c
	static const char text[] =
		"[lab " N32("l") "]\n[vpc " N32("v") "]\ncidr = 10.0.0.0/16\n[subnet s]\nvpc = " N32("v") "\ncidr = 10.0.0.0/24\n[internet-gateway " N32(
			"g") "]\nvpc = " N32("v") "\n[instance " N32("i") "]\nsubnet = s\n[host " N32("h") "]\naddress = 198.51.100.1\n";
	_cleanup_model_ struct model *m = build(text);
	_cleanup_state_ struct state *s = NULL;
	unsigned links = 0;

	(void)state;
	assert_non_null(m);
	s = desired_of(m);
	for (size_t i = 0; i < s->n; i++) {
		const char *alias = s->rows[i].link.alias;

		if (s->rows[i].kind != ROW_LINK)
			continue;
		links++;
		assert_string_equal(alias + strlen(alias) - 32, s->rows[i].owner);
	}
	assert_int_equal(links, 3);
}

/* The NAT gateway's namespace and times; clock = 400x would make them nothing. */
static void nat_gateway(void **state)
{
	static const struct {
		const char *clock;
		uint32_t idle_s, icmp_s;
	} cases[] = { { "1x", 350, 30 }, { "10x", 35, 3 }, { "400x", 1, 1 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text =
			xasprintf("[lab t]\nclock = %s\n[vpc v]\ncidr = 10.9.0.0/16\ncidr = 10.1.0.0/16\n"
				  "[subnet s]\nvpc = v\ncidr = 10.9.0.0/24\n[internet-gateway g]\nvpc = v\n"
				  "[route-table r]\nvpc = v\nmain = yes\nroute = 0.0.0.0/0 via igw:g\n"
				  "[nat-gateway n]\nsubnet = s\npublic-ip = auto\n",
				  cases[i].clock);
		_cleanup_model_ struct model *m = build(text);
		_cleanup_state_ struct state *s = NULL;
		unsigned found = 0;

		assert_non_null(m);
		s = desired_of(m);
		for (size_t k = 0; k < s->n; k++) {
			const struct nft_row *nft = &s->rows[k].nft;

			if (strcmp(s->rows[k].ns, "t.n") == 0 && s->rows[k].kind == ROW_NS)
				assert_false(s->rows[k].ns_row.user_owned);
			if (s->rows[k].kind != ROW_NFT)
				continue;
			found++;
			assert_string_equal(s->rows[k].ns, "t.n");
			assert_int_equal(nft->idle_s, cases[i].idle_s);
			assert_int_equal(nft->udp_s, cases[i].idle_s);
			assert_int_equal(nft->icmp_s, cases[i].icmp_s);
			assert_int_equal(nft->n_inside, 2);
			assert_true(prefix_cmp(&nft->inside[0], &nft->inside[1]) < 0);
			assert_int_equal(nft->n_addrs, 1);
		}
		assert_int_equal(found, 1);
	}
}

static void settings(const struct state *s, const char *ns, const char *path, const char *value)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->rows[i].kind == ROW_SYSCTL && strcmp(s->rows[i].ns, ns) == 0 &&
		    strcmp(s->rows[i].sysctl.path, path) == 0) {
			assert_string_equal(s->rows[i].sysctl.value, value);
			return;
		}
	assert_null(value);
}

static void namespaces(void **state)
{
	_cleanup_model_ struct model *m = build_file(GOLDEN "small.ini");
	_cleanup_state_ struct state *s = desired_of(m);
	static const struct {
		const char *ns;
		bool user_owned, forwards;
	} cases[] = { { "small.w", true, false },
		      { "small.laptop", true, false },
		      { "small.nat", false, true },
		      { "small.internet", false, true },
		      { "small.shop.router", false, true } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct row want = { .kind = ROW_NS, .ns = cases[i].ns };
		bool found = false;

		want.ns_row.user_owned = cases[i].user_owned;
		for (size_t k = 0; k < s->n; k++)
			found |= row_key_cmp(&s->rows[k], &want) == 0 && row_value_eq(&s->rows[k], &want);
		assert_true(found);
		/* What root inside may set is root's business. */
		settings(s, cases[i].ns, "net/ipv4/ip_forward", cases[i].forwards ? "1" : NULL);
		settings(s, cases[i].ns, "net/ipv4/conf/all/rp_filter", cases[i].forwards ? "0" : NULL);
		settings(s, cases[i].ns, "net/ipv6/conf/all/disable_ipv6", cases[i].user_owned ? NULL : "1");
	}
}

/* Two VPCs of one CIDR: the internet cannot tell whose 10.0.0.5 it is. */
static void overlapping_vpcs(void **state)
{
	static const char text[] =
		"[lab t]\nquotas = off\n[vpc a]\ncidr = 10.0.0.0/16\n[internet-gateway ga]\nvpc = a\n"
		"[vpc b]\ncidr = 10.0.0.0/16\n[internet-gateway gb]\nvpc = b\n"
		"[vpc c]\ncidr = 10.1.0.0/16\n[internet-gateway gc]\nvpc = c\n"
		"[vpc d]\ncidr = 10.2.0.0/16\n";
	_cleanup_model_ struct model *m = build(text);
	struct abi_inet inet;
	struct map_rows maps;
	struct addr a;

	(void)state;
	assert_non_null(m);
	assert_int_equal(maps_desired(m, &maps, NULL), 0);
	addr_parse("10.0.0.5", &a);
	assert_true(lpm_get(&maps, ABI_MAP_INET, 0, &a, &inet));
	assert_int_equal(inet.kind, ABI_INET_VPC);
	assert_int_equal(inet.port, 0);
	addr_parse("10.1.0.5", &a);
	assert_true(lpm_get(&maps, ABI_MAP_INET, 0, &a, &inet));
	assert_int_equal(inet.port, m->igws[m->vpcs[model_find_vpc(m, "c")].igw].port);
	addr_parse("10.2.0.5", &a);
	assert_true(lpm_get(&maps, ABI_MAP_INET, 0, &a, &inet));
	assert_int_equal(inet.port, 0);
	addr_parse("11.0.0.5", &a);
	assert_false(lpm_get(&maps, ABI_MAP_INET, 0, &a, &inet));
	map_rows_done(&maps);
}

static void addresses(void **state)
{
	_cleanup_model_ struct model *m = build_file(GOLDEN "small.ini");
	struct abi_addr_key key = { .vpc = 1 };
	struct abi_addr_val val;
	struct abi_inet inet;
	struct map_rows maps;
	static const char *const reserved[] = {
		"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.1.1", "10.0.1.2", "10.0.1.3"
	};
	const struct eni *w = &m->enis[model_find_eni(m, "w")];
	struct addr a;
	const void *v;
	struct abi_port port;

	(void)state;
	assert_int_equal(maps_desired(m, &maps, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
		addr_parse(reserved[i], &a);
		key.addr = a.a;
		v = map_find(&maps, ABI_MAP_ADDRS, &key);
		assert_non_null(v);
		memcpy(&val, v, sizeof(val));
		assert_int_equal(val.port, 0);
		assert_true(val.subnet != 0);
	}
	key.addr = w->addrs[0].addr.a;
	v = map_find(&maps, ABI_MAP_ADDRS, &key);
	assert_non_null(v);
	memcpy(&val, v, sizeof(val));
	assert_int_equal(val.port, w->obj.number);
	assert_memory_equal(&val.public_ip, &w->addrs[0].public_ip, 16);
	assert_true(lpm_get(&maps, ABI_MAP_INET, 0, &w->addrs[0].public_ip, &inet));
	assert_int_equal(inet.kind, ABI_INET_PUBLIC);
	assert_int_equal(inet.eni, w->obj.number);
	assert_int_equal(inet.port, m->igws[0].inet_port);
	assert_memory_equal(&inet.private_ip, &w->addrs[0].addr, 16);
	assert_true(port_get(&maps, w->obj.number, &port));
	assert_int_equal(port.flags, ABI_PORT_SOURCE_DEST_CHECK | ABI_PORT_PUBLIC);
	assert_int_equal(port.members, w->policy);
	assert_int_equal(port.ct_limit, m->conntrack_entries);
	assert_int_equal(port.nacl_fragments, 0);
	assert_int_equal(port.tcp_established_ms, 0);
	assert_true(port_get(&maps, m->enis[model_find_eni(m, "an-appliance-with-a-long-name")].obj.number, &port));
	assert_int_equal(port.flags, 0);
	map_rows_done(&maps);
}

/* The file knows no interfaces of their own yet; the model does. What has no instance has no device and no
 * port, but its address is taken; a route to it is a blackhole in table and map. */
static void unattached_interface(void **state)
{
	_cleanup_model_ struct model *m = build_file(GOLDEN "small.ini");
	struct eni *eni = &m->enis[model_find_eni(m, "an-appliance-with-a-long-name")];
	struct abi_addr_key key = { .vpc = 1, .addr = eni->addrs[0].addr.a };
	_cleanup_state_ struct state *s = NULL;
	const struct route_table *t = NULL;
	struct abi_route route;
	struct abi_port port;
	struct addr a;

	(void)state;
	m->instances[eni->owner_index].n_enis = 0;
	eni->owner_index = NONE;
	s = desired_of(m);
	for (size_t i = 0; i < s->n; i++)
		assert_true(s->rows[i].kind <= ROW_SYSCTL || strcmp(s->rows[i].owner, eni->obj.name) != 0);
	assert_non_null(map_find(&s->maps, ABI_MAP_ADDRS, &key));
	assert_false(port_get(&s->maps, eni->obj.number, &port));
	for (uint32_t i = 0; i < m->n_route_tables; i++)
		if (strcmp(m->route_tables[i].obj.name, "private") == 0)
			t = &m->route_tables[i];
	assert_non_null(t);
	addr_parse("192.168.0.9", &a);
	assert_true(lpm_get(&s->maps, ABI_MAP_ROUTES, t->obj.number, &a, &route));
	assert_int_equal(route.kind, ABI_ROUTE_BLACKHOLE);
	assert_true(route.route != 0);
	assert_int_equal(walk_tables(m, s, t, &a)->type, ROUTE_TYPE_BLACKHOLE);
	assert_int_equal(walk_tables(m, s, t, &a)->metric, route.route);
}

static void second_interface(void **state)
{
	_cleanup_model_ struct model *m = build_file(GOLDEN "small.ini");
	struct eni *eni = &m->enis[model_find_eni(m, "spare")];
	_cleanup_state_ struct state *s = NULL;
	const struct row *link;
	unsigned routes = 0;

	(void)state;
	m->instances[eni->owner_index].n_enis = 0;
	eni->owner_index = model_find_instance(m, "w");
	eni->device_index = 1;
	s = desired_of(m);
	link = link_at(s, "small.w", "eth1");
	assert_non_null(link);
	assert_string_equal(link->ns, "small.shop.router");
	assert_int_equal(link->owner_kind, KIND_INTERFACE);
	assert_string_equal(link->link.ifname, "spare");
	for (size_t i = 0; i < s->n; i++) {
		const struct row *r = &s->rows[i];

		if (r->kind != ROW_ROUTE || strcmp(r->ns, "small.w") != 0)
			continue;
		routes++;
		assert_int_equal(r->route.metric, strcmp(r->route.ifname, "eth1") == 0 ? 1001 : 0);
	}
	assert_int_equal(routes, 2);
}

/* Of one prefix the local route goes first, then the table's own, then those of prefix lists. */
static void shadowed_routes(void **state)
{
	_cleanup_model_ struct model *m = build_file(GOLDEN "small.ini");
	_cleanup_state_ struct state *s = NULL;
	struct route routes[4] = { 0 };
	struct route_table *t = &m->route_tables[0];
	struct abi_route val;
	struct addr a;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		routes[i].number = 50 + (uint32_t)i;
		routes[i].target = TARGET_NAT;
		routes[i].target_index = 0;
		prefix_parse(i < 3 ? "10.0.0.0/16" : "172.16.0.0/12", &routes[i].dst, NULL);
	}
	routes[0].prefix_list = 0;
	routes[1].prefix_list = NONE;
	routes[2].prefix_list = NONE;
	routes[2].target = TARGET_LOCAL;
	routes[3].prefix_list = 0;
	t->routes = routes;
	t->n_routes = 4;
	s = desired_of(m);
	addr_parse("10.0.200.1", &a);
	assert_true(lpm_get(&s->maps, ABI_MAP_ROUTES, t->obj.number, &a, &val));
	assert_int_equal(val.route, 52);
	addr_parse("172.16.0.1", &a);
	assert_true(lpm_get(&s->maps, ABI_MAP_ROUTES, t->obj.number, &a, &val));
	assert_int_equal(val.route, 53);
	assert_int_equal(walk_tables(m, s, t, &a)->metric, 53);
	state_free(&s);
	routes[2].target = TARGET_NAT;
	s = desired_of(m);
	addr_parse("10.0.200.1", &a);
	assert_true(lpm_get(&s->maps, ABI_MAP_ROUTES, t->obj.number, &a, &val));
	assert_int_equal(val.route, 51);
	assert_int_equal(walk_tables(m, s, t, &a)->metric, 51);
}

/* The VPC's DNS address lies in no subnet here. */
static void vpc_dns_address(void **state)
{
	_cleanup_model_ struct model *m =
		build("[lab t]\n[vpc v]\ncidr = 10.0.0.0/16\n[subnet s]\nvpc = v\ncidr = 10.0.5.0/24\n");
	struct abi_addr_key key = { .vpc = 1 };
	struct abi_addr_val val;
	struct map_rows maps;
	struct addr a;
	const void *v;

	(void)state;
	assert_non_null(m);
	assert_int_equal(maps_desired(m, &maps, NULL), 0);
	addr_parse("10.0.0.2", &a);
	key.addr = a.a;
	v = map_find(&maps, ABI_MAP_ADDRS, &key);
	assert_non_null(v);
	memcpy(&val, v, sizeof(val));
	assert_int_equal(val.port, 0);
	assert_int_equal(val.subnet, 0);
	map_rows_done(&maps);
}

/* Two groups allow the same packet: the rule of the lowest line decides, whatever the groups' names. An ACL
 * that no subnet uses has no tables. */
static void policies(void **state)
{
	static const char text[] = VPC "[security-group z]\nvpc = v\ninbound = tcp 80 from 0.0.0.0/0\n"
				       "[security-group a]\nvpc = v\ninbound = tcp 80-90 from 0.0.0.0/0\n"
				       "[nacl idle]\nvpc = v\ninbound = 100 allow tcp 7777 from 0.0.0.0/0\n"
				       "[instance i]\nsubnet = s\nsecurity-groups = a z\n"
				       "[instance j]\nsubnet = s\nsecurity-groups = z a\n"
				       "[instance k]\nsubnet = s\nsecurity-groups = a\n";
	_cleanup_model_ struct model *m = build(text);
	uint32_t rule_z, rule_a, hits[2] = { 0 }, n_policies = 0;
	struct map_rows maps;

	(void)state;
	assert_non_null(m);
	assert_int_equal(m->enis[0].policy, m->enis[1].policy);
	rule_z = m->security_groups[model_find_security_group(m, "z", NONE)].dir[RULE_IN].v[0].number;
	rule_a = m->security_groups[model_find_security_group(m, "a", NONE)].dir[RULE_IN].v[0].number;
	assert_int_equal(maps_desired(m, &maps, NULL), 0);
	for (size_t i = 0; i < maps.n; i++) {
		struct abi_node node;

		n_policies += maps.v[i].map == ABI_MAP_POLICIES;
		if (maps.v[i].map != ABI_MAP_RULES)
			continue;
		memcpy(&node, map_row_value(&maps, &maps.v[i]), sizeof(node));
		for (uint32_t k = 0; k < node.n; k++) {
			assert_int_not_equal(node.first[k], 6u << ABI_POINT_PORT_BITS | 7777);
			hits[0] += node.first[k] == (6u << ABI_POINT_PORT_BITS | 80) && node.match[k].rule == rule_z;
			hits[1] += node.first[k] == (6u << ABI_POINT_PORT_BITS | 80) && node.match[k].rule == rule_a;
		}
	}
	assert_int_equal(hits[0], 1); /* i and j share their tables */
	assert_true(hits[1] <= 1);    /* k alone, maybe within a wider range of ports */
	assert_int_equal(n_policies, 3);
	map_rows_done(&maps);
}

/* Numbers beyond what the mark holds: the whole is refused, by name, and nothing is returned. */
static void too_many(void **state)
{
	_cleanup_model_ struct model *m = build_file(GOLDEN "small.ini");
	struct state *s = NULL;
	struct err e = { 0 };
	uint32_t number = m->enis[0].obj.number;

	(void)state;
	m->enis[0].obj.number = ABI_PORTS_MAX;
	assert_int_equal(state_desired(m, &s, &e), -E2BIG);
	assert_null(s);
	assert_string_equal(e.aws, "TableLimitExceeded");
	assert_non_null(strstr(e.msg, m->enis[0].obj.name));
	m->enis[0].obj.number = number;
	m->route_tables[0].obj.number = ABI_TABLES_MAX + 1;
	assert_int_equal(state_desired(m, &s, &e), -E2BIG);
	assert_null(s);
	assert_non_null(strstr(e.msg, m->route_tables[0].obj.name));
}

/* Interfaces of all combinations of 5 out of named groups, each naming all groups in per_group rules. */
static struct model *crowd(unsigned named, unsigned per_group, const char *settings)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };
	unsigned n = 0, port = 1000;

	strbuf_addf(&b,
		    "[lab crowd]\nquotas = vpcs=5 groups=off rules-per-group=off\n%s[vpc v]\ncidr = 10.0.0.0/16\n"
		    "[subnet a]\nvpc = v\ncidr = 10.0.0.0/22\n",
		    settings);
	for (unsigned g = 0; g < named; g++) {
		strbuf_addf(&b, "[security-group g%u]\nvpc = v\n", g);
		for (unsigned r = 0; r < per_group; r++, port += 2)
			strbuf_addf(&b, "inbound = tcp %u from sg:g%u\n", port, r % named);
	}
	for (unsigned set = 0; set < 1u << named; set++) {
		if (__builtin_popcount(set) != 5)
			continue;
		strbuf_addf(&b, "[instance i%u]\nsubnet = a\nsecurity-groups =", n++);
		for (unsigned g = 0; g < named; g++)
			if (set & 1u << g)
				strbuf_addf(&b, " g%u", g);
		strbuf_addf(&b, "\n");
	}
	return build(b.s);
}

/* A rule set that does not fit is found before anything is done: which rule, which table, which limit and which
 * setting; and one that may have more fits. */
static void rules_do_not_fit(void **state)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 }, none = { 0 };
	_cleanup_model_ struct model *m = crowd(8, 48, "rule-table-entries = 3000\n");
	_cleanup_model_ struct model *larger = crowd(8, 48, "rule-table-entries = 100000\n");
	struct map_rows rows;
	struct err e = { 0 };

	(void)state;
	assert_non_null(m);
	maps_desired_check(m, &diags);
	assert_int_equal(diags.n, 56); /* all of them, not the first one */
	assert_int_equal(diags.errors, diags.n);
	for (size_t i = 0; i < diags.n; i++) {
		assert_string_equal(diags.v[i].code, "RuleTableLimitExceeded");
		assert_string_equal(diags.v[i].file, "t.ini");
		assert_true(diags.v[i].line > 8);
		assert_non_null(strstr(diags.v[i].message, "inbound: table rules needs"));
		assert_non_null(strstr(diags.v[i].message, "the limit is 3000; rule `tcp "));
		assert_non_null(strstr(diags.v[i].fix, "rule-table-entries"));
	}
	assert_int_equal(maps_desired(m, &rows, &e), -E2BIG);
	assert_string_equal(e.aws, "RuleTableLimitExceeded");
	assert_int_equal(strncmp(e.msg, "t.ini:", 6), 0);
	assert_non_null(strstr(e.msg, "(and 55 more: vpc validate)"));
	maps_desired_check(larger, &none);
	assert_int_equal(none.n, 0);
}

/* All rule sets together. */
static void tables_do_not_fit(void **state)
{
	static const char *const words[] = { "lab crowd: table members needs 627264 rows",
					     "lab crowd: table rules needs " };
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_model_ struct model *m = crowd(12, 12, "rule-table-entries = 1000000\n");

	(void)state;
	assert_non_null(m);
	maps_desired_check(m, &diags);
	assert_int_equal(diags.errors, ARRAY_SIZE(words));
	for (size_t i = 0; i < diags.n; i++) {
		assert_string_equal(diags.v[i].code, "TableLimitExceeded");
		assert_non_null(strstr(diags.v[i].message, words[i]));
		assert_non_null(
			strstr(diags.v[i].message, "the limit is 524288; the largest rule set, security groups g"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_plan),      cmocka_unit_test(parts_fit),
		cmocka_unit_test(macs_and_names),   cmocka_unit_test(no_internet),
		cmocka_unit_test(interface_names),  cmocka_unit_test(long_names),
		cmocka_unit_test(nat_gateway),      cmocka_unit_test(namespaces),
		cmocka_unit_test(overlapping_vpcs), cmocka_unit_test(addresses),
		cmocka_unit_test(vpc_dns_address),  cmocka_unit_test(unattached_interface),
		cmocka_unit_test(second_interface), cmocka_unit_test(shadowed_routes),
		cmocka_unit_test(policies),         cmocka_unit_test(too_many),
		cmocka_unit_test(rules_do_not_fit), cmocka_unit_test(tables_do_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
