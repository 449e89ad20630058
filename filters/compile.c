/* compile.c: the rules of one direction of one gate become the tables that match.h reads.
 * Pure: no syscalls.
 *
 * Rules are ranked by their order; the lowest rank that matches decides. Everything below is the
 * pointwise minimum of ranks, taken ahead of time:
 *
 *   peer -> class      Each distinct prefix narrower than everything is a node of a tree (parent =
 *                      the next wider prefix that holds it). A node's answer (struct answer) is
 *                      the minimum of its own rules and its parent's, so the most specific prefix
 *                      speaks for all that contain it. Nodes with equal answers share a class: a
 *                      prefix list of 1,000 entries is one class.
 *   class -> table     For TCP, UDP and ICMP the port space in intervals, written as prefixes
 *                      (flat.c); for every other protocol one row, or one for all of them.
 *   everything         0.0.0.0/0 and ::/0 are class 1. Its answer is folded into every other class
 *                      of the family, unless that does not fit (ABI_RULESET_ANY_SPLIT: match.h
 *                      looks at both).
 *   groups             Each set of groups that may be a peer and that some rule names has a class
 *                      of its own for both families, looked up beside the address's class.
 *
 * Untracked flows (semantics 5.3) are decided here too. ABI_MATCH_UNTRACKED stands on each TCP or
 * UDP entry of a group ruleset at whose port some rule for everything matches, whichever rule the
 * entry names: AWS asks whether a permitting rule has everything as its peer, not which of several
 * permitting rules came first. The other half is a property of the whole family and protocol: in
 * the other direction one rule permits all ports of it to everything.
 *
 * Work and memory follow the size of the output, which is bounded; what does not fit is an error
 * that names the rule that costs most. */
#include "filters/compile.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "filters/answer.h"
#include "util/mem.h"

enum { DEPTH_MAX = 130 }; /* one prefix of each length, and the root */

#define ENTRIES_PER_PEER_OR_RANGE 16 /* design 5, the bound of table entries */
#define ENTRIES_BASE 4096
#define FOLD_ESTIMATE_SLACK 4 /* folding is not even tried when a rough estimate is so far beyond */
#define COUNT_ON 4            /* how far beyond the limit entries are counted, for the message */
#define CLASSES_MIN 64
#define V4_MAPPED_BITS 96

struct pair { /* one rule at one prefix */
	struct prefix prefix;
	uint32_t rank;
};
struct node { /* one distinct prefix; nodes stand in tree order (parents first) */
	struct prefix prefix;
	uint32_t first, n; /* its pairs */
	unsigned depth;
};
struct group_ref {
	uint32_t group, rank;
};
struct class_id { /* class by content, open addressing */
	uint64_t hash[2];
	uint32_t class; /* 0 = free */
};

struct compiler {
	const struct compile_ruleset *in;
	const struct compile_rule **ranked; /* by rank */
	struct pair *pairs;                 /* by prefix, then rank */
	size_t n_pairs, cap_pairs;
	struct node *nodes;
	size_t n_nodes, cap_nodes;
	struct group_ref *refs; /* by group, then rank */
	size_t n_refs, cap_refs;
	struct answer_space space;
	struct answer any[F_MAX];
	bool untracked[F_MAX][CORE_MAX]; /* the other direction lets all answers out */
	bool split;

	struct map_rows *rows;
	struct class_id *classes;
	size_t cap_classes;
	uint32_t n_classes; /* the next one's number */
	uint32_t n_peer_rows;
	size_t entries, limit;
	uint32_t *cost; /* entries by rank */

	/* of the table being written */
	struct abi_rule_key key;
	struct segs coloured;
	struct answer scratch[F_MAX];
	struct answer *path; /* [DEPTH_MAX]: from the root of the tree to the node at hand */
	uint32_t path_class[DEPTH_MAX];
	uint32_t *ranks; /* of one node or group set */
	size_t n_ranks, cap_ranks;
};

