/* nl.c: one rtnetlink socket: requests with their acks, and whole dumps.
 * Owns the socket and its memory of interface names; knows no object. Kernel room, never prints.
 *
 * libnl builds and reads the messages. Receiving is done here, because its receive path turns
 * errno and the kernel's text into numbers of its own, and because its port numbers run out at
 * 1,024 sockets a process. */
#include "kern/nl.h"
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include "kern/nl_wire.h"
#include "util/mem.h"

enum {
	RECEIVE_BYTES = 1 << 20, /* socket buffer: whole bursts of acks fit */
	CHUNK_BYTES = 32 << 10,  /* the most the kernel puts into one part of a dump */
	DUMP_RETRIES = 10,       /* a table that changes under every one of them is an error */
	REPLY_TIMEOUT_S = 10,    /* replies come before send returns; this is for what must not happen */
};

struct name {
	char ifname[IFNAME_MAX];
	int ifindex; /* 0: free slot */
};
struct nl_ns {
	int fd;
	uint32_t seq;
	uint8_t *dump; /* parts of a dump, one behind the other, each aligned */
	size_t cap;
	struct name *names; /* open addressing, size a power of two */
	size_t n_names, cap_names;
};

int nl_ns_open(struct nl_ns **ret, struct err *e)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	struct timeval timeout = { .tv_sec = REPLY_TIMEOUT_S };
	int on = 1, bytes = RECEIVE_BYTES;

	if (fd < 0)
		return err_set(e, -errno, "netlink socket: %s", strerror(errno));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		return err_set(e, -errno, "netlink socket: bind: %s", strerror(errno));
	/* Without these the answers are poorer, not wrong. */
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	*ret = xcalloc(1, sizeof(**ret));
	(*ret)->fd = TAKE_FD(fd);
	return 0;
}

void nl_ns_close(struct nl_ns **ns)
{
	if (!*ns)
		return;
	close((*ns)->fd);
	free((*ns)->dump);
	free((*ns)->names);
	free(*ns);
	*ns = NULL;
}

int nl_ns_fd(const struct nl_ns *ns)
{
	return ns->fd;
}

struct nl_msg *nl_ns_msg(int type, int flags, const void *header, size_t size)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);

	if (!msg || nlmsg_append(msg, (void *)(uintptr_t)header, size, NLMSG_ALIGNTO) < 0)
		abort(); /* out of memory, as everywhere */
	return msg;
}

/* The kernel's own words behind an error, or NULL. */
static const char *extack_text(struct nlmsghdr *h)
{
	struct nlmsgerr *ack = nlmsg_data(h);
	size_t skip = sizeof(*ack);
	struct nlattr *tb[NLMSGERR_ATTR_MAX + 1] = { NULL };

	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	if (!(h->nlmsg_flags & NLM_F_CAPPED))
		skip += NLMSG_ALIGN(ack->msg.nlmsg_len) - sizeof(struct nlmsghdr);
	if ((size_t)nlmsg_datalen(h) <= skip ||
	    nla_parse(tb, NLMSGERR_ATTR_MAX, (struct nlattr *)((uint8_t *)ack + skip), nlmsg_datalen(h) - (int)skip,
		      NULL) < 0)
		return NULL;
	return tb[NLMSGERR_ATTR_MSG] ? nla_get_string(tb[NLMSGERR_ATTR_MSG]) : NULL;
}

static int ack_error(struct nlmsghdr *h, struct err *e)
{
	struct nlmsgerr *ack = nlmsg_data(h);
	const char *text;

	if (nlmsg_datalen(h) < (int)sizeof(ack->error))
		return err_set(e, -EPROTO, "netlink: short answer");
	if (ack->error == 0)
		return 0;
	text = extack_text(h);
	return err_set(e, ack->error, "%s%s%s", strerror(-ack->error), text ? ": " : "", text ? text : "");
}

