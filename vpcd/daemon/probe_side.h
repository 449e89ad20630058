/* probe_side.h: an end of a probe as packets show it: a private address and its public one are two sides of one end, and
 * a flow to either may be seen under both. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "model/model.h"

enum { SIDES_MAX = 6 };
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
