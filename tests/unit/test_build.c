/* test_build.c: what a topology means: references, implicit things, addresses, rules, routes, numbers. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "conf/build.h"
#include "model/command.h"
#include "test.h"
#include "util/mem.h"
#include "util/str.h"

#define VPC "[vpc v]\ncidr = 10.0.0.0/16\n"
#define SUBNET VPC "[subnet s]\nvpc = v\ncidr = 10.0.0.0/24\n"
#define IGW "[internet-gateway gw]\nvpc = v\n"
#define _cleanup_registry_ __attribute__((cleanup(registry_free)))

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

static struct model *build(const char *text)
{
	_cleanup_registry_ struct registry *r = registry_new(3);

	return build_with(r, text);
}

/* The text has an error with this code on this line. */
static void assert_error(const char *text, uint32_t line, const char *code)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	struct model *m = NULL;
	bool found = false;

	assert_int_equal(model_from_text(text, strlen(text), "t.ini", &m, &diags), -EINVAL);
	assert_null(m);
	for (size_t i = 0; i < diags.n; i++)
		found |= diags.v[i].severity == SEV_ERROR && diags.v[i].line == line && str_eq(diags.v[i].code, code);
	if (!found)
		for (size_t i = 0; i < diags.n; i++)
			print_message("# line %u: %s [%s]\n", diags.v[i].line, diags.v[i].message, diags.v[i].code);
	assert_true(found);
}

static const char *private_of(const struct model *m, const char *eni)
{
	static char buf[ADDR_STRLEN];
	uint32_t i = model_find_eni(m, eni);

	assert_int_not_equal(i, NONE);
	return addr_format(&m->enis[i].addrs[0].addr, buf);
}

static const char *public_of(const struct model *m, const char *eni)
{
	static char buf[ADDR_STRLEN];
	uint32_t i = model_find_eni(m, eni);

	assert_int_not_equal(i, NONE);
	return addr_is_zero(&m->enis[i].addrs[0].public_ip) ? "none" : addr_format(&m->enis[i].addrs[0].public_ip, buf);
}

static void rule_is(const struct model_rule *r, const char *text)
{
	char buf[256];

	assert_string_equal(rule_format(&r->rule, buf, sizeof(buf)), text);
}

static void implicit_things(void **state)
{
	_cleanup_model_ struct model *m = build(SUBNET "[instance i]\nsubnet = s\n");
	const struct vpc *v = &m->vpcs[0];
	const struct security_group *g;
	const struct nacl *n;

	(void)state;
	assert_string_equal(m->name, "t");
	assert_string_equal(m->route_tables[v->main_table].obj.name, "v.main");
	assert_true(m->route_tables[v->main_table].is_main);
	assert_int_equal(m->route_tables[v->main_table].obj.origin, ORIGIN_IMPLICIT);
	assert_int_equal(m->route_tables[v->main_table].n_routes, 1);
	assert_int_equal(m->route_tables[v->main_table].routes[0].target, TARGET_LOCAL);
	g = &m->security_groups[v->default_group];
	assert_string_equal(g->obj.name, "v.default");
	assert_int_equal(g->dir[RULE_IN].n, 1);
	rule_is(&g->dir[RULE_IN].v[0], "all from sg:default");
	assert_int_equal(g->dir[RULE_IN].v[0].peer_index, v->default_group);
	assert_int_equal(g->dir[RULE_OUT].n, 1);
	rule_is(&g->dir[RULE_OUT].v[0], "all to 0.0.0.0/0");
	n = &m->nacls[v->default_nacl];
	assert_string_equal(n->obj.name, "v.default");
	for (int d = RULE_IN; d <= RULE_OUT; d++) {
		assert_int_equal(n->dir[d].n, 1);
		assert_int_equal(n->dir[d].v[0].rule.nacl_number, 100);
		assert_true(n->dir[d].v[0].rule.allow);
		assert_int_not_equal(n->star[d], 0);
	}
	assert_true(m->subnets[0].implicit_table);
	assert_int_equal(m->subnets[0].route_table, v->main_table);
	assert_int_equal(m->subnets[0].nacl, v->default_nacl);
	assert_string_equal(m->subnets[0].zone, "a");
	assert_int_equal(m->enis[0].n_groups, 1);
	assert_int_equal(m->enis[0].groups[0], v->default_group);
	assert_true(m->enis[0].source_dest_check);
	assert_true(obj_name_matches(g->obj.name, "default"));
	assert_false(obj_name_matches("web", "default"));
}

/* default = yes, main = yes: the file's own take the place of AWS's, and `default` means them. */
static void named_defaults(void **state)
{
	_cleanup_model_ struct model *m =
		build(SUBNET "nacl = default\n"
			     "[security-group base]\nvpc = v\ndefault = yes\n"
			     "[security-group web]\nvpc = v\ninbound = tcp 80 from sg:default\n"
			     "outbound = none\n"
			     "[nacl edge]\nvpc = v\ndefault = yes\ninbound = 7 deny all from 0.0.0.0/0\n"
			     "[route-table r]\nvpc = v\nmain = yes\n"
			     "[instance i]\nsubnet = s\n"
			     "[instance j]\nsubnet = s\nsecurity-groups = default, web\n");
	uint32_t base = model_find_security_group(m, "base", NONE), web = model_find_security_group(m, "web", 0);

	(void)state;
	assert_int_equal(m->n_security_groups, 2);
	assert_int_equal(m->n_nacls, 1);
	assert_int_equal(m->n_route_tables, 1);
	assert_int_equal(m->vpcs[0].default_group, base);
	assert_int_equal(model_find_security_group(m, "default", 0), base);
	rule_is(&m->security_groups[base].dir[RULE_IN].v[0], "all from sg:default");
	assert_int_equal(m->security_groups[base].dir[RULE_IN].v[0].peer_index, base);
	assert_int_equal(m->security_groups[web].dir[RULE_IN].v[0].peer_index, base);
	assert_int_equal(m->security_groups[web].dir[RULE_OUT].n, 0);
	/* A direction without lines is as AWS made it. */
	assert_int_equal(m->nacls[0].dir[RULE_IN].n, 1);
	assert_int_equal(m->nacls[0].dir[RULE_IN].v[0].rule.nacl_number, 7);
	assert_int_equal(m->nacls[0].dir[RULE_OUT].n, 1);
	assert_int_equal(m->nacls[0].dir[RULE_OUT].v[0].origin, ORIGIN_IMPLICIT);
	assert_int_equal(m->subnets[0].route_table, 0);
	assert_int_equal(m->subnets[0].nacl, 0);
	assert_int_equal(m->enis[0].n_groups, 1);
	assert_int_equal(m->enis[0].groups[0], base);
	assert_int_equal(m->enis[1].n_groups, 2);
}

