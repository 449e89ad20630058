/* watch.h: what a namespace held when it was last read, and an ear on it: a socket that the kernel tells of each
 * change of links, addresses, routes, rules, neighbours and filters. As long as nothing was told, what was read holds,
 * and looking at a thousand namespaces costs a system call each, for the inode. Kernel room, private to it.
 *
 * An ear keeps its namespace alive, so whoever removes one drops its watch first; of one that somebody else
 * removed or replaced the next look at its name knows by the inode. Settings, nf_tables and BPF maps are told by
 * nobody: those are read each time. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "kern/lab.h"
#include "kern/nl.h"

struct watched_filter {
	uint32_t ifindex;
	enum tc_hook hook;
	uint32_t prog_id; /* 0: none */
	bool quick;       /* by tcx: the kernel tells nobody when that is taken away */
};
struct ns_watch {
	struct ns_watch *next; /* of its bucket */
	char *name;
	uint64_t inode;
	int events;            /* -1: none could be had; good for once */
	bool stale;            /* something was told, or the word that it was lost */
	bool owned;            /* by the lab's user namespace */
	bool neighs;           /* they were read */
	struct nl_link *links; /* by ascending ifindex */
	size_t n_links, cap_links;
	struct nl_addr_info *addrs;
	size_t n_addrs, cap_addrs;
	struct nl_route_info *routes;
	size_t n_routes, cap_routes;
	struct nl_neigh_info *neigh;
	size_t n_neigh, cap_neigh;
	struct rule_row *rules;
	size_t n_rules, cap_rules;
	struct watched_filter *filters; /* those that were asked for */
	size_t n_filters, cap_filters;
};

/* Asks all ears at once: what was told until now. Before the first watch_get of a look at the lab. */
void watch_listen(struct kern *k);
/* Under that name, if it is the same namespace and nothing was heard of it since; NULL. */
struct ns_watch *watch_get(struct kern *k, const char *name, uint64_t inode, bool neighs);
/* Reads it now. */
int watch_read(struct kern *k, const char *name, int fd, bool owned, bool neighs, struct ns_watch **ret, struct err *e);
/* The program at a hook (its id; 0: none): as it was found, or asked for now where nobody would tell of a change. Not of
 * an owned one. */
int watch_filter(struct kern *k, struct ns_watch *w, enum tc_hook hook, uint32_t ifindex, uint32_t *ret, struct err *e);
void watch_drop(struct kern *k, const char *name);
void watch_drop_all(struct kern *k);
