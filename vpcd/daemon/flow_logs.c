/* flow_logs.c: windows of flow logs, each as long as its log says. What is counted lies in the kernel, by generation,
 * until the windows of all logs that need it have ended. A cut ends some windows, in steps between which the loop goes on:
 *
 *   the data path turns to a new generation · some milliseconds later the older ones are read, in pieces · records are
 *   made and written, in pieces, then how far they go · who asked for them is answered, one after the other ·
 *   what no other window needs is forgotten, in pieces · and so is the cut itself
 *
 * Where the model changes, what was counted until then is told of by the model of then, which is kept for it: a cut
 * that ends no window. */
#include "daemon/flow_logs.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "daemon/flow_log_file.h"
#include "daemon/flow_log_state.h"
#include "daemon/http.h"
#include "daemon/lab.h"
#include "daemon/loop.h"
#include "daemon/verdict.h"
#include "daemon/server.h"
#include "daemon/views.h"
#include "kern/datapath.h"
#include "model/record.h"
#include "model/record_format.h"
#include "util/log.h"
#include "util/mem.h"

/* A program that has read the number of a generation is done with it long before SETTLE_US have passed. */
enum {
	SETTLE_US = 2000,
	STEP_NS = 1000000, /* then descriptors and other timers have their turn */
	ANSWER_MAX = 256,
	ASKERS_MAX = 64,
	INTERVAL_MS_MIN = 100,
	WRITE_MAX = 256,
	/* The kernel frees what was forgotten since its last grace period in one go, in our time: not too much of it. */
	FORGET_MAX = 64,
	FORGET_PAUSE_US = 1000
};
#define GENERATIONS_ALL 0x3fffffffu /* so far back there is none */

struct kept {
	char *row;
	char log[40];
};
struct asker {
	struct request *r;
	uint64_t since;
	char log[40];
	bool early; /* it came before the cut that it asked for began */
	bool due;   /* its records are there */
};
struct part { /* records from a generation on */
	uint32_t from;
	struct record_window w;
};
struct cut {
	const struct model *m;
	uint32_t upto;      /* the first generation that does not belong to it */
	uint32_t keep_from; /* the first one that somebody needs afterwards */
	bool early;         /* its windows go on */
	int64_t end_s;
	struct log_sweep sweep;
	struct part *parts;
	size_t n_parts, cap_parts;
	struct abi_log_key *old; /* to be forgotten */
	size_t n_old, cap_old, forgotten;
	uint64_t left;
};
struct retired {
	struct model *m;
	uint32_t upto;
};
struct making {
	uint32_t index;             /* of the log, in the cut's model */
	const struct flow_log *log; /* NULL: that one is not begun */
	struct log_window *window;
	size_t at; /* of the window's records */
	bool begins;
	struct record_time time;
	struct record_format format;
	struct strbuf lines;
};
struct flow_logs {
	struct lab *lab;
	struct timer *timer;
	enum { RESTING, WAITING, SETTLING, READING, WRITING, ANSWERING, FORGETTING, FREEING } step;
	struct log_state state;
	bool loaded;
	struct retired *retired; /* models that are gone, the oldest first */
	size_t n_retired, cap_retired;
	uint32_t boundary; /* generation at which the model began to change */
	bool has_boundary;
	bool now, crowded; /* all windows are to end; the kernel holds too much for them to go on uncut */
	struct cut cut;
	struct making making; /* records of the cut */
	struct kept ring[FLOW_RECORDS_KEPT];
	uint64_t first, next; /* numbers of records: kept are first … next - 1 */
	struct asker askers[ASKERS_MAX];
	unsigned n_askers;
};

static void on_timer(void *ctx);
static void schedule(struct flow_logs *f);
static void cut_done(struct cut *c);
static void making_done(struct making *k);
static void write_begin(struct flow_logs *f);
static int cut_write(struct flow_logs *f);
static void write_end(struct flow_logs *f);
static int askers_answer(struct flow_logs *f);

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

