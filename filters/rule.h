/* rule.h: one line of a security group or network ACL, as data, and its text form. Pure.
 * semantics 5.1, 6; the language is design 3:  PROTO [PORTS] from|to PEER, NACL rules begin NUMBER allow|deny. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/addr.h"
#include "util/err.h"

enum { RULE_PROTO_ALL = 256 }; /* above any IP protocol number */
enum { RULE_PORT_RANGES_MAX = 16, RULE_PEER_NAME_MAX = 33 };

enum rule_owner { RULE_OF_GROUP, RULE_OF_NACL };
enum rule_dir { RULE_IN, RULE_OUT };
enum rule_peer_kind { PEER_PREFIX, PEER_GROUP, PEER_PREFIX_LIST };

struct port_range {
	uint16_t lo, hi; /* host order, inclusive */
};

struct rule {
	enum rule_owner owner;
	enum rule_dir dir;
	bool allow;                                    /* groups: always true */
	uint32_t nacl_number;                          /* 1..32766; 0 for groups */
	uint16_t proto;                                /* 0..255, RULE_PROTO_ALL */
	uint8_t n_ports;                               /* tcp, udp; 0 = all ports */
	struct port_range ports[RULE_PORT_RANGES_MAX]; /* ascending, disjoint */
	int16_t icmp_type, icmp_code;                  /* icmp, icmpv6; -1 = any */
	enum rule_peer_kind peer_kind;
	struct prefix peer;                 /* PEER_PREFIX */
	char peer_name[RULE_PEER_NAME_MAX]; /* PEER_GROUP, PEER_PREFIX_LIST */
};

/* The prefix that a bare VPC has no say about: 0.0.0.0/0 or ::/0. */
static inline bool rule_peer_is_everything(const struct rule *r)
{
	return r->peer_kind == PEER_PREFIX && r->peer.len == 0;
}

/* Parses the value of an inbound= or outbound= line; a description after " ;" is skipped. -EINVAL with a message that says what was
 * read, what is wanted and, where it can guess, what was meant. *ret is untouched on failure. */
int rule_parse(const char *text, enum rule_owner owner, enum rule_dir dir, struct rule *ret, struct err *e);
/* Canonical text; parse(format(r)) == r. Returns buf. */
char *rule_format(const struct rule *r, char *buf, size_t size);
bool rule_eq(const struct rule *a, const struct rule *b);
/* How many AWS rules this one line stands for (quotas, semantics 1.5): a port list is one rule a
 * range, a prefix list counts its entries (given by the caller, 1 otherwise). */
unsigned rule_aws_count(const struct rule *r, unsigned prefix_list_entries);

/* Protocol by name ("tcp", "icmpv6", "all") or number. -EINVAL. */
int rule_proto_parse(const char *s, uint16_t *ret);
const char *rule_proto_name(uint16_t proto, char buf[8]);
/* ICMP type[/code] by name or number, for proto 1 or 58. */
int rule_icmp_parse(const char *s, uint16_t proto, int16_t *type, int16_t *code);
