/* desired_links.c: namespaces, links, sysctls, addresses, filters, and a NAT gateway's ruleset. Pure.
 *
 * A new namespace takes over net/ipv4/conf/{all,default} from the machine's own, so what matters
 * there is set, not assumed. Devices then inherit from "default" of their namespace, which is set
 * before any of them is made: no row per device is needed. */
#include <stdio.h>
#include <string.h>
#include "model/uplink.h"
#include "plan/desired_ctx.h"
#include "util/mem.h"

struct setting {
	const char *path, *value;
};
/* Of namespaces where nothing of the user's runs. Instances and hosts have no rows: what is set there is their
 * root's business, and a link without an address of its own making says nothing by IPv6 either.
 * Setting "all" sets "default" too (kernel: addrconf_disable_ipv6). */
static const struct setting forwarder[] = {
	{ "net/ipv6/conf/all/disable_ipv6", "1" },
	{ "net/ipv4/ip_forward", "1" },
	{ "net/ipv4/conf/all/rp_filter", "0" }, /* the larger of all and the device counts */
	{ "net/ipv4/conf/default/rp_filter", "0" },
	{ "net/ipv4/conf/all/send_redirects", "0" }, /* either of them suffices to send */
	{ "net/ipv4/conf/default/send_redirects", "0" },
	{ "net/ipv4/conf/all/accept_redirects", "0" },
};
/* An ICMP error of the router must find its way back through the tables by mark; when a NAT gateway hands
 * one on to whom it is for, the router meets its own address as the source (datapath = kernel). */
static const struct setting router[] = {
	{ "net/ipv4/fwmark_reflect", "1" },
	{ "net/ipv4/conf/all/accept_local", "1" },
};
/* A segment of a connection that is no longer known is invalid, not a new connection: semantics 4.1, RST. */
static const struct setting translator[] = {
	{ "net/netfilter/nf_conntrack_tcp_loose", "0" },
};

/* One end of a link, and whose it is. */
struct end {
	const char *ns;
	char ifname[IFNAME_MAX];
	uint32_t port;
	enum obj_kind kind;
	const char *owner;
};

#define HOST_LEN 32
#define NAT_IDLE_S 350 /* semantics 4.1 */
#define NAT_ICMP_S 30

static void add_router(struct desired *d, uint32_t vpc);
static void add_internet(struct desired *d);
static void add_instance(struct desired *d, const struct instance *in);
static void add_nat_gateway(struct desired *d, const struct nat_gateway *nat);
static void add_host(struct desired *d, const struct host *h);
static void add_uplink(struct desired *d);
static void add_igw(struct desired *d, const struct igw *igw);
static void add_peering(struct desired *d, const struct peering *p);
static void add_eni(struct desired *d, uint32_t i);
static void add_ns(struct desired *d, const char *ns, bool user_owned, enum obj_kind kind, const char *owner);
static struct link_row *add_link(struct desired *d, const struct end *end);
static void add_filter(struct desired *d, const struct end *end, enum tc_hook hook);
static void add_addr(struct desired *d, const struct end *end, const struct addr *addr, uint8_t len);
static const char *alias_word(enum obj_kind kind);

static void add_settings(struct desired *d, const char *ns, enum obj_kind kind, const char *owner,
			 const struct setting *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct sysctl_row *r = &state_add(d->s, ROW_SYSCTL, ns, kind, owner)->sysctl;

		r->path = v[i].path;
		r->value = v[i].value;
	}
}
#define ADD_SETTINGS(d, ns, kind, owner, list) add_settings(d, ns, kind, owner, list, ARRAY_SIZE(list))

