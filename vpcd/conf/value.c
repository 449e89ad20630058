/* value.c: the text forms of values. Pure.
 * A row a type: how it is checked, and what to write instead. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "conf/value.h"
#include "filters/explain.h"
#include "model/command.h"
#include "model/record_format.h"
#include "util/mem.h"
#include "util/str.h"

enum { ZONE_LEN_MAX = 7, CLOCK_MAX = 1000, COUNT_MAX = 16 << 20 };

#define QUOTA(text, field, value) \
	{ \
		text, offsetof(struct quotas, field), value \
	}
/* semantics 1.5. addresses-per-eni has no AWS figure of its own: that of the largest types. */
const struct quota_row quota_rows[] = {
	QUOTA("vpcs", vpcs, 5),
	QUOTA("subnets-per-vpc", subnets_per_vpc, 200),
	QUOTA("cidrs-per-vpc", cidrs_per_vpc, 5),
	QUOTA("internet-gateways", igws, 5),
	QUOTA("nat-gateways-per-zone", nat_gateways_per_zone, 5),
	QUOTA("public-ips-per-nat-gateway", public_ips_per_nat_gateway, 2),
	QUOTA("nacls-per-vpc", nacls_per_vpc, 200),
	QUOTA("rules-per-nacl", rules_per_nacl, 20),
	QUOTA("route-tables-per-vpc", route_tables_per_vpc, 200),
	QUOTA("routes-per-table", routes_per_table, 500),
	QUOTA("groups", groups, 2500),
	QUOTA("rules-per-group", rules_per_group, 60),
	QUOTA("groups-per-eni", groups_per_eni, 5),
	QUOTA("prefix-list-entries", prefix_list_entries, 1000),
	QUOTA("addresses-per-eni", addresses_per_eni, 50),
	QUOTA("peerings-per-vpc", peerings_per_vpc, 50),
};
const size_t n_quota_rows = ARRAY_SIZE(quota_rows);

