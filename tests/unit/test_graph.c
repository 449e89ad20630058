/* test_graph.c: the layout of pictures, of shipped and random topologies: boxes stand inside their boxes and
 * beside each other, nothing lies outside the picture, and routes to two targets never share a lane. And their
 * colours: told apart in grey, too. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "conf/build.h"
#include "path/graph_layout.h"
#include "test.h"
#include "tests/support/random_topology.h"
#include "tests/support/shipped.h"
#include "util/mem.h"
#include "util/str.h"

enum { SEEDS = 100 };

static bool apart(const struct box *a, const struct box *b)
{
	return a->x + a->w <= b->x || b->x + b->w <= a->x || a->y + a->h <= b->y || b->y + b->h <= a->y;
}

static bool within(const struct box *in, const struct box *of)
{
	return in->x >= of->x && in->y >= of->y && in->x + in->w <= of->x + of->w && in->y + in->h <= of->y + of->h;
}

static void boxes_check(const struct model *m, const struct layout *l, const char *name)
{
	const struct box all = { 0, 0, l->w, l->h };

	for (uint32_t i = 0; i < m->n_vpcs; i++) {
		if (!within(&l->vpcs[i], &all))
			fail_msg("%s: VPC %s is cut off", name, m->vpcs[i].obj.name);
		for (uint32_t k = 0; k < i; k++)
			assert_true(apart(&l->vpcs[i], &l->vpcs[k]));
	}
	for (uint32_t i = 0; i < m->n_subnets; i++) {
		if (!within(&l->subnets[i].box, &l->vpcs[m->subnets[i].vpc]))
			fail_msg("%s: subnet %s is not inside its VPC", name, m->subnets[i].obj.name);
		for (uint32_t k = 0; k < i; k++)
			if (!apart(&l->subnets[i].box, &l->subnets[k].box))
				fail_msg("%s: subnets %s and %s overlap", name, m->subnets[i].obj.name,
					 m->subnets[k].obj.name);
	}
	for (uint32_t i = 0; i < m->n_enis; i++) {
		if (!l->enis[i].w)
			continue;
		if (!within(&l->enis[i], &l->subnets[m->enis[i].subnet].box))
			fail_msg("%s: %s is not inside its subnet", name, m->enis[i].obj.name);
		for (uint32_t k = 0; k < i; k++)
			if (l->enis[k].w && !apart(&l->enis[i], &l->enis[k]))
				fail_msg("%s: %s and %s overlap", name, m->enis[i].obj.name, m->enis[k].obj.name);
	}
	for (uint32_t i = 0; i < m->n_hosts; i++)
		assert_true(within(&l->hosts[i], &l->internet) && within(&l->internet, &all));
	for (uint32_t i = 0; i < m->n_peerings; i++)
		for (uint32_t k = 0; k < m->n_vpcs; k++)
			assert_true(within(&l->peerings[i], &all) && apart(&l->peerings[i], &l->vpcs[k]));
}

/* What leads out of a gateway crosses no word of its VPC; a peering connection's way down none of another's label. */
static void words_check(const struct model *m, const struct layout *l, const char *name)
{
	for (uint32_t i = 0; i < m->n_vpcs; i++) {
		_cleanup_free_ char *title = vpc_title_text(m, i), *ranges = vpc_ranges_text(m, i);
		int end = l->vpcs[i].x + VPC_TEXT_X + text_width(title, 13), more;

		more = l->vpcs[i].x + VPC_TEXT_X + text_width(ranges, 11);
		end = more > end ? more : end;
		if (end > l->vpcs[i].x + l->vpcs[i].w || (m->vpcs[i].igw != NONE && end > l->igws[m->vpcs[i].igw].x))
			fail_msg("%s: the words of VPC %s have no room", name, m->vpcs[i].obj.name);
	}
	for (uint32_t i = 0; i < m->n_peerings; i++) {
		const struct box *label = &l->peerings[i];

		for (uint32_t k = i + 1; k < m->n_peerings; k++)
			for (int end = 0; end < 2; end++)
				if (peering_port(l, k, end) > label->x && peering_port(l, k, end) < label->x + label->w)
					fail_msg("%s: a line of %s crosses the label of %s", name,
						 m->peerings[k].obj.name, m->peerings[i].obj.name);
	}
}

