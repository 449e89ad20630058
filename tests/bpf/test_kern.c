/* test_kern.c: real namespaces, links, routes and rulesets: apply makes them, observe sees them, a
 * second diff is empty; what is broken by hand or by a crash is mended; what is not ours stays;
 * down leaves nothing. Only namespaces of labs named by this process are touched. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/if_link.h>
#include <linux/magic.h>
#include <linux/rtnetlink.h>
#include <arpa/inet.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include "tests/unit/test.h"
#include "conf/build.h"
#include "kern/datapath.h"
#include "kern/kern.h"
#include "kern/lab.h"
#include "kern/nft.h"
#include "kern/nl.h"
#include "kern/ns.h"
#include "kern/sysctl.h"
#include "plan/desired.h"
#include "plan/diff.h"
#include "util/mem.h"
#include "util/str.h"

/* Two subnets, a NAT gateway, an internet side: every kind of row. %s = name of the lab. */
static const char topology[] = "[lab %s]\n"
			       "[vpc shop]\ncidr = 10.0.0.0/16\n"
			       "[internet-gateway door]\nvpc = shop\n"
			       "[route-table out]\nvpc = shop\nroute = 0.0.0.0/0 via igw:door\n"
			       "[route-table in]\nvpc = shop\nroute = 0.0.0.0/0 via nat:way\n"
			       "[subnet front]\nvpc = shop\ncidr = 10.0.1.0/24\nroute-table = out\n"
			       "[subnet back]\nvpc = shop\ncidr = 10.0.2.0/24\nroute-table = in\n"
			       "[nat-gateway way]\nsubnet = front\npublic-ip = auto\n"
			       "[security-group any]\nvpc = shop\ninbound = all from 0.0.0.0/0\n"
			       "[instance web]\nsubnet = front\npublic-ip = auto\nsecurity-groups = any\n"
			       "[instance db]\nsubnet = back\nsecurity-groups = any\n"
			       "[host laptop]\naddress = 192.0.2.10\n";

static char base[64]; /* private folder: run, state */
static char bpf_dir[128];
static unsigned lab_number;

struct lab {
	char name[32], web[64], db[64], nat[64], router[64], internet[64], file[128];
	char run[80];
	struct kern_dirs dirs;
	struct kern *k;
	struct model *m;
	struct state *desired;
};

/* ---- doing things ---- */

static void keep_rows(struct state *s, bool datapath)
{
	size_t n = 0;

	if (datapath)
		return;
	for (size_t i = 0; i < s->n; i++)
		if (s->rows[i].kind != ROW_FILTER)
			s->rows[n++] = s->rows[i];
	s->n = n;
	s->maps.n = 0;
}

static struct state *desired_of(const char *text, bool datapath, struct model **ret_model)
{
	_cleanup_diag_list_ struct diag_list diags;
	struct state *s = NULL;
	struct err e = { 0 };

	diag_list_init(&diags);
	if (model_from_text(text, strlen(text), "test.ini", ret_model, &diags))
		fail_msg("line %u: %s", diags.v[0].line, diags.v[0].message);
	if (state_desired(*ret_model, &s, &e))
		fail_msg("%s", e.msg);
	state_sort(s);
	keep_rows(s, datapath);
	return s;
}

static void open_lab(struct lab *l)
{
	struct err e = { 0 };

	if (kern_open(l->name, &l->dirs, &l->k, &e))
		fail_msg("%s", e.msg);
}

static void lab_init(struct lab *l, bool datapath)
{
	_cleanup_free_ char *text = NULL;

	memset(l, 0, sizeof(*l));
	snprintf(l->name, sizeof(l->name), "kern-%d-%u", (int)getpid(), ++lab_number);
	snprintf(l->web, sizeof(l->web), "%s.web", l->name);
	snprintf(l->db, sizeof(l->db), "%s.db", l->name);
	snprintf(l->nat, sizeof(l->nat), "%s.way", l->name);
	snprintf(l->router, sizeof(l->router), "%s.shop.router", l->name);
	snprintf(l->internet, sizeof(l->internet), "%s.internet", l->name);
	snprintf(l->file, sizeof(l->file), NETNS_DIR "/%s", l->web);
	snprintf(l->run, sizeof(l->run), "%s/run", base);
	l->dirs = (struct kern_dirs){ l->run, base, bpf_dir };
	text = xasprintf(topology, l->name);
	l->desired = desired_of(text, datapath, &l->m);
	open_lab(l);
}

