/* command.c: a `run` line as argv. Pure. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include "model/command.h"
#include "util/mem.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* n characters make at most n / 2 + 1 words and, with their NULs, at most n + 1 bytes of text. */
int command_split(const char *text, char ***ret, struct err *e)
{
	size_t n = strlen(text), words = 0, max = n / 2 + 2;
	char **argv = xmalloc(max * sizeof(char *) + n + 2);
	char *out = (char *)(argv + max);
	bool in_word = false;
	char quote = '\0';

	for (const char *p = text; *p; p++) {
		if (!quote && is_blank(*p)) {
			if (in_word)
				*out++ = '\0';
			in_word = false;
			continue;
		}
		if (!in_word)
			argv[words++] = out;
		in_word = true;
		if (*p == quote) {
			quote = '\0';
		} else if (!quote && (*p == '"' || *p == '\'')) {
			quote = *p;
		} else if (*p == '\\' && quote != '\'') {
			if (!*++p)
				goto trailing;
			*out++ = *p;
		} else {
			*out++ = *p;
		}
	}
	if (quote || !words) {
		free(argv);
		return quote ? err_set(e, -EINVAL, "the quote %c is not closed", quote)
			     : err_set(e, -EINVAL, "the command is empty");
	}
	*out = '\0';
	argv[words] = NULL;
	*ret = argv;
	return 0;
trailing:
	free(argv);
	return err_set(e, -EINVAL, "a backslash stands at the end");
}
