/* probe_socket.c: TCP, UDP, ICMP and raw sockets for probes.
 *
 *   protocol   sends            answers at DST                                    the answer
 *   tcp        SYN (connect)    listening socket; the kernel's handshake is it      connected, or refused
 *   udp        one datagram     one that answers it                                a datagram
 *   icmp echo  raw socket       the kernel                                         echo reply
 *   icmp else  raw socket       nobody: a raw socket there sees it arrive            none
 *   others     raw socket       a raw socket that answers it                        a packet
 *
 * What answers looks at the words: an answer gets none, or two of them, or one that hears itself, would never end. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include "daemon/probe_socket.h"
#include "filters/packet.h"
#include "kern/kern.h"
#include "util/mem.h"

enum { ICMP_ECHO_REPLY = 0, ICMP_ECHO_REQUEST = 8, ICMP_TIMESTAMP = 13, ICMP_TIMESTAMP_REPLY = 14, PACKET_MAX = 2048 };
enum { BATCH = 64 }; /* packets at a time */

struct icmp_packet {
	uint8_t type, code;
	uint16_t sum, id, seq; /* be */
	uint8_t data[12];
};
struct inside { /* handed into the namespace */
	const struct wire *w;
	int fd;
};
struct reset {
	const struct wire *w;
	uint32_t seq;
};
static const char question[] = "vpcd probe\n", answer[] = "vpcd answer\n";

static int open_sender(void *ctx);
static int open_door(void *ctx);
static int forget_neighbour(void *ctx);
static int send_first(int fd, const struct wire *w);
static int send_reset(void *ctx);
static struct sockaddr_in sockaddr_of(const struct addr *a, uint16_t port);
static int bind_source(int fd, const struct wire *w);
static int icmp_answered(int fd, const struct wire *w);

bool wire_is_answered(const struct wire *w)
{
	return w->proto != IPPROTO_ICMP || icmp_type_is_answered(IPPROTO_ICMP, w->icmp_type);
}

int sender_open(int ns_fd, const struct wire *w)
{
	struct inside in = { w, -1 };
	int r = netns_call(ns_fd, open_sender, &in);

	return r < 0 ? r : in.fd;
}

int sender_again(int fd, const struct wire *w)
{
	return w->proto == IPPROTO_TCP ? -EALREADY : send_first(fd, w);
}

int sender_ready(int fd, const struct wire *w)
{
	char buf[PACKET_MAX];
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error)
		return -error;
	if (w->proto == IPPROTO_TCP)
		return 1; /* writable without an error: connected */
	if (w->proto == IPPROTO_ICMP)
		return icmp_answered(fd, w);
	if (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) >= 0)
		return 1;
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

void sender_abort(int fd, int ns_fd, const struct wire *w)
{
	int on = 1, queue = TCP_SEND_QUEUE;
	uint32_t seq = 0;
	socklen_t size = sizeof(seq);
	struct reset in = { w, 0 };

	/* Repair mode tells the sequence number that the SYN used; closing the socket ends it. */
	if (w->proto != IPPROTO_TCP || setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)) < 0 ||
	    getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq, &size) < 0)
		return;
	in.seq = seq;
	netns_call(ns_fd, send_reset, &in);
}

int door_open(int ns_fd, const struct wire *w)
{
	struct inside in = { w, -1 };
	int r;

	if (w->proto == IPPROTO_ICMP && wire_is_answered(w))
		return -EPROTONOSUPPORT;
	r = netns_call(ns_fd, open_door, &in);
	return r < 0 ? r : in.fd;
}

void neighbour_forget(int ns_fd, const struct wire *w)
{
	netns_call(ns_fd, forget_neighbour, (void *)(uintptr_t)w);
}

/* A raw socket hands the IP header along. */
static size_t header_len(const char *buf, size_t n)
{
	const struct iphdr *ip = (const struct iphdr *)buf;

	return n >= sizeof(*ip) && (size_t)ip->ihl * 4 <= n ? (size_t)ip->ihl * 4 : n;
}

