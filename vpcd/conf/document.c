/* document.c: sections and entries: copying, merging, editing and writing them. Pure.
 * What they mean is not known here; schema.h says which keys repeat. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "conf/document.h"
#include "conf/entry.h"
#include "conf/schema.h"
#include "model/keymap.h"
#include "util/mem.h"
#include "util/str.h"

struct line_codes {
	enum value_type type;
	const char *exists, *missing;
};

static void section_copy(const struct section *from, struct document *to);
static void merge_entries(const struct section *base, struct section *to);
static struct section *find(const struct document *d, const char *kind, const char *name);
static int edit_apply(struct document *d, const struct edit *edit, struct err *e);
static int edit_create(struct document *d, const struct edit *edit, struct err *e);
static int edit_set(struct section *s, const struct schema_key *key, const char *text, struct err *e);
static int edit_unset(struct section *s, const struct schema_key *key, const char *text, struct err *e);
static const struct line_codes *line_codes_of(const struct schema_key *key);
static int table_may_go(const struct section *s, struct err *e);
static void target_goes(struct document *d, enum obj_kind kind, const char *name);
static int check_text(const struct section *s, const struct schema_key *key, const char *value, const char *note,
		      struct err *e);
static bool same_value(const struct schema_key *key, const struct entry *a, const struct entry *b);
static bool may_repeat(const struct schema_key *key, const char *value);
static struct section *lab_section(struct document *d);
static bool is_plain(const char *text);

void document_init(struct document *d)
{
	*d = (struct document){ 0 };
}

void document_done(struct document *d)
{
	for (size_t i = 0; i < d->n; i++)
		section_done(&d->sections[i]);
	for (size_t i = 0; i < d->n_deleted; i++)
		free(d->deleted[i]);
	free(d->deleted);
	free(d->sections);
	shared_text_put(d->file);
	document_init(d);
}

void document_copy(const struct document *from, struct document *to)
{
	document_init(to);
	to->file = shared_text_get(from->file);
	vec_reserve((void **)&to->sections, &to->cap, from->n + 1,
		    sizeof(*to->sections)); /* an edit adds one, at times */
	for (size_t i = 0; i < from->n; i++)
		section_share(&from->sections[i], to);
}

/* There is one [lab], whatever its name. */
static char *section_key(const struct section *s)
{
	return strcmp(s->kind, "lab") == 0 ? xstrdup(s->kind) : xasprintf("%s %s", s->kind, s->name);
}

void document_merge_file(const struct document *base, const struct document *file, struct document *ret)
{
	struct keymap by_name = { 0 };
	char **keys = xcalloc(file->n, sizeof(*keys));

	document_copy(file, ret);
	for (size_t i = 0; i < file->n; i++) {
		keys[i] = section_key(&file->sections[i]);
		keymap_put_str(&by_name, keys[i], i);
	}
	for (size_t i = 0; i < base->n; i++) {
		const struct section *s = &base->sections[i];
		_cleanup_free_ char *key = section_key(s);
		uint64_t there = keymap_get_str(&by_name, key);

		if (there != KEYMAP_NONE)
			merge_entries(s, &ret->sections[there]);
		else if (s->origin != ORIGIN_FILE)
			section_copy(s, ret);
	}
	for (size_t i = 0; i < file->n; i++)
		free(keys[i]);
	free(keys);
	keymap_done(&by_name);
}

int document_edit(struct document *d, const struct edit *edit, struct err *e)
{
	int rc = edit_apply(d, edit, e);

	if (rc < 0 && e)
		entry_clean_text(e->msg);
	return rc;
}

