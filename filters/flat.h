/* flat.h: the port space 0..65535 as disjoint intervals, each with the rank of the rule that
 * decides there; how intervals are painted, joined and written as prefixes. Pure. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define RANK_NONE UINT32_MAX /* loses against every rank */

struct seg {
	uint32_t rank;   /* lower wins */
	uint16_t lo, hi; /* inclusive */
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
/* ret = a, its ranks doubled and plus one where cover has an interval (cover may be NULL). */
void segs_colour(struct segs *ret, const struct segs *a, const struct segs *cover);
/* The intervals of s as few prefixes: looked up by longest match they give back s exactly. */
void segs_prefixes(const struct segs *s, void (*fn)(void *ctx, uint32_t rank, uint16_t port, unsigned len), void *ctx);
