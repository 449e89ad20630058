/* capture.c: from the ring of captured frames to pcapng streams, one a reader. A reader that is too slow loses frames
 * behind a bound of memory; each loss is counted and stands in the stream's statistics of its interface. */
#include "daemon/capture.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include "daemon/http.h"
#include "daemon/lab.h"
#include "daemon/loop.h"
#include "daemon/verdict.h"
#include "daemon/server.h"
#include "kern/datapath.h"
#include "util/mem.h"
#include "util/pcapng.h"
#include "util/str.h"

enum {
	SNAPLEN_DEFAULT = 2048,
	ENDS_MAX = 256,
	READERS_MAX = 8,
	BUFFER_MAX = 4 << 20, /* bytes that wait for one reader */
	FRAMES_AT_ONCE = 512, /* in a turn of the loop */
	SECOND_MS = 1000,
	WORDS = 64,
};

struct capture_end { /* an interface of a capture */
	uint32_t port;
	uint64_t seen0, lost0; /* its counts at the beginning */
	uint64_t late;         /* frames that this reader was too slow for */
	uint64_t told_lost;
};
struct capture {
	struct captures *all; /* NULL: the lab has gone */
	struct stream *stream;
	struct capture_end *ends;
	uint32_t n;
	uint32_t snaplen;
	struct strbuf out;
	size_t at; /* bytes of out that are read */
	struct capture *next;
};
struct words { /* a verdict without its packet, and what it says */
	struct abi_event key;
	char *text;
};
struct captures {
	struct lab *lab;
	struct capture *first;
	struct timer *second;
	struct words words[WORDS]; /* those seen last, by hash */
	uint64_t real_ns;          /* what the wall clock is ahead of the kernel's */
	int fd;                    /* watched; -1 */
};

static int capture_read(struct capture *c, const json_t *o, struct err *e);
static int end_add(struct capture *c, const char *name, struct err *e);
static void port_add(struct capture *c, uint32_t port);
static void heads_write(struct capture *c);
static void capture_free(struct capture *c);
static void taps_apply(struct captures *all);
static ssize_t on_body(void *ctx, char *buf, size_t max);
static void on_gone(void *ctx);
static void on_ring(void *ctx, int fd, uint32_t events);
static int on_frame(void *ctx, const struct abi_capture *f, const uint8_t *frame);
static void on_second(void *ctx);
static void counts_write(struct capture *c, bool losses_only);
static const char *words_of(struct captures *all, const struct abi_event *ev);

struct captures *captures_new(struct lab *l)
{
	struct captures *all = xcalloc(1, sizeof(*all));

	all->lab = l;
	all->fd = -1;
	all->second = timer_new(l->server->loop, on_second, all);
	return all;
}

void captures_free(struct captures **allp)
{
	struct captures *all = *allp;

	if (!all)
		return;
	captures_rest(all);
	for (struct capture *c = all->first; c; c = c->next) {
		c->all = NULL; /* its stream outlives the lab until it is read to the end */
		stream_wake(c->stream);
	}
	captures_model_gone(all);
	timer_free(&all->second);
	free(all);
	*allp = NULL;
}

void captures_ask(struct captures *all, struct request *r)
{
	struct stream_setup setup = { .type = "application/x-pcapng", .read = on_body, .gone = on_gone };
	struct capture *c = xcalloc(1, sizeof(*c));
	json_error_t where;
	struct err e = { 0 };
	unsigned readers = 0;
	size_t len;
	const char *body = request_body(r, &len);
	json_t *o = json_loadb(body, len, 0, &where);

	c->all = all;
	for (const struct capture *k = all->first; k; k = k->next)
		readers++;
	if (!o)
		err_set(&e, -EINVAL, "the body is not JSON: line %d: %s", where.line, where.text);
	else if (readers == READERS_MAX)
		err_set(&e, -EBUSY, "lab %s: %u captures run already", all->lab->name, readers);
	else if (!lab_datapath(all->lab))
		err_set(&e, -ENOENT, "lab %s has no data path to capture from", all->lab->name);
	else
		capture_read(c, o, &e);
	json_decref(o);
	if (e.code) {
		answer_err(r, &e);
		capture_free(c);
		return;
	}
	c->next = all->first;
	all->first = c;
	heads_write(c);
	setup.ctx = c;
	c->stream = answer_stream(r, &setup);
	captures_start(all);
}

void captures_start(struct captures *all)
{
	struct datapath *d = lab_datapath(all->lab);

	taps_apply(all);
	if (!all->first || !d || all->fd >= 0)
		return;
	all->fd = datapath_captures_fd(d);
	loop_watch(all->lab->server->loop, all->fd, EPOLLIN, on_ring, all);
	timer_set_ms(all->second, SECOND_MS);
}

void captures_rest(struct captures *all)
{
	if (all->fd >= 0)
		loop_unwatch(all->lab->server->loop, all->fd);
	all->fd = -1;
	timer_stop(all->second);
}

