/* tell.h: verdict events: of which packets somebody hears. Compiles for BPF and host.
 *
 * Told of are new flows, denied packets and, where asked for, some of the others; every one of a watched flow.
 * Denied packets of one flow are gathered: one event at the first and then one in config.drop_ns, with their
 * number. Whatever found a bucket empty or the ring full is counted as lost. Counters (report.h) do not depend
 * on any of it. */
#pragma once
#include "filters/conntrack.h"
#include "filters/pass.h"

/* Drops of a flow that was quiet for so long are counted from one again. */
#define DROP_FORGET_NS 60000000000ull

static __always_inline int flow_is_watched(struct world *w, struct pass *x)
{
	const struct abi_watch *watch;

	if (!(world_config(w)->flags & ABI_CONFIG_WATCH))
		return 0;
	watch = map_get(w, watches, &x->p.key);
	if (!watch) {
		x->related = x->p.key;
		x->related.port = 0;
		watch = map_get(w, watches, &x->related);
	}
	if (!watch) {
		x->related.sport[0] = x->related.sport[1] = 0;
		watch = map_get(w, watches, &x->related);
	}
	return watch && x->now < watch->until_ns;
}

static __always_inline struct abi_bucket *bucket_of(struct world *w, __u32 port, __u32 kind)
{
	__u32 at = port * ABI_TELL_MAX + kind;

	return map_get(w, buckets, &at);
}

/* One token. Buckets are shared by CPUs without a lock: a token more or less does not matter, a count that
 * wraps is cut at the burst. */
static __always_inline int bucket_take(struct abi_bucket *b, __u32 burst, __u64 token_ns, __u64 now)
{
	__u64 fresh = token_ns && now > b->refilled_ns ? (now - b->refilled_ns) / token_ns : 0;

	if (fresh) {
		b->tokens = fresh > burst || b->tokens + (__u32)fresh > burst ? burst : b->tokens + (__u32)fresh;
		b->refilled_ns = now;
	}
	if (b->tokens > burst)
		b->tokens = burst;
	if (!b->tokens)
		return 0;
	b->tokens--;
	return 1;
}

static __always_inline int tokens_take(struct world *w, __u32 port, __u32 kind, __u64 now)
{
	const struct abi_config *c = world_config(w);
	struct abi_bucket *own = bucket_of(w, port, kind), *lab = bucket_of(w, 0, kind);

	if (!own || !lab || !bucket_take(own, c->event_burst, c->event_ns, now))
		return 0;
	return !c->lab_event_burst || bucket_take(lab, c->lab_event_burst, c->lab_event_ns, now);
}

/* Is it the one of so many that sampling picks? */
static __always_inline int sample_picks(struct world *w, __u32 port, __u32 kind)
{
	struct abi_bucket *b = bucket_of(w, port, kind);
	__u32 n = kind < ABI_TELL_MAX ? world_config(w)->sample[kind] : 0;

	if (!b || !n)
		return 0;
	return n == 1 || b->seen++ % n == 0;
}

static __always_inline void event_fill(struct pass *x, __u8 flags)
{
	struct abi_event *e = &x->event;

	__builtin_memset(e, 0, sizeof(*e));
	e->time_ns = e->first_ns = x->now;
	e->count = 1;
	e->port = x->p.key.port;
	e->peer = x->o.peer;
	e->gate_port = x->o.gate_port;
	__builtin_memcpy(e->rule, x->o.rule, sizeof(e->rule));
	e->deny_rule = x->o.deny_rule;
	e->len = x->p.len;
	e->epoch = x->epoch;
	e->gate = x->o.gate;
	e->reason = x->o.reason;
	e->reason_sg_out = x->o.reason_sg_out;
	e->reason_sg_in = x->o.reason_sg_in;
	e->allow = x->o.allow;
	e->proto = x->p.key.proto;
	e->family = x->p.key.family;
	e->flags = flags;
	__builtin_memcpy(e->sport, x->p.key.sport, 2);
	__builtin_memcpy(e->dport, x->p.key.dport, 2);
	e->tcp_flags = x->p.tcp_flags;
	e->src = x->p.key.src;
	e->dst = x->p.key.dst;
}

/* The same for a packet that may have passed by its flow's entry: that knows the reasons. */
PIECE event_of(struct world *w, struct pass *x, __u32 flags)
{
	const struct abi_flow *f;

	if (!x)
		return 0;
	event_fill(x, (__u8)flags);
	if (x->o.path != ABI_PATH_CACHED)
		return 0;
	x->event.reason = ABI_REASON_ACCEPT;
	f = flow_find(w, &x->p.key);
	if (f) {
		x->event.reason_sg_out = f->reason_sg_out;
		x->event.reason_sg_in = f->reason_sg_in;
	}
	return 0;
}

