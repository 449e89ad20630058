/* verdict.h: what happens to one packet at one attachment point. Compiles for BPF and host.
 *
 * pass_packet() is the whole of it: the flow's entry if it is good, else judge() runs the gates and the
 * result is kept. It decides and counts; it moves and rewrites nothing. */
#pragma once
#include "filters/judge.h"
#include "filters/log.h"
#include "filters/remember.h"
#include "filters/report.h"
#include "filters/tell.h"

/* Was the entry made for a frame to the same MAC: to this neighbour, or to the router? Other ports than an
 * interface's do not look at it. */
static __always_inline int pass_is_same_hop(struct world *w, const struct pass *x, __u32 peer, __u32 route)
{
	const struct abi_port *s;

	if (x->p.to_port ? x->p.to_port == peer && !route : route)
		return 1;
	s = map_get(w, ports, &x->p.key.port);
	return s && s->kind != ABI_PORT_ENI && s->kind != ABI_PORT_NAT;
}

/* The flow's set at this processor; NULL: it can have none. */
static __always_inline struct abi_hot_set *hot_of(struct world *w, struct pass *x)
{
	const struct abi_config *c = world_config(w);
	__u32 cpu = world_cpu(w);

	if (x->p.key.family != 4 || cpu >= c->hot_cpus)
		return NULL;
	x->hot_at = cpu * c->hot_sets + hot_set_of(c, &x->p.key);
	return map_get(w, hot, &x->hot_at);
}

/* The flow's copy; NULL: it has none. */
static __always_inline struct abi_hot *hot_find(struct pass *x, struct abi_hot_set *s)
{
	for (__u32 i = 0; s && i < ABI_HOT_WAYS; i++)
		if (hot_is_of(&s->way[i], &x->p.key))
			return &s->way[i];
	return NULL;
}

static __always_inline int hot_is_good(const struct pass *x, const struct abi_hot *h)
{
	return h->epoch == x->epoch && (__s32)(h->until - (__u32)(x->now >> HOT_UNTIL_SHIFT)) > 0;
}

/* Is the copy good for this packet as it stands? Then o comes from it. */
static __always_inline int pass_hot(struct world *w, struct pass *x, struct abi_hot *h)
{
	const __u32 at = world_cpu(w) * ABI_HOT_OUTCOMES + h->outcome;
	const struct abi_hot_outcome *o;

	if (!hot_is_good(x, h) || flow_bits_of(&x->p, h->tx) & ~h->tx)
		return 0;
	o = map_get(w, hot_outcomes, &at);
	if (!o || !pass_is_same_hop(w, x, o->peer, o->rule[ABI_CACHED_ROUTE]))
		return 0;
	h->seen = (__u32)x->now;
	x->o.path = ABI_PATH_CACHED;
	x->o.allow = 1;
	x->o.peer = o->peer;
	__builtin_memcpy(x->o.rule, o->rule, sizeof(o->rule));
	x->o.mtu = o->mtu;
	return 1;
}

/* The flow that has the place is told of its last packet before it loses it. */
PIECE hot_clear(struct world *w, struct pass *x, struct abi_hot *h)
{
	struct abi_flow *f;

	if (!x || !h)
		return 0;
	__builtin_memset(&x->related, 0, sizeof(x->related));
	x->related.port = h->port;
	x->related.proto = h->proto;
	x->related.family = 4;
	__builtin_memcpy(x->related.sport, &h->ports, 4);
	x->related.src.b[10] = x->related.src.b[11] = x->related.dst.b[10] = x->related.dst.b[11] = 0xff;
	__builtin_memcpy(x->related.src.b + 12, &h->src, 4);
	__builtin_memcpy(x->related.dst.b + 12, &h->dst, 4);
	f = flow_find(w, &x->related);
	if (f)
		hot_tell(h, f, x->now);
	h->port = 0;
	return 0;
}

/* A place for a flow without a good copy; NULL: others use them all. */
static __always_inline struct abi_hot *hot_place(struct pass *x, struct abi_hot_set *s)
{
	struct abi_hot *own = hot_find(x, s);

	if (own)
		return own;
	for (__u32 i = 0; i < ABI_HOT_WAYS; i++)
		if (!s->way[i].port || !hot_is_good(x, &s->way[i]))
			return &s->way[i];
	return NULL;
}

