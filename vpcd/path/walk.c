/* walk.c: the static path walk: the tables of a model, and the answer for a flow. Pure.
 *
 * A NAT gateway draws its port at random from 1024-65535, so a flow through one is tried once for
 * each piece of that range within which no rule of the lab makes a difference. All pieces agree: that
 * is the answer. Only some get through: denied, REMAP_EPHEMERAL_PORT, with the share that would work. It also draws one of
 * its addresses: all of them are tried, and one that does not get through makes the answer. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "path/trial.h"
#include "plan/desired.h"
#include "util/mem.h"

enum { WALK_FLOWS_MAX = 4096, PROTO_TCP = 6, PROTO_UDP = 17, RANGES_SHOWN_MAX = 3 };

static void cuts_make(struct walker *w);
static void cuts_of(struct walker *w, const struct rule_list *l);
static int cut_cmp(const void *x, const void *y);
static uint32_t walk_address(struct walker *w, const struct flow *f, uint32_t addr, struct walk *ret);
static void address_write(struct walk *walk, uint32_t works, uint32_t n);
static void walk_range(struct walker *w, const struct flow *f, uint32_t addr, struct trial *first, struct walk *ret);
static void range_write(struct trial *t);
static void share_write(const struct walker *w, const bool *works, struct walk_step *s);
static uint32_t piece_last(const struct walker *w, size_t piece);

int walker_new(const struct model *m, struct walker **ret, struct err *e)
{
	struct walker *w = xcalloc(1, sizeof(*w));
	struct map_rows rows;
	int r;

	w->m = m;
	w->world = world_new(WALK_FLOWS_MAX);
	map_rows_init(&rows);
	r = maps_desired(m, &rows, e);
	if (r == 0) {
		r = world_load(w->world, &rows);
		if (r < 0)
			err_set(e, r, "the tables of lab %s do not fit the filter", m->name);
	}
	map_rows_done(&rows);
	if (r < 0) {
		walker_free(&w);
		return r;
	}
	w->ports = ports_new(m);
	cuts_make(w);
	*ret = w;
	return 0;
}

void walker_free(struct walker **w)
{
	if (!w || !*w)
		return;
	world_free(&(*w)->world);
	ports_free(&(*w)->ports);
	free((*w)->cuts);
	free(*w);
	*w = NULL;
}

int walk_flow(struct walker *w, const struct flow *f, struct walk *ret, struct err *e)
{
	uint32_t n, works;

	if (addr_family(&f->dst_addr) != FAMILY_V4 || addr_family(&f->src.addr) != FAMILY_V4)
		return err_set(e, -EINVAL, "%s -> %s: IPv6 is not carried in this lab", f->src.name, f->dst.name);
	n = walk_address(w, f, 0, ret);
	works = ret->allow;
	for (uint32_t i = 1; i < n; i++) {
		struct walk other;

		walk_address(w, f, i, &other);
		works += other.allow;
		if (ret->allow && !other.allow) { /* a denial says more */
			struct walk swap = *ret;

			*ret = other;
			other = swap;
		}
		walk_done(&other);
	}
	if (works && !ret->allow)
		address_write(ret, works, n);
	return 0;
}

/* With one address of each NAT gateway on the way. The most that one of them has; 0: there is none. */
static uint32_t walk_address(struct walker *w, const struct flow *f, uint32_t addr, struct walk *ret)
{
	struct trial t;
	uint32_t n;

	trial_run(w, f, (struct nat_choice){ NAT_PORT_LO, addr }, &t);
	n = t.nat_addrs;
	if (t.used_nat && (f->proto == PROTO_TCP || f->proto == PROTO_UDP)) {
		walk_range(w, f, addr, &t, ret);
	} else {
		*ret = t.walk;
		t.walk = (struct walk){ 0 };
	}
	trial_done(&t);
	return n;
}

/* Which address it was makes the difference: it is the one the steps name. */
static void address_write(struct walk *walk, uint32_t works, uint32_t n)
{
	struct walk_step *s = &walk->steps[walk->denied];
	size_t at = strlen(s->reason_more);

	snprintf(s->reason_more + at, sizeof(s->reason_more) - at, "%s%u of the NAT gateway's %u addresses would work",
		 at ? "; " : "", works, n);
	for (size_t i = 0; i < walk->n; i++)
		walk->steps[i].src_any = walk->steps[i].dst_any = (struct addr_choice){ 0 };
}

void walker_state_set(struct walker *w, bool (*tracked)(void *ctx, const struct abi_flow_key *key), void *ctx)
{
	w->tracked = tracked;
	w->tracked_ctx = ctx;
}

void walk_done(struct walk *w)
{
	free(w->steps);
	*w = (struct walk){ 0 };
}

