/* tree.c: intervals into nodes named by content. Pure: no syscalls.
 *
 * Each level is cut from its beginning: of the places ABI_NODE_FILL to ABI_NODE_WIDTH entries on, the one where
 * the hash of the interval's first point is lowest. After a difference the cuts of two lists soon meet again,
 * because the lowest of one window is mostly the lowest of the window beside it. */
#include "filters/tree.h"
#include <assert.h>
#include <string.h>
#include "util/mem.h"

enum { NAMES_MIN = 64 };

static uint64_t write_leaf(struct trees *t, const struct seg *v, size_t n);
static uint64_t write_inner(struct trees *t, const struct tree_part *v, size_t n);
static uint64_t write_node(struct trees *t, const struct abi_node *node);
static size_t cut(const uint32_t *first, size_t stride, size_t n, unsigned level);
static uint64_t node_name(const struct abi_node *node);
static bool name_is_new(struct trees *t, uint64_t name);
static void names_resize(struct trees *t, size_t cap);
static uint64_t mum(uint64_t a, uint64_t b);

void trees_init(struct trees *t, struct map_rows *rows, const struct abi_match *by_rank, uint32_t *cost)
{
	*t = (struct trees){ .rows = rows, .by_rank = by_rank, .cost = cost };
}

void trees_reserve(struct trees *t, size_t n_nodes)
{
	size_t cap = NAMES_MIN;

	while (cap < 2 * (n_nodes + 1))
		cap *= 2;
	if (cap > t->cap_names)
		names_resize(t, cap);
}

void trees_done(struct trees *t)
{
	free(t->names);
	free(t->parts[0]);
	free(t->parts[1]);
	*t = (struct trees){ 0 };
}

uint64_t tree_write(struct trees *t, const struct segs *s)
{
	struct tree_part *up, *v;
	unsigned level = 0;
	size_t n = 0;

	t->n_segs += s->n;
	if (s->n <= ABI_NODE_WIDTH)
		return s->n ? write_leaf(t, s->v, s->n) : 0;
	vec_reserve((void **)&t->parts[0], &t->cap_parts[0], s->n / ABI_NODE_FILL + 1, sizeof(*up));
	vec_reserve((void **)&t->parts[1], &t->cap_parts[1], s->n / ABI_NODE_FILL + 1, sizeof(*up));
	up = t->parts[0];
	for (size_t i = 0, k; i < s->n; i += k) {
		k = cut(&s->v[i].lo, sizeof(*s->v), s->n - i, level);
		up[n++] = (struct tree_part){ s->v[i].lo, write_leaf(t, &s->v[i], k) };
	}
	while (n > 1) {
		size_t n_down = n;

		v = t->parts[level % 2];
		up = t->parts[++level % 2];
		assert(level < ABI_NODE_LEVELS);
		n = 0;
		for (size_t i = 0, k; i < n_down; i += k) {
			k = cut(&v[i].first, sizeof(*v), n_down - i, level);
			up[n++] = (struct tree_part){ v[i].first, write_inner(t, &v[i], k) };
		}
	}
	return up[0].name;
}

static uint64_t write_leaf(struct trees *t, const struct seg *v, size_t n)
{
	struct abi_node node = { .leaf = 1, .n = (uint32_t)n };
	uint64_t name;
	size_t before = t->n_names;

	for (size_t i = 0; i < ABI_NODE_WIDTH; i++) {
		const struct seg *s = &v[i < n ? i : n - 1];

		node.first[i] = s->lo;
		node.last[i] = s->hi;
		node.match[i] = t->by_rank[s->rank];
	}
	name = write_node(t, &node);
	if (t->n_names == before)
		return name;
	t->n_entries += n;
	for (size_t i = 0; i < n; i++)
		t->cost[v[i].rank]++;
	return name;
}

static uint64_t write_inner(struct trees *t, const struct tree_part *v, size_t n)
{
	struct abi_node node = { .n = (uint32_t)n };

	for (size_t i = 0; i < ABI_NODE_WIDTH; i++) {
		node.first[i] = v[i < n ? i : n - 1].first;
		node.child[i] = v[i < n ? i : n - 1].name;
	}
	return write_node(t, &node);
}

static uint64_t write_node(struct trees *t, const struct abi_node *node)
{
	uint64_t name = node_name(node);

	if (name_is_new(t, name) && !t->count_only)
		map_rows_add(t->rows, ABI_MAP_RULES, &name, node);
	return name;
}

/* How many of n entries go into the next node. */
static size_t cut(const uint32_t *first, size_t stride, size_t n, unsigned level)
{
	uint64_t lowest = UINT64_MAX;
	size_t best = n;

	if (n <= ABI_NODE_WIDTH)
		return n;
	for (size_t i = ABI_NODE_FILL; i <= ABI_NODE_WIDTH; i++) {
		uint32_t point;
		uint64_t h;

		memcpy(&point, (const uint8_t *)first + i * stride, sizeof(point));
		h = mum(point ^ UINT64_C(0xa0761d6478bd642f), level ^ UINT64_C(0xe7037ed1a0b428db));
		if (h < lowest) {
			lowest = h;
			best = i;
		}
	}
	return best;
}

/* 63 bits of a hash that spreads well; a million nodes of a lab meet with a chance of 1 in 10 million. Entries beyond
 * the last one repeat it and are left out. */
static uint64_t node_name(const struct abi_node *node)
{
	uint64_t h = mum(UINT64_C(0x589965cc75374cc3) ^ ABI_VERSION, (uint64_t)node->leaf << 32 | node->n);

	for (uint32_t i = 0; i < node->n; i++) {
		uint64_t points = (uint64_t)node->first[i] << 32 | node->last[i], says[2] = { 0 };

		if (node->leaf)
			memcpy(says, &node->match[i], sizeof(says));
		else
			says[0] = node->child[i];
		h = mum(points ^ h, says[0] ^ UINT64_C(0x8ebc6af09c88c6e3)) ^ (h << 23 | h >> 41);
		h = mum(says[1] ^ h, UINT64_C(0xa0761d6478bd642f)) ^ (h << 23 | h >> 41);
	}
	h = mum(h ^ UINT64_C(0x1d8e4e27c47d124f), UINT64_C(0xeb44accab455d165)) & ~UINT64_C(1);
	return h ? h : 2;
}
_Static_assert(sizeof(struct abi_match) == 16, "what an entry says: two words");

static bool name_is_new(struct trees *t, uint64_t name)
{
	size_t at;

	if ((t->n_names + 1) * 2 > t->cap_names)
		names_resize(t, t->cap_names ? t->cap_names * 2 : NAMES_MIN);
	for (at = name >> 1 & (t->cap_names - 1); t->names[at]; at = (at + 1) & (t->cap_names - 1))
		if (t->names[at] == name)
			return false;
	t->names[at] = name;
	t->n_names++;
	return true;
}

static void names_resize(struct trees *t, size_t cap)
{
	uint64_t *old = t->names;
	size_t n = t->cap_names;

	t->cap_names = cap;
	t->names = xcalloc(t->cap_names, sizeof(*t->names));
	for (size_t i = 0; i < n; i++) {
		size_t at = old[i] >> 1 & (t->cap_names - 1);

		if (!old[i])
			continue;
		while (t->names[at])
			at = (at + 1) & (t->cap_names - 1);
		t->names[at] = old[i];
	}
	free(old);
}

static uint64_t mum(uint64_t a, uint64_t b)
{
	unsigned __int128 r = (unsigned __int128)a * b;

	return (uint64_t)(r >> 64) ^ (uint64_t)r;
}
