/* replay_scene.c: opens every gate but one interface's. Pure. */
#include "path/replay_scene.h"
#include <errno.h>
#include <string.h>
#include "plan/desired.h"
#include "util/mem.h"

enum { OPEN_NODE = 2 };      /* names of nodes are even hashes; one so small is nobody's */
#define NO_GROUPS UINT32_MAX /* a set of groups that no rule names: it is known that strangers are in none */

struct opening { /* numbers of what is added */
	uint32_t port, slot, table;
};

static void numbers_find(const struct map_rows *rows, struct opening *ret);
static void number_max(const struct map_rows *rows, const struct map_row *row, uint32_t *max);
static void others_open(struct replay_scene *s, const struct opening *o);
static void port_open(const struct replay_scene *s, const struct opening *o, struct abi_port *p);
static void open_policy_add(struct replay_scene *s, const struct opening *o);
static void road_add(struct replay_scene *s, const struct opening *o);
static void strangers_add(struct replay_scene *s, struct opening *o);
static uint32_t stranger_add(struct replay_scene *s, struct opening *o, uint32_t subnet_number);
static uint32_t subnet_of(const struct replay_scene *s, const struct addr *a);

int replay_scene_make(const struct model *m, uint32_t eni, struct replay_scene *ret, struct err *e)
{
	struct replay_scene s = { .m = m, .eni = eni, .port = m->enis[eni].obj.number };
	struct opening o;
	int r = state_desired(m, &s.desired, e);

	if (r < 0)
		return r;
	numbers_find(&s.desired->maps, &o);
	if (o.port + m->n_subnets + 2 >= ABI_PORTS_MAX) {
		state_free(&s.desired);
		return err_set(e, -E2BIG, "lab %s has no room for %u ports more of the %u it may have", m->name,
			       m->n_subnets + 2, ABI_PORTS_MAX);
	}
	others_open(&s, &o);
	open_policy_add(&s, &o);
	road_add(&s, &o);
	strangers_add(&s, &o);
	map_rows_sort(&s.desired->maps);
	*ret = s;
	return 0;
}

void replay_scene_done(struct replay_scene *s)
{
	state_free(&s->desired);
	free(s->strangers);
	s->strangers = NULL;
}

/* The appliance that the route table of the interface's subnet leads to on the way to dst; NONE: dst itself, or no interface. */
static uint32_t appliance_of(const struct model *m, uint32_t eni, const struct addr *dst)
{
	const struct subnet *subnet = &m->subnets[m->enis[eni].subnet];
	const struct route_table *t = &m->route_tables[subnet->route_table];
	const struct route *best = NULL;

	if (prefix_contains(&subnet->cidr, dst))
		return NONE; /* a neighbour: no table is asked */
	for (uint32_t i = 0; i < t->n_routes; i++)
		if (prefix_contains(&t->routes[i].dst, dst) && (!best || t->routes[i].dst.len > best->dst.len))
			best = &t->routes[i];
	if (!best || best->blackhole || (best->target != TARGET_ENI && best->target != TARGET_INSTANCE))
		return NONE;
	return best->target_index;
}

uint32_t replay_sender(const struct replay_scene *s, const struct addr *src, const struct addr *dst, bool *peering)
{
	const struct model *m = s->m;
	const uint32_t vpc = model_eni_vpc(m, s->eni), owner = model_eni_by_addr(m, vpc, src, NULL);
	const uint32_t subnet = subnet_of(s, src);

	*peering = false;
	if (owner != NONE && owner != s->eni) {
		const uint32_t appliance = appliance_of(m, owner, dst);

		return m->enis[appliance != NONE && appliance != s->eni ? appliance : owner].obj.number;
	}
	if (subnet != NONE)
		return s->strangers[subnet];
	for (uint32_t i = 0; i < m->n_peerings; i++)
		for (int end = 0; end < 2; end++) {
			const struct peering *p = &m->peerings[i];
			const struct vpc *other = &m->vpcs[p->vpcs[!end]];

			for (uint32_t k = 0; p->vpcs[end] == vpc && k < other->n_cidrs; k++) {
				*peering = prefix_contains(&other->cidrs[k], src);
				if (*peering)
					return p->ports[end];
			}
		}
	return s->outside;
}

uint32_t replay_neighbour(const struct replay_scene *s, const struct addr *dst)
{
	const struct eni *eni = &s->m->enis[s->eni];
	const uint32_t owner = model_eni_by_addr(s->m, model_eni_vpc(s->m, s->eni), dst, NULL);

	if (!prefix_contains(&s->m->subnets[eni->subnet].cidr, dst))
		return 0;
	if (owner == NONE)
		return s->strangers[eni->subnet];
	return owner != s->eni && s->m->enis[owner].subnet == eni->subnet ? s->m->enis[owner].obj.number : 0;
}

bool replay_stranger_row(const struct replay_scene *s, const struct addr *dst, struct map_rows *ret)
{
	const struct vpc *vpc = &s->m->vpcs[model_eni_vpc(s->m, s->eni)];
	const uint32_t subnet = subnet_of(s, dst);
	struct abi_addr_key key = { .vpc = vpc->table_number, .addr = dst->a };
	struct abi_addr_val val = { .port = subnet == NONE ? s->outside : s->strangers[subnet],
				    .subnet = subnet == NONE ? 0 : s->m->subnets[subnet].obj.number };
	bool inside = false;

	for (uint32_t i = 0; i < vpc->n_cidrs; i++)
		inside |= prefix_contains(&vpc->cidrs[i], dst);
	if (!inside || map_rows_find(&s->desired->maps, ABI_MAP_ADDRS, &key))
		return false;
	map_rows_add(ret, ABI_MAP_ADDRS, &key, &val);
	return true;
}

