/* test_agree.c: the static walk against frames. A flow's frames, checksums and all, are read and judged by the filter
 * as the data path does it, port by port, in a world that keeps its connections and cached outcomes from flow to flow;
 * what the kernel does between ports (gateways' other ends, NAT gateways, instances that forward) is played here, and
 * shares nothing with path/. Every pair of every shipped topology and of 200 random ones, on six protocols: the same
 * verdict, leg, gate and rule. */
#include <stdio.h>
#include <string.h>
#include "conf/build.h"
#include "filters/verdict.h"
#include "filters/world.h"
#include "path/matrix.h"
#include "plan/desired.h"
#include "test.h"
#include "tests/bpf/frames.h"
#include "tests/support/random_topology.h"
#include "tests/support/sane_topology.h"
#include "tests/support/shipped.h"
#include "util/mem.h"
#include "util/str.h"

enum { SEEDS = 200, SANE_SEEDS = 20, FLOWS_MAX = 1 << 17, HOPS_MAX = 40, NATS_MAX = 8, LEGS = 2 };

struct packet {
	uint32_t port; /* who sends it */
	struct abi_addr src, dst;
	uint8_t proto, tcp_flags;
	uint16_t sport, dport; /* ICMP: identifier; type << 8 | code */
};
struct nat { /* a connection through a NAT gateway */
	uint32_t eni;
	struct abi_addr src;
	uint16_t sport, port;
};
struct machine {
	const struct model *m;
	struct world *w;
	struct nat nats[NATS_MAX];
	unsigned n_nats;
	uint16_t next_port;
	unsigned leg;
	uint32_t admitted; /* the last rule that let the request in */
};
struct answer {
	bool allow;
	unsigned leg;
	enum abi_gate gate;
	uint32_t rule;
};

/* ---- who is behind a port ---- */

static uint32_t eni_of(const struct model *m, uint32_t port)
{
	for (uint32_t i = 0; i < m->n_enis; i++)
		if (m->enis[i].obj.number == port)
			return i;
	return NONE;
}

static bool is_host(const struct model *m, uint32_t port)
{
	for (uint32_t i = 0; i < m->n_hosts; i++)
		if (m->hosts[i].port == port)
			return true;
	return false;
}

static bool has_addr(const struct eni *e, const struct abi_addr *a)
{
	for (uint32_t i = 0; i < e->n_addrs; i++)
		if (!memcmp(&e->addrs[i].addr.a, a, sizeof(*a)))
			return true;
	return false;
}

static bool subnet_holds(const struct model *m, const struct eni *e, const struct abi_addr *a)
{
	struct addr addr = { .a = *a };

	return prefix_contains(&m->subnets[e->subnet].cidr, &addr);
}

/* The MAC that the sender puts on a frame: a neighbour's when ARP finds one, else the router's. */
static uint32_t arp(const struct model *m, const struct packet *p)
{
	uint32_t me = eni_of(m, p->port);

	if (me == NONE || !subnet_holds(m, &m->enis[me], &p->dst))
		return 0;
	for (uint32_t i = 0; i < m->n_enis; i++)
		if (i != me && m->enis[i].subnet == m->enis[me].subnet && has_addr(&m->enis[i], &p->dst))
			return m->enis[i].obj.number;
	return 0;
}

/* ---- one port ---- */

static void judge_frame(struct machine *k, const struct packet *p, struct pass *x)
{
	uint8_t frame[FRAME_MAX];
	struct frame_spec spec = { .to_port = arp(k->m, p),
				   .src = p->src,
				   .dst = p->dst,
				   .proto = p->proto,
				   .sport = p->sport,
				   .dport = p->dport,
				   .tcp_flags = p->tcp_flags,
				   .payload = 20 };
	size_t n = frame_build(frame, &spec);
	enum abi_reason reason;

	memset(x, 0, sizeof(*x));
	x->p.segs = 1;
	reason = packet_parse(frame, frame + n, (__u32)n, &x->p);
	x->p.key.port = p->port;
	pass_packet(k->w, x, reason);
}

/* ---- what the kernel does ---- */

/* -1: lost. */
static int nat_gateway(struct machine *k, struct packet *p, uint32_t eni)
{
	const struct eni *e = &k->m->enis[eni];
	bool ports = p->proto == PKT_PROTO_TCP || p->proto == PKT_PROTO_UDP;

	if (has_addr(e, &p->dst)) {
		for (unsigned i = k->n_nats; i-- > 0;) {
			struct nat *nat = &k->nats[i];

			if (nat->eni != eni || (ports && nat->port != p->dport))
				continue;
			p->dst = nat->src;
			if (ports)
				p->dport = nat->sport;
			return 0;
		}
		return -1;
	}
	if (k->leg) /* in the middle of a connection that it does not know */
		return -1;
	assert_true(k->n_nats < NATS_MAX);
	k->next_port = k->next_port < 1024 || k->next_port > 65000 ? 1024 : (uint16_t)(k->next_port + 977);
	k->nats[k->n_nats++] = (struct nat){ eni, p->src, p->sport, k->next_port };
	p->src = e->addrs[0].addr.a;
	if (ports)
		p->sport = k->next_port;
	return 0;
}

