/* build_vpc.c: VPCs and what frames them: CIDRs, subnets, gateways, and the heads of route tables,
 * network ACLs and groups, with those AWS makes by itself. Pure. semantics 1, 2.1. */
#include <stdio.h>
#include <string.h>
#include "conf/build_ctx.h"

enum { CIDR_LEN_MIN = 16, CIDR_LEN_MAX = 28 };
/* Every VPC has one main or default of each. */
struct head {
	enum obj_kind kind;
	const char *key, *id_prefix, *implicit_name, *quota, *quota_code;
};

static void vpc_cidrs(struct build *b, const struct section *s, struct vpc *vpc);
static bool cidr_is_refused(struct build *b, const struct section *s, const struct entry *en, const struct prefix *p);
static const char *secondary_trouble(const struct vpc *vpc, const struct prefix *p);
static bool cidr_size_is_legal(struct build *b, const struct section *s, const struct entry *en, const struct prefix *p,
			       const char *code);
static struct obj *head_obj(struct build *b, enum obj_kind kind, uint32_t i, uint32_t **ret_vpc, bool **ret_default);
static void build_head(struct build *b, const struct head *h, uint32_t *n);
static uint32_t *vpc_default(struct vpc *vpc, enum obj_kind kind);
static void subnet_cidr(struct build *b, const struct section *s, struct subnet *sub);
static uint32_t subnet_owned(struct build *b, const struct section *s, const struct subnet *sub, const char *key,
			     enum obj_kind kind);
static void subnets_disjoint(struct build *b);

static struct prefix v4_prefix(uint32_t base, unsigned len)
{
	struct addr a = addr_from_v4(base);

	return prefix_of(&a, len);
}

/* Two texts may mean one range: host bits are zeroed. */
static void entry_twice(struct build *b, const struct section *s, const struct entry *en, const struct entry *first)
{
	char means[PREFIX_STRLEN + 40] = "", text[PREFIX_STRLEN], place[PLACE_STRLEN];
	bool host_bits = false;
	struct prefix p;

	if (prefix_parse(en->value, &p, &host_bits) == 0 && host_bits)
		snprintf(means, sizeof(means), " means %s (host bits are zeroed) and", prefix_format(&p, text));
	section_error(b, s, en->loc, "InvalidParameterValue", "take one of them out",
		      "entry %s%s is given twice, here and as %s (%s)", en->value, means, first->value,
		      place_text(first->loc, place));
}

void build_prefix_lists(struct build *b)
{
	const struct section_list *l = &b->by_kind[KIND_PREFIX_LIST];
	struct model *m = b->m;

	m->prefix_lists = build_array(b, l->n, m->prefix_lists);
	m->n_prefix_lists = (uint32_t)l->n;
	for (uint32_t i = 0; i < m->n_prefix_lists; i++) {
		const struct section *s = l->v[i];
		struct prefix_list *pl = &m->prefix_lists[i];
		struct keymap seen = { 0 };
		unsigned n = entry_count(s, "entry");

		build_obj(b, KIND_PREFIX_LIST, "pl", s, &pl->obj);
		pl->entries = build_array(b, n, pl->entries);
		for_each_entry(en, s, "entry")
		{
			struct prefix *p = &pl->entries[pl->n_entries];

			if (value_prefix(en->value, p, NULL) < 0)
				continue;
			if (!keymap_put(&seen, p, sizeof(*p), (uint64_t)(en - s->entries)))
				entry_twice(b, s, en, &s->entries[keymap_get(&seen, p, sizeof(*p))]);
			else
				pl->n_entries++;
		}
		keymap_done(&seen);
		build_quota(b, s, s->loc, "PrefixListMaxEntriesLimitExceeded", pl->n_entries,
			    m->quotas.prefix_list_entries, "prefix-list-entries");
	}
}