static void retired_drop(struct flow_logs *f)
{
	for (size_t i = 0; i < f->n_retired; i++)
		model_free(&f->retired[i].m);
	f->n_retired = 0;
}

void flow_logs_free(struct flow_logs **fp)
{
	struct flow_logs *f = *fp;

	if (!f)
		return;
	if (f->lab->server->http) /* else it has answered them, and they are gone */
		askers_refuse(f);
	cut_done(&f->cut);
	making_done(&f->making);
	retired_drop(f);
	free(f->retired);
	log_state_done(&f->state);
	for (size_t i = 0; i < FLOW_RECORDS_KEPT; i++)
		free(f->ring[i].row);
	timer_free(&f->timer);
	free(f);
	*fp = NULL;
}

/* ---- windows ---- */

static uint64_t interval_ns(const struct model *m, const struct flow_log *log)
{
	uint64_t ms = (uint64_t)log->interval_s * 1000 / m->clock;

	return (ms < INTERVAL_MS_MIN ? INTERVAL_MS_MIN : ms) * 1000000;
}

static const struct flow_log *log_of(const struct model *m, const char *name)
{
	for (uint32_t i = 0; i < m->n_flow_logs; i++)
		if (strcmp(m->flow_logs[i].obj.name, name) == 0)
			return &m->flow_logs[i];
	return NULL;
}

/* Nothing is on disk: losses of before are nobody's, and what the kernel holds is of the first window. The kernel holds
 * less than what was said to be there: the maps are new ones, and what was counted in the old ones is lost. */
static void state_learn(struct flow_logs *f, struct datapath *d)
{
	_cleanup_free_ uint64_t *lost = xcalloc(ABI_PORTS_MAX, sizeof(*lost));
	const struct lab *l = f->lab;
	uint32_t now = datapath_log_generation(d);
	struct err e = { 0 };
	int r = log_state_load(l->server->dirs.state_dir, l->name, &f->state, &e);

	f->loaded = true;
	if (r < 0 && r != -ENOENT && r != -ESTALE)
		log_warn("flow-log", l->name, "%s", e.msg);
	for (size_t i = 0; i < f->state.n; i++) {
		struct log_window *w = f->state.v[i];

		flow_log_file_cut(l->server->dirs.state_dir, l->name, w->log, &w->mark);
		if (r != -ESTALE && !log_is_before(now, w->from))
			continue;
		w->from = now;
		memset(&w->skipped, 0xff, sizeof(w->skipped));
	}
	datapath_logs_lost(d, ABI_PORTS_MAX, lost);
	for (uint32_t i = 0; i < l->model->n_enis; i++) {
		uint32_t port = l->model->enis[i].obj.number;

		if (r < 0 || lost[port] < f->state.lost[port])
			f->state.lost[port] = lost[port];
	}
}

static void state_save(struct flow_logs *f)
{
	struct err e = { 0 };

	if (log_state_save(f->lab->server->dirs.state_dir, f->lab->name, &f->state, &e) < 0)
		log_warn("flow-log", f->lab->name, "%s", e.msg);
}

static void windows_begin(struct flow_logs *f, const struct model *m, struct datapath *d, bool first)
{
	int64_t now_s = wall_ns() / 1000000000, age_s;
	uint64_t now_ns = clock_ns(), interval, age_ns;
	size_t before = f->state.n;

	for (uint32_t i = 0; i < m->n_flow_logs; i++) {
		const char *name = m->flow_logs[i].obj.name;
		struct log_window *w = log_state_find(&f->state, name);

		interval = interval_ns(m, &m->flow_logs[i]);
		if (!w) {
			w = xcalloc(1, sizeof(*w));
			snprintf(w->log, sizeof(w->log), "%s", name);
			w->from = datapath_log_generation(d) - (first ? GENERATIONS_ALL : 0);
			w->start_s = now_s;
			*VEC_PUSH(f->state.v, f->state.n, f->state.cap) = w;
		}
		age_s = now_s > w->start_s ? now_s - w->start_s : 0;
		age_ns = (uint64_t)age_s * 1000000000;
		if (!w->due_ns || w->due_ns > now_ns + interval)
			w->due_ns = now_ns + (age_ns < interval ? interval - age_ns : 0);
	}
	if (f->state.n != before)
		state_save(f);
}

