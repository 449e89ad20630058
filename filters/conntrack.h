/* conntrack.h: connections as the interfaces of a VPC see them. Compiles for BPF and host.
 *
 * An entry belongs to one port (abi_flow_key: a flow as that port sends it) and holds
 *   - the port's own tracked state: its groups admitted the flow, outbound or inbound, by which rule;
 *   - the cached outcome of the packets the port sends, good for one policy epoch and a few seconds.
 * A packet S -> D therefore touches the entry of S only; the entry of D (the reverse key) is its twin.
 * Both ends of a tracked flow have one; liveness looks at the later of the two last packets.
 *
 * TCP state is derived, never stored: tx and rx are the flags seen from and to the port.
 *   seen                              state         timer
 *   RST either way                    closed        TCP_CLOSE
 *   FIN both ways                     time-wait     TCP_TIME_WAIT
 *   FIN one way                       fin-wait      TCP_FIN_WAIT
 *   ACK both ways                     established   TCP_ESTABLISHED
 *   anything less                     opening       TCP_SYN_SENT
 * A flow picked up in the middle is judged by the rules and becomes established (semantics 5.3). */
#pragma once
#include "filters/hot.h"

enum flow_state {
	FLOW_OPENING,
	FLOW_ESTABLISHED,
	FLOW_FIN_WAIT,
	FLOW_TIME_WAIT,
	FLOW_CLOSED,
	FLOW_SINGLE,
	FLOW_STREAM,
	FLOW_ICMP,
	FLOW_OTHER
};

/* The flow as the port at the other end sends it. */
static __always_inline void flow_key_reverse(const struct abi_flow_key *k, __u32 port, struct abi_flow_key *ret)
{
	__builtin_memset(ret, 0, sizeof(*ret));
	ret->port = port;
	ret->proto = k->proto;
	ret->family = k->family;
	ret->src = k->dst;
	ret->dst = k->src;
	if (k->proto == icmp_of(k->family)) {
		__builtin_memcpy(ret->sport, k->sport, 2);
		ret->dport[0] = icmp_type_reversed(k->proto, k->dport[0]);
		ret->dport[1] = k->dport[1];
	} else {
		__builtin_memcpy(ret->sport, k->dport, 2);
		__builtin_memcpy(ret->dport, k->sport, 2);
	}
}

/* The key of an entry's twin: the flow as the port it leads to sends it. */
static __always_inline void flow_key_twin(const struct abi_flow_key *k, const struct abi_flow *f,
					  struct abi_flow_key *ret)
{
	flow_key_reverse(k, f->peer, ret);
	if (f->flags & ABI_FLOW_SNAT)
		ret->dst = f->xaddr;
	if (f->flags & ABI_FLOW_DNAT)
		ret->src = f->xaddr;
}

static __always_inline enum flow_state flow_state_of(__u8 proto, __u8 tx, __u8 rx)
{
	if (proto == PKT_PROTO_TCP) {
		if ((tx | rx) & TCP_RST)
			return FLOW_CLOSED;
		if (tx & rx & TCP_FIN)
			return FLOW_TIME_WAIT;
		if ((tx | rx) & TCP_FIN)
			return FLOW_FIN_WAIT;
		return tx & rx & TCP_ACK ? FLOW_ESTABLISHED : FLOW_OPENING;
	}
	if (proto == PKT_PROTO_UDP)
		return tx & rx & ABI_SEEN_MORE ? FLOW_STREAM : FLOW_SINGLE;
	return proto == PKT_PROTO_ICMP || proto == PKT_PROTO_ICMP6 ? FLOW_ICMP : FLOW_OTHER;
}

/* A SYN on a connection that is closing begins another one: rules decide, and if they allow it, it takes the place. */
static __always_inline int flow_is_reused(const struct pkt *p, const struct abi_flow *f)
{
	enum flow_state s;

	if (p->key.proto != PKT_PROTO_TCP || (p->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN)
		return 0;
	s = flow_state_of(p->key.proto, f->tx, f->rx);
	return s == FLOW_TIME_WAIT || s == FLOW_CLOSED || s == FLOW_FIN_WAIT;
}

static __always_inline enum abi_timer flow_state_timer(enum flow_state s)
{
	switch (s) {
	case FLOW_OPENING: return ABI_TIMER_TCP_SYN_SENT;
	case FLOW_ESTABLISHED: return ABI_TIMER_TCP_ESTABLISHED;
	case FLOW_FIN_WAIT: return ABI_TIMER_TCP_FIN_WAIT;
	case FLOW_TIME_WAIT: return ABI_TIMER_TCP_TIME_WAIT;
	case FLOW_CLOSED: return ABI_TIMER_TCP_CLOSE;
	case FLOW_SINGLE: return ABI_TIMER_UDP;
	case FLOW_STREAM: return ABI_TIMER_UDP_STREAM;
	case FLOW_ICMP: return ABI_TIMER_ICMP;
	default: return ABI_TIMER_OTHER;
	}
}

/* How long a flow of a port may be idle: the port's own timer (semantics 5.3) or the lab's. port may be NULL. */
static __always_inline __u64 flow_timeout_ns(const struct abi_config *c, const struct abi_port *port, __u8 proto,
					     __u8 tx, __u8 rx)
{
	__u32 timer = flow_state_timer(flow_state_of(proto, tx, rx)), own_ms = 0;

	if (port && timer == ABI_TIMER_TCP_ESTABLISHED)
		own_ms = port->tcp_established_ms;
	else if (port && timer == ABI_TIMER_UDP)
		own_ms = port->udp_ms;
	else if (port && timer == ABI_TIMER_UDP_STREAM)
		own_ms = port->udp_stream_ms;
	if (own_ms)
		return own_ms * 1000000ull;
	return timer < ABI_TIMER_MAX ? c->timer_ns[timer] : 0;
}

/* Bits of a packet for tx and rx. */
static __always_inline __u8 flow_bits_of(const struct pkt *p, __u8 seen)
{
	if (p->frag == PKT_FRAG_LATER)
		return 0; /* part of a packet that was counted */
	if (p->key.proto == PKT_PROTO_TCP)
		return p->tcp_flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK);
	return seen & ABI_SEEN_ONE ? ABI_SEEN_MORE : ABI_SEEN_ONE;
}