void build_vpcs(struct build *b)
{
	const struct section_list *l = &b->by_kind[KIND_VPC];
	struct model *m = b->m;

	m->vpcs = build_array(b, l->n, m->vpcs);
	m->n_vpcs = (uint32_t)l->n;
	for (uint32_t i = 0; i < m->n_vpcs; i++) {
		struct vpc *vpc = &m->vpcs[i];

		build_obj(b, KIND_VPC, "vpc", l->v[i], &vpc->obj);
		vpc->table_number = vpc->obj.number;
		vpc->main_table = vpc->default_nacl = vpc->default_group = vpc->igw = NONE;
		vpc->region = entry_first(l->v[i], "region") ? arena_strdup(b->a, entry_first(l->v[i], "region")->value)
							     : "us-east-1";
		vpc_cidrs(b, l->v[i], vpc);
	}
	if (l->n > m->quotas.vpcs)
		build_quota(b, l->v[m->quotas.vpcs], l->v[m->quotas.vpcs]->loc, "VpcLimitExceeded", m->n_vpcs,
			    m->quotas.vpcs, "vpcs");
}

void build_igws(struct build *b)
{
	const struct section_list *l = &b->by_kind[KIND_IGW];
	struct model *m = b->m;
	char where[PLACE_STRLEN], key[64];

	m->igws = build_array(b, l->n, m->igws);
	m->n_igws = (uint32_t)l->n;
	for (uint32_t i = 0; i < m->n_igws; i++) {
		const struct section *s = l->v[i];
		struct igw *igw = &m->igws[i];

		build_obj(b, KIND_IGW, "igw", s, &igw->obj);
		snprintf(key, sizeof(key), "igw/%.40s", s->name);
		igw->port = build_number(b, KIND_PORT, key, s->loc);
		snprintf(key, sizeof(key), "inet/%.40s", s->name);
		igw->inet_port = build_number(b, KIND_PORT, key, s->loc);
		igw->edge_table = NONE;
		igw->vpc = build_key_ref(b, s, "vpc", KIND_VPC);
		if (igw->vpc == NONE)
			continue;
		if (m->vpcs[igw->vpc].igw == NONE) {
			m->vpcs[igw->vpc].igw = i;
			continue;
		}
		section_error(b, s, s->loc, "Resource.AlreadyAssociated",
			      "a VPC has one internet gateway; take one of them out",
			      "vpc %s has the internet gateway %s (%s) already", m->vpcs[igw->vpc].obj.name,
			      m->igws[m->vpcs[igw->vpc].igw].obj.name,
			      place_text(m->igws[m->vpcs[igw->vpc].igw].obj.loc, where));
	}
	if (l->n > m->quotas.igws)
		build_quota(b, l->v[m->quotas.igws], l->v[m->quotas.igws]->loc, "InternetGatewayLimitExceeded",
			    m->n_igws, m->quotas.igws, "internet-gateways");
}

/* semantics 9.1. Says what AWS says: such a connection goes to the state "failed". */
static void peering_overlap(struct build *b, const struct section *s, const struct peering *p)
{
	const struct vpc *x = &b->m->vpcs[p->vpcs[0]], *y = &b->m->vpcs[p->vpcs[1]];
	char text_x[PREFIX_STRLEN], text_y[PREFIX_STRLEN];

	for (uint32_t i = 0; i < x->n_cidrs; i++)
		for (uint32_t k = 0; k < y->n_cidrs; k++) {
			if (!prefix_overlaps(&x->cidrs[i], &y->cidrs[k]))
				continue;
			section_error(
				b, s, entry_first(s, "peer-vpc")->loc, "VpcPeeringConnection.Failed",
				"VPCs with overlapping ranges cannot be peered, whichever part is meant; renumber one",
				"the connection would fail: %s of vpc %s overlaps %s of vpc %s",
				prefix_format(&y->cidrs[k], text_y), y->obj.name, prefix_format(&x->cidrs[i], text_x),
				x->obj.name);
			return;
		}
}