static int edit_apply(struct document *d, const struct edit *edit, struct err *e)
{
	const struct schema_kind *kind;
	const struct schema_key *key = NULL;
	const char *name = edit->name ? edit->name : "";
	struct section *s;
	bool keyed = edit->op == EDIT_SET || edit->op == EDIT_UNSET;
	int rc;

	if (keyed && (!edit->key || (edit->op == EDIT_SET && !edit->value)))
		return err_set_aws(e, -EINVAL, "MissingParameter", "%s %s: key or value is missing", edit->kind, name);
	rc = schema_find(edit->kind, keyed ? edit->key : NULL, &kind, &key, e);
	if (rc < 0)
		return err_wrap(e, "%s %s", edit->kind, name);
	if (edit->op == EDIT_CREATE)
		return edit_create(d, edit, e);
	s = find(d, edit->kind, name);
	if (!s && kind->kind == KIND_LAB)
		s = edit->op == EDIT_SET ? lab_section(d) : find(d, edit->kind, "");
	if (!s && kind->kind == KIND_LAB && edit->op == EDIT_UNSET)
		return err_set_aws(e, -ENOENT, kind->not_found, "lab %s: %s is not set", name, edit->key);
	if (!s)
		return err_set_aws(e, -ENOENT, kind->not_found, "there is no %s %s", edit->kind, name);
	switch (edit->op) {
	case EDIT_DELETE:
		rc = kind->kind == KIND_ROUTE_TABLE ? table_may_go(s, e) : 0;
		if (rc < 0)
			return rc;
		target_goes(d, kind->kind, name);
		*VEC_PUSH(d->deleted, d->n_deleted, d->cap_deleted) = section_key(s);
		section_done(s);
		d->n--;
		memmove(s, s + 1, (size_t)(d->sections + d->n - s) * sizeof(*s));
		return 0;
	case EDIT_SET: return edit_set(s, key, edit->value, e);
	default: return edit_unset(s, key, edit->value, e);
	}
}

/* What its own lines tie it to: a subnet that names it is found when the model is made. semantics 2.1 */
static int table_may_go(const struct section *s, struct err *e)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct entry *en = &s->entries[i];
		bool yes = false;

		if (strcmp(en->key, "edge") == 0)
			return err_set_aws(
				e, -EINVAL, "DependencyViolation",
				"route-table %s has dependencies and cannot be deleted: %s uses it; unset its edge "
				"first",
				s->name, en->value);
		if (strcmp(en->key, "main") == 0 && value_bool(en->value, &yes) == 0 && yes)
			return err_set_aws(
				e, -EINVAL, "DependencyViolation",
				"route-table %s has dependencies and cannot be deleted: it is its VPC's main one; "
				"unset main first",
				s->name);
	}
	return 0;
}

bool document_has_deleted(const struct document *d, enum obj_kind kind, const char *name)
{
	_cleanup_free_ char *key = xasprintf("%s %s", obj_kind_name(kind), name ? name : "");

	for (size_t i = 0; i < d->n_deleted; i++)
		if (name ? strcmp(d->deleted[i], key) == 0 : strncmp(d->deleted[i], key, strlen(key)) == 0)
			return true;
	return false;
}

/* A lab has settings, whether its file has a section for them or not. */
static struct section *lab_section(struct document *d)
{
	struct section *s = find(d, "lab", "");

	return s ? s : document_add_section(d, "lab", "", ORIGIN_API);
}

static bool target_is(const char *word, enum obj_kind kind, const char *name)
{
	struct route_text t;

	if (value_target(word, &t, NULL) < 0 || strcmp(t.name, name) != 0)
		return false;
	switch (t.target) {
	case TARGET_IGW: return kind == KIND_IGW;
	case TARGET_NAT: return kind == KIND_NAT_GATEWAY;
	case TARGET_ENI: return kind == KIND_INTERFACE || kind == KIND_INSTANCE;
	case TARGET_INSTANCE: return kind == KIND_INSTANCE;
	case TARGET_PCX: return kind == KIND_PEERING;
	case TARGET_LOCAL:
	case TARGET_KIND_MAX: break;
	}
	return false;
}

