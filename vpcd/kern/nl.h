/* nl.h: rtnetlink inside one network namespace. Kernel room.
 *
 * A socket belongs to the namespace it was opened in, for ever: open it there once, then no
 * setns on the way. Each request is acknowledged; errors carry the kernel's own words (extended
 * ack) but not the object's name: callers that know it wrap it.
 *
 * What is ours is tagged where the kernel lets us: routes, rules, addresses and neighbours carry
 * ABI_ROUTE_PROTO as their protocol, links a group from their first moment and then an alias. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "plan/state.h"
#include "util/err.h"

struct nl_msg;
struct nlmsghdr;

enum {
	NL_GROUP = 0x76706364, /* IFLA_GROUP of our router ends ("vpcd"): the one mark that creation takes */
	NL_LO = 1,             /* ifindex of lo */
};

struct nl_ns;
int nl_ns_open(struct nl_ns **ret, struct err *e); /* in the namespace this thread is in now */
void nl_ns_close(struct nl_ns **ns);

/* Building blocks of the files below. nl_ns_talk sends and frees *msg and waits for the ack. */
struct nl_msg *nl_ns_msg(int type, int flags, const void *header, size_t size);
int nl_ns_talk(struct nl_ns *ns, struct nl_msg *msg, struct err *e);
/* The same for a question with one answer: fn gets it (and what else came) before the ack. */
int nl_ns_get(struct nl_ns *ns, struct nl_msg *msg, int (*fn)(void *ctx, struct nlmsghdr *h), void *ctx, struct err *e);
/* Calls fn for each object of a complete, uninterrupted dump; fn returns non-zero to stop. */
int nl_ns_dump(struct nl_ns *ns, struct nl_msg *msg, int (*fn)(void *ctx, struct nlmsghdr *h), void *ctx,
	       struct err *e);

/* ---- links: nl_link.c ---- */
struct nl_link {
	int ifindex;
	char ifname[IFNAME_MAX];
	char alias[80];
	uint8_t mac[6];
	bool up, veth;
	bool peer_elsewhere; /* the other end is in another namespace */
	uint32_t mtu, group;
	uint32_t peer; /* ifindex of the other end, 0 = none */
};
int nl_link_dump(struct nl_ns *ns, int (*fn)(void *ctx, const struct nl_link *l), void *ctx, struct err *e);
/* By name when ifindex is 0; -ENODEV. */
int nl_link_get(struct nl_ns *ns, int ifindex, const char *ifname, struct nl_link *ret, struct err *e);
/* ifindex by name, remembered until a link of this socket changes; -ENODEV. */
int nl_link_index(struct nl_ns *ns, const char *ifname, struct err *e);
void nl_ns_forget(struct nl_ns *ns); /* links changed by another socket's doing */
/* Without taking the kernel's lock on links, which it holds for half a second while it clears a
 * thousand namespaces. */
bool nl_link_exists(struct nl_ns *ns, int ifindex);
/* Both ends at once, both down. */
int nl_link_add_veth(struct nl_ns *ns, const struct link_row *row, int peer_ns_fd, struct err *e);
/* What to change; members that are NULL, 0 or false stay as they are. */
struct nl_link_change {
	const char *ifname, *alias;
	const uint8_t *mac;
	uint32_t mtu, group;
	bool up, down;
	bool quiet; /* no IPv6 address of its own making; a primary address that goes leaves the others */
};
int nl_link_set(struct nl_ns *ns, int ifindex, const struct nl_link_change *c, struct err *e);
/* The kernel tells a link of its carrier some time later, seconds on a busy machine; until then it drops what it is
 * given. Asked for the state, it catches up. */
void nl_link_settle(struct nl_ns *ns, const char *ifname);
int nl_link_del(struct nl_ns *ns, int ifindex, struct err *e);

/* ---- addresses: nl_addr.c ---- */
struct nl_addr_info {
	int ifindex;
	struct addr addr;
	uint8_t prefix_len, proto;
};
int nl_addr_dump(struct nl_ns *ns, int (*fn)(void *ctx, const struct nl_addr_info *a), void *ctx, struct err *e);
int nl_addr_add(struct nl_ns *ns, const struct addr_row *row, struct err *e); /* takes over one without our tag */
int nl_addr_del(struct nl_ns *ns, const struct addr_row *row, struct err *e);

/* ---- routes and rules: nl_route.c ---- */
struct nl_route_info {
	struct route_row row; /* but for the interface: */
	int ifindex;
};
/* Only those with our protocol number. */
int nl_route_dump(struct nl_ns *ns, int (*fn)(void *ctx, const struct nl_route_info *r), void *ctx, struct err *e);
int nl_route_set(struct nl_ns *ns, const struct route_row *row, struct err *e); /* adds or replaces */
int nl_route_del(struct nl_ns *ns, const struct route_row *row, struct err *e);

int nl_rule_dump(struct nl_ns *ns, int (*fn)(void *ctx, const struct rule_row *r), void *ctx, struct err *e);
int nl_rule_add(struct nl_ns *ns, const struct rule_row *row, struct err *e);
int nl_rule_del(struct nl_ns *ns, const struct rule_row *row, struct err *e);

/* ---- permanent neighbours: nl_neigh.c ---- */
struct nl_neigh_info {
	int ifindex;
	struct addr addr;
	uint8_t mac[6];
};
int nl_neigh_dump(struct nl_ns *ns, int (*fn)(void *ctx, const struct nl_neigh_info *n), void *ctx, struct err *e);
int nl_neigh_set(struct nl_ns *ns, const struct neigh_row *row, struct err *e);
int nl_neigh_del(struct nl_ns *ns, const struct neigh_row *row, struct err *e);

/* ---- programs at the hooks of an interface: nl_tc.c ---- */
int nl_filter_set(struct nl_ns *ns, int ifindex, bool egress, int prog_fd, const char *name, struct err *e);
uint32_t nl_filter_get(struct nl_ns *ns, int ifindex, bool egress); /* id of the program; 0: none */
