/* v_graph.c: vpc graph: a picture of a topology, and of one flow in it. */
#include <string.h>
#include "cli/source.h"
#include "cli/verbs.h"
#include "path/graph.h"
#include "util/mem.h"

static int flow_walk(const struct args *a, const struct model *m, struct flow *f, struct walk *w);

int graph_run(const struct args *a)
{
	_cleanup_model_ struct model *m = NULL;
	_cleanup_free_ char *text = NULL;
	struct graph_flow flow = { NULL, NULL };
	struct walk walk = { 0 };
	struct flow f;
	int r;

	if (a->n != (a->flow ? 4u : 1u))
		return fail(EXIT_USAGE, "graph: %zu words where %u are wanted; usage: vpc graph %s", a->n,
			    a->flow ? 4u : 1u, a->verb->usage);
	r = model_of_file(a->words[0], &m);
	if (r == 0 && a->flow) {
		r = flow_walk(a, m, &f, &walk);
		flow = (struct graph_flow){ &f, &walk };
	}
	if (r)
		return r;
	switch (a->output) {
	case OUTPUT_DOT: text = graph_dot(m, &flow); break;
	case OUTPUT_MERMAID: text = graph_mermaid(m, &flow); break;
	case OUTPUT_HTML: text = graph_html(m, &flow); break;
	default: text = graph_svg(m, &flow); break;
	}
	fputs(text, stdout);
	walk_done(&walk);
	return EXIT_OK;
}

static int flow_walk(const struct args *a, const struct model *m, struct flow *f, struct walk *w)
{
	struct walker *walker = NULL;
	struct err e = { 0 };
	int r = 0;

	if (flow_parse_words(m, a->words[1], a->words[2], a->words[3], f, &e) < 0)
		return fail_err(EXIT_USAGE, &e);
	if (a->from_port)
		f->sport = (uint16_t)a->from_port;
	if (walker_new(m, &walker, &e) < 0)
		return fail_err(EXIT_BROKEN, &e);
	if (walk_flow(walker, f, w, &e) < 0)
		r = fail_err(EXIT_USAGE, &e);
	walker_free(&walker);
	return r;
}
