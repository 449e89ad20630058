/* apply.c: a plan into the kernel, operation by operation, in resumable steps. Kernel room, never prints.
 *
 *   operations   in the plan's order. Up to the deletions the first error ends it; deletions go on.
 *                Instances' namespaces that go are unmounted at once: their links vanish with
 *                them, all in one batch of the kernel. The others (routers, internet) are kept
 *                until then, because they show when the links are gone.
 *   look         at each row of a map that was written or deleted: it is as wanted
 *   vanish       waits for those links, bounded: a process that still lives in a namespace keeps
 *                it, so what has not moved for a while is deleted link by link.
 *   unmount      the other namespaces
 *   vanish       links of surviving namespaces whose other end stood in one of those
 *   finish       epoch; when nothing of the lab is wanted: pins, user namespace */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "kern/kern.h"
#include "kern/apply_parts.h"
#include "kern/lab.h"
#include "kern/nft.h"
#include "kern/ns.h"
#include "kern/processes.h"
#include "kern/sysctl.h"
#include "kern/uplink.h"
#include "kern/watch.h"
#include "util/mem.h"

enum {
	STUCK_US = 2 * 1000 * 1000, /* the kernel clears 1,000 namespaces in some 150 ms */
	STUCK_FEW_US = 200 * 1000,
	FEW = 16, /* that many links are deleted one by one in less time, 18 ms each */
	POLL_MS = 1,
};

enum phase { PHASE_OPS, PHASE_LOOK, PHASE_VANISH, PHASE_UNMOUNT, PHASE_VANISH_REST, PHASE_FINISH, PHASE_DONE };

