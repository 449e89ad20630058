/* test_walk.c: the static walk: shipped expectations, hand-made cases a gate and a reason, the port
 * range of NAT gateways against every single port, the views against golden files.
 * UPDATE_GOLDEN=1 writes tests/golden/trace/ anew. */
#include <dirent.h>
#include <glob.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "conf/build.h"
#include "filters/explain.h"
#include "path/expect.h"
#include "path/trace.h"
#include "path/trial.h"
#include "test.h"
#include "util/mem.h"
#include "util/str.h"

#define GOLDEN "tests/golden/trace"
enum { TOPOLOGIES_MIN = 5, GOLDEN_MIN = 6, FILE_MAX = 1 << 20 };

static struct model *load(const char *text, const char *name)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	struct model *m = NULL;

	if (model_from_text(text, strlen(text), name, &m, &diags) < 0)
		for (size_t i = 0; i < diags.n; i++)
			print_error("%s:%u: %s\n", name, diags.v[i].line, diags.v[i].message);
	assert_non_null(m);
	return m;
}

static struct model *load_file(const char *path)
{
	_cleanup_free_ char *text = NULL;

	assert_int_equal(read_whole_file(path, FILE_MAX, &text, NULL), 0);
	return load(text, path);
}

static struct walker *walker_of(const struct model *m)
{
	struct walker *w = NULL;
	struct err e = { 0 };

	if (walker_new(m, &w, &e) < 0)
		fail_msg("%s", e.msg);
	return w;
}

static void walk_text(struct walker *w, const struct model *m, const char *flow, struct walk *ret)
{
	struct err e = { 0 };
	struct flow f;

	if (flow_parse(m, flow, &f, &e) < 0 || walk_flow(w, &f, ret, &e) < 0)
		fail_msg("%s: %s", flow, e.msg);
}

static void shipped_expectations_hold(void **state)
{
	glob_t g;
	unsigned bad = 0, n = 0;

	(void)state;
	assert_int_equal(glob("topologies/*.ini", 0, NULL, &g), 0);
	assert_true(g.gl_pathc >= TOPOLOGIES_MIN);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		_cleanup_model_ struct model *m = load_file(g.gl_pathv[i]);
		struct walker *w = walker_of(m);

		assert_true(m->n_expects > 0);
		for (uint32_t k = 0; k < m->n_expects; k++, n++) {
			struct answer got;
			struct walk walk;
			char text[128];

			walk_text(w, m, m->expects[k].flow, &walk);
			answer_of_walk(&walk, &got);
			if (!expect_holds(&m->expects[k], &got)) {
				print_error("%s:%u: %s: %s\n", g.gl_pathv[i], m->expects[k].loc.line,
					    m->expects[k].flow, answer_format(&got, text, sizeof(text)));
				bad++;
			}
			walk_done(&walk);
		}
		walker_free(&w);
	}
	globfree(&g);
	assert_int_equal(bad, 0);
	assert_true(n >= 24);
}

