/* graph_svg.c: the layout drawn as SVG, and the SVG in a page. Pure.
 *
 * Colours are Okabe and Ito's, told apart by colour-blind people; what they say is said again by lightness,
 * by the border, by the hatching and by a word, so a greyscale print says the same. */
#include <stdio.h>
#include <string.h>
#include "path/graph_layout.h"
#include "model/route_text.h"
#include "util/mem.h"
#include "util/str.h"

static const char head[] =
	"<style>\n"
	"text{font-family:'DejaVu Sans',Verdana,Arial,sans-serif;font-size:12px;fill:#1a1a1a}\n"
	".t{font-size:19px;font-weight:bold}.s{font-size:11px;fill:#444}.b{font-weight:bold;font-size:13px}\n"
	".tag{font-size:11px;font-weight:bold;letter-spacing:1px}\n"
	".net{fill:#f4f4f4;stroke:#777;stroke-width:1.5}\n"
	".vpc{fill:#fff;stroke:#333;stroke-width:2}\n"
	".public{fill:#fff6e0;stroke:#b36b00;stroke-width:4}\n"
	".private{fill:#d3e6f5;stroke:#00568c;stroke-width:1.5}\n"
	".isolated{stroke:#444;stroke-width:2;stroke-dasharray:8 5}\n"
	".box{fill:#fff;stroke:#555;stroke-width:1.2}\n"
	".nat{fill:#00568c;stroke:#00304d;stroke-width:1.5}.igw{fill:#b36b00;stroke:#663d00;stroke-width:1.5}\n"
	".w{fill:#fff}\n"
	".r{fill:none;stroke:#b36b00;stroke-width:2.2}.rn{fill:none;stroke:#00568c;stroke-width:2;stroke-dasharray:7 4}\n"
	".f{fill:none;stroke:#000;stroke-width:4.5;stroke-linejoin:round;stroke-linecap:round}.fr{stroke-dasharray:2 9}\n"
	".halo{fill:none;stroke:#fff;stroke-width:9;stroke-linejoin:round}\n"
	".x{stroke:#d55e00;stroke-width:6;stroke-linecap:round}.xh{stroke:#fff;stroke-width:12;stroke-linecap:round}\n"
	"</style>\n"
	"<defs>\n"
	"<pattern id=\"hatch\" width=\"9\" height=\"9\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">"
	"<rect width=\"9\" height=\"9\" fill=\"#dcdcdc\"/><path d=\"M0 0V9\" stroke=\"#c2c2c2\" stroke-width=\"5\"/></pattern>\n"
	"<marker id=\"a\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"9\" markerHeight=\"9\" markerUnits=\"userSpaceOnUse\" orient=\"auto-start-reverse\">"
	"<path d=\"M0 0L10 5L0 10z\" fill=\"#b36b00\"/></marker>\n"
	"<marker id=\"n\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"9\" markerHeight=\"9\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">"
	"<path d=\"M0 0L10 5L0 10z\" fill=\"#00568c\"/></marker>\n"
	"<marker id=\"f\" viewBox=\"0 0 10 10\" refX=\"8\" refY=\"5\" markerWidth=\"16\" markerHeight=\"16\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">"
	"<path d=\"M0 0L10 5L0 10z\"/></marker>\n"
	"</defs>\n";

enum { BEND = 110, RETURN_BEND = 70 /* beside the way it came */ };

struct point {
	int x, y;
};

static void svg_add(const struct model *m, const struct graph_flow *flow, struct strbuf *b);
static void internet_draw(const struct layout *l, struct strbuf *b);
static void vpc_draw(const struct layout *l, uint32_t vpc, struct strbuf *b);
static void subnet_draw(const struct layout *l, uint32_t subnet, struct strbuf *b);
static void eni_draw(const struct layout *l, uint32_t eni, struct strbuf *b);
static void routes_draw(struct layout *l, struct strbuf *b);
static void flow_draw(const struct layout *l, const struct graph_flow *flow, struct strbuf *b);

char *graph_svg(const struct model *m, const struct graph_flow *flow)
{
	struct strbuf b = { 0 };

	svg_add(m, flow, &b);
	return strbuf_take(&b);
}

