/* datapath.c: loading, pinning, attaching and reading the BPF side of one lab. The only file that
 * includes the skeleton. Never prints; libbpf's own words are routed to the error. */
#include "kern/datapath_parts.h"
#include "kern/tcx.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "filters/world.h"
#include "filters/conntrack.h"
#include "kern/nl.h"
#include "util/mem.h"
#include "vpcd.skel.h"

enum {
	DUMP_ROWS = 1024, /* a batch */
	FRAGS_MAX = 4096,
	WATCHES_MAX = 4096,
	DROPS_MAX = 4096, /* flows whose drops are gathered at a time */
	PORTS_MIN = 256,
	ROWS_MIN = 1024,
	FLOWS_MIN = 16384,
	GATES_ROOM = 1 << 16,
};

static const char *const dp_map_names[DP_MAP_MAX] = {
	[DP_FLOWS] = "flows",
	[DP_CACHE] = "cache",
	[DP_FRAGS] = "frags",
	[DP_WATCHES] = "watches",
	[DP_BUCKETS] = "buckets",
	[DP_PORT_CT] = "port_ct",
	[DP_DROPS] = "drops",
	[DP_TAPS] = "taps",
	[DP_RULE_LAST] = "rule_last",
	[DP_CAPTURES] = "captures",
	[DP_RULE_HITS] = "rule_hits",
	[DP_ROUTE_HITS] = "route_hits",
	[DP_PORT_STATS] = "port_stats",
	[DP_GATE_HITS] = "gate_hits",
	[DP_FLOW_LOG] = "flow_log",
	[DP_LOG_LOST] = "log_lost",
	[DP_EVENTS] = "events",
	[DP_CONFIG] = ".data.config",
	[DP_HOT] = "hot",
	[DP_HOT_OUTCOMES] = "hot_outcomes",
	[DP_HOT_HOLDERS] = "hot_holders",
	[DP_SCRATCH] = "scratch", /* pinned for tests: the last packet's outcome, a CPU */
};
static const struct {
	const char *name;
	bool egress;
} dp_hooks[HOOK_MAX] = {
	[HOOK_ENI_INGRESS] = { "eni_ingress", false },
	[HOOK_ENI_EGRESS] = { "eni_egress", true },
	[HOOK_IGW_EGRESS] = { "igw_egress", true },
	[HOOK_LINK_INGRESS] = { "link_ingress", false },
};

static const char *map_name(unsigned i)
{
	return i < ABI_MAP_SYNC_MAX ? abi_map_shapes[i].name : dp_map_names[i];
}

/* A pin's file name: bpffs takes no name with a dot. */
static const char *map_pin_name(unsigned i)
{
	return i == DP_CONFIG ? "config" : map_name(i);
}

static const char *prog_name(unsigned i)
{
	return i == DP_PROG_REAP ? "reap" : i == DP_PROG_FLUSH ? "flush" : dp_hooks[i].name;
}

static struct datapath *datapath_new(void)
{
	struct datapath *d = xcalloc(1, sizeof(*d));

	for (unsigned i = 0; i < DP_MAP_MAX; i++)
		d->maps[i] = -1;
	for (unsigned i = 0; i < DP_PROG_MAX; i++)
		d->progs[i] = -1;
	d->reaping = d->flushing = -1;
	d->cpus = libbpf_num_possible_cpus();
	return d;
}

void datapath_close(struct datapath **dp)
{
	struct datapath *d = *dp;

	if (!d)
		return;
	tell_close(d);
	cleanup_closep(&d->reaping);
	cleanup_closep(&d->flushing);
	if (d->config)
		munmap(d->config, sizeof(*d->config));
	if (d->hot)
		munmap((void *)(uintptr_t)d->hot, d->max_entries[DP_HOT] * sizeof(*d->hot));
	for (unsigned i = 0; i < DP_MAP_MAX; i++)
		cleanup_closep(&d->maps[i]);
	for (unsigned i = 0; i < DP_PROG_MAX; i++)
		cleanup_closep(&d->progs[i]);
	free(d);
	*dp = NULL;
}

/* What the embedded programs are: two builds never share maps. FNV-1a. */
static __u64 build_hash(void)
{
	size_t n;
	const __u8 *p = vpcd_bpf__elf_bytes(&n);
	__u64 h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	return h;
}

