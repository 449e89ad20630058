/* expect.h: does an answer (of the walk or of real packets) hold what an [expect] line says? Pure. */
#pragma once
#include "path/walk.h"

/* An answer in words, whoever gave it. leg, gate, object, reason: of the denial; object may be NULL. rule: what
 * denied, or the last rule that let the request in; NULL = none; file and line: where it stands, or the gate that denied
 * without one; or NULL and 0. */
struct answer {
	bool allow;
	const char *leg, *gate, *object, *reason; /* of a denial */
	const char *rule_gate, *rule, *file;      /* what decided, of either */
	uint32_t line;
};
void answer_of_walk(const struct walk *w, struct answer *ret);
/* "allow" or "deny at return:nacl-out@edge". Returns buf. */
char *answer_format(const struct answer *a, char *buf, size_t size);
/* The same and the rule: "allow by sg-in: rule \"…\" FILE:LINE". Returns buf. */
char *answer_format_rule(const struct answer *a, char *buf, size_t size);
/* Reasons do not count; rules do, where both are named. */
bool answer_eq(const struct answer *a, const struct answer *b);

/* What a packet met against what the walk says of its flow. by_state: an older connection let it pass. */
enum agreement {
	ANSWERS_AGREE,
	ANSWERS_BY_LUCK, /* only some ports of a NAT gateway get through: this packet's did, or did not, as the walk says */
	ANSWERS_BY_STATE, /* it shows nothing of the rules that the walk asks */
	ANSWERS_DIFFER,
};
enum agreement answers_compare(const struct answer *packet, bool by_state, const struct answer *walk);
/* "allow" or "deny at nacl-in@edge", as the line wants it. Returns buf. */
char *expect_format(const struct expect *x, char *buf, size_t size);
/* A place without "return:" means the forward leg. */
bool expect_holds(const struct expect *x, const struct answer *a);
/* The three words of a FLOW text: cuts text (modified) into SRC, DST and PROTO. False: not a flow. */
bool flow_words(char *text, char **src, char **dst, char **proto);
