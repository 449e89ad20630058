/* advice.h: the smallest change of a topology that would let a denied flow through: which line, in which
 * section. Every advice was tried: the lines stand in a copy of the document, and the walk allows. Pure. */
#pragma once
#include "conf/document.h"
#include "path/walk.h"

struct registry;

enum advice_op { ADVICE_ADD, ADVICE_REMOVE };
struct advice_line {
	enum advice_op op;
	char kind[32], name[64]; /* of the section */
	bool new_section;        /* there is none yet */
	bool keeps;              /* what was so before: not needed by this flow, but by others */
	char *key, *value;
	struct src_loc loc; /* add: the line behind which it fits; remove: its line; line 0 = none */
	enum abi_gate gate; /* that it opens */
	enum walk_leg leg;
};
struct advice {
	bool works;
	struct advice_line *v;
	size_t n, cap;
	char why_not[200]; /* when !works: what no line of a file would change, or why none was found */
	bool hopeless;     /* the former */
};
/* What the model was built from. registry: numbers and addresses of a running lab; NULL: a file's own. */
struct advice_base {
	const struct document *document;
	const char *lab;
	const struct registry *registry;
};
/* flow: "SRC -> DST PROTO/PORT" that the walk denies. 0 with *ret filled, or the error of a flow that is none. */
int advice_find(const struct advice_base *base, const char *flow, struct advice *ret, struct err *e);
void advice_done(struct advice *a);
#define _cleanup_advice_ __attribute__((cleanup(advice_done)))
/* Text for people, with a newline at its end; to free(). is_answered: a reply is due to the flow (walk.h). */
char *advice_text(const struct advice *a, bool is_answered);
