/* test_diff.c: random worlds through the BPF object, the host build and the oracle; and the table of what they once
 * disagreed about. A disagreement is made small and printed as a row of that table (diff_cases.h).
 *
 *   FUZZ_N, FUZZ_SEED   how many packets, and the first world's seed (make fuzz-diff) */
#include "tests/bpf/engines.h"
#include "tests/bpf/diff_cases.h"
#include "tests/support/scenario_draw.h"

enum { PACKETS_A_WORLD = 400, TEST_N = 20000 };

static struct engines e;

static void test_table(void **state)
{
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(diff_cases); i++) {
		const struct diff_case *c = &diff_cases[i];
		struct scenario s;
		int at;

		scenario_parse(c->topology, c->steps, c->six, &s);
		at = engines_run(&e, &s);
		if (at == -2)
			fail_msg("%s: no valid topology", c->name);
		if (at >= 0)
			printf("# %s: step %d: %s\n", c->name, at, e.why);
		bad += at >= 0;
		scenario_done(&s);
	}
	assert_int_equal(bad, 0);
}

/* A topology drawn at random is not always valid: its faulty lines go. */
static void world_draw(uint64_t seed, struct scenario *s)
{
	_cleanup_free_ char *text = draw_topology(seed, &s->six);

	scenario_lines_set(s, text);
	for (int tries = 0; tries < 20; tries++) {
		_cleanup_free_ char *shown = scenario_topology(s->lines, s->n_lines), *now = six_hide(shown);
		_cleanup_model_ struct model *m = NULL;
		_cleanup_diag_list_ struct diag_list diags;

		diag_list_init(&diags);
		if (!model_from_text(now, strlen(now), "t.ini", &m, &diags))
			return;
		for (size_t i = 0; i < diags.n; i++)
			if (diags.v[i].severity == SEV_ERROR && diags.v[i].line)
				*s->lines[diags.v[i].line - 1] = 0;
		if (getenv("FUZZ_VERBOSE"))
			for (size_t i = 0; i < diags.n; i++)
				printf("# %u: %s\n", diags.v[i].line, diags.v[i].message);
	}
	fail_msg("world %llu never becomes valid", (unsigned long long)seed);
}

static void report(struct scenario *s, uint64_t seed)
{
	struct strbuf b;

	fprintf(stderr, "world %llu, step %u: %s\n", (unsigned long long)seed, s->n_steps - 1, e.why);
	engines_shrink(&e, s);
	strbuf_init(&b);
	scenario_print(s, &b);
	fprintf(stderr, "%s\n%s", e.why, b.s);
	strbuf_done(&b);
}

/* False: they disagree. */
static bool world_run(uint64_t seed, unsigned packets)
{
	struct scenario s = { 0 };
	struct draw d;
	const unsigned long until = e.packets + packets;
	uint32_t rule;
	bool ok = true;

	world_draw(seed, &s);
	assert_true(engines_start(&e, &s));
	draw_start(&d, seed);
	while (ok && e.packets < until) {
		struct step *p = scenario_step_add(&s);
		const unsigned long before = e.packets;

		draw_step(&d, e.l.m, s.six, e.lines, e.n_lines, p);
		ok = engines_step(&e, p);
		if (e.packets > before)
			draw_heard(&d, e.l.m, p, &e.answer);
	}
	if (!ok) {
		report(&s, seed);
	} else if (!hits_agree(&e, &rule)) {
		fprintf(stderr, "world %llu: rule %u counts %llu packets, the oracle %llu\n", (unsigned long long)seed,
			rule, (unsigned long long)(rule_hits(&e, rule) - e.hits_before[rule]),
			(unsigned long long)e.hits[rule]);
		ok = false;
	}
	scenario_done(&s);
	return ok;
}

static void test_random(void **state)
{
	const char *n_env = getenv("FUZZ_N"), *seed_env = getenv("FUZZ_SEED");
	const unsigned long total = n_env ? strtoul(n_env, NULL, 0) : TEST_N;
	uint64_t seed = seed_env ? strtoull(seed_env, NULL, 0) : 1;
	unsigned worlds = 0, bad = 0;

	(void)state;
	e.packets = 0;
	for (; e.packets < total && bad < 5; seed++, worlds++)
		bad += !world_run(seed, PACKETS_A_WORLD);
	printf("# %lu packets in %u worlds, the last of seed %llu: %lu allowed, %lu by the cache, %lu tracked, %lu related\n",
	       e.packets, worlds, (unsigned long long)seed - 1, e.allowed, e.cached, e.tracked, e.related);
	for (unsigned i = 1; i < ABI_GATE_MAX; i++)
		if (e.denied_at[i])
			printf("#   %lu denied at %s\n", e.denied_at[i], gate_name(i));
	if (bad)
		fail_msg("%u worlds disagree", bad);
	assert_true(e.allowed > total / 10 && e.cached > total / 50 && e.tracked > total / 50 && e.related > 0);
}

static int up(void **state)
{
	(void)state;
	engines_up(&e);
	return 0;
}

static int down(void **state)
{
	(void)state;
	engines_down(&e);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(test_table, up, down),
					    cmocka_unit_test_setup_teardown(test_random, up, down) };

	return pass_tests_run("test-diff", tests, ARRAY_SIZE(tests));
}
