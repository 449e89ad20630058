/* coverage.h: which rules and routes of a model some walk met, and which none did. Pure. */
#pragma once
#include "path/walk.h"

struct coverage {
	const struct model *m;
	bool *rules, *routes; /* by number */
	uint32_t n_rules, n_routes;
};
/* One line of the file that some walk should decide. */
struct coverage_line {
	enum obj_kind owner_kind; /* KIND_SECURITY_GROUP, KIND_NACL, KIND_ROUTE_TABLE */
	const char *owner;
	enum rule_dir dir; /* not of routes */
	char text[160];
	struct src_loc loc;
	bool met;
};
void coverage_init(struct coverage *c, const struct model *m);
void coverage_done(struct coverage *c);
void coverage_add(struct coverage *c, const struct walk *w);
/* Every rule and route that stands in a file, by place; *ret to free(). How many. */
size_t coverage_lines(const struct coverage *c, struct coverage_line **ret);
