/* tree.h: a class, written: intervals become nodes (abi.h) named by their content. Pure.
 *
 * Where a list of intervals is cut into nodes depends only on what lies near the cut. So two lists that differ
 * in one place differ in a few nodes, and share the others. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "filters/flat.h"
#include "filters/rows.h"

struct tree_part { /* a node as its parent sees it */
	uint32_t first;
	uint64_t name;
};
struct trees {
	struct map_rows *rows;           /* borrowed; nodes are appended */
	const struct abi_match *by_rank; /* borrowed; what an interval of a rank says */
	uint32_t *cost;                  /* borrowed; entries written, by rank */
	size_t n_entries;                /* of leaves written here; shared ones count once */
	size_t n_segs;                   /* intervals that were looked at for it */
	bool count_only;                 /* nodes are named and counted, not written */
	uint64_t *names;                 /* of those nodes; open addressing */
	size_t n_names, cap_names;
	struct tree_part *parts[2]; /* scratch: one level and the next */
	size_t cap_parts[2];
};

void trees_init(struct trees *t, struct map_rows *rows, const struct abi_match *by_rank, uint32_t *cost);
void trees_reserve(struct trees *t, size_t n_nodes); /* so many will be written */
void trees_done(struct trees *t);
/* Writes what is not written yet. Returns the class's name; 0 when s is empty. */
uint64_t tree_write(struct trees *t, const struct segs *s);