/* One lab in which every gate and reason of the walk can be met. */
static const char lab[] =
	"[vpc v]\ncidr = 10.0.0.0/16\n[internet-gateway i]\nvpc = v\n"
	"[vpc other]\ncidr = 172.16.0.0/16\n[internet-gateway j]\nvpc = other\n"
	"[vpc bare]\ncidr = 192.168.0.0/16\n"
	"[nat-gateway nat]\nsubnet = pub\naddress = 10.0.0.9\npublic-ip = 203.0.113.9\n"
	"[nat-gateway inner]\nsubnet = pub\naddress = 10.0.0.8\nconnectivity = private\n"
	"[route-table pub]\nvpc = v\nroute = 0.0.0.0/0 via igw:i\n"
	"[route-table priv]\nvpc = v\nroute = 0.0.0.0/0 via nat:nat\nroute = 192.0.2.0/24 via nat:inner\n"
	"[route-table iso]\nvpc = v\nmain = yes\n"
	"[route-table via-box]\nvpc = v\nroute = 0.0.0.0/0 via instance:box\nroute = 10.0.2.0/24 via instance:box\n"
	"[route-table opub]\nvpc = other\nmain = yes\nroute = 0.0.0.0/0 via igw:j\n"
	"[subnet pub]\nvpc = v\ncidr = 10.0.0.0/24\nroute-table = pub\n"
	"[subnet priv]\nvpc = v\ncidr = 10.0.1.0/24\nroute-table = priv\n"
	"[subnet iso]\nvpc = v\ncidr = 10.0.2.0/24\n"
	"[subnet tight]\nvpc = v\ncidr = 10.0.3.0/24\nnacl = tight\nroute-table = pub\n"
	"[subnet boxed]\nvpc = v\ncidr = 10.0.4.0/24\nroute-table = via-box\n"
	"[subnet opub]\nvpc = other\ncidr = 172.16.0.0/24\n"
	"[route-table rg]\nvpc = v\nroute = 0.0.0.0/0 via nat:ra\n[route-table ra]\nvpc = v\nroute = 0.0.0.0/0 via nat:rb\n"
	"[route-table rb]\nvpc = v\nroute = 0.0.0.0/0 via nat:ra\n"
	"[subnet rg]\nvpc = v\ncidr = 10.0.6.0/24\nroute-table = rg\n[subnet ra]\nvpc = v\ncidr = 10.0.7.0/24\nroute-table = ra\n"
	"[subnet rb]\nvpc = v\ncidr = 10.0.8.0/24\nroute-table = rb\n"
	"[nat-gateway ra]\nsubnet = ra\n[nat-gateway rb]\nsubnet = rb\n[instance rg]\nsubnet = rg\nsecurity-groups = open\n"
	"[route-table lg]\nvpc = v\nroute = 0.0.0.0/0 via instance:la\n[route-table la]\nvpc = v\nroute = 0.0.0.0/0 via instance:lb\n"
	"[route-table lb]\nvpc = v\nroute = 0.0.0.0/0 via instance:la\n"
	"[subnet lg]\nvpc = v\ncidr = 10.0.9.0/24\nroute-table = lg\n[subnet la]\nvpc = v\ncidr = 10.0.10.0/24\nroute-table = la\n"
	"[subnet lb]\nvpc = v\ncidr = 10.0.11.0/24\nroute-table = lb\n[instance lg]\nsubnet = lg\nsecurity-groups = open\n"
	"[instance la]\nsubnet = la\nsecurity-groups = open\nsource-dest-check = no\n"
	"[instance lb]\nsubnet = lb\nsecurity-groups = open\nsource-dest-check = no\n"
	"[subnet half]\nvpc = v\ncidr = 10.0.5.0/24\nnacl = half\nroute-table = pub\n"
	"[nacl half]\nvpc = v\ninbound = 100 allow all from 0.0.0.0/0\n"
	"[instance hf]\nsubnet = half\naddress = 10.0.5.10\npublic-ip = 203.0.113.8\nsecurity-groups = open\n"
	"[subnet alone]\nvpc = bare\ncidr = 192.168.0.0/24\n"
	"[nacl tight]\nvpc = v\ninbound = 100 deny tcp 81 from 10.0.0.0/16\ninbound = 200 allow tcp 80-90 from 0.0.0.0/0\n"
	"outbound = 100 allow tcp 32768-65535 to 0.0.0.0/0\n"
	"[security-group open]\nvpc = v\ninbound = all from 0.0.0.0/0\n"
	"[security-group refs]\nvpc = v\ninbound = tcp 80 from sg:open\noutbound = tcp 443 to 0.0.0.0/0\n"
	"[security-group shut]\nvpc = v\noutbound = none\n"
	"[security-group oopen]\nvpc = other\ninbound = all from 0.0.0.0/0\n"
	"[instance p1]\nsubnet = pub\naddress = 10.0.0.10\npublic-ip = 203.0.113.1\nsecurity-groups = open\n"
	"[instance p2]\nsubnet = pub\naddress = 10.0.0.11\npublic-ip = 203.0.113.2\nsecurity-groups = refs\n"
	"[instance p3]\nsubnet = pub\naddress = 10.0.0.12\nsecurity-groups = open\n"
	"[instance q1]\nsubnet = priv\naddress = 10.0.1.10\nsecurity-groups = open\n"
	"[instance z1]\nsubnet = priv\naddress = 10.0.1.11\npublic-ip = 203.0.113.6\nsecurity-groups = open\n"
	"[instance s1]\nsubnet = iso\naddress = 10.0.2.10\nsecurity-groups = shut\n"
	"[instance s2]\nsubnet = iso\naddress = 10.0.2.11\nsecurity-groups = open\n"
	"[instance t1]\nsubnet = tight\naddress = 10.0.3.10\npublic-ip = 203.0.113.3\nsecurity-groups = open\n"
	"[instance box]\nsubnet = pub\naddress = 10.0.0.20\npublic-ip = 203.0.113.4\nsecurity-groups = open\nsource-dest-check = no\n"
	"[instance b1]\nsubnet = boxed\naddress = 10.0.4.10\nsecurity-groups = open\n"
	"[instance o1]\nsubnet = opub\naddress = 172.16.0.10\npublic-ip = 203.0.113.5\nsecurity-groups = oopen\n"
	"[security-group oshut]\nvpc = other\n"
	"[instance o2]\nsubnet = opub\naddress = 172.16.0.11\npublic-ip = 203.0.113.7\nsecurity-groups = oshut\n"
	"[instance a1]\nsubnet = alone\naddress = 192.168.0.10\n"
	"[host h]\naddress = 198.51.100.7\n";

