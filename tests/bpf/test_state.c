/* test_state.c: how long state lives and what it costs: timers of the lab and of one interface, the clock, the
 * size of the table, ICMP errors and fragments in both settings. Host and BPF answer alike, at times set here. */
#include "tests/bpf/pass_lab.h"

#define S 1000000000ull
enum { T0_S = 1000, SYN = 2, SYN_ACK = 18, ACK = 16, MORE = 0x2000 };

static const char *const state_topology =
	"[vpc v]\ncidr = 10.0.0.0/16\n"
	"[nacl edge]\nvpc = v\ninbound = 90 deny udp 9 from 0.0.0.0/0\ninbound = 100 allow udp 53 from 0.0.0.0/0\n"
	"inbound = 110 allow tcp from 0.0.0.0/0\ninbound = 120 allow icmp from 0.0.0.0/0\noutbound = 100 allow all to 0.0.0.0/0\n"
	"[subnet a]\nvpc = v\ncidr = 10.0.0.0/24\n[subnet b]\nvpc = v\ncidr = 10.0.1.0/24\nnacl = edge\n"
	"[security-group out]\nvpc = v\ninbound = tcp from 0.0.0.0/0\ninbound = udp from 0.0.0.0/0\n" /* tracks nothing but ICMP */
	"inbound = icmp from 0.0.0.0/0\n"
	"[security-group in]\nvpc = v\ninbound = tcp from 10.0.0.0/24\ninbound = udp from 10.0.0.0/24\noutbound = none\n"
	"[security-group open]\nvpc = v\ninbound = tcp 80 from 0.0.0.0/0\n"
	"[instance c]\nsubnet = a\naddress = 10.0.0.10\nsecurity-groups = out\n"
	"[instance s]\nsubnet = b\naddress = 10.0.1.10\nsecurity-groups = in\n"
	"[instance free]\nsubnet = b\naddress = 10.0.1.12\nsecurity-groups = open\n"
	"[instance short]\nsubnet = b\naddress = 10.0.1.11\nsecurity-groups = in\ntcp-established-timeout = 60\nudp-timeout = 40\n"
	"udp-stream-timeout = 60\n";

static void lab_with(struct lab *l, const char *settings)
{
	_cleanup_free_ char *text = xasprintf("[lab t]\n%s%s", settings, state_topology);

	lab_up(l, text);
	lab_now_set(l, T0_S * S);
}

static void at(struct lab *l, double s)
{
	lab_now_set(l, T0_S * S + (__u64)(s * 1e9));
}

/* c sends to dst, or dst answers; the reason is checked when it is denied, how the group let it in when not. */
static struct pass send_one(struct lab *l, const char *from, const char *src, const char *dst, struct frame_spec s)
{
	struct pass x;

	s.src = addr_of(src);
	s.dst = addr_of(dst);
	pass_both(l, port_of(l, from), &s, &x);
	return x;
}

static void allowed(const struct pass *x, enum abi_reason out, enum abi_reason in)
{
	if (!x->o.allow || x->o.reason_sg_out != out || x->o.reason_sg_in != in) {
		outcome_print("got", &x->o);
		fail_msg("expected: allowed, %s, %s", reason_name(out), reason_name(in));
	}
}

static void denied(const struct pass *x, enum abi_gate gate, enum abi_reason reason)
{
	if (x->o.allow || x->o.gate != gate || x->o.reason != reason) {
		outcome_print("got", &x->o);
		fail_msg("expected: denied at %s, %s", gate_name(gate), reason_name(reason));
	}
}

static const struct frame_spec tcp_syn = { .proto = 6, .sport = 4000, .dport = 22, .tcp_flags = SYN };
static const struct frame_spec tcp_answer = { .proto = 6, .sport = 22, .dport = 4000, .tcp_flags = SYN_ACK };
static const struct frame_spec tcp_ack = { .proto = 6, .sport = 4000, .dport = 22, .tcp_flags = ACK };
static const struct frame_spec udp_ask = { .proto = 17, .sport = 4000, .dport = 53 };
static const struct frame_spec udp_answer = { .proto = 17, .sport = 53, .dport = 4000 };

/* What the server may still answer, some time after the last packet: lives up to the timer, then no more.
 * rounds: how often both sides have spoken before. */
