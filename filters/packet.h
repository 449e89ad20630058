/* packet.h: one frame read once into struct pkt. Compiles for BPF and host; no loops, no calls out.
 * Every outcome has a reason: what cannot be read does not pass. */
#pragma once
#include "abi.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

enum { ETH_HLEN_ = 14, IP4_HLEN_MIN = 20, PKT_PROTO_ICMP = 1, PKT_PROTO_TCP = 6, PKT_PROTO_UDP = 17, PKT_PROTO_ICMP6 = 58 };
enum pkt_kind { PKT_IP, PKT_ARP };
enum pkt_frag { PKT_FRAG_NONE, PKT_FRAG_FIRST, PKT_FRAG_LATER };
enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16 };

struct pkt {
	struct abi_flow_key key;     /* as sent: sender's port, addresses, ports */
	__u32 len;                   /* bytes from the IP header on, as the IP header says */
	__u32 to_port;               /* port named by the destination MAC; 0 = the router */
	__u16 l4_off;                /* from the start of the frame */
	__u16 headers;               /* bytes of IP and transport header, for GSO arithmetic */
	__u8 kind, frag;
	__u8 mac_known;              /* the destination MAC is one of ours */
	__u8 tcp_flags;
	__u8 icmp_error;             /* inner is filled */
	__u8 ttl;
	__u8 dont_fragment;
	__u8 pad;
	__u32 frag_id, frag_off;     /* frag_off in bytes */
	struct abi_flow_key inner;   /* of the packet that an ICMP error quotes; port 0 */
	__u32 segs;                  /* wire packets in this skb, at least 1 */
};

static __always_inline void addr_set_v4(struct abi_addr *a, const __u8 *b)
{
	__builtin_memset(a->b, 0, 10);
	a->b[10] = a->b[11] = 0xff;
	__builtin_memcpy(a->b + 12, b, 4);
}

static __always_inline int addr_eq(const struct abi_addr *a, const struct abi_addr *b)
{
	const __u32 *x = (const __u32 *)a->b, *y = (const __u32 *)b->b; /* all our structs align them to 4 */

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && x[3] == y[3];
}

static __always_inline int addr_is_unset(const struct abi_addr *a)
{
	const __u32 *x = (const __u32 *)a->b;

	return !(x[0] | x[1] | x[2] | x[3]);
}

static __always_inline __u16 read_be16(const __u8 *b)
{
	return (__u16)(b[0] << 8 | b[1]);
}

/* The type that answers an ICMP query; the same type when none does. */
static __always_inline __u8 icmp_type_reversed(__u8 proto, __u8 type)
{
	if (proto == PKT_PROTO_ICMP6)
		return type == 128 ? 129 : type == 129 ? 128 : type;
	if (type == 8 || type == 0)
		return type ^ 8;
	if (type == 13 || type == 15 || type == 17)
		return type + 1;
	if (type == 14 || type == 16 || type == 18)
		return type - 1;
	return type;
}

static __always_inline int icmp_type_has_id(__u8 type)
{
	return type == 0 || type == 8 || (type >= 13 && type <= 18);
}

