/* top_table.c: gates, rules and flows as rows of text and numbers. */
#include "cli/top_table.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/table.h"
#include "util/mem.h"
#include "util/str.h"

const struct top_view top_views[TOP_VIEWS] = {
	[TOP_GATES] = { .name = "gates",
			.path = "gates",
			.list = "gates",
			.key = "eni gate reason",
			.columns = { { "ENI", "eni", false },
				     { "GATE", "gate", false },
				     { "OBJECT", "object", false },
				     { "REASON", "reason", false },
				     { "DENIED/S", "/s", true },
				     { "DENIED", "packets", true },
				     { "BYTES", "bytes", true } },
			.n_columns = 7,
			.sort = 4 },
	[TOP_RULES] = { .name = "rules",
			.path = "rules",
			.list = "rules",
			.key = "number",
			.columns = { { "OWNER", "owner", false },
				     { "DIRECTION", "direction", false },
				     { "ACTION", "action", false },
				     { "RULE", "text", false },
				     { "PACKETS/S", "/s", true },
				     { "PACKETS", "packets", true },
				     { "BYTES", "bytes", true },
				     { "WHERE", "@", false } },
			.n_columns = 8,
			.sort = 4 },
	[TOP_FLOWS] = { .name = "flows",
			.path = "ct",
			.list = "entries",
			.key = "eni proto src sport dst dport",
			.columns = { { "ENI", "eni", false },
				     { "DIRECTION", "direction", false },
				     { "PROTO", "proto", false },
				     { "SRC", "src", false },
				     { "SPORT", "sport", true },
				     { "DST", "dst", false },
				     { "DPORT", "dport", true },
				     { "STATE", "state", false },
				     { "IDLE-LEFT-S", "idle_left_s", true },
				     { "RULE", "rule", false } },
			.n_columns = 10,
			.sort = 8 },
};

static char *key_of(const struct top_view *view, const json_t *o)
{
	_cleanup_free_ char *copy = xstrdup(view->key);
	struct strbuf b = { 0 };
	char *p = copy, *word;

	while ((word = str_word(&p))) {
		_cleanup_free_ char *cell = json_cell(json_object_get(o, word));

		strbuf_addf(&b, "%s ", cell);
	}
	return strbuf_take(&b);
}

static int cmp_key(const void *x, const void *y, void *ctx)
{
	const struct top_table *t = ctx;

	return strcmp(t->rows[*(const uint32_t *)x].key, t->rows[*(const uint32_t *)y].key);
}

static const struct top_row *row_of(const struct top_table *t, const char *key)
{
	size_t lo = 0, hi = t ? t->n : 0;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		const struct top_row *r = &t->rows[t->by_key[mid]];
		int c = strcmp(key, r->key);

		if (c == 0)
			return r;
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

static void cell_take(struct top_row *r, unsigned c, const struct top_column *column, const json_t *o)
{
	const json_t *v = json_object_get(o, column->member);
	const char *file = json_string_value(json_object_get(o, "file"));

	r->value[c] = json_is_integer(v) ? (double)json_integer_value(v) : -1;
	if (strcmp(column->member, "@") != 0)
		r->cell[c] = json_cell(v);
	else
		r->cell[c] = file ? xasprintf("%s:%d", file, (int)json_integer_value(json_object_get(o, "line")))
				  : xstrdup("");
}

static void row_take(struct top_row *r, const struct top_view *view, const json_t *o, const struct top_row *was,
		     double seconds)
{
	const json_t *packets = json_object_get(o, "packets");

	r->key = key_of(view, o);
	r->packets = json_is_integer(packets) ? (double)json_integer_value(packets) : -1;
	for (unsigned c = 0; c < view->n_columns; c++) {
		bool rate = strcmp(view->columns[c].member, "/s") == 0;

		if (!rate) {
			cell_take(r, c, &view->columns[c], o);
			continue;
		}
		r->value[c] =
			was && seconds > 0 && r->packets >= was->packets ? (r->packets - was->packets) / seconds : -1;
		r->cell[c] = r->value[c] < 0 ? xstrdup("") : xasprintf("%.0f", r->value[c]);
	}
}

void top_table_take(struct top_table *t, const struct top_view *view, const json_t *answer, double now_s,
		    const struct top_table *before)
{
	const json_t *list = json_object_get(answer, view->list), *o;
	size_t i;

	*t = (struct top_table){ .view = view, .taken_s = now_s };
	if (before && before->view != view)
		before = NULL;
	t->rows = xcalloc(json_array_size(list) + 1, sizeof(*t->rows));
	json_array_foreach(list, i, o)
	{
		_cleanup_free_ char *key = key_of(view, o);

		row_take(&t->rows[t->n++], view, o, row_of(before, key), before ? now_s - before->taken_s : 0);
	}
	t->order = xcalloc(t->n + 1, sizeof(*t->order));
	t->by_key = xcalloc(t->n + 1, sizeof(*t->by_key));
	for (size_t k = 0; k < t->n; k++)
		t->order[k] = t->by_key[k] = (uint32_t)k;
	qsort_r(t->by_key, t->n, sizeof(*t->by_key), cmp_key, t);
}

void top_table_done(struct top_table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		for (unsigned c = 0; c < t->view->n_columns; c++)
			free(t->rows[i].cell[c]);
		free(t->rows[i].key);
	}
	free(t->rows);
	free(t->order);
	free(t->by_key);
	*t = (struct top_table){ 0 };
}

struct order {
	const struct top_table *t;
	unsigned column;
	bool reverse;
	const char *text;
};

static bool row_has(const struct order *o, const struct top_row *r)
{
	for (unsigned c = 0; o->text && c < o->t->view->n_columns; c++)
		if (strstr(r->cell[c], o->text))
			return true;
	return !o->text;
}

static int cmp_row(const void *x, const void *y, void *ctx)
{
	const struct order *o = ctx;
	const struct top_row *a = &o->t->rows[*(const uint32_t *)x], *b = &o->t->rows[*(const uint32_t *)y];
	bool a_has = row_has(o, a), b_has = row_has(o, b);
	int c = 0;

	if (a_has != b_has)
		return a_has ? -1 : 1;
	if (!o->t->view->columns[o->column].number)
		c = strcmp(a->cell[o->column], b->cell[o->column]);
	else if (a->value[o->column] != b->value[o->column])
		c = a->value[o->column] > b->value[o->column] ? -1 : 1;
	if (c == 0)
		return strverscmp(a->key, b->key); /* numbers by value: rules stand as in the file */
	return o->reverse ? -c : c;
}

size_t top_table_order(struct top_table *t, unsigned column, bool reverse, const char *text)
{
	struct order o = { t, column, reverse, text && *text ? text : NULL };
	size_t n = 0;

	qsort_r(t->order, t->n, sizeof(*t->order), cmp_row, &o);
	while (n < t->n && row_has(&o, &t->rows[t->order[n]]))
		n++;
	return n;
}
