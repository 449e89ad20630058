/* lab_counts.c: tables of counters, read whole. */
#include "daemon/lab_counts.h"
#include "daemon/lab.h"
#include "daemon/nat_metrics.h"
#include "kern/datapath.h"
#include "model/model.h"
#include "util/mem.h"

static void list_end(const struct rule_list *l, uint32_t *end)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (l->v[i].number >= *end)
			*end = l->v[i].number + 1;
}

/* Behind the highest number of a rule. */
static uint32_t rules_end(const struct model *m)
{
	uint32_t end = 1;

	for (int k = RULE_IN; k <= RULE_OUT; k++) {
		for (uint32_t i = 0; i < m->n_security_groups; i++)
			list_end(&m->security_groups[i].dir[k], &end);
		for (uint32_t i = 0; i < m->n_nacls; i++) {
			list_end(&m->nacls[i].dir[k], &end);
			end = m->nacls[i].star[k] >= end ? m->nacls[i].star[k] + 1 : end;
		}
	}
	return end;
}

static uint32_t ports_end(const struct model *m)
{
	uint32_t end = 1;

	for (uint32_t i = 0; i < m->n_enis; i++)
		end = m->enis[i].obj.number >= end ? m->enis[i].obj.number + 1 : end;
	return end;
}

void lab_counts_of(struct lab_counts *c, const struct lab *l)
{
	if (c->adoption == l->adoption)
		return;
	lab_counts_done(c);
	c->adoption = l->adoption;
	c->n_ports = ports_end(l->model);
	c->n_rules = rules_end(l->model);
}

void lab_counts_done(struct lab_counts *c)
{
	free(c->ports);
	free(c->lost);
	free(c->gates);
	free(c->rules);
	free(c->nats);
	*c = (struct lab_counts){ 0 };
}

const struct abi_port_stats *lab_port_stats(struct lab_counts *c, struct lab *l, uint32_t port)
{
	if (!c->ports) {
		c->ports = xcalloc(c->n_ports, sizeof(*c->ports));
		datapath_ports_stats(lab_datapath(l), c->n_ports, c->ports);
	}
	return &c->ports[port];
}

uint64_t lab_log_lost(struct lab_counts *c, struct lab *l, uint32_t port)
{
	if (!c->lost) {
		c->lost = xcalloc(c->n_ports, sizeof(*c->lost));
		datapath_logs_lost(lab_datapath(l), c->n_ports, c->lost);
	}
	return c->lost[port];
}

static int add_gate(void *ctx, const struct abi_gate_key *key, const struct abi_counter *sum)
{
	struct lab_counts *c = ctx;

	*VEC_PUSH(c->gates, c->n_gates, c->cap_gates) = (struct gate_count){ *key, *sum };
	return 0;
}

const struct gate_count *lab_gates(struct lab_counts *c, struct lab *l, size_t *ret_n)
{
	if (!c->has_gates)
		datapath_gate_hits(lab_datapath(l), add_gate, c);
	c->has_gates = true;
	*ret_n = c->n_gates;
	return c->gates;
}

uint64_t lab_rule_packets(struct lab_counts *c, struct lab *l, uint32_t rule)
{
	if (!c->rules) {
		c->rules = xcalloc(c->n_rules, sizeof(*c->rules));
		datapath_rules_hits(lab_datapath(l), c->n_rules, c->rules);
	}
	return c->rules[rule].packets;
}

const struct nat_reading *lab_nats(struct lab_counts *c, struct lab *l)
{
	if (!c->nats)
		c->nats = nat_readings(l);
	return c->nats;
}
