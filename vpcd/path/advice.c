/* advice.c: opens one gate after the other, in a copy of the document, until the walk allows. Pure.
 *
 *   gate that denies        line that opens it
 *   sg-out, sg-in           one more rule in the first group of the interface, naming the peer's group in one VPC
 *   nacl-out, nacl-in       one more numbered rule, before the one that denies; replies: the ephemeral range. Where no
 *                           number is free there, the rules in its way move up by one
 *   route (no route)        the peer's range, over a peering connection; else a default route: internet gateway, or
 *                           NAT gateway of the zone for who has no public address
 *   route (blackhole)       the route goes; what is missing then is opened next
 *   nat (outside it)        a route to the internet gateway for the other end alone
 *   igw (no public address) public-ip = auto, for whose address it is
 *   igw (private address),
 *   peering (of no peer)    the peer's range, over the peering connection or a new one, in the first table that can
 *   igw (past an appliance) the gateway's route to the appliance goes
 *   source-, dest-check     source-dest-check = no
 *   any (link down)         the zone is taken out of zones-down
 * Everything else (nobody has the address, a NAT gateway's own address) no line changes. Where that ends in denial, each
 * table on the way is tried without the route that was taken. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "conf/build.h"
#include "filters/explain.h"
#include "path/advice_open.h"
#include "path/trace.h"
#include "util/mem.h"
#include "util/str.h"

enum { CHANGES_MAX = 10 };

struct search {
	const struct advice_base *base;
	const char *flow;
	bool detour; /* begin with one: */
	size_t at;   /* which step of the flow as it is */
};

static int search_run(const struct search *q, struct advice *ret, struct err *e);
static void why_not_write(struct adviser *x);
static void detours_try(const struct search *q, struct advice *ret);
static void detour_try(const struct search *q, struct advice *best);
static int attempt_make(const struct advice_base *base, const struct document *d, const char *flow, struct attempt *ret,
			struct err *e);
static void document_start(const struct advice_base *base, struct document *d);
static void attempt_done(struct attempt *t);
static void needless_drop(const struct advice_base *base, const char *flow, struct advice *a);
static bool step_open(struct adviser *x);

int advice_find(const struct advice_base *base, const char *flow, struct advice *ret, struct err *e)
{
	struct search q = { .base = base, .flow = flow };
	int r = search_run(&q, ret, e);

	if (r == 0 && !ret->works)
		detours_try(&q, ret);
	for (size_t i = 0; i < ret->n; i++)
		ret->v[i].loc.file = ret->v[i].loc.line ? base->document->file : NULL;
	return r;
}

void advice_done(struct advice *a)
{
	for (size_t i = 0; i < a->n; i++)
		advice_line_done(&a->v[i]);
	free(a->v);
	*a = (struct advice){ 0 };
}

static bool same_place(const struct advice_line *a, const struct advice_line *b)
{
	return strcmp(a->kind, b->kind) == 0 && strcmp(a->name, b->name) == 0 && a->loc.line == b->loc.line;
}

static void place_text(struct strbuf *b, const struct advice_line *l)
{
	strbuf_addf(b, "  [%s%s%s]", l->kind, l->name[0] ? " " : "", l->name);
	if (l->new_section)
		strbuf_adds(b, "  a new section");
	else if (l->loc.line)
		strbuf_addf(b, "  %s %s:%u", l->op == ADVICE_REMOVE ? "at" : "behind", l->loc.file, l->loc.line);
	strbuf_adds(b, "\n");
}

char *advice_text(const struct advice *a, bool is_answered)
{
	struct strbuf b = { 0 };

	if (!a->works) {
		strbuf_addf(&b, "%s: %s\n", a->hopeless ? "no line of a topology would allow it" : "no suggestion",
			    a->why_not);
		return strbuf_take(&b);
	}
	strbuf_adds(&b, "to allow it:\n");
	for (size_t i = 0; i < a->n; i++) {
		bool told = false;

		for (size_t k = 0; k < i && !told; k++)
			told = same_place(&a->v[k], &a->v[i]);
		if (told)
			continue;
		place_text(&b, &a->v[i]);
		for (size_t k = i; k < a->n; k++)
			if (same_place(&a->v[k], &a->v[i]))
				strbuf_addf(&b, "  %c %s = %s\n", a->v[k].op == ADVICE_REMOVE ? '-' : '+', a->v[k].key,
					    a->v[k].value);
	}
	strbuf_adds(&b, is_answered ? "checked: with this the request and its reply arrive\n"
				    : "checked: with this it arrives; no answer is due to it\n");
	return strbuf_take(&b);
}

