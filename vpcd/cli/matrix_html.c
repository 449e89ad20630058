/* matrix_html.c: matrices as one page that needs nothing but itself. Allowed cells are dark, denied ones
 * light and lettered, so it reads the same in greyscale. A cell leads to its rule in the file below.
 *
 * What a page has to say of a million pairs is little: an outcome is written once, a row as runs of outcomes, equal
 * rows once; the page's script (matrix_page.h) unpacks them.
 *
 *   {"file","ends":[NAME…],"own":[LINE…],"groups":[LINE…],"matrices":[{"flow","outcomes":[{"class":"y|n|r","word",
 *    "line":N|0,"at":"own|groups"|null (the line is that of the end's section, or its first group's),"says",
 *    "of":"src|dst"|null,"object","why"}],"rows":["OUTCOME[*RUN] …" both in base 36],"row_of":[of each end]}]} */
#include <jansson.h>
#include <string.h>
#include "cli/matrix_page.h"
#include "cli/matrix_view.h"
#include "filters/explain.h"
#include "path/trace.h"
#include "util/mem.h"
#include "util/str.h"

enum { BASE = 36 };

static void one_head(FILE *out, const struct matrix *x, size_t number);
static json_t *one_matrix(const struct matrix *x);
static void data_print(FILE *out, const json_t *data);
static void source_print(FILE *out, const char *file, const char *source);

void html_text(FILE *out, const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '<': fputs("&lt;", out); break;
		case '>': fputs("&gt;", out); break;
		case '&': fputs("&amp;", out); break;
		case '"': fputs("&quot;", out); break;
		default: fputc(*s, out);
		}
	}
}

void matrix_html_print(FILE *out, const struct matrix *v, size_t n, const char *file, const char *source)
{
	json_t *ends = json_array(), *own = json_array(), *groups = json_array(), *all = json_array();
	json_t *data = json_pack("{s:s,s:o,s:o,s:o,s:o}", "file", file, "ends", ends, "own", own, "groups", groups,
				 "matrices", all);

	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>", out);
	html_text(out, file);
	fprintf(out,
		": who reaches whom</title>\n<style>\n%s</style></head><body>\n<h1>Who reaches whom: ", page_style);
	html_text(out, file);
	fputs("</h1>\n<p>Rows send, columns receive. Point at a cell for the rule that decided; click it to see the rule "
	      "where it stands.</p>\n<table class=\"k\"><tr><td class=\"y\">yes</td><td>request and reply arrive</td>"
	      "<td class=\"n\">gate</td><td>the request is denied there</td>"
	      "<td class=\"r\">gate</td><td>the reply is denied there</td></tr></table>\n"
	      "<noscript><p>The tables are drawn by the script in this page; without it: vpc matrix -o csv.</p></noscript>\n",
	      out);
	for (uint32_t i = 0; n && i < v[0].n_ends; i++) {
		json_array_append_new(ends, json_string(v[0].ends[i].name));
		json_array_append_new(own, json_integer(v[0].ends[i].loc.line));
		json_array_append_new(groups, json_integer(v[0].ends[i].groups.line));
	}
	for (size_t i = 0; i < n; i++) {
		one_head(out, &v[i], i);
		json_array_append_new(all, one_matrix(&v[i]));
	}
	source_print(out, file, source);
	data_print(out, data);
	fprintf(out, "<script>\n%s</script>\n</body></html>\n", page_script);
	json_decref(data);
}

static void one_head(FILE *out, const struct matrix *x, size_t number)
{
	uint64_t allowed = 0;

	for (size_t i = 0; i < (size_t)x->n_ends * x->n_ends; i++)
		allowed += x->outcomes[x->cells[i]]->allow && !x->outcomes[x->cells[i]]->own;
	fprintf(out, "<h2>%s</h2>\n<p>%llu of %llu pairs are allowed.</p>\n<div id=\"m%zu\"></div>\n", x->proto,
		(unsigned long long)allowed, (unsigned long long)x->n_ends * (x->n_ends ? x->n_ends - 1 : 0), number);
}

static json_t *one_outcome(const struct matrix_outcome *o)
{
	_cleanup_strbuf_ struct strbuf says = { 0 }, why = { 0 };
	const char *of = o->object_of == MATRIX_OBJECT_SRC ? "src" : o->object_of == MATRIX_OBJECT_DST ? "dst" : NULL;
	const struct matrix_end any = { 0 };
	const struct src_loc *at = matrix_end_place(o, &any);
	char word[48];

	matrix_word(o, word, sizeof(word));
	if (o->gate == ABI_GATE_NONE)
		strbuf_adds(&says, "allowed");
	else
		strbuf_addf(&says, "%s %s%s", o->allow ? "allowed, last by" : "denied at",
			    o->leg == LEG_RETURN ? "return:" : "", gate_name(o->gate));
	if (!o->allow)
		strbuf_addf(&why, ": %s", reason_text(o->reason));
	if (o->rule_text[0])
		strbuf_addf(&why, "\n%s", o->rule_text);
	if (o->loc.line)
		strbuf_addf(&why, "\n%s:%u", o->loc.file, o->loc.line);
	return json_pack("{s:s,s:s,s:i,s:s?,s:s,s:s?,s:s?,s:s}", "class",
			 o->allow               ? "y"
			 : o->leg == LEG_RETURN ? "r"
						: "n",
			 "word",
			 o->allow               ? "yes"
			 : o->leg == LEG_RETURN ? word + strlen("return:")
						: word,
			 "line", (int)o->loc.line, "at",
			 !at              ? NULL
			 : at == &any.loc ? "own"
					  : "groups",
			 "says", says.s, "of", o->gate == ABI_GATE_NONE ? NULL : of, "object",
			 of || o->gate == ABI_GATE_NONE ? NULL : o->object, "why", why.s ? why.s : "");
}

