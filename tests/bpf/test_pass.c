/* test_pass.c: the same packets through the real BPF object (BPF_PROG_TEST_RUN) and through the host
 * build of the same headers: the whole outcome must be equal, and so must the state they leave.
 *
 *   FUZZ_N, FUZZ_SEED   how many random packets, and from which seed */
#include "tests/bpf/pass_lab.h"

/* ---- a table of cases ---- */

struct pass_case {
	const char *name;
	const char *from; /* instance or host */
	const char *src, *dst;
	uint8_t proto;
	uint16_t sport, dport;
	uint8_t tcp_flags;
	const char *mac_of; /* neighbour whose MAC is used; NULL = the router's */
	bool allow;
	enum abi_gate gate;
	enum abi_reason reason;
	enum abi_reason sg_out, sg_in; /* allowed: how; NONE = do not look */
};
#define ANY_R ABI_REASON_NONE
#define YES true, ABI_GATE_NONE, ABI_REASON_ACCEPT
#define NO(g, r) false, ABI_GATE_##g, ABI_REASON_##r, ANY_R, ANY_R
static const struct pass_case cases[] = {
	{ "spoofed source", "web", "10.0.0.99", "10.0.1.10", 6, 40000, 5432, 2, NULL,
	  NO(SOURCE_CHECK, ENI_ADDRESS_RESTRICTION) },
	{ "group reference, first packet", "web", "10.0.0.10", "10.0.1.10", 6, 40000, 5432, 2, NULL, YES,
	  ABI_REASON_ACCEPT, ABI_REASON_ACCEPT },
	{ "its answer is tracked although nothing may leave db", "db", "10.0.1.10", "10.0.0.10", 6, 5432, 40000, 18,
	  NULL, YES, ABI_REASON_TRACKED, ABI_REASON_TRACKED },
	{ "and goes on", "web", "10.0.0.10", "10.0.1.10", 6, 40000, 5432, 16, NULL, YES, ANY_R, ANY_R },
	{ "another port is not", "web", "10.0.0.10", "10.0.1.10", 6, 40000, 5433, 2, NULL,
	  NO(SG_IN, ENI_SG_RULES_MISMATCH) },
	{ "no answer without a question", "db", "10.0.1.10", "10.0.0.10", 6, 5432, 40001, 18, NULL,
	  NO(SG_OUT, SG_HAS_NO_RULES) },
	{ "no public address", "web2", "10.0.0.11", "198.51.100.7", 6, 40000, 443, 2, NULL,
	  NO(IGW, IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS) },
	{ "no route", "db", "10.0.1.10", "198.51.100.7", 6, 40000, 443, 2, NULL, NO(SG_OUT, SG_HAS_NO_RULES) },
	{ "out by the gateway", "web", "10.0.0.10", "198.51.100.7", 6, 40000, 443, 2, NULL, YES, ABI_REASON_ACCEPT,
	  ANY_R },
	{ "the router's own address", "web", "10.0.0.10", "10.0.0.1", 1, 7, 0x800, 0, NULL, NO(SERVICE, NO_SERVICE) },
	{ "nobody's address", "web", "10.0.0.10", "10.0.1.77", 1, 7, 0x800, 0, NULL,
	  NO(ROUTE, NO_POSSIBLE_DESTINATION) },
	{ "multicast", "web", "10.0.0.10", "224.0.0.1", 17, 7, 7, 0, NULL, NO(PARSE, BROADCAST) },
	{ "neighbour by MAC: no NACL", "web", "10.0.0.10", "10.0.0.11", 1, 7, 0x800, 0, "web2", YES, ABI_REASON_ACCEPT,
	  ABI_REASON_ACCEPT },
	{ "neighbour's MAC, foreign address", "web", "10.0.0.10", "10.0.1.10", 1, 7, 0x800, 0, "web2",
	  NO(DEST_CHECK, ENI_SOURCE_DEST_CHECK_RESTRICTION) },
	{ "NACL in, first match denies", "db", "10.0.1.10", "10.0.0.10", 1, 7, 0x800, 0, NULL,
	  NO(SG_OUT, SG_HAS_NO_RULES) },
	{ "host to a private address", "h", "198.51.100.7", "10.0.0.10", 6, 40000, 80, 2, NULL,
	  NO(IGW, IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS) },
	{ "host to nobody", "h", "198.51.100.7", "203.0.113.99", 6, 40000, 80, 2, NULL,
	  NO(INTERNET, UNKNOWN_DESTINATION) },
	{ "host with another's address", "h", "198.51.100.8", "203.0.113.10", 6, 40000, 80, 2, NULL,
	  NO(INTERNET, GATEWAY_REJECTS_SPOOFED_TRAFFIC) },
	{ "host to a public address", "h", "198.51.100.7", "203.0.113.10", 6, 40000, 80, 2, NULL, YES, ANY_R, ANY_R },
};

