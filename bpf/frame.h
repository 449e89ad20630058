/* frame.h: between the skb and struct pass: read it, hand it over, translate addresses, answer ARP.
 * The judging is in filters/verdict.h. */
#pragma once
#include <linux/pkt_cls.h>
#include "maps.h"
#include "filters/verdict.h"
#include "capture.h"

/* struct pass does not fit on the BPF stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pass);
} scratch SEC(".maps") __weak;

char LICENSE[] SEC("license") __weak = "GPL";

enum {
	PULL_BYTES = 256,
	IP_TTL_OFF = ETH_HLEN_ + 8,
	IP_CSUM_OFF = ETH_HLEN_ + 10,
	IP_SRC_OFF = ETH_HLEN_ + 12,
	IP_DST_OFF = ETH_HLEN_ + 16,
	IP6_HOPS_OFF = ETH_HLEN_ + 7
};

/* A piece of its own: how a packet was read does not multiply with how it is judged. An abi_reason. */
PIECE frame_parse(struct __sk_buff *skb, struct pass *x)
{
	if (!x)
		return ABI_REASON_MALFORMED;
	__builtin_memset(&x->p, 0, PKT_CLEARED);
	x->p.key.port = skb->ifindex - ABI_IFINDEX_BASE;
	x->p.segs = skb->gso_segs ? skb->gso_segs : 1;
	return packet_parse((void *)(long)skb->data, (void *)(long)skb->data_end, skb->len, &x->p);
}

/* The pass of this packet, parsed; NULL never happens but the verifier cannot know. */
static __always_inline struct pass *frame_read(struct __sk_buff *skb, enum abi_reason *reason)
{
	__u32 zero = 0;
	struct pass *x = bpf_map_lookup_elem(&scratch, &zero);

	if (!x)
		return NULL;
	__builtin_memset(&x->o, 0, sizeof(x->o));
	*reason = (enum abi_reason)frame_parse(skb, x);
	if (*reason == ABI_REASON_MALFORMED && skb->data_end - skb->data < skb->len) {
		/* headers may lie outside the linear part */
		bpf_skb_pull_data(skb, skb->len < PULL_BYTES ? skb->len : PULL_BYTES);
		*reason = (enum abi_reason)frame_parse(skb, x);
	}
	if (*reason == ABI_REASON_NONE && skb->vlan_present)
		*reason = ABI_REASON_NOT_IP; /* the kernel has taken the tag out of the frame before it came here */
	return x;
}

static __always_inline __u32 addr_v4_raw(const struct abi_addr *a)
{
	__u32 raw;

	__builtin_memcpy(&raw, a->b + 12, 4);
	return raw;
}

/* Rewrites one IPv4 address and every checksum that covers it. An ICMP error's quoted packet is
 * translated too; its ICMP checksum stays right because the quoted header's own sum is patched. */
static __always_inline int frame_translate(struct __sk_buff *skb, const struct pkt *p, __u32 ip_off, __u32 from,
					   __u32 to)
{
	__u32 l4 = p->l4_off, inner = l4 + 8, inner_addr = ip_off == IP_SRC_OFF ? inner + 16 : inner + 12;
	__u8 proto = p->key.proto;
	int error = p->icmp_error;

	if (p->frag != PKT_FRAG_LATER) {
		if (proto == PKT_PROTO_TCP)
			bpf_l4_csum_replace(skb, l4 + 16, from, to, BPF_F_PSEUDO_HDR | 4);
		else if (proto == PKT_PROTO_UDP)
			bpf_l4_csum_replace(skb, l4 + 6, from, to, BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0 | 4);
	}
	if (bpf_l3_csum_replace(skb, IP_CSUM_OFF, from, to, 4) || bpf_skb_store_bytes(skb, ip_off, &to, 4, 0))
		return -1;
	if (!error)
		return 0;
	if (bpf_l3_csum_replace(skb, inner + 10, from, to, 4) || bpf_skb_store_bytes(skb, inner_addr, &to, 4, 0))
		return -1;
	return 0;
}

