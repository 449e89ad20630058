/* nl_neigh.c: permanent neighbours. Ours carry ABI_ROUTE_PROTO. Kernel room, never prints. */
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include "kern/nl.h"
#include "kern/nl_wire.h"

struct neigh_fn {
	int (*fn)(void *ctx, const struct nl_neigh_info *n);
	void *ctx;
};

static int neigh_each(void *ctx, struct nlmsghdr *h)
{
	struct neigh_fn *f = ctx;
	struct ndmsg *ndm = nlmsg_data(h);
	struct nlattr *tb[NDA_MAX + 1];
	struct nl_neigh_info n = { 0 };

	if (h->nlmsg_type != RTM_NEWNEIGH || nlmsg_parse(h, sizeof(*ndm), tb, NDA_MAX, NULL) < 0)
		return 0;
	if (!(ndm->ndm_state & NUD_PERMANENT) || !tb[NDA_PROTOCOL] || nla_get_u8(tb[NDA_PROTOCOL]) != ABI_ROUTE_PROTO)
		return 0;
	if (!wire_get_addr(tb[NDA_DST], &n.addr))
		return 0;
	if (tb[NDA_LLADDR] && nla_len(tb[NDA_LLADDR]) == sizeof(n.mac))
		memcpy(n.mac, nla_data(tb[NDA_LLADDR]), sizeof(n.mac));
	n.ifindex = ndm->ndm_ifindex;
	return f->fn(f->ctx, &n);
}

int nl_neigh_dump(struct nl_ns *ns, int (*fn)(void *ctx, const struct nl_neigh_info *n), void *ctx, struct err *e)
{
	struct ndmsg ndm = { .ndm_family = WIRE_DUMP_FAMILY };
	struct neigh_fn f = { fn, ctx };

	return nl_ns_dump(ns, nl_ns_msg(RTM_GETNEIGH, 0, &ndm, sizeof(ndm)), neigh_each, &f, e);
}

static int neigh_msg(struct nl_ns *ns, int type, int flags, const struct neigh_row *row, struct nl_msg **ret,
		     struct err *e)
{
	struct ndmsg ndm = { .ndm_family = (uint8_t)wire_af(&row->addr), .ndm_state = NUD_PERMANENT };

	ndm.ndm_ifindex = nl_link_index(ns, row->ifname, e);
	if (ndm.ndm_ifindex < 0)
		return ndm.ndm_ifindex;
	*ret = nl_ns_msg(type, flags, &ndm, sizeof(ndm));
	wire_put_addr(*ret, NDA_DST, &row->addr);
	return 0;
}

int nl_neigh_set(struct nl_ns *ns, const struct neigh_row *row, struct err *e)
{
	struct nl_msg *msg;
	int r = neigh_msg(ns, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, row, &msg, e);

	if (r < 0)
		return r;
	nla_put(msg, NDA_LLADDR, sizeof(row->mac), row->mac);
	nla_put_u8(msg, NDA_PROTOCOL, ABI_ROUTE_PROTO);
	return nl_ns_talk(ns, msg, e);
}

int nl_neigh_del(struct nl_ns *ns, const struct neigh_row *row, struct err *e)
{
	struct nl_msg *msg;
	int r = neigh_msg(ns, RTM_DELNEIGH, 0, row, &msg, e);

	return r < 0 ? r : nl_ns_talk(ns, msg, e);
}
