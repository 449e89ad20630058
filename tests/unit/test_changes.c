/* test_changes.c: what a person is told of a new topology, and of a kernel that somebody touched. */
#include <stdio.h>
#include <string.h>
#include "conf/build.h"
#include "plan/desired.h"
#include "plan/diff.h"
#include "test.h"
#include "util/mem.h"
#include "util/str.h"

#define BASE \
	"[lab t]\n[vpc v]\ncidr = 10.0.0.0/16\n[internet-gateway g]\nvpc = v\n" \
	"[subnet s]\nvpc = v\ncidr = 10.0.0.0/24\n[subnet s2]\nvpc = v\ncidr = 10.0.1.0/24\n" \
	"[prefix-list offices]\nentry = 198.51.100.0/24\n" \
	"[security-group web]\nvpc = v\ninbound = tcp 80 from 0.0.0.0/0\n" \
	"[security-group db]\nvpc = v\ninbound = tcp 5432 from sg:web\n" \
	"[nacl edge]\nvpc = v\ninbound = 100 allow all from 0.0.0.0/0\noutbound = 100 allow all to 0.0.0.0/0\n" \
	"[route-table r]\nvpc = v\nmain = yes\nroute = 0.0.0.0/0 via igw:g\n" \
	"[instance a]\nsubnet = s\naddress = 10.0.0.10\nsecurity-groups = web\nlisten = tcp/80\n" \
	"[host laptop]\naddress = 198.51.100.7\n"

static struct model *build_with(struct registry *r, const char *text)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_document_ struct document d = { 0 };
	struct model *m = NULL;

	document_parse(text, strlen(text), "t.ini", &d, &diags);
	registry_begin(r);
	if (model_build(&d, "t", r, &m, &diags) < 0)
		for (size_t i = 0; i < diags.n; i++)
			print_message("# line %u: %s\n", diags.v[i].line, diags.v[i].message);
	registry_end(r);
	assert_non_null(m);
	return m;
}

static char *text_of(const struct change_list *l)
{
	struct strbuf out;

	strbuf_init(&out);
	for (size_t i = 0; i < l->n; i++)
		strbuf_addf(&out, "%s %s %s: %s\n", change_op_name(l->v[i].op), l->v[i].kind, l->v[i].name,
			    l->v[i].why);
	return strbuf_take(&out);
}

/* text with the first `from` made `to`. */
static char *replaced(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	struct strbuf out;

	assert_non_null(at);
	strbuf_init(&out);
	strbuf_add(&out, text, (size_t)(at - text));
	strbuf_adds(&out, to);
	strbuf_adds(&out, at + strlen(from));
	return strbuf_take(&out);
}

static char *told(const char *before, const char *after)
{
	struct registry *r = registry_new(1);
	_cleanup_model_ struct model *was = before ? build_with(r, before) : NULL;
	_cleanup_model_ struct model *now = after ? build_with(r, after) : NULL;
	struct change_list l;
	char *text;

	changes_of(was, now, NULL, &l);
	text = text_of(&l);
	change_list_done(&l);
	registry_free(&r);
	return text;
}