static __always_inline void event_emit(struct world *w, struct pass *x, __u32 kind, int watched)
{
	struct abi_port_stats *s;
	__u32 lab = 0;

	if ((watched || tokens_take(w, x->p.key.port, kind, x->now)) && world_emit(w, &x->event) == 0)
		return;
	s = map_get(w, port_stats, &x->p.key.port);
	if (s)
		s->events_lost++;
	s = map_get(w, port_stats, &lab);
	if (s)
		s->events_lost++;
}

static __always_inline int drop_is_same(const struct abi_drop *d, const struct pass *x)
{
	return d->gate == x->o.gate && d->reason == x->o.reason && d->rule == x->o.deny_rule &&
	       x->now - d->last_ns < DROP_FORGET_NS;
}

/* Counts a denied packet into its flow's and the event. 1: an event is due. */
PIECE drop_gather(struct world *w, struct pass *x)
{
	struct abi_drop *d;
	int due = 0;

	if (!x)
		return 0;
	d = map_get(w, drops, &x->p.key);
	if (!d) {
		__builtin_memset(&x->drop, 0, sizeof(x->drop));
		map_insert(w, drops, &x->p.key, &x->drop);
		d = map_get(w, drops, &x->p.key);
		if (!d) {
			x->event.count = x->p.segs;
			return 1;
		}
	}
	if (!d->packets || !drop_is_same(d, x)) {
		d->gate = x->o.gate;
		d->reason = x->o.reason;
		d->rule = x->o.deny_rule;
		d->first_ns = x->now;
		d->packets = 0;
		d->told_ns = 0;
	}
	atomic_add(&d->packets, (__u64)x->p.segs);
	d->last_ns = x->now;
	if (!d->told_ns || x->now - d->told_ns >= world_config(w)->drop_ns) {
		d->told_ns = x->now;
		due = 1;
	}
	x->event.count = d->packets;
	x->event.first_ns = d->first_ns;
	return due;
}

/* After a packet went the long way. */
PIECE pass_report(struct world *w, struct pass *x, int watched)
{
	__u32 kind = ABI_TELL_NEW;
	int due;

	if (!x || (x->o.allow && !x->o.fresh && !watched))
		return 0;
	event_fill(x, (x->o.allow ? 0 : ABI_EVENT_DENY) | (x->o.fresh ? ABI_EVENT_NEW : 0) |
			      (watched ? ABI_EVENT_WATCHED : 0));
	due = x->o.fresh;
	if (!x->o.allow) {
		due = drop_gather(w, x);
		kind = ABI_TELL_DENIED;
	}
	if (watched || (due && sample_picks(w, x->p.key.port, kind)))
		event_emit(w, x, kind, watched);
	return 0;
}

/* Packets of flows that are known: some, where somebody wants to see them. */
PIECE pass_sample(struct world *w, struct pass *x)
{
	if (!x || !x->o.allow || x->o.fresh || !sample_picks(w, x->p.key.port, ABI_TELL_ESTABLISHED))
		return 0;
	event_of(w, x, ABI_EVENT_SAMPLED);
	event_emit(w, x, ABI_TELL_ESTABLISHED, 0);
	return 0;
}

/* When its rules decided last: written where packets are judged, and a flow is judged anew every
 * ABI_TIMER_VALID, so it may be that much older than the last packet. */
static __always_inline void rule_touch(struct world *w, __u32 rule, __u64 now)
{
	__u64 *last;

	if (!rule)
		return;
	last = map_get(w, rule_last, &rule);
	if (last)
		*last = now;
}

PIECE rules_touch(struct world *w, struct pass *x)
{
	if (!x)
		return 0;
	rule_touch(w, x->o.rule[ABI_CACHED_SG_OUT], x->now);
	rule_touch(w, x->o.rule[ABI_CACHED_NACL_OUT], x->now);
	rule_touch(w, x->o.rule[ABI_CACHED_NACL_IN], x->now);
	rule_touch(w, x->o.rule[ABI_CACHED_SG_IN], x->now);
	if (!x->o.allow && (x->o.gate == ABI_GATE_NACL_OUT || x->o.gate == ABI_GATE_NACL_IN))
		rule_touch(w, x->o.deny_rule, x->now);
	return 0;
}
