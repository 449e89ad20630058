/* probe_socket.h: the sockets of a probe inside namespaces: one that sends at SRC, one that answers at DST. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/addr.h"

/* What goes over the wire. Ports in host order; ICMP: sport is the identifier. */
struct wire {
	uint8_t proto;
	struct addr src, dst;
	uint16_t sport, dport;
	uint8_t icmp_type, icmp_code;
};
/* Is an answer to be expected from the far end's kernel or from our own door? */
bool wire_is_answered(const struct wire *w);

/* Opens, binds and sends the first packet. A non-blocking fd, or negative errno: what the sender's own
 * kernel says. */
int sender_open(int ns_fd, const struct wire *w);
/* The same packet once more. -EALREADY: TCP does that by itself. */
int sender_again(int fd, const struct wire *w);
/* The kernel of the namespace asks for the neighbour at w->dst as if it had never been silent. */
void neighbour_forget(int ns_fd, const struct wire *w);
/* When the fd is ready: 1 the answer is there, 0 not yet, -ECONNREFUSED: a refusal, which is an answer too;
 * other negative errno: an error was reported instead. */
int sender_ready(int fd, const struct wire *w);

/* Tells DST that a TCP connection that never came about is over: its half of one would be held, and its
 * SYN-ACK sent again, for seconds. fd is closed by the caller. */
void sender_abort(int fd, int ns_fd, const struct wire *w);

/* Answers at DST. -EADDRINUSE: something listens there already and will. -EPROTONOSUPPORT: nothing is needed. */
int door_open(int ns_fd, const struct wire *w);
/* When the fd is ready: answers what came. True when what came is the packet of w itself. */
bool door_ready(int fd, const struct wire *w);
