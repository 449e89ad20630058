/* record_format.c: which fields there are, and lines of them. Pure. */
#include "model/record_format.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "util/mem.h"

static const struct {
	const char *name;
	int version;
} fields[RECORD_FIELD_MAX] = {
#define X(id, text, v) [RECORD_##id] = { text, v },
	RECORD_FIELDS(X)
#undef X
};
enum { DEFAULT_VERSION = 2 };

/* Of AWS and not here: what it is about does not exist in a lab. */
static const char *const elsewhere[] = {
	"tgw-",          "resource-type", "packets-lost-",     "ecs-",
	"reject-reason", "resource-id",   "encryption-status", "instance-tag",
	"interface-tag", "asg-tag",       "interface-type",    "next-hop-",
};

const char *record_field_name(enum record_field f)
{
	return fields[f].name;
}

static int field_find(const char *name)
{
	for (int i = 0; i < RECORD_FIELD_MAX; i++)
		if (strcmp(fields[i].name, name) == 0)
			return i;
	return -1;
}

static int field_unknown(const char *name, struct err *e)
{
	const char *names[RECORD_FIELD_MAX], *near;

	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++)
		if (strncmp(name, elsewhere[i], strlen(elsewhere[i])) == 0)
			return err_set(e, -EINVAL, "the field %s is not available: a lab has nothing of what it says",
				       name);
	for (size_t i = 0; i < RECORD_FIELD_MAX; i++)
		names[i] = fields[i].name;
	near = str_nearest(name, names, RECORD_FIELD_MAX);
	return err_set(e, -EINVAL, "there is no field \"%.40s\"%s%s%s", name, near ? "; did you mean ${" : "",
		       near ? near : "", near ? "}?" : "; fields are those of AWS's versions 2 to 5, and rule");
}

int record_format_parse(const char *text, struct record_format *ret, struct err *e)
{
	_cleanup_free_ char *copy = NULL;
	char *p, *word;

	*ret = (struct record_format){ .version = DEFAULT_VERSION };
	if (!text) {
		while (ret->n <= RECORD_LOG_STATUS) {
			ret->fields[ret->n] = (unsigned char)ret->n;
			ret->n++;
		}
		return 0;
	}
	copy = p = xstrdup(text);
	while ((word = str_word(&p))) {
		size_t len = strlen(word);
		int f;

		if (len < 4 || strncmp(word, "${", 2) != 0 || word[len - 1] != '}')
			return err_set(e, -EINVAL, "\"%.40s\" is no field; write ${NAME} ${NAME} …", word);
		word[len - 1] = '\0';
		f = field_find(word + 2);
		if (f < 0)
			return field_unknown(word + 2, e);
		if (ret->n == sizeof(ret->fields))
			return err_set(e, -EINVAL, "a format has at most %zu fields", sizeof(ret->fields));
		ret->fields[ret->n++] = (unsigned char)f;
		if (fields[f].version > ret->version)
			ret->version = fields[f].version;
	}
	return ret->n ? 0 : err_set(e, -EINVAL, "the format has no field; write ${NAME} ${NAME} …");
}

void record_line(const struct record_format *f, const char *row, struct strbuf *out)
{
	const char *at[RECORD_FIELD_MAX] = { 0 };
	size_t n = 0;

	for (const char *p = row; p && n < RECORD_FIELD_MAX; p = strchr(p, '\t') ? strchr(p, '\t') + 1 : NULL)
		at[n++] = p;
	for (size_t i = 0; i < f->n; i++) {
		const char *v = at[f->fields[i]] ? at[f->fields[i]] : "-";

		if (i)
			strbuf_adds(out, " ");
		if (f->fields[i] == RECORD_VERSION)
			strbuf_addf(out, "%d", f->version);
		else
			strbuf_add(out, v, strcspn(v, "\t"));
	}
}
