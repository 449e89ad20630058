/* hot.h: what the next packet of a flow needs, on half a cache line that one index finds. Compiles for BPF and host.
 *
 * With thousands of flows a packet pays for memory, not for work: an entry of flows or cache takes two waits, one behind
 * the other, for the bucket and for the entry. So each processor keeps copies of outcomes in places of its own: hot[cpu *
 * sets + hash of the flow], four a set. Nobody else fills one, so none is shared or torn. What many flows have in common,
 * the receiver and the rules, stands apart, once: hot_outcomes.
 *
 * The entries are the truth. A copy is good while the epoch is the same, until the entry is to be judged anew. Whoever
 * makes an entry bad before its time, or deletes it, looks for its copies afterwards and ends them (flow_distrust); who
 * makes a copy looks afterwards whether the entry still says the same. One of the two sees what the other did. What
 * a copy knows and its entry does not is when the last packet came: flow_settle tells it, before anybody calls
 * an entry idle, and when a place is given away.
 *
 * A place goes to another flow only when its copy is good no more: flows in use that meet in a set do not fight, a
 * third one pays for its entry. Only IPv4 without translation is copied. */
#pragma once
#include "filters/packet.h"
#ifndef __bpf__
#include "filters/world.h" /* BPF: bpf/maps.h, included before */
#endif

enum {
	HOT_UNTIL_SHIFT = 20,      /* until counts in about a millisecond, rounded down */
	HOT_SETTLED_NS = 50000000, /* connections that end sooner are not worth a place */
	HOT_OUTCOME_TRIES = 4,
	HOT_AHEAD_NS = 50000000, /* clocks of two readers differ by some ticks at most */
};

static __always_inline __u32 addr_v4_word(const struct abi_addr *a)
{
	__u32 word;

	__builtin_memcpy(&word, a->b + 12, 4);
	return word;
}

static __always_inline __u32 ports_word(const struct abi_flow_key *k)
{
	__u32 word;

	__builtin_memcpy(&word, k->sport, 4);
	return word;
}

/* The set of a flow, below config.hot_sets. */
static __always_inline __u32 hot_set_of(const struct abi_config *c, const struct abi_flow_key *k)
{
	__u64 h = ((__u64)addr_v4_word(&k->src) << 32 | addr_v4_word(&k->dst)) ^ c->hot_seed;

	h *= 0x9e3779b97f4a7c15ull;
	h ^= h >> 29 ^ ((__u64)k->port << 32 | ports_word(k)) ^ (__u64)k->proto << 56;
	h *= 0xbf58476d1ce4e5b9ull;
	return (h >> 32) & (c->hot_sets - 1);
}

static __always_inline int hot_is_of(const struct abi_hot *h, const struct abi_flow_key *k)
{
	return h->ports == ports_word(k) && h->src == addr_v4_word(&k->src) && h->dst == addr_v4_word(&k->dst) &&
	       h->port == k->port && h->proto == k->proto;
}

/* One processor's: a piece, so that the verifier reads it once and not for each processor. */
PIECE hot_set_distrust(struct abi_hot_set *s, const struct abi_flow_key *k)
{
	if (!s || !k)
		return 0;
	for (__u32 i = 0; i < ABI_HOT_WAYS; i++)
		if (hot_is_of(&s->way[i], k))
			s->way[i].epoch = 0;
	return 0;
}

/* What was copied of the flow's entry is not good from now on. After the entry has been changed. */
PIECE hot_distrust(struct world *w, const struct abi_flow_key *k)
{
	const struct abi_config *c = world_config(w);
	__u32 set, at, *holders, cpus;

	if (!k || !c->hot_sets || k->family != 4)
		return 0;
	set = hot_set_of(c, k);
	holders = map_get(w, hot_holders, &set);
	if (!holders)
		return 0;
	cpus = __sync_fetch_and_or(holders, 0); /* read behind all that was written before, on every machine */
	for (__u32 cpu = 0; cpu < ABI_HOT_CPUS_MAX && cpu < c->hot_cpus; cpu++) {
		if (!(cpus >> cpu & 1))
			continue;
		at = cpu * c->hot_sets + set;
		hot_set_distrust(map_get(w, hot, &at), k);
	}
	return 0;
}

/* The entry f (or NULL) of k is to be judged anew before its next packet passes. */
static __always_inline void flow_distrust(struct world *w, const struct abi_flow_key *k, struct abi_flow *f)
{
	if (f)
		f->valid_ns = 0;
	hot_distrust(w, k);
}

/* When the last packet came, of a copy of which the lower half of that is known: no later than it was good, and no earlier
 * than 2^32 ns before that, as config.timer_ns[ABI_TIMER_VALID] is less. near_ns: within 26 days of it. */
static __always_inline __u64 hot_seen_ns(const struct abi_hot *h, __u64 near_ns)
{
	const __u64 near = near_ns >> HOT_UNTIL_SHIFT;
	const __u64 end = (near + (__u64)(__s64)(__s32)(h->until - (__u32)near) + 1) << HOT_UNTIL_SHIFT;

	return end - (__u32)((__u32)end - h->seen);
}

/* f learns from its flow's copy when the last packet came. What seems to be of the future is of a copy that is made anew at
 * this moment. */
static __always_inline void hot_tell(const struct abi_hot *h, struct abi_flow *f, __u64 now_ns)
{
	const __u64 seen_ns = hot_seen_ns(h, now_ns);

	if (seen_ns > f->seen_ns && seen_ns <= now_ns + HOT_AHEAD_NS)
		f->seen_ns = seen_ns;
}

/* f learns from what one processor has copied of k: a piece for the same reason. */
PIECE hot_set_tell(const struct abi_hot_set *s, const struct abi_flow_key *k, struct abi_flow *f, __u64 now_ns)
{
	if (!s || !k || !f)
		return 0;
	for (__u32 i = 0; i < ABI_HOT_WAYS; i++)
		if (hot_is_of(&s->way[i], k))
			hot_tell(&s->way[i], f, now_ns);
	return 0;
}

/* The entry f of k learns when the last packet came. */
PIECE flow_settle(struct world *w, const struct abi_flow_key *k, struct abi_flow *f, __u64 now_ns)
{
	const struct abi_config *c = world_config(w);
	__u32 set, at;

	if (!k || !f || !c->hot_sets || k->family != 4)
		return 0;
	set = hot_set_of(c, k);
	for (__u32 cpu = 0; cpu < ABI_HOT_CPUS_MAX && cpu < c->hot_cpus; cpu++) {
		at = cpu * c->hot_sets + set;
		hot_set_tell(map_get(w, hot, &at), k, f, now_ns);
	}
	return 0;
}
