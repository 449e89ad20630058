/* desired_limits.c: what of a lab is more than the maps and the firewall mark can hold. Pure.
 *
 * What is found here must not get as far as a plan: the kernel would refuse it in the middle of a change. */
#include <string.h>
#include "plan/desired_ctx.h"
#include "util/mem.h"

#define CODE "TableLimitExceeded"

/* A number that stands for something of the model, and who has the largest one. */
struct number {
	uint32_t n;
	const struct obj *obj;
};

static void raise(struct number *max, uint32_t n, const struct obj *obj);
static struct number last_port(const struct model *m);
static void number_check(struct fit *fit, const char *what, const struct number *max, uint32_t limit);

/* Rows of one kind. A change writes new ones beside the old. */
static const struct {
	enum abi_map map;
	uint32_t limit;
	const char *what;
} row_limits[] = {
	{ ABI_MAP_RULES, ABI_HASH_ROWS_MAX / 2, "rules" },  { ABI_MAP_MEMBERS, ABI_HASH_ROWS_MAX / 2, "members" },
	{ ABI_MAP_PEERS, ABI_LPM_ROWS_MAX / 2, "peers" },   { ABI_MAP_ADDRS, ABI_HASH_ROWS_MAX / 2, "addrs" },
	{ ABI_MAP_ROUTES, ABI_LPM_ROWS_MAX / 2, "routes" },
};

void desired_limits_numbers(const struct model *m, struct fit *fit)
{
	struct number port = last_port(m), table = { 0 }, nacl = { 0 }, policy = { 0 };

	for (uint32_t i = 0; i < m->n_route_tables; i++)
		raise(&table, m->route_tables[i].obj.number, &m->route_tables[i].obj);
	for (uint32_t i = 0; i < m->n_nacls; i++)
		raise(&nacl, policy_slot_fragments(m->nacls[i].obj.number), &m->nacls[i].obj);
	for (uint32_t i = 0; i < m->n_enis; i++)
		raise(&policy, policy_slot_groups(m->enis[i].policy), &m->enis[i].obj);
	number_check(fit, "interfaces", &port, ABI_PORTS_MAX - 1);
	number_check(fit, "route tables", &table, ABI_TABLES_MAX);
	number_check(fit, "network ACLs", &nacl, ABI_POLICY_SLOTS_MAX - 1);
	number_check(fit, "combinations of groups", &policy, ABI_POLICY_SLOTS_MAX - 1);
}

void desired_limits_rows(const struct model *m, const struct map_rows *rows, struct fit *fit)
{
	uint32_t n[ABI_MAP_SYNC_MAX] = { 0 };

	for (size_t i = 0; i < rows->n; i++)
		n[rows->v[i].map]++;
	for (size_t i = 0; i < ARRAY_SIZE(row_limits); i++)
		if (n[row_limits[i].map] > row_limits[i].limit)
			diag_add(fit->diags, SEV_ERROR, (struct src_loc){ m->file, 0 }, CODE,
				 "take rules or groups out, or make two labs of it",
				 "lab %s: table %s needs %u rows, the limit is %u; the largest rule set, %s, has %zu",
				 m->name, row_limits[i].what, n[row_limits[i].map], row_limits[i].limit, fit->largest,
				 fit->largest_rows);
}

static struct number last_port(const struct model *m)
{
	struct number max = { 0 };

	for (uint32_t i = 0; i < m->n_enis; i++)
		raise(&max, m->enis[i].obj.number, &m->enis[i].obj);
	for (uint32_t i = 0; i < m->n_hosts; i++)
		raise(&max, m->hosts[i].port, &m->hosts[i].obj);
	for (uint32_t i = 0; i < m->n_igws; i++) {
		raise(&max, m->igws[i].port, &m->igws[i].obj);
		raise(&max, m->igws[i].inet_port, &m->igws[i].obj);
	}
	for (uint32_t i = 0; i < m->n_peerings; i++)
		for (int end = 0; end < 2; end++)
			raise(&max, m->peerings[i].ports[end], &m->peerings[i].obj);
	return max;
}

static void raise(struct number *max, uint32_t n, const struct obj *obj)
{
	if (n > max->n)
		*max = (struct number){ n, obj };
}

static void number_check(struct fit *fit, const char *what, const struct number *max, uint32_t limit)
{
	if (max->n > limit)
		diag_add(fit->diags, SEV_ERROR, max->obj->loc, CODE, "make two labs of it",
			 "there are too many %s: %s would be number %u, the last one is %u", what, max->obj->name,
			 max->n, limit);
}
