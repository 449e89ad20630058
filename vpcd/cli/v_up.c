/* v_up.c: vpc plan, up and down: a whole lab. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "cli/changes.h"
#include "cli/client.h"
#include "cli/progress.h"
#include "cli/reach_view.h"
#include "cli/source.h"
#include "cli/verbs.h"
#include "conf/build.h"
#include "util/mem.h"
#include "util/str.h"

/* A second or two: a plan is read while one waits. */
enum { WALKS_MAX = 2000000 };

static int flows_compare(const struct args *a, const char *lab, const json_t *answer, struct model **before,
			 struct model **after, struct reach_diff *ret, bool *ret_compared);
static int put(const struct args *a, const char *file, bool dry_run, char *ret_lab, struct reply *ret);
static int start_for(const struct source *s, const char *lab);
static int up_one(const struct args *a, const char *file);
static int down_all(const struct args *a);
static int down_one(const struct args *a, const char *lab, json_t *results);
static bool state_is_there(void);

int plan_run(const struct args *a)
{
	_cleanup_reply_ struct reply reply = { 0 };
	_cleanup_reach_diff_ struct reach_diff flows = { 0 };
	_cleanup_model_ struct model *before = NULL, *after = NULL;
	bool compared = false;
	char lab[LAB_SIZE];
	json_t *changes;
	int r = put(a, a->words[0], true, lab, &reply);

	if (r)
		return r;
	changes = json_object_get(reply.json, "changes");
	warnings_print(json_object_get(reply.json, "warnings"));
	if (json_array_size(changes))
		r = flows_compare(a, lab, reply.json, &before, &after, &flows, &compared);
	if (r)
		return r;
	if (a->output == OUTPUT_JSON) {
		json_t *o = json_pack("{s:O,s:o}", "changes", changes, "flows",
				      compared ? reach_json(&flows) : json_null());

		json_print(o);
		json_decref(o);
	} else {
		changes_print(changes, false);
		if (compared)
			printf("\n%s\n", flows.n ? "flows:" : "no flow changes");
		reach_print(&flows);
	}
	return a->exit_code && json_array_size(changes) ? EXIT_FINDING : 0;
}

/* Of a lab that runs: what its packets will do that they do not do now. The flows borrow from both models. */
static int flows_compare(const struct args *a, const char *lab, const json_t *answer, struct model **before,
			 struct model **after, struct reach_diff *ret, bool *ret_compared)
{
	_cleanup_reply_ struct reply runs = { 0 };
	_cleanup_free_ char *path = xasprintf("/v1/labs/%s/model", lab);
	struct request q = { .path = path, .quiet = true };
	struct err e = { 0 };
	int r;

	if (client_call(&q, &runs) != 0)
		return 0; /* it is not up: everything will be new */
	r = model_of_json(lab, runs.json, before);
	if (r == 0)
		r = model_of_json(lab, json_object_get(answer, "model"), after);
	if (r)
		return r;
	r = reach_diff_make(*before, *after, a->all_flows ? 0 : WALKS_MAX, ret, &e);
	*ret_compared = r == 0;
	if (r == -E2BIG)
		warn_line("flows are not compared: %s; --all-flows does, however long it takes", e.msg);
	else if (r < 0)
		return fail_err(EXIT_BROKEN, &e);
	return 0;
}

int up_run(const struct args *a)
{
	for (size_t i = 0; i < a->n; i++) {
		int r = up_one(a, a->words[i]);

		if (r)
			return r;
	}
	return 0;
}

int down_run(const struct args *a)
{
	char lab[LAB_SIZE];
	json_t *results;
	int r;

	if (a->all && a->n)
		return fail(EXIT_USAGE, "down: --all is every lab; leave %s out, or --all", a->words[0]);
	if (!client_answers() && state_is_there()) {
		r = daemon_start(); /* labs outlive their daemon; taking them down needs one */
		if (r)
			return r;
	}
	if (a->all)
		return down_all(a);
	if (a->n && lab_check(a, a->words[0]))
		return EXIT_USAGE;
	if (a->n)
		snprintf(lab, sizeof(lab), "%s", a->words[0]);
	else if ((r = lab_of(a, NULL, lab, NULL)) != 0)
		return r;
	results = json_array();
	r = down_one(a, lab, results);
	if (r == 0 && a->output == OUTPUT_JSON)
		json_print(json_array_get(results, 0));
	json_decref(results);
	return r;
}

