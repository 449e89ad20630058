/* nft_count.h: what a NAT gateway counts, under CloudWatch's names (semantics 4.2). Each call works in the network
 * namespace the thread is in. The counters live in the kernel, in a table of their own that no change of the gateway
 * replaces. Kernel room; never prints. */
#pragma once
#include <stdint.h>
#include "model/metric_list.h"
#include "util/err.h"

struct nat_metrics {
#define NAT_METRIC_MEMBER(id, member, cloudwatch, name, type) uint64_t member;
	NAT_METRICS(NAT_METRIC_MEMBER)
#undef NAT_METRIC_MEMBER
};

struct addr;
struct batch;
int nft_count_write(const char *lab, struct err *e); /* nothing to do when it is there: counters go on */
void nft_count_forget(struct batch *b);              /* adds its deletion; none is no error */
int nft_count_there(const char *lab);                /* 1, 0, negative errno */
/* Ends the connections that have this address at the gateway: cut, which is not idle. */
int nft_count_cut(const struct addr *a, struct err *e);
int nft_count_read(struct nat_metrics *ret, struct err *e);
