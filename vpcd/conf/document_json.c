/* document_json.c: a document as JSON text, with origins and places, and back. Pure. */
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include "conf/document.h"
#include "conf/entry.h"
#include "util/mem.h"
#include "util/str.h"

enum { DOCUMENT_VERSION = 1 };

#define ORIGIN(word) \
	{ \
		word, ",\"origin\":\"" word "\"", sizeof(",\"origin\":\"" word "\"") - 1 \
	}
static const struct {
	const char *word, *member;
	size_t n_member;
} origins[] = {
	[ORIGIN_FILE] = ORIGIN("file"),
	[ORIGIN_API] = ORIGIN("api"),
	[ORIGIN_MANAGED] = ORIGIN("managed"),
};

static void origin_member(struct strbuf *b, enum origin origin);
static void section_dump(const struct section *s);
static int section_load(json_t *json, struct document *d, struct err *e);
static int entry_load(json_t *json, struct section *s, const char *file, struct err *e);
static int origin_parse(const char *name, enum origin *ret);

/* name: with what goes before the value */
static inline void member(struct strbuf *b, const char *name, const char *value)
{
	strbuf_adds(b, name);
	strbuf_add_json(b, value);
}

/* Written by hand: a tree of jansson's costs ten times as much, and every change of a lab waits for this. */
char *document_dump(const struct document *d)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++) {
		if (!d->sections[i].body->json)
			section_dump(&d->sections[i]);
		n += d->sections[i].body->n_json + sizeof(",\n");
	}
	strbuf_reserve(&b, n);
	strbuf_addf(&b, "{\"version\":%d", DOCUMENT_VERSION);
	if (d->file)
		member(&b, ",\"file\":", d->file);
	strbuf_adds(&b, ",\"sections\":[");
	for (size_t i = 0; i < d->n; i++) {
		strbuf_adds(&b, i ? ",\n" : "\n");
		strbuf_add(&b, d->sections[i].body->json, d->sections[i].body->n_json);
	}
	strbuf_adds(&b, "]}");
	return strbuf_take(&b);
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
		d.file = shared_text(file);
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

static void origin_member(struct strbuf *b, enum origin origin)
{
	strbuf_add(b, origins[origin].member, origins[origin].n_member);
}

/* Kept: most sections are written again and again, and never change. */
static void section_dump(const struct section *s)
{
	struct strbuf b = { 0 };

	member(&b, "{\"kind\":", s->kind);
	member(&b, ",\"name\":", s->name);
	origin_member(&b, s->origin);
	strbuf_adds(&b, ",\"line\":");
	strbuf_add_u64(&b, s->loc.line);
	strbuf_adds(&b, ",\"entries\":[");
	for (size_t i = 0; i < s->n; i++) {
		const struct entry *en = &s->entries[i];

		member(&b, i ? ",{\"key\":" : "{\"key\":", en->key);
		member(&b, ",\"value\":", en->value);
		origin_member(&b, en->origin);
		if (en->note)
			member(&b, ",\"note\":", en->note);
		if (en->loc.line) {
			strbuf_adds(&b, ",\"line\":");
			strbuf_add_u64(&b, en->loc.line);
		}
		strbuf_adds(&b, "}");
	}
	strbuf_adds(&b, "]}");
	s->body->n_json = b.n;
	s->body->json = strbuf_take(&b);
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
	en = section_add_entry(s, key, value, note, origin);
	if (line)
		en->loc = (struct src_loc){ .file = file, .line = (uint32_t)line };
	return 0;
}

static int origin_parse(const char *name, enum origin *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(origins); i++)
		if (strcmp(origins[i].word, name) == 0) {
			*ret = (enum origin)i;
			return 0;
		}
	return -EINVAL;
}
