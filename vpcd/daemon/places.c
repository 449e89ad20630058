/* places.c: an index from port numbers to a model's things, and the words for what happens at them.
 * Makes no system call. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "daemon/places.h"
#include "filters/explain.h"
#include "model/route_text.h"
#include "util/mem.h"
#include "util/str.h"

struct places {
	const struct model *m;
	struct place *by_port;
	uint32_t n;
};

static uint32_t highest_port(const struct model *m);
static const char *gate_object(const struct places *p, const struct abi_event *ev);
static const char *igw_name(const struct places *p, uint32_t port);
static const char *vpc_igw_name(const struct places *p, uint32_t port);
static int decisive_gate(const struct abi_event *ev);
static const char *allow_reason(const struct abi_event *ev, int at);
static const char *event_kind(const struct abi_event *ev);

struct places *places_new(const struct model *m)
{
	struct places *p = xcalloc(1, sizeof(*p));

	p->m = m;
	p->n = highest_port(m) + 1;
	p->by_port = xcalloc(p->n, sizeof(*p->by_port));
	for (uint32_t i = 0; i < m->n_enis; i++)
		p->by_port[m->enis[i].obj.number] = (struct place){ PLACE_ENI, i };
	for (uint32_t i = 0; i < m->n_hosts; i++)
		p->by_port[m->hosts[i].port] = (struct place){ PLACE_HOST, i };
	for (uint32_t i = 0; i < m->n_igws; i++) {
		p->by_port[m->igws[i].port] = (struct place){ PLACE_IGW, i };
		p->by_port[m->igws[i].inet_port] = (struct place){ PLACE_INET, i };
	}
	if (m->uplink.on)
		p->by_port[m->uplink.port] = (struct place){ PLACE_UPLINK, 0 };
	for (uint32_t i = 0; i < m->n_peerings; i++)
		for (int end = 0; end < 2; end++)
			p->by_port[m->peerings[i].ports[end]] = (struct place){ PLACE_PCX, i };
	p->by_port[0] = (struct place){ PLACE_NONE, 0 };
	return p;
}

void places_free(struct places **p)
{
	if (!*p)
		return;
	free((*p)->by_port);
	free(*p);
	*p = NULL;
}

struct place place_of_port(const struct places *p, uint32_t port)
{
	return port < p->n ? p->by_port[port] : (struct place){ PLACE_NONE, 0 };
}

uint32_t place_vpc(const struct places *p, uint32_t port)
{
	struct place at = place_of_port(p, port);

	if (at.kind == PLACE_ENI)
		return model_eni_vpc(p->m, at.index);
	if (at.kind == PLACE_PCX)
		return p->m->peerings[at.index].vpcs[p->m->peerings[at.index].ports[1] == port];
	return at.kind == PLACE_IGW ? p->m->igws[at.index].vpc : NONE;
}

const char *place_name(const struct places *p, uint32_t port)
{
	struct place at = place_of_port(p, port);

	switch (at.kind) {
	case PLACE_ENI: return p->m->enis[at.index].obj.name;
	case PLACE_IGW:
	case PLACE_INET: return p->m->igws[at.index].obj.name;
	case PLACE_PCX: return p->m->peerings[at.index].obj.name;
	case PLACE_HOST: return p->m->hosts[at.index].obj.name;
	case PLACE_UPLINK: return "internet";
	default: return NULL;
	}
}

/* A denial by groups has no rule (design 4): that none of them matched is the reason. */
void verdict_words(const struct places *p, const struct abi_event *ev, struct verdict_words *ret)
{
	static const enum abi_gate gates[ABI_CACHED_MAX] = { ABI_GATE_SG_OUT, ABI_GATE_NACL_OUT, ABI_GATE_ROUTE,
							     ABI_GATE_NACL_IN, ABI_GATE_SG_IN };
	int decisive = decisive_gate(ev);
	uint32_t rule = !ev->allow ? ev->deny_rule : decisive < 0 ? 0 : ev->rule[decisive];
	struct rule_place at;

	*ret = (struct verdict_words){ .allow = ev->allow };
	ret->reason = ev->allow ? allow_reason(ev, decisive) : reason_name(ev->reason);
	if (!ev->allow) {
		ret->gate = ret->rule_gate = gate_name(ev->gate);
		ret->object = gate_object(p, ev);
	} else if (decisive >= 0) {
		ret->rule_gate = gate_name(gates[decisive]);
	}
	if (!rule || (!ev->allow && (ev->gate == ABI_GATE_SG_IN || ev->gate == ABI_GATE_SG_OUT)))
		return;
	if (ev->allow || ev->gate == ABI_GATE_NACL_IN || ev->gate == ABI_GATE_NACL_OUT)
		rule_words(p->m, rule, ret->rule, sizeof(ret->rule), &ret->loc);
	else if (model_route_place(p->m, rule, &at) && at.route) {
		route_text(p->m, at.route, ret->rule, sizeof(ret->rule));
		ret->loc = at.loc;
	}
}

