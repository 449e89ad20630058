/* str.c: the growing string and small text helpers. Pure. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "util/mem.h"
#include "util/str.h"

#define NEAREST_LEN_MAX 64 /* longer words get no suggestion */

static unsigned distance(const char *a, size_t na, const char *b, size_t nb);
static bool is_blank(char c);
static unsigned min_uint(unsigned a, unsigned b);

void strbuf_init(struct strbuf *b)
{
	*b = (struct strbuf){ 0 };
}

void strbuf_done(struct strbuf *b)
{
	free(b->s);
	strbuf_init(b);
}

void strbuf_reserve(struct strbuf *b, size_t n)
{
	if (b->cap < b->n + n + 1)
		vec_reserve((void **)&b->s, &b->cap, b->n + n + 1, 1);
}

void strbuf_add(struct strbuf *b, const void *p, size_t n)
{
	strbuf_reserve(b, n);
	if (n)
		memcpy(b->s + b->n, p, n);
	b->n += n;
	b->s[b->n] = '\0';
}

void strbuf_add_u64(struct strbuf *b, uint64_t v)
{
	char text[20], *s = text + sizeof(text);

	do
		*--s = (char)('0' + v % 10);
	while (v /= 10);
	strbuf_add(b, s, (size_t)(text + sizeof(text) - s));
}

void strbuf_addf(struct strbuf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	strbuf_reserve(b, (size_t)n);
	vsnprintf(b->s + b->n, (size_t)n + 1, fmt, again);
	va_end(again);
	b->n += (size_t)n;
}

/* Is no byte of eight a control character, a quote or a backslash? */
static bool is_plain_json(uint64_t word)
{
	const uint64_t each = UINT64_C(0x0101010101010101);
	const uint64_t quote = word ^ each * '"', backslash = word ^ each * '\\';

	return !((((word - each * ' ') & ~word) | ((quote - each) & ~quote) | ((backslash - each) & ~backslash)) &
		 each << 7);
}

void strbuf_add_json(struct strbuf *b, const char *s)
{
	static const char hex[] = "0123456789abcdef";
	static const size_t longest = sizeof("\\u0000") - 1;
	const char *end = s + strlen(s);
	char *to;

	strbuf_reserve(b, (size_t)(end - s) * longest + 2);
	to = b->s + b->n;
	*to++ = '"';
	while (s < end) {
		unsigned char c;
		uint64_t word;

		if (end - s >= (ptrdiff_t)sizeof(word)) {
			memcpy(&word, s, sizeof(word));
			if (is_plain_json(word)) {
				to = mempcpy(to, &word, sizeof(word));
				s += sizeof(word);
				continue;
			}
		}
		c = (unsigned char)*s++;
		if (c < ' ') {
			to = mempcpy(to, "\\u00", 4);
			*to++ = hex[c >> 4];
			*to++ = hex[c & 15];
			continue;
		}
		if (c == '"' || c == '\\')
			*to++ = '\\';
		*to++ = (char)c;
	}
	*to++ = '"';
	*to = '\0';
	b->n = (size_t)(to - b->s);
}

char *strbuf_take(struct strbuf *b)
{
	char *s = b->s ? b->s : xstrdup("");

	strbuf_init(b);
	return s;
}

struct shared_text {
	unsigned refs;
	char s[];
};

static struct shared_text *holder_of(const char *shared)
{
	return (struct shared_text *)((uintptr_t)shared - offsetof(struct shared_text, s));
}

const char *shared_text(const char *s)
{
	const size_t n = s ? strlen(s) + 1 : 0;
	struct shared_text *t;

	if (!s)
		return NULL;
	t = xmalloc(sizeof(*t) + n);
	t->refs = 1;
	return memcpy(t->s, s, n);
}

const char *shared_text_get(const char *shared)
{
	if (shared)
		holder_of(shared)->refs++;
	return shared;
}

