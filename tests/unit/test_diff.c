/* test_diff.c: a plan carried out on a model of the kernel: a namespace takes its links along, a link
 * what hangs on it, nothing can be added twice or deleted when it is not there, and an interface comes
 * up only with its filters. Over random topologies, random edits and random damage the result must
 * be what was wanted. */
#include <stdio.h>
#include <string.h>
#include "conf/build.h"
#include "plan/desired.h"
#include "plan/diff.h"
#include "test.h"
#include "tests/support/random_topology.h"
#include "util/mem.h"
#include "util/str.h"

enum { SEEDS = 60, EDITS = 40, DAMAGES = 60 };

/* ---- the kernel, as far as it matters here ---- */
struct kernel {
	struct row *v;
	size_t n, cap;
	struct map_rows maps;
};
#define _cleanup_kernel_ __attribute__((cleanup(kernel_done)))

static void kernel_done(struct kernel *k)
{
	free(k->v);
	map_rows_done(&k->maps);
}

static const char *device_of(const struct row *r)
{
	switch (r->kind) {
	case ROW_ADDR: return r->addr.ifname;
	case ROW_NEIGH: return r->neigh.ifname;
	case ROW_FILTER: return r->filter.ifname;
	case ROW_ROUTE: return r->route.ifname;
	default: return "";
	}
}

static struct row *kernel_find(struct kernel *k, const struct row *key)
{
	for (size_t i = 0; i < k->n; i++)
		if (row_key_cmp(&k->v[i], key) == 0)
			return &k->v[i];
	return NULL;
}

static bool has_ns(const struct kernel *k, const char *ns)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->v[i].kind == ROW_NS && strcmp(k->v[i].ns, ns) == 0)
			return true;
	return false;
}

/* The link that has an end of this name there. */
static struct row *kernel_link(struct kernel *k, const char *ns, const char *ifname)
{
	for (size_t i = 0; i < k->n; i++) {
		struct row *r = &k->v[i];

		if (r->kind == ROW_LINK &&
		    ((strcmp(r->ns, ns) == 0 && strcmp(r->link.ifname, ifname) == 0) ||
		     (strcmp(r->link.peer_ns, ns) == 0 && strcmp(r->link.peer_ifname, ifname) == 0)))
			return r;
	}
	return NULL;
}

static void remove_at(struct kernel *k, size_t i)
{
	k->v[i] = k->v[--k->n];
}

static void remove_end(struct kernel *k, const char *ns, const char *ifname)
{
	for (size_t i = k->n; i-- > 0;)
		if (strcmp(k->v[i].ns, ns) == 0 && device_of(&k->v[i])[0] && strcmp(device_of(&k->v[i]), ifname) == 0)
			remove_at(k, i);
}

static void kernel_del(struct kernel *k, const struct row *key)
{
	struct row *found = kernel_find(k, key), old;

	assert_non_null(found);
	old = *found;
	remove_at(k, (size_t)(found - k->v));
	if (old.kind == ROW_LINK) {
		remove_end(k, old.ns, old.link.ifname);
		remove_end(k, old.link.peer_ns, old.link.peer_ifname);
	}
	if (old.kind == ROW_NS) {
		for (bool again = true; again;) {
			again = false;
			for (size_t i = 0; i < k->n && !again; i++)
				if (k->v[i].kind == ROW_LINK &&
				    (strcmp(k->v[i].ns, old.ns) == 0 || strcmp(k->v[i].link.peer_ns, old.ns) == 0)) {
					struct row link = k->v[i];

					kernel_del(k, &link);
					again = true;
				}
		}
		for (size_t i = k->n; i-- > 0;)
			if (strcmp(k->v[i].ns, old.ns) == 0)
				remove_at(k, i);
	}
}

static void check_new_link(struct kernel *k, const struct row *d)
{
	assert_true(has_ns(k, d->link.peer_ns));
	assert_null(kernel_link(k, d->ns, d->link.ifname));
	assert_null(kernel_link(k, d->link.peer_ns, d->link.peer_ifname));
	for (size_t i = 0; i < k->n; i++) {
		const struct row *r = &k->v[i];

		if (r->kind != ROW_LINK)
			continue;
		assert_false(strcmp(r->ns, d->ns) == 0 && r->link.ifindex == d->link.ifindex);
		assert_false(d->link.peer_ifindex && strcmp(r->link.peer_ns, d->link.peer_ns) == 0 &&
			     r->link.peer_ifindex == d->link.peer_ifindex);
		assert_false(d->link.peer_ifindex && strcmp(r->ns, d->link.peer_ns) == 0 &&
			     r->link.ifindex == d->link.peer_ifindex);
	}
}

