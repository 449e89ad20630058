/* reach.c: two models. Ends that neither model tells apart are one; of each two such that the difference of the
 * models can touch, and for every flow that could make a difference, one walk in each; where the two disagree, a
 * second look says by which rule. Then equal lines are folded: flows, sources, destinations. Pure. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "model/keymap.h"
#include "path/differ.h"
#include "path/trial.h"
#include "util/mem.h"
#include "util/str.h"

enum { PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_ICMP6 = 58 };

static void names_make(struct differ *d);
static void probes_make(struct differ *d);
static void sports_make(struct differ *d);
static void joints_make(struct differ *d);
static int probe_compare(struct differ *d, uint32_t probe, size_t sport, uint32_t *last, struct err *e);
static uint32_t cause_find(struct differ *d, const struct change *c);
static bool walk_of(struct differ *d, int side, const struct change *c, struct walk *ret);

const char *reach_name(enum reach r)
{
	return r == REACH_ALLOW ? "allow" : r == REACH_DENY ? "deny" : "absent";
}

int reach_diff_make(const struct model *before, const struct model *after, uint64_t work_max, struct reach_diff *ret,
		    struct err *e)
{
	struct differ d = { .side = { { .m = before }, { .m = after } }, .work_max = work_max };
	int r = walker_new(before, &d.side[0].w, e);

	*ret = (struct reach_diff){ 0 };
	if (r == 0)
		r = walker_new(after, &d.side[1].w, e);
	touched_make(before, after, &d.touched);
	names_make(&d);
	joints_make(&d);
	probes_make(&d);
	sports_make(&d);
	for (size_t s = 0; r == 0 && s < d.n_sports; s++) {
		_cleanup_free_ uint32_t *last = xcalloc((size_t)d.n_names * d.n_names + 1, sizeof(*last));

		for (uint32_t p = 0; r == 0 && p < d.n_probes; p++)
			r = probe_compare(&d, p, s, last, e);
	}
	if (r == 0)
		changes_fold(&d, ret);
	for (int i = 0; i < 2; i++)
		walker_free(&d.side[i].w);
	touched_done(&d.touched);
	free(d.names);
	free(d.joints);
	free(d.members);
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
		_cleanup_matrix_ struct matrix x;

		matrix_names(d->side[i].m, &x);
		d->names = xrealloc(d->names, (d->n_names + x.n_ends + 1) * sizeof(*d->names));
		for (uint32_t k = 0; k < x.n_ends; k++)
			if (keymap_put_str(&seen, x.ends[k].name, 1)) /* the name itself is the model's */
				d->names[d->n_names++] = x.ends[k].name;
	}
	keymap_done(&seen);
}

/* The class of each name in a model; NONE: it has none of that name. To free(). */
static uint32_t *classes_of(const struct differ *d, const struct model *m)
{
	uint32_t *v = xcalloc((size_t)d->n_names + 1, sizeof(*v));
	_cleanup_matrix_ struct matrix x;
	struct keymap ends = { 0 };

	matrix_ends(m, &x);
	for (uint32_t i = 0; i < x.n_ends; i++)
		keymap_put_str(&ends, x.ends[i].name, x.ends[i].class);
	for (uint32_t i = 0; i < d->n_names; i++)
		v[i] = keymap_index(&ends, d->names[i]);
	keymap_done(&ends);
	return v;
}

static void joints_make(struct differ *d)
{
	_cleanup_free_ uint32_t *class[2] = { classes_of(d, d->side[0].m), NULL };
	_cleanup_free_ uint32_t *of = xcalloc((size_t)d->n_names + 1, sizeof(*of));
	_cleanup_free_ struct joint_key {
		uint32_t class[2], touch;
	} *keys = xcalloc((size_t)d->n_names + 1, sizeof(*keys));
	struct keymap seen = { 0 };
	uint32_t at = 0;

	class[1] = classes_of(d, d->side[1].m);
	d->joints = xcalloc((size_t)d->n_names + 1, sizeof(*d->joints));
	d->members = xcalloc((size_t)d->n_names + 1, sizeof(*d->members));
	for (uint32_t i = 0; i < d->n_names; i++) {
		keys[i] = (struct joint_key){ { class[0][i], class[1][i] }, touched_end(&d->touched, d->names[i]) };
		if (keymap_put(&seen, &keys[i], sizeof(keys[i]), d->n_joints))
			d->joints[d->n_joints++] = (struct joint){ .class = { class[0][i], class[1][i] },
								   .touch = (enum touch)keys[i].touch };
		of[i] = (uint32_t)keymap_get(&seen, &keys[i], sizeof(keys[i]));
		d->joints[of[i]].n++;
	}
	for (uint32_t i = 0; i < d->n_joints; i++) {
		d->joints[i].first = at;
		at += d->joints[i].n;
		d->joints[i].n = 0;
	}
	for (uint32_t i = 0; i < d->n_names; i++)
		d->members[d->joints[of[i]].first + d->joints[of[i]].n++] = i;
	free(class[1]);
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

	p->family = p->number = family;
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
		p->number = (uint8_t)i;
		snprintf(p->proto, sizeof(p->proto), "%u", i);
		snprintf(p->label, sizeof(p->label), "%u", i);
		other -= other == i;
	}
	p = probe_add(d, 0);
	p->number = (uint8_t)other;
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

