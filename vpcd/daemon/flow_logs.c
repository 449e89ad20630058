/* flow_logs.c: windows. A window ends in three steps between which the loop goes on: the data path turns to a new
 * generation; some milliseconds later the old one is taken in pieces; then its records are made. */
#include "daemon/flow_logs.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "daemon/flow_log_file.h"
#include "daemon/http.h"
#include "daemon/lab.h"
#include "daemon/loop.h"
#include "daemon/places.h"
#include "daemon/server.h"
#include "daemon/views.h"
#include "kern/datapath.h"
#include "model/record.h"
#include "model/record_format.h"
#include "util/log.h"
#include "util/mem.h"

/* A program that has read the number of a generation is done with it long before SETTLE_US have passed. */
enum { SETTLE_US = 2000, PIECE_PAUSE_US = 300, ANSWER_MAX = 4096, ASKERS_MAX = 64, INTERVAL_MS_MIN = 100 };

struct kept {
	char *row;
	char log[40];
};
struct asker {
	struct request *r;
	uint64_t since;
	char log[40];
};
struct flow_logs {
	struct lab *lab;
	struct timer *timer;
	enum { RESTING, WAITING, SETTLING, TAKING } step;
	struct log_sweep sweep;
	struct record_window window;
	time_t start_s, end_s; /* of the window that is taken; start of the next is its end */
	uint64_t *lost;        /* by port: losses that have been told */
	struct kept ring[FLOW_RECORDS_KEPT];
	uint64_t first, next; /* numbers of records: kept are first … next - 1 */
	struct asker askers[ASKERS_MAX];
	unsigned n_askers;
};

static void on_timer(void *ctx);
static void turn(struct flow_logs *f);
static int take(struct flow_logs *f);
static void finish(struct flow_logs *f);
static void answer(struct flow_logs *f, const struct asker *a);

static int64_t wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

struct flow_logs *flow_logs_new(struct lab *l)
{
	struct flow_logs *f = xcalloc(1, sizeof(*f));

	f->lab = l;
	f->timer = timer_new(l->server->loop, on_timer, f);
	/* Milliseconds since 1970 as the first number: a restarted daemon goes on above the one before. */
	f->first = f->next = (uint64_t)(wall_ns() / 1000000);
	return f;
}

static void askers_refuse(struct flow_logs *f)
{
	while (f->n_askers)
		answer_fail(f->askers[--f->n_askers].r, 503, "Unavailable", "the flow logs of lab %s rest",
			    f->lab->name);
}

void flow_logs_free(struct flow_logs **fp)
{
	struct flow_logs *f = *fp;

	if (!f)
		return;
	if (f->lab->server->http) /* else it has answered them, and they are gone */
		askers_refuse(f);
	record_window_done(&f->window);
	for (size_t i = 0; i < FLOW_RECORDS_KEPT; i++)
		free(f->ring[i].row);
	timer_free(&f->timer);
	free(f->lost);
	free(f);
	*fp = NULL;
}

/* What was lost before this process came is not told again. */
static void losses_learn(struct flow_logs *f, struct datapath *d)
{
	if (f->lost)
		return;
	f->lost = xcalloc(ABI_PORTS_MAX, sizeof(*f->lost));
	for (uint32_t i = 0; i < f->lab->model->n_enis; i++) {
		uint32_t port = f->lab->model->enis[i].obj.number;

		f->lost[port] = datapath_log_lost(d, port);
	}
}

static uint64_t interval_ms(const struct model *m)
{
	uint64_t least = UINT64_MAX, ms;

	for (uint32_t i = 0; i < m->n_flow_logs; i++)
		if (m->flow_logs[i].interval_s < least)
			least = m->flow_logs[i].interval_s;
	ms = least * 1000 / m->clock;
	return ms < INTERVAL_MS_MIN ? INTERVAL_MS_MIN : ms;
}

void flow_logs_start(struct flow_logs *f)
{
	const struct model *m = f->lab->model;
	struct datapath *d = lab_datapath(f->lab);

	if (!m || !d || !m->n_flow_logs) {
		flow_logs_rest(f);
		return;
	}
	losses_learn(f, d);
	if (f->step == SETTLING || f->step == TAKING)
		return;
	if (f->step == RESTING)
		f->end_s = (time_t)(wall_ns() / 1000000000);
	f->step = WAITING;
	timer_set_ms(f->timer, interval_ms(m));
}

void flow_logs_rest(struct flow_logs *f)
{
	timer_stop(f->timer);
	record_window_done(&f->window);
	f->step = RESTING;
	askers_refuse(f);
}

void flow_logs_model_gone(struct flow_logs *f)
{
	static const struct timespec settle = { .tv_nsec = SETTLE_US * 1000 };

	if (f->step == RESTING || !f->lab->model || !lab_datapath(f->lab))
		return;
	if (f->step == WAITING)
		turn(f);
	if (f->step == SETTLING)
		nanosleep(&settle, NULL);
	while (take(f) > 0)
		;
	finish(f);
	timer_stop(f->timer);
	f->step = RESTING;
}

