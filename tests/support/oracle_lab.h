/* oracle_lab.h: what becomes of one packet at one attachment point of a lab, by semantics 2-6 and 8 alone. Tests
 * only. It takes the parsed topology and shares nothing else with the product but names of gates. Every list is
 * searched from its beginning. */
#pragma once
#include "abi.h" /* names of gates */
#include "model/model.h"
#include "tests/support/oracle_conn.h"
#include "tests/support/oracle_place.h"

enum oracle_frag { ORACLE_WHOLE, ORACLE_FIRST, ORACLE_LATER };

/* A packet as its sender puts it on the wire. */
struct oracle_frame {
	struct oracle_flow flow; /* LATER: a and b are not read */
	uint8_t tcp_flags;
	uint32_t mac; /* port whose MAC it goes to; 0 = the router */
	enum oracle_frag frag;
	uint32_t frag_id, frag_off, bytes; /* bytes: of transport header and payload together */
	bool is_error;                     /* ICMP error about `about` */
	struct oracle_flow about;
};

enum oracle_how { ORACLE_BY_RULE, ORACLE_TRACKED, ORACLE_RELATED };
enum { ORACLE_AT_SG_OUT, ORACLE_AT_NACL_OUT, ORACLE_AT_ROUTE, ORACLE_AT_NACL_IN, ORACLE_AT_SG_IN, ORACLE_AT_MAX };
struct oracle_answer {
	bool allow;
	enum abi_gate gate; /* that denies */
	uint32_t gate_port; /* whose gate it is, conntrack only */
	uint32_t deny_rule; /* rule or route; 0 = implicit or none */
	uint32_t rule[ORACLE_AT_MAX];
	enum oracle_how how_out, how_in;
	uint32_t peer;          /* allowed: port that gets it */
	struct oracle_flow got; /* the flow as it arrives there */
};

struct oracle_lab;
/* six: every VPC has 2001:db8:V::/48, every interface 2001:db8:V::PORT beside its IPv4 addresses (V: number of the
 * VPC). m is the caller's. */
struct oracle_lab *oracle_lab_new(const struct model *m, bool six);
/* An edit: from now on it is this one. Connections stay. */
void oracle_lab_set(struct oracle_lab *o, const struct model *m);
void oracle_lab_free(struct oracle_lab **o);
struct oracle_answer oracle_lab_pass(struct oracle_lab *o, uint32_t port, const struct oracle_frame *p,
				     uint64_t now_ns);
struct oracle_conns *oracle_lab_conns(struct oracle_lab *o);
