/* lint_sources.c: rules of security groups about packets that nothing can bring. Pure.
 *
 * What comes to an interface has its source from its own VPC; from a peered one, when a route there leads here; from
 * the internet, when there is a gateway, which lets no private address in (semantics 3.1); or, where some
 * interface's source check is off, from anywhere. Replies to what an interface has sent are not asked for a rule. Of
 * a peered VPC's group a rule knows the members only on the way over the connection, so it takes a route at the
 * sender's side: for inbound rules there, for outbound ones here. */
#include <stdio.h>
#include "path/lint.h"

static void group_check(const struct model *m, const struct security_group *g, enum rule_dir dir, const bool *carried,
			struct diag_list *l);

void lint_sources(const struct model *m, const bool *carried, struct diag_list *l)
{
	for (uint32_t i = 0; i < m->n_security_groups; i++)
		for (enum rule_dir dir = RULE_IN; dir <= RULE_OUT; dir++)
			group_check(m, &m->security_groups[i], dir, carried, l);
}

static bool overlaps_vpc(const struct vpc *v, const struct prefix *p)
{
	for (uint32_t i = 0; i < v->n_cidrs; i++)
		if (prefix_overlaps(&v->cidrs[i], p))
			return true;
	return false;
}

/* Does a table of VPC from send packets for VPC to into the connection between them? */
static bool leads_over(const struct model *m, uint32_t from, uint32_t to)
{
	uint32_t pcx = model_peering_of(m, from, to);

	for (uint32_t i = 0; i < m->n_route_tables && pcx != NONE; i++) {
		const struct route_table *t = &m->route_tables[i];

		for (uint32_t k = 0; k < t->n_routes && t->vpc == from; k++)
			if (t->routes[k].target == TARGET_PCX && t->routes[k].target_index == pcx &&
			    !t->routes[k].blackhole && overlaps_vpc(&m->vpcs[to], &t->routes[k].dst))
				return true;
	}
	return false;
}

static bool some_source_is_free(const struct model *m, uint32_t vpc)
{
	for (uint32_t i = 0; i < m->n_enis; i++)
		if (m->enis[i].owner == ENI_OF_INSTANCE && !m->enis[i].source_dest_check && model_eni_vpc(m, i) == vpc)
			return true;
	return false;
}

static bool can_come_from(const struct model *m, uint32_t vpc, const struct prefix *p)
{
	if (overlaps_vpc(&m->vpcs[vpc], p) || some_source_is_free(m, vpc))
		return true;
	if (m->vpcs[vpc].igw != NONE && !prefix_is_rfc1918(p) && !prefix_is_rfc6598(p))
		return true;
	for (uint32_t i = 0; i < m->n_vpcs; i++)
		if (i != vpc && overlaps_vpc(&m->vpcs[i], p) && leads_over(m, i, vpc))
			return true;
	return false;
}

static bool source_can_come(const struct model *m, uint32_t vpc, const struct model_rule *r)
{
	const struct prefix_list *list;

	if (r->rule.peer_kind == PEER_PREFIX)
		return can_come_from(m, vpc, &r->rule.peer);
	list = &m->prefix_lists[r->peer_index];
	for (uint32_t i = 0; i < list->n_entries; i++)
		if (can_come_from(m, vpc, &list->entries[i]))
			return true;
	return !list->n_entries;
}

/* Where groups are of two VPCs, these are peered: the file would be refused else. */
static void reference_check(const struct model *m, const struct security_group *g, enum rule_dir dir,
			    const struct model_rule *r, struct diag_list *l)
{
	const struct security_group *named = &m->security_groups[r->peer_index];
	uint32_t from = dir == RULE_IN ? named->vpc : g->vpc, to = dir == RULE_IN ? g->vpc : named->vpc;
	char text[160], fix[200];

	if (from == to || leads_over(m, from, to))
		return;
	snprintf(fix, sizeof(fix), "give a route table of VPC %s a route to VPC %s via pcx:%s, or take the rule out",
		 m->vpcs[from].obj.name, m->vpcs[to].obj.name, m->peerings[model_peering_of(m, from, to)].obj.name);
	diag_add(l, SEV_WARNING, r->loc, "never-matches", fix,
		 "security-group %s: \"%s\" can never match: no route of VPC %s leads to VPC %s", g->obj.name,
		 rule_format(&r->rule, text, sizeof(text)), m->vpcs[from].obj.name, m->vpcs[to].obj.name);
}

static void group_check(const struct model *m, const struct security_group *g, enum rule_dir dir, const bool *carried,
			struct diag_list *l)
{
	for (uint32_t i = 0; i < g->dir[dir].n; i++) {
		const struct model_rule *r = &g->dir[dir].v[i];
		char text[160];

		if (!r->loc.line)
			continue;
		if (r->rule.peer_kind == PEER_GROUP) {
			if (carried[r->peer_index]) /* else lint_rules.c has said so */
				reference_check(m, g, dir, r, l);
		} else if (dir == RULE_IN && !source_can_come(m, g->vpc, r)) {
			diag_add(
				l, SEV_WARNING, r->loc, "never-matches",
				"take the rule out, or name a range that packets come from",
				"security-group %s: \"%s\" can never match: no gateway, no peered VPC and no instance without source check brings a packet from there into VPC %s",
				g->obj.name, rule_format(&r->rule, text, sizeof(text)), m->vpcs[g->vpc].obj.name);
		}
	}
}
