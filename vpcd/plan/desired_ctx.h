/* desired_ctx.h: what the files of desired.c share: the places of a model's objects in the kernel,
 * worked out once. For the plan room only. */
#pragma once
#include "plan/desired.h"
#include "util/diag.h"

#define NS_NAME_MAX 128
#define LINK_MTU_ENI 9001 /* semantics 3, EC2UG network_mtu.md */
#define LINK_MTU_NAT 8500 /* semantics 4.1 */
#define LINK_MTU_INTERNET 1500
#define LINK_MTU_REGIONS 1500    /* semantics 9.1: peering between regions */
#define GATEWAY_ADDR 0xa9fe0001u /* 169.254.0.1: the other end of a link into the internet */

/* Where an interface is. */
struct eni_place {
	bool attached; /* an interface without an instance has no device */
	bool out;      /* its zone is: the router's end is down */
	const char *router_ns;
	const char *inside_ns;
	char ifname[IFNAME_MAX]; /* of the router's end */
	char inside_ifname[IFNAME_MAX];
	uint32_t port;
	uint16_t mtu;
	enum obj_kind owner_kind;
	const char *owner;
};
struct desired {
	const struct model *m;
	struct state *s;
	const char **router_ns;  /* by VPC */
	const char *internet_ns; /* NULL when the lab has neither gateway nor host nor uplink */
	const char *uplink_ns;   /* NULL when its internet has none */
	struct eni_place *enis;
};

/* What of a lab does not fit its tables. */
struct fit {
	struct diag_list *diags;
	char largest[160]; /* the rule set with the most rows */
	size_t largest_rows;
};

/* desired_links.c: namespaces, links, their sysctls and addresses, filters, translation. */
void desired_links(struct desired *d);
/* desired_routes.c: routes, rules, neighbours. */
void desired_routes(struct desired *d);
/* desired_maps.c: ports, addrs, routes, inet. */
void desired_maps(const struct model *m, struct map_rows *rows);
/* desired_policies.c: policies, peers, members, rules. */
void desired_policies(const struct model *m, struct map_rows *rows, struct fit *fit);
/* desired_limits.c: numbers and rows of which there are more than the data path holds, into diags. */
void desired_limits_numbers(const struct model *m, struct fit *fit);
void desired_limits_rows(const struct model *m, const struct map_rows *rows, struct fit *fit);

/* Small questions about a model. */
bool eni_attached(const struct eni *eni);
uint16_t eni_mtu(const struct eni *eni);
uint16_t pcx_mtu(const struct peering *p);
struct addr subnet_router(const struct subnet *s);
/* True when another route of the table has the same prefix and goes first: local, then the table's own, then
 * those of prefix lists. Tables and maps leave such a route out, so that both mean the same. */
bool route_shadowed(const struct route_table *t, uint32_t i);
/* The route leads nowhere: marked so, or to an interface without a device. */
bool route_is_dead(const struct model *m, const struct route *r);
/* The interface a NAT, ENI or instance route leads to. */
const struct eni *route_eni(const struct model *m, const struct route *r);
uint32_t policy_slot_groups(uint32_t policy);
uint32_t policy_slot_nacl(uint32_t nacl);
uint32_t policy_slot_fragments(uint32_t nacl); /* its rules without ports; nacl-fragments = strict only */
void igw_ifname(const struct igw *igw, uint32_t port, char ifname[IFNAME_MAX]);
void pcx_ifname(const struct peering *p, int end, char ifname[IFNAME_MAX]);
void host_ifname(const struct host *h, char ifname[IFNAME_MAX]);
