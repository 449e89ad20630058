/* lab_counts.h: what a lab has counted, as one look finds it: each table of the data path is read once, when it is first
 * asked for, and stays as it was read. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "abi.h"

struct lab;
struct nat_reading;

struct gate_count {
	struct abi_gate_key key;
	struct abi_counter sum;
};
struct lab_counts {                   /* begins as { 0 } */
	uint64_t adoption;            /* of the lab's model: what is kept by its order and numbers is of that one */
	struct abi_port_stats *ports; /* by number */
	uint64_t *lost;               /* the same: what flow logs missed */
	uint32_t n_ports;
	struct gate_count *gates;
	size_t n_gates, cap_gates;
	bool has_gates;
	struct abi_counter *rules; /* by number */
	uint32_t n_rules;
	struct nat_reading *nats; /* in the model's order */
};
/* Before each use: forgets what is of another model than the lab's, which has one and a data path. */
void lab_counts_of(struct lab_counts *c, const struct lab *l);
void lab_counts_done(struct lab_counts *c);
const struct abi_port_stats *lab_port_stats(struct lab_counts *c, struct lab *l, uint32_t port);
uint64_t lab_log_lost(struct lab_counts *c, struct lab *l, uint32_t port);
const struct gate_count *lab_gates(struct lab_counts *c, struct lab *l, size_t *ret_n);
uint64_t lab_rule_packets(struct lab_counts *c, struct lab *l, uint32_t rule);
const struct nat_reading *lab_nats(struct lab_counts *c, struct lab *l);
