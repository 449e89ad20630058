/* test_rule.c: the rule language: canonical text, round trip, and what is said about mistakes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "test.h"
#include "filters/rule.h"
#include "util/mem.h"

#define IN RULE_IN
#define OUT RULE_OUT
#define GROUP RULE_OF_GROUP
#define NACL RULE_OF_NACL

static uint64_t rnd_state = 7;

static uint32_t rnd(uint32_t n)
{
	rnd_state = rnd_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(rnd_state >> 33) % n;
}

/* ---- what is written, and how it is written canonically ---- */

static void canonical_text(void **state)
{
	static const struct {
		enum rule_owner owner;
		enum rule_dir dir;
		const char *text, *want;
	} cases[] = {
		{ GROUP, IN, "tcp 80 from 0.0.0.0/0", "tcp 80 from 0.0.0.0/0" },
		{ GROUP, IN, "  tcp\t80   from  0.0.0.0/0  ", "tcp 80 from 0.0.0.0/0" },
		{ GROUP, OUT, "udp 53 to ::/0", "udp 53 to ::/0" },
		{ GROUP, IN, "6 80 from 0.0.0.0/0", "tcp 80 from 0.0.0.0/0" },
		{ GROUP, IN, "17 from 0.0.0.0/0", "udp from 0.0.0.0/0" },
		{ GROUP, IN, "1 8 from 0.0.0.0/0", "icmp echo-request from 0.0.0.0/0" },
		{ GROUP, IN, "58 128 from ::/0", "icmpv6 echo-request from ::/0" },
		{ GROUP, IN, "tcp from 10.0.0.0/8", "tcp from 10.0.0.0/8" },
		{ GROUP, IN, "tcp 0-65535 from 10.0.0.0/8", "tcp from 10.0.0.0/8" },
		{ GROUP, IN, "tcp 0 from 10.0.0.0/8", "tcp 0 from 10.0.0.0/8" },
		{ GROUP, IN, "tcp 65535 from 10.0.0.0/8", "tcp 65535 from 10.0.0.0/8" },
		{ GROUP, IN, "tcp 80-80 from 10.0.0.0/8", "tcp 80 from 10.0.0.0/8" },
		{ GROUP, IN, "tcp 443,80,1024-2048 from 10.0.0.0/8", "tcp 80,443,1024-2048 from 10.0.0.0/8" },
		{ GROUP, IN, "tcp 80,81 from 10.0.0.0/8", "tcp 80,81 from 10.0.0.0/8" }, /* two rules to AWS */
		{ GROUP, IN, "tcp 80 from 10.1.2.3/8", "tcp 80 from 10.0.0.0/8" },
		{ GROUP, IN, "tcp 80 from 10.1.2.3", "tcp 80 from 10.1.2.3/32" },
		{ GROUP, IN, "tcp 80 from 2001:db8::1", "tcp 80 from 2001:db8::1/128" },
		{ GROUP, IN, "tcp 80 from 2001:DB8:0:0::1/64", "tcp 80 from 2001:db8::/64" },
		{ GROUP, IN, "tcp 5432 from sg:web", "tcp 5432 from sg:web" },
		{ GROUP, OUT, "tcp 443 to pl:offices", "tcp 443 to pl:offices" },
		{ GROUP, IN, "all from sg:web", "all from sg:web" },
		/* Ports of protocols that have none are ignored. */
		{ GROUP, IN, "all 80 from 0.0.0.0/0", "all from 0.0.0.0/0" },
		{ GROUP, IN, "47 80 from 0.0.0.0/0", "47 from 0.0.0.0/0" },
		{ NACL, IN, "100 deny 50 1-2 from 0.0.0.0/0", "100 deny 50 from 0.0.0.0/0" },
		{ GROUP, IN, "0 from 0.0.0.0/0", "0 from 0.0.0.0/0" },
		{ GROUP, IN, "254 from 0.0.0.0/0", "254 from 0.0.0.0/0" },
		/* ICMP */
		{ GROUP, IN, "icmp from 0.0.0.0/0", "icmp from 0.0.0.0/0" },
		{ GROUP, IN, "icmp -1 from 0.0.0.0/0", "icmp from 0.0.0.0/0" },
		{ GROUP, IN, "icmp -1/-1 from 0.0.0.0/0", "icmp from 0.0.0.0/0" },
		{ GROUP, IN, "icmp 8/-1 from 0.0.0.0/0", "icmp echo-request from 0.0.0.0/0" },
		{ GROUP, IN, "icmp echo-request/0 from 0.0.0.0/0", "icmp 8/0 from 0.0.0.0/0" },
		{ GROUP, IN, "icmp 3/4 from 0.0.0.0/0", "icmp 3/4 from 0.0.0.0/0" },
		{ GROUP, IN, "icmp frag-needed from 0.0.0.0/0", "icmp 3/4 from 0.0.0.0/0" },
		{ GROUP, IN, "icmp destination-unreachable/frag-needed from 0.0.0.0/0", "icmp 3/4 from 0.0.0.0/0" },
		{ GROUP, IN, "icmp destination-unreachable from 0.0.0.0/0",
		  "icmp destination-unreachable from 0.0.0.0/0" },
		{ GROUP, IN, "icmp 11 from 0.0.0.0/0", "icmp time-exceeded from 0.0.0.0/0" },
		{ GROUP, IN, "icmp 200 from 0.0.0.0/0", "icmp 200 from 0.0.0.0/0" },
		{ GROUP, IN, "icmp 255/255 from 0.0.0.0/0", "icmp 255/255 from 0.0.0.0/0" },
		{ GROUP, IN, "icmpv6 packet-too-big from ::/0", "icmpv6 packet-too-big from ::/0" },
		{ GROUP, IN, "icmpv6 neighbor-solicitation from ::/0", "icmpv6 neighbour-solicitation from ::/0" },
		{ GROUP, IN, "icmpv6 1/4 from sg:a", "icmpv6 1/4 from sg:a" },
		/* ICMP of the other family is a protocol like any other: no types. */
		{ NACL, IN, "100 deny icmpv6 128 from 10.0.0.0/8", "100 deny icmpv6 from 10.0.0.0/8" },
		{ NACL, IN, "100 deny icmp 8 from ::/0", "100 deny icmp from ::/0" },
		{ NACL, IN, "1 allow all from 0.0.0.0/0", "1 allow all from 0.0.0.0/0" },
		{ NACL, OUT, "32766 deny tcp 1024-65535 to 10.0.0.77/24", "32766 deny tcp 1024-65535 to 10.0.0.0/24" },
		{ NACL, IN, "007 allow all from 0.0.0.0/0", "7 allow all from 0.0.0.0/0" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rule r, again;
		struct err e = { 0 };
		char text[200];

		if (rule_parse(cases[i].text, cases[i].owner, cases[i].dir, &r, &e) < 0)
			fail_msg("%s: %s", cases[i].text, e.msg);
		assert_string_equal(rule_format(&r, text, sizeof(text)), cases[i].want);
		assert_int_equal(rule_parse(text, cases[i].owner, cases[i].dir, &again, &e), 0);
		assert_true(rule_eq(&r, &again));
		assert_memory_equal(&r, &again, sizeof(r));
		assert_true(r.allow == (strstr(text, "deny") == NULL));
	}
}

static void descriptions_are_skipped(void **state)
{
	struct rule r;
	struct err e = { 0 };
	char text[200];

	(void)state;
	assert_int_equal(rule_parse("tcp 80 from 0.0.0.0/0 ;  the web; all of it  ", GROUP, IN, &r, &e), 0);
	assert_string_equal(rule_format(&r, text, sizeof(text)), "tcp 80 from 0.0.0.0/0");
	assert_int_equal(rule_parse("tcp 80 from 0.0.0.0/0 ;", GROUP, IN, &r, &e), 0);
}

/* ---- mistakes ---- */

static void mistakes(void **state)
{
	static const struct {
		enum rule_owner owner;
		enum rule_dir dir;
		const char *text, *want;
	} cases[] = {
		{ GROUP, IN, "", "empty rule; write for example `tcp 443 from 0.0.0.0/0`" },
		{ NACL, OUT, " ; note", "empty rule; write for example `100 allow tcp 443 to 0.0.0.0/0`" },
		{ GROUP, IN, "tcp 80 to 0.0.0.0/0", "inbound rule uses `to`; write `from`" },
		{ GROUP, OUT, "tcp 80 from 0.0.0.0/0", "outbound rule uses `from`; write `to`" },
		{ GROUP, IN, "tcp 80",
		  "the peer is missing; end the rule with `from` and a prefix, sg:NAME or pl:NAME, for example `from 0.0.0.0/0`" },
		{ GROUP, IN, "tcp 80 from", "nothing stands after `from`; write a prefix, sg:NAME or pl:NAME" },
		{ GROUP, IN, "tcp 80 10.0.0.0/8", "`from` is missing before the peer; write `from 10.0.0.0/8`" },
		{ GROUP, IN, "tcp sg:web", "`from` is missing before the peer; write `from sg:web`" },
		{ GROUP, IN, "tcp 80 via 10.0.0.0/8",
		  "`via` stands where `from` should; write PROTO [PORTS] from PEER" },
		{ GROUP, IN, "from 0.0.0.0/0",
		  "the protocol before `from` is missing; write tcp, udp, icmp, icmpv6, all or a protocol number" },
		{ GROUP, IN, "tpc 80 from 0.0.0.0/0", "unknown protocol `tpc`; write `tcp`" },
		{ GROUP, IN, "TCP 80 from 0.0.0.0/0", "unknown protocol `TCP`; write `tcp`" },
		{ GROUP, IN, "any from 0.0.0.0/0", "unknown protocol `any`; write `all`" },
		{ GROUP, IN, "-1 from 0.0.0.0/0", "unknown protocol `-1`; write `all`" },
		{ GROUP, IN, "https from 0.0.0.0/0", "unknown protocol `https`; write `tcp 443`" },
		{ GROUP, IN, "gre from 0.0.0.0/0", "unknown protocol `gre`; write `47`" },
		{ GROUP, IN, "256 from 0.0.0.0/0",
		  "unknown protocol `256`; write tcp, udp, icmp, icmpv6, all or a protocol number" },
		{ GROUP, IN, "255 from 0.0.0.0/0",
		  "protocol 255 is reserved and names nothing; use 0 to 254, or `all`" },
		{ GROUP, IN, "tcp/80 from 0.0.0.0/0", "`tcp/80` is how a flow is written; in a rule write `tcp 80`" },
		{ GROUP, IN, "100 allow tcp 80 from 0.0.0.0/0",
		  "a security group rule has no number and no `allow`; write `tcp ...`" },
		{ GROUP, IN, "allow tcp 80 from 0.0.0.0/0",
		  "a security group rule has no number and no `allow`; write `tcp ...`" },
		{ GROUP, IN, "deny tcp 80 from 0.0.0.0/0",
		  "a security group cannot deny; leave the rule out, or use a network ACL" },
		{ GROUP, IN, "tcp http from 0.0.0.0/0", "ports are numbers, not `http`; write `80`" },
		{ GROUP, IN, "tcp eighty from 0.0.0.0/0",
		  "`eighty` is no port; write a number, a range such as `1024-65535`, or `from` before the peer" },
		{ GROUP, IN, "tcp 65536 from 0.0.0.0/0", "port `65536` is out of range; ports are 0 to 65535" },
		{ GROUP, IN, "tcp 80-70000 from 0.0.0.0/0", "port `80-70000` is out of range; ports are 0 to 65535" },
		{ GROUP, IN, "tcp 90-80 from 0.0.0.0/0", "the range `90-80` runs backwards; write `80-90`" },
		{ GROUP, IN, "tcp 1024- from 0.0.0.0/0",
		  "the range `1024-` has one end; write both, for example `1024-65535`" },
		{ GROUP, IN, "tcp 80, 443 from 0.0.0.0/0", "a blank in the port list; write `80,443`" },
		{ GROUP, IN, "tcp 80 - 90 from 0.0.0.0/0", "blanks in the port range; write `80-90`" },
		{ GROUP, IN, "tcp 80,,443 from 0.0.0.0/0",
		  "an empty place in the port list `80,,443`; write it without the extra comma" },
		{ GROUP, IN, "tcp 80,80 from 0.0.0.0/0", "port 80 stands twice in the list; write it once" },
		{ GROUP, IN, "tcp 80-90,85-100 from 0.0.0.0/0", "`80-90` and `85-100` overlap; write `80-100`" },
		{ GROUP, IN, "tcp all from 0.0.0.0/0", "`all` is no port; leave the port out to mean all of them" },
		{ GROUP, IN, "tcp 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17 from 0.0.0.0/0",
		  "more than 16 ports and ranges in one rule; split it in two" },
		{ GROUP, IN, "icmp ping from 0.0.0.0/0", "unknown ICMP type `ping`; write `echo-request`" },
		{ GROUP, IN, "icmp echo-reqest from 0.0.0.0/0",
		  "unknown ICMP type `echo-reqest`; write `echo-request`" },
		{ GROUP, IN, "icmp 256 from 0.0.0.0/0",
		  "`256` is no ICMP type; write TYPE or TYPE/CODE with numbers 0 to 255, or a name such as `echo-request`" },
		{ GROUP, IN, "icmp -1/4 from 0.0.0.0/0",
		  "`-1/4`: type -1 means every type and needs code -1; write `icmp` alone" },
		{ GROUP, IN, "icmp any from 0.0.0.0/0",
		  "`any` is no ICMP type; leave the type out to mean all of them" },
		{ GROUP, IN, "tcp 80 from any", "`any` is no prefix; write `0.0.0.0/0` or `::/0`" },
		{ GROUP, IN, "tcp 80 from web",
		  "`web` is no prefix; write `sg:web` for a security group or `pl:web` for a prefix list" },
		{ GROUP, IN, "tcp 80 from 0.0.0.0",
		  "`0.0.0.0` is a single address that nobody has; write `0.0.0.0/0` for every address" },
		{ GROUP, IN, "tcp 80 from 10.0.0.0/33",
		  "`10.0.0.0/33` has no valid prefix length; write `10.0.0.0/N` with N from 0 to 32" },
		{ GROUP, IN, "tcp 80 from 10.0.0.0/255.0.0.0",
		  "`10.0.0.0/255.0.0.0` has no valid prefix length; write `10.0.0.0/N` with N from 0 to 32" },
		{ GROUP, IN, "tcp 80 from 10.0.0/8",
		  "`10.0.0/8` is no prefix; write for example `10.0.0.0/16`, `2001:db8::/32`, `sg:NAME` or `pl:NAME`" },
		{ GROUP, IN, "tcp 80 from 10.0.0.1-10.0.0.9",
		  "`10.0.0.1-10.0.0.9` is a range of addresses; write it as prefixes, such as `10.0.0.1/24`" },
		{ GROUP, IN, "tcp 80 from 10.0.0.0/8,10.1.0.0/16",
		  "a rule has one peer, not the list `10.0.0.0/8,10.1.0.0/16`; write a rule for each, or a prefix list" },
		{ GROUP, IN, "tcp 80 from sg:Web",
		  "`sg:Web` names no security group; names are a-z, 0-9 and -, at most 32 characters" },
		{ GROUP, IN,
		  "tcp 80 from pl:", "`pl:` names no prefix list; names are a-z, 0-9 and -, at most 32 characters" },
		{ GROUP, IN, "tcp from 10.0.0.0/8 80", "`80` stands after the peer; ports come before `from`" },
		{ GROUP, IN, "tcp from 10.0.0.0/8 web servers",
		  "`web` stands after the peer, where the rule ends; begin a description with ` ;`" },
		{ NACL, IN, "tcp 80 from 0.0.0.0/0",
		  "`tcp` stands where a network ACL rule has its number; write for example `100 allow tcp ...`" },
		{ NACL, IN, "100 tcp 80 from 0.0.0.0/0",
		  "rule 100 says neither allow nor deny; write `100 allow tcp ...`" },
		{ NACL, IN, "100 permit tcp 80 from 0.0.0.0/0",
		  "rule 100 says neither allow nor deny; write `100 allow tcp ...`" },
		{ NACL, IN, "100 drop all from 0.0.0.0/0",
		  "rule 100 says neither allow nor deny; write `100 deny all ...`" },
		{ NACL, IN, "100 nonsense udp 53 from 0.0.0.0/0",
		  "rule 100 says neither allow nor deny; write `100 allow udp ...`" },
		{ NACL, IN, "100 nonsense", "rule 100 says neither allow nor deny; write `100 allow ...`" },
		{ NACL, IN, "-5 allow all from 0.0.0.0/0",
		  "`-5` stands where a network ACL rule has its number; write for example `100 allow all ...`" },
		{ NACL, IN, "+7 deny tcp 80 from 0.0.0.0/0",
		  "`+7` stands where a network ACL rule has its number; write for example `100 deny tcp ...`" },
		{ NACL, IN, "-5",
		  "`-5` stands where a network ACL rule has its number; write for example `100 allow ...`" },
		{ NACL, IN, "permit icmp from 0.0.0.0/0",
		  "`permit` stands where a network ACL rule has its number; write for example `100 allow icmp ...`" },
		{ NACL, IN, "100", "rule 100 says neither allow nor deny; write `100 allow ...`" },
		{ NACL, IN, "0 allow all from 0.0.0.0/0",
		  "rule number `0` is out of range; use 1 to 32766, the `*` rule is always there" },
		{ NACL, IN, "32767 deny all from 0.0.0.0/0",
		  "rule number `32767` is out of range; use 1 to 32766, the `*` rule is always there" },
		{ NACL, IN, "* deny all from 0.0.0.0/0",
		  "rule number `*` is out of range; use 1 to 32766, the `*` rule is always there" },
		{ NACL, IN, "100 allow",
		  "the protocol is missing; write tcp, udp, icmp, icmpv6, all or a protocol number" },
		{ NACL, IN, "100 allow tcp 80,443 from 0.0.0.0/0",
		  "a network ACL rule takes one port or range, not the list `80,443`; write a rule for each" },
		{ NACL, IN, "100 allow tcp 80 from sg:web",
		  "a network ACL names addresses only, not `sg:web`; write a prefix" },
		{ NACL, IN, "100 allow tcp 80 from web",
		  "`web` is no prefix; write for example `10.0.0.0/16` or `2001:db8::/32`" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rule r, before;
		struct err e = { 0 };

		memset(&r, 0x5a, sizeof(r));
		memcpy(&before, &r, sizeof(r));
		assert_int_equal(rule_parse(cases[i].text, cases[i].owner, cases[i].dir, &r, &e), -EINVAL);
		assert_string_equal(e.msg, cases[i].want);
		assert_memory_equal(&r, &before, sizeof(r));
		assert_int_equal(rule_parse(cases[i].text, cases[i].owner, cases[i].dir, &r, NULL), -EINVAL);
	}
}

static void too_long(void **state)
{
	struct rule r;
	struct err e = { 0 };
	char text[2000];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(rule_parse(text, GROUP, IN, &r, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "1999 characters"));
	for (size_t i = 0; i < 200; i++)
		memcpy(text + 2 * i, "a ", 3);
	assert_int_equal(rule_parse(text, GROUP, IN, &r, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "more than 16 words"));
}

/* ---- round trip ---- */

static struct rule random_rule(void)
{
	struct rule r = { .owner = rnd(2) ? GROUP : NACL,
			  .dir = rnd(2) ? IN : OUT,
			  .allow = true,
			  .icmp_type = -1,
			  .icmp_code = -1 };
	static const uint16_t protos[] = { 6, 17, 1, 58, RULE_PROTO_ALL };
	unsigned room = r.owner == NACL ? 1 : RULE_PORT_RANGES_MAX, at = rnd(100);
	struct addr a = addr_from_v4(rnd(1u << 31) * 2 + rnd(2));

	if (r.owner == NACL) {
		r.allow = rnd(2);
		r.nacl_number = 1 + rnd(32766);
	}
	r.proto = rnd(4) ? protos[rnd(ARRAY_SIZE(protos))] : (uint16_t)rnd(255);
	if (r.proto == 6 || r.proto == 17)
		while (r.n_ports < room && rnd(6) && at < 60000) {
			uint16_t hi = (uint16_t)(at + (rnd(2) ? 0 : rnd(3000)));

			r.ports[r.n_ports++] = (struct port_range){ (uint16_t)at, hi };
			at = hi + 1u + rnd(300);
		}
	if (r.owner == GROUP && rnd(3) == 0) {
		r.peer_kind = rnd(2) ? PEER_GROUP : PEER_PREFIX_LIST;
		snprintf(r.peer_name, sizeof(r.peer_name), "%c%u-%0*u", "az09"[rnd(4)], rnd(1000), 1 + (int)rnd(20),
			 rnd(10));
	} else {
		for (unsigned i = 0; i < 16 && rnd(2); i++)
			a.a.b[i] = (uint8_t)rnd(256);
		r.peer = prefix_of(&a, rnd(addr_family(&a) == FAMILY_V4 ? 33 : 129));
		/* Masking may make an IPv6 prefix look like an IPv4 one. */
		if (addr_family(&r.peer.addr) != r.peer.family)
			return random_rule();
	}
	if ((r.proto == 1 || r.proto == 58) && rnd(4) &&
	    (r.peer_kind != PEER_PREFIX || r.peer.family == (r.proto == 1 ? FAMILY_V4 : FAMILY_V6))) {
		r.icmp_type = (int16_t)rnd(256);
		r.icmp_code = (int16_t)(rnd(2) ? -1 : (int)rnd(256));
	}
	return r;
}

static void parse_of_format_is_identity(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		struct rule r = random_rule(), back;
		struct err e = { 0 };
		char text[200], again[200];

		rule_format(&r, text, sizeof(text));
		if (rule_parse(text, r.owner, r.dir, &back, &e) < 0)
			fail_msg("%s: %s", text, e.msg);
		if (!rule_eq(&r, &back) || memcmp(&r, &back, sizeof(r)) != 0)
			fail_msg("%s came back as %s", text, rule_format(&back, again, sizeof(again)));
	}
}

/* Whatever is read: no crash, no rule that its own text does not give back. */
static void noise(void **state)
{
	static const char *const words[] = {
		"tcp",
		"udp",
		"icmp",
		"icmpv6",
		"all",
		"6",
		"47",
		"255",
		"100",
		"allow",
		"deny",
		"from",
		"to",
		"80",
		"80,443",
		"1-2",
		"-1",
		"8/0",
		"3/4/5",
		"/",
		"-",
		",",
		":",
		"sg:a",
		"pl:b",
		"sg:",
		"10.0.0.0/8",
		"::/0",
		"::ffff:1.2.3.4",
		"0.0.0.0/0",
		";",
		"",
		"echo-request",
		"99999999999999999999",
		"10.0.0.1-10.0.0.2",
		"*",
		"-1/-1",
	};

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		char text[600] = "", out[200];
		struct rule r, back;
		struct err e = { 0 };
		enum rule_owner owner = rnd(2) ? GROUP : NACL;
		enum rule_dir dir = rnd(2) ? IN : OUT;

		for (unsigned n = 1 + rnd(7); n; n--) {
			strcat(text, words[rnd(ARRAY_SIZE(words))]);
			strcat(text, rnd(20) ? " " : "");
		}
		if (text[0] && rnd(4) == 0)
			text[rnd((uint32_t)strlen(text))] = (char)(1 + rnd(255));
		if (rule_parse(text, owner, dir, &r, &e) < 0) {
			assert_true(e.code == -EINVAL && e.msg[0]);
			continue;
		}
		assert_int_equal(rule_parse(rule_format(&r, out, sizeof(out)), owner, dir, &back, &e), 0);
		assert_true(rule_eq(&r, &back));
	}
}

