/* random_topology.c: random_topology SEED NAME MODE TOPOLOGY ANSWERS writes a random lab with a flow of every
 * protocol for every pair as an expectation, and what the oracle says about those between two instances of a
 * VPC, a line a flow: FLOW tab "allow" or "deny LEG GATE OBJECT". The expectations all say allow: they only
 * carry the flows. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "conf/build.h"
#include "tests/support/oracle.h"
#include "tests/support/random_topology.h"
#include "util/mem.h"
#include "util/str.h"

enum { ENDS_MAX = 64, SPORT = 40000, TRIES_MAX = 16, ECHO_REQUEST = 8, ECHO_REPLY = 0 };

struct kind_of_flow {
	const char *text;
	uint8_t proto;
	uint16_t dport;
	bool one_way; /* two flows of it, one each way, would be one connection */
};
static const struct kind_of_flow kinds[] = {
	{ "tcp/22", 6, 22, false },     { "tcp/80", 6, 80, false },  { "tcp/443", 6, 443, false },
	{ "tcp/5432", 6, 5432, false }, { "udp/53", 17, 53, false }, { "icmp", 1, 0, false },
	{ "50", 50, 0, true },
};

static void write_file(const char *path, const struct strbuf *b)
{
	FILE *f = fopen(path, "w");

	if (!f || fwrite(b->s, 1, b->n, f) != b->n || fclose(f) != 0) {
		fprintf(stderr, "random_topology: %s: %s\n", path, strerror(errno));
		exit(4);
	}
}

static struct model *build(const struct strbuf *text, bool last)
{
	struct diag_list diags = { 0 };
	struct model *m = NULL;

	model_from_text(text->s, text->n, "random.ini", &m, &diags);
	for (size_t i = 0; last && !m && i < diags.n; i++)
		fprintf(stderr, "random_topology: line %u: %s\n", diags.v[i].line, diags.v[i].message);
	diag_list_done(&diags);
	return m;
}

/* By chance a rule may say what one of a list of ports said already, which is refused: then the next one is tried. */
static struct model *draw(uint64_t seed, const char *name, const char *mode, struct strbuf *text)
{
	struct model *m = NULL;

	for (uint64_t n = 0; n < TRIES_MAX && !m; n++) {
		_cleanup_free_ char *base = random_topology(seed + (n << 32), name);

		strbuf_done(text);
		strbuf_addf(text, "; seed %llu\n[lab %s]\ndatapath = %s%s", (unsigned long long)seed, name, mode,
			    strchr(base, '\n'));
		m = build(text, n + 1 == TRIES_MAX);
	}
	if (!m)
		exit(4);
	return m;
}

static void ends(const struct model *m, const char **names, size_t *n)
{
	for (uint32_t i = 0; i < m->n_instances && *n < ENDS_MAX; i++)
		names[(*n)++] = m->instances[i].obj.name;
	for (uint32_t i = 0; i < m->n_hosts && *n < ENDS_MAX; i++)
		names[(*n)++] = m->hosts[i].obj.name;
}

static void expectations(const struct model *m, struct rng *r, struct strbuf *b)
{
	const char *names[ENDS_MAX];
	size_t n = 0;

	ends(m, names, &n);
	strbuf_adds(b, "\n[expect]\n");
	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++)
			for (size_t f = 0; f < ARRAY_SIZE(kinds); f++) {
				bool forth = rng_below(r, 2);

				if (!kinds[f].one_way || forth)
					strbuf_addf(b, "allow = %s -> %s %s\n", names[i], names[k], kinds[f].text);
				if (!kinds[f].one_way || !forth)
					strbuf_addf(b, "allow = %s -> %s %s\n", names[k], names[i], kinds[f].text);
			}
}

/* ---- the oracle ---- */

static void rules_add(const struct model *m, const struct rule_list *l, struct oracle_rule *v, unsigned *n)
{
	for (uint32_t i = 0; i < l->n; i++) {
		const struct model_rule *r = &l->v[i];
		struct oracle_rule *o = &v[(*n)++];

		*o = (struct oracle_rule){ .rule = &r->rule,
					   .order = r->rule.owner == RULE_OF_NACL ? r->rule.nacl_number : r->order };
		if (r->rule.peer_kind == PEER_GROUP)
			o->group = m->security_groups[r->peer_index].obj.number;
		if (r->rule.peer_kind == PEER_PREFIX_LIST) {
			o->list = m->prefix_lists[r->peer_index].entries;
			o->n_list = m->prefix_lists[r->peer_index].n_entries;
		}
	}
}

static struct oracle_rules rules_of(const struct model *m, const struct eni *e, enum rule_dir dir, bool nacl)
{
	struct oracle_rules ret = { 0 };
	struct oracle_rule *v;
	unsigned total = 0, n = 0;

