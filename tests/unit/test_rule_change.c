/* test_rule_change.c: rules are edited while packets are judged. The plan's operations are applied one by one, and
 * between any two lookups of one packet any number of them: the packet gets the answer of all the old rules
 * or of all the new ones. Groups are sets, and their members have rows of their own, so where a rule moves from a
 * prefix to a group less is promised: nothing passes that neither old nor new rules allow. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "test.h"
#include "filters/world.h"

/* Each lookup is a moment at which the kernel's maps may have moved on. */
struct world;
static void moment(struct world *w);
#undef map_get
#define map_get(w, name, key) (moment(w), host_map_lookup((w)->name, key))
#include "filters/match.h"
#include "filters/compile.h"
#include "plan/diff.h"
#include "util/mem.h"

enum { RULES_MAX = 10, OPS_MAX = 200, SLOT = 3, MOMENTS_MAX = 6, PACKETS = 12 };

static uint64_t rnd_state;

static uint32_t rnd(uint32_t n)
{
	rnd_state = rnd_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return n ? (uint32_t)(rnd_state >> 33) % n : 0;
}

/* The maps after so many operations. */
static struct stage {
	struct world maps;
	struct abi_ruleset rs;
} stages[OPS_MAX + 1];
static unsigned n_stages;

static struct world world; /* what packets see */
static struct abi_ruleset slot;
static unsigned moments, jump_at, jump_to;

static void go_to(unsigned stage)
{
	world.peers = stages[stage].maps.peers;
	world.members = stages[stage].maps.members;
	world.rules = stages[stage].maps.rules;
	slot = stages[stage].rs;
}

static void moment(struct world *w)
{
	(void)w;
	if (moments++ == jump_at)
		go_to(jump_to);
}

static void stage_new(struct stage *s, const struct map_rows *rows)
{
	s->maps.peers = host_map_new(HOST_LPM, sizeof(struct abi_lpm_key), sizeof(struct abi_peer), 1000);
	s->maps.members = host_map_new(HOST_HASH, sizeof(struct abi_member_key), sizeof(struct abi_member), 1000);
	s->maps.rules = host_map_new(HOST_HASH, sizeof(uint64_t), sizeof(struct abi_node), 1000);
	memset(&s->rs, 0, sizeof(s->rs));
	for (size_t i = 0; i < rows->n; i++) {
		const void *key = map_row_key(rows, &rows->v[i]), *value = map_row_value(rows, &rows->v[i]);
		struct abi_policy policy;

		switch (rows->v[i].map) {
		case ABI_MAP_PEERS: host_map_update(s->maps.peers, key, value); break;
		case ABI_MAP_MEMBERS: host_map_update(s->maps.members, key, value); break;
		case ABI_MAP_RULES: host_map_update(s->maps.rules, key, value); break;
		case ABI_MAP_POLICIES:
			memcpy(&policy, value, sizeof(policy));
			s->rs = policy.in;
			break;
		}
	}
}

static void stages_free(void)
{
	for (unsigned i = 0; i < n_stages; i++) {
		host_map_free(&stages[i].maps.peers);
		host_map_free(&stages[i].maps.members);
		host_map_free(&stages[i].maps.rules);
	}
	n_stages = 0;
}

/* ---- rules ---- */

struct list {
	struct rule rules[RULES_MAX];
	uint64_t order[RULES_MAX];
	unsigned n;
	bool nacl;
};

static struct rule random_rule(bool nacl, bool groups)
{
	static const char *const peers[] = { "0.0.0.0/0",   "0.0.0.0/0",   "10.0.0.0/8",  "10.0.0.0/16", "10.0.0.0/24",
					     "10.0.0.1/32", "10.0.1.0/24", "10.1.0.0/16", "::/0",        "::/1" };
	static const char *const traffic[] = {
		"all", "tcp 80", "tcp 79-81", "tcp", "udp 80", "tcp 22,80", "icmp", "47"
	};
	const char *peer = peers[rnd(ARRAY_SIZE(peers))], *what = traffic[rnd(ARRAY_SIZE(traffic) - (nacl ? 3 : 0))];
	struct rule r;
	char text[100];

	if (groups && rnd(3) == 0)
		peer = rnd(2) ? "sg:1" : "sg:2";
	snprintf(text, sizeof(text), "%s%s from %s", !nacl ? "" : rnd(2) ? "1 allow " : "1 deny ", what, peer);
	if (rule_parse(text, nacl ? RULE_OF_NACL : RULE_OF_GROUP, RULE_IN, &r, NULL) < 0)
		fail_msg("%s", text);
	return r;
}