static void on_timer(void *ctx)
{
	struct flow_logs *f = ctx;

	if (!lab_datapath(f->lab) || !f->lab->model) {
		flow_logs_rest(f);
		return;
	}
	if (f->step == WAITING) {
		turn(f);
		timer_set_us(f->timer, SETTLE_US);
		return;
	}
	if (take(f) > 0) {
		timer_set_us(f->timer, PIECE_PAUSE_US);
		return;
	}
	finish(f);
	f->step = WAITING;
	timer_set_ms(f->timer, interval_ms(f->lab->model));
}

static void turn(struct flow_logs *f)
{
	f->sweep = (struct log_sweep){ .generation = datapath_log_turn(lab_datapath(f->lab)) };
	f->start_s = f->end_s;
	f->end_s = (time_t)(wall_ns() / 1000000000);
	f->step = SETTLING;
}

static void on_entry(void *ctx, const struct abi_log_key *key, const struct abi_log *log)
{
	record_window_add(ctx, key, log);
}

/* 1: there is more. */
static int take(struct flow_logs *f)
{
	int r;

	if (f->step == SETTLING)
		record_window_init(&f->window, f->lab->model);
	f->step = TAKING;
	r = datapath_log_take(lab_datapath(f->lab), &f->sweep, on_entry, &f->window);
	if (r < 0)
		log_warn("flow-log", f->lab->name, "what was counted cannot be read: %s", strerror(-r));
	return r;
}

/* ---- records ---- */

static void keep(struct flow_logs *f, const struct flow_log *log, const char *row)
{
	struct kept *k = &f->ring[f->next % FLOW_RECORDS_KEPT];

	free(k->row);
	k->row = xstrdup(row);
	snprintf(k->log, sizeof(k->log), "%s", log->obj.name);
	f->next++;
	if (f->next - f->first > FLOW_RECORDS_KEPT)
		f->first = f->next - FLOW_RECORDS_KEPT;
}

struct making {
	struct flow_logs *f;
	const struct flow_log *log;
	struct record_time time;
	struct record_format format;
	struct strbuf lines;
};

static void row_done(struct making *k, struct strbuf *row)
{
	keep(k->f, k->log, row->s);
	if (k->log->to_file) {
		record_line(&k->format, row->s, &k->lines);
		strbuf_adds(&k->lines, "\n");
	}
	row->n = 0;
}

static void make(struct making *k, const bool *skipped)
{
	const struct model *m = k->f->lab->model;
	const struct record_window *w = &k->f->window;
	_cleanup_free_ bool *seen = xcalloc(m->n_enis + (size_t)1, sizeof(*seen));
	_cleanup_strbuf_ struct strbuf row = { 0 };

	for (size_t i = 0; i < w->n; i++) {
		const struct record *r = w->v[i];

		if (!flow_log_wants(k->log, r) || !flow_log_covers(m, k->log, r->key.eni))
			continue;
		seen[r->key.eni] = true;
		record_row(m, r, &k->time, &row);
		row_done(k, &row);
	}
	for (uint32_t i = 0; i < m->n_enis; i++) {
		bool attached = m->enis[i].owner != ENI_OF_INSTANCE || m->enis[i].owner_index != NONE;

		if (!attached || !flow_log_covers(m, k->log, i) || (seen[i] && !skipped[i]))
			continue;
		record_empty_row(m, i, skipped[i], &k->time, &row);
		row_done(k, &row);
	}
}

static void finish(struct flow_logs *f)
{
	const struct model *m = f->lab->model;
	_cleanup_free_ bool *skipped = xcalloc(m->n_enis + (size_t)1, sizeof(*skipped));
	struct making k = { .f = f };
	struct err e = { 0 };

	k.time = (struct record_time){ .offset_ns = wall_ns() - (int64_t)clock_ns(),
				       .start_s = (uint64_t)f->start_s,
				       .end_s = (uint64_t)f->end_s };
	for (uint32_t i = 0; i < m->n_enis; i++) {
		uint32_t port = m->enis[i].obj.number;
		uint64_t lost = datapath_log_lost(lab_datapath(f->lab), port);

		skipped[i] = lost > f->lost[port];
		f->lost[port] = lost;
	}
	for (uint32_t i = 0; i < m->n_flow_logs; i++) {
		k.log = &m->flow_logs[i];
		record_format_parse(k.log->format, &k.format, NULL);
		make(&k, skipped);
		if (k.lines.n && flow_log_file_add(f->lab->server->dirs.state_dir, f->lab->name, k.log->obj.name,
						   k.lines.s, k.lines.n, &e) < 0)
			log_warn("flow-log", f->lab->name, "%s", e.msg);
		k.lines.n = 0;
	}
	strbuf_done(&k.lines);
	record_window_done(&f->window);
	while (f->n_askers)
		answer(f, &f->askers[--f->n_askers]);
}

/* ---- answers ---- */

static json_t *field_json(enum record_field field, const char *v, size_t n)
{
	bool number = field == RECORD_SRCPORT || field == RECORD_DSTPORT || field == RECORD_PROTOCOL ||
		      field == RECORD_PACKETS || field == RECORD_BYTES || field == RECORD_START ||
		      field == RECORD_END || field == RECORD_TCP_FLAGS || field == RECORD_TRAFFIC_PATH;

	if (n == 1 && *v == '-')
		return json_null();
	return number ? json_integer(strtoll(v, NULL, 10)) : json_stringn(v, n);
}

