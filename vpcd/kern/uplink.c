/* uplink.c: the link between a lab's internet and the machine's own namespace: made, seen, removed; and what the machine
 * must be like for it. Kernel room, never prints.
 *
 * In the machine's namespace stand a ruleset and one end of the link, both with the lab's mark; nothing else of the
 * machine is touched. The ruleset goes in before the link and, when all is removed, out after it: there is no moment in
 * which the lab reaches more than it should. */
#include "kern/uplink.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "kern/iptables.h"
#include "kern/lab.h"
#include "kern/ns.h"
#include "model/uplink.h"
#include "util/mem.h"

#define FORWARD "net/ipv4/ip_forward"
enum { MTU = 1500, COVERING_LEN = 17 /* a whole 169.254/16 on some interface is shared, as it is meant to be */ };

struct place { /* an address or a route that is looked for, and whether it was there */
	int ifindex;
	struct addr addr;
	bool found;
};

static int machine_open(struct nl_ns **ret, struct err *e)
{
	return nl_ns_open(ret, e); /* this process never stays in another namespace */
}

static void alias_of(const char *lab, char buf[80])
{
	snprintf(buf, 80, "vpcd %s uplink", lab);
}

/* The machine's end, if there is one: 0, -ENODEV, or -EEXIST when it is somebody else's. */
static int machine_end(struct nl_ns *machine, const char *lab, struct nl_link *ret)
{
	char alias[80], ifname[UPLINK_IFNAME_MAX];
	int r = nl_link_get(machine, 0, uplink_ifname(lab, ifname), ret, NULL);

	if (r < 0)
		return -ENODEV;
	alias_of(lab, alias);
	/* A crash may have come between the link and its alias. */
	return strcmp(ret->alias, alias) == 0 || (!ret->alias[0] && ret->group == NL_GROUP) ? 0 : -EEXIST;
}

char *uplink_ns_name(const char *lab)
{
	return xasprintf("%s.internet.uplink", lab);
}

/* ---- seeing ---- */

static int find_addr(void *ctx, const struct nl_addr_info *a)
{
	struct place *p = ctx;

	p->found |= a->ifindex == p->ifindex && a->prefix_len == UPLINK_PREFIX_LEN && addr_cmp(&a->addr, &p->addr) == 0;
	return 0;
}

static int find_route(void *ctx, const struct nl_route_info *r)
{
	struct place *p = ctx;

	p->found |= r->ifindex == p->ifindex && r->row.table == UPLINK_TABLE && addr_cmp(&r->row.via, &p->addr) == 0;
	return 0;
}

static bool end_is_good(struct nl_ns *nl, const struct nl_link *l, const struct addr *addr)
{
	struct place p = { .ifindex = l->ifindex, .addr = *addr };

	return l->up && l->mtu == MTU && nl_addr_dump(nl, find_addr, &p, NULL) == 0 && p.found;
}

/* The lab's end, with the address, route and ruleset it should have, and the other end of it at `there`. */
static bool lab_end_is_good(struct kern *k, const char *ns_name, const struct uplink_row *want,
			    const struct nl_link *there)
{
	struct addr machine = uplink_machine_addr(&want->addr);
	struct lab_ns *ns;
	struct nl_link l;
	struct place p = { .addr = machine };
	int rules;

	if (lab_ns_get(k, ns_name, true, &ns, NULL) < 0 || nl_link_get(ns->nl, 0, UPLINK_END, &l, NULL) < 0 ||
	    l.peer != (uint32_t)there->ifindex || there->peer != (uint32_t)l.ifindex ||
	    !end_is_good(ns->nl, &l, &want->addr))
		return false;
	p.ifindex = l.ifindex;
	if (nl_route_dump(ns->nl, find_route, &p, NULL) < 0 || !p.found || netns_enter(ns->fd) < 0)
		return false;
	rules = nft_uplink_compare(k->lab, UPLINK_LAB, want);
	netns_leave(k->self_ns);
	return rules == 1;
}

enum uplink_found uplink_observe(struct kern *k, const char *ns, const struct uplink_row *want)
{
	struct nl_ns *machine = NULL;
	enum uplink_found found = UPLINK_OTHER;
	struct nl_link there;
	int link, rules;

