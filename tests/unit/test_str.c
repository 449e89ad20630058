/* test_str.c: the growing string, text helpers, whole files. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "test.h"
#include "util/mem.h"
#include "util/str.h"

static void strbuf_speaks_json(void **state)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };

	(void)state;
	strbuf_add_json(&b, "");
	strbuf_add_json(&b, "\"a\\b\"\n\x01 \xed\x95\x9c/");
	assert_string_equal(b.s, "\"\"\"\\\"a\\\\b\\\"\\u000a\\u0001 \xed\x95\x9c/\"");
}

/* RFC 8259, 7: each byte, at each place of a text of some words of eight bytes. */
static void json_escapes_each_byte_anywhere(void **state)
{
	(void)state;
	for (unsigned c = 1; c <= UINT8_MAX; c++) {
		for (size_t at = 0; at < 20; at++) {
			char text[21] = "abcdefgh\x7f \xff!#[]~klmn", want[32], escaped[8];
			_cleanup_strbuf_ struct strbuf b = { 0 };

			text[at] = (char)c;
			if (c < ' ')
				snprintf(escaped, sizeof(escaped), "\\u%04x", c);
			else
				snprintf(escaped, sizeof(escaped), "%s%c", c == '"' || c == '\\' ? "\\" : "", c);
			snprintf(want, sizeof(want), "\"%.*s%s%s\"", (int)at, text, escaped, text + at + 1);
			strbuf_add_json(&b, text);
			assert_string_equal(b.s, want);
			assert_int_equal(b.n, strlen(want));
		}
	}
}

static void strbuf_grows(void **state)
{
	struct strbuf b;
	char *s;

	(void)state;
	strbuf_init(&b);
	assert_null(b.s);
	s = strbuf_take(&b);
	assert_string_equal(s, "");
	free(s);
	strbuf_add(&b, NULL, 0);
	assert_string_equal(b.s, "");
	for (int i = 0; i < 1000; i++) {
		strbuf_addf(&b, "%d,", i % 10);
		assert_int_equal(b.s[b.n], '\0');
		assert_int_equal(b.n, strlen(b.s));
	}
	strbuf_add(&b, "x\0y", 3);
	assert_int_equal(b.n, 2003);
	strbuf_adds(&b, "z");
	s = strbuf_take(&b);
	assert_null(b.s);
	assert_memory_equal(s + 1998, "9,x\0yz", 7);
	free(s);
	strbuf_done(&b);
}

static void copies_what_has_room(void **state)
{
	char to[4];

	(void)state;
	assert_int_equal(str_copy(to, sizeof(to), ""), 0);
	assert_string_equal(to, "");
	assert_int_equal(str_copy(to, sizeof(to), "abc"), 3);
	assert_string_equal(to, "abc");
	assert_int_equal(str_copy(to, sizeof(to), "abcd"), 4);
	assert_string_equal(to, "abc");
	assert_int_equal(str_copy(to, 1, "x"), 1);
	assert_string_equal(to, "");
}

static void joins(void **state)
{
	_cleanup_free_ char *s = str_join("vpc", '/', "shop"), *empty = str_join("", ' ', "");

	(void)state;
	assert_string_equal(s, "vpc/shop");
	assert_string_equal(empty, " ");
}

static void words(void **state)
{
	char text[] = "  allow \t tcp\r\n443  ", none[] = " \t", empty[] = "";
	char *p = text;

	(void)state;
	assert_string_equal(str_word(&p), "allow");
	assert_string_equal(str_word(&p), "tcp");
	assert_string_equal(str_word(&p), "443");
	assert_null(str_word(&p));
	assert_null(str_word(&p));
	p = none;
	assert_null(str_word(&p));
	p = empty;
	assert_null(str_word(&p));
}

static void trims(void **state)
{
	static const char *const cases[][2] = {
		{ "", "" }, { " ", "" }, { "\t \r\n", "" }, { "a", "a" }, { "  a b ", "a b" }, { "a\n", "a" },
	};
	char buf[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(buf, sizeof(buf), "%s", cases[i][0]);
		assert_string_equal(str_trim(buf), cases[i][1]);
	}
	assert_true(str_eq(NULL, NULL));
	assert_false(str_eq("", NULL));
	assert_false(str_eq(NULL, ""));
	assert_true(str_eq("a", "a"));
	assert_false(str_eq("a", "b"));
}

