/* matrix.h: one protocol and port between all pairs of instances, their further interfaces, and hosts. Pure.
 *
 * The answers are walk_flow()'s, pair by pair, but ends that no table of the lab tells apart share
 * their walks: same subnet, same set of groups, same checks, and addresses that the same prefixes hold.
 * So 1,000 instances in a few classes cost a few hundred walks, not a million. */
#pragma once
#include "path/walk.h"

enum matrix_object { MATRIX_OBJECT_FIXED, MATRIX_OBJECT_SRC, MATRIX_OBJECT_DST };

/* One distinct answer. Of a denial: where and by which rule; of an allowed flow: the last rule that
 * let the request in. */
struct matrix_outcome {
	bool allow, own; /* own: an end with itself */
	enum walk_leg leg;
	enum abi_gate gate; /* ABI_GATE_NONE: allowed without meeting a rule */
	enum abi_reason reason;
	enum matrix_object object_of; /* SRC, DST: the interface of that end; FIXED: object */
	const char *object;           /* may be NULL */
	uint32_t rule;                /* number; 0 = none */
	uint32_t line;                /* loc's, of a denial without a rule */
	/* What the number says of the rule, or the object of where it stands; not compared. */
	char rule_text[160]; /* "" = none */
	struct src_loc loc;  /* line 0 = none, or that of an end: matrix_place() */
};
enum matrix_end_kind { MATRIX_END_INSTANCE, MATRIX_END_INTERFACE, MATRIX_END_HOST };
struct matrix_end {
	const char *name;
	enum matrix_end_kind kind;
	uint32_t index;             /* of the interface, or the host */
	uint32_t class;             /* from 0, in order of first appearance */
	struct src_loc loc, groups; /* of its section, and of its first group's; line 0 = none */
};
struct matrix {
	char proto[24];          /* "tcp/443" */
	uint16_t sport;          /* 0: the usual one */
	struct matrix_end *ends; /* instances, further interfaces, hosts, as in the file */
	uint32_t n_ends, n_classes;
	struct matrix_outcome **outcomes;
	size_t n_outcomes, cap_outcomes;
	uint32_t *cells; /* [src * n_ends + dst], into outcomes */
	uint64_t walks;  /* how many it took */
};

/* Only the ends, or with their classes. */
void matrix_names(const struct model *m, struct matrix *ret);
void matrix_ends(const struct model *m, struct matrix *ret);
/* -EINVAL: proto is none ("tcp/443", "icmp"); sport 0 = as usual. */
int matrix_make(struct walker *w, const char *proto, uint16_t sport, struct matrix *ret, struct err *e);
void matrix_done(struct matrix *x);
#define _cleanup_matrix_ __attribute__((cleanup(matrix_done)))

static inline const struct matrix_outcome *matrix_at(const struct matrix *x, uint32_t src, uint32_t dst)
{
	return x->outcomes[x->cells[(size_t)src * x->n_ends + dst]];
}
/* The object of an outcome between two ends; may be NULL. */
const char *matrix_object_name(const struct matrix_outcome *o, const char *src, const char *dst);
/* Where the rule of a pair stands, or what denied it without one. Line 0: nowhere. */
struct src_loc matrix_place(const struct matrix *x, uint32_t src, uint32_t dst);
/* Of which end that is: NULL: of none, all is said by the outcome; else its loc or groups. */
const struct src_loc *matrix_end_place(const struct matrix_outcome *o, const struct matrix_end *end);
/* Which rule of an allowed walk is named: the last of the forward leg that stands in a file; NULL: none. */
const struct walk_step *walk_admitting_step(const struct walk *w);
/* "tcp/80 tcp/443 icmp" of all that listens in the lab, each once; "icmp" when nothing does. */
size_t matrix_usual_flows(const struct model *m, char (**ret)[24]); /* *ret to free() */
