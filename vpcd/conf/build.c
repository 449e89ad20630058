/* build.c: from a document to a model: order of the steps, references, numbers and ids. Pure.
 * The steps themselves are one noun a file: build_lab, build_vpc, build_instances, addresses,
 * build_rules, build_routes, build_records. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "conf/build_ctx.h"
#include "conf/entry.h"
#include "util/str.h"

enum { SUGGESTIONS_MAX = 50, CANDIDATES_MAX = 2000 };

static void collect(struct build *b);
static void patch(struct build *b);
static void finish(struct build *b);
static const char *nearest_name(struct build *b, enum obj_kind kind, const char *name);

int model_build(const struct document *d, const char *lab_name, struct registry *registry, struct model **ret,
		struct diag_list *diags)
{
	struct build b = { .doc = d, .reg = registry, .diags = diags, .m = model_new() };

	b.a = b.m->arena;
	b.m->file = d->file ? arena_strdup(b.a, d->file) : NULL;
	schema_check(d, diags);
	if (d->n == 0 && !diags->errors)
		diag_add(diags, SEV_ERROR, (struct src_loc){ .file = b.m->file, .line = b.m->file ? 1 : 0 },
			 "InvalidTopology.Empty",
			 "begin with a header like [vpc shop]; vpc down takes a lab down, [lab NAME] alone empties it",
			 "there is no section");
	collect(&b);
	build_lab(&b, lab_name);
	build_prefix_lists(&b);
	build_vpcs(&b);
	build_igws(&b);
	build_peerings(&b);
	build_owned(&b);
	build_subnets(&b);
	build_zones(&b);
	build_instances(&b);
	build_addresses(&b);
	build_internet(&b);
	build_flow_logs(&b);
	build_alarms(&b);
	build_rules(&b);
	build_routes(&b);
	if (diags->errors)
		patch(&b);
	model_index_build(b.m);
	build_expects(&b);
	finish(&b);
	entry_clean_diags(diags);
	diag_sort(diags);
	if (diags->errors) {
		model_free(&b.m);
		return -EINVAL;
	}
	*ret = b.m;
	return 0;
}

int model_from_text(const char *text, size_t len, const char *file, struct model **ret, struct diag_list *diags)
{
	_cleanup_document_ struct document d = { 0 };
	struct registry *registry = registry_new(0);
	char name[64];
	int rc;

	document_parse(text, len, file, &d, diags);
	rc = model_build(&d, file && lab_name_of_file(file, name, sizeof(name)) ? name : NULL, registry, ret, diags);
	registry_free(&registry);
	return rc;
}

bool lab_name_of_file(const char *file, char *buf, size_t size)
{
	const char *base = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
	size_t n = strlen(base);

	if (n > 4 && strcmp(base + n - 4, ".ini") == 0)
		n -= 4;
	if (n >= size)
		return false;
	memcpy(buf, base, n);
	buf[n] = '\0';
	return str_is_name(buf) && !schema_name_is_reserved(buf);
}

const struct entry *entry_first(const struct section *s, const char *key)
{
	return entry_next(s, key, NULL);
}

const struct entry *entry_next(const struct section *s, const char *key, const struct entry *after)
{
	for (size_t i = after ? (size_t)(after - s->entries) + 1 : 0; i < s->n; i++)
		if (str_same(s->entries[i].key, key))
			return &s->entries[i];
	return NULL;
}

unsigned entry_count(const struct section *s, const char *key)
{
	unsigned n = 0;

	for_each_entry(en, s, key) n++;
	return n;
}

bool entry_bool(const struct section *s, const char *key, bool otherwise)
{
	const struct entry *en = entry_first(s, key);

	if (en)
		value_bool(en->value, &otherwise);
	return otherwise;
}

const char *place_text(struct src_loc loc, char buf[PLACE_STRLEN])
{
	if (loc.line)
		snprintf(buf, PLACE_STRLEN, "line %u", loc.line);
	else
		snprintf(buf, PLACE_STRLEN, "an edit");
	return buf;
}

struct src_loc build_loc(const struct build *b, struct src_loc loc)
{
	return (struct src_loc){ .file = loc.line ? b->m->file : NULL, .line = loc.line };
}

uint32_t build_ref(struct build *b, const struct section *s, const struct entry *en, const char *name,
		   enum obj_kind kind)
{
	uint32_t i = keymap_index(&b->names[kind], name);
	_cleanup_free_ char *fix = NULL;
	const char *near;

	/* What stands in a section of an unknown kind is there, in a way. */
	if (i != NONE || keymap_get_str(&b->lost, name) != KEYMAP_NONE)
		return i;
	if (document_has_deleted(b->doc, kind, name)) {
		fix = xasprintf("delete %s %s first, or have it name another one", s->kind, s->name);
		section_error(b, s, en->loc, "DependencyViolation", fix,
			      "%s: %s %s has dependencies and cannot be deleted", en->key, obj_kind_name(kind), name);
		return NONE;
	}
	near = nearest_name(b, kind, name);
	if (near)
		fix = xasprintf("did you mean %s?", near);
	else if (b->by_kind[kind].n == 0)
		fix = xasprintf("add a section [%s %s]", obj_kind_name(kind), str_is_name(name) ? name : "NAME");
	section_error(b, s, en->loc, schema_kind_get(kind)->not_found, fix, "%s: there is no %s \"%.80s\"", en->key,
		      obj_kind_name(kind), name);
	return NONE;
}

const char *build_no_igw(const struct build *b)
{
	return document_has_deleted(b->doc, KIND_IGW, NULL) ? "DependencyViolation" : "Gateway.NotAttached";
}

