/* build_routes.c: the routes of route tables. Pure. semantics 2.
 *
 * What a destination may be depends on where it lies: outside the VPC's ranges anything goes but
 * what is kept for AWS's services; equal to a range it replaces `local`; inside one it must be a
 * whole subnet. Where two lines have one destination, a plain prefix beats a prefix list, and of two
 * prefix lists the one that is first by name. */
#include <stdio.h>
#include <string.h>
#include "conf/build_ctx.h"

/* A line, resolved. */
struct line {
	const struct section *s;
	const struct entry *en;
	struct route_text text;
	uint32_t target_index;
};

static void build_table(struct build *b, struct route_table *t, const struct section *s);
static bool is_same_list(struct build *b, const struct line *ln, const struct line *before);
static void build_edge(struct build *b, struct route_table *t, const struct section *s);
static void edge_routes(struct build *b, const struct route_table *t, const struct section *s, const char *igw);
static int line_cmp(const void *x, const void *y);
static bool resolve_target(struct build *b, const struct route_table *t, struct line *ln);
static bool target_is_gone(const struct build *b, const struct line *ln);
static bool target_is_of_vpc(struct build *b, const struct route_table *t, const struct line *ln, uint32_t vpc);
static bool target_is_one(struct build *b, const struct line *ln);
static void add_line(struct build *b, struct route_table *t, const struct line *ln, struct keymap *seen);
static void add_route(struct build *b, struct route_table *t, const struct line *ln, const struct prefix *dst,
		      uint32_t prefix_list, struct keymap *seen);
static bool dst_is_legal(struct build *b, const struct route_table *t, const struct line *ln, const struct prefix *dst);
static bool inside_is_legal(struct build *b, const struct route_table *t, const struct line *ln,
			    const struct prefix *dst, const struct prefix *cidr);
static void add_local(struct build *b, struct route_table *t, struct keymap *seen);
static void number_route(struct build *b, const struct route_table *t, struct route *r);
static int route_cmp(const void *x, const void *y);

void build_routes(struct build *b)
{
	for (uint32_t i = 0; i < b->m->n_route_tables; i++) {
		const struct section *s = build_section_of(b, KIND_ROUTE_TABLE, i);

		build_table(b, &b->m->route_tables[i], s);
		b->m->route_tables[i].edge_igw = NONE;
		if (s)
			build_edge(b, &b->m->route_tables[i], s);
	}
}

static void build_table(struct build *b, struct route_table *t, const struct section *s)
{
	struct model *m = b->m;
	size_t n = t->vpc == NONE ? 0 : m->vpcs[t->vpc].n_cidrs, n_lines = s ? entry_count(s, "route") : 0;
	struct line *lines = xcalloc(n_lines, sizeof(*lines));
	struct keymap seen = { 0 };
	uint64_t static_routes = 0;

	n_lines = 0;
	for (const struct entry *en = s ? entry_first(s, "route") : NULL; en; en = entry_next(s, "route", en)) {
		struct line *ln = &lines[n_lines];
		uint32_t pl = NONE;

		*ln = (struct line){ .s = s, .en = en, .target_index = NONE };
		if (value_route(en->value, &ln->text, NULL) < 0)
			continue;
		if (ln->text.prefix_list[0]) {
			pl = build_ref(b, s, en, ln->text.prefix_list, KIND_PREFIX_LIST);
			if (pl == NONE)
				continue;
		}
		if (!resolve_target(b, t, ln))
			continue;
		n_lines++;
		n += pl == NONE ? 1 : m->prefix_lists[pl].n_entries;
		static_routes += ln->text.target == TARGET_LOCAL ? 0 : pl == NONE ? 1 : m->prefix_lists[pl].n_entries;
	}
	t->routes = build_array(b, n, t->routes);
	/* A VPC that is unknown has been reported, and without it nothing can be said. */
	if (n_lines)
		qsort(lines, n_lines, sizeof(*lines), line_cmp);
	for (size_t i = 0; i < n_lines && t->vpc != NONE; i++)
		if (i == 0 || !is_same_list(b, &lines[i], &lines[i - 1]))
			add_line(b, t, &lines[i], &seen);
	if (t->vpc != NONE)
		add_local(b, t, &seen);
	if (static_routes > m->quotas.routes_per_table)
		build_quota(b, s, s->loc, "RouteLimitExceeded",
			    static_routes > UINT32_MAX ? UINT32_MAX : (uint32_t)static_routes,
			    m->quotas.routes_per_table, "routes-per-table");
	if (t->n_routes)
		qsort(t->routes, t->n_routes, sizeof(*t->routes), route_cmp);
	keymap_done(&seen);
	free(lines);
}

