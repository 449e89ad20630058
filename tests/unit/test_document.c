/* test_document.c: copying, merging, editing, writing and saving documents. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "conf/document.h"
#include "conf/schema.h"
#include "test.h"
#include "util/mem.h"
#include "util/str.h"

static const char base_text[] = "[vpc v]\n"
				"cidr = 10.0.0.0/16\n"
				"\n"
				"[security-group web]\n"
				"vpc = v\n"
				"inbound = tcp 80 from 0.0.0.0/0 ; the shop\n"
				"inbound = tcp 22 from 10.0.0.0/16\n"
				"\n"
				"[instance i]\n"
				"subnet = s\n"
				"security-groups = web\n"
				"run = sh -c 'a ; b'\n";

static void parse(const char *text, struct document *d)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };

	assert_int_equal(document_parse(text, strlen(text), "t.ini", d, &diags), 0);
}

static void assert_format(const struct document *d, const char *text)
{
	_cleanup_free_ char *s = document_format(d);

	assert_string_equal(s, text);
}

static int edit(struct document *d, enum edit_op op, const char *kind, const char *name, const char *key,
		const char *value)
{
	struct edit ed = { .op = op, .kind = kind, .name = name, .key = key, .value = value };
	struct err e = { 0 };
	int rc = document_edit(d, &ed, &e);

	/* Every refusal names its object. */
	if (rc < 0) {
		assert_int_equal(e.code, rc);
		assert_int_not_equal(e.aws[0], 0);
		assert_non_null(strstr(e.msg, kind));
	}
	return rc;
}

static void format_is_what_was_read(void **state)
{
	_cleanup_document_ struct document d = { 0 };

	(void)state;
	parse(base_text, &d);
	assert_format(&d, base_text);
}

static void copies_are_whole(void **state)
{
	_cleanup_document_ struct document d = { 0 }, c = { 0 };

	(void)state;
	parse(base_text, &d);
	document_copy(&d, &c);
	document_done(&d);
	assert_format(&c, base_text);
	assert_ptr_equal(c.sections[1].entries[1].loc.file, c.file);
	assert_int_equal(c.sections[1].entries[1].loc.line, 6);
}

/* What a document says, by all ways of telling. */
struct told {
	char *text, *json;
	size_t findings;
};

static struct told tell(const struct document *d)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	struct told t = { .text = document_format(d), .json = document_dump(d) };

	schema_check(d, &diags);
	t.findings = diags.n;
	return t;
}

static void assert_told(const struct document *d, struct told *want)
{
	struct told t = tell(d);

	assert_string_equal(t.text, want->text);
	assert_string_equal(t.json, want->json);
	assert_int_equal(t.findings, want->findings);
	free(t.text);
	free(t.json);
	free(TAKE_PTR(want->text));
	free(TAKE_PTR(want->json));
}

/* A copy shares what nobody has changed, and what was found out about it: a change is seen in one of the two, whichever
 * it is, and what is told of it is what would be told of one that shares nothing. */
static void copies_change_alone(void **state)
{
	static const struct {
		enum edit_op op;
		const char *kind, *name, *key, *value;
	} edits[] = {
		{ EDIT_SET, "security-group", "web", "inbound", "tcp 443 from 0.0.0.0/0" },
		{ EDIT_UNSET, "security-group", "web", "inbound", NULL },
		{ EDIT_SET, "instance", "i", "subnet", "other" },
		{ EDIT_UNSET, "instance", "i", "subnet", NULL }, /* one finding more */
		{ EDIT_DELETE, "vpc", "v", NULL, NULL },
		{ EDIT_CREATE, "vpc", "w", NULL, NULL }, /* and here */
	};

	(void)state;
	for (size_t i = 0; i < 3 * ARRAY_SIZE(edits); i++) {
		_cleanup_document_ struct document d = { 0 }, copy = { 0 }, alone = { 0 };
		struct document *changed = i % 3 ? &d : &copy, *other = i % 3 ? &copy : &d;
		_cleanup_free_ char *json = NULL;
		struct told before, after;
		struct err e = { 0 };

		parse(base_text, &d);
		before = tell(&d);
		document_copy(&d, &copy);
		if (i % 3 == 2) /* nobody shares it any more */
			document_done(&copy);
		assert_int_equal(edit(changed, edits[i / 3].op, edits[i / 3].kind, edits[i / 3].name, edits[i / 3].key,
				      edits[i / 3].value),
				 0);
		json = document_dump(changed);
		assert_string_not_equal(json, before.json);
		assert_int_equal(document_load(json, &alone, &e), 0);
		after = tell(&alone);
		assert_told(changed, &after);
		if (i % 3 == 2)
			parse(base_text, other);
		assert_told(other, &before);
	}
}

