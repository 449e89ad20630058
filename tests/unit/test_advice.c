/* test_advice.c: the lines that would allow a denied flow: what they say for each gate, and, for every
 * denied pair of the shipped and of random topologies, that they do what they promise. */
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include "conf/build.h"
#include "path/advice.h"
#include "path/matrix.h"
#include "test.h"
#include "tests/support/random_topology.h"
#include "util/mem.h"
#include "util/str.h"

enum { SEEDS = 3, FILE_MAX = 1 << 20 };

static void parse(const char *text, const char *file, struct document *d)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };

	document_init(d);
	assert_int_equal(document_parse(text, strlen(text), file, d, &diags), 0);
}

static const char lab[] =
	"[vpc v]\ncidr = 10.0.0.0/16\n[internet-gateway i]\nvpc = v\n"
	"[vpc w]\ncidr = 10.1.0.0/16\n"
	"[nat-gateway nat]\nsubnet = pub\npublic-ip = auto\n"
	"[route-table pub]\nvpc = v\nroute = 0.0.0.0/0 via igw:i\n"
	"[route-table iso]\nvpc = v\nmain = yes\n"
	"[route-table natted]\nvpc = v\nroute = 0.0.0.0/0 via nat:nat\n"
	"[subnet pub]\nvpc = v\ncidr = 10.0.0.0/24\nroute-table = pub\n"
	"[subnet deep]\nvpc = v\ncidr = 10.0.3.0/24\nroute-table = natted\n"
	"[subnet iso]\nvpc = v\ncidr = 10.0.1.0/24\n"
	"[subnet tight]\nvpc = v\ncidr = 10.0.2.0/24\nnacl = tight\nroute-table = pub\n"
	"[subnet first]\nvpc = v\ncidr = 10.0.4.0/24\nnacl = first\n"
	"[subnet second]\nvpc = v\ncidr = 10.0.5.0/24\nnacl = first\n"
	"[nacl first]\nvpc = v\ninbound = 1 deny tcp 80-89 from 10.0.0.0/24\ninbound = 2 deny udp from 0.0.0.0/0\n"
	"inbound = 3 deny icmp from 10.0.0.0/16\ninbound = 100 allow all from 0.0.0.0/0\n"
	"outbound = 1 deny tcp 7 to 10.0.0.0/16\noutbound = 2 deny tcp 1024-65535 to 10.0.0.0/16\noutbound = 3 allow all to 0.0.0.0/0\n"
	"[subnet far]\nvpc = w\ncidr = 10.1.0.0/24\n"
	"[nacl tight]\nvpc = v\ninbound = 99 deny tcp 80 from 10.0.0.0/24\ninbound = 100 deny tcp 81 from 10.0.0.0/24\n"
	"inbound = 200 allow tcp from 0.0.0.0/0\ninbound = 210 allow udp from 0.0.0.0/0\n"
	"inbound = 300 deny icmp from 10.0.0.0/24\ninbound = 310 allow all from 0.0.0.0/0\noutbound = 100 allow all to 0.0.0.0/0\n"
	"[security-group open]\nvpc = v\ninbound = all from 0.0.0.0/0\n"
	"[security-group shut]\nvpc = v\noutbound = none\n"
	"[security-group wopen]\nvpc = w\ninbound = all from 0.0.0.0/0\n"
	"[instance p1]\nsubnet = pub\naddress = 10.0.0.10\npublic-ip = auto\nsecurity-groups = open\n"
	"[instance p2]\nsubnet = pub\naddress = 10.0.0.11\nsecurity-groups = shut\n"
	"[instance s1]\nsubnet = iso\naddress = 10.0.1.10\nsecurity-groups = open\n"
	"[instance t1]\nsubnet = tight\naddress = 10.0.2.10\npublic-ip = auto\nsecurity-groups = open\n"
	"[instance g1]\nsubnet = first\naddress = 10.0.4.10\nsecurity-groups = open\n"
	"[instance g2]\nsubnet = second\naddress = 10.0.5.10\nsecurity-groups = open\n"
	"[instance f1]\nsubnet = far\naddress = 10.1.0.10\nsecurity-groups = wopen\n"
	"[instance n1]\nsubnet = deep\naddress = 10.0.3.10\nsecurity-groups = open\n"
	"[instance d1]\nsubnet = pub\naddress = 10.0.0.12\n"
	"[host h]\naddress = 198.51.100.7\n"
	"[expect]\ndeny = s1 -> h tcp/80 at route@iso\n";

