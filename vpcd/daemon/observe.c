/* observe.c: from the data path's ring to the event stream.
 *
 * Drops of a flow come gathered: an event at the first, then one a second with their number while they go on. The last
 * ones of a flow that falls silent have no event of their own, so each flow that was told of is looked up until its
 * number is complete. What was lost is told in one event a second. */
#include <string.h>
#include <time.h>
#include "daemon/events.h"
#include "daemon/lab.h"
#include "daemon/loop.h"
#include "daemon/observe.h"
#include "daemon/verdict.h"
#include "daemon/server.h"
#include "kern/datapath.h"
#include "util/mem.h"

enum {
	SECOND_MS = 1000,
	SLOTS = 4096, /* as many as the data path gathers */
	WINDOW = 8,   /* slots in which a flow may stand */
	SLICE = 64,   /* events of a turn of the loop */
	SLICE_MS = 10,
};
#define QUIET_NS 1500000000ull  /* no drop for so long: the flow has stopped */
#define FORGET_NS 3000000000ull /* and its last ones have been told of */

struct told { /* a flow whose drops were told of, and may be more by now */
	struct abi_event last;
	bool used;
};
struct observe {
	struct lab *lab;
	struct timer *second;
	struct told *slots; /* a flow stands within WINDOW behind its hash; NULL until there is one */
	unsigned used, at;
	uint64_t lost;  /* told of */
	bool gathering; /* the data path may hold drops */
};
struct wish {
	struct server *server;
	uint32_t sample[ABI_TELL_MAX];
	struct wish *next;
};

const uint32_t sample_default[ABI_TELL_MAX] = { [ABI_TELL_NEW] = 1, [ABI_TELL_ESTABLISHED] = 0, [ABI_TELL_DENIED] = 1 };

static void on_second(void *ctx);
static void told_keep(struct observe *o, const struct abi_event *ev);
static bool told_complete(struct observe *o, struct told *t, bool now);
static void add(struct observe *o, const struct abi_event *ev);

struct observe *observe_new(struct lab *l)
{
	struct observe *o = xcalloc(1, sizeof(*o));

	o->lab = l;
	o->second = timer_new(l->server->loop, on_second, o);
	return o;
}

void observe_free(struct observe **o)
{
	if (!*o)
		return;
	timer_free(&(*o)->second);
	free((*o)->slots);
	free(*o);
	*o = NULL;
}

void observe_start(struct observe *o)
{
	o->lost = datapath_events_lost(lab_datapath(o->lab));
	o->gathering = true;
	timer_set_ms(o->second, SECOND_MS);
}

void observe_rest(struct observe *o)
{
	timer_stop(o->second);
	free(o->slots);
	o->slots = NULL;
	o->used = o->at = 0;
}

void observe_event(struct observe *o, const struct abi_event *ev)
{
	add(o, ev);
	if (ev->allow)
		return;
	told_keep(o, ev);
	o->gathering = true;
}

static void add(struct observe *o, const struct abi_event *ev)
{
	events_add(o->lab->server->events, o->lab->name, "verdict", verdict_json(o->lab->ports, ev));
}

/* ---- drops ---- */

static void key_of(const struct abi_event *ev, struct abi_flow_key *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->port = ev->port;
	ret->proto = ev->proto;
	ret->family = ev->family;
	memcpy(ret->sport, ev->sport, 2);
	memcpy(ret->dport, ev->dport, 2);
	ret->src = ev->src;
	ret->dst = ev->dst;
}

/* FNV-1a */
static unsigned slot_of(const struct abi_flow_key *k)
{
	const uint8_t *p = (const uint8_t *)k;
	uint32_t h = 0x811c9dc5u;

	for (size_t i = 0; i < sizeof(*k); i++)
		h = (h ^ p[i]) * 0x01000193u;
	return h % SLOTS;
}

/* The slot of a flow, else a free one, else the first. */
static struct told *told_find(struct observe *o, const struct abi_flow_key *k)
{
	unsigned at = slot_of(k);
	struct told *vacant = NULL;

	for (unsigned i = 0; i < WINDOW; i++) {
		struct told *t = &o->slots[(at + i) % SLOTS];
		struct abi_flow_key other;

		if (!t->used) {
			vacant = vacant ? vacant : t;
			continue;
		}
		key_of(&t->last, &other);
		if (memcmp(k, &other, sizeof(other)) == 0)
			return t;
	}
	return vacant ? vacant : &o->slots[at];
}