/* What goes first stays: prefixes before lists, lists by name (AWS takes any and keeps to it), then as written. */
static int line_cmp(const void *x, const void *y)
{
	const struct line *a = x, *b = y;
	int c = strcmp(a->text.prefix_list, b->text.prefix_list);

	return c ? c : (a->en > b->en) - (a->en < b->en);
}

/* A list is the destination of one route of a table, wherever that leads. */
static bool is_same_list(struct build *b, const struct line *ln, const struct line *before)
{
	char where[PLACE_STRLEN];

	if (!ln->text.prefix_list[0] || strcmp(ln->text.prefix_list, before->text.prefix_list) != 0)
		return false;
	section_error(b, ln->s, ln->en->loc, "RouteAlreadyExists", "keep one of them",
		      "route: there is a route to pl:%s already (%s)", ln->text.prefix_list,
		      place_text(before->en->loc, where));
	return true;
}

/* semantics 2.3: the table that an internet gateway uses for what enters the VPC. */
static void build_edge(struct build *b, struct route_table *t, const struct section *s)
{
	const struct entry *en = entry_first(s, "edge");
	struct route_text text;
	char where[PLACE_STRLEN];
	struct model *m = b->m;
	struct igw *igw;
	uint32_t i;

	if (!en || value_target(en->value, &text, NULL) < 0 || text.target != TARGET_IGW)
		return;
	i = build_ref(b, s, en, text.name, KIND_IGW);
	if (i == NONE || t->vpc == NONE || m->igws[i].vpc == NONE)
		return;
	igw = &m->igws[i];
	if (igw->vpc != t->vpc) {
		section_error(b, s, en->loc, "InvalidParameterValue", "a gateway uses a table of its own VPC",
			      "edge: internet gateway %s belongs to vpc %s, not to vpc %s", igw->obj.name,
			      m->vpcs[igw->vpc].obj.name, m->vpcs[t->vpc].obj.name);
		return;
	}
	if (t->is_main)
		section_error(b, s, en->loc, "InvalidParameterValue", "give the gateway a table of its own",
			      "edge: the main route table cannot be a gateway's");
	if (igw->edge_table != NONE) {
		section_error(b, s, en->loc, "Resource.AlreadyAssociated", "take one of the two lines out",
			      "edge: internet gateway %s uses route table %s (%s) already", igw->obj.name,
			      m->route_tables[igw->edge_table].obj.name,
			      place_text(m->route_tables[igw->edge_table].obj.loc, where));
		return;
	}
	igw->edge_table = (uint32_t)(t - m->route_tables);
	t->edge_igw = i;
	edge_routes(b, t, s, igw->obj.name);
}

/* What may not stand in such a table; where inside the VPC a route may lead was looked at before. */
static void edge_routes(struct build *b, const struct route_table *t, const struct section *s, const char *igw)
{
	const struct vpc *vpc = &b->m->vpcs[t->vpc];
	char text[PREFIX_STRLEN];

	for_each_entry(en, s, "route")
	{
		struct route_text line;

		if (value_route(en->value, &line, NULL) == 0 && line.prefix_list[0])
			section_error(b, s, en->loc, "InvalidParameterValue", "write the prefixes themselves",
				      "route: the table of internet gateway %s takes no prefix list", igw);
	}
	for (uint32_t i = 0; i < t->n_routes; i++) {
		const struct route *r = &t->routes[i];
		bool inside = false;

		for (uint32_t k = 0; k < vpc->n_cidrs; k++)
			inside |= prefix_covers(&vpc->cidrs[k], &r->dst);
		prefix_format(&r->dst, text);
		if (r->prefix_list != NONE)
			continue;
		if (!inside)
			section_error(b, s, r->loc, "InvalidParameterValue",
				      "name a whole range of the VPC, or a whole subnet",
				      "route: %s lies outside vpc %s, and the table is for what enters by %s", text,
				      vpc->obj.name, igw);
		else if (r->target != TARGET_LOCAL && r->target != TARGET_ENI && r->target != TARGET_INSTANCE)
			section_error(b, s, r->loc, "InvalidParameterValue",
				      "its targets are local, eni:NAME and instance:NAME",
				      "route: the table of internet gateway %s leads to interfaces only", igw);
	}
}

