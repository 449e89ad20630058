/* test_gates.c: single frames at gates that no shipped topology and no walk comes to: a spoofed neighbour, a DHCP answer, a group
 * reference beside an appliance, the edges of private ranges at an internet gateway. */
#include "tests/unit/host_lab.h"

static const char text[] =
	"[lab t]\n[vpc v]\ncidr = 10.0.0.0/16\n[vpc other]\ncidr = 10.9.0.0/16\n[internet-gateway door]\nvpc = v\n"
	"[internet-gateway far-door]\nvpc = other\n"
	"[route-table out]\nvpc = v\nroute = 0.0.0.0/0 via igw:door\nroute = 198.51.0.0/16 via nat:sold\ngone = nat:sold\n"
	"[subnet p]\nvpc = v\ncidr = 10.0.3.0/24\nroute-table = out\n"
	"[nat-gateway nat]\nsubnet = p\naddress = 10.0.3.5\npublic-ip = 203.0.113.5\n"
	"[vpc-peering-connection pair]\nvpc = v\npeer-vpc = other\n"
	"[route-table by-nat]\nvpc = v\nroute = 0.0.0.0/0 via nat:nat\nroute = 10.9.0.0/16 via pcx:pair\nroute = 192.0.2.0/24 via pcx:pair\n"
	"[subnet q]\nvpc = v\ncidr = 10.0.4.0/24\nroute-table = by-nat\n"
	"[instance inner]\nsubnet = q\naddress = 10.0.4.10\nsecurity-groups = open\nsource-dest-check = no\n"
	"[subnet r]\nvpc = other\ncidr = 10.9.0.0/24\n[security-group there]\nvpc = other\ninbound = all from 0.0.0.0/0\n"
	"[instance far]\nsubnet = r\naddress = 10.9.0.10\nsecurity-groups = there\n"
	"[security-group narrow]\nvpc = v\ninbound = all from 0.0.0.0/0\noutbound = udp 53 to 0.0.0.0/0\n"
	"[instance kept]\nsubnet = q\naddress = 10.0.4.11\nsecurity-groups = narrow\n"
	"[security-group shy]\nvpc = v\noutbound = tcp 443 to 0.0.0.0/0\n"
	"[instance shy]\nsubnet = p\naddress = 10.0.3.11\npublic-ip = 203.0.113.11\nsecurity-groups = shy\n"
	"[instance public]\nsubnet = p\naddress = 10.0.3.10\npublic-ip = 203.0.113.10\nsecurity-groups = open\n"
	"[route-table by-box]\nvpc = v\nroute = 0.0.0.0/0 via instance:box\nroute = 10.0.1.0/24 via instance:box\n"
	"[subnet a]\nvpc = v\ncidr = 10.0.0.0/24\n[subnet b]\nvpc = v\ncidr = 10.0.1.0/24\n"
	"[subnet c]\nvpc = v\ncidr = 10.0.2.0/24\nroute-table = by-box\n"
	"[security-group box]\nvpc = v\ninbound = all from 0.0.0.0/0\n"
	"[security-group refers]\nvpc = v\ninbound = tcp 80 from sg:box\noutbound = tcp 80 to sg:box\noutbound = udp 1-1000 to 0.0.0.0/0\n"
	"[security-group open]\nvpc = v\ninbound = all from 0.0.0.0/0\n"
	"[instance box]\nsubnet = a\naddress = 10.0.0.10\nsecurity-groups = box\nsource-dest-check = no\n"
	"[instance server]\nsubnet = b\naddress = 10.0.1.10\nsecurity-groups = refers\n"
	"[instance client]\nsubnet = c\naddress = 10.0.2.10\nsecurity-groups = open\n"
	"[instance strict]\nsubnet = c\naddress = 10.0.2.11\nsecurity-groups = refers\n";

static struct pass send_spec(const char *by, const char *from, const char *to, struct frame_spec s)
{
	struct lab l;
	struct pass x;

	lab_up(&l, text);
	s.src = address(&l, from);
	s.dst = address(&l, to);
	x = send_frame(&l, by, &s, 1);
	lab_down(&l);
	return x;
}

static struct pass send_one(const char *by, const char *from, const char *to, uint8_t proto, uint16_t sport,
			    uint16_t dport)
{
	return send_spec(by, from, to,
			 (struct frame_spec){ .proto = proto, .sport = sport, .dport = dport, .tcp_flags = TCP_SYN });
}

static void reason_is(const struct pass *x, enum abi_reason reason)
{
	assert_string_equal(reason_name((enum abi_reason)x->o.reason), reason_name(reason));
}

static void neighbours_are_not_spoofed(void **state)
{
	struct pass x;

	(void)state;
	x = send_one("client", "strict", "server", PKT_PROTO_TCP, 40000, 80);
	denied(&x, ABI_GATE_SOURCE_CHECK);
	x = send_one("client", "192.0.2.1", "server", PKT_PROTO_TCP, 40000, 80);
	denied(&x, ABI_GATE_SOURCE_CHECK);
}

