/* metric_list.h: the names of everything that is measured, for /metrics and for alarms. Pure. */
#pragma once
#include <stdbool.h>
#include "util/err.h"

/* clang-format off */
/* id, name, "counter" (only grows, over the daemon's end too) or "gauge", labels of each sample, help */
#define METRICS(X) \
	X(GATE_PACKETS, "vpcd_gate_packets_total", "counter", "lab vpc subnet gate verdict reason", "Packets by the gate that denied them; verdict allow: that passed every gate, by where they were sent.") \
	X(GATE_BYTES, "vpcd_gate_bytes_total", "counter", "lab vpc subnet gate verdict reason", "The same in bytes, from the IP header on.") \
	X(RULE_HITS, "vpcd_rule_hits_total", "counter", "lab vpc owner_kind owner direction rule", "Packets that a rule decided.") \
	X(SENT_PACKETS, "vpcd_interface_sent_packets_total", "counter", "lab vpc subnet interface", "Packets an interface sent that passed every gate.") \
	X(SENT_BYTES, "vpcd_interface_sent_bytes_total", "counter", "lab vpc subnet interface", "The same in bytes.") \
	X(RECEIVED_PACKETS, "vpcd_interface_received_packets_total", "counter", "lab vpc subnet interface", "Packets delivered to an interface.") \
	X(RECEIVED_BYTES, "vpcd_interface_received_bytes_total", "counter", "lab vpc subnet interface", "The same in bytes.") \
	X(DENIED_PACKETS, "vpcd_interface_denied_packets_total", "counter", "lab vpc subnet interface", "Packets an interface sent that were denied somewhere.") \
	X(CONNTRACK_ENTRIES, "vpcd_conntrack_entries", "gauge", "lab", "Connections tracked now.") \
	X(CONNTRACK_MAX, "vpcd_conntrack_entries_max", "gauge", "lab", "Connections that the table holds.") \
	X(EVENTS_LOST, "vpcd_events_lost_total", "counter", "lab", "Verdict events that could not be told of.") \
	X(LOG_LOST, "vpcd_flow_log_lost_packets_total", "counter", "lab", "Packets that flow logs had no room for.") \
	X(MAP_PRESSURE, "vpcd_map_pressure", "gauge", "lab map", "How full a map of the data path is, 0 to 1.")
/* CloudWatch's metrics of a NAT gateway (semantics 4.2), in its order: id, member of struct nat_metrics, CloudWatch's name, ours,
 * type. Since the gateway was made; ActiveConnectionCount: now. Bytes are of IP packets; a packet is what the kernel handles as
 * one, and that may be several TCP segments. */
#define NAT_METRICS(X) \
	X(NAT_ACTIVE, active, "ActiveConnectionCount", "vpcd_nat_gateway_active_connection_count", "gauge") \
	X(NAT_BYTES_IN_DESTINATION, bytes_in_destination, "BytesInFromDestination", "vpcd_nat_gateway_bytes_in_from_destination_total", "counter") \
	X(NAT_BYTES_IN_SOURCE, bytes_in_source, "BytesInFromSource", "vpcd_nat_gateway_bytes_in_from_source_total", "counter") \
	X(NAT_BYTES_OUT_DESTINATION, bytes_out_destination, "BytesOutToDestination", "vpcd_nat_gateway_bytes_out_to_destination_total", "counter") \
	X(NAT_BYTES_OUT_SOURCE, bytes_out_source, "BytesOutToSource", "vpcd_nat_gateway_bytes_out_to_source_total", "counter") \
	X(NAT_ATTEMPTS, attempts, "ConnectionAttemptCount", "vpcd_nat_gateway_connection_attempt_count_total", "counter") \
	X(NAT_ESTABLISHED, established, "ConnectionEstablishedCount", "vpcd_nat_gateway_connection_established_count_total", "counter") \
	X(NAT_PORT_ERRORS, port_errors, "ErrorPortAllocation", "vpcd_nat_gateway_error_port_allocation_total", "counter") \
	X(NAT_IDLE, idle, "IdleTimeoutCount", "vpcd_nat_gateway_idle_timeout_count_total", "counter") \
	X(NAT_DROPS, drops, "PacketsDropCount", "vpcd_nat_gateway_packets_drop_count_total", "counter") \
	X(NAT_PACKETS_IN_DESTINATION, packets_in_destination, "PacketsInFromDestination", "vpcd_nat_gateway_packets_in_from_destination_total", "counter") \
	X(NAT_PACKETS_IN_SOURCE, packets_in_source, "PacketsInFromSource", "vpcd_nat_gateway_packets_in_from_source_total", "counter") \
	X(NAT_PACKETS_OUT_DESTINATION, packets_out_destination, "PacketsOutToDestination", "vpcd_nat_gateway_packets_out_to_destination_total", "counter") \
	X(NAT_PACKETS_OUT_SOURCE, packets_out_source, "PacketsOutToSource", "vpcd_nat_gateway_packets_out_to_source_total", "counter")
/* clang-format on */
enum metric_id {
#define X(id, name, type, labels, help) METRIC_##id,
	METRICS(X)
#undef X
#define X(id, member, cloudwatch, name, type) METRIC_##id,
		NAT_METRICS(X)
#undef X
			METRIC_MAX
};
struct metric_name {
	const char *name, *type, *labels, *help;
};
extern const struct metric_name metric_names[METRIC_MAX];
static inline bool metric_is_counter(enum metric_id id)
{
	return metric_names[id].type[0] == 'c';
}
/* -EINVAL with the nearest name. */
int metric_find(const char *name, enum metric_id *ret, struct err *e);
bool metric_has_label(enum metric_id id, const char *label);
