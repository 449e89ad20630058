/* graph_flow.c: the way of a flow drawn over a layout: out of a box above its row, through the gutter beside the
 * column, and so to the next box, where no name stands in the way. A denied flow ends in a cross at its gate: at the
 * box for a security group, at the border of the subnet for its network ACL, behind that for a route. Pure. */
#include <stdio.h>
#include "path/graph_layout.h"
#include "util/str.h"

enum {
	POINTS_MAX = 16,
	ABOVE = 13,       /* over a row of boxes */
	BESIDE = 9,       /* left of a column's boxes: the lanes of routes end before it */
	TRACK = 7,        /* between two ways beside each other */
	UNDER_TITLE = 16, /* over the lanes that run there */
	UNDER_ROWS = 5,
	AT_BOX = 15,
	BEHIND = 18,
};
struct point {
	int x, y;
};
struct way {
	struct point v[POINTS_MAX];
	unsigned n;
	int track; /* 0..3: what arrives, what goes on, and the same of the reply run beside each other */
};

static void leg_draw(const struct layout *l, const struct graph_flow *flow, enum walk_leg leg, struct strbuf *b);

void flow_draw(const struct layout *l, const struct graph_flow *flow, struct strbuf *b)
{
	leg_draw(l, flow, LEG_FORWARD, b);
	leg_draw(l, flow, LEG_RETURN, b);
}

static bool place_box(const struct layout *l, struct place p, struct box *ret)
{
	const struct box *r = p.kind == PLACE_ENI    ? &l->enis[p.index]
			      : p.kind == PLACE_IGW  ? &l->igws[p.index]
			      : p.kind == PLACE_HOST ? &l->hosts[p.index]
			      : p.kind == PLACE_PCX  ? &l->peerings[p.index]
						     : NULL;
	const struct box *s;

	if (p.kind == PLACE_NOWHERE) {
		*ret = (struct box){ l->internet.x + l->internet.w - 120, l->internet.y + 20, 60, 30 };
	} else if (r && r->w) {
		*ret = *r;
	} else if (p.kind == PLACE_ENI) { /* one of those that are only counted */
		s = &l->subnets[l->m->enis[p.index].subnet].box;
		*ret = (struct box){ s->x + 20, s->y + s->h - 24, 40, 16 };
	} else {
		return false;
	}
	return true;
}

/* ---- a line of straight pieces ---- */

static void go(struct way *w, int x, int y)
{
	if (w->n < POINTS_MAX)
		w->v[w->n++] = (struct point){ x, y };
}

static int piece(const struct way *w, unsigned i)
{
	int dx = w->v[i + 1].x - w->v[i].x, dy = w->v[i + 1].y - w->v[i].y;

	dx = dx < 0 ? -dx : dx;
	dy = dy < 0 ? -dy : dy;
	return dx > dy ? dx + dy / 3 : dy + dx / 3; /* near enough for slanting ones */
}

static int length(const struct way *w)
{
	int n = 0;

	for (unsigned i = 0; i + 1 < w->n; i++)
		n += piece(w, i);
	return n;
}

static struct point point_at(const struct way *w, int at)
{
	for (unsigned i = 0; i + 1 < w->n; i++) {
		int n = piece(w, i);

		if (at <= n && n)
			return (struct point){ w->v[i].x + (w->v[i + 1].x - w->v[i].x) * at / n,
					       w->v[i].y + (w->v[i + 1].y - w->v[i].y) * at / n };
		at -= n;
	}
	return w->v[w->n - 1];
}

static void cut(struct way *w, int at)
{
	struct point end = point_at(w, at);
	unsigned i = 0;

	while (i + 1 < w->n && at > piece(w, i))
		at -= piece(w, i++);
	w->v[i + 1] = end;
	w->n = i + 2;
}

static void reverse(struct way *w)
{
	for (unsigned i = 0; i < w->n / 2; i++) {
		struct point p = w->v[i];

		w->v[i] = w->v[w->n - 1 - i];
		w->v[w->n - 1 - i] = p;
	}
}

/* ---- from place to place ---- */

static unsigned column_of(const struct layout *l, struct place p)
{
	return l->subnets[l->m->enis[p.index].subnet].column;
}

static int gutter_x(const struct layout *l, struct place p, int track)
{
	return l->columns[column_of(l, p)].x - BESIDE - track * TRACK;
}

