/* sysctl.c: settings under /proc/sys of the current network namespace. Kernel room, never prints.
 * /proc/sys/net shows the namespace of whoever opens the file; nothing is cached here. */
#include "kern/sysctl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "util/mem.h"

static int sysctl_open(const char *path, int flags)
{
	char full[256];
	int fd;

	if (strncmp(path, "net/", 4) != 0 || strstr(path, "..") ||
	    snprintf(full, sizeof(full), "/proc/sys/%s", path) >= (int)sizeof(full))
		return -EINVAL; /* anything else is the machine's, not the namespace's */
	fd = open(full, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sysctl_read(const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = sysctl_open(path, O_RDONLY);
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

int sysctl_write(const char *path, const char *value)
{
	_cleanup_close_ int fd = sysctl_open(path, O_WRONLY);

	if (fd < 0)
		return fd;
	return write(fd, value, strlen(value)) < 0 ? -errno : 0;
}