	if (nacl) {
		total = m->nacls[m->subnets[e->subnet].nacl].dir[dir].n;
	} else {
		for (uint32_t i = 0; i < e->n_groups; i++)
			total += m->security_groups[e->groups[i]].dir[dir].n;
	}
	v = xcalloc(total + 1, sizeof(*v));
	if (nacl) {
		rules_add(m, &m->nacls[m->subnets[e->subnet].nacl].dir[dir], v, &n);
	} else {
		for (uint32_t i = 0; i < e->n_groups; i++)
			rules_add(m, &m->security_groups[e->groups[i]].dir[dir], v, &n);
	}
	ret.v = v;
	ret.n = n;
	return ret;
}

static struct oracle_eni eni_of(const struct model *m, const struct eni *e)
{
	uint32_t *groups = xcalloc(e->n_groups + 1, sizeof(*groups));
	struct oracle_eni o = {
		.number = e->obj.number, .subnet = e->subnet, .groups = groups, .n_groups = e->n_groups
	};

	for (uint32_t i = 0; i < e->n_groups; i++)
		groups[i] = m->security_groups[e->groups[i]].obj.number;
	for (int dir = 0; dir < 2; dir++) {
		o.rules.dir[dir] = rules_of(m, e, dir, false);
		o.nacl.dir[dir] = rules_of(m, e, dir, true);
	}
	return o;
}

static const char *nacl_name(const struct model *m, const struct eni *e)
{
	return m->nacls[m->subnets[e->subnet].nacl].obj.name;
}

/* src, dst: of this leg. */
static void denial(const struct model *m, const struct eni *src, const struct eni *dst, const char *leg,
		   enum oracle_gate gate, struct strbuf *b)
{
	switch (gate) {
	case ORACLE_SG_OUT: strbuf_addf(b, "deny %s sg-out %s\n", leg, src->obj.name); return;
	case ORACLE_NACL_OUT: strbuf_addf(b, "deny %s nacl-out %s\n", leg, nacl_name(m, src)); return;
	case ORACLE_NACL_IN: strbuf_addf(b, "deny %s nacl-in %s\n", leg, nacl_name(m, dst)); return;
	case ORACLE_SG_IN: strbuf_addf(b, "deny %s sg-in %s\n", leg, dst->obj.name); return;
	case ORACLE_NO_GATE: break;
	}
	abort();
}

static void judge(const struct model *m, const struct eni *src, const struct eni *dst, const struct kind_of_flow *f,
		  struct strbuf *b)
{
	struct oracle_eni a = eni_of(m, src), z = eni_of(m, dst);
	struct oracle_packet there = { .family = 4,
				       .src = src->addrs[0].addr,
				       .dst = dst->addrs[0].addr,
				       .proto = f->proto,
				       .sport = f->dport ? SPORT : 0,
				       .dport = f->dport,
				       .icmp_type = f->proto == 1 ? ECHO_REQUEST : 0,
				       .icmp_id = f->proto == 1 ? SPORT : 0 };
	struct oracle_packet back = there;
	struct oracle_state s = { 0 };
	struct oracle_verdict v = oracle_send(&s, &a, &z, &there);

	back.src = there.dst;
	back.dst = there.src;
	back.sport = there.dport;
	back.dport = there.sport;
	back.icmp_type = ECHO_REPLY;
	strbuf_addf(b, "%s -> %s %s\t", src->obj.name, dst->obj.name, f->text);
	if (!v.allow) {
		denial(m, src, dst, "forward", v.gate, b);
	} else {
		v = oracle_send(&s, &z, &a, &back);
		if (v.allow)
			strbuf_adds(b, "allow\n");
		else
			denial(m, dst, src, "return", v.gate, b);
	}
	oracle_state_done(&s);
}

static void judge_all(const struct model *m, struct strbuf *b)
{
	for (uint32_t i = 0; i < m->n_enis; i++)
		for (uint32_t k = 0; k < m->n_enis; k++) {
			if (i == k || model_eni_vpc(m, i) != model_eni_vpc(m, k) ||
			    m->enis[i].owner != ENI_OF_INSTANCE || m->enis[k].owner != ENI_OF_INSTANCE)
				continue;
			for (size_t f = 0; f < ARRAY_SIZE(kinds); f++)
				judge(m, &m->enis[i], &m->enis[k], &kinds[f], b);
		}
}

int main(int argc, char **argv)
{
	struct strbuf text = { 0 }, answers = { 0 };
	struct rng r;
	struct model *m;

	if (argc != 6) {
		fprintf(stderr, "usage: random_topology SEED NAME MODE TOPOLOGY ANSWERS\n");
		return 2;
	}
	r.s = strtoull(argv[1], NULL, 0);
	m = draw(r.s, argv[2], argv[3], &text);
	expectations(m, &r, &text);
	judge_all(m, &answers);
	write_file(argv[4], &text);
	write_file(argv[5], &answers);
	return 0;
}
