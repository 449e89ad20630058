/* schema.h: every kind of section and every key: one row each, read by the checks, by edits and by
 * help texts. Pure. */
#pragma once
#include "conf/document.h"
#include "conf/value.h"

/* How a section is called in messages: diag_add(…, SECTION_FMT("no %s"), SECTION_ARGS(s), what). */
#define SECTION_FMT(fmt) "%s%s%s: " fmt
#define SECTION_ARGS(s) (s)->kind, *(s)->name ? " " : "", (s)->name

enum key_shape {
	KEY_SCALAR, /* once */
	KEY_LINES,  /* may be repeated, each line is one value */
	KEY_WORDS,  /* a list of words, separated by blanks or commas; lines add up */
};

struct schema_key {
	const char *name; /* NULL ends the table */
	enum key_shape shape;
	enum value_type type;
	const char *arg; /* words of a choice, kind of a reference */
	bool required;
	const char *help; /* one line */
};
struct schema_kind {
	enum obj_kind kind;
	bool name_optional;
	const char *not_found; /* AWS's code when one of it is missing */
	const char *help;
	const struct schema_key *keys;
};

/* Every kind of section there is, in the order help shows them. */
extern const struct schema_kind schema_kinds[];
extern const size_t n_schema_kinds;

const struct schema_kind *schema_kind_find(const char *name);
const struct schema_kind *schema_kind_get(enum obj_kind kind);
/* The name of a key as the schema has it, whatever the kind: the same text for all entries. NULL: no kind has such a key. */
const char *schema_key_text(const char *name);
const struct schema_key *schema_key_find(const struct schema_kind *kind, const char *name);
/* A name people may not give: internet default router self none all. */
bool schema_name_is_reserved(const char *name);

/* Unknown kinds and keys, names, what is given twice, what is missing, values that are none of
 * their type: everything that can be said without looking at another section. */
void schema_check(const struct document *d, struct diag_list *diags);
/* The kinds and keys of an edit. -EINVAL unknown kind or key, with a suggestion. *ret_key may be
 * NULL for edits without a key. */
int schema_find(const char *kind, const char *key, const struct schema_kind **ret_kind,
		const struct schema_key **ret_key, struct err *e);

/* A finding about the value of an entry. "what; how to mend it" in e says both, else hint says how. */
void schema_add_error(struct diag_list *diags, const struct section *s, const struct entry *en, struct err *e,
		      const char *hint);

/* Runs over the words of a list value: *p moves on; NULL at the end. *p must be writable. */
char *schema_next_word(char **p);
