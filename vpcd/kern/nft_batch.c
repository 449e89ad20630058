/* nft_batch.c: transactions of nf_tables, message by message, and the expressions rules are made of. Kernel room. */
#include "kern/nft_batch.h"
#include <errno.h>
#include <stdio.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include "util/addr.h"

enum { REG_A = NFT_REG_1 };

/* ---- messages ---- */

struct nlmsghdr *batch_msg(struct batch *b, uint16_t type, uint16_t flags)
{
	return nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(b->b), type, NFPROTO_IPV4, flags, b->seq++);
}

void batch_table(struct batch *b, const char *table, uint16_t type, const char *userdata)
{
	struct nftnl_table *t = nftnl_table_alloc();

	nftnl_table_set_str(t, NFTNL_TABLE_NAME, table);
	if (userdata)
		nftnl_table_set_data(t, NFTNL_TABLE_USERDATA, userdata, (uint32_t)strlen(userdata));
	nftnl_table_nlmsg_build_payload(batch_msg(b, type, (type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0) | NLM_F_ACK),
					t);
	nftnl_table_free(t);
	mnl_nlmsg_batch_next(b->b);
}

void batch_chain(struct batch *b, const struct nft_chain *chain)
{
	struct nftnl_chain *c = nftnl_chain_alloc();

	nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, chain->table);
	nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, chain->name);
	nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, chain->type);
	nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, chain->hook);
	nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, chain->prio);
	nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, chain->policy);
	nftnl_chain_nlmsg_build_payload(batch_msg(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_ACK), c);
	nftnl_chain_free(c);
	mnl_nlmsg_batch_next(b->b);
}

struct nftnl_rule *rule_new(const char *table, const char *chain)
{
	struct nftnl_rule *r = nftnl_rule_alloc();

	nftnl_rule_set_str(r, NFTNL_RULE_TABLE, table);
	nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, chain);
	nftnl_rule_set_u32(r, NFTNL_RULE_FAMILY, NFPROTO_IPV4);
	return r;
}

void batch_rule(struct batch *b, struct nftnl_rule *r)
{
	nftnl_rule_nlmsg_build_payload(batch_msg(b, NFT_MSG_NEWRULE, NLM_F_APPEND | NLM_F_CREATE | NLM_F_ACK), r);
	nftnl_rule_free(r);
	mnl_nlmsg_batch_next(b->b);
	b->rules++;
}

/* ---- expressions ---- */

struct nftnl_expr *expr_add(struct nftnl_rule *r, const char *name)
{
	struct nftnl_expr *x = nftnl_expr_alloc(name);

	nftnl_rule_add_expr(r, x);
	return x;
}

