/* man.c: the parts of the man pages that the tables know: verbs and options of vpc(1), kinds and keys of
 * vpc.ini(5). `docs/man` puts them between the hand-written parts of the pages. */
#include <string.h>
#include "cli/cli.h"
#include "conf/schema.h"
#include "util/mem.h"
#include "util/str.h"

static void vpc_print(void);
static void ini_print(void);
static void verb_print(const struct verb *v);
static void text_print(const char *text);
static void terms_print(const struct verb *v);
static void option_print(enum option_id id);
static void plain(const char *text, size_t n);
static void words(const char *text);
static void line_begin(const char *text);

bool man_print(const char *page)
{
	static const struct {
		const char *page;
		void (*print)(void);
	} pages[] = { { "vpc.1", vpc_print }, { "vpc.ini.5", ini_print } };

	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		if (strcmp(pages[i].page, page) != 0)
			continue;
		pages[i].print();
		return true;
	}
	return false;
}

static void vpc_print(void)
{
	printf(".SH VERBS\n");
	for (size_t i = 0; i < n_verbs; i++)
		verb_print(&verbs[i]);
	printf(".SH OPTIONS\nWhich verb takes which is said there.\n");
	for (enum option_id id = 0; id < OPTION_MAX; id++) {
		printf(".TP\n");
		option_print(id);
		printf("\n");
		line_begin(option_rows[id].help);
		words(option_rows[id].help);
		printf(".\n");
	}
}

static void verb_print(const struct verb *v)
{
	static const char *const needs[] = {
		[NEEDS_NOTHING] = NULL, [NEEDS_DAEMON] = "Asks the daemon.", [NEEDS_ROOT] = "Needs root."
	};
	const char *sep = "";

	printf(".SS \"vpc %s%s", v->name, *v->usage ? " " : "");
	words(v->usage);
	printf("\"\n");
	words(v->line);
	printf(".\n");
	if (needs[v->need])
		printf("%s\n", needs[v->need]);
	if (v->text)
		text_print(v->text);
	if (v->terms.get)
		terms_print(v);
	printf(".PP\nOptions: ");
	for (enum option_id id = 0; id < OPTION_MAX; id++) {
		if (id != OPTION_HELP && !(v->options & (1ull << id)))
			continue;
		fputs(sep, stdout);
		sep = ", ";
		if (id != OPTION_OUTPUT) {
			option_print(id);
			continue;
		}
		printf("\\fB\\-o\\fR ");
		for (enum output o = 0, n = 0; o < OUTPUT_MAX; o++)
			if (v->outputs & (1u << o))
				printf("%s%s", n++ ? "|" : "", output_name(o));
	}
	printf(".\n");
}

/* Lines that begin with two blanks are examples. */
static void text_print(const char *text)
{
	bool example = false;

	printf(".PP\n");
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, "\n");
		bool is_example = n > 2 && p[0] == ' ' && p[1] == ' ';

		if (is_example != example)
			printf(is_example ? ".PP\n.EX\n" : ".EE\n.PP\n");
		example = is_example;
		if (n)
			line_begin(p);
		if (n)
			plain(p, n);
		else if (p[1] && p[1] != ' ')
			printf(".PP");
		if (n || (p[1] && p[1] != ' '))
			putchar('\n');
		p += n + (p[n] == '\n');
	}
	if (example)
		printf(".EE\n");
}

static void terms_print(const struct verb *v)
{
	struct verb_term t;

	printf(".PP\n%s:\n", v->terms.title);
	for (size_t i = 0; v->terms.get(i, &t); i++) {
		printf(".TP\n\\fB");
		words(t.word);
		printf("\\fR\n");
		line_begin(t.text);
		words(t.text);
		if (t.more) {
			printf(" (");
			words(t.more);
			printf(")");
		}
		printf(".\n");
	}
}

static void option_print(enum option_id id)
{
	const struct option_row *row = &option_rows[id];

	printf("\\fB");
	words(row->name);
	printf("\\fR");
	if (row->value)
		printf(" \\fI%s\\fR", row->value);
}

static void ini_print(void)
{
	printf(".SH SECTIONS\n");
	for (size_t i = 0; i < n_schema_kinds; i++) {
		const struct schema_kind *kind = &schema_kinds[i];

		printf(".SS \"[%s%s]\"\n", obj_kind_name(kind->kind), kind->name_optional ? "" : " NAME");
		line_begin(kind->help);
		words(kind->help);
		printf(".\n");
		for (const struct schema_key *key = kind->keys; key->name; key++) {
			printf(".TP\n\\fB");
			words(key->name);
			printf("\\fR%s%s%s\n", key->required ? " (required)" : "",
			       key->shape == KEY_LINES   ? " (may be repeated)"
			       : key->shape == KEY_WORDS ? " (a list of words; may be repeated)"
							 : "",
			       key->type == VALUE_LATER ? " (not available yet: it is refused)" : "");
			line_begin(key->help);
			words(key->help);
			printf(".\n");
		}
	}
}

/* A line that begins with one of these would be a request to the formatter. */
static void line_begin(const char *text)
{
	if (*text == '.' || *text == '\'')
		printf("\\&");
}

static void words(const char *text)
{
	plain(text, strlen(text));
}

/* As it stands: roff would make a typographic hyphen of -, and takes \ and " for its own. */
static void plain(const char *text, size_t n)
{
	for (; n; n--, text++) {
		if (*text == '-')
			printf("\\-");
		else if (*text == '\\')
			printf("\\e");
		else if (*text == '"')
			printf("\\(dq");
		else
			putchar(*text);
	}
}
