/* flat.c: intervals of the port space. Pure: no syscalls. */
#include "filters/flat.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "util/mem.h"

enum { PORT_BITS = 16, PORT_COUNT = 65536, PORT_MAX = 65535 };
enum { FEW = 32 };        /* so many bounds are sorted by insertion, more by a bit map */
enum { COLOURS_MAX = 4 }; /* candidates remembered a node; fewer only costs a prefix more */

static void append(struct segs *s, uint32_t rank, uint32_t lo, uint32_t hi);
static size_t sorted_bounds(uint32_t *bounds, size_t n);
static size_t find_bound(const uint32_t *bounds, size_t n, uint32_t x);
static size_t skip_painted(uint32_t *next, size_t i);

void segs_done(struct segs *s)
{
	free(s->v);
	*s = (struct segs){ 0 };
}

/* Elementary intervals lie between neighbouring bounds. `next` leaps over painted ones, so every
 * interval is painted once and the whole costs little more than the sorting. */
void segs_paint(struct segs *ret, const struct seg *v, size_t n)
{
	uint32_t few[6 * FEW], *many = NULL, *bounds = few, *rank, *next;
	size_t n_bounds = 0;

	ret->n = 0;
	if (n == 1)
		append(ret, v[0].rank, v[0].lo, v[0].hi);
	if (n <= 1)
		return;
	if (2 * n > FEW)
		bounds = many = xmalloc(6 * n * sizeof(*many));
	for (size_t i = 0; i < n; i++) {
		bounds[n_bounds++] = v[i].lo;
		bounds[n_bounds++] = v[i].hi + 1u;
	}
	n_bounds = sorted_bounds(bounds, n_bounds);
	rank = bounds + n_bounds;
	next = rank + n_bounds;
	for (size_t i = 0; i < n_bounds; i++) {
		rank[i] = RANK_NONE;
		next[i] = (uint32_t)i;
	}
	for (size_t i = 0; i < n; i++) {
		size_t end = find_bound(bounds, n_bounds, v[i].hi + 1u);

		for (size_t k = skip_painted(next, find_bound(bounds, n_bounds, v[i].lo)); k < end;
		     k = skip_painted(next, k)) {
			rank[k] = v[i].rank;
			next[k] = (uint32_t)k + 1;
		}
	}
	for (size_t i = 0; i + 1 < n_bounds; i++)
		if (rank[i] != RANK_NONE)
			append(ret, rank[i], bounds[i], bounds[i + 1] - 1);
	free(many);
}

void segs_min(struct segs *ret, const struct segs *a, const struct segs *b)
{
	size_t i = 0, j = 0;
	uint32_t at = 0;

	ret->n = 0;
	while (i < a->n || j < b->n) {
		const struct seg *x = i < a->n ? &a->v[i] : NULL, *y = j < b->n ? &b->v[j] : NULL;
		uint32_t x_lo = x ? x->lo : PORT_COUNT, y_lo = y ? y->lo : PORT_COUNT, hi;
		bool in_x, in_y;

		/* From `at` on: which of the two are there, and up to where that stays so. */
		if (at < x_lo && at < y_lo)
			at = x_lo < y_lo ? x_lo : y_lo;
		in_x = x && x_lo <= at;
		in_y = y && y_lo <= at;
		hi = in_x ? x->hi : x_lo - 1;
		if (in_y ? y->hi < hi : y_lo - 1 < hi)
			hi = in_y ? y->hi : y_lo - 1;
		if (in_x && (!in_y || x->rank <= y->rank))
			append(ret, x->rank, at, hi);
		else
			append(ret, y->rank, at, hi);
		at = hi + 1;
		i += in_x && x->hi < at;
		j += in_y && y->hi < at;
	}
}

void segs_colour(struct segs *ret, const struct segs *a, const struct segs *cover)
{
	size_t j = 0;

	ret->n = 0;
	for (size_t i = 0; i < a->n; i++) {
		uint32_t at = a->v[i].lo, end = a->v[i].hi;

		while (at <= end) {
			uint32_t hi = end;
			bool covered;

			while (cover && j < cover->n && cover->v[j].hi < at)
				j++;
			covered = cover && j < cover->n && cover->v[j].lo <= at;
			if (covered && cover->v[j].hi < hi)
				hi = cover->v[j].hi;
			if (!covered && cover && j < cover->n && cover->v[j].lo <= hi)
				hi = cover->v[j].lo - 1u;
			append(ret, a->v[i].rank * 2 + covered, at, hi);
			at = hi + 1;
		}
	}
}

/* Joins with the interval before where both say the same. */
static void append(struct segs *s, uint32_t rank, uint32_t lo, uint32_t hi)
{
	struct seg *last = s->n ? &s->v[s->n - 1] : NULL;

	if (last && last->rank == rank && last->hi + 1u == lo) {
		last->hi = (uint16_t)hi;
		return;
	}
	if (s->n == s->cap)
		vec_reserve((void **)&s->v, &s->cap, s->n + 1, sizeof(*s->v));
	s->v[s->n++] = (struct seg){ rank, (uint16_t)lo, (uint16_t)hi };
}

