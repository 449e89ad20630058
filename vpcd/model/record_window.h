/* record_window.h: from what the data path counted in a window to what each interface saw. Pure.
 * ACCEPT and REJECT are one interface's own: its groups and its subnet's network ACL together (semantics 15). What a
 * route, a gateway or the receiver's side stops was accepted where it was sent. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "abi.h"
#include "model/keymap.h"
#include "model/model.h"

/* One direction of a 5-tuple at one interface with one action. */
struct record {
	struct record_key {   /* zeroed whole */
		uint32_t eni; /* index */
		uint8_t ingress, reject, proto, family;
		uint16_t sport, dport;    /* host order; 0: has none */
		struct abi_addr src, dst; /* of the packet, as the interface sees it */
	} key;
	uint64_t packets, bytes, first_ns, last_ns; /* ktime */
	uint32_t tcp_flags;
	uint32_t peer; /* port of the next hop; 0 = not known */
	uint32_t rule; /* that decided here; 0 = none */
	bool no_match; /* no rule of the interface's groups did */
};
enum { RECORD_WINDOW_INDEXES = 256, RECORD_BLOCK = 1024 };
struct record_window {
	const struct model *m;
	uint32_t *eni_of_port;
	uint32_t n_ports;
	struct record **blocks; /* of RECORD_BLOCK each */
	size_t n_blocks, cap_blocks;
	size_t n;                                   /* records */
	struct keymap index[RECORD_WINDOW_INDEXES]; /* by hash: one that grows takes little time, and none all of it */
};
void record_window_init(struct record_window *w, const struct model *m); /* borrows m */
void record_window_done(struct record_window *w);
/* Frees a little of it, which takes as little time; true: there is more. Only record_window_done() may follow. */
bool record_window_shrink(struct record_window *w);
/* The i-th of its n records, in the order in which they came. */
static inline struct record *record_window_at(const struct record_window *w, size_t i)
{
	return &w->blocks[i / RECORD_BLOCK][i % RECORD_BLOCK];
}
/* Adds one entry of map flow_log: to the record of the sender, of the receiver, of both or of none. */
void record_window_add(struct record_window *w, const struct abi_log_key *key, const struct abi_log *log);
/* Does a flow log of the model want what an interface saw? */
bool flow_log_covers(const struct model *m, const struct flow_log *log, uint32_t eni);
bool flow_log_wants(const struct flow_log *log, const struct record *r);
