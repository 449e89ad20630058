/* test_remember.c: what the filter keeps of a flow and how long it believes it; what it counts. On the host's maps, where
 * each can be looked at: an epoch, a second's delay, an entry that is lost. */
#include "tests/unit/host_lab.h"

#define SECOND 1000000000ull
/* The client needs no state; the server tracks what comes in and may say nothing of its own. */
#define LAB(nacl, server) \
	"[lab t]\n[vpc v]\ncidr = 10.0.0.0/16\n[nacl edge]\nvpc = v\n" nacl \
	"inbound = 200 allow all from 0.0.0.0/0\noutbound = 200 allow all to 0.0.0.0/0\n" \
	"[subnet a]\nvpc = v\ncidr = 10.0.0.0/24\nnacl = edge\n[subnet b]\nvpc = v\ncidr = 10.0.1.0/24\n" \
	"[security-group open]\nvpc = v\ninbound = all from 0.0.0.0/0\noutbound = all to 0.0.0.0/0\n" \
	"[security-group db]\nvpc = v\n" server "\n" \
	"[instance client]\nsubnet = a\naddress = 10.0.0.10\nsecurity-groups = open\n" \
	"[instance near]\nsubnet = a\naddress = 10.0.0.11\nsecurity-groups = open\n" \
	"[instance server]\nsubnet = b\naddress = 10.0.1.10\nsecurity-groups = db\n"
#define TCP_IN "inbound = tcp 5432 from 10.0.0.0/16\noutbound = none"

/* Between the client and the server, who listens at 5432. */
static struct pass tcp(struct lab *l, const char *from, const char *to, uint8_t flags)
{
	const bool server = !strcmp(from, "server");
	struct frame_spec s = { .src = address(l, from),
				.dst = address(l, to),
				.proto = PKT_PROTO_TCP,
				.sport = server ? 5432 : 40000,
				.dport = server ? 40000 : 5432,
				.tcp_flags = flags };

	return send_frame(l, from, &s, 1);
}

static void handshake(struct lab *l)
{
	assert_true(tcp(l, "client", "server", TCP_SYN).o.allow);
	assert_true(tcp(l, "server", "client", TCP_SYN | TCP_ACK).o.allow);
	assert_true(tcp(l, "client", "server", TCP_ACK).o.allow);
}

/* The table at the top of conntrack.h, for every pair of what was seen. */
static void states_of_tcp(void **state)
{
	const uint8_t all = TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK;

	(void)state;
	for (unsigned tx = 0; tx <= all; tx++)
		for (unsigned rx = 0; rx <= all; rx++) {
			enum flow_state want = FLOW_OPENING, got;

			if ((tx & all) != tx || (rx & all) != rx)
				continue;
			if ((tx & TCP_ACK) && (rx & TCP_ACK))
				want = FLOW_ESTABLISHED;
			if ((tx & TCP_FIN) || (rx & TCP_FIN))
				want = FLOW_FIN_WAIT;
			if ((tx & TCP_FIN) && (rx & TCP_FIN))
				want = FLOW_TIME_WAIT;
			if ((tx & TCP_RST) || (rx & TCP_RST))
				want = FLOW_CLOSED;
			got = flow_state_of(PKT_PROTO_TCP, (uint8_t)tx, (uint8_t)rx);
			if (got != want)
				fail_msg("tx %#x rx %#x: state %d, not %d", tx, rx, got, want);
		}
}

static void timers_by_default(void **state)
{
	static const struct {
		enum abi_timer timer;
		uint64_t s;
	} want[] = {
		{ ABI_TIMER_TCP_SYN_SENT, 120 }, { ABI_TIMER_TCP_ESTABLISHED, 432000 },
		{ ABI_TIMER_TCP_FIN_WAIT, 120 }, { ABI_TIMER_TCP_TIME_WAIT, 120 },
		{ ABI_TIMER_TCP_CLOSE, 10 },     { ABI_TIMER_UDP, 30 },
		{ ABI_TIMER_UDP_STREAM, 180 },   { ABI_TIMER_ICMP, 30 },
		{ ABI_TIMER_OTHER, 600 },
	};
	struct abi_config once = { 0 }, fast = { 0 };

	(void)state;
	config_timers_set(&once, 1);
	config_timers_set(&fast, 60);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_int_equal(once.timer_ns[want[i].timer], want[i].s * SECOND);
		assert_int_equal(fast.timer_ns[want[i].timer], want[i].s * SECOND / 60);
	}
}

