/* oracle.c: the naive evaluator. Tests only. Every function restates a line of semantics 5 or 6;
 * none is meant to be quick. */
#include <stdlib.h>
#include <string.h>
#include "tests/support/oracle.h"

enum { ICMP = 1, TCP = 6, UDP = 17, ICMP6 = 58 };
enum { IDLE_TCP_S = 432000, IDLE_UDP_S = 30, IDLE_ICMP_S = 30, IDLE_OTHER_S = 600 };

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

/* ---- packets ---- */

void oracle_state_done(struct oracle_state *s)
{
	free(s->v);
	memset(s, 0, sizeof(*s));
}

static struct oracle_query query(const struct oracle_packet *p, const struct addr *peer,
				 const struct oracle_eni *peer_eni)
{
	struct oracle_query q = { .family = p->family, .peer = *peer, .proto = p->proto };

	if (peer_eni) {
		q.groups = peer_eni->groups;
		q.n_groups = peer_eni->n_groups;
	}
	if (p->proto == TCP || p->proto == UDP)
		q.port = p->dport;
	q.icmp_type = p->icmp_type;
	q.icmp_code = p->icmp_code;
	return q;
}

static bool same_addr(const struct addr *a, const struct addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Query and answer of one exchange have one type here. */
static unsigned echo_pair(const struct oracle_packet *p)
{
	unsigned t = p->icmp_type;

	if (p->proto == ICMP && (t == 0 || t == 8))
		return 8;
	if (p->proto == ICMP && t >= 13 && t <= 18)
		return t % 2 ? t : t - 1;
	if (p->proto == ICMP6 && (t == 128 || t == 129))
		return 128;
	return t;
}

/* Same connection, same way (back = false) or the other. */
static bool same_connection(const struct oracle_packet *a, const struct oracle_packet *b, bool back)
{
	if (a->proto != b->proto || a->family != b->family)
		return false;
	if (!same_addr(&a->src, back ? &b->dst : &b->src) || !same_addr(&a->dst, back ? &b->src : &b->dst))
		return false;
	if (a->proto == TCP || a->proto == UDP)
		return a->sport == (back ? b->dport : b->sport) && a->dport == (back ? b->sport : b->dport);
	if (a->proto == ICMP || a->proto == ICMP6) {
		if (a->icmp_id != b->icmp_id || echo_pair(a) != echo_pair(b) || a->icmp_code != b->icmp_code)
			return false;
		return back == (a->icmp_type != b->icmp_type);
	}
	return true;
}

static struct oracle_conn *find(struct oracle_state *s, uint32_t eni, const struct oracle_packet *p, bool inbound)
{
	for (size_t i = 0; i < s->n; i++) {
		struct oracle_conn *c = &s->v[i];

		if (c->eni == eni && s->now_s - c->seen_s < c->idle_s &&
		    same_connection(&c->first, p, c->inbound != inbound))
			return c;
	}
	return NULL;
}

static uint64_t idle_s(uint8_t proto)
{
	return proto == TCP                      ? IDLE_TCP_S
	       : proto == UDP                    ? IDLE_UDP_S
	       : proto == ICMP || proto == ICMP6 ? IDLE_ICMP_S
						 : IDLE_OTHER_S;
}

static void make(struct oracle_state *s, uint32_t eni, const struct oracle_packet *p, bool inbound)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 16;
		s->v = realloc(s->v, s->cap * sizeof(*s->v));
		if (!s->v)
			abort();
	}
	s->v[s->n++] = (struct oracle_conn){ eni, *p, inbound, s->now_s, idle_s(p->proto) };
}

/* A gate of groups: a connection admits, else a rule must. */
struct judged {
	bool allow;
	int rule;
	struct oracle_conn *conn; /* that admitted it */
	bool track;               /* it makes a connection if it arrives */
};
static struct judged judge_groups(struct oracle_state *s, const struct oracle_eni *eni, enum rule_dir dir,
				  const struct oracle_packet *p, const struct oracle_query *q)
{
	struct judged j = { .rule = -1, .conn = find(s, eni->number, p, dir == RULE_IN) };

	if (j.conn) {
		j.allow = true;
		return j;
	}
	j.rule = oracle_match(eni->rules.dir[dir], q);
	j.allow = j.rule >= 0;
	j.track = j.allow && !oracle_untracked(eni->rules.dir[dir], eni->rules.dir[!dir], q);
	return j;
}

struct oracle_verdict oracle_send(struct oracle_state *s, const struct oracle_eni *src, const struct oracle_eni *dst,
				  const struct oracle_packet *p)
{
	struct oracle_query out = query(p, &p->dst, dst), in = query(p, &p->src, src);
	struct oracle_verdict v = { .rule = { -1, -1, -1, -1, -1 } };
	struct judged at_src = judge_groups(s, src, RULE_OUT, p, &out), at_dst;

	v.rule[ORACLE_SG_OUT] = at_src.rule;
	v.tracked_out = at_src.conn != NULL;
	v.gate = ORACLE_SG_OUT;
	if (!at_src.allow)
		return v;
	if (src->subnet != dst->subnet) {
		int r = v.rule[ORACLE_NACL_OUT] = oracle_match(src->nacl.dir[RULE_OUT], &out);

		v.gate = ORACLE_NACL_OUT;
		if (r < 0 || !src->nacl.dir[RULE_OUT].v[r].rule->allow)
			return v;
		r = v.rule[ORACLE_NACL_IN] = oracle_match(dst->nacl.dir[RULE_IN], &in);
		v.gate = ORACLE_NACL_IN;
		if (r < 0 || !dst->nacl.dir[RULE_IN].v[r].rule->allow)
			return v;
	}
	at_dst = judge_groups(s, dst, RULE_IN, p, &in);
	v.rule[ORACLE_SG_IN] = at_dst.rule;
	v.tracked_in = at_dst.conn != NULL;
	v.gate = ORACLE_SG_IN;
	if (!at_dst.allow)
		return v;
	if (at_src.conn)
		at_src.conn->seen_s = s->now_s;
	if (at_dst.conn)
		at_dst.conn->seen_s = s->now_s;
	if (at_src.track)
		make(s, src->number, p, false);
	if (at_dst.track)
		make(s, dst->number, p, true);
	v.gate = ORACLE_NO_GATE;
	v.allow = true;
	return v;
}