/* ---- parts ---- */

static void equality(void **state)
{
	static const char *const texts[] = {
		"tcp 80 from 10.0.0.0/8", "tcp 81 from 10.0.0.0/8", "tcp 80,82 from 10.0.0.0/8",
		"udp 80 from 10.0.0.0/8", "tcp 80 from 10.0.0.0/9", "tcp 80 from sg:a",
		"tcp 80 from pl:a",       "tcp 80 from sg:b",       "tcp from 10.0.0.0/8",
		"icmp from 10.0.0.0/8",   "icmp 8 from 10.0.0.0/8", "icmp 8/0 from 10.0.0.0/8",
		"all from 10.0.0.0/8",    "all from ::/0",          "47 from ::/0",
	};
	struct rule a, b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		for (size_t k = 0; k < ARRAY_SIZE(texts); k++) {
			assert_int_equal(rule_parse(texts[i], GROUP, IN, &a, NULL), 0);
			assert_int_equal(rule_parse(texts[k], GROUP, IN, &b, NULL), 0);
			assert_int_equal(rule_eq(&a, &b), i == k);
		}
	assert_int_equal(rule_parse("tcp 80 from sg:a ; note", GROUP, IN, &a, NULL), 0);
	assert_int_equal(rule_parse("tcp 80 from sg:a", GROUP, IN, &b, NULL), 0);
	assert_true(rule_eq(&a, &b));
	b.dir = RULE_OUT;
	assert_false(rule_eq(&a, &b));
}

