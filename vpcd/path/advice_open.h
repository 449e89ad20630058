/* advice_open.h: inside path/: what opens one gate of a walk, and how its lines are written down. */
#pragma once
#include "path/advice.h"
#include "path/trial.h" /* gate_has_rules() */

enum { SECTION_NAME_SIZE = 64 };

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
	bool gone;                 /* a route whose target is gone was taken away */
};

/* Each adds the lines that let the packet of x->s pass. False: nothing was changed; why_not may say more than the reason
 * does. */
bool group_open(struct adviser *x); /* advice_rules.c */
bool nacl_open(struct adviser *x);
bool route_open(struct adviser *x); /* advice_ways.c */
bool blackhole_open(struct adviser *x);
bool peer_open(struct adviser *x);
bool edge_open(struct adviser *x);
bool nat_open(struct adviser *x);
bool sender_open(struct adviser *x); /* advice_ends.c */
bool receiver_open(struct adviser *x);
bool check_open(struct adviser *x);
bool down_open(struct adviser *x);

/* advice_ways.c: x->s is a step that passed its route table: the route that it took is not there. */
bool detour_make(struct adviser *x);
/* The VPC's gateway, or a new one. */
bool igw_need(struct adviser *x, uint32_t vpc, char name[SECTION_NAME_SIZE]);

void advice_line_done(struct advice_line *l); /* advice.c */

/* advice_lines.c */
bool give_up(struct adviser *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct advice_line *advice_note(struct adviser *x, enum advice_op op, const char *kind, const char *name,
				const char *key, const char *value);
/* Makes the section where there is none, and takes away what the line replaces. */
bool line_add(struct adviser *x, const char *kind, const char *name, const char *key, const char *value);
/* Takes a line away that stands in the document. */
bool line_remove(struct adviser *x, const struct section *s, const struct entry *en);
/* The words of a line become others, or it goes when none are left. */
bool line_replace(struct adviser *x, const struct section *s, const struct entry *en, const char *words);
/* A name that no section of the kind has: FROM-MORE, cut if need be, with a number where that is taken. */
void section_name_new(const struct adviser *x, const char *kind, const char *from, const char *more,
		      char name[SECTION_NAME_SIZE]);
const struct section *section_find(const struct document *d, const char *kind, const char *name);
