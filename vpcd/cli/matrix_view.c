/* matrix_view.c: a matrix as a table, CSV and JSON. */
#include <jansson.h>
#include <string.h>
#include "cli/cli.h"
#include "cli/matrix_view.h"
#include "filters/explain.h"
#include "model/model.h"
#include "path/trace.h"
#include "util/mem.h"
#include "util/str.h"

enum { TABLE_ROWS_MAX = 100, TABLE_WIDTH_MAX = 160, GAP = 2, WORD_SIZE = 40, LABEL_SIZE = 64 };

static void words_print(FILE *out, const struct matrix *x, const struct matrix_rows *rows, size_t label_width);
static void signs_print(FILE *out, const struct matrix *x, const struct matrix_rows *rows, size_t label_width);
static size_t column_width(const struct matrix *x, const struct matrix_rows *rows, uint32_t column);

void matrix_rows_make(const struct matrix *x, uint32_t most, struct matrix_rows *ret)
{
	ret->folded = x->n_ends > most;
	ret->v = xcalloc((size_t)x->n_ends + 1, sizeof(*ret->v));
	ret->n = 0;
	for (uint32_t i = 0; i < x->n_ends; i++) {
		uint32_t class = x->ends[i].class;
		struct matrix_row *r = &ret->v[ret->folded ? class : i];

		if (!ret->folded || class == ret->n) {
			*r = (struct matrix_row){ .end = i, .second = NONE, .members = 1 };
			ret->n++;
		} else {
			if (r->second == NONE)
				r->second = i;
			r->members++;
		}
	}
}

const struct matrix_outcome *matrix_rows_at(const struct matrix *x, const struct matrix_row *src,
					    const struct matrix_row *dst)
{
	if (src->end == dst->end && dst->second != NONE)
		return matrix_at(x, src->end, dst->second);
	return matrix_at(x, src->end, dst->end);
}

char *matrix_row_label(const struct matrix *x, const struct matrix_row *r, char *buf, size_t size)
{
	if (r->members > 1)
		snprintf(buf, size, "%s +%u", x->ends[r->end].name, r->members - 1);
	else
		snprintf(buf, size, "%s", x->ends[r->end].name);
	return buf;
}

char *matrix_word(const struct matrix_outcome *o, char *buf, size_t size)
{
	if (o->allow)
		snprintf(buf, size, "%s", o->own ? "-" : "allow");
	else
		snprintf(buf, size, "%s%s", o->leg == LEG_RETURN ? "return:" : "", gate_name(o->gate));
	return buf;
}

/* ---- table ---- */

void matrix_table_print(FILE *out, const struct matrix *x)
{
	struct matrix_rows rows;
	size_t label = strlen(x->proto), width;
	char text[LABEL_SIZE];

	matrix_rows_make(x, TABLE_ROWS_MAX, &rows);
	for (uint32_t i = 0; i < rows.n; i++) {
		size_t n = strlen(matrix_row_label(x, &rows.v[i], text, sizeof(text)));

		label = n > label ? n : label;
	}
	width = label;
	for (uint32_t i = 0; i < rows.n && width <= TABLE_WIDTH_MAX; i++)
		width += GAP + column_width(x, &rows, i);
	if (width <= TABLE_WIDTH_MAX)
		words_print(out, x, &rows, label);
	else
		signs_print(out, x, &rows, label);
	if (rows.folded)
		fprintf(out,
			"%u ends in %u rows: those of a row are told apart by no rule; NAME +N is NAME and N more\n",
			x->n_ends, rows.n);
	free(rows.v);
}

static size_t column_width(const struct matrix *x, const struct matrix_rows *rows, uint32_t column)
{
	char text[LABEL_SIZE];
	size_t width = strlen(matrix_row_label(x, &rows->v[column], text, sizeof(text)));

	for (uint32_t i = 0; i < rows->n; i++) {
		size_t n = strlen(matrix_word(matrix_rows_at(x, &rows->v[i], &rows->v[column]), text, sizeof(text)));

		width = n > width ? n : width;
	}
	return width;
}

/* Rows send, columns receive; a cell is "allow" or the gate that denies. */
static void words_print(FILE *out, const struct matrix *x, const struct matrix_rows *rows, size_t label_width)
{
	_cleanup_free_ size_t *width = xcalloc((size_t)rows->n + 1, sizeof(*width));
	char text[LABEL_SIZE];

	fprintf(out, "%s%-*s", style_on(out, STYLE_HEAD), (int)label_width, x->proto);
	for (uint32_t k = 0; k < rows->n; k++) {
		width[k] = column_width(x, rows, k);
		matrix_row_label(x, &rows->v[k], text, sizeof(text));
		fprintf(out, "  %-*s", k + 1 < rows->n ? (int)width[k] : 0, text);
	}
	fprintf(out, "%s\n", style_off(out, STYLE_HEAD));
	for (uint32_t i = 0; i < rows->n; i++) {
		fprintf(out, "%-*s", (int)label_width, matrix_row_label(x, &rows->v[i], text, sizeof(text)));
		for (uint32_t k = 0; k < rows->n; k++) {
			const struct matrix_outcome *o = matrix_rows_at(x, &rows->v[i], &rows->v[k]);
			enum style s = o->own ? STYLE_NONE : o->allow ? STYLE_GOOD : STYLE_DIM;

			matrix_word(o, text, sizeof(text));
			fprintf(out, "  %s%s%s", style_on(out, s), text, style_off(out, s));
			if (k + 1 < rows->n)
				fprintf(out, "%*s", (int)(width[k] - strlen(text)), "");
		}
		fputc('\n', out);
	}
}

