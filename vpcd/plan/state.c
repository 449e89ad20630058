/* state.c: the rows of one lab, wanted or observed: making, naming, sorting. Pure: no syscalls.
 *
 * Names of namespaces and owners are kept once a state, so that rows of one namespace share a
 * pointer: comparing rows within a state then seldom looks at the text. */
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "plan/state.h"
#include "util/mem.h"

#define NAMES_FIRST_CAP 64u

struct name {
	uint32_t rank; /* among the names in order, while sorting */
	char text[];
};
struct state_names {        /* open addressing; cap is a power of two, at most half full */
	const char **slots; /* each is the text of a struct name */
	uint32_t n, cap;
	const char *last[2]; /* rows come in runs of one namespace and one owner */
	unsigned older;
};
struct order {
	uint64_t major; /* kind, rank of the namespace */
	const struct row *row;
};

static void names_grow(struct state_names *names);
static const char **names_slot(const struct state_names *names, const char *name);
static struct name *name_of(const char *text);
static void names_rank(const struct state_names *names);
static int order_cmp(const void *a, const void *b);
static void rows_move(struct state *s, struct order *order);

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
	if ((*s)->lender)
		(*s)->rows = NULL;
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

	for (unsigned i = 0; i < ARRAY_SIZE(names->last); i++)
		if (names->last[i] && (names->last[i] == name || strcmp(names->last[i], name) == 0))
			return names->last[i];
	if (2 * (names->n + 1) > names->cap)
		names_grow(names);
	slot = names_slot(names, name);
	if (!*slot) {
		size_t size = strlen(name) + 1;
		struct name *fresh = arena_alloc(s->arena, sizeof(*fresh) + size);

		memcpy(fresh->text, name, size);
		*slot = fresh->text;
		names->n++;
	}
	names->last[names->older] = *slot;
	names->older = !names->older;
	return *slot;
}

/* By numbers where names would be compared; then each row is moved once, since rows are large. */
void state_sort(struct state *s)
{
	_cleanup_free_ struct order *order = NULL;

	if (s->sorted)
		return;
	names_rank(s->names);
	order = xcalloc(s->n, sizeof(*order));
	for (size_t i = 0; i < s->n; i++)
		order[i] =
			(struct order){ (uint64_t)s->rows[i].kind << 32 | name_of(s->rows[i].ns)->rank, &s->rows[i] };
	if (s->n)
		qsort(order, s->n, sizeof(*order), order_cmp);
	rows_move(s, order);
	map_rows_sort(&s->maps);
	s->sorted = true;
}

void state_borrow(struct state *s, struct state *lender)
{
	assert(!s->n && lender->sorted && !lender->lender);
	s->rows = lender->rows;
	s->n = s->cap = lender->n;
	s->sorted = true;
	s->lender = lender;
}

void state_keep(struct state *s)
{
	struct state *lender = s ? s->lender : NULL;
	struct arena *arena;
	struct state_names *names;

	if (!lender)
		return;
	assert(lender->rows == s->rows);
	arena = s->arena;
	names = s->names;
	s->arena = lender->arena;
	s->names = lender->names;
	s->cap = lender->cap;
	s->lender = NULL;
	lender->arena = arena;
	lender->names = names;
	lender->rows = NULL;
	lender->n = lender->cap = 0;
}

static struct name *name_of(const char *text)
{
	return (struct name *)(uintptr_t)(text - offsetof(struct name, text));
}

static int text_cmp(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void names_rank(const struct state_names *names)
{
	_cleanup_free_ const char **v = xcalloc(names->n, sizeof(*v));
	uint32_t n = 0;

	for (uint32_t i = 0; i < names->cap; i++)
		if (names->slots[i])
			v[n++] = names->slots[i];
	if (n)
		qsort(v, n, sizeof(*v), text_cmp);
	for (uint32_t i = 0; i < n; i++)
		name_of(v[i])->rank = i;
}

static int order_cmp(const void *a, const void *b)
{
	const struct order *x = a, *y = b;

	return x->major != y->major ? (x->major > y->major ? 1 : -1) : row_key_cmp(x->row, y->row);
}

/* In place, along the circles that the order is made of. */
static void rows_move(struct state *s, struct order *order)
{
	for (size_t i = 0; i < s->n; i++) {
		size_t at = i, from = (size_t)(order[i].row - s->rows);
		struct row first;

		if (from == i)
			continue;
		for (first = s->rows[i]; from != i; from = (size_t)(order[at].row - s->rows)) {
			s->rows[at] = s->rows[from];
			order[at].row = &s->rows[at];
			at = from;
		}
		s->rows[at] = first;
		order[at].row = &s->rows[at];
	}
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
	memcpy(bigger.last, names->last, sizeof(bigger.last));
	bigger.older = names->older;
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
