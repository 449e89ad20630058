/* advice_rules.c: the rule of a group or network ACL that lets a packet pass. Pure. */
#include <stdio.h>
#include <string.h>
#include "filters/explain.h"
#include "filters/packet.h"
#include "path/advice_open.h"
#include "util/mem.h"
#include "util/str.h"

enum { NACL_NUMBER_MAX = 32766, NACL_STEP = 10, PORT_EPHEMERAL = 1024, PORT_MAX = 65535 };
enum { NACL_MOVES_MAX = 40 }; /* as many rules as AWS lets an ACL have in one direction: nobody wants to read of more */

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
static const struct section *default_group_need(struct adviser *x, const struct security_group *g,
						char name[SECTION_NAME_SIZE])
{
	const char *vpc = x->now->m->vpcs[g->vpc].obj.name;
	char self[80];

	section_name_new(x, "security-group", vpc, "default", name);
	snprintf(self, sizeof(self), "all from sg:%s", name);
	if (!g->is_default || !line_add(x, "security-group", name, "vpc", vpc) ||
	    !line_add(x, "security-group", name, "default", "yes") ||
	    !line_add(x, "security-group", name, "inbound", self))
		return NULL;
	x->a->v[x->a->n - 1].keeps = true;
	return section_find(&x->d, "security-group", name);
}

bool group_open(struct adviser *x)
{
	const struct model *m = x->now->m;
	uint32_t index = model_find_eni(m, x->s->object), peer, vpc;
	enum rule_dir dir = x->s->gate == ABI_GATE_SG_IN ? RULE_IN : RULE_OUT;
	const char *key = dir == RULE_IN ? "inbound" : "outbound";
	const struct security_group *g;
	const struct section *section;
	char text[160], name[SECTION_NAME_SIZE];
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
	advice_note(x, ADVICE_REMOVE, "nacl", nacl, key, from)->loc = loc;
	l = advice_note(x, ADVICE_ADD, "nacl", nacl, key, to);
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

bool nacl_open(struct adviser *x)
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
