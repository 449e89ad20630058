/* document_json.c: a document as JSON text, with origins and places, and back. Pure. */
#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include "conf/document.h"
#include "conf/entry.h"
#include "util/mem.h"

enum { DOCUMENT_VERSION = 1 };

static const char *const origin_names[] = {
	[ORIGIN_FILE] = "file",
	[ORIGIN_API] = "api",
	[ORIGIN_MANAGED] = "managed",
};

static json_t *section_dump(const struct section *s);
static int section_load(json_t *json, struct document *d, struct err *e);
static int entry_load(json_t *json, struct section *s, const char *file, struct err *e);
static int origin_parse(const char *name, enum origin *ret);

char *document_dump(const struct document *d)
{
	json_t *sections = json_array(), *root;
	char *text;

	for (size_t i = 0; i < d->n; i++)
		json_array_append_new(sections, section_dump(&d->sections[i]));
	root = json_pack("{s:i, s:s?, s:o}", "version", DOCUMENT_VERSION, "file", d->file, "sections", sections);
	text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
	json_decref(root);
	assert(text); /* all strings are UTF-8: the reader and the edits see to that */
	return text;
}

int document_load(const char *json, struct document *ret, struct err *e)
{
	json_error_t je;
	json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, &je), *name = NULL, *sections, *section;
	const char *file;
	_cleanup_document_ struct document d = { 0 };
	int version, rc = 0;
	size_t i;

	if (!root)
		return err_set(e, -EINVAL, "document: line %d: %s", je.line, je.text);
	if (json_unpack_ex(root, &je, 0, "{s:i, s?o, s:o}", "version", &version, "file", &name, "sections", &sections) <
	    0)
		rc = err_set(e, -EINVAL, "document: %s", je.text);
	else if (version != DOCUMENT_VERSION)
		rc = err_set(e, -EINVAL, "document: version %d; this program reads version %d", version,
			     DOCUMENT_VERSION);
	else if (!json_is_array(sections))
		rc = err_set(e, -EINVAL, "document: sections is no array");
	if (rc == 0) {
		file = json_string_value(name);
		d.file = file ? xstrdup(file) : NULL;
		json_array_foreach(sections, i, section)
		{
			rc = section_load(section, &d, e);
			if (rc < 0)
				break;
		}
	}
	json_decref(root);
	if (rc == 0) {
		*ret = d;
		document_init(&d);
	}
	return rc;
}

static json_t *section_dump(const struct section *s)
{
	json_t *entries = json_array();

	for (size_t i = 0; i < s->n; i++) {
		const struct entry *en = &s->entries[i];
		json_t *j = json_pack("{s:s, s:s, s:s}", "key", en->key, "value", en->value, "origin",
				      origin_names[en->origin]);

		if (en->note)
			json_object_set_new(j, "note", json_string(en->note));
		if (en->loc.line)
			json_object_set_new(j, "line", json_integer(en->loc.line));
		json_array_append_new(entries, j);
	}
	return json_pack("{s:s, s:s, s:s, s:I, s:o}", "kind", s->kind, "name", s->name, "origin",
			 origin_names[s->origin], "line", (json_int_t)s->loc.line, "entries", entries);
}

static int section_load(json_t *json, struct document *d, struct err *e)
{
	const char *kind, *name, *origin_name;
	json_int_t line = 0;
	json_t *entries, *entry;
	enum origin origin;
	struct section *s;
	size_t i;

	if (json_unpack(json, "{s:s, s:s, s:s, s?I, s:o}", "kind", &kind, "name", &name, "origin", &origin_name, "line",
			&line, "entries", &entries) < 0 ||
	    origin_parse(origin_name, &origin) < 0 || !json_is_array(entries) || line < 0 || line > UINT32_MAX)
		return err_set(e, -EINVAL, "document: section %zu is malformed", d->n);
	s = document_add_section(d, kind, name, origin);
	if (line)
		s->loc = (struct src_loc){ .file = d->file, .line = (uint32_t)line };
	json_array_foreach(entries, i, entry)
	{
		int rc = entry_load(entry, s, d->file, e);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int entry_load(json_t *json, struct section *s, const char *file, struct err *e)
{
	const char *key, *value, *origin_name, *note = NULL;
	json_int_t line = 0;
	enum origin origin;
	struct entry *en;

	if (json_unpack(json, "{s:s, s:s, s:s, s?s, s?I}", "key", &key, "value", &value, "origin", &origin_name, "note",
			&note, "line", &line) < 0 ||
	    origin_parse(origin_name, &origin) < 0 || line < 0 || line > UINT32_MAX)
		return err_set(e, -EINVAL, "document: %s %s: entry %zu is malformed", s->kind, s->name, s->n);
	en = section_add_entry(s, key, value, origin);
	en->note = note ? xstrdup(note) : NULL;
	if (line)
		en->loc = (struct src_loc){ .file = file, .line = (uint32_t)line };
	return 0;
}

static int origin_parse(const char *name, enum origin *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(origin_names); i++)
		if (strcmp(origin_names[i], name) == 0) {
			*ret = (enum origin)i;
			return 0;
		}
	return -EINVAL;
}