static void equal_sets_of_groups_share_a_policy(void **state)
{
	_cleanup_model_ struct model *m =
		build(SUBNET "[security-group z]\nvpc = v\n[security-group a]\nvpc = v\n"
			     "[instance i]\nsubnet = s\nsecurity-groups = z a\n"
			     "[instance j]\nsubnet = s\nsecurity-groups = a\nsecurity-groups = z\n"
			     "[instance k]\nsubnet = s\nsecurity-groups = a\n");

	(void)state;
	assert_int_equal(m->enis[0].policy, m->enis[1].policy);
	assert_int_not_equal(m->enis[0].policy, m->enis[2].policy);
	assert_int_not_equal(m->enis[2].policy, 0);
	assert_true(m->enis[0].groups[0] < m->enis[0].groups[1]);
}

static void addresses_in_file_order(void **state)
{
	_cleanup_model_ struct model *m =
		build(SUBNET IGW "[instance i]\nsubnet = s\npublic-ip = auto\n"
				 "[nat-gateway n]\nsubnet = s\n"
				 "[instance j]\nsubnet = s\naddress = 10.0.0.5\naddress = 10.0.0.7\n"
				 "public-ip = 203.0.113.2\n"
				 "[instance k]\nsubnet = s\n"
				 "[instance l]\nsubnet = s\n"
				 "[host h]\naddress = 203.0.113.1\n");

	(void)state;
	/* Explicit ones first, each automatic one the lowest free. */
	assert_string_equal(private_of(m, "i"), "10.0.0.4");
	assert_string_equal(private_of(m, "n"), "10.0.0.6");
	assert_string_equal(private_of(m, "j"), "10.0.0.5");
	assert_string_equal(private_of(m, "k"), "10.0.0.8");
	assert_string_equal(private_of(m, "l"), "10.0.0.9");
	assert_string_equal(public_of(m, "i"), "203.0.113.3");
	assert_string_equal(public_of(m, "n"), "203.0.113.4");
	assert_string_equal(public_of(m, "j"), "203.0.113.2");
	assert_string_equal(public_of(m, "k"), "none");
	assert_int_equal(m->enis[2].n_addrs, 2);
	assert_true(m->enis[0].addrs[0].automatic && m->enis[0].addrs[0].public_automatic);
	assert_false(m->enis[2].addrs[0].automatic || m->enis[2].addrs[0].public_automatic);
}

/* A running lab keeps what it gave: an instance that goes or comes moves nobody. */
static void addresses_are_kept(void **state)
{
	_cleanup_registry_ struct registry *r = registry_new(1);
	_cleanup_model_ struct model *a = build_with(r, SUBNET IGW "[instance i]\nsubnet = s\npublic-ip = auto\n"
								   "[instance j]\nsubnet = s\npublic-ip = auto\n");
	_cleanup_model_ struct model *b = build_with(r, SUBNET IGW "[instance new]\nsubnet = s\npublic-ip = auto\n"
								   "[instance j]\nsubnet = s\npublic-ip = auto\n");
	_cleanup_model_ struct model *c = build_with(r, SUBNET IGW "[instance k]\nsubnet = s\naddress = 10.0.0.5\n"
								   "public-ip = 203.0.113.2\n"
								   "[instance j]\nsubnet = s\npublic-ip = auto\n");
	char *kept;

	(void)state;
	assert_string_equal(private_of(a, "j"), "10.0.0.5");
	assert_string_equal(public_of(a, "j"), "203.0.113.2");
	assert_string_equal(private_of(b, "j"), "10.0.0.5");
	assert_string_equal(public_of(b, "j"), "203.0.113.2");
	assert_string_equal(private_of(b, "new"), "10.0.0.4");
	assert_string_equal(public_of(b, "new"), "203.0.113.1");
	assert_string_equal(a->enis[1].obj.id, b->enis[1].obj.id);
	assert_int_equal(a->enis[1].obj.number, b->enis[1].obj.number);
	assert_string_not_equal(a->enis[0].obj.id, b->enis[0].obj.id);
	/* An explicit address wins over a remembered one. */
	assert_string_equal(private_of(c, "j"), "10.0.0.4");
	kept = xstrdup(public_of(c, "j"));
	assert_string_equal(kept, "203.0.113.1");
	free(kept);
}

/* "PRIVATE=PUBLIC PRIVATE=PUBLIC …" */
static const char *pairs_of(const struct model *m, const char *eni)
{
	static char text[512];
	const struct eni *e = &m->enis[model_find_eni(m, eni)];
	char a[ADDR_STRLEN], b[ADDR_STRLEN];
	size_t n = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < e->n_addrs; i++)
		n += (size_t)snprintf(
			text + n, sizeof(text) - n, "%s%s=%s", i ? " " : "", addr_format(&e->addrs[i].addr, a),
			addr_is_zero(&e->addrs[i].public_ip) ? "none" : addr_format(&e->addrs[i].public_ip, b));
	return text;
}