static void kernel_add(struct kernel *k, const struct row *d)
{
	const char *device = device_of(d);

	assert_null(kernel_find(k, d));
	assert_true(d->kind == ROW_NS || has_ns(k, d->ns));
	if (d->kind == ROW_LINK)
		check_new_link(k, d);
	if (device[0] && strcmp(device, "lo") != 0) {
		const struct row *link = kernel_link(k, d->ns, device);

		assert_non_null(link);
		/* ENETDOWN otherwise */
		assert_true(d->kind == ROW_FILTER || d->kind == ROW_NEIGH || !link->link.down);
	}
	vec_reserve((void **)&k->v, &k->cap, k->n + 1, sizeof(*k->v));
	k->v[k->n] = *d;
	k->v[k->n++].link.down |= d->kind == ROW_LINK;
}

/* Every filter that is wanted on either end is there. */
static void check_filters(struct kernel *k, const struct plan *p, const struct row *link)
{
	for (size_t i = 0; i < p->desired->n; i++) {
		const struct row *f = &p->desired->rows[i];
		const struct row *there;

		if (f->kind != ROW_FILTER || kernel_link(k, f->ns, f->filter.ifname) != kernel_find(k, link))
			continue;
		there = kernel_find(k, f);
		assert_non_null(there);
		assert_int_equal(there->filter.ifindex, f->filter.ifindex);
	}
}

static const struct map_row *kernel_map_find(const struct kernel *k, enum abi_map map, const void *key)
{
	for (size_t i = 0; i < k->maps.n; i++)
		if (k->maps.v[i].map == map &&
		    memcmp(map_row_key(&k->maps, &k->maps.v[i]), key, k->maps.v[i].key_size) == 0)
			return &k->maps.v[i];
	return NULL;
}

/* Every class that a packet can come to has its nodes, at every moment. */
static void check_class(const struct kernel *k, uint64_t name)
{
	const struct map_row *row;
	struct abi_node node;

	name &= ~ABI_ANY_NARROWER;
	if (!name)
		return;
	row = kernel_map_find(k, ABI_MAP_RULES, &name);
	assert_non_null(row);
	memcpy(&node, map_row_value(&k->maps, row), sizeof(node));
	for (uint32_t i = 0; !node.leaf && i < node.n; i++)
		check_class(k, node.child[i]);
}

static void check_policies(const struct kernel *k)
{
	for (size_t i = 0; i < k->maps.n; i++) {
		const void *value = map_row_value(&k->maps, &k->maps.v[i]);
		struct abi_policy policy;
		struct abi_peer peer;
		struct abi_member member;

		switch (k->maps.v[i].map) {
		case ABI_MAP_POLICIES:
			memcpy(&policy, value, sizeof(policy));
			for (int f = 0; f < 2; f++) {
				check_class(k, policy.in.any[f]);
				check_class(k, policy.out.any[f]);
			}
			break;
		case ABI_MAP_PEERS:
			memcpy(&peer, value, sizeof(peer));
			check_class(k, peer.class);
			check_class(k, peer.base);
			check_class(k, peer.any);
			break;
		case ABI_MAP_MEMBERS:
			memcpy(&member, value, sizeof(member));
			check_class(k, member.class[0]);
			check_class(k, member.class[1]);
			break;
		}
	}
}

static void apply_map_op(struct kernel *k, const struct op *op)
{
	const struct map_rows *of = op->maps;
	size_t i;

	for (i = 0; i < k->maps.n; i++)
		if (k->maps.v[i].map == op->map_row->map &&
		    memcmp(map_row_key(&k->maps, &k->maps.v[i]), map_row_key(of, op->map_row), op->map_row->key_size) ==
			    0)
			break;
	assert_int_equal(i < k->maps.n, op->kind != OP_ADD);
	if (i < k->maps.n)
		k->maps.v[i] = k->maps.v[--k->maps.n];
	if (op->kind != OP_DEL)
		map_rows_add(&k->maps, (enum abi_map)op->map_row->map, map_row_key(of, op->map_row),
			     map_row_value(of, op->map_row));
}

