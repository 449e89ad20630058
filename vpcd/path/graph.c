/* graph.c: what all pictures share: how exposed a subnet is, whom a flow passes; and the two that are
 * text for other programs, Graphviz and Mermaid. Pure. */
#include <stdio.h>
#include <string.h>
#include "filters/explain.h"
#include "path/graph.h"
#include "path/trace.h"
#include "util/str.h"

static void dot_vpc(const struct model *m, uint32_t vpc, struct strbuf *b);
static void dot_peerings(const struct model *m, struct strbuf *b);
static void dot_routes(const struct model *m, struct strbuf *b);
static void edge_routes(const struct model *m, bool mermaid, struct strbuf *b);
static void dot_flow(const struct model *m, const struct graph_flow *flow, struct strbuf *b);
static void mermaid_vpc(const struct model *m, uint32_t vpc, struct strbuf *b);
static void mermaid_peerings(const struct model *m, struct strbuf *b);
static void mermaid_routes(const struct model *m, struct strbuf *b);
static void mermaid_flow(const struct model *m, const struct graph_flow *flow, struct strbuf *b);

enum exposure subnet_exposure(const struct model *m, uint32_t subnet)
{
	const struct route_table *t = &m->route_tables[m->subnets[subnet].route_table];
	enum exposure e = EXPOSURE_ISOLATED;

	for (uint32_t i = 0; i < t->n_routes; i++) {
		if (t->routes[i].target == TARGET_IGW)
			return EXPOSURE_PUBLIC;
		if (t->routes[i].target != TARGET_LOCAL && !t->routes[i].blackhole)
			e = EXPOSURE_PRIVATE;
	}
	return e;
}

const char *exposure_name(enum exposure e)
{
	return e == EXPOSURE_PUBLIC ? "public" : e == EXPOSURE_PRIVATE ? "private" : "isolated";
}

void xml_add(struct strbuf *b, const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '<': strbuf_adds(b, "&lt;"); break;
		case '>': strbuf_adds(b, "&gt;"); break;
		case '&': strbuf_adds(b, "&amp;"); break;
		case '"': strbuf_adds(b, "&quot;"); break;
		default: strbuf_add(b, s, 1);
		}
	}
}

/* ---- a flow's way ---- */

static void place_add(struct leg_places *p, enum place_kind kind, uint32_t index)
{
	if (p->n && p->v[p->n - 1].kind == kind && p->v[p->n - 1].index == index)
		return;
	if (p->n < ROUTE_PLACES_MAX)
		p->v[p->n++] = (struct place){ kind, index };
}

static void end_add(struct leg_places *p, const struct flow_end *e)
{
	place_add(p, e->kind == END_ENI ? PLACE_ENI : e->kind == END_HOST ? PLACE_HOST : PLACE_NOWHERE, e->index);
}

static bool is_arrival(enum abi_gate gate)
{
	return gate == ABI_GATE_NACL_IN || gate == ABI_GATE_DEST_CHECK || gate == ABI_GATE_SG_IN ||
	       gate == ABI_GATE_NAT || gate == ABI_GATE_IGW || gate == ABI_GATE_PEERING || gate == ABI_GATE_CONNTRACK;
}

void leg_places_of(const struct model *m, const struct graph_flow *flow, enum walk_leg leg, struct leg_places *ret)
{
	const struct walk *w = flow->w;
	const struct flow_end *from = leg == LEG_FORWARD ? &flow->f->src : &flow->f->dst;
	const struct flow_end *to = leg == LEG_FORWARD ? &flow->f->dst : &flow->f->src;

	*ret = (struct leg_places){ .n = 0 };
	if (leg == LEG_RETURN && (!w->n || w->steps[w->n - 1].leg != LEG_RETURN))
		return;
	end_add(ret, from);
	for (size_t i = 0; i < w->n; i++) {
		const struct walk_step *s = &w->steps[i];

		if (s->leg != leg)
			continue;
		if (s->gate == ABI_GATE_PEERING) {
			for (uint32_t k = 0; k < m->n_peerings; k++)
				if (str_eq(m->peerings[k].obj.name, s->object))
					place_add(ret, PLACE_PCX, k);
		} else if (s->gate == ABI_GATE_IGW) {
			for (uint32_t k = 0; k < m->n_igws; k++)
				if (str_eq(m->igws[k].obj.name, s->object))
					place_add(ret, PLACE_IGW, k);
		} else if (s->eni && model_find_eni(m, s->eni) != NONE) {
			place_add(ret, PLACE_ENI, model_find_eni(m, s->eni));
		}
	}
	ret->stops = !w->allow && w->steps[w->denied].leg == leg;
	if (ret->stops && ret->n > 1 && is_arrival(w->steps[w->denied].gate))
		return; /* it got no further than to the place whose gate that is */
	end_add(ret, to);
}

