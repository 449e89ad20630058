/* addresses.c: private and public addresses of interfaces: those the file names first, then what
 * the lab gave before, then the lowest free one, in file order. Pure. semantics 1.2, 3.2; design 3. */
#include <stdio.h>
#include <string.h>
#include "conf/build_ctx.h"

enum { RESERVED_FIRST = 4 /* network, router, DNS, future */, RESERVED_LAST = 1 /* broadcast */ };

/* design 3: where public addresses come from. */
#define POOL1_BASE 0xcb007100u /* 203.0.113.0/24 */
#define POOL1_SIZE 254u
#define POOL2_BASE 0xc6120000u /* 198.18.0.0/15 */
#define POOL2_SIZE 131070u
#define OF_HOST ((uint64_t)1 << 32) /* beside an index: a host's, not an ENI's */

struct vpc_addr {
	uint32_t vpc;
	struct addr addr;
};
_Static_assert(sizeof(struct vpc_addr) == 20, "hashed as bytes: no padding");

static void private_explicit(struct build *b, struct keymap *taken, uint32_t eni_index);
static bool private_is_legal(struct build *b, const struct section *s, const struct entry *en, const struct subnet *sub,
			     const struct addr *a);
static bool private_remembered(struct build *b, struct keymap *taken, struct eni *eni);
static void private_automatic(struct build *b, struct keymap *taken, struct eni *eni, uint64_t *next);
static bool take_private(struct build *b, struct keymap *taken, uint32_t eni_index, const struct addr *a);
static int public_wish(struct build *b, const struct section *s, const struct eni *eni, struct public_ip_text *ret);
static void public_explicit(struct build *b, struct keymap *taken, uint32_t eni_index, const struct addr *a);
static bool public_is_free(const struct build *b, const struct keymap *taken, const struct addr *a);
static void public_automatic(struct build *b, struct keymap *taken, uint32_t eni_index, uint32_t *next);
static bool in_public_pool(const struct addr *a);
static const char *public_key(const struct eni *eni, char buf[128]);
static bool in_some_vpc(const struct build *b, const struct addr *a, const struct vpc **ret);

static void build_private(struct build *b)
{
	struct model *m = b->m;
	struct keymap taken = { 0 };
	uint64_t *next = xcalloc(m->n_subnets + (size_t)1, sizeof(*next));

	for (uint32_t i = 0; i < m->n_enis; i++)
		private_explicit(b, &taken, i);
	for (uint32_t i = 0; i < m->n_enis; i++)
		if (m->enis[i].addrs[0].automatic)
			private_remembered(b, &taken, &m->enis[i]);
	for (uint32_t i = 0; i < m->n_enis; i++)
		if (m->enis[i].addrs[0].automatic && addr_is_zero(&m->enis[i].addrs[0].addr))
			private_automatic(b, &taken, &m->enis[i], next);
	free(next);
	keymap_done(&taken);
}

static void build_public(struct build *b)
{
	struct model *m = b->m;
	struct keymap taken = { 0 };
	struct public_ip_text *wishes = xcalloc(m->n_enis, sizeof(*wishes));
	uint32_t next = 0;
	char key[128];

	for (uint32_t i = 0; i < m->n_hosts; i++)
		keymap_put(&taken, &m->hosts[i].addr, sizeof(struct addr), OF_HOST | i);
	for (uint32_t i = 0; i < m->n_enis; i++)
		if (public_wish(b, b->eni_sections[i], &m->enis[i], &wishes[i]) == PUBLIC_IP_ADDRESS)
			public_explicit(b, &taken, i, &wishes[i].addr);
	for (uint32_t i = 0; i < m->n_enis; i++) {
		struct eni_addr *ea = &m->enis[i].addrs[0];
		struct addr a;

		if (wishes[i].kind != PUBLIC_IP_AUTO)
			continue;
		ea->public_automatic = true;
		if (registry_addr_get(b->reg, public_key(&m->enis[i], key), &a) < 0 || !in_public_pool(&a) ||
		    !public_is_free(b, &taken, &a))
			continue;
		ea->public_ip = a;
		keymap_put(&taken, &ea->public_ip, sizeof(ea->public_ip), i);
		registry_addr_set(b->reg, key, &a);
	}
	for (uint32_t i = 0; i < m->n_enis; i++)
		if (m->enis[i].addrs[0].public_automatic && addr_is_zero(&m->enis[i].addrs[0].public_ip))
			public_automatic(b, &taken, i, &next);
	free(wishes);
	keymap_done(&taken);
}

