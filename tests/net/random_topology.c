/* random_topology.c: random_topology SEED NAME MODE TOPOLOGY ANSWERS writes a random lab with a flow of every
 * protocol for every pair as an expectation, and what the oracle says about those between two instances of a
 * VPC, a line a flow: FLOW tab "allow" or "deny LEG GATE OBJECT". The expectations all say allow: they only
 * carry the flows. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "conf/build.h"
#include "tests/support/oracle_lab.h"
#include "tests/support/random_topology.h"
#include "util/mem.h"
#include "util/str.h"

enum { ENDS_MAX = 64, SPORT = 40000, TRIES_MAX = 16, ECHO_REQUEST = 8 };

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

static const char *nacl_name(const struct model *m, const struct eni *e)
{
	return m->nacls[m->subnets[e->subnet].nacl].obj.name;
}

/* src, dst: of this leg. */
static void denial(const struct model *m, const struct eni *src, const struct eni *dst, const char *leg,
		   enum abi_gate gate, struct strbuf *b)
{
	switch (gate) {
	case ABI_GATE_SG_OUT: strbuf_addf(b, "deny %s sg-out %s\n", leg, src->obj.name); return;
	case ABI_GATE_NACL_OUT: strbuf_addf(b, "deny %s nacl-out %s\n", leg, nacl_name(m, src)); return;
	case ABI_GATE_NACL_IN: strbuf_addf(b, "deny %s nacl-in %s\n", leg, nacl_name(m, dst)); return;
	case ABI_GATE_SG_IN: strbuf_addf(b, "deny %s sg-in %s\n", leg, dst->obj.name); return;
	default: abort();
	}
}

static void judge(const struct model *m, const struct eni *src, const struct eni *dst, const struct kind_of_flow *f,
		  struct strbuf *b)
{
	const bool icmp = f->proto == 1;
	struct oracle_frame there = {
		.flow = { .family = 4,
			  .proto = f->proto,
			  .src = src->addrs[0].addr,
			  .dst = dst->addrs[0].addr,
			  .a = f->dport || icmp ? SPORT : 0,
			  .b = icmp ? ECHO_REQUEST << 8 : f->dport },
		.bytes = 20,
	};
	struct oracle_frame back = there;
	struct oracle_lab *o = oracle_lab_new(m, false);
	struct oracle_answer v = oracle_lab_pass(o, src->obj.number, &there, 0);

	back.flow = oracle_flow_back(&there.flow);
	strbuf_addf(b, "%s -> %s %s\t", src->obj.name, dst->obj.name, f->text);
	if (!v.allow) {
		denial(m, src, dst, "forward", v.gate, b);
	} else {
		v = oracle_lab_pass(o, dst->obj.number, &back, 0);
		if (v.allow)
			strbuf_adds(b, "allow\n");
		else
			denial(m, dst, src, "return", v.gate, b);
	}
	oracle_lab_free(&o);
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
