/* metrics_page.c: the page of metrics, a metric of a lab at a time while it is read: other work goes on in between. A lab
 * that comes meanwhile is on the next page; of one that goes, the rest is missing. */
#include <string.h>
#include <sys/types.h>
#include "daemon/http.h"
#include "daemon/lab.h"
#include "daemon/lab_counts.h"
#include "daemon/loop.h"
#include "daemon/metrics.h"
#include "daemon/server.h"
#include "util/mem.h"
#include "util/prom.h"

enum { PIECE_NS = 2000000 }; /* a piece ends behind the metric at which so much time has gone */

struct page {
	const struct server *server;
	char **labs; /* names, at its begin */
	struct lab_counts *counts;
	size_t n;
	int metric;
	size_t lab; /* the next one of that metric */
	struct strbuf out;
	size_t at; /* so much of it is read */
};

static void sample_add(void *ctx, const char *labels, double value)
{
	struct page *p = ctx;
	const char *name = metric_names[p->metric].name;

	if (value >= 0 && value < 9e15 && value == (double)(uint64_t)value)
		prom_sample_u64(&p->out, name, labels, (uint64_t)value);
	else
		prom_sample_double(&p->out, name, labels, value);
}

static void metric_add(struct page *p)
{
	struct lab *l;

	if (p->lab == 0)
		prom_head(&p->out, metric_names[p->metric].name, metric_names[p->metric].type,
			  metric_names[p->metric].help);
	l = p->lab < p->n ? server_lab(p->server, p->labs[p->lab]) : NULL;
	if (l)
		metric_collect(l, &p->counts[p->lab], (enum metric_id)p->metric, sample_add, p);
	if (++p->lab >= p->n) {
		p->metric++;
		p->lab = 0;
	}
}

static ssize_t on_read(void *ctx, char *buf, size_t max)
{
	const uint64_t until_ns = clock_ns() + PIECE_NS;
	struct page *p = ctx;
	size_t n;

	if (p->at == p->out.n)
		p->at = p->out.n = 0;
	/* Of nothing the reader would think that it is the end: whatever time has gone, there is a sample, or no more metric. */
	while (p->metric < METRIC_MAX && p->out.n - p->at < max && (p->at == p->out.n || clock_ns() < until_ns))
		metric_add(p);
	n = p->out.n - p->at < max ? p->out.n - p->at : max;
	if (n)
		memcpy(buf, p->out.s + p->at, n);
	p->at += n;
	return n ? (ssize_t)n : STREAM_END;
}

static void on_gone(void *ctx)
{
	struct page *p = ctx;

	for (size_t i = 0; i < p->n; i++) {
		free(p->labs[i]);
		lab_counts_done(&p->counts[i]);
	}
	free(p->labs);
	free(p->counts);
	strbuf_done(&p->out);
	free(p);
}

void answer_metrics(struct request *r, const struct server *s)
{
	struct page *p = xcalloc(1, sizeof(*p));

	*p = (struct page){ .server = s, .n = s->n_labs };
	p->labs = xcalloc(p->n + 1, sizeof(*p->labs));
	p->counts = xcalloc(p->n + 1, sizeof(*p->counts));
	for (size_t i = 0; i < p->n; i++)
		p->labs[i] = xstrdup(s->labs[i]->name);
	answer_stream(r, &(struct stream_setup){ PROM_CONTENT_TYPE, on_read, on_gone, p });
}
