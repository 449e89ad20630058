/* compile.c: the rules of one direction of one gate become the tables that match.h reads.
 * Pure: no syscalls.
 *
 * Rules are ranked by their order; the lowest rank that matches decides. Everything below is the
 * pointwise minimum of ranks, taken ahead of time; a class is intervals of points (flat.h) written as a
 * tree (tree.h).
 *
 *   everything         0.0.0.0/0 and ::/0 have a class of their own a family, in the slot. It is never folded into
 *                      others: a packet looks at both.
 *   prefixes           Each distinct narrower prefix is a node of a tree (parent = the next wider prefix that
 *                      holds it). Its class is the minimum of its own rules and its parent's, so the most
 *                      specific prefix speaks for all that contain it. Nodes that say the same share a class:
 *                      a prefix list of 1,000 entries is one class.
 *   anchors            Where that would write much again and again, it stops: an anchor is a prefix whose class is
 *                      not folded into those below it but stands beside theirs, as their base. An anchor below
 *                      an anchor holds all that is above it, so one base is enough.
 *   groups             Each set of groups that may be a peer and that some rule names has a class a
 *                      family, looked up beside the address's.
 *
 * Untracked flows (semantics 5.3): AWS asks whether a permitting rule has everything as its peer, which is whether
 * the class for everything matches, not which of several rules came first; and whether the other direction lets
 * all answers to everything out. The latter is said by flags of the ruleset.
 *
 * Work and memory follow the size of the output, which is bounded; what does not fit is an error
 * that names the rule that costs most. */
#include "filters/compile.h"
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "filters/flat.h"
#include "filters/proto.h"
#include "filters/tree.h"
#include "util/mem.h"
#include "util/radix.h"

enum { F4, F6, F_MAX };   /* families as indexes */
enum { DEPTH_MAX = 130 }; /* one prefix of each length, and the root */

#define ENTRIES_PER_PEER_OR_RANGE 16 /* design 5, the bound of table entries */
#define ENTRIES_BASE 4096
/* Intervals that prefixes below would repeat before an anchor is worth its second lookup. */
#define FOLD_MAX 256

struct pair { /* one rule at one prefix */
	struct prefix prefix;
	uint32_t rank;
};
struct node { /* one distinct prefix; nodes stand in tree order (parents first) */
	struct prefix prefix;
	uint32_t first, n; /* its pairs */
	uint32_t below;    /* how many nodes follow that lie in it */
	unsigned depth;
};
struct group_ref {
	uint32_t group, rank;
};
struct level {            /* of the way down from the root to the prefix at hand */
	struct segs own;  /* the rules from below the last anchor down to here */
	struct segs full; /* anchors only: all of them */
	int anchor;       /* level of the last anchor above, -1 = none */
	bool is_anchor;
	struct abi_peer peer;
};

struct compiler {
	const struct compile_ruleset *in;
	const struct compile_rule **ranked; /* by rank */
	struct abi_match *matches;          /* by rank */
	struct seg *lone[F_MAX];            /* by rank: the one interval of a rule; rank RANK_NONE: it has several */
	struct pair *pairs;                 /* by prefix, then rank */
	size_t n_pairs, cap_pairs;
	struct node *nodes;
	size_t n_nodes, cap_nodes;
	struct group_ref *refs; /* by group, then rank */
	size_t n_refs, cap_refs;

	struct map_rows *rows;
	struct trees trees;
	struct segs any[F_MAX];
	size_t n_peers[F_MAX]; /* rows written */
	size_t first_row, first_byte;
	size_t limit;
	uint64_t count_segs; /* intervals that may be looked at once it does not fit, for the sake of the message */
	bool over;           /* the limit: from here on entries are counted and nothing is written */
	uint32_t *cost;      /* entries by rank */

	struct level *path; /* [DEPTH_MAX] */
	struct segs scratch;
	struct seg *painted;
	size_t cap_painted;
	uint32_t *ranks; /* of one node or group set */
	size_t n_ranks, cap_ranks;
};

