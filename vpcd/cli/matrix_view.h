/* matrix_view.h: how vpc matrix shows what it found. */
#pragma once
#include <stdio.h>
#include "path/matrix.h"

/* Rows and columns as shown: every end, or one row a class where there are too many ends. */
struct matrix_row {
	uint32_t end;    /* who speaks for it */
	uint32_t second; /* another one of its class; NONE */
	uint32_t members;
};
struct matrix_rows {
	struct matrix_row *v;
	uint32_t n;
	bool folded;
};
void matrix_rows_make(const struct matrix *x, uint32_t most, struct matrix_rows *ret); /* ret->v to free() */
/* Between two rows; in a row with itself: between two of its members. */
const struct matrix_outcome *matrix_rows_at(const struct matrix *x, const struct matrix_row *src,
					    const struct matrix_row *dst);
/* "web-1", "web-1 +399". Returns buf. */
char *matrix_row_label(const struct matrix *x, const struct matrix_row *r, char *buf, size_t size);
/* "allow", "sg-in", "return:nacl-out", "-" (itself). Returns buf. */
char *matrix_word(const struct matrix_outcome *o, char *buf, size_t size);

void matrix_table_print(FILE *out, const struct matrix *x);
void matrix_csv_print(FILE *out, const struct matrix *x, bool head);
void matrix_json_print(FILE *out, const struct matrix *v, size_t n);
/* One page for all; source: the topology's text, which cells link into. */
void matrix_html_print(FILE *out, const struct matrix *v, size_t n, const char *file, const char *source);
/* s with <, >, & and quotes written as HTML wants them. */
void html_text(FILE *out, const char *s);
