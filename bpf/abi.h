/* abi.h: what the BPF programs and user space share: map keys and values, enums, limits.
 *
 * Room 0. Compiles for BPF and host alike. Byte order stands beside every field: "be" = network
 * order, "num" = host order. Every key has explicit padding and is zeroed whole before use.
 * Changing anything here changes ABI_VERSION: maps of another version are rebuilt, never reused. */
#pragma once
#include <linux/types.h>

#define ABI_VERSION 9

/* Limits. Map sizes are chosen at load from the lab, never above these. */
enum {
	ABI_PORTS_MAX = 16384,         /* attachment points a lab; fits ABI_MARK_PORT */
	ABI_IFINDEX_BASE = 100,        /* ifindex of port N is ABI_IFINDEX_BASE + N, in every namespace of a lab */
	ABI_TABLES_MAX = 65535,        /* route tables a lab; fits ABI_MARK_TABLE */
	ABI_LOCAL_TABLE_BASE = 100000, /* Linux table of VPC N's addresses; AWS table N is Linux table 1000 + N */
	ABI_ROUTE_TABLE_BASE = 1000,
	ABI_ROUTE_PROTO = 173, /* rtm_protocol of our routes */
	ABI_FLOWS_MAX = 1 << 20,
	ABI_RULES_MAX = 1 << 22,     /* numbers of rules: rule_hits */
	ABI_ROUTES_MAX = 1 << 20,    /* numbers of routes: route_hits */
	ABI_HASH_ROWS_MAX = 1 << 20, /* rows of addrs, members, rules */
	ABI_LPM_ROWS_MAX = 1 << 22,  /* rows of peers, routes, inet */
	ABI_POLICY_SLOTS_MAX = 2 * ABI_PORTS_MAX + 2048,
};

/* skb->mark inside a router namespace; never survives into an instance.
 * 31..18 port that may receive the packet | 17 ttl was raised | 16 judged | 15..0 route table number */
#define ABI_MARK_PORT_SHIFT 18
#define ABI_MARK_TTL (1u << 17)
#define ABI_MARK_JUDGED (1u << 16)
#define ABI_MARK_TABLE_MASK 0xffffu

/* An address of either family, network order; IPv4 as ::ffff:a.b.c.d. */
struct abi_addr {
	__u8 b[16];
};

/* clang-format off */
#define ABI_GATES(X) \
	X(NONE, "none") X(PARSE, "parse") X(SOURCE_CHECK, "source-check") X(SG_OUT, "sg-out") \
	X(NACL_OUT, "nacl-out") X(ROUTE, "route") X(IGW, "igw") X(EIGW, "eigw") X(NAT, "nat") \
	X(PEERING, "peering") X(TGW, "tgw") X(VGW, "vgw") X(ENDPOINT, "endpoint") X(SERVICE, "service") \
	X(NACL_IN, "nacl-in") X(DEST_CHECK, "dest-check") X(SG_IN, "sg-in") X(CONNTRACK, "conntrack") \
	X(INTERNET, "internet")
/* clang-format on */
enum abi_gate {
#define X(name, text) ABI_GATE_##name,
	ABI_GATES(X)
#undef X
		ABI_GATE_MAX
};

/* Reasons. The first block are AWS Reachability Analyzer's codes (semantics 16.1); the second
 * block is ours in the same style. Text = the name. */