/* ---- the search ---- */

/* Opens gates until the walk allows, or one stays shut. Of q's detour, if it has one, at the step it is for, first. */
static int search_run(const struct search *q, struct advice *ret, struct err *e)
{
	struct adviser x = { .a = ret };
	struct attempt t = { 0 };
	struct err ignored;
	int r;

	*ret = (struct advice){ 0 };
	document_start(q->base, &x.d);
	r = attempt_make(q->base, &x.d, q->flow, &t, e);
	for (unsigned i = 0; r == 0 && !t.walk.allow; i++) {
		x.now = &t;
		x.s = &t.walk.steps[q->detour && i == 0 ? q->at : t.walk.denied];
		if (i == CHANGES_MAX)
			give_up(&x, "after %d changes it is still denied at %s", CHANGES_MAX, gate_name(x.s->gate));
		else if (q->detour && i == 0 ? !detour_make(&x) : !step_open(&x))
			why_not_write(&x);
		attempt_done(&t);
		if (ret->why_not[0])
			break;
		if (attempt_make(q->base, &x.d, q->flow, &t, &ignored) < 0) {
			give_up(&x, "the file would then be wrong: %s", ignored.msg);
			break;
		}
	}
	ret->works = r == 0 && !ret->why_not[0];
	attempt_done(&t);
	document_done(&x.d);
	if (ret->works && ret->n > 1)
		needless_drop(q->base, q->flow, ret);
	return r;
}

/* Unless the gate said more than its reason does. */
static void why_not_write(struct adviser *x)
{
	if (x->a->why_not[0])
		return;
	x->a->hopeless = !x->gone;
	if (x->gone)
		give_up(x, "what the route leads to is gone, or attached to nothing; bring it back under its name, or "
			   "give the route another target");
	else
		give_up(x, "%s", reason_text(x->s->reason));
}

/* The gate that stays shut may not be where the flow went wrong: each table that it passed is asked without its route. */
static void detours_try(const struct search *q, struct advice *ret)
{
	struct attempt t = { 0 };
	struct document d;

	document_start(q->base, &d);
	if (attempt_make(q->base, &d, q->flow, &t, NULL) == 0)
		for (size_t i = 0; i <= t.walk.denied && i < t.walk.n; i++)
			if (t.walk.steps[i].gate == ABI_GATE_ROUTE)
				detour_try(&(struct search){ q->base, q->flow, true, i }, ret);
	attempt_done(&t);
	document_done(&d);
}

/* Keeps it where it works, with fewer lines than what there is. */
static void detour_try(const struct search *q, struct advice *best)
{
	struct advice a;

	if (search_run(q, &a, NULL) == 0 && a.works && (!best->works || a.n < best->n)) {
		struct advice swap = *best;

		*best = a;
		a = swap;
	}
	advice_done(&a);
}

/* ---- one state of the document ---- */

/* A copy without [expect]: what others expect is not asked here, and may name what the change renames. */
static void document_start(const struct advice_base *base, struct document *d)
{
	struct edit drop = { EDIT_DELETE, obj_kind_name(KIND_EXPECT), "", NULL, NULL };

	document_copy(base->document, d);
	while (document_edit(d, &drop, NULL) == 0)
		;
}

static int attempt_make(const struct advice_base *base, const struct document *d, const char *flow, struct attempt *ret,
			struct err *e)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	struct registry *registry = base->registry ? registry_clone(base->registry) : registry_new(1);
	struct attempt t = { 0 };
	int r = model_build(d, base->lab, registry, &t.m, &diags);

	registry_free(&registry);
	for (size_t i = 0; r < 0 && i < diags.n; i++)
		if (diags.v[i].severity == SEV_ERROR) {
			err_set(e, r, "%s", diags.v[i].message);
			break;
		}
	if (r == 0)
		r = walker_new(t.m, &t.w, e);
	if (r == 0)
		r = flow_parse(t.m, flow, &t.f, e);
	if (r == 0)
		r = walk_flow(t.w, &t.f, &t.walk, e);
	if (r < 0)
		attempt_done(&t);
	else
		*ret = t;
	return r;
}

static void attempt_done(struct attempt *t)
{
	walk_done(&t->walk);
	walker_free(&t->w);
	model_free(&t->m);
	*t = (struct attempt){ 0 };
}

