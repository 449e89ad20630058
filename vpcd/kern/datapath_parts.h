/* datapath_parts.h: what the files of the data path share: datapath.c (loading, policy, counters), datapath_flows.c
 * (connections) and datapath_tell.c (events, watches, captures). */
#pragma once
#include <bpf/libbpf.h>
#include <time.h>
#include "kern/datapath.h"

/* Maps user space works with, by pin name. The first ABI_MAP_SYNC_MAX are the policy maps in abi_map order. */
enum dp_map {
	DP_FLOWS = ABI_MAP_SYNC_MAX,
	DP_CACHE,
	DP_FRAGS,
	DP_WATCHES,
	DP_BUCKETS,
	DP_PORT_CT,
	DP_RULE_HITS,
	DP_ROUTE_HITS,
	DP_PORT_STATS,
	DP_GATE_HITS,
	DP_DROPS,
	DP_TAPS,
	DP_RULE_LAST,
	DP_FLOW_LOG,
	DP_LOG_LOST,
	DP_EVENTS,
	DP_CAPTURES,
	DP_CONFIG,
	DP_SCRATCH,
	DP_HOT,
	DP_HOT_OUTCOMES,
	DP_HOT_HOLDERS,
	DP_MAP_MAX
};
enum { DP_PROG_REAP = HOOK_MAX, DP_PROG_FLUSH, DP_PROG_MAX };

struct datapath {
	int maps[DP_MAP_MAX];
	int progs[DP_PROG_MAX];
	__u32 prog_ids[HOOK_MAX];
	__u32 max_entries[DP_MAP_MAX];
	struct abi_config *config;     /* mapped */
	const struct abi_hot_set *hot; /* mapped */
	struct ring_buffer *ring;
	int (*event_fn)(void *ctx, const struct abi_event *ev);
	void *event_ctx;
	struct ring_buffer *capture_ring; /* of captures */
	int (*capture_fn)(void *ctx, const struct abi_capture *c, const uint8_t *frame);
	void *capture_ctx;
	unsigned budget; /* records that may still be handed out; see tell_consume */
	unsigned watches;
	int reaping, flushing; /* sweeps under way, -1: none */
	uint64_t flushed;      /* by the sweep under way */
	int cpus;
};

/* The clock of the data path's time stamps. */
static inline uint64_t ktime_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* f learns when the last packet of its flow came, as filters/hot.h does it in the kernel. */
void flow_settle_here(const struct datapath *d, const struct abi_flow_key *key, struct abi_flow *f);
/* The rings, once the maps are there; and away with them. */
int tell_ready(struct datapath *d, struct err *e);
void tell_close(struct datapath *d);
/* Forgets watches and captures that a former process left. */
void tell_clear(struct datapath *d);
