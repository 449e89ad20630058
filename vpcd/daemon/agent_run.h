/* agent_run.h: the `run` of an instance: one program, its output and its end. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "util/err.h"

struct loop;
struct program;
struct program_setup {
	const char *lab, *name; /* of the instance */
	const char *command;
	const char *hosts;    /* file in hosts_fd that becomes its /etc/hosts; NULL: the machine's */
	int hosts_fd, log_fd; /* folders, opened while the way to them could be walked */
	int ns_fd;
	uint64_t ns_inode;
};

/* Starts it. It dies with the agent, and with it what it started. */
int program_start(struct loop *l, const struct program_setup *s, struct program **ret, struct err *e);
void program_free(struct program **p);
bool program_is(const struct program *p, const char *name, uint64_t ns_inode, const char *command);
bool program_runs(const struct program *p);
const char *program_name(const struct program *p);
const char *program_command(const struct program *p);
pid_t program_pid(const struct program *p); /* 0: ended */
/* Tells it and what it started to end. */
void program_stop(struct program *p, int signo);
/* It has ended, with all it started: writes that into its log. */
void program_ended(struct program *p, int status);
