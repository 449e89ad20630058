/* rows.c: contents of BPF maps as plain bytes, and their canonical order. Pure: no syscalls. */
#include "filters/rows.h"
#include <assert.h>
#include <endian.h>
#include <string.h>
#include "util/mem.h"
#include "util/radix.h"

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

static uint64_t key_word(const struct map_rows *r, const struct map_row *row, unsigned word);

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

void map_rows_reserve(struct map_rows *r, size_t n, size_t n_bytes)
{
	vec_reserve((void **)&r->v, &r->cap, r->n + n, sizeof(*r->v));
	vec_reserve((void **)&r->bytes, &r->cap_bytes, r->n_bytes + n_bytes, 1);
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
	*row = (struct map_row){ (uint8_t)map, shape->key_size, shape->value_size, (uint32_t)r->n_bytes, 0 };
	memcpy(r->bytes + r->n_bytes, key, shape->key_size);
	row->word = key_word(r, row, 0);
	memcpy(r->bytes + r->n_bytes + shape->key_size, value, shape->value_size);
	r->n_bytes += size;
	r->sorted = false;
}

/* Rows of one map. */
static void sort_by_key(const struct map_rows *r, struct radix_item *v, struct radix_item *spare, size_t n)
{
	unsigned words = (r->v[v[0].index].key_size + sizeof(v->word) - 1) / sizeof(v->word);

	while (words-- > 0) {
		for (size_t i = 0; i < n; i++) {
			const struct map_row *row = &r->v[v[i].index];

			v[i].word = words ? key_word(r, row, words) : row->word;
		}
		radix_sort(v, spare, n);
	}
}

void map_rows_sort(struct map_rows *r)
{
	_cleanup_free_ struct radix_item *order = NULL;
	_cleanup_free_ struct map_row *sorted = NULL;
	size_t kept = 0;

	if (r->sorted || r->n < 2) {
		r->sorted = true;
		return;
	}
	order = xmalloc(2 * r->n * sizeof(*order));
	for (size_t i = 0; i < r->n; i++)
		order[i] = (struct radix_item){ r->v[i].map, (uint32_t)i };
	radix_sort(order, order + r->n, r->n);
	for (size_t i = 0, end; i < r->n; i = end) {
		for (end = i + 1; end < r->n && order[end].word == order[i].word;)
			end++;
		sort_by_key(r, order + i, order + r->n, end - i);
	}
	sorted = xmalloc(r->n * sizeof(*sorted));
	for (size_t i = 0; i < r->n; i++)
		sorted[i] = r->v[order[i].index];
	memcpy(r->v, sorted, r->n * sizeof(*sorted));
	for (size_t i = 1; i < r->n; i++) {
		const struct map_row *a = &r->v[kept], *b = &r->v[i];

		if (map_row_cmp(r, a, r, b) == 0) {
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

int map_row_cmp(const struct map_rows *r, const struct map_row *a, const struct map_rows *of_b, const struct map_row *b)
{
	if (a->map != b->map)
		return a->map - b->map;
	if (a->word != b->word)
		return a->word < b->word ? -1 : 1;
	return a->key_size <= sizeof(a->word) ? 0 : memcmp(map_row_key(r, a), map_row_key(of_b, b), a->key_size);
}

/* Eight bytes of the key as memcmp orders them. Keys of one map are of one size, so what stands for the end of a
 * shorter one never decides. */
static uint64_t key_word(const struct map_rows *r, const struct map_row *row, unsigned word)
{
	size_t at = (size_t)word * sizeof(uint64_t);
	uint64_t bytes = 0;

	if (at >= row->key_size)
		return 0;
	if (row->key_size - at >= sizeof(bytes))
		memcpy(&bytes, r->bytes + row->at + at, sizeof(bytes));
	else
		memcpy(&bytes, r->bytes + row->at + at, row->key_size - at);
	return be64toh(bytes);
}