static void cuts_make(struct walker *w)
{
	size_t kept = 0;

	*VEC_PUSH(w->cuts, w->n_cuts, w->cap_cuts) = NAT_PORT_LO;
	for (uint32_t i = 0; i < w->m->n_nacls; i++)
		for (int d = 0; d < 2; d++)
			cuts_of(w, &w->m->nacls[i].dir[d]);
	for (uint32_t i = 0; i < w->m->n_security_groups; i++)
		for (int d = 0; d < 2; d++)
			cuts_of(w, &w->m->security_groups[i].dir[d]);
	qsort(w->cuts, w->n_cuts, sizeof(w->cuts[0]), cut_cmp);
	for (size_t i = 1; i < w->n_cuts; i++)
		if (w->cuts[i] != w->cuts[kept])
			w->cuts[++kept] = w->cuts[i];
	w->n_cuts = kept + 1;
}

static void cuts_of(struct walker *w, const struct rule_list *l)
{
	for (uint32_t i = 0; i < l->n; i++) {
		const struct rule *r = &l->v[i].rule;

		for (unsigned k = 0; k < r->n_ports; k++) {
			if (r->ports[k].lo > NAT_PORT_LO)
				*VEC_PUSH(w->cuts, w->n_cuts, w->cap_cuts) = r->ports[k].lo;
			if (r->ports[k].hi >= NAT_PORT_LO && r->ports[k].hi < NAT_PORT_HI)
				*VEC_PUSH(w->cuts, w->n_cuts, w->cap_cuts) = r->ports[k].hi + 1u;
		}
	}
}

static int cut_cmp(const void *x, const void *y)
{
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;

	return (a > b) - (a < b);
}

/* first: the try with the lowest port; taken over or thrown away here. */
static void walk_range(struct walker *w, const struct flow *f, uint32_t addr, struct trial *first, struct walk *ret)
{
	_cleanup_free_ bool *works = xcalloc(w->n_cuts, sizeof(*works));
	struct trial best = *first;
	size_t n = first->walk.allow;

	works[0] = first->walk.allow;
	*first = (struct trial){ 0 };
	for (size_t i = 1; i < w->n_cuts; i++) {
		struct trial t;

		trial_run(w, f, (struct nat_choice){ (uint16_t)w->cuts[i], addr }, &t);
		works[i] = t.walk.allow;
		n += works[i];
		if (best.walk.allow && !t.walk.allow) { /* a denial says more */
			struct trial swap = best;

			best = t;
			t = swap;
		}
		trial_done(&t);
	}
	range_write(&best);
	if (n && !best.walk.allow) {
		struct walk_step *s = &best.walk.steps[best.walk.denied];

		s->reason = ABI_REASON_REMAP_EPHEMERAL_PORT;
		share_write(w, works, s);
	}
	*ret = best.walk;
	best.walk = (struct walk){ 0 };
	trial_done(&best);
}

/* One port stood for all of them. */
static void range_write(struct trial *t)
{
	for (size_t i = 0; i < t->walk.n; i++) {
		struct walk_step *s = &t->walk.steps[i];

		if (t->natted[i] & NATTED_SPORT) {
			s->sport = NAT_PORT_LO;
			s->sport_hi = NAT_PORT_HI;
		}
		if (t->natted[i] & NATTED_DPORT) {
			s->dport = NAT_PORT_LO;
			s->dport_hi = NAT_PORT_HI;
		}
	}
}

static void share_write(const struct walker *w, const bool *works, struct walk_step *s)
{
	char text[96] = "";
	uint32_t ports = 0;
	unsigned ranges = 0;
	double share;
	size_t n = 0;

	for (size_t i = 0; i < w->n_cuts; i++) {
		size_t j = i;

		if (!works[i])
			continue;
		while (j + 1 < w->n_cuts && works[j + 1])
			j++;
		ports += piece_last(w, j) - w->cuts[i] + 1;
		if (ranges++ < RANGES_SHOWN_MAX)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%u-%u", n ? ", " : "", w->cuts[i],
					      piece_last(w, j));
		i = j;
	}
	if (ranges > RANGES_SHOWN_MAX)
		snprintf(text + n, sizeof(text) - n, " and %u more ranges", ranges - RANGES_SHOWN_MAX);
	share = 100.0 * ports / (NAT_PORT_HI - NAT_PORT_LO + 1);
	/* Neither "100.0" nor "0.0": one port of all is 0.0016 %. */
	snprintf(s->reason_more, sizeof(s->reason_more), "only %s would work: %.*f %% of the ports", text,
		 share < 0.05 || share >= 99.95 ? 3 : 1, share);
}

static uint32_t piece_last(const struct walker *w, size_t piece)
{
	return piece + 1 < w->n_cuts ? w->cuts[piece + 1] - 1 : NAT_PORT_HI;
}