/* clang-format off */
#define ABI_REASONS(X) \
	X(NONE, "no reason was recorded") \
	X(ACCEPT, "a rule, or the absence of a gate, allows it") \
	X(ENI_ADDRESS_RESTRICTION, "the source address is not one of this interface's") \
	X(ENI_SOURCE_DEST_CHECK_RESTRICTION, "the destination is not one of this interface's addresses and its source/dest check is on") \
	X(ENI_SG_RULES_MISMATCH, "no rule of the interface's security groups allows it") \
	X(SG_HAS_NO_RULES, "the interface's security groups have no rule in this direction") \
	X(SG_REFERENCES_NOT_PRESERVED, "a rule names a security group, but the packet came through a gateway or appliance, where membership is lost") \
	X(SUBNET_ACL_RESTRICTION, "the subnet's network ACL does not admit it") \
	X(NO_ROUTE_TO_DESTINATION, "the route table has no route for the destination") \
	X(BAD_STATE_ROUTE, "the route is a blackhole: its target is gone or unusable") \
	X(NO_POSSIBLE_DESTINATION, "no interface in the VPC owns the destination address") \
	X(UNKNOWN_DESTINATION, "nobody on the lab's internet owns the destination address") \
	X(IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS, "the source has no public address, so the internet gateway drops it") \
	X(IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS, "the destination is not the public address of an interface in the VPC") \
	X(IGW_DESTINATION_ADDRESS_IN_VPC_CIDRS, "the destination is inside the VPC and cannot be sent to the internet gateway") \
	X(IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS, "the internet gateway sends nothing to RFC 1918 addresses") \
	X(IGW_DESTINATION_ADDRESS_NOT_IN_RFC6598_EGRESS, "the internet gateway sends nothing to RFC 6598 addresses") \
	X(IGW_SOURCE_ADDRESS_NOT_IN_RFC1918_INGRESS, "the internet gateway takes nothing from RFC 1918 addresses") \
	X(IGW_SOURCE_ADDRESS_NOT_IN_RFC6598_INGRESS, "the internet gateway takes nothing from RFC 6598 addresses") \
	X(GATEWAY_REJECTS_SPOOFED_TRAFFIC, "the source address does not belong to the sender") \
	X(PROTOCOL_RESTRICTION, "the target carries only TCP, UDP and ICMP") \
	X(NGW_SOURCE_ADDRESS_REASSIGN, "it belongs to no connection that was opened through the NAT gateway") \
	X(REMAP_EPHEMERAL_PORT, "the NAT gateway may pick any port from 1024 to 65535, and only part of them is admitted") \
	X(PCX_REQUIRES_ADDRESS_IN_VPC_CIDR, "a peering connection carries only traffic between addresses of its two VPCs") \
	X(TRACKED, "it belongs to a connection that was allowed before") \
	X(RELATED, "it is an ICMP error about a connection that was allowed before") \
	X(NOT_APPLIED, "the gate does not apply: sender and next hop are in one subnet") \
	X(MALFORMED, "the packet is cut short or contradicts itself") \
	X(NOT_IP, "the frame is neither IPv4, IPv6 nor ARP") \
	X(IPV6_NOT_SUPPORTED, "IPv6 is not carried in this lab") \
	X(BROADCAST, "a VPC carries neither broadcast nor multicast") \
	X(ARP_SPOOFED, "the ARP packet claims an address that is not this interface's") \
	X(ARP_UNKNOWN, "no interface answers for the address asked for") \
	X(DHCP_SPOOFED, "an instance may not answer DHCP") \
	X(RA_SPOOFED, "an instance may not send router advertisements") \
	X(FRAGMENT_ORPHAN, "a later fragment whose first fragment was not let through, or has not come") \
	X(FRAGMENT_TINY, "a first fragment too small to hold its ports, or one that overlaps them") \
	X(NO_SERVICE, "the address is reserved for the VPC's own services and none answers there") \
	X(CONNTRACK_FULL, "the interface has as many tracked connections as conntrack-entries in [lab] lets it, or the lab's table of them is full") \
	X(PORT_DOWN, "the interface is down or gone") \
	X(NOT_JUDGED, "the packet reached the interface without passing the filter") \
	X(ROUTER_ERROR, "an ICMP error of the subnet router") \
	X(TOO_BIG, "the packet is larger than the next hop's MTU and may not be fragmented") \
	/* Analyzer's codes again: numbers stay, counters are kept by them */ \
	X(INGRESS_RTB_NO_PUBLIC_IP, "the gateway's route table leads to an interface without a public address") \
	X(INGRESS_RTB_TRAFFIC_REDIRECTION, "what comes in for this subnet goes through an appliance, so what goes out must too") \
	X(NGW_REQUIRES_SOURCE_IN_VPC, "the NAT gateway serves only interfaces of its own VPC")
