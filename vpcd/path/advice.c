/* advice.c: opens one gate after the other, in a copy of the document, until the walk allows. Pure.
 *
 *   gate that denies        line that opens it
 *   sg-out, sg-in           one more rule in the first group of the interface, naming the peer's group in one VPC
 *   nacl-out, nacl-in       one more numbered rule, before the one that denies; replies: the ephemeral range. Where no
 *                           number is free there, the rules in its way move up by one
 *   route (no route)        a default route: internet gateway, or NAT gateway of the zone for who has no public address
 *   nat (outside it)        a route to the internet gateway for the other end alone
 *   igw (no public address) public-ip = auto
 *   source-, dest-check     source-dest-check = no
 * Everything else (nobody has the address, a NAT gateway's own address) no line changes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "conf/build.h"
#include "filters/explain.h"
#include "filters/packet.h"
#include "path/advice.h"
#include "path/trace.h"
#include "util/mem.h"
#include "util/str.h"

enum { CHANGES_MAX = 10, NACL_NUMBER_MAX = 32766, NACL_STEP = 10, PORT_EPHEMERAL = 1024, PORT_MAX = 65535 };
enum { NACL_MOVES_MAX = 40 }; /* as many rules as AWS lets an ACL have in one direction: nobody wants to read of more */

struct attempt { /* one state of the document, walked */
	struct model *m;
	struct walker *w;
	struct flow f;
	struct walk walk;
};
struct adviser {
	struct document d;
	struct advice *a;
	const struct attempt *now;
	const struct walk_step *s; /* that denies */
};

static int attempt_make(const struct advice_base *base, const struct document *d, const char *flow, struct attempt *ret,
			struct err *e);
