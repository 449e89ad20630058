/* changes_repair.c: operations of a plan that no change of the model explains: somebody touched the
 * kernel, or an earlier apply broke off. Pure.
 *
 * What runs should be what the old model means. So an addition of a row that the old model wants just
 * as the new one does is a repair, and so is the deletion of one that the old model does not know. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/keymap.h"
#include "plan/changes_ctx.h"
#include "plan/desired.h"
#include "util/mem.h"

#define TEXT_LEN_MAX 256

struct owner {
	enum obj_kind kind;
	const char *name; /* NULL: nobody in particular, the lab */
};
struct damage {
	struct owner owner;
	struct notes notes;
};
struct repair {
	const struct model *now;
	const struct plan *plan;
	struct state *expected; /* what the old model wants; NULL: nothing */
	struct owner *by_port;  /* ABI_PORTS_MAX */
	struct keymap by_owner; /* "kind/name" to damages */
	struct damage *damages;
	size_t n, cap;
};

static bool op_is_repair(const struct repair *r, const struct op *op);
static bool map_op_is_repair(const struct repair *r, const struct op *op);
static const struct row *row_find(const struct state *s, const struct row *key);
static void damage_note(struct repair *r, struct change_list *ret, const struct op *op);
static struct owner op_owner(struct repair *r, const struct op *op);
static struct owner map_op_owner(struct repair *r, const struct op *op);
static struct owner port_owner(struct repair *r, uint32_t port);
static void damages_tell(struct repair *r, struct change_list *ret);

void changes_repair(const struct model *was, const struct model *now, const struct plan *plan, struct change_list *ret)
{
	struct repair r = { .now = now, .plan = plan };

	if (!plan->n)
		return;
	/* Without knowing what was meant, everything counts as explained. */
	if (was && state_desired(was, &r.expected, NULL) < 0)
		return;
	for (size_t i = 0; i < plan->n; i++) {
		const struct op *op = &plan->ops[i];

		if (op->map_row ? map_op_is_repair(&r, op) : op_is_repair(&r, op))
			damage_note(&r, ret, op);
	}
	damages_tell(&r, ret);
	keymap_done(&r.by_owner);
	free(r.damages);
	free(r.by_port);
	state_free(&r.expected);
}

static bool op_is_repair(const struct repair *r, const struct op *op)
{
	const struct row *expected = row_find(r->expected, op->row);

	if (op->kind == OP_DEL)
		return !expected;
	return expected && row_value_eq(expected, op->row);
}

static bool map_op_is_repair(const struct repair *r, const struct op *op)
{
	const struct map_row *expected = NULL;

	if (op->maps == &r->plan->bridge)
		return false;
	if (r->expected)
		expected = map_rows_find(&r->expected->maps, op->map_row->map, map_row_key(op->maps, op->map_row));
	if (op->kind == OP_DEL)
		return !expected;
	return expected && memcmp(map_row_value(&r->expected->maps, expected), map_row_value(op->maps, op->map_row),
				  expected->value_size) == 0;
}