/* Written where it stands: a helper's call costs more than the rest of the delivery. 0, or there is no head to write. */
static __always_inline int frame_macs_set(struct __sk_buff *skb, __u32 port)
{
	__u8 *d = (void *)(long)skb->data;

	if (d + 12 > (__u8 *)(long)skb->data_end)
		return -1;
	*(__u16 *)d = *(__u16 *)(d + 6) = __builtin_bswap16(ABI_MAC0 << 8 | ABI_MAC1);
	*(__u32 *)(d + 2) = __builtin_bswap32(port);
	*(__u32 *)(d + 8) = 0;
	return 0;
}

static __always_inline int frame_is_too_big(const struct __sk_buff *skb, const struct pass *x)
{
	if (!x->o.mtu)
		return 0;
	return skb->gso_size ? skb->gso_size + x->p.headers > x->o.mtu : x->p.len > x->o.mtu;
}

/* On a gateway's link the MAC says nothing. */
static __always_inline int frame_is_of_eni(const struct abi_port *s)
{
	return s->kind == ABI_PORT_ENI || s->kind == ABI_PORT_NAT;
}

/* For a neighbour that is to forward it, an appliance or a NAT gateway: no table of the router leads there. What
 * is too big for it, it says itself. */
static __always_inline int frame_is_to_forwarder(struct pass *x)
{
	const struct abi_port *s = bpf_map_lookup_elem(&ports, &x->p.key.port);
	const struct abi_addr_val *owner;

	if (!x->p.to_port || !s || !frame_is_of_eni(s))
		return 0;
	owner = addr_owner(NULL, x, s->vpc, &x->p.key.dst);
	return !owner || owner->port != x->o.peer;
}

/* datapath = kernel, and what the router is to cut or to answer. */
static __always_inline int frame_takes_stack(const struct __sk_buff *skb, struct pass *x)
{
	return ((config.flags & ABI_CONFIG_KERNEL_PATH) || frame_is_too_big(skb, x)) && !frame_is_to_forwarder(x);
}

static __always_inline void frame_ttl_set(struct __sk_buff *skb, const struct pkt *p, __u8 ttl)
{
	if (p->key.family == 6) {
		bpf_skb_store_bytes(skb, IP6_HOPS_OFF, &ttl, 1, 0);
		return;
	}
	/* TTL is the high byte of its 16-bit word in the checksum */
	bpf_l3_csum_replace(skb, IP_CSUM_OFF, p->ttl, ttl, 2);
	bpf_skb_store_bytes(skb, IP_TTL_OFF, &ttl, 1, 0);
}

/* Into the router's stack, which routes by the mark: datapath = kernel, and what is too big. The
 * stack takes one from the TTL, so it is raised by one first; 255 is mended at egress. */
static __always_inline int frame_to_stack(struct __sk_buff *skb, struct pass *x)
{
	const struct abi_port *s = bpf_map_lookup_elem(&ports, &x->p.key.port);
	struct abi_port_stats *stats = bpf_map_lookup_elem(&port_stats, &x->p.key.port);
	__u32 mark = x->o.peer << ABI_MARK_PORT_SHIFT | ABI_MARK_JUDGED;
	__u8 ttl = x->p.ttl;

	if (!s)
		return TC_ACT_SHOT;
	if (stats)
		stats->path[ABI_PATH_STACK] += x->p.segs;
	/* a neighbour's frame bypasses the tables */
	if (!x->p.to_port || !frame_is_of_eni(s))
		mark |= s->route_table & ABI_MARK_TABLE_MASK;
	if (s->kind != ABI_PORT_HOST && s->kind != ABI_PORT_INET && s->kind != ABI_PORT_UPLINK && ttl < 255) {
		mark |= ABI_MARK_TTL;
		ttl++;
		frame_ttl_set(skb, &x->p, ttl);
	}
	skb->mark = mark;
	bpf_skb_change_type(skb, 0 /* PACKET_HOST */);
	return TC_ACT_OK;
}