static void aws_counts(void **state)
{
	struct rule r;

	(void)state;
	assert_int_equal(rule_parse("tcp from 10.0.0.0/8", GROUP, IN, &r, NULL), 0);
	assert_int_equal(rule_aws_count(&r, 1), 1);
	assert_int_equal(rule_parse("tcp 1,2,3 from sg:a", GROUP, IN, &r, NULL), 0);
	assert_int_equal(rule_aws_count(&r, 1), 3);
	assert_int_equal(rule_parse("tcp 1,2,3 from pl:a", GROUP, IN, &r, NULL), 0);
	assert_int_equal(rule_aws_count(&r, 20), 60);
	assert_int_equal(rule_parse("all from pl:a", GROUP, IN, &r, NULL), 0);
	assert_int_equal(rule_aws_count(&r, 20), 20);
}

static void protocols_and_types(void **state)
{
	static const struct {
		const char *text;
		uint16_t proto;
		int r, type, code;
	} types[] = {
		{ "8", 1, 0, 8, -1 },
		{ "8/0", 1, 0, 8, 0 },
		{ "echo-request", 58, 0, 128, -1 },
		{ "frag-needed", 1, 0, 3, 4 },
		{ "frag-needed", 58, -EINVAL, 0, 0 },
		{ "frag-needed/4", 1, -EINVAL, 0, 0 },
		{ "-1", 1, 0, -1, -1 },
		{ "-1/0", 1, -EINVAL, 0, 0 },
		{ "8/", 1, -EINVAL, 0, 0 },
		{ "/8", 1, -EINVAL, 0, 0 },
		{ "256", 1, -EINVAL, 0, 0 },
		{ "0/256", 1, -EINVAL, 0, 0 },
		{ "8", 6, -EINVAL, 0, 0 },
		{ "", 1, -EINVAL, 0, 0 },
	};
	char buf[8];
	uint16_t proto;
	int16_t type, code;

	(void)state;
	for (uint32_t p = 0; p <= RULE_PROTO_ALL; p++) {
		assert_int_equal(rule_proto_parse(rule_proto_name((uint16_t)p, buf), &proto), 0);
		assert_int_equal(proto, p);
	}
	assert_int_equal(rule_proto_parse("256", &proto), -EINVAL);
	assert_int_equal(rule_proto_parse("", &proto), -EINVAL);
	assert_int_equal(rule_proto_parse("tcp ", &proto), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		assert_int_equal(rule_icmp_parse(types[i].text, types[i].proto, &type, &code), types[i].r);
		if (types[i].r == 0)
			assert_true(type == types[i].type && code == types[i].code);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(canonical_text),
		cmocka_unit_test(descriptions_are_skipped),
		cmocka_unit_test(mistakes),
		cmocka_unit_test(too_long),
		cmocka_unit_test(parse_of_format_is_identity),
		cmocka_unit_test(noise),
		cmocka_unit_test(equality),
		cmocka_unit_test(aws_counts),
		cmocka_unit_test(protocols_and_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
