/* hostmap.c: the kernel's map kinds on the host: hash, LRU hash, array, longest-prefix trie.
 * Pure: no syscalls. Semantics are the kernel's (kernel/bpf/hashtab.c, lpm_trie.c) as far as one
 * thread can see them; the LRU is exact where the kernel's is approximate.
 *
 * Every entry of a hash or trie is one allocation that never moves, so a value pointer lives as
 * long as its entry; all entries hang in one list, newest first, which is the order of walking and
 * the order of the LRU. */
#include "filters/hostmap.h"
#include <assert.h>
#include <errno.h>
#include <string.h>
#include "util/mem.h"

#define BUCKETS_MIN 64
#define LPM_DEPTH_MAX 2048 /* bits; the kernel's limit on a trie's key data */

struct entry {
	struct entry *newer, *older; /* the list of all; unused by trie nodes that only branch */
	struct entry *link[2];       /* hash: [0] next in the bucket; trie: children by the next bit */
	uint32_t hash;
	uint32_t prefix_len;         /* trie */
	bool branch;                 /* trie: holds no entry, only joins two */
	_Alignas(8) uint8_t bytes[]; /* value (padded to 8), then key */
};

struct host_map {
	enum host_map_kind kind;
	size_t key_size, value_size, value_room, max_entries, count;
	struct entry *newest, *oldest;
	struct entry **buckets;
	size_t n_buckets; /* a power of two */
	struct entry *root;
	uint8_t *array;
};

static struct entry *entry_new(const struct host_map *m, const void *key, const void *value);
static uint8_t *entry_key(const struct host_map *m, const struct entry *e);
static void list_add(struct host_map *m, struct entry *e);
static void list_del(struct host_map *m, struct entry *e);
static uint32_t hash_bytes(const uint8_t *p, size_t n);
static struct entry **hash_find(const struct host_map *m, const void *key);
static void hash_grow(struct host_map *m);
static int hash_insert(struct host_map *m, const void *key, const void *value);
static void hash_delete(struct host_map *m, struct entry **at);
static struct entry *lpm_lookup(const struct host_map *m, const void *key);
static struct entry **lpm_find(struct host_map *m, const void *key, uint32_t *ret_common);
static int lpm_update(struct host_map *m, const void *key, const void *value);
static int lpm_delete(struct host_map *m, const void *key);
static void lpm_free(struct entry *e);
static uint32_t key_prefix_len(const void *key);
static uint32_t lpm_bits(const struct host_map *m);
static unsigned bit_at(const uint8_t *data, uint32_t i);
static uint32_t common_bits(const uint8_t *a, const uint8_t *b, uint32_t max);

struct host_map *host_map_new(enum host_map_kind kind, size_t key_size, size_t value_size, size_t max_entries)
{
	struct host_map *m = xcalloc(1, sizeof(*m));

	assert(kind != HOST_ARRAY || key_size == sizeof(uint32_t));
	assert(kind != HOST_LPM || (key_size > sizeof(uint32_t) && (key_size - sizeof(uint32_t)) * 8 <= LPM_DEPTH_MAX));
	m->kind = kind;
	m->key_size = key_size;
	m->value_size = value_size;
	m->value_room = (value_size + 7) & ~(size_t)7;
	m->max_entries = max_entries;
	if (kind == HOST_ARRAY) {
		m->array = xcalloc(max_entries ? max_entries : 1, m->value_room);
		m->count = max_entries;
	} else if (kind != HOST_LPM) {
		m->n_buckets = BUCKETS_MIN;
		m->buckets = xcalloc(m->n_buckets, sizeof(*m->buckets));
	}
	return m;
}

void host_map_free(struct host_map **mp)
{
	struct host_map *m = *mp;

	if (!m)
		return;
	if (m->kind == HOST_LPM)
		lpm_free(m->root);
	else
		for (struct entry *e = m->newest, *next; e; e = next) {
			next = e->older;
			free(e);
		}
	free(m->buckets);
	free(m->array);
	free(m);
	*mp = NULL;
}

void *host_map_lookup(const struct host_map *m, const void *key)
{
	struct entry *e;
	uint32_t i;

	switch (m->kind) {
	case HOST_ARRAY: memcpy(&i, key, sizeof(i)); return i < m->max_entries ? m->array + i * m->value_room : NULL;
	case HOST_LPM: e = lpm_lookup(m, key); return e ? e->bytes : NULL;
	case HOST_HASH:
	case HOST_LRU: break;
	}
	e = *hash_find(m, key);
	if (!e)
		return NULL;
	if (m->kind == HOST_LRU && m->newest != e) {
		/* Being used is not a change of what the map holds. */
		struct host_map *w = (struct host_map *)m;

		list_del(w, e);
		list_add(w, e);
	}
	return e->bytes;
}

