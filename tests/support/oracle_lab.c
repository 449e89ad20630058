/* oracle_lab.c: one packet through the gates of a lab. Each function restates a line of semantics 2-6 and 8, or a
 * choice of docs/semantics.md. */
#include "tests/support/oracle_lab.h"
#include <stdlib.h>
#include <string.h>
#include "tests/support/oracle.h"
#include "tests/support/oracle_place.h"
#include "util/mem.h"

enum { ICMP = 1, TCP = 6, UDP = 17, ICMP6 = 58 };
enum { SYN = 2, RST = 4, ACK = 16 };
enum { RULES_OF_ENI_MAX = 512, FRAGS_MAX = 512 };
#define S 1000000000ull

/* A first fragment that was let through. */
struct frag {
	uint32_t port, id, bytes;
	struct oracle_flow flow;
	uint64_t seen_ns;
};

struct oracle_lab {
	struct oracle_place at;
	struct oracle_conns conns;
	struct oracle_conns untracked; /* what interfaces have sent without an entry: port, flow, seen_ns */
	struct frag frags[FRAGS_MAX];
	unsigned n_frags; /* grows; the oldest is overwritten */
};

/* One packet on its way. */
struct way {
	struct oracle_lab *o;
	const struct oracle_frame *p;
	struct oracle_flow f; /* LATER: with the ports of its first fragment; addresses as they are at this point */
	uint64_t now;
	uint32_t from; /* port that sends */
	struct oracle_answer a;
	bool wants_out, wants_in; /* an entry of its own at the sender, at the receiver */
};

struct oracle_lab *oracle_lab_new(const struct model *m, bool six)
{
	struct oracle_lab *o = xcalloc(1, sizeof(*o));

	o->at = (struct oracle_place){ m, six };
	return o;
}

void oracle_lab_set(struct oracle_lab *o, const struct model *m)
{
	o->at.m = m;
}

void oracle_lab_free(struct oracle_lab **o)
{
	if (*o)
		oracle_conns_done(&(*o)->conns), oracle_conns_done(&(*o)->untracked);
	free(*o);
	*o = NULL;
}

struct oracle_conns *oracle_lab_conns(struct oracle_lab *o)
{
	return &o->conns;
}

/* ---- rules ---- */

struct rule_set {
	struct oracle_rule v[RULES_OF_ENI_MAX];
	uint32_t number[RULES_OF_ENI_MAX];
	struct oracle_rules rules;
};

static void rules_add(const struct model *m, const struct rule_list *l, bool portless, struct rule_set *s)
{
	for (uint32_t i = 0; i < l->n; i++) {
		const struct model_rule *r = &l->v[i];
		struct oracle_rule *to = &s->v[s->rules.n];

		if (portless && (r->rule.n_ports || r->rule.icmp_type >= 0))
			continue;
		if (s->rules.n == RULES_OF_ENI_MAX)
			abort();
		*to = (struct oracle_rule){ .rule = &r->rule, .order = r->order };
		if (r->rule.peer_kind == PEER_GROUP)
			to->group = r->peer_index;
		if (r->rule.peer_kind == PEER_PREFIX_LIST) {
			to->list = m->prefix_lists[r->peer_index].entries;
			to->n_list = m->prefix_lists[r->peer_index].n_entries;
		}
		s->number[s->rules.n++] = r->number;
	}
	s->rules.v = s->v;
}

static void groups_rules(const struct model *m, const struct eni *e, enum rule_dir dir, struct rule_set *s)
{
	s->rules.n = 0;
	s->rules.v = s->v;
	for (uint32_t i = 0; i < e->n_groups; i++)
		rules_add(m, &m->security_groups[e->groups[i]].dir[dir], false, s);
}

/* peer: the interface at the other end when it is a direct neighbour and owns the address. */
static struct oracle_query query_of(const struct way *w, bool out, const struct eni *peer)
{
	const struct oracle_flow *f = &w->f;
	struct oracle_query q = { .family = f->family, .peer = out ? f->dst : f->src, .proto = f->proto };