static void edits(void **state)
{
	static const struct {
		const char *from, *to, *told;
	} cases[] = {
		{ "[lab t]", "; a comment moves every line\n\n[lab t]", "" },
		{ "[lab t]", "[lab t]\nclock = 60x", "update lab t: clock 1x -> 60x\n" },
		{ "[lab t]", "[lab t]\nicmp-errors = strict\nnacl-fragments = strict",
		  "update lab t: icmp-errors related -> strict; nacl-fragments follow -> strict\n" },
		{ "[lab t]", "[lab t]\ndatapath = kernel\nconntrack-entries = 5000",
		  "update lab t: datapath auto -> kernel; conntrack-entries 65536 -> 5000\n" },
		{ "cidr = 10.0.0.0/16\n", "cidr = 10.0.0.0/16\ncidr = 10.1.0.0/16\n",
		  "update vpc v: cidr 10.1.0.0/16 added\n" },
		{ "inbound = tcp 80 from 0.0.0.0/0\n",
		  "inbound = tcp 80 from 0.0.0.0/0\ninbound = tcp 22 from pl:offices\n",
		  "update security-group web: inbound tcp 22 from pl:offices added (t.ini:17)\n" },
		{ "tcp 80 from 0.0.0.0/0", "tcp 443 from 0.0.0.0/0",
		  "update security-group web: inbound tcp 443 from 0.0.0.0/0 added (t.ini:16); "
		  "inbound tcp 80 from 0.0.0.0/0 removed (t.ini:16)\n" },
		{ "inbound = tcp 5432 from sg:web\n", "inbound = tcp 5432 from sg:web\noutbound = none\n",
		  "update security-group db: outbound all to 0.0.0.0/0 removed\n" },
		{ "100 allow all from", "200 deny all from",
		  "update nacl edge: inbound 100 allow all from 0.0.0.0/0 removed (t.ini:22); "
		  "inbound 200 deny all from 0.0.0.0/0 added (t.ini:22)\n" },
		{ "entry = 198.51.100.0/24\n", "entry = 198.51.100.0/25\n",
		  "update prefix-list offices: entry 198.51.100.0/24 removed; entry 198.51.100.0/25 added\n" },
		{ "route = 0.0.0.0/0 via", "route = 8.0.0.0/8 via",
		  "update route-table r: route 0.0.0.0/0 via igw:g removed (t.ini:27); "
		  "route 8.0.0.0/8 via igw:g added (t.ini:27)\n" },
		{ "route = 0.0.0.0/0 via igw:g\n", "route = 0.0.0.0/0 via igw:g\nroute = pl:offices via instance:a\n",
		  "update route-table r: route pl:offices via instance:a added (t.ini:28)\n" },
		{ "cidr = 10.0.1.0/24\n", "cidr = 10.0.2.0/24\nnacl = edge\n",
		  "update subnet s2: cidr 10.0.1.0/24 -> 10.0.2.0/24; nacl v.default -> edge\n" },
		{ "10.0.0.10\n", "10.0.0.11\npublic-ip = 203.0.113.9\n",
		  "update instance a: address 10.0.0.10 -> 10.0.0.11; public-ip none -> 203.0.113.9\n" },
		{ "security-groups = web\n", "security-groups = web db\nsource-dest-check = no\n",
		  "update instance a: security-groups web -> db web; source-dest-check yes -> no\n" },
		{ "address = 10.0.0.10\n", "address = 10.0.0.10\ntcp-established-timeout = 60\nudp-timeout = 45\n",
		  "update instance a: tcp-established-timeout default -> 60; udp-timeout default -> 45\n" },
		{ "address = 10.0.0.10\n", "address = 10.0.0.10\naddress = 10.0.0.12\n",
		  "update instance a: address none -> 10.0.0.12\n" },
		{ "listen = tcp/80\n", "listen = udp/53\nrun = cat\n",
		  "update instance a: listen tcp/80 removed; listen udp/53 added; run changed\n" },
		{ "address = 198.51.100.7\n", "address = 198.51.100.8\n",
		  "update host laptop: address 198.51.100.7 -> 198.51.100.8\n" },
		{ "[host laptop]\naddress = 198.51.100.7\n", "[instance b]\nsubnet = s2\nsecurity-groups = web db\n",
		  "create instance b: 10.0.1.4 in subnet s2; security groups db web\n"
		  "delete host laptop: no longer asked for\n" },
		{ "[host laptop]\n", "[vpc w]\ncidr = 10.7.0.0/16\n[host laptop]\n", "create vpc w: 10.7.0.0/16\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *after = replaced(BASE, cases[i].from, cases[i].to);
		_cleanup_free_ char *text = told(BASE, after);

		assert_string_equal(text, cases[i].told);
	}
}

static void all_and_nothing(void **state)
{
	_cleanup_free_ char *same = told(BASE, BASE), *up = told(NULL, BASE), *down = told(BASE, NULL);
	_cleanup_free_ char *none = told(NULL, NULL);

	(void)state;
	assert_string_equal(same, "");
	assert_string_equal(none, "");
	assert_string_equal(up, "create vpc v: 10.0.0.0/16\n"
				"create internet-gateway g: for VPC v\n"
				"create route-table r: in VPC v, main, 1 route beside the local ones\n"
				"create nacl edge: in VPC v, 1 inbound and 1 outbound rule\n"
				"create prefix-list offices: 1 entry\n"
				"create security-group web: in VPC v, 1 inbound and 1 outbound rule\n"
				"create security-group db: in VPC v, 1 inbound and 1 outbound rule\n"
				"create subnet s: 10.0.0.0/24 in VPC v, zone a\n"
				"create subnet s2: 10.0.1.0/24 in VPC v, zone a\n"
				"create instance a: 10.0.0.10 in subnet s; security group web\n"
				"create host laptop: 198.51.100.7 on the internet\n");
	assert_non_null(strstr(down, "delete instance a: the lab goes\n"));
	assert_null(strstr(down, "default"));
}

/* A change of very many rules is told in a line one can read. */
static void many_rules(void **state)
{
	_cleanup_free_ char *after = NULL, *text = NULL;
	struct strbuf rules;

	(void)state;
	strbuf_init(&rules);
	strbuf_adds(&rules, "quotas = off\n[vpc v]\n");
	after = replaced(BASE, "[vpc v]\n", rules.s);
	strbuf_done(&rules);
	for (int i = 0; i < 500; i++)
		strbuf_addf(&rules, "inbound = tcp %d from 10.0.0.0/24\n", 1000 + i);
	strbuf_adds(&rules, "inbound = tcp 5432 from sg:web\n");
	{
		_cleanup_free_ char *more = replaced(after, "inbound = tcp 5432 from sg:web\n", rules.s);

		text = told(after, more);
	}
	strbuf_done(&rules);
	assert_int_equal(strncmp(text, "update security-group db: ", 26), 0);
	assert_true(strlen(text) < 800);
	assert_non_null(strstr(text, "; and 492 more\n"));
}

/* ---- repairs ---- */
static char *repairs(const struct model *was, const struct model *now, struct state *actual)
{
	_cleanup_state_ struct state *desired = NULL;
	_cleanup_plan_ struct plan *p = NULL;
	struct change_list l;
	char *text;

	assert_int_equal(state_desired(now, &desired, NULL), 0);
	actual->sorted = actual->maps.sorted = true; /* rows were only taken away or changed */
	assert_int_equal(plan_diff(desired, actual, &p), 0);
	changes_of(was, now, p, &l);
	text = text_of(&l);
	change_list_done(&l);
	return text;
}

static void take(struct state *s, enum row_kind kind, const char *owner)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->rows[i].kind != kind || strcmp(s->rows[i].owner, owner) != 0)
			s->rows[kept++] = s->rows[i];
	assert_true(kept < s->n);
	s->n = kept;
}

