/* world.c: the host's maps, sized for tools and tests, and what the data path's user space does to
 * them: load policy, reap. Pure: no syscalls. */
#include "filters/world.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "filters/verdict.h"
#include "util/mem.h"

#define SECOND_NS 1000000000ull
enum { HOT_SETS = 8 }; /* of use to tests only, which switch them on: few, so that flows meet */

/* semantics 5.3; states without a published value: Linux nf_conntrack's defaults. */
static const __u64 timer_defaults_s[ABI_TIMER_MAX] = {
	[ABI_TIMER_TCP_SYN_SENT] = 120, [ABI_TIMER_TCP_ESTABLISHED] = 432000,
	[ABI_TIMER_TCP_FIN_WAIT] = 120, [ABI_TIMER_TCP_TIME_WAIT] = 120,
	[ABI_TIMER_TCP_CLOSE] = 10,     [ABI_TIMER_UDP] = 30,
	[ABI_TIMER_UDP_STREAM] = 180,   [ABI_TIMER_ICMP] = 30,
	[ABI_TIMER_OTHER] = 600,        [ABI_TIMER_FRAGMENT] = 30,
	[ABI_TIMER_VALID] = 4,
};

void config_timers_set(struct abi_config *c, __u32 clock)
{
	for (unsigned i = 0; i < ABI_TIMER_MAX; i++)
		c->timer_ns[i] = timer_defaults_s[i] * SECOND_NS / (clock ? clock : 1);
}

struct world *world_new(__u32 flows)
{
	struct world *w = xcalloc(1, sizeof(*w));
	const size_t many = 1u << 22;

	w->ports = host_map_new(HOST_ARRAY, 4, sizeof(struct abi_port), ABI_PORTS_MAX);
	w->addrs = host_map_new(HOST_HASH, sizeof(struct abi_addr_key), sizeof(struct abi_addr_val), many);
	w->routes = host_map_new(HOST_LPM, sizeof(struct abi_lpm_key), sizeof(struct abi_route), many);
	w->inet = host_map_new(HOST_LPM, sizeof(struct abi_lpm_key), sizeof(struct abi_inet), many);
	w->policies = host_map_new(HOST_ARRAY, 4, sizeof(struct abi_policy), 65536);
	w->peers = host_map_new(HOST_LPM, sizeof(struct abi_lpm_key), sizeof(struct abi_peer), many);
	w->members = host_map_new(HOST_HASH, sizeof(struct abi_member_key), sizeof(struct abi_member), many);
	w->rules = host_map_new(HOST_HASH, sizeof(__u64), sizeof(struct abi_node), many);
	w->flows = host_map_new(HOST_HASH, sizeof(struct abi_flow_key), sizeof(struct abi_flow), flows);
	w->cache = host_map_new(HOST_LRU, sizeof(struct abi_flow_key), sizeof(struct abi_flow), flows);
	w->frags = host_map_new(HOST_LRU, sizeof(struct abi_frag_key), sizeof(struct abi_frag), 4096);
	w->watches = host_map_new(HOST_HASH, sizeof(struct abi_flow_key), sizeof(struct abi_watch), 1024);
	w->buckets = host_map_new(HOST_ARRAY, 4, sizeof(struct abi_bucket), ABI_PORTS_MAX * ABI_TELL_MAX);
	w->drops = host_map_new(HOST_HASH, sizeof(struct abi_flow_key), sizeof(struct abi_drop), 4096);
	w->hot = host_map_new(HOST_ARRAY, 4, sizeof(struct abi_hot_set), HOT_SETS);
	w->hot_outcomes = host_map_new(HOST_ARRAY, 4, sizeof(struct abi_hot_outcome), ABI_HOT_OUTCOMES);
	w->hot_holders = host_map_new(HOST_ARRAY, 4, sizeof(__u32), HOT_SETS);
	w->port_ct = host_map_new(HOST_ARRAY, 4, sizeof(__s64), ABI_PORTS_MAX);
	w->rule_hits = host_map_new(HOST_HASH, 4, sizeof(struct abi_counter), many);
	w->rule_last = host_map_new(HOST_HASH, 4, sizeof(__u64), many);
	w->route_hits = host_map_new(HOST_HASH, 4, sizeof(struct abi_counter), many);
	w->port_stats = host_map_new(HOST_ARRAY, 4, sizeof(struct abi_port_stats), ABI_PORTS_MAX);
	w->gate_hits = host_map_new(HOST_HASH, sizeof(struct abi_gate_key), sizeof(struct abi_counter), many);
	w->flow_log = host_map_new(HOST_HASH, sizeof(struct abi_log_key), sizeof(struct abi_log), many);
	w->log_lost = host_map_new(HOST_ARRAY, 4, sizeof(__u64), ABI_PORTS_MAX);
	w->config.version = ABI_VERSION;
	w->config.epoch = 1;
	w->config.event_burst = 1000;
	w->config.ct_pool = (uint32_t)flows;
	w->config.sample[ABI_TELL_NEW] = w->config.sample[ABI_TELL_DENIED] = 1;
	config_timers_set(&w->config, 1);
	w->now_ns = SECOND_NS;
	return w;
}

