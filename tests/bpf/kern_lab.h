/* kern_lab.h: a lab for the tests of the kernel room: made, observed, broken by other hands than ours,
 * searched for leftovers. Private folders; only namespaces of labs named by this process. */
#pragma once
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
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

static inline void keep_rows(struct state *s, bool datapath)
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

static inline struct state *desired_of(const char *text, bool datapath, struct model **ret_model)
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

static inline void open_lab(struct lab *l)
{
	struct err e = { 0 };

	if (kern_open(l->name, &l->dirs, &l->k, &e))
		fail_msg("%s", e.msg);
}

static inline void lab_init(struct lab *l, bool datapath)
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

static inline struct state *observe(struct lab *l, const struct state *desired)
{
	struct state *s = NULL;
	struct err e = { 0 };

	if (kern_observe(l->k, desired, &s, &e))
		fail_msg("%s", e.msg);
	return s;
}

static inline int apply_ops(struct lab *l, const struct plan *p, size_t most, struct err *e)
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
static inline size_t go(struct lab *l, const struct state *desired, size_t most)
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

static inline void expect_same(struct lab *l, const char *after)
{
	struct state *actual = observe(l, l->desired);
	struct plan *p = NULL;
	char text[512];

	assert_int_equal(plan_diff(l->desired, actual, &p), 0);
	for (size_t i = 0; i < p->n; i++)
		print_error("after %s: %s\n", after, op_format(&p->ops[i], text, sizeof(text)));
	assert_int_equal(p->n, 0);
	plan_free(&p);
	state_free(&actual);
}

/* In one round. */
static inline void mend(struct lab *l, const char *what)
{
	go(l, l->desired, SIZE_MAX);
	expect_same(l, what);
}

static inline unsigned count_files(const char *dir, const char *prefix)
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

static inline unsigned count_mounts(const char *word)
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

static inline void expect_nothing(struct lab *l)
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

static inline void lab_done(struct lab *l)
{
	go(l, NULL, SIZE_MAX);
	expect_nothing(l);
	kern_close(&l->k);
	state_free(&l->desired);
	model_free(&l->m);
}

/* ---- looking into a namespace ---- */

static inline struct nl_ns *inside(const char *ns)
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

static inline uint64_t ns_number(const char *ns)
{
	_cleanup_close_ int fd = netns_open(ns);

	return ns_inode(fd);
}

static inline const struct row *row_of(const struct lab *l, enum row_kind kind, const char *ns, size_t skip)
{
	for (size_t i = 0; i < l->desired->n; i++)
		if (l->desired->rows[i].kind == kind && !strcmp(l->desired->rows[i].ns, ns) && !skip--)
			return &l->desired->rows[i];
	fail_msg("no row of kind %d in %s", kind, ns);
	return NULL;
}

/* The link whose peer is in a namespace. */
static inline const struct link_row *link_to(const struct lab *l, const char *peer_ns)
{
	for (size_t i = 0; i < l->desired->n; i++)
		if (l->desired->rows[i].kind == ROW_LINK && !strcmp(l->desired->rows[i].link.peer_ns, peer_ns))
			return &l->desired->rows[i].link;
	fail_msg("no link to %s", peer_ns);
	return NULL;
}

/* ---- what can be broken ---- */

static inline void change(const char *ns, const char *ifname, const struct nl_link_change *c)
{
	struct nl_ns *nl = inside(ns);
	struct err e = { 0 };
	int ifindex = nl_link_index(nl, ifname, &e);

	assert_true(ifindex > 0);
	if (nl_link_set(nl, ifindex, c, &e))
		fail_msg("%s", e.msg);
	nl_ns_close(&nl);
}

static inline void delete_link(const char *ns, const char *ifname)
{
	struct nl_ns *nl = inside(ns);
	struct err e = { 0 };

	assert_int_equal(nl_link_del(nl, nl_link_index(nl, ifname, &e), &e), 0);
	nl_ns_close(&nl);
}

static inline void break_route(struct lab *l)
{
	struct nl_ns *nl = inside(l->web);
	struct err e = { 0 };

	assert_int_equal(nl_route_del(nl, &row_of(l, ROW_ROUTE, l->web, 0)->route, &e), 0);
	nl_ns_close(&nl);
}

