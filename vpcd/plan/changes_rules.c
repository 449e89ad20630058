/* changes_rules.c: lists of rules, routes and prefixes compared as text: what a line says is what
 * makes it the same line; its place and its number do not count. Pure. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/route_text.h"
#include "plan/changes_ctx.h"
#include "util/mem.h"

struct line {
	char text[320];
	struct src_loc loc;
};
struct lines {
	struct line *v;
	size_t n, cap;
};

static void lines_compare(struct notes *n, struct lines *was, struct lines *now);
static void lines_sort(struct lines *l);
static int line_cmp(const void *a, const void *b);
static void line_note(struct notes *n, const struct line *l, const char *word);
static void add_rules(struct lines *l, const struct rule_list *list, uint32_t skip, enum rule_dir dir);
static void add_routes(struct lines *l, const struct model *m, const struct route_table *t);

/* The lists are mostly the same and long: what is equal at both ends is skipped first. */
void compare_rules(struct notes *n, const struct rule_list *was, const struct rule_list *now, enum rule_dir dir)
{
	struct rule_list a = *was, b = *now;
	struct lines la = { 0 }, lb = { 0 };
	uint32_t skip = 0;

	while (skip < a.n && skip < b.n && rule_eq(&a.v[skip].rule, &b.v[skip].rule))
		skip++;
	while (a.n > skip && b.n > skip && rule_eq(&a.v[a.n - 1].rule, &b.v[b.n - 1].rule)) {
		a.n--;
		b.n--;
	}
	add_rules(&la, &a, skip, dir);
	add_rules(&lb, &b, skip, dir);
	lines_compare(n, &la, &lb);
}

void compare_routes(struct notes *n, const struct model *was, const struct route_table *a, const struct model *now,
		    const struct route_table *b)
{
	struct lines la = { 0 }, lb = { 0 };

	add_routes(&la, was, a);
	add_routes(&lb, now, b);
	lines_compare(n, &la, &lb);
}

void compare_prefixes(struct notes *n, const char *word, const struct prefix *a, uint32_t n_a, const struct prefix *b,
		      uint32_t n_b)
{
	struct lines la = { 0 }, lb = { 0 };
	char text[PREFIX_STRLEN];

	for (uint32_t i = 0; i < n_a; i++)
		snprintf(VEC_PUSH(la.v, la.n, la.cap)->text, sizeof(la.v->text), "%s %s", word,
			 prefix_format(&a[i], text));
	for (uint32_t i = 0; i < n_b; i++)
		snprintf(VEC_PUSH(lb.v, lb.n, lb.cap)->text, sizeof(lb.v->text), "%s %s", word,
			 prefix_format(&b[i], text));
	lines_compare(n, &la, &lb);
}

/* Frees both. */
static void lines_compare(struct notes *n, struct lines *was, struct lines *now)
{
	size_t i = 0, k = 0;

	lines_sort(was);
	lines_sort(now);
	while (i < was->n || k < now->n) {
		int c = i == was->n ? 1 : k == now->n ? -1 : strcmp(was->v[i].text, now->v[k].text);

		if (c < 0)
			line_note(n, &was->v[i], "removed");
		else if (c > 0)
			line_note(n, &now->v[k], "added");
		i += c <= 0;
		k += c >= 0;
	}
	free(was->v);
	free(now->v);
}

static void lines_sort(struct lines *l)
{
	size_t kept = 0;

	if (!l->n)
		return;
	qsort(l->v, l->n, sizeof(*l->v), line_cmp);
	for (size_t i = 1; i < l->n; i++)
		if (strcmp(l->v[kept].text, l->v[i].text) != 0)
			l->v[++kept] = l->v[i];
	l->n = kept + 1;
}

/* By text; of equal ones the first place. */
static int line_cmp(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int c = strcmp(x->text, y->text);

	return c ? c : (x->loc.line > y->loc.line) - (x->loc.line < y->loc.line);
}

static void line_note(struct notes *n, const struct line *l, const char *word)
{
	if (l->loc.line && l->loc.file)
		note(n, "%s %s (%s:%u)", l->text, word, l->loc.file, l->loc.line);
	else
		note(n, "%s %s", l->text, word);
}

static void add_rules(struct lines *l, const struct rule_list *list, uint32_t skip, enum rule_dir dir)
{
	for (uint32_t i = skip; i < list->n; i++) {
		struct line *line = VEC_PUSH(l->v, l->n, l->cap);
		char text[300];

		snprintf(line->text, sizeof(line->text), "%s %s", dir == RULE_IN ? "inbound" : "outbound",
			 rule_format(&list->v[i].rule, text, sizeof(text)));
		line->loc = list->v[i].loc;
	}
}

/* One line a line of the file: a prefix list's entries count once. Local ones follow from the VPC. */
static void add_routes(struct lines *l, const struct model *m, const struct route_table *t)
{
	for (uint32_t i = 0; i < t->n_routes; i++) {
		const struct route *r = &t->routes[i];
		char dst[PREFIX_STRLEN], target[64];
		struct line *line;

		if (r->target == TARGET_LOCAL)
			continue;
		line = VEC_PUSH(l->v, l->n, l->cap);
		if (r->prefix_list != NONE)
			snprintf(dst, sizeof(dst), "pl:%s", m->prefix_lists[r->prefix_list].obj.name);
		else
			prefix_format(&r->dst, dst);
		snprintf(line->text, sizeof(line->text), "route %s via %s%s", dst,
			 route_target_text(r, target, sizeof(target)), r->blackhole ? " (blackhole)" : "");
		line->loc = r->loc;
	}
}
