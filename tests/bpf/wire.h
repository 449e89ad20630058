/* wire.h: the bytes of an oracle's packet: Ethernet, IPv4 or IPv6, fragments, ICMP errors. Checksums are not made:
 * no gate reads them. */
#pragma once
#include <string.h>
#include "tests/bpf/frames.h"
#include "tests/support/oracle_lab.h"

static inline size_t wire_l4(uint8_t *l4, const struct oracle_flow *f, uint8_t tcp_flags, size_t bytes)
{
	const bool icmp = f->proto == (f->family == 4 ? 1 : 58);

	memset(l4, 0, bytes > 24 ? bytes : 24);
	if (f->proto == 6 || f->proto == 17) {
		put16(l4, f->a);
		put16(l4 + 2, f->b);
		if (f->proto == 17)
			put16(l4 + 4, (unsigned)bytes);
		l4[12] = f->proto == 6 ? 0x50 : 0;
		l4[13] = f->proto == 6 ? tcp_flags : 0;
	} else if (icmp) {
		put16(l4, f->b);
		put16(l4 + 4, f->a);
	}
	return bytes;
}

/* Where the transport goes; frag: the fragment header's word, more: it has one. */
static inline uint8_t *wire_ip(uint8_t *ip, const struct oracle_flow *f, bool fragment, unsigned word, uint32_t id)
{
	memset(ip, 0, 48);
	if (f->family == 4) {
		ip[0] = 0x45;
		ip[8] = 64;
		ip[9] = f->proto;
		put16(ip + 4, id & 0xffff);
		put16(ip + 6, fragment ? (word & 1 ? 0x2000 : 0) | word >> 3 : 0);
		memcpy(ip + 12, f->src.a.b + 12, 4);
		memcpy(ip + 16, f->dst.a.b + 12, 4);
		return ip + 20;
	}
	ip[0] = 0x60;
	ip[6] = fragment ? 44 : f->proto;
	ip[7] = 64;
	memcpy(ip + 8, f->src.a.b, 16);
	memcpy(ip + 24, f->dst.a.b, 16);
	if (!fragment)
		return ip + 40;
	ip[40] = f->proto;
	put16(ip + 42, word);
	put16(ip + 44, id >> 16);
	put16(ip + 46, id & 0xffff);
	return ip + 48;
}

static inline void wire_length(uint8_t *ip, int family, const uint8_t *end)
{
	put16(ip + (family == 4 ? 2 : 4), (unsigned)(end - ip - (family == 4 ? 0 : 40)));
}

/* f has room for FRAME_MAX. Returns the frame's length. */
static inline size_t wire_build(uint8_t *f, const struct oracle_frame *p)
{
	uint8_t *ip = f + ETH_HLEN_, *l4, *inner;
	const bool fragment = p->frag != ORACLE_WHOLE;

	memset(f, 0, ETH_HLEN_);
	f[0] = f[6] = ABI_MAC0;
	f[1] = f[7] = ABI_MAC1;
	put16(f + 2, p->mac >> 16);
	put16(f + 4, p->mac & 0xffff);
	put16(f + 12, p->flow.family == 4 ? 0x0800 : 0x86dd);
	l4 = wire_ip(ip, &p->flow, fragment, p->frag == ORACLE_LATER ? p->frag_off & 0xfff8 : 1, p->frag_id);
	if (p->frag == ORACLE_LATER) {
		memset(l4, 0, p->bytes);
		l4 += p->bytes;
	} else {
		l4 += wire_l4(l4, &p->flow, p->tcp_flags, p->is_error ? 8 : p->bytes);
	}
	if (p->is_error) {
		inner = l4;
		l4 = wire_ip(inner, &p->about, false, 0, 0);
		l4 += wire_l4(l4, &p->about, 0, 8);
		wire_length(inner, p->about.family, l4);
	}
	wire_length(ip, p->flow.family, l4);
	return (size_t)(l4 - f);
}
