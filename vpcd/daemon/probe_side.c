/* probe_side.c: sets of addresses and ports that mean one end. Pure. */
#include <string.h>
#include "daemon/probe_side.h"
#include "filters/packet.h"

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

bool sides_of_nat(const struct eni *nat, const struct abi_addr *src, uint16_t port, struct side *sides, unsigned *n)
{
	for (uint32_t i = 0; i < nat->n_addrs; i++)
		if (addr_is(src, &nat->addrs[i].addr)) {
			side_add(sides, n, &nat->addrs[i].addr, port);
			side_add(sides, n, &nat->addrs[i].public_ip, port);
			return true;
		}
	return false;
}

bool eni_owns(const struct eni *eni, const struct abi_addr *a)
{
	for (uint32_t i = 0; i < eni->n_addrs; i++)
		if (addr_is(a, &eni->addrs[i].addr) || addr_is(a, &eni->addrs[i].public_ip))
			return true;
	return false;
}

bool addr_is(const struct abi_addr *a, const struct addr *b)
{
	return memcmp(a, &b->a, sizeof(*a)) == 0;
}

unsigned be16(const uint8_t v[2])
{
	return (unsigned)v[0] << 8 | v[1];
}

static void set_port(uint8_t out[2], uint16_t port)
{
	out[0] = (uint8_t)(port >> 8);
	out[1] = (uint8_t)port;
}

struct abi_flow_key side_key(const struct side *from, const struct side *to, uint8_t proto)
{
	struct abi_flow_key k;

	memset(&k, 0, sizeof(k));
	k.proto = proto;
	k.family = 4;
	k.src = from->addr.a;
	k.dst = to->addr.a;
	set_port(k.sport, from->port);
	set_port(k.dport, to->port);
	return k;
}

struct abi_flow_key side_key_icmp(const struct side *from, const struct side *to, uint16_t id, uint8_t type,
				  uint8_t code)
{
	struct abi_flow_key k = side_key(from, to, PKT_PROTO_ICMP);

	set_port(k.sport, id);
	k.dport[0] = type;
	k.dport[1] = code;
	return k;
}