	if (machine_open(&machine, NULL) < 0)
		return UPLINK_OTHER;
	link = machine_end(machine, k->lab, &there);
	rules = nft_uplink_compare(k->lab, UPLINK_MACHINE, want);
	if (link != 0 && rules == 0) {
		found = UPLINK_ABSENT;
	} else if (want && link == 0 && rules == 1) {
		struct addr addr = uplink_machine_addr(&want->addr);
		char alias[80];

		alias_of(k->lab, alias);
		if (strcmp(there.alias, alias) == 0 && end_is_good(machine, &there, &addr) &&
		    lab_end_is_good(k, ns, want, &there))
			found = UPLINK_AS_WANTED;
	}
	nl_ns_close(&machine);
	lab_ns_drop(k, ns);
	return found;
}

/* ---- making ---- */

static int machine_link_del(struct nl_ns *machine, const char *lab, struct err *e)
{
	struct nl_link l;
	int r = machine_end(machine, lab, &l);

	if (r == -EEXIST)
		return err_set(e, r, "interface %s of this machine stands in the way and is not ours", l.ifname);
	r = r == 0 ? nl_link_del(machine, l.ifindex, e) : 0;
	return r == -ENODEV ? 0 : r;
}

static int end_write(struct nl_ns *nl, const char *ifname, const struct addr *addr, const char *alias, struct err *e)
{
	struct nl_link_change set = { .alias = alias, .quiet = true }, up = { .up = true };
	struct addr_row row = { .addr = *addr, .prefix_len = UPLINK_PREFIX_LEN };
	int ifindex = nl_link_index(nl, ifname, e);
	int r = ifindex < 0 ? ifindex : nl_link_set(nl, ifindex, &set, e);

	snprintf(row.ifname, sizeof(row.ifname), "%s", ifname);
	if (r == 0)
		r = nl_addr_add(nl, &row, e);
	return r < 0 ? r : nl_link_set(nl, ifindex, &up, e);
}

static int link_write(struct kern *k, struct nl_ns *machine, struct lab_ns *ns, const struct uplink_row *row,
		      struct err *e)
{
	struct link_row link = { .mtu = MTU };
	struct route_row route = { .table = UPLINK_TABLE, .via = uplink_machine_addr(&row->addr) };
	struct addr any = addr_from_v4(0);
	char alias[80];
	int r = machine_link_del(machine, k->lab, e);

	if (r < 0)
		return r;
	alias_of(k->lab, alias);
	snprintf(link.ifname, sizeof(link.ifname), "%s", row->ifname);
	snprintf(link.peer_ifname, sizeof(link.peer_ifname), UPLINK_END);
	/* Locally administered, and none that a port has. */
	memcpy(link.mac, (uint8_t[]){ 0x02, 0x77, 0, 0, 0, 1 }, sizeof(link.mac));
	memcpy(link.peer_mac, (uint8_t[]){ 0x02, 0x77, 0, 0, 0, 2 }, sizeof(link.peer_mac));
	r = nl_link_add_veth(machine, &link, ns->fd, e);
	nl_ns_forget(machine);
	nl_ns_forget(ns->nl);
	if (r == 0)
		r = end_write(machine, row->ifname, &route.via, alias, e);
	if (r == 0)
		r = end_write(ns->nl, UPLINK_END, &row->addr, NULL, e);
	if (r < 0)
		return r;
	nl_link_settle(machine, row->ifname);
	nl_link_settle(ns->nl, UPLINK_END);
	route.dst = prefix_of(&any, 0);
	snprintf(route.ifname, sizeof(route.ifname), UPLINK_END);
	return nl_route_set(ns->nl, &route, e);
}

int uplink_write(struct kern *k, const char *ns_name, const struct uplink_row *row, struct err *e)
{
	struct nl_ns *machine = NULL;
	struct lab_ns *ns;
	int r = lab_ns_get(k, ns_name, true, &ns, e);

	if (r == 0)
		r = nft_uplink_write(k->lab, UPLINK_MACHINE, row, e);
	if (r < 0)
		return r;
	r = netns_enter(ns->fd);
	if (r < 0)
		return err_set(e, r, "%s", strerror(-r));
	r = nft_uplink_write(k->lab, UPLINK_LAB, row, e);
	netns_leave(k->self_ns);
	if (r == 0)
		r = machine_open(&machine, e);
	if (r == 0)
		r = link_write(k, machine, ns, row, e);
	nl_ns_close(&machine);
	return r;
}