static void cached_until_something_changes(void **state)
{
	struct lab l;
	struct pass x;

	(void)state;
	lab_up(&l, LAB("", TCP_IN));
	handshake(&l);
	x = tcp(&l, "client", "server", TCP_ACK);
	assert_int_equal(x.o.path, ABI_PATH_CACHED);
	lab_load(&l, LAB("outbound = 100 deny tcp 5432 to 0.0.0.0/0\n", TCP_IN));
	x = tcp(&l, "client", "server", TCP_ACK);
	denied(&x, ABI_GATE_NACL_OUT);
	lab_load(&l, LAB("", TCP_IN));
	x = tcp(&l, "client", "server", TCP_ACK);
	assert_int_equal(x.o.path, ABI_PATH_FULL);
	assert_true(x.o.allow);
	assert_int_equal(tcp(&l, "client", "server", TCP_ACK).o.path, ABI_PATH_CACHED);
	lab_down(&l);
}

static void cached_for_seconds(void **state)
{
	struct lab l;

	(void)state;
	lab_up(&l, LAB("", TCP_IN));
	handshake(&l);
	l.w->now_ns += 4 * SECOND - 1;
	assert_int_equal(tcp(&l, "client", "server", TCP_ACK).o.path, ABI_PATH_CACHED);
	l.w->now_ns += 1;
	assert_int_equal(tcp(&l, "client", "server", TCP_ACK).o.path, ABI_PATH_FULL);
	assert_int_equal(tcp(&l, "client", "server", TCP_ACK).o.path, ABI_PATH_CACHED);
	assert_int_equal(tcp(&l, "client", "server", TCP_SYN).o.path, ABI_PATH_FULL); /* SYNs always */
	lab_down(&l);
}

/* A packet that goes by what is remembered is told of as if it had been judged: at a tracked end it is the entry that lets
 * it pass. */
static void cached_is_told_as_judged(void **state)
{
	struct lab l;
	struct pass x;

	(void)state;
	lab_up(&l, LAB("", TCP_IN));
	x = tcp(&l, "client", "server", TCP_SYN);
	assert_int_equal(x.o.reason_sg_in, ABI_REASON_ACCEPT);
	x = tcp(&l, "client", "server", TCP_ACK);
	assert_int_equal(x.o.path, ABI_PATH_CACHED);
	event_of(l.w, &x, 0);
	assert_int_equal(x.event.reason_sg_in, ABI_REASON_TRACKED);
	lab_down(&l);
}

/* What was judged for a neighbour's MAC says nothing of the same packet by way of the router. */
static void cached_for_one_hop(void **state)
{
	struct lab l;
	struct frame_spec s = { .proto = PKT_PROTO_UDP, .sport = 1, .dport = 2 };

	(void)state;
	lab_up(&l, LAB("", TCP_IN));
	s.src = address(&l, "client");
	s.dst = address(&l, "near");
	s.to_port = port_of(&l, "near");
	assert_int_equal(send_frame(&l, "client", &s, 1).o.path, ABI_PATH_FULL);
	assert_int_equal(send_frame(&l, "client", &s, 1).o.path, ABI_PATH_CACHED);
	s.to_port = 0;
	assert_int_equal(send_frame(&l, "client", &s, 1).o.path, ABI_PATH_FULL);
	assert_int_equal(send_frame(&l, "client", &s, 1).o.path, ABI_PATH_CACHED);
	s.to_port = port_of(&l, "near");
	assert_int_equal(send_frame(&l, "client", &s, 1).o.path, ABI_PATH_FULL);
	lab_down(&l);
}

/* Idle is who has heard nothing either: the server is silent while the client talks. */
static void idle_counts_from_either_end(void **state)
{
	struct lab l;
	struct pass x;

	(void)state;
	lab_up(&l, LAB("", "inbound = udp 5432 from 10.0.0.0/16\noutbound = none"));
	for (unsigned i = 0; i < 10; i++) {
		struct frame_spec s = { .src = address(&l, "client"),
					.dst = address(&l, "server"),
					.proto = PKT_PROTO_UDP,
					.sport = 40000,
					.dport = 5432 };

		assert_true(send_frame(&l, "client", &s, 1).o.allow);
		l.w->now_ns += 20 * SECOND;
	}
	{
		struct frame_spec s = { .src = address(&l, "server"),
					.dst = address(&l, "client"),
					.proto = PKT_PROTO_UDP,
					.sport = 5432,
					.dport = 40000 };

		x = send_frame(&l, "server", &s, 1);
		assert_true(x.o.allow);
		assert_int_equal(x.o.reason_sg_out, ABI_REASON_TRACKED);
		l.w->now_ns += 200 * SECOND;
		x = send_frame(&l, "server", &s, 1);
		denied(&x, ABI_GATE_SG_OUT);
	}
	lab_down(&l);
}