/* Does what x->o says. A piece of its own, so that its stack is not below that of the judging. */
PIECE frame_deliver(struct __sk_buff *skb, struct pass *x)
{
	int stack;

	if (!x || !x->o.allow)
		return TC_ACT_SHOT;
	stack = frame_takes_stack(skb, x);
	if (x->o.flags & ABI_FLOW_DNAT &&
	    frame_translate(skb, &x->p, IP_DST_OFF, addr_v4_raw(&x->p.key.dst), addr_v4_raw(&x->o.xaddr)))
		return TC_ACT_SHOT;
	if (stack) {
		if (config.flags & ABI_CONFIG_CAPTURE && !(frame_is_too_big(skb, x) && x->p.dont_fragment))
			frame_capture(skb, x, x->o.peer, CAPTURE_INBOUND | TC_ACT_OK << CAPTURE_ACTION_SHIFT);
		return frame_to_stack(skb, x);
	}
	if (x->o.flags & ABI_FLOW_SNAT &&
	    frame_translate(skb, &x->p, IP_SRC_OFF, addr_v4_raw(&x->p.key.src), addr_v4_raw(&x->o.xaddr)))
		return TC_ACT_SHOT;
	if (config.flags & ABI_CONFIG_CAPTURE)
		frame_capture(skb, x, x->o.peer, CAPTURE_INBOUND | TC_ACT_REDIRECT << CAPTURE_ACTION_SHIFT);
	if (frame_macs_set(skb, x->o.peer))
		return TC_ACT_SHOT;
	skb->mark = 0;
	return bpf_redirect_peer(ABI_IFINDEX_BASE + x->o.peer, 0);
}

/* Tells of a judged packet where somebody asked: its sample, and its frame at the port that sent it; denied at
 * another port's gate, also there, as that port would have received it. It goes no further, so it may be changed. */
PIECE frame_tell(struct __sk_buff *skb, struct pass *x)
{
	__u32 action = TC_ACT_SHOT;

	if (!x)
		return 0;
	if (config.flags & ABI_CONFIG_SAMPLE)
		pass_sample(NULL, x);
	if (!(config.flags & ABI_CONFIG_CAPTURE))
		return 0;
	if (x->o.allow)
		action = frame_takes_stack(skb, x) ? TC_ACT_OK : TC_ACT_REDIRECT;
	frame_capture(skb, x, x->p.key.port, action << CAPTURE_ACTION_SHIFT);
	if (x->o.allow || x->o.gate_port == x->p.key.port)
		return 0;
	if (!addr_eq(&x->dst, &x->p.key.dst) &&
	    frame_translate(skb, &x->p, IP_DST_OFF, addr_v4_raw(&x->p.key.dst), addr_v4_raw(&x->dst)))
		return 0;
	return frame_capture(skb, x, x->o.gate_port, CAPTURE_INBOUND | action << CAPTURE_ACTION_SHIFT);
}

/* Judges and delivers. */
static __always_inline int frame_pass(struct __sk_buff *skb, struct pass *x, enum abi_reason reason)
{
	pass_packet(NULL, x, reason);
	if (config.flags & (ABI_CONFIG_SAMPLE | ABI_CONFIG_CAPTURE))
		frame_tell(skb, x);
	return frame_deliver(skb, x);
}

/* What arrives at a link's end: of a gateway's, a host's or a peering connection's. Neighbours are permanent there. */
static __always_inline int frame_of_link(struct __sk_buff *skb)
{
	enum abi_reason reason;
	struct pass *x = frame_read(skb, &reason);

	if (!x || (reason == ABI_REASON_NONE && x->p.kind == PKT_ARP))
		return TC_ACT_SHOT;
	return frame_pass(skb, x, reason);
}
