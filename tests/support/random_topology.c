/* random_topology.c: one or two VPCs with a few subnets, groups, ACLs, gateways, instances and hosts.
 * Every choice comes from the seed; the universe is small so that rules and packets meet often. */
#include "tests/support/random_topology.h"
#include <stdbool.h>
#include "util/mem.h"
#include "util/str.h"

static const char *const protos[] = { "tcp", "tcp", "tcp", "udp", "icmp", "all", "50" };
static const char *const ports[] = { "22", "80", "443", "5432", "53", "1024-65535", "1-65535", "80-443" };
static const char *const icmps[] = { "", " echo-request", " echo-reply", " 3/4", " 3" };

struct gen {
	struct rng r;
	struct strbuf b;
	unsigned vpcs, subnets[2], groups[2], instances[2];
	bool igw[2], nat[2];
};

static const char *pick(struct gen *g, const char *const *v, unsigned n)
{
	return v[rng_below(&g->r, n)];
}

static void peer_add(struct gen *g, unsigned vpc, bool groups_too)
{
	switch (rng_below(&g->r, groups_too ? 8 : 6)) {
	case 0:
	case 1: strbuf_adds(&g->b, "0.0.0.0/0"); break;
	case 2: strbuf_adds(&g->b, "10.0.0.0/16"); break;
	case 3: strbuf_addf(&g->b, "10.0.%u.0/24", rng_below(&g->r, 4)); break;
	case 4: strbuf_addf(&g->b, "10.0.%u.%u/32", rng_below(&g->r, 4), 4 + rng_below(&g->r, 4)); break;
	case 5: strbuf_adds(&g->b, "198.51.100.0/24"); break;
	default: strbuf_addf(&g->b, "sg:g%u-%u", vpc, rng_below(&g->r, g->groups[vpc]));
	}
}

static void proto_add(struct gen *g, bool lists)
{
	const char *proto = pick(g, protos, ARRAY_SIZE(protos));

	strbuf_adds(&g->b, proto);
	if (str_eq(proto, "tcp") || str_eq(proto, "udp")) {
		if (rng_below(&g->r, 4))
			strbuf_addf(&g->b, " %s",
				    lists && !rng_below(&g->r, 5) ? "25,110,143" : pick(g, ports, ARRAY_SIZE(ports)));
	} else if (str_eq(proto, "icmp")) {
		strbuf_adds(&g->b, pick(g, icmps, ARRAY_SIZE(icmps)));
	}
}

/* Lines may repeat by chance; AWS refuses that, so every line is kept apart by looking back. */
static void rule_line(struct gen *g, const char *dir, unsigned vpc, size_t section_start)
{
	const size_t at = g->b.n;
	char *line;

	strbuf_addf(&g->b, "%s = ", dir);
	proto_add(g, true);
	strbuf_addf(&g->b, " %s ", dir[0] == 'i' ? "from" : "to");
	peer_add(g, vpc, true);
	strbuf_adds(&g->b, "\n");
	line = g->b.s + at;
	for (const char *p = g->b.s + section_start; p < line; p++) {
		if ((p == g->b.s || p[-1] == '\n') && !__builtin_strncmp(p, line, g->b.n - at)) {
			g->b.n = at;
			g->b.s[at] = 0;
			return;
		}
	}
}

static void groups_add(struct gen *g, unsigned vpc)
{
	for (unsigned i = 0; i < g->groups[vpc]; i++) {
		const size_t start = g->b.n;

		strbuf_addf(&g->b, "\n[security-group g%u-%u]\nvpc = v%u\n", vpc, i, vpc);
		for (unsigned n = rng_below(&g->r, 5); n; n--)
			rule_line(g, "inbound", vpc, start);
		if (rng_below(&g->r, 3))
			continue; /* AWS's default: all out */
		if (rng_below(&g->r, 4) == 0) {
			strbuf_adds(&g->b, "outbound = none\n");
			continue;
		}
		for (unsigned n = 1 + rng_below(&g->r, 4); n; n--)
			rule_line(g, "outbound", vpc, start);
	}
}

