/* apply_ns.c: one network namespace of a plan: made, mended, removed. Kernel room, never prints.
 *
 * Made in this order: the namespace; its lo up and marked; the mount. So what is mounted is marked,
 * and a crash leaves nothing, or a file of ours without its mount. */
#include <errno.h>
#include <string.h>
#include "kern/apply_parts.h"
#include "kern/ns.h"
#include "kern/watch.h"
#include "util/mem.h"

static int ns_make(struct kern *k, struct ns_factory *f, const struct row *row, struct err *e)
{
	int userns;

	if (!row->ns_row.user_owned)
		return netns_new(k->self_ns, e);
	if (!f->maker) {
		userns = lab_userns(k, e);
		if (userns < 0)
			return userns;
		if (netns_maker_start(userns, f->wanted ? f->wanted : 1, &f->maker, e) < 0)
			return e->code;
	}
	return netns_maker_next(f->maker, e);
}

/* lo up and marked. Before the mount, so that a mount is never without its mark. */
static int ns_mark(struct kern *k, struct nl_ns *nl, struct err *e)
{
	struct nl_link_change c = { .alias = k->mark, .up = true };
	int r = nl_link_set(nl, NL_LO, &c, e);

	return r < 0 ? err_wrap(e, "lo") : 0;
}

/* A new namespace takes over IPv4's settings from the machine's own. A fresh instance has the kernel's: a machine
 * that forwards must not make a router of each of them. Later its own root may set them. Inside it. */
static void ns_settle(struct kern *k, struct ns_factory *f)
{
	static const struct {
		const char *path, *value;
	} fresh[] = {
		{ "net/ipv4/ip_forward", "0" },
		{ "net/ipv4/conf/all/rp_filter", "0" },
		{ "net/ipv4/conf/default/rp_filter", "0" },
	};
	char value[16];

	/* All are born alike: the first one tells what differs. */
	for (unsigned i = 0; !f->is_known && i < ARRAY_SIZE(fresh); i++)
		if (sysctl_read(&k->sysctls, fresh[i].path, value, sizeof(value)) == 0 &&
		    strcmp(value, fresh[i].value) != 0)
			f->differ |= 1u << i;
	f->is_known = true;
	for (unsigned i = 0; f->differ >> i; i++)
		if (f->differ >> i & 1)
			sysctl_write(&k->sysctls, fresh[i].path, fresh[i].value);
}

static int ns_create(struct kern *k, struct ns_factory *f, const struct row *row, struct err *e)
{
	_cleanup_free_ char *path = xasprintf(NETNS_DIR "/%s", row->ns);
	_cleanup_close_ int fd = -1;
	struct nl_ns *nl = NULL;
	int r;

	if (!k->netns_dir_ready) {
		r = netns_dir_prepare(&k->dirs, e);
		if (r < 0)
			return r;
		k->netns_dir_ready = true;
	}
	fd = ns_make(k, f, row, e);
	if (fd < 0)
		return e->code;
	r = netns_enter(fd);
	if (r < 0)
		return err_set(e, r, "cannot be entered: %s", strerror(-r));
	r = nl_ns_open(&nl, e);
	if (row->ns_row.user_owned)
		ns_settle(k, f);
	netns_leave(k->self_ns);
	if (r == 0)
		r = ns_mark(k, nl, e);
	if (r == 0)
		r = ns_mount(path, fd, k->file_text, e);
	if (r < 0)
		nl_ns_close(&nl);
	else
		lab_ns_put(k, row->ns, TAKE_FD(fd), nl);
	return r;
}

int apply_ns_remove(struct kern *k, const char *name, struct err *e)
{
	_cleanup_free_ char *path = xasprintf(NETNS_DIR "/%s", name);

	lab_ns_drop(k, name);
	watch_drop(k, name);
	return ns_unmount(path, e);
}

/* What stands at the name already: ours is mended, another one is left alone. */
int apply_ns_add(struct kern *k, struct ns_factory *f, const struct row *row, struct err *e)
{
	int fd, r = row->ns_row.user_owned ? lab_userns(k, e) : 0;
	enum netns_found found;
	struct nl_link lo = { 0 };
	struct lab_ns *ns;

	if (r < 0)
		return r;
	found = netns_examine(row->ns, k->file_text, ns_inode(k->userns), &fd);
	if (found == NETNS_ABSENT || found == NETNS_HALF)
		return ns_create(k, f, row, e);
	if (fd < 0)
		return err_set(e, -EEXIST, "%s/%s exists and is not lab %s's", NETNS_DIR, row->ns, k->lab);
	lab_ns_put(k, row->ns, fd, NULL);
	r = lab_ns_get(k, row->ns, true, &ns, e);
	if (r < 0)
		return r;
	nl_link_get(ns->nl, NL_LO, NULL, &lo, NULL);
	if (found != NETNS_OWNED && strcmp(lo.alias, k->mark) != 0) {
		lab_ns_drop(k, row->ns);
		return err_set(e, -EEXIST, "it exists and is not lab %s's", k->lab);
	}
	if ((found == NETNS_OWNED) == row->ns_row.user_owned)
		return ns_mark(k, ns->nl, e);
	/* Ours, but owned by the wrong user namespace: a new one. */
	r = apply_ns_remove(k, row->ns, e);
	return r < 0 ? r : ns_create(k, f, row, e);
}