/* Ascending without repeats; returns how many are left. */
static size_t sorted_bounds(uint32_t *bounds, size_t n)
{
	_cleanup_free_ uint64_t *map = NULL;
	size_t kept = 0;

	if (n <= FEW) {
		for (size_t i = 0; i < n; i++) {
			uint32_t x = bounds[i];
			size_t k = kept;

			while (k > 0 && bounds[k - 1] > x)
				k--;
			if (k > 0 && bounds[k - 1] == x)
				continue;
			memmove(&bounds[k + 1], &bounds[k], (kept - k) * sizeof(*bounds));
			bounds[k] = x;
			kept++;
		}
		return kept;
	}
	map = xcalloc(PORT_COUNT / 64 + 1, sizeof(*map));
	for (size_t i = 0; i < n; i++)
		map[bounds[i] / 64] |= UINT64_C(1) << bounds[i] % 64;
	for (uint32_t w = 0; w <= PORT_COUNT / 64; w++)
		for (uint64_t bits = map[w]; bits; bits &= bits - 1)
			bounds[kept++] = w * 64 + (uint32_t)__builtin_ctzll(bits);
	return kept;
}

static size_t find_bound(const uint32_t *bounds, size_t n, uint32_t x)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (bounds[mid] < x)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static size_t skip_painted(uint32_t *next, size_t i)
{
	while (next[i] != i) {
		next[i] = next[next[i]];
		i = next[i];
	}
	return i;
}

/* ---- prefixes ----
 *
 * The fewest prefixes whose longest match gives the intervals back (Draves et al., "Constructing
 * optimal IP routing tables", 1999): from the leaves up each node keeps the ranks that would serve
 * it best, from the root down it takes a row only when what it inherits is not among them. A part
 * of the space that no rule matches must not inherit, so a node that holds such a part has no row. */
struct node {
	int32_t child[2]; /* -1: uniform */
	uint32_t rank[COLOURS_MAX];
	uint8_t n_ranks; /* 0: nothing below may inherit a row from here */
	bool empty;      /* no rule matches anywhere below */
};
struct builder {
	const struct segs *segs;
	struct node *v;
	size_t n, cap;
	void (*fn)(void *ctx, uint32_t rank, uint16_t port, unsigned len);
	void *ctx;
};

static void split_range(const struct seg *s, struct builder *b);
static int32_t build(struct builder *b, size_t first, uint32_t port, unsigned len);
static void join(struct node *n, const struct node *l, const struct node *r);
static bool holds(const struct node *n, uint32_t rank);
static void emit(struct builder *b, int32_t at, uint32_t inherited, uint32_t port, unsigned len);

void segs_prefixes(const struct segs *s, void (*fn)(void *ctx, uint32_t rank, uint16_t port, unsigned len), void *ctx)
{
	struct builder b = { .segs = s, .fn = fn, .ctx = ctx };
	bool apart = true;

	for (size_t i = 1; i < s->n && apart; i++)
		apart = s->v[i].lo > s->v[i - 1].hi + 1;
	if (apart) { /* nothing can be shared between intervals that do not touch */
		for (size_t i = 0; i < s->n; i++)
			split_range(&s->v[i], &b);
		return;
	}
	emit(&b, build(&b, 0, 0, 0), RANK_NONE, 0, 0);
	free(b.v);
}

static void split_range(const struct seg *s, struct builder *b)
{
	uint32_t lo = s->lo, end = s->hi + 1u;

	while (lo < end) {
		unsigned bits = lo ? (unsigned)__builtin_ctz(lo) : PORT_BITS;

		while (lo + (1u << bits) > end)
			bits--;
		b->fn(b->ctx, s->rank, (uint16_t)lo, PORT_BITS - bits);
		lo += 1u << bits;
	}
}

/* first: the first interval that may reach into the node. */
static int32_t build(struct builder *b, size_t first, uint32_t port, unsigned len)
{
	uint32_t last = port + (1u << (PORT_BITS - len)) - 1;
	const struct segs *s = b->segs;
	struct node n = { .child = { -1, -1 } };
	int32_t at;

	while (first < s->n && s->v[first].hi < port)
		first++;
	if (first == s->n || s->v[first].lo > last) {
		n.empty = true;
	} else if (s->v[first].lo <= port && s->v[first].hi >= last) {
		n.rank[0] = s->v[first].rank;
		n.n_ranks = 1;
	} else {
		n.child[0] = build(b, first, port, len + 1);
		n.child[1] = build(b, first, port + (last - port + 1) / 2, len + 1);
		join(&n, &b->v[n.child[0]], &b->v[n.child[1]]);
	}
	vec_reserve((void **)&b->v, &b->cap, b->n + 1, sizeof(*b->v));
	at = (int32_t)b->n++;
	b->v[at] = n;
	return at;
}

static void join(struct node *n, const struct node *l, const struct node *r)
{
	if (!l->n_ranks || !r->n_ranks)
		return;
	for (unsigned i = 0; i < l->n_ranks; i++)
		if (holds(r, l->rank[i]))
			n->rank[n->n_ranks++] = l->rank[i];
	if (n->n_ranks)
		return;
	for (unsigned i = 0; i < COLOURS_MAX; i++) {
		if (i < l->n_ranks && n->n_ranks < COLOURS_MAX)
			n->rank[n->n_ranks++] = l->rank[i];
		if (i < r->n_ranks && n->n_ranks < COLOURS_MAX)
			n->rank[n->n_ranks++] = r->rank[i];
	}
}

static bool holds(const struct node *n, uint32_t rank)
{
	for (unsigned i = 0; i < n->n_ranks; i++)
		if (n->rank[i] == rank)
			return true;
	return false;
}

static void emit(struct builder *b, int32_t at, uint32_t inherited, uint32_t port, unsigned len)
{
	const struct node *n = &b->v[at];

	if (n->empty)
		return;
	if (n->n_ranks && !holds(n, inherited)) {
		inherited = n->rank[0];
		b->fn(b->ctx, inherited, (uint16_t)port, len);
	}
	if (n->child[0] < 0)
		return;
	emit(b, n->child[0], inherited, port, len + 1);
	emit(b, n->child[1], inherited, port + (1u << (PORT_BITS - len - 1)), len + 1);
}