static void peering_checks(struct build *b, const struct section *s, uint32_t index, uint32_t *per_vpc)
{
	const struct peering *p = &b->m->peerings[index];
	const struct vpc *vpcs = b->m->vpcs;
	char where[PLACE_STRLEN];
	uint32_t twin;

	if (p->vpcs[0] == p->vpcs[1]) {
		section_error(b, s, entry_first(s, "peer-vpc")->loc, "InvalidParameterValue", "name another VPC",
			      "a VPC is not peered with itself");
		return;
	}
	twin = model_peering_of(b->m, p->vpcs[0], p->vpcs[1]);
	if (twin != index) {
		section_error(b, s, s->loc, "VpcPeeringConnectionAlreadyExists", "take one of the two out",
			      "vpc %s and vpc %s are peered already, by %s (%s)", vpcs[p->vpcs[0]].obj.name,
			      vpcs[p->vpcs[1]].obj.name, b->m->peerings[twin].obj.name,
			      place_text(b->m->peerings[twin].obj.loc, where));
		return;
	}
	peering_overlap(b, s, p);
	for (int i = 0; i < 2; i++)
		if (++per_vpc[p->vpcs[i]] == b->m->quotas.peerings_per_vpc + (uint64_t)1)
			build_quota(b, s, s->loc, "VpcPeeringConnectionsPerVpcLimitExceeded", per_vpc[p->vpcs[i]],
				    b->m->quotas.peerings_per_vpc, "peerings-per-vpc");
}

void build_peerings(struct build *b)
{
	const struct section_list *l = &b->by_kind[KIND_PEERING];
	struct model *m = b->m;
	uint32_t *per_vpc = xcalloc(m->n_vpcs + (size_t)1, sizeof(*per_vpc));
	char key[64];

	m->peerings = build_array(b, l->n, m->peerings);
	for (uint32_t i = 0; i < l->n; i++) {
		const struct section *s = l->v[i];
		struct peering *p = &m->peerings[m->n_peerings++];

		build_obj(b, KIND_PEERING, "pcx", s, &p->obj);
		snprintf(key, sizeof(key), "pcx/%.40s", s->name);
		p->ports[0] = build_number(b, KIND_PORT, key, s->loc);
		snprintf(key, sizeof(key), "pcx-peer/%.40s", s->name);
		p->ports[1] = build_number(b, KIND_PORT, key, s->loc);
		p->vpcs[0] = build_key_ref(b, s, "vpc", KIND_VPC);
		p->vpcs[1] = build_key_ref(b, s, "peer-vpc", KIND_VPC);
		if (p->vpcs[0] == NONE || p->vpcs[1] == NONE)
			continue;
		p->cross_region = strcmp(m->vpcs[p->vpcs[0]].region, m->vpcs[p->vpcs[1]].region) != 0;
		peering_checks(b, s, i, per_vpc);
	}
	free(per_vpc);
}

void build_owned(struct build *b)
{
	static const struct head tables = { KIND_ROUTE_TABLE,         "main", "rtb", "main", "route-tables-per-vpc",
					    "RouteTableLimitExceeded" };
	static const struct head nacls = { KIND_NACL, "default",       "acl",
					   "default", "nacls-per-vpc", "NetworkAclLimitExceeded" };
	static const struct head groups = { KIND_SECURITY_GROUP, "default", "sg",
					    "default",           "groups",  "SecurityGroupLimitExceeded" };
	struct model *m = b->m;

	m->route_tables = build_array(b, b->by_kind[KIND_ROUTE_TABLE].n + m->n_vpcs, m->route_tables);
	m->nacls = build_array(b, b->by_kind[KIND_NACL].n + m->n_vpcs, m->nacls);
	m->security_groups = build_array(b, b->by_kind[KIND_SECURITY_GROUP].n + m->n_vpcs, m->security_groups);
	build_head(b, &tables, &m->n_route_tables);
	build_head(b, &nacls, &m->n_nacls);
	build_head(b, &groups, &m->n_security_groups);
}

