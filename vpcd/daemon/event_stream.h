/* event_stream.h: the event stream as the body of an answer. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct events;
struct request;
struct event_reader {
	uint64_t seq;            /* events after this one */
	bool follow;             /* and then those to come, without end */
	void (*gone)(void *ctx); /* called at its end; may be NULL */
	void *ctx;
};
void answer_events(struct request *r, struct events *ev, const struct event_reader *reader);