void expr_compare(struct nftnl_rule *r, uint32_t op, const void *data, uint32_t size)
{
	struct nftnl_expr *x = expr_add(r, "cmp");

	nftnl_expr_set_u32(x, NFTNL_EXPR_CMP_SREG, REG_A);
	nftnl_expr_set_u32(x, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set(x, NFTNL_EXPR_CMP_DATA, data, size);
}

void expr_mask(struct nftnl_rule *r, const void *mask)
{
	static const uint32_t zero;
	struct nftnl_expr *x = expr_add(r, "bitwise");

	nftnl_expr_set_u32(x, NFTNL_EXPR_BITWISE_SREG, REG_A);
	nftnl_expr_set_u32(x, NFTNL_EXPR_BITWISE_DREG, REG_A);
	nftnl_expr_set_u32(x, NFTNL_EXPR_BITWISE_LEN, sizeof(zero));
	nftnl_expr_set(x, NFTNL_EXPR_BITWISE_MASK, mask, sizeof(zero));
	nftnl_expr_set(x, NFTNL_EXPR_BITWISE_XOR, &zero, sizeof(zero));
}

void expr_proto(struct nftnl_rule *r, uint8_t proto)
{
	struct nftnl_expr *x = expr_add(r, "meta");

	nftnl_expr_set_u32(x, NFTNL_EXPR_META_KEY, NFT_META_L4PROTO);
	nftnl_expr_set_u32(x, NFTNL_EXPR_META_DREG, REG_A);
	expr_compare(r, NFT_CMP_EQ, &proto, sizeof(proto));
}

void expr_ct_state(struct nftnl_rule *r, uint32_t bits)
{
	static const uint32_t zero;
	struct nftnl_expr *x = expr_add(r, "ct");

	nftnl_expr_set_u32(x, NFTNL_EXPR_CT_KEY, NFT_CT_STATE);
	nftnl_expr_set_u32(x, NFTNL_EXPR_CT_DREG, REG_A);
	expr_mask(r, &bits);
	expr_compare(r, NFT_CMP_NEQ, &zero, sizeof(zero));
}

void expr_ct_mark_write(struct nftnl_rule *r, uint32_t keep, uint32_t bits)
{
	struct nftnl_expr *x;

	if (keep) {
		x = expr_add(r, "ct");
		nftnl_expr_set_u32(x, NFTNL_EXPR_CT_KEY, NFT_CT_MARK);
		nftnl_expr_set_u32(x, NFTNL_EXPR_CT_DREG, REG_A);
		x = expr_add(r, "bitwise");
		nftnl_expr_set_u32(x, NFTNL_EXPR_BITWISE_SREG, REG_A);
		nftnl_expr_set_u32(x, NFTNL_EXPR_BITWISE_DREG, REG_A);
		nftnl_expr_set_u32(x, NFTNL_EXPR_BITWISE_LEN, sizeof(keep));
		nftnl_expr_set(x, NFTNL_EXPR_BITWISE_MASK, &keep, sizeof(keep));
		nftnl_expr_set(x, NFTNL_EXPR_BITWISE_XOR, &bits, sizeof(bits));
	} else {
		x = expr_add(r, "immediate");
		nftnl_expr_set_u32(x, NFTNL_EXPR_IMM_DREG, REG_A);
		nftnl_expr_set(x, NFTNL_EXPR_IMM_DATA, &bits, sizeof(bits));
	}
	x = expr_add(r, "ct");
	nftnl_expr_set_u32(x, NFTNL_EXPR_CT_KEY, NFT_CT_MARK);
	nftnl_expr_set_u32(x, NFTNL_EXPR_CT_SREG, REG_A);
}

void expr_verdict(struct nftnl_rule *r, uint32_t verdict)
{
	struct nftnl_expr *x = expr_add(r, "immediate");

	nftnl_expr_set_u32(x, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(x, NFTNL_EXPR_IMM_VERDICT, verdict);
}

/* ---- talking ---- */

int nft_open(struct mnl_socket **ret, struct err *e)
{
	struct timeval timeout = { .tv_sec = 10 };

	*ret = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!*ret)
		return err_set(e, -errno, "nf_tables: socket: %s", strerror(errno));
	if (mnl_socket_bind(*ret, 0, MNL_SOCKET_AUTOPID) < 0) {
		int r = err_set(e, -errno, "nf_tables: bind: %s", strerror(errno));

		mnl_socket_close(*ret);
		*ret = NULL;
		return r;
	}
	setsockopt(mnl_socket_get_fd(*ret), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	return 0;
}

void nft_closep(struct mnl_socket **s)
{
	if (*s)
		mnl_socket_close(*s);
}

static int send_batch(struct batch *b, struct err *e)
{
	_cleanup_nft_ struct mnl_socket *s = NULL;
	char buf[16 << 10];
	uint32_t acks = b->seq - 2; /* all but begin and end ask for one */
	int r = nft_open(&s, e);

	if (r < 0)
		return r;
	if (mnl_socket_sendto(s, mnl_nlmsg_batch_head(b->b), mnl_nlmsg_batch_size(b->b)) < 0)
		return err_set(e, -errno, "nf_tables: send: %s", strerror(errno));
	while (acks) {
		ssize_t n = mnl_socket_recvfrom(s, buf, sizeof(buf));
		int left = (int)n;

		if (n < 0)
			return err_set(e, -errno, "nf_tables: receive: %s", strerror(errno));
		for (struct nlmsghdr *h = (struct nlmsghdr *)buf; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
			struct nlmsgerr *ack = mnl_nlmsg_get_payload(h);

			if (h->nlmsg_type != NLMSG_ERROR)
				continue;
			if (ack->error)
				return err_set(e, ack->error, "nf_tables: message %u of the ruleset: %s", h->nlmsg_seq,
					       strerror(-ack->error));
			acks--;
		}
	}
	return 0;
}

void batch_begin(struct batch *b, void *memory)
{
	b->b = mnl_nlmsg_batch_start(memory, NFT_BATCH_BYTES);
	if (!b->b)
		abort(); /* out of memory, as everywhere */
	nftnl_batch_begin(mnl_nlmsg_batch_current(b->b), b->seq++);
	mnl_nlmsg_batch_next(b->b);
}

int batch_commit(struct batch *b, struct err *e)
{
	int r;

	nftnl_batch_end(mnl_nlmsg_batch_current(b->b), b->seq++);
	mnl_nlmsg_batch_next(b->b);
	r = send_batch(b, e);
	mnl_nlmsg_batch_stop(b->b);
	return r;
}

uint32_t ct_mark_of(const struct addr *a)
{
	return addr_to_v4(a) << CT_STAGE_BITS;
}

int nft_ask(struct mnl_socket *s, const struct nlmsghdr *h, mnl_cb_t fn, void *ctx)
{
	char buf[32 << 10];
	unsigned port = mnl_socket_get_portid(s);
	int r = MNL_CB_OK;

	if (mnl_socket_sendto(s, h, h->nlmsg_len) < 0)
		return -errno;
	while (r > MNL_CB_STOP) {
		ssize_t n = mnl_socket_recvfrom(s, buf, sizeof(buf));

		if (n < 0)
			return -errno;
		r = mnl_cb_run(buf, (size_t)n, 0, port, fn, ctx);
		if (r < 0)
			return -errno;
	}
	return 0;
}