static void compiler_done(struct compiler *c);
static void rank_rules(struct compiler *c);
static void lone_segs(struct compiler *c, uint32_t rank);
static int ref_cmp(const void *a, const void *b);
static int u32_cmp(const void *a, const void *b);
static void collect_peers(struct compiler *c);
static void add_pair(struct compiler *c, const struct prefix *p, uint32_t rank);
static void sort_pairs(struct compiler *c);
static void build_nodes(struct compiler *c);
static void reserve_rows(struct compiler *c);
static uint32_t tracking_flags(const struct compile_ruleset *in);
static bool admits_all_answers(const struct compile_rule *r, int family, uint16_t proto);
static void set_limit(struct compiler *c, size_t n_member_sets);
static size_t count_member_sets(struct compiler *c, const struct compile_members *members, uint32_t n);
static bool member_ranks(struct compiler *c, const struct compile_members *m);
static void pair_ranks(struct compiler *c, uint32_t first, uint32_t n);
static void paint(struct compiler *c, int family, struct segs *ret);
static size_t rule_segs(const struct rule *r, int family, uint32_t rank, struct seg *ret);
static void write_prefixes(struct compiler *c);
static void write_prefix(struct compiler *c, const struct node *n);
static bool shall_be_anchor(const struct node *n, const struct level *l, const struct segs *above);
static void write_members(struct compiler *c, const struct compile_members *members, uint32_t n);
static void is_over(struct compiler *c);
static bool given_up(struct compiler *c);
static int too_big(struct compiler *c, struct err *e);
static int family_of(const struct prefix *p);

int ruleset_compile(const struct compile_ruleset *in, const struct compile_members *members, uint32_t n_members,
		    struct map_rows *rows, struct abi_ruleset *ret, struct err *e)
{
	struct compiler c __attribute__((cleanup(
		compiler_done))) = { .in = in, .rows = rows, .first_row = rows->n, .first_byte = rows->n_bytes };
	struct abi_ruleset rs = { .star = in->star };

	c.path = xcalloc(DEPTH_MAX, sizeof(*c.path));
	rank_rules(&c);
	trees_init(&c.trees, rows, c.matches, c.cost);
	collect_peers(&c);
	build_nodes(&c);
	reserve_rows(&c);
	set_limit(&c, count_member_sets(&c, members, n_members));
	for (int f = 0; f < F_MAX; f++)
		rs.any[f] = tree_write(&c.trees, &c.any[f]);
	write_prefixes(&c);
	if (c.n_refs)
		write_members(&c, members, n_members);
	is_over(&c);
	if (c.over)
		return too_big(&c, e);
	for (int f = 0; f < F_MAX; f++)
		rs.any[f] |= c.n_peers[f] ? ABI_ANY_NARROWER : 0;
	rs.flags = (in->n_rules ? 0 : ABI_RULESET_EMPTY) | (c.n_refs ? ABI_RULESET_GROUPS : 0) |
		   (in->nacl ? ABI_RULESET_NACL : 0) | tracking_flags(in);
	*ret = rs;
	return 0;
}

static void compiler_done(struct compiler *c)
{
	trees_done(&c->trees);
	for (unsigned i = 0; i < DEPTH_MAX; i++) {
		segs_done(&c->path[i].own);
		segs_done(&c->path[i].full);
	}
	for (int i = 0; i < F_MAX; i++) {
		segs_done(&c->any[i]);
		free(c->lone[i]);
	}
	segs_done(&c->scratch);
	free(c->path);
	free(c->ranked);
	free(c->matches);
	free(c->pairs);
	free(c->nodes);
	free(c->refs);
	free(c->cost);
	free(c->painted);
	free(c->ranks);
}

/* ---- what the rules name ---- */