/* One character a cell. */
static char sign_of(const struct matrix_outcome *o)
{
	if (o->allow)
		return o->own ? '-' : '+';
	if (o->leg == LEG_RETURN)
		return '<';
	switch (o->gate) {
	case ABI_GATE_SG_OUT: return 'S';
	case ABI_GATE_SG_IN: return 's';
	case ABI_GATE_NACL_OUT: return 'N';
	case ABI_GATE_NACL_IN: return 'n';
	case ABI_GATE_ROUTE: return 'r';
	case ABI_GATE_IGW: return 'i';
	case ABI_GATE_NAT: return 'g';
	default: return 'x';
	}
}

static void signs_print(FILE *out, const struct matrix *x, const struct matrix_rows *rows, size_t label_width)
{
	static const struct {
		char sign;
		const char *text;
	} legend[] = {
		{ '+', "allowed" },
		{ '-', "itself" },
		{ 'S', "sg-out denies" },
		{ 's', "sg-in denies" },
		{ 'N', "nacl-out denies" },
		{ 'n', "nacl-in denies" },
		{ 'r', "no route" },
		{ 'i', "igw denies" },
		{ 'g', "nat denies" },
		{ '<', "the reply is denied" },
		{ 'x', "another gate denies" },
	};
	bool used[128] = { false };
	char text[LABEL_SIZE];
	const char *sep = "";

	for (uint32_t ten = 1; ten <= rows->n; ten *= 10) { /* column numbers, downwards */
		fprintf(out, "%-*s ", (int)label_width + 4, ten == 1 ? x->proto : "");
		for (uint32_t k = 1; k <= rows->n; k++)
			fputc(k >= ten ? (char)('0' + k / ten % 10) : ' ', out);
		fputc('\n', out);
	}
	for (uint32_t i = 0; i < rows->n; i++) {
		fprintf(out, "%3u %-*s ", i + 1, (int)label_width,
			matrix_row_label(x, &rows->v[i], text, sizeof(text)));
		for (uint32_t k = 0; k < rows->n; k++) {
			char sign = sign_of(matrix_rows_at(x, &rows->v[i], &rows->v[k]));

			used[(int)sign] = true;
			fputc(sign, out);
		}
		fputc('\n', out);
	}
	for (size_t i = 0; i < ARRAY_SIZE(legend); i++) {
		if (!used[(int)legend[i].sign])
			continue;
		fprintf(out, "%s%c %s", sep, legend[i].sign, legend[i].text);
		sep = ", ";
	}
	fprintf(out, "; column numbers are read downwards, lowest digit first\n");
}

/* ---- CSV and JSON: what an outcome says is written once, then repeated ---- */

static void csv_add(struct strbuf *b, const char *s)
{
	if (s && strpbrk(s, ",\"\r\n")) {
		strbuf_adds(b, "\"");
		for (; *s; s++)
			strbuf_addf(b, *s == '"' ? "\"%c" : "%c", *s);
		strbuf_adds(b, "\"");
	} else if (s) {
		strbuf_adds(b, s);
	}
}

/* "verdict,leg,gate,", then the object, then ",reason,rule", then where that stands. */
struct texts {
	char *before, *after;
};

static struct texts csv_texts(const struct matrix_outcome *o)
{
	struct strbuf before = { 0 }, after = { 0 };

	strbuf_addf(&before, ",%s,%s,%s,", o->allow ? "allow" : "deny",
		    o->gate != ABI_GATE_NONE ? leg_name(o->leg) : "",
		    o->gate != ABI_GATE_NONE ? gate_name(o->gate) : "");
	strbuf_addf(&after, ",%s,", o->gate != ABI_GATE_NONE ? reason_name(o->reason) : "");
	csv_add(&after, o->rule_text);
	return (struct texts){ strbuf_take(&before), strbuf_take(&after) };
}

static void json_member(struct strbuf *b, const char *name, const char *value)
{
	json_t *v = value && *value ? json_string(value) : json_null();
	char *text = json_dumps(v, JSON_ENCODE_ANY);

	strbuf_addf(b, ",\"%s\":%s", name, text ? text : "null");
	free(text);
	json_decref(v);
}

static struct texts json_texts(const struct matrix_outcome *o)
{
	struct strbuf before = { 0 }, after = { 0 };
	bool met = o->gate != ABI_GATE_NONE;

