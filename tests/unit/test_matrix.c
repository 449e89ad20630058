/* test_matrix.c: the quick answers of the matrix against walk_flow(), pair by pair: every shipped
 * topology, and random ones. How quick it is, cli_offline holds. */
#include <stdio.h>
#include <string.h>
#include "conf/build.h"
#include "path/matrix.h"
#include "test.h"
#include "tests/support/random_topology.h"
#include "tests/support/shipped.h"
#include "util/mem.h"
#include "util/str.h"

enum { SEEDS = 150 };
static const char *const flows[] = { "tcp/22", "tcp/443", "tcp/5432", "udp/53", "icmp", "50" };

static struct model *load(const char *text, const char *name)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	struct model *m = NULL;

	if (model_from_text(text, strlen(text), name, &m, &diags) < 0)
		for (size_t i = 0; i < diags.n; i++)
			print_error("%s:%u: %s\n", name, diags.v[i].line, diags.v[i].message);
	assert_non_null(m);
	return m;
}

static void pair_check(struct walker *w, const struct model *m, const struct matrix *x, uint32_t i, uint32_t k)
{
	const struct matrix_outcome *o = matrix_at(x, i, k);
	const char *src = x->ends[i].name, *dst = x->ends[k].name;
	const struct walk_step *s;
	struct err e = { 0 };
	struct walk walk;
	struct flow f;

	if (flow_parse_words(m, src, dst, x->proto, &f, &e) < 0)
		fail_msg("%s", e.msg);
	if (x->sport)
		f.sport = x->sport;
	if (walk_flow(w, &f, &walk, &e) < 0)
		fail_msg("%s", e.msg);
	s = walk.allow ? walk_admitting_step(&walk) : &walk.steps[walk.denied];
	if (o->allow != walk.allow)
		fail_msg("%s -> %s %s: matrix %d, walk %d", src, dst, x->proto, o->allow, walk.allow);
	if (!walk.allow && !s->loc.line)
		fail_msg("%s -> %s %s: denied at gate %d, and nothing says where that stands", src, dst, x->proto,
			 s->gate);
	if (s) {
		if (o->leg != s->leg || o->gate != s->gate || o->reason != s->reason || o->rule != s->rule ||
		    !str_eq(matrix_object_name(o, src, dst), s->object) || !str_eq(o->rule_text, s->rule_text) ||
		    matrix_place(x, i, k).line != s->loc.line)
			fail_msg("%s -> %s %s: gate %d@%s rule %u line %u, walk %d@%s rule %u line %u", src, dst,
				 x->proto, o->gate, matrix_object_name(o, src, dst), o->rule,
				 matrix_place(x, i, k).line, s->gate, s->object, s->rule, s->loc.line);
	} else {
		assert_int_equal(o->gate, ABI_GATE_NONE);
	}
	walk_done(&walk);
}

static uint32_t further_interfaces(const struct model *m)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->n_instances; i++)
		n += m->instances[i].n_enis ? m->instances[i].n_enis - 1 : 0;
	return n;
}

/* Walks that were saved. */
static uint64_t topology_check(const char *text, const char *name)
{
	_cleanup_model_ struct model *m = load(text, name);
	struct walker *w = NULL;
	struct err e = { 0 };
	uint64_t saved = 0;

	assert_int_equal(walker_new(m, &w, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(flows); i++) {
		_cleanup_matrix_ struct matrix x = { 0 };

		if (matrix_make(w, flows[i], i == 1 ? 1500 : 0, &x, &e) < 0)
			fail_msg("%s: %s", name, e.msg);
		assert_int_equal(x.n_ends, m->n_instances + further_interfaces(m) + m->n_hosts);
		for (uint32_t a = 0; a < x.n_ends; a++)
			for (uint32_t b = 0; b < x.n_ends; b++)
				pair_check(w, m, &x, a, b);
		saved += (uint64_t)x.n_ends * x.n_ends - x.walks;
	}
	walker_free(&w);
	return saved;
}

static void check_one(void *ctx, const char *text, const char *path)
{
	(void)ctx;
	topology_check(text, path);
}

static void shipped_topologies(void **state)
{
	(void)state;
	assert_true(shipped_each(check_one, NULL) >= 10);
}

static void random_topologies(void **state)
{
	uint64_t saved = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		_cleanup_free_ char *text = random_topology(seed, "random");

		saved += topology_check(text, "random.ini");
	}
	assert_true(saved > SEEDS); /* else no classes were ever joined, and nothing was tested */
}

