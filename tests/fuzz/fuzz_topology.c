/* fuzz_topology.c: the topology reader and builder.
 *
 *   what is refused has an error with words
 *   its headers alone are the same sections
 *   what is read prints, and what was printed reads, prints alike and is the same lab
 *   what builds compiles into tables, or says which do not fit */
#include <string.h>
#include "conf/build.h"
#include "conf/format.h"
#include "plan/desired.h"
#include "tests/fuzz/fuzz.h"
#include "util/mem.h"

enum { TEXT_MAX = 16 << 10 };

static void diags_check(const struct diag_list *l, bool refused)
{
	size_t errors = 0;

	for (size_t i = 0; i < l->n; i++) {
		char *line = diag_format(&l->v[i]);

		FUZZ_CHECK(l->v[i].message && l->v[i].message[0] && line[0]);
		errors += l->v[i].severity == SEV_ERROR;
		free(line);
	}
	FUZZ_CHECK(errors == l->errors && refused == (errors > 0));
}

/* Rows of what the model means; NULL where they do not fit. */
static struct map_rows *rows_of(const struct model *m)
{
	struct map_rows *rows = xcalloc(1, sizeof(*rows));
	struct err e = { 0 };

	map_rows_init(rows);
	if (maps_desired(m, rows, &e) == 0)
		return rows;
	FUZZ_CHECK(e.msg[0]);
	map_rows_done(rows);
	free(rows);
	return NULL;
}

static void rows_free(struct map_rows *rows)
{
	if (rows)
		map_rows_done(rows);
	free(rows);
}

/* printed: the canonical form of what m was built from. */
static void printed_check(const char *printed, const struct model *m)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_model_ struct model *again = NULL;
	struct map_rows *a, *b;

	FUZZ_CHECK(model_from_text(printed, strlen(printed), "fuzz.ini", &again, &diags) == 0);
	FUZZ_CHECK(again->n_enis == m->n_enis && again->n_subnets == m->n_subnets && again->n_hosts == m->n_hosts);
	a = rows_of(m);
	b = rows_of(again);
	FUZZ_CHECK(!a == !b);
	FUZZ_CHECK(!a || (a->n == b->n && a->n_bytes == b->n_bytes));
	FUZZ_CHECK(!a || !a->n || memcmp(a->bytes, b->bytes, a->n_bytes) == 0);
	rows_free(a);
	rows_free(b);
}

static void headers_check(const char *text, size_t n, const struct document *d)
{
	_cleanup_document_ struct document headers = { 0 };

	document_parse_headers(text, n, "fuzz.ini", &headers);
	FUZZ_CHECK(headers.n == d->n);
	for (size_t i = 0; i < d->n; i++) {
		const struct section *a = &headers.sections[i], *b = &d->sections[i];

		FUZZ_CHECK(strcmp(a->kind, b->kind) == 0 && strcmp(a->name, b->name) == 0);
		FUZZ_CHECK(a->loc.line == b->loc.line && a->n == 0);
	}
}

static char *print(const char *text, size_t n)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_document_ struct document d = { 0 };
	int r = document_parse(text, n, "fuzz.ini", &d, &diags);

	headers_check(text, n, &d);
	if (r < 0)
		return NULL;
	return format_text(text, &d);
}

int fuzz_topology(const uint8_t *data, size_t n)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_model_ struct model *m = NULL;
	char *text, *printed, *twice;
	int r;

	if (n > TEXT_MAX)
		return 0;
	text = fuzz_text(data, n);
	r = model_from_text(text, n, "fuzz.ini", &m, &diags);
	FUZZ_CHECK((r == 0) == (m != NULL));
	diags_check(&diags, r < 0);
	printed = print(text, n);
	FUZZ_CHECK(printed || !m);
	if (printed) {
		twice = print(printed, strlen(printed));
		FUZZ_CHECK(twice && strcmp(printed, twice) == 0);
		free(twice);
	}
	if (m)
		printed_check(printed, m);
	free(printed);
	free(text);
	return 0;
}
