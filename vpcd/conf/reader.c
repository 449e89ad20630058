/* reader.c: INI text to a document: our line reader in front of inih. Pure.
 *
 * inih splits key and value, but it has traps: it cuts section names at 49 and lines at 199 bytes
 * without a word, merges repeated sections, hides empty ones, continues a key on an indented line,
 * keeps only the first bad line, knows no line numbers, cuts at " ;" even inside quotes, and takes
 * the first of = and : as separator. So every line is read, judged and counted here first. What
 * reaches inih is clean:
 *
 *	[12]                        a section, by its index in the document
 *	key=<GUARD>text<GUARD>      a value, or its first part
 *	 <GUARD>text<GUARD>         its next part: inih calls that a continuation
 *
 * GUARD keeps inih from trimming a part or taking it for a comment or a header, and SEMICOLON
 * stands for ; so that inih sees no comment. Both are control characters, which no clean line has.
 * Indented lines are lines like any other. */
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>
#include "conf/document.h"
#include "conf/entry.h"
#include "conf/schema.h"
#include "util/mem.h"
#include "util/str.h"

#define GUARD '\x01'
#define SEMICOLON '\x02'
#define LINE_BYTES_MAX 4096 /* a long command fits; a file that is no text does not */
#define KEY_BYTES_MAX 48    /* inih keeps 49 of a key that is continued */
#define SYNTAX "InvalidTopology.Syntax"

struct reader {
	const char *p, *end; /* what is left of the text */
	struct src_loc loc;  /* of the line last read */
	struct document *doc;
	struct diag_list *diags;
	bool in_section;   /* false: before the first header, or behind a broken one */
	bool said_outside; /* the lines of such a place are reported once */
	char *value;       /* being fed, of the last entry of the last section */
	size_t value_at;   /* what of it inih has had */
	bool fresh;        /* its first part is on its way */
};

static int reader_begin(struct reader *r, const char *text, size_t len, const char *file, struct document *d,
			struct diag_list *diags);
static char *feed(char *buf, int size, void *reader);
static int take(void *reader, const char *section, const char *key, const char *value);
static bool skip_to_header(struct reader *r);
static bool read_line(struct reader *r, char **ret);
static void damage(struct reader *r);
static bool check_bytes(struct reader *r, const char *line, size_t len);
static bool read_header(struct reader *r, char *line);
static bool read_entry(struct reader *r, char *line, bool indented);

int document_parse(const char *text, size_t len, const char *file, struct document *d, struct diag_list *diags)
{
	struct reader r;
	size_t errors = diags->errors;
	int rc;

	if (reader_begin(&r, text, len, file, d, diags) < 0)
		return -EINVAL;
	rc = ini_parse_stream(feed, &r, take, &r);
	free(r.value);
	if (rc != 0)
		diag_add(diags, SEV_ERROR, (struct src_loc){ .file = d->file }, "InternalError", NULL,
			 "the INI parser stumbled over its line %d", rc);
	schema_check(d, diags);
	entry_clean_diags(diags);
	return diags->errors > errors ? -EINVAL : 0;
}

void document_parse_headers(const char *text, size_t len, const char *file, struct document *d)
{
	_cleanup_diag_list_ struct diag_list unsaid = { 0 };
	struct reader r;

	if (reader_begin(&r, text, len, file, d, &unsaid) < 0)
		return;
	while (skip_to_header(&r)) {
		_cleanup_free_ char *line = NULL;

		read_line(&r, &line);
		if (line)
			read_header(&r, str_trim(line));
	}
}

static int reader_begin(struct reader *r, const char *text, size_t len, const char *file, struct document *d,
			struct diag_list *diags)
{
	document_init(d);
	d->file = shared_text(file);
	*r = (struct reader){ .p = text, .end = text + len, .loc.file = d->file, .doc = d, .diags = diags };
	if (len >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0)) {
		r->loc.line = 1;
		diag_add(diags, SEV_ERROR, r->loc, SYNTAX, "save it as UTF-8", "the file is UTF-16 text");
		return -EINVAL;
	}
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		r->p += 3;
	return 0;
}