	if (peer) {
		q.groups = peer->groups;
		q.n_groups = peer->n_groups;
	}
	if (f->proto == TCP || f->proto == UDP)
		q.port = f->b;
	q.icmp_type = (uint8_t)(f->b >> 8);
	q.icmp_code = (uint8_t)f->b;
	return q;
}

/* ---- gates ---- */

static bool deny(struct way *w, enum abi_gate gate, uint32_t rule)
{
	w->a.allow = false;
	w->a.gate = gate;
	w->a.deny_rule = rule;
	return false;
}

/* The ACL of the interface's subnet: first match, else the implicit * (semantics 6). */
static bool nacl_admits(struct way *w, const struct eni *e, bool out)
{
	static struct rule_set s;
	const struct nacl *n = &w->o->at.m->nacls[w->o->at.m->subnets[e->subnet].nacl];
	const bool portless = w->p->frag == ORACLE_LATER && w->o->at.m->strict_fragments;
	struct oracle_query q = query_of(w, out, NULL);
	int r;

	s.rules.n = 0;
	s.rules.v = s.v;
	rules_add(w->o->at.m, &n->dir[out ? RULE_OUT : RULE_IN], portless, &s);
	r = oracle_match(s.rules, &q);
	if (r >= 0 && s.v[r].rule->allow) {
		w->a.rule[out ? ORACLE_AT_NACL_OUT : ORACLE_AT_NACL_IN] = s.number[r];
		return true;
	}
	return deny(w, out ? ABI_GATE_NACL_OUT : ABI_GATE_NACL_IN,
		    r < 0 ? n->star[out ? RULE_OUT : RULE_IN] : s.number[r]);
}

/* A SYN on a connection that is closing begins another one. */
static bool begins_anew(const struct way *w, const struct oracle_conn *c)
{
	return c && oracle_conn_is_closing(c) && w->p->frag != ORACLE_LATER && (w->p->tcp_flags & (SYN | ACK)) == SYN;
}

/* The live connection of an interface that this packet belongs to. */
static struct oracle_conn *connection(struct way *w, uint32_t port, const struct oracle_flow *f)
{
	struct oracle_conn *c = oracle_conn_live(&w->o->conns, port, f, w->now);

	return begins_anew(w, c) ? NULL : c;
}

/* The live connection that an ICMP error is about, as this interface sends it. */
static struct oracle_conn *related(struct way *w, uint32_t port, bool out)
{
	struct oracle_flow f = out ? oracle_flow_back(&w->p->about) : w->p->about;

	if (!w->p->is_error || w->o->at.m->strict_icmp)
		return NULL;
	if (!out && !oracle_addr_eq(&w->f.dst, &w->p->flow.dst)) /* came in by a gateway, which translates that too */
		f.src = w->f.dst;
	if (!oracle_addr_eq(&w->f.dst,
			    out ? &w->p->about.src : &f.src)) /* it tells who has sent the packet, nobody else */
		return NULL;
	return oracle_conn_live(&w->o->conns, port, &f, w->now);
}

static bool opens(const struct way *w);
static bool is_untracked(const struct way *w, const struct eni *e, bool out);
static bool answers_untracked(const struct way *w, struct oracle_rules mine, struct oracle_rules other,
			      struct oracle_query q);
static uint64_t timer(const struct model *m, uint32_t own_s, uint64_t default_s);