static void document_start(const struct advice_base *base, struct document *d);
static void attempt_done(struct attempt *t);
static void needless_drop(const struct advice_base *base, const char *flow, struct advice *a);
static bool gate_open(struct adviser *x);
static bool group_open(struct adviser *x);
static bool nacl_open(struct adviser *x);
static bool route_open(struct adviser *x);
static bool nat_open(struct adviser *x);
static bool igw_open(struct adviser *x);
static bool check_open(struct adviser *x);
static bool give_up(struct adviser *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static struct advice_line *note(struct adviser *x, enum advice_op op, const char *kind, const char *name,
				const char *key, const char *value);
static bool line_add(struct adviser *x, const char *kind, const char *name, const char *key, const char *value);
static const struct section *section_find(const struct document *d, const char *kind, const char *name);
static void line_done(struct advice_line *l);

int advice_find(const struct advice_base *base, const char *flow, struct advice *ret, struct err *e)
{
	struct adviser x = { .a = ret };
	struct attempt t = { 0 };
	struct err ignored;
	int r;

	*ret = (struct advice){ 0 };
	document_start(base, &x.d);
	r = attempt_make(base, &x.d, flow, &t, e);
	for (unsigned i = 0; r == 0 && !t.walk.allow; i++) {
		x.now = &t;
		x.s = &t.walk.steps[t.walk.denied];
		if (i == CHANGES_MAX)
			give_up(&x, "after %d changes it is still denied at %s", CHANGES_MAX, gate_name(x.s->gate));
		else if (x.s->reason == ABI_REASON_BAD_STATE_ROUTE)
			give_up(&x,
				"what the route leads to is gone, or attached to nothing; bring it back under its name, or "
				"give the route another target");
		else if (!gate_open(&x) && !ret->why_not[0])
			ret->hopeless = !give_up(&x, "%s", reason_text(x.s->reason));
		attempt_done(&t);
		if (ret->why_not[0])
			break;
		if (attempt_make(base, &x.d, flow, &t, &ignored) < 0) {
			give_up(&x, "the file would then be wrong: %s", ignored.msg);
			break;
		}
	}
	ret->works = r == 0 && !ret->why_not[0];
	attempt_done(&t);
	document_done(&x.d);
	for (size_t i = 0; i < ret->n; i++)
		ret->v[i].loc.file = ret->v[i].loc.line ? base->document->file : NULL;
	if (ret->works && ret->n > 1)
		needless_drop(base, flow, ret);
	return r;
}

void advice_done(struct advice *a)
{
	for (size_t i = 0; i < a->n; i++)
		line_done(&a->v[i]);
	free(a->v);
	*a = (struct advice){ 0 };
}

static bool same_place(const struct advice_line *a, const struct advice_line *b)
{
	return strcmp(a->kind, b->kind) == 0 && strcmp(a->name, b->name) == 0 && a->loc.line == b->loc.line;
}

static void place_text(struct strbuf *b, const struct advice_line *l)
{
	strbuf_addf(b, "  [%s %s]", l->kind, l->name);
	if (l->new_section)
		strbuf_adds(b, "  a new section");
	else if (l->loc.line)
		strbuf_addf(b, "  %s %s:%u", l->op == ADVICE_REMOVE ? "at" : "behind", l->loc.file, l->loc.line);
	strbuf_adds(b, "\n");
}

char *advice_text(const struct advice *a)
{
	struct strbuf b = { 0 };

	if (!a->works) {
		strbuf_addf(&b, "%s: %s\n", a->hopeless ? "no line of a topology would allow it" : "no suggestion",
			    a->why_not);
		return strbuf_take(&b);
	}
	strbuf_adds(&b, "to allow it:\n");
	for (size_t i = 0; i < a->n; i++) {
		bool told = false;

		for (size_t k = 0; k < i && !told; k++)
			told = same_place(&a->v[k], &a->v[i]);
		if (told)
			continue;
		place_text(&b, &a->v[i]);
		for (size_t k = i; k < a->n; k++)
			if (same_place(&a->v[k], &a->v[i]))
				strbuf_addf(&b, "  %c %s = %s\n", a->v[k].op == ADVICE_REMOVE ? '-' : '+', a->v[k].key,
					    a->v[k].value);
	}
	strbuf_adds(&b, "checked: with this the request and its reply arrive\n");
	return strbuf_take(&b);
}

/* ---- one state of the document ---- */

/* A copy without [expect]: what others expect is not asked here, and may name what the change renames. */
static void document_start(const struct advice_base *base, struct document *d)
{
	struct edit drop = { EDIT_DELETE, obj_kind_name(KIND_EXPECT), "", NULL, NULL };

	document_copy(base->document, d);
	while (document_edit(d, &drop, NULL) == 0)
		;
}

static int attempt_make(const struct advice_base *base, const struct document *d, const char *flow, struct attempt *ret,
			struct err *e)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	struct registry *registry = base->registry ? registry_clone(base->registry) : registry_new(1);
	struct attempt t = { 0 };
	int r = model_build(d, base->lab, registry, &t.m, &diags);

	registry_free(&registry);
	for (size_t i = 0; r < 0 && i < diags.n; i++)
		if (diags.v[i].severity == SEV_ERROR) {
			err_set(e, r, "%s", diags.v[i].message);
			break;
		}
	if (r == 0)
		r = walker_new(t.m, &t.w, e);
	if (r == 0)
		r = flow_parse(t.m, flow, &t.f, e);
	if (r == 0)
		r = walk_flow(t.w, &t.f, &t.walk, e);
	if (r < 0)
		attempt_done(&t);
	else
		*ret = t;
	return r;
}

static void attempt_done(struct attempt *t)
{
	walk_done(&t->walk);
	walker_free(&t->w);
	model_free(&t->m);
	*t = (struct attempt){ 0 };
}

static void line_apply(struct document *d, const struct advice_line *l)
{
	struct edit edit = { EDIT_CREATE, l->kind, l->name, NULL, NULL };

	if (l->op == ADVICE_ADD && !section_find(d, l->kind, l->name))
		document_edit(d, &edit, NULL);
	edit.op = l->op == ADVICE_ADD ? EDIT_SET : EDIT_UNSET;
	edit.key = l->key;
	edit.value = l->value;
	document_edit(d, &edit, NULL);
}

static void line_done(struct advice_line *l)
{
	free(l->key);
	free(l->value);
}

