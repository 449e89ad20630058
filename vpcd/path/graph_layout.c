/* graph_layout.c: boxes in boxes. The internet with its hosts on top; VPCs side by side under it, each with
 * its gateway on the upper edge; in a VPC a column a zone, in a column public subnets above private ones
 * above isolated ones, rows of all columns at one height. Left of a column runs a gutter for its routes, a lane
 * a target. Peering connections run under the VPCs, each at a depth of its own. Pure. */
#include <stdio.h>
#include <string.h>
#include "path/graph_layout.h"
#include "util/mem.h"
#include "util/str.h"

enum {
	MARGIN = 24,
	TITLE_H = 96,
	HOST_H = 38,
	INTERNET_PAD = 14,
	INTERNET_HEAD = 26,
	VPC_GAP = 40,
	VPC_HEAD = 74, /* gateway, title, zone names, lanes */
	GUTTER_MIN = 22,
	COLUMN_GAP = 14,
	ROW_GAP = 18,
	SUBNET_HEAD = 70,
	SUBNET_PAD = 12,
	BOX_H = 64,
	BOX_GAP = 12,
	BOX_GAP_Y = 20, /* room for a route that comes from above */
	BOX_MIN_W = 112,
	SUBNET_MIN_W = 230,
	PER_LINE = 3,
	WIDTH_MIN = 690, /* the legend */
	FLOW_ROOM = 22,  /* for four ways beside each other: above boxes, and beside a column */
	PEERING_H = 28,
	PEERING_GAP = 16,
	LABEL_GAP = 8,
	IGW_H = 34,
	IGW_GAP = 12,
	VPC_MIN_W = 330,
	FONT = 12,
};

static void columns_make(struct layout *l);
static int box_width(const struct model *m);
static int subnet_width(const struct layout *l, uint32_t subnet, int box);
static int subnet_height(const struct layout *l, const struct graph_subnet *s);
static int vpcs_place(struct layout *l, int x, int box);
static void vpc_place(struct layout *l, uint32_t vpc, int x, int y, int box);
static int words_width(const struct model *m, uint32_t vpc);
static int igw_width(const struct model *m, uint32_t vpc);
static void enis_place(struct layout *l, uint32_t subnet, int box);
static void internet_place(struct layout *l);
static int peerings_place(struct layout *l, int bottom);

void layout_make(const struct model *m, bool flow, struct layout *ret)
{
	struct layout l = { .m = m, .room = flow ? FLOW_ROOM : 0 };
	int box = box_width(m), wide, bottom = 0;

	l.hosts = xcalloc((size_t)m->n_hosts + 1, sizeof(*l.hosts));
	l.vpcs = xcalloc((size_t)m->n_vpcs + 1, sizeof(*l.vpcs));
	l.igws = xcalloc((size_t)m->n_igws + 1, sizeof(*l.igws));
	l.enis = xcalloc((size_t)m->n_enis + 1, sizeof(*l.enis));
	l.subnets = xcalloc((size_t)m->n_subnets + 1, sizeof(*l.subnets));
	l.lane_y = xcalloc((size_t)m->n_vpcs + 1, sizeof(*l.lane_y));
	l.crossings = xcalloc((size_t)m->n_vpcs + 1, sizeof(*l.crossings));
	l.peerings = xcalloc((size_t)m->n_peerings + 1, sizeof(*l.peerings));
	columns_make(&l);
	lines_make(&l);
	l.w = vpcs_place(&l, MARGIN, box);
	wide = l.w;
	internet_place(&l);
	if (l.w > wide)
		vpcs_place(&l, MARGIN + (l.w - wide) / 2, box);
	for (uint32_t v = 0; v < m->n_vpcs; v++)
		if (l.vpcs[v].y + l.vpcs[v].h > bottom)
			bottom = l.vpcs[v].y + l.vpcs[v].h;
	l.h = peerings_place(&l, bottom) + MARGIN;
	*ret = l;
}

void layout_done(struct layout *l)
{
	free(l->hosts);
	free(l->vpcs);
	free(l->igws);
	free(l->enis);
	free(l->subnets);
	free(l->lane_y);
	free(l->lines);
	free(l->crossings);
	free(l->peerings);
	free(l->columns);
	*l = (struct layout){ 0 };
}

