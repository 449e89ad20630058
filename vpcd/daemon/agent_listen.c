/* agent_listen.c: TCP and UDP servers of one line. TCP: the line, then our half is closed; the rest stays
 * open until the peer closes too (else unread data of its own would turn our line into a reset), for at
 * most LINGER_MS and CONNECTIONS_MAX. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include "daemon/agent_listen.h"
#include "daemon/loop.h"
#include "kern/kern.h"
#include "util/mem.h"

enum { LINGER_MS = 2000, CONNECTIONS_MAX = 4096, BATCH = 64, LINE_MAX_BYTES = 128 };

struct connection {
	struct answerer *a;
	int fd;
	uint64_t until_ns;
	struct connection *prev, *next;
};
struct answerer {
	struct loop *loop;
	struct timer *timer;
	struct connection *oldest, *newest;
	unsigned n;
};
struct listener {
	struct answerer *a;
	char *name;
	int fd;
};
struct wanted { /* handed into the namespace */
	uint8_t proto;
	uint16_t port;
	int fd;
};

static int open_inside(void *ctx);
static void on_tcp(void *ctx, int fd, uint32_t events);
static void on_udp(void *ctx, int fd, uint32_t events);
static void on_peer(void *ctx, int fd, uint32_t events);
static void on_timer(void *ctx);
static void connection_close(struct connection *c);
static int format_line(char *buf, const char *name, const struct sockaddr_in *peer);
static bool is_line(const char *text, size_t n);

struct answerer *answerer_new(struct loop *l)
{
	struct answerer *a = xcalloc(1, sizeof(*a));

	a->loop = l;
	a->timer = timer_new(l, on_timer, a);
	return a;
}

void answerer_free(struct answerer **a)
{
	if (!*a)
		return;
	while ((*a)->oldest)
		connection_close((*a)->oldest);
	timer_free(&(*a)->timer);
	free(*a);
	*a = NULL;
}

int listener_open(struct answerer *a, int ns_fd, const char *name, uint8_t proto, uint16_t port, struct listener **ret,
		  struct err *e)
{
	struct wanted w = { .proto = proto, .port = port, .fd = -1 };
	int r = netns_call(ns_fd, open_inside, &w);
	struct listener *l;

	if (r < 0)
		return err_set(e, r, "%s: listening on %s/%u: %s", name, proto == IPPROTO_TCP ? "tcp" : "udp", port,
			       strerror(-r));
	l = xcalloc(1, sizeof(*l));
	*l = (struct listener){ .a = a, .fd = w.fd, .name = xstrdup(name) };
	r = loop_watch(a->loop, w.fd, EPOLLIN, proto == IPPROTO_TCP ? on_tcp : on_udp, l);
	if (r < 0) {
		listener_close(&l);
		return err_set(e, r, "%s: watching %u: %s", name, port, strerror(-r));
	}
	*ret = l;
	return 0;
}

void listener_close(struct listener **l)
{
	if (!*l)
		return;
	loop_unwatch((*l)->a->loop, (*l)->fd);
	close((*l)->fd);
	free((*l)->name);
	free(*l);
	*l = NULL;
}

static int open_inside(void *ctx)
{
	struct wanted *w = ctx;
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(w->port) };
	bool tcp = w->proto == IPPROTO_TCP;
	int one = 1, r;
	int fd = socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	/* TCP: over connections that still wait out their time. UDP: the address that was asked answers. */
	if (tcp)
		r = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	else
		r = setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one));
	if (r < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || (tcp && listen(fd, 1024) < 0)) {
		r = -errno;
		close(fd);
		return r;
	}
	w->fd = fd;
	return 0;
}