static __always_inline int icmp_type_is_error(__u8 type)
{
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/* Transport ports of a v4 packet into a key; l4 has at least 8 readable bytes. */
static __always_inline void key_set_ports(struct abi_flow_key *k, const __u8 *l4)
{
	if (k->proto == PKT_PROTO_TCP || k->proto == PKT_PROTO_UDP) {
		__builtin_memcpy(k->sport, l4, 2);
		__builtin_memcpy(k->dport, l4 + 2, 2);
	} else if (k->proto == PKT_PROTO_ICMP) {
		if (icmp_type_has_id(l4[0]))
			__builtin_memcpy(k->sport, l4 + 4, 2);
		__builtin_memcpy(k->dport, l4, 2);
	}
}

/* The packet that an ICMP error quotes. Without readable ports it stays unfilled: no flow matches it. */
static __always_inline void packet_parse_inner(const __u8 *ip, const __u8 *end, struct pkt *p)
{
	__u32 ihl;

	if (ip + IP4_HLEN_MIN > end || ip[0] >> 4 != 4)
		return;
	ihl = (ip[0] & 15u) * 4;
	if (ihl < IP4_HLEN_MIN || ip + ihl + 8 > end)
		return;
	if (read_be16(ip + 6) & 0x1fff)
		return;
	p->inner.family = 4;
	p->inner.proto = ip[9];
	addr_set_v4(&p->inner.src, ip + 12);
	addr_set_v4(&p->inner.dst, ip + 16);
	key_set_ports(&p->inner, ip + ihl);
	p->icmp_error = 1;
}

/* Bytes of transport header that the first fragment, or the whole packet, must hold. */
static __always_inline __u32 l4_min(__u8 proto)
{
	return proto == PKT_PROTO_TCP ? 20 : proto == PKT_PROTO_UDP || proto == PKT_PROTO_ICMP ? 8 : 0;
}

static __always_inline enum abi_reason packet_parse_v4(const __u8 *d, const __u8 *end, __u32 frame_len, struct pkt *p)
{
	const __u8 *ip = d + ETH_HLEN_, *l4;
	__u32 ihl, total, frag;

	if (ip + IP4_HLEN_MIN > end || ip[0] >> 4 != 4)
		return ABI_REASON_MALFORMED;
	ihl = (ip[0] & 15u) * 4;
	total = read_be16(ip + 2);
	if (total == 0) /* a GSO packet of more than 64 KB */
		total = frame_len - ETH_HLEN_;
	if (ihl < IP4_HLEN_MIN || total < ihl || total > frame_len - ETH_HLEN_)
		return ABI_REASON_MALFORMED;
	frag = read_be16(ip + 6);
	p->len = total;
	p->ttl = ip[8];
	p->dont_fragment = (frag & 0x4000) != 0;
	p->key.family = 4;
	p->key.proto = ip[9];
	addr_set_v4(&p->key.src, ip + 12);
	addr_set_v4(&p->key.dst, ip + 16);
	p->l4_off = ETH_HLEN_ + ihl;
	p->headers = ihl;
	frag &= 0x3fff;
	if (frag) {
		p->frag = frag & 0x1fff ? PKT_FRAG_LATER : PKT_FRAG_FIRST;
		p->frag_id = read_be16(ip + 4);
		p->frag_off = (frag & 0x1fff) * 8;
		if (p->frag == PKT_FRAG_LATER)
			return ABI_REASON_NONE;
	}
	l4 = ip + ihl;
	if (l4_min(p->key.proto)) {
		if (total - ihl < l4_min(p->key.proto))
			return p->frag ? ABI_REASON_FRAGMENT_TINY : ABI_REASON_MALFORMED;
		if (p->key.proto == PKT_PROTO_TCP) {
			if (l4 + 20 > end)
				return ABI_REASON_MALFORMED;
			p->tcp_flags = l4[13];
			p->headers += (l4[12] >> 4) * 4;
		}
		if (l4 + 8 > end)
			return ABI_REASON_MALFORMED;
		key_set_ports(&p->key, l4);
		if (p->key.proto == PKT_PROTO_UDP)
			p->headers += 8;
		if (p->key.proto == PKT_PROTO_ICMP && icmp_type_is_error(l4[0]))
			packet_parse_inner(l4 + 8, end, p);
	}
	return ABI_REASON_NONE;
}

/* Fills p (zeroed by the caller but for key.port and segs) from an Ethernet frame whose first
 * end - data bytes are readable and which is frame_len long. NONE, or why it must be dropped. */
static __always_inline enum abi_reason packet_parse(const void *data, const void *end, __u32 frame_len, struct pkt *p)
{
	const __u8 *d = data;
	__u16 type;

	if (d + ETH_HLEN_ > (const __u8 *)end)
		return ABI_REASON_MALFORMED;
	if (d[0] == ABI_MAC0 && d[1] == ABI_MAC1) {
		p->mac_known = 1;
		p->to_port = (__u32)d[2] << 24 | d[3] << 16 | d[4] << 8 | d[5];
	}
	type = read_be16(d + 12);
	if (type == 0x0800)
		return packet_parse_v4(d, end, frame_len, p);
	if (type == 0x0806) {
		p->kind = PKT_ARP;
		return ABI_REASON_NONE;
	}
	return type == 0x86dd ? ABI_REASON_IPV6_NOT_SUPPORTED : ABI_REASON_NOT_IP;
}