/* ... and from the very last packet, one that was let through unjudged too. */
static void idle_counts_from_the_last(void **state)
{
	struct frame_spec ask = { .proto = PKT_PROTO_UDP, .sport = 40000, .dport = 5432 };
	struct frame_spec answer = { .proto = PKT_PROTO_UDP, .sport = 5432, .dport = 40000 };
	struct lab l;
	struct pass x;

	(void)state;
	for (int late = 0; late < 2; late++) {
		lab_up(&l, LAB("", "inbound = udp 5432 from 10.0.0.0/16\noutbound = none"));
		ask.src = answer.dst = address(&l, "client");
		ask.dst = answer.src = address(&l, "server");
		assert_true(send_frame(&l, "client", &ask, 1).o.allow);
		l.w->now_ns += 3 * SECOND;
		assert_int_equal(send_frame(&l, "client", &ask, 1).o.path, ABI_PATH_CACHED);
		l.w->now_ns += 30 * SECOND + (late ? 1 : 0);
		x = send_frame(&l, "server", &answer, 1);
		if (late)
			denied(&x, ABI_GATE_SG_OUT);
		else
			assert_int_equal(x.o.reason_sg_out, ABI_REASON_TRACKED);
		lab_down(&l);
	}
}

static int forget(void *map, const void *key, void *value)
{
	(void)value;
	return host_map_delete(map, key);
}

/* The client's entry is of the kind that may be lost at any time: what the server has seen it knows itself. */
static void lost_entry_costs_nothing(void **state)
{
	struct lab l;
	struct pass x;

	(void)state;
	lab_up(&l, LAB("", TCP_IN));
	assert_true(tcp(&l, "client", "server", TCP_SYN).o.allow);
	assert_int_equal(host_map_count(l.w->cache), 1);
	assert_int_equal(host_map_count(l.w->flows), 1);
	assert_true(tcp(&l, "server", "client", TCP_SYN | TCP_ACK).o.allow);
	l.w->config.epoch++; /* so that the ACK takes the long way */
	assert_true(tcp(&l, "client", "server", TCP_ACK).o.allow);
	host_map_each(l.w->cache, forget, l.w->cache);
	l.w->now_ns += 1000 * SECOND;
	x = tcp(&l, "server", "client", TCP_ACK);
	assert_true(x.o.allow);
	assert_int_equal(x.o.reason_sg_out, ABI_REASON_TRACKED);
	lab_down(&l);
}

/* A SYN on a connection that has ended is a new one, and rules are asked. */
static void closed_begins_anew(void **state)
{
	static const uint8_t ends[][2] = { { TCP_RST, 0 },
					   { TCP_FIN | TCP_ACK, 0 },
					   { TCP_FIN | TCP_ACK, TCP_FIN | TCP_ACK } };
	struct pass x;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		struct lab l;

		lab_up(&l, LAB("", TCP_IN));
		handshake(&l);
		lab_load(&l, LAB("", "inbound = tcp 22 from 10.0.0.0/16\noutbound = none"));
		x = tcp(&l, "client", "server", TCP_ACK);
		assert_int_equal(x.o.reason_sg_in, ABI_REASON_TRACKED);
		assert_true(tcp(&l, "client", "server", ends[i][0]).o.allow);
		if (ends[i][1])
			assert_true(tcp(&l, "server", "client", ends[i][1]).o.allow);
		x = tcp(&l, "client", "server", TCP_SYN);
		denied(&x, ABI_GATE_SG_IN);
		lab_down(&l);
	}
}

static const struct abi_counter *hits(const struct lab *l, uint32_t rule)
{
	const struct abi_counter *c = host_map_lookup(l->w->rule_hits, &rule);

	assert_non_null(c);
	return c;
}

static const struct abi_port_stats *stats(const struct lab *l, const char *name)
{
	const uint32_t port = port_of(l, name);

	return host_map_lookup(l->w->port_stats, &port);
}

