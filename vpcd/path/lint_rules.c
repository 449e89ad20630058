/* lint_rules.c: rules against the rules they stand with: what is decided before they are asked, what
 * is said twice, what can never match. Pure. */
#include <stdio.h>
#include <string.h>
#include "path/lint.h"

enum { PROTO_TCP = 6, PROTO_UDP = 17, PORT_LAST = 65535, PIECES_MAX = 64 };

/* Ports that no rule has taken yet. */
struct ports_left {
	struct port_range v[PIECES_MAX];
	unsigned n;
};

static bool peer_covers(const struct model *m, const struct model_rule *a, const struct model_rule *b);
static bool match_covers(const struct model *m, const struct model_rule *a, const struct model_rule *b);
static void ports_take(struct ports_left *left, const struct rule *r);
static void nacl_check(const struct model *m, const struct nacl *n, enum rule_dir dir, struct diag_list *l);
static void group_check(const struct model *m, const struct security_group *g, enum rule_dir dir, struct diag_list *l);
static void members_check(const struct model *m, const struct security_group *g, enum rule_dir dir, const bool *carried,
			  struct diag_list *l);
static void own_subnet_check(const struct model *m, uint32_t nacl, enum rule_dir dir, struct diag_list *l);

void lint_rules(const struct model *m, const bool *carried, struct diag_list *l)
{
	for (enum rule_dir dir = RULE_IN; dir <= RULE_OUT; dir++) {
		for (uint32_t i = 0; i < m->n_nacls; i++) {
			nacl_check(m, &m->nacls[i], dir, l);
			own_subnet_check(m, i, dir, l);
		}
		for (uint32_t i = 0; i < m->n_security_groups; i++) {
			group_check(m, &m->security_groups[i], dir, l);
			members_check(m, &m->security_groups[i], dir, carried, l);
		}
	}
}

/* ---- who covers whom ---- */

static bool list_covers(const struct prefix_list *list, const struct prefix *p)
{
	for (uint32_t i = 0; i < list->n_entries; i++)
		if (prefix_covers(&list->entries[i], p))
			return true;
	return false;
}

static bool peer_covers(const struct model *m, const struct model_rule *a, const struct model_rule *b)
{
	const struct prefix_list *list;

	if (rule_peer_is_everything(&a->rule)) /* of its family; IPv6 does not run yet, so groups are IPv4 */
		return b->rule.peer_kind != PEER_PREFIX ? a->rule.peer.family == FAMILY_V4
							: a->rule.peer.family == b->rule.peer.family;
	if (a->rule.peer_kind == PEER_GROUP || b->rule.peer_kind == PEER_GROUP)
		return a->rule.peer_kind == b->rule.peer_kind && a->peer_index == b->peer_index;
	if (b->rule.peer_kind == PEER_PREFIX)
		return a->rule.peer_kind == PEER_PREFIX ? prefix_covers(&a->rule.peer, &b->rule.peer)
							: list_covers(&m->prefix_lists[a->peer_index], &b->rule.peer);
	if (a->rule.peer_kind == PEER_PREFIX_LIST && a->peer_index == b->peer_index)
		return true;
	list = &m->prefix_lists[b->peer_index];
	for (uint32_t i = 0; i < list->n_entries; i++)
		if (a->rule.peer_kind == PEER_PREFIX ? !prefix_covers(&a->rule.peer, &list->entries[i])
						     : !list_covers(&m->prefix_lists[a->peer_index], &list->entries[i]))
			return false;
	return list->n_entries > 0;
}

/* Everything but ports: protocol, ICMP type and code, peer. */
static bool match_covers(const struct model *m, const struct model_rule *a, const struct model_rule *b)
{
	const struct rule *x = &a->rule, *y = &b->rule;

	if (x->proto != RULE_PROTO_ALL && x->proto != y->proto)
		return false;
	if (x->proto == y->proto && x->icmp_type >= 0 &&
	    (x->icmp_type != y->icmp_type || (x->icmp_code >= 0 && x->icmp_code != y->icmp_code)))
		return false;
	return peer_covers(m, a, b);
}