static void line_apply(struct document *d, const struct advice_line *l)
{
	struct edit edit = { EDIT_CREATE, l->kind, l->name, NULL, NULL };

	if (l->op == ADVICE_ADD && !section_find(d, l->kind, l->name))
		document_edit(d, &edit, NULL);
	edit.op = l->op == ADVICE_ADD ? EDIT_SET : EDIT_UNSET;
	edit.key = l->key;
	edit.value = l->value;
	document_edit(d, &edit, NULL);
}

void advice_line_done(struct advice_line *l)
{
	free(l->key);
	free(l->value);
}

/* Without any outbound line everything may leave: what stands in the place of `none` has to stay. */
static bool replaces_none(const struct advice *a, const struct advice_line *l)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i].op == ADVICE_REMOVE && strcmp(a->v[i].name, l->name) == 0 &&
		    strcmp(a->v[i].key, l->key) == 0 && strcmp(a->v[i].kind, l->kind) == 0 &&
		    strcmp(a->v[i].value, "none") == 0)
			return true;
	return false;
}

/* A line and what stands in its place go together; two routes are two routes. */
static size_t lines_together(const struct advice *a, size_t i)
{
	const struct advice_line *l = &a->v[i];

	return i + 1 < a->n && l->op == ADVICE_REMOVE && l[1].op == ADVICE_ADD && strcmp(l->kind, l[1].kind) == 0 &&
			       strcmp(l->name, l[1].name) == 0 && strcmp(l->key, l[1].key) == 0 &&
			       strcmp(l->key, "route") != 0
		       ? 2
		       : 1;
}

static bool allows_without(const struct advice_base *base, const char *flow, const struct advice *a, size_t out,
			   size_t n)
{
	struct attempt t = { 0 };
	struct document d;
	bool allow;

	document_start(base, &d);
	for (size_t i = 0; i < a->n; i++)
		if (i < out || i >= out + n)
			line_apply(&d, &a->v[i]);
	allow = attempt_make(base, &d, flow, &t, NULL) == 0 && t.walk.allow;
	attempt_done(&t);
	document_done(&d);
	return allow;
}

/* A line that a later one made needless goes: each is left out once, and again when one has gone. */
static void needless_drop(const struct advice_base *base, const char *flow, struct advice *a)
{
	for (size_t out = 0, n; out < a->n; out += n) {
		const struct advice_line *last;

		n = lines_together(a, out);
		last = &a->v[out + n - 1];
		if ((n == 1 && last->keeps) || replaces_none(a, last) || !allows_without(base, flow, a, out, n))
			continue;
		for (size_t i = out; i < out + n; i++)
			advice_line_done(&a->v[i]);
		a->n -= n;
		memmove(&a->v[out], &a->v[out + n], (a->n - out) * sizeof(*a->v));
		out = n = 0;
	}
}

/* ---- gates ---- */

/* By what is wrong where one gate may say several things, else by the gate. */
static bool step_open(struct adviser *x)
{
	static const struct {
		enum abi_reason reason;
		bool (*open)(struct adviser *x);
	} reasons[] = {
		{ ABI_REASON_PORT_DOWN, down_open },
		{ ABI_REASON_NO_ROUTE_TO_DESTINATION, route_open },
		{ ABI_REASON_BAD_STATE_ROUTE, blackhole_open },
		{ ABI_REASON_IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS, sender_open },
		{ ABI_REASON_IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS, receiver_open },
		{ ABI_REASON_IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS, peer_open },
		{ ABI_REASON_IGW_DESTINATION_ADDRESS_NOT_IN_RFC6598_EGRESS, peer_open },
		{ ABI_REASON_PCX_REQUIRES_ADDRESS_IN_VPC_CIDR, peer_open },
		{ ABI_REASON_INGRESS_RTB_TRAFFIC_REDIRECTION, edge_open },
	};
	static bool (*const gates[ABI_GATE_MAX])(struct adviser * x) = {
		[ABI_GATE_SG_OUT] = group_open,     [ABI_GATE_SG_IN] = group_open, [ABI_GATE_NACL_OUT] = nacl_open,
		[ABI_GATE_NACL_IN] = nacl_open,     [ABI_GATE_NAT] = nat_open,     [ABI_GATE_SOURCE_CHECK] = check_open,
		[ABI_GATE_DEST_CHECK] = check_open,
	};

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (reasons[i].reason == x->s->reason)
			return reasons[i].open(x);
	return gates[x->s->gate] && gates[x->s->gate](x);
}