static void told_keep(struct observe *o, const struct abi_event *ev)
{
	struct abi_flow_key k, other;
	struct told *t;

	key_of(ev, &k);
	if (!o->slots)
		o->slots = xcalloc(SLOTS, sizeof(*o->slots));
	t = told_find(o, &k);
	if (t->used) {
		key_of(&t->last, &other);
		if (memcmp(&k, &other, sizeof(k)) != 0)
			told_complete(o, t, true);
	}
	o->used += !t->used;
	t->used = true;
	t->last = *ev;
}

/* Tells of what came after the last event; now: even if there may be more. True when an event was made. */
static bool told_complete(struct observe *o, struct told *t, bool now)
{
	struct datapath *d = lab_datapath(o->lab);
	struct abi_flow_key k;
	struct abi_drop drop;
	bool grown;

	key_of(&t->last, &k);
	if (!d || datapath_drop(d, &k, &drop) < 0 || drop.first_ns != t->last.first_ns || drop.gate != t->last.gate ||
	    drop.reason != t->last.reason) {
		t->used = false;
		o->used--;
		return false;
	}
	if (!now && clock_ns() < drop.last_ns + QUIET_NS)
		return false; /* it goes on: the data path tells of it */
	grown = drop.packets > t->last.count;
	if (grown) {
		t->last.count = drop.packets;
		t->last.time_ns = drop.last_ns;
		t->last.flags &= (uint8_t)~ABI_EVENT_WATCHED;
		add(o, &t->last);
	}
	t->used = false;
	o->used--;
	return grown;
}

static void tell_lost(struct observe *o)
{
	uint64_t lost = datapath_events_lost(lab_datapath(o->lab));

	if (lost > o->lost)
		events_add(o->lab->server->events, o->lab->name, "lost",
			   json_pack("{sI}", "events", (json_int_t)(lost - o->lost)));
	o->lost = lost;
}

/* Once a second, in slices. */
static void on_second(void *ctx)
{
	struct observe *o = ctx;
	unsigned n = 0;

	if (!lab_datapath(o->lab) || !o->lab->ports)
		return;
	if (o->at == 0)
		tell_lost(o);
	for (; o->used && o->at < SLOTS && n < SLICE; o->at++)
		if (o->slots[o->at].used)
			n += told_complete(o, &o->slots[o->at], false);
	if (o->used && o->at < SLOTS) {
		timer_set_ms(o->second, SLICE_MS);
		return;
	}
	o->at = 0;
	if (o->gathering)
		o->gathering = datapath_drops_sweep(lab_datapath(o->lab), FORGET_NS) > 0;
	timer_set_ms(o->second, SECOND_MS);
}

/* ---- wishes ---- */

static void wishes_apply(struct server *s)
{
	uint32_t sample[ABI_TELL_MAX];

	wishes_sum(s, sample);
	for (size_t i = 0; i < s->n_labs; i++)
		if (lab_datapath(s->labs[i]))
			datapath_sample(lab_datapath(s->labs[i]), sample);
}

struct wish *wish_add(struct server *s, const uint32_t sample[ABI_TELL_MAX])
{
	struct wish *w = xcalloc(1, sizeof(*w));

	w->server = s;
	memcpy(w->sample, sample, sizeof(w->sample));
	w->next = s->wishes;
	s->wishes = w;
	wishes_apply(s);
	return w;
}

void wish_gone(void *ctx)
{
	struct wish *w = ctx, **link = &w->server->wishes;

	while (*link != w)
		link = &(*link)->next;
	*link = w->next;
	wishes_apply(w->server);
	free(w);
}

void wishes_sum(const struct server *s, uint32_t ret[ABI_TELL_MAX])
{
	memcpy(ret, s->wishes ? s->wishes->sample : sample_default, sizeof(sample_default));
	for (const struct wish *w = s->wishes; w; w = w->next)
		for (unsigned i = 0; i < ABI_TELL_MAX; i++)
			if (w->sample[i] && (!ret[i] || w->sample[i] < ret[i]))
				ret[i] = w->sample[i];
}