int text_width(const char *s, int size)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n * size * 62 / 100;
}

char *vpc_title_text(const struct model *m, uint32_t vpc)
{
	return xasprintf("VPC %s", m->vpcs[vpc].obj.name);
}

char *vpc_ranges_text(const struct model *m, uint32_t vpc)
{
	const struct vpc *v = &m->vpcs[vpc];
	struct strbuf b = { 0 };
	char cidr[PREFIX_STRLEN];

	for (uint32_t i = 0; i < v->n_cidrs; i++)
		strbuf_addf(&b, "%s%s", i ? ", " : "", prefix_format(&v->cidrs[i], cidr));
	strbuf_addf(&b, " · %s", v->region);
	return strbuf_take(&b);
}

/* ---- what stands where in the grid ---- */

static int name_cmp(const void *x, const void *y)
{
	const struct graph_column *a = x, *b = y;

	return a->vpc != b->vpc ? (a->vpc < b->vpc ? -1 : 1) : strcmp(a->zone, b->zone);
}

static unsigned column_of(const struct layout *l, const struct subnet *s)
{
	for (unsigned i = 0; i < l->n_columns; i++)
		if (l->columns[i].vpc == s->vpc && strcmp(l->columns[i].zone, s->zone) == 0)
			return i;
	return (unsigned)l->n_columns;
}

/* Rows of a VPC: as many for each exposure as its fullest column has. */
static void rows_make(struct layout *l, uint32_t vpc)
{
	unsigned base = 0;

	for (enum exposure e = EXPOSURE_PUBLIC; e <= EXPOSURE_ISOLATED; e++) {
		unsigned most = 0;

		for (unsigned c = 0; c < l->n_columns; c++) {
			unsigned n = 0;

			for (uint32_t i = 0; i < l->m->n_subnets; i++) {
				if (l->m->subnets[i].vpc != vpc || l->subnets[i].column != c ||
				    l->subnets[i].exposure != e)
					continue;
				l->subnets[i].row = base + n++;
			}
			most = n > most ? n : most;
		}
		base += most;
	}
}

static void columns_make(struct layout *l)
{
	const struct model *m = l->m;

	for (uint32_t i = 0; i < m->n_subnets; i++) {
		struct graph_column *c;

		if (column_of(l, &m->subnets[i]) < l->n_columns)
			continue;
		c = VEC_PUSH(l->columns, l->n_columns, l->cap_columns);
		c->vpc = m->subnets[i].vpc;
		snprintf(c->zone, sizeof(c->zone), "%s", m->subnets[i].zone);
	}
	if (l->n_columns)
		qsort(l->columns, l->n_columns, sizeof(*l->columns), name_cmp);
	for (uint32_t i = 0; i < m->n_subnets; i++) {
		l->subnets[i].exposure = subnet_exposure(m, i);
		l->subnets[i].column = column_of(l, &m->subnets[i]);
	}
	for (uint32_t i = 0; i < m->n_enis; i++) {
		struct graph_subnet *s = &l->subnets[m->enis[i].subnet];

		if (s->drawn < GRAPH_BOXES_MAX || m->enis[i].owner == ENI_OF_NAT_GATEWAY)
			s->drawn++;
		else
			s->more++;
	}
	for (uint32_t v = 0; v < m->n_vpcs; v++)
		rows_make(l, v);
}

/* ---- sizes ---- */

static int box_width(const struct model *m)
{
	int w = BOX_MIN_W;

	for (uint32_t i = 0; i < m->n_enis; i++) {
		int n = text_width(m->enis[i].obj.name, FONT + 1) + 22;

		w = n > w ? n : w;
	}
	return w;
}

static int subnet_width(const struct layout *l, uint32_t subnet, int box)
{
	const struct subnet *s = &l->m->subnets[subnet];
	int n = (int)l->subnets[subnet].drawn, w;
	_cleanup_free_ char *tables = subnet_tables_text(l->m, subnet);
	char head[120];

	n = n > PER_LINE ? PER_LINE : n;
	w = n * box + (n - 1) * BOX_GAP + 2 * SUBNET_PAD;
	w = w < SUBNET_MIN_W ? SUBNET_MIN_W : w;
	if (text_width(tables, FONT - 1) + 2 * SUBNET_PAD > w)
		w = text_width(tables, FONT - 1) + 2 * SUBNET_PAD;
	snprintf(head, sizeof(head), "%s %s ISOLATED", s->obj.name, "255.255.255.255/32");
	return text_width(head, FONT + 1) > w ? text_width(head, FONT + 1) : w;
}

