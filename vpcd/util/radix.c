/* radix.c: byte by byte from the last one; a byte that is the same in all words costs nothing. First by the upper half
 * of the words: where they are hashes, hardly two are left to be told apart by the lower one. Pure. */
#include <stdbool.h>
#include <string.h>
#include "util/mem.h"
#include "util/radix.h"

enum { FEW = 24 }; /* so many are sorted by insertion */

static void sort_half(struct radix_item *v, struct radix_item *spare, size_t n, unsigned shift);
static void sort_few(struct radix_item *v, size_t n, unsigned shift);
static void sort_by_byte(const struct radix_item *from, struct radix_item *to, size_t n, unsigned shift);

void radix_sort(struct radix_item *v, struct radix_item *spare, size_t n)
{
	sort_half(v, spare, n, 32);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && v[end].word >> 32 == v[i].word >> 32;)
			end++;
		if (end > i + 1)
			sort_half(v + i, spare, end - i, 0);
	}
}

/* By the 32 bits from shift on. */
static void sort_half(struct radix_item *v, struct radix_item *spare, size_t n, unsigned shift)
{
	struct radix_item *from = v, *to = spare;
	uint32_t varies = 0;
	bool sorted = true;

	for (size_t i = 1; i < n; i++) {
		varies |= (uint32_t)((v[i].word ^ v[0].word) >> shift);
		sorted &= (uint32_t)(v[i - 1].word >> shift) <= (uint32_t)(v[i].word >> shift);
	}
	if (sorted)
		return;
	if (n <= FEW) {
		sort_few(v, n, shift);
		return;
	}
	for (; varies; varies >>= 8, shift += 8) {
		struct radix_item *swap = from;

		if (!(varies & UINT8_MAX))
			continue;
		sort_by_byte(from, to, n, shift);
		from = to;
		to = swap;
	}
	if (from != v)
		memcpy(v, from, n * sizeof(*v));
}

static void sort_few(struct radix_item *v, size_t n, unsigned shift)
{
	for (size_t i = 1; i < n; i++) {
		const struct radix_item item = v[i];
		size_t k = i;

		for (; k > 0 && (uint32_t)(v[k - 1].word >> shift) > (uint32_t)(item.word >> shift); k--)
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
