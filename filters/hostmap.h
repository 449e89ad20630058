/* hostmap.h: the BPF maps on the host, with the kernel's semantics, so that the headers of this
 * room run in tests and tools on exactly the bytes that the kernel would hold. Pure.
 * A value pointer stays valid until its entry is deleted. Not thread safe. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "filters/rows.h"

enum host_map_kind { HOST_HASH, HOST_ARRAY, HOST_LPM, HOST_LRU };
struct host_map;

/* LPM keys begin with a __u32 prefix length and match bit by bit from the first byte after it. */
struct host_map *host_map_new(enum host_map_kind kind, size_t key_size, size_t value_size, size_t max_entries);
void host_map_free(struct host_map **m);
void *host_map_lookup(const struct host_map *m, const void *key);
/* 0, -E2BIG when full (HASH: entries stay; LRU: the least recently used goes), -ENOENT (ARRAY out of range). */
int host_map_update(struct host_map *m, const void *key, const void *value);
int host_map_delete(struct host_map *m, const void *key); /* -ENOENT */
/* Calls fn for every entry; fn returns non-zero to stop; it may delete the entry it was given. */
int host_map_each(struct host_map *m, int (*fn)(void *ctx, const void *key, void *value), void *ctx);
size_t host_map_count(const struct host_map *m);