/* clang-format on */
enum abi_reason {
#define X(name, text) ABI_REASON_##name,
	ABI_REASONS(X)
#undef X
		ABI_REASON_MAX
};

/* ---- attachment points ---- */
enum abi_port_kind {
	ABI_PORT_NONE,
	ABI_PORT_ENI,    /* an instance's interface; port = router end */
	ABI_PORT_NAT,    /* a NAT gateway's interface; no groups, no source/dest check */
	ABI_PORT_IGW,    /* router end of a VPC's internet link */
	ABI_PORT_INET,   /* internet end of that link */
	ABI_PORT_HOST,   /* internet end of a host's link */
	ABI_PORT_PCX,    /* a VPC's end of a peering connection's link */
	ABI_PORT_UPLINK, /* internet end of the link towards the machine's network */
};
enum {
	ABI_PORT_SOURCE_DEST_CHECK = 1,
	ABI_PORT_PUBLIC = 4,        /* ENI: has a public address */
	ABI_PORT_NO_REFERENCES = 2, /* PCX: between regions, group references do not cross */
	ABI_PORT_IPV6 = 8,          /* carries IPv6 too */
	ABI_PORT_LOGGED = 64,       /* a flow log wants what it sends and receives */
};
/* table_hi of routes: which family of tables table_lo counts */
enum { ABI_TABLE_ROUTES = 0, ABI_TABLE_VPC = 1 /* table_lo = VPC number: its CIDRs, all LOCAL */ };

struct abi_port {  /* map ports: ARRAY, index = port number */
	__u8 kind; /* enum abi_port_kind; NONE = not there */
	__u8 flags;
	__u16 mtu;         /* num; IP packet size that fits */
	__u32 vpc;         /* number; 0 on the internet */
	__u32 subnet;      /* number; 0 = none */
	__u32 route_table; /* number; IGW: of the edge association; 0 = none */
	__u32 sg_policy;   /* slot in policies; 0 = no groups, everything passes */
	__u32 nacl_policy; /* slot in policies; 0 = none */
	__u32 members;     /* KIND_POLICY number of its group set, for group references; 0 = none */
	__u32 link;        /* the link's other end: IGW and INET, PCX and PCX; else 0 */
	__u32 object;      /* number of the NAT gateway, igw or host; 0 for instances */
	__u32 ct_limit;    /* most tracked connections of this port */
	__u32 nacl_fragments; /* slot in policies for later fragments: the NACL's rules without ports; 0 = as nacl_policy */
	__u32 tcp_established_ms, udp_ms, udp_stream_ms; /* its own timers, divided by the lab's clock; 0 = the lab's */
	__u8 mac[6];                                     /* of the far end: the instance's, host's, gateway's eth0 */
	__u8 pad[2];
};
_Static_assert(sizeof(struct abi_port) == 64, "map layout");

/* MAC addresses are derived: 02:76:<port number, 32 bit big endian>; port 0 is the router's own. */
#define ABI_MAC0 0x02
#define ABI_MAC1 0x76

struct abi_addr_key { /* map addrs: HASH; who owns a private address in a VPC */
	__u32 vpc;    /* number; 0: the internet's own space (host addresses) */
	struct abi_addr addr;
};
_Static_assert(sizeof(struct abi_addr_key) == 20, "map layout");
struct abi_addr_val {
	__u32 port;                /* owner; 0 = a reserved address of the VPC's services (router, DNS, …) */
	__u32 subnet;              /* number of the subnet it lies in */
	struct abi_addr public_ip; /* all zero = none */
};
_Static_assert(sizeof(struct abi_addr_val) == 24, "map layout");