void world_free(struct world **w)
{
	struct host_map **maps[] = {
		&(*w)->ports,      &(*w)->addrs,      &(*w)->routes,    &(*w)->inet,         &(*w)->policies,
		&(*w)->peers,      &(*w)->members,    &(*w)->rules,     &(*w)->flows,        &(*w)->cache,
		&(*w)->frags,      &(*w)->watches,    &(*w)->buckets,   &(*w)->port_ct,      &(*w)->rule_hits,
		&(*w)->route_hits, &(*w)->port_stats, &(*w)->gate_hits, &(*w)->drops,        &(*w)->rule_last,
		&(*w)->flow_log,   &(*w)->log_lost,   &(*w)->hot,       &(*w)->hot_outcomes, &(*w)->hot_holders,
	};

	if (!*w)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
		host_map_free(maps[i]);
	free(*w);
	*w = NULL;
}

static struct host_map **world_map(struct world *w, enum abi_map map)
{
	struct host_map **const maps[ABI_MAP_SYNC_MAX] = {
		[ABI_MAP_PORTS] = &w->ports,     [ABI_MAP_ADDRS] = &w->addrs,       [ABI_MAP_ROUTES] = &w->routes,
		[ABI_MAP_INET] = &w->inet,       [ABI_MAP_POLICIES] = &w->policies, [ABI_MAP_PEERS] = &w->peers,
		[ABI_MAP_MEMBERS] = &w->members, [ABI_MAP_RULES] = &w->rules,
	};

	return maps[map];
}

struct replace {
	struct host_map *map;
	size_t value_size;
};

static int forget(void *ctx, const void *key, void *value)
{
	const struct replace *r = ctx;

	if (host_map_delete(r->map, key))
		memset(value, 0, r->value_size); /* arrays have no deletion */
	return 0;
}

/* Of the rules of a node, where they are not yet. value lies at any offset. */
static void make_counters(struct world *w, const void *value)
{
	static const struct abi_counter zero;
	struct abi_node n;

	memcpy(&n, value, sizeof(n));
	for (__u32 i = 0; n.leaf && i < n.n; i++)
		if (!host_map_lookup(w->rule_hits, &n.match[i].rule))
			host_map_update(w->rule_hits, &n.match[i].rule, &zero);
}

int world_load(struct world *w, const struct map_rows *rows)
{
	/* Large arrays: to touch them all costs more than most labs have to load. */
	for (unsigned i = 0; w->loaded && i < ABI_MAP_SYNC_MAX; i++) {
		struct replace r = { *world_map(w, i), abi_map_shapes[i].value_size };

		host_map_each(r.map, forget, &r);
	}
	w->loaded = 1;
	for (size_t i = 0; i < rows->n; i++) {
		const struct map_row *row = &rows->v[i];
		int r = host_map_update(*world_map(w, row->map), map_row_key(rows, row), map_row_value(rows, row));

		if (r)
			return r;
		if (row->map == ABI_MAP_RULES)
			make_counters(w, map_row_value(rows, row));
	}
	w->config.epoch++;
	return 0;
}

struct reap {
	struct world *w;
	unsigned count;
};

static int reap_one(void *ctx, const void *key, void *value)
{
	struct reap *r = ctx;
	const struct abi_flow_key k = *(const struct abi_flow_key *)key; /* the map's own goes with the entry */
	struct abi_flow *f = value;
	struct abi_flow_key twin_key;
	struct abi_flow *twin;

	flow_key_twin(&k, f, &twin_key);
	twin = flow_find(r->w, &twin_key);
	if (!flow_is_idle(r->w, &k, f, &twin_key, twin, r->w->now_ns))
		return 0;
	flow_hand_over(r->w, &k, f, twin);
	r->count++;
	return 0;
}

unsigned world_reap(struct world *w)
{
	struct reap r = { .w = w };

	host_map_each(w->flows, reap_one, &r);
	return r.count;
}
