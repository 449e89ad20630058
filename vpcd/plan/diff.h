/* diff.h: what must be done so that actual becomes desired, in order, as printable data. Pure.
 * Order: enum plan_rank. An ENI without its program is down: a new link is made down, gets its
 * program, and OP_UP brings both ends up; addresses and routes need that, so they follow.
 * What the kernel takes along with a namespace or a link has no operation of its own. */
#pragma once
#include "plan/state.h"

enum plan_rank {
	RANK_CLEAR_LINK, /* DEL of what stands in the way of a new link or namespace */
	RANK_CLEAR_NS,
	RANK_NS,
	RANK_SYSCTL, /* of the namespace: links inherit them */
	RANK_LINK,
	RANK_SYSCTL_DEVICE, /* net/ipv4/conf/eth0/... */
	RANK_TABLES,        /* rows of rules beside those in use */
	RANK_SWITCH,        /* the other maps, in the order of diff_maps.c; then the epoch is bumped */
	RANK_FILTER,
	RANK_UP,
	RANK_ADDR,
	RANK_NEIGH,
	RANK_ROUTE,
	RANK_RULE,
	RANK_NFT,
	RANK_UPLINK,
	RANK_SYSCTL_LATE, /* ip_forward, and what exists only with connection tracking */
	RANK_DOWN,        /* takes the link's routes and neighbours along */
	RANK_DEL_UPLINK,  /* from here on only deletions */
	RANK_DEL_NFT,
	RANK_DEL_LINK,
	RANK_DEL_NS,
	RANK_DEL_RULE,
	RANK_DEL_ROUTE,
	RANK_DEL_NEIGH,
	RANK_DEL_ADDR,
	RANK_DEL_FILTER,
	RANK_DEL_SWITCH, /* inet, routes, addrs, ports; policies; then the epoch is bumped */
	RANK_DEL_TABLES, /* peers and members of policies that went; rules */
	RANK_MAX
};

enum op_kind { OP_ADD, OP_SET, OP_DEL, OP_UP /* both ends of a link */, OP_DOWN /* the row's own end */ };
struct op {
	enum op_kind kind;
	const struct row *row;         /* ADD, SET, UP, DOWN: of desired; DEL: of actual. NULL for a map operation */
	const struct row *old;         /* SET: what is there */
	const struct map_row *map_row; /* map operations: a row of maps */
	const struct map_rows *maps;   /* desired->maps (ADD, SET), actual->maps (DEL) or plan->bridge (ADD, SET) */
	uint16_t order;                /* within the rank, ascending */
	uint8_t rank;                  /* enum plan_rank, ascending */
};
struct plan {
	const struct state *desired, *actual; /* borrowed; must outlive the plan */
	struct map_rows bridge;               /* what stands in peers for a moment only */
	struct op *ops;
	size_t n, cap;
};
/* Both states sorted. desired NULL or without rows: everything of the lab goes, and the maps with their
 * pins, so they have no operations then. actual may be NULL: nothing is there. */
int plan_diff(const struct state *desired, const struct state *actual, struct plan **ret);
void plan_free(struct plan **p);
#define _cleanup_plan_ __attribute__((cleanup(plan_free)))
char *op_format(const struct op *op, char *buf, size_t size);

/* What a person is told: one line an object of the model. */
enum change_op { CHANGE_CREATE, CHANGE_UPDATE, CHANGE_DELETE, CHANGE_REPAIR };
struct change {
	enum change_op op;
	const char *kind, *name; /* "security-group", "web" */
	const char *why;         /* "inbound tcp 22 from pl:offices added (demo.ini:51)" */
};
struct change_list {
	struct arena *arena;
	struct change *v;
	size_t n, cap;
};
/* was (may be NULL) -> now (NULL: all goes): changes of the model; then kernel operations of plan that no
 * model change explains, as repairs of their owners. plan may be NULL. */
void changes_of(const struct model *was, const struct model *now, const struct plan *plan, struct change_list *ret);
void change_list_done(struct change_list *l);
const char *change_op_name(enum change_op op); /* "create", "update", "delete", "repair" */
