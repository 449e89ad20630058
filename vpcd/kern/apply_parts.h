/* apply_parts.h: the pieces apply.c puts together. Kernel room, private to it. */
#pragma once
#include "kern/lab.h"
#include "plan/state.h"
#include "util/err.h"

/* ---- namespaces: apply_ns.c ---- */
struct netns_maker;
/* Makes the instances' namespaces of one plan; maker is started when the first is needed. */
struct ns_factory {
	struct netns_maker *maker;
	uint32_t wanted; /* how many the plan asks for */
	bool is_known;   /* what differs in a fresh one from what it should have: */
	unsigned differ;
};
/* One of ours that stands there is mended; another one is -EEXIST. */
int apply_ns_add(struct kern *k, struct ns_factory *f, const struct row *row, struct err *e);
int apply_ns_remove(struct kern *k, const char *name, struct err *e);

/* ---- links: apply_link.c ---- */
int apply_link_add(struct kern *k, const struct row *row, struct err *e); /* a leftover in its place goes */
int apply_link_set(struct kern *k, const struct row *row, const struct row *old, struct err *e);
int apply_link_down(struct kern *k, const struct row *row, struct err *e); /* the row's own end */
int apply_link_up(struct kern *k, const struct row *row, struct err *e);
