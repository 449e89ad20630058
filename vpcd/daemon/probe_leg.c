/* probe_leg.c: whether an event is about a probe: its request or its answer, under the addresses that gateways gave them. */
#include <netinet/in.h>
#include <string.h>
#include "daemon/verdict.h"
#include "daemon/probe_parts.h"
#include "filters/packet.h"
#include "kern/kern.h"
#include "plan/desired.h"

/* Equal addresses in another VPC of the lab are another's packets, unless the sender's is peered with it: then its
 * route tables may have led there, and the sender's address is its own there too. */
bool probe_port_fits(const struct probe *p, uint32_t port)
{
	uint32_t vpc = port_vpc(p->batch->all->lab->ports, port);

	return vpc == NONE || vpc == p->src_vpc || vpc == p->dst_vpc ||
	       (p->src_vpc != NONE && model_vpcs_joined(p->batch->all->lab->model, p->src_vpc, vpc));
}

/* Between two VPCs a private address is seen at home only: elsewhere it is another's. near, far: the event's
 * addresses of the source side and of the destination side. */
static bool is_at_home(const struct probe *p, uint32_t port, const struct abi_addr *near, const struct abi_addr *far)
{
	uint32_t vpc = port_vpc(p->batch->all->lab->ports, port);

	if (model_vpcs_joined(p->batch->all->lab->model, p->src_vpc, p->dst_vpc) || p->src_vpc == p->dst_vpc)
		return true;
	if ((vpc == NONE || vpc != p->dst_vpc) && !addr_is(far, &p->wire.dst) &&
	    (p->stray == NONE || !eni_owns(&p->batch->all->lab->model->enis[p->stray_at], far)))
		return false;
	return p->src_vpc == NONE || vpc == p->src_vpc || !addr_is(near, &p->wire.src) ||
	       model_vpcs_joined(p->batch->all->lab->model, p->src_vpc, vpc); /* as far as there it keeps its address */
}

uint8_t probe_answer_type(const struct wire *w)
{
	return icmp_type_reversed(IPPROTO_ICMP, w->icmp_type);
}

int probe_leg_of(const struct probe *p, const struct abi_event *ev)
{
	bool ports = ev->proto == IPPROTO_TCP || ev->proto == IPPROTO_UDP, icmp = ev->proto == IPPROTO_ICMP;
	unsigned sport = be16(ev->sport), dport = be16(ev->dport);

	if (!probe_port_fits(p, ev->port))
		return LEG_NONE;
	if (is_at_home(p, ev->port, &ev->src, &ev->dst) && side_is(p->a, p->n_a, &ev->src, sport, ports || icmp) &&
	    side_is(p->b, p->n_b, &ev->dst, dport, ports) &&
	    (!icmp || (ev->dport[0] == p->wire.icmp_type && ev->dport[1] == p->wire.icmp_code)))
		return LEG_FORWARD;
	if (is_at_home(p, ev->port, &ev->dst, &ev->src) && side_is(p->b, p->n_b, &ev->src, sport, ports) &&
	    side_is(p->a, p->n_a, &ev->dst, icmp ? sport : dport, ports || icmp) &&
	    (!icmp || (wire_is_answered(&p->wire) && ev->dport[0] == probe_answer_type(&p->wire))))
		return LEG_RETURN;
	return LEG_NONE;
}

/* Its packet went to a NAT gateway; what that sends on has another source, to another one, perhaps. */
void probe_learn_nat(struct probe *p, const struct abi_event *ev)
{
	const struct lab *l = p->batch->all->lab;
	const struct model *m = l->model;
	const struct port to = port_get(l->ports, ev->allow ? ev->peer : 0);

	if (p->nat_port && ev->port == p->nat_port &&
	    side_is(p->b, p->n_b, &ev->dst, be16(ev->dport), p->wire.dport != 0) &&
	    sides_of_nat(&m->enis[port_get(l->ports, p->nat_port).index], &ev->src, (uint16_t)be16(ev->sport), p->a,
			 &p->n_a))
		probe_watch(p);
	if (to.owner == PORT_OF_ENI && m->enis[to.index].owner == ENI_OF_NAT_GATEWAY &&
	    probe_leg_of(p, ev) == LEG_FORWARD)
		p->nat_port = ev->peer;
}