char *graph_flow_verdict(const struct graph_flow *flow, char *buf, size_t size)
{
	const struct walk *w = flow->w;
	const struct walk_step *s;
	char place[96];
	size_t n;

	if (w->allow) {
		snprintf(buf, size, "allowed: request and reply arrive");
		return buf;
	}
	s = &w->steps[w->denied];
	n = (size_t)snprintf(buf, size,
			     "denied at %s: ", trace_place(s->leg, s->gate, s->object, place, sizeof(place)));
	if (n < size && s->rule_text[0])
		n += (size_t)snprintf(buf + n, size - n, "rule %s", s->rule_text);
	else if (n < size)
		n += (size_t)snprintf(buf + n, size - n, "%s", reason_text(s->reason));
	if (n < size && s->loc.line)
		snprintf(buf + n, size - n, "  %s:%u", s->loc.file, s->loc.line);
	return buf;
}

/* ---- text for other programs ---- */

/* Node names: kinds have name spaces of their own. Mermaid takes no dash in a row at the end, so letters only. */
static char *node(const struct model *m, struct place p, char *buf, size_t size)
{
	const char *kind = p.kind == PLACE_ENI    ? "eni"
			   : p.kind == PLACE_IGW  ? "igw"
			   : p.kind == PLACE_HOST ? "host"
			   : p.kind == PLACE_PCX  ? "pcx"
						  : "nowhere";
	const char *name = p.kind == PLACE_ENI    ? m->enis[p.index].obj.name
			   : p.kind == PLACE_IGW  ? m->igws[p.index].obj.name
			   : p.kind == PLACE_HOST ? m->hosts[p.index].obj.name
			   : p.kind == PLACE_PCX  ? m->peerings[p.index].obj.name
						  : "address";

	snprintf(buf, size, "%s_%s", kind, name);
	for (char *c = buf; *c; c++)
		if (*c == '-' || *c == '.')
			*c = '_';
	return buf;
}

static char *subnet_node(const struct model *m, uint32_t subnet, char *buf, size_t size)
{
	snprintf(buf, size, "subnet_%s", m->subnets[subnet].obj.name);
	for (char *c = buf; *c; c++)
		if (*c == '-')
			*c = '_';
	return buf;
}

static void cidrs_add(const struct model *m, uint32_t vpc, struct strbuf *b)
{
	char cidr[PREFIX_STRLEN];

	for (uint32_t i = 0; i < m->vpcs[vpc].n_cidrs; i++)
		strbuf_addf(b, "%s%s", i ? ", " : "", prefix_format(&m->vpcs[vpc].cidrs[i], cidr));
}

/* "web-1", its addresses and groups, lines parted by sep. */
static void eni_label(const struct model *m, uint32_t index, const char *sep, struct strbuf *b)
{
	const struct eni *eni = &m->enis[index];
	char a[ADDR_STRLEN];

	strbuf_addf(b, "%s%s", eni->owner == ENI_OF_NAT_GATEWAY ? "NAT " : "", eni->obj.name);
	for (uint32_t i = 0; i < eni->n_addrs; i++) {
		strbuf_addf(b, "%s%s", sep, addr_format(&eni->addrs[i].addr, a));
		if (!addr_is_zero(&eni->addrs[i].public_ip))
			strbuf_addf(b, "%spublic %s", sep, addr_format(&eni->addrs[i].public_ip, a));
	}
	for (uint32_t i = 0; i < eni->n_groups; i++)
		strbuf_addf(b, "%s%s", i ? " " : sep, m->security_groups[eni->groups[i]].obj.name);
}

