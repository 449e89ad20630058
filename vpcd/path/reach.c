/* reach.c: two models, one matrix each for every flow that could make a difference; where cells differ,
 * one walk in each says by which rule. Then equal lines are folded: flows, sources, destinations. Pure. */
#include <stdio.h>
#include <string.h>
#include "model/keymap.h"
#include "path/matrix.h"
#include "path/reach.h"
#include "util/mem.h"
#include "util/str.h"

enum { PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_ICMP6 = 58, PORT_LAST = 65535, EPHEMERAL_LO = 1024 };

struct probe {           /* one flow to try */
	char proto[24];  /* as walked: "tcp/22" */
	char label[24];  /* as told: "tcp/22-25", "tcp", "other" */
	uint8_t family;  /* probes of a family with neighbouring ranges join */
	uint32_t lo, hi; /* ports; 0, 0 without */
};
struct side {
	const struct model *m;
	struct walker *w;
	struct keymap ends; /* name -> index in its matrices */
};
struct change { /* of one pair and one probe */
	uint32_t src, dst;
	uint32_t probe_lo, probe_hi; /* first and last probe of a run */
	uint32_t sport_lo, sport_hi; /* client ports; 0, 0: any */
	uint32_t cause;
	enum reach was, is;
};
struct cause {
	enum walk_leg leg;
	enum abi_gate gate;
	enum matrix_object object_of;
	const char *object;
	struct reach_rule before, after;
};
struct differ {
	struct side side[2]; /* before, after */
	const char **names;  /* of either */
	uint32_t n_names;
	struct probe *probes;
	size_t n_probes, cap_probes;
	uint32_t *sports; /* first ports of the ranges of clients' ports to try; {0}: only the usual one */
	size_t n_sports, cap_sports;
	struct change *changes;
	size_t n_changes, cap_changes;
	struct cause *causes;
	size_t n_causes, cap_causes;
};

static void names_make(struct differ *d);
static void probes_make(struct differ *d);
static void sports_make(struct differ *d);
static int probe_compare(struct differ *d, uint32_t probe, size_t sport, uint32_t *last, struct err *e);
static uint32_t cause_find(struct differ *d, const struct change *c);
static void changes_fold(struct differ *d, struct reach_diff *ret);

const char *reach_name(enum reach r)
{
	return r == REACH_ALLOW ? "allow" : r == REACH_DENY ? "deny" : "absent";
}

int reach_diff_make(const struct model *before, const struct model *after, struct reach_diff *ret, struct err *e)
{
	struct differ d = { .side = { { .m = before }, { .m = after } } };
	int r = walker_new(before, &d.side[0].w, e);

	*ret = (struct reach_diff){ 0 };
	if (r == 0)
		r = walker_new(after, &d.side[1].w, e);
	names_make(&d);
	probes_make(&d);
	sports_make(&d);
	for (size_t s = 0; r == 0 && s < d.n_sports; s++) {
		_cleanup_free_ uint32_t *last = xcalloc((size_t)d.n_names * d.n_names + 1, sizeof(*last));

		for (uint32_t p = 0; r == 0 && p < d.n_probes; p++)
			r = probe_compare(&d, p, s, last, e);
	}
	if (r == 0)
		changes_fold(&d, ret);
	for (int i = 0; i < 2; i++) {
		walker_free(&d.side[i].w);
		keymap_done(&d.side[i].ends);
	}
	free(d.names);
	free(d.probes);
	free(d.sports);
	free(d.changes);
	free(d.causes);
	return r;
}

void reach_diff_done(struct reach_diff *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->v[i].srcs);
		free(d->v[i].dsts);
		free(d->v[i].flows);
	}
	free(d->v);
	*d = (struct reach_diff){ 0 };
}

/* ---- what to try ---- */

static void names_make(struct differ *d)
{
	struct keymap seen = { 0 };

	for (int i = 1; i >= 0; i--) {
		const struct model *m = d->side[i].m;
		uint32_t n = 0;

		d->names = xrealloc(d->names, (d->n_names + m->n_instances + m->n_hosts + 1) * sizeof(*d->names));
		for (uint32_t k = 0; k < m->n_instances + m->n_hosts; k++) {
			const char *name =
				k < m->n_instances ? m->instances[k].obj.name : m->hosts[k - m->n_instances].obj.name;

			if (k < m->n_instances && !m->instances[k].n_enis)
				continue;
			keymap_put_str(&d->side[i].ends, name, n++);
			if (keymap_put_str(&seen, name, 1))
				d->names[d->n_names++] = name;
		}
	}
	keymap_done(&seen);
}

