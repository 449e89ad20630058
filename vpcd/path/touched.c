/* touched.c: two models compared object by object, by name. Pure.
 *
 * A walk reads the two ends' groups, network ACLs and route tables, their VPCs' ranges and gateways, and the
 * same of whom it passes on its way: NAT gateways and interfaces that routes lead to. So an end is touched when
 * something of its own differs, and every end is when something of a box in the middle does. */
#include <stdio.h>
#include <string.h>
#include "model/route_text.h"
#include "path/touched.h"
#include "util/mem.h"
#include "util/str.h"

enum { PROTO_TCP = 6, PROTO_UDP = 17, EPHEMERAL_LO = 1024 };

struct pair { /* what of one model's objects differs from the other model's of that name */
	const struct model *m, *other;
	bool *groups, *nacls, *tables, *lists; /* by index in m */
};

static void rules_compare(struct pair *p, struct touched *t);
static void tables_compare(struct pair *p);
static bool vpcs_differ(const struct model *a, const struct model *b);
static void ends_compare(const struct pair *p, const struct pair *q, struct touched *t);
static void pair_done(struct pair *p);

static void pair_init(struct pair *p, const struct model *m, const struct model *other)
{
	*p = (struct pair){ .m = m, .other = other };
	p->groups = xcalloc((size_t)m->n_security_groups + 1, sizeof(bool));
	p->nacls = xcalloc((size_t)m->n_nacls + 1, sizeof(bool));
	p->tables = xcalloc((size_t)m->n_route_tables + 1, sizeof(bool));
	p->lists = xcalloc((size_t)m->n_prefix_lists + 1, sizeof(bool));
}

void touched_make(const struct model *before, const struct model *after, struct touched *ret)
{
	struct pair p[2];

	*ret = (struct touched){ 0 };
	pair_init(&p[0], before, after);
	pair_init(&p[1], after, before);
	if (vpcs_differ(before, after))
		ret->all = TOUCH_SHAPE;
	for (int i = 0; i < 2; i++) {
		rules_compare(&p[i], ret);
		tables_compare(&p[i]);
	}
	ends_compare(&p[0], &p[1], ret);
	ends_compare(&p[1], &p[0], ret);
	pair_done(&p[0]);
	pair_done(&p[1]);
}

void touched_done(struct touched *t)
{
	keymap_done(&t->ends);
	free(t->rules.ports[0]);
	free(t->rules.ports[1]);
	*t = (struct touched){ 0 };
}

enum touch touched_end(const struct touched *t, const char *name)
{
	uint64_t end = keymap_get_str(&t->ends, name);
	enum touch own = end == KEYMAP_NONE ? TOUCH_NONE : (enum touch)end;

	return own > t->all ? own : t->all;
}

bool touched_flow(const struct touched *t, uint8_t proto, uint32_t lo, uint32_t hi)
{
	const struct touched_rules *r = &t->rules;
	int i = proto == PROTO_UDP;

	if (r->every || (proto != PROTO_TCP && proto != PROTO_UDP))
		return r->every || r->proto[proto];
	for (size_t k = 0; k < r->n_ports[i]; k++)
		if (r->ports[i][k].lo <= hi && lo <= r->ports[i][k].hi)
			return true;
	return false;
}

static void pair_done(struct pair *p)
{
	free(p->groups);
	free(p->nacls);
	free(p->tables);
	free(p->lists);
}

/* ---- rules ---- */

static void rule_note(struct touched_rules *t, const struct rule *r)
{
	bool high = !r->n_ports;
	int i = r->proto == PROTO_UDP;

	if (r->proto == RULE_PROTO_ALL) {
		t->every = true;
		return;
	}
	t->proto[r->proto] = true;
	if (r->proto != PROTO_TCP && r->proto != PROTO_UDP)
		return;
	for (unsigned k = 0; k < r->n_ports; k++) {
		high = high || (r->owner == RULE_OF_NACL && r->ports[k].hi >= EPHEMERAL_LO);
		*VEC_PUSH(t->ports[i], t->n_ports[i], t->cap_ports[i]) = r->ports[k];
	}
	if (high)
		*VEC_PUSH(t->ports[i], t->n_ports[i], t->cap_ports[i]) = (struct port_range){ 0, UINT16_MAX };
}