static __always_inline struct abi_flow *flow_find(struct world *w, const struct abi_flow_key *k)
{
	struct abi_flow *f = map_get(w, flows, k);

	return f ? f : map_get(w, cache, k);
}

/* An entry as both ends have seen it. */
struct flow_life {
	__u64 seen_ns;
	__u8 tx, rx;
};

/* f: the entry of port. twin: the other end's entry or NULL; where its packets go elsewhere, it is no witness. */
static __always_inline void flow_life_of(__u32 port, const struct abi_flow *f, const struct abi_flow *twin,
					 struct flow_life *ret)
{
	ret->seen_ns = f->seen_ns > f->heard_ns ? f->seen_ns : f->heard_ns;
	ret->tx = f->tx;
	ret->rx = f->rx;
	if (!twin || twin->peer != port)
		return;
	if (twin->seen_ns > ret->seen_ns)
		ret->seen_ns = twin->seen_ns;
	/* a tracked end hears of everything; what an end without an entry of its own remembers may be of an older flow */
	if (f->flags & ABI_FLOW_TRACKED)
		return;
	ret->tx |= twin->rx;
	ret->rx |= twin->tx;
}

/* By what both entries say; twin may be NULL. */
PIECE flow_looks_idle(struct world *w, const struct abi_flow_key *k, const struct abi_flow *f,
		      const struct abi_flow *twin, __u64 now)
{
	const struct abi_port *port;
	struct flow_life life;

	if (!k || !f)
		return 1;
	port = map_get(w, ports, &k->port);
	flow_life_of(k->port, f, twin, &life);
	return now > life.seen_ns + flow_timeout_ns(world_config(w), port, k->proto, life.tx, life.rx);
}

/* Has the entry been idle for longer than its state allows at its port? twin: the other end's, of twin_key, or NULL. */
static __always_inline int flow_is_idle(struct world *w, const struct abi_flow_key *k, struct abi_flow *f,
					const struct abi_flow_key *twin_key, struct abi_flow *twin, __u64 now)
{
	if (!flow_looks_idle(w, k, f, twin, now))
		return 0;
	flow_settle(w, k, f, now);
	flow_settle(w, twin_key, twin, now);
	return flow_looks_idle(w, k, f, twin, now);
}

/* A place of a port is given back. What it has beyond its own came from the pool. */
PIECE port_ct_give(struct world *w, __u32 port)
{
	const __u32 pool = 0;
	__s64 *count = map_get(w, port_ct, &port), *taken = map_get(w, port_ct, &pool);

	if (count && taken && atomic_add(count, -1) > (__s64)world_config(w)->ct_own)
		atomic_add(taken, -1);
	return 0;
}

/* A place for one more tracked flow of a port: 0; or -1: it has its share, or has its own and the pool is empty. Each
 * step over what is its own takes from the pool and each step back gives, whoever else is at it meanwhile. */
PIECE port_ct_take(struct world *w, __u32 port)
{
	const struct abi_port *d = map_get(w, ports, &port);
	const struct abi_config *c = world_config(w);
	const __u32 pool = 0;
	__s64 *count = map_get(w, port_ct, &port), *taken = map_get(w, port_ct, &pool);
	__s64 had;
	int full;

	if (!d || !count || !taken)
		return -1;
	had = atomic_add(count, 1);
	full = had >= (__s64)d->ct_limit;
	if (had >= (__s64)c->ct_own && atomic_add(taken, 1) >= (__s64)c->ct_pool)
		full = 1;
	if (full)
		port_ct_give(w, port);
	return full ? -1 : 0;
}

/* Deletes a tracked entry and gives its place back. */
static __always_inline void flow_delete(struct world *w, const struct abi_flow_key *k)
{
	if (map_del(w, flows, k) == 0)
		port_ct_give(w, k->port);
	hot_distrust(w, k);
}

/* The same; the other end's entry (twin, or NULL) takes over what this one knew of the last packet. */
static __always_inline void flow_hand_over(struct world *w, const struct abi_flow_key *k, const struct abi_flow *f,
					   struct abi_flow *twin)
{
	if (twin && twin->heard_ns < f->seen_ns)
		twin->heard_ns = f->seen_ns;
	flow_delete(w, k);
}

/* The tracked entry of a key if it is alive; one that has been idle too long is deleted on the way. */
static __always_inline struct abi_flow *flow_find_alive(struct world *w, const struct abi_flow_key *k,
							const struct abi_flow_key *twin_key, __u64 now)
{
	struct abi_flow *f = map_get(w, flows, k), *twin;

	if (!f)
		return NULL;
	twin = flow_find(w, twin_key);
	if (!flow_is_idle(w, k, f, twin_key, twin, now))
		return f;
	flow_hand_over(w, k, f, twin);
	return NULL;
}