static int put(const struct args *a, const char *file, bool dry_run, char *ret_lab, struct reply *ret)
{
	_cleanup_source_ struct source s = { 0 };
	_cleanup_free_ char *header = NULL, *path = NULL;
	struct progress progress;
	struct request q = { .method = "PUT" };
	int r = source_read(file, &s);

	if (r)
		return r;
	r = lab_name_of_source(&s, a->lab, ret_lab);
	if (r)
		return r;
	if (!dry_run)
		r = start_for(&s, ret_lab);
	if (r)
		return r;
	path = xasprintf("/v1/labs/%s%s", ret_lab, dry_run ? "?dry-run=1&model=1" : "");
	header = xasprintf("Vpcd-File: %s", s.file);
	q.path = path;
	q.body = s.text;
	q.body_len = s.len;
	q.headers[0] = header;
	progress_begin(&progress, ret_lab, &q);
	r = client_call(&q, ret);
	progress_end(&progress);
	return r;
}

/* A daemon for this file. A file that cannot be built starts none, unless the lab has a past that
 * the file may rest on. */
static int start_for(const struct source *s, const char *lab)
{
	_cleanup_free_ char *past = xasprintf("%s/%s", state_dir(), lab);
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_model_ struct model *m = NULL;

	if (client_answers())
		return 0;
	if (access(past, F_OK) == 0 || model_from_text(s->text, s->len, s->file, &m, &diags) == 0)
		return daemon_start();
	diag_list_print(stderr, &diags);
	return fail(EXIT_BROKEN, "%s has %zu error%s; nothing was started", s->file, diags.errors,
		    diags.errors == 1 ? "" : "s");
}

static int up_one(const struct args *a, const char *file)
{
	_cleanup_reply_ struct reply reply = { 0 };
	char lab[LAB_SIZE];
	json_t *changes;
	int r = put(a, file, false, lab, &reply);

	if (r)
		return r;
	changes = json_object_get(reply.json, "changes");
	warnings_print(json_object_get(reply.json, "warnings"));
	if (a->output == OUTPUT_JSON) {
		json_print(reply.json);
		return 0;
	}
	changes_print(changes, true);
	if (json_array_size(changes))
		fprintf(stderr, "lab %s is up, revision %" JSON_INTEGER_FORMAT "\n", lab,
			json_integer_value(json_object_get(reply.json, "revision")));
	return 0;
}

static int down_all(const struct args *a)
{
	_cleanup_reply_ struct reply reply = { 0 };
	json_t *results, *lab, *out;
	size_t i;
	int r = 0, one;

	results = json_array();
	if (client_answers()) {
		r = client_get(&reply, "/v1/labs");
		json_array_foreach(json_object_get(reply.json, "labs"), i, lab)
		{
			one = down_one(a, json_string_value(json_object_get(lab, "name")), results);
			r = r ? r : one;
		}
	}
	if (a->output == OUTPUT_JSON) {
		out = json_pack("{s:O}", "labs", results);
		json_print(out);
		json_decref(out);
	} else if (r == 0 && json_array_size(results) == 0) {
		printf("no changes\n");
	}
	json_decref(results);
	return r;
}

static int down_one(const struct args *a, const char *lab, json_t *results)
{
	_cleanup_reply_ struct reply reply = { 0 };
	_cleanup_free_ char *path = xasprintf("/v1/labs/%s", lab);
	struct request q = { .method = "DELETE", .path = path };
	struct progress progress;
	int r;

	progress_begin(&progress, lab, &q);
	r = client_call(&q, &reply);
	progress_end(&progress);
	if (r)
		return r;
	json_array_append(results, reply.json);
	if (a->output == OUTPUT_TABLE)
		printf("lab %s is down\n", lab);
	return 0;
}

/* Is there any lab that a daemon would find? */
static bool state_is_there(void)
{
	DIR *d = opendir(state_dir());
	struct dirent *entry;
	bool found = false;

	if (!d)
		return false;
	while (!found && (entry = readdir(d)))
		found = str_is_name(entry->d_name);
	closedir(d);
	return found;
}