/* inih asks for a line: hands out the rest of a value, or reads on to the next clean line. */
static char *feed(char *buf, int size, void *reader)
{
	struct reader *r = reader;
	_cleanup_free_ char *line = NULL;
	struct section *s;
	size_t n = 0, room;

	while (!r->value) {
		free(TAKE_PTR(line));
		if (!read_line(r, &line))
			return NULL;
		if (!line)
			continue;
		if (line[strspn(line, " \t")] == '[') {
			r->in_section = read_header(r, str_trim(line));
			r->said_outside = !r->in_section;
			if (!r->in_section)
				continue;
			snprintf(buf, (size_t)size, "[%zu]\n", r->doc->n - 1);
			return buf;
		}
		if (!read_entry(r, line, line[0] == ' ' || line[0] == '\t'))
			damage(r);
	}
	s = &r->doc->sections[r->doc->n - 1];
	if (r->value_at == 0)
		n = (size_t)snprintf(buf, (size_t)size, "%s=", s->entries[s->n - 1].key);
	else
		buf[n++] = ' ';
	room = (size_t)size - n - sizeof("\x01\x01\n");
	r->fresh = r->value_at == 0;
	buf[n++] = GUARD;
	for (; room && r->value[r->value_at]; room--) {
		char c = r->value[r->value_at++];

		buf[n++] = c == ';' ? SEMICOLON : c;
	}
	buf[n++] = GUARD;
	buf[n++] = '\n';
	buf[n] = '\0';
	if (!r->value[r->value_at])
		free(TAKE_PTR(r->value));
	return buf;
}

/* inih has split a line: the value, or one more part of it, goes to the entry that waits for it. */
static int take(void *reader, const char *section, const char *key, const char *value)
{
	struct reader *r = reader;
	struct section *s = &r->doc->sections[r->doc->n - 1];
	struct entry *en = &s->entries[s->n - 1];
	_cleanup_free_ char *whole = NULL;
	size_t n = strlen(value);
	uint32_t index;
	char *p;

	if (str_to_u32(section, 0, UINT32_MAX, &index) < 0 || index != r->doc->n - 1 || strcmp(key, en->key) != 0 ||
	    n < 2 || value[0] != GUARD || value[n - 1] != GUARD)
		return 0;
	whole = xasprintf("%s%.*s", r->fresh ? "" : en->value, (int)n - 2, value + 1);
	for (p = whole; (p = strchr(p, SEMICOLON));)
		*p = ';';
	entry_set_value(en, whole);
	return 1;
}

/* Passes over lines that are no header, whatever they are. False at the end. */
static bool skip_to_header(struct reader *r)
{
	while (r->p < r->end) {
		const char *c = r->p, *nl;

		while (c < r->end && (*c == ' ' || *c == '\t'))
			c++;
		if (c < r->end && *c == '[')
			return true;
		nl = memchr(c, '\n', (size_t)(r->end - c));
		r->p = nl ? nl + 1 : r->end;
		r->loc.line++;
	}
	return false;
}

/* The next line as a string; *ret NULL: blank, a comment, or broken and reported. False at the end. */
static bool read_line(struct reader *r, char **ret)
{
	const char *line = r->p, *nl;
	size_t len, blank;

	if (r->p >= r->end)
		return false;
	nl = memchr(r->p, '\n', (size_t)(r->end - r->p));
	len = (size_t)((nl ? nl : r->end) - r->p);
	r->p = nl ? nl + 1 : r->end;
	r->loc.line++;
	if (len && line[len - 1] == '\r')
		len--;
	for (blank = 0; blank < len && (line[blank] == ' ' || line[blank] == '\t');)
		blank++;
	if (!check_bytes(r, line, len)) {
		damage(r);
		return true;
	}
	if (blank == len || line[blank] == ';' || line[blank] == '#')
		return true;
	*ret = xmalloc(len + 1);
	memcpy(*ret, line, len);
	(*ret)[len] = '\0';
	return true;
}

static void damage(struct reader *r)
{
	if (r->in_section)
		r->doc->sections[r->doc->n - 1].damaged = true;
}