/* ---- longest prefix match; used by routes, peers and inet ---- */
struct abi_lpm_key {
	__u32 prefixlen;          /* 64 + 128-bit prefix length (96 + n for IPv4) */
	__u32 table_hi, table_lo; /* num, high and low half of the table's 64-bit name; exact */
	struct abi_addr addr;
};
#define ABI_LPM_TABLE_BITS 64
_Static_assert(sizeof(struct abi_lpm_key) == 28, "map layout");

enum abi_route_kind { ABI_ROUTE_NONE, ABI_ROUTE_LOCAL, ABI_ROUTE_PORT, ABI_ROUTE_IGW, ABI_ROUTE_BLACKHOLE };
struct abi_route { /* map routes: LPM, table = route table number */
	__u8 kind;
	__u8 pad;
	__u16 mtu;   /* num; 0 = the port's */
	__u32 port;  /* PORT: next hop's port; IGW: the gateway's port */
	__u32 route; /* route number, for counters and words */
};
_Static_assert(sizeof(struct abi_route) == 12, "map layout");

/* What the lab's internet knows of an address. map inet: LPM, table = 0. */
enum abi_inet_kind { ABI_INET_NONE, ABI_INET_HOST, ABI_INET_PUBLIC, ABI_INET_VPC, ABI_INET_UPLINK };
struct abi_inet {
	__u8 kind; /* NONE: nobody, whatever lies around it; HOST: a host's own address; PUBLIC: a gateway translates it;
		    * VPC: private, unreachable; UPLINK: everybody else, beyond the lab */
	__u8 pad[3];
	__u32 port; /* HOST, UPLINK: its port; PUBLIC: the INET port; VPC: the IGW port when exactly one gateway's VPC holds it, else 0 */
	__u32 eni;                  /* PUBLIC: port of the ENI behind it */
	struct abi_addr private_ip; /* PUBLIC: what it is translated to */
};
_Static_assert(sizeof(struct abi_inet) == 28, "map layout");

/* ---- compiled rules ----
 * A policy is what stands at one gate in both directions: the union of a set of groups, or a NACL.
 *
 * A *point* is what a rule says of a packet besides its peer: protocol and port. A *class* is a list of
 * intervals of points, each with the rule that decides there. It stands in map rules as a tree of nodes,
 * each named by a hash of its content; the name of the root is the class's own. So a node never changes,
 * and classes that say the same, wholly or in part, share nodes in all the lab.
 *
 * A packet's peer has up to four classes, and the match of the lowest order decides: `any` for rules whose
 * peer is everything (in the slot of the policy), `class` for the prefixes around its address (in peers), `base`
 * for the widest of those where they would be too heavy to stand in each class, and one for its group set (in
 * members). */
#define ABI_POINT_PORT_BITS 16
#define ABI_POINT_MAX 0xffffff /* protocol << 16 | port; TCP, UDP: destination port; ICMP: type << 8 | code; else 0 */

enum {
	ABI_RULESET_EMPTY = 1,  /* no rules at all: deny */
	ABI_RULESET_GROUPS = 2, /* some rules name groups: look into members */
	ABI_RULESET_NACL = 4,   /* ordered and stateless */
	/* The other direction lets every answer to anybody out: flows that `any` admits are not tracked (semantics 5.3). */
	ABI_RULESET_ANSWERS_TCP4 = 16,
	ABI_RULESET_ANSWERS_UDP4 = 32,
	ABI_RULESET_ANSWERS_TCP6 = 64,
	ABI_RULESET_ANSWERS_UDP6 = 128,
};
/* Names of classes have bit 0 clear; 0 = no class. In a slot it says whether there are narrower prefixes. */
#define ABI_ANY_NARROWER 1ull
struct abi_ruleset {
	__u32 flags;
	__u32 star;   /* rule number counted when nothing matches; 0 for groups */
	__u64 any[2]; /* IPv4, IPv6: class for every peer | ABI_ANY_NARROWER: look into peers. Read once */
};
struct abi_policy { /* map policies: ARRAY, index = slot */
	struct abi_ruleset in, out;
};
_Static_assert(sizeof(struct abi_policy) == 48, "map layout");
#define ABI_TABLE_OF(slot, out) ((slot)*2 + !!(out)) /* a ruleset's table in peers and members */

