/* server.h: the daemon as a whole: its directories, its labs, its doors. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kern/kern.h"
#include "util/err.h"

struct lab;
struct loop;
struct http;
struct events;
struct timer;
struct request;
struct wish;

struct server_options {
	struct kern_dirs dirs;
	uint32_t exit_when_idle_s; /* 0: never */
	uint16_t metrics_port;     /* GET /metrics on 127.0.0.1; 0: not there */
	bool allow_uplink;         /* packets of labs may leave the machine */
};
struct server {
	struct kern_dirs dirs;
	uint32_t exit_when_idle_s;
	bool allow_uplink;
	struct loop *loop;
	struct events *events;
	struct http *http;
	struct wish *wishes; /* of those who read the event stream */
	struct lab **labs;   /* by name */
	size_t n_labs, cap_labs;
	uint64_t adoptions; /* models that labs have had */
	struct timer *idle;
	uint64_t idle_since_ns; /* 0: not idle */
	int lock_fd;
};

/* Takes the run directory, opens the doors, loads every lab and runs until it is told to end. */
int server_run(const struct server_options *o, struct err *e);

struct lab *server_lab(const struct server *s, const char *name); /* NULL */
struct lab *server_lab_add(struct server *s, const char *name);
void server_lab_remove(struct server *s, struct lab *l); /* frees it */
