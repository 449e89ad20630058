/* nl_wire.h: what the rtnetlink files of this folder share: addresses on the wire, and the memory
 * of interface names a socket keeps. Kernel room. */
#pragma once
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>
#include "kern/nl.h"
#include "util/addr.h"

static inline int wire_af(const struct addr *a)
{
	return addr_family(a) == FAMILY_V4 ? AF_INET : AF_INET6;
}
/* The last 4 bytes of ::ffff:a.b.c.d are IPv4's wire form. */
static inline void wire_put_addr(struct nl_msg *msg, int type, const struct addr *a)
{
	bool v4 = addr_family(a) == FAMILY_V4;

	nla_put(msg, type, v4 ? 4 : 16, v4 ? a->a.b + 12 : a->a.b);
}
static inline bool wire_get_addr(struct nlattr *nla, struct addr *ret)
{
	if (nla && nla_len(nla) == 4) {
		uint32_t be;

		memcpy(&be, nla_data(nla), 4);
		*ret = addr_from_v4(__builtin_bswap32(be));
		return true;
	}
	if (!nla || nla_len(nla) != 16)
		return false;
	memcpy(ret->a.b, nla_data(nla), 16);
	return true;
}

/* Of dumps: IPv6 is not carried yet, and asking for every family costs twice. */
enum { WIRE_DUMP_FAMILY = AF_INET };

int nl_ns_fd(const struct nl_ns *ns);
/* Names a socket knows; forgotten whole when a link changes. */
void nl_ns_remember(struct nl_ns *ns, const char *ifname, int ifindex);
int nl_ns_recall(const struct nl_ns *ns, const char *ifname); /* 0: unknown */