static struct state *observe(struct lab *l, const struct state *desired)
{
	struct state *s = NULL;
	struct err e = { 0 };

	if (kern_observe(l->k, desired, &s, &e))
		fail_msg("%s", e.msg);
	return s;
}

static int apply_ops(struct lab *l, const struct plan *p, size_t most, struct err *e)
{
	struct apply *a = apply_new(l->k, p);
	size_t done = 0, total;
	int r = 1;

	while (r > 0 && done < most) {
		r = apply_step(a, 0, e);
		apply_progress(a, &done, &total);
	}
	while (r > 0 && most == SIZE_MAX)
		r = apply_step(a, 5000, e);
	apply_free(&a);
	return r;
}

/* Observe, diff, apply at most so many operations; the number the plan had. */
static size_t go(struct lab *l, const struct state *desired, size_t most)
{
	struct state *actual = observe(l, desired);
	struct plan *p = NULL;
	struct err e = { 0 };
	size_t n;

	assert_int_equal(plan_diff(desired, actual, &p), 0);
	n = p->n;
	if (apply_ops(l, p, most, &e) < 0)
		fail_msg("%s", e.msg);
	plan_free(&p);
	state_free(&actual);
	return n;
}

static void expect_same(struct lab *l, const char *after)
{
	struct state *actual = observe(l, l->desired);
	struct plan *p = NULL;
	char text[512];

	assert_int_equal(plan_diff(l->desired, actual, &p), 0);
	for (size_t i = 0; i < p->n; i++)
		print_error("after %s: %s\n", after, op_format(&p->ops[i], p, text, sizeof(text)));
	assert_int_equal(p->n, 0);
	plan_free(&p);
	state_free(&actual);
}

/* In one round. */
static void mend(struct lab *l, const char *what)
{
	go(l, l->desired, SIZE_MAX);
	expect_same(l, what);
}

static unsigned count_files(const char *dir, const char *prefix)
{
	unsigned n = 0;
	struct dirent *de;
	DIR *d = opendir(dir);

	while (d && (de = readdir(d)))
		n += de->d_name[0] != '.' && !strncmp(de->d_name, prefix, strlen(prefix));
	if (d)
		closedir(d);
	return n;
}