char *verdict_sentence(const struct verdict_words *w)
{
	struct strbuf b = { 0 };

	strbuf_adds(&b, w->allow ? "allow" : "deny");
	if (w->rule_gate)
		strbuf_addf(&b, " %s %s", w->allow ? "by" : "at", w->rule_gate);
	if (w->object)
		strbuf_addf(&b, "@%s", w->object);
	if (w->rule[0])
		strbuf_addf(&b, ": rule \"%s\"", w->rule);
	if (w->loc.line)
		strbuf_addf(&b, " %s:%u", w->loc.file, w->loc.line);
	strbuf_addf(&b, " [%s]", w->reason);
	return strbuf_take(&b);
}

bool event_has_rule(const struct abi_event *ev)
{
	return decisive_gate(ev) >= 0;
}

void local_route_words(const struct model *m, const struct route_table *t, const struct addr *a,
		       struct verdict_words *ret)
{
	for (uint32_t i = 0; i < t->n_routes; i++) {
		if (t->routes[i].target != TARGET_LOCAL || !prefix_contains(&t->routes[i].dst, a))
			continue;
		route_text(m, &t->routes[i], ret->rule, sizeof(ret->rule));
		ret->loc = t->routes[i].loc;
	}
}

/* What a group denial lacks in rules it says in names. */
void groups_words(const struct places *p, const struct abi_event *ev, char *buf, size_t size)
{
	struct place at = place_of_port(p, ev->gate_port);
	size_t n;

	*buf = '\0';
	if ((ev->gate != ABI_GATE_SG_IN && ev->gate != ABI_GATE_SG_OUT) || at.kind != PLACE_ENI)
		return;
	n = (size_t)snprintf(buf, size, "group%s", p->m->enis[at.index].n_groups == 1 ? "" : "s");
	for (uint32_t i = 0; i < p->m->enis[at.index].n_groups && n < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s", i ? ", " : " ",
				      p->m->security_groups[p->m->enis[at.index].groups[i]].obj.name);
}

/* The VPC at a port, and the one behind it where it is an end of a peering connection. */
static uint32_t vpc_of_end(const struct places *p, uint32_t port, bool behind)
{
	const struct place at = place_of_port(p, port);
	uint32_t vpc = place_vpc(p, port);

	if (!behind)
		return vpc;
	return at.kind == PLACE_PCX ? p->m->peerings[at.index].vpcs[p->m->peerings[at.index].vpcs[0] == vpc] : NONE;
}

/* Whose address it is, as it is meant where the packet is; NULL: nobody's. */
static const char *owner_name(const struct places *p, const struct abi_event *ev, const struct abi_addr *of_packet)
{
	const struct addr a = { *of_packet };
	uint32_t eni = NONE, host;

	for (int i = 0; i < 4 && eni == NONE; i++) {
		uint32_t vpc = vpc_of_end(p, i & 1 ? ev->peer : ev->port, i & 2);

		if (vpc != NONE)
			eni = model_eni_by_addr(p->m, vpc, &a, NULL);
	}
	if (eni == NONE)
		eni = model_eni_by_public(p->m, &a, NULL);
	if (eni != NONE)
		return p->m->enis[eni].obj.name;
	host = model_host_by_addr(p->m, &a);
	return host == NONE ? NULL : p->m->hosts[host].obj.name;
}

