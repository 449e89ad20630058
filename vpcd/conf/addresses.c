/* addresses.c: private and public addresses of interfaces: those the file names first, then what
 * the lab gave before, then the lowest free one, in file order. Pure. semantics 1.2, 3.2; design 3. */
#include <stdio.h>
#include <string.h>
#include "conf/build_ctx.h"
#include "util/str.h"

enum { RESERVED_FIRST = 4 /* network, router, DNS, future */, RESERVED_LAST = 1 /* broadcast */ };

/* design 3: where public addresses come from. */
#define POOL1_BASE 0xcb007100u /* 203.0.113.0/24 */
#define POOL1_SIZE 254u
#define POOL2_BASE 0xc6120000u /* 198.18.0.0/15 */
#define POOL2_SIZE 131070u
#define OF_HOST ((uint64_t)1 << 32) /* beside an index: a host's, not an ENI's */

/* An address of an interface that can have a public one: the first; of a NAT gateway, each. */
struct slot {
	uint32_t eni, k;
	struct public_ip_text wish;
};
struct vpc_addr {
	uint32_t vpc;
	struct addr addr;
};
_Static_assert(sizeof(struct vpc_addr) == 20, "hashed as bytes: no padding");

static void private_explicit(struct build *b, struct keymap *taken, uint32_t eni_index);
static bool private_is_legal(struct build *b, const struct section *s, const struct entry *en, const struct subnet *sub,
			     const struct addr *a);
static void private_write(struct build *b, struct keymap *taken, uint32_t eni_index, uint32_t k,
			  const struct entry *en);
static bool private_remembered(struct build *b, struct keymap *taken, struct eni *eni, uint32_t k);
static void private_automatic(struct build *b, struct keymap *taken, struct eni *eni, uint32_t k, uint64_t *next);
static bool take_private(struct build *b, struct keymap *taken, uint32_t eni_index, const struct addr *a);
static int public_wish(struct build *b, struct slot *slot);
static void public_explicit(struct build *b, struct keymap *taken, const struct slot *slot);
static bool public_is_free(const struct build *b, const struct keymap *taken, const struct addr *a);
static void public_automatic(struct build *b, struct keymap *taken, const struct slot *slot, uint32_t *next);
static bool in_public_pool(const struct addr *a);
static const char *public_key(const struct build *b, const struct slot *slot, char buf[128]);
static bool in_some_vpc(const struct build *b, const struct addr *a, const struct vpc **ret);

static void build_private(struct build *b)
{
	struct model *m = b->m;
	struct keymap taken = { 0 };
	uint64_t *next = xcalloc(m->n_subnets + (size_t)1, sizeof(*next));

	keymap_reserve(&taken, m->n_enis); /* more only where one has several */
	for (uint32_t i = 0; i < m->n_enis; i++)
		private_explicit(b, &taken, i);
	for (uint32_t i = 0; i < m->n_enis; i++)
		for (uint32_t k = 0; k < m->enis[i].n_addrs; k++)
			if (m->enis[i].addrs[k].automatic)
				private_remembered(b, &taken, &m->enis[i], k);
	for (uint32_t i = 0; i < m->n_enis; i++)
		for (uint32_t k = 0; k < m->enis[i].n_addrs; k++)
			if (m->enis[i].addrs[k].automatic && addr_is_zero(&m->enis[i].addrs[k].addr))
				private_automatic(b, &taken, &m->enis[i], k, next);
	free(next);
	keymap_done(&taken);
}

