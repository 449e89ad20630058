/* progress.c: reads the event stream while a request waits, and shows how far the apply is. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>
#include "cli/progress.h"
#include "util/mem.h"

static void progress_look(void *ctx);
static void event_show(struct progress *p, const json_t *event);
static int events_read(struct progress *p, struct reply *ret);

void progress_begin(struct progress *p, const char *lab, struct request *q)
{
	*p = (struct progress){ .lab = lab, .on = isatty(STDERR_FILENO) };
	if (!p->on)
		return;
	/* What is already in the stream is of the past. */
	progress_look(p);
	p->shown = false;
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
				event_show(p, event);
		}
		json_decref(event);
	}
}

static int events_read(struct progress *p, struct reply *ret)
{
	_cleanup_free_ char *path = xasprintf("/v1/events?since=%" PRIu64, p->seq);
	struct request q = { .path = path, .quiet = true, .text = true };

	return client_call(&q, ret);
}

static void event_show(struct progress *p, const json_t *event)
{
	const char *lab = json_string_value(json_object_get(event, "lab"));
	const json_t *done = json_object_get(event, "done"), *total = json_object_get(event, "total");

	if (!lab || strcmp(lab, p->lab) != 0 || !json_is_integer(done) || !json_is_integer(total))
		return;
	fprintf(stderr, "\r%s: %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " steps\033[K", p->lab,
		json_integer_value(done), json_integer_value(total));
	fflush(stderr);
	p->shown = true;
}
