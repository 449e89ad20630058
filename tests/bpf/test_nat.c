/* test_nat.c: the NAT gateway's ruleset with real packets: what goes out leaves with the gateway's
 * address and a port of 1024-65535 drawn at random, answers come back, nothing comes in by itself,
 * the gateway answers nobody, a forgotten connection is reset; several addresses; 55,000 connections. Three namespaces
 * without names.
 *
 *   client 10.0.2.4 -- 10.0.2.1 gateway 10.0.1.4 -- 192.0.2.10 server */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include "tests/unit/test.h"
#include "kern/nft.h"
#include "kern/nft_count.h"
#include "kern/nl.h"
#include "kern/ns.h"
#include "kern/sysctl.h"
#include "util/mem.h"

enum { CONNECTIONS = 64, WAIT_MS = 5000, SILENCE_MS = 150, PORT = 7777 };
enum { NAT_LIMIT = 55000, NAT_HALF = NAT_LIMIT / 2, NAT_FIRST = 1024, NAT_LAST = 65535 }; /* semantics 4.1 */

static int self_ns = -1, client = -1, gateway = -1, server = -1;

static struct addr addr_of(const char *s)
{
	struct addr a;

	assert_int_equal(addr_parse(s, &a), 0);
	return a;
}

static struct nl_ns *open_in(int ns)
{
	struct err e = { 0 };
	struct nl_ns *nl = NULL;

	assert_int_equal(netns_enter(ns), 0);
	if (nl_ns_open(&nl, &e))
		fail_msg("%s", e.msg);
	netns_leave(self_ns);
	return nl;
}

static void give_address(int ns, const char *ifname, const char *address, uint8_t len)
{
	struct addr_row row = { .addr = addr_of(address), .prefix_len = len };
	struct nl_ns *nl = open_in(ns);
	struct err e = { 0 };

	strcpy(row.ifname, ifname);
	if (nl_link_set(nl, nl_link_index(nl, ifname, &e), &(struct nl_link_change){ .up = true }, &e) ||
	    nl_addr_add(nl, &row, &e))
		fail_msg("%s", e.msg);
	nl_ns_close(&nl);
}

static void give_default(int ns, const char *via)
{
	struct route_row row = { .table = ROUTE_TABLE_MAIN, .ifname = "eth0", .via = addr_of(via) };
	struct nl_ns *nl = open_in(ns);
	struct err e = { 0 };

	prefix_parse("0.0.0.0/0", &row.dst, NULL);
	if (nl_route_set(nl, &row, &e))
		fail_msg("%s", e.msg);
	nl_ns_close(&nl);
}

static void link_to_gateway(int ns, const char *ifname, uint32_t ifindex)
{
	struct link_row row = { .ifindex = ifindex,
				.mac = { 2, 0, 0, 0, 0, (uint8_t)ifindex },
				.peer_mac = { 2, 0, 0, 0, 1, (uint8_t)ifindex },
				.mtu = 1500 };
	struct nl_ns *nl = open_in(gateway);
	struct err e = { 0 };

	strcpy(row.ifname, ifname);
	strcpy(row.peer_ifname, "eth0");
	if (nl_link_add_veth(nl, &row, ns, &e))
		fail_msg("%s", e.msg);
	nl_ns_close(&nl);
}

struct gateway_row {
	struct nft_row row;
	struct prefix inside;
	struct addr addrs[NAT_ADDRS_MAX + 1];
};
/* 10.0.1.4, 10.0.1.5, … */
static struct nft_row *row_init(struct gateway_row *g, uint32_t n_addrs, uint32_t idle_s)
{
	prefix_parse("10.0.0.0/16", &g->inside, NULL);
	for (uint32_t i = 0; i < n_addrs; i++)
		g->addrs[i] = addr_from_v4(0x0a000104 + i);
	g->row = (struct nft_row){ .inside = &g->inside,
				   .n_inside = 1,
				   .addrs = g->addrs,
				   .n_addrs = n_addrs,
				   .idle_s = idle_s,
				   .udp_s = idle_s,
				   .icmp_s = 30 };
	return &g->row;
}

