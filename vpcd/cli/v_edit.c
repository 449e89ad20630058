/* v_edit.c: vpc set and unset: one edit of a running lab. */
#include <string.h>
#include "cli/changes.h"
#include "cli/client.h"
#include "cli/verbs.h"
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
	_cleanup_reply_ struct reply reply = { 0 };
	_cleanup_free_ char *path = NULL, *body = NULL, *value = value_join(a);
	struct request q = { .method = "POST", .bad_code = EXIT_BROKEN };
	char lab[LAB_SIZE], kind[40];
	const char *name;
	json_t *edits;
	int r;

	kind_singular(a->words[0], kind, sizeof(kind));
	r = lab_of_kind(a, kind, a->words[1], lab, &name);
	if (r)
		return r;
	edits = json_pack("{s:[{s:s,s:s,s:s,s:s,s:o}]}", "edits", "op", op, "kind", kind, "name", name, "key",
			  a->words[2], "value", value ? json_string(value) : json_null());
	body = edits ? json_dumps(edits, JSON_COMPACT) : NULL;
	json_decref(edits);
	if (!body)
		return fail(EXIT_USAGE, "%s: the words are no UTF-8", a->verb->name);
	path = xasprintf("/v1/labs/%s/changes", lab);
	q.path = path;
	q.body = body;
	q.body_len = strlen(body);
	r = client_call(&q, &reply);
	if (r)
		return r;
	warnings_print(json_object_get(reply.json, "warnings"));
	if (a->output == OUTPUT_JSON)
		json_print(reply.json);
	else
		changes_print(json_object_get(reply.json, "changes"), false);
	return 0;
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
