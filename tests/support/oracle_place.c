/* oracle_place.c: addresses, owners and routes for the oracle, each by a search from the beginning. */
#include "tests/support/oracle_place.h"
#include <string.h>

/* ---- addresses ---- */

bool oracle_addr_eq(const struct addr *a, const struct addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool oracle_is_v4(const struct addr *a)
{
	static const uint8_t head[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	return memcmp(a->a.b, head, sizeof(head)) == 0;
}

static uint32_t v4(const struct addr *a)
{
	const uint8_t *b = a->a.b + 12;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static bool v4_in(const struct addr *a, uint32_t net, unsigned len)
{
	return oracle_is_v4(a) && (len == 0 || (v4(a) ^ net) >> (32 - len) == 0);
}

bool oracle_in_prefix(const struct prefix *p, const struct addr *a)
{
	unsigned skip = p->family == 4 ? 96 : 0;

	if ((p->family == 4) != oracle_is_v4(a))
		return false;
	for (unsigned i = skip; i < skip + p->len; i++)
		if ((p->addr.a.b[i / 8] ^ a->a.b[i / 8]) >> (7 - i % 8) & 1)
			return false;
	return true;
}

bool oracle_is_private(const struct addr *a) /* RFC 1918, RFC 6598: no gateway carries them */
{
	return v4_in(a, 0x0a000000, 8) || v4_in(a, 0xac100000, 12) || v4_in(a, 0xc0a80000, 16) ||
	       v4_in(a, 0x64400000, 10);
}

bool oracle_is_nowhere(const struct addr *a) /* multicast, broadcast, this host, loopback */
{
	if (oracle_is_v4(a))
		return v4(a) >= 0xe0000000 || v4(a) >> 24 == 0 || v4(a) >> 24 == 127;
	if (a->a.b[0] == 0xff)
		return true;
	for (int i = 0; i < 15; i++)
		if (a->a.b[i])
			return false;
	return a->a.b[15] <= 1;
}

bool oracle_is_service(const struct addr *a) /* link-local, and AWS's own over IPv6 */
{
	static const uint8_t ec2[4] = { 0xfd, 0x00, 0x0e, 0xc2 };

	if (oracle_is_v4(a))
		return v4(a) >> 16 == 0xa9fe;
	return (a->a.b[0] == 0xfe && (a->a.b[1] & 0xc0) == 0x80) || !memcmp(a->a.b, ec2, sizeof(ec2));
}

struct addr oracle_lab_six(uint32_t vpc_number, uint32_t port)
{
	struct addr a = { { { 0x20, 0x01, 0x0d, 0xb8 } } };

	a.a.b[5] = (uint8_t)vpc_number;
	a.a.b[14] = (uint8_t)(port >> 8);
	a.a.b[15] = (uint8_t)port;
	return a;
}

/* ---- the lab ---- */

uint32_t oracle_vpc_of(const struct model *m, const struct eni *e)
{
	return m->subnets[e->subnet].vpc;
}

bool oracle_is_attached(const struct eni *e)
{
	return e->owner == ENI_OF_NAT_GATEWAY || e->owner_index != NONE;
}

bool oracle_owns(const struct oracle_place *o, const struct eni *e, const struct addr *a)
{
	struct addr six = oracle_lab_six(o->m->vpcs[oracle_vpc_of(o->m, e)].obj.number, e->obj.number);

	for (uint32_t i = 0; i < e->n_addrs; i++)
		if (oracle_addr_eq(&e->addrs[i].addr, a))
			return true;
	return o->six && oracle_addr_eq(&six, a);
}

/* The interface that owns an address in a VPC. */
const struct eni *oracle_owner_of(const struct oracle_place *o, uint32_t vpc, const struct addr *a)
{
	for (uint32_t i = 0; i < o->m->n_enis; i++)
		if (oracle_vpc_of(o->m, &o->m->enis[i]) == vpc && oracle_owns(o, &o->m->enis[i], a))
			return &o->m->enis[i];
	return NULL;
}

const struct addr *oracle_public_of(const struct eni *e, const struct addr *a)
{
	for (uint32_t i = 0; e && i < e->n_addrs; i++)
		if (oracle_addr_eq(&e->addrs[i].addr, a) && !addr_is_zero(&e->addrs[i].public_ip))
			return &e->addrs[i].public_ip;
	return NULL;
}

/* The address that a public one stands for, and whose; only where the VPC has a gateway. */
const struct eni *oracle_behind(const struct model *m, const struct addr *public_ip, const struct addr **ret)
{
	for (uint32_t i = 0; i < m->n_enis; i++)
		for (uint32_t k = 0; k < m->enis[i].n_addrs; k++) {
			const struct eni_addr *ea = &m->enis[i].addrs[k];

			if (addr_is_zero(&ea->public_ip) || !oracle_addr_eq(&ea->public_ip, public_ip) ||
			    m->vpcs[oracle_vpc_of(m, &m->enis[i])].igw == NONE)
				continue;
			*ret = &ea->addr;
			return &m->enis[i];
		}
	return NULL;
}

/* Router, DNS and the third address of every subnet; the VPC's DNS at its base plus two (semantics 1.2). */
bool oracle_is_reserved(const struct model *m, uint32_t vpc, const struct addr *a)
{
	if (!oracle_is_v4(a))
		return false;
	for (uint32_t i = 0; i < m->n_subnets; i++)
		if (m->subnets[i].vpc == vpc && v4(a) - v4(&m->subnets[i].cidr.addr) - 1 < 3)
			return true;
	return v4(a) - v4(&m->vpcs[vpc].cidrs[0].addr) == 2;
}

bool oracle_in_vpc(const struct oracle_place *o, uint32_t vpc, const struct addr *a)
{
	struct addr six = oracle_lab_six(o->m->vpcs[vpc].obj.number, 0);

	for (uint32_t i = 0; i < o->m->vpcs[vpc].n_cidrs; i++)
		if (oracle_in_prefix(&o->m->vpcs[vpc].cidrs[i], a))
			return true;
	return o->six && memcmp(six.a.b, a->a.b, 6) == 0;
}

const struct eni *oracle_eni_of_port(const struct model *m, uint32_t port)
{
	for (uint32_t i = 0; i < m->n_enis; i++)
		if (m->enis[i].obj.number == port && oracle_is_attached(&m->enis[i]))
			return &m->enis[i];
	return NULL;
}

/* ---- routes ---- */

/* The longest prefix; of equal ones local, then a CIDR, then a prefix list (semantics 2.2). */
const struct route *oracle_route_of(const struct route_table *t, const struct addr *a)
{
	const struct route *best = NULL;

	for (uint32_t i = 0; i < t->n_routes; i++) {
		const struct route *r = &t->routes[i];
		int rank = r->target == TARGET_LOCAL ? 0 : r->prefix_list == NONE ? 1 : 2, best_rank;

		if (!oracle_in_prefix(&r->dst, a))
			continue;
		best_rank = !best ? 3 : best->target == TARGET_LOCAL ? 0 : best->prefix_list == NONE ? 1 : 2;
		if (!best || r->dst.len > best->dst.len || (r->dst.len == best->dst.len && rank < best_rank))
			best = r;
	}
	return best;
}

/* IPv6 knows the VPC alone; its route counts as the table's local one. */
const struct route *oracle_route_six(const struct oracle_place *o, const struct route_table *t, const struct addr *a)
{
	if (!oracle_in_vpc(o, t->vpc, a))
		return NULL;
	for (uint32_t i = 0; i < t->n_routes; i++)
		if (t->routes[i].target == TARGET_LOCAL)
			return &t->routes[i];
	return NULL;
}

const struct eni *oracle_target_eni(const struct model *m, const struct route *r)
{
	const struct eni *e = NULL;

	if (r->blackhole || r->target_index == NONE)
		return NULL;
	if (r->target == TARGET_NAT)
		e = &m->enis[m->nat_gateways[r->target_index].eni];
	else if (r->target == TARGET_ENI || r->target == TARGET_INSTANCE)
		e = &m->enis[r->target_index];
	return e && oracle_is_attached(e) ? e : NULL;
}