struct cuts {
	uint32_t *v;
	size_t n, cap;
};

static int u32_cmp(const void *x, const void *y)
{
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;

	return (a > b) - (a < b);
}

static void cuts_sort(struct cuts *c)
{
	size_t kept = 0;

	if (!c->n)
		return;
	qsort(c->v, c->n, sizeof(*c->v), u32_cmp);
	for (size_t i = 1; i < c->n; i++)
		if (c->v[i] != c->v[kept])
			c->v[++kept] = c->v[i];
	c->n = kept + 1;
}

static void cut_add(struct cuts *c, uint32_t at, uint32_t lo)
{
	if (at >= lo && at <= PORT_LAST)
		*VEC_PUSH(c->v, c->n, c->cap) = at;
}

static void each_rule(const struct model *m, bool nacls_only, void (*fn)(void *ctx, const struct rule *r), void *ctx)
{
	for (int dir = 0; dir < 2; dir++) {
		for (uint32_t i = 0; i < m->n_nacls; i++)
			for (uint32_t k = 0; k < m->nacls[i].dir[dir].n; k++)
				fn(ctx, &m->nacls[i].dir[dir].v[k].rule);
		for (uint32_t i = 0; i < m->n_security_groups && !nacls_only; i++)
			for (uint32_t k = 0; k < m->security_groups[i].dir[dir].n; k++)
				fn(ctx, &m->security_groups[i].dir[dir].v[k].rule);
	}
}

struct seen_protos {
	struct cuts ports[2]; /* TCP, UDP */
	struct cuts ephemeral;
	struct cuts icmp; /* type << 8 | code */
	bool named[256];
};

static void rule_note(void *ctx, const struct rule *r)
{
	struct seen_protos *s = ctx;

	for (unsigned i = 0; i < r->n_ports; i++) {
		struct cuts *c = &s->ports[r->proto == PROTO_UDP];

		cut_add(c, r->ports[i].lo, 1);
		cut_add(c, r->ports[i].hi + 1u, 1);
		cut_add(&s->ephemeral, r->ports[i].lo, EPHEMERAL_LO);
		cut_add(&s->ephemeral, r->ports[i].hi + 1u, EPHEMERAL_LO);
	}
	if (r->proto == PROTO_ICMP && r->icmp_type >= 0)
		cut_add(&s->icmp, (uint32_t)(r->icmp_type << 8 | (r->icmp_code > 0 ? r->icmp_code : 0)), 0);
	if (r->proto < 256)
		s->named[r->proto] = true;
}

static struct probe *probe_add(struct differ *d, uint8_t family)
{
	struct probe *p = VEC_PUSH(d->probes, d->n_probes, d->cap_probes);

	p->family = family;
	return p;
}

static void probes_make(struct differ *d)
{
	static const struct {
		const char *name;
		uint8_t proto;
	} ported[] = { { "tcp", PROTO_TCP }, { "udp", PROTO_UDP } };
	struct seen_protos s = { 0 };
	struct probe *p;
	uint32_t other = 253; /* RFC 3692: for experiments */
	uint32_t type = 13;

	each_rule(d->side[0].m, false, rule_note, &s);
	each_rule(d->side[1].m, false, rule_note, &s);
	for (size_t i = 0; i < ARRAY_SIZE(ported); i++) {
		cut_add(&s.ports[i], 1, 1);
		cuts_sort(&s.ports[i]);
		for (size_t k = 0; k < s.ports[i].n; k++) {
			p = probe_add(d, ported[i].proto);
			p->lo = s.ports[i].v[k];
			p->hi = k + 1 < s.ports[i].n ? s.ports[i].v[k + 1] - 1 : PORT_LAST;
			snprintf(p->proto, sizeof(p->proto), "%s/%u", ported[i].name, p->lo);
		}
		free(s.ports[i].v);
	}
	cut_add(&s.icmp, 8 << 8, 0);
	cuts_sort(&s.icmp);
	for (size_t i = 0; i < s.icmp.n; i++) {
		p = probe_add(d, PROTO_ICMP);
		snprintf(p->proto, sizeof(p->proto), "icmp/%u.%u", s.icmp.v[i] >> 8, s.icmp.v[i] & 255);
		snprintf(p->label, sizeof(p->label), "%s", s.icmp.v[i] == 8 << 8 ? "icmp" : p->proto);
		type += type == s.icmp.v[i] >> 8;
	}
	p = probe_add(d, PROTO_ICMP);
	snprintf(p->proto, sizeof(p->proto), "icmp/%u.0", type);
	snprintf(p->label, sizeof(p->label), "icmp/other");
	free(s.icmp.v);
	free(s.ephemeral.v);
	for (uint32_t i = 0; i < 256; i++) {
		if (!s.named[i] || i == PROTO_ICMP || i == PROTO_TCP || i == PROTO_UDP || i == PROTO_ICMP6)
			continue;
		p = probe_add(d, 0);
		snprintf(p->proto, sizeof(p->proto), "%u", i);
		snprintf(p->label, sizeof(p->label), "%u", i);
		other -= other == i;
	}
	p = probe_add(d, 0);
	snprintf(p->proto, sizeof(p->proto), "%u", other);
	snprintf(p->label, sizeof(p->label), "other");
}