void build_subnets(struct build *b)
{
	const struct section_list *l = &b->by_kind[KIND_SUBNET];
	struct model *m = b->m;
	uint32_t *per_vpc = xcalloc(m->n_vpcs, sizeof(*per_vpc));

	m->subnets = build_array(b, l->n, m->subnets);
	m->n_subnets = (uint32_t)l->n;
	for (uint32_t i = 0; i < m->n_subnets; i++) {
		const struct section *s = l->v[i];
		struct subnet *sub = &m->subnets[i];
		const struct entry *zone = entry_first(s, "zone");

		build_obj(b, KIND_SUBNET, "subnet", s, &sub->obj);
		snprintf(sub->zone, sizeof(sub->zone), "%.7s", zone ? zone->value : "a");
		sub->vpc = build_key_ref(b, s, "vpc", KIND_VPC);
		sub->map_public_ip = entry_bool(s, "map-public-ip", false);
		sub->implicit_table = !entry_first(s, "route-table");
		sub->route_table = subnet_owned(b, s, sub, "route-table", KIND_ROUTE_TABLE);
		sub->nacl = subnet_owned(b, s, sub, "nacl", KIND_NACL);
		subnet_cidr(b, s, sub);
		if (sub->vpc == NONE)
			continue;
		if (++per_vpc[sub->vpc] == m->quotas.subnets_per_vpc + (uint64_t)1)
			build_quota(b, s, s->loc, "SubnetLimitExceeded", per_vpc[sub->vpc], m->quotas.subnets_per_vpc,
				    "subnets-per-vpc");
		if (sub->map_public_ip && m->vpcs[sub->vpc].igw == NONE)
			section_warning(b, s, entry_first(s, "map-public-ip")->loc, "Gateway.NotAttached",
					"add an [internet-gateway NAME] with its vpc",
					"map-public-ip has no effect: vpc %s has no internet gateway",
					m->vpcs[sub->vpc].obj.name);
	}
	subnets_disjoint(b);
	free(per_vpc);
}

static void vpc_cidrs(struct build *b, const struct section *s, struct vpc *vpc)
{
	unsigned n = entry_count(s, "cidr");

	vpc->cidrs = build_array(b, n, vpc->cidrs);
	for_each_entry(en, s, "cidr")
	{
		struct prefix p;
		const char *why = NULL;
		bool host_bits, clash = false;
		char a[PREFIX_STRLEN], c[PREFIX_STRLEN];

		if (value_prefix(en->value, &p, NULL) < 0 || !cidr_size_is_legal(b, s, en, &p, "InvalidVpc.Range") ||
		    cidr_is_refused(b, s, en, &p))
			continue;
		for (uint32_t i = 0; i < vpc->n_cidrs && !clash; i++) {
			clash = prefix_overlaps(&vpc->cidrs[i], &p);
			if (clash)
				section_error(b, s, en->loc, "InvalidVpc.Range", "choose a range apart from the others",
					      "cidr %s overlaps its cidr %s", prefix_format(&p, a),
					      prefix_format(&vpc->cidrs[i], c));
		}
		if (clash)
			continue;
		if (vpc->n_cidrs)
			why = secondary_trouble(vpc, &p);
		if (why)
			section_error(b, s, en->loc, "InvalidVpc.Range", why, "cidr %s cannot be added to %s",
				      prefix_format(&p, a), prefix_format(&vpc->cidrs[0], c));
		prefix_parse(en->value, &p, &host_bits);
		if (host_bits)
			section_warning(b, s, en->loc, "InvalidVpc.Range", "write it like that",
					"cidr %s has host bits: it means %s", en->value, prefix_format(&p, a));
		if (!why && !prefix_is_rfc1918(&p) && !prefix_is_rfc6598(&p))
			section_warning(
				b, s, en->loc, "InvalidVpc.Range",
				"use a range of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10",
				"cidr %s is outside RFC 1918 and RFC 6598: its instances cannot reach the real owners of these addresses",
				prefix_format(&p, a));
		vpc->cidrs[vpc->n_cidrs++] = p;
	}
	build_quota(b, s, s->loc, "CidrLimitExceeded", n, b->m->quotas.cidrs_per_vpc, "cidrs-per-vpc");
}

