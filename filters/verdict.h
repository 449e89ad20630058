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
static __always_inline int pass_is_same_hop(struct world *w, const struct pass *x, const struct abi_flow *f)
{
	const struct abi_port *s;

	if (x->p.to_port ? x->p.to_port == f->peer && !f->rule[ABI_CACHED_ROUTE] : f->rule[ABI_CACHED_ROUTE])
		return 1;
	s = map_get(w, ports, &x->p.key.port);
	return s && s->kind != ABI_PORT_ENI && s->kind != ABI_PORT_NAT;
}

/* Good for this packet as it stands? Then o comes from it. SYNs always go the long way. */
static __always_inline int pass_cached(struct world *w, struct pass *x)
{
	struct abi_flow *f, *twin;
	__u8 bits;

	if (x->p.icmp_error || (x->p.tcp_flags & TCP_SYN) || fragment_is_apart(w, &x->p))
		return 0;
	f = flow_find(w, &x->p.key);
	if (!f || f->epoch != x->epoch || x->now >= f->valid_ns || !pass_is_same_hop(w, x, f))
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
			f->valid_ns = 0; /* the next one is to be reported too */
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
		pass_report(w, x, 0);
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