struct walk_case {
	const char *flow, *answer, *reason; /* reason of the denial; "" for allowed */
};
static const struct walk_case walk_cases[] = {
	/* same subnet, other subnet, out and in */
	{ "p1 -> p3 tcp/80", "allow", "" },
	{ "p1 -> q1 udp/53", "allow", "" },
	{ "p1 -> h tcp/443", "allow", "" },
	{ "h -> p1 tcp/443", "allow", "" },
	{ "h -> p1 47", "allow", "" },
	{ "h -> h tcp/1", "allow", "" },
	{ "p1 -> p1 tcp/1", "allow", "" },
	{ "192.0.2.1 -> p1 tcp/443", "allow", "" },
	/* groups */
	{ "p1 -> p2 tcp/80", "allow", "" },
	{ "p1 -> p2 tcp/81", "deny at sg-in@p2", "ENI_SG_RULES_MISMATCH" },
	{ "h -> p2 tcp/80", "deny at sg-in@p2", "ENI_SG_RULES_MISMATCH" },
	{ "p1 -> p2@public tcp/80", "deny at sg-in@p2", "SG_REFERENCES_NOT_PRESERVED" },
	{ "p2 -> p1 tcp/80", "deny at sg-out@p2", "ENI_SG_RULES_MISMATCH" },
	{ "s1 -> s2 tcp/80", "deny at sg-out@s1", "SG_HAS_NO_RULES" },
	{ "s2 -> s1 tcp/80", "deny at sg-in@s1", "SG_HAS_NO_RULES" },
	/* network ACLs, both legs; the lowest number decides */
	{ "h -> t1 tcp/80", "allow", "" },
	{ "h -> t1 tcp/81", "allow", "" },
	{ "p1 -> t1 tcp/80", "allow", "" },
	{ "p1 -> t1 tcp/81", "deny at nacl-in@tight", "SUBNET_ACL_RESTRICTION" },
	{ "h -> t1 tcp/91", "deny at nacl-in@tight", "SUBNET_ACL_RESTRICTION" },
	{ "h -> t1 icmp", "deny at nacl-in@tight", "SUBNET_ACL_RESTRICTION" },
	{ "h:2000 -> t1 tcp/80", "deny at return:nacl-out@tight", "SUBNET_ACL_RESTRICTION" },
	{ "t1 -> p1 tcp/80", "deny at nacl-out@tight", "SUBNET_ACL_RESTRICTION" },
	{ "t1 -> p1 tcp/40000", "deny at return:nacl-in@tight", "SUBNET_ACL_RESTRICTION" },
	/* no reply is due to what ICMP tells; to what it asks, one is */
	{ "h -> hf tcp/80", "deny at return:nacl-out@half", "SUBNET_ACL_RESTRICTION" },
	{ "h -> hf icmp", "deny at return:nacl-out@half", "SUBNET_ACL_RESTRICTION" },
	{ "h -> hf icmp/13", "deny at return:nacl-out@half", "SUBNET_ACL_RESTRICTION" },
	{ "h -> hf icmp/0", "allow", "" },
	{ "h -> hf icmp/3.4", "allow", "" },
	{ "h -> hf icmp/5.1", "allow", "" },
	{ "p1 -> hf icmp/11.0", "allow", "" },
	{ "p1 -> hf icmp/14", "allow", "" },
	{ "p1 -> hf icmp/42.7", "allow", "" },
	/* routes */
	{ "s2 -> h tcp/80", "deny at route@iso", "NO_ROUTE_TO_DESTINATION" },
	{ "s2 -> 10.0.1.99 tcp/80", "deny at route@iso", "NO_POSSIBLE_DESTINATION" },
	{ "p1 -> 10.0.0.99 tcp/80", "deny at route@pub", "NO_POSSIBLE_DESTINATION" },
	{ "p2 -> 10.0.0.99 udp/53", "deny at route@pub", "NO_POSSIBLE_DESTINATION" }, /* not sent: nobody answers ARP */
	{ "p2 -> 10.0.2.99 udp/53", "deny at sg-out@p2", "ENI_SG_RULES_MISMATCH" },
	{ "box@10.0.1.10 -> p3 udp/53", "deny at return:route@priv", "NO_POSSIBLE_DESTINATION" }, /* q1 has the reply */
	{ "rg -> h tcp/80", "deny at route@rb", "NO_POSSIBLE_DESTINATION" },                      /* in a circle */
	{ "lg -> h udp/53", "deny at route@lb", "NO_POSSIBLE_DESTINATION" },
	{ "la -> h icmp", "deny at route@lb", "NO_POSSIBLE_DESTINATION" },
	/* internet gateway and internet */
	{ "h -> z1 tcp/80", "deny at return:nat@nat", "NGW_SOURCE_ADDRESS_REASSIGN" },
	{ "h -> z1 icmp", "deny at return:nat@nat", "NGW_SOURCE_ADDRESS_REASSIGN" },
	{ "h -> z1 udp/53", "deny at return:nat@nat", "NGW_SOURCE_ADDRESS_REASSIGN" }, /* arrives, from elsewhere */
	{ "192.0.2.1 -> z1 udp/53", "deny at return:igw@i", "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS" },
	{ "192.0.3.1 -> z1 udp/53", "deny at return:nat@nat", "NGW_SOURCE_ADDRESS_REASSIGN" },
	{ "p1 -> z1@public udp/53", "deny at return:nat@nat", "NGW_SOURCE_ADDRESS_REASSIGN" },
	{ "p2 -> z1@public tcp/443", "deny at return:nat@nat", "NGW_SOURCE_ADDRESS_REASSIGN" },
	{ "o1 -> z1 udp/53", "deny at return:nat@nat", "NGW_SOURCE_ADDRESS_REASSIGN" },
	{ "o2 -> z1 udp/53", "deny at return:sg-in@o2", "SG_HAS_NO_RULES" },
	{ "q1 -> h icmp/0", "deny at nat@nat", "NGW_SOURCE_ADDRESS_REASSIGN" },
	{ "h -> q1 tcp/80", "deny at igw@i", "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS" },
	{ "h -> a1 tcp/80", "deny at igw", "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS" },
	{ "h -> 10.0.1.10 tcp/80", "deny at igw@i", "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS" },
	{ "p3 -> h tcp/80", "deny at igw@i", "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS" },
	{ "p1 -> 172.16.0.10 tcp/80", "deny at igw@i", "IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS" },
	{ "p1 -> 100.64.0.1 tcp/80", "deny at igw@i", "IGW_DESTINATION_ADDRESS_NOT_IN_RFC6598_EGRESS" },
	{ "10.9.9.9 -> p1 tcp/80", "deny at igw@i", "IGW_SOURCE_ADDRESS_NOT_IN_RFC1918_INGRESS" },
	{ "100.64.0.9 -> p1 tcp/80", "deny at igw@i", "IGW_SOURCE_ADDRESS_NOT_IN_RFC6598_INGRESS" },
	{ "p1 -> 192.0.2.1 tcp/80", "deny at internet", "UNKNOWN_DESTINATION" },
	{ "h -> 192.0.2.1 tcp/80", "deny at internet", "UNKNOWN_DESTINATION" },
	{ "192.0.2.1 -> 192.0.2.2 tcp/80", "deny at internet", "UNKNOWN_DESTINATION" },
	{ "p1 -> o1 tcp/80", "allow", "" },
	{ "o1 -> p1 tcp/80", "allow", "" },
	{ "o1 -> q1 tcp/80", "deny at igw@i", "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS" },
	{ "p1 -> p3@public tcp/80", "deny at igw@i", "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS" },
	/* hairpin through the gateway: the source is public then */
	{ "p1 -> t1@public tcp/80", "allow", "" },
	{ "p1 -> t1@public tcp/81", "allow", "" },
	/* NAT gateways */
	{ "q1 -> h tcp/443", "allow", "" },
	{ "q1 -> h udp/53", "allow", "" },
	{ "q1 -> h icmp", "allow", "" },
	{ "q1 -> o1 tcp/80", "allow", "" },
	{ "q1 -> h 47", "deny at nat@nat", "PROTOCOL_RESTRICTION" },
	{ "h -> nat tcp/443", "deny at nat@nat", "NGW_SOURCE_ADDRESS_REASSIGN" },
	{ "p1 -> nat tcp/443", "deny at nat@nat", "NGW_SOURCE_ADDRESS_REASSIGN" },
	{ "q1 -> 192.0.2.1 tcp/80", "deny at igw@i", "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS" },
	{ "q1 -> p1@public tcp/80", "allow", "" },
	{ "q1 -> t1@public tcp/80", "deny at return:nacl-out@tight", "REMAP_EPHEMERAL_PORT" },
	/* source and destination */
	{ "p1@10.0.0.99 -> p3 tcp/80", "deny at source-check@p1", "ENI_ADDRESS_RESTRICTION" },
	{ "p1 -> 255.255.255.255 udp/67", "deny at parse", "BROADCAST" },
	{ "p1 -> 224.0.0.1 udp/5353", "deny at parse", "BROADCAST" },
	{ "p1 -> 10.0.0.1 icmp", "deny at service", "NO_SERVICE" },
	{ "p1 -> 169.254.169.254 tcp/80", "deny at service", "NO_SERVICE" },
	/* an appliance that forwards: to another subnet, and out, where the sender's own public address counts */
	{ "b1 -> s2 tcp/80", "allow", "" },
	{ "b1 -> h tcp/80", "deny at igw@i", "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS" },
};

