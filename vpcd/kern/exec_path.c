/* exec_path.c: a program is looked for along PATH here, because the C library's search starts a shell for files
 * without a known format. Kernel room, never prints. */
#include "kern/exec_path.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "util/mem.h"
#include "util/str.h"

int exec_path(const char *path, char *const argv[], char *const env[])
{
	int keep = -ENOENT;

	if (strchr(argv[0], '/')) {
		execve(argv[0], argv, env);
		return -errno;
	}
	for (const char *p = path && *path ? path : EXEC_PATH_USUAL; *p;) {
		size_t n = strcspn(p, ":");
		_cleanup_free_ char *full = xasprintf("%.*s/%s", (int)n, p, argv[0]);

		execve(full, argv, env);
		if (errno != ENOENT && errno != ENOTDIR)
			keep = -errno;
		p += n + (p[n] == ':');
	}
	return keep;
}