/* The rest of opening, once all descriptors are there. */
static int datapath_ready(struct datapath *d, struct err *e)
{
	struct bpf_prog_info prog;
	struct bpf_map_info map;
	__u32 len;
	void *p;

	for (unsigned i = 0; i < HOOK_MAX; i++) {
		memset(&prog, 0, sizeof(prog));
		len = sizeof(prog);
		if (bpf_obj_get_info_by_fd(d->progs[i], &prog, &len))
			return err_set(e, -errno, "BPF program %s: cannot be read: %s", prog_name(i), strerror(errno));
		d->prog_ids[i] = prog.id;
	}
	for (unsigned i = 0; i < DP_MAP_MAX; i++) {
		memset(&map, 0, sizeof(map));
		len = sizeof(map);
		if (bpf_obj_get_info_by_fd(d->maps[i], &map, &len))
			return err_set(e, -errno, "BPF map %s: cannot be read: %s", map_name(i), strerror(errno));
		d->max_entries[i] = map.max_entries;
	}
	p = mmap(NULL, sizeof(struct abi_config), PROT_READ | PROT_WRITE, MAP_SHARED, d->maps[DP_CONFIG], 0);
	if (p == MAP_FAILED)
		return err_set(e, -errno, "BPF map config: cannot be mapped: %s", strerror(errno));
	d->config = p;
	p = mmap(NULL, d->max_entries[DP_HOT] * sizeof(*d->hot), PROT_READ, MAP_SHARED, d->maps[DP_HOT], 0);
	if (p == MAP_FAILED)
		return err_set(e, -errno, "BPF map hot: cannot be mapped: %s", strerror(errno));
	d->hot = p;
	return tell_ready(d, e);
}

/* ---- opening what is pinned ---- */

static int pin_get(const char *dir, const char *kind, const char *name)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s_%s", dir, kind, name);
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

static int pin_put(const char *dir, const char *kind, const char *name, int fd, struct err *e)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s_%s", dir, kind, name);
	if (bpf_obj_pin(fd, path))
		return err_set(e, -errno, "cannot pin %s: %s; is the BPF filesystem mounted?", path, strerror(errno));
	return 0;
}

static int datapath_open_pins(const char *dir, struct datapath *d, struct err *e)
{
	for (unsigned i = 0; i < DP_MAP_MAX; i++) {
		d->maps[i] = pin_get(dir, "map", map_pin_name(i));
		if (d->maps[i] < 0)
			return err_set(e, d->maps[i], "%s/map_%s: %s", dir, map_pin_name(i), strerror(-d->maps[i]));
	}
	for (unsigned i = 0; i < DP_PROG_MAX; i++) {
		d->progs[i] = pin_get(dir, "prog", prog_name(i));
		if (d->progs[i] < 0)
			return err_set(e, d->progs[i], "%s/prog_%s: %s", dir, prog_name(i), strerror(-d->progs[i]));
	}
	return datapath_ready(d, e);
}

int datapath_open(const char *dir, struct datapath **ret, struct err *e)
{
	struct datapath *d;
	int r;

	if (access(dir, F_OK))
		return err_set(e, -ENOENT, "%s: nothing is pinned there", dir);
	d = datapath_new();
	r = datapath_open_pins(dir, d, e);
	if (!r && (d->config->version != ABI_VERSION || d->config->build != build_hash()))
		r = err_set(e, -ESTALE, "%s: pinned by another build of vpcd", dir);
	if (r) {
		datapath_close(&d);
		return r;
	}
	tell_clear(d);
	*ret = d;
	return 0;
}

/* ---- loading ---- */

static __u32 round_up_pow2(__u32 n, __u32 min, __u32 max)
{
	__u32 p = min;

	while (p < n && p < max)
		p *= 2;
	return p;
}

static __u32 hot_cpus(void)
{
	const __u32 cpus = (__u32)libbpf_num_possible_cpus();

	return cpus < ABI_HOT_CPUS_MAX ? cpus : ABI_HOT_CPUS_MAX;
}

/* Of each processor: a place for one of four flows, in all no more of them than flows. Thinly filled lines of a cache are
 * worth less. */
