/* sane_topology.c: one to three VPCs, peered or not, with ranges of their own; public subnets with a gateway, private
 * ones behind NAT gateways, isolated ones; groups that name the tier before them; ACLs of a tier that let replies
 * pass. How many there are of each, ports, ranges and what is left to defaults comes from the seed. */
#include "tests/support/sane_topology.h"
#include <stdbool.h>
#include "tests/support/random_topology.h"
#include "util/mem.h"
#include "util/str.h"

struct sane {
	struct rng r;
	struct strbuf b;
	unsigned vpc, zones, web_port, app_port, db_port;
	bool nat_a_zone, acls, isolated_is_main;
};

static void gateways_add(struct sane *s)
{
	unsigned v = s->vpc;

	strbuf_addf(&s->b, "\n[vpc v%u]\ncidr = 10.%u.0.0/16\n\n[internet-gateway igw%u]\nvpc = v%u\n", v, 10 * v, v,
		    v);
	strbuf_addf(&s->b, "\n[route-table public%u]\nvpc = v%u\nroute = 0.0.0.0/0 via igw:igw%u\n", v, v, v);
	strbuf_addf(&s->b, "\n[route-table isolated%u]\nvpc = v%u\n%s", v, v,
		    s->isolated_is_main ? "main = yes\n" : "");
	for (unsigned z = 0; z < (s->nat_a_zone ? s->zones : 1); z++) {
		strbuf_addf(&s->b, "\n[nat-gateway nat%u-%c]\nsubnet = public%u-%c\n", v, 'a' + z, v, 'a' + z);
		strbuf_addf(&s->b, "\n[route-table private%u-%c]\nvpc = v%u\nroute = 0.0.0.0/0 via nat:nat%u-%c\n", v,
			    'a' + z, v, v, 'a' + z);
		if (v && rng_below(&s->r, 2))
			strbuf_addf(&s->b, "route = 10.0.0.0/16 via pcx:pcx%u\n", v);
	}
	if (v)
		strbuf_addf(&s->b, "\n[vpc-peering-connection pcx%u]\nvpc = v0\npeer-vpc = v%u\n", v, v);
}

static void acls_add(struct sane *s)
{
	unsigned v = s->vpc, n = 10 * v;

	if (!s->acls)
		return;
	strbuf_addf(&s->b, "\n[nacl public%u]\nvpc = v%u\n", v, v);
	for (int out = 0; out < 2; out++)
		strbuf_addf(&s->b,
			    "%s = 100 allow tcp 80 %s 0.0.0.0/0\n%s = 110 allow tcp 443 %s 0.0.0.0/0\n"
			    "%s = 120 allow tcp 1024-65535 %s 0.0.0.0/0\n%s = 130 allow tcp 22 %s %s\n",
			    out ? "outbound" : "inbound", out ? "to" : "from", out ? "outbound" : "inbound",
			    out ? "to" : "from", out ? "outbound" : "inbound", out ? "to" : "from",
			    out ? "outbound" : "inbound", out ? "to" : "from", out ? "10.0.0.0/8" : "198.51.100.0/24");
	strbuf_addf(&s->b,
		    "\n[nacl db%u]\nvpc = v%u\ninbound = 100 allow tcp %u from 10.%u.16.0/20\n"
		    "outbound = 100 allow tcp 1024-65535 to 10.%u.16.0/20\n",
		    v, v, s->db_port, n, n);
}

static void subnets_add(struct sane *s)
{
	static const char *const tiers[] = { "public", "app", "db" };
	unsigned v = s->vpc;

	for (unsigned z = 0; z < s->zones; z++) {
		for (unsigned t = 0; t < ARRAY_SIZE(tiers); t++) {
			strbuf_addf(&s->b, "\n[subnet %s%u-%c]\nvpc = v%u\nzone = %c\ncidr = 10.%u.%u.0/24\n", tiers[t],
				    v, 'a' + z, v, 'a' + z, 10 * v, 16 * t + z);
			if (t == 0)
				strbuf_addf(&s->b, "route-table = public%u\nmap-public-ip = yes\n", v);
			else if (t == 1)
				strbuf_addf(&s->b, "route-table = private%u-%c\n", v, s->nat_a_zone ? 'a' + z : 'a');
			else if (!s->isolated_is_main)
				strbuf_addf(&s->b, "route-table = isolated%u\n", v);
			if (s->acls && t != 1)
				strbuf_addf(&s->b, "nacl = %s%u\n", tiers[t], v);
		}
	}
}

static void groups_add(struct sane *s)
{
	unsigned v = s->vpc;

	strbuf_addf(&s->b, "\n[security-group bastion%u]\nvpc = v%u\ninbound = tcp 22 from pl:offices\n", v, v);
	strbuf_addf(
		&s->b,
		"\n[security-group web%u]\nvpc = v%u\ninbound = tcp %u from 0.0.0.0/0\ninbound = tcp 22 from sg:bastion%u\n",
		v, v, s->web_port, v);
	strbuf_addf(
		&s->b,
		"\n[security-group app%u]\nvpc = v%u\ninbound = tcp %u from sg:web%u\ninbound = tcp 22 from sg:bastion%u\n",
		v, v, s->app_port, v, v);
	if (rng_below(&s->r, 2))
		strbuf_addf(&s->b, "outbound = tcp %u to sg:db%u\noutbound = tcp 443 to 0.0.0.0/0\n", s->db_port, v);
	strbuf_addf(&s->b, "\n[security-group db%u]\nvpc = v%u\ninbound = tcp %u from sg:app%u\noutbound = none\n", v,
		    v, s->db_port, v);
}

static void instances_add(struct sane *s)
{
	static const char *const tiers[] = { "public", "app", "db" }, *const groups[] = { "web", "app", "db" };
	unsigned v = s->vpc;

	strbuf_addf(&s->b, "\n[instance bastion%u]\nsubnet = public%u-a\nsecurity-groups = bastion%u\n", v, v, v);
	for (unsigned z = 0; z < s->zones; z++)
		for (unsigned t = 0; t < ARRAY_SIZE(tiers); t++)
			for (unsigned i = 0; i < 1 + rng_below(&s->r, 3); i++)
				strbuf_addf(&s->b, "\n[instance %s%u-%c%u]\nsubnet = %s%u-%c\nsecurity-groups = %s%u\n",
					    groups[t], v, 'a' + z, i, tiers[t], v, 'a' + z, groups[t], v);
}

char *sane_topology(uint64_t seed)
{
	struct sane s = { .r = { seed * 2654435761u + 99 } };
	unsigned vpcs = 1 + rng_below(&s.r, 3);

	strbuf_init(&s.b);
	strbuf_adds(&s.b, "[lab sane]\n\n[prefix-list offices]\nentry = 198.51.100.0/24\nentry = 203.0.113.128/25\n");
	for (s.vpc = 0; s.vpc < vpcs; s.vpc++) {
		s.zones = 1 + rng_below(&s.r, 3);
		s.nat_a_zone = rng_below(&s.r, 2);
		s.acls = rng_below(&s.r, 2);
		s.isolated_is_main = rng_below(&s.r, 2);
		s.web_port = rng_below(&s.r, 2) ? 443 : 80;
		s.app_port = 8000 + rng_below(&s.r, 100);
		s.db_port = rng_below(&s.r, 2) ? 5432 : 3306;
		gateways_add(&s);
		acls_add(&s);
		subnets_add(&s);
		groups_add(&s);
		instances_add(&s);
	}
	strbuf_adds(&s.b, "\n[host laptop]\naddress = 198.51.100.7\n");
	return strbuf_take(&s.b);
}
