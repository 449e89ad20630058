/* lab.h: one lab as the daemon holds it: what was asked (document, registry), what that means (model),
 * and its doors to the kernel and to its agent. Changed only by transaction.c, one change at a time. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "conf/document.h"
#include "daemon/verdict.h"
#include "model/model.h"
#include "model/registry.h"
#include "util/diag.h"
#include "util/err.h"

struct alarms;
struct captures;
struct crew;
struct flow_logs;
struct flush;
struct kern;
struct nat_floors;
struct observe;
struct state;
struct datapath;
struct probes;
struct server;
struct timer;
struct transaction;
struct job;

enum lab_state { LAB_UP, LAB_APPLYING, LAB_FAILED };

struct lab {
	struct server *server;
	char name[40];
	enum lab_state state;
	struct err error; /* why LAB_FAILED */
	bool broken;      /* its files cannot be read: nothing but DELETE */
	bool going;       /* being taken down */

	/* What was asked. model NULL: nothing yet, broken, or going. */
	struct document document;
	struct registry *registry;
	struct model *model;
	struct ports *ports; /* of model */
	uint64_t adoption;   /* which model it is: of all that the server's labs have had, no two have the same */
	struct diag_list warnings;
	uint64_t revision;

	struct kern *kern;   /* NULL until first needed */
	struct state *known; /* what the last change left in it; NULL: look first */
	int events_fd;       /* of its data path, watched; -1 */
	struct timer *reaper;
	struct timer *reader; /* reads ahead what the next plan needs */
	size_t read_at;
	bool read_again;
	size_t quick_at; /* of known: filters before it are called the quickest way */
	struct crew *crew;
	struct probes *probes;
	struct flush *flush;
	struct flow_logs *flow_logs;
	struct alarms *alarms;
	struct observe *observe;
	struct captures *captures;
	struct nat_floors *nat_floors;

	struct transaction *tx;    /* the change under way */
	struct transaction *ended; /* the one before, until its answer is out */
	struct job *first_job, *last_job;
	struct timer *next_job;
};

struct lab *lab_new(struct server *s, const char *name);
void lab_free(struct lab **l);
const char *lab_state_name(enum lab_state s);
void lab_set_state(struct lab *l, enum lab_state s); /* says so in the event stream */
void lab_fail(struct lab *l, const struct err *e);

/* Reads STATE_DIR/LAB into document, registry, model. On failure the lab is broken. */
int lab_load(struct lab *l, struct err *e);
/* From now on this is what was asked. Swaps all three with what was asked before, which is the caller's to free: its words
 * must not be used any more. */
void lab_adopt(struct lab *l, struct document *d, struct registry **r, struct model **m);

/* The lab in the kernel, opened on first use. */
int lab_kern(struct lab *l, struct err *e);
void lab_close_kern(struct lab *l);
struct datapath *lab_datapath(const struct lab *l); /* NULL: none */
/* Around an apply, which may replace the data path: its event stream and reaper rest; afterwards they, and
 * its settings, are set for what is there now. */
void lab_datapath_rest(struct lab *l);
int lab_datapath_start(struct lab *l, struct err *e);
/* What the last change left is known from now on; NULL: nothing is. Takes it over. */
void lab_know(struct lab *l, struct state **known);
/* Reads what is known, in small pieces from now on, so that the next plan need not. */
void lab_read_ahead(struct lab *l);
void lab_drain_events(struct lab *l); /* hands out the verdict events that wait */