static const struct advice_case {
	const char *flow, *lines; /* "-" when no line would do */
} cases[] = {
	{ "p1 -> p2 tcp/80", "security-group shut + inbound = tcp 80 from sg:open\n" },
	{ "p2 -> p1 udp/53",
	  "security-group shut - outbound = none\nsecurity-group shut + outbound = udp 53 to sg:open\n" },
	{ "h -> p1 icmp/3.4", "" },
	{ "p1 -> p2 icmp/3.4", "security-group shut + inbound = icmp 3/4 from sg:open\n" },
	{ "p1 -> p2 icmp/3.0", "security-group shut + inbound = icmp 3/0 from sg:open\n" },
	{ "p1 -> p2 icmp/11.1", "security-group shut + inbound = icmp 11/1 from sg:open\n" },
	{ "p1 -> p2 icmp", "security-group shut + inbound = icmp echo-request from sg:open\n" },
	{ "p1 -> t1 icmp/3.4", "nacl tight + inbound = 290 allow icmp 3/4 from 10.0.0.10/32\n" },
	{ "p1 -> t1 icmp", "nacl tight + inbound = 290 allow icmp echo-request from 10.0.0.10/32\n" },
	{ "p1 -> t1 tcp/80", "nacl tight + inbound = 89 allow tcp 80 from 10.0.0.10/32\n" },
	{ "p1 -> t1 tcp/81", "nacl tight + inbound = 98 allow tcp 81 from 10.0.0.10/32\n" },
	/* No number in front of it is free: it moves, and so do those that stand close behind. */
	{ "p1 -> g1 udp/53", "nacl first - inbound = 3 deny icmp from 10.0.0.0/16\n"
			     "nacl first + inbound = 4 deny icmp from 10.0.0.0/16\n"
			     "nacl first - inbound = 2 deny udp from 0.0.0.0/0\n"
			     "nacl first + inbound = 3 deny udp from 0.0.0.0/0\n"
			     "nacl first + inbound = 2 allow udp 53 from 10.0.0.10/32\n" },
	{ "g1 -> g2 tcp/7", "nacl first - outbound = 3 allow all to 0.0.0.0/0\n"
			    "nacl first + outbound = 5 allow all to 0.0.0.0/0\n"
			    "nacl first - outbound = 2 deny tcp 1024-65535 to 10.0.0.0/16\n"
			    "nacl first + outbound = 4 deny tcp 1024-65535 to 10.0.0.0/16\n"
			    "nacl first - outbound = 1 deny tcp 7 to 10.0.0.0/16\n"
			    "nacl first + outbound = 2 deny tcp 7 to 10.0.0.0/16\n"
			    "nacl first + outbound = 1 allow tcp 7 to 10.0.5.10/32\n"
			    "nacl first + outbound = 3 allow tcp 1024-65535 to 10.0.4.10/32\n" },
	{ "s1 -> h tcp/80", "route-table iso + route = 0.0.0.0/0 via nat:nat\n" },
	{ "h -> p2 tcp/22",
	  "instance p2 + public-ip = auto\nsecurity-group shut + inbound = tcp 22 from 198.51.100.7/32\n" },
	{ "f1 -> h tcp/80",
	  "internet-gateway w-igw + vpc = w\nroute-table w-main + vpc = w\nroute-table w-main + main = yes\n"
	  "route-table w-main + route = 0.0.0.0/0 via igw:w-igw\ninstance f1 + public-ip = auto\n" },
	/* The default group, where it stands in no file: what it does of itself it keeps. */
	{ "p1 -> d1 tcp/80", "security-group v-default + vpc = v\nsecurity-group v-default + default = yes\n"
			     "security-group v-default + inbound = all from sg:v-default\n"
			     "security-group v-default + inbound = tcp 80 from sg:open\n" },
	/* Behind a NAT gateway: a route of its own for the other end. */
	{ "h -> n1 tcp/80",
	  "instance n1 + public-ip = auto\nroute-table natted + route = 198.51.100.7/32 via igw:i\n" },
	{ "n1 -> h 47", "route-table natted + route = 198.51.100.7/32 via igw:i\ninstance n1 + public-ip = auto\n" },
	{ "n1 -> nat tcp/80", "-" },
	{ "h -> nat tcp/80", "-" },         /* takes nothing from outside */
	{ "p1 -> 10.0.1.99 tcp/80", "-" },  /* nobody */
	{ "p2@10.0.0.99 -> s1 icmp", "-" }, /* nobody to answer to */
	{ "p1 -> 10.1.0.10 tcp/80",         /* another VPC's */
	  "vpc-peering-connection v-w + vpc = v\nvpc-peering-connection v-w + peer-vpc = w\n"
	  "route-table pub + route = 10.1.0.0/16 via pcx:v-w\nroute-table w-main + vpc = w\n"
	  "route-table w-main + main = yes\nroute-table w-main + route = 10.0.0.0/16 via pcx:v-w\n" },
};

