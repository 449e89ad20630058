/* mem.c: allocation that cannot fail, growing arrays, and the arena. Pure.
 *
 * The arena is a list of chunks, the newest first. An allocation that does not fit the newest
 * chunk gets a new one; what is bigger than a chunk gets a chunk of its own size behind the
 * newest, whose rest stays usable. */
#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "util/mem.h"

#define ARENA_CHUNK_BYTES ((size_t)64 * 1024)
#define ARENA_ALIGN ((size_t)16)
#define VEC_FIRST_CAP ((size_t)8)

struct chunk {
	struct chunk *next;
	size_t size, used;
	char data[] __attribute__((aligned(16)));
};

struct arena {
	struct chunk *head;
};

static void out_of_memory(size_t size) __attribute__((noreturn));
static struct chunk *chunk_new(size_t size);

void *xmalloc(size_t size)
{
	void *p = malloc(size ? size : 1);

	if (!p)
		out_of_memory(size);
	return p;
}

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		out_of_memory(size && n > SIZE_MAX / size ? SIZE_MAX : n * size);
	return p;
}

void *xrealloc(void *p, size_t size)
{
	void *q = realloc(p, size ? size : 1);

	if (!q)
		out_of_memory(size);
	return q;
}

char *xstrdup(const char *s)
{
	return xmemdup(s, strlen(s) + 1);
}

char *xasprintf(const char *fmt, ...)
{
	char *s;
	int n;
	va_list ap;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		out_of_memory(0);
	return s;
}

void *xmemdup(const void *p, size_t size)
{
	void *q = xmalloc(size);

	if (size)
		memcpy(q, p, size);
	return q;
}

void vec_grow(void **vp, size_t *cap, size_t want, size_t size)
{
	size_t new_cap = *cap ? *cap : VEC_FIRST_CAP;

	while (new_cap < want) {
		if (new_cap > SIZE_MAX / 2)
			out_of_memory(SIZE_MAX);
		new_cap *= 2;
	}
	if (new_cap > SIZE_MAX / size)
		out_of_memory(SIZE_MAX);
	*vp = xrealloc(*vp, new_cap * size);
	*cap = new_cap;
}

struct arena *arena_new(void)
{
	return xcalloc(1, sizeof(struct arena));
}

void arena_free(struct arena **a)
{
	if (!a || !*a)
		return;
	for (struct chunk *c = (*a)->head, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	free(*a);
	*a = NULL;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct chunk *c = a->head;
	void *p;

	if (size > SIZE_MAX - ARENA_ALIGN - sizeof(*c))
		out_of_memory(size);
	/* An empty object still has an address of its own. */
	size = ((size ? size : 1) + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
	if (!c || c->size - c->used < size) {
		c = chunk_new(size > ARENA_CHUNK_BYTES ? size : ARENA_CHUNK_BYTES);
		if (size > ARENA_CHUNK_BYTES && a->head) {
			c->next = a->head->next;
			a->head->next = c;
		} else {
			c->next = a->head;
			a->head = c;
		}
	}
	p = c->data + c->used;
	c->used += size;
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_memdup(a, s, strlen(s) + 1);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *s;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	s = arena_alloc(a, (size_t)n + 1);
	vsnprintf(s, (size_t)n + 1, fmt, again);
	va_end(again);
	return s;
}

void *arena_memdup(struct arena *a, const void *p, size_t size)
{
	void *q = arena_alloc(a, size);

	if (size)
		memcpy(q, p, size);
	return q;
}

/* Zeroed once here, so that arena_alloc() need not. */
static struct chunk *chunk_new(size_t size)
{
	struct chunk *c = xcalloc(1, sizeof(*c) + size);

	c->size = size;
	return c;
}

static void out_of_memory(size_t size)
{
	fprintf(stderr, "out of memory (%zu bytes wanted)\n", size);
	abort();
}