/* ---- removing ---- */

struct lab_end {
	int ifindex; /* of the machine's end */
	struct addr addr;
};

static int machine_addr_found(void *ctx, const struct nl_addr_info *a)
{
	struct lab_end *end = ctx;

	if (a->ifindex == end->ifindex && addr_family(&a->addr) == FAMILY_V4)
		end->addr = addr_add(&a->addr, 1);
	return 0;
}

int uplink_delete(struct kern *k, struct err *e)
{
	struct nl_ns *machine = NULL;
	struct lab_end end = { 0 };
	struct nl_link l;
	int r = machine_open(&machine, e);

	if (r < 0)
		return r;
	if (machine_end(machine, k->lab, &l) == 0) {
		end.ifindex = l.ifindex;
		nl_addr_dump(machine, machine_addr_found, &end, NULL);
		r = machine_link_del(machine, k->lab, e);
	}
	nl_ns_close(&machine);
	if (r == 0 && !addr_is_zero(&end.addr))
		nft_uplink_forget(&end.addr); /* the machine's own table of connections: what is left there times out */
	return r < 0 ? r : nft_uplink_delete(k->lab, e);
}

/* ---- the machine ---- */

int uplink_check_machine(struct err *e)
{
	char value[16], chain[128];

	if (sysctl_read(NULL, FORWARD, value, sizeof(value)) == 0 && strcmp(value, "0") == 0)
		return err_set_aws(e, -EPERM, "UnsupportedOperation",
				   "uplink: this machine forwards no packets: net.ipv4.ip_forward is 0; `sysctl "
				   "net.ipv4.ip_forward=1` allows it");
	if (nft_forward_drops(chain, sizeof(chain)) > 0)
		return err_set_aws(
			e, -EPERM, "UnsupportedOperation",
			"uplink: this machine would drop what it forwards: the policy of chain %s is drop; let "
			"it be accept",
			chain);
	if (iptables_forward_drops())
		return err_set_aws(
			e, -EPERM, "UnsupportedOperation",
			"uplink: this machine would drop what it forwards: the policy of iptables-legacy's chain "
			"FORWARD is drop; `iptables-legacy -P FORWARD ACCEPT` allows it");
	return 0;
}

struct room {
	int own; /* ifindex of the lab's link */
	struct prefix block;
	bool taken;
};

static int room_look(void *ctx, const struct nl_addr_info *a)
{
	struct room *room = ctx;
	struct prefix p;

	if (a->ifindex == room->own || addr_family(&a->addr) != FAMILY_V4)
		return 0;
	p = prefix_of(&a->addr, a->prefix_len);
	room->taken |= prefix_contains(&room->block, &a->addr) ||
		       (a->prefix_len >= COVERING_LEN && prefix_covers(&p, &room->block));
	return 0;
}

int uplink_choose_addr(const char *lab, struct addr *addr, struct err *e)
{
	struct nl_ns *machine = NULL;
	struct nl_link l;
	struct room room = { 0 };
	int r = machine_open(&machine, e);

	if (r < 0)
		return r;
	if (machine_end(machine, lab, &l) == 0)
		room.own = l.ifindex;
	for (unsigned i = 0; i < UPLINK_TRIES; i++) {
		struct addr a = i ? uplink_addr(lab, i - 1) : *addr;

		room.block = prefix_of(&a, UPLINK_PREFIX_LEN);
		room.taken = false;
		r = nl_addr_dump(machine, room_look, &room, e);
		if (r < 0 || !room.taken) {
			*addr = a;
			break;
		}
	}
	nl_ns_close(&machine);
	if (r == 0 && room.taken)
		return err_set_aws(e, -EADDRINUSE, "UnsupportedOperation",
				   "uplink: every block of 169.254/16 that was tried is in use on this machine");
	return r;
}
