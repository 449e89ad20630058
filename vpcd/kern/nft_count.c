/* nft_count.c: a NAT gateway's counters: nf_tables counters around its ruleset, and the kernel's table of connections.
 *
 *   arriving  forward, before the ruleset   of the source, of the destination, of no connection
 *   refused   input                         sent to the gateway itself: it answers nobody
 *   carried   forward, after the ruleset    to the destination, to the source; then TCP's beginning and end
 *
 * The mark of a connection says how far it came: OPEN at the first SYN-ACK, ENDING at the first FIN or RST after. What was
 * once open, did not end and is no longer in the kernel's table has timed out idle. What arrived and was not carried was
 * dropped. Directions are the connection's: the source is who opened it. */
#include "kern/nft_count.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/in.h>
#include <string.h>
#include "kern/nft_batch.h"
#include "util/mem.h"

#define TABLE "vpcd-count"
#define VERSION 1 /* of the table's rules */

enum { MARK_NONE, MARK_OPEN, MARK_ENDING };
enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

enum counter {
	IN_SOURCE,
	IN_DESTINATION,
	IN_STRAY,
	REFUSED,
	OUT_DESTINATION,
	OUT_SOURCE,
	ATTEMPTS,
	OPENED,
	ENDED,
	COUNTER_MAX
};
static const char *const counter_names[COUNTER_MAX] = {
	[IN_SOURCE] = "in-source",
	[IN_DESTINATION] = "in-destination",
	[IN_STRAY] = "in-stray",
	[REFUSED] = "refused",
	[OUT_DESTINATION] = "out-destination",
	[OUT_SOURCE] = "out-source",
	[ATTEMPTS] = "attempts",
	[OPENED] = "opened",
	[ENDED] = "ended",
};