static void rank_rules(struct compiler *c)
{
	uint32_t n = c->in->n_rules;
	_cleanup_free_ struct radix_item *by_order = xmalloc(2 * n * sizeof(*by_order));

	for (uint32_t i = 0; i < n; i++)
		by_order[i] = (struct radix_item){ c->in->rules[i].order, i };
	radix_sort(by_order, by_order + n, n); /* equal orders keep the order of the array */
	c->ranked = xmalloc(n * sizeof(struct compile_rule *));
	c->matches = xcalloc(n, sizeof(*c->matches));
	c->cost = xcalloc(n, sizeof(*c->cost));
	for (int f = 0; f < F_MAX; f++)
		c->lone[f] = xcalloc(n, sizeof(**c->lone));
	for (uint32_t i = 0; i < n; i++) {
		const struct compile_rule *r = &c->in->rules[by_order[i].index];

		c->ranked[i] = r;
		c->matches[i] = (struct abi_match){ r->order, r->number, r->rule->allow ? ABI_MATCH_ALLOW : 0 };
		lone_segs(c, i);
	}
}

/* Rules are large and prefixes come in another order than rules: what is asked of them for each prefix is kept
 * together. */
static void lone_segs(struct compiler *c, uint32_t rank)
{
	struct seg segs[RULE_PORT_RANGES_MAX];

	for (int f = 0; f < F_MAX; f++) {
		size_t n = rule_segs(c->ranked[rank]->rule, f, rank, segs);

		c->lone[f][rank] = n == 1 ? segs[0] : (struct seg){ RANK_NONE, 0, 0 };
	}
}

static void collect_peers(struct compiler *c)
{
	for (uint32_t rank = 0; rank < c->in->n_rules; rank++) {
		const struct compile_rule *r = c->ranked[rank];
		struct group_ref *ref;

		switch (r->rule->peer_kind) {
		case PEER_PREFIX: add_pair(c, &r->rule->peer, rank); break;
		case PEER_PREFIX_LIST:
			for (uint32_t i = 0; i < r->n_prefixes; i++)
				add_pair(c, &r->prefixes[i], rank);
			break;
		case PEER_GROUP:
			ref = VEC_PUSH(c->refs, c->n_refs, c->cap_refs);
			*ref = (struct group_ref){ r->group, rank };
			break;
		}
	}
	sort_pairs(c);
	if (c->n_refs)
		qsort(c->refs, c->n_refs, sizeof(*c->refs), ref_cmp);
}

static void add_pair(struct compiler *c, const struct prefix *p, uint32_t rank)
{
	struct pair *pair = VEC_PUSH(c->pairs, c->n_pairs, c->cap_pairs);

	*pair = (struct pair){ *p, rank };
}

/* By prefix_cmp, then rank: they came by rank. */
static void sort_pairs(struct compiler *c)
{
	enum { LEN, LOW, HIGH, FAMILY, WORDS };
	_cleanup_free_ struct radix_item *order = xmalloc(2 * c->n_pairs * sizeof(*order));
	_cleanup_free_ struct pair *pairs = c->pairs;

	for (size_t i = 0; i < c->n_pairs; i++)
		order[i].index = (uint32_t)i;
	for (int word = 0; word < WORDS; word++) {
		for (size_t i = 0; i < c->n_pairs; i++) {
			const struct prefix *p = &pairs[order[i].index].prefix;
			uint64_t half[2];

			memcpy(half, &p->addr, sizeof(half));
			order[i].word = word == LEN ? p->len : word == FAMILY ? p->family : be64toh(half[word == LOW]);
		}
		radix_sort(order, order + c->n_pairs, c->n_pairs);
	}
	c->pairs = xmalloc(c->n_pairs * sizeof(*pairs));
	c->cap_pairs = c->n_pairs;
	for (size_t i = 0; i < c->n_pairs; i++)
		c->pairs[i] = pairs[order[i].index];
}

static int ref_cmp(const void *a, const void *b)
{
	const struct group_ref *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return (x->rank > y->rank) - (x->rank < y->rank);
}

static int u32_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Everything into c->any, narrower prefixes into the tree. Prefixes in order of family, address and
 * length stand with the wider before what they hold. */
