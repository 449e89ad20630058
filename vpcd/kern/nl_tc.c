/* nl_tc.c: BPF programs at the two hooks of an interface: clsact, and one cls_bpf filter each, always at the same
 * place, so that a new program replaces the old one without a gap. Kernel room, never prints.
 *
 * libbpf can do this too; but it opens a socket for every call, in the namespace it is called in. */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include "kern/nl.h"
#include "kern/nl_wire.h"

enum { HANDLE = 1, PRIORITY = 1 };

static struct nl_msg *filter_msg(int type, int flags, int ifindex, bool egress)
{
	struct tcmsg tc = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = ifindex,
		.tcm_handle = HANDLE,
		.tcm_parent = TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS),
		.tcm_info = TC_H_MAKE(PRIORITY << 16, __builtin_bswap16(ETH_P_ALL)),
	};
	struct nl_msg *msg = nl_ns_msg(type, flags, &tc, sizeof(tc));

	nla_put_string(msg, TCA_KIND, "bpf");
	return msg;
}

int nl_filter_set(struct nl_ns *ns, int ifindex, bool egress, int prog_fd, const char *name, struct err *e)
{
	struct tcmsg tc = { .tcm_family = AF_UNSPEC,
			    .tcm_ifindex = ifindex,
			    .tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0),
			    .tcm_parent = TC_H_CLSACT };
	struct nl_msg *msg = nl_ns_msg(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &tc, sizeof(tc));
	struct nlattr *options;
	int r;

	nla_put_string(msg, TCA_KIND, "clsact");
	r = nl_ns_talk(ns, msg, e);
	if (r < 0 && r != -EEXIST)
		return err_wrap(e, "clsact");
	msg = filter_msg(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_REPLACE, ifindex, egress);
	options = nla_nest_start(msg, TCA_OPTIONS);
	nla_put_u32(msg, TCA_BPF_FD, (uint32_t)prog_fd);
	nla_put_string(msg, TCA_BPF_NAME, name);
	nla_put_u32(msg, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	nla_nest_end(msg, options);
	return nl_ns_talk(ns, msg, e);
}

static int filter_seen(void *ctx, struct nlmsghdr *h)
{
	struct nlattr *tb[TCA_MAX + 1], *bpf[TCA_BPF_MAX + 1] = { NULL };

	if (h->nlmsg_type != RTM_NEWTFILTER || nlmsg_parse(h, sizeof(struct tcmsg), tb, TCA_MAX, NULL) < 0)
		return 0;
	if (tb[TCA_OPTIONS] && nla_parse_nested(bpf, TCA_BPF_MAX, tb[TCA_OPTIONS], NULL) == 0 && bpf[TCA_BPF_ID])
		*(uint32_t *)ctx = nla_get_u32(bpf[TCA_BPF_ID]);
	return 0;
}

uint32_t nl_filter_get(struct nl_ns *ns, int ifindex, bool egress)
{
	uint32_t id = 0;

	nl_ns_get(ns, filter_msg(RTM_GETTFILTER, 0, ifindex, egress), filter_seen, &id, NULL);
	return id;
}
