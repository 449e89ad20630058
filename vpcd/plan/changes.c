/* changes.c: what a person is told about a new model: one line an object. Pure.
 * Objects are matched by kind and name; what AWS makes by itself (main table, default groups) comes
 * and goes with its VPC and has no line of its own. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "model/keymap.h"
#include "plan/changes_ctx.h"
#include "util/mem.h"

static void compare_kind(const struct kind_view *v, const struct model *was, const struct model *now,
			 struct change_list *ret);
static const struct obj *find_like(const struct kind_view *v, const struct model *m, uint32_t i, const char *name,
				   struct keymap *by_name);
static bool is_shown(const struct kind_view *v, const struct model *m, const struct obj *o);
static void compare_uplink(const struct model *was, const struct model *now, struct change_list *ret);
static void compare_lab(const struct model *was, const struct model *now, struct change_list *ret);

void changes_of(const struct model *was, const struct model *now, const struct plan *plan, struct change_list *ret)
{
	*ret = (struct change_list){ .arena = arena_new() };
	if (was && now)
		compare_lab(was, now, ret);
	for (size_t i = 0; i < n_kind_views; i++)
		compare_kind(&kind_views[i], was, now, ret);
	compare_uplink(was, now, ret);
	if (now && plan)
		changes_repair(was, now, plan, ret);
}

void change_list_done(struct change_list *l)
{
	arena_free(&l->arena);
	free(l->v);
	*l = (struct change_list){ 0 };
}

const char *change_op_name(enum change_op op)
{
	static const char *const names[] = { "create", "update", "delete", "repair" };

	return (size_t)op < ARRAY_SIZE(names) ? names[op] : "?";
}

struct change *change_add(struct change_list *l, enum change_op op, const char *kind, const char *name)
{
	struct change *c = VEC_PUSH(l->v, l->n, l->cap);

	c->op = op;
	c->kind = kind;
	c->name = arena_strdup(l->arena, name);
	c->why = "";
	return c;
}

void note(struct notes *n, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (n->n++ >= NOTES_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	strbuf_addf(&n->text, "%s%s", n->n > 1 ? "; " : "", text);
}

const char *notes_take(struct notes *n, struct arena *arena)
{
	const char *s;

	if (n->n > NOTES_MAX)
		strbuf_addf(&n->text, "; and %u more", n->n - NOTES_MAX);
	s = arena_strdup(arena, n->text.s ? n->text.s : "");
	strbuf_done(&n->text);
	n->n = 0;
	return s;
}

/* Creations and updates in the order of the new model, then deletions in that of the old one. */
static void compare_kind(const struct kind_view *v, const struct model *was, const struct model *now,
			 struct change_list *ret)
{
	struct keymap in_was = { 0 }, in_now = { 0 };
	const char *kind = obj_kind_name(v->kind);

	for (uint32_t i = 0; now && i < kind_view_count(v, now); i++) {
		const struct obj *o = kind_view_get(v, now, i), *before;
		struct notes n = { 0 };

		if (!is_shown(v, now, o))
			continue;
		before = find_like(v, was, i, o->name, &in_was);
		if (!before) {
			if (o->origin == ORIGIN_IMPLICIT)
				continue;
			v->describe(&n, now, o);
			change_add(ret, CHANGE_CREATE, kind, o->name)->why = notes_take(&n, ret->arena);
			continue;
		}
		v->compare(&n, was, before, now, o);
		if (n.n)
			change_add(ret, CHANGE_UPDATE, kind, o->name)->why = notes_take(&n, ret->arena);
	}
	for (uint32_t i = 0; was && i < kind_view_count(v, was); i++) {
		const struct obj *o = kind_view_get(v, was, i);
		struct notes n = { 0 };

		if (o->origin == ORIGIN_IMPLICIT || !is_shown(v, was, o) || find_like(v, now, i, o->name, &in_now))
			continue;
		note(&n, "%s", now ? "no longer asked for" : "the lab goes");
		change_add(ret, CHANGE_DELETE, kind, o->name)->why = notes_take(&n, ret->arena);
	}
	keymap_done(&in_was);
	keymap_done(&in_now);
}