void build_addresses(struct build *b)
{
	build_private(b);
	build_public(b);
}

static void private_explicit(struct build *b, struct keymap *taken, uint32_t eni_index)
{
	const struct section *s = b->eni_sections[eni_index];
	struct model *m = b->m;
	struct eni *eni = &m->enis[eni_index];
	const struct subnet *sub = eni->subnet == NONE ? NULL : &m->subnets[eni->subnet];
	unsigned n = entry_count(s, "address");
	char text[ADDR_STRLEN], where[PLACE_STRLEN];

	eni->addrs = build_array(b, n ? n : 1, eni->addrs);
	if (!n) {
		eni->n_addrs = 1;
		eni->addrs[0].automatic = true;
		return;
	}
	for_each_entry(en, s, "address")
	{
		struct addr a;
		uint32_t owner;

		/* A NAT gateway has one: a further line has been reported. */
		if (eni->owner == ENI_OF_NAT_GATEWAY && eni->n_addrs)
			break;
		if (value_address(en->value, &a, NULL) < 0 || !sub || sub->vpc == NONE || !sub->cidr.family ||
		    !private_is_legal(b, s, en, sub, &a))
			continue;
		eni->addrs[eni->n_addrs].addr = a;
		if (take_private(b, taken, eni_index, &a)) {
			eni->n_addrs++;
			continue;
		}
		owner = (uint32_t)keymap_get(taken, &(struct vpc_addr){ sub->vpc, a }, sizeof(struct vpc_addr));
		section_error(b, s, en->loc, "InvalidIPAddress.InUse",
			      "choose another one, or take the line out for an automatic one",
			      "address %s is taken by %s %s (%s)", addr_format(&a, text), b->eni_sections[owner]->kind,
			      b->eni_sections[owner]->name, place_text(b->eni_sections[owner]->loc, where));
	}
	/* Only after an error: the rest of the build wants one. */
	if (!eni->n_addrs)
		eni->n_addrs = 1;
	build_quota(b, s, s->loc, "PrivateIpAddressLimitExceeded", n, m->quotas.addresses_per_eni, "addresses-per-eni");
}

static uint64_t offset_in(const struct prefix *p, const struct addr *a)
{
	return addr_to_v4(a) - addr_to_v4(&p->addr);
}

static bool private_is_legal(struct build *b, const struct section *s, const struct entry *en, const struct subnet *sub,
			     const struct addr *a)
{
	static const char *const uses[RESERVED_FIRST] = { "the network", "the VPC router", "DNS", "future use" };
	char cidr[PREFIX_STRLEN];
	uint64_t at = offset_in(&sub->cidr, a), size = prefix_size(&sub->cidr);

	if (!prefix_contains(&sub->cidr, a)) {
		section_error(b, s, en->loc, "InvalidParameterValue", "choose one inside it",
			      "address %s is not in subnet %s (%s)", en->value, sub->obj.name,
			      prefix_format(&sub->cidr, cidr));
		return false;
	}
	if (at >= RESERVED_FIRST && at < size - RESERVED_LAST)
		return true;
	section_error(b, s, en->loc, "InvalidParameterValue",
		      "the first four and the last address of a subnet are AWS's",
		      "address %s is reserved in subnet %s (%s) for %s", en->value, sub->obj.name,
		      prefix_format(&sub->cidr, cidr), at < RESERVED_FIRST ? uses[at] : "broadcast");
	return false;
}

/* What the lab gave before, if it is still free and still fits the subnet. */
static bool private_remembered(struct build *b, struct keymap *taken, struct eni *eni)
{
	const struct subnet *sub = eni->subnet == NONE ? NULL : &b->m->subnets[eni->subnet];
	char key[64];
	struct addr a;
	uint64_t at;

	snprintf(key, sizeof(key), "private/%.40s", eni->obj.name);
	if (!sub || registry_addr_get(b->reg, key, &a) < 0 || !prefix_contains(&sub->cidr, &a))
		return false;
	at = offset_in(&sub->cidr, &a);
	if (at < RESERVED_FIRST || at >= prefix_size(&sub->cidr) - RESERVED_LAST ||
	    !take_private(b, taken, (uint32_t)(eni - b->m->enis), &a))
		return false;
	eni->addrs[0].addr = a;
	registry_addr_set(b->reg, key, &a);
	return true;
}