static void build_nodes(struct compiler *c)
{
	size_t path[DEPTH_MAX];
	unsigned depth = 0;

	for (size_t i = 0, end; i < c->n_pairs; i = end) {
		const struct prefix *p = &c->pairs[i].prefix;
		struct node *n;

		for (end = i + 1; end < c->n_pairs && prefix_cmp(p, &c->pairs[end].prefix) == 0;)
			end++;
		if (p->len == 0) {
			pair_ranks(c, (uint32_t)i, (uint32_t)(end - i));
			paint(c, family_of(p), &c->any[family_of(p)]);
			continue;
		}
		while (depth && !prefix_covers(&c->nodes[path[depth - 1]].prefix, p))
			depth--;
		for (unsigned k = 0; k < depth; k++)
			c->nodes[path[k]].below++;
		path[depth] = c->n_nodes;
		n = VEC_PUSH(c->nodes, c->n_nodes, c->cap_nodes);
		*n = (struct node){ .prefix = *p, .first = (uint32_t)i, .n = (uint32_t)(end - i), .depth = depth++ };
		assert(depth < DEPTH_MAX);
	}
}

/* Mostly a prefix is a row of its own, with a class of one node. */
static void reserve_rows(struct compiler *c)
{
	const struct abi_map_shape *peer = &abi_map_shapes[ABI_MAP_PEERS], *node = &abi_map_shapes[ABI_MAP_RULES];

	map_rows_reserve(c->rows, 2 * c->n_nodes,
			 c->n_nodes * ((size_t)peer->key_size + peer->value_size + node->key_size + node->value_size));
	trees_reserve(&c->trees, c->n_nodes);
}

static uint32_t tracking_flags(const struct compile_ruleset *in)
{
	static const struct {
		int family;
		uint16_t proto;
		uint32_t flag;
	} kinds[] = {
		{ F4, PROTO_TCP, ABI_RULESET_ANSWERS_TCP4 },
		{ F4, PROTO_UDP, ABI_RULESET_ANSWERS_UDP4 },
		{ F6, PROTO_TCP, ABI_RULESET_ANSWERS_TCP6 },
		{ F6, PROTO_UDP, ABI_RULESET_ANSWERS_UDP6 },
	};
	uint32_t flags = 0;

	if (in->nacl || !in->other)
		return 0;
	for (uint32_t i = 0; i < in->other->n_rules; i++)
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
			if (admits_all_answers(&in->other->rules[i], kinds[k].family, kinds[k].proto))
				flags |= kinds[k].flag;
	return flags;
}

static bool admits_all_answers(const struct compile_rule *r, int family, uint16_t proto)
{
	const struct rule *rule = r->rule;
	bool everything = false;

	if (rule->peer_kind == PEER_GROUP || (rule->peer_kind == PEER_PREFIX && rule->peer.len))
		return false;
	if (rule->proto != RULE_PROTO_ALL && rule->proto != proto)
		return false;
	if (rule->proto == proto && rule->n_ports && (rule->ports[0].lo != 0 || rule->ports[0].hi != UINT16_MAX))
		return false;
	if (rule->peer_kind == PEER_PREFIX)
		everything = rule->peer.len == 0 && family_of(&rule->peer) == family;
	for (uint32_t i = 0; rule->peer_kind == PEER_PREFIX_LIST && i < r->n_prefixes; i++)
		everything |= r->prefixes[i].len == 0 && family_of(&r->prefixes[i]) == family;
	return everything;
}

static void set_limit(struct compiler *c, size_t n_member_sets)
{
	size_t ranges = 0;

	for (uint32_t i = 0; i < c->in->n_rules; i++)
		ranges += c->in->rules[i].rule->n_ports > 1 ? c->in->rules[i].rule->n_ports : 1;
	c->limit = c->in->table_entries_max;
	if (!c->limit)
		c->limit = ENTRIES_PER_PEER_OR_RANGE * (c->n_nodes + n_member_sets + ranges) + ENTRIES_BASE;
}

/* Sets of groups of which some rule names at least one. */
static size_t count_member_sets(struct compiler *c, const struct compile_members *members, uint32_t n)
{
	size_t count = 0;

	for (uint32_t i = 0; c->n_refs && i < n; i++)
		count += member_ranks(c, &members[i]);
	return count;
}

