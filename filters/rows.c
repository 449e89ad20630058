/* rows.c: contents of BPF maps as plain bytes, and their canonical order. Pure: no syscalls. */
#include "filters/rows.h"
#include <assert.h>
#include <string.h>
#include "util/mem.h"

const struct abi_map_shape abi_map_shapes[ABI_MAP_SYNC_MAX] = {
	[ABI_MAP_PORTS] = { "ports", sizeof(uint32_t), sizeof(struct abi_port) },
	[ABI_MAP_ADDRS] = { "addrs", sizeof(struct abi_addr_key), sizeof(struct abi_addr_val) },
	[ABI_MAP_ROUTES] = { "routes", sizeof(struct abi_lpm_key), sizeof(struct abi_route) },
	[ABI_MAP_INET] = { "inet", sizeof(struct abi_lpm_key), sizeof(struct abi_inet) },
	[ABI_MAP_POLICIES] = { "policies", sizeof(uint32_t), sizeof(struct abi_policy) },
	[ABI_MAP_PEERS] = { "peers", sizeof(struct abi_lpm_key), sizeof(struct abi_peer) },
	[ABI_MAP_MEMBERS] = { "members", sizeof(struct abi_member_key), sizeof(struct abi_member) },
	[ABI_MAP_RULES] = { "rules", sizeof(uint64_t), sizeof(struct abi_node) },
};

static void sort_by_byte(const struct map_rows *r, struct map_row **from, struct map_row **to, int byte);
static bool byte_varies(const struct map_rows *r, const struct map_row *v, int byte);
static unsigned sort_value(const struct map_rows *r, const struct map_row *row, int byte);

void map_rows_init(struct map_rows *r)
{
	*r = (struct map_rows){ .sorted = true };
}

void map_rows_done(struct map_rows *r)
{
	free(r->v);
	free(r->bytes);
	map_rows_init(r);
}

void map_rows_add(struct map_rows *r, enum abi_map map, const void *key, const void *value)
{
	const struct abi_map_shape *shape = &abi_map_shapes[map];
	size_t size = (size_t)shape->key_size + shape->value_size;
	struct map_row *row;

	assert(map < ABI_MAP_SYNC_MAX);
	assert(r->n_bytes + size <= UINT32_MAX);
	vec_reserve((void **)&r->v, &r->cap, r->n + 1, sizeof(*r->v));
	vec_reserve((void **)&r->bytes, &r->cap_bytes, r->n_bytes + size, 1);
	row = &r->v[r->n++];
	*row = (struct map_row){ (uint8_t)map, shape->key_size, shape->value_size, (uint32_t)r->n_bytes };
	memcpy(r->bytes + r->n_bytes, key, shape->key_size);
	memcpy(r->bytes + r->n_bytes + shape->key_size, value, shape->value_size);
	r->n_bytes += size;
	r->sorted = false;
}

/* Radix sort from the last byte to the first: each pass is stable, and a byte that is the same in
 * every row (most of them: padding, table names) costs one look and no move. */
void map_rows_sort(struct map_rows *r)
{
	_cleanup_free_ struct map_row *spare = NULL;
	struct map_row *from = r->v, *to;
	size_t kept = 0;

	if (r->sorted || r->n < 2) {
		r->sorted = true;
		return;
	}
	spare = xmalloc(r->n * sizeof(*spare));
	to = spare;
	for (int byte = UINT8_MAX; byte >= -1; byte--)
		if (byte_varies(r, from, byte))
			sort_by_byte(r, &from, &to, byte);
	if (from != r->v)
		memcpy(r->v, from, r->n * sizeof(*from));
	for (size_t i = 1; i < r->n; i++) {
		const struct map_row *a = &r->v[kept], *b = &r->v[i];

		if (a->map == b->map && memcmp(map_row_key(r, a), map_row_key(r, b), a->key_size) == 0) {
			assert(memcmp(map_row_value(r, a), map_row_value(r, b), a->value_size) == 0);
			continue;
		}
		r->v[++kept] = *b;
	}
	r->n = kept + 1;
	r->sorted = true;
}

const struct map_row *map_rows_find(const struct map_rows *r, enum abi_map map, const void *key)
{
	size_t lo = 0, hi = r->n;

	assert(r->sorted || !r->n);
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = (int)map - r->v[mid].map;

		if (!c)
			c = memcmp(key, map_row_key(r, &r->v[mid]), r->v[mid].key_size);
		if (!c)
			return &r->v[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

/* Key byte of a row for one pass; the map itself is "byte -1". Keys of one map are of one size, so
 * what stands behind the end of a shorter key never decides. */
static unsigned sort_value(const struct map_rows *r, const struct map_row *row, int byte)
{
	if (byte < 0)
		return row->map;
	return byte < row->key_size ? r->bytes[row->at + (uint32_t)byte] : 0;
}

static bool byte_varies(const struct map_rows *r, const struct map_row *v, int byte)
{
	static const uint8_t key_size_max = sizeof(struct abi_lpm_key);
	unsigned first;

	_Static_assert(sizeof(struct abi_lpm_key) >= sizeof(struct abi_addr_key), "the longest key");
	if (byte >= key_size_max)
		return false;
	first = sort_value(r, &v[0], byte);
	for (size_t i = 1; i < r->n; i++)
		if (sort_value(r, &v[i], byte) != first)
			return true;
	return false;
}

static void sort_by_byte(const struct map_rows *r, struct map_row **from, struct map_row **to, int byte)
{
	size_t start[256] = { 0 }, sum = 0;
	struct map_row *swap = *from;

	for (size_t i = 0; i < r->n; i++)
		start[sort_value(r, &(*from)[i], byte)]++;
	for (size_t i = 0; i < ARRAY_SIZE(start); i++) {
		size_t n = start[i];

		start[i] = sum;
		sum += n;
	}
	for (size_t i = 0; i < r->n; i++)
		(*to)[start[sort_value(r, &(*from)[i], byte)]++] = (*from)[i];
	*from = *to;
	*to = swap;
}
