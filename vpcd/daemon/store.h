/* store.h: what was asked of a lab, on disk, synced before the kernel is touched.
 *
 *   STATE_DIR/LAB/lab.json       document, registry (ids, numbers, addresses), revision: one file, one rename,
 *                                so a crash leaves the old whole or the new whole
 *   STATE_DIR/LAB/topology.ini   the last file as it was given
 *   STATE_DIR/LAB/flow-log-*     records of flow logs (flow_logs.h)
 *   STATE_DIR/LAB/flow-logs.json how far they go (flow_log_state.h)
 *   STATE_DIR/LAB/alarms.json    the states of alarms (alarms.h)
 *   STATE_DIR/LAB/journal        a JSON line for each change: begun, done, failed, rolled back
 *
 * A broken file is reported, never repaired and never deleted. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "util/err.h"

struct stored {
	uint64_t revision;
	bool going;                /* the lab is being taken down */
	char *document, *registry; /* JSON; NULL when nothing was asked yet */
};
void stored_done(struct stored *s);
#define _cleanup_stored_ __attribute__((cleanup(stored_done)))

/* Names of the labs that have a folder; NULL-terminated, to free() with its strings. */
int store_labs(const char *state_dir, char ***ret, struct err *e);
/* -ENOENT: the lab has no folder. Any other failure: it has one that cannot be used; e names the file. */
int store_load(const char *state_dir, const char *lab, struct stored *ret, struct err *e);
/* topology may be NULL: the last file stays. */
int store_save(const char *state_dir, const char *lab, const struct stored *s, const char *topology, struct err *e);
int store_remove(const char *state_dir, const char *lab, struct err *e);
/* Appends one line {"time":…, "revision":…, "action":…} + more (taken over, may be NULL). For people to
 * read: nothing is built on it, so it is not synced. */
int journal_add(const char *state_dir, const char *lab, uint64_t revision, const char *action, json_t *more,
		struct err *e);