/* What AWS refuses outright. */
static bool cidr_is_refused(struct build *b, const struct section *s, const struct entry *en, const struct prefix *p)
{
	static const struct {
		uint32_t base;
		unsigned len;
		const char *what;
	} refused[] = {
		{ 0x00000000, 8, "0.0.0.0/8, \"this network\"" }, { 0x7f000000, 8, "127.0.0.0/8, loopback" },
		{ 0xa9fe0000, 16, "169.254.0.0/16, link-local" }, { 0xe0000000, 4, "224.0.0.0/4, multicast" },
		{ 0xf0000000, 4, "240.0.0.0/4, reserved" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct prefix r = v4_prefix(refused[i].base, refused[i].len);

		if (!prefix_overlaps(&r, p))
			continue;
		section_error(b, s, en->loc, "InvalidVpc.Range",
			      "use a range of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
			      "cidr %s is refused: it lies in %s", en->value, refused[i].what);
		return true;
	}
	return false;
}

/* semantics 1.1: what may join a VPC depends on the family of its primary range; the pieces kept
 * for AWS itself (10.0.0.0/16 beside 10.0.0.0/15, 172.31.0.0/16, 198.19.0.0/16) on every range. */
static const char *secondary_trouble(const struct vpc *vpc, const struct prefix *p)
{
	struct prefix ten = v4_prefix(0x0a000000, 8), ten16 = v4_prefix(0x0a000000, 16),
		      ten15 = v4_prefix(0x0a000000, 15);
	struct prefix seventeen = v4_prefix(0xac100000, 12), seventeen31 = v4_prefix(0xac1f0000, 16);
	struct prefix nineteen = v4_prefix(0xc0a80000, 16), bench = v4_prefix(0xc6130000, 16);
	const struct prefix *primary = &vpc->cidrs[0];

	if (prefix_covers(&bench, p) && !prefix_covers(&bench, primary))
		return "198.19.0.0/16 joins no VPC outside it";
	if (prefix_covers(&ten, primary)) {
		if (prefix_is_rfc1918(p) && !prefix_covers(&ten, p))
			return "a VPC in 10.0.0.0/8 takes no range of 172.16.0.0/12 or 192.168.0.0/16";
		for (uint32_t i = 0; i < vpc->n_cidrs; i++)
			if (prefix_covers(&ten15, &vpc->cidrs[i]) && prefix_covers(&ten16, p))
				return "a VPC with a range in 10.0.0.0/15 takes no further one of 10.0.0.0/16";
		return NULL;
	}
	if (prefix_covers(&seventeen, primary)) {
		if (prefix_is_rfc1918(p) && !prefix_covers(&seventeen, p))
			return "a VPC in 172.16.0.0/12 takes no range of 10.0.0.0/8 or 192.168.0.0/16";
		return prefix_covers(&seventeen31, p) ? "172.31.0.0/16 cannot be added" : NULL;
	}
	if (prefix_covers(&nineteen, primary)) {
		if (prefix_is_rfc1918(p) && !prefix_covers(&nineteen, p))
			return "a VPC in 192.168.0.0/16 takes no range of 10.0.0.0/8 or 172.16.0.0/12";
		return NULL;
	}
	return prefix_is_rfc1918(p) ? "a VPC outside RFC 1918 takes no range of RFC 1918" : NULL;
}

static bool cidr_size_is_legal(struct build *b, const struct section *s, const struct entry *en, const struct prefix *p,
			       const char *code)
{
	if (p->len >= CIDR_LEN_MIN && p->len <= CIDR_LEN_MAX)
		return true;
	section_error(b, s, en->loc, code, "use a length from /16 to /28", "cidr %s: the size /%u is %s", en->value,
		      p->len, p->len < CIDR_LEN_MIN ? "too large" : "too small");
	return false;
}

static struct obj *head_obj(struct build *b, enum obj_kind kind, uint32_t i, uint32_t **ret_vpc, bool **ret_default)
{
	struct model *m = b->m;

	switch (kind) {
	case KIND_ROUTE_TABLE:
		*ret_vpc = &m->route_tables[i].vpc;
		*ret_default = &m->route_tables[i].is_main;
		return &m->route_tables[i].obj;
	case KIND_NACL:
		*ret_vpc = &m->nacls[i].vpc;
		*ret_default = &m->nacls[i].is_default;
		return &m->nacls[i].obj;
	default:
		*ret_vpc = &m->security_groups[i].vpc;
		*ret_default = &m->security_groups[i].is_default;
		return &m->security_groups[i].obj;
	}
}

/* Those of the file, then one for each VPC that has no main or default one among them. */
static void build_head(struct build *b, const struct head *h, uint32_t *n)
{
	const struct section_list *l = &b->by_kind[h->kind];
	struct model *m = b->m;
	uint32_t *per_vpc = xcalloc(m->n_vpcs + (size_t)1, sizeof(*per_vpc)), *vpc, total = 0;
	uint32_t quota = h->kind == KIND_ROUTE_TABLE ? m->quotas.route_tables_per_vpc
			 : h->kind == KIND_NACL      ? m->quotas.nacls_per_vpc
						     : m->quotas.groups;
	char where[PLACE_STRLEN];
	struct obj *obj;
	bool *is_default;

	for (uint32_t i = 0; i < l->n; i++) {
		const struct section *s = l->v[i];
		uint32_t *of_vpc;

		obj = head_obj(b, h->kind, (*n)++, &vpc, &is_default);
		build_obj(b, h->kind, h->id_prefix, s, obj);
		*vpc = build_key_ref(b, s, "vpc", KIND_VPC);
		*is_default = entry_bool(s, h->key, false);
		if (*vpc == NONE)
			continue;
		/* Groups are counted over the lab, as AWS does over a region; the others a VPC. */
		total = h->kind == KIND_SECURITY_GROUP ? total + 1 : ++per_vpc[*vpc];
		if (total == quota + (uint64_t)1)
			build_quota(b, s, s->loc, h->quota_code, total, quota, h->quota);
		if (!*is_default)
			continue;
		of_vpc = vpc_default(&m->vpcs[*vpc], h->kind);
		if (*of_vpc == NONE) {
			*of_vpc = i;
		} else {
			uint32_t *other_vpc;
			bool *other_default;
			const struct obj *other = head_obj(b, h->kind, *of_vpc, &other_vpc, &other_default);

			section_error(b, s, entry_first(s, h->key)->loc, "Resource.AlreadyAssociated",
				      "a VPC has one; take the line out of one of them",
				      "%s %s (%s) is the %s one of vpc %s already", obj_kind_name(h->kind), other->name,
				      place_text(other->loc, where), h->key, m->vpcs[*vpc].obj.name);
		}
	}
	for (uint32_t v = 0; v < m->n_vpcs; v++) {
		uint32_t *of_vpc = vpc_default(&m->vpcs[v], h->kind);

		if (*of_vpc != NONE)
			continue;
		*of_vpc = (*n)++;
		obj = head_obj(b, h->kind, *of_vpc, &vpc, &is_default);
		build_implicit_obj(b, h->kind, h->id_prefix, v, h->implicit_name, obj);
		*vpc = v;
		*is_default = true;
	}
	free(per_vpc);
}

static uint32_t *vpc_default(struct vpc *vpc, enum obj_kind kind)
{
	return kind == KIND_ROUTE_TABLE ? &vpc->main_table
	       : kind == KIND_NACL      ? &vpc->default_nacl
					: &vpc->default_group;
}

static void subnet_cidr(struct build *b, const struct section *s, struct subnet *sub)
{
	const struct entry *en = entry_first(s, "cidr");
	const struct vpc *vpc = sub->vpc == NONE ? NULL : &b->m->vpcs[sub->vpc];
	char a[PREFIX_STRLEN], list[160] = "";
	struct prefix p;
	bool inside = false, host_bits;
	size_t n = 0;

	if (!en || value_prefix(en->value, &p, NULL) < 0 || !cidr_size_is_legal(b, s, en, &p, "InvalidSubnet.Range"))
		return;
	prefix_parse(en->value, &p, &host_bits);
	if (host_bits)
		section_warning(b, s, en->loc, "InvalidSubnet.Range", "write it like that",
				"cidr %s has host bits: it means %s", en->value, prefix_format(&p, a));
	for (uint32_t i = 0; vpc && i < vpc->n_cidrs; i++) {
		inside |= prefix_covers(&vpc->cidrs[i], &p);
		if (n < sizeof(list) - PREFIX_STRLEN)
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", i ? ", " : "",
					      prefix_format(&vpc->cidrs[i], a));
	}
	/* A VPC whose ranges are all in error says so itself. */
	if (vpc && vpc->n_cidrs && !inside)
		section_error(b, s, en->loc, "InvalidSubnet.Range", "choose a range inside it",
			      "cidr %s is not inside vpc %s (%s)", prefix_format(&p, a), vpc->obj.name, list);
	else
		sub->cidr = p;
}

