/* crew.h: the daemon's end of a lab's agent: starts it, finds a running one again, tells it what shall
 * listen and run. The agent outlives the daemon; agent.c says what it does and what is said. */
#pragma once
#include "model/model.h"

struct crew;
struct lab;

struct crew *crew_new(struct lab *l);
void crew_free(struct crew **c); /* the agent stays */
/* What shall be there from now on: listeners and programs of all instances and hosts of m; with keep,
 * only of those that keep has too. done (may be NULL) is called once, when it is so or when the agent did
 * not manage in time; perhaps before this returns. It must not free the crew. m NULL: nothing; the agent ends.
 * Without anything to do no agent is started. */
void crew_set(struct crew *c, const struct model *m, const struct model *keep, void (*done)(void *ctx), void *ctx);
/* Some child of the daemon has ended. */
void crew_reap(struct crew *c);
