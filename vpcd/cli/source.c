/* source.c: where a verb's model comes from. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "cli/client.h"
#include "cli/source.h"
#include "conf/build.h"
#include "conf/entry.h"
#include "util/mem.h"
#include "util/str.h"

enum { TOPOLOGY_MAX = 64 << 20 };

static int nameless(const struct source *s);

/* It goes into messages, headers and answers. */
static bool can_be_named(const char *file)
{
	size_t left = strlen(file);

	for (size_t n; left; file += n, left -= n) {
		n = entry_utf8_len(file, left);
		if (n == 0 || *file == '\n' || *file == '\r')
			return false;
	}
	return true;
}

int source_read(const char *file, struct source *ret)
{
	struct source s = { 0 };
	bool from_stdin = strcmp(file, "-") == 0;
	int r;

	if (!can_be_named(file))
		return fail(
			EXIT_USAGE,
			"%s: a file whose name holds a line break, or is not UTF-8, cannot be named in messages; rename it",
			file);
	if (from_stdin)
		r = read_whole_fd(STDIN_FILENO, TOPOLOGY_MAX, &s.text, &s.len);
	else
		r = read_whole_file(file, TOPOLOGY_MAX, &s.text, &s.len);
	if (r == -EFBIG)
		return fail(EXIT_BROKEN, "%s: larger than %d MB; that is no topology", file, TOPOLOGY_MAX >> 20);
	if (r < 0)
		return fail(r == -ENOENT ? EXIT_USAGE : EXIT_BROKEN, "%s cannot be read: %s", file, strerror(-r));
	s.file = xstrdup(from_stdin ? "stdin" : file);
	*ret = s;
	return 0;
}

void source_done(struct source *s)
{
	free(s->file);
	free(s->text);
	*s = (struct source){ 0 };
}

int model_of_file(const char *file, struct model **ret)
{
	_cleanup_source_ struct source s = { 0 };
	int r = source_read(file, &s);

	return r ? r : model_of_source(&s, ret);
}

int model_of_source(const struct source *s, struct model **ret)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };

	if (model_from_text(s->text, s->len, s->file, ret, &diags) == 0)
		return 0;
	diag_list_print(stderr, &diags);
	return fail(EXIT_BROKEN, "%s has %zu error%s", s->file, diags.errors, diags.errors == 1 ? "" : "s");
}

int model_of_lab(const char *lab, struct model **ret)
{
	_cleanup_reply_ struct reply reply = { 0 };
	int r = client_get(&reply, "/v1/labs/%s/model", lab);

	return r ? r : model_of_json(lab, reply.json, ret);
}

int model_of_json(const char *lab, const json_t *model, struct model **ret)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_parts_ struct parts p = { 0 };
	int r = parts_of_json(lab, model, &p);

	if (r || model_build(&p.document, lab, p.registry, ret, &diags) == 0)
		return r;
	diag_list_print(stderr, &diags);
	return fail(EXIT_BROKEN, "the model of lab %s cannot be built here; are vpc and vpcd of one version?", lab);
}

int parts_of_lab(const char *lab, struct parts *ret)
{
	_cleanup_reply_ struct reply reply = { 0 };
	int r = client_get(&reply, "/v1/labs/%s/model", lab);

	return r ? r : parts_of_json(lab, reply.json, ret);
}

int parts_of_json(const char *lab, const json_t *model, struct parts *ret)
{
	_cleanup_free_ char *document_text = json_dumps(json_object_get(model, "document"), JSON_COMPACT);
	_cleanup_free_ char *registry_text = json_dumps(json_object_get(model, "registry"), JSON_COMPACT);
	struct parts p = { 0 };
	struct err e = { 0 };
	int r;

	if (!document_text || !registry_text)
		return fail(EXIT_BROKEN, "vpcd's answer about lab %s has no model", lab);
	snprintf(p.lab, sizeof(p.lab), "%s", lab);
	document_init(&p.document);
	r = document_load(document_text, &p.document, &e);
	if (r == 0)
		r = registry_load(registry_text, &p.registry, &e);
	if (r < 0) {
		parts_done(&p);
		err_wrap(&e, "the model of lab %s cannot be read", lab);
		return fail_err(EXIT_BROKEN, &e);
	}
	*ret = p;
	return 0;
}

int parts_of_source(const struct source *s, struct parts *ret)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	struct parts p = { 0 };

	document_init(&p.document);
	if (!lab_name_of_file(s->file, p.lab, sizeof(p.lab)))
		p.lab[0] = '\0';
	if (document_parse(s->text, s->len, s->file, &p.document, &diags) == 0) {
		*ret = p;
		return 0;
	}
	parts_done(&p);
	diag_list_print(stderr, &diags);
	return fail(EXIT_BROKEN, "%s has %zu error%s", s->file, diags.errors, diags.errors == 1 ? "" : "s");
}

void parts_done(struct parts *p)
{
	document_done(&p->document);
	registry_free(&p->registry);
}

/* Only the name is looked for; what else is wrong with the file, the daemon says. */
int lab_name_of_source(const struct source *s, const char *wanted, char *ret)
{
	_cleanup_document_ struct document d = { 0 };

	document_parse_headers(s->text, s->len, s->file, &d);
	for (size_t i = 0; i < d.n; i++) {
		if (strcmp(d.sections[i].kind, "lab") != 0 || !d.sections[i].name[0])
			continue;
		if (wanted && strcmp(wanted, d.sections[i].name) != 0)
			return fail(EXIT_USAGE, "%s:%u: the file says [lab %s], --lab says %s; leave one of them out",
				    s->file, d.sections[i].loc.line, d.sections[i].name, wanted);
		snprintf(ret, LAB_SIZE, "%.*s", LAB_SIZE - 1, d.sections[i].name);
		if (str_is_name(ret))
			return 0;
	}
	if (wanted) {
		snprintf(ret, LAB_SIZE, "%s", wanted);
		return 0;
	}
	return lab_name_of_file(s->file, ret, LAB_SIZE) ? 0 : nameless(s);
}

/* It may have a name that could not be read. */
static int nameless(const struct source *s)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_document_ struct document d = { 0 };

	document_parse(s->text, s->len, s->file, &d, &diags);
	if (diags.errors)
		diag_list_print(stderr, &diags);
	return fail(
		diags.errors ? EXIT_BROKEN : EXIT_USAGE,
		"%s: the file's name is no name for a lab (a-z, 0-9 and -); write [lab NAME] into it, or say --lab NAME",
		s->file);
}