/* next: by subnet, the lowest offset that may be free. */
static void private_automatic(struct build *b, struct keymap *taken, struct eni *eni, uint64_t *next)
{
	const struct section *s = b->eni_sections[eni - b->m->enis];
	const struct subnet *sub = eni->subnet == NONE ? NULL : &b->m->subnets[eni->subnet];
	uint64_t *at = sub ? &next[eni->subnet] : NULL, size;
	char key[64], cidr[PREFIX_STRLEN];

	if (!sub || sub->vpc == NONE || !sub->cidr.family)
		return;
	size = prefix_size(&sub->cidr);
	if (*at < RESERVED_FIRST)
		*at = RESERVED_FIRST;
	for (; *at < size - RESERVED_LAST; (*at)++) {
		struct addr a = addr_add(&sub->cidr.addr, *at);

		if (!take_private(b, taken, (uint32_t)(eni - b->m->enis), &a))
			continue;
		eni->addrs[0].addr = a;
		snprintf(key, sizeof(key), "private/%.40s", eni->obj.name);
		registry_addr_set(b->reg, key, &a);
		(*at)++;
		return;
	}
	section_error(b, s, s->loc, "InsufficientFreeAddressesInSubnet", "use a larger or another subnet",
		      "subnet %s (%s) has no free address left: all %llu are taken", sub->obj.name,
		      prefix_format(&sub->cidr, cidr), (unsigned long long)(size - RESERVED_FIRST - RESERVED_LAST));
}

static bool take_private(struct build *b, struct keymap *taken, uint32_t eni_index, const struct addr *a)
{
	struct vpc_addr key = { b->m->subnets[b->m->enis[eni_index].subnet].vpc, *a };

	if (keymap_get(taken, &key, sizeof(key)) != KEYMAP_NONE)
		return false;
	return keymap_put(taken, arena_memdup(b->a, &key, sizeof(key)), sizeof(key), eni_index);
}

/* What an interface wants: as its section says, else as its subnet's map-public-ip. */
static int public_wish(struct build *b, const struct section *s, const struct eni *eni, struct public_ip_text *ret)
{
	const struct entry *en = entry_first(s, "public-ip");
	const struct subnet *sub = eni->subnet == NONE ? NULL : &b->m->subnets[eni->subnet];
	bool of_nat = eni->owner == ENI_OF_NAT_GATEWAY;
	/* map-public-ip is for an instance's first interface, the one made at its launch: semantics 3.2. */
	bool at_launch = !of_nat && eni->owner_index != NONE && eni->device_index == 0;
	const struct vpc *vpc;

	*ret = (struct public_ip_text){ .kind = PUBLIC_IP_NONE };
	if (!sub || sub->vpc == NONE)
		return ret->kind;
	vpc = &b->m->vpcs[sub->vpc];
	if (of_nat && !b->m->nat_gateways[eni->owner_index].is_public)
		return ret->kind;
	if (!en) {
		if (vpc->igw != NONE && (of_nat || (at_launch && sub->map_public_ip)))
			ret->kind = PUBLIC_IP_AUTO;
		return ret->kind;
	}
	if (value_public_ip(en->value, ret, NULL) < 0 || ret->kind == PUBLIC_IP_NONE)
		return ret->kind = PUBLIC_IP_NONE;
	if (vpc->igw != NONE)
		return ret->kind;
	/* A NAT gateway without one has been reported. */
	if (!of_nat)
		section_error(b, s, en->loc, "Gateway.NotAttached",
			      "add an [internet-gateway NAME] with its vpc, or take the line out",
			      "public-ip needs an internet gateway, and vpc %s has none", vpc->obj.name);
	return ret->kind = PUBLIC_IP_NONE;
}

