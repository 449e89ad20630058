/* datapath.h: the BPF objects of one lab: programs and maps, pinned under BPF_DIR/LAB (0700). */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "filters/rows.h"
#include "plan/state.h"
#include "util/err.h"

struct datapath;
struct nl_ns;
struct datapath_sizes {
	uint32_t ports, rules, routes, tables_rows; /* wanted room; rounded up with room to grow */
	uint32_t flows;                             /* state table entries */
};

/* Opens the pinned objects of a lab; -ENOENT when there are none, -ESTALE when they are of another build. */
int datapath_open(const char *lab_bpf_dir, struct datapath **ret, struct err *e);
/* Loads programs and maps anew and pins them (replacing pins of another build; connections and
 * counters are carried over where the layout is the same). */
int datapath_load(const char *lab_bpf_dir, const struct datapath_sizes *sizes, struct datapath **ret, struct err *e);
bool datapath_has_room(const struct datapath *d, const struct datapath_sizes *sizes);
void datapath_close(struct datapath **d);
/* Removes the pins; programs and maps go with the last filter that uses them. */
int datapath_unpin(const char *lab_bpf_dir, struct err *e);

/* ns: of the device; this thread is in it. attach creates clsact when missing and replaces our own filter in place;
 * attached: 1 the loaded program, 0 none of ours or another one. */
int datapath_attach(struct datapath *d, struct nl_ns *ns, enum tc_hook hook, uint32_t ifindex, struct err *e);
int datapath_attached(struct datapath *d, struct nl_ns *ns, enum tc_hook hook, uint32_t ifindex);
/* The same in two steps: the id of what is there (0: nothing; quick: the kernel calls it by tcx, may be NULL), and whether
 * that is the loaded program. */
uint32_t datapath_program_at(struct nl_ns *ns, enum tc_hook hook, uint32_t ifindex, bool *quick);
/* Has the kernel call the program that is attached without a classifier between. 1: from here on; 0: it does so
 * already, or the program is not there. */
int datapath_quicken(struct datapath *d, struct nl_ns *ns, enum tc_hook hook, uint32_t ifindex);
bool datapath_hook_is_egress(enum tc_hook hook);
bool datapath_is_program(const struct datapath *d, enum tc_hook hook, uint32_t prog_id);

/* The policy maps as rows (sorted), and single writes. */
int datapath_dump(struct datapath *d, struct map_rows *ret, struct err *e);
int datapath_row_set(struct datapath *d, const struct map_rows *rows, const struct map_row *row, struct err *e);
int datapath_row_del(struct datapath *d, const struct map_rows *rows, const struct map_row *row, struct err *e);
/* Does the key of row, which is of rows, stand in its map as wanted (sorted) says, or is it not there as wanted does not
 * have it? -ESTALE when not. */
int datapath_row_check(struct datapath *d, const struct map_rows *rows, const struct map_row *row,
		       const struct map_rows *wanted, struct err *e);
/* Everything judged from now on is judged by the maps as they are now. Returns the new epoch. */
uint32_t datapath_epoch_bump(struct datapath *d);

struct datapath_config {
	bool kernel_path; /* datapath = kernel */
	bool strict_icmp, strict_fragments;
	uint32_t clock;                             /* timers run this many times faster */
	uint32_t event_burst, events_per_s;         /* a port and kind of event */
	uint32_t lab_event_burst, lab_events_per_s; /* a kind, in all; 0: no bound */
	uint32_t sample[ABI_TELL_MAX];              /* one of so many is told of; 0: none */
	uint32_t drop_ms;                           /* drops of a flow are told of at most once in this time */
	bool flow_log;                              /* some interface is logged */
};
int datapath_configure(struct datapath *d, const struct datapath_config *c, struct err *e);
/* From now on it is this time for the programs; 0: the kernel's again. For a data path of one's own only. */
void datapath_clock_set(struct datapath *d, uint64_t now_ns);

/* Sums over CPUs. */
int datapath_rule_hits(struct datapath *d, uint32_t rule, struct abi_counter *ret);
/* Of the rules 0 to n - 1, in few system calls. */
int datapath_rules_hits(struct datapath *d, uint32_t n, struct abi_counter *ret);
uint64_t datapath_rule_last(struct datapath *d, uint32_t rule); /* ktime; 0: never. See filters/tell.h */
int datapath_route_hits(struct datapath *d, uint32_t route, struct abi_counter *ret);
int datapath_port_stats(struct datapath *d, uint32_t port, struct abi_port_stats *ret);
/* Of the ports 0 to n - 1, in few system calls. */
int datapath_ports_stats(struct datapath *d, uint32_t n, struct abi_port_stats *ret);
/* fn returns non-zero to stop. */
int datapath_gate_hits(struct datapath *d,
		       int (*fn)(void *ctx, const struct abi_gate_key *key, const struct abi_counter *sum), void *ctx);