static char *lines_of(const struct advice *a)
{
	struct strbuf b = { 0 };

	if (!a->works)
		strbuf_adds(&b, a->why_not[0] ? "-" : "no reason");
	for (size_t i = 0; i < a->n && a->works; i++)
		strbuf_addf(&b, "%s %s %c %s = %s\n", a->v[i].kind, a->v[i].name, a->v[i].op == ADVICE_ADD ? '+' : '-',
			    a->v[i].key, a->v[i].value);
	return strbuf_take(&b);
}

/* The text of the advice, put where it says, by nothing but its text. */
static char *text_with(const char *text, const struct advice *a)
{
	struct strbuf b = { 0 };
	uint32_t line = 0;

	for (const char *p = text; *p; line++) {
		size_t n = strcspn(p, "\n") + 1;
		bool gone = false;

		for (size_t i = 0; i < a->n; i++)
			gone = gone || (a->v[i].op == ADVICE_REMOVE && a->v[i].loc.line == line + 1);
		if (!gone)
			strbuf_add(&b, p, n);
		for (size_t i = 0; i < a->n; i++)
			if (a->v[i].op == ADVICE_ADD && !a->v[i].new_section && a->v[i].loc.line == line + 1)
				strbuf_addf(&b, "%s = %s\n", a->v[i].key, a->v[i].value);
		p += n;
	}
	for (size_t i = 0; i < a->n; i++) {
		if (!a->v[i].new_section)
			continue;
		if (i == 0 || strcmp(a->v[i - 1].name, a->v[i].name) != 0)
			strbuf_addf(&b, "[%s %s]\n", a->v[i].kind, a->v[i].name);
		strbuf_addf(&b, "%s = %s\n", a->v[i].key, a->v[i].value);
	}
	return strbuf_take(&b);
}

static void promise_check(const char *text, const char *file, const char *flow, unsigned *n)
{
	_cleanup_document_ struct document d;
	_cleanup_advice_ struct advice a = { 0 };
	_cleanup_free_ char *changed = NULL, *cut = xstrdup(text);
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_model_ struct model *m = NULL;
	struct advice_base base = { .document = &d, .lab = "lab" };
	struct walker *w = NULL;
	struct err e = { 0 };
	struct walk walk;
	struct flow f;
	char *expect = strstr(cut, "\n[expect]");

	if (expect)
		expect[1] = '\0';
	parse(cut, file, &d);
	if (advice_find(&base, flow, &a, &e) < 0)
		fail_msg("%s: %s: %s", file, flow, e.msg);
	if (!a.works)
		return;
	++*n;
	changed = text_with(cut, &a);
	if (model_from_text(changed, strlen(changed), file, &m, &diags) < 0)
		fail_msg("%s: %s: %s\n%s", file, flow, diags.v[0].message, changed);
	assert_int_equal(walker_new(m, &w, &e), 0);
	assert_int_equal(flow_parse(m, flow, &f, &e), 0);
	assert_int_equal(walk_flow(w, &f, &walk, &e), 0);
	if (!walk.allow)
		fail_msg("%s: %s stays denied with\n%s", file, flow, changed);
	walk_done(&walk);
	walker_free(&w);
}