uint32_t build_key_ref(struct build *b, const struct section *s, const char *key, enum obj_kind kind)
{
	const struct entry *en = entry_first(s, key);

	return en ? build_ref(b, s, en, en->value, kind) : NONE;
}

uint32_t build_number(struct build *b, enum obj_kind kind, const char *key, struct src_loc loc)
{
	uint32_t number = registry_number(b->reg, kind, key);

	if (!number && !b->exhausted[kind]) {
		b->exhausted[kind] = true;
		diag_add(b->diags, SEV_ERROR, loc,
			 kind == KIND_PORT ? "NetworkInterfaceLimitExceeded" : "LimitExceeded", "split the lab",
			 "%s: a lab holds no more things of the kind \"%s\"", key, obj_kind_name(kind));
	}
	return number;
}

void build_obj(struct build *b, enum obj_kind kind, const char *id_prefix, const struct section *s, struct obj *ret)
{
	ret->name = arena_strdup(b->a, s->name);
	ret->id = arena_strdup(b->a, registry_id(b->reg, id_prefix, s->name));
	ret->loc = build_loc(b, s->loc);
	ret->origin = s->origin;
	ret->number = build_number(b, kind, s->name, s->loc);
}

void build_implicit_obj(struct build *b, enum obj_kind kind, const char *id_prefix, uint32_t vpc, const char *what,
			struct obj *ret)
{
	const struct obj *owner = &b->m->vpcs[vpc].obj;

	ret->name = arena_printf(b->a, "%s.%s", owner->name, what);
	ret->id = arena_strdup(b->a, registry_id(b->reg, id_prefix, ret->name));
	ret->loc = owner->loc;
	ret->origin = ORIGIN_IMPLICIT;
	ret->number = build_number(b, kind, ret->name, owner->loc);
}

const struct section *build_section_of(const struct build *b, enum obj_kind kind, uint32_t index)
{
	return index < b->by_kind[kind].n ? b->by_kind[kind].v[index] : NULL;
}

void build_quota(struct build *b, const struct section *s, struct src_loc loc, const char *code, uint32_t count,
		 uint32_t quota, const char *name)
{
	_cleanup_free_ char *fix = NULL;

	if (count <= quota)
		return;
	fix = xasprintf("set quotas = %s=%u in [lab], or quotas = off", name, count);
	section_error(b, s, loc, code, fix, "the quota %s is %u, and there are %u", name, quota, count);
}

/* Sections by kind, in file order. schema_check() has reported what is skipped here. */
static void collect(struct build *b)
{
	const struct schema_kind **kinds = xcalloc(b->doc->n, sizeof(*kinds));
	size_t n[KIND_MAX] = { 0 };

	for (size_t i = 0; i < b->doc->n; i++) {
		kinds[i] = schema_kind_find(b->doc->sections[i].kind);
		if (kinds[i])
			n[kinds[i]->kind]++;
	}
	for (int k = 0; k < KIND_MAX; k++) {
		vec_reserve((void **)&b->by_kind[k].v, &b->by_kind[k].cap, n[k], sizeof(*b->by_kind[k].v));
		if (k != KIND_INTERFACE)
			keymap_reserve(&b->names[k], n[k]);
	}
	for (size_t i = 0; i < b->doc->n; i++) {
		const struct section *s = &b->doc->sections[i];
		const struct schema_kind *kind = kinds[i];
		struct section_list *l;

		if (!kind) {
			keymap_put_str(&b->lost, s->name, i);
			continue;
		}
		l = &b->by_kind[kind->kind];
		/* names[KIND_INTERFACE] knows every ENI, those of instances among them: filled as they are made. */
		if (keymap_put_str(kind->kind == KIND_INTERFACE ? &b->interfaces : &b->names[kind->kind], s->name,
				   l->n))
			*VEC_PUSH(l->v, l->n, l->cap) = s;
	}
	free(kinds);
}

/* A model with errors is thrown away, but first its expectations are looked at: interfaces whose
 * subnet or VPC is unknown get the spare one that stands behind the last. */
static void patch(struct build *b)
{
	struct model *m = b->m;

	for (uint32_t i = 0; i < m->n_subnets; i++)
		if (m->subnets[i].vpc == NONE)
			m->subnets[i].vpc = m->n_vpcs;
	m->subnets[m->n_subnets].vpc = m->n_vpcs;
	for (uint32_t i = 0; i < m->n_enis; i++)
		if (m->enis[i].subnet == NONE)
			m->enis[i].subnet = m->n_subnets;
}

static void finish(struct build *b)
{
	for (int k = 0; k < KIND_MAX; k++) {
		free(b->by_kind[k].v);
		keymap_done(&b->names[k]);
	}
	keymap_done(&b->lost);
	keymap_done(&b->interfaces);
	free(b->eni_sections);
}

/* Edit distance to thousands of names, for each of thousands of errors, would take minutes. */
static const char *nearest_name(struct build *b, enum obj_kind kind, const char *name)
{
	const struct section_list *l = &b->by_kind[kind];
	const char **names, *near;

	if (kind == KIND_INTERFACE)
		l = &b->by_kind[KIND_INSTANCE];
	if (!l->n || l->n > CANDIDATES_MAX || b->suggestions++ >= SUGGESTIONS_MAX)
		return NULL;
	names = xcalloc(l->n, sizeof(*names));
	for (size_t i = 0; i < l->n; i++)
		names[i] = l->v[i]->name;
	near = str_nearest(name, names, l->n);
	free(names);
	return near;
}