/* A target that was deleted stays written: AWS keeps such routes, as blackholes. */
static bool target_is_gone(const struct build *b, const struct line *ln)
{
	static const enum obj_kind kinds[TARGET_KIND_MAX] = {
		[TARGET_LOCAL] = KIND_LAB,     [TARGET_IGW] = KIND_IGW,           [TARGET_NAT] = KIND_NAT_GATEWAY,
		[TARGET_ENI] = KIND_INTERFACE, [TARGET_INSTANCE] = KIND_INSTANCE, [TARGET_PCX] = KIND_PEERING,
	};

	if (keymap_index(&b->names[kinds[ln->text.target]], ln->text.name) != NONE)
		return false;
	for_each_entry(en, ln->s, "gone")
	{
		_cleanup_free_ char *copy = xstrdup(en->value);
		char *p = copy;

		for (char *word; (word = schema_next_word(&p));) {
			struct route_text t;

			if (value_target(word, &t, NULL) == 0 && t.target == ln->text.target &&
			    strcmp(t.name, ln->text.name) == 0)
				return true;
		}
	}
	return false;
}

static bool resolve_target(struct build *b, const struct route_table *t, struct line *ln)
{
	const struct model *m = b->m;
	uint32_t i, vpc = NONE;

	if (target_is_gone(b, ln))
		return true;
	switch (ln->text.target) {
	case TARGET_LOCAL: return true;
	case TARGET_IGW:
		i = build_ref(b, ln->s, ln->en, ln->text.name, KIND_IGW);
		vpc = i == NONE ? NONE : m->igws[i].vpc;
		break;
	case TARGET_NAT:
		i = build_ref(b, ln->s, ln->en, ln->text.name, KIND_NAT_GATEWAY);
		if (i != NONE && m->enis[m->nat_gateways[i].eni].subnet != NONE)
			vpc = m->subnets[m->enis[m->nat_gateways[i].eni].subnet].vpc;
		break;
	case TARGET_PCX:
		i = build_ref(b, ln->s, ln->en, ln->text.name, KIND_PEERING);
		if (i == NONE || m->peerings[i].vpcs[0] == NONE || m->peerings[i].vpcs[1] == NONE)
			return false;
		vpc = m->peerings[i].vpcs[m->peerings[i].vpcs[1] == t->vpc];
		break;
	case TARGET_INSTANCE:
		i = keymap_index(&b->names[KIND_INTERFACE], ln->text.name);
		if (i != NONE && keymap_index(&b->names[KIND_INSTANCE], ln->text.name) == NONE) {
			_cleanup_free_ char *fix =
				xasprintf("write via %s:%s", m->enis[i].owner == ENI_OF_NAT_GATEWAY ? "nat" : "eni",
					  ln->text.name);

			section_error(b, ln->s, ln->en->loc, "InvalidInstanceID.NotFound", fix,
				      "route: %s is no instance", ln->text.name);
			return false;
		}
		i = build_ref(b, ln->s, ln->en, ln->text.name, KIND_INSTANCE);
		i = i == NONE ? NONE : m->instances[i].enis[0];
		vpc = i == NONE || m->enis[i].subnet == NONE ? NONE : m->subnets[m->enis[i].subnet].vpc;
		break;
	default:
		i = build_ref(b, ln->s, ln->en, ln->text.name, KIND_INTERFACE);
		if (i != NONE && m->enis[i].owner == ENI_OF_NAT_GATEWAY) {
			section_error(b, ln->s, ln->en->loc, "InvalidParameterValue", "write via nat:NAME",
				      "route: %s is a NAT gateway; its interface is not yours to route to",
				      ln->text.name);
			return false;
		}
		vpc = i == NONE || m->enis[i].subnet == NONE ? NONE : m->subnets[m->enis[i].subnet].vpc;
		break;
	}
	ln->target_index = i;
	return i != NONE && vpc != NONE && target_is_of_vpc(b, t, ln, vpc) && target_is_one(b, ln);
}

