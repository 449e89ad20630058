/* draw_topology.c: a random lab with everything the filter knows: several VPCs, peering, internet and NAT gateways,
 * appliances, edge routes, blackholes, prefix lists, groups that name each other, ACLs, timers and limits. */
#include <string.h>
#include "tests/support/scenario_draw.h"
#include "util/mem.h"

struct gen {
	struct rng *r;
	struct strbuf b;
	unsigned vpcs, subnets[3], groups[3], instances[3];
	bool igw[3], nat[3], appliance[3], pcx, six, v6_rules;
};

static unsigned below(struct gen *g, unsigned n)
{
	return rng_below(g->r, n);
}

static void peer_add(struct gen *g, unsigned v, bool of_group)
{
	const unsigned kinds = of_group ? 13 : 9;

	switch (below(g, kinds)) {
	case 0:
	case 1:
	case 2: strbuf_adds(&g->b, g->v6_rules && below(g, 3) == 0 ? "::/0" : "0.0.0.0/0"); return;
	case 3: strbuf_addf(&g->b, "10.%u.0.0/16", below(g, g->vpcs)); return;
	case 4: strbuf_addf(&g->b, "10.%u.%u.0/24", below(g, g->vpcs), below(g, 3)); return;
	case 5: strbuf_addf(&g->b, "10.%u.%u.%u/%u", v, below(g, 3), 10 + below(g, 4), 30 + below(g, 3)); return;
	case 6: strbuf_adds(&g->b, below(g, 2) ? "198.51.100.0/24" : "192.0.2.9/32"); return;
	case 7:
		if (g->v6_rules)
			strbuf_addf(&g->b, below(g, 3) ? "2001:db8:%u::/48" : "2001:db8:%u::1/128",
				    1 + below(g, g->vpcs));
		else if (g->v6_rules && below(g, 4) == 0)
			strbuf_adds(&g->b, "2001:db8::/32");
		else
			strbuf_addf(&g->b, "10.%u.77.1/24", v); /* host bits are zeroed */
		return;
	case 8: strbuf_addf(&g->b, "10.0.0.0/%u", 7 + below(g, 9)); return;
	case 9: strbuf_addf(&g->b, "pl:p%u", below(g, 2)); return;
	default:
		if (g->pcx && v < 2 && below(g, 3) == 0)
			strbuf_addf(&g->b, "sg:g%u-%u", 1 - v, below(g, g->groups[1 - v]));
		else
			strbuf_addf(&g->b, "sg:g%u-%u", v, below(g, g->groups[v]));
	}
}

static void traffic_add(struct gen *g, bool of_group)
{
	static const char *const ports[] = { "",        " 80",         " 22",      " 53",
					     " 80-443", " 1024-65535", " 0-65535", " 40000-40001" };
	static const char *const icmp[] = { "", " echo-request", " echo-reply", " 3/4", " 3", " 13", " 8/0" };
	static const char *const icmp6[] = { "", " 128", " 129", " 1/4", " 2" };

	switch (below(g, 9)) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4:
		strbuf_adds(&g->b, below(g, 5) < 3 ? "tcp" : "udp");
		if (of_group && below(g, 6) == 0)
			strbuf_adds(&g->b, " 22,53,80");
		else
			strbuf_adds(&g->b, ports[below(g, ARRAY_SIZE(ports))]);
		return;
	case 5: strbuf_addf(&g->b, "icmp%s", icmp[below(g, ARRAY_SIZE(icmp))]); return;
	case 6:
		if (g->v6_rules)
			strbuf_addf(&g->b, "icmpv6%s", icmp6[below(g, ARRAY_SIZE(icmp6))]);
		else
			strbuf_adds(&g->b, "50");
		return;
	case 7: strbuf_adds(&g->b, below(g, 2) ? "50" : "132"); return;
	default: strbuf_adds(&g->b, "all");
	}
}

static void group_rule(struct gen *g, unsigned v, bool out)
{
	strbuf_addf(&g->b, "%s = ", out ? "outbound" : "inbound");
	traffic_add(g, true);
	strbuf_addf(&g->b, " %s ", out ? "to" : "from");
	peer_add(g, v, true);
	strbuf_adds(&g->b, "\n");
}

static void nacl_rule(struct gen *g, unsigned v, bool out, unsigned number)
{
	strbuf_addf(&g->b, "%s = %u %s ", out ? "outbound" : "inbound", number, below(g, 3) ? "allow" : "deny");
	traffic_add(g, false);
	strbuf_addf(&g->b, " %s ", out ? "to" : "from");
	peer_add(g, v, false);
	strbuf_adds(&g->b, "\n");
}