/* VPCs stand in the middle, under the internet. */
static void middle_check(const struct model *m, const struct layout *l, const char *name)
{
	const struct box *first = &l->vpcs[0], *last = &l->vpcs[m->n_vpcs - 1];

	if (first->x - (l->w - last->x - last->w) > 1 || first->x - (l->w - last->x - last->w) < -1)
		fail_msg("%s: %d pixels left of the VPCs, %d right of them", name, first->x, l->w - last->x - last->w);
}

static void lanes_check(const struct layout *l, const char *name)
{
	for (size_t i = 0; i < l->n_lines; i++) {
		const struct graph_line *a = &l->lines[i];

		if (a->lane >= l->columns[a->column].lanes || a->to_lane >= l->columns[a->to_column].lanes)
			fail_msg("%s: a route of %s leaves its gutter", name, a->table->obj.name);
		for (size_t k = 0; k < i; k++) {
			const struct graph_line *b = &l->lines[k];
			bool same = a->to.kind == b->to.kind && a->to.index == b->to.index;

			if (!same && a->column == b->column && a->lane == b->lane)
				fail_msg("%s: routes of %s and %s share a lane", name, a->table->obj.name,
					 b->table->obj.name);
		}
	}
}

static void topology_check(const char *text, const char *name)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_model_ struct model *m = NULL;

	if (model_from_text(text, strlen(text), name, &m, &diags) < 0)
		fail_msg("%s: %s", name, diags.v[0].message);
	for (int flow = 0; flow < 2; flow++) {
		struct layout l;

		layout_make(m, flow, &l);
		boxes_check(m, &l, name);
		lanes_check(&l, name);
		words_check(m, &l, name);
		middle_check(m, &l, name);
		layout_done(&l);
	}
}

static void check_one(void *ctx, const char *text, const char *path)
{
	(void)ctx;
	topology_check(text, path);
}

static void shipped_topologies(void **state)
{
	(void)state;
	assert_true(shipped_each(check_one, NULL) >= 10);
}

static void random_topologies(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		_cleanup_free_ char *text = random_topology(seed, "random");

		topology_check(text, "random.ini");
	}
}

/* ---- in grey ---- */

/* What WCAG calls contrast, of relative luminances: areas that lie side by side, and signs (its own bar, 1.4.11). */
static const double AREAS_APART = 1.15, SIGNS_APART = 3;

static double linear(unsigned byte)
{
	double c = byte / 255.0;

	return c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);
}

/* Of the colour, #rrggbb or #rgb, behind the first `before` that follows the first `from`. */
static double luminance(const char *text, const char *from, const char *before)
{
	const char *p = strstr(text, from);
	char *end;
	unsigned long v;
	unsigned r, g, b;

	p = p ? strstr(p, before) : NULL;
	if (!p || p[strlen(before)] != '#')
		fail_msg("there is no colour behind %s … %s", from, before);
	p += strlen(before) + 1;
	v = strtoul(p, &end, 16);
	assert_true(end - p == 6 || end - p == 3);
	r = (unsigned)(end - p == 6 ? v >> 16 : (v >> 8) * 17);
	g = (unsigned)(end - p == 6 ? v >> 8 & 255 : (v >> 4 & 15) * 17);
	b = (unsigned)(end - p == 6 ? v & 255 : (v & 15) * 17);
	return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
}

static void apart_in_grey(const char *picture, const char *what, double x, double y, double bar)
{
	double contrast = x > y ? (x + 0.05) / (y + 0.05) : (y + 0.05) / (x + 0.05);

	if (contrast < bar)
		fail_msg("%s: %s: contrast %.2f is less than %.2f", picture, what, contrast, bar);
}

static void subnets_apart(const char *picture, double public, double private, double isolated)
{
	apart_in_grey(picture, "public and private subnets", public, private, AREAS_APART);
	apart_in_grey(picture, "private and isolated subnets", private, isolated, AREAS_APART);
	apart_in_grey(picture, "public and isolated subnets", public, isolated, AREAS_APART);
	assert_true(public > private && private > isolated); /* the more open, the lighter */
}