static void numbers(void **state)
{
	static const struct {
		const char *s;
		uint32_t min, max;
		int want;
		uint32_t value;
	} cases[] = {
		{ "0", 0, 65535, 0, 0 },
		{ "65535", 0, 65535, 0, 65535 },
		{ "65536", 0, 65535, -ERANGE, 7 },
		{ "0", 1, 32766, -ERANGE, 7 },
		{ "007", 0, 10, 0, 7 },
		{ "4294967295", 0, UINT32_MAX, 0, UINT32_MAX },
		{ "4294967296", 0, UINT32_MAX, -ERANGE, 7 },
		{ "18446744073709551617", 0, UINT32_MAX, -ERANGE, 7 },
		{ "99999999999999999999999999999999", 0, UINT32_MAX, -ERANGE, 7 },
		{ "99999999999999999999999999999999x", 0, UINT32_MAX, -EINVAL, 7 },
		{ "", 0, 10, -EINVAL, 7 },
		{ "-1", 0, 10, -EINVAL, 7 },
		{ "+1", 0, 10, -EINVAL, 7 },
		{ " 1", 0, 10, -EINVAL, 7 },
		{ "1 ", 0, 10, -EINVAL, 7 },
		{ "0x1", 0, 10, -EINVAL, 7 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t v = 7;

		assert_int_equal(str_to_u32(cases[i].s, cases[i].min, cases[i].max, &v), cases[i].want);
		assert_int_equal(v, cases[i].value);
	}
}

static void names(void **state)
{
	static const char *const good[] = { "a", "0", "web-1", "a-", "a--b", "12345678901234567890123456789012" };
	static const char *const bad[] = {
		"", "-", "-a", "A", "web_1", "a.b", "a b", "a/b", "a\n", "\xc3\xa9", "123456789012345678901234567890123"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(str_is_name(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(str_is_name(bad[i]));
	/* Every single byte, alone and second. */
	for (int c = 1; c < 256; c++) {
		char one[] = { (char)c, 0 }, two[] = { 'a', (char)c, 0 };
		bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		assert_int_equal(str_is_name(one), alnum);
		assert_int_equal(str_is_name(two), alnum || c == '-');
	}
}

static void nearest(void **state)
{
	static const char *const keys[] = { "vpc", "subnet", "route-table", "security-group", "nacl", "nat-gateway" };
	static const struct {
		const char *s, *want;
	} cases[] = {
		{ "subent", "subnet" }, { "subnets", "subnet" },
		{ "vcp", "vpc" },       { "securty-group", "security-group" },
		{ "nalc", "nacl" },     { "routetable", "route-table" },
		{ "nat", NULL },        { "zebra", NULL },
		{ "", NULL },           { "x", NULL },
		{ "vpc", "vpc" },
	};
	char longest[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *got = str_nearest(cases[i].s, keys, ARRAY_SIZE(keys));

		if (!str_eq(got, cases[i].want))
			fail_msg("\"%s\": %s", cases[i].s, got ? got : "nothing");
	}
	assert_null(str_nearest("vpc", NULL, 0));
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_null(str_nearest(longest, keys, ARRAY_SIZE(keys)));
	const char *const too_long[] = { longest };
	assert_null(str_nearest("a", too_long, 1));
}

static void whole_files(void **state)
{
	char dir[] = "/tmp/vpcd-test-str.XXXXXX";
	_cleanup_free_ char *path = NULL, *text = NULL, *link = NULL;
	struct stat st;
	size_t n, entries = 0;
	DIR *d;

	(void)state;
	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s/state", dir);
	assert_int_equal(read_whole_file(path, 100, &text, &n), -ENOENT);
	assert_null(text);
	assert_int_equal(write_whole_file(path, "first version", 13, 0600), 0);
	assert_int_equal(write_whole_file(path, "a\0b", 3, 0640), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(read_whole_file(path, 3, &text, &n), 0);
	assert_int_equal(n, 3);
	assert_memory_equal(text, "a\0b", 4);
	free(TAKE_PTR(text));
	assert_int_equal(read_whole_file(path, 2, &text, &n), -EFBIG);
	assert_null(text);
	assert_int_equal(read_whole_file(path, SIZE_MAX, &text, NULL), 0);
	free(TAKE_PTR(text));
	assert_int_equal(chmod(path, 0604), 0);
	link = xasprintf("%s/link", dir);
	assert_int_equal(symlink("state", link), 0);
	assert_int_equal(rewrite_whole_file(link, "new", 3), 0);
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0604);
	assert_int_equal(read_whole_file(path, 3, &text, NULL), 0);
	assert_string_equal(text, "new");
	free(TAKE_PTR(text));
	assert_int_equal(unlink(link), 0);
	assert_int_equal(rewrite_whole_file(link, "", 0), -ENOENT);
	assert_int_equal(rewrite_whole_file("/dev/null", "", 0), -EINVAL);
	assert_true(write_whole_file("/nonexistent/x", "", 0, 0600) == -ENOENT);
	/* Renaming over a folder fails; the temporary file must not stay. */
	assert_int_equal(write_whole_file(dir, "", 0, 0600), -EISDIR);
	d = opendir(dir);
	while (readdir(d))
		entries++;
	closedir(d);
	assert_int_equal(entries, 3);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

/* More than one read step, and limits at its edges. */
static void big_files(void **state)
{
	static const size_t sizes[] = { 0, 1, 16383, 16384, 16385, 100000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		FILE *f = tmpfile();
		char *text = NULL;
		size_t n;

		for (size_t j = 0; j < sizes[i]; j++)
			fputc((int)(j % 251), f);
		fflush(f);
		rewind(f);
		assert_int_equal(read_whole_fd(fileno(f), sizes[i], &text, &n), 0);
		assert_int_equal(n, sizes[i]);
		for (size_t j = 0; j < n; j++)
			assert_int_equal((unsigned char)text[j], j % 251);
		assert_int_equal(text[n], '\0');
		free(TAKE_PTR(text));
		rewind(f);
		if (sizes[i])
			assert_int_equal(read_whole_fd(fileno(f), sizes[i] - 1, &text, &n), -EFBIG);
		fclose(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strbuf_grows),
		cmocka_unit_test(strbuf_speaks_json),
		cmocka_unit_test(json_escapes_each_byte_anywhere),
		cmocka_unit_test(copies_what_has_room),
		cmocka_unit_test(joins),
		cmocka_unit_test(words),
		cmocka_unit_test(trims),
		cmocka_unit_test(numbers),
		cmocka_unit_test(names),
		cmocka_unit_test(nearest),
		cmocka_unit_test(whole_files),
		cmocka_unit_test(big_files),
	};

	return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