static void compiler_done(struct compiler *c);
static int rank_rules(struct compiler *c, struct err *e);
static int order_cmp(const void *a, const void *b);
static int pair_cmp(const void *a, const void *b);
static int ref_cmp(const void *a, const void *b);
static int u32_cmp(const void *a, const void *b);
static void collect_peers(struct compiler *c);
static void add_pair(struct compiler *c, const struct prefix *p, uint32_t rank);
static void build_nodes(struct compiler *c);
static void judge_tracking(struct compiler *c);
static bool admits_all_answers(const struct compile_rule *r, int family, uint16_t proto);
static void set_limit(struct compiler *c, size_t n_member_sets);
static size_t count_member_sets(struct compiler *c, const struct compile_members *members, uint32_t n);
static bool member_ranks(struct compiler *c, const struct compile_members *m);
static void pair_ranks(struct compiler *c, uint32_t first, uint32_t n);
static bool folding_is_hopeless(struct compiler *c);
static void write_tables(struct compiler *c, const struct compile_members *members, uint32_t n_members);
static void write_prefixes(struct compiler *c);
static bool prefix_of_v6_holds_v4(const struct prefix *p);
static void write_peer(struct compiler *c, const struct addr *addr, unsigned len, uint32_t class);
static void write_members(struct compiler *c, const struct compile_members *members, uint32_t n);
static uint32_t write_class(struct compiler *c, const struct answer *answers, int first_family, int last_family);
static void write_table(struct compiler *c, const struct answer *f, int family);
static void write_row(void *ctx, uint32_t colour, uint16_t port, unsigned len);
static bool over(const struct compiler *c);
static bool given_up(const struct compiler *c);
static void hash_class(const struct compiler *c, uint64_t h[2], const struct answer *answers, int first, int last);
static struct class_id *class_slot(struct compiler *c, const uint64_t hash[2]);
static void name_tables(struct compiler *c, size_t first_row, struct abi_ruleset *rs);
static int too_big(const struct compiler *c, struct err *e);
static int family_of(const struct prefix *p);

int ruleset_compile(const struct compile_ruleset *in, const struct compile_members *members, uint32_t n_members,
		    struct map_rows *rows, struct abi_ruleset *ret, struct err *e)
{
	struct compiler c __attribute__((cleanup(
		compiler_done))) = { .in = in, .rows = rows, .path = xcalloc(DEPTH_MAX, sizeof(struct answer)) };
	size_t first_row = rows->n, first_byte = rows->n_bytes;
	struct abi_ruleset rs = { .star = in->star };
	int r = rank_rules(&c, e);

	if (r < 0)
		return r;
	collect_peers(&c);
	answer_space_init(&c.space, c.ranked, in->n_rules);
	build_nodes(&c);
	judge_tracking(&c);
	set_limit(&c, count_member_sets(&c, members, n_members));
	c.split = folding_is_hopeless(&c);
	for (bool again = true; again;) {
		rows->n = first_row;
		rows->n_bytes = first_byte;
		write_tables(&c, members, n_members);
		again = over(&c) && !c.split && c.n_nodes > 0;
		c.split |= again;
	}
	if (over(&c)) {
		rows->n = first_row;
		rows->n_bytes = first_byte;
		return too_big(&c, e);
	}
	rs.flags = (in->n_rules ? 0 : ABI_RULESET_EMPTY) | (c.n_refs ? ABI_RULESET_GROUPS : 0) |
		   (c.split ? ABI_RULESET_ANY_SPLIT : 0) | (c.n_peer_rows ? ABI_RULESET_PREFIXES : 0) |
		   (in->nacl ? ABI_RULESET_NACL : 0);
	name_tables(&c, first_row, &rs);
	*ret = rs;
	return 0;
}

static void compiler_done(struct compiler *c)
{
	free(c->ranked);
	free(c->pairs);
	free(c->nodes);
	free(c->refs);
	free(c->classes);
	free(c->cost);
	answer_space_done(&c->space);
	free(c->ranks);
	segs_done(&c->coloured);
	for (unsigned i = 0; i < DEPTH_MAX; i++)
		answer_done(&c->path[i]);
	free(c->path);
	for (int i = 0; i < F_MAX; i++) {
		answer_done(&c->any[i]);
		answer_done(&c->scratch[i]);
	}
}

/* ---- what the rules name ---- */

struct ordered {
	uint32_t order, index;
};

static int rank_rules(struct compiler *c, struct err *e)
{
	uint32_t n = c->in->n_rules;
	_cleanup_free_ struct ordered *by_order = xmalloc(n * sizeof(*by_order));

	for (uint32_t i = 0; i < n; i++) {
		const struct compile_rule *r = &c->in->rules[i];

		if (r->rule->proto == ABI_PROTO_OTHER)
			return err_set(e, -EINVAL, "%s: protocol %u is reserved and cannot be filtered by name",
				       c->in->name, r->rule->proto);
		by_order[i] = (struct ordered){ r->order, i };
	}
	qsort(by_order, n, sizeof(*by_order), order_cmp);
	c->ranked = xmalloc(n * sizeof(struct compile_rule *));
	c->cost = xcalloc(n, sizeof(*c->cost));
	for (uint32_t i = 0; i < n; i++)
		c->ranked[i] = &c->in->rules[by_order[i].index];
	return 0;
}

