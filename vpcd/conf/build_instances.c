/* build_instances.c: instances, NAT gateways, hosts, and the interfaces they have. Pure.
 * Interfaces come in file order: automatic addresses are given in it. semantics 4.1, 5.1, 7. */
#include <stdio.h>
#include <string.h>
#include "conf/build_ctx.h"
#include "util/str.h"

enum { ENIS_MAX = 15 /* of one instance: the largest types of semantics 7 */, DEVICE_INDEX_MAX = 31 };

static void build_instance(struct build *b, const struct section *s, uint32_t index);
static void build_nat_gateway(struct build *b, const struct section *s, uint32_t index);
static struct eni *eni_new(struct build *b, const struct section *s, enum eni_owner owner, uint32_t owner_index);
static void build_interface(struct build *b, const struct section *s);
static void attach_interfaces(struct build *b);
static void eni_groups(struct build *b, const struct section *s, struct eni *eni);
static void eni_policy(struct build *b, const struct section *s, struct eni *eni);
static void nat_addresses(struct build *b, const struct section *s, const struct nat_gateway *nat);
static void nat_gateways_per_zone(struct build *b);
static void build_hosts(struct build *b);
static void host_addr(struct build *b, const struct section *s, struct host *h);
static void workload(struct build *b, const struct section *s, struct workload *w);

void build_instances(struct build *b)
{
	struct model *m = b->m;
	size_t n = b->by_kind[KIND_INSTANCE].n, n_nat = b->by_kind[KIND_NAT_GATEWAY].n;
	size_t n_further = b->by_kind[KIND_INTERFACE].n;

	m->instances = build_array(b, n, m->instances);
	m->n_instances = (uint32_t)n;
	m->nat_gateways = build_array(b, n_nat, m->nat_gateways);
	m->n_nat_gateways = (uint32_t)n_nat;
	m->enis = build_array(b, n + n_nat + n_further, m->enis);
	b->eni_sections = xcalloc(n + n_nat + n_further, sizeof(*b->eni_sections));
	keymap_reserve(&b->names[KIND_INTERFACE], n + n_nat + n_further);
	for (uint32_t i = 0, j = 0, k = 0; i < n || j < n_nat || k < n_further;) {
		const struct section *inst = build_section_of(b, KIND_INSTANCE, i);
		const struct section *nat = build_section_of(b, KIND_NAT_GATEWAY, j);
		const struct section *further = build_section_of(b, KIND_INTERFACE, k);

		if (inst && (!nat || inst < nat) && (!further || inst < further))
			build_instance(b, inst, i++);
		else if (nat && (!further || nat < further))
			build_nat_gateway(b, nat, j++);
		else
			build_interface(b, further), k++;
	}
	attach_interfaces(b);
	nat_gateways_per_zone(b);
	build_hosts(b);
}

static void build_instance(struct build *b, const struct section *s, uint32_t index)
{
	struct instance *inst = &b->m->instances[index];
	struct eni *eni = eni_new(b, s, ENI_OF_INSTANCE, index);

	build_obj(b, KIND_INSTANCE, "i", s, &inst->obj);
	inst->enis = arena_alloc(b->a, sizeof(*inst->enis));
	inst->enis[0] = (uint32_t)(eni - b->m->enis);
	inst->n_enis = 1;
	eni->source_dest_check = entry_bool(s, "source-dest-check", true);
	eni_groups(b, s, eni);
	workload(b, s, &inst->work);
}

static void build_nat_gateway(struct build *b, const struct section *s, uint32_t index)
{
	struct nat_gateway *nat = &b->m->nat_gateways[index];
	struct eni *eni = eni_new(b, s, ENI_OF_NAT_GATEWAY, index);
	const struct entry *connectivity = entry_first(s, "connectivity"), *public_ip = entry_first(s, "public-ip");
	uint32_t vpc = eni->subnet == NONE ? NONE : b->m->subnets[eni->subnet].vpc;

	build_obj(b, KIND_NAT_GATEWAY, "nat", s, &nat->obj);
	nat->eni = (uint32_t)(eni - b->m->enis);
	nat->is_public = !connectivity || strcmp(connectivity->value, "private") != 0;
	nat_addresses(b, s, nat);
	if (!nat->is_public && public_ip)
		section_error(b, s, public_ip->loc, "InvalidParameterCombination", "take one of the two lines out",
			      "a NAT gateway with connectivity = private has no public-ip");
	if (nat->is_public && vpc != NONE && b->m->vpcs[vpc].igw == NONE)
		section_error(b, s, s->loc, build_no_igw(b),
			      "add an [internet-gateway NAME] with its vpc, or write connectivity = private",
			      "a public NAT gateway needs an internet gateway, and vpc %s has none",
			      b->m->vpcs[vpc].obj.name);
}

