/* pass.h: one packet in flight: what was read, what was decided. Compiles for BPF and host. */
#pragma once
#include "filters/conntrack.h"
#include "filters/match.h"

struct outcome {
	__u32 peer;      /* port that receives it; as far as known when denied */
	__u32 gate_port; /* whose gate denied it */
	__u32 rule[ABI_CACHED_MAX];
	__u32 deny_rule;    /* rule or route that denied; 0 = none, implicit */
	__u16 gate, reason; /* denial; allowed: ABI_GATE_NONE and ACCEPT */
	__u16 reason_sg_out, reason_sg_in;
	__u16 mtu;
	__u8 allow;
	__u8 flags;                /* ABI_FLOW_SNAT, ABI_FLOW_DNAT */
	__u8 path;                 /* enum abi_path: CACHED or FULL */
	__u8 fresh;                /* no entry knew the flow before */
	__u8 track_src, track_dst; /* wants a tracked entry of its own */
	__u8 nacl_applies, pad[3];
	struct abi_addr xaddr;
};

/* Everything about one packet in flight; BPF keeps it in a per-CPU map, the host on its stack. */
struct pass {
	/* What a packet of a known flow needs stands together: cache lines are what it costs. */
	__u64 now;
	__u32 epoch;
	__u32 hot_at; /* this processor's set of the flow */
	__u8 bits;    /* what this packet adds to tx of the sender, rx of the receiver */
	__u8 lost;    /* the other end is an interface of the lab, but its groups are not known here */
	__u8 pad[2];
	struct outcome o;
	struct pkt p;
	struct abi_addr dst;         /* after an internet gateway's translation inbound; else p.key.dst */
	struct abi_flow_key twin;    /* the flow as the receiver sends it */
	struct abi_flow_key related; /* the flow an ICMP error is about, as this end sends it */
	struct match_query q;
	struct abi_flow fresh;
	struct abi_event event;
	struct abi_drop drop;
	struct abi_log_key log_key;
	struct abi_log log;
	struct abi_lpm_key lpm; /* keys of lookups: the deepest way through the gates has no stack left for them */
	struct abi_addr_key owned;
};
