/* sysctl.h: kernel settings of the network namespace this thread is in (netns_enter first).
 * Paths as in rows: "net/ipv4/ip_forward". Kernel room. */
#pragma once
#include <stddef.h>

/* A view of /proc for many namespaces, renewed now and then; see sysctl.c. NULL: the machine's /proc, good
 * for a few. */
struct sysctl_view {
	int proc;      /* root of a proc file system of our own; -1 = none yet */
	unsigned left; /* uses until it is renewed */
};
#define SYSCTL_VIEW_INIT \
	{ \
		.proc = -1 \
	}
void sysctl_view_done(struct sysctl_view *v);

int sysctl_read(struct sysctl_view *v, const char *path, char *buf,
		size_t size); /* without the newline; 0, -ENOENT, ... */
int sysctl_write(struct sysctl_view *v, const char *path, const char *value);