/* Of logs that are gone, when their last records are made. */
static void windows_end(struct flow_logs *f)
{
	for (size_t i = 0; i < f->state.n;) {
		if (log_of(f->lab->model, f->state.v[i]->log)) {
			i++;
			continue;
		}
		free(f->state.v[i]);
		f->state.v[i] = f->state.v[--f->state.n];
	}
}

void flow_logs_start(struct flow_logs *f)
{
	const struct model *m = f->lab->model;
	struct datapath *d = lab_datapath(f->lab);
	bool first = !f->loaded;

	f->has_boundary = false;
	if (!m || !d || (!m->n_flow_logs && !f->n_retired)) {
		flow_logs_rest(f);
		f->has_boundary = false;
		retired_drop(f);
		askers_refuse(f);
		return;
	}
	if (first)
		state_learn(f, d);
	windows_begin(f, m, d, first && !f->state.n);
	if (f->step == RESTING)
		f->step = WAITING;
	if (f->step == WAITING)
		schedule(f);
}

void flow_logs_rest(struct flow_logs *f)
{
	struct datapath *d = lab_datapath(f->lab);

	timer_stop(f->timer);
	if (f->step == WRITING && d && f->lab->model) { /* some of it is told already */
		while (cut_write(f) > 0)
			;
		write_end(f);
	}
	while (f->lab->model && askers_answer(f) > 0)
		;
	making_done(&f->making);
	f->now = f->now || (f->cut.m && f->n_askers); /* somebody waits for the cut that ends here */
	cut_done(&f->cut);
	if (f->step != RESTING && d) {
		f->boundary = datapath_log_turn(d);
		f->has_boundary = true;
	}
	f->step = RESTING;
}

void flow_logs_model_keep(struct flow_logs *f, struct model **m)
{
	struct datapath *d = lab_datapath(f->lab);

	if (*m && !d) { /* the lab is gone */
		retired_drop(f);
		askers_refuse(f);
		log_state_done(&f->state);
		memset(f->state.lost, 0, sizeof(f->state.lost));
		f->loaded = false;
	}
	if (!*m || !(*m)->n_flow_logs || !d || !f->loaded)
		return;
	*VEC_PUSH(f->retired, f->n_retired, f->cap_retired) =
		(struct retired){ .upto = f->has_boundary ? f->boundary : datapath_log_turn(d), .m = TAKE_PTR(*m) };
	f->has_boundary = false;
}

/* ---- cuts ---- */

static void schedule(struct flow_logs *f)
{
	uint64_t due = UINT64_MAX, now = clock_ns();

	for (size_t i = 0; i < f->state.n; i++)
		if (f->state.v[i]->due_ns < due)
			due = f->state.v[i]->due_ns;
	if (f->n_retired)
		timer_set_us(f->timer, SETTLE_US);
	else if (f->now || f->crowded || due <= now)
		timer_set_us(f->timer, 0);
	else
		timer_set_us(f->timer, (due - now) / 1000 + 1);
}

/* 1: there is more. */
static int cut_shrink(struct cut *c)
{
	for (size_t i = 0; i < c->n_parts; i++)
		if (record_window_shrink(&c->parts[i].w))
			return 1;
	return 0;
}

static void cut_done(struct cut *c)
{
	for (size_t i = 0; i < c->n_parts; i++)
		record_window_done(&c->parts[i].w);
	free(c->parts);
	free(c->old);
	*c = (struct cut){ 0 };
}