void captures_model_gone(struct captures *all)
{
	for (unsigned i = 0; i < WORDS; i++) {
		free(all->words[i].text);
		all->words[i] = (struct words){ 0 };
	}
}

/* ---- what is asked ---- */

static int capture_read(struct capture *c, const json_t *o, struct err *e)
{
	const json_t *names = json_object_get(o, "interfaces"), *snaplen = json_object_get(o, "snaplen"), *v;
	json_int_t n = json_is_integer(snaplen) ? json_integer_value(snaplen) : SNAPLEN_DEFAULT;
	size_t i;

	if (!json_is_array(names) || !json_array_size(names) || json_array_size(names) > ENDS_MAX)
		return err_set_aws(e, -EINVAL, "MissingParameter", "\"interfaces\" is a list of 1 to %d names",
				   ENDS_MAX);
	if ((snaplen && !json_is_null(snaplen) && !json_is_integer(snaplen)) || n < 1 || n > ABI_SNAPLEN_MAX)
		return err_set_aws(e, -EINVAL, "InvalidParameterValue", "snaplen is a number from 1 to %d",
				   ABI_SNAPLEN_MAX);
	c->snaplen = (uint32_t)n;
	json_array_foreach(names, i, v)
	{
		int r = json_is_string(v) ? end_add(c, json_string_value(v), e)
					  : err_set(e, -EINVAL, "interface %zu is no text", i + 1);

		if (r < 0)
			return r;
	}
	return 0;
}

/* An instance stands for all its interfaces. */
static int end_add(struct capture *c, const char *name, struct err *e)
{
	const struct model *m = c->all->lab->model;
	uint32_t i = model_find_instance(m, name);

	if (i != NONE) {
		for (uint32_t k = 0; k < m->instances[i].n_enis; k++)
			port_add(c, m->enis[m->instances[i].enis[k]].obj.number);
		return 0;
	}
	i = model_find_eni(m, name);
	if (i != NONE) {
		port_add(c, m->enis[i].obj.number);
		return 0;
	}
	i = model_find_host(m, name);
	if (i == NONE)
		return err_set_aws(e, -ENOENT, "InvalidNetworkInterfaceID.NotFound",
				   "lab %s has no instance, interface or host %s", c->all->lab->name, name);
	port_add(c, m->hosts[i].port);
	return 0;
}

static void port_add(struct capture *c, uint32_t port)
{
	struct abi_port_stats s = { 0 };

	for (uint32_t i = 0; i < c->n; i++)
		if (c->ends[i].port == port)
			return;
	datapath_port_stats(lab_datapath(c->all->lab), port, &s);
	c->ends = xrealloc(c->ends, (c->n + 1) * sizeof(*c->ends));
	c->ends[c->n++] = (struct capture_end){ .port = port, .seen0 = s.captured, .lost0 = s.captures_lost };
}

/* The head of the section, and an interface for each end, named as the instance. */
static void heads_write(struct capture *c)
{
	const struct lab *l = c->all->lab;

	pcapng_section(&c->out, "Linux", "vpcd " VPCD_VERSION);
	for (uint32_t i = 0; i < c->n; i++) {
		struct port at = port_get(l->ports, c->ends[i].port);
		const char *id = at.owner == PORT_OF_ENI ? l->model->enis[at.index].obj.id : NULL;
		struct pcapng_interface head = { .name = port_name(l->ports, c->ends[i].port), .snaplen = c->snaplen };
		char text[160];

		snprintf(text, sizeof(text), "%s/%s%s%s", l->name, head.name, id ? " " : "", id ? id : "");
		head.description = text;
		pcapng_interface(&c->out, &head);
	}
}

static void capture_free(struct capture *c)
{
	strbuf_done(&c->out);
	free(c->ends);
	free(c);
}

/* Each port is captured as far as the one who wants most of it. */
static void taps_apply(struct captures *all)
{
	struct datapath *d = lab_datapath(all->lab);

	if (!d)
		return;
	for (const struct capture *c = all->first; c; c = c->next)
		for (uint32_t i = 0; i < c->n; i++) {
			uint32_t most = 0;

			for (const struct capture *k = all->first; k; k = k->next)
				for (uint32_t j = 0; j < k->n; j++)
					if (k->ends[j].port == c->ends[i].port && k->snaplen > most)
						most = k->snaplen;
			datapath_tap(d, c->ends[i].port, most, NULL);
		}
	datapath_capture(d, all->first != NULL);
}

/* ---- the stream ---- */

static ssize_t on_body(void *ctx, char *buf, size_t max)
{
	struct capture *c = ctx;
	size_t n = c->out.n - c->at < max ? c->out.n - c->at : max;

	if (!n)
		return c->all ? 0 : STREAM_END;
	memcpy(buf, c->out.s + c->at, n);
	c->at += n;
	if (c->at == c->out.n) {
		c->out.n = c->at = 0;
	} else if (c->at > BUFFER_MAX / 2) {
		memmove(c->out.s, c->out.s + c->at, c->out.n - c->at);
		c->out.n -= c->at;
		c->at = 0;
	}
	return (ssize_t)n;
}

