/* filter.c: what the packet filter costs with 10, 100, 1,000 and 10,000 rules, in three shapes. make bench-filter
 *
 * A world is two instances in two subnets. N rules stand in the receiver's group and N in the ACL of its subnet; one of
 * each admits the packet, none else says anything about its port. The real eni_ingress judges, by BPF_PROG_TEST_RUN:
 *
 *   hit    a packet of an established connection, by the flow cache
 *   first  a SYN of a connection that nobody knows: all gates, and entries at both ends made
 *   miss   a SYN that the ACL admits and the group does not: all gates, denied
 *
 * The data path is in kernel mode and TTLs are 255, so that judging leaves the frame as it is and one run can repeat it;
 * in fast mode the handing over (12 bytes of MACs and bpf_redirect_peer) comes instead of the mark.
 *
 * Worlds are measured in turns, round after round, so that what slows the machine slows all of them. Each round
 * also checks the verdicts: no figure of a wrong answer is printed.
 *
 *   filter [-r ROUNDS] [-j FILE.json]     root, in tests/isolate */
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "conf/build.h"
#include "filters/verdict.h"
#include "kern/datapath.h"
#include "plan/desired.h"
#include "plan/diff.h"
#include "tests/bpf/frames.h"
#include "util/mem.h"
#include "util/str.h"

enum { SIZES = 4, SHAPES = 3, KINDS = 3, ROUNDS_MAX = 101 };
enum {
	REPEAT = 50000,
	FLUSH_NS = 1000000,
	FIRSTS = 400,
	FLOWS = 1 << 17,
	PORT_HIT = 443,
	PORT_MISS = 444,
	ROUNDS = 21
};
enum { ACTION_SHOT = 2 };

static const unsigned sizes[SIZES] = { 10, 100, 1000, 10000 };
static const char *const shape_names[SHAPES] = { "random prefixes", "nested prefixes", "port heavy" };
static const char *const kind_names[KINDS] = { "hit", "first", "miss" };
static const double bar_hit = 1.10; /* 10,000 rules against 10 */

struct sample {
	double v[ROUNDS_MAX];
	unsigned n;
};
struct world_run {
	unsigned shape, size;
	char *text;
	struct model *m;
	struct state *state;
	struct datapath *d;
	char dir[96];
	int prog, flows;
	uint32_t client;
	double kernel_mb, rows_mb;
	size_t rows;
	uint16_t next_port;
	struct sample compile_ms, ns[KINDS], edit_ms;
	size_t edit_rows;
};

static uint64_t rnd_state = 1;

static uint32_t rnd(uint32_t n)
{
	rnd_state = rnd_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return n ? (uint32_t)(rnd_state >> 33) % n : 0;
}

static void die(const char *what, const char *why)
{
	fprintf(stderr, "filter: %s: %s\n", what, why);
	exit(1);
}

static double now_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* ---- statistics ---- */

