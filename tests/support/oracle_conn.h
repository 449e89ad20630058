/* oracle_conn.h: the table of connections of the oracle, semantics 5.3, as plain as it can be said. Tests only.
 *
 * Each interface has its own connections. A flow is written as that interface sends it, whoever began. What is
 * delivered counts at both ends. Nothing here is quick. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/addr.h"

struct oracle_flow {
	int family;
	uint8_t proto;
	struct addr src, dst;
	uint16_t a, b; /* TCP, UDP: ports. ICMP of its family: identifier, type << 8 | code. Else 0 */
};

struct oracle_conn {
	uint32_t port; /* whose it is */
	struct oracle_flow flow;
	bool inbound;  /* it was let in; else let out */
	uint32_t rule; /* the rule that did it; 0: a NAT gateway's own */
	uint64_t made_ns;
	uint64_t seen_ns;                                   /* last packet of either direction */
	uint8_t flags[2];                                   /* TCP flags seen: [0] sent by it, [1] to it */
	unsigned packets[2];                                /* the same way; two are as good as many */
	uint64_t tcp_established_ns, udp_ns, udp_stream_ns; /* this interface's timers */
	uint64_t clock;                                     /* divides the others */
};

struct oracle_conns {
	struct oracle_conn *v;
	size_t n, cap;
};

void oracle_conns_done(struct oracle_conns *t);
/* The flow as the other end sends it. */
struct oracle_flow oracle_flow_back(const struct oracle_flow *f);
/* NULL when there is none; one that has run out still stands in the table until it is swept or looked for. */
struct oracle_conn *oracle_conn_at(struct oracle_conns *t, uint32_t port, const struct oracle_flow *f);
/* The same, and one that has run out goes. */
struct oracle_conn *oracle_conn_live(struct oracle_conns *t, uint32_t port, const struct oracle_flow *f, uint64_t now);
/* Pointers into the table are good until the next call of these. */
struct oracle_conn *oracle_conn_add(struct oracle_conns *t, const struct oracle_conn *c);
void oracle_conn_remove(struct oracle_conns *t, struct oracle_conn *c);
/* How long it may be silent, from what was seen of it. */
uint64_t oracle_conn_timeout(const struct oracle_conn *c);
bool oracle_conn_is_idle(const struct oracle_conn *c, uint64_t now);
/* It is ending: a FIN or RST was seen. A SYN on it begins another connection. */
bool oracle_conn_is_closing(const struct oracle_conn *c);
unsigned oracle_conns_of(const struct oracle_conns *t, uint32_t port); /* how many an interface has */
unsigned oracle_conns_sweep(struct oracle_conns *t, uint64_t now);     /* removes what is idle; how many */
