/* desired_routes.c: routes, rules and neighbours. Pure.
 *
 * In a router: one Linux table a route table, chosen by the mark that the interface's filter sets, with
 * `throw` where AWS says local; then the VPC's own table of host routes, for packets that were judged;
 * then a blackhole, so that what carries no mark of ours goes nowhere. Each table ends in a blackhole
 * too, or the router would send "net unreachable", which AWS does not. The internet does the same with one table. */
#include <stdio.h>
#include <string.h>
#include "model/uplink.h"
#include "plan/desired_ctx.h"
#include "util/mem.h"

enum { PREF_TABLES = 1000, PREF_LOCAL = 20000, PREF_END = 30000 };
enum { PREF_SOURCE = 1000, SOURCE_TABLE_BASE = 10000 }; /* inside an instance; table 10000 + N is ethN's */
#define SECOND_METRIC 1000 /* default routes of further interfaces of an instance: less wanted than eth0's */

/* Where rows go and whose they are. */
struct scope {
	const char *ns;
	enum obj_kind kind;
	const char *owner;
};

static void router_table(struct desired *d, const struct route_table *t);
static void router_rules(struct desired *d, uint32_t vpc);
static void internet_rules(struct desired *d);
static void eni_routes(struct desired *d, uint32_t i);
static void source_routes(struct desired *d, uint32_t i, const struct scope *inside);
static void igw_routes(struct desired *d, const struct igw *igw);
static void peering_ends(struct desired *d, const struct peering *p);
static void peer_routes(struct desired *d, const struct peering *p, int end);
static void host_routes(struct desired *d, const struct host *h);
static void uplink_routes(struct desired *d);
static void add_blackhole(struct desired *d, const struct scope *sc, uint32_t table);
static struct route_row *add_route(struct desired *d, const struct scope *sc, uint32_t table, const struct prefix *dst);
static void add_neigh(struct desired *d, const struct scope *sc, const char *ifname, const struct addr *addr,
		      uint32_t port);
static void add_rule(struct desired *d, const struct scope *sc, const struct rule_row *rule);
static struct prefix everything(void);

void desired_routes(struct desired *d)
{
	const struct model *m = d->m;

	for (uint32_t i = 0; i < m->n_route_tables; i++)
		router_table(d, &m->route_tables[i]);
	for (uint32_t i = 0; i < m->n_vpcs; i++)
		router_rules(d, i);
	for (uint32_t i = 0; i < m->n_enis; i++)
		if (d->enis[i].attached)
			eni_routes(d, i);
	for (uint32_t i = 0; i < m->n_igws; i++)
		if (m->igws[i].vpc != NONE)
			igw_routes(d, &m->igws[i]);
	for (uint32_t i = 0; i < m->n_peerings; i++)
		peering_ends(d, &m->peerings[i]);
	for (uint32_t i = 0; i < m->n_hosts; i++)
		host_routes(d, &m->hosts[i]);
	if (d->uplink_ns)
		uplink_routes(d);
	if (d->internet_ns)
		internet_rules(d);
}