static bool list_has(const struct rule_list *l, const struct rule *r)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (rule_eq(&l->v[i].rule, r))
			return true;
	return false;
}

/* Lists are long at most by quota, and most are equal line by line. */
static bool list_compare(const struct pair *p, const struct rule_list *a, const struct rule_list *b, struct touched *t)
{
	bool differs = false;

	for (uint32_t i = 0; i < a->n; i++) {
		const struct model_rule *r = &a->v[i];
		bool moved = r->rule.peer_kind == PEER_PREFIX_LIST && r->peer_index != NONE && p->lists[r->peer_index];

		if (!moved && ((b && i < b->n && rule_eq(&b->v[i].rule, &r->rule)) || (b && list_has(b, &r->rule))))
			continue;
		rule_note(&t->rules, &r->rule);
		differs = true;
	}
	return differs;
}

static void lists_compare(struct pair *p)
{
	for (uint32_t i = 0; i < p->m->n_prefix_lists; i++) {
		const struct prefix_list *a = &p->m->prefix_lists[i], *b = NULL;

		for (uint32_t k = 0; k < p->other->n_prefix_lists && !b; k++)
			if (str_eq(p->other->prefix_lists[k].obj.name, a->obj.name))
				b = &p->other->prefix_lists[k];
		p->lists[i] = !b || b->n_entries != a->n_entries;
		for (uint32_t k = 0; k < a->n_entries && !p->lists[i]; k++)
			p->lists[i] = prefix_cmp(&a->entries[k], &b->entries[k]) != 0;
	}
}

static const char *vpc_name(const struct model *m, uint32_t vpc)
{
	return m->vpcs[vpc].obj.name;
}

/* An owner that the other model has not: whoever has it has another set of groups, or another ACL. */
static void rules_compare(struct pair *p, struct touched *t)
{
	lists_compare(p);
	for (uint32_t i = 0; i < p->m->n_security_groups; i++) {
		const struct security_group *g = &p->m->security_groups[i], *o = NULL;
		uint32_t vpc = model_find_vpc(p->other, vpc_name(p->m, g->vpc));
		uint32_t k = vpc == NONE ? NONE : model_find_security_group(p->other, g->obj.name, vpc);

		o = k == NONE ? NULL : &p->other->security_groups[k];
		for (int d = 0; d < 2; d++)
			if (list_compare(p, &g->dir[d], o ? &o->dir[d] : NULL, t))
				p->groups[i] = true;
		p->groups[i] = p->groups[i] || !o;
	}
	for (uint32_t i = 0; i < p->m->n_nacls; i++) {
		const struct nacl *n = &p->m->nacls[i], *o = NULL;

		for (uint32_t k = 0; k < p->other->n_nacls && !o; k++)
			if (str_eq(p->other->nacls[k].obj.name, n->obj.name) &&
			    str_eq(vpc_name(p->other, p->other->nacls[k].vpc), vpc_name(p->m, n->vpc)))
				o = &p->other->nacls[k];
		for (int d = 0; d < 2; d++)
			if (list_compare(p, &n->dir[d], o ? &o->dir[d] : NULL, t))
				p->nacls[i] = true;
		p->nacls[i] = p->nacls[i] || !o;
	}
}

/* ---- routes and gateways ---- */

static char *table_text(const struct model *m, const struct route_table *t)
{
	struct strbuf b = { 0 };
	char line[160];

	for (uint32_t i = 0; i < t->n_routes; i++)
		strbuf_addf(&b, "%s%s\n", route_text(m, &t->routes[i], line, sizeof(line)),
			    t->routes[i].blackhole ? " gone" : "");
	return strbuf_take(&b);
}

