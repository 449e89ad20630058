/* progress.c: reads the event stream while a request waits, and shows how far the apply is. */
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "cli/progress.h"
#include "util/mem.h"

static void progress_look(void *ctx);
static void event_count(struct progress *p, const json_t *event);
static uint64_t now_ms(void);
static int events_read(struct progress *p, struct reply *ret);

void progress_begin(struct progress *p, const char *lab, struct request *q)
{
	*p = (struct progress){ .lab = lab, .on = isatty(STDERR_FILENO) };
	if (!p->on)
		return;
	/* What is already in the stream is of the past. */
	progress_look(p);
	p->began_ms = now_ms();
	q->progress = progress_look;
	q->progress_ctx = p;
}

void progress_end(struct progress *p)
{
	if (p->shown)
		fprintf(stderr, "\r\033[K");
	p->shown = false;
}

static void progress_look(void *ctx)
{
	struct progress *p = ctx;
	_cleanup_reply_ struct reply reply = { 0 };
	bool first = !p->started;
	char *save = NULL;

	p->started = true;
	if (events_read(p, &reply))
		return;
	for (char *line = strtok_r(reply.text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		json_t *event = json_loads(line, 0, NULL);

		if (event) {
			p->seq = (uint64_t)json_integer_value(json_object_get(event, "seq"));
			if (!first)
				event_count(p, event);
		}
		json_decref(event);
	}
	if (first)
		return;
	fprintf(stderr, "\r%s: %u change%s, %.1f s\033[K", p->lab, p->changes, p->changes == 1 ? "" : "s",
		(double)(now_ms() - p->began_ms) / 1000);
	fflush(stderr);
	p->shown = true;
}

static int events_read(struct progress *p, struct reply *ret)
{
	_cleanup_free_ char *path = xasprintf("/v1/events?since=%" PRIu64, p->seq);
	struct request q = { .path = path, .quiet = true, .text = true };

	return client_call(&q, ret);
}

/* Which changes there are is known at once; then the kernel works. */
static void event_count(struct progress *p, const json_t *event)
{
	const char *lab = json_string_value(json_object_get(event, "lab")),
		   *type = json_string_value(json_object_get(event, "type"));

	if (lab && type && strcmp(lab, p->lab) == 0 && strcmp(type, "change") == 0)
		p->changes++;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}