static int double_cmp(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(const struct sample *s, double q)
{
	double v[ROUNDS_MAX], at = q * (s->n - 1);
	unsigned i = (unsigned)at;

	if (!s->n)
		return NAN;
	memcpy(v, s->v, s->n * sizeof(*v));
	qsort(v, s->n, sizeof(*v), double_cmp);
	return i + 1 < s->n ? v[i] + (at - i) * (v[i + 1] - v[i]) : v[i];
}

static double median(const struct sample *s)
{
	return quantile(s, 0.5);
}

/* Of x / y, round by round; lo and hi hold the median with 95 % (binomial, by its normal approximation). */
static double ratio(const struct sample *x, const struct sample *y, double *lo, double *hi)
{
	struct sample r = { .n = x->n < y->n ? x->n : y->n };
	double margin = 0.98 / sqrt(r.n);

	for (unsigned i = 0; i < r.n; i++)
		r.v[i] = x->v[i] / y->v[i];
	*lo = quantile(&r, margin < 0.5 ? 0.5 - margin : 0);
	*hi = quantile(&r, margin < 0.5 ? 0.5 + margin : 1);
	return median(&r);
}

/* ---- worlds ---- */

/* Rule i of n of a shape, no two alike, and never for the ports of the measured packets. */
static void random_rule(struct strbuf *b, unsigned shape, unsigned i, unsigned n)
{
	unsigned port = 10000 + i * 7919 % 50000, last = rnd(2) ? port : port + rnd(500), len;
	uint32_t addr;

	strbuf_addf(b, "%s %u-%u from ", rnd(3) ? "tcp" : "udp", port, last);
	switch (shape) {
	case 0:
		len = 16 + rnd(17);
		addr = (1 + rnd(223)) << 24 | rnd(1 << 24);
		break;
	case 1: /* chains of up to 25 prefixes, one in the other; the first chain leads to the client */
		len = 8 + rnd(25);
		addr = rnd(1 + n / 25);
		addr = 0x0a00000au ^ (addr * 2654435761u & 0x00fffffe);
		break;
	default: len = addr = 0;
	}
	addr = len ? addr & ~(uint32_t)0 << (32 - len) : 0;
	strbuf_addf(b, "%u.%u.%u.%u/%u\n", addr >> 24, addr >> 16 & 255, addr >> 8 & 255, addr & 255, len);
}

static char *world_text(unsigned shape, unsigned n)
{
	const char *peer = shape == 2 ? "0.0.0.0/0" : "10.0.0.10/32";
	struct strbuf b;

	strbuf_init(&b);
	strbuf_adds(&b, "[lab bench]\nquotas = off\n[vpc v]\ncidr = 10.0.0.0/16\n[security-group s]\nvpc = v\n");
	for (unsigned i = 0; i + 1 < n; i++) {
		strbuf_adds(&b, "inbound = ");
		random_rule(&b, shape, i, n);
	}
	strbuf_addf(&b, "inbound = tcp %u from %s\n[nacl n]\nvpc = v\noutbound = 1 allow all to 0.0.0.0/0\n", PORT_HIT,
		    peer);
	for (unsigned i = 0; i + 1 < n; i++) {
		strbuf_addf(&b, "inbound = %u %s ", 2 * i + 1, rnd(2) ? "allow" : "deny");
		random_rule(&b, shape, i, n);
	}
	strbuf_addf(&b, "inbound = 32000 allow tcp %u-%u from %s\n", PORT_HIT, PORT_MISS, peer);
	strbuf_adds(&b, "[subnet a]\nvpc = v\ncidr = 10.0.0.0/24\n[subnet b]\nvpc = v\ncidr = 10.0.1.0/24\nnacl = n\n"
			"[instance client]\nsubnet = a\naddress = 10.0.0.10\n"
			"[instance server]\nsubnet = b\naddress = 10.0.1.10\nsecurity-groups = s\n");
	return strbuf_take(&b);
}

static struct model *model_of(const char *text)
{
	_cleanup_diag_list_ struct diag_list diags;
	struct model *m;

	diag_list_init(&diags);
	if (model_from_text(text, strlen(text), "bench.ini", &m, &diags))
		die("topology", diags.n ? diags.v[0].message : "not valid");
	return m;
}

/* Maps alone, as a state that plan_diff takes. */
static struct state *state_of(const struct model *m)
{
	struct state *s = state_new();
	struct err e = { 0 };

	if (maps_desired(m, &s->maps, &e) < 0)
		die("compile", e.msg);
	state_add(s, ROW_NS, "bench.v.router", KIND_LAB, NULL);
	state_sort(s);
	return s;
}

/* What the kernel counts for the maps that hold compiled rules. */
static double maps_kernel_mb(const struct world_run *w)
{
	static const char *const names[] = { "peers", "members", "rules", "policies" };
	double bytes = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char path[160], line[128];
		unsigned long long n;
		FILE *f;
		int fd;

		snprintf(path, sizeof(path), "%s/map_%s", w->dir, names[i]);
		fd = bpf_obj_get(path);
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		f = fopen(path, "r");
		while (f && fgets(line, sizeof(line), f))
			if (sscanf(line, "memlock: %llu", &n) == 1)
				bytes += (double)n;
		if (f)
			fclose(f);
		close(fd);
	}
	return bytes / 1e6;
}

static int pin_fd(const struct world_run *w, const char *name)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		die(path, strerror(errno));
	return fd;
}

