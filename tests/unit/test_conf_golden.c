/* test_conf_golden.c: one mistake a file in tests/golden/conf/, its messages beside it; the shipped
 * topologies, which must be clean; and what was mangled at random, which must never crash.
 * UPDATE_GOLDEN=1 writes the .out files anew. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "conf/build.h"
#include "model/keymap.h"
#include "test.h"
#include "util/mem.h"
#include "util/str.h"

#define GOLDEN "tests/golden/conf"
enum { GOLDEN_MIN = 100, FILE_MAX = 1 << 20, MANGLED = 2500 };

static char *validate(const char *text, size_t len, const char *name, int *rc)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	struct strbuf out = { 0 };
	struct model *m = NULL;

	*rc = model_from_text(text, len, name, &m, &diags);
	assert_true(*rc == 0 ? m != NULL && diags.errors == 0 : m == NULL && diags.errors > 0);
	for (size_t i = 0; i < diags.n; i++) {
		_cleanup_free_ char *line = diag_format(&diags.v[i]);

		assert_true(diags.v[i].code[0] && diags.v[i].message[0]);
		strbuf_addf(&out, "%s [%s]\n", line, diags.v[i].code);
	}
	model_free(&m);
	return strbuf_take(&out);
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n > m && strcmp(s + n - m, end) == 0;
}

static int is_ini(const struct dirent *d)
{
	return ends_with(d->d_name, ".ini");
}

/* A diff of the simplest kind: what is wanted, what came. */
static bool check_golden(const char *name)
{
	_cleanup_free_ char *path = xasprintf(GOLDEN "/%s", name), *out_path = xasprintf(GOLDEN "/%s", name);
	_cleanup_free_ char *text = NULL, *want = NULL, *got = NULL;
	size_t len;
	int rc;

	strcpy(out_path + strlen(out_path) - 4, ".out");
	assert_int_equal(read_whole_file(path, FILE_MAX, &text, &len), 0);
	got = validate(text, len, name, &rc);
	if (getenv("UPDATE_GOLDEN"))
		assert_int_equal(write_whole_file(out_path, got, strlen(got), 0644), 0);
	if (read_whole_file(out_path, FILE_MAX, &want, NULL) < 0)
		want = xstrdup("(no file)\n");
	if (strcmp(want, got) == 0 && *got)
		return true;
	print_message("# %s\n# wanted:\n%s# came:\n%s", path, want, got);
	return false;
}

static void mistakes_are_reported(void **state)
{
	struct dirent **names;
	int n = scandir(GOLDEN, &names, is_ini, alphasort), bad = 0;

	(void)state;
	assert_true(n >= GOLDEN_MIN);
	for (int i = 0; i < n; i++) {
		if (!check_golden(names[i]->d_name))
			bad++;
		free(names[i]);
	}
	free(names);
	assert_int_equal(bad, 0);
}

static void topologies_are_clean(void **state)
{
	struct dirent **names;
	int n = scandir("topologies", &names, is_ini, alphasort), bad = 0;

	(void)state;
	assert_true(n >= 3);
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *path = xasprintf("topologies/%s", names[i]->d_name), *text = NULL, *got = NULL;
		size_t len;
		int rc;

		assert_int_equal(read_whole_file(path, FILE_MAX, &text, &len), 0);
		got = validate(text, len, path, &rc);
		if (rc != 0 || *got) {
			print_message("# %s:\n%s", path, got);
			bad++;
		}
		free(names[i]);
	}
	free(names);
	assert_int_equal(bad, 0);
}

/* A file cut short anywhere is judged, and only the whole one is clean for sure. */
static void truncated_files_do_not_crash(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	(void)state;
	assert_int_equal(read_whole_file("topologies/design-example.ini", FILE_MAX, &text, &len), 0);
	for (size_t n = 0; n <= len; n++) {
		/* A copy of its own, so that one byte too far is seen. */
		_cleanup_free_ char *cut = xmemdup(text, n), *out = NULL;
		int rc;

		out = validate(cut, n, "x.ini", &rc);
		assert_true(n < len || rc == 0);
	}
}

static uint64_t next_random(uint64_t *seed)
{
	*seed += 1;
	return keymap_hash(0, seed, sizeof(*seed));
}

/* Lines doubled, dropped, moved and joined; bytes changed; words of the language put anywhere. */
static void mangle(struct strbuf *b, uint64_t *seed)
{
	static const char *const words[] = {
		"default",
		"none",
		"auto",
		"all",
		"sg:web",
		"pl:offices",
		"via",
		"local",
		"0.0.0.0/0",
		"10.0.0.0/8",
		"::/0",
		"[vpc shop]\n",
		"[instance x]\n",
		"[",
		"]",
		"=",
		";",
		" ;",
		"\n",
		"\r\n",
		"\t",
		"\0x",
		"\xff",
		"->",
		"@",
		":",
		"off",
		"-1",
		"99999999999",
		"255.255.255.255",
		"main = yes\n",
		"cidr = 10.0.0.0/28\n",
	};

	for (uint64_t k = next_random(seed) % 6; b->n && k-- > 0;) {
		size_t at = next_random(seed) % b->n, to = next_random(seed) % b->n, len = next_random(seed) % 60;
		_cleanup_free_ char *copy = xmemdup(b->s, b->n);
		const char *word = words[next_random(seed) % ARRAY_SIZE(words)];
		size_t n = b->n;

		if (at + len > n)
			len = n - at;
		switch (next_random(seed) % 4) {
		case 0: b->s[at] = (char)next_random(seed); break;
		case 1:
			b->n = at;
			strbuf_add(b, copy + at + len, n - at - len);
			break;
		case 2:
			b->n = to;
			strbuf_add(b, copy + at, len);
			strbuf_add(b, copy + to, n - to);
			break;
		default:
			b->n = at;
			strbuf_add(b, word, strlen(word));
			strbuf_add(b, copy + at, n - at);
			break;
		}
	}
}

static void mangled_files_do_not_crash(void **state)
{
	static const char *const files[] = { "topologies/design-example.ini", "topologies/two-vpcs.ini",
					     GOLDEN "/rule-quota.ini", GOLDEN "/route-inside-not-subnet.ini" };
	uint64_t seed = 2;

	(void)state;
	for (int i = 0; i < MANGLED; i++) {
		_cleanup_strbuf_ struct strbuf b = { 0 };
		_cleanup_free_ char *text = NULL, *bytes = NULL, *out = NULL, *once = NULL, *twice = NULL;
		_cleanup_document_ struct document d = { 0 }, e = { 0 };
		_cleanup_diag_list_ struct diag_list diags = { 0 };
		size_t len;
		int rc;

		assert_int_equal(read_whole_file(files[i % ARRAY_SIZE(files)], FILE_MAX, &text, &len), 0);
		strbuf_add(&b, text, len);
		mangle(&b, &seed);
		bytes = xmemdup(b.s, b.n);
		out = validate(bytes, b.n, "x.ini", &rc);
		/* What was read can be written, saved and read again. */
		if (document_parse(bytes, b.n, "x.ini", &d, &diags) < 0)
			continue;
		once = document_format(&d);
		assert_int_equal(document_parse(once, strlen(once), "x.ini", &e, &diags), 0);
		twice = document_format(&e);
		assert_string_equal(once, twice);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_are_reported),
		cmocka_unit_test(topologies_are_clean),
		cmocka_unit_test(truncated_files_do_not_crash),
		cmocka_unit_test(mangled_files_do_not_crash),
	};

	return cmocka_run_group_tests_name("conf golden", tests, NULL, NULL);
}
