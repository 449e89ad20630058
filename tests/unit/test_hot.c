/* test_hot.c: copies of outcomes (filters/hot.h): who gets one, when it is good no more, and that an entry learns of its
 * last packet before anybody calls it idle. On the host's maps, where places and entries can be looked at. */
#include "tests/unit/host_lab.h"

#define SECOND 1000000000ull
#define MS 1000000ull
enum { MANY = 64 };
#define LAB(nacl) \
	"[lab t]\n[vpc v]\ncidr = 10.0.0.0/16\n[nacl edge]\nvpc = v\n" nacl \
	"inbound = 200 allow all from 0.0.0.0/0\noutbound = 200 allow all to 0.0.0.0/0\n" \
	"[subnet a]\nvpc = v\ncidr = 10.0.0.0/24\nnacl = edge\n[subnet b]\nvpc = v\ncidr = 10.0.1.0/24\n" \
	"[security-group db]\nvpc = v\ninbound = udp 5432 from 10.0.0.0/16\noutbound = none\n" \
	"[security-group app]\nvpc = v\n" \
	"[instance client]\nsubnet = a\naddress = 10.0.0.10\nsecurity-groups = app\n" \
	"[instance server]\nsubnet = b\naddress = 10.0.1.10\nsecurity-groups = db\n"

static struct pass ask(struct lab *l, uint16_t sport)
{
	struct frame_spec s = { .src = address(l, "client"),
				.dst = address(l, "server"),
				.proto = PKT_PROTO_UDP,
				.sport = sport,
				.dport = 5432 };

	return send_frame(l, "client", &s, 1);
}

static struct pass answer(struct lab *l, uint16_t dport)
{
	struct frame_spec s = { .src = address(l, "server"),
				.dst = address(l, "client"),
				.proto = PKT_PROTO_UDP,
				.sport = 5432,
				.dport = dport };

	return send_frame(l, "server", &s, 1);
}

static struct abi_flow_key key_of(struct lab *l, uint16_t sport)
{
	struct abi_flow_key k = { .port = port_of(l, "client"),
				  .proto = PKT_PROTO_UDP,
				  .family = 4,
				  .sport = { sport >> 8, sport & 0xff },
				  .dport = { 5432 >> 8, 5432 & 0xff },
				  .src = address(l, "client"),
				  .dst = address(l, "server") };

	return k;
}

static struct abi_flow *entry_of(struct lab *l, uint16_t sport)
{
	const struct abi_flow_key k = key_of(l, sport);

	return host_map_lookup(l->w->flows, &k);
}

static struct abi_hot *copy_of(struct lab *l, uint16_t sport)
{
	const struct abi_flow_key k = key_of(l, sport);
	const uint32_t set = hot_set_of(&l->w->config, &k);
	struct abi_hot_set *s = host_map_lookup(l->w->hot, &set);

	for (unsigned i = 0; i < ABI_HOT_WAYS; i++)
		if (hot_is_of(&s->way[i], &k))
			return &s->way[i];
	return NULL;
}

/* Datagrams until it has a copy, or could have one. */
static void settle_in(struct lab *l, uint16_t sport)
{
	assert_int_equal(ask(l, sport).o.path, ABI_PATH_FULL);
	assert_int_equal(ask(l, sport).o.path, ABI_PATH_CACHED);
	assert_null(copy_of(l, sport)); /* too young */
	l->w->now_ns += 50 * MS;
	assert_int_equal(ask(l, sport).o.path, ABI_PATH_CACHED);
}

/* From here on packets do not touch the entry; what comes of them is the same. */
static void copied_when_it_lasts(void **state)
{
	struct abi_counter *hits;
	struct lab l;
	struct pass x, y;
	uint64_t seen_ns, packets;

	(void)state;
	lab_up(&l, LAB(""));
	assert_true(ask(&l, 1).o.allow);
	x = ask(&l, 1);
	settle_in(&l, 2);
	assert_non_null(copy_of(&l, 2));
	seen_ns = entry_of(&l, 2)->seen_ns;
	hits = host_map_lookup(l.w->rule_hits, &x.o.rule[ABI_CACHED_SG_IN]);
	packets = hits->packets;
	l.w->now_ns += SECOND;
	y = ask(&l, 2);
	assert_int_equal(y.o.path, ABI_PATH_CACHED);
	assert_int_equal(entry_of(&l, 2)->seen_ns, seen_ns);
	assert_int_equal(hot_seen_ns(copy_of(&l, 2), l.w->now_ns), l.w->now_ns);
	assert_int_equal(hits->packets, packets + 1);
	assert_memory_equal(x.o.rule, y.o.rule, sizeof(x.o.rule));
	assert_int_equal(x.o.peer, y.o.peer);
	assert_int_equal(x.o.mtu, y.o.mtu);
	lab_down(&l);
}

