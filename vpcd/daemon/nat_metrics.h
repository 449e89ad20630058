/* nat_metrics.h: CloudWatch's metrics of NAT gateways (semantics 4.2), for what GET shows and for the page of metrics. */
#pragma once
#include <stdbool.h>
#include "kern/nft_count.h"

struct lab;
struct nat_gateway;
struct nat_floors;
/* Of a gateway of the lab's model. false: they cannot be read now. What only grows is never less than it was the last time, although
 * the kernel's counters are read one after the other. */
bool nat_metrics_of(struct lab *l, const struct nat_gateway *g, struct nat_metrics *ret);
void nat_floors_free(struct nat_floors **f);

/* All gateways of a lab, in the model's order; to free(). */
struct nat_reading {
	bool known;
	struct nat_metrics metrics;
};
struct nat_reading *nat_readings(struct lab *l);
