/* nft_batch.h: what the nft*.c files share: one transaction of nf_tables, rules and their expressions. Each rule
 * compares by register 1. Memory of the library that runs out aborts, as everywhere. Kernel room. */
#pragma once
#include <stdint.h>
#include <libmnl/libmnl.h>
#include "util/err.h"

enum {
	NFT_BATCH_BYTES =
		128 << 10, /* of a transaction; its memory is twice that: the library may run over by one message */
	/* ct state bits as the kernel numbers them */
	STATE_INVALID = 1,
	STATE_ESTABLISHED = 2,
	STATE_RELATED = 4,
	STATE_NEW = 8,
};
/* The mark of a connection: how far it came (nft_count.c), and above that the low bits of its address at the gateway. The
 * addresses of a gateway are in one subnet, of which they tell them apart. */
enum { CT_STAGE_MASK = 3, CT_STAGE_BITS = 2 };
struct addr;
uint32_t ct_mark_of(const struct addr *a); /* stage 0 */

struct batch {
	struct mnl_nlmsg_batch *b;
	uint32_t seq;
	uint32_t rules;
};
struct nft_chain { /* a base chain */
	const char *table, *name, *type;
	uint32_t hook;
	int32_t prio;
	uint32_t policy;
};
struct nftnl_rule;
struct nftnl_expr;

void batch_begin(struct batch *b, void *memory); /* memory: 2 * NFT_BATCH_BYTES */
struct nlmsghdr *batch_msg(struct batch *b, uint16_t type, uint16_t flags);
void batch_table(struct batch *b, const char *table, uint16_t type, const char *userdata); /* userdata may be NULL */
void batch_chain(struct batch *b, const struct nft_chain *chain);
struct nftnl_rule *rule_new(const char *table, const char *chain);
void batch_rule(struct batch *b, struct nftnl_rule *r); /* takes r */
int batch_commit(struct batch *b, struct err *e);       /* in the namespace the thread is in; negative errno */

struct nftnl_expr *expr_add(struct nftnl_rule *r, const char *name);
void expr_compare(struct nftnl_rule *r, uint32_t op, const void *data, uint32_t size);
void expr_mask(struct nftnl_rule *r, const void *mask); /* four bytes of it */
void expr_proto(struct nftnl_rule *r, uint8_t proto);
void expr_ct_state(struct nftnl_rule *r, uint32_t bits);
void expr_ct_mark_write(struct nftnl_rule *r, uint32_t keep, uint32_t bits); /* mark = mark & keep ^ bits */
void expr_verdict(struct nftnl_rule *r, uint32_t verdict);

int nft_open(struct mnl_socket **ret, struct err *e);
void nft_closep(struct mnl_socket **s);
/* Sends a question and runs fn over all answers. Negative errno. */
int nft_ask(struct mnl_socket *s, const struct nlmsghdr *h, mnl_cb_t fn, void *ctx);
#define _cleanup_nft_ __attribute__((cleanup(nft_closep)))