static void dump_and_load(void **state)
{
	_cleanup_document_ struct document d = { 0 }, l = { 0 };
	_cleanup_free_ char *json = NULL, *again = NULL;
	struct err e = { 0 };

	(void)state;
	parse(base_text, &d);
	assert_int_equal(
		edit(&d, EDIT_SET, "security-group", "web", "inbound", "tcp 443 from 0.0.0.0/0 ; \xed\x95\x9c"), 0);
	json = document_dump(&d);
	assert_int_equal(document_load(json, &l, &e), 0);
	again = document_dump(&l);
	assert_string_equal(json, again);
	assert_string_equal(l.file, "t.ini");
	assert_ptr_equal(l.sections[1].loc.file, l.file);
	assert_int_equal(l.sections[1].entries[3].origin, ORIGIN_API);
	assert_int_equal(l.sections[1].entries[3].loc.line, 0);
	assert_string_equal(l.sections[1].entries[3].note, "\xed\x95\x9c");
}

static void load_refuses_broken_state(void **state)
{
	static const char *const texts[] = {
		"",
		"null",
		"{\"version\":1}",
		"{\"version\":1,\"sections\":3}",
		"{\"version\":2,\"sections\":[]}",
		"{\"version\":1,\"sections\":[{}]}",
		"{\"version\":1,\"sections\":[{\"kind\":\"a\",\"name\":\"b\",\"origin\":\"moon\",\"entries\":[]}]}",
		"{\"version\":1,\"sections\":[{\"kind\":\"a\",\"name\":\"b\",\"origin\":\"api\",\"entries\":[{\"key\":\"k\"}]}]}",
		"{\"version\":1,\"sections\":[{\"kind\":\"a\",\"name\":\"b\",\"origin\":\"api\",\"line\":-1,\"entries\":[]}]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct document d = { .n = 77 };
		struct err e = { 0 };

		assert_int_equal(document_load(texts[i], &d, &e), -EINVAL);
		assert_int_equal(d.n, 77);
		assert_memory_equal(e.msg, "document: ", 10);
	}
}

static void edits_lines_and_scalars(void **state)
{
	_cleanup_document_ struct document d = { 0 };

	(void)state;
	parse(base_text, &d);
	/* A repeatable key gets another line, a scalar and a list another value. */
	assert_int_equal(edit(&d, EDIT_SET, "security-group", "web", "inbound", "udp 53 from 10.0.0.0/8 ; dns"), 0);
	assert_int_equal(edit(&d, EDIT_SET, "instance", "i", "subnet", "t"), 0);
	assert_int_equal(edit(&d, EDIT_SET, "instance", "i", "security-groups", "web db"), 0);
	assert_int_equal(edit(&d, EDIT_SET, "instance", "i", "run", "x ; y"), 0);
	/* A rule is found by its meaning. */
	assert_int_equal(edit(&d, EDIT_UNSET, "security-group", "web", "inbound", "tcp  22 from 10.0.3.9/16"), 0);
	assert_format(&d, "[vpc v]\ncidr = 10.0.0.0/16\n\n"
			  "[security-group web]\nvpc = v\ninbound = tcp 80 from 0.0.0.0/0 ; the shop\n"
			  "inbound = udp 53 from 10.0.0.0/8 ; dns\n\n"
			  "[instance i]\nrun = sh -c 'a ; b'\nsubnet = t\nsecurity-groups = web db\nrun = x ; y\n");
	assert_int_equal(edit(&d, EDIT_UNSET, "instance", "i", "run", NULL), 0);
	assert_int_equal(d.sections[2].n, 2);
	assert_int_equal(d.sections[2].entries[0].origin, ORIGIN_API);
	assert_int_equal(edit(&d, EDIT_CREATE, "instance", "j", NULL, NULL), 0);
	assert_int_equal(d.sections[3].origin, ORIGIN_API);
	assert_int_equal(edit(&d, EDIT_DELETE, "instance", "i", NULL, NULL), 0);
	assert_int_equal(d.n, 3);
	assert_string_equal(d.sections[2].name, "j");
}

