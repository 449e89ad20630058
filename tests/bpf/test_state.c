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
	uint64_t reaped = 0;
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
	assert_int_equal(datapath_reap(l.d, 0, &reaped), 0);
	assert_int_equal(reaped, 1);
	x = send_one(&l, "c", "10.0.0.10", "10.0.1.10", syn);
	assert_true(x.o.allow);
	lab_down(&l);
}

/* The whole table, long before anybody's share of it: the same, nothing is evicted to make room, and a part of the table
 * is dealt out in advance, so that nobody takes all of it. */
static void test_table_full(void **state)
{
	enum { PORT0 = 10000, EACH = 1000 };
	struct frame_spec syn = tcp_syn, answer = tcp_answer, web = { .proto = 6, .dport = 80, .tcp_flags = SYN };
	uint32_t own, greedy, answered;
	uint64_t reaped = 0;
	struct pass x;
	struct lab l;

	(void)state;
	lab_with(&l, "");
	own = l.w->config.ct_own = l.d->config->ct_own;
	l.w->config.ct_pool = l.d->config->ct_pool;
	assert_true(own > 0 && l.w->config.ct_pool < datapath_flows_max(l.d));
	greedy = own + l.w->config.ct_pool;
	answered = (greedy + EACH - 1) / EACH;
	for (unsigned i = 0; i < greedy; i++) {
		syn.sport = (uint16_t)(PORT0 + i);
		x = send_one(&l, "c", "10.0.0.10", "10.0.1.10", syn);
		if (!x.o.allow)
			fail_msg("connection %u of %u is denied", i, greedy);
	}
	syn.sport = PORT0 - 1;
	x = send_one(&l, "c", "10.0.0.10", "10.0.1.10", syn);
	denied(&x, ABI_GATE_CONNTRACK, ABI_REASON_CONNTRACK_FULL);
	assert_int_equal(x.o.gate_port, port_of(&l, "s"));
	for (unsigned i = 0; i < own + 3; i++) { /* another has what is its own, and no more */
		syn.sport = (uint16_t)(5000 + i);
		x = send_one(&l, "c", "10.0.0.10", "10.0.1.11", syn);
		if (i < own && !x.o.allow)
			fail_msg("connection %u of its own %u is denied", i, own);
		if (i >= own)
			denied(&x, ABI_GATE_CONNTRACK, ABI_REASON_CONNTRACK_FULL);
		web.sport = (uint16_t)(5000 + i);
		x = send_one(&l, "c", "10.0.0.10", "10.0.1.12", web);
		assert_true(x.o.allow);
	}
	at(&l, 60);
	for (unsigned i = 0; i < greedy; i += EACH) {
		answer.dport = (uint16_t)(PORT0 + i);
		x = send_one(&l, "s", "10.0.1.10", "10.0.0.10", answer);
		allowed(&x, ABI_REASON_TRACKED, ABI_REASON_ACCEPT);
	}
	at(&l, 121); /* those that were answered live on */
	assert_int_equal(world_reap(l.w), greedy + own - answered);
	for (unsigned sweep = 0; sweep < 10 && reaped < greedy + own - answered;
	     sweep++) /* some may be left to the next */
		assert_int_equal(datapath_reap(l.d, 0, &reaped), 0);
	assert_int_equal(reaped, greedy + own - answered);
	assert_int_equal(datapath_flows_count(l.d), answered);
	for (unsigned i = 0; i < greedy - answered; i++) { /* all that was taken has been given back */
		syn.sport = (uint16_t)(3 * PORT0 + i);
		x = send_one(&l, "c", "10.0.0.10", "10.0.1.10", syn);
		if (!x.o.allow)
			fail_msg("connection %u of %u is denied the second time", i, greedy - answered);
	}
	syn.sport = PORT0 - 1;
	x = send_one(&l, "c", "10.0.0.10", "10.0.1.10", syn);
	denied(&x, ABI_GATE_CONNTRACK, ABI_REASON_CONNTRACK_FULL);
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

static int entry_count(void *ctx, const struct abi_flow_key *k, const struct abi_flow *f)
{
	unsigned *n = ctx;

	(void)k;
	*n += f->flags & ABI_FLOW_TRACKED;
	return 0;
}

/* Of this program alone: others share the machine. */
static uint64_t cpu_time_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

enum { SLICE_MAX_MS = 5 };
struct sweep {
	uint64_t longest, total;
	unsigned slices, too_long;
};

static int sweep(struct datapath *d, uint64_t *reaped, struct sweep *s)
{
	int r;

	do {
		uint64_t start = cpu_time_ns(), took;

		r = datapath_reap(d, 1000000, reaped);
		took = cpu_time_ns() - start;
		s->longest = took > s->longest ? took : s->longest;
		s->too_long += took >= SLICE_MAX_MS * 1000000u;
		s->total += took;
		s->slices++;
	} while (r > 0);
	return r;
}

/* A large table is swept in short slices; each entry is seen; live ones stay. One slice in ten may be longer, not a
 * tenth of the whole: a virtual machine loses its processor in the midst of some. In a nearly empty one a slice goes on to the next entry, at
 * the speed of the machine's memory: none takes a quarter of the way, in one sweep of three. */
static void test_sweep(void **state)
{
	enum { N = 1 << 20, BATCH = 4096, IDLE_EVERY = 4, TRIES = 3 };
	struct datapath_sizes sizes = { .ports = 64, .rules = 64, .routes = 64, .tables_rows = 64, .flows = N };
	struct datapath_config config = { .clock = 1, .event_burst = 1, .events_per_s = 1, .sample = { 1, 0, 1 } };
	struct abi_flow_key *keys = xcalloc(BATCH, sizeof(*keys));
	struct abi_flow *flows = xcalloc(BATCH, sizeof(*flows));
	const unsigned n = N - N / 8;
	struct datapath *d = NULL;
	struct err e = { 0 };
	uint64_t reaped = 0;
	struct sweep large = { 0 };
	unsigned left = 0;
	char path[160];
	int map, count_map, r;

	(void)state;
	snprintf(path, sizeof(path), "%s/lab", bpf_dir);
	datapath_unpin(path, NULL);
	if (datapath_load(path, &sizes, &d, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(datapath_configure(d, &config, &e), 0);
	datapath_clock_set(d, 1000 * S);
	map = pin_fd("map_flows");
	count_map = pin_fd("map_port_ct");
	for (__u32 i = 1; i <= 3; i++) {
		__s64 share = n / 3 + (n % 3 > i % 3 ? 1 : 0);

		assert_int_equal(bpf_map_update_elem(count_map, &i, &share, BPF_ANY), 0);
	}
	for (unsigned i = 0; i < n;) {
		__u32 k = 0;

		for (; k < BATCH && i < n; k++, i++) {
			keys[k] = (struct abi_flow_key){ .port = 1 + i % 3, .proto = 17, .family = 4 };
			memcpy(keys[k].src.b, &i, 4);
			flows[k] = (struct abi_flow){ .seen_ns = (i % IDLE_EVERY ? 990 : 900) * S,
						      .flags = ABI_FLOW_TRACKED,
						      .tx = ABI_SEEN_ONE };
		}
		assert_int_equal(bpf_map_update_batch(map, keys, flows, &k, NULL), 0);
	}
	assert_int_equal(sweep(d, &reaped, &large), 0);
	assert_true(reaped <= n / IDLE_EVERY && reaped > n / IDLE_EVERY - n / 1000);
	assert_int_equal(datapath_reap(d, 0, &reaped), 0);
	assert_int_equal(reaped, n / IDLE_EVERY);
	assert_int_equal(datapath_flows(d, entry_count, &left), 0);
	assert_int_equal(left, n - n / IDLE_EVERY);
	printf("# %u entries, %llu reaped in %u slices of at most %llu us, %llu ms together\n", n,
	       (unsigned long long)reaped, large.slices, (unsigned long long)large.longest / 1000,
	       (unsigned long long)large.total / 1000000);
	assert_true(large.too_long <= large.slices / 10 && large.longest <= large.total / 10);
	reaped = 0;
	while ((r = datapath_flush(d, 2, 1000000, &reaped)) > 0)
		;
	assert_int_equal(r, 0);
	while ((r = datapath_flush(d, 0, 1000000, &reaped)) > 0)
		;
	assert_int_equal(reaped, left);
	left = 0;
	assert_int_equal(datapath_flows(d, entry_count, &left), 0);
	assert_int_equal(left, 0);
	assert_int_equal(datapath_flows_count(d), 0);
	for (unsigned few = 0; few <= 100; few += 50) { /* nearly empty: a long way between two entries */
		struct sweep s = { .longest = 1 };
		__s64 share = few;
		__u32 one = 1;

		for (unsigned i = 0; i < few; i++) {
			struct abi_flow_key k = { .port = 1, .proto = 6, .sport = { (uint8_t)i, 1 } };
			struct abi_flow f = { .flags = ABI_FLOW_TRACKED, .seen_ns = 999 * S };

			assert_int_equal(bpf_map_update_elem(map, &k, &f, BPF_ANY), 0);
		}
		assert_int_equal(bpf_map_update_elem(count_map, &one, &share, BPF_ANY), 0);
		for (int i = 0; i < TRIES && s.longest > s.total / 4; i++) {
			s = (struct sweep){ 0 };
			assert_int_equal(sweep(d, &reaped, &s), 0);
			printf("# %u entries in that table: slices of at most %llu of %llu us\n", few,
			       (unsigned long long)s.longest / 1000, (unsigned long long)s.total / 1000);
		}
		assert_true(few ? s.longest <= s.total / 4 : s.total < SLICE_MAX_MS * 1000000u);
	}
	close(count_map);
	close(map);
	datapath_close(&d);
	datapath_unpin(path, NULL);
	free(keys);
	free(flows);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_timers),     cmocka_unit_test(test_full),
					    cmocka_unit_test(test_table_full), cmocka_unit_test(test_icmp_errors),
					    cmocka_unit_test(test_fragments),  cmocka_unit_test(test_sweep) };

	return pass_tests_run("test-state", tests, ARRAY_SIZE(tests));
}
