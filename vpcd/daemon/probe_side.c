/* probe_side.c: sets of addresses and ports that mean one end. Pure. */
#include <string.h>
#include "daemon/probe_side.h"

void side_add(struct side *sides, unsigned *n, const struct addr *a, uint16_t port)
{
	for (unsigned i = 0; i < *n; i++)
		if (addr_cmp(&sides[i].addr, a) == 0 && sides[i].port == port)
			return;
	if (!addr_is_zero(a) && *n < SIDES_MAX)
		sides[(*n)++] = (struct side){ *a, port };
}

void sides_of(const struct model *m, uint32_t eni, const struct addr *a, struct side *sides, unsigned *n, uint16_t port)
{
	for (uint32_t i = 0; i < m->enis[eni].n_addrs; i++) {
		const struct eni_addr *at = &m->enis[eni].addrs[i];

		if (addr_cmp(&at->addr, a) != 0 && addr_cmp(&at->public_ip, a) != 0)
			continue;
		side_add(sides, n, &at->addr, port);
		side_add(sides, n, &at->public_ip, port);
	}
}

bool sides_meet(const struct side *x, unsigned n_x, const struct side *y, unsigned n_y, bool ports)
{
	for (unsigned i = 0; i < n_x; i++)
		for (unsigned k = 0; k < n_y; k++)
			if (addr_cmp(&x[i].addr, &y[k].addr) == 0 && (!ports || x[i].port == y[k].port))
				return true;
	return false;
}

bool side_is(const struct side *sides, unsigned n, const struct abi_addr *a, unsigned port, bool ports)
{
	for (unsigned i = 0; i < n; i++)
		if (memcmp(&sides[i].addr.a, a, sizeof(*a)) == 0 && (!ports || sides[i].port == port))
			return true;
	return false;
}
