/* model.h: one lab as AWS would describe it: VPCs, subnets, tables, gateways, groups, instances.
 * Pure data in one arena; objects refer to each other by index into the arrays below (NONE = no
 * object). Indexes are meaningless outside one struct model: use number, id or name there. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "filters/rule.h"
#include "model/metric_list.h"
#include "util/addr.h"
#include "util/err.h"

struct arena;
struct model_index;

#define NONE UINT32_MAX

enum origin { ORIGIN_FILE, ORIGIN_API, ORIGIN_MANAGED, ORIGIN_IMPLICIT /* AWS made it: main table, default NACL… */ };

enum obj_kind {
	KIND_LAB,
	KIND_VPC,
	KIND_SUBNET,
	KIND_ROUTE_TABLE,
	KIND_IGW,
	KIND_NAT_GATEWAY,
	KIND_PEERING,
	KIND_SECURITY_GROUP,
	KIND_NACL,
	KIND_PREFIX_LIST,
	KIND_INSTANCE,
	KIND_INTERFACE,
	KIND_HOST,
	KIND_INTERNET,
	KIND_FLOW_LOG,
	KIND_ALARM,
	KIND_EXPECT,
	/* numbered things that are not sections of their own */
	KIND_RULE,
	KIND_ROUTE,
	KIND_PORT,
	KIND_POLICY,
	KIND_MAX
};
/* Section name in the file and in paths: "vpc", "internet-gateway", … */
const char *obj_kind_name(enum obj_kind k);

/* What the file does not name, AWS makes, one of each a VPC: "VPC.main" (route table), "VPC.default"
 * (network ACL) and "VPC.default" (security group). The dot keeps them apart from names people give.
 * In the file, `default` after nacl=, security-groups= and sg: means the VPC's default one, whatever
 * its name; elsewhere use obj_name_matches(). */
struct obj {
	const char *name;
	const char *id;  /* "vpc-" + 17 hex; semantics 18.2 */
	uint32_t number; /* from 1, allocated once a lab and kind; 0 = none */
	enum origin origin;
	struct src_loc loc; /* of the section header */
};

/* "default" and "main" also mean "VPC.default" and "VPC.main". */
static inline bool obj_name_matches(const char *name, const char *wanted)
{
	const char *dot = strchr(name, '.');

	return strcmp(name, wanted) == 0 || (dot && strcmp(dot + 1, wanted) == 0);
}

struct vpc {
	struct obj obj;
	struct prefix *cidrs; /* [0] is the primary one */
	uint32_t n_cidrs;
	const char *region;
	uint32_t main_table, default_nacl, default_group; /* indexes, never NONE */
	uint32_t igw;                                     /* index or NONE */
	uint32_t table_number;                            /* number of the "local" address space in maps = obj.number */
};

struct subnet {
	struct obj obj;
	uint32_t vpc;
	char zone[8]; /* "a" */
	struct prefix cidr;
	uint32_t route_table; /* index; the main one when the file names none */
	uint32_t nacl;
	bool implicit_table; /* association with the main table is implicit */
	bool map_public_ip;
};

enum target_kind { TARGET_LOCAL, TARGET_IGW, TARGET_NAT, TARGET_ENI, TARGET_INSTANCE, TARGET_PCX, TARGET_KIND_MAX };
struct route {
	uint32_t number; /* KIND_ROUTE number */
	struct prefix dst;
	uint32_t prefix_list; /* index when the line said pl:NAME (one struct route an entry), else NONE */
	enum target_kind target;
	uint32_t target_index;   /* igw, nat gateway, peering, eni (TARGET_ENI, TARGET_INSTANCE); NONE: gone */
	const char *target_name; /* as written; NULL for local */
	bool blackhole;          /* target gone or unusable: the route stays, packets die */
	enum origin origin;      /* IMPLICIT for local */
	struct src_loc loc;
};
struct route_table {
	struct obj obj;
	uint32_t vpc;
	bool is_main;
	uint32_t edge_igw;    /* the gateway whose incoming packets it routes (edge association), or NONE */
	struct route *routes; /* ordered by prefix */
	uint32_t n_routes;
};

struct igw {
	struct obj obj;
	uint32_t vpc;
	uint32_t edge_table; /* index of the route table for what comes in, or NONE */
	uint32_t port;       /* number of the router end of its link */
	uint32_t inet_port;  /* number of the internet's end */
};

struct peering { /* [0] asked for it, [1] accepted; NONE only while there are errors */
	struct obj obj;
	uint32_t vpcs[2];
	uint32_t ports[2]; /* number of the link's end in that VPC's router */
	bool cross_region;
};

struct prefix_list {
	struct obj obj;
	struct prefix *entries;
	uint32_t n_entries;
};

