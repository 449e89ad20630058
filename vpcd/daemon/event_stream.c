/* event_stream.c: JSON lines out of the ring of events, as fast as each reader takes them. */
#include <string.h>
#include "daemon/event_stream.h"
#include "daemon/events.h"
#include "daemon/http.h"
#include "util/mem.h"

struct event_stream {
	struct events *events;
	struct event_reader reader;
	size_t at; /* bytes of the line after reader.seq that are out already */
	struct stream *stream;
	bool waits;
	struct event_stream *prev, *next;
};

static ssize_t on_read(void *ctx, char *buf, size_t max);
static void on_gone(void *ctx);
static void on_event(void *ctx);

void answer_events(struct request *r, struct events *ev, const struct event_reader *reader)
{
	struct event_stream *s = xcalloc(1, sizeof(*s)), **first = events_readers(ev);
	struct stream_setup setup = { .type = "application/x-ndjson", .read = on_read, .gone = on_gone, .ctx = s };

	s->events = ev;
	s->reader = *reader;
	s->next = *first;
	if (s->next)
		s->next->prev = s;
	*first = s;
	events_on_add(ev, on_event, ev);
	s->stream = answer_stream(r, &setup);
}

static ssize_t on_read(void *ctx, char *buf, size_t max)
{
	struct event_stream *s = ctx;
	size_t n = 0;

	while (n < max) {
		uint64_t seq = s->reader.seq;
		const char *line = events_next(s->events, &seq);
		size_t len, piece;

		if (!line)
			break;
		if (s->at && seq != s->reader.seq + 1) {
			/* a line that was begun has left the ring: the next one starts anew */
			s->at = 0;
			buf[n++] = '\n';
			continue;
		}
		len = strlen(line);
		piece = len - s->at < max - n ? len - s->at : max - n;
		memcpy(buf + n, line + s->at, piece);
		n += piece;
		s->at += piece;
		if (s->at < len)
			break;
		s->reader.seq = seq;
		s->at = 0;
	}
	s->waits = n == 0;
	return n || s->reader.follow ? (ssize_t)n : STREAM_END;
}

static void on_gone(void *ctx)
{
	struct event_stream *s = ctx;

	if (s->prev)
		s->prev->next = s->next;
	else
		*events_readers(s->events) = s->next;
	if (s->next)
		s->next->prev = s->prev;
	if (s->reader.gone)
		s->reader.gone(s->reader.ctx);
	free(s);
}

static void on_event(void *ctx)
{
	for (struct event_stream *s = *events_readers(ctx); s; s = s->next)
		if (s->waits)
			stream_wake(s->stream);
}
