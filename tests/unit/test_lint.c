/* test_lint.c: each code is found, silenced by its comment and only by its own; what --fix takes away
 * changes no flow, in the file with one of each and in random topologies. */
#include <stdio.h>
#include <string.h>
#include "conf/build.h"
#include "path/lint.h"
#include "path/reach.h"
#include "test.h"
#include "tests/support/random_topology.h"
#include "tests/support/sane_topology.h"
#include "util/mem.h"
#include "util/str.h"

enum { FILE_MAX = 1 << 20, SEEDS = 200 };

static struct model *load(const char *text, const char *name)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	struct model *m = NULL;

	if (model_from_text(text, strlen(text), name, &m, &diags) < 0)
		fail_msg("%s: %s", name, diags.v[0].message);
	return m;
}

static size_t count(const struct diag_list *l, const char *code)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		n += str_eq(l->v[i].code, code);
	return n;
}

static void each_code_is_found_and_silenced(void **state)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_model_ struct model *m = NULL;
	_cleanup_diag_list_ struct diag_list l = { 0 };

	(void)state;
	assert_int_equal(read_whole_file("tests/golden/lint/findings.ini", FILE_MAX, &text, NULL), 0);
	m = load(text, "findings.ini");
	lint_model(m, text, &l);
	for (size_t i = 0; i < n_lint_codes; i++)
		if (!count(&l, lint_codes[i].code))
			fail_msg("nothing shows %s", lint_codes[i].code);
	for (size_t i = 0; i < l.n; i++) {
		_cleanup_diag_list_ struct diag_list less = { 0 };
		struct strbuf b = { 0 };
		uint32_t line = 0;

		for (const char *p = text, *end; *p; p = end) {
			end = p + strcspn(p, "\n") + 1;
			if (++line == l.v[i].line)
				strbuf_addf(&b, "; lint: %s: we know\n", l.v[i].code);
			strbuf_add(&b, p, (size_t)(end - p));
		}
		for (size_t k = 0; k < l.n; k++) /* what stands behind the new line moves */
			assert_true(l.v[k].line > 0);
		{
			_cleanup_model_ struct model *again = load(b.s, "findings.ini");

			lint_model(again, b.s, &less);
		}
		assert_true(less.n < l.n);
		assert_true(count(&less, l.v[i].code) < count(&l, l.v[i].code));
		strbuf_done(&b);
	}
}

static void another_code_silences_nothing(void **state)
{
	static const char text[] =
		"[vpc v]\ncidr = 10.0.0.0/16\n[security-group g] \nvpc = v ; lint: unused-other, unusedx\n";
	_cleanup_model_ struct model *m = load(text, "g.ini");
	_cleanup_diag_list_ struct diag_list l = { 0 };

	(void)state;
	lint_model(m, text, &l);
	assert_int_equal(count(&l, "unused"), 1);
}

static size_t fix_check(const char *text, const char *name)
{
	_cleanup_model_ struct model *m = load(text, name), *fixed = NULL;
	_cleanup_diag_list_ struct diag_list l = { 0 }, after = { 0 };
	_cleanup_reach_diff_ struct reach_diff d = { 0 };
	_cleanup_free_ char *less = NULL;
	struct err e = { 0 };
	size_t n;

	lint_model(m, text, &l);
	less = lint_fix(text, &l, &n);
	fixed = load(less, name);
	assert_int_equal(reach_diff_make(m, fixed, 0, &d, &e), 0);
	if (d.n)
		fail_msg("%s: %s -> %s %s changes:\n%s", name, d.v[0].srcs, d.v[0].dsts, d.v[0].flows, text);
	lint_model(fixed, less, &after);
	for (size_t i = 0; i < after.n; i++)
		if (lint_code_find(after.v[i].code)->fixable)
			fail_msg("%s: still %s: %s", name, after.v[i].code, after.v[i].message);
	return n;
}

static void fixes_change_no_flow(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t n = 0;

	(void)state;
	assert_int_equal(read_whole_file("tests/golden/lint/findings.ini", FILE_MAX, &text, NULL), 0);
	assert_int_equal(fix_check(text, "findings.ini"), 9);
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		_cleanup_free_ char *random = random_topology(seed, "random");

		n += fix_check(random, "random.ini");
	}
	assert_true(n > SEEDS / 2);
}