static void digits_add(struct strbuf *b, uint32_t n)
{
	char text[8], *p = text + sizeof(text) - 1;

	*p = '\0';
	do
		*--p = "0123456789abcdefghijklmnopqrstuvwxyz"[n % BASE];
	while (n /= BASE);
	strbuf_adds(b, p);
}

static void run_add(struct strbuf *b, uint32_t outcome, uint32_t run)
{
	if (!run)
		return;
	strbuf_adds(b, b->n ? " " : "");
	digits_add(b, outcome);
	if (run > 1) {
		strbuf_adds(b, "*");
		digits_add(b, run);
	}
}

/* The cell of an end with itself is not shown: there stands what another one of its class gets, so that their
 * rows are equal; without one, what makes a run longer. */
static void row_write(const struct matrix *x, uint32_t src, const uint32_t *twin, struct strbuf *row)
{
	uint32_t run = 0, now = 0;

	row->n = 0;
	for (uint32_t k = 0; k < x->n_ends; k++) {
		uint32_t o = x->cells[(size_t)src * x->n_ends + k];

		if (k == src)
			o = twin[src] != NONE ? x->cells[(size_t)src * x->n_ends + twin[src]] : run ? now : o;
		if (run && o != now) {
			run_add(row, now, run);
			run = 0;
		}
		now = o;
		run++;
	}
	run_add(row, now, run);
}

/* Of each end another one of its class; NONE. */
static uint32_t *twins_find(const struct matrix *x)
{
	uint32_t *first = xcalloc((size_t)x->n_classes + 1, sizeof(*first));
	uint32_t *twin = xcalloc((size_t)x->n_ends + 1, sizeof(*twin));

	for (uint32_t i = 0; i < x->n_classes; i++)
		first[i] = NONE;
	for (uint32_t i = 0; i < x->n_ends; i++) {
		uint32_t *f = &first[x->ends[i].class];

		twin[i] = *f;
		if (*f == NONE)
			*f = i;
		else
			twin[*f] = i;
	}
	free(first);
	return twin;
}

static json_t *one_matrix(const struct matrix *x)
{
	_cleanup_free_ uint32_t *twin = twins_find(x);
	_cleanup_strbuf_ struct strbuf row = { 0 };
	json_t *outcomes = json_array(), *rows = json_array(), *row_of = json_array(), *known = json_object(), *at;

	for (size_t i = 0; i < x->n_outcomes; i++)
		json_array_append_new(outcomes, one_outcome(x->outcomes[i]));
	for (uint32_t i = 0; i < x->n_ends; i++) {
		row_write(x, i, twin, &row);
		at = json_object_get(known, row.s);
		if (!at) {
			json_object_set_new(known, row.s, json_integer((json_int_t)json_array_size(rows)));
			json_array_append_new(rows, json_string(row.s));
			at = json_object_get(known, row.s);
		}
		json_array_append(row_of, at);
	}
	json_decref(known);
	return json_pack("{s:s,s:o,s:o,s:o}", "flow", x->proto, "outcomes", outcomes, "rows", rows, "row_of", row_of);
}

/* A "<" could end the element: in JSON it may be written as a number. */
static void data_print(FILE *out, const json_t *data)
{
	_cleanup_free_ char *text = json_dumps(data, JSON_COMPACT);

	fputs("<script id=\"data\" type=\"application/json\">", out);
	for (const char *p = text; *p; p++) {
		if (*p == '<')
			fputs("\\u003c", out);
		else
			fputc(*p, out);
	}
	fputs("</script>\n", out);
}

static void source_print(FILE *out, const char *file, const char *source)
{
	_cleanup_free_ char *copy = xstrdup(source);
	unsigned line = 0;

	fputs("<h2>", out);
	html_text(out, file);
	fputs("</h2>\n<pre>", out);
	for (char *p = copy, *next; p && *p; p = next) {
		next = strchr(p, '\n');
		if (next)
			*next++ = '\0';
		line++;
		fprintf(out, "<span id=\"L%u\"><i>%u</i>", line, line);
		html_text(out, p);
		fputs("</span>", out);
	}
	fputs("</pre>\n", out);
}