/* How many it has, each with its public one: as many as the longer list of lines; one without any. semantics 1.5, 4.1 */
static void nat_addresses(struct build *b, const struct section *s, const struct nat_gateway *nat)
{
	struct eni *eni = &b->m->enis[nat->eni];
	unsigned n = entry_count(s, "address"), n_public = nat->is_public ? entry_count(s, "public-ip") : 0;

	if (n < n_public)
		n = n_public;
	if (n > NAT_ADDRS_MAX)
		section_error(b, s, s->loc, "PrivateIpAddressLimitExceeded", "add a second NAT gateway",
			      "%u addresses are more than the %d a NAT gateway can have", n, NAT_ADDRS_MAX);
	else if (nat->is_public && n)
		build_quota(b, s, s->loc, "AddressLimitExceeded", n, b->m->quotas.public_ips_per_nat_gateway,
			    "public-ips-per-nat-gateway");
	eni->n_addrs = !n ? 1 : n > NAT_ADDRS_MAX ? NAT_ADDRS_MAX : n;
}

/* Whose it is, is known when all instances are. */
static void build_interface(struct build *b, const struct section *s)
{
	struct eni *eni = eni_new(b, s, ENI_OF_INSTANCE, NONE);

	eni->source_dest_check = entry_bool(s, "source-dest-check", true);
	eni_groups(b, s, eni);
}

static bool index_is_free(const struct build *b, const struct instance *inst, uint32_t index, uint32_t *ret_eni)
{
	for (uint32_t i = 0; i < inst->n_enis; i++)
		if (b->m->enis[inst->enis[i]].device_index == index) {
			*ret_eni = inst->enis[i];
			return false;
		}
	return true;
}

/* The one an interface names, when it may have it: semantics 7, one zone. NONE otherwise. */
static uint32_t interface_instance(struct build *b, const struct section *s, const struct eni *eni)
{
	uint32_t i = build_key_ref(b, s, "instance", KIND_INSTANCE), first;
	const struct entry *index = entry_first(s, "index");
	const struct model *m = b->m;
	const struct subnet *here, *there;

	if (index && !entry_first(s, "instance"))
		section_error(b, s, index->loc, "InvalidParameterCombination",
			      "add instance = NAME, or take the line out",
			      "index says which one of an instance it is, and it has none");
	if (i == NONE)
		return NONE;
	first = m->enis[m->instances[i].enis[0]].subnet;
	if (first == NONE || eni->subnet == NONE)
		return NONE;
	here = &m->subnets[eni->subnet];
	there = &m->subnets[first];
	if (here->vpc != there->vpc && here->vpc != NONE && there->vpc != NONE)
		section_error(b, s, entry_first(s, "instance")->loc, "InvalidParameterCombination",
			      "an interface and its instance are in one VPC",
			      "instance %s is in vpc %s, the interface in vpc %s", m->instances[i].obj.name,
			      m->vpcs[there->vpc].obj.name, m->vpcs[here->vpc].obj.name);
	else if (strcmp(here->zone, there->zone) != 0)
		section_error(b, s, entry_first(s, "instance")->loc, "InvalidParameterCombination",
			      "an interface and its instance are in one zone; the subnets may differ",
			      "instance %s is in zone %s, the interface in zone %s", m->instances[i].obj.name,
			      there->zone, here->zone);
	return i;
}

