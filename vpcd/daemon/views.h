/* views.h: what GET shows, in the shapes of docs/json.md: the model, with what is measured now. */
#pragma once
#include <stdbool.h>
#include <jansson.h>
#include "conf/document.h"
#include "model/model.h"
#include "model/registry.h"

struct lab;
bool view_lab_is_there(const struct lab *l); /* false: its first PUT is still being looked at */
json_t *view_lab(const struct lab *l);
/* An array of one kind (all, or NAME), or NULL: no such kind. */
json_t *view_kind(struct lab *l, const char *kind, const char *name);
const char *view_not_found(const char *kind); /* AWS's code */

json_t *view_rules(struct lab *l);
json_t *view_route_tables(struct lab *l, const char *name);
json_t *view_security_groups(struct lab *l, const char *name);
json_t *view_nacls(struct lab *l, const char *name);
json_t *view_gates(struct lab *l); /* what was denied, and where */
json_t *view_ct(struct lab *l);
/* CloudWatch's metrics of a NAT gateway (semantics 4.2), by their names, in its order; null: cannot be read now. */
json_t *view_nat_metrics(struct lab *l, const struct nat_gateway *g);
json_t *view_status(struct lab *l);

/* What the kernel says of each ENI's router end now. */
struct eni_health {
	bool namespace_there, link_up, filters_ok, zone_out;
};
struct eni_health *enis_look(const struct lab *l); /* by ENI index; free() */
bool gateways_look(const struct lab *l);           /* are the filters of gateways, peerings and hosts all there? */

/* Pieces that all views share. */
void view_place(json_t *o, const struct obj *obj); /* origin, file, line */
const char *origin_name(enum origin o);
bool view_wants(const char *wanted, const char *name); /* NULL wants all */
/* What conf/ needs to build the same model elsewhere: {"document","registry"}. */
json_t *model_json(const struct document *d, struct registry *r);
