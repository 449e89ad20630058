/* advice_ways.c: routes that lead a packet on, and the gateways they lead to. Pure. */
#include <stdio.h>
#include <string.h>
#include "path/advice_open.h"
#include "util/str.h"

static uint32_t nat_of(const struct model *m, const struct eni *eni, uint32_t vpc)
{
	uint32_t found = NONE;

	for (uint32_t i = 0; i < m->n_nat_gateways; i++) {
		uint32_t subnet = m->enis[m->nat_gateways[i].eni].subnet;

		if (!m->nat_gateways[i].is_public || m->subnets[subnet].vpc != vpc || subnet == eni->subnet)
			continue;
		if (found == NONE || strcmp(m->subnets[subnet].zone, m->subnets[eni->subnet].zone) == 0)
			found = i;
	}
	return found;
}

bool igw_need(struct adviser *x, uint32_t vpc, char *name, size_t size)
{
	const struct model *m = x->now->m;

	if (m->vpcs[vpc].igw != NONE) {
		snprintf(name, size, "%s", m->igws[m->vpcs[vpc].igw].obj.name);
		return true;
	}
	snprintf(name, size, "%.20s-igw", m->vpcs[vpc].obj.name);
	return line_add(x, "internet-gateway", name, "vpc", m->vpcs[vpc].obj.name);
}

static bool in_some_vpc(const struct model *m, const struct addr *a)
{
	for (uint32_t v = 0; v < m->n_vpcs; v++)
		for (uint32_t i = 0; i < m->vpcs[v].n_cidrs; i++)
			if (prefix_contains(&m->vpcs[v].cidrs[i], a))
				return true;
	return false;
}

/* Into the table of the interface's subnet, which may stand in no file. */
static bool route_add(struct adviser *x, uint32_t eni, const char *destination, const char *target)
{
	const struct model *m = x->now->m;
	const struct route_table *t = &m->route_tables[m->subnets[m->enis[eni].subnet].route_table];
	const char *vpc = m->vpcs[model_eni_vpc(m, eni)].obj.name;
	char value[PREFIX_STRLEN + 80], name[64];

	snprintf(value, sizeof(value), "%s via %s", destination, target);
	if (section_find(&x->d, "route-table", t->obj.name))
		return line_add(x, "route-table", t->obj.name, "route", value);
	snprintf(name, sizeof(name), "%.20s-main", vpc);
	return line_add(x, "route-table", name, "vpc", vpc) && line_add(x, "route-table", name, "main", "yes") &&
	       line_add(x, "route-table", name, "route", value);
}

bool route_open(struct adviser *x)
{
	const struct model *m = x->now->m;
	uint32_t index = x->s->eni ? model_find_eni(m, x->s->eni) : NONE, vpc, nat;
	char name[64], target[72];

	if (x->s->reason != ABI_REASON_NO_ROUTE_TO_DESTINATION || index == NONE || in_some_vpc(m, &x->s->dst))
		return false;
	vpc = model_eni_vpc(m, index);
	nat = nat_of(m, &m->enis[index], vpc);
	if (addr_is_zero(&m->enis[index].addrs[0].public_ip) && nat != NONE && x->s->leg == LEG_FORWARD) {
		snprintf(target, sizeof(target), "nat:%s", m->nat_gateways[nat].obj.name);
	} else {
		if (!igw_need(x, vpc, name, sizeof(name)))
			return false;
		snprintf(target, sizeof(target), "igw:%s", name);
	}
	return route_add(x, index, "0.0.0.0/0", target);
}

/* A packet that a route led to a NAT gateway, which does not take it: what answers somebody outside, or what it does not
 * carry. */
bool nat_open(struct adviser *x)
{
	const struct model *m = x->now->m;
	const struct walk_step *route = NULL;
	uint32_t index = NONE;
	char name[64], target[72], destination[PREFIX_STRLEN];
	struct prefix alone;

	for (size_t i = 0; i < x->now->walk.denied; i++)
		if (x->now->walk.steps[i].leg == x->s->leg && x->now->walk.steps[i].gate == ABI_GATE_ROUTE)
			route = &x->now->walk.steps[i];
	if (route && route->eni)
		index = model_find_eni(m, route->eni);
	if (index == NONE || m->enis[index].owner != ENI_OF_INSTANCE || in_some_vpc(m, &route->dst) ||
	    !igw_need(x, model_eni_vpc(m, index), name, sizeof(name)))
		return false;
	alone = prefix_of(&route->dst, addr_family(&route->dst) == FAMILY_V4 ? 32 : 128);
	snprintf(target, sizeof(target), "igw:%s", name);
	return route_add(x, index, prefix_format(&alone, destination), target);
}
