/* graph_svg.c: the layout drawn as SVG, and the SVG in a page. Pure.
 *
 * Colours are Okabe and Ito's, told apart by colour-blind people; what they say is said again by lightness,
 * by the border, by the hatching and by a word, so a greyscale print says the same. */
#include <stdio.h>
#include <string.h>
#include "path/graph_layout.h"
#include "util/mem.h"
#include "util/str.h"

static const char head[] =
	"<style>\n"
	"text{font-family:'DejaVu Sans',Verdana,Arial,sans-serif;font-size:12px;fill:#1a1a1a}\n"
	".t{font-size:19px;font-weight:bold}.s{font-size:11px;fill:#444}.b{font-weight:bold;font-size:13px}\n"
	".tag{font-size:11px;font-weight:bold;letter-spacing:1px}\n"
	".net{fill:#f4f4f4;stroke:#777;stroke-width:1.5}\n"
	".vpc{fill:#fff;stroke:#333;stroke-width:2}\n"
	".public{fill:" COLOUR_PUBLIC ";stroke:" COLOUR_PUBLIC_EDGE ";stroke-width:4}\n"
	".private{fill:" COLOUR_PRIVATE ";stroke:" COLOUR_PRIVATE_EDGE ";stroke-width:1.5}\n"
	".isolated{stroke:" COLOUR_ISOLATED_EDGE ";stroke-width:2;stroke-dasharray:8 5}\n"
	".box{fill:#fff;stroke:#555;stroke-width:1.2}\n"
	".nat{fill:" COLOUR_PRIVATE_EDGE ";stroke:#00304d;stroke-width:1.5}.igw{fill:" COLOUR_PUBLIC_EDGE
	";stroke:#663d00;stroke-width:1.5}\n"
	".w{fill:#fff}\n"
	".pcx{fill:#00664c;stroke:#003d2e;stroke-width:1.5}.pl{fill:none;stroke:#00664c;stroke-width:4}\n"
	".rp{fill:none;stroke:#00664c;stroke-width:2.6;stroke-dasharray:2 4}\n"
	".r{fill:none;stroke:" COLOUR_PUBLIC_EDGE ";stroke-width:2.2}.rn{fill:none;stroke:" COLOUR_PRIVATE_EDGE
	";stroke-width:2;stroke-dasharray:7 4}\n"
	".f{fill:none;stroke:" COLOUR_ALLOWED
	";stroke-width:4.5;stroke-linejoin:round;stroke-linecap:round}.fr{stroke-dasharray:2 9}\n"
	".halo{fill:none;stroke:#fff;stroke-width:9;stroke-linejoin:round}\n"
	".x{stroke:" COLOUR_DENIED
	";stroke-width:6;stroke-linecap:round}.xh{stroke:#fff;stroke-width:12;stroke-linecap:round}\n"
	"</style>\n"
	"<defs>\n"
	"<pattern id=\"hatch\" width=\"9\" height=\"9\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">"
	"<rect width=\"9\" height=\"9\" fill=\"#dcdcdc\"/><path d=\"M0 0V9\" stroke=\"#c2c2c2\" stroke-width=\"5\"/></pattern>\n"
	"<marker id=\"a\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"9\" markerHeight=\"9\" markerUnits=\"userSpaceOnUse\" orient=\"auto-start-reverse\">"
	"<path d=\"M0 0L10 5L0 10z\" fill=\"" COLOUR_PUBLIC_EDGE "\"/></marker>\n"
	"<marker id=\"n\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"9\" markerHeight=\"9\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">"
	"<path d=\"M0 0L10 5L0 10z\" fill=\"" COLOUR_PRIVATE_EDGE "\"/></marker>\n"
	"<marker id=\"p\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"9\" markerHeight=\"9\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">"
	"<path d=\"M0 0L10 5L0 10z\" fill=\"#00664c\"/></marker>\n"
	"<marker id=\"f\" viewBox=\"0 0 10 10\" refX=\"8\" refY=\"5\" markerWidth=\"13\" markerHeight=\"13\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">"
	"<path d=\"M0 0L10 5L0 10z\"/></marker>\n"
	"</defs>\n";

static void svg_add(const struct model *m, const struct graph_flow *flow, struct strbuf *b);
static void internet_draw(const struct layout *l, struct strbuf *b);
static void vpc_draw(const struct layout *l, uint32_t vpc, struct strbuf *b);
static void subnet_draw(const struct layout *l, uint32_t subnet, struct strbuf *b);
static void eni_draw(const struct layout *l, uint32_t eni, struct strbuf *b);
static void legend_draw(struct strbuf *b);
static void peerings_draw(const struct layout *l, struct strbuf *b);

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