static void broken_kernel(void **state)
{
	struct registry *r = registry_new(1);
	_cleanup_model_ struct model *m = build_with(r, BASE);
	_cleanup_state_ struct state *actual = NULL;
	_cleanup_free_ char *none = NULL, *text = NULL;

	(void)state;
	assert_int_equal(state_desired(m, &actual, NULL), 0);
	none = repairs(m, m, actual);
	assert_string_equal(none, "");
	take(actual, ROW_FILTER, "a");
	take(actual, ROW_RULE, "r");
	for (size_t i = 0; i < actual->n; i++)
		if (actual->rows[i].kind == ROW_LINK && strcmp(actual->rows[i].owner, "laptop") == 0)
			actual->rows[i].link.down = true;
		else if (actual->rows[i].kind == ROW_SYSCTL && strcmp(actual->rows[i].owner, "v") == 0 &&
			 strcmp(actual->rows[i].sysctl.path, "net/ipv4/ip_forward") == 0)
			actual->rows[i].sysctl.value = "0";
	text = repairs(m, m, actual);
	assert_string_equal(text,
			    "repair instance a: missing: filter eni-ingress on a in t.v.router; "
			    "missing: filter eni-egress on a in t.v.router\n"
			    "repair host laptop: down: link laptop in t.internet to eth0 in t.laptop\n"
			    "repair route-table r: missing: rule 1000: mark 0x1/0xffff to table 1001 in t.v.router\n"
			    "repair vpc v: changed: sysctl net/ipv4/ip_forward = 0 in t.v.router\n");
	registry_free(&r);
}

