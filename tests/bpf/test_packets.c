/* test_packets.c: every way a frame can be read: whatever is cut short, contradicts itself or is no business of
 * an instance has its reason; IPv6 with its chains of headers; fragments; ICMP errors of both families. Host and
 * BPF answer alike. IPv6 runs over tables made by hand: the model has none yet. */
#include "tests/bpf/pass_lab.h"
#include "filters/compile.h"

enum { SYN = 2, ACK = 16, MORE = 0x2000, IP = ETH_HLEN_, L4 = IP + 20 };

static void expect(const char *name, const struct pass *x, bool allow, enum abi_reason reason)
{
	if (x->o.allow == allow && (allow || x->o.reason == reason))
		return;
	outcome_print("got", &x->o);
	fail_msg("%s: expected %s", name, allow ? "allowed" : reason_name(reason));
}

/* ---- what is wrong with an IPv4 frame ---- */

/* One change to a good TCP SYN from web to db: bytes at an offset, or the length. */
struct damage {
	const char *name;
	uint16_t at, len; /* len 0: nothing is written */
	uint8_t bytes[6];
	int cut;                /* bytes taken from the end; negative: added */
	enum abi_reason reason; /* NONE: it passes */
};
static const struct damage damages[] = {
	{ "as it is", 0, 0, { 0 }, 0, ABI_REASON_NONE },
	{ "padded to an Ethernet minimum", 0, 0, { 0 }, -6, ABI_REASON_NONE },
	{ "VLAN tag", 12, 2, { 0x81, 0x00 }, 0, ABI_REASON_NOT_IP },
	{ "provider tag", 12, 2, { 0x88, 0xa8 }, 0, ABI_REASON_NOT_IP },
	{ "LLDP", 12, 2, { 0x88, 0xcc }, 0, ABI_REASON_NOT_IP },
	{ "MPLS", 12, 2, { 0x88, 0x47 }, 0, ABI_REASON_NOT_IP },
	{ "a length where the type should be", 12, 2, { 0, 46 }, 0, ABI_REASON_NOT_IP },
	{ "broadcast", 0, 6, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, 0, ABI_REASON_BROADCAST },
	{ "multicast MAC", 0, 6, { 0x01, 0x00, 0x5e, 0, 0, 1 }, 0, ABI_REASON_BROADCAST },
	{ "nobody's MAC", 0, 6, { 0x52, 0x54, 0, 0, 0, 1 }, 0, ABI_REASON_BROADCAST },
	{ "no IP header", 0, 0, { 0 }, 40, ABI_REASON_MALFORMED },
	{ "half an IP header", 0, 0, { 0 }, 30, ABI_REASON_MALFORMED },
	{ "no transport header", 0, 0, { 0 }, 20, ABI_REASON_MALFORMED },
	{ "one byte short", 0, 0, { 0 }, 1, ABI_REASON_MALFORMED },
	{ "version 5", IP, 1, { 0x55 }, 0, ABI_REASON_MALFORMED },
	{ "version 6 in an IPv4 frame", IP, 1, { 0x65 }, 0, ABI_REASON_MALFORMED },
	{ "header of 16 bytes", IP, 1, { 0x44 }, 0, ABI_REASON_MALFORMED },
	{ "header longer than the packet", IP, 1, { 0x4f }, 0, ABI_REASON_MALFORMED },
	{ "total shorter than the header", IP + 2, 2, { 0, 19 }, 0, ABI_REASON_MALFORMED },
	{ "total longer than the frame", IP + 2, 2, { 0, 41 }, 0, ABI_REASON_MALFORMED },
	{ "total without all of TCP", IP + 2, 2, { 0, 39 }, 0, ABI_REASON_MALFORMED },
	{ "TCP header of 16 bytes", L4 + 12, 1, { 0x40 }, 0, ABI_REASON_MALFORMED },
	{ "TCP header longer than the packet", L4 + 12, 1, { 0x60 }, 0, ABI_REASON_MALFORMED },
	{ "UDP, length less than its header",
	  IP + 9,
	  1,
	  { 17 },
	  0,
	  ABI_REASON_MALFORMED }, /* TCP's sequence number is 0 */
	{ "a fragment beyond 64 KB", IP + 6, 2, { 0x1f, 0xff }, 0, ABI_REASON_MALFORMED },
	{ "a later fragment without a first", IP + 6, 2, { 0, 8 }, 0, ABI_REASON_FRAGMENT_ORPHAN },
	{ "IPv6", 12, 2, { 0x86, 0xdd }, 0, ABI_REASON_IPV6_NOT_SUPPORTED },
	{ "another's address", IP + 15, 1, { 99 }, 0, ABI_REASON_ENI_ADDRESS_RESTRICTION },
};