static void router_table(struct desired *d, const struct route_table *t)
{
	const struct model *m = d->m;
	const struct scope sc = { d->router_ns[t->vpc], KIND_ROUTE_TABLE, t->obj.name };
	uint32_t table = ABI_ROUTE_TABLE_BASE + t->obj.number;

	for (uint32_t i = 0; i < t->n_routes; i++) {
		const struct route *r = &t->routes[i];
		struct route_row *row;

		if (r->dst.family != FAMILY_V4 || route_shadowed(t, i))
			continue;
		row = add_route(d, &sc, table, &r->dst);
		row->metric = r->number;
		if (r->target == TARGET_LOCAL) {
			row->type = ROUTE_TYPE_THROW;
		} else if (route_is_dead(m, r)) {
			row->type = ROUTE_TYPE_BLACKHOLE;
		} else if (r->target == TARGET_IGW) {
			const struct igw *igw = &m->igws[r->target_index];

			igw_ifname(igw, igw->port, row->ifname);
			row->via = addr_from_v4(GATEWAY_ADDR);
		} else if (r->target == TARGET_PCX) {
			const struct peering *p = &m->peerings[r->target_index];

			pcx_ifname(p, p->vpcs[1] == t->vpc, row->ifname);
			row->via = addr_from_v4(GATEWAY_ADDR);
		} else {
			const struct eni *eni = route_eni(m, r);
			const struct eni_place *p = &d->enis[eni - m->enis];

			if (p->out) { /* AWS still calls the route active; its packets die */
				row->type = ROUTE_TYPE_BLACKHOLE;
				continue;
			}
			strcpy(row->ifname, p->ifname);
			row->via = eni->addrs[0].addr;
		}
	}
	add_blackhole(d, &sc, table);
	/* One pref for all of them: their marks exclude each other, and none moves when another goes. */
	add_rule(d, &sc, &(struct rule_row){ PREF_TABLES, t->obj.number, ABI_MARK_TABLE_MASK, table });
}

static void router_rules(struct desired *d, uint32_t vpc)
{
	const struct scope sc = { d->router_ns[vpc], KIND_VPC, d->m->vpcs[vpc].obj.name };
	uint32_t local = ABI_LOCAL_TABLE_BASE + d->m->vpcs[vpc].obj.number;

	add_blackhole(d, &sc, local);
	add_rule(d, &sc, &(struct rule_row){ PREF_LOCAL, ABI_MARK_JUDGED, ABI_MARK_JUDGED, local });
	add_rule(d, &sc, &(struct rule_row){ .pref = PREF_END });
}

/* Here, too, only what a filter has judged goes on. */
static void internet_rules(struct desired *d)
{
	const struct scope sc = { d->internet_ns, KIND_LAB, d->m->name };

	add_blackhole(d, &sc, ROUTE_TABLE_MAIN);
	add_rule(d, &sc, &(struct rule_row){ PREF_LOCAL, ABI_MARK_JUDGED, ABI_MARK_JUDGED, ROUTE_TABLE_MAIN });
	add_rule(d, &sc, &(struct rule_row){ .pref = PREF_END });
}

/* The router's way to an interface, and the interface's way out. */
static void eni_routes(struct desired *d, uint32_t i)
{
	const struct model *m = d->m;
	const struct eni *eni = &m->enis[i];
	const struct eni_place *p = &d->enis[i];
	const struct scope in_router = { p->router_ns, p->owner_kind, p->owner };
	const struct scope inside = { p->inside_ns, p->owner_kind, p->owner };
	struct addr router = subnet_router(&m->subnets[eni->subnet]);
	struct prefix all = everything();
	struct route_row *row;

	/* A link that is down has neither routes nor neighbours. */
	for (uint32_t k = 0; !p->out && k < eni->n_addrs; k++) {
		struct prefix dst = prefix_of(&eni->addrs[k].addr, 32);

		row = add_route(d, &in_router, ABI_LOCAL_TABLE_BASE + m->vpcs[m->subnets[eni->subnet].vpc].obj.number,
				&dst);
		strcpy(row->ifname, p->ifname);
		row->prefsrc = router;
		add_neigh(d, &in_router, p->ifname, &eni->addrs[k].addr, p->port);
	}
	row = add_route(d, &inside, ROUTE_TABLE_MAIN, &all);
	strcpy(row->ifname, p->inside_ifname);
	row->via = router;
	row->metric = eni->device_index ? SECOND_METRIC + eni->device_index : 0;
	if (eni->owner == ENI_OF_INSTANCE && m->instances[eni->owner_index].n_enis > 1)
		source_routes(d, i, &inside);
}

/* In an instance with several interfaces answers leave where requests came in: what is sent from an
 * interface's address goes by that interface's own table. Without it Linux sends all by eth0, and the source
 * check of eth0 drops it. */