/* Appliances, several interfaces, rules that name one address of a class: never joined. */
static void ends_that_stand_alone(void **state)
{
	static const char lab[] =
		"[vpc v]\ncidr = 10.0.0.0/16\n[internet-gateway i]\nvpc = v\n"
		"[route-table r]\nvpc = v\nmain = yes\nroute = 0.0.0.0/0 via instance:box\n"
		"[route-table p]\nvpc = v\nroute = 0.0.0.0/0 via igw:i\n"
		"[subnet a]\nvpc = v\ncidr = 10.0.0.0/24\n[subnet b]\nvpc = v\ncidr = 10.0.1.0/24\nroute-table = p\nnacl = n\n"
		"[nacl n]\nvpc = v\ninbound = 90 deny all from 10.0.0.12/32\ninbound = 100 allow all from 0.0.0.0/0\n"
		"outbound = 100 allow all to 0.0.0.0/0\n"
		"[security-group g]\nvpc = v\ninbound = all from 0.0.0.0/0\n"
		"[instance box]\nsubnet = b\npublic-ip = auto\nsecurity-groups = g\nsource-dest-check = no\n"
		"[instance b2]\nsubnet = b\npublic-ip = auto\nsecurity-groups = g\nsource-dest-check = no\n"
		"[instance a1]\nsubnet = a\naddress = 10.0.0.11\nsecurity-groups = g\n"
		"[instance a2]\nsubnet = a\naddress = 10.0.0.12\nsecurity-groups = g\n"
		"[instance a3]\nsubnet = a\naddress = 10.0.0.13\nsecurity-groups = g\n"
		"[host h1]\naddress = 198.51.100.7\n[host h2]\naddress = 198.51.100.8\n";
	_cleanup_model_ struct model *m = load(lab, "alone.ini");
	_cleanup_matrix_ struct matrix x = { 0 };
	struct walker *w = NULL;
	struct err e = { 0 };

	(void)state;
	topology_check(lab, "alone.ini");
	assert_int_equal(walker_new(m, &w, &e), 0);
	assert_int_equal(matrix_make(w, "tcp/80", 0, &x, &e), 0);
	assert_int_equal(x.n_ends, 7);
	assert_int_equal(x.n_classes, 5); /* box, b2, a1 with a3, a2, h1 with h2 */
	assert_int_equal(x.ends[2].class, x.ends[4].class);
	assert_int_not_equal(x.ends[2].class, x.ends[3].class);
	assert_int_not_equal(x.ends[0].class, x.ends[1].class);
	matrix_done(&x);
	assert_int_equal(matrix_make(w, "tcp", 0, &x, &e), -22);
	assert_non_null(strstr(e.msg, "needs a destination port"));
	walker_free(&w);
}

static void usual_flows(void **state)
{
	static const char lab[] =
		"[vpc v]\ncidr = 10.0.0.0/16\n[subnet a]\nvpc = v\ncidr = 10.0.0.0/24\n"
		"[instance x]\nsubnet = a\nlisten = tcp/80 udp/53\n[instance y]\nsubnet = a\nlisten = tcp/80\n";
	_cleanup_model_ struct model *m = load(lab, "usual.ini");
	char(*v)[24];

	(void)state;
	assert_int_equal(matrix_usual_flows(m, &v), 2);
	assert_string_equal(v[0], "tcp/80");
	assert_string_equal(v[1], "udp/53");
	free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shipped_topologies),
		cmocka_unit_test(random_topologies),
		cmocka_unit_test(ends_that_stand_alone),
		cmocka_unit_test(usual_flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