/* Where a way meets a box: each track at a place of its own. */
static int door_x(const struct box *r, int track)
{
	return r->x + r->w / 2 + (2 * track - 3) * TRACK;
}

static int above_y(const struct box *r, int track)
{
	return r->y - ABOVE - track * (TRACK - 1);
}

/* Out of an interface and into the gutter beside it. */
static void out(const struct layout *l, struct place p, struct way *w)
{
	struct box r;

	place_box(l, p, &r);
	go(w, door_x(&r, w->track), r.y);
	go(w, door_x(&r, w->track), above_y(&r, w->track));
	go(w, gutter_x(l, p, w->track), above_y(&r, w->track));
}

/* The same backwards. */
static void into(const struct layout *l, struct place p, struct way *w)
{
	struct way back = { .track = w->track };

	out(l, p, &back);
	reverse(&back);
	for (unsigned i = 0; i < back.n; i++)
		go(w, back.v[i].x, back.v[i].y);
}

static void eni_to_eni(const struct layout *l, struct place from, struct place to, struct way *w)
{
	struct box a, b;
	int y = l->lane_y[model_eni_vpc(l->m, from.index)] - UNDER_TITLE - l->room + w->track * TRACK;

	place_box(l, from, &a);
	place_box(l, to, &b);
	if (column_of(l, from) == column_of(l, to) && a.y == b.y) { /* side by side */
		go(w, door_x(&a, w->track), a.y);
		go(w, door_x(&a, w->track), above_y(&a, w->track));
		go(w, door_x(&b, w->track), above_y(&a, w->track));
		go(w, door_x(&b, w->track), b.y);
		return;
	}
	out(l, from, w);
	if (column_of(l, from) != column_of(l, to)) {
		go(w, gutter_x(l, from, w->track), y);
		go(w, gutter_x(l, to, w->track), y);
	}
	into(l, to, w);
}

static void eni_to_igw(const struct layout *l, struct place from, struct place to, struct way *w)
{
	const struct box *g = &l->igws[to.index];
	int y = l->lane_y[l->m->igws[to.index].vpc] - UNDER_TITLE - l->room + w->track * TRACK, x = door_x(g, w->track);

	out(l, from, w);
	go(w, gutter_x(l, from, w->track), y);
	go(w, x, y);
	go(w, x, g->y + g->h + 2);
}

static void eni_to_pcx(const struct layout *l, struct place from, struct place to, struct way *w)
{
	uint32_t vpc = model_eni_vpc(l->m, from.index);
	int end = l->m->peerings[to.index].vpcs[0] != vpc, x = peering_port(l, to.index, end);
	int port_left = x < l->peerings[to.index].x;
	const struct box *v = &l->vpcs[vpc], *p = &l->peerings[to.index];

	out(l, from, w);
	go(w, gutter_x(l, from, w->track), v->y + v->h - UNDER_ROWS - w->track * 2);
	go(w, x, v->y + v->h - UNDER_ROWS - w->track * 2);
	go(w, x, p->y + p->h / 2);
	go(w, port_left ? p->x - 2 : p->x + p->w + 2, p->y + p->h / 2);
}

static void straight(const struct box *a, const struct box *b, struct way *w)
{
	bool up = b->y < a->y;

	go(w, door_x(a, w->track), up ? a->y : a->y + a->h);
	go(w, door_x(b, w->track), up ? b->y + b->h + 2 : b->y - 2);
}

static bool way_make(const struct layout *l, struct place from, struct place to, struct way *w)
{
	struct box a, b;

	if (!place_box(l, from, &a) || !place_box(l, to, &b))
		return false;
	if (from.kind == PLACE_ENI && to.kind == PLACE_ENI) {
		eni_to_eni(l, from, to, w);
	} else if (from.kind == PLACE_ENI && to.kind == PLACE_IGW) {
		eni_to_igw(l, from, to, w);
	} else if (from.kind == PLACE_IGW && to.kind == PLACE_ENI) {
		eni_to_igw(l, to, from, w);
		reverse(w);
	} else if (from.kind == PLACE_ENI && to.kind == PLACE_PCX) {
		eni_to_pcx(l, from, to, w);
	} else if (from.kind == PLACE_PCX && to.kind == PLACE_ENI) {
		eni_to_pcx(l, to, from, w);
		reverse(w);
	} else {
		straight(&a, &b, w);
	}
	return true;
}