static void tables_add(struct gen *g, unsigned v)
{
	for (unsigned t = 0; t < 2; t++) {
		strbuf_addf(&g->b, "[route-table t%u-%u]\nvpc = v%u\n%s", v, t, v, t ? "main = yes\n" : "");
		if (g->igw[v] && (t == 0 || below(g, 4) == 0))
			strbuf_addf(&g->b, "route = 0.0.0.0/0 via igw:igw%u\n", v);
		else if (g->nat[v])
			strbuf_addf(&g->b, "route = 0.0.0.0/0 via nat:nat%u\n", v);
		else if (g->appliance[v] && below(g, 2))
			strbuf_addf(&g->b, "route = 0.0.0.0/0 via instance:i%u-0\n", v);
		if (g->igw[v] && below(g, 4) == 0)
			strbuf_addf(&g->b, "route = 198.51.100.0/24 via igw:igw%u\n", v);
		if (g->pcx && v < 2 && below(g, 6))
			strbuf_addf(&g->b, "route = 10.%u.0.0/16 via pcx:x\n", 1 - v);
		if (g->appliance[v] && g->subnets[v] > 1 && below(g, 2))
			strbuf_addf(&g->b, "route = 10.%u.%u.0/24 via instance:i%u-0\n", v,
				    1 + below(g, g->subnets[v] - 1), v);
		if (below(g, 6) == 0)
			strbuf_addf(&g->b, "route = 192.0.2.0/24 via nat:lost%u\ngone = nat:lost%u\n", v, v);
		if (g->pcx && v < 2 && below(g, 8) == 0)
			strbuf_adds(&g->b, "route = pl:p0 via pcx:x\n");
	}
	if (g->igw[v] && g->appliance[v] && g->subnets[v] > 1 && below(g, 2))
		strbuf_addf(
			&g->b,
			"[route-table e%u]\nvpc = v%u\nedge = igw:igw%u\nroute = 10.%u.%u.0/24 via instance:i%u-0\n", v,
			v, v, v, 1 + below(g, g->subnets[v] - 1), v);
}

static void policies_add(struct gen *g, unsigned v)
{
	for (unsigned i = 0; i < g->groups[v]; i++) {
		strbuf_addf(&g->b, "[security-group g%u-%u]\nvpc = v%u\n", v, i, v);
		for (unsigned n = below(g, 5); n; n--)
			group_rule(g, v, false);
		if (below(g, 5) == 0)
			strbuf_adds(&g->b, "outbound = none\n");
		else if (g->six && below(g, 2))
			strbuf_adds(&g->b, "outbound = all to 0.0.0.0/0\noutbound = all to ::/0\n");
		else if (below(g, 2))
			for (unsigned n = 1 + below(g, 3); n; n--)
				group_rule(g, v, true);
	}
	for (unsigned i = 0; i < 2; i++) {
		strbuf_addf(&g->b, "[nacl a%u-%u]\nvpc = v%u\n", v, i, v);
		for (unsigned out = 0; out < 2; out++) {
			for (unsigned n = below(g, 4), number = 10; n; n--, number += 10)
				nacl_rule(g, v, out, number);
			if (below(g, 6))
				strbuf_addf(&g->b, "%s = 900 allow %s %s 0.0.0.0/0\n", out ? "outbound" : "inbound",
					    below(g, 4) ? "all" : "tcp 1024-65535", out ? "to" : "from");
			if (g->six && below(g, 6))
				strbuf_addf(&g->b, "%s = 901 allow all %s ::/0\n", out ? "outbound" : "inbound",
					    out ? "to" : "from");
		}
	}
}

