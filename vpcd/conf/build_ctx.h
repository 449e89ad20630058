/* build_ctx.h: what the parts of the build share, inside conf/ only. Pure.
 *
 * Object i of a kind was made from section by_kind[kind].v[i]; what AWS makes by itself stands
 * behind those. A finding never stops the build: references that do not resolve become NONE, and
 * whoever meets NONE passes by in silence, because its cause has been reported. */
#pragma once
#include "conf/build.h"
#include "conf/schema.h"
#include "model/keymap.h"
#include "util/mem.h"

struct section_list {
	const struct section **v;
	size_t n, cap;
};
struct build {
	const struct document *doc;
	struct registry *reg;
	struct diag_list *diags;
	struct model *m;
	struct arena *a;                       /* the model's */
	struct section_list by_kind[KIND_MAX]; /* without what is given twice */
	struct keymap lost;                    /* names of sections of unknown kinds */
	struct keymap names[KIND_MAX];         /* index in the model; KIND_INTERFACE: ENIs */
	struct keymap interfaces;              /* names of [interface] sections */
	const struct section **eni_sections;   /* by ENI */
	uint32_t rule_order;                   /* place of the last group rule */
	unsigned suggestions;                  /* given so far: each costs a search */
	bool exhausted[KIND_MAX];              /* said that a kind's numbers ran out */
};

/* An error or a warning about a section or a line of it; the object's name goes first. */
#define section_error(b, s, loc, code, fix, fmt, ...) \
	diag_add((b)->diags, SEV_ERROR, loc, code, fix, SECTION_FMT(fmt), SECTION_ARGS(s), ##__VA_ARGS__)
#define section_warning(b, s, loc, code, fix, fmt, ...) \
	diag_add((b)->diags, SEV_WARNING, loc, code, fix, SECTION_FMT(fmt), SECTION_ARGS(s), ##__VA_ARGS__)

/* An array of the model. One spare element stands behind the last (build.c, patch()). */
#define build_array(b, n, v) arena_alloc((b)->a, ((n) + (size_t)1) * sizeof(*(v)))

/* build.c: the entries of a section, references, numbers. */
const struct entry *entry_first(const struct section *s, const char *key);
const struct entry *entry_next(const struct section *s, const char *key, const struct entry *after);
#define for_each_entry(en, s, key) for (const struct entry *en = entry_first(s, key); en; en = entry_next(s, key, en))
unsigned entry_count(const struct section *s, const char *key);
bool entry_bool(const struct section *s, const char *key, bool otherwise);
#define PLACE_STRLEN 32
const char *place_text(struct src_loc loc, char buf[PLACE_STRLEN]);  /* "line 12" or "an edit" */
struct src_loc build_loc(const struct build *b, struct src_loc loc); /* that lives as long as the model */
/* Index of the thing called name, or NONE with an error at the entry. */
uint32_t build_ref(struct build *b, const struct section *s, const struct entry *en, const char *name,
		   enum obj_kind kind);
/* The reference a scalar key makes; NONE when the key is not there or the thing is not. */
uint32_t build_key_ref(struct build *b, const struct section *s, const char *key, enum obj_kind kind);
/* The code of what needs an internet gateway and has none: was one just deleted? */
const char *build_no_igw(const struct build *b);
uint32_t build_number(struct build *b, enum obj_kind kind, const char *key, struct src_loc loc);
void build_obj(struct build *b, enum obj_kind kind, const char *id_prefix, const struct section *s, struct obj *ret);
void build_implicit_obj(struct build *b, enum obj_kind kind, const char *id_prefix, uint32_t vpc, const char *what,
			struct obj *ret);
const struct section *build_section_of(const struct build *b, enum obj_kind kind, uint32_t index); /* NULL: implicit */
/* Reports once what is beyond a quota: count is what is there, at the thing that is one too many. */
void build_quota(struct build *b, const struct section *s, struct src_loc loc, const char *code, uint32_t count,
		 uint32_t quota, const char *name);

/* One noun a file. */
void build_lab(struct build *b, const char *lab_name); /* build_lab.c: settings; quotas */
void build_internet(struct build *b);                  /* build_lab.c */
void build_zones(struct build *b);                     /* build_lab.c; which are out; wants the subnets */
void build_expects(struct build *b);                   /* build_lab.c; wants the model indexed */
void build_prefix_lists(struct build *b);              /* build_vpc.c, and the five below */
void build_vpcs(struct build *b);
void build_igws(struct build *b);
void build_peerings(struct build *b);
void build_owned(struct build *b); /* route tables, NACLs and groups, without their lines */
void build_zones(struct build *b); /* which are out */
void build_subnets(struct build *b);
void build_instances(struct build *b); /* build_instances.c: instances, NAT gateways, hosts, their ENIs */
void build_addresses(struct build *b); /* addresses.c: private and public addresses of ENIs */
void build_rules(struct build *b);     /* build_rules.c: lines of groups and NACLs; policies of ENIs */
void build_alarms(struct build *b);    /* build_records.c */
void build_flow_logs(struct build *b); /* build_records.c; wants ENIs */
void build_routes(struct build *b);    /* build_routes.c */