/* How full a map is that must not fill up: the i-th; -ENOENT behind the last. entries of a policy map are not counted:
 * map says which it is, else ABI_MAP_SYNC_MAX. */
struct map_fill {
	const char *name;
	enum abi_map map;
	uint64_t entries, max;
};
int datapath_map_fill(struct datapath *d, unsigned i, struct map_fill *ret);
/* Connections, each once: those that are tracked, then those that need no entry of their own and are only
 * remembered. fn returns non-zero to stop. */
int datapath_flows(struct datapath *d,
		   int (*fn)(void *ctx, const struct abi_flow_key *key, const struct abi_flow *flow), void *ctx);
void datapath_flow_whole(struct datapath *d, const struct abi_flow_key *key,
			 struct abi_flow *flow); /* adds what the other end has seen */
bool datapath_flow_is_tracked(struct datapath *d, const struct abi_flow_key *key); /* expired ones too, until swept */
uint64_t datapath_flows_count(struct datapath *d);                                 /* those that are tracked */
uint32_t datapath_flows_max(const struct datapath *d);                             /* entries the state table holds */
uint64_t datapath_timeout_ns(struct datapath *d, const struct abi_flow_key *key, const struct abi_flow *flow);
/* Flow logs (datapath_log.c). From now on packets count in a new generation, which is returned; read, some milliseconds
 * later, hands out what older ones hold, a piece a call: 1 there is more, 0 that was all, negative errno. It stays there
 * until it is forgotten. */
uint32_t datapath_log_generation(const struct datapath *d);
uint32_t datapath_log_turn(struct datapath *d);
struct log_sweep {
	uint32_t generation, at; /* the first one that is not read; at: where the sweep stands */
	bool begun;
};
int datapath_log_read(struct datapath *d, struct log_sweep *s,
		      void (*fn)(void *ctx, const struct abi_log_key *key, const struct abi_log *log), void *ctx);
void datapath_log_forget(struct datapath *d, const struct abi_log_key *keys, uint32_t n);
uint32_t datapath_log_max(const struct datapath *d); /* how many entries there may be */
static inline bool log_is_before(uint32_t generation, uint32_t other)
{
	return (int32_t)(generation - other) < 0;
}
uint32_t datapath_map_max(const struct datapath *d, enum abi_map map);
/* Packets of each of the ports 0 to n - 1 that found no room; only grows. What cannot be read is 0. */
void datapath_logs_lost(struct datapath *d, uint32_t n, uint64_t *ret);
/* Sweeps over the tracked connections, a slice a call: the expired ones go (reap), or those of a port, 0 for
 * all (flush). 1: there is more; 0: the sweep is over; negative errno. *count grows by what was deleted.
 * A slice ends after about budget_ns; 0: not before the end. One sweep of a kind at a time. */
int datapath_reap(struct datapath *d, uint64_t budget_ns, uint64_t *count);
int datapath_flush(struct datapath *d, uint32_t port, uint64_t budget_ns, uint64_t *count);

/* Verdict events: fd for epoll, consume calls fn for each that waits, at most max (0: all). 1: there may be more.
 * fn returns negative to end the round. */
int datapath_events_fd(struct datapath *d);
int datapath_events_consume(struct datapath *d, unsigned max, int (*fn)(void *ctx, const struct abi_event *ev),
			    void *ctx);
uint64_t datapath_events_lost(struct datapath *d); /* of all ports together */
void datapath_sample(struct datapath *d, const uint32_t sample[ABI_TELL_MAX]);
int datapath_drop(struct datapath *d, const struct abi_flow_key *flow, struct abi_drop *ret); /* -ENOENT */
/* Makes room for flows whose drops are to be gathered: those that were quiet for quiet_ns go where there are many,
 * else those that would be counted anew. How many are left. */
uint32_t datapath_drops_sweep(struct datapath *d, uint64_t quiet_ns);
/* Reports every packet of a flow (both directions must be watched apart) until a time; port 0 = any. */
int datapath_watch(struct datapath *d, const struct abi_flow_key *flow, uint64_t for_ns, struct err *e);
int datapath_unwatch(struct datapath *d, const struct abi_flow_key *flow);

/* Captures. Frames of a tapped port (snaplen 0: no longer) are copied while capturing is on. */
int datapath_tap(struct datapath *d, uint32_t port, uint32_t snaplen, struct err *e);
void datapath_capture(struct datapath *d, bool on);
int datapath_captures_fd(struct datapath *d);
/* frame: c->cap_len bytes. Else as datapath_events_consume. */
int datapath_captures_consume(struct datapath *d, unsigned max,
			      int (*fn)(void *ctx, const struct abi_capture *c, const uint8_t *frame), void *ctx);
