/* packet.h: one frame read once into struct pkt. Compiles for BPF and host; the one loop is bounded.
 * Every outcome has a reason: what cannot be read does not pass.
 *
 *   NOT_IP               anything but IPv4, IPv6 and ARP, VLAN tags among it
 *   MALFORMED            cut short, or lengths that contradict each other
 *   FRAGMENT_TINY        a first fragment without all of its transport header
 *   RA_SPOOFED           a router's advertisement or redirect  (packet_may_be_sent: from an instance)
 *   BROADCAST            to a MAC address that is nobody's     (the same)
 *   IPV6_NOT_SUPPORTED   IPv6 at a port that has none      (pass_packet) */
#pragma once
#include "abi.h"

/* A piece that the BPF verifier checks once, on its own, whoever calls it; it then knows nothing of
 * its arguments, hence the tests for NULL. */
#ifdef __bpf__
#define PIECE __attribute__((noinline, weak)) int
#else
#define PIECE static __attribute__((unused)) int
#endif
/* A lookup with a frame of its own: its key would lie on the stack of all callers, and all frames together have
 * 512 bytes in BPF. */
#define LEAF static __attribute__((noinline, unused))

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

enum {
	ETH_HLEN_ = 14,
	IP4_HLEN_MIN = 20,
	IP6_HLEN = 40,
	IP6_OFF_MAX = 512,   /* bytes of them */
	IP6_HEADERS_MAX = 6, /* extension headers; more is nobody's honest packet */
	IP_LEN_MAX = 65535,
	PKT_PROTO_ICMP = 1,
	PKT_PROTO_TCP = 6,
	PKT_PROTO_UDP = 17,
	PKT_PROTO_ICMP6 = 58,
};
enum {
	IP6_HOP_BY_HOP = 0,
	IP6_ROUTING = 43,
	IP6_FRAGMENT = 44,
	IP6_AUTH = 51,
	IP6_NO_NEXT = 59,
	IP6_DEST_OPTIONS = 60
};
enum { ND_ROUTER_SOLICIT = 133, ND_ROUTER_ADVERT = 134, ND_SOLICIT = 135, ND_ADVERT = 136, ND_REDIRECT = 137 };
enum pkt_kind { PKT_IP, PKT_ARP, PKT_ND };
enum pkt_frag { PKT_FRAG_NONE, PKT_FRAG_FIRST, PKT_FRAG_LATER };
enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16 };

/* Where an IPv6 header chain leads. */
struct ip6_walk {
	__u32 off; /* of what stands behind the last extension header, from the fixed header */
	__u32 frag_id, frag_off;
	__u32 frag_at; /* where the fragments' part begins; 0: there is no fragment header */
	__u8 proto;    /* of what stands at off */
	__u8 frag;     /* enum pkt_frag */
	__u8 frag_proto;
	__u8 bad; /* cut short, too many, or one where it may not be */
};

struct pkt {
	struct abi_flow_key key; /* as sent: sender's port, addresses, ports */
	__u32 len;               /* bytes from the IP header on, as the IP header says */
	__u32 to_port;           /* port named by the destination MAC; 0 = the router */
	__u16 l4_off;            /* from the start of the frame */
	__u16 headers;           /* bytes of IP and transport header, for GSO arithmetic */
	__u8 kind, frag;
	__u8 mac_known; /* the destination MAC is one of ours */
	__u8 tcp_flags;
	__u8 icmp_error; /* inner is filled */
	__u8 ttl;
	__u8 dont_fragment;
	__u8 frag_proto; /* what the fragments carry: IPv4 the protocol, IPv6 the header after the fragment header */
	__u32 segs;      /* wire packets in this skb, at least 1 */
	__u32 frag_id, frag_off; /* frag_off in bytes */
	__u32 frag_len;          /* bytes of the whole that this fragment brings */
	/* From here on nothing is filled, nor cleared, unless the packet has it: most do not. */
	struct abi_flow_key inner; /* icmp_error: of the packet that it quotes; port 0 */
	struct ip6_walk walk, inner_walk;
};
#define PKT_CLEARED __builtin_offsetof(struct pkt, inner) /* bytes that packet_parse wants zero */

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

