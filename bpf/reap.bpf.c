/* reap: forgets tracked flows that have been idle for longer than their state allows. Run by user
 * space (BPF_PROG_TEST_RUN) about once a second; the data path itself never trusts an expired entry,
 * so a late run costs room, not correctness. */
#include "frame.h"

struct reap_ctx {
	__u64 now;
	__u32 count;
	__u32 pad;
};

static long reap_one(void *map, const struct abi_flow_key *key, struct abi_flow *flow, struct reap_ctx *ctx)
{
	struct abi_flow_key k = *key, twin;

	flow_key_twin(&k, flow, &twin);
	if (!flow_is_idle(NULL, &k, flow, flow_find(NULL, &twin), ctx->now))
		return 0;
	/* a packet may have come while the twin was looked up: ask again at the last moment */
	if (flow->seen_ns > ctx->now || bpf_map_delete_elem(&flows, &k))
		return 0;
	port_ct_add(NULL, k.port, -1);
	ctx->count++;
	return 0;
}

SEC("syscall")
int reap(struct abi_reap *args)
{
	struct reap_ctx ctx = { .now = args->now_ns };

	bpf_for_each_map_elem(&flows, reap_one, &ctx, 0);
	args->count = ctx.count;
	return 0;
}