/* map peers: LPM, table_hi = family (4, 6), table_lo = the ruleset's table. The longest match alone says which
 * classes an address has, so that one write changes them all. */
#define ABI_ANY_OF_SLOT 1ull
struct abi_peer {
	__u64 class, base;
	__u64 any; /* ABI_ANY_OF_SLOT: the slot's; else a class, while slot and peers change together */
};
_Static_assert(sizeof(struct abi_peer) == 24, "map layout");
struct abi_member_key { /* map members: HASH; what a group set is to a ruleset */
	__u32 table;
	__u32 members; /* KIND_POLICY number of the peer's group set */
};
_Static_assert(sizeof(struct abi_member_key) == 8, "map layout");
struct abi_member {
	__u64 class[2]; /* IPv4, IPv6 */
};
_Static_assert(sizeof(struct abi_member) == 16, "map layout");

enum { ABI_MATCH_ALLOW = 1 };
struct abi_match {
	__u64 order; /* the lowest among matches decides (NACL: first match; groups: lowest line) */
	__u32 rule;  /* rule number */
	__u32 flags; /* ABI_MATCH_* */
};
enum {
	ABI_NODE_WIDTH = 16, /* entries a node */
	ABI_NODE_FILL = 8,   /* at least so many, but for the last of a level */
	ABI_NODE_LEVELS = 8, /* ABI_NODE_FILL to the power of it = ABI_POINT_MAX + 1 */
};
struct abi_node {                    /* map rules: HASH, key = __u64 name */
	__u32 leaf;                  /* 1: the entries are matches; 0: names of nodes */
	__u32 n;                     /* entries; those beyond repeat the last one */
	__u32 first[ABI_NODE_WIDTH]; /* ascending: point at which the entry begins */
	__u32 last[ABI_NODE_WIDTH];  /* leaf: point at which it ends; what lies between entries matches nothing */
	union {
		struct abi_match match[ABI_NODE_WIDTH];
		__u64 child[ABI_NODE_WIDTH];
	};
};
_Static_assert(sizeof(struct abi_node) == 392, "map layout");

/* ---- connections and the flow cache ---- */
/* A flow as one port sends it. The value belongs to that port: its own tracked state, and the
 * cached outcome of packets it sends. map flows: HASH, tracked, never evicted; map cache: LRU_HASH,
 * untracked, losing an entry only costs time. */
struct abi_flow_key {
	__u32 port; /* the sender */
	__u8 proto;
	__u8 family; /* 4, 6 */
	__u8 pad[2];
	__u8 sport[2]; /* be; ICMP echo: identifier */
	__u8 dport[2]; /* be; ICMP: type, code */
	struct abi_addr src, dst;
};
_Static_assert(sizeof(struct abi_flow_key) == 44, "map layout");

enum {
	ABI_FLOW_TRACKED = 1, /* this port's groups have admitted the flow */
	ABI_FLOW_INBOUND = 2, /* ... as one that came in: what the port sends are replies */
	ABI_FLOW_SNAT = 4,    /* rewrite source to xaddr */
	ABI_FLOW_DNAT = 8,    /* rewrite destination to xaddr */
	ABI_FLOW_DYING = 16,  /* chosen for deletion: treat as absent */
};
/* tx, rx: TCP flag bits as on the wire (FIN 1, SYN 2, RST 4, ACK 16) plus: */
enum { ABI_SEEN_ONE = 32, ABI_SEEN_MORE = 64 }; /* UDP, ICMP, others: one packet, more than one */

