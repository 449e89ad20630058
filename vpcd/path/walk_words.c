/* walk_words.c: what a step is called: the object of its gate, its rule with file and line. Pure. */
#include <stdio.h>
#include <string.h>
#include "model/route_text.h"
#include "path/trial.h"
#include "util/str.h"

const char *port_eni_name(const struct walker *w, uint32_t port)
{
	const struct port at = port_get(w->ports, port);

	return at.owner == PORT_OF_ENI ? w->m->enis[at.index].obj.name : NULL;
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
	const struct port at = port_get(w->ports, port);
	const struct eni *eni;
	size_t n;

	if (at.owner != PORT_OF_ENI || w->no_words)
		return;
	eni = &w->m->enis[at.index];
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
