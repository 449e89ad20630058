/* views_live.c: what has counters or state in the data path: rules, routes, connections, interfaces. */
#include <stdio.h>
#include <string.h>
#include "daemon/lab.h"
#include "daemon/loop.h"
#include "daemon/verdict.h"
#include "daemon/views.h"
#include "filters/world.h"
#include "filters/conntrack.h"
#include "kern/datapath.h"
#include "kern/uplink.h"
#include "model/route_text.h"
#include "model/uplink.h"
#include "plan/state.h"
#include "util/mem.h"

struct list_owner {
	const char *kind;
	const struct obj *obj;
	enum rule_dir dir;
};
static json_t *rule_json(const struct lab *l, const struct list_owner *owner, const struct model_rule *r,
			 uint32_t star);
static void add_counter(json_t *o, const struct abi_counter *c, bool known);
static json_t *route_json(const struct lab *l, const struct route *r);
static json_t *group_rules(const struct lab *l, const struct security_group *g);
static json_t *nacl_rules(const struct lab *l, const struct nacl *n);

json_t *view_rules(struct lab *l)
{
	const struct model *m = l->model;
	json_t *all = json_array();

	for (uint32_t i = 0; i < m->n_security_groups; i++) {
		json_t *some = group_rules(l, &m->security_groups[i]);

		json_array_extend(all, some);
		json_decref(some);
	}
	for (uint32_t i = 0; i < m->n_nacls; i++) {
		json_t *some = nacl_rules(l, &m->nacls[i]);

		json_array_extend(all, some);
		json_decref(some);
	}
	return all;
}

json_t *view_route_tables(struct lab *l, const char *name)
{
	const struct model *m = l->model;
	json_t *a = json_array();

	for (uint32_t i = 0; i < m->n_route_tables; i++) {
		const struct route_table *t = &m->route_tables[i];
		json_t *o, *subnets, *routes;

		if (!view_wants(name, t->obj.name))
			continue;
		o = json_object();
		subnets = json_array();
		routes = json_array();
		for (uint32_t k = 0; k < m->n_subnets; k++)
			if (m->subnets[k].route_table == i)
				json_array_append_new(subnets, json_string(m->subnets[k].obj.name));
		for (uint32_t k = 0; k < t->n_routes; k++)
			json_array_append_new(routes, route_json(l, &t->routes[k]));
		json_object_set_new(o, "name", json_string(t->obj.name));
		json_object_set_new(o, "id", json_text(t->obj.id));
		json_object_set_new(o, "vpc", json_string(m->vpcs[t->vpc].obj.name));
		json_object_set_new(o, "main", json_boolean(t->is_main));
		json_object_set_new(o, "number", json_integer(t->obj.number));
		json_object_set_new(o, "linux_table", json_integer(ABI_ROUTE_TABLE_BASE + t->obj.number));
		json_object_set_new(o, "subnets", subnets);
		json_object_set_new(o, "edge",
				    t->edge_igw == NONE ? json_null() : json_string(m->igws[t->edge_igw].obj.name));
		json_object_set_new(o, "routes", routes);
		json_array_append_new(a, o);
	}
	return a;
}

json_t *view_security_groups(struct lab *l, const char *name)
{
	const struct model *m = l->model;
	json_t *a = json_array();

	for (uint32_t i = 0; i < m->n_security_groups; i++) {
		const struct security_group *g = &m->security_groups[i];
		json_t *o, *members;

		if (!view_wants(name, g->obj.name))
			continue;
		o = json_object();
		members = json_array();
		for (uint32_t k = 0; k < m->n_enis; k++)
			for (uint32_t n = 0; n < m->enis[k].n_groups; n++)
				if (m->enis[k].groups[n] == i)
					json_array_append_new(members, json_string(m->enis[k].obj.name));
		json_object_set_new(o, "name", json_string(g->obj.name));
		json_object_set_new(o, "id", json_text(g->obj.id));
		json_object_set_new(o, "vpc", json_string(m->vpcs[g->vpc].obj.name));
		json_object_set_new(o, "default", json_boolean(g->is_default));
		json_object_set_new(o, "members", members);
		json_object_set_new(o, "rules", group_rules(l, g));
		view_place(o, &g->obj);
		json_array_append_new(a, o);
	}
	return a;
}