static bool nacls_same(const struct model *a, const struct model *b)
{
	if (a->n_nacls != b->n_nacls)
		return false;
	for (uint32_t i = 0; i < a->n_nacls; i++) {
		for (int dir = 0; dir < 2; dir++) {
			const struct rule_list *x = &a->nacls[i].dir[dir], *y = &b->nacls[i].dir[dir];

			if (strcmp(a->nacls[i].obj.name, b->nacls[i].obj.name) != 0 || x->n != y->n)
				return false;
			for (uint32_t k = 0; k < x->n; k++)
				if (!rule_eq(&x->v[k].rule, &y->v[k].rule))
					return false;
		}
	}
	return true;
}

/* A client's port matters to the ACLs that its reply meets. Where the two models' ACLs differ it is tried
 * in each range they cut; else the usual port speaks for all. */
static void sports_make(struct differ *d)
{
	struct seen_protos s = { 0 };
	struct cuts all = { 0 };

	if (nacls_same(d->side[0].m, d->side[1].m)) {
		*VEC_PUSH(d->sports, d->n_sports, d->cap_sports) = 0;
		return;
	}
	each_rule(d->side[0].m, true, rule_note, &s);
	each_rule(d->side[1].m, true, rule_note, &s);
	cut_add(&s.ephemeral, EPHEMERAL_LO, EPHEMERAL_LO);
	all = s.ephemeral;
	cuts_sort(&all);
	d->sports = all.v;
	d->n_sports = all.n;
	free(s.ports[0].v);
	free(s.ports[1].v);
	free(s.icmp.v);
}

/* ---- comparing ---- */

static enum reach reach_at(const struct side *s, const struct matrix *x, const char *src, const char *dst)
{
	uint32_t i = keymap_index(&s->ends, src), k = keymap_index(&s->ends, dst);

	if (i == NONE || k == NONE)
		return REACH_ABSENT;
	return matrix_at(x, i, k)->allow ? REACH_ALLOW : REACH_DENY;
}

static uint32_t sport_last(const struct differ *d, size_t i)
{
	return i + 1 < d->n_sports ? d->sports[i + 1] - 1 : PORT_LAST;
}

/* last: by pair, 1 + the change that the probe before belongs to. */
static int probe_compare(struct differ *d, uint32_t probe, size_t sport, uint32_t *last, struct err *e)
{
	_cleanup_matrix_ struct matrix before_x = { 0 }, after_x = { 0 };
	struct matrix *x[2] = { &before_x, &after_x };
	const struct probe *p = &d->probes[probe];

	for (int i = 0; i < 2; i++) {
		int r = matrix_make(d->side[i].w, p->proto, (uint16_t)d->sports[sport], x[i], e);

		if (r < 0)
			return r;
	}
	for (uint32_t a = 0; a < d->n_names; a++) {
		for (uint32_t b = 0; b < d->n_names; b++) {
			struct change c = { .src = a, .dst = b, .probe_lo = probe, .probe_hi = probe };
			uint32_t *run = &last[(size_t)a * d->n_names + b];
			struct change *before = *run ? &d->changes[*run - 1] : NULL;

			c.was = reach_at(&d->side[0], x[0], d->names[a], d->names[b]);
			c.is = reach_at(&d->side[1], x[1], d->names[a], d->names[b]);
			*run = 0;
			if (a == b || (c.was == REACH_ALLOW) == (c.is == REACH_ALLOW))
				continue;
			if (d->sports[sport]) {
				c.sport_lo = d->sports[sport];
				c.sport_hi = sport_last(d, sport);
			}
			c.cause = cause_find(d, &c);
			if (before && before->cause == c.cause && before->was == c.was && before->is == c.is && p->hi &&
			    d->probes[before->probe_hi].family == p->family) {
				before->probe_hi = probe;
			} else {
				*VEC_PUSH(d->changes, d->n_changes, d->cap_changes) = c;
				before = &d->changes[d->n_changes - 1];
			}
			*run = (uint32_t)(before - d->changes) + 1;
		}
	}
	return 0;
}