void svg_rect(struct strbuf *b, const struct box *r, int radius, const char *class, const char *more)
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

	layout_make(m, flow->f != NULL, &l);
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
		legend_draw(b);
	}
	internet_draw(&l, b);
	for (uint32_t v = 0; v < m->n_vpcs; v++)
		vpc_draw(&l, v, b);
	lines_draw(&l, b);
	peerings_draw(&l, b);
	for (uint32_t i = 0; i < m->n_enis; i++)
		if (l.enis[i].w)
			eni_draw(&l, i, b);
	for (uint32_t i = 0; i < m->n_igws; i++) {
		struct box *g = &l.igws[i];

		if (!g->w)
			continue;
		strbuf_addf(b, "<path d=\"M%d %dV%d\" class=\"r\" marker-start=\"url(#a)\" marker-end=\"url(#a)\"/>\n",
			    g->x + g->w / 2, g->y, l.internet.y + l.internet.h);
		svg_rect(b, g, 17, "igw", "");
		snprintf(line, sizeof(line), "gateway %s", m->igws[i].obj.name);
		text(b, g->x + g->w / 2, g->y + 22, "b w", "middle", line);
	}
	if (flow->f)
		flow_draw(&l, flow, b);
	strbuf_adds(b, "</svg>\n");
	layout_done(&l);
}