static void each_gate(void **state)
{
	_cleanup_document_ struct document d;
	struct advice_base base = { .document = &d, .lab = "lab" };
	unsigned bad = 0, kept = 0;

	(void)state;
	parse(lab, "lab.ini", &d);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_advice_ struct advice a = { 0 };
		_cleanup_free_ char *got = NULL, *text = NULL;
		struct err e = { 0 };

		if (advice_find(&base, cases[i].flow, &a, &e) < 0)
			fail_msg("%s: %s", cases[i].flow, e.msg);
		got = lines_of(&a);
		text = advice_text(&a, true);
		if (strcmp(got, cases[i].lines) != 0) {
			print_error("%s:\n%swanted\n%s%s\n", cases[i].flow, got, cases[i].lines, text);
			bad++;
		}
		for (size_t k = 0; k < a.n; k++)
			assert_true(a.v[k].new_section || a.v[k].loc.line);
		promise_check(lab, "lab.ini", cases[i].flow, &kept);
	}
	assert_true(kept > 15);
	assert_int_equal(bad, 0);
}

/* Labs of their own, one for what each shows. */
#define TWO_VPCS(v_routes, w_routes) \
	"[vpc v]\ncidr = 10.0.0.0/16\n[vpc w]\ncidr = 192.168.0.0/16\n[vpc-peering-connection vw]\nvpc = v\npeer-vpc = w\n" \
	"[internet-gateway i]\nvpc = v\n[nat-gateway n]\nsubnet = p\n" \
	"[route-table p]\nvpc = v\nroute = 0.0.0.0/0 via igw:i\n" \
	"[route-table v]\nvpc = v\nmain = yes\n" v_routes "[route-table w]\nvpc = w\nmain = yes\n" w_routes \
	"[subnet p]\nvpc = v\ncidr = 10.0.9.0/24\nroute-table = p\n" \
	"[subnet a]\nvpc = v\ncidr = 10.0.4.0/24\n[subnet b]\nvpc = w\ncidr = 192.168.1.0/24\n" \
	"[security-group g]\nvpc = w\ninbound = all from 10.0.0.0/8\n" \
	"[instance a]\nsubnet = a\n[instance b]\nsubnet = b\nsecurity-groups = g\n"
#define APPLIANCE(web) \
	"[vpc v]\ncidr = 10.0.0.0/16\n[internet-gateway ig]\nvpc = v\n" \
	"[route-table web]\nvpc = v\nroute = 0.0.0.0/0 via eni:fw\n" \
	"[route-table edge]\nvpc = v\nedge = igw:ig\nroute = 10.0.1.0/24 via eni:fw\n" \
	"[route-table fw]\nvpc = v\nmain = yes\nroute = 0.0.0.0/0 via igw:ig\n" \
	"[subnet fw]\nvpc = v\ncidr = 10.0.9.0/24\n[subnet web]\nvpc = v\ncidr = 10.0.1.0/24\nroute-table = web\n" \
	"[security-group fw]\nvpc = v\ninbound = all from 0.0.0.0/0\n" \
	"[instance fw]\nsubnet = fw\npublic-ip = auto\nsecurity-groups = fw\nsource-dest-check = no\n" \
	"[instance web]\nsubnet = web\n" web "[host h]\naddress = 198.51.100.1\n"
#define ZONES(down) \
	"[lab z]\nzones-down = " down "\n[vpc v]\ncidr = 10.0.0.0/16\n" \
	"[subnet a]\nvpc = v\ncidr = 10.0.1.0/24\n[subnet b]\nvpc = v\ncidr = 10.0.2.0/24\nzone = b\n" \
	"[subnet c]\nvpc = v\ncidr = 10.0.3.0/24\nzone = c\n" \
	"[instance a]\nsubnet = a\n[instance b]\nsubnet = b\n[instance c]\nsubnet = c\n" \
	"[interface loose]\nsubnet = c\naddress = 10.0.3.99\n"
