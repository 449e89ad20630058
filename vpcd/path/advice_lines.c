/* advice_lines.c: an advice grows line by line, and with it the copy of the document that holds them. Pure. */
#include <stdio.h>
#include <string.h>
#include "path/advice_open.h"
#include "util/mem.h"

bool give_up(struct adviser *x, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(x->a->why_not, sizeof(x->a->why_not), fmt, ap);
	va_end(ap);
	return false;
}

struct advice_line *advice_note(struct adviser *x, enum advice_op op, const char *kind, const char *name,
				const char *key, const char *value)
{
	struct advice_line *l = VEC_PUSH(x->a->v, x->a->n, x->a->cap);

	l->op = op;
	snprintf(l->kind, sizeof(l->kind), "%s", kind);
	snprintf(l->name, sizeof(l->name), "%s", name);
	l->key = xstrdup(key);
	l->value = xstrdup(value);
	l->gate = x->s->gate;
	l->leg = x->s->leg;
	return l;
}

/* The last line of that key, else of the section. */
static struct src_loc line_behind(const struct section *s, const char *key)
{
	struct src_loc same = { 0 }, any = s->loc;

	for (size_t i = 0; i < s->n; i++) {
		if (!s->entries[i].loc.line)
			continue;
		any = s->entries[i].loc;
		if (strcmp(s->entries[i].key, key) == 0)
			same = any;
	}
	return same.line ? same : any;
}

bool line_add(struct adviser *x, const char *kind, const char *name, const char *key, const char *value)
{
	const struct section *s = section_find(&x->d, kind, name);
	struct edit edit = { EDIT_SET, kind, name, key, value };
	struct err e;
	struct advice_line *l;
	struct src_loc behind = { 0 };
	bool fresh = !s || !s->loc.line;

	if (!s) {
		struct edit create = { EDIT_CREATE, kind, name, NULL, NULL };

		if (document_edit(&x->d, &create, &e) < 0)
			return false;
		s = section_find(&x->d, kind, name);
	}
	behind = line_behind(s, key);
	for (size_t i = 0; i < s->n; i++) {
		const struct entry *en = &s->entries[i];
		bool rule = strcmp(key, "inbound") == 0 || strcmp(key, "outbound") == 0;

		if (strcmp(en->key, key) != 0 || (rule && strcmp(en->value, "none") != 0) || strcmp(key, "route") == 0)
			continue;
		if (en->loc.line) {
			l = advice_note(x, ADVICE_REMOVE, kind, name, key, en->value);
			l->loc = en->loc;
		}
		if (rule) {
			struct edit unset = { EDIT_UNSET, kind, name, key, "none" };

			document_edit(&x->d, &unset, &e);
		}
		break;
	}
	if (document_edit(&x->d, &edit, &e) < 0)
		return false;
	l = advice_note(x, ADVICE_ADD, kind, name, key, value);
	l->new_section = fresh;
	l->loc = behind;
	return true;
}

const struct section *section_find(const struct document *d, const char *kind, const char *name)
{
	for (size_t i = 0; i < d->n; i++)
		if (strcmp(d->sections[i].kind, kind) == 0 && strcmp(d->sections[i].name, name) == 0)
			return &d->sections[i];
	return NULL;
}