/* The groups of an interface: a connection, else an ICMP error of one, else the rules. */
static bool groups_admit(struct way *w, const struct eni *e, bool out, struct oracle_conn *conn, const struct eni *peer)
{
	static struct rule_set mine, answers;
	uint32_t *rule = &w->a.rule[out ? ORACLE_AT_SG_OUT : ORACLE_AT_SG_IN];
	enum oracle_how *how = out ? &w->a.how_out : &w->a.how_in;
	const enum rule_dir dir = out ? RULE_OUT : RULE_IN;
	struct oracle_query q = query_of(w, out, peer);
	int r;

	*how = conn ? ORACLE_TRACKED : ORACLE_RELATED;
	if (!conn)
		conn = related(w, e->obj.number, out);
	if (conn) {
		*rule = conn->rule;
		return true;
	}
	*how = ORACLE_BY_RULE;
	groups_rules(w->o->at.m, e, dir, &mine);
	groups_rules(w->o->at.m, e, !dir, &answers);
	r = oracle_match(mine.rules, &q);
	if (r < 0)
		return deny(w, out ? ABI_GATE_SG_OUT : ABI_GATE_SG_IN, 0);
	*rule = mine.number[r];
	*(out ? &w->wants_out : &w->wants_in) =
		!oracle_untracked(mine.rules, answers.rules, &q) &&
		(opens(w) || (!answers_untracked(w, mine.rules, answers.rules, q) && !is_untracked(w, e, out)));
	return true;
}

/* Is it surely the first packet of its flow? */
static bool opens(const struct way *w)
{
	return w->f.proto == TCP && w->p->frag != ORACLE_LATER && (w->p->tcp_flags & (SYN | ACK)) == SYN;
}

/* A flow is tracked or not from its beginning on (semantics 5.3, 19.2): is the interface in the middle of an
 * untracked one? */
static bool is_untracked(const struct way *w, const struct eni *e, bool out)
{
	const struct model *m = w->o->at.m;
	const struct oracle_flow own = out ? w->f : oracle_flow_back(&w->f);
	const struct oracle_conn *c = oracle_conn_at(&w->o->untracked, e->obj.number, &own);

	if (!c || (w->f.proto != TCP && w->f.proto != UDP))
		return false;
	return w->now <= c->seen_ns + (w->f.proto == TCP ? timer(m, e->tcp_established_s, 432000)
							 : timer(m, e->udp_stream_s, 180));
}

/* May it be of a flow that somebody opened from the other side, and that is untracked (semantics 5.3)? */
static bool answers_untracked(const struct way *w, struct oracle_rules mine, struct oracle_rules other,
			      struct oracle_query q)
{
	q.port = w->f.a; /* the packet that it answers goes there */
	return oracle_untracked(other, mine, &q);
}

/* ---- routes ---- */

enum hop { HOP_NONE, HOP_ENI, HOP_IGW, HOP_PCX };
struct next {
	enum hop kind;
	const struct eni *eni;
	uint32_t index; /* gateway, peering connection */
	uint32_t route; /* number; of the route that leads nowhere too */
};

static struct next next_of(const struct way *w, const struct eni *from)
{
	const struct model *m = w->o->at.m;
	const uint32_t vpc = oracle_vpc_of(m, from);
	const struct route_table *t = &m->route_tables[m->subnets[from->subnet].route_table];
	const struct route *r;
	struct next n = { HOP_NONE, NULL, NONE, 0 };

	if (w->p->mac) { /* a neighbour's: no routes (semantics 2.1) */
		n.eni = oracle_eni_of_port(m, w->p->mac);
		if (n.eni && n.eni->subnet == from->subnet && n.eni != from)
			n.kind = HOP_ENI;
		return n;
	}
	r = oracle_is_v4(&w->f.dst) ? oracle_route_of(t, &w->f.dst) : oracle_route_six(&w->o->at, t, &w->f.dst);
	if (!r)
		return n;
	n.route = r->number;
	if (r->target == TARGET_LOCAL) {
		n.eni = oracle_owner_of(&w->o->at, vpc, &w->f.dst);
		n.kind = n.eni && n.eni != from ? HOP_ENI : HOP_NONE; /* what is its own never leaves it */
	} else if (r->blackhole || r->target_index == NONE) {
		n.kind = HOP_NONE;
	} else if (r->target == TARGET_IGW) {
		n.kind = HOP_IGW;
		n.index = r->target_index;
	} else if (r->target == TARGET_PCX) {
		n.kind = HOP_PCX;
		n.index = r->target_index;
	} else {
		n.eni = oracle_target_eni(m, r);
		n.kind = n.eni && n.eni != from ? HOP_ENI : HOP_NONE; /* not back where it comes from */
	}
	return n;
}