static void hand_made_cases(void **state)
{
	_cleanup_model_ struct model *m = load(lab, "lab.ini");
	struct walker *w = walker_of(m);
	unsigned bad = 0;

	(void)state;
	/* Twice, and backwards: a walk leaves nothing behind that another one meets. */
	for (size_t k = 0; k < 2 * ARRAY_SIZE(walk_cases); k++) {
		const struct walk_case *c =
			&walk_cases[k < ARRAY_SIZE(walk_cases) ? k : 2 * ARRAY_SIZE(walk_cases) - 1 - k];
		struct answer got;
		struct walk walk;
		char text[128];

		walk_text(w, m, c->flow, &walk);
		answer_of_walk(&walk, &got);
		if (strcmp(answer_format(&got, text, sizeof(text)), c->answer) != 0 ||
		    (!got.allow && strcmp(got.reason, c->reason) != 0)) {
			print_error("%s: %s %s, wanted %s %s\n", c->flow, text, got.allow ? "" : got.reason, c->answer,
				    c->reason);
			bad++;
		}
		assert_true(walk.allow || walk.denied + 1 == walk.n);
		for (size_t i = 0; i < walk.n; i++)
			assert_int_equal(walk.steps[i].allow, walk.allow || i != walk.denied);
		walk_done(&walk);
	}
	walker_free(&w);
	assert_int_equal(bad, 0);
}

/* A chain of more instances that forward than a walk follows. */
static void a_long_way(void **state)
{
	struct strbuf text = { 0 };
	struct model *m;
	struct walker *w;
	struct walk walk;

	(void)state;
	strbuf_adds(&text, "[lab l]\nquotas = off\n[vpc v]\ncidr = 10.0.0.0/16\n[host h]\naddress = 198.51.100.7\n"
			   "[security-group g]\nvpc = v\ninbound = all from 0.0.0.0/0\n");
	for (int i = 0; i < 2 * WALK_HOPS_MAX; i++) {
		strbuf_addf(&text, "[route-table t%d]\nvpc = v\n", i);
		if (i + 1 < 2 * WALK_HOPS_MAX)
			strbuf_addf(&text, "route = 0.0.0.0/0 via instance:x%d\n", i + 1);
		strbuf_addf(&text,
			    "[subnet s%d]\nvpc = v\ncidr = 10.0.%d.0/24\nroute-table = t%d\n"
			    "[instance x%d]\nsubnet = s%d\nsecurity-groups = g\nsource-dest-check = no\n",
			    i, i, i, i, i);
	}
	m = load(text.s, "chain.ini");
	w = walker_of(m);
	walk_text(w, m, "x0 -> h tcp/80", &walk);
	assert_false(walk.allow);
	assert_int_equal(walk.steps[walk.denied].gate, ABI_GATE_ROUTE);
	assert_non_null(strstr(walk.steps[walk.denied].reason_more, "after 32 hops it has not arrived"));
	walk_done(&walk);
	walker_free(&w);
	model_free(&m);
	strbuf_done(&text);
}

static const struct walk_step *step_of(const struct walk *w, enum walk_leg leg, enum abi_gate gate, unsigned nth)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->steps[i].leg == leg && w->steps[i].gate == gate && nth-- == 0)
			return &w->steps[i];
	fail_msg("no step %s %s", leg_name(leg), gate_name(gate));
	return NULL;
}

static void steps_say_what_decided(void **state)
{
	_cleanup_model_ struct model *m = load(lab, "lab.ini");
	struct walker *w = walker_of(m);
	const struct walk_step *s;
	struct walk walk;

	(void)state;
	walk_text(w, m, "p1 -> p2 tcp/80", &walk);
	assert_int_equal(walk.n, 4); /* one subnet: groups only, out and in, both ways */
	s = step_of(&walk, LEG_FORWARD, ABI_GATE_SG_IN, 0);
	assert_string_equal(s->rule_text, "tcp 80 from sg:open");
	assert_string_equal(s->object, "p2");
	assert_string_equal(s->eni, "p2");
	assert_true(s->loc.line > 0);
	s = step_of(&walk, LEG_RETURN, ABI_GATE_SG_OUT, 0);
	assert_int_equal(s->reason, ABI_REASON_TRACKED);
	assert_string_equal(s->rule_text, "tcp 80 from sg:open"); /* the rule that made the entry */
	walk_done(&walk);

	walk_text(w, m, "p1 -> t1 tcp/81", &walk);
	s = &walk.steps[walk.denied];
	assert_string_equal(s->rule_text, "100 deny tcp 81 from 10.0.0.0/16");
	assert_true(s->loc.line > 0);
	walk_done(&walk);

	walk_text(w, m, "h -> t1 tcp/91", &walk);
	s = &walk.steps[walk.denied];
	assert_string_equal(s->rule_text, "*");
	assert_int_not_equal(s->rule, 0); /* counted, though nobody wrote it */
	walk_done(&walk);

	walk_text(w, m, "p1 -> p2 tcp/81", &walk);
	s = &walk.steps[walk.denied];
	assert_string_equal(s->rule_text, "");
	assert_int_equal(s->rule, 0);
	assert_string_equal(s->reason_more, "group refs");
	walk_done(&walk);
	walker_free(&w);
}

