/* test_pass.c: the same packets through the real BPF object (BPF_PROG_TEST_RUN) and through the host
 * build of the same headers: the whole outcome must be equal, and so must the state they leave.
 *
 *   FUZZ_N, FUZZ_SEED   how many random packets, and from which seed (make fuzz-diff) */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "tests/unit/test.h"
#include "conf/build.h"
#include "filters/explain.h"
#include "filters/world.h"
#include "filters/verdict.h"
#include "tests/bpf/frames.h"
#include "kern/datapath.h"
#include "plan/desired.h"
#include "tests/support/random_topology.h"
#include "util/mem.h"
#include "util/str.h"

static char bpf_dir[64];

struct lab {
	struct model *m;
	struct world *w;
	struct datapath *d;
	int progs[HOOK_MAX], scratch, flows;
	struct map_rows rows;
};

static __u64 coarse_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (__u64)t.tv_sec * 1000000000ull + (__u64)t.tv_nsec;
}

static int pin_fd(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/lab/%s", bpf_dir, name);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	return fd;
}

/* TEST_RUN wants the device to exist. */
static void device_make(uint32_t port)
{
	static bool made[ABI_PORTS_MAX];
	char cmd[160];

	if (made[port])
		return;
	snprintf(cmd, sizeof(cmd), "ip link add index %u name p%u type veth peer name q%u", ABI_IFINDEX_BASE + port, port, port);
	assert_int_equal(system(cmd), 0);
	made[port] = true;
}

static void lab_up(struct lab *l, const char *text)
{
	static const char *const hooks[HOOK_MAX] = { "eni_ingress", "eni_egress", "igw_ingress", "igw_egress", "inet_ingress" };
	struct datapath_sizes sizes = { .ports = 64, .rules = 4096, .routes = 512, .tables_rows = 4096, .flows = 16384 };
	struct datapath_config config = { .clock = 1, .event_burst = 1, .events_per_s = 1 };
	_cleanup_diag_list_ struct diag_list diags;
	struct err e = { 0 };
	char name[32], path[80];

	memset(l, 0, sizeof(*l));
	diag_list_init(&diags);
	if (model_from_text(text, strlen(text), "t.ini", &l->m, &diags)) {
		for (size_t i = 0; i < diags.n; i++)
			fprintf(stderr, "%s:%u: %s\n", diags.v[i].file, diags.v[i].line, diags.v[i].message);
		fprintf(stderr, "%s", text);
		fail();
	}
	map_rows_init(&l->rows);
	if (maps_desired(l->m, &l->rows, &e))
		fail_msg("%s", e.msg);
	l->w = world_new(sizes.flows);
	assert_int_equal(world_load(l->w, &l->rows), 0);
	snprintf(path, sizeof(path), "%s/lab", bpf_dir);
	if (datapath_load(path, &sizes, &l->d, &e))
		fail_msg("%s", e.msg);
	for (size_t i = 0; i < l->rows.n; i++)
		if (datapath_row_set(l->d, &l->rows, &l->rows.v[i], &e))
			fail_msg("%s", e.msg);
	assert_int_equal(datapath_configure(l->d, &config, &e), 0);
	l->w->config.event_burst = 1;
	for (unsigned i = 0; i < HOOK_MAX; i++) {
		snprintf(name, sizeof(name), "prog_%s", hooks[i]);
		l->progs[i] = pin_fd(name);
	}
	l->scratch = pin_fd("map_scratch");
	l->flows = pin_fd("map_flows");
}

static void lab_down(struct lab *l)
{
	char path[80];

	for (unsigned i = 0; i < HOOK_MAX; i++)
		close(l->progs[i]);
	close(l->scratch);
	close(l->flows);
	datapath_close(&l->d);
	snprintf(path, sizeof(path), "%s/lab", bpf_dir);
	datapath_unpin(path, NULL);
	world_free(&l->w);
	map_rows_done(&l->rows);
	model_free(&l->m);
}

