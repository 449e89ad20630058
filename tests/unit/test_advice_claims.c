/* test_advice_claims.c: an advice allows its flow, and not without each of its lines. Where it says that nothing would
 * help, single lines are tried without any thought: a route to each target in each table, a public address at either
 * end, any route taken away. Each that lets the flow through proves the claim false. */
#include <stdio.h>
#include <string.h>
#include "conf/build.h"
#include "path/advice.h"
#include "path/matrix.h"
#include "test.h"
#include "tests/support/scenario_draw.h"
#include "tests/support/shipped.h"
#include "util/mem.h"
#include "util/str.h"

enum { SEEDS = 12, TRIES = 20, FLOWS_MAX = 4 /* denied pairs of one topology, from all over it */ };
enum { STRIDE = 7919 /* a prime beyond all numbers of pairs */ };

struct count {
	unsigned flows, works, hopeless, given_up, tried, refuted;
};
struct claim { /* that no line allows the flow */
	const struct document *d;
	const struct model *m;
	const char *file, *flow;
	struct flow f;
	struct count *n;
};

/* Of a file that is no topology: false. */
static bool document_allows(const struct document *d, const char *flow)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_free_ char *text = document_format(d);
	_cleanup_model_ struct model *m = NULL;
	struct walker *w = NULL;
	struct walk walk = { 0 };
	struct flow f;
	bool allow = false;

	if (model_from_text(text, strlen(text), "changed.ini", &m, &diags) == 0 && walker_new(m, &w, NULL) == 0 &&
	    flow_parse(m, flow, &f, NULL) == 0 && walk_flow(w, &f, &walk, NULL) == 0)
		allow = walk.allow;
	walk_done(&walk);
	walker_free(&w);
	return allow;
}

static bool allows(const struct claim *c, const struct edit *edit)
{
	_cleanup_document_ struct document d;

	document_copy(c->d, &d);
	c->n->tried++;
	return document_edit(&d, edit, NULL) == 0 && document_allows(&d, c->flow);
}

static void edit_try(const struct claim *c, enum edit_op op, const char *kind, const char *name, const char *key,
		     const char *value)
{
	struct edit edit = { op, kind, name, key, value };

	if (!allows(c, &edit))
		return;
	print_error("%s: %s: [%s %s] %c %s = %s allows it\n", c->file, c->flow, kind, name, op == EDIT_SET ? '+' : '-',
		    key, value);
	c->n->refuted++;
}

static void public_try(const struct claim *c, const struct flow_end *end)
{
	const struct eni *eni = end->kind == END_ENI ? &c->m->enis[end->index] : NULL;

	if (!eni || eni->owner != ENI_OF_INSTANCE)
		return;
	edit_try(c, EDIT_SET, model_find_instance(c->m, eni->obj.name) != NONE ? "instance" : "interface",
		 eni->obj.name, "public-ip", "auto");
}

static void removals_try(const struct claim *c)
{
	for (size_t i = 0; i < c->d->n; i++) {
		const struct section *s = &c->d->sections[i];

		for (size_t k = 0; k < s->n; k++)
			if (strcmp(s->entries[k].key, "route") == 0)
				edit_try(c, EDIT_UNSET, s->kind, s->name, "route", s->entries[k].value);
	}
}

/* The address alone, and the range of a VPC that holds it. */
static unsigned destinations(const struct model *m, const struct addr *a, char (*ret)[PREFIX_STRLEN])
{
	struct prefix alone = prefix_of(a, 32);
	unsigned n = 1;

	prefix_format(&alone, ret[0]);
	for (uint32_t v = 0; v < m->n_vpcs && n == 1; v++)
		for (uint32_t i = 0; i < m->vpcs[v].n_cidrs && n == 1; i++)
			if (prefix_contains(&m->vpcs[v].cidrs[i], a))
				prefix_format(&m->vpcs[v].cidrs[i], ret[n++]);
	return n;
}

