/* row.c: one row of a state: which thing it is, whether it is as wanted, and its words. Pure.
 *
 * | kind   | key                              | value                              |
 * |--------|----------------------------------|------------------------------------|
 * | NS     | ns                               | user_owned                         |
 * | LINK   | ns, ifname                       | all else                           |
 * | SYSCTL | ns, path                         | value                              |
 * | ADDR   | ns, ifname, addr                 | prefix_len                         |
 * | NEIGH  | ns, ifname, addr                 | mac                                |
 * | ROUTE  | ns, table, dst, metric           | type, ifname, via, prefsrc         |
 * | RULE   | ns, pref, mark, mask, table, from |                                   |
 * | NFT    | ns                               | the ruleset and its timers         |
 * | UPLINK | ns                               | ifname, addr                       |
 * | FILTER | ns, ifname, hook                 | ifindex                            | */
#include <stdio.h>
#include <string.h>
#include "plan/state.h"

#define TEXT_LEN_MAX 160

static int u32_cmp(uint32_t a, uint32_t b);
static int name_cmp(const char *a, const char *b);
static bool link_eq(const struct link_row *a, const struct link_row *b);
static bool route_eq(const struct route_row *a, const struct route_row *b);
static bool nft_eq(const struct nft_row *a, const struct nft_row *b);
static void route_text(const struct route_row *r, char *buf, size_t size);
static void lpm_text(const struct abi_lpm_key *key, char buf[PREFIX_STRLEN]);

int row_key_cmp(const struct row *a, const struct row *b)
{
	int c = u32_cmp(a->kind, b->kind);

	if (!c)
		c = name_cmp(a->ns, b->ns);
	if (c)
		return c;
	switch (a->kind) {
	case ROW_NS:
	case ROW_UPLINK:
	case ROW_NFT: return 0;
	case ROW_LINK: return strcmp(a->link.ifname, b->link.ifname);
	case ROW_SYSCTL: return name_cmp(a->sysctl.path, b->sysctl.path);
	case ROW_ADDR:
		c = strcmp(a->addr.ifname, b->addr.ifname);
		return c ? c : addr_cmp(&a->addr.addr, &b->addr.addr);
	case ROW_NEIGH:
		c = strcmp(a->neigh.ifname, b->neigh.ifname);
		return c ? c : addr_cmp(&a->neigh.addr, &b->neigh.addr);
	case ROW_ROUTE:
		c = u32_cmp(a->route.table, b->route.table);
		if (!c)
			c = prefix_cmp(&a->route.dst, &b->route.dst);
		return c ? c : u32_cmp(a->route.metric, b->route.metric);
	case ROW_RULE:
		c = u32_cmp(a->rule.pref, b->rule.pref);
		if (!c)
			c = u32_cmp(a->rule.mark, b->rule.mark);
		if (!c)
			c = u32_cmp(a->rule.mask, b->rule.mask);
		if (!c)
			c = u32_cmp(a->rule.table, b->rule.table);
		return c ? c : addr_cmp(&a->rule.from, &b->rule.from);
	case ROW_FILTER:
		c = strcmp(a->filter.ifname, b->filter.ifname);
		return c ? c : u32_cmp(a->filter.hook, b->filter.hook);
	case ROW_KIND_MAX: break;
	}
	return 0;
}

bool row_value_eq(const struct row *a, const struct row *b)
{
	switch (a->kind) {
	case ROW_NS: return a->ns_row.user_owned == b->ns_row.user_owned;
	case ROW_LINK: return link_eq(&a->link, &b->link);
	case ROW_SYSCTL: return name_cmp(a->sysctl.value, b->sysctl.value) == 0;
	case ROW_ADDR: return a->addr.prefix_len == b->addr.prefix_len;
	case ROW_NEIGH: return memcmp(a->neigh.mac, b->neigh.mac, sizeof(a->neigh.mac)) == 0;
	case ROW_ROUTE: return route_eq(&a->route, &b->route);
	case ROW_RULE: return true;
	case ROW_NFT: return nft_eq(&a->nft, &b->nft);
	case ROW_UPLINK:
		return strcmp(a->uplink.ifname, b->uplink.ifname) == 0 &&
		       addr_cmp(&a->uplink.addr, &b->uplink.addr) == 0;
	case ROW_FILTER: return a->filter.ifindex == b->filter.ifindex;
	case ROW_KIND_MAX: break;
	}
	return false;
}