static void numbers_find(const struct map_rows *rows, struct opening *ret)
{
	*ret = (struct opening){ 0 };
	for (size_t i = 0; i < rows->n; i++) {
		const struct map_row *row = &rows->v[i];
		struct abi_lpm_key key;

		switch (row->map) {
		case ABI_MAP_PORTS: number_max(rows, row, &ret->port); break;
		case ABI_MAP_POLICIES: number_max(rows, row, &ret->slot); break;
		case ABI_MAP_ROUTES:
			memcpy(&key, map_row_key(rows, row), sizeof(key));
			if (key.table_hi == ABI_TABLE_ROUTES && key.table_lo > ret->table)
				ret->table = key.table_lo;
			break;
		default: break;
		}
	}
	ret->slot++;
	ret->table++;
}

static void number_max(const struct map_rows *rows, const struct map_row *row, uint32_t *max)
{
	uint32_t number;

	memcpy(&number, map_row_key(rows, row), sizeof(number));
	if (number > *max)
		*max = number;
}

static void others_open(struct replay_scene *s, const struct opening *o)
{
	struct map_rows *rows = &s->desired->maps;

	for (size_t i = 0; i < rows->n; i++) {
		const struct map_row *row = &rows->v[i];
		uint8_t *value = rows->bytes + row->at + row->key_size;
		struct abi_port p;
		uint32_t number;

		if (row->map != ABI_MAP_PORTS)
			continue;
		memcpy(&number, map_row_key(rows, row), sizeof(number));
		memcpy(&p, value, sizeof(p));
		if (number == s->port || (p.kind != ABI_PORT_ENI && p.kind != ABI_PORT_NAT))
			continue;
		port_open(s, o, &p);
		memcpy(value, &p, sizeof(p));
	}
}

/* It may send and receive what it likes, and all it sends comes to the interface. */
static void port_open(const struct replay_scene *s, const struct opening *o, struct abi_port *p)
{
	if (p->vpc == s->m->vpcs[model_eni_vpc(s->m, s->eni)].table_number)
		p->route_table = o->table;
	p->flags &= (__u8)~ABI_PORT_SOURCE_DEST_CHECK;
	p->sg_policy = 0;
	p->nacl_policy = o->slot;
	p->nacl_fragments = 0;
}

static void open_policy_add(struct replay_scene *s, const struct opening *o)
{
	struct abi_node all = { .leaf = 1, .n = 1 };
	struct abi_ruleset any = { .any = { OPEN_NODE, OPEN_NODE } };
	struct abi_policy policy = { any, any };
	uint64_t name = OPEN_NODE;

	for (unsigned i = 0; i < ABI_NODE_WIDTH; i++) {
		all.last[i] = ABI_POINT_MAX;
		all.match[i] = (struct abi_match){ .order = 1, .flags = ABI_MATCH_ALLOW };
	}
	map_rows_add(&s->desired->maps, ABI_MAP_RULES, &name, &all);
	map_rows_add(&s->desired->maps, ABI_MAP_POLICIES, &o->slot, &policy);
}

/* A route table in which every address leads to the interface. */
static void road_add(struct replay_scene *s, const struct opening *o)
{
	struct abi_lpm_key key = { .prefixlen = ABI_LPM_TABLE_BITS,
				   .table_hi = ABI_TABLE_ROUTES,
				   .table_lo = o->table };
	struct abi_route road = { .kind = ABI_ROUTE_PORT, .port = s->port };

	map_rows_add(&s->desired->maps, ABI_MAP_ROUTES, &key, &road);
}

static void strangers_add(struct replay_scene *s, struct opening *o)
{
	const uint32_t vpc = model_eni_vpc(s->m, s->eni);

	s->strangers = xcalloc(s->m->n_subnets, sizeof(*s->strangers));
	for (uint32_t i = 0; i < s->m->n_subnets; i++)
		if (s->m->subnets[i].vpc == vpc)
			s->strangers[i] = stranger_add(s, o, s->m->subnets[i].obj.number);
	s->outside = stranger_add(s, o, 0);
}

static uint32_t stranger_add(struct replay_scene *s, struct opening *o, uint32_t subnet_number)
{
	struct abi_port p = { .kind = ABI_PORT_ENI,
			      .vpc = s->m->vpcs[model_eni_vpc(s->m, s->eni)].table_number,
			      .subnet = subnet_number,
			      .members = NO_GROUPS,
			      .ct_limit = s->m->conntrack_entries };

	o->port++;
	port_open(s, o, &p);
	map_rows_add(&s->desired->maps, ABI_MAP_PORTS, &o->port, &p);
	return o->port;
}

/* The subnet of the interface's VPC that the address lies in. */
static uint32_t subnet_of(const struct replay_scene *s, const struct addr *a)
{
	const uint32_t vpc = model_eni_vpc(s->m, s->eni);

	for (uint32_t i = 0; i < s->m->n_subnets; i++)
		if (s->m->subnets[i].vpc == vpc && prefix_contains(&s->m->subnets[i].cidr, a))
			return i;
	return NONE;
}
