/* matrix.c: all pairs of a lab for one protocol and port. Pure.
 *
 * Ends are put into classes first. Two ends are of one class when nothing that the filter, the tables or
 * the gateways look at tells them apart: that is the key below. An end that is looked at by name (a route
 * leads to it, it has several interfaces or addresses, its address lies where another VPC has its own)
 * is a class of its own. One walk a pair of classes then answers for all pairs of their members. */
#include <stdio.h>
#include <string.h>
#include "model/keymap.h"
#include "path/matrix.h"
#include "path/trial.h"
#include "util/mem.h"

enum { V4_LENGTHS = 33 };

/* Every prefix that some rule, list, route or range of the lab names: an address is known by the
 * longest one that holds it, since prefixes either nest or are apart. */
struct prefix_key {
	uint8_t addr[16], len;
};
struct prefixes {
	struct keymap set;
	struct prefix_key *v;
	size_t n, cap;
	bool has_len[V4_LENGTHS];
};
struct class_key { /* compared as bytes: zeroed whole */
	uint32_t kind, subnet, policy, checks;
	uint32_t private_in, public_in; /* prefix numbers */
	uint32_t unique;                /* end + 1 for those that stand for themselves; else 0 */
};

static void ends_make(const struct model *m, struct matrix *x);
static void classes_make(const struct model *m, struct matrix *x);
static void prefixes_make(const struct model *m, struct prefixes *p);
static uint32_t prefix_number(struct prefixes *p, const struct addr *a);
static bool *routed_to(const struct model *m);
static bool in_some_vpc(const struct model *m, const struct addr *a, uint32_t but);
static int cells_fill(struct walker *w, struct matrix *x, struct err *e);
static int pair_walk(struct walker *w, struct matrix *x, struct keymap *known, uint32_t src, uint32_t dst,
		     uint32_t *ret, struct err *e);
static uint32_t outcome_add(struct matrix *x, struct keymap *known, const struct matrix_outcome *o,
			    struct matrix_outcome **ret_new);
static void outcome_of_walk(const struct walk *w, const char *src, const char *dst, struct matrix_outcome *o);
static bool denied_by_sender(enum abi_gate gate);

int matrix_make(struct walker *w, const char *proto, uint16_t sport, struct matrix *ret, struct err *e)
{
	struct matrix x = { .sport = sport };
	int r;

	snprintf(x.proto, sizeof(x.proto), "%s", proto);
	ends_make(w->m, &x);
	classes_make(w->m, &x);
	r = cells_fill(w, &x, e);
	if (r < 0) {
		matrix_done(&x);
		return r;
	}
	*ret = x;
	return 0;
}

void matrix_names(const struct model *m, struct matrix *ret)
{
	*ret = (struct matrix){ 0 };
	ends_make(m, ret);
}

void matrix_ends(const struct model *m, struct matrix *ret)
{
	matrix_names(m, ret);
	classes_make(m, ret);
}

void matrix_done(struct matrix *x)
{
	for (size_t i = 0; i < x->n_outcomes; i++)
		free(x->outcomes[i]);
	free(x->outcomes);
	free(x->ends);
	free(x->cells);
	*x = (struct matrix){ 0 };
}

const char *matrix_object_name(const struct matrix_outcome *o, const char *src, const char *dst)
{
	return o->object_of == MATRIX_OBJECT_SRC ? src : o->object_of == MATRIX_OBJECT_DST ? dst : o->object;
}

const struct src_loc *matrix_end_place(const struct matrix_outcome *o, const struct matrix_end *end)
{
	if (o->allow || o->rule || (o->object_of == MATRIX_OBJECT_FIXED && !denied_by_sender(o->gate)))
		return NULL;
	return o->gate == ABI_GATE_SG_OUT || o->gate == ABI_GATE_SG_IN ? &end->groups : &end->loc;
}

struct src_loc matrix_place(const struct matrix *x, uint32_t src, uint32_t dst)
{
	const struct matrix_outcome *o = matrix_at(x, src, dst);
	const struct src_loc *loc = matrix_end_place(o, &x->ends[o->object_of == MATRIX_OBJECT_DST ? dst : src]);

	return loc ? *loc : o->loc;
}

const struct walk_step *walk_admitting_step(const struct walk *w)
{
	const struct walk_step *found = NULL;

	for (size_t i = 0; i < w->n; i++)
		if (w->steps[i].leg == LEG_FORWARD && w->steps[i].rule && w->steps[i].gate != ABI_GATE_ROUTE)
			found = &w->steps[i];
	return found;
}

