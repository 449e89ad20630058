/* main.c: vpc: finds the verb, reads its words, runs it. */
#include <stdlib.h>
#include <string.h>
#include "cli/cli.h"

static bool asks_for_help(const struct verb *v, int argc, char **argv);

int main(int argc, char **argv)
{
	const struct verb *v;
	struct args a;
	int r;

	if (argc < 2) {
		help_print(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		help_print(stdout);
		return EXIT_OK;
	}
	v = verb_find(strcmp(argv[1], "--version") == 0 ? "version" : argv[1]);
	if (!v) {
		const char *near = verb_nearest(argv[1]);

		if (near)
			return fail(EXIT_USAGE, "there is no verb \"%s\"; did you mean vpc %s?", argv[1], near);
		return fail(EXIT_USAGE, "there is no verb \"%s\"; vpc help lists them", argv[1]);
	}
	if (asks_for_help(v, argc - 2, argv + 2)) {
		help_verb(stdout, v);
		return EXIT_OK;
	}
	r = args_parse(v, argc - 2, argv + 2, &a);
	if (r)
		return v->rest ? EXIT_EXEC : r;
	r = v->run(&a);
	args_done(&a);
	if (fflush(stdout) != 0 && r == EXIT_OK)
		r = EXIT_BROKEN;
	return r;
}

/* What stands behind the command of exec is the command's. */
static bool asks_for_help(const struct verb *v, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
		if (strcmp(argv[i], "--") == 0 || (v->rest && i > 0))
			return false;
	}
	return false;
}