enum abi_cached_gate {
	ABI_CACHED_SG_OUT,
	ABI_CACHED_NACL_OUT,
	ABI_CACHED_ROUTE,
	ABI_CACHED_NACL_IN,
	ABI_CACHED_SG_IN,
	ABI_CACHED_MAX
};
struct abi_flow {
	__u64 seen_ns;  /* ktime (coarse) of the last packet this port sent */
	__u64 heard_ns; /* of the last one to it that the sender's entry will not tell of */
	__u64 created_ns;
	__u64 valid_ns;             /* the cached outcome must be judged anew after this */
	__u32 epoch;                /* policy epoch of the cached outcome; 0 = none yet */
	__u32 peer;                 /* port the outcome delivers to */
	__u32 own_rule;             /* rule that admitted the flow at this port */
	__u32 rule[ABI_CACHED_MAX]; /* deciding rule or route a gate; 0 = none applied */
	__u16 reason_sg_out, reason_sg_in;
	__u16 mtu; /* 0 = do not care */
	__u8 flags;
	__u8 tx, rx; /* what was seen from and to this port */
	__u8 pad[3];
	struct abi_addr xaddr;
	__u32 pad2;
};
_Static_assert(sizeof(struct abi_flow) == 96, "map layout");

/* A copy of what the next packet of a flow needs, half a cache line of one processor's own; filters/hot.h. map hot: ARRAY
 * of sets, index = processor * config.hot_sets + set. hot_holders: ARRAY of __u32, index = set: a bit for each processor
 * that has had copies there. */
enum { ABI_HOT_CPUS_MAX = 16, ABI_HOT_WAYS = 4, ABI_HOT_OUTCOMES = 4096 };
struct abi_hot {
	__u32 port;     /* the sender; 0 = nothing copied */
	__u32 src, dst; /* be */
	__u32 ports;    /* be; sport, dport of the key */
	__u32 epoch;    /* 0: not good */
	__u32 until;    /* valid_ns >> 20 */
	__u32 seen;     /* ns of the last packet, the lower half: hot_seen_ns */
	__u16 outcome;  /* below ABI_HOT_OUTCOMES */
	__u8 proto, tx;
};
_Static_assert(sizeof(struct abi_hot) == 32, "two in a cache line");
struct abi_hot_set {
	struct abi_hot way[ABI_HOT_WAYS];
};

/* What copies of many flows have in common. map hot_outcomes: ARRAY, index = processor * ABI_HOT_OUTCOMES + outcome. Never
 * changes in its epoch. */
struct abi_hot_outcome {
	__u32 epoch; /* 0: nothing yet */
	__u32 peer;
	__u32 rule[ABI_CACHED_MAX];
	__u16 mtu, pad;
};
_Static_assert(sizeof(struct abi_hot_outcome) == 32, "map layout");

/* ---- counters, per CPU ---- */
struct abi_counter { /* map rule_hits: PERCPU_ARRAY by rule number; route_hits by route number */
	__u64 packets, bytes;
};
enum abi_path { ABI_PATH_CACHED, ABI_PATH_FULL, ABI_PATH_STACK, ABI_PATH_MAX };
struct abi_port_stats {             /* map port_stats: PERCPU_ARRAY by port number */
	__u64 path[ABI_PATH_MAX];   /* packets this port sent, by the way they took */
	__u64 tx_packets, tx_bytes; /* sent and allowed */
	__u64 rx_packets, rx_bytes; /* delivered */
	__u64 denied;               /* sent by it and denied anywhere in the pass */
	__u64 events_lost;          /* verdict events that found the ring full or the bucket empty */
	__u64 ct_full;
	__u64 captured, captures_lost; /* frames seen at it while it was captured; that found the ring full */
};
struct abi_gate_key { /* map gate_hits: PERCPU_HASH; every verdict, exactly once a packet */
	__u32 port;   /* the ENI whose gate it is */
	__u16 gate, reason;
	__u32 allow; /* 0, 1 */
};
_Static_assert(sizeof(struct abi_gate_key) == 12, "map layout");

/* ---- flow logs (semantics 15) ----
 * Where an end of a packet is ABI_PORT_LOGGED, it is counted under its flow and its outcome. Entries of a generation
 * are written while config.log_generation says it; after that user space takes them. */
