/* answer.h: what a set of rules answers, taken ahead of time: for each protocol and port the rank of
 * the rule that decides. Answers of two sets join to the answer of both (the lower rank wins). Pure. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "filters/compile.h"
#include "filters/flat.h"

enum { F4, F6, F_MAX };                                /* families as indexes */
enum core { CORE_TCP, CORE_UDP, CORE_ICMP, CORE_MAX }; /* protocols whose ports have tables */

/* The rules by rank, and the other protocols that some of them name. */
struct answer_space {
	const struct compile_rule **ranked; /* borrowed */
	uint8_t named[F_MAX][256];
	unsigned n_named[F_MAX];
	struct seg *painted; /* scratch */
	size_t cap_painted;
};
struct answer {
	struct segs core[CORE_MAX];
	uint32_t *named; /* by index into space.named[family]; complete */
	uint32_t other;  /* every protocol that has no answer of its own */
};

void answer_space_init(struct answer_space *s, const struct compile_rule **ranked, uint32_t n);
void answer_space_done(struct answer_space *s);
uint8_t core_proto(int family, enum core core);

/* Of the rules with these ranks (ascending), as if they were all there is. ret is zeroed or reused. */
void answer_of_ranks(struct answer_space *s, int family, const uint32_t *ranks, size_t n, struct answer *ret);
void answer_min(const struct answer_space *s, int family, struct answer *ret, const struct answer *a,
		const struct answer *b);
void answer_done(struct answer *a);

/* 128 bits of a good, not cryptographic, hash: h is the state. */
void hash_add(uint64_t h[2], const void *p, size_t n);
void answer_hash(const struct answer_space *s, int family, const struct answer *a, uint64_t h[2]);
