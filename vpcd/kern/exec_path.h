/* exec_path.h: becoming another program, without a shell. */
#pragma once

#define EXEC_PATH_USUAL "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Executes argv[0] along path, as execvpe() does, but for this: a file of no known format is not handed to a shell.
 * A name with a slash is taken as it is; path NULL or empty: EXEC_PATH_USUAL. Returns only on failure: -errno,
 * which is the most telling one that was met on the way (-ENOENT: in no folder). */
int exec_path(const char *path, char *const argv[], char *const env[]);