/* Without any outbound line everything may leave: what stands in the place of `none` has to stay. */
static bool replaces_none(const struct advice *a, const struct advice_line *l)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i].op == ADVICE_REMOVE && strcmp(a->v[i].name, l->name) == 0 &&
		    strcmp(a->v[i].key, l->key) == 0 && strcmp(a->v[i].kind, l->kind) == 0)
			return true;
	return false;
}

/* A line that a later one made needless goes: each is left out once. */
static void needless_drop(const struct advice_base *base, const char *flow, struct advice *a)
{
	for (size_t out = 0; out < a->n;) {
		struct attempt t = { 0 };
		struct document d;
		bool needless;

		document_start(base, &d);
		for (size_t i = 0; i < a->n; i++)
			if (i != out)
				line_apply(&d, &a->v[i]);
		needless = !a->v[out].keeps && !replaces_none(a, &a->v[out]) &&
			   attempt_make(base, &d, flow, &t, NULL) == 0 && t.walk.allow;
		attempt_done(&t);
		document_done(&d);
		if (!needless) {
			out++;
			continue;
		}
		line_done(&a->v[out]);
		memmove(&a->v[out], &a->v[out + 1], (--a->n - out) * sizeof(*a->v));
	}
}

/* ---- gates ---- */

/* False: nothing was changed; why_not may say more than the reason does. */
static bool gate_open(struct adviser *x)
{
	switch (x->s->gate) {
	case ABI_GATE_SG_OUT:
	case ABI_GATE_SG_IN: return group_open(x);
	case ABI_GATE_NACL_OUT:
	case ABI_GATE_NACL_IN: return nacl_open(x);
	case ABI_GATE_ROUTE: return route_open(x);
	case ABI_GATE_NAT: return nat_open(x);
	case ABI_GATE_IGW: return igw_open(x);
	case ABI_GATE_SOURCE_CHECK:
	case ABI_GATE_DEST_CHECK: return check_open(x);
	default: return false;
	}
}

/* A rule for exactly this packet, from or to peer. */
static void rule_of_packet(const struct adviser *x, enum rule_owner owner, enum rule_dir dir, struct rule *ret)
{
	const struct walk_step *s = x->s;
	const struct addr *peer = dir == RULE_IN ? &s->src : &s->dst;
	const struct flow *f = &x->now->f;

	*ret = (struct rule){ .owner = owner,
			      .dir = dir,
			      .allow = true,
			      .proto = f->proto,
			      .icmp_type = -1,
			      .icmp_code = -1,
			      .peer_kind = PEER_PREFIX };
	ret->peer = prefix_of(peer, addr_family(peer) == FAMILY_V4 ? 32 : 128);
	if (f->proto == PKT_PROTO_ICMP) {
		ret->icmp_type = s->leg == LEG_RETURN ? icmp_type_reversed(PKT_PROTO_ICMP, f->icmp_type) : f->icmp_type;
		/* The code of a query says nothing; that of another message is half of what it says. */
		ret->icmp_code = icmp_type_has_id(PKT_PROTO_ICMP, f->icmp_type) && !f->icmp_code ? -1 : f->icmp_code;
	}
	if (s->dport) {
		ret->n_ports = 1;
		ret->ports[0] = (struct port_range){ s->dport, s->dport_hi };
	}
}

/* The VPC's default group, which is there without a line: written down, with what it does of itself. */
static const struct section *default_group_need(struct adviser *x, const struct security_group *g, char name[64])
{
	const char *vpc = x->now->m->vpcs[g->vpc].obj.name;
	char self[80];

	snprintf(name, 64, "%.20s-default", vpc);
	snprintf(self, sizeof(self), "all from sg:%s", name);
	if (!g->is_default || section_find(&x->d, "security-group", name) ||
	    !line_add(x, "security-group", name, "vpc", vpc) ||
	    !line_add(x, "security-group", name, "default", "yes") ||
	    !line_add(x, "security-group", name, "inbound", self))
		return NULL;
	x->a->v[x->a->n - 1].keeps = true;
	return section_find(&x->d, "security-group", name);
}