json_t *view_nacls(struct lab *l, const char *name)
{
	const struct model *m = l->model;
	json_t *a = json_array();

	for (uint32_t i = 0; i < m->n_nacls; i++) {
		const struct nacl *n = &m->nacls[i];
		json_t *o, *subnets;

		if (!view_wants(name, n->obj.name))
			continue;
		o = json_object();
		subnets = json_array();
		for (uint32_t k = 0; k < m->n_subnets; k++)
			if (m->subnets[k].nacl == i)
				json_array_append_new(subnets, json_string(m->subnets[k].obj.name));
		json_object_set_new(o, "name", json_string(n->obj.name));
		json_object_set_new(o, "id", json_text(n->obj.id));
		json_object_set_new(o, "vpc", json_string(m->vpcs[n->vpc].obj.name));
		json_object_set_new(o, "default", json_boolean(n->is_default));
		json_object_set_new(o, "subnets", subnets);
		json_object_set_new(o, "rules", nacl_rules(l, n));
		view_place(o, &n->obj);
		json_array_append_new(a, o);
	}
	return a;
}

/* ---- rules ---- */

static json_t *group_rules(const struct lab *l, const struct security_group *g)
{
	json_t *a = json_array();

	for (int dir = RULE_IN; dir <= RULE_OUT; dir++) {
		struct list_owner owner = { "security-group", &g->obj, dir };

		for (uint32_t i = 0; i < g->dir[dir].n; i++)
			json_array_append_new(a, rule_json(l, &owner, &g->dir[dir].v[i], 0));
	}
	return a;
}

static json_t *nacl_rules(const struct lab *l, const struct nacl *n)
{
	json_t *a = json_array();

	for (int dir = RULE_IN; dir <= RULE_OUT; dir++) {
		struct list_owner owner = { "nacl", &n->obj, dir };

		for (uint32_t i = 0; i < n->dir[dir].n; i++)
			json_array_append_new(a, rule_json(l, &owner, &n->dir[dir].v[i], 0));
		json_array_append_new(a, rule_json(l, &owner, NULL, n->star[dir]));
	}
	return a;
}

/* r NULL: the implicit * rule, number star. What AWS put there stands where its owner does. */
static json_t *rule_json(const struct lab *l, const struct list_owner *owner, const struct model_rule *r, uint32_t star)
{
	struct src_loc loc = r && r->origin != ORIGIN_IMPLICIT ? r->loc : owner->obj->loc;
	struct datapath *d = lab_datapath(l);
	struct abi_counter hits = { 0 };
	uint32_t number = r ? r->number : star;
	bool known = d && datapath_rule_hits(d, number, &hits) == 0;
	json_t *o = json_object();
	char text[256] = "*";

	if (r)
		rule_format(&r->rule, text, sizeof(text));
	json_object_set_new(o, "number", json_integer(number));
	json_object_set_new(o, "owner_kind", json_string(owner->kind));
	json_object_set_new(o, "owner", json_string(owner->obj->name));
	json_object_set_new(o, "direction", json_string(owner->dir == RULE_IN ? "inbound" : "outbound"));
	json_object_set_new(o, "text", json_string(text));
	json_object_set_new(o, "action", json_string(r && r->rule.allow ? "allow" : "deny"));
	json_object_set_new(o, "description", r && r->note ? json_string(r->note) : json_null());
	add_counter(o, &hits, known);
	json_object_set_new(o, "last_hit", d ? json_second(datapath_rule_last(d, number)) : json_null());
	json_object_set_new(o, "file", json_file(loc));
	json_object_set_new(o, "line", json_line(loc));
	json_object_set_new(o, "origin", json_string(origin_name(r ? r->origin : ORIGIN_IMPLICIT)));
	return o;
}