static void apply_op(struct kernel *k, const struct plan *p, const struct op *op)
{
	struct row *found;
	bool down;

	if (op->map_row) {
		apply_map_op(k, op);
		return;
	}
	switch (op->kind) {
	case OP_ADD:
		found = op->row->kind == ROW_SYSCTL ? kernel_find(k, op->row) : NULL;
		if (found) /* left over from an earlier life of the namespace */
			*found = *op->row;
		else
			kernel_add(k, op->row);
		break;
	case OP_SET:
		found = kernel_find(k, op->row);
		assert_non_null(found);
		assert_true(row_value_eq(found, op->old));
		down = found->kind == ROW_LINK && found->link.down;
		*found = *op->row;
		found->link.down |= down;
		break;
	case OP_DEL: kernel_del(k, op->row); break;
	case OP_UP:
		found = kernel_find(k, op->row);
		assert_non_null(found);
		assert_true(found->link.down);
		check_filters(k, p, op->row);
		found->link.down = false;
		break;
	case OP_DOWN:
		found = kernel_find(k, op->row);
		assert_non_null(found);
		assert_false(found->link.down);
		found->link.down = true;
		break;
	}
}

static void kernel_load(struct kernel *k, const struct state *s)
{
	*k = (struct kernel){ 0 };
	for (size_t i = 0; s && i < s->n; i++) {
		vec_reserve((void **)&k->v, &k->cap, k->n + 1, sizeof(*k->v));
		k->v[k->n++] = s->rows[i];
	}
	map_rows_init(&k->maps);
	for (size_t i = 0; s && i < s->maps.n; i++)
		map_rows_add(&k->maps, (enum abi_map)s->maps.v[i].map, map_row_key(&s->maps, &s->maps.v[i]),
			     map_row_value(&s->maps, &s->maps.v[i]));
}

/* What an observer finds: settings only where they are asked about. */
static struct state *kernel_observe(const struct kernel *k, const struct state *desired)
{
	struct state *s = state_new();

	for (size_t i = 0; i < k->n; i++) {
		const struct row *r = &k->v[i];
		bool asked = r->kind != ROW_SYSCTL;
		struct row *copy;

		for (size_t j = 0; !asked && desired && j < desired->n; j++)
			asked = row_key_cmp(r, &desired->rows[j]) == 0;
		if (!asked)
			continue;
		copy = state_add(s, r->kind, r->ns, r->owner_kind, r->owner);
		const char *ns = copy->ns, *owner = copy->owner;
		*copy = *r;
		copy->ns = ns;
		copy->owner = owner;
		if (copy->kind == ROW_LINK)
			copy->link.peer_ns = state_name(s, copy->link.peer_ns);
	}
	for (size_t i = 0; i < k->maps.n; i++)
		map_rows_add(&s->maps, (enum abi_map)k->maps.v[i].map, map_row_key(&k->maps, &k->maps.v[i]),
			     map_row_value(&k->maps, &k->maps.v[i]));
	state_sort(s);
	return s;
}

/* A router forwards nothing before all that it forwards by is there. */
static void check_forwarding(const struct plan *p, size_t at)
{
	const struct row *r = p->ops[at].row;

	if (!r || r->kind != ROW_SYSCTL || !str_eq(r->sysctl.path, "net/ipv4/ip_forward"))
		return;
	for (size_t i = at + 1; i < p->n; i++) {
		const struct row *o = p->ops[i].row;

		assert_false(
			o && p->ops[i].kind == OP_ADD && str_eq(o->ns, r->ns) &&
			(o->kind == ROW_RULE || o->kind == ROW_ROUTE || o->kind == ROW_FILTER || o->kind == ROW_NFT));
	}
}

