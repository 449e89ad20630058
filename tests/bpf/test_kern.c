/* test_kern.c: real namespaces, links, routes and rulesets: apply makes them, observe sees them, a
 * second diff is empty; what is broken by hand is mended in one round; what is not ours stays; errors
 * carry the kernel's words. */
#include "tests/bpf/kern_lab.h"

static void twice_is_once(void **unused)
{
	struct lab l;
	char **labs = NULL;
	struct err e = { 0 };
	bool listed = false;

	(void)unused;
	lab_init(&l, false);
	assert_true(go(&l, l.desired, SIZE_MAX) > 20);
	expect_same(&l, "the first apply");
	assert_int_equal(go(&l, l.desired, SIZE_MAX), 0);
	assert_int_equal(kern_labs(&l.dirs, &labs, &e), 0);
	for (size_t i = 0; labs[i]; i++) {
		listed |= !strcmp(labs[i], l.name);
		free(labs[i]);
	}
	free(labs);
	assert_true(listed);
	/* Another process sees the same. */
	kern_close(&l.k);
	open_lab(&l);
	expect_same(&l, "opening anew");
	lab_done(&l);
}

static void instances_are_unprivileged(void **unused)
{
	struct lab l;
	int user, owner, fd;

	(void)unused;
	lab_init(&l, false);
	go(&l, l.desired, SIZE_MAX);
	user = userns_open(l.name, &l.dirs);
	assert_true(user >= 0);
	fd = netns_open(l.web);
	owner = netns_owner(fd);
	assert_true(ns_inode(user) && ns_inode(owner) == ns_inode(user));
	close(owner);
	close(fd);
	fd = netns_open(l.router);
	owner = netns_owner(fd);
	assert_true(ns_inode(owner) != ns_inode(user));
	close(owner);
	close(fd);
	close(user);
	lab_done(&l);
}

static void broken_is_mended(void **unused)
{
	struct lab l;

	(void)unused;
	lab_init(&l, false);
	go(&l, l.desired, SIZE_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(breaks); i++) {
		uint64_t web = ns_number(l.web);
		struct state *actual;
		struct plan *p = NULL;

		assert_true(web);
		breaks[i].fn(&l);
		actual = observe(&l, l.desired);
		assert_int_equal(plan_diff(l.desired, actual, &p), 0);
		if (!p->n)
			fail_msg("%s: not seen", breaks[i].what);
		plan_free(&p);
		state_free(&actual);
		mend(&l, breaks[i].what);
		if (!breaks[i].lost && ns_number(l.web) != web)
			fail_msg("%s: the namespace was made anew", breaks[i].what);
	}
	lab_done(&l);
}

/* A file that a crash left between its making and its mount. */
static void half_made(void **unused)
{
	struct lab l;
	_cleanup_free_ char *text = NULL;
	int fd;

	(void)unused;
	lab_init(&l, false);
	text = xasprintf("vpcd %s\n", l.name);
	netns_dir_prepare(&l.dirs, &(struct err){ 0 });
	for (int round = 0; round < 2; round++) {
		fd = open(l.file, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, text, strlen(text)), strlen(text));
		close(fd);
		if (round)
			mend(&l, "half a namespace");
		go(&l, NULL, SIZE_MAX);
		expect_nothing(&l);
	}
	lab_done(&l);
}

