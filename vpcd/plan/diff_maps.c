/* diff_maps.c: sorted merge of the rows of the policy maps into operations, in an order in which each packet sees
 * wholly the old answer or wholly the new one, though rows are written one by one. Pure: no syscalls.
 *
 * A packet reads the word `any` of its policy's slot once, then the longest match of its peer in peers. Rows of
 * rules are named by their content: they are added before and deleted after everything else. Between:
 *
 *   1. peers and members are added and set, the longest prefixes first: whoever matches a new row matches the last
 *      one he will match. Where the slot's `any` changes as well, it must not change under a row: new rows name
 *      the new one, rows that will go name the old one, and only the others follow the slot.
 *   2. policies: one word of a slot is one write.
 *   3. the new rows follow the slot again.
 *   4. peers and members that are not wanted are deleted, the shortest prefixes first.
 *   5. all else: ports, addrs, routes, inet; then the epoch is bumped.
 *
 * Rows of a policy that goes are out of use only when its ports are gone: they go at the end. */
#include <assert.h>
#include <string.h>
#include "plan/diff_ctx.h"

#define PREFIX_BITS_MAX 255 /* of an LPM key in abi.h */

enum step { STEP_PEERS, STEP_POLICIES, STEP_SETTLE, STEP_DEL_PEERS, STEP_REST };

static void diff_row(struct plan *p, const struct map_row *d, const struct map_row *a);
static bool is_equal(const struct plan *p, const struct map_row *d, const struct map_row *a);
static void set_row(struct plan *p, const struct map_row *d, bool is_there);
static void del_row(struct plan *p, const struct map_row *a);
static bool any_changes(const struct plan *p, const struct map_rows *rows, const struct map_row *peer, uint64_t any[2]);
static bool policy_of(const struct map_rows *rows, uint32_t slot, struct abi_policy *ret);
static uint32_t table_of(const struct map_rows *rows, const struct map_row *row);
static void add_bridge(struct plan *p, enum op_kind kind, const struct map_rows *rows, const struct map_row *peer,
		       uint64_t any);
static unsigned prefix_bits(const struct map_rows *rows, const struct map_row *row);
static void add(struct plan *p, enum op_kind kind, enum plan_rank rank, unsigned order, const struct map_rows *maps,
		const struct map_row *row);

void plan_diff_maps(struct plan *p)
{
	const struct map_rows *d = &p->desired->maps, *a = &p->actual->maps;
	size_t i = 0, k = 0, n_bridge = 0;

	assert((d->sorted || !d->n) && (a->sorted || !a->n));
	while (i < d->n || k < a->n) {
		const struct map_row *x = i < d->n ? &d->v[i] : NULL, *y = k < a->n ? &a->v[k] : NULL;
		int c = !x ? 1 : !y ? -1 : map_row_cmp(d, x, a, y);

		diff_row(p, c <= 0 ? x : NULL, c >= 0 ? y : NULL);
		i += c <= 0;
		k += c >= 0;
	}
	for (i = 0; i < p->n; i++)
		if (p->ops[i].maps == &p->bridge)
			p->ops[i].map_row = &p->bridge.v[n_bridge++];
}

static void diff_row(struct plan *p, const struct map_row *d, const struct map_row *a)
{
	if (!d)
		del_row(p, a);
	else if (!a || !is_equal(p, d, a))
		set_row(p, d, a != NULL);
}

/* Rows of rules are many and named by their content: only what stands in the kernel can be another one. */
static bool is_equal(const struct plan *p, const struct map_row *d, const struct map_row *a)
{
	if (d->map == ABI_MAP_RULES && !p->actual->observed)
		return true;
	return memcmp(map_row_value(&p->desired->maps, d), map_row_value(&p->actual->maps, a), d->value_size) == 0;
}

static void set_row(struct plan *p, const struct map_row *d, bool is_there)
{
	const struct map_rows *maps = &p->desired->maps;
	enum op_kind kind = is_there ? OP_SET : OP_ADD;
	uint64_t any[2];

	switch ((enum abi_map)d->map) {
	case ABI_MAP_RULES: add(p, kind, RANK_TABLES, 0, maps, d); break;
	case ABI_MAP_PEERS:
		if (any_changes(p, maps, d, any)) {
			add_bridge(p, kind, maps, d, any[1]);
			add(p, OP_SET, RANK_SWITCH, STEP_SETTLE << 8, maps, d);
			break;
		}
		/* fallthrough */
	case ABI_MAP_MEMBERS:
		add(p, kind, RANK_SWITCH, STEP_PEERS << 8 | (PREFIX_BITS_MAX - prefix_bits(maps, d)), maps, d);
		break;
	case ABI_MAP_POLICIES: add(p, kind, RANK_SWITCH, STEP_POLICIES << 8, maps, d); break;
	default: add(p, kind, RANK_SWITCH, STEP_REST << 8, maps, d);
	}
}