static const struct row *row_find(const struct state *s, const struct row *key)
{
	size_t lo = 0, hi = s ? s->n : 0;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = row_key_cmp(key, &s->rows[mid]);

		if (!c)
			return &s->rows[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

static void damage_note(struct repair *r, struct change_list *ret, const struct op *op)
{
	static const char *const words[] = { "missing", "changed", "not wanted", "down", "up" };
	struct owner owner = op->map_row ? map_op_owner(r, op) : op_owner(r, op);
	char text[TEXT_LEN_MAX];
	const char *key;
	uint64_t i;

	/* A missing link is added and brought up: told once. */
	if (op->kind == OP_UP && !row_find(r->plan->actual, op->row))
		return;
	key = arena_printf(ret->arena, "%d/%s", owner.kind, owner.name);
	i = keymap_get_str(&r->by_owner, key);
	if (i == KEYMAP_NONE) {
		i = r->n;
		keymap_put_str(&r->by_owner, key, i);
		VEC_PUSH(r->damages, r->n, r->cap)->owner = owner;
	}
	if (op->map_row)
		map_row_format(op->maps, op->map_row, text, sizeof(text));
	else
		row_format(op->kind == OP_SET ? op->old : op->row, text, sizeof(text));
	note(&r->damages[i].notes, "%s: %s", words[op->kind], text);
}

static struct owner op_owner(struct repair *r, const struct op *op)
{
	if (op->row->owner && op->row->owner_kind < KIND_MAX)
		return (struct owner){ op->row->owner_kind, op->row->owner };
	return (struct owner){ KIND_LAB, r->now->name };
}

/* Ports and addresses belong to interfaces, next hops to route tables, the rest to the lab. */
static struct owner map_op_owner(struct repair *r, const struct op *op)
{
	const struct map_rows *rows = op->maps;
	struct abi_addr_val addr;
	struct abi_lpm_key lpm;
	uint32_t port = 0;

	switch ((enum abi_map)op->map_row->map) {
	case ABI_MAP_PORTS: memcpy(&port, map_row_key(rows, op->map_row), sizeof(port)); return port_owner(r, port);
	case ABI_MAP_ADDRS:
		memcpy(&addr, map_row_value(rows, op->map_row), sizeof(addr));
		return port_owner(r, addr.port);
	case ABI_MAP_ROUTES:
		memcpy(&lpm, map_row_key(rows, op->map_row), sizeof(lpm));
		for (uint32_t i = 0; lpm.table_hi == ABI_TABLE_VPC && i < r->now->n_vpcs; i++)
			if (r->now->vpcs[i].obj.number == lpm.table_lo)
				return (struct owner){ KIND_VPC, r->now->vpcs[i].obj.name };
		for (uint32_t i = 0; i < r->now->n_route_tables; i++)
			if (r->now->route_tables[i].obj.number == lpm.table_lo)
				return (struct owner){ KIND_ROUTE_TABLE, r->now->route_tables[i].obj.name };
		break;
	default: break;
	}
	return (struct owner){ KIND_LAB, r->now->name };
}

static struct owner port_owner(struct repair *r, uint32_t port)
{
	const struct model *m = r->now;

	if (!r->by_port) {
		r->by_port = xcalloc(ABI_PORTS_MAX, sizeof(*r->by_port));
		for (uint32_t i = 0; i < m->n_enis; i++) {
			const struct eni *eni = &m->enis[i];
			enum obj_kind kind = KIND_INTERFACE;
			const char *name = eni->obj.name;

			if (eni->owner == ENI_OF_NAT_GATEWAY)
				kind = KIND_NAT_GATEWAY;
			else if (eni->owner_index != NONE && m->instances[eni->owner_index].enis[0] == i)
				kind = KIND_INSTANCE;
			r->by_port[eni->obj.number] = (struct owner){ kind, name };
		}
		for (uint32_t i = 0; i < m->n_igws; i++) {
			r->by_port[m->igws[i].port] = (struct owner){ KIND_IGW, m->igws[i].obj.name };
			r->by_port[m->igws[i].inet_port] = (struct owner){ KIND_IGW, m->igws[i].obj.name };
		}
		for (uint32_t i = 0; i < m->n_peerings; i++)
			for (int end = 0; end < 2; end++)
				r->by_port[m->peerings[i].ports[end]] =
					(struct owner){ KIND_PEERING, m->peerings[i].obj.name };
		for (uint32_t i = 0; i < m->n_hosts; i++)
			r->by_port[m->hosts[i].port] = (struct owner){ KIND_HOST, m->hosts[i].obj.name };
		if (m->uplink.on)
			r->by_port[m->uplink.port] = (struct owner){ KIND_INTERNET, "uplink" };
	}
	if (port && port < ABI_PORTS_MAX && r->by_port[port].name)
		return r->by_port[port];
	return (struct owner){ KIND_LAB, m->name };
}

/* An owner that has a line already is mended along with its change. */
static void damages_tell(struct repair *r, struct change_list *ret)
{
	struct keymap told = { 0 };

	for (size_t i = 0; i < ret->n; i++)
		keymap_put_str(&told, arena_printf(ret->arena, "%s/%s", ret->v[i].kind, ret->v[i].name), i);
	for (size_t i = 0; i < r->n; i++) {
		struct damage *d = &r->damages[i];
		const char *kind = obj_kind_name(d->owner.kind);
		const char *why = notes_take(&d->notes, ret->arena);

		if (keymap_get_str(&told, arena_printf(ret->arena, "%s/%s", kind, d->owner.name)) == KEYMAP_NONE)
			change_add(ret, CHANGE_REPAIR, kind, d->owner.name)->why = why;
	}
	keymap_done(&told);
}
