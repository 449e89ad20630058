/* test_reach.c: the difference of two models against walking single flows in both: a pair and port
 * differ if and only if some line of the diff says so. Random topologies, one rule taken away. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "conf/build.h"
#include "path/reach.h"
#include "test.h"
#include "tests/support/random_topology.h"
#include "util/mem.h"
#include "util/str.h"

enum { SEEDS = 60, FLOWS = 400 };

static struct model *load(const char *text, const char *name)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	struct model *m = NULL;

	if (model_from_text(text, strlen(text), name, &m, &diags) < 0)
		return NULL;
	return m;
}

/* Without its nth rule line (any: line that is no header); NULL when there are fewer. */
static char *without_line(const char *text, unsigned nth, bool any)
{
	struct strbuf b = { 0 };
	bool done = false;

	for (const char *p = text, *e; *p; p = e) {
		bool rule = strncmp(p, "inbound", 7) == 0 || strncmp(p, "outbound", 8) == 0;

		e = p + strcspn(p, "\n");
		e += *e != '\0';
		if ((rule || (any && *p != '[' && *p != '\n')) && nth-- == 0)
			done = true;
		else
			strbuf_add(&b, p, (size_t)(e - p));
	}
	if (!done)
		strbuf_done(&b);
	return done ? strbuf_take(&b) : NULL;
}

static bool has_name(const char *list, const char *name)
{
	_cleanup_free_ char *copy = xstrdup(list);
	char *save = NULL;

	for (char *w = strtok_r(copy, ", ", &save); w; w = strtok_r(NULL, ", ", &save))
		if (strcmp(w, name) == 0)
			return true;
	return false;
}

/* Is proto/port from sport among "tcp/22-80(from:1024-65535) udp"? */
static bool has_flow(const char *list, const char *proto, unsigned port, unsigned sport)
{
	_cleanup_free_ char *copy = xstrdup(list);
	char *save = NULL;

	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		char *from = strchr(w, '('), *slash;
		unsigned lo = 0, hi = 0, slo = 0, shi = 65535;

		if (from) {
			assert_int_equal(sscanf(from, "(from:%u-%u)", &slo, &shi), 2);
			*from = '\0';
		}
		slash = strchr(w, '/');
		if (slash && strcmp(proto, "icmp") == 0)
			continue; /* other types than the echo */
		if (slash) {
			*slash++ = '\0';
			if (sscanf(slash, "%u-%u", &lo, &hi) < 2)
				hi = lo;
		} else {
			hi = 65535;
		}
		if (strcmp(w, proto) == 0 && port >= lo && port <= hi && sport >= slo && sport <= shi)
			return true;
	}
	return false;
}

static bool allows(struct walker *w, const struct model *m, const char *src, const char *dst, const char *proto,
		   unsigned sport)
{
	struct err e = { 0 };
	struct flow f;
	struct walk walk;
	bool allow;

	if (flow_parse_words(m, src, dst, proto, &f, &e) < 0 ||
	    (f.sport = (uint16_t)sport, walk_flow(w, &f, &walk, &e) < 0))
		fail_msg("%s -> %s %s: %s", src, dst, proto, e.msg);
	allow = walk.allow;
	walk_done(&walk);
	return allow;
}

static const char *any_name(const struct model *m, struct rng *r)
{
	uint32_t i = rng_below(r, m->n_instances + m->n_hosts);

	return i < m->n_instances ? m->instances[i].obj.name : m->hosts[i - m->n_instances].obj.name;
}

static bool has_end(const struct model *m, const char *name)
{
	return model_find_instance(m, name) != NONE || model_find_host(m, name) != NONE;
}