static void add_counter(json_t *o, const struct abi_counter *c, bool known)
{
	json_object_set_new(o, "packets", known ? json_integer((json_int_t)c->packets) : json_null());
	json_object_set_new(o, "bytes", known ? json_integer((json_int_t)c->bytes) : json_null());
}

static json_t *route_json(const struct lab *l, const struct route *r)
{
	const struct model *m = l->model;
	struct datapath *d = lab_datapath(l);
	struct abi_counter hits = { 0 };
	bool known = d && datapath_route_hits(d, r->number, &hits) == 0;
	json_t *o = json_object();
	char target[64], prefix[PREFIX_STRLEN];

	json_object_set_new(o, "destination", json_string(prefix_format(&r->dst, prefix)));
	json_object_set_new(o, "prefix_list",
			    r->prefix_list == NONE ? json_null()
						   : json_string(m->prefix_lists[r->prefix_list].obj.name));
	json_object_set_new(o, "target", json_string(route_target_text(r, target, sizeof(target))));
	json_object_set_new(o, "state", json_string(r->blackhole ? "blackhole" : "active"));
	json_object_set_new(o, "origin", json_string(origin_name(r->origin)));
	add_counter(o, &hits, known);
	json_object_set_new(o, "file", json_file(r->loc));
	json_object_set_new(o, "line", json_line(r->loc));
	return o;
}

/* ---- gates ---- */

struct gates_view {
	const struct lab *l;
	json_t *a;
};

static int add_gate(void *ctx, const struct abi_gate_key *key, const struct abi_counter *sum)
{
	struct gates_view *v = ctx;
	struct abi_event ev = { .gate_port = key->port, .port = key->port, .gate = key->gate, .reason = key->reason };
	struct verdict_words w;
	json_t *o = json_object();

	verdict_words(v->l->ports, &ev, &w);
	json_object_set_new(o, "eni", json_text(port_name(v->l->ports, key->port)));
	json_object_set_new(o, "gate", json_text(w.gate));
	json_object_set_new(o, "object", json_text(w.object));
	json_object_set_new(o, "reason", json_text(w.reason));
	add_counter(o, sum, true);
	json_array_append_new(v->a, o);
	return 0;
}

json_t *view_gates(struct lab *l)
{
	struct gates_view v = { .l = l, .a = json_array() };
	struct datapath *d = lab_datapath(l);

	if (d)
		datapath_gate_hits(d, add_gate, &v);
	return v.a;
}

/* ---- connections ---- */

struct ct_view {
	const struct lab *l;
	struct datapath *d;
	struct ct_row {
		struct abi_flow_key key;
		struct abi_flow entry;
	} * rows;
	size_t n, cap;
	json_t *a;
	uint64_t now;
};

static const char *ct_state_name(uint8_t proto, const struct abi_flow *f)
{
	static const char *const names[] = {
		[FLOW_OPENING] = "opening",   [FLOW_ESTABLISHED] = "established",
		[FLOW_FIN_WAIT] = "fin-wait", [FLOW_TIME_WAIT] = "time-wait",
		[FLOW_CLOSED] = "closed",     [FLOW_SINGLE] = "single",
		[FLOW_STREAM] = "stream",     [FLOW_ICMP] = "icmp",
		[FLOW_OTHER] = "other",
	};

	return names[flow_state_of(proto, f->tx, f->rx)];
}

static unsigned be16(const uint8_t v[2])
{
	return (unsigned)v[0] << 8 | v[1];
}

/* As the side that opened the flow sees it; one that is not tracked as its interface sends it. ICMP has an
 * identifier and no ports. */