struct vanishing {
	const char *ns;
	uint32_t ifindex;
};
struct apply {
	struct kern *k;
	const struct plan *plan;
	enum phase phase;
	size_t at;          /* next operation, written or looked at; in the vanish phases next of waits */
	int result;         /* first error of the deletions */
	bool datapath_fits; /* it was loaded or found large enough */
	struct err err;
	struct ns_factory factory;
	const char **gone; /* namespaces that the plan deletes, sorted */
	size_t n_gone, cap_gone;
	uint64_t *left; /* inodes of instances' namespaces that were deleted */
	size_t n_left, cap_left;
	const struct row **late; /* ... and those of them that are kept until links are gone */
	size_t n_late, cap_late;
	struct vanishing *waits;
	size_t n_waits, cap_waits;
	uint64_t moved_us; /* when a wait last ended */
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static int name_cmp(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_gone(const struct apply *a, const char *ns)
{
	return ns && a->n_gone && bsearch(&ns, a->gone, a->n_gone, sizeof(*a->gone), name_cmp);
}

/* ---- namespaces ---- */

static int ns_del(struct apply *a, const struct op *op, struct err *e)
{
	_cleanup_free_ char *path = xasprintf(NETNS_DIR "/%s", op->row->ns);
	struct lab_ns *ns;

	if (op->rank < RANK_DEL_UPLINK)
		return apply_ns_remove(a->k, op->row->ns, e);
	if (!op->row->ns_row.user_owned) {
		*VEC_PUSH(a->late, a->n_late, a->cap_late) = op->row;
		return 0;
	}
	/* Held open until the end of the rank, so that all of them die in one batch of the kernel: a
	 * thousand in 0.09 s instead of 0.35 s, while it tears down one as the next is unmounted. */
	if (lab_ns_get(a->k, op->row->ns, false, &ns, NULL) == 0)
		*VEC_PUSH(a->left, a->n_left, a->cap_left) = ns_inode(ns->fd);
	return ns_unmount(path, e);
}

/* ---- the data path ---- */

static int need_datapath(struct apply *a, struct err *e)
{
	struct datapath *fresh = NULL;
	struct datapath_sizes sizes;
	int r;

	if (a->datapath_fits)
		return 0;
	lab_datapath_sizes(a->plan->desired, &sizes);
	a->datapath_fits = a->k->datapath && datapath_has_room(a->k->datapath, &sizes);
	if (a->datapath_fits)
		return 0;
	/* A plan that counts on rows of the old maps would leave the new ones half empty. */
	if (a->plan->actual && a->plan->actual->maps.n)
		return err_set(e, -ESTALE, "the data path is too small and was observed as good: observe again");
	r = datapath_load(a->k->bpf_dir, &sizes, &fresh, e);
	if (r < 0)
		return r;
	datapath_close(&a->k->datapath);
	a->k->datapath = fresh;
	a->datapath_fits = true;
	return 0;
}

static int filter_attach(struct apply *a, const struct row *row, struct err *e)
{
	struct lab_ns *ns;
	int r = need_datapath(a, e);

	if (r == 0)
		r = lab_ns_get(a->k, row->ns, true, &ns, e);
	if (r < 0)
		return r;
	r = netns_enter(ns->fd);
	if (r < 0)
		return err_set(e, r, "%s", strerror(-r));
	r = datapath_attach(a->k->datapath, ns->nl, row->filter.hook, row->filter.ifindex, e);
	netns_leave(a->k->self_ns);
	return r;
}

static int map_op(struct apply *a, const struct op *op, struct err *e)
{
	int r;

	if (op->kind == OP_DEL) /* without a data path nothing is there to delete from */
		return a->k->datapath ? datapath_row_del(a->k->datapath, op->maps, op->map_row, e) : 0;
	r = need_datapath(a, e);
	return r < 0 ? r : datapath_row_set(a->k->datapath, op->maps, op->map_row, e);
}

/* ---- the other kinds ---- */

static int sysctl_set(struct apply *a, const struct row *row, struct err *e)
{
	struct lab_ns *ns;
	int r = lab_ns_get(a->k, row->ns, false, &ns, e);

	if (r < 0)
		return r;
	r = netns_enter(ns->fd);
	if (r == 0) {
		r = sysctl_write(&a->k->sysctls, row->sysctl.path, row->sysctl.value);
		netns_leave(a->k->self_ns);
	}
	return r < 0 ? err_set(e, r, "%s", strerror(-r)) : 0;
}

static int nft_op(struct apply *a, const struct op *op, struct err *e)
{
	struct lab_ns *ns;
	int r = lab_ns_get(a->k, op->row->ns, false, &ns, e);

	if (r < 0)
		return r;
	r = netns_enter(ns->fd);
	if (r < 0)
		return err_set(e, r, "%s", strerror(-r));
	r = op->kind == OP_DEL ? nft_delete(e) : nft_write(a->k->lab, &op->row->nft, e);
	netns_leave(a->k->self_ns);
	return r;
}

static int addr_op(struct nl_ns *nl, const struct op *op, struct err *e)
{
	int r = 0;

	/* Another prefix length is another address to the kernel. */
	if (op->kind == OP_SET)
		r = nl_addr_del(nl, &op->old->addr, e);
	if (r < 0 && r != -EADDRNOTAVAIL)
		return r;
	return op->kind == OP_DEL ? nl_addr_del(nl, &op->row->addr, e) : nl_addr_add(nl, &op->row->addr, e);
}

static int rule_op(struct nl_ns *nl, const struct op *op, struct err *e)
{
	int r = op->kind == OP_DEL ? nl_rule_del(nl, &op->row->rule, e) : nl_rule_add(nl, &op->row->rule, e);

	return r == -EEXIST ? 0 : r;
}

static int netlink_op(struct apply *a, const struct op *op, struct err *e)
{
	const struct row *row = op->row;
	bool del = op->kind == OP_DEL;
	struct lab_ns *ns;
	int r = lab_ns_get(a->k, row->ns, true, &ns, e);

	if (r < 0)
		return r;
	switch (row->kind) {
	case ROW_LINK: return nl_link_del(ns->nl, (int)row->link.ifindex, e);
	case ROW_ADDR: return addr_op(ns->nl, op, e);
	case ROW_NEIGH: return del ? nl_neigh_del(ns->nl, &row->neigh, e) : nl_neigh_set(ns->nl, &row->neigh, e);
	case ROW_ROUTE: return del ? nl_route_del(ns->nl, &row->route, e) : nl_route_set(ns->nl, &row->route, e);
	case ROW_RULE: return rule_op(ns->nl, op, e);
	default: return err_set(e, -EINVAL, "no such operation");
	}
}

static int row_op(struct apply *a, const struct op *op, struct err *e)
{
	const struct row *row = op->row;

	switch (row->kind) {
	case ROW_NS: return op->kind == OP_DEL ? ns_del(a, op, e) : apply_ns_add(a->k, &a->factory, row, e);
	case ROW_SYSCTL: return op->kind == OP_DEL ? 0 : sysctl_set(a, row, e);
	case ROW_NFT: return nft_op(a, op, e);
	case ROW_UPLINK:
		return op->kind == OP_DEL ? uplink_delete(a->k, e) : uplink_write(a->k, row->ns, &row->uplink, e);
	case ROW_FILTER: /* a program goes with its link; links never change their kind */
		return op->kind == OP_DEL ? 0 : filter_attach(a, row, e);
	case ROW_LINK:
		if (op->kind == OP_ADD)
			return apply_link_add(a->k, row, e);
		if (op->kind == OP_SET)
			return apply_link_set(a->k, row, op->old, e);
		if (op->kind == OP_UP)
			return apply_link_up(a->k, row, e);
		if (op->kind == OP_DOWN)
			return apply_link_down(a->k, row, e);
		break;
	default: break;
	}
	return netlink_op(a, op, e);
}

/* What goes with a namespace of this plan, or with a link whose other end is in one. */
static bool goes_by_itself(const struct apply *a, const struct op *op)
{
	if (op->kind != OP_DEL || !op->row || op->row->kind == ROW_NS || op->row->kind == ROW_UPLINK ||
	    op->rank < RANK_DEL_UPLINK)
		return false;
	return is_gone(a, op->row->ns) || (op->row->kind == ROW_LINK && is_gone(a, op->row->link.peer_ns));
}

static bool was_gone(int error)
{
	return error == -ENOENT || error == -ENODEV || error == -ESRCH || error == -EADDRNOTAVAIL || error == -ENXIO;
}

static int one_op(struct apply *a, const struct op *op, struct err *e)
{
	char text[256];
	int r;

	if (goes_by_itself(a, op))
		return 0;
	r = op->map_row ? map_op(a, op, e) : row_op(a, op, e);
	if (op->kind == OP_DEL && was_gone(r))
		return 0;
	return r < 0 ? err_wrap(e, "%s", op_format(op, text, sizeof(text))) : 0;
}

/* After the last operation of a rank. */
static void end_of_rank(struct apply *a, uint8_t rank)
{
	if (rank == RANK_NS)
		netns_maker_stop(&a->factory.maker);
	if (rank == RANK_DEL_NS) {
		processes_kill(a->left, a->n_left, ns_inode(a->k->userns));
		lab_ns_drop_all(a->k);
	}
	/* What was judged by the old maps, or sent through links that were not there, is judged anew. */
	if ((rank == RANK_SWITCH || rank == RANK_UP || rank == RANK_DEL_SWITCH || rank == RANK_DEL_LINK) &&
	    a->k->datapath)
		datapath_epoch_bump(a->k->datapath);
}

static int step_ops(struct apply *a, struct err *e)
{
	const struct op *op = &a->plan->ops[a->at];
	int r = one_op(a, op, e);

	if (r < 0 && op->rank < RANK_DEL_NFT)
		return r;
	if (r < 0 && !a->result) {
		a->result = r;
		a->err = *e;
	}
	a->at++;
	if (a->at == a->plan->n || op->rank != op[1].rank)
		end_of_rank(a, op->rank);
	return 1;
}

static int step_look(struct apply *a, struct err *e)
{
	const struct op *op = &a->plan->ops[a->at++];
	char text[256];
	int r = 0;

	if (op->map_row && a->k->datapath)
		r = datapath_row_check(a->k->datapath, op->maps, op->map_row, &a->plan->desired->maps, e);
	return r < 0 ? err_wrap(e, "%s", op_format(op, text, sizeof(text))) : 1;
}

/* ---- what vanishes by itself ---- */

static bool is_late(const struct apply *a, const char *ns)
{
	for (size_t i = 0; i < a->n_late; i++)
		if (!strcmp(a->late[i]->ns, ns))
			return true;
	return false;
}

static void wait_for(struct apply *a, const char *ns, uint32_t ifindex)
{
	if (ifindex)
		*VEC_PUSH(a->waits, a->n_waits, a->cap_waits) = (struct vanishing){ ns, ifindex };
}

/* early: links into namespaces that were unmounted as operations; else links between one of the
 * late ones and one that stays. */
static void list_waits(struct apply *a, bool early)
{
	const struct state *s = a->plan->actual;

	a->at = a->n_waits = 0;
	a->moved_us = now_us();
	for (size_t i = 0; s && a->n_gone && i < s->n; i++) {
		const struct row *row = &s->rows[i];
		const char *ends[2] = { row->ns, row->link.peer_ns };
		uint32_t indexes[2] = { row->link.ifindex, row->link.peer_ifindex };

		if (row->kind != ROW_LINK || !ends[1])
			continue;
		for (int end = 0; end < 2; end++) {
			const char *other = ends[!end];

			if (!is_gone(a, other) || is_late(a, other) == early)
				continue;
			if (!is_gone(a, ends[end]) || (early && is_late(a, ends[end])))
				wait_for(a, ends[end], indexes[end]);
		}
	}
}

static int step_vanish(struct apply *a)
{
	const struct vanishing *w;
	struct lab_ns *ns;

	if (a->at == a->n_waits)
		return 0;
	w = &a->waits[a->at];
	if (lab_ns_get(a->k, w->ns, true, &ns, NULL) < 0 || !nl_link_exists(ns->nl, (int)w->ifindex)) {
		a->at++;
		a->moved_us = now_us();
		return 1;
	}
	if (now_us() - a->moved_us > (a->n_waits - a->at > FEW ? STUCK_US : STUCK_FEW_US)) {
		nl_link_del(ns->nl, (int)w->ifindex, NULL); /* somebody still lives in there */
		a->at++;
		return 1;
	}
	poll(NULL, 0, POLL_MS);
	return 1;
}

static void remove_late(struct apply *a)
{
	for (size_t i = 0; i < a->n_late; i++) {
		struct err e = { 0 };

		if (apply_ns_remove(a->k, a->late[i]->ns, &e) < 0 && !a->result) {
			a->result = err_wrap(&e, "delete namespace %s", a->late[i]->ns);
			a->err = e;
		}
	}
}

/* ---- the end ---- */

static int finish(struct apply *a, struct err *e)
{
	struct kern *k = a->k;
	bool nothing = !a->plan->desired || !a->plan->desired->n;
	struct err why = { 0 };

	if (nothing && !a->result) {
		datapath_close(&k->datapath);
		a->result = datapath_unpin(k->bpf_dir, &why);
		cleanup_closep(&k->userns);
		k->userns = -1;
		if (userns_remove(k->lab, &k->dirs, a->result ? NULL : &why) < 0 && !a->result)
			a->result = why.code;
		a->err = why;
	}
	lab_ns_drop_all(k);
	if (nothing && !a->result) {
		netns_dir_release(&k->dirs);
		k->netns_dir_ready = false;
	}
	if (a->result < 0 && e)
		*e = a->err;
	return a->result;
}

/* One small piece of work: 1 more is to do, 0 done, negative failed. */
static int step(struct apply *a, struct err *e)
{
	switch (a->phase) {
	case PHASE_OPS:
		if (a->at < a->plan->n)
			return step_ops(a, e);
		a->phase = PHASE_LOOK;
		a->at = 0;
		return 1;
	case PHASE_LOOK:
		if (a->at < a->plan->n)
			return step_look(a, e);
		list_waits(a, true);
		a->phase = PHASE_VANISH;
		return 1;
	case PHASE_VANISH:
		if (step_vanish(a))
			return 1;
		a->phase = PHASE_UNMOUNT;
		return 1;
	case PHASE_UNMOUNT:
		remove_late(a);
		list_waits(a, false);
		a->phase = PHASE_VANISH_REST;
		return 1;
	case PHASE_VANISH_REST:
		if (step_vanish(a))
			return 1;
		a->phase = PHASE_FINISH;
		return 1;
	case PHASE_FINISH: a->phase = PHASE_DONE; return finish(a, e);
	case PHASE_DONE: break;
	}
	return a->result;
}

/* ---- the doors ---- */

struct apply *apply_new(struct kern *k, const struct plan *plan)
{
	struct apply *a = xcalloc(1, sizeof(*a));

	a->k = k;
	a->plan = plan;
	lab_ns_drop_all(k);
	for (size_t i = 0; i < plan->n; i++) {
		const struct op *op = &plan->ops[i];

		if (op->kind == OP_DEL && op->row && op->row->kind == ROW_NS)
			watch_drop(k, op->row->ns); /* it would keep it alive */
		if (op->kind == OP_DEL && op->row && op->row->kind == ROW_NS && op->rank >= RANK_DEL_UPLINK)
			*VEC_PUSH(a->gone, a->n_gone, a->cap_gone) = op->row->ns;
		a->factory.wanted +=
			op->kind == OP_ADD && op->row && op->row->kind == ROW_NS && op->row->ns_row.user_owned;
	}
	if (a->n_gone)
		qsort(a->gone, a->n_gone, sizeof(*a->gone), name_cmp);
	return a;
}

int apply_step(struct apply *a, unsigned budget_us, struct err *e)
{
	uint64_t end = now_us() + budget_us;
	struct err local = { 0 };
	int r;

	do
		r = step(a, &local);
	while (r > 0 && now_us() < end);
	if (r < 0) {
		if (a->phase != PHASE_DONE)
			err_wrap(&local, "lab %s", a->k->lab);
		a->phase = PHASE_DONE;
		a->result = r;
		netns_maker_stop(&a->factory.maker);
		lab_ns_drop_all(a->k);
		if (e)
			*e = local;
	}
	return r;
}

void apply_progress(const struct apply *a, size_t *done, size_t *total)
{
	*total = a->plan->n;
	*done = a->phase == PHASE_OPS ? a->at : a->plan->n;
}

void apply_free(struct apply **ap)
{
	struct apply *a = *ap;

	if (!a)
		return;
	netns_maker_stop(&a->factory.maker);
	lab_ns_drop_all(a->k);
	free(a->gone);
	free(a->left);
	free(a->late);
	free(a->waits);
	free(a);
	*ap = NULL;
}