static int bad(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int no_ipv6(struct err *e);
static int check_choice(const char *choices, const char *text, struct err *e);
static int check_range(const char *range, const char *text, struct err *e);
static int check_zone(const char *text, struct err *e);
static int copy_name(const char *from, char to[RULE_PEER_NAME_MAX]);

int value_check(enum value_type type, const char *arg, const char *text, struct err *e)
{
	union {
		bool b;
		uint32_t n;
		struct prefix prefix;
		struct addr addr;
		struct public_ip_text public_ip;
		struct quota_text quota;
		struct route_text route;
		struct rule rule;
		struct listen_spec listen;
		struct expect_text expect;
		struct record_format format;
		enum metric_id metric;
		double number;
	} u;
	_cleanup_free_ char **argv = NULL;
	_cleanup_free_ char *copy = NULL;
	int rc;

	switch (type) {
	case VALUE_REF: return 0;
	case VALUE_BOOL: return value_bool(text, &u.b) < 0 ? bad(e, "\"%s\" is neither yes nor no", text) : 0;
	case VALUE_CHOICE: return check_choice(arg, text, e);
	case VALUE_COUNT:
		return str_to_u32(text, 1, COUNT_MAX, &u.n) < 0
			       ? bad(e, "\"%s\" is no number from 1 to %u", text, (unsigned)COUNT_MAX)
			       : 0;
	case VALUE_RANGE: return check_range(arg, text, e);
	case VALUE_CLOCK:
		return value_clock(text, &u.n) < 0
			       ? bad(e, "\"%s\" is no factor from 1x to %ux", text, (unsigned)CLOCK_MAX)
			       : 0;
	case VALUE_QUOTA: return value_quota(text, &u.quota, e);
	case VALUE_ZONE: return check_zone(text, e);
	case VALUE_ZONES: return str_is_name(text) ? 0 : bad(e, "\"%s\" is no zone", text);
	case VALUE_REGION: return str_is_name(text) ? 0 : bad(e, "\"%s\" is no region", text);
	case VALUE_PREFIX: return value_prefix(text, &u.prefix, e);
	case VALUE_ADDRESS: return value_address(text, &u.addr, e);
	case VALUE_PUBLIC_IP: return value_public_ip(text, &u.public_ip, e);
	case VALUE_NAT_IP:
		rc = value_public_ip(text, &u.public_ip, e);
		if (rc == 0 && u.public_ip.kind == PUBLIC_IP_NONE)
			return bad(e, "a public NAT gateway has a public address");
		return rc;
	case VALUE_NAT_ADDRESS: return str_eq(text, "auto") ? 0 : value_address(text, &u.addr, e);
	case VALUE_ROUTE: return value_route(text, &u.route, e);
	case VALUE_EDGE:
		rc = value_target(text, &u.route, e);
		return rc == 0 && u.route.target != TARGET_IGW ? bad(e, "\"%s\" is no internet gateway", text) : rc;
	case VALUE_TARGET:
		rc = value_target(text, &u.route, e);
		return rc == 0 && u.route.target == TARGET_LOCAL ? bad(e, "local is never gone") : rc;
	case VALUE_GROUP_IN:
	case VALUE_GROUP_OUT:
	case VALUE_NACL_IN:
	case VALUE_NACL_OUT: return str_eq(text, "none") ? 0 : value_rule(type, text, &u.rule, e);
	case VALUE_LISTEN: return value_listen(text, &u.listen, e);
	case VALUE_COMMAND:
		rc = command_split(text, &argv, e);
		if (rc < 0 && e)
			snprintf(e->aws, sizeof(e->aws), "InvalidParameterValue");
		return rc;
	case VALUE_METRIC: return value_metric(text, &u.metric, e);
	case VALUE_DIMENSION: return !strchr(text, '=') || *text == '=' ? bad(e, "\"%s\" is no LABEL=VALUE", text) : 0;
	case VALUE_NUMBER: return value_number(text, &u.number) < 0 ? bad(e, "\"%s\" is no number", text) : 0;
	case VALUE_RECORD_FORMAT:
		rc = record_format_parse(text, &u.format, e);
		if (rc < 0 && e)
			snprintf(e->aws, sizeof(e->aws), "InvalidParameterValue");
		return rc;
	case VALUE_ALLOW:
	case VALUE_DENY: copy = xstrdup(text); return value_expect(type == VALUE_ALLOW, copy, &u.expect, e);
	case VALUE_LATER: return err_set_aws(e, -EINVAL, "UnsupportedOperation", "this key is not available yet");
	case VALUE_TYPE_MAX: break;
	}
	return bad(e, "\"%s\" is no value", text);
}

const char *value_hint(enum value_type type)
{
	static const char *const hints[VALUE_TYPE_MAX] = {
		[VALUE_BOOL] = "write yes or no",
		[VALUE_CLOCK] = "write 60x for a clock that runs 60 times faster",
		[VALUE_QUOTA] = "write aws, off, or single ones like groups-per-eni=16",
		[VALUE_ZONE] = "write a letter like a",
		[VALUE_ZONES] = "write a letter like a, or a region's zone like us-east-1a",
		[VALUE_REGION] = "write a name like eu-central-1",
		[VALUE_PREFIX] = "write a prefix like 10.0.0.0/16",
		[VALUE_ADDRESS] = "write an address like 10.0.0.10",
		[VALUE_PUBLIC_IP] = "write auto, none, or an address like 203.0.113.10",
		[VALUE_NAT_IP] = "write auto or an address like 203.0.113.10; connectivity = private goes without",
		[VALUE_NAT_ADDRESS] = "write auto or an address like 10.0.0.10",
		[VALUE_ROUTE] =
			"write PREFIX via TARGET, like 0.0.0.0/0 via igw:NAME; targets are local, igw:, nat:, eni:, instance:, pcx:",
		[VALUE_EDGE] = "write igw:NAME",
		[VALUE_TARGET] = "write targets like nat:NAME",
		[VALUE_GROUP_IN] = "write PROTO [PORTS] from PEER, like tcp 80,443 from 0.0.0.0/0",
		[VALUE_GROUP_OUT] = "write PROTO [PORTS] to PEER, like tcp 443 to 0.0.0.0/0",
		[VALUE_NACL_IN] =
			"write NUMBER allow|deny PROTO [PORTS] from PREFIX, like 100 allow tcp 443 from 0.0.0.0/0",
		[VALUE_NACL_OUT] = "write NUMBER allow|deny PROTO [PORTS] to PREFIX, like 100 allow all to 0.0.0.0/0",
		[VALUE_LISTEN] = "write tcp/PORT or udp/PORT, like tcp/80 udp/53",
		[VALUE_COMMAND] = "write a program and its arguments; there is no shell",
		[VALUE_METRIC] = "write a name like vpcd_gate_packets_total",
		[VALUE_DIMENSION] = "write labels like gate=sg-in verdict=deny",
		[VALUE_NUMBER] = "write a number like 100 or 0.9",
		[VALUE_RECORD_FORMAT] = "write fields like ${version} ${vpc-id} ${srcaddr}",
		[VALUE_ALLOW] = "write SRC[:PORT] -> DST PROTO[/PORT], like laptop -> web-1 tcp/443",
		[VALUE_DENY] =
			"write SRC[:PORT] -> DST PROTO[/PORT] [at [return:]GATE[@OBJECT]], like a -> b tcp/22 at sg-in",
		[VALUE_LATER] = "take the line out",
	};

	return hints[type];
}

int value_metric(const char *text, enum metric_id *ret, struct err *e)
{
	int rc = metric_find(text, ret, e);

	if (rc < 0 && e)
		snprintf(e->aws, sizeof(e->aws), "InvalidParameterValue");
	return rc;
}

int value_number(const char *text, double *ret)
{
	char *end;

	if (!*text || text[strspn(text, "-0123456789.")])
		return -EINVAL;
	*ret = strtod(text, &end);
	return *end ? -EINVAL : 0;
}

int value_bool(const char *text, bool *ret)
{
	if (!str_eq(text, "yes") && !str_eq(text, "no"))
		return -EINVAL;
	*ret = text[0] == 'y';
	return 0;
}

int value_clock(const char *text, uint32_t *ret)
{
	char digits[8];
	size_t n = strlen(text);

	if (n < 2 || n > sizeof(digits) || text[n - 1] != 'x')
		return -EINVAL;
	memcpy(digits, text, n - 1);
	digits[n - 1] = '\0';
	return str_to_u32(digits, 1, CLOCK_MAX, ret) < 0 ? -EINVAL : 0;
}

int value_quota(const char *text, struct quota_text *ret, struct err *e)
{
	const char *names[ARRAY_SIZE(quota_rows)], *near;
	const char *eq = strchr(text, '=');
	_cleanup_free_ char *name = NULL;
	struct quota_text q = { .kind = QUOTA_ONE };

	if (!eq) {
		if (!str_eq(text, "aws") && !str_eq(text, "off"))
			return bad(e, "\"%s\" is neither aws, off nor NAME=NUMBER", text);
		*ret = (struct quota_text){ .kind = text[0] == 'a' ? QUOTA_ALL_AWS : QUOTA_ALL_OFF };
		return 0;
	}
	name = xstrdup(text);
	name[eq - text] = '\0';
	for (; q.quota < n_quota_rows && !str_eq(quota_rows[q.quota].name, name); q.quota++)
		names[q.quota] = quota_rows[q.quota].name;
	if (q.quota == n_quota_rows) {
		near = str_nearest(name, names, n_quota_rows);
		return near ? bad(e, "there is no quota \"%s\"; did you mean %s?", name, near)
			    : bad(e, "there is no quota \"%s\"", name);
	}
	if (str_eq(eq + 1, "off"))
		q.value = UINT32_MAX;
	else if (str_to_u32(eq + 1, 0, UINT32_MAX - 1, &q.value) < 0)
		return bad(e, "%s: \"%s\" is neither a number nor off", name, eq + 1);
	*ret = q;
	return 0;
}

int value_prefix(const char *text, struct prefix *ret, struct err *e)
{
	struct prefix p;

	if (prefix_parse(text, &p, NULL) < 0)
		return bad(e, "\"%s\" is not a valid CIDR block", text);
	if (p.family == FAMILY_V6)
		return no_ipv6(e);
	*ret = p;
	return 0;
}

int value_address(const char *text, struct addr *ret, struct err *e)
{
	struct addr a;

	if (addr_parse(text, &a) < 0)
		return bad(e, "\"%s\" is not a valid address", text);
	if (addr_family(&a) == FAMILY_V6)
		return no_ipv6(e);
	*ret = a;
	return 0;
}

int value_public_ip(const char *text, struct public_ip_text *ret, struct err *e)
{
	struct public_ip_text p = { .kind = PUBLIC_IP_ADDRESS };
	int rc = 0;

	if (str_eq(text, "auto"))
		p.kind = PUBLIC_IP_AUTO;
	else if (str_eq(text, "none"))
		p.kind = PUBLIC_IP_NONE;
	else
		rc = value_address(text, &p.addr, e);
	if (rc == 0)
		*ret = p;
	return rc;
}

int value_route(const char *text, struct route_text *ret, struct err *e)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char *p = copy, *dst = str_word(&p), *via = str_word(&p), *target = str_word(&p), *more = str_word(&p);
	struct route_text r = { 0 };
	int rc;

	if (!dst || !str_eq(via, "via") || !target || more)
		return bad(e, "\"%s\" is no route", text);
	if (strncmp(dst, "pl:", 3) == 0) {
		if (copy_name(dst + 3, r.prefix_list) < 0)
			return bad(e, "\"%s\" names no prefix list", dst);
	} else {
		rc = value_prefix(dst, &r.dst, e);
		if (rc < 0)
			return rc;
	}
	rc = value_target(target, &r, e);
	if (rc == 0)
		*ret = r;
	return rc;
}