static struct state *state_of(const struct list *l)
{
	static const uint32_t one[] = { 1 }, both[] = { 1, 2 };
	static const struct compile_members members[] = { { 1, one, 1 }, { 2, both, 2 } };
	struct state *s = state_new();
	struct compile_rule rules[RULES_MAX];
	struct abi_policy policy;
	uint32_t slot_number = SLOT;
	struct err e = { 0 };

	memset(&policy, 0, sizeof(policy));
	for (unsigned i = 0; i < l->n; i++) {
		const struct rule *r = &l->rules[i];

		rules[i] = (struct compile_rule){ .rule = r, .order = l->order[i] };
		rules[i].number = (uint32_t)l->order[i] + (r->proto << 8) + r->peer.len;
		if (r->peer_kind == PEER_GROUP)
			rules[i].group = (uint32_t)atoi(r->peer_name);
	}
	if (ruleset_compile(&(struct compile_ruleset){ .name = "t",
						       .nacl = l->nacl,
						       .table = ABI_TABLE_OF(SLOT, 0),
						       .rules = rules,
						       .n_rules = l->n },
			    members, 2, &s->maps, &policy.in, &e) < 0)
		fail_msg("%s", e.msg);
	map_rows_add(&s->maps, ABI_MAP_POLICIES, &slot_number, &policy);
	state_add(s, ROW_NS, "t.v.router", KIND_LAB, NULL);
	state_sort(s);
	return s;
}

/* ---- the stages of a plan ---- */

static void rows_apply(struct map_rows *rows, const struct op *op)
{
	size_t i;

	for (i = 0; i < rows->n; i++)
		if (rows->v[i].map == op->map_row->map &&
		    memcmp(map_row_key(rows, &rows->v[i]), map_row_key(op->maps, op->map_row), op->map_row->key_size) ==
			    0)
			break;
	assert_int_equal(i < rows->n, op->kind != OP_ADD);
	if (i < rows->n)
		rows->v[i] = rows->v[--rows->n];
	if (op->kind != OP_DEL)
		map_rows_add(rows, op->map_row->map, map_row_key(op->maps, op->map_row),
			     map_row_value(op->maps, op->map_row));
}

static unsigned stages_make(const struct state *was, const struct state *will)
{
	_cleanup_plan_ struct plan *p = NULL;
	struct map_rows rows;
	unsigned bridges;

	assert_int_equal(plan_diff(will, was, &p), 0);
	assert_true(p->n <= OPS_MAX);
	map_rows_init(&rows);
	for (size_t i = 0; i < was->maps.n; i++)
		map_rows_add(&rows, was->maps.v[i].map, map_row_key(&was->maps, &was->maps.v[i]),
			     map_row_value(&was->maps, &was->maps.v[i]));
	stage_new(&stages[n_stages++], &rows);
	for (size_t i = 0; i < p->n; i++) {
		assert_non_null(p->ops[i].map_row);
		rows_apply(&rows, &p->ops[i]);
		stage_new(&stages[n_stages++], &rows);
	}
	bridges = (unsigned)p->bridge.n;
	/* In the end it is as wanted. */
	map_rows_sort(&rows);
	assert_int_equal(rows.n, will->maps.n);
	for (size_t i = 0; i < rows.n; i++)
		assert_memory_equal(map_row_key(&rows, &rows.v[i]), map_row_key(&will->maps, &will->maps.v[i]),
				    rows.v[i].key_size + rows.v[i].value_size);
	map_rows_done(&rows);
	return bridges;
}

/* ---- packets ---- */

static struct match_query random_packet(void)
{
	static const char *const addrs[] = { "10.0.0.1", "10.0.0.2",  "10.0.1.1",    "10.1.0.1",
					     "10.9.0.1", "192.0.2.1", "2001:db8::1", "9000::1" };
	static const uint8_t protos[] = { 6, 6, 6, 17, 1, 47 }, ports[] = { 80, 80, 79, 22, 9 };
	struct match_query q;
	struct addr a;

	memset(&q, 0, sizeof(q));
	assert_int_equal(addr_parse(addrs[rnd(ARRAY_SIZE(addrs))], &a), 0);
	q.key.addr = a.a;
	q.family = (uint8_t)addr_family(&a);
	q.proto = protos[rnd(ARRAY_SIZE(protos))];
	q.port[1] = ports[rnd(ARRAY_SIZE(ports))];
	q.members = rnd(3);
	return q;
}