/* Each kind of border and line beside its meaning. */
static void legend_draw(struct strbuf *b)
{
	static const struct {
		const char *class, *fill, *text;
		int x;
	} boxes[] = { { "public", "", "public: a route to an internet gateway", 24 },
		      { "private", "", "private: some other way out", 296 },
		      { "isolated", " fill=\"url(#hatch)\"", "isolated: no way out", 516 } };
	static const struct {
		const char *class, *marker, *text;
		int x;
	} lines[] = { { "r", "a", "route to an internet gateway", 24 },
		      { "rn", "n", "to a NAT gateway or appliance", 252 },
		      { "rp", "p", "to a peering connection", 488 } };

	for (size_t i = 0; i < ARRAY_SIZE(boxes); i++) {
		struct box r = { boxes[i].x + 1, 45, 22, 13 };

		svg_rect(b, &r, 3, boxes[i].class, boxes[i].fill);
		text(b, boxes[i].x + 32, 56, "s", NULL, boxes[i].text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		strbuf_addf(b, "<path d=\"M%d 74h32\" class=\"%s\" marker-end=\"url(#%s)\"/>\n", lines[i].x,
			    lines[i].class, lines[i].marker);
		text(b, lines[i].x + 40, 78, "s", NULL, lines[i].text);
	}
}

static void peerings_draw(const struct layout *l, struct strbuf *b)
{
	char line[120];

	for (uint32_t i = 0; i < l->m->n_peerings; i++) {
		const struct peering *p = &l->m->peerings[i];
		const struct box *r = &l->peerings[i], *v[2] = { &l->vpcs[p->vpcs[0]], &l->vpcs[p->vpcs[1]] };

		strbuf_addf(b, "<path d=\"M%d %dV%dH%dV%d\" class=\"pl\"/>\n", peering_port(l, i, 0), v[0]->y + v[0]->h,
			    r->y + r->h / 2, peering_port(l, i, 1), v[1]->y + v[1]->h);
	}
	for (uint32_t i = 0; i < l->m->n_peerings; i++) {
		const struct box *r = &l->peerings[i];

		svg_rect(b, r, 6, "pcx", "");
		snprintf(line, sizeof(line), "peering %s", l->m->peerings[i].obj.name);
		text(b, r->x + r->w / 2, r->y + 19, "b w", "middle", line);
	}
}

static void internet_draw(const struct layout *l, struct strbuf *b)
{
	char a[ADDR_STRLEN];

	svg_rect(b, &l->internet, 34, "net", "");
	text(b, l->internet.x + 26, l->internet.y + 23, "b", NULL, "the internet");
	for (uint32_t i = 0; i < l->m->n_hosts; i++) {
		const struct box *h = &l->hosts[i];

		svg_rect(b, h, 14, "box", "");
		text(b, h->x + h->w / 2, h->y + 17, "b", "middle", l->m->hosts[i].obj.name);
		text(b, h->x + h->w / 2, h->y + 31, "s", "middle", addr_format(&l->m->hosts[i].addr, a));
	}
}

static void vpc_draw(const struct layout *l, uint32_t vpc, struct strbuf *b)
{
	_cleanup_free_ char *title = vpc_title_text(l->m, vpc), *ranges = vpc_ranges_text(l->m, vpc);
	char line[120];

	svg_rect(b, &l->vpcs[vpc], 10, "vpc", "");
	text(b, l->vpcs[vpc].x + VPC_TEXT_X, l->vpcs[vpc].y + 22, "b", NULL, title);
	text(b, l->vpcs[vpc].x + VPC_TEXT_X, l->vpcs[vpc].y + 38, "s", NULL, ranges);
	for (size_t i = 0; i < l->n_columns; i++) {
		if (l->columns[i].vpc != vpc)
			continue;
		snprintf(line, sizeof(line), "zone %s", l->columns[i].zone);
		text(b, l->columns[i].x + l->columns[i].w / 2,
		     l->vpcs[vpc].y + 98 + l->room + (int)l->crossings[vpc] * LANE_W, "s", "middle", line);
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
	_cleanup_free_ char *tables = NULL;
	char line[160], cidr[PREFIX_STRLEN];

	svg_rect(b, &g->box, 8, exposure_name(g->exposure),
		 g->exposure == EXPOSURE_ISOLATED ? " fill=\"url(#hatch)\"" : "");
	snprintf(line, sizeof(line), "%s · %s", s->obj.name, prefix_format(&s->cidr, cidr));
	text(b, g->box.x + 12, g->box.y + 22, "b", NULL, line);
	text(b, g->box.x + g->box.w - 12, g->box.y + 22, "tag", "end", tags[g->exposure]);
	tables = subnet_tables_text(l->m, subnet);
	text(b, g->box.x + 12, g->box.y + 41, "s", NULL, tables);
	if (g->more) {
		snprintf(line, sizeof(line), "and %u more", g->more);
		text(b, g->box.x + g->box.w / 2, g->box.y + g->box.h - 12, "b", "middle", line);
	}
}

/* "10.0.0.4 +2": the first of three */
static void addr_more(char *buf, size_t size, const char *first, unsigned n)
{
	if (n > 1)
		snprintf(buf, size, "%s +%u", first, n - 1);
	else
		snprintf(buf, size, "%s", first);
}

static void eni_draw(const struct layout *l, uint32_t index, struct strbuf *b)
{
	const struct model *m = l->m;
	const struct eni *eni = &m->enis[index];
	const struct box *r = &l->enis[index];
	bool nat = eni->owner == ENI_OF_NAT_GATEWAY;
	int middle = r->x + r->w / 2;
	char line[120], a[ADDR_STRLEN];
	unsigned public = 0;
	size_t n = 0, of;

	for (uint32_t i = 0; i < eni->n_addrs; i++)
	public += !addr_is_zero(&eni->addrs[i].public_ip);
	svg_rect(b, r, nat ? 20 : 6, nat ? "nat" : "box", "");
	text(b, middle, r->y + 18, nat ? "b w" : "b", "middle", eni->obj.name);
	addr_more(line, sizeof(line), addr_format(&eni->addrs[0].addr, a), eni->n_addrs);
	text(b, middle, r->y + 33, nat ? "s w" : "s", "middle", line);
	if (!addr_is_zero(&eni->addrs[0].public_ip)) {
		n = (size_t)snprintf(line, sizeof(line), "⇄ ");
		addr_more(line + n, sizeof(line) - n, addr_format(&eni->addrs[0].public_ip, a), public);
		n = 0;
		text(b, middle, r->y + 46, nat ? "s w" : "s", "middle", line);
	}
	if (nat) {
		text(b, middle, r->y + (addr_is_zero(&eni->addrs[0].public_ip) ? 50 : 59), "s w", "middle",
		     "NAT gateway");
		return;
	}
	line[0] = '\0';
	if (eni->owner_index != NONE && strcmp(m->instances[eni->owner_index].obj.name, eni->obj.name) != 0)
		n = (size_t)snprintf(line, sizeof(line), "of %s: ", m->instances[eni->owner_index].obj.name);
	of = n;
	for (uint32_t i = 0; i < eni->n_groups && n < sizeof(line); i++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s", i ? " " : "",
				      m->security_groups[eni->groups[i]].obj.name);
	if (text_width(line, 11) > r->w - 8)
		snprintf(line + of, sizeof(line) - of, "%u group%s", eni->n_groups, eni->n_groups == 1 ? "" : "s");
	strbuf_addf(b, "<text x=\"%d\" y=\"%d\" class=\"s\" text-anchor=\"middle\" font-style=\"italic\">", middle,
		    r->y + (addr_is_zero(&eni->addrs[0].public_ip) ? 50 : 59));
	xml_add(b, line);
	strbuf_adds(b, "</text>\n");
}
