/* keymap.h: keys (names, addresses, numbers) to 64-bit values: a hash with open addressing. Pure.
 * Keys are borrowed: they live as long as the map. Nothing is ever removed. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define KEYMAP_NONE UINT64_MAX

struct keymap_slot {
	const void *key; /* NULL: empty */
	uint32_t len, hash;
	uint64_t value;
};
struct keymap {
	struct keymap_slot *slots;
	uint32_t n, cap; /* cap is a power of two, or 0 */
};

void keymap_done(struct keymap *m);              /* empties it; it can be used again */
void keymap_reserve(struct keymap *m, size_t n); /* n keys will come */
/* False when the key is there already; the old value then stays. */
bool keymap_put(struct keymap *m, const void *key, size_t len, uint64_t value);
uint64_t keymap_get(const struct keymap *m, const void *key, size_t len); /* KEYMAP_NONE: not there */
uint64_t keymap_hash(uint64_t seed, const void *p, size_t len);

static inline bool keymap_put_str(struct keymap *m, const char *key, uint64_t value)
{
	return keymap_put(m, key, strlen(key), value);
}
static inline uint64_t keymap_get_str(const struct keymap *m, const char *key)
{
	return keymap_get(m, key, strlen(key));
}
/* For maps of indexes into arrays: UINT32_MAX when there is none. */
static inline uint32_t keymap_index(const struct keymap *m, const char *key)
{
	return (uint32_t)keymap_get_str(m, key);
}
