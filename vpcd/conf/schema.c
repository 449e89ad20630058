/* schema.c: the rows of every kind and key, and the checks that need nothing else. Pure. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "conf/entry.h"
#include "conf/schema.h"
#include "model/keymap.h"
#include "util/mem.h"
#include "util/str.h"

enum { KEYS_MAX = 16, PLACE_LEN = 32 };

#define REQUIRED .required = true
#define VPC_KEY \
	{ \
		"vpc", KEY_SCALAR, VALUE_REF, "vpc", REQUIRED, .help = "the VPC it belongs to" \
	}

/* clang-format off */
/* semantics 5.3: AWS's ranges. */
#define TIMER_KEYS \
	{ "tcp-established-timeout", KEY_SCALAR, VALUE_RANGE, "60-432000", \
	  .help = "seconds an established TCP connection stays tracked without a packet (default 432000)" }, \
	{ "udp-timeout", KEY_SCALAR, VALUE_RANGE, "30-60", \
	  .help = "the same for UDP that went one way or had one answer (default 30)" }, \
	{ "udp-stream-timeout", KEY_SCALAR, VALUE_RANGE, "60-180", \
	  .help = "the same for UDP that went both ways more than once (default 180)" }
/* clang-format on */

static const struct schema_key lab_keys[] = {
	{ "datapath", KEY_SCALAR, VALUE_CHOICE, "auto|fast|kernel",
	  .help = "auto (default): the shortcut where the kernel has it; kernel: every hop visits the router" },
	{ "quotas", KEY_WORDS, VALUE_QUOTA, .help = "aws (default), off, or single ones like groups-per-eni=16" },
	{ "conntrack-entries", KEY_SCALAR, VALUE_RANGE, "1-1048576",
	  .help = "connections an interface can track (default 65536)" },
	{ "rule-table-entries", KEY_SCALAR, VALUE_RANGE, "1-16777216",
	  .help = "entries that one direction of an interface's groups, or of an ACL, may take in the table of rules"
		  " (default: 16 for each prefix and range of ports, and 4096)" },
	{ "zones-down", KEY_WORDS, VALUE_ZONES,
	  .help = "zones that are out: a, or us-east-1a for one region's; vpc zone down and up set it" },
	{ "clock", KEY_SCALAR, VALUE_CLOCK, .help = "60x: timers run 60 times faster" },
	{ "icmp-errors", KEY_SCALAR, VALUE_CHOICE, "related|strict",
	  .help = "related (default): groups let ICMP errors about a tracked connection pass; strict: only by a rule" },
	{ "nacl-fragments", KEY_SCALAR, VALUE_CHOICE, "follow|strict",
	  .help = "follow (default): later fragments count as having their first one's ports; strict: as having none" },
	{ 0 }
};
static const struct schema_key vpc_keys[] = { { "cidr", KEY_LINES, VALUE_PREFIX, REQUIRED,
						.help = "IPv4 range, /16 to /28; the first one is the primary one" },
					      { "ipv6-cidr", KEY_LINES, VALUE_LATER, .help = "IPv6 range" },
					      { "region", KEY_SCALAR, VALUE_REGION,
						.help = "AWS region (default us-east-1)" },
					      { 0 } };