/* From what the kernel holds to desired; the plan after that is empty. Returns the number of operations. */
static size_t converge(struct kernel *k, const struct state *desired)
{
	_cleanup_state_ struct state *before = kernel_observe(k, desired);
	_cleanup_plan_ struct plan *p = NULL;
	char text[600];

	assert_int_equal(plan_diff(desired, before, &p), 0);
	for (size_t i = 0; i < p->n; i++) {
		assert_true(i == 0 || p->ops[i].rank >= p->ops[i - 1].rank);
		assert_true(op_format(&p->ops[i], text, sizeof(text))[0]);
		apply_op(k, p, &p->ops[i]);
		check_forwarding(p, i);
		if (p->ops[i].map_row && p->ops[i].rank >= RANK_SWITCH)
			check_policies(k);
	}
	if (desired && desired->n) {
		_cleanup_state_ struct state *after = kernel_observe(k, desired);
		_cleanup_plan_ struct plan *again = NULL;

		assert_int_equal(plan_diff(desired, after, &again), 0);
		if (again->n)
			print_message("# left: %s\n", op_format(&again->ops[0], text, sizeof(text)));
		assert_int_equal(again->n, 0);
		assert_int_equal(after->n, desired->n);
	} else {
		assert_int_equal(k->n, 0);
	}
	return p->n;
}

/* ---- topologies ---- */
/* NULL when the text is not valid; the registry must then be thrown away. */
static struct model *build(struct registry *r, const char *text)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_document_ struct document d = { 0 };
	struct model *m = NULL;

	document_parse(text, strlen(text), "t.ini", &d, &diags);
	registry_begin(r);
	if (model_build(&d, "t", r, &m, &diags) < 0)
		return NULL;
	registry_end(r);
	return m;
}

/* Text to free(). Not all that comes out of a seed is valid. */
static char *valid_topology(uint64_t seed)
{
	for (unsigned i = 0; i < 20; i++) {
		char *text = random_topology(seed + i * 100000, "t");
		struct registry *r = registry_new(1);
		struct model *m = build(r, text);
		bool good = m != NULL;

		model_free(&m);
		registry_free(&r);
		if (good)
			return text;
		free(text);
	}
	fail_msg("no valid topology near seed %u", (unsigned)seed);
	return NULL;
}

static struct state *desired_of(const struct model *m)
{
	struct err e = { 0 };
	struct state *s = NULL;

	if (state_desired(m, &s, &e) < 0)
		print_message("# %s\n", e.msg);
	assert_non_null(s);
	return s;
}

/* The text without one of its sections or lines. */
static char *edit_text(const char *text, struct rng *rng)
{
	size_t n_lines = 0, n = 0, skip;
	struct strbuf out;
	bool whole = rng_below(rng, 3) == 0, skipping = false;

	strbuf_init(&out);
	for (const char *c = text; *c; c++)
		n_lines += *c == '\n';
	skip = rng_below(rng, (uint32_t)n_lines + 1);
	for (const char *line = text; *line; n++) {
		const char *end = strchrnul(line, '\n');

		if (*line == '[')
			skipping = false;
		if (n == skip)
			skipping = whole && *line == '[';
		if (n != skip && !skipping)
			strbuf_add(&out, line, (size_t)(end - line) + (*end == '\n'));
		line = end + (*end == '\n');
	}
	return strbuf_take(&out);
}

/* Somebody was at the kernel: rows are gone, links down, values wrong. */
static void damage(struct kernel *k, struct rng *rng)
{
	for (uint32_t n = 1 + rng_below(rng, 4); n && k->n; n--) {
		struct row *r = &k->v[rng_below(rng, (uint32_t)k->n)], old = *r;

		switch (rng_below(rng, 4)) {
		case 0:
		case 1:
			if (r->kind != ROW_SYSCTL)
				kernel_del(k, &old);
			break;
		case 2:
			if (r->kind == ROW_LINK) {
				r->link.down = true;
			} else if (r->kind == ROW_SYSCTL) {
				r->sysctl.value = "7";
			} else if (r->kind == ROW_NEIGH) {
				r->neigh.mac[5] ^= 1;
			} else if (r->kind == ROW_NS) {
				r->ns_row.user_owned ^= true;
			} else if (r->kind == ROW_ROUTE) {
				struct row extra = *r;

				extra.route.metric = 77777 + n;
				if (!kernel_find(k, &extra) && !extra.route.ifname[0])
					kernel_add(k, &extra);
			}
			break;
		case 3:
			if (k->maps.n)
				k->maps.n -= rng_below(rng, 3) % k->maps.n;
			break;
		}
	}
}

