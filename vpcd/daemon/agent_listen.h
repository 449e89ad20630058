/* agent_listen.h: the `listen` of an instance: sockets that answer one line "INSTANCE PEER:PORT". */
#pragma once
#include <stdint.h>
#include "util/err.h"

struct loop;
struct answerer; /* what all listeners of an agent share: the loop, and connections that are closing */
struct listener;

struct answerer *answerer_new(struct loop *l);
void answerer_free(struct answerer **a);

/* Opens the socket inside ns_fd. proto 6 or 17, port in host order; name is what it answers with. */
int listener_open(struct answerer *a, int ns_fd, const char *name, uint8_t proto, uint16_t port, struct listener **ret,
		  struct err *e);
void listener_close(struct listener **l);