static void dhcp_is_asked_not_answered(void **state)
{
	struct pass x = send_one("client", "client", "box", PKT_PROTO_UDP, DHCP_SERVER, DHCP_CLIENT);

	(void)state;
	denied(&x, ABI_GATE_PARSE);
	reason_is(&x, ABI_REASON_DHCP_SPOOFED);
	x = send_one("client", "client", "box", PKT_PROTO_UDP, DHCP_CLIENT, DHCP_SERVER);
	assert_true(x.o.allow);
}

/* The groups of who forwards are not those of who sent, nor of whom it is for. */
static void references_name_ends(void **state)
{
	struct pass x = send_one("box", "box", "server", PKT_PROTO_TCP, 40000, 80);

	(void)state;
	assert_true(x.o.allow);
	x = send_one("box", "client", "server", PKT_PROTO_TCP, 40000, 80);
	denied(&x, ABI_GATE_SG_IN);
	reason_is(&x, ABI_REASON_SG_REFERENCES_NOT_PRESERVED);
	x = send_one("strict", "strict", "box", PKT_PROTO_TCP, 40000, 80);
	assert_true(x.o.allow);
	x = send_one("strict", "strict", "192.0.2.1", PKT_PROTO_UDP, 40000, 80);
	assert_true(x.o.allow);
	assert_int_equal(x.o.peer, send_one("strict", "strict", "box", PKT_PROTO_TCP, 40000, 80).o.peer);
	x = send_one("strict", "strict", "192.0.2.1", PKT_PROTO_TCP, 40000, 80);
	denied(&x, ABI_GATE_SG_OUT);
	x = send_one("strict", "strict", "server", PKT_PROTO_TCP, 40000, 80);
	denied(&x, ABI_GATE_SG_OUT);
	reason_is(&x, ABI_REASON_SG_REFERENCES_NOT_PRESERVED);
}

/* RFC 1918 and RFC 6598 go neither in nor out, up to their last address and no further. */
static void private_ranges_stay_inside(void **state)
{
	static const struct {
		const char *address;
		enum abi_reason out, in;
	} cases[] = {
#define PRIVATE(rfc) \
	ABI_REASON_IGW_DESTINATION_ADDRESS_NOT_IN_##rfc##_EGRESS, ABI_REASON_IGW_SOURCE_ADDRESS_NOT_IN_##rfc##_INGRESS
#define PUBLIC ABI_REASON_ACCEPT, ABI_REASON_ACCEPT
		{ "9.255.255.255", PUBLIC },
		{ "10.255.255.255", PRIVATE(RFC1918) },
		{ "11.0.0.0", PUBLIC },
		{ "172.15.255.255", PUBLIC },
		{ "172.16.0.0", PRIVATE(RFC1918) },
		{ "172.31.255.255", PRIVATE(RFC1918) },
		{ "172.32.0.0", PUBLIC },
		{ "192.167.255.255", PUBLIC },
		{ "192.168.0.0", PRIVATE(RFC1918) },
		{ "192.168.255.255", PRIVATE(RFC1918) },
		{ "192.169.0.0", PUBLIC },
		{ "100.63.255.255", PUBLIC },
		{ "100.64.0.0", PRIVATE(RFC6598) },
		{ "100.127.255.255", PRIVATE(RFC6598) },
		{ "100.128.0.0", PUBLIC },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pass x = send_one("public", "public", cases[i].address, PKT_PROTO_TCP, 40000, 443);

		reason_is(&x, cases[i].out);
		if (!x.o.allow)
			denied(&x, ABI_GATE_IGW);
		x = send_one("door", cases[i].address, "203.0.113.10", PKT_PROTO_TCP, 40000, 443);
		reason_is(&x, cases[i].in);
		if (!x.o.allow)
			denied(&x, ABI_GATE_IGW);
	}
}

static void gateways_know_their_own(void **state)
{
	struct pass x = send_one("far-door", "198.51.100.7", "203.0.113.10", PKT_PROTO_TCP, 40000, 443);

	(void)state;
	denied(&x, ABI_GATE_IGW);
	reason_is(&x, ABI_REASON_IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS);
	x = send_one("public", "public", "198.51.100.7", PKT_PROTO_TCP, 40000, 443);
	denied(&x, ABI_GATE_ROUTE);
	reason_is(&x, ABI_REASON_BAD_STATE_ROUTE);
}