/* A rule where it stands. number is stable for the same owner, direction and text. */
struct model_rule {
	struct rule rule;
	uint32_t number;     /* KIND_RULE number */
	uint32_t order;      /* from 1: rank by rule number in its NACL; place among all group rules of the file */
	uint32_t peer_index; /* PEER_GROUP: security group; PEER_PREFIX_LIST: prefix list; else NONE */
	enum origin origin;
	struct src_loc loc; /* line 0 for implicit rules */
	const char *note;   /* AWS's description, or NULL */
};
struct rule_list {
	struct model_rule *v;
	uint32_t n;
};
struct security_group {
	struct obj obj;
	uint32_t vpc;
	bool is_default;
	struct rule_list dir[2]; /* by enum rule_dir */
};
struct nacl {
	struct obj obj;
	uint32_t vpc;
	bool is_default;
	struct rule_list dir[2]; /* ascending rule number; the implicit * is not listed */
	uint32_t star[2];        /* KIND_RULE numbers of the implicit * rules */
};

enum eni_owner { ENI_OF_INSTANCE, ENI_OF_NAT_GATEWAY };
struct eni_addr {
	struct addr addr;                 /* private */
	struct addr public_ip;            /* all zero = none */
	bool automatic, public_automatic; /* given by us, kept for a running lab */
};
struct eni {
	struct obj obj; /* name: the instance's, NAT gateway's or interface's; number: KIND_PORT */
	enum eni_owner owner;
	uint32_t owner_index;  /* instance (NONE for an unattached interface) or NAT gateway */
	uint32_t device_index; /* ethN inside the instance */
	uint32_t subnet;
	struct eni_addr *addrs; /* [0] is the primary one */
	uint32_t n_addrs;
	uint32_t *groups; /* indexes, ascending; none for a NAT gateway */
	uint32_t n_groups;
	uint32_t policy; /* KIND_POLICY number of its set of groups; 0 = no groups */
	bool source_dest_check;
	uint32_t tcp_established_s, udp_s, udp_stream_s; /* idle timeouts of tracked flows; 0 = AWS's default */
};

struct listen_spec {
	uint8_t proto; /* 6 or 17 */
	uint16_t port; /* host order */
};
struct workload { /* what runs inside */
	struct listen_spec *listen;
	uint32_t n_listen;
	const char **run; /* each one command line, argv split by blanks and quotes, no shell */
	uint32_t n_run;
};

struct instance {
	struct obj obj;
	uint32_t *enis; /* by device index; [0] is the primary one */
	uint32_t n_enis;
	struct workload work;
};
#define NAT_ADDRS_MAX 8 /* semantics 4.1: one primary, seven secondary */
struct nat_gateway {
	struct obj obj;
	uint32_t eni; /* each of its addresses has its own public one when is_public */
	bool is_public;
};
struct host {
	struct obj obj;
	struct addr addr;
	uint32_t port; /* number of the internet's end of its link */
	struct workload work;
};

enum flow_log_traffic { FLOW_LOG_ALL, FLOW_LOG_ACCEPT, FLOW_LOG_REJECT };
struct flow_log { /* semantics 15 */
	struct obj obj;
	enum obj_kind scope; /* KIND_VPC, KIND_SUBNET, KIND_INTERFACE */
	uint32_t index;      /* of what is logged; NONE only while there are errors */
	enum flow_log_traffic traffic;
	const char *format;  /* NULL: AWS's default */
	uint32_t interval_s; /* most that a record covers; the lab's clock divides it */
	bool to_file;
};

enum alarm_comparison { ALARM_GREATER, ALARM_GREATER_EQUAL, ALARM_LESS, ALARM_LESS_EQUAL };
#define ALARM_COMPARISON_NAMES \
	"GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold"
struct alarm {
	struct obj obj;
	enum metric_id metric;
	struct dimension { /* a label that a sample must have to be summed */
		const char *name, *value;
	} * dimensions;
	uint32_t n_dimensions;
	enum alarm_comparison comparison;
	double threshold;
	uint32_t period_s, evaluation_periods;
	const char *run; /* NULL: nothing */
};

/* One expect line. */
struct expect {
	bool allow;
	const char *flow;      /* text of FLOW, as written */
	const char *at_leg;    /* "forward", "return" or NULL */
	const char *at_gate;   /* gate name or NULL */
	const char *at_object; /* object name or NULL */
	struct src_loc loc;
};

enum datapath_mode { DATAPATH_AUTO, DATAPATH_FAST, DATAPATH_KERNEL };

/* AWS quotas as settings; UINT32_MAX = off. Defaults: semantics 1.5. */
struct quotas {
	uint32_t vpcs, subnets_per_vpc, cidrs_per_vpc, igws, nat_gateways_per_zone, public_ips_per_nat_gateway,
		nacls_per_vpc, rules_per_nacl, route_tables_per_vpc, routes_per_table, groups, rules_per_group,
		groups_per_eni, prefix_list_entries, addresses_per_eni, peerings_per_vpc;
};