#define BLACKHOLE(routes) \
	"[vpc v]\ncidr = 10.0.0.0/16\n[internet-gateway i]\nvpc = v\n[nat-gateway n]\nsubnet = p\n" \
	"[route-table p]\nvpc = v\nroute = 0.0.0.0/0 via igw:i\n[subnet p]\nvpc = v\ncidr = 10.0.9.0/24\nroute-table = p\n" \
	"[prefix-list them]\nentry = 198.51.100.0/26\nentry = 198.51.100.128/26\n" \
	"[route-table r]\nvpc = v\ngone = nat:old\n" routes \
	"[subnet s]\nvpc = v\ncidr = 10.0.1.0/24\nroute-table = r\n[instance a]\nsubnet = s\n[host h]\naddress = 198.51.100.7\n"

#define NO_PEERS(range, of_b, more) \
	"[vpc v]\ncidr = 10.0.0.0/16\n[vpc w]\ncidr = " range "\n" more "[route-table v]\nvpc = v\nmain = yes\n" \
	"[route-table w]\nvpc = w\nmain = yes\n[subnet a]\nvpc = v\ncidr = 10.0.4.0/24\n[instance a]\nsubnet = a\n" \
	"[subnet b]\nvpc = w\ncidr = " of_b "\n[instance b]\nsubnet = b\nsecurity-groups = g\n" \
	"[security-group g]\nvpc = w\ninbound = all from 10.0.0.0/8\n"

