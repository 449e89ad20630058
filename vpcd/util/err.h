/* err.h: one error, built outermost-first, printed once at the top.
 *
 * Library code fills a struct err and returns a negative errno; only main, the
 * command line and the daemon's log ever print it. */
#pragma once
#include <stdarg.h>
#include <stdint.h>

/* Where in a topology file something stands. line == 0: no place (made by the API). */
struct src_loc {
	const char *file; /* borrowed; lives as long as the document it came from */
	uint32_t line;    /* from 1 */
};

struct err {
	int code;      /* negative errno, 0 = none */
	char aws[48];  /* AWS's error code ("InvalidSubnet.Conflict"), or "" */
	char msg[400]; /* one line, no newline */
	struct src_loc loc;
};

/* Sets the message; returns code (made negative if it is positive). e may be NULL. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same with AWS's error code for the control interface. */
int err_set_aws(struct err *e, int code, const char *aws, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Prefixes "fmt: " to the message; returns e->code (or -EINVAL when e is NULL). */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