static void test_table(void **state)
{
	struct lab l;

	(void)state;
	lab_up(&l, table_topology);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct pass_case *c = &cases[i];
		struct frame_spec s = { .to_port = c->mac_of ? port_of(&l, c->mac_of) : 0,
					.src = addr_of(c->src),
					.dst = addr_of(c->dst),
					.proto = c->proto,
					.sport = c->sport,
					.dport = c->dport,
					.tcp_flags = c->tcp_flags };
		struct pass x;

		pass_both(&l, port_of(&l, c->from), &s, &x);
		if (x.o.allow != c->allow || x.o.gate != c->gate || (!c->allow && x.o.reason != c->reason) ||
		    (c->sg_out && x.o.reason_sg_out != c->sg_out) || (c->sg_in && x.o.reason_sg_in != c->sg_in)) {
			outcome_print("got", &x.o);
			fail_msg("%s", c->name);
		}
	}
	lab_down(&l);
}

/* ---- random packets over random labs ---- */

struct sent {
	uint32_t port;
	struct frame_spec s;
};

static struct abi_addr random_addr(struct rng *r, const struct lab *l)
{
	const struct eni *e = &l->m->enis[rng_below(r, l->m->n_enis)];

	switch (rng_below(r, 8)) {
	case 0: return l->m->hosts[rng_below(r, l->m->n_hosts)].addr.a;
	case 1: return addr_is_zero(&e->addrs[0].public_ip) ? e->addrs[0].addr.a : e->addrs[0].public_ip.a;
	case 2: return addr_from_v4(0x0a000000 + rng_below(r, 1024)).a;
	default: return e->addrs[0].addr.a;
	}
}

static void random_packet(struct rng *r, const struct lab *l, struct sent *ret)
{
	static const uint16_t dports[] = { 22, 80, 443, 5432, 53, 1024, 40000 };
	static const uint8_t protos[] = { 6, 6, 6, 17, 1, 50 };
	static const uint16_t icmps[] = { 0x800, 0, 0x304, 0xd00 };
	static const uint8_t flags[] = { 2, 2, 18, 16, 16, 17, 4 };
	const uint32_t eni = rng_below(r, l->m->n_enis + l->m->n_hosts);
	const bool host = eni >= l->m->n_enis;
	struct frame_spec *s = &ret->s;

	memset(ret, 0, sizeof(*ret));
	ret->port = host ? l->m->hosts[eni - l->m->n_enis].port : l->m->enis[eni].obj.number;
	s->src = rng_below(r, 12) == 0 ? random_addr(r, l)
		 : host                ? l->m->hosts[eni - l->m->n_enis].addr.a
				       : l->m->enis[eni].addrs[0].addr.a;
	s->dst = random_addr(r, l);
	s->proto = protos[rng_below(r, ARRAY_SIZE(protos))];
	s->sport = (uint16_t)(40000 + rng_below(r, 3));
	s->dport = dports[rng_below(r, ARRAY_SIZE(dports))];
	if (s->proto == 1)
		s->dport = icmps[rng_below(r, ARRAY_SIZE(icmps))];
	s->tcp_flags = flags[rng_below(r, ARRAY_SIZE(flags))];
	for (uint32_t i = 0; !host && i < l->m->n_enis; i++)
		if (l->m->enis[i].subnet == l->m->enis[eni].subnet && i != eni &&
		    !memcmp(&l->m->enis[i].addrs[0].addr, &s->dst, 16))
			s->to_port = l->m->enis[i].obj.number;
}