void desired_links(struct desired *d)
{
	const struct model *m = d->m;

	for (uint32_t i = 0; i < m->n_vpcs; i++)
		add_router(d, i);
	if (d->internet_ns)
		add_internet(d);
	for (uint32_t i = 0; i < m->n_instances; i++)
		add_instance(d, &m->instances[i]);
	for (uint32_t i = 0; i < m->n_nat_gateways; i++)
		add_nat_gateway(d, &m->nat_gateways[i]);
	for (uint32_t i = 0; i < m->n_hosts; i++)
		add_host(d, &m->hosts[i]);
	if (d->uplink_ns)
		add_uplink(d);
	for (uint32_t i = 0; i < m->n_igws; i++)
		add_igw(d, &m->igws[i]);
	for (uint32_t i = 0; i < m->n_peerings; i++)
		add_peering(d, &m->peerings[i]);
	for (uint32_t i = 0; i < m->n_enis; i++)
		if (d->enis[i].attached)
			add_eni(d, i);
}

static void add_router(struct desired *d, uint32_t vpc)
{
	const struct model *m = d->m;
	const char *ns = d->router_ns[vpc], *name = m->vpcs[vpc].obj.name;

	add_ns(d, ns, false, KIND_VPC, name);
	ADD_SETTINGS(d, ns, KIND_VPC, name, forwarder);
	ADD_SETTINGS(d, ns, KIND_VPC, name, router);
	/* The subnets' routers: what ICMP errors come from. */
	for (uint32_t i = 0; i < m->n_subnets; i++) {
		struct end lo = { .ns = ns, .ifname = "lo", .kind = KIND_SUBNET, .owner = m->subnets[i].obj.name };
		struct addr addr = subnet_router(&m->subnets[i]);

		if (m->subnets[i].vpc == vpc)
			add_addr(d, &lo, &addr, HOST_LEN);
	}
}

static void add_internet(struct desired *d)
{
	add_ns(d, d->internet_ns, false, KIND_LAB, d->m->name);
	ADD_SETTINGS(d, d->internet_ns, KIND_LAB, d->m->name, forwarder);
	ADD_SETTINGS(d, d->internet_ns, KIND_LAB, d->m->name, router);
}

static void add_instance(struct desired *d, const struct instance *in)
{
	char ns[NS_NAME_MAX];

	ns_name_of(d->m, in->obj.name, ns);
	add_ns(d, ns, true, KIND_INSTANCE, in->obj.name);
	for (uint32_t i = 0; i < in->n_enis; i++)
		if (!d->m->enis[in->enis[i]].source_dest_check) { /* an appliance: it forwards what is not its own */
			ADD_SETTINGS(d, ns, KIND_INSTANCE, in->obj.name, forwarder);
			return;
		}
}

/* Nothing of the user's runs in it, so it is the machine's own. */
static void add_nat_gateway(struct desired *d, const struct nat_gateway *nat)
{
	const struct model *m = d->m;
	const struct eni *eni = &m->enis[nat->eni];
	const struct vpc *vpc = &m->vpcs[model_eni_vpc(m, nat->eni)];
	uint32_t clock = m->clock ? m->clock : 1;
	struct nft_row *nft;
	char ns[NS_NAME_MAX];

	ns_name_of(m, nat->obj.name, ns);
	add_ns(d, ns, false, KIND_NAT_GATEWAY, nat->obj.name);
	ADD_SETTINGS(d, ns, KIND_NAT_GATEWAY, nat->obj.name, forwarder);
	ADD_SETTINGS(d, ns, KIND_NAT_GATEWAY, nat->obj.name, translator);
	nft = &state_add(d->s, ROW_NFT, ns, KIND_NAT_GATEWAY, nat->obj.name)->nft;
	nft->inside = arena_alloc(d->s->arena, vpc->n_cidrs * sizeof(*nft->inside));
	for (uint32_t i = 0; i < vpc->n_cidrs; i++) {
		uint32_t k = nft->n_inside++;

		/* Ascending, as a reader of a set finds them. */
		for (; k > 0 && prefix_cmp(&nft->inside[k - 1], &vpc->cidrs[i]) > 0; k--)
			nft->inside[k] = nft->inside[k - 1];
		nft->inside[k] = vpc->cidrs[i];
	}
	nft->addrs = arena_alloc(d->s->arena, eni->n_addrs * sizeof(*nft->addrs));
	for (uint32_t i = 0; i < eni->n_addrs; i++)
		nft->addrs[nft->n_addrs++] = eni->addrs[i].addr;
	nft->idle_s = NAT_IDLE_S / clock ? NAT_IDLE_S / clock : 1;
	nft->udp_s = nft->idle_s;
	nft->icmp_s = NAT_ICMP_S / clock ? NAT_ICMP_S / clock : 1;
}