static void world_up(struct world_run *w, const char *bpf_dir, unsigned shape, unsigned size)
{
	struct datapath_sizes s = { .ports = 64, .rules = 65536, .routes = 512, .flows = FLOWS };
	struct datapath_config config = { .kernel_path = true, .clock = 1, .event_burst = 1, .events_per_s = 1 };
	struct err e = { 0 };

	w->shape = shape;
	w->size = size;
	w->text = world_text(shape, sizes[size]);
	w->m = model_of(w->text);
	w->state = state_of(w->m);
	w->rows = w->state->maps.n;
	w->rows_mb = (double)(w->state->maps.cap * sizeof(struct map_row) + w->state->maps.cap_bytes) / 1e6;
	w->client = w->m->enis[model_find_eni(w->m, "client")].obj.number;
	s.tables_rows = (uint32_t)w->rows;
	snprintf(w->dir, sizeof(w->dir), "%s/bench-%u-%u", bpf_dir, shape, size);
	if (datapath_load(w->dir, &s, &w->d, &e) < 0)
		die("load", e.msg);
	for (size_t i = 0; i < w->state->maps.n; i++)
		if (datapath_row_set(w->d, &w->state->maps, &w->state->maps.v[i], &e) < 0)
			die("write", e.msg);
	if (datapath_configure(w->d, &config, &e) < 0)
		die("configure", e.msg);
	w->kernel_mb = maps_kernel_mb(w);
	w->prog = pin_fd(w, "prog_eni_ingress");
}

static void world_down(struct world_run *w)
{
	close(w->prog);
	datapath_close(&w->d);
	datapath_unpin(w->dir, NULL);
	state_free(&w->state);
	model_free(&w->m);
	free(w->text);
}

/* ---- measuring ---- */

static uint32_t run_packet(const struct world_run *w, uint16_t sport, uint16_t dport, uint8_t flags, int repeat,
			   uint32_t *ret_action)
{
	struct frame_spec spec = { .proto = PKT_PROTO_TCP, .sport = sport, .dport = dport, .tcp_flags = flags };
	struct __sk_buff ctx = { .ifindex = ABI_IFINDEX_BASE + w->client };
	uint8_t frame[FRAME_MAX], out[FRAME_MAX], *ip = frame + ETH_HLEN_;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_out = out, .data_size_out = sizeof(out),
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = repeat);

	spec.src = addr_from_v4(0x0a00000a).a;
	spec.dst = addr_from_v4(0x0a00010a).a;
	opts.data_size_in = (__u32)frame_build(frame, &spec);
	ip[8] = 255;
	memset(ip + 10, 0, 2);
	csum_put(ip + 10, csum_add(ip, IP4_HLEN_MIN, 0));
	if (bpf_prog_test_run_opts(w->prog, &opts))
		die("test run", strerror(errno));
	*ret_action = opts.retval;
	return opts.duration;
}

static void expect(const struct world_run *w, uint32_t action, bool allow, const char *what)
{
	if ((action != ACTION_SHOT) == allow)
		return;
	fprintf(stderr, "filter: %s, %u rules: %s was %s\n", shape_names[w->shape], sizes[w->size], what,
		allow ? "denied" : "allowed");
	exit(1);
}

static void add(struct sample *s, double v)
{
	s->v[s->n++] = v;
}

static void measure_packets(struct world_run *w)
{
	double all[FIRSTS];
	uint32_t action, ns;
	uint64_t flushed = 0;

	while (datapath_flush(w->d, 0, FLUSH_NS, &flushed) > 0)
		;
	run_packet(w, 40000, PORT_HIT, TCP_SYN, 1, &action);
	expect(w, action, true, "the opening packet");
	run_packet(w, 40000, PORT_HIT, TCP_ACK, 1, &action);
	ns = run_packet(w, 40000, PORT_HIT, TCP_ACK, REPEAT, &action);
	expect(w, action, true, "a packet of a connection");
	add(&w->ns[0], ns);
	/* A first packet cannot be repeated: each is another one. */
	for (unsigned i = 0; i < FIRSTS; i++) {
		all[i] = run_packet(w, (uint16_t)(1024 + i), PORT_HIT, TCP_SYN, 1, &action);
		expect(w, action, true, "a first packet");
	}
	qsort(all, FIRSTS, sizeof(*all), double_cmp);
	add(&w->ns[1], all[FIRSTS / 2]);
	run_packet(w, 40001, PORT_MISS, TCP_SYN, 1, &action);
	ns = run_packet(w, 40001, PORT_MISS, TCP_SYN, REPEAT, &action);
	expect(w, action, false, "a packet to a closed port");
	add(&w->ns[2], ns);
}