static __u32 hot_sets(__u32 flows)
{
	__u32 sets = flows / 4 / ABI_HOT_WAYS;

	while (sets * ABI_HOT_WAYS * hot_cpus() > flows)
		sets /= 2;
	return sets;
}

/* Room wanted, doubled so that a lab can grow in place. */
static void wanted_sizes(const struct datapath_sizes *s, __u32 ret[DP_MAP_MAX])
{
	const __u32 ports = round_up_pow2(s->ports * 2, PORTS_MIN, ABI_PORTS_MAX);

	memset(ret, 0, DP_MAP_MAX * sizeof(*ret));
	ret[ABI_MAP_PORTS] = ret[DP_TAPS] = ret[DP_LOG_LOST] = ret[DP_PORT_CT] = ret[DP_PORT_STATS] = ports;
	ret[DP_BUCKETS] = ports * ABI_TELL_MAX;
	ret[ABI_MAP_ADDRS] = round_up_pow2(s->ports * 4, 2 * ROWS_MIN, ABI_HASH_ROWS_MAX);
	ret[ABI_MAP_POLICIES] = ports * 2 + 2 * ROWS_MIN;
	ret[ABI_MAP_MEMBERS] = round_up_pow2(s->tables_rows * 2, 4 * ROWS_MIN, ABI_HASH_ROWS_MAX);
	ret[ABI_MAP_RULES] = round_up_pow2(s->tables_rows * 4, 4 * ROWS_MIN, ABI_HASH_ROWS_MAX);
	ret[ABI_MAP_ROUTES] = ret[ABI_MAP_INET] = ret[ABI_MAP_PEERS] = ABI_LPM_ROWS_MAX;
	ret[DP_RULE_HITS] = ret[DP_RULE_LAST] = round_up_pow2(s->rules * 2, ROWS_MIN, ABI_RULES_MAX);
	ret[DP_ROUTE_HITS] = round_up_pow2(s->routes * 2, ROWS_MIN, ABI_ROUTES_MAX);
	ret[DP_GATE_HITS] = GATES_ROOM;
	ret[DP_CACHE] = round_up_pow2(s->flows, FLOWS_MIN, ABI_FLOWS_MAX);
	ret[DP_FLOWS] = ret[DP_CACHE] + ret[DP_CACHE] / 4; /* the pool, and what is dealt out in advance */
	ret[DP_FLOW_LOG] = 2 * ret[DP_CACHE];              /* of two generations */
	ret[DP_HOT] = hot_cpus() * hot_sets(ret[DP_CACHE]);
	ret[DP_HOT_OUTCOMES] = hot_cpus() * ABI_HOT_OUTCOMES;
	ret[DP_HOT_HOLDERS] = hot_sets(ret[DP_CACHE]);
	ret[DP_FRAGS] = FRAGS_MAX;
	ret[DP_WATCHES] = WATCHES_MAX;
	ret[DP_DROPS] = DROPS_MAX;
}

bool datapath_has_room(const struct datapath *d, const struct datapath_sizes *s)
{
	return s->ports < d->max_entries[ABI_MAP_PORTS] && s->ports * 2 <= d->max_entries[ABI_MAP_ADDRS] &&
	       s->rules < d->max_entries[DP_RULE_HITS] && s->routes < d->max_entries[DP_ROUTE_HITS] &&
	       s->tables_rows <= d->max_entries[ABI_MAP_MEMBERS] &&
	       s->tables_rows * 2 <= d->max_entries[ABI_MAP_RULES] && /* old and new stand there together for a while */
	       (s->flows <= d->max_entries[DP_CACHE] || d->max_entries[DP_CACHE] == ABI_FLOWS_MAX);
}

/* The last lines that libbpf said while loading: they name the program and the verifier's complaint. */
static char libbpf_said[300];

static int libbpf_listen(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char line[300];

	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = 0;
	if (!libbpf_said[0])
		memcpy(libbpf_said, line, sizeof(line));
	return 0;
}