static __always_inline int outcome_is_of(const struct abi_hot_outcome *o, const struct abi_flow *f)
{
	__u32 other = (f->peer ^ o->peer) | (f->mtu ^ o->mtu);

	for (__u32 i = 0; i < ABI_CACHED_MAX; i++)
		other |= f->rule[i] ^ o->rule[i];
	return !other;
}

static __always_inline int hot_says_so(const struct abi_hot *h, const struct abi_hot_outcome *o,
				       const struct abi_flow *f)
{
	return outcome_is_of(o, f) && f->epoch == h->epoch && f->tx == h->tx &&
	       (__u32)(f->valid_ns >> HOT_UNTIL_SHIFT) == h->until;
}

/* This processor's record of what the entry says, made if there is none; *ret is its number. NULL: no room. One of an epoch
 * that is over belongs to nobody. */
static __always_inline struct abi_hot_outcome *hot_outcome(struct world *w, const struct pass *x,
							   const struct abi_flow *f, __u32 *ret)
{
	struct abi_hot_outcome *o;
	__u32 hash = f->peer, at;

	for (__u32 i = 0; i < ABI_CACHED_MAX; i++)
		hash = (hash ^ f->rule[i]) * 0x9e3779b1u;
	hash ^= hash >> 15;
	for (__u32 i = 0; i < HOT_OUTCOME_TRIES; i++) {
		*ret = (hash + i) & (ABI_HOT_OUTCOMES - 1);
		at = world_cpu(w) * ABI_HOT_OUTCOMES + *ret;
		o = map_get(w, hot_outcomes, &at);
		if (!o)
			return NULL;
		if (o->epoch == x->epoch && outcome_is_of(o, f))
			return o;
		if (o->epoch == x->epoch)
			continue;
		o->peer = f->peer;
		__builtin_memcpy(o->rule, f->rule, sizeof(f->rule));
		o->mtu = f->mtu;
		o->epoch = x->epoch;
		return o;
	}
	return NULL;
}

/* What the flow's entry says, to a place of this processor's. */
PIECE hot_copy(struct world *w, struct pass *x)
{
	const __u32 bit = 1u << (world_cpu(w) % ABI_HOT_CPUS_MAX);
	const struct abi_hot_outcome *o;
	struct abi_hot_set *s;
	struct abi_flow *f;
	struct abi_hot *h;
	__u32 set, outcome, *holders;

	if (!x)
		return 0;
	set = hot_set_of(world_config(w), &x->p.key);
	holders = map_get(w, hot_holders, &set);
	s = map_get(w, hot, &x->hot_at);
	f = flow_find(w, &x->p.key);
	if (!s || !f || !holders)
		return 0;
	h = hot_place(x, s);
	o = hot_outcome(w, x, f, &outcome);
	if (!h || !o)
		return 0;
	if (h->port && !hot_is_of(h, &x->p.key))
		hot_clear(w, x, h);
	if (!(*holders & bit))
		__sync_fetch_and_or(holders, bit);
	h->port = x->p.key.port;
	h->src = addr_v4_word(&x->p.key.src);
	h->dst = addr_v4_word(&x->p.key.dst);
	h->ports = ports_word(&x->p.key);
	h->proto = x->p.key.proto;
	h->until = (__u32)(f->valid_ns >> HOT_UNTIL_SHIFT);
	h->seen = (__u32)x->now;
	h->outcome = (__u16)outcome;
	h->tx = f->tx;
	__sync_lock_test_and_set(&h->epoch, x->epoch); /* before the entry is looked at again, on every machine */
	f = flow_find(w, &x->p.key);
	if (!f || !hot_says_so(h, o, f))
		h->epoch = 0;
	return 0;
}

