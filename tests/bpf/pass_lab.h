/* pass_lab.h: one lab's tables in the BPF object (BPF_PROG_TEST_RUN) and on the host; packets go through
 * both, and both must answer alike. */
#pragma once
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
#include "kern/datapath_parts.h"
#include "plan/desired.h"
#include "tests/support/random_topology.h"
#include "util/mem.h"
#include "util/str.h"

static char bpf_dir[100];

struct lab {
	struct model *m;
	struct world *w;
	struct datapath *d;
	int progs[HOOK_MAX], scratch, flows;
	struct map_rows rows;
	__u64 now_ns; /* 0: the kernel's clock */
};

static __u64 coarse_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (__u64)t.tv_sec * 1000000000ull + (__u64)t.tv_nsec;
}

/* Both clocks stand still from here on. */
static inline void lab_now_set(struct lab *l, __u64 now_ns)
{
	l->now_ns = l->w->now_ns = now_ns;
	datapath_clock_set(l->d, now_ns);
}

static int pin_fd(const char *name)
{
	char path[160];
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
	snprintf(cmd, sizeof(cmd), "ip link add index %u name p%u type veth peer name q%u", ABI_IFINDEX_BASE + port,
		 port, port);
	assert_int_equal(system(cmd), 0);
	made[port] = true;
}

/* Copies of outcomes as on the host: at one processor, in so few places that flows meet. */
static void hot_set(struct lab *l)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	assert_int_equal(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
	l->d->config->hot_sets = l->w->config.hot_sets = 8;
	l->d->config->hot_cpus = l->w->config.hot_cpus = 1;
	l->d->config->hot_seed = l->w->config.hot_seed = 0;
}

/* The object and the host's maps, both empty. */
static void lab_load(struct lab *l, const struct datapath_sizes *sizes)
{
	static const char *const hooks[HOOK_MAX] = { "eni_ingress", "eni_egress", "igw_egress", "link_ingress" };
	struct err e = { 0 };
	char name[32], path[160];

	map_rows_init(&l->rows);
	l->w = world_new(2 * sizes->flows); /* the object holds what is dealt out beside that */
	snprintf(path, sizeof(path), "%s/lab", bpf_dir);
	datapath_unpin(path, NULL); /* what a failed test left would be carried over */
	if (datapath_load(path, sizes, &l->d, &e))
		fail_msg("%s", e.msg);
	for (unsigned i = 0; i < HOOK_MAX; i++) {
		snprintf(name, sizeof(name), "prog_%s", hooks[i]);
		l->progs[i] = pin_fd(name);
	}
	l->scratch = pin_fd("map_scratch");
	l->flows = pin_fd("map_flows");
	hot_set(l);
}

