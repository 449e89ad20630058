/* desired_policies.c: security groups and network ACLs as the compiled rows of the data path. Pure.
 *
 * A policy is a set of groups that some interface carries, or a network ACL that some subnet uses.
 * Those of groups stand in even slots, ACLs in odd ones, by number (desired.c). With nacl-fragments =
 * strict an ACL has a second slot: what is left of it for packets that carry no ports. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "filters/compile.h"
#include "plan/desired_ctx.h"
#include "util/mem.h"
#include "util/radix.h"
#include "util/str.h"

/* Everything here lives until all is compiled. */
struct work {
	const struct model *m;
	struct arena *arena;
	struct map_rows *rows;
	struct compile_members *members; /* whom the rules of one VPC may name */
	uint32_t n_members;
	struct fit *fit;
	uint64_t count_segs; /* left for those that do not fit */
};
struct found_rule {
	const struct model_rule *r;
	const char *owner;
};

static void vpc_policies(struct work *w, uint32_t vpc);
static void compile_groups(struct work *w, const struct eni *eni);
static void compile_nacl(struct work *w, const struct nacl *nacl, bool portless);
static void compile_both(struct work *w, struct compile_ruleset set[2], uint32_t slot);
static void compile_one(struct work *w, struct compile_ruleset *set, struct abi_ruleset *ret);
static void fill_rules(struct work *w, const struct found_rule *found, uint32_t n, struct compile_ruleset *ret);
static struct compile_members members_of(struct work *w, const struct eni *eni);
static bool *nacls_in_use(struct work *w);
static void sort_found(struct work *w, struct found_rule *found, uint32_t n);
static int u32_cmp(const void *a, const void *b);

void desired_policies(const struct model *m, struct map_rows *rows, struct fit *fit)
{
	struct work w = { .m = m, .arena = arena_new(), .rows = rows, .fit = fit, .count_segs = COMPILE_COUNT_SEGS };
	bool *used = nacls_in_use(&w);

	for (uint32_t i = 0; i < m->n_vpcs; i++)
		vpc_policies(&w, i);
	w.n_members = 0; /* an ACL knows addresses only */
	for (uint32_t i = 0; i < m->n_nacls; i++) {
		if (used[i])
			compile_nacl(&w, &m->nacls[i], false);
		if (used[i] && m->strict_fragments)
			compile_nacl(&w, &m->nacls[i], true);
	}
	arena_free(&w.arena);
}

/* Group references reach over a peering connection within a region: semantics 5.2. */
static bool sees_groups(const struct model *m, uint32_t vpc, uint32_t other)
{
	uint32_t pcx = vpc == other ? NONE : model_peering_of(m, vpc, other);

	return vpc == other || (pcx != NONE && !m->peerings[pcx].cross_region);
}

static void vpc_policies(struct work *w, uint32_t vpc)
{
	const struct model *m = w->m;
	/* Interfaces of the VPC and of its peers, one a policy. */
	uint32_t *of_policy, policy_max = 0;

	for (uint32_t i = 0; i < m->n_enis; i++)
		if (m->enis[i].policy > policy_max)
			policy_max = m->enis[i].policy;
	of_policy = arena_alloc(w->arena, ((size_t)policy_max + 1) * sizeof(*of_policy));
	memset(of_policy, 0xff, ((size_t)policy_max + 1) * sizeof(*of_policy)); /* NONE */
	for (uint32_t i = 0; i < m->n_enis; i++)
		if (m->enis[i].policy && sees_groups(m, vpc, model_eni_vpc(m, i)) &&
		    of_policy[m->enis[i].policy] == NONE)
			of_policy[m->enis[i].policy] = i;
	w->members = arena_alloc(w->arena, (size_t)policy_max * sizeof(*w->members));
	w->n_members = 0;
	for (uint32_t p = 1; p <= policy_max; p++)
		if (of_policy[p] != NONE)
			w->members[w->n_members++] = members_of(w, &m->enis[of_policy[p]]);
	for (uint32_t p = 1; p <= policy_max; p++)
		if (of_policy[p] != NONE && model_eni_vpc(m, of_policy[p]) == vpc)
			compile_groups(w, &m->enis[of_policy[p]]);
}