static void source_routes(struct desired *d, uint32_t i, const struct scope *inside)
{
	const struct eni *eni = &d->m->enis[i];
	const struct subnet *s = &d->m->subnets[eni->subnet];
	uint32_t table = SOURCE_TABLE_BASE + eni->device_index;
	struct prefix all = everything();
	struct route_row *row = add_route(d, inside, table, &all);

	strcpy(row->ifname, d->enis[i].inside_ifname);
	row->via = subnet_router(s);
	row = add_route(d, inside, table, &s->cidr);
	strcpy(row->ifname, d->enis[i].inside_ifname);
	for (uint32_t k = 0; k < eni->n_addrs; k++)
		add_rule(d, inside,
			 &(struct rule_row){
				 .pref = PREF_SOURCE + eni->device_index, .table = table, .from = eni->addrs[k].addr });
}

static void igw_routes(struct desired *d, const struct igw *igw)
{
	const struct model *m = d->m;
	const struct scope in_router = { d->router_ns[igw->vpc], KIND_IGW, igw->obj.name };
	const struct addr gateway = addr_from_v4(GATEWAY_ADDR);
	char ifname[IFNAME_MAX], far_ifname[IFNAME_MAX];

	igw_ifname(igw, igw->port, ifname);
	igw_ifname(igw, igw->inet_port, far_ifname);
	add_neigh(d, &in_router, ifname, &gateway, igw->inet_port);
	add_neigh(d, &(struct scope){ d->internet_ns, KIND_IGW, igw->obj.name }, far_ifname, &gateway, 0);
	for (uint32_t i = 0; i < m->n_enis; i++) {
		const struct eni *eni = &m->enis[i];
		const struct scope sc = { d->internet_ns, d->enis[i].owner_kind, d->enis[i].owner };

		if (!d->enis[i].attached || model_eni_vpc(m, i) != igw->vpc)
			continue;
		for (uint32_t k = 0; k < eni->n_addrs; k++) {
			struct prefix dst;
			struct route_row *row;

			if (addr_is_zero(&eni->addrs[k].public_ip))
				continue;
			dst = prefix_of(&eni->addrs[k].public_ip, 32);
			row = add_route(d, &sc, ROUTE_TABLE_MAIN, &dst);
			strcpy(row->ifname, far_ifname);
			row->via = gateway;
		}
	}
}

/* The router beyond: its end has the MAC of its port, this one's (the row's own end) the router's. */
static void peering_ends(struct desired *d, const struct peering *p)
{
	const struct addr beyond = addr_from_v4(GATEWAY_ADDR);
	char ifname[IFNAME_MAX];

	for (int i = 0; i < 2; i++) {
		const struct scope sc = { d->router_ns[p->vpcs[i]], KIND_PEERING, p->obj.name };

		pcx_ifname(p, i, ifname);
		add_neigh(d, &sc, ifname, &beyond, i == 0 ? p->ports[1] : 0);
		peer_routes(d, p, i);
	}
}

/* The way back to who sent over a peering connection what is too large for a NAT gateway here: the router says so
 * with the address it has in the gateway's subnet. No packet goes by these routes: those of the peer's ranges that a
 * filter lets pass have left by a route table before. */
static void peer_routes(struct desired *d, const struct peering *p, int end)
{
	const struct model *m = d->m;
	const struct vpc *here = &m->vpcs[p->vpcs[end]], *there = &m->vpcs[p->vpcs[!end]];
	const struct scope sc = { d->router_ns[p->vpcs[end]], KIND_PEERING, p->obj.name };
	uint32_t nat = 0;

	while (nat < m->n_nat_gateways && model_eni_vpc(m, m->nat_gateways[nat].eni) != p->vpcs[end])
		nat++;
	for (uint32_t i = 0; i < there->n_cidrs && nat < m->n_nat_gateways; i++) {
		const uint32_t subnet = m->enis[m->nat_gateways[nat].eni].subnet;
		struct route_row *row;

		row = add_route(d, &sc, ABI_LOCAL_TABLE_BASE + here->obj.number, &there->cidrs[i]);
		row->metric = p->obj.number;
		row->via = addr_from_v4(GATEWAY_ADDR);
		row->prefsrc = subnet_router(&m->subnets[subnet]);
		pcx_ifname(p, end, row->ifname);
	}
}