/* An answer by a NAT gateway that never saw the request: each step says under which address it goes, and the last one what
 * became of it. */
static void strays_are_followed(void **state)
{
	static const struct {
		const char *flow, *note;
	} cases[] = {
#define STRAY "the answer left by NAT gateway nat, which knows no such connection"
		{ "h -> z1 tcp/80", STRAY },
		{ "h -> z1 icmp", STRAY },
		{ "h -> z1 udp/53",
		  STRAY " and gave it another source: it arrives, but not from 203.0.113.6, which was asked" },
		{ "o2 -> z1 udp/53", "group oshut; " STRAY " and gave it another source" },
		{ "h -> nat tcp/443", "" },
		{ "p1 -> p2 tcp/81", "group refs" },
	};
	_cleanup_model_ struct model *m = load(lab, "lab.ini");
	struct walker *w = walker_of(m);
	struct walk walk;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		walk_text(w, m, cases[i].flow, &walk);
		assert_false(walk.allow);
		assert_string_equal(walk.steps[walk.denied].reason_more, cases[i].note);
		walk_done(&walk);
	}
	walk_text(w, m, "o2 -> z1 udp/53", &walk);
	assert_true(walk.steps[walk.denied].src.a.b[15] != 6);
	assert_int_equal(walk.steps[walk.denied].sport, 1024);
	assert_int_equal(walk.steps[walk.denied].sport_hi, 65535);
	walk_done(&walk);
	walker_free(&w);
}

/* With an uplink the lab's internet knows everybody but who is nowhere on any. */
static void the_world_by_the_uplink(void **state)
{
	static const struct {
		const char *flow;
		enum abi_gate gate; /* NONE: allowed */
		enum abi_reason reason;
	} cases[] = {
		{ "p1 -> 8.8.8.8 tcp/443", ABI_GATE_NONE, ABI_REASON_ACCEPT },
		{ "q1 -> 8.8.8.8 udp/53", ABI_GATE_NONE, ABI_REASON_ACCEPT },
		{ "h -> 8.8.8.8 icmp", ABI_GATE_NONE, ABI_REASON_ACCEPT },
		{ "8.8.8.8 -> p1 tcp/80", ABI_GATE_NONE, ABI_REASON_ACCEPT },
		{ "p3 -> 8.8.8.8 tcp/443", ABI_GATE_IGW, ABI_REASON_IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS },
		{ "p1 -> 10.99.0.1 tcp/443", ABI_GATE_IGW, ABI_REASON_IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS },
		{ "p1 -> 172.31.0.1 tcp/443", ABI_GATE_IGW, ABI_REASON_IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS },
		{ "p1 -> 100.100.0.1 tcp/443", ABI_GATE_IGW, ABI_REASON_IGW_DESTINATION_ADDRESS_NOT_IN_RFC6598_EGRESS },
		{ "h -> 10.99.0.1 tcp/443", ABI_GATE_INTERNET, ABI_REASON_UNKNOWN_DESTINATION },
		{ "h -> 172.31.0.1 tcp/443", ABI_GATE_INTERNET, ABI_REASON_UNKNOWN_DESTINATION },
		{ "h -> 192.168.99.1 tcp/443", ABI_GATE_IGW,
		  ABI_REASON_IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS }, /* bare has that range */
		{ "h -> 100.64.0.1 tcp/443", ABI_GATE_INTERNET, ABI_REASON_UNKNOWN_DESTINATION },
		{ "h -> 169.254.169.254 tcp/80", ABI_GATE_INTERNET, ABI_REASON_UNKNOWN_DESTINATION },
		{ "h -> 127.0.0.1 tcp/80", ABI_GATE_INTERNET, ABI_REASON_UNKNOWN_DESTINATION },
		{ "h -> 0.0.0.1 tcp/80", ABI_GATE_INTERNET, ABI_REASON_UNKNOWN_DESTINATION },
		{ "h -> 224.0.0.1 udp/53", ABI_GATE_INTERNET, ABI_REASON_UNKNOWN_DESTINATION },
		{ "h -> 255.255.255.255 udp/53", ABI_GATE_INTERNET, ABI_REASON_UNKNOWN_DESTINATION },
		{ "h -> 10.0.0.10 tcp/80", ABI_GATE_IGW, ABI_REASON_IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS },
	};
	_cleanup_free_ char *text = xasprintf("%s[internet]\nuplink = yes\n", lab);
	_cleanup_model_ struct model *m = load(text, "lab.ini"), *without = load(lab, "lab.ini");
	struct walker *w = walker_of(m), *closed = walker_of(without);
	struct walk walk;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		walk_text(w, m, cases[i].flow, &walk);
		if (walk.allow != (cases[i].gate == ABI_GATE_NONE) ||
		    (!walk.allow && (walk.steps[walk.denied].gate != cases[i].gate ||
				     walk.steps[walk.denied].reason != cases[i].reason)))
			fail_msg("%s: %s", cases[i].flow,
				 walk.allow ? "allowed" : reason_name(walk.steps[walk.denied].reason));
		walk_done(&walk);
	}
	walk_text(w, m, "q1 -> 8.8.8.8 tcp/443", &walk);
	assert_string_equal(step_of(&walk, LEG_FORWARD, ABI_GATE_INTERNET, 0)->reason_more,
			    "leaves the lab by the uplink, with the machine's address");
	walk_done(&walk);
	walk_text(closed, without, "p1 -> 8.8.8.8 tcp/443", &walk);
	assert_false(walk.allow);
	assert_int_equal(walk.steps[walk.denied].reason, ABI_REASON_UNKNOWN_DESTINATION);
	walk_done(&walk);
	walker_free(&w);
	walker_free(&closed);
}