/* ---- arrival ---- */

/* Is it of a connection that somebody else opened, or something that can only answer or report without any? A gateway that
 * did not see the request does not carry it (docs/semantics.md). */
static bool answers_the_unseen(struct way *w)
{
	const struct oracle_conn *mine;

	if (w->f.proto == ICMP)
		switch (w->f.b >> 8) {
		case 8:
		case 13:
		case 15:
		case 17: return false; /* the questions of ICMP */
		default: return !w->p->is_error;
		}
	if (w->f.proto != TCP)
		return false;
	mine = connection(w, w->from, &w->f);
	if (mine)
		return mine->inbound;
	return (w->p->tcp_flags & (SYN | ACK)) == (SYN | ACK) || w->p->tcp_flags & RST;
}

/* A NAT gateway takes TCP, UDP and ICMP from interfaces of its VPC, and answers to what it sent (semantics 4.1). */
static bool nat_admits(struct way *w, const struct eni *e, const struct oracle_conn *conn)
{
	const uint8_t proto = w->f.proto;
	const struct eni *src = oracle_owner_of(&w->o->at, oracle_vpc_of(w->o->at.m, e), &w->f.src);

	if ((proto != TCP && proto != UDP && proto != ICMP) || (w->p->frag != ORACLE_WHOLE && proto != UDP))
		return deny(w, ABI_GATE_NAT, 0);
	if (!oracle_owns(&w->o->at, e, &w->f.dst))
		return src && !answers_the_unseen(w) ? true : deny(w, ABI_GATE_NAT, 0);
	return conn || related(w, e->obj.number, false) ? true : deny(w, ABI_GATE_NAT, 0);
}

/* direct: the sender when it owns the source address and nothing stands between. */
static bool arrives(struct way *w, const struct eni *e, bool crossing, const struct eni *direct, bool owns_dst)
{
	struct oracle_flow mine = oracle_flow_back(&w->f);
	struct oracle_conn *conn;

	w->a.peer = e->obj.number;
	if (!oracle_is_attached(e))
		return deny(w, ABI_GATE_ROUTE, w->a.rule[ORACLE_AT_ROUTE]);
	if (crossing && !nacl_admits(w, e, false))
		return false;
	if (e->owner != ENI_OF_NAT_GATEWAY && e->source_dest_check && !owns_dst)
		return deny(w, ABI_GATE_DEST_CHECK, 0);
	conn = connection(w, e->obj.number, &mine);
	if (e->owner == ENI_OF_NAT_GATEWAY)
		return nat_admits(w, e, conn);
	return groups_admit(w, e, false, conn, direct);
}

/* ---- departure ---- */

/* Out by a gateway: a public address behind the source, no private destination, no forged error (semantics 3.1). */
static bool leaves_by_igw(struct way *w, const struct eni *from, const struct next *n)
{
	const struct model *m = w->o->at.m;
	const uint32_t vpc = oracle_vpc_of(m, from);
	const struct addr *public_ip = oracle_public_of(oracle_owner_of(&w->o->at, vpc, &w->f.src), &w->f.src);
	const struct igw *igw = &m->igws[n->index];
	const struct route *in;

	w->a.peer = igw->port;
	if (oracle_owner_of(&w->o->at, vpc, &w->f.dst) || !public_ip || oracle_is_private(&w->f.dst) ||
	    (w->p->is_error && !oracle_addr_eq(&w->p->about.dst, &w->f.src)))
		return deny(w, ABI_GATE_IGW, n->route);
	if (igw->edge_table != NONE) { /* who sees the way in must see the way out */
		in = oracle_route_of(&m->route_tables[igw->edge_table], &w->f.src);
		if (in && in->target != TARGET_LOCAL && oracle_target_eni(m, in) && oracle_target_eni(m, in) != from)
			return deny(w, ABI_GATE_IGW, n->route);
	}
	w->a.got.src = *public_ip;
	return true;
}