static const struct nft_chain chains[] = {
	{ TABLE, "arriving", "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER - 10, NF_ACCEPT },
	{ TABLE, "refused", "filter", NF_INET_LOCAL_IN, NF_IP_PRI_FILTER - 10, NF_ACCEPT },
	{ TABLE, "carried", "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER + 10, NF_ACCEPT },
};

/* ---- writing ---- */

static void batch_counter(struct batch *b, const char *name)
{
	struct nftnl_obj *o = nftnl_obj_alloc();

	nftnl_obj_set_str(o, NFTNL_OBJ_TABLE, TABLE);
	nftnl_obj_set_str(o, NFTNL_OBJ_NAME, name);
	nftnl_obj_set_u32(o, NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
	nftnl_obj_nlmsg_build_payload(batch_msg(b, NFT_MSG_NEWOBJ, NLM_F_CREATE | NLM_F_ACK), o);
	nftnl_obj_free(o);
	mnl_nlmsg_batch_next(b->b);
}

static void count(struct batch *b, struct nftnl_rule *r, enum counter c)
{
	struct nftnl_expr *x = expr_add(r, "objref");

	nftnl_expr_set_u32(x, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	nftnl_expr_set_str(x, NFTNL_EXPR_OBJREF_IMM_NAME, counter_names[c]);
	batch_rule(b, r);
}

static void expr_direction(struct nftnl_rule *r, uint8_t direction)
{
	struct nftnl_expr *x = expr_add(r, "ct");

	nftnl_expr_set_u32(x, NFTNL_EXPR_CT_KEY, NFT_CT_DIRECTION);
	nftnl_expr_set_u32(x, NFTNL_EXPR_CT_DREG, NFT_REG_1);
	expr_compare(r, NFT_CMP_EQ, &direction, sizeof(direction));
}

/* TCP with these flags among mask; or, want == 0, with any of mask. */
static void expr_tcp_flags(struct nftnl_rule *r, uint8_t mask, uint8_t want)
{
	uint8_t bits[4] = { mask };
	struct nftnl_expr *x;

	expr_proto(r, IPPROTO_TCP);
	x = expr_add(r, "payload");
	nftnl_expr_set_u32(x, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
	nftnl_expr_set_u32(x, NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
	nftnl_expr_set_u32(x, NFTNL_EXPR_PAYLOAD_OFFSET, 13);
	nftnl_expr_set_u32(x, NFTNL_EXPR_PAYLOAD_LEN, 1);
	expr_mask(r, bits);
	expr_compare(r, want ? NFT_CMP_EQ : NFT_CMP_NEQ, &want, 1);
}

/* Of a connection with mark `from`: marked `to`. */
static void expr_mark_on(struct nftnl_rule *r, uint32_t from, uint32_t to)
{
	struct nftnl_expr *x = expr_add(r, "ct");

	nftnl_expr_set_u32(x, NFTNL_EXPR_CT_KEY, NFT_CT_MARK);
	nftnl_expr_set_u32(x, NFTNL_EXPR_CT_DREG, NFT_REG_1);
	expr_compare(r, NFT_CMP_EQ, &from, sizeof(from));
	x = expr_add(r, "immediate");
	nftnl_expr_set_u32(x, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
	nftnl_expr_set(x, NFTNL_EXPR_IMM_DATA, &to, sizeof(to));
	x = expr_add(r, "ct");
	nftnl_expr_set_u32(x, NFTNL_EXPR_CT_KEY, NFT_CT_MARK);
	nftnl_expr_set_u32(x, NFTNL_EXPR_CT_SREG, NFT_REG_1);
}

static void count_direction(struct batch *b, const char *chain, uint8_t direction, enum counter c)
{
	struct nftnl_rule *r = rule_new(TABLE, chain);

	expr_direction(r, direction);
	count(b, r, c);
}

static void count_rules(struct batch *b)
{
	struct nftnl_rule *r;

	/* ct direction has no answer where there is no connection, and the rule then does not match. */
	count_direction(b, "arriving", IP_CT_DIR_ORIGINAL, IN_SOURCE);
	count_direction(b, "arriving", IP_CT_DIR_REPLY, IN_DESTINATION);
	r = rule_new(TABLE, "arriving");
	expr_ct_state(r, STATE_INVALID);
	count(b, r, IN_STRAY);
	count(b, rule_new(TABLE, "refused"), REFUSED);
	count_direction(b, "carried", IP_CT_DIR_ORIGINAL, OUT_DESTINATION);
	count_direction(b, "carried", IP_CT_DIR_REPLY, OUT_SOURCE);
	r = rule_new(TABLE, "carried");
	expr_tcp_flags(r, SYN | ACK, SYN);
	expr_direction(r, IP_CT_DIR_ORIGINAL);
	count(b, r, ATTEMPTS);
	r = rule_new(TABLE, "carried");
	expr_tcp_flags(r, SYN | ACK, SYN | ACK);
	expr_direction(r, IP_CT_DIR_REPLY);
	expr_mark_on(r, MARK_NONE, MARK_OPEN);
	count(b, r, OPENED);
	r = rule_new(TABLE, "carried");
	expr_tcp_flags(r, FIN | RST, 0);
	expr_mark_on(r, MARK_OPEN, MARK_ENDING);
	count(b, r, ENDED);
}

static void table_mark(const char *lab, char buf[NFT_USERDATA_MAXLEN])
{
	snprintf(buf, NFT_USERDATA_MAXLEN, "vpcd %s %u", lab, VERSION);
}

int nft_count_write(const char *lab, struct err *e)
{
	_cleanup_free_ void *memory = NULL;
	char mark[NFT_USERDATA_MAXLEN];
	struct batch b = { 0 };
	int r = nft_count_there(lab);

	if (r > 0)
		return 0;
	memory = xmalloc(2 * NFT_BATCH_BYTES);
	table_mark(lab, mark);
	batch_begin(&b, memory);
	nft_count_forget(&b);
	batch_table(&b, TABLE, NFT_MSG_NEWTABLE, mark);
	for (size_t i = 0; i < ARRAY_SIZE(chains); i++)
		batch_chain(&b, &chains[i]);
	for (size_t i = 0; i < COUNTER_MAX; i++)
		batch_counter(&b, counter_names[i]);
	count_rules(&b);
	return batch_commit(&b, e);
}

void nft_count_forget(struct batch *b)
{
	batch_table(b, TABLE, NFT_MSG_NEWTABLE, NULL); /* so that deleting cannot fail */
	batch_table(b, TABLE, NFT_MSG_DELTABLE, NULL);
}

/* ---- reading ---- */

static int ask(struct mnl_socket *s, const struct nlmsghdr *h, mnl_cb_t fn, void *ctx)
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

struct found {
	const char *mark;
	bool same;
};

static int table_found(const struct nlmsghdr *h, void *ctx)
{
	struct found *f = ctx;
	struct nftnl_table *t = nftnl_table_alloc();
	uint32_t size = 0;

	if (nftnl_table_nlmsg_parse(h, t) == 0 && nftnl_table_is_set(t, NFTNL_TABLE_USERDATA)) {
		const void *p = nftnl_table_get_data(t, NFTNL_TABLE_USERDATA, &size);

		f->same = size == strlen(f->mark) && !memcmp(p, f->mark, size);
	}
	nftnl_table_free(t);
	return MNL_CB_OK;
}

int nft_count_there(const char *lab)
{
	_cleanup_nft_ struct mnl_socket *s = NULL;
	char buf[256], mark[NFT_USERDATA_MAXLEN];
	struct nlmsghdr *h = nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETTABLE, NFPROTO_IPV4, NLM_F_ACK, 0);
	struct found f = { .mark = mark };
	int r = nft_open(&s, NULL);

	if (r < 0)
		return r;
	table_mark(lab, mark);
	mnl_attr_put_strz(h, NFTA_TABLE_NAME, TABLE);
	r = ask(s, h, table_found, &f);
	return r == -ENOENT ? 0 : r < 0 ? r : f.same;
}

static int counter_found(const struct nlmsghdr *h, void *ctx)
{
	struct sums {
		uint64_t packets, bytes;
	} *sums = ctx;
	struct nftnl_obj *o = nftnl_obj_alloc();

	if (nftnl_obj_nlmsg_parse(h, o) == 0 && nftnl_obj_is_set(o, NFTNL_OBJ_CTR_PKTS) &&
	    !strcmp(nftnl_obj_get_str(o, NFTNL_OBJ_TABLE), TABLE))
		for (size_t i = 0; i < COUNTER_MAX; i++)
			if (!strcmp(nftnl_obj_get_str(o, NFTNL_OBJ_NAME), counter_names[i])) {
				sums[i].packets = nftnl_obj_get_u64(o, NFTNL_OBJ_CTR_PKTS);
				sums[i].bytes = nftnl_obj_get_u64(o, NFTNL_OBJ_CTR_BYTES);
			}
	nftnl_obj_free(o);
	return MNL_CB_OK;
}

static struct nlmsghdr *ct_msg(char *buf, uint16_t type)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *g;

	h->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | type;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = type == IPCTNL_MSG_CT_GET ? NFPROTO_IPV4 : NFPROTO_UNSPEC;
	g->version = NFNETLINK_V0;
	return h;
}

static int entry_found(const struct nlmsghdr *h, void *ctx)
{
	(void)h;
	++*(uint64_t *)ctx;
	return MNL_CB_OK;
}

/* A processor's: insertions that failed because another connection has the port already. */
static int stats_found(const struct nlmsghdr *h, void *ctx)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, h, sizeof(struct nfgenmsg)) if (mnl_attr_get_type(a) == CTA_STATS_INSERT_FAILED) *
		(uint64_t *)ctx += ntohl(mnl_attr_get_u32(a));
	return MNL_CB_OK;
}

int nft_count_read(struct nat_metrics *ret, struct err *e)
{
	_cleanup_nft_ struct mnl_socket *s = NULL;
	struct {
		uint64_t packets, bytes;
	} c[COUNTER_MAX] = { 0 };
	uint64_t open = 0, failed = 0, arrived, carried, gone;
	char buf[256];
	struct nlmsghdr *h = nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETOBJ, NFPROTO_IPV4, NLM_F_DUMP, 0);
	int r = nft_open(&s, e);

	if (r < 0)
		return r;
	r = ask(s, h, counter_found, c);
	if (r == 0) {
		h = ct_msg(buf, IPCTNL_MSG_CT_GET);
		mnl_attr_put_u32(h, CTA_MARK, htonl(MARK_OPEN));
		mnl_attr_put_u32(h, CTA_MARK_MASK, htonl(UINT32_MAX));
		r = ask(s, h, entry_found, &open);
	}
	if (r == 0)
		r = ask(s, ct_msg(buf, IPCTNL_MSG_CT_GET_STATS_CPU), stats_found, &failed);
	if (r < 0)
		return err_set(e, r, "counters of the NAT gateway: %s", strerror(-r));
	/* Read one after the other: a packet on its way may be in one and not yet in the next. */
	arrived = c[IN_SOURCE].packets + c[IN_DESTINATION].packets + c[IN_STRAY].packets;
	carried = c[OUT_DESTINATION].packets + c[OUT_SOURCE].packets;
	gone = c[ENDED].packets + open;
	*ret = (struct nat_metrics){
		.active = open,
		.bytes_in_destination = c[IN_DESTINATION].bytes,
		.bytes_in_source = c[IN_SOURCE].bytes,
		.bytes_out_destination = c[OUT_DESTINATION].bytes,
		.bytes_out_source = c[OUT_SOURCE].bytes,
		.attempts = c[ATTEMPTS].packets,
		.established = c[OPENED].packets,
		.port_errors = failed,
		.idle = c[OPENED].packets > gone ? c[OPENED].packets - gone : 0,
		.drops = (arrived > carried ? arrived - carried : 0) + c[REFUSED].packets + failed,
		.packets_in_destination = c[IN_DESTINATION].packets,
		.packets_in_source = c[IN_SOURCE].packets,
		.packets_out_destination = c[OUT_DESTINATION].packets,
		.packets_out_source = c[OUT_SOURCE].packets,
	};
	return 0;
}
