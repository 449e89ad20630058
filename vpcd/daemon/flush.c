/* flush.c: a table of a million connections takes longer than the loop may be held up, so the sweep goes on
 * in slices, between which everything else has its turn. One at a time a lab. */
#include "daemon/flush.h"
#include <errno.h>
#include <string.h>
#include "daemon/http.h"
#include "daemon/lab.h"
#include "daemon/loop.h"
#include "daemon/server.h"
#include "kern/datapath.h"
#include "util/mem.h"

enum { SLICE_NS = 1000000, PAUSE_US = 500 };

struct flush {
	struct lab *lab;
	struct request *request; /* NULL: nothing is asked */
	struct timer *timer;
	uint32_t *ports; /* still to be swept, the last one first; 0: all */
	size_t n, cap;
	uint64_t count;
};

static void on_slice(void *ctx);
static void ports_of(struct flush *f, const char *instance);

struct flush *flush_new(struct lab *l)
{
	struct flush *f = xcalloc(1, sizeof(*f));

	f->lab = l;
	f->timer = timer_new(l->server->loop, on_slice, f);
	return f;
}

void flush_free(struct flush **fp)
{
	struct flush *f = *fp;

	if (!f)
		return;
	if (f->request && f->lab->server->http) /* else it was answered with the server, and is gone */
		answer_fail(f->request, 503, "Unavailable", "the lab has gone");
	timer_free(&f->timer);
	free(f->ports);
	free(f);
	*fp = NULL;
}

void flush_ask(struct flush *f, const char *instance, struct request *r)
{
	if (f->request) {
		answer_fail(r, 409, "IncorrectState", "lab %s: connections are being flushed already", f->lab->name);
		return;
	}
	f->n = 0;
	f->count = 0;
	ports_of(f, instance);
	if (!f->n) {
		answer_fail(r, 404, "InvalidInstanceID.NotFound", "lab %s has no instance %s", f->lab->name, instance);
		return;
	}
	f->request = r;
	timer_set_us(f->timer, 0);
}

static void ports_of(struct flush *f, const char *instance)
{
	const struct model *m = f->lab->model;
	uint32_t i = instance ? model_find_instance(m, instance) : NONE;

	if (!instance)
		*VEC_PUSH(f->ports, f->n, f->cap) = 0;
	else if (i != NONE)
		for (uint32_t k = 0; k < m->instances[i].n_enis; k++)
			*VEC_PUSH(f->ports, f->n, f->cap) = m->enis[m->instances[i].enis[k]].obj.number;
	else if ((i = model_find_eni(m, instance)) != NONE) /* an interface, a NAT gateway */
		*VEC_PUSH(f->ports, f->n, f->cap) = m->enis[i].obj.number;
}

static void on_slice(void *ctx)
{
	struct flush *f = ctx;
	struct datapath *d = lab_datapath(f->lab);
	struct request *r = f->request;
	int rc = d ? datapath_flush(d, f->ports[f->n - 1], SLICE_NS, &f->count) : -ENODEV;

	if (rc == 0)
		f->n--;
	if (rc >= 0 && f->n) {
		timer_set_us(f->timer, PAUSE_US);
		return;
	}
	f->request = NULL;
	if (rc < 0)
		answer_fail(r, 500, "InternalError", "lab %s: its connections cannot be flushed: %s", f->lab->name,
			    strerror(-rc));
	else
		answer_json(r, 200, json_pack("{sI}", "flushed", (json_int_t)f->count));
}
