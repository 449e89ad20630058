/* probe_door.h: listeners at the far end of probes, one for all that mean the same. */
#pragma once
#include "daemon/loop.h"
#include "daemon/probe_socket.h"

struct door;
struct doors {
	struct loop *loop;
	/* A packet that nothing answers came to d. May put doors. */
	void (*seen)(void *ctx, const struct door *d);
	void *ctx;
	struct door *first;
};
/* NULL: none can be, or none is needed. Where somebody else listens there already, that answers. */
struct door *door_get(struct doors *all, const char *ns, int ns_fd, const struct wire *w);
void door_put(struct door *d); /* the last one closes it */
