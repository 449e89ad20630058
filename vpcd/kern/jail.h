/* jail.h: a program inside an instance, kept to itself. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>
#include "util/err.h"

/* How a program ended. */
struct jail_end {
	int status; /* as wait() says it */
	bool left;  /* something it started runs on */
};

/* Forks. Returns 0 in the process that shall become the program: it is in a process namespace of its own,
 * with a /proc of that, sees and signals nobody outside, and what it executes lacks the capabilities by
 * which root of a lab enters its other namespaces. Returns 1 in the caller when that process has ended;
 * signals the caller gets meanwhile go to the program. What the program leaves running lives on: without the
 * caller, or, when bound, as long as the caller, whose child (the only one) it is. The caller has a mount
 * namespace of its own already.
 * become, called on the way in once /proc is mounted: 0, or the exit code to end with. */
int jail_fork(int (*become)(void *ctx), void *ctx, bool bound, struct jail_end *ret, struct err *e);

/* What ps shows of this process, which else looks like the one that it was forked from. */
void jail_rename(const char *text);