/* Nothing is found in topologies without a fault. */
static void sane_topologies_are_clean(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		_cleanup_free_ char *text = sane_topology(seed);
		_cleanup_model_ struct model *m = load(text, "sane.ini");
		_cleanup_diag_list_ struct diag_list l = { 0 };

		lint_model(m, text, &l);
		if (l.n)
			fail_msg("seed %u, line %u: %s: %s", (unsigned)seed, l.v[0].line, l.v[0].code, l.v[0].message);
	}
}

/* text with more behind the first line that begins with line; or, more NULL, without that line. */
static char *changed(const char *text, const char *line, const char *more, uint32_t *ret_at)
{
	const char *p = text;
	struct strbuf b = { 0 };
	uint32_t at = 1;

	while (*p && strncmp(p, line, strlen(line)) != 0) {
		p = strchr(p, '\n') + 1;
		at++;
	}
	if (!*p)
		return NULL;
	*ret_at = at + (more != NULL);
	strbuf_add(&b, text, (size_t)(p - text));
	if (more)
		strbuf_add(&b, p, strcspn(p, "\n") + 1);
	strbuf_addf(&b, "%s%s", more ? more : "", strchr(p, '\n') + 1);
	return strbuf_take(&b);
}

static const char *line_of(const char *text, uint32_t line)
{
	while (--line)
		text = strchr(text, '\n') + 1;
	return text;
}

