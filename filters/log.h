/* log.h: what flow logs count: packets, bytes and TCP flags of a flow with one outcome, exactly. Compiles for BPF and
 * host. Costs a test of one flag where there is no flow log.
 *
 * One entry serves both ends: what the sender's log says of it (it went out, or was rejected there) and what the log of
 * the end says (it came in, or was rejected there). model/flow_window.c makes records of it. */
#pragma once
#include "filters/pass.h"

static __always_inline int port_is_logged(struct world *w, __u32 port)
{
	const struct abi_port *d = map_get(w, ports, &port);

	return d && d->flags & ABI_PORT_LOGGED;
}

/* Denied before any interface's filters were asked: nobody's log has it. What is for the VPC's own services, and
 * what the interface may not send at all. */
static __always_inline int pass_is_never_logged(const struct pass *x)
{
	return !x->o.allow && (x->o.gate == ABI_GATE_PARSE || x->o.gate == ABI_GATE_SOURCE_CHECK ||
			       x->o.gate == ABI_GATE_SERVICE || x->o.gate == ABI_GATE_NONE);
}

static __always_inline __u32 log_flags_of(const struct pkt *p)
{
	__u32 flags;

	if (p->key.proto != PKT_PROTO_TCP || p->frag == PKT_FRAG_LATER)
		return 0;
	flags = p->tcp_flags & (TCP_FIN | TCP_SYN | TCP_RST);
	return flags & TCP_SYN ? flags | (p->tcp_flags & TCP_ACK) : flags;
}

/* The last gate of an end that asked its rules. */
static __always_inline __u32 log_rule(const struct outcome *o, int out)
{
	__u32 rule = out ? o->rule[ABI_CACHED_NACL_OUT] : o->rule[ABI_CACHED_SG_IN];

	if (rule)
		return rule;
	return out ? o->rule[ABI_CACHED_SG_OUT] : o->rule[ABI_CACHED_NACL_IN];
}

static __always_inline void log_init(struct pass *x)
{
	__builtin_memset(&x->log, 0, sizeof(x->log));
	x->log.first_ns = x->log.last_ns = x->now;
	x->log.rule_out = log_rule(&x->o, 1);
	x->log.rule_in = log_rule(&x->o, 0);
	if (x->o.gate == ABI_GATE_NACL_OUT)
		x->log.rule_out = x->o.deny_rule;
	else if (x->o.gate == ABI_GATE_NACL_IN)
		x->log.rule_in = x->o.deny_rule;
	x->log.peer = x->o.peer;
	x->log.dst = x->o.flags & ABI_FLOW_DNAT ? x->o.xaddr : x->p.key.dst;
}

static __always_inline void log_lose(struct world *w, __u32 port, __u64 packets)
{
	__u64 *lost = map_get(w, log_lost, &port);

	if (lost)
		atomic_add(lost, packets);
}

/* Adds the packet to its entry. The entry of a generation that has ended is not taken before every program that
 * read the number has finished (kern/datapath_log.c). */
PIECE log_add(struct world *w, struct pass *x)
{
	struct abi_log *log;
	__u32 flags;
	__u64 packets;

	if (!x)
		return 0;
	packets = x->p.segs;
	log = map_get(w, flow_log, &x->log_key);
	if (!log) {
		log_init(x);
		map_insert(w, flow_log, &x->log_key, &x->log); /* EEXIST: another CPU was quicker */
		log = map_get(w, flow_log, &x->log_key);
		if (!log) {
			log_lose(w, x->p.key.port, packets);
			if (x->log_key.end != x->p.key.port)
				log_lose(w, x->log_key.end, packets);
			return 0;
		}
	}
	atomic_add(&log->packets, packets);
	atomic_add(&log->bytes, x->p.len + (packets - 1) * x->p.headers);
	log->last_ns = x->now;
	flags = log_flags_of(&x->p);
	if (flags & ~log->tcp_flags)
		__sync_fetch_and_or(&log->tcp_flags, flags);
	return 0;
}

static __always_inline void pass_log(struct world *w, struct pass *x)
{
	const struct abi_config *c = world_config(w);
	__u32 end;

	if (!(c->flags & ABI_CONFIG_LOG) || pass_is_never_logged(x))
		return;
	end = x->o.allow ? x->o.peer : x->o.gate_port;
	if (!port_is_logged(w, x->p.key.port) && !port_is_logged(w, end))
		return;
	x->log_key.flow = x->p.key;
	x->log_key.generation = *(volatile const __u32 *)&c->log_generation;
	x->log_key.end = end;
	x->log_key.gate = x->o.allow ? 0 : x->o.gate;
	x->log_key.reason = x->o.allow ? 0 : x->o.reason;
	log_add(w, x);
}