static const struct lab_case {
	const char *text, *flow, *lines;
} lab_cases[] = {
	/* Peers: the other's range, in the tables that lack it. */
	{ TWO_VPCS("route = 192.168.0.0/16 via pcx:vw\n", ""), "a -> b tcp/80",
	  "route-table w + route = 10.0.0.0/16 via pcx:vw\n" },
	{ TWO_VPCS("", ""), "a -> b tcp/80",
	  "route-table v + route = 192.168.0.0/16 via pcx:vw\nroute-table w + route = 10.0.0.0/16 via pcx:vw\n" },
	{ TWO_VPCS("route = 0.0.0.0/0 via nat:n\n", "route = 10.0.4.0/24 via pcx:vw\n"), "a -> b tcp/80",
	  "route-table v + route = 192.168.0.0/16 via pcx:vw\n" },
	{ TWO_VPCS("route = 192.168.1.0/24 via nat:n\n", "route = 10.0.4.0/24 via pcx:vw\n"), "a -> b tcp/80",
	  "route-table v + route = 192.168.1.4/32 via pcx:vw\n" },
	{ TWO_VPCS("route = 192.168.1.4/32 via nat:n\n", "route = 10.0.4.0/24 via pcx:vw\n"), "a -> b tcp/80",
	  "route-table v - route = 192.168.1.4/32 via nat:n\nroute-table v + route = 192.168.1.4/32 via pcx:vw\n" },
	/* Who is no peer may become one, unless their ranges overlap. */
	{ NO_PEERS("172.16.0.0/16", "172.16.1.0/24", ""), "a -> b@172.16.1.4 tcp/80",
	  "vpc-peering-connection v-w + vpc = v\nvpc-peering-connection v-w + peer-vpc = w\n"
	  "route-table v + route = 172.16.0.0/16 via pcx:v-w\nroute-table w + route = 10.0.0.0/16 via pcx:v-w\n" },
	{ NO_PEERS("10.0.0.0/20", "10.5.1.0/24", "cidr = 10.5.0.0/16\n"), "a -> b@10.5.1.4 tcp/80", "-" },
	{ NO_PEERS("172.16.0.0/16", "172.16.1.0/24",
		   "[vpc x]\ncidr = 172.17.0.0/16\n[vpc-peering-connection v-w]\nvpc = v\npeer-vpc = x\n"),
	  "a -> b@172.16.1.4 tcp/80",
	  "vpc-peering-connection v-w-2 + vpc = v\nvpc-peering-connection v-w-2 + peer-vpc = w\n"
	  "route-table v + route = 172.16.0.0/16 via pcx:v-w-2\nroute-table w + route = 10.0.0.0/16 via pcx:v-w-2\n" },
	/* Of two that have the address, the one that may be a peer. */
	{ "[vpc u]\ncidr = 10.0.0.0/20\ncidr = 10.5.0.0/16\n" NO_PEERS("10.5.0.0/16", "10.5.1.0/24", ""),
	  "a -> b@10.5.1.4 tcp/80",
	  "vpc-peering-connection v-w + vpc = v\nvpc-peering-connection v-w + peer-vpc = w\n"
	  "route-table v + route = 10.5.0.0/16 via pcx:v-w\nroute-table w + route = 10.0.0.0/16 via pcx:v-w\n" },
	/* Names that are long, or taken. */
	{ "[vpc a-vpc-whose-name-is-so-long-as-1]\ncidr = 10.0.0.0/16\n"
	  "[internet-gateway a-vpc-whose-nam-igw]\nvpc = a-vpc-whose-name-is-so-long-as-1\n"
	  "[vpc a-vpc-whose-name-is-so-long-as-3]\ncidr = 10.2.0.0/16\n"
	  "[route-table r]\nvpc = a-vpc-whose-name-is-so-long-as-3\nmain = yes\n"
	  "[subnet s]\nvpc = a-vpc-whose-name-is-so-long-as-3\ncidr = 10.2.0.0/24\n[instance a]\nsubnet = s\n"
	  "[host h]\naddress = 198.51.100.7\n",
	  "a -> h tcp/80",
	  "internet-gateway a-vpc-whose--igw-2 + vpc = a-vpc-whose-name-is-so-long-as-3\n"
	  "route-table r + route = 0.0.0.0/0 via igw:a-vpc-whose--igw-2\ninstance a + public-ip = auto\n" },
	/* Behind an appliance it is the sender that needs the address, and not its second one. */
	{ APPLIANCE(""), "web -> h tcp/80", "instance web + public-ip = auto\n" },
	{ APPLIANCE("public-ip = auto\n"), "web -> h tcp/80", "" },
	{ APPLIANCE("public-ip = none\n"), "web -> h tcp/80",
	  "instance web - public-ip = none\ninstance web + public-ip = auto\n" },
	{ APPLIANCE("public-ip = auto\naddress = 10.0.1.10\naddress = 10.0.1.11\n"), "web@10.0.1.11 -> h tcp/80", "-" },
	/* The zones that the flow needs come up, and no other. */
	{ ZONES("a"), "a -> b tcp/80", "lab z - zones-down = a\n" },
	{ ZONES("b"), "a -> b tcp/80", "lab z - zones-down = b\n" },
	{ ZONES("a us-east-1a"), "a -> b tcp/80", "lab z - zones-down = a us-east-1a\n" },
	{ ZONES("a b"), "a -> b tcp/80", "lab z - zones-down = a b\n" },
	{ ZONES("c us-east-1a b"), "a -> b tcp/80", "lab z - zones-down = c us-east-1a b\nlab z + zones-down = c\n" },
	{ ZONES("c b"), "b -> a tcp/80", "lab z - zones-down = c b\nlab z + zones-down = c\n" },
	{ ZONES("b"), "a -> 10.0.3.99 tcp/80", "-" }, /* attached to nothing */
	/* A blackhole goes; where nothing is left, the way out is another one. */
	{ BLACKHOLE("route = 0.0.0.0/0 via nat:n\nroute = 198.51.100.0/26 via nat:old\n"), "a -> h tcp/80",
	  "route-table r - route = 198.51.100.0/26 via nat:old\n" },
	{ BLACKHOLE("route = 0.0.0.0/0 via nat:n\nroute = pl:them via nat:old\n"), "a -> h tcp/80",
	  "route-table r - route = pl:them via nat:old\n" },
	{ BLACKHOLE("route = 0.0.0.0/0 via nat:old\n"), "a -> h tcp/80",
	  "route-table r - route = 0.0.0.0/0 via nat:old\nroute-table r + route = 0.0.0.0/0 via nat:n\n" },
	{ BLACKHOLE(
		  "route = 0.0.0.0/0 via nat:n\nroute = 198.51.100.7/32 via nat:old\nroute = 198.51.100.0/26 via nat:old\n"),
	  "a -> h tcp/80",
	  "route-table r - route = 198.51.100.7/32 via nat:old\nroute-table r - route = 198.51.100.0/26 via nat:old\n" },
	/* What comes in by an appliance has to leave by it: or it comes in without. */
	{ "[vpc v]\ncidr = 10.0.0.0/16\n[internet-gateway ig]\nvpc = v\n"
	  "[route-table edge]\nvpc = v\nedge = igw:ig\nroute = 10.0.1.0/24 via eni:fw\nroute = 10.0.0.0/16 via local\n"
	  "[route-table main]\nvpc = v\nmain = yes\nroute = 0.0.0.0/0 via igw:ig\n"
	  "[subnet s]\nvpc = v\ncidr = 10.0.1.0/24\n[subnet f]\nvpc = v\ncidr = 10.0.9.0/24\n"
	  "[instance fw]\nsubnet = f\nsource-dest-check = no\n[instance web]\nsubnet = s\npublic-ip = auto\n"
	  "[host h]\naddress = 198.51.100.1\n",
	  "web -> h tcp/80", "route-table edge - route = 10.0.1.0/24 via eni:fw\n" },
	/* Led astray long before it is denied. */
	{ "[vpc v]\ncidr = 10.0.0.0/16\n[internet-gateway ig]\nvpc = v\n"
	  "[route-table main]\nvpc = v\nmain = yes\nroute = 10.0.2.0/24 via eni:fw\n"
	  "[subnet s]\nvpc = v\ncidr = 10.0.1.0/24\n[subnet f]\nvpc = v\ncidr = 10.0.9.0/24\n"
	  "[subnet t]\nvpc = v\ncidr = 10.0.2.0/24\n"
	  "[instance fw]\nsubnet = f\nsource-dest-check = no\n[instance a]\nsubnet = s\n[instance b]\nsubnet = t\n",
	  "a -> b tcp/80", "route-table main - route = 10.0.2.0/24 via eni:fw\n" },
	/* A peer of a peer, that is one's own peer too. */
	{ TWO_VPCS(
		  "route = 172.16.0.0/12 via pcx:vw\n",
		  "") "[vpc x]\ncidr = 172.16.0.0/16\n[vpc-peering-connection vx]\nvpc = v\npeer-vpc = x\n"
		      "[subnet x]\nvpc = x\ncidr = 172.16.1.0/24\n[route-table x]\nvpc = x\nmain = yes\nroute = 10.0.0.0/8 via pcx:vx\n"
		      "[security-group x]\nvpc = x\ninbound = all from 10.0.0.0/8\n[instance x]\nsubnet = x\nsecurity-groups = x\n",
	  "a -> x udp/53", "route-table v + route = 172.16.0.0/16 via pcx:vx\n" },
};

