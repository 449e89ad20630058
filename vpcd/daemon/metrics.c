/* metrics.c: one row a metric; each collects its samples of one lab. Counters come from the kernel's maps, so they go
 * on where they were when the daemon is started again. */
#include "daemon/metrics.h"
#include <stdio.h>
#include <string.h>
#include "daemon/lab.h"
#include "daemon/lab_counts.h"
#include "daemon/nat_metrics.h"
#include "daemon/verdict.h"
#include "daemon/server.h"
#include "filters/explain.h"
#include "kern/datapath.h"
#include "model/keymap.h"
#include "plan/state.h"
#include "util/mem.h"
#include "util/prom.h"

enum { RULE_SIZE = 256 };

struct look {
	struct lab *lab;
	struct lab_counts *counts;
};

/* ---- sums by labels ---- */

struct sum {
	char *labels;
	double value;
};
struct sums {
	struct sum *v;
	size_t n, cap;
	struct keymap index;
};

/* Takes labels over. */
static void sums_add(struct sums *s, struct strbuf *labels, double value)
{
	uint64_t at = keymap_get_str(&s->index, labels->s);
	struct sum *sum;

	if (at != KEYMAP_NONE) {
		s->v[at].value += value;
		strbuf_done(labels);
		return;
	}
	sum = VEC_PUSH(s->v, s->n, s->cap);
	*sum = (struct sum){ strbuf_take(labels), value };
	keymap_put_str(&s->index, sum->labels, s->n - 1);
}

static void sums_out(struct sums *s, metric_sink sink, void *ctx)
{
	for (size_t i = 0; i < s->n; i++) {
		sink(ctx, s->v[i].labels, s->v[i].value);
		free(s->v[i].labels);
	}
	free(s->v);
	keymap_done(&s->index);
}

static void place_labels(struct strbuf *b, const struct lab *l, uint32_t port)
{
	struct port at = port_get(l->ports, port);
	uint32_t vpc = port_vpc(l->ports, port);
	const struct model *m = l->model;

	prom_label(b, "lab", l->name);
	prom_label(b, "vpc", vpc == NONE ? "" : m->vpcs[vpc].obj.name);
	prom_label(b, "subnet", at.owner == PORT_OF_ENI ? m->subnets[m->enis[at.index].subnet].obj.name : "");
}

/* ---- gates ---- */

static void gate_labels(struct strbuf *b, const struct lab *l, uint32_t port, const char *const words[3])
{
	place_labels(b, l, port);
	prom_label(b, "gate", words[0]);
	prom_label(b, "verdict", words[1]);
	prom_label(b, "reason", words[2]);
}

/* Denials by the gate that spoke them; what passed all gates by where it was sent. */
static void gates_collect(const struct look *k, bool bytes, metric_sink sink, void *ctx)
{
	static const char *const allowed[3] = { "none", "allow", "ACCEPT" };
	const struct model *m = k->lab->model;
	size_t n;
	const struct gate_count *gates = lab_gates(k->counts, k->lab, &n);
	struct sums sums = { 0 };

	for (size_t i = 0; i < n; i++) {
		const struct abi_gate_key *key = &gates[i].key;
		const char *const words[3] = { gate_name(key->gate), key->allow ? "allow" : "deny",
					       reason_name(key->reason) };
		struct strbuf b = { 0 };

		gate_labels(&b, k->lab, key->port, words);
		sums_add(&sums, &b, (double)(bytes ? gates[i].sum.bytes : gates[i].sum.packets));
	}
	for (uint32_t i = 0; i < m->n_enis; i++) {
		const struct abi_port_stats *s = lab_port_stats(k->counts, k->lab, m->enis[i].obj.number);
		struct strbuf b = { 0 };

		gate_labels(&b, k->lab, m->enis[i].obj.number, allowed);
		sums_add(&sums, &b, (double)(bytes ? s->tx_bytes : s->tx_packets));
	}
	sums_out(&sums, sink, ctx);
}

static void gate_packets(const struct look *k, metric_sink sink, void *ctx)
{
	gates_collect(k, false, sink, ctx);
}

static void gate_bytes(const struct look *k, metric_sink sink, void *ctx)
{
	gates_collect(k, true, sink, ctx);
}

/* ---- rules ---- */

struct rules {
	const struct look *k;
	const char *owner_kind, *owner;
	uint32_t vpc;
	metric_sink sink;
	void *ctx;
};

