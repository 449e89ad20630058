/* build_lab.c: settings of the lab, and expectations. Pure. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "abi.h"
#include "conf/build_ctx.h"
#include "filters/explain.h"
#include "model/flow.h"
#include "model/registry.h"
#include "model/uplink.h"
#include "util/str.h"

enum { CONNTRACK_ENTRIES_DEFAULT = 65536, RULES_PER_ENI_MAX = 1000 };

static void lab_name(struct build *b, const struct section *s, const char *name);
static void lab_quotas(struct build *b, const struct section *s);
static void expect_section(struct build *b, const struct section *s);
static void expect_object(struct build *b, const struct section *s, const struct entry *en,
			  const struct expect_text *x);

void build_lab(struct build *b, const char *name)
{
	static const char *const datapaths[] = {
		[DATAPATH_AUTO] = "auto",
		[DATAPATH_FAST] = "fast",
		[DATAPATH_KERNEL] = "kernel",
	};
	const struct section *s = build_section_of(b, KIND_LAB, 0);
	const struct entry *en;
	struct model *m = b->m;

	m->conntrack_entries = CONNTRACK_ENTRIES_DEFAULT;
	m->clock = 1;
	lab_name(b, s, name);
	lab_quotas(b, s);
	if (!s)
		return;
	en = entry_first(s, "datapath");
	for (size_t i = 0; en && i < ARRAY_SIZE(datapaths); i++)
		if (strcmp(datapaths[i], en->value) == 0)
			m->datapath = (enum datapath_mode)i;
	en = entry_first(s, "conntrack-entries");
	if (en)
		str_to_u32(en->value, 1, UINT32_MAX, &m->conntrack_entries);
	en = entry_first(s, "rule-table-entries");
	if (en)
		str_to_u32(en->value, 1, UINT32_MAX, &m->rule_table_entries);
	en = entry_first(s, "clock");
	if (en)
		value_clock(en->value, &m->clock);
	en = entry_first(s, "icmp-errors");
	m->strict_icmp = en && strcmp(en->value, "strict") == 0;
	en = entry_first(s, "nacl-fragments");
	m->strict_fragments = en && strcmp(en->value, "strict") == 0;
}

/* Behind instances and hosts, so that a lab with it numbers those as one without. */
void build_internet(struct build *b)
{
	const struct section *s = build_section_of(b, KIND_INTERNET, 0);
	struct model *m = b->m;

	if (!s || !entry_bool(s, "uplink", false))
		return;
	m->uplink.on = true;
	m->uplink.loc = build_loc(b, entry_first(s, "uplink")->loc);
	m->uplink.port = build_number(b, KIND_PORT, "internet/uplink", s->loc);
	if (registry_addr_get(b->reg, UPLINK_KEY, &m->uplink.addr) == 0)
		return;
	m->uplink.addr = uplink_addr(m->name, 0);
	registry_addr_set(b->reg, UPLINK_KEY, &m->uplink.addr);
}

void build_zones(struct build *b)
{
	const struct section *s = build_section_of(b, KIND_LAB, 0);
	const struct entry *en = s ? entry_first(s, "zones-down") : NULL;
	struct model *m = b->m;
	char *p = en ? arena_strdup(b->a, en->value) : NULL;
	size_t max = en ? strlen(en->value) / 2 + 1 : 0;

	m->zones_down = arena_alloc(b->a, max * sizeof(*m->zones_down));
	for (char *word; p && (word = schema_next_word(&p));) {
		bool known = false;

		for (uint32_t i = 0; i < m->n_subnets; i++)
			known |= model_zone_is(m, i, word);
		if (known)
			m->zones_down[m->n_zones_down++] = word;
		else
			diag_add(b->diags, SEV_ERROR, en->loc, "InvalidParameterValue",
				 "name the zone of a subnet: a, or with its region us-east-1a",
				 "zones-down: no subnet is in zone \"%.80s\"", word);
	}
}

void build_expects(struct build *b)
{
	const struct section_list *l = &b->by_kind[KIND_EXPECT];
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		n += l->v[i]->n;
	b->m->expects = arena_alloc(b->a, n * sizeof(*b->m->expects));
	for (size_t i = 0; i < l->n; i++)
		expect_section(b, l->v[i]);
}

static void lab_name(struct build *b, const struct section *s, const char *name)
{
	struct src_loc loc = { .file = b->doc->file, .line = b->doc->file ? 1 : 0 };

	if (s && *s->name)
		name = s->name; /* schema_check() has judged it */
	else if (!name)
		diag_add(b->diags, SEV_ERROR, loc, "InvalidTopology.Name", "add a section [lab NAME]",
			 "the lab has no name, and the file's name is none a lab can have");
	else if (schema_name_is_reserved(name))
		diag_add(b->diags, SEV_ERROR, loc, "InvalidTopology.Name", "add a section [lab NAME] with another one",
			 "lab: the name \"%s\" is reserved", name);
	else if (!str_is_name(name))
		diag_add(b->diags, SEV_ERROR, loc, "InvalidTopology.Name", "add a section [lab NAME]",
			 "lab: \"%.80s\" is no legal name", name);
	b->m->name = arena_strdup(b->a, name ? name : "");
}