static void public_explicit(struct build *b, struct keymap *taken, uint32_t eni_index, const struct addr *a)
{
	const struct section *s = b->eni_sections[eni_index];
	struct src_loc loc = entry_first(s, "public-ip")->loc;
	struct eni_addr *ea = &b->m->enis[eni_index].addrs[0];
	struct prefix p = prefix_of(a, 32);
	uint32_t v4 = addr_to_v4(a);
	const struct section *owner;
	const struct vpc *vpc;
	uint64_t i;
	char text[ADDR_STRLEN], where[PLACE_STRLEN];

	addr_format(a, text);
	if (prefix_is_rfc1918(&p) || prefix_is_rfc6598(&p) || v4 >> 24 == 0 || v4 >> 24 == 127 || v4 >> 16 == 0xa9fe ||
	    v4 >> 28 >= 0xe) {
		section_error(b, s, loc, "InvalidParameterValue", "write auto, or one like 203.0.113.10",
			      "public-ip %s is no public address", text);
		return;
	}
	if (in_some_vpc(b, a, &vpc)) {
		section_error(b, s, loc, "InvalidParameterValue", "write auto, or one like 203.0.113.10",
			      "public-ip %s lies inside vpc %s", text, vpc->obj.name);
		return;
	}
	ea->public_ip = *a;
	if (keymap_put(taken, &ea->public_ip, sizeof(ea->public_ip), eni_index))
		return;
	i = keymap_get(taken, a, sizeof(*a));
	owner = i & OF_HOST ? build_section_of(b, KIND_HOST, (uint32_t)i) : b->eni_sections[i];
	section_error(b, s, loc, "Resource.AlreadyAssociated", "write auto, or another address",
		      "public-ip %s is taken by %s %s (%s)", text, owner->kind, owner->name,
		      place_text(owner->loc, where));
}

static bool public_is_free(const struct build *b, const struct keymap *taken, const struct addr *a)
{
	const struct vpc *vpc;

	return keymap_get(taken, a, sizeof(*a)) == KEYMAP_NONE && !in_some_vpc(b, a, &vpc);
}

/* The n-th address of the pools: 203.0.113.1 to .254, then 198.18.0.1 to 198.19.255.254; 0 beyond. */
static uint32_t pool_addr(uint32_t n)
{
	if (n < POOL1_SIZE)
		return POOL1_BASE + 1 + n;
	n -= POOL1_SIZE;
	return n < POOL2_SIZE ? POOL2_BASE + 1 + n : 0;
}

static bool in_public_pool(const struct addr *a)
{
	uint32_t v4 = addr_to_v4(a);

	return v4 - (POOL1_BASE + 1) < POOL1_SIZE || v4 - (POOL2_BASE + 1) < POOL2_SIZE;
}

static void public_automatic(struct build *b, struct keymap *taken, uint32_t eni_index, uint32_t *next)
{
	const struct section *s = b->eni_sections[eni_index];
	struct eni *eni = &b->m->enis[eni_index];
	char key[128];
	uint32_t v4;

	while ((v4 = pool_addr((*next)++))) {
		struct addr a = addr_from_v4(v4);

		if (!public_is_free(b, taken, &a))
			continue;
		eni->addrs[0].public_ip = a;
		keymap_put(taken, &eni->addrs[0].public_ip, sizeof(a), eni_index);
		registry_addr_set(b->reg, public_key(eni, key), &a);
		return;
	}
	(*next)--;
	section_error(b, s, s->loc, "InsufficientAddressCapacity", "write public-ip = ADDRESS",
		      "203.0.113.0/24 and 198.18.0.0/15 have no free public address left");
}

/* The address belongs to a private one of an interface: with that it goes. */
static const char *public_key(const struct eni *eni, char buf[128])
{
	char text[ADDR_STRLEN];

	snprintf(buf, 128, "public/%.40s/%s", eni->obj.name, addr_format(&eni->addrs[0].addr, text));
	return buf;
}

static bool in_some_vpc(const struct build *b, const struct addr *a, const struct vpc **ret)
{
	for (uint32_t v = 0; v < b->m->n_vpcs; v++)
		for (uint32_t i = 0; i < b->m->vpcs[v].n_cidrs; i++)
			if (prefix_contains(&b->m->vpcs[v].cidrs[i], a)) {
				*ret = &b->m->vpcs[v];
				return true;
			}
	return false;
}
