/* verdict.c: the words for what happens at ports: whose gate, which rule, where it stands. Makes no system call. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "daemon/verdict.h"
#include "filters/explain.h"
#include "model/route_text.h"
#include "util/mem.h"
#include "util/str.h"

static int decisive_gate(const struct abi_event *ev);
static const char *allow_reason(const struct abi_event *ev, int at);
static const char *event_kind(const struct abi_event *ev);

/* A private address out on the internet is any VPC's that has it: no gateway's in particular. */
static bool is_nobodys(const struct ports *p, const struct abi_event *ev)
{
	const struct addr dst = { ev->dst };
	uint32_t holders = 0;

	if (ev->gate != ABI_GATE_IGW || ev->reason != ABI_REASON_IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS)
		return false;
	for (uint32_t v = 0; v < p->m->n_vpcs; v++)
		for (uint32_t i = 0; i < p->m->vpcs[v].n_cidrs; i++)
			holders += prefix_contains(&p->m->vpcs[v].cidrs[i], &dst);
	return holders > 1;
}

/* A denial by groups has no rule (design 4): that none of them matched is the reason. */
void verdict_words(const struct ports *p, const struct abi_event *ev, struct verdict_words *ret)
{
	static const enum abi_gate gates[ABI_CACHED_MAX] = { ABI_GATE_SG_OUT, ABI_GATE_NACL_OUT, ABI_GATE_ROUTE,
							     ABI_GATE_NACL_IN, ABI_GATE_SG_IN };
	int decisive = decisive_gate(ev);
	uint32_t rule = !ev->allow ? ev->deny_rule : decisive < 0 ? 0 : ev->rule[decisive];
	const struct obj *object;
	struct rule_place at;

	*ret = (struct verdict_words){ .allow = ev->allow };
	ret->reason = ev->allow ? allow_reason(ev, decisive) : reason_name(ev->reason);
	if (!ev->allow) {
		ret->gate = ret->rule_gate = gate_name(ev->gate);
		object = port_denial_object(p, (enum abi_gate)ev->gate, ev->gate_port, ev->peer);
		if (!is_nobodys(p, ev)) {
			ret->object = object ? object->name : NULL;
			ret->loc = port_gate_place(p, (enum abi_gate)ev->gate, ev->gate_port, object);
		}
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
void groups_words(const struct ports *p, const struct abi_event *ev, char *buf, size_t size)
{
	struct port at = port_get(p, ev->gate_port);
	size_t n;

	*buf = '\0';
	if ((ev->gate != ABI_GATE_SG_IN && ev->gate != ABI_GATE_SG_OUT) || at.owner != PORT_OF_ENI)
		return;
	n = (size_t)snprintf(buf, size, "group%s", p->m->enis[at.index].n_groups == 1 ? "" : "s");
	for (uint32_t i = 0; i < p->m->enis[at.index].n_groups && n < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s", i ? ", " : " ",
				      p->m->security_groups[p->m->enis[at.index].groups[i]].obj.name);
}

/* The VPC at a port, and the one behind it where it is an end of a peering connection. */
static uint32_t vpc_of_end(const struct ports *p, uint32_t port, bool behind)
{
	const struct port at = port_get(p, port);
	uint32_t vpc = port_vpc(p, port);

	if (!behind)
		return vpc;
	return at.owner == PORT_OF_PEERING ? p->m->peerings[at.index].vpcs[p->m->peerings[at.index].vpcs[0] == vpc]
					   : NONE;
}

/* Whose address it is, as it is meant where the packet is; NULL: nobody's. */
static const char *owner_name(const struct ports *p, const struct abi_event *ev, const struct abi_addr *of_packet)
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

json_t *verdict_json(const struct ports *p, const struct abi_event *ev)
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
	json_object_set_new(o, "from", json_text(port_name(p, ev->port)));
	json_object_set_new(o, "to", json_text(port_name(p, ev->peer)));
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