/* How many flows differed. */
static unsigned flows_check(const struct model *a, const struct model *b, const struct reach_diff *d, struct rng *r)
{
	static const unsigned ports[] = { 22, 80, 443, 5432, 53, 1024, 65535, 1, 79, 444 };
	static const unsigned sports[] = { 40000, 1024, 32768, 65535 };
	struct walker *w[2] = { NULL, NULL };
	struct err e = { 0 };
	unsigned differ = 0;

	assert_int_equal(walker_new(a, &w[0], &e), 0);
	assert_int_equal(walker_new(b, &w[1], &e), 0);
	for (unsigned i = 0; i < FLOWS; i++) {
		const char *src = any_name(a, r), *dst = any_name(b, r);
		const char *proto = rng_below(r, 3) ? "tcp" : rng_below(r, 2) ? "udp" : "icmp";
		unsigned port = ports[rng_below(r, ARRAY_SIZE(ports))],
			 sport = sports[rng_below(r, ARRAY_SIZE(sports))];
		bool icmp = strcmp(proto, "icmp") == 0, was, is, told = false;
		char text[32];

		if (strcmp(src, dst) == 0 || !has_end(b, src) || !has_end(a, dst))
			continue;
		if (d->n == 0)
			sport = 40000; /* ACLs that cut the ports alike are tried from the usual one only */
		snprintf(text, sizeof(text), icmp ? "%s" : "%s/%u", proto, port);
		was = allows(w[0], a, src, dst, text, sport);
		is = allows(w[1], b, src, dst, text, sport);
		for (size_t k = 0; k < d->n; k++) {
			if (!has_name(d->v[k].srcs, src) || !has_name(d->v[k].dsts, dst) ||
			    !has_flow(d->v[k].flows, proto, icmp ? 0 : port, icmp ? 0 : sport))
				continue;
			told = true;
			if ((d->v[k].was == REACH_ALLOW) != was || (d->v[k].is == REACH_ALLOW) != is)
				fail_msg("%s -> %s %s from %u: was %d, is %d, the diff says %s, %s", src, dst, text,
					 sport, was, is, reach_name(d->v[k].was), reach_name(d->v[k].is));
		}
		if (told != (was != is) && (told || sport == 40000))
			fail_msg("%s -> %s %s from %u: was %d, is %d, the diff says %s", src, dst, text, sport, was, is,
				 told ? "it differs" : "nothing");
		differ += was != is;
	}
	walker_free(&w[0]);
	walker_free(&w[1]);
	return differ;
}

/* Lines taken away one by one, or both ways round; how many flows differed. */
static unsigned edits_check(bool any, unsigned seeds, unsigned lines, unsigned *tried)
{
	unsigned differ = 0;

	for (uint64_t seed = 1; seed <= seeds; seed++) {
		struct rng r = { seed + any };
		_cleanup_free_ char *text = random_topology(seed, "random");
		_cleanup_free_ char *less = without_line(text, rng_below(&r, lines), any);
		_cleanup_model_ struct model *a = load(text, "old.ini");
		_cleanup_model_ struct model *b = less ? load(less, "new.ini") : NULL;
		_cleanup_reach_diff_ struct reach_diff d = { 0 };
		bool back = rng_below(&r, 2);
		struct err e = { 0 };

		if (!b)
			continue;
		assert_non_null(a);
		assert_int_equal(reach_diff_make(back ? b : a, back ? a : b, 0, &d, &e), 0);
		differ += flows_check(back ? b : a, back ? a : b, &d, &r);
		++*tried;
	}
	return differ;
}

static void against_single_walks(void **state)
{
	unsigned tried = 0, differ = edits_check(false, SEEDS, 30, &tried);

	(void)state;
	assert_true(tried > SEEDS / 2);
	assert_true(differ > 20);
}

/* Subnets that change their table or ACL, interfaces their groups, addresses and checks, tables their routes. */
static void against_single_walks_of_any_line(void **state)
{
	unsigned tried = 0, differ = edits_check(true, 4 * SEEDS, 90, &tried);

	(void)state;
	assert_true(tried > SEEDS);
	assert_true(differ > 20);
}

