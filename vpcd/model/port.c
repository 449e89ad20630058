/* port.c: an index from port numbers to a model's things, and whose a gate at a port is. Pure. */
#include "model/port.h"
#include "util/mem.h"

static void port_set(struct ports *p, uint32_t number, enum port_owner owner, uint32_t index);

struct ports *ports_new(const struct model *m)
{
	struct ports *ret = xcalloc(1, sizeof(*ret));

	ret->m = m;
	for (uint32_t i = 0; i < m->n_enis; i++)
		port_set(ret, m->enis[i].obj.number, PORT_OF_ENI, i);
	for (uint32_t i = 0; i < m->n_hosts; i++)
		port_set(ret, m->hosts[i].port, PORT_OF_HOST, i);
	for (uint32_t i = 0; i < m->n_igws; i++) {
		port_set(ret, m->igws[i].port, PORT_OF_IGW, i);
		port_set(ret, m->igws[i].inet_port, PORT_OF_INET, i);
	}
	if (m->uplink.on)
		port_set(ret, m->uplink.port, PORT_OF_UPLINK, 0);
	for (uint32_t i = 0; i < m->n_peerings; i++)
		for (int end = 0; end < 2; end++)
			port_set(ret, m->peerings[i].ports[end], PORT_OF_PEERING, i);
	return ret;
}

void ports_free(struct ports **p)
{
	if (!*p)
		return;
	free((*p)->v);
	free(*p);
	*p = NULL;
}

static void port_set(struct ports *p, uint32_t number, enum port_owner owner, uint32_t index)
{
	if (!number)
		return;
	if (number >= p->n) {
		uint32_t n = number + 1 > 2 * p->n ? number + 1 : 2 * p->n;

		p->v = xrealloc(p->v, n * sizeof(*p->v));
		memset(p->v + p->n, 0, (n - p->n) * sizeof(*p->v));
		p->n = n;
	}
	p->v[number] = (struct port){ owner, index };
}

uint32_t port_vpc(const struct ports *p, uint32_t port)
{
	struct port at = port_get(p, port);

	if (at.owner == PORT_OF_ENI)
		return model_eni_vpc(p->m, at.index);
	if (at.owner == PORT_OF_PEERING)
		return p->m->peerings[at.index].vpcs[p->m->peerings[at.index].ports[1] == port];
	return at.owner == PORT_OF_IGW ? p->m->igws[at.index].vpc : NONE;
}

static const struct obj *eni_gate_object(const struct model *m, enum abi_gate gate, const struct eni *eni)
{
	const struct subnet *subnet = &m->subnets[eni->subnet];

	switch (gate) {
	case ABI_GATE_NACL_OUT:
	case ABI_GATE_NACL_IN: return &m->nacls[subnet->nacl].obj;
	case ABI_GATE_ROUTE: return &m->route_tables[subnet->route_table].obj;
	case ABI_GATE_SOURCE_CHECK:
	case ABI_GATE_SG_OUT:
	case ABI_GATE_SG_IN:
	case ABI_GATE_DEST_CHECK:
	case ABI_GATE_CONNTRACK:
	case ABI_GATE_NAT: return &eni->obj;
	default: return NULL;
	}
}

/* A packet that came in over a peering connection or a gateway meets a table of that only by an edge association. */
const struct obj *port_gate_object(const struct ports *p, enum abi_gate gate, uint32_t number)
{
	const struct port at = port_get(p, number);
	const struct model *m = p->m;

	switch (at.owner) {
	case PORT_OF_ENI: return eni_gate_object(m, gate, &m->enis[at.index]);
	case PORT_OF_PEERING:
		return gate == ABI_GATE_PEERING || gate == ABI_GATE_ROUTE ? &m->peerings[at.index].obj : NULL;
	case PORT_OF_INET: return gate == ABI_GATE_IGW ? &m->igws[at.index].obj : NULL;
	case PORT_OF_IGW:
		if (gate == ABI_GATE_ROUTE && m->igws[at.index].edge_table != NONE)
			return &m->route_tables[m->igws[at.index].edge_table].obj;
		return gate == ABI_GATE_IGW || gate == ABI_GATE_ROUTE ? &m->igws[at.index].obj : NULL;
	default: return NULL;
	}
}

static const struct obj *port_object(const struct ports *p, uint32_t number)
{
	const struct port at = port_get(p, number);
	const struct model *m = p->m;

	switch (at.owner) {
	case PORT_OF_ENI: return &m->enis[at.index].obj;
	case PORT_OF_IGW:
	case PORT_OF_INET: return &m->igws[at.index].obj;
	case PORT_OF_PEERING: return &m->peerings[at.index].obj;
	case PORT_OF_HOST: return &m->hosts[at.index].obj;
	default: return NULL;
	}
}

const char *port_name(const struct ports *p, uint32_t number)
{
	const struct obj *o = port_object(p, number);

	return o ? o->name : port_get(p, number).owner == PORT_OF_UPLINK ? "internet" : NULL;
}

const struct obj *port_denial_object(const struct ports *p, enum abi_gate gate, uint32_t gate_port, uint32_t peer)
{
	const struct obj *o = port_gate_object(p, gate, gate_port);
	uint32_t vpc;

	if (!o && (gate == ABI_GATE_IGW || gate == ABI_GATE_PEERING))
		o = port_gate_object(p, gate, peer);
	if (o || gate != ABI_GATE_IGW)
		return o;
	vpc = port_vpc(p, gate_port);
	return vpc == NONE || p->m->vpcs[vpc].igw == NONE ? NULL : &p->m->igws[p->m->vpcs[vpc].igw].obj;
}

struct src_loc port_gate_place(const struct ports *p, enum abi_gate gate, uint32_t number, const struct obj *object)
{
	const struct port at = port_get(p, number);

	if ((gate == ABI_GATE_SG_OUT || gate == ABI_GATE_SG_IN) && at.owner == PORT_OF_ENI &&
	    p->m->enis[at.index].n_groups)
		return p->m->security_groups[p->m->enis[at.index].groups[0]].obj.loc;
	if (!object && gate != ABI_GATE_IGW) /* a private address out there: nobody says whose gateway would be meant */
		object = port_object(p, number);
	return object ? object->loc : (struct src_loc){ 0 };
}