static void lives_for(struct lab *l, const char *server, const char *addr, uint8_t proto, unsigned rounds,
		      double timer_s, double start_s)
{
	struct pass x;

	for (int beyond = 0; beyond <= 1; beyond++) {
		struct frame_spec ask = proto == 6 ? tcp_syn : udp_ask, answer = proto == 6 ? tcp_answer : udp_answer;

		ask.sport = answer.dport = (uint16_t)(4000 + beyond);
		at(l, start_s);
		x = send_one(l, "c", "10.0.0.10", addr, ask);
		allowed(&x, ABI_REASON_ACCEPT, ABI_REASON_ACCEPT);
		for (unsigned i = 0; i < rounds; i++) {
			x = send_one(l, server, addr, "10.0.0.10", answer);
			assert_true(x.o.allow);
			ask.tcp_flags = ACK;
			x = send_one(l, "c", "10.0.0.10", addr, ask);
			assert_true(x.o.allow);
		}
		at(l, start_s + (beyond ? timer_s * 1.001 : timer_s * 0.999));
		x = send_one(l, server, addr, "10.0.0.10", answer);
		if (beyond)
			denied(&x, ABI_GATE_SG_OUT, ABI_REASON_SG_HAS_NO_RULES);
		else
			allowed(&x, ABI_REASON_TRACKED, ABI_REASON_ACCEPT);
		start_s += 2 * timer_s;
	}
}

static void test_timers(void **state)
{
	static const struct {
		const char *server, *addr;
		uint8_t proto;
		unsigned rounds;
		double timer_s;
	} timers[] = {
		{ "s", "10.0.1.10", 6, 0, 120 },     { "s", "10.0.1.10", 6, 1, 432000 },
		{ "s", "10.0.1.10", 17, 0, 30 },     { "s", "10.0.1.10", 17, 1, 30 },
		{ "s", "10.0.1.10", 17, 2, 180 },    { "short", "10.0.1.11", 6, 0, 120 },
		{ "short", "10.0.1.11", 6, 1, 60 },  { "short", "10.0.1.11", 17, 0, 40 },
		{ "short", "10.0.1.11", 17, 2, 60 },
	};
	static const char *const clocks[] = { "", "clock = 60x\n", "clock = 1000x\n" };
	static const double factor[] = { 1, 60, 1000 };

	(void)state;
	for (size_t c = 0; c < ARRAY_SIZE(clocks); c++) {
		struct lab l;
		double start_s = 0;

		lab_with(&l, clocks[c]);
		for (size_t i = 0; i < ARRAY_SIZE(timers); i++) {
			lives_for(&l, timers[i].server, timers[i].addr, timers[i].proto, timers[i].rounds,
				  timers[i].timer_s / factor[c], start_s);
			start_s += 10 * timers[i].timer_s / factor[c];
		}
		lab_down(&l);
	}
}

/* The share of an interface: what needs an entry and finds no room dies; who has one lives; who needs none is not hurt. */
static void test_full(void **state)
{
	struct frame_spec syn = tcp_syn, web = { .proto = 6, .sport = 4000, .dport = 80, .tcp_flags = SYN };
	struct abi_port_stats stats;
	struct pass x;
	struct lab l;

	(void)state;
	lab_with(&l, "conntrack-entries = 2\n");
	for (unsigned i = 0; i < 2; i++) {
		syn.sport = (uint16_t)(4000 + i);
		x = send_one(&l, "c", "10.0.0.10", "10.0.1.10", syn);
		allowed(&x, ABI_REASON_ACCEPT, ABI_REASON_ACCEPT);
	}
	for (unsigned i = 2; i < 5; i++) {
		syn.sport = (uint16_t)(4000 + i);
		x = send_one(&l, "c", "10.0.0.10", "10.0.1.10", syn);
		denied(&x, ABI_GATE_CONNTRACK, ABI_REASON_CONNTRACK_FULL);
		assert_int_equal(x.o.gate_port, port_of(&l, "s"));
		assert_int_equal(host_map_count(l.w->flows), 2);
	}
	assert_int_equal(datapath_port_stats(l.d, port_of(&l, "c"), &stats), 0);
	assert_int_equal(stats.ct_full, 3);
	x = send_one(&l, "s", "10.0.1.10", "10.0.0.10", tcp_answer);
	allowed(&x, ABI_REASON_TRACKED, ABI_REASON_ACCEPT);
	x = send_one(&l, "c", "10.0.0.10", "10.0.1.10", tcp_ack);
	assert_true(x.o.allow);
	for (unsigned i = 0; i < 50; i++) {
		web.sport = (uint16_t)(5000 + i);
		x = send_one(&l, "c", "10.0.0.10", "10.0.1.12", web);
		assert_true(x.o.allow);
	}
	/* the ones that are idle make room, and not before */
	at(&l, 119);
	syn.sport = 4100;
	x = send_one(&l, "c", "10.0.0.10", "10.0.1.10", syn);
	denied(&x, ABI_GATE_CONNTRACK, ABI_REASON_CONNTRACK_FULL);
	at(&l, 121);
	assert_int_equal(world_reap(l.w), 1);
	assert_int_equal(datapath_reap(l.d), 1);
	x = send_one(&l, "c", "10.0.0.10", "10.0.1.10", syn);
	assert_true(x.o.allow);
	lab_down(&l);
}

