/* test_packet.c: the parser, header by header: where ports are read, which lengths may not contradict each other, which packets
 * are fragments, what an ICMP error quotes, where a chain of IPv6 headers leads. */
#include <string.h>
#include "filters/explain.h"
#include "filters/packet.h"
#include "test.h"
#include "util/mem.h"

enum { ROOM = 512, SPORT = 0x1234, DPORT = 0x5678 };

struct frame {
	uint8_t b[ROOM];
	size_t n;
};

static void add(struct frame *f, const void *p, size_t n)
{
	assert_true(f->n + n <= sizeof(f->b));
	memcpy(f->b + f->n, p, n);
	f->n += n;
}

static void add_zeros(struct frame *f, size_t n)
{
	assert_true(f->n + n <= sizeof(f->b));
	memset(f->b + f->n, 0, n);
	f->n += n;
}

static void put16(struct frame *f, size_t at, unsigned v)
{
	f->b[at] = (uint8_t)(v >> 8);
	f->b[at + 1] = (uint8_t)v;
}

static void add_ethernet(struct frame *f, unsigned type)
{
	const uint8_t macs[12] = { ABI_MAC0, ABI_MAC1, 0, 0, 0, 9, 2, 2, 2, 2, 2, 2 };

	f->n = 0;
	add(f, macs, sizeof(macs));
	add_zeros(f, 2);
	put16(f, 12, type);
}

/* An IPv4 header with n bytes behind it still to come. */
static void add_v4(struct frame *f, size_t options, uint8_t proto, unsigned frag, size_t n)
{
	const size_t at = f->n;

	add_zeros(f, 20 + options);
	memset(f->b + at + 20, 1, options);
	f->b[at] = (uint8_t)(0x40 | (20 + options) / 4);
	put16(f, at + 2, (unsigned)(20 + options + n));
	put16(f, at + 4, 77);
	put16(f, at + 6, frag);
	f->b[at + 8] = 64;
	f->b[at + 9] = proto;
	f->b[at + 15] = 1;
	f->b[at + 19] = 2;
}

static void add_v6(struct frame *f, uint8_t next, size_t n)
{
	const size_t at = f->n;

	add_zeros(f, 40);
	f->b[at] = 0x60;
	put16(f, at + 4, (unsigned)n);
	f->b[at + 6] = next;
	f->b[at + 7] = 64;
	f->b[at + 23] = 1;
	f->b[at + 39] = 2;
}

static void add_tcp(struct frame *f, unsigned words, size_t bytes)
{
	const size_t at = f->n;

	add_zeros(f, bytes);
	put16(f, at, SPORT);
	put16(f, at + 2, DPORT);
	if (bytes > 13)
		f->b[at + 12] = (uint8_t)(words << 4);
}

static void add_udp(struct frame *f, unsigned length, size_t bytes)
{
	const size_t at = f->n;

	add_zeros(f, bytes);
	put16(f, at, SPORT);
	put16(f, at + 2, DPORT);
	put16(f, at + 4, length);
}

static void v4_tcp(struct frame *f, size_t options, unsigned frag, unsigned words, size_t bytes)
{
	add_ethernet(f, 0x0800);
	add_v4(f, options, PKT_PROTO_TCP, frag, bytes);
	add_tcp(f, words, bytes);
}

static void v4_udp(struct frame *f, unsigned frag, unsigned length, size_t bytes)
{
	add_ethernet(f, 0x0800);
	add_v4(f, 0, PKT_PROTO_UDP, frag, bytes);
	add_udp(f, length, bytes);
}

/* In a buffer of just its size. */
static struct pkt parse(const struct frame *f, enum abi_reason want)
{
	_cleanup_free_ uint8_t *exact = xmemdup(f->b, f->n ? f->n : 1);
	struct pkt p = { .segs = 1 };

	assert_string_equal(reason_name(packet_parse(exact, exact + f->n, (uint32_t)f->n, &p)), reason_name(want));
	return p;
}