static int answer(struct match_query *q, unsigned from, unsigned at, unsigned to)
{
	go_to(from);
	moments = 0;
	jump_at = at;
	jump_to = to;
	return ruleset_match(&world, &slot, ABI_TABLE_OF(SLOT, 0), q);
}

static bool same(int x, const struct match_query *qx, int y, const struct match_query *qy)
{
	return x == y && (!x || (qx->m.rule == qy->m.rule && qx->m.allow == qy->m.allow));
}

static void print_lists(const struct list *was, const struct list *will)
{
	char text[100];

	for (unsigned i = 0; i < was->n; i++)
		print_message("# was  %2u %s\n", (unsigned)was->order[i],
			      rule_format(&was->rules[i], text, sizeof(text)));
	for (unsigned i = 0; i < will->n; i++)
		print_message("# will %2u %s\n", (unsigned)will->order[i],
			      rule_format(&will->rules[i], text, sizeof(text)));
}

static void check_packet(const struct match_query *packet, const struct list *was, const struct list *will)
{
	struct match_query old = *packet, new = *packet;
	const unsigned last = n_stages - 1;
	const int was_found = answer(&old, 0, UINT32_MAX, 0), will_found = answer(&new, last, UINT32_MAX, 0);

	for (unsigned from = 0; from <= last; from++)
		for (unsigned to = from; to <= last; to++)
			for (unsigned at = 0; at < MOMENTS_MAX; at++) {
				struct match_query q = *packet;
				int found = answer(&q, from, at, to);
				char addr[ADDR_STRLEN];

				if (same(found, &q, was_found, &old) || same(found, &q, will_found, &new))
					continue;
				if (!was->nacl && packet->members && (!found || was_found || will_found))
					continue;
				print_lists(was, will);
				fail_msg(
					"%s proto %u port %u group set %u: before lookup %u from operation %u to %u of %u:"
					" found %d rule %u; old %d %u, new %d %u",
					addr_format(&(struct addr){ packet->key.addr }, addr), packet->proto,
					packet->port[1], packet->members, at, from, to, last, found, q.m.rule,
					was_found, old.m.rule, will_found, new.m.rule);
			}
}

static void edit(struct list *l, bool groups)
{
	unsigned at = rnd(l->n);

	switch (rnd(4)) {
	case 0: /* one less */
		l->rules[at] = l->rules[l->n - 1];
		l->order[at] = l->order[--l->n];
		break;
	case 1: /* one more */
		if (l->n < RULES_MAX) {
			l->rules[l->n] = random_rule(l->nacl, groups);
			l->order[l->n++] = 100 + rnd(100);
		}
		break;
	default: l->rules[at] = random_rule(l->nacl, groups);
	}
}

static void run(bool nacl, bool groups, unsigned rounds)
{
	unsigned bridges = 0;
	size_t ops = 0;

	for (unsigned round = 0; round < rounds; round++) {
		struct list was = { .nacl = nacl }, will;
		_cleanup_state_ struct state *a = NULL, *d = NULL;

		was.n = 1 + rnd(RULES_MAX - 1);
		for (unsigned i = 0; i < was.n; i++) {
			was.rules[i] = random_rule(nacl, groups);
			was.order[i] = 10 * (i + 1);
		}
		will = was;
		for (unsigned k = 1 + rnd(2); k > 0 && will.n; k--)
			edit(&will, groups);
		a = state_of(&was);
		d = state_of(&will);
		bridges += stages_make(a, d);
		ops += n_stages - 1;
		for (unsigned i = 0; i < PACKETS; i++) {
			struct match_query q = random_packet();

			check_packet(&q, &was, &will);
		}
		stages_free();
	}
	print_message("# %u edits, %zu operations, %u bridges\n", rounds, ops, bridges);
	assert_true(bridges > 0);
}

static void nacl_edits(void **state)
{
	(void)state;
	run(true, false, 3000);
}

static void group_edits(void **state)
{
	(void)state;
	run(false, false, 2000);
}

static void group_edits_with_references(void **state)
{
	(void)state;
	run(false, true, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nacl_edits),
		cmocka_unit_test(group_edits),
		cmocka_unit_test(group_edits_with_references),
	};
	const char *seed = getenv("SEED");

	rnd_state = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
	print_message("# SEED=%llu\n", (unsigned long long)rnd_state);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