static struct frame_spec spec_of(const char *src, const char *dst, uint8_t proto, uint16_t sport, uint16_t dport)
{
	struct frame_spec s = { .proto = proto, .sport = sport, .dport = dport, .tcp_flags = SYN };

	s.src = addr_of(src);
	s.dst = addr_of(dst);
	return s;
}

static void test_damages(void **state)
{
	struct lab l;

	(void)state;
	lab_up(&l, table_topology);
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		const struct damage *d = &damages[i];
		struct frame_spec s = spec_of("10.0.0.10", "10.0.1.10", 6, (uint16_t)(40000 + i), 5432);
		uint8_t frame[FRAME_MAX];
		size_t n = frame_build(frame, &s);
		struct pass x;

		memcpy(frame + d->at, d->bytes, d->len);
		pass_both_raw(&l, port_of(&l, "web"), frame, n - (size_t)d->cut, &x);
		expect(d->name, &x, d->reason == ABI_REASON_NONE, d->reason);
		if (d->reason != ABI_REASON_NONE && d->reason != ABI_REASON_ENI_ADDRESS_RESTRICTION)
			assert_int_equal(x.o.gate, ABI_GATE_PARSE);
	}
	lab_down(&l);
}

/* Every length from nothing to all of it, of each protocol: only whole packets pass. */
static void test_cut(void **state)
{
	static const struct frame_spec kinds[] = {
		{ .proto = 6, .sport = 40000, .dport = 5432, .tcp_flags = SYN, .payload = 5 },
		{ .proto = 17, .sport = 40000, .dport = 53, .payload = 5 },
		{ .proto = 1, .sport = 7, .dport = 0x800, .payload = 5 },
		{ .proto = 50, .payload = 5 }
	};
	struct lab l;

	(void)state;
	lab_up(&l, table_topology);
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct frame_spec s = kinds[k];
		uint8_t frame[FRAME_MAX];
		struct pass x;
		size_t n;

		s.src = addr_of("10.0.0.10");
		s.dst = addr_of("10.0.0.11");
		s.to_port = port_of(&l, "web2");
		n = frame_build(frame, &s);
		for (size_t len = ETH_HLEN_; len < n; len++) {
			pass_both_raw(&l, port_of(&l, "web"), frame, len, &x);
			expect("cut", &x, false, ABI_REASON_MALFORMED);
		}
		pass_both_raw(&l, port_of(&l, "web"), frame, n, &x);
		assert_true(x.o.gate != ABI_GATE_PARSE);
	}
	lab_down(&l);
}

/* Fragments cannot smuggle a port past a rule. */
static void test_fragments(void **state)
{
	struct frame_spec first = spec_of("10.0.0.10", "10.0.1.10", 6, 40000, 5432), other = first;
	uint8_t frame[FRAME_MAX];
	struct pass x;
	struct lab l;
	size_t n;

	(void)state;
	lab_up(&l, table_topology);
	first.frag = MORE;
	first.frag_id = 77;
	first.payload = 12; /* 32 bytes of TCP */
	n = frame_build(frame, &first);
	put16(frame + IP + 2, 20 + 16); /* a first fragment with 16 bytes of TCP: ports, but not all */
	pass_both_raw(&l, port_of(&l, "web"), frame, n, &x);
	expect("tiny first fragment", &x, false, ABI_REASON_FRAGMENT_TINY);
	pass_both(&l, port_of(&l, "web"), &first, &x);
	expect("first fragment", &x, true, 0);
	other = first;
	other.tcp_flags = 0;
	other.frag = MORE | 1; /* at 8: would overwrite flags */
	pass_both(&l, port_of(&l, "web"), &other, &x);
	expect("overlaps the header", &x, false, ABI_REASON_FRAGMENT_TINY);
	other.frag = MORE | 3; /* at 24 of 32 */
	pass_both(&l, port_of(&l, "web"), &other, &x);
	expect("overlaps the first one", &x, false, ABI_REASON_FRAGMENT_TINY);
	other.frag = 4;
	pass_both(&l, port_of(&l, "web"), &other, &x);
	expect("goes on behind it", &x, true, 0);
	other.frag_id = 78;
	pass_both(&l, port_of(&l, "web"), &other, &x);
	expect("of another packet", &x, false, ABI_REASON_FRAGMENT_ORPHAN);
	other.frag_id = 77;
	other.proto = 17;
	pass_both(&l, port_of(&l, "web"), &other, &x);
	expect("of another protocol", &x, false, ABI_REASON_FRAGMENT_ORPHAN);
	lab_down(&l);
}