static void route_try(const struct claim *c, const struct route_table *t, const char *word, const char *name)
{
	char to[4][PREFIX_STRLEN], value[160];
	unsigned n = destinations(c->m, &c->f.dst_addr, to);

	n += destinations(c->m, &c->f.src.addr, to + n);
	for (unsigned i = 0; i < n; i++) {
		snprintf(value, sizeof(value), "%s via %s:%s", to[i], word, name);
		edit_try(c, EDIT_SET, "route-table", t->obj.name, "route", value);
	}
}

static void routes_try(const struct claim *c, const struct route_table *t)
{
	const struct model *m = c->m;

	for (uint32_t i = 0; i < m->n_igws; i++)
		if (m->igws[i].vpc == t->vpc)
			route_try(c, t, "igw", m->igws[i].obj.name);
	for (uint32_t i = 0; i < m->n_peerings; i++)
		if (m->peerings[i].vpcs[0] == t->vpc || m->peerings[i].vpcs[1] == t->vpc)
			route_try(c, t, "pcx", m->peerings[i].obj.name);
	for (uint32_t i = 0; i < m->n_enis; i++)
		if (model_eni_vpc(m, i) == t->vpc)
			route_try(c, t, m->enis[i].owner == ENI_OF_INSTANCE ? "eni" : "nat", m->enis[i].obj.name);
}

/* Tables that stand in the file; the others have no section to add to. */
static void claim_try(const struct claim *c)
{
	public_try(c, &c->f.src);
	public_try(c, &c->f.dst);
	removals_try(c);
	for (uint32_t i = 0; i < c->m->n_route_tables; i++)
		if (c->m->route_tables[i].obj.loc.line)
			routes_try(c, &c->m->route_tables[i]);
}

static bool line_apply(struct document *d, const struct advice_line *l)
{
	struct edit create = { EDIT_CREATE, l->kind, l->name, NULL, NULL };
	struct edit edit = { l->op == ADVICE_ADD ? EDIT_SET : EDIT_UNSET, l->kind, l->name, l->key, l->value };

	if (l->new_section)
		document_edit(d, &create, NULL); /* there is one after its first line */
	return document_edit(d, &edit, NULL) == 0;
}

static bool allows_without(const struct claim *c, const struct advice *a, size_t out)
{
	_cleanup_document_ struct document d;

	document_copy(c->d, &d);
	for (size_t i = 0; i < a->n; i++)
		if (i != out && !line_apply(&d, &a->v[i]))
			return false;
	return document_allows(&d, c->flow);
}

/* Half of a changed line is no line. */
static bool stands_alone(const struct advice *a, size_t i)
{
	for (size_t k = 0; k < a->n; k++)
		if (k != i && a->v[k].op != a->v[i].op && strcmp(a->v[k].key, a->v[i].key) == 0 &&
		    strcmp(a->v[k].name, a->v[i].name) == 0 && strcmp(a->v[k].key, "route") != 0)
			return false;
	return !a->v[i].keeps;
}

static void advice_check(const struct claim *c, const struct advice *a)
{
	if (!allows_without(c, a, a->n))
		fail_msg("%s: %s: the advice does not allow it", c->file, c->flow);
	for (size_t i = 0; i < a->n; i++)
		if (stands_alone(a, i) && allows_without(c, a, i))
			fail_msg("%s: %s: needs no %s = %s", c->file, c->flow, a->v[i].key, a->v[i].value);
}

static void flow_check(struct claim *c)
{
	struct advice_base base = { .document = c->d, .lab = "lab" };
	_cleanup_advice_ struct advice a = { 0 };
	struct err e = { 0 };

	assert_int_equal(flow_parse(c->m, c->flow, &c->f, &e), 0);
	if (advice_find(&base, c->flow, &a, &e) < 0)
		fail_msg("%s: %s: %s", c->file, c->flow, e.msg);
	c->n->flows++;
	c->n->works += a.works;
	c->n->hopeless += a.hopeless;
	c->n->given_up += !a.works && !a.hopeless;
	if (a.works) {
		advice_check(c, &a);
	} else {
		unsigned before = c->n->refuted;

		claim_try(c);
		if (c->n->refuted > before)
			print_error("%s: %s: %s\n", c->file, c->flow, a.why_not);
	}
}

