/* progress.h: a moving line on a terminal while the daemon works. Nothing elsewhere. */
#pragma once
#include "cli/client.h"

struct progress {
	const char *lab;
	uint64_t seq;     /* of the last event seen */
	unsigned changes; /* of the request that waits */
	uint64_t began_ms;
	bool on, started, shown;
};
/* Sets q's progress callback where stderr is a terminal. */
void progress_begin(struct progress *p, const char *lab, struct request *q);
void progress_end(struct progress *p); /* wipes the line */