char *graph_html(const struct model *m, const struct graph_flow *flow)
{
	struct strbuf b = { 0 };

	strbuf_addf(
		&b,
		"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>%s</title>\n"
		"<style>body{margin:0;background:#fff}svg{max-width:100%%;height:auto;display:block;margin:auto}</style>"
		"</head><body>\n",
		m->name);
	svg_add(m, flow, &b);
	strbuf_adds(&b, "</body></html>\n");
	return strbuf_take(&b);
}

/* ---- small pieces ---- */

static void rect(struct strbuf *b, const struct box *r, int radius, const char *class, const char *more)
{
	strbuf_addf(b, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"%d\" class=\"%s\"%s/>\n", r->x, r->y,
		    r->w, r->h, radius, class, more);
}

static void text(struct strbuf *b, int x, int y, const char *class, const char *anchor, const char *s)
{
	strbuf_addf(b, "<text x=\"%d\" y=\"%d\" class=\"%s\"%s%s%s>", x, y, class, anchor ? " text-anchor=\"" : "",
		    anchor ? anchor : "", anchor ? "\"" : "");
	xml_add(b, s);
	strbuf_adds(b, "</text>\n");
}

static void svg_add(const struct model *m, const struct graph_flow *flow, struct strbuf *b)
{
	struct layout l;
	char title[200], line[400];

	layout_make(m, &l);
	if (flow->f) {
		int need = text_width(graph_flow_verdict(flow, line, sizeof(line)), 12) + 60;

		if (need > l.w)
			l.w = need;
	}
	strbuf_addf(
		b,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\">\n",
		l.w, l.h, l.w, l.h);
	strbuf_adds(b, head);
	strbuf_addf(b, "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", l.w, l.h);
	if (flow->f) {
		flow_format(flow->f, title, sizeof(title));
		text(b, 24, 32, "t", NULL, title);
		text(b, 24, 52, "b", NULL, line);
	} else {
		text(b, 24, 34, "t", NULL, m->name);
		text(b, 24, 53, "s", NULL,
		     "thick border: public (route to an internet gateway); thin: private; dashed and hatched: isolated");
	}
	internet_draw(&l, b);
	for (uint32_t v = 0; v < m->n_vpcs; v++)
		vpc_draw(&l, v, b);
	routes_draw(&l, b);
	for (uint32_t i = 0; i < m->n_enis; i++)
		if (l.enis[i].w)
			eni_draw(&l, i, b);
	for (uint32_t i = 0; i < m->n_igws; i++) {
		struct box *g = &l.igws[i];

		if (!g->w)
			continue;
		strbuf_addf(b, "<path d=\"M%d %dV%d\" class=\"r\" marker-start=\"url(#a)\" marker-end=\"url(#a)\"/>\n",
			    g->x + g->w / 2, g->y, l.internet.y + l.internet.h);
		rect(b, g, 17, "igw", "");
		snprintf(line, sizeof(line), "gateway %s", m->igws[i].obj.name);
		text(b, g->x + g->w / 2, g->y + 22, "b w", "middle", line);
	}
	if (flow->f)
		flow_draw(&l, flow, b);
	strbuf_adds(b, "</svg>\n");
	layout_done(&l);
}

static void internet_draw(const struct layout *l, struct strbuf *b)
{
	char a[ADDR_STRLEN];

	rect(b, &l->internet, 34, "net", "");
	text(b, l->internet.x + 26, l->internet.y + 23, "b", NULL, "the internet");
	for (uint32_t i = 0; i < l->m->n_hosts; i++) {
		const struct box *h = &l->hosts[i];

		rect(b, h, 14, "box", "");
		text(b, h->x + h->w / 2, h->y + 17, "b", "middle", l->m->hosts[i].obj.name);
		text(b, h->x + h->w / 2, h->y + 31, "s", "middle", addr_format(&l->m->hosts[i].addr, a));
	}
}

