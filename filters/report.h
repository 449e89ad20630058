/* report.h: counters, exactly once a packet, and verdict events. Compiles for BPF and host. */
#pragma once
#include "filters/pass.h"

static __always_inline void rule_count(struct world *w, __u32 rule, __u64 packets, __u64 bytes)
{
	struct abi_counter *c;

	if (!rule)
		return;
	c = map_get(w, rule_hits, &rule);
	if (c) {
		c->packets += packets;
		c->bytes += bytes;
	}
}

PIECE denial_count(struct world *w, struct pass *x, __u64 packets, __u64 bytes)
{
	struct abi_gate_key gate;
	struct abi_port_stats *s;
	struct abi_counter *c, first = { packets, bytes };

	if (!x)
		return 0;
	gate = (struct abi_gate_key){ x->o.gate_port, x->o.gate, x->o.reason, 0 };
	s = map_get(w, port_stats, &x->p.key.port);
	if (s) {
		s->denied += packets;
		if (x->o.gate == ABI_GATE_CONNTRACK)
			s->ct_full += packets;
	}
	if (x->o.gate == ABI_GATE_NACL_OUT || x->o.gate == ABI_GATE_NACL_IN)
		rule_count(w, x->o.deny_rule, packets, bytes);
	c = map_get(w, gate_hits, &gate);
	if (c) {
		c->packets += packets;
		c->bytes += bytes;
	} else {
		map_put(w, gate_hits, &gate, &first);
	}
	return 0;
}

static __always_inline void pass_count(struct world *w, struct pass *x)
{
	__u64 packets = x->p.segs, bytes = x->p.len + (__u64)(x->p.segs - 1) * x->p.headers;
	struct abi_port_stats *s = map_get(w, port_stats, &x->p.key.port), *d;
	__u32 route = x->o.rule[ABI_CACHED_ROUTE];
	struct abi_counter *c;

	if (route) {
		c = map_get(w, route_hits, &route);
		if (c) {
			c->packets += packets;
			c->bytes += bytes;
		}
	}
	rule_count(w, x->o.rule[ABI_CACHED_SG_OUT], packets, bytes);
	rule_count(w, x->o.rule[ABI_CACHED_NACL_OUT], packets, bytes);
	rule_count(w, x->o.rule[ABI_CACHED_NACL_IN], packets, bytes);
	rule_count(w, x->o.rule[ABI_CACHED_SG_IN], packets, bytes);
	if (s)
		s->path[x->o.path == ABI_PATH_CACHED ? ABI_PATH_CACHED : ABI_PATH_FULL] += packets;
	if (x->o.allow) {
		if (s) {
			s->tx_packets += packets;
			s->tx_bytes += bytes;
		}
		d = map_get(w, port_stats, &x->o.peer);
		if (d) {
			d->rx_packets += packets;
			d->rx_bytes += bytes;
		}
		return;
	}
	denial_count(w, x, packets, bytes);
}

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
	return watch && x->now < watch->until_ns;
}

/* One token for one event of a port. */
static __always_inline int bucket_take(struct world *w, __u32 port, __u64 now)
{
	const struct abi_config *c = world_config(w);
	struct abi_bucket *b = map_get(w, buckets, &port);
	__u64 fresh;

	if (!b)
		return 0;
	fresh = c->event_ns && now > b->refilled_ns ? (now - b->refilled_ns) / c->event_ns : 0;
	if (fresh) {
		b->tokens = b->tokens + fresh > c->event_burst ? c->event_burst : b->tokens + fresh;
		b->refilled_ns = now;
	}
	if (!b->tokens)
		return 0;
	b->tokens--;
	return 1;
}

static __always_inline void event_fill(struct pass *x, __u8 flags)
{
	struct abi_event *e = &x->event;

	__builtin_memset(e, 0, sizeof(*e));
	e->time_ns = x->now;
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

PIECE pass_report(struct world *w, struct pass *x, int watched)
{
	struct abi_port_stats *s;
	__u8 flags;

	if (!x)
		return 0;
	flags = (x->o.allow ? 0 : ABI_EVENT_DENY) | (x->o.fresh ? ABI_EVENT_NEW : 0) |
		(watched ? ABI_EVENT_WATCHED : 0);
	if (!flags)
		return 0;
	event_fill(x, flags);
	if ((watched || bucket_take(w, x->p.key.port, x->now)) && world_emit(w, &x->event) == 0)
		return 0;
	s = map_get(w, port_stats, &x->p.key.port);
	if (s)
		s->events_lost++;
	return 0;
}
