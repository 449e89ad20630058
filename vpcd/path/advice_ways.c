/* advice_ways.c: routes: those that are missing, those that lead astray, and other ways for one destination. Pure. */
#include <stdio.h>
#include <string.h>
#include "model/route_text.h"
#include "path/advice_open.h"

struct way { /* a route to be */
	struct prefix to;
	char target[80]; /* "igw:igw" */
};

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

bool igw_need(struct adviser *x, uint32_t vpc, char name[SECTION_NAME_SIZE])
{
	const struct model *m = x->now->m;

	if (m->vpcs[vpc].igw != NONE) {
		snprintf(name, SECTION_NAME_SIZE, "%s", m->igws[m->vpcs[vpc].igw].obj.name);
		return true;
	}
	section_name_new(x, "internet-gateway", m->vpcs[vpc].obj.name, "igw", name);
	return line_add(x, "internet-gateway", name, "vpc", m->vpcs[vpc].obj.name);
}

static const struct prefix *vpc_range(const struct vpc *v, const struct addr *a)
{
	for (uint32_t i = 0; i < v->n_cidrs; i++)
		if (prefix_contains(&v->cidrs[i], a))
			return &v->cidrs[i];
	return NULL;
}

static bool in_some_vpc(const struct model *m, const struct addr *a)
{
	for (uint32_t v = 0; v < m->n_vpcs; v++)
		if (vpc_range(&m->vpcs[v], a))
			return true;
	return false;
}

/* ---- ways from an interface to an address ---- */

static bool may_peer(const struct vpc *v, const struct vpc *w)
{
	for (uint32_t i = 0; i < v->n_cidrs; i++)
		for (uint32_t k = 0; k < w->n_cidrs; k++)
			if (prefix_overlaps(&v->cidrs[i], &w->cidrs[k]))
				return false;
	return true;
}

/* The peering connection of two VPCs, or a new one. */
static bool peering_need(struct adviser *x, uint32_t vpc, uint32_t other, char name[SECTION_NAME_SIZE])
{
	const struct model *m = x->now->m;
	const char *kind = obj_kind_name(KIND_PEERING), *from = m->vpcs[vpc].obj.name, *to = m->vpcs[other].obj.name;
	uint32_t pcx = model_peering_of(m, vpc, other);

	if (pcx != NONE) {
		snprintf(name, SECTION_NAME_SIZE, "%s", m->peerings[pcx].obj.name);
		return true;
	}
	section_name_new(x, kind, from, to, name);
	return line_add(x, kind, name, "vpc", from) && line_add(x, kind, name, "peer-vpc", to);
}

/* Over the peering connection to a VPC that has the address, to that VPC's whole range; over a new one where there is
 * none. */
static bool way_by_peering(struct adviser *x, uint32_t eni, const struct addr *a, struct way *ret)
{
	const struct model *m = x->now->m;
	uint32_t vpc = model_eni_vpc(m, eni), found = NONE;
	char name[SECTION_NAME_SIZE];

	for (uint32_t v = 0; v < m->n_vpcs; v++) {
		bool peers = model_peering_of(m, vpc, v) != NONE;

		if (v == vpc || !vpc_range(&m->vpcs[v], a))
			continue;
		if (peers || (found == NONE && may_peer(&m->vpcs[vpc], &m->vpcs[v])))
			found = v;
		if (peers)
			break;
	}
	if (found == NONE || !peering_need(x, vpc, found, name))
		return false;
	ret->to = *vpc_range(&m->vpcs[found], a);
	snprintf(ret->target, sizeof(ret->target), "pcx:%s", name);
	return true;
}

static bool way_by_igw(struct adviser *x, uint32_t eni, const struct addr *a, struct way *ret)
{
	char name[SECTION_NAME_SIZE];

	if (in_some_vpc(x->now->m, a) || !igw_need(x, model_eni_vpc(x->now->m, eni), name))
		return false;
	ret->to = (struct prefix){ .addr = prefix_of(a, 0).addr, .family = (uint8_t)addr_family(a) };
	snprintf(ret->target, sizeof(ret->target), "igw:%s", name);
	return true;
}

static bool way_by_nat(struct adviser *x, uint32_t eni, const struct addr *a, struct way *ret)
{
	const struct model *m = x->now->m;
	uint32_t nat = nat_of(m, &m->enis[eni], model_eni_vpc(m, eni));

	if (in_some_vpc(m, a) || nat == NONE)
		return false;
	ret->to = (struct prefix){ .addr = prefix_of(a, 0).addr, .family = (uint8_t)addr_family(a) };
	snprintf(ret->target, sizeof(ret->target), "nat:%s", m->nat_gateways[nat].obj.name);
	return true;
}

/* Where no route leads to it yet. */
static bool way_find(struct adviser *x, uint32_t eni, const struct addr *a, struct way *ret)
{
	bool has_public = !addr_is_zero(&x->now->m->enis[eni].addrs[0].public_ip);

	return way_by_peering(x, eni, a, ret) ||
	       (!has_public && x->s->leg == LEG_FORWARD && way_by_nat(x, eni, a, ret)) || way_by_igw(x, eni, a, ret);
}

/* ---- routes ---- */