static bool group_open(struct adviser *x)
{
	const struct model *m = x->now->m;
	uint32_t index = model_find_eni(m, x->s->object), peer, vpc;
	enum rule_dir dir = x->s->gate == ABI_GATE_SG_IN ? RULE_IN : RULE_OUT;
	const char *key = dir == RULE_IN ? "inbound" : "outbound";
	const struct security_group *g;
	const struct section *section;
	char text[160], name[64];
	struct rule r;

	if (index == NONE || !m->enis[index].n_groups)
		return false;
	g = &m->security_groups[m->enis[index].groups[0]];
	for (uint32_t i = 0; i < m->enis[index].n_groups; i++)
		if (m->security_groups[m->enis[index].groups[i]].obj.loc.line) {
			g = &m->security_groups[m->enis[index].groups[i]];
			break;
		}
	section = section_find(&x->d, "security-group", g->obj.name);
	if (!section && !(section = default_group_need(x, g, name)))
		return give_up(
			x,
			"%s carries the VPC's default group only, which this topology does not write down; give it one of its own",
			x->s->object);
	snprintf(name, sizeof(name), "%s", section->name);
	rule_of_packet(x, RULE_OF_GROUP, dir, &r);
	vpc = model_eni_vpc(m, index);
	peer = model_eni_by_addr(m, vpc, dir == RULE_IN ? &x->s->src : &x->s->dst, NULL);
	/* A reference is what people would write; where it does not reach, the address is next. */
	if (peer != NONE && m->enis[peer].n_groups && x->s->reason != ABI_REASON_SG_REFERENCES_NOT_PRESERVED) {
		const struct security_group *other = &m->security_groups[m->enis[peer].groups[0]];

		if (section_find(&x->d, "security-group", other->obj.name)) {
			r.peer_kind = PEER_GROUP;
			snprintf(r.peer_name, sizeof(r.peer_name), "%s", other->obj.name);
		}
	}
	for (size_t i = 0; i < section->n; i++)
		if (strcmp(section->entries[i].key, key) == 0 && strcmp(section->entries[i].value, "none") == 0)
			return line_add(x, "security-group", name, key, rule_format(&r, text, sizeof(text)));
	if (line_add(x, "security-group", name, key, rule_format(&r, text, sizeof(text))))
		return true;
	r.peer_kind = PEER_PREFIX;
	return line_add(x, "security-group", name, key, rule_format(&r, text, sizeof(text)));
}

static bool number_is_free(const struct rule_list *l, uint32_t number)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (l->v[i].rule.nacl_number == number)
			return false;
	return true;
}

/* Before the rule that denies; no rule in front of it matches, so any lower number will do. 0: none is free. */
static uint32_t number_before(const struct rule_list *l, uint32_t rule)
{
	uint32_t i = 0, before, last;

	while (i < l->n && l->v[i].number != rule)
		i++;
	before = i < l->n ? l->v[i].rule.nacl_number : NACL_NUMBER_MAX + 1;
	last = i ? l->v[i - 1].rule.nacl_number : 0;
	if (i == l->n && last + NACL_STEP <= NACL_NUMBER_MAX)
		return last ? last + NACL_STEP : 100;
	if (before > last + NACL_STEP)
		return before - NACL_STEP;
	if (before > last + 1)
		return last + (before - last) / 2;
	for (uint32_t n = before; n-- > 1;)
		if (number_is_free(l, n))
			return n;
	return 0;
}

/* The rule of a number, as it stands in the document. */
static const struct entry *numbered_find(const struct section *s, const char *key, uint32_t number)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->entries[i].key, key) == 0 && strtoul(s->entries[i].value, NULL, 10) == number)
			return &s->entries[i];
	return NULL;
}

static struct advice_line *line_of_value(struct advice *a, const char *nacl, const char *key, const char *value)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i].op == ADVICE_ADD && strcmp(a->v[i].kind, "nacl") == 0 && strcmp(a->v[i].name, nacl) == 0 &&
		    strcmp(a->v[i].key, key) == 0 && strcmp(a->v[i].value, value) == 0)
			return &a->v[i];
	return NULL;
}

