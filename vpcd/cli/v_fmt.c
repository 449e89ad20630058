/* v_fmt.c: vpc fmt: topology files in their canonical form, comments kept. */
#include <string.h>
#include "cli/source.h"
#include "cli/verbs.h"
#include "conf/format.h"
#include "util/mem.h"
#include "util/str.h"

static int file_format(const struct args *a, const char *file);

int fmt_run(const struct args *a)
{
	int worst = 0;

	if (a->check && a->write)
		return fail(EXIT_USAGE, "fmt: --check or --write, not both");
	if (a->n > 1 && !a->check && !a->write)
		return fail(EXIT_USAGE, "fmt prints one file; --write and --check take many");
	for (size_t i = 0; i < a->n; i++) {
		int r = file_format(a, a->words[i]);

		if (r > EXIT_FINDING)
			return r;
		worst = r ? r : worst;
	}
	return worst;
}

static int file_format(const struct args *a, const char *file)
{
	_cleanup_source_ struct source s = { 0 };
	_cleanup_document_ struct document d = { 0 };
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_free_ char *text = NULL;
	bool same;
	int r = source_read(file, &s);

	if (r)
		return r;
	document_init(&d);
	if (document_parse(s.text, s.len, s.file, &d, &diags) < 0) {
		diag_list_print(stderr, &diags);
		return fail(EXIT_BROKEN, "%s has %zu error%s, so it stays as it is", s.file, diags.errors,
			    diags.errors == 1 ? "" : "s");
	}
	text = format_text(s.text, &d);
	same = strlen(text) == s.len && memcmp(text, s.text, s.len) == 0;
	if (a->check) {
		if (!same)
			printf("%s\n", s.file);
		return same ? EXIT_OK : EXIT_FINDING;
	}
	if (!a->write) {
		fputs(text, stdout);
		return 0;
	}
	if (strcmp(file, "-") == 0)
		return fail(EXIT_USAGE, "fmt --write needs a file, not stdin");
	if (same)
		return 0;
	r = rewrite_whole_file(file, text, strlen(text));
	return r < 0 ? fail(EXIT_BROKEN, "%s cannot be written: %s", file, strerror(-r)) : 0;
}