static const struct schema_key subnet_keys[] = {
	VPC_KEY,
	{ "zone", KEY_SCALAR, VALUE_ZONE, .help = "availability zone (default a)" },
	{ "cidr", KEY_SCALAR, VALUE_PREFIX, REQUIRED, .help = "IPv4 range inside the VPC's, /16 to /28" },
	{ "ipv6-cidr", KEY_SCALAR, VALUE_LATER, .help = "IPv6 range" },
	{ "route-table", KEY_SCALAR, VALUE_REF, "route-table",
	  .help = "its route table (default: the VPC's main one)" },
	{ "nacl", KEY_SCALAR, VALUE_REF, "nacl", .help = "its network ACL (default: the VPC's default one)" },
	{ "map-public-ip", KEY_SCALAR, VALUE_BOOL,
	  .help = "yes: its instances get a public address unless they say otherwise" },
	{ 0 }
};
static const struct schema_key route_table_keys[] = {
	VPC_KEY,
	{ "main", KEY_SCALAR, VALUE_BOOL, .help = "yes: for subnets that name no table" },
	{ "route", KEY_LINES, VALUE_ROUTE,
	  .help = "PREFIX or pl:NAME via local, igw:NAME, nat:NAME, eni:NAME, instance:NAME, pcx:NAME" },
	{ "edge", KEY_SCALAR, VALUE_EDGE, .help = "igw:NAME: the table is for what enters by that gateway" },
	{ "gone", KEY_WORDS, VALUE_TARGET, .help = "targets that were deleted: routes to them are blackholes" },
	{ 0 }
};
static const struct schema_key igw_keys[] = { VPC_KEY, { 0 } };
static const struct schema_key nat_gateway_keys[] = {
	{ "subnet", KEY_SCALAR, VALUE_REF, "subnet", REQUIRED, .help = "the subnet its interface stands in" },
	{ "public-ip", KEY_LINES, VALUE_NAT_IP,
	  .help = "auto (default) or a public address; the first line is the primary one, eight are the most" },
	{ "address", KEY_LINES, VALUE_NAT_ADDRESS,
	  .help = "private address, or auto: the lowest free one (default); the n-th goes with the n-th public-ip" },
	{ "connectivity", KEY_SCALAR, VALUE_CHOICE, "public|private",
	  .help = "public (default), or private: no public address" },
	{ 0 }
};
static const struct schema_key peering_keys[] = {
	{ "vpc", KEY_SCALAR, VALUE_REF, "vpc", REQUIRED, .help = "one of the two VPCs" },
	{ "peer-vpc", KEY_SCALAR, VALUE_REF, "vpc", REQUIRED, .help = "the other one" },
	{ 0 }
};
static const struct schema_key security_group_keys[] = {
	VPC_KEY,
	{ "default", KEY_SCALAR, VALUE_BOOL,
	  .help = "yes: for interfaces that name no group; without inbound lines it lets itself in" },
	{ "inbound", KEY_LINES, VALUE_GROUP_IN, .help = "PROTO [PORTS] from PEER" },
	{ "outbound", KEY_LINES, VALUE_GROUP_OUT,
	  .help = "PROTO [PORTS] to PEER, or none; without a line: all to 0.0.0.0/0" },
	{ 0 }
};
static const struct schema_key nacl_keys[] = {
	VPC_KEY,
	{ "default", KEY_SCALAR, VALUE_BOOL,
	  .help = "yes: for subnets that name no network ACL; a direction without lines allows all" },
	{ "inbound", KEY_LINES, VALUE_NACL_IN, .help = "NUMBER allow|deny PROTO [PORTS] from PREFIX" },
	{ "outbound", KEY_LINES, VALUE_NACL_OUT, .help = "NUMBER allow|deny PROTO [PORTS] to PREFIX" },
	{ 0 }
};
static const struct schema_key prefix_list_keys[] = {
	{ "entry", KEY_LINES, VALUE_PREFIX, .help = "a prefix of the list" }, { 0 }
};
static const struct schema_key instance_keys[] = {
	{ "subnet", KEY_SCALAR, VALUE_REF, "subnet", REQUIRED, .help = "the subnet of its first interface" },
	{ "address", KEY_LINES, VALUE_ADDRESS,
	  .help = "private address; the first one is the primary one (default: the lowest free one)" },
	{ "public-ip", KEY_SCALAR, VALUE_PUBLIC_IP,
	  .help = "auto, an address, or none (default: as the subnet's map-public-ip says)" },
	{ "security-groups", KEY_WORDS, VALUE_REF, "security-group",
	  .help = "its groups (default: the VPC's default one)" },
	{ "source-dest-check", KEY_SCALAR, VALUE_BOOL, .help = "no: it may forward what is not its own (default yes)" },
	TIMER_KEYS,
	{ "listen", KEY_WORDS, VALUE_LISTEN, .help = "ports that answer, like tcp/80 udp/53" },
	{ "run", KEY_LINES, VALUE_COMMAND, .help = "a program that runs inside, without a shell" },
	{ 0 }
};
static const struct schema_key interface_keys[] = {
	{ "subnet", KEY_SCALAR, VALUE_REF, "subnet", REQUIRED, .help = "the subnet it stands in" },
	{ "address", KEY_LINES, VALUE_ADDRESS,
	  .help = "private address; the first one is the primary one (default: the lowest free one)" },
	{ "public-ip", KEY_SCALAR, VALUE_PUBLIC_IP, .help = "auto, an address, or none (default)" },
	{ "security-groups", KEY_WORDS, VALUE_REF, "security-group",
	  .help = "its groups (default: the VPC's default one)" },
	{ "source-dest-check", KEY_SCALAR, VALUE_BOOL, .help = "no: it may forward what is not its own (default yes)" },
	TIMER_KEYS,
	{ "instance", KEY_SCALAR, VALUE_REF, "instance",
	  .help = "the instance it is attached to (default: none; it keeps its addresses, and packets to it die)" },
	{ "index", KEY_SCALAR, VALUE_COUNT, .help = "N: it is ethN inside (default: the lowest free one)" },
	{ 0 }
};
static const struct schema_key host_keys[] = {
	{ "address", KEY_SCALAR, VALUE_ADDRESS, REQUIRED, .help = "its address on the simulated internet" },
	{ "listen", KEY_WORDS, VALUE_LISTEN, .help = "ports that answer, like tcp/443" },
	{ "run", KEY_LINES, VALUE_COMMAND, .help = "a program that runs inside, without a shell" },
	{ 0 }
};
static const struct schema_key internet_keys[] = {
	{ "uplink", KEY_SCALAR, VALUE_BOOL,
	  .help = "yes: what nobody in the lab owns is sent into the machine's network; vpcd must run with --allow-uplink" },
	{ 0 }
};
static const struct schema_key flow_log_keys[] = {
	{ "vpc", KEY_SCALAR, VALUE_REF, "vpc", .help = "all interfaces of this VPC; or:" },
	{ "subnet", KEY_SCALAR, VALUE_REF, "subnet", .help = "those of this subnet; or:" },
	{ "interface", KEY_SCALAR, VALUE_REF, "interface",
	  .help = "this one: of an instance or NAT gateway, or a further one" },
	{ "traffic", KEY_SCALAR, VALUE_CHOICE, "all|accept|reject", .help = "which records it keeps (default all)" },
	{ "format", KEY_SCALAR, VALUE_RECORD_FORMAT, .help = "${FIELD} ${FIELD} … (default: AWS's version 2)" },
	{ "max-aggregation-interval", KEY_SCALAR, VALUE_RANGE, "1-600",
	  .help = "seconds that one record covers at most (default 60), divided by the lab's clock" },
	{ "log-destination", KEY_SCALAR, VALUE_CHOICE, "file|none",
	  .help = "file (default): into the state directory too; none: only for vpc flows" },
	{ 0 }
};
static const struct schema_key alarm_keys[] = {
	{ "metric", KEY_SCALAR, VALUE_METRIC, REQUIRED,
	  .help = "a name of GET /metrics; of a counter, what a period adds to it" },
	{ "dimensions", KEY_WORDS, VALUE_DIMENSION, .help = "LABEL=VALUE …: only samples that have them; their sum" },
	{ "comparison", KEY_SCALAR, VALUE_CHOICE,
	  "GreaterThanThreshold|GreaterThanOrEqualToThreshold|LessThanThreshold|LessThanOrEqualToThreshold", REQUIRED,
	  .help = "when a period breaches" },
	{ "threshold", KEY_SCALAR, VALUE_NUMBER, REQUIRED, .help = "a number, like 100 or 0.9" },
	{ "period", KEY_SCALAR, VALUE_RANGE, "1-86400", .help = "seconds (default 60), divided by the lab's clock" },
	{ "evaluation-periods", KEY_SCALAR, VALUE_RANGE, "1-100",
	  .help = "ALARM when so many periods in a row breach (default 1)" },
	{ "run", KEY_SCALAR, VALUE_COMMAND,
	  .help = "a program that runs as nobody when the state changes, without a shell" },
	{ 0 }
};
static const struct schema_key expect_keys[] = {
	{ "allow", KEY_LINES, VALUE_ALLOW, .help = "SRC[:PORT] -> DST PROTO[/PORT]" },
	{ "deny", KEY_LINES, VALUE_DENY, .help = "SRC[:PORT] -> DST PROTO[/PORT] [at [return:]GATE[@OBJECT]]" },
	{ 0 }
};

