/* advice_open.h: inside path/: what opens one gate of a walk, and how its lines are written down. */
#pragma once
#include "path/advice.h"

struct attempt { /* one state of the document, walked */
	struct model *m;
	struct walker *w;
	struct flow f;
	struct walk walk;
};
struct adviser {
	struct document d;
	struct advice *a;
	const struct attempt *now;
	const struct walk_step *s; /* that denies */
};

/* Each adds the lines that let the packet of x->s pass its gate. False: nothing was changed; why_not may say more than
 * the reason does. */
bool group_open(struct adviser *x); /* advice_rules.c */
bool nacl_open(struct adviser *x);
bool route_open(struct adviser *x); /* advice_ways.c */
bool nat_open(struct adviser *x);
bool igw_open(struct adviser *x);
bool check_open(struct adviser *x);

/* advice_lines.c */
bool give_up(struct adviser *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct advice_line *advice_note(struct adviser *x, enum advice_op op, const char *kind, const char *name,
				const char *key, const char *value);
/* Makes the section where there is none, and takes away what the line replaces. */
bool line_add(struct adviser *x, const char *kind, const char *name, const char *key, const char *value);
const struct section *section_find(const struct document *d, const char *kind, const char *name);
