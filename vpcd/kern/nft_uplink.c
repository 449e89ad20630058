/* nft_uplink.c: the rulesets at the two ends of an uplink, and what of the machine's own rules matters to it. Kernel
 * room, never prints.
 *
 *   lab's end, table "vpcd-uplink"    marking   what comes from the lab is marked: it leaves by a table of its own
 *                                     passing   policy drop; connections that the lab opens, and answers
 *                                     entering  policy drop
 *                                     leaving   masquerade
 *   machine's end, table "vpcd-LAB"   entering  the lab gets nothing from the machine itself
 *                                     passing   nor from another lab; into the lab only answers
 *                                     leaving   masquerade
 *
 * A table's user data holds "vpcd LAB", the version of the ruleset and what it was made from. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter_ipv4.h>
#include "kern/nft_batch.h"
#include "kern/uplink.h"
#include "model/uplink.h"
#include "util/mem.h"

enum { VERSION = 1, CHAINS_MAX = 4, TABLE_NAME_MAX = 64, SADDR_OFFSET = 12 };
#define EVERY_UPLINK "vpcd" /* how the names of the machine's ends begin */

static void table_name(const char *lab, enum uplink_side side, char buf[TABLE_NAME_MAX])
{
	if (side == UPLINK_LAB)
		snprintf(buf, TABLE_NAME_MAX, "vpcd-uplink");
	else
		snprintf(buf, TABLE_NAME_MAX, "vpcd-%.58s", lab);
}

static void table_mark(const char *lab, const struct uplink_row *row, char buf[NFT_USERDATA_MAXLEN])
{
	char addr[ADDR_STRLEN];

	snprintf(buf, NFT_USERDATA_MAXLEN, "vpcd %s %d %s %s", lab, VERSION, row->ifname,
		 addr_format(&row->addr, addr));
}

static unsigned chains_of(enum uplink_side side, const char *table, struct nft_chain ret[CHAINS_MAX])
{
	const struct nft_chain both[] = {
		{ table, "passing", "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER,
		  side == UPLINK_LAB ? NF_DROP : NF_ACCEPT },
		{ table, "entering", "filter", NF_INET_LOCAL_IN, NF_IP_PRI_FILTER,
		  side == UPLINK_LAB ? NF_DROP : NF_ACCEPT },
		{ table, "leaving", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC, NF_ACCEPT },
	};
	const struct nft_chain marking = {
		table, "marking", "filter", NF_INET_PRE_ROUTING, NF_IP_PRI_MANGLE, NF_ACCEPT
	};

	memcpy(ret, both, sizeof(both));
	ret[ARRAY_SIZE(both)] = marking;
	return ARRAY_SIZE(both) + (side == UPLINK_LAB);
}

/* ---- expressions ---- */

