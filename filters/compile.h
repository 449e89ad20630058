/* compile.h: rules in, tables out: what stands in the maps policies, peers, members and rules, byte
 * for byte (abi.h). Pure. design 5 "Classification in constant time".
 *
 * One ruleset is one direction of one gate. Its rows in peers and members have the name of the slot;
 * those in rules are named by their content, so an edited rule leaves all but a few of them alone. */
#pragma once
#include <stdint.h>
#include "filters/rows.h"
#include "filters/rule.h"
#include "util/err.h"

/* One rule, everything resolved. */
struct compile_rule {
	const struct rule *rule;
	uint32_t number;               /* rule number, for counters and words */
	uint64_t order;                /* lower wins; equal ones: the first in the array */
	uint32_t group;                /* PEER_GROUP: number of the group named */
	const struct prefix *prefixes; /* PEER_PREFIX_LIST: its entries */
	uint32_t n_prefixes;
	const char *owner;  /* name of its group or ACL, for errors; may be NULL */
	struct src_loc loc; /* for errors */
};
/* A set of groups some interface carries: what group references are matched against. */
struct compile_members {
	uint32_t number;        /* KIND_POLICY number */
	const uint32_t *groups; /* group numbers, ascending */
	uint32_t n_groups;
};
#define COMPILE_COUNT_SEGS (UINT64_C(16) << 20) /* some two seconds */
struct compile_ruleset {
	const char *name; /* "security groups web+db, inbound": for errors */
	bool nacl;
	uint32_t table; /* ABI_TABLE_OF(slot, direction) */
	uint32_t star;  /* number of the implicit * rule (NACL) or 0 */
	const struct compile_rule *rules;
	uint32_t n_rules;
	const struct compile_ruleset *other; /* the same policy's other direction: decides what is tracked */
	uint32_t table_entries_max;          /* intervals in map rules; 0: 16 x (prefixes + port ranges) + 4096 */
	/* How much may be looked at to say by how much they are too many; what was is taken off. NULL: COMPILE_COUNT_SEGS. */
	uint64_t *count_segs;
};
/* Appends the ruleset's rows to rows and fills *ret (goes into abi_policy). members: every set that
 * may be a peer. -E2BIG names the ruleset, the table, what it needs ("more than", when count_segs did not do), the limit and the rule that costs most, whose place is e->loc;
 * rows is as before. */
int ruleset_compile(const struct compile_ruleset *in, const struct compile_members *members, uint32_t n_members,
		    struct map_rows *rows, struct abi_ruleset *ret, struct err *e);