static void nacl_add(struct gen *g, unsigned vpc)
{
	strbuf_addf(&g->b, "\n[nacl a%u]\nvpc = v%u\n", vpc, vpc);
	for (unsigned dir = 0; dir < 2; dir++) {
		for (unsigned n = rng_below(&g->r, 4), number = 10; n; n--, number += 10) {
			strbuf_addf(&g->b, "%s = %u %s ", dir ? "outbound" : "inbound", number,
				    rng_below(&g->r, 4) ? "allow" : "deny");
			proto_add(g, false);
			strbuf_addf(&g->b, " %s ", dir ? "to" : "from");
			peer_add(g, vpc, false);
			strbuf_adds(&g->b, "\n");
		}
		strbuf_addf(&g->b, "%s = 900 allow %s %s 0.0.0.0/0\n", dir ? "outbound" : "inbound",
			    rng_below(&g->r, 3) ? "all" : "tcp 1024-65535", dir ? "to" : "from");
	}
}

static void vpc_add(struct gen *g, unsigned vpc)
{
	unsigned group;

	strbuf_addf(&g->b, "\n[vpc v%u]\ncidr = 10.0.0.0/16\n", vpc);
	if (g->igw[vpc])
		strbuf_addf(&g->b, "\n[internet-gateway igw%u]\nvpc = v%u\n", vpc, vpc);
	if (g->igw[vpc])
		strbuf_addf(&g->b, "\n[route-table pub%u]\nvpc = v%u\nroute = 0.0.0.0/0 via igw:igw%u\n", vpc, vpc,
			    vpc);
	if (g->nat[vpc]) {
		strbuf_addf(&g->b, "\n[nat-gateway nat%u]\nsubnet = s%u-0\npublic-ip = auto\n%s", vpc, vpc,
			    g->subnets[vpc] % 2 ? "address = auto\naddress = 10.0.0.250\n" : "");
		strbuf_addf(&g->b, "\n[route-table priv%u]\nvpc = v%u\nroute = 0.0.0.0/0 via nat:nat%u\n", vpc, vpc,
			    vpc);
	}
	groups_add(g, vpc);
	nacl_add(g, vpc);
	for (unsigned i = 0; i < g->subnets[vpc]; i++) {
		strbuf_addf(&g->b, "\n[subnet s%u-%u]\nvpc = v%u\ncidr = 10.0.%u.0/24\n", vpc, i, vpc, i);
		if (rng_below(&g->r, 2))
			strbuf_addf(&g->b, "nacl = a%u\n", vpc);
		if (g->igw[vpc] && (i == 0 || rng_below(&g->r, 3) == 0))
			strbuf_addf(&g->b, "route-table = pub%u\n", vpc);
		else if (g->nat[vpc])
			strbuf_addf(&g->b, "route-table = priv%u\n", vpc);
	}
	for (unsigned i = 0; i < g->instances[vpc]; i++) {
		strbuf_addf(&g->b, "\n[instance i%u-%u]\nsubnet = s%u-%u\n", vpc, i, vpc, i % g->subnets[vpc]);
		if (g->igw[vpc] && rng_below(&g->r, 2))
			strbuf_adds(&g->b, "public-ip = auto\n");
		group = rng_below(&g->r, g->groups[vpc]);
		strbuf_addf(&g->b, "security-groups = g%u-%u\n", vpc, group);
		if (group + 1 < g->groups[vpc] && rng_below(&g->r, 3) == 0)
			strbuf_addf(&g->b, "security-groups = g%u-%u\n", vpc, g->groups[vpc] - 1);
		if (rng_below(&g->r, 6) == 0)
			strbuf_adds(&g->b, "source-dest-check = no\n");
	}
}

char *random_topology(uint64_t seed, const char *name)
{
	struct gen g = { .r = { seed * 2654435761u + 17 } };

	strbuf_init(&g.b);
	strbuf_addf(&g.b, "[lab %s]\n", name);
	g.vpcs = 1 + rng_below(&g.r, 2);
	for (unsigned i = 0; i < g.vpcs; i++) {
		g.subnets[i] = 1 + rng_below(&g.r, 3);
		g.groups[i] = 1 + rng_below(&g.r, 4);
		g.instances[i] = 2 + rng_below(&g.r, 4);
		g.igw[i] = rng_below(&g.r, 3) != 0;
		g.nat[i] = g.igw[i] && rng_below(&g.r, 2);
		vpc_add(&g, i);
	}
	strbuf_adds(&g.b, "\n[host h0]\naddress = 198.51.100.7\n\n[host h1]\naddress = 192.0.2.9\n");
	return strbuf_take(&g.b);
}