static void add_flow(struct ct_view *v, const struct abi_flow_key *key, struct abi_flow *f)
{
	bool tracked = f->flags & ABI_FLOW_TRACKED;
	bool inbound = f->flags & ABI_FLOW_INBOUND, ports = key->proto == 6 || key->proto == 17;
	struct addr own = { key->src }, other = { key->dst };
	unsigned own_port = be16(key->sport), other_port = be16(key->dport);
	struct src_loc loc = { 0 };
	char rule[256], proto[8];
	uint64_t ends;
	json_t *o;

	if (!tracked && port_get(v->l->ports, key->port).owner != PORT_OF_ENI)
		return; /* gateways and hosts have no groups */
	datapath_flow_whole(v->d, key, f);
	ends = f->seen_ns + datapath_timeout_ns(v->d, key, f);
	if (ends <= v->now)
		return;
	rule_words(v->l->model, f->own_rule, rule, sizeof(rule), &loc);
	o = json_object();
	json_object_set_new(o, "eni", json_text(port_name(v->l->ports, key->port)));
	json_object_set_new(o, "src", json_addr(inbound ? &other : &own));
	json_object_set_new(o, "dst", json_addr(inbound ? &own : &other));
	json_object_set_new(o, "proto", json_string(rule_proto_name(key->proto, proto)));
	json_object_set_new(o, "sport", ports ? json_integer(inbound ? other_port : own_port) : json_null());
	json_object_set_new(o, "dport", ports ? json_integer(inbound ? own_port : other_port) : json_null());
	json_object_set_new(o, "direction", json_string(inbound ? "inbound" : "outbound"));
	json_object_set_new(o, "state", json_string(ct_state_name(key->proto, f)));
	json_object_set_new(o, "idle_left_s",
			    tracked ? json_integer((json_int_t)((ends - v->now) / 1000000000u)) : json_null());
	json_object_set_new(o, "tracked", json_boolean(tracked));
	json_object_set_new(o, "rule", json_text(rule));
	json_object_set_new(o, "file", json_file(loc));
	json_object_set_new(o, "line", json_line(loc));
	json_array_append_new(v->a, o);
}

static int keep_flow(void *ctx, const struct abi_flow_key *key, const struct abi_flow *entry)
{
	struct ct_view *v = ctx;

	*VEC_PUSH(v->rows, v->n, v->cap) = (struct ct_row){ *key, *entry };
	return 0;
}

/* The kernel's order is that of its hashes, another one each time; this one is the same as long as the rows are. */
static int row_cmp(const void *x, const void *y)
{
	const struct abi_flow_key *a = &((const struct ct_row *)x)->key, *b = &((const struct ct_row *)y)->key;
	int c = a->port != b->port ? (a->port < b->port ? -1 : 1) : a->proto - b->proto;

	c = c ? c : memcmp(&a->src, &b->src, sizeof(a->src));
	c = c ? c : memcmp(&a->dst, &b->dst, sizeof(a->dst));
	c = c ? c : memcmp(a->sport, b->sport, sizeof(a->sport));
	return c ? c : memcmp(a->dport, b->dport, sizeof(a->dport));
}

json_t *view_ct(struct lab *l)
{
	struct ct_view v = { .l = l, .d = lab_datapath(l), .a = json_array(), .now = clock_ns() };

	if (v.d)
		datapath_flows(v.d, keep_flow, &v);
	if (v.n)
		qsort(v.rows, v.n, sizeof(*v.rows), row_cmp);
	for (size_t i = 0; i < v.n; i++)
		add_flow(&v, &v.rows[i].key, &v.rows[i].entry);
	free(v.rows);
	return v.a;
}

/* ---- interfaces ---- */

static json_t *number(bool known, uint64_t n)
{
	return known ? json_integer((json_int_t)n) : json_null();
}

/* Policy maps hold what the last change left in them; NULL: nobody has looked since the daemon began. */
static json_t *map_entries(const struct lab *l, const struct map_fill *f)
{
	uint64_t n = 0;

	if (f->map == ABI_MAP_SYNC_MAX)
		return json_integer((json_int_t)f->entries);
	if (!l->known)
		return json_null();
	for (size_t i = 0; i < l->known->maps.n; i++)
		n += l->known->maps.v[i].map == f->map;
	return json_integer((json_int_t)n);
}

