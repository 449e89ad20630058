/* trial.h: inside path/: one try of a flow and its reply with one port and address chosen by NAT gateways. */
#pragma once
#include "filters/world.h"
#include "model/port.h"
#include "path/walk.h"

enum { NAT_PORT_LO = 1024, NAT_PORT_HI = 65535 }; /* semantics 4.1 */
enum { WALK_HOPS_MAX = 32, WALK_NATS_MAX = 8 };

struct walker {
	const struct model *m;
	struct world *world;
	struct ports *ports;
	uint32_t *cuts; /* first ports of the pieces of 1024..65535 within which no rule of the lab
				   * makes a difference; ascending, cuts[0] = 1024 */
	size_t n_cuts, cap_cuts;
	bool (*tracked)(void *ctx, const struct abi_flow_key *key); /* walker_state_set() */
	void *tracked_ctx;
	bool no_words; /* steps have numbers only: no rule's text and place, no names of groups; for very many walks */
};

/* Which port fields of a step hold the NAT gateway's choice. */
enum { NATTED_SPORT = 1, NATTED_DPORT = 2 };
struct trial {
	struct walk walk;
	uint8_t *natted; /* by step */
	size_t n_natted, cap_natted;
	bool used_nat;
	uint32_t nat_addrs; /* most addresses that a NAT gateway on the way could choose from */
};
struct nat_choice {
	uint16_t port;
	uint32_t addr; /* which of its addresses, modulo how many it has */
};
void trial_run(struct walker *w, const struct flow *f, struct nat_choice choice, struct trial *ret);
void trial_done(struct trial *t);

/* walk_words.c: names and rule texts for a step. */
const char *port_eni_name(const struct walker *w, uint32_t port);
/* Of groups and ACLs; what another gate names is a route. */
bool gate_has_rules(enum abi_gate gate);
void step_rule_set(const struct walker *w, struct walk_step *s, uint32_t number);
/* "groups web, base" into s->reason_more: what a group denial names instead of a rule. */
void step_groups_set(const struct walker *w, struct walk_step *s, uint32_t port);
