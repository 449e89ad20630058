/* scenario_draw.h: random scenarios: a topology, and step after step what could come next. Small universes, so that
 * rules, packets and their answers meet. The same seed gives the same. Tests only. Pure. */
#pragma once
#include "tests/support/random_topology.h" /* struct rng */
#include "tests/support/scenario.h"

enum { DRAW_RECENT = 24 };
struct drawn_packet {
	struct step step;
	bool allowed;
	char peer[40];          /* who got it */
	struct oracle_flow got; /* as it arrived there */
};
struct draw {
	struct rng r;
	struct drawn_packet recent[DRAW_RECENT];
	unsigned n_recent; /* grows */
	bool queued;       /* a second packet that belongs to the one before */
	struct step next;
};

/* INI lines; some may be invalid together: see scenario_draw_topology's caller. six: IPv6 beside it. */
char *draw_topology(uint64_t seed, bool *six);
void draw_start(struct draw *d, uint64_t seed);
/* What comes next in the lab m, whose topology these lines are. text of an edit is to free(). */
void draw_step(struct draw *d, const struct model *m, bool six, char *const *lines, unsigned n_lines, struct step *ret);
/* What became of a packet. */
void draw_heard(struct draw *d, const struct model *m, const struct step *s, const struct oracle_answer *a);