static json_t *maps_json(const struct lab *l, struct datapath *d)
{
	json_t *a = json_array();
	struct map_fill f;

	for (unsigned i = 0; d && datapath_map_fill(d, i, &f) == 0; i++) {
		json_t *o = json_object();

		json_object_set_new(o, "name", json_string(f.name));
		json_object_set_new(o, "entries", map_entries(l, &f));
		json_object_set_new(o, "max", json_integer((json_int_t)f.max));
		json_array_append_new(a, o);
	}
	return a;
}

/* null: the lab asks for none. */
static json_t *uplink_json(const struct lab *l)
{
	struct uplink_row want = { .addr = l->model->uplink.addr };
	_cleanup_free_ char *ns = uplink_ns_name(l->name);
	struct err why = { 0 };
	bool there;

	if (!l->model->uplink.on)
		return json_null();
	uplink_ifname(l->name, want.ifname);
	there = l->kern && uplink_observe(l->kern, ns, &want) == UPLINK_AS_WANTED;
	if (there)
		uplink_check_machine(&why);
	return json_pack("{ssss?}", "state",
			 !there     ? "missing"
			 : why.code ? "blocked"
				    : "ok",
			 "why", why.code ? why.msg : NULL);
}

json_t *view_status(struct lab *l)
{
	const struct model *m = l->model;
	struct datapath *d = lab_datapath(l);
	_cleanup_free_ struct eni_health *health = enis_look(l);
	bool all_ok = gateways_look(l);
	json_t *enis = json_array(), *o, *ct;

	for (uint32_t i = 0; i < m->n_enis; i++) {
		const struct eni *eni = &m->enis[i];
		struct abi_port_stats s = { 0 };
		bool known = d && datapath_port_stats(d, eni->obj.number, &s) == 0;

		if (eni->owner != ENI_OF_INSTANCE || eni->owner_index != NONE) /* one without instance has no link */
			all_ok = all_ok && health[i].filters_ok;
		o = json_object();
		json_object_set_new(o, "eni", json_text(eni->obj.id));
		json_object_set_new(o, "name", json_string(eni->obj.name));
		json_object_set_new(o, "cached", number(known, s.path[ABI_PATH_CACHED]));
		json_object_set_new(o, "full", number(known, s.path[ABI_PATH_FULL]));
		json_object_set_new(o, "stack", number(known, s.path[ABI_PATH_STACK]));
		json_object_set_new(o, "tx_packets", number(known, s.tx_packets));
		json_object_set_new(o, "tx_bytes", number(known, s.tx_bytes));
		json_object_set_new(o, "rx_packets", number(known, s.rx_packets));
		json_object_set_new(o, "rx_bytes", number(known, s.rx_bytes));
		json_object_set_new(o, "denied", number(known, s.denied));
		json_object_set_new(o, "events_lost", number(known, s.events_lost));
		json_object_set_new(o, "conntrack_full", number(known, s.ct_full));
		json_object_set_new(o, "filters", json_string(health[i].filters_ok ? "ok" : "missing"));
		json_array_append_new(enis, o);
	}
	ct = json_object();
	json_object_set_new(ct, "entries", number(d != NULL, d ? datapath_flows_count(d) : 0));
	json_object_set_new(ct, "max", number(d != NULL, d ? datapath_flows_max(d) : 0));
	o = json_object();
	json_object_set_new(o, "enis", enis);
	json_object_set_new(o, "programs", json_string(d && all_ok ? "ok" : "missing"));
	json_object_set_new(o, "events_lost", number(d != NULL, d ? datapath_events_lost(d) : 0));
	json_object_set_new(o, "conntrack", ct);
	json_object_set_new(o, "maps", maps_json(l, d));
	json_object_set_new(o, "uplink", uplink_json(l));
	return o;
}