/* The one of that name that is shown: mostly at the same place as in the other model. by_name is made when it is not. */
static const struct obj *find_like(const struct kind_view *v, const struct model *m, uint32_t i, const char *name,
				   struct keymap *by_name)
{
	const uint32_t n = m ? kind_view_count(v, m) : 0;
	const struct obj *o = i < n ? kind_view_get(v, m, i) : NULL;
	uint64_t at;

	if (o && str_same(o->name, name) && is_shown(v, m, o))
		return o;
	if (!by_name->n) {
		keymap_reserve(by_name, n);
		for (uint32_t k = 0; k < n; k++) {
			o = kind_view_get(v, m, k);
			if (is_shown(v, m, o))
				keymap_put_str(by_name, o->name, k);
		}
	}
	at = keymap_get_str(by_name, name);
	return at == KEYMAP_NONE ? NULL : kind_view_get(v, m, (uint32_t)at);
}

static bool is_shown(const struct kind_view *v, const struct model *m, const struct obj *o)
{
	return !v->is_shown || v->is_shown(m, o);
}

static bool zone_is_named(const struct model *m, const char *word)
{
	for (uint32_t i = 0; i < m->n_zones_down; i++)
		if (strcmp(m->zones_down[i], word) == 0)
			return true;
	return false;
}

static void compare_zones(struct notes *n, const struct model *was, const struct model *now)
{
	for (uint32_t i = 0; i < now->n_zones_down; i++)
		if (!zone_is_named(was, now->zones_down[i]))
			note(n, "zone %s down", now->zones_down[i]);
	for (uint32_t i = 0; i < was->n_zones_down; i++)
		if (!zone_is_named(now, was->zones_down[i]))
			note(n, "zone %s up", was->zones_down[i]);
}

static void compare_uplink(const struct model *was, const struct model *now, struct change_list *ret)
{
	bool before = was && was->uplink.on, after = now && now->uplink.on;

	if (before != after)
		change_add(ret, after ? CHANGE_CREATE : CHANGE_DELETE, obj_kind_name(KIND_INTERNET), "uplink")->why =
			after ? "what nobody in the lab owns goes into this machine's network"
			: now ? "no longer asked for"
			      : "the lab goes";
}

static void compare_lab(const struct model *was, const struct model *now, struct change_list *ret)
{
	static const char *const paths[] = { "auto", "fast", "kernel" };
	static const char *const icmp[] = { "related", "strict" }, *const fragments[] = { "follow", "strict" };
	struct notes n = { 0 };

	if (was->datapath != now->datapath)
		note(&n, "datapath %s -> %s", paths[was->datapath], paths[now->datapath]);
	if (was->conntrack_entries != now->conntrack_entries)
		note(&n, "conntrack-entries %u -> %u", was->conntrack_entries, now->conntrack_entries);
	if (was->rule_table_entries != now->rule_table_entries)
		note(&n, "rule-table-entries %u -> %u", was->rule_table_entries, now->rule_table_entries);
	if (was->clock != now->clock)
		note(&n, "clock %ux -> %ux", was->clock, now->clock);
	compare_zones(&n, was, now);
	if (was->strict_icmp != now->strict_icmp)
		note(&n, "icmp-errors %s -> %s", icmp[was->strict_icmp], icmp[now->strict_icmp]);
	if (was->strict_fragments != now->strict_fragments)
		note(&n, "nacl-fragments %s -> %s", fragments[was->strict_fragments], fragments[now->strict_fragments]);
	if (memcmp(&was->quotas, &now->quotas, sizeof(was->quotas)) != 0)
		note(&n, "quotas changed");
	if (n.n)
		change_add(ret, CHANGE_UPDATE, obj_kind_name(KIND_LAB), now->name)->why = notes_take(&n, ret->arena);
}