const struct schema_kind schema_kinds[] = {
	{ KIND_LAB, true, "InvalidLab.NotFound", "settings of the whole lab", lab_keys },
	{ KIND_VPC, false, "InvalidVpcID.NotFound", "a virtual private cloud", vpc_keys },
	{ KIND_SUBNET, false, "InvalidSubnetID.NotFound", "a part of a VPC's addresses, in one zone", subnet_keys },
	{ KIND_ROUTE_TABLE, false, "InvalidRouteTableID.NotFound", "where packets that leave a subnet go",
	  route_table_keys },
	{ KIND_IGW, false, "InvalidInternetGatewayID.NotFound", "a VPC's door to the internet", igw_keys },
	{ KIND_NAT_GATEWAY, false, "InvalidNatGatewayID.NotFound", "lets private instances open connections to outside",
	  nat_gateway_keys },
	{ KIND_PEERING, false, "InvalidVpcPeeringConnectionID.NotFound",
	  "joins two VPCs; routes on both sides send packets over it", peering_keys },
	{ KIND_SECURITY_GROUP, false, "InvalidGroup.NotFound", "stateful rules of interfaces", security_group_keys },
	{ KIND_NACL, false, "InvalidNetworkAclID.NotFound", "stateless, ordered rules at the edge of subnets",
	  nacl_keys },
	{ KIND_PREFIX_LIST, false, "InvalidPrefixListID.NotFound", "prefixes under one name, for rules and routes",
	  prefix_list_keys },
	{ KIND_INSTANCE, false, "InvalidInstanceID.NotFound", "a machine in a subnet", instance_keys },
	{ KIND_INTERFACE, false, "InvalidNetworkInterfaceID.NotFound", "a further network interface of an instance",
	  interface_keys },
	{ KIND_HOST, false, "InvalidHostID.NotFound", "a machine out on the simulated internet", host_keys },
	{ KIND_INTERNET, true, "InvalidTopology.NotFound", "the simulated internet between gateways and hosts",
	  internet_keys },
	{ KIND_FLOW_LOG, false, "InvalidFlowLogId.NotFound", "records of what interfaces sent and received",
	  flow_log_keys },
	{ KIND_ALARM, false, "ResourceNotFound", "a state that a metric puts it into", alarm_keys },
	{ KIND_EXPECT, true, "InvalidExpectID.NotFound", "flows that must be allowed or denied", expect_keys },
};
const size_t n_schema_kinds = ARRAY_SIZE(schema_kinds);

