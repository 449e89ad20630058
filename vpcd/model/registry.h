/* registry.h: what a lab keeps for life: AWS-style ids, numbers, and addresses that were given
 * automatically. Saved in the state directory; a fresh one serves offline tools. Pure.
 *
 * A thing is named by its kind and a key ("web-1"; for rules "sg/web/in/tcp 80 from 0.0.0.0/0";
 * for policies "web+db"). Numbers start at 1 and are not reused while unused ones remain. */
#pragma once
#include <stdint.h>
#include "model/model.h"

struct registry;
struct json_t;

struct registry *registry_new(uint64_t seed); /* seed makes ids; the same seed gives the same ids */
void registry_free(struct registry **r);
struct registry *registry_clone(const struct registry *r);
/* The number of the thing, allocated on first sight; 0 when all numbers of the kind are taken (ports,
 * route tables and the like have a limit in abi.h). */
uint32_t registry_number(struct registry *r, enum obj_kind kind, const char *key);
/* Its id, e.g. "i-0c3…" (17 hex), made on first sight. prefix without the dash. Owned by the registry;
 * a thing that was forgotten and comes again gets another one. */
const char *registry_id(struct registry *r, const char *prefix, const char *key);
/* Address memory: what "private/ENI" or "public/ENI/ADDR" got last time; 0 or -ENOENT. */
int registry_addr_get(struct registry *r, const char *key, struct addr *ret);
void registry_addr_set(struct registry *r, const char *key, const struct addr *a);
/* Forgets what was not asked for since the last registry_begin: call begin, build, then end. */
void registry_begin(struct registry *r);
void registry_end(struct registry *r);
/* JSON text to free(), and back (-EINVAL with words). */
char *registry_dump(struct registry *r);
int registry_load(const char *json, struct registry **ret, struct err *e);
