/* report.h: counters, exactly once a packet. Compiles for BPF and host. */
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