/* Whether the kernel answers such an ICMP message: all others are told, not asked. */
static __always_inline int icmp_type_is_answered(__u8 proto, __u8 type)
{
	return proto == PKT_PROTO_ICMP6 ? type == 128 : type == 8 || type == 13;
}

/* The ICMP of a family: that of the other one is a protocol like any, without types. */
static __always_inline __u8 icmp_of(__u8 family)
{
	return family == 4 ? PKT_PROTO_ICMP : PKT_PROTO_ICMP6;
}

static __always_inline int icmp_type_has_id(__u8 proto, __u8 type)
{
	if (proto == PKT_PROTO_ICMP6)
		return type == 128 || type == 129;
	return type == 0 || type == 8 || (type >= 13 && type <= 18);
}

static __always_inline int icmp_type_is_error(__u8 proto, __u8 type)
{
	if (proto == PKT_PROTO_ICMP6)
		return type >= 1 && type <= 4;
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/* Transport ports into a key; l4 has at least 8 readable bytes. */
static __always_inline void key_set_ports(struct abi_flow_key *k, const __u8 *l4)
{
	if (k->proto == PKT_PROTO_TCP || k->proto == PKT_PROTO_UDP) {
		__builtin_memcpy(k->sport, l4, 2);
		__builtin_memcpy(k->dport, l4 + 2, 2);
	} else if (k->proto == icmp_of(k->family)) {
		if (icmp_type_has_id(k->proto, l4[0]))
			__builtin_memcpy(k->sport, l4 + 4, 2);
		__builtin_memcpy(k->dport, l4, 2);
	}
}

/* Walks the extension headers of the packet at ip, whose fixed header is readable. Behind a later fragment's
 * header nothing is read. The steps go through memory that the BPF verifier does not follow (x->p is in a
 * map), so that it checks one and not the product of all. */
static __always_inline void ip6_walk(const __u8 *ip, const __u8 *end, struct ip6_walk *e)
{
	volatile struct ip6_walk *v = e;
	const __u8 *h;
	__u32 off, word;
	__u8 proto;

	v->proto = ip[6];
	v->off = IP6_HLEN;
	v->frag = PKT_FRAG_NONE;
	v->frag_at = 0;
	v->bad = 0;
	for (int i = 0; i <= IP6_HEADERS_MAX; i++) {
		proto = v->proto;
		off = v->off;
		if (proto != IP6_HOP_BY_HOP && proto != IP6_ROUTING && proto != IP6_FRAGMENT && proto != IP6_AUTH &&
		    proto != IP6_DEST_OPTIONS)
			return;
		if (i == IP6_HEADERS_MAX || off > IP6_OFF_MAX)
			break;
		h = ip + off;
		if (h + 8 > end || (proto == IP6_HOP_BY_HOP && i))
			break;
		if (proto == IP6_ROUTING &&
		    h[3]) /* more hops to come: the address in the header is not where it goes */
			break;
		v->proto = h[0];
		if (proto == IP6_FRAGMENT) {
			if (v->frag_at)
				break;
			word = read_be16(h + 2);
			v->frag_proto = h[0];
			v->frag_off = word & 0xfff8;
			v->frag_at = off + 8;
			__builtin_memcpy(&e->frag_id, h + 4, 4);
			v->off = off + 8;
			v->frag = word & 0xfff8 ? PKT_FRAG_LATER : word & 1 ? PKT_FRAG_FIRST : PKT_FRAG_NONE;
			if (word & 0xfff8)
				return;
		} else {
			v->off = off + (proto == IP6_AUTH ? (h[1] + 2u) * 4 : (h[1] + 1u) * 8);
		}
	}
	v->bad = 1;
}

/* Bytes that an ICMP error must quote behind the addresses: where there are no ports, none. */
static __always_inline __u32 quoted_need(__u8 family, __u8 proto)
{
	return proto == PKT_PROTO_TCP || proto == PKT_PROTO_UDP || proto == icmp_of(family) ? 8 : 0;
}

/* The packet that an ICMP error quotes. Without readable ports it stays unfilled: no flow matches it. */
static __always_inline void packet_parse_inner_v4(const __u8 *ip, const __u8 *end, struct pkt *p)
{
	__u32 ihl;

	if (ip + IP4_HLEN_MIN > end || ip[0] >> 4 != 4)
		return;
	ihl = (ip[0] & 15u) * 4;
	if (ihl < IP4_HLEN_MIN || ip + ihl + quoted_need(4, ip[9]) > end)
		return;
	if (read_be16(ip + 6) & 0x1fff)
		return;
	__builtin_memset(&p->inner, 0, sizeof(p->inner));
	p->inner.family = 4;
	p->inner.proto = ip[9];
	addr_set_v4(&p->inner.src, ip + 12);
	addr_set_v4(&p->inner.dst, ip + 16);
	if (ip + ihl + 8 <= end)
		key_set_ports(&p->inner, ip + ihl);
	p->icmp_error = 1;
}

static __always_inline void packet_parse_inner_v6(const __u8 *ip, const __u8 *end, struct pkt *p)
{
	struct ip6_walk *e = &p->inner_walk;
	__u32 off;

	if (ip + IP6_HLEN > end || ip[0] >> 4 != 6)
		return;
	ip6_walk(ip, end, e);
	off = e->off;
	if (e->bad || e->frag == PKT_FRAG_LATER || off > IP6_OFF_MAX || ip + off + quoted_need(6, e->proto) > end)
		return;
	__builtin_memset(&p->inner, 0, sizeof(p->inner));
	p->inner.family = 6;
	p->inner.proto = e->proto;
	__builtin_memcpy(&p->inner.src, ip + 8, 16);
	__builtin_memcpy(&p->inner.dst, ip + 24, 16);
	if (ip + off + 8 <= end)
		key_set_ports(&p->inner, ip + off);
	p->icmp_error = 1;
}

/* Bytes of transport header that the first fragment, or the whole packet, must hold. */
static __always_inline __u32 l4_min(__u8 family, __u8 proto)
{
	return proto == PKT_PROTO_TCP ? 20 : proto == PKT_PROTO_UDP || proto == icmp_of(family) ? 8 : 0;
}

/* The transport header at l4, left bytes of which the packet says it has. */
static __always_inline enum abi_reason packet_parse_l4(const __u8 *l4, const __u8 *end, __u32 left, struct pkt *p)
{
	const __u32 min = l4_min(p->key.family, p->key.proto);
	__u32 n;

	if (!min)
		return ABI_REASON_NONE;
	if (left < min)
		return p->frag ? ABI_REASON_FRAGMENT_TINY : ABI_REASON_MALFORMED;
	if (l4 + 8 > end)
		return ABI_REASON_MALFORMED;
	if (p->key.proto == PKT_PROTO_TCP) {
		if (l4 + 20 > end)
			return ABI_REASON_MALFORMED;
		p->tcp_flags = l4[13];
		n = (l4[12] >> 4) * 4u;
		if (n < 20 || n > left)
			return p->frag && n > left ? ABI_REASON_FRAGMENT_TINY : ABI_REASON_MALFORMED;
		p->headers += n;
	} else if (p->key.proto == PKT_PROTO_UDP) {
		n = read_be16(l4 + 4);
		if (n < 8 || (n > left && !p->frag))
			return ABI_REASON_MALFORMED;
		p->headers += 8;
	}
	key_set_ports(&p->key, l4);
	return ABI_REASON_NONE;
}

static __always_inline enum abi_reason packet_parse_v4(const __u8 *d, const __u8 *end, __u32 frame_len, struct pkt *p)
{
	const __u8 *ip = d + ETH_HLEN_, *l4;
	__u32 ihl, total, frag;
	enum abi_reason reason;

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
		p->frag_proto = p->key.proto;
		p->frag_len = total - ihl;
		if (p->frag_off + p->frag_len > IP_LEN_MAX)
			return ABI_REASON_MALFORMED;
		if (p->frag == PKT_FRAG_LATER)
			return ABI_REASON_NONE;
	}
	l4 = ip + ihl;
	reason = packet_parse_l4(l4, end, total - ihl, p);
	if (reason == ABI_REASON_NONE && p->key.proto == PKT_PROTO_ICMP &&
	    icmp_type_is_error(PKT_PROTO_ICMP, p->key.dport[0]))
		packet_parse_inner_v4(l4 + 8, end, p);
	return reason;
}

