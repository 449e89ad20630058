/* test_flow.c: FLOW texts: who sends, to which address, and every mistake in words. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "conf/build.h"
#include "model/flow.h"
#include "test.h"
#include "util/mem.h"

static const char topology[] =
	"[vpc a]\ncidr = 10.0.0.0/16\n[vpc b]\ncidr = 10.0.0.0/16\n"
	"[internet-gateway ia]\nvpc = a\n"
	"[route-table main]\nvpc = a\nmain = yes\nroute = 0.0.0.0/0 via igw:ia\n"
	"[subnet a1]\nvpc = a\ncidr = 10.0.1.0/24\n[subnet b1]\nvpc = b\ncidr = 10.0.1.0/24\n"
	"[nat-gateway gate]\nsubnet = a1\naddress = 10.0.1.9\npublic-ip = 203.0.113.9\n"
	"[instance web]\nsubnet = a1\naddress = 10.0.1.10\naddress = 10.0.1.11\npublic-ip = 203.0.113.1\n"
	"[instance db]\nsubnet = a1\naddress = 10.0.1.20\n"
	"[instance far]\nsubnet = b1\naddress = 10.0.1.10\n"
	"[host laptop]\naddress = 198.51.100.7\n";

static struct model *load(void)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	struct model *m = NULL;

	if (model_from_text(topology, strlen(topology), "t.ini", &m, &diags) < 0)
		for (size_t i = 0; i < diags.n; i++)
			print_error("%s\n", diags.v[i].message);
	assert_non_null(m);
	return m;
}

static void flows_are_read(void **state)
{
	static const struct {
		const char *text, *src, *dst; /* addresses */
		unsigned proto, sport, dport, type, code;
		bool no_public;
		const char *again; /* of flow_format; NULL: as text */
	} cases[] = {
		{ "laptop -> web tcp/443", "198.51.100.7", "203.0.113.1", 6, 40000, 443, 0, 0, false, NULL },
		{ "db -> web tcp/443", "10.0.1.20", "10.0.1.10", 6, 40000, 443, 0, 0, false, NULL },
		{ "db:5000 -> web udp/53", "10.0.1.20", "10.0.1.10", 17, 5000, 53, 0, 0, false, NULL },
		{ "  db:65535   ->  web@public  tcp/1 ", "10.0.1.20", "203.0.113.1", 6, 65535, 1, 0, 0, false,
		  "db:65535 -> web@public tcp/1" },
		{ "db -> web@10.0.1.11 tcp/65535", "10.0.1.20", "10.0.1.11", 6, 40000, 65535, 0, 0, false, NULL },
		{ "db -> web@203.0.113.1 icmp", "10.0.1.20", "203.0.113.1", 1, 40000, 0, 8, 0, false, NULL },
		{ "laptop -> db tcp/22", "198.51.100.7", "10.0.1.20", 6, 40000, 22, 0, 0, true, NULL },
		{ "web -> db@public tcp/22", "10.0.1.10", "10.0.1.20", 6, 40000, 22, 0, 0, true, NULL },
		{ "far -> web tcp/22", "10.0.1.10", "203.0.113.1", 6, 40000, 22, 0, 0, false, NULL },
		{ "web -> far tcp/22", "10.0.1.10", "10.0.1.10", 6, 40000, 22, 0, 0, true, NULL },
		{ "web -> laptop icmp/3.4", "10.0.1.10", "198.51.100.7", 1, 40000, 0, 3, 4, false, NULL },
		{ "web -> laptop icmp/echo-request", "10.0.1.10", "198.51.100.7", 1, 40000, 0, 8, 0, false,
		  "web -> laptop icmp" },
		{ "web -> laptop icmp/0", "10.0.1.10", "198.51.100.7", 1, 40000, 0, 0, 0, false,
		  "web -> laptop icmp/0.0" },
		{ "web -> laptop 47", "10.0.1.10", "198.51.100.7", 47, 40000, 0, 0, 0, false, NULL },
		{ "web@10.0.1.11:77 -> laptop tcp/80", "10.0.1.11", "198.51.100.7", 6, 77, 80, 0, 0, false, NULL },
		{ "web@10.9.9.9 -> db tcp/80", "10.9.9.9", "10.0.1.20", 6, 40000, 80, 0, 0, false, NULL },
		{ "203.0.113.1 -> laptop tcp/80", "10.0.1.10", "198.51.100.7", 6, 40000, 80, 0, 0, false, NULL },
		{ "10.0.1.20 -> 192.0.2.1 tcp/80", "10.0.1.20", "192.0.2.1", 6, 40000, 80, 0, 0, false, NULL },
		{ "192.0.2.1 -> web tcp/80", "192.0.2.1", "203.0.113.1", 6, 40000, 80, 0, 0, false, NULL },
		/* What stands in another VPC, too, is the sender's own neighbour. */
		{ "db -> 10.0.1.10 tcp/80", "10.0.1.20", "10.0.1.10", 6, 40000, 80, 0, 0, false, NULL },
		{ "laptop -> 10.0.1.10 tcp/80", "198.51.100.7", "10.0.1.10", 6, 40000, 80, 0, 0, false, NULL },
		{ "laptop -> gate tcp/80", "198.51.100.7", "203.0.113.9", 6, 40000, 80, 0, 0, false, NULL },
		{ "laptop -> 198.51.100.7 tcp/80", "198.51.100.7", "198.51.100.7", 6, 40000, 80, 0, 0, false, NULL },
	};
	_cleanup_model_ struct model *m = load();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char src[ADDR_STRLEN], dst[ADDR_STRLEN], again[160];
		struct err e = { 0 };
		struct flow f;

		if (flow_parse(m, cases[i].text, &f, &e) < 0)
			fail_msg("%s: %s", cases[i].text, e.msg);
		assert_string_equal(addr_format(&f.src.addr, src), cases[i].src);
		assert_string_equal(addr_format(&f.dst_addr, dst), cases[i].dst);
		assert_int_equal(f.proto, cases[i].proto);
		assert_int_equal(f.sport, cases[i].sport);
		assert_int_equal(f.dport, cases[i].dport);
		assert_int_equal(f.icmp_type, cases[i].type);
		assert_int_equal(f.icmp_code, cases[i].code);
		assert_int_equal(f.no_public, cases[i].no_public);
		assert_string_equal(flow_format(&f, again, sizeof(again)),
				    cases[i].again ? cases[i].again : cases[i].text);
	}
}

