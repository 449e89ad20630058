/* lab.c: a lab's life in memory: loading what was asked, its handle on the kernel, its events. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include "conf/build.h"
#include "daemon/alarms.h"
#include "daemon/capture.h"
#include "daemon/crew.h"
#include "daemon/events.h"
#include "daemon/flow_logs.h"
#include "daemon/flush.h"
#include "daemon/nat_metrics.h"
#include "daemon/lab.h"
#include "daemon/loop.h"
#include "daemon/observe.h"
#include "daemon/probe.h"
#include "daemon/server.h"
#include "daemon/store.h"
#include "daemon/transaction.h"
#include "kern/datapath.h"
#include "kern/kern.h"
#include "plan/state.h"
#include "util/log.h"
#include "util/mem.h"

enum {
	REAP_MS = 1000,
	/* A sweep of the connections: so much at a time, then a rest. */
	SWEEP_SLICE_NS = 1000000,
	SWEEP_PAUSE_MS = 9,
	READ_MS = 1,
	READ_US = 1000,
	QUICK_MS = 100,
	SETTLE_MS = 2000, /* the kernel tells of carriers once a second */
	/* Verdict events of one port, of a kind: enough for people, no burden at a full-rate flood. Of the whole lab:
	 * a fraction of a core, however many ports there are. */
	EVENT_BURST = 256,
	EVENTS_PER_S = 100,
	LAB_EVENT_BURST = 4096,
	LAB_EVENTS_PER_S = 2000,
	DROP_MS = 1000,
	EVENTS_AT_ONCE = 128, /* in a turn of the loop */
};

static int build(struct lab *l, const struct stored *s, struct err *e);
static void on_events(void *ctx, int fd, uint32_t events);
static int on_event(void *ctx, const struct abi_event *ev);
static void on_reap(void *ctx);
static void on_read(void *ctx);

struct lab *lab_new(struct server *s, const char *name)
{
	struct lab *l = xcalloc(1, sizeof(*l));

	l->server = s;
	strncpy(l->name, name, sizeof(l->name) - 1);
	l->events_fd = -1;
	document_init(&l->document);
	diag_list_init(&l->warnings);
	l->reaper = timer_new(s->loop, on_reap, l);
	l->reader = timer_new(s->loop, on_read, l);
	l->next_job = timer_new(s->loop, transaction_next, l);
	l->crew = crew_new(l);
	l->probes = probes_new(l);
	l->flush = flush_new(l);
	l->flow_logs = flow_logs_new(l);
	l->alarms = alarms_new(l);
	l->observe = observe_new(l);
	l->captures = captures_new(l);
	return l;
}

void lab_free(struct lab **lp)
{
	struct lab *l = *lp;

	if (!l)
		return;
	transaction_drop(l);
	probes_free(&l->probes);
	flush_free(&l->flush);
	captures_free(&l->captures);
	nat_floors_free(&l->nat_floors);
	flow_logs_free(&l->flow_logs);
	alarms_free(&l->alarms);
	lab_close_kern(l);
	observe_free(&l->observe);
	timer_free(&l->reaper);
	timer_free(&l->reader);
	timer_free(&l->next_job);
	crew_free(&l->crew);
	document_done(&l->document);
	registry_free(&l->registry);
	ports_free(&l->ports);
	model_free(&l->model);
	diag_list_done(&l->warnings);
	free(l);
	*lp = NULL;
}

const char *lab_state_name(enum lab_state s)
{
	static const char *const names[] = { [LAB_UP] = "up", [LAB_APPLYING] = "applying", [LAB_FAILED] = "failed" };

	return names[s];
}

void lab_set_state(struct lab *l, enum lab_state s)
{
	json_t *o = json_object();

	l->state = s;
	json_object_set_new(o, "state", json_string(lab_state_name(s)));
	json_object_set_new(o, "revision", json_integer((json_int_t)l->revision));
	json_object_set_new(o, "message", s == LAB_FAILED ? json_string(l->error.msg) : json_null());
	events_add(l->server->events, l->name, "lab", o);
}

void lab_fail(struct lab *l, const struct err *e)
{
	l->error = *e;
	log_error("lab", l->name, "%s", e->msg);
	lab_set_state(l, LAB_FAILED);
}

int lab_load(struct lab *l, struct err *e)
{
	_cleanup_stored_ struct stored s = { 0 };
	int r = store_load(l->server->dirs.state_dir, l->name, &s, e);

	if (r == 0) {
		l->revision = s.revision;
		l->going = s.going;
		if (!s.going)
			r = build(l, &s, e);
	}
	l->broken = r < 0;
	return r;
}

void lab_adopt(struct lab *l, struct document *d, struct registry **r, struct model **m)
{
	struct document old_document = l->document;
	struct registry *old_registry = l->registry;
	struct model *old_model;

	alarms_model_gone(l->alarms);
	l->document = *d;
	*d = old_document;
	l->registry = *r;
	*r = old_registry;
	probes_model_gone(l->probes);
	captures_model_gone(l->captures);
	ports_free(&l->ports);
	flow_logs_model_keep(l->flow_logs, &l->model);
	old_model = l->model;
	l->model = *m;
	*m = old_model;
	l->ports = l->model ? ports_new(l->model) : NULL;
	l->adoption = ++l->server->adoptions;
}

