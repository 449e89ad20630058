/* graph_routes.c: the lines of route tables. From a subnet to the left into the gutter of its column; up to the
 * gateway, down to the peering connection, or to an interface: one in the first place of its row is met from the left,
 * others from above. A lane a target and column, so lines to different targets never lie on each other. Pure. */
#include <stdio.h>
#include <string.h>
#include "model/route_text.h"
#include "path/graph_layout.h"
#include "util/mem.h"
#include "util/str.h"

enum { TABLES_TEXT_MAX = 60 };

static bool same_place(struct place a, struct place b)
{
	return a.kind == b.kind && a.index == b.index;
}

unsigned peerings_of(const struct model *m, uint32_t vpc)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < m->n_peerings; i++)
		n += m->peerings[i].vpcs[0] == vpc || m->peerings[i].vpcs[1] == vpc;
	return n;
}

unsigned peering_nth(const struct model *m, uint32_t vpc, uint32_t peering)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < peering; i++)
		n += m->peerings[i].vpcs[0] == vpc || m->peerings[i].vpcs[1] == vpc;
	return n;
}

int peering_port(const struct layout *l, uint32_t peering, int end)
{
	uint32_t vpc = l->m->peerings[peering].vpcs[end];

	return l->vpcs[vpc].x + PORT_W * (1 + (int)peering_nth(l->m, vpc, peering));
}

char *subnet_tables_text(const struct model *m, uint32_t subnet)
{
	const struct subnet *s = &m->subnets[subnet];
	const struct route_table *t = &m->route_tables[s->route_table];
	struct strbuf b = { 0 };
	char prefix[PREFIX_STRLEN];
	struct place p;
	size_t name;

	strbuf_addf(&b, "routes %s", t->obj.name);
	name = b.n;
	for (uint32_t i = 0, n = 0; i < t->n_routes; i++)
		if (route_place(m, &t->routes[i], &p))
			strbuf_addf(&b, "%s%s → %s%s", n++ ? ", " : ": ", prefix_format(&t->routes[i].dst, prefix),
				    t->routes[i].target_name, t->routes[i].blackhole ? " (blackhole)" : "");
	if (b.n > TABLES_TEXT_MAX) {
		b.n = name;
		b.s[name] = '\0';
	}
	strbuf_addf(&b, " · ACL %s", m->nacls[s->nacl].obj.name);
	return strbuf_take(&b);
}

/* ---- which there are ---- */

static void line_add(struct layout *l, struct place from, const struct route_table *t, const struct route *r,
		     unsigned nth)
{
	struct graph_line *line;
	struct place to;

	if (!route_place(l->m, r, &to))
		return;
	for (const struct route *o = t->routes; o < r; o++) {
		struct place again;

		if (route_place(l->m, o, &again) && same_place(again, to))
			return; /* one line a target */
	}
	line = VEC_PUSH(l->lines, l->n_lines, l->cap_lines);
	*line = (struct graph_line){ .from = from, .to = to, .table = t, .route = r, .nth = nth };
}

static unsigned eni_column(const struct layout *l, uint32_t eni)
{
	return l->subnets[l->m->enis[eni].subnet].column;
}

/* The lane of a target in a column; what has none yet gets the next. */
static unsigned lane_of(struct layout *l, size_t upto, unsigned column, struct place to)
{
	for (size_t i = 0; i < upto; i++) {
		const struct graph_line *o = &l->lines[i];

		if (same_place(o->to, to) && o->column == column)
			return o->lane;
		if (same_place(o->to, to) && o->to_column == column && o->crossing)
			return o->to_lane;
	}
	return l->columns[column].lanes++;
}

static void line_lanes(struct layout *l, size_t i)
{
	struct graph_line *line = &l->lines[i];
	uint32_t vpc;

	if (line->from.kind == PLACE_IGW) {
		vpc = l->m->igws[line->from.index].vpc;
		line->column = line->to_column = eni_column(l, line->to.index);
		line->lane = line->to_lane = l->columns[line->column].lanes++;
		line->crossing = ++l->crossings[vpc];
		return;
	}
	vpc = l->m->subnets[line->from.index].vpc;
	line->column = line->to_column = l->subnets[line->from.index].column;
	line->lane = line->to_lane = lane_of(l, i, line->column, line->to);
	if (line->to.kind != PLACE_ENI || eni_column(l, line->to.index) == line->column)
		return;
	line->to_column = eni_column(l, line->to.index);
	for (size_t k = 0; k < i && !line->crossing; k++)
		if (same_place(l->lines[k].to, line->to) && l->lines[k].from.kind != PLACE_IGW)
			line->crossing = l->lines[k].crossing;
	line->to_lane = lane_of(l, i, line->to_column, line->to);
	if (!line->crossing)
		line->crossing = ++l->crossings[vpc];
}