struct abi_log_key {              /* map flow_log: HASH */
	struct abi_flow_key flow; /* as the sender sends it */
	__u32 generation;
	__u32 end;          /* port that received it or whose gate denied it; 0 = none */
	__u16 gate, reason; /* of the denial; 0 = allowed */
};
_Static_assert(sizeof(struct abi_log_key) == 56, "map layout");
struct abi_log {
	__u64 packets, bytes;    /* from the IP header on */
	__u64 first_ns, last_ns; /* ktime (coarse) */
	__u32 rule_out,
		rule_in;     /* deciding rule at the sender, at the end; as it was when the first one came; 0 = none */
	__u32 tcp_flags;     /* FIN 1, SYN 2, RST 4, and 16 of a SYN-ACK, of all packets */
	__u32 peer;          /* next hop, as far as known */
	struct abi_addr dst; /* as the end sees it: after an internet gateway's translation */
};
_Static_assert(sizeof(struct abi_log) == 64, "map layout");

/* ---- events ---- */
enum { ABI_EVENT_NEW = 1, ABI_EVENT_DENY = 2, ABI_EVENT_WATCHED = 4, ABI_EVENT_SAMPLED = 8 };
struct abi_event {       /* ring buffer events */
	__u64 time_ns;   /* ktime */
	__u64 first_ns;  /* denied: when the first of these was denied; else time_ns */
	__u64 count;     /* denied: packets of this flow denied in this way since first_ns; else 1 */
	__u32 port;      /* sender */
	__u32 peer;      /* receiver as far as known; 0 = none */
	__u32 gate_port; /* the ENI at whose gate a denial happened */
	__u32 rule[ABI_CACHED_MAX];
	__u32 deny_rule; /* rule or route that denied; 0 = implicit */
	__u32 len;       /* bytes from the IP header on */
	__u32 epoch;
	__u16 gate, reason; /* of the denial; for an allowed packet NONE and ACCEPT */
	__u16 reason_sg_out, reason_sg_in;
	__u8 allow, proto, family, flags; /* ABI_EVENT_* */
	__u8 sport[2], dport[2];          /* be; as in abi_flow_key */
	__u8 tcp_flags, pad[3];
	struct abi_addr src, dst;
};
_Static_assert(sizeof(struct abi_event) == 120, "map layout");

/* What events are about. Each has its own sampling and its own buckets, so that one never hides the other. */
enum abi_tell { ABI_TELL_NEW, ABI_TELL_ESTABLISHED, ABI_TELL_DENIED, ABI_TELL_MAX };
struct abi_bucket { /* map buckets: ARRAY, port * ABI_TELL_MAX + enum abi_tell; port 0: of the whole lab */
	__u64 refilled_ns;
	__u32 tokens;
	__u32 seen; /* packets that sampling counts over */
};

struct abi_drop { /* map drops: HASH by flow; its drops gathered, so that an event stands for many. Swept by user space */
	__u64 first_ns, last_ns, packets;
	__u64 told_ns; /* when an event was due last */
	__u32 rule;
	__u16 gate, reason;
};
_Static_assert(sizeof(struct abi_drop) == 40, "map layout");

/* Captures: the frame behind its verdict, in a ring buffer of its own. map taps: ARRAY by port, __u32: bytes of a
 * frame that are copied; 0: not captured. */
enum { ABI_SNAPLEN_MAX = 16384 };
struct abi_capture { /* ring buffer captures: cap_len bytes of the frame follow */
	struct abi_event event;
	__u64 time_ns; /* ktime, fine */
	__u32 port;    /* at which it was seen */
	__u32 len, cap_len;
	__u8 inbound; /* 1: as its port would receive it; 0: as it sent it */
	__u8 action;  /* TC_ACT_* that the program returned */
	__u8 pad[2];
};
_Static_assert(sizeof(struct abi_capture) == 144, "map layout");

