/* v_trace.c: vpc trace: the static walk, of a file or of what runs. */
#include <errno.h>
#include <string.h>
#include "cli/client.h"
#include "cli/source.h"
#include "cli/verbs.h"
#include "path/trace.h"
#include "util/mem.h"
#include "util/str.h"

enum { FLOWS_MAX = 64 << 20 };

static int flow_trace(const struct args *a, struct walker *w, const struct flow *f, bool one_line, bool *ret_allow);
static int flows_trace(const struct args *a, const struct model *m, struct walker *w);
static int words_trace(const struct args *a, const struct model *m, struct walker *w, char **words);
static int words_check(const struct args *a);

int trace_run(const struct args *a)
{
	_cleanup_model_ struct model *m = NULL;
	struct walker *w = NULL;
	struct err e = { 0 };
	const char *src = NULL;
	char lab[LAB_SIZE], *words[3] = { NULL };
	int r = words_check(a);

	if (r)
		return r;
	if (!a->flows)
		memcpy(words, a->words + !a->live, sizeof(words));
	if (!a->live) {
		r = model_of_file(a->words[0], &m);
	} else {
		r = lab_of(a, words[0], lab, &src);
		words[0] = (char *)src;
		if (r == 0)
			r = model_of_lab(lab, &m);
	}
	if (r)
		return r;
	if (walker_new(m, &w, &e) < 0)
		return fail_err(EXIT_BROKEN, &e);
	r = a->flows ? flows_trace(a, m, w) : words_trace(a, m, w, words);
	walker_free(&w);
	return r;
}

static int words_check(const struct args *a)
{
	size_t want = (a->live ? 0 : 1) + (a->flows ? 0 : 3);

	if (a->summary && a->minimal)
		return fail(EXIT_USAGE, "trace: --summary or --minimal, not both");
	if (a->lab && !a->live)
		return fail(EXIT_USAGE, "trace: --lab names a running lab; add --live");
	if (a->n == want)
		return 0;
	return fail(EXIT_USAGE, "trace: %zu words where %zu are wanted; usage: vpc trace %s", a->n, want,
		    a->verb->usage);
}

static int words_trace(const struct args *a, const struct model *m, struct walker *w, char **words)
{
	struct flow f;
	struct err e = { 0 };
	bool allow;
	int r = flow_parse_words(m, words[0], words[1], words[2], &f, &e);

	if (r < 0)
		return fail_err(EXIT_USAGE, &e);
	if (a->from_port)
		f.sport = (uint16_t)a->from_port;
	r = flow_trace(a, w, &f, false, &allow);
	return r ? r : allow ? EXIT_OK : EXIT_FINDING;
}

/* A flow a line; empty lines and lines of # or ; are left out. */
static int flows_trace(const struct args *a, const struct model *m, struct walker *w)
{
	_cleanup_source_ struct source s = { 0 };
	char *save = NULL;
	int r = source_read(a->flows, &s), worst = EXIT_OK;
	unsigned n = 0;

	if (r)
		return r;
	for (char *p = s.text; p && *p; p = save) {
		struct err e = { 0 };
		struct flow f;
		bool allow;

		save = strchr(p, '\n');
		if (save)
			*save++ = '\0';
		n++;
		p = str_trim(p);
		if (!*p || *p == '#' || *p == ';')
			continue;
		if (flow_parse(m, p, &f, &e) < 0)
			return fail(EXIT_USAGE, "%s:%u: %s", s.file, n, e.msg);
		if (a->from_port)
			f.sport = (uint16_t)a->from_port;
		r = flow_trace(a, w, &f, true, &allow);
		if (r)
			return r;
		if (!allow)
			worst = EXIT_FINDING;
	}
	return worst;
}

static int flow_trace(const struct args *a, struct walker *w, const struct flow *f, bool one_line, bool *ret_allow)
{
	struct trace_style style = { style_on(stdout, STYLE_GOOD), style_on(stdout, STYLE_BAD),
				     style_on(stdout, STYLE_DIM), style_off(stdout, STYLE_DIM) };
	enum trace_view view = a->minimal   ? TRACE_MINIMAL
			       : a->summary ? TRACE_SUMMARY
			       : one_line   ? TRACE_MINIMAL
					    : TRACE_FULL;
	_cleanup_free_ char *text = NULL;
	struct walk walk;
	struct err e = { 0 };

	if (walk_flow(w, f, &walk, &e) < 0)
		return fail_err(EXIT_USAGE, &e);
	if (a->output == OUTPUT_JSON)
		text = trace_json(&walk, one_line);
	else
		text = trace_text(f, &walk, view, &style);
	printf("%s%s", text, a->output == OUTPUT_JSON ? "\n" : "");
	*ret_allow = walk.allow;
	walk_done(&walk);
	return 0;
}