static int skeleton_load(const struct datapath_sizes *sizes, struct vpcd_bpf **ret, struct err *e)
{
	__u32 wanted[DP_MAP_MAX];
	struct vpcd_bpf *skel;
	int r;

	libbpf_said[0] = 0;
	libbpf_set_print(libbpf_listen);
	skel = vpcd_bpf__open();
	if (!skel)
		return err_set(e, -errno, "BPF object cannot be opened: %s", strerror(errno));
	wanted_sizes(sizes, wanted);
	for (unsigned i = 0; i < DP_MAP_MAX; i++) {
		struct bpf_map *m = bpf_object__find_map_by_name(skel->obj, map_name(i));

		if (m && wanted[i])
			bpf_map__set_max_entries(m, wanted[i]);
	}
	skel->data_config->config.version = ABI_VERSION;
	skel->data_config->config.epoch = 1;
	skel->data_config->config.build = build_hash();
	/* Nobody can take all of the table from the others. */
	skel->data_config->config.ct_own = (wanted[DP_FLOWS] - wanted[DP_CACHE]) / wanted[DP_PORT_CT];
	skel->data_config->config.ct_pool = wanted[DP_CACHE];
	skel->data_config->config.hot_sets = wanted[DP_HOT] / hot_cpus();
	skel->data_config->config.hot_cpus = hot_cpus();
	/* Against those who would make flows meet; without one they only cost each other time. */
	(void)!getrandom(&skel->data_config->config.hot_seed, sizeof(__u64), GRND_NONBLOCK);
	config_timers_set(&skel->data_config->config, 1);
	r = vpcd_bpf__load(skel);
	if (r) {
		vpcd_bpf__destroy(skel);
		return err_set(e, r,
			       "the kernel refuses the BPF programs: %s (%s); vpcd needs Linux 6.1 or newer with BTF",
			       strerror(-r), libbpf_said[0] ? libbpf_said : "no details");
	}
	*ret = skel;
	return 0;
}

