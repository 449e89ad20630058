/* document.h: a topology as sections of key = value entries, each with its place and origin,
 * before any meaning. File text becomes a document; API edits change one; build.h makes a model of it.
 * The daemon keeps the document as what was asked. Pure. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "model/model.h"
#include "util/diag.h"

struct entry_text;
struct entry {
	const char *key, *value; /* value trimmed, comment cut, never NULL */
	const char *note;        /* comment text after " ;" on a rule line, or NULL */
	enum origin origin;
	struct src_loc loc;
	struct entry_text *text; /* entry.h: holds the three, for all copies of the entry */
};
struct section {
	char *kind, *name; /* name "" for [expect], [lab] without a name */
	enum origin origin;
	bool damaged; /* a line of it could not be read: a missing key may have stood there */
	struct src_loc loc;
	struct entry *entries;
	size_t n, cap;
	struct section_body *body; /* entry.h: copies of a document share theirs */
};
struct document {
	const char *file;         /* that of all places; shared with copies (str.h), may be NULL */
	struct section *sections; /* file order, API sections after */
	size_t n, cap;
	char **deleted; /* "KIND NAME" of what edits of this copy took away: others may not name it any more */
	size_t n_deleted, cap_deleted;
};

void document_init(struct document *d);
void document_done(struct document *d);
#define _cleanup_document_ __attribute__((cleanup(document_done)))
/* Parses INI text (inih behind our line reader; design 3 lists the traps that are closed here).
 * file is the name used in messages. Findings go to diags; returns -EINVAL when there were errors
 * (the document then holds what could be read, so that semantic checks can still report more). */
int document_parse(const char *text, size_t len, const char *file, struct document *d, struct diag_list *diags);
/* Only the headers, for who looks for a section's name: the same sections at the same places, without entries and
 * without a word about what is wrong. */
void document_parse_headers(const char *text, size_t len, const char *file, struct document *d);
void document_copy(const struct document *from, struct document *to);
/* base = what runs (file and API entries), file = a newly read file. The result has all of file and
 * base's API sections and entries; where both set a scalar key, the file does. API entries of a
 * section that came from a file and is not there any more go with it. */
void document_merge_file(const struct document *base, const struct document *file, struct document *ret);

enum edit_op { EDIT_CREATE, EDIT_DELETE, EDIT_SET, EDIT_UNSET };
struct edit {
	enum edit_op op;
	const char *kind, *name; /* of the section */
	const char *key, *value; /* SET: both; UNSET: value NULL = all values of the key; CREATE, DELETE: NULL */
};
/* SET on a repeatable key adds a line, on a scalar or list key (security-groups, listen) replaces the
 * value; "VALUE ; note" as in a file. UNSET finds rules by their meaning, other values by their
 * text. -ENOENT unknown section or nothing to unset, -EEXIST, -EINVAL unknown kind or key, bad name or
 * value; the error names the object. The document is untouched on failure. */
int document_edit(struct document *d, const struct edit *edit, struct err *e);
/* Did an edit of this copy take that away (name NULL: one of the kind)? AWS then says DependencyViolation of who still
 * needs it. */
bool document_has_deleted(const struct document *d, enum obj_kind kind, const char *name);
/* Canonical INI text of the whole document (for `vpc show topology`, fmt). Returns a string to free(). */
char *document_format(const struct document *d);
/* JSON with origins and places, and back. */
char *document_dump(const struct document *d);
int document_load(const char *json, struct document *ret, struct err *e);
