/* test_kern_crash.c: whatever a crash leaves at any moment, the next apply completes or takes down, and
 * down leaves nothing; with programs and maps too. */
#include "tests/bpf/kern_lab.h"

/* Each broken lab comes down as well as a whole one. */
static void broken_comes_down(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(breaks); i++) {
		struct lab l;

		lab_init(&l, false);
		go(&l, l.desired, SIZE_MAX);
		breaks[i].fn(&l);
		lab_done(&l);
	}
}

static void crash_is_mended(void **unused)
{
	struct lab l;
	size_t ops, down;

	(void)unused;
	lab_init(&l, false);
	ops = go(&l, l.desired, SIZE_MAX);
	down = go(&l, NULL, SIZE_MAX);
	for (size_t n = 1; n < ops; n++) {
		in_a_child(&l, l.desired, n);
		if (n % 2) /* the next one goes on, or takes it down */
			mend(&l, "a crash of up");
		if (n % 3 == 0)
			in_a_child(&l, NULL, n % down);
		if (n % 9 == 0)
			mend(&l, "a crash of down");
		go(&l, NULL, SIZE_MAX);
		expect_nothing(&l);
	}
	lab_done(&l);
}

/* Not between operations, but anywhere: within one, too. */
static void killed_anywhere(void **unused)
{
	struct lab l;
	unsigned finished = 0;

	(void)unused;
	lab_init(&l, false);
	for (long n = 0; n < 60; n++) {
		struct timespec t = { .tv_nsec = n * 500 * 1000 };
		const struct state *want = n % 3 ? l.desired : NULL;
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			open_lab(&l);
			go(&l, want, SIZE_MAX);
			_exit(0);
		}
		ppoll(NULL, 0, &t, NULL);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		finished += WIFEXITED(status);
		if (n % 4 == 0) {
			mend(&l, "a kill");
		} else if (n % 4 == 1) {
			go(&l, NULL, SIZE_MAX);
			expect_nothing(&l);
		}
	}
	print_message("# %u of 60 had ended before they were killed\n", finished);
	lab_done(&l);
}

/* The whole: programs and policy maps too. */
static void with_datapath(void **unused)
{
	struct lab l;
	struct state *actual;
	struct plan *p = NULL;

	(void)unused;
	if (!have_bpffs()) {
		print_message("# no BPF file system at %s\n", bpf_dir);
		skip();
	}
	lab_init(&l, true);
	go(&l, l.desired, SIZE_MAX);
	expect_same(&l, "the first apply");
	assert_non_null(kern_datapath(l.k));
	kern_close(&l.k);
	open_lab(&l);
	expect_same(&l, "opening anew");
	for (size_t i = 0; i < ARRAY_SIZE(breaks); i++) {
		breaks[i].fn(&l);
		actual = observe(&l, l.desired);
		assert_int_equal(plan_diff(l.desired, actual, &p), 0);
		assert_true(p->n > 0);
		plan_free(&p);
		state_free(&actual);
		mend(&l, breaks[i].what);
	}
	for (size_t n = 1; n < 400; n += 37) {
		in_a_child(&l, NULL, n % 8);
		kern_close(&l.k);
		open_lab(&l);
		in_a_child(&l, l.desired, n);
		kern_close(&l.k);
		open_lab(&l);
		mend(&l, "a crash");
	}
	lab_done(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broken_comes_down),
		cmocka_unit_test(crash_is_mended),
		cmocka_unit_test(killed_anywhere),
		cmocka_unit_test(with_datapath),
	};

	return run_kern_tests("kern_crash", tests, ARRAY_SIZE(tests));
}
