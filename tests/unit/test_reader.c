/* test_reader.c: INI text to a document: what is read, what is refused, on which line. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "conf/document.h"
#include "test.h"
#include "util/mem.h"
#include "util/str.h"

struct read {
	struct document d;
	struct diag_list diags;
	int rc;
};

static struct read read_bytes(const char *text, size_t len)
{
	struct read r = { 0 };

	r.rc = document_parse(text, len, "t.ini", &r.d, &r.diags);
	return r;
}

static struct read read_text(const char *text)
{
	return read_bytes(text, strlen(text));
}

static void read_done(struct read *r)
{
	document_done(&r->d);
	diag_list_done(&r->diags);
}
#define _cleanup_read_ __attribute__((cleanup(read_done)))

/* The one finding of a text; *line gets its place. */
static void assert_finding(const char *text, uint32_t line, const char *part)
{
	_cleanup_read_ struct read r = read_text(text);

	if (r.diags.n != 1 || r.diags.v[0].line != line || !strstr(r.diags.v[0].message, part))
		for (size_t i = 0; i < r.diags.n; i++)
			print_message("# line %u: %s\n", r.diags.v[i].line, r.diags.v[i].message);
	assert_int_equal(r.rc, -EINVAL);
	assert_int_equal(r.diags.n, 1);
	assert_int_equal(r.diags.v[0].line, line);
	assert_non_null(strstr(r.diags.v[0].message, part));
}

static void reads_sections_and_entries(void **state)
{
	_cleanup_read_ struct read r = read_text("; head\n# head\n\n[vpc shop] ; the shop\n  cidr = 10.0.0.0/16 \n"
						 "\tcidr=10.1.0.0/16\t; more\n\n[ lab demo ]\n");
	const struct section *s;

	(void)state;
	assert_int_equal(r.rc, 0);
	assert_string_equal(r.d.file, "t.ini");
	assert_int_equal(r.d.n, 2);
	s = &r.d.sections[0];
	assert_string_equal(s->kind, "vpc");
	assert_string_equal(s->name, "shop");
	assert_int_equal(s->loc.line, 4);
	assert_ptr_equal(s->loc.file, r.d.file);
	assert_int_equal(s->origin, ORIGIN_FILE);
	assert_int_equal(s->n, 2);
	assert_string_equal(s->entries[0].key, "cidr");
	assert_string_equal(s->entries[0].value, "10.0.0.0/16");
	assert_null(s->entries[0].note);
	assert_int_equal(s->entries[0].loc.line, 5);
	assert_string_equal(s->entries[1].value, "10.1.0.0/16");
	assert_string_equal(s->entries[1].note, "more");
	assert_int_equal(s->entries[1].loc.line, 6);
	assert_string_equal(r.d.sections[1].name, "demo");
	assert_int_equal(r.d.sections[1].n, 0);
}

static void accepts_bom_and_crlf(void **state)
{
	_cleanup_read_ struct read r = read_text("\xef\xbb\xbf[vpc v]\r\ncidr = 10.0.0.0/16 ; x\r\n");

	(void)state;
	assert_int_equal(r.rc, 0);
	assert_string_equal(r.d.sections[0].entries[0].value, "10.0.0.0/16");
	assert_string_equal(r.d.sections[0].entries[0].note, "x");
}

static void reads_the_last_line_without_newline(void **state)
{
	_cleanup_read_ struct read r = read_text("[vpc v]\ncidr = 10.0.0.0/16");

	(void)state;
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.d.sections[0].n, 1);
}

static void reads_nothing(void **state)
{
	_cleanup_read_ struct read r = read_text("");
	_cleanup_read_ struct read s = read_text("\n ; x\n\n");

	(void)state;
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.d.n, 0);
	assert_int_equal(s.rc, 0);
	assert_int_equal(s.d.n, 0);
}

/* inih cuts lines at 199 bytes; values of any length up to the limit must come out whole. */
static void keeps_long_values(void **state)
{
	static const size_t lengths[] = { 1,   150, 180, 190, 191, 192, 193, 194, 195,
					  196, 197, 198, 199, 200, 201, 400, 4000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		static const char letters[] = "abc ; [k] =: # \\x";
		_cleanup_free_ char *value = xcalloc(lengths[i] + 1, 1), *text = NULL;

		for (size_t j = 0; j < lengths[i]; j++)
			value[j] = letters[j % (sizeof(letters) - 1)];
		value[lengths[i] - 1] = 'z'; /* a blank at the end would be trimmed */
		text = xasprintf("[instance i]\nsubnet = s\nrun = %s\n", value);
		_cleanup_read_ struct read r = read_text(text);

		assert_int_equal(r.rc, 0);
		assert_int_equal(r.d.sections[0].n, 2);
		assert_string_equal(r.d.sections[0].entries[1].value, value);
	}
}

