/* uplink.c: names and addresses of the link between a lab's internet and the machine. Pure. */
#include "model/uplink.h"
#include <stdio.h>

enum { LINK_LOCAL = 0xa9fe0000, BLOCKS_A_THIRD = 64, METADATA = 169, LAST = 255 };

static uint32_t hash_of(const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619u;
	return hash;
}

struct addr uplink_addr(const char *lab, unsigned attempt)
{
	/* 1..254 without 169 */
	uint32_t n = (hash_of(lab) + attempt) % ((LAST - 2) * BLOCKS_A_THIRD);
	uint32_t third = 1 + n / BLOCKS_A_THIRD;

	third += third >= METADATA;
	return addr_from_v4(LINK_LOCAL | third << 8 | (n % BLOCKS_A_THIRD) << 2 | 2);
}

struct addr uplink_machine_addr(const struct addr *lab_end)
{
	return addr_from_v4(addr_to_v4(lab_end) - 1);
}

char *uplink_ifname(const char *lab, char buf[UPLINK_IFNAME_MAX])
{
	snprintf(buf, UPLINK_IFNAME_MAX, "vpcd%08x", hash_of(lab));
	return buf;
}