/* AWS deletes what routes lead to and keeps the routes, as blackholes: semantics 2.1. */
static void target_goes(struct document *d, enum obj_kind kind, const char *name)
{
	for (size_t i = 0; i < d->n; i++) {
		struct section *s = &d->sections[i];
		size_t n = strcmp(s->kind, obj_kind_name(KIND_ROUTE_TABLE)) == 0 ? s->n : 0;

		for (size_t j = 0; j < n; j++) {
			_cleanup_free_ char *word = NULL;
			const char *via;
			bool known = false;

			if (strcmp(s->entries[j].key, "route") != 0 || !(via = strstr(s->entries[j].value, " via ")))
				continue;
			word = xstrdup(via + 5 + strspn(via + 5, " \t"));
			if (!target_is(word, kind, name))
				continue;
			for (size_t k = 0; k < s->n; k++)
				known |= strcmp(s->entries[k].key, "gone") == 0 &&
					 strcmp(s->entries[k].value, word) == 0;
			if (!known)
				section_add_entry(s, "gone", word, NULL, ORIGIN_API);
		}
	}
}

char *document_format(const struct document *d)
{
	struct strbuf b = { 0 };

	for (size_t i = 0; i < d->n; i++) {
		const struct section *s = &d->sections[i];

		strbuf_addf(&b, "%s[%s%s%s]\n", i ? "\n" : "", s->kind, *s->name ? " " : "", s->name);
		for (size_t j = 0; j < s->n; j++) {
			const struct entry *en = &s->entries[j];

			strbuf_addf(&b, "%s = %s%s%s\n", en->key, en->value, en->note ? " ; " : "",
				    en->note ? en->note : "");
		}
	}
	return strbuf_take(&b);
}

bool entry_key_is_legal(const char *key)
{
	size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

	return n > 0 && !key[n];
}

bool entry_value_is_raw(const char *kind, const char *key)
{
	const struct schema_kind *k = schema_kind_find(kind);
	const struct schema_key *row = k ? schema_key_find(k, key) : NULL;

	return row ? row->type == VALUE_COMMAND : strcmp(key, "run") == 0;
}

char *entry_cut_comment(char *value)
{
	for (char *p = value; (p = strchr(p, ';')); p++) {
		if (p > value && p[-1] != ' ' && p[-1] != '\t')
			continue;
		*p = '\0';
		return str_trim(p + 1);
	}
	return NULL;
}

size_t entry_utf8_len(const char *s, size_t left)
{
	const unsigned char *b = (const unsigned char *)s;
	size_t n = 0;

	if (b[0] < 0x80)
		n = 1;
	else if (b[0] >= 0xc2 && b[0] < 0xe0)
		n = 2;
	else if (b[0] >= 0xe0 && b[0] < 0xf0)
		n = 3;
	else if (b[0] >= 0xf0 && b[0] < 0xf5)
		n = 4;

	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((b[i] & 0xc0) != 0x80)
			return 0;
	if ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] > 0x9f) || (b[0] == 0xf0 && b[1] < 0x90) ||
	    (b[0] == 0xf4 && b[1] > 0x8f))
		return 0;
	return n;
}

void entry_clean_text(char *s)
{
	size_t left = strlen(s);

	for (size_t n; left; s += n, left -= n) {
		n = entry_utf8_len(s, left);
		if (n == 0) {
			*s = '?';
			n = 1;
		}
	}
}

void entry_clean_diags(struct diag_list *diags)
{
	for (size_t i = 0; i < diags->n; i++) {
		entry_clean_text(diags->v[i].message);
		if (diags->v[i].fix)
			entry_clean_text(diags->v[i].fix);
	}
}

/* Places move to the new owner of the file's name; without a line there is no place. */
static struct src_loc loc_in(const struct document *d, struct src_loc loc)
{
	return (struct src_loc){ .file = loc.line ? d->file : NULL, .line = loc.line };
}

/* With the places of another file. */
static void section_copy(const struct section *from, struct document *to)
{
	struct section *s = document_add_section(to, from->kind, from->name, from->origin);

	s->loc = loc_in(to, from->loc);
	s->damaged = from->damaged;
	for (size_t i = 0; i < from->n; i++)
		section_add_copy(s, &from->entries[i], loc_in(to, from->entries[i].loc));
}