static void making_done(struct making *k)
{
	strbuf_done(&k->lines);
	*k = (struct making){ 0 };
}

static struct part *part_of(struct cut *c, uint32_t from)
{
	struct part *p;

	for (size_t i = 0; i < c->n_parts; i++)
		if (c->parts[i].from == from)
			return &c->parts[i];
	p = VEC_PUSH(c->parts, c->n_parts, c->cap_parts);
	p->from = from;
	record_window_init(&p->w, c->m);
	return p;
}

/* Which windows it cuts: those of a model that is gone, or those that are due. */
static void cut_choose(struct flow_logs *f, struct cut *c)
{
	bool all = c->early || f->now || f->crowded;
	uint64_t now = clock_ns();

	for (unsigned i = 0; i < f->n_askers && !c->early; i++)
		f->askers[i].early = false;
	c->early = c->early || (f->crowded && !f->now);
	if (c->m == f->lab->model)
		f->now = f->crowded = false;
	for (size_t i = 0; i < f->state.n; i++) {
		struct log_window *w = f->state.v[i];

		w->chosen = (all || w->due_ns <= now) && log_of(c->m, w->log);
	}
}

static void cut_begin(struct flow_logs *f)
{
	struct cut *c = &f->cut;

	if (f->n_retired)
		*c = (struct cut){ .m = f->retired[0].m, .upto = f->retired[0].upto, .early = true };
	else
		*c = (struct cut){ .m = f->lab->model, .upto = datapath_log_turn(lab_datapath(f->lab)) };
	c->end_s = wall_ns() / 1000000000;
	cut_choose(f, c);
	c->keep_from = c->upto;
	for (size_t i = 0; i < f->state.n; i++) {
		struct log_window *w = f->state.v[i];

		if (w->chosen)
			part_of(c, w->from);
		else if (log_is_before(w->from, c->keep_from))
			c->keep_from = w->from;
	}
	c->sweep.generation = c->upto;
	f->step = SETTLING;
	timer_set_us(f->timer, f->n_retired ? 0 : SETTLE_US); /* a model that is gone has waited already */
}

static void on_entry(void *ctx, const struct abi_log_key *key, const struct abi_log *log)
{
	struct cut *c = ctx;

	for (size_t i = 0; i < c->n_parts; i++)
		if (!log_is_before(key->generation, c->parts[i].from))
			record_window_add(&c->parts[i].w, key, log);
	if (log_is_before(key->generation, c->keep_from))
		*VEC_PUSH(c->old, c->n_old, c->cap_old) = *key;
	else
		c->left++;
}

/* 1: there is more. */
static int cut_read(struct flow_logs *f)
{
	int r = datapath_log_read(lab_datapath(f->lab), &f->cut.sweep, on_entry, &f->cut);

	if (r < 0)
		log_warn("flow-log", f->lab->name, "what was counted cannot be read: %s", strerror(-r));
	return r;
}

static int cut_forget(struct flow_logs *f)
{
	struct cut *c = &f->cut;
	size_t n = c->n_old - c->forgotten < FORGET_MAX ? c->n_old - c->forgotten : FORGET_MAX;

	datapath_log_forget(lab_datapath(f->lab), c->old + c->forgotten, (uint32_t)n);
	c->forgotten += n;
	return c->forgotten < c->n_old;
}

static void cut_end(struct flow_logs *f)
{
	f->crowded = f->crowded || f->cut.left > datapath_log_max(lab_datapath(f->lab)) / 2;
	if (f->n_retired && f->cut.m == f->retired[0].m) {
		model_free(&f->retired[0].m);
		memmove(f->retired, f->retired + 1, --f->n_retired * sizeof(*f->retired));
	}
	cut_done(&f->cut);
	if (!f->n_retired)
		windows_end(f);
	f->step = WAITING;
	if (f->n_retired || f->lab->model->n_flow_logs)
		schedule(f);
	else
		f->step = RESTING;
}

