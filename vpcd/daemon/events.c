/* events.c: a ring of JSON lines. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "daemon/events.h"
#include "util/mem.h"

struct events {
	char *line[EVENTS_KEPT]; /* of number seq in [seq % EVENTS_KEPT] */
	uint64_t first, next;    /* numbers: kept are first … next - 1 */
	void (*on_add)(void *ctx);
	void *ctx;
	struct event_stream *readers;
};

static void format_time(char buf[40]);

struct events *events_new(void)
{
	struct events *ev = xcalloc(1, sizeof(*ev));
	struct timespec ts;

	/* Milliseconds since 1970 as the first number: a restarted daemon goes on above the one before. */
	clock_gettime(CLOCK_REALTIME, &ts);
	ev->first = ev->next = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	return ev;
}

void events_free(struct events **evp)
{
	struct events *ev = *evp;

	if (!ev)
		return;
	for (size_t i = 0; i < EVENTS_KEPT; i++)
		free(ev->line[i]);
	free(ev);
	*evp = NULL;
}

void events_add(struct events *ev, const char *lab, const char *type, json_t *o)
{
	char **slot = &ev->line[ev->next % EVENTS_KEPT];
	json_t *all = json_object();
	char when[40];
	char *text;

	format_time(when);
	json_object_set_new(all, "seq", json_integer((json_int_t)ev->next));
	json_object_set_new(all, "time", json_string(when));
	json_object_set_new(all, "lab", lab ? json_string(lab) : json_null());
	json_object_set_new(all, "type", json_string(type));
	json_object_update(all, o);
	json_decref(o);
	text = json_dumps(all, JSON_COMPACT);
	json_decref(all);
	if (!text)
		return; /* not UTF-8: nothing of ours */
	free(*slot);
	*slot = xasprintf("%s\n", text);
	free(text);
	ev->next++;
	if (ev->next - ev->first > EVENTS_KEPT)
		ev->first = ev->next - EVENTS_KEPT;
	if (ev->on_add)
		ev->on_add(ev->ctx);
}

const char *events_next(const struct events *ev, uint64_t *seq)
{
	uint64_t want = *seq + 1;

	if (want < ev->first)
		want = ev->first;
	if (want >= ev->next)
		return NULL;
	*seq = want;
	return ev->line[want % EVENTS_KEPT];
}

uint64_t events_end(const struct events *ev)
{
	return ev->next - 1;
}

struct event_stream **events_readers(struct events *ev)
{
	return &ev->readers;
}

void events_on_add(struct events *ev, void (*fn)(void *ctx), void *ctx)
{
	ev->on_add = fn;
	ev->ctx = ctx;
}

static void format_time(char buf[40])
{
	struct timespec ts;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	n = strftime(buf, 40, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, 40 - n, ".%06ldZ", ts.tv_nsec / 1000);
}