size_t matrix_usual_flows(const struct model *m, char (**ret)[24])
{
	char(*v)[24] = NULL;
	size_t n = 0, cap = 0;

	for (uint32_t i = 0; i < m->n_instances + m->n_hosts; i++) {
		const struct workload *work =
			i < m->n_instances ? &m->instances[i].work : &m->hosts[i - m->n_instances].work;

		for (uint32_t k = 0; k < work->n_listen; k++) {
			char text[24], name[8];
			size_t j = 0;

			snprintf(text, sizeof(text), "%s/%u", rule_proto_name(work->listen[k].proto, name),
				 work->listen[k].port);
			while (j < n && strcmp(v[j], text) != 0)
				j++;
			if (j == n)
				memcpy(VEC_PUSH(v, n, cap), text, sizeof(text));
		}
	}
	if (n == 0)
		snprintf(*VEC_PUSH(v, n, cap), sizeof(*v), "icmp");
	*ret = v;
	return n;
}

static struct matrix_end *end_add(struct matrix *x, enum matrix_end_kind kind, uint32_t index, const struct obj *obj)
{
	struct matrix_end *end = &x->ends[x->n_ends++];

	*end = (struct matrix_end){ .name = obj->name, .kind = kind, .index = index, .loc = obj->loc };
	return end;
}

static void eni_end_add(struct matrix *x, const struct model *m, enum matrix_end_kind kind, uint32_t index)
{
	const struct eni *eni = &m->enis[index];
	struct matrix_end *end = end_add(x, kind, index, &eni->obj);

	if (eni->n_groups)
		end->groups = m->security_groups[eni->groups[0]].obj.loc;
}

/* An instance is its first interface, which is called as it is. */
static void ends_make(const struct model *m, struct matrix *x)
{
	x->ends = xcalloc((size_t)m->n_enis + m->n_hosts + 1, sizeof(*x->ends));
	for (int further = 0; further < 2; further++)
		for (uint32_t i = 0; i < m->n_instances; i++)
			for (uint32_t k = (uint32_t)further; k < (further ? m->instances[i].n_enis : 1); k++)
				if (k < m->instances[i].n_enis)
					eni_end_add(x, m, further ? MATRIX_END_INTERFACE : MATRIX_END_INSTANCE,
						    m->instances[i].enis[k]);
	for (uint32_t i = 0; i < m->n_hosts; i++)
		end_add(x, MATRIX_END_HOST, i, &m->hosts[i].obj);
}

/* ---- classes ---- */

static void eni_key(const struct model *m, struct prefixes *p, const bool *routed, uint32_t index, struct class_key *k,
		    uint32_t end)
{
	const struct eni *eni = &m->enis[index];
	const struct eni_addr *a = &eni->addrs[0];

	k->kind = END_ENI + 1;
	k->subnet = eni->subnet;
	k->policy = eni->policy;
	k->checks = eni->source_dest_check;
	k->private_in = prefix_number(p, &a->addr);
	if (!addr_is_zero(&a->public_ip))
		k->public_in = prefix_number(p, &a->public_ip) + 1;
	if (m->instances[eni->owner_index].n_enis > 1 || eni->n_addrs > 1 || routed[index] ||
	    (!addr_is_zero(&a->public_ip) && in_some_vpc(m, &a->public_ip, NONE)) ||
	    (m->n_peerings && in_some_vpc(m, &a->addr, m->subnets[eni->subnet].vpc)))
		k->unique = end + 1;
}

static void classes_make(const struct model *m, struct matrix *x)
{
	_cleanup_free_ struct class_key *keys = xcalloc((size_t)x->n_ends + 1, sizeof(*keys));
	_cleanup_free_ bool *routed = routed_to(m);
	struct prefixes p = { 0 };
	struct keymap seen = { 0 };

	prefixes_make(m, &p);
	for (uint32_t end = 0; end < x->n_ends; end++) {
		const struct host *h = &m->hosts[x->ends[end].index];

		if (x->ends[end].kind != MATRIX_END_HOST) {
			eni_key(m, &p, routed, x->ends[end].index, &keys[end], end);
			continue;
		}
		keys[end].kind = END_HOST + 1;
		keys[end].public_in = prefix_number(&p, &h->addr) + 1;
		if (in_some_vpc(m, &h->addr, NONE))
			keys[end].unique = end + 1;
	}
	for (uint32_t end = 0; end < x->n_ends; end++) {
		uint64_t class = keymap_get(&seen, &keys[end], sizeof(keys[end]));

		if (class == KEYMAP_NONE) {
			class = x->n_classes++;
			keymap_put(&seen, &keys[end], sizeof(keys[end]), class);
		}
		x->ends[end].class = (uint32_t) class;
	}
	keymap_done(&seen);
	keymap_done(&p.set);
	free(p.v);
}

