/* state.c: the rows of one lab, wanted or observed: making, naming, sorting. Pure: no syscalls.
 *
 * Names of namespaces and owners are kept once a state, so that rows of one namespace share a
 * pointer: comparing rows within a state then seldom looks at the text. */
#include <stdlib.h>
#include <string.h>
#include "plan/state.h"
#include "util/mem.h"

#define NAMES_FIRST_CAP 64u

struct state_names { /* open addressing; cap is a power of two, at most half full */
	const char **slots;
	uint32_t n, cap;
	const char *last; /* rows come in runs of one namespace */
};

static void names_grow(struct state_names *names);
static const char **names_slot(const struct state_names *names, const char *name);
static int row_cmp(const void *a, const void *b);

struct state *state_new(void)
{
	struct state *s = xcalloc(1, sizeof(*s));

	s->arena = arena_new();
	s->names = xcalloc(1, sizeof(*s->names));
	map_rows_init(&s->maps);
	return s;
}

void state_free(struct state **s)
{
	if (!s || !*s)
		return;
	map_rows_done(&(*s)->maps);
	arena_free(&(*s)->arena);
	free((*s)->names->slots);
	free((*s)->names);
	free((*s)->rows);
	free(*s);
	*s = NULL;
}

struct row *state_add(struct state *s, enum row_kind kind, const char *ns, enum obj_kind owner_kind, const char *owner)
{
	struct row *r = VEC_PUSH(s->rows, s->n, s->cap);

	r->kind = kind;
	r->ns = state_name(s, ns);
	r->owner_kind = owner_kind;
	r->owner = owner ? state_name(s, owner) : NULL;
	s->sorted = false;
	return r;
}

const char *state_name(struct state *s, const char *name)
{
	struct state_names *names = s->names;
	const char **slot;

	if (names->last && (names->last == name || strcmp(names->last, name) == 0))
		return names->last;
	if (2 * (names->n + 1) > names->cap)
		names_grow(names);
	slot = names_slot(names, name);
	if (!*slot) {
		*slot = arena_strdup(s->arena, name);
		names->n++;
	}
	names->last = *slot;
	return *slot;
}

/* Sorts pointers, then moves each row once: rows are large. */
void state_sort(struct state *s)
{
	_cleanup_free_ const struct row **order = NULL;
	struct row *rows;

	if (s->sorted)
		return;
	order = xcalloc(s->n, sizeof(*order));
	for (size_t i = 0; i < s->n; i++)
		order[i] = &s->rows[i];
	qsort(order, s->n, sizeof(*order), row_cmp);
	rows = xcalloc(s->n, sizeof(*rows));
	for (size_t i = 0; i < s->n; i++)
		rows[i] = *order[i];
	free(s->rows);
	s->rows = rows;
	s->cap = s->n;
	map_rows_sort(&s->maps);
	s->sorted = true;
}

static int row_cmp(const void *a, const void *b)
{
	return row_key_cmp(*(const struct row *const *)a, *(const struct row *const *)b);
}

static void names_grow(struct state_names *names)
{
	struct state_names bigger = { .cap = names->cap ? 2 * names->cap : NAMES_FIRST_CAP };

	bigger.slots = xcalloc(bigger.cap, sizeof(*bigger.slots));
	bigger.n = names->n;
	for (uint32_t i = 0; i < names->cap; i++)
		if (names->slots[i])
			*names_slot(&bigger, names->slots[i]) = names->slots[i];
	free(names->slots);
	bigger.last = names->last;
	*names = bigger;
}

/* Where the name stands, or where it would. FNV-1a. */
static const char **names_slot(const struct state_names *names, const char *name)
{
	uint32_t hash = 2166136261u;

	for (const char *c = name; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 16777619u;
	for (uint32_t i = hash & (names->cap - 1);; i = (i + 1) & (names->cap - 1))
		if (!names->slots[i] || strcmp(names->slots[i], name) == 0)
			return &names->slots[i];
}
