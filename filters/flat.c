/* flat.c: intervals of the space of points. Pure: no syscalls. */
#include "filters/flat.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "abi.h"
#include "util/mem.h"

enum { BEYOND = ABI_POINT_MAX + 1 };
enum { FEW = 32 }; /* so many bounds are sorted by insertion, more byte by byte */

static void append(struct segs *s, uint32_t rank, uint32_t lo, uint32_t hi);
static size_t sorted_bounds(uint32_t *bounds, size_t n);
static void sort_by_bytes(uint32_t *v, size_t n);
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
		uint32_t x_lo = x ? x->lo : BEYOND, y_lo = y ? y->lo : BEYOND, hi;
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

/* Joins with the interval before where both say the same. */
static void append(struct segs *s, uint32_t rank, uint32_t lo, uint32_t hi)
{
	struct seg *last = s->n ? &s->v[s->n - 1] : NULL;

	if (last && last->rank == rank && last->hi + 1u == lo) {
		last->hi = hi;
		return;
	}
	if (s->n == s->cap)
		vec_reserve((void **)&s->v, &s->cap, s->n + 1, sizeof(*s->v));
	s->v[s->n++] = (struct seg){ rank, lo, hi };
}

/* Ascending without repeats; returns how many are left. */
static size_t sorted_bounds(uint32_t *bounds, size_t n)
{
	size_t kept = 0;

	if (n > FEW) {
		sort_by_bytes(bounds, n);
		for (size_t i = 0; i < n; i++)
			if (!kept || bounds[kept - 1] != bounds[i])
				bounds[kept++] = bounds[i];
		return kept;
	}
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

/* Radix sort; a byte that is the same everywhere moves nothing. */
static void sort_by_bytes(uint32_t *v, size_t n)
{
	_cleanup_free_ uint32_t *spare = xmalloc(n * sizeof(*spare));
	uint32_t *from = v, *to = spare;

	for (unsigned shift = 0; shift < 32; shift += 8) {
		size_t start[256] = { 0 }, sum = 0;
		uint32_t *swap = from;

		for (size_t i = 0; i < n; i++)
			start[from[i] >> shift & UINT8_MAX]++;
		if (start[from[0] >> shift & UINT8_MAX] == n)
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(start); i++) {
			size_t count = start[i];

			start[i] = sum;
			sum += count;
		}
		for (size_t i = 0; i < n; i++)
			to[start[from[i] >> shift & UINT8_MAX]++] = from[i];
		from = to;
		to = swap;
	}
	if (from != v)
		memcpy(v, from, n * sizeof(*v));
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
