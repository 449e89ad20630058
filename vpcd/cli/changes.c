/* changes.c: prints the changes of plan, up, set and unset. */
#include <string.h>
#include "cli/changes.h"
#include "cli/client.h"
#include "cli/table.h"
#include "util/mem.h"
#include "util/str.h"

enum { NAMES_WIDTH = 72, WHY_WIDTH = 100 };

struct group {
	const char *op, *kind;
	size_t n, shown;
	struct strbuf names;
};

static void grouped_print(const json_t *changes);
static void why_add(struct table *t, const char *why);
static bool is_counted(const json_t *change);
static const char *member(const json_t *o, const char *name);
static void name_add(struct group *g, const char *name);

void changes_print(const json_t *changes, bool grouped)
{
	_cleanup_table_ struct table t;
	size_t i;
	json_t *c;

	table_init(&t, "CHANGE KIND NAME WHY");
	if (json_array_size(changes) == 0) {
		printf("no changes\n");
		return;
	}
	if (grouped)
		grouped_print(changes);
	json_array_foreach(changes, i, c)
	{
		if (grouped && is_counted(c))
			continue;
		table_add(&t, member(c, "op"));
		table_add(&t, member(c, "kind"));
		table_add(&t, member(c, "name"));
		why_add(&t, member(c, "why"));
	}
	if (table_rows(&t))
		table_print(&t, stdout);
}

void warnings_print(const json_t *warnings)
{
	size_t i;
	json_t *d;

	json_array_foreach(warnings, i, d)
	{
		const char *file = member(d, "file"), *fix = member(d, "fix");
		json_int_t line = json_integer_value(json_object_get(d, "line"));

		if (file && line)
			fprintf(stderr, "%s:%" JSON_INTEGER_FORMAT ": ", file, line);
		else
			fprintf(stderr, "%s: ", file ? file : "an edit");
		fprintf(stderr, "warning: %s%s%s\n", member(d, "message"), fix ? "; " : "", fix ? fix : "");
	}
}

/* A repair may have very many reasons: the first ones. */
static void why_add(struct table *t, const char *why)
{
	size_t shown = 0, more = 0;

	if (!why || strlen(why) <= WHY_WIDTH) {
		table_add(t, why);
		return;
	}
	for (const char *p = why; (p = strstr(p, "; ")); p += 2) {
		if ((size_t)(p - why) <= WHY_WIDTH)
			shown = (size_t)(p - why);
		else
			more++;
	}
	if (shown)
		table_addf(t, "%.*s; and %zu more", (int)shown, why, more + 1);
	else
		table_add(t, why);
}

/* Creations and deletions: one line an operation and kind, in the order they come first. */
static void grouped_print(const json_t *changes)
{
	_cleanup_table_ struct table t;
	struct group *groups = NULL;
	size_t n = 0, cap = 0, i;
	json_t *c;

	json_array_foreach(changes, i, c)
	{
		struct group *g = NULL;

		if (!is_counted(c))
			continue;
		for (size_t k = 0; k < n && !g; k++)
			if (str_eq(groups[k].op, member(c, "op")) && str_eq(groups[k].kind, member(c, "kind")))
				g = &groups[k];
		if (!g) {
			g = VEC_PUSH(groups, n, cap);
			g->op = member(c, "op");
			g->kind = member(c, "kind");
		}
		name_add(g, member(c, "name"));
	}
	table_init(&t, "CHANGE KIND >NUMBER NAMES");
	for (size_t k = 0; k < n; k++) {
		table_add(&t, groups[k].op);
		table_add(&t, groups[k].kind);
		table_addf(&t, "%zu", groups[k].n);
		if (groups[k].shown < groups[k].n)
			strbuf_addf(&groups[k].names, " and %zu more", groups[k].n - groups[k].shown);
		table_add(&t, groups[k].names.s);
		strbuf_done(&groups[k].names);
	}
	free(groups);
	if (n)
		table_print(&t, stdout);
}

static bool is_counted(const json_t *change)
{
	return str_eq(member(change, "op"), "create") || str_eq(member(change, "op"), "delete");
}

static const char *member(const json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}

static void name_add(struct group *g, const char *name)
{
	g->n++;
	if (!name || g->names.n + strlen(name) > NAMES_WIDTH)
		return;
	strbuf_addf(&g->names, "%s%s", g->shown ? " " : "", name);
	g->shown++;
}

int edits_send(const struct args *a, const char *lab, json_t *edits)
{
	_cleanup_reply_ struct reply reply = { 0 };
	_cleanup_free_ char *path = xasprintf("/v1/labs/%s/changes", lab), *body = NULL;
	struct request q = { .method = "POST", .path = path, .bad_code = EXIT_BROKEN };
	json_t *o = edits ? json_pack("{s:o}", "edits", edits) : NULL;
	int r;

	body = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	if (!body)
		return fail(EXIT_USAGE, "%s: the words are no UTF-8", a->verb->name);
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