/* ---- IPv6 ---- */

static const char web6[] = "2001:db8:0:1::10", db6[] = "2001:db8:0:2::10", nobody6[] = "2001:db8:0:2::99";
enum { SIX_GROUPS = 900, SIX_GROUPS_DB = 902, SIX_NACL = 901, SIX_TABLE = 77, STAR = 500 };

static void six_ruleset(struct map_rows *rows, uint32_t slot, bool nacl, const char *in, const char *out)
{
	const char *const texts[2] = { in, out };
	struct compile_ruleset set[2] = { 0 };
	struct compile_rule rules[2];
	struct rule rule[2];
	struct abi_policy policy = { 0 };
	struct err e = { 0 };

	for (int d = RULE_IN; d <= RULE_OUT; d++) {
		set[d] = (struct compile_ruleset){ .name = "six",
						   .nacl = nacl,
						   .table = ABI_TABLE_OF(slot, d),
						   .star = nacl ? STAR : 0,
						   .rules = &rules[d],
						   .n_rules = texts[d] ? 1 : 0,
						   .other = &set[!d] };
		if (texts[d] && rule_parse(texts[d], nacl ? RULE_OF_NACL : RULE_OF_GROUP, d, &rule[d], &e))
			fail_msg("%s", e.msg);
		rules[d] = (struct compile_rule){ .rule = &rule[d],
						  .number = 400 + slot % 10 * 2 + (unsigned)d,
						  .order = 1 };
	}
	if (ruleset_compile(&set[RULE_IN], NULL, 0, rows, &policy.in, &e) ||
	    ruleset_compile(&set[RULE_OUT], NULL, 0, rows, &policy.out, &e))
		fail_msg("%s", e.msg);
	map_rows_add(rows, ABI_MAP_POLICIES, &slot, &policy);
}

static void six_port(struct lab *l, struct map_rows *rows, const char *name, const char *address, uint32_t groups)
{
	uint32_t number = port_of(l, name);
	struct abi_port port = *(const struct abi_port *)host_map_lookup(l->w->ports, &number);
	struct abi_addr_key key = { .vpc = port.vpc, .addr = addr_of(address) };
	struct abi_addr_val val = { .port = number, .subnet = port.subnet };

	port.flags |= ABI_PORT_IPV6;
	port.sg_policy = groups;
	port.nacl_policy = SIX_NACL;
	port.route_table = SIX_TABLE;
	map_rows_add(rows, ABI_MAP_PORTS, &number, &port);
	map_rows_add(rows, ABI_MAP_ADDRS, &key, &val);
}

/* web and db with an IPv6 address each, in two subnets. */
static void six_up(struct lab *l)
{
	struct abi_lpm_key key = { .prefixlen = ABI_LPM_TABLE_BITS + 56,
				   .table_lo = SIX_TABLE,
				   .addr = addr_of("2001:db8::") };
	struct abi_route local = { .kind = ABI_ROUTE_LOCAL, .route = 7 };
	struct map_rows rows;
	struct err e = { 0 };

	lab_up(l, table_topology);
	map_rows_init(&rows);
	six_ruleset(&rows, SIX_GROUPS, false, "icmpv6 from ::/0", "all to ::/0");
	six_ruleset(&rows, SIX_GROUPS_DB, false, "all from 2001:db8:0:1::/64", NULL);
	six_ruleset(&rows, SIX_NACL, true, "100 allow all from ::/0", "100 allow all to ::/0");
	six_port(l, &rows, "web", web6, SIX_GROUPS);
	six_port(l, &rows, "db", db6, SIX_GROUPS_DB);
	map_rows_add(&rows, ABI_MAP_ROUTES, &key, &local);
	map_rows_sort(&rows);
	for (size_t i = 0; i < rows.n; i++) {
		struct host_map *const maps[ABI_MAP_SYNC_MAX] = {
			[ABI_MAP_PORTS] = l->w->ports,   [ABI_MAP_ADDRS] = l->w->addrs,
			[ABI_MAP_ROUTES] = l->w->routes, [ABI_MAP_POLICIES] = l->w->policies,
			[ABI_MAP_PEERS] = l->w->peers,   [ABI_MAP_MEMBERS] = l->w->members,
			[ABI_MAP_RULES] = l->w->rules,
		};

		assert_int_equal(host_map_update(maps[rows.v[i].map], map_row_key(&rows, &rows.v[i]),
						 map_row_value(&rows, &rows.v[i])),
				 0);
		if (datapath_row_set(l->d, &rows, &rows.v[i], &e))
			fail_msg("%s", e.msg);
	}
	map_rows_done(&rows);
	lab_now_set(l, 1000000000000ull);
}

