/* metrics.h: what labs count, as samples: for GET /metrics (Prometheus text) and for alarms. */
#pragma once
#include <stdbool.h>
#include "model/metric_list.h"

struct lab;
struct server;

/* labels: text like lab="a",gate="sg-in". */
typedef void (*metric_sink)(void *ctx, const char *labels, double value);
/* Calls sink for each sample of a lab; false: nothing of it can be measured now. */
bool metric_collect(struct lab *l, enum metric_id id, metric_sink sink, void *ctx);
/* The whole page, to free(). */
char *metrics_page(const struct server *s);
