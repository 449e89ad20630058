/* test_acknowledged.c: one thread changes rules, membership, routes and ACLs back and forth, each by the plan and the
 * apply that the daemon uses, ten thousand times and more a second; another sends packets of a flow that is there all the
 * time, and of new ones, through the real program. No packet that begins after a change was acknowledged is judged by what
 * was true before. ACK_CHANGES: how many (20,000). */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "conf/build.h"
#include "kern/datapath.h"
#include "kern/kern.h"
#include "plan/desired.h"
#include "tests/bpf/frames.h"
#include "tests/unit/test.h"
#include "util/mem.h"

enum { CHANGES = 20000, PACKETS_BETWEEN = 3, LOOKS_MAX = 100000, SHOT = 2, OLD_PORT = 20000, KINDS = 4 };

#define TOPOLOGY(nacl, route, take, of_b) \
	"[lab ack]\n[vpc v]\ncidr = 10.0.0.0/16\n[route-table r]\nvpc = v\n" route "[nacl n]\nvpc = v\n" nacl \
	"inbound = 100 allow all from 0.0.0.0/0\noutbound = 100 allow all to 0.0.0.0/0\n" \
	"[subnet s1]\nvpc = v\ncidr = 10.0.1.0/24\nroute-table = r\n[subnet s2]\nvpc = v\ncidr = 10.0.2.0/24\nnacl = n\n" \
	"[security-group send]\nvpc = v\n" \
	"[security-group take]\nvpc = v\n" take "inbound = udp 5000 from 0.0.0.0/0\n" \
	"[security-group shut]\nvpc = v\n" \
	"[interface spare]\nsubnet = s2\naddress = 10.0.2.20\n" \
	"[instance a]\nsubnet = s1\naddress = 10.0.1.10\nsecurity-groups = send\n" \
	"[instance b]\nsubnet = s2\naddress = 10.0.2.10\nsecurity-groups = " of_b "\n"
#define OPEN "inbound = udp 6000 from 0.0.0.0/0\n"

static const char open_text[] = TOPOLOGY("", "", OPEN, "take");
static const char *const closed_texts[KINDS] = {
	TOPOLOGY("inbound = 10 deny udp 6000 from 0.0.0.0/0\n", "", OPEN, "take"),
	TOPOLOGY("", "route = 10.0.2.0/24 via eni:spare\n", OPEN, "take"),
	TOPOLOGY("", "", "", "take"),
	TOPOLOGY("", "", OPEN, "shut"),
};
static const char *const kind_names[KINDS] = { "ACL", "route", "rule", "membership" };

static struct {
	struct kern *k;
	struct plan *close[KINDS], *open[KINDS];
	unsigned changes;
	/* Changes begun, acknowledged; packets sent. An even number of changes: open. */
	unsigned long begun, acknowledged, sent;
	bool ended;
} run;

static struct model *build(const char *text, struct registry *registry)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_document_ struct document d = { 0 };
	struct model *m = NULL;

	document_init(&d);
	document_parse(text, strlen(text), "ack.ini", &d, &diags);
	if (model_build(&d, "ack", registry, &m, &diags) < 0)
		fail_msg("line %u: %s", diags.v[0].line, diags.v[0].message);
	return m;
}

/* Links and routes are other tests': here their rows are those of the open one, so that no operation touches any. */
static struct state *closed_of(const char *text, struct registry *registry, struct state *open)
{
	_cleanup_model_ struct model *m = build(text, registry);
	struct state *s = NULL;

	assert_int_equal(state_desired_policies(m, open, &s, NULL), 0);
	return s;
}

/* Between states whose rows are the same: operations on maps. */
static struct plan *plan_of(const struct state *desired, const struct state *actual)
{
	struct plan *p = NULL;

	assert_int_equal(plan_diff(desired, actual, &p), 0);
	for (size_t i = 0; i < p->n; i++)
		assert_non_null(p->ops[i].map_row);
	assert_true(p->n > 0);
	return p;
}