/* The gateway as row says from here on. */
static void gateway_is(const struct nft_row *row)
{
	struct err e = { 0 };

	assert_int_equal(netns_enter(gateway), 0);
	if (nft_write("natlab", row, &e) || nft_compare("natlab", row, &e) != 1)
		print_error("%s\n", e.msg);
	assert_int_equal(nft_compare("natlab", row, &e), 1);
	netns_leave(self_ns);
}

static struct nat_metrics metrics(void)
{
	struct nat_metrics m;
	struct err e = { 0 };

	assert_int_equal(netns_enter(gateway), 0);
	assert_int_equal(nft_count_read(&m, &e), 0);
	netns_leave(self_ns);
	return m;
}

static int set_up(void **unused)
{
	struct gateway_row g;
	struct nft_row *row = row_init(&g, 1, 350);
	struct err e = { 0 };

	(void)unused;
	self_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	client = netns_new(self_ns, &e);
	gateway = netns_new(self_ns, &e);
	server = netns_new(self_ns, &e);
	link_to_gateway(client, "in", 10);
	link_to_gateway(server, "out", 11);
	give_address(client, "eth0", "10.0.2.4", 24);
	give_address(gateway, "in", "10.0.2.1", 24);
	give_address(server, "eth0", "192.0.2.10", 24);
	give_address(gateway, "out", "10.0.1.4", 32);
	give_address(gateway, "out", "10.0.1.5", 32);
	give_address(gateway, "out", "10.0.1.6", 32);
	give_address(gateway, "out", "192.0.2.1", 24);
	give_default(client, "10.0.2.1");
	give_default(server, "192.0.2.1");
	assert_int_equal(netns_enter(gateway), 0);
	assert_int_equal(nft_compare("natlab", row, &e), 0);
	if (nft_write("natlab", row, &e) || nft_write("natlab", row, &e))
		print_error("%s\n", e.msg);
	assert_int_equal(sysctl_write(NULL, "net/ipv4/ip_forward", "1"), 0);
	assert_int_equal(nft_compare("natlab", row, &e), 1);
	row->idle_s = 100;
	assert_int_equal(nft_compare("natlab", row, &e), 2);
	row->idle_s = 350;
	g.addrs[0] = addr_of("10.0.1.5");
	assert_int_equal(nft_compare("natlab", row, &e), 2);
	assert_int_equal(nft_compare("natlab", NULL, &e), 2);
	assert_int_equal(nft_compare("another", row, &e), 0);
	row_init(&g, NAT_ADDRS_MAX + 1, 350);
	assert_int_equal(nft_write("natlab", row, &e), -E2BIG);
	netns_leave(self_ns);
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	close(client);
	close(gateway);
	close(server);
	close(self_ns);
	return 0;
}

static int socket_in(int ns, int type, int proto)
{
	int fd;

	assert_int_equal(netns_enter(ns), 0);
	fd = socket(AF_INET, type | SOCK_CLOEXEC, proto);
	netns_leave(self_ns);
	assert_true(fd >= 0);
	return fd;
}

static struct sockaddr_in at(const char *address, uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, address, &sa.sin_addr);
	return sa;
}

static int bound(int ns, int type, const char *address, uint16_t port)
{
	struct sockaddr_in sa = at(address, port);
	int fd = socket_in(ns, type, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, CONNECTIONS), 0);
	return fd;
}

static bool readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static void expect_source(const struct sockaddr_in *from)
{
	char text[INET_ADDRSTRLEN];

	assert_string_equal(inet_ntop(AF_INET, &from->sin_addr, text, sizeof(text)), "10.0.1.4");
	assert_true(ntohs(from->sin_port) >= 1024);
}