static void tables_compare(struct pair *p)
{
	for (uint32_t i = 0; i < p->m->n_route_tables; i++) {
		const struct route_table *a = &p->m->route_tables[i], *b = NULL;
		_cleanup_free_ char *x = NULL, *y = NULL;

		for (uint32_t k = 0; k < p->other->n_route_tables && !b; k++)
			if (str_eq(p->other->route_tables[k].obj.name, a->obj.name) &&
			    str_eq(vpc_name(p->other, p->other->route_tables[k].vpc), vpc_name(p->m, a->vpc)))
				b = &p->other->route_tables[k];
		x = table_text(p->m, a);
		y = b ? table_text(p->other, b) : NULL;
		p->tables[i] = !str_eq(x, y);
	}
}

static char *vpcs_text(const struct model *m)
{
	struct strbuf b = { 0 };
	char prefix[PREFIX_STRLEN];

	for (uint32_t i = 0; i < m->n_vpcs; i++) {
		strbuf_addf(&b, "%s %s", m->vpcs[i].obj.name, m->vpcs[i].igw == NONE ? "" : "igw");
		for (uint32_t k = 0; k < m->vpcs[i].n_cidrs; k++)
			strbuf_addf(&b, " %s", prefix_format(&m->vpcs[i].cidrs[k], prefix));
		strbuf_adds(&b, "\n");
	}
	for (uint32_t i = 0; i < m->n_igws; i++)
		if (m->igws[i].edge_table != NONE)
			strbuf_addf(&b, "%s edge %s\n", m->igws[i].obj.name,
				    m->route_tables[m->igws[i].edge_table].obj.name);
	for (uint32_t i = 0; i < m->n_peerings; i++)
		strbuf_addf(&b, "%s %s %s\n", m->peerings[i].obj.name, vpc_name(m, m->peerings[i].vpcs[0]),
			    vpc_name(m, m->peerings[i].vpcs[1]));
	return strbuf_take(&b);
}

static bool vpcs_differ(const struct model *a, const struct model *b)
{
	_cleanup_free_ char *x = vpcs_text(a), *y = vpcs_text(b);

	return strcmp(x, y) != 0;
}

/* ---- ends ---- */

/* Everything of an interface that is no rule and no route. */
static void eni_add(const struct model *m, uint32_t index, struct strbuf *b)
{
	const struct eni *e = &m->enis[index];
	const struct subnet *s = &m->subnets[e->subnet];
	char a[ADDR_STRLEN], prefix[PREFIX_STRLEN];

	strbuf_addf(b, "%s %s %s %s %s %s %d", e->obj.name,
		    e->owner == ENI_OF_INSTANCE                 ? "instance"
		    : m->nat_gateways[e->owner_index].is_public ? "public"
								: "private",
		    vpc_name(m, s->vpc), prefix_format(&s->cidr, prefix), m->nacls[s->nacl].obj.name,
		    m->route_tables[s->route_table].obj.name, e->source_dest_check);
	for (uint32_t i = 0; i < e->n_addrs; i++) {
		strbuf_addf(b, " %s", addr_format(&e->addrs[i].addr, a));
		strbuf_addf(b, "/%s", addr_format(&e->addrs[i].public_ip, a));
	}
	for (uint32_t i = 0; i < e->n_groups; i++)
		strbuf_addf(b, " sg:%s", m->security_groups[e->groups[i]].obj.name);
	strbuf_adds(b, "\n");
}

static enum touch eni_touch(const struct pair *p, uint32_t index)
{
	const struct eni *e = &p->m->enis[index];
	const struct subnet *s = &p->m->subnets[e->subnet];
	bool rules = p->nacls[s->nacl];

	for (uint32_t i = 0; i < e->n_groups; i++)
		rules = rules || p->groups[e->groups[i]];
	return p->tables[s->route_table] ? TOUCH_SHAPE : rules ? TOUCH_RULES : TOUCH_NONE;
}

static enum touch more(enum touch a, enum touch b)
{
	return a > b ? a : b;
}