static void judged_anew_in_time(void **state)
{
	struct lab l;

	(void)state;
	lab_up(&l, LAB(""));
	settle_in(&l, 1);
	l.w->now_ns += 4 * SECOND - 50 * MS - 1;
	assert_int_equal(ask(&l, 1).o.path, ABI_PATH_CACHED);
	l.w->now_ns += 1;
	assert_int_equal(ask(&l, 1).o.path, ABI_PATH_FULL);
	lab_down(&l);
}

static void judged_anew_in_a_new_epoch(void **state)
{
	struct lab l;
	struct pass x;

	(void)state;
	lab_up(&l, LAB(""));
	settle_in(&l, 1);
	lab_load(&l, LAB("outbound = 100 deny udp 5432 to 0.0.0.0/0\n"));
	x = ask(&l, 1);
	denied(&x, ABI_GATE_NACL_OUT);
	lab_down(&l);
}

/* Whoever deletes an entry, or makes it bad before its time, does that to its copy too. */
static void gone_with_its_entry(void **state)
{
	struct abi_flow_key k;
	struct lab l;

	(void)state;
	lab_up(&l, LAB(""));
	settle_in(&l, 1);
	k = key_of(&l, 1);
	flow_distrust(l.w, &k, entry_of(&l, 1));
	assert_int_equal(ask(&l, 1).o.path, ABI_PATH_FULL);
	assert_int_equal(ask(&l, 1).o.path, ABI_PATH_CACHED);
	flow_delete(l.w, &k);
	assert_int_equal(ask(&l, 1).o.path, ABI_PATH_FULL);
	assert_true(ask(&l, 1).o.allow);
	lab_down(&l);
}

static struct pass segment(struct lab *l, const char *from, const char *to, uint16_t sport, uint16_t dport,
			   uint8_t flags)
{
	struct frame_spec s = { .to_port = port_of(l, to),
				.src = address(l, from),
				.dst = address(l, to),
				.proto = PKT_PROTO_TCP,
				.sport = sport,
				.dport = dport,
				.tcp_flags = flags };

	return send_frame(l, from, &s, 1);
}

/* A flow that needed no tracking is tracked once its other end begins one; what was copied of it before ends. */
static void gone_with_the_untracked_entry(void **state)
{
	struct abi_flow_key k;
	struct lab l;

	(void)state;
	lab_up(&l, "[lab t]\n[vpc v]\ncidr = 10.0.0.0/16\n[subnet a]\nvpc = v\ncidr = 10.0.0.0/24\n"
		   "[security-group g]\nvpc = v\ninbound = tcp 0-65535 from 0.0.0.0/0\noutbound = tcp 22 to 0.0.0.0/0\n"
		   "[instance x]\nsubnet = a\nsecurity-groups = g\n[instance y]\nsubnet = a\nsecurity-groups = g\n");
	k = (struct abi_flow_key){ .port = port_of(&l, "x"),
				   .proto = PKT_PROTO_TCP,
				   .family = 4,
				   .sport = { 40001 >> 8, 40001 & 0xff },
				   .dport = { 0, 22 },
				   .src = address(&l, "x"),
				   .dst = address(&l, "y") };
	assert_true(segment(&l, "x", "y", 40001, 22, TCP_ACK).o.allow);
	assert_non_null(host_map_lookup(l.w->cache, &k));
	l.w->now_ns += 50 * MS;
	assert_int_equal(segment(&l, "x", "y", 40001, 22, TCP_ACK).o.path, ABI_PATH_CACHED); /* from the entry */
	assert_int_equal(segment(&l, "x", "y", 40001, 22, TCP_ACK).o.path, ABI_PATH_CACHED); /* from its copy */
	assert_true(segment(&l, "y", "x", 22, 40001, TCP_SYN).o.allow);
	assert_non_null(host_map_lookup(l.w->flows, &k));
	assert_int_equal(segment(&l, "x", "y", 40001, 22, TCP_ACK).o.path, ABI_PATH_FULL);
	lab_down(&l);
}

