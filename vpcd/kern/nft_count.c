/* nft_count.c: a NAT gateway's counters: nf_tables counters around its ruleset, and the kernel's table of connections.
 *
 *   arriving  forward, before the ruleset   of the source, of the destination, of no connection
 *   refused   input                         sent to the gateway itself: it answers nobody
 *   carried   forward, after the ruleset    to the destination, to the source; then TCP's beginning and end
 *
 * The mark of a connection says at which stage it is: OPEN at the first SYN-ACK, ENDING at the first FIN or RST after. What was
 * once open, did not end, was not cut and is no longer in the kernel's table has timed out idle. What arrived and was not carried was
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
#include "util/addr.h"
#include "util/mem.h"

#define TABLE "vpcd-count"
#define VERSION 2 /* of the table's rules */

enum { STAGE_NONE, STAGE_OPEN, STAGE_ENDING }; /* of a connection, in its mark */
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
	CUT, /* no rule counts it: written when an address goes */
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
	[CUT] = "cut",
};

static const struct nft_chain chains[] = {
	{ TABLE, "arriving", "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER - 10, NF_ACCEPT },
	{ TABLE, "refused", "filter", NF_INET_LOCAL_IN, NF_IP_PRI_FILTER - 10, NF_ACCEPT },
	{ TABLE, "carried", "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER + 10, NF_ACCEPT },
};

/* ---- writing ---- */

static void batch_counter(struct batch *b, uint16_t type, enum counter c, uint64_t packets)
{
	struct nftnl_obj *o = nftnl_obj_alloc();
	uint16_t flags = NLM_F_ACK | (type == NFT_MSG_NEWOBJ ? NLM_F_CREATE : 0);

	nftnl_obj_set_str(o, NFTNL_OBJ_TABLE, TABLE);
	nftnl_obj_set_str(o, NFTNL_OBJ_NAME, counter_names[c]);
	nftnl_obj_set_u32(o, NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
	if (packets)
		nftnl_obj_set_u64(o, NFTNL_OBJ_CTR_PKTS, packets);
	nftnl_obj_nlmsg_build_payload(batch_msg(b, type, flags), o);
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

/* Of a connection at stage `from`: now it is at `to`. */
static void expr_stage(struct nftnl_rule *r, uint32_t from, uint32_t to)
{
	static const uint32_t stage = CT_STAGE_MASK;
	struct nftnl_expr *x = expr_add(r, "ct");

	nftnl_expr_set_u32(x, NFTNL_EXPR_CT_KEY, NFT_CT_MARK);
	nftnl_expr_set_u32(x, NFTNL_EXPR_CT_DREG, NFT_REG_1);
	expr_mask(r, &stage);
	expr_compare(r, NFT_CMP_EQ, &from, sizeof(from));
	expr_ct_mark_write(r, ~stage, to);
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
	expr_stage(r, STAGE_NONE, STAGE_OPEN);
	count(b, r, OPENED);
	r = rule_new(TABLE, "carried");
	expr_tcp_flags(r, FIN | RST, 0);
	expr_stage(r, STAGE_OPEN, STAGE_ENDING);
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
		batch_counter(&b, NFT_MSG_NEWOBJ, (enum counter)i, 0);
	count_rules(&b);
	return batch_commit(&b, e);
}

void nft_count_forget(struct batch *b)
{
	batch_table(b, TABLE, NFT_MSG_NEWTABLE, NULL); /* so that deleting cannot fail */
	batch_table(b, TABLE, NFT_MSG_DELTABLE, NULL);
}

/* ---- reading ---- */

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
	r = nft_ask(s, h, table_found, &f);
	return r == -ENOENT ? 0 : r < 0 ? r : f.same;
}

struct sum {
	uint64_t packets, bytes;
};

static int counter_found(const struct nlmsghdr *h, void *ctx)
{
	struct sum *sums = ctx;
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
	h->nlmsg_flags = NLM_F_REQUEST | (type == IPCTNL_MSG_CT_DELETE ? NLM_F_ACK : NLM_F_DUMP);
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = type == IPCTNL_MSG_CT_GET_STATS_CPU ? NFPROTO_UNSPEC : NFPROTO_IPV4;
	g->version = type == IPCTNL_MSG_CT_DELETE; /* of a deletion, 1: the family counts */
	return h;
}

static struct nlmsghdr *ct_msg_marked(char *buf, uint16_t type, uint32_t mark, uint32_t mask)
{
	struct nlmsghdr *h = ct_msg(buf, type);

	mnl_attr_put_u32(h, CTA_MARK, htonl(mark));
	mnl_attr_put_u32(h, CTA_MARK_MASK, htonl(mask));
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

/* All counters into sums[COUNTER_MAX]. */
static int read_counters(struct mnl_socket *s, struct sum *sums)
{
	char buf[256];

	return nft_ask(s, nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETOBJ, NFPROTO_IPV4, NLM_F_DUMP, 0), counter_found, sums);
}

int nft_count_cut(const struct addr *a, struct err *e)
{
	_cleanup_free_ void *memory = xmalloc(2 * NFT_BATCH_BYTES);
	_cleanup_nft_ struct mnl_socket *s = NULL;
	uint32_t mark = ct_mark_of(a), mask = ~(uint32_t)CT_STAGE_MASK;
	struct sum sums[COUNTER_MAX] = { 0 };
	char buf[256], text[ADDR_STRLEN];
	struct batch b = { 0 };
	uint64_t open = 0;
	int r = nft_open(&s, e);

	if (r < 0)
		return r;
	r = nft_ask(s, ct_msg_marked(buf, IPCTNL_MSG_CT_GET, mark | STAGE_OPEN, UINT32_MAX), entry_found, &open);
	if (r == 0)
		r = nft_ask(s, ct_msg_marked(buf, IPCTNL_MSG_CT_DELETE, mark, mask), NULL, NULL);
	if (r == 0)
		r = read_counters(s, sums);
	if (r < 0)
		return err_set(e, r, "connections of %s: %s", addr_format(a, text), strerror(-r));
	batch_begin(&b, memory);
	batch_counter(&b, NFT_MSG_DELOBJ, CUT, 0);
	batch_counter(&b, NFT_MSG_NEWOBJ, CUT, sums[CUT].packets + open);
	return batch_commit(&b, e);
}

int nft_count_read(struct nat_metrics *ret, struct err *e)
{
	_cleanup_nft_ struct mnl_socket *s = NULL;
	struct sum first[COUNTER_MAX] = { 0 }, c[COUNTER_MAX] = { 0 };
	uint64_t open = 0, failed = 0, arrived, carried, gone, sent;
	char buf[256];
	int r = nft_open(&s, e);

	if (r < 0)
		return r;
	/* Traffic goes on meanwhile. What arrived and what was opened is of the first reading, what became of it of a later one: a
	 * difference of them leaves out what is on its way. */
	r = read_counters(s, first);
	if (r == 0)
		r = nft_ask(s, ct_msg_marked(buf, IPCTNL_MSG_CT_GET, STAGE_OPEN, CT_STAGE_MASK), entry_found, &open);
	if (r == 0)
		r = read_counters(s, c);
	if (r == 0)
		r = nft_ask(s, ct_msg(buf, IPCTNL_MSG_CT_GET_STATS_CPU), stats_found, &failed);
	if (r < 0)
		return err_set(e, r, "counters of the NAT gateway: %s", strerror(-r));
	arrived = first[IN_SOURCE].packets + first[IN_DESTINATION].packets + first[IN_STRAY].packets;
	carried = c[OUT_DESTINATION].packets + c[OUT_SOURCE].packets;
	sent = c[OUT_DESTINATION].packets;
	gone = c[ENDED].packets + c[CUT].packets + open;
	*ret = (struct nat_metrics){
		.active = open,
		.bytes_in_destination = c[IN_DESTINATION].bytes,
		.bytes_in_source = c[IN_SOURCE].bytes,
		.bytes_out_destination = c[OUT_DESTINATION].bytes,
		.bytes_out_source = c[OUT_SOURCE].bytes,
		.attempts = c[ATTEMPTS].packets,
		.established = c[OPENED].packets,
		.port_errors = failed,
		.idle = first[OPENED].packets > gone ? first[OPENED].packets - gone : 0,
		.drops = (arrived > carried ? arrived - carried : 0) + c[REFUSED].packets + failed,
		.packets_in_destination = c[IN_DESTINATION].packets,
		.packets_in_source = c[IN_SOURCE].packets,
		.packets_out_destination = sent > failed ? sent - failed : 0,
		.packets_out_source = c[OUT_SOURCE].packets,
	};
	return 0;
}
