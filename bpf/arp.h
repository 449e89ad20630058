/* arp.h: the router's side of ARP on an interface (RFC 826): it answers for the subnet's router and for
 * the neighbours that exist, from the map of addresses, and believes nothing it is told. */
#pragma once
#include "frame.h"

struct arp_packet {
	__u8 htype[2], ptype[2], hlen, plen, op[2];
	__u8 sha[6], spa[4], tha[6], tpa[4];
} __attribute__((packed));

static __always_inline int arp_mac_is_port(const __u8 *mac, __u32 port)
{
	return mac[0] == ABI_MAC0 && mac[1] == ABI_MAC1 && read_be16(mac + 2) == port >> 16 &&
	       read_be16(mac + 4) == (port & 0xffff);
}

/* NONE: *action is what to do. Else why it is dropped. A frame of its own: the BPF stack is short. */
static __attribute__((noinline)) enum abi_reason arp_answer(struct __sk_buff *skb, struct pass *x, int *action)
{
	const struct abi_port *s = bpf_map_lookup_elem(&ports, &x->p.key.port);
	const struct abi_addr_val *owner;
	struct arp_packet a;
	__u8 eth[12], mac[6];
	__u32 target;

	*action = TC_ACT_SHOT;
	if (!s || bpf_skb_load_bytes(skb, ETH_HLEN_, &a, sizeof(a)))
		return ABI_REASON_MALFORMED;
	if (a.htype[0] || a.htype[1] != 1 || a.ptype[0] != 8 || a.ptype[1] || a.hlen != 6 || a.plen != 4 || a.op[0])
		return ABI_REASON_MALFORMED;
	addr_set_v4(&x->p.key.src, a.spa);
	addr_set_v4(&x->p.key.dst, a.tpa);
	x->p.key.family = 4;
	owner = addr_owner(NULL, x, s->vpc, &x->p.key.src);
	if (!arp_mac_is_port(a.sha, x->p.key.port) ||
	    (addr_v4_raw(&x->p.key.src) && (!owner || owner->port != x->p.key.port)))
		return ABI_REASON_ARP_SPOOFED;
	if (a.op[1] != 1 || addr_eq(&x->p.key.src, &x->p.key.dst))
		return ABI_REASON_NONE; /* its own announcement: true, and nobody needs it */
	if (addr_is_link_local(&x->p.key.dst)) {
		target = 0; /* services of the VPC are the router's */
	} else {
		owner = addr_owner(NULL, x, s->vpc, &x->p.key.dst);
		if (!owner || owner->subnet != s->subnet || owner->port == x->p.key.port)
			return ABI_REASON_ARP_UNKNOWN;
		target = owner->port;
	}
	mac_of_port(mac, target);
	__builtin_memcpy(eth, a.sha, 6);
	__builtin_memcpy(eth + 6, mac, 6);
	__builtin_memcpy(a.tha, a.sha, 6);
	__builtin_memcpy(a.tpa, a.spa, 4);
	__builtin_memcpy(a.sha, mac, 6);
	__builtin_memcpy(a.spa, x->p.key.dst.b + 12, 4);
	a.op[1] = 2;
	bpf_skb_store_bytes(skb, 0, eth, sizeof(eth), 0);
	bpf_skb_store_bytes(skb, ETH_HLEN_, &a, sizeof(a), 0);
	*action = bpf_redirect(skb->ifindex, 0);
	return ABI_REASON_NONE;
}