static bool leaves_by_peering(struct way *w, const struct eni *from, const struct next *n)
{
	const struct peering *pcx = &w->o->at.m->peerings[n->index];
	const uint32_t vpc = oracle_vpc_of(w->o->at.m, from);
	const int near = pcx->vpcs[1] == vpc;

	w->a.peer = pcx->ports[near];
	if (!oracle_in_vpc(&w->o->at, vpc, &w->f.src) || !oracle_in_vpc(&w->o->at, pcx->vpcs[!near], &w->f.dst))
		return deny(w, ABI_GATE_PEERING, n->route);
	return true;
}

/* Whose groups a rule of the sender can name: the next hop's if it is where the packet ends, in this VPC or the peer's. */
static const struct eni *named_peer(const struct way *w, const struct eni *from, const struct next *n)
{
	const struct peering *pcx;

	if (n->kind == HOP_ENI)
		return oracle_owns(&w->o->at, n->eni, &w->f.dst) ? n->eni : NULL;
	if (n->kind != HOP_PCX)
		return NULL;
	pcx = &w->o->at.m->peerings[n->index];
	if (pcx->cross_region)
		return NULL;
	return oracle_owner_of(&w->o->at, pcx->vpcs[pcx->vpcs[1] != oracle_vpc_of(w->o->at.m, from)], &w->f.dst);
}

static bool dhcp_answer(const struct oracle_flow *f)
{
	if (f->proto != UDP)
		return false;
	return f->family == 4 ? f->a == 67 && f->b == 68 : f->a == 547 && f->b == 546;
}

/* semantics 8.1, then 8.2. */
static bool from_eni(struct way *w, const struct eni *e)
{
	const uint32_t vpc = oracle_vpc_of(w->o->at.m, e), me = e->obj.number;
	const bool nat = e->owner == ENI_OF_NAT_GATEWAY, mine = oracle_owns(&w->o->at, e, &w->f.src);
	struct oracle_conn *conn;
	struct next n;
	bool crossing;

	if (!nat && e->source_dest_check && !mine)
		return deny(w, ABI_GATE_SOURCE_CHECK, 0);
	if (oracle_is_nowhere(&w->f.dst) || dhcp_answer(&w->f))
		return deny(w, ABI_GATE_PARSE, 0);
	if (oracle_is_service(&w->f.dst) || oracle_is_reserved(w->o->at.m, vpc, &w->f.dst))
		return deny(w, ABI_GATE_SERVICE, 0);
	conn = connection(w, me, &w->f);
	n = next_of(w, e);
	if (!nat && !groups_admit(w, e, true, conn, named_peer(w, e, &n)))
		return false;
	crossing = n.kind != HOP_ENI || n.eni->subnet != e->subnet;
	if (crossing && !nacl_admits(w, e, true))
		return false;
	w->a.rule[ORACLE_AT_ROUTE] = n.route;
	if (n.kind == HOP_NONE)
		return deny(w, ABI_GATE_ROUTE, n.route);
	if (nat)
		w->wants_out = mine;
	if (n.kind == HOP_IGW)
		return leaves_by_igw(w, e, &n);
	if (n.kind == HOP_PCX)
		return leaves_by_peering(w, e, &n);
	if (!arrives(w, n.eni, crossing, mine ? e : NULL, oracle_owns(&w->o->at, n.eni, &w->f.dst)))
		return false;
	/* what goes through a NAT gateway is tracked whatever the rules (semantics 5.3) */
	if (n.eni->owner == ENI_OF_NAT_GATEWAY && w->a.how_out == ORACLE_BY_RULE && !nat)
		w->wants_out = true;
	if (nat && w->a.how_in == ORACLE_BY_RULE && n.eni->owner != ENI_OF_NAT_GATEWAY)
		w->wants_in = true;
	return true;
}

