/* flow_log_state.h: how far each flow log of a lab goes, on disk, so that a daemon that is started again, however the one
 * before ended, goes on where records end: nothing twice, nothing left out.
 *
 *   STATE_DIR/LAB/flow-logs.json  {"boot","lost":{PORT:N},"logs":{NAME:{"from","start","file","size","seen":[PORT…],
 *                                  "skipped":[PORT…]}}}
 *
 * Written, by one rename, when the records of a window are in their file, and before the kernel forgets what they were
 * made of. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "abi.h"
#include "daemon/flow_log_file.h"

/* A set of ports. */
struct port_set {
	uint8_t bits[ABI_PORTS_MAX / 8];
};
static inline bool port_in(const struct port_set *s, uint32_t port)
{
	return s->bits[port / 8] >> port % 8 & 1;
}
static inline void port_put(struct port_set *s, uint32_t port)
{
	s->bits[port / 8] |= (uint8_t)(1 << port % 8);
}

struct log_window { /* of one flow log */
	char log[40];
	uint32_t from;   /* the first generation that belongs to it */
	int64_t start_s; /* Unix */
	struct flow_log_mark mark;
	struct port_set seen, skipped; /* have records in this window already; have lost packets */
	uint64_t due_ns;               /* monotonic; not kept */
	bool chosen;                   /* it ends now; not kept */
	bool unwritten;                /* some of its records found no room on disk; not kept */
	struct flow_log_mark written;  /* the mark to be, once all records of the cut are written; not kept */
};
struct log_state {
	struct log_window **v;
	size_t n, cap;
	uint64_t lost[ABI_PORTS_MAX]; /* by port: losses that windows know of */
};
void log_state_done(struct log_state *s);
struct log_window *log_state_find(const struct log_state *s, const char *log);
/* -ENOENT: there is none. -ESTALE: it is of before the machine was started; ret has it all the same. */
int log_state_load(const char *state_dir, const char *lab, struct log_state *ret, struct err *e);
int log_state_save(const char *state_dir, const char *lab, const struct log_state *s, struct err *e);