/* ---- settings, map config: ARRAY[1] ---- */
enum {
	ABI_CONFIG_KERNEL_PATH = 1,
	ABI_CONFIG_STRICT_ICMP = 2,
	ABI_CONFIG_STRICT_FRAGMENTS = 4,
	ABI_CONFIG_WATCH = 8,
	ABI_CONFIG_SAMPLE = 16 /* established packets */,
	ABI_CONFIG_CAPTURE = 32,
	ABI_CONFIG_LOG = 64 /* some port is ABI_PORT_LOGGED */
};
enum abi_timer {
	ABI_TIMER_TCP_SYN_SENT,
	ABI_TIMER_TCP_ESTABLISHED,
	ABI_TIMER_TCP_FIN_WAIT,
	ABI_TIMER_TCP_TIME_WAIT,
	ABI_TIMER_TCP_CLOSE,
	ABI_TIMER_UDP,
	ABI_TIMER_UDP_STREAM,
	ABI_TIMER_ICMP,
	ABI_TIMER_OTHER,
	ABI_TIMER_FRAGMENT,
	ABI_TIMER_VALID,
	ABI_TIMER_MAX
};
struct abi_config {
	__u32 version; /* ABI_VERSION */
	__u32 epoch;   /* from 1; any change of rules, membership or routes adds 1 */
	__u32 flags;
	__u32 event_burst;          /* tokens a bucket of a port holds */
	__u64 event_ns;             /* one token every so many ns */
	__u32 lab_event_burst;      /* the same of the whole lab; 0: no bound but the ports' */
	__u32 sample[ABI_TELL_MAX]; /* one of so many is told of; 0: none */
	__u64 lab_event_ns;
	__u64 drop_ns;                 /* a flow's drops are told of at most once in this time */
	__u64 build;                   /* hash of the programs that were loaded */
	__u64 timer_ns[ABI_TIMER_MAX]; /* already divided by the lab's clock */
	__u64 now_ns;                  /* 0: the kernel's clock; else this is the time (replay of captures, tests) */
	__u32 flush_port;              /* whose flows the flush program forgets; 0 = everybody's */
	__u32 log_generation;          /* of the flow log's entries */
	__u32 hot_sets, hot_cpus;      /* of map hot; hot_sets is a power of two, 0: it is not used */
	__u64 hot_seed;                /* of its hash */
	__u32 ct_own;                  /* entries of map flows that each port has for sure */
	__u32 ct_pool; /* and those beyond, for whoever comes first; port_ct[0] says how many are taken */
};

/* Fragments: the first one's answer serves the later ones. map frags: LRU_HASH. */
struct abi_frag_key {
	__u32 port;
	__u8 proto, family, pad[2];
	__u32 id; /* be for IPv6; IPv4: 16 bit */
	struct abi_addr src, dst;
};
_Static_assert(sizeof(struct abi_frag_key) == 44, "map layout");
struct abi_frag {
	__u64 seen_ns;
	__u8 sport[2], dport[2]; /* be; of the first fragment */
	__u32 first_end;         /* bytes of payload the first one covered */
	__u8 proto;              /* of the transport; IPv6 may have more headers before it */
	__u8 pad[7];
};

/* A flow whose every packet is reported: probe. map watches: HASH by flow (port 0: at any port, and with
 * source port 0: from any, as a NAT gateway draws it), or a question by ARP: asker and wanted address, protocol 0. */
struct abi_watch {
	__u64 until_ns;
};

/* The maps, by the name they have in BPF and in pins. SYNC ones hold policy and are written by
 * user space only; the others are the data path's own. */
enum abi_map {
	ABI_MAP_PORTS,
	ABI_MAP_ADDRS,
	ABI_MAP_ROUTES,
	ABI_MAP_INET,
	ABI_MAP_POLICIES,
	ABI_MAP_PEERS,
	ABI_MAP_MEMBERS,
	ABI_MAP_RULES,
	ABI_MAP_SYNC_MAX
};