/* An IPv6 packet: a chain of headers by letters, then the transport.
 *   H hop-by-hop, D destination options, R routing (0 hops to come), r routing (1), A authentication,
 *   a atomic fragment, F first fragment, f later fragment at 64, L a later one at 65528 */
struct six {
	const char *from, *to, *chain;
	uint8_t proto;
	uint16_t sport, dport; /* ICMPv6: identifier, type << 8 | code */
	uint8_t tcp_flags;
	uint16_t payload;
	uint32_t frag_id;
	const struct six *quotes;
};

static size_t six_ip(uint8_t *ip, const struct six *s)
{
	static const struct {
		char letter;
		uint8_t proto;
	} kinds[] = { { 'H', 0 },  { 'D', 60 }, { 'R', 43 }, { 'r', 43 }, { 'A', 51 },
		      { 'a', 44 }, { 'F', 44 }, { 'f', 44 }, { 'L', 44 } };
	const struct abi_addr src = addr_of(s->from), dst = addr_of(s->to);
	uint8_t *next = ip + 6, *p = ip + 40;

	memset(ip, 0, 40);
	ip[0] = 0x60;
	ip[7] = 255;
	memcpy(ip + 8, src.b, 16);
	memcpy(ip + 24, dst.b, 16);
	for (const char *c = s->chain; *c; c++) {
		size_t n = *c == 'A' ? 24 : *c == 'D' ? 16 : 8;

		for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
			if (kinds[i].letter == *c)
				*next = kinds[i].proto;
		memset(p, 0, n);
		next = p;
		p[1] = *c == 'A' ? 4 : *c == 'D' ? 1 : 0;
		if (*c == 'r')
			p[3] = 1;
		if (strchr("aFfL", *c)) {
			put16(p + 2, *c == 'F' ? 1 : *c == 'f' ? 64 : *c == 'L' ? 65528 : 0);
			memcpy(p + 4, &s->frag_id, 4);
		}
		p += n;
	}
	*next = s->proto;
	memset(p, 0, 40u + s->payload);
	if (s->proto == PKT_PROTO_TCP || s->proto == PKT_PROTO_UDP) {
		put16(p, s->sport);
		put16(p + 2, s->dport);
		p[12] = 0x50;
		p[13] = s->tcp_flags;
		if (s->proto == PKT_PROTO_UDP)
			put16(p + 4, 8u + s->payload);
		p += s->proto == PKT_PROTO_TCP ? 20 : 8;
	} else if (s->proto == PKT_PROTO_ICMP6) {
		put16(p, s->dport);
		put16(p + 4, s->sport);
		p += 8;
		if (s->quotes)
			p += six_ip(p, s->quotes);
	}
	p += s->payload;
	put16(ip + 4, (unsigned)(p - ip - 40));
	return (size_t)(p - ip);
}

static size_t six_frame(uint8_t *f, const struct six *s)
{
	memset(f, 0, FRAME_MAX);
	f[0] = ABI_MAC0;
	f[1] = ABI_MAC1;
	put16(f + 12, 0x86dd);
	return ETH_HLEN_ + six_ip(f + ETH_HLEN_, s);
}

static struct pass six_pass(struct lab *l, const char *name, const struct six *s)
{
	uint8_t frame[FRAME_MAX];
	const size_t n = six_frame(frame, s);
	struct pass x;

	pass_both_raw(l, port_of(l, name), frame, n, &x);
	return x;
}