/* An error about a tracked flow: let through as related, or by a rule only. */
static void test_icmp_errors(void **state)
{
	static const char *const settings[] = { "", "icmp-errors = related\n", "icmp-errors = strict\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		struct frame_spec ask = udp_ask, error = { .proto = 1, .dport = 0x303, .quotes = &ask };
		struct pass x;
		struct lab l;

		lab_with(&l, settings[i]);
		ask.src = addr_of("10.0.0.10");
		ask.dst = addr_of("10.0.1.10");
		x = send_one(&l, "s", "10.0.1.10", "10.0.0.10", error);
		denied(&x, ABI_GATE_SG_OUT, ABI_REASON_SG_HAS_NO_RULES); /* about nothing */
		x = send_one(&l, "c", "10.0.0.10", "10.0.1.10", ask);
		assert_true(x.o.allow);
		x = send_one(&l, "s", "10.0.1.10", "10.0.0.10", error);
		if (i == 2)
			denied(&x, ABI_GATE_SG_OUT, ABI_REASON_SG_HAS_NO_RULES);
		else
			assert_true(x.o.allow && x.o.reason_sg_out == ABI_REASON_RELATED);
		at(&l, 31); /* the flow is over, and so is what is related to it */
		x = send_one(&l, "s", "10.0.1.10", "10.0.0.10", error);
		denied(&x, ABI_GATE_SG_OUT, ABI_REASON_SG_HAS_NO_RULES);
		lab_down(&l);
	}
}

/* Later fragments at a NACL: with the ports of their first one, or with none. */
static void test_fragments(void **state)
{
	static const struct {
		const char *name;
		uint8_t proto;
		uint16_t dport;
		bool first, later[2]; /* follow, strict */
		enum abi_gate gate;
	} cases[] = {
		{ "UDP 53 is allowed by port", 17, 53, true, { true, false }, ABI_GATE_NACL_IN },
		{ "TCP is allowed whatever the port", 6, 22, true, { true, true }, 0 },
		{ "a first one that is denied leaves orphans", 17, 9, false, { false, false }, ABI_GATE_PARSE },
	};

	(void)state;
	for (int strict = 0; strict <= 1; strict++) {
		struct pass x;
		struct lab l;

		lab_with(&l, strict ? "nacl-fragments = strict\n" : "nacl-fragments = follow\n");
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			struct frame_spec s = { .proto = cases[i].proto,
						.sport = 4000,
						.dport = cases[i].dport,
						.tcp_flags = SYN,
						.payload = 24,
						.frag = MORE,
						.frag_id = (uint16_t)(7 + i) };

			for (int round = 0; round < 3;
			     round++) { /* the later ones must not spoil what the first ones have cached */
				s.frag = MORE;
				x = send_one(&l, "c", "10.0.0.10", "10.0.1.10", s);
				if (x.o.allow != cases[i].first)
					fail_msg("%s, first, strict=%d", cases[i].name, strict);
				s.frag = 8; /* offset 64 */
				x = send_one(&l, "c", "10.0.0.10", "10.0.1.10", s);
				if (x.o.allow != cases[i].later[strict] || (!x.o.allow && x.o.gate != cases[i].gate)) {
					outcome_print("got", &x.o);
					fail_msg("%s, later, strict=%d", cases[i].name, strict);
				}
				s.tcp_flags = ACK;
			}
		}
		lab_down(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_timers), cmocka_unit_test(test_full),
					    cmocka_unit_test(test_icmp_errors), cmocka_unit_test(test_fragments) };

	return pass_tests_run("test-state", tests, ARRAY_SIZE(tests));
}