static void rule_out(const struct rules *r, enum rule_dir dir, const char *text, uint32_t number)
{
	struct strbuf b = { 0 };

	prom_label(&b, "lab", r->k->lab->name);
	prom_label(&b, "vpc", r->k->lab->model->vpcs[r->vpc].obj.name);
	prom_label(&b, "owner_kind", r->owner_kind);
	prom_label(&b, "owner", r->owner);
	prom_label(&b, "direction", dir == RULE_IN ? "inbound" : "outbound");
	prom_label(&b, "rule", text);
	r->sink(r->ctx, b.s, (double)lab_rule_packets(r->k->counts, r->k->lab, number));
	strbuf_done(&b);
}

static void rules_out(const struct rules *r, const struct rule_list dir[2], const uint32_t star[2])
{
	char text[RULE_SIZE];

	for (int k = RULE_IN; k <= RULE_OUT; k++) {
		for (uint32_t i = 0; i < dir[k].n; i++) {
			rule_format(&dir[k].v[i].rule, text, sizeof(text));
			rule_out(r, k, text, dir[k].v[i].number);
		}
		if (star)
			rule_out(r, k, "*", star[k]);
	}
}

static void rule_hits(const struct look *k, metric_sink sink, void *ctx)
{
	const struct model *m = k->lab->model;
	struct rules r = { .k = k, .sink = sink, .ctx = ctx };

	for (uint32_t i = 0; i < m->n_security_groups; i++) {
		r.owner_kind = "security-group";
		r.owner = m->security_groups[i].obj.name;
		r.vpc = m->security_groups[i].vpc;
		rules_out(&r, m->security_groups[i].dir, NULL);
	}
	for (uint32_t i = 0; i < m->n_nacls; i++) {
		r.owner_kind = "nacl";
		r.owner = m->nacls[i].obj.name;
		r.vpc = m->nacls[i].vpc;
		rules_out(&r, m->nacls[i].dir, m->nacls[i].star);
	}
}

/* ---- interfaces ---- */

enum port_count { SENT_PACKETS, SENT_BYTES, RECEIVED_PACKETS, RECEIVED_BYTES, DENIED };

static uint64_t port_count(const struct abi_port_stats *s, enum port_count what)
{
	switch (what) {
	case SENT_PACKETS: return s->tx_packets;
	case SENT_BYTES: return s->tx_bytes;
	case RECEIVED_PACKETS: return s->rx_packets;
	case RECEIVED_BYTES: return s->rx_bytes;
	default: return s->denied;
	}
}

static void interfaces(const struct look *k, enum port_count what, metric_sink sink, void *ctx)
{
	const struct model *m = k->lab->model;

	for (uint32_t i = 0; i < m->n_enis; i++) {
		struct strbuf b = { 0 };

		place_labels(&b, k->lab, m->enis[i].obj.number);
		prom_label(&b, "interface", m->enis[i].obj.name);
		sink(ctx, b.s, (double)port_count(lab_port_stats(k->counts, k->lab, m->enis[i].obj.number), what));
		strbuf_done(&b);
	}
}

#define INTERFACE_METRIC(fn, what) \
	static void fn(const struct look *k, metric_sink sink, void *ctx) \
	{ \
		interfaces(k, what, sink, ctx); \
	}
INTERFACE_METRIC(sent_packets, SENT_PACKETS)
INTERFACE_METRIC(sent_bytes, SENT_BYTES)
INTERFACE_METRIC(received_packets, RECEIVED_PACKETS)
INTERFACE_METRIC(received_bytes, RECEIVED_BYTES)
INTERFACE_METRIC(denied_packets, DENIED)

/* ---- NAT gateways ---- */

static bool is_nat(enum metric_id id)
{
	switch (id) {
#define X(id, member, cloudwatch, name, type) case METRIC_##id:
		NAT_METRICS(X)
#undef X
		return true;
	default: return false;
	}
}

static uint64_t nat_count(const struct nat_metrics *m, enum metric_id id)
{
	switch (id) {
#define X(id, member, cloudwatch, name, type) \
	case METRIC_##id: return m->member;
		NAT_METRICS(X)
#undef X
	default: return 0;
	}
}