static void vpc_draw(const struct layout *l, uint32_t vpc, struct strbuf *b)
{
	const struct vpc *v = &l->m->vpcs[vpc];
	char line[120], cidr[PREFIX_STRLEN];

	rect(b, &l->vpcs[vpc], 10, "vpc", "");
	snprintf(line, sizeof(line), "VPC %s", v->obj.name);
	text(b, l->vpcs[vpc].x + 16, l->vpcs[vpc].y + 22, "b", NULL, line);
	text(b, l->vpcs[vpc].x + 16, l->vpcs[vpc].y + 38, "s", NULL, prefix_format(&v->cidrs[0], cidr));
	for (size_t i = 0; i < l->n_columns; i++) {
		if (l->columns[i].vpc != vpc)
			continue;
		snprintf(line, sizeof(line), "zone %s", l->columns[i].zone);
		text(b, l->columns[i].x + l->columns[i].w / 2, l->vpcs[vpc].y + 98, "s", "middle", line);
	}
	for (uint32_t i = 0; i < l->m->n_subnets; i++)
		if (l->m->subnets[i].vpc == vpc)
			subnet_draw(l, i, b);
}

static void subnet_draw(const struct layout *l, uint32_t subnet, struct strbuf *b)
{
	static const char *const tags[] = { "PUBLIC", "PRIVATE", "ISOLATED" };
	const struct graph_subnet *g = &l->subnets[subnet];
	const struct subnet *s = &l->m->subnets[subnet];
	char line[160], cidr[PREFIX_STRLEN];

	rect(b, &g->box, 8, exposure_name(g->exposure),
	     g->exposure == EXPOSURE_ISOLATED ? " fill=\"url(#hatch)\"" : "");
	snprintf(line, sizeof(line), "%s · %s", s->obj.name, prefix_format(&s->cidr, cidr));
	text(b, g->box.x + 12, g->box.y + 22, "b", NULL, line);
	text(b, g->box.x + g->box.w - 12, g->box.y + 22, "tag", "end", tags[g->exposure]);
	snprintf(line, sizeof(line), "routes %s · ACL %s", l->m->route_tables[s->route_table].obj.name,
		 l->m->nacls[s->nacl].obj.name);
	text(b, g->box.x + 12, g->box.y + 41, "s", NULL, line);
	if (g->more) {
		snprintf(line, sizeof(line), "and %u more", g->more);
		text(b, g->box.x + g->box.w / 2, g->box.y + g->box.h - 12, "b", "middle", line);
	}
}

static void eni_draw(const struct layout *l, uint32_t index, struct strbuf *b)
{
	const struct model *m = l->m;
	const struct eni *eni = &m->enis[index];
	const struct box *r = &l->enis[index];
	bool nat = eni->owner == ENI_OF_NAT_GATEWAY;
	int middle = r->x + r->w / 2;
	char line[120], a[ADDR_STRLEN];
	size_t n = 0;

	rect(b, r, nat ? 20 : 6, nat ? "nat" : "box", "");
	text(b, middle, r->y + 18, nat ? "b w" : "b", "middle", eni->obj.name);
	text(b, middle, r->y + 33, nat ? "s w" : "s", "middle", addr_format(&eni->addrs[0].addr, a));
	if (!addr_is_zero(&eni->addrs[0].public_ip)) {
		snprintf(line, sizeof(line), "⇄ %s", addr_format(&eni->addrs[0].public_ip, a));
		text(b, middle, r->y + 46, nat ? "s w" : "s", "middle", line);
	}
	if (nat) {
		text(b, middle, r->y + 59, "s w", "middle", "NAT gateway");
		return;
	}
	line[0] = '\0';
	for (uint32_t i = 0; i < eni->n_groups && n < sizeof(line); i++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s", i ? " " : "",
				      m->security_groups[eni->groups[i]].obj.name);
	if (text_width(line, 11) > r->w - 8)
		snprintf(line, sizeof(line), "%u groups", eni->n_groups);
	strbuf_addf(b, "<text x=\"%d\" y=\"%d\" class=\"s\" text-anchor=\"middle\" font-style=\"italic\">", middle,
		    r->y + (addr_is_zero(&eni->addrs[0].public_ip) ? 50 : 59));
	xml_add(b, line);
	strbuf_adds(b, "</text>\n");
}

/* ---- routes: out of a subnet to the left, up its column's gutter, to the gateway ---- */

