/* frames.h: Ethernet frames for tests, checksums right. */
#pragma once
#include <arpa/inet.h>
#include <string.h>
#include "filters/packet.h"

struct frame_spec {
	uint32_t to_port; /* destination MAC: 0 = the router */
	struct abi_addr src, dst;
	uint8_t proto;
	uint16_t sport, dport; /* ICMP: id, type << 8 | code */
	uint8_t tcp_flags;
	uint16_t payload; /* bytes */
	uint16_t frag;    /* the IP header's word: flags and offset / 8 */
	uint16_t frag_id;
	const struct frame_spec *quotes; /* ICMP error: the packet it is about */
};
enum { FRAME_MAX = 1600 };

static inline uint32_t csum_add(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	if (n & 1)
		sum += (uint32_t)p[n - 1] << 8;
	return sum;
}

static inline void csum_put(uint8_t *at, uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	at[0] = (uint8_t)(sum >> 8);
	at[1] = (uint8_t)sum;
}

static inline void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline size_t ip_build(uint8_t *ip, const struct frame_spec *s);

static inline size_t l4_build(uint8_t *l4, const struct frame_spec *s)
{
	size_t n = 8;

	put16(l4, s->sport);
	put16(l4 + 2, s->dport);
	if (s->proto == PKT_PROTO_TCP) {
		l4[12] = 5 << 4;
		l4[13] = s->tcp_flags;
		n = 20;
	} else if (s->proto == PKT_PROTO_UDP) {
		put16(l4 + 4, 8u + s->payload);
	} else if (s->proto == PKT_PROTO_ICMP) {
		put16(l4, s->dport);
		put16(l4 + 2, 0);
		put16(l4 + 4, s->sport);
		if (s->quotes)
			n += ip_build(l4 + 8, s->quotes);
		csum_put(l4 + 2, csum_add(l4, n + s->payload, 0));
	} else {
		memset(l4, 0, 8);
	}
	return n + s->payload;
}

static inline size_t ip_build(uint8_t *ip, const struct frame_spec *s)
{
	size_t n;

	memset(ip, 0, 20);
	ip[0] = 0x45;
	ip[8] = 64;
	ip[9] = s->proto;
	put16(ip + 4, s->frag_id);
	put16(ip + 6, s->frag);
	memcpy(ip + 12, s->src.b + 12, 4);
	memcpy(ip + 16, s->dst.b + 12, 4);
	n = 20 + l4_build(ip + 20, s);
	put16(ip + 2, (unsigned)n);
	csum_put(ip + 10, csum_add(ip, 20, 0));
	return n;
}

/* Returns the frame's length. */
static inline size_t frame_build(uint8_t *f, const struct frame_spec *s)
{
	memset(f, 0, FRAME_MAX);
	f[0] = ABI_MAC0;
	f[1] = ABI_MAC1;
	put16(f + 2, s->to_port >> 16);
	put16(f + 4, s->to_port & 0xffff);
	f[6] = ABI_MAC0;
	f[7] = ABI_MAC1;
	put16(f + 12, 0x0800);
	return ETH_HLEN_ + ip_build(f + ETH_HLEN_, s);
}
