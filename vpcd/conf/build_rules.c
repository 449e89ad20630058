/* build_rules.c: the lines of security groups and network ACLs, with those AWS puts there itself. Pure.
 * A direction without a line is as AWS makes it: see implicit_text(). semantics 5.1, 6. */
#include <stdio.h>
#include <string.h>
#include "conf/build_ctx.h"
#include "conf/entry.h"

enum { RULE_TEXT_MAX = 512, RULE_HEAD_MAX = 96 };

/* Where rules go, and what they are. */
struct owner {
	enum rule_owner kind;
	enum obj_kind obj_kind;
	const struct section *s; /* NULL: the whole owner is implicit */
	const struct obj *obj;
	uint32_t vpc;
	bool is_default;
	struct rule_list *dir;        /* [2] */
	char heads[2][RULE_HEAD_MAX]; /* "sg/web/in/": begin the rules' keys in the registry */
};

static void name_heads(struct owner *o, const char *path);
static void build_direction(struct build *b, const struct owner *o, enum rule_dir dir);
static void add_line(struct build *b, const struct owner *o, enum rule_dir dir, const struct entry *en,
		     struct keymap *seen);
static bool peer_resolve(struct build *b, const struct owner *o, const struct entry *en, struct model_rule *r);
static uint32_t peer_group(struct build *b, const struct owner *o, const struct entry *en, const char *name);
static bool is_twice(struct build *b, const struct owner *o, const struct entry *en, const struct model_rule *r,
		     const char *said, struct keymap *seen);
static void add_implicit(struct build *b, const struct owner *o, enum rule_dir dir);
static const char *implicit_text(const struct owner *o, enum rule_dir dir);
static uint32_t rule_number(struct build *b, const struct owner *o, enum rule_dir dir, const char *text,
			    struct src_loc loc);
static void nacl_order(struct rule_list *l);
static void quota_rules(struct build *b, const struct owner *o, enum rule_dir dir);

static const char *const dir_keys[2] = { [RULE_IN] = "inbound", [RULE_OUT] = "outbound" };
static const char *const dir_paths[2] = { [RULE_IN] = "in", [RULE_OUT] = "out" };

static struct owner group_owner(struct build *b, uint32_t i)
{
	struct security_group *g = &b->m->security_groups[i];
	struct owner o = { RULE_OF_GROUP,
			   KIND_SECURITY_GROUP,
			   build_section_of(b, KIND_SECURITY_GROUP, i),
			   &g->obj,
			   g->vpc,
			   g->is_default,
			   g->dir };

	name_heads(&o, "sg");
	return o;
}

static struct owner nacl_owner(struct build *b, uint32_t i)
{
	struct nacl *n = &b->m->nacls[i];
	struct owner o = { RULE_OF_NACL,  KIND_NACL, build_section_of(b, KIND_NACL, i), &n->obj, n->vpc,
			   n->is_default, n->dir };

	name_heads(&o, "nacl");
	return o;
}

static void name_heads(struct owner *o, const char *path)
{
	for (int d = RULE_IN; d <= RULE_OUT; d++)
		snprintf(o->heads[d], sizeof(o->heads[d]), "%s/%.64s/%s/", path, o->obj->name, dir_paths[d]);
}

void build_rules(struct build *b)
{
	struct model *m = b->m;

	/* Lines of the file come before implicit ones: where several match, the lowest line decides. */
	for (int implicit = 0; implicit <= 1; implicit++) {
		for (uint32_t i = 0; i < m->n_security_groups; i++) {
			const struct owner o = group_owner(b, i);

			for (int d = RULE_IN; d <= RULE_OUT; d++)
				if (implicit)
					add_implicit(b, &o, d);
				else
					build_direction(b, &o, d);
		}
	}
	for (uint32_t i = 0; i < m->n_nacls; i++) {
		const struct owner o = nacl_owner(b, i);
		struct nacl *n = &m->nacls[i];

		for (int d = RULE_IN; d <= RULE_OUT; d++) {
			build_direction(b, &o, d);
			add_implicit(b, &o, d);
			nacl_order(&n->dir[d]);
			n->star[d] = rule_number(b, &o, d, "*", n->obj.loc);
		}
	}
}

