/* flow_log_file.h: the files that flow logs are written to, a full one put aside. */
#pragma once
#include <stddef.h>
#include "util/err.h"

enum { FLOW_LOG_FILE_MAX = 8 << 20, FLOW_LOG_FILES_OLD = 4 };
/* Appends whole lines to STATE_DIR/LAB/flow-log-NAME.log. Not synced: a crash of the machine may cost the last ones. */
int flow_log_file_add(const char *state_dir, const char *lab, const char *name, const char *lines, size_t n,
		      struct err *e);
