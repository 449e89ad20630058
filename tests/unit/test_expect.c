/* test_expect.c: answers against answers: what a packet met, and what the walk says of its flow. */
#include <stdio.h>
#include "path/expect.h"
#include "test.h"
#include "util/mem.h"

#define ALLOW .allow = true
#define DENY(at_leg, at_gate, at_object) .leg = at_leg, .gate = at_gate, .object = at_object
#define RULE(at, text, n) .rule_gate = at, .rule = text, .file = "lab.ini", .line = n

static void packets_against_the_walk(void **state)
{
	static const struct {
		const char *what;
		struct answer packet, walk;
		bool by_state;
		enum agreement want;
	} cases[] = {
		{ "both allow", { ALLOW }, { ALLOW }, false, ANSWERS_AGREE },
		{ "by the same rule",
		  { ALLOW, RULE("sg-in", "tcp 80 from sg:x", 7) },
		  { ALLOW, RULE("sg-in", "tcp 80 from sg:x", 7) },
		  false,
		  ANSWERS_AGREE },
		{ "the packet's rule was not heard of",
		  { ALLOW },
		  { ALLOW, RULE("sg-in", "tcp 80 from sg:x", 7) },
		  false,
		  ANSWERS_AGREE },
		{ "by another rule",
		  { ALLOW, RULE("sg-in", "tcp 80 from sg:x", 7) },
		  { ALLOW, RULE("sg-in", "tcp 80 from sg:x", 8) },
		  false,
		  ANSWERS_DIFFER },
		{ "at one gate",
		  { DENY("forward", "sg-in", "b") },
		  { DENY("forward", "sg-in", "b") },
		  false,
		  ANSWERS_AGREE },
		{ "on the other leg",
		  { DENY("return", "nacl-in", "n") },
		  { DENY("forward", "nacl-in", "n") },
		  false,
		  ANSWERS_DIFFER },
		{ "at another gate",
		  { DENY("forward", "sg-in", "b") },
		  { DENY("forward", "sg-out", "b") },
		  false,
		  ANSWERS_DIFFER },
		{ "of another object",
		  { DENY("forward", "route", "a") },
		  { DENY("forward", "route", "b") },
		  false,
		  ANSWERS_DIFFER },
		{ "the packet passed", { ALLOW }, { DENY("forward", "sg-in", "b") }, false, ANSWERS_DIFFER },
		{ "nobody saw where it died", { .gate = NULL }, { ALLOW }, false, ANSWERS_DIFFER },
		{ "an older connection let it pass",
		  { ALLOW },
		  { DENY("forward", "sg-in", "b") },
		  true,
		  ANSWERS_BY_STATE },
		{ "an older connection, and the same answer", { ALLOW }, { ALLOW }, true, ANSWERS_AGREE },
		{ "a lucky port",
		  { ALLOW },
		  { DENY("return", "nacl-in", "n"), .reason = "REMAP_EPHEMERAL_PORT" },
		  false,
		  ANSWERS_BY_LUCK },
		{ "an unlucky port",
		  { DENY("return", "nacl-in", "n") },
		  { DENY("return", "nacl-in", "n"), .reason = "REMAP_EPHEMERAL_PORT" },
		  false,
		  ANSWERS_BY_LUCK },
		{ "no matter of luck: denied elsewhere",
		  { DENY("forward", "sg-out", "a") },
		  { DENY("return", "nacl-in", "n"), .reason = "REMAP_EPHEMERAL_PORT" },
		  false,
		  ANSWERS_DIFFER },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		enum agreement got = answers_compare(&cases[i].packet, cases[i].by_state, &cases[i].walk);

		if (got != cases[i].want)
			fail_msg("%s: %d, not %d", cases[i].what, got, cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_against_the_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
