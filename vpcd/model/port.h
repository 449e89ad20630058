/* port.h: whose a port is. Ports (KIND_PORT) are the numbers that packets, maps and events carry: one for each end of a
 * link where packets are judged (docs/architecture.md, Deviations). Pure. */
#pragma once
#include "abi.h"
#include "model/model.h"

enum port_owner {
	PORT_OF_NONE,
	PORT_OF_ENI,
	PORT_OF_IGW,  /* the router's end of a gateway's link */
	PORT_OF_INET, /* its far end */
	PORT_OF_PEERING,
	PORT_OF_HOST,
	PORT_OF_UPLINK
};
struct port {
	enum port_owner owner;
	uint32_t index; /* into enis, igws (IGW and INET), peerings or hosts */
};
struct ports {
	const struct model *m; /* borrowed */
	struct port *v;        /* by number */
	uint32_t n;
};
struct ports *ports_new(const struct model *m);
void ports_free(struct ports **p);
/* Of a number that nobody has: PORT_OF_NONE, index 0. */
static inline struct port port_get(const struct ports *p, uint32_t number)
{
	return number < p->n ? p->v[number] : (struct port){ PORT_OF_NONE, 0 };
}
/* Whose gate it is, as design 4 names it: the network ACL, the route table, the gateway, the peering connection or the
 * interface. NULL: nobody's. */
const struct obj *port_gate_object(const struct ports *p, enum abi_gate gate, uint32_t number);