static bool walk_of(struct differ *d, int side, const struct change *c, struct walk *ret)
{
	struct flow f;

	if (flow_parse_words(d->side[side].m, d->names[c->src], d->names[c->dst], d->probes[c->probe_lo].proto, &f,
			     NULL) < 0)
		return false;
	if (c->sport_lo)
		f.sport = (uint16_t)c->sport_lo;
	return walk_flow(d->side[side].w, &f, ret, NULL) == 0;
}

static void rule_copy(const struct walk_step *s, struct reach_rule *r)
{
	r->known = true;
	snprintf(r->text, sizeof(r->text), "%s", s->rule_text);
	r->loc = s->loc;
}

/* The gate where the denying side stopped, and what the other one says there. */
static void cause_of(struct differ *d, const struct change *c, struct cause *ret)
{
	int denies = c->was == REACH_ALLOW ? 1 : 0;
	struct walk no = { 0 }, yes = { 0 };
	const struct walk_step *s, *admit;
	const char *src = d->names[c->src], *dst = d->names[c->dst];

	memset(ret, 0, sizeof(*ret));
	if (!walk_of(d, !denies, c, &yes))
		return;
	admit = walk_admitting_step(&yes);
	if (c->was == REACH_ABSENT || c->is == REACH_ABSENT || !walk_of(d, denies, c, &no)) {
		if (admit)
			rule_copy(admit, denies ? &ret->before : &ret->after);
		walk_done(&yes);
		return;
	}
	s = &no.steps[no.denied];
	ret->leg = s->leg;
	ret->gate = s->gate;
	if (s->object && strcmp(s->object, src) == 0)
		ret->object_of = MATRIX_OBJECT_SRC;
	else if (s->object && strcmp(s->object, dst) == 0)
		ret->object_of = MATRIX_OBJECT_DST;
	else
		ret->object = s->object;
	rule_copy(s, denies ? &ret->after : &ret->before);
	for (size_t i = 0; i < yes.n; i++) {
		if (yes.steps[i].leg != s->leg || yes.steps[i].gate != s->gate || !str_eq(yes.steps[i].eni, s->eni))
			continue;
		rule_copy(&yes.steps[i], denies ? &ret->before : &ret->after);
		break;
	}
	walk_done(&yes);
	walk_done(&no);
}

static bool rule_same(const struct reach_rule *a, const struct reach_rule *b)
{
	return a->known == b->known && strcmp(a->text, b->text) == 0 && a->loc.line == b->loc.line;
}

static uint32_t cause_find(struct differ *d, const struct change *c)
{
	struct cause new;

	cause_of(d, c, &new);
	for (size_t i = d->n_causes; i-- > 0;) {
		const struct cause *k = &d->causes[i];

		if (k->leg == new.leg && k->gate == new.gate &&
		    k->object_of == new.object_of &&str_eq(k->object, new.object) &&
		    rule_same(&k->before, &new.before) && rule_same(&k->after, &new.after))
			return (uint32_t)i;
	}
	*VEC_PUSH(d->causes, d->n_causes, d->cap_causes) = new;
	return (uint32_t)d->n_causes - 1;
}

/* ---- folding ---- */

struct line { /* a change with its flow in words */
	uint32_t src, dst, cause;
	enum reach was, is;
	char *flows, *srcs, *dsts;
	uint64_t pairs;
};

static void flow_text(const struct differ *d, const struct change *c, struct strbuf *b)
{
	const struct probe *lo = &d->probes[c->probe_lo], *hi = &d->probes[c->probe_hi];

	if (!lo->hi)
		strbuf_addf(b, "%s", lo->label);
	else if (lo->lo == 1 && hi->hi == PORT_LAST)
		strbuf_addf(b, "%.3s", lo->proto);
	else if (lo->lo == hi->hi)
		strbuf_addf(b, "%s", lo->proto);
	else
		strbuf_addf(b, "%s-%u", lo->proto, hi->hi);
	if (c->sport_lo && !(c->sport_lo == EPHEMERAL_LO && c->sport_hi == PORT_LAST))
		strbuf_addf(b, "(from:%u-%u)", c->sport_lo, c->sport_hi);
}