static void del_row(struct plan *p, const struct map_row *a)
{
	const struct map_rows *maps = &p->actual->maps;
	struct abi_policy unused;
	uint64_t any[2];

	switch ((enum abi_map)a->map) {
	case ABI_MAP_RULES: add(p, OP_DEL, RANK_DEL_TABLES, 0, maps, a); break;
	case ABI_MAP_PEERS:
	case ABI_MAP_MEMBERS:
		if (!policy_of(&p->desired->maps, table_of(maps, a) / 2, &unused)) {
			add(p, OP_DEL, RANK_DEL_TABLES, 0, maps, a);
			break;
		}
		if (a->map == ABI_MAP_PEERS && any_changes(p, maps, a, any))
			add_bridge(p, OP_SET, maps, a, any[0]);
		add(p, OP_DEL, RANK_SWITCH, STEP_DEL_PEERS << 8 | prefix_bits(maps, a), maps, a);
		break;
	/* Where maps are emptied the later one goes first: a route before the port it leads to, policies last. */
	case ABI_MAP_POLICIES: add(p, OP_DEL, RANK_DEL_SWITCH, ABI_MAP_SYNC_MAX, maps, a); break;
	default: add(p, OP_DEL, RANK_DEL_SWITCH, (unsigned)(ABI_MAP_SYNC_MAX - 1 - a->map), maps, a);
	}
}

/* Whether the slot changes under a row that packets see before and after. any: the old class and the new one. */
static bool any_changes(const struct plan *p, const struct map_rows *rows, const struct map_row *peer, uint64_t any[2])
{
	uint32_t table = table_of(rows, peer);
	struct abi_policy was, will;
	struct abi_lpm_key key;
	int f;

	if (!policy_of(&p->actual->maps, table / 2, &was) || !policy_of(&p->desired->maps, table / 2, &will))
		return false;
	memcpy(&key, map_row_key(rows, peer), sizeof(key));
	f = key.table_hi != 4;
	any[0] = (table & 1 ? &was.out : &was.in)->any[f];
	any[1] = (table & 1 ? &will.out : &will.in)->any[f];
	if (!(any[0] & any[1] & ABI_ANY_NARROWER) || any[0] == any[1])
		return false;
	any[0] &= ~ABI_ANY_NARROWER;
	any[1] &= ~ABI_ANY_NARROWER;
	return true;
}

static bool policy_of(const struct map_rows *rows, uint32_t slot, struct abi_policy *ret)
{
	const struct map_row *row = map_rows_find(rows, ABI_MAP_POLICIES, &slot);

	if (!row)
		return false;
	memcpy(ret, map_row_value(rows, row), sizeof(*ret));
	return true;
}

static uint32_t table_of(const struct map_rows *rows, const struct map_row *row)
{
	size_t at = row->map == ABI_MAP_PEERS ? offsetof(struct abi_lpm_key, table_lo)
					      : offsetof(struct abi_member_key, table);
	uint32_t table;

	memcpy(&table, (const uint8_t *)map_row_key(rows, row) + at, sizeof(table));
	return table;
}

/* The row with an `any` of its own, if it follows the slot. */
static void add_bridge(struct plan *p, enum op_kind kind, const struct map_rows *rows, const struct map_row *peer,
		       uint64_t any)
{
	struct abi_peer value;

	memcpy(&value, map_row_value(rows, peer), sizeof(value));
	if (value.any == ABI_ANY_OF_SLOT)
		value.any = any;
	map_rows_add(&p->bridge, ABI_MAP_PEERS, map_row_key(rows, peer), &value);
	/* The row is pointed at in the end: until then it may move. */
	add(p, kind, RANK_SWITCH, STEP_PEERS << 8 | (PREFIX_BITS_MAX - prefix_bits(rows, peer)), &p->bridge, NULL);
}

static unsigned prefix_bits(const struct map_rows *rows, const struct map_row *row)
{
	uint32_t bits = 0;

	if (row->map == ABI_MAP_PEERS)
		memcpy(&bits, map_row_key(rows, row), sizeof(bits));
	return bits < PREFIX_BITS_MAX ? bits : PREFIX_BITS_MAX;
}

static void add(struct plan *p, enum op_kind kind, enum plan_rank rank, unsigned order, const struct map_rows *maps,
		const struct map_row *row)
{
	struct op *op = plan_add_op(p, kind, rank);

	op->order = (uint16_t)order;
	op->maps = maps;
	op->map_row = row;
}
