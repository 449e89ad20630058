/* state.h: what the kernel holds, or should hold, for one lab: sorted rows, one struct for both.
 * desired.h makes one from a model, the kernel room makes one by observing; diff.h compares them. Pure.
 *
 * Namespaces are named as under /run/netns: LAB.NAME, LAB.VPC.router, LAB.internet.
 * Interfaces are named by (namespace, name); router and internet ends also have the fixed ifindex
 * ABI_IFINDEX_BASE + port number. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "filters/rows.h"
#include "model/model.h"
#include "util/addr.h"

#define IFNAME_MAX 16

enum row_kind {
	ROW_NS,
	ROW_LINK,
	ROW_SYSCTL,
	ROW_ADDR,
	ROW_NEIGH,
	ROW_ROUTE,
	ROW_RULE,
	ROW_NFT,
	ROW_UPLINK,
	ROW_FILTER,
	ROW_KIND_MAX
};

struct link_row {                /* a veth pair; no IPv6 address, no autoconfiguration */
	char ifname[IFNAME_MAX]; /* this end, in row.ns */
	uint32_t ifindex;        /* of this end */
	uint8_t mac[6];          /* of this end: the router's own */
	char alias[80];          /* "vpcd LAB eni web-1": the mark that it is ours */
	const char *peer_ns;
	char peer_ifname[IFNAME_MAX]; /* eth0 in an instance */
	uint32_t peer_ifindex;        /* 0: any */
	uint8_t peer_mac[6];
	uint16_t mtu; /* both ends */
	bool down;    /* wanted: this end is, its zone is out. Observed: either end is */
};
struct sysctl_row {
	const char *path; /* "net/ipv4/ip_forward" */
	const char *value;
};
struct addr_row {
	char ifname[IFNAME_MAX];
	struct addr addr;
	uint8_t prefix_len; /* family's own terms */
};
struct neigh_row { /* permanent */
	char ifname[IFNAME_MAX];
	struct addr addr;
	uint8_t mac[6];
};
enum route_type { ROUTE_TYPE_UNICAST, ROUTE_TYPE_THROW, ROUTE_TYPE_BLACKHOLE };
#define ROUTE_TABLE_MAIN 254
#define ROUTE_METRIC_LAST UINT32_MAX /* of the blackhole that ends a table */
struct route_row {                   /* protocol ABI_ROUTE_PROTO */
	uint32_t table;
	struct prefix dst;
	uint32_t metric; /* the route's number; 0 = none */
	enum route_type type;
	char ifname[IFNAME_MAX]; /* "" for throw, blackhole */
	struct addr via;         /* zero = none; with via: onlink */
	struct addr prefsrc;     /* zero = none */
};
struct rule_row { /* ip rule; all of it is the key; several may share a pref */
	uint32_t pref;
	uint32_t mark, mask; /* mask 0: matches all */
	uint32_t table;      /* 0: action blackhole */
	struct addr from;    /* zero: from anywhere */
};
struct nft_row {               /* a NAT gateway's ruleset, atomic */
	struct prefix *inside; /* who may open connections: the VPC's CIDRs */
	uint32_t n_inside;
	struct addr *addrs; /* private addresses to translate to; [0] primary */
	uint32_t n_addrs;
	uint32_t idle_s, udp_s, icmp_s; /* conntrack timers of the namespace, seconds, clock applied */
};
/* The way from a lab's internet into the machine's network: the veth pair of the two namespaces, its addresses, the
 * default route of the lab's end, and a ruleset at either end. All of it or nothing. */
struct uplink_row {
	char ifname[IFNAME_MAX]; /* of the machine's end, in the namespace of vpcd */
	struct addr addr;        /* of the lab's end; model/uplink.h */
};
enum tc_hook { HOOK_ENI_INGRESS, HOOK_ENI_EGRESS, HOOK_IGW_EGRESS, HOOK_LINK_INGRESS, HOOK_MAX };
struct filter_row { /* a program of ours on clsact; which hook says ingress or egress of the device */
	uint32_t ifindex;
	char ifname[IFNAME_MAX];
	enum tc_hook hook;
};

struct row {
	enum row_kind kind;
	const char *ns;           /* "LAB.shop.router" */
	enum obj_kind owner_kind; /* whose it is, for words; not compared */
	const char *owner;
	union {
		struct {
			bool user_owned;
		} ns_row; /* owned by the lab's user namespace; lo is up and carries the mark */
		struct link_row link;
		struct sysctl_row sysctl;
		struct addr_row addr;
		struct neigh_row neigh;
		struct route_row route;
		struct rule_row rule;
		struct nft_row nft;
		struct uplink_row uplink;
		struct filter_row filter;
	};
};

struct state_names;
struct state {
	struct arena *arena;       /* owns the strings */
	struct state_names *names; /* one copy of each namespace and owner */
	struct row *rows;
	size_t n, cap;
	struct map_rows maps; /* policy maps of the lab's data path */
	bool sorted;
	bool observed;        /* what the kernel holds, not what was written there */
	struct state *lender; /* whose rows these are; NULL: its own */
};
struct state *state_new(void);
void state_free(struct state **s);
#define _cleanup_state_ __attribute__((cleanup(state_free)))
/* Copies ns and owner (may be NULL). The row is zeroed otherwise and stays where it is until the next state_add.
 * Other strings of a row come from state_name() or s->arena, or live as long as the program. */
struct row *state_add(struct state *s, enum row_kind kind, const char *ns, enum obj_kind owner_kind, const char *owner);
const char *state_name(struct state *s, const char *name);
void state_sort(struct state *s);
/* The sorted rows of lender (not its maps), which must live and keep them until state_keep or state_free of s. */
void state_borrow(struct state *s, struct state *lender);
/* What was borrowed is s's own from now on; the lender has no rows any more. Else, or of NULL, nothing. */
void state_keep(struct state *s);
int row_key_cmp(const struct row *a, const struct row *b);   /* same thing? */
bool row_value_eq(const struct row *a, const struct row *b); /* as wanted? */
/* "route 0.0.0.0/0 via 169.254.0.1 dev igw_main in table 1001 of lab.shop.router" */
char *row_format(const struct row *r, char *buf, size_t size);
/* "address 10.0.0.5 of VPC 1" */
char *map_row_format(const struct map_rows *rows, const struct map_row *row, char *buf, size_t size);
