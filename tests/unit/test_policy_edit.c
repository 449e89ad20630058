/* test_policy_edit.c: where only groups and ACLs are edited, the rows of links, addresses and routes are borrowed from
 * the state before. Over random topologies: what is borrowed is what would be made anew, the plan is the same, and who
 * borrows may outlive the lender. */
#include <stdlib.h>
#include <string.h>
#include "conf/build.h"
#include "plan/desired.h"
#include "plan/diff.h"
#include "test.h"
#include "tests/support/random_topology.h"
#include "util/mem.h"
#include "util/str.h"

enum { SEEDS = 60 };

struct lab {
	struct document document;
	struct registry *registry;
	struct model *model;
};

static struct model *build(struct document *d, struct registry *r)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	struct model *m = NULL;

	model_build(d, "t", r, &m, &diags);
	return m;
}

/* Does not leave ret set when the text is not valid. */
static bool lab_make(uint64_t seed, struct lab *ret)
{
	_cleanup_free_ char *text = random_topology(seed, "t");
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	struct lab l = { .registry = registry_new(seed) };

	document_init(&l.document);
	document_parse(text, strlen(text), "t.ini", &l.document, &diags);
	l.model = build(&l.document, l.registry);
	*ret = l;
	return l.model != NULL;
}

static void lab_done(struct lab *l)
{
	model_free(&l->model);
	registry_free(&l->registry);
	document_done(&l->document);
}

static struct state *desired_of(const struct model *m)
{
	struct state *s = NULL;
	struct err e = { 0 };

	if (state_desired(m, &s, &e) < 0)
		fail_msg("%s", e.msg);
	return s;
}

static char *plan_text(const struct state *desired, const struct state *actual)
{
	_cleanup_plan_ struct plan *p = NULL;
	struct strbuf b = { 0 };
	char text[600];

	assert_int_equal(plan_diff(desired, actual, &p), 0);
	for (size_t i = 0; i < p->n; i++)
		strbuf_addf(&b, "%u %s\n", p->ops[i].rank, op_format(&p->ops[i], text, sizeof(text)));
	return strbuf_take(&b);
}

static void expect_same_rows(const struct state *a, const struct state *b)
{
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++) {
		assert_int_equal(row_key_cmp(&a->rows[i], &b->rows[i]), 0);
		assert_true(row_value_eq(&a->rows[i], &b->rows[i]));
		assert_string_equal(a->rows[i].owner, b->rows[i].owner);
	}
}

/* The lab's known state goes into the edited one, as the daemon does it. */
static void expect_borrowed(const struct model *after, struct state **known)
{
	_cleanup_state_ struct state *whole = desired_of(after), *borrowed = NULL;
	_cleanup_free_ char *wanted = plan_text(whole, *known), *got = NULL;

	assert_int_equal(state_desired_policies(after, *known, &borrowed, NULL), 0);
	got = plan_text(borrowed, *known);
	assert_string_equal(got, wanted);
	state_keep(borrowed);
	assert_int_equal((*known)->n, 0);
	state_free(known);
	expect_same_rows(borrowed, whole);
	*known = TAKE_PTR(borrowed);
}

static unsigned edit_one(struct lab *l, const struct edit *edit, struct state **known)
{
	struct lab next = { .registry = registry_clone(l->registry) };
	struct err e = { 0 };

	document_copy(&l->document, &next.document);
	if (document_edit(&next.document, edit, &e) == 0)
		next.model = build(&next.document, next.registry);
	if (!next.model) {
		lab_done(&next);
		return 0;
	}
	expect_borrowed(next.model, known);
	lab_done(l);
	*l = next;
	return 1;
}

static unsigned edit_all(struct lab *l)
{
	struct state *known = desired_of(l->model);
	unsigned done = 0;

	for (size_t i = 0; i < l->document.n; i++) {
		_cleanup_free_ char *kind = xstrdup(l->document.sections[i].kind);
		_cleanup_free_ char *name = xstrdup(l->document.sections[i].name);
		bool nacl = str_eq(kind, "nacl");
		struct edit edits[] = {
			{ EDIT_SET, kind, name, "inbound",
			  nacl ? "777 deny udp 7 from 10.0.0.0/24" : "udp 7 from 10.0.0.0/24" },
			{ EDIT_SET, kind, name, "outbound",
			  nacl ? "777 allow tcp 7 to 10.0.0.0/24" : "tcp 7 to 10.0.0.0/24" },
			{ EDIT_UNSET, kind, name, "inbound", NULL },
		};

		for (size_t k = 0; (nacl || str_eq(kind, "security-group")) && k < ARRAY_SIZE(edits); k++)
			done += edit_one(l, &edits[k], &known);
	}
	done += edit_one(l, &(struct edit){ EDIT_CREATE, "nacl", "fresh", NULL, NULL }, &known);
	state_free(&known);
	return done;
}

static void borrowed_is_made_anew(void **unused)
{
	unsigned edits = 0;

	(void)unused;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct lab l;

		if (lab_make(seed, &l))
			edits += edit_all(&l);
		lab_done(&l);
	}
	assert_true(edits > SEEDS);
}

/* Each end of a loan may go first; who did not take the rows over leaves them where they were. */
static void loans_end(void **unused)
{
	struct state *lender = state_new(), *s = state_new();

	(void)unused;
	state_add(lender, ROW_NS, "t.a", KIND_INSTANCE, "a");
	state_sort(lender);
	state_borrow(s, lender);
	assert_int_equal(s->n, 1);
	state_free(&s);
	assert_string_equal(lender->rows[0].ns, "t.a");
	s = state_new();
	state_borrow(s, lender);
	state_keep(s);
	state_keep(s);
	state_keep(NULL);
	assert_null(lender->rows);
	state_free(&lender);
	assert_string_equal(s->rows[0].ns, "t.a");
	state_free(&s);
}

static void other_kinds_are_made_whole(void **unused)
{
	(void)unused;
	for (enum obj_kind k = 0; k < KIND_MAX; k++)
		assert_int_equal(kind_is_policy(k), k == KIND_SECURITY_GROUP || k == KIND_NACL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(borrowed_is_made_anew),
		cmocka_unit_test(loans_end),
		cmocka_unit_test(other_kinds_are_made_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
