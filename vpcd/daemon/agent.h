/* agent.h: `vpcd --agent LAB`: a lab's own process, which listens and runs programs inside its instances.
 * It lives in the lab's user namespace, without any right on the machine, and outlives the daemon. */
#pragma once
#include "kern/kern.h"
#include "util/err.h"

/* The listening control socket is descriptor 3. Returns when told to stop. */
int agent_run(const char *lab, const struct kern_dirs *dirs, struct err *e);

enum { AGENT_CONTROL_FD = 3, AGENT_LINE_MAX = 32 * 1024 * 1024 };
