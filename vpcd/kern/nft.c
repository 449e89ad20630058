/* nft.c: a NAT gateway with nf_tables and the kernel's connection tracking. Kernel room, never prints.
 *
 * With the other nft_*.c the only user of libmnl and libnftnl. Each call opens its socket in the namespace the thread is
 * in. Adding, deleting and adding the table in one batch replaces it atomically: there is no
 * moment without rules.
 *
 *   forwarding  policy drop   tcp invalid from inside: reset | invalid: drop | tcp syn: its segments fit the way
 *                             | established, related: accept | new tcp, udp, icmp from inside: accept
 *   entering    policy drop   a NAT gateway answers nobody itself (semantics of AWS's gateway)
 *   leaving     nat           one of ADDRESS × HALF of its ports, drawn anew for each connection: snat, fully random
 *
 * A destination finds 55,000 ports at an address, and no more: the two halves are that many. Only a connection's first
 * packet comes here. Its mark says which address it has (nft_batch.h), so that an address that goes takes its own along.
 *
 * The table's user data holds "vpcd LAB", a hash of the row, which is how it is known again, and its addresses. */
#include "kern/nft.h"
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include "kern/nft_batch.h"
#include "kern/nft_count.h"
#include "kern/sysctl.h"
#include "model/model.h"
#include "util/mem.h"

#define TABLE "vpcd"
#define CHAIN_FORWARD "forwarding"
#define CHAIN_INPUT "entering"
#define CHAIN_NAT "leaving"

/* semantics 4.1: ports from 1024 to 65535, and 55,000 connections: the ends of that range, so that who admits only a part
 * of it notices. */
static const struct half {
	uint16_t first, last;
} halves[] = { { 1024, 28523 }, { 38036, 65535 } };

enum {
	REG_A = NFT_REG_1, /* three 16-byte registers */
	REG_B = NFT_REG_2,
	REG_C = NFT_REG_3,
};

/* ---- expressions ---- */

