/* diff.c: sorted merge of two states into an ordered plan. Pure: no syscalls.
 *
 * The kernel deletes much by itself: a namespace takes its links along, a link its addresses, routes,
 * neighbours and filters at both ends. Such rows get no operation (a single link deletion costs 18 ms,
 * a namespace takes a thousand along in 130 ms). So the merge runs twice: first over namespaces and
 * links, to learn what goes with what; then over the rest, knowing each row's fate:
 *
 *   STAYS  what is there is there: compare
 *   CLEARED  goes before anything is added (it stands in the way of a new link or namespace): what is wanted
 *            is added anew
 *   GOES   goes in the end, without an operation of its own; a route is replaced before that */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "plan/diff_ctx.h"
#include "util/mem.h"

#define TEXT_LEN_MAX 256
enum { SORT_BYTES = 3 };

enum fate { STAYS, GOES, CLEARED };
struct end { /* a namespace, or one end of a link by name or by index */
	const char *ns;
	const char *ifname; /* "": not by name */
	uint32_t ifindex;   /* 0: not by index */
	enum fate fate;
};
struct ends {
	struct end *v;
	size_t n, cap;
};
struct merge {
	struct plan *plan;
	const struct row *d, *d_end, *a, *a_end;
	struct ends claims; /* what new links need to be free */
	struct ends doomed; /* namespaces and ends of links that do not stay */
};

static const struct state nothing = { .sorted = true };

static bool merge_next(struct merge *m, const struct row **d, const struct row **a);
static void merge_start(struct merge *m);
static void doom_namespaces(struct merge *m);
static void claim_links(struct merge *m);
static void doom_links(struct merge *m);
static void diff_rows(struct merge *m);
static void diff_link(struct merge *m, const struct row *d, const struct row *a);
static enum fate link_fate(const struct merge *m, const struct row *d, const struct row *a);
static enum fate fate_of(const struct merge *m, const char *ns, const char *ifname);
static enum fate fate_of_row(const struct merge *m, const struct row *r);
static bool same_ends(const struct link_row *d, const struct link_row *a);
static void ends_add(struct ends *ends, const char *ns, const char *ifname, uint32_t ifindex, enum fate fate);
static void ends_sort(struct ends *ends);
static const struct end *ends_find(const struct ends *ends, const char *ns, const char *ifname, uint32_t ifindex);
static int end_cmp(const void *a, const void *b);
static enum plan_rank rank_of(const struct row *r);
static enum plan_rank del_rank_of(enum row_kind kind);
static void sort_ops(struct plan *p);
static uint8_t sort_byte(const struct op *op, int byte);
static const char *row_device(const struct row *r, char buf[IFNAME_MAX]);

int plan_diff(const struct state *desired, const struct state *actual, struct plan **ret)
{
	_cleanup_plan_ struct plan *p = xcalloc(1, sizeof(*p));
	struct merge m = { .plan = p };

	p->desired = desired ? desired : &nothing;
	p->actual = actual ? actual : &nothing;
	assert(p->desired->sorted && p->actual->sorted);
	if (p->desired->lender != p->actual) { /* else they are the very same rows */
		doom_namespaces(&m);
		claim_links(&m);
		doom_links(&m);
		diff_rows(&m);
	}
	if (p->desired->n)
		plan_diff_maps(p);
	sort_ops(p);
	free(m.claims.v);
	free(m.doomed.v);
	*ret = TAKE_PTR(p);
	return 0;
}

void plan_free(struct plan **p)
{
	if (!p || !*p)
		return;
	free((*p)->ops);
	map_rows_done(&(*p)->bridge);
	free(*p);
	*p = NULL;
}

char *op_format(const struct op *op, char *buf, size_t size)
{
	static const char *const words[] = { "add", "set", "delete", "bring up", "take down" };
	char text[TEXT_LEN_MAX], old[TEXT_LEN_MAX];

	if (op->map_row) {
		map_row_format(op->maps, op->map_row, text, sizeof(text));
		snprintf(buf, size, "%s %s", words[op->kind], text);
		return buf;
	}
	row_format(op->row, text, sizeof(text));
	if (op->kind == OP_SET && strcmp(text, row_format(op->old, old, sizeof(old))) != 0)
		snprintf(buf, size, "set %s (was: %s)", text, old);
	else
		snprintf(buf, size, "%s %s", words[op->kind], text);
	return buf;
}

