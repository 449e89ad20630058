/* probe_arp.c: addresses that nobody has. Who is to deliver to one asks for it by ARP in vain: the sender, the destination
 * for its answer, a NAT gateway or an appliance in the subnet of the address. */
#include "daemon/verdict.h"
#include "daemon/probe_parts.h"
#include "filters/packet.h"
#include "kern/kern.h"
#include "plan/desired.h"
#include "util/mem.h"

/* Who had the request last, a NAT gateway or an appliance. */
static bool may_forward(const struct probe *p, uint32_t port)
{
	const struct lab *l = p->batch->all->lab;
	const struct port at = port_get(l->ports, port);

	return p->forward_seen && at.owner == PORT_OF_ENI && probe_port_fits(p, port) &&
	       (port == p->nat_port ||
		(l->model->enis[at.index].owner == ENI_OF_INSTANCE && !l->model->enis[at.index].source_dest_check));
}

/* An end, or who forwards for it, asks for the other one's MAC address, and nobody has the address. */
int probe_leg_of_arp(const struct probe *p, const struct abi_event *ev)
{
	if (ev->allow || ev->reason != ABI_REASON_ARP_UNKNOWN)
		return LEG_NONE;
	if (((p->flow.src.kind == END_ENI && ev->port == p->flow.src.port) ||
	     (p->flow.dst.kind == END_ADDRESS && may_forward(p, ev->port))) &&
	    addr_is(&ev->dst, &p->wire.dst))
		return LEG_FORWARD;
	return p->flow.dst.kind == END_ENI && ev->port == p->flow.dst.port && addr_is(&ev->dst, &p->wire.src)
		       ? LEG_RETURN
		       : LEG_NONE;
}

static bool asks_for(const struct model *m, uint32_t eni, const struct addr *wanted)
{
	return prefix_contains(&m->subnets[m->enis[eni].subnet].cidr, wanted);
}

static bool forwards_to(const struct probe *p, uint32_t eni)
{
	const struct model *m = p->batch->all->lab->model;
	const struct eni *e = &m->enis[eni];

	return p->flow.dst.kind == END_ADDRESS && e->owner_index != NONE &&
	       (e->owner == ENI_OF_NAT_GATEWAY || !e->source_dest_check) && asks_for(m, eni, &p->wire.dst);
}

/* It asks as the address that it sends as, which is one of sides, or as its first one. */
static void watch_asker(struct probe *p, uint32_t eni, const struct side *sides, unsigned n, const struct addr *wanted)
{
	const struct model *m = p->batch->all->lab->model;

	if (!asks_for(m, eni, wanted))
		return;
	probe_watch_arp(p, &m->enis[eni].addrs[0].addr, wanted);
	for (unsigned i = 0; i < n; i++)
		probe_watch_arp(p, &sides[i].addr, wanted);
}

void probe_watch_askers(struct probe *p)
{
	const struct model *m = p->batch->all->lab->model;

	if (p->flow.src.kind == END_ENI)
		watch_asker(p, p->flow.src.index, p->a, p->n_a, &p->wire.dst);
	if (p->flow.dst.kind == END_ENI)
		watch_asker(p, p->flow.dst.index, p->b, p->n_b, &p->wire.src);
	for (uint32_t i = 0; i < m->n_enis; i++)
		if (forwards_to(p, i))
			probe_watch_arp(p, &m->enis[i].addrs[0].addr, &p->wire.dst);
}

void probe_forget_silent(struct probe *p)
{
	const struct model *m = p->batch->all->lab->model;
	char name[128];

	for (uint32_t i = 0; i < m->n_enis; i++) {
		const struct eni *e = &m->enis[i];
		const char *owner;
		_cleanup_close_ int ns = -1;

		if (!forwards_to(p, i))
			continue;
		owner = e->owner == ENI_OF_NAT_GATEWAY ? m->nat_gateways[e->owner_index].obj.name
						       : m->instances[e->owner_index].obj.name;
		ns = netns_open(ns_name_of(m, owner, name));
		if (ns >= 0)
			neighbour_forget(ns, &p->wire);
	}
}