/* Kinds that the language has and this version does not. */
/* What AWS and the tools around it call the same. */
static const struct {
	const char *word, *key;
} synonyms[] = {
	{ "private-ip", "address" },
	{ "private-ip-address", "address" },
	{ "private-ips", "address" },
	{ "ip", "address" },
	{ "cidr-block", "cidr" },
	{ "availability-zone", "zone" },
	{ "az", "zone" },
	{ "ingress", "inbound" },
	{ "egress", "outbound" },
	{ "vpc-id", "vpc" },
	{ "subnet-id", "subnet" },
	{ "groups", "security-groups" },
	{ "security-group-ids", "security-groups" },
	{ "vpc-security-group-ids", "security-groups" },
	{ "elastic-ip", "public-ip" },
	{ "eip", "public-ip" },
	{ "map-public-ip-on-launch", "map-public-ip" },
	{ "network-acl", "nacl" },
	{ "main-route-table", "main" },
	{ "command", "run" },
};
static const char *const later_kinds[] = { "egress-only-internet-gateway" };
static const char *const reserved_names[] = { "internet", "default", "router", "self", "none", "all" };

static void check_section(const struct section *s, const struct schema_kind *kind, struct diag_list *diags);
static void check_kind(const struct section *s, struct diag_list *diags);
static void check_name(const struct section *s, const struct schema_kind *kind, struct diag_list *diags);
static void check_twice(const struct document *d, const struct schema_kind *const *kinds, struct diag_list *diags);
static void check_value(const struct section *s, const struct entry *en, const struct schema_key *key,
			struct diag_list *diags);
