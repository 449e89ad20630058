/* differ.h: inside path/: the work of comparing two models: reach.c finds the changes, reach_fold.c tells them. Pure. */
#pragma once
#include "path/matrix.h"
#include "path/reach.h"
#include "path/touched.h"

enum { PORT_LAST = 65535, EPHEMERAL_LO = 1024 };

struct probe {           /* one flow to try */
	char proto[24];  /* as walked: "tcp/22" */
	char label[24];  /* as told: "tcp/22-25", "tcp", "other" */
	uint8_t number;  /* of the protocol */
	uint8_t family;  /* probes of a family with neighbouring ranges join */
	uint32_t lo, hi; /* ports; 0, 0 without */
};
struct side {
	const struct model *m;
	struct walker *w;
};
struct joint {             /* ends that are of one class in both models */
	uint32_t class[2]; /* NONE: not there */
	enum touch touch;
	uint32_t first, n; /* in differ.members */
};
struct change { /* of one pair and one probe */
	uint32_t src, dst;
	uint32_t probe_lo, probe_hi; /* first and last probe of a run */
	uint32_t sport_lo, sport_hi; /* client ports; 0, 0: any */
	uint32_t cause;
	enum reach was, is;
};
struct cause {
	enum walk_leg leg;
	enum abi_gate gate;
	enum matrix_object object_of;
	const char *object;
	struct reach_rule before, after;
};
struct differ {
	struct side side[2]; /* before, after */
	const char **names;  /* of either */
	uint32_t n_names;
	struct probe *probes;
	size_t n_probes, cap_probes;
	uint32_t *sports; /* first ports of the ranges of clients' ports to try; {0}: only the usual one */
	size_t n_sports, cap_sports;
	struct change *changes;
	size_t n_changes, cap_changes;
	struct cause *causes;
	size_t n_causes, cap_causes;

	struct touched touched;
	struct joint *joints;
	uint32_t n_joints, *members; /* indexes into names, joint by joint */
	uint64_t work, work_max;
};

/* d's changes as lines of a report. */
void changes_fold(struct differ *d, struct reach_diff *ret);