/* An interface's groups are one set of rules: any of them may allow (semantics 5.2). */
static void compile_groups(struct work *w, const struct eni *eni)
{
	const struct model *m = w->m;
	struct compile_ruleset set[2] = { { .nacl = false }, { .nacl = false } };
	struct strbuf names;

	strbuf_init(&names);
	for (uint32_t i = 0; i < eni->n_groups; i++)
		strbuf_addf(&names, "%s%s", i ? "+" : "", m->security_groups[eni->groups[i]].obj.name);
	for (int dir = RULE_IN; dir <= RULE_OUT; dir++) {
		struct found_rule *found;
		uint32_t n = 0;

		for (uint32_t i = 0; i < eni->n_groups; i++)
			n += m->security_groups[eni->groups[i]].dir[dir].n;
		found = arena_alloc(w->arena, n * sizeof(*found));
		n = 0;
		for (uint32_t i = 0; i < eni->n_groups; i++) {
			const struct security_group *g = &m->security_groups[eni->groups[i]];

			for (uint32_t k = 0; k < g->dir[dir].n; k++)
				found[n++] = (struct found_rule){ &g->dir[dir].v[k], g->obj.name };
		}
		sort_found(w, found, n);
		set[dir].name = arena_printf(w->arena, "security group%s %s, %s", eni->n_groups == 1 ? "" : "s",
					     names.s ? names.s : "", dir == RULE_IN ? "inbound" : "outbound");
		fill_rules(w, found, n, &set[dir]);
	}
	strbuf_done(&names);
	compile_both(w, set, policy_slot_groups(eni->policy));
}

/* portless: only the rules that look at neither ports nor ICMP types. */
static void compile_nacl(struct work *w, const struct nacl *nacl, bool portless)
{
	struct compile_ruleset set[2] = { { .nacl = true }, { .nacl = true } };

	for (int dir = RULE_IN; dir <= RULE_OUT; dir++) {
		const struct rule_list *list = &nacl->dir[dir];
		struct found_rule *found = arena_alloc(w->arena, list->n * sizeof(*found));
		uint32_t n = 0;

		for (uint32_t k = 0; k < list->n; k++)
			if (!portless || (!list->v[k].rule.n_ports && list->v[k].rule.icmp_type < 0))
				found[n++] = (struct found_rule){ &list->v[k], nacl->obj.name };
		set[dir].name = arena_printf(w->arena, "network ACL %s, %s", nacl->obj.name,
					     dir == RULE_IN ? "inbound" : "outbound");
		set[dir].star = nacl->star[dir];
		fill_rules(w, found, n, &set[dir]);
	}
	compile_both(w, set, portless ? policy_slot_fragments(nacl->obj.number) : policy_slot_nacl(nacl->obj.number));
}

static void compile_both(struct work *w, struct compile_ruleset set[2], uint32_t slot)
{
	struct abi_policy policy;

	memset(&policy, 0, sizeof(policy));
	for (int dir = RULE_IN; dir <= RULE_OUT; dir++)
		set[dir].table = ABI_TABLE_OF(slot, dir == RULE_OUT);
	set[RULE_IN].other = &set[RULE_OUT];
	set[RULE_OUT].other = &set[RULE_IN];
	compile_one(w, &set[RULE_IN], &policy.in);
	compile_one(w, &set[RULE_OUT], &policy.out);
	map_rows_add(w->rows, ABI_MAP_POLICIES, &slot, &policy);
}