bool door_ready(int fd, const struct wire *w)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(sizeof(struct in_pktinfo))];
	} control;
	struct sockaddr_in peer;
	_Alignas(struct iphdr) char buf[PACKET_MAX];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = { .msg_name = &peer,
			    .msg_namelen = sizeof(peer),
			    .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	bool seen = false;
	ssize_t n;

	if (w->proto == IPPROTO_TCP)
		return false; /* the kernel's handshake is all that is wanted */
	for (unsigned i = 0; i < BATCH && (n = recvmsg(fd, &m, MSG_DONTWAIT)) >= 0; i++) {
		size_t head = w->proto == IPPROTO_UDP ? 0 : header_len(buf, (size_t)n);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);

		if (w->proto == IPPROTO_ICMP) {
			struct icmp_packet p;

			if ((size_t)n - head >= 8) {
				memcpy(&p, buf + head, 8);
				seen = seen ||
				       (p.type == w->icmp_type && p.code == w->icmp_code && p.id == htons(w->sport));
			}
		} else {
			if (c && c->cmsg_type == IP_PKTINFO) {
				struct in_pktinfo *info = (struct in_pktinfo *)CMSG_DATA(c);

				info->ipi_spec_dst = info->ipi_addr; /* out of the address it came to */
				info->ipi_ifindex = 0;
			} else {
				m.msg_control = NULL;
				m.msg_controllen = 0;
			}
			if ((size_t)n - head == sizeof(question) - 1 &&
			    memcmp(buf + head, question, sizeof(question) - 1) == 0) {
				iov = (struct iovec){ (char *)answer, sizeof(answer) - 1 };
				(void)!sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
			}
			seen = true;
		}
		iov = (struct iovec){ buf, sizeof(buf) };
		m.msg_namelen = sizeof(peer);
		m.msg_control = control.buf;
		m.msg_controllen = sizeof(control.buf);
	}
	return seen;
}

/* ---- inside the namespace ---- */

static int open_socket(const struct wire *w)
{
	int one = 1, fd;
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	if (w->proto == IPPROTO_TCP)
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	else if (w->proto == IPPROTO_UDP)
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	else
		fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, w->proto);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* Ends with a reset, so that the same ports can be probed again at once. */
	if (w->proto == IPPROTO_TCP)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	return fd;
}

static uint16_t checksum(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)b[i] << 8 | b[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static int send_first(int fd, const struct wire *w)
{
	struct sockaddr_in to = sockaddr_of(&w->dst, w->proto == IPPROTO_TCP || w->proto == IPPROTO_UDP ? w->dport : 0);
	struct icmp_packet p = { .type = w->icmp_type, .code = w->icmp_code, .id = htons(w->sport), .seq = htons(1) };
	ssize_t n;

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
		return -errno;
	if (w->proto == IPPROTO_TCP)
		return 0;
	if (w->proto == IPPROTO_ICMP) {
		memcpy(p.data, question, sizeof(question));
		p.sum = checksum(&p, sizeof(p));
		n = send(fd, &p, sizeof(p), MSG_NOSIGNAL);
	} else {
		n = send(fd, question, sizeof(question) - 1, MSG_NOSIGNAL);
	}
	return n < 0 ? -errno : 0;
}

/* The kernel asks again for a neighbour that does not answer only once a second: a probe of an address nobody
 * has, asked for shortly before, would wait for that. Forgotten, it is asked for at once. */
static void forget_silent_neighbour(int fd, const struct wire *w)
{
	struct sockaddr_in to = sockaddr_of(&w->dst, 0);
	struct if_nameindex *all = if_nameindex();

	for (const struct if_nameindex *i = all; i && i->if_index; i++) {
		struct arpreq q = { 0 };

		snprintf(q.arp_dev, sizeof(q.arp_dev), "%s", i->if_name);
		memcpy(&q.arp_pa, &to, sizeof(to));
		if (ioctl(fd, SIOCGARP, &q) < 0 || q.arp_flags & ATF_COM)
			continue;
		memcpy(&q.arp_pa, &to, sizeof(to));
		(void)!ioctl(fd, SIOCDARP, &q);
	}
	if (all)
		if_freenameindex(all);
}

static int forget_neighbour(void *ctx)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	forget_silent_neighbour(fd, ctx);
	return 0;
}

