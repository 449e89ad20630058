/* advice_ends.c: what an interface lacks: a public address, leave to carry what is not its own, a zone that is up. Pure. */
#include <stdio.h>
#include <string.h>
#include "path/advice_open.h"
#include "util/mem.h"
#include "util/str.h"

enum { DOWN_MAX = 8 }; /* interfaces that one packet may mean */

/* Section of an interface: the instance's, or its own. */
static const char *eni_kind(const struct adviser *x, const char *name)
{
	if (section_find(&x->d, "instance", name))
		return "instance";
	return section_find(&x->d, "interface", name) ? "interface" : NULL;
}

static bool public_add(struct adviser *x, uint32_t eni)
{
	const struct model *m = x->now->m;
	char igw[SECTION_NAME_SIZE];

	if (eni == NONE || m->enis[eni].owner != ENI_OF_INSTANCE || !eni_kind(x, m->enis[eni].obj.name) ||
	    !igw_need(x, model_eni_vpc(m, eni), igw))
		return false;
	return line_add(x, eni_kind(x, m->enis[eni].obj.name), m->enis[eni].obj.name, "public-ip", "auto");
}

/* Whose address the packet bears; who hands it to the gateway may be an appliance. */
bool sender_open(struct adviser *x)
{
	const struct model *m = x->now->m;
	uint32_t by = x->s->eni ? model_find_eni(m, x->s->eni) : NONE, nth, eni;

	if (by == NONE)
		return false;
	eni = model_eni_by_addr(m, model_eni_vpc(m, by), &x->s->src, &nth);
	if (eni != NONE && nth > 0)
		return give_up(x, "a public-ip line is for the first address of %s, and this is another one",
			       m->enis[eni].obj.name);
	return public_add(x, eni);
}

bool receiver_open(struct adviser *x)
{
	return x->now->f.no_public && public_add(x, x->now->f.dst.index);
}

bool check_open(struct adviser *x)
{
	uint32_t index = x->s->object ? model_find_eni(x->now->m, x->s->object) : NONE;

	if (index == NONE || x->now->m->enis[index].owner != ENI_OF_INSTANCE ||
	    !x->now->m->enis[index].source_dest_check || !eni_kind(x, x->s->object))
		return false;
	return line_add(x, eni_kind(x, x->s->object), x->s->object, "source-dest-check", "no");
}

/* ---- what is down ---- */

static uint32_t route_target(const struct adviser *x)
{
	const struct model *m = x->now->m;
	struct rule_place place;

	for (size_t i = x->now->walk.denied + 1; i-- > 0;) {
		const struct walk_step *s = &x->now->walk.steps[i];

		if (s->leg != x->s->leg || !s->rule || gate_has_rules(s->gate) ||
		    !model_route_place(m, s->rule, &place) || !place.route)
			continue;
		if (place.route->target == TARGET_NAT && place.route->target_index != NONE)
			return m->nat_gateways[place.route->target_index].eni;
		return place.route->target == TARGET_ENI || place.route->target == TARGET_INSTANCE
			       ? place.route->target_index
			       : NONE;
	}
	return NONE;
}

/* Whom the packet may have met there: who sends it, whom the route leads to, who has the address. */
static void enis_met(const struct adviser *x, uint32_t ret[DOWN_MAX])
{
	const struct model *m = x->now->m;
	const struct walk_step *s = x->s;
	const struct flow *f = &x->now->f;
	uint32_t eni = s->eni ? model_find_eni(m, s->eni) : NONE;
	unsigned n = 0;

	ret[n++] = s->object ? model_find_eni(m, s->object) : NONE;
	ret[n++] = eni;
	ret[n++] = route_target(x);
	ret[n++] = eni == NONE ? NONE : model_eni_by_addr(m, model_eni_vpc(m, eni), &s->dst, NULL);
	ret[n++] = model_eni_by_public(m, &s->dst, NULL);
	ret[n++] = f->src.kind == END_ENI ? f->src.index : NONE;
	ret[n++] = f->dst.kind == END_ENI ? f->dst.index : NONE;
	while (n < DOWN_MAX)
		ret[n++] = NONE;
}

/* The words of the list that do not mean the zone of the subnet. */
static char *words_without(const struct model *m, uint32_t subnet)
{
	struct strbuf b = { 0 };

	strbuf_init(&b);
	for (uint32_t i = 0; i < m->n_zones_down; i++)
		if (!model_zone_is(m, subnet, m->zones_down[i]))
			strbuf_addf(&b, "%s%s", b.n ? " " : "", m->zones_down[i]);
	return strbuf_take(&b);
}

static bool zone_up(struct adviser *x, uint32_t subnet)
{
	_cleanup_free_ char *words = words_without(x->now->m, subnet);

	for (size_t i = 0; i < x->d.n; i++) {
		const struct section *s = &x->d.sections[i];

		for (size_t k = 0; k < s->n; k++)
			if (strcmp(s->kind, "lab") == 0 && strcmp(s->entries[k].key, "zones-down") == 0)
				return line_replace(x, s, &s->entries[k], words);
	}
	return false;
}

bool down_open(struct adviser *x)
{
	const struct model *m = x->now->m;
	uint32_t met[DOWN_MAX];

	enis_met(x, met);
	for (unsigned i = 0; i < DOWN_MAX; i++)
		if (met[i] != NONE && model_subnet_is_out(m, m->enis[met[i]].subnet))
			return zone_up(x, m->enis[met[i]].subnet);
	for (unsigned i = 0; i < DOWN_MAX; i++)
		if (met[i] != NONE && m->enis[met[i]].owner_index == NONE)
			return give_up(x, "interface %s is attached to no instance", m->enis[met[i]].obj.name);
	return false;
}