/* The answer to a packet that was let through: sent by whoever got it. */
static bool random_reply(struct rng *r, const struct sent *q, const struct pass *x, struct sent *ret)
{
	if (!x->o.allow || x->o.flags & ABI_FLOW_SNAT)
		return false;
	memset(ret, 0, sizeof(*ret));
	ret->port = x->o.peer;
	ret->s.src = x->dst;
	ret->s.dst = q->s.src;
	ret->s.proto = q->s.proto;
	ret->s.sport = q->s.dport;
	ret->s.dport = q->s.sport;
	ret->s.tcp_flags = rng_below(r, 3) ? 18 : 16;
	if (q->s.proto == 1) {
		ret->s.sport = q->s.sport;
		ret->s.dport = (uint16_t)(icmp_type_reversed(1, (uint8_t)(q->s.dport >> 8)) << 8);
	}
	if (rng_below(r, 4) == 0) { /* or an error about it */
		ret->s.quotes = &q->s;
		ret->s.proto = 1;
		ret->s.sport = 0;
		ret->s.dport = 0x303;
	}
	return true;
}

struct flow_count {
	const struct lab *l;
	unsigned n;
};

/* Every tracked entry of BPF stands on the host too, with the same meaning. */
static int flow_compare(void *ctx, const struct abi_flow_key *k, const struct abi_flow *f)
{
	struct flow_count *c = ctx;
	const struct abi_flow *h = host_map_lookup(c->l->w->flows, k);

	if (!(f->flags & ABI_FLOW_TRACKED))
		return 0;
	assert_non_null(h);
	assert_int_equal(h->flags, f->flags);
	assert_int_equal(h->tx, f->tx);
	assert_int_equal(h->rx, f->rx);
	assert_int_equal(h->own_rule, f->own_rule);
	c->n++;
	return 0;
}

static void test_random(void **state)
{
	const char *n_env = getenv("FUZZ_N"), *seed_env = getenv("FUZZ_SEED");
	const unsigned total = n_env ? (unsigned)strtoul(n_env, NULL, 0) : 20000, a_lab = 2000;
	uint64_t seed = seed_env ? strtoull(seed_env, NULL, 0) : (uint64_t)time(NULL);
	unsigned allowed = 0, cached = 0, flows = 0;

	(void)state;
	printf("# random packets: FUZZ_N=%u FUZZ_SEED=%llu\n", total, (unsigned long long)seed);
	for (unsigned done = 0; done < total; seed++) {
		_cleanup_free_ char *text = random_topology(seed, "fuzz");
		struct rng r = { seed };
		struct sent now, last = { 0 };
		struct pass x, before = { 0 };
		struct lab l;
		struct flow_count count;

		lab_up(&l, text);
		for (unsigned i = 0; i < a_lab && done < total; i++, done++) {
			if (!(i && rng_below(&r, 2) && random_reply(&r, &last, &before, &now)))
				random_packet(&r, &l, &now);
			pass_both(&l, now.port, &now.s, &x);
			allowed += x.o.allow;
			cached += x.o.path == ABI_PATH_CACHED;
			last = now;
			last.s.quotes = NULL;
			before = x;
		}
		count = (struct flow_count){ &l, 0 };
		datapath_flows(l.d, flow_compare, &count);
		assert_int_equal(count.n, host_map_count(l.w->flows));
		flows += count.n;
		lab_down(&l);
	}
	printf("# %u packets, %u allowed, %u by the cache, %u tracked flows: host and BPF agree\n", total, allowed,
	       cached, flows);
	assert_true(allowed > total / 50 && cached > 0 && flows > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_table), cmocka_unit_test(test_random) };

	return pass_tests_run("test-pass", tests, ARRAY_SIZE(tests));
}
