/* datapath_log.c: reads what flow logs have counted in the map flow_log.
 *
 * Programs add to the entries of the current generation only. They run on one CPU without being preempted, so some
 * milliseconds after the number has changed nobody adds to an older one: what is read then is all there will be. */
#include <errno.h>
#include <string.h>
#include <bpf/bpf.h>
#include "kern/datapath_parts.h"
#include "util/mem.h"

enum { READ_MAX = 256 };

uint32_t datapath_map_max(const struct datapath *d, enum abi_map map)
{
	return d->max_entries[map];
}

uint32_t datapath_log_max(const struct datapath *d)
{
	return d->max_entries[DP_FLOW_LOG];
}

uint32_t datapath_log_generation(const struct datapath *d)
{
	return __atomic_load_n(&d->config->log_generation, __ATOMIC_SEQ_CST);
}

uint32_t datapath_log_turn(struct datapath *d)
{
	return __atomic_add_fetch(&d->config->log_generation, 1, __ATOMIC_SEQ_CST);
}

void datapath_logs_lost(struct datapath *d, uint32_t n, uint64_t *ret)
{
	_cleanup_free_ __u32 *keys = xcalloc((size_t)n + 1, sizeof(*keys));
	_cleanup_free_ __u64 *lost = xcalloc((size_t)n + 1, sizeof(*lost));
	__u32 got = n, at;

	memset(ret, 0, n * sizeof(*ret));
	if (!n || (bpf_map_lookup_batch(d->maps[DP_LOG_LOST], NULL, &at, keys, lost, &got, NULL) && errno != ENOENT))
		return;
	for (__u32 i = 0; i < got; i++)
		if (keys[i] < n)
			ret[keys[i]] = lost[i];
}

int datapath_log_read(struct datapath *d, struct log_sweep *s,
		      void (*fn)(void *ctx, const struct abi_log_key *key, const struct abi_log *log), void *ctx)
{
	_cleanup_free_ struct abi_log_key *keys = xcalloc(READ_MAX, sizeof(*keys));
	_cleanup_free_ struct abi_log *logs = xcalloc(READ_MAX, sizeof(*logs));
	__u32 n = READ_MAX;
	int fd = d->maps[DP_FLOW_LOG], r;

	r = bpf_map_lookup_batch(fd, s->begun ? &s->at : NULL, &s->at, keys, logs, &n, NULL) ? -errno : 1;
	if (r < 0 && r != -ENOENT)
		return r;
	s->begun = true;
	for (__u32 i = 0; i < n; i++)
		if (log_is_before(keys[i].generation, s->generation))
			fn(ctx, &keys[i], &logs[i]);
	return r == -ENOENT ? 0 : 1;
}

void datapath_log_forget(struct datapath *d, const struct abi_log_key *keys, uint32_t n)
{
	__u32 gone;

	for (__u32 left = n; left; left -= gone) {
		gone = left;
		if (bpf_map_delete_batch(d->maps[DP_FLOW_LOG], keys + n - left, &gone, NULL))
			gone++; /* the one at which it stopped is gone already */
		if (gone > left)
			gone = left;
	}
}
