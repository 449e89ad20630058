/* reap, flush: forget tracked flows: those that have been idle for longer than their state allows; those of
 * one port or of all. Iterators over the map flows: user space reads them a slice at a time, a byte an entry,
 * so that a large table never holds it up. The data path itself never trusts an expired entry: a late run
 * costs room, not correctness. */
#include "frame.h"

/* The kernel's, as far as they are used here. */
struct seq_file;
struct bpf_iter_meta {
	struct seq_file *seq;
} __attribute__((preserve_access_index));
struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	void *key, *value;
} __attribute__((preserve_access_index));

/* What the reader gets: 1 deleted, 0 not. */
static __always_inline int forget(struct bpf_iter__bpf_map_elem *ctx, const struct abi_flow_key *k, int wanted)
{
	__u8 deleted = wanted && !bpf_map_delete_elem(&flows, k);

	if (deleted)
		port_ct_give(NULL, k->port);
	if (wanted)
		hot_distrust(NULL, k);
	bpf_seq_write(ctx->meta->seq, &deleted, sizeof(deleted));
	return 0;
}

/* The data path stamps packets with a coarse clock, which may be one tick behind this one. */
enum { TICK_MAX_NS = 10000000 };

SEC("iter/bpf_map_elem")
int reap(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct abi_flow_key *key = ctx->key;
	struct abi_flow_key k, twin_key;
	struct abi_flow *flow = ctx->value, *twin;
	__u64 now;
	int idle;

	if (!key || !flow)
		return 0;
	k = *key;
	now = config.now_ns ? config.now_ns : bpf_ktime_get_ns() - TICK_MAX_NS;
	flow_key_twin(&k, flow, &twin_key);
	twin = flow_find(NULL, &twin_key);
	idle = flow_is_idle(NULL, &k, flow, &twin_key, twin, now);
	if (idle && twin && twin->heard_ns < flow->seen_ns)
		twin->heard_ns = flow->seen_ns; /* the other end may go on: it takes over what this one knew */
	/* a packet may have come while the twin was looked up: ask again at the last moment */
	return forget(ctx, &k, idle && flow->seen_ns < now && flow->heard_ns < now);
}

SEC("iter/bpf_map_elem")
int flush(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct abi_flow_key *key = ctx->key;
	struct abi_flow_key k;

	if (!key)
		return 0;
	k = *key;
	return forget(ctx, &k, !config.flush_port || config.flush_port == k.port);
}
