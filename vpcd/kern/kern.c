/* kern.c: one lab's handle: its directories, open namespaces and data path; and which labs there are.
 * Kernel room, never prints. */
#include "kern/kern.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include "kern/lab.h"
#include "kern/nft_count.h"
#include "kern/nft_find.h"
#include "kern/ns.h"
#include "kern/uplink.h"
#include "kern/watch.h"
#include "util/mem.h"
#include "util/str.h"

enum {
	FILES_SPARE = 256, /* descriptors left for everything else in the process */
	FILES_A_NS = 2,
	FLOWS_FLOOR = 65536,
	FLOWS_A_PORT = 128, /* beyond that interfaces share: 1,000 of them at once in full swing are not a lab */
};

static void set_max_ns(struct kern *k)
{
	struct rlimit l = { .rlim_cur = 1024 };

	getrlimit(RLIMIT_NOFILE, &l);
	if (l.rlim_cur == RLIM_INFINITY || l.rlim_cur > 1 << 16)
		l.rlim_cur = 1 << 16;
	l.rlim_cur = l.rlim_cur > FILES_SPARE + 32 ? l.rlim_cur - FILES_SPARE : 32;
	k->max_watches = l.rlim_cur / 2;
	k->max_ns = (l.rlim_cur - k->max_watches) / FILES_A_NS;
}

int kern_open(const char *lab, const struct kern_dirs *dirs, struct kern **ret, struct err *e)
{
	struct kern *k;
	int r;

	if (!str_is_name(lab))
		return err_set(e, -EINVAL, "\"%s\" is no name of a lab", lab);
	k = xcalloc(1, sizeof(*k));
	k->lab = xstrdup(lab);
	k->sysctls = (struct sysctl_view)SYSCTL_VIEW_INIT;
	k->dirs = (struct kern_dirs){ xstrdup(dirs->run_dir), xstrdup(dirs->state_dir), xstrdup(dirs->bpf_dir) };
	k->bpf_dir = xasprintf("%s/%s", dirs->bpf_dir, lab);
	snprintf(k->mark, sizeof(k->mark), "vpcd %s", lab);
	snprintf(k->file_text, sizeof(k->file_text), "vpcd %s\n", lab);
	set_max_ns(k);
	k->userns = userns_open(lab, dirs);
	k->ears = epoll_create1(EPOLL_CLOEXEC);
	k->self_ns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	r = k->self_ns < 0 ? err_set(e, -errno, "lab %s: own network namespace: %s", lab, strerror(errno)) : 0;
	if (r == 0 && k->ears < 0)
		r = err_set(e, -EMFILE, "lab %s: epoll: no file left", lab);
	if (r == 0) {
		r = datapath_open(k->bpf_dir, &k->datapath, e);
		/* None, or of another build: an apply loads it when it needs it. */
		if (r == -ENOENT || r == -ESTALE)
			r = 0;
		if (r < 0)
			err_wrap(e, "lab %s", lab);
	}
	if (r < 0)
		kern_close(&k);
	else
		*ret = k;
	return r;
}

void kern_close(struct kern **kp)
{
	struct kern *k = *kp;

	if (!k)
		return;
	lab_ns_drop_all(k);
	watch_drop_all(k);
	cleanup_closep(&k->ears);
	datapath_close(&k->datapath);
	cleanup_closep(&k->userns);
	cleanup_closep(&k->self_ns);
	free((char *)(uintptr_t)k->dirs.run_dir);
	free((char *)(uintptr_t)k->dirs.state_dir);
	free((char *)(uintptr_t)k->dirs.bpf_dir);
	free(k->bpf_dir);
	free(k->lab);
	free(k);
	*kp = NULL;
}

struct datapath *kern_datapath(struct kern *k)
{
	return k->datapath;
}

bool lab_is_marked(const struct kern *k, const char *alias)
{
	size_t n = strlen(k->mark);

	return !strncmp(alias, k->mark, n) && (alias[n] == '\0' || alias[n] == ' ');
}

int lab_userns(struct kern *k, struct err *e)
{
	if (k->userns < 0)
		k->userns = userns_make(k->lab, &k->dirs, e);
	return k->userns;
}

/* The highest rule number in a node at any address. Nodes are many and large, and mostly hold an entry or two. */
static uint32_t last_rule(const void *node)
{
	uint32_t head[2], highest = 0; /* leaf, n */

	memcpy(head, node, sizeof(head));
	for (uint32_t k = 0; head[0] && k < head[1] && k < ABI_NODE_WIDTH; k++) {
		struct abi_match match;

		memcpy(&match, (const uint8_t *)node + offsetof(struct abi_node, match[k]), sizeof(match));
		highest = match.rule > highest ? match.rule : highest;
	}
	return highest;
}
_Static_assert(offsetof(struct abi_node, leaf) == 0 && offsetof(struct abi_node, n) == sizeof(uint32_t), "its head");

