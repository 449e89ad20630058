/* registry.c: numbers, ids and remembered addresses of one lab. Pure.
 *
 * Three kinds of table, each an array of items with a hash by key; clones share the texts of the keys, and of a table that
 * did not change. An item that was not asked for between begin and end is forgotten. Numbers go up; when the last one of a kind was given, the
 * lowest free ones are given again. */
#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "abi.h"
#include "model/keymap.h"
#include "model/registry.h"
#include "util/mem.h"
#include "util/str.h"

enum { REGISTRY_VERSION = 1, HEX_ID_LEN = 17, ID_MAX = 40 };

struct texts { /* of keys */
	unsigned refs;
	size_t n; /* also those of items that were forgotten */
	struct arena *arena;
};
struct item {
	const char *key;
	bool used;
	uint32_t number;  /* tables of numbers */
	char id[ID_MAX];  /* the table of ids */
	struct addr addr; /* the table of addresses */
};
struct table {
	struct item *v;
	size_t n, cap;
	struct texts *keys;   /* NULL: no item yet */
	struct keymap by_key; /* index into v */
	size_t found;         /* where the last item was that somebody asked for */
	uint32_t next;        /* tables of numbers: the next fresh one, less 1 */
	uint32_t *free;       /* descending; made when next has reached the limit */
	size_t n_free;
	const char *json; /* its members, shared with clones (str.h); NULL: changed since it was written */
};
struct registry {
	uint64_t seed;
	uint64_t generation; /* counts sweeps that forgot something: new ids then differ from old ones */
	struct table numbers[KIND_MAX], ids, addrs;
	struct strbuf id_key;
};

static struct item *item_find(struct table *t, const char *key);
static struct item *item_add(struct table *t, const char *key);
static uint32_t number_next(struct table *t, enum obj_kind kind);
static uint32_t number_max(enum obj_kind kind);
static const char *key_keep(struct table *t, const char *key);
static void keys_put(struct texts *keys);
static void table_done(struct table *t);
static void table_copy(const struct table *from, struct table *to);
static void table_unuse(struct table *t);
static bool table_sweep(struct table *t);
static void add_key(struct strbuf *b, size_t i, const char *key);
static void add_number(struct strbuf *b, const struct item *i);
static void add_id(struct strbuf *b, const struct item *i);
static void add_addr(struct strbuf *b, const struct item *i);
static void numbers_dump(struct strbuf *b, struct registry *r);
static const char *table_json(struct table *t, void (*add_value)(struct strbuf *b, const struct item *i));
static void table_changed(struct table *t);
static int numbers_load(struct registry *r, json_t *numbers, struct err *e);
static int ids_load(struct registry *r, json_t *ids, struct err *e);
static int addrs_load(struct registry *r, json_t *addrs, struct err *e);

struct registry *registry_new(uint64_t seed)
{
	struct registry *r = xcalloc(1, sizeof(*r));

	r->seed = seed;
	return r;
}

void registry_free(struct registry **r)
{
	if (!r || !*r)
		return;
	for (int k = 0; k < KIND_MAX; k++)
		table_done(&(*r)->numbers[k]);
	table_done(&(*r)->ids);
	table_done(&(*r)->addrs);
	strbuf_done(&(*r)->id_key);
	free(*r);
	*r = NULL;
}

struct registry *registry_clone(const struct registry *r)
{
	struct registry *c = registry_new(r->seed);

	c->generation = r->generation;
	for (int k = 0; k < KIND_MAX; k++)
		table_copy(&r->numbers[k], &c->numbers[k]);
	table_copy(&r->ids, &c->ids);
	table_copy(&r->addrs, &c->addrs);
	return c;
}

uint32_t registry_number(struct registry *r, enum obj_kind kind, const char *key)
{
	struct table *t = &r->numbers[kind];
	struct item *i = item_find(t, key);
	uint32_t number;

	if (!i) {
		number = number_next(t, kind);
		if (!number)
			return 0;
		i = item_add(t, key);
		i->number = number;
	}
	i->used = true;
	return i->number;
}

