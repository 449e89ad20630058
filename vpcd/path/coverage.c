/* coverage.c: marks the rules that walks meet. A rule counts as met when it decided at its gate,
 * whatever came of the packet behind it. Pure. */
#include <stdio.h>
#include <string.h>
#include "path/coverage.h"
#include "model/route_text.h"
#include "util/mem.h"

struct lines {
	const struct coverage *c;
	struct coverage_line *v;
	size_t n, cap;
};

static void mark(bool **v, uint32_t *n, uint32_t number);
static void rules_add(struct lines *l, enum obj_kind kind, const char *owner, const struct rule_list dir[2]);
static void routes_add(struct lines *l, const struct route_table *t);
static int line_cmp(const void *x, const void *y);

void coverage_init(struct coverage *c, const struct model *m)
{
	*c = (struct coverage){ .m = m };
}

void coverage_done(struct coverage *c)
{
	free(c->rules);
	free(c->routes);
	*c = (struct coverage){ 0 };
}

void coverage_add(struct coverage *c, const struct walk *w)
{
	for (size_t i = 0; i < w->n; i++) {
		if (!w->steps[i].rule)
			continue;
		if (w->steps[i].gate == ABI_GATE_ROUTE)
			mark(&c->routes, &c->n_routes, w->steps[i].rule);
		else
			mark(&c->rules, &c->n_rules, w->steps[i].rule);
	}
}

size_t coverage_lines(const struct coverage *c, struct coverage_line **ret)
{
	const struct model *m = c->m;
	struct lines l = { .c = c };

	for (uint32_t i = 0; i < m->n_security_groups; i++)
		rules_add(&l, KIND_SECURITY_GROUP, m->security_groups[i].obj.name, m->security_groups[i].dir);
	for (uint32_t i = 0; i < m->n_nacls; i++)
		rules_add(&l, KIND_NACL, m->nacls[i].obj.name, m->nacls[i].dir);
	for (uint32_t i = 0; i < m->n_route_tables; i++)
		routes_add(&l, &m->route_tables[i]);
	if (l.n)
		qsort(l.v, l.n, sizeof(*l.v), line_cmp);
	*ret = l.v;
	return l.n;
}

static void mark(bool **v, uint32_t *n, uint32_t number)
{
	if (number >= *n) {
		*v = xrealloc(*v, number + 1);
		memset(*v + *n, 0, number + 1 - *n);
		*n = number + 1;
	}
	(*v)[number] = true;
}

static void rules_add(struct lines *l, enum obj_kind kind, const char *owner, const struct rule_list dir[2])
{
	for (int d = 0; d < 2; d++) {
		for (uint32_t i = 0; i < dir[d].n; i++) {
			const struct model_rule *r = &dir[d].v[i];
			struct coverage_line *line;

			if (!r->loc.line)
				continue;
			line = VEC_PUSH(l->v, l->n, l->cap);
			*line = (struct coverage_line){
				.owner_kind = kind, .owner = owner, .dir = (enum rule_dir)d, .loc = r->loc
			};
			rule_format(&r->rule, line->text, sizeof(line->text));
			line->met = r->number < l->c->n_rules && l->c->rules[r->number];
		}
	}
}

/* A prefix list's route is one line, whichever of its entries was met. */
static void routes_add(struct lines *l, const struct route_table *t)
{
	for (uint32_t i = 0; i < t->n_routes; i++) {
		const struct route *r = &t->routes[i];
		bool met = r->number < l->c->n_routes && l->c->routes[r->number];
		struct coverage_line *line = NULL;

		if (!r->loc.line || r->origin == ORIGIN_IMPLICIT)
			continue;
		for (size_t k = 0; k < l->n && r->prefix_list != NONE; k++)
			if (l->v[k].owner_kind == KIND_ROUTE_TABLE && l->v[k].loc.line == r->loc.line)
				line = &l->v[k];
		if (line) {
			line->met = line->met || met;
			continue;
		}
		line = VEC_PUSH(l->v, l->n, l->cap);
		*line = (struct coverage_line){
			.owner_kind = KIND_ROUTE_TABLE, .owner = t->obj.name, .loc = r->loc, .met = met
		};
		route_text(l->c->m, r, line->text, sizeof(line->text));
	}
}

static int line_cmp(const void *x, const void *y)
{
	const struct coverage_line *a = x, *b = y;

	if (a->loc.line != b->loc.line)
		return a->loc.line < b->loc.line ? -1 : 1;
	return strcmp(a->text, b->text);
}