/* Into the table of the interface's subnet, which may stand in no file. */
static bool route_add(struct adviser *x, uint32_t eni, const struct way *w)
{
	const struct model *m = x->now->m;
	const struct route_table *t = &m->route_tables[m->subnets[m->enis[eni].subnet].route_table];
	const char *vpc = m->vpcs[model_eni_vpc(m, eni)].obj.name;
	char value[PREFIX_STRLEN + 80], name[SECTION_NAME_SIZE], to[PREFIX_STRLEN];

	snprintf(value, sizeof(value), "%s via %s", prefix_format(&w->to, to), w->target);
	if (section_find(&x->d, "route-table", t->obj.name))
		return line_add(x, "route-table", t->obj.name, "route", value);
	section_name_new(x, "route-table", vpc, "main", name);
	return line_add(x, "route-table", name, "vpc", vpc) && line_add(x, "route-table", name, "main", "yes") &&
	       line_add(x, "route-table", name, "route", value);
}

static const struct entry *route_entry(const struct section *s, const struct model *m, const struct route *r)
{
	char text[PREFIX_STRLEN + 160];

	route_text(m, r, text, sizeof(text));
	for (size_t i = 0; s && i < s->n; i++)
		if (strcmp(s->entries[i].key, "route") == 0 &&
		    (r->loc.line ? s->entries[i].loc.line == r->loc.line : strcmp(s->entries[i].value, text) == 0))
			return &s->entries[i];
	return NULL;
}

/* The line of a route, whose number it is. */
static bool route_remove(struct adviser *x, uint32_t number)
{
	const struct section *s;
	const struct entry *en;
	struct rule_place place;

	if (!number || !model_route_place(x->now->m, number, &place) || !place.route)
		return false;
	s = section_find(&x->d, "route-table", place.owner);
	en = route_entry(s, x->now->m, place.route);
	return en && line_remove(x, s, en);
}

static uint32_t eni_of_step(const struct adviser *x, const struct walk_step *s)
{
	return s->eni ? model_find_eni(x->now->m, s->eni) : NONE;
}

/* Another way for what a step sent: narrower than the route that it took, or in its place. */
static bool redirect(struct adviser *x, const struct walk_step *at,
		     bool (*by)(struct adviser *x, uint32_t eni, const struct addr *a, struct way *ret))
{
	unsigned whole = addr_family(&at->dst) == FAMILY_V4 ? 32 : 128;
	uint32_t eni = eni_of_step(x, at);
	struct rule_place place;
	struct way w;

	if (eni == NONE || !by(x, eni, &at->dst, &w))
		return false;
	if (at->rule && model_route_place(x->now->m, at->rule, &place) && place.route) {
		if (place.route->dst.len == whole && !route_remove(x, at->rule))
			return false;
		if (w.to.len <= place.route->dst.len)
			w.to = prefix_of(&at->dst, whole);
	}
	return route_add(x, eni, &w);
}

/* ---- gates ---- */

bool route_open(struct adviser *x)
{
	uint32_t eni = eni_of_step(x, x->s);
	struct way w;

	return x->s->reason == ABI_REASON_NO_ROUTE_TO_DESTINATION && eni != NONE && way_find(x, eni, &x->s->dst, &w) &&
	       route_add(x, eni, &w);
}

/* Without it, what is left of the table leads there, or the way out is opened next. */
bool blackhole_open(struct adviser *x)
{
	x->gone = true;
	return route_remove(x, x->s->rule);
}

/* A packet for a peer's address, at a gateway that does not carry it: the first table that can sends it to the peer. */
bool peer_open(struct adviser *x)
{
	for (size_t i = 0; i < x->now->walk.denied; i++) {
		const struct walk_step *s = &x->now->walk.steps[i];

		if (s->leg == x->s->leg && s->gate == ABI_GATE_ROUTE && redirect(x, s, way_by_peering))
			return true;
	}
	return false;
}

/* What comes in for the sender's subnet goes through an appliance: not any more. */
bool edge_open(struct adviser *x)
{
	const struct model *m = x->now->m;
	const struct route_table *t;
	const struct route *best = NULL;
	uint32_t eni = eni_of_step(x, x->s), igw = eni == NONE ? NONE : m->vpcs[model_eni_vpc(m, eni)].igw;

	if (igw == NONE || m->igws[igw].edge_table == NONE)
		return false;
	t = &m->route_tables[m->igws[igw].edge_table];
	for (uint32_t i = 0; i < t->n_routes; i++)
		if (prefix_contains(&t->routes[i].dst, &x->s->src) && (!best || t->routes[i].dst.len > best->dst.len))
			best = &t->routes[i];
	return best && route_remove(x, best->number);
}

/* A packet that a route led to a NAT gateway, which does not take it: what answers somebody outside, or what it does not
 * carry. */
bool nat_open(struct adviser *x)
{
	const struct model *m = x->now->m;
	const struct walk_step *route = NULL;
	uint32_t index;

	for (size_t i = 0; i < x->now->walk.denied; i++)
		if (x->now->walk.steps[i].leg == x->s->leg && x->now->walk.steps[i].gate == ABI_GATE_ROUTE)
			route = &x->now->walk.steps[i];
	index = route ? eni_of_step(x, route) : NONE;
	return index != NONE && m->enis[index].owner == ENI_OF_INSTANCE && redirect(x, route, way_by_igw);
}

/* ---- what else a table on the way could do ---- */

bool detour_make(struct adviser *x)
{
	return route_remove(x, x->s->rule);
}