json_t *verdict_json(const struct places *p, const struct abi_event *ev)
{
	bool icmp = ev->proto == 1 || ev->proto == 58;
	unsigned sport = (unsigned)ev->sport[0] << 8 | ev->sport[1], dport = (unsigned)ev->dport[0] << 8 | ev->dport[1];
	struct verdict_words w;
	struct addr a;
	json_t *o = json_object();

	verdict_words(p, ev, &w);
	json_object_set_new(o, "verdict", json_string(w.allow ? "allow" : "deny"));
	json_object_set_new(o, "kind", json_string(event_kind(ev)));
	json_object_set_new(o, "gate", json_text(w.gate));
	json_object_set_new(o, "rule_gate", json_text(w.rule_gate));
	json_object_set_new(o, "object", json_text(w.object));
	json_object_set_new(o, "reason", json_text(w.reason));
	json_object_set_new(o, "rule", json_text(w.rule));
	json_object_set_new(o, "file", json_file(w.loc));
	json_object_set_new(o, "line", json_line(w.loc));
	json_object_set_new(o, "from", json_text(place_name(p, ev->port)));
	json_object_set_new(o, "to", json_text(place_name(p, ev->peer)));
	json_object_set_new(o, "sender", json_text(owner_name(p, ev, &ev->src)));
	json_object_set_new(o, "receiver", json_text(owner_name(p, ev, &ev->dst)));
	json_object_set_new(o, "proto", json_integer(ev->proto));
	a.a = ev->src;
	json_object_set_new(o, "src", json_addr(&a));
	a.a = ev->dst;
	json_object_set_new(o, "dst", json_addr(&a));
	json_object_set_new(o, "sport", icmp ? json_null() : json_integer(sport));
	json_object_set_new(o, "dport", icmp ? json_null() : json_integer(dport));
	json_object_set_new(o, "icmp_type", icmp ? json_integer(ev->dport[0]) : json_null());
	json_object_set_new(o, "icmp_code", icmp ? json_integer(ev->dport[1]) : json_null());
	json_object_set_new(o, "count", json_integer((json_int_t)ev->count));
	json_object_set_new(o, "first", json_ktime(ev->first_ns));
	json_object_set_new(o, "last", json_ktime(ev->time_ns));
	return o;
}

void rule_words(const struct model *m, uint32_t number, char *buf, size_t size, struct src_loc *ret)
{
	struct rule_place at;

	*buf = '\0';
	*ret = (struct src_loc){ 0 };
	if (!number || !model_rule_place(m, number, &at))
		return;
	*ret = at.loc;
	if (at.rule)
		rule_format(&at.rule->rule, buf, size);
	else
		snprintf(buf, size, "*");
}

json_t *json_text(const char *s)
{
	return s && *s ? json_string(s) : json_null();
}

json_t *json_line(struct src_loc loc)
{
	return loc.line ? json_integer(loc.line) : json_null();
}

json_t *json_file(struct src_loc loc)
{
	return loc.line ? json_text(loc.file) : json_null();
}

json_t *json_addr(const struct addr *a)
{
	char buf[ADDR_STRLEN];

	return addr_is_zero(a) ? json_null() : json_string(addr_format(a, buf));
}

static uint32_t highest_port(const struct model *m)
{
	uint32_t max = 0;

	for (uint32_t i = 0; i < m->n_enis; i++)
		max = m->enis[i].obj.number > max ? m->enis[i].obj.number : max;
	for (uint32_t i = 0; i < m->n_hosts; i++)
		max = m->hosts[i].port > max ? m->hosts[i].port : max;
	for (uint32_t i = 0; i < m->n_igws; i++) {
		max = m->igws[i].port > max ? m->igws[i].port : max;
		max = m->igws[i].inet_port > max ? m->igws[i].inet_port : max;
	}
	max = m->uplink.port > max ? m->uplink.port : max;
	for (uint32_t i = 0; i < m->n_peerings; i++)
		for (int end = 0; end < 2; end++)
			max = m->peerings[i].ports[end] > max ? m->peerings[i].ports[end] : max;
	return max;
}