/* ---- gateways, peering, the internet ---- */

static bool from_igw(struct way *w, const struct igw *igw)
{
	const struct model *m = w->o->at.m;
	const struct addr *private_ip = NULL;
	const struct eni *owner = oracle_behind(m, &w->f.dst, &private_ip), *to = owner;
	const struct route *r;

	if (oracle_is_private(&w->f.src) || !owner || oracle_vpc_of(m, owner) != igw->vpc ||
	    (w->p->is_error && !oracle_addr_eq(&w->p->about.src, &w->f.dst)))
		return deny(w, ABI_GATE_IGW, 0);
	w->f.dst = w->a.got.dst = *private_ip;
	if (igw->edge_table != NONE) {
		r = oracle_route_of(&m->route_tables[igw->edge_table], private_ip);
		if (!r)
			return deny(w, ABI_GATE_ROUTE, 0);
		w->a.rule[ORACLE_AT_ROUTE] = r->number;
		if (r->target != TARGET_LOCAL) {
			to = oracle_target_eni(m, r);
			if (!to || (to->owner != ENI_OF_NAT_GATEWAY && addr_is_zero(&to->addrs[0].public_ip)))
				return deny(w, ABI_GATE_ROUTE, r->number);
		}
	}
	return arrives(w, to, true, NULL, to == owner);
}

/* end: of the connection, in whose VPC the packet arrives. */
static bool from_peering(struct way *w, const struct peering *pcx, int end)
{
	const struct eni *src = oracle_owner_of(&w->o->at, pcx->vpcs[!end], &w->f.src),
			 *to = oracle_owner_of(&w->o->at, pcx->vpcs[end], &w->f.dst);

	if (!oracle_in_vpc(&w->o->at, pcx->vpcs[!end], &w->f.src) ||
	    !oracle_in_vpc(&w->o->at, pcx->vpcs[end], &w->f.dst))
		return deny(w, ABI_GATE_PEERING, 0);
	if (!to)
		return deny(w, ABI_GATE_ROUTE, 0);
	return arrives(w, to, true, pcx->cross_region ? NULL : src, true);
}

/* Whose address on the lab's internet it is. */
static bool has_owner(const struct model *m, const struct addr *a)
{
	const struct addr *private_ip;

	for (uint32_t i = 0; i < m->n_hosts; i++)
		if (oracle_addr_eq(&m->hosts[i].addr, a))
			return true;
	return oracle_behind(m, a, &private_ip) != NULL;
}

/* Not what RFC 1918, 6598 and the registry of special addresses keep from the internet. */
static bool is_of_the_world(const struct addr *a)
{
	static const char *const kept[] = { "0.0.0.0/8",      "10.0.0.0/8",    "100.64.0.0/10",  "127.0.0.0/8",
					    "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3" };

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		struct prefix p;

		if (prefix_parse(kept[i], &p, NULL) == 0 && oracle_in_prefix(&p, a))
			return false;
	}
	return addr_family(a) == FAMILY_V4;
}

static bool over_internet(struct way *w, const struct host *from)
{
	const struct model *m = w->o->at.m;
	const struct addr *private_ip;
	const struct eni *e;

	if (from && !oracle_addr_eq(&from->addr, &w->f.src))
		return deny(w, ABI_GATE_INTERNET, 0);
	for (uint32_t i = 0; i < m->n_hosts; i++)
		if (oracle_addr_eq(&m->hosts[i].addr, &w->f.dst)) {
			w->a.peer = m->hosts[i].port;
			return true;
		}
	e = oracle_behind(m, &w->f.dst, &private_ip);
	if (e) {
		w->a.peer = m->igws[m->vpcs[oracle_vpc_of(m, e)].igw].inet_port;
		return true;
	}
	for (uint32_t i = 0; i < m->n_vpcs; i++)
		for (uint32_t k = 0; k < m->vpcs[i].n_cidrs; k++)
			if (oracle_in_prefix(&m->vpcs[i].cidrs[k], &w->f.dst))
				return deny(w, ABI_GATE_IGW, 0);
	if (!m->uplink.on || w->from == m->uplink.port || !is_of_the_world(&w->f.dst))
		return deny(w, ABI_GATE_INTERNET, 0);
	w->a.peer = m->uplink.port;
	return true;
}