static unsigned count_mounts(const char *word)
{
	char line[4096];
	unsigned n = 0;
	FILE *f = fopen("/proc/self/mountinfo", "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, word) != NULL;
	fclose(f);
	return n;
}

static void expect_nothing(struct lab *l)
{
	_cleanup_free_ char *user = xasprintf("%s/ns/%s.user", l->run, l->name), *prefix = xasprintf("%s.", l->name);
	_cleanup_free_ char *pins = xasprintf("%s/%s", bpf_dir, l->name);
	struct state *s = observe(l, NULL);
	struct err e = { 0 };
	char **labs = NULL;

	assert_int_equal(s->n, 0);
	state_free(&s);
	assert_int_equal(count_files(NETNS_DIR, prefix), 0);
	assert_int_equal(count_mounts(prefix), 0);
	assert_int_equal(access(user, F_OK), -1);
	assert_int_equal(access(pins, F_OK), -1);
	assert_int_equal(kern_labs(&l->dirs, &labs, &e), 0);
	for (size_t i = 0; labs[i]; i++) {
		assert_string_not_equal(labs[i], l->name);
		free(labs[i]);
	}
	free(labs);
}

static void lab_done(struct lab *l)
{
	go(l, NULL, SIZE_MAX);
	expect_nothing(l);
	kern_close(&l->k);
	state_free(&l->desired);
	model_free(&l->m);
}

/* ---- looking into a namespace ---- */

static struct nl_ns *inside(const char *ns)
{
	_cleanup_close_ int self = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd = netns_open(ns);
	struct nl_ns *nl = NULL;
	struct err e = { 0 };

	assert_true(fd >= 0);
	assert_int_equal(netns_enter(fd), 0);
	if (nl_ns_open(&nl, &e))
		fail_msg("%s", e.msg);
	netns_leave(self);
	return nl;
}

static uint64_t ns_number(const char *ns)
{
	_cleanup_close_ int fd = netns_open(ns);

	return ns_inode(fd);
}

static const struct row *row_of(const struct lab *l, enum row_kind kind, const char *ns, size_t skip)
{
	for (size_t i = 0; i < l->desired->n; i++)
		if (l->desired->rows[i].kind == kind && !strcmp(l->desired->rows[i].ns, ns) && !skip--)
			return &l->desired->rows[i];
	fail_msg("no row of kind %d in %s", kind, ns);
	return NULL;
}

/* The link whose peer is in a namespace. */
static const struct link_row *link_to(const struct lab *l, const char *peer_ns)
{
	for (size_t i = 0; i < l->desired->n; i++)
		if (l->desired->rows[i].kind == ROW_LINK && !strcmp(l->desired->rows[i].link.peer_ns, peer_ns))
			return &l->desired->rows[i].link;
	fail_msg("no link to %s", peer_ns);
	return NULL;
}

/* ---- what can be broken ---- */

static void change(const char *ns, const char *ifname, const struct nl_link_change *c)
{
	struct nl_ns *nl = inside(ns);
	struct err e = { 0 };
	int ifindex = nl_link_index(nl, ifname, &e);

	assert_true(ifindex > 0);
	if (nl_link_set(nl, ifindex, c, &e))
		fail_msg("%s", e.msg);
	nl_ns_close(&nl);
}

static void delete_link(const char *ns, const char *ifname)
{
	struct nl_ns *nl = inside(ns);
	struct err e = { 0 };

	assert_int_equal(nl_link_del(nl, nl_link_index(nl, ifname, &e), &e), 0);
	nl_ns_close(&nl);
}

static void break_route(struct lab *l)
{
	struct nl_ns *nl = inside(l->web);
	struct err e = { 0 };

	assert_int_equal(nl_route_del(nl, &row_of(l, ROW_ROUTE, l->web, 0)->route, &e), 0);
	nl_ns_close(&nl);
}

static void break_router_routes(struct lab *l)
{
	struct nl_ns *nl = inside(l->router);
	struct err e = { 0 };

	for (size_t i = 0; i < 3; i++)
		assert_int_equal(nl_route_del(nl, &row_of(l, ROW_ROUTE, l->router, i)->route, &e), 0);
	assert_int_equal(nl_rule_del(nl, &row_of(l, ROW_RULE, l->router, 0)->rule, &e), 0);
	assert_int_equal(nl_neigh_del(nl, &row_of(l, ROW_NEIGH, l->router, 0)->neigh, &e), 0);
	assert_int_equal(nl_addr_del(nl, &row_of(l, ROW_ADDR, l->router, 0)->addr, &e), 0);
	nl_ns_close(&nl);
}

static void break_extra(struct lab *l) /* things with our tag that nobody wants */
{
	struct nl_ns *nl = inside(l->router);
	struct rule_row rule = { .pref = 77, .mark = 5, .mask = 0xff, .table = 4242 };
	struct route_row route = { .table = 4242, .type = ROUTE_TYPE_BLACKHOLE };
	struct err e = { 0 };

	prefix_parse("10.9.9.0/24", &route.dst, NULL);
	assert_int_equal(nl_rule_add(nl, &rule, &e), 0);
	assert_int_equal(nl_route_set(nl, &route, &e), 0);
	nl_ns_close(&nl);
}

static void break_address(struct lab *l)
{
	struct nl_ns *nl = inside(l->db);
	struct err e = { 0 };

	assert_int_equal(nl_addr_del(nl, &row_of(l, ROW_ADDR, l->db, 0)->addr, &e), 0);
	nl_ns_close(&nl);
}

static void break_down_outside(struct lab *l)
{
	change(l->router, link_to(l, l->web)->ifname, &(struct nl_link_change){ .down = true });
}

static void break_down_inside(struct lab *l)
{
	change(l->web, "eth0", &(struct nl_link_change){ .down = true });
}

static void break_mac_mtu(struct lab *l)
{
	static const uint8_t mac[6] = { 2, 1, 1, 1, 1, 1 };

	change(l->web, "eth0", &(struct nl_link_change){ .mac = mac });
	change(l->router, link_to(l, l->db)->ifname, &(struct nl_link_change){ .mtu = 1280 });
}

static void break_alias(struct lab *l)
{
	change(l->router, link_to(l, l->db)->ifname, &(struct nl_link_change){ .alias = "mine" });
}

static void break_name(struct lab *l)
{
	change(l->db, "eth0", &(struct nl_link_change){ .down = true });
	change(l->db, "eth0", &(struct nl_link_change){ .ifname = "wan" });
}

static void break_link(struct lab *l)
{
	delete_link(l->web, "eth0");
}

static void break_link_outside(struct lab *l)
{
	delete_link(l->router, link_to(l, l->nat)->ifname);
}

static void break_peer_moved(struct lab *l) /* the instance's root hides its interface */
{
	_cleanup_close_ int self = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd = netns_open(l->web);
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct err e = { 0 };
		struct nl_ns *nl = NULL;
		struct ifinfomsg ifi = { 0 };
		struct nl_msg *msg;
		int r, other;

		/* A namespace that dies with this process would take the link along: that is the test above. */
		r = netns_enter(fd) || nl_ns_open(&nl, &e);
		other = netns_open(l->db);
		ifi.ifi_index = nl_link_index(nl, "eth0", &e);
		msg = nl_ns_msg(RTM_NEWLINK, 0, &ifi, sizeof(ifi));
		nla_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)other);
		nla_put_string(msg, IFLA_IFNAME, "stolen");
		_exit(r || nl_ns_talk(nl, msg, &e));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void break_lo(struct lab *l)
{
	change(l->web, "lo", &(struct nl_link_change){ .down = true });
	change(l->db, "lo", &(struct nl_link_change){ .alias = "not yours" });
}