/* True: it forwards, p->port is the interface by which. */
static bool forwards(const struct machine *k, struct packet *p, uint32_t eni)
{
	const struct model *m = k->m;
	const struct instance *in = &m->instances[m->enis[eni].owner_index];

	for (uint32_t i = 0; i < in->n_enis; i++)
		if (has_addr(&m->enis[in->enis[i]], &p->dst)) {
			p->port = m->enis[in->enis[i]].obj.number; /* by which an answer leaves */
			return false;
		}
	p->port = m->enis[in->enis[0]].obj.number;
	for (uint32_t i = 0; i < in->n_enis; i++)
		if (subnet_holds(m, &m->enis[in->enis[i]], &p->dst))
			p->port = m->enis[in->enis[i]].obj.number;
	return true;
}

static uint32_t last_rule(const struct outcome *o)
{
	static const int order[] = { ABI_CACHED_SG_IN, ABI_CACHED_NACL_IN, ABI_CACHED_NACL_OUT, ABI_CACHED_SG_OUT };

	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		if (o->rule[order[i]])
			return o->rule[order[i]];
	return 0;
}

/* From p->port to whoever it is for, who then has it at p->port. */
static bool deliver(struct machine *k, struct packet *p, struct answer *ret)
{
	for (unsigned hops = 0; hops < HOPS_MAX; hops++) {
		const struct abi_port *row;
		struct pass x;
		uint32_t eni;

		judge_frame(k, p, &x);
		if (!x.o.allow) {
			*ret = (struct answer){ false, k->leg, x.o.gate, x.o.deny_rule };
			return false;
		}
		if (!k->leg && last_rule(&x.o))
			k->admitted = last_rule(&x.o);
		if (x.o.flags & ABI_FLOW_SNAT)
			p->src = x.o.xaddr;
		if (x.o.flags & ABI_FLOW_DNAT)
			p->dst = x.o.xaddr;
		p->port = x.o.peer;
		if (is_host(k->m, p->port))
			return true;
		eni = eni_of(k->m, p->port);
		if (eni == NONE) {
			row = map_get(k->w, ports, &p->port);
			assert_true(row && row->link);
			p->port = row->link;
			continue;
		}
		if (k->m->enis[eni].owner == ENI_OF_NAT_GATEWAY) {
			if (nat_gateway(k, p, eni) == 0)
				continue;
			*ret = (struct answer){ false, k->leg, ABI_GATE_NAT, 0 };
			return false;
		}
		if (!forwards(k, p, eni))
			return true;
	}
	*ret = (struct answer){ false, k->leg, ABI_GATE_ROUTE, 0 };
	return false;
}

static void answer_make(struct packet *p)
{
	struct packet q = *p;

	p->src = q.dst;
	p->dst = q.src;
	if (p->proto == PKT_PROTO_ICMP)
		p->dport = (uint16_t)((q.dport >> 8 == 8 ? 0 : q.dport >> 8) << 8 | (q.dport & 255));
	else {
		p->sport = q.dport;
		p->dport = q.sport;
	}
	if (p->proto == PKT_PROTO_TCP)
		p->tcp_flags = TCP_SYN | TCP_ACK;
}

static void frames_ask(struct machine *k, const struct flow *f, struct answer *ret)
{
	struct packet p = { .port = f->src.port,
			    .src = f->src.addr.a,
			    .dst = f->dst_addr.a,
			    .proto = f->proto,
			    .tcp_flags = f->proto == PKT_PROTO_TCP ? TCP_SYN : 0,
			    .sport = f->sport,
			    .dport = f->dport };
	uint32_t sender = eni_of(k->m, f->src.port), back;

	if (f->proto == PKT_PROTO_ICMP)
		p.dport = (uint16_t)(f->icmp_type << 8 | f->icmp_code);
	else if (f->proto != PKT_PROTO_TCP && f->proto != PKT_PROTO_UDP)
		p.sport = p.dport = 0;
	k->n_nats = 0;
	k->leg = 0;
	k->admitted = 0;
	if (!deliver(k, &p, ret))
		return;
	k->leg = 1;
	answer_make(&p);
	if (!deliver(k, &p, ret))
		return;
	back = eni_of(k->m, p.port);
	if (p.port != f->src.port &&
	    (sender == NONE || back == NONE || k->m->enis[sender].owner_index != k->m->enis[back].owner_index))
		*ret = (struct answer){ false, 1, ABI_GATE_ROUTE, 0 }; /* it came to somebody else */
	else
		*ret = (struct answer){ true, 0, ABI_GATE_NONE, k->admitted };
}