	strbuf_addf(&before, ",\"verdict\":\"%s\"", o->allow ? "allow" : "deny");
	json_member(&before, "leg", met ? leg_name(o->leg) : NULL);
	json_member(&before, "gate", met ? gate_name(o->gate) : NULL);
	json_member(&after, "reason", met ? reason_name(o->reason) : NULL);
	json_member(&after, "rule", o->rule_text);
	return (struct texts){ strbuf_take(&before), strbuf_take(&after) };
}

static struct texts *texts_of(const struct matrix *x, struct texts (*one)(const struct matrix_outcome *))
{
	struct texts *v = xcalloc(x->n_outcomes + 1, sizeof(*v));

	for (size_t i = 0; i < x->n_outcomes; i++)
		v[i] = one(x->outcomes[i]);
	return v;
}

static void texts_free(const struct matrix *x, struct texts *v)
{
	for (size_t i = 0; i < x->n_outcomes; i++) {
		free(v[i].before);
		free(v[i].after);
	}
	free(v);
}

/* The file's name as it is to be written; all places of a lab are in one file. */
static char *file_text(const struct matrix *x, void (*add)(struct strbuf *b, const char *file))
{
	struct strbuf b = { 0 };
	const char *file = NULL;

	for (uint32_t i = 0; i < x->n_ends && !file; i++)
		file = x->ends[i].loc.line ? x->ends[i].loc.file : NULL;
	for (size_t i = 0; i < x->n_outcomes && !file; i++)
		file = x->outcomes[i]->loc.line ? x->outcomes[i]->loc.file : NULL;
	add(&b, file);
	return strbuf_take(&b);
}

static void json_file_add(struct strbuf *b, const char *file)
{
	json_member(b, "file", file);
}

void matrix_csv_print(FILE *out, const struct matrix *x, bool head)
{
	_cleanup_free_ char *file = file_text(x, csv_add);
	struct texts *v = texts_of(x, csv_texts);

	if (head)
		fputs("src,dst,flow,verdict,leg,gate,object,reason,rule,file,line\n", out);
	for (uint32_t i = 0; i < x->n_ends; i++) {
		for (uint32_t k = 0; k < x->n_ends; k++) {
			uint32_t o = x->cells[(size_t)i * x->n_ends + k];
			const char *src = x->ends[i].name, *dst = x->ends[k].name;
			const char *object = matrix_object_name(x->outcomes[o], src, dst);
			uint32_t line = matrix_place(x, i, k).line;

			if (i == k)
				continue;
			fputs(src, out);
			fputc(',', out);
			fputs(dst, out);
			fputc(',', out);
			fputs(x->proto, out);
			fputs(v[o].before, out);
			fputs(object ? object : "", out);
			fputs(v[o].after, out);
			if (line)
				fprintf(out, ",%s,%u\n", file, line);
			else
				fputs(",,\n", out);
		}
	}
	texts_free(x, v);
}

static void json_cells(FILE *out, const struct matrix *x, const char **sep)
{
	_cleanup_free_ char *file = file_text(x, json_file_add);
	struct texts *v = texts_of(x, json_texts);

	for (uint32_t i = 0; i < x->n_ends; i++) {
		for (uint32_t k = 0; k < x->n_ends; k++) {
			uint32_t o = x->cells[(size_t)i * x->n_ends + k];
			const char *src = x->ends[i].name, *dst = x->ends[k].name;
			const char *object = matrix_object_name(x->outcomes[o], src, dst), *quote = object ? "\"" : "";
			uint32_t line = matrix_place(x, i, k).line;

			if (i == k)
				continue;
			fprintf(out, "%s\n  {\"src\":\"%s\",\"dst\":\"%s\",\"flow\":\"%s\"%s,\"object\":%s%s%s%s", *sep,
				src, dst, x->proto, v[o].before, quote, object ? object : "null", quote, v[o].after);
			if (line)
				fprintf(out, "%s,\"line\":%u}", file, line);
			else
				fputs(",\"file\":null,\"line\":null}", out);
			*sep = ",";
		}
	}
	texts_free(x, v);
}

void matrix_json_print(FILE *out, const struct matrix *v, size_t n)
{
	const char *sep = "";

	static const char *const kinds[] = { "instance", "interface", "host" };

	fputs("{\"api\":1,\n \"flows\":[", out);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s\"%s\"", i ? "," : "", v[i].proto);
	fputs("],\n \"ends\":[", out);
	for (uint32_t i = 0; i < v[0].n_ends; i++)
		fprintf(out, "%s\n  {\"name\":\"%s\",\"kind\":\"%s\"}", i ? "," : "", v[0].ends[i].name,
			kinds[v[0].ends[i].kind]);
	fputs("],\n \"pairs\":[", out);
	for (size_t i = 0; i < n; i++)
		json_cells(out, &v[i], &sep);
	fputs("]}\n", out);
}