#define NAT_SECTION "[nat-gateway n]\nsubnet = s\n"

/* Each auto asks for one more address. */
static void edits_repeat_auto(void **state)
{
	_cleanup_document_ struct document d = { 0 }, file = { 0 }, merged = { 0 };

	(void)state;
	parse(NAT_SECTION "public-ip = auto\n", &d);
	assert_int_equal(edit(&d, EDIT_SET, "nat-gateway", "n", "public-ip", "auto"), 0);
	assert_int_equal(edit(&d, EDIT_SET, "nat-gateway", "n", "public-ip", "203.0.113.7"), 0);
	assert_int_equal(edit(&d, EDIT_SET, "nat-gateway", "n", "public-ip", "203.0.113.7"), -EEXIST);
	assert_int_equal(edit(&d, EDIT_SET, "nat-gateway", "n", "address", "auto"), 0);
	assert_int_equal(edit(&d, EDIT_SET, "nat-gateway", "n", "address", "10.0.0"), -EINVAL);
	assert_format(&d, NAT_SECTION "public-ip = auto\npublic-ip = auto\npublic-ip = 203.0.113.7\naddress = auto\n");
	/* The file again: it says one of the two. Said twice by it, there are two. */
	parse(NAT_SECTION "public-ip = auto\n", &file);
	document_merge_file(&d, &file, &merged);
	assert_format(&merged,
		      NAT_SECTION "public-ip = auto\npublic-ip = auto\npublic-ip = 203.0.113.7\naddress = auto\n");
	document_done(&file);
	document_done(&merged);
	parse(NAT_SECTION "public-ip = auto\npublic-ip = auto\n", &file);
	document_merge_file(&d, &file, &merged);
	assert_format(&merged,
		      NAT_SECTION "public-ip = auto\npublic-ip = auto\npublic-ip = 203.0.113.7\naddress = auto\n");
	/* One of them goes, then the other. */
	assert_int_equal(edit(&d, EDIT_UNSET, "nat-gateway", "n", "public-ip", "auto"), 0);
	assert_format(&d, NAT_SECTION "public-ip = auto\npublic-ip = 203.0.113.7\naddress = auto\n");
	assert_int_equal(edit(&d, EDIT_UNSET, "nat-gateway", "n", "public-ip", "auto"), 0);
	assert_int_equal(edit(&d, EDIT_UNSET, "nat-gateway", "n", "public-ip", "auto"), -ENOENT);
}

static void edits_are_refused(void **state)
{
	_cleanup_document_ struct document d = { 0 };

	(void)state;
	parse(base_text, &d);
	assert_int_equal(edit(&d, EDIT_SET, "security-grop", "web", "inbound", "x"), -EINVAL);
	assert_int_equal(edit(&d, EDIT_SET, "security-group", "web", "inbond", "x"), -EINVAL);
	assert_int_equal(edit(&d, EDIT_SET, "security-group", "wbe", "inbound", "tcp 80 from 0.0.0.0/0"), -ENOENT);
	assert_int_equal(edit(&d, EDIT_SET, "security-group", "web", "inbound", "tcp 80 to 0.0.0.0/0"), -EINVAL);
	assert_int_equal(edit(&d, EDIT_SET, "security-group", "web", "inbound", "tcp 80 from 0.0.0.0/0"), -EEXIST);
	assert_int_equal(edit(&d, EDIT_SET, "security-group", "web", "inbound", ""), -EINVAL);
	assert_int_equal(edit(&d, EDIT_SET, "security-group", "web", "inbound", NULL), -EINVAL);
	assert_int_equal(edit(&d, EDIT_SET, "instance", "i", "run", "a\n[vpc x]"), -EINVAL);
	assert_int_equal(edit(&d, EDIT_SET, "instance", "i", "run", "a\xff"), -EINVAL);
	assert_int_equal(edit(&d, EDIT_SET, "instance", "i", "listen", "tcp/80 tcp/0"), -EINVAL);
	assert_int_equal(edit(&d, EDIT_SET, "instance", "i", "subnet", "x\ny"), -EINVAL);
	assert_int_equal(edit(&d, EDIT_UNSET, "security-group", "web", "inbound", "tcp 81 from 0.0.0.0/0"), -ENOENT);
	assert_int_equal(edit(&d, EDIT_UNSET, "instance", "i", "address", NULL), -ENOENT);
	assert_int_equal(edit(&d, EDIT_UNSET, "instance", "i", NULL, NULL), -EINVAL);
	assert_int_equal(edit(&d, EDIT_CREATE, "instance", "i", NULL, NULL), -EEXIST);
	assert_int_equal(edit(&d, EDIT_CREATE, "instance", "Bad", NULL, NULL), -EINVAL);
	assert_int_equal(edit(&d, EDIT_CREATE, "instance", "router", NULL, NULL), -EINVAL);
	assert_int_equal(edit(&d, EDIT_CREATE, "instance", NULL, NULL, NULL), -EINVAL);
	assert_int_equal(edit(&d, EDIT_CREATE, "lab", "x]\n[vpc y", NULL, NULL), -EINVAL);
	assert_int_equal(edit(&d, EDIT_DELETE, "instance", "j", NULL, NULL), -ENOENT);
	assert_format(&d, base_text);
}

