/* matrix_html.c: matrices as one page that needs nothing but itself. Allowed cells are dark, denied ones
 * light and lettered, so it reads the same in greyscale. A cell leads to its rule in the file below. */
#include <string.h>
#include "cli/matrix_view.h"
#include "filters/explain.h"
#include "path/trace.h"
#include "util/mem.h"

enum { ROWS_MAX = 200 };

static const char page_head[] = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>";
static const char page_style[] =
	"</title>\n<style>\n"
	"body{font:14px/1.4 system-ui,sans-serif;margin:1.5em;color:#1a1a1a;background:#fff}\n"
	"h1{font-size:1.3em}h2{font-size:1.1em;margin-top:1.6em}\n"
	"table.m{border-collapse:separate;border-spacing:2px}\n"
	".m th{font-weight:600;text-align:left;padding:2px 8px;white-space:nowrap;background:#fff}\n"
	".m thead th{position:sticky;top:0;vertical-align:bottom}.m tbody th{position:sticky;left:0}\n"
	".m td{padding:0;min-width:4.6em;text-align:center;border-radius:3px;font-size:12px}\n"
	".m td a,.m td span{display:block;padding:3px 6px;color:inherit;text-decoration:none}\n"
	".m td a:hover,.m td a:focus{outline:2px solid #000}\n"
	".y{background:#00527a;color:#fff;font-weight:600}\n"
	".n{background:#f1f1ee;color:#555}\n"
	".r{background:repeating-linear-gradient(135deg,#f1f1ee 0 6px,#d9d9d4 6px 9px);color:#333}\n"
	".o{color:#aaa}\n"
	".k td{padding:3px 8px;border-radius:3px}.k{margin:.6em 0}\n"
	"pre{border-top:1px solid #ccc;padding-top:1em;font-size:12px;line-height:1.45}\n"
	"pre span{display:block;white-space:pre-wrap}pre span:target{background:#ffe9a8;outline:1px solid #8a6d00}\n"
	"pre i{display:inline-block;width:4em;color:#888;font-style:normal;user-select:none}\n"
	"@media print{.m td{border:1px solid #999}}\n"
	"</style></head><body>\n";

static void one_matrix(FILE *out, const struct matrix *x);
static void one_cell(FILE *out, const struct matrix *x, const struct matrix_row *src, const struct matrix_row *dst);
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
	fputs(page_head, out);
	html_text(out, file);
	fputs(": who reaches whom", out);
	fputs(page_style, out);
	fputs("<h1>Who reaches whom: ", out);
	html_text(out, file);
	fputs("</h1>\n<p>Rows send, columns receive. Point at a cell for the rule that decided; click it to see the rule "
	      "where it stands.</p>\n<table class=\"k\"><tr><td class=\"y\">yes</td><td>request and reply arrive</td>"
	      "<td class=\"n\">gate</td><td>the request is denied there</td>"
	      "<td class=\"r\">gate</td><td>the reply is denied there</td></tr></table>\n",
	      out);
	for (size_t i = 0; i < n; i++)
		one_matrix(out, &v[i]);
	source_print(out, file, source);
	fputs("</body></html>\n", out);
}

static void one_matrix(FILE *out, const struct matrix *x)
{
	struct matrix_rows rows;
	uint64_t allowed = 0;
	char text[64];

	for (size_t i = 0; i < (size_t)x->n_ends * x->n_ends; i++)
		allowed += x->outcomes[x->cells[i]]->allow && !x->outcomes[x->cells[i]]->own;
	matrix_rows_make(x, ROWS_MAX, &rows);
	fprintf(out, "<h2>%s</h2>\n<p>%llu of %llu pairs are allowed.", x->proto, (unsigned long long)allowed,
		(unsigned long long)x->n_ends * (x->n_ends ? x->n_ends - 1 : 0));
	if (rows.folded)
		fprintf(out, " %u instances and hosts in %u rows: no rule tells those of a row apart.", x->n_ends,
			rows.n);
	fputs("</p>\n<table class=\"m\"><thead><tr><th></th>", out);
	for (uint32_t k = 0; k < rows.n; k++)
		fprintf(out, "<th scope=\"col\">%s</th>", matrix_row_label(x, &rows.v[k], text, sizeof(text)));
	fputs("</tr></thead>\n<tbody>\n", out);
	for (uint32_t i = 0; i < rows.n; i++) {
		fprintf(out, "<tr><th scope=\"row\">%s</th>", matrix_row_label(x, &rows.v[i], text, sizeof(text)));
		for (uint32_t k = 0; k < rows.n; k++)
			one_cell(out, x, &rows.v[i], &rows.v[k]);
		fputs("</tr>\n", out);
	}
	fputs("</tbody></table>\n", out);
	free(rows.v);
}

static void one_cell(FILE *out, const struct matrix *x, const struct matrix_row *src, const struct matrix_row *dst)
{
	const struct matrix_outcome *o = matrix_rows_at(x, src, dst);
	const char *from = x->ends[src->end].name, *to = x->ends[dst->end].name;
	const char *object = matrix_object_name(o, from, to), *tag = o->loc.line ? "a" : "span";
	char word[48];

	if (o->own) {
		fputs("<td class=\"o\">&middot;</td>", out);
		return;
	}
	fprintf(out, "<td class=\"%s\"><%s", o->allow ? "y" : o->leg == LEG_RETURN ? "r" : "n", tag);
	if (o->loc.line)
		fprintf(out, " href=\"#L%u\"", o->loc.line);
	fprintf(out, " title=\"%s to %s, %s: ", from, to, x->proto);
	if (o->gate == ABI_GATE_NONE)
		fputs("allowed", out);
	else
		fprintf(out, "%s %s%s%s%s", o->allow ? "allowed, last by" : "denied at",
			o->leg == LEG_RETURN ? "return:" : "", gate_name(o->gate), object ? "@" : "",
			object ? object : "");
	if (!o->allow)
		fprintf(out, ": %s", reason_text(o->reason));
	if (o->rule_text[0]) {
		fputs("&#10;", out);
		html_text(out, o->rule_text);
	}
	if (o->loc.line) {
		fputs("&#10;", out);
		html_text(out, o->loc.file);
		fprintf(out, ":%u", o->loc.line);
	}
	matrix_word(o, word, sizeof(word));
	fprintf(out, "\">%s</%s></td>", o->allow ? "yes" : o->leg == LEG_RETURN ? word + strlen("return:") : word, tag);
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
