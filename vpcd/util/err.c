/* err.c: building one error message, outermost part first. Pure. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "util/err.h"

static int set(struct err *e, int code, const char *aws, const char *fmt, va_list ap)
	__attribute__((format(printf, 4, 0)));

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	code = set(e, code, "", fmt, ap);
	va_end(ap);
	return code;
}

int err_set_aws(struct err *e, int code, const char *aws, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	code = set(e, code, aws, fmt, ap);
	va_end(ap);
	return code;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char head[sizeof(e->msg)];
	char tail[sizeof(e->msg)];
	va_list ap;

	if (!e)
		return -EINVAL;
	va_start(ap, fmt);
	vsnprintf(head, sizeof(head), fmt, ap);
	va_end(ap);
	memcpy(tail, e->msg, sizeof(tail));
	/* Too long: the end is cut, the outermost words stay. */
	if (snprintf(e->msg, sizeof(e->msg), "%s: %s", head, tail) >= (int)sizeof(e->msg))
		memcpy(e->msg + sizeof(e->msg) - 4, "...", 4);
	return e->code;
}

/* The arguments may point into *e itself, so it is written last. */
static int set(struct err *e, int code, const char *aws, const char *fmt, va_list ap)
{
	struct err new = { .code = code > 0 ? -code : code };

	assert(code != 0);
	if (!e)
		return new.code;
	if (vsnprintf(new.msg, sizeof(new.msg), fmt, ap) >= (int)sizeof(new.msg))
		memcpy(new.msg + sizeof(new.msg) - 4, "...", 4);
	snprintf(new.aws, sizeof(new.aws), "%s", aws);
	*e = new;
	return new.code;
}