static void measure_compile(struct world_run *w)
{
	struct map_rows rows;
	double start = now_ms(CLOCK_PROCESS_CPUTIME_ID);

	if (maps_desired(w->m, &rows, NULL) < 0)
		die("compile", "refused");
	add(&w->compile_ms, now_ms(CLOCK_PROCESS_CPUTIME_ID) - start);
	map_rows_done(&rows);
}

/* One rule of the group says another port: from the model to the last row written and the epoch. */
static void measure_edit(struct world_run *w)
{
	const uint32_t g = model_find_security_group(w->m, "s", NONE);
	struct rule_list *l = &w->m->security_groups[g].dir[RULE_IN];
	struct model_rule *r = &l->v[rnd(l->n - 1)]; /* not the last one, which the packets need */
	_cleanup_plan_ struct plan *p = NULL;
	struct state *will;
	struct err e = { 0 };
	double start = now_ms(CLOCK_PROCESS_CPUTIME_ID);

	r->rule.ports[0].lo = r->rule.ports[0].hi = (uint16_t)(1000 + rnd(9000));
	will = state_of(w->m);
	plan_diff(will, w->state, &p);
	for (size_t i = 0; i < p->n; i++) {
		const struct op *op = &p->ops[i];
		int err = op->kind == OP_DEL ? datapath_row_del(w->d, op->maps, op->map_row, &e)
					     : datapath_row_set(w->d, op->maps, op->map_row, &e);

		if (err < 0)
			die("edit", e.msg);
	}
	datapath_epoch_bump(w->d);
	add(&w->edit_ms, now_ms(CLOCK_PROCESS_CPUTIME_ID) - start);
	w->edit_rows = p->n > w->edit_rows ? p->n : w->edit_rows;
	state_free(&w->state);
	w->state = will;
}

/* ---- telling ---- */

static void print_table(const struct world_run *worlds, unsigned rounds)
{
	printf("%-16s %6s | %8s %7s %9s %7s | %8s %9s | %22s %22s %22s\n", "shape", "rules", "compile", "rows",
	       "rows MB", "kern MB", "edit ms", "rows", "hit ns", "first ns", "miss ns");
	for (unsigned i = 0; i < SHAPES * SIZES; i++) {
		const struct world_run *w = &worlds[i];

		printf("%-16s %6u | %6.2fms %7zu %9.2f %7.2f | %8.2f %9zu |", shape_names[w->shape], sizes[w->size],
		       median(&w->compile_ms), w->rows, w->rows_mb, w->kernel_mb, median(&w->edit_ms), w->edit_rows);
		for (unsigned k = 0; k < KINDS; k++)
			printf(" %7.0f (%5.0f .. %5.0f)", median(&w->ns[k]), quantile(&w->ns[k], 0.25),
			       quantile(&w->ns[k], 0.75));
		printf("\n");
	}
	printf("\nMedian of %u rounds, in turns (quartiles in brackets). N rules in the receiver's group and N in its ACL.\n",
	       rounds);
}

/* Returns how many bars were missed. */
static int print_ratios(const struct world_run *worlds)
{
	int missed = 0;

	printf("\n10,000 rules ÷ 10 rules, round by round (95 %% interval of the median)\n");
	for (unsigned s = 0; s < SHAPES; s++)
		for (unsigned k = 0; k < KINDS; k++) {
			const struct world_run *few = &worlds[s * SIZES], *many = &worlds[s * SIZES + SIZES - 1];
			double lo, hi, r = ratio(&many->ns[k], &few->ns[k], &lo, &hi);

			printf("  %-16s %-5s %5.2f (%.2f .. %.2f)", shape_names[s], kind_names[k], r, lo, hi);
			if (k == 0) {
				printf("  bar %.2f: %s", bar_hit, lo > bar_hit ? "MISSED" : "met");
				missed += lo > bar_hit;
			}
			printf("\n");
		}
	return missed;
}