static void ports_are(const struct abi_flow_key *k)
{
	assert_int_equal(read_be16(k->sport), SPORT);
	assert_int_equal(read_be16(k->dport), DPORT);
}

static void ports_stand_behind_options(void **state)
{
	struct frame f;
	struct pkt p;

	(void)state;
	for (size_t options = 0; options <= 40; options += 4) {
		v4_tcp(&f, options, 0, 5, 20);
		p = parse(&f, ABI_REASON_NONE);
		ports_are(&p.key);
		assert_int_equal(p.l4_off, 14 + 20 + options);
		assert_int_equal(p.headers, 20 + options + 20);
		assert_int_equal(p.key.src.b[15], 1);
		assert_int_equal(p.key.dst.b[15], 2);
	}
}

static void lengths_agree(void **state)
{
	struct frame f;

	(void)state;
	v4_tcp(&f, 0, 0, 5, 20);
	put16(&f, 16, 41); /* one byte more than there is */
	parse(&f, ABI_REASON_MALFORMED);
	put16(&f, 16, 39); /* the TCP header is cut */
	parse(&f, ABI_REASON_MALFORMED);
	put16(&f, 16, 19); /* less than the IP header */
	parse(&f, ABI_REASON_MALFORMED);
	put16(&f, 16, 40);
	add_zeros(&f, 18); /* padding */
	assert_int_equal(parse(&f, ABI_REASON_NONE).len, 40);
	f.b[14] = 0x44; /* a header of 16 bytes */
	parse(&f, ABI_REASON_MALFORMED);
	v4_tcp(&f, 0, 0, 4, 20);
	parse(&f, ABI_REASON_MALFORMED);
	v4_tcp(&f, 0, 0, 6, 20);
	parse(&f, ABI_REASON_MALFORMED);
	v4_tcp(&f, 0, 0, 6, 24);
	parse(&f, ABI_REASON_NONE);
	v4_udp(&f, 0, 8, 8);
	parse(&f, ABI_REASON_NONE);
	v4_udp(&f, 0, 7, 8);
	parse(&f, ABI_REASON_MALFORMED);
	v4_udp(&f, 0, 9, 8);
	parse(&f, ABI_REASON_MALFORMED);
}

static void fragments_are_seen(void **state)
{
	enum { MORE = 0x2000, DONT = 0x4000, LAST_OFF = 8191 };
	struct frame f;
	struct pkt p;

	(void)state;
	v4_tcp(&f, 0, DONT, 5, 20);
	p = parse(&f, ABI_REASON_NONE);
	assert_int_equal(p.frag, PKT_FRAG_NONE);
	assert_int_equal(p.dont_fragment, 1);
	v4_tcp(&f, 0, MORE, 5, 24);
	p = parse(&f, ABI_REASON_NONE);
	assert_int_equal(p.frag, PKT_FRAG_FIRST);
	assert_int_equal(p.frag_len, 24);
	assert_int_equal(p.frag_id, 77);
	ports_are(&p.key);
	for (size_t bytes = 8; bytes < 20; bytes += 8) { /* ports, and not the flags */
		v4_tcp(&f, 0, MORE, 5, bytes);
		parse(&f, ABI_REASON_FRAGMENT_TINY);
	}
	v4_tcp(&f, 0, MORE, 8, 24); /* options in the next one */
	parse(&f, ABI_REASON_FRAGMENT_TINY);
	v4_udp(&f, MORE, 3000, 16);
	assert_int_equal(parse(&f, ABI_REASON_NONE).frag, PKT_FRAG_FIRST);
	v4_udp(&f, MORE | 3, 8, 16);
	p = parse(&f, ABI_REASON_NONE);
	assert_int_equal(p.frag, PKT_FRAG_LATER);
	assert_int_equal(p.frag_off, 24);
	assert_int_equal(p.frag_len, 16);
	assert_int_equal(read_be16(p.key.dport), 0);
	v4_udp(&f, LAST_OFF, 8, 7);
	parse(&f, ABI_REASON_NONE);
	v4_udp(&f, LAST_OFF, 8, 8); /* beyond 65535 */
	parse(&f, ABI_REASON_MALFORMED);
}