static enum tc_hook hook_of(const struct lab *l, uint32_t port)
{
	const struct abi_port *p = host_map_lookup(l->w->ports, &port);

	assert_non_null(p);
	return p->kind == ABI_PORT_IGW ? HOOK_IGW_INGRESS :
	       p->kind == ABI_PORT_INET || p->kind == ABI_PORT_HOST ? HOOK_INET_INGRESS : HOOK_ENI_INGRESS;
}

static void pass_host(struct lab *l, uint32_t port, const uint8_t *frame, size_t n, struct pass *x)
{
	enum abi_reason reason;

	memset(x, 0, sizeof(*x));
	x->p.key.port = port;
	x->p.segs = 1;
	l->w->now_ns = coarse_now();
	reason = packet_parse(frame, frame + n, (__u32)n, &x->p);
	if (reason == ABI_REASON_NONE && !x->p.mac_known && hook_of(l, port) == HOOK_ENI_INGRESS)
		reason = ABI_REASON_BROADCAST;
	pass_packet(l->w, x, reason);
}

static void pass_bpf(struct lab *l, uint32_t port, const uint8_t *frame, size_t n, struct pass *x)
{
	const int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct pass *all = xcalloc((size_t)cpus, sizeof(*all));
	struct __sk_buff ctx = { .ifindex = ABI_IFINDEX_BASE + port };
	uint8_t out[FRAME_MAX + 64];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (__u32)n, .data_out = out,
		    .data_size_out = sizeof(out), .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));
	__u32 zero = 0;
	int r;

	device_make(port);
	r = bpf_prog_test_run_opts(l->progs[hook_of(l, port)], &opts);
	if (r)
		fail_msg("test run on port %u: %s", port, strerror(errno));
	assert_int_equal(bpf_map_lookup_elem(l->scratch, &zero, all), 0);
	*x = all[sched_getcpu()];
	/* what the program then did with the packet must follow the verdict */
	if (!x->o.allow)
		assert_int_equal(opts.retval, 2 /* TC_ACT_SHOT */);
	else
		assert_int_not_equal(opts.retval, 2);
}

static void outcome_print(const char *who, const struct outcome *o)
{
	fprintf(stderr, "  %-5s allow=%u gate=%s reason=%s peer=%u at=%u deny_rule=%u rules=%u,%u,%u,%u,%u flags=%u path=%u fresh=%u %s/%s\n", who,
		o->allow, gate_name(o->gate), reason_name(o->reason), o->peer, o->gate_port, o->deny_rule, o->rule[0], o->rule[1],
		o->rule[2], o->rule[3], o->rule[4], o->flags, o->path, o->fresh, reason_name(o->reason_sg_out), reason_name(o->reason_sg_in));
}

/* Runs one packet both ways; fails with both outcomes when they differ. */
static void pass_both(struct lab *l, uint32_t port, const struct frame_spec *s, struct pass *ret)
{
	uint8_t frame[FRAME_MAX];
	const size_t n = frame_build(frame, s);
	struct pass host, bpf;

	pass_bpf(l, port, frame, n, &bpf);
	pass_host(l, port, frame, n, &host);
	if (memcmp(&host.o, &bpf.o, sizeof(host.o))) {
		char a[ADDR_STRLEN], b[ADDR_STRLEN];
		struct addr src = { s->src }, dst = { s->dst };

		fprintf(stderr, "port %u: %s:%u -> %s:%u proto %u flags %u\n", port, addr_format(&src, a), s->sport,
			addr_format(&dst, b), s->dport, s->proto, s->tcp_flags);
		outcome_print("host", &host.o);
		outcome_print("bpf", &bpf.o);
		fail_msg("host and BPF disagree");
	}
	*ret = host;
}

/* ---- a table of cases ---- */

