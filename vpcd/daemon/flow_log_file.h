/* flow_log_file.h: the files that flow logs are written to, a full one put aside. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "util/err.h"

enum { FLOW_LOG_FILE_MAX = 8 << 20, FLOW_LOG_FILES_OLD = 4 };
/* How far a file goes. */
struct flow_log_mark {
	uint64_t file, size; /* inode; 0: there is none */
};
/* Appends whole lines to STATE_DIR/LAB/flow-log-NAME.log. Not synced: a crash of the machine may cost the last ones.
 * mark is set when they are there. */
int flow_log_file_add(const char *state_dir, const char *lab, const char *name, const char *lines, size_t n,
		      struct flow_log_mark *mark, struct err *e);
/* Takes out what was written behind the mark: half of it may be there, and all of it is to be written again. */
void flow_log_file_cut(const char *state_dir, const char *lab, const char *name, const struct flow_log_mark *mark);
