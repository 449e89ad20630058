/* processes.c: ends what runs in namespaces that go. Kernel room, never prints.
 *
 * The agent has ended its own programs by then; what is left was started by `vpc exec` and put into the
 * background. Its process namespace's init is a member of the lab's user namespace and takes all with it. */
#include "kern/processes.h"
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "util/mem.h"
#include "util/str.h"

static int inode_cmp(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static uint64_t namespace_of(const char *pid, const char *kind)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%.10s/ns/%s", pid, kind);
	return stat(path, &st) == 0 ? st.st_ino : 0;
}

unsigned processes_kill(uint64_t *net_inodes, size_t n, uint64_t userns_inode)
{
	DIR *dir = n && userns_inode ? opendir("/proc") : NULL;
	struct dirent *d;
	unsigned killed = 0;
	uint32_t pid;

	if (n)
		qsort(net_inodes, n, sizeof(*net_inodes), inode_cmp);
	while (dir && (d = readdir(dir))) {
		uint64_t net;

		if (str_to_u32(d->d_name, 1, INT32_MAX, &pid) < 0 || namespace_of(d->d_name, "user") != userns_inode)
			continue;
		net = namespace_of(d->d_name, "net");
		if (bsearch(&net, net_inodes, n, sizeof(*net_inodes), inode_cmp))
			killed += kill((pid_t)pid, SIGKILL) == 0;
	}
	if (dir)
		closedir(dir);
	return killed;
}