static int open_sender(void *ctx)
{
	struct inside *in = ctx;
	int r, fd = open_socket(in->w);

	if (fd < 0)
		return fd;
	forget_silent_neighbour(fd, in->w);
	r = bind_source(fd, in->w);
	if (r == 0)
		r = send_first(fd, in->w);
	if (r < 0)
		close(fd);
	else
		in->fd = fd;
	return r;
}

static int open_door(void *ctx)
{
	struct inside *in = ctx;
	struct sockaddr_in any = { .sin_family = AF_INET };
	int one = 1, r = 0, fd = open_socket(in->w);

	if (fd < 0)
		return fd;
	if (in->w->proto == IPPROTO_UDP) {
		int off = 0;

		/* With it two datagram sockets would share the port, and one of them would starve. */
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &off, sizeof(off));
	}
	if (in->w->proto != IPPROTO_TCP)
		setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one));
	if (in->w->proto == IPPROTO_TCP || in->w->proto == IPPROTO_UDP) {
		any.sin_port = htons(in->w->dport);
		if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 ||
		    (in->w->proto == IPPROTO_TCP && listen(fd, 128) < 0))
			r = -errno;
	}
	if (r < 0)
		close(fd);
	else
		in->fd = fd;
	return r;
}

static int send_reset(void *ctx)
{
	const struct reset *in = ctx;
	const struct wire *w = in->w;
	struct sockaddr_in to = sockaddr_of(&w->dst, 0);
	struct {
		uint32_t src, dst; /* be */
		uint8_t zero, proto;
		uint16_t len; /* be */
		struct tcphdr tcp;
	} p = { .src = htonl(addr_to_v4(&w->src)),
		.dst = htonl(addr_to_v4(&w->dst)),
		.proto = IPPROTO_TCP,
		.len = htons(sizeof(p.tcp)) };
	struct wire raw = *w;
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);

	if (fd < 0)
		return -errno;
	raw.proto = IPPROTO_RAW; /* no port to bind to */
	p.tcp.source = htons(w->sport);
	p.tcp.dest = htons(w->dport);
	p.tcp.seq = htonl(in->seq);
	p.tcp.doff = sizeof(p.tcp) / 4;
	p.tcp.rst = 1;
	p.tcp.check = checksum(&p, sizeof(p));
	if (bind_source(fd, &raw) == 0)
		(void)!sendto(fd, &p.tcp, sizeof(p.tcp), MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof(to));
	close(fd);
	return 0;
}

static struct sockaddr_in sockaddr_of(const struct addr *a, uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };

	sa.sin_addr.s_addr = htonl(addr_to_v4(a));
	return sa;
}

/* A source that is not its own is a spoofed packet, asked for with SRC@ADDRESS. */
static int bind_source(int fd, const struct wire *w)
{
	bool ports = w->proto == IPPROTO_TCP || w->proto == IPPROTO_UDP;
	struct sockaddr_in sa = sockaddr_of(&w->src, ports ? w->sport : 0);
	int one = 1;

	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return 0;
	if (errno != EADDRNOTAVAIL)
		return -errno;
	if (setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	return 0;
}

static int icmp_answered(int fd, const struct wire *w)
{
	uint8_t want = w->icmp_type == ICMP_TIMESTAMP ? ICMP_TIMESTAMP_REPLY : ICMP_ECHO_REPLY;
	_Alignas(struct iphdr) char buf[PACKET_MAX];
	struct icmp_packet p;
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) >= 0) {
		size_t head = header_len(buf, (size_t)n);

		if ((size_t)n - head < 8)
			continue;
		memcpy(&p, buf + head, 8);
		if (p.type == want && p.id == htons(w->sport))
			return 1;
	}
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}
