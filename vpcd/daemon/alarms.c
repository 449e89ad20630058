/* alarms.c: periods by a timer an alarm; state changes go into the event stream and to the alarm's command. The command
 * runs as nobody, with nothing of the daemon's but standard files that lead nowhere, and is never waited for. */
#include "daemon/alarms.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "daemon/events.h"
#include "daemon/lab.h"
#include "daemon/lab_counts.h"
#include "daemon/loop.h"
#include "daemon/metrics.h"
#include "daemon/verdict.h"
#include "daemon/server.h"
#include "daemon/views.h"
#include "model/alarm_state.h"
#include "model/command.h"
#include "util/log.h"
#include "util/mem.h"
#include "util/str.h"

enum { FILE_MAX = 4 << 20, NOBODY = 65534, PERIOD_MS_MIN = 100, RETRY_MS = 200, RUN_CPU_S = 10, ENV_MAX = 8 };

struct one {
	struct alarms *all;
	char name[40];
	char *meaning;  /* what its state is about */
	uint32_t index; /* in the model */
	struct alarm_watch watch;
	char since[40];
	struct timer *timer;
	pid_t pid; /* of its command; 0: none */
};
struct alarms {
	struct lab *lab;
	struct one **v;
	size_t n, cap;
	json_t *stored; /* states of before this vpcd was started, by alarm; NULL: not read yet */
};

static void on_period(void *ctx);
static void command_run(struct one *o, const struct alarm *a, enum alarm_state was);

struct alarms *alarms_new(struct lab *l)
{
	struct alarms *a = xcalloc(1, sizeof(*a));

	a->lab = l;
	return a;
}

static void one_free(struct one *o)
{
	timer_free(&o->timer);
	free(o->meaning);
	free(o);
}

void alarms_free(struct alarms **ap)
{
	struct alarms *a = *ap;

	if (!a)
		return;
	for (size_t i = 0; i < a->n; i++)
		one_free(a->v[i]);
	free(a->v);
	json_decref(a->stored);
	free(a);
	*ap = NULL;
}

