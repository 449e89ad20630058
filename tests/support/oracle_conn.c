/* oracle_conn.c: the table of connections of the oracle: a list, searched from its beginning. */
#include "tests/support/oracle_conn.h"
#include <stdlib.h>
#include <string.h>

enum { ICMP = 1, TCP = 6, UDP = 17, ICMP6 = 58 };
enum { FIN = 1, RST = 4, ACK = 16 };
#define S 1000000000ull

void oracle_conns_done(struct oracle_conns *t)
{
	free(t->v);
	memset(t, 0, sizeof(*t));
}

/* The type that answers a query; what is no query and no answer has itself. */
static unsigned type_back(int family, unsigned type)
{
	static const struct {
		int family;
		unsigned ask, answer;
	} pairs[] = { { 4, 8, 0 }, { 4, 13, 14 }, { 4, 15, 16 }, { 4, 17, 18 }, { 6, 128, 129 } };

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (family == pairs[i].family && type == pairs[i].ask)
			return pairs[i].answer;
		if (family == pairs[i].family && type == pairs[i].answer)
			return pairs[i].ask;
	}
	return type;
}

struct oracle_flow oracle_flow_back(const struct oracle_flow *f)
{
	struct oracle_flow r = *f;

	r.src = f->dst;
	r.dst = f->src;
	if ((f->proto == ICMP && f->family == 4) || (f->proto == ICMP6 && f->family == 6)) {
		r.b = (uint16_t)(type_back(f->family, f->b >> 8) << 8 | (f->b & 255));
	} else {
		r.a = f->b;
		r.b = f->a;
	}
	return r;
}

static bool same(const struct oracle_flow *x, const struct oracle_flow *y)
{
	return x->family == y->family && x->proto == y->proto && x->a == y->a && x->b == y->b &&
	       !memcmp(&x->src, &y->src, sizeof(x->src)) && !memcmp(&x->dst, &y->dst, sizeof(x->dst));
}

struct oracle_conn *oracle_conn_at(struct oracle_conns *t, uint32_t port, const struct oracle_flow *f)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i].port == port && same(&t->v[i].flow, f))
			return &t->v[i];
	return NULL;
}

struct oracle_conn *oracle_conn_live(struct oracle_conns *t, uint32_t port, const struct oracle_flow *f, uint64_t now)
{
	struct oracle_conn *c = oracle_conn_at(t, port, f);

	if (!c || !oracle_conn_is_idle(c, now))
		return c;
	oracle_conn_remove(t, c);
	return NULL;
}

struct oracle_conn *oracle_conn_add(struct oracle_conns *t, const struct oracle_conn *c)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 64;
		t->v = realloc(t->v, t->cap * sizeof(*t->v));
		if (!t->v)
			abort();
	}
	t->v[t->n] = *c;
	return &t->v[t->n++];
}

void oracle_conn_remove(struct oracle_conns *t, struct oracle_conn *c)
{
	*c = t->v[--t->n];
}

/* AWS's defaults and, where it publishes nothing, nf_conntrack's. */
uint64_t oracle_conn_timeout(const struct oracle_conn *c)
{
	const uint8_t both = c->flags[0] & c->flags[1], any = c->flags[0] | c->flags[1];

	switch (c->flow.proto) {
	case TCP:
		if (any & RST)
			return 10 * S / c->clock;
		if (any & FIN)
			return 120 * S / c->clock; /* one FIN or both */
		return both & ACK ? c->tcp_established_ns : 120 * S / c->clock;
	case UDP: /* a stream: more than one request and more than one answer */
		return c->packets[0] > 1 && c->packets[1] > 1 ? c->udp_stream_ns : c->udp_ns;
	case ICMP:
	case ICMP6: return 30 * S / c->clock;
	default: return 600 * S / c->clock;
	}
}

bool oracle_conn_is_idle(const struct oracle_conn *c, uint64_t now)
{
	return now > c->seen_ns + oracle_conn_timeout(c);
}

bool oracle_conn_is_closing(const struct oracle_conn *c)
{
	return c->flow.proto == TCP && (c->flags[0] | c->flags[1]) & (FIN | RST);
}

unsigned oracle_conns_of(const struct oracle_conns *t, uint32_t port)
{
	unsigned n = 0;

	for (size_t i = 0; i < t->n; i++)
		n += t->v[i].port == port;
	return n;
}

unsigned oracle_conns_sweep(struct oracle_conns *t, uint64_t now)
{
	unsigned gone = 0;

	for (size_t i = 0; i < t->n;) {
		if (!oracle_conn_is_idle(&t->v[i], now)) {
			i++;
			continue;
		}
		oracle_conn_remove(t, &t->v[i]);
		gone++;
	}
	return gone;
}