static void cuts_comments_but_not_in_commands(void **state)
{
	_cleanup_read_ struct read r =
		read_text("[security-group g]\nvpc = v\ninbound = tcp 80 from 0.0.0.0/0 ; web; all\n"
			  "inbound = tcp 81 from 0.0.0.0/0;x\n"
			  "[instance i]\nsubnet = s\nrun = sh -c 'a ; b' ; c\n");

	(void)state;
	assert_string_equal(r.d.sections[0].entries[1].value, "tcp 80 from 0.0.0.0/0");
	assert_string_equal(r.d.sections[0].entries[1].note, "web; all");
	/* No blank before it: it belongs to the value, as inih has it, and is then no rule. */
	assert_string_equal(r.d.sections[0].entries[2].value, "tcp 81 from 0.0.0.0/0;x");
	assert_string_equal(r.d.sections[1].entries[1].value, "sh -c 'a ; b' ; c");
	assert_null(r.d.sections[1].entries[1].note);
	assert_int_equal(r.diags.n, 1);
	assert_int_equal(r.diags.v[0].line, 4);
}

static void indented_lines_are_lines(void **state)
{
	_cleanup_read_ struct read r = read_text("[vpc v]\n    cidr = 10.0.0.0/16\n        cidr = 10.1.0.0/16\n");

	(void)state;
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.d.sections[0].n, 2);
}

static void keeps_equals_and_colons_in_values(void **state)
{
	_cleanup_read_ struct read r = read_text("[lab x]\nquotas = groups-per-eni=16\n[security-group g]\nvpc = v\n"
						 "inbound = tcp 80 from sg:web\n");

	(void)state;
	assert_int_equal(r.rc, 0);
	assert_string_equal(r.d.sections[0].entries[0].value, "groups-per-eni=16");
	assert_string_equal(r.d.sections[1].entries[1].value, "tcp 80 from sg:web");
}

static void keeps_names_beyond_49_bytes_apart(void **state)
{
	_cleanup_read_ struct read r =
		read_text("[instance aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1]\nsubnet = s\n"
			  "[instance aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2]\nsubnet = t\n");

	(void)state;
	assert_int_equal(r.rc, -EINVAL); /* no legal names, but two sections */
	assert_int_equal(r.d.n, 2);
	assert_string_equal(r.d.sections[0].entries[0].value, "s");
	assert_string_equal(r.d.sections[1].entries[0].value, "t");
}

static void says_where(void **state)
{
	(void)state;
	assert_finding("[vpc v]\ncidr = 10.0.0.0/16\nfoo\n", 3, "\"foo\" has no =");
	assert_finding("[vpc v]\ncidr: 10.0.0.0/16\n", 2, "followed by :");
	assert_finding("cidr = 10.0.0.0/16\nb = 2\n", 1, "before the first section");
	assert_finding("[vpc v]\ncidr = 10.0.0.0/16\n[vpc v]\ncidr = 10.1.0.0/16\n", 3, "here and on line 1");
	assert_finding("[vpc v]\ncidr = 10.0.0.0/16\n[lab a]\nclock = 2x\nclock = 3x\n", 5, "here and on line 4");
	assert_finding("[lab a]\n[lab b]\n", 2, "given twice");
	assert_finding("[vpc v]\ncidr = 10.0.0.0/16\nzidr = 10.1.0.0/16\n", 3, "no key \"zidr\"");
	assert_finding("[vpcs v]\ncidr = 10.0.0.0/16\n", 1, "no kind \"vpcs\"");
	assert_finding("[vpc v]\ncidr = 10.0.0.0/16\n\x80 = 1\n", 3, "not UTF-8");
	assert_finding("[vpc v\ncidr = 10.0.0.0/16\n", 1, "] of \"[vpc v\" is missing");
	assert_finding("[vpc v] x\ncidr = 10.0.0.0/16\n", 1, "stands behind the header");
	assert_finding("[vpc v w]\ncidr = 10.0.0.0/16\n", 1, "a kind and one name");
	assert_finding("[vpc v]\ncidr =\n", 2, "no value");
	assert_finding("[vpc v]\ncidr = ; nothing\n", 2, "no value");
	assert_finding("[vpc v]\nci dr = 10.0.0.0/16\n", 2, "is no key");
}