static int write_forward(void *ctx)
{
	(void)ctx;
	return sysctl_write(NULL, "net/ipv4/ip_forward", "0");
}

static void break_sysctl(struct lab *l)
{
	_cleanup_close_ int fd = netns_open(l->router);

	assert_int_equal(netns_call(fd, write_forward, NULL), 0);
}

static int drop_table(void *ctx)
{
	return nft_delete(ctx);
}

static void break_nft(struct lab *l)
{
	_cleanup_close_ int fd = netns_open(l->nat);
	struct err e = { 0 };

	assert_int_equal(netns_call(fd, drop_table, &e), 0);
}

static int change_timer(void *ctx)
{
	(void)ctx;
	return sysctl_write(NULL, "net/netfilter/nf_conntrack_tcp_timeout_established", "432000");
}

static void break_timer(struct lab *l)
{
	_cleanup_close_ int fd = netns_open(l->nat);

	assert_int_equal(netns_call(fd, change_timer, NULL), 0);
}

static void break_mount(struct lab *l)
{
	assert_int_equal(umount2(l->file, MNT_DETACH), 0);
}

static void break_file(struct lab *l)
{
	break_mount(l);
	assert_int_equal(unlink(l->file), 0);
}

static void break_router_mount(struct lab *l)
{
	_cleanup_free_ char *path = xasprintf(NETNS_DIR "/%s", l->router);

	assert_int_equal(umount2(path, MNT_DETACH), 0);
	assert_int_equal(unlink(path), 0);
}