static void on_gone(void *ctx)
{
	struct capture *c = ctx, **link;
	struct captures *all = c->all;
	struct datapath *d = all ? lab_datapath(all->lab) : NULL;

	if (all) {
		for (link = &all->first; *link != c; link = &(*link)->next)
			;
		*link = c->next;
		for (uint32_t i = 0; d && i < c->n; i++)
			datapath_tap(d, c->ends[i].port, 0, NULL);
		taps_apply(all);
		if (!all->first)
			captures_rest(all);
	}
	capture_free(c);
}

static uint64_t real_offset_ns(void)
{
	struct timespec real, mono;

	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	return (uint64_t)((int64_t)(real.tv_sec - mono.tv_sec) * 1000000000 + (real.tv_nsec - mono.tv_nsec));
}

static void on_ring(void *ctx, int fd, uint32_t events)
{
	struct captures *all = ctx;
	struct datapath *d = lab_datapath(all->lab);

	(void)fd;
	(void)events;
	if (!d || !all->lab->ports)
		return;
	all->real_ns = real_offset_ns();
	datapath_captures_consume(d, FRAMES_AT_ONCE, on_frame, all);
	for (struct capture *c = all->first; c; c = c->next) {
		counts_write(c, true);
		if (c->out.n)
			stream_wake(c->stream);
	}
}

static int on_frame(void *ctx, const struct abi_capture *f, const uint8_t *frame)
{
	struct captures *all = ctx;
	struct pcapng_packet p = { .time_ns = all->real_ns + f->time_ns,
				   .data = frame,
				   .len = f->len,
				   .inbound = f->inbound,
				   .tc_action = f->action,
				   .comment = words_of(all, &f->event) };

	for (struct capture *c = all->first; c; c = c->next)
		for (uint32_t i = 0; i < c->n; i++) {
			if (c->ends[i].port != f->port)
				continue;
			if (c->out.n - c->at > BUFFER_MAX) {
				c->ends[i].late++;
				continue;
			}
			p.interface = i;
			p.cap_len = f->cap_len < c->snaplen ? f->cap_len : c->snaplen;
			pcapng_packet(&c->out, &p);
		}
	return 0;
}

/* Once a second, changed or not: a reader sees that it goes on. */
static void on_second(void *ctx)
{
	struct captures *all = ctx;

	all->real_ns = real_offset_ns();
	for (struct capture *c = all->first; c; c = c->next) {
		counts_write(c, false);
		stream_wake(c->stream);
	}
	timer_set_ms(all->second, SECOND_MS);
}

static void counts_write(struct capture *c, bool losses_only)
{
	struct datapath *d = lab_datapath(c->all->lab);

	for (uint32_t i = 0; d && i < c->n; i++) {
		struct capture_end *end = &c->ends[i];
		struct pcapng_counts counts = { .interface = i,
						.time_ns = c->all->real_ns + clock_ns(),
						.accepted = PCAPNG_COUNT_UNKNOWN,
						.delivered = PCAPNG_COUNT_UNKNOWN };
		struct abi_port_stats s;

		if (datapath_port_stats(d, end->port, &s) < 0)
			continue;
		counts.received = (int64_t)(s.captured - end->seen0);
		counts.dropped = (int64_t)(s.captures_lost - end->lost0 + end->late);
		if ((losses_only && (uint64_t)counts.dropped == end->told_lost) || c->out.n - c->at > BUFFER_MAX)
			continue;
		end->told_lost = (uint64_t)counts.dropped;
		pcapng_statistics(&c->out, &counts);
	}
}

/* ---- words ---- */

static void words_key(const struct abi_event *ev, struct abi_event *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->gate_port = ev->gate_port;
	ret->peer = ev->gate == ABI_GATE_IGW || ev->gate == ABI_GATE_PEERING ? ev->peer : 0; /* names the object */
	memcpy(ret->rule, ev->rule, sizeof(ret->rule));
	ret->deny_rule = ev->deny_rule;
	ret->gate = ev->gate;
	ret->reason = ev->reason;
	ret->reason_sg_out = ev->reason_sg_out;
	ret->reason_sg_in = ev->reason_sg_in;
	ret->allow = ev->allow;
}

static const char *words_of(struct captures *all, const struct abi_event *ev)
{
	struct abi_event key;
	struct verdict_words w;
	struct words *slot;
	uint32_t h = 0x811c9dc5u;

	words_key(ev, &key);
	for (size_t i = 0; i < sizeof(key); i++)
		h = (h ^ ((const uint8_t *)&key)[i]) * 0x01000193u;
	slot = &all->words[h % WORDS];
	if (slot->text && memcmp(&slot->key, &key, sizeof(key)) == 0)
		return slot->text;
	verdict_words(all->lab->ports, &key, &w);
	free(slot->text);
	slot->key = key;
	slot->text = verdict_sentence(&w);
	return slot->text;
}
