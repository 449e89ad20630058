/* judge.h: the gates. judge() takes one packet through them in AWS's order (semantics 8) and says what
 * becomes of it; it changes no state. Compiles for BPF and host.
 *
 *   source-check  service  sg-out  nacl-out  route  igw|nat  nacl-in  dest-check  sg-in
 *
 * The next hop is looked up before sg-out, because NACLs apply if and only if its subnet differs from
 * the sender's and group references need to know the neighbour; a denial is still reported in AWS's order. */
#pragma once
#include "filters/pass.h"

enum { DHCP_SERVER = 67, DHCP_CLIENT = 68, DHCP6_CLIENT = 546, DHCP6_SERVER = 547 };

/* ---- small questions about addresses ---- */

static __always_inline int addr_is_v4(const struct abi_addr *a)
{
	const __u32 *w = (const __u32 *)a->b;

	return !(w[0] | w[1]) && !(a->b[8] | a->b[9]) && a->b[10] == 0xff && a->b[11] == 0xff;
}

static __always_inline int addr_is_rfc1918(const struct abi_addr *a)
{
	const __u8 *b = a->b + 12;

	return addr_is_v4(a) && (b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) || (b[0] == 192 && b[1] == 168));
}

static __always_inline int addr_is_rfc6598(const struct abi_addr *a)
{
	return addr_is_v4(a) && a->b[12] == 100 && (a->b[13] & 0xc0) == 64;
}

/* Where the VPC's own services are: 169.254/16; fe80::/10 and fd00:ec2::/32. */
static __always_inline int addr_is_link_local(const struct abi_addr *a)
{
	if (addr_is_v4(a))
		return a->b[12] == 169 && a->b[13] == 254;
	return (a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80) ||
	       (a->b[0] == 0xfd && a->b[1] == 0 && a->b[2] == 0x0e && a->b[3] == 0xc2);
}

/* Multicast, limited broadcast, "this network", loopback. */
static __always_inline int addr_is_no_destination(const struct abi_addr *a)
{
	const __u32 *w = (const __u32 *)a->b;

	if (addr_is_v4(a))
		return a->b[12] >= 224 || a->b[12] == 0 || a->b[12] == 127;
	return a->b[0] == 0xff || (!(w[0] | w[1] | w[2]) && !(a->b[12] | a->b[13] | a->b[14]) && a->b[15] <= 1);
}

static __always_inline int packet_is_dhcp_answer(const struct pkt *p)
{
	const __u16 sport = read_be16(p->key.sport), dport = read_be16(p->key.dport);

	if (p->key.proto != PKT_PROTO_UDP)
		return 0;
	return p->key.family == 4 ? sport == DHCP_SERVER && dport == DHCP_CLIENT
				  : sport == DHCP6_SERVER && dport == DHCP6_CLIENT;
}

static __always_inline const struct abi_addr_val *addr_owner(struct world *w, struct pass *x, __u32 vpc,
							     const struct abi_addr *a)
{
	x->owned.vpc = vpc;
	x->owned.addr = *a;
	return map_get(w, addrs, &x->owned);
}

static __always_inline const struct abi_inet *inet_find(struct world *w, struct pass *x, const struct abi_addr *a)
{
	x->lpm.prefixlen = ABI_LPM_TABLE_BITS + 128;
	x->lpm.table_hi = x->lpm.table_lo = 0;
	x->lpm.addr = *a;
	return map_get(w, inet, &x->lpm);
}

static __always_inline const struct abi_route *route_find(struct world *w, struct pass *x, __u32 family, __u32 table,
							  const struct abi_addr *a)
{
	x->lpm.prefixlen = ABI_LPM_TABLE_BITS + 128;
	x->lpm.table_hi = family;
	x->lpm.table_lo = table;
	x->lpm.addr = *a;
	return map_get(w, routes, &x->lpm);
}

static __always_inline int vpc_contains(struct world *w, struct pass *x, __u32 vpc, const struct abi_addr *a)
{
	return route_find(w, x, ABI_TABLE_VPC, vpc, a) != NULL;
}

static __always_inline int inet_is_public(struct world *w, struct pass *x, const struct abi_addr *a)
{
	const struct abi_inet *to = inet_find(w, x, a);

	return to && to->kind == ABI_INET_PUBLIC;
}

/* ---- one gate ---- */

