/* walk_words.c: what a step is called: the object of its gate, its rule with file and line. Pure. */
#include <stdio.h>
#include <string.h>
#include "model/route_text.h"
#include "path/trial.h"
#include "util/str.h"

const struct port_place *port_place_of(const struct walker *w, uint32_t port)
{
	static const struct port_place nobody = { .owner = OWNER_NONE, .index = NONE };

	return port < w->n_ports ? &w->ports[port] : &nobody;
}

const char *port_eni_name(const struct walker *w, uint32_t port)
{
	const struct port_place *p = port_place_of(w, port);

	return p->owner == OWNER_ENI ? w->m->enis[p->index].obj.name : NULL;
}

/* port: the interface or gateway whose gate it is. */
const char *gate_object(const struct walker *w, enum abi_gate gate, uint32_t port)
{
	const struct port_place *p = port_place_of(w, port);
	const struct model *m = w->m;
	const struct subnet *s;

	if (gate == ABI_GATE_IGW)
		return p->owner == OWNER_IGW || p->owner == OWNER_INET ? m->igws[p->index].obj.name : NULL;
	if (gate == ABI_GATE_PEERING)
		return p->owner == OWNER_PCX ? m->peerings[p->index].obj.name : NULL;
	if (gate == ABI_GATE_ROUTE && p->owner == OWNER_IGW) /* what comes in has the edge table */
		return m->igws[p->index].edge_table == NONE ? NULL
							    : m->route_tables[m->igws[p->index].edge_table].obj.name;
	if (p->owner != OWNER_ENI)
		return NULL;
	s = &m->subnets[m->enis[p->index].subnet];
	switch (gate) {
	case ABI_GATE_NACL_OUT:
	case ABI_GATE_NACL_IN: return m->nacls[s->nacl].obj.name;
	case ABI_GATE_ROUTE: return m->route_tables[s->route_table].obj.name;
	case ABI_GATE_SOURCE_CHECK:
	case ABI_GATE_SG_OUT:
	case ABI_GATE_SG_IN:
	case ABI_GATE_DEST_CHECK:
	case ABI_GATE_CONNTRACK:
	case ABI_GATE_NAT: return m->enis[p->index].obj.name;
	default: return NULL;
	}
}

bool gate_has_rules(enum abi_gate gate)
{
	return gate == ABI_GATE_SG_OUT || gate == ABI_GATE_NACL_OUT || gate == ABI_GATE_NACL_IN ||
	       gate == ABI_GATE_SG_IN;
}

void step_rule_set(const struct walker *w, struct walk_step *s, uint32_t number)
{
	struct rule_place place;

	s->rule = number;
	if (!number || w->no_words)
		return;
	if (!gate_has_rules(s->gate)) { /* a gateway or a peering connection: the route that led there */
		if (!model_route_place(w->m, number, &place) || !place.route)
			return;
		route_text(w->m, place.route, s->rule_text, sizeof(s->rule_text));
	} else {
		if (!model_rule_place(w->m, number, &place))
			return;
		if (place.rule)
			rule_format(&place.rule->rule, s->rule_text, sizeof(s->rule_text));
		else
			snprintf(s->rule_text, sizeof(s->rule_text), "*");
	}
	s->loc = place.loc;
}

void step_groups_set(const struct walker *w, struct walk_step *s, uint32_t port)
{
	const struct port_place *p = port_place_of(w, port);
	const struct eni *eni;
	size_t n;

	if (p->owner != OWNER_ENI || w->no_words)
		return;
	eni = &w->m->enis[p->index];
	n = (size_t)snprintf(s->reason_more, sizeof(s->reason_more), "group%s", eni->n_groups == 1 ? "" : "s");
	for (uint32_t i = 0; i < eni->n_groups && n < sizeof(s->reason_more); i++)
		n += (size_t)snprintf(s->reason_more + n, sizeof(s->reason_more) - n, "%s%s", i ? ", " : " ",
				      w->m->security_groups[eni->groups[i]].obj.name);
}

const char *addr_choice_format(const struct addr_choice *c, const struct addr *known, char buf[ADDR_CHOICE_STRLEN])
{
	size_t n = 0;

	if (!c->eni)
		return addr_format(known, buf);
	for (uint32_t i = 0; i < c->eni->n_addrs && n < ADDR_CHOICE_STRLEN; i++) {
		const struct eni_addr *a = &c->eni->addrs[i];
		char text[ADDR_STRLEN];

		n += (size_t)snprintf(buf + n, ADDR_CHOICE_STRLEN - n, "%s%s", i ? "|" : "",
				      addr_format(c->is_public ? &a->public_ip : &a->addr, text));
	}
	return buf;
}