/* Ports that follow each other, or are the client's own, are not drawn at random. */
static void expect_random(const uint16_t *own, const uint16_t *seen, size_t n)
{
	unsigned same = 0, next = 0, high = 0;

	for (size_t i = 0; i < n; i++) {
		same += own[i] == seen[i];
		next += i && seen[i] == seen[i - 1] + 1;
		high += seen[i] >= 32768;
	}
	assert_true(same <= 2 && next <= 2);
	assert_true(high > n / 8 && high < n - n / 8); /* both halves: 2^-20 or so to fail */
}

static void tcp_out(void **unused)
{
	_cleanup_close_ int l = bound(server, SOCK_STREAM, "192.0.2.10", PORT);
	struct sockaddr_in to = at("192.0.2.10", PORT), from, mine;
	uint16_t own[CONNECTIONS], seen[CONNECTIONS];
	socklen_t len;
	char c;

	(void)unused;
	for (size_t i = 0; i < CONNECTIONS; i++) {
		_cleanup_close_ int s = socket_in(client, SOCK_STREAM, 0), a = -1;

		assert_int_equal(connect(s, (struct sockaddr *)&to, sizeof(to)), 0);
		len = sizeof(from);
		a = accept(l, (struct sockaddr *)&from, &len);
		assert_true(a >= 0);
		expect_source(&from);
		assert_int_equal(write(a, "x", 1), 1);
		assert_int_equal(read(s, &c, 1), 1);
		len = sizeof(mine);
		getsockname(s, (struct sockaddr *)&mine, &len);
		own[i] = ntohs(mine.sin_port);
		seen[i] = ntohs(from.sin_port);
	}
	expect_random(own, seen, CONNECTIONS);
}