int value_target(const char *text, struct route_text *ret, struct err *e)
{
	static const struct {
		const char *prefix;
		enum target_kind kind;
	} targets[] = {
		{ "igw:", TARGET_IGW },           { "nat:", TARGET_NAT }, { "eni:", TARGET_ENI },
		{ "instance:", TARGET_INSTANCE }, { "pcx:", TARGET_PCX },
	};
	static const char *const later[] = { "eigw:", "tgw:", "vpce:", "vgw:" };

	if (str_eq(text, "local")) {
		ret->target = TARGET_LOCAL;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		size_t n = strlen(targets[i].prefix);

		if (strncmp(text, targets[i].prefix, n) != 0)
			continue;
		ret->target = targets[i].kind;
		if (copy_name(text + n, ret->name) < 0)
			return bad(e, "\"%s\" names no target", text);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(later); i++)
		if (strncmp(text, later[i], strlen(later[i])) == 0)
			return err_set_aws(e, -EINVAL, "UnsupportedOperation", "targets %sNAME are not available yet",
					   later[i]);
	return bad(e, "\"%s\" is no target of a route", text);
}

int value_rule(enum value_type type, const char *text, struct rule *ret, struct err *e)
{
	bool of_group = type == VALUE_GROUP_IN || type == VALUE_GROUP_OUT;
	bool in = type == VALUE_GROUP_IN || type == VALUE_NACL_IN;
	struct rule r;
	int rc = rule_parse(text, of_group ? RULE_OF_GROUP : RULE_OF_NACL, in ? RULE_IN : RULE_OUT, &r, e);

	if (rc < 0) {
		if (e && !e->aws[0])
			snprintf(e->aws, sizeof(e->aws), "%s",
				 of_group ? "InvalidPermission.Malformed" : "InvalidParameterValue");
		return rc;
	}
	if (r.peer_kind == PEER_PREFIX && r.peer.family == FAMILY_V6)
		return no_ipv6(e);
	*ret = r;
	return 0;
}

