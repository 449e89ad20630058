/* rows.h: contents of BPF maps as data: rows of (map, key bytes, value bytes), sorted. Pure.
 * The compilers fill one; the plan compares two; the kernel room writes one; host maps hold one. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "abi.h"

struct map_row {
	uint8_t map; /* enum abi_map */
	uint8_t key_size;
	uint16_t value_size;
	uint32_t at;   /* offset of key, then value, in rows.bytes */
	uint64_t word; /* the key's first eight bytes as memcmp orders them: most rows differ in them already */
};
struct map_rows {
	struct map_row *v;
	size_t n, cap;
	uint8_t *bytes;
	size_t n_bytes, cap_bytes;
	bool sorted;
};

extern const struct abi_map_shape {
	const char *name;
	uint8_t key_size;
	uint16_t value_size;
} abi_map_shapes[ABI_MAP_SYNC_MAX];

void map_rows_init(struct map_rows *r);
void map_rows_done(struct map_rows *r);
void map_rows_reserve(struct map_rows *r, size_t n, size_t n_bytes); /* so many more will come */
/* Appends one row; sizes come from abi_map_shapes. */
void map_rows_add(struct map_rows *r, enum abi_map map, const void *key, const void *value);
/* By map, then key (memcmp). A row that stands twice is kept once: rulesets of equal content share
 * their rows. Asserts that no key stands with two values. */
void map_rows_sort(struct map_rows *r);
/* Of sorted rows; NULL when there is none. */
const struct map_row *map_rows_find(const struct map_rows *r, enum abi_map map, const void *key);
/* By map, then key. */
int map_row_cmp(const struct map_rows *r, const struct map_row *a, const struct map_rows *of_b,
		const struct map_row *b);
static inline const void *map_row_key(const struct map_rows *r, const struct map_row *row)
{
	return r->bytes + row->at;
}
static inline const void *map_row_value(const struct map_rows *r, const struct map_row *row)
{
	return r->bytes + row->at + row->key_size;
}
