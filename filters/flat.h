/* flat.h: the space of points (abi.h: protocol and port) as disjoint intervals, each with the rank of
 * the rule that decides there; how intervals are painted and joined. Pure. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define RANK_NONE UINT32_MAX /* loses against every rank */

struct seg {
	uint32_t rank;   /* lower wins */
	uint32_t lo, hi; /* inclusive, up to ABI_POINT_MAX */
};
/* Ascending, disjoint; neighbours differ in rank. What no interval covers, no rule matches. */
struct segs {
	struct seg *v;
	size_t n, cap;
};

void segs_done(struct segs *s);
/* ret = what n intervals in ascending order of rank paint; each place keeps its first colour. */
void segs_paint(struct segs *ret, const struct seg *v, size_t n);
/* ret = the lower rank of a and b at each place; ret is neither of them. */
void segs_min(struct segs *ret, const struct segs *a, const struct segs *b);
