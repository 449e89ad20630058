/* table.c: collects cells, then prints them aligned. Knows nothing of what they mean, except that
 * words such as "running" and "deny" have a colour. */
#include <string.h>
#include "cli/table.h"
#include "util/mem.h"
#include "util/str.h"

enum { GAP = 2 };

static size_t width_of(const char *s);
static void pad(FILE *out, size_t n);
static void line_print(const struct table *t, char *const *cells, const size_t *width, bool head, FILE *out);

void table_init(struct table *t, const char *heads)
{
	_cleanup_free_ char *copy = xstrdup(heads);
	char *p = copy, *word;

	*t = (struct table){ 0 };
	while ((word = str_word(&p))) {
		t->heads = xrealloc(t->heads, (t->n_columns + 1) * sizeof(*t->heads));
		t->right = xrealloc(t->right, (t->n_columns + 1) * sizeof(*t->right));
		t->right[t->n_columns] = *word == '>';
		t->heads[t->n_columns++] = xstrdup(word + (*word == '>'));
	}
}

void table_done(struct table *t)
{
	for (size_t i = 0; i < t->n_columns; i++)
		free(t->heads[i]);
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i]);
	free(t->heads);
	free(t->right);
	free(t->cells);
	*t = (struct table){ 0 };
}

void table_add(struct table *t, const char *text)
{
	*VEC_PUSH(t->cells, t->n, t->cap) = xstrdup(text && *text ? text : "-");
}

void table_addf(struct table *t, const char *fmt, ...)
{
	char *s;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	table_add(t, s);
	free(s);
}

void table_add_json(struct table *t, const json_t *v)
{
	_cleanup_free_ char *s = json_cell(v);

	table_add(t, s);
}

size_t table_rows(const struct table *t)
{
	return t->n / t->n_columns;
}

void table_print(const struct table *t, FILE *out)
{
	_cleanup_free_ size_t *width = xcalloc(t->n_columns, sizeof(*width));

	for (size_t c = 0; c < t->n_columns; c++) {
		width[c] = width_of(t->heads[c]);
		for (size_t i = c; i < t->n; i += t->n_columns)
			if (width_of(t->cells[i]) > width[c])
				width[c] = width_of(t->cells[i]);
	}
	line_print(t, t->heads, width, true, out);
	for (size_t i = 0; i + t->n_columns <= t->n; i += t->n_columns)
		line_print(t, t->cells + i, width, false, out);
}

char *json_cell(const json_t *v)
{
	struct strbuf b = { 0 };
	size_t i;
	json_t *item;

	switch (v ? json_typeof(v) : JSON_NULL) {
	case JSON_STRING: strbuf_adds(&b, json_string_value(v)); break;
	case JSON_INTEGER: strbuf_addf(&b, "%" JSON_INTEGER_FORMAT, json_integer_value(v)); break;
	case JSON_REAL: strbuf_addf(&b, "%.3f", json_real_value(v)); break;
	case JSON_TRUE: strbuf_adds(&b, "yes"); break;
	case JSON_FALSE: strbuf_adds(&b, "no"); break;
	case JSON_ARRAY:
		json_array_foreach(v, i, item)
		{
			_cleanup_free_ char *one = json_cell(item);

			strbuf_addf(&b, "%s%s", i ? " " : "", one);
		}
		break;
	default: break;
	}
	return strbuf_take(&b);
}

/* Columns on a screen: characters, not bytes (all that is printed here is one column wide). */
static size_t width_of(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void pad(FILE *out, size_t n)
{
	while (n--)
		fputc(' ', out);
}

static void line_print(const struct table *t, char *const *cells, const size_t *width, bool head, FILE *out)
{
	for (size_t c = 0; c < t->n_columns; c++) {
		enum style s = head ? STYLE_HEAD : style_of_word(cells[c]);
		size_t fill = width[c] - width_of(cells[c]);

		if (c)
			pad(out, GAP);
		if (t->right[c])
			pad(out, fill);
		fprintf(out, "%s%s%s", style_on(out, s), cells[c], style_off(out, s));
		if (!t->right[c] && c + 1 < t->n_columns)
			pad(out, fill);
	}
	fputc('\n', out);
}
