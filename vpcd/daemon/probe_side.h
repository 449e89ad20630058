/* probe_side.h: an end of a probe as packets show it: a private address and its public one are two sides of one end, and
 * a flow to either may be seen under both. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "abi.h"
#include "model/model.h"

enum { SIDES_MAX = 8 };
struct side {
	struct addr addr;
	uint16_t port;
};

/* Unless it is known or unset; more than SIDES_MAX are left out. */
void side_add(struct side *sides, unsigned *n, const struct addr *a, uint16_t port);
/* The private and the public address that stand for each other. */
void sides_of(const struct model *m, uint32_t eni, const struct addr *a, struct side *sides, unsigned *n,
	      uint16_t port);
/* ports: they count too. */
bool sides_meet(const struct side *x, unsigned n_x, const struct side *y, unsigned n_y, bool ports);
bool side_is(const struct side *sides, unsigned n, const struct abi_addr *a, unsigned port, bool ports);
/* The source that a NAT gateway gave a packet, as the world sees it too. False: it is none of its addresses. */
bool sides_of_nat(const struct eni *nat, const struct abi_addr *src, uint16_t port, struct side *sides, unsigned *n);
bool eni_owns(const struct eni *eni, const struct abi_addr *a); /* private or public */
bool addr_is(const struct abi_addr *a, const struct addr *b);
unsigned be16(const uint8_t v[2]);
/* The flow from one side to the other as a watch names it, at any port. ICMP has an identifier, type and code instead. */
struct abi_flow_key side_key(const struct side *from, const struct side *to, uint8_t proto);
struct abi_flow_key side_key_icmp(const struct side *from, const struct side *to, uint16_t id, uint8_t type,
				  uint8_t code);
