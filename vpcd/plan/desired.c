/* desired.c: from a model to all that the kernel shall hold. Pure: no syscalls.
 *
 *   LAB.web-1 (eth0) ---- (web-1) LAB.shop.router (igw_main) ---- (igw_main) LAB.internet (laptop) ---- (eth0) LAB.laptop
 *
 * Names of interfaces in a router or on the internet are those of the object at the far end when they
 * fit; `p_PORT` otherwise (no object's name holds an underscore). The rows come from the desired_*.c
 * beside this file; who has which name and number is worked out here, once. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "plan/desired_ctx.h"
#include "util/mem.h"

static void maps_made(const struct model *m, struct map_rows *ret, struct diag_list *diags);
static void place_all(struct desired *d);
static void place_eni(struct desired *d, uint32_t i);
static void port_ifname(const char *wanted, uint32_t port, char ifname[IFNAME_MAX]);
static unsigned route_rank(const struct route *r);

int state_desired(const struct model *m, struct state **ret, struct err *e)
{
	_cleanup_state_ struct state *s = state_new();
	struct desired d = { .m = m, .s = s };
	int r;

	r = maps_desired(m, &s->maps, e);
	if (r < 0)
		return r;
	place_all(&d);
	desired_links(&d);
	desired_routes(&d);
	state_sort(s);
	*ret = TAKE_PTR(s);
	return 0;
}

int state_desired_policies(const struct model *m, struct state *known, struct state **ret, struct err *e)
{
	_cleanup_state_ struct state *s = state_new();
	int r = maps_desired(m, &s->maps, e);

	if (r < 0)
		return r;
	state_borrow(s, known);
	*ret = TAKE_PTR(s);
	return 0;
}

bool kind_is_policy(enum obj_kind kind)
{
	return kind == KIND_SECURITY_GROUP || kind == KIND_NACL;
}

int maps_desired(const struct model *m, struct map_rows *ret, struct err *e)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_free_ char *text = NULL;
	struct map_rows rows;

	maps_made(m, &rows, &diags);
	if (!diags.errors) {
		*ret = rows;
		return 0;
	}
	map_rows_done(&rows);
	diag_sort(&diags);
	text = diag_format(&diags.v[0]);
	if (diags.n > 1)
		return err_set_aws(e, -E2BIG, diags.v[0].code, "%s (and %zu more: vpc validate)", text, diags.n - 1);
	return err_set_aws(e, -E2BIG, diags.v[0].code, "%s", text);
}

void maps_desired_check(const struct model *m, struct diag_list *diags)
{
	struct map_rows rows;

	maps_made(m, &rows, diags);
	map_rows_done(&rows);
	diag_sort(diags);
}

/* Numbers that the maps cannot hold make no maps. */
static void maps_made(const struct model *m, struct map_rows *ret, struct diag_list *diags)
{
	struct fit fit = { .diags = diags };
	size_t errors = diags->errors;

	map_rows_init(ret);
	desired_limits_numbers(m, &fit);
	if (diags->errors != errors)
		return;
	desired_maps(m, ret);
	desired_policies(m, ret, &fit);
	map_rows_sort(ret);
	desired_limits_rows(m, ret, &fit);
}

char *ns_name_of(const struct model *m, const char *object, char *buf)
{
	snprintf(buf, NS_NAME_MAX, "%s.%s", m->name, object);
	return buf;
}

char *ns_name_router(const struct model *m, uint32_t vpc, char *buf)
{
	snprintf(buf, NS_NAME_MAX, "%s.%s.router", m->name, m->vpcs[vpc].obj.name);
	return buf;
}

char *ns_name_internet(const struct model *m, char *buf)
{
	return ns_name_of(m, "internet", buf);
}

void port_mac(uint32_t port, uint8_t mac[6])
{
	mac[0] = ABI_MAC0;
	mac[1] = ABI_MAC1;
	mac[2] = (uint8_t)(port >> 24);
	mac[3] = (uint8_t)(port >> 16);
	mac[4] = (uint8_t)(port >> 8);
	mac[5] = (uint8_t)port;
}

bool eni_attached(const struct eni *eni)
{
	return eni->owner_index != NONE;
}

uint16_t eni_mtu(const struct eni *eni)
{
	return eni->owner == ENI_OF_NAT_GATEWAY ? LINK_MTU_NAT : LINK_MTU_ENI;
}

/* semantics 1.2: the subnet's base address plus one. */
struct addr subnet_router(const struct subnet *s)
{
	return addr_add(&s->cidr.addr, 1);
}

bool route_shadowed(const struct route_table *t, uint32_t i)
{
	const struct route *r = &t->routes[i];

	/* Ordered by prefix: equal ones stand side by side. */
	for (uint32_t k = i; k-- > 0 && prefix_cmp(&t->routes[k].dst, &r->dst) == 0;)
		if (route_rank(&t->routes[k]) <= route_rank(r))
			return true;
	for (uint32_t k = i + 1; k < t->n_routes && prefix_cmp(&t->routes[k].dst, &r->dst) == 0; k++)
		if (route_rank(&t->routes[k]) < route_rank(r))
			return true;
	return false;
}

