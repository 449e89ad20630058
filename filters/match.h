/* match.h: which rule of a compiled ruleset decides. A fixed number of map lookups whatever the
 * number of rules. Compiles for BPF and host; the map functions come from world.h or maps.h. */
#pragma once
#include "filters/packet.h"
#ifndef __bpf__
#include "filters/world.h" /* BPF: bpf/maps.h, included before */
#endif

struct match_query {
	struct abi_addr peer;        /* the other end: destination outbound, source inbound */
	__u32 members;               /* the peer's group set; 0 = not known: groups do not match */
	__u8 family, proto;
	__u8 port[2];                /* be; abi_rule_key.port */
};

static __always_inline int proto_has_tables(__u8 family, __u8 proto)
{
	return proto == PKT_PROTO_TCP || proto == PKT_PROTO_UDP ||
	       proto == (family == 4 ? PKT_PROTO_ICMP : PKT_PROTO_ICMP6);
}

static __always_inline const struct abi_match *class_match(struct world *w, const struct abi_ruleset *rs, __u32 class,
							   const struct match_query *q)
{
	struct abi_rule_key key;
	const struct abi_match *m;

	__builtin_memset(&key, 0, sizeof(key));
	key.prefixlen = ABI_RULE_KEY_BITS + 16;
	key.table_hi = rs->table_hi;
	key.table_lo = rs->table_lo;
	key.class = class;
	key.family = q->family;
	key.proto = q->proto;
	if (proto_has_tables(q->family, q->proto)) {
		key.port[0] = q->port[0];
		key.port[1] = q->port[1];
		return map_get(w, rules, &key);
	}
	m = map_get(w, rules, &key);
	if (m)
		return m;
	key.proto = ABI_PROTO_OTHER;
	return map_get(w, rules, &key);
}

static __always_inline const struct abi_match *match_first(const struct abi_match *a, const struct abi_match *b)
{
	if (!a)
		return b;
	if (!b)
		return a;
	return b->order < a->order ? b : a;
}

/* The deciding rule, or NULL: none matches. */
static __always_inline const struct abi_match *ruleset_match(struct world *w, const struct abi_ruleset *rs,
							     const struct match_query *q)
{
	const struct abi_match *m, *other;
	__u32 class = ABI_CLASS_ANY, *found;

	if (rs->flags & ABI_RULESET_EMPTY)
		return NULL;
	if (rs->flags & ABI_RULESET_PREFIXES) {
		struct abi_lpm_key key;

		key.prefixlen = ABI_LPM_TABLE_BITS + 128;
		key.table_hi = rs->table_hi;
		key.table_lo = rs->table_lo;
		key.addr = q->peer;
		found = map_get(w, peers, &key);
		if (found)
			class = *found;
	}
	m = class_match(w, rs, class, q);
	if (rs->flags & ABI_RULESET_ANY_SPLIT && class != ABI_CLASS_ANY) {
		other = class_match(w, rs, ABI_CLASS_ANY, q);
		m = match_first(m, other);
	}
	if (rs->flags & ABI_RULESET_GROUPS && q->members) {
		struct abi_member_key key = { rs->table_hi, rs->table_lo, q->members };

		found = map_get(w, members, &key);
		if (found) {
			other = class_match(w, rs, *found, q);
			m = match_first(m, other);
		}
	}
	return m;
}
