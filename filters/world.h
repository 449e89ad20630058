/* world.h: the filter's surroundings on the host: every map, the clock and a sink for events.
 * BPF has bpf/maps.h in its place: the same map_* words over real maps. Pure. */
#pragma once
#include <stddef.h>
#include "abi.h"
#include "filters/hostmap.h"
#include "filters/rows.h"

struct world {
	struct host_map *ports, *addrs, *routes, *inet, *policies, *peers, *members, *rules; /* policy */
	struct host_map *flows, *cache, *frags, *watches, *buckets, *port_ct, *drops, *hot, *hot_outcomes,
		*hot_holders; /* state */
	struct host_map *rule_hits, *rule_last, *route_hits, *port_stats, *gate_hits, *flow_log,
		*log_lost; /* counters */
	struct abi_config config;
	__u64 now_ns;                                         /* moved by the caller */
	void (*event)(void *ctx, const struct abi_event *ev); /* may be NULL */
	void *event_ctx;
	int loaded; /* the policy maps are not as they were made */
};

/* An empty world: timers at AWS's defaults, epoch 1. flows: size of the state table. */
struct world *world_new(__u32 flows);
void world_free(struct world **w);
/* Replaces all policy maps by rows and bumps the epoch; state and counters stay. -E2BIG */
int world_load(struct world *w, const struct map_rows *rows);
/* The timers of c, AWS's defaults divided by clock. */
void config_timers_set(struct abi_config *c, __u32 clock);
/* Deletes expired connections as the data path's reaper does; count. */
unsigned world_reap(struct world *w);

#define map_get(w, name, key) host_map_lookup((w)->name, key)
#define map_put(w, name, key, value) host_map_update((w)->name, key, value)
#define map_insert(w, name, key, value) \
	(host_map_lookup((w)->name, key) ? -17 /* EEXIST */ : host_map_update((w)->name, key, value))
#define map_del(w, name, key) host_map_delete((w)->name, key)
#define world_config(w) (&(w)->config)
#define world_now(w) ((w)->now_ns)
#define world_cpu(w) 0u
#define world_emit(w, ev) ((w)->event ? ((w)->event((w)->event_ctx, ev), 0) : 0)
#define atomic_add(p, n) __sync_fetch_and_add(p, n)