/* To the next number, which is free. A line of this advice is changed, one of the document replaced. */
static bool numbered_move(struct adviser *x, const char *nacl, const char *key, uint32_t number)
{
	const struct entry *en = numbered_find(section_find(&x->d, "nacl", nacl), key, number);
	_cleanup_free_ char *from = xstrdup(en->value);
	_cleanup_free_ char *to = xasprintf("%u%s", number + 1, from + strspn(from, "0123456789"));
	struct edit unset = { EDIT_UNSET, "nacl", nacl, key, from }, set = { EDIT_SET, "nacl", nacl, key, to };
	struct advice_line *own = line_of_value(x->a, nacl, key, from), *l;
	struct src_loc loc = en->loc;

	if (document_edit(&x->d, &unset, NULL) < 0 || document_edit(&x->d, &set, NULL) < 0)
		return false;
	if (own) {
		free(own->value);
		own->value = TAKE_PTR(to);
		return true;
	}
	note(x, ADVICE_REMOVE, "nacl", nacl, key, from)->loc = loc;
	l = note(x, ADVICE_ADD, "nacl", nacl, key, to);
	l->loc = loc;
	l->keeps = true;
	return true;
}

/* Makes a number free: the rules that stand there and at the next ones move up by one, in their order. */
static bool number_make_free(struct adviser *x, const char *nacl, const char *key, uint32_t number)
{
	uint32_t end = number;

	while (end - number <= NACL_MOVES_MAX && numbered_find(section_find(&x->d, "nacl", nacl), key, end))
		end++;
	if (end > NACL_NUMBER_MAX || end - number > NACL_MOVES_MAX)
		return false;
	while (end-- > number)
		if (!numbered_move(x, nacl, key, end))
			return false;
	return true;
}

static uint32_t number_of(const struct rule_list *l, uint32_t rule)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (l->v[i].number == rule)
			return l->v[i].rule.nacl_number;
	return 0;
}

static bool nacl_open(struct adviser *x)
{
	const struct model *m = x->now->m;
	uint32_t index = NONE, eni = x->s->eni ? model_find_eni(m, x->s->eni) : NONE;
	enum rule_dir dir = x->s->gate == ABI_GATE_NACL_IN ? RULE_IN : RULE_OUT;
	const char *key = dir == RULE_IN ? "inbound" : "outbound", *nacl;
	char text[160];
	struct rule r;

	if (eni != NONE)
		index = m->subnets[m->enis[eni].subnet].nacl;
	if (index == NONE || !section_find(&x->d, "nacl", m->nacls[index].obj.name))
		return false;
	rule_of_packet(x, RULE_OF_NACL, dir, &r);
	/* A client's port is another one each time: a reply needs the whole range. */
	if (x->s->leg == LEG_RETURN && r.n_ports && r.ports[0].lo >= PORT_EPHEMERAL)
		r.ports[0] = (struct port_range){ PORT_EPHEMERAL, PORT_MAX };
	nacl = m->nacls[index].obj.name;
	r.nacl_number = number_before(&m->nacls[index].dir[dir], x->s->rule);
	if (!r.nacl_number) {
		r.nacl_number = number_of(&m->nacls[index].dir[dir], x->s->rule);
		if (!r.nacl_number || !number_make_free(x, nacl, key, r.nacl_number))
			return give_up(
				x, "nacl %s has no number left for one more %s rule; number its rules anew, with gaps",
				nacl, key);
	}
	return line_add(x, "nacl", nacl, key, rule_format(&r, text, sizeof(text)));
}

static uint32_t nat_of(const struct model *m, const struct eni *eni, uint32_t vpc)
{
	uint32_t found = NONE;

	for (uint32_t i = 0; i < m->n_nat_gateways; i++) {
		uint32_t subnet = m->enis[m->nat_gateways[i].eni].subnet;

		if (!m->nat_gateways[i].is_public || m->subnets[subnet].vpc != vpc || subnet == eni->subnet)
			continue;
		if (found == NONE || strcmp(m->subnets[subnet].zone, m->subnets[eni->subnet].zone) == 0)
			found = i;
	}
	return found;
}

