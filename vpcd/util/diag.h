/* diag.h: a list of located findings about a topology file (errors and warnings).
 * Validators collect all of them in one run; the list owns its strings. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/err.h"

enum severity { SEV_ERROR, SEV_WARNING };

struct diag {
	enum severity severity;
	char *file; /* NULL: no place */
	uint32_t line;
	char *code;    /* AWS's error code or ours in the same style, stable */
	char *message; /* what and why, without file and line */
	char *fix;     /* how to mend it; NULL when there is nothing to add */
};

struct diag_list {
	struct diag *v;
	size_t n, cap;
	size_t errors; /* how many of them are SEV_ERROR */
};

void diag_list_init(struct diag_list *l);
void diag_list_done(struct diag_list *l);
/* Adds one finding. fix may be NULL; message is a printf format. */
void diag_add(struct diag_list *l, enum severity sev, struct src_loc loc, const char *code, const char *fix,
	      const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* Orders by file, line, severity and drops exact repeats. */
void diag_sort(struct diag_list *l);
/* "FILE:LINE: error: message; fix" without a newline. Returns a string to free(). */
char *diag_format(const struct diag *d);

#define _cleanup_diag_list_ __attribute__((cleanup(diag_list_done)))
