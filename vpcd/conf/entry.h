/* entry.h: the parts of a document, for the reader and the document itself. Pure. */
#pragma once
#include "conf/document.h"
#include "conf/value.h"

/* Append one; the result is good until the next one is appended. Strings are copied. */
struct section *document_add_section(struct document *d, const char *kind, const char *name, enum origin origin);
struct entry *section_add_entry(struct section *s, const char *key, const char *value, enum origin origin);

/* What a line of a group or ACL says. */
struct entry_rule {
	unsigned refs;
	enum value_type type;
	struct rule rule;
	char text[]; /* canonical, without the note */
};
/* NULL with e set: the value is no rule of this type. Lives as long as the entry or a copy of it. */
const struct entry_rule *entry_rule(const struct entry *en, enum value_type type, struct err *e);
struct entry_rule *entry_rule_get(struct entry_rule *r); /* NULL stays NULL */
void entry_rule_put(struct entry_rule **r);

bool entry_key_is_legal(const char *key);
/* Commands keep their " ;": it is no comment there. */
bool entry_value_is_raw(const char *kind, const char *key);
/* Cuts " ; comment" off a value in place and returns the comment, trimmed; NULL: there is none. */
char *entry_cut_comment(char *value);
/* Bytes of the UTF-8 character at s, 0 when it is none (RFC 3629: shortest form, no surrogates). */
size_t entry_utf8_len(const char *s, size_t left);
/* Messages quote what was read, cut to a length in bytes: mends characters that were cut through. */
void entry_clean_text(char *s);
void entry_clean_diags(struct diag_list *diags);
