/* touched.h: inside path/: which ends and which flows the difference of two models can reach at all. What is
 * not touched need not be walked. Errs on the side of "touched". Pure. */
#pragma once
#include "model/keymap.h"
#include "model/model.h"

enum touch {
	TOUCH_NONE,
	TOUCH_RULES, /* a rule of its groups or of its network ACL came or went: matters to flows that such a rule matches */
	TOUCH_SHAPE, /* its addresses, groups, subnet, routes or gateways differ: matters to every flow */
};
struct touched_rules { /* what came or went, by protocol */
	bool every;    /* rules for all protocols */
	bool proto[256];
	/* Ports of TCP and UDP, from rules of groups and of ACLs. ACLs: a reply goes to a port the client drew, so
	 * a rule about high ports matters to every port. */
	struct port_range *ports[2];
	size_t n_ports[2], cap_ports[2];
};
struct touched {
	enum touch all;     /* of every end: what all may pass differs */
	struct keymap ends; /* name of an instance or host -> enum touch; those of either model */
	struct touched_rules rules;
};
void touched_make(const struct model *before, const struct model *after, struct touched *ret);
void touched_done(struct touched *t);
enum touch touched_end(const struct touched *t, const char *name);
/* Can a rule that came or went match a flow of proto to a port of lo..hi (0, 0: it has none), or its reply? */
bool touched_flow(const struct touched *t, uint8_t proto, uint32_t lo, uint32_t hi);