static void each_lab(void **state)
{
	unsigned bad = 0, kept = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lab_cases); i++) {
		const struct lab_case *c = &lab_cases[i];
		_cleanup_advice_ struct advice a = { 0 };
		_cleanup_document_ struct document d;
		_cleanup_free_ char *got = NULL;
		struct advice_base base = { .document = &d, .lab = "lab" };
		struct err e = { 0 };

		parse(c->text, "lab.ini", &d);
		if (advice_find(&base, c->flow, &a, &e) < 0)
			fail_msg("%s: %s", c->flow, e.msg);
		got = lines_of(&a);
		if (strcmp(got, c->lines) != 0) {
			print_error("case %zu: %s:\n%swanted\n%s%s\n", i, c->flow, got, c->lines, a.why_not);
			bad++;
		}
		promise_check(c->text, "lab.ini", c->flow, &kept);
	}
	assert_true(kept > 15);
	assert_int_equal(bad, 0);
}

/* No line finds a way, but hopeless it is not: what is gone may come back. */
static void a_target_that_is_gone(void **state)
{
	static const char text[] =
		"[vpc v]\ncidr = 10.0.0.0/16\n[subnet s]\nvpc = v\ncidr = 10.0.1.0/24\nroute-table = r\n"
		"[route-table r]\nvpc = v\nroute = 192.168.0.0/16 via pcx:old\ngone = pcx:old\n"
		"[instance a]\nsubnet = s\n";
	_cleanup_document_ struct document d;
	struct advice_base base = { .document = &d, .lab = "lab" };
	_cleanup_advice_ struct advice a = { 0 };
	_cleanup_free_ char *said = NULL;
	struct err e = { 0 };

	(void)state;
	parse(text, "lab.ini", &d);
	assert_int_equal(advice_find(&base, "a -> 192.168.0.9 tcp/80", &a, &e), 0);
	assert_false(a.works || a.hopeless);
	said = advice_text(&a, true);
	assert_string_equal(
		said, "no suggestion: what the route leads to is gone, or attached to nothing; bring it back under "
		      "its name, or give the route another target\n");
}