static void errors_quote(void **state)
{
	static const uint8_t errors[] = { 3, 4, 5, 11, 12 };

	(void)state;
	for (unsigned type = 0; type < 256; type++)
		for (size_t options = 0; options <= 8; options += 8) {
			const size_t quoted = 20 + options + 8;
			bool want = memchr(errors, (int)type, sizeof(errors)) != NULL;
			struct frame f;
			struct pkt p;

			add_ethernet(&f, 0x0800);
			add_v4(&f, 0, PKT_PROTO_ICMP, 0, 8 + quoted);
			add_zeros(&f, 8);
			f.b[34] = (uint8_t)type;
			f.b[35] = 1;
			put16(&f, 38, SPORT);
			add_v4(&f, options, PKT_PROTO_UDP, 0, 100);
			add_udp(&f, 108, 8);
			p = parse(&f, ABI_REASON_NONE);
			assert_int_equal(p.icmp_error, want);
			assert_int_equal(read_be16(p.key.dport), type << 8 | 1);
			assert_int_equal(read_be16(p.key.sport),
					 icmp_type_has_id(PKT_PROTO_ICMP, (uint8_t)type) ? SPORT : 0);
			if (!want)
				continue;
			ports_are(&p.inner);
			assert_int_equal(p.inner.proto, PKT_PROTO_UDP);
			assert_int_equal(p.inner.src.b[15], 1);
			put16(&f, 34 + 8 + 6, 1); /* of a later fragment: it has no ports */
			assert_int_equal(parse(&f, ABI_REASON_NONE).icmp_error, 0);
		}
}

/* A protocol without ports needs no byte behind the quoted addresses; one with ports needs eight (RFC 792). */
static void errors_quote_little(void **state)
{
	static const uint8_t protos[] = { PKT_PROTO_TCP, PKT_PROTO_UDP, PKT_PROTO_ICMP, 47, 50, 99 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++)
		for (size_t quoted = 0; quoted <= 8; quoted++) {
			struct frame f;
			struct pkt p;

			add_ethernet(&f, 0x0800);
			add_v4(&f, 0, PKT_PROTO_ICMP, 0, 8 + 20 + quoted);
			add_zeros(&f, 8);
			f.b[34] = 3;
			add_v4(&f, 0, protos[i], 0, 100);
			add_zeros(&f, quoted);
			p = parse(&f, ABI_REASON_NONE);
			assert_int_equal(p.icmp_error, i > 2 || quoted == 8);
			if (p.icmp_error)
				assert_int_equal(p.inner.proto, protos[i]);
		}
}

