/* lint_network.c: gateways without addresses, addresses without gateways, ranges that can never be joined,
 * and what nothing uses. Pure. */
#include <stdio.h>
#include <string.h>
#include "path/lint.h"
#include "util/mem.h"

static void addresses_check(const struct model *m, struct diag_list *l);
static void overlap_check(const struct model *m, struct diag_list *l);
static void unused_check(const struct model *m, const bool *carried, struct diag_list *l);

void lint_network(const struct model *m, const bool *carried, struct diag_list *l)
{
	addresses_check(m, l);
	overlap_check(m, l);
	unused_check(m, carried, l);
}

/* A route that takes most of the internet to a gateway. */
static const struct route *igw_route(const struct route_table *t)
{
	for (uint32_t i = 0; i < t->n_routes; i++)
		if (t->routes[i].target == TARGET_IGW)
			return &t->routes[i];
	return NULL;
}

/* What an appliance forwards may come to a gateway behind it. */
static bool appliance_route(const struct route_table *t)
{
	for (uint32_t i = 0; i < t->n_routes; i++)
		if (t->routes[i].target == TARGET_ENI || t->routes[i].target == TARGET_INSTANCE)
			return true;
	return false;
}

static bool has_public(const struct eni *eni)
{
	for (uint32_t i = 0; i < eni->n_addrs; i++)
		if (!addr_is_zero(&eni->addrs[i].public_ip))
			return true;
	return false;
}

/* What its clients send out is routed once more, by the table of the gateway's own subnet. */
static void nat_check(const struct model *m, const struct eni *eni, struct diag_list *l)
{
	const struct subnet *s = &m->subnets[eni->subnet];
	const struct route_table *t = &m->route_tables[s->route_table];

	if (has_public(eni) && !igw_route(t) && !appliance_route(t))
		diag_add(
			l, SEV_WARNING, eni->obj.loc, "public-address-no-route",
			"put it into a subnet whose table has a route = 0.0.0.0/0 via igw:NAME, or write connectivity = private",
			"nat-gateway %s has a public address, and route table %s of its subnet %s has no route to an internet gateway: what its clients send ends there",
			eni->obj.name, t->obj.name, s->obj.name);
}

static void addresses_check(const struct model *m, struct diag_list *l)
{
	for (uint32_t i = 0; i < m->n_subnets; i++) {
		const struct subnet *s = &m->subnets[i];
		const struct route_table *t = &m->route_tables[s->route_table];

		if (s->map_public_ip && !igw_route(t) && !appliance_route(t))
			diag_add(
				l, SEV_WARNING, s->obj.loc, "public-subnet-no-route",
				"add a route = 0.0.0.0/0 via igw:NAME to its table, or leave map-public-ip out",
				"subnet %s gives its instances public addresses, and its route table %s has no route to an internet gateway",
				s->obj.name, t->obj.name);
	}
	for (uint32_t i = 0; i < m->n_enis; i++) {
		const struct eni *eni = &m->enis[i];
		const struct subnet *s = &m->subnets[eni->subnet];
		const struct route_table *t = &m->route_tables[s->route_table];
		const struct route *igw = igw_route(t);

		if (!eni->obj.loc.line)
			continue;
		if (eni->owner == ENI_OF_NAT_GATEWAY) {
			nat_check(m, eni, l);
			continue;
		}
		if (has_public(eni) && !igw && !appliance_route(t) && !s->map_public_ip)
			diag_add(
				l, SEV_WARNING, eni->obj.loc, "public-address-no-route",
				"add a route = 0.0.0.0/0 via igw:NAME to its table, or leave the public address out",
				"%s has a public address, and route table %s of subnet %s has no route to an internet gateway",
				eni->obj.name, t->obj.name, s->obj.name);
		if (!has_public(eni) && igw)
			diag_add(
				l, SEV_WARNING, eni->obj.loc, "no-public-address",
				"give it public-ip = auto, or put it into a subnet whose default route is a NAT gateway",
				"%s has no public address, so the route of %s to the internet gateway (line %u) leads it nowhere",
				eni->obj.name, t->obj.name, igw->loc.line);
	}
}