/* One step: the same thing on both sides, or one of them NULL. */
static bool merge_next(struct merge *m, const struct row **d, const struct row **a)
{
	int c;

	if (m->d == m->d_end && m->a == m->a_end)
		return false;
	if (m->d == m->d_end)
		c = 1;
	else if (m->a == m->a_end)
		c = -1;
	else
		c = row_key_cmp(m->d, m->a);
	*d = c <= 0 ? m->d++ : NULL;
	*a = c >= 0 ? m->a++ : NULL;
	return true;
}

static void merge_start(struct merge *m)
{
	m->d = m->plan->desired->rows;
	m->d_end = m->plan->desired->n ? m->d + m->plan->desired->n : m->d;
	m->a = m->plan->actual->rows;
	m->a_end = m->plan->actual->n ? m->a + m->plan->actual->n : m->a;
}

static void doom_namespaces(struct merge *m)
{
	const struct row *d, *a;

	for (merge_start(m); merge_next(m, &d, &a);) {
		if ((d ? d : a)->kind != ROW_NS)
			break;
		if (a && !d)
			ends_add(&m->doomed, a->ns, "", 0, GOES);
		else if (a && !row_value_eq(d, a))
			ends_add(&m->doomed, a->ns, "", 0, CLEARED);
	}
	ends_sort(&m->doomed);
}

/* A new link must find its names and indexes free at both ends. */
static void claim_links(struct merge *m)
{
	const struct row *d, *a;

	for (merge_start(m); merge_next(m, &d, &a);) {
		if ((d ? d : a)->kind > ROW_LINK)
			break;
		if (!d || d->kind != ROW_LINK || (a && link_fate(m, d, a) == STAYS))
			continue;
		ends_add(&m->claims, d->ns, d->link.ifname, 0, STAYS);
		ends_add(&m->claims, d->ns, "", d->link.ifindex, STAYS);
		ends_add(&m->claims, d->link.peer_ns, d->link.peer_ifname, 0, STAYS);
		if (d->link.peer_ifindex)
			ends_add(&m->claims, d->link.peer_ns, "", d->link.peer_ifindex, STAYS);
	}
	ends_sort(&m->claims);
}

static void doom_links(struct merge *m)
{
	struct ends found = { 0 };
	const struct row *d, *a;

	for (merge_start(m); merge_next(m, &d, &a);) {
		enum fate fate;

		if ((d ? d : a)->kind > ROW_LINK)
			break;
		if (!a || a->kind != ROW_LINK)
			continue;
		fate = link_fate(m, d, a);
		if (fate == STAYS)
			continue;
		ends_add(&found, a->ns, a->link.ifname, 0, fate);
		if (a->link.peer_ns)
			ends_add(&found, a->link.peer_ns, a->link.peer_ifname, 0, fate);
	}
	/* Only now: until here doomed is searched for namespaces. */
	for (size_t i = 0; i < found.n; i++)
		ends_add(&m->doomed, found.v[i].ns, found.v[i].ifname, 0, found.v[i].fate);
	ends_sort(&m->doomed);
	free(found.v);
}

static void diff_rows(struct merge *m)
{
	const struct row *d, *a;
	struct op *op;

	for (merge_start(m); merge_next(m, &d, &a);) {
		const struct row *r = d ? d : a;
		enum fate fate = a ? fate_of_row(m, a) : STAYS;

		if (r->kind == ROW_LINK) {
			diff_link(m, d, a);
		} else if (a && !d) {
			if (r->kind == ROW_NS)
				plan_add_op(m->plan, OP_DEL, RANK_DEL_NS)->row = a;
			else if (r->kind ==
				 ROW_UPLINK) /* what is in the machine's namespace goes with none of the lab's */
				plan_add_op(m->plan, OP_DEL, RANK_DEL_UPLINK)->row = a;
			else if (fate == STAYS && r->kind != ROW_SYSCTL) /* a setting cannot be deleted */
				plan_add_op(m->plan, OP_DEL, del_rank_of(r->kind))->row = a;
		} else if (!a || fate == CLEARED) {
			if (a && r->kind == ROW_NS)
				plan_add_op(m->plan, OP_DEL, RANK_CLEAR_NS)->row = a;
			plan_add_op(m->plan, OP_ADD, rank_of(d))->row = d;
		} else if (!row_value_eq(d, a)) {
			op = plan_add_op(m->plan, OP_SET, rank_of(d));
			op->row = d;
			op->old = a;
		}
	}
}

