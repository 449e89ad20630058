/* oracle.h: what AWS does, said as simply as it can be said, from semantics 5 and 6 alone. Slow and
 * plain on purpose; the product is judged by it and shares nothing with it but struct rule.
 *
 * Here one ruleset; oracle_conn.h has connections, oracle_lab.h whole packets in a lab. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "filters/rule.h"

/* A rule with its names resolved. Lower order: NACL rule number, or place in the file. */
struct oracle_rule {
	const struct rule *rule;
	uint32_t order;
	uint32_t group;            /* PEER_GROUP */
	const struct prefix *list; /* PEER_PREFIX_LIST */
	unsigned n_list;
};
struct oracle_rules {
	const struct oracle_rule *v;
	unsigned n;
};

/* What a rule can see of a packet. peer: source of what comes in, destination of what goes out. */
struct oracle_query {
	int family; /* 4, 6 */
	struct addr peer;
	const uint32_t *groups; /* of the peer; n_groups = 0: none, or lost on the way */
	unsigned n_groups;
	uint8_t proto;
	uint16_t port; /* TCP, UDP: destination port */
	uint8_t icmp_type, icmp_code;
};

/* Index of the deciding rule, -1 when none matches (implicit deny). */
int oracle_match(struct oracle_rules rules, const struct oracle_query *q);
/* Whether a flow that `rules` permits needs no tracking; `answers`: rules of the other direction. */
bool oracle_untracked(struct oracle_rules rules, struct oracle_rules answers, const struct oracle_query *q);