static int dup_fd(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int datapath_take(struct vpcd_bpf *skel, struct datapath *d, struct err *e)
{
	for (unsigned i = 0; i < DP_MAP_MAX; i++) {
		struct bpf_map *m = bpf_object__find_map_by_name(skel->obj, map_name(i));

		if (!m)
			return err_set(e, -ENOENT, "BPF object has no map %s", map_name(i));
		d->maps[i] = dup_fd(bpf_map__fd(m));
	}
	for (unsigned i = 0; i < DP_PROG_MAX; i++) {
		struct bpf_program *p = bpf_object__find_program_by_name(skel->obj, prog_name(i));

		if (!p)
			return err_set(e, -ENOENT, "BPF object has no program %s", prog_name(i));
		d->progs[i] = dup_fd(bpf_program__fd(p));
	}
	return datapath_ready(d, e);
}

/* Copies every entry of a map whose shape is the same; per-CPU values whole. */
static void map_carry(const struct datapath *from, struct datapath *to, enum dp_map map, size_t key_size,
		      size_t value_size)
{
	_cleanup_free_ void *key = xcalloc(1, key_size), *next = xcalloc(1, key_size), *value = xcalloc(1, value_size);
	bool first = true;

	while (!bpf_map_get_next_key(from->maps[map], first ? NULL : key, next)) {
		first = false;
		memcpy(key, next, key_size);
		if (!bpf_map_lookup_elem(from->maps[map], key, value))
			bpf_map_update_elem(to->maps[map], key, value, BPF_ANY);
	}
}

static void flows_carry(const struct datapath *from, struct datapath *to)
{
	struct abi_flow_key key, next;
	struct abi_flow f;
	bool first = true;

	for (; !bpf_map_get_next_key(from->maps[DP_FLOWS], first ? NULL : &key, &next); first = false) {
		key = next;
		if (bpf_map_lookup_elem(from->maps[DP_FLOWS], &key, &f))
			continue;
		flow_settle_here(from, &key, &f);
		bpf_map_update_elem(to->maps[DP_FLOWS], &key, &f, BPF_ANY);
	}
}

/* What each port has is as it was; what is its own may be another number. */
static void port_ct_carry(const struct datapath *from, struct datapath *to)
{
	const __u32 pool = 0;
	__s64 taken = 0;

	map_carry(from, to, DP_PORT_CT, 4, sizeof(__s64));
	for (__u32 port = 1; port < to->max_entries[DP_PORT_CT]; port++) {
		__s64 count = 0;

		bpf_map_lookup_elem(to->maps[DP_PORT_CT], &port, &count);
		if (count > (__s64)to->config->ct_own)
			taken += count - (__s64)to->config->ct_own;
	}
	bpf_map_update_elem(to->maps[DP_PORT_CT], &pool, &taken, BPF_ANY);
}

static void datapath_carry(const struct datapath *from, struct datapath *to)
{
	const size_t cpus = (size_t)to->cpus;

	flows_carry(from, to);
	port_ct_carry(from, to);
	map_carry(from, to, DP_FLOW_LOG, sizeof(struct abi_log_key), sizeof(struct abi_log));
	map_carry(from, to, DP_LOG_LOST, 4, sizeof(__u64));
	to->config->log_generation = from->config->log_generation;
	map_carry(from, to, DP_RULE_HITS, 4, cpus * sizeof(struct abi_counter));
	map_carry(from, to, DP_RULE_LAST, 4, sizeof(__u64));
	map_carry(from, to, DP_ROUTE_HITS, 4, cpus * sizeof(struct abi_counter));
	map_carry(from, to, DP_PORT_STATS, 4, cpus * sizeof(struct abi_port_stats));
	map_carry(from, to, DP_GATE_HITS, sizeof(struct abi_gate_key), cpus * sizeof(struct abi_counter));
	to->config->epoch = from->config->epoch + 1;
}

static int datapath_pin(const char *dir, const struct datapath *d, struct err *e)
{
	int r = 0;

	if (mkdir(dir, 0700) && errno != EEXIST)
		return err_set(e, -errno, "%s: cannot be made: %s", dir, strerror(errno));
	for (unsigned i = 0; !r && i < DP_MAP_MAX; i++)
		r = pin_put(dir, "map", map_pin_name(i), d->maps[i], e);
	for (unsigned i = 0; !r && i < DP_PROG_MAX; i++)
		r = pin_put(dir, "prog", prog_name(i), d->progs[i], e);
	return r;
}

int datapath_unpin(const char *dir, struct err *e)
{
	char path[768];
	struct dirent *de;
	DIR *f = opendir(dir);

	if (!f)
		return errno == ENOENT ? 0 : err_set(e, -errno, "%s: %s", dir, strerror(errno));
	while ((de = readdir(f))) {
		if (de->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, de->d_name);
		unlink(path);
	}
	closedir(f);
	return rmdir(dir) ? err_set(e, -errno, "%s: %s", dir, strerror(errno)) : 0;
}

/* mkdir -p for the folder above the lab's own. */
static void parent_make(const char *dir)
{
	_cleanup_free_ char *parent = xstrdup(dir);
	char *slash = strrchr(parent, '/');

	if (slash && slash != parent) {
		*slash = 0;
		mkdir(parent, 0700);
	}
}

int datapath_load(const char *dir, const struct datapath_sizes *sizes, struct datapath **ret, struct err *e)
{
	_cleanup_free_ char *fresh = xasprintf("%s_new", dir) /* no lab has _ in its name */;
	struct datapath *d = datapath_new(), *old = NULL;
	struct vpcd_bpf *skel = NULL;
	int r;

	parent_make(dir);
	r = datapath_unpin(fresh, e);
	if (!r)
		r = skeleton_load(sizes, &skel, e);
	if (!r)
		r = datapath_take(skel, d, e);
	if (!r) {
		old = datapath_new();
		if (!datapath_open_pins(dir, old, NULL) && old->config->version == ABI_VERSION)
			datapath_carry(old, d);
		r = datapath_pin(fresh, d, e);
	}
	if (!r)
		r = datapath_unpin(dir, e);
	if (!r && rename(fresh, dir))
		r = err_set(e, -errno, "%s: cannot be put in place: %s", dir, strerror(errno));
	datapath_close(&old);
	if (skel)
		vpcd_bpf__destroy(skel);
	if (r) {
		datapath_unpin(fresh, NULL);
		datapath_close(&d);
		return r;
	}
	*ret = d;
	return 0;
}

/* ---- attaching ---- */

int datapath_attach(struct datapath *d, struct nl_ns *ns, enum tc_hook hook, uint32_t ifindex, struct err *e)
{
	const bool egress = dp_hooks[hook].egress;
	int r = nl_filter_set(ns, (int)ifindex, egress, d->progs[hook], prog_name(hook), e);
	uint32_t quick = tcx_get(ifindex, egress);

	if (r == 0 && quick && quick != d->prog_ids[hook]) { /* it would go on by maps of the past */
		r = tcx_set(ifindex, egress, d->progs[hook], quick);
		if (r < 0)
			err_set(e, r, "tcx: %s", strerror(-r));
	}
	return r < 0 ? err_wrap(e, "program %s on interface %u", prog_name(hook), ifindex) : 0;
}

int datapath_attached(struct datapath *d, struct nl_ns *ns, enum tc_hook hook, uint32_t ifindex)
{
	return datapath_is_program(d, hook, datapath_program_at(ns, hook, ifindex, NULL));
}

uint32_t datapath_program_at(struct nl_ns *ns, enum tc_hook hook, uint32_t ifindex, bool *quick)
{
	const uint32_t id = tcx_get(ifindex, dp_hooks[hook].egress);

	if (quick)
		*quick = id != 0;
	return id ? id : nl_filter_get(ns, (int)ifindex, dp_hooks[hook].egress);
}

int datapath_quicken(struct datapath *d, struct nl_ns *ns, enum tc_hook hook, uint32_t ifindex)
{
	const bool egress = dp_hooks[hook].egress;
	int r;

	if (tcx_get(ifindex, egress) || nl_filter_get(ns, (int)ifindex, egress) != d->prog_ids[hook])
		return 0;
	r = tcx_set(ifindex, egress, d->progs[hook], 0);
	return r < 0 ? r : 1;
}

bool datapath_hook_is_egress(enum tc_hook hook)
{
	return dp_hooks[hook].egress;
}

bool datapath_is_program(const struct datapath *d, enum tc_hook hook, uint32_t prog_id)
{
	return prog_id == d->prog_ids[hook];
}

/* ---- policy maps ---- */

/* Arrays have no absence: a zero value is none. */
static bool value_is_zero(const void *p, size_t n)
{
	const __u8 *b = p;

	while (n && !*b)
		b++, n--;
	return n == 0;
}

static bool map_is_lpm(unsigned map)
{
	return map == ABI_MAP_PEERS || map == ABI_MAP_ROUTES || map == ABI_MAP_INET;
}

static bool map_is_array(unsigned map)
{
	return map == ABI_MAP_PORTS || map == ABI_MAP_POLICIES;
}

/* In batches, each one system call. Of an array the rows that say something. */
static int map_dump(struct datapath *d, unsigned map, struct map_rows *ret, struct err *e)
{
	const size_t ks = abi_map_shapes[map].key_size, vs = abi_map_shapes[map].value_size;
	const bool array = map_is_array(map);
	__u32 room = array ? d->max_entries[map] : DUMP_ROWS;
	_cleanup_free_ __u8 *keys = xcalloc(room, ks), *values = xcalloc(room, vs);
	__u8 at[64], next[64]; /* a key, or the number of a bucket */
	bool first = true, last = false;

	while (!last) {
		__u32 got = room;

		if (bpf_map_lookup_batch(d->maps[map], first ? NULL : at, next, keys, values, &got, NULL)) {
			if (errno == ENOSPC) { /* a bucket is fuller than that */
				room *= 2;
				keys = xrealloc(keys, room * ks);
				values = xrealloc(values, room * vs);
				continue;
			}
			if (errno != ENOENT)
				return err_set(e, -errno, "BPF map %s: cannot be read: %s", map_name(map),
					       strerror(errno));
			last = true;
		}
		for (__u32 i = 0; i < got; i++)
			if (!array || !value_is_zero(values + i * vs, vs))
				map_rows_add(ret, map, keys + i * ks, values + i * vs);
		first = false;
		memcpy(at, next, sizeof(at));
	}
	return 0;
}

int datapath_dump(struct datapath *d, struct map_rows *ret, struct err *e)
{
	int r = 0;

	for (unsigned i = 0; !r && i < ABI_MAP_SYNC_MAX; i++)
		r = map_dump(d, i, ret, e);
	map_rows_sort(ret);
	return r;
}

int datapath_row_set(struct datapath *d, const struct map_rows *rows, const struct map_row *row, struct err *e)
{
	if (bpf_map_update_elem(d->maps[row->map], map_row_key(rows, row), map_row_value(rows, row), BPF_ANY))
		return err_set(e, -errno, "BPF map %s: cannot be written: %s", map_name(row->map), strerror(errno));
	return 0;
}

int datapath_row_del(struct datapath *d, const struct map_rows *rows, const struct map_row *row, struct err *e)
{
	static const __u8 zero[512];
	int r;

	if (map_is_array(row->map))
		r = bpf_map_update_elem(d->maps[row->map], map_row_key(rows, row), zero, BPF_ANY);
	else
		r = bpf_map_delete_elem(d->maps[row->map], map_row_key(rows, row));
	if (r && errno != ENOENT)
		return err_set(e, -errno, "BPF map %s: cannot be written: %s", map_name(row->map), strerror(errno));
	return 0;
}

int datapath_row_check(struct datapath *d, const struct map_rows *rows, const struct map_row *row,
		       const struct map_rows *wanted, struct err *e)
{
	const void *key = map_row_key(rows, row);
	const struct map_row *want = map_rows_find(wanted, row->map, key);
	__u8 value[512];
	bool there = !bpf_map_lookup_elem(d->maps[row->map], key, value);

	if (there && map_is_array(row->map))
		there = !value_is_zero(value, row->value_size);
	/* Of a longest match the lookup cannot say that one is gone: a shorter one answers. */
	if (!want && map_is_lpm(row->map))
		return 0;
	if (want ? there && !memcmp(value, map_row_value(wanted, want), want->value_size) : !there)
		return 0;
	return err_set(e, -ESTALE, "BPF map %s: is not as it was written: somebody else writes to it",
		       map_name(row->map));
}

uint32_t datapath_epoch_bump(struct datapath *d)
{
	__u32 epoch = __atomic_add_fetch(&d->config->epoch, 1, __ATOMIC_SEQ_CST);

	return epoch ? epoch : __atomic_add_fetch(&d->config->epoch, 1, __ATOMIC_SEQ_CST); /* 0 means: nothing cached */
}

int datapath_configure(struct datapath *d, const struct datapath_config *c, struct err *e)
{
	__u32 flags = (c->kernel_path ? ABI_CONFIG_KERNEL_PATH : 0) | (c->strict_icmp ? ABI_CONFIG_STRICT_ICMP : 0) |
		      (c->strict_fragments ? ABI_CONFIG_STRICT_FRAGMENTS : 0) | (c->flow_log ? ABI_CONFIG_LOG : 0);

	if (!c->events_per_s)
		return err_set(e, -EINVAL, "events a second must not be 0");
	config_timers_set(d->config, c->clock);
	d->config->event_burst = c->event_burst;
	d->config->event_ns = 1000000000ull / c->events_per_s;
	d->config->lab_event_burst = c->lab_event_burst;
	d->config->lab_event_ns = c->lab_events_per_s ? 1000000000ull / c->lab_events_per_s : 0;
	d->config->drop_ns = c->drop_ms * 1000000ull;
	d->config->flags = flags | (d->config->flags & (ABI_CONFIG_WATCH | ABI_CONFIG_CAPTURE));
	datapath_sample(d, c->sample);
	datapath_epoch_bump(d);
	return 0;
}

void datapath_clock_set(struct datapath *d, uint64_t now_ns)
{
	__atomic_store_n(&d->config->now_ns, now_ns, __ATOMIC_SEQ_CST);
}

/* ---- counters ---- */

static int counter_sum(struct datapath *d, enum dp_map map, const void *key, struct abi_counter *ret)
{
	_cleanup_free_ struct abi_counter *v = xcalloc((size_t)d->cpus, sizeof(*v));

	memset(ret, 0, sizeof(*ret));
	if (bpf_map_lookup_elem(d->maps[map], key, v))
		return -errno;
	for (int i = 0; i < d->cpus; i++) {
		ret->packets += v[i].packets;
		ret->bytes += v[i].bytes;
	}
	return 0;
}

int datapath_rule_hits(struct datapath *d, uint32_t rule, struct abi_counter *ret)
{
	return counter_sum(d, DP_RULE_HITS, &rule, ret);
}

/* Sums of the first n entries of an array by CPU, each so many words. */
static int array_sums(struct datapath *d, enum dp_map map, uint32_t n, size_t words, __u64 *ret)
{
	enum { AT_ONCE = 1024 };
	const size_t cpus = (size_t)d->cpus;
	_cleanup_free_ __u64 *v = xcalloc(cpus * AT_ONCE, words * sizeof(*v));
	__u32 keys[AT_ONCE], at, got;

	memset(ret, 0, n * words * sizeof(*ret));
	for (__u32 done = 0; done < n; done += got) {
		got = n - done < AT_ONCE ? n - done : AT_ONCE;
		if (bpf_map_lookup_batch(d->maps[map], done ? &at : NULL, &at, keys, v, &got, NULL) &&
		    (errno != ENOENT || !got))
			return -errno;
		for (__u32 i = 0; i < got; i++)
			for (size_t w = 0; keys[i] < n && w < cpus * words; w++)
				ret[keys[i] * words + w % words] += v[i * cpus * words + w];
	}
	return 0;
}

int datapath_rules_hits(struct datapath *d, uint32_t n, struct abi_counter *ret)
{
	return array_sums(d, DP_RULE_HITS, n, sizeof(*ret) / sizeof(__u64), (__u64 *)ret);
}

uint64_t datapath_rule_last(struct datapath *d, uint32_t rule)
{
	__u64 last = 0;

	return bpf_map_lookup_elem(d->maps[DP_RULE_LAST], &rule, &last) ? 0 : last;
}

int datapath_route_hits(struct datapath *d, uint32_t route, struct abi_counter *ret)
{
	return counter_sum(d, DP_ROUTE_HITS, &route, ret);
}

int datapath_port_stats(struct datapath *d, uint32_t port, struct abi_port_stats *ret)
{
	const size_t words = sizeof(*ret) / sizeof(__u64);
	_cleanup_free_ struct abi_port_stats *v = xcalloc((size_t)d->cpus, sizeof(*v));
	__u64 *sum = (__u64 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (bpf_map_lookup_elem(d->maps[DP_PORT_STATS], &port, v))
		return -errno;
	for (int i = 0; i < d->cpus; i++)
		for (size_t j = 0; j < words; j++)
			sum[j] += ((const __u64 *)&v[i])[j];
	return 0;
}

int datapath_ports_stats(struct datapath *d, uint32_t n, struct abi_port_stats *ret)
{
	return array_sums(d, DP_PORT_STATS, n, sizeof(*ret) / sizeof(__u64), (__u64 *)ret);
}

int datapath_gate_hits(struct datapath *d,
		       int (*fn)(void *ctx, const struct abi_gate_key *key, const struct abi_counter *sum), void *ctx)
{
	struct abi_gate_key key, next;
	struct abi_counter sum;
	bool first = true;
	int r = 0;

	while (!r && !bpf_map_get_next_key(d->maps[DP_GATE_HITS], first ? NULL : &key, &next)) {
		first = false;
		key = next;
		if (!counter_sum(d, DP_GATE_HITS, &key, &sum))
			r = fn(ctx, &key, &sum);
	}
	return r;
}

/* Keys one after the other: for maps of few entries. */
static uint64_t map_count(const struct datapath *d, enum dp_map map)
{
	__u8 key[64], next[64];
	uint64_t n = 0;

	while (!bpf_map_get_next_key(d->maps[map], n ? key : NULL, next) && n < d->max_entries[map]) {
		memcpy(key, next, sizeof(key));
		n++;
	}
	return n;
}

int datapath_map_fill(struct datapath *d, unsigned i, struct map_fill *ret)
{
	static const unsigned maps[] = { ABI_MAP_ADDRS, ABI_MAP_ROUTES, ABI_MAP_INET, ABI_MAP_PEERS, ABI_MAP_MEMBERS,
					 ABI_MAP_RULES, DP_FLOWS,       DP_GATE_HITS, DP_WATCHES };

	if (i >= ARRAY_SIZE(maps))
		return -ENOENT;
	*ret = (struct map_fill){ .name = map_name(maps[i]), .map = ABI_MAP_SYNC_MAX, .max = d->max_entries[maps[i]] };
	if (maps[i] < ABI_MAP_SYNC_MAX)
		ret->map = (enum abi_map)maps[i];
	else
		ret->entries = maps[i] == DP_FLOWS ? datapath_flows_count(d) : map_count(d, (enum dp_map)maps[i]);
	return 0;
}
