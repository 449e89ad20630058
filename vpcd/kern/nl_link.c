/* nl_link.c: links: read, make veth pairs, change, delete. Kernel room, never prints. */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include "kern/nl.h"
#include "kern/nl_wire.h"

static void copy_text(char *to, size_t size, struct nlattr *nla)
{
	if (nla)
		nla_strlcpy(to, nla, size);
}

static void link_parse(struct nlmsghdr *h, struct nl_link *l)
{
	struct ifinfomsg *ifi = nlmsg_data(h);
	struct nlattr *tb[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1] = { NULL };

	memset(l, 0, sizeof(*l));
	l->ifindex = ifi->ifi_index;
	l->up = ifi->ifi_flags & IFF_UP;
	if (nlmsg_parse(h, sizeof(*ifi), tb, IFLA_MAX, NULL) < 0)
		return;
	copy_text(l->ifname, sizeof(l->ifname), tb[IFLA_IFNAME]);
	copy_text(l->alias, sizeof(l->alias), tb[IFLA_IFALIAS]);
	if (tb[IFLA_ADDRESS] && nla_len(tb[IFLA_ADDRESS]) == sizeof(l->mac))
		memcpy(l->mac, nla_data(tb[IFLA_ADDRESS]), sizeof(l->mac));
	l->mtu = tb[IFLA_MTU] ? nla_get_u32(tb[IFLA_MTU]) : 0;
	l->group = tb[IFLA_GROUP] ? nla_get_u32(tb[IFLA_GROUP]) : 0;
	l->peer = tb[IFLA_LINK] ? nla_get_u32(tb[IFLA_LINK]) : 0;
	l->peer_elsewhere = tb[IFLA_LINK_NETNSID] != NULL;
	if (tb[IFLA_LINKINFO] && nla_parse_nested(info, IFLA_INFO_MAX, tb[IFLA_LINKINFO], NULL) == 0 &&
	    info[IFLA_INFO_KIND])
		l->veth = !strcmp(nla_get_string(info[IFLA_INFO_KIND]), "veth");
}

struct link_fn {
	int (*fn)(void *ctx, const struct nl_link *l);
	void *ctx;
};

static int link_each(void *ctx, struct nlmsghdr *h)
{
	struct link_fn *f = ctx;
	struct nl_link l;

	if (h->nlmsg_type != RTM_NEWLINK)
		return 0;
	link_parse(h, &l);
	return f->fn(f->ctx, &l);
}

static struct nl_msg *link_msg(int type, int flags, int ifindex)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC, .ifi_index = ifindex };

	return nl_ns_msg(type, flags, &ifi, sizeof(ifi));
}

int nl_link_dump(struct nl_ns *ns, int (*fn)(void *ctx, const struct nl_link *l), void *ctx, struct err *e)
{
	struct nl_msg *msg = link_msg(RTM_GETLINK, 0, 0);
	struct link_fn f = { fn, ctx };

	nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return nl_ns_dump(ns, msg, link_each, &f, e);
}

static int link_keep(void *ctx, const struct nl_link *l)
{
	*(struct nl_link *)ctx = *l;
	return 0;
}

int nl_link_get(struct nl_ns *ns, int ifindex, const char *ifname, struct nl_link *ret, struct err *e)
{
	struct nl_msg *msg = link_msg(RTM_GETLINK, 0, ifindex);
	struct link_fn f = { link_keep, ret };

	nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (!ifindex)
		nla_put_string(msg, IFLA_IFNAME, ifname);
	return nl_ns_get(ns, msg, link_each, &f, e);
}

bool nl_link_exists(struct nl_ns *ns, int ifindex)
{
	struct ifreq req = { .ifr_ifindex = ifindex };

	return ioctl(nl_ns_fd(ns), SIOCGIFNAME, &req) == 0;
}

int nl_link_index(struct nl_ns *ns, const char *ifname, struct err *e)
{
	struct nl_link l;
	int r = strcmp(ifname, "lo") ? nl_ns_recall(ns, ifname) : NL_LO;

	if (r)
		return r;
	r = nl_link_get(ns, 0, ifname, &l, e);
	if (r < 0)
		return err_wrap(e, "interface %s", ifname);
	nl_ns_remember(ns, ifname, l.ifindex);
	return l.ifindex;
}

