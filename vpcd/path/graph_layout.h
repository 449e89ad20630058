/* graph_layout.h: inside path/: where everything stands in the SVG. Pixels, y downwards. Pure. */
#pragma once
#include "path/graph.h"

struct box {
	int x, y, w, h;
};
enum { GRAPH_BOXES_MAX = 12 /* interfaces drawn in a subnet; more are counted */ };
struct graph_subnet {
	struct box box;
	enum exposure exposure;
	uint32_t drawn, more; /* interfaces */
	unsigned column, row;
};
struct graph_column { /* a zone of a VPC */
	uint32_t vpc;
	char zone[8];
	int x, w, gutter; /* gutter: x where its lanes begin, left of its boxes */
	unsigned lanes;   /* how many run in it: one a target */
};
struct graph_line { /* what a route table has for one target, from a subnet that uses it, or from a gateway */
	struct place from, to; /* from: PLACE_IGW, or PLACE_NOWHERE with the index of a subnet */
	const struct route_table *table;
	const struct route *route;             /* the first that leads there */
	unsigned nth;                          /* of its subnet: each leaves at a height of its own */
	unsigned column, lane;                 /* beside its subnet */
	unsigned to_column, to_lane, crossing; /* where the target stands in another column: the lane there, and which
						* of the horizontal ones under the VPC's title leads to it */
};
struct layout {
	const struct model *m;
	int w, h, room; /* room: what a flow needs above boxes and beside columns; 0 without */
	struct box internet;
	struct box *hosts, *vpcs, *igws, *enis; /* w == 0: not drawn */
	struct graph_subnet *subnets;
	struct graph_column *columns;
	size_t n_columns, cap_columns;
	struct graph_line *lines;
	size_t n_lines, cap_lines;
	unsigned *crossings;  /* by VPC: horizontal lanes under its title */
	struct box *peerings; /* the middle of the line that joins two VPCs, under them */
	int *lane_y;          /* by VPC: the first horizontal lane under its gateway */
};
enum { LANE_W = 8, PORT_W = 22 };
/* graph_routes.c: which lines there are and the lanes they take; then, in a finished layout, drawn. */
void lines_make(struct layout *l);
void lines_draw(const struct layout *l, struct strbuf *b);
/* Peering connections of a VPC, and which of them i is. */
unsigned peerings_of(const struct model *m, uint32_t vpc);
unsigned peering_nth(const struct model *m, uint32_t vpc, uint32_t peering);
/* x where its line meets the lower border of the VPC of an end. */
int peering_port(const struct layout *l, uint32_t peering, int end);
/* "routes public: 0.0.0.0/0 → igw · ACL public"; only the table's name where the routes are too many. To free(). */
char *subnet_tables_text(const struct model *m, uint32_t subnet);
/* What stands at a VPC's upper left corner. To free(). */
enum { VPC_TEXT_X = 16 };
char *vpc_title_text(const struct model *m, uint32_t vpc);
char *vpc_ranges_text(const struct model *m, uint32_t vpc);
/* flow: leaves room for the way of one. */
void layout_make(const struct model *m, bool flow, struct layout *ret);
void layout_done(struct layout *l);
void svg_rect(struct strbuf *b, const struct box *r, int radius, const char *class, const char *more);
/* graph_flow.c: the way of a flow, over everything else. */
void flow_draw(const struct layout *l, const struct graph_flow *flow, struct strbuf *b);
/* Width of text in pixels at a size, roughly and rather too wide. */
int text_width(const char *s, int size);