const char *registry_id(struct registry *r, const char *prefix, const char *key)
{
	const char *full;
	struct item *i;

	r->id_key.n = 0;
	strbuf_adds(&r->id_key, prefix);
	strbuf_add(&r->id_key, "/", 1);
	strbuf_adds(&r->id_key, key);
	full = r->id_key.s;
	i = item_find(&r->ids, full);
	if (!i) {
		uint64_t h = keymap_hash(r->seed ^ keymap_hash(r->generation, "id", 2), full, strlen(full));

		i = item_add(&r->ids, full);
		assert(strlen(prefix) + 1 + HEX_ID_LEN < sizeof(i->id));
		snprintf(i->id, sizeof(i->id), "%.20s-%016llx%x", prefix, (unsigned long long)h,
			 (unsigned)(keymap_hash(h, full, strlen(full)) & 15));
	}
	i->used = true;
	return i->id;
}

int registry_addr_get(struct registry *r, const char *key, struct addr *ret)
{
	const struct item *i = item_find(&r->addrs, key);

	if (!i)
		return -ENOENT;
	*ret = i->addr;
	return 0;
}

void registry_addr_set(struct registry *r, const char *key, const struct addr *a)
{
	struct item *i = item_find(&r->addrs, key);

	if (!i)
		i = item_add(&r->addrs, key);
	i->used = true;
	if (addr_cmp(&i->addr, a) == 0)
		return;
	i->addr = *a;
	table_changed(&r->addrs);
}

void registry_begin(struct registry *r)
{
	for (int k = 0; k < KIND_MAX; k++)
		table_unuse(&r->numbers[k]);
	table_unuse(&r->ids);
	table_unuse(&r->addrs);
}

void registry_end(struct registry *r)
{
	for (int k = 0; k < KIND_MAX; k++)
		table_sweep(&r->numbers[k]);
	table_sweep(&r->addrs);
	if (table_sweep(&r->ids))
		r->generation++;
}

/* Written by hand, as documents are: every change of a lab waits for it. Keys come from files that were
 * checked to be UTF-8. JSON numbers are doubles to many readers: 64 bits go as text. */
char *registry_dump(struct registry *r)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };

	strbuf_addf(&b, "{\"version\":%d,\"seed\":\"%016llx\",\"generation\":%llu,\n\"numbers\":{", REGISTRY_VERSION,
		    (unsigned long long)r->seed, (unsigned long long)r->generation);
	numbers_dump(&b, r);
	strbuf_adds(&b, "},\n\"ids\":{");
	strbuf_adds(&b, table_json(&r->ids, add_id));
	strbuf_adds(&b, "},\n\"addresses\":{");
	strbuf_adds(&b, table_json(&r->addrs, add_addr));
	strbuf_adds(&b, "}}");
	return strbuf_take(&b);
}

int registry_load(const char *json, struct registry **ret, struct err *e)
{
	json_error_t je;
	json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, &je);
	json_t *numbers, *ids, *addrs;
	json_int_t generation = 0;
	const char *seed;
	struct registry *r = NULL;
	char *end;
	int version, rc;

	if (!root)
		return err_set(e, -EINVAL, "registry: line %d: %s", je.line, je.text);
	if (json_unpack_ex(root, &je, 0, "{s:i, s:s, s:I, s:o, s:o, s:o}", "version", &version, "seed", &seed,
			   "generation", &generation, "numbers", &numbers, "ids", &ids, "addresses", &addrs) < 0) {
		rc = err_set(e, -EINVAL, "registry: %s", je.text);
		goto out;
	}
	if (version != REGISTRY_VERSION) {
		rc = err_set(e, -EINVAL, "registry: version %d; this program reads version %d", version,
			     REGISTRY_VERSION);
		goto out;
	}
	r = registry_new(strtoull(seed, &end, 16));
	r->generation = (uint64_t)generation;
	if (*end || end == seed || generation < 0) {
		rc = err_set(e, -EINVAL, "registry: seed or generation is no number");
		goto out;
	}
	rc = numbers_load(r, numbers, e);
	if (rc == 0)
		rc = ids_load(r, ids, e);
	if (rc == 0)
		rc = addrs_load(r, addrs, e);
	if (rc == 0)
		*ret = TAKE_PTR(r);
out:
	registry_free(&r);
	json_decref(root);
	return rc;
}