/* How many of the first n entries say this, or, where there can be only one, anything. */
static size_t count_same(const struct section *s, size_t n, const struct schema_key *key, const struct entry *like)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += strcmp(s->entries[i].key, key->name) == 0 &&
			 (key->shape != KEY_LINES || same_value(key, &s->entries[i], like));
	return found;
}

/* What did not come from a file joins the file's entries, unless the file says the same, or says
 * something else where there can be only one. */
static void merge_entries(const struct section *base, struct section *to)
{
	const struct schema_kind *kind = schema_kind_find(base->kind);
	size_t n_file = to->n;

	for (size_t i = 0; i < base->n; i++) {
		const struct entry *en = &base->entries[i];
		const struct schema_key *key = kind ? schema_key_find(kind, en->key) : NULL;
		size_t nth, n_there;

		if (en->origin == ORIGIN_FILE || !key)
			continue;
		nth = key->shape == KEY_LINES ? count_same(base, i + 1, key, en) : 1;
		n_there = count_same(to, n_file, key, en);
		if (n_there < nth)
			section_add_copy(to, en, (struct src_loc){ 0 });
	}
}

/* A lab has one [lab]: no name will do. */
static struct section *find(const struct document *d, const char *kind, const char *name)
{
	bool any = !*name && strcmp(kind, "lab") == 0;

	for (size_t i = 0; i < d->n; i++)
		if (strcmp(d->sections[i].kind, kind) == 0 && (any || strcmp(d->sections[i].name, name) == 0))
			return &d->sections[i];
	return NULL;
}

static int edit_create(struct document *d, const struct edit *edit, struct err *e)
{
	const char *name = edit->name ? edit->name : "";
	const struct schema_kind *kind = schema_kind_find(edit->kind);

	if (find(d, edit->kind, name))
		return err_set_aws(e, -EEXIST,
				   kind->kind == KIND_SECURITY_GROUP ? "InvalidGroup.Duplicate"
								     : "InvalidTopology.DuplicateSection",
				   "the %s %s exists already", edit->kind, name);
	if (*name ? !str_is_name(name) || schema_name_is_reserved(name) : !kind->name_optional)
		return err_set_aws(e, -EINVAL,
				   kind->kind == KIND_SECURITY_GROUP && schema_name_is_reserved(name)
					   ? "InvalidGroup.Reserved"
					   : "InvalidTopology.Name",
				   "\"%.80s\" is no legal name for a %s", name, edit->kind);
	document_add_section(d, edit->kind, name, ORIGIN_API);
	return 0;
}

/* What AWS says of a line that is there already, or is not: semantics 18.4. */
static const struct line_codes *line_codes_of(const struct schema_key *key)
{
	static const struct line_codes others = { .exists = "InvalidParameterValue",
						  .missing = "InvalidParameterValue" };
	static const struct line_codes codes[] = {
		{ VALUE_GROUP_IN, "InvalidPermission.Duplicate", "InvalidPermission.NotFound" },
		{ VALUE_GROUP_OUT, "InvalidPermission.Duplicate", "InvalidPermission.NotFound" },
		{ VALUE_NACL_IN, "NetworkAclEntryAlreadyExists", "InvalidNetworkAclEntry.NotFound" },
		{ VALUE_NACL_OUT, "NetworkAclEntryAlreadyExists", "InvalidNetworkAclEntry.NotFound" },
		{ VALUE_ROUTE, "RouteAlreadyExists", "InvalidRoute.NotFound" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i].type == key->type)
			return &codes[i];
	return &others;
}