static void translations_are_shown(void **state)
{
	_cleanup_model_ struct model *m = load(lab, "lab.ini");
	struct walker *w = walker_of(m);
	const struct walk_step *s;
	char buf[ADDR_STRLEN];
	struct walk walk;

	(void)state;
	walk_text(w, m, "h -> p1 tcp/443", &walk);
	s = step_of(&walk, LEG_FORWARD, ABI_GATE_IGW, 0);
	assert_string_equal(addr_format(&s->dst, buf), "203.0.113.1");
	s = step_of(&walk, LEG_FORWARD, ABI_GATE_NACL_IN, 0);
	assert_string_equal(addr_format(&s->dst, buf), "10.0.0.10");
	s = step_of(&walk, LEG_RETURN, ABI_GATE_IGW, 0);
	assert_string_equal(addr_format(&s->src, buf), "10.0.0.10");
	walk_done(&walk);

	walk_text(w, m, "q1 -> h tcp/443", &walk);
	s = step_of(&walk, LEG_FORWARD, ABI_GATE_NAT, 0);
	assert_string_equal(addr_format(&s->src, buf), "10.0.1.10");
	assert_int_equal(s->sport, 40000);
	s = step_of(&walk, LEG_FORWARD, ABI_GATE_IGW, 0);
	assert_string_equal(addr_format(&s->src, buf), "10.0.0.9");
	assert_int_equal(s->sport, 1024);
	assert_int_equal(s->sport_hi, 65535);
	s = step_of(&walk, LEG_RETURN, ABI_GATE_NACL_IN, 0);
	assert_int_equal(s->dport, 1024);
	assert_int_equal(s->dport_hi, 65535);
	assert_string_equal(s->eni, "nat");
	s = step_of(&walk, LEG_RETURN, ABI_GATE_SG_IN, 0);
	assert_string_equal(addr_format(&s->dst, buf), "10.0.1.10");
	assert_int_equal(s->dport, 40000);
	assert_int_equal(s->dport_hi, 40000);
	walk_done(&walk);

	/* the answer goes to a port that the gateway drew, from another one that it draws */
	walk_text(w, m, "q1 -> z1@public udp/53", &walk);
	s = step_of(&walk, LEG_RETURN, ABI_GATE_IGW, 0);
	assert_int_equal(s->sport, 1024);
	assert_int_equal(s->sport_hi, 65535);
	assert_int_equal(s->dport, 1024);
	assert_int_equal(s->dport_hi, 65535);
	walk_done(&walk);
	walker_free(&w);
}

/* The pieces of the port range against every single port. */
static void nat_ports_one_by_one(void **state)
{
	static const char text[] =
		"[vpc v]\ncidr = 10.0.0.0/16\n[internet-gateway i]\nvpc = v\n"
		"[nat-gateway nat]\nsubnet = pub\npublic-ip = auto\n"
		"[route-table pub]\nvpc = v\nroute = 0.0.0.0/0 via igw:i\n"
		"[route-table priv]\nvpc = v\nmain = yes\nroute = 0.0.0.0/0 via nat:nat\n"
		"[subnet pub]\nvpc = v\ncidr = 10.0.0.0/24\nroute-table = pub\nnacl = n\n"
		"[subnet priv]\nvpc = v\ncidr = 10.0.1.0/24\n"
		"[nacl n]\nvpc = v\ninbound = 10 deny tcp 5000-5009 from 0.0.0.0/0\ninbound = 15 allow tcp 80 from 10.0.0.0/16\n"
		"inbound = 20 allow tcp 1024-1024 from 0.0.0.0/0\ninbound = 30 allow tcp 4990-6000 from 198.51.100.0/24\n"
		"inbound = 40 allow tcp 65535 from 0.0.0.0/0\noutbound = 1 allow all to 0.0.0.0/0\n"
		"[instance a]\nsubnet = priv\n[host h]\naddress = 198.51.100.7\n";
	_cleanup_model_ struct model *m = load(text, "nat.ini");
	struct walker *w = walker_of(m);
	const struct walk_step *s;
	struct walk walk;
	struct flow f;
	unsigned works = 0;
	char share[64];

	(void)state;
	assert_int_equal(flow_parse(m, "a -> h tcp/80", &f, NULL), 0);
	for (uint32_t port = NAT_PORT_LO; port <= NAT_PORT_HI; port++) {
		bool want = port == 1024 || port == 65535 ||
			    (port >= 4990 && port <= 6000 && !(port >= 5000 && port <= 5009));
		struct trial t;

		if (!want && port > 7000 && port % 97) /* far from any edge: some will do */
			continue;
		trial_run(w, &f, (struct nat_choice){ (uint16_t)port, 0 }, &t);
		assert_int_equal(t.walk.allow, want);
		works += t.walk.allow;
		trial_done(&t);
	}
	assert_int_equal(works, 1003);
	walk_text(w, m, "a -> h tcp/80", &walk);
	assert_false(walk.allow);
	s = &walk.steps[walk.denied];
	assert_int_equal(s->leg, LEG_RETURN);
	assert_int_equal(s->gate, ABI_GATE_NACL_IN);
	assert_int_equal(s->reason, ABI_REASON_REMAP_EPHEMERAL_PORT);
	snprintf(share, sizeof(share), "%.1f %%", 100.0 * works / 64512);
	assert_non_null(strstr(s->reason_more, share));
	assert_non_null(strstr(s->reason_more, "1024-1024, 4990-4999, 5010-6000 and 1 more range"));
	walk_done(&walk);
	/* ICMP has no port to remap. */
	walk_text(w, m, "a -> h icmp", &walk);
	assert_false(walk.allow);
	assert_int_equal(walk.steps[walk.denied].reason, ABI_REASON_SUBNET_ACL_RESTRICTION);
	walk_done(&walk);
	walker_free(&w);
}