#define NAT_LAB "[lab t]\nquotas = public-ips-per-nat-gateway=8\n" SUBNET IGW "[nat-gateway n]\nsubnet = s\n"

static void nat_gateway_addresses(void **state)
{
	static const struct {
		const char *lines, *pairs;
	} cases[] = {
		{ "", "10.0.0.4=203.0.113.1" },
		{ "public-ip = auto\npublic-ip = auto\n", "10.0.0.4=203.0.113.1 10.0.0.5=203.0.113.2" },
		{ "address = 10.0.0.9\naddress = auto\n", "10.0.0.9=203.0.113.1 10.0.0.4=203.0.113.2" },
		{ "public-ip = 203.0.113.50\npublic-ip = auto\npublic-ip = 203.0.113.1\naddress = 10.0.0.9\n",
		  "10.0.0.9=203.0.113.50 10.0.0.4=203.0.113.2 10.0.0.5=203.0.113.1" },
		{ "connectivity = private\n", "10.0.0.4=none" },
		{ "connectivity = private\naddress = auto\naddress = 10.0.0.4\naddress = auto\n",
		  "10.0.0.5=none 10.0.0.4=none 10.0.0.6=none" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = xasprintf(NAT_LAB "%s", cases[i].lines);
		_cleanup_model_ struct model *m = build(text);

		assert_string_equal(pairs_of(m, "n"), cases[i].pairs);
	}
}

/* One that comes or goes leaves the others what they have, wherever its line stands. */
static void nat_gateway_addresses_are_kept(void **state)
{
	static const struct {
		const char *lines, *pairs;
	} steps[] = {
		{ "public-ip = 203.0.113.50\npublic-ip = 203.0.113.60\npublic-ip = 203.0.113.70\n",
		  "10.0.0.4=203.0.113.50 10.0.0.5=203.0.113.60 10.0.0.6=203.0.113.70" },
		{ "public-ip = 203.0.113.50\npublic-ip = 203.0.113.70\n",
		  "10.0.0.4=203.0.113.50 10.0.0.6=203.0.113.70" },
		{ "public-ip = 203.0.113.70\npublic-ip = auto\n", "10.0.0.6=203.0.113.70 10.0.0.4=203.0.113.1" },
		{ "public-ip = auto\npublic-ip = 203.0.113.70\npublic-ip = auto\n",
		  "10.0.0.4=203.0.113.1 10.0.0.6=203.0.113.70 10.0.0.5=203.0.113.2" },
		{ "public-ip = auto\npublic-ip = auto\n", "10.0.0.4=203.0.113.1 10.0.0.5=203.0.113.2" },
	};
	_cleanup_registry_ struct registry *r = registry_new(1);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		_cleanup_free_ char *text = xasprintf(NAT_LAB "%s", steps[i].lines);
		_cleanup_model_ struct model *m = build_with(r, text);

		assert_string_equal(pairs_of(m, "n"), steps[i].pairs);
	}
}

static void nat_gateway_addresses_are_refused(void **state)
{
	(void)state;
	assert_error(SUBNET IGW "[nat-gateway n]\nsubnet = s\npublic-ip = none\n", 10, "InvalidParameterValue");
	assert_error(SUBNET IGW "[nat-gateway n]\nsubnet = s\naddress = 10.0.0.3\n", 10, "InvalidParameterValue");
	assert_error(SUBNET IGW "[nat-gateway n]\nsubnet = s\naddress = 10.0.0.8\naddress = 10.0.0.8\n", 11,
		     "InvalidIPAddress.InUse");
	assert_error(SUBNET IGW "[nat-gateway n]\nsubnet = s\npublic-ip = 203.0.113.9\npublic-ip = 203.0.113.9\n", 11,
		     "Resource.AlreadyAssociated");
	assert_error(SUBNET "[nat-gateway n]\nsubnet = s\nconnectivity = private\npublic-ip = auto\n", 9,
		     "InvalidParameterCombination");
	/* Eight is all there is, whatever the quotas say. */
	assert_error("[lab t]\nquotas = off\n" SUBNET "[nat-gateway n]\nsubnet = s\nconnectivity = private\n"
		     "address = auto\naddress = auto\naddress = auto\naddress = auto\naddress = auto\naddress = auto\n"
		     "address = auto\naddress = auto\naddress = auto\n",
		     8, "PrivateIpAddressLimitExceeded");
}

static void map_public_ip(void **state)
{
	_cleanup_model_ struct model *m = build(SUBNET "map-public-ip = yes\n" IGW "[instance i]\nsubnet = s\n"
						       "[instance j]\nsubnet = s\npublic-ip = none\n"
						       "[nat-gateway p]\nsubnet = s\nconnectivity = private\n");

	(void)state;
	assert_string_equal(public_of(m, "i"), "203.0.113.1");
	assert_string_equal(public_of(m, "j"), "none");
	assert_string_equal(public_of(m, "p"), "none");
	assert_false(m->nat_gateways[0].is_public);
}

static void public_pool_goes_on(void **state)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };
	_cleanup_model_ struct model *m = NULL;

	(void)state;
	strbuf_adds(&b,
		    "[vpc v]\ncidr = 10.0.0.0/16\n[subnet s]\nvpc = v\ncidr = 10.0.0.0/20\nmap-public-ip = yes\n" IGW);
	for (int i = 0; i < 256; i++)
		strbuf_addf(&b, "[instance i%d]\nsubnet = s\n", i);
	m = build(b.s);
	assert_string_equal(public_of(m, "i253"), "203.0.113.254");
	assert_string_equal(public_of(m, "i254"), "198.18.0.1");
	assert_string_equal(public_of(m, "i255"), "198.18.0.2");
}