/* Bounds by what the rows name, since counters are arrays by number. */
void lab_datapath_sizes(const struct state *desired, struct datapath_sizes *ret)
{
	uint32_t rows[ABI_MAP_SYNC_MAX] = { 0 };
	const struct map_rows *m = &desired->maps;
	uint64_t flows = FLOWS_FLOOR;

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < m->n; i++) {
		const void *key = map_row_key(m, &m->v[i]), *value = map_row_value(m, &m->v[i]);
		union {
			struct abi_port port;
			struct abi_route route;
			struct abi_policy policy;
			uint32_t number;
		} u;
#define RAISE(field, number) ret->field = (number) > ret->field ? (number) : ret->field
		rows[m->v[i].map]++;
		switch (m->v[i].map) {
		case ABI_MAP_PORTS:
			memcpy(&u.port, value, sizeof(u.port));
			if (flows <
			    2 * (uint64_t)u.port.ct_limit) /* one interface's share, at both ends of its flows */
				flows = 2 * (uint64_t)u.port.ct_limit;
			memcpy(&u.number, key, sizeof(u.number));
			RAISE(ports, u.number + 1);
			break;
		case ABI_MAP_RULES:
			u.number = last_rule(value);
			RAISE(rules, u.number + 1);
			break;
		case ABI_MAP_POLICIES:
			memcpy(&u.policy, value, sizeof(u.policy));
			RAISE(rules, u.policy.in.star + 1);
			RAISE(rules, u.policy.out.star + 1);
			memcpy(&u.number, key, sizeof(u.number));
			RAISE(ports, u.number / 2 + 1); /* slots: the data path keeps two a port, and some */
			break;
		case ABI_MAP_ROUTES:
			memcpy(&u.route, value, sizeof(u.route));
			RAISE(routes, u.route.route + 1);
			break;
		}
#undef RAISE
	}
	for (size_t i = 0; i < ABI_MAP_SYNC_MAX; i++)
		if (rows[i] > ret->tables_rows && (i == ABI_MAP_MEMBERS || i == ABI_MAP_PEERS || i == ABI_MAP_RULES))
			ret->tables_rows = rows[i];
	if (rows[ABI_MAP_ADDRS] / 2 > ret->ports)
		ret->ports = rows[ABI_MAP_ADDRS] / 2;
	if (flows < FLOWS_A_PORT * (uint64_t)rows[ABI_MAP_PORTS])
		flows = FLOWS_A_PORT * (uint64_t)rows[ABI_MAP_PORTS];
	ret->flows = flows > ABI_FLOWS_MAX ? ABI_FLOWS_MAX : (uint32_t)flows;
}

/* ---- open namespaces ---- */

static struct lab_ns **bucket(struct kern *k, const char *name)
{
	uint32_t hash = 2166136261u;

	for (const char *p = name; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	return &k->buckets[hash % LAB_NS_BUCKETS];
}

static void ns_free(struct kern *k, struct lab_ns **link)
{
	struct lab_ns *ns = *link;

	*link = ns->next;
	nl_ns_close(&ns->nl);
	cleanup_closep(&ns->fd);
	free(ns->name);
	free(ns);
	k->n_ns--;
}

static struct lab_ns **ns_link(struct kern *k, const char *name)
{
	struct lab_ns **link = bucket(k, name);

	while (*link && strcmp((*link)->name, name) != 0)
		link = &(*link)->next;
	return link;
}

void lab_ns_drop(struct kern *k, const char *name)
{
	struct lab_ns **link = ns_link(k, name);

	if (*link)
		ns_free(k, link);
}

void lab_ns_drop_all(struct kern *k)
{
	sysctl_view_done(&k->sysctls);
	k->sysctls.left = 0;
	for (size_t i = 0; k->n_ns && i < LAB_NS_BUCKETS; i++)
		while (k->buckets[i])
			ns_free(k, &k->buckets[i]);
}

static void drop_oldest(struct kern *k)
{
	struct lab_ns **oldest = NULL;

	for (size_t i = 0; i < LAB_NS_BUCKETS; i++)
		for (struct lab_ns **link = &k->buckets[i]; *link; link = &(*link)->next)
			if (!oldest || (*link)->used < (*oldest)->used)
				oldest = link;
	if (oldest)
		ns_free(k, oldest);
}

struct lab_ns *lab_ns_put(struct kern *k, const char *name, int fd, struct nl_ns *nl)
{
	struct lab_ns **b, *ns;