static void udp_out(void **unused)
{
	_cleanup_close_ int l = bound(server, SOCK_DGRAM, "192.0.2.10", PORT);
	struct sockaddr_in to = at("192.0.2.10", PORT), from, mine;
	uint16_t own[CONNECTIONS], seen[CONNECTIONS];
	socklen_t len;
	char c;

	(void)unused;
	for (size_t i = 0; i < CONNECTIONS; i++) {
		_cleanup_close_ int s = socket_in(client, SOCK_DGRAM, 0);

		assert_int_equal(sendto(s, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
		assert_true(readable(l, WAIT_MS));
		len = sizeof(from);
		assert_int_equal(recvfrom(l, &c, 1, 0, (struct sockaddr *)&from, &len), 1);
		expect_source(&from);
		assert_int_equal(sendto(l, "y", 1, 0, (struct sockaddr *)&from, sizeof(from)), 1);
		assert_true(readable(s, WAIT_MS));
		len = sizeof(mine);
		getsockname(s, (struct sockaddr *)&mine, &len);
		own[i] = ntohs(mine.sin_port);
		seen[i] = ntohs(from.sin_port);
	}
	expect_random(own, seen, CONNECTIONS);
}

static bool echo(int ns, const char *address)
{
	_cleanup_close_ int s = socket_in(ns, SOCK_RAW, IPPROTO_ICMP);
	struct icmphdr h = { .type = ICMP_ECHO, .un.echo.id = htons(4711) };
	struct sockaddr_in to = at(address, 0);
	uint8_t buf[128];
	uint32_t sum = 0;

	for (size_t i = 0; i < sizeof(h) / 2; i++)
		sum += ((uint16_t *)&h)[i];
	h.checksum = (uint16_t) ~((sum & 0xffff) + (sum >> 16));
	assert_int_equal(sendto(s, &h, sizeof(h), 0, (struct sockaddr *)&to, sizeof(to)), sizeof(h));
	while (readable(s, SILENCE_MS)) {
		ssize_t n = recv(s, buf, sizeof(buf), 0);

		if (n >= 28 && buf[20] == ICMP_ECHOREPLY)
			return true;
	}
	return false;
}

static void icmp_out(void **unused)
{
	(void)unused;
	assert_true(echo(client, "192.0.2.10"));
}

static void gateway_is_silent(void **unused)
{
	(void)unused;
	assert_false(echo(client, "10.0.2.1"));
	assert_false(echo(server, "10.0.1.4"));
}

static void nothing_comes_in(void **unused)
{
	_cleanup_close_ int u = bound(client, SOCK_DGRAM, "10.0.2.4", PORT), s = socket_in(server, SOCK_DGRAM, 0);
	struct sockaddr_in to = at("10.0.2.4", PORT);

	(void)unused;
	assert_int_equal(sendto(s, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	assert_false(readable(u, SILENCE_MS));
	assert_false(echo(server, "10.0.2.4"));
}

/* All connections of the gateway, as their timers would one day. */
static void forget_connections(void)
{
	struct {
		struct nlmsghdr h;
		struct nfgenmsg g;
	} req = { .h = { .nlmsg_len = sizeof(req),
			 .nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		  .g = { .nfgen_family = AF_INET } };
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
	} ack;
	int s;

	assert_int_equal(netns_enter(gateway), 0);
	s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	netns_leave(self_ns);
	assert_int_equal(send(s, &req, sizeof(req), 0), sizeof(req));
	assert_true(recv(s, &ack, sizeof(ack), 0) >= (ssize_t)sizeof(ack));
	assert_int_equal(ack.e.error, 0);
	close(s);
}

static void forgotten_is_reset(void **unused)
{
	_cleanup_close_ int l = bound(server, SOCK_STREAM, "192.0.2.10", PORT), s = socket_in(client, SOCK_STREAM, 0),
			    a = -1;
	struct sockaddr_in to = at("192.0.2.10", PORT);
	char c;

	(void)unused;
	assert_int_equal(connect(s, (struct sockaddr *)&to, sizeof(to)), 0);
	a = accept(l, NULL, NULL);
	assert_true(a >= 0);
	forget_connections();
	assert_int_equal(write(s, "x", 1), 1);
	assert_true(readable(s, WAIT_MS));
	assert_int_equal(read(s, &c, 1), -1);
	assert_int_equal(errno, ECONNRESET);
	/* The other side hears nothing of it. */
	assert_false(readable(a, SILENCE_MS));
}

/* A connection that nothing was sent on for so long: the inside is told when it goes on, the outside is not. UDP is
 * forgotten in silence. Real timers, of one second. */
static void idle_is_reset(void **unused)
{
	_cleanup_close_ int l = bound(server, SOCK_STREAM, "192.0.2.10", PORT), s = socket_in(client, SOCK_STREAM, 0),
			    a = -1, u = bound(server, SOCK_DGRAM, "192.0.2.10", PORT),
			    c = socket_in(client, SOCK_DGRAM, 0);
	struct sockaddr_in to = at("192.0.2.10", PORT), from, again;
	struct nat_metrics before;
	struct gateway_row g;
	socklen_t len = sizeof(from);
	char x;

	(void)unused;
	forget_connections();
	gateway_is(row_init(&g, 1, 1));
	before = metrics();
	assert_int_equal(connect(s, (struct sockaddr *)&to, sizeof(to)), 0);
	a = accept(l, NULL, NULL);
	assert_true(a >= 0);
	assert_int_equal(sendto(c, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	assert_true(readable(u, WAIT_MS));
	assert_int_equal(recvfrom(u, &x, 1, 0, (struct sockaddr *)&from, &len), 1);
	assert_int_equal(metrics().active, 1);
	for (int i = 0; i < WAIT_MS / 50 && metrics().active; i++)
		assert_false(readable(a, 50));
	assert_int_equal(metrics().active, 0);
	assert_int_equal(metrics().idle - before.idle, 1);
	assert_false(readable(s, SILENCE_MS)); /* nobody is told before it goes on */
	assert_int_equal(write(s, "x", 1), 1);
	assert_true(readable(s, WAIT_MS));
	assert_int_equal(read(s, &x, 1), -1);
	assert_int_equal(errno, ECONNRESET);
	assert_false(readable(a, SILENCE_MS));
	/* The late answer of UDP comes nowhere; who asks again has another port. */
	assert_int_equal(sendto(u, "y", 1, 0, (struct sockaddr *)&from, sizeof(from)), 1);
	assert_false(readable(c, SILENCE_MS));
	assert_int_equal(sendto(c, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	assert_true(readable(u, WAIT_MS));
	assert_int_equal(recvfrom(u, &x, 1, 0, (struct sockaddr *)&again, &len), 1);
	assert_int_not_equal(from.sin_port, again.sin_port);
	gateway_is(row_init(&g, 1, 350));
}

/* Does a byte get through, there and back? */
static bool talks(int s, int a)
{
	char x;

	return send(s, "x", 1, MSG_NOSIGNAL) == 1 && readable(a, SILENCE_MS) && read(a, &x, 1) == 1 &&
	       send(a, "y", 1, MSG_NOSIGNAL) == 1 && readable(s, SILENCE_MS) && read(s, &x, 1) == 1;
}

/* Connections are spread over the addresses and stay where they are; an address takes its own along when it goes. */
static void several_addresses(void **unused)
{
	_cleanup_close_ int l = bound(server, SOCK_STREAM, "192.0.2.10", PORT);
	struct sockaddr_in to = at("192.0.2.10", PORT), from;
	int s[CONNECTIONS], a[CONNECTIONS], of[CONNECTIONS];
	unsigned on[3] = { 0 };
	struct nat_metrics before, after;
	struct gateway_row g;

	(void)unused;
	forget_connections();
	gateway_is(row_init(&g, 3, 350));
	before = metrics();
	for (size_t i = 0; i < CONNECTIONS; i++) {
		socklen_t len = sizeof(from);

		s[i] = socket_in(client, SOCK_STREAM, 0);
		assert_int_equal(connect(s[i], (struct sockaddr *)&to, sizeof(to)), 0);
		a[i] = accept(l, (struct sockaddr *)&from, &len);
		assert_true(a[i] >= 0);
		of[i] = (int)(ntohl(from.sin_addr.s_addr) - 0x0a000104);
		assert_in_range(of[i], 0, 2);
		on[of[i]]++;
	}
	for (int i = 0; i < 3; i++)
		assert_in_range(on[i], CONNECTIONS / 8, CONNECTIONS / 8 * 5); /* 2^-12 or so to fail */
	gateway_is(row_init(&g, 4, 350));
	for (size_t i = 0; i < CONNECTIONS; i++)
		assert_true(talks(s[i], a[i]));
	/* 10.0.1.5 goes, from the middle. */
	row_init(&g, 3, 350);
	g.addrs[1] = g.addrs[2];
	g.row.n_addrs = 2;
	gateway_is(&g.row);
	for (size_t i = 0; i < CONNECTIONS; i++) {
		bool reset = of[i] == 1;
		char x;

		if (!reset) {
			assert_true(talks(s[i], a[i]));
		} else {
			assert_int_equal(send(s[i], "x", 1, MSG_NOSIGNAL), 1);
			assert_true(readable(s[i], WAIT_MS));
			assert_int_equal(read(s[i], &x, 1), -1);
			assert_int_equal(errno, ECONNRESET);
		}
	}
	after = metrics();
	assert_int_equal(after.active, on[0] + on[2]);
	assert_int_equal(after.idle, before.idle); /* cut, which is not idle */
	for (size_t i = 0; i < CONNECTIONS; i++) {
		close(s[i]);
		close(a[i]);
	}
	gateway_is(row_init(&g, 1, 350));
}

/* One datagram from a port of the client's own. */
static void send_from(uint16_t own, const struct sockaddr_in *to)
{
	_cleanup_close_ int s = bound(client, SOCK_DGRAM, "10.0.2.4", own);

	assert_int_equal(sendto(s, "x", 1, 0, (const struct sockaddr *)to, sizeof(*to)), 1);
}

/* What has arrived: a flag a source port. How many were new. */
static unsigned drain(int l, uint8_t seen[UINT16_MAX + 1])
{
	struct sockaddr_in from;
	unsigned n = 0;
	char x;

	for (;;) {
		socklen_t len = sizeof(from);

		if (recvfrom(l, &x, 1, MSG_DONTWAIT, (struct sockaddr *)&from, &len) < 0)
			return n;
		n += !seen[ntohs(from.sin_port)];
		seen[ntohs(from.sin_port)] = 1;
	}
}

/* semantics 4.1: 55,000 connections to one destination and not one more; each is found; others are not concerned. */
static void every_port(void **unused)
{
	_cleanup_close_ int l = bound(server, SOCK_DGRAM, "192.0.2.10", PORT),
			    other = bound(server, SOCK_DGRAM, "192.0.2.10", PORT + 1),
			    t = bound(server, SOCK_STREAM, "192.0.2.10", PORT), s = socket_in(client, SOCK_STREAM, 0);
	_cleanup_free_ uint8_t *seen = xcalloc(UINT16_MAX + 1, 1);
	struct sockaddr_in to = at("192.0.2.10", PORT), beside = at("192.0.2.10", PORT + 1);
	unsigned arrived = 0, sent = 0, at_half = 0, low = 0;
	struct nat_metrics before, after;
	struct gateway_row g;

	(void)unused;
	forget_connections();
	gateway_is(row_init(&g, 1, 350));
	before = metrics();
	/* What found no port tries again, as a client would. */
	for (int round = 0; round < 8 && arrived < NAT_LIMIT; round++)
		for (unsigned own = NAT_FIRST; own <= NAT_LAST; own++) {
			send_from((uint16_t)own, &to);
			if (++sent % 64 == 0 || sent == NAT_HALF)
				arrived += drain(l, seen);
			if (sent == NAT_HALF)
				at_half = arrived;
		}
	arrived += drain(l, seen);
	assert_int_equal(at_half, NAT_HALF); /* with half of the ports free, each finds one at once */
	assert_int_equal(arrived, NAT_LIMIT);
	for (unsigned port = 0; port < NAT_FIRST; port++)
		assert_int_equal(seen[port], 0);
	assert_int_equal(seen[NAT_FIRST] + seen[NAT_LAST], 2);
	for (unsigned port = NAT_FIRST; port < 32768; port++)
		low += seen[port];
	assert_int_equal(low, NAT_HALF);
	after = metrics();
	assert_int_equal(after.packets_in_source - before.packets_in_source, sent);
	assert_in_range(after.port_errors - before.port_errors, NAT_LAST - NAT_FIRST + 1 - NAT_LIMIT, sent - NAT_LIMIT);
	assert_int_equal(after.packets_out_destination - before.packets_out_destination,
			 sent - (after.port_errors - before.port_errors));
	/* Connections that ended in other tests may still say goodbye, in vain. */
	assert_true(after.drops - before.drops >= after.port_errors - before.port_errors);
	send_from(NAT_FIRST, &beside);
	assert_true(readable(other, WAIT_MS));
	assert_int_equal(connect(s, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_true(readable(t, WAIT_MS));
	forget_connections();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_out),          cmocka_unit_test(udp_out),
		cmocka_unit_test(icmp_out),         cmocka_unit_test(gateway_is_silent),
		cmocka_unit_test(nothing_comes_in), cmocka_unit_test(forgotten_is_reset),
		cmocka_unit_test(idle_is_reset),    cmocka_unit_test(several_addresses),
		cmocka_unit_test(every_port),
	};

	if (geteuid() != 0) {
		printf("1..0 # SKIP needs root\n");
		return 77;
	}
	return cmocka_run_group_tests_name("nat", tests, set_up, tear_down);
}
