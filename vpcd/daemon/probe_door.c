/* probe_door.c: keeps listeners as long as a probe needs them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "daemon/probe_door.h"
#include "util/mem.h"

struct door {
	char ns[128];
	struct wire wire;
	struct doors *all;
	int fd, refs; /* fd -1: somebody else listens */
	struct door *next;
};

static void on_door(void *ctx, int fd, uint32_t events)
{
	struct door *d = ctx;

	(void)events;
	if (door_ready(fd, &d->wire) && !wire_is_answered(&d->wire))
		d->all->seen(d->all->ctx, d);
}

struct door *door_get(struct doors *all, const char *ns, int ns_fd, const struct wire *w)
{
	struct door *d;
	int fd;

	for (d = all->first; d; d = d->next)
		if (strcmp(d->ns, ns) == 0 && d->wire.proto == w->proto && d->wire.dport == w->dport &&
		    (wire_is_answered(w) || (d->wire.sport == w->sport && d->wire.icmp_type == w->icmp_type))) {
			d->refs++;
			return d;
		}
	fd = door_open(ns_fd, w);
	if (fd < 0 && fd != -EADDRINUSE)
		return NULL;
	d = xcalloc(1, sizeof(*d));
	*d = (struct door){ .all = all, .wire = *w, .fd = fd < 0 ? -1 : fd, .refs = 1, .next = all->first };
	snprintf(d->ns, sizeof(d->ns), "%s", ns);
	all->first = d;
	if (d->fd >= 0)
		loop_watch(all->loop, d->fd, EPOLLIN, on_door, d);
	return d;
}

void door_put(struct door *d)
{
	struct door **link = &d->all->first;

	if (--d->refs)
		return;
	if (d->fd >= 0) {
		loop_unwatch(d->all->loop, d->fd);
		close(d->fd);
	}
	while (*link != d)
		link = &(*link)->next;
	*link = d->next;
	free(d);
}