/* Gateways first: their lanes, the longest, are the outermost. */
void lines_make(struct layout *l)
{
	static const enum place_kind order[] = { PLACE_IGW, PLACE_PCX, PLACE_ENI };
	const struct model *m = l->m;

	for (size_t o = 0; o < ARRAY_SIZE(order); o++) {
		for (uint32_t i = 0; i < m->n_subnets; i++) {
			const struct route_table *t = &m->route_tables[m->subnets[i].route_table];
			struct place to;
			unsigned nth = 0;

			for (uint32_t k = 0; k < t->n_routes; k++) {
				if (!route_place(m, &t->routes[k], &to) || t->routes[k].blackhole)
					continue;
				if (to.kind == order[o])
					line_add(l, (struct place){ PLACE_NOWHERE, i }, t, &t->routes[k], nth);
				nth++;
			}
		}
	}
	for (uint32_t i = 0; i < m->n_igws; i++) {
		const struct route_table *t =
			m->igws[i].edge_table == NONE ? NULL : &m->route_tables[m->igws[i].edge_table];
		struct place to;

		for (uint32_t k = 0; t && k < t->n_routes; k++)
			if (route_place(m, &t->routes[k], &to) && to.kind == PLACE_ENI)
				line_add(l, (struct place){ PLACE_IGW, i }, t, &t->routes[k], 0);
	}
	for (size_t i = 0; i < l->n_lines; i++)
		line_lanes(l, i);
}

/* ---- drawn ---- */

enum { OUT_Y = 14, OUT_STEP = 9, OUT_MAX = 4, ABOVE = 9, ABOVE_STEP = 4, ABOVE_MAX = 3 };

static int lane_x(const struct layout *l, unsigned column, unsigned lane)
{
	return l->columns[column].gutter + 6 + (int)lane * LANE_W;
}

/* From somewhere in the lane to the interface. */
static void into_eni(const struct layout *l, const struct graph_line *line, struct strbuf *b)
{
	const struct box *to = &l->enis[line->to.index];
	const struct box *subnet = &l->subnets[l->m->enis[line->to.index].subnet].box;

	if (to->x - subnet->x < to->w / 2)
		strbuf_addf(b, "V%dH%d", to->y + to->h / 2, to->x);
	else
		strbuf_addf(b, "V%dH%dV%d", to->y - ABOVE - (int)(line->to_lane % ABOVE_MAX) * ABOVE_STEP,
			    to->x + to->w / 2, to->y);
}

static void line_path(const struct layout *l, const struct graph_line *line, struct strbuf *b)
{
	int x = lane_x(l, line->column, line->lane);
	uint32_t vpc;

	if (line->from.kind == PLACE_IGW) {
		const struct box *g = &l->igws[line->from.index];

		vpc = l->m->igws[line->from.index].vpc;
		strbuf_addf(b, "M%d %dV%dH%d", g->x + g->w - 24, g->y + g->h,
			    l->lane_y[vpc] + (int)line->crossing * LANE_W, x);
		into_eni(l, line, b);
		return;
	}
	vpc = l->m->subnets[line->from.index].vpc;
	{
		const struct box *s = &l->subnets[line->from.index].box;
		unsigned nth = line->nth < OUT_MAX ? line->nth : OUT_MAX;

		strbuf_addf(b, "M%d %dH%d", s->x, s->y + OUT_Y + (int)nth * OUT_STEP, x);
	}
	if (line->to.kind == PLACE_IGW) {
		const struct box *g = &l->igws[line->to.index];

		strbuf_addf(b, "V%dH%dV%d", l->lane_y[vpc] - 8, g->x + g->w / 2, g->y + g->h + 1);
	} else if (line->to.kind == PLACE_PCX) {
		const struct box *v = &l->vpcs[vpc];
		int nth = (int)peering_nth(l->m, vpc, line->to.index);

		strbuf_addf(b, "V%dH%dV%d", v->y + v->h - LANE_W * (1 + nth),
			    peering_port(l, line->to.index, l->m->peerings[line->to.index].vpcs[0] != vpc),
			    v->y + v->h);
	} else {
		if (line->to_column != line->column)
			strbuf_addf(b, "V%dH%d", l->lane_y[vpc] + (int)line->crossing * LANE_W,
				    lane_x(l, line->to_column, line->to_lane));
		into_eni(l, line, b);
	}
}

void lines_draw(const struct layout *l, struct strbuf *b)
{
	for (size_t i = 0; i < l->n_lines; i++) {
		const struct graph_line *line = &l->lines[i];
		const char *class = line->to.kind == PLACE_IGW ? "r" : line->to.kind == PLACE_PCX ? "rp" : "rn";
		char text[160];

		if (line->to.kind == PLACE_ENI && !l->enis[line->to.index].w)
			continue; /* one of those that are only counted */
		strbuf_adds(b, "<path d=\"");
		line_path(l, line, b);
		strbuf_addf(b, "\" class=\"%s\" marker-end=\"url(#%s)\"><title>", class,
			    line->to.kind == PLACE_IGW   ? "a"
			    : line->to.kind == PLACE_PCX ? "p"
							 : "n");
		xml_add(b, line->table->obj.name);
		strbuf_adds(b, ": ");
		xml_add(b, route_text(l->m, line->route, text, sizeof(text)));
		strbuf_adds(b, "</title></path>\n");
	}
}
