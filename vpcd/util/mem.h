/* mem.h: allocation that aborts with a message when memory is out, scoped cleanup, and the arena.
 * Nothing in this project threads -ENOMEM. */
#pragma once
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void *xmemdup(const void *p, size_t size);

static inline void cleanup_freep(void *p)
{
	free(*(void **)p);
}
static inline void cleanup_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define _cleanup_free_ __attribute__((cleanup(cleanup_freep)))
#define _cleanup_close_ __attribute__((cleanup(cleanup_closep)))
#define TAKE_PTR(p) \
	({ \
		__typeof__(p) taken_ = (p); \
		(p) = NULL; \
		taken_; \
	})
#define TAKE_FD(fd) \
	({ \
		int taken_ = (fd); \
		(fd) = -1; \
		taken_; \
	})
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Grows array *vp (elements of size) so that it holds at least want, which is more than *cap; doubles. */
void vec_grow(void **vp, size_t *cap, size_t want, size_t size);
static inline void vec_reserve(void **vp, size_t *cap, size_t want, size_t size)
{
	if (want > *cap)
		vec_grow(vp, cap, want, size);
}
/* Appends one zeroed element to {v, n, cap} and yields a pointer to it. */
#define VEC_PUSH(v, n, cap) \
	(vec_reserve((void **)&(v), &(cap), (size_t)(n) + 1, sizeof(*(v))), \
	 __builtin_memset(&(v)[(n)], 0, sizeof(*(v))), &(v)[(n)++])

/* Arena: many small allocations, one free. Zeroed, aligned to 16. */
struct arena;
struct arena *arena_new(void);
void arena_free(struct arena **a);
void *arena_alloc(struct arena *a, size_t size);
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void *arena_memdup(struct arena *a, const void *p, size_t size);
