/* maps.h: every map of the data path and the words by which the headers in filters/ use them.
 * Sizes are set before load (kern/datapath.c); those here are placeholders of 1. All weak: each
 * program's object carries them and the linker makes one of each. */
#pragma once
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "abi.h"

#ifndef NULL
#define NULL ((void *)0)
#endif

#define DEFINE_MAP(name, map_type, key_type, value_type, flags) \
	struct { \
		__uint(type, map_type); \
		__uint(max_entries, 1); \
		__uint(map_flags, flags##_); \
		__type(key, key_type); \
		__type(value, value_type); \
	} name SEC(".maps") __weak

enum { PLAIN_ = 0, NO_PREALLOC_ = BPF_F_NO_PREALLOC, MAPPED_ = BPF_F_MMAPABLE };

/* policy: written by user space */
DEFINE_MAP(ports, BPF_MAP_TYPE_ARRAY, __u32, struct abi_port, PLAIN);
DEFINE_MAP(addrs, BPF_MAP_TYPE_HASH, struct abi_addr_key, struct abi_addr_val, NO_PREALLOC);
DEFINE_MAP(routes, BPF_MAP_TYPE_LPM_TRIE, struct abi_lpm_key, struct abi_route, NO_PREALLOC);
DEFINE_MAP(inet, BPF_MAP_TYPE_LPM_TRIE, struct abi_lpm_key, struct abi_inet, NO_PREALLOC);
DEFINE_MAP(policies, BPF_MAP_TYPE_ARRAY, __u32, struct abi_policy, PLAIN);
DEFINE_MAP(peers, BPF_MAP_TYPE_LPM_TRIE, struct abi_lpm_key, struct abi_peer, NO_PREALLOC);
DEFINE_MAP(members, BPF_MAP_TYPE_HASH, struct abi_member_key, struct abi_member, NO_PREALLOC);
DEFINE_MAP(rules, BPF_MAP_TYPE_HASH, __u64, struct abi_node, NO_PREALLOC);
/* state: written by the data path */
DEFINE_MAP(flows, BPF_MAP_TYPE_HASH, struct abi_flow_key, struct abi_flow, PLAIN);
DEFINE_MAP(cache, BPF_MAP_TYPE_LRU_HASH, struct abi_flow_key, struct abi_flow, PLAIN);
DEFINE_MAP(hot, BPF_MAP_TYPE_ARRAY, __u32, struct abi_hot_set, MAPPED); /* begins on a page: whole lines */
DEFINE_MAP(hot_outcomes, BPF_MAP_TYPE_ARRAY, __u32, struct abi_hot_outcome, PLAIN);
DEFINE_MAP(hot_holders, BPF_MAP_TYPE_ARRAY, __u32, __u32, PLAIN);
DEFINE_MAP(frags, BPF_MAP_TYPE_LRU_HASH, struct abi_frag_key, struct abi_frag, PLAIN);
DEFINE_MAP(watches, BPF_MAP_TYPE_HASH, struct abi_flow_key, struct abi_watch, NO_PREALLOC);
DEFINE_MAP(buckets, BPF_MAP_TYPE_ARRAY, __u32, struct abi_bucket, PLAIN);
DEFINE_MAP(port_ct, BPF_MAP_TYPE_ARRAY, __u32, __s64, PLAIN);
DEFINE_MAP(drops, BPF_MAP_TYPE_HASH, struct abi_flow_key, struct abi_drop, PLAIN);
DEFINE_MAP(taps, BPF_MAP_TYPE_ARRAY, __u32, __u32, PLAIN);
/* counters */
DEFINE_MAP(flow_log, BPF_MAP_TYPE_HASH, struct abi_log_key, struct abi_log, NO_PREALLOC);
DEFINE_MAP(log_lost, BPF_MAP_TYPE_ARRAY, __u32, __u64, PLAIN); /* by port: packets that found flow_log full */
DEFINE_MAP(rule_hits, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct abi_counter, PLAIN);
DEFINE_MAP(rule_last, BPF_MAP_TYPE_ARRAY, __u32, __u64, PLAIN); /* ktime; 0: never */
DEFINE_MAP(route_hits, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct abi_counter, PLAIN);
DEFINE_MAP(port_stats, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct abi_port_stats, PLAIN);
DEFINE_MAP(gate_hits, BPF_MAP_TYPE_PERCPU_HASH, struct abi_gate_key, struct abi_counter, NO_PREALLOC);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps") __weak;
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 21);
} captures SEC(".maps") __weak;

/* Settings: a map of its own (".data.config") that user space has mapped, so that an epoch is one store. */
struct abi_config config SEC(".data.config") __weak;

/* The words of filters/world.h. There is no struct world here: w is never looked into. */
struct world {
	int unused;
};
#define map_get(w, name, key) bpf_map_lookup_elem(&name, key)
#define map_put(w, name, key, value) bpf_map_update_elem(&name, key, value, BPF_ANY)
#define map_insert(w, name, key, value) bpf_map_update_elem(&name, key, value, BPF_NOEXIST)
#define map_del(w, name, key) bpf_map_delete_elem(&name, key)
#define atomic_add(p, n) __sync_fetch_and_add(p, n)
#define world_config(w) (&config)
#define world_now(w) (config.now_ns ? config.now_ns : bpf_ktime_get_coarse_ns())
#define world_cpu(w) bpf_get_smp_processor_id()
#define world_emit(w, ev) bpf_ringbuf_output(&events, ev, sizeof(*(ev)), 0)