int lab_kern(struct lab *l, struct err *e)
{
	return l->kern ? 0 : kern_open(l->name, &l->server->dirs, &l->kern, e);
}

void lab_close_kern(struct lab *l)
{
	lab_datapath_rest(l);
	state_free(&l->known);
	kern_close(&l->kern);
}

struct datapath *lab_datapath(const struct lab *l)
{
	return l->kern ? kern_datapath(l->kern) : NULL;
}

void lab_datapath_rest(struct lab *l)
{
	if (l->events_fd >= 0)
		loop_unwatch(l->server->loop, l->events_fd);
	l->events_fd = -1;
	timer_stop(l->reaper);
	if (l->flow_logs)
		flow_logs_rest(l->flow_logs);
	observe_rest(l->observe);
	if (l->captures)
		captures_rest(l->captures);
}

int lab_datapath_start(struct lab *l, struct err *e)
{
	struct datapath *d = lab_datapath(l);
	struct datapath_config c = { .event_burst = EVENT_BURST,
				     .events_per_s = EVENTS_PER_S,
				     .lab_event_burst = LAB_EVENT_BURST,
				     .lab_events_per_s = LAB_EVENTS_PER_S,
				     .drop_ms = DROP_MS };
	int r;

	lab_datapath_rest(l);
	if (!d || !l->model)
		return 0;
	c.kernel_path = l->model->datapath == DATAPATH_KERNEL;
	c.clock = l->model->clock;
	c.flow_log = l->model->n_flow_logs > 0;
	c.strict_icmp = l->model->strict_icmp;
	c.strict_fragments = l->model->strict_fragments;
	wishes_sum(l->server, c.sample);
	r = datapath_configure(d, &c, e);
	if (r < 0)
		return r;
	l->events_fd = datapath_events_fd(d);
	r = loop_watch(l->server->loop, l->events_fd, EPOLLIN, on_events, l);
	if (r < 0)
		return err_set(e, r, "verdict events: %s", strerror(-r));
	timer_set_ms(l->reaper, REAP_MS);
	observe_start(l->observe);
	captures_start(l->captures);
	flow_logs_start(l->flow_logs);
	alarms_start(l->alarms);
	return 0;
}

void lab_know(struct lab *l, struct state **known)
{
	state_free(&l->known);
	if (!known)
		return;
	l->known = TAKE_PTR(*known);
}

void lab_read_ahead(struct lab *l)
{
	l->read_at = l->quick_at = 0;
	l->read_again = false;
	timer_set_ms(l->reader, READ_MS);
}

void lab_drain_events(struct lab *l)
{
	struct datapath *d = lab_datapath(l);

	if (d)
		datapath_events_consume(d, 0, on_event, l);
}

static int build(struct lab *l, const struct stored *s, struct err *e)
{
	_cleanup_document_ struct document d = { 0 };
	struct registry *registry = NULL;
	struct model *m = NULL;
	int r = document_load(s->document, &d, e);

	if (r < 0)
		return err_wrap(e, "the document of lab %s", l->name);
	r = registry_load(s->registry, &registry, e);
	if (r < 0)
		return err_wrap(e, "the registry of lab %s", l->name);
	diag_list_done(&l->warnings);
	r = model_build(&d, l->name, registry, &m, &l->warnings);
	if (r < 0) {
		_cleanup_free_ char *first = l->warnings.n ? diag_format(&l->warnings.v[0]) : NULL;

		registry_free(&registry);
		return err_set(e, r, "what was asked is not valid any more: %s", first ? first : "no reason given");
	}
	if (m->uplink.on && !l->server->allow_uplink) {
		log_warn("lab", l->name,
			 "uplink = yes has no effect: vpcd was not started with --allow-uplink; it is taken away");
		m->uplink.on = false;
	}
	lab_adopt(l, &d, &registry, &m);
	registry_free(&registry);
	model_free(&m);
	return 0;
}

static void on_events(void *ctx, int fd, uint32_t events)
{
	struct lab *l = ctx;
	struct datapath *d = lab_datapath(l);

	(void)fd;
	(void)events;
	if (d) /* what is left wakes us again */
		datapath_events_consume(d, EVENTS_AT_ONCE, on_event, l);
}

static int on_event(void *ctx, const struct abi_event *ev)
{
	struct lab *l = ctx;

	if (!l->ports)
		return 0;
	observe_event(l->observe, ev);
	probes_event(l->probes, ev);
	return 0;
}

/* In small pieces, between everything else. */
static void on_read(void *ctx)
{
	struct lab *l = ctx;

	if (!l->kern || (!l->known && !l->tx))
		return;
	if (l->tx || kern_read_ahead(l->kern, l->known, &l->read_at, READ_US)) {
		timer_set_ms(l->reader, READ_MS);
	} else if (!l->read_again) {
		l->read_again = true;
		l->read_at = 0;
		timer_set_ms(l->reader, SETTLE_MS);
	} else if (kern_quicken(l->kern, l->known, &l->quick_at)) {
		timer_set_ms(l->reader, QUICK_MS);
	}
}

static void on_reap(void *ctx)
{
	struct lab *l = ctx;
	struct datapath *d = lab_datapath(l);
	uint64_t reaped = 0;

	if (!d)
		return;
	timer_set_ms(l->reaper, datapath_reap(d, SWEEP_SLICE_NS, &reaped) > 0 ? SWEEP_PAUSE_MS : REAP_MS);
}
