/* model.c: a lab's model: its memory and its lookups. Pure.
 *
 * The model is filled by conf/ and read-only afterwards. The index is made once, at the end:
 * hashes by name, by address and by rule and route number. */
#include <assert.h>
#include "model/keymap.h"
#include "model/model.h"
#include "util/mem.h"

struct addr_key {
	uint32_t vpc;
	struct addr addr;
};
_Static_assert(sizeof(struct addr_key) == 20, "hashed as bytes: no padding");

struct model_index {
	struct keymap vpcs, subnets, instances, enis, hosts, groups;
	struct keymap privates, publics, host_addrs; /* value: eni << 32 | address, or host */
	struct keymap rules, routes;                 /* value: index into places */
	struct rule_place *places;
	size_t n_places, cap_places;
};

static void index_enis(struct model *m);
static void index_rules(struct model *m, enum obj_kind kind, const struct obj *owner, const struct rule_list dir[2],
			const uint32_t star[2]);
static void index_routes(struct model *m, const struct route_table *t);
static bool place_get(const struct model *m, const struct keymap *map, uint32_t number, struct rule_place *ret);
static uint32_t eni_get(const struct keymap *map, const void *key, size_t len, uint32_t *addr_index);

const char *obj_kind_name(enum obj_kind k)
{
	static const char *const names[KIND_MAX] = {
		[KIND_LAB] = "lab",
		[KIND_VPC] = "vpc",
		[KIND_SUBNET] = "subnet",
		[KIND_ROUTE_TABLE] = "route-table",
		[KIND_IGW] = "internet-gateway",
		[KIND_NAT_GATEWAY] = "nat-gateway",
		[KIND_PEERING] = "vpc-peering-connection",
		[KIND_SECURITY_GROUP] = "security-group",
		[KIND_NACL] = "nacl",
		[KIND_PREFIX_LIST] = "prefix-list",
		[KIND_INSTANCE] = "instance",
		[KIND_INTERFACE] = "interface",
		[KIND_HOST] = "host",
		[KIND_INTERNET] = "internet",
		[KIND_FLOW_LOG] = "flow-log",
		[KIND_ALARM] = "alarm",
		[KIND_EXPECT] = "expect",
		[KIND_RULE] = "rule",
		[KIND_ROUTE] = "route",
		[KIND_PORT] = "port",
		[KIND_POLICY] = "policy",
	};

	assert(k < KIND_MAX);
	return names[k];
}

struct model *model_new(void)
{
	struct arena *a = arena_new();
	struct model *m = arena_alloc(a, sizeof(*m));

	m->arena = a;
	m->index = xcalloc(1, sizeof(*m->index));
	return m;
}

void model_index_build(struct model *m)
{
	struct model_index *x = m->index;

	assert(!x->vpcs.n && !x->n_places);
	for (uint32_t i = 0; i < m->n_vpcs; i++)
		keymap_put_str(&x->vpcs, m->vpcs[i].obj.name, i);
	for (uint32_t i = 0; i < m->n_subnets; i++)
		keymap_put_str(&x->subnets, m->subnets[i].obj.name, i);
	keymap_reserve(&x->instances, m->n_instances);
	for (uint32_t i = 0; i < m->n_instances; i++)
		keymap_put_str(&x->instances, m->instances[i].obj.name, i);
	index_enis(m);
	for (uint32_t i = 0; i < m->n_hosts; i++) {
		keymap_put_str(&x->hosts, m->hosts[i].obj.name, i);
		keymap_put(&x->host_addrs, &m->hosts[i].addr, sizeof(m->hosts[i].addr), i);
	}
	for (uint32_t i = 0; i < m->n_security_groups; i++) {
		const struct security_group *g = &m->security_groups[i];

		keymap_put_str(&x->groups, g->obj.name, i);
		index_rules(m, KIND_SECURITY_GROUP, &g->obj, g->dir, NULL);
	}
	for (uint32_t i = 0; i < m->n_nacls; i++)
		index_rules(m, KIND_NACL, &m->nacls[i].obj, m->nacls[i].dir, m->nacls[i].star);
	for (uint32_t i = 0; i < m->n_route_tables; i++)
		index_routes(m, &m->route_tables[i]);
}

