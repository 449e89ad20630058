/* desired.h: from a model to the kernel state it means. Pure.
 * The rows follow design 5: one router namespace a VPC, a veth pair an ENI, AWS route tables as
 * Linux tables ABI_ROUTE_TABLE_BASE + number with throw for local, chosen by mark, ABI_LOCAL_TABLE_BASE + VPC
 * number for host routes, last rule a blackhole. The maps follow bpf/abi.h. */
#pragma once
#include "model/model.h"
#include "plan/state.h"
#include "util/diag.h"
#include "util/err.h"

/* -E2BIG when a rule set does not fit its tables, or the lab has more than the data path can number: names it. */
int state_desired(const struct model *m, struct state **ret, struct err *e);
/* The same where only objects of kinds that stand in policy maps alone are not as they were: the rest is borrowed
 * (state_borrow) from known, the state of the model before. */
int state_desired_policies(const struct model *m, struct state *known, struct state **ret, struct err *e);
bool kind_is_policy(enum obj_kind kind);
/* Only the maps: what the filter engine on the host needs (trace, test, replay). */
int maps_desired(const struct model *m, struct map_rows *ret, struct err *e);
/* Everything of the model that does not fit, located, into diags. */
void maps_desired_check(const struct model *m, struct diag_list *diags);

/* Names, used by everyone who looks for a namespace or interface. buf holds at least 128 bytes. */
char *ns_name_of(const struct model *m, const char *object, char *buf); /* LAB.NAME */
char *ns_name_router(const struct model *m, uint32_t vpc, char *buf);
char *ns_name_internet(const struct model *m, char *buf);
void port_mac(uint32_t port, uint8_t mac[6]);
