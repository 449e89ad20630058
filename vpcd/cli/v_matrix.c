/* v_matrix.c: vpc matrix: who reaches whom, all pairs at once, by the static walk. */
#include <string.h>
#include "cli/matrix_view.h"
#include "cli/source.h"
#include "cli/verbs.h"
#include "conf/build.h"
#include "util/mem.h"

static int matrices_make(const struct args *a, const struct model *m, struct matrix **ret, size_t *ret_n);
static void matrices_print(const struct args *a, const struct source *s, const struct matrix *v, size_t n);

int matrix_run(const struct args *a)
{
	_cleanup_source_ struct source s = { 0 };
	_cleanup_model_ struct model *m = NULL;
	struct matrix *v = NULL;
	size_t n = 0;
	int r = source_read(a->words[0], &s);

	if (r == 0)
		r = model_of_source(&s, &m);
	if (r == 0)
		r = matrices_make(a, m, &v, &n);
	if (r == 0)
		matrices_print(a, &s, v, n);
	for (size_t i = 0; i < n; i++)
		matrix_done(&v[i]);
	free(v);
	return r;
}

static int matrices_make(const struct args *a, const struct model *m, struct matrix **ret, size_t *ret_n)
{
	struct walker *w = NULL;
	struct err e = { 0 };
	char(*usual)[24] = NULL;
	size_t n = a->n > 1 ? a->n - 1 : matrix_usual_flows(m, &usual), done = 0;
	struct matrix *v = xcalloc(n, sizeof(*v));
	int r = 0;

	if (walker_new(m, &w, &e) < 0)
		r = fail_err(EXIT_BROKEN, &e);
	while (r == 0 && done < n) {
		if (matrix_make(w, usual ? usual[done] : a->words[done + 1], (uint16_t)a->from_port, &v[done], &e) < 0)
			r = fail_err(EXIT_USAGE, &e);
		else
			done++;
	}
	walker_free(&w);
	free(usual);
	*ret = v;
	*ret_n = done;
	return r;
}

static void matrices_print(const struct args *a, const struct source *s, const struct matrix *v, size_t n)
{
	switch (a->output) {
	case OUTPUT_JSON: matrix_json_print(stdout, v, n); break;
	case OUTPUT_HTML: matrix_html_print(stdout, v, n, s->file, s->text); break;
	case OUTPUT_CSV:
		for (size_t i = 0; i < n; i++)
			matrix_csv_print(stdout, &v[i], i == 0);
		break;
	default:
		for (size_t i = 0; i < n; i++) {
			if (i)
				printf("\n");
			matrix_table_print(stdout, &v[i]);
		}
	}
}