/* 30 seconds from the last packet, which only the copy knows, and of it only the lower half: to the nanosecond, for the
 * reaper, the reply and the entry itself; on a machine that has run for a second, for 4.29, or for a year. */
static void idle_from_the_last_packet(void **state)
{
	const uint64_t starts[] = { 0,
				    (1ull << 32) - SECOND,
				    (1ull << 32) - SECOND - 3 * SECOND,
				    7 * (1ull << 52) / 2,
				    (1ull << 52) - 2 * SECOND,
				    365 * 86400 * SECOND };
	struct lab l;
	struct pass x;

	(void)state;
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(starts); i++) {
		const bool late = i % 2;

		lab_up(&l, LAB(""));
		l.w->now_ns += starts[i / 2];
		settle_in(&l, 1);
		l.w->now_ns += 3 * SECOND;
		assert_int_equal(ask(&l, 1).o.path, ABI_PATH_CACHED);
		assert_true(entry_of(&l, 1)->seen_ns < l.w->now_ns);
		l.w->now_ns += 30 * SECOND + (late ? 1 : 0);
		assert_int_equal(world_reap(l.w), late ? 2 : 0);
		x = answer(&l, 1);
		if (late)
			denied(&x, ABI_GATE_SG_OUT);
		else
			assert_int_equal(x.o.reason_sg_out, ABI_REASON_TRACKED);
		lab_down(&l);
	}
}

/* The same of an entry without another end. */
static void alone_and_idle_from_the_last_packet(void **state)
{
	struct abi_flow_key k, twin;
	struct lab l;

	(void)state;
	lab_up(&l, LAB(""));
	settle_in(&l, 1);
	k = key_of(&l, 1);
	flow_key_twin(&k, entry_of(&l, 1), &twin);
	l.w->now_ns += 3 * SECOND;
	assert_int_equal(ask(&l, 1).o.path, ABI_PATH_CACHED);
	flow_delete(l.w, &twin);
	l.w->now_ns += 30 * SECOND;
	assert_int_equal(world_reap(l.w), 0);
	l.w->now_ns += 1;
	assert_int_equal(world_reap(l.w), 1);
	lab_down(&l);
}

/* A copy that another processor makes anew at this moment may seem to be of the future. */
static void not_told_of_the_future(void **state)
{
	struct abi_flow_key k;
	uint64_t seen_ns;
	struct lab l;

	(void)state;
	lab_up(&l, LAB(""));
	settle_in(&l, 1);
	k = key_of(&l, 1);
	seen_ns = entry_of(&l, 1)->seen_ns;
	copy_of(&l, 1)->seen = (uint32_t)(l.w->now_ns + 3 * SECOND);
	flow_settle(l.w, &k, entry_of(&l, 1), l.w->now_ns);
	assert_int_equal(entry_of(&l, 1)->seen_ns, seen_ns);
	lab_down(&l);
}

/* The outcomes that copies of flows to n ports lead to, of m flows each: each says what the packet that went the long way
 * was told. */
static unsigned outcomes(struct lab *l, uint16_t n, uint16_t m, unsigned *copied)
{
	static bool taken[ABI_HOT_OUTCOMES];
	unsigned kinds = 0;

	memset(taken, 0, sizeof(taken));
	*copied = 0;
	for (uint16_t i = 0; i < n * m; i++) {
		const struct abi_hot_outcome *o;
		struct frame_spec s = { .src = address(l, "client"),
					.dst = address(l, "server"),
					.proto = PKT_PROTO_UDP,
					.sport = (uint16_t)(1 + i / n),
					.dport = (uint16_t)(5432 + i % n) };
		const struct pass x = send_frame(l, "client", &s, 1);
		const struct abi_hot *h;
		uint32_t at;

		l->w->now_ns += 50 * MS;
		assert_int_equal(send_frame(l, "client", &s, 1).o.path, ABI_PATH_CACHED);
		h = host_map_lookup(l->w->hot, &(uint32_t){ x.hot_at });
		for (unsigned way = 0; way < ABI_HOT_WAYS; way++, h++) {
			if (!hot_is_of(h, &x.p.key))
				continue;
			at = h->outcome;
			o = host_map_lookup(l->w->hot_outcomes, &at);
			assert_int_equal(o->epoch, l->w->config.epoch);
			assert_int_equal(o->peer, x.o.peer);
			assert_memory_equal(o->rule, x.o.rule, sizeof(o->rule));
			kinds += !taken[at];
			taken[at] = true;
			++*copied;
		}
	}
	return kinds;
}

