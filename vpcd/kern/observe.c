/* observe.c: what the kernel holds of one lab, as rows. Reads only. Kernel room, never prints.
 *
 * What counts as the lab's: namespaces LAB.* that are ours (kern/ns.h); in them, links with our
 * alias or group (the row's own end; its peer is found by the two ifindexes, which point at each
 * other), routes, rules, addresses and neighbours with our protocol number, a table "vpcd" of this lab.
 * Things of other makers in our namespaces are not seen, and so never touched.
 *
 * Namespaces that nothing was heard of since they were last read are not read again (kern/watch.h).
 *
 * A link whose peer is lost is shown without a peer_ns, and nothing that stood on it is shown: it
 * must be made anew, and they with it. A namespace that is ours and wanted but not as it should be (file
 * without mount, lo down or unmarked) is not shown: adding it mends it and keeps what lives there. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "kern/kern.h"
#include "kern/lab.h"
#include "kern/nft.h"
#include "kern/ns.h"
#include "kern/sysctl.h"
#include "kern/uplink.h"
#include "kern/watch.h"
#include "model/uplink.h"
#include "util/mem.h"

struct seen_link {
	struct nl_link link;
	uint32_t ns;   /* index into namespaces */
	uint32_t next; /* of the links that name the same peer ifindex; 0 = none, else index + 1 */
	bool lost;     /* without its peer: what stands on it does not count */
};
struct seen_ns {
	char *name;
	bool owned, half, lo_bad;
	struct ns_watch *watch;  /* what it holds; NULL when half */
	uint32_t links, n_links; /* its part of links, by ascending ifindex */
};
struct observation {
	struct kern *k;
	const struct state *desired; /* may be NULL */
	struct state *state;
	struct seen_ns *ns;
	size_t n_ns, cap_ns;
	struct seen_link *links;
	size_t n_links, cap_links;
	uint32_t *by_peer; /* ifindex of the peer modulo its size -> index + 1 into links */
	size_t n_by_peer;
	uint32_t at; /* namespace being read */
};

/* ---- the rows wanted for a namespace ---- */

static int wanted_cmp(const struct row *r, enum row_kind kind, const char *ns)
{
	return r->kind != kind ? (r->kind > kind ? 1 : -1) : strcmp(r->ns, ns);
}