static void nat_gateways_take_only_answers(void **state)
{
	static const char *const by[][3] = { { "public", "public", "nat" },
					     { "box", "box", "nat" },
					     { "door", "198.51.100.7", "203.0.113.5" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(by); i++) {
		struct pass x = send_one(by[i][0], by[i][1], by[i][2], PKT_PROTO_TCP, 443, 40000);

		denied(&x, ABI_GATE_NAT);
		reason_is(&x, ABI_REASON_NGW_SOURCE_ADDRESS_REASSIGN);
	}
}

/* TCP, UDP and ICMP go out through it and nothing else: semantics 4.1. */
static void nat_gateways_know_three_protocols(void **state)
{
	(void)state;
	for (unsigned proto = 0; proto < 256; proto++) {
		struct pass x = send_one("inner", "inner", "198.51.100.7", (uint8_t)proto, 8, 2048);

		if (proto == PKT_PROTO_TCP || proto == PKT_PROTO_UDP || proto == PKT_PROTO_ICMP) {
			assert_true(x.o.allow);
			continue;
		}
		denied(&x, ABI_GATE_NAT);
		reason_is(&x, ABI_REASON_PROTOCOL_RESTRICTION);
	}
}

/* What only answers look like, from who asked nothing: the gateway has not seen the request. */
static void nat_gateways_carry_no_answers(void **state)
{
	static const struct {
		uint8_t proto, flags;
		uint16_t dport; /* ICMP: type << 8 */
		bool allow;
	} cases[] = {
		{ PKT_PROTO_TCP, TCP_SYN, 443, true },
		{ PKT_PROTO_TCP, TCP_ACK, 443, true }, /* the gateway itself resets it */
		{ PKT_PROTO_TCP, TCP_SYN | TCP_ACK, 443, false },
		{ PKT_PROTO_TCP, TCP_RST, 443, false },
		{ PKT_PROTO_TCP, TCP_RST | TCP_ACK, 443, false },
		{ PKT_PROTO_UDP, 0, 443, true },
		{ PKT_PROTO_ICMP, 0, 8 << 8, true },
		{ PKT_PROTO_ICMP, 0, 13 << 8, true },
		{ PKT_PROTO_ICMP, 0, 15 << 8, true },
		{ PKT_PROTO_ICMP, 0, 17 << 8, true },
		{ PKT_PROTO_ICMP, 0, 0, false },
		{ PKT_PROTO_ICMP, 0, 14 << 8, false },
		{ PKT_PROTO_ICMP, 0, 16 << 8, false },
		{ PKT_PROTO_ICMP, 0, 18 << 8, false },
		{ PKT_PROTO_ICMP, 0, 3 << 8, false }, /* quotes nothing */
		{ PKT_PROTO_ICMP, 0, 9 << 8, false },
	};
	const struct frame_spec opens = { .proto = PKT_PROTO_TCP, .sport = 1, .dport = 2, .tcp_flags = TCP_SYN };
	struct frame_spec s = opens;
	struct lab l;
	struct pass x;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		x = send_spec("inner", "inner", "198.51.100.7",
			      (struct frame_spec){ .proto = cases[i].proto,
						   .sport = 40000,
						   .dport = cases[i].dport,
						   .tcp_flags = cases[i].flags });
		assert_int_equal(x.o.allow, cases[i].allow);
		if (cases[i].allow)
			continue;
		denied(&x, ABI_GATE_NAT);
		reason_is(&x, ABI_REASON_NGW_SOURCE_ADDRESS_REASSIGN);
	}
	/* of a connection that it opened itself, either end may reset, and both may open it at once */
	lab_up(&l, text);
	s.src = address(&l, "inner");
	s.dst = address(&l, "198.51.100.7");
	assert_true(send_frame(&l, "inner", &s, 1).o.allow);
	s.tcp_flags = TCP_SYN | TCP_ACK;
	assert_true(send_frame(&l, "inner", &s, 1).o.allow);
	s.tcp_flags = TCP_RST;
	assert_true(send_frame(&l, "inner", &s, 1).o.allow);
	lab_down(&l);
	/* of one that came in another way, nothing goes out by it */
	lab_up(&l, text);
	s = opens;
	s.src = address(&l, "198.51.100.7");
	s.dst = address(&l, "kept");
	assert_true(send_frame(&l, "box", &s, 1).o.allow);
	s = (struct frame_spec){ .proto = PKT_PROTO_TCP, .sport = 2, .dport = 1, .tcp_flags = TCP_ACK };
	s.src = address(&l, "kept");
	s.dst = address(&l, "198.51.100.7");
	x = send_frame(&l, "kept", &s, 1);
	denied(&x, ABI_GATE_NAT);
	lab_down(&l);
}