static void prefix_key_set(struct prefix_key *k, const struct prefix *a)
{
	memcpy(k->addr, a->addr.a.b, sizeof(k->addr));
	k->len = a->len;
}

static void prefix_note(struct prefixes *p, const struct prefix *a)
{
	if (a->family != FAMILY_V4)
		return;
	p->has_len[a->len] = true;
	prefix_key_set(VEC_PUSH(p->v, p->n, p->cap), a);
}

static void rules_note(struct prefixes *p, const struct rule_list *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (l->v[i].rule.peer_kind == PEER_PREFIX)
			prefix_note(p, &l->v[i].rule.peer);
}

static void prefixes_make(const struct model *m, struct prefixes *p)
{
	/* What the gateways look at: RFC 1918, RFC 6598, link-local and no destination at all. */
	static const char *const fixed[] = { "10.0.0.0/8",     "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10",
					     "169.254.0.0/16", "224.0.0.0/3",   "0.0.0.0/8",      "127.0.0.0/8" };
	struct prefix a;

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		if (prefix_parse(fixed[i], &a, NULL) == 0)
			prefix_note(p, &a);
	for (uint32_t i = 0; i < m->n_vpcs; i++)
		for (uint32_t k = 0; k < m->vpcs[i].n_cidrs; k++)
			prefix_note(p, &m->vpcs[i].cidrs[k]);
	for (uint32_t i = 0; i < m->n_subnets; i++)
		prefix_note(p, &m->subnets[i].cidr);
	for (uint32_t i = 0; i < m->n_route_tables; i++)
		for (uint32_t k = 0; k < m->route_tables[i].n_routes; k++)
			prefix_note(p, &m->route_tables[i].routes[k].dst);
	for (uint32_t i = 0; i < m->n_prefix_lists; i++)
		for (uint32_t k = 0; k < m->prefix_lists[i].n_entries; k++)
			prefix_note(p, &m->prefix_lists[i].entries[k]);
	for (int d = 0; d < 2; d++) {
		for (uint32_t i = 0; i < m->n_nacls; i++)
			rules_note(p, &m->nacls[i].dir[d]);
		for (uint32_t i = 0; i < m->n_security_groups; i++)
			rules_note(p, &m->security_groups[i].dir[d]);
	}
	for (size_t i = 0; i < p->n;
	     i++) /* the first of equal ones names them; v grows no more: keys may point into it */
		keymap_put(&p->set, &p->v[i], sizeof(p->v[i]), i + 1);
}

/* Of the longest prefix that holds a; 0 = none does. */
static uint32_t prefix_number(struct prefixes *p, const struct addr *a)
{
	for (unsigned len = V4_LENGTHS; len-- > 0;) {
		struct prefix prefix;
		struct prefix_key key;
		uint64_t found;

		if (!p->has_len[len])
			continue;
		prefix = prefix_of(a, len);
		prefix_key_set(&key, &prefix);
		found = keymap_get(&p->set, &key, sizeof(key));
		if (found != KEYMAP_NONE)
			return (uint32_t)found;
	}
	return 0;
}

static bool *routed_to(const struct model *m)
{
	bool *v = xcalloc((size_t)m->n_enis + 1, sizeof(*v));

	for (uint32_t i = 0; i < m->n_route_tables; i++) {
		for (uint32_t k = 0; k < m->route_tables[i].n_routes; k++) {
			const struct route *r = &m->route_tables[i].routes[k];

			if ((r->target == TARGET_ENI || r->target == TARGET_INSTANCE) && r->target_index != NONE)
				v[r->target_index] = true;
		}
	}
	return v;
}

static bool in_some_vpc(const struct model *m, const struct addr *a, uint32_t but)
{
	for (uint32_t i = 0; i < m->n_vpcs; i++)
		for (uint32_t k = 0; k < m->vpcs[i].n_cidrs; k++)
			if (i != but && prefix_contains(&m->vpcs[i].cidrs[k], a))
				return true;
	return false;
}

/* ---- cells ---- */