void model_free(struct model **m)
{
	struct model_index *x;
	struct arena *a;

	if (!m || !*m)
		return;
	x = (*m)->index;
	keymap_done(&x->vpcs);
	keymap_done(&x->subnets);
	keymap_done(&x->instances);
	keymap_done(&x->enis);
	keymap_done(&x->hosts);
	keymap_done(&x->groups);
	keymap_done(&x->privates);
	keymap_done(&x->publics);
	keymap_done(&x->host_addrs);
	keymap_done(&x->rules);
	keymap_done(&x->routes);
	free(x->places);
	free(x);
	a = (*m)->arena;
	arena_free(&a);
	*m = NULL;
}

uint32_t model_find_vpc(const struct model *m, const char *name)
{
	return keymap_index(&m->index->vpcs, name);
}

uint32_t model_find_subnet(const struct model *m, const char *name)
{
	return keymap_index(&m->index->subnets, name);
}

uint32_t model_find_instance(const struct model *m, const char *name)
{
	return keymap_index(&m->index->instances, name);
}

uint32_t model_find_eni(const struct model *m, const char *name)
{
	return keymap_index(&m->index->enis, name);
}

bool model_same_instance(const struct model *m, uint32_t eni, uint32_t other)
{
	const struct eni *a = &m->enis[eni], *b = &m->enis[other];

	return a->owner == ENI_OF_INSTANCE && b->owner == ENI_OF_INSTANCE && a->owner_index != NONE &&
	       a->owner_index == b->owner_index;
}

uint32_t model_find_host(const struct model *m, const char *name)
{
	return keymap_index(&m->index->hosts, name);
}

/* "default" needs a VPC to mean something, unless there is only one. */
uint32_t model_find_security_group(const struct model *m, const char *name, uint32_t vpc)
{
	uint32_t i = keymap_index(&m->index->groups, name);

	if (strcmp(name, "default") == 0) {
		if (vpc == NONE && m->n_vpcs == 1)
			vpc = 0;
		return vpc == NONE ? NONE : m->vpcs[vpc].default_group;
	}
	if (i != NONE && vpc != NONE && m->security_groups[i].vpc != vpc)
		return NONE;
	return i;
}

uint32_t model_eni_by_addr(const struct model *m, uint32_t vpc, const struct addr *a, uint32_t *addr_index)
{
	struct addr_key key = { .vpc = vpc, .addr = *a };

	return eni_get(&m->index->privates, &key, sizeof(key), addr_index);
}

uint32_t model_eni_by_public(const struct model *m, const struct addr *a, uint32_t *addr_index)
{
	return eni_get(&m->index->publics, a, sizeof(*a), addr_index);
}

uint32_t model_host_by_addr(const struct model *m, const struct addr *a)
{
	return (uint32_t)keymap_get(&m->index->host_addrs, a, sizeof(*a));
}

uint32_t model_peering_of(const struct model *m, uint32_t vpc, uint32_t other)
{
	if (vpc == NONE || other == NONE)
		return NONE;
	for (uint32_t i = 0; i < m->n_peerings; i++) {
		const struct peering *p = &m->peerings[i];

		if ((p->vpcs[0] == vpc && p->vpcs[1] == other) || (p->vpcs[1] == vpc && p->vpcs[0] == other))
			return i;
	}
	return NONE;
}

bool model_rule_place(const struct model *m, uint32_t number, struct rule_place *ret)
{
	return place_get(m, &m->index->rules, number, ret);
}

bool model_route_place(const struct model *m, uint32_t number, struct rule_place *ret)
{
	return place_get(m, &m->index->routes, number, ret);
}