char *row_format(const struct row *r, char *buf, size_t size)
{
	static const char *const hooks[HOOK_MAX] = { "eni-ingress", "eni-egress", "igw-egress", "link-ingress" };
	char text[ADDR_STRLEN], route[TEXT_LEN_MAX];

	switch (r->kind) {
	case ROW_NS: snprintf(buf, size, "namespace %s", r->ns); break;
	case ROW_LINK:
		snprintf(buf, size, "link %s in %s to %s in %s", r->link.ifname, r->ns, r->link.peer_ifname,
			 r->link.peer_ns ? r->link.peer_ns : "?");
		break;
	case ROW_SYSCTL:
		snprintf(buf, size, "sysctl %s = %s in %s", r->sysctl.path, r->sysctl.value ? r->sysctl.value : "?",
			 r->ns);
		break;
	case ROW_ADDR:
		snprintf(buf, size, "address %s/%u on %s in %s", addr_format(&r->addr.addr, text), r->addr.prefix_len,
			 r->addr.ifname, r->ns);
		break;
	case ROW_NEIGH:
		snprintf(buf, size, "neighbour %s at %02x:%02x:%02x:%02x:%02x:%02x on %s in %s",
			 addr_format(&r->neigh.addr, text), r->neigh.mac[0], r->neigh.mac[1], r->neigh.mac[2],
			 r->neigh.mac[3], r->neigh.mac[4], r->neigh.mac[5], r->neigh.ifname, r->ns);
		break;
	case ROW_ROUTE:
		route_text(&r->route, route, sizeof(route));
		snprintf(buf, size, "%s of %s", route, r->ns);
		break;
	case ROW_RULE:
		if (!addr_is_zero(&r->rule.from))
			snprintf(buf, size, "rule %u: from %s to table %u in %s", r->rule.pref,
				 addr_format(&r->rule.from, text), r->rule.table, r->ns);
		else if (r->rule.table)
			snprintf(buf, size, "rule %u: mark %#x/%#x to table %u in %s", r->rule.pref, r->rule.mark,
				 r->rule.mask, r->rule.table, r->ns);
		else
			snprintf(buf, size, "rule %u: mark %#x/%#x to nowhere in %s", r->rule.pref, r->rule.mark,
				 r->rule.mask, r->ns);
		break;
	case ROW_NFT:
		snprintf(buf, size, "translation to %s in %s",
			 r->nft.n_addrs ? addr_format(&r->nft.addrs[0], text) : "nothing", r->ns);
		break;
	case ROW_UPLINK: snprintf(buf, size, "uplink from %s by %s of this machine", r->ns, r->uplink.ifname); break;
	case ROW_FILTER:
		snprintf(buf, size, "filter %s on %s in %s", r->filter.hook < HOOK_MAX ? hooks[r->filter.hook] : "?",
			 r->filter.ifname, r->ns);
		break;
	case ROW_KIND_MAX: snprintf(buf, size, "?"); break;
	}
	return buf;
}

/* Keys lie at any offset in rows: copied before they are read. */
char *map_row_format(const struct map_rows *rows, const struct map_row *row, char *buf, size_t size)
{
	const void *key = map_row_key(rows, row);
	char text[PREFIX_STRLEN];
	union {
		uint32_t index;
		struct abi_addr_key addr;
		struct abi_lpm_key lpm;
		struct abi_member_key member;
		uint64_t node;
	} k;

	memset(&k, 0, sizeof(k));
	memcpy(&k, key, row->key_size < sizeof(k) ? row->key_size : sizeof(k));
	switch ((enum abi_map)row->map) {
	case ABI_MAP_PORTS: snprintf(buf, size, "port %u", k.index); break;
	case ABI_MAP_ADDRS:
		snprintf(buf, size, "owner of %s in VPC %u", addr_format(&(struct addr){ k.addr.addr }, text),
			 k.addr.vpc);
		break;
	case ABI_MAP_ROUTES:
		lpm_text(&k.lpm, text);
		if (k.lpm.table_hi == ABI_TABLE_VPC)
			snprintf(buf, size, "range %s of VPC %u", text, k.lpm.table_lo);
		else
			snprintf(buf, size, "next hop for %s in route table %u", text, k.lpm.table_lo);
		break;
	case ABI_MAP_INET:
		lpm_text(&k.lpm, text);
		snprintf(buf, size, "owner of %s on the internet", text);
		break;
	case ABI_MAP_POLICIES: snprintf(buf, size, "policy %u", k.index); break;
	case ABI_MAP_PEERS:
		lpm_text(&k.lpm, text);
		snprintf(buf, size, "class of %s in policy %u %s", text, k.lpm.table_lo / 2,
			 k.lpm.table_lo & 1 ? "outbound" : "inbound");
		break;
	case ABI_MAP_MEMBERS:
		snprintf(buf, size, "class of group set %u in policy %u %s", k.member.members, k.member.table / 2,
			 k.member.table & 1 ? "outbound" : "inbound");
		break;
	case ABI_MAP_RULES: snprintf(buf, size, "rules %016llx", (unsigned long long)k.node); break;
	case ABI_MAP_SYNC_MAX: snprintf(buf, size, "?"); break;
	}
	return buf;
}

