/* format.c: writes a file's lines anew. Pure.
 *
 *   [kind name]            one blank in between; a blank line above it and above the comments that belong to it
 *   key = value ; comment  rules as rule_format() writes them, lists with single blanks
 *   ; comment              as it stands, without indentation
 * Blank lines: at most one in a row, none at the beginning or the end. Nothing changes its line's order. */
#include <string.h>
#include "conf/entry.h"
#include "conf/format.h"
#include "conf/schema.h"
#include "util/mem.h"
#include "util/str.h"

struct writer {
	struct strbuf out;
	struct strbuf comments; /* lines not written yet: they may belong to a header that follows */
	bool blank;             /* a blank line is due before what comes next */
};

static void line_write(struct writer *w, const char *line);
static void comments_write(struct writer *w);
static void header_write(struct writer *w, const struct section *s, const char *raw);
static void entry_write(struct writer *w, const struct section *s, const struct entry *en, const char *raw);
static void value_write(struct strbuf *b, const struct section *s, const struct entry *en);

char *format_text(const char *text, const struct document *d)
{
	struct writer w = { .out = { 0 } };
	size_t section = 0, entry = 0;
	bool inside = false;
	uint32_t line = 0;

	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	for (const char *p = text, *end; *p; p = end) {
		_cleanup_free_ char *copy = NULL;
		char *s;

		end = p + strcspn(p, "\n");
		copy = xmalloc((size_t)(end - p) + 1);
		memcpy(copy, p, (size_t)(end - p));
		copy[end - p] = '\0';
		end += *end != '\0';
		line++;
		s = str_trim(copy);
		if (!*s) {
			comments_write(&w);
			w.blank = w.out.n > 0;
		} else if (*s == ';' || *s == '#') {
			strbuf_addf(&w.comments, "%s\n", s);
		} else if (section < d->n && d->sections[section].loc.line == line) {
			header_write(&w, &d->sections[section], s);
			inside = true;
			entry = 0;
			section++;
		} else if (inside && entry < d->sections[section - 1].n &&
			   d->sections[section - 1].entries[entry].loc.line == line) {
			entry_write(&w, &d->sections[section - 1], &d->sections[section - 1].entries[entry], s);
			entry++;
		} else {
			line_write(&w, s);
		}
	}
	comments_write(&w);
	strbuf_done(&w.comments);
	return strbuf_take(&w.out);
}

static void line_write(struct writer *w, const char *line)
{
	comments_write(w);
	if (w->blank)
		strbuf_adds(&w->out, "\n");
	w->blank = false;
	strbuf_addf(&w->out, "%s\n", line);
}

static void comments_write(struct writer *w)
{
	if (!w->comments.n)
		return;
	if (w->blank)
		strbuf_adds(&w->out, "\n");
	w->blank = false;
	strbuf_adds(&w->out, w->comments.s);
	w->comments.n = 0;
}

static void header_write(struct writer *w, const struct section *s, const char *raw)
{
	w->blank = w->out.n > 0;
	comments_write(w);
	if (w->blank)
		strbuf_adds(&w->out, "\n");
	w->blank = false;
	strbuf_addf(&w->out, "[%s%s%s]", s->kind, *s->name ? " " : "", s->name);
	raw = strchr(raw, ']');
	if (raw && raw[1]) { /* the reader lets only a comment stand there */
		raw += 1 + strspn(raw + 1, " \t");
		strbuf_addf(&w->out, " %s", raw);
	}
	strbuf_adds(&w->out, "\n");
}

static void entry_write(struct writer *w, const struct section *s, const struct entry *en, const char *raw)
{
	_cleanup_free_ char *copy = xstrdup(raw);
	const char *note = NULL;

	if (!entry_value_is_raw(s->kind, en->key))
		note = entry_cut_comment(copy);
	comments_write(w);
	if (w->blank)
		strbuf_adds(&w->out, "\n");
	w->blank = false;
	strbuf_addf(&w->out, "%s = ", en->key);
	value_write(&w->out, s, en);
	if (note && *note)
		strbuf_addf(&w->out, " ; %s", note);
	strbuf_adds(&w->out, "\n");
}

static void value_write(struct strbuf *b, const struct section *s, const struct entry *en)
{
	const struct schema_kind *kind = schema_kind_find(s->kind);
	const struct schema_key *key = kind ? schema_key_find(kind, en->key) : NULL;
	_cleanup_free_ char *copy = xstrdup(en->value);
	const struct entry_rule *r = key && value_is_rule(key->type) ? entry_rule(en, key->type, NULL) : NULL;
	char *p = copy, *word;
	bool first = true;

	if (entry_value_is_raw(s->kind, en->key)) {
		strbuf_adds(b, en->value);
		return;
	}
	if (r) {
		strbuf_adds(b, r->text);
		return;
	}
	while ((word = key && key->shape == KEY_WORDS ? schema_next_word(&p) : str_word(&p))) {
		strbuf_addf(b, "%s%s", first ? "" : " ", word);
		first = false;
	}
}