static int subnet_height(const struct layout *l, const struct graph_subnet *s)
{
	int lines = ((int)s->drawn + PER_LINE - 1) / PER_LINE;

	return SUBNET_HEAD + l->room + lines * (BOX_H + BOX_GAP_Y + l->room) - (lines ? l->room : 0) -
	       (lines ? BOX_GAP_Y - SUBNET_PAD : 0) + (s->more ? 20 : 0) + (lines ? 0 : 8);
}

/* ---- places ---- */

/* From x on, side by side; the width of a picture of nothing else. */
static int vpcs_place(struct layout *l, int x, int box)
{
	for (uint32_t v = 0; v < l->m->n_vpcs; v++) {
		vpc_place(l, v, x, TITLE_H + INTERNET_HEAD + HOST_H + 2 * INTERNET_PAD + VPC_GAP, box);
		x += l->vpcs[v].w + VPC_GAP;
	}
	return x - (l->m->n_vpcs ? VPC_GAP : 0) + MARGIN;
}

static void vpc_place(struct layout *l, uint32_t vpc, int x, int y, int box)
{
	const struct model *m = l->m;
	int at = x + SUBNET_PAD, row_y = y + VPC_HEAD + 34 + l->room + (int)l->crossings[vpc] * LANE_W;
	const int words = words_width(m, vpc), igw = igw_width(m, vpc);
	unsigned rows = 0;

	for (size_t c = 0; c < l->n_columns; c++) {
		struct graph_column *col = &l->columns[c];

		if (col->vpc != vpc)
			continue;
		col->gutter = at;
		col->x = at + GUTTER_MIN + l->room + (int)col->lanes * LANE_W;
		for (uint32_t i = 0; i < m->n_subnets; i++)
			if (l->subnets[i].column == c && subnet_width(l, i, box) > col->w)
				col->w = subnet_width(l, i, box);
		at = col->x + col->w + COLUMN_GAP;
	}
	for (uint32_t i = 0; i < m->n_subnets; i++)
		if (m->subnets[i].vpc == vpc && l->subnets[i].row + 1 > rows)
			rows = l->subnets[i].row + 1;
	for (unsigned row = 0; row < rows; row++) {
		int tallest = 0;

		for (uint32_t i = 0; i < m->n_subnets; i++) {
			struct graph_subnet *s = &l->subnets[i];

			if (m->subnets[i].vpc != vpc || s->row != row)
				continue;
			s->box = (struct box){ l->columns[s->column].x, row_y, l->columns[s->column].w,
					       subnet_height(l, s) };
			tallest = s->box.h > tallest ? s->box.h : tallest;
		}
		for (uint32_t i = 0; i < m->n_subnets; i++)
			if (m->subnets[i].vpc == vpc && l->subnets[i].row == row)
				l->subnets[i].box.h = tallest;
		row_y += tallest + ROW_GAP;
	}
	if (at - x < VPC_MIN_W)
		at = x + VPC_MIN_W;
	if (at - x < words + igw)
		at = x + words + igw;
	row_y += (int)peerings_of(m, vpc) * LANE_W; /* their lanes run under the last row */
	l->vpcs[vpc] = (struct box){ x, y, at - x, row_y - y };
	l->lane_y[vpc] = y + VPC_HEAD - 8 + l->room;
	if (igw) { /* in the middle, but what leads out of it crosses no words */
		int left = (at - x - igw) / 2 < words ? words : (at - x - igw) / 2;

		l->igws[m->vpcs[vpc].igw] = (struct box){ x + left, y - IGW_H / 2, igw - IGW_GAP, IGW_H };
	}
	for (uint32_t i = 0; i < m->n_subnets; i++)
		if (m->subnets[i].vpc == vpc)
			enis_place(l, i, box);
}

