/* diag.c: the list of located findings. Pure. */
#include <stdio.h>
#include <string.h>
#include "util/diag.h"
#include "util/mem.h"
#include "util/str.h"

static int diag_cmp(const void *x, const void *y);
static int text_cmp(const char *a, const char *b);
static void diag_done(struct diag *d);

void diag_list_init(struct diag_list *l)
{
	*l = (struct diag_list){ 0 };
}

void diag_list_done(struct diag_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		diag_done(&l->v[i]);
	free(l->v);
	diag_list_init(l);
}

void diag_add(struct diag_list *l, enum severity sev, struct src_loc loc, const char *code, const char *fix,
	      const char *fmt, ...)
{
	struct diag *d = VEC_PUSH(l->v, l->n, l->cap);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&d->message, fmt, ap);
	va_end(ap);
	if (n < 0)
		d->message = xstrdup(fmt);
	d->severity = sev;
	d->file = loc.file ? xstrdup(loc.file) : NULL;
	d->line = loc.line;
	d->code = xstrdup(code);
	d->fix = fix ? xstrdup(fix) : NULL;
	if (sev == SEV_ERROR)
		l->errors++;
}

void diag_sort(struct diag_list *l)
{
	size_t kept = 0;

	if (l->n < 2)
		return;
	qsort(l->v, l->n, sizeof(l->v[0]), diag_cmp);
	for (size_t i = 1; i < l->n; i++) {
		if (diag_cmp(&l->v[kept], &l->v[i]) != 0) {
			l->v[++kept] = l->v[i];
			continue;
		}
		if (l->v[i].severity == SEV_ERROR)
			l->errors--;
		diag_done(&l->v[i]);
	}
	l->n = kept + 1;
}

char *diag_format(const struct diag *d)
{
	struct strbuf b = { 0 };

	if (d->file && d->line)
		strbuf_addf(&b, "%s:%u: ", d->file, d->line);
	else if (d->file)
		strbuf_addf(&b, "%s: ", d->file);
	strbuf_adds(&b, d->severity == SEV_ERROR ? "error: " : "warning: ");
	strbuf_adds(&b, d->message);
	if (d->fix)
		strbuf_addf(&b, "; %s", d->fix);
	return strbuf_take(&b);
}

/* A total order over everything a finding says: equal means an exact repeat. */
static int diag_cmp(const void *x, const void *y)
{
	const struct diag *a = x, *b = y;
	int c = text_cmp(a->file, b->file);

	if (c == 0)
		c = (a->line > b->line) - (a->line < b->line);
	if (c == 0)
		c = (int)a->severity - (int)b->severity;
	if (c == 0)
		c = text_cmp(a->code, b->code);
	if (c == 0)
		c = text_cmp(a->message, b->message);
	if (c == 0)
		c = text_cmp(a->fix, b->fix);
	return c;
}

/* NULL stands last. */
static int text_cmp(const char *a, const char *b)
{
	if (!a || !b)
		return !a - !b;
	return strcmp(a, b);
}

static void diag_done(struct diag *d)
{
	free(d->file);
	free(d->code);
	free(d->message);
	free(d->fix);
}