int host_map_update(struct host_map *m, const void *key, const void *value)
{
	void *old;

	if (m->kind == HOST_LPM)
		return lpm_update(m, key, value);
	old = host_map_lookup(m, key);
	if (old) {
		memcpy(old, value, m->value_size);
		return 0;
	}
	return m->kind == HOST_ARRAY ? -ENOENT : hash_insert(m, key, value);
}

int host_map_delete(struct host_map *m, const void *key)
{
	struct entry **at;

	if (m->kind == HOST_LPM)
		return lpm_delete(m, key);
	if (m->kind == HOST_ARRAY)
		return -EINVAL; /* as the kernel: an array's elements are always there */
	at = hash_find(m, key);
	if (!*at)
		return -ENOENT;
	hash_delete(m, at);
	return 0;
}

int host_map_each(struct host_map *m, int (*fn)(void *ctx, const void *key, void *value), void *ctx)
{
	int r = 0;

	if (m->kind == HOST_ARRAY) {
		for (uint32_t i = 0; i < m->max_entries && r == 0; i++)
			r = fn(ctx, &i, m->array + i * m->value_room);
		return r;
	}
	for (struct entry *e = m->newest, *next; e && r == 0; e = next) {
		next = e->older;
		r = fn(ctx, entry_key(m, e), e->bytes);
	}
	return r;
}

size_t host_map_count(const struct host_map *m)
{
	return m->count;
}

/* ---- entries ---- */

static struct entry *entry_new(const struct host_map *m, const void *key, const void *value)
{
	struct entry *e = xcalloc(1, sizeof(*e) + m->value_room + m->key_size);

	memcpy(e->bytes, value, m->value_size);
	memcpy(entry_key(m, e), key, m->key_size);
	return e;
}

static uint8_t *entry_key(const struct host_map *m, const struct entry *e)
{
	return (uint8_t *)e->bytes + m->value_room;
}

static void list_add(struct host_map *m, struct entry *e)
{
	e->newer = NULL;
	e->older = m->newest;
	if (m->newest)
		m->newest->newer = e;
	else
		m->oldest = e;
	m->newest = e;
}

static void list_del(struct host_map *m, struct entry *e)
{
	if (e->newer)
		e->newer->older = e->older;
	else
		m->newest = e->older;
	if (e->older)
		e->older->newer = e->newer;
	else
		m->oldest = e->newer;
}

/* ---- hash ---- */

static uint32_t hash_bytes(const uint8_t *p, size_t n)
{
	uint64_t h = UINT64_C(0x9e3779b97f4a7c15) ^ n;

	while (n) {
		uint64_t w = 0;
		size_t k = n < sizeof(w) ? n : sizeof(w);

		memcpy(&w, p, k);
		h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 32;
		p += k;
		n -= k;
	}
	return (uint32_t)(h ^ h >> 29);
}

/* The pointer that leads to the entry, or the NULL at the end of its bucket. */
static struct entry **hash_find(const struct host_map *m, const void *key)
{
	uint32_t hash = hash_bytes(key, m->key_size);
	struct entry **at = &m->buckets[hash & (m->n_buckets - 1)];

	while (*at && ((*at)->hash != hash || memcmp(entry_key(m, *at), key, m->key_size) != 0))
		at = &(*at)->link[0];
	return at;
}

static void hash_grow(struct host_map *m)
{
	size_t n = m->n_buckets * 2;
	struct entry **buckets = xcalloc(n, sizeof(*buckets));

	for (struct entry *e = m->newest; e; e = e->older) {
		e->link[0] = buckets[e->hash & (n - 1)];
		buckets[e->hash & (n - 1)] = e;
	}
	free(m->buckets);
	m->buckets = buckets;
	m->n_buckets = n;
}

static int hash_insert(struct host_map *m, const void *key, const void *value)
{
	struct entry *e;

	if (m->count >= m->max_entries) {
		if (m->kind == HOST_HASH || !m->oldest)
			return -E2BIG;
		hash_delete(m, hash_find(m, entry_key(m, m->oldest)));
	}
	if (m->count >= m->n_buckets)
		hash_grow(m);
	e = entry_new(m, key, value);
	e->hash = hash_bytes(key, m->key_size);
	e->link[0] = m->buckets[e->hash & (m->n_buckets - 1)];
	m->buckets[e->hash & (m->n_buckets - 1)] = e;
	list_add(m, e);
	m->count++;
	return 0;
}

static void hash_delete(struct host_map *m, struct entry **at)
{
	struct entry *e = *at;

	*at = e->link[0];
	list_del(m, e);
	free(e);
	m->count--;
}

/* ---- trie: path compressed, as the kernel's ---- */

static uint32_t key_prefix_len(const void *key)
{
	uint32_t n;

	memcpy(&n, key, sizeof(n));
	return n;
}

static uint32_t lpm_bits(const struct host_map *m)
{
	return (uint32_t)(m->key_size - sizeof(uint32_t)) * 8;
}

static unsigned bit_at(const uint8_t *data, uint32_t i)
{
	return data[i / 8] >> (7 - i % 8) & 1u;
}