static bool same_target(const struct route *a, const struct route *b)
{
	return a->target == b->target && a->target_index == b->target_index;
}

static void route_line(struct layout *l, uint32_t subnet, const struct route *r, unsigned nth, struct strbuf *b)
{
	const struct graph_subnet *s = &l->subnets[subnet];
	struct graph_column *c = &l->columns[s->column];
	uint32_t vpc = l->m->subnets[subnet].vpc;
	int lane = c->gutter + 7 + (int)(c->lanes % 3) * 7, y = s->box.y + 18 + (int)nth * 10, up, x;
	const struct box *to;

	c->lanes++;
	if (r->target == TARGET_IGW) {
		to = &l->igws[r->target_index];
		up = l->lane_y[vpc] - 8;
		x = to->x + to->w / 2;
		strbuf_addf(b, "<path d=\"M%d %dH%dV%dH%dV%d\" class=\"r\" marker-end=\"url(#a)\"><title>", s->box.x, y,
			    lane, up, x, to->y + to->h + 1);
	} else {
		uint32_t eni = r->target == TARGET_NAT ? l->m->nat_gateways[r->target_index].eni : r->target_index;
		const struct graph_subnet *of = &l->subnets[l->m->enis[eni].subnet];
		int own = l->columns[of->column].gutter + 14;

		to = &l->enis[eni];
		if (!to->w)
			return;
		strbuf_addf(b, "<path d=\"M%d %dH%d", s->box.x, y, lane);
		if (of->column != s->column)
			strbuf_addf(b, "V%dH%d", l->lane_y[vpc] + 6, own);
		strbuf_addf(b, "V%dH%d\" class=\"rn\" marker-end=\"url(#n)\"><title>", to->y + to->h / 2, to->x);
	}
	{
		char line[160];

		xml_add(b, l->m->route_tables[l->m->subnets[subnet].route_table].obj.name);
		strbuf_adds(b, ": ");
		xml_add(b, route_text(l->m, r, line, sizeof(line)));
	}
	strbuf_adds(b, "</title></path>\n");
}

static void routes_draw(struct layout *l, struct strbuf *b)
{
	for (uint32_t i = 0; i < l->m->n_subnets; i++) {
		const struct route_table *t = &l->m->route_tables[l->m->subnets[i].route_table];
		unsigned nth = 0;

		for (uint32_t k = 0; k < t->n_routes; k++) {
			const struct route *r = &t->routes[k];
			bool again = false;

			if (r->target == TARGET_LOCAL || r->target_index == NONE ||
			    (r->target != TARGET_IGW && r->target != TARGET_NAT && r->target != TARGET_ENI &&
			     r->target != TARGET_INSTANCE))
				continue;
			for (uint32_t j = 0; j < k && !again; j++)
				again = same_target(&t->routes[j], r); /* one line a target */
			if (!again)
				route_line(l, i, r, nth++, b);
		}
	}
}

/* ---- a flow ---- */

static bool place_box(const struct layout *l, struct place p, struct box *ret)
{
	const struct box *r = p.kind == PLACE_ENI    ? &l->enis[p.index]
			      : p.kind == PLACE_IGW  ? &l->igws[p.index]
			      : p.kind == PLACE_HOST ? &l->hosts[p.index]
						     : NULL;

	if (p.kind == PLACE_NOWHERE)
		*ret = (struct box){ l->internet.x + l->internet.w - 120, l->internet.y + 20, 60, 30 };
	else if (r && r->w)
		*ret = *r;
	else if (p.kind == PLACE_ENI) /* one of those that are only counted */
		*ret = (struct box){ l->subnets[l->m->enis[p.index].subnet].box.x + 20,
				     l->subnets[l->m->enis[p.index].subnet].box.y +
					     l->subnets[l->m->enis[p.index].subnet].box.h - 24,
				     40, 16 };
	else
		return false;
	return true;
}

/* Where the line from the middle of r towards p leaves r. */
static struct point edge(const struct box *r, struct point p)
{
	struct point c = { r->x + r->w / 2, r->y + r->h / 2 };
	double dx = p.x - c.x, dy = p.y - c.y, k = 1, kx, ky;

