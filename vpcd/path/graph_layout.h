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
	unsigned lanes;
};
struct layout {
	const struct model *m;
	int w, h;
	struct box internet;
	struct box *hosts, *vpcs, *igws, *enis; /* w == 0: not drawn */
	struct graph_subnet *subnets;
	struct graph_column *columns;
	size_t n_columns, cap_columns;
	int *lane_y; /* by VPC: the first horizontal lane under its gateway */
};
void layout_make(const struct model *m, struct layout *ret);
void layout_done(struct layout *l);
/* Width of text in pixels at a size, roughly and rather too wide. */
int text_width(const char *s, int size);
