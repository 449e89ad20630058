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
const char *port_name(const struct ports *p, uint32_t number); /* of whose port it is; the uplink: "internet"; NULL */
uint32_t port_vpc(const struct ports *p, uint32_t number);     /* index; NONE on the internet */
/* Whose gate it is, as design 4 names it: the network ACL, the route table (of a peering connection or a gateway without
 * an edge table: itself), the gateway, the peering connection or the interface. NULL: nobody's. */
const struct obj *port_gate_object(const struct ports *p, enum abi_gate gate, uint32_t number);
/* The same for a denial at gate_port on the way to peer (0: it is not told): what a gateway or a peering connection denies
 * is told by the port in front of it, too. */
const struct obj *port_denial_object(const struct ports *p, enum abi_gate gate, uint32_t gate_port, uint32_t peer);
/* Where to look when a denial has no rule to name: the section of that object, of groups that of the interface's which
 * stands first in the file. object: what port_gate_object() found; NULL: the section of whose port it is; line 0: none. */
struct src_loc port_gate_place(const struct ports *p, enum abi_gate gate, uint32_t number, const struct obj *object);