static void build_public(struct build *b)
{
	struct model *m = b->m;
	struct keymap taken = { 0 };
	struct slot *slots = NULL;
	size_t n = 0, cap = 0;
	uint32_t next = 0;
	char key[128];

	for (uint32_t i = 0; i < m->n_hosts; i++)
		keymap_put(&taken, &m->hosts[i].addr, sizeof(struct addr), OF_HOST | i);
	for (uint32_t i = 0; i < m->n_enis; i++)
		for (uint32_t k = 0; k < (m->enis[i].owner == ENI_OF_NAT_GATEWAY ? m->enis[i].n_addrs : 1); k++) {
			struct slot *slot = VEC_PUSH(slots, n, cap);

			*slot = (struct slot){ .eni = i, .k = k };
			if (public_wish(b, slot) == PUBLIC_IP_ADDRESS)
				public_explicit(b, &taken, slot);
		}
	for (size_t i = 0; i < n; i++) {
		struct eni_addr *ea = &m->enis[slots[i].eni].addrs[slots[i].k];
		struct addr a;

		if (slots[i].wish.kind != PUBLIC_IP_AUTO)
			continue;
		ea->public_automatic = true;
		if (registry_addr_get(b->reg, public_key(b, &slots[i], key), &a) < 0 || !in_public_pool(&a) ||
		    !public_is_free(b, &taken, &a))
			continue;
		ea->public_ip = a;
		keymap_put(&taken, &ea->public_ip, sizeof(ea->public_ip), slots[i].eni);
		registry_addr_set(b->reg, key, &a);
	}
	for (size_t i = 0; i < n; i++)
		if (slots[i].wish.kind == PUBLIC_IP_AUTO &&
		    addr_is_zero(&m->enis[slots[i].eni].addrs[slots[i].k].public_ip))
			public_automatic(b, &taken, &slots[i], &next);
	free(slots);
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
	struct eni *eni = &b->m->enis[eni_index];
	uint32_t n = entry_count(s, "address"), k = 0;

	/* A NAT gateway knows how many it has. */
	if (eni->owner != ENI_OF_NAT_GATEWAY)
		eni->n_addrs = n ? n : 1;
	eni->addrs = build_array(b, eni->n_addrs, eni->addrs);
	for_each_entry(en, s, "address")
	{
		if (k == eni->n_addrs)
			break;
		if (strcmp(en->value, "auto") == 0)
			eni->addrs[k].automatic = true;
		else
			private_write(b, taken, eni_index, k, en);
		k++;
	}
	for (; k < eni->n_addrs; k++)
		eni->addrs[k].automatic = true;
	build_quota(b, s, s->loc, "PrivateIpAddressLimitExceeded", n, b->m->quotas.addresses_per_eni,
		    "addresses-per-eni");
}