static uint32_t sport_last(const struct differ *d, size_t i)
{
	return i + 1 < d->n_sports ? d->sports[i + 1] - 1 : PORT_LAST;
}

static enum reach reach_of(struct differ *d, int side, const struct joint *from, const struct joint *to,
			   const struct change *c)
{
	struct walk walk;
	bool allow;

	if (from->class[side] == NONE || to->class[side] == NONE)
		return REACH_ABSENT;
	d->side[side].w->no_words = true;
	allow = walk_of(d, side, c, &walk) && walk.allow;
	d->side[side].w->no_words = false;
	walk_done(&walk);
	d->work++;
	return allow ? REACH_ALLOW : REACH_DENY;
}

/* last: by pair, 1 + its change of the ports before these, which c then may go on. */
static void change_add(struct differ *d, const struct change *c, uint32_t *last)
{
	uint32_t *run = &last[(size_t)c->src * d->n_names + c->dst];
	struct change *before = *run ? &d->changes[*run - 1] : NULL;
	const struct probe *p = &d->probes[c->probe_lo];

	if (before && before->probe_hi + 1 == c->probe_lo && before->cause == c->cause && before->was == c->was &&
	    before->is == c->is && p->hi && d->probes[before->probe_hi].family == p->family) {
		before->probe_hi = c->probe_lo;
		return;
	}
	*VEC_PUSH(d->changes, d->n_changes, d->cap_changes) = *c;
	*run = (uint32_t)d->n_changes;
}

/* All of one class to all of another: one pair of them speaks for all. */
static void joints_compare(struct differ *d, const struct joint *from, const struct joint *to, struct change c,
			   uint32_t *last)
{
	c.src = d->members[from->first];
	c.dst = d->members[to->first + (from == to)];
	c.was = reach_of(d, 0, from, to, &c);
	c.is = reach_of(d, 1, from, to, &c);
	if ((c.was == REACH_ALLOW) == (c.is == REACH_ALLOW))
		return;
	c.cause = cause_find(d, &c);
	d->work += (uint64_t)from->n * to->n;
	for (uint32_t i = 0; i < from->n; i++) {
		for (uint32_t k = 0; k < to->n; k++) {
			c.src = d->members[from->first + i];
			c.dst = d->members[to->first + k];
			if (c.src != c.dst)
				change_add(d, &c, last);
		}
	}
}

static int probe_compare(struct differ *d, uint32_t probe, size_t sport, uint32_t *last, struct err *e)
{
	const struct probe *p = &d->probes[probe];
	struct change c = { .probe_lo = probe, .probe_hi = probe };
	enum touch least = touched_flow(&d->touched, p->number, p->lo, p->hi) ? TOUCH_RULES : TOUCH_SHAPE;

	if (d->sports[sport]) {
		c.sport_lo = d->sports[sport];
		c.sport_hi = sport_last(d, sport);
	}
	for (uint32_t i = 0; i < d->n_joints; i++) {
		for (uint32_t k = 0; k < d->n_joints; k++) {
			const struct joint *from = &d->joints[i], *to = &d->joints[k];

			if ((from->touch < least && to->touch < least) || (i == k && from->n < 2))
				continue;
			joints_compare(d, from, to, c, last);
			if (d->work_max && d->work > d->work_max)
				return err_set(e, -E2BIG, "comparing takes more than %llu walks",
					       (unsigned long long)d->work_max);
		}
	}
	return 0;
}

static bool walk_of(struct differ *d, int side, const struct change *c, struct walk *ret)
{
	struct flow f;

	*ret = (struct walk){ 0 };
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