/* Of one interface no more than so many rules are applied: AWS grants both quotas only as far as that. */
static void interface_rules_check(struct build *b, const struct section *s, const struct entry *en)
{
	const struct quotas *q = &b->m->quotas;
	const uint32_t per_group = q->rules_per_group, groups = q->groups_per_eni;
	_cleanup_free_ char *fix = NULL;

	if (!en || per_group == UINT32_MAX || groups == UINT32_MAX || (uint64_t)per_group * groups <= RULES_PER_ENI_MAX)
		return;
	fix = per_group <= RULES_PER_ENI_MAX
		      ? xasprintf("set groups-per-eni=%u, or quotas = off", RULES_PER_ENI_MAX / per_group)
		      : xasprintf("set rules-per-group=%u, or quotas = off",
				  groups <= RULES_PER_ENI_MAX ? RULES_PER_ENI_MAX / groups : 1);
	section_error(b, s, en->loc, "RulesPerSecurityGroupLimitExceeded", fix,
		      "rules-per-group=%u with groups-per-eni=%u: %llu rules an interface, and AWS allows %d",
		      per_group, groups, (unsigned long long)per_group * groups, RULES_PER_ENI_MAX);
}

static void lab_quotas(struct build *b, const struct section *s)
{
	struct quotas *q = &b->m->quotas;
	const struct entry *raised = NULL; /* of the two that are multiplied */

	for (size_t i = 0; i < n_quota_rows; i++)
		*(uint32_t *)((char *)q + quota_rows[i].offset) = quota_rows[i].aws;
	if (!s)
		return;
	for_each_entry(en, s, "quotas")
	{
		_cleanup_free_ char *copy = xstrdup(en->value);
		char *p = copy;

		for (char *word; (word = schema_next_word(&p));) {
			struct quota_text t;

			if (value_quota(word, &t, NULL) < 0)
				continue;
			for (size_t i = 0; i < n_quota_rows; i++) {
				uint32_t *field = (uint32_t *)((char *)q + quota_rows[i].offset);

				if (t.kind == QUOTA_ALL_AWS)
					*field = quota_rows[i].aws;
				else if (t.kind == QUOTA_ALL_OFF)
					*field = UINT32_MAX;
				else if (t.quota == i)
					*field = t.value;
				if (t.kind == QUOTA_ONE && t.quota == i &&
				    (field == &q->rules_per_group || field == &q->groups_per_eni))
					raised = en;
			}
		}
	}
	interface_rules_check(b, s, raised);
}

static void expect_section(struct build *b, const struct section *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct entry *en = &s->entries[i];
		bool allow = strcmp(en->key, "allow") == 0;
		_cleanup_free_ char *copy = xstrdup(en->value);
		struct expect_text x;
		struct expect *ex;
		struct flow flow;
		struct err e = { 0 };

		if (value_expect(allow, copy, &x, NULL) < 0)
			continue;
		if (flow_parse(b->m, x.flow, &flow, &e) < 0) {
			if (e.code == -ENOENT && !e.aws[0])
				snprintf(e.aws, sizeof(e.aws), "InvalidInstanceID.NotFound");
			schema_add_error(b->diags, s, en, &e, NULL);
		}
		if (x.object)
			expect_object(b, s, en, &x);
		ex = &b->m->expects[b->m->n_expects++];
		ex->allow = allow;
		ex->flow = arena_strdup(b->a, x.flow);
		ex->at_leg = x.leg ? arena_strdup(b->a, x.leg) : NULL;
		ex->at_gate = x.gate ? arena_strdup(b->a, x.gate) : NULL;
		ex->at_object = x.object ? arena_strdup(b->a, x.object) : NULL;
		ex->loc = build_loc(b, en->loc);
	}
}

#define HAS_OBJECT(array, wanted) \
	({ \
		bool has_ = false; \
		for (uint32_t i_ = 0; i_ < b->m->n_##array && !has_; i_++) \
			has_ = obj_name_matches(b->m->array[i_].obj.name, wanted); \
		has_; \
	})

/* design 4: the object of a gate is the NACL, the route table, the gateway, or the ENI. */
static void expect_object(struct build *b, const struct section *s, const struct entry *en, const struct expect_text *x)
{
	enum obj_kind kind;
	bool there;

	switch (gate_by_name(x->gate)) {
	case ABI_GATE_NACL_OUT:
	case ABI_GATE_NACL_IN:
		kind = KIND_NACL;
		there = HAS_OBJECT(nacls, x->object);
		break;
	case ABI_GATE_ROUTE:
		kind = KIND_ROUTE_TABLE;
		there = HAS_OBJECT(route_tables, x->object);
		break;
	case ABI_GATE_IGW:
		kind = KIND_IGW;
		there = HAS_OBJECT(igws, x->object);
		break;
	case ABI_GATE_PEERING:
		kind = KIND_PEERING;
		there = HAS_OBJECT(peerings, x->object);
		break;
	case ABI_GATE_NAT:
		kind = KIND_NAT_GATEWAY;
		there = HAS_OBJECT(nat_gateways, x->object);
		break;
	case ABI_GATE_SOURCE_CHECK:
	case ABI_GATE_SG_OUT:
	case ABI_GATE_DEST_CHECK:
	case ABI_GATE_SG_IN:
	case ABI_GATE_CONNTRACK:
		kind = KIND_INTERFACE;
		there = HAS_OBJECT(enis, x->object);
		break;
	default: return;
	}
	if (!there)
		section_error(b, s, en->loc, "InvalidParameterValue",
			      "name the object the gate belongs to, or leave @… out",
			      "%s: the gate %s is never at \"%.80s\": there is no %s of that name", en->key, x->gate,
			      x->object, obj_kind_name(kind));
}