/* A share of the ports is never rounded to all of them, nor to none. */
static void nat_ports_nearly_all(void **state)
{
	static const struct {
		const char *inbound, *says;
	} cases[] = {
		{ "inbound = 1 deny tcp 5432 from 0.0.0.0/0\ninbound = 2 allow all from 0.0.0.0/0\n",
		  "only 1024-5431, 5433-65535 would work: 99.998 % of the ports" },
		{ "inbound = 1 allow tcp 5432 from 0.0.0.0/0\n", "only 5432-5432 would work: 0.002 % of the ports" },
		{ "inbound = 1 allow tcp 1024-33279 from 0.0.0.0/0\n",
		  "only 1024-33279 would work: 50.0 % of the ports" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = xasprintf(
			"[vpc v]\ncidr = 10.0.0.0/16\n[internet-gateway igw]\nvpc = v\n"
			"[route-table pub]\nvpc = v\nroute = 0.0.0.0/0 via igw:igw\n"
			"[route-table nat]\nvpc = v\nroute = 0.0.0.0/0 via nat:gw\n"
			"[nacl edge]\nvpc = v\n%sinbound = 9 allow tcp 80 from 0.0.0.0/0\noutbound = 1 allow all to 0.0.0.0/0\n"
			"[subnet pub]\nvpc = v\ncidr = 10.0.1.0/24\nroute-table = pub\nnacl = edge\n"
			"[subnet priv]\nvpc = v\ncidr = 10.0.2.0/24\nroute-table = nat\n"
			"[nat-gateway gw]\nsubnet = pub\n[instance a]\nsubnet = priv\n"
			"[host h]\naddress = 198.51.100.7\n",
			cases[i].inbound);
		_cleanup_model_ struct model *m = load(text, "nat.ini");
		struct walker *w = walker_of(m);
		struct walk walk;

		walk_text(w, m, "a -> h tcp/80", &walk);
		assert_false(walk.allow);
		assert_string_equal(walk.steps[walk.denied].reason_more, cases[i].says);
		walk_done(&walk);
		walker_free(&w);
	}
}

static void expectations_are_judged(void **state)
{
	static const struct answer in = { false, "forward", "nacl-in", "edge", "SUBNET_ACL_RESTRICTION" };
	static const struct answer back = { false, "return", "nacl-in", "v.default", "SUBNET_ACL_RESTRICTION" };
	static const struct answer yes = { .allow = true };

	(void)state;
	assert_true(expect_holds(&(struct expect){ .allow = true }, &yes));
	assert_false(expect_holds(&(struct expect){ .allow = true }, &in));
	assert_false(expect_holds(&(struct expect){ .allow = false }, &yes));
	assert_true(expect_holds(&(struct expect){ .allow = false }, &in));
	assert_true(expect_holds(&(struct expect){ .at_gate = "nacl-in" }, &in));
	assert_true(expect_holds(&(struct expect){ .at_gate = "nacl-in", .at_object = "edge" }, &in));
	assert_false(expect_holds(&(struct expect){ .at_gate = "nacl-in", .at_object = "edg" }, &in));
	assert_false(expect_holds(&(struct expect){ .at_gate = "nacl-out" }, &in));
	assert_false(expect_holds(&(struct expect){ .at_gate = "nacl-in" }, &back)); /* no leg: the forward one */
	assert_true(expect_holds(&(struct expect){ .at_leg = "return", .at_gate = "nacl-in" }, &back));
	assert_true(expect_holds(&(struct expect){ .at_leg = "return", .at_gate = "nacl-in", .at_object = "default" },
				 &back));
	assert_false(expect_holds(&(struct expect){ .at_leg = "return", .at_gate = "nacl-in" }, &in));
}

/* A NAT gateway with several addresses takes any of them: the answer holds for all, or says for how many. */
static void nat_addresses(void **state)
{
	static const char text[] =
		"[vpc v]\ncidr = 10.0.0.0/16\n[internet-gateway igw]\nvpc = v\n"
		"[route-table pub]\nvpc = v\nroute = 0.0.0.0/0 via igw:igw\n"
		"[route-table nat]\nvpc = v\nroute = 0.0.0.0/0 via nat:gw\nroute = 10.0.3.0/24 via nat:gw\n"
		"[subnet pub]\nvpc = v\ncidr = 10.0.1.0/24\nroute-table = pub\n"
		"[subnet priv]\nvpc = v\ncidr = 10.0.2.0/24\nroute-table = nat\n"
		"[subnet inner]\nvpc = v\ncidr = 10.0.3.0/24\n"
		"[nat-gateway gw]\nsubnet = pub\npublic-ip = 203.0.113.7\npublic-ip = 203.0.113.8\n"
		"[security-group one]\nvpc = v\ninbound = tcp 80 from 10.0.1.5/32\n"
		"inbound = tcp 81 from 10.0.1.4/31\n"
		"[instance a]\nsubnet = priv\n[instance b]\nsubnet = inner\nsecurity-groups = one\n"
		"[host h]\naddress = 198.51.100.7\n";
	_cleanup_model_ struct model *m = load(text, "lab.ini");
	struct walker *w = walker_of(m);
	const struct walk_step *s;
	unsigned any = 0;
	struct walk walk;
	char words[ADDR_CHOICE_STRLEN];

	(void)state;
	walk_text(w, m, "a -> h tcp/443", &walk);
	assert_true(walk.allow);
	for (size_t i = 0; i < walk.n; i++) {
		s = &walk.steps[i];
		any += s->src_any.eni || s->dst_any.eni;
		if (s->gate == ABI_GATE_IGW && s->leg == LEG_FORWARD)
			assert_string_equal(s->reason_more, "source 10.0.1.4|10.0.1.5 becomes 203.0.113.7|203.0.113.8");
		if (s->gate == ABI_GATE_IGW && s->leg == LEG_RETURN)
			assert_string_equal(addr_choice_format(&s->dst_any, &s->dst, words), "203.0.113.7|203.0.113.8");
	}
	assert_in_range(any, 6, walk.n - 1);
	walk_done(&walk);

	walk_text(w, m, "a -> b tcp/81", &walk);
	assert_true(walk.allow);
	walk_done(&walk);
	walk_text(w, m, "a -> b tcp/80", &walk);
	assert_false(walk.allow);
	s = &walk.steps[walk.denied];
	assert_int_equal(s->gate, ABI_GATE_SG_IN);
	assert_string_equal(addr_choice_format(&s->src_any, &s->src, words), "10.0.1.4");
	assert_string_equal(s->reason_more, "group one; 1 of the NAT gateway's 2 addresses would work");
	walk_done(&walk);
	walk_text(w, m, "a -> b tcp/82", &walk); /* none: which it is makes no difference */
	assert_false(walk.allow);
	s = &walk.steps[walk.denied];
	assert_string_equal(addr_choice_format(&s->src_any, &s->src, words), "10.0.1.4|10.0.1.5");
	assert_string_equal(s->reason_more, "group one");
	walk_done(&walk);
	walker_free(&w);
}

static void json_has_its_shape(void **state)
{
	static const char *const members[] = { "leg",  "gate",   "verdict", "object", "eni",   "rule", "file",
					       "line", "reason", "src",     "dst",    "sport", "dport" };
	_cleanup_model_ struct model *m = load(lab, "lab.ini");
	struct walker *w = walker_of(m);

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(walk_cases); k++) {
		_cleanup_free_ char *text = NULL;
		struct walk walk;
		json_t *o, *step;
		size_t i;

		walk_text(w, m, walk_cases[k].flow, &walk);
		text = trace_json(&walk, k % 2);
		o = json_loads(text, 0, NULL);
		assert_non_null(o);
		assert_int_equal(json_object_size(o), 4);
		assert_int_equal(json_integer_value(json_object_get(o, "api")), 1);
		assert_string_equal(json_string_value(json_object_get(o, "verdict")), walk.allow ? "allow" : "deny");
		assert_true(walk.allow ? json_is_null(json_object_get(o, "denied"))
				       : json_object_size(json_object_get(o, "denied")) == 4);
		assert_int_equal(json_array_size(json_object_get(o, "steps")), walk.n);
		json_array_foreach(json_object_get(o, "steps"), i, step)
		{
			assert_int_equal(json_object_size(step), ARRAY_SIZE(members));
			for (size_t n = 0; n < ARRAY_SIZE(members); n++)
				assert_non_null(json_object_get(step, members[n]));
		}
		json_decref(o);
		walk_done(&walk);
	}
	walker_free(&w);
}

