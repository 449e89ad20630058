/* walk.h: the static path walk: what happens to a flow and to its reply, gate by gate, without a
 * packet. Runs the filter of room 2 (filters/world.h) over the tables compiled from the model, hop by hop.
 * Pure. design 4 (gates, reasons, JSON), semantics 8 (order), 16.1 (codes). */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "abi.h"
#include "model/flow.h"
#include "model/model.h"

enum walk_leg { LEG_FORWARD, LEG_RETURN };
/* An address that a NAT gateway is yet to choose among its own; eni NULL: it is known. */
struct addr_choice {
	const struct eni *eni; /* the model's */
	bool is_public;
};
struct walk_step {
	enum walk_leg leg;
	enum abi_gate gate;
	bool allow;
	const char *object;  /* NACL, route table, gateway or ENI name; NULL = none */
	const char *eni;     /* whose packet it is at this point */
	char rule_text[160]; /* "tcp 80,443 from 0.0.0.0/0", "100 allow …", "*", a route; "" = null (a group denial) */
	struct src_loc loc;  /* of the rule or route, or of the denying gate that had none to name; line 0 = none */
	uint32_t rule;       /* rule or route number; 0 = none */
	enum abi_reason reason;
	char reason_more[288]; /* e.g. the share of ports that would work; the groups of the ENI; may be "" */
	struct addr src, dst;  /* where a NAT gateway chooses: its first one */
	struct addr_choice src_any, dst_any;
	uint16_t sport, dport; /* host order; a range after a NAT gateway: sport..sport_hi */
	uint16_t sport_hi, dport_hi;
};
struct walk {
	bool allow;
	uint32_t denied; /* index of the denying step; meaningless when allow */
	struct walk_step *steps;
	size_t n, cap;
};
/* "10.0.1.4", or of a choice "10.0.1.4|10.0.1.5|…": all of them */
#define ADDR_CHOICE_STRLEN (NAT_ADDRS_MAX * 16 + 1)
const char *addr_choice_format(const struct addr_choice *c, const struct addr *known, char buf[ADDR_CHOICE_STRLEN]);
/* Whether a reply is due to it at all: of ICMP, to queries only. */
bool walk_is_answered(const struct flow *f);
struct walker; /* the compiled tables of one model, reusable for many flows */
int walker_new(const struct model *m, struct walker **ret, struct err *e);
void walker_free(struct walker **w);
int walk_flow(struct walker *w, const struct flow *f, struct walk *ret, struct err *e);
void walk_done(struct walk *w);
/* A packet in the middle of a connection instead of its first one: where tracked says that an interface remembers
 * the connection (key: as that port sends it), its groups let it pass; ACLs, routes and gateways judge it as any
 * other. tracked NULL: first packets, as it is at the beginning. */
void walker_state_set(struct walker *w, bool (*tracked)(void *ctx, const struct abi_flow_key *key), void *ctx);