static void routes(void **state)
{
	_cleanup_model_ struct model *m = build(
		"[vpc v]\ncidr = 10.0.0.0/16\ncidr = 10.1.0.0/16\n"
		"[subnet s]\nvpc = v\ncidr = 10.0.0.0/24\nroute-table = r\n"
		"[subnet t]\nvpc = v\ncidr = 10.0.1.0/24\n" IGW "[instance fw]\nsubnet = s\nsource-dest-check = no\n"
		"[nat-gateway n]\nsubnet = s\n"
		"[prefix-list p]\nentry = 8.8.0.0/16\nentry = 9.9.0.0/16\nentry = 7.0.0.0/8\n"
		"[route-table r]\nvpc = v\nroute = pl:p via nat:n\nroute = 0.0.0.0/0 via igw:gw\n"
		"route = 9.9.0.0/16 via eni:fw\nroute = 10.0.1.0/24 via instance:fw\nroute = 10.1.0.0/16 via instance:fw\n"
		"route = 10.0.0.0/16 via local\n");
	const struct route_table *t = &m->route_tables[m->subnets[0].route_table];
	static const struct {
		const char *dst;
		enum target_kind target;
	} want[] = {
		{ "0.0.0.0/0", TARGET_IGW },        { "7.0.0.0/8", TARGET_NAT },     { "8.8.0.0/16", TARGET_NAT },
		{ "9.9.0.0/16", TARGET_ENI },       { "10.0.0.0/16", TARGET_LOCAL }, { "10.0.1.0/24", TARGET_INSTANCE },
		{ "10.1.0.0/16", TARGET_INSTANCE },
	};
	struct rule_place place;
	char text[PREFIX_STRLEN];

	(void)state;
	assert_int_equal(t->n_routes, ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_string_equal(prefix_format(&t->routes[i].dst, text), want[i].dst);
		assert_int_equal(t->routes[i].target, want[i].target);
		assert_int_not_equal(t->routes[i].number, 0);
	}
	/* A plain prefix beats an equal one of a prefix list. */
	assert_int_equal(t->routes[3].prefix_list, NONE);
	assert_int_equal(t->routes[2].prefix_list, 0);
	assert_int_equal(t->routes[5].target_index, model_find_eni(m, "fw"));
	assert_int_equal(t->routes[1].target_index, 0);
	assert_true(model_route_place(m, t->routes[0].number, &place));
	assert_string_equal(place.owner, "r");
	assert_ptr_equal(place.route, &t->routes[0]);
	assert_int_equal(place.loc.line, 25);
	assert_string_equal(place.loc.file, "t.ini");
	assert_false(model_route_place(m, 9999, &place));
}

static void rules_stand_in_order(void **state)
{
	_cleanup_model_ struct model *m = build(
		VPC
		"[security-group b]\nvpc = v\ninbound = tcp 80,443 from 0.0.0.0/0 ; shop\ninbound = icmp from sg:a\n"
		"[security-group a]\nvpc = v\ninbound = tcp 22 from pl:p\n[prefix-list p]\nentry = 1.0.0.0/8\n"
		"[nacl n]\nvpc = v\ninbound = 200 allow all from 0.0.0.0/0\ninbound = 90 deny tcp 22 from 0.0.0.0/0\n");
	const struct security_group *b = &m->security_groups[model_find_security_group(m, "b", NONE)];
	const struct security_group *a = &m->security_groups[model_find_security_group(m, "a", NONE)];
	const struct nacl *n = &m->nacls[0];
	struct rule_place place;

	(void)state;
	assert_string_equal(b->dir[RULE_IN].v[0].note, "shop");
	assert_null(b->dir[RULE_IN].v[1].note);
	assert_int_equal(b->dir[RULE_IN].v[1].peer_index, model_find_security_group(m, "a", NONE));
	assert_int_equal(a->dir[RULE_IN].v[0].peer_index, 0);
	/* Over all groups: by line, and what has no line comes last. */
	assert_true(b->dir[RULE_IN].v[0].order < b->dir[RULE_IN].v[1].order);
	assert_true(b->dir[RULE_IN].v[1].order < a->dir[RULE_IN].v[0].order);
	assert_true(a->dir[RULE_IN].v[0].order < b->dir[RULE_OUT].v[0].order);
	assert_int_equal(n->dir[RULE_IN].v[0].rule.nacl_number, 90);
	assert_int_equal(n->dir[RULE_IN].v[0].order, 1);
	assert_int_equal(n->dir[RULE_IN].v[1].order, 2);
	assert_int_equal(n->dir[RULE_OUT].n, 0);
	assert_true(model_rule_place(m, n->dir[RULE_IN].v[0].number, &place));
	assert_int_equal(place.owner_kind, KIND_NACL);
	assert_string_equal(place.owner, "n");
	assert_int_equal(place.loc.line, 15);
	assert_false(place.allow);
	assert_true(model_rule_place(m, n->star[RULE_OUT], &place));
	assert_null(place.rule);
	assert_int_equal(place.dir, RULE_OUT);
	assert_true(model_rule_place(m, b->dir[RULE_IN].v[0].number, &place));
	assert_int_equal(place.loc.line, 5);
	assert_true(place.allow);
}

