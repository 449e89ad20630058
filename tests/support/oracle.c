/* oracle.c: one ruleset, naively. Tests only. Every function restates a line of semantics 5 or 6;
 * none is meant to be quick. */
#include "tests/support/oracle.h"

enum { ICMP = 1, TCP = 6, UDP = 17, ICMP6 = 58 };

/* Bit for bit; an IPv4 address and an IPv6 address never match each other's prefixes. */
static bool prefix_has(const struct prefix *p, int family, const struct addr *a)
{
	unsigned skip = family == 4 ? 96 : 0;

	if (p->family != family)
		return false;
	for (unsigned i = skip; i < skip + p->len; i++) {
		unsigned x = a->a.b[i / 8] >> (7 - i % 8) & 1, y = p->addr.a.b[i / 8] >> (7 - i % 8) & 1;

		if (x != y)
			return false;
	}
	return true;
}

static bool peer_matches(const struct oracle_rule *r, const struct oracle_query *q)
{
	if (r->rule->peer_kind == PEER_PREFIX)
		return prefix_has(&r->rule->peer, q->family, &q->peer);
	if (r->rule->peer_kind == PEER_PREFIX_LIST) {
		for (unsigned i = 0; i < r->n_list; i++)
			if (prefix_has(&r->list[i], q->family, &q->peer))
				return true;
		return false;
	}
	for (unsigned i = 0; i < q->n_groups; i++)
		if (q->groups[i] == r->group)
			return true;
	return false;
}

/* "With all or any number other than tcp/udp/icmp/icmpv6 all ports match"; ICMP over IPv6 and
 * ICMPv6 over IPv4 are such numbers. */
static bool traffic_matches(const struct rule *r, const struct oracle_query *q)
{
	if (r->proto == RULE_PROTO_ALL)
		return true;
	if (r->proto != q->proto)
		return false;
	if (q->proto == TCP || q->proto == UDP) {
		for (unsigned i = 0; i < r->n_ports; i++)
			if (q->port >= r->ports[i].lo && q->port <= r->ports[i].hi)
				return true;
		return r->n_ports == 0;
	}
	if ((q->proto == ICMP && q->family == 4) || (q->proto == ICMP6 && q->family == 6)) {
		if (r->icmp_type == -1)
			return true;
		return r->icmp_type == q->icmp_type && (r->icmp_code == -1 || r->icmp_code == q->icmp_code);
	}
	return true;
}

static bool rule_matches(const struct oracle_rule *r, const struct oracle_query *q)
{
	return peer_matches(r, q) && traffic_matches(r->rule, q);
}

int oracle_match(struct oracle_rules rules, const struct oracle_query *q)
{
	int best = -1;

	for (unsigned i = 0; i < rules.n; i++)
		if (rule_matches(&rules.v[i], q) && (best < 0 || rules.v[i].order < rules.v[best].order))
			best = (int)i;
	return best;
}

static bool peer_is_everything(const struct oracle_rule *r, int family)
{
	if (r->rule->peer_kind == PEER_PREFIX)
		return r->rule->peer.family == family && r->rule->peer.len == 0;
	if (r->rule->peer_kind == PEER_PREFIX_LIST)
		for (unsigned i = 0; i < r->n_list; i++)
			if (r->list[i].family == family && r->list[i].len == 0)
				return true;
	return false;
}

/* semantics 5.3: TCP or UDP; a permitting rule has everything as peer; in the other direction a rule
 * permits ports 0-65535 of the protocol to everything; each family for itself. */
bool oracle_untracked(struct oracle_rules rules, struct oracle_rules answers, const struct oracle_query *q)
{
	bool permitted = false, answered = false;

	if (q->proto != TCP && q->proto != UDP)
		return false;
	for (unsigned i = 0; i < rules.n; i++)
		if (rule_matches(&rules.v[i], q) && peer_is_everything(&rules.v[i], q->family))
			permitted = true;
	for (unsigned i = 0; i < answers.n; i++) {
		const struct rule *r = answers.v[i].rule;
		bool all_ports =
			r->proto == RULE_PROTO_ALL ||
			(r->proto == q->proto &&
			 (r->n_ports == 0 || (r->n_ports == 1 && r->ports[0].lo == 0 && r->ports[0].hi == 65535)));

		if (all_ports && peer_is_everything(&answers.v[i], q->family))
			answered = true;
	}
	return permitted && answered;
}