/* ---- where it stops ---- */

static bool inside(const struct box *r, struct point p)
{
	return p.x >= r->x && p.x <= r->x + r->w && p.y >= r->y && p.y <= r->y + r->h;
}

/* How far along the way it crosses the border of an interface's subnet: outwards the first time, or (last)
 * inwards the last time. */
static int border(const struct layout *l, const struct way *w, struct place p, bool last)
{
	const struct box *s = &l->subnets[l->m->enis[p.index].subnet].box;
	int n = length(w), i = last ? n : 0, step = last ? -1 : 1;

	while (i >= 0 && i <= n && inside(s, point_at(w, i)))
		i += step;
	return i < 0 || i > n ? n / 2 : i;
}

static int stop_at(const struct layout *l, const struct way *w, enum abi_gate gate, struct place from, struct place to)
{
	int n = length(w), at;

	switch (gate) {
	case ABI_GATE_SOURCE_CHECK:
	case ABI_GATE_SG_OUT: return AT_BOX < n ? AT_BOX : n;
	case ABI_GATE_NACL_OUT: return from.kind == PLACE_ENI ? border(l, w, from, false) : n / 4;
	case ABI_GATE_NACL_IN: return to.kind == PLACE_ENI ? border(l, w, to, true) : n * 3 / 4;
	case ABI_GATE_INTERNET: return n / 2;
	case ABI_GATE_SG_IN:
	case ABI_GATE_DEST_CHECK:
	case ABI_GATE_CONNTRACK:
	case ABI_GATE_IGW:
	case ABI_GATE_PEERING:
	case ABI_GATE_NAT: return n > AT_BOX ? n - AT_BOX : n;
	default: at = from.kind == PLACE_ENI ? border(l, w, from, false) + BEHIND : n / 3; return at < n ? at : n;
	}
}

/* ---- drawn ---- */

static void way_draw(const struct way *w, const char *class, const char *more, struct strbuf *b)
{
	strbuf_addf(b, "<path d=\"M%d %d", w->v[0].x, w->v[0].y);
	for (unsigned i = 1; i < w->n; i++)
		strbuf_addf(b, "L%d %d", w->v[i].x, w->v[i].y);
	strbuf_addf(b, "\" class=\"%s\"%s/>\n", class, more);
}

static void cross_draw(struct strbuf *b, struct point p)
{
	for (int i = 0; i < 2; i++)
		strbuf_addf(b, "<path d=\"M%d %dl18 18m0 -18l-18 18\" class=\"%s\" fill=\"none\"/>\n", p.x - 9, p.y - 9,
			    i ? "x" : "xh");
}

static void leg_draw(const struct layout *l, const struct graph_flow *flow, enum walk_leg leg, struct strbuf *b)
{
	struct leg_places way;
	struct box r;

	leg_places_of(l->m, flow, leg, &way);
	if (leg == LEG_RETURN && !way.stops)
		return; /* it went as it came */
	for (unsigned i = 0; i + 1 < way.n; i++) {
		bool stop = way.stops && i + 2 == way.n;
		struct way w = { .track = (leg == LEG_RETURN ? 2 : 0) + (int)(i & 1) };

		if (!way_make(l, way.v[i], way.v[i + 1], &w))
			continue;
		if (stop)
			cut(&w, stop_at(l, &w, flow->w->steps[flow->w->denied].gate, way.v[i], way.v[i + 1]));
		way_draw(&w, "halo", "", b);
		way_draw(&w, leg == LEG_RETURN ? "f fr" : "f", stop ? "" : " marker-end=\"url(#f)\"", b);
		if (stop)
			cross_draw(b, w.v[w.n - 1]);
	}
	for (unsigned i = 0; i < way.n; i++) {
		bool square = way.v[i].kind == PLACE_PCX ||
			      (way.v[i].kind == PLACE_ENI && l->m->enis[way.v[i].index].owner == ENI_OF_INSTANCE);

		if (way.v[i].kind != PLACE_NOWHERE && place_box(l, way.v[i], &r))
			svg_rect(b, &r, square ? 6 : 17, "f", " style=\"stroke-width:3\"");
	}
}