static void reports_all_in_one_run(void **state)
{
	_cleanup_read_ struct read r = read_text("[vpc a\n[vpc b]\nx\n[vpcc c]\n[vpc Dd]\ncidr = 10.0.0.0/40\n");

	(void)state;
	assert_int_equal(r.rc, -EINVAL);
	assert_int_equal(r.diags.errors, 6);
}

static void refuses_bytes_that_are_no_text(void **state)
{
	static const char nul[] = "[vpc v]\ncidr = 10.0.0.0/16\n\0\n";
	_cleanup_read_ struct read r = read_bytes(nul, sizeof(nul) - 1);
	_cleanup_read_ struct read u = read_bytes("\xff\xfe[\0v\0", 6);
	_cleanup_read_ struct read g = read_bytes("\x1f\x8b\x08\x00\x00\x00", 6);

	(void)state;
	assert_int_equal(r.rc, -EINVAL);
	assert_int_equal(r.diags.v[0].line, 3);
	assert_int_equal(u.rc, -EINVAL);
	assert_non_null(strstr(u.diags.v[0].message, "UTF-16"));
	assert_int_equal(g.rc, -EINVAL);
	/* Overlong forms and surrogates are not UTF-8; real characters are. */
	assert_finding("[vpc v]\ncidr = 10.0.0.0/16 ; \xc0\xaf\n[vpc w]\ncidr = 10.0.0.0/16\n", 2, "not UTF-8");
	assert_finding("[vpc v]\ncidr = 10.0.0.0/16 ; \xed\xa0\x80\n", 2, "not UTF-8");
	_cleanup_read_ struct read k = read_text("[vpc v]\ncidr = 10.0.0.0/16 ; \xed\x95\x9c\xea\xb5\xad\n");

	assert_int_equal(k.rc, 0);
}

/* They are those of the whole, also where lines are broken. */
static void headers_alone(void **state)
{
	static const char text[] =
		"\xef\xbb\xbfx = 1\n \t[vpc a]\r\ncidr = [vpc b]\n[lab one] junk\n[vpc]\n[]\n[vpc d\n"
		"[vpc e f]\n[vpc \x01]\n;[vpc g]\n\n\n[vpc \xff]\n=\n[\xc3\xa9 h];\n [ lab  two ] # x\n[vpc i]";
	_cleanup_read_ struct read whole = read_text(text);
	_cleanup_document_ struct document d = { 0 };

	(void)state;
	document_parse_headers(text, strlen(text), "t.ini", &d);
	assert_int_equal(d.n, whole.d.n);
	assert_int_equal(d.n, 7);
	for (size_t i = 0; i < d.n; i++) {
		assert_string_equal(d.sections[i].kind, whole.d.sections[i].kind);
		assert_string_equal(d.sections[i].name, whole.d.sections[i].name);
		assert_int_equal(d.sections[i].loc.line, whole.d.sections[i].loc.line);
		assert_int_equal(d.sections[i].n, 0);
	}
	assert_string_equal(d.sections[5].name, "two");
	assert_int_equal(d.sections[5].loc.line, 16);
	document_done(&d);
	document_parse_headers("\xff\xfe[", 3, "t.ini", &d);
	assert_int_equal(d.n, 0);
}

/* What messages quote is cut at a length in bytes, never through a character. */
static void messages_are_utf8(void **state)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };

	(void)state;
	strbuf_adds(&b, "[vpc v]\ncidr = 10.0.0.0/16\na");
	for (int i = 0; i < 100; i++)
		strbuf_adds(&b, "\xed\x95\x9c");
	_cleanup_read_ struct read r = read_bytes(b.s, b.n);

	assert_int_equal(r.diags.n, 1);
	assert_null(strstr(r.diags.v[0].message, "\xed\"")); /* "…cut" */
	assert_non_null(strchr(r.diags.v[0].message, '?'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_sections_and_entries),
		cmocka_unit_test(accepts_bom_and_crlf),
		cmocka_unit_test(reads_the_last_line_without_newline),
		cmocka_unit_test(reads_nothing),
		cmocka_unit_test(keeps_long_values),
		cmocka_unit_test(cuts_comments_but_not_in_commands),
		cmocka_unit_test(indented_lines_are_lines),
		cmocka_unit_test(keeps_equals_and_colons_in_values),
		cmocka_unit_test(keeps_names_beyond_49_bytes_apart),
		cmocka_unit_test(says_where),
		cmocka_unit_test(reports_all_in_one_run),
		cmocka_unit_test(refuses_bytes_that_are_no_text),
		cmocka_unit_test(headers_alone),
		cmocka_unit_test(messages_are_utf8),
	};

	return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}