/* A large packet of several segments counts as they would: each with headers of its own. */
static void segments_are_packets(void **state)
{
	struct lab l;
	struct frame_spec s = {
		.proto = PKT_PROTO_TCP, .sport = 40000, .dport = 5432, .tcp_flags = TCP_ACK, .payload = 900
	};
	const uint64_t bytes = 20 + 20 + 900;
	struct pass x;
	uint32_t rule;

	(void)state;
	lab_up(&l, LAB("", TCP_IN));
	s.src = address(&l, "client");
	s.dst = address(&l, "server");
	x = send_frame(&l, "client", &s, 3);
	rule = x.o.rule[ABI_CACHED_SG_IN];
	assert_int_equal(hits(&l, rule)->packets, 3);
	assert_int_equal(hits(&l, rule)->bytes, bytes + 2 * 40);
	assert_int_equal(stats(&l, "client")->tx_packets, 3);
	assert_int_equal(stats(&l, "client")->tx_bytes, bytes + 2 * 40);
	assert_int_equal(stats(&l, "server")->rx_packets, 3);
	assert_int_equal(stats(&l, "client")->path[ABI_PATH_FULL], 3);
	send_frame(&l, "client", &s, 1);
	assert_int_equal(hits(&l, rule)->packets, 4);
	assert_int_equal(hits(&l, rule)->bytes, 2 * bytes + 2 * 40);
	assert_int_equal(stats(&l, "client")->path[ABI_PATH_CACHED], 1);
	lab_down(&l);
}

/* Denied on the way in: with the rule that did it, at its port, and nowhere as delivered. */
static void denials_are_counted(void **state)
{
	struct lab l;
	struct frame_spec s = { .proto = PKT_PROTO_UDP, .sport = 1, .dport = 7 };
	struct abi_gate_key key;
	const struct abi_counter *c;
	struct pass x;

	(void)state;
	lab_up(&l, LAB("inbound = 100 deny udp 7 from 0.0.0.0/0\n", "outbound = udp 7 to 0.0.0.0/0"));
	s.src = address(&l, "server");
	s.dst = address(&l, "client");
	for (unsigned i = 0; i < 2; i++) {
		x = send_frame(&l, "server", &s, 1);
		denied(&x, ABI_GATE_NACL_IN);
	}
	assert_int_equal(hits(&l, x.o.deny_rule)->packets, 2);
	assert_int_equal(hits(&l, x.o.deny_rule)->bytes, 2 * 28);
	assert_int_equal(stats(&l, "server")->denied, 2);
	assert_int_equal(stats(&l, "server")->tx_packets, 0);
	assert_int_equal(stats(&l, "client")->rx_packets, 0);
	key = (struct abi_gate_key){ port_of(&l, "client"), ABI_GATE_NACL_IN, ABI_REASON_SUBNET_ACL_RESTRICTION, 0 };
	c = host_map_lookup(l.w->gate_hits, &key);
	assert_non_null(c);
	assert_int_equal(c->packets, 2);
	assert_int_equal(host_map_count(l.w->flows) + host_map_count(l.w->cache), 0);
	lab_down(&l);
}

static struct pass fragment(struct lab *l, uint16_t dport, uint16_t word, uint16_t id)
{
	struct frame_spec s = { .src = address(l, "client"),
				.dst = address(l, "server"),
				.proto = PKT_PROTO_UDP,
				.sport = 40000,
				.dport = dport,
				.payload = 24,
				.frag = word,
				.frag_id = id };

	return send_frame(l, "client", &s, 1);
}

static void fragment_dies(const struct pass *x, enum abi_reason reason)
{
	denied(x, ABI_GATE_PARSE);
	assert_string_equal(reason_name((enum abi_reason)x->o.reason), reason_name(reason));
}