/* The route table or NACL a subnet names, or its VPC's own one. */
static uint32_t subnet_owned(struct build *b, const struct section *s, const struct subnet *sub, const char *key,
			     enum obj_kind kind)
{
	const struct entry *en = entry_first(s, key);
	const struct model *m = b->m;
	uint32_t i, vpc, own = sub->vpc == NONE ? NONE : *vpc_default(&m->vpcs[sub->vpc], kind);

	if (!en || strcmp(en->value, "default") == 0)
		return own;
	i = build_ref(b, s, en, en->value, kind);
	if (i == NONE || sub->vpc == NONE)
		return i;
	vpc = kind == KIND_NACL ? m->nacls[i].vpc : m->route_tables[i].vpc;
	if (vpc == NONE || vpc == sub->vpc)
		return i;
	section_error(b, s, en->loc, schema_kind_get(kind)->not_found, "a subnet uses those of its own VPC",
		      "%s %s belongs to vpc %s, not to vpc %s", obj_kind_name(kind), en->value, m->vpcs[vpc].obj.name,
		      m->vpcs[sub->vpc].obj.name);
	return own;
}

static int subnet_cmp(const void *x, const void *y)
{
	const struct subnet *a = *(const struct subnet *const *)x, *b = *(const struct subnet *const *)y;
	int c = (a->vpc > b->vpc) - (a->vpc < b->vpc);

	if (c == 0)
		c = prefix_cmp(&a->cidr, &b->cidr);
	return c ? c : (a > b) - (a < b);
}