/* A rule keeps its number, and with it its counter, as long as owner, direction and text stay. */
static void rule_numbers_follow_the_text(void **state)
{
	_cleanup_registry_ struct registry *r = registry_new(1);
	_cleanup_model_ struct model *a =
		build_with(r, VPC "[security-group g]\nvpc = v\ninbound = tcp 80 from 0.0.0.0/0\n"
				  "inbound = tcp 22 from 10.0.0.0/8\n");
	_cleanup_model_ struct model *b =
		build_with(r, VPC "[security-group g]\nvpc = v\ninbound = tcp 443 from 0.0.0.0/0\n"
				  "inbound = tcp  22 from 10.0.0.0/8 ; now with a note\n");

	(void)state;
	assert_int_equal(a->security_groups[0].dir[RULE_IN].v[1].number,
			 b->security_groups[0].dir[RULE_IN].v[1].number);
	assert_int_not_equal(a->security_groups[0].dir[RULE_IN].v[0].number,
			     b->security_groups[0].dir[RULE_IN].v[0].number);
	assert_int_equal(a->security_groups[0].dir[RULE_OUT].v[0].number,
			 b->security_groups[0].dir[RULE_OUT].v[0].number);
}

static void ports_share_one_space(void **state)
{
	_cleanup_model_ struct model *m = build(SUBNET IGW "[instance i]\nsubnet = s\n[nat-gateway n]\nsubnet = s\n"
							   "[host h]\naddress = 198.51.100.7\n");
	uint32_t ports[] = { m->igws[0].port, m->igws[0].inet_port, m->enis[0].obj.number, m->enis[1].obj.number,
			     m->hosts[0].port };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(ports[i], ports[j]);
}

static void lookups(void **state)
{
	_cleanup_model_ struct model *m =
		build(SUBNET IGW "[vpc w]\ncidr = 10.0.0.0/16\n[subnet t]\nvpc = w\ncidr = 10.0.0.0/24\n"
				 "[instance i]\nsubnet = s\naddress = 10.0.0.9\npublic-ip = auto\n"
				 "[instance j]\nsubnet = t\naddress = 10.0.0.9\n"
				 "[host h]\naddress = 198.51.100.7\n");
	struct addr a = addr_from_v4(0x0a000009), pub = addr_from_v4(0xcb007101), host = addr_from_v4(0xc6336407);
	uint32_t at = 77;

	(void)state;
	assert_int_equal(model_eni_by_addr(m, model_find_vpc(m, "v"), &a, &at), model_find_eni(m, "i"));
	assert_int_equal(at, 0);
	assert_int_equal(model_eni_by_addr(m, model_find_vpc(m, "w"), &a, NULL), model_find_eni(m, "j"));
	assert_int_equal(model_eni_by_public(m, &pub, &at), model_find_eni(m, "i"));
	assert_int_equal(model_eni_by_public(m, &a, NULL), NONE);
	assert_int_equal(model_host_by_addr(m, &host), model_find_host(m, "h"));
	assert_int_equal(model_host_by_addr(m, &pub), NONE);
	assert_int_equal(model_find_instance(m, "x"), NONE);
	assert_int_equal(model_find_subnet(m, "t"), 1);
	assert_int_equal(model_find_security_group(m, "v.default", NONE), m->vpcs[0].default_group);
	assert_int_equal(model_find_security_group(m, "v.default", 1), NONE);
	assert_int_equal(model_find_security_group(m, "default", NONE), NONE);
	assert_int_equal(model_find_security_group(m, "default", 1), m->vpcs[1].default_group);
	assert_int_equal(model_eni_vpc(m, model_find_eni(m, "j")), 1);
}

static void settings(void **state)
{
	_cleanup_model_ struct model *m = build("[lab x]\ndatapath = kernel\nclock = 60x\nconntrack-entries = 1000\n"
						"icmp-errors = strict\nnacl-fragments = strict\n"
						"quotas = groups-per-eni=16 rules-per-nacl=off\nquotas = vpcs=1\n");
	_cleanup_model_ struct model *off = build("[lab]\nquotas = off routes-per-table=3\n");

	(void)state;
	assert_string_equal(m->name, "x");
	assert_int_equal(m->datapath, DATAPATH_KERNEL);
	assert_int_equal(m->clock, 60);
	assert_true(m->strict_icmp && m->strict_fragments);
	assert_false(off->strict_icmp || off->strict_fragments);
	assert_int_equal(m->conntrack_entries, 1000);
	assert_int_equal(m->quotas.groups_per_eni, 16);
	assert_int_equal(m->quotas.rules_per_nacl, UINT32_MAX);
	assert_int_equal(m->quotas.vpcs, 1);
	assert_int_equal(m->quotas.subnets_per_vpc, 200);
	assert_string_equal(off->name, "t");
	assert_int_equal(off->quotas.vpcs, UINT32_MAX);
	assert_int_equal(off->quotas.routes_per_table, 3);
	assert_int_equal(off->clock, 1);
	assert_int_equal(off->datapath, DATAPATH_AUTO);
}

static void workloads_and_expectations(void **state)
{
	_cleanup_model_ struct model *m = build(
		SUBNET
		"[instance i]\nsubnet = s\nlisten = tcp/80 udp/53\nlisten = tcp/443\nrun = a ; b\nrun = c\n"
		"[expect]\nallow = i -> 10.0.0.1 icmp\ndeny = i:1000 -> 8.8.8.8 tcp/53 at return:nacl-in@default\n"
		"[expect more]\ndeny = i -> i tcp/1\n");
	const struct workload *w = &m->instances[0].work;

	(void)state;
	assert_int_equal(w->n_listen, 3);
	assert_int_equal(w->listen[1].proto, 17);
	assert_int_equal(w->listen[2].port, 443);
	assert_int_equal(w->n_run, 2);
	assert_string_equal(w->run[0], "a ; b");
	assert_int_equal(m->n_expects, 3);
	assert_true(m->expects[0].allow);
	assert_null(m->expects[0].at_gate);
	assert_string_equal(m->expects[1].flow, "i:1000 -> 8.8.8.8 tcp/53");
	assert_string_equal(m->expects[1].at_leg, "return");
	assert_string_equal(m->expects[1].at_gate, "nacl-in");
	assert_string_equal(m->expects[1].at_object, "default");
	assert_int_equal(m->expects[1].loc.line, 14);
	assert_null(m->expects[2].at_leg);
}