/* version is the format's. */
static json_t *record_json(uint64_t seq, const struct kept *k)
{
	json_t *o = json_object(), *fields = json_object();
	const char *p = k->row;

	json_object_set_new(o, "seq", json_integer((json_int_t)seq));
	json_object_set_new(o, "flow_log", json_string(k->log));
	json_object_set_new(o, "fields", fields);
	for (int i = 0; i < RECORD_FIELD_MAX; i++) {
		size_t n = strcspn(p, "\t");

		if (i != RECORD_VERSION)
			json_object_set_new(fields, record_field_name(i), field_json(i, p, n));
		p += n + (p[n] == '\t');
	}
	return o;
}

static void answer(struct flow_logs *f, const struct asker *a)
{
	const struct model *m = f->lab->model;
	json_t *o = json_object(), *records = json_array(), *formats = json_object();
	uint64_t at = a->since + 1 > f->first ? a->since + 1 : f->first;

	for (; at < f->next && json_array_size(records) < ANSWER_MAX; at++) {
		const struct kept *k = &f->ring[at % FLOW_RECORDS_KEPT];

		if (!a->log[0] || strcmp(a->log, k->log) == 0)
			json_array_append_new(records, record_json(at, k));
	}
	for (uint32_t i = 0; i < m->n_flow_logs; i++)
		json_object_set_new(formats, m->flow_logs[i].obj.name,
				    m->flow_logs[i].format ? json_string(m->flow_logs[i].format) : json_null());
	json_object_set_new(o, "next", json_integer((json_int_t)(at - 1)));
	json_object_set_new(o, "more", json_boolean(at < f->next));
	json_object_set_new(o, "formats", formats);
	json_object_set_new(o, "records", records);
	answer_json(a->r, 200, o);
}

static bool has_log(const struct model *m, const char *name)
{
	for (uint32_t i = 0; i < m->n_flow_logs; i++)
		if (strcmp(m->flow_logs[i].obj.name, name) == 0)
			return true;
	return false;
}

void flow_logs_ask(struct flow_logs *f, struct request *r)
{
	const struct model *m = f->lab->model;
	const char *since = request_arg(r, "since"), *log = request_arg(r, "log");
	bool now = request_arg(r, "now"), wait = request_arg(r, "wait");
	struct asker a = { .r = r };
	char *end = NULL;

	if (since && *since) {
		errno = 0;
		a.since = strtoull(since, &end, 10);
		if (errno || *end || *since == '-' || a.since == UINT64_MAX) {
			answer_fail(r, 400, "InvalidParameterValue", "since=%s is no number of a record", since);
			return;
		}
	}
	if (!m->n_flow_logs || (log && !has_log(m, log))) {
		answer_fail(r, 404, "InvalidFlowLogId.NotFound",
			    "lab %s has no flow log%s%s; add a section [flow-log NAME]", f->lab->name, log ? " " : "",
			    log ? log : "");
		return;
	}
	snprintf(a.log, sizeof(a.log), "%s", log ? log : "");
	if (f->step == RESTING || (!now && (!wait || a.since + 1 < f->next)) || f->n_askers == ASKERS_MAX) {
		answer(f, &a);
		return;
	}
	f->askers[f->n_askers++] = a;
	if (now && f->step == WAITING)
		timer_set_us(f->timer, 0);
}

json_t *view_flow_logs(struct lab *l, const char *name)
{
	static const char *const traffics[] = {
		[FLOW_LOG_ALL] = "all", [FLOW_LOG_ACCEPT] = "accept", [FLOW_LOG_REJECT] = "reject"
	};
	const struct model *m = l->model;
	json_t *all = json_array();

	for (uint32_t i = 0; i < m->n_flow_logs; i++) {
		const struct flow_log *log = &m->flow_logs[i];
		json_t *o;

		if (!view_wants(name, log->obj.name))
			continue;
		o = json_object();
		json_object_set_new(o, "name", json_string(log->obj.name));
		json_object_set_new(o, "id", json_text(log->obj.id));
		json_object_set_new(o, "resource_kind", json_string(obj_kind_name(log->scope)));
		json_object_set_new(o, "resource",
				    json_string(log->scope == KIND_VPC      ? m->vpcs[log->index].obj.name
						: log->scope == KIND_SUBNET ? m->subnets[log->index].obj.name
									    : m->enis[log->index].obj.name));
		json_object_set_new(o, "traffic", json_string(traffics[log->traffic]));
		json_object_set_new(o, "format", json_text(log->format));
		json_object_set_new(o, "max_aggregation_interval", json_integer(log->interval_s));
		json_object_set_new(o, "path",
				    log->to_file ? json_sprintf("%s/%s/flow-log-%s.log", l->server->dirs.state_dir,
								l->name, log->obj.name)
						 : json_null());
		view_place(o, &log->obj);
		json_array_append_new(all, o);
	}
	return all;
}
