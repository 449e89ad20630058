/* addr.c: IPv4 and IPv6 addresses and prefixes, all of them 128 bit inside. Pure. */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "util/addr.h"
#include "util/str.h"

enum { V4_BYTES = 4 };
#define V4_OFFSET 12 /* the IPv4 address is the last four of the 16 bytes */
#define V4_LEN 32u
#define V6_LEN 128u
#define V4_LEN128 96u /* length of ::ffff:0:0/96, where IPv4 lives */

static const uint8_t v4_mapped[V4_OFFSET] = { [10] = 0xff, [11] = 0xff };

static unsigned max_len(int family);
static void mask(struct addr *a, unsigned len128, uint8_t fill);
static bool same_bits(const struct addr *a, const struct addr *b, unsigned len128);
static bool inside_v4(const struct prefix *p, uint32_t base, unsigned len);

/* IPv4 is written a.b.c.d and nothing else: ::ffff:a.b.c.d as text would be a second spelling of
 * it, and no such address travels in a VPC. */
int addr_parse(const char *s, struct addr *ret)
{
	struct addr a;
	uint32_t v4;

	if (inet_pton(AF_INET, s, &v4) == 1) {
		*ret = addr_from_v4(ntohl(v4));
		return 0;
	}
	if (inet_pton(AF_INET6, s, a.a.b) != 1 || addr_family(&a) != FAMILY_V6)
		return -EINVAL;
	*ret = a;
	return 0;
}

char *addr_format(const struct addr *a, char buf[ADDR_STRLEN])
{
	char *s = buf;

	if (addr_family(a) != FAMILY_V4) {
		assert(inet_ntop(AF_INET6, a->a.b, buf, ADDR_STRLEN));
		return buf;
	}
	/* By hand: inet_ntop prints it, and a change of a lab writes thousands. */
	for (unsigned i = 0; i < V4_BYTES; i++) {
		unsigned byte = a->a.b[V4_OFFSET + i];

		if (byte >= 100)
			*s++ = (char)('0' + byte / 100);
		if (byte >= 10)
			*s++ = (char)('0' + byte / 10 % 10);
		*s++ = (char)('0' + byte % 10);
		*s++ = i + 1 < V4_BYTES ? '.' : '\0';
	}
	return buf;
}

struct addr addr_from_v4(uint32_t host_order)
{
	uint32_t v4 = htonl(host_order);
	struct addr a;

	memcpy(a.a.b, v4_mapped, sizeof(v4_mapped));
	memcpy(a.a.b + V4_OFFSET, &v4, sizeof(v4));
	return a;
}

uint32_t addr_to_v4(const struct addr *a)
{
	uint32_t v4;

	if (addr_family(a) != FAMILY_V4)
		return 0;
	memcpy(&v4, a->a.b + V4_OFFSET, sizeof(v4));
	return ntohl(v4);
}

int addr_family(const struct addr *a)
{
	return memcmp(a->a.b, v4_mapped, sizeof(v4_mapped)) == 0 ? FAMILY_V4 : FAMILY_V6;
}

int addr_cmp(const struct addr *a, const struct addr *b)
{
	return memcmp(a->a.b, b->a.b, sizeof(a->a.b));
}

bool addr_is_zero(const struct addr *a)
{
	static const struct addr zero;

	return addr_cmp(a, &zero) == 0;
}

struct addr addr_add(const struct addr *a, uint64_t n)
{
	struct addr sum = *a;

	for (int i = 15; i >= 0; i--) {
		unsigned byte = sum.a.b[i] + (unsigned)(n & 0xff);

		sum.a.b[i] = (uint8_t)byte;
		n = (n >> 8) + (byte >> 8);
	}
	return sum;
}