static void ports_of(const struct rule *r, struct ports_left *ret)
{
	ret->n = 0;
	for (unsigned i = 0; i < r->n_ports; i++)
		ret->v[ret->n++] = r->ports[i];
	if (!ret->n)
		ret->v[ret->n++] = (struct port_range){ 0, PORT_LAST };
}

static void ports_take(struct ports_left *left, const struct rule *r)
{
	struct ports_left cut;

	ports_of(r, &cut);
	for (unsigned c = 0; c < cut.n; c++) {
		struct ports_left rest = { .n = 0 };

		for (unsigned i = 0; i < left->n; i++) {
			struct port_range p = left->v[i];

			if (cut.v[c].hi < p.lo || cut.v[c].lo > p.hi) {
				if (rest.n < PIECES_MAX)
					rest.v[rest.n++] = p;
				continue;
			}
			if (cut.v[c].lo > p.lo && rest.n < PIECES_MAX)
				rest.v[rest.n++] = (struct port_range){ p.lo, (uint16_t)(cut.v[c].lo - 1) };
			if (cut.v[c].hi < p.hi && rest.n < PIECES_MAX)
				rest.v[rest.n++] = (struct port_range){ (uint16_t)(cut.v[c].hi + 1), p.hi };
		}
		*left = rest;
	}
}

static bool covers(const struct model *m, const struct model_rule *a, const struct model_rule *b)
{
	struct ports_left left;

	if (!match_covers(m, a, b))
		return false;
	ports_of(&b->rule, &left);
	ports_take(&left, &a->rule);
	return left.n == 0;
}

/* ---- network ACLs: first match ---- */

static bool allows_everything(const struct rule *r)
{
	return r->allow && r->proto == RULE_PROTO_ALL && rule_peer_is_everything(r);
}

static const char *verb(const struct rule *r)
{
	return r->allow ? "allow" : "deny";
}

static void dead_rule_add(const struct model *m, const struct nacl *n, const struct model_rule *r,
			  const struct model_rule *by, bool single, bool opposite, struct diag_list *l)
{
	char text[160], other[160], fix[200];

	rule_format(&r->rule, text, sizeof(text));
	rule_format(&by->rule, other, sizeof(other));
	snprintf(fix, sizeof(fix), "remove it, or give it a number below %u", by->rule.nacl_number);
	if (!opposite)
		diag_add(l, SEV_WARNING, r->loc, "redundant-rule", "remove it",
			 "nacl %s: \"%s\" decides nothing: rule %u%s says so already", n->obj.name, text,
			 by->rule.nacl_number, single ? "" : " and those before it");
	else if (single && allows_everything(&by->rule))
		diag_add(l, SEV_WARNING, r->loc, "deny-behind-allow-all", fix,
			 "nacl %s: \"%s\" stands behind \"%s\", which lets everything pass", n->obj.name, text, other);
	else if (single && covers(m, r, by))
		diag_add(l, SEV_WARNING, r->loc, "contradictory-rules", fix,
			 "nacl %s: \"%s\" and \"%s\" match the same packets; the first one counts", n->obj.name, other,
			 text);
	else
		diag_add(l, SEV_WARNING, r->loc, "shadowed-rule", fix,
			 "nacl %s: \"%s\" is never asked: rule %u%s decides (%s) before it", n->obj.name, text,
			 by->rule.nacl_number, single ? "" : " with those before it", verb(&by->rule));
}

