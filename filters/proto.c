/* proto.c: names of protocols, ICMP types and codes, and well-known mistakes. Pure: no syscalls. */
#include "filters/proto.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "filters/rule.h"
#include "util/mem.h"
#include "util/str.h"

enum { ICMP_BYTE_MAX = 255, ICMP_NAMES_MAX = 32 };

static const struct proto_name {
	const char *name;
	uint16_t proto;
} proto_names[] = {
	{ "tcp", PROTO_TCP },      { "udp", PROTO_UDP },      { "icmp", PROTO_ICMP },
	{ "icmpv6", PROTO_ICMP6 }, { "all", RULE_PROTO_ALL },
};

/* What people write for a protocol, and what they should. */
static const struct hint {
	const char *word, *write;
} proto_hints[] = {
	{ "tcp", "tcp" },
	{ "udp", "udp" },
	{ "icmp", "icmp" },
	{ "icmpv6", "icmpv6" },
	{ "all", "all" },
	{ "-1", "all" },
	{ "any", "all" },
	{ "ip", "all" },
	{ "*", "all" },
	{ "icmp4", "icmp" },
	{ "icmpv4", "icmp" },
	{ "icmp6", "icmpv6" },
	{ "ipv6-icmp", "icmpv6" },
	{ "icmp-v6", "icmpv6" },
	{ "ping", "icmp echo-request" },
	{ "http", "tcp 80" },
	{ "https", "tcp 443" },
	{ "ssh", "tcp 22" },
	{ "dns", "udp 53" },
	{ "rdp", "tcp 3389" },
	{ "mysql", "tcp 3306" },
	{ "postgresql", "tcp 5432" },
	{ "postgres", "tcp 5432" },
	{ "ntp", "udp 123" },
	{ "igmp", "2" },
	{ "gre", "47" },
	{ "esp", "50" },
	{ "ah", "51" },
	{ "ospf", "89" },
	{ "vrrp", "112" },
	{ "sctp", "132" },
};
static const struct hint port_hints[] = {
	{ "http", "80" },
	{ "https", "443" },
	{ "ssh", "22" },
	{ "dns", "53" },
	{ "domain", "53" },
	{ "rdp", "3389" },
	{ "smtp", "25" },
	{ "ntp", "123" },
	{ "mysql", "3306" },
	{ "postgresql", "5432" },
	{ "postgres", "5432" },
	{ "redis", "6379" },
	{ "ephemeral", "1024-65535" },
};

struct icmp_name {
	const char *name;
	int16_t type, code; /* code -1: the type as such */
};
static const struct icmp_name icmp4_names[] = {
	{ "echo-reply", 0, -1 },           { "destination-unreachable", 3, -1 },
	{ "net-unreachable", 3, 0 },       { "host-unreachable", 3, 1 },
	{ "protocol-unreachable", 3, 2 },  { "port-unreachable", 3, 3 },
	{ "frag-needed", 3, 4 },           { "admin-prohibited", 3, 13 },
	{ "source-quench", 4, -1 },        { "redirect", 5, -1 },
	{ "echo-request", 8, -1 },         { "router-advertisement", 9, -1 },
	{ "router-solicitation", 10, -1 }, { "time-exceeded", 11, -1 },
	{ "ttl-exceeded", 11, 0 },         { "reassembly-timeout", 11, 1 },
	{ "parameter-problem", 12, -1 },   { "timestamp-request", 13, -1 },
	{ "timestamp-reply", 14, -1 },     { "information-request", 15, -1 },
	{ "information-reply", 16, -1 },   { "address-mask-request", 17, -1 },
	{ "address-mask-reply", 18, -1 },  { NULL, 0, 0 },
};
static const struct icmp_name icmp6_names[] = {
	{ "destination-unreachable", 1, -1 },
	{ "no-route", 1, 0 },
	{ "admin-prohibited", 1, 1 },
	{ "address-unreachable", 1, 3 },
	{ "port-unreachable", 1, 4 },
	{ "packet-too-big", 2, -1 },
	{ "time-exceeded", 3, -1 },
	{ "hop-limit-exceeded", 3, 0 },
	{ "reassembly-timeout", 3, 1 },
	{ "parameter-problem", 4, -1 },
	{ "echo-request", 128, -1 },
	{ "echo-reply", 129, -1 },
	{ "multicast-listener-query", 130, -1 },
	{ "multicast-listener-report", 131, -1 },
	{ "multicast-listener-done", 132, -1 },
	{ "router-solicitation", 133, -1 },
	{ "router-advertisement", 134, -1 },
	{ "neighbour-solicitation", 135, -1 },
	{ "neighbor-solicitation", 135, -1 },
	{ "neighbour-advertisement", 136, -1 },
	{ "neighbor-advertisement", 136, -1 },
	{ "redirect", 137, -1 },
	{ NULL, 0, 0 },
};
static const struct hint icmp_hints[] = {
	{ "ping", "echo-request" },
	{ "echo", "echo-request" },
	{ "pong", "echo-reply" },
	{ "unreachable", "destination-unreachable" },
	{ "fragmentation-needed", "frag-needed" },
	{ "pmtud", "frag-needed" },
	{ "traceroute", "time-exceeded" },
};