static bool judged(struct way *w)
{
	const struct model *m = w->o->at.m;
	const struct eni *e = oracle_eni_of_port(m, w->from);

	if (e)
		return from_eni(w, e);
	for (uint32_t i = 0; i < m->n_igws; i++) {
		if (m->igws[i].vpc != NONE && m->igws[i].port == w->from)
			return from_igw(w, &m->igws[i]);
		if (m->igws[i].vpc != NONE && m->igws[i].inet_port == w->from)
			return over_internet(w, NULL);
	}
	for (uint32_t i = 0; i < m->n_peerings; i++)
		for (int end = 0; end < 2; end++)
			if (m->peerings[i].ports[end] == w->from)
				return from_peering(w, &m->peerings[i], end);
	for (uint32_t i = 0; i < m->n_hosts; i++)
		if (m->hosts[i].port == w->from)
			return over_internet(w, &m->hosts[i]);
	if (m->uplink.on && m->uplink.port == w->from)
		return has_owner(m, &w->f.src) ? deny(w, ABI_GATE_INTERNET, 0) : over_internet(w, NULL);
	return deny(w, ABI_GATE_SOURCE_CHECK, 0);
}

/* ---- fragments ---- */

static struct frag *first_of(struct way *w)
{
	const struct oracle_flow *f = &w->p->flow;

	for (unsigned i = 0; i < FRAGS_MAX; i++) {
		struct frag *g = &w->o->frags[i];

		if (g->port == w->from && g->id == w->p->frag_id && g->flow.family == f->family &&
		    g->flow.proto == f->proto && oracle_addr_eq(&g->flow.src, &f->src) &&
		    oracle_addr_eq(&g->flow.dst, &f->dst))
			return g;
	}
	return NULL;
}

static void first_keep(struct way *w)
{
	struct frag *g = first_of(w);

	if (!g)
		g = &w->o->frags[w->o->n_frags++ % FRAGS_MAX];
	*g = (struct frag){ w->from, w->p->frag_id, w->p->bytes, w->p->flow, w->now };
}

/* What cannot be read dies: a family the port has not, a first fragment without its whole transport header, a
 * later one without its first or over its bytes. */
static bool readable(struct way *w)
{
	const struct oracle_frame *p = w->p;
	const unsigned header = p->flow.proto == TCP                                                            ? 20
				: p->flow.proto == UDP || p->flow.proto == (p->flow.family == 4 ? ICMP : ICMP6) ? 8
														: 0;
	const struct frag *g;

	if (p->flow.family == 6 && (!w->o->at.six || !oracle_eni_of_port(w->o->at.m, w->from)))
		return false;
	if (p->frag != ORACLE_LATER)
		return p->bytes >= header;
	g = first_of(w);
	if (!g || w->now - g->seen_ns > 30 * S / w->o->at.m->clock || p->frag_off < g->bytes)
		return false;
	w->f.a = g->flow.a;
	w->f.b = g->flow.b;
	return true;
}

/* ---- state ---- */

static void saw(struct way *w, struct oracle_conn *c, bool sent)
{
	c->seen_ns = w->now;
	if (w->p->frag == ORACLE_LATER) /* part of the packet that was counted */
		return;
	c->packets[!sent]++;
	if (w->f.proto == TCP)
		c->flags[!sent] |= w->p->tcp_flags;
}

static uint64_t timer(const struct model *m, uint32_t own_s, uint64_t default_s)
{
	return (own_s ? own_s : default_s) * S / m->clock;
}

