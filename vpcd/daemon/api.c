/* api.c: the table of handlers, and those that are a few lines. Views are in views*.c. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "daemon/api.h"
#include "daemon/capture.h"
#include "daemon/event_stream.h"
#include "daemon/events.h"
#include "daemon/files.h"
#include "daemon/flow_logs.h"
#include "daemon/flush.h"
#include "daemon/lab.h"
#include "daemon/metrics.h"
#include "daemon/observe.h"
#include "daemon/probe.h"
#include "daemon/server.h"
#include "daemon/transaction.h"
#include "daemon/views.h"
#include "util/mem.h"
#include "util/str.h"

static void get_version(void *ctx, struct request *r);
static void get_labs(void *ctx, struct request *r);
static void get_lab(void *ctx, struct request *r);
static void put_lab(void *ctx, struct request *r);
static void post_changes(void *ctx, struct request *r);
static void delete_lab(void *ctx, struct request *r);
static void get_model(void *ctx, struct request *r);
static void get_topology(void *ctx, struct request *r);
static void get_logs(void *ctx, struct request *r);
static void post_probes(void *ctx, struct request *r);
static void post_captures(void *ctx, struct request *r);
static void get_events(void *ctx, struct request *r);
static void get_rules(void *ctx, struct request *r);
static void get_gates(void *ctx, struct request *r);
static void get_ct(void *ctx, struct request *r);
static void delete_ct(void *ctx, struct request *r);
static void get_metrics(void *ctx, struct request *r);
static void get_flows(void *ctx, struct request *r);
static void get_status(void *ctx, struct request *r);
static void get_kind(void *ctx, struct request *r);

const struct route_entry api_table[] = {
	{ "GET", "/v1/version", get_version, TURN_NONE, { NULL } },
	{ "GET", METRICS_PATH, get_metrics, TURN_NONE, { NULL } },
	{ "GET",
	  "/v1/events",
	  get_events,
	  TURN_NONE,
	  { "since", "follow", "sample-new", "sample-established", "sample-denied" } },
	{ "GET", "/v1/labs", get_labs, TURN_LOOK, { NULL } },
	{ "GET", "/v1/labs/*", get_lab, TURN_LOOK, { NULL } },
	{ "PUT", "/v1/labs/*", put_lab, TURN_CHANGE, { "dry-run", "model" } },
	{ "DELETE", "/v1/labs/*", delete_lab, TURN_CHANGE, { NULL } },
	{ "POST", "/v1/labs/*/changes", post_changes, TURN_CHANGE, { "dry-run", "model" } },
	{ "POST", "/v1/labs/*/probes", post_probes, TURN_CHANGE, { NULL } },
	{ "POST", "/v1/labs/*/captures", post_captures, TURN_CHANGE, { NULL } },
	{ "GET", "/v1/labs/*/rules", get_rules, TURN_LOOK, { NULL } },
	{ "GET", "/v1/labs/*/gates", get_gates, TURN_LOOK, { NULL } },
	{ "GET", "/v1/labs/*/ct", get_ct, TURN_LOOK, { NULL } },
	{ "DELETE", "/v1/labs/*/ct/*?", delete_ct, TURN_CHANGE, { NULL } },
	{ "GET", "/v1/labs/*/flows", get_flows, TURN_LOOK, { "since", "log", "now", "wait" } },
	{ "GET", "/v1/labs/*/status", get_status, TURN_LOOK, { NULL } },
	{ "GET", "/v1/labs/*/model", get_model, TURN_LOOK, { NULL } },
	{ "GET", "/v1/labs/*/topology", get_topology, TURN_LOOK, { NULL } },
	{ "GET", "/v1/labs/*/logs/*", get_logs, TURN_LOOK, { NULL } },
	{ "GET", "/v1/labs/*/*/*?", get_kind, TURN_LOOK, { NULL } },
	{ NULL, NULL, NULL, TURN_NONE, { NULL } },
};

/* The lab of the path, or NULL and the request is answered. up: one with a model. */
static struct lab *find_lab(struct server *s, struct request *r, bool up)
{
	const char *name = request_word(r, 0);
	struct lab *l = server_lab(s, name);

	if (!l || (up && !l->model && !l->broken && l->state != LAB_FAILED)) {
		answer_fail(r, 404, "InvalidLab.NotFound", "lab %s is not up", name);
		return NULL;
	}
	if (up && !l->model) {
		answer_fail(r, 409, "IncorrectState", "%s", l->error.msg);
		return NULL;
	}
	return l;
}

static void get_version(void *ctx, struct request *r)
{
	(void)ctx;
	answer_json(r, 200, json_pack("{sisssi}", "api", 1, "version", VPCD_VERSION, "pid", (int)getpid()));
}

static void get_labs(void *ctx, struct request *r)
{
	struct server *s = ctx;
	json_t *a = json_array();

	for (size_t i = 0; i < s->n_labs; i++)
		if (view_lab_is_there(s->labs[i]))
			json_array_append_new(a, view_lab(s->labs[i]));
	answer_json(r, 200, json_pack("{so}", "labs", a));
}

static void get_lab(void *ctx, struct request *r)
{
	struct lab *l = find_lab(ctx, r, false);
	json_t *o, *warnings;

	if (!l)
		return;
	if (!view_lab_is_there(l)) {
		answer_fail(r, 404, "InvalidLab.NotFound", "lab %s is not up", l->name);
		return;
	}
	o = view_lab(l);
	warnings = diags_json(&l->warnings, l->broken ? -1 : SEV_WARNING);
	if (l->state == LAB_FAILED)
		json_array_append_new(warnings, json_pack("{sn sn ss ss ss sn}", "file", "line", "severity", "error",
							  "code", "InternalError", "message", l->error.msg, "fix"));
	json_object_set_new(o, "warnings", warnings);
	answer_json(r, 200, o);
}

