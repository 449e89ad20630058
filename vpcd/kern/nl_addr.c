/* nl_addr.c: addresses of interfaces. Ours carry ABI_ROUTE_PROTO. Kernel room, never prints. */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include "kern/nl.h"
#include "kern/nl_wire.h"

struct addr_fn {
	int (*fn)(void *ctx, const struct nl_addr_info *a);
	void *ctx;
};

static int addr_each(void *ctx, struct nlmsghdr *h)
{
	struct addr_fn *f = ctx;
	struct ifaddrmsg *ifa = nlmsg_data(h);
	struct nlattr *tb[IFA_MAX + 1];
	struct nl_addr_info a = { 0 };

	if (h->nlmsg_type != RTM_NEWADDR || nlmsg_parse(h, sizeof(*ifa), tb, IFA_MAX, NULL) < 0)
		return 0;
	if (!wire_get_addr(tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS], &a.addr))
		return 0;
	a.ifindex = (int)ifa->ifa_index;
	a.prefix_len = ifa->ifa_prefixlen;
	a.proto = tb[IFA_PROTO] ? nla_get_u8(tb[IFA_PROTO]) : 0;
	return f->fn(f->ctx, &a);
}

int nl_addr_dump(struct nl_ns *ns, int (*fn)(void *ctx, const struct nl_addr_info *a), void *ctx, struct err *e)
{
	struct ifaddrmsg ifa = { .ifa_family = WIRE_DUMP_FAMILY };
	struct addr_fn f = { fn, ctx };

	return nl_ns_dump(ns, nl_ns_msg(RTM_GETADDR, 0, &ifa, sizeof(ifa)), addr_each, &f, e);
}

static int addr_msg(struct nl_ns *ns, int type, int flags, const struct addr_row *row, struct nl_msg **ret,
		    struct err *e)
{
	struct ifaddrmsg ifa = { .ifa_family = (uint8_t)wire_af(&row->addr), .ifa_prefixlen = row->prefix_len };
	int ifindex = nl_link_index(ns, row->ifname, e);

	if (ifindex < 0)
		return ifindex;
	ifa.ifa_index = (uint32_t)ifindex;
	ifa.ifa_scope = ifindex == NL_LO ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
	if (ifa.ifa_family == AF_INET6)
		ifa.ifa_flags = IFA_F_NODAD;
	*ret = nl_ns_msg(type, flags, &ifa, sizeof(ifa));
	wire_put_addr(*ret, IFA_LOCAL, &row->addr);
	wire_put_addr(*ret, IFA_ADDRESS, &row->addr);
	return 0;
}

int nl_addr_add(struct nl_ns *ns, const struct addr_row *row, struct err *e)
{
	struct nl_msg *msg;
	int r = addr_msg(ns, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, row, &msg, e);

	if (r < 0)
		return r;
	nla_put_u8(msg, IFA_PROTO, ABI_ROUTE_PROTO);
	return nl_ns_talk(ns, msg, e);
}

int nl_addr_del(struct nl_ns *ns, const struct addr_row *row, struct err *e)
{
	struct nl_msg *msg;
	int r = addr_msg(ns, RTM_DELADDR, 0, row, &msg, e);

	return r < 0 ? r : nl_ns_talk(ns, msg, e);
}