/* Things are asked for in the order in which they came, mostly, and some twice: then no hash is needed. */
static struct item *item_find(struct table *t, const char *key)
{
	uint64_t at;

	for (size_t i = t->found; i < t->n && i <= t->found + 1; i++)
		if (str_same(t->v[i].key, key)) {
			t->found = i;
			return &t->v[i];
		}
	at = keymap_get_str(&t->by_key, key);
	if (at == KEYMAP_NONE)
		return NULL;
	t->found = at;
	return &t->v[at];
}

static struct item *item_add(struct table *t, const char *key)
{
	struct item *i = VEC_PUSH(t->v, t->n, t->cap);

	table_changed(t);
	i->key = key_keep(t, key);
	keymap_put_str(&t->by_key, i->key, t->n - 1);
	return i;
}

static uint32_t number_next(struct table *t, enum obj_kind kind)
{
	uint32_t max = number_max(kind);
	_cleanup_free_ bool *taken = NULL;

	if (t->next < max)
		return ++t->next;
	if (!t->free) {
		taken = xcalloc((size_t)max + 1, sizeof(*taken));
		for (size_t i = 0; i < t->n; i++)
			taken[t->v[i].number] = true;
		t->free = xmalloc((max - t->n + 1) * sizeof(*t->free));
		for (uint32_t n = max; n > 0; n--)
			if (!taken[n])
				t->free[t->n_free++] = n;
	}
	return t->n_free ? t->free[--t->n_free] : 0;
}

/* Port and route table numbers must fit their fields; the others are indexes of kernel arrays
 * and are kept small enough for those. */
static uint32_t number_max(enum obj_kind kind)
{
	switch (kind) {
	case KIND_PORT: return ABI_PORTS_MAX - 1;
	case KIND_ROUTE_TABLE: return ABI_TABLES_MAX - ABI_ROUTE_TABLE_BASE;
	case KIND_RULE:
	case KIND_ROUTE: return 1u << 18;
	default: return 1u << 16;
	}
}

static void table_done(struct table *t)
{
	keys_put(t->keys);
	shared_text_put(t->json);
	free(t->v);
	free(t->free);
	keymap_done(&t->by_key);
	*t = (struct table){ 0 };
}

/* The hash is copied as it is: an index stays what it was. Where most texts are of items that were forgotten, the copy
 * gets texts of its own. */
static void table_copy(const struct table *from, struct table *to)
{
	to->v = xmemdup(from->v, from->n * sizeof(*from->v));
	to->n = to->cap = from->n;
	to->by_key = from->by_key;
	to->by_key.slots = xmemdup(from->by_key.slots, from->by_key.cap * sizeof(*from->by_key.slots));
	to->next = from->next;
	to->json = shared_text_get(from->json);
	if (!from->keys || from->keys->n / 2 <= from->n) {
		to->keys = from->keys;
		if (to->keys)
			to->keys->refs++;
		return;
	}
	for (size_t i = 0; i < to->n; i++)
		to->v[i].key = key_keep(to, from->v[i].key);
	for (uint32_t i = 0; i < to->by_key.cap; i++)
		if (to->by_key.slots[i].key)
			to->by_key.slots[i].key = to->v[to->by_key.slots[i].value].key;
}

static const char *key_keep(struct table *t, const char *key)
{
	if (!t->keys) {
		t->keys = xcalloc(1, sizeof(*t->keys));
		*t->keys = (struct texts){ .refs = 1, .arena = arena_new() };
	}
	t->keys->n++;
	return arena_strdup(t->keys->arena, key);
}

static void keys_put(struct texts *keys)
{
	if (!keys || --keys->refs)
		return;
	arena_free(&keys->arena);
	free(keys);
}

static void table_unuse(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		t->v[i].used = false;
}

/* True when something was forgotten. */
static bool table_sweep(struct table *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->n; i++)
		if (t->v[i].used)
			t->v[kept++] = t->v[i];
	if (kept == t->n)
		return false;
	t->n = kept;
	table_changed(t);
	free(TAKE_PTR(t->free));
	t->n_free = 0;
	keymap_done(&t->by_key);
	for (size_t i = 0; i < t->n; i++)
		keymap_put_str(&t->by_key, t->v[i].key, i);
	return true;
}