static int apply(const struct plan *p, struct err *e)
{
	struct apply *a = apply_new(run.k, p);
	int r;

	do
		r = apply_step(a, 1000000, e);
	while (r > 0);
	apply_free(&a);
	return r;
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void change(const struct plan *p)
{
	unsigned long sent;
	struct err e = { 0 };

	__atomic_add_fetch(&run.begun, 1, __ATOMIC_SEQ_CST);
	if (apply(p, &e) < 0) {
		fprintf(stderr, "%s\n", e.msg);
		abort();
	}
	__atomic_add_fetch(&run.acknowledged, 1, __ATOMIC_SEQ_CST);
	sent = __atomic_load_n(&run.sent, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < LOOKS_MAX && __atomic_load_n(&run.sent, __ATOMIC_SEQ_CST) < sent + PACKETS_BETWEEN;
	     i++)
		;
}

static void *changer(void *unused)
{
	(void)unused;
	pin((int)sysconf(_SC_NPROCESSORS_ONLN) - 1);
	for (unsigned i = 0; i < run.changes; i += 2) {
		change(run.close[i / 2 % KINDS]);
		change(run.open[i / 2 % KINDS]);
	}
	__atomic_store_n(&run.ended, true, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Was it passed on? */
static bool comes(int prog, uint32_t port, uint16_t sport)
{
	struct frame_spec s = { .proto = PKT_PROTO_UDP, .sport = sport, .dport = 6000 };
	uint8_t frame[FRAME_MAX], out[FRAME_MAX + 64];
	struct __sk_buff ctx = { .ifindex = ABI_IFINDEX_BASE + port };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_out = out, .data_size_out = sizeof(out),
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));
	struct addr a;

	assert_int_equal(addr_parse("10.0.1.10", &a), 0);
	s.src = a.a;
	assert_int_equal(addr_parse("10.0.2.10", &a), 0);
	s.dst = a.a;
	opts.data_size_in = (__u32)frame_build(frame, &s);
	assert_int_equal(bpf_prog_test_run_opts(prog, &opts), 0);
	return opts.retval != SHOT;
}

static void send_until_ended(int prog, uint32_t port)
{
	unsigned long judged = 0, stale = 0;
	struct timespec from, to;
	uint16_t fresh = OLD_PORT;
	double seconds;

	clock_gettime(CLOCK_MONOTONIC, &from);
	while (!__atomic_load_n(&run.ended, __ATOMIC_SEQ_CST)) {
		const unsigned long known = __atomic_load_n(&run.acknowledged, __ATOMIC_SEQ_CST);
		const bool old = __atomic_load_n(&run.sent, __ATOMIC_SEQ_CST) % 2;
		const bool came =
			comes(prog, port, old ? OLD_PORT : (fresh = fresh < 60000 ? fresh + 1 : OLD_PORT + 1));

		__atomic_add_fetch(&run.sent, 1, __ATOMIC_SEQ_CST);
		/* While the next change is under way either answer is right. */
		if (__atomic_load_n(&run.begun, __ATOMIC_SEQ_CST) != known)
			continue;
		judged++;
		if (came == (known % 2 == 0))
			continue;
		if (!stale++)
			fprintf(stderr, "# a packet of %s flow %s after change %lu (%s) was acknowledged\n",
				old ? "the old" : "a new", came ? "came" : "was denied", known,
				kind_names[(known - 1) / 2 % KINDS]);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
	printf("# %u changes, %.0f a second; %lu packets, %lu of them between changes\n", run.changes,
	       run.changes / seconds, run.sent, judged);
	assert_int_equal(stale, 0);
	assert_true(judged > run.changes / 4);
}

static void no_packet_is_judged_by_the_past(void **unused)
{
	static const struct datapath_config config = { .clock = 1, .event_burst = 1, .events_per_s = 1 };
	const char *bpf_dir = getenv("VPCD_BPF_DIR"), *run_dir = getenv("VPCD_RUN_DIR"),
		   *wanted = getenv("ACK_CHANGES");
	const struct kern_dirs dirs = { run_dir, getenv("VPCD_STATE_DIR"), bpf_dir };
	struct registry *registry = registry_new(1);
	struct model *m = NULL;
	struct state *open = NULL, *closed[KINDS], *empty = state_new();
	struct plan *first;
	struct err e = { 0 };
	char path[160], cmd[160];
	pthread_t thread;
	uint32_t port;
	int prog;

	(void)unused;
	if (!bpf_dir || !run_dir)
		skip();
	run.changes = wanted ? (unsigned)atoi(wanted) : CHANGES;
	mkdir(run_dir, 0700);
	mkdir(dirs.state_dir, 0700);
	m = build(open_text, registry);
	assert_int_equal(state_desired(m, &open, &e), 0);
	port = m->enis[model_find_eni(m, "a")].obj.number;
	for (unsigned i = 0; i < KINDS; i++) {
		closed[i] = closed_of(closed_texts[i], registry, open);
		run.close[i] = plan_of(closed[i], open);
	}
	state_borrow(empty, open);
	first = plan_of(open, empty);
	if (kern_open("ack", &dirs, &run.k, &e) < 0 || apply(first, &e) < 0 ||
	    datapath_configure(kern_datapath(run.k), &config, &e) < 0)
		fail_msg("%s", e.msg);
	for (unsigned i = 0; i < KINDS; i++)
		run.open[i] = plan_of(open, closed[i]);
	snprintf(path, sizeof(path), "%s/ack/prog_eni_ingress", bpf_dir);
	prog = bpf_obj_get(path);
	assert_true(prog >= 0);
	snprintf(cmd, sizeof(cmd), "ip link add index %u name ack0 type veth peer name ack1", ABI_IFINDEX_BASE + port);
	assert_int_equal(system(cmd), 0);
	pin(0);
	assert_true(comes(prog, port, OLD_PORT));
	assert_int_equal(pthread_create(&thread, NULL, changer, NULL), 0);
	send_until_ended(prog, port);
	pthread_join(thread, NULL);
	close(prog);
	kern_close(&run.k);
	snprintf(path, sizeof(path), "%s/ack", bpf_dir);
	datapath_unpin(path, NULL);
	for (unsigned i = 0; i < KINDS; i++) {
		plan_free(&run.open[i]);
		plan_free(&run.close[i]);
		state_free(&closed[i]);
	}
	plan_free(&first);
	state_free(&empty);
	state_free(&open);
	model_free(&m);
	registry_free(&registry);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(no_packet_is_judged_by_the_past) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
