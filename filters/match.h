/* match.h: which rule of a compiled ruleset decides. A fixed number of map lookups whatever the
 * number of rules. Compiles for BPF and host; the map functions come from world.h or maps.h. */
#pragma once
#include "filters/packet.h"
#ifndef __bpf__
#include "filters/world.h" /* BPF: bpf/maps.h, included before */
#endif

struct match {
	__u64 order;
	__u32 rule;
	__u8 found, allow;
	__u8 untracked; /* groups: what it allows needs no state (semantics 5.3) */
	__u8 pad;
};
enum match_class { CLASS_ANY, CLASS_PREFIX, CLASS_BASE, CLASS_MEMBERS, CLASS_MAX };
struct match_query {
	struct abi_lpm_key key; /* addr is the other end: destination outbound, source inbound; else scratch */
	__u32 members;          /* the peer's group set; 0 = not known: groups do not match */
	__u8 family, proto;
	__u8 port[2]; /* be; TCP, UDP: destination port; ICMP: type, code */
	__u32 point;  /* of proto and port */
	__u32 pad;
	__u64 class[CLASS_MAX]; /* 0 = none */
	struct match m;         /* the answer */
};

/* 1 = first <= point. A difference instead of a comparison: the verifier would follow both ways of each
 * branch, and the asm keeps the compiler from making it one again. */
static __always_inline __u32 point_reaches(__u32 point, __u32 first)
{
	__u64 d = (__u64)point - first;

	asm volatile("" : "+r"(d));
	return (__u32)(d >> 63) ^ 1;
}

/* The last entry that begins at or below the point; 0 when none does. */
static __always_inline __u32 node_index(const struct abi_node *n, __u32 point)
{
	__u32 i = point_reaches(point, n->first[8]) << 3;

	i |= point_reaches(point, n->first[i | 4]) << 2;
	i |= point_reaches(point, n->first[i | 2]) << 1;
	return i | point_reaches(point, n->first[i | 1]);
}
_Static_assert(ABI_NODE_WIDTH == 16, "node_index halves four times");

/* Takes the class's match into q->m if it goes before what is there. 1: the class has one; 0: it has none;
 * -1: there is no such class (any more). */
PIECE class_match(struct world *w, struct match_query *q, __u64 class)
{
	if (!q)
		return -1;
	for (int level = 0; level < ABI_NODE_LEVELS; level++) {
		const struct abi_node *n = map_get(w, rules, &class);
		const struct abi_match *m;
		__u32 i;

		if (!n)
			return -1;
		i = node_index(n, q->point);
		if (!n->leaf) {
			class = n->child[i];
			continue;
		}
		if (q->point < n->first[i] || q->point > n->last[i])
			return 0;
		m = &n->match[i];
		if (!q->m.found || m->order < q->m.order) {
			q->m.found = 1;
			q->m.order = m->order;
			q->m.rule = m->rule;
			q->m.allow = m->flags & ABI_MATCH_ALLOW;
		}
		return 1;
	}
	return -1;
}

/* Ports count only where the family has them. */
static __always_inline void query_point_set(struct match_query *q)
{
	int has_ports = q->proto == PKT_PROTO_TCP || q->proto == PKT_PROTO_UDP ||
			q->proto == (q->family == 4 ? PKT_PROTO_ICMP : PKT_PROTO_ICMP6);

	q->point = (__u32)q->proto << ABI_POINT_PORT_BITS;
	if (has_ports)
		q->point |= (__u32)q->port[0] << 8 | q->port[1];
}

static __always_inline int answers_are_free(const struct abi_ruleset *rs, const struct match_query *q)
{
	__u32 bit = q->family == 4 ? ABI_RULESET_ANSWERS_TCP4 : ABI_RULESET_ANSWERS_TCP6;

	if (q->proto == PKT_PROTO_UDP)
		bit <<= 1;
	return (q->proto == PKT_PROTO_TCP || q->proto == PKT_PROTO_UDP) && rs->flags & bit;
}
_Static_assert(ABI_RULESET_ANSWERS_UDP4 == ABI_RULESET_ANSWERS_TCP4 << 1 &&
		       ABI_RULESET_ANSWERS_UDP6 == ABI_RULESET_ANSWERS_TCP6 << 1,
	       "bits side by side");

/* Which classes the peer has, into q->class. -1: the slot changed meanwhile. */
LEAF int classes_find(struct world *w, const struct abi_ruleset *rs, __u32 table, struct match_query *q)
{
	const int v6 = q->family != 4;
	const volatile __u64 *slot = &rs->any[v6];
	const __u64 any = *slot;
	struct abi_member_key key;

	q->class[CLASS_ANY] = any & ~ABI_ANY_NARROWER;
	q->class[CLASS_PREFIX] = q->class[CLASS_BASE] = q->class[CLASS_MEMBERS] = 0;
	if (any & ABI_ANY_NARROWER) {
		const struct abi_peer *p;

		q->key.prefixlen = ABI_LPM_TABLE_BITS + 128;
		q->key.table_hi = q->family;
		q->key.table_lo = table;
		p = map_get(w, peers, &q->key);
		if (p) {
			q->class[CLASS_PREFIX] = p->class;
			q->class[CLASS_BASE] = p->base;
		}
		if (p && p->any != ABI_ANY_OF_SLOT)
			q->class[CLASS_ANY] = p->any;
		else if (*slot != any)
			return -1;
	}
	if (rs->flags & ABI_RULESET_GROUPS && q->members) {
		const struct abi_member *m;

		key.table = table;
		key.members = q->members;
		m = map_get(w, members, &key);
		if (m)
			q->class[CLASS_MEMBERS] = m->class[v6];
	}
	return 0;
}

static __always_inline int ruleset_try(struct world *w, const struct abi_ruleset *rs, __u32 table,
				       struct match_query *q)
{
	q->m.found = q->m.untracked = 0;
	if (classes_find(w, rs, table, q))
		return -1;
	for (int i = 0; i < CLASS_MAX; i++) {
		int r = q->class[i] ? class_match(w, q, q->class[i]) : 0;

		if (r < 0)
			return r;
		if (r && i == CLASS_ANY)
			q->m.untracked = answers_are_free(rs, q);
	}
	return q->m.found;
}

/* Does a rule for everybody match where the packet in q is an answer to that port? q->m stays. */
PIECE ruleset_opens(struct world *w, const struct abi_ruleset *rs, __u32 table, struct match_query *q, __u32 port)
{
	struct match m;
	int r;

	if (!rs || !q)
		return 0;
	m = q->m;
	q->m.found = 0;
	q->point = (__u32)q->proto << ABI_POINT_PORT_BITS | port;
	r = classes_find(w, rs, table, q) ? -1 : q->class[CLASS_ANY] ? class_match(w, q, q->class[CLASS_ANY]) : 0;
	q->m = m;
	return r > 0;
}

/* 1: q->m is the deciding rule. 0: none matches. Rows are changed under way, in an order (plan/diff_maps.c) in
 * which a packet sees all of the old answer or all of the new one if nothing moved between two of its own lookups.
 * What did move shows: the slot says another thing than before, or a class is gone. Then all is there
 * for a second look. Failing that too, nothing matches. */
static __always_inline int ruleset_match(struct world *w, const struct abi_ruleset *rs, __u32 table,
					 struct match_query *q)
{
	int r = 0;

	query_point_set(q);
	for (int try = 0; try < 2; try++) {
		r = ruleset_try(w, rs, table, q);
		if (r >= 0)
			break;
	}
	return r > 0;
}