/* A host is on no subnet: its gateway is on-link, with a fixed neighbour. */
static void host_routes(struct desired *d, const struct host *h)
{
	char ns[NS_NAME_MAX], ifname[IFNAME_MAX];
	const struct scope inside = { ns_name_of(d->m, h->obj.name, ns), KIND_HOST, h->obj.name };
	const struct scope outside = { d->internet_ns, KIND_HOST, h->obj.name };
	const struct addr gateway = addr_from_v4(GATEWAY_ADDR);
	struct prefix dst = prefix_of(&h->addr, 32), all = everything();
	struct route_row *row;

	host_ifname(h, ifname);
	row = add_route(d, &outside, ROUTE_TABLE_MAIN, &dst);
	strcpy(row->ifname, ifname);
	add_neigh(d, &outside, ifname, &h->addr, h->port);
	row = add_route(d, &inside, ROUTE_TABLE_MAIN, &all);
	strcpy(row->ifname, "eth0");
	row->via = gateway;
	add_neigh(d, &inside, "eth0", &gateway, 0);
}

/* What its ruleset has marked came from the lab and leaves by a table of its own (kern/uplink.h); all else goes
 * back into the lab. */
static void uplink_routes(struct desired *d)
{
	const struct scope inside = { d->uplink_ns, KIND_INTERNET, "uplink" };
	const struct scope outside = { d->internet_ns, KIND_INTERNET, "uplink" };
	const struct addr gateway = addr_from_v4(GATEWAY_ADDR);
	struct prefix all = everything();
	struct route_row *row = add_route(d, &outside, ROUTE_TABLE_MAIN, &all);

	strcpy(row->ifname, UPLINK_END);
	row->via = gateway;
	add_neigh(d, &outside, UPLINK_END, &gateway, d->m->uplink.port);
	row = add_route(d, &inside, ROUTE_TABLE_MAIN, &all);
	strcpy(row->ifname, "eth0");
	row->via = gateway;
	add_neigh(d, &inside, "eth0", &gateway, 0);
	add_rule(d, &inside, &(struct rule_row){ PREF_TABLES, UPLINK_MARK, UPLINK_MARK, UPLINK_TABLE });
}

static void add_blackhole(struct desired *d, const struct scope *sc, uint32_t table)
{
	struct prefix all = everything();
	struct route_row *row = add_route(d, sc, table, &all);

	row->type = ROUTE_TYPE_BLACKHOLE;
	row->metric = ROUTE_METRIC_LAST;
}

static struct route_row *add_route(struct desired *d, const struct scope *sc, uint32_t table, const struct prefix *dst)
{
	struct route_row *row = &state_add(d->s, ROW_ROUTE, sc->ns, sc->kind, sc->owner)->route;

	row->table = table;
	row->dst = *dst;
	return row;
}

static void add_neigh(struct desired *d, const struct scope *sc, const char *ifname, const struct addr *addr,
		      uint32_t port)
{
	struct neigh_row *row = &state_add(d->s, ROW_NEIGH, sc->ns, sc->kind, sc->owner)->neigh;

	strcpy(row->ifname, ifname);
	row->addr = *addr;
	port_mac(port, row->mac);
}

static void add_rule(struct desired *d, const struct scope *sc, const struct rule_row *rule)
{
	state_add(d->s, ROW_RULE, sc->ns, sc->kind, sc->owner)->rule = *rule;
}

static struct prefix everything(void)
{
	struct addr zero = addr_from_v4(0);

	return prefix_of(&zero, 0);
}
