/* entry_rule.c: the lines of groups and ACLs, parsed once however often the document is copied and built. Pure.
 * An entry's text never changes while it has one, so what was parsed cannot be of another text. */
#include <string.h>
#include "conf/entry.h"
#include "filters/rule.h"
#include "util/mem.h"

enum { RULE_TEXT_MAX = 512 };

const struct entry_rule *entry_rule(const struct entry *en, enum value_type type, struct err *e)
{
	struct entry *keeper = (struct entry *)en; /* only what it remembers changes */
	char text[RULE_TEXT_MAX];
	struct entry_rule *r;
	struct rule rule;
	size_t n;
	int rc;

	if (en->rule && en->rule->type == type)
		return en->rule;
	rc = value_rule(type, en->value, &rule, e);
	if (rc < 0)
		return NULL;
	n = strlen(rule_format(&rule, text, sizeof(text)));
	r = xcalloc(1, sizeof(*r) + n + 1);
	*r = (struct entry_rule){ .refs = 1, .type = type, .rule = rule };
	memcpy(r->text, text, n + 1);
	entry_rule_put(&keeper->rule);
	keeper->rule = r;
	return r;
}

struct entry_rule *entry_rule_get(struct entry_rule *r)
{
	if (r)
		r->refs++;
	return r;
}

void entry_rule_put(struct entry_rule **r)
{
	if (*r && --(*r)->refs == 0)
		free(*r);
	*r = NULL;
}
