/* reach_fold.c: changes of single pairs and ports, folded into lines that a person reads: ports that neighbour each
 * other, flows, sources, destinations. Pure. */
#include <stdio.h>
#include <string.h>
#include "path/differ.h"
#include "util/mem.h"
#include "util/str.h"

struct line { /* a change with its flow in words */
	uint32_t src, dst, cause;
	enum reach was, is;
	char *flows;
	struct strbuf srcs, dsts;
	uint64_t pairs;
};

static void flow_text(const struct differ *d, const struct change *c, struct strbuf *b)
{
	const struct probe *lo = &d->probes[c->probe_lo], *hi = &d->probes[c->probe_hi];

	if (!lo->hi)
		strbuf_addf(b, "%s", lo->label);
	else if (lo->lo == 1 && hi->hi == PORT_LAST)
		strbuf_addf(b, "%.3s", lo->proto);
	else if (lo->lo == hi->hi)
		strbuf_addf(b, "%s", lo->proto);
	else
		strbuf_addf(b, "%s-%u", lo->proto, hi->hi);
	if (c->sport_lo && !(c->sport_lo == EPHEMERAL_LO && c->sport_hi == PORT_LAST))
		strbuf_addf(b, "(from:%u-%u)", c->sport_lo, c->sport_hi);
}

/* The same change for all client ports is one: neighbours in the client's range join. */
static void sports_join(struct differ *d)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->n_changes; i++) {
		struct change *c = &d->changes[i];
		bool joined = false;

		for (size_t k = kept; k-- > 0 && c->sport_lo > EPHEMERAL_LO && !joined;) {
			struct change *o = &d->changes[k];

			if (o->src != c->src || o->dst != c->dst || o->cause != c->cause ||
			    o->probe_lo != c->probe_lo || o->probe_hi != c->probe_hi || o->was != c->was ||
			    o->sport_hi + 1 != c->sport_lo)
				continue;
			o->sport_hi = c->sport_hi;
			joined = true;
		}
		if (!joined)
			d->changes[kept++] = *c;
	}
	d->n_changes = kept;
}

static int change_cmp(const void *x, const void *y)
{
	const struct change *a = x, *b = y;

#define BY(member) \
	if (a->member != b->member) \
	return a->member < b->member ? -1 : 1
	BY(dst);
	BY(src);
	BY(cause);
	BY(was);
	BY(is);
	BY(probe_lo);
	BY(sport_lo);
#undef BY
	return 0;
}

static void line_done(struct line *l)
{
	strbuf_done(&l->srcs);
	strbuf_done(&l->dsts);
	free(l->flows);
}

/* What two lines must share to become one: everything but their sources (with_dst: but their destinations). */
static char *line_key(const struct line *l, bool with_dst)
{
	return with_dst ? xasprintf("%u %d %d %s\n%s", l->cause, l->was, l->is, l->flows, l->srcs.s)
			: xasprintf("%u %d %d %s\n%u", l->cause, l->was, l->is, l->flows, l->dst);
}

static void lines_join(struct line *v, size_t *n, bool with_dst)
{
	char **keys = xcalloc(*n + 1, sizeof(*keys));
	struct keymap seen = { 0 };
	size_t kept = 0, n_keys = *n;

	for (size_t i = 0; i < *n; i++) {
		uint64_t k;

		keys[i] = line_key(&v[i], with_dst);
		if (keymap_put_str(&seen, keys[i], kept)) {
			v[kept++] = v[i];
			continue;
		}
		k = keymap_get_str(&seen, keys[i]);
		strbuf_addf(with_dst ? &v[k].dsts : &v[k].srcs, ", %s", with_dst ? v[i].dsts.s : v[i].srcs.s);
		v[k].pairs += v[i].pairs;
		line_done(&v[i]);
	}
	keymap_done(&seen);
	for (size_t i = 0; i < n_keys; i++)
		free(keys[i]);
	free(keys);
	*n = kept;
}

void changes_fold(struct differ *d, struct reach_diff *ret)
{
	struct line *v = NULL;
	size_t n = 0, cap = 0;

	sports_join(d);
	if (d->n_changes)
		qsort(d->changes, d->n_changes, sizeof(*d->changes), change_cmp);
	for (size_t i = 0; i < d->n_changes;) {
		const struct change *c = &d->changes[i];
		struct strbuf flows = { 0 };
		struct line *l = VEC_PUSH(v, n, cap);

		ret->pairs += i == 0 || c[-1].src != c->src || c[-1].dst != c->dst;
		*l = (struct line){
			.src = c->src, .dst = c->dst, .cause = c->cause, .was = c->was, .is = c->is, .pairs = 1
		};
		for (const struct change *o = c; i < d->n_changes; i++, o++) {
			if (o->src != c->src || o->dst != c->dst || o->cause != c->cause || o->was != c->was ||
			    o->is != c->is)
				break;
			if (flows.n)
				strbuf_adds(&flows, " ");
			flow_text(d, o, &flows);
		}
		l->flows = strbuf_take(&flows);
		strbuf_adds(&l->srcs, d->names[l->src]);
		strbuf_adds(&l->dsts, d->names[l->dst]);
	}
	lines_join(v, &n, false);
	lines_join(v, &n, true);
	for (size_t i = 0; i < n; i++) {
		const struct cause *k = &d->causes[v[i].cause];
		struct reach_change *c = VEC_PUSH(ret->v, ret->n, ret->cap);
		const char *object = k->object_of == MATRIX_OBJECT_SRC   ? v[i].srcs.s
				     : k->object_of == MATRIX_OBJECT_DST ? v[i].dsts.s
									 : k->object;

		*c = (struct reach_change){ .srcs = strbuf_take(&v[i].srcs),
					    .dsts = strbuf_take(&v[i].dsts),
					    .flows = v[i].flows,
					    .was = v[i].was,
					    .is = v[i].is,
					    .leg = k->leg,
					    .gate = k->gate,
					    .before = k->before,
					    .after = k->after,
					    .pairs = v[i].pairs };
		if (object && !strchr(object, ','))
			snprintf(c->object, sizeof(c->object), "%.63s", object);
	}
	free(v);
}