static const struct {
	const char *what;
	void (*fn)(struct lab *l);
	bool lost; /* web's namespace cannot be kept */
} breaks[] = {
	{ "a route inside", break_route },
	{ "routes, a rule, a neighbour and an address of the router", break_router_routes },
	{ "a rule and a route too many", break_extra },
	{ "an address", break_address },
	{ "a link down outside", break_down_outside },
	{ "a link down inside", break_down_inside },
	{ "MAC and MTU", break_mac_mtu },
	{ "an alias", break_alias },
	{ "an interface renamed inside", break_name },
	{ "a link deleted inside", break_link },
	{ "a link deleted outside", break_link_outside },
	{ "an interface moved away", break_peer_moved },
	{ "lo down, lo unmarked", break_lo },
	{ "a sysctl", break_sysctl },
	{ "the NAT gateway's table", break_nft },
	{ "the NAT gateway's timers", break_timer },
	{ "a mount", break_mount, true },
	{ "a mount and its file", break_file, true },
	{ "the router's namespace", break_router_mount },
};

/* ---- tests ---- */

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

static void in_a_child(struct lab *l, const struct state *desired, size_t ops)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) { /* a daemon of its own, that dies in the middle */
		open_lab(l);
		go(l, desired, ops);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
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

/* A file that a crash left between its making and its mount. */
static void half_made(void **unused)
{
	struct lab l;
	_cleanup_free_ char *text = NULL;
	int fd;

	(void)unused;
	lab_init(&l, false);
	text = xasprintf("vpcd %s\n", l.name);
	netns_dir_prepare(&(struct err){ 0 });
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
	netns_dir_prepare(&e);
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

static bool have_bpffs(void)
{
	struct statfs fs;
	char parent[128];

	snprintf(parent, sizeof(parent), "%s", bpf_dir);
	if (statfs(bpf_dir, &fs))
		*strrchr(parent, '/') = '\0';
	return statfs(parent, &fs) == 0 && fs.f_type == BPF_FS_MAGIC;
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
	unsigned before;

	(void)unused;
	lab_init(&l, false);
	go(&l, l.desired, SIZE_MAX);
	before = count_files("/proc/self/fd", "");
	for (int i = 0; i < 5; i++) {
		break_link(&l);
		mend(&l, "a link");
	}
	assert_int_equal(count_files("/proc/self/fd", ""), before);
	lab_done(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(twice_is_once),
		cmocka_unit_test(instances_are_unprivileged),
		cmocka_unit_test(broken_is_mended),
		cmocka_unit_test(broken_comes_down),
		cmocka_unit_test(crash_is_mended),
		cmocka_unit_test(half_made),
		cmocka_unit_test(foreign_is_left_alone),
		cmocka_unit_test(errors_say_what),
		cmocka_unit_test(part_goes),
		cmocka_unit_test(many),
		cmocka_unit_test(nothing_leaks),
		cmocka_unit_test(with_datapath),
	};
	const char *bpf = getenv("VPCD_BPF_DIR");
	int r;

	if (geteuid() != 0) {
		printf("1..0 # SKIP needs root\n");
		return 77;
	}
	snprintf(base, sizeof(base), "/tmp/test-kern.XXXXXX");
	if (!mkdtemp(base))
		return 1;
	if (bpf)
		snprintf(bpf_dir, sizeof(bpf_dir), "%s", bpf);
	else
		snprintf(bpf_dir, sizeof(bpf_dir), "/sys/fs/bpf/test-kern-%d", (int)getpid());
	r = cmocka_run_group_tests_name("kern", tests, NULL, NULL);
	if (!bpf)
		rmdir(bpf_dir);
	{
		_cleanup_free_ char *run = xasprintf("%s/run", base);

		rmdir(run);
		rmdir(base);
	}
	return r;
}