int prefix_parse(const char *s, struct prefix *ret, bool *had_host_bits)
{
	const char *slash = strchr(s, '/');
	char text[ADDR_STRLEN];
	size_t n = slash ? (size_t)(slash - s) : strlen(s);
	struct addr a;
	uint32_t len;
	struct prefix p;

	if (n >= sizeof(text))
		return -EINVAL;
	memcpy(text, s, n);
	text[n] = '\0';
	if (addr_parse(text, &a) < 0)
		return -EINVAL;
	len = max_len(addr_family(&a));
	if (slash) {
		/* "/08" is not a length anyone means. */
		if (slash[1] == '0' && slash[2])
			return -EINVAL;
		if (str_to_u32(slash + 1, 0, len, &len) < 0)
			return -EINVAL;
	}
	p = prefix_of(&a, len);
	if (had_host_bits)
		*had_host_bits = addr_cmp(&p.addr, &a) != 0;
	*ret = p;
	return 0;
}

char *prefix_format(const struct prefix *p, char buf[PREFIX_STRLEN])
{
	char text[ADDR_STRLEN];

	if (!p->family)
		buf[0] = '\0';
	else
		snprintf(buf, PREFIX_STRLEN, "%s/%u", addr_format(&p->addr, text), p->len);
	return buf;
}

struct prefix prefix_of(const struct addr *a, unsigned len)
{
	struct prefix p = { .addr = *a, .family = (uint8_t)addr_family(a) };

	assert(len <= max_len(p.family));
	p.len = (uint8_t)len;
	mask(&p.addr, prefix_len128(&p), 0);
	return p;
}

bool prefix_contains(const struct prefix *p, const struct addr *a)
{
	return p->family == addr_family(a) && same_bits(&p->addr, a, prefix_len128(p));
}

bool prefix_covers(const struct prefix *outer, const struct prefix *inner)
{
	return outer->family && outer->family == inner->family && outer->len <= inner->len &&
	       same_bits(&outer->addr, &inner->addr, prefix_len128(outer));
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	return prefix_covers(a, b) || prefix_covers(b, a);
}

int prefix_cmp(const struct prefix *a, const struct prefix *b)
{
	int c;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	c = addr_cmp(&a->addr, &b->addr);
	if (c != 0)
		return c;
	return (a->len > b->len) - (a->len < b->len);
}

struct addr prefix_last(const struct prefix *p)
{
	struct addr last = p->addr;

	mask(&last, prefix_len128(p), 0xff);
	return last;
}

uint64_t prefix_size(const struct prefix *p)
{
	unsigned host_bits = V6_LEN - prefix_len128(p);

	return host_bits < 64 ? UINT64_C(1) << host_bits : UINT64_MAX;
}

unsigned prefix_len128(const struct prefix *p)
{
	return p->family == FAMILY_V4 ? V4_LEN128 + p->len : p->len;
}

bool prefix_is_rfc1918(const struct prefix *p)
{
	return inside_v4(p, 0x0a000000, 8) || inside_v4(p, 0xac100000, 12) || inside_v4(p, 0xc0a80000, 16);
}

bool prefix_is_rfc6598(const struct prefix *p)
{
	return inside_v4(p, 0x64400000, 10);
}

static unsigned max_len(int family)
{
	return family == FAMILY_V4 ? V4_LEN : V6_LEN;
}

/* Sets every bit behind the first len128 to the bits of fill (0 or 0xff). */
static void mask(struct addr *a, unsigned len128, uint8_t fill)
{
	for (unsigned i = len128 / 8; i < sizeof(a->a.b); i++) {
		uint8_t keep = i == len128 / 8 ? (uint8_t)(0xff00 >> (len128 % 8)) : 0;

		a->a.b[i] = (uint8_t)((a->a.b[i] & keep) | (fill & ~keep));
	}
}

static bool same_bits(const struct addr *a, const struct addr *b, unsigned len128)
{
	unsigned bytes = len128 / 8;
	uint8_t keep = (uint8_t)(0xff00 >> (len128 % 8));

	if (memcmp(a->a.b, b->a.b, bytes) != 0)
		return false;
	return bytes == sizeof(a->a.b) || ((a->a.b[bytes] ^ b->a.b[bytes]) & keep) == 0;
}

static bool inside_v4(const struct prefix *p, uint32_t base, unsigned len)
{
	struct addr a = addr_from_v4(base);
	struct prefix outer = prefix_of(&a, len);

	return prefix_covers(&outer, p);
}