/* semantics 2.1: an instance is named for its interface, so it has no other. */
static bool target_is_one(struct build *b, const struct line *ln)
{
	const uint32_t owner = ln->text.target == TARGET_INSTANCE ? b->m->enis[ln->target_index].owner_index : NONE;

	if (owner == NONE || b->m->instances[owner].n_enis == 1)
		return true;
	section_error(b, ln->s, ln->en->loc, "InvalidInstanceID", "write via eni: and the one that is meant",
		      "route: instance %s has %u interfaces, and a route leads to one", ln->text.name,
		      b->m->instances[owner].n_enis);
	return false;
}

static bool target_is_of_vpc(struct build *b, const struct route_table *t, const struct line *ln, uint32_t vpc)
{
	if (t->vpc == NONE || t->vpc == vpc)
		return true;
	section_error(b, ln->s, ln->en->loc, "InvalidParameterValue", "a route's target belongs to the table's own VPC",
		      "route: %s belongs to vpc %s, not to vpc %s", ln->text.name, b->m->vpcs[vpc].obj.name,
		      b->m->vpcs[t->vpc].obj.name);
	return false;
}

static void add_line(struct build *b, struct route_table *t, const struct line *ln, struct keymap *seen)
{
	const struct prefix_list *pl;
	uint32_t i;

	if (!ln->text.prefix_list[0]) {
		add_route(b, t, ln, &ln->text.dst, NONE, seen);
		return;
	}
	i = keymap_index(&b->names[KIND_PREFIX_LIST], ln->text.prefix_list);
	pl = &b->m->prefix_lists[i];
	if (ln->text.target == TARGET_LOCAL) {
		section_error(b, ln->s, ln->en->loc, "InvalidParameterValue",
			      "every table has the local routes already", "route: local is not for prefix lists");
		return;
	}
	for (uint32_t j = 0; j < pl->n_entries; j++)
		add_route(b, t, ln, &pl->entries[j], i, seen);
}

/* semantics 2.1: gone, or an interface that is attached to nothing. */
static bool target_is_usable(const struct model *m, const struct line *ln)
{
	if (ln->target_index == NONE)
		return false;
	return ln->text.target != TARGET_ENI || m->enis[ln->target_index].owner_index != NONE;
}

static void add_route(struct build *b, struct route_table *t, const struct line *ln, const struct prefix *dst,
		      uint32_t prefix_list, struct keymap *seen)
{
	struct route *r = &t->routes[t->n_routes];
	char text[PREFIX_STRLEN], where[PLACE_STRLEN];

	if (!dst_is_legal(b, t, ln, dst))
		return;
	/* Equal to local, a list's route counts for nothing; one that is written out takes its place. */
	for (uint32_t i = 0; prefix_list != NONE && i < b->m->vpcs[t->vpc].n_cidrs; i++)
		if (prefix_cmp(&b->m->vpcs[t->vpc].cidrs[i], dst) == 0)
			return;
	if (!keymap_put(seen, arena_memdup(b->a, dst, sizeof(*dst)), sizeof(*dst),
			(uint64_t)(ln->en - ln->s->entries))) {
		const struct entry *other = &ln->s->entries[keymap_get(seen, dst, sizeof(*dst))];

		if (prefix_list == NONE)
			section_error(b, ln->s, ln->en->loc, "RouteAlreadyExists", "keep one of them",
				      "route: there is a route to %s already (%s)", prefix_format(dst, text),
				      place_text(other->loc, where));
		return;
	}
	*r = (struct route){
		.dst = *dst,
		.prefix_list = prefix_list,
		.target = ln->text.target,
		.target_index = ln->target_index,
		.target_name = ln->text.target == TARGET_LOCAL ? NULL : arena_strdup(b->a, ln->text.name),
		.blackhole = ln->text.target != TARGET_LOCAL && !target_is_usable(b->m, ln),
		.origin = ln->en->origin,
		.loc = build_loc(b, ln->en->loc),
	};
	number_route(b, t, r);
	t->n_routes++;
}