static void same_is_empty(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		_cleanup_free_ char *text = valid_topology(seed);
		struct registry *r = registry_new(1);
		_cleanup_model_ struct model *m = build(r, text);
		_cleanup_state_ struct state *a = NULL, *b = NULL;
		_cleanup_plan_ struct plan *p = NULL;

		assert_non_null(m);
		a = desired_of(m);
		b = desired_of(m);
		assert_int_equal(plan_diff(a, b, &p), 0);
		assert_int_equal(p->n, 0);
		registry_free(&r);
	}
}

/* Up, over to other topologies altogether, and down. */
static void from_one_to_another(void **state)
{
	unsigned steps = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		_cleanup_kernel_ struct kernel k = { 0 };
		struct state *states[4] = { NULL }; /* the kernel's rows point into them */
		struct registry *r = registry_new(1);

		kernel_load(&k, NULL);
		for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
			_cleanup_free_ char *text = valid_topology(seed * 100 + i);
			struct registry *copy = registry_clone(r);
			_cleanup_model_ struct model *m = build(copy, text);

			registry_free(m ? &r : &copy);
			if (!m)
				continue;
			r = copy;
			states[i] = desired_of(m);
			assert_true(converge(&k, states[i]) > 0);
			steps++;
		}
		converge(&k, NULL);
		for (size_t i = 0; i < ARRAY_SIZE(states); i++)
			state_free(&states[i]);
		registry_free(&r);
	}
	assert_true(steps > 3 * SEEDS);
}

/* Small steps of one lab, with damage in between. */
static void edits_and_damage(void **state)
{
	unsigned built = 0, emptied = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= EDITS; seed++) {
		struct rng rng = { seed };
		_cleanup_free_ char *text = valid_topology(seed);
		_cleanup_kernel_ struct kernel k = { 0 };
		struct state *states[12] = { NULL };
		struct registry *r = registry_new(seed);
		struct model *m = build(r, text);

		assert_non_null(m);
		states[0] = desired_of(m);
		model_free(&m);
		kernel_load(&k, NULL);
		converge(&k, states[0]);
		for (size_t i = 1; i < ARRAY_SIZE(states); i++) {
			char *edited = edit_text(text, &rng);
			struct registry *copy = registry_clone(r);

			m = build(copy, edited);
			if (!m) {
				registry_free(&copy);
				free(edited);
				continue;
			}
			registry_free(&r);
			r = copy;
			free(text);
			text = edited;
			built++;
			states[i] = desired_of(m);
			model_free(&m);
			if (rng_below(&rng, 2))
				damage(&k, &rng);
			emptied += converge(&k, states[i]) == 0;
		}
		for (size_t i = 0; i < ARRAY_SIZE(states); i++)
			state_free(&states[i]);
		registry_free(&r);
	}
	/* The edits were real. */
	assert_true(built > EDITS);
	assert_true(emptied < built);
}

static void damage_is_mended(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= DAMAGES; seed++) {
		struct rng rng = { seed };
		_cleanup_free_ char *text = valid_topology(seed);
		_cleanup_kernel_ struct kernel k = { 0 };
		struct registry *r = registry_new(seed);
		_cleanup_model_ struct model *m = build(r, text);
		_cleanup_state_ struct state *s = NULL;

		assert_non_null(m);
		s = desired_of(m);
		kernel_load(&k, s);
		for (int i = 0; i < 5; i++) {
			damage(&k, &rng);
			converge(&k, s);
		}
		converge(&k, NULL);
		registry_free(&r);
	}
}

/* ---- by hand ---- */
static void add_ns(struct state *s, const char *ns)
{
	state_add(s, ROW_NS, ns, KIND_INSTANCE, ns);
}

static struct link_row *add_link(struct state *s, const char *ns, const char *ifname, uint32_t ifindex,
				 const char *peer_ns)
{
	struct link_row *l = &state_add(s, ROW_LINK, ns, KIND_INSTANCE, ifname)->link;

	snprintf(l->ifname, sizeof(l->ifname), "%s", ifname);
	l->ifindex = ifindex;
	l->peer_ns = state_name(s, peer_ns);
	strcpy(l->peer_ifname, "eth0");
	l->mtu = 1500;
	return l;
}