/* Address k is what a line says; it stays zero only after an error. */
static void private_write(struct build *b, struct keymap *taken, uint32_t eni_index, uint32_t k, const struct entry *en)
{
	const struct section *s = b->eni_sections[eni_index];
	struct eni *eni = &b->m->enis[eni_index];
	const struct subnet *sub = eni->subnet == NONE ? NULL : &b->m->subnets[eni->subnet];
	char text[ADDR_STRLEN], where[PLACE_STRLEN];
	uint32_t owner;
	struct addr a;

	if (value_address(en->value, &a, NULL) < 0 || !sub || sub->vpc == NONE || !sub->cidr.family ||
	    !private_is_legal(b, s, en, sub, &a))
		return;
	if (take_private(b, taken, eni_index, &a)) {
		eni->addrs[k].addr = a;
		return;
	}
	owner = (uint32_t)keymap_get(taken, &(struct vpc_addr){ sub->vpc, a }, sizeof(struct vpc_addr));
	section_error(b, s, en->loc, "InvalidIPAddress.InUse",
		      "choose another one, or take the line out for an automatic one",
		      "address %s is taken by %s %s (%s)", addr_format(&a, text), b->eni_sections[owner]->kind,
		      b->eni_sections[owner]->name, place_text(b->eni_sections[owner]->loc, where));
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

static const struct entry *entry_nth(const struct section *s, const char *key, uint32_t n)
{
	const struct entry *en = entry_first(s, key);

	for (; en && n; n--)
		en = entry_next(s, key, en);
	return en;
}

static bool is_address(const struct entry *en)
{
	return en && strcmp(en->value, "auto") != 0;
}

/* What automatic address k is remembered by. The addresses of a NAT gateway move up when a line before them goes: what
 * tells them apart is their public address, or which one of those with nothing written they are. */
static const char *private_key(const struct build *b, const struct eni *eni, uint32_t k, char buf[128])
{
	const struct section *s = b->eni_sections[eni - b->m->enis];
	const struct entry *public_ip = entry_nth(s, "public-ip", k);
	unsigned before = 0;

	for (uint32_t i = 0; i < k; i++)
		before += !is_address(entry_nth(s, "public-ip", i)) && !is_address(entry_nth(s, "address", i));
	if (eni->owner == ENI_OF_NAT_GATEWAY && is_address(public_ip))
		snprintf(buf, 128, "private/%.40s/%.40s", eni->obj.name, public_ip->value);
	else if (before)
		snprintf(buf, 128, "private/%.40s/%u", eni->obj.name, before + 1);
	else
		str_copy(stpcpy(buf, "private/"), 128 - sizeof("private/"), eni->obj.name);
	return buf;
}

static void private_remember(struct build *b, const struct eni *eni, uint32_t k)
{
	char key[128];

	registry_addr_set(b->reg, private_key(b, eni, k, key), &eni->addrs[k].addr);
}

/* What the lab gave before, if it is still free and still fits the subnet. */
static bool private_remembered(struct build *b, struct keymap *taken, struct eni *eni, uint32_t k)
{
	const struct subnet *sub = eni->subnet == NONE ? NULL : &b->m->subnets[eni->subnet];
	char key[128];
	struct addr a;
	uint64_t at;

	if (!sub || registry_addr_get(b->reg, private_key(b, eni, k, key), &a) < 0 || !prefix_contains(&sub->cidr, &a))
		return false;
	at = offset_in(&sub->cidr, &a);
	if (at < RESERVED_FIRST || at >= prefix_size(&sub->cidr) - RESERVED_LAST ||
	    !take_private(b, taken, (uint32_t)(eni - b->m->enis), &a))
		return false;
	eni->addrs[k].addr = a;
	private_remember(b, eni, k);
	return true;
}

/* next: by subnet, the lowest offset that may be free. */
static void private_automatic(struct build *b, struct keymap *taken, struct eni *eni, uint32_t k, uint64_t *next)
{
	const struct section *s = b->eni_sections[eni - b->m->enis];
	const struct subnet *sub = eni->subnet == NONE ? NULL : &b->m->subnets[eni->subnet];
	uint64_t *at = sub ? &next[eni->subnet] : NULL, size;
	char cidr[PREFIX_STRLEN];

	if (!sub || sub->vpc == NONE || !sub->cidr.family)
		return;
	size = prefix_size(&sub->cidr);
	if (*at < RESERVED_FIRST)
		*at = RESERVED_FIRST;
	for (; *at < size - RESERVED_LAST; (*at)++) {
		struct addr a = addr_add(&sub->cidr.addr, *at);

		if (!take_private(b, taken, (uint32_t)(eni - b->m->enis), &a))
			continue;
		eni->addrs[k].addr = a;
		private_remember(b, eni, k);
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
static int public_wish(struct build *b, struct slot *slot)
{
	const struct section *s = b->eni_sections[slot->eni];
	const struct eni *eni = &b->m->enis[slot->eni];
	const struct entry *en = entry_nth(s, "public-ip", slot->k);
	struct public_ip_text *ret = &slot->wish;
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
		section_error(b, s, en->loc, build_no_igw(b),
			      "add an [internet-gateway NAME] with its vpc, or take the line out",
			      "public-ip needs an internet gateway, and vpc %s has none", vpc->obj.name);
	return ret->kind = PUBLIC_IP_NONE;
}

static void public_explicit(struct build *b, struct keymap *taken, const struct slot *slot)
{
	const struct section *s = b->eni_sections[slot->eni];
	struct src_loc loc = entry_nth(s, "public-ip", slot->k)->loc;
	struct eni_addr *ea = &b->m->enis[slot->eni].addrs[slot->k];
	const struct addr *a = &slot->wish.addr;
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
	if (keymap_put(taken, &ea->public_ip, sizeof(ea->public_ip), slot->eni))
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

static void public_automatic(struct build *b, struct keymap *taken, const struct slot *slot, uint32_t *next)
{
	const struct section *s = b->eni_sections[slot->eni];
	struct eni_addr *ea = &b->m->enis[slot->eni].addrs[slot->k];
	char key[128];
	uint32_t v4;

	while ((v4 = pool_addr((*next)++))) {
		struct addr a = addr_from_v4(v4);

		if (!public_is_free(b, taken, &a))
			continue;
		ea->public_ip = a;
		keymap_put(taken, &ea->public_ip, sizeof(a), slot->eni);
		registry_addr_set(b->reg, public_key(b, slot, key), &a);
		return;
	}
	(*next)--;
	section_error(b, s, s->loc, "InsufficientAddressCapacity", "write public-ip = ADDRESS",
		      "203.0.113.0/24 and 198.18.0.0/15 have no free public address left");
}

/* The address belongs to a private one of an interface: with that it goes. */
static const char *public_key(const struct build *b, const struct slot *slot, char buf[128])
{
	const struct eni *eni = &b->m->enis[slot->eni];
	char text[ADDR_STRLEN];

	snprintf(buf, 128, "public/%.40s/%s", eni->obj.name, addr_format(&eni->addrs[slot->k].addr, text));
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