static inline void break_router_routes(struct lab *l)
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

static inline void break_extra(struct lab *l) /* things with our tag that nobody wants */
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

static inline void break_address(struct lab *l)
{
	struct nl_ns *nl = inside(l->db);
	struct err e = { 0 };

	assert_int_equal(nl_addr_del(nl, &row_of(l, ROW_ADDR, l->db, 0)->addr, &e), 0);
	nl_ns_close(&nl);
}

static inline void break_down_outside(struct lab *l)
{
	change(l->router, link_to(l, l->web)->ifname, &(struct nl_link_change){ .down = true });
}

static inline void break_down_inside(struct lab *l)
{
	change(l->web, "eth0", &(struct nl_link_change){ .down = true });
}

static inline void break_mac_mtu(struct lab *l)
{
	static const uint8_t mac[6] = { 2, 1, 1, 1, 1, 1 };

	change(l->web, "eth0", &(struct nl_link_change){ .mac = mac });
	change(l->router, link_to(l, l->db)->ifname, &(struct nl_link_change){ .mtu = 1280 });
}

static inline void break_alias(struct lab *l)
{
	change(l->router, link_to(l, l->db)->ifname, &(struct nl_link_change){ .alias = "mine" });
}

static inline void break_name(struct lab *l)
{
	change(l->db, "eth0", &(struct nl_link_change){ .down = true });
	change(l->db, "eth0", &(struct nl_link_change){ .ifname = "wan" });
}

static inline void break_link(struct lab *l)
{
	delete_link(l->web, "eth0");
}

static inline void break_link_outside(struct lab *l)
{
	delete_link(l->router, link_to(l, l->nat)->ifname);
}

static inline void break_peer_moved(struct lab *l) /* the instance's root hides its interface */
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

static inline void break_lo(struct lab *l)
{
	change(l->web, "lo", &(struct nl_link_change){ .down = true });
	change(l->db, "lo", &(struct nl_link_change){ .alias = "not yours" });
}

static inline int write_forward(void *ctx)
{
	(void)ctx;
	return sysctl_write(NULL, "net/ipv4/ip_forward", "0");
}

static inline void break_sysctl(struct lab *l)
{
	_cleanup_close_ int fd = netns_open(l->router);

	assert_int_equal(netns_call(fd, write_forward, NULL), 0);
}

static inline int drop_table(void *ctx)
{
	return nft_delete(ctx);
}

static inline void break_nft(struct lab *l)
{
	_cleanup_close_ int fd = netns_open(l->nat);
	struct err e = { 0 };

	assert_int_equal(netns_call(fd, drop_table, &e), 0);
}

static inline int change_timer(void *ctx)
{
	(void)ctx;
	return sysctl_write(NULL, "net/netfilter/nf_conntrack_tcp_timeout_established", "432000");
}

static inline void break_timer(struct lab *l)
{
	_cleanup_close_ int fd = netns_open(l->nat);

	assert_int_equal(netns_call(fd, change_timer, NULL), 0);
}

static inline void break_mount(struct lab *l)
{
	assert_int_equal(umount2(l->file, MNT_DETACH), 0);
}

static inline void break_file(struct lab *l)
{
	break_mount(l);
	assert_int_equal(unlink(l->file), 0);
}

static inline void break_router_mount(struct lab *l)
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

/* ---- running ---- */

static inline void in_a_child(struct lab *l, const struct state *desired, size_t ops)
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

static inline bool have_bpffs(void)
{
	struct statfs fs;
	char parent[128];

	snprintf(parent, sizeof(parent), "%s", bpf_dir);
	if (statfs(bpf_dir, &fs))
		*strrchr(parent, '/') = '\0';
	return statfs(parent, &fs) == 0 && fs.f_type == BPF_FS_MAGIC;
}

static inline int run_kern_tests(const char *name, const struct CMUnitTest *tests, size_t n)
{
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
	r = _cmocka_run_group_tests(name, tests, n, NULL, NULL);
	if (!bpf)
		rmdir(bpf_dir);
	{
		_cleanup_free_ char *run = xasprintf("%s/run", base);

		rmdir(run);
		rmdir(base);
	}
	return r;
}