static void ends_are_found(void **state)
{
	_cleanup_model_ struct model *m = load();
	struct err e = { 0 };
	struct flow f;

	(void)state;
	assert_int_equal(flow_parse(m, "laptop -> web tcp/1", &f, &e), 0);
	assert_int_equal(f.src.kind, END_HOST);
	assert_int_equal(f.src.port, m->hosts[f.src.index].port);
	assert_int_equal(f.dst.kind, END_ENI);
	assert_int_equal(f.dst.port, m->enis[f.dst.index].obj.number);
	assert_int_equal(flow_parse(m, "192.0.2.9 -> 192.0.2.10 tcp/1", &f, &e), 0);
	assert_int_equal(f.src.kind, END_ADDRESS);
	assert_int_equal(f.src.port, 0);
	assert_int_equal(f.dst.kind, END_ADDRESS);
	assert_true(f.dst.index == NONE);
	assert_int_equal(flow_parse(m, "laptop -> 203.0.113.1 tcp/1", &f, &e), 0);
	assert_int_equal(f.dst.kind, END_ENI);
	assert_string_equal(m->enis[f.dst.index].obj.name, "web");
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *words; /* must stand in the message */
	} cases[] = {
		{ "", -EINVAL, "the flow is empty" },
		{ "web", -EINVAL, "\"->\" is wanted after web" },
		{ "web db tcp/1", -EINVAL, "\"->\" is wanted after web" },
		{ "web ->", -EINVAL, "no destination" },
		{ "web -> db", -EINVAL, "no protocol" },
		{ "web -> db tcp/1 2", -EINVAL, "what is \"2\"" },
		{ "wep -> db tcp/1", -ENOENT, "did you mean web?" },
		{ "web -> laptob tcp/1", -ENOENT, "did you mean laptop?" },
		{ "web -> qqqqqqqq tcp/1", -ENOENT, "it is no address" },
		{ "web:0 -> db tcp/1", -EINVAL, "source port" },
		{ "web:65536 -> db tcp/1", -EINVAL, "source port" },
		{ "web:x -> db tcp/1", -EINVAL, "source port" },
		{ "web@ -> db tcp/1", -EINVAL, "NAME@public" },
		{ "@public -> db tcp/1", -EINVAL, "NAME@public" },
		{ "web@public -> db tcp/1", -EINVAL, "sends from an address" },
		{ "web -> db@10.0.1.99 tcp/1", -ENOENT, "db has no address 10.0.1.99" },
		{ "web -> db@nonsense tcp/1", -EINVAL, "\"public\" or one of its addresses" },
		{ "web -> laptop@192.0.2.1 tcp/1", -EINVAL, "only one address" },
		{ "web -> 10.0.1.20@public tcp/1", -EINVAL, "is an address already" },
		{ "10.0.1.10 -> laptop tcp/1", -EINVAL, "write the name instead" },
		{ "web -> db tcp", -EINVAL, "needs a destination port" },
		{ "web -> db udp", -EINVAL, "needs a destination port" },
		{ "web -> db tcp/0", -EINVAL, "from 1 to 65535" },
		{ "web -> db tcp/65536", -EINVAL, "from 1 to 65535" },
		{ "web -> db tcp/", -EINVAL, "from 1 to 65535" },
		{ "web -> db tcp/http", -EINVAL, "from 1 to 65535" },
		{ "web -> db tpc/1", -EINVAL, "\"tpc\" is not known" },
		{ "web -> db all", -EINVAL, "not known" },
		{ "web -> db 256", -EINVAL, "not known" },
		{ "web -> db 47/1", -EINVAL, "has no ports" },
		{ "web -> db icmp/", -EINVAL, "no ICMP type" },
		{ "web -> db icmp/300", -EINVAL, "no ICMP type" },
		{ "web -> db icmp/8.300", -EINVAL, "no ICMP type" },
		{ "web -> db icmpv6", -EINVAL, "not carried" },
	};
	_cleanup_model_ struct model *m = load();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct flow f;
		struct err e = { 0 };
		int r;

		memset(&f, 0x5a, sizeof(f));
		r = flow_parse(m, cases[i].text, &f, &e);
		if (r != cases[i].code || !strstr(e.msg, cases[i].words))
			fail_msg("\"%s\": %d, \"%s\"", cases[i].text, r, e.msg);
		assert_int_equal(((unsigned char *)&f)[0], 0x5a); /* untouched */
	}
}

/* Words of any length and kind: an answer or an error, nothing else. */
static void nonsense_is_refused(void **state)
{
	static const char alphabet[] = "webdb->:@./0123456789 tcpudmi\t\xc3";
	_cleanup_model_ struct model *m = load();
	uint32_t seed = 1;

	(void)state;
	for (int n = 0; n < 20000; n++) {
		char text[300];
		size_t len;
		struct flow f;
		struct err e = { 0 };

		seed = seed * 1664525u + 1013904223u;
		len = (seed >> 16) % sizeof(text);
		for (size_t i = 0; i < len; i++) {
			seed = seed * 1664525u + 1013904223u;
			text[i] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		text[len ? len - 1 : 0] = '\0';
		if (flow_parse(m, text, &f, &e) < 0)
			assert_true(e.msg[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_are_read),
		cmocka_unit_test(ends_are_found),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(nonsense_is_refused),
	};

	return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}
