/* graph.h: pictures of a model: SVG with a layout of our own, the same in a page, and text for Graphviz
 * and Mermaid. A flow's path can be drawn into each, with the place where it stops. Pure.
 *
 * What is public and what is private must be seen without reading and without colour: public subnets stand
 * on top, light with a thick border; private ones in the middle; isolated ones at the bottom, hatched, dashed. */
#pragma once
#include "path/walk.h"

enum exposure {
	EXPOSURE_PUBLIC /* a route to an internet gateway */,
	EXPOSURE_PRIVATE /* some route out */,
	EXPOSURE_ISOLATED
};
enum exposure subnet_exposure(const struct model *m, uint32_t subnet);
const char *exposure_name(enum exposure e);

/* The flow to draw; both NULL: none. */
struct graph_flow {
	const struct flow *f;
	const struct walk *w;
};
/* Strings to free(). */
char *graph_svg(const struct model *m, const struct graph_flow *flow);
char *graph_html(const struct model *m, const struct graph_flow *flow);
char *graph_dot(const struct model *m, const struct graph_flow *flow);
char *graph_mermaid(const struct model *m, const struct graph_flow *flow);

/* ---- inside path/ ---- */
/* Of all pictures. The more open a subnet, the lighter: tests hold how far apart they are in grey. */
#define COLOUR_PUBLIC "#fff6e0"
#define COLOUR_PUBLIC_EDGE "#b36b00"
#define COLOUR_PRIVATE "#d3e6f5"
#define COLOUR_PRIVATE_EDGE "#00568c"
#define COLOUR_ISOLATED "#cecece" /* where it cannot be hatched */
#define COLOUR_ISOLATED_EDGE "#444444"
#define COLOUR_ALLOWED "#000000"
#define COLOUR_DENIED "#d55e00"
enum place_kind { PLACE_ENI, PLACE_IGW, PLACE_HOST, PLACE_PCX, PLACE_NOWHERE /* an address nobody has */ };
struct place {
	enum place_kind kind;
	uint32_t index;
};
enum { ROUTE_PLACES_MAX = 24 };
/* Whom a leg passes, one after the other; stops: it is denied between the last two. */
struct leg_places {
	struct place v[ROUTE_PLACES_MAX];
	unsigned n;
	bool stops;
};
void leg_places_of(const struct model *m, const struct graph_flow *flow, enum walk_leg leg, struct leg_places *ret);
/* "denied at nacl-in@db: 100 deny … lab.ini:12" or "allowed". Returns buf. */
char *graph_flow_verdict(const struct graph_flow *flow, char *buf, size_t size);
/* Where a route leads to in a picture; false: nowhere that is drawn (local, gone). */
struct route;
bool route_place(const struct model *m, const struct route *r, struct place *ret);
struct strbuf;
/* s with <, >, & and quotes as XML wants them. */
void xml_add(struct strbuf *b, const char *s);