static void put_lab(void *ctx, struct request *r)
{
	struct server *s = ctx;
	const char *name = request_word(r, 0);
	struct lab *l = server_lab(s, name);

	if (!str_is_name(name)) {
		answer_fail(r, 400, "InvalidParameterValue",
			    "\"%s\" is no name of a lab: write [a-z0-9][a-z0-9-]*, at most 32 characters", name);
		return;
	}
	transaction_ask(l ? l : server_lab_add(s, name), ASK_PUT, r);
}

static void post_changes(void *ctx, struct request *r)
{
	struct lab *l = find_lab(ctx, r, false);

	if (l)
		transaction_ask(l, ASK_EDITS, r);
}

static void delete_lab(void *ctx, struct request *r)
{
	struct lab *l = find_lab(ctx, r, false);

	if (l)
		transaction_ask(l, ASK_DOWN, r);
}

static void get_model(void *ctx, struct request *r)
{
	struct lab *l = find_lab(ctx, r, true);

	if (l)
		answer_json(r, 200, model_json(&l->document, l->registry));
}

static void get_topology(void *ctx, struct request *r)
{
	struct lab *l = find_lab(ctx, r, true);

	if (l)
		answer_text(r, 200, document_format(&l->document));
}

static void get_logs(void *ctx, struct request *r)
{
	struct server *s = ctx;
	struct lab *l = find_lab(s, r, true);
	const char *name = request_word(r, 1);
	const struct workload *w = NULL;
	struct err e = { 0 };
	char *text;
	uint32_t i;

	if (!l)
		return;
	if ((i = model_find_instance(l->model, name)) != NONE)
		w = &l->model->instances[i].work;
	else if ((i = model_find_host(l->model, name)) != NONE)
		w = &l->model->hosts[i].work;
	if (!w)
		answer_fail(r, 404, "InvalidInstanceID.NotFound", "lab %s has no instance or host %s", l->name, name);
	else if (program_log_read(s->dirs.run_dir, l->name, name, &text, &e) == 0)
		answer_text(r, 200, text);
	else if (e.code == -ENOENT)
		answer_text(r, 200, xstrdup(""));
	else
		answer_err(r, &e);
}

static void post_probes(void *ctx, struct request *r)
{
	struct lab *l = find_lab(ctx, r, true);

	if (l)
		probes_ask(l->probes, r);
}

static void post_captures(void *ctx, struct request *r)
{
	struct lab *l = find_lab(ctx, r, true);

	if (l && request_may_follow(r))
		captures_ask(l->captures, r);
}

static void get_events(void *ctx, struct request *r)
{
	static const char *const names[ABI_TELL_MAX] = { "sample-new", "sample-established", "sample-denied" };
	struct server *s = ctx;
	struct event_reader reader = { 0 };
	const char *since = request_arg(r, "since");
	uint32_t sample[ABI_TELL_MAX];
	uint64_t n = 0;

	if (since && strcmp(since, "end") == 0)
		n = events_end(s->events);
	else if (request_number(r, "since", UINT64_MAX, &n) < 0)
		return;
	reader.seq = n;
	for (unsigned i = 0; i < ABI_TELL_MAX; i++) {
		n = sample_default[i];
		if (request_number(r, names[i], UINT32_MAX, &n) < 0)
			return;
		sample[i] = (uint32_t)n;
	}
	reader.follow = request_flag(r, "follow");
	if (reader.follow && !request_may_follow(r))
		return;
	if (reader.follow) {
		reader.gone = wish_gone;
		reader.ctx = wish_add(s, sample);
	}
	answer_events(r, s->events, &reader);
}

static void get_rules(void *ctx, struct request *r)
{
	struct lab *l = find_lab(ctx, r, true);

	if (l)
		answer_json(r, 200, json_pack("{so}", "rules", view_rules(l)));
}

static void get_gates(void *ctx, struct request *r)
{
	struct lab *l = find_lab(ctx, r, true);

	if (l)
		answer_json(r, 200, json_pack("{so}", "gates", view_gates(l)));
}

static void get_ct(void *ctx, struct request *r)
{
	struct lab *l = find_lab(ctx, r, true);

	if (l)
		answer_json(r, 200, json_pack("{so}", "entries", view_ct(l)));
}

static void delete_ct(void *ctx, struct request *r)
{
	struct lab *l = find_lab(ctx, r, true);

	if (l)
		flush_ask(l->flush, request_word(r, 1), r);
}

static void get_metrics(void *ctx, struct request *r)
{
	answer_metrics(r, ctx);
}

static void get_flows(void *ctx, struct request *r)
{
	struct lab *l = find_lab(ctx, r, true);

	if (l)
		flow_logs_ask(l->flow_logs, r);
}

static void get_status(void *ctx, struct request *r)
{
	struct lab *l = find_lab(ctx, r, true);

	if (l)
		answer_json(r, 200, view_status(l));
}

static void get_kind(void *ctx, struct request *r)
{
	const char *kind = request_word(r, 1), *name = request_word(r, 2);
	struct lab *l = find_lab(ctx, r, true);
	json_t *a;

	if (!l)
		return;
	a = view_kind(l, kind, name);
	if (!a)
		answer_fail(r, 404, "InvalidParameterValue", "\"%s\" is no kind that can be shown", kind);
	else if (name && json_array_size(a) == 0) {
		json_decref(a);
		answer_fail(r, 404, view_not_found(kind), "lab %s has no %s %s", l->name, kind, name);
	} else {
		answer_json(r, 200, json_pack("{so}", kind, a));
	}
}
