/* prog_run.c: a data path without a lab: its maps and programs, pinned where only this process sees them, and a link for
 * each port that sends, since a frame must come from one. Kernel room, never prints. */
#include "kern/prog_run.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "kern/datapath.h"
#include "kern/lab.h"
#include "kern/nl.h"
#include "util/mem.h"

enum { LINK_MTU = 65535, PEER_BASE = 1 << 20 /* far from the numbers of ports */ };

struct prog_run {
	char dir[40]; /* a BPF file system of its own */
	struct datapath *datapath;
	struct nl_ns *ns;
	int eni, pcx, scratch; /* programs; the map in which they leave what they judged */
	int cpus;
	struct pass *left; /* one a CPU */
	bool has_link[ABI_PORTS_MAX];
};

static int place_make(struct prog_run *t, struct err *e);
static int datapath_make(struct prog_run *t, const struct model *m, const struct state *desired, struct err *e);
static int pin_open(const struct prog_run *t, const char *name, int *ret, struct err *e);
static int link_make(struct prog_run *t, uint32_t port, struct err *e);

int prog_run_new(const struct model *m, const struct state *desired, struct prog_run **ret, struct err *e)
{
	struct prog_run *t = xcalloc(1, sizeof(*t));
	cpu_set_t one;
	int r;

	t->eni = t->pcx = t->scratch = -1;
	t->cpus = libbpf_num_possible_cpus();
	t->left = xcalloc((size_t)t->cpus, sizeof(*t->left));
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one); /* what was judged is left behind a CPU */
	r = place_make(t, e);
	if (r == 0)
		r = datapath_make(t, m, desired, e);
	if (r < 0) {
		prog_run_free(&t);
		return r;
	}
	*ret = t;
	return 0;
}

void prog_run_free(struct prog_run **tp)
{
	struct prog_run *t = tp ? *tp : NULL;

	if (!t)
		return;
	cleanup_closep(&t->eni);
	cleanup_closep(&t->pcx);
	cleanup_closep(&t->scratch);
	datapath_close(&t->datapath);
	nl_ns_close(&t->ns);
	if (t->dir[0]) {
		umount2(t->dir, MNT_DETACH);
		rmdir(t->dir);
	}
	free(t->left);
	free(t);
	*tp = NULL;
}

int prog_run_row(struct prog_run *t, const struct map_rows *rows, const struct map_row *row, struct err *e)
{
	return datapath_row_set(t->datapath, rows, row, e);
}

int prog_run_pass(struct prog_run *t, uint32_t port, bool peering, uint64_t now_ns, const uint8_t *frame, uint32_t held,
		  uint32_t len, struct pass *ret, struct err *e)
{
	struct __sk_buff ctx = { .ifindex = ABI_IFINDEX_BASE + port };
	uint8_t whole[PROG_RUN_FRAME_MAX] = { 0 };
	__u32 zero = 0;
	int r;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = whole, .data_size_in = len, .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx));

	if (len > sizeof(whole) || held > len)
		return err_set(e, -EMSGSIZE, "a frame of %u bytes is too long for a test run", len);
	memcpy(whole, frame, held);
	r = link_make(t, port, e);
	if (r < 0)
		return r;
	datapath_clock_set(t->datapath, now_ns);
	datapath_epoch_bump(t->datapath);
	if (bpf_prog_test_run_opts(peering ? t->pcx : t->eni, &opts) < 0)
		return err_set(e, -errno, "the kernel does not run the program on a frame of %u bytes: %s", len,
			       strerror(errno));
	if (bpf_map_lookup_elem(t->scratch, &zero, t->left) < 0)
		return err_set(e, -errno, "what the program judged cannot be read: %s", strerror(errno));
	*ret = t->left[sched_getcpu()];
	return 0;
}

int prog_run_sweep(struct prog_run *t, uint64_t now_ns, struct err *e)
{
	uint64_t count;
	int r;

	datapath_clock_set(t->datapath, now_ns);
	r = datapath_reap(t->datapath, 0, &count);
	return r < 0 ? err_set(e, r, "expired connections cannot be swept: %s", strerror(-r)) : 0;
}

static int place_make(struct prog_run *t, struct err *e)
{
	char dir[] = "/tmp/vpc-replay.XXXXXX";

	if (geteuid() != 0)
		return err_set(e, -EPERM, "the programs are run by root only");
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
		return err_set(e, -errno, "no network and mounts of its own: %s", strerror(errno));
	mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	if (!mkdtemp(dir))
		return err_set(e, -errno, "%s: %s", dir, strerror(errno));
	memcpy(t->dir, dir, sizeof(dir));
	if (mount("bpf", t->dir, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
		return err_set(e, -errno, "%s: no BPF file system: %s", t->dir, strerror(errno));
	return nl_ns_open(&t->ns, e);
}

static int datapath_make(struct prog_run *t, const struct model *m, const struct state *desired, struct err *e)
{
	_cleanup_free_ char *dir = xasprintf("%s/lab", t->dir);
	struct datapath_config config = { .strict_icmp = m->strict_icmp,
					  .strict_fragments = m->strict_fragments,
					  .clock = 1, /* time is the caller's */
					  .event_burst = 1,
					  .events_per_s = 1 };
	struct datapath_sizes sizes;
	int r;

	lab_datapath_sizes(desired, &sizes);
	r = datapath_load(dir, &sizes, &t->datapath, e);
	for (size_t i = 0; r == 0 && i < desired->maps.n; i++)
		r = datapath_row_set(t->datapath, &desired->maps, &desired->maps.v[i], e);
	if (r == 0)
		r = datapath_configure(t->datapath, &config, e);
	if (r == 0)
		r = pin_open(t, "prog_eni_ingress", &t->eni, e);
	if (r == 0)
		r = pin_open(t, "prog_link_ingress", &t->pcx, e);
	if (r == 0)
		r = pin_open(t, "map_scratch", &t->scratch, e);
	return r;
}

static int pin_open(const struct prog_run *t, const char *name, int *ret, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/lab/%s", t->dir, name);

	*ret = bpf_obj_get(path);
	return *ret < 0 ? err_set(e, -errno, "%s: %s", path, strerror(errno)) : 0;
}

static int link_make(struct prog_run *t, uint32_t port, struct err *e)
{
	struct link_row row = { .ifindex = ABI_IFINDEX_BASE + port,
				.peer_ifindex = PEER_BASE + port,
				.mtu = LINK_MTU,
				.mac = { 2, 1 },
				.peer_mac = { 2, 2 } };
	_cleanup_close_ int here = -1;
	int r;

	if (port >= ABI_PORTS_MAX || t->has_link[port])
		return 0;
	here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	snprintf(row.ifname, sizeof(row.ifname), "p%u", port);
	snprintf(row.peer_ifname, sizeof(row.peer_ifname), "q%u", port);
	r = nl_link_add_veth(t->ns, &row, here, e);
	if (r < 0)
		return err_wrap(e, "a link for port %u", port);
	t->has_link[port] = true;
	return 0;
}
