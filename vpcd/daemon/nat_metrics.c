/* nat_metrics.c: what the gateway's namespace counts, and what gate nat denied before it came there.
 *
 * PacketsDropCount, IdleTimeoutCount and PacketsOutToDestination are differences of counters that go on while they are read: read
 * so that they come out too small, if anything (nft_count.c), and never shown smaller than they were. */
#include "daemon/nat_metrics.h"
#include <stdlib.h>
#include "daemon/lab.h"
#include "kern/datapath.h"
#include "kern/kern.h"
#include "plan/desired.h"
#include "util/mem.h"

struct nat_floors {
	struct nat_floor {
		uint32_t port; /* of its interface */
		struct nat_metrics metrics;
	} * v;
	size_t n, cap;
};

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

static struct nat_floor *floor_get(struct lab *l, uint32_t port)
{
	struct nat_floors *f;

	if (!l->nat_floors)
		l->nat_floors = xcalloc(1, sizeof(*l->nat_floors));
	f = l->nat_floors;
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].port == port)
			return &f->v[i];
	*VEC_PUSH(f->v, f->n, f->cap) = (struct nat_floor){ .port = port };
	return &f->v[f->n - 1];
}

/* A gateway that was made anew begins at nothing: what a rule counts tells. */
static void floor_apply(struct nat_floor *f, struct nat_metrics *m)
{
	bool anew = m->packets_in_source < f->metrics.packets_in_source ||
		    m->bytes_in_destination < f->metrics.bytes_in_destination;
	uint64_t active = m->active;

#define AT_LEAST(id, member, cloudwatch, name, type) \
	if (!anew && m->member < f->metrics.member) \
		m->member = f->metrics.member;
	NAT_METRICS(AT_LEAST)
#undef AT_LEAST
	m->active = active;
	f->metrics = *m;
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
	floor_apply(floor_get(l, drops.port), ret);
	return true;
}

void nat_floors_free(struct nat_floors **f)
{
	if (*f)
		free((*f)->v);
	free(*f);
	*f = NULL;
}

struct nat_reading *nat_readings(struct lab *l)
{
	struct nat_reading *v = xcalloc(l->model->n_nat_gateways + (size_t)1, sizeof(*v));

	for (uint32_t i = 0; i < l->model->n_nat_gateways; i++)
		v[i].known = nat_metrics_of(l, &l->model->nat_gateways[i], &v[i].metrics);
	return v;
}