static int u32_cmp(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

/* Names of one state are the same pointer when they are equal. */
static int name_cmp(const char *a, const char *b)
{
	if (a == b)
		return 0;
	if (!a || !b)
		return a ? 1 : -1;
	return strcmp(a, b);
}

static bool link_eq(const struct link_row *a, const struct link_row *b)
{
	return a->ifindex == b->ifindex && memcmp(a->mac, b->mac, sizeof(a->mac)) == 0 &&
	       strcmp(a->alias, b->alias) == 0 && name_cmp(a->peer_ns, b->peer_ns) == 0 &&
	       strcmp(a->peer_ifname, b->peer_ifname) == 0 &&
	       (!a->peer_ifindex || !b->peer_ifindex || a->peer_ifindex == b->peer_ifindex) &&
	       memcmp(a->peer_mac, b->peer_mac, sizeof(a->peer_mac)) == 0 && a->mtu == b->mtu && a->down == b->down;
}

static bool route_eq(const struct route_row *a, const struct route_row *b)
{
	return a->type == b->type && strcmp(a->ifname, b->ifname) == 0 && addr_cmp(&a->via, &b->via) == 0 &&
	       addr_cmp(&a->prefsrc, &b->prefsrc) == 0;
}

/* Order counts in addrs only: the first is the primary one. Both sides list inside in ascending order. */
static bool nft_eq(const struct nft_row *a, const struct nft_row *b)
{
	if (a->n_inside != b->n_inside || a->n_addrs != b->n_addrs || a->idle_s != b->idle_s || a->udp_s != b->udp_s ||
	    a->icmp_s != b->icmp_s)
		return false;
	for (uint32_t i = 0; i < a->n_inside; i++)
		if (prefix_cmp(&a->inside[i], &b->inside[i]) != 0)
			return false;
	for (uint32_t i = 0; i < a->n_addrs; i++)
		if (addr_cmp(&a->addrs[i], &b->addrs[i]) != 0)
			return false;
	return true;
}

static void route_text(const struct route_row *r, char *buf, size_t size)
{
	static const char *const types[] = { "route", "throw", "blackhole" };
	char dst[PREFIX_STRLEN], via[ADDR_STRLEN], src[ADDR_STRLEN], table[16] = "main table";

	if (r->table != ROUTE_TABLE_MAIN)
		snprintf(table, sizeof(table), "table %u", r->table);
	snprintf(buf, size, "%s %s%s%s%s%s%s%s in %s", types[r->type], prefix_format(&r->dst, dst),
		 addr_is_zero(&r->via) ? "" : " via ", addr_is_zero(&r->via) ? "" : addr_format(&r->via, via),
		 r->ifname[0] ? " dev " : "", r->ifname, addr_is_zero(&r->prefsrc) ? "" : " src ",
		 addr_is_zero(&r->prefsrc) ? "" : addr_format(&r->prefsrc, src), table);
}

/* IPv4 lies in ::ffff:0:0/96, so a prefix of fewer than 96 bits is an IPv6 one. */
static void lpm_text(const struct abi_lpm_key *key, char buf[PREFIX_STRLEN])
{
	struct addr a = { key->addr };
	unsigned len = key->prefixlen >= ABI_LPM_TABLE_BITS ? key->prefixlen - ABI_LPM_TABLE_BITS : 0;
	struct prefix p = prefix_of(&a, addr_family(&a) == FAMILY_V4 && len >= 96 ? len - 96 : len);

	prefix_format(&p, buf);
}
