/* command.h: a `run` line as argv: words split by blanks; "…" and '…' hold blanks together, a
 * backslash takes the next character as it is (not inside '…'). No shell, no variables. Pure. */
#pragma once
#include "util/err.h"

/* *ret is a NULL-terminated array in one block, for free(). -EINVAL: an open quote, a trailing
 * backslash, or no word at all. */
int command_split(const char *text, char ***ret, struct err *e);
