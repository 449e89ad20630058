/* test_nat.c: the NAT gateway's ruleset with real packets: what goes out leaves with the gateway's
 * address and a port of 1024-65535 drawn at random, answers come back, nothing comes in by itself,
 * the gateway answers nobody, a forgotten connection is reset. Three namespaces without names.
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
#include "kern/nl.h"
#include "kern/ns.h"
#include "kern/sysctl.h"
#include "util/mem.h"

enum { CONNECTIONS = 64, WAIT_MS = 5000, SILENCE_MS = 150, PORT = 7777 };

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

static int set_up(void **unused)
{
	struct prefix inside;
	struct addr address = addr_of("10.0.1.4");
	struct nft_row row = { .inside = &inside,
			       .n_inside = 1,
			       .addrs = &address,
			       .n_addrs = 1,
			       .idle_s = 350,
			       .udp_s = 350,
			       .icmp_s = 30 };
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
	give_address(gateway, "out", "192.0.2.1", 24);
	give_default(client, "10.0.2.1");
	give_default(server, "192.0.2.1");
	prefix_parse("10.0.0.0/16", &inside, NULL);
	assert_int_equal(netns_enter(gateway), 0);
	assert_int_equal(nft_compare("natlab", &row, &e), 0);
	if (nft_write("natlab", &row, &e) || nft_write("natlab", &row, &e))
		print_error("%s\n", e.msg);
	assert_int_equal(sysctl_write(NULL, "net/ipv4/ip_forward", "1"), 0);
	assert_int_equal(nft_compare("natlab", &row, &e), 1);
	row.idle_s = 100;
	assert_int_equal(nft_compare("natlab", &row, &e), 2);
	row.idle_s = 350;
	address = addr_of("10.0.1.5");
	assert_int_equal(nft_compare("natlab", &row, &e), 2);
	assert_int_equal(nft_compare("natlab", NULL, &e), 2);
	assert_int_equal(nft_compare("another", &row, &e), 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_out),          cmocka_unit_test(udp_out),
		cmocka_unit_test(icmp_out),         cmocka_unit_test(gateway_is_silent),
		cmocka_unit_test(nothing_comes_in), cmocka_unit_test(forgotten_is_reset),
	};

	if (geteuid() != 0) {
		printf("1..0 # SKIP needs root\n");
		return 77;
	}
	return cmocka_run_group_tests_name("nat", tests, set_up, tear_down);
}