static void attach(struct build *b, const struct section *s, uint32_t eni_index, uint32_t *owners)
{
	const struct entry *en = entry_first(s, "index");
	struct eni *eni = &b->m->enis[eni_index];
	struct instance *inst;
	uint32_t index = 1, other;
	char where[PLACE_STRLEN];

	if (owners[eni_index] == NONE)
		return;
	inst = &b->m->instances[owners[eni_index]];
	if (en && value_check(VALUE_COUNT, NULL, en->value, NULL) < 0)
		return; /* has been reported */
	if (en && str_to_u32(en->value, 1, DEVICE_INDEX_MAX, &index) < 0) {
		section_error(b, s, en->loc, "InvalidParameterValue", "take the line out, or choose another index",
			      "index %s is more than %d", en->value, DEVICE_INDEX_MAX);
		return;
	}
	while (!index_is_free(b, inst, index, &other) && !en)
		index++;
	if (!index_is_free(b, inst, index, &other)) {
		section_error(b, s, en->loc, "InvalidParameterValue", "take the line out, or choose another index",
			      "index %u of instance %s is taken by %s (%s)", index, inst->obj.name,
			      b->m->enis[other].obj.name, place_text(b->m->enis[other].obj.loc, where));
		return;
	}
	if (inst->n_enis == ENIS_MAX) {
		section_error(b, s, s->loc, "AttachmentLimitExceeded", "give it to another instance",
			      "instance %s has %d interfaces, and no type takes more", inst->obj.name, ENIS_MAX);
		return;
	}
	eni->owner_index = owners[eni_index];
	eni->device_index = index;
	if (inst->n_enis == 1) /* most have one */
		inst->enis = memcpy(arena_alloc(b->a, ENIS_MAX * sizeof(*inst->enis)), inst->enis, sizeof(*inst->enis));
	other = inst->n_enis++;
	for (; b->m->enis[inst->enis[other - 1]].device_index > index; other--)
		inst->enis[other] = inst->enis[other - 1];
	inst->enis[other] = eni_index;
}

static int cmp_u32(const void *x, const void *y)
{
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;

	return (a > b) - (a < b);
}

/* Those that name their index first; the others take the lowest free ones, in file order. */
static void attach_interfaces(struct build *b)
{
	struct model *m = b->m;
	uint32_t *owners = xcalloc((size_t)m->n_enis + 1, sizeof(*owners));

	for (uint32_t i = 0; i < m->n_enis; i++) {
		bool further = m->enis[i].owner == ENI_OF_INSTANCE && m->enis[i].owner_index == NONE;

		owners[i] = further ? interface_instance(b, b->eni_sections[i], &m->enis[i]) : NONE;
	}
	for (int named = 1; named >= 0; named--)
		for (uint32_t i = 0; i < m->n_enis; i++)
			if (owners[i] != NONE && (entry_first(b->eni_sections[i], "index") != NULL) == named)
				attach(b, b->eni_sections[i], i, owners);
	free(owners);
}

/* Seconds; 0: not given. schema_check() has judged the range. */
static uint32_t timer_key(const struct section *s, const char *key)
{
	const struct entry *en = entry_first(s, key);
	uint32_t n = 0;

	if (en && str_to_u32(en->value, 1, UINT32_MAX, &n) < 0)
		n = 0;
	return n;
}

static struct eni *eni_new(struct build *b, const struct section *s, enum eni_owner owner, uint32_t owner_index)
{
	uint32_t i = b->m->n_enis++;
	struct eni *eni = &b->m->enis[i];
	char key[64];

	b->eni_sections[i] = s;
	eni->owner = owner;
	eni->owner_index = owner_index;
	eni->obj.name = arena_strdup(b->a, s->name);
	eni->obj.id = arena_strdup(b->a, registry_id(b->reg, "eni", s->name));
	eni->obj.origin = s->origin;
	eni->obj.loc = build_loc(b, s->loc);
	str_copy(stpcpy(key, "eni/"), sizeof(key) - sizeof("eni/"), s->name);
	eni->obj.number = build_number(b, KIND_PORT, key, s->loc);
	eni->subnet = build_key_ref(b, s, "subnet", KIND_SUBNET);
	eni->tcp_established_s = timer_key(s, "tcp-established-timeout");
	eni->udp_s = timer_key(s, "udp-timeout");
	eni->udp_stream_s = timer_key(s, "udp-stream-timeout");
	keymap_put_str(&b->names[KIND_INTERFACE], eni->obj.name, i);
	return eni;
}

