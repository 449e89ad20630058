/* watch.c: reading namespaces once and hearing of changes. Kernel room, never prints. */
#include "kern/watch.h"
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include "kern/ns.h"
#include "util/mem.h"

/* One event is enough to know; more than that need not be kept. */
enum { EAR_BYTES = 1 };

static struct ns_watch **watch_link(struct kern *k, const char *name)
{
	uint32_t hash = 2166136261u;
	struct ns_watch **link;

	for (const char *p = name; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	for (link = &k->watches[hash % LAB_NS_BUCKETS]; *link && strcmp((*link)->name, name) != 0;)
		link = &(*link)->next;
	return link;
}

static void watch_free(struct kern *k, struct ns_watch **link)
{
	struct ns_watch *w = *link;

	*link = w->next;
	/* Out of the epoll by hand: a child under way may have the socket open. */
	if (w->events >= 0)
		epoll_ctl(k->ears, EPOLL_CTL_DEL, w->events, NULL);
	cleanup_closep(&w->events);
	free(w->links);
	free(w->addrs);
	free(w->routes);
	free(w->neigh);
	free(w->rules);
	free(w->filters);
	free(w->name);
	free(w);
	k->n_watches--;
}

void watch_drop(struct kern *k, const char *name)
{
	struct ns_watch **link = watch_link(k, name);

	if (*link)
		watch_free(k, link);
}

void watch_drop_all(struct kern *k)
{
	for (size_t i = 0; k->n_watches && i < LAB_NS_BUCKETS; i++)
		while (k->watches[i])
			watch_free(k, &k->watches[i]);
}

/* Nobody reads what the ears hear: one that has something has it until its watch goes. */
void watch_listen(struct kern *k)
{
	_cleanup_free_ struct epoll_event *v = xcalloc(k->n_watches + 1, sizeof(*v));
	int n;

	do
		n = epoll_wait(k->ears, v, (int)k->n_watches + 1, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		watch_drop_all(k);
	for (int i = 0; i < n; i++)
		((struct ns_watch *)v[i].data.ptr)->stale = true;
}

struct ns_watch *watch_get(struct kern *k, const char *name, uint64_t inode, bool neighs)
{
	struct ns_watch **link = watch_link(k, name);

	if (!*link)
		return NULL;
	if ((*link)->inode == inode && (*link)->neighs >= neighs && !(*link)->stale)
		return *link;
	watch_free(k, link);
	return NULL;
}

/* In the namespace that this thread is in. */
static int ear_open(bool owned, bool neighs)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	struct sockaddr_nl groups = { .nl_family = AF_NETLINK };
	int bytes = EAR_BYTES;

	groups.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV4_RULE |
			   (neighs ? RTMGRP_NEIGH : 0) | (owned ? 0 : RTMGRP_TC);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) < 0 ||
	    bind(fd, (struct sockaddr *)&groups, sizeof(groups)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int link_seen(void *ctx, const struct nl_link *l)
{
	struct ns_watch *w = ctx;

	*VEC_PUSH(w->links, w->n_links, w->cap_links) = *l;
	return 0;
}

static int addr_seen(void *ctx, const struct nl_addr_info *a)
{
	struct ns_watch *w = ctx;

	*VEC_PUSH(w->addrs, w->n_addrs, w->cap_addrs) = *a;
	return 0;
}

static int route_seen(void *ctx, const struct nl_route_info *r)
{
	struct ns_watch *w = ctx;

	*VEC_PUSH(w->routes, w->n_routes, w->cap_routes) = *r;
	return 0;
}

static int neigh_seen(void *ctx, const struct nl_neigh_info *n)
{
	struct ns_watch *w = ctx;

	*VEC_PUSH(w->neigh, w->n_neigh, w->cap_neigh) = *n;
	return 0;
}

static int rule_seen(void *ctx, const struct rule_row *r)
{
	struct ns_watch *w = ctx;

	*VEC_PUSH(w->rules, w->n_rules, w->cap_rules) = *r;
	return 0;
}

static int link_cmp(const void *a, const void *b)
{
	const struct nl_link *x = a, *y = b;

	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

static int read_all(struct ns_watch *w, struct nl_ns *nl, struct err *e)
{
	int r = nl_link_dump(nl, link_seen, w, e);

	if (w->n_links)
		qsort(w->links, w->n_links, sizeof(*w->links), link_cmp);
	if (r == 0)
		r = nl_addr_dump(nl, addr_seen, w, e);
	if (r == 0)
		r = nl_route_dump(nl, route_seen, w, e);
	if (r == 0 && w->neighs)
		r = nl_neigh_dump(nl, neigh_seen, w, e);
	if (r == 0)
		r = nl_rule_dump(nl, rule_seen, w, e);
	return r;
}

int watch_read(struct kern *k, const char *name, int fd, bool owned, bool neighs, struct ns_watch **ret, struct err *e)
{
	struct ns_watch **link = watch_link(k, name), *w;
	struct nl_ns *nl = NULL;
	int r = netns_enter(fd);

	if (r < 0)
		return err_set(e, r, "cannot be entered: %s", strerror(-r));
	w = xcalloc(1, sizeof(*w));
	*w = (struct ns_watch){ .name = xstrdup(name), .inode = ns_inode(fd), .owned = owned, .neighs = neighs };
	/* Before it is read: what changes meanwhile is told. */
	w->events = k->n_watches < k->max_watches ? ear_open(owned, neighs) : -1;
	w->stale = w->events < 0 || epoll_ctl(k->ears, EPOLL_CTL_ADD, w->events,
					      &(struct epoll_event){ .events = EPOLLIN, .data.ptr = w }) < 0;
	r = nl_ns_open(&nl, e);
	netns_leave(k->self_ns);
	if (r == 0)
		r = read_all(w, nl, e);
	nl_ns_close(&nl);
	if (*link)
		watch_free(k, link);
	w->next = *link;
	*link = w;
	k->n_watches++;
	if (r < 0)
		watch_free(k, link);
	else
		*ret = w;
	return r;
}

static struct watched_filter *find_filter(struct ns_watch *w, enum tc_hook hook, uint32_t ifindex)
{
	for (size_t i = 0; i < w->n_filters; i++)
		if (w->filters[i].ifindex == ifindex && w->filters[i].hook == hook)
			return &w->filters[i];
	return NULL;
}

int watch_filter(struct kern *k, struct ns_watch *w, enum tc_hook hook, uint32_t ifindex, uint32_t *ret, struct err *e)
{
	struct watched_filter *f = find_filter(w, hook, ifindex);
	struct lab_ns *in;
	int r;

	if (f && !f->quick) {
		*ret = f->prog_id;
		return 0;
	}
	r = lab_ns_get(k, w->name, true, &in, e);
	if (r < 0)
		return r;
	r = netns_enter(in->fd);
	if (r < 0)
		return err_set(e, r, "%s: cannot be entered: %s", w->name, strerror(-r));
	if (!f) {
		f = VEC_PUSH(w->filters, w->n_filters, w->cap_filters);
		*f = (struct watched_filter){ .ifindex = ifindex, .hook = hook };
	}
	f->prog_id = datapath_program_at(in->nl, hook, ifindex, &f->quick);
	netns_leave(k->self_ns);
	*ret = f->prog_id;
	return 0;
}
