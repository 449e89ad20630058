/* v_lint.c: vpc lint: what is probably not meant in a valid topology; --fix takes dead lines out. */
#include <string.h>
#include "cli/client.h"
#include "cli/source.h"
#include "cli/verbs.h"
#include "conf/build.h"
#include "path/lint.h"
#include "path/reach.h"
#include "util/mem.h"
#include "util/str.h"

static int file_lint(const struct args *a, const char *file, json_t *list, size_t *n);
static int file_fix(const struct source *s, const struct model *m, struct diag_list *l);
static json_t *finding_json(const struct diag *d);

int lint_run(const struct args *a)
{
	json_t *list = json_array(), *root;
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < a->n && r == 0; i++)
		r = file_lint(a, a->words[i], list, &n);
	if (r == 0 && a->output == OUTPUT_JSON) {
		root = json_pack("{s:O}", "findings", list);
		json_print(root);
		json_decref(root);
	}
	json_decref(list);
	return r ? r : n ? EXIT_FINDING : EXIT_OK;
}

bool lint_term(size_t i, struct verb_term *ret)
{
	if (i >= n_lint_codes)
		return false;
	*ret = (struct verb_term){ lint_codes[i].code, lint_codes[i].text,
				   lint_codes[i].fixable ? "--fix removes it" : NULL };
	return true;
}

static int file_lint(const struct args *a, const char *file, json_t *list, size_t *n)
{
	_cleanup_source_ struct source s = { 0 };
	_cleanup_model_ struct model *m = NULL;
	_cleanup_diag_list_ struct diag_list l = { 0 };
	int r = source_read(file, &s);

	if (r == 0)
		r = model_of_source(&s, &m);
	if (r)
		return r;
	lint_model(m, s.text, &l);
	if (a->fix && (r = file_fix(&s, m, &l)))
		return r;
	for (size_t i = 0; i < l.n; i++) {
		_cleanup_free_ char *line = diag_format(&l.v[i]);

		++*n;
		json_array_append_new(list, finding_json(&l.v[i]));
		if (a->output == OUTPUT_TABLE)
			printf("%s  %s[%s]%s\n", line, style_on(stdout, STYLE_DIM), l.v[i].code,
			       style_off(stdout, STYLE_DIM));
	}
	if (!l.n && !a->fix && a->output == OUTPUT_TABLE)
		printf("%s: nothing to say\n", s.file);
	return 0;
}

/* Writes only what was proved to change no packet's fate. l becomes what is left to say of the file. */
static int file_fix(const struct source *s, const struct model *m, struct diag_list *l)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_model_ struct model *fixed = NULL;
	_cleanup_reach_diff_ struct reach_diff d = { 0 };
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };
	size_t n;
	int r;

	text = lint_fix(s->text, l, &n);
	if (!n) {
		fprintf(stderr, "%s: no line to remove\n", s->file);
		return 0;
	}
	if (str_eq(s->file, "stdin"))
		return fail(EXIT_USAGE, "lint --fix needs a file, not stdin");
	if (model_from_text(text, strlen(text), s->file, &fixed, &diags) < 0) {
		diag_list_print(stderr, &diags);
		return fail(EXIT_BROKEN, "%s stays as it is: without the %zu lines it would be wrong", s->file, n);
	}
	if (reach_diff_make(m, fixed, 0, &d, &e) < 0)
		return fail_err(EXIT_BROKEN, &e);
	if (d.n)
		return fail(EXIT_BROKEN, "%s stays as it is: without the %zu lines %s could reach %s differently",
			    s->file, n, d.v[0].srcs, d.v[0].dsts);
	r = rewrite_whole_file(s->file, text, strlen(text));
	if (r < 0)
		return fail(EXIT_BROKEN, "%s cannot be written: %s", s->file, strerror(-r));
	fprintf(stderr, "%s: %zu line%s removed; no flow changes\n", s->file, n, n == 1 ? "" : "s");
	diag_list_done(l);
	lint_model(fixed, text, l);
	return 0;
}

static json_t *finding_json(const struct diag *d)
{
	const struct lint_code *c = lint_code_find(d->code);

	return json_pack("{s:s?,s:o,s:s,s:s,s:s,s:s?,s:b}", "file", d->file, "line",
			 d->line ? json_integer(d->line) : json_null(), "severity", "warning", "code", d->code,
			 "message", d->message, "fix", d->fix, "fixable", c && c->fixable);
}