#define RULE(port) "inbound = udp " port " from 10.0.0.0/16\n"

/* What flows have in common is there once; flows that other rules let in have an outcome of their own, also in an epoch
 * in which the numbers have been given anew. */
static void outcomes_are_shared(void **state)
{
	static const char text[] =
		"[lab t]\n[vpc v]\ncidr = 10.0.0.0/16\n[subnet a]\nvpc = v\ncidr = 10.0.0.0/24\n"
		"[security-group app]\nvpc = v\n[security-group db]\nvpc = v\noutbound = none\n" RULE("5432")
			RULE("5433") RULE("5434") RULE("5435") RULE("5436") RULE("5437") RULE("5438") RULE(
				"5439") "[instance client]\nsubnet = a\naddress = 10.0.0.10\nsecurity-groups = app\n"
					"[instance server]\nsubnet = a\naddress = 10.0.0.11\nsecurity-groups = db\n";
	unsigned kinds, copied;
	struct lab l;

	(void)state;
	lab_up(&l, LAB(""));
	assert_int_equal(outcomes(&l, 1, 16, &copied), 1);
	assert_true(copied > 8);
	lab_load(&l, text);
	l.w->now_ns += 100 * SECOND;
	kinds = outcomes(&l, 8, 1, &copied);
	assert_int_equal(kinds, copied);
	assert_true(copied > 4);
	lab_down(&l);
}

/* Outcomes of others are left alone as long as their epoch lasts: then flows go by their entries. */
static void outcomes_without_room(void **state)
{
	struct abi_hot_outcome *o;
	struct lab l;

	(void)state;
	lab_up(&l, LAB(""));
	for (uint32_t i = 0; i < ABI_HOT_OUTCOMES; i++) {
		o = host_map_lookup(l.w->hot_outcomes, &i);
		o->epoch = l.w->config.epoch;
		o->peer = i + 1000;
	}
	settle_in(&l, 1);
	assert_null(copy_of(&l, 1));
	for (uint32_t i = 0; i < ABI_HOT_OUTCOMES; i++) {
		o = host_map_lookup(l.w->hot_outcomes, &i);
		assert_int_equal(o->peer, i + 1000);
	}
	lab_load(&l, LAB(""));
	settle_in(&l, 2);
	assert_non_null(copy_of(&l, 2));
	lab_down(&l);
}

/* Flows in use keep their places; one that is given away has told its entry of its last packet. */
static void places_change_hands(void **state)
{
	unsigned copied = 0, left = 0, told = 0;
	uint64_t last[MANY + 1];
	bool had[MANY + 1];
	struct lab l;

	(void)state;
	lab_up(&l, LAB(""));
	for (uint16_t i = 1; i <= MANY; i++)
		settle_in(&l, i);
	for (uint16_t i = 1; i <= MANY; i++)
		copied += copy_of(&l, i) != NULL;
	assert_int_equal(copied, 8 * ABI_HOT_WAYS); /* all places are taken, by as many flows */
	for (uint16_t i = 1; i <= MANY; i++) {
		l.w->now_ns += MS;
		last[i] = l.w->now_ns;
		assert_int_equal(ask(&l, i).o.path, ABI_PATH_CACHED);
	}
	for (uint16_t i = 1; i <= MANY; i++)
		left += had[i] = copy_of(&l, i) != NULL;
	assert_int_equal(left, copied);
	l.w->now_ns += 5 * SECOND; /* all copies are out of date */
	for (uint16_t i = 101; i < 101 + MANY; i++)
		settle_in(&l, i);
	for (uint16_t i = 1; i <= MANY; i++) {
		told += had[i] && !copy_of(&l, i);
		assert_true(copy_of(&l, i) || entry_of(&l, i)->seen_ns == last[i]);
	}
	assert_true(told > copied / 4);
	lab_down(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copied_when_it_lasts),
		cmocka_unit_test(judged_anew_in_time),
		cmocka_unit_test(judged_anew_in_a_new_epoch),
		cmocka_unit_test(gone_with_its_entry),
		cmocka_unit_test(gone_with_the_untracked_entry),
		cmocka_unit_test(idle_from_the_last_packet),
		cmocka_unit_test(alone_and_idle_from_the_last_packet),
		cmocka_unit_test(not_told_of_the_future),
		cmocka_unit_test(outcomes_are_shared),
		cmocka_unit_test(outcomes_without_room),
		cmocka_unit_test(places_change_hands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
