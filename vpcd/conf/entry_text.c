/* entry_text.c: what an entry says: its strings, and the rule they were read as. Copies of a document share it: an
 * edit of a lab copies all of its document, and parses no line again. Pure.
 * A text never changes, so what was read cannot be of another one. */
#include <string.h>
#include "conf/entry.h"
#include "conf/schema.h"
#include "filters/rule.h"
#include "model/keymap.h"
#include "util/mem.h"

enum { RULE_TEXT_MAX = 512 };

struct entry_text {
	unsigned refs;
	struct entry_rule *rule; /* NULL: nobody has asked yet */
	char strings[];          /* key, unless the schema has it; value, note */
};

void entry_init(struct entry *en, const char *key, const char *value, const char *note)
{
	const char *known = schema_key_text(key);
	size_t n_key = known ? 0 : strlen(key) + 1, n_value = strlen(value) + 1, n_note = note ? strlen(note) + 1 : 0;
	struct entry_text *t = xmalloc(sizeof(*t) + n_key + n_value + n_note);

	t->refs = 1;
	t->rule = NULL;
	en->text = t;
	en->key = known ? known : memcpy(t->strings, key, n_key);
	en->value = memcpy(t->strings + n_key, value, n_value);
	en->note = note ? memcpy(t->strings + n_key + n_value, note, n_note) : NULL;
}

static void text_put(struct entry_text *t)
{
	if (!t || --t->refs)
		return;
	free(t->rule);
	free(t);
}

void entry_done(struct entry *en)
{
	text_put(TAKE_PTR(en->text));
}

void entry_set_value(struct entry *en, const char *value)
{
	struct entry_text *old = en->text;

	entry_init(en, en->key, value, en->note);
	text_put(old);
}

void entry_share(const struct entry *from, struct entry *ret)
{
	from->text->refs++;
	*ret = *from;
}

const struct entry_rule *entry_rule(const struct entry *en, enum value_type type, struct err *e)
{
	struct entry_text *t = en->text;
	char text[RULE_TEXT_MAX];
	struct rule rule;
	size_t n;
	int rc;

	if (t->rule && t->rule->type == type)
		return t->rule;
	rc = value_rule(type, en->value, &rule, e);
	if (rc < 0)
		return NULL;
	n = strlen(rule_format(&rule, text, sizeof(text)));
	free(t->rule);
	t->rule = xcalloc(1, sizeof(*t->rule) + n + 1);
	*t->rule = (struct entry_rule){ .type = type, .rule = rule, .hash = keymap_hash(0, text, n) };
	memcpy(t->rule->text, text, n + 1);
	return t->rule;
}

bool entry_rule_is_same(const struct entry *a, const struct entry *b, enum value_type type)
{
	const struct entry_rule *x = entry_rule(a, type, NULL), *y = entry_rule(b, type, NULL);

	return x && y && x->hash == y->hash && strcmp(x->text, y->text) == 0;
}