/* design 4: the object is the NACL, the route table, the gateway, or the interface. */
static const char *gate_object(const struct places *p, const struct abi_event *ev)
{
	struct place at = place_of_port(p, ev->gate_port);
	const struct subnet *subnet;
	const char *name;

	if (ev->gate == ABI_GATE_IGW) {
		name = igw_name(p, ev->gate_port);
		name = name ? name : igw_name(p, ev->peer);
		return name ? name : vpc_igw_name(p, ev->gate_port); /* counted by gate, a denial has no peer */
	}
	if (ev->gate == ABI_GATE_PEERING) {
		if (at.kind != PLACE_PCX)
			at = place_of_port(p, ev->peer);
		return at.kind == PLACE_PCX ? p->m->peerings[at.index].obj.name : NULL;
	}
	if (at.kind == PLACE_IGW && ev->gate == ABI_GATE_ROUTE) /* what comes in has the edge table */
		return p->m->igws[at.index].edge_table == NONE
			       ? NULL
			       : p->m->route_tables[p->m->igws[at.index].edge_table].obj.name;
	if (at.kind != PLACE_ENI)
		return NULL;
	subnet = &p->m->subnets[p->m->enis[at.index].subnet];
	switch (ev->gate) {
	case ABI_GATE_NACL_OUT:
	case ABI_GATE_NACL_IN: return p->m->nacls[subnet->nacl].obj.name;
	case ABI_GATE_ROUTE: return p->m->route_tables[subnet->route_table].obj.name;
	case ABI_GATE_SOURCE_CHECK:
	case ABI_GATE_SG_OUT:
	case ABI_GATE_SG_IN:
	case ABI_GATE_DEST_CHECK:
	case ABI_GATE_CONNTRACK:
	case ABI_GATE_NAT: return p->m->enis[at.index].obj.name;
	default: return NULL;
	}
}

static const char *igw_name(const struct places *p, uint32_t port)
{
	struct place at = place_of_port(p, port);

	return at.kind == PLACE_IGW || at.kind == PLACE_INET ? p->m->igws[at.index].obj.name : NULL;
}

static const char *vpc_igw_name(const struct places *p, uint32_t port)
{
	uint32_t vpc = place_vpc(p, port), igw = vpc == NONE ? NONE : p->m->vpcs[vpc].igw;

	return igw == NONE ? NULL : p->m->igws[igw].obj.name;
}

/* The last gate that asked its rules, or -1. */
static int decisive_gate(const struct abi_event *ev)
{
	static const enum abi_cached_gate order[] = { ABI_CACHED_SG_IN, ABI_CACHED_NACL_IN, ABI_CACHED_NACL_OUT,
						      ABI_CACHED_SG_OUT };

	for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
		if (ev->rule[order[i]])
			return order[i];
	return -1;
}

/* A group lets a packet pass by a rule or by the connection it belongs to: TRACKED, RELATED. */
static const char *allow_reason(const struct abi_event *ev, int at)
{
	uint16_t reason = at == ABI_CACHED_SG_IN ? ev->reason_sg_in : at == ABI_CACHED_SG_OUT ? ev->reason_sg_out : 0;

	if (at < 0) /* no rule: of two that know no rule, the receiver's group is the last */
		reason = ev->reason_sg_in > ABI_REASON_ACCEPT ? ev->reason_sg_in : ev->reason_sg_out;
	return reason_name(reason ? reason : ABI_REASON_ACCEPT);
}

static const char *event_kind(const struct abi_event *ev)
{
	return !ev->allow ? "denied" : ev->flags & ABI_EVENT_NEW ? "new" : "established";
}

static json_t *wall_time(uint64_t ns, bool fractions)
{
	struct timespec now, boot;
	int64_t at;
	struct tm tm;
	char buf[40];
	time_t s;
	size_t n;

	if (!ns)
		return json_null();
	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_MONOTONIC, &boot);
	at = (int64_t)(now.tv_sec - boot.tv_sec) * 1000000000 + (now.tv_nsec - boot.tv_nsec) + (int64_t)ns;
	s = at / 1000000000;
	gmtime_r(&s, &tm);
	n = strftime(buf, sizeof(buf), "%Y-%m-%dT%H:%M:%S", &tm);
	if (fractions)
		snprintf(buf + n, sizeof(buf) - n, ".%06ldZ", (long)(at % 1000000000 / 1000));
	else
		snprintf(buf + n, sizeof(buf) - n, "Z");
	return json_string(buf);
}

json_t *json_ktime(uint64_t ns)
{
	return wall_time(ns, true);
}

json_t *json_second(uint64_t ns)
{
	return wall_time(ns, false);
}