static void index_enis(struct model *m)
{
	struct model_index *x = m->index;

	keymap_reserve(&x->enis, m->n_enis);
	keymap_reserve(&x->privates, m->n_enis); /* more only where one has several */
	for (uint32_t i = 0; i < m->n_enis; i++) {
		const struct eni *eni = &m->enis[i];

		keymap_put_str(&x->enis, eni->obj.name, i);
		for (uint32_t j = 0; j < eni->n_addrs; j++) {
			struct addr_key *key = arena_alloc(m->arena, sizeof(*key));
			uint64_t value = (uint64_t)i << 32 | j;

			*key = (struct addr_key){ .vpc = m->subnets[eni->subnet].vpc, .addr = eni->addrs[j].addr };
			keymap_put(&x->privates, key, sizeof(*key), value);
			if (!addr_is_zero(&eni->addrs[j].public_ip))
				keymap_put(&x->publics, &eni->addrs[j].public_ip, sizeof(struct addr), value);
		}
	}
}

/* number: where it stands in the model */
static void place_add(struct model *m, struct keymap *map, const uint32_t *number, const struct rule_place *place)
{
	struct model_index *x = m->index;

	if (!*number || !keymap_put(map, number, sizeof(*number), x->n_places))
		return;
	*VEC_PUSH(x->places, x->n_places, x->cap_places) = *place;
}

static void index_rules(struct model *m, enum obj_kind kind, const struct obj *owner, const struct rule_list dir[2],
			const uint32_t star[2])
{
	keymap_reserve(&m->index->rules, (size_t)m->index->rules.n + dir[RULE_IN].n + dir[RULE_OUT].n);
	for (int d = RULE_IN; d <= RULE_OUT; d++) {
		struct rule_place place = { .owner_kind = kind, .owner = owner->name, .dir = d };

		if (star) {
			place.loc = owner->loc;
			place_add(m, &m->index->rules, &star[d], &place);
		}
		for (uint32_t i = 0; i < dir[d].n; i++) {
			place.rule = &dir[d].v[i];
			place.loc = place.rule->origin == ORIGIN_IMPLICIT ? owner->loc : place.rule->loc;
			place.allow = place.rule->rule.allow;
			place_add(m, &m->index->rules, &place.rule->number, &place);
		}
	}
}

static void index_routes(struct model *m, const struct route_table *t)
{
	for (uint32_t i = 0; i < t->n_routes; i++) {
		struct rule_place place = {
			.owner_kind = KIND_ROUTE_TABLE,
			.owner = t->obj.name,
			.loc = t->routes[i].loc,
			.route = &t->routes[i],
			.allow = !t->routes[i].blackhole,
		};

		place_add(m, &m->index->routes, &t->routes[i].number, &place);
	}
}

static bool place_get(const struct model *m, const struct keymap *map, uint32_t number, struct rule_place *ret)
{
	uint64_t i = keymap_get(map, &number, sizeof(number));

	if (i == KEYMAP_NONE)
		return false;
	*ret = m->index->places[i];
	return true;
}

static uint32_t eni_get(const struct keymap *map, const void *key, size_t len, uint32_t *addr_index)
{
	uint64_t v = keymap_get(map, key, len);

	if (v == KEYMAP_NONE)
		return NONE;
	if (addr_index)
		*addr_index = (uint32_t)v;
	return (uint32_t)(v >> 32);
}

bool model_zone_is(const struct model *m, uint32_t subnet, const char *word)
{
	const struct subnet *s = &m->subnets[subnet];
	const char *region = s->vpc == NONE ? "" : m->vpcs[s->vpc].region;
	size_t n = strlen(region);

	return strcmp(word, s->zone) == 0 || (strncmp(word, region, n) == 0 && strcmp(word + n, s->zone) == 0);
}

bool model_subnet_is_out(const struct model *m, uint32_t subnet)
{
	for (uint32_t i = 0; i < m->n_zones_down; i++)
		if (model_zone_is(m, subnet, m->zones_down[i]))
			return true;
	return false;
}
