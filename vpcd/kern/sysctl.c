/* sysctl.c: settings under /proc/sys of the current network namespace. Kernel room, never prints.
 *
 * /proc/sys/net shows the namespace of whoever opens a file. The kernel keeps a name-cache entry
 * for each namespace's copy of a file, all under one parent and in one hash chain, so the
 * thousandth namespace pays for walking a thousand entries: 260 us a write, and growing. A proc
 * file system instance of our own (detached, mounted nowhere) has a cache of its own; used for a few
 * dozen files and then dropped, it keeps the price at some 25 us. */
#include "kern/sysctl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include "util/mem.h"

enum { VIEW_USES = 64 };

void sysctl_view_done(struct sysctl_view *v)
{
	cleanup_closep(&v->proc);
	v->proc = -1;
}

static int new_proc(void)
{
	_cleanup_close_ int fs = fsopen("proc", FSOPEN_CLOEXEC);

	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return fsmount(fs, FSMOUNT_CLOEXEC, 0);
}

static int sysctl_open(struct sysctl_view *v, const char *path, int flags)
{
	char full[256];
	int fd;

	if (strncmp(path, "net/", 4) != 0 || strstr(path, "..") ||
	    snprintf(full, sizeof(full), "/proc/sys/%s", path) >= (int)sizeof(full))
		return -EINVAL; /* anything else is the machine's, not the namespace's */
	if (v && v->left-- == 0) {
		sysctl_view_done(v);
		v->proc = new_proc(); /* where that is forbidden the machine's own will do */
		v->left = VIEW_USES;
	}
	if (v && v->proc >= 0)
		fd = openat(v->proc, full + strlen("/proc/"), flags | O_CLOEXEC);
	else
		fd = open(full, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sysctl_read(struct sysctl_view *v, const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = sysctl_open(v, path, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, buf, size - 1);
	if (n < 0)
		return -errno;
	while (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return 0;
}

int sysctl_write(struct sysctl_view *v, const char *path, const char *value)
{
	_cleanup_close_ int fd = sysctl_open(v, path, O_WRONLY);

	if (fd < 0)
		return fd;
	return write(fd, value, strlen(value)) < 0 ? -errno : 0;
}
