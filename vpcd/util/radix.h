/* radix.h: sorting by numbers without comparing. Pure. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct radix_item {
	uint64_t word;
	uint32_t index; /* the caller's */
};
/* Ascending by word; equal words keep their order. So a long key is sorted by one call for each of its words, the last
 * word first. spare: room for n more. */
void radix_sort(struct radix_item *v, struct radix_item *spare, size_t n);
