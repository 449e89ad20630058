/* radix.c: byte by byte from the last one; a byte that is the same in all words costs nothing. Pure. */
#include <stdbool.h>
#include <string.h>
#include "util/mem.h"
#include "util/radix.h"

enum { FEW = 24 }; /* so many are sorted by insertion */

static void sort_few(struct radix_item *v, size_t n);
static void sort_by_byte(const struct radix_item *from, struct radix_item *to, size_t n, unsigned shift);

void radix_sort(struct radix_item *v, struct radix_item *spare, size_t n)
{
	struct radix_item *from = v, *to = spare;
	uint64_t varies = 0;
	bool sorted = true;

	if (n <= FEW) {
		sort_few(v, n);
		return;
	}
	for (size_t i = 1; i < n; i++) {
		varies |= v[i].word ^ v[0].word;
		sorted &= v[i - 1].word <= v[i].word;
	}
	if (sorted)
		return;
	for (unsigned shift = 0; shift < 64; shift += 8) {
		struct radix_item *swap = from;

		if (!(varies >> shift & UINT8_MAX))
			continue;
		sort_by_byte(from, to, n, shift);
		from = to;
		to = swap;
	}
	if (from != v)
		memcpy(v, from, n * sizeof(*v));
}

static void sort_few(struct radix_item *v, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		const struct radix_item item = v[i];
		size_t k = i;

		for (; k > 0 && v[k - 1].word > item.word; k--)
			v[k] = v[k - 1];
		v[k] = item;
	}
}

static void sort_by_byte(const struct radix_item *from, struct radix_item *to, size_t n, unsigned shift)
{
	size_t start[UINT8_MAX + 1] = { 0 }, sum = 0;

	for (size_t i = 0; i < n; i++)
		start[from[i].word >> shift & UINT8_MAX]++;
	for (size_t i = 0; i < ARRAY_SIZE(start); i++) {
		size_t count = start[i];

		start[i] = sum;
		sum += count;
	}
	for (size_t i = 0; i < n; i++)
		to[start[from[i].word >> shift & UINT8_MAX]++] = from[i];
}