static const char *const table_topology =
	"[lab t]\n[vpc v]\ncidr = 10.0.0.0/16\n[internet-gateway igw]\nvpc = v\n"
	"[route-table pub]\nvpc = v\nroute = 0.0.0.0/0 via igw:igw\n"
	"[nacl edge]\nvpc = v\ninbound = 100 allow tcp 80 from 0.0.0.0/0\ninbound = 110 allow tcp 1024-65535 from 0.0.0.0/0\n"
	"inbound = 120 deny icmp from 10.0.1.0/24\ninbound = 130 allow icmp from 0.0.0.0/0\noutbound = 100 allow all to 0.0.0.0/0\n"
	"[subnet a]\nvpc = v\ncidr = 10.0.0.0/24\nroute-table = pub\nnacl = edge\n"
	"[subnet b]\nvpc = v\ncidr = 10.0.1.0/24\n"
	"[security-group web]\nvpc = v\ninbound = tcp 80 from 0.0.0.0/0\ninbound = icmp from 0.0.0.0/0\n"
	"[security-group db]\nvpc = v\ninbound = tcp 5432 from sg:web\noutbound = none\n"
	"[instance web]\nsubnet = a\naddress = 10.0.0.10\npublic-ip = 203.0.113.10\nsecurity-groups = web\n"
	"[instance web2]\nsubnet = a\naddress = 10.0.0.11\nsecurity-groups = web\n"
	"[instance db]\nsubnet = b\naddress = 10.0.1.10\nsecurity-groups = db\n"
	"[host h]\naddress = 198.51.100.7\n";

struct pass_case {
	const char *name;
	const char *from;        /* instance or host */
	const char *src, *dst;
	uint8_t proto;
	uint16_t sport, dport;
	uint8_t tcp_flags;
	const char *mac_of;      /* neighbour whose MAC is used; NULL = the router's */
	bool allow;
	enum abi_gate gate;
	enum abi_reason reason;
	enum abi_reason sg_out, sg_in; /* allowed: how; NONE = do not look */
};
#define ANY_R ABI_REASON_NONE
#define YES true, ABI_GATE_NONE, ABI_REASON_ACCEPT
#define NO(g, r) false, ABI_GATE_##g, ABI_REASON_##r, ANY_R, ANY_R
static const struct pass_case cases[] = {
	{ "spoofed source", "web", "10.0.0.99", "10.0.1.10", 6, 40000, 5432, 2, NULL, NO(SOURCE_CHECK, ENI_ADDRESS_RESTRICTION) },
	{ "group reference, first packet", "web", "10.0.0.10", "10.0.1.10", 6, 40000, 5432, 2, NULL, YES, ABI_REASON_ACCEPT, ABI_REASON_ACCEPT },
	{ "its answer is tracked although nothing may leave db", "db", "10.0.1.10", "10.0.0.10", 6, 5432, 40000, 18, NULL, YES, ABI_REASON_TRACKED, ABI_REASON_TRACKED },
	{ "and goes on", "web", "10.0.0.10", "10.0.1.10", 6, 40000, 5432, 16, NULL, YES, ANY_R, ANY_R },
	{ "another port is not", "web", "10.0.0.10", "10.0.1.10", 6, 40000, 5433, 2, NULL, NO(SG_IN, ENI_SG_RULES_MISMATCH) },
	{ "no answer without a question", "db", "10.0.1.10", "10.0.0.10", 6, 5432, 40001, 18, NULL, NO(SG_OUT, SG_HAS_NO_RULES) },
	{ "no public address", "web2", "10.0.0.11", "198.51.100.7", 6, 40000, 443, 2, NULL, NO(IGW, IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS) },
	{ "no route", "db", "10.0.1.10", "198.51.100.7", 6, 40000, 443, 2, NULL, NO(SG_OUT, SG_HAS_NO_RULES) },
	{ "out by the gateway", "web", "10.0.0.10", "198.51.100.7", 6, 40000, 443, 2, NULL, YES, ABI_REASON_ACCEPT, ANY_R },
	{ "the router's own address", "web", "10.0.0.10", "10.0.0.1", 1, 7, 0x800, 0, NULL, NO(SERVICE, NO_SERVICE) },
	{ "nobody's address", "web", "10.0.0.10", "10.0.1.77", 1, 7, 0x800, 0, NULL, NO(ROUTE, NO_POSSIBLE_DESTINATION) },
	{ "multicast", "web", "10.0.0.10", "224.0.0.1", 17, 7, 7, 0, NULL, NO(PARSE, BROADCAST) },
	{ "neighbour by MAC: no NACL", "web", "10.0.0.10", "10.0.0.11", 1, 7, 0x800, 0, "web2", YES, ABI_REASON_ACCEPT, ABI_REASON_ACCEPT },
	{ "neighbour's MAC, foreign address", "web", "10.0.0.10", "10.0.1.10", 1, 7, 0x800, 0, "web2", NO(DEST_CHECK, ENI_SOURCE_DEST_CHECK_RESTRICTION) },
	{ "NACL in, first match denies", "db", "10.0.1.10", "10.0.0.10", 1, 7, 0x800, 0, NULL, NO(SG_OUT, SG_HAS_NO_RULES) },
	{ "host to a private address", "h", "198.51.100.7", "10.0.0.10", 6, 40000, 80, 2, NULL, NO(IGW, IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS) },
	{ "host to nobody", "h", "198.51.100.7", "203.0.113.99", 6, 40000, 80, 2, NULL, NO(INTERNET, UNKNOWN_DESTINATION) },
	{ "host with another's address", "h", "198.51.100.8", "203.0.113.10", 6, 40000, 80, 2, NULL, NO(INTERNET, GATEWAY_REJECTS_SPOOFED_TRAFFIC) },
	{ "host to a public address", "h", "198.51.100.7", "203.0.113.10", 6, 40000, 80, 2, NULL, YES, ANY_R, ANY_R },
};