/* In the order of address and length, a range that overlaps an earlier one lies inside the last one
 * that stood free. */
static void subnets_disjoint(struct build *b)
{
	struct model *m = b->m;
	const struct subnet **v = xcalloc(m->n_subnets, sizeof(*v)), *outer = NULL;
	char x[PREFIX_STRLEN], y[PREFIX_STRLEN], where[PLACE_STRLEN];
	size_t n = 0;

	for (uint32_t i = 0; i < m->n_subnets; i++)
		if (m->subnets[i].cidr.family && m->subnets[i].vpc != NONE)
			v[n++] = &m->subnets[i];
	qsort(v, n, sizeof(*v), subnet_cmp);
	for (size_t i = 0; i < n; i++) {
		const struct subnet *late, *early;
		const struct section *s;

		if (!outer || outer->vpc != v[i]->vpc || !prefix_covers(&outer->cidr, &v[i]->cidr)) {
			outer = v[i];
			continue;
		}
		late = outer > v[i] ? outer : v[i];
		early = outer > v[i] ? v[i] : outer;
		s = build_section_of(b, KIND_SUBNET, (uint32_t)(late - m->subnets));
		section_error(
			b, s, entry_first(s, "cidr")->loc, "InvalidSubnet.Conflict",
			"choose ranges that do not overlap", "cidr %s conflicts with subnet %s (%s, %s)",
			prefix_format(&late->cidr, x), early->obj.name, prefix_format(&early->cidr, y),
			place_text(entry_first(build_section_of(b, KIND_SUBNET, (uint32_t)(early - m->subnets)), "cidr")
					   ->loc,
				   where));
	}
	free(v);
}