/* Good for this packet as it stands? Then o comes from it. SYNs always go the long way. */
static __always_inline int pass_cached(struct world *w, struct pass *x)
{
	struct abi_flow *f, *twin;
	struct abi_hot_set *set;
	struct abi_hot *h;
	__u8 bits;

	if (x->p.icmp_error || (x->p.tcp_flags & TCP_SYN) || fragment_is_apart(w, &x->p))
		return 0;
	if (x->p.frag && x->p.key.proto != PKT_PROTO_UDP)
		return 0; /* a NAT gateway takes whole packets of it and no pieces */
	set = hot_of(w, x);
	h = hot_find(x, set);
	if (h && pass_hot(w, x, h))
		return 1;
	f = flow_find(w, &x->p.key);
	if (!f || f->epoch != x->epoch || x->now >= f->valid_ns ||
	    !pass_is_same_hop(w, x, f->peer, f->rule[ABI_CACHED_ROUTE]))
		return 0;
	bits = flow_bits_of(&x->p, f->tx);
	if (bits & ~f->tx) {
		f->tx |= bits;
		flow_key_twin(&x->p.key, f, &x->twin);
		twin = map_get(w, flows, &x->twin);
		if (twin)
			twin->rx |= bits;
	}
	f->seen_ns = x->now;
	x->o.path = ABI_PATH_CACHED;
	x->o.allow = 1;
	x->o.peer = f->peer;
	__builtin_memcpy(x->o.rule, f->rule, sizeof(f->rule));
	x->o.mtu = f->mtu;
	x->o.flags = f->flags & (ABI_FLOW_SNAT | ABI_FLOW_DNAT);
	if (x->o.flags)
		x->o.xaddr = f->xaddr;
	else if (set && x->now - f->created_ns >= HOT_SETTLED_NS)
		hot_copy(w, x);
	return 1;
}

/* The long way. */
PIECE pass_full(struct world *w, struct pass *x)
{
	struct abi_flow *f;
	int watched;

	if (!x)
		return 0;
	x->dst = x->p.key.dst;
	x->o.path = ABI_PATH_FULL;
	x->o.reason = x->o.reason_sg_out = x->o.reason_sg_in = ABI_REASON_ACCEPT;
	x->o.allow = 1;
	if (judge(w, x))
		flow_update(w, x);
	rules_touch(w, x);
	watched = flow_is_watched(w, x);
	if (watched) {
		f = flow_find(w, &x->p.key);
		if (f)
			flow_distrust(w, &x->p.key, f); /* the next one is to be reported too */
	}
	return pass_report(w, x, watched);
}

static __always_inline int port_has_ipv6(struct world *w, __u32 port)
{
	const struct abi_port *s = map_get(w, ports, &port);

	return s && s->flags & ABI_PORT_IPV6;
}

/* The entry point. x->p was parsed, the rest of x is zero. reason: packet_parse's answer. After it
 * x->o is complete and everything is counted. */
static __always_inline void pass_packet(struct world *w, struct pass *x, enum abi_reason reason)
{
	x->now = world_now(w);
	x->epoch = *(volatile __u32 *)&world_config(w)
			    ->epoch; /* before anything is judged: a change meanwhile makes the entry stale */
	if (x->p.key.family == 6 && !port_has_ipv6(w, x->p.key.port))
		reason = ABI_REASON_IPV6_NOT_SUPPORTED;
	else if (reason == ABI_REASON_NONE && x->p.kind == PKT_ND)
		reason = ABI_REASON_BROADCAST; /* the router answers it; it reaches nobody else */
	if (reason == ABI_REASON_NONE && x->p.frag == PKT_FRAG_LATER)
		reason = (enum abi_reason)frag_resolve(w, x);
	if (reason != ABI_REASON_NONE) {
		x->o.path = ABI_PATH_FULL;
		outcome_deny(&x->o, ABI_GATE_PARSE, reason, x->p.key.port, 0);
		pass_report(w, x, flow_is_watched(w, x));
	} else if (!pass_cached(w, x)) {
		pass_full(w, x);
		if (x->o.allow && x->p.frag == PKT_FRAG_FIRST)
			frag_remember(w, x);
	} else if (x->p.frag == PKT_FRAG_FIRST) {
		frag_remember(w, x);
	}
	pass_count(w, x);
	pass_log(w, x);
}