/* The part of desired that is of one kind and namespace. */
static const struct row *wanted(const struct state *s, enum row_kind kind, const char *ns, size_t *ret_n)
{
	size_t lo = 0, hi = s ? s->n : 0, end;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (wanted_cmp(&s->rows[mid], kind, ns) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (end = lo; s && end < s->n && wanted_cmp(&s->rows[end], kind, ns) == 0; end++)
		;
	*ret_n = end - lo;
	return end > lo ? &s->rows[lo] : NULL;
}

/* An instance's neighbours are learned, a host's gateway is ours. */
static bool wants_neighs(const struct observation *o, const struct seen_ns *ns)
{
	size_t n;

	return !ns->owned || wanted(o->desired, ROW_NEIGH, ns->name, &n);
}

static struct row *add(struct observation *o, enum row_kind kind, const struct seen_ns *ns)
{
	/* Whose it is, as well as the name tells; rows that are wanted get the wanted owner at the end. */
	const char *name = strchr(ns->name, '.') + 1;

	return state_add(o->state, kind, ns->name, ns->owned ? KIND_INSTANCE : KIND_LAB, name);
}

/* ---- one namespace ---- */

static void read_settings(struct observation *o, struct seen_ns *ns, const struct row *rows, size_t n)
{
	char value[256];

	for (size_t i = 0; i < n; i++)
		if (sysctl_read(&o->k->sysctls, rows[i].sysctl.path, value, sizeof(value)) == 0) {
			struct row *row = add(o, ROW_SYSCTL, ns);

			row->sysctl.path = arena_strdup(o->state->arena, rows[i].sysctl.path);
			row->sysctl.value = arena_strdup(o->state->arena, value);
		}
}

static int read_nft(struct observation *o, struct seen_ns *ns, const struct row *nft, struct err *e)
{
	int r = nft_compare(o->k->lab, nft ? &nft->nft : NULL, e);

	if (r > 0) {
		struct row *row = add(o, ROW_NFT, ns);

		if (r == 1) {
			row->nft = nft->nft;
			row->nft.inside = arena_memdup(o->state->arena, nft->nft.inside,
						       nft->nft.n_inside * sizeof(*nft->nft.inside));
			row->nft.addrs = arena_memdup(o->state->arena, nft->nft.addrs,
						      nft->nft.n_addrs * sizeof(*nft->nft.addrs));
		}
	}
	return r < 0 ? r : 0;
}

/* Things that need the thread inside: settings and nf_tables. fd -1: it was not opened yet. */
static int read_inside(struct observation *o, struct seen_ns *ns, int fd, struct err *e)
{
	size_t n, n_nft;
	const struct row *rows = wanted(o->desired, ROW_SYSCTL, ns->name, &n);
	const struct row *nft = wanted(o->desired, ROW_NFT, ns->name, &n_nft);
	_cleanup_close_ int again = -1;
	int r;

	if (!n && !nft && ns->owned) /* an instance's own tables are its root's business */
		return 0;
	if (fd < 0)
		fd = again = netns_open(ns->name);
	r = fd < 0 ? fd : netns_enter(fd);
	if (r < 0)
		return err_set(e, r, "cannot be entered: %s", strerror(-r));
	read_settings(o, ns, rows, n);
	if (nft || !ns->owned)
		r = read_nft(o, ns, nft, e);
	netns_leave(o->k->self_ns);
	return r;
}

static int link_cmp(const void *a, const void *b)
{
	const struct seen_link *x = a, *y = b;

	return (x->link.ifindex > y->link.ifindex) - (x->link.ifindex < y->link.ifindex);
}

static struct seen_link *find_link(struct observation *o, const struct seen_ns *ns, int ifindex)
{
	struct seen_link key = { .link.ifindex = ifindex };

	return ns->n_links ? bsearch(&key, &o->links[ns->links], ns->n_links, sizeof(key), link_cmp) : NULL;
}

static void take_links(struct observation *o, struct seen_ns *ns)
{
	ns->links = (uint32_t)o->n_links;
	ns->n_links = (uint32_t)ns->watch->n_links;
	for (size_t i = 0; i < ns->watch->n_links; i++) {
		struct seen_link *s = VEC_PUSH(o->links, o->n_links, o->cap_links);

		s->link = ns->watch->links[i];
		s->ns = (uint32_t)(ns - o->ns);
	}
}

/* Reads a namespace, if it is not known already, and says whether it is ours: 1, 0 or an error. */
static int read_ns(struct observation *o, struct seen_ns *ns, int fd, struct err *e)
{
	struct kern *k = o->k;
	const struct seen_link *lo;
	int r = 0;

	if (!ns->watch)
		r = watch_read(k, ns->name, fd, ns->owned, wants_neighs(o, ns), &ns->watch, e);
	if (r < 0)
		return r;
	take_links(o, ns);
	lo = find_link(o, ns, NL_LO);
	if (!ns->owned && (!lo || strcmp(lo->link.alias, k->mark) != 0))
		return 0;
	ns->lo_bad = !lo || !lo->link.up || strcmp(lo->link.alias, k->mark) != 0;
	r = read_inside(o, ns, fd, e);
	return r < 0 ? r : 1;
}

/* What is there under a name: like netns_examine, but what was read before needs no closer look, nor an fd. */
static enum netns_found examine(struct observation *o, struct seen_ns *ns, uint64_t userns, int *fd)
{
	enum netns_found found;
	size_t n;

	*fd = -1;
	ns->watch = watch_get(o->k, ns->name, netns_inode(ns->name), wanted(o->desired, ROW_NEIGH, ns->name, &n));
	if (ns->watch) {
		ns->owned = ns->watch->owned;
		return ns->owned ? NETNS_OWNED : NETNS_FOREIGN;
	}
	found = netns_examine(ns->name, o->k->file_text, userns, fd);
	ns->owned = found == NETNS_OWNED;
	ns->half = found == NETNS_HALF;
	return found;
}

static int read_name(struct observation *o, const char *name, uint64_t userns, struct err *e)
{
	struct seen_ns *ns = VEC_PUSH(o->ns, o->n_ns, o->cap_ns);
	_cleanup_close_ int fd = -1;
	enum netns_found found;
	size_t n, links = o->n_links;
	int r = 1;

	ns->name = xstrdup(name);
	found = examine(o, ns, userns, &fd);
	if (found == NETNS_ABSENT || (found == NETNS_FOREIGN && fd < 0 && !ns->watch))
		r = 0;
	else if (!ns->half)
		r = read_ns(o, ns, fd, e);
	if (r <= 0) {
		if (r < 0)
			err_wrap(e, "namespace %s", name);
		o->n_links = links; /* not ours: nothing of it was seen */
		watch_drop(o->k, name);
		free(ns->name);
		o->n_ns--;
		return r;
	}
	/* Adding what is ours and not as it should be mends it; deleting needs the row. */
	if (!(ns->half || ns->lo_bad) || !wanted(o->desired, ROW_NS, name, &n))
		add(o, ROW_NS, ns)->ns_row.user_owned = ns->owned;
	return 0;
}

static int read_namespaces(struct observation *o, struct err *e)
{
	uint64_t userns = ns_inode(o->k->userns);
	size_t n = strlen(o->k->lab);
	DIR *d = opendir(NETNS_DIR);
	struct dirent *de;
	int r = 0;

	if (!d)
		return errno == ENOENT ? 0 : err_set(e, -errno, "%s: %s", NETNS_DIR, strerror(errno));
	while (r == 0 && (de = readdir(d)))
		if (!strncmp(de->d_name, o->k->lab, n) && de->d_name[n] == '.')
			r = read_name(o, de->d_name, userns, e);
	closedir(d);
	return r;
}

/* ---- links: finding the pairs ---- */

static void index_by_peer(struct observation *o)
{
	for (o->n_by_peer = 64; o->n_by_peer < o->n_links; o->n_by_peer *= 2)
		;
	o->by_peer = xcalloc(o->n_by_peer, sizeof(*o->by_peer));
	for (size_t i = 0; i < o->n_links; i++)
		if (o->links[i].link.peer_elsewhere) {
			uint32_t *first = &o->by_peer[o->links[i].link.peer & (o->n_by_peer - 1)];

			o->links[i].next = *first;
			*first = (uint32_t)i + 1;
		}
}

static struct seen_link *peer_of(struct observation *o, const struct seen_link *l)
{
	uint32_t i = l->link.peer_elsewhere ? o->by_peer[(uint32_t)l->link.ifindex & (o->n_by_peer - 1)] : 0;

	for (; i; i = o->links[i - 1].next) {
		struct seen_link *p = &o->links[i - 1];

		if (p->ns != l->ns && p->link.peer == (uint32_t)l->link.ifindex &&
		    (uint32_t)p->link.ifindex == l->link.peer)
			return p;
	}
	return NULL;
}

static void link_row(struct observation *o, struct seen_link *l, struct seen_link *peer)
{
	struct link_row *row = &add(o, ROW_LINK, &o->ns[l->ns])->link;

	memcpy(row->ifname, l->link.ifname, sizeof(row->ifname));
	memcpy(row->alias, l->link.alias, sizeof(row->alias));
	memcpy(row->mac, l->link.mac, sizeof(row->mac));
	row->ifindex = (uint32_t)l->link.ifindex;
	row->mtu = (uint16_t)l->link.mtu;
	row->down = !l->link.up;
	if (!peer)
		return;
	l->lost = peer->lost = false;
	row->peer_ns = state_name(o->state, o->ns[peer->ns].name);
	memcpy(row->peer_ifname, peer->link.ifname, sizeof(row->peer_ifname));
	memcpy(row->peer_mac, peer->link.mac, sizeof(row->peer_mac));
	row->peer_ifindex = (uint32_t)peer->link.ifindex;
	row->down |= !peer->link.up;
	if (peer->link.mtu != l->link.mtu)
		row->mtu = 0; /* two that differ are not what anybody wants */
}

/* Inside an instance its own root may write any alias and group, so those mark nothing there. */
static bool is_our_end(const struct observation *o, const struct seen_link *l)
{
	return !o->ns[l->ns].owned && l->link.veth && (l->link.group == NL_GROUP || lab_is_marked(o->k, l->link.alias));
}

static void read_links(struct observation *o)
{
	index_by_peer(o);
	/* Until a pair is found; an end in an instance outlives its dying router for a moment. */
	for (size_t i = 0; i < o->n_links; i++)
		o->links[i].lost = o->links[i].link.peer_elsewhere || is_our_end(o, &o->links[i]);
	for (size_t i = 0; i < o->n_links; i++)
		if (is_our_end(o, &o->links[i]))
			link_row(o, &o->links[i], peer_of(o, &o->links[i]));
}

/* ---- what stands on links ---- */

/* Name of the interface of a row: NULL when it is not there or lost. */
static const char *ifname_of(struct observation *o, int ifindex)
{
	const struct seen_link *l = find_link(o, &o->ns[o->at], ifindex);

	return l && !l->lost ? l->link.ifname : NULL;
}

static void add_addr(struct observation *o, const struct nl_addr_info *a)
{
	const char *ifname = a->proto == ABI_ROUTE_PROTO ? ifname_of(o, a->ifindex) : NULL;

	if (ifname) {
		struct row *row = add(o, ROW_ADDR, &o->ns[o->at]);

		memcpy(row->addr.ifname, ifname, IFNAME_MAX);
		row->addr.addr = a->addr;
		row->addr.prefix_len = a->prefix_len;
	}
}

static void add_neigh(struct observation *o, const struct nl_neigh_info *n)
{
	const char *ifname = ifname_of(o, n->ifindex);

	if (ifname) {
		struct row *row = add(o, ROW_NEIGH, &o->ns[o->at]);

		memcpy(row->neigh.ifname, ifname, IFNAME_MAX);
		row->neigh.addr = n->addr;
		memcpy(row->neigh.mac, n->mac, sizeof(n->mac));
	}
}

static void add_route(struct observation *o, const struct nl_route_info *r)
{
	const char *ifname = r->ifindex ? ifname_of(o, r->ifindex) : "";

	if (ifname) {
		struct row *row = add(o, ROW_ROUTE, &o->ns[o->at]);

		row->route = r->row;
		strcpy(row->route.ifname, ifname);
	}
}

static void add_content(struct observation *o)
{
	for (o->at = 0; o->at < o->n_ns; o->at++) {
		const struct ns_watch *w = o->ns[o->at].watch;

		if (!w)
			continue;
		for (size_t i = 0; i < w->n_addrs; i++)
			add_addr(o, &w->addrs[i]);
		for (size_t i = 0; i < w->n_routes; i++)
			add_route(o, &w->routes[i]);
		for (size_t i = 0; i < w->n_neigh; i++)
			add_neigh(o, &w->neigh[i]);
		for (size_t i = 0; i < w->n_rules; i++)
			add(o, ROW_RULE, &o->ns[o->at])->rule = w->rules[i];
	}
}

/* ---- the uplink ---- */

static void read_uplink(struct observation *o)
{
	_cleanup_free_ char *name = uplink_ns_name(o->k->lab);
	size_t n;
	const struct row *want = wanted(o->desired, ROW_UPLINK, name, &n);
	enum uplink_found found = uplink_observe(o->k, name, want ? &want->uplink : NULL);
	struct row *row;

	if (found == UPLINK_ABSENT)
		return;
	row = state_add(o->state, ROW_UPLINK, name, KIND_INTERNET, "uplink");
	if (found == UPLINK_AS_WANTED)
		row->uplink = want->uplink;
	else
		uplink_ifname(o->k->lab, row->uplink.ifname); /* and no address, so it differs from what is wanted */
}

/* ---- the data path ---- */

/* Only those wanted can be looked for: another program at the hook is not ours. */
static int read_filters(struct observation *o, struct err *e)
{
	for (size_t i = 0; i < o->n_ns; i++) {
		struct seen_ns *ns = &o->ns[i];
		size_t n;
		const struct row *rows = wanted(o->desired, ROW_FILTER, ns->name, &n);

		for (size_t j = 0; ns->watch && j < n; j++) {
			const struct filter_row *f = &rows[j].filter;
			const struct seen_link *l = find_link(o, ns, (int)f->ifindex);
			uint32_t program;
			int r;

			if (!l || l->lost || strcmp(l->link.ifname, f->ifname) != 0)
				continue;
			r = watch_filter(o->k, ns->watch, f->hook, f->ifindex, &program, e);
			if (r < 0)
				return err_wrap(e, "filters");
			if (datapath_is_program(o->k->datapath, f->hook, program))
				add(o, ROW_FILTER, ns)->filter = *f;
		}
	}
	return 0;
}

/* One that is too small is as good as none: it must be loaded anew, and everything into it. */
static int read_datapath(struct observation *o, struct err *e)
{
	struct datapath_sizes sizes;
	int r;

	if (!o->k->datapath)
		return 0;
	if (o->desired) {
		lab_datapath_sizes(o->desired, &sizes);
		if (!datapath_has_room(o->k->datapath, &sizes))
			return 0;
	}
	r = read_filters(o, e);
	return r < 0 ? r : datapath_dump(o->k->datapath, &o->state->maps, e);
}

/* ---- the door ---- */

/* Rows that are wanted belong to whom the model says. Both are sorted. */
static void name_owners(struct observation *o)
{
	const struct state *d = o->desired;
	struct state *s = o->state;
	size_t i = 0, j = 0;

	while (d && i < s->n && j < d->n) {
		int c = row_key_cmp(&s->rows[i], &d->rows[j]);

		if (c == 0) {
			s->rows[i].owner_kind = d->rows[j].owner_kind;
			s->rows[i].owner = d->rows[j].owner ? state_name(s, d->rows[j].owner) : NULL;
		}
		i += c <= 0;
		j += c >= 0;
	}
}

/* More of them, and taking their links away would hold up everybody on the machine who changes links. */
enum { QUICK_MOST = 32 };

/* Packets come in by it; those that go out have been judged where they came in. */
static bool is_inward(const struct row *row)
{
	return row->kind == ROW_FILTER && !datapath_hook_is_egress(row->filter.hook);
}

/* What fails here fails again, with words, when it matters. */
static void read_one_ahead(struct observation *o, const char *name)
{
	struct seen_ns ns = { .name = (char *)(uintptr_t)name };
	_cleanup_close_ int fd = -1;
	enum netns_found found = examine(o, &ns, ns_inode(o->k->userns), &fd);
	const struct row *rows;
	uint32_t program;
	size_t n;

	if (ns.watch || ns.half || fd < 0 || found == NETNS_ABSENT ||
	    watch_read(o->k, name, fd, ns.owned, wants_neighs(o, &ns), &ns.watch, NULL) < 0)
		return;
	rows = wanted(o->desired, ROW_FILTER, name, &n);
	for (size_t i = 0; i < n; i++)
		watch_filter(o->k, ns.watch, rows[i].filter.hook, rows[i].filter.ifindex, &program, NULL);
	lab_ns_drop(o->k, name);
}

int kern_read_ahead(struct kern *k, const struct state *desired, size_t *at, unsigned budget_us)
{
	struct observation o = { .k = k, .desired = desired };
	struct timespec start, now;

	watch_listen(k);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (; *at < desired->n && desired->rows[*at].kind == ROW_NS; (*at)++) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if ((now.tv_sec - start.tv_sec) * 1000000 + (now.tv_nsec - start.tv_nsec) / 1000 > budget_us)
			return 1;
		read_one_ahead(&o, desired->rows[*at].ns);
	}
	return 0;
}