static void foreign_is_left_alone(void **unused)
{
	struct lab l;
	struct nl_ns *nl;
	struct err e = { 0 };
	struct state *actual;
	struct plan *p = NULL;
	struct route_row route = { .table = ROUTE_TABLE_MAIN, .metric = 5, .type = ROUTE_TYPE_BLACKHOLE };
	struct rtmsg rtm = { .rtm_family = AF_INET,
			     .rtm_table = RT_TABLE_MAIN,
			     .rtm_protocol = RTPROT_STATIC,
			     .rtm_type = RTN_BLACKHOLE,
			     .rtm_dst_len = 24 };
	struct nl_msg *msg;
	struct stat st;
	uint32_t net;
	int fd;

	(void)unused;
	lab_init(&l, false);
	netns_dir_prepare(&l.dirs, &e);
	/* A file of somebody else under our name: as `ip netns add` leaves it when it dies. */
	fd = open(l.file, O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0);
	assert_true(fd >= 0);
	close(fd);
	actual = observe(&l, l.desired);
	assert_int_equal(plan_diff(l.desired, actual, &p), 0);
	assert_true(apply_ops(&l, p, SIZE_MAX, &e) == -EEXIST);
	assert_non_null(strstr(e.msg, l.web));
	plan_free(&p);
	state_free(&actual);
	go(&l, NULL, SIZE_MAX);
	assert_int_equal(stat(l.file, &st), 0);
	/* A namespace of somebody else. */
	fd = netns_new(l.k->self_ns, &e);
	assert_true(fd >= 0);
	{
		char source[64];

		snprintf(source, sizeof(source), "/proc/self/fd/%d", fd);
		assert_int_equal(mount(source, l.file, "none", MS_BIND, NULL), 0);
	}
	actual = observe(&l, l.desired);
	assert_int_equal(plan_diff(l.desired, actual, &p), 0);
	assert_true(apply_ops(&l, p, SIZE_MAX, &e) == -EEXIST);
	assert_non_null(strstr(e.msg, l.web));
	plan_free(&p);
	state_free(&actual);
	go(&l, NULL, SIZE_MAX);
	assert_int_equal(ns_number(l.web), ns_inode(fd));
	close(fd);
	assert_int_equal(umount2(l.file, MNT_DETACH), 0);
	assert_int_equal(unlink(l.file), 0);
	/* Routes and addresses of the instance's own root. */
	go(&l, l.desired, SIZE_MAX);
	nl = inside(l.web);
	net = htonl(0x0a090900);
	msg = nl_ns_msg(RTM_NEWROUTE, NLM_F_CREATE, &rtm, sizeof(rtm));
	nla_put(msg, RTA_DST, 4, &net);
	nla_put_u32(msg, RTA_PRIORITY, 5);
	assert_int_equal(nl_ns_talk(nl, msg, &e), 0);
	expect_same(&l, "a route that is not ours");
	prefix_parse("10.9.9.0/24", &route.dst, NULL);
	assert_int_equal(nl_route_del(nl, &route, &e), -ESRCH); /* it does not carry our protocol */
	nl_ns_close(&nl);
	lab_done(&l);
}

static void errors_say_what(void **unused)
{
	struct lab l;
	struct row *bad = NULL;
	struct state *actual;
	struct plan *p = NULL;
	struct err e = { 0 };

	(void)unused;
	lab_init(&l, false);
	for (size_t i = 0; !bad; i++) {
		bad = (struct row *)(uintptr_t)row_of(&l, ROW_ROUTE, l.router, i);
		if (bad->route.dst.len == 0 || bad->route.dst.len == 32)
			bad = NULL;
	}
	bad->route.dst.addr.a.b[15] = 1; /* a host bit, which the kernel refuses */
	actual = observe(&l, l.desired);
	assert_int_equal(plan_diff(l.desired, actual, &p), 0);
	assert_true(apply_ops(&l, p, SIZE_MAX, &e) < 0);
	print_message("# %s\n", e.msg);
	assert_non_null(strstr(e.msg, l.router));
	assert_non_null(strstr(e.msg, strerror(EINVAL)));
	assert_non_null(strstr(e.msg, "Invalid prefix")); /* the kernel's own words */
	plan_free(&p);
	state_free(&actual);
	lab_done(&l);
}