static int edit_set(struct section *s, const struct schema_key *key, const char *text, struct err *e)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char *value, *note = NULL;
	_cleanup_entry_ struct entry wanted = { 0 };
	int rc;

	if (key->type != VALUE_COMMAND)
		note = entry_cut_comment(copy);
	value = str_trim(copy);
	rc = check_text(s, key, value, note, e);
	if (rc < 0)
		return rc;
	entry_init(&wanted, key->name, value, note && *note ? note : NULL);
	for (size_t i = s->n; i-- > 0;) {
		if (strcmp(s->entries[i].key, key->name) != 0)
			continue;
		if (key->shape != KEY_LINES)
			section_remove_entry(s, i);
		else if (same_value(key, &s->entries[i], &wanted) && !may_repeat(key, value))
			return err_set_aws(e, -EEXIST, line_codes_of(key)->exists,
					   "%s %s: there is a line %s = %s already", s->kind, s->name, key->name,
					   value);
	}
	wanted.origin = ORIGIN_API;
	section_add_copy(s, &wanted, (struct src_loc){ 0 });
	return 0;
}

static int edit_unset(struct section *s, const struct schema_key *key, const char *text, struct err *e)
{
	_cleanup_free_ char *copy = text ? xstrdup(text) : NULL;
	_cleanup_entry_ struct entry unwanted = { 0 };
	char *value = NULL;
	size_t removed = 0;

	if (copy) {
		if (key->type != VALUE_COMMAND)
			entry_cut_comment(copy);
		value = str_trim(copy);
		entry_init(&unwanted, key->name, value, NULL);
	}
	for (size_t i = s->n; i-- > 0;) {
		if (strcmp(s->entries[i].key, key->name) != 0 || (value && !same_value(key, &s->entries[i], &unwanted)))
			continue;
		section_remove_entry(s, i);
		removed++;
		if (value && may_repeat(key, value))
			break; /* one of them, the last */
	}
	if (removed)
		return 0;
	if (value)
		return err_set_aws(e, -ENOENT, line_codes_of(key)->missing, "%s %s: there is no line %s = %.200s",
				   s->kind, s->name, key->name, value);
	return err_set_aws(e, -ENOENT, "InvalidParameterValue", "%s %s: %s is not set", s->kind, s->name, key->name);
}

static int check_text(const struct section *s, const struct schema_key *key, const char *value, const char *note,
		      struct err *e)
{
	_cleanup_free_ char *copy = xstrdup(value);
	char *p = copy, *word;
	int rc = 0;

	if (!*value || !is_plain(value) || (note && !is_plain(note)))
		return err_set_aws(e, -EINVAL, "InvalidParameterValue", "%s %s: %s: the value must be one line of text",
				   s->kind, s->name, key->name);
	if (key->shape != KEY_WORDS)
		rc = value_check(key->type, key->arg, value, e);
	else
		while (rc == 0 && (word = schema_next_word(&p)))
			rc = value_check(key->type, key->arg, word, e);
	return rc < 0 ? err_wrap(e, "%s %s: %s", s->kind, s->name, key->name) : 0;
}

/* Rules and prefixes are compared by what they mean. */
static bool same_value(const struct schema_key *key, const struct entry *a, const struct entry *b)
{
	struct prefix pa, pb;

	if (strcmp(a->value, b->value) == 0)
		return true;
	if (value_is_rule(key->type))
		return entry_rule_is_same(a, b, key->type);
	return key->type == VALUE_PREFIX && value_prefix(a->value, &pa, NULL) == 0 &&
	       value_prefix(b->value, &pb, NULL) == 0 && prefix_cmp(&pa, &pb) == 0;
}

/* Each of two such lines asks for one more. */
static bool may_repeat(const struct schema_key *key, const char *value)
{
	return key->shape == KEY_LINES && (key->type == VALUE_NAT_IP || key->type == VALUE_NAT_ADDRESS) &&
	       str_eq(value, "auto");
}

bool entry_is_control(const char *s, size_t n)
{
	unsigned char c = (unsigned char)*s;

	if (n == 2)
		return c == 0xc2 && (unsigned char)s[1] < 0xa0;
	return n == 1 && ((c < 0x20 && c != '\t') || c == 0x7f);
}

static bool is_plain(const char *text)
{
	size_t left = strlen(text);

	for (size_t n; left; text += n, left -= n) {
		n = entry_utf8_len(text, left);
		if (n == 0 || entry_is_control(text, n))
			return false;
	}
	return true;
}