static int send_msg(struct nl_ns *ns, struct nl_msg *msg, struct err *e)
{
	struct nlmsghdr *h = nlmsg_hdr(msg);
	ssize_t n;

	h->nlmsg_seq = ++ns->seq;
	h->nlmsg_pid = 0;
	do
		n = send(ns->fd, h, h->nlmsg_len, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? err_set(e, -errno, "netlink: send: %s", strerror(errno)) : 0;
}

static ssize_t receive(struct nl_ns *ns, void *buf, size_t size, struct err *e)
{
	struct iovec iov = { buf, size };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	do
		n = recvmsg(ns->fd, &m, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(e, -errno, "netlink: receive: %s", strerror(errno));
	if (m.msg_flags & MSG_TRUNC)
		return err_set(e, -EMSGSIZE, "netlink: answer larger than %zu bytes", size);
	return n;
}

int nl_ns_talk(struct nl_ns *ns, struct nl_msg *msg, struct err *e)
{
	return nl_ns_get(ns, msg, NULL, NULL, e);
}

int nl_ns_get(struct nl_ns *ns, struct nl_msg *msg, int (*fn)(void *ctx, struct nlmsghdr *h), void *ctx, struct err *e)
{
	_Alignas(NLMSG_ALIGNTO) uint8_t buf[8192];
	int r, left;

	nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_ACK;
	r = send_msg(ns, msg, e);
	nlmsg_free(msg);
	while (r == 0) {
		struct nlmsghdr *h = (struct nlmsghdr *)buf;

		left = (int)receive(ns, buf, sizeof(buf), e);
		if (left < 0)
			return left;
		for (; r == 0 && nlmsg_ok(h, left); h = nlmsg_next(h, &left)) {
			if (h->nlmsg_seq != ns->seq)
				continue;
			if (h->nlmsg_type == NLMSG_ERROR)
				return ack_error(h, e);
			if (fn)
				r = fn(ctx, h);
		}
	}
	return r;
}

/* Receives a whole dump behind one another; 1 when the kernel says it was interrupted. */
static int collect(struct nl_ns *ns, size_t *ret_bytes, struct err *e)
{
	bool interrupted = false;
	size_t n = 0;

	for (;;) {
		struct nlmsghdr *h;
		ssize_t got;
		int left;

		vec_reserve((void **)&ns->dump, &ns->cap, n + CHUNK_BYTES, 1);
		got = receive(ns, ns->dump + n, ns->cap - n, e);
		if (got < 0)
			return (int)got;
		left = (int)got;
		for (h = (struct nlmsghdr *)(ns->dump + n); nlmsg_ok(h, left); h = nlmsg_next(h, &left)) {
			if (h->nlmsg_seq != ns->seq)
				continue;
			interrupted |= (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
			if (h->nlmsg_type == NLMSG_ERROR)
				return ack_error(h, e);
			if (h->nlmsg_type == NLMSG_DONE) {
				int r = nlmsg_datalen(h) >= (int)sizeof(int) ? *(int *)nlmsg_data(h) : 0;

				*ret_bytes = n + (size_t)((uint8_t *)h - (ns->dump + n));
				if (r < 0 && r != -EINTR)
					return err_set(e, r, "netlink: dump: %s", strerror(-r));
				return interrupted || r == -EINTR;
			}
		}
		n += NLMSG_ALIGN((size_t)got);
	}
}

int nl_ns_dump(struct nl_ns *ns, struct nl_msg *msg, int (*fn)(void *ctx, struct nlmsghdr *h), void *ctx, struct err *e)
{
	size_t bytes = 0;
	int r = 1, left;

	nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_DUMP;
	for (int tries = 0; r == 1 && tries < DUMP_RETRIES; tries++) {
		r = send_msg(ns, msg, e);
		if (r == 0)
			r = collect(ns, &bytes, e);
	}
	nlmsg_free(msg);
	if (r == 1)
		return err_set(e, -EINTR, "netlink: the kernel's table changed during each of %d dumps", DUMP_RETRIES);
	left = (int)bytes;
	for (struct nlmsghdr *h = (struct nlmsghdr *)ns->dump; r == 0 && nlmsg_ok(h, left); h = nlmsg_next(h, &left))
		if (h->nlmsg_seq == ns->seq)
			r = fn(ctx, h);
	return r;
}

/* ---- names ---- */

static size_t name_slot(const struct nl_ns *ns, const char *ifname)
{
	uint32_t hash = 2166136261u;
	size_t i;

	for (const char *p = ifname; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	for (i = hash & (ns->cap_names - 1); ns->names[i].ifindex; i = (i + 1) & (ns->cap_names - 1))
		if (!strcmp(ns->names[i].ifname, ifname))
			break;
	return i;
}

void nl_ns_remember(struct nl_ns *ns, const char *ifname, int ifindex)
{
	size_t i;

	if (2 * (ns->n_names + 1) > ns->cap_names) {
		struct name *old = ns->names;
		size_t n = ns->cap_names;

		ns->cap_names = n ? 2 * n : 8;
		ns->names = xcalloc(ns->cap_names, sizeof(*ns->names));
		for (size_t k = 0; k < n; k++)
			if (old[k].ifindex)
				ns->names[name_slot(ns, old[k].ifname)] = old[k];
		free(old);
	}
	i = name_slot(ns, ifname);
	ns->n_names += !ns->names[i].ifindex;
	ns->names[i].ifindex = ifindex;
	memcpy(ns->names[i].ifname, ifname, strnlen(ifname, IFNAME_MAX - 1));
}

void nl_ns_forget(struct nl_ns *ns)
{
	if (ns->n_names)
		memset(ns->names, 0, ns->cap_names * sizeof(*ns->names));
	ns->n_names = 0;
}

int nl_ns_recall(const struct nl_ns *ns, const char *ifname)
{
	return ns->cap_names ? ns->names[name_slot(ns, ifname)].ifindex : 0;
}
