/* probe_port.h: the source port of a probe: what an older connection of the same ports would let pass shows nothing of
 * the rules. */
#pragma once
#include "daemon/probe_side.h"
#include "daemon/probe_socket.h"
#include "kern/datapath.h"
#include "model/flow.h"

/* Does it have a source port, or an ICMP identifier, that is free to choose? */
bool probe_port_is_free_to_choose(const struct wire *w);
/* The first port from w->sport on (host order) from which no connection is tracked between the sides, at either end or at
 * an interface that forwards; w->sport when there is none within some hundred. */
uint16_t probe_port_choose(struct datapath *d, const struct model *m, const struct flow *f, const struct wire *w,
			   const struct side *a, unsigned n_a, const struct side *b, unsigned n_b);
