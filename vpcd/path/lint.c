/* lint.c: runs the checks, drops what a comment silences, and takes dead lines out of a text. Pure. */
#include <string.h>
#include "path/lint.h"
#include "util/mem.h"
#include "util/str.h"

const struct lint_code lint_codes[] = {
	{ "redundant-rule", "another rule of the same table says the same already", true },
	{ "shadowed-rule", "rules in front of it decide everything it could match", true },
	{ "contradictory-rules", "two rules match the same and say the opposite; the first counts", true },
	{ "deny-behind-allow-all", "a deny that stands behind an allow of everything", true },
	{ "never-matches", "no packet that it is about can ever come to it", false },
	{ "group-without-members", "a rule names a group that no interface carries", false },
	{ "lost-reply", "the ACL lets a request pass and loses its reply", false },
	{ "ephemeral-range-short", "the ACL loses replies to some of the ports that clients use", false },
	{ "public-subnet-no-route", "a subnet of public addresses, and no route to an internet gateway", false },
	{ "public-address-no-route", "a public address, and no route to an internet gateway", false },
	{ "no-public-address", "a route to an internet gateway, and no public address to use it with", false },
	{ "open-admin-port", "SSH, telnet, remote desktop or WinRM open to more than half of all addresses", false },
	{ "overlapping-vpcs", "VPCs with overlapping ranges can never be joined", false },
	{ "unused", "nothing uses it", false },
};
const size_t n_lint_codes = ARRAY_SIZE(lint_codes);

static void silenced_drop(const char *text, struct diag_list *l);

const struct lint_code *lint_code_find(const char *code)
{
	for (size_t i = 0; i < n_lint_codes; i++)
		if (str_eq(lint_codes[i].code, code))
			return &lint_codes[i];
	return NULL;
}

void lint_model(const struct model *m, const char *text, struct diag_list *ret)
{
	_cleanup_free_ bool *carried = xcalloc((size_t)m->n_security_groups + 1, sizeof(*carried));

	for (uint32_t i = 0; i < m->n_enis; i++)
		for (uint32_t k = 0; k < m->enis[i].n_groups; k++)
			carried[m->enis[i].groups[k]] = true;
	lint_rules(m, carried, ret);
	lint_sources(m, carried, ret);
	lint_replies(m, ret);
	lint_open(m, carried, ret);
	lint_network(m, carried, ret);
	if (text)
		silenced_drop(text, ret);
	diag_sort(ret);
}

char *lint_fix(const char *text, const struct diag_list *findings, size_t *ret_n)
{
	struct strbuf b = { 0 };
	uint32_t line = 0;

	*ret_n = 0;
	for (const char *p = text, *end; *p; p = end) {
		bool gone = false;

		end = p + strcspn(p, "\n");
		end += *end != '\0';
		line++;
		for (size_t i = 0; i < findings->n && !gone; i++) {
			const struct lint_code *c = lint_code_find(findings->v[i].code);

			gone = c && c->fixable && findings->v[i].line == line;
		}
		if (gone)
			++*ret_n;
		else
			strbuf_add(&b, p, (size_t)(end - p));
	}
	return strbuf_take(&b);
}

/* ---- silencing ---- */

struct text_lines {
	const char **v;
	size_t n, cap;
};

static const char *blank_skip(const char *p)
{
	return p + strspn(p, " \t");
}

/* Does the line's comment hold "lint: CODE"? */
static bool line_silences(const char *line, const char *code)
{
	const char *end = line + strcspn(line, "\n"), *p = strpbrk(line, ";#");
	size_t n = strlen(code);

	for (; p && p < end; p = strstr(p + 1, "lint:")) {
		const char *word;

		if (strncmp(p, "lint:", 5) != 0)
			continue;
		word = blank_skip(p + 5);
		if (strncmp(word, code, n) == 0 && !strchr("abcdefghijklmnopqrstuvwxyz-", word[n] ? word[n] : ' '))
			return true;
	}
	return false;
}

static bool is_comment(const char *line)
{
	line = blank_skip(line);
	return *line == ';' || *line == '#';
}

static bool silenced(const struct text_lines *t, const struct diag *d)
{
	size_t at = d->line - 1;

	if (!d->line || at >= t->n)
		return false;
	if (line_silences(t->v[at], d->code))
		return true;
	for (size_t i = at; i-- > 0 && is_comment(t->v[i]);)
		if (line_silences(t->v[i], d->code))
			return true;
	if (*blank_skip(t->v[at]) != '[')
		return false;
	for (size_t i = at + 1; i < t->n && *blank_skip(t->v[i]) != '['; i++)
		if (line_silences(t->v[i], d->code))
			return true;
	return false;
}

static void silenced_drop(const char *text, struct diag_list *l)
{
	struct text_lines t = { 0 };
	size_t kept = 0;

	for (const char *p = text; *p;) {
		*VEC_PUSH(t.v, t.n, t.cap) = p;
		p += strcspn(p, "\n");
		p += *p != '\0';
	}
	for (size_t i = 0; i < l->n; i++) {
		struct diag d = l->v[i];

		if (!silenced(&t, &d)) {
			l->v[kept++] = d;
			continue;
		}
		free(d.file);
		free(d.code);
		free(d.message);
		free(d.fix);
	}
	l->n = kept;
	free(t.v);
}