/* NAT gateways and whom routes lead to: they stand in the way of others. */
static void boxes_compare(const struct pair *p, struct touched *t)
{
	const struct model *m = p->m;
	_cleanup_free_ bool *box = xcalloc((size_t)m->n_enis + 1, sizeof(*box));

	for (uint32_t i = 0; i < m->n_enis; i++)
		box[i] = m->enis[i].owner == ENI_OF_NAT_GATEWAY;
	for (uint32_t i = 0; i < m->n_route_tables; i++) {
		for (uint32_t k = 0; k < m->route_tables[i].n_routes; k++) {
			const struct route *r = &m->route_tables[i].routes[k];

			if ((r->target == TARGET_ENI || r->target == TARGET_INSTANCE) && r->target_index != NONE)
				box[r->target_index] = true;
		}
		if (p->tables[i] && m->route_tables[i].edge_igw != NONE)
			t->all = TOUCH_SHAPE;
	}
	for (uint32_t i = 0; i < m->n_enis; i++) {
		uint32_t o = box[i] ? model_find_eni(p->other, m->enis[i].obj.name) : NONE;
		struct strbuf x = { 0 }, y = { 0 };

		if (!box[i])
			continue;
		eni_add(m, i, &x);
		if (o != NONE)
			eni_add(p->other, o, &y);
		t->all = more(t->all, str_eq(x.s, y.s) ? eni_touch(p, i) : TOUCH_SHAPE);
		/* Of an appliance with several interfaces each is in the way. */
		for (uint32_t k = 0; m->enis[i].owner == ENI_OF_INSTANCE && m->enis[i].owner_index != NONE &&
				     k < m->instances[m->enis[i].owner_index].n_enis;
		     k++)
			t->all = more(t->all, eni_touch(p, m->instances[m->enis[i].owner_index].enis[k]));
		strbuf_done(&x);
		strbuf_done(&y);
	}
}

static void end_add(struct touched *t, const char *name, enum touch touch)
{
	if (touch != TOUCH_NONE)
		keymap_put_str(&t->ends, name, touch); /* seen from the other model it is the same */
}

static char *instance_text(const struct model *m, uint32_t instance)
{
	struct strbuf b = { 0 };

	for (uint32_t k = 0; k < m->instances[instance].n_enis; k++)
		eni_add(m, m->instances[instance].enis[k], &b);
	return strbuf_take(&b);
}

static void ends_compare(const struct pair *p, const struct pair *q, struct touched *t)
{
	const struct model *m = p->m;

	boxes_compare(p, t);
	for (uint32_t i = 0; i < m->n_instances; i++) {
		uint32_t o = model_find_instance(q->m, m->instances[i].obj.name);
		_cleanup_free_ char *x = instance_text(m, i), *y = o == NONE ? NULL : instance_text(q->m, o);
		enum touch touch = str_eq(x, y) ? TOUCH_NONE : TOUCH_SHAPE;

		for (uint32_t k = 0; k < m->instances[i].n_enis; k++)
			touch = more(touch, eni_touch(p, m->instances[i].enis[k]));
		for (uint32_t k = 0; o != NONE && k < q->m->instances[o].n_enis; k++)
			touch = more(touch, eni_touch(q, q->m->instances[o].enis[k]));
		for (uint32_t k = 0; k < m->instances[i].n_enis; k++) /* the first is called as the instance is */
			end_add(t, m->enis[m->instances[i].enis[k]].obj.name, touch);
		for (uint32_t k = 0; o != NONE && k < q->m->instances[o].n_enis; k++)
			end_add(t, q->m->enis[q->m->instances[o].enis[k]].obj.name, touch);
	}
	for (uint32_t i = 0; i < m->n_hosts; i++) {
		uint32_t o = model_find_host(q->m, m->hosts[i].obj.name);

		if (o == NONE || addr_cmp(&m->hosts[i].addr, &q->m->hosts[o].addr) != 0)
			end_add(t, m->hosts[i].obj.name, TOUCH_SHAPE);
	}
}
