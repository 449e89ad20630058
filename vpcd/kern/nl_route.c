/* nl_route.c: routes and policy rules. Ours carry ABI_ROUTE_PROTO. Kernel room, never prints. */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include "kern/nl.h"
#include "kern/nl_wire.h"

/* ---- routes ---- */

static const uint8_t kernel_types[] = {
	[ROUTE_TYPE_UNICAST] = RTN_UNICAST,
	[ROUTE_TYPE_THROW] = RTN_THROW,
	[ROUTE_TYPE_BLACKHOLE] = RTN_BLACKHOLE,
};

struct route_fn {
	int (*fn)(void *ctx, const struct nl_route_info *r);
	void *ctx;
};

static bool route_parse(struct nlmsghdr *h, struct nl_route_info *ret)
{
	struct rtmsg *rtm = nlmsg_data(h);
	struct nlattr *tb[RTA_MAX + 1];
	struct route_row *row = &ret->row;
	struct addr dst = addr_from_v4(0);
	size_t type;

	memset(ret, 0, sizeof(*ret));
	if (h->nlmsg_type != RTM_NEWROUTE || nlmsg_parse(h, sizeof(*rtm), tb, RTA_MAX, NULL) < 0)
		return false;
	if (rtm->rtm_protocol != ABI_ROUTE_PROTO || (rtm->rtm_flags & RTM_F_CLONED))
		return false;
	for (type = 0; type < sizeof(kernel_types); type++)
		if (kernel_types[type] == rtm->rtm_type)
			break;
	if (type == sizeof(kernel_types))
		return false;
	row->type = (enum route_type)type;
	row->table = tb[RTA_TABLE] ? nla_get_u32(tb[RTA_TABLE]) : rtm->rtm_table;
	row->metric = tb[RTA_PRIORITY] ? nla_get_u32(tb[RTA_PRIORITY]) : 0;
	if (rtm->rtm_family == AF_INET6)
		memset(&dst, 0, sizeof(dst));
	wire_get_addr(tb[RTA_DST], &dst);
	row->dst = (struct prefix){ dst, rtm->rtm_dst_len, rtm->rtm_family == AF_INET6 ? FAMILY_V6 : FAMILY_V4 };
	wire_get_addr(tb[RTA_GATEWAY], &row->via);
	wire_get_addr(tb[RTA_PREFSRC], &row->prefsrc);
	ret->ifindex = tb[RTA_OIF] ? (int)nla_get_u32(tb[RTA_OIF]) : 0;
	if (rtm->rtm_type != RTN_UNICAST)
		ret->ifindex = 0; /* IPv6 shows lo */
	return true;
}

static int route_each(void *ctx, struct nlmsghdr *h)
{
	struct route_fn *f = ctx;
	struct nl_route_info r;

	return route_parse(h, &r) ? f->fn(f->ctx, &r) : 0;
}

int nl_route_dump(struct nl_ns *ns, int (*fn)(void *ctx, const struct nl_route_info *r), void *ctx, struct err *e)
{
	struct rtmsg rtm = { .rtm_family = WIRE_DUMP_FAMILY, .rtm_protocol = ABI_ROUTE_PROTO };
	struct route_fn f = { fn, ctx };

	return nl_ns_dump(ns, nl_ns_msg(RTM_GETROUTE, 0, &rtm, sizeof(rtm)), route_each, &f, e);
}

static int route_msg(struct nl_ns *ns, int type, int flags, const struct route_row *row, struct nl_msg **ret,
		     struct err *e)
{
	struct rtmsg rtm = {
		.rtm_family = row->dst.family == FAMILY_V6 ? AF_INET6 : AF_INET,
		.rtm_dst_len = row->dst.len,
		.rtm_table = row->table < 256 ? (uint8_t)row->table : RT_TABLE_UNSPEC,
		.rtm_protocol = ABI_ROUTE_PROTO,
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = kernel_types[row->type],
	};
	bool via = !addr_is_zero(&row->via);
	int ifindex = 0;

