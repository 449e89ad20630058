/* oracle.h: what AWS does, said as simply as it can be said, from semantics 5 and 6 alone. Slow and
 * plain on purpose; the product is judged by it and shares nothing with it but struct rule.
 *
 * Level 1, one ruleset: oracle_match, oracle_untracked.
 * Level 2, one packet from interface to interface, with a table of connections: oracle_send. */
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

/* ---- packets ---- */
struct oracle_policy {
	struct oracle_rules dir[2]; /* by enum rule_dir */
};
struct oracle_eni {
	uint32_t number;
	uint32_t subnet;
	const uint32_t *groups; /* numbers, for references by others */
	unsigned n_groups;
	struct oracle_policy rules; /* of all its groups together */
	struct oracle_policy nacl;  /* of its subnet */
};
struct oracle_packet {
	int family;
	struct addr src, dst;
	uint8_t proto;
	uint16_t sport, dport; /* TCP, UDP */
	uint8_t icmp_type, icmp_code;
	uint16_t icmp_id;
};
enum oracle_gate { ORACLE_NO_GATE, ORACLE_SG_OUT, ORACLE_NACL_OUT, ORACLE_NACL_IN, ORACLE_SG_IN };
struct oracle_verdict {
	bool allow;
	enum oracle_gate gate;        /* that denies */
	int rule[5];                  /* by gate: index in its rules, -1 implicit or not asked */
	bool tracked_out, tracked_in; /* admitted by a connection at the sender, at the receiver */
};
struct oracle_conn {
	uint32_t eni;
	struct oracle_packet first; /* the packet that made it, as it was */
	bool inbound;               /* it came in */
	uint64_t seen_s;
	uint64_t idle_s; /* gone after so many seconds of silence */
};
struct oracle_state {
	struct oracle_conn *v;
	size_t n, cap;
	uint64_t now_s;
};

void oracle_state_done(struct oracle_state *s);
/* One packet from src to dst, ENI to ENI, nothing between. Connections are made only by packets
 * that arrive. */
struct oracle_verdict oracle_send(struct oracle_state *s, const struct oracle_eni *src, const struct oracle_eni *dst,
				  const struct oracle_packet *p);