/* A connection that a NAT gateway knows goes on without a word, under the source that it got then. */
void probe_learn_older_nat(struct probe *p)
{
	const struct lab *l = p->batch->all->lab;
	const struct side to = { p->wire.dst, p->wire.dport };
	char ns[128];

	if (!p->may_nat || !p->port_given || !p->wire.sport || !l->kern)
		return;
	for (unsigned i = 0; i < p->n_a; i++) /* grows: one gateway may send to another one */
		for (uint32_t g = 0; g < l->model->n_nat_gateways; g++) {
			const struct nat_gateway *nat = &l->model->nat_gateways[g];
			const struct eni *eni = &l->model->enis[nat->eni];
			struct abi_flow_key k, sent_on;

			if (!probe_port_fits(p, eni->obj.number))
				continue;
			k = p->wire.proto == IPPROTO_ICMP
				    ? side_key_icmp(&p->a[i], &to, p->a[i].port, p->wire.icmp_type, p->wire.icmp_code)
				    : side_key(&p->a[i], &to, p->wire.proto);
			if (kern_nat_find(l->kern, ns_name_of(l->model, nat->obj.name, ns), &k, &sent_on) == 0 &&
			    sides_of_nat(eni, &sent_on.src, (uint16_t)be16(sent_on.sport), p->a, &p->n_a))
				p->nat_known = true;
		}
	if (p->nat_known)
		probe_watch(p);
}

/* An answer that a NAT gateway has given another source goes on under that. */
void probe_learn_stray(struct probe *p, const struct abi_event *ev)
{
	const struct eni *eni;

	if (p->stray == NONE)
		return;
	eni = &p->batch->all->lab->model->enis[p->stray_at];
	if (ev->port == eni->obj.number && side_is(p->a, p->n_a, &ev->dst, be16(ev->dport), true) &&
	    sides_of_nat(eni, &ev->src, (uint16_t)be16(ev->sport), p->b, &p->n_b))
		probe_watch(p);
}

bool probe_is_for_nat(const struct probe *p, const struct abi_event *ev, const struct eni *nat)
{
	const struct lab *l = p->batch->all->lab;

	if (port_get(l->ports, ev->port).owner == PORT_OF_IGW)
		return eni_owns(nat, &ev->dst);
	for (uint32_t i = 0; i < nat->n_addrs; i++)
		if (addr_is(&ev->dst, &nat->addrs[i].addr))
			return true;
	return false;
}

/* A NAT gateway that has been handed an answer which is not for it: it never saw the request, and gives the answer
 * another source. NONE: it is no such event. */
uint32_t probe_stray_begins(const struct probe *p, const struct abi_event *ev, int leg)
{
	const struct lab *l = p->batch->all->lab;
	struct port at = port_get(l->ports, leg == LEG_RETURN && ev->allow ? ev->peer : 0);

	if (at.owner != PORT_OF_ENI || l->model->enis[at.index].owner != ENI_OF_NAT_GATEWAY ||
	    probe_is_for_nat(p, ev, &l->model->enis[at.index]))
		return NONE;
	return at.index;
}

/* Has the answer come to whom it is for, though from elsewhere than was asked? */
bool probe_stray_arrived(const struct probe *p, const struct abi_event *ev)
{
	const struct lab *l = p->batch->all->lab;
	const struct port at = port_get(l->ports, ev->peer);
	const struct flow_end *src = &p->flow.src;

	if (p->stray == NONE || !ev->allow)
		return false;
	return ev->peer == src->port ||
	       (at.owner == PORT_OF_ENI && src->kind == END_ENI && model_same_instance(l->model, at.index, src->index));
}

static bool is_same_end(const struct lab *l, uint32_t port, uint32_t other)
{
	const struct port a = port_get(l->ports, port), b = port_get(l->ports, other);

	return port == other ||
	       (a.owner == PORT_OF_ENI && b.owner == PORT_OF_ENI && model_same_instance(l->model, a.index, b.index));
}

/* False: who gets it had it before, from elsewhere; from the same place it was sent again. */
static bool hand_over(struct probe *p, const struct abi_event *ev)
{
	if (!p->n_handed) /* the sender has it first */
		p->handed[p->n_handed++] = (struct handed){ 0, p->flow.src.port, p->wire.dst.a };
	for (unsigned i = 0; i < p->n_handed; i++)
		if (is_same_end(p->batch->all->lab, p->handed[i].to, ev->peer) &&
		    memcmp(&p->handed[i].dst, &ev->dst, sizeof(ev->dst)) == 0)
			return p->handed[i].from == ev->port;
	if (p->n_handed < HANDED_MAX)
		p->handed[p->n_handed++] = (struct handed){ ev->port, ev->peer, ev->dst };
	return true;
}

const char *probe_comes_back(struct probe *p, const struct abi_event *ev, int leg)
{
	const struct lab *l = p->batch->all->lab;
	const struct port from = port_get(l->ports, ev->port), to = port_get(l->ports, ev->peer);

	if (!ev->allow || to.owner != PORT_OF_ENI || eni_owns(&l->model->enis[to.index], &ev->dst))
		return NULL;
	if (from.owner == PORT_OF_ENI && model_same_instance(l->model, from.index, to.index))
		return flow_back_text;
	return leg == LEG_FORWARD && !hand_over(p, ev) ? flow_circle_text : NULL;
}