static __always_inline int outcome_deny(struct outcome *o, __u16 gate, __u16 reason, __u32 gate_port, __u32 rule)
{
	o->allow = 0;
	o->gate = gate;
	o->reason = reason;
	o->gate_port = gate_port;
	o->deny_rule = rule;
	return 0;
}

/* members: the peer's group set if it is known. */
static __always_inline void query_set(struct pass *x, int out, __u32 members)
{
	x->q.key.addr = out ? x->dst : x->p.key.src;
	x->q.members = members;
	x->q.family = x->p.key.family;
	x->q.proto = x->p.key.proto;
	x->q.port[0] = x->p.key.dport[0];
	x->q.port[1] = x->p.key.dport[1];
}

/* The slot that judges this packet at a port's NACL: strict labs show later fragments only the rules without ports. */
static __always_inline __u32 nacl_slot(const struct pass *x, const struct abi_port *port)
{
	return x->p.frag == PKT_FRAG_LATER && port->nacl_fragments ? port->nacl_fragments : port->nacl_policy;
}

/* One direction of a NACL. 1: passes; 0: denied, o says so. */
PIECE judge_nacl(struct world *w, struct pass *x, __u32 slot, int out, __u32 gate_port)
{
	const struct abi_policy *policy = map_get(w, policies, &slot);
	const struct abi_ruleset *rs;
	int found;
	__u16 gate = out ? ABI_GATE_NACL_OUT : ABI_GATE_NACL_IN;

	if (!x)
		return 0;
	if (!slot || !policy)
		return outcome_deny(&x->o, gate, ABI_REASON_SUBNET_ACL_RESTRICTION, gate_port, 0);
	rs = out ? &policy->out : &policy->in;
	query_set(x, out, 0);
	found = ruleset_match(w, rs, ABI_TABLE_OF(slot, out), &x->q);
	if (!found || !x->q.m.allow)
		return outcome_deny(&x->o, gate, ABI_REASON_SUBNET_ACL_RESTRICTION, gate_port,
				    found ? x->q.m.rule : rs->star);
	x->o.rule[out ? ABI_CACHED_NACL_OUT : ABI_CACHED_NACL_IN] = x->q.m.rule;
	return 1;
}

/* A flow is tracked or not from its beginning on, whatever becomes of the rules meanwhile (semantics 5.3, 19): the
 * interface has sent of this one, not long ago, and has no entry. */
static __always_inline int is_known_untracked(struct world *w, struct pass *x, int out)
{
	const struct abi_flow_key *own = out ? &x->p.key : &x->twin;
	struct abi_flow *f = map_get(w, cache, own);
	__u8 life = x->p.key.proto == PKT_PROTO_TCP ? TCP_ACK : ABI_SEEN_MORE;
	const __u32 port = own->port;

	if (!f || !f->seen_ns)
		return 0;
	flow_settle(w, own, f, x->now);
	return x->now <=
	       f->seen_ns + flow_timeout_ns(world_config(w), map_get(w, ports, &port), x->p.key.proto, life, life);
}

/* May it be of an untracked flow that was opened from the other side: a rule there is for everybody, and one here lets
 * out, or in, all answers (semantics 5.3)? */
static __always_inline int is_free_answer(struct world *w, struct pass *x, const struct abi_policy *policy, __u32 slot,
					  int out)
{
	const struct abi_ruleset *other = out ? &policy->in : &policy->out;

	return answers_are_free(other, &x->q) && ruleset_opens(w, other, ABI_TABLE_OF(slot, !out), &x->q,
							       (__u32)x->p.key.sport[0] << 8 | x->p.key.sport[1]);
}

/* Is the packet, which a rule lets pass, in the middle of a flow that needs no entry? x->twin is the flow as the
 * receiver sends it when this is the way in. */
