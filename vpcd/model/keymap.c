/* keymap.c: the hash behind every lookup by name, address or number. Pure.
 * Linear probing, at most half full. */
#include "model/keymap.h"
#include "util/mem.h"

#define FIRST_CAP 16u

static uint32_t key_hash(const void *key, size_t len);
static struct keymap_slot *slot_of(const struct keymap *m, const void *key, size_t len, uint32_t hash);
static void resize(struct keymap *m, uint32_t cap);

void keymap_done(struct keymap *m)
{
	free(m->slots);
	*m = (struct keymap){ 0 };
}

bool keymap_put(struct keymap *m, const void *key, size_t len, uint64_t value)
{
	uint32_t hash = key_hash(key, len);
	struct keymap_slot *s;

	if (m->n >= m->cap / 2)
		resize(m, m->cap ? m->cap * 2 : FIRST_CAP);
	s = slot_of(m, key, len, hash);
	if (s->key)
		return false;
	*s = (struct keymap_slot){ .key = key, .len = (uint32_t)len, .hash = hash, .value = value };
	m->n++;
	return true;
}

uint64_t keymap_get(const struct keymap *m, const void *key, size_t len)
{
	const struct keymap_slot *s;

	if (!m->n)
		return KEYMAP_NONE;
	s = slot_of(m, key, len, key_hash(key, len));
	return s->key ? s->value : KEYMAP_NONE;
}

void keymap_reserve(struct keymap *m, size_t n)
{
	uint32_t cap = FIRST_CAP;

	while (cap / 2 < n)
		cap *= 2;
	if (n && cap > m->cap)
		resize(m, cap);
}

/* FNV-1a, finished by the mixer of splitmix64, so that the low bits are good. */
uint64_t keymap_hash(uint64_t seed, const void *p, size_t len)
{
	const uint8_t *b = p;
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ seed;

	for (size_t i = 0; i < len; i++)
		h = (h ^ b[i]) * UINT64_C(0x100000001b3);
	h = (h ^ (h >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	h = (h ^ (h >> 27)) * UINT64_C(0x94d049bb133111eb);
	return h ^ (h >> 31);
}

/* Eight bytes at a time, unlike the hash that ids are made of: maps are asked for each line of a lab. */
static uint32_t key_hash(const void *key, size_t len)
{
	const uint8_t *b = key;
	uint64_t h = len;

	for (; len > 0; b += sizeof(h), len -= len < sizeof(h) ? len : sizeof(h)) {
		uint64_t word = 0;

		if (len >= sizeof(word))
			memcpy(&word, b, sizeof(word));
		else
			for (size_t i = 0; i < len; i++)
				word = word << 8 | b[i];
		h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	/* Once more: of names that differ in their last digits, one product has most low bits alike. */
	h *= UINT64_C(0xbf58476d1ce4e5b9);
	return (uint32_t)(h ^ (h >> 32));
}

/* The key's slot, or the empty one where it would go. There is always an empty one. */
static struct keymap_slot *slot_of(const struct keymap *m, const void *key, size_t len, uint32_t hash)
{
	uint32_t i = hash & (m->cap - 1);

	for (;; i = (i + 1) & (m->cap - 1)) {
		struct keymap_slot *s = &m->slots[i];

		if (!s->key || (s->hash == hash && s->len == len && memcmp(s->key, key, len) == 0))
			return s;
	}
}

static void resize(struct keymap *m, uint32_t cap)
{
	struct keymap old = *m;

	m->cap = cap;
	m->slots = xcalloc(m->cap, sizeof(*m->slots));
	for (uint32_t i = 0; i < old.cap; i++)
		if (old.slots[i].key)
			*slot_of(m, old.slots[i].key, old.slots[i].len, old.slots[i].hash) = old.slots[i];
	free(old.slots);
}