/* Of what stands in a VPC's upper left corner, with the space around it. */
static int words_width(const struct model *m, uint32_t vpc)
{
	_cleanup_free_ char *title = vpc_title_text(m, vpc), *ranges = vpc_ranges_text(m, vpc);
	int a = text_width(title, FONT + 1), b = text_width(ranges, FONT - 1);

	return VPC_TEXT_X + (a > b ? a : b) + IGW_GAP;
}

/* With the space right of it; 0: there is none. */
static int igw_width(const struct model *m, uint32_t vpc)
{
	uint32_t igw = m->vpcs[vpc].igw;

	return igw == NONE
		       ? 0
		       : text_width("gateway ", FONT + 2) + text_width(m->igws[igw].obj.name, FONT + 2) + 30 + IGW_GAP;
}

/* NAT gateways first: routes come to them from the left. */
static void enis_place(struct layout *l, uint32_t subnet, int box)
{
	const struct model *m = l->m;
	const struct box *s = &l->subnets[subnet].box;
	int n = 0;

	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < m->n_enis && n < (int)l->subnets[subnet].drawn; i++) {
			if (m->enis[i].subnet != subnet || (m->enis[i].owner == ENI_OF_NAT_GATEWAY) != (pass == 0))
				continue;
			l->enis[i] = (struct box){ s->x + SUBNET_PAD + n % PER_LINE * (box + BOX_GAP),
						   s->y + SUBNET_HEAD + l->room +
							   n / PER_LINE * (BOX_H + BOX_GAP_Y + l->room),
						   box, BOX_H };
			n++;
		}
	}
}

static void internet_place(struct layout *l)
{
	const struct model *m = l->m;
	int need = 0, x;

	for (uint32_t i = 0; i < m->n_hosts; i++) {
		int w = text_width(m->hosts[i].obj.name, FONT + 1) + 22;

		l->hosts[i] = (struct box){ 0, 0, w < BOX_MIN_W ? BOX_MIN_W : w, HOST_H };
		need += l->hosts[i].w + BOX_GAP;
	}
	if (need + 2 * MARGIN + 2 * INTERNET_PAD > l->w)
		l->w = need + 2 * MARGIN + 2 * INTERNET_PAD;
	if (l->w < WIDTH_MIN)
		l->w = WIDTH_MIN;
	l->internet = (struct box){ MARGIN, TITLE_H, l->w - 2 * MARGIN, INTERNET_HEAD + HOST_H + 2 * INTERNET_PAD - 6 };
	x = (l->w - need + BOX_GAP) / 2;
	for (uint32_t i = 0; i < m->n_hosts; i++) {
		l->hosts[i].x = x;
		l->hosts[i].y = TITLE_H + INTERNET_HEAD + 8;
		x += l->hosts[i].w + BOX_GAP;
	}
}

/* Does a line that goes further down cross a label from x on? */
static bool label_is_crossed(const struct layout *l, uint32_t peering, int x, int w)
{
	for (uint32_t i = peering + 1; i < l->m->n_peerings; i++)
		for (int end = 0; end < 2; end++) {
			int port = peering_port(l, i, end);

			if (port > x - LABEL_GAP && port < x + w + LABEL_GAP)
				return true;
		}
	return false;
}

/* In the middle of its line, or as near to that as the others let it. */
static int label_x(const struct layout *l, uint32_t peering, int w)
{
	int a = peering_port(l, peering, 0), b = peering_port(l, peering, 1), x = (a + b - w) / 2;

	for (int off = 0; off < abs(a - b) / 2; off++) {
		if (!label_is_crossed(l, peering, x - off, w))
			return x - off;
		if (!label_is_crossed(l, peering, x + off, w))
			return x + off;
	}
	return x;
}

/* Under everything; returns where the last one ends. */
static int peerings_place(struct layout *l, int bottom)
{
	const struct model *m = l->m;

	for (uint32_t i = 0; i < m->n_peerings; i++) {
		int w = text_width("peering ", FONT + 1) + text_width(m->peerings[i].obj.name, FONT + 1) + 26;

		l->peerings[i] = (struct box){ label_x(l, i, w), bottom + PEERING_GAP, w, PEERING_H };
		bottom += PEERING_GAP + PEERING_H;
	}
	return bottom;
}