static void on_tcp(void *ctx, int fd, uint32_t events)
{
	struct listener *l = ctx;
	struct answerer *a = l->a;

	(void)events;
	for (unsigned i = 0; i < BATCH; i++) {
		struct sockaddr_in peer;
		socklen_t size = sizeof(peer);
		int c = accept4(fd, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct connection *conn;
		char line[LINE_MAX_BYTES];
		int n;

		if (c < 0)
			return;
		n = format_line(line, l->name, &peer);
		(void)!send(c, line, (size_t)n, MSG_NOSIGNAL);
		shutdown(c, SHUT_WR);
		if (a->n >= CONNECTIONS_MAX)
			connection_close(a->oldest);
		conn = xcalloc(1, sizeof(*conn));
		*conn = (struct connection){
			.a = a, .fd = c, .until_ns = clock_ns() + LINGER_MS * 1000000ull, .prev = a->newest
		};
		if (a->newest)
			a->newest->next = conn;
		else
			a->oldest = conn;
		a->newest = conn;
		if (a->n++ == 0)
			timer_set_ms(a->timer, LINGER_MS);
		if (loop_watch(a->loop, c, EPOLLIN | EPOLLRDHUP, on_peer, conn) < 0)
			connection_close(conn);
	}
}

static void on_udp(void *ctx, int fd, uint32_t events)
{
	struct listener *l = ctx;

	(void)events;
	for (unsigned i = 0; i < BATCH; i++) {
		union {
			struct cmsghdr h;
			char buf[CMSG_SPACE(sizeof(struct in_pktinfo))];
		} control;
		struct sockaddr_in peer;
		char line[LINE_MAX_BYTES];
		struct iovec iov = { line, sizeof(line) };
		struct msghdr m = { .msg_name = &peer,
				    .msg_namelen = sizeof(peer),
				    .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = control.buf,
				    .msg_controllen = sizeof(control.buf) };
		struct cmsghdr *c;
		struct in_pktinfo *info;
		ssize_t n;

		n = recvmsg(fd, &m, MSG_DONTWAIT);
		if (n < 0)
			return;
		if (is_line(line, (size_t)n))
			continue;
		c = CMSG_FIRSTHDR(&m);
		if (!c || c->cmsg_type != IP_PKTINFO) {
			m.msg_control = NULL;
			m.msg_controllen = 0;
		} else {
			/* Out of the address it came to, by whatever interface the routes say. */
			info = (struct in_pktinfo *)CMSG_DATA(c);
			info->ipi_spec_dst = info->ipi_addr;
			info->ipi_ifindex = 0;
		}
		iov.iov_len = (size_t)format_line(line, l->name, &peer);
		(void)!sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

static void on_peer(void *ctx, int fd, uint32_t events)
{
	char junk[4096];
	ssize_t n;

	(void)events;
	do
		n = recv(fd, junk, sizeof(junk), MSG_DONTWAIT);
	while (n > 0);
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		connection_close(ctx);
}

static void on_timer(void *ctx)
{
	struct answerer *a = ctx;
	uint64_t now = clock_ns();

	while (a->oldest && a->oldest->until_ns <= now)
		connection_close(a->oldest);
	if (a->oldest)
		timer_set_us(a->timer, (a->oldest->until_ns - now) / 1000 + 1);
}

static void connection_close(struct connection *c)
{
	struct answerer *a = c->a;

	loop_unwatch(a->loop, c->fd);
	close(c->fd);
	if (c->prev)
		c->prev->next = c->next;
	else
		a->oldest = c->next;
	if (c->next)
		c->next->prev = c->prev;
	else
		a->newest = c->prev;
	a->n--;
	free(c);
}

static int format_line(char *buf, const char *name, const struct sockaddr_in *peer)
{
	char addr[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &peer->sin_addr, addr, sizeof(addr));
	return snprintf(buf, LINE_MAX_BYTES, "%s %s:%u\n", name, addr, ntohs(peer->sin_port));
}

/* An answer of another listener: one for it would be answered again, without end. */
static bool is_line(const char *text, size_t n)
{
	char copy[LINE_MAX_BYTES + 1];
	int end = 0;

	memcpy(copy, text, n);
	copy[n] = '\0';
	return sscanf(copy, "%*32[a-z0-9-] %*[0-9.]:%*u\n%n", &end) == 0 && end > 0 && (size_t)end == n;
}