static void test_chains(void **state)
{
	static const struct {
		const char *chain;
		uint8_t proto;
		uint16_t dport;
		enum abi_reason reason;
		uint8_t seen; /* the transport that was found */
	} chains[] = {
		{ "", 6, 80, ABI_REASON_NONE, 6 },
		{ "", 17, 53, ABI_REASON_NONE, 17 },
		{ "H", 6, 80, ABI_REASON_NONE, 6 },
		{ "D", 17, 53, ABI_REASON_NONE, 17 },
		{ "HDRAD", 6, 80, ABI_REASON_NONE, 6 },
		{ "HDRaAD", 6, 80, ABI_REASON_NONE, 6 },
		{ "DDDDDD", 6, 80, ABI_REASON_NONE, 6 },
		{ "DDDDDDD", 6, 80, ABI_REASON_MALFORMED, 0 },
		{ "DH", 6, 80, ABI_REASON_MALFORMED, 0 }, /* hop-by-hop stands first or nowhere */
		{ "r", 6, 80, ABI_REASON_MALFORMED, 0 },  /* bound for somewhere else */
		{ "aa", 6, 80, ABI_REASON_MALFORMED, 0 }, /* one is all there can be */
		{ "Fa", 6, 80, ABI_REASON_MALFORMED, 0 },
		{ "L", 17, 53, ABI_REASON_MALFORMED, 0 },
		{ "", 59, 0, ABI_REASON_NONE, 59 },
		{ "D", 59, 0, ABI_REASON_NONE, 59 },
		{ "", 50, 0, ABI_REASON_NONE, 50 },
		{ "", 1, 0, ABI_REASON_NONE, 1 }, /* ICMP of the other family: a protocol like any */
		{ "", 58, 0x8000, ABI_REASON_NONE, 58 },
		{ "H", 58, 0x8600, ABI_REASON_RA_SPOOFED, 58 },
		{ "", 58, 0x8900, ABI_REASON_RA_SPOOFED, 58 },
		{ "", 58, 0x8800, ABI_REASON_BROADCAST, 58 }, /* neighbours are the router's business */
	};
	struct lab l;

	(void)state;
	six_up(&l);
	for (size_t i = 0; i < ARRAY_SIZE(chains); i++) {
		struct six s = {
			web6, db6, chains[i].chain, chains[i].proto, (uint16_t)(40000 + i), chains[i].dport, SYN, 9,
			1,    NULL
		};
		uint8_t frame[FRAME_MAX];
		char name[64];
		struct pass x;
		size_t n;

		snprintf(name, sizeof(name), "chain %zu \"%s\" protocol %u", i, chains[i].chain, chains[i].proto);
		x = six_pass(&l, "web", &s);
		expect(name, &x, chains[i].reason == ABI_REASON_NONE, chains[i].reason);
		n = six_frame(frame, &s);
		for (size_t len = ETH_HLEN_; len < n; len++) { /* each prefix of it is cut short */
			pass_both_raw(&l, port_of(&l, "web"), frame, len, &x);
			if (x.o.allow)
				fail_msg("%s: passes when cut to %zu of %zu bytes", name, len, n);
			assert_int_equal(x.o.gate, ABI_GATE_PARSE);
		}
		pass_host(&l, port_of(&l, "web"), frame, n, &x);
		if (chains[i].seen)
			assert_int_equal(x.p.key.proto, chains[i].seen);
	}
	lab_down(&l);
}