static void expects_drop(struct document *d)
{
	struct edit drop = { EDIT_DELETE, "expect", "", NULL, NULL };

	while (document_edit(d, &drop, NULL) == 0)
		;
}

static void topology_check(struct count *n, const char *text, const char *file)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_document_ struct document d;
	_cleanup_model_ struct model *m = NULL;
	_cleanup_matrix_ struct matrix x = { 0 };
	struct walker *w = NULL;
	struct err e = { 0 };
	unsigned left = FLOWS_MAX;
	uint32_t pairs;

	assert_int_equal(model_from_text(text, strlen(text), file, &m, &diags), 0);
	document_init(&d);
	assert_int_equal(document_parse(text, strlen(text), file, &d, &diags), 0);
	expects_drop(&d);
	assert_int_equal(walker_new(m, &w, &e), 0);
	assert_int_equal(matrix_make(w, "tcp/80", 0, &x, &e), 0);
	pairs = x.n_ends * x.n_ends;
	for (uint32_t i = 0; i < pairs && left; i++) {
		uint32_t src = i * STRIDE % pairs / x.n_ends, dst = i * STRIDE % pairs % x.n_ends;
		const struct matrix_outcome *o = matrix_at(&x, src, dst);
		struct claim c = { .d = &d, .m = m, .file = file, .n = n };
		char flow[160];

		if (o->allow || (o->gate != ABI_GATE_ROUTE && o->gate != ABI_GATE_IGW))
			continue;
		snprintf(flow, sizeof(flow), "%s -> %s tcp/80", x.ends[src].name, x.ends[dst].name);
		c.flow = flow;
		flow_check(&c);
		left--;
	}
	walker_free(&w);
}

static void shipped_check(void *ctx, const char *text, const char *path)
{
	topology_check(ctx, text, path);
}

static void said(const struct count *n)
{
	print_message("# %u denied at route or igw: %u have an advice, %u none is possible, %u none was found; "
		      "%u lines tried\n",
		      n->flows, n->works, n->hopeless, n->given_up, n->tried);
	assert_int_equal(n->refuted, 0);
	assert_true(n->works && n->hopeless && n->tried);
}

static void shipped_topologies(void **state)
{
	struct count n = { 0 };

	(void)state;
	shipped_each(shipped_check, &n);
	said(&n);
}

/* A topology drawn at random is not always valid: its faulty lines go. NULL: too many of them. */
static char *drawn_topology(uint64_t seed)
{
	struct scenario s = { 0 };
	bool six;
	_cleanup_free_ char *drawn = draw_topology(seed, &six);
	char *text = NULL;

	scenario_lines_set(&s, drawn);
	for (int tries = 0; tries < TRIES && !text; tries++) {
		_cleanup_diag_list_ struct diag_list diags = { 0 };
		_cleanup_model_ struct model *m = NULL;

		text = scenario_topology(s.lines, s.n_lines);
		if (model_from_text(text, strlen(text), "drawn.ini", &m, &diags) == 0)
			break;
		free(text);
		text = NULL;
		for (size_t i = 0; i < diags.n; i++)
			if (diags.v[i].severity == SEV_ERROR && diags.v[i].line)
				*s.lines[diags.v[i].line - 1] = '\0';
	}
	scenario_done(&s);
	return text;
}

static void random_topologies(void **state)
{
	struct count n = { 0 };

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		_cleanup_free_ char *text = drawn_topology(seed);
		char file[40];

		assert_non_null(text);
		snprintf(file, sizeof(file), "drawn topology %llu", (unsigned long long)seed);
		topology_check(&n, text, file);
	}
	said(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shipped_topologies),
		cmocka_unit_test(random_topologies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