bool route_place(const struct model *m, const struct route *r, struct place *ret)
{
	if (r->target_index == NONE)
		return false;
	switch (r->target) {
	case TARGET_IGW: *ret = (struct place){ PLACE_IGW, r->target_index }; return true;
	case TARGET_PCX: *ret = (struct place){ PLACE_PCX, r->target_index }; return true;
	case TARGET_NAT: *ret = (struct place){ PLACE_ENI, m->nat_gateways[r->target_index].eni }; return true;
	case TARGET_ENI:
	case TARGET_INSTANCE: *ret = (struct place){ PLACE_ENI, r->target_index }; return true;
	default: return false;
	}
}

char *graph_dot(const struct model *m, const struct graph_flow *flow)
{
	struct strbuf b = { 0 };
	char name[80], a[ADDR_STRLEN];

	strbuf_addf(&b,
		    "digraph \"%s\" {\n\tgraph [rankdir=TB compound=true fontname=\"sans-serif\"]\n"
		    "\tnode [shape=box style=\"rounded,filled\" fillcolor=white fontname=\"sans-serif\" fontsize=11]\n"
		    "\tedge [fontname=\"sans-serif\" fontsize=10]\n"
		    "\tinternet [label=\"the internet\" shape=ellipse]\n",
		    m->name);
	for (uint32_t i = 0; i < m->n_hosts; i++) {
		node(m, (struct place){ PLACE_HOST, i }, name, sizeof(name));
		strbuf_addf(&b, "\t%s [label=\"%s\\n%s\"]\n\t%s -> internet [dir=none]\n", name, m->hosts[i].obj.name,
			    addr_format(&m->hosts[i].addr, a), name);
	}
	for (uint32_t v = 0; v < m->n_vpcs; v++)
		dot_vpc(m, v, &b);
	dot_peerings(m, &b);
	dot_routes(m, &b);
	edge_routes(m, false, &b);
	if (flow->f)
		dot_flow(m, flow, &b);
	strbuf_adds(&b, "}\n");
	return strbuf_take(&b);
}

static void dot_subnet(const struct model *m, uint32_t subnet, struct strbuf *b)
{
	static const char *const looks[] = { "style=filled fillcolor=\"" COLOUR_PUBLIC "\" color=\"" COLOUR_PUBLIC_EDGE
					     "\" penwidth=3",
					     "style=filled fillcolor=\"" COLOUR_PRIVATE
					     "\" color=\"" COLOUR_PRIVATE_EDGE "\" penwidth=1.5",
					     "style=\"filled,dashed\" fillcolor=\"" COLOUR_ISOLATED
					     "\" color=\"" COLOUR_ISOLATED_EDGE "\" penwidth=1.5" };
	const struct subnet *s = &m->subnets[subnet];
	char cidr[PREFIX_STRLEN], name[80];

	subnet_node(m, subnet, name, sizeof(name));
	strbuf_addf(b, "\t\tsubgraph \"cluster_%s\" {\n\t\t\tlabel=\"%s subnet %s\\n%s zone %s\\nnacl %s\" %s\n", name,
		    exposure_name(subnet_exposure(m, subnet)), s->obj.name, prefix_format(&s->cidr, cidr), s->zone,
		    m->nacls[s->nacl].obj.name, looks[subnet_exposure(m, subnet)]);
	strbuf_addf(b, "\t\t\t%s [label=\"route table\\n%s\" shape=note style=solid fontsize=9]\n", name,
		    m->route_tables[s->route_table].obj.name);
	for (uint32_t i = 0; i < m->n_enis; i++) {
		struct strbuf label = { 0 };

		if (m->enis[i].subnet != subnet)
			continue;
		eni_label(m, i, "\\n", &label);
		strbuf_addf(b, "\t\t\t%s [label=\"%s\"%s]\n",
			    node(m, (struct place){ PLACE_ENI, i }, name, sizeof(name)), label.s,
			    m->enis[i].owner == ENI_OF_NAT_GATEWAY ? " shape=hexagon" : "");
		strbuf_done(&label);
	}
	strbuf_adds(b, "\t\t}\n");
}