static void nacl_check(const struct model *m, const struct nacl *n, enum rule_dir dir, struct diag_list *l)
{
	for (uint32_t i = 1; i < n->dir[dir].n; i++) {
		const struct model_rule *r = &n->dir[dir].v[i], *by = NULL;
		struct ports_left left;
		bool single = false, opposite = false;

		if (!r->loc.line)
			continue;
		ports_of(&r->rule, &left);
		for (uint32_t k = 0; k < i && left.n; k++) {
			const struct model_rule *a = &n->dir[dir].v[k];
			unsigned was = left.n;
			struct port_range first = left.v[0];

			if (!match_covers(m, a, r))
				continue;
			ports_take(&left, &a->rule);
			if (left.n == was && (left.n == 0 || memcmp(&first, &left.v[0], sizeof(first)) == 0) && left.n)
				continue;
			by = a;
			opposite = opposite || a->rule.allow != r->rule.allow;
			single = covers(m, a, r);
		}
		if (!left.n && by)
			dead_rule_add(m, n, r, by, single, opposite, l);
	}
}

/* A prefix wholly inside the only subnet of the ACL: its packets never leave the subnet. */
static void own_subnet_check(const struct model *m, uint32_t nacl, enum rule_dir dir, struct diag_list *l)
{
	const struct nacl *n = &m->nacls[nacl];
	uint32_t subnet = NONE, users = 0;
	char text[160];

	for (uint32_t i = 0; i < m->n_subnets; i++) {
		if (m->subnets[i].nacl != nacl)
			continue;
		subnet = i;
		users++;
	}
	if (users != 1)
		return;
	for (uint32_t i = 0; i < n->dir[dir].n; i++) {
		const struct model_rule *r = &n->dir[dir].v[i];

		if (r->loc.line && prefix_covers(&m->subnets[subnet].cidr, &r->rule.peer))
			diag_add(
				l, SEV_WARNING, r->loc, "never-matches",
				"use a security group inside a subnet, or name another range",
				"nacl %s: \"%s\" never matches: subnet %s is the only one it guards, and packets within it meet no ACL",
				n->obj.name, rule_format(&r->rule, text, sizeof(text)), m->subnets[subnet].obj.name);
	}
}

/* ---- security groups: any match ---- */

static void group_check(const struct model *m, const struct security_group *g, enum rule_dir dir, struct diag_list *l)
{
	const struct rule_list *rules = &g->dir[dir];

	for (uint32_t i = 0; i < rules->n; i++) {
		const struct model_rule *r = &rules->v[i], *by = NULL;
		struct ports_left left;
		char text[160], other[160];

		if (!r->loc.line)
			continue;
		ports_of(&r->rule, &left);
		for (uint32_t k = 0; k < rules->n && left.n; k++) {
			const struct model_rule *a = &rules->v[k];

			/* Of two that cover each other the later one is needless. */
			if (k == i || !a->loc.line || !match_covers(m, a, r) || (k > i && covers(m, r, a)))
				continue;
			ports_take(&left, &a->rule);
			by = a;
		}
		if (left.n || !by)
			continue;
		diag_add(l, SEV_WARNING, r->loc, "redundant-rule", "remove it",
			 "security-group %s: \"%s\" adds nothing to \"%s\" (line %u)", g->obj.name,
			 rule_format(&r->rule, text, sizeof(text)), rule_format(&by->rule, other, sizeof(other)),
			 by->loc.line);
	}
}

static void members_check(const struct model *m, const struct security_group *g, enum rule_dir dir, const bool *carried,
			  struct diag_list *l)
{
	for (uint32_t i = 0; i < g->dir[dir].n; i++) {
		const struct model_rule *r = &g->dir[dir].v[i];
		char text[160];

		if (!r->loc.line || r->rule.peer_kind != PEER_GROUP || r->peer_index == NONE || carried[r->peer_index])
			continue;
		diag_add(l, SEV_WARNING, r->loc, "group-without-members",
			 "give the group to an instance (security-groups = …), or name another one",
			 "security-group %s: \"%s\" can never match: no interface carries group %s", g->obj.name,
			 rule_format(&r->rule, text, sizeof(text)), m->security_groups[r->peer_index].obj.name);
	}
}