static unsigned promises_check(const char *text, const char *file)
{
	static const char *const flows[] = { "tcp/22" };
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_model_ struct model *m = NULL;
	struct walker *w = NULL;
	struct err e = { 0 };
	unsigned n = 0;

	assert_int_equal(model_from_text(text, strlen(text), file, &m, &diags), 0);
	assert_int_equal(walker_new(m, &w, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(flows); i++) {
		_cleanup_matrix_ struct matrix x = { 0 };

		assert_int_equal(matrix_make(w, flows[i], 0, &x, &e), 0);
		for (uint32_t a = 0; a < x.n_ends; a++) {
			for (uint32_t b = 0; b < x.n_ends; b++) {
				char flow[160];

				if (matrix_at(&x, a, b)->allow)
					continue;
				snprintf(flow, sizeof(flow), "%s -> %s %s", x.ends[a].name, x.ends[b].name, flows[i]);
				promise_check(text, file, flow, &n);
			}
		}
	}
	walker_free(&w);
	return n;
}

/* An ACL without a gap is numbered anew as far as a person would do it, and not for minutes. */
static void rules_without_gaps(void **state)
{
	static const struct {
		unsigned rules;
		const char *says;
	} acls[] = { { 40, "+ inbound = 41 deny tcp 40 from 0.0.0.0/0" },
		     { 41, "nacl n has no number left for one more inbound rule; number its rules anew, with gaps" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(acls); i++) {
		_cleanup_strbuf_ struct strbuf text = { 0 };
		_cleanup_document_ struct document d;
		_cleanup_advice_ struct advice a = { 0 };
		_cleanup_free_ char *said = NULL;
		struct advice_base base = { .document = &d, .lab = "lab" };
		struct err e = { 0 };

		strbuf_adds(
			&text,
			"[lab lab]\nquotas = off\n[vpc v]\ncidr = 10.0.0.0/16\n[subnet s]\nvpc = v\n"
			"cidr = 10.0.1.0/24\n[subnet t]\nvpc = v\ncidr = 10.0.2.0/24\nnacl = n\n"
			"[security-group g]\nvpc = v\ninbound = all from 0.0.0.0/0\n"
			"[instance a]\nsubnet = s\n[instance b]\nsubnet = t\nsecurity-groups = g\n[nacl n]\nvpc = v\n");
		for (unsigned n = 1; n <= acls[i].rules; n++)
			strbuf_addf(&text, "inbound = %u deny tcp %u from 0.0.0.0/0\n", n, n);
		strbuf_adds(&text, "outbound = 10 allow all to 0.0.0.0/0\n");
		parse(text.s, "lab.ini", &d);
		assert_int_equal(advice_find(&base, "a -> b tcp/1", &a, &e), 0);
		said = advice_text(&a, true);
		if (!said || !strstr(said, acls[i].says))
			fail_msg("%u rules: %s", acls[i].rules, said);
	}
}

static void shipped_topologies(void **state)
{
	glob_t g;
	unsigned n = 0;

	(void)state;
	assert_int_equal(glob("topologies/*.ini", 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		_cleanup_free_ char *text = NULL;

		assert_int_equal(read_whole_file(g.gl_pathv[i], FILE_MAX, &text, NULL), 0);
		n += promises_check(text, "lab.ini");
	}
	globfree(&g);
	assert_true(n > 50);
}

static void random_topologies(void **state)
{
	unsigned n = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		_cleanup_free_ char *text = random_topology(seed, "random");

		n += promises_check(text, "random.ini");
	}
	assert_true(n > SEEDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_gate),
		cmocka_unit_test(each_lab),
		cmocka_unit_test(a_target_that_is_gone),
		cmocka_unit_test(rules_without_gaps),
		cmocka_unit_test(shipped_topologies),
		cmocka_unit_test(random_topologies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