static bool check_bytes(struct reader *r, const char *line, size_t len)
{
	if (len > LINE_BYTES_MAX) {
		diag_add(r->diags, SEV_ERROR, r->loc, SYNTAX, "shorten it, or put a long command into a script",
			 "the line has %zu bytes; the most is %d", len, LINE_BYTES_MAX);
		return false;
	}
	for (size_t i = 0, n; i < len; i += n) {
		unsigned char c = (unsigned char)line[i];

		n = entry_utf8_len(line + i, len - i);
		if (n == 0) {
			diag_add(r->diags, SEV_ERROR, r->loc, SYNTAX, "save the file as UTF-8",
				 "byte 0x%02x in column %zu is not UTF-8", c, i + 1);
			return false;
		}
		if (entry_is_control(line + i, n)) {
			diag_add(r->diags, SEV_ERROR, r->loc, SYNTAX, "the file must be plain text; take it out",
				 "a control character (0x%02x) stands in column %zu", (unsigned char)line[i + n - 1],
				 i + 1); /* of two bytes the second is its number */
			return false;
		}
	}
	return true;
}

static bool read_header(struct reader *r, char *line)
{
	char *close = strchr(line, ']'), *p = line + 1, *kind, *name, *more;
	const char *rest;
	struct section *s;

	if (!close)
		diag_add(r->diags, SEV_ERROR, r->loc, SYNTAX, "write [KIND NAME]", "the ] of \"%.80s\" is missing",
			 line);
	rest = close ? str_trim(close + 1) : "";
	if (close)
		*close = '\0';
	kind = str_word(&p);
	name = str_word(&p);
	more = str_word(&p);
	if (!kind || more) {
		diag_add(r->diags, SEV_ERROR, r->loc, SYNTAX, "write [KIND NAME], like [vpc shop]",
			 "[%s%s%s%s%s]: a header has a kind and one name", kind ? kind : "", name ? " " : "",
			 name ? name : "", more ? " " : "", more ? more : "");
		return false;
	}
	s = document_add_section(r->doc, kind, name ? name : "", ORIGIN_FILE);
	s->loc = r->loc;
	if (*rest && *rest != ';' && *rest != '#') {
		s->damaged = true;
		diag_add(r->diags, SEV_ERROR, r->loc, SYNTAX, "put it on a line of its own",
			 "[%s%s%s]: \"%.80s\" stands behind the header", kind, name ? " " : "", name ? name : "", rest);
	}
	return true;
}

/* Makes the entry and queues its value for inih. */
static bool read_entry(struct reader *r, char *line, bool indented)
{
	char *eq = strchr(line, '='), *colon = strchr(line, ':'), *key, *value, *note = NULL;
	struct section *s = r->in_section ? &r->doc->sections[r->doc->n - 1] : NULL;
	struct entry *en;

	if (!s) {
		if (!r->said_outside)
			diag_add(r->diags, SEV_ERROR, r->loc, SYNTAX, "begin with a header like [vpc shop]",
				 "\"%.80s\" stands before the first section", str_trim(line));
		r->said_outside = true;
		return false;
	}
	if (colon && (!eq || colon < eq)) {
		*colon = '\0';
		key = str_trim(line);
		if (entry_key_is_legal(key) && !(indented && !eq)) {
			diag_add(r->diags, SEV_ERROR, r->loc, SYNTAX, "write KEY = VALUE",
				 SECTION_FMT("\"%.48s\" is followed by : where = belongs"), SECTION_ARGS(s), key);
			return false;
		}
		*colon = ':';
	}
	if (!eq) {
		diag_add(r->diags, SEV_ERROR, r->loc, SYNTAX,
			 indented ? "a value stands on one line; repeat the key for a further one"
				  : "write KEY = VALUE",
			 SECTION_FMT("\"%.80s\" has no ="), SECTION_ARGS(s), str_trim(line));
		return false;
	}
	*eq = '\0';
	key = str_trim(line);
	if (!entry_key_is_legal(key) || strlen(key) > KEY_BYTES_MAX) {
		diag_add(r->diags, SEV_ERROR, r->loc, SYNTAX, "write KEY = VALUE", SECTION_FMT("\"%.80s\" is no key"),
			 SECTION_ARGS(s), key);
		return false;
	}
	value = eq + 1;
	if (!entry_value_is_raw(s->kind, key))
		note = entry_cut_comment(value);
	value = str_trim(value);
	if (!*value) {
		diag_add(r->diags, SEV_ERROR, r->loc, "MissingParameter", "write KEY = VALUE, or take the line out",
			 SECTION_FMT("%s has no value"), SECTION_ARGS(s), key);
		return false;
	}
	en = section_add_entry(s, key, "", note && *note ? note : NULL, ORIGIN_FILE);
	en->loc = r->loc;
	r->value = xstrdup(value);
	r->value_at = 0;
	return true;
}