void shared_text_put(const char *shared)
{
	if (shared && !--holder_of(shared)->refs)
		free(holder_of(shared));
}

size_t str_copy(char *to, size_t size, const char *s)
{
	size_t n = strlen(s), room = n < size ? n : size - 1;

	*(char *)mempcpy(to, s, room) = '\0';
	return n;
}

char *str_join(const char *a, char sep, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	char *s = xmalloc(n + m + 2), *end = mempcpy(s, a, n);

	*end++ = sep;
	memcpy(end, b, m + 1);
	return s;
}

char *str_word(char **p)
{
	char *s = *p, *end;

	while (is_blank(*s))
		s++;
	if (!*s) {
		*p = s;
		return NULL;
	}
	for (end = s; *end && !is_blank(*end); end++)
		;
	if (*end)
		*end++ = '\0';
	*p = end;
	return s;
}

char *str_trim(char *s)
{
	size_t n;

	while (is_blank(*s))
		s++;
	n = strlen(s);
	while (n && is_blank(s[n - 1]))
		n--;
	s[n] = '\0';
	return s;
}

bool str_eq(const char *a, const char *b)
{
	if (!a || !b)
		return a == b;
	return strcmp(a, b) == 0;
}

int str_to_u32(const char *s, uint32_t min, uint32_t max, uint32_t *ret)
{
	uint64_t v = 0;

	if (!*s)
		return -EINVAL;
	for (const char *p = s; *p; p++) {
		if (*p < '0' || *p > '9')
			return -EINVAL;
		/* Once too big it stays too big, but a letter behind it is still the worse mistake. */
		if (v <= UINT32_MAX)
			v = v * 10 + (uint64_t)(*p - '0');
	}
	if (v < min || v > max)
		return -ERANGE;
	*ret = (uint32_t)v;
	return 0;
}

bool str_is_name(const char *s)
{
	size_t n = 0;

	for (; s[n]; n++) {
		bool alnum = (s[n] >= 'a' && s[n] <= 'z') || (s[n] >= '0' && s[n] <= '9');

		if (n == NAME_LEN_MAX || !(alnum || (s[n] == '-' && n > 0)))
			return false;
	}
	return n > 0;
}

/* Near enough: one mistake, or one in each three letters of the longer word, and something left in common. */
const char *str_nearest(const char *s, const char *const *candidates, size_t n)
{
	const char *best = NULL;
	unsigned best_distance = 0;
	size_t ns = strlen(s);

	if (ns > NEAREST_LEN_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t nc = strlen(candidates[i]);
		size_t longer = nc > ns ? nc : ns;
		unsigned d;

		if (nc > NEAREST_LEN_MAX)
			continue;
		d = distance(s, ns, candidates[i], nc);
		if (d > (longer < 6 ? 1 : longer / 3) || d >= longer)
			continue;
		if (!best || d < best_distance) {
			best = candidates[i];
			best_distance = d;
		}
	}
	return best;
}

/* Levenshtein, with two neighbours swapped counted as one mistake. */
static unsigned distance(const char *a, size_t na, const char *b, size_t nb)
{
	unsigned rows[3][NEAREST_LEN_MAX + 1];
	unsigned *before = rows[0], *prev = rows[1], *cur = rows[2];

	for (size_t j = 0; j <= nb; j++)
		prev[j] = (unsigned)j;
	for (size_t i = 1; i <= na; i++) {
		unsigned *spare = before;

		cur[0] = (unsigned)i;
		for (size_t j = 1; j <= nb; j++) {
			unsigned d = prev[j - 1] + (a[i - 1] != b[j - 1]);

			d = min_uint(d, min_uint(prev[j], cur[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d = min_uint(d, before[j - 2] + 1);
			cur[j] = d;
		}
		before = prev;
		prev = cur;
		cur = spare;
	}
	return prev[nb];
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static unsigned min_uint(unsigned a, unsigned b)
{
	return a < b ? a : b;
}
