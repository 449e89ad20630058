/* scenario.h: a topology and what happens in it, as text that can be kept in a table of tests. Tests only. Pure.
 *
 * A step a line:
 *   pkt FROM PROTO SRC A > DST B [flags=N] [mac=NAME] [first=ID] [later=ID/OFF] [bytes=N] [about=PROTO/SRC/A/DST/B]
 *   wait MS        the clock moves
 *   edit N TEXT    line N of the topology (from 0) becomes TEXT; none: it goes
 *   sweep          what has run out is swept away
 *   flush          every connection is forgotten
 * FROM: interface or host; uplink; igw:NAME, inet:NAME (a gateway's two ends), pcx:NAME/0, pcx:NAME/1.
 * A, B: ports; ICMP: identifier, type * 256 + code. bytes: of transport header and payload. */
#pragma once
#include "tests/support/oracle_lab.h"
#include "util/str.h"

enum step_kind { STEP_PACKET, STEP_WAIT, STEP_EDIT, STEP_SWEEP, STEP_FLUSH };
struct step {
	enum step_kind kind;
	char from[40];             /* PACKET */
	char mac[40];              /* "" = the router's */
	struct oracle_frame frame; /* mac is resolved when it runs */
	uint64_t wait_ms;
	unsigned line; /* EDIT */
	char *text;
};
struct scenario {
	bool six;     /* IPv6 beside it: oracle_lab.h */
	char **lines; /* of the topology, without newlines; "" where one was taken out */
	unsigned n_lines;
	struct step *steps;
	unsigned n_steps, cap_steps;
};

/* Aborts on text that is none: a test's own table is wrong. */
void scenario_parse(const char *topology, const char *steps, bool six, struct scenario *ret);
void scenario_done(struct scenario *s);
void scenario_copy(const struct scenario *from, struct scenario *to);
void scenario_lines_set(struct scenario *s, const char *topology);
struct step *scenario_step_add(struct scenario *s); /* zeroed */
void scenario_step_remove(struct scenario *s, unsigned i);
/* As a row of the table of cases. */
void scenario_print(const struct scenario *s, struct strbuf *b);
void step_format(const struct step *p, struct strbuf *b);
/* The topology as text to free(), after the edits that lines holds. */
char *scenario_topology(char *const *lines, unsigned n);
/* Port number of a step's FROM or mac; 0 = there is none. */
uint32_t scenario_port(const struct model *m, const char *name);