static inline void lab_up(struct lab *l, const char *text)
{
	struct datapath_sizes sizes = {
		.ports = 64, .rules = 4096, .routes = 512, .tables_rows = 4096, .flows = 16384
	};
	struct datapath_config config = { .event_burst = 1, .events_per_s = 1, .sample = { 1, 0, 1 } };
	_cleanup_diag_list_ struct diag_list diags;
	struct err e = { 0 };

	memset(l, 0, sizeof(*l));
	diag_list_init(&diags);
	if (model_from_text(text, strlen(text), "t.ini", &l->m, &diags)) {
		for (size_t i = 0; i < diags.n; i++)
			fprintf(stderr, "%s:%u: %s\n", diags.v[i].file, diags.v[i].line, diags.v[i].message);
		fprintf(stderr, "%s", text);
		fail();
	}
	lab_load(l, &sizes);
	if (maps_desired(l->m, &l->rows, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(world_load(l->w, &l->rows), 0);
	for (size_t i = 0; i < l->rows.n; i++)
		if (datapath_row_set(l->d, &l->rows, &l->rows.v[i], &e))
			fail_msg("%s", e.msg);
	config.clock = l->m->clock;
	config.flow_log = l->m->n_flow_logs > 0;
	config.strict_icmp = l->m->strict_icmp;
	config.strict_fragments = l->m->strict_fragments;
	assert_int_equal(datapath_configure(l->d, &config, &e), 0);
	l->w->config.event_burst = 1;
	config_timers_set(&l->w->config, l->m->clock);
	l->w->config.flags = (config.strict_icmp ? ABI_CONFIG_STRICT_ICMP : 0) |
			     (config.strict_fragments ? ABI_CONFIG_STRICT_FRAGMENTS : 0) |
			     (config.flow_log ? ABI_CONFIG_LOG : 0);
}

static void lab_down(struct lab *l)
{
	char path[160];

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
	switch (p->kind) {
	case ABI_PORT_IGW:
	case ABI_PORT_PCX:
	case ABI_PORT_INET:
	case ABI_PORT_HOST:
	case ABI_PORT_UPLINK: return HOOK_LINK_INGRESS;
	default: return HOOK_ENI_INGRESS;
	}
}

static void pass_host(struct lab *l, uint32_t port, const uint8_t *frame, size_t n, struct pass *x)
{
	enum abi_reason reason;

	memset(x, 0, sizeof(*x));
	x->p.key.port = port;
	x->p.segs = 1;
	l->w->now_ns = l->now_ns ? l->now_ns : coarse_now();
	reason = packet_parse(frame, frame + n, (__u32)n, &x->p);
	if (reason == ABI_REASON_NONE && hook_of(l, port) == HOOK_ENI_INGRESS)
		reason = packet_may_be_sent(&x->p);
	pass_packet(l->w, x, reason);
}

/* False: the kernel runs no program on so short a frame. */
static bool pass_bpf(struct lab *l, uint32_t port, const uint8_t *frame, size_t n, struct pass *x)
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
	if (r && errno == EINVAL && n < ETH_HLEN_ + IP6_HLEN)
		return false;
	if (r)
		fail_msg("test run on port %u: %s", port, strerror(errno));
	assert_int_equal(bpf_map_lookup_elem(l->scratch, &zero, all), 0);
	*x = all[sched_getcpu()];
	/* what the program then did with the packet must follow the verdict */
	if (!x->o.allow)
		assert_int_equal(opts.retval, 2 /* TC_ACT_SHOT */);
	else
		assert_int_not_equal(opts.retval, 2);
	return true;
}

static void outcome_print(const char *who, const struct outcome *o)
{
	fprintf(stderr,
		"  %-5s allow=%u gate=%s reason=%s peer=%u at=%u deny_rule=%u rules=%u,%u,%u,%u,%u flags=%u path=%u fresh=%u %s/%s\n",
		who, o->allow, gate_name(o->gate), reason_name(o->reason), o->peer, o->gate_port, o->deny_rule,
		o->rule[0], o->rule[1], o->rule[2], o->rule[3], o->rule[4], o->flags, o->path, o->fresh,
		reason_name(o->reason_sg_out), reason_name(o->reason_sg_in));
}

/* Runs one packet both ways; fails with both outcomes when they differ. */
static inline void pass_both_raw(struct lab *l, uint32_t port, const uint8_t *frame, size_t n, struct pass *ret)
{
	struct pass host, bpf;

	bool ran = pass_bpf(l, port, frame, n, &bpf);

	pass_host(l, port, frame, n, &host);
	if (ran && memcmp(&host.o, &bpf.o, sizeof(host.o))) {
		char a[ADDR_STRLEN], b[ADDR_STRLEN];
		struct addr src = { host.p.key.src }, dst = { host.p.key.dst };

		fprintf(stderr, "port %u: %s:%u -> %s:%u proto %u flags %u\n", port, addr_format(&src, a),
			read_be16(host.p.key.sport), addr_format(&dst, b), read_be16(host.p.key.dport),
			host.p.key.proto, host.p.tcp_flags);
		outcome_print("host", &host.o);
		outcome_print("bpf", &bpf.o);
		fail_msg("host and BPF disagree");
	}
	*ret = host;
}

static inline void pass_both(struct lab *l, uint32_t port, const struct frame_spec *s, struct pass *ret)
{
	uint8_t frame[FRAME_MAX];

	pass_both_raw(l, port, frame, frame_build(frame, s), ret);
}

/* Two subnets, a NACL, groups that refer to each other, the internet. */
__attribute__((unused)) static const char *const table_topology =
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

static inline uint32_t port_of(const struct lab *l, const char *name)
{
	uint32_t i = model_find_eni(l->m, name);

	return i != NONE ? l->m->enis[i].obj.number : l->m->hosts[model_find_host(l->m, name)].port;
}

static inline struct abi_addr addr_of(const char *s)
{
	struct addr a;

	assert_int_equal(addr_parse(s, &a), 0);
	return a.a;
}

/* Ends a test program's main. */
static inline int pass_tests_run(const char *name, const struct CMUnitTest *tests, size_t n)
{
	const char *base = getenv("VPCD_BPF_DIR"); /* set by tests/isolate, where a BPF file system is mounted */
	cpu_set_t one;
	int r;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one); /* the scratch map is per CPU */
	snprintf(bpf_dir, sizeof(bpf_dir), "%s/%s-%d", base ? base : "/sys/fs/bpf", name, getpid());
	r = _cmocka_run_group_tests(name, tests, n, NULL, NULL);
	rmdir(bpf_dir);
	return r;
}