/* The first one brings the ports, and 32 bytes. */
static void fragments_follow_their_first(void **state)
{
	enum { FIRST = 0x2000, NEXT = 0x2000 | 4, OVER = 0x2000 | 3, LAST = 8 };
	struct lab l;
	struct pass x;

	(void)state;
	lab_up(&l, LAB("", "inbound = udp 5432 from 10.0.0.0/16\noutbound = none"));
	x = fragment(&l, 5432, NEXT, 1);
	fragment_dies(&x, ABI_REASON_FRAGMENT_ORPHAN);
	assert_true(fragment(&l, 5432, FIRST, 1).o.allow);
	assert_true(fragment(&l, 5432, NEXT, 1).o.allow); /* where the first one ends */
	assert_true(fragment(&l, 5432, LAST, 1).o.allow);
	x = fragment(&l, 5432, OVER, 1);
	fragment_dies(&x, ABI_REASON_FRAGMENT_TINY);
	x = fragment(&l, 5432, NEXT, 2);
	fragment_dies(&x, ABI_REASON_FRAGMENT_ORPHAN);
	x = fragment(&l, 99, FIRST, 3);
	denied(&x, ABI_GATE_SG_IN);
	x = fragment(&l, 99, NEXT, 3);
	fragment_dies(&x, ABI_REASON_FRAGMENT_ORPHAN);
	l.w->now_ns += 30 * SECOND;
	assert_true(fragment(&l, 5432, NEXT, 1).o.allow);
	l.w->now_ns += 1;
	x = fragment(&l, 5432, NEXT, 1);
	fragment_dies(&x, ABI_REASON_FRAGMENT_ORPHAN);
	lab_down(&l);
}

/* Room for two at each interface, and no half of a connection where the other end is full. */
static void room_is_counted(void **state)
{
	static const char text[] =
		"[lab t]\nconntrack-entries = 2\n[vpc v]\ncidr = 10.0.0.0/16\n[subnet a]\nvpc = v\ncidr = 10.0.0.0/24\n"
		"[security-group asks]\nvpc = v\n[security-group answers]\nvpc = v\ninbound = udp 53 from 10.0.0.0/16\noutbound = none\n"
		"[instance one]\nsubnet = a\naddress = 10.0.0.11\nsecurity-groups = asks\n"
		"[instance two]\nsubnet = a\naddress = 10.0.0.12\nsecurity-groups = asks\n"
		"[instance three]\nsubnet = a\naddress = 10.0.0.13\nsecurity-groups = answers\n"
		"[instance four]\nsubnet = a\naddress = 10.0.0.14\nsecurity-groups = answers\n";
	static const struct {
		const char *from, *to;
		uint16_t sport;
		bool allow;
		unsigned flows;
	} steps[] = {
		{ "one", "three", 1, true, 2 }, { "two", "three", 1, true, 4 }, { "one", "three", 2, false, 4 },
		{ "one", "three", 1, true, 4 }, { "one", "four", 3, true, 6 },  { "one", "four", 4, false, 6 },
		{ "two", "four", 5, true, 8 },  { "two", "three", 1, true, 8 },
	};
	struct lab l;

	(void)state;
	lab_up(&l, text);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct frame_spec s = { .src = address(&l, steps[i].from),
					.dst = address(&l, steps[i].to),
					.proto = PKT_PROTO_UDP,
					.sport = steps[i].sport,
					.dport = 53 };
		struct pass x;

		s.to_port = port_of(&l, steps[i].to);
		x = send_frame(&l, steps[i].from, &s, 1);
		if (!steps[i].allow)
			denied(&x, ABI_GATE_CONNTRACK);
		assert_int_equal(x.o.allow, steps[i].allow);
		assert_int_equal(host_map_count(l.w->flows), steps[i].flows);
	}
	l.w->now_ns += 31 * SECOND; /* places come back */
	assert_int_equal(world_reap(l.w), 8);
	for (size_t i = 0; i < 2; i++) {
		struct frame_spec s = {
			.src = address(&l, "one"), .dst = address(&l, "four"), .proto = PKT_PROTO_UDP, .dport = 53
		};

		s.sport = (uint16_t)(100 + i);
		s.to_port = port_of(&l, "four");
		assert_true(send_frame(&l, "one", &s, 1).o.allow);
	}
	lab_down(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_of_tcp),
		cmocka_unit_test(timers_by_default),
		cmocka_unit_test(cached_until_something_changes),
		cmocka_unit_test(cached_for_seconds),
		cmocka_unit_test(cached_is_told_as_judged),
		cmocka_unit_test(cached_for_one_hop),
		cmocka_unit_test(idle_counts_from_either_end),
		cmocka_unit_test(idle_counts_from_the_last),
		cmocka_unit_test(lost_entry_costs_nothing),
		cmocka_unit_test(closed_begins_anew),
		cmocka_unit_test(segments_are_packets),
		cmocka_unit_test(denials_are_counted),
		cmocka_unit_test(fragments_follow_their_first),
		cmocka_unit_test(room_is_counted),
	};

	return cmocka_run_group_tests_name("remember", tests, NULL, NULL);
}