/* What does not fit is noted, and the others are looked at, too. */
static void compile_one(struct work *w, struct compile_ruleset *set, struct abi_ruleset *ret)
{
	size_t before = w->rows->n;
	struct err e = { 0 };

	set->table_entries_max = w->m->rule_table_entries;
	set->count_segs = &w->count_segs;
	if (ruleset_compile(set, w->members, w->n_members, w->rows, ret, &e) < 0)
		diag_add(w->fit->diags, SEV_ERROR, e.loc, e.aws,
			 "set a higher rule-table-entries in [lab], or use fewer port ranges inside nested prefixes"
			 " or with groups that are combined in many ways",
			 "%s", e.msg);
	if (w->rows->n - before > w->fit->largest_rows) {
		w->fit->largest_rows = w->rows->n - before;
		snprintf(w->fit->largest, sizeof(w->fit->largest), "%s", set->name);
	}
}

/* found in the order that decides. What a class says holds the order of its rules, so that must not move when
 * another rule comes or goes: an ACL's rules have numbers; a group's rule has the lowest rule number from it to
 * the end. New rules get high numbers, so where one stands between others they keep theirs. What is
 * out of its turn shares the number of the next that is not, and counts down from it. */
static void fill_rules(struct work *w, const struct found_rule *found, uint32_t n, struct compile_ruleset *ret)
{
	const struct model *m = w->m;
	struct compile_rule *rules = arena_alloc(w->arena, n * sizeof(*rules));
	uint64_t lowest = UINT32_MAX, before = 0;

	for (uint32_t i = n; i-- > 0;) {
		const struct model_rule *r = found[i].r;
		struct compile_rule *c = &rules[i];

		c->rule = &r->rule;
		c->number = r->number;
		before = r->number < lowest ? 0 : before + 1;
		lowest = r->number < lowest ? r->number : lowest;
		c->order = r->rule.owner == RULE_OF_NACL ? r->rule.nacl_number : lowest << 32 | (UINT32_MAX - before);
		if (r->rule.peer_kind == PEER_GROUP && r->peer_index != NONE)
			c->group = m->security_groups[r->peer_index].obj.number;
		if (r->rule.peer_kind == PEER_PREFIX_LIST && r->peer_index != NONE) {
			c->prefixes = m->prefix_lists[r->peer_index].entries;
			c->n_prefixes = m->prefix_lists[r->peer_index].n_entries;
		}
		c->owner = found[i].owner;
		c->loc = r->loc;
	}
	ret->rules = rules;
	ret->n_rules = n;
}

static struct compile_members members_of(struct work *w, const struct eni *eni)
{
	uint32_t *groups = arena_alloc(w->arena, eni->n_groups * sizeof(*groups));

	for (uint32_t i = 0; i < eni->n_groups; i++)
		groups[i] = w->m->security_groups[eni->groups[i]].obj.number;
	qsort(groups, eni->n_groups, sizeof(*groups), u32_cmp);
	return (struct compile_members){ .number = eni->policy, .groups = groups, .n_groups = eni->n_groups };
}

static bool *nacls_in_use(struct work *w)
{
	bool *used = arena_alloc(w->arena, w->m->n_nacls * sizeof(*used));

	for (uint32_t i = 0; i < w->m->n_subnets; i++)
		used[w->m->subnets[i].nacl] = true;
	return used;
}

/* The rule of the lowest file line decides (design 4); what has no line comes last. */
static void sort_found(struct work *w, struct found_rule *found, uint32_t n)
{
	struct radix_item *by_place = arena_alloc(w->arena, 2 * (size_t)n * sizeof(*by_place));
	struct found_rule *unsorted = arena_memdup(w->arena, found, n * sizeof(*found));

	for (uint32_t i = 0; i < n; i++) {
		const struct model_rule *r = found[i].r;

		by_place[i] = (struct radix_item){ (uint64_t)(r->loc.line - 1) << 32 | r->order, i };
	}
	radix_sort(by_place, by_place + n, n);
	for (uint32_t i = 0; i < n; i++)
		found[i] = unsorted[by_place[i].index];
}

static int u32_cmp(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}