/* Equal orders keep the order of the array. */
static int order_cmp(const void *a, const void *b)
{
	const struct ordered *x = a, *y = b;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return x->index < y->index ? -1 : 1;
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
	if (c->n_pairs)
		qsort(c->pairs, c->n_pairs, sizeof(*c->pairs), pair_cmp);
	if (c->n_refs)
		qsort(c->refs, c->n_refs, sizeof(*c->refs), ref_cmp);
}

static void add_pair(struct compiler *c, const struct prefix *p, uint32_t rank)
{
	struct pair *pair = VEC_PUSH(c->pairs, c->n_pairs, c->cap_pairs);

	*pair = (struct pair){ *p, rank };
}

static int pair_cmp(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int r = prefix_cmp(&x->prefix, &y->prefix);

	return r ? r : (x->rank > y->rank) - (x->rank < y->rank);
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

/* Everything into c->any, narrower prefixes into the tree. Prefixes in order of family, address and length stand with the wider before what they hold. */
static void build_nodes(struct compiler *c)
{
	size_t path[DEPTH_MAX];
	unsigned depth = 0;

	c->n_ranks = 0;
	for (int f = 0; f < F_MAX; f++)
		answer_of_ranks(&c->space, f, c->ranks, c->n_ranks, &c->any[f]); /* of no rule */
	for (size_t i = 0, end; i < c->n_pairs; i = end) {
		const struct prefix *p = &c->pairs[i].prefix;
		struct node *n;

		for (end = i + 1; end < c->n_pairs && prefix_cmp(p, &c->pairs[end].prefix) == 0;)
			end++;
		if (p->len == 0) {
			pair_ranks(c, (uint32_t)i, (uint32_t)(end - i));
			answer_of_ranks(&c->space, family_of(p), c->ranks, c->n_ranks, &c->any[family_of(p)]);
			continue;
		}
		while (depth && !prefix_covers(&c->nodes[path[depth - 1]].prefix, p))
			depth--;
		path[depth] = c->n_nodes;
		n = VEC_PUSH(c->nodes, c->n_nodes, c->cap_nodes);
		*n = (struct node){ .prefix = *p, .first = (uint32_t)i, .n = (uint32_t)(end - i), .depth = depth++ };
		assert(depth < DEPTH_MAX);
	}
}

static void judge_tracking(struct compiler *c)
{
	const struct compile_ruleset *other = c->in->other;

	if (c->in->nacl || !other)
		return;
	for (uint32_t i = 0; i < other->n_rules; i++)
		for (int f = 0; f < F_MAX; f++)
			for (enum core core = CORE_TCP; core <= CORE_UDP; core++)
				c->untracked[f][core] |= admits_all_answers(&other->rules[i], f, core_proto(f, core));
}

static bool admits_all_answers(const struct compile_rule *r, int family, uint16_t proto)
{
	const struct rule *rule = r->rule;
	bool everything = false;

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

/* ---- the tables ---- */

/* Whether a rough look says that folding cannot fit; the exact answer is the attempt itself. */
static bool folding_is_hopeless(struct compiler *c)
{
	size_t estimate = 0;

	for (int f = 0; f < F_MAX; f++) {
		size_t nodes = 0, before = c->entries;

		for (size_t i = 0; i < c->n_nodes; i++)
			nodes += (size_t)(family_of(&c->nodes[i].prefix) == f);
		write_table(c, &c->any[f], f);
		estimate += nodes * (c->entries - before);
	}
	return estimate > c->limit * FOLD_ESTIMATE_SLACK;
}

static void write_tables(struct compiler *c, const struct compile_members *members, uint32_t n_members)
{
	struct class_id *slot;
	uint64_t hash[2];

	c->entries = 0;
	c->n_peer_rows = 0;
	c->n_classes = ABI_CLASS_FIRST;
	memset(c->cost, 0, c->in->n_rules * sizeof(*c->cost));
	if (c->cap_classes)
		memset(c->classes, 0, c->cap_classes * sizeof(*c->classes));
	c->key.class = ABI_CLASS_ANY;
	for (int f = 0; f < F_MAX; f++) {
		write_table(c, &c->any[f], f);
		hash_class(c, hash, c->any, f, f);
		slot = class_slot(c, hash);
		slot->class = ABI_CLASS_ANY;
	}
	write_prefixes(c);
	if (c->n_refs)
		write_members(c, members, n_members);
}

/* In tree order, with the answers of the way down from the root at hand. */
static void write_prefixes(struct compiler *c)
{
	bool holds_v4 = false;

	for (size_t i = 0; i < c->n_nodes && !given_up(c); i++) {
		struct node *n = &c->nodes[i];
		struct answer *mine = &c->path[n->depth], *class = mine, answers[F_MAX];
		int f = family_of(&n->prefix);
		uint32_t inherited = ABI_CLASS_ANY;

		pair_ranks(c, n->first, n->n);
		if (n->depth == 0) {
			answer_of_ranks(&c->space, f, c->ranks, c->n_ranks, mine);
		} else {
			answer_of_ranks(&c->space, f, c->ranks, c->n_ranks, &c->scratch[0]);
			answer_min(&c->space, f, mine, &c->path[n->depth - 1], &c->scratch[0]);
			inherited = c->path_class[n->depth - 1];
		}
		if (!c->split) {
			class = &c->scratch[1];
			answer_min(&c->space, f, class, mine, &c->any[f]);
		}
		answers[f] = *class;
		c->path_class[n->depth] = write_class(c, answers, f, f);
		/* Rules that change nothing here need no row: the wider prefix answers. */
		if (c->path_class[n->depth] == inherited)
			continue;
		write_peer(c, &n->prefix.addr, prefix_len128(&n->prefix), c->path_class[n->depth]);
		holds_v4 |= f == F6 && n->prefix.len < V4_MAPPED_BITS && prefix_of_v6_holds_v4(&n->prefix);
	}
	/* A wide IPv6 prefix such as ::/1 must not catch IPv4 addresses, which live in ::ffff:0:0/96. */
	if (holds_v4) {
		struct addr v4 = addr_from_v4(0);

		write_peer(c, &v4, V4_MAPPED_BITS, ABI_CLASS_ANY);
	}
}

static bool prefix_of_v6_holds_v4(const struct prefix *p)
{
	struct addr v4 = addr_from_v4(0);

	for (unsigned i = 0; i < p->len; i++)
		if ((p->addr.a.b[i / 8] ^ v4.a.b[i / 8]) >> (7 - i % 8) & 1)
			return false;
	return true;
}

static void write_peer(struct compiler *c, const struct addr *addr, unsigned len, uint32_t class)
{
	struct abi_lpm_key key = { .prefixlen = ABI_LPM_TABLE_BITS + len, .addr = addr->a };

	map_rows_add(c->rows, ABI_MAP_PEERS, &key, &class);
	c->n_peer_rows++;
}

static void write_members(struct compiler *c, const struct compile_members *members, uint32_t n)
{
	for (uint32_t i = 0; i < n && !given_up(c); i++) {
		struct abi_member_key key = { .members = members[i].number };
		uint32_t class;

		if (!member_ranks(c, &members[i]))
			continue;
		for (int f = 0; f < F_MAX; f++)
			answer_of_ranks(&c->space, f, c->ranks, c->n_ranks, &c->scratch[f]);
		class = write_class(c, c->scratch, F4, F6);
		map_rows_add(c->rows, ABI_MAP_MEMBERS, &key, &class);
	}
}

/* The class that answers as answers say; written when no class before it does. */
static uint32_t write_class(struct compiler *c, const struct answer *answers, int first_family, int last_family)
{
	struct class_id *slot;
	uint64_t hash[2];

	hash_class(c, hash, answers, first_family, last_family);
	slot = class_slot(c, hash);
	if (slot->class)
		return slot->class;
	slot->class = c->n_classes++;
	c->key.class = slot->class;
	for (int f = first_family; f <= last_family; f++)
		write_table(c, &answers[f], f);
	return c->key.class;
}

static void write_table(struct compiler *c, const struct answer *f, int family)
{
	c->key.family = family == F4 ? FAMILY_V4 : FAMILY_V6;
	for (enum core core = 0; core < CORE_MAX; core++) {
		const struct segs *everything = c->untracked[family][core] ? &c->any[family].core[core] : NULL;

		c->key.proto = core_proto(family, core);
		segs_colour(&c->coloured, &f->core[core], everything);
		segs_prefixes(&c->coloured, write_row, c);
	}
	for (unsigned i = 0; i < c->space.n_named[family]; i++) {
		c->key.proto = c->space.named[family][i];
		if (f->named[i] != f->other)
			write_row(c, f->named[i] * 2, 0, 0);
	}
	c->key.proto = ABI_PROTO_OTHER;
	if (f->other != RANK_NONE)
		write_row(c, f->other * 2, 0, 0);
}

static void write_row(void *ctx, uint32_t colour, uint16_t port, unsigned len)
{
	struct compiler *c = ctx;
	const struct compile_rule *r = c->ranked[colour / 2];
	struct abi_match match = {
		.rule = r->number,
		.order = r->order,
		.allow = r->rule->allow,
		.flags = colour & 1 ? ABI_MATCH_UNTRACKED : 0,
	};

	c->cost[colour / 2]++;
	if (++c->entries > c->limit)
		return;
	c->key.prefixlen = ABI_RULE_KEY_BITS + len;
	c->key.port[0] = (uint8_t)(port >> 8);
	c->key.port[1] = (uint8_t)port;
	map_rows_add(c->rows, ABI_MAP_RULES, &c->key, &match);
}

static bool over(const struct compiler *c)
{
	return c->entries > c->limit;
}

/* An attempt that may be repeated ends at once; the last one counts on for the sake of its message. */
static bool given_up(const struct compiler *c)
{
	return c->entries > (c->split ? c->limit * COUNT_ON : c->limit);
}

/* ---- names by content ---- */

static void hash_class(const struct compiler *c, uint64_t h[2], const struct answer *answers, int first, int last)
{
	uint32_t span[2] = { (uint32_t)first, (uint32_t)last };

	h[0] = UINT64_C(0x243f6a8885a308d3);
	h[1] = UINT64_C(0x13198a2e03707344);
	hash_add(h, span, sizeof(span));
	for (int f = first; f <= last; f++)
		answer_hash(&c->space, f, &answers[f], h);
}

/* The slot of that content: a class that has it, or a free place (class 0) for a new one. */
static struct class_id *class_slot(struct compiler *c, const uint64_t hash[2])
{
	struct class_id *old = c->classes;
	size_t n = c->cap_classes, at;

	if ((c->n_classes + 2) * 2 > n) {
		c->cap_classes = n ? n * 2 : CLASSES_MIN;
		c->classes = xcalloc(c->cap_classes, sizeof(*c->classes));
		for (size_t i = 0; i < n; i++)
			if (old[i].class)
				*class_slot(c, old[i].hash) = old[i];
		free(old);
	}
	for (at = hash[0] & (c->cap_classes - 1); c->classes[at].class; at = (at + 1) & (c->cap_classes - 1))
		if (memcmp(c->classes[at].hash, hash, sizeof(c->classes[at].hash)) == 0)
			return &c->classes[at];
	memcpy(c->classes[at].hash, hash, sizeof(c->classes[at].hash));
	return &c->classes[at];
}

/* The name is a hash of what the rows say without it; then it is written into their keys. */
static void name_tables(struct compiler *c, size_t first_row, struct abi_ruleset *rs)
{
	struct map_rows *rows = c->rows;
	uint64_t h[2] = { UINT64_C(0x452821e638d01377), UINT64_C(0xbe5466cf34e90c6c) };
	uint32_t head[4] = { ABI_VERSION, rs->flags, rs->star, (uint32_t)(rows->n - first_row) }, name[2];

	hash_add(h, head, sizeof(head));
	for (size_t i = first_row; i < rows->n; i++) {
		const struct map_row *row = &rows->v[i];

		hash_add(h, map_row_key(rows, row), (size_t)row->key_size + row->value_size);
	}
	h[0] ^= h[1];
	if (!h[0])
		h[0] = 1;
	rs->table_hi = name[0] = (uint32_t)(h[0] >> 32);
	rs->table_lo = name[1] = (uint32_t)h[0];
	for (size_t i = first_row; i < rows->n; i++) {
		const struct map_row *row = &rows->v[i];
		size_t at = row->map == ABI_MAP_MEMBERS ? offsetof(struct abi_member_key, table_hi)
			    : row->map == ABI_MAP_PEERS ? offsetof(struct abi_lpm_key, table_hi)
							: offsetof(struct abi_rule_key, table_hi);

		memcpy(rows->bytes + row->at + at, name, sizeof(name));
	}
}

/* ---- the rest ---- */

static int too_big(const struct compiler *c, struct err *e)
{
	uint32_t worst = 0;
	const struct compile_rule *r;
	char text[160];

	for (uint32_t i = 1; i < c->in->n_rules; i++)
		if (c->cost[i] > c->cost[worst])
			worst = i;
	r = c->ranked[worst];
	return err_set(
		e, -E2BIG,
		"%s: table rules needs %s%zu entries, more than the limit of %zu; rule `%s`%s%s costs most, %u of them;"
		" use fewer port ranges inside nested prefixes",
		c->in->name, given_up(c) ? "more than " : "", c->entries, c->limit,
		rule_format(r->rule, text, sizeof(text)), r->place ? " at " : "", r->place ? r->place : "",
		c->cost[worst]);
}

static int family_of(const struct prefix *p)
{
	return p->family == FAMILY_V4 ? F4 : F6;
}