/* ip saddr PREFIX */
static void expr_source(struct nftnl_rule *r, const struct prefix *p)
{
	struct nftnl_expr *x = expr_add(r, "payload");
	uint32_t mask = p->len ? htonl(UINT32_MAX << (32 - p->len)) : 0;
	uint32_t net = htonl(addr_to_v4(&p->addr));

	nftnl_expr_set_u32(x, NFTNL_EXPR_PAYLOAD_DREG, REG_A);
	nftnl_expr_set_u32(x, NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
	nftnl_expr_set_u32(x, NFTNL_EXPR_PAYLOAD_OFFSET, 12); /* struct iphdr's saddr */
	nftnl_expr_set_u32(x, NFTNL_EXPR_PAYLOAD_LEN, sizeof(net));
	expr_mask(r, &mask);
	expr_compare(r, NFT_CMP_EQ, &net, sizeof(net));
}

static void expr_load(struct nftnl_rule *r, uint32_t reg, const void *data, uint32_t size)
{
	struct nftnl_expr *x = expr_add(r, "immediate");

	nftnl_expr_set_u32(x, NFTNL_EXPR_IMM_DREG, reg);
	nftnl_expr_set(x, NFTNL_EXPR_IMM_DATA, data, size);
}

/* One of n, at random. */
static void expr_chance(struct nftnl_rule *r, uint32_t n)
{
	static const uint32_t zero;
	struct nftnl_expr *x = expr_add(r, "numgen");

	nftnl_expr_set_u32(x, NFTNL_EXPR_NG_DREG, REG_A);
	nftnl_expr_set_u32(x, NFTNL_EXPR_NG_TYPE, NFT_NG_RANDOM);
	nftnl_expr_set_u32(x, NFTNL_EXPR_NG_MODULUS, n);
	expr_compare(r, NFT_CMP_EQ, &zero, sizeof(zero));
}

/* An ICMP echo's identifier is its port. */
static void expr_snat(struct nftnl_rule *r, const struct addr *a, const struct half *half)
{
	uint32_t to = htonl(addr_to_v4(a));
	uint16_t first = htons(half->first), last = htons(half->last);
	struct nftnl_expr *x;

	expr_load(r, REG_A, &to, sizeof(to));
	expr_load(r, REG_B, &first, sizeof(first));
	expr_load(r, REG_C, &last, sizeof(last));
	x = expr_add(r, "nat");
	nftnl_expr_set_u32(x, NFTNL_EXPR_NAT_TYPE, NFT_NAT_SNAT);
	nftnl_expr_set_u32(x, NFTNL_EXPR_NAT_FAMILY, NFPROTO_IPV4);
	nftnl_expr_set_u32(x, NFTNL_EXPR_NAT_REG_ADDR_MIN, REG_A);
	nftnl_expr_set_u32(x, NFTNL_EXPR_NAT_REG_PROTO_MIN, REG_B);
	nftnl_expr_set_u32(x, NFTNL_EXPR_NAT_REG_PROTO_MAX, REG_C);
	nftnl_expr_set_u32(x, NFTNL_EXPR_NAT_FLAGS, NF_NAT_RANGE_PROTO_RANDOM_FULLY);
}

/* The first segments of a TCP connection say what fits: no more than the way out of here takes. Never raised. */
static void expr_clamp_mss(struct nftnl_rule *r)
{
	static const uint8_t syn[4] = { 2 }, none;
	struct nftnl_expr *x;

	expr_proto(r, IPPROTO_TCP);
	x = expr_add(r, "payload");
	nftnl_expr_set_u32(x, NFTNL_EXPR_PAYLOAD_DREG, REG_A);
	nftnl_expr_set_u32(x, NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
	nftnl_expr_set_u32(x, NFTNL_EXPR_PAYLOAD_OFFSET, 13); /* struct tcphdr's flags */
	nftnl_expr_set_u32(x, NFTNL_EXPR_PAYLOAD_LEN, 1);
	expr_mask(r, syn);
	expr_compare(r, NFT_CMP_NEQ, &none, 1);
	x = expr_add(r, "rt");
	nftnl_expr_set_u32(x, NFTNL_EXPR_RT_KEY, NFT_RT_TCPMSS);
	nftnl_expr_set_u32(x, NFTNL_EXPR_RT_DREG, REG_A);
	x = expr_add(r, "byteorder");
	nftnl_expr_set_u32(x, NFTNL_EXPR_BYTEORDER_SREG, REG_A);
	nftnl_expr_set_u32(x, NFTNL_EXPR_BYTEORDER_DREG, REG_A);
	nftnl_expr_set_u32(x, NFTNL_EXPR_BYTEORDER_OP, NFT_BYTEORDER_HTON);
	nftnl_expr_set_u32(x, NFTNL_EXPR_BYTEORDER_LEN, 2);
	nftnl_expr_set_u32(x, NFTNL_EXPR_BYTEORDER_SIZE, 2);
	x = expr_add(r, "exthdr");
	nftnl_expr_set_u32(x, NFTNL_EXPR_EXTHDR_SREG, REG_A);
	nftnl_expr_set_u32(x, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
	nftnl_expr_set_u8(x, NFTNL_EXPR_EXTHDR_TYPE, 2); /* maximum segment size; its value behind kind and length */
	nftnl_expr_set_u32(x, NFTNL_EXPR_EXTHDR_OFFSET, 2);
	nftnl_expr_set_u32(x, NFTNL_EXPR_EXTHDR_LEN, 2);
}

/* ---- the ruleset ---- */

static void rules_forward(struct batch *b, const struct nft_row *row)
{
	static const uint8_t carried[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
	struct nftnl_rule *r;
	struct nftnl_expr *x;

	for (uint32_t i = 0; i < row->n_inside; i++) {
		/* A connection the gateway has forgotten is answered by a reset, to its own side only. */
		r = rule_new(TABLE, CHAIN_FORWARD);
		expr_proto(r, IPPROTO_TCP);
		expr_ct_state(r, STATE_INVALID);
		expr_source(r, &row->inside[i]);
		x = expr_add(r, "reject");
		nftnl_expr_set_u32(x, NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_TCP_RST);
		nftnl_expr_set_u8(x, NFTNL_EXPR_REJECT_CODE, 0);
		batch_rule(b, r);
	}
	r = rule_new(TABLE, CHAIN_FORWARD);
	expr_ct_state(r, STATE_INVALID);
	expr_verdict(r, NF_DROP);
	batch_rule(b, r);
	r = rule_new(TABLE, CHAIN_FORWARD);
	expr_clamp_mss(r);
	batch_rule(b, r);
	r = rule_new(TABLE, CHAIN_FORWARD);
	expr_ct_state(r, STATE_ESTABLISHED | STATE_RELATED);
	expr_verdict(r, NF_ACCEPT);
	batch_rule(b, r);
	for (uint32_t i = 0; i < row->n_inside; i++)
		for (size_t p = 0; p < sizeof(carried); p++) {
			r = rule_new(TABLE, CHAIN_FORWARD);
			expr_proto(r, carried[p]);
			expr_ct_state(r, STATE_NEW);
			expr_source(r, &row->inside[i]);
			expr_verdict(r, NF_ACCEPT);
			batch_rule(b, r);
		}
}

/* Each address and half with the same chance: the first of n takes one in n, the next one in n - 1 of the rest, … */
static void rules_nat(struct batch *b, const struct nft_row *row)
{
	uint32_t left = row->n_addrs * ARRAY_SIZE(halves);

	for (uint32_t i = 0; i < row->n_addrs; i++)
		for (size_t h = 0; h < ARRAY_SIZE(halves); h++) {
			struct nftnl_rule *r = rule_new(TABLE, CHAIN_NAT);

			if (left > 1)
				expr_chance(r, left--);
			expr_ct_mark_write(r, 0, ct_mark_of(&row->addrs[i]));
			expr_snat(r, &row->addrs[i], &halves[h]);
			batch_rule(b, r);
		}
}

static uint32_t rules_expected(const struct nft_row *row)
{
	return 4 * row->n_inside + 3 + row->n_addrs * (uint32_t)ARRAY_SIZE(halves);
}

static uint64_t hash_bytes(uint64_t hash, const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ ((const uint8_t *)p)[i]) * 1099511628211u;
	return hash;
}

/* Changes with everything the ruleset is made of; the first number is the ruleset's own version. */
static void row_mark(const char *lab, const struct nft_row *row, char buf[NFT_USERDATA_MAXLEN])
{
	uint32_t numbers[] = { 3, row->n_inside, row->n_addrs };
	uint64_t hash = hash_bytes(14695981039346656037u, numbers, sizeof(numbers));
	int n;

	for (uint32_t i = 0; i < row->n_inside; i++) {
		hash = hash_bytes(hash, &row->inside[i].addr, sizeof(row->inside[i].addr));
		hash = hash_bytes(hash, &row->inside[i].len, 1);
	}
	for (uint32_t i = 0; i < row->n_addrs; i++)
		hash = hash_bytes(hash, &row->addrs[i], sizeof(row->addrs[i]));
	n = snprintf(buf, NFT_USERDATA_MAXLEN, "vpcd %s %016llx", lab, (unsigned long long)hash);
	for (uint32_t i = 0; i < row->n_addrs && n < NFT_USERDATA_MAXLEN; i++)
		n += snprintf(buf + n, (size_t)(NFT_USERDATA_MAXLEN - n), " %08x", addr_to_v4(&row->addrs[i]));
}

/* The addresses of a mark that row has not; how many. */
static size_t addrs_gone(const char *mark, const struct nft_row *row, struct addr ret[NAT_ADDRS_MAX])
{
	size_t n = 0, used = 0;
	int at = 0, len = 0;
	unsigned v4;

	if (sscanf(mark, "vpcd %*s %*s%n", &at) < 0 || !at)
		return 0;
	while (used++ < NAT_ADDRS_MAX && sscanf(mark + at, " %8x%n", &v4, &len) == 1) {
		bool there = false;

		at += len;
		ret[n] = addr_from_v4(v4);
		for (uint32_t i = 0; i < row->n_addrs; i++)
			there |= addr_cmp(&row->addrs[i], &ret[n]) == 0;
		n += !there;
	}
	return n;
}

/* ---- timers ---- */

struct timer {
	const char *path;
	uint32_t value;
};
enum { TIMERS = 5 };

static void timers_of(const struct nft_row *row, struct timer t[TIMERS])
{
	t[0] = (struct timer){ "net/netfilter/nf_conntrack_tcp_timeout_established", row->idle_s };
	t[1] = (struct timer){ "net/netfilter/nf_conntrack_udp_timeout", row->udp_s };
	t[2] = (struct timer){ "net/netfilter/nf_conntrack_udp_timeout_stream", row->udp_s };
	t[3] = (struct timer){ "net/netfilter/nf_conntrack_icmp_timeout", row->icmp_s };
	/* Never adopt a connection in its middle: forgotten means reset. */
	t[4] = (struct timer){ "net/netfilter/nf_conntrack_tcp_loose", 0 };
}

static int write_timers(const struct nft_row *row, struct err *e)
{
	struct timer t[TIMERS];

	timers_of(row, t);
	for (size_t i = 0; i < TIMERS; i++) {
		char text[16];
		int r;

		snprintf(text, sizeof(text), "%u", t[i].value);
		r = sysctl_write(NULL, t[i].path, text);
		if (r < 0)
			return err_set(e, r, "%s: %s", t[i].path, strerror(-r));
	}
	return 0;
}

static bool timers_match(const struct nft_row *row)
{
	struct timer t[TIMERS];

	timers_of(row, t);
	for (size_t i = 0; i < TIMERS; i++) {
		char want[16], is[32];

		snprintf(want, sizeof(want), "%u", t[i].value);
		if (sysctl_read(NULL, t[i].path, is, sizeof(is)) < 0 || strcmp(is, want) != 0)
			return false;
	}
	return true;
}

static const struct nft_chain chains[] = {
	{ TABLE, CHAIN_FORWARD, "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER, NF_DROP },
	{ TABLE, CHAIN_INPUT, "filter", NF_INET_LOCAL_IN, NF_IP_PRI_FILTER, NF_DROP },
	{ TABLE, CHAIN_NAT, "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC, NF_ACCEPT },
};

/* ---- reading back ---- */

struct found {
	const char *lab;
	bool ours;
	char mark[NFT_USERDATA_MAXLEN + 1];
	uint32_t chains, rules;
};

static int table_found(const struct nlmsghdr *h, void *ctx)
{
	struct found *f = ctx;
	struct nftnl_table *t = nftnl_table_alloc();
	char want[80];
	uint32_t size = 0;
	const void *p;

	if (nftnl_table_nlmsg_parse(h, t) == 0 && nftnl_table_is_set(t, NFTNL_TABLE_USERDATA)) {
		p = nftnl_table_get_data(t, NFTNL_TABLE_USERDATA, &size);
		memcpy(f->mark, p, size < NFT_USERDATA_MAXLEN ? size : NFT_USERDATA_MAXLEN);
		snprintf(want, sizeof(want), "vpcd %s ", f->lab);
		f->ours = !strncmp(f->mark, want, strlen(want));
	}
	nftnl_table_free(t);
	return MNL_CB_OK;
}

/* One of our three base chains, at its hook, with its policy. */
static int chain_found(const struct nlmsghdr *h, void *ctx)
{
	struct found *f = ctx;
	struct nftnl_chain *c = nftnl_chain_alloc();

	if (nftnl_chain_nlmsg_parse(h, c) == 0 && !strcmp(nftnl_chain_get_str(c, NFTNL_CHAIN_TABLE), TABLE))
		for (size_t i = 0; i < ARRAY_SIZE(chains); i++)
			f->chains += !strcmp(nftnl_chain_get_str(c, NFTNL_CHAIN_NAME), chains[i].name) &&
				     nftnl_chain_is_set(c, NFTNL_CHAIN_HOOKNUM) &&
				     nftnl_chain_get_u32(c, NFTNL_CHAIN_HOOKNUM) == chains[i].hook &&
				     nftnl_chain_get_u32(c, NFTNL_CHAIN_POLICY) == chains[i].policy;
	nftnl_chain_free(c);
	return MNL_CB_OK;
}

static int rule_found(const struct nlmsghdr *h, void *ctx)
{
	struct found *f = ctx;
	struct nftnl_rule *r = nftnl_rule_alloc();

	if (nftnl_rule_nlmsg_parse(h, r) == 0 && !strcmp(nftnl_rule_get_str(r, NFTNL_RULE_TABLE), TABLE))
		f->rules++;
	nftnl_rule_free(r);
	return MNL_CB_OK;
}

static int ask(struct mnl_socket *s, uint16_t type, uint16_t flags, mnl_cb_t fn, struct found *f)
{
	char buf[32 << 10];
	struct nlmsghdr *h = nftnl_nlmsg_build_hdr(buf, type, NFPROTO_IPV4, flags, 0);
	unsigned port = mnl_socket_get_portid(s);
	ssize_t n;
	int r = MNL_CB_OK;

	if (type == NFT_MSG_GETTABLE)
		mnl_attr_put_strz(h, NFTA_TABLE_NAME, TABLE);
	if (mnl_socket_sendto(s, h, h->nlmsg_len) < 0)
		return -errno;
	while (r > MNL_CB_STOP) {
		n = mnl_socket_recvfrom(s, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		r = mnl_cb_run(buf, (size_t)n, 0, port, fn, f);
		if (r < 0)
			return -errno;
	}
	return 0;
}

/* ---- the doors ---- */

static int ruleset_write(const struct nft_row *row, const char *mark, struct err *e)
{
	_cleanup_free_ void *memory = xmalloc(2 * NFT_BATCH_BYTES); /* the library may run over by one message */
	struct batch b = { 0 };

	batch_begin(&b, memory);
	batch_table(&b, TABLE, NFT_MSG_NEWTABLE, NULL);
	batch_table(&b, TABLE, NFT_MSG_DELTABLE, NULL);
	batch_table(&b, TABLE, NFT_MSG_NEWTABLE, mark);
	for (size_t i = 0; i < ARRAY_SIZE(chains); i++)
		batch_chain(&b, &chains[i]);
	rules_forward(&b, row);
	rules_nat(&b, row);
	return batch_commit(&b, e);
}

/* Connections end with their address. Who dies in the middle leaves a mark that nft_compare() does not take for right. */
static int ruleset_shrink(const char *lab, const struct nft_row *row, struct err *e)
{
	_cleanup_nft_ struct mnl_socket *s = NULL;
	struct found f = { .lab = lab };
	struct addr gone[NAT_ADDRS_MAX];
	size_t n;
	int r = nft_open(&s, e);

	if (r < 0)
		return r;
	r = ask(s, NFT_MSG_GETTABLE, NLM_F_ACK, table_found, &f);
	n = r < 0 || !f.ours ? 0 : addrs_gone(f.mark, row, gone);
	if (!n)
		return 0;
	r = ruleset_write(row, f.mark, e);
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = nft_count_cut(&gone[i], e);
	return r;
}

int nft_write(const char *lab, const struct nft_row *row, struct err *e)
{
	char mark[NFT_USERDATA_MAXLEN];
	int r = nft_count_write(lab, e);

	if (r < 0)
		return r;
	/* A NAT gateway has at most a VPC's five blocks inside (semantics 1.5); rules are some 300 bytes. */
	if (row->n_inside > 64 || row->n_addrs > NAT_ADDRS_MAX)
		return err_set(e, -E2BIG, "nf_tables: %u ranges inside, %u addresses; 64 and %d are the limits",
			       row->n_inside, row->n_addrs, NAT_ADDRS_MAX);
	r = ruleset_shrink(lab, row, e);
	if (r < 0)
		return r;
	row_mark(lab, row, mark);
	r = ruleset_write(row, mark, e);
	/* After the rules: they are what makes the kernel track connections at all. */
	return r < 0 ? r : write_timers(row, e);
}

int nft_delete(struct err *e)
{
	_cleanup_free_ void *memory = xmalloc(2 * NFT_BATCH_BYTES);
	struct batch b = { 0 };

	batch_begin(&b, memory);
	batch_table(&b, TABLE, NFT_MSG_NEWTABLE, NULL); /* so that deleting cannot fail */
	batch_table(&b, TABLE, NFT_MSG_DELTABLE, NULL);
	nft_count_forget(&b);
	return batch_commit(&b, e);
}

int nft_compare(const char *lab, const struct nft_row *row, struct err *e)
{
	_cleanup_nft_ struct mnl_socket *s = NULL;
	struct found f = { .lab = lab };
	char want[NFT_USERDATA_MAXLEN];
	int r = nft_open(&s, e);

	if (r < 0)
		return r == -EPROTONOSUPPORT ? 0 : r; /* a kernel without netfilter holds no table */
	r = ask(s, NFT_MSG_GETTABLE, NLM_F_ACK, table_found, &f);
	if (r == -ENOENT || r == -EINVAL || r == -EOPNOTSUPP)
		return 0; /* EINVAL: nf_tables itself is not there */
	if (r < 0)
		return err_set(e, r, "nf_tables: table %s: %s", TABLE, strerror(-r));
	if (!f.ours)
		return 0;
	if (!row)
		return 2;
	row_mark(lab, row, want);
	if (strcmp(f.mark, want) != 0 || !timers_match(row) || nft_count_there(lab) <= 0)
		return 2;
	r = ask(s, NFT_MSG_GETCHAIN, NLM_F_DUMP, chain_found, &f);
	if (r == 0)
		r = ask(s, NFT_MSG_GETRULE, NLM_F_DUMP, rule_found, &f);
	if (r < 0 && r != -EINTR) /* interrupted: somebody is changing it, so it is not what it should be */
		return err_set(e, r, "nf_tables: table %s: %s", TABLE, strerror(-r));
	return r == 0 && f.chains == 3 && f.rules == rules_expected(row) ? 1 : 2;
}
