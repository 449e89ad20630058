/* probe_parts.h: inside probe*.c: a probe that is under way, and which events are about it. */
#pragma once
#include <jansson.h>
#include "daemon/lab.h"
#include "daemon/loop.h"
#include "daemon/probe_door.h"
#include "daemon/probe_side.h"
#include "daemon/probe_socket.h"
#include "model/flow.h"

enum { WATCHES_MAX = 2 * SIDES_MAX * SIDES_MAX + 4 * SIDES_MAX }; /* tuples, and questions by ARP */
enum { LEG_NONE, LEG_FORWARD, LEG_RETURN };
enum { HANDED_MAX = 8 };

struct handed {
	uint32_t from, to; /* ports */
	struct abi_addr dst;
};
struct probe {
	struct batch *batch;
	struct flow flow;
	struct wire wire;
	uint32_t src_vpc, dst_vpc; /* indexes; NONE on the internet */
	bool may_nat;
	bool port_given; /* or there is none */
	bool running, done;

	int fd;
	struct door *door;
	struct timer *timer;
	uint64_t sent_ns;
	struct side a[SIDES_MAX], b[SIDES_MAX]; /* source side, destination side */
	unsigned n_a, n_b;
	uint32_t nat_port;                /* of the last NAT gateway it went to; 0 */
	struct handed handed[HANDED_MAX]; /* all that were to send the request on, for the first time */
	unsigned n_handed;
	uint32_t stray, stray_at; /* ENIs of the first and the last NAT gateway that the answer left by and that
				   * never saw the request; NONE */
	struct abi_flow_key watched[WATCHES_MAX];
	unsigned n_watched;
	bool forward_seen, late_known, sent_again;
	bool arrived, by_state;      /* an older connection let it pass at one of its ends */
	bool nat_known;              /* the older connection's source behind NAT gateways is */
	struct abi_event last_allow; /* of the first packet: the last hop at which a rule let it pass */
	struct abi_event late;       /* a denied return without a forward packet: counts when nothing better comes */

	json_t *result;
	struct probe *prev, *next; /* of all->first */
};
struct batch {
	struct probes *all;
	struct request *request;
	struct probe *probes;
	size_t n, done;
	uint32_t timeout_ms;
	struct batch *next;
};
struct probes {
	struct lab *lab;
	struct probe *first, *last; /* waiting and running, oldest first */
	unsigned n_running;
	struct doors doors;
	struct batch *batches;
	struct timer *starter;
};

/* probe_leg.c: which packets are its own. */
bool probe_port_fits(const struct probe *p, uint32_t port); /* the VPC of port may see them */
int probe_leg_of(const struct probe *p, const struct abi_event *ev);
uint8_t probe_answer_type(const struct wire *w);
/* Packets that NAT gateways gave another source go on under that. */
void probe_learn_nat(struct probe *p, const struct abi_event *ev);
void probe_learn_older_nat(struct probe *p); /* by an older connection of this very flow, before it is sent */
void probe_learn_stray(struct probe *p, const struct abi_event *ev);
/* Is a packet that a NAT gateway gets addressed to it? Its public address is, of what comes in from the internet. */
bool probe_is_for_nat(const struct probe *p, const struct abi_event *ev, const struct eni *nat);
uint32_t probe_stray_begins(const struct probe *p, const struct abi_event *ev, int leg);
bool probe_stray_arrived(const struct probe *p, const struct abi_event *ev);

/* A route brought it back to the instance that sent it, or to who sent it on before: why. NULL: it did not. */
const char *probe_comes_back(struct probe *p, const struct abi_event *ev, int leg);

/* probe_arp.c: nobody has the address that one of its packets is for. */
int probe_leg_of_arp(const struct probe *p, const struct abi_event *ev);
void probe_watch_askers(struct probe *p);
/* Lets whoever forwards to its destination ask for that anew. */
void probe_forget_silent(struct probe *p);

/* probe.c: asks to be told of all tuples under which it may appear now. */
void probe_watch(struct probe *p);
void probe_watch_arp(struct probe *p, const struct addr *asker, const struct addr *wanted);