/* A golden file: "FILE | VIEW | FLOW" on its first line, then what trace prints. */
static bool check_golden(const char *name)
{
	_cleanup_free_ char *path = xasprintf(GOLDEN "/%s", name), *want = NULL, *got = NULL, *text = NULL;
	_cleanup_model_ struct model *m = NULL;
	struct walker *w;
	struct walk walk;
	struct err e = { 0 };
	struct flow f;
	char file[128], view[16], flow[128];
	bool same;

	assert_int_equal(read_whole_file(path, FILE_MAX, &want, NULL), 0);
	if (sscanf(want, "%127s | %15s | %127[^\n]", file, view, flow) != 3)
		fail_msg("%s: its first line is no FILE | VIEW | FLOW", path);
	m = load_file(file);
	w = walker_of(m);
	if (flow_parse(m, flow, &f, &e) < 0 || walk_flow(w, &f, &walk, &e) < 0)
		fail_msg("%s: %s", path, e.msg);
	text = trace_text(&f, &walk,
			  strcmp(view, "full") == 0      ? TRACE_FULL
			  : strcmp(view, "summary") == 0 ? TRACE_SUMMARY
							 : TRACE_MINIMAL,
			  &trace_plain);
	got = xasprintf("%s | %s | %s\n%s", file, view, flow, text);
	walk_done(&walk);
	walker_free(&w);
	same = strcmp(want, got) == 0;
	if (getenv("UPDATE_GOLDEN"))
		assert_int_equal(write_whole_file(path, got, strlen(got), 0644), 0);
	else if (!same)
		print_message("# %s\n# wanted:\n%s# came:\n%s", path, want, got);
	return same || getenv("UPDATE_GOLDEN");
}

static int is_text(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 4 && strcmp(d->d_name + n - 4, ".txt") == 0;
}

static void golden_texts(void **state)
{
	struct dirent **names;
	int n = scandir(GOLDEN, &names, is_text, alphasort), bad = 0;

	(void)state;
	assert_true(n >= GOLDEN_MIN);
	for (int i = 0; i < n; i++) {
		bad += !check_golden(names[i]->d_name);
		free(names[i]);
	}
	free(names);
	assert_int_equal(bad, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shipped_expectations_hold),
		cmocka_unit_test(hand_made_cases),
		cmocka_unit_test(steps_say_what_decided),
		cmocka_unit_test(translations_are_shown),
		cmocka_unit_test(nat_ports_one_by_one),
		cmocka_unit_test(nat_ports_nearly_all),
		cmocka_unit_test(expectations_are_judged),
		cmocka_unit_test(nat_addresses),
		cmocka_unit_test(json_has_its_shape),
		cmocka_unit_test(golden_texts),
		cmocka_unit_test(strays_are_followed),
		cmocka_unit_test(the_world_by_the_uplink),
		cmocka_unit_test(a_long_way),
	};

	return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
