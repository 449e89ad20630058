/* flow_log_file.h: the files that flow logs are written to, a full one put aside. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/err.h"

enum { FLOW_LOG_FILE_MAX = 8 << 20, FLOW_LOG_FILES_OLD = 4 };
/* How far a file goes. */
struct flow_log_mark {
	uint64_t file, size; /* inode; 0: there is none */
};
/* Appends whole lines to STATE_DIR/LAB/flow-log-NAME.log, all of them or none. Not synced: a crash of the machine may
 * cost the last ones. mark is set when they are there. begins: they are the first of a window, before which a full file
 * is put aside; within one it is not, so that what the mark of before says stays true. */
int flow_log_file_add(const char *state_dir, const char *lab, const char *name, const char *lines, size_t n,
		      bool begins, struct flow_log_mark *mark, struct err *e);
/* Takes out what was written behind the mark: half of it may be there, and all of it is to be written again. */
void flow_log_file_cut(const char *state_dir, const char *lab, const char *name, const struct flow_log_mark *mark);