PIECE is_untracked(struct world *w, struct pass *x, __u32 slot, int out)
{
	const struct abi_policy *policy = map_get(w, policies, &slot);

	if (!x || !policy || (x->p.key.proto != PKT_PROTO_TCP && x->p.key.proto != PKT_PROTO_UDP))
		return 0;
	if (x->p.key.proto == PKT_PROTO_TCP && x->p.frag != PKT_FRAG_LATER &&
	    (x->p.tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
		return 0; /* surely its first one */
	return is_free_answer(w, x, policy, slot, out) || is_known_untracked(w, x, out);
}

/* One direction of an interface's groups, for a flow without state; x->q is set. Says whether the flow
 * needs an entry at this end. */
PIECE judge_groups(struct world *w, struct pass *x, __u32 slot, int out, __u32 gate_port)
{
	const struct abi_policy *policy = map_get(w, policies, &slot);
	const struct abi_ruleset *rs;
	__u16 gate = out ? ABI_GATE_SG_OUT : ABI_GATE_SG_IN, reason = ABI_REASON_ENI_SG_RULES_MISMATCH;
	__u8 track;

	if (!x)
		return 0;
	if (!policy)
		return outcome_deny(&x->o, gate, ABI_REASON_SG_HAS_NO_RULES, gate_port, 0);
	rs = out ? &policy->out : &policy->in;
	if (!ruleset_match(w, rs, ABI_TABLE_OF(slot, out), &x->q)) {
		if (rs->flags & ABI_RULESET_EMPTY)
			reason = ABI_REASON_SG_HAS_NO_RULES;
		else if (rs->flags & ABI_RULESET_GROUPS && x->lost)
			reason = ABI_REASON_SG_REFERENCES_NOT_PRESERVED;
		return outcome_deny(&x->o, gate, reason, gate_port, 0);
	}
	track = !x->q.m.untracked && !is_untracked(w, x, slot, out);
	if (out) {
		x->o.rule[ABI_CACHED_SG_OUT] = x->q.m.rule;
		x->o.track_src = track;
	} else {
		x->o.rule[ABI_CACHED_SG_IN] = x->q.m.rule;
		x->o.track_dst = track;
	}
	return 1;
}

static __always_inline void accept_tracked(struct outcome *o, int out, __u32 rule, __u16 reason)
{
	if (out) {
		o->rule[ABI_CACHED_SG_OUT] = rule;
		o->reason_sg_out = reason;
	} else {
		o->rule[ABI_CACHED_SG_IN] = rule;
		o->reason_sg_in = reason;
	}
}

/* The sender's own tracked entry, alive, or NULL. */
static __always_inline struct abi_flow *own_entry(struct world *w, struct pass *x)
{
	struct abi_flow *f = map_get(w, flows, &x->p.key);

	if (!f)
		return NULL;
	flow_key_twin(&x->p.key, f, &x->twin);
	f = flow_find_alive(w, &x->p.key, &x->twin, x->now);
	return f && flow_is_reused(&x->p, f) ? NULL : f;
}

/* The receiver's tracked entry of this flow, alive, or NULL. */
static __always_inline struct abi_flow *twin_entry(struct world *w, struct pass *x, __u32 port)
{
	struct abi_flow *f;

	flow_key_reverse(&x->p.key, port, &x->twin);
	x->twin.src = x->dst;
	f = flow_find_alive(w, &x->twin, &x->p.key, x->now);
	return f && flow_is_reused(&x->p, f) ? NULL : f;
}

/* Is an ICMP error about a live tracked flow of this port? Its rule number, or ~0. out: the port sends it. */
PIECE related_rule(struct world *w, struct pass *x, __u32 port, int out)
{
	const struct abi_flow *f;

	if (!x || !x->p.icmp_error || world_config(w)->flags & ABI_CONFIG_STRICT_ICMP)
		return ~0u;
	if (out) {
		flow_key_reverse(&x->p.inner, port, &x->related);
	} else {
		x->related = x->p.inner;
		x->related.port = port;
		if (x->o.flags & ABI_FLOW_DNAT)
			x->related.src = x->o.xaddr;
	}
	/* it tells who has sent the quoted packet, and nobody else */
	if (out ? !addr_eq(&x->dst, &x->p.inner.src) : !addr_eq(&x->dst, &x->related.src))
		return ~0u;
	f = map_get(w, flows, &x->related);
	if (!f)
		return ~0u;
	flow_key_twin(&x->related, f, &x->twin);
	f = flow_find_alive(w, &x->related, &x->twin, x->now);
	return f ? f->own_rule : ~0u;
}

/* ---- arrival: the gates on the receiver's side ---- */

/* Is it of a TCP connection that came in another way, or does it only answer or report, from who has opened nothing? The
 * gateway has not seen the request, and carries none of it. ICMP errors: the gateway knows what they are about. */
static __always_inline int nat_never_asked(struct world *w, struct pass *x)
{
	const struct abi_flow *own;
	const __u8 type = x->p.key.dport[0], flags = x->p.tcp_flags;

	if (x->p.key.proto == PKT_PROTO_ICMP)
		return !x->p.icmp_error && type != 8 && type != 13 && type != 15 && type != 17;
	if (x->p.key.proto != PKT_PROTO_TCP)
		return 0;
	own = map_get(w, flows, &x->p.key);
	if (own) {
		flow_key_twin(&x->p.key, own, &x->related);
		own = flow_find_alive(w, &x->p.key, &x->related, x->now);
	}
	if (own && !flow_is_reused(&x->p, own))
		return own->flags & ABI_FLOW_INBOUND;
	return flags & TCP_RST || (flags & TCP_SYN && flags & TCP_ACK);
}

static __always_inline int judge_arrival_nat(struct world *w, struct pass *x, const struct abi_flow *twin)
{
	const struct abi_addr_val *owner;
	const struct abi_port *d = map_get(w, ports, &x->o.peer);
	__u8 proto = x->p.key.proto;

	if (!d)
		return outcome_deny(&x->o, ABI_GATE_NAT, ABI_REASON_PORT_DOWN, x->o.peer, 0);
	if ((proto != PKT_PROTO_TCP && proto != PKT_PROTO_UDP && proto != PKT_PROTO_ICMP) ||
	    (x->p.frag && proto != PKT_PROTO_UDP))
		return outcome_deny(&x->o, ABI_GATE_NAT, ABI_REASON_PROTOCOL_RESTRICTION, x->o.peer, 0);
	owner = addr_owner(w, x, d->vpc, &x->dst);
	if (!owner || owner->port != x->o.peer) { /* on its way out through the gateway */
		owner = addr_owner(w, x, d->vpc, &x->p.key.src);
		if (!owner || !owner->port)
			return outcome_deny(&x->o, ABI_GATE_NAT, ABI_REASON_NGW_REQUIRES_SOURCE_IN_VPC, x->o.peer, 0);
		if (nat_never_asked(w, x))
			return outcome_deny(&x->o, ABI_GATE_NAT, ABI_REASON_NGW_SOURCE_ADDRESS_REASSIGN, x->o.peer, 0);
		return 1;
	}
	if (twin)
		return 1; /* an answer to something the gateway sent */
	if ((__u32)related_rule(w, x, x->o.peer, 0) != ~0u)
		return 1;
	return outcome_deny(&x->o, ABI_GATE_NAT, ABI_REASON_NGW_SOURCE_ADDRESS_REASSIGN, x->o.peer, 0);
}

/* nacl-in, dest-check, nat or sg-in at the port o.peer. members: the sender's group set when it is
 * the packet's own source and a direct neighbour. */
PIECE judge_arrival(struct world *w, struct pass *x, int crossing, __u32 members, int owns_dst)
{
	const struct abi_port *d;
	const struct abi_flow *twin;
	__u32 rule;

	if (!x)
		return 0;
	d = map_get(w, ports, &x->o.peer);
	if (!d || (d->kind != ABI_PORT_ENI && d->kind != ABI_PORT_NAT))
		return outcome_deny(&x->o, ABI_GATE_ROUTE, ABI_REASON_PORT_DOWN, x->p.key.port,
				    x->o.rule[ABI_CACHED_ROUTE]);
	x->o.mtu = d->mtu;
	if (crossing && !judge_nacl(w, x, nacl_slot(x, d), 0, x->o.peer))
		return 0;
	if (d->flags & ABI_PORT_SOURCE_DEST_CHECK && !owns_dst)
		return outcome_deny(&x->o, ABI_GATE_DEST_CHECK, ABI_REASON_ENI_SOURCE_DEST_CHECK_RESTRICTION, x->o.peer,
				    0);
	twin = twin_entry(w, x, x->o.peer);
	if (d->kind == ABI_PORT_NAT)
		return judge_arrival_nat(w, x, twin);
	if (!d->sg_policy)
		return 1;
	if (twin) {
		accept_tracked(&x->o, 0, twin->own_rule, ABI_REASON_TRACKED);
		return 1;
	}
	rule = related_rule(w, x, x->o.peer, 0);
	if (rule != ~0u) {
		accept_tracked(&x->o, 0, rule, ABI_REASON_RELATED);
		return 1;
	}
	query_set(x, 0, members);
	x->lost = !members && (addr_owner(w, x, d->vpc, &x->p.key.src) || inet_is_public(w, x, &x->p.key.src));
	return judge_groups(w, x, d->sg_policy, 0, x->o.peer);
}

/* ---- departure ---- */

struct next_hop {
	__u16 gate, reason; /* why there is none; gate NONE: there is one */
	__u32 route;
	__u8 is_igw;
};

/* Who gets it next: sets o.peer. owner: of x->dst, or NULL. A frame for a neighbour's MAC bypasses the tables. */
PIECE next_hop_find(struct world *w, struct pass *x, const struct abi_port *s, const struct abi_addr_val *owner,
		    struct next_hop *ret)
{
	const struct abi_port *d;
	const struct abi_route *r;

	if (!x || !s || !ret)
		return 0;
	ret->gate = ABI_GATE_NONE;
	ret->reason = ABI_REASON_ACCEPT;
	ret->route = 0;
	ret->is_igw = 0;
	if (x->p.to_port) {
		d = map_get(w, ports, &x->p.to_port);
		if (d && d->kind && d->subnet == s->subnet && d->vpc == s->vpc && x->p.to_port != x->p.key.port) {
			x->o.peer = x->p.to_port;
			return 0;
		}
		ret->gate = ABI_GATE_ROUTE;
		ret->reason = ABI_REASON_NO_POSSIBLE_DESTINATION;
		return 0;
	}
	r = route_find(w, x, ABI_TABLE_ROUTES, s->route_table, &x->dst);
	if (!r) {
		ret->gate = ABI_GATE_ROUTE;
		ret->reason = ABI_REASON_NO_ROUTE_TO_DESTINATION;
		return 0;
	}
	ret->route = r->route;
	if (r->kind == ABI_ROUTE_LOCAL && owner)
		x->o.peer = owner->port;
	else if (r->kind == ABI_ROUTE_PORT || r->kind == ABI_ROUTE_IGW)
		x->o.peer = r->port;
	ret->is_igw = r->kind == ABI_ROUTE_IGW;
	if (x->o.peer && x->o.peer != x->p.key.port)
		return 0;
	x->o.peer = 0; /* nobody; or back to the sender: its own address, a target in the subnet it serves */
	ret->gate = ABI_GATE_ROUTE;
	ret->reason = r->kind == ABI_ROUTE_BLACKHOLE ? ABI_REASON_BAD_STATE_ROUTE : ABI_REASON_NO_POSSIBLE_DESTINATION;
	return 0;
}

/* Out through the internet gateway o.peer: its filters and the source's public address. */
static __always_inline int judge_igw_out(struct world *w, struct pass *x, const struct abi_addr_val *dst_owner,
					 __u32 vpc)
{
	const struct abi_addr_val *src;
	const struct abi_port *d = map_get(w, ports, &x->o.peer);
	const struct abi_route *in;
	__u16 reason = ABI_REASON_NONE;

	if (!d)
		return outcome_deny(&x->o, ABI_GATE_IGW, ABI_REASON_PORT_DOWN, x->p.key.port,
				    x->o.rule[ABI_CACHED_ROUTE]);
	x->o.mtu = d->mtu;
	src = addr_owner(w, x, vpc, &x->p.key.src);
	if (dst_owner)
		reason = ABI_REASON_IGW_DESTINATION_ADDRESS_IN_VPC_CIDRS;
	else if (!src || !src->port) /* an appliance may forward for others: the address decides */
		reason = ABI_REASON_GATEWAY_REJECTS_SPOOFED_TRAFFIC;
	else if (addr_is_unset(&src->public_ip))
		reason = ABI_REASON_IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS;
	else if (addr_is_rfc1918(&x->dst))
		reason = ABI_REASON_IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS;
	else if (addr_is_rfc6598(&x->dst))
		reason = ABI_REASON_IGW_DESTINATION_ADDRESS_NOT_IN_RFC6598_EGRESS;
	else if (x->p.icmp_error && !addr_eq(&x->p.inner.dst, &x->p.key.src))
		reason = ABI_REASON_GATEWAY_REJECTS_SPOOFED_TRAFFIC;
	if (!reason && d->route_table) { /* an appliance that sees what comes in must see the answers */
		in = route_find(w, x, ABI_TABLE_ROUTES, d->route_table, &x->p.key.src);
		if (in && in->kind == ABI_ROUTE_PORT && in->port != x->p.key.port)
			reason = ABI_REASON_INGRESS_RTB_TRAFFIC_REDIRECTION;
	}
	if (reason)
		return outcome_deny(&x->o, ABI_GATE_IGW, reason, x->p.key.port, x->o.rule[ABI_CACHED_ROUTE]);
	x->o.flags |= ABI_FLOW_SNAT;
	x->o.xaddr = src->public_ip;
	return 1;
}

/* Out into a peering connection, o.peer is this VPC's end: no transit, both addresses belong to the pair. */
static __always_inline int judge_peering_out(struct world *w, struct pass *x, const struct abi_port *s)
{
	const struct abi_port *near = map_get(w, ports, &x->o.peer), *far;

	far = near ? map_get(w, ports, &near->link) : NULL;
	if (!near || !far)
		return outcome_deny(&x->o, ABI_GATE_PEERING, ABI_REASON_PORT_DOWN, x->p.key.port,
				    x->o.rule[ABI_CACHED_ROUTE]);
	if (!vpc_contains(w, x, s->vpc, &x->p.key.src) || !vpc_contains(w, x, far->vpc, &x->dst))
		return outcome_deny(&x->o, ABI_GATE_PEERING, ABI_REASON_PCX_REQUIRES_ADDRESS_IN_VPC_CIDR, x->p.key.port,
				    x->o.rule[ABI_CACHED_ROUTE]);
	x->o.mtu = near->mtu;
	return 1;
}

/* The group set of whoever owns an address in the VPC beyond a peering connection; 0 = not known. */
PIECE members_beyond(struct world *w, struct pass *x, const struct abi_port *near, const struct abi_addr *a)
{
	const struct abi_port *far, *d;
	const struct abi_addr_val *owner;
	__u32 port;

	if (!x || !near || !a)
		return 0;
	far = map_get(w, ports, &near->link);
	if (!far || near->flags & ABI_PORT_NO_REFERENCES)
		return 0;
	owner = addr_owner(w, x, far->vpc, a);
	if (!owner)
		return 0;
	port = owner->port;
	d = map_get(w, ports, &port);
	return d ? d->members : 0;
}

/* sg-out: state first, then rules. */
static __always_inline int judge_departure_groups(struct world *w, struct pass *x, const struct abi_port *s,
						  const struct abi_flow *own, __u32 peer_members)
{
	__u32 rule;

	if (!s->sg_policy)
		return 1;
	if (own) {
		accept_tracked(&x->o, 1, own->own_rule, ABI_REASON_TRACKED);
		return 1;
	}
	rule = related_rule(w, x, x->p.key.port, 1);
	if (rule != ~0u) {
		accept_tracked(&x->o, 1, rule, ABI_REASON_RELATED);
		return 1;
	}
	query_set(x, 1, peer_members);
	x->lost = !peer_members && (addr_owner(w, x, s->vpc, &x->dst) || inet_is_public(w, x, &x->dst));
	return judge_groups(w, x, s->sg_policy, 1, x->p.key.port);
}

/* A packet that an instance or NAT gateway sends. */
static __always_inline int judge_eni(struct world *w, struct pass *x, const struct abi_port *s)
{
	const struct abi_addr_val *owner, *src;
	const struct abi_port *d;
	const struct abi_flow *own;
	struct next_hop hop;
	__u32 me = x->p.key.port, members = 0;
	int crossing = 1, owns_src, owns_dst = 0;

	src = addr_owner(w, x, s->vpc, &x->p.key.src);
	owns_src = src && src->port == me;
	if (s->flags & ABI_PORT_SOURCE_DEST_CHECK && !owns_src)
		return outcome_deny(&x->o, ABI_GATE_SOURCE_CHECK, ABI_REASON_ENI_ADDRESS_RESTRICTION, me, 0);
	if (addr_is_no_destination(&x->dst))
		return outcome_deny(&x->o, ABI_GATE_PARSE, ABI_REASON_BROADCAST, me, 0);
	if (packet_is_dhcp_answer(&x->p))
		return outcome_deny(&x->o, ABI_GATE_PARSE, ABI_REASON_DHCP_SPOOFED, me, 0);
	owner = addr_owner(w, x, s->vpc, &x->dst);
	if (addr_is_link_local(&x->dst) || (owner && !owner->port))
		return outcome_deny(&x->o, ABI_GATE_SERVICE, ABI_REASON_NO_SERVICE, me, 0);
	own = own_entry(w, x);
	next_hop_find(w, x, s, owner, &hop);
	d = map_get(w, ports, &x->o.peer);
	if (d && !hop.is_igw && hop.gate == ABI_GATE_NONE) {
		crossing = d->subnet != s->subnet;
		owns_dst = owner && owner->port == x->o.peer;
		if (owns_dst)
			members = d->members;
		else if (d->kind == ABI_PORT_PCX)
			members = members_beyond(w, x, d, &x->dst);
	}
	if (!judge_departure_groups(w, x, s, own, members))
		return 0;
	x->o.nacl_applies = crossing;
	if (crossing && !judge_nacl(w, x, nacl_slot(x, s), 1, me))
		return 0;
	x->o.rule[ABI_CACHED_ROUTE] = hop.route;
	if (hop.gate != ABI_GATE_NONE)
		return outcome_deny(&x->o, hop.gate, hop.reason, me, hop.route);
	if (s->kind == ABI_PORT_NAT)
		x->o.track_src = owns_src;
	if (hop.is_igw)
		return judge_igw_out(w, x, owner, s->vpc);
	if (d && d->kind == ABI_PORT_PCX)
		return judge_peering_out(w, x, s);
	if (!judge_arrival(w, x, crossing, owns_src ? s->members : 0, owns_dst))
		return 0;
	/* flows through a NAT gateway are always tracked, semantics 5.3 */
	if (d && d->kind == ABI_PORT_NAT && s->sg_policy && x->o.reason_sg_out == ABI_REASON_ACCEPT)
		x->o.track_src = 1;
	if (d && d->sg_policy && s->kind == ABI_PORT_NAT && x->o.reason_sg_in == ABI_REASON_ACCEPT)
		x->o.track_dst = 1;
	return 1;
}

/* The gateway's own route table (edge association): to the owner, or to an appliance first. */
static __always_inline int edge_route(struct world *w, struct pass *x, const struct abi_port *s)
{
	const struct abi_route *r = route_find(w, x, ABI_TABLE_ROUTES, s->route_table, &x->dst);
	const struct abi_port *d;

	if (!r)
		return outcome_deny(&x->o, ABI_GATE_ROUTE, ABI_REASON_NO_ROUTE_TO_DESTINATION, x->p.key.port, 0);
	x->o.rule[ABI_CACHED_ROUTE] = r->route;
	if (r->kind == ABI_ROUTE_PORT) {
		x->o.peer = r->port;
		d = map_get(w, ports, &x->o.peer);
		if (d && d->kind == ABI_PORT_ENI && !(d->flags & ABI_PORT_PUBLIC))
			return outcome_deny(&x->o, ABI_GATE_ROUTE, ABI_REASON_INGRESS_RTB_NO_PUBLIC_IP, x->p.key.port,
					    r->route);
	} else if (r->kind != ABI_ROUTE_LOCAL) {
		return outcome_deny(&x->o, ABI_GATE_ROUTE, ABI_REASON_BAD_STATE_ROUTE, x->p.key.port, r->route);
	}
	return 1;
}

/* A packet that enters a VPC through its internet gateway: s is the gateway's port. */
static __always_inline int judge_igw_in(struct world *w, struct pass *x, const struct abi_port *s)
{
	const struct abi_inet *to = inet_find(w, x, &x->p.key.dst);
	const struct abi_port *d;
	__u32 me = x->p.key.port;
	__u16 reason = ABI_REASON_NONE;

	if (addr_is_rfc1918(&x->p.key.src))
		reason = ABI_REASON_IGW_SOURCE_ADDRESS_NOT_IN_RFC1918_INGRESS;
	else if (addr_is_rfc6598(&x->p.key.src))
		reason = ABI_REASON_IGW_SOURCE_ADDRESS_NOT_IN_RFC6598_INGRESS;
	else if (!to || to->kind != ABI_INET_PUBLIC || to->port != s->link)
		reason = ABI_REASON_IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS;
	else if (x->p.icmp_error && !addr_eq(&x->p.inner.src, &x->p.key.dst))
		reason = ABI_REASON_GATEWAY_REJECTS_SPOOFED_TRAFFIC;
	if (reason)
		return outcome_deny(&x->o, ABI_GATE_IGW, reason, me, 0);
	x->o.peer = to->eni;
	x->o.flags |= ABI_FLOW_DNAT;
	x->o.xaddr = to->private_ip;
	x->dst = to->private_ip;
	if (s->route_table && !edge_route(w, x, s))
		return 0;
	d = map_get(w, ports, &x->o.peer);
	if (!d || d->vpc != s->vpc)
		return outcome_deny(&x->o, ABI_GATE_IGW, ABI_REASON_PORT_DOWN, me, 0);
	x->o.nacl_applies = 1;
	return judge_arrival(w, x, 1, 0, x->o.peer == to->eni);
}

/* A packet that enters a VPC from its peer: s is this VPC's end. The sender's groups are known as long
 * as it owns the source address and the regions are one. */
static __always_inline int judge_peering_in(struct world *w, struct pass *x, const struct abi_port *s)
{
	const struct abi_port *far = map_get(w, ports, &s->link);
	const struct abi_addr_val *owner = addr_owner(w, x, s->vpc, &x->dst);
	__u32 me = x->p.key.port;

	if (!far || !vpc_contains(w, x, s->vpc, &x->dst) || !vpc_contains(w, x, far->vpc, &x->p.key.src))
		return outcome_deny(&x->o, ABI_GATE_PEERING, ABI_REASON_PCX_REQUIRES_ADDRESS_IN_VPC_CIDR, me, 0);
	if (!owner || !owner->port)
		return outcome_deny(&x->o, ABI_GATE_ROUTE, ABI_REASON_NO_POSSIBLE_DESTINATION, me, 0);
	x->o.peer = owner->port;
	x->o.nacl_applies = 1;
	return judge_arrival(w, x, 1, members_beyond(w, x, s, &x->p.key.src), 1);
}

/* A packet on the lab's internet, from a host, a gateway's far end or the uplink. */
static __always_inline int judge_internet(struct world *w, struct pass *x, const struct abi_port *s)
{
	const struct abi_inet *from, *to = inet_find(w, x, &x->p.key.dst);
	const struct abi_port *d;
	__u32 me = x->p.key.port;

	if (s->kind == ABI_PORT_HOST || s->kind == ABI_PORT_UPLINK) {
		from = inet_find(w, x, &x->p.key.src);
		if (s->kind == ABI_PORT_HOST ? !from || from->kind != ABI_INET_HOST || from->port != me
					     : from && (from->kind == ABI_INET_HOST || from->kind == ABI_INET_PUBLIC))
			return outcome_deny(&x->o, ABI_GATE_INTERNET, ABI_REASON_GATEWAY_REJECTS_SPOOFED_TRAFFIC, me,
					    0);
	}
	/* What came in by the uplink does not leave by it again. */
	if (!to || to->kind == ABI_INET_NONE || (s->kind == ABI_PORT_UPLINK && to->kind == ABI_INET_UPLINK))
		return outcome_deny(&x->o, ABI_GATE_INTERNET, ABI_REASON_UNKNOWN_DESTINATION, me, 0);
	if (to->kind == ABI_INET_VPC)
		return outcome_deny(&x->o, ABI_GATE_IGW, ABI_REASON_IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS,
				    to->port ? to->port : me, 0);
	x->o.peer = to->port;
	d = map_get(w, ports, &x->o.peer);
	if (!d || !d->kind)
		return outcome_deny(&x->o, ABI_GATE_INTERNET, ABI_REASON_PORT_DOWN, me, 0);
	x->o.mtu = d->mtu;
	return 1;
}

PIECE judge(struct world *w, struct pass *x)
{
	const struct abi_port *s;

	if (!x)
		return 0;
	s = map_get(w, ports, &x->p.key.port);
	if (!s || !s->kind)
		return outcome_deny(&x->o, ABI_GATE_SOURCE_CHECK, ABI_REASON_PORT_DOWN, x->p.key.port, 0);
	if (s->kind == ABI_PORT_ENI || s->kind == ABI_PORT_NAT)
		return judge_eni(w, x, s);
	if (s->kind == ABI_PORT_IGW)
		return judge_igw_in(w, x, s);
	if (s->kind == ABI_PORT_PCX)
		return judge_peering_in(w, x, s);
	return judge_internet(w, x, s);
}
