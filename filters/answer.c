/* answer.c: rules into intervals of the port space, a protocol and family at a time. Pure: no syscalls. */
#include "filters/answer.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "filters/proto.h"
#include "util/mem.h"

static void make_room(const struct answer_space *s, struct answer *a);
static size_t rule_segs(const struct rule *r, uint32_t rank, struct seg *ret);
static uint64_t mix(uint64_t h, uint64_t w);

/* Named: every protocol but TCP, UDP and the family's own ICMP. */
void answer_space_init(struct answer_space *s, const struct compile_rule **ranked, uint32_t n)
{
	bool named[256] = { false };

	*s = (struct answer_space){ .ranked = ranked };
	for (uint32_t i = 0; i < n; i++)
		if (ranked[i]->rule->proto != RULE_PROTO_ALL)
			named[ranked[i]->rule->proto] = true;
	for (int f = 0; f < F_MAX; f++)
		for (unsigned p = 0; p < 256; p++)
			if (named[p] && p != PROTO_TCP && p != PROTO_UDP && p != core_proto(f, CORE_ICMP))
				s->named[f][s->n_named[f]++] = (uint8_t)p;
}

void answer_space_done(struct answer_space *s)
{
	free(s->painted);
	*s = (struct answer_space){ 0 };
}

uint8_t core_proto(int family, enum core core)
{
	static const uint8_t protos[F_MAX][CORE_MAX] = {
		[F4] = { PROTO_TCP, PROTO_UDP, PROTO_ICMP },
		[F6] = { PROTO_TCP, PROTO_UDP, PROTO_ICMP6 },
	};

	return protos[family][core];
}

void answer_of_ranks(struct answer_space *s, int family, const uint32_t *ranks, size_t n, struct answer *ret)
{
	make_room(s, ret);
	for (enum core core = 0; core < CORE_MAX; core++) {
		uint16_t proto = core_proto(family, core);
		size_t n_segs = 0;

		for (size_t i = 0; i < n; i++) {
			const struct rule *r = s->ranked[ranks[i]]->rule;

			if (r->proto != RULE_PROTO_ALL && r->proto != proto)
				continue;
			vec_reserve((void **)&s->painted, &s->cap_painted, n_segs + RULE_PORT_RANGES_MAX,
				    sizeof(*s->painted));
			n_segs += rule_segs(r, ranks[i], &s->painted[n_segs]);
		}
		segs_paint(&ret->core[core], s->painted, n_segs);
	}
	ret->other = RANK_NONE;
	for (size_t i = 0; i < n && ret->other == RANK_NONE; i++)
		if (s->ranked[ranks[i]]->rule->proto == RULE_PROTO_ALL)
			ret->other = ranks[i];
	for (unsigned k = 0; k < s->n_named[family]; k++) {
		ret->named[k] = ret->other;
		for (size_t i = 0; i < n && ranks[i] < ret->named[k]; i++)
			if (s->ranked[ranks[i]]->rule->proto == s->named[family][k])
				ret->named[k] = ranks[i];
	}
}

void answer_min(const struct answer_space *s, int family, struct answer *ret, const struct answer *a,
		const struct answer *b)
{
	make_room(s, ret);
	for (enum core core = 0; core < CORE_MAX; core++)
		segs_min(&ret->core[core], &a->core[core], &b->core[core]);
	for (unsigned i = 0; i < s->n_named[family]; i++)
		ret->named[i] = a->named[i] < b->named[i] ? a->named[i] : b->named[i];
	ret->other = a->other < b->other ? a->other : b->other;
}

void answer_done(struct answer *a)
{
	for (enum core core = 0; core < CORE_MAX; core++)
		segs_done(&a->core[core]);
	free(a->named);
	a->named = NULL;
}

void hash_add(uint64_t h[2], const void *p, size_t n)
{
	const uint8_t *b = p;

	h[0] = mix(h[0], n);
	for (size_t k; n; b += k, n -= k) {
		uint64_t w = 0;

		k = n < sizeof(w) ? n : sizeof(w);
		memcpy(&w, b, k);
		h[0] = mix(h[0], w);
		h[1] = mix(h[1] + w, h[0]);
	}
}

void answer_hash(const struct answer_space *s, int family, const struct answer *a, uint64_t h[2])
{
	for (enum core core = 0; core < CORE_MAX; core++)
		hash_add(h, a->core[core].v, a->core[core].n * sizeof(struct seg));
	hash_add(h, a->named, s->n_named[family] * sizeof(*a->named));
	hash_add(h, &a->other, sizeof(a->other));
}

static void make_room(const struct answer_space *s, struct answer *a)
{
	if (!a->named)
		a->named = xcalloc(s->n_named[F4] + s->n_named[F6], sizeof(*a->named));
}

/* Where a rule matches in the port space of its own protocol: ports, or type << 8 | code. */
static size_t rule_segs(const struct rule *r, uint32_t rank, struct seg *ret)
{
	unsigned first = 0, last = UINT16_MAX;

	if ((r->proto == PROTO_TCP || r->proto == PROTO_UDP) && r->n_ports) {
		for (unsigned i = 0; i < r->n_ports; i++)
			ret[i] = (struct seg){ rank, r->ports[i].lo, r->ports[i].hi };
		return r->n_ports;
	}
	if (proto_is_icmp(r->proto) && r->icmp_type >= 0) {
		first = (unsigned)r->icmp_type << 8 | (r->icmp_code < 0 ? 0 : (unsigned)r->icmp_code);
		last = (unsigned)r->icmp_type << 8 | (r->icmp_code < 0 ? UINT8_MAX : (unsigned)r->icmp_code);
	}
	ret[0] = (struct seg){ rank, (uint16_t)first, (uint16_t)last };
	return 1;
}

static uint64_t mix(uint64_t h, uint64_t w)
{
	h = (h ^ w) * UINT64_C(0x9fb21c651e98df25);
	return h ^ h >> 28 ^ h >> 47;
}
