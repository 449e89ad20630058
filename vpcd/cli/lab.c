/* lab.c: which lab a command means. */
#include <string.h>
#include "cli/client.h"
#include "util/mem.h"
#include "util/str.h"

static int lab_count(const json_t *labs, const char *kind, const char *name, char *ret_lab);
static bool lab_has(const char *lab, const char *kind, const char *name);
static bool kind_has(const char *lab, const char *kind, const char *name);

int lab_of(const struct args *a, const char *word, char *ret_lab, const char **ret_name)
{
	return lab_of_kind(a, NULL, word, ret_lab, ret_name);
}

int lab_of_word(const struct args *a, char *ret_lab)
{
	struct args b = *a;

	if (a->n && a->lab)
		return fail(EXIT_USAGE, "%s: say the lab once: %s or --lab %s", a->verb->name, a->words[0], a->lab);
	if (a->n)
		b.lab = a->words[0];
	if (b.lab && lab_check(a, b.lab))
		return EXIT_USAGE;
	return lab_of(&b, NULL, ret_lab, NULL);
}

int lab_of_kind(const struct args *a, const char *kind, const char *word, char *ret_lab, const char **ret_name)
{
	const char *slash = word ? strchr(word, '/') : NULL;
	_cleanup_reply_ struct reply labs = { 0 };
	int r;

	if (ret_name)
		*ret_name = slash ? slash + 1 : word;
	if (slash && (slash == word || !slash[1] || (size_t)(slash - word) >= LAB_SIZE))
		return fail(EXIT_USAGE, "%s: \"%s\" is no LAB/NAME", a->verb->name, word);
	if (slash && a->lab && (strlen(a->lab) != (size_t)(slash - word) || strncmp(a->lab, word, strlen(a->lab)) != 0))
		return fail(EXIT_USAGE, "%s: --lab %s and %s name two labs", a->verb->name, a->lab, word);
	if (slash) {
		snprintf(ret_lab, LAB_SIZE, "%.*s", (int)(slash - word), word);
		return lab_check(a, ret_lab);
	}
	if (a->lab) {
		snprintf(ret_lab, LAB_SIZE, "%s", a->lab);
		return 0;
	}
	r = client_get(&labs, "/v1/labs");
	if (r)
		return r;
	return lab_count(json_object_get(labs.json, "labs"), kind, word, ret_lab);
}

int lab_or_name(const struct args *a, const char *kind, const char *word, char *ret_lab, const char **ret_name)
{
	_cleanup_reply_ struct reply labs = { 0 };
	bool is_lab = false, has = false;
	size_t i;
	json_t *lab;
	int r;

	*ret_name = NULL;
	if (!word || a->lab || strchr(word, '/'))
		return lab_of_kind(a, kind, word, ret_lab, ret_name);
	r = client_get(&labs, "/v1/labs");
	if (r)
		return r;
	json_array_foreach(json_object_get(labs.json, "labs"), i, lab)
	{
		const char *name = json_string_value(json_object_get(lab, "name"));

		is_lab = is_lab || str_eq(name, word);
		has = has || lab_has(name, kind, word);
	}
	if (!is_lab)
		return lab_of_kind(a, kind, word, ret_lab, ret_name);
	if (has)
		return fail(EXIT_USAGE, "%s: %s is a lab and something in a lab; write --lab %s, or LAB/%s",
			    a->verb->name, word, word, word);
	snprintf(ret_lab, LAB_SIZE, "%s", word);
	return 0;
}

static int lab_count(const json_t *labs, const char *kind, const char *name, char *ret_lab)
{
	_cleanup_strbuf_ struct strbuf all = { 0 };
	const char *found = NULL;
	size_t i, fit = 0;
	json_t *lab;

	if (json_array_size(labs) == 0)
		return fail(EXIT_USAGE, "no lab is running; vpc up FILE brings one up");
	json_array_foreach(labs, i, lab)
	{
		const char *lab_name = json_string_value(json_object_get(lab, "name"));

		strbuf_addf(&all, "%s%s", i ? ", " : "", lab_name);
		if (json_array_size(labs) > 1 && !(name && lab_has(lab_name, kind, name)))
			continue;
		found = lab_name;
		fit++;
	}
	if (fit == 1) {
		snprintf(ret_lab, LAB_SIZE, "%s", found);
		return 0;
	}
	if (fit == 0 && name)
		return fail(EXIT_USAGE, "no lab has \"%s\"; running are %s", name, all.s);
	return fail(EXIT_USAGE, "which lab? --lab with one of: %s", all.s);
}

bool lab_knows(const char *lab, const char *name)
{
	static const char *const kinds[] = { "interface", "host", "internet-gateway", "vpc-peering-connection" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kind_has(lab, kinds[i], name))
			return true;
	return false;
}

/* What follows @ or : belongs to a flow. */
static bool lab_has(const char *lab, const char *kind, const char *name)
{
	const char *const kinds[] = { kind ? kind : "instance", kind ? NULL : "host", kind ? NULL : "nat-gateway" };
	_cleanup_free_ char *word = xstrdup(name);

	word[strcspn(word, "@:")] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(kinds) && kinds[i]; i++)
		if (kind_has(lab, kinds[i], word))
			return true;
	return false;
}

static bool kind_has(const char *lab, const char *kind, const char *name)
{
	_cleanup_strbuf_ struct strbuf path = { 0 };
	_cleanup_reply_ struct reply reply = { 0 };

	strbuf_addf(&path, "/v1/labs/%s/%s/", lab, kind);
	path_add(&path, name);
	return client_call(&(struct request){ .path = path.s, .quiet = true }, &reply) == 0;
}