static void map_repairs(void **state)
{
	struct registry *r = registry_new(1);
	_cleanup_model_ struct model *m = build_with(r, BASE);
	_cleanup_state_ struct state *actual = NULL;
	_cleanup_free_ char *text = NULL;
	size_t kept = 0;

	(void)state;
	assert_int_equal(state_desired(m, &actual, NULL), 0);
	/* Without ports, addresses and next hops. */
	for (size_t i = 0; i < actual->maps.n; i++)
		if (actual->maps.v[i].map > ABI_MAP_ROUTES)
			actual->maps.v[kept++] = actual->maps.v[i];
	actual->maps.n = kept;
	text = repairs(m, m, actual);
	assert_non_null(strstr(text, "repair instance a: missing: port 3; missing: owner of 10.0.0.10 in VPC 1\n"));
	assert_non_null(strstr(text, "repair internet-gateway g: missing: port 1; missing: port 2\n"));
	assert_non_null(strstr(text, "repair host laptop: missing: port 4\n"));
	assert_non_null(strstr(text, "repair route-table r: missing: next hop for 0.0.0.0/0 in route table 1"));
	assert_non_null(strstr(text, "repair lab t: missing: owner of 10.0.0.1 in VPC 1"));
	registry_free(&r);
}

/* What the edit brings about is no repair; what it has nothing to do with is one. */
static void edit_and_damage(void **state)
{
	_cleanup_free_ char *after = replaced(BASE, "tcp 80 from 0.0.0.0/0", "tcp 443 from 0.0.0.0/0");
	_cleanup_free_ char *moved = replaced(after, "subnet = s\naddress = 10.0.0.10\n", "subnet = s2\n");
	struct registry *r = registry_new(1);
	_cleanup_model_ struct model *was = build_with(r, BASE), *now = build_with(r, moved);
	_cleanup_state_ struct state *actual = NULL;
	_cleanup_free_ char *clean = NULL, *text = NULL;

	(void)state;
	assert_int_equal(state_desired(was, &actual, NULL), 0);
	clean = repairs(was, now, actual);
	assert_non_null(strstr(clean, "update security-group web: "));
	assert_non_null(strstr(clean, "update instance a: subnet s -> s2; address 10.0.0.10 -> 10.0.1.4\n"));
	assert_null(strstr(clean, "repair"));
	/* The instance has a line already. */
	take(actual, ROW_FILTER, "a");
	take(actual, ROW_NEIGH, "laptop");
	text = repairs(was, now, actual);
	assert_null(strstr(text, "repair instance"));
	assert_non_null(strstr(text, "repair host laptop: missing: neighbour 198.51.100.7 at 02:76:00:00:00:04"));
	registry_free(&r);
}

/* The first apply: all is explained but what lies there from before. */
static void leftovers(void **state)
{
	struct registry *r = registry_new(1);
	_cleanup_model_ struct model *m = build_with(r, BASE);
	_cleanup_state_ struct state *actual = state_new();
	_cleanup_free_ char *text = NULL;

	(void)state;
	state_add(actual, ROW_NS, "t.old", KIND_LAB, NULL);
	text = repairs(NULL, m, actual);
	assert_non_null(strstr(text, "create instance a"));
	assert_non_null(strstr(text, "\nrepair lab t: not wanted: namespace t.old\n"));
	registry_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edits),         cmocka_unit_test(all_and_nothing), cmocka_unit_test(many_rules),
		cmocka_unit_test(broken_kernel), cmocka_unit_test(map_repairs),     cmocka_unit_test(edit_and_damage),
		cmocka_unit_test(leftovers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
