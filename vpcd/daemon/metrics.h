/* metrics.h: what labs count, as samples: for GET /metrics (Prometheus text) and for alarms. */
#pragma once
#include <stdbool.h>
#include "model/metric_list.h"

struct lab;
struct lab_counts;
struct request;
struct server;

/* labels: text like lab="a",gate="sg-in". */
typedef void (*metric_sink)(void *ctx, const char *labels, double value);
/* Calls sink for each sample of a lab; false: nothing of it can be measured now. counts: what is read on the way stays
 * there for the lab's next metric. */
bool metric_collect(struct lab *l, struct lab_counts *counts, enum metric_id id, metric_sink sink, void *ctx);
/* metrics_page.c: the whole page. */
void answer_metrics(struct request *r, const struct server *s);
