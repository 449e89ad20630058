/* datapath_flows.c: connections: listing, counting, sweeping them. Kernel room; never prints. */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <unistd.h>
#include "filters/conntrack.h"
#include "kern/datapath_parts.h"
#include "util/mem.h"

enum { FLOWS_BATCH = 4096, SWEEP_ENTRIES = 256, SWEEP_BUCKETS = 1 << 15 };

/* As filters/hot.h does it in the kernel. */
void flow_settle_here(const struct datapath *d, const struct abi_flow_key *key, struct abi_flow *f)
{
	const struct abi_config *c = d->config;
	const uint64_t now_ns = c->now_ns ? c->now_ns : ktime_ns();

	for (__u32 cpu = 0; c->hot_sets && key->family == 4 && cpu < c->hot_cpus; cpu++) {
		const struct abi_hot_set *s = &d->hot[cpu * c->hot_sets + hot_set_of(c, key)];

		for (unsigned i = 0; i < ABI_HOT_WAYS; i++) {
			if (hot_is_of(&s->way[i], key))
				hot_tell(&s->way[i], f, now_ns);
		}
	}
}

static bool flow_lookup(struct datapath *d, const struct abi_flow_key *key, struct abi_flow *ret)
{
	return !bpf_map_lookup_elem(d->maps[DP_FLOWS], key, ret) || !bpf_map_lookup_elem(d->maps[DP_CACHE], key, ret);
}

bool datapath_flow_is_tracked(struct datapath *d, const struct abi_flow_key *key)
{
	struct abi_flow f;

	return !bpf_map_lookup_elem(d->maps[DP_FLOWS], key, &f);
}

void datapath_flow_whole(struct datapath *d, const struct abi_flow_key *key, struct abi_flow *f)
{
	struct abi_flow_key twin_key;
	struct abi_flow twin;
	struct flow_life life;

	bool has_twin;

	flow_key_twin(key, f, &twin_key);
	has_twin = flow_lookup(d, &twin_key, &twin);
	flow_settle_here(d, key, f);
	if (has_twin)
		flow_settle_here(d, &twin_key, &twin);
	flow_life_of(key->port, f, has_twin ? &twin : NULL, &life);
	f->seen_ns = life.seen_ns;
	f->tx = life.tx;
	f->rx = life.rx;
}

/* In batches of whole buckets: no entry comes twice, whatever comes and goes meanwhile. */
static int map_flows(struct datapath *d, enum dp_map map,
		     int (*fn)(void *ctx, const struct abi_flow_key *key, const struct abi_flow *flow), void *ctx)
{
	_cleanup_free_ struct abi_flow_key *keys = xcalloc(FLOWS_BATCH, sizeof(*keys));
	_cleanup_free_ struct abi_flow *flows = xcalloc(FLOWS_BATCH, sizeof(*flows));
	__u32 at = 0;
	int r = 0;

	for (bool first = true, last = false; !last && !r; first = false) {
		__u32 n = FLOWS_BATCH;

		if (bpf_map_lookup_batch(d->maps[map], first ? NULL : &at, &at, keys, flows, &n, NULL)) {
			if (errno != ENOENT)
				return -errno;
			last = true;
		}
		for (__u32 i = 0; i < n && !r; i++)
			r = fn(ctx, &keys[i], &flows[i]);
	}
	return r;
}

int datapath_flows(struct datapath *d,
		   int (*fn)(void *ctx, const struct abi_flow_key *key, const struct abi_flow *flow), void *ctx)
{
	int r = map_flows(d, DP_FLOWS, fn, ctx);

	return r ? r : map_flows(d, DP_CACHE, fn, ctx);
}

uint64_t datapath_flows_count(struct datapath *d)
{
	__u32 n = d->max_entries[DP_PORT_CT], at = 0;
	_cleanup_free_ __u32 *keys = xcalloc(n, sizeof(*keys));
	_cleanup_free_ __s64 *counts = xcalloc(n, sizeof(*counts));
	__s64 sum = 0;

	if (bpf_map_lookup_batch(d->maps[DP_PORT_CT], NULL, &at, keys, counts, &n, NULL) && errno != ENOENT)
		return 0;
	for (__u32 i = 0; i < n; i++)
		sum += keys[i] ? counts[i] : 0; /* the pool is no port */
	return sum > 0 ? (uint64_t)sum : 0;
}

uint32_t datapath_flows_max(const struct datapath *d)
{
	return d->max_entries[DP_FLOWS];
}

uint64_t datapath_timeout_ns(struct datapath *d, const struct abi_flow_key *key, const struct abi_flow *flow)
{
	struct abi_port port;
	bool known = !bpf_map_lookup_elem(d->maps[ABI_MAP_PORTS], &key->port, &port);

	return flow_timeout_ns(d->config, known ? &port : NULL, key->proto, flow->tx, flow->rx);
}

/* An iterator over flows: a descriptor that runs the program while it is read. Between two reads the kernel
 * keeps its place by counting, so of a bucket that lost entries meanwhile it may leave some out: the next
 * sweep finds those. */
static int sweep_open(struct datapath *d, unsigned prog)
{
	union bpf_iter_link_info info = { .map.map_fd = (__u32)d->maps[DP_FLOWS] };
	LIBBPF_OPTS(bpf_link_create_opts, opts, .iter_info = &info, .iter_info_len = sizeof(info));
	int link = bpf_link_create(d->progs[prog], 0, BPF_TRACE_ITER, &opts), fd, r;

	if (link < 0)
		return -errno;
	fd = bpf_iter_create(link);
	r = -errno;
	close(link);
	return fd < 0 ? r : fd;
}

static int sweep(struct datapath *d, unsigned prog, int *fd, uint64_t budget_ns, uint64_t *count)
{
	const uint64_t entries = datapath_flows_count(d);
	uint8_t deleted[SWEEP_ENTRIES];
	/* A read goes on until it has its entries: in a nearly empty table that is a long way. */
	uint64_t at_once = entries * SWEEP_BUCKETS / (2 * d->max_entries[DP_CACHE]); /* its buckets */
	const uint64_t start = ktime_ns();
	ssize_t n;

	if (*fd < 0 && !entries)
		return 0;
	if (*fd < 0)
		*fd = sweep_open(d, prog);
	if (*fd < 0)
		return *fd;
	at_once = at_once < 1 ? 1 : at_once > SWEEP_ENTRIES ? SWEEP_ENTRIES : at_once;
	do {
		n = read(*fd, deleted, at_once);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 1;
		for (ssize_t i = 0; i < n; i++)
			*count += deleted[i];
	} while (n > 0 && (!budget_ns || ktime_ns() - start < budget_ns));
	if (n > 0)
		return 1;
	n = n < 0 ? -errno : 0;
	cleanup_closep(fd);
	*fd = -1;
	return (int)n;
}

int datapath_reap(struct datapath *d, uint64_t budget_ns, uint64_t *count)
{
	return sweep(d, DP_PROG_REAP, &d->reaping, budget_ns, count);
}

static uint64_t flushed_take(struct datapath *d)
{
	uint64_t n = d->flushed;

	d->flushed = 0;
	return n;
}

int datapath_flush(struct datapath *d, uint32_t port, uint64_t budget_ns, uint64_t *count)
{
	const uint64_t before = *count;
	int r;

	d->config->flush_port = port;
	r = sweep(d, DP_PROG_FLUSH, &d->flushing, budget_ns, count);
	d->flushed += *count - before;
	if (r > 0 || (r == 0 && flushed_take(d))) /* until a sweep finds nothing */
		return 1;
	datapath_epoch_bump(d); /* cached answers that stood on them go too */
	return r;
}