int nl_link_add_veth(struct nl_ns *ns, const struct link_row *row, int peer_ns_fd, struct err *e)
{
	struct ifinfomsg peer = { .ifi_index = (int)row->peer_ifindex }; /* it cannot be made up: -ENOTCONN */
	struct nl_msg *msg = link_msg(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, (int)row->ifindex);
	struct nlattr *info, *data, *end;
	int r;

	nla_put_string(msg, IFLA_IFNAME, row->ifname);
	nla_put(msg, IFLA_ADDRESS, sizeof(row->mac), row->mac);
	nla_put_u32(msg, IFLA_MTU, row->mtu);
	nla_put_u32(msg, IFLA_GROUP, NL_GROUP);
	nla_put_u32(msg, IFLA_NUM_TX_QUEUES, 1);
	nla_put_u32(msg, IFLA_NUM_RX_QUEUES, 1);
	info = nla_nest_start(msg, IFLA_LINKINFO);
	nla_put_string(msg, IFLA_INFO_KIND, "veth");
	data = nla_nest_start(msg, IFLA_INFO_DATA);
	end = nla_nest_start(msg, VETH_INFO_PEER);
	nlmsg_append(msg, &peer, sizeof(peer), NLMSG_ALIGNTO);
	nla_put_string(msg, IFLA_IFNAME, row->peer_ifname);
	nla_put(msg, IFLA_ADDRESS, sizeof(row->peer_mac), row->peer_mac);
	nla_put_u32(msg, IFLA_MTU, row->mtu);
	nla_put_u32(msg, IFLA_NUM_TX_QUEUES, 1);
	nla_put_u32(msg, IFLA_NUM_RX_QUEUES, 1);
	nla_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)peer_ns_fd);
	nla_nest_end(msg, end);
	nla_nest_end(msg, data);
	nla_nest_end(msg, info);
	r = nl_ns_talk(ns, msg, e);
	if (r == 0)
		nl_ns_remember(ns, row->ifname, (int)row->ifindex);
	return r;
}

static void put_quiet(struct nl_msg *msg, bool inet6_too)
{
	struct nlattr *spec = nla_nest_start(msg, IFLA_AF_SPEC), *family, *conf;

	family = nla_nest_start(msg, AF_INET);
	conf = nla_nest_start(msg, IFLA_INET_CONF);
	nla_put_u32(msg, IPV4_DEVCONF_PROMOTE_SECONDARIES, 1);
	nla_nest_end(msg, conf);
	nla_nest_end(msg, family);
	if (inet6_too) {
		family = nla_nest_start(msg, AF_INET6);
		nla_put_u8(msg, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
		nla_nest_end(msg, family);
	}
	nla_nest_end(msg, spec);
}

static struct nl_msg *change_msg(int ifindex, const struct nl_link_change *c, bool inet6_too)
{
	struct ifinfomsg ifi = { .ifi_index = ifindex };
	struct nl_msg *msg;

	if (c->up || c->down) {
		ifi.ifi_flags = c->up ? IFF_UP : 0;
		ifi.ifi_change = IFF_UP;
	}
	msg = nl_ns_msg(RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	if (c->ifname)
		nla_put_string(msg, IFLA_IFNAME, c->ifname);
	if (c->alias)
		nla_put(msg, IFLA_IFALIAS, (int)strlen(c->alias), c->alias);
	if (c->mac)
		nla_put(msg, IFLA_ADDRESS, 6, c->mac);
	if (c->mtu)
		nla_put_u32(msg, IFLA_MTU, c->mtu);
	if (c->group)
		nla_put_u32(msg, IFLA_GROUP, c->group);
	if (c->quiet)
		put_quiet(msg, inet6_too);
	return msg;
}

int nl_link_set(struct nl_ns *ns, int ifindex, const struct nl_link_change *c, struct err *e)
{
	int r = nl_ns_talk(ns, change_msg(ifindex, c, true), e);

	/* A kernel without IPv6 configures nothing by itself. */
	if (r == -EAFNOSUPPORT && c->quiet)
		r = nl_ns_talk(ns, change_msg(ifindex, c, false), e);
	if (c->ifname)
		nl_ns_forget(ns);
	return r;
}

void nl_link_settle(struct nl_ns *ns, const char *ifname)
{
	struct ethtool_value link = { .cmd = ETHTOOL_GLINK };
	struct ifreq q = { .ifr_data = (char *)&link };

	strncpy(q.ifr_name, ifname, sizeof(q.ifr_name) - 1);
	ioctl(nl_ns_fd(ns), SIOCETHTOOL, &q);
}

int nl_link_del(struct nl_ns *ns, int ifindex, struct err *e)
{
	nl_ns_forget(ns);
	return nl_ns_talk(ns, link_msg(RTM_DELLINK, 0, ifindex), e);
}