/* The picture of a flow, which is allowed or is not. */
static char *picture(const struct model *m, char *(*draw)(const struct model *m, const struct graph_flow *flow),
		     const char *text, bool allow)
{
	_cleanup_free_ char *copy = xstrdup(text);
	struct walker *w = NULL;
	struct walk walk = { 0 };
	struct flow f;
	struct err e = { 0 };
	char *drawn;

	assert_int_equal(flow_parse(m, copy, &f, &e), 0);
	assert_int_equal(walker_new(m, &w, &e), 0);
	assert_int_equal(walk_flow(w, &f, &walk, &e), 0);
	assert_int_equal(walk.allow, allow);
	drawn = draw(m, &(struct graph_flow){ &f, &walk });
	walk_done(&walk);
	walker_free(&w);
	return drawn;
}

static void colours_are_told_apart_in_grey(void **state)
{
	static const char topology[] =
		"[vpc v]\ncidr = 10.0.0.0/16\n[internet-gateway igw]\nvpc = v\n[nat-gateway nat]\nsubnet = open\n"
		"[route-table out]\nvpc = v\nroute = 0.0.0.0/0 via igw:igw\n"
		"[route-table through]\nvpc = v\nroute = 0.0.0.0/0 via nat:nat\n"
		"[subnet open]\nvpc = v\ncidr = 10.0.0.0/24\nroute-table = out\n"
		"[subnet inner]\nvpc = v\ncidr = 10.0.1.0/24\nroute-table = through\n"
		"[subnet alone]\nvpc = v\ncidr = 10.0.2.0/24\n"
		"[instance i]\nsubnet = inner\n[host far]\naddress = 198.51.100.7\n"
		"[security-group closed]\nvpc = v\n[instance j]\nsubnet = alone\nsecurity-groups = closed\n";
	_cleanup_free_ char *svg = NULL, *dot = NULL, *passed = NULL, *mermaid = NULL;
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_model_ struct model *m = NULL;
	double light, dark, allowed, denied;

	(void)state;
	if (model_from_text(topology, strlen(topology), "grey.ini", &m, &diags) < 0)
		fail_msg("%s", diags.v[0].message);
	svg = picture(m, graph_svg, "i -> j tcp/80", false);
	dot = picture(m, graph_dot, "i -> j tcp/80", false);
	passed = picture(m, graph_dot, "i -> far tcp/80", true);
	mermaid = picture(m, graph_mermaid, "i -> j tcp/80", false);

	/* hatched: stripes of 5 in 9 */
	light = luminance(svg, "id=\"hatch\"", "height=\"9\" fill=\"");
	dark = luminance(svg, "id=\"hatch\"", "stroke=\"");
	subnets_apart("SVG", luminance(svg, ".public{", "fill:"), luminance(svg, ".private{", "fill:"),
		      (4 * light + 5 * dark) / 9);
	subnets_apart("dot", luminance(dot, "public subnet", "fillcolor=\""),
		      luminance(dot, "private subnet", "fillcolor=\""),
		      luminance(dot, "isolated subnet", "fillcolor=\""));
	subnets_apart("mermaid", luminance(mermaid, "classDef public", "fill:"),
		      luminance(mermaid, "classDef private", "fill:"),
		      luminance(mermaid, "classDef isolated", "fill:"));

	/* what passed is a line; where it was denied stands a cross, on a ground of its own */
	allowed = luminance(svg, "\n.f{", "stroke:");
	denied = luminance(svg, "\n.x{", "stroke:");
	apart_in_grey("SVG", "allowed and denied", allowed, denied, SIGNS_APART);
	apart_in_grey("SVG", "the cross and its ground", denied, luminance(svg, ".xh{", "stroke:"), SIGNS_APART);
	assert_non_null(strstr(svg, "class=\"xh\""));
	assert_non_null(strstr(svg, "class=\"x\""));
	allowed = luminance(passed, "penwidth=4", "color=\"");
	denied = luminance(dot, "penwidth=4", "color=\"");
	apart_in_grey("dot", "allowed and denied", allowed, denied, SIGNS_APART);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shipped_topologies),
		cmocka_unit_test(random_topologies),
		cmocka_unit_test(colours_are_told_apart_in_grey),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