	kx = dx != 0 ? (r->w / 2 + 3) / (dx < 0 ? -dx : dx) : 1e9;
	ky = dy != 0 ? (r->h / 2 + 3) / (dy < 0 ? -dy : dy) : 1e9;
	k = kx < ky ? kx : ky;
	if (k > 1)
		k = 1;
	return (struct point){ c.x + (int)(dx * k), c.y + (int)(dy * k) };
}

/* Between boxes of one row the line goes over what stands between them. */
static struct point bend_of(const struct box *a, const struct box *b)
{
	struct point c = { (a->x + b->x) / 2 + (a->w + b->w) / 4, (a->y + b->y) / 2 + (a->h + b->h) / 4 };

	if (a->y < b->y + b->h && b->y < a->y + a->h)
		c.y -= BEND;
	return c;
}

/* Keeps the first part of a quadratic curve, 0 < k < 1 (de Casteljau). */
static void cut(const struct point *p, struct point *bend, struct point *q, double k)
{
	struct point b = { p->x + (int)((bend->x - p->x) * k), p->y + (int)((bend->y - p->y) * k) };
	struct point c = { bend->x + (int)((q->x - bend->x) * k), bend->y + (int)((q->y - bend->y) * k) };

	*q = (struct point){ b.x + (int)((c.x - b.x) * k), b.y + (int)((c.y - b.y) * k) };
	*bend = b;
}

static double stop_at(enum abi_gate gate)
{
	switch (gate) {
	case ABI_GATE_SOURCE_CHECK:
	case ABI_GATE_SG_OUT: return 0.12;
	case ABI_GATE_NACL_OUT: return 0.25;
	case ABI_GATE_NACL_IN: return 0.7;
	case ABI_GATE_SG_IN:
	case ABI_GATE_DEST_CHECK: return 0.88;
	case ABI_GATE_IGW:
	case ABI_GATE_NAT: return 0.9;
	default: return 0.35;
	}
}

static void cross_draw(struct strbuf *b, struct point p)
{
	for (int i = 0; i < 2; i++)
		strbuf_addf(b, "<path d=\"M%d %dl20 20m0 -20l-20 20\" class=\"%s\" fill=\"none\"/>\n", p.x - 10,
			    p.y - 10, i ? "x" : "xh");
}

static void leg_draw(const struct layout *l, const struct graph_flow *flow, enum walk_leg leg, struct strbuf *b)
{
	struct leg_places way;
	struct box from, to;

	leg_places_of(l->m, flow, leg, &way);
	if (leg == LEG_RETURN && !way.stops)
		return;
	for (unsigned i = 0; i + 1 < way.n; i++) {
		bool stop = way.stops && i + 2 == way.n;
		struct point p, q, bend;

		if (!place_box(l, way.v[i], &from) || !place_box(l, way.v[i + 1], &to))
			continue;
		bend = bend_of(&from, &to);
		if (leg == LEG_RETURN)
			bend.x += RETURN_BEND;
		p = edge(&from, bend);
		q = edge(&to, bend);
		if (stop)
			cut(&p, &bend, &q, stop_at(flow->w->steps[flow->w->denied].gate));
		strbuf_addf(b, "<path d=\"M%d %dQ%d %d %d %d\" class=\"halo\"/>\n", p.x, p.y, bend.x, bend.y, q.x, q.y);
		strbuf_addf(b, "<path d=\"M%d %dQ%d %d %d %d\" class=\"f%s\"%s/>\n", p.x, p.y, bend.x, bend.y, q.x, q.y,
			    leg == LEG_RETURN ? " fr" : "", stop ? "" : " marker-end=\"url(#f)\"");
		if (stop)
			cross_draw(b, q);
	}
	for (unsigned i = 0; i < way.n; i++)
		if (place_box(l, way.v[i], &from))
			rect(b, &from, way.v[i].kind == PLACE_ENI ? 8 : 17, "f", " style=\"stroke-width:3\"");
}

static void flow_draw(const struct layout *l, const struct graph_flow *flow, struct strbuf *b)
{
	leg_draw(l, flow, LEG_FORWARD, b);
	leg_draw(l, flow, LEG_RETURN, b);
}