static void dot_vpc(const struct model *m, uint32_t vpc, struct strbuf *b)
{
	char name[80];

	strbuf_addf(b, "\tsubgraph \"cluster_vpc_%s\" {\n\t\tlabel=\"VPC %s  ", m->vpcs[vpc].obj.name,
		    m->vpcs[vpc].obj.name);
	cidrs_add(m, vpc, b);
	strbuf_addf(b, "  %s\" style=rounded penwidth=2\n", m->vpcs[vpc].region);
	for (enum exposure e = EXPOSURE_PUBLIC; e <= EXPOSURE_ISOLATED; e++)
		for (uint32_t i = 0; i < m->n_subnets; i++)
			if (m->subnets[i].vpc == vpc && subnet_exposure(m, i) == e)
				dot_subnet(m, i, b);
	strbuf_adds(b, "\t}\n");
	if (m->vpcs[vpc].igw == NONE)
		return;
	node(m, (struct place){ PLACE_IGW, m->vpcs[vpc].igw }, name, sizeof(name));
	strbuf_addf(b, "\t%s [label=\"internet gateway\\n%s\" shape=house]\n\tinternet -> %s [dir=both weight=4]\n",
		    name, m->igws[m->vpcs[vpc].igw].obj.name, name);
}

static void dot_peerings(const struct model *m, struct strbuf *b)
{
	for (uint32_t i = 0; i < m->n_peerings; i++) {
		char name[80], to[80];

		node(m, (struct place){ PLACE_PCX, i }, name, sizeof(name));
		strbuf_addf(b, "\t%s [label=\"peering\\n%s\" shape=cds]\n", name, m->peerings[i].obj.name);
		for (int end = 0; end < 2; end++) {
			uint32_t k = 0;

			while (k < m->n_subnets && m->subnets[k].vpc != m->peerings[i].vpcs[end])
				k++;
			if (k < m->n_subnets) /* a cluster is no node: the edge ends at its border */
				strbuf_addf(b, "\t%s -> %s [dir=none style=bold lhead=\"cluster_vpc_%s\"]\n", name,
					    subnet_node(m, k, to, sizeof(to)),
					    m->vpcs[m->peerings[i].vpcs[end]].obj.name);
		}
	}
}

/* What comes in through a gateway may be led to an appliance first. */
static void edge_routes(const struct model *m, bool mermaid, struct strbuf *b)
{
	for (uint32_t i = 0; i < m->n_igws; i++) {
		const struct route_table *t =
			m->igws[i].edge_table == NONE ? NULL : &m->route_tables[m->igws[i].edge_table];

		for (uint32_t k = 0; t && k < t->n_routes; k++) {
			char from[80], to[80], prefix[PREFIX_STRLEN];
			struct place p;

			if (!route_place(m, &t->routes[k], &p))
				continue;
			node(m, (struct place){ PLACE_IGW, i }, from, sizeof(from));
			node(m, p, to, sizeof(to));
			prefix_format(&t->routes[k].dst, prefix);
			if (mermaid)
				strbuf_addf(b, "\t%s -.->|\"%s\"| %s\n", from, prefix, to);
			else
				strbuf_addf(b, "\t%s -> %s [label=\"%s\" style=dashed]\n", from, to, prefix);
		}
	}
}

/* Every prefix that a table leads to the place of its nth route, once: false where an earlier route did. */
static bool routes_label(const struct model *m, const struct route_table *t, uint32_t nth, const char *sep,
			 struct place *to, struct strbuf *ret)
{
	struct place p;
	char prefix[PREFIX_STRLEN];

	if (!route_place(m, &t->routes[nth], to))
		return false;
	for (uint32_t i = 0; i < t->n_routes; i++) {
		if (!route_place(m, &t->routes[i], &p) || p.kind != to->kind || p.index != to->index)
			continue;
		if (i < nth)
			return false;
		strbuf_addf(ret, "%s%s", i > nth ? sep : "", prefix_format(&t->routes[i].dst, prefix));
	}
	return true;
}