bool route_is_dead(const struct model *m, const struct route *r)
{
	const struct eni *eni = route_eni(m, r);

	if (r->blackhole)
		return true;
	if (r->target == TARGET_IGW)
		return r->target_index == NONE;
	if (r->target == TARGET_PCX)
		return r->target_index == NONE;
	return r->target != TARGET_LOCAL && (!eni || !eni_attached(eni));
}

const struct eni *route_eni(const struct model *m, const struct route *r)
{
	if (r->target_index == NONE)
		return NULL;
	switch (r->target) {
	case TARGET_NAT: return &m->enis[m->nat_gateways[r->target_index].eni];
	case TARGET_ENI:
	case TARGET_INSTANCE: return &m->enis[r->target_index];
	case TARGET_LOCAL:
	case TARGET_IGW:
	case TARGET_PCX:
	case TARGET_KIND_MAX: break;
	}
	return NULL;
}

/* Slot 0 means "no policy"; numbers start at 1. */
uint32_t policy_slot_groups(uint32_t policy)
{
	return 2 * policy;
}

uint32_t policy_slot_nacl(uint32_t nacl)
{
	return 4 * nacl + 1;
}

uint32_t policy_slot_fragments(uint32_t nacl)
{
	return 4 * nacl + 3;
}

void igw_ifname(const struct igw *igw, uint32_t port, char ifname[IFNAME_MAX])
{
	char wanted[64];

	snprintf(wanted, sizeof(wanted), "igw_%s", igw->obj.name);
	port_ifname(wanted, port, ifname);
}

void pcx_ifname(const struct peering *p, int end, char ifname[IFNAME_MAX])
{
	char wanted[64];

	snprintf(wanted, sizeof(wanted), "pcx_%s", p->obj.name);
	port_ifname(wanted, p->ports[end], ifname);
}

uint16_t pcx_mtu(const struct peering *p)
{
	return p->cross_region ? LINK_MTU_REGIONS : LINK_MTU_ENI;
}

void host_ifname(const struct host *h, char ifname[IFNAME_MAX])
{
	port_ifname(h->obj.name, h->port, ifname);
}

static void place_all(struct desired *d)
{
	const struct model *m = d->m;
	char buf[NS_NAME_MAX];

	d->router_ns = arena_alloc(d->s->arena, m->n_vpcs * sizeof(*d->router_ns));
	for (uint32_t i = 0; i < m->n_vpcs; i++)
		d->router_ns[i] = state_name(d->s, ns_name_router(m, i, buf));
	if (m->uplink.on)
		d->uplink_ns = state_name(d->s, ns_name_of(m, "internet.uplink", buf));
	if (m->n_igws || m->n_hosts || m->uplink.on)
		d->internet_ns = state_name(d->s, ns_name_internet(m, buf));
	d->enis = arena_alloc(d->s->arena, m->n_enis * sizeof(*d->enis));
	for (uint32_t i = 0; i < m->n_enis; i++)
		place_eni(d, i);
}

static void place_eni(struct desired *d, uint32_t i)
{
	const struct model *m = d->m;
	const struct eni *eni = &m->enis[i];
	struct eni_place *p = &d->enis[i];
	char buf[NS_NAME_MAX];

	p->attached = eni_attached(eni);
	p->out = model_subnet_is_out(m, eni->subnet);
	p->router_ns = d->router_ns[model_eni_vpc(m, i)];
	p->port = eni->obj.number;
	p->mtu = eni_mtu(eni);
	p->owner_kind = KIND_INTERFACE;
	p->owner = eni->obj.name;
	if (!p->attached)
		return;
	if (eni->owner == ENI_OF_NAT_GATEWAY) {
		p->owner_kind = KIND_NAT_GATEWAY;
		p->owner = m->nat_gateways[eni->owner_index].obj.name;
		p->inside_ns = state_name(d->s, ns_name_of(m, p->owner, buf));
	} else {
		const struct instance *in = &m->instances[eni->owner_index];

		p->inside_ns = state_name(d->s, ns_name_of(m, in->obj.name, buf));
		if (in->n_enis && in->enis[0] == i) {
			p->owner_kind = KIND_INSTANCE;
			p->owner = in->obj.name;
		}
	}
	port_ifname(eni->obj.name, p->port, p->ifname);
	snprintf(p->inside_ifname, sizeof(p->inside_ifname), "eth%u", eni->device_index);
}

static void port_ifname(const char *wanted, uint32_t port, char ifname[IFNAME_MAX])
{
	/* "lo" is taken in every namespace. */
	if (strlen(wanted) < IFNAME_MAX && strcmp(wanted, "lo") != 0)
		snprintf(ifname, IFNAME_MAX, "%s", wanted);
	else
		snprintf(ifname, IFNAME_MAX, "p_%u", port);
}

/* The route that wins among those of one prefix. */
static unsigned route_rank(const struct route *r)
{
	if (r->target == TARGET_LOCAL)
		return 0;
	return r->prefix_list == NONE ? 1 : 2;
}