/* One fault put into a sane topology is found, at its line or section. */
static void each_fault_is_found(void **state)
{
	static const struct {
		const char *code, *line, *more; /* see changed(); the finding is about the line that is new */
		const char *at;                 /* or about this one */
	} faults[] = {
		{ "open-admin-port", "inbound = tcp 22 from sg:bastion0", "inbound = tcp 22 from 0.0.0.0/0\n", NULL },
		{ "open-admin-port", "inbound = tcp 22 from sg:bastion0", "inbound = tcp 3000-4000 from 0.0.0.0/0\n",
		  NULL },
		{ "open-admin-port", "inbound = tcp 22 from sg:bastion0", "inbound = all from 0.0.0.0/0\n", NULL },
		{ "open-admin-port", "entry = 198.51.100.0/24", "entry = 0.0.0.0/0\n",
		  "inbound = tcp 22 from pl:offices" },
		{ "redundant-rule", "inbound = tcp 22 from pl:offices", "inbound = tcp 22 from 198.51.100.9\n", NULL },
		{ "redundant-rule", "outbound = 120 allow", "outbound = 125 allow tcp 8080 to 10.0.0.0/8\n", NULL },
		{ "shadowed-rule", "inbound = 120 allow", "inbound = 125 deny tcp 3389 from 203.0.113.0/24\n", NULL },
		{ "contradictory-rules", "inbound = 100 allow tcp 80", "inbound = 105 deny tcp 80 from 0.0.0.0/0\n",
		  NULL },
		{ "group-without-members", "inbound = tcp 22 from pl:offices", "inbound = tcp 2222 from sg:default\n",
		  NULL },
		{ "public-subnet-no-route", "route = 0.0.0.0/0 via igw:igw0", NULL, "[subnet public0-a]" },
		{ "overlapping-vpcs", "[host laptop]",
		  "address = 198.51.100.8\n[vpc twin]\ncidr = 10.0.128.0/17\n[host h]\n", "[vpc twin]" },
		{ "lost-reply", "outbound = 100 allow tcp 1024-65535", NULL, "inbound = 100 allow tcp " },
		{ "unused", "[prefix-list offices]",
		  "entry = 192.0.2.0/24\n[security-group idle]\nvpc = v0\n[prefix-list others]\n",
		  "[security-group idle]" },
		{ "never-matches", "inbound = 110 allow tcp 443", "inbound = 115 deny tcp 25 from 10.0.0.0/25\n",
		  NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		unsigned tried = 0;

		for (uint64_t seed = 1; seed <= 20; seed++) {
			_cleanup_free_ char *text = sane_topology(seed), *bad = NULL;
			_cleanup_diag_list_ struct diag_list l = { 0 };
			_cleanup_model_ struct model *m = NULL;
			uint32_t at = 0, found = 0;

			bad = changed(text, faults[i].line, faults[i].more, &at);
			if (!bad)
				continue;
			m = load(bad, "bad.ini");
			lint_model(m, bad, &l);
			for (size_t k = 0; k < l.n; k++)
				found += str_eq(l.v[k].code, faults[i].code) &&
					 (faults[i].at ? !strncmp(line_of(bad, l.v[k].line), faults[i].at,
								  strlen(faults[i].at))
						       : l.v[k].line == at);
			/* An ACL of several subnets is met by packets from one of them to another. */
			if (!found && str_eq(faults[i].code, "never-matches") &&
			    (strstr(bad, "[subnet public0-b]") || !strstr(bad, "[nacl public0]")))
				continue;
			if (!found)
				fail_msg("seed %u: %s is not found at line %u:\n%s", (unsigned)seed, faults[i].code, at,
					 bad);
			tried++;
		}
		if (!tried)
			fail_msg("no topology has \"%s\"", faults[i].line);
	}
}

static char *replaced(const char *text, const char *find, const char *by)
{
	const char *p = strstr(text, find);
	struct strbuf b = { 0 };

	if (!p)
		fail_msg("\"%s\" is not there", find);
	strbuf_add(&b, text, (size_t)(p - text));
	strbuf_addf(&b, "%s%s", by, p + strlen(find));
	return strbuf_take(&b);
}

static size_t found(const char *text, const char *code)
{
	_cleanup_diag_list_ struct diag_list l = { 0 };
	_cleanup_model_ struct model *m = load(text, "near.ini");

	lint_model(m, text, &l);
	return code ? count(&l, code) : l.n;
}

/* Each code has its fault, and what looks like it and is none. */
static void near_misses_are_not_found(void **state)
{
	static const char clean[] = "[vpc v]\ncidr = 10.0.0.0/16\n[internet-gateway igw]\nvpc = v\n"
				    "[route-table pub]\nvpc = v\nroute = 0.0.0.0/0 via igw:igw\n"
				    "[route-table priv]\nvpc = v\nmain = yes\n"
				    "[subnet a]\nvpc = v\ncidr = 10.0.0.0/24\nroute-table = pub\nnacl = n\n"
				    "[subnet b]\nvpc = v\ncidr = 10.0.1.0/24\nroute-table = pub\nnacl = n\n"
				    "[subnet c]\nvpc = v\ncidr = 10.0.2.0/24\nnacl = own\n"
				    "[nacl n]\nvpc = v\ninbound = 100 allow all from 0.0.0.0/0\n"
				    "outbound = 100 allow all to 0.0.0.0/0\n"
				    "[nacl own]\nvpc = v\ninbound = 100 allow tcp 443 from 0.0.0.0/0\n"
				    "outbound = 100 allow tcp 1024-65535 to 0.0.0.0/0\n"
				    "[security-group g]\nvpc = v\ninbound = tcp 443 from 0.0.0.0/0\n"
				    "[instance i]\nsubnet = a\npublic-ip = auto\nsecurity-groups = g\n"
				    "[instance j]\nsubnet = b\npublic-ip = auto\nsecurity-groups = g\n"
				    "[instance k]\nsubnet = c\nsecurity-groups = g\n";
	static const char nacl_n[] = "[nacl n]\nvpc = v\n", nacl_own[] = "[nacl own]\nvpc = v\n",
			  group[] = "[security-group g]\nvpc = v\n",
			  out[] = "outbound = 100 allow tcp 1024-65535 to 0.0.0.0/0\n";
#define N(lines) "[nacl n]\nvpc = v\n" lines
#define OWN(lines) "[nacl own]\nvpc = v\n" lines
#define G(lines) "[security-group g]\nvpc = v\n" lines
	static const struct {
		const char *code, *find, *fault, *near;
	} cases[] = {
		{ "redundant-rule", group, G("inbound = tcp 443 from 10.0.0.0/8\n"),
		  G("inbound = tcp 444 from 10.0.0.0/8\n") },
		{ "redundant-rule", nacl_n,
		  N("inbound = 80 allow tcp 80-90 from 0.0.0.0/0\ninbound = 90 allow tcp 85 from 10.0.0.0/8\n"),
		  N("inbound = 80 allow tcp 80-90 from 10.0.0.0/8\ninbound = 85 deny tcp 84-86 from 0.0.0.0/0\n") },
		{ "shadowed-rule", nacl_n,
		  N("inbound = 80 deny tcp 80-90 from 0.0.0.0/0\ninbound = 90 allow tcp 85 from 10.0.0.0/8\n"),
		  N("inbound = 80 deny tcp 80-90 from 10.0.0.0/8\ninbound = 90 allow tcp 85 from 0.0.0.0/0\n") },
		{ "contradictory-rules", nacl_n,
		  N("inbound = 80 allow tcp 80 from 10.9.0.0/16\ninbound = 90 deny tcp 80 from 10.9.0.0/16\n"),
		  N("inbound = 80 allow tcp 80 from 10.9.0.0/16\ninbound = 90 deny tcp 80 from 10.8.0.0/16\n") },
		{ "deny-behind-allow-all", nacl_n, N("inbound = 110 deny tcp 23 from 0.0.0.0/0\n"),
		  N("inbound = 90 deny tcp 23 from 0.0.0.0/0\n") },
		{ "never-matches", nacl_own, OWN("inbound = 90 deny tcp 25 from 10.0.2.0/25\n"),
		  OWN("inbound = 90 deny tcp 25 from 10.0.2.0/23\n") },
		{ "group-without-members", "[security-group g]",
		  "[security-group e]\nvpc = v\n[security-group g]\ninbound = tcp 5 from sg:e\n",
		  "[security-group g]\ninbound = tcp 5 from sg:g\n" },
		{ "lost-reply", out, "outbound = 100 allow tcp 443 to 0.0.0.0/0\n", out },
		{ "lost-reply", out, "outbound = 100 allow udp 1024-65535 to 0.0.0.0/0\n",
		  "outbound = 100 allow all to 0.0.0.0/0\n" },
		{ "ephemeral-range-short", out, "outbound = 100 allow tcp 32768-60999 to 0.0.0.0/0\n",
		  "outbound = 100 allow tcp 1024-32767 to 0.0.0.0/0\noutbound = 110 allow tcp 32768-65535 to 0.0.0.0/0\n" },
		{ "public-subnet-no-route", "[subnet c]", "[subnet c]\nmap-public-ip = yes",
		  "[subnet c]\nmap-public-ip = yes\nroute-table = pub" },
		{ "public-address-no-route", "subnet = c\n", "subnet = c\npublic-ip = auto\n",
		  "subnet = a\npublic-ip = auto\n" },
		{ "public-address-no-route", "[instance i]",
		  "[nat-gateway nat]\nsubnet = c\n[route-table x]\nvpc = v\nroute = 0.0.0.0/0 via nat:nat\n"
		  "[subnet d]\nvpc = v\ncidr = 10.0.3.0/24\nroute-table = x\n[instance i]",
		  "[nat-gateway nat]\nsubnet = b\n[route-table x]\nvpc = v\nroute = 0.0.0.0/0 via nat:nat\n"
		  "[subnet d]\nvpc = v\ncidr = 10.0.3.0/24\nroute-table = x\n[instance i]" },
		{ "public-address-no-route", "[instance i]", "[nat-gateway nat]\nsubnet = c\n[instance i]",
		  "[nat-gateway nat]\nsubnet = c\nconnectivity = private\n[instance i]" },
		{ "no-public-address", "subnet = b\npublic-ip = auto\n", "subnet = b\n", "subnet = c\n" },
		{ "open-admin-port", group, G("inbound = tcp 20-25 from 0.0.0.0/0\n"),
		  G("inbound = udp 20-25 from 0.0.0.0/0\n") },
		{ "open-admin-port", group, G("inbound = tcp 3389 from 0.0.0.0/0\n"),
		  G("inbound = tcp 3389 from 198.51.100.0/24\n") },
		{ "open-admin-port", group, G("inbound = tcp 23 from 0.0.0.0/0\n"),
		  G("inbound = tcp 24 from 0.0.0.0/0\n") },
		{ "open-admin-port", group, G("inbound = tcp 5985 from 0.0.0.0/0\n"),
		  G("inbound = tcp 5987 from 0.0.0.0/0\n") },
		{ "open-admin-port", group, G("inbound = tcp 22 from 0.0.0.0/1\ninbound = tcp 22 from 128.0.0.0/1\n"),
		  G("inbound = tcp 22 from 0.0.0.0/2\ninbound = tcp 22 from 128.0.0.0/2\n") },
		{ "open-admin-port", group,
		  G("inbound = tcp 22 from 0.0.0.0/1\ninbound = tcp 20-23 from 192.0.0.0/2\n"),
		  G("inbound = tcp 22 from 0.0.0.0/1\ninbound = tcp 22 from 64.0.0.0/2\n") },
		{ "open-admin-port", group, G("inbound = tcp 22 from 0.0.0.0/1\ninbound = tcp 22 from 128.0.0.0/1\n"),
		  G("inbound = tcp 22 from 0.0.0.0/1\ninbound = tcp 23 from 128.0.0.0/1\n") },
		{ "open-admin-port", "[vpc v]\ncidr = 10.0.0.0/16\n[internet-gateway igw]\nvpc = v\n",
		  "[prefix-list p]\nentry = 0.0.0.0/1\nentry = 128.0.0.0/2\n"
		  "[vpc v]\ncidr = 10.0.0.0/16\n[internet-gateway igw]\nvpc = v\n[security-group h]\nvpc = v\n"
		  "inbound = tcp 3389 from pl:p\n[instance h]\nsubnet = c\nsecurity-groups = h\n",
		  "[prefix-list p]\nentry = 0.0.0.0/2\nentry = 128.0.0.0/2\n"
		  "[vpc v]\ncidr = 10.0.0.0/16\n[internet-gateway igw]\nvpc = v\n[security-group h]\nvpc = v\n"
		  "inbound = tcp 3389 from pl:p\n[instance h]\nsubnet = c\nsecurity-groups = h\n" },
		{ "overlapping-vpcs", "[vpc v]", "[vpc w]\ncidr = 10.0.128.0/17\n[vpc v]",
		  "[vpc w]\ncidr = 10.1.0.0/16\n[vpc v]" },
		{ "unused", "[security-group g]", "[security-group idle]\nvpc = v\n[security-group g]",
		  "[security-group idle]\nvpc = v\n[instance l]\nsubnet = c\nsecurity-groups = idle\n[security-group g]" },
	};
	bool seen[32] = { false };

	(void)state;
	assert_int_equal(found(clean, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *bad = replaced(clean, cases[i].find, cases[i].fault);
		_cleanup_free_ char *good = replaced(clean, cases[i].find, cases[i].near);

		if (!found(bad, cases[i].code))
			fail_msg("%s is not found:\n%s", cases[i].code, bad);
		if (found(good, cases[i].code))
			fail_msg("%s is found, and is none:\n%s", cases[i].code, good);
		seen[lint_code_find(cases[i].code) - lint_codes] = true;
	}
	for (size_t i = 0; i < n_lint_codes; i++)
		if (!seen[i])
			fail_msg("%s has no near miss", lint_codes[i].code);
}

/* Two VPCs that are peered, and a third that is not. */
#define PEERED(routes_a, routes_b, rules) \
	"[vpc a]\ncidr = 10.0.0.0/16\n[vpc b]\ncidr = 10.1.0.0/16\n[vpc c]\ncidr = 10.2.0.0/16\n" \
	"[vpc-peering-connection ab]\nvpc = a\npeer-vpc = b\n" \
	"[route-table ra]\nvpc = a\nmain = yes\n" routes_a "[route-table rb]\nvpc = b\nmain = yes\n" routes_b \
	"[subnet a]\nvpc = a\ncidr = 10.0.0.0/24\n[subnet b]\nvpc = b\ncidr = 10.1.0.0/24\n" \
	"[subnet c]\nvpc = c\ncidr = 10.2.0.0/24\n[prefix-list far]\nentry = 10.2.0.0/16\nentry = 192.168.0.0/16\n" \
	"[prefix-list near]\nentry = 10.2.0.0/16\nentry = 10.1.0.0/24\n[security-group there]\nvpc = b\n" \
	"[instance b]\nsubnet = b\nsecurity-groups = there\n[instance c]\nsubnet = c\n" \
	"[security-group here]\nvpc = a\noutbound = all to 0.0.0.0/0\n" rules \
	"[instance a]\nsubnet = a\nsecurity-groups = here\n"
#define TO_B "route = 10.1.0.0/16 via pcx:ab\n"
#define TO_A "route = 10.0.0.0/24 via pcx:ab\n"
#define FROM(peer) "inbound = tcp 5000 from " peer "\n"

/* Without the lines, what each flow meets is the same. */
static size_t never_check(const char *text)
{
	_cleanup_model_ struct model *m = load(text, "never.ini"), *less = NULL;
	_cleanup_diag_list_ struct diag_list l = { 0 };
	_cleanup_reach_diff_ struct reach_diff d = { 0 };
	struct strbuf b = { 0 };
	struct err e = { 0 };
	uint32_t line = 0;
	size_t n = 0;

	lint_model(m, text, &l);
	for (const char *p = text, *end; *p; p = end) {
		bool gone = false;

		end = p + strcspn(p, "\n") + 1;
		line++;
		for (size_t i = 0; i < l.n; i++)
			gone |= l.v[i].line == line && str_eq(l.v[i].code, "never-matches");
		n += gone;
		if (!gone)
			strbuf_add(&b, p, (size_t)(end - p));
	}
	if (n) {
		less = load(b.s, "less.ini");
		assert_int_equal(reach_diff_make(m, less, 0, &d, &e), 0);
	}
	if (d.n)
		fail_msg("%s -> %s %s changes without what never matches:\n%s", d.v[0].srcs, d.v[0].dsts, d.v[0].flows,
			 text);
	strbuf_done(&b);
	return n;
}

static void sources_that_never_come(void **state)
{
	static const struct {
		const char *what, *text;
		size_t n;
	} cases[] = {
		{ "a peer's group, routes both ways", PEERED(TO_B, TO_A, FROM("sg:there")), 0 },
		{ "only from the peer", PEERED("", TO_A, FROM("sg:there")), 0 },
		{ "only to the peer", PEERED(TO_B, "", FROM("sg:there")), 1 },
		{ "the peer has routes elsewhere", PEERED(TO_B, "route = 10.2.0.0/16 via pcx:ab\n", FROM("sg:there")),
		  1 },
		{ "the peer's default route", PEERED(TO_B, "route = 0.0.0.0/0 via pcx:ab\n", FROM("sg:there")), 0 },
		{ "outbound, and no route to the peer", PEERED("", TO_A, "outbound = tcp 5001 to sg:there\n"), 1 },
		{ "outbound, with a route", PEERED(TO_B, "", "outbound = tcp 5001 to sg:there\n"), 0 },
		{ "the own group", PEERED("", "", FROM("sg:here")), 0 },
		{ "the peer's range, routes", PEERED(TO_B, TO_A, FROM("10.1.0.0/16")), 0 },
		{ "the peer's range, no route from there", PEERED(TO_B, "", FROM("10.1.0.0/16")), 1 },
		{ "a VPC that is no peer", PEERED(TO_B, TO_A, FROM("10.2.0.0/16")), 1 },
		{ "an address of it", PEERED(TO_B, TO_A, FROM("10.2.0.4")), 1 },
		{ "a range that holds the own one", PEERED("", "", FROM("10.0.0.0/8")), 0 },
		{ "the own range", PEERED("", "", FROM("10.0.7.0/24")), 0 },
		{ "a list of what is far", PEERED(TO_B, TO_A, FROM("pl:far")), 1 },
		{ "a list with something near", PEERED(TO_B, TO_A, FROM("pl:near")), 0 },
		{ "outbound to nowhere: it matches, and the route denies",
		  PEERED(TO_B, TO_A, "outbound = tcp 5001 to 10.9.0.0/16\n"), 0 },
		{ "a public range, and no gateway", PEERED(TO_B, TO_A, FROM("198.51.100.0/24")), 1 },
		{ "a public range, and a gateway",
		  PEERED(TO_B, TO_A, FROM("198.51.100.0/24")) "[internet-gateway igw]\nvpc = a\n", 0 },
		{ "a private range, and a gateway",
		  PEERED(TO_B, TO_A, FROM("192.168.0.0/16")) "[internet-gateway igw]\nvpc = a\n", 1 },
		{ "carriers' range, and a gateway",
		  PEERED(TO_B, TO_A, FROM("100.64.0.0/10")) "[internet-gateway igw]\nvpc = a\n", 1 },
		{ "half private, and a gateway",
		  PEERED(TO_B, TO_A, FROM("192.0.0.0/8")) "[internet-gateway igw]\nvpc = a\n", 0 },
		{ "an appliance here",
		  PEERED(TO_B, TO_A, FROM("192.168.0.0/16")) "[instance x]\nsubnet = a\nsource-dest-check = no\n", 0 },
		{ "an appliance there",
		  PEERED(TO_B, TO_A, FROM("192.168.0.0/16")) "[instance x]\nsubnet = b\nsource-dest-check = no\n", 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (found(cases[i].text, "never-matches") != cases[i].n)
			fail_msg("%s: not %zu rules that never match:\n%s", cases[i].what, cases[i].n, cases[i].text);
		assert_int_equal(never_check(cases[i].text), cases[i].n);
	}
}

/* In each group of web servers a rule from each range there may be, and from a group of a peer. */
static char *with_rules_from_all(const char *text)
{
	struct strbuf b = { 0 };
	bool peered = strstr(text, "[vpc v1]") != NULL;

	for (const char *p = text, *end; *p; p = end) {
		end = p + strcspn(p, "\n") + 1;
		strbuf_add(&b, p, (size_t)(end - p));
		if (strncmp(p, "[security-group web", 19) != 0)
			continue;
		for (unsigned v = 0; v < 4; v++)
			strbuf_addf(&b, "inbound = tcp %u from 10.%u.0.0/16\n", 8000 + v, 10 * v);
		if (peered)
			strbuf_addf(&b, "inbound = icmp from sg:app%u\n", p[19] == '0');
	}
	return strbuf_take(&b);
}

static void what_never_matches_decides_nothing(void **state)
{
	size_t n = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		_cleanup_free_ char *random = random_topology(seed, "random"), *sane = sane_topology(seed),
				    *more = seed % 8 ? NULL : with_rules_from_all(sane);

		n += never_check(random);
		n += more ? never_check(more) : 0;
	}
	assert_true(n > SEEDS / 4);
}

static void open_ports_are_named(void **state)
{
#define OPEN_FILE(rules) \
	"[vpc v]\ncidr = 10.0.0.0/16\n[subnet s]\nvpc = v\ncidr = 10.0.0.0/24\n" \
	"[instance i]\nsubnet = s\nsecurity-groups = g\n[security-group g]\nvpc = v\n" rules
	static const struct {
		const char *text;
		uint32_t line;
		const char *message;
	} cases[] = {
		{ OPEN_FILE("inbound = tcp 22 from 0.0.0.0/0\n"), 11,
		  "security-group g: \"tcp 22 from 0.0.0.0/0\" opens SSH (22) to everybody" },
		{ OPEN_FILE("inbound = all from 0.0.0.0/0\n"), 11,
		  "security-group g: \"all from 0.0.0.0/0\" opens SSH (22), telnet (23), remote desktop (3389), "
		  "WinRM (5985) and WinRM over TLS (5986) to everybody" },
		{ OPEN_FILE("inbound = tcp 22 from 0.0.0.0/1\ninbound = tcp 20-23 from 128.0.0.0/1\n"), 12,
		  "security-group g: \"tcp 20-23 from 128.0.0.0/1\", with the rules before it, opens SSH (22) to everybody" },
		{ OPEN_FILE("inbound = tcp 22 from 0.0.0.0/2\ninbound = tcp 22 from 10.0.0.0/8\n"
			    "inbound = tcp 22 from 128.0.0.0/1\n"),
		  13,
		  "security-group g: \"tcp 22 from 128.0.0.0/1\", with the rules before it, opens SSH (22) to 75 % of all IPv4 addresses" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_model_ struct model *m = load(cases[i].text, "open.ini");
		_cleanup_diag_list_ struct diag_list l = { 0 };
		size_t n = 0;

		lint_model(m, cases[i].text, &l);
		for (size_t k = 0; k < l.n; k++) {
			if (!str_eq(l.v[k].code, "open-admin-port"))
				continue;
			assert_int_equal(l.v[k].line, cases[i].line);
			assert_string_equal(l.v[k].message, cases[i].message);
			n++;
		}
		assert_int_equal(n, 1);
	}
#undef OPEN_FILE
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(near_misses_are_not_found),
		cmocka_unit_test(each_code_is_found_and_silenced),
		cmocka_unit_test(another_code_silences_nothing),
		cmocka_unit_test(fixes_change_no_flow),
		cmocka_unit_test(sane_topologies_are_clean),
		cmocka_unit_test(each_fault_is_found),
		cmocka_unit_test(open_ports_are_named),
		cmocka_unit_test(sources_that_never_come),
		cmocka_unit_test(what_never_matches_decides_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