static bool igw_need(struct adviser *x, uint32_t vpc, char *name, size_t size)
{
	const struct model *m = x->now->m;

	if (m->vpcs[vpc].igw != NONE) {
		snprintf(name, size, "%s", m->igws[m->vpcs[vpc].igw].obj.name);
		return true;
	}
	snprintf(name, size, "%.20s-igw", m->vpcs[vpc].obj.name);
	return line_add(x, "internet-gateway", name, "vpc", m->vpcs[vpc].obj.name);
}

static bool in_some_vpc(const struct model *m, const struct addr *a)
{
	for (uint32_t v = 0; v < m->n_vpcs; v++)
		for (uint32_t i = 0; i < m->vpcs[v].n_cidrs; i++)
			if (prefix_contains(&m->vpcs[v].cidrs[i], a))
				return true;
	return false;
}

/* Into the table of the interface's subnet, which may stand in no file. */
static bool route_add(struct adviser *x, uint32_t eni, const char *destination, const char *target)
{
	const struct model *m = x->now->m;
	const struct route_table *t = &m->route_tables[m->subnets[m->enis[eni].subnet].route_table];
	const char *vpc = m->vpcs[model_eni_vpc(m, eni)].obj.name;
	char value[PREFIX_STRLEN + 80], name[64];

	snprintf(value, sizeof(value), "%s via %s", destination, target);
	if (section_find(&x->d, "route-table", t->obj.name))
		return line_add(x, "route-table", t->obj.name, "route", value);
	snprintf(name, sizeof(name), "%.20s-main", vpc);
	return line_add(x, "route-table", name, "vpc", vpc) && line_add(x, "route-table", name, "main", "yes") &&
	       line_add(x, "route-table", name, "route", value);
}

static bool route_open(struct adviser *x)
{
	const struct model *m = x->now->m;
	uint32_t index = x->s->eni ? model_find_eni(m, x->s->eni) : NONE, vpc, nat;
	char name[64], target[72];

	if (x->s->reason != ABI_REASON_NO_ROUTE_TO_DESTINATION || index == NONE || in_some_vpc(m, &x->s->dst))
		return false;
	vpc = model_eni_vpc(m, index);
	nat = nat_of(m, &m->enis[index], vpc);
	if (addr_is_zero(&m->enis[index].addrs[0].public_ip) && nat != NONE && x->s->leg == LEG_FORWARD) {
		snprintf(target, sizeof(target), "nat:%s", m->nat_gateways[nat].obj.name);
	} else {
		if (!igw_need(x, vpc, name, sizeof(name)))
			return false;
		snprintf(target, sizeof(target), "igw:%s", name);
	}
	return route_add(x, index, "0.0.0.0/0", target);
}

/* A packet that a route led to a NAT gateway, which does not take it: what answers somebody outside, or what it does not
 * carry. */
static bool nat_open(struct adviser *x)
{
	const struct model *m = x->now->m;
	const struct walk_step *route = NULL;
	uint32_t index = NONE;
	char name[64], target[72], destination[PREFIX_STRLEN];
	struct prefix alone;

	for (size_t i = 0; i < x->now->walk.denied; i++)
		if (x->now->walk.steps[i].leg == x->s->leg && x->now->walk.steps[i].gate == ABI_GATE_ROUTE)
			route = &x->now->walk.steps[i];
	if (route && route->eni)
		index = model_find_eni(m, route->eni);
	if (index == NONE || m->enis[index].owner != ENI_OF_INSTANCE || in_some_vpc(m, &route->dst) ||
	    !igw_need(x, model_eni_vpc(m, index), name, sizeof(name)))
		return false;
	alone = prefix_of(&route->dst, addr_family(&route->dst) == FAMILY_V4 ? 32 : 128);
	snprintf(target, sizeof(target), "igw:%s", name);
	return route_add(x, index, prefix_format(&alone, destination), target);
}

/* Section of an interface: the instance's, or its own. */
static const char *eni_kind(const struct adviser *x, const char *name)
{
	if (section_find(&x->d, "instance", name))
		return "instance";
	return section_find(&x->d, "interface", name) ? "interface" : NULL;
}