static void now_text(char buf[40])
{
	time_t t = time(NULL);
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(buf, 40, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static char *meaning_of(const struct alarm *a)
{
	struct strbuf b = { 0 };

	strbuf_addf(&b, "%d %d %.17g %u %u", a->metric, a->comparison, a->threshold, a->period_s,
		    a->evaluation_periods);
	for (uint32_t i = 0; i < a->n_dimensions; i++)
		strbuf_addf(&b, " %s=%s", a->dimensions[i].name, a->dimensions[i].value);
	return strbuf_take(&b);
}

/* ---- on disk: a restarted vpcd goes on with the states of the one before ---- */

static char *file_of(const struct alarms *all)
{
	return xasprintf("%s/%s/alarms.json", all->lab->server->dirs.state_dir, all->lab->name);
}

static void states_save(const struct alarms *all)
{
	_cleanup_free_ char *path = file_of(all), *text = NULL;
	json_t *o = json_object();
	int r;

	for (size_t i = 0; i < all->n; i++) {
		const struct one *x = all->v[i];
		const struct alarm_watch *w = &x->watch;

		json_object_set_new(o, x->name,
				    json_pack("{s:s,s:i,s:s,s:i,s:i,s:b,s:f,s:f}", "meaning", x->meaning, "state",
					      (int)w->state, "since", x->since, "periods", (int)w->periods, "breaches",
					      (int)w->breaches, "has_total", w->has_total, "total", w->total, "value",
					      w->value));
	}
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	r = replace_whole_file(path, text, strlen(text), 0600);
	if (r < 0)
		log_warn("alarm", all->lab->name, "%s: %s", path, strerror(-r));
}

static void states_read(struct alarms *all)
{
	_cleanup_free_ char *path = file_of(all), *text = NULL;

	if (all->stored)
		return;
	if (read_whole_file(path, FILE_MAX, &text, NULL) == 0)
		all->stored = json_loads(text, 0, NULL);
	if (!all->stored)
		all->stored = json_object();
}

/* True where the alarm was there and meant the same. What a counter added while no vpcd ran belongs to the next period. */
static bool state_take(struct alarms *all, struct one *o)
{
	json_t *was = json_object_get(all->stored, o->name);
	const char *meaning = NULL, *since = NULL;
	int state = 0, periods = 0, breaches = 0, has_total = 0;
	double total = 0, value = 0;

	if (!was || json_unpack(was, "{s:s,s:i,s:s,s:i,s:i,s:b,s:F,s:F}", "meaning", &meaning, "state", &state, "since",
				&since, "periods", &periods, "breaches", &breaches, "has_total", &has_total, "total",
				&total, "value", &value) < 0)
		return false;
	if (strcmp(meaning, o->meaning) == 0 && state >= ALARM_INSUFFICIENT_DATA && state <= ALARM_ALARM) {
		o->watch = (struct alarm_watch){ .state = (enum alarm_state)state,
						 .periods = (uint32_t)periods,
						 .breaches = (uint32_t)breaches,
						 .has_total = has_total,
						 .total = total,
						 .value = value };
		snprintf(o->since, sizeof(o->since), "%s", since);
	} else {
		was = NULL;
	}
	json_object_del(all->stored, o->name);
	return was;
}

static struct one *one_find(const struct alarms *all, const char *name)
{
	for (size_t i = 0; i < all->n; i++)
		if (strcmp(all->v[i]->name, name) == 0)
			return all->v[i];
	return NULL;
}

static uint64_t period_ms(const struct model *m, const struct alarm *a)
{
	uint64_t ms = (uint64_t)a->period_s * 1000 / m->clock;

	return ms < PERIOD_MS_MIN ? PERIOD_MS_MIN : ms;
}

static double value_now(struct lab *l, const struct alarm *a, bool *known);

static struct one *one_new(struct alarms *all, const struct alarm *alarm, char *meaning)
{
	struct one *o = xcalloc(1, sizeof(*o));

	o->all = all;
	snprintf(o->name, sizeof(o->name), "%s", alarm->obj.name);
	o->meaning = meaning;
	now_text(o->since);
	o->timer = timer_new(all->lab->server->loop, on_period, o);
	return o;
}

/* Those that mean what they meant go on. */
void alarms_start(struct alarms *all)
{
	const struct model *m = all->lab->model;
	struct alarms old = *all;

	states_read(all);
	all->v = NULL;
	all->n = all->cap = 0;
	for (uint32_t i = 0; m && i < m->n_alarms; i++) {
		const struct alarm *alarm = &m->alarms[i];
		char *meaning = meaning_of(alarm);
		struct one *o = NULL, *was = one_find(&old, alarm->obj.name);
		bool known;
		double now;

		if (was && strcmp(was->meaning, meaning) == 0) {
			for (size_t k = 0; k < old.n; k++)
				if (old.v[k] == was)
					old.v[k] = old.v[--old.n];
			free(meaning);
			o = was;
		} else {
			o = one_new(all, alarm, meaning);
			now = value_now(all->lab, alarm, &known);
			if (!state_take(all, o) && known && metric_is_counter(alarm->metric))
				alarm_period_end(&o->watch, alarm, true, now);
			timer_set_ms(o->timer, period_ms(m, alarm));
		}
		o->index = i;
		*VEC_PUSH(all->v, all->n, all->cap) = o;
	}
	for (size_t i = 0; i < old.n; i++)
		one_free(old.v[i]);
	free(old.v);
	if (all->n)
		states_save(all);
}

void alarms_model_gone(struct alarms *all)
{
	for (size_t i = 0; i < all->n; i++)
		all->v[i]->index = NONE;
}

struct gather {
	const struct alarm *alarm;
	double value;
	bool any;
};

/* Sums; of shares the highest one. */
static void gather_add(void *ctx, const char *labels, double value)
{
	struct gather *g = ctx;

	if (!alarm_labels_match(g->alarm, labels))
		return;
	if (g->alarm->metric != METRIC_MAP_PRESSURE)
		g->value += value;
	else if (value > g->value)
		g->value = value;
	g->any = true;
}

/* A counter that has not counted yet stands at 0. */
static double value_now(struct lab *l, const struct alarm *a, bool *known)
{
	struct gather g = { .alarm = a };
	struct lab_counts counts = { 0 };
	bool measured = metric_collect(l, &counts, a->metric, gather_add, &g);

	lab_counts_done(&counts);
	*known = measured && (g.any || metric_is_counter(a->metric));
	return g.value;
}

static void on_period(void *ctx)
{
	struct one *o = ctx;
	struct lab *l = o->all->lab;
	enum alarm_state was = o->watch.state;
	const struct alarm *a;
	bool known;
	double now;
	json_t *ev;

	if (!l->model || o->index == NONE || o->index >= l->model->n_alarms) {
		timer_set_ms(o->timer, RETRY_MS); /* between two models */
		return;
	}
	a = &l->model->alarms[o->index];
	timer_set_ms(o->timer, period_ms(l->model, a));
	now = value_now(l, a, &known);
	if (!alarm_period_end(&o->watch, a, known, now)) {
		states_save(o->all);
		return;
	}
	now_text(o->since);
	states_save(o->all);
	ev = json_object();
	json_object_set_new(ev, "alarm", json_string(o->name));
	json_object_set_new(ev, "state", json_string(alarm_state_name(o->watch.state)));
	json_object_set_new(ev, "was", json_string(alarm_state_name(was)));
	json_object_set_new(ev, "metric", json_string(metric_names[a->metric].name));
	json_object_set_new(ev, "value", known ? json_real(o->watch.value) : json_null());
	json_object_set_new(ev, "comparison", json_string(alarm_comparison_name(a->comparison)));
	json_object_set_new(ev, "threshold", json_real(a->threshold));
	events_add(l->server->events, l->name, "alarm", ev);
	log_info("alarm", o->name, "%s in lab %s", alarm_state_name(o->watch.state), l->name);
	if (a->run)
		command_run(o, a, was);
}

/* ---- its command ---- */

static void child(char **argv, char **env)
{
	const struct rlimit cpu = { RUN_CPU_S, RUN_CPU_S };
	sigset_t none;
	int null = open("/dev/null", O_RDWR);

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setrlimit(RLIMIT_CPU, &cpu);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 || close_range(3, ~0U, 0) < 0 ||
	    chdir("/") < 0 || setsid() < 0 || setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		_exit(126);
	execvpe(argv[0], argv, env);
	_exit(127);
}

static void command_run(struct one *o, const struct alarm *a, enum alarm_state was)
{
	_cleanup_free_ char **argv = NULL;
	char *env[ENV_MAX] = { 0 };
	unsigned n = 0;
	pid_t pid;

	alarms_child_ended(o->all);
	if (o->pid) {
		log_warn("alarm", o->name, "its command still runs (pid %d): it is not run again", (int)o->pid);
		return;
	}
	if (command_split(a->run, &argv, NULL) < 0)
		return; /* the schema has checked it */
	env[n++] = xstrdup("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	env[n++] = xasprintf("VPC_LAB=%s", o->all->lab->name);
	env[n++] = xasprintf("VPC_ALARM=%s", o->name);
	env[n++] = xasprintf("VPC_ALARM_STATE=%s", alarm_state_name(o->watch.state));
	env[n++] = xasprintf("VPC_ALARM_WAS=%s", alarm_state_name(was));
	env[n++] = xasprintf("VPC_ALARM_VALUE=%.9g", o->watch.value);
	pid = fork();
	if (pid == 0)
		child(argv, env);
	if (pid < 0)
		log_warn("alarm", o->name, "its command cannot be started: %s", strerror(errno));
	else
		o->pid = pid;
	while (n)
		free(env[--n]);
}

void alarms_child_ended(struct alarms *all)
{
	for (size_t i = 0; i < all->n; i++) {
		struct one *o = all->v[i];
		int status = 0;

		if (!o->pid || waitpid(o->pid, &status, WNOHANG) == 0)
			continue;
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			log_warn("alarm", o->name, "its command failed (%s %d)", WIFEXITED(status) ? "exit" : "signal",
				 WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
		o->pid = 0;
	}
}

/* ---- view ---- */

json_t *view_alarms(struct lab *l, const char *name)
{
	const struct model *m = l->model;
	json_t *all = json_array();

	for (uint32_t i = 0; i < m->n_alarms; i++) {
		const struct alarm *a = &m->alarms[i];
		const struct one *o = one_find(l->alarms, a->obj.name);
		json_t *j, *dimensions;

		if (!view_wants(name, a->obj.name))
			continue;
		j = json_object();
		dimensions = json_object();
		for (uint32_t k = 0; k < a->n_dimensions; k++)
			json_object_set_new(dimensions, a->dimensions[k].name, json_string(a->dimensions[k].value));
		json_object_set_new(j, "name", json_string(a->obj.name));
		json_object_set_new(j, "id", json_text(a->obj.id));
		json_object_set_new(j, "metric", json_string(metric_names[a->metric].name));
		json_object_set_new(j, "dimensions", dimensions);
		json_object_set_new(j, "comparison", json_string(alarm_comparison_name(a->comparison)));
		json_object_set_new(j, "threshold", json_real(a->threshold));
		json_object_set_new(j, "period", json_integer(a->period_s));
		json_object_set_new(j, "evaluation_periods", json_integer(a->evaluation_periods));
		json_object_set_new(j, "run", json_text(a->run));
		json_object_set_new(j, "state",
				    json_string(alarm_state_name(o ? o->watch.state : ALARM_INSUFFICIENT_DATA)));
		json_object_set_new(j, "value", o && o->watch.periods ? json_real(o->watch.value) : json_null());
		json_object_set_new(j, "since", json_text(o ? o->since : NULL));
		view_place(j, &a->obj);
		json_array_append_new(all, j);
	}
	return all;
}