static void queries_have_answers(void **state)
{
	static const uint8_t pairs[][3] = { { PKT_PROTO_ICMP, 8, 0 },
					    { PKT_PROTO_ICMP, 13, 14 },
					    { PKT_PROTO_ICMP, 15, 16 },
					    { PKT_PROTO_ICMP, 17, 18 },
					    { PKT_PROTO_ICMP6, 128, 129 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		assert_int_equal(icmp_type_reversed(pairs[i][0], pairs[i][1]), pairs[i][2]);
		assert_int_equal(icmp_type_reversed(pairs[i][0], pairs[i][2]), pairs[i][1]);
	}
	assert_int_equal(icmp_type_reversed(PKT_PROTO_ICMP, 3), 3);
}

struct chain {
	const char *what;
	uint8_t headers[8]; /* up to a 255 */
	uint8_t more;       /* hops to come, or fragments */
	bool good;
};

/* Behind each chain a UDP header. */
static void v6_chain(struct frame *f, const struct chain *c)
{
	static const uint8_t sizes[256] = {
		[IP6_HOP_BY_HOP] = 16, [IP6_ROUTING] = 8, [IP6_FRAGMENT] = 8, [IP6_AUTH] = 24, [IP6_DEST_OPTIONS] = 8
	};
	size_t n = 8;

	for (unsigned i = 0; c->headers[i] != 255; i++)
		n += sizes[c->headers[i]];
	add_ethernet(f, 0x86dd);
	add_v6(f, c->headers[0] == 255 ? PKT_PROTO_UDP : c->headers[0], n);
	for (unsigned i = 0; c->headers[i] != 255; i++) {
		const uint8_t kind = c->headers[i], size = sizes[kind];
		const size_t at = f->n;

		add_zeros(f, size);
		f->b[at] = c->headers[i + 1] == 255 ? PKT_PROTO_UDP : c->headers[i + 1];
		if (kind == IP6_AUTH)
			f->b[at + 1] = (uint8_t)(size / 4 - 2);
		else if (kind != IP6_FRAGMENT)
			f->b[at + 1] = (uint8_t)(size / 8 - 1);
		if (kind == IP6_ROUTING || kind == IP6_FRAGMENT)
			f->b[at + 3] = c->more;
	}
	add_udp(f, 8, 8);
}

static void chains_lead_to_ports(void **state)
{
	enum { H = IP6_HOP_BY_HOP, R = IP6_ROUTING, F = IP6_FRAGMENT, A = IP6_AUTH, D = IP6_DEST_OPTIONS, END = 255 };
	static const struct chain chains[] = {
		{ "none", { END }, 0, true },
		{ "hop by hop", { H, END }, 0, true },
		{ "authentication", { A, END }, 0, true },
		{ "routing, done", { R, END }, 0, true },
		{ "routing, one hop to come", { R, END }, 1, false },
		{ "all", { H, R, F, A, D, END }, 0, true },
		{ "six", { H, D, D, D, D, D, END }, 0, true },
		{ "seven", { H, D, D, D, D, D, D, END }, 0, false },
		{ "hop by hop not first", { D, H, END }, 0, false },
		{ "a fragment of a fragment", { F, F, END }, 1, false },
		{ "all of a packet in one fragment, twice", { F, F, END }, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(chains); i++) {
		struct frame f;
		struct pkt p;

		v6_chain(&f, &chains[i]);
		p = parse(&f, chains[i].good ? ABI_REASON_NONE : ABI_REASON_MALFORMED);
		if (!chains[i].good)
			continue;
		ports_are(&p.key);
		assert_int_equal(p.l4_off, f.n - 8);
		assert_int_equal(p.key.proto, PKT_PROTO_UDP);
	}
}

static void some_things_are_not_said(void **state)
{
	struct frame f;
	struct pkt p;

	(void)state;
	for (unsigned type = ND_ROUTER_SOLICIT; type <= ND_REDIRECT; type++) {
		bool routers = type == ND_ROUTER_ADVERT || type == ND_REDIRECT;

		add_ethernet(&f, 0x86dd);
		add_v6(&f, PKT_PROTO_ICMP6, 24);
		add_zeros(&f, 24);
		f.b[54] = (uint8_t)type;
		p = parse(&f, ABI_REASON_NONE);
		assert_int_equal(p.kind, PKT_ND);
		assert_int_equal(packet_may_be_sent(&p), routers ? ABI_REASON_RA_SPOOFED : ABI_REASON_NONE);
	}
	v4_tcp(&f, 0, 0, 5, 20);
	p = parse(&f, ABI_REASON_NONE);
	assert_int_equal(p.to_port, 9);
	assert_int_equal(packet_may_be_sent(&p), ABI_REASON_NONE);
	memset(f.b, 0xff, 6);
	p = parse(&f, ABI_REASON_NONE);
	assert_int_equal(packet_may_be_sent(&p), ABI_REASON_BROADCAST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_stand_behind_options), cmocka_unit_test(lengths_agree),
		cmocka_unit_test(fragments_are_seen),         cmocka_unit_test(errors_quote),
		cmocka_unit_test(errors_quote_little),        cmocka_unit_test(queries_have_answers),
		cmocka_unit_test(chains_lead_to_ports),       cmocka_unit_test(some_things_are_not_said),
	};

	return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