/* ---- compared ---- */

static void walk_ask(const struct walk *walk, struct answer *ret)
{
	const struct walk_step *s = walk->allow ? walk_admitting_step(walk) : &walk->steps[walk->denied];

	*ret = (struct answer){ walk->allow, walk->allow ? 0 : (unsigned)s->leg, walk->allow ? ABI_GATE_NONE : s->gate,
				s ? s->rule : 0 };
}

static void flow_check(struct machine *k, struct walker *w, const struct flow *f, const char *name)
{
	struct answer says, is;
	struct err e = { 0 };
	struct walk walk;
	char text[200];

	if (f->no_public)
		return; /* there is no address to send to */
	if (walk_flow(w, f, &walk, &e) < 0)
		fail_msg("%s: %s", name, e.msg);
	walk_ask(&walk, &says);
	frames_ask(k, f, &is);
	/* Only some of a NAT gateway's ports would work: one frame proves nothing. */
	if ((walk.allow || walk.steps[walk.denied].reason != ABI_REASON_REMAP_EPHEMERAL_PORT) &&
	    (says.allow != is.allow || says.leg != is.leg || says.gate != is.gate || says.rule != is.rule))
		fail_msg("%s: %s: the walk says %d leg %u gate %d rule %u, frames %d leg %u gate %d rule %u", name,
			 flow_format(f, text, sizeof(text)), says.allow, says.leg, says.gate, says.rule, is.allow,
			 is.leg, is.gate, is.rule);
	walk_done(&walk);
}

static const char *end_name(const struct model *m, uint32_t i)
{
	return i < m->n_instances ? m->instances[i].obj.name : m->hosts[i - m->n_instances].obj.name;
}

static unsigned topology_check(const char *text, const char *name)
{
	static const char *const protos[] = { "tcp/22", "tcp/443", "tcp/5432", "udp/53", "icmp", "50" };
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_model_ struct model *m = NULL;
	struct walker *w = NULL;
	struct machine k = { .next_port = 1024 };
	struct map_rows rows;
	struct err e = { 0 };
	unsigned n = 0;

	if (model_from_text(text, strlen(text), name, &m, &diags) < 0)
		fail_msg("%s: %s", name, diags.v[0].message);
	map_rows_init(&rows);
	assert_int_equal(maps_desired(m, &rows, &e), 0);
	k.m = m;
	k.w = world_new(FLOWS_MAX);
	assert_int_equal(world_load(k.w, &rows), 0);
	map_rows_done(&rows);
	assert_int_equal(walker_new(m, &w, &e), 0);
	for (size_t p = 0; p < ARRAY_SIZE(protos); p++)
		for (uint32_t i = 0; i < m->n_instances + m->n_hosts; i++)
			for (uint32_t j = 0; j < m->n_instances + m->n_hosts; j++) {
				struct flow f;

				/* Without ports two flows of a pair, one each way, would be one connection. */
				if (i == j || (p + 1 == ARRAY_SIZE(protos) && j < i) ||
				    (i < m->n_instances && !m->instances[i].n_enis) ||
				    (j < m->n_instances && !m->instances[j].n_enis))
					continue;
				if (flow_parse_words(m, end_name(m, i), end_name(m, j), protos[p], &f, &e) < 0)
					fail_msg("%s: %s", name, e.msg);
				f.sport = (uint16_t)(33000 +
						     n++ % 20000); /* Linux's own range: a connection of its own */
				flow_check(&k, w, &f, name);
			}
	walker_free(&w);
	world_free(&k.w);
	return n;
}

static void count_flows(void *ctx, const char *text, const char *path)
{
	*(unsigned *)ctx += topology_check(text, path);
}

static void shipped_topologies(void **state)
{
	unsigned n = 0;

	(void)state;
	assert_true(shipped_each(count_flows, &n) >= 10);
	assert_true(n > 1000);
}

static void random_topologies(void **state)
{
	unsigned n = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		_cleanup_free_ char *text = random_topology(seed, "random");
		char name[32];

		snprintf(name, sizeof(name), "random-%u.ini", (unsigned)seed);
		n += topology_check(text, name);
	}
	assert_true(n > SEEDS * 100);
}

static void sane_topologies(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SANE_SEEDS; seed++) {
		_cleanup_free_ char *text = sane_topology(seed);

		topology_check(text, "sane.ini");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shipped_topologies),
		cmocka_unit_test(random_topologies),
		cmocka_unit_test(sane_topologies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