static const char *place_of(struct src_loc loc, char buf[PLACE_LEN]);
static const char *nearest_kind(const char *name);
static const char *nearest_key(const struct schema_kind *kind, const char *name);
static char *keys_of(const struct schema_kind *kind);

const struct schema_kind *schema_kind_find(const char *name)
{
	for (size_t i = 0; i < n_schema_kinds; i++)
		if (str_same(obj_kind_name(schema_kinds[i].kind), name))
			return &schema_kinds[i];
	return NULL;
}

const struct schema_kind *schema_kind_get(enum obj_kind kind)
{
	const struct schema_kind *k = schema_kind_find(obj_kind_name(kind));

	return k ? k : &schema_kinds[0];
}

const char *schema_key_text(const char *name)
{
	const struct schema_key *key = NULL;

	for (size_t i = 0; !key && i < n_schema_kinds; i++)
		key = schema_key_find(&schema_kinds[i], name);
	return key ? key->name : NULL;
}

const struct schema_key *schema_key_find(const struct schema_kind *kind, const char *name)
{
	for (const struct schema_key *k = kind->keys; k->name; k++)
		if (str_same(k->name, name))
			return k;
	return NULL;
}

bool schema_name_is_reserved(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(reserved_names); i++)
		if (str_same(reserved_names[i], name))
			return true;
	return false;
}

void schema_check(const struct document *d, struct diag_list *diags)
{
	const struct schema_kind **kinds = xcalloc(d->n, sizeof(*kinds));

	for (size_t i = 0; i < d->n; i++) {
		const struct section *s = &d->sections[i];
		const size_t n = diags->n;

		kinds[i] = schema_kind_find(s->kind);
		if (s->body->is_sound)
			continue;
		if (kinds[i])
			check_section(s, kinds[i], diags);
		else
			check_kind(s, diags);
		s->body->is_sound = diags->n == n;
	}
	check_twice(d, kinds, diags);
	free(kinds);
}

