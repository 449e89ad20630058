/* test_view.c: JUnit XML, and the rules that no expectation exercises. */
#include <string.h>
#include "cli/table.h"
#include "cli/test_view.h"
#include "util/mem.h"
#include "util/str.h"

static const char *member(const json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}

static void count_add(json_t *root, const char *name, size_t n)
{
	json_int_t was = json_integer_value(json_object_get(root, name));

	json_object_set_new(root, name, json_integer(was + (json_int_t)n));
}

void coverage_json(const struct coverage *c, json_t *root)
{
	json_t *missed = json_object_get(root, "missed");
	struct coverage_line *v;
	size_t n = coverage_lines(c, &v), met = 0;

	if (!missed) {
		missed = json_array();
		json_object_set_new(root, "missed", missed);
	}
	for (size_t i = 0; i < n; i++) {
		const char *dir = v[i].dir == RULE_IN ? "inbound" : "outbound";

		met += v[i].met;
		if (v[i].met)
			continue;
		json_array_append_new(missed,
				      json_pack("{s:s,s:s,s:s?,s:s,s:s?,s:I}", "owner_kind",
						obj_kind_name(v[i].owner_kind), "owner", v[i].owner, "direction",
						v[i].owner_kind == KIND_ROUTE_TABLE ? NULL : dir, "text", v[i].text,
						"file", v[i].loc.file, "line", (json_int_t)v[i].loc.line));
	}
	free(v);
	count_add(root, "rules", n);
	count_add(root, "exercised", met);
}

void coverage_print(FILE *out, const json_t *root)
{
	const json_t *missed = json_object_get(root, "missed");
	_cleanup_table_ struct table t;
	size_t i;
	json_t *m;

	fprintf(out,
		"coverage: %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
		" rules and routes decide an expectation%s\n",
		json_integer_value(json_object_get(root, "exercised")),
		json_integer_value(json_object_get(root, "rules")),
		json_array_size(missed) ? "; no expectation exercises" : "");
	table_init(&t, "WHERE OWNER DIRECTION RULE");
	json_array_foreach(missed, i, m)
	{
		table_addf(&t, "%s:%" JSON_INTEGER_FORMAT, member(m, "file"),
			   json_integer_value(json_object_get(m, "line")));
		table_addf(&t, "%s %s", member(m, "owner_kind"), member(m, "owner"));
		table_add(&t, member(m, "direction"));
		table_add(&t, member(m, "text"));
	}
	if (table_rows(&t))
		table_print(&t, out);
}

char *coverage_text(const json_t *root)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		abort();
	coverage_print(f, root);
	fclose(f);
	return text;
}

static void xml_text(FILE *out, const char *s)
{
	for (; s && *s; s++) {
		switch (*s) {
		case '<': fputs("&lt;", out); break;
		case '>': fputs("&gt;", out); break;
		case '&': fputs("&amp;", out); break;
		case '"': fputs("&quot;", out); break;
		default:
			fputs((unsigned char)*s < ' ' && !strchr("\t\n", *s) ? "\xef\xbf\xbd" : (char[]){ *s, 0 }, out);
		}
	}
}

static void counts(const json_t *results, const char *file, size_t *n, size_t *failed, size_t *skipped)
{
	size_t i;
	json_t *r;

	*n = *failed = *skipped = 0;
	json_array_foreach(results, i, r)
	{
		if (file && !str_eq(file, member(r, "file")))
			continue;
		++*n;
		*failed += json_is_false(json_object_get(r, "ok"));
		*skipped += json_is_null(json_object_get(r, "ok"));
	}
}

static void case_print(FILE *out, const json_t *r)
{
	const json_t *ok = json_object_get(r, "ok");

	fputs("  <testcase classname=\"", out);
	xml_text(out, member(r, "file"));
	fprintf(out, "\" file=\"");
	xml_text(out, member(r, "file"));
	fprintf(out, "\" line=\"%" JSON_INTEGER_FORMAT "\" name=\"%s ", json_integer_value(json_object_get(r, "line")),
		member(r, "expect"));
	xml_text(out, member(r, "flow"));
	if (json_is_true(ok)) {
		fputs("\"/>\n", out);
		return;
	}
	fprintf(out, "\">\n   <%s message=\"", json_is_null(ok) ? "skipped" : "failure");
	xml_text(out, member(r, "note"));
	fputs("\">", out);
	xml_text(out, member(r, "trace"));
	fprintf(out, "</%s>\n  </testcase>\n", json_is_null(ok) ? "skipped" : "failure");
}

static void suite_begin(FILE *out, const json_t *results, const char *file)
{
	size_t n, failed, skipped;

	counts(results, file, &n, &failed, &skipped);
	fputs(" <testsuite name=\"", out);
	xml_text(out, file);
	fprintf(out, "\" tests=\"%zu\" failures=\"%zu\" skipped=\"%zu\">\n", n, failed, skipped);
}

static void suite_end(FILE *out, const json_t *covered)
{
	_cleanup_free_ char *text = covered ? coverage_text(covered) : NULL;

	if (text) {
		fputs("  <system-out>", out);
		xml_text(out, text);
		fputs("</system-out>\n", out);
	}
	fputs(" </testsuite>\n", out);
}

/* Files without an expectation, which have no cases. */
static void empty_suites_print(FILE *out, const json_t *results, const json_t *coverage)
{
	const char *file;
	json_t *covered;

	json_object_foreach((json_t *)coverage, file, covered)
	{
		size_t n, failed, skipped;

		counts(results, file, &n, &failed, &skipped);
		if (n)
			continue;
		suite_begin(out, results, file);
		suite_end(out, covered);
	}
}

void junit_print(FILE *out, const json_t *results, const json_t *coverage)
{
	size_t i, n, failed, skipped;
	const char *suite = NULL;
	json_t *r;

	counts(results, NULL, &n, &failed, &skipped);
	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"vpc test\" tests=\"%zu\" failures=\"%zu\" skipped=\"%zu\">\n",
		n, failed, skipped);
	json_array_foreach(results, i, r)
	{
		if (i == 0 || !str_eq(suite, member(r, "file"))) {
			if (i)
				suite_end(out, json_object_get(coverage, suite));
			suite = member(r, "file");
			suite_begin(out, results, suite);
		}
		case_print(out, r);
	}
	if (json_array_size(results))
		suite_end(out, json_object_get(coverage, suite));
	empty_suites_print(out, results, coverage);
	fputs("</testsuites>\n", out);
}