/* What AWS says of a line that is there already, and of one that is not: semantics 18.4. */
static void lines_have_codes(void **state)
{
	static const char text[] =
		"[security-group g]\nvpc = v\ninbound = tcp 80 from 0.0.0.0/0\noutbound = none\n\n"
		"[nacl n]\nvpc = v\noutbound = 10 allow all to 0.0.0.0/0\n\n"
		"[route-table t]\nvpc = v\nroute = 9.0.0.0/8 via eni:i\n\n[vpc v]\ncidr = 10.0.0.0/16\n";
	static const struct {
		const char *kind, *name, *key, *there, *exists, *absent, *missing;
	} rows[] = {
		{ "security-group", "g", "inbound", "tcp 80 from 0.0.0.0/0", "InvalidPermission.Duplicate",
		  "tcp 81 from 0.0.0.0/0", "InvalidPermission.NotFound" },
		{ "nacl", "n", "outbound", "10 allow all to 0.0.0.0/0", "NetworkAclEntryAlreadyExists",
		  "20 allow all to 0.0.0.0/0", "InvalidNetworkAclEntry.NotFound" },
		{ "route-table", "t", "route", "9.0.0.0/8 via eni:i", "RouteAlreadyExists", "7.0.0.0/8 via eni:i",
		  "InvalidRoute.NotFound" },
		{ "vpc", "v", "cidr", "10.0.0.0/16", "InvalidParameterValue", "10.1.0.0/16", "InvalidParameterValue" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_document_ struct document d = { 0 };
		struct err e = { 0 };
		struct edit again = { EDIT_SET, rows[i].kind, rows[i].name, rows[i].key, rows[i].there };
		struct edit never = { EDIT_UNSET, rows[i].kind, rows[i].name, rows[i].key, rows[i].absent };

		parse(text, &d);
		assert_int_equal(document_edit(&d, &again, &e), -EEXIST);
		assert_string_equal(e.aws, rows[i].exists);
		assert_int_equal(document_edit(&d, &never, &e), -ENOENT);
		assert_string_equal(e.aws, rows[i].missing);
	}
}

/* A gateway's table and a VPC's main one are in use by their own lines: semantics 2.1, 18.4. */
static void tables_in_use_stay(void **state)
{
	static const char *const keys[] = { "edge", "main" };
	_cleanup_document_ struct document d = { 0 };

	(void)state;
	parse("[route-table edge]\nvpc = v\nedge = igw:gw\n\n[route-table main]\nvpc = v\nmain = yes\n\n"
	      "[route-table other]\nvpc = v\nmain = no\n",
	      &d);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct err e = { 0 };
		struct edit gone = { EDIT_DELETE, "route-table", keys[i], NULL, NULL };

		assert_int_equal(document_edit(&d, &gone, &e), -EINVAL);
		assert_string_equal(e.aws, "DependencyViolation");
		assert_int_equal(edit(&d, EDIT_UNSET, "route-table", keys[i], keys[i], NULL), 0);
		assert_int_equal(document_edit(&d, &gone, &e), 0);
	}
	assert_int_equal(edit(&d, EDIT_DELETE, "route-table", "other", NULL, NULL), 0);
}