struct model {
	struct arena *arena;
	struct model_index *index; /* the hashes behind the lookups below */
	const char *name;          /* of the lab */
	const char *file;          /* as given, for messages; may be NULL */
	enum datapath_mode datapath;
	struct quotas quotas;
	uint32_t conntrack_entries;  /* per ENI */
	uint32_t rule_table_entries; /* of one rule set; 0: as many as its rules may honestly need */
	uint32_t clock;              /* time runs this many times faster; 1 */
	const char **zones_down;     /* zones that are out, as written: "a" or "us-east-1a" */
	uint32_t n_zones_down;
	struct {
		bool on;
		uint32_t port;    /* number of the internet's end of its link */
		struct addr addr; /* the lab's end of the link to the machine, a /30; the machine's is one less */
		struct src_loc loc;
	} uplink;              /* the lab's internet reaches the machine's network */
	bool strict_icmp;      /* ICMP errors need a rule even about a tracked flow */
	bool strict_fragments; /* NACL rules with ports do not see later fragments */

#define MODEL_ARRAY(type, name) \
	struct type *name; \
	uint32_t n_##name
	MODEL_ARRAY(vpc, vpcs);
	MODEL_ARRAY(subnet, subnets);
	MODEL_ARRAY(route_table, route_tables);
	MODEL_ARRAY(igw, igws);
	MODEL_ARRAY(nat_gateway, nat_gateways);
	MODEL_ARRAY(peering, peerings);
	MODEL_ARRAY(security_group, security_groups);
	MODEL_ARRAY(nacl, nacls);
	MODEL_ARRAY(prefix_list, prefix_lists);
	MODEL_ARRAY(instance, instances);
	MODEL_ARRAY(eni, enis);
	MODEL_ARRAY(host, hosts);
	MODEL_ARRAY(flow_log, flow_logs);
	MODEL_ARRAY(alarm, alarms);
	MODEL_ARRAY(expect, expects);
#undef MODEL_ARRAY
};

/* A model is made by conf/: an empty one, filled, then indexed once; read-only from there on. */
struct model *model_new(void);
void model_index_build(struct model *m);
void model_free(struct model **m);
#define _cleanup_model_ __attribute__((cleanup(model_free)))

/* Lookups by name; NONE when there is none. Linear is not good enough at 5,000 instances: they hash. */
uint32_t model_find_vpc(const struct model *m, const char *name);
uint32_t model_find_subnet(const struct model *m, const char *name);
uint32_t model_find_instance(const struct model *m, const char *name);
uint32_t model_find_eni(const struct model *m, const char *name); /* instance, interface or NAT gateway name */
uint32_t model_find_host(const struct model *m, const char *name);
bool model_same_instance(const struct model *m, uint32_t eni, uint32_t other); /* are both ENIs of one instance? */
uint32_t model_find_security_group(const struct model *m, const char *name, uint32_t vpc); /* vpc NONE: any */
/* Who owns a private address in a VPC; which ENI address holds a public one; NONE. *addr_index may be NULL. */
uint32_t model_eni_by_addr(const struct model *m, uint32_t vpc, const struct addr *a, uint32_t *addr_index);
uint32_t model_eni_by_public(const struct model *m, const struct addr *a, uint32_t *addr_index);
uint32_t model_host_by_addr(const struct model *m, const struct addr *a);
/* The peering connection of two VPCs; NONE. */
uint32_t model_peering_of(const struct model *m, uint32_t vpc, uint32_t other);
/* One VPC, or two that are peered: there a private address is enough to reach the other. */
static inline bool model_vpcs_joined(const struct model *m, uint32_t vpc, uint32_t other)
{
	return vpc == other ? vpc != NONE : model_peering_of(m, vpc, other) != NONE;
}
/* Where rule or route NUMBER stands, for words: false when unknown. owner_kind/name say whose it is. What AWS put there
 * stands where its owner does. */
struct rule_place {
	enum obj_kind owner_kind; /* KIND_SECURITY_GROUP, KIND_NACL, KIND_ROUTE_TABLE */
	const char *owner;
	struct src_loc loc;
	const struct model_rule *rule; /* NULL for routes and for the implicit * */
	const struct route *route;
	bool allow;
	enum rule_dir dir;
};
bool model_rule_place(const struct model *m, uint32_t number, struct rule_place *ret);
bool model_route_place(const struct model *m, uint32_t number, struct rule_place *ret);
/* Is the zone of a subnet out? Its links are down then; what it is to AWS's control plane stays as it was (semantics 17). */
bool model_subnet_is_out(const struct model *m, uint32_t subnet);
/* Does WORD mean the zone of this subnet? "a", or with the region: "us-east-1a". */
bool model_zone_is(const struct model *m, uint32_t subnet, const char *word);
static inline uint32_t model_eni_vpc(const struct model *m, uint32_t eni)
{
	return m->subnets[m->enis[eni].subnet].vpc;
}
