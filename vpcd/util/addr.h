/* addr.h: IPv4 and IPv6 addresses and prefixes. Pure.
 *
 * struct addr is struct abi_addr of bpf/abi.h: 16 bytes in network order; an IPv4 address is
 * stored as ::ffff:a.b.c.d (RFC 4291 2.5.5.2), so one comparison orders both families and an
 * IPv4 prefix of length n is a 128-bit prefix of length 96 + n. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "abi.h"

enum { FAMILY_V4 = 4, FAMILY_V6 = 6 };

struct addr {
	struct abi_addr a;
};
struct prefix {
	struct addr addr; /* host bits are zero */
	uint8_t len;      /* in the family's own terms: 0..32 or 0..128 */
	uint8_t family;   /* FAMILY_V4, FAMILY_V6; 0 = unset */
};

#define ADDR_STRLEN 46
#define PREFIX_STRLEN 50

int addr_parse(const char *s, struct addr *ret);                /* -EINVAL */
char *addr_format(const struct addr *a, char buf[ADDR_STRLEN]); /* returns buf */
struct addr addr_from_v4(uint32_t host_order);
uint32_t addr_to_v4(const struct addr *a); /* host order; 0 for IPv6 */
int addr_family(const struct addr *a);
int addr_cmp(const struct addr *a, const struct addr *b);
bool addr_is_zero(const struct addr *a);                /* all 16 bytes zero: "unset" */
struct addr addr_add(const struct addr *a, uint64_t n); /* a + n, wraps within 128 bit */

/* "a.b.c.d/n" or an address (then a host prefix). Host bits are zeroed silently as AWS does
 * (semantics 1.1); *had_host_bits (may be NULL) tells. -EINVAL. */
int prefix_parse(const char *s, struct prefix *ret, bool *had_host_bits);
char *prefix_format(const struct prefix *p, char buf[PREFIX_STRLEN]);
struct prefix prefix_of(const struct addr *a, unsigned len); /* len in the family's own terms; masks */
bool prefix_contains(const struct prefix *p, const struct addr *a);
bool prefix_covers(const struct prefix *outer, const struct prefix *inner);
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);
int prefix_cmp(const struct prefix *a, const struct prefix *b); /* family, address, length */
struct addr prefix_last(const struct prefix *p);
uint64_t prefix_size(const struct prefix *p);   /* number of addresses; UINT64_MAX if more */
unsigned prefix_len128(const struct prefix *p); /* 96 + len for IPv4 */

bool prefix_is_rfc1918(const struct prefix *p); /* wholly inside 10/8, 172.16/12, 192.168/16 */
bool prefix_is_rfc6598(const struct prefix *p); /* wholly inside 100.64/10 */