/* One piece of it. True: the next one can follow at once. */
static bool go_on(struct flow_logs *f)
{
	switch (f->step) {
	case RESTING: return false;
	case WAITING: cut_begin(f); return false;
	case SETTLING: f->step = READING; /* fall through */
	case READING:
		if (cut_read(f) <= 0)
			write_begin(f);
		return true;
	case WRITING:
		if (cut_write(f) <= 0)
			write_end(f);
		return true;
	case ANSWERING:
		if (askers_answer(f) <= 0)
			f->step = FORGETTING;
		return true;
	case FORGETTING:
		if (cut_forget(f) <= 0) {
			f->step = FREEING;
			return true;
		}
		timer_set_us(f->timer, FORGET_PAUSE_US);
		return false;
	case FREEING:
		if (cut_shrink(&f->cut) > 0)
			return true;
		cut_end(f);
		return false;
	}
	return false;
}

static void on_timer(void *ctx)
{
	const uint64_t until_ns = clock_ns() + STEP_NS;
	struct flow_logs *f = ctx;

	if (!lab_datapath(f->lab) || !f->lab->model) {
		flow_logs_rest(f);
		return;
	}
	while (go_on(f))
		if (clock_ns() >= until_ns) {
			timer_set_us(f->timer, 0);
			return;
		}
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

static void row_done(struct flow_logs *f, struct strbuf *row)
{
	struct making *k = &f->making;

	keep(f, k->log, row->s);
	if (k->log->to_file) {
		record_line(&k->format, row->s, &k->lines);
		strbuf_adds(&k->lines, "\n");
	}
	row->n = 0;
}

/* The next log whose window is cut; false: that was the last. */
static bool log_begin(struct flow_logs *f)
{
	const struct model *m = f->cut.m;
	struct making *k = &f->making;

	for (; k->index < m->n_flow_logs; k->index++) {
		k->log = &m->flow_logs[k->index];
		k->window = log_state_find(&f->state, k->log->obj.name);
		if (!k->window || !k->window->chosen)
			continue;
		k->window->written = k->window->mark;
		k->at = 0;
		k->begins = true;
		k->time = (struct record_time){ .offset_ns = wall_ns() - (int64_t)clock_ns(),
						.start_s = (uint64_t)k->window->start_s,
						.end_s = (uint64_t)f->cut.end_s };
		record_format_parse(k->log->format, &k->format, NULL);
		return true;
	}
	k->log = NULL;
	return false;
}

/* As many as the budget allows; false: there are more. */
static bool records_make(struct flow_logs *f, size_t *budget)
{
	const struct model *m = f->cut.m;
	struct making *k = &f->making;
	const struct record_window *w = &part_of(&f->cut, k->window->from)->w;
	_cleanup_strbuf_ struct strbuf row = { 0 };

	for (; k->at < w->n && *budget; k->at++, --*budget) {
		const struct record *r = record_window_at(w, k->at);

		if (!flow_log_wants(k->log, r) || !flow_log_covers(m, k->log, r->key.eni))
			continue;
		port_put(&k->window->seen, m->enis[r->key.eni].obj.number);
		record_row(m, r, &k->time, &row);
		row_done(f, &row);
	}
	return k->at == w->n;
}

/* A window that goes on says nothing yet of those that were silent. */
static void empty_make(struct flow_logs *f)
{
	const struct model *m = f->cut.m;
	struct making *k = &f->making;
	_cleanup_strbuf_ struct strbuf row = { 0 };

	for (uint32_t i = 0; i < m->n_enis; i++) {
		bool attached = m->enis[i].owner != ENI_OF_INSTANCE || m->enis[i].owner_index != NONE;
		bool skipped = port_in(&k->window->skipped, m->enis[i].obj.number);
		bool silent = !f->cut.early && !port_in(&k->window->seen, m->enis[i].obj.number);

		if (!attached || !flow_log_covers(m, k->log, i) || (!skipped && !silent))
			continue;
		record_empty_row(m, i, skipped, &k->time, &row);
		row_done(f, &row);
		port_put(&k->window->seen, m->enis[i].obj.number);
	}
}

static void lines_write(struct flow_logs *f)
{
	const struct lab *l = f->lab;
	struct making *k = &f->making;
	struct err e = { 0 };

	if (k->lines.n && flow_log_file_add(l->server->dirs.state_dir, l->name, k->log->obj.name, k->lines.s,
					    k->lines.n, k->begins, &k->window->written, &e) < 0) {
		if (!k->window->unwritten)
			log_warn("flow-log", l->name, "%s", e.msg);
		k->window->unwritten = true;
	}
	k->begins = k->begins && !k->lines.n;
	k->lines.n = 0;
}

/* 1: there is more. */
static int cut_write(struct flow_logs *f)
{
	size_t budget = WRITE_MAX;

	while (f->making.log || log_begin(f)) {
		bool all = records_make(f, &budget);

		if (all)
			empty_make(f);
		lines_write(f);
		if (!all)
			return 1;
		f->making.log = NULL;
		f->making.index++;
	}
	return 0;
}

static void losses_add(struct flow_logs *f)
{
	_cleanup_free_ uint64_t *lost = xcalloc(ABI_PORTS_MAX, sizeof(*lost));
	const struct model *m = f->cut.m;

	datapath_logs_lost(lab_datapath(f->lab), ABI_PORTS_MAX, lost);
	for (uint32_t i = 0; i < m->n_enis; i++) {
		uint32_t port = m->enis[i].obj.number;

		for (size_t k = 0; lost[port] > f->state.lost[port] && k < f->state.n; k++)
			port_put(&f->state.v[k]->skipped, port);
		f->state.lost[port] = lost[port];
	}
}

/* What did not get to disk is missing there, as what found no room in the kernel is. */
static void window_next(struct flow_logs *f, struct log_window *w, const struct flow_log *log)
{
	w->from = f->cut.upto;
	w->mark = w->written;
	memset(&w->skipped, w->unwritten ? 0xff : 0, sizeof(w->skipped));
	w->unwritten = false;
	if (f->cut.early)
		return;
	memset(&w->seen, 0, sizeof(w->seen));
	w->start_s = f->cut.end_s;
	w->due_ns = clock_ns() + interval_ns(f->cut.m, log);
}

static void write_begin(struct flow_logs *f)
{
	losses_add(f);
	making_done(&f->making);
	f->step = WRITING;
}

static void write_end(struct flow_logs *f)
{
	making_done(&f->making);
	for (size_t i = 0; i < f->state.n; i++)
		if (f->state.v[i]->chosen)
			window_next(f, f->state.v[i], log_of(f->cut.m, f->state.v[i]->log));
	state_save(f);
	for (unsigned i = 0; i < f->n_askers; i++)
		f->askers[i].due = f->askers[i].due || (!f->cut.early && !f->askers[i].early);
	f->step = ANSWERING;
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

/* 1: one of them; there may be more. */
static int askers_answer(struct flow_logs *f)
{
	for (unsigned i = 0; i < f->n_askers; i++)
		if (f->askers[i].due) {
			answer(f, &f->askers[i]);
			f->askers[i] = f->askers[--f->n_askers];
			return 1;
		}
	return 0;
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
	const char *log = request_arg(r, "log");
	bool now = request_flag(r, "now"), wait = request_flag(r, "wait");
	struct asker a = { .r = r };

	if (request_number(r, "since", INT64_MAX, &a.since) < 0)
		return;
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
	f->askers[f->n_askers - 1].early = now;
	f->now = f->now || now;
	if (now && f->step == WAITING)
		schedule(f);
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