static void diff_link(struct merge *m, const struct row *d, const struct row *a)
{
	enum fate fate = a ? link_fate(m, d, a) : STAYS;
	struct row as_wanted;
	struct op *op;

	if (a && fate != STAYS) {
		enum fate ns = fate_of(m, a->ns, ""), peer = a->link.peer_ns ? fate_of(m, a->link.peer_ns, "") : STAYS;

		/* Nothing to do when a namespace takes it along in time. */
		if (fate == CLEARED && ns != CLEARED && peer != CLEARED)
			plan_add_op(m->plan, OP_DEL, RANK_CLEAR_LINK)->row = a;
		else if (fate == GOES && ns == STAYS && peer == STAYS)
			plan_add_op(m->plan, OP_DEL, RANK_DEL_LINK)->row = a;
	}
	if (!d)
		return;
	if (!a || fate != STAYS) {
		plan_add_op(m->plan, OP_ADD, RANK_LINK)->row = d;
		if (!d->link.down)
			plan_add_op(m->plan, OP_UP, RANK_UP)->row = d;
		return;
	}
	as_wanted = *a;
	as_wanted.link.down = d->link.down;
	if (!row_value_eq(d, &as_wanted)) {
		op = plan_add_op(m->plan, OP_SET, RANK_LINK);
		op->row = d;
		op->old = a;
	}
	if (a->link.down && !d->link.down)
		plan_add_op(m->plan, OP_UP, RANK_UP)->row = d;
	else if (!a->link.down && d->link.down)
		plan_add_op(m->plan, OP_DOWN, RANK_DOWN)->row = d;
}

/* What happens to a link that is there. d: the one wanted under the same name, or NULL. Whether it
 * stays is known before the claims are. */
static enum fate link_fate(const struct merge *m, const struct row *d, const struct row *a)
{
	const struct link_row *l = &a->link;
	enum fate ns = fate_of(m, a->ns, ""), peer = l->peer_ns ? fate_of(m, l->peer_ns, "") : STAYS;

	if (ns == CLEARED || peer == CLEARED)
		return CLEARED;
	if (d && !same_ends(&d->link, l))
		return CLEARED;
	if (d && ns == STAYS && peer == STAYS)
		return STAYS;
	if (ends_find(&m->claims, a->ns, l->ifname, 0) || ends_find(&m->claims, a->ns, "", l->ifindex) ||
	    (l->peer_ns && (ends_find(&m->claims, l->peer_ns, l->peer_ifname, 0) ||
			    (l->peer_ifindex && ends_find(&m->claims, l->peer_ns, "", l->peer_ifindex)))))
		return CLEARED;
	return GOES;
}

static enum fate fate_of(const struct merge *m, const char *ns, const char *ifname)
{
	const struct end *end = ends_find(&m->doomed, ns, ifname, 0);

	return end ? end->fate : STAYS;
}

static enum fate fate_of_row(const struct merge *m, const struct row *r)
{
	char buf[IFNAME_MAX];
	const char *device;
	enum fate fate, own = STAYS;

	if (!m->doomed.n)
		return STAYS;
	fate = fate_of(m, r->ns, "");
	device = row_device(r, buf);
	if (device)
		own = fate_of(m, r->ns, device);
	return own > fate ? own : fate;
}

/* What cannot be changed on a living link. */
static bool same_ends(const struct link_row *d, const struct link_row *a)
{
	return d->ifindex == a->ifindex && a->peer_ns && strcmp(d->peer_ns, a->peer_ns) == 0 &&
	       strcmp(d->peer_ifname, a->peer_ifname) == 0 &&
	       (!d->peer_ifindex || !a->peer_ifindex || d->peer_ifindex == a->peer_ifindex);
}

static void ends_add(struct ends *ends, const char *ns, const char *ifname, uint32_t ifindex, enum fate fate)
{
	struct end *end = VEC_PUSH(ends->v, ends->n, ends->cap);

	*end = (struct end){ ns, ifname, ifindex, fate };
}

static void ends_sort(struct ends *ends)
{
	if (ends->n)
		qsort(ends->v, ends->n, sizeof(*ends->v), end_cmp);
}

static const struct end *ends_find(const struct ends *ends, const char *ns, const char *ifname, uint32_t ifindex)
{
	struct end key = { ns, ifname, ifindex, STAYS };

	return ends->n ? bsearch(&key, ends->v, ends->n, sizeof(key), end_cmp) : NULL;
}