int value_listen(const char *text, struct listen_spec *ret, struct err *e)
{
	bool tcp = strncmp(text, "tcp/", 4) == 0, udp = strncmp(text, "udp/", 4) == 0;
	uint32_t port;

	if ((!tcp && !udp) || str_to_u32(text + 4, 1, UINT16_MAX, &port) < 0)
		return bad(e, "\"%s\" is neither tcp/PORT nor udp/PORT", text);
	*ret = (struct listen_spec){ .proto = tcp ? 6 : 17, .port = (uint16_t)port };
	return 0;
}

int value_expect(bool allow, char *text, struct expect_text *ret, struct err *e)
{
	struct expect_text x = { .flow = text };
	char *arrow = strstr(text, "->"), *at = NULL, *at_end = NULL, *colon, *sign;

	if (!arrow)
		return bad(e, "\"%s\" is no flow: the arrow -> is missing", text);
	for (char *p = arrow; (p = strstr(p, " at ")); p += 3) {
		at = p;
		at_end = p + 4;
	}
	if (at) {
		*at = '\0';
		x.gate = str_trim(at_end);
		x.flow = str_trim(text);
	}
	if (allow && at)
		return bad(e, "an allowed flow is not denied at a gate");
	if (x.gate) {
		sign = strchr(x.gate, '@');
		if (sign) {
			*sign = '\0';
			x.object = sign + 1;
		}
		colon = strchr(x.gate, ':');
		if (colon) {
			*colon = '\0';
			x.leg = x.gate;
			x.gate = colon + 1;
		}
		if (x.leg && !str_eq(x.leg, "return") && !str_eq(x.leg, "forward"))
			return bad(e, "\"%s\" is no leg; legs are forward and return", x.leg);
		if (!gate_is_name(x.gate))
			return bad(e, "\"%s\" is no gate", x.gate);
		if (x.object && (!*x.object || strpbrk(x.object, " \t")))
			return bad(e, "\"%s\" is no name of an object", x.object);
	}
	*ret = x;
	return 0;
}

