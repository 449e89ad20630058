/* fuzz_rule.c: the rule parser. First byte: whose rule, which direction; the rest is its text.
 *
 *   what parses prints, and what was printed parses to the same rule and prints alike
 *   a rule alone always fits its tables
 *   what does not parse says why, and leaves the rule alone */
#include <string.h>
#include "filters/compile.h"
#include "filters/rule.h"
#include "tests/fuzz/fuzz.h"

enum { RULE_TEXT = 600 };

static void rule_check(const struct rule *r)
{
	const struct prefix everything[] = { { .family = FAMILY_V4 }, { .family = FAMILY_V6 } };
	struct compile_rule c = { .rule = r, .number = 7, .order = 1, .group = 3, .prefixes = everything };
	const uint32_t group = 3;
	const struct compile_members members = { .number = 9, .groups = &group, .n_groups = 1 };
	struct compile_ruleset in = {
		.name = "fuzz", .nacl = r->owner == RULE_OF_NACL, .table = 2, .star = 8, .rules = &c, .n_rules = 1
	};
	struct abi_ruleset rs;
	struct map_rows rows;
	struct err e = { 0 };

	c.n_prefixes = r->peer_kind == PEER_PREFIX_LIST ? 2 : 0;
	map_rows_init(&rows);
	FUZZ_CHECK(ruleset_compile(&in, &members, 1, &rows, &rs, &e) == 0);
	map_rows_sort(&rows);
	map_rows_done(&rows);
}

int fuzz_rule(const uint8_t *data, size_t n)
{
	struct rule a, b, untouched;
	char first[RULE_TEXT], second[RULE_TEXT], *text;
	struct err e = { 0 };
	enum rule_owner owner;
	enum rule_dir dir;

	if (!n)
		return 0;
	owner = data[0] & 1 ? RULE_OF_NACL : RULE_OF_GROUP;
	dir = data[0] & 2 ? RULE_OUT : RULE_IN;
	text = fuzz_text(data + 1, n - 1);
	memset(&a, 0xa5, sizeof(a));
	untouched = a;
	if (rule_parse(text, owner, dir, &a, &e) < 0) {
		FUZZ_CHECK(e.msg[0]);
		FUZZ_CHECK(memcmp(&a, &untouched, sizeof(a)) == 0);
	} else {
		rule_format(&a, first, sizeof(first));
		FUZZ_CHECK(rule_parse(first, owner, dir, &b, &e) == 0);
		FUZZ_CHECK(rule_eq(&a, &b));
		FUZZ_CHECK(strcmp(first, rule_format(&b, second, sizeof(second))) == 0);
		rule_check(&a);
	}
	free(text);
	return 0;
}
