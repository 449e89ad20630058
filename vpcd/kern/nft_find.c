/* nft_find.c: under which source a NAT gateway sends on a connection that it knows. Kernel room. */
#include "kern/nft_find.h"
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>
#include "kern/nft_batch.h"

static void put_tuple(struct nlmsghdr *h, const struct abi_flow_key *k)
{
	struct nlattr *tuple = mnl_attr_nest_start(h, CTA_TUPLE_ORIG), *part = mnl_attr_nest_start(h, CTA_TUPLE_IP);

	mnl_attr_put(h, CTA_IP_V4_SRC, 4, k->src.b + 12);
	mnl_attr_put(h, CTA_IP_V4_DST, 4, k->dst.b + 12);
	mnl_attr_nest_end(h, part);
	part = mnl_attr_nest_start(h, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(h, CTA_PROTO_NUM, k->proto);
	if (k->proto == IPPROTO_ICMP) {
		mnl_attr_put(h, CTA_PROTO_ICMP_ID, 2, k->sport);
		mnl_attr_put_u8(h, CTA_PROTO_ICMP_TYPE, k->dport[0]);
		mnl_attr_put_u8(h, CTA_PROTO_ICMP_CODE, k->dport[1]);
	} else {
		mnl_attr_put(h, CTA_PROTO_SRC_PORT, 2, k->sport);
		mnl_attr_put(h, CTA_PROTO_DST_PORT, 2, k->dport);
	}
	mnl_attr_nest_end(h, part);
	mnl_attr_nest_end(h, tuple);
}

/* The attribute of this type of this size, inside another one. NULL: there is none. */
static const void *inside(const struct nlattr *outer, uint16_t type, uint16_t size)
{
	const struct nlattr *a;

	if (!outer)
		return NULL;
	mnl_attr_for_each_nested(a, outer) if (mnl_attr_get_type(a) == type &&
					       mnl_attr_get_payload_len(a) >= size) return size
		? mnl_attr_get_payload(a)
		: a;
	return NULL;
}

/* An answer goes to the source that the gateway gave the connection. */
static int found(const struct nlmsghdr *h, void *ctx)
{
	struct abi_flow_key *ret = ctx;
	const struct nlattr *a, *reply = NULL, *part;
	const void *addr, *port;

	mnl_attr_for_each(a, h, sizeof(struct nfgenmsg)) if (mnl_attr_get_type(a) == CTA_TUPLE_REPLY) reply = a;
	addr = inside(inside(reply, CTA_TUPLE_IP, 0), CTA_IP_V4_DST, 4);
	part = inside(reply, CTA_TUPLE_PROTO, 0);
	port = inside(part, ret->proto == IPPROTO_ICMP ? CTA_PROTO_ICMP_ID : CTA_PROTO_DST_PORT, 2);
	if (addr && port) {
		memcpy(ret->src.b + 12, addr, 4);
		memcpy(ret->sport, port, 2);
	}
	return MNL_CB_STOP;
}

int nft_find_source(const struct abi_flow_key *sent, struct abi_flow_key *ret)
{
	_cleanup_nft_ struct mnl_socket *s = NULL;
	char buf[512];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *g;
	int r = nft_open(&s, NULL);

	if (r < 0)
		return r;
	h->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
	h->nlmsg_flags = NLM_F_REQUEST;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = NFPROTO_IPV4;
	put_tuple(h, sent);
	*ret = *sent;
	return nft_ask(s, h, found, ret);
}
