/* apply_link.c: one veth pair of a plan: made, mended, brought up. Kernel room, never prints.
 *
 * The row's own end stands in a router's namespace or the internet's and is the gate: it is made
 * down, and OP_UP raises it when its programs are there. The peer may be up before: without
 * carrier it sends nothing. */
#include <errno.h>
#include <string.h>
#include "kern/apply_parts.h"

/* What has the number or name of a new link is a leftover if it is ours: away with it. */
static int clear_here(struct kern *k, struct lab_ns *ns, const struct link_row *row, bool by_name, struct err *e)
{
	struct nl_link l;
	int r = nl_link_get(ns->nl, by_name ? 0 : (int)row->ifindex, row->ifname, &l, NULL);

	if (r < 0)
		return 0;
	if (!l.veth || (l.group != NL_GROUP && !lab_is_marked(k, l.alias)))
		return err_set(e, -EEXIST, "interface %s (%d) of %s stands in the way and is not ours", l.ifname,
			       l.ifindex, ns->name);
	r = nl_link_del(ns->nl, l.ifindex, e);
	return r == -ENODEV ? 0 : r;
}

/* The peer's name is taken by the rest of a link whose router's namespace is just dying (it leads to our
 * number elsewhere), or by something of the instance's own root. */
static int clear_there(struct lab_ns *peer, const struct link_row *row, struct err *e)
{
	struct nl_link l;
	int r = nl_link_get(peer->nl, 0, row->peer_ifname, &l, NULL);

	if (r < 0)
		return 0;
	if (!l.veth || !l.peer_elsewhere || l.peer != row->ifindex)
		return err_set(e, -EEXIST, "interface %s of %s stands in the way and is not ours", l.ifname,
			       peer->name);
	r = nl_link_del(peer->nl, l.ifindex, e);
	return r == -ENODEV ? 0 : r;
}

static int link_clear(struct kern *k, struct lab_ns *ns, struct lab_ns *peer, const struct link_row *row, struct err *e)
{
	int r = clear_here(k, ns, row, false, e);

	if (r == 0)
		r = clear_here(k, ns, row, true, e);
	return r < 0 ? r : clear_there(peer, row, e);
}

static int link_ends(struct kern *k, const struct row *row, struct lab_ns **ns, struct lab_ns **peer, struct err *e)
{
	int r = lab_ns_get(k, row->link.peer_ns, true, peer, e);

	return r < 0 ? r : lab_ns_get(k, row->ns, true, ns, e);
}

static int peer_index(struct lab_ns *peer, const struct link_row *row, struct err *e)
{
	return row->peer_ifindex ? (int)row->peer_ifindex : nl_link_index(peer->nl, row->peer_ifname, e);
}

int apply_link_add(struct kern *k, const struct row *row, struct err *e)
{
	struct nl_link_change here = { .alias = row->link.alias, .quiet = true };
	/* Without carrier it sends nothing: this end, down until OP_UP, is the gate. */
	struct nl_link_change there = { .up = true, .quiet = true };
	struct lab_ns *ns, *peer;
	int ifindex, r = link_ends(k, row, &ns, &peer, e);

	if (r < 0)
		return r;
	r = nl_link_add_veth(ns->nl, &row->link, peer->fd, e);
	if (r == -EEXIST || r == -EBUSY) {
		r = link_clear(k, ns, peer, &row->link, e);
		if (r == 0)
			r = nl_link_add_veth(ns->nl, &row->link, peer->fd, e);
	}
	if (r < 0)
		return r;
	r = nl_link_set(ns->nl, (int)row->link.ifindex, &here, e);
	if (r < 0)
		return r;
	nl_ns_forget(peer->nl);
	ifindex = peer_index(peer, &row->link, e);
	if (ifindex < 0)
		return ifindex;
	r = nl_link_set(peer->nl, ifindex, &there, e);
	return r < 0 ? err_wrap(e, "%s in %s", row->link.peer_ifname, row->link.peer_ns) : 0;
}

/* One end: only what differs, since even the MAC it has already costs it its neighbours. */
static int end_set(struct nl_ns *nl, int ifindex, struct nl_link_change c, struct err *e)
{
	static const struct nl_link_change down = { .down = true };
	int r = 0;

	if (c.ifname) { /* needs it down */
		c.up = true;
		r = nl_link_set(nl, ifindex, &down, e);
	}
	return r < 0 ? r : nl_link_set(nl, ifindex, &c, e);
}

int apply_link_set(struct kern *k, const struct row *row, const struct row *old, struct err *e)
{
	const struct link_row *want = &row->link, *is = &old->link;
	struct lab_ns *ns, *peer;
	int r = link_ends(k, row, &ns, &peer, e);

	if (r < 0)
		return r;
	if (!is->peer_ns || strcmp(is->peer_ns, want->peer_ns) != 0 || is->ifindex != want->ifindex ||
	    (want->peer_ifindex && is->peer_ifindex != want->peer_ifindex)) {
		r = nl_link_del(ns->nl, (int)is->ifindex, e);
		return r < 0 && r != -ENODEV ? r : apply_link_add(k, row, e);
	}
	/* Its name is the row's key, so that never changes. */
	r = end_set(ns->nl, (int)is->ifindex,
		    (struct nl_link_change){ .alias = want->alias,
					     .mac = memcmp(is->mac, want->mac, sizeof(is->mac)) ? want->mac : NULL,
					     .mtu = is->mtu != want->mtu ? want->mtu : 0,
					     .group = NL_GROUP },
		    e);
	if (r < 0)
		return r;
	r = end_set(peer->nl, (int)is->peer_ifindex,
		    (struct nl_link_change){
			    .ifname = strcmp(is->peer_ifname, want->peer_ifname) ? want->peer_ifname : NULL,
			    .mac = memcmp(is->peer_mac, want->peer_mac, sizeof(is->peer_mac)) ? want->peer_mac : NULL,
			    .mtu = is->mtu != want->mtu ? want->mtu : 0 },
		    e);
	return r < 0 ? err_wrap(e, "%s in %s", is->peer_ifname, want->peer_ns) : 0;
}

int apply_link_up(struct kern *k, const struct row *row, struct err *e)
{
	static const struct nl_link_change up = { .up = true };
	struct lab_ns *ns, *peer;
	int ifindex, r = link_ends(k, row, &ns, &peer, e);

	if (r < 0)
		return r;
	ifindex = peer_index(peer, &row->link, e);
	r = ifindex < 0 ? ifindex : nl_link_set(peer->nl, ifindex, &up, e);
	if (r < 0)
		return err_wrap(e, "%s in %s", row->link.peer_ifname, row->link.peer_ns);
	r = nl_link_set(ns->nl, (int)row->link.ifindex, &up, e);
	nl_link_settle(ns->nl, row->link.ifname);
	nl_link_settle(peer->nl, row->link.peer_ifname);
	return r;
}

int apply_link_down(struct kern *k, const struct row *row, struct err *e)
{
	static const struct nl_link_change down = { .down = true };
	struct lab_ns *ns;
	int r = lab_ns_get(k, row->ns, true, &ns, e);

	return r < 0 ? r : nl_link_set(ns->nl, (int)row->link.ifindex, &down, e);
}