static bool dst_is_legal(struct build *b, const struct route_table *t, const struct line *ln, const struct prefix *dst)
{
	struct addr services_addr = addr_from_v4(0xa9fea800);
	struct prefix services = prefix_of(&services_addr, 22);
	const struct vpc *vpc = &b->m->vpcs[t->vpc];
	char text[PREFIX_STRLEN];

	prefix_format(dst, text);
	if (prefix_covers(&services, dst)) {
		section_error(b, ln->s, ln->en->loc, "InvalidParameterValue", "take the route out",
			      "route: %s lies in 169.254.168.0/22, which AWS keeps for its services", text);
		return false;
	}
	for (uint32_t i = 0; i < vpc->n_cidrs; i++)
		if (prefix_covers(&vpc->cidrs[i], dst))
			return inside_is_legal(b, t, ln, dst, &vpc->cidrs[i]);
	if (ln->text.target != TARGET_LOCAL)
		return true;
	section_error(b, ln->s, ln->en->loc, "InvalidParameterValue", "choose another target",
		      "route: local is only for the VPC's own ranges, and %s is none of vpc %s", text, vpc->obj.name);
	return false;
}

static bool inside_is_legal(struct build *b, const struct route_table *t, const struct line *ln,
			    const struct prefix *dst, const struct prefix *cidr)
{
	const struct model *m = b->m;
	char text[PREFIX_STRLEN], range[PREFIX_STRLEN];
	bool whole = prefix_cmp(dst, cidr) == 0;

	prefix_format(dst, text);
	prefix_format(cidr, range);
	if (ln->text.target == TARGET_LOCAL) {
		if (whole)
			return true;
		section_error(b, ln->s, ln->en->loc, "InvalidParameterValue", "take the route out; local covers it",
			      "route: local is for the whole range %s, not for %s inside it", range, text);
		return false;
	}
	if (ln->text.target == TARGET_IGW || ln->text.target == TARGET_PCX) {
		section_error(b, ln->s, ln->en->loc, "InvalidParameterValue",
			      "inside the VPC's ranges a target is an interface, an instance or a NAT gateway",
			      "route: %s lies in %s of the VPC itself and cannot go to %s", text, range,
			      ln->text.target == TARGET_IGW ? "an internet gateway" : "a peering connection");
		return false;
	}
	for (uint32_t i = 0; i < m->n_subnets && !whole; i++)
		whole = m->subnets[i].vpc == t->vpc && prefix_cmp(&m->subnets[i].cidr, dst) == 0;
	if (whole)
		return true;
	section_error(b, ln->s, ln->en->loc, "InvalidParameterValue", "name the range of a subnet exactly",
		      "route: %s is more specific than local (%s) and is not a whole subnet of the VPC", text, range);
	return false;
}

static void add_local(struct build *b, struct route_table *t, struct keymap *seen)
{
	const struct vpc *vpc = &b->m->vpcs[t->vpc];

	for (uint32_t i = 0; i < vpc->n_cidrs; i++) {
		struct route *r = &t->routes[t->n_routes];

		if (keymap_get(seen, &vpc->cidrs[i], sizeof(vpc->cidrs[i])) != KEYMAP_NONE)
			continue;
		*r = (struct route){
			.dst = vpc->cidrs[i],
			.prefix_list = NONE,
			.target = TARGET_LOCAL,
			.target_index = NONE,
			.origin = ORIGIN_IMPLICIT,
			.loc = t->obj.loc,
		};
		number_route(b, t, r);
		t->n_routes++;
	}
}

static void number_route(struct build *b, const struct route_table *t, struct route *r)
{
	char key[128], text[PREFIX_STRLEN];

	snprintf(key, sizeof(key), "%.64s/%s", t->obj.name, prefix_format(&r->dst, text));
	r->number = build_number(b, KIND_ROUTE, key, r->loc.line ? r->loc : t->obj.loc);
}

static int route_cmp(const void *x, const void *y)
{
	const struct route *a = x, *b = y;

	return prefix_cmp(&a->dst, &b->dst);
}