/* A rule about high ports of an ACL is about the replies of every port. */
static void reply_ports(void **state)
{
	static const char lab[] = "[vpc v]\ncidr = 10.0.0.0/16\n[subnet a]\nvpc = v\ncidr = 10.0.0.0/24\n"
				  "[subnet b]\nvpc = v\ncidr = 10.0.1.0/24\nnacl = n\n"
				  "[nacl n]\nvpc = v\ninbound = 100 allow tcp 22 from 0.0.0.0/0\n"
				  "outbound = 100 allow tcp 1024-65535 to 0.0.0.0/0\n"
				  "[security-group g]\nvpc = v\ninbound = tcp 22 from 0.0.0.0/0\n"
				  "[instance x]\nsubnet = a\nsecurity-groups = g\n"
				  "[instance y]\nsubnet = b\nsecurity-groups = g\n";
	_cleanup_free_ char *less = without_line(lab, 1, false);
	_cleanup_model_ struct model *a = load(lab, "old.ini"), *b = load(less, "new.ini");
	_cleanup_reach_diff_ struct reach_diff d = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(reach_diff_make(a, b, 0, &d, &e), 0);
	assert_int_equal(d.n, 1);
	assert_string_equal(d.v[0].srcs, "x");
	assert_string_equal(d.v[0].flows, "tcp/22");
	assert_int_equal(d.v[0].leg, LEG_RETURN);
}

/* What only reaches a further interface is reached all the same, from there and to there. */
static void further_interfaces(void **state)
{
	static const char lab[] = "[vpc v]\ncidr = 10.0.0.0/16\n[subnet a]\nvpc = v\ncidr = 10.0.0.0/24\n"
				  "[subnet b]\nvpc = v\ncidr = 10.0.1.0/24\n"
				  "[security-group front]\nvpc = v\n"
				  "[security-group admin]\nvpc = v\ninbound = tcp 22 from sg:front\n"
				  "[security-group inner]\nvpc = v\ninbound = tcp 80 from sg:admin\n"
				  "[instance x]\nsubnet = a\nsecurity-groups = front\n"
				  "[instance y]\nsubnet = b\nsecurity-groups = inner\n"
				  "[instance z]\nsubnet = a\nsecurity-groups = front\n"
				  "[interface y-admin]\ninstance = y\nsubnet = b\nsecurity-groups = admin\n"
				  "[interface z-admin]\ninstance = z\nsubnet = b\nsecurity-groups = admin\n"
				  "[interface spare]\nsubnet = b\nsecurity-groups = admin\n";
	static const char *const srcs[] = { "x, z", "z-admin" }, *const dsts[] = { "y-admin", "y" },
				 *const flows[] = { "tcp/22", "tcp/80" };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		_cleanup_free_ char *less = without_line(lab, i, false);
		_cleanup_model_ struct model *a = load(lab, "old.ini"), *b = load(less, "new.ini");
		_cleanup_reach_diff_ struct reach_diff d = { 0 };
		struct err e = { 0 };
		bool told = false;

		assert_int_equal(reach_diff_make(a, b, 0, &d, &e), 0);
		for (size_t k = 0; k < d.n; k++) {
			told = told || (has_name(d.v[k].srcs, i ? "z-admin" : "x") && has_name(d.v[k].dsts, dsts[i]) &&
					strcmp(d.v[k].flows, flows[i]) == 0);
			assert_false(has_name(d.v[k].srcs, "spare") || has_name(d.v[k].dsts, "spare"));
		}
		if (!told)
			fail_msg("%s -> %s %s is not told of: %zu lines", srcs[i], dsts[i], flows[i], d.n);
	}
}

/* No more work than asked for. */
static void work_is_bounded(void **state)
{
	_cleanup_free_ char *text = random_topology(3, "random");
	_cleanup_free_ char *less = without_line(text, 2, false);
	_cleanup_model_ struct model *a = load(text, "old.ini"), *b = load(less, "new.ini");
	_cleanup_reach_diff_ struct reach_diff d = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(reach_diff_make(a, b, 1, &d, &e), -E2BIG);
	assert_int_equal(d.n, 0);
}

static void nothing_differs(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		_cleanup_free_ char *text = random_topology(seed, "random");
		_cleanup_model_ struct model *a = load(text, "old.ini"), *b = load(text, "new.ini");
		_cleanup_reach_diff_ struct reach_diff d = { 0 };
		struct err e = { 0 };

		assert_int_equal(reach_diff_make(a, b, 0, &d, &e), 0);
		assert_int_equal(d.n, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_single_walks), cmocka_unit_test(against_single_walks_of_any_line),
		cmocka_unit_test(reply_ports),          cmocka_unit_test(further_interfaces),
		cmocka_unit_test(work_is_bounded),      cmocka_unit_test(nothing_differs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