	lab_ns_drop(k, name);
	if (k->n_ns >= k->max_ns)
		drop_oldest(k);
	ns = xcalloc(1, sizeof(*ns));
	b = bucket(k, name);
	*ns = (struct lab_ns){ .next = *b, .name = xstrdup(name), .fd = fd, .nl = nl, .used = ++k->tick };
	*b = ns;
	k->n_ns++;
	return ns;
}

int lab_ns_get(struct kern *k, const char *name, bool nl, struct lab_ns **ret, struct err *e)
{
	struct lab_ns *ns = *ns_link(k, name);
	int r;

	if (!ns) {
		int fd = netns_open(name);

		if (fd < 0)
			return err_set(e, fd, "namespace %s: %s", name, strerror(-fd));
		ns = lab_ns_put(k, name, fd, NULL);
	}
	ns->used = ++k->tick;
	if (nl && !ns->nl) {
		r = netns_enter(ns->fd);
		if (r < 0)
			return err_set(e, r, "namespace %s: %s", name,
				       r == -EINVAL ? "nothing is mounted there" : strerror(-r));
		r = nl_ns_open(&ns->nl, e);
		netns_leave(k->self_ns);
		if (r < 0)
			return err_wrap(e, "namespace %s", name);
	}
	*ret = ns;
	return 0;
}

int kern_nat_metrics(struct kern *k, const char *ns_name, struct nat_metrics *ret, struct err *e)
{
	struct lab_ns *ns;
	int r = lab_ns_get(k, ns_name, false, &ns, e);

	if (r < 0)
		return r;
	r = netns_enter(ns->fd);
	if (r < 0)
		return err_set(e, r, "namespace %s: %s", ns_name, strerror(-r));
	r = nft_count_read(ret, e);
	netns_leave(k->self_ns);
	return r;
}

int kern_nat_find(struct kern *k, const char *ns_name, const struct abi_flow_key *sent, struct abi_flow_key *ret)
{
	struct lab_ns *ns;
	int r = lab_ns_get(k, ns_name, false, &ns, NULL);

	if (r < 0)
		return r;
	r = netns_enter(ns->fd);
	if (r < 0)
		return r;
	r = nft_find_source(sent, ret);
	netns_leave(k->self_ns);
	return r;
}

/* ---- labs ---- */

struct names {
	char **v;
	size_t n, cap;
};

static void names_add(struct names *l, const char *name, size_t len)
{
	char *s = xasprintf("%.*s", (int)len, name);

	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->v[i], s)) {
			free(s);
			return;
		}
	if (!str_is_name(s)) {
		free(s);
		return;
	}
	*VEC_PUSH(l->v, l->n, l->cap) = s;
}

/* Each entry of a directory up to a mark in its name: "LAB.user" with '.', or whole with '\0'. */
static void names_of_dir(struct names *l, const char *path, char until)
{
	DIR *d = opendir(path);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		const char *end = until ? strchr(de->d_name, until) : NULL;

		if (de->d_name[0] != '.' && (end || !until))
			names_add(l, de->d_name, end ? (size_t)(end - de->d_name) : strlen(de->d_name));
	}
	if (d)
		closedir(d);
}

/* Does a namespace say "vpcd LAB" on its lo, or a file without mount in its text? */
static bool names_lab(const char *name, const char *lab, int self_ns)
{
	_cleanup_free_ char *mark = xasprintf("vpcd %s", lab), *text = xasprintf("vpcd %s\n", lab);
	_cleanup_close_ int fd = -1;
	struct nl_link lo = { 0 };
	struct nl_ns *nl = NULL;
	enum netns_found found = netns_examine(name, text, 0, &fd);
	int r;

	if (found != NETNS_FOREIGN || fd < 0)
		return found == NETNS_HALF;
	if (netns_enter(fd) < 0)
		return false;
	r = nl_ns_open(&nl, NULL);
	netns_leave(self_ns);
	if (r == 0)
		nl_link_get(nl, NL_LO, NULL, &lo, NULL);
	nl_ns_close(&nl);
	return !strcmp(lo.alias, mark);
}

/* Namespaces named LAB.* of labs not known yet: one of ours is enough. */
static void names_of_netns(struct names *l, int self_ns)
{
	DIR *d = opendir(NETNS_DIR);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		const char *dot = strchr(de->d_name, '.');
		char lab[40];
		bool known = false;

		if (!dot || dot == de->d_name || dot - de->d_name >= (int)sizeof(lab))
			continue;
		snprintf(lab, sizeof(lab), "%.*s", (int)(dot - de->d_name), de->d_name);
		for (size_t i = 0; i < l->n; i++)
			known |= !strcmp(l->v[i], lab);
		if (!known && str_is_name(lab) && names_lab(de->d_name, lab, self_ns))
			names_add(l, lab, strlen(lab));
	}
	if (d)
		closedir(d);
}

static void names_of_ruleset(void *ctx, const char *lab)
{
	names_add(ctx, lab, strlen(lab));
}

static int names_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int kern_labs(const struct kern_dirs *dirs, char ***ret, struct err *e)
{
	_cleanup_close_ int self_ns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *ns_dir = xasprintf("%s/ns", dirs->run_dir);
	struct names l = { 0 };

	if (self_ns < 0)
		return err_set(e, -errno, "own network namespace: %s", strerror(errno));
	names_of_dir(&l, ns_dir, '.');
	names_of_dir(&l, dirs->bpf_dir, '\0');
	names_of_netns(&l, self_ns);
	nft_uplink_labs(names_of_ruleset, &l); /* where none can be read there is none */
	if (l.n)
		qsort(l.v, l.n, sizeof(*l.v), names_cmp);
	*VEC_PUSH(l.v, l.n, l.cap) = NULL;
	*ret = l.v;
	return 0;
}