static uint32_t common_bits(const uint8_t *a, const uint8_t *b, uint32_t max)
{
	uint32_t i = 0;

	for (uint64_t x, y; i + 64 <= max; i += 64) {
		memcpy(&x, a + i / 8, sizeof(x));
		memcpy(&y, b + i / 8, sizeof(y));
		if (x != y)
			break;
	}
	while (i + 8 <= max && a[i / 8] == b[i / 8])
		i += 8;
	while (i < max && bit_at(a, i) == bit_at(b, i))
		i++;
	return i;
}

/* A key shorter than an entry's prefix does not match it, even where its bits agree: as in the kernel. */
static struct entry *lpm_lookup(const struct host_map *m, const void *key)
{
	const uint8_t *data = (const uint8_t *)key + sizeof(uint32_t);
	uint32_t len = key_prefix_len(key);
	struct entry *found = NULL;

	if (len > lpm_bits(m))
		return NULL;
	for (struct entry *e = m->root; e; e = e->link[bit_at(data, e->prefix_len)]) {
		const uint8_t *node = entry_key(m, e) + sizeof(uint32_t);

		if (e->prefix_len > len || common_bits(node, data, e->prefix_len) < e->prefix_len)
			break;
		if (!e->branch)
			found = e;
		if (e->prefix_len == len)
			break;
	}
	return found;
}

/* Where the key's own node is or would be hung in; *ret_common = bits it shares with what is there. */
static struct entry **lpm_find(struct host_map *m, const void *key, uint32_t *ret_common)
{
	const uint8_t *data = (const uint8_t *)key + sizeof(uint32_t);
	uint32_t len = key_prefix_len(key), common = 0;
	struct entry **at = &m->root;

	while (*at) {
		struct entry *e = *at;
		uint32_t max = e->prefix_len < len ? e->prefix_len : len;

		common = common_bits(entry_key(m, e) + sizeof(uint32_t), data, max);
		if (common < e->prefix_len || e->prefix_len == len)
			break;
		at = &e->link[bit_at(data, e->prefix_len)];
	}
	*ret_common = common;
	return at;
}

static int lpm_update(struct host_map *m, const void *key, const void *value)
{
	const uint8_t *data = (const uint8_t *)key + sizeof(uint32_t);
	uint32_t len = key_prefix_len(key), common;
	struct entry **at, *e, *old, *branch;

	if (len > lpm_bits(m))
		return -EINVAL;
	at = lpm_find(m, key, &common);
	old = *at;
	if (old && old->prefix_len == len && common == len && !old->branch) {
		memcpy(old->bytes, value, m->value_size);
		return 0;
	}
	if (m->count >= m->max_entries)
		return -E2BIG;
	m->count++;
	if (old && old->prefix_len == len && common == len) {
		old->branch = false;
		memcpy(old->bytes, value, m->value_size);
		memcpy(entry_key(m, old), key, m->key_size);
		list_add(m, old);
		return 0;
	}
	e = entry_new(m, key, value);
	e->prefix_len = len;
	list_add(m, e);
	if (!old) {
		*at = e;
	} else if (common == len) { /* the new one is an ancestor */
		e->link[bit_at(entry_key(m, old) + sizeof(uint32_t), len)] = old;
		*at = e;
	} else {
		branch = entry_new(m, key, value);
		branch->branch = true;
		branch->prefix_len = common;
		branch->link[bit_at(data, common)] = e;
		branch->link[!bit_at(data, common)] = old;
		*at = branch;
	}
	return 0;
}

static int lpm_delete(struct host_map *m, const void *key)
{
	const uint8_t *data = (const uint8_t *)key + sizeof(uint32_t);
	uint32_t len = key_prefix_len(key);
	struct entry **at = &m->root, **parent = NULL, *e;

	if (len > lpm_bits(m))
		return -EINVAL;
	for (; *at; parent = at, at = &(*at)->link[bit_at(data, (*at)->prefix_len)]) {
		e = *at;
		if (e->prefix_len > len ||
		    common_bits(entry_key(m, e) + sizeof(uint32_t), data, e->prefix_len) < e->prefix_len)
			return -ENOENT;
		if (e->prefix_len == len)
			break;
	}
	e = *at;
	if (!e || e->branch)
		return -ENOENT;
	list_del(m, e);
	m->count--;
	if (e->link[0] && e->link[1]) {
		e->branch = true;
		return 0;
	}
	*at = e->link[0] ? e->link[0] : e->link[1];
	free(e);
	/* A branch with one child left is a detour. */
	if (!*at && parent && (*parent)->branch) {
		e = *parent;
		*parent = e->link[0] ? e->link[0] : e->link[1];
		free(e);
	}
	return 0;
}

static void lpm_free(struct entry *e)
{
	if (!e)
		return;
	lpm_free(e->link[0]);
	lpm_free(e->link[1]);
	free(e);
}