/* semantics 1.1: which second range joins which first one. */
static void secondary_ranges(void **state)
{
	static const struct {
		const char *first, *second;
		bool legal;
	} cases[] = {
		{ "10.2.0.0/16", "10.3.0.0/16", true },       { "10.2.0.0/16", "10.0.0.0/16", true },
		{ "10.1.0.0/16", "10.0.0.0/16", false },      { "10.0.0.0/17", "10.0.128.0/17", false },
		{ "10.0.0.0/17", "10.1.0.0/16", true },       { "10.2.0.0/16", "172.16.0.0/16", false },
		{ "10.2.0.0/16", "192.168.0.0/16", false },   { "10.2.0.0/16", "198.19.0.0/16", false },
		{ "10.2.0.0/16", "100.64.0.0/16", true },     { "10.2.0.0/16", "8.0.0.0/16", true },
		{ "172.16.0.0/16", "172.17.0.0/16", true },   { "172.16.0.0/16", "172.31.0.0/16", false },
		{ "172.16.0.0/16", "10.0.0.0/16", false },    { "172.16.0.0/16", "198.19.4.0/24", false },
		{ "192.168.0.0/24", "192.168.1.0/24", true }, { "192.168.0.0/24", "10.0.0.0/16", false },
		{ "198.19.0.0/24", "198.19.1.0/24", true },   { "198.19.0.0/24", "10.0.0.0/16", false },
		{ "198.19.0.0/24", "100.64.0.0/16", true },   { "100.64.0.0/16", "100.65.0.0/16", true },
		{ "100.64.0.0/16", "8.0.0.0/16", true },      { "100.64.0.0/16", "192.168.0.0/16", false },
		{ "8.0.0.0/16", "198.19.0.0/16", false },     { "8.0.0.0/16", "172.16.0.0/16", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text =
			xasprintf("[vpc v]\ncidr = %s\ncidr = %s\n", cases[i].first, cases[i].second);

		if (cases[i].legal) {
			_cleanup_model_ struct model *m = build(text);

			assert_int_equal(m->vpcs[0].n_cidrs, 2);
			assert_int_equal(m->route_tables[0].n_routes, 2);
		} else {
			assert_error(text, 3, "InvalidVpc.Range");
		}
	}
}

/* Every size, every place of a subnet in its VPC. */
static void sizes(void **state)
{
	(void)state;
	for (int len = 8; len <= 32; len++) {
		_cleanup_free_ char *vpc = xasprintf("[vpc v]\ncidr = 10.0.0.0/%d\n", len);
		_cleanup_free_ char *sub = xasprintf(VPC "[subnet s]\nvpc = v\ncidr = 10.0.0.0/%d\n", len);

		if (len >= 16 && len <= 28) {
			_cleanup_model_ struct model *m = build(vpc), *n = build(sub);

			assert_int_equal(m->vpcs[0].cidrs[0].len, len);
			assert_int_equal(n->subnets[0].cidr.len, len);
		} else {
			assert_error(vpc, 2, "InvalidVpc.Range");
			assert_error(sub, 5, "InvalidSubnet.Range");
		}
	}
}

/* Each address of a /28: the first four and the last are AWS's. */
static void reserved_addresses(void **state)
{
	(void)state;
	for (int host = 0; host <= 16; host++) {
		_cleanup_free_ char *text = xasprintf(VPC "[subnet s]\nvpc = v\ncidr = 10.0.0.0/28\n"
							  "[instance i]\nsubnet = s\naddress = 10.0.0.%d\n",
						      host);

		if (host >= 4 && host < 15) {
			_cleanup_model_ struct model *m = build(text);

			assert_int_equal(m->n_enis, 1);
		} else {
			assert_error(text, 8, "InvalidParameterValue");
		}
	}
}

/* Quotas count: at the quota all is well, one more is an error with AWS's code. */
static void quotas_count(void **state)
{
	static const struct {
		const char *quota, *code, *head, *line;
		int n;
	} cases[] = {
		{ "vpcs", "VpcLimitExceeded", "", "[vpc x%d]\ncidr = 10.9.0.0/16\n", 5 },
		{ "groups", "SecurityGroupLimitExceeded", VPC, "[security-group g%d]\nvpc = v\n", 9 },
		{ "nacls-per-vpc", "NetworkAclLimitExceeded", VPC, "[nacl g%d]\nvpc = v\n", 9 },
		{ "route-tables-per-vpc", "RouteTableLimitExceeded", VPC, "[route-table g%d]\nvpc = v\n", 9 },
		{ "cidrs-per-vpc", "CidrLimitExceeded", "[vpc v]\n", "cidr = 10.1%d.0.0/16\n", 5 },
		{ "routes-per-table", "RouteLimitExceeded", SUBNET IGW "[route-table r]\nvpc = v\n",
		  "route = 9.0.%d.0/24 via igw:gw\n", 9 },
		{ "rules-per-group", "RulesPerSecurityGroupLimitExceeded", VPC "[security-group g]\nvpc = v\n",
		  "inbound = tcp 1%d from 0.0.0.0/0\n", 60 },
		{ "rules-per-nacl", "NetworkAclEntryLimitExceeded", VPC "[nacl n]\nvpc = v\n",
		  "outbound = 1%d allow all to 0.0.0.0/0\n", 20 },
		{ "nat-gateways-per-zone", "NatGatewayLimitExceeded", SUBNET IGW, "[nat-gateway n%d]\nsubnet = s\n",
		  5 },
		{ "public-ips-per-nat-gateway", "AddressLimitExceeded", SUBNET IGW "[nat-gateway n]\nsubnet = s\n",
		  "public-ip = 203.0.113.%d\n", 4 },
		{ "prefix-list-entries", "PrefixListMaxEntriesLimitExceeded", "[prefix-list p]\n",
		  "entry = 10.%d.0.0/16\n", 9 },
		{ "addresses-per-eni", "PrivateIpAddressLimitExceeded", SUBNET "[instance i]\nsubnet = s\n",
		  "address = 10.0.0.1%d\n", 9 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (int over = 0; over <= 1; over++) {
			_cleanup_strbuf_ struct strbuf b = { 0 };
			_cleanup_diag_list_ struct diag_list diags = { 0 };
			struct model *m = NULL;
			int rc;

			strbuf_addf(&b, "[lab t]\nquotas = %s=%d\n%s", cases[i].quota, cases[i].n, cases[i].head);
			for (int k = 10; k < 10 + cases[i].n + over; k++)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
				strbuf_addf(&b, cases[i].line, k);
#pragma GCC diagnostic pop
			rc = model_from_text(b.s, b.n, "t.ini", &m, &diags);
			if (rc != (over ? -EINVAL : 0))
				print_message("# %s over %d\n", cases[i].quota, over);
			assert_int_equal(rc, over ? -EINVAL : 0);
			if (over)
				assert_string_equal(diags.v[0].code, cases[i].code);
			model_free(&m);
		}
	}
}

/* Rules of a group times groups of an interface: 1,000 at most, semantics 1.5. */
static void rules_of_an_interface(void **state)
{
	static const struct {
		const char *quotas;
		bool good;
	} cases[] = {
		{ "groups-per-eni=16", true },
		{ "groups-per-eni=17", false },
		{ "rules-per-group=200", true },
		{ "rules-per-group=201", false },
		{ "rules-per-group=100 groups-per-eni=10", true },
		{ "rules-per-group=100 groups-per-eni=11", false },
		{ "groups-per-eni=16 rules-per-group=62", true },
		{ "rules-per-group=1000 groups-per-eni=1", true },
		{ "rules-per-group=1001 groups-per-eni=1", false },
		{ "rules-per-group=off groups-per-eni=16", true },
		{ "rules-per-group=200 groups-per-eni=off", true },
		{ "rules-per-group=201 off", true },
		{ "off rules-per-group=201 groups-per-eni=16", false },
		{ "rules-per-group=201 groups-per-eni=16 aws", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = xasprintf("[lab t]\nclock = 1x\nquotas = %s\n" VPC, cases[i].quotas);

		print_message("# %s\n", cases[i].quotas);
		if (cases[i].good)
			model_free(&(struct model *){ build(text) });
		else
			assert_error(text, 3, "RulesPerSecurityGroupLimitExceeded");
	}
}

static void names_of_labs(void **state)
{
	char buf[64];

	(void)state;
	assert_true(lab_name_of_file("dir/three-tier.ini", buf, sizeof(buf)));
	assert_string_equal(buf, "three-tier");
	assert_true(lab_name_of_file("demo", buf, sizeof(buf)));
	assert_string_equal(buf, "demo");
	assert_false(lab_name_of_file("My Lab.ini", buf, sizeof(buf)));
	assert_false(lab_name_of_file("a.b.ini", buf, sizeof(buf)));
	assert_false(lab_name_of_file(".ini", buf, sizeof(buf)));
	assert_false(lab_name_of_file("dir/", buf, sizeof(buf)));
	assert_false(lab_name_of_file("-", buf, sizeof(buf)));
	assert_false(lab_name_of_file("all.ini", buf, sizeof(buf)));
}

static void commands_are_argv(void **state)
{
	static const struct {
		const char *text, *words[5];
	} cases[] = {
		{ "a b  c", { "a", "b", "c" } },
		{ " sh -c 'a ; b' ", { "sh", "-c", "a ; b" } },
		{ "x \"a 'b' c\"d ''", { "x", "a 'b' cd", "" } },
		{ "a\\ b '\\n' \"\\\"\"", { "a b", "\\n", "\"" } },
	};
	static const char *const broken[] = { "", "  ", "a 'b", "a \"b", "a \\" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char **argv = NULL;
		struct err e = { 0 };

		assert_int_equal(command_split(cases[i].text, &argv, &e), 0);
		for (size_t k = 0; k == 0 || argv[k - 1]; k++) {
			if (!cases[i].words[k])
				assert_null(argv[k]);
			else
				assert_string_equal(argv[k], cases[i].words[k]);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		char **argv = NULL;
		struct err e = { 0 };

		assert_int_equal(command_split(broken[i], &argv, &e), -EINVAL);
		assert_null(argv);
	}
}

/* An edit makes the same checks; its findings have no line, but name the object. */
static void edits_build(void **state)
{
	static const char text[] = SUBNET "[instance i]\nsubnet = s\n";
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_document_ struct document d = { 0 };
	_cleanup_registry_ struct registry *r = registry_new(1);
	struct edit create = { EDIT_CREATE, "instance", "j", NULL, NULL };
	struct edit set = { EDIT_SET, "instance", "j", "subnet", "nowhere" };
	struct model *m = NULL;

	(void)state;
	assert_int_equal(document_parse(text, strlen(text), "t.ini", &d, &diags), 0);
	assert_int_equal(document_edit(&d, &create, NULL), 0);
	assert_int_equal(document_edit(&d, &set, NULL), 0);
	assert_int_equal(model_build(&d, "t", r, &m, &diags), -EINVAL);
	assert_int_equal(diags.n, 1);
	assert_null(diags.v[0].file);
	assert_non_null(strstr(diags.v[0].message, "instance j: subnet: "));
	set.value = "s";
	assert_int_equal(document_edit(&d, &set, NULL), 0);
	diag_list_done(&diags);
	assert_int_equal(model_build(&d, "t", r, &m, &diags), 0);
	assert_int_equal(m->enis[1].obj.origin, ORIGIN_API);
	assert_int_equal(m->enis[0].obj.origin, ORIGIN_FILE);
	model_free(&m);
}

/* What others need is not deleted (semantics 1.4, 2.1, 3.1); with those that need it, it is. */
static void deleting_what_others_need(void **state)
{
	static const char text[] = SUBNET IGW "[prefix-list p]\nentry = 9.0.0.0/8\n"
					      "[route-table t]\nvpc = v\nroute = pl:p via igw:gw\n"
					      "[subnet u]\nvpc = v\ncidr = 10.0.1.0/24\nroute-table = t\nnacl = n\n"
					      "[nacl n]\nvpc = v\n"
					      "[security-group g]\nvpc = v\ninbound = tcp 22 from pl:p\n"
					      "[security-group h]\nvpc = v\ninbound = tcp 22 from sg:g\n"
					      "[instance i]\nsubnet = s\nsecurity-groups = g\npublic-ip = auto\n";
	static const struct {
		const char *kind, *name, *who,
			*rest; /* rest: with it deleted too, nothing is wrong; NULL: more needs it */
	} rows[] = {
		{ "vpc", "v", "internet-gateway gw: vpc: vpc v ", NULL },
		{ "subnet", "s", "instance i: subnet: subnet s ", "instance i" },
		{ "route-table", "t", "subnet u: route-table: route-table t ", "subnet u" },
		{ "nacl", "n", "subnet u: nacl: nacl n ", "subnet u" },
		{ "security-group", "g", "instance i: security-groups: security-group g ", NULL },
		{ "security-group", "g", "security-group h: inbound: security-group g ", NULL },
		{ "prefix-list", "p", "route-table t: route: prefix-list p ", NULL },
		{ "internet-gateway", "gw", "instance i: public-ip needs an internet gateway", "instance i" },
	};

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
		_cleanup_diag_list_ struct diag_list diags = { 0 };
		_cleanup_document_ struct document d = { 0 };
		_cleanup_registry_ struct registry *r = registry_new(1);
		struct edit edit = { EDIT_DELETE, rows[k].kind, rows[k].name, NULL, NULL };
		struct model *m = NULL;
		bool found = false;

		assert_int_equal(document_parse(text, strlen(text), "t.ini", &d, &diags), 0);
		assert_int_equal(document_edit(&d, &edit, NULL), 0);
		assert_int_equal(model_build(&d, "t", r, &m, &diags), -EINVAL);
		for (size_t i = 0; i < diags.n; i++) {
			if (diags.v[i].severity == SEV_ERROR)
				assert_string_equal(diags.v[i].code, "DependencyViolation");
			found |= strncmp(diags.v[i].message, rows[k].who, strlen(rows[k].who)) == 0;
		}
		if (!found)
			fail_msg("%s: not told: %s", rows[k].name, rows[k].who);
		if (!rows[k].rest)
			continue;
		edit.kind = strncmp(rows[k].rest, "subnet", 6) == 0 ? "subnet" : "instance";
		edit.name = strchr(rows[k].rest, ' ') + 1;
		assert_int_equal(document_edit(&d, &edit, NULL), 0);
		diag_list_done(&diags);
		assert_int_equal(model_build(&d, "t", r, &m, &diags), 0);
		model_free(&m);
	}
}

/* 2,000 instances with 40 groups in 20 subnets: nothing here may be quadratic. */
static void large_labs_build(void **state)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };
	_cleanup_model_ struct model *m = NULL;

	(void)state;
	strbuf_adds(&b, "[lab t]\nquotas = off\n" VPC);
	for (int i = 0; i < 20; i++)
		strbuf_addf(&b, "[subnet s%d]\nvpc = v\ncidr = 10.0.%d.0/24\n", i, i);
	for (int i = 0; i < 40; i++) {
		strbuf_addf(&b, "[security-group g%d]\nvpc = v\n", i);
		for (int k = 1; k <= 250; k++)
			strbuf_addf(&b, "inbound = tcp %d from 10.%d.0.0/16\n", k, i);
	}
	for (int i = 0; i < 2000; i++)
		strbuf_addf(&b, "[instance i%d]\nsubnet = s%d\nsecurity-groups = g%d g%d\n", i, i % 20, i % 40,
			    (i + 7) % 40);
	m = build(b.s);
	assert_int_equal(m->n_instances, 2000);
	assert_string_equal(private_of(m, "i1999"), "10.0.19.103");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(implicit_things),
		cmocka_unit_test(named_defaults),
		cmocka_unit_test(equal_sets_of_groups_share_a_policy),
		cmocka_unit_test(addresses_in_file_order),
		cmocka_unit_test(addresses_are_kept),
		cmocka_unit_test(nat_gateway_addresses),
		cmocka_unit_test(nat_gateway_addresses_are_kept),
		cmocka_unit_test(nat_gateway_addresses_are_refused),
		cmocka_unit_test(map_public_ip),
		cmocka_unit_test(public_pool_goes_on),
		cmocka_unit_test(routes),
		cmocka_unit_test(rules_stand_in_order),
		cmocka_unit_test(rule_numbers_follow_the_text),
		cmocka_unit_test(ports_share_one_space),
		cmocka_unit_test(lookups),
		cmocka_unit_test(settings),
		cmocka_unit_test(workloads_and_expectations),
		cmocka_unit_test(secondary_ranges),
		cmocka_unit_test(sizes),
		cmocka_unit_test(reserved_addresses),
		cmocka_unit_test(quotas_count),
		cmocka_unit_test(rules_of_an_interface),
		cmocka_unit_test(names_of_labs),
		cmocka_unit_test(commands_are_argv),
		cmocka_unit_test(edits_build),
		cmocka_unit_test(deleting_what_others_need),
		cmocka_unit_test(large_labs_build),
	};

	return cmocka_run_group_tests_name("build", tests, NULL, NULL);
}