static void add_key(struct strbuf *b, size_t i, const char *key)
{
	strbuf_adds(b, i ? ",\n" : "\n");
	strbuf_add_json(b, key);
	strbuf_add(b, ":", 1);
}

static void add_number(struct strbuf *b, const struct item *i)
{
	strbuf_add_u64(b, i->number);
}

static void add_id(struct strbuf *b, const struct item *i)
{
	strbuf_add_json(b, i->id);
}

static void add_addr(struct strbuf *b, const struct item *i)
{
	char text[ADDR_STRLEN];

	strbuf_add_json(b, addr_format(&i->addr, text));
}

static const char *table_json(struct table *t, void (*add_value)(struct strbuf *b, const struct item *i))
{
	_cleanup_strbuf_ struct strbuf b = { 0 };

	for (size_t i = 0; !t->json && i < t->n; i++) {
		add_key(&b, i, t->v[i].key);
		add_value(&b, &t->v[i]);
	}
	if (!t->json)
		t->json = shared_text(b.n ? b.s : "");
	return t->json;
}

static void table_changed(struct table *t)
{
	shared_text_put(TAKE_PTR(t->json));
}

static void numbers_dump(struct strbuf *b, struct registry *r)
{
	size_t n = 0;

	for (int k = 0; k < KIND_MAX; k++) {
		struct table *t = &r->numbers[k];

		if (!t->next)
			continue;
		add_key(b, n++, obj_kind_name(k));
		strbuf_addf(b, "{\"last\":%u,\"keys\":{", t->next);
		strbuf_adds(b, table_json(t, add_number));
		strbuf_adds(b, "}}");
	}
}

static int numbers_load(struct registry *r, json_t *numbers, struct err *e)
{
	if (!json_is_object(numbers))
		return err_set(e, -EINVAL, "registry: numbers is no object");
	for (int k = 0; k < KIND_MAX; k++) {
		json_t *kind = json_object_get(numbers, obj_kind_name(k)), *value;
		_cleanup_free_ bool *taken = NULL;
		struct table *t = &r->numbers[k];
		json_int_t last, max = number_max(k);
		const char *key;
		json_t *keys;

		if (!kind)
			continue;
		if (json_unpack(kind, "{s:I, s:o}", "last", &last, "keys", &keys) < 0 || !json_is_object(keys))
			return err_set(e, -EINVAL, "registry: numbers of %s: last or keys is missing",
				       obj_kind_name(k));
		if (last < 0 || last > max)
			return err_set(e, -EINVAL, "registry: numbers of %s: last is out of range", obj_kind_name(k));
		t->next = (uint32_t)last;
		taken = xcalloc((size_t)max + 1, sizeof(*taken));
		json_object_foreach(keys, key, value)
		{
			json_int_t n = json_integer_value(value);

			if (n < 1 || n > last || taken[n])
				return err_set(e, -EINVAL, "registry: %s %s: its number is out of range or given twice",
					       obj_kind_name(k), key);
			taken[n] = true;
			item_add(t, key)->number = (uint32_t)n;
		}
	}
	return 0;
}

static int ids_load(struct registry *r, json_t *ids, struct err *e)
{
	const char *key;
	json_t *value;

	if (!json_is_object(ids))
		return err_set(e, -EINVAL, "registry: ids is no object");
	json_object_foreach(ids, key, value)
	{
		const char *id = json_string_value(value);

		if (!id || !*id || strlen(id) >= ID_MAX)
			return err_set(e, -EINVAL, "registry: %s: its id is no id", key);
		snprintf(item_add(&r->ids, key)->id, ID_MAX, "%s", id);
	}
	return 0;
}

static int addrs_load(struct registry *r, json_t *addrs, struct err *e)
{
	const char *key;
	json_t *value;

	if (!json_is_object(addrs))
		return err_set(e, -EINVAL, "registry: addresses is no object");
	json_object_foreach(addrs, key, value)
	{
		const char *text = json_string_value(value);
		struct addr a;

		if (!text || addr_parse(text, &a) < 0)
			return err_set(e, -EINVAL, "registry: %s: its address is no address", key);
		item_add(&r->addrs, key)->addr = a;
	}
	return 0;
}