static int end_cmp(const void *a, const void *b)
{
	const struct end *x = a, *y = b;
	int c = strcmp(x->ns, y->ns);

	if (!c)
		c = strcmp(x->ifname, y->ifname);
	return c ? c : (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

struct op *plan_add_op(struct plan *p, enum op_kind kind, enum plan_rank rank)
{
	struct op *op = VEC_PUSH(p->ops, p->n, p->cap);

	op->kind = kind;
	op->rank = (uint8_t)rank;
	return op;
}

static enum plan_rank rank_of(const struct row *r)
{
	char device[IFNAME_MAX];

	switch (r->kind) {
	case ROW_NS: return RANK_NS;
	case ROW_LINK: return RANK_LINK;
	case ROW_SYSCTL:
		if (strcmp(r->sysctl.path, "net/ipv4/ip_forward") == 0 ||
		    strncmp(r->sysctl.path, "net/netfilter/", strlen("net/netfilter/")) == 0)
			return RANK_SYSCTL_LATE;
		return row_device(r, device) ? RANK_SYSCTL_DEVICE : RANK_SYSCTL;
	case ROW_ADDR: return RANK_ADDR;
	case ROW_NEIGH: return RANK_NEIGH;
	case ROW_ROUTE: return RANK_ROUTE;
	case ROW_RULE: return RANK_RULE;
	case ROW_NFT: return RANK_NFT;
	case ROW_UPLINK: return RANK_UPLINK;
	case ROW_FILTER: return RANK_FILTER;
	case ROW_KIND_MAX: break;
	}
	return RANK_MAX;
}

static enum plan_rank del_rank_of(enum row_kind kind)
{
	switch (kind) {
	case ROW_NS: return RANK_DEL_NS;
	case ROW_LINK: return RANK_DEL_LINK;
	case ROW_ADDR: return RANK_DEL_ADDR;
	case ROW_NEIGH: return RANK_DEL_NEIGH;
	case ROW_ROUTE: return RANK_DEL_ROUTE;
	case ROW_RULE: return RANK_DEL_RULE;
	case ROW_NFT: return RANK_DEL_NFT;
	case ROW_UPLINK: return RANK_DEL_UPLINK;
	case ROW_FILTER: return RANK_DEL_FILTER;
	case ROW_SYSCTL:
	case ROW_KIND_MAX: break;
	}
	return RANK_MAX;
}

/* Stable, by rank and then by order: a byte at a time, the last one first. */
static void sort_ops(struct plan *p)
{
	struct op *spare, *swap;

	if (!p->n)
		return;
	spare = xcalloc(p->n, sizeof(*spare));
	for (int byte = 0; byte < SORT_BYTES; byte++) {
		size_t start[UINT8_MAX + 2] = { 0 };

		for (size_t i = 0; i < p->n; i++)
			start[sort_byte(&p->ops[i], byte) + 1]++;
		for (size_t i = 1; i < ARRAY_SIZE(start); i++)
			start[i] += start[i - 1];
		for (size_t i = 0; i < p->n; i++)
			spare[start[sort_byte(&p->ops[i], byte)]++] = p->ops[i];
		swap = p->ops;
		p->ops = spare;
		spare = swap;
	}
	free(spare);
	p->cap = p->n;
}

static uint8_t sort_byte(const struct op *op, int byte)
{
	return byte == 0 ? (uint8_t)op->order : byte == 1 ? (uint8_t)(op->order >> 8) : op->rank;
}

/* The device whose end is the row's end; NULL when it hangs on none. */
static const char *row_device(const struct row *r, char buf[IFNAME_MAX])
{
	static const char v4[] = "net/ipv4/conf/", v6[] = "net/ipv6/conf/";
	const char *slash;

	switch (r->kind) {
	case ROW_LINK: return r->link.ifname;
	case ROW_ADDR: return r->addr.ifname;
	case ROW_NEIGH: return r->neigh.ifname;
	case ROW_FILTER: return r->filter.ifname;
	case ROW_ROUTE: return r->route.ifname[0] ? r->route.ifname : NULL;
	case ROW_SYSCTL: {
		const char *path = r->sysctl.path;

		if (strncmp(path, v4, strlen(v4)) != 0 && strncmp(path, v6, strlen(v6)) != 0)
			return NULL;
		path += strlen(v4);
		slash = strchr(path, '/');
		if (!slash || slash - path >= IFNAME_MAX)
			return NULL;
		snprintf(buf, IFNAME_MAX, "%.*s", (int)(slash - path), path);
		return strcmp(buf, "all") == 0 || strcmp(buf, "default") == 0 ? NULL : buf;
	}
	case ROW_NS:
	case ROW_RULE:
	case ROW_NFT:
	case ROW_UPLINK:
	case ROW_KIND_MAX: break;
	}
	return NULL;
}