/* The rules that name a group of the set, into c->ranks; false when there is none. */
static bool member_ranks(struct compiler *c, const struct compile_members *m)
{
	c->n_ranks = 0;
	for (uint32_t i = 0; i < m->n_groups; i++) {
		size_t lo = 0, hi = c->n_refs;

		while (lo < hi) {
			size_t mid = (lo + hi) / 2;

			if (c->refs[mid].group < m->groups[i])
				lo = mid + 1;
			else
				hi = mid;
		}
		for (; lo < c->n_refs && c->refs[lo].group == m->groups[i]; lo++)
			*VEC_PUSH(c->ranks, c->n_ranks, c->cap_ranks) = c->refs[lo].rank;
	}
	if (c->n_ranks > 1)
		qsort(c->ranks, c->n_ranks, sizeof(*c->ranks), u32_cmp);
	return c->n_ranks > 0;
}

static void pair_ranks(struct compiler *c, uint32_t first, uint32_t n)
{
	c->n_ranks = 0;
	for (uint32_t i = first; i < first + n; i++)
		*VEC_PUSH(c->ranks, c->n_ranks, c->cap_ranks) = c->pairs[i].rank;
}

/* ---- what they say ---- */

/* c->ranks (ascending), as if they were all there is. */
static void paint(struct compiler *c, int family, struct segs *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_ranks; i++) {
		const struct seg *lone = &c->lone[family][c->ranks[i]];

		vec_reserve((void **)&c->painted, &c->cap_painted, n + RULE_PORT_RANGES_MAX, sizeof(*c->painted));
		if (lone->rank != RANK_NONE)
			c->painted[n++] = *lone;
		else
			n += rule_segs(c->ranked[c->ranks[i]]->rule, family, c->ranks[i], &c->painted[n]);
	}
	segs_paint(ret, c->painted, n);
}

/* Where a rule matches. Ports count for TCP and UDP, types and codes for the family's own ICMP; elsewhere
 * a rule is for all of its protocol. */
static size_t rule_segs(const struct rule *r, int family, uint32_t rank, struct seg *ret)
{
	const uint32_t base = (uint32_t)r->proto << ABI_POINT_PORT_BITS;
	uint32_t first = 0, last = UINT16_MAX;

	if (r->proto == RULE_PROTO_ALL) {
		ret[0] = (struct seg){ rank, 0, ABI_POINT_MAX };
		return 1;
	}
	if ((r->proto == PROTO_TCP || r->proto == PROTO_UDP) && r->n_ports) {
		for (unsigned i = 0; i < r->n_ports; i++)
			ret[i] = (struct seg){ rank, base | r->ports[i].lo, base | r->ports[i].hi };
		return r->n_ports;
	}
	if (r->proto == (family == F4 ? PROTO_ICMP : PROTO_ICMP6) && r->icmp_type >= 0) {
		first = (uint32_t)r->icmp_type << 8 | (r->icmp_code < 0 ? 0 : (uint32_t)r->icmp_code);
		last = (uint32_t)r->icmp_type << 8 | (r->icmp_code < 0 ? UINT8_MAX : (uint32_t)r->icmp_code);
	}
	ret[0] = (struct seg){ rank, base | first, base | last };
	return 1;
}

/* ---- the tables ---- */

/* In tree order, with the way down from the root at hand. */
static void write_prefixes(struct compiler *c)
{
	for (size_t i = 0; i < c->n_nodes && !given_up(c); i++)
		write_prefix(c, &c->nodes[i]);
}

