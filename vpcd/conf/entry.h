/* entry.h: the parts of a document, for the reader and the document itself. Pure. */
#pragma once
#include "conf/document.h"
#include "conf/value.h"

/* What all copies of a section hold together, until one of them is changed. */
struct section_body {
	unsigned refs;
	bool is_sound; /* schema_check has nothing to say of it */
	char *json;    /* NULL: nobody has asked yet */
	size_t n_json;
};

/* Append one; the result is good until the next one is appended. Strings are copied; note may be NULL. */
struct section *document_add_section(struct document *d, const char *kind, const char *name, enum origin origin);
struct entry *section_add_entry(struct section *s, const char *key, const char *value, const char *note,
				enum origin origin);
/* Appends the same once more, with all that was found out about it. Of a section: places name the file of both. */
void section_share(const struct section *from, struct document *to);
struct entry *section_add_copy(struct section *s, const struct entry *en, struct src_loc loc);
void section_remove_entry(struct section *s, size_t i);
void section_done(struct section *s);

/* Text for an entry, which has none yet; key is copied like the others. */
void entry_init(struct entry *en, const char *key, const char *value, const char *note);
void entry_set_value(struct entry *en, const char *value);
void entry_share(const struct entry *from, struct entry *ret);
void entry_done(struct entry *en);
#define _cleanup_entry_ __attribute__((cleanup(entry_done)))

/* What a line of a group or ACL says. */
struct entry_rule {
	enum value_type type;
	uint64_t hash; /* of text */
	struct rule rule;
	char text[]; /* canonical, without the note */
};
/* NULL with e set: the value is no rule of this type. Parsed once however often the entry is copied; lives as long
 * as the entry or a copy of it. */
const struct entry_rule *entry_rule(const struct entry *en, enum value_type type, struct err *e);

/* Whether both are rules of this type and mean the same, whatever their notes. */
bool entry_rule_is_same(const struct entry *a, const struct entry *b, enum value_type type);

bool entry_key_is_legal(const char *key);
/* Commands keep their " ;": it is no comment there. */
bool entry_value_is_raw(const char *kind, const char *key);
/* Cuts " ; comment" off a value in place and returns the comment, trimmed; NULL: there is none. */
char *entry_cut_comment(char *value);
/* Bytes of the UTF-8 character at s, 0 when it is none (RFC 3629: shortest form, no surrogates). */
size_t entry_utf8_len(const char *s, size_t left);
/* Whether the character of n bytes at s is a control character: C0 but the tab, DEL, C1. */
bool entry_is_control(const char *s, size_t n);
/* Messages quote what was read, cut to a length in bytes: mends characters that were cut through. */
void entry_clean_text(char *s);
void entry_clean_diags(struct diag_list *diags);
