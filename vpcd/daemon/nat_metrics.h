/* nat_metrics.h: CloudWatch's metrics of a NAT gateway (semantics 4.2), for what GET shows and for a page of metrics. */
#pragma once
#include <stdbool.h>
#include "kern/nft_count.h"

struct lab;
struct nat_gateway;
/* Of a gateway of the lab's model; NAT_METRICS has names and members. false: they cannot be read now. */
bool nat_metrics_of(struct lab *l, const struct nat_gateway *g, struct nat_metrics *ret);