static char *plan_text(const struct state *desired, const struct state *actual)
{
	_cleanup_plan_ struct plan *p = NULL;
	struct strbuf out;
	char text[600];

	strbuf_init(&out);
	plan_diff(desired, actual, &p);
	for (size_t i = 0; i < p->n; i++)
		strbuf_addf(&out, "%s\n", op_format(&p->ops[i], text, sizeof(text)));
	return strbuf_take(&out);
}

/* The namespace goes, so neither its link nor what hangs on the router's end is deleted one by one. */
static void namespace_takes_all_along(void **state)
{
	_cleanup_state_ struct state *desired = state_new(), *actual = state_new();
	_cleanup_free_ char *text = NULL;
	struct row *r;

	(void)state;
	add_ns(desired, "t.v.router");
	add_ns(actual, "t.v.router");
	add_ns(actual, "t.a");
	add_link(actual, "t.v.router", "a", 101, "t.a");
	r = state_add(actual, ROW_ROUTE, "t.v.router", KIND_INSTANCE, "a");
	strcpy(r->route.ifname, "a");
	r->route.table = 100001;
	r = state_add(actual, ROW_FILTER, "t.v.router", KIND_INSTANCE, "a");
	strcpy(r->filter.ifname, "a");
	r = state_add(actual, ROW_ADDR, "t.a", KIND_INSTANCE, "a");
	strcpy(r->addr.ifname, "eth0");
	state_sort(desired);
	state_sort(actual);
	text = plan_text(desired, actual);
	assert_string_equal(text, "delete namespace t.a\n");
}

static void link_between_survivors(void **state)
{
	_cleanup_state_ struct state *desired = state_new(), *actual = state_new();
	_cleanup_free_ char *text = NULL;

	(void)state;
	for (int i = 0; i < 2; i++) {
		add_ns(i ? actual : desired, "t.v.router");
		add_ns(i ? actual : desired, "t.a");
	}
	add_link(actual, "t.v.router", "a", 101, "t.a");
	state_sort(desired);
	state_sort(actual);
	text = plan_text(desired, actual);
	assert_string_equal(text, "delete link a in t.v.router to eth0 in t.a\n");
}

/* eth0 of the instance must be free before it can be made anew in another router. */
static void moved_link_is_cleared_first(void **state)
{
	_cleanup_state_ struct state *desired = state_new(), *actual = state_new();
	_cleanup_free_ char *text = NULL;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct state *s = i ? actual : desired;
		struct row *r;

		add_ns(s, "t.v.router");
		add_ns(s, "t.w.router");
		add_ns(s, "t.a");
		add_link(s, i ? "t.v.router" : "t.w.router", "a", 101, "t.a");
		r = state_add(s, ROW_ADDR, "t.a", KIND_INSTANCE, "a");
		strcpy(r->addr.ifname, "eth0");
		addr_parse("10.0.0.9", &r->addr.addr);
		r->addr.prefix_len = 24;
		state_sort(s);
	}
	text = plan_text(desired, actual);
	assert_string_equal(text, "delete link a in t.v.router to eth0 in t.a\n"
				  "add link a in t.w.router to eth0 in t.a\n"
				  "bring up link a in t.w.router to eth0 in t.a\n"
				  "add address 10.0.0.9/24 on eth0 in t.a\n");
}