/* A file applied again: its own lines come from it, what the API added stays. */
static void merge_keeps_what_the_api_made(void **state)
{
	_cleanup_document_ struct document base = { 0 }, file = { 0 }, m = { 0 };

	(void)state;
	parse(base_text, &base);
	assert_int_equal(edit(&base, EDIT_SET, "security-group", "web", "inbound", "tcp 443 from 0.0.0.0/0"), 0);
	assert_int_equal(edit(&base, EDIT_SET, "security-group", "web", "inbound", "tcp 8080 from 0.0.0.0/0"), 0);
	assert_int_equal(edit(&base, EDIT_SET, "instance", "i", "subnet", "by-api"), 0);
	assert_int_equal(edit(&base, EDIT_SET, "instance", "i", "source-dest-check", "no"), 0);
	assert_int_equal(edit(&base, EDIT_CREATE, "instance", "api-1", NULL, NULL), 0);
	assert_int_equal(edit(&base, EDIT_SET, "instance", "api-1", "subnet", "s"), 0);
	assert_int_equal(edit(&base, EDIT_SET, "vpc", "v", "cidr", "10.9.0.0/16"), 0);
	parse("[security-group web]\nvpc = v\ninbound = tcp 443 from 0.0.0.0/0\n\n[instance i]\nsubnet = from-file\n",
	      &file);
	document_merge_file(&base, &file, &m);
	/* The vpc is gone from the file, and takes along what the API had added to it. */
	assert_format(&m, "[security-group web]\nvpc = v\ninbound = tcp 443 from 0.0.0.0/0\n"
			  "inbound = tcp 8080 from 0.0.0.0/0\n\n"
			  "[instance i]\nsubnet = from-file\nsource-dest-check = no\n\n"
			  "[instance api-1]\nsubnet = s\n");
	assert_int_equal(m.sections[0].entries[1].origin, ORIGIN_FILE);
	assert_int_equal(m.sections[0].entries[2].origin, ORIGIN_API);
	assert_int_equal(m.sections[2].origin, ORIGIN_API);
	assert_ptr_equal(m.sections[0].loc.file, m.file);
}

static void merge_of_the_same_file_changes_nothing(void **state)
{
	_cleanup_document_ struct document base = { 0 }, m = { 0 };
	_cleanup_free_ char *a = NULL, *b = NULL;

	(void)state;
	parse(base_text, &base);
	document_merge_file(&base, &base, &m);
	a = document_dump(&base);
	b = document_dump(&m);
	assert_string_equal(a, b);
}

/* A route whose target is deleted stays, and says that its target is gone. */
static void deleted_targets_are_remembered(void **state)
{
	_cleanup_document_ struct document d = { 0 };

	(void)state;
	parse("[nat-gateway n]\nsubnet = s\n\n[instance n2]\nsubnet = s\n\n[route-table t]\nvpc = v\n"
	      "route = 0.0.0.0/0 via nat:n\nroute = 10.9.0.0/16 via nat:n\nroute = 10.8.0.0/16 via eni:n2\n",
	      &d);
	assert_int_equal(edit(&d, EDIT_DELETE, "nat-gateway", "n", NULL, NULL), 0);
	assert_int_equal(edit(&d, EDIT_DELETE, "instance", "n2", NULL, NULL), 0);
	assert_format(&d, "[route-table t]\nvpc = v\n"
			  "route = 0.0.0.0/0 via nat:n\nroute = 10.9.0.0/16 via nat:n\nroute = 10.8.0.0/16 via eni:n2\n"
			  "gone = nat:n\ngone = eni:n2\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(format_is_what_was_read),
		cmocka_unit_test(copies_are_whole),
		cmocka_unit_test(copies_change_alone),
		cmocka_unit_test(dump_and_load),
		cmocka_unit_test(load_refuses_broken_state),
		cmocka_unit_test(edits_lines_and_scalars),
		cmocka_unit_test(edits_repeat_auto),
		cmocka_unit_test(edits_are_refused),
		cmocka_unit_test(lines_have_codes),
		cmocka_unit_test(tables_in_use_stay),
		cmocka_unit_test(merge_keeps_what_the_api_made),
		cmocka_unit_test(merge_of_the_same_file_changes_nothing),
		cmocka_unit_test(deleted_targets_are_remembered),
	};

	return cmocka_run_group_tests_name("document", tests, NULL, NULL);
}
