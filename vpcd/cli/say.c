/* say.c: how vpc talks: one sentence for what went wrong, colours, where the daemon lives. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/cli.h"
#include "conf/entry.h"
#include "util/mem.h"

enum { MESSAGE_MAX = 1500 };

static void say(const char *fmt, va_list ap);
static const char *dir_of(const char *variable, const char *usual);

int fail(enum exit_code code, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "%svpc:%s ", style_on(stderr, STYLE_BAD), style_off(stderr, STYLE_BAD));
	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	return code;
}

/* What it quotes may be anybody's: no control character reaches the terminal, and it is one line that has an end. */
static void say(const char *fmt, va_list ap)
{
	char text[MESSAGE_MAX];
	size_t left;

	if ((size_t)vsnprintf(text, sizeof(text), fmt, ap) >= sizeof(text))
		strcpy(text + sizeof(text) - 4, "...");
	entry_clean_text(text);
	left = strlen(text);
	for (size_t i = 0, n; i < left; i += n) {
		n = entry_utf8_len(text + i, left - i);
		if (entry_is_control(text + i, n))
			fputc('?', stderr);
		else
			fwrite(text + i, 1, n, stderr);
	}
	fputc('\n', stderr);
}

int fail_err(enum exit_code code, const struct err *e)
{
	if (e->loc.line)
		return fail(code, "%s:%u: %s", e->loc.file, e->loc.line, e->msg);
	return fail(code, "%s", e->msg);
}

void warn_line(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "%snote:%s ", style_on(stderr, STYLE_WARN), style_off(stderr, STYLE_WARN));
	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

void diag_list_print(FILE *out, const struct diag_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		_cleanup_free_ char *line = diag_format(&l->v[i]);

		fprintf(out, "%s\n", line);
	}
}

const char *run_dir(void)
{
	return dir_of("VPCD_RUN_DIR", "/run/vpcd");
}

const char *state_dir(void)
{
	return dir_of("VPCD_STATE_DIR", "/var/lib/vpcd");
}

const char *bpf_dir(void)
{
	return dir_of("VPCD_BPF_DIR", "/sys/fs/bpf/vpcd");
}

bool style_wanted(FILE *out)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return !(no && *no) && !(term && strcmp(term, "dumb") == 0) && isatty(fileno(out));
}

const char *style_on(FILE *out, enum style s)
{
	static const char *const codes[] = {
		[STYLE_NONE] = "",         [STYLE_GOOD] = "\033[32m", [STYLE_BAD] = "\033[31m",
		[STYLE_WARN] = "\033[33m", [STYLE_HEAD] = "\033[1m",  [STYLE_DIM] = "\033[2m",
	};

	return style_wanted(out) ? codes[s] : "";
}

const char *style_off(FILE *out, enum style s)
{
	return s != STYLE_NONE && style_wanted(out) ? "\033[0m" : "";
}

enum style style_of_word(const char *word)
{
	static const struct {
		const char *word;
		enum style style;
	} known[] = {
		{ "allow", STYLE_GOOD },    { "up", STYLE_GOOD },        { "running", STYLE_GOOD },
		{ "active", STYLE_GOOD },   { "available", STYLE_GOOD }, { "create", STYLE_GOOD },
		{ "deny", STYLE_BAD },      { "failed", STYLE_BAD },     { "broken", STYLE_BAD },
		{ "blackhole", STYLE_BAD }, { "missing", STYLE_BAD },    { "delete", STYLE_BAD },
		{ "applying", STYLE_WARN }, { "pending", STYLE_WARN },   { "update", STYLE_WARN },
		{ "repair", STYLE_WARN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(word, known[i].word) == 0)
			return known[i].style;
	return STYLE_NONE;
}

static const char *dir_of(const char *variable, const char *usual)
{
	const char *dir = getenv(variable);

	return dir && *dir ? dir : usual;
}