int schema_find(const char *kind, const char *key, const struct schema_kind **ret_kind,
		const struct schema_key **ret_key, struct err *e)
{
	const struct schema_kind *k = schema_kind_find(kind);
	const struct schema_key *row = NULL;
	const char *near;

	if (!k) {
		near = nearest_kind(kind);
		return err_set_aws(e, -EINVAL, "InvalidTopology.UnknownKind", "there is no kind \"%s\"%s%s%s", kind,
				   near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
	}
	if (key) {
		row = schema_key_find(k, key);
		near = row ? NULL : nearest_key(k, key);
		if (!row)
			return err_set_aws(e, -EINVAL, "UnknownParameter", "%s has no key \"%s\"%s%s%s", kind, key,
					   near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
	}
	*ret_kind = k;
	if (ret_key)
		*ret_key = row;
	return 0;
}

void schema_add_error(struct diag_list *diags, const struct section *s, const struct entry *en, struct err *e,
		      const char *hint)
{
	char *fix = NULL;

	for (char *p = e->msg; (p = strstr(p, "; ")); p++)
		fix = p;
	if (fix) {
		*fix = '\0';
		fix += 2;
	}
	diag_add(diags, SEV_ERROR, en->loc, e->aws[0] ? e->aws : "InvalidParameterValue", fix ? fix : hint,
		 SECTION_FMT("%s: %s"), SECTION_ARGS(s), en->key, e->msg);
}

char *schema_next_word(char **p)
{
	char *s = *p + strspn(*p, " \t,"), *end;

	*p = s;
	if (!*s)
		return NULL;
	end = s + strcspn(s, " \t,");
	if (*end)
		*end++ = '\0';
	*p = end;
	return s;
}

static void check_kind(const struct section *s, struct diag_list *diags)
{
	_cleanup_free_ char *fix = NULL;
	const char *near;

	for (size_t i = 0; i < ARRAY_SIZE(later_kinds); i++) {
		if (strcmp(later_kinds[i], s->kind) != 0)
			continue;
		diag_add(diags, SEV_ERROR, s->loc, "UnsupportedOperation", "take the section out",
			 "[%s %s]: sections of this kind are not available yet", s->kind, s->name);
		return;
	}
	near = nearest_kind(s->kind);
	if (near)
		fix = xasprintf("did you mean [%s%s%s]?", near, *s->name ? " " : "", s->name);
	diag_add(
		diags, SEV_ERROR, s->loc, "InvalidTopology.UnknownKind",
		fix ? fix
		    : "kinds are lab, vpc, subnet, route-table, internet-gateway, nat-gateway, vpc-peering-connection, security-group, "
		      "nacl, prefix-list, instance, interface, host, internet, flow-log, alarm and expect",
		"[%s%s%s]: there is no kind \"%s\"", s->kind, *s->name ? " " : "", s->name, s->kind);
}

static void check_section(const struct section *s, const struct schema_kind *kind, struct diag_list *diags)
{
	const struct entry *first[KEYS_MAX] = { 0 };
	const struct schema_key *key = NULL;
	_cleanup_free_ char *fix = NULL;
	char where[PLACE_LEN];

	check_name(s, kind, diags);
	for (size_t i = 0; i < s->n; i++) {
		const struct entry *en = &s->entries[i];
		size_t row;

		if (!key || strcmp(key->name, en->key) != 0) /* lines of one key mostly stand together */
			key = schema_key_find(kind, en->key);
		if (!key) {
			const char *near = nearest_key(kind, en->key);

			free(fix);
			fix = near ? xasprintf("did you mean %s?", near) : keys_of(kind);
			diag_add(diags, SEV_ERROR, en->loc, "UnknownParameter", fix,
				 SECTION_FMT("there is no key \"%s\" in %s %s"), SECTION_ARGS(s), en->key,
				 strchr("aei", *s->kind) ? "an" : "a", s->kind);
			continue;
		}
		row = (size_t)(key - kind->keys);
		if (first[row] && key->shape == KEY_SCALAR) {
			diag_add(diags, SEV_ERROR, en->loc, "InvalidTopology.DuplicateKey", "keep one of the two",
				 SECTION_FMT("%s is given twice, here and %s"), SECTION_ARGS(s), en->key,
				 place_of(first[row]->loc, where));
			continue;
		}
		first[row] = en;
		check_value(s, en, key, diags);
	}
	for (key = kind->keys; key->name; key++) {
		if (!key->required || first[key - kind->keys] || s->damaged)
			continue;
		free(fix);
		fix = xasprintf("add a line %s = … (%s)", key->name, key->help);
		diag_add(diags, SEV_ERROR, s->loc, "MissingParameter", fix, SECTION_FMT("%s is missing"),
			 SECTION_ARGS(s), key->name);
	}
}

static void check_name(const struct section *s, const struct schema_kind *kind, struct diag_list *diags)
{
	if (!*s->name) {
		if (!kind->name_optional)
			diag_add(diags, SEV_ERROR, s->loc, "InvalidTopology.Name", "write [KIND NAME]",
				 "[%s]: a %s needs a name", s->kind, s->kind);
		return;
	}
	if (!str_is_name(s->name))
		diag_add(diags, SEV_ERROR, s->loc, "InvalidTopology.Name",
			 "names are 1 to 32 of a-z, 0-9 and -, and do not begin with -",
			 "[%s %s]: \"%s\" is no legal name", s->kind, s->name, s->name);
	else if (schema_name_is_reserved(s->name))
		diag_add(diags, SEV_ERROR, s->loc,
			 kind->kind == KIND_SECURITY_GROUP ? "InvalidGroup.Reserved" : "InvalidTopology.Name",
			 kind->kind == KIND_SECURITY_GROUP || kind->kind == KIND_NACL
				 ? "choose another name; default = yes makes it the VPC's default one"
				 : "choose another name",
			 "[%s %s]: the name \"%s\" is reserved", s->kind, s->name, s->name);
}

/* Sections by kind and name; instances, interfaces, hosts and NAT gateways share one name space. */
static void check_twice(const struct document *d, const struct schema_kind *const *kinds, struct diag_list *diags)
{
	struct keymap by_name = { 0 };
	char **keys = xcalloc(d->n, sizeof(*keys));

	keymap_reserve(&by_name, d->n);
	for (size_t i = 0; i < d->n; i++) {
		const struct section *s = &d->sections[i], *other;
		bool shared = kinds[i] && (kinds[i]->kind == KIND_INSTANCE || kinds[i]->kind == KIND_HOST ||
					   kinds[i]->kind == KIND_INTERFACE || kinds[i]->kind == KIND_NAT_GATEWAY);
		char where[PLACE_LEN];

		if (kinds[i] && (kinds[i]->kind == KIND_LAB || kinds[i]->kind == KIND_INTERNET))
			keys[i] = xstrdup(s->kind); /* there is one, whatever its name */
		else
			keys[i] = str_join(shared ? "machine" : s->kind, ' ', s->name);
		if (keymap_put_str(&by_name, keys[i], i))
			continue;
		other = &d->sections[keymap_get_str(&by_name, keys[i])];
		place_of(other->loc, where);
		if (strcmp(other->kind, s->kind) == 0)
			diag_add(diags, SEV_ERROR, s->loc, "InvalidTopology.DuplicateSection",
				 "put all keys into one section, or give them different names",
				 "[%s%s%s] is given twice, here and %s", s->kind, *s->name ? " " : "", s->name, where);
		else
			diag_add(diags, SEV_ERROR, s->loc, "InvalidTopology.DuplicateName",
				 "instances, interfaces, hosts and NAT gateways share their names; choose another one",
				 SECTION_FMT("the name is taken by the %s %s"), SECTION_ARGS(s), other->kind, where);
	}
	for (size_t i = 0; i < d->n; i++)
		free(keys[i]);
	free(keys);
	keymap_done(&by_name);
}

static void check_value(const struct section *s, const struct entry *en, const struct schema_key *key,
			struct diag_list *diags)
{
	_cleanup_free_ char *copy = NULL;
	struct err e = { 0 };
	char *p;

	if (value_is_rule(key->type) && strcmp(en->value, "none") != 0) {
		if (!entry_rule(en, key->type, &e))
			schema_add_error(diags, s, en, &e, value_hint(key->type));
		return;
	}
	if (key->shape != KEY_WORDS) {
		if (value_check(key->type, key->arg, en->value, &e) < 0)
			schema_add_error(diags, s, en, &e, value_hint(key->type));
		return;
	}
	copy = xstrdup(en->value);
	p = copy;
	for (char *word; (word = schema_next_word(&p));)
		if (value_check(key->type, key->arg, word, &e) < 0)
			schema_add_error(diags, s, en, &e, value_hint(key->type));
}

static const char *place_of(struct src_loc loc, char buf[PLACE_LEN])
{
	if (loc.line)
		snprintf(buf, PLACE_LEN, "on line %u", loc.line);
	else
		snprintf(buf, PLACE_LEN, "in an edit");
	return buf;
}

static const char *nearest_kind(const char *name)
{
	const char *names[ARRAY_SIZE(schema_kinds)];

	for (size_t i = 0; i < n_schema_kinds; i++)
		names[i] = obj_kind_name(schema_kinds[i].kind);
	return str_nearest(name, names, n_schema_kinds);
}

static const char *nearest_key(const struct schema_kind *kind, const char *name)
{
	const char *names[KEYS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(synonyms); i++)
		if (strcmp(synonyms[i].word, name) == 0 && schema_key_find(kind, synonyms[i].key))
			return synonyms[i].key;
	for (const struct schema_key *k = kind->keys; k->name; k++)
		names[n++] = k->name;
	return str_nearest(name, names, n);
}

static char *keys_of(const struct schema_kind *kind)
{
	struct strbuf b = { 0 };

	for (const struct schema_key *k = kind->keys; k->name; k++)
		if (k->type != VALUE_LATER)
			strbuf_addf(&b, "%s%s", b.n ? ", " : "its keys are ", k->name);
	return strbuf_take(&b);
}
