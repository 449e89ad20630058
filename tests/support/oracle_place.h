/* oracle_place.h: where things are in a lab, for the oracle: whose an address is, where a route leads. Tests only. */
#pragma once
#include "model/model.h"

struct oracle_place {
	const struct model *m;
	bool six; /* the lab has IPv6 beside its topology: oracle_lab.h */
};

bool oracle_addr_eq(const struct addr *a, const struct addr *b);
bool oracle_is_v4(const struct addr *a);
bool oracle_in_prefix(const struct prefix *p, const struct addr *a);
bool oracle_is_private(const struct addr *a); /* RFC 1918, RFC 6598 */
bool oracle_is_nowhere(const struct addr *a); /* multicast, broadcast, this host, loopback */
bool oracle_is_service(const struct addr *a); /* link-local, and AWS's own over IPv6 */

struct addr oracle_lab_six(uint32_t vpc_number, uint32_t port);
uint32_t oracle_vpc_of(const struct model *m, const struct eni *e); /* index */
bool oracle_is_attached(const struct eni *e);
const struct eni *oracle_eni_of_port(const struct model *m, uint32_t port); /* NULL: none, or unattached */
bool oracle_owns(const struct oracle_place *o, const struct eni *e, const struct addr *a);
const struct eni *oracle_owner_of(const struct oracle_place *o, uint32_t vpc, const struct addr *a);
bool oracle_in_vpc(const struct oracle_place *o, uint32_t vpc, const struct addr *a);
bool oracle_is_reserved(const struct model *m, uint32_t vpc, const struct addr *a);
const struct addr *oracle_public_of(const struct eni *e, const struct addr *a);
/* Whose a public address is, and the private one it stands for; only where the VPC has a gateway. */
const struct eni *oracle_behind(const struct model *m, const struct addr *public_ip, const struct addr **ret);
const struct route *oracle_route_of(const struct route_table *t, const struct addr *a);
const struct route *oracle_route_six(const struct oracle_place *o, const struct route_table *t, const struct addr *a);
const struct eni *oracle_target_eni(const struct model *m, const struct route *r); /* NULL: not an interface, or gone */