static int bad(struct err *e, const char *fmt, ...)
{
	char msg[sizeof(e->msg)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	return err_set_aws(e, -EINVAL, "InvalidParameterValue", "%s", msg);
}

static int no_ipv6(struct err *e)
{
	return err_set_aws(e, -EINVAL, "UnsupportedOperation", "IPv6 is not supported yet");
}

static int check_choice(const char *choices, const char *text, struct err *e)
{
	_cleanup_strbuf_ struct strbuf words = { 0 };
	size_t n = strlen(text);

	for (const char *p = choices; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
		if (strncmp(p, text, n) == 0 && (p[n] == '|' || !p[n]) && n)
			return 0;
	for (const char *p = choices; *p; p++) {
		if (*p == '|')
			strbuf_adds(&words, ", ");
		else
			strbuf_add(&words, p, 1);
	}
	return bad(e, "\"%s\" is none of %s", text, words.s);
}

static int check_range(const char *range, const char *text, struct err *e)
{
	uint32_t min, max, n;
	_cleanup_free_ char *lo = xstrdup(range);
	char *dash = strchr(lo, '-');

	*dash++ = '\0';
	if (str_to_u32(lo, 0, UINT32_MAX, &min) < 0 || str_to_u32(dash, 0, UINT32_MAX, &max) < 0)
		return bad(e, "\"%s\" is no range", range);
	if (str_to_u32(text, min, max, &n) < 0)
		return bad(e, "\"%s\" is no number from %u to %u; AWS takes nothing else", text, min, max);
	return 0;
}

static int check_zone(const char *text, struct err *e)
{
	if (!str_is_name(text) || strlen(text) > ZONE_LEN_MAX)
		return bad(e, "\"%s\" is no zone", text);
	return 0;
}

static int copy_name(const char *from, char to[RULE_PEER_NAME_MAX])
{
	if (!str_is_name(from))
		return -EINVAL;
	memcpy(to, from, strlen(from) + 1);
	return 0;
}