static void instance_add(struct gen *g, unsigned v, unsigned i)
{
	const unsigned subnet = i ? (i - 1) % g->subnets[v] : 0;

	strbuf_addf(&g->b, "[instance i%u-%u]\nsubnet = s%u-%u\naddress = 10.%u.%u.%u\n", v, i, v, subnet, v, subnet,
		    10 + i);
	if (below(g, 5) == 0)
		strbuf_addf(&g->b, "address = 10.%u.%u.%u\n", v, subnet, 100 + i);
	if (g->igw[v] && (below(g, 2) || i == 0))
		strbuf_addf(&g->b, "public-ip = 203.0.113.%u\n", 10 + 40 * v + i);
	if (below(g, 8)) {
		strbuf_addf(&g->b, "security-groups = g%u-%u\n", v, below(g, g->groups[v]));
		if (below(g, 3) == 0)
			strbuf_addf(&g->b, "security-groups = g%u-%u\n", v, below(g, g->groups[v]));
	}
	if ((i == 0 && g->appliance[v]) || below(g, 8) == 0)
		strbuf_adds(&g->b, "source-dest-check = no\n");
	if (below(g, 5) == 0)
		strbuf_adds(&g->b, "tcp-established-timeout = 60\n");
	if (below(g, 5) == 0)
		strbuf_adds(&g->b, "udp-timeout = 60\nudp-stream-timeout = 120\n");
}

static void vpc_add(struct gen *g, unsigned v)
{
	strbuf_addf(&g->b, "[vpc v%u]\ncidr = 10.%u.0.0/16\n%s", v, v,
		    g->pcx && v == 1 && below(g, 4) == 0 ? "region = other\n" : "");
	if (g->igw[v])
		strbuf_addf(&g->b, "[internet-gateway igw%u]\nvpc = v%u\n", v, v);
	if (g->nat[v])
		strbuf_addf(&g->b, "[nat-gateway nat%u]\nsubnet = s%u-0\naddress = 10.%u.0.200\n%s", v, v, v,
			    below(g, 2) ? "address = auto\n" : "");
	tables_add(g, v);
	policies_add(g, v);
	for (unsigned i = 0; i < g->subnets[v]; i++) {
		strbuf_addf(&g->b, "[subnet s%u-%u]\nvpc = v%u\ncidr = 10.%u.%u.0/24\n", v, i, v, v, i);
		if (below(g, 3))
			strbuf_addf(&g->b, "nacl = a%u-%u\n", v, below(g, 2));
		if (i == 0 || below(g, 3) == 0)
			strbuf_addf(&g->b, "route-table = t%u-0\n", v);
	}
	for (unsigned i = 0; i < g->instances[v]; i++)
		instance_add(g, v, i);
}

char *draw_topology(uint64_t seed, bool *six)
{
	static const char *const settings[] = { "clock = 60x\n", "conntrack-entries = 3\n", "conntrack-entries = 8\n",
						"icmp-errors = strict\n", "nacl-fragments = strict\n" };
	struct rng r = { seed * 2654435761u + 99 };
	struct gen g = { .r = &r };

	rng_next(&r);
	strbuf_init(&g.b);
	strbuf_adds(&g.b, "[lab t]\nquotas = off\n");
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		if (below(&g, 5) == 0 && !(i == 2 && strstr(g.b.s, "conntrack")))
			strbuf_adds(&g.b, settings[i]);
	g.vpcs = 1 + below(&g, 3);
	g.pcx = g.vpcs > 1 && below(&g, 4);
	g.six = *six = below(&g, 3) == 0;
	g.v6_rules = g.six || below(&g, 4) == 0;
	for (unsigned v = 0; v < g.vpcs; v++) {
		g.subnets[v] = 1 + below(&g, 3);
		g.groups[v] = 1 + below(&g, 4);
		g.instances[v] = 2 + below(&g, 4);
		g.igw[v] = below(&g, 3) != 0;
		g.nat[v] = g.igw[v] && below(&g, 2);
		g.appliance[v] = below(&g, 3) == 0;
	}
	strbuf_addf(&g.b, "[prefix-list p0]\nentry = 10.%u.1.0/24\nentry = 198.51.100.0/25\n%s", below(&g, g.vpcs),
		    g.v6_rules ? "entry = 2001:db8:1::/48\n" : "");
	strbuf_addf(&g.b, "[prefix-list p1]\nentry = %s\nentry = 10.0.0.10/32\n",
		    below(&g, 2) ? "0.0.0.0/0" : "10.1.0.0/16");
	for (unsigned v = 0; v < g.vpcs; v++)
		vpc_add(&g, v);
	if (g.pcx)
		strbuf_adds(&g.b, "[vpc-peering-connection x]\nvpc = v0\npeer-vpc = v1\n");
	strbuf_adds(&g.b, "[host h0]\naddress = 198.51.100.7\n[host h1]\naddress = 192.0.2.9\n");
	if (below(&g, 3) == 0)
		strbuf_adds(&g.b, "[internet]\nuplink = yes\n");
	return strbuf_take(&g.b);
}
