/* v_edit.c: vpc set and unset: one edit of a running lab. */
#include <string.h>
#include "cli/changes.h"
#include "cli/client.h"
#include "cli/verbs.h"
#include "conf/schema.h"
#include "util/mem.h"
#include "util/str.h"

static int edit(const struct args *a, const char *op);
static char *value_join(const struct args *a);
static void kind_singular(const char *word, char *buf, size_t size);

int set_run(const struct args *a)
{
	return edit(a, "set");
}

int unset_run(const struct args *a)
{
	return edit(a, "unset");
}

static int edit(const struct args *a, const char *op)
{
	_cleanup_free_ char *value = value_join(a);
	char lab[LAB_SIZE], kind[40];
	const struct schema_kind *known;
	const struct schema_key *key;
	struct err e = { 0 };
	const char *name;
	int r;

	kind_singular(a->words[0], kind, sizeof(kind));
	if (schema_find(kind, a->words[2], &known, &key, &e) < 0)
		return fail(EXIT_USAGE, "%s: %s", a->verb->name, e.msg);
	r = lab_of_kind(a, kind, a->words[1], lab, &name);
	if (r)
		return r;
	return edits_send(a, lab,
			  json_pack("[{s:s,s:s,s:s,s:s,s:o}]", "op", op, "kind", kind, "name", name, "key", a->words[2],
				    "value", value ? json_string(value) : json_null()));
}

/* A rule needs no quotes: set security-group web inbound tcp 22 from 198.51.100.0/24 */
static char *value_join(const struct args *a)
{
	struct strbuf b = { 0 };

	if (a->n <= 3)
		return NULL;
	for (size_t i = 3; i < a->n; i++)
		strbuf_addf(&b, "%s%s", i > 3 ? " " : "", a->words[i]);
	return strbuf_take(&b);
}

/* "security-groups" is as good as "security-group". */
static void kind_singular(const char *word, char *buf, size_t size)
{
	size_t n = strlen(word);

	snprintf(buf, size, "%s", word);
	if (n && n < size && word[n - 1] == 's')
		buf[n - 1] = '\0';
}