static void write_prefix(struct compiler *c, const struct node *n)
{
	struct level *l = &c->path[n->depth], *up = n->depth ? l - 1 : NULL;
	struct abi_lpm_key key = { .prefixlen = ABI_LPM_TABLE_BITS + prefix_len128(&n->prefix),
				   .table_hi = n->prefix.family == FAMILY_V4 ? 4 : 6,
				   .table_lo = c->in->table,
				   .addr = n->prefix.addr.a };
	const struct segs *above;
	int f = family_of(&n->prefix);

	l->anchor = !up ? -1 : up->is_anchor ? (int)n->depth - 1 : up->anchor;
	above = l->anchor < 0 ? NULL : &c->path[l->anchor].full;
	pair_ranks(c, n->first, n->n);
	if (up && !up->is_anchor) {
		paint(c, f, &c->scratch);
		segs_min(&l->own, &up->own, &c->scratch);
	} else {
		paint(c, f, &l->own);
	}
	l->is_anchor = shall_be_anchor(n, l, above);
	l->peer = (struct abi_peer){ .any = ABI_ANY_OF_SLOT };
	if (l->is_anchor) {
		segs_min(&l->full, &l->own, above ? above : &(struct segs){ 0 });
		l->peer.class = tree_write(&c->trees, &l->full);
	} else {
		l->peer.class = tree_write(&c->trees, &l->own);
		l->peer.base = above ? c->path[l->anchor].peer.class : 0;
	}
	/* Rules that change nothing here need no row: the wider prefix answers. */
	if ((up && memcmp(&up->peer, &l->peer, sizeof(l->peer)) == 0) || c->over)
		return;
	map_rows_add(c->rows, ABI_MAP_PEERS, &key, &l->peer);
	c->n_peers[f]++;
}

/* What the prefixes below would repeat, against what an anchor repeats of the one above it. */
static bool shall_be_anchor(const struct node *n, const struct level *l, const struct segs *above)
{
	size_t full = l->own.n + (above ? above->n : 0);

	return l->own.n * n->below > (full > FOLD_MAX ? full : FOLD_MAX);
}

static void write_members(struct compiler *c, const struct compile_members *members, uint32_t n)
{
	for (uint32_t i = 0; i < n && !given_up(c); i++) {
		struct abi_member_key key = { .table = c->in->table, .members = members[i].number };
		struct abi_member member;

		if (!member_ranks(c, &members[i]))
			continue;
		for (int f = 0; f < F_MAX; f++) {
			paint(c, f, &c->scratch);
			member.class[f] = tree_write(&c->trees, &c->scratch);
		}
		if (!c->over)
			map_rows_add(c->rows, ABI_MAP_MEMBERS, &key, &member);
	}
}

/* What was written goes as soon as it is too much. */
static void is_over(struct compiler *c)
{
	if (c->over || c->trees.n_entries <= c->limit)
		return;
	c->over = c->trees.count_only = true;
	c->trees.n_segs = 0;
	c->count_segs = c->in->count_segs ? *c->in->count_segs : COMPILE_COUNT_SEGS;
	c->rows->n = c->first_row;
	c->rows->n_bytes = c->first_byte;
}

/* What is over the limit is counted on, for the sake of the message, as long as that takes no time to speak of. */
static bool given_up(struct compiler *c)
{
	is_over(c);
	return c->over && c->trees.n_segs > c->count_segs;
}

static int too_big(struct compiler *c, struct err *e)
{
	const bool more = given_up(c);
	uint32_t worst = 0;
	const struct compile_rule *r;
	char text[160];

	for (uint32_t i = 1; i < c->in->n_rules; i++)
		if (c->cost[i] > c->cost[worst])
			worst = i;
	if (c->in->count_segs)
		*c->in->count_segs = more ? 0 : *c->in->count_segs - c->trees.n_segs;
	r = c->ranked[worst];
	err_set_aws(e, -E2BIG, "RuleTableLimitExceeded",
		    "%s: table rules needs %s%zu entries, the limit is %zu; rule `%s`%s%s costs most, %u of them",
		    c->in->name, more ? "more than " : "", c->trees.n_entries, c->limit,
		    rule_format(r->rule, text, sizeof(text)), r->owner ? " of " : "", r->owner ? r->owner : "",
		    c->cost[worst]);
	if (e)
		e->loc = r->loc;
	return -E2BIG;
}

static int family_of(const struct prefix *p)
{
	return p->family == FAMILY_V4 ? F4 : F6;
}