static int cells_fill(struct walker *w, struct matrix *x, struct err *e)
{
	static const struct matrix_outcome own = { .allow = true, .own = true };
	size_t n = x->n_ends, classes = x->n_classes;
	_cleanup_free_ uint32_t *by_class = xcalloc(classes * classes + 1, sizeof(*by_class)); /* outcome + 1 */
	struct keymap known = { 0 };
	struct matrix_outcome *first;
	uint32_t alone = outcome_add(x, &known, &own, &first);
	int r = 0;

	x->cells = xcalloc(n * n + 1, sizeof(*x->cells));
	for (uint32_t src = 0; src < n && r == 0; src++) {
		uint32_t *cells = &x->cells[src * n], *row = &by_class[x->ends[src].class * classes];

		for (uint32_t dst = 0; dst < n; dst++) {
			uint32_t *cell = &row[x->ends[dst].class];

			if (src == dst) {
				cells[dst] = alone;
				continue;
			}
			if (!*cell) {
				r = pair_walk(w, x, &known, src, dst, cell, e);
				if (r < 0)
					break;
				++*cell;
			}
			cells[dst] = *cell - 1;
		}
	}
	keymap_done(&known);
	return r;
}

static int pair_walk(struct walker *w, struct matrix *x, struct keymap *known, uint32_t src, uint32_t dst,
		     uint32_t *ret, struct err *e)
{
	struct matrix_outcome o, *kept;
	struct flow f;
	struct walk walk;
	int r = flow_parse_words(w->m, x->ends[src].name, x->ends[dst].name, x->proto, &f, e);

	if (r == 0 && x->sport)
		f.sport = x->sport;
	w->no_words = true;
	if (r == 0)
		r = walk_flow(w, &f, &walk, e);
	w->no_words = false;
	if (r < 0)
		return r;
	outcome_of_walk(&walk, x->ends[src].name, x->ends[dst].name, &o);
	walk_done(&walk);
	x->walks++;
	*ret = outcome_add(x, known, &o, &kept);
	if (kept && o.rule) {
		struct walk_step s = { .gate = o.gate };

		step_rule_set(w, &s, o.rule);
		memcpy(kept->rule_text, s.rule_text, sizeof(kept->rule_text));
		kept->loc = s.loc;
	}
	return 0;
}

/* ret_new: the copy that is kept when there was none like it, else NULL. */
static uint32_t outcome_add(struct matrix *x, struct keymap *known, const struct matrix_outcome *o,
			    struct matrix_outcome **ret_new)
{
	uint64_t found = keymap_get(known, o, offsetof(struct matrix_outcome, rule_text));
	struct matrix_outcome *copy;

	*ret_new = NULL;
	if (found != KEYMAP_NONE)
		return (uint32_t)found;
	copy = xmemdup(o, sizeof(*o));
	found = x->n_outcomes;
	*VEC_PUSH(x->outcomes, x->n_outcomes, x->cap_outcomes) = copy;
	keymap_put(known, copy, offsetof(struct matrix_outcome, rule_text), found);
	*ret_new = copy;
	return (uint32_t)found;
}

static bool object_is_interface(enum abi_gate gate)
{
	return gate == ABI_GATE_SOURCE_CHECK || gate == ABI_GATE_SG_OUT || gate == ABI_GATE_DEST_CHECK ||
	       gate == ABI_GATE_SG_IN || gate == ABI_GATE_CONNTRACK;
}

/* What is no packet that anybody carries stops where it is sent, whatever it is for. */
static bool denied_by_sender(enum abi_gate gate)
{
	return gate == ABI_GATE_PARSE || gate == ABI_GATE_SERVICE;
}

/* Field by field into zeroed memory: outcomes are compared as bytes. */
static void outcome_of_walk(const struct walk *w, const char *src, const char *dst, struct matrix_outcome *o)
{
	const struct walk_step *s = w->allow ? walk_admitting_step(w) : &w->steps[w->denied];

	memset(o, 0, sizeof(*o));
	o->allow = w->allow;
	if (!s)
		return;
	o->leg = s->leg;
	o->gate = s->gate;
	o->reason = s->reason;
	o->rule = s->rule;
	if (s->object && object_is_interface(s->gate) && strcmp(s->object, src) == 0)
		o->object_of = MATRIX_OBJECT_SRC;
	else if (s->object && object_is_interface(s->gate) && strcmp(s->object, dst) == 0)
		o->object_of = MATRIX_OBJECT_DST;
	else
		o->object = s->object;
	if (o->rule || o->object_of != MATRIX_OBJECT_FIXED || denied_by_sender(s->gate))
		return;
	o->loc = s->loc;
	o->line = s->loc.line;
}
