/* str.h: a growing string, and small text helpers. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <string.h>

/* Always NUL-terminated once something was added; s == NULL when empty. */
struct strbuf {
	char *s;
	size_t n, cap;
};
void strbuf_init(struct strbuf *b);
void strbuf_done(struct strbuf *b);
void strbuf_reserve(struct strbuf *b, size_t n); /* n bytes will come */
void strbuf_add(struct strbuf *b, const void *p, size_t n);
static inline void strbuf_adds(struct strbuf *b, const char *s)
{
	strbuf_add(b, s, strlen(s));
}
void strbuf_add_u64(struct strbuf *b, uint64_t v); /* decimal */
void strbuf_addf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* s (UTF-8) as a JSON string with its quotes. */
void strbuf_add_json(struct strbuf *b, const char *s);
/* Hands the string over (never NULL) and empties the buffer. */
char *strbuf_take(struct strbuf *b);
#define _cleanup_strbuf_ __attribute__((cleanup(strbuf_done)))

/* A text with several holders, the last of which frees it. NULL is none, for all three. */
const char *shared_text(const char *s);
const char *shared_text_get(const char *shared);
void shared_text_put(const char *shared);

/* As much of s as has room, with a NUL behind it (size: at least 1); the length of s. */
size_t str_copy(char *to, size_t size, const char *s);
/* "aSEPb", to be freed. */
char *str_join(const char *a, char sep, const char *b);
/* Cuts the next blank-separated word out of *p (modified); NULL at the end. */
char *str_word(char **p);
/* Strips blanks at both ends in place; returns the new start. */
char *str_trim(char *s);
bool str_eq(const char *a, const char *b); /* both may be NULL */
/* For a search among names: hardly one of them begins with the same letter. Neither is NULL. */
static inline bool str_same(const char *a, const char *b)
{
	return *a == *b && strcmp(a, b) == 0;
}
/* Whole string as unsigned decimal in [min, max]: 0, or -EINVAL, -ERANGE. */
int str_to_u32(const char *s, uint32_t min, uint32_t max, uint32_t *ret);
enum { NAME_LEN_MAX = 32 };
/* [a-z0-9][a-z0-9-]{0,31} */
bool str_is_name(const char *s);
/* The closest of n candidates by edit distance if it is near enough to be a typo, else NULL. */
const char *str_nearest(const char *s, const char *const *candidates, size_t n);
/* Reads a whole file or fd to the end (at most max bytes; -EFBIG beyond). *ret_len may be NULL. */
int read_whole_fd(int fd, size_t max, char **ret, size_t *ret_len);
int read_whole_file(const char *path, size_t max, char **ret, size_t *ret_len);
/* Writes path atomically: temporary file beside it, fsync, rename, fsync of the folder. */
int write_whole_file(const char *path, const void *p, size_t n, unsigned mode);
/* The same without fsync: atomic for processes, may be lost when the machine crashes. */
int replace_whole_file(const char *path, const void *p, size_t n, unsigned mode);
/* As write_whole_file, of a file of the user's: a link stays a link, mode and owner stay. -EINVAL: no regular file. */
int rewrite_whole_file(const char *path, const void *p, size_t n);
