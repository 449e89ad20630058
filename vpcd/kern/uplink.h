/* uplink.h: the way from a lab's internet into the machine's network, and whether the machine would go along. Kernel room.
 *
 *   LAB.internet (uplink) ---- (eth0) LAB.internet.uplink (uplink) ---- (vpcdXXXXXXXX) the namespace of vpcd
 *
 * The first link is a port of the lab like a host's; the second one and all that stands on it is made here. Twice the
 * source is masqueraded: first it becomes the lab's end of the second link, so that the machine needs no route to
 * addresses of the lab; then the machine's own address. */
#pragma once
#include "plan/state.h"
#include "util/addr.h"
#include "util/err.h"

struct kern;

char *uplink_ns_name(const char *lab); /* to free() */
enum uplink_found { UPLINK_ABSENT, UPLINK_AS_WANTED, UPLINK_OTHER };
/* want NULL: nothing is wanted. What cannot be read counts as other. */
enum uplink_found uplink_observe(struct kern *k, const char *ns, const struct uplink_row *want);
/* Replaces what is there of this lab's. ns must be there. */
int uplink_write(struct kern *k, const char *ns, const struct uplink_row *row, struct err *e);
/* Takes from the machine's namespace what is this lab's, connections too; the lab's own end goes with its namespace. */
int uplink_delete(struct kern *k, struct err *e);

/* In the machine's namespace: would it forward? -EPERM, and what stands in the way and how to mend it. As far as it
 * can be read: the settings, and chains of nf_tables (iptables-nft's among them) and of iptables-legacy that drop what
 * no rule accepts. */
int uplink_check_machine(struct err *e);
/* *addr is the lab's end. Where somebody else on the machine has an address around it, another one is chosen. */
int uplink_choose_addr(const char *lab, struct addr *addr, struct err *e);

/* ---- the two rulesets: nft_uplink.c; each in the namespace the thread is in ---- */
enum uplink_side { UPLINK_LAB, UPLINK_MACHINE };
int nft_uplink_write(const char *lab, enum uplink_side side, const struct uplink_row *row, struct err *e);
int nft_uplink_delete(const char *lab, struct err *e); /* of the machine's side, if it is there and this lab's */
/* The name of each lab that the machine has a ruleset of. Negative errno. */
int nft_uplink_labs(void (*fn)(void *ctx, const char *lab), void *ctx);
/* 0 there is none, 1 as row says, 2 another one of this lab's (row may be NULL); negative errno. */
int nft_uplink_compare(const char *lab, enum uplink_side side, const struct uplink_row *row);
/* The first base chain of somebody else that drops what it forwards: "ip filter FORWARD" into buf, 1; 0 none. */
int nft_forward_drops(char *buf, size_t size);
/* Connections from and to the link's addresses are forgotten. */
int nft_uplink_forget(const struct addr *lab_end);
