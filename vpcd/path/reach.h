/* reach.h: what becomes reachable, and what no longer is, between two models: by walking, not by
 * comparing lines. Ports and protocols to try come from the rules of both: between two neighbouring
 * boundaries no rule makes a difference, so one port stands for all of them. Pure. */
#pragma once
#include "path/walk.h"

enum reach { REACH_ABSENT, REACH_DENY, REACH_ALLOW };
const char *reach_name(enum reach r); /* "absent", "deny", "allow" */

/* What decided at the gate that made the difference, in one of the models. */
struct reach_rule {
	bool known;         /* the packet came to the gate there */
	char text[160];     /* "" = no rule matched */
	struct src_loc loc; /* line 0 = none */
};
/* One line of a report: every src to every dst of it. Names joined by ", "; flows by blanks. */
struct reach_change {
	char *srcs, *dsts, *flows; /* "tcp/22 tcp/80-90 udp icmp other" */
	enum reach was, is;
	enum walk_leg leg;
	enum abi_gate gate; /* NONE: an end came or went */
	char object[64];    /* of the gate when it is the same for all; "" else */
	struct reach_rule before, after;
	uint64_t pairs;
};
struct reach_diff {
	struct reach_change *v;
	size_t n, cap;
	uint64_t pairs; /* that changed, each counted once */
};
/* The diff borrows from both models. work_max: -E2BIG when it takes more walks than that (2,000,000 are about
 * a second); 0: no bound. */
int reach_diff_make(const struct model *before, const struct model *after, uint64_t work_max, struct reach_diff *ret,
		    struct err *e);
void reach_diff_done(struct reach_diff *d);
#define _cleanup_reach_diff_ __attribute__((cleanup(reach_diff_done)))