static void link_changes(void **state)
{
	static const struct {
		bool down;
		uint16_t mtu;
		uint32_t ifindex;
		const char *plan;
		bool wanted_down;
	} cases[] = {
		{ false, 1500, 101, "" },
		{ true, 1500, 101, "", true },
		{ false, 1500, 101, "take down link a in t.v.router to eth0 in t.a\n", true },
		{ true, 9001, 101, "set link a in t.v.router to eth0 in t.a\n", true },
		{ true, 1500, 102,
		  "delete link a in t.v.router to eth0 in t.a\nadd link a in t.v.router to eth0 in t.a\n", true },
		{ true, 1500, 101, "bring up link a in t.v.router to eth0 in t.a\n" },
		{ false, 9001, 101, "set link a in t.v.router to eth0 in t.a\n" },
		{ true, 9001, 101,
		  "set link a in t.v.router to eth0 in t.a\nbring up link a in t.v.router to eth0 in t.a\n" },
		{ false, 1500, 102,
		  "delete link a in t.v.router to eth0 in t.a\nadd link a in t.v.router to eth0 in t.a\n"
		  "bring up link a in t.v.router to eth0 in t.a\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_state_ struct state *desired = state_new(), *actual = state_new();
		_cleanup_free_ char *text = NULL;
		struct link_row *l;

		for (int side = 0; side < 2; side++) {
			struct state *s = side ? actual : desired;

			add_ns(s, "t.v.router");
			add_ns(s, "t.a");
			l = add_link(s, "t.v.router", "a", 101, "t.a");
			l->down = side ? cases[i].down : cases[i].wanted_down;
			if (side) {
				l->mtu = cases[i].mtu;
				l->ifindex = cases[i].ifindex;
			}
			state_sort(s);
		}
		text = plan_text(desired, actual);
		assert_string_equal(text, cases[i].plan);
	}
}

/* Tables first, then the slots, then what refers to them; backwards when they go. */
static void map_order(void **state)
{
	_cleanup_state_ struct state *full = state_new(), *bare = state_new();
	_cleanup_free_ char *up = NULL, *down = NULL;
	struct abi_policy policy;
	struct abi_port port;
	struct abi_addr_key addr_key = { .vpc = 1 };
	struct abi_addr_val addr_val = { .port = 3 };
	struct abi_member_key member = { ABI_TABLE_OF(3, 1), 5 };
	struct abi_member class = { { 0, 0 } };
	uint32_t three = 3;

	(void)state;
	memset(&policy, 0, sizeof(policy));
	memset(&port, 0, sizeof(port));
	addr_key.addr = addr_from_v4(0x0a000005).a;
	add_ns(full, "t.a");
	add_ns(bare, "t.a");
	map_rows_add(&full->maps, ABI_MAP_PORTS, &three, &port);
	map_rows_add(&full->maps, ABI_MAP_ADDRS, &addr_key, &addr_val);
	map_rows_add(&full->maps, ABI_MAP_POLICIES, &three, &policy);
	map_rows_add(&full->maps, ABI_MAP_MEMBERS, &member, &class);
	state_sort(full);
	state_sort(bare);
	up = plan_text(full, bare);
	assert_string_equal(up, "add class of group set 5 in policy 3 outbound\nadd policy 3\nadd port 3\n"
				"add owner of 10.0.0.5 in VPC 1\n");
	down = plan_text(bare, full);
	assert_string_equal(down, "delete owner of 10.0.0.5 in VPC 1\ndelete port 3\ndelete policy 3\n"
				  "delete class of group set 5 in policy 3 outbound\n");
}

/* A row of rules is named by what it says; in the kernel somebody can have made it say something else. */
static void a_row_of_rules_that_lies(void **state)
{
	_cleanup_state_ struct state *wanted = state_new(), *there = state_new();
	_cleanup_free_ char *text = NULL;
	struct abi_node node;
	uint64_t name = 6;

	(void)state;
	memset(&node, 0, sizeof(node));
	node.leaf = node.n = 1;
	map_rows_add(&wanted->maps, ABI_MAP_RULES, &name, &node);
	node.match[0].flags = ABI_MATCH_ALLOW;
	map_rows_add(&there->maps, ABI_MAP_RULES, &name, &node);
	add_ns(wanted, "lab.v.router");
	add_ns(there, "lab.v.router");
	state_sort(wanted);
	state_sort(there);
	there->observed = true;
	text = plan_text(wanted, there);
	assert_string_equal(text, "set rules 0000000000000006\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_is_empty),
		cmocka_unit_test(from_one_to_another),
		cmocka_unit_test(edits_and_damage),
		cmocka_unit_test(damage_is_mended),
		cmocka_unit_test(namespace_takes_all_along),
		cmocka_unit_test(link_between_survivors),
		cmocka_unit_test(moved_link_is_cleared_first),
		cmocka_unit_test(link_changes),
		cmocka_unit_test(map_order),
		cmocka_unit_test(a_row_of_rules_that_lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
