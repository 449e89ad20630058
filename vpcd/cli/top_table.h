/* top_table.h: the tables that vpc top shows: rows out of the daemon's answers, rates since the last look, order and
 * filter. Knows nothing of the screen. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TOP_COLUMNS_MAX = 10 };
enum top_view_id { TOP_GATES, TOP_RULES, TOP_FLOWS, TOP_VIEWS };
struct top_column {
	const char *head;
	const char *member; /* of the object; "@": file and line; "/s": packets a second */
	bool number;
};
struct top_view {
	const char *name, *path, *list; /* GET /v1/labs/LAB/path → {list:[…]} */
	const char *key;                /* members that tell a row from others, blank-separated */
	struct top_column columns[TOP_COLUMNS_MAX];
	uint8_t n_columns, sort; /* at first: by this column, greatest first */
};
extern const struct top_view top_views[TOP_VIEWS];

struct top_row {
	char *cell[TOP_COLUMNS_MAX];
	double value[TOP_COLUMNS_MAX]; /* of numbers; -1: unknown */
	char *key;
	double packets;
};
struct top_table {
	const struct top_view *view;
	struct top_row *rows;
	uint32_t *order, *by_key; /* indexes of rows: as shown, by key */
	size_t n;
	double taken_s; /* when */
};
/* Rows of an answer; before, may be NULL, is the table of the last look: rates are since then. */
void top_table_take(struct top_table *t, const struct top_view *view, const json_t *answer, double now_s,
		    const struct top_table *before);
void top_table_done(struct top_table *t);
/* Sets t->order: by a column, numbers greatest first (reverse: last), those that contain text (NULL: all) before the
 * others; how many these are. */
size_t top_table_order(struct top_table *t, unsigned column, bool reverse, const char *text);