static void add_host(struct desired *d, const struct host *h)
{
	struct end end = { .ns = d->internet_ns, .port = h->port, .kind = KIND_HOST, .owner = h->obj.name };
	struct link_row *l;
	char ns[NS_NAME_MAX];

	ns_name_of(d->m, h->obj.name, ns);
	add_ns(d, ns, true, KIND_HOST, h->obj.name);
	host_ifname(h, end.ifname);
	l = add_link(d, &end);
	l->peer_ns = state_name(d->s, ns);
	strcpy(l->peer_ifname, "eth0");
	port_mac(h->port, l->peer_mac);
	l->mtu = LINK_MTU_INTERNET;
	add_filter(d, &end, HOOK_LINK_INGRESS);
	end.ns = ns;
	strcpy(end.ifname, "eth0");
	add_addr(d, &end, &h->addr, HOST_LEN);
}

/* To the lab's internet it is a host that has every address nobody else has; the machine's side hangs on it. */
static void add_uplink(struct desired *d)
{
	const struct model *m = d->m;
	struct end end = { .ns = d->internet_ns, .port = m->uplink.port, .kind = KIND_INTERNET, .owner = "uplink" };
	struct uplink_row *u;
	struct link_row *l;

	add_ns(d, d->uplink_ns, false, end.kind, end.owner);
	ADD_SETTINGS(d, d->uplink_ns, end.kind, end.owner, forwarder);
	strcpy(end.ifname, UPLINK_END);
	l = add_link(d, &end);
	l->peer_ns = d->uplink_ns;
	strcpy(l->peer_ifname, "eth0");
	port_mac(m->uplink.port, l->peer_mac);
	l->mtu = LINK_MTU_INTERNET;
	add_filter(d, &end, HOOK_LINK_INGRESS);
	u = &state_add(d->s, ROW_UPLINK, d->uplink_ns, end.kind, end.owner)->uplink;
	uplink_ifname(m->name, u->ifname);
	u->addr = m->uplink.addr;
}

static void add_igw(struct desired *d, const struct igw *igw)
{
	struct end end = { .port = igw->port, .kind = KIND_IGW, .owner = igw->obj.name };
	struct end far = { .ns = d->internet_ns, .port = igw->inet_port, .kind = KIND_IGW, .owner = igw->obj.name };
	struct link_row *l;

	if (igw->vpc == NONE)
		return;
	end.ns = d->router_ns[igw->vpc];
	igw_ifname(igw, igw->port, end.ifname);
	igw_ifname(igw, igw->inet_port, far.ifname);
	l = add_link(d, &end);
	l->peer_ns = far.ns;
	strcpy(l->peer_ifname, far.ifname);
	l->peer_ifindex = ABI_IFINDEX_BASE + far.port;
	port_mac(far.port, l->peer_mac);
	l->mtu = LINK_MTU_INTERNET;
	add_filter(d, &end, HOOK_LINK_INGRESS);
	add_filter(d, &end, HOOK_IGW_EGRESS);
	add_filter(d, &far, HOOK_LINK_INGRESS);
}