/* meta iifname or oifname NAME; prefix: names that begin so. */
static void expr_interface(struct nftnl_rule *r, uint32_t key, const char *name, bool prefix)
{
	char padded[IFNAME_MAX] = { 0 };
	struct nftnl_expr *x = expr_add(r, "meta");

	memcpy(padded, name, strlen(name));
	nftnl_expr_set_u32(x, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(x, NFTNL_EXPR_META_DREG, NFT_REG_1);
	expr_compare(r, NFT_CMP_EQ, padded, prefix ? (uint32_t)strlen(name) : sizeof(padded));
}

static void expr_mark_set(struct nftnl_rule *r, uint32_t mark)
{
	struct nftnl_expr *x = expr_add(r, "immediate");

	nftnl_expr_set_u32(x, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
	nftnl_expr_set(x, NFTNL_EXPR_IMM_DATA, &mark, sizeof(mark));
	x = expr_add(r, "meta");
	nftnl_expr_set_u32(x, NFTNL_EXPR_META_KEY, NFT_META_MARK);
	nftnl_expr_set_u32(x, NFTNL_EXPR_META_SREG, NFT_REG_1);
}

static void expr_from(struct nftnl_rule *r, const struct addr *a)
{
	uint32_t v4 = htonl(addr_to_v4(a));
	struct nftnl_expr *x = expr_add(r, "payload");

	nftnl_expr_set_u32(x, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
	nftnl_expr_set_u32(x, NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
	nftnl_expr_set_u32(x, NFTNL_EXPR_PAYLOAD_OFFSET, SADDR_OFFSET);
	nftnl_expr_set_u32(x, NFTNL_EXPR_PAYLOAD_LEN, sizeof(v4));
	expr_compare(r, NFT_CMP_EQ, &v4, sizeof(v4));
}

/* ---- writing ---- */

static void lab_rules(struct batch *b, const char *table)
{
	struct nftnl_rule *r = rule_new(table, "marking");

	expr_interface(r, NFT_META_IIFNAME, "eth0", false);
	expr_mark_set(r, UPLINK_MARK);
	batch_rule(b, r);
	r = rule_new(table, "passing");
	expr_ct_state(r, STATE_ESTABLISHED | STATE_RELATED);
	expr_verdict(r, NF_ACCEPT);
	batch_rule(b, r);
	r = rule_new(table, "passing");
	expr_interface(r, NFT_META_IIFNAME, "eth0", false);
	expr_ct_state(r, STATE_NEW);
	expr_verdict(r, NF_ACCEPT);
	batch_rule(b, r);
	r = rule_new(table, "leaving");
	expr_interface(r, NFT_META_OIFNAME, UPLINK_END, false);
	expr_add(r, "masq");
	batch_rule(b, r);
}

static void machine_rules(struct batch *b, const char *table, const struct uplink_row *row)
{
	struct nftnl_rule *r = rule_new(table, "entering");

	expr_interface(r, NFT_META_IIFNAME, row->ifname, false);
	expr_verdict(r, NF_DROP);
	batch_rule(b, r);
	r = rule_new(table, "passing");
	expr_interface(r, NFT_META_IIFNAME, row->ifname, false);
	expr_interface(r, NFT_META_OIFNAME, EVERY_UPLINK, true);
	expr_verdict(r, NF_DROP);
	batch_rule(b, r);
	r = rule_new(table, "passing");
	expr_interface(r, NFT_META_OIFNAME, row->ifname, false);
	expr_ct_state(r, STATE_ESTABLISHED | STATE_RELATED);
	expr_verdict(r, NF_ACCEPT);
	batch_rule(b, r);
	r = rule_new(table, "passing");
	expr_interface(r, NFT_META_OIFNAME, row->ifname, false);
	expr_verdict(r, NF_DROP);
	batch_rule(b, r);
	r = rule_new(table, "leaving");
	expr_from(r, &row->addr);
	expr_add(r, "masq");
	batch_rule(b, r);
}

static uint32_t rules_expected(enum uplink_side side)
{
	return side == UPLINK_LAB ? 4 : 5;
}

int nft_uplink_write(const char *lab, enum uplink_side side, const struct uplink_row *row, struct err *e)
{
	_cleanup_free_ void *memory = xmalloc(2 * NFT_BATCH_BYTES);
	char table[TABLE_NAME_MAX], mark[NFT_USERDATA_MAXLEN];
	struct nft_chain chains[CHAINS_MAX];
	struct batch b = { 0 };
	unsigned n;

	table_name(lab, side, table);
	if (nft_uplink_compare(lab, side, NULL) == -EEXIST)
		return err_set(e, -EEXIST, "nf_tables: table ip %s is there and not of lab %s", table, lab);
	table_mark(lab, row, mark);
	n = chains_of(side, table, chains);
	batch_begin(&b, memory);
	batch_table(&b, table, NFT_MSG_NEWTABLE, NULL);
	batch_table(&b, table, NFT_MSG_DELTABLE, NULL);
	batch_table(&b, table, NFT_MSG_NEWTABLE, mark);
	for (unsigned i = 0; i < n; i++)
		batch_chain(&b, &chains[i]);
	if (side == UPLINK_LAB)
		lab_rules(&b, table);
	else
		machine_rules(&b, table, row);
	return batch_commit(&b, e);
}

int nft_uplink_delete(const char *lab, struct err *e)
{
	_cleanup_free_ void *memory = NULL;
	char table[TABLE_NAME_MAX];
	struct batch b = { 0 };

	if (nft_uplink_compare(lab, UPLINK_MACHINE, NULL) <= 0) /* none, or somebody else's */
		return 0;
	memory = xmalloc(2 * NFT_BATCH_BYTES);
	table_name(lab, UPLINK_MACHINE, table);
	batch_begin(&b, memory);
	batch_table(&b, table, NFT_MSG_DELTABLE, NULL);
	return batch_commit(&b, e);
}

/* ---- reading ---- */

struct found {
	const char *table;
	const struct nft_chain *wanted;
	unsigned n_wanted, chains;
	uint32_t rules;
	char mark[NFT_USERDATA_MAXLEN + 1];
};

static int table_found(const struct nlmsghdr *h, void *ctx)
{
	struct found *f = ctx;
	struct nftnl_table *t = nftnl_table_alloc();
	uint32_t size = 0;

	if (nftnl_table_nlmsg_parse(h, t) == 0 && nftnl_table_is_set(t, NFTNL_TABLE_USERDATA)) {
		const void *p = nftnl_table_get_data(t, NFTNL_TABLE_USERDATA, &size);

		memcpy(f->mark, p, size < NFT_USERDATA_MAXLEN ? size : NFT_USERDATA_MAXLEN);
	}
	nftnl_table_free(t);
	return MNL_CB_OK;
}

static int chain_found(const struct nlmsghdr *h, void *ctx)
{
	struct found *f = ctx;
	struct nftnl_chain *c = nftnl_chain_alloc();

	for (unsigned i = 0; nftnl_chain_nlmsg_parse(h, c) == 0 && i < f->n_wanted; i++)
		f->chains += !strcmp(nftnl_chain_get_str(c, NFTNL_CHAIN_TABLE), f->table) &&
			     !strcmp(nftnl_chain_get_str(c, NFTNL_CHAIN_NAME), f->wanted[i].name) &&
			     nftnl_chain_is_set(c, NFTNL_CHAIN_HOOKNUM) &&
			     nftnl_chain_get_u32(c, NFTNL_CHAIN_HOOKNUM) == f->wanted[i].hook &&
			     nftnl_chain_get_u32(c, NFTNL_CHAIN_POLICY) == f->wanted[i].policy;
	nftnl_chain_free(c);
	return MNL_CB_OK;
}

static int rule_found(const struct nlmsghdr *h, void *ctx)
{
	struct found *f = ctx;
	struct nftnl_rule *r = nftnl_rule_alloc();

	f->rules += nftnl_rule_nlmsg_parse(h, r) == 0 && !strcmp(nftnl_rule_get_str(r, NFTNL_RULE_TABLE), f->table);
	nftnl_rule_free(r);
	return MNL_CB_OK;
}

int nft_uplink_compare(const char *lab, enum uplink_side side, const struct uplink_row *row)
{
	_cleanup_nft_ struct mnl_socket *s = NULL;
	char buf[1024], table[TABLE_NAME_MAX], ours[80], mark[NFT_USERDATA_MAXLEN];
	struct nft_chain chains[CHAINS_MAX];
	struct found f = { .table = table, .wanted = chains };
	struct nlmsghdr *h;
	int r = nft_open(&s, NULL);

	if (r < 0)
		return r == -EPROTONOSUPPORT ? 0 : r; /* a kernel without netfilter holds no table */
	table_name(lab, side, table);
	f.n_wanted = chains_of(side, table, chains);
	h = nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETTABLE, NFPROTO_IPV4, NLM_F_ACK, 0);
	mnl_attr_put_strz(h, NFTA_TABLE_NAME, table);
	r = nft_ask(s, h, table_found, &f);
	if (r == -ENOENT || r == -EINVAL || r == -EOPNOTSUPP)
		return 0;
	snprintf(ours, sizeof(ours), "vpcd %s ", lab);
	if (r < 0 || strncmp(f.mark, ours, strlen(ours)) != 0)
		return r < 0 ? r : -EEXIST;
	if (!row)
		return 2;
	table_mark(lab, row, mark);
	if (strcmp(f.mark, mark) != 0)
		return 2;
	r = nft_ask(s, nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETCHAIN, NFPROTO_IPV4, NLM_F_DUMP, 0), chain_found, &f);
	if (r == 0)
		r = nft_ask(s, nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETRULE, NFPROTO_IPV4, NLM_F_DUMP, 0), rule_found,
			    &f);
	return r == 0 && f.chains == f.n_wanted && f.rules == rules_expected(side) ? 1 : 2;
}

struct owners {
	void (*fn)(void *ctx, const char *lab);
	void *ctx;
};

/* By name and mark: "vpcd-LAB", "vpcd LAB ...". */
static int owner_look(const struct nlmsghdr *h, void *ctx)
{
	const struct owners *o = ctx;
	struct nftnl_table *t = nftnl_table_alloc();
	uint32_t size = 0;
	char mark[NFT_USERDATA_MAXLEN + 1] = "", table[TABLE_NAME_MAX], *lab = mark + strlen("vpcd ");

	if (nftnl_table_nlmsg_parse(h, t) == 0 && nftnl_table_is_set(t, NFTNL_TABLE_USERDATA)) {
		const void *p = nftnl_table_get_data(t, NFTNL_TABLE_USERDATA, &size);

		memcpy(mark, p, size < NFT_USERDATA_MAXLEN ? size : NFT_USERDATA_MAXLEN);
	}
	if (strncmp(mark, "vpcd ", strlen("vpcd ")) == 0) {
		lab[strcspn(lab, " ")] = '\0';
		table_name(lab, UPLINK_MACHINE, table);
		if (strcmp(nftnl_table_get_str(t, NFTNL_TABLE_NAME), table) == 0)
			o->fn(o->ctx, lab);
	}
	nftnl_table_free(t);
	return MNL_CB_OK;
}

int nft_uplink_labs(void (*fn)(void *ctx, const char *lab), void *ctx)
{
	_cleanup_nft_ struct mnl_socket *s = NULL;
	struct owners o = { .fn = fn, .ctx = ctx };
	char msg[256];
	int r = nft_open(&s, NULL);

	return r < 0 ? r
		     : nft_ask(s, nftnl_nlmsg_build_hdr(msg, NFT_MSG_GETTABLE, NFPROTO_IPV4, NLM_F_DUMP, 0), owner_look,
			       &o);
}

struct dropper {
	char *buf;
	size_t size;
	bool found;
};

static int dropper_look(const struct nlmsghdr *h, void *ctx)
{
	struct dropper *d = ctx;
	struct nftnl_chain *c = nftnl_chain_alloc();

	if (!d->found && nftnl_chain_nlmsg_parse(h, c) == 0 && nftnl_chain_is_set(c, NFTNL_CHAIN_HOOKNUM) &&
	    nftnl_chain_is_set(c, NFTNL_CHAIN_POLICY) &&
	    nftnl_chain_get_u32(c, NFTNL_CHAIN_HOOKNUM) == NF_INET_FORWARD &&
	    nftnl_chain_get_u32(c, NFTNL_CHAIN_POLICY) == NF_DROP) {
		uint32_t family = nftnl_chain_get_u32(c, NFTNL_CHAIN_FAMILY);

		if (family == NFPROTO_IPV4 || family == NFPROTO_INET) {
			d->found = true;
			snprintf(d->buf, d->size, "%s %s %s", family == NFPROTO_IPV4 ? "ip" : "inet",
				 nftnl_chain_get_str(c, NFTNL_CHAIN_TABLE), nftnl_chain_get_str(c, NFTNL_CHAIN_NAME));
		}
	}
	nftnl_chain_free(c);
	return MNL_CB_OK;
}

int nft_forward_drops(char *buf, size_t size)
{
	_cleanup_nft_ struct mnl_socket *s = NULL;
	struct dropper d = { .buf = buf, .size = size };
	char msg[256];

	if (nft_open(&s, NULL) < 0)
		return 0;
	nft_ask(s, nftnl_nlmsg_build_hdr(msg, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, NLM_F_DUMP, 0), dropper_look, &d);
	return d.found;
}

/* ---- the machine's connections ---- */

#define BLOCK_MASK (UINT32_MAX << (32 - UPLINK_PREFIX_LEN))

struct entries {
	struct mnl_socket *s;
	uint32_t block; /* host order */
};

static struct nlmsghdr *ct_msg(char *buf, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *g;

	h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = NFPROTO_IPV4;
	g->version = NFNETLINK_V0;
	return h;
}

/* Deletes an entry by its own words: the tuple of its first direction. */
static int entry_forget(const struct nlmsghdr *h, void *ctx)
{
	struct entries *all = ctx;
	const struct nlattr *tuple = NULL, *a, *b, *c;
	char buf[512];
	struct nlmsghdr *del;
	bool ours = false;

	mnl_attr_for_each(a, h, sizeof(struct nfgenmsg)) if (mnl_attr_get_type(a) == CTA_TUPLE_ORIG) tuple = a;
	if (!tuple || mnl_attr_get_len(tuple) > sizeof(buf) / 2)
		return MNL_CB_OK;
	mnl_attr_for_each_nested(b, tuple) if (mnl_attr_get_type(b) == CTA_TUPLE_IP)
		mnl_attr_for_each_nested(c, b) if (mnl_attr_get_payload_len(c) == sizeof(uint32_t)) ours |=
		(ntohl(mnl_attr_get_u32(c)) & BLOCK_MASK) == all->block;
	if (!ours)
		return MNL_CB_OK;
	del = ct_msg(buf, IPCTNL_MSG_CT_DELETE, 0);
	mnl_attr_put(del, CTA_TUPLE_ORIG | NLA_F_NESTED, mnl_attr_get_payload_len(tuple), mnl_attr_get_payload(tuple));
	mnl_socket_sendto(all->s, del, del->nlmsg_len);
	return MNL_CB_OK;
}

int nft_uplink_forget(const struct addr *lab_end)
{
	_cleanup_nft_ struct mnl_socket *reading = NULL, *writing = NULL;
	struct entries all = { .block = addr_to_v4(lab_end) & BLOCK_MASK };
	char buf[256];

	if (nft_open(&reading, NULL) < 0 || nft_open(&writing, NULL) < 0)
		return -EIO;
	all.s = writing;
	return nft_ask(reading, ct_msg(buf, IPCTNL_MSG_CT_GET, NLM_F_DUMP), entry_forget, &all);
}
