/* prog_run.h: the programs themselves as judges of single frames, by BPF_PROG_TEST_RUN, with tables of one's own and on
 * a machine of one's own: no lab is touched. */
#pragma once
#include "filters/pass.h"
#include "model/model.h"
#include "plan/state.h"
#include "util/err.h"

struct prog_run;
/* Frames are at most so long. */
enum { PROG_RUN_FRAME_MAX = 2048 };

/* Root. The process leaves the machine's network and mounts for ones of its own. desired: its maps are loaded;
 * m: timers and settings. -EPERM without root. */
int prog_run_new(const struct model *m, const struct state *desired, struct prog_run **ret, struct err *e);
void prog_run_free(struct prog_run **t);
int prog_run_row(struct prog_run *t, const struct map_rows *rows, const struct map_row *row, struct err *e);
/* A frame that the port sends at now_ns; peering: what comes out of a peering connection's link. held < len: the rest
 * is zero. It is judged in full, whatever is remembered of its flow. ret->p, ret->o: as the program left them. -EMSGSIZE: len > PROG_RUN_FRAME_MAX. */
int prog_run_pass(struct prog_run *t, uint32_t port, bool peering, uint64_t now_ns, const uint8_t *frame, uint32_t held,
		  uint32_t len, struct pass *ret, struct err *e);
int prog_run_sweep(struct prog_run *t, uint64_t now_ns, struct err *e);