static uint32_t port_of(const struct lab *l, const char *name)
{
	uint32_t i = model_find_eni(l->m, name);

	return i != NONE ? l->m->enis[i].obj.number : l->m->hosts[model_find_host(l->m, name)].port;
}

static struct abi_addr addr_of(const char *s)
{
	struct addr a;

	assert_int_equal(addr_parse(s, &a), 0);
	return a.a;
}

static void test_table(void **state)
{
	struct lab l;

	(void)state;
	lab_up(&l, table_topology);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct pass_case *c = &cases[i];
		struct frame_spec s = { .to_port = c->mac_of ? port_of(&l, c->mac_of) : 0, .src = addr_of(c->src), .dst = addr_of(c->dst),
					.proto = c->proto, .sport = c->sport, .dport = c->dport, .tcp_flags = c->tcp_flags };
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
	s->src = rng_below(r, 12) == 0 ? random_addr(r, l) : host ? l->m->hosts[eni - l->m->n_enis].addr.a : l->m->enis[eni].addrs[0].addr.a;
	s->dst = random_addr(r, l);
	s->proto = protos[rng_below(r, ARRAY_SIZE(protos))];
	s->sport = (uint16_t)(40000 + rng_below(r, 3));
	s->dport = dports[rng_below(r, ARRAY_SIZE(dports))];
	if (s->proto == 1)
		s->dport = icmps[rng_below(r, ARRAY_SIZE(icmps))];
	s->tcp_flags = flags[rng_below(r, ARRAY_SIZE(flags))];
	for (uint32_t i = 0; !host && i < l->m->n_enis; i++)
		if (l->m->enis[i].subnet == l->m->enis[eni].subnet && i != eni && !memcmp(&l->m->enis[i].addrs[0].addr, &s->dst, 16))
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
	printf("# %u packets, %u allowed, %u by the cache, %u tracked flows: host and BPF agree\n", total, allowed, cached, flows);
	assert_true(allowed > total / 50 && cached > 0 && flows > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_table), cmocka_unit_test(test_random) };
	cpu_set_t one;
	int r;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one); /* the scratch map is per CPU */
	snprintf(bpf_dir, sizeof(bpf_dir), "/sys/fs/bpf/test-pass-%d", getpid());
	r = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(bpf_dir);
	return r;
}