static void eni_groups(struct build *b, const struct section *s, struct eni *eni)
{
	struct model *m = b->m;
	uint32_t vpc = eni->subnet == NONE ? NONE : m->subnets[eni->subnet].vpc;
	uint32_t own = vpc == NONE ? NONE : m->vpcs[vpc].default_group;
	const struct entry *first = entry_first(s, "security-groups");
	size_t words = 1;

	for_each_entry(en, s, "security-groups") words += strlen(en->value) / 2 + 1;
	eni->groups = arena_alloc(b->a, words * sizeof(*eni->groups));
	for_each_entry(en, s, "security-groups")
	{
		_cleanup_free_ char *copy = xstrdup(en->value);
		char *p = copy;

		for (char *word; (word = schema_next_word(&p));) {
			uint32_t g =
				strcmp(word, "default") == 0 ? own : build_ref(b, s, en, word, KIND_SECURITY_GROUP);
			bool twice = false;

			if (g == NONE)
				continue;
			for (uint32_t i = 0; i < eni->n_groups; i++)
				twice |= eni->groups[i] == g;
			if (twice)
				section_error(b, s, en->loc, "InvalidParameterValue", "name it once",
					      "security group %s is given twice", word);
			else if (vpc != NONE && m->security_groups[g].vpc != NONE && m->security_groups[g].vpc != vpc)
				section_error(b, s, en->loc, "InvalidGroup.NotFound",
					      "an instance uses groups of its own VPC",
					      "security group %s belongs to vpc %s, the instance to vpc %s", word,
					      m->vpcs[m->security_groups[g].vpc].obj.name, m->vpcs[vpc].obj.name);
			else
				eni->groups[eni->n_groups++] = g;
		}
	}
	if (!first && own != NONE)
		eni->groups[eni->n_groups++] = own;
	qsort(eni->groups, eni->n_groups, sizeof(*eni->groups), cmp_u32);
	if (first)
		build_quota(b, s, first->loc, "SecurityGroupsPerInterfaceLimitExceeded", eni->n_groups,
			    m->quotas.groups_per_eni, "groups-per-eni");
	eni_policy(b, s, eni);
}

