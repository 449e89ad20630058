/* main.c: vpc: finds the verb, reads its words, runs it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/cli.h"

static void files_hold(void);
static int output_end(int r);
static bool asks_for_help(const struct verb *v, int argc, char **argv);

int main(int argc, char **argv)
{
	const struct verb *v;
	struct args a;
	int r;

	files_hold();
	if (argc < 2) {
		help_print(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		help_print(stdout);
		return output_end(EXIT_OK);
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
		return output_end(EXIT_OK);
	}
	r = args_parse(v, argc - 2, argv + 2, &a);
	if (r)
		return v->rest ? EXIT_EXEC : r;
	r = v->run(&a);
	args_done(&a);
	return output_end(r);
}

/* A standard file that the caller closed stays taken, by something that can neither be read nor written as it
 * should: else the next file that is opened would be stdout, and get the result on top of what it holds. */
static void files_hold(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* What was found is worth nothing when nobody got it. */
static int output_end(int r)
{
	bool failed = ferror(stdout);

	errno = 0;
	if (fflush(stdout) == 0 && !failed)
		return r;
	return fail(EXIT_BROKEN, "the result cannot be written: %s", errno ? strerror(errno) : "stdout takes no more");
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