static __always_inline enum abi_reason packet_parse_v6(const __u8 *d, const __u8 *end, __u32 frame_len, struct pkt *p)
{
	const __u8 *ip = d + ETH_HLEN_;
	struct ip6_walk *e = &p->walk;
	enum abi_reason reason;
	__u32 off;

	p->key.family = 6;
	if (ip + IP6_HLEN > end || ip[0] >> 4 != 6)
		return ABI_REASON_MALFORMED;
	p->len = read_be16(ip + 4) + IP6_HLEN;
	p->ttl = ip[7];
	p->dont_fragment = 1;
	__builtin_memcpy(&p->key.src, ip + 8, 16);
	__builtin_memcpy(&p->key.dst, ip + 24, 16);
	ip6_walk(ip, end, e);
	off = *(volatile __u32 *)&e->off;
	if (e->bad || off > IP6_OFF_MAX || p->len > frame_len - ETH_HLEN_ || off > p->len)
		return ABI_REASON_MALFORMED;
	p->key.proto = e->proto;
	p->l4_off = ETH_HLEN_ + off;
	p->headers = off;
	if (e->frag) {
		p->frag = e->frag;
		p->frag_id = e->frag_id;
		p->frag_off = e->frag_off;
		p->frag_proto = e->frag_proto;
		p->frag_len = p->len - e->frag_at;
		if (p->frag_off + p->frag_len > IP_LEN_MAX)
			return ABI_REASON_MALFORMED;
		if (e->frag == PKT_FRAG_LATER)
			return ABI_REASON_NONE;
	}
	reason = packet_parse_l4(ip + off, end, p->len - off, p);
	if (reason == ABI_REASON_NONE && p->key.proto == PKT_PROTO_ICMP6) {
		if (p->key.dport[0] >= ND_ROUTER_SOLICIT && p->key.dport[0] <= ND_REDIRECT)
			p->kind = PKT_ND;
		else if (icmp_type_is_error(PKT_PROTO_ICMP6, p->key.dport[0]))
			packet_parse_inner_v6(ip + off + 8, end, p);
	}
	return reason;
}

/* Fills p (its first PKT_CLEARED bytes zeroed by the caller but for key.port and segs) from an Ethernet frame whose first
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
	if (type == 0x86dd)
		return packet_parse_v6(d, end, frame_len, p);
	if (type == 0x0806) {
		p->kind = PKT_ARP;
		return ABI_REASON_NONE;
	}
	return ABI_REASON_NOT_IP;
}

/* What no instance or NAT gateway may say to anybody, whatever its rules. NONE: it may. */
static __always_inline enum abi_reason packet_may_be_sent(const struct pkt *p)
{
	if (p->kind == PKT_ARP)
		return ABI_REASON_NONE; /* arp.h looks into it */
	if (p->kind == PKT_ND && (p->key.dport[0] == ND_ROUTER_ADVERT || p->key.dport[0] == ND_REDIRECT))
		return ABI_REASON_RA_SPOOFED;
	return p->mac_known || p->kind == PKT_ND ? ABI_REASON_NONE : ABI_REASON_BROADCAST;
}