static int cmp_name(const void *x, const void *y)
{
	return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static const char *group_name(const struct build *b, const struct eni *eni, uint32_t i)
{
	return b->m->security_groups[eni->groups[i]].obj.name;
}

static char *policy_key(const struct build *b, const struct eni *eni)
{
	const char **names = xcalloc(eni->n_groups, sizeof(*names));
	struct strbuf key = { 0 };

	for (uint32_t i = 0; i < eni->n_groups; i++)
		names[i] = group_name(b, eni, i);
	qsort(names, eni->n_groups, sizeof(*names), cmp_name);
	for (uint32_t i = 0; i < eni->n_groups; i++) {
		strbuf_adds(&key, i ? "+" : "");
		strbuf_adds(&key, names[i]);
	}
	free(names);
	return strbuf_take(&key);
}

/* A set of groups is known by its sorted names: equal sets share a policy. */
static void eni_policy(struct build *b, const struct section *s, struct eni *eni)
{
	_cleanup_free_ char *key = eni->n_groups > 1 ? policy_key(b, eni) : NULL;

	if (eni->n_groups)
		eni->policy = build_number(b, KIND_POLICY, key ? key : group_name(b, eni, 0), s->loc);
}

static void nat_gateways_per_zone(struct build *b)
{
	const struct model *m = b->m;
	struct keymap zones = { 0 };
	uint32_t *counts = xcalloc(m->n_nat_gateways, sizeof(*counts));

	for (uint32_t i = 0; i < m->n_nat_gateways; i++) {
		uint32_t subnet = m->enis[m->nat_gateways[i].eni].subnet;
		const struct section *s = build_section_of(b, KIND_NAT_GATEWAY, i);
		uint64_t zone;

		if (subnet == NONE)
			continue;
		keymap_put_str(&zones, m->subnets[subnet].zone, i);
		zone = keymap_get_str(&zones, m->subnets[subnet].zone);
		if (++counts[zone] == m->quotas.nat_gateways_per_zone + (uint64_t)1)
			build_quota(b, s, s->loc, "NatGatewayLimitExceeded", counts[zone],
				    m->quotas.nat_gateways_per_zone, "nat-gateways-per-zone");
	}
	free(counts);
	keymap_done(&zones);
}

static void build_hosts(struct build *b)
{
	const struct section_list *l = &b->by_kind[KIND_HOST];
	struct keymap by_addr = { 0 };
	struct model *m = b->m;
	char where[PLACE_STRLEN], text[ADDR_STRLEN], key[64];

	m->hosts = build_array(b, l->n, m->hosts);
	m->n_hosts = (uint32_t)l->n;
	for (uint32_t i = 0; i < m->n_hosts; i++) {
		const struct section *s = l->v[i];
		struct host *h = &m->hosts[i], *other;

		build_obj(b, KIND_HOST, "host", s, &h->obj);
		snprintf(key, sizeof(key), "host/%.40s", s->name);
		h->port = build_number(b, KIND_PORT, key, s->loc);
		workload(b, s, &h->work);
		host_addr(b, s, h);
		if (addr_is_zero(&h->addr) || keymap_put(&by_addr, &h->addr, sizeof(h->addr), i))
			continue;
		other = &m->hosts[keymap_get(&by_addr, &h->addr, sizeof(h->addr))];
		section_error(b, s, entry_first(s, "address")->loc, "InvalidIPAddress.InUse",
			      "give each host its own address", "address %s belongs to host %s (%s)",
			      addr_format(&h->addr, text), other->obj.name, place_text(other->obj.loc, where));
	}
	keymap_done(&by_addr);
}

static void host_addr(struct build *b, const struct section *s, struct host *h)
{
	const struct entry *en = entry_first(s, "address");
	char text[ADDR_STRLEN], cidr[PREFIX_STRLEN];
	struct prefix p;
	uint32_t v4;

	if (!en || value_address(en->value, &h->addr, NULL) < 0)
		return;
	p = prefix_of(&h->addr, 32);
	v4 = addr_to_v4(&h->addr);
	addr_format(&h->addr, text);
	if (v4 >> 24 == 0 || v4 >> 24 == 127 || v4 >> 16 == 0xa9fe || v4 >> 28 >= 0xe)
		section_error(b, s, en->loc, "InvalidParameterValue", "use one like 198.51.100.7",
			      "address %s is no address of the internet", text);
	else if (prefix_is_rfc1918(&p) || prefix_is_rfc6598(&p))
		section_warning(
			b, s, en->loc, "InvalidParameterValue", "use one like 198.51.100.7",
			"address %s is a private one: internet gateways take nothing from it and send nothing to it",
			text);
	for (uint32_t v = 0; v < b->m->n_vpcs; v++)
		for (uint32_t i = 0; i < b->m->vpcs[v].n_cidrs; i++)
			if (prefix_contains(&b->m->vpcs[v].cidrs[i], &h->addr))
				section_warning(
					b, s, en->loc, "InvalidParameterValue", "use one like 198.51.100.7",
					"address %s lies in %s of vpc %s: nothing in that VPC can reach the host", text,
					prefix_format(&b->m->vpcs[v].cidrs[i], cidr), b->m->vpcs[v].obj.name);
}

static void workload(struct build *b, const struct section *s, struct workload *w)
{
	size_t n = 0;

	for_each_entry(en, s, "listen") n += strlen(en->value) / 2 + 1;
	w->listen = arena_alloc(b->a, n * sizeof(*w->listen));
	for_each_entry(en, s, "listen")
	{
		_cleanup_free_ char *copy = xstrdup(en->value);
		char *p = copy;

		for (char *word; (word = schema_next_word(&p));) {
			struct listen_spec spec;
			bool twice = false;

			if (value_listen(word, &spec, NULL) < 0)
				continue;
			for (uint32_t i = 0; i < w->n_listen; i++)
				twice |= w->listen[i].proto == spec.proto && w->listen[i].port == spec.port;
			if (twice)
				section_error(b, s, en->loc, "InvalidParameterValue", "name it once",
					      "listen: %s is given twice", word);
			else
				w->listen[w->n_listen++] = spec;
		}
	}
	w->run = arena_alloc(b->a, entry_count(s, "run") * sizeof(*w->run));
	for_each_entry(en, s, "run") w->run[w->n_run++] = arena_strdup(b->a, en->value);
}