static void write_json(const struct world_run *worlds, unsigned rounds, const char *path)
{
	FILE *f = fopen(path, "w");
	struct utsname u;

	if (!f)
		die(path, strerror(errno));
	uname(&u);
	fprintf(f, "{\"kernel\":\"%s\",\"rounds\":%u,\"worlds\":[", u.release, rounds);
	for (unsigned i = 0; i < SHAPES * SIZES; i++) {
		const struct world_run *w = &worlds[i];

		fprintf(f,
			"%s\n{\"shape\":\"%s\",\"rules\":%u,\"compile_ms\":%.3f,\"rows\":%zu,\"rows_mb\":%.3f,\"kernel_mb\":%.3f,"
			"\"edit_ms\":%.3f,\"edit_rows\":%zu",
			i ? "," : "", shape_names[w->shape], sizes[w->size], median(&w->compile_ms), w->rows,
			w->rows_mb, w->kernel_mb, median(&w->edit_ms), w->edit_rows);
		for (unsigned k = 0; k < KINDS; k++)
			fprintf(f, ",\"%s_ns\":{\"median\":%.1f,\"q1\":%.1f,\"q3\":%.1f}", kind_names[k],
				median(&w->ns[k]), quantile(&w->ns[k], 0.25), quantile(&w->ns[k], 0.75));
		fprintf(f, "}");
	}
	fprintf(f, "],\n\"ratios\":[");
	for (unsigned s = 0; s < SHAPES; s++)
		for (unsigned k = 0; k < KINDS; k++) {
			double lo, hi,
				r = ratio(&worlds[s * SIZES + SIZES - 1].ns[k], &worlds[s * SIZES].ns[k], &lo, &hi);

			fprintf(f, "%s\n{\"shape\":\"%s\",\"packet\":\"%s\",\"ratio\":%.3f,\"low\":%.3f,\"high\":%.3f}",
				s || k ? "," : "", shape_names[s], kind_names[k], r, lo, hi);
		}
	fprintf(f, "]}\n");
	fclose(f);
}

static void print_machine(void)
{
	char line[256];
	struct utsname u;
	FILE *f = fopen("/proc/cpuinfo", "r");

	uname(&u);
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "model name", strlen("model name")) == 0) {
			printf("CPU%s", strchr(line, ':'));
			break;
		}
	if (f)
		fclose(f);
	printf("Linux %s\n\n", u.release);
}

int main(int argc, char **argv)
{
	static struct world_run worlds[SHAPES * SIZES];
	const char *bpf_dir = getenv("VPCD_BPF_DIR"), *json = NULL;
	unsigned rounds = ROUNDS;
	cpu_set_t one;
	char cmd[160];
	int opt, missed;

	while ((opt = getopt(argc, argv, "r:j:")) != -1) {
		if (opt == 'r')
			rounds = (unsigned)atoi(optarg);
		else if (opt == 'j')
			json = optarg;
		else
			return 2;
	}
	if (!bpf_dir || geteuid() != 0 || rounds < 1 || rounds > ROUNDS_MAX)
		die("usage", "tests/isolate filter [-r ROUNDS] [-j FILE], as root");
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
	for (unsigned i = 0; i < SHAPES * SIZES; i++)
		world_up(&worlds[i], bpf_dir, i / SIZES, i % SIZES);
	/* TEST_RUN wants the devices to exist; all worlds number theirs alike. */
	for (unsigned i = 0; i < worlds[0].m->n_enis; i++) {
		snprintf(cmd, sizeof(cmd), "ip link add index %u name p%u type veth peer name q%u",
			 ABI_IFINDEX_BASE + worlds[0].m->enis[i].obj.number, i, i);
		if (system(cmd))
			die("veth", "cannot be made");
	}
	for (unsigned round = 0; round < rounds; round++)
		for (unsigned i = 0; i < SHAPES * SIZES; i++) {
			measure_packets(&worlds[i]);
			measure_compile(&worlds[i]);
			measure_edit(&worlds[i]);
		}
	print_machine();
	print_table(worlds, rounds);
	missed = print_ratios(worlds);
	if (json)
		write_json(worlds, rounds, json);
	for (unsigned i = 0; i < SHAPES * SIZES; i++)
		world_down(&worlds[i]);
	return missed ? 1 : 0;
}