_Static_assert(ARRAY_SIZE(icmp4_names) <= ICMP_NAMES_MAX && ARRAY_SIZE(icmp6_names) <= ICMP_NAMES_MAX, "icmp_guess");

static const struct icmp_name *icmp_names(uint16_t proto);
static int icmp_number(const char *s, int16_t *ret);
static const char *find_hint(const struct hint *hints, size_t n, const char *word);

int rule_proto_parse(const char *s, uint16_t *ret)
{
	uint32_t n;

	for (size_t i = 0; i < ARRAY_SIZE(proto_names); i++)
		if (strcmp(s, proto_names[i].name) == 0) {
			*ret = proto_names[i].proto;
			return 0;
		}
	if (str_to_u32(s, 0, RULE_PROTO_ALL - 1, &n) < 0)
		return -EINVAL;
	*ret = (uint16_t)n;
	return 0;
}

const char *rule_proto_name(uint16_t proto, char buf[8])
{
	for (size_t i = 0; i < ARRAY_SIZE(proto_names); i++)
		if (proto_names[i].proto == proto)
			return proto_names[i].name;
	snprintf(buf, 8, "%u", proto);
	return buf;
}

/* TYPE[/CODE], each by number or name; a name that stands for type and code takes no code; -1 = any. */
int rule_icmp_parse(const char *s, uint16_t proto, int16_t *type, int16_t *code)
{
	const char *slash = strchr(s, '/');
	size_t n = slash ? (size_t)(slash - s) : strlen(s);
	const struct icmp_name *name;
	int16_t t, c = -1;
	char head[40];

	if (!proto_is_icmp(proto) || n >= sizeof(head))
		return -EINVAL;
	memcpy(head, s, n);
	head[n] = '\0';
	if (icmp_number(head, &t) < 0) {
		for (name = icmp_names(proto); name->name && strcmp(name->name, head) != 0; name++)
			;
		if (!name->name || (slash && name->code >= 0))
			return -EINVAL;
		t = name->type;
		c = name->code;
	}
	if (slash && icmp_number(slash + 1, &c) < 0) {
		for (name = icmp_names(proto); name->name; name++)
			if (name->type == t && name->code >= 0 && strcmp(name->name, slash + 1) == 0)
				break;
		if (!name->name)
			return -EINVAL;
		c = name->code;
	}
	if (t < 0 && c >= 0)
		return -EINVAL;
	*type = t;
	*code = c;
	return 0;
}

bool proto_is_icmp(uint16_t proto)
{
	return proto == PROTO_ICMP || proto == PROTO_ICMP6;
}

const char *proto_guess(const char *word)
{
	static const char *const names[] = { "tcp", "udp", "icmp", "icmpv6", "all" };
	const char *guess = find_hint(proto_hints, ARRAY_SIZE(proto_hints), word);

	return guess ? guess : str_nearest(word, names, ARRAY_SIZE(names));
}

const char *port_guess(const char *word)
{
	return find_hint(port_hints, ARRAY_SIZE(port_hints), word);
}

const char *icmp_guess(const char *word, uint16_t proto)
{
	const char *names[ICMP_NAMES_MAX], *guess = find_hint(icmp_hints, ARRAY_SIZE(icmp_hints), word);
	size_t n = 0;

	for (const struct icmp_name *name = icmp_names(proto); name->name; name++)
		names[n++] = name->name;
	return guess ? guess : str_nearest(word, names, n);
}

const char *icmp_type_name(uint16_t proto, int16_t type)
{
	const struct icmp_name *n = icmp_names(proto);

	while (n->name && (n->type != type || n->code >= 0))
		n++;
	return n->name;
}

static const struct icmp_name *icmp_names(uint16_t proto)
{
	return proto == PROTO_ICMP6 ? icmp6_names : icmp4_names;
}

static int icmp_number(const char *s, int16_t *ret)
{
	uint32_t n;

	if (strcmp(s, "-1") == 0) {
		*ret = -1;
		return 0;
	}
	if (str_to_u32(s, 0, ICMP_BYTE_MAX, &n) < 0)
		return -EINVAL;
	*ret = (int16_t)n;
	return 0;
}

static const char *find_hint(const struct hint *hints, size_t n, const char *word)
{
	char lower[24];
	size_t len = strlen(word);

	if (len >= sizeof(lower))
		return NULL;
	for (size_t i = 0; i <= len; i++)
		lower[i] = word[i] >= 'A' && word[i] <= 'Z' ? (char)(word[i] - 'A' + 'a') : word[i];
	for (size_t i = 0; i < n; i++)
		if (strcmp(hints[i].word, lower) == 0)
			return hints[i].write;
	return NULL;
}