static void build_direction(struct build *b, const struct owner *o, enum rule_dir dir)
{
	unsigned n = o->s ? entry_count(o->s, dir_keys[dir]) : 0;
	struct keymap seen = { 0 };

	/* One more than lines: an implicit rule may take their place. */
	o->dir[dir].v = build_array(b, n, o->dir[dir].v);
	if (!n)
		return;
	keymap_reserve(&seen, n);
	for_each_entry(en, o->s, dir_keys[dir])
	{
		if (strcmp(en->value, "none") != 0)
			add_line(b, o, dir, en, &seen);
		else if (n > 1)
			section_error(b, o->s, en->loc, "InvalidParameterCombination",
				      "take this line or the others out", "%s = none beside other %s lines", en->key,
				      en->key);
	}
	keymap_done(&seen);
	quota_rules(b, o, dir);
}

static void add_line(struct build *b, const struct owner *o, enum rule_dir dir, const struct entry *en,
		     struct keymap *seen)
{
	static const enum value_type types[2][2] = {
		[RULE_OF_GROUP] = { VALUE_GROUP_IN, VALUE_GROUP_OUT },
		[RULE_OF_NACL] = { VALUE_NACL_IN, VALUE_NACL_OUT },
	};
	struct rule_list *l = &o->dir[dir];
	const struct entry_rule *said = entry_rule(en, types[o->kind][dir], NULL);
	struct model_rule *r = &l->v[l->n];

	if (!said)
		return;
	*r = (struct model_rule){ .rule = said->rule,
				  .peer_index = NONE,
				  .origin = en->origin,
				  .loc = build_loc(b, en->loc),
				  .note = en->note ? arena_strdup(b->a, en->note) : NULL };
	if (!peer_resolve(b, o, en, r) || is_twice(b, o, en, r, said->text, seen))
		return;
	r->order = ++b->rule_order;
	r->number = rule_number(b, o, dir, said->text, r->loc.line ? r->loc : o->obj->loc);
	l->n++;
}

static bool peer_resolve(struct build *b, const struct owner *o, const struct entry *en, struct model_rule *r)
{
	switch (r->rule.peer_kind) {
	case PEER_GROUP: r->peer_index = peer_group(b, o, en, r->rule.peer_name); break;
	case PEER_PREFIX_LIST: r->peer_index = build_ref(b, o->s, en, r->rule.peer_name, KIND_PREFIX_LIST); break;
	case PEER_PREFIX: return true;
	}
	return r->peer_index != NONE;
}

static uint32_t peer_group(struct build *b, const struct owner *o, const struct entry *en, const char *name)
{
	const struct model *m = b->m;
	uint32_t g, vpc, pcx;

	if (strcmp(name, "default") == 0)
		return o->vpc == NONE ? NONE : m->vpcs[o->vpc].default_group;
	g = build_ref(b, o->s, en, name, KIND_SECURITY_GROUP);
	if (g == NONE || o->vpc == NONE)
		return NONE;
	vpc = m->security_groups[g].vpc;
	if (vpc == NONE || vpc == o->vpc)
		return g;
	pcx = model_peering_of(m, vpc, o->vpc);
	if (pcx != NONE && !m->peerings[pcx].cross_region)
		return g;
	if (pcx != NONE) {
		section_error(b, o->s, en->loc, "InvalidGroup.NotFound", "name a prefix",
			      "%s: security group %s belongs to vpc %s in another region (%s): groups do not cross",
			      en->key, name, m->vpcs[vpc].obj.name, m->vpcs[vpc].region);
		return NONE;
	}
	section_error(b, o->s, en->loc, "InvalidGroup.NotFound",
		      "name a group of the same VPC or of a peered one, or a prefix",
		      "%s: security group %s belongs to vpc %s, not to vpc %s", en->key, name, m->vpcs[vpc].obj.name,
		      m->vpcs[o->vpc].obj.name);
	return NONE;
}

/* The i-th of the AWS rules that a line of a group stands for. A group is named by its index: it has two names. */
static const char *aws_rule_text(struct build *b, const struct model_rule *r, const char *said, unsigned i)
{
	struct rule one = r->rule;
	char text[RULE_TEXT_MAX];

	if (r->rule.n_ports <= 1 && r->rule.peer_kind != PEER_GROUP)
		return said;
	if (r->rule.peer_kind == PEER_GROUP)
		snprintf(one.peer_name, sizeof(one.peer_name), "#%u", r->peer_index);
	if (r->rule.n_ports) {
		one.n_ports = 1;
		one.ports[0] = r->rule.ports[i];
	}
	return arena_strdup(b->a, rule_format(&one, text, sizeof(text)));
}

/* NACL rules by number; group rules by what they mean, one AWS rule after the other: a list of ports
 * is one rule a range. */