/* The same change for all client ports is one: neighbours in the client's range join. */
static void sports_join(struct differ *d)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->n_changes; i++) {
		struct change *c = &d->changes[i];
		bool joined = false;

		for (size_t k = kept; k-- > 0 && c->sport_lo > EPHEMERAL_LO && !joined;) {
			struct change *o = &d->changes[k];

			if (o->src != c->src || o->dst != c->dst || o->cause != c->cause ||
			    o->probe_lo != c->probe_lo || o->probe_hi != c->probe_hi || o->was != c->was ||
			    o->sport_hi + 1 != c->sport_lo)
				continue;
			o->sport_hi = c->sport_hi;
			joined = true;
		}
		if (!joined)
			d->changes[kept++] = *c;
	}
	d->n_changes = kept;
}

static int change_cmp(const void *x, const void *y)
{
	const struct change *a = x, *b = y;

#define BY(member) \
	if (a->member != b->member) \
	return a->member < b->member ? -1 : 1
	BY(dst);
	BY(src);
	BY(cause);
	BY(was);
	BY(is);
	BY(probe_lo);
	BY(sport_lo);
#undef BY
	return 0;
}

static bool line_same(const struct line *a, const struct line *b)
{
	return a->cause == b->cause && a->was == b->was && a->is == b->is && strcmp(a->flows, b->flows) == 0;
}

static void text_join(char **to, const char *more)
{
	char *both = xasprintf("%s, %s", *to, more);

	free(*to);
	*to = both;
}

static void line_done(struct line *l)
{
	free(l->flows);
	free(l->srcs);
	free(l->dsts);
}

/* Lines that differ only in their sources (with_dst: only in their destinations) become one. */
static void lines_join(struct line *v, size_t *n, bool with_dst)
{
	size_t kept = 0;

	for (size_t i = 0; i < *n; i++) {
		size_t k = 0;

		while (k < kept && !(line_same(&v[k], &v[i]) &&
				     (with_dst ? strcmp(v[k].srcs, v[i].srcs) == 0 : v[k].dst == v[i].dst)))
			k++;
		if (k == kept) {
			v[kept++] = v[i];
			continue;
		}
		text_join(with_dst ? &v[k].dsts : &v[k].srcs, with_dst ? v[i].dsts : v[i].srcs);
		v[k].pairs += v[i].pairs;
		line_done(&v[i]);
	}
	*n = kept;
}

static void changes_fold(struct differ *d, struct reach_diff *ret)
{
	struct line *v = NULL;
	size_t n = 0, cap = 0;

	sports_join(d);
	if (d->n_changes)
		qsort(d->changes, d->n_changes, sizeof(*d->changes), change_cmp);
	for (size_t i = 0; i < d->n_changes;) {
		const struct change *c = &d->changes[i];
		struct strbuf flows = { 0 };
		struct line *l = VEC_PUSH(v, n, cap);

		ret->pairs += i == 0 || c[-1].src != c->src || c[-1].dst != c->dst;
		*l = (struct line){
			.src = c->src, .dst = c->dst, .cause = c->cause, .was = c->was, .is = c->is, .pairs = 1
		};
		for (const struct change *o = c; i < d->n_changes; i++, o++) {
			if (o->src != c->src || o->dst != c->dst || o->cause != c->cause || o->was != c->was ||
			    o->is != c->is)
				break;
			if (flows.n)
				strbuf_adds(&flows, " ");
			flow_text(d, o, &flows);
		}
		l->flows = strbuf_take(&flows);
		l->srcs = xstrdup(d->names[l->src]);
		l->dsts = xstrdup(d->names[l->dst]);
	}
	lines_join(v, &n, false);
	lines_join(v, &n, true);
	for (size_t i = 0; i < n; i++) {
		const struct cause *k = &d->causes[v[i].cause];
		struct reach_change *c = VEC_PUSH(ret->v, ret->n, ret->cap);
		const char *object = k->object_of == MATRIX_OBJECT_SRC   ? v[i].srcs
				     : k->object_of == MATRIX_OBJECT_DST ? v[i].dsts
									 : k->object;

		*c = (struct reach_change){ .srcs = v[i].srcs,
					    .dsts = v[i].dsts,
					    .flows = v[i].flows,
					    .was = v[i].was,
					    .is = v[i].is,
					    .leg = k->leg,
					    .gate = k->gate,
					    .before = k->before,
					    .after = k->after,
					    .pairs = v[i].pairs };
		if (object && !strchr(object, ','))
			snprintf(c->object, sizeof(c->object), "%.63s", object);
	}
	free(v);
}