/* UDP may come in fragments, TCP may not; and each flow is tracked, whatever the rules say. */
static void nat_gateways_track_and_reassemble(void **state)
{
	const struct frame_spec udp = { .proto = PKT_PROTO_UDP, .sport = 1, .dport = 2, .payload = 24, .frag = 0x2000 };
	const struct frame_spec tcp = { .proto = PKT_PROTO_TCP, .sport = 1, .dport = 2, .payload = 24, .frag = 0x2000 };
	struct pass x;

	(void)state;
	x = send_spec("inner", "inner", "198.51.100.7", udp);
	assert_true(x.o.allow);
	assert_true(x.o.track_src);
	x = send_spec("inner", "inner", "198.51.100.7", tcp);
	denied(&x, ABI_GATE_NAT);
	reason_is(&x, ABI_REASON_PROTOCOL_RESTRICTION);
	x = send_one("inner", "inner", "198.51.100.7", PKT_PROTO_TCP, 1, 2);
	assert_true(x.o.allow);
	x = send_one("inner", "inner", "far", PKT_PROTO_TCP, 1, 2);
	assert_true(x.o.allow);
	assert_false(x.o.track_src);
}

/* A peering connection joins two VPCs and nothing behind them. */
static void peering_is_no_transit(void **state)
{
	struct pass x = send_one("inner", "inner", "far", PKT_PROTO_TCP, 1, 2);

	(void)state;
	assert_true(x.o.allow);
	x = send_one("inner", "inner", "192.0.2.9", PKT_PROTO_TCP, 1, 2);
	denied(&x, ABI_GATE_PEERING);
	reason_is(&x, ABI_REASON_PCX_REQUIRES_ADDRESS_IN_VPC_CIDR);
	x = send_one("inner", "198.51.100.7", "far", PKT_PROTO_TCP, 1, 2);
	denied(&x, ABI_GATE_PEERING);
	reason_is(&x, ABI_REASON_PCX_REQUIRES_ADDRESS_IN_VPC_CIDR);
}

/* A router on the internet complains of what it has seen: a packet from the public address. */
static void errors_quote_public_addresses(void **state)
{
	static const struct {
		uint16_t type, sport;
		bool related;
	} cases[] = {
		{ 3, 40000, true },  { 4, 40000, true },   { 5, 40000, true },
		{ 11, 40000, true }, { 12, 40000, true },  { 3, 40001, false },
		{ 8, 40000, false }, { 13, 40000, false }, { 30, 40000, false },
	};
	struct lab l;

	(void)state;
	lab_up(&l, text);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct frame_spec flow = { .proto = PKT_PROTO_TCP, .sport = 40000, .dport = 443, .tcp_flags = TCP_SYN };
		struct frame_spec quoted = flow,
				  error = { .proto = PKT_PROTO_ICMP, .dport = (uint16_t)(cases[i].type << 8 | 1) };
		struct pass x;

		flow.src = address(&l, "shy");
		flow.dst = quoted.dst = address(&l, "192.0.2.7");
		assert_true(send_frame(&l, "shy", &flow, 1).o.allow);
		quoted.src = error.dst = address(&l, "203.0.113.11");
		quoted.sport = cases[i].sport;
		error.src = address(&l, "192.0.2.1");
		error.quotes = &quoted;
		x = send_frame(&l, "door", &error, 1);
		if (!cases[i].related) {
			denied(&x, ABI_GATE_SG_IN);
			continue;
		}
		assert_true(x.o.allow);
		assert_string_equal(reason_name((enum abi_reason)x.o.reason_sg_in), "RELATED");
	}
	lab_down(&l);
}

/* No interface of a lab has IPv6 yet. */
static void six_is_not_carried(void **state)
{
	uint8_t frame[14 + 40 + 20] = {
		ABI_MAC0,  ABI_MAC1, [12] = 0x86, [13] = 0xdd, [14] = 0x60, [19] = 20, [20] = PKT_PROTO_TCP,
		[21] = 64, [37] = 1, [53] = 2,    [66] = 0x50
	};
	struct lab l;
	struct pass x;

	(void)state;
	lab_up(&l, text);
	x = send_raw(&l, "public", frame, sizeof(frame), 1);
	denied(&x, ABI_GATE_PARSE);
	reason_is(&x, ABI_REASON_IPV6_NOT_SUPPORTED);
	lab_down(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours_are_not_spoofed),
		cmocka_unit_test(dhcp_is_asked_not_answered),
		cmocka_unit_test(references_name_ends),
		cmocka_unit_test(private_ranges_stay_inside),
		cmocka_unit_test(gateways_know_their_own),
		cmocka_unit_test(nat_gateways_take_only_answers),
		cmocka_unit_test(nat_gateways_know_three_protocols),
		cmocka_unit_test(nat_gateways_carry_no_answers),
		cmocka_unit_test(nat_gateways_track_and_reassemble),
		cmocka_unit_test(peering_is_no_transit),
		cmocka_unit_test(errors_quote_public_addresses),
		cmocka_unit_test(six_is_not_carried),
	};

	return cmocka_run_group_tests_name("gates", tests, NULL, NULL);
}