/* From router to router. What arrives has been judged on its way out only: each end judges it again. */
static void add_peering(struct desired *d, const struct peering *p)
{
	struct end ends[2];
	struct link_row *l;

	for (int i = 0; i < 2; i++) {
		ends[i] = (struct end){
			.ns = d->router_ns[p->vpcs[i]], .port = p->ports[i], .kind = KIND_PEERING, .owner = p->obj.name
		};
		pcx_ifname(p, i, ends[i].ifname);
	}
	l = add_link(d, &ends[0]);
	l->peer_ns = ends[1].ns;
	strcpy(l->peer_ifname, ends[1].ifname);
	l->peer_ifindex = ABI_IFINDEX_BASE + ends[1].port;
	port_mac(ends[1].port, l->peer_mac);
	l->mtu = pcx_mtu(p);
	for (int i = 0; i < 2; i++) {
		add_filter(d, &ends[i], HOOK_LINK_INGRESS);
		add_filter(d, &ends[i], HOOK_ENI_EGRESS);
	}
}

static void add_eni(struct desired *d, uint32_t i)
{
	const struct eni *eni = &d->m->enis[i];
	const struct eni_place *p = &d->enis[i];
	struct end end = { .ns = p->router_ns, .port = p->port, .kind = p->owner_kind, .owner = p->owner };
	struct link_row *l;

	strcpy(end.ifname, p->ifname);
	l = add_link(d, &end);
	l->peer_ns = p->inside_ns;
	strcpy(l->peer_ifname, p->inside_ifname);
	port_mac(p->port, l->peer_mac);
	l->mtu = p->mtu;
	l->down = p->out;
	add_filter(d, &end, HOOK_ENI_INGRESS);
	add_filter(d, &end, HOOK_ENI_EGRESS);
	end.ns = p->inside_ns;
	strcpy(end.ifname, p->inside_ifname);
	/* Only the primary address makes the subnet on-link; the others come and go on their own. */
	for (uint32_t k = 0; k < eni->n_addrs; k++)
		add_addr(d, &end, &eni->addrs[k].addr, k ? HOST_LEN : d->m->subnets[eni->subnet].cidr.len);
}

static void add_ns(struct desired *d, const char *ns, bool user_owned, enum obj_kind kind, const char *owner)
{
	state_add(d->s, ROW_NS, ns, kind, owner)->ns_row.user_owned = user_owned;
}

/* The row stays where it is until the next one is added. */
static struct link_row *add_link(struct desired *d, const struct end *end)
{
	struct link_row *l = &state_add(d->s, ROW_LINK, end->ns, end->kind, end->owner)->link;

	strcpy(l->ifname, end->ifname);
	l->ifindex = ABI_IFINDEX_BASE + end->port;
	port_mac(0, l->mac);
	snprintf(l->alias, sizeof(l->alias), "vpcd %s %s %s", d->m->name, alias_word(end->kind), end->owner);
	return l;
}

static void add_filter(struct desired *d, const struct end *end, enum tc_hook hook)
{
	struct filter_row *f = &state_add(d->s, ROW_FILTER, end->ns, end->kind, end->owner)->filter;

	strcpy(f->ifname, end->ifname);
	f->ifindex = ABI_IFINDEX_BASE + end->port;
	f->hook = hook;
}

static void add_addr(struct desired *d, const struct end *end, const struct addr *addr, uint8_t len)
{
	struct addr_row *a = &state_add(d->s, ROW_ADDR, end->ns, end->kind, end->owner)->addr;

	strcpy(a->ifname, end->ifname);
	a->addr = *addr;
	a->prefix_len = len;
}

/* Short, so that lab and name fit an alias whatever their length. */
static const char *alias_word(enum obj_kind kind)
{
	switch (kind) {
	case KIND_NAT_GATEWAY: return "nat";
	case KIND_IGW: return "igw";
	case KIND_PEERING: return "pcx";
	case KIND_HOST: return "host";
	case KIND_INTERNET: return "net";
	default: return "eni";
	}
}
