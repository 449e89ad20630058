/* nat_metrics.c: what the gateway's namespace counts, and what gate nat denied before it came there. */
#include "daemon/nat_metrics.h"
#include "daemon/lab.h"
#include "kern/datapath.h"
#include "kern/kern.h"
#include "plan/desired.h"

struct gate_drops {
	uint32_t port;
	uint64_t packets;
};

static int add_drops(void *ctx, const struct abi_gate_key *key, const struct abi_counter *sum)
{
	struct gate_drops *d = ctx;

	if (key->port == d->port && key->gate == ABI_GATE_NAT && !key->allow)
		d->packets += sum->packets;
	return 0;
}

bool nat_metrics_of(struct lab *l, const struct nat_gateway *g, struct nat_metrics *ret)
{
	struct gate_drops drops = { .port = l->model->enis[g->eni].obj.number };
	char ns[128];

	if (!l->kern || !kern_datapath(l->kern) ||
	    kern_nat_metrics(l->kern, ns_name_of(l->model, g->obj.name, ns), ret, NULL) < 0 ||
	    datapath_gate_hits(kern_datapath(l->kern), add_drops, &drops) < 0)
		return false;
	ret->drops += drops.packets;
	return true;
}