	if (row->ifname[0]) {
		ifindex = nl_link_index(ns, row->ifname, e);
		if (ifindex < 0)
			return ifindex;
		if (!via && rtm.rtm_family == AF_INET)
			rtm.rtm_scope = RT_SCOPE_LINK;
		if (via)
			rtm.rtm_flags = RTNH_F_ONLINK;
	}
	*ret = nl_ns_msg(type, flags, &rtm, sizeof(rtm));
	nla_put_u32(*ret, RTA_TABLE, row->table);
	if (row->dst.len)
		wire_put_addr(*ret, RTA_DST, &row->dst.addr);
	if (row->metric)
		nla_put_u32(*ret, RTA_PRIORITY, row->metric);
	if (ifindex)
		nla_put_u32(*ret, RTA_OIF, (uint32_t)ifindex);
	if (via)
		wire_put_addr(*ret, RTA_GATEWAY, &row->via);
	if (!addr_is_zero(&row->prefsrc))
		wire_put_addr(*ret, RTA_PREFSRC, &row->prefsrc);
	return 0;
}

int nl_route_set(struct nl_ns *ns, const struct route_row *row, struct err *e)
{
	struct nl_msg *msg;
	int r = route_msg(ns, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, row, &msg, e);

	return r < 0 ? r : nl_ns_talk(ns, msg, e);
}

int nl_route_del(struct nl_ns *ns, const struct route_row *row, struct err *e)
{
	struct nl_msg *msg;
	int r = route_msg(ns, RTM_DELROUTE, 0, row, &msg, e);

	return r < 0 ? r : nl_ns_talk(ns, msg, e);
}

/* ---- rules: IPv4 only, as the rows say no family yet ---- */

struct rule_fn {
	int (*fn)(void *ctx, const struct rule_row *r);
	void *ctx;
};

static int rule_each(void *ctx, struct nlmsghdr *h)
{
	struct rule_fn *f = ctx;
	struct fib_rule_hdr *frh = nlmsg_data(h);
	struct nlattr *tb[FRA_MAX + 1];
	struct rule_row row = { 0 };

	if (h->nlmsg_type != RTM_NEWRULE || nlmsg_parse(h, sizeof(*frh), tb, FRA_MAX, NULL) < 0)
		return 0;
	if (!tb[FRA_PROTOCOL] || nla_get_u8(tb[FRA_PROTOCOL]) != ABI_ROUTE_PROTO)
		return 0;
	row.pref = tb[FRA_PRIORITY] ? nla_get_u32(tb[FRA_PRIORITY]) : 0;
	row.mark = tb[FRA_FWMARK] ? nla_get_u32(tb[FRA_FWMARK]) : 0;
	row.mask = tb[FRA_FWMASK] ? nla_get_u32(tb[FRA_FWMASK]) : 0;
	if (frh->src_len == 32)
		wire_get_addr(tb[FRA_SRC], &row.from);
	if (frh->action == FR_ACT_TO_TBL)
		row.table = tb[FRA_TABLE] ? nla_get_u32(tb[FRA_TABLE]) : frh->table;
	return f->fn(f->ctx, &row);
}

int nl_rule_dump(struct nl_ns *ns, int (*fn)(void *ctx, const struct rule_row *r), void *ctx, struct err *e)
{
	struct fib_rule_hdr frh = { .family = AF_INET };
	struct rule_fn f = { fn, ctx };

	return nl_ns_dump(ns, nl_ns_msg(RTM_GETRULE, 0, &frh, sizeof(frh)), rule_each, &f, e);
}

static int rule_talk(struct nl_ns *ns, int type, int flags, const struct rule_row *row, struct err *e)
{
	struct fib_rule_hdr frh = { .family = AF_INET };
	struct nl_msg *msg;

	frh.action = row->table ? FR_ACT_TO_TBL : FR_ACT_BLACKHOLE;
	frh.table = row->table < 256 ? (uint8_t)row->table : RT_TABLE_UNSPEC;
	frh.src_len = addr_is_zero(&row->from) ? 0 : 32;
	msg = nl_ns_msg(type, flags, &frh, sizeof(frh));
	nla_put_u32(msg, FRA_PRIORITY, row->pref);
	nla_put_u8(msg, FRA_PROTOCOL, ABI_ROUTE_PROTO);
	if (row->mask) {
		nla_put_u32(msg, FRA_FWMARK, row->mark);
		nla_put_u32(msg, FRA_FWMASK, row->mask);
	}
	if (frh.src_len)
		wire_put_addr(msg, FRA_SRC, &row->from);
	if (row->table)
		nla_put_u32(msg, FRA_TABLE, row->table);
	return nl_ns_talk(ns, msg, e);
}

int nl_rule_add(struct nl_ns *ns, const struct rule_row *row, struct err *e)
{
	return rule_talk(ns, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, row, e);
}

int nl_rule_del(struct nl_ns *ns, const struct rule_row *row, struct err *e)
{
	return rule_talk(ns, RTM_DELRULE, 0, row, e);
}
