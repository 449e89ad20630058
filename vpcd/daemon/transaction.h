/* transaction.h: one change of a lab at a time, whole or not at all:
 *
 *   asked -> parsed, merged, built, checked -> desired, observed, diffed -> on disk, synced
 *         -> what goes is ended by the agent -> applied in slices -> the agent begins what is new -> answered
 *
 * Until "on disk" nothing has changed. A failure after it is undone by the same road: the old document goes back
 * on disk and is planned against what is there. A crash anywhere is mended at the next start, which takes
 * the document on disk as what was asked. */
#pragma once

struct lab;
struct request;

enum ask_kind {
	ASK_PUT, /* the whole file */
	ASK_EDITS,
	ASK_DOWN,
	ASK_MEND, /* after a start: the kernel as it was asked; r is NULL */
};
/* Takes its turn behind what is under way; the request is answered at the end. */
void transaction_ask(struct lab *l, enum ask_kind kind, struct request *r);
void transaction_next(void *lab);     /* timer: begins the next job */
void transaction_drop(struct lab *l); /* the daemon ends: forgets what is under way and what waits */
