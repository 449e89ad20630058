/* changes_ctx.h: what the files of changes.c share. For the plan room only. */
#pragma once
#include "plan/diff.h"
#include "util/str.h"

/* What a person reads about one object: parts joined by "; ". More than NOTES_MAX are counted, not told. */
enum { NOTES_MAX = 8 };
struct notes {
	struct strbuf text;
	uint32_t n;
};
void note(struct notes *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The joined text into the arena, "" for none; empties n. */
const char *notes_take(struct notes *n, struct arena *arena);

/* One kind of object: where a model has it and how it is told. */
struct kind_view {
	enum obj_kind kind;
	size_t array, count, size; /* offsets in struct model; size of an element, whose first member is obj */
	/* False: no object of its own (the only interface of an instance). NULL: always one. */
	bool (*is_shown)(const struct model *m, const void *object);
	/* A new one in a few words. */
	void (*describe)(struct notes *n, const struct model *m, const void *object);
	/* What is different; says nothing when nothing is. */
	void (*compare)(struct notes *n, const struct model *was, const void *a, const struct model *now,
			const void *b);
};
extern const struct kind_view kind_views[];
extern const size_t n_kind_views;

static inline const void *kind_view_get(const struct kind_view *v, const struct model *m, uint32_t i)
{
	return *(const char *const *)((const char *)m + v->array) + i * v->size;
}
static inline uint32_t kind_view_count(const struct kind_view *v, const struct model *m)
{
	return *(const uint32_t *)((const char *)m + v->count);
}

/* changes_rules.c: lines of rules and routes added and removed. */
void compare_rules(struct notes *n, const struct rule_list *was, const struct rule_list *now, enum rule_dir dir);
void compare_routes(struct notes *n, const struct model *was, const struct route_table *a, const struct model *now,
		    const struct route_table *b);
void compare_prefixes(struct notes *n, const char *word, const struct prefix *a, uint32_t n_a, const struct prefix *b,
		      uint32_t n_b);

/* changes_repair.c: operations that no change of the model explains, one line an owner. */
void changes_repair(const struct model *was, const struct model *now, const struct plan *plan, struct change_list *ret);
struct change *change_add(struct change_list *l, enum change_op op, const char *kind, const char *name);