static bool igw_open(struct adviser *x)
{
	const struct model *m = x->now->m;
	const struct flow *f = &x->now->f;
	uint32_t index = NONE;
	char igw[64];

	if (x->s->reason == ABI_REASON_IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS)
		index = model_find_eni(m, x->s->eni);
	else if (x->s->reason == ABI_REASON_IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS && f->no_public)
		index = f->dst.index;
	if (index == NONE || m->enis[index].owner != ENI_OF_INSTANCE || !eni_kind(x, m->enis[index].obj.name) ||
	    !igw_need(x, model_eni_vpc(m, index), igw, sizeof(igw)))
		return false;
	return line_add(x, eni_kind(x, m->enis[index].obj.name), m->enis[index].obj.name, "public-ip", "auto");
}

static bool check_open(struct adviser *x)
{
	uint32_t index = x->s->object ? model_find_eni(x->now->m, x->s->object) : NONE;

	if (index == NONE || x->now->m->enis[index].owner != ENI_OF_INSTANCE ||
	    !x->now->m->enis[index].source_dest_check || !eni_kind(x, x->s->object))
		return false;
	return line_add(x, eni_kind(x, x->s->object), x->s->object, "source-dest-check", "no");
}

/* ---- writing it down ---- */

static bool give_up(struct adviser *x, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(x->a->why_not, sizeof(x->a->why_not), fmt, ap);
	va_end(ap);
	return false;
}

static struct advice_line *note(struct adviser *x, enum advice_op op, const char *kind, const char *name,
				const char *key, const char *value)
{
	struct advice_line *l = VEC_PUSH(x->a->v, x->a->n, x->a->cap);

	l->op = op;
	snprintf(l->kind, sizeof(l->kind), "%s", kind);
	snprintf(l->name, sizeof(l->name), "%s", name);
	l->key = xstrdup(key);
	l->value = xstrdup(value);
	l->gate = x->s->gate;
	l->leg = x->s->leg;
	return l;
}

/* The last line of that key, else of the section. */
static struct src_loc line_behind(const struct section *s, const char *key)
{
	struct src_loc same = { 0 }, any = s->loc;

	for (size_t i = 0; i < s->n; i++) {
		if (!s->entries[i].loc.line)
			continue;
		any = s->entries[i].loc;
		if (strcmp(s->entries[i].key, key) == 0)
			same = any;
	}
	return same.line ? same : any;
}

/* Makes the section where there is none, and takes away what the line replaces. */
static bool line_add(struct adviser *x, const char *kind, const char *name, const char *key, const char *value)
{
	const struct section *s = section_find(&x->d, kind, name);
	struct edit edit = { EDIT_SET, kind, name, key, value };
	struct err e;
	struct advice_line *l;
	struct src_loc behind = { 0 };
	bool fresh = !s || !s->loc.line;

	if (!s) {
		struct edit create = { EDIT_CREATE, kind, name, NULL, NULL };

		if (document_edit(&x->d, &create, &e) < 0)
			return false;
		s = section_find(&x->d, kind, name);
	}
	behind = line_behind(s, key);
	for (size_t i = 0; i < s->n; i++) {
		const struct entry *en = &s->entries[i];
		bool rule = strcmp(key, "inbound") == 0 || strcmp(key, "outbound") == 0;

		if (strcmp(en->key, key) != 0 || (rule && strcmp(en->value, "none") != 0) || strcmp(key, "route") == 0)
			continue;
		if (en->loc.line) {
			l = note(x, ADVICE_REMOVE, kind, name, key, en->value);
			l->loc = en->loc;
		}
		if (rule) {
			struct edit unset = { EDIT_UNSET, kind, name, key, "none" };

			document_edit(&x->d, &unset, &e);
		}
		break;
	}
	if (document_edit(&x->d, &edit, &e) < 0)
		return false;
	l = note(x, ADVICE_ADD, kind, name, key, value);
	l->new_section = fresh;
	l->loc = behind;
	return true;
}

static const struct section *section_find(const struct document *d, const char *kind, const char *name)
{
	for (size_t i = 0; i < d->n; i++)
		if (strcmp(d->sections[i].kind, kind) == 0 && strcmp(d->sections[i].name, name) == 0)
			return &d->sections[i];
	return NULL;
}