static bool is_twice(struct build *b, const struct owner *o, const struct entry *en, const struct model_rule *r,
		     const char *said, struct keymap *seen)
{
	bool of_group = o->kind == RULE_OF_GROUP;

	for (unsigned i = 0; i == 0 || i < r->rule.n_ports; i++) {
		const char *text =
			of_group ? aws_rule_text(b, r, said, i) : arena_printf(b->a, "%u", r->rule.nacl_number);
		const struct entry *other;
		char where[PLACE_STRLEN];

		if (keymap_put_str(seen, text, (uint64_t)(en - o->s->entries)))
			continue;
		other = &o->s->entries[keymap_get_str(seen, text)];
		if (other == en)
			continue;
		if (of_group)
			section_error(b, o->s, en->loc, "InvalidPermission.Duplicate", "take one of them out",
				      "%s: \"%.100s\" repeats a rule of %s", en->key, en->value,
				      place_text(other->loc, where));
		else
			section_error(b, o->s, en->loc, "NetworkAclEntryAlreadyExists", "give it a number of its own",
				      "%s: rule %u exists already (%s)", en->key, r->rule.nacl_number,
				      place_text(other->loc, where));
		return true;
	}
	return false;
}

static void add_implicit(struct build *b, const struct owner *o, enum rule_dir dir)
{
	const char *text = implicit_text(o, dir);
	char canonical[RULE_TEXT_MAX];
	struct rule_list *l = &o->dir[dir];
	struct model_rule *r = &l->v[l->n];

	if (!text || o->vpc == NONE || (o->s && entry_first(o->s, dir_keys[dir])))
		return;
	*r = (struct model_rule){ .peer_index = NONE, .origin = ORIGIN_IMPLICIT, .order = ++b->rule_order };
	if (rule_parse(text, o->kind, dir, &r->rule, NULL) < 0)
		return;
	if (r->rule.peer_kind == PEER_GROUP)
		r->peer_index = b->m->vpcs[o->vpc].default_group;
	r->number = rule_number(b, o, dir, rule_format(&r->rule, canonical, sizeof(canonical)), o->obj->loc);
	l->n++;
}

/* What AWS puts into a direction that has no line; NULL: nothing. */
static const char *implicit_text(const struct owner *o, enum rule_dir dir)
{
	if (o->kind == RULE_OF_GROUP && dir == RULE_OUT)
		return "all to 0.0.0.0/0";
	if (!o->is_default)
		return NULL;
	if (o->kind == RULE_OF_GROUP)
		return "all from sg:default";
	return dir == RULE_IN ? "100 allow all from 0.0.0.0/0" : "100 allow all to 0.0.0.0/0";
}

/* text: of the rule, canonical */
static uint32_t rule_number(struct build *b, const struct owner *o, enum rule_dir dir, const char *text,
			    struct src_loc loc)
{
	char key[RULE_HEAD_MAX + RULE_TEXT_MAX];

	stpcpy(stpcpy(key, o->heads[dir]), text);
	return build_number(b, KIND_RULE, key, loc);
}

static int nacl_cmp(const void *x, const void *y)
{
	const struct model_rule *a = x, *b = y;

	return (a->rule.nacl_number > b->rule.nacl_number) - (a->rule.nacl_number < b->rule.nacl_number);
}

static void nacl_order(struct rule_list *l)
{
	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), nacl_cmp);
	for (uint32_t i = 0; i < l->n; i++)
		l->v[i].order = i + 1;
}

/* AWS counts a list of ports as several rules, and a prefix list with all its entries. */
static void quota_rules(struct build *b, const struct owner *o, enum rule_dir dir)
{
	const struct quotas *q = &b->m->quotas;
	uint32_t quota = o->kind == RULE_OF_GROUP ? q->rules_per_group : q->rules_per_nacl;
	struct src_loc loc = { 0 };
	uint64_t n = 0;

	for (uint32_t i = 0; i < o->dir[dir].n; i++) {
		const struct model_rule *r = &o->dir[dir].v[i];
		unsigned entries = 1;

		if (r->rule.peer_kind == PEER_PREFIX_LIST)
			entries = b->m->prefix_lists[r->peer_index].n_entries;
		if (n <= quota)
			loc = r->loc; /* in the end, of the first one too many */
		n += rule_aws_count(&r->rule, entries);
	}
	if (n > quota)
		build_quota(b, o->s, loc.line ? loc : o->s->loc,
			    o->kind == RULE_OF_GROUP ? "RulesPerSecurityGroupLimitExceeded"
						     : "NetworkAclEntryLimitExceeded",
			    (uint32_t)n, quota, o->kind == RULE_OF_GROUP ? "rules-per-group" : "rules-per-nacl");
}