/* One instance goes while a process lives in it, and the others stay. */
static void part_goes(void **unused)
{
	static const char db[] = "[instance db]\nsubnet = back\nsecurity-groups = any\n";
	_cleanup_free_ char *text = NULL;
	char *at;
	struct lab l;
	struct state *less;
	struct model *m = NULL;
	struct nl_ns *nl;
	uint32_t ifindex;
	uint64_t web;
	int hold[2];
	pid_t pid;
	char c;

	(void)unused;
	lab_init(&l, false);
	go(&l, l.desired, SIZE_MAX);
	text = xasprintf(topology, l.name);
	at = strstr(text, db);
	memmove(at, at + strlen(db), strlen(at + strlen(db)) + 1);
	less = desired_of(text, false, &m);
	assert_int_equal(pipe(hold), 0);
	pid = fork();
	if (pid == 0) {
		int fd = netns_open(l.db);

		close(hold[0]);
		c = (char)netns_enter(fd);
		if (write(hold[1], &c, 1) == 1)
			pause();
		_exit(0);
	}
	close(hold[1]);
	assert_int_equal(read(hold[0], &c, 1), 1);
	assert_int_equal(c, 0);
	web = ns_number(l.web);
	ifindex = link_to(&l, l.db)->ifindex;
	go(&l, less, SIZE_MAX);
	assert_int_equal(access(l.file, F_OK), 0);
	assert_int_equal(ns_number(l.web), web);
	assert_int_equal(ns_number(l.db), 0);
	nl = inside(l.router);
	assert_false(nl_link_exists(nl, (int)ifindex));
	nl_ns_close(&nl);
	assert_int_equal(go(&l, less, SIZE_MAX), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(hold[0]);
	mend(&l, "the instance's return");
	state_free(&less);
	model_free(&m);
	lab_done(&l);
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Shape more than speed: many at once; the figures are for whoever reads them. */
static void many(void **unused)
{
	enum { MANY = 300 };
	_cleanup_strbuf_ struct strbuf text;
	struct lab l;
	double t[4];

	(void)unused;
	lab_init(&l, false);
	state_free(&l.desired);
	model_free(&l.m);
	strbuf_init(&text);
	strbuf_addf(&text, topology, l.name);
	for (int i = 0; i < MANY; i++)
		strbuf_addf(&text, "[instance i%d]\nsubnet = %s\nsecurity-groups = any\n", i, i % 2 ? "front" : "back");
	l.desired = desired_of(text.s, false, &l.m);
	t[0] = now_s();
	go(&l, l.desired, SIZE_MAX);
	t[1] = now_s();
	expect_same(&l, "many");
	t[2] = now_s();
	go(&l, NULL, SIZE_MAX);
	t[3] = now_s();
	print_message("# %d instances: up %.0f ms, observe and diff %.0f ms, down %.0f ms\n", MANY, (t[1] - t[0]) * 1e3,
		      (t[2] - t[1]) * 1e3, (t[3] - t[2]) * 1e3);
	lab_done(&l);
}

/* Netlink sockets and namespaces' descriptors do not pile up. */
static void nothing_leaks(void **unused)
{
	struct lab l;
	unsigned first, before;

	(void)unused;
	lab_init(&l, false);
	first = count_files("/proc/self/fd", "");
	go(&l, l.desired, SIZE_MAX);
	break_link(&l);
	mend(&l, "a link");
	before = count_files("/proc/self/fd", ""); /* with an ear on each namespace */
	for (int i = 0; i < 5; i++) {
		break_link(&l);
		mend(&l, "a link");
	}
	assert_int_equal(count_files("/proc/self/fd", ""), before);
	go(&l, NULL, SIZE_MAX);
	assert_in_range(count_files("/proc/self/fd", ""), 1, first);
	lab_done(&l);
}

/* What was written to the maps is looked at before it counts as done. */
static void writes_are_looked_at(void **unused)
{
	struct lab l;
	struct plan *p = NULL;
	struct apply *a;
	struct err e = { 0 };
	struct map_rows wrong;
	size_t done = 0, total = 1;
	struct abi_addr_key key = { .vpc = 1, .addr = { { 10 } } };
	struct abi_addr_val value = { .port = 1 }, other = { .port = 2 };

	(void)unused;
	lab_init(&l, false);
	map_rows_add(&l.desired->maps, ABI_MAP_ADDRS, &key, &value);
	map_rows_sort(&l.desired->maps);
	map_rows_init(&wrong);
	map_rows_add(&wrong, ABI_MAP_ADDRS, &key, &other);
	assert_int_equal(plan_diff(l.desired, NULL, &p), 0);
	a = apply_new(l.k, p);
	while (done < total) {
		assert_int_equal(apply_step(a, 0, &e), 1);
		apply_progress(a, &done, &total);
	}
	assert_int_equal(datapath_row_set(kern_datapath(l.k), &wrong, &wrong.v[0], &e), 0);
	map_rows_done(&wrong);
	while ((apply_step(a, 0, &e)) > 0)
		;
	assert_int_equal(e.code, -ESTALE);
	assert_non_null(strstr(e.msg, "somebody else writes to it"));
	apply_free(&a);
	plan_free(&p);
	mend(&l, "a row that somebody overwrote");
	lab_done(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(twice_is_once),
		cmocka_unit_test(instances_are_unprivileged),
		cmocka_unit_test(broken_is_mended),
		cmocka_unit_test(half_made),
		cmocka_unit_test(foreign_is_left_alone),
		cmocka_unit_test(errors_say_what),
		cmocka_unit_test(part_goes),
		cmocka_unit_test(writes_are_looked_at),
		cmocka_unit_test(many),
		cmocka_unit_test(nothing_leaks),
	};

	return run_kern_tests("kern", tests, ARRAY_SIZE(tests));
}