/* Rules, state, errors and fragments of IPv6; and nothing of it where a port has none. */
static void test_six(void **state)
{
	struct six ask = { web6, db6, "H", 6, 40000, 80, SYN, 0, 0, NULL },
		   answer = { db6, web6, "", 6, 80, 40000, SYN | ACK, 0, 0, NULL };
	struct six error = { db6, web6, "", 58, 0, 0x0104, 0, 0, 0, &ask },
		   ping = { web6, db6, "", 58, 7, 0x8000, 0, 9, 0, NULL };
	struct six pong = { db6, web6, "", 58, 7, 0x8100, 0, 9, 0, NULL };
	struct six first = { web6, db6, "F", 17, 40000, 53, 0, 56, 5, NULL },
		   later = { web6, db6, "f", 17, 0, 0, 0, 8, 5, NULL };
	struct frame_spec v4 = spec_of("10.0.0.10", "10.0.1.10", 6, 40000, 5432);
	struct pass x;
	struct lab l;

	(void)state;
	six_up(&l);
	x = six_pass(&l, "db", &error);
	expect("an error about nothing", &x, false, ABI_REASON_SG_HAS_NO_RULES);
	x = six_pass(&l, "db", &answer);
	expect("an answer to nothing", &x, false, ABI_REASON_SG_HAS_NO_RULES);
	x = six_pass(&l, "web", &ask);
	expect("a question", &x, true, 0);
	x = six_pass(&l, "db", &error);
	expect("an error about it", &x, true, 0);
	assert_int_equal(x.o.reason_sg_out, ABI_REASON_RELATED);
	x = six_pass(&l, "db", &answer);
	expect("its answer", &x, true, 0);
	assert_int_equal(x.o.reason_sg_out, ABI_REASON_TRACKED);
	assert_int_equal(x.o.reason_sg_in, ABI_REASON_TRACKED);
	x = six_pass(&l, "web", &ping);
	expect("ping", &x, true, 0);
	x = six_pass(&l, "db", &pong);
	expect("pong", &x, true, 0);
	pong.sport = 8;
	x = six_pass(&l, "db", &pong);
	expect("a pong that nobody waits for", &x, false, ABI_REASON_SG_HAS_NO_RULES);
	ask.from = nobody6;
	x = six_pass(&l, "web", &ask);
	expect("another's address", &x, false, ABI_REASON_ENI_ADDRESS_RESTRICTION);
	ask.from = web6;
	ask.to = nobody6;
	x = six_pass(&l, "web", &ask);
	expect("to nobody", &x, false, ABI_REASON_NO_POSSIBLE_DESTINATION);
	ask.to = "fe80::1";
	x = six_pass(&l, "web", &ask);
	expect("to a link-local address", &x, false, ABI_REASON_NO_SERVICE);
	ask.to = "ff02::1";
	x = six_pass(&l, "web", &ask);
	expect("multicast", &x, false, ABI_REASON_BROADCAST);
	x = six_pass(&l, "web", &later);
	expect("an orphan", &x, false, ABI_REASON_FRAGMENT_ORPHAN);
	x = six_pass(&l, "web", &first);
	expect("a first fragment", &x, true, 0);
	x = six_pass(&l, "web", &later);
	expect("a later one", &x, true, 0);
	first.chain = "FD"; /* the fragments' part begins with options */
	first.frag_id = later.frag_id = 6;
	first.payload = 40;
	later.proto = 60; /* and that is what all fragments say they carry */
	x = six_pass(&l, "web", &first);
	expect("a first fragment with options", &x, true, 0);
	x = six_pass(&l, "web", &later);
	expect("a later one of it", &x, true, 0);
	assert_int_equal(x.o.rule[ABI_CACHED_SG_IN], 400 + SIX_GROUPS_DB % 10 * 2);
	first.payload = 48; /* up to 72: overlaps the one at 64 */
	x = six_pass(&l, "web", &first);
	expect("a longer first one", &x, true, 0);
	x = six_pass(&l, "web", &later);
	expect("an overlap", &x, false, ABI_REASON_FRAGMENT_TINY);
	pass_both(&l, port_of(&l, "web"), &v4, &x);
	expect("IPv4 is not matched by rules of IPv6", &x, false, ABI_REASON_ENI_SG_RULES_MISMATCH);
	ask.to = db6;
	ask.from = web6;
	x = six_pass(&l, "web2", &ask);
	expect("a port without IPv6", &x, false, ABI_REASON_IPV6_NOT_SUPPORTED);
	ask.chain = "DDDDDDDDD";
	x = six_pass(&l, "web2", &ask);
	expect("not even looked at", &x, false, ABI_REASON_IPV6_NOT_SUPPORTED);
	lab_down(&l);
}

/* The verifier accepts each program with a wide margin (the limit is a million instructions). */
static void test_verifier(void **state)
{
	static const char *const progs[] = {
		"eni_ingress", "eni_egress", "igw_egress", "link_ingress", "reap", "flush"
	};
	struct lab l;

	(void)state;
	lab_up(&l, table_topology);
	for (size_t i = 0; i < ARRAY_SIZE(progs); i++) {
		struct bpf_prog_info info = { 0 };
		__u32 len = sizeof(info);
		char name[32];
		int fd;

		snprintf(name, sizeof(name), "prog_%s", progs[i]);
		fd = pin_fd(name);
		assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
		close(fd);
		printf("# %s: %u instructions verified\n", progs[i], info.verified_insns);
		assert_true(info.verified_insns && info.verified_insns < 500000);
	}
	lab_down(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_damages),   cmocka_unit_test(test_cut),
					    cmocka_unit_test(test_fragments), cmocka_unit_test(test_chains),
					    cmocka_unit_test(test_six),       cmocka_unit_test(test_verifier) };

	return pass_tests_run("test-packets", tests, ARRAY_SIZE(tests));
}
