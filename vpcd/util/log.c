/* log.c: one line a message to stderr. Its two settings are the only state kept in a file of
 * this room. A line goes out in one write, so lines of several processes do not mix. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include "util/log.h"
#include "util/mem.h"
#include "util/str.h"

static enum log_level min_level = LOG_LEVEL_INFO;
static bool as_json;

static void add_time(struct strbuf *b);
static void add_json_string(struct strbuf *b, const char *key, const char *s);

static const char *const level_name[] = { "debug", "info", "warn", "error" };

void log_set_level(enum log_level level)
{
	min_level = level;
}

void log_set_json(bool on)
{
	as_json = on;
}

/* Plain: "TIME LEVEL COMPONENT OBJECT: message". */
void log_line(enum log_level level, const char *component, const char *object, const char *fmt, ...)
{
	int saved_errno = errno;
	struct strbuf b = { 0 };
	char *msg = NULL;
	va_list ap;
	int n;

	if (level < min_level)
		return;
	va_start(ap, fmt);
	n = vasprintf(&msg, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if (as_json) {
		strbuf_adds(&b, "{\"time\":\"");
		add_time(&b);
		strbuf_adds(&b, "\"");
		add_json_string(&b, "level", level_name[level]);
		add_json_string(&b, "component", component);
		add_json_string(&b, "object", object);
		add_json_string(&b, "message", msg);
		strbuf_adds(&b, "}\n");
	} else {
		add_time(&b);
		strbuf_addf(&b, " %s %s%s%s: %s\n", level_name[level], component, object ? " " : "",
			    object ? object : "", msg);
	}
	/* Where stderr is gone there is nobody left to tell. */
	(void)!write(STDERR_FILENO, b.s, b.n);
	strbuf_done(&b);
	free(msg);
	errno = saved_errno;
}

static void add_time(struct strbuf *b)
{
	struct timespec ts;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strbuf_addf(b, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		    tm.tm_min, tm.tm_sec, ts.tv_nsec / 1000000);
}

static void add_json_string(struct strbuf *b, const char *key, const char *s)
{
	if (!s) {
		strbuf_addf(b, ",\"%s\":null", key);
		return;
	}
	strbuf_addf(b, ",\"%s\":\"", key);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			strbuf_addf(b, "\\%c", *s);
		else if ((unsigned char)*s < 0x20)
			strbuf_addf(b, "\\u%04x", (unsigned)*s);
		else
			strbuf_add(b, s, 1);
	}
	strbuf_adds(b, "\"");
}