/* Drawn from gateway to subnet and pointing back: so what is public stands on top. */
static void dot_routes(const struct model *m, struct strbuf *b)
{
	for (uint32_t i = 0; i < m->n_subnets; i++) {
		const struct route_table *t = &m->route_tables[m->subnets[i].route_table];

		for (uint32_t k = 0; k < t->n_routes; k++) {
			struct strbuf label = { 0 };
			char from[80], to[80];
			struct place p;

			if (routes_label(m, t, k, "\\n", &p, &label)) {
				subnet_node(m, i, from, sizeof(from));
				node(m, p, to, sizeof(to));
				strbuf_addf(b, "\t%s -> %s [label=\"%s\"%s%s]\n", p.kind == PLACE_PCX ? from : to,
					    p.kind == PLACE_PCX ? to : from, label.s,
					    p.kind == PLACE_PCX ? "" : " dir=back",
					    p.kind == PLACE_IGW   ? ""
					    : p.kind == PLACE_PCX ? " style=dotted"
								  : " style=dashed");
			}
			strbuf_done(&label);
		}
	}
}

static void dot_flow(const struct model *m, const struct graph_flow *flow, struct strbuf *b)
{
	char text[500], from[80], to[80], verdict[400];
	struct leg_places legs[2];

	for (enum walk_leg leg = LEG_FORWARD; leg <= LEG_RETURN; leg++) {
		leg_places_of(m, flow, leg, &legs[leg]);
		if (leg == LEG_RETURN && !legs[leg].stops)
			continue; /* it went as it came */
		for (unsigned i = 0; i + 1 < legs[leg].n; i++) {
			bool stop = legs[leg].stops && i + 2 == legs[leg].n;

			strbuf_addf(b, "\t%s -> %s [penwidth=4 color=\"%s\" constraint=false%s%s]\n",
				    node(m, legs[leg].v[i], from, sizeof(from)),
				    node(m, legs[leg].v[i + 1], to, sizeof(to)), stop ? COLOUR_DENIED : COLOUR_ALLOWED,
				    leg == LEG_RETURN ? " style=dashed" : "",
				    stop ? " arrowhead=tee label=\"denied\"" : "");
		}
	}
	snprintf(text, sizeof(text), "%s", flow_format(flow->f, from, sizeof(from)));
	strbuf_addf(b, "\tlabel=\"%s\\n", text);
	graph_flow_verdict(flow, verdict, sizeof(verdict));
	for (const char *c = verdict; *c; c++)
		strbuf_addf(b, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
	strbuf_adds(b, "\" labelloc=t\n");
}

char *graph_mermaid(const struct model *m, const struct graph_flow *flow)
{
	struct strbuf b = { 0 };
	char name[80], a[ADDR_STRLEN];

	strbuf_adds(&b, "flowchart TB\n\tinternet((the internet))\n");
	for (uint32_t i = 0; i < m->n_hosts; i++)
		strbuf_addf(&b, "\t%s([\"%s<br/>%s\"]) --- internet\n",
			    node(m, (struct place){ PLACE_HOST, i }, name, sizeof(name)), m->hosts[i].obj.name,
			    addr_format(&m->hosts[i].addr, a));
	for (uint32_t v = 0; v < m->n_vpcs; v++)
		mermaid_vpc(m, v, &b);
	mermaid_peerings(m, &b);
	mermaid_routes(m, &b);
	edge_routes(m, true, &b);
	if (flow->f)
		mermaid_flow(m, flow, &b);
	strbuf_adds(&b, "\tclassDef public fill:" COLOUR_PUBLIC ",stroke:" COLOUR_PUBLIC_EDGE
			",stroke-width:4px,color:#000\n"
			"\tclassDef private fill:" COLOUR_PRIVATE ",stroke:" COLOUR_PRIVATE_EDGE
			",stroke-width:2px,color:#000\n"
			"\tclassDef isolated fill:" COLOUR_ISOLATED ",stroke:" COLOUR_ISOLATED_EDGE
			",stroke-width:2px,stroke-dasharray:6 4,color:#000\n");
	for (uint32_t i = 0; i < m->n_subnets; i++)
		strbuf_addf(&b, "\tclass %s %s\n", subnet_node(m, i, name, sizeof(name)),
			    exposure_name(subnet_exposure(m, i)));
	return strbuf_take(&b);
}

static void mermaid_vpc(const struct model *m, uint32_t vpc, struct strbuf *b)
{
	char cidr[PREFIX_STRLEN], name[80];

	if (m->vpcs[vpc].igw != NONE)
		strbuf_addf(b, "\t%s{{\"internet gateway %s\"}} <--> internet\n",
			    node(m, (struct place){ PLACE_IGW, m->vpcs[vpc].igw }, name, sizeof(name)),
			    m->igws[m->vpcs[vpc].igw].obj.name);
	strbuf_addf(b, "\tsubgraph vpc%u [\"VPC %s ", vpc, m->vpcs[vpc].obj.name);
	cidrs_add(m, vpc, b);
	strbuf_addf(b, " %s\"]\n", m->vpcs[vpc].region);
	for (uint32_t i = 0; i < m->n_subnets; i++) {
		const struct subnet *s = &m->subnets[i];

		if (s->vpc != vpc)
			continue;
		strbuf_addf(b, "\t\tsubgraph %s [\"%s subnet %s %s zone %s\"]\n", subnet_node(m, i, name, sizeof(name)),
			    exposure_name(subnet_exposure(m, i)), s->obj.name, prefix_format(&s->cidr, cidr), s->zone);
		for (uint32_t k = 0; k < m->n_enis; k++) {
			struct strbuf label = { 0 };
			bool nat = m->enis[k].owner == ENI_OF_NAT_GATEWAY;

			if (m->enis[k].subnet != i)
				continue;
			eni_label(m, k, "<br/>", &label);
			strbuf_addf(b, "\t\t\t%s%s\"%s\"%s\n",
				    node(m, (struct place){ PLACE_ENI, k }, name, sizeof(name)), nat ? "{{" : "[",
				    label.s, nat ? "}}" : "]");
			strbuf_done(&label);
		}
		strbuf_adds(b, "\t\tend\n");
	}
	strbuf_adds(b, "\tend\n");
}

static void mermaid_peerings(const struct model *m, struct strbuf *b)
{
	for (uint32_t i = 0; i < m->n_peerings; i++) {
		char name[80];

		node(m, (struct place){ PLACE_PCX, i }, name, sizeof(name));
		strbuf_addf(b, "\t%s[/\"peering %s\"/]\n", name, m->peerings[i].obj.name);
		for (int end = 0; end < 2; end++)
			strbuf_addf(b, "\tvpc%u === %s\n", m->peerings[i].vpcs[end], name);
	}
}

static void mermaid_routes(const struct model *m, struct strbuf *b)
{
	for (uint32_t i = 0; i < m->n_subnets; i++) {
		const struct route_table *t = &m->route_tables[m->subnets[i].route_table];

		for (uint32_t k = 0; k < t->n_routes; k++) {
			struct strbuf label = { 0 };
			char from[80], to[80];
			struct place p;

			/* From a box to what is inside it there is no arrow in Mermaid. */
			if (routes_label(m, t, k, "<br/>", &p, &label) &&
			    !(p.kind == PLACE_ENI && m->enis[p.index].subnet == i))
				strbuf_addf(b, "\t%s %s|\"%s\"| %s\n", subnet_node(m, i, from, sizeof(from)),
					    p.kind == PLACE_IGW ? "-->" : "-.->", label.s, node(m, p, to, sizeof(to)));
			strbuf_done(&label);
		}
	}
}

static void mermaid_flow(const struct model *m, const struct graph_flow *flow, struct strbuf *b)
{
	char from[80], to[80], verdict[400];
	struct leg_places p;

	strbuf_addf(b, "\t%%%% %s\n", flow_format(flow->f, verdict, sizeof(verdict)));
	for (enum walk_leg leg = LEG_FORWARD; leg <= LEG_RETURN; leg++) {
		leg_places_of(m, flow, leg, &p);
		for (unsigned i = 0; i + 1 < p.n && (leg == LEG_FORWARD || p.stops); i++) {
			bool stop = p.stops && i + 2 == p.n;

			node(m, p.v[i], from, sizeof(from));
			node(m, p.v[i + 1], to, sizeof(to));
			if (!stop) {
				strbuf_addf(b, "\t%s ==> %s\n", from, to);
				continue;
			}
			strbuf_addf(b, "\t%s ==x|\"", from);
			xml_add(b, graph_flow_verdict(flow, verdict, sizeof(verdict)));
			strbuf_addf(b, "\"| %s\n", to);
		}
	}
}
