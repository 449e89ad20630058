/* diff.h: what must be done so that actual becomes desired, in order, as printable data. Pure.
 * Order: namespaces, links (down), sysctls, policy tables beside the old ones, ports and filters,
 * addresses, neighbours, routes, rules, nft, switch of policies, links up, epoch, then deletions in
 * reverse with stale policy tables last. An ENI without its program is down. */
#pragma once
#include "plan/state.h"

enum op_kind { OP_ADD, OP_SET, OP_DEL };
struct op {
	enum op_kind kind;
	const struct row *row;          /* ADD, SET: of desired; DEL: of actual. NULL for a map operation */
	const struct row *old;          /* SET: what is there */
	const struct map_row *map_row;  /* map operations: into desired->maps (ADD, SET) or actual->maps (DEL) */
	uint8_t rank;                   /* ascending */
};
struct plan {
	const struct state *desired, *actual; /* borrowed; must outlive the plan */
	struct op *ops;
	size_t n, cap;
};
/* Both states sorted. desired NULL or empty: everything of the lab goes. */
int plan_diff(const struct state *desired, const struct state *actual, struct plan **ret);
void plan_free(struct plan **p);
#define _cleanup_plan_ __attribute__((cleanup(plan_free)))
char *op_format(const struct op *op, const struct plan *p, char *buf, size_t size);

/* What a person is told: one line an object of the model. */
enum change_op { CHANGE_CREATE, CHANGE_UPDATE, CHANGE_DELETE, CHANGE_REPAIR };
struct change {
	enum change_op op;
	const char *kind, *name;        /* "security-group", "web" */
	const char *why;                /* "inbound tcp 22 from pl:offices added (demo.ini:51)" */
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
const char *change_op_name(enum change_op op);  /* "create", "update", "delete", "repair" */
