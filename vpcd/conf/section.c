/* section.c: sections, which copies of a document share: an edit of a lab copies all of its document and changes one of
 * them. What is found out about a section (its JSON text, that nothing is wrong with it) stays with it. Pure. */
#include <string.h>
#include "conf/entry.h"
#include "util/mem.h"

static struct section_body *body_new(void)
{
	struct section_body *body = xcalloc(1, sizeof(*body));

	body->refs = 1;
	return body;
}

static void forget(struct section_body *body)
{
	free(body->json);
	*body = (struct section_body){ .refs = body->refs };
}

struct section *document_add_section(struct document *d, const char *kind, const char *name, enum origin origin)
{
	struct section *s = VEC_PUSH(d->sections, d->n, d->cap);

	s->kind = xstrdup(kind);
	s->name = xstrdup(name);
	s->origin = origin;
	s->body = body_new();
	return s;
}

void section_done(struct section *s)
{
	if (--s->body->refs)
		return;
	for (size_t i = 0; i < s->n; i++)
		entry_done(&s->entries[i]);
	free(s->entries);
	free(s->kind);
	free(s->name);
	forget(s->body);
	free(s->body);
}

void section_share(const struct section *from, struct document *to)
{
	*VEC_PUSH(to->sections, to->n, to->cap) = *from;
	from->body->refs++;
}

/* Makes it this document's alone, before it is changed. */
static void own(struct section *s)
{
	const struct entry *shared = s->entries;

	if (s->body->refs == 1) {
		forget(s->body);
		return;
	}
	s->body->refs--;
	s->body = body_new();
	s->kind = xstrdup(s->kind);
	s->name = xstrdup(s->name);
	s->entries = xmalloc((s->n + 1) * sizeof(*s->entries)); /* most changes add one */
	s->cap = s->n + 1;
	for (size_t i = 0; i < s->n; i++)
		entry_share(&shared[i], &s->entries[i]);
}

static struct entry *add(struct section *s)
{
	own(s);
	return VEC_PUSH(s->entries, s->n, s->cap);
}

struct entry *section_add_entry(struct section *s, const char *key, const char *value, const char *note,
				enum origin origin)
{
	struct entry *en = add(s);

	entry_init(en, key, value, note);
	en->origin = origin;
	return en;
}

struct entry *section_add_copy(struct section *s, const struct entry *from, struct src_loc loc)
{
	struct entry copy, *en;

	entry_share(from, &copy);
	copy.loc = loc;
	en = add(s);
	*en = copy;
	return en;
}

void section_remove_entry(struct section *s, size_t i)
{
	own(s);
	entry_done(&s->entries[i]);
	s->n--;
	memmove(&s->entries[i], &s->entries[i + 1], (s->n - i) * sizeof(s->entries[0]));
}