static void nat_out(const struct look *k, enum metric_id id, metric_sink sink, void *ctx)
{
	const struct nat_reading *readings = lab_nats(k->counts, k->lab);
	const struct lab *l = k->lab;
	const struct model *m = l->model;

	for (uint32_t i = 0; i < m->n_nat_gateways; i++) {
		struct strbuf b = { 0 };

		if (!readings[i].known)
			continue;
		place_labels(&b, l, m->enis[m->nat_gateways[i].eni].obj.number);
		prom_label(&b, "nat_gateway", m->nat_gateways[i].obj.name);
		sink(ctx, b.s, (double)nat_count(&readings[i].metrics, id));
		strbuf_done(&b);
	}
}

/* ---- the lab ---- */

static void lab_out(const struct lab *l, double value, metric_sink sink, void *ctx)
{
	struct strbuf b = { 0 };

	prom_label(&b, "lab", l->name);
	sink(ctx, b.s, value);
	strbuf_done(&b);
}

static void conntrack_entries(const struct look *k, metric_sink sink, void *ctx)
{
	lab_out(k->lab, (double)datapath_flows_count(lab_datapath(k->lab)), sink, ctx);
}

static void conntrack_max(const struct look *k, metric_sink sink, void *ctx)
{
	lab_out(k->lab, (double)datapath_flows_max(lab_datapath(k->lab)), sink, ctx);
}

/* Of all ports: hosts send as well. */
static void events_lost(const struct look *k, metric_sink sink, void *ctx)
{
	lab_out(k->lab, (double)datapath_events_lost(lab_datapath(k->lab)), sink, ctx);
}

static void log_lost(const struct look *k, metric_sink sink, void *ctx)
{
	const struct model *m = k->lab->model;
	uint64_t lost = 0;

	for (uint32_t i = 0; i < m->n_enis; i++)
		lost += lab_log_lost(k->counts, k->lab, m->enis[i].obj.number);
	lab_out(k->lab, (double)lost, sink, ctx);
}

/* Connections, and what policy has put into the other maps, as far as the last change is known. */
static void map_pressure(const struct look *k, metric_sink sink, void *ctx)
{
	struct lab *l = k->lab;
	struct datapath *d = lab_datapath(l);
	double fill[ABI_MAP_SYNC_MAX + 1] = { 0 };

	for (size_t i = 0; l->known && i < l->known->maps.n; i++)
		fill[l->known->maps.v[i].map]++;
	for (int i = 0; i <= ABI_MAP_SYNC_MAX; i++) {
		bool flows = i == ABI_MAP_SYNC_MAX;
		struct strbuf b = { 0 };

		if (!flows && !l->known)
			continue;
		prom_label(&b, "lab", l->name);
		prom_label(&b, "map", flows ? "flows" : abi_map_shapes[i].name);
		if (flows)
			sink(ctx, b.s, (double)datapath_flows_count(d) / datapath_flows_max(d));
		else
			sink(ctx, b.s, fill[i] / datapath_map_max(d, i));
		strbuf_done(&b);
	}
}

static void (*const collectors[METRIC_MAX])(const struct look *k, metric_sink sink, void *ctx) = {
	[METRIC_GATE_PACKETS] = gate_packets,
	[METRIC_GATE_BYTES] = gate_bytes,
	[METRIC_RULE_HITS] = rule_hits,
	[METRIC_SENT_PACKETS] = sent_packets,
	[METRIC_SENT_BYTES] = sent_bytes,
	[METRIC_RECEIVED_PACKETS] = received_packets,
	[METRIC_RECEIVED_BYTES] = received_bytes,
	[METRIC_DENIED_PACKETS] = denied_packets,
	[METRIC_CONNTRACK_ENTRIES] = conntrack_entries,
	[METRIC_CONNTRACK_MAX] = conntrack_max,
	[METRIC_EVENTS_LOST] = events_lost,
	[METRIC_LOG_LOST] = log_lost,
	[METRIC_MAP_PRESSURE] = map_pressure,
};

static bool measurable(const struct lab *l)
{
	return l->model && l->ports && lab_datapath(l);
}

bool metric_collect(struct lab *l, struct lab_counts *counts, enum metric_id id, metric_sink sink, void *ctx)
{
	const struct look k = { l, counts };

	if (!measurable(l))
		return false;
	lab_counts_of(counts, l);
	if (is_nat(id))
		nat_out(&k, id, sink, ctx);
	else
		collectors[id](&k, sink, ctx);
	return true;
}