static void overlap_check(const struct model *m, struct diag_list *l)
{
	for (uint32_t i = 0; i < m->n_vpcs; i++) {
		for (uint32_t k = 0; k < i; k++) {
			const struct vpc *a = &m->vpcs[k], *b = &m->vpcs[i];
			char x[PREFIX_STRLEN], y[PREFIX_STRLEN];
			bool told = false;

			for (uint32_t p = 0; p < a->n_cidrs && !told; p++) {
				for (uint32_t q = 0; q < b->n_cidrs && !told; q++) {
					told = prefix_overlaps(&a->cidrs[p], &b->cidrs[q]);
					if (told)
						diag_add(
							l, SEV_WARNING, b->obj.loc, "overlapping-vpcs",
							"give each VPC a range of its own",
							"vpc %s: %s overlaps %s of VPC %s: the two can never be peered",
							b->obj.name, prefix_format(&b->cidrs[q], x),
							prefix_format(&a->cidrs[p], y), a->obj.name);
				}
			}
		}
	}
}

static bool list_is_named(const struct rule_list *l, enum rule_peer_kind kind, uint32_t index)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (l->v[i].rule.peer_kind == kind && l->v[i].peer_index == index)
			return true;
	return false;
}

static bool prefix_list_is_used(const struct model *m, uint32_t index)
{
	for (int d = 0; d < 2; d++)
		for (uint32_t i = 0; i < m->n_security_groups; i++)
			if (list_is_named(&m->security_groups[i].dir[d], PEER_PREFIX_LIST, index))
				return true;
	for (uint32_t i = 0; i < m->n_route_tables; i++)
		for (uint32_t k = 0; k < m->route_tables[i].n_routes; k++)
			if (m->route_tables[i].routes[k].prefix_list == index)
				return true;
	return false;
}

static bool route_leads_to(const struct model *m, enum target_kind target, uint32_t index)
{
	for (uint32_t i = 0; i < m->n_route_tables; i++)
		for (uint32_t k = 0; k < m->route_tables[i].n_routes; k++)
			if (m->route_tables[i].routes[k].target == target &&
			    m->route_tables[i].routes[k].target_index == index)
				return true;
	return false;
}

static void unused_add(struct diag_list *l, const struct obj *o, enum obj_kind kind, const char *why, const char *fix)
{
	if (o->loc.line && o->origin != ORIGIN_IMPLICIT)
		diag_add(l, SEV_WARNING, o->loc, "unused", fix, "%s %s: %s", obj_kind_name(kind), o->name, why);
}

static void unused_check(const struct model *m, const bool *carried, struct diag_list *l)
{
	for (uint32_t i = 0; i < m->n_security_groups; i++)
		if (!carried[i] && !m->security_groups[i].is_default)
			unused_add(l, &m->security_groups[i].obj, KIND_SECURITY_GROUP, "no interface carries it",
				   "give it to an instance, or remove it");
	for (uint32_t i = 0; i < m->n_nacls; i++) {
		bool used = m->nacls[i].is_default;

		for (uint32_t k = 0; k < m->n_subnets && !used; k++)
			used = m->subnets[k].nacl == i;
		if (!used)
			unused_add(l, &m->nacls[i].obj, KIND_NACL, "it guards no subnet",
				   "write nacl = its name into a subnet, or remove it");
	}
	for (uint32_t i = 0; i < m->n_route_tables; i++) {
		bool used = m->route_tables[i].is_main || m->route_tables[i].edge_igw != NONE;

		for (uint32_t k = 0; k < m->n_subnets && !used; k++)
			used = m->subnets[k].route_table == i;
		if (!used)
			unused_add(l, &m->route_tables[i].obj, KIND_ROUTE_TABLE, "no subnet uses it",
				   "write route-table = its name into a subnet, or remove it");
	}
	for (uint32_t i = 0; i < m->n_prefix_lists; i++)
		if (!prefix_list_is_used(m, i))
			unused_add(l, &m->prefix_lists[i].obj, KIND_PREFIX_LIST, "no rule or route names it",
				   "remove it");
	for (uint32_t i = 0; i < m->n_igws; i++)
		if (!route_leads_to(m, TARGET_IGW, i))
			unused_add(l, &m->igws[i].obj, KIND_IGW, "no route leads to it",
				   "add route = 0.0.0.0/0 via igw: and its name to a public subnet's table");
	for (uint32_t i = 0; i < m->n_nat_gateways; i++)
		if (!route_leads_to(m, TARGET_NAT, i))
			unused_add(l, &m->enis[m->nat_gateways[i].eni].obj, KIND_NAT_GATEWAY, "no route leads to it",
				   "add route = 0.0.0.0/0 via nat: and its name to a private subnet's table");
}