/* A new entry at an interface; what the other end's own entry knows of the connection it knows too. */
static bool begin(struct way *w, uint32_t port, const struct oracle_flow *f, bool inbound, uint32_t other,
		  const struct oracle_flow *other_flow)
{
	const struct model *m = w->o->at.m;
	const struct eni *e = oracle_eni_of_port(m, port);
	struct oracle_conn c = {
		.port = port, .flow = *f, .inbound = inbound, .clock = m->clock, .made_ns = w->now, .seen_ns = w->now
	};
	const struct oracle_conn *there = oracle_conn_at(&w->o->conns, other, other_flow);
	struct oracle_conn *untracked = oracle_conn_at(&w->o->untracked, port, f);

	if (oracle_conns_of(&w->o->conns, port) >= m->conntrack_entries) {
		w->a.gate_port = port;
		return deny(w, ABI_GATE_CONNTRACK, 0);
	}
	for (int i = 0; there && i < 2; i++) {
		c.flags[i] = there->flags[!i];
		c.packets[i] = there->packets[!i];
	}
	c.rule = w->a.rule[inbound ? ORACLE_AT_SG_IN : ORACLE_AT_SG_OUT];
	c.tcp_established_ns = timer(m, e->tcp_established_s, 432000);
	c.udp_ns = timer(m, e->udp_s, 30);
	c.udp_stream_ns = timer(m, e->udp_stream_s, 180);
	oracle_conn_add(&w->o->conns, &c);
	if (untracked)
		oracle_conn_remove(&w->o->untracked, untracked);
	return true;
}

static void sent_untracked(struct way *w)
{
	struct oracle_conn c = { .port = w->from, .flow = w->f },
			   *there = oracle_conn_at(&w->o->untracked, w->from, &w->f);

	if (!there)
		there = oracle_conn_add(&w->o->untracked, &c);
	there->seen_ns = w->now;
}

/* What a delivered packet leaves. Both ends need their entry, or it is not delivered. Errors, and later fragments
 * where those are judged one by one, leave nothing. */
static bool remembered(struct way *w)
{
	struct oracle_conns *t = &w->o->conns;
	struct oracle_flow there = w->a.got, back;
	struct oracle_conn *c;
	bool out_new, in_new;

	if (w->p->is_error || (w->p->frag == ORACLE_LATER && w->o->at.m->strict_fragments))
		return true;
	there.a = w->f.a;
	there.b = w->f.b;
	there.dst = w->f.dst;
	there.src = w->f.src;
	back = oracle_flow_back(&there);
	for (int end = 0; end < 2; end++) { /* the new connection takes the place of the one that was closing */
		c = end ? oracle_conn_at(t, w->a.peer, &back) : oracle_conn_at(t, w->from, &w->f);
		if (begins_anew(w, c))
			oracle_conn_remove(t, c);
	}
	out_new = w->wants_out && !oracle_conn_at(t, w->from, &w->f);
	in_new = w->wants_in && !oracle_conn_at(t, w->a.peer, &back);
	if (out_new && !begin(w, w->from, &w->f, false, w->a.peer, &back))
		return false;
	if (in_new && !begin(w, w->a.peer, &back, true, w->from, &w->f)) {
		if (out_new)
			oracle_conn_remove(t, oracle_conn_at(t, w->from, &w->f));
		return false;
	}
	c = oracle_conn_at(t, w->from, &w->f);
	if (c)
		saw(w, c, true);
	else
		sent_untracked(w);
	c = oracle_conn_at(t, w->a.peer, &back);
	if (c)
		saw(w, c, false);
	return true;
}

struct oracle_answer oracle_lab_pass(struct oracle_lab *o, uint32_t port, const struct oracle_frame *p, uint64_t now)
{
	struct way w = { .o = o, .p = p, .f = p->flow, .now = now, .from = port };

	w.a.allow = true;
	if (!readable(&w)) {
		deny(&w, ABI_GATE_PARSE, 0);
		return w.a;
	}
	w.a.got = w.f;
	if (judged(&w) && remembered(&w) && p->frag == ORACLE_FIRST)
		first_keep(&w);
	return w.a;
}
