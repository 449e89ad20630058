/* advice_lines.c: an advice grows line by line, and with it the copy of the document that holds them. Pure. */
#include <stdio.h>
#include <string.h>
#include "path/advice_open.h"
#include "util/mem.h"
#include "util/str.h"

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

static bool entry_is_there(const struct section *s, const char *key, const char *value)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->entries[i].key, key) == 0 && strcmp(s->entries[i].value, value) == 0)
			return true;
	return false;
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
	if (entry_is_there(s, key, value))
		return false;
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

/* A line that this advice adds already. */
static struct advice_line *own_line(const struct adviser *x, const struct section *s, const struct entry *en)
{
	for (size_t i = 0; i < x->a->n; i++) {
		struct advice_line *l = &x->a->v[i];

		if (l->op == ADVICE_ADD && strcmp(l->kind, s->kind) == 0 && strcmp(l->name, s->name) == 0 &&
		    strcmp(l->key, en->key) == 0 && strcmp(l->value, en->value) == 0)
			return l;
	}
	return NULL;
}

static void own_line_drop(struct adviser *x, struct advice_line *l)
{
	size_t i = (size_t)(l - x->a->v);

	advice_line_done(l);
	memmove(l, l + 1, (--x->a->n - i) * sizeof(*l));
}

bool line_remove(struct adviser *x, const struct section *s, const struct entry *en)
{
	struct advice_line *own = own_line(x, s, en);
	_cleanup_free_ char *kind = xstrdup(s->kind), *name = xstrdup(s->name), *key = xstrdup(en->key),
			    *value = xstrdup(en->value);
	struct edit unset = { EDIT_UNSET, kind, name, key, value };
	struct src_loc loc = en->loc;

	if (document_edit(&x->d, &unset, NULL) < 0)
		return false;
	if (own)
		own_line_drop(x, own);
	else
		advice_note(x, ADVICE_REMOVE, kind, name, key, value)->loc = loc;
	return true;
}

bool line_replace(struct adviser *x, const struct section *s, const struct entry *en, const char *words)
{
	_cleanup_free_ char *kind = xstrdup(s->kind), *name = xstrdup(s->name), *key = xstrdup(en->key);
	struct src_loc loc = en->loc;
	struct edit set = { EDIT_SET, kind, name, key, words };
	struct advice_line *l;

	if (!line_remove(x, s, en) || (*words && document_edit(&x->d, &set, NULL) < 0))
		return false;
	if (!*words)
		return true;
	l = advice_note(x, ADVICE_ADD, kind, name, key, words);
	l->keeps = true;
	l->loc = loc;
	return true;
}

void section_name_new(const struct adviser *x, const char *kind, const char *from, const char *more,
		      char name[SECTION_NAME_SIZE])
{
	size_t room = strlen(from) + 1 + strlen(more) <= NAME_LEN_MAX ? NAME_LEN_MAX : (NAME_LEN_MAX - 1) / 2;

	snprintf(name, SECTION_NAME_SIZE, "%.*s-%.*s", (int)room, from, (int)room, more);
	for (unsigned i = 2; section_find(&x->d, kind, name); i++)
		snprintf(name, SECTION_NAME_SIZE, "%.12s-%.12s-%u", from, more, i);
}

const struct section *section_find(const struct document *d, const char *kind, const char *name)
{
	for (size_t i = 0; i < d->n; i++)
		if (strcmp(d->sections[i].kind, kind) == 0 && strcmp(d->sections[i].name, name) == 0)
			return &d->sections[i];
	return NULL;
}