int kern_quicken(struct kern *k, const struct state *desired, size_t *at)
{
	size_t hooks = 0;
	int r = 0;

	for (size_t i = 0; i < desired->n; i++)
		hooks += is_inward(&desired->rows[i]);
	if (!k->datapath || hooks > QUICK_MOST)
		return 0;
	for (; r == 0 && *at < desired->n; (*at)++) {
		const struct row *row = &desired->rows[*at];
		struct lab_ns *ns;

		if (!is_inward(row))
			continue;
		r = lab_ns_get(k, row->ns, true, &ns, NULL);
		if (r < 0 || (r = netns_enter(ns->fd)) < 0)
			break;
		r = datapath_quicken(k->datapath, ns->nl, row->filter.hook, row->filter.ifindex);
		netns_leave(k->self_ns);
	}
	lab_ns_drop_all(k);
	return r > 0;
}

int kern_observe(struct kern *k, const struct state *desired, struct state **ret, struct err *e)
{
	struct observation o = { .k = k, .desired = desired, .state = state_new() };
	int r;

	o.state->observed = true;
	lab_ns_drop_all(k);
	watch_listen(k);
	if (k->userns < 0)
		k->userns = userns_open(k->lab, &k->dirs);
	r = read_namespaces(&o, e);
	if (r == 0) {
		read_links(&o);
		add_content(&o);
		read_uplink(&o);
		r = read_datapath(&o, e);
	}
	if (r == 0) {
		state_sort(o.state);
		name_owners(&o);
		*ret = TAKE_PTR(o.state);
	} else {
		err_wrap(e, "lab %s", k->lab);
	}
	lab_ns_drop_all(k);
	for (size_t i = 0; i < o.n_ns; i++)
		free(o.ns[i].name);
	free(o.ns);
	free(o.links);
	free(o.by_peer);
	state_free(&o.state);
	return r;
}
