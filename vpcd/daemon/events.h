/* events.h: the daemon's one numbered stream: states of labs, steps of changes, verdicts of packets.
 * The latest EVENTS_KEPT are kept. Numbers never go back, not even over a restart. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>

enum { EVENTS_KEPT = 10000 };

struct events;
struct event_stream;
struct events *events_new(void);
void events_free(struct events **ev);
/* Takes o ({"type":…, …}) over and adds seq, time and lab in front. lab may be NULL. */
void events_add(struct events *ev, const char *lab, const char *type, json_t *o);
/* The first event after *seq as a JSON line with its newline, and *seq becomes its number; NULL: none.
 * The line is valid until the next events_add. */
const char *events_next(const struct events *ev, uint64_t *seq);
uint64_t events_end(const struct events *ev);            /* the number of the latest; the next one comes after it */
struct event_stream **events_readers(struct events *ev); /* event_stream.c's list of those who read */
/* fn is called after each events_add; one listener. */
void events_on_add(struct events *ev, void (*fn)(void *ctx), void *ctx);
