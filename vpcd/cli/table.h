/* table.h: aligned text tables on a terminal or in a pipe. Columns are as wide as their widest cell. */
#pragma once
#include <stdio.h>
#include <jansson.h>
#include "cli/cli.h"

struct table {
	size_t n_columns;
	char **heads;
	bool *right;  /* numbers stand right */
	char **cells; /* rows of n_columns */
	size_t n, cap;
};
/* heads: words; one that begins with ">" is a column of numbers. */
void table_init(struct table *t, const char *heads);
void table_done(struct table *t);
#define _cleanup_table_ __attribute__((cleanup(table_done)))
/* The next cell; a row is full after n_columns. NULL and "" are shown as "-". */
void table_add(struct table *t, const char *text);
void table_addf(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* null "-", true "yes", false "no", arrays of texts joined by blanks. */
void table_add_json(struct table *t, const json_t *v);
size_t table_rows(const struct table *t);
/* Words with a meaning (running, deny, …) are coloured where colours are wanted. */
void table_print(const struct table *t, FILE *out);
/* The text table_add_json shows. free() it. */
char *json_cell(const json_t *v);
