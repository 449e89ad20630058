/* trial.c: carries one packet and its reply from port to port through the filter of room 2, and
 * writes down every gate. Pure. What BPF leaves to the kernel is done here: the two ends of the internet
 * link, NAT gateways, instances that forward. */
#include <stdio.h>
#include <string.h>
#include "filters/world.h"
#include "filters/verdict.h"
#include "path/trial.h"
#include "util/mem.h"

enum { PACKET_LEN = 60, PACKET_HEADERS = 40 };

struct packet {
	uint32_t port; /* who sends it now */
	struct addr src, dst;
	uint16_t sport, dport; /* ICMP: identifier; type << 8 | code */
	uint8_t proto, tcp_flags;
	uint8_t natted;                      /* NATTED_… */
	const struct eni *src_nat, *dst_nat; /* whose address it is, when a NAT gateway put it there; NULL */
};
struct nat_entry { /* what a NAT gateway remembers of the forward leg */
	uint32_t eni;
	struct addr src;
	uint16_t sport;
	uint8_t natted;
	const struct eni *src_nat;
};
struct handed { /* to an interface that is to send it on */
	uint32_t eni;
	struct addr dst;
};
struct trip {
	struct walker *w;
	const struct flow *f;
	struct trial *t;
	enum walk_leg leg;
	struct nat_choice choice;
	unsigned hops;
	struct nat_entry nats[WALK_NATS_MAX];
	unsigned n_nats;
	struct handed handed[1 + WALK_HOPS_MAX]; /* on this leg; the sender has it first */
	unsigned n_handed;
	uint32_t stray; /* the NAT gateway, an ENI, that the answer left by and the request did not pass; NONE */
};
enum arrival { ARRIVAL_DENIED, ARRIVAL_HERE };

static void state_forget(struct world *w);
static void packet_first(const struct trip *t, struct packet *p);
static void packet_reply(const struct trip *t, struct packet *p);
static enum arrival travel(struct trip *t, struct packet *p);
static bool hop(struct trip *t, struct packet *p, uint32_t *ret_to);
static void ask(const struct trip *t, struct pass *x);
static bool instance_sends(const struct trip *t, struct packet *p, const struct eni *at);
static bool nobody_answers(struct trip *t, const struct packet *p);
static bool comes_back(struct trip *t, const struct packet *p, const struct outcome *o);
static bool hand_over(struct trip *t, uint32_t eni, const struct addr *dst);
static bool nat_pass(struct trip *t, struct packet *p, uint32_t eni);
static uint32_t neighbour_port(const struct trip *t, const struct packet *p);
static void hop_write(struct trip *t, const struct packet *p, const struct outcome *o);
static bool gate_write(struct trip *t, const struct packet *p, const struct outcome *o, enum abi_gate gate);
static const struct abi_port *port_row(const struct trip *t, uint32_t port);
static struct walk_step *step_add(struct trip *t, const struct packet *p, enum abi_gate gate, uint32_t port);
static void deny_add(struct trip *t, const struct packet *p, enum abi_gate gate, uint32_t port, enum abi_reason reason);
static void last_deny(struct trip *t, uint32_t port, enum abi_reason reason);
static void translation_note(const struct trip *t, struct walk_step *s, const char *what, const struct addr *from,
			     const struct addr *to, const struct eni *any);
static struct addr_choice choice_of(const struct eni *nat, const struct addr *a);
static void uplink_write(struct trip *t, const struct packet *p);
static bool eni_has(const struct eni *eni, const struct addr *a);
static bool came_back(const struct trip *t, const struct packet *p);
static bool is_own_loop(const struct model *m, const struct flow *f);
static bool source_is_nobody(const struct trip *t, const struct outcome *o, const struct packet *p);
static void stray_note(const struct trip *t, enum stray what);

/* Whoever is in another VPC may have meant the private address, to see where its own tables lead it. */
static void no_public_text(const struct model *m, const struct flow *f, char *buf, size_t size)
{
	const char *name = m->enis[f->dst.index].obj.name;
	char addr[ADDR_STRLEN];

	if (f->src.kind == END_ENI)
		snprintf(buf, size, "%s has no public address; %s@%s is its private one", name, name,
			 addr_format(&f->dst_addr, addr));
	else
		snprintf(buf, size, "%s has no public address", name);
}

/* Of a zone that is out: nothing is sent, whatever it is for. */
static bool link_is_down(const struct model *m, const struct flow_end *end)
{
	return end->kind == END_ENI && model_subnet_is_out(m, m->enis[end->index].subnet);
}

void trial_run(struct walker *w, const struct flow *f, struct nat_choice choice, struct trial *ret)
{
	struct trip t = { .w = w, .f = f, .t = ret, .choice = choice, .stray = NONE };
	struct packet p;

	*ret = (struct trial){ 0 };
	state_forget(w->world);
	packet_first(&t, &p);
	if (f->no_public && !link_is_down(w->m, &f->src)) {
		uint32_t igw = w->m->vpcs[model_eni_vpc(w->m, f->dst.index)].igw;

		deny_add(&t, &p, ABI_GATE_IGW, igw == NONE ? 0 : w->m->igws[igw].port,
			 ABI_REASON_IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS);
		if (igw == NONE)
			ret->walk.steps[0].loc = w->m->vpcs[model_eni_vpc(w->m, f->dst.index)].obj.loc;
		no_public_text(w->m, f, ret->walk.steps[0].reason_more, sizeof(ret->walk.steps[0].reason_more));
		return;
	}
	ret->walk.allow = true;
	if (is_own_loop(w->m, f)) /* never leaves the instance: semantics 5.4 */
		return;
	if (!p.port) {
		deny_add(&t, &p, ABI_GATE_INTERNET, 0, ABI_REASON_UNKNOWN_DESTINATION);
		return;
	}
	if (f->src.kind == END_ENI)
		hand_over(&t, f->src.index, &f->dst_addr);
	if (travel(&t, &p) == ARRIVAL_DENIED || !walk_is_answered(f))
		return;
	t.leg = LEG_RETURN;
	t.hops = t.n_handed = 0;
	packet_reply(&t, &p);
	if (travel(&t, &p) == ARRIVAL_DENIED) {
		stray_note(&t, STRAY_DENIED);
	} else if (t.stray != NONE) {
		deny_add(&t, &p, ABI_GATE_NAT, w->m->enis[t.stray].obj.number, ABI_REASON_NGW_SOURCE_ADDRESS_REASSIGN);
		stray_note(&t, STRAY_ARRIVED);
	} else if (!came_back(&t, &p)) {
		deny_add(&t, &p, ABI_GATE_ROUTE, p.port, ABI_REASON_NO_POSSIBLE_DESTINATION);
		snprintf(ret->walk.steps[ret->walk.denied].reason_more, sizeof(ret->walk.steps[0].reason_more),
			 "the reply goes to whom the source address belongs to, not back to the sender");
	}
}

bool walk_is_answered(const struct flow *f)
{
	return f->proto != PKT_PROTO_ICMP || icmp_type_is_answered(f->proto, f->icmp_type);
}

void trial_done(struct trial *t)
{
	walk_done(&t->walk);
	free(t->natted);
	t->natted = NULL;
}

static int flow_forget(void *ctx, const void *key, void *value)
{
	struct abi_flow_key k = *(const struct abi_flow_key *)key; /* key goes with its entry */

	(void)value;
	flow_delete(ctx, &k);
	return 0;
}

static int cache_forget(void *ctx, const void *key, void *value)
{
	(void)value;
	host_map_delete(ctx, key);
	return 0;
}

/* Every walk begins with no connections. */
static void state_forget(struct world *w)
{
	host_map_each(w->flows, flow_forget, w);
	host_map_each(w->cache, cache_forget, w->cache);
}

/* An address that nobody in the lab owns sends from somewhere on the internet: the packet shows up
 * where the destination's internet gateway takes it in. */
static void packet_first(const struct trip *t, struct packet *p)
{
	const struct flow *f = t->f;
	const struct model *m = t->w->m;
	uint32_t igw = NONE;

	*p = (struct packet){ .port = f->src.port,
			      .src = f->src.addr,
			      .dst = f->dst_addr,
			      .sport = f->sport,
			      .dport = f->dport,
			      .proto = f->proto };
	if (f->proto == PKT_PROTO_ICMP)
		p->dport = (uint16_t)(f->icmp_type << 8 | f->icmp_code);
	else if (f->proto != PKT_PROTO_TCP && f->proto != PKT_PROTO_UDP)
		p->sport = p->dport = 0;
	if (f->proto == PKT_PROTO_TCP)
		p->tcp_flags = t->w->tracked ? TCP_ACK : TCP_SYN;
	/* From an address that is none of its own an instance sends as it forwards. */
	if (f->src.kind == END_ENI && m->enis[f->src.index].owner == ENI_OF_INSTANCE &&
	    m->enis[f->src.index].owner_index != NONE && !eni_has(&m->enis[f->src.index], &p->src))
		instance_sends(t, p, &m->enis[f->src.index]);
	if (f->src.kind != END_ADDRESS)
		return;
	if (f->dst.kind == END_ENI)
		igw = m->vpcs[model_eni_vpc(m, f->dst.index)].igw;
	else if (f->dst.kind == END_HOST && m->n_igws)
		igw = 0; /* any: between two ends of the internet no gateway is passed */
	if (igw != NONE)
		p->port = f->dst.kind == END_ENI ? m->igws[igw].port : m->igws[igw].inet_port;
}

static void packet_reply(const struct trip *t, struct packet *p)
{
	struct packet q = *p;

	p->src = q.dst;
	p->dst = q.src;
	p->src_nat = q.dst_nat;
	p->dst_nat = q.src_nat;
	if (q.proto == PKT_PROTO_ICMP) {
		p->dport =
			(uint16_t)(icmp_type_reversed(PKT_PROTO_ICMP, (uint8_t)(q.dport >> 8)) << 8 | (q.dport & 0xff));
	} else {
		p->sport = q.dport;
		p->dport = q.sport;
	}
	p->natted = q.natted & NATTED_SPORT ? NATTED_DPORT : 0;
	if (q.proto == PKT_PROTO_TCP)
		p->tcp_flags = t->w->tracked ? TCP_ACK : TCP_SYN | TCP_ACK;
}

/* From p->port until it is delivered or denied; p->port is then who has it. */
static enum arrival travel(struct trip *t, struct packet *p)
{
	const struct model *m = t->w->m;

	for (;;) {
		struct port at;
		const struct eni *eni;
		uint32_t to, link;

		if (t->hops++ == WALK_HOPS_MAX) {
			deny_add(t, p, ABI_GATE_ROUTE, p->port, ABI_REASON_NO_POSSIBLE_DESTINATION);
			snprintf(t->t->walk.steps[t->t->walk.denied].reason_more,
				 sizeof(t->t->walk.steps[0].reason_more), "after %d hops it has not arrived",
				 WALK_HOPS_MAX);
			return ARRIVAL_DENIED;
		}
		if (!hop(t, p, &to))
			return t->t->walk.allow ? ARRIVAL_HERE : ARRIVAL_DENIED;
		at = port_get(t->w->ports, to);
		p->port = to;
		switch (at.owner) {
		case PORT_OF_HOST: return ARRIVAL_HERE;
		case PORT_OF_UPLINK: uplink_write(t, p); return ARRIVAL_HERE;
		case PORT_OF_ENI: break;
		default:
			link = port_row(t, to) ? port_row(t, to)->link : 0;
			if (!link) {
				deny_add(t, p, ABI_GATE_ROUTE, to, ABI_REASON_PORT_DOWN);
				return ARRIVAL_DENIED;
			}
			p->port = link; /* through a gateway or a peering connection to its other end */
			continue;
		}
		eni = &m->enis[at.index];
		if (eni->owner == ENI_OF_NAT_GATEWAY) {
			if (!nat_pass(t, p, at.index))
				return ARRIVAL_DENIED;
		} else if (!instance_sends(t, p, eni)) {
			return ARRIVAL_HERE;
		}
	}
}

/* An instance has a packet: true, and p->port is the interface by which it forwards it, as its Linux
 * would: to a subnet it has an interface in directly, everything else by its first one. False: it
 * is for the instance itself; an answer then leaves by the interface whose address it has. */
static bool instance_sends(const struct trip *t, struct packet *p, const struct eni *at)
{
	const struct model *m = t->w->m;
	const struct instance *in = &m->instances[at->owner_index];
	unsigned best_len = 0;

	for (uint32_t i = 0; i < in->n_enis; i++)
		if (eni_has(&m->enis[in->enis[i]], &p->dst)) {
			p->port = m->enis[in->enis[i]].obj.number;
			return false;
		}
	p->port = m->enis[in->enis[0]].obj.number;
	for (uint32_t i = 0; i < in->n_enis; i++) {
		const struct prefix *cidr = &m->subnets[m->enis[in->enis[i]].subnet].cidr;

		if (!prefix_contains(cidr, &p->dst) || cidr->len <= best_len)
			continue;
		best_len = cidr->len;
		p->port = m->enis[in->enis[i]].obj.number;
	}
	return true;
}

/* What an interface remembers, made where a group would deny the packet: first at the sender, then at the receiver. */
static bool assume(const struct trip *t, const struct pass *x)
{
	struct pass made = { .fresh.flags = ABI_FLOW_TRACKED };
	struct abi_flow_key key = x->p.key;

	if (!t->w->tracked || x->o.allow || (x->o.gate != ABI_GATE_SG_OUT && x->o.gate != ABI_GATE_SG_IN))
		return false;
	if (x->o.gate == ABI_GATE_SG_IN) {
		flow_key_reverse(&x->p.key, x->o.peer, &key);
		key.src = x->dst;
		made.fresh.flags |= ABI_FLOW_INBOUND;
		made.fresh.peer = x->p.key.port;
	}
	return t->w->tracked(t->w->tracked_ctx, &key) && flow_create(t->w->world, &made, &key) == 0;
}

static void ask(const struct trip *t, struct pass *x)
{
	const struct pass first = *x;

	pass_packet(t->w->world, x, ABI_REASON_NONE);
	for (int end = 0; end < 2 && assume(t, x); end++) {
		*x = first;
		pass_packet(t->w->world, x, ABI_REASON_NONE);
	}
}

/* One pass at p->port. False: denied, or nobody but the sender of the flow wants it (allow stays true). */
static bool hop(struct trip *t, struct packet *p, uint32_t *ret_to)
{
	struct pass x = { 0 };

	x.p.key.port = p->port;
	x.p.key.proto = p->proto;
	x.p.key.family = (uint8_t)addr_family(&p->dst);
	x.p.key.src = p->src.a;
	x.p.key.dst = p->dst.a;
	x.p.key.sport[0] = (uint8_t)(p->sport >> 8);
	x.p.key.sport[1] = (uint8_t)p->sport;
	x.p.key.dport[0] = (uint8_t)(p->dport >> 8);
	x.p.key.dport[1] = (uint8_t)p->dport;
	x.p.len = PACKET_LEN;
	x.p.headers = PACKET_HEADERS;
	x.p.segs = 1;
	x.p.ttl = 64;
	x.p.mac_known = 1;
	x.p.tcp_flags = p->tcp_flags;
	x.p.to_port = neighbour_port(t, p);
	if (!x.p.to_port && nobody_answers(t, p))
		return false;
	ask(t, &x);
	if (!x.o.allow && source_is_nobody(t, &x.o, p))
		return false;
	hop_write(t, p, &x.o);
	if (!x.o.allow || comes_back(t, p, &x.o))
		return false;
	if (x.o.flags & ABI_FLOW_SNAT)
		p->src.a = x.o.xaddr;
	if (x.o.flags & ABI_FLOW_DNAT)
		p->dst.a = x.o.xaddr;
	*ret_to = x.o.peer;
	return true;
}

/* In its own subnet a sender asks for a neighbour's MAC address. Where nobody has the address, nobody answers, and
 * nothing is sent: the local route leads to nobody. */
static bool nobody_answers(struct trip *t, const struct packet *p)
{
	const struct model *m = t->w->m;
	const struct port at = port_get(t->w->ports, p->port);
	const struct abi_port *row = port_row(t, p->port);
	const struct route_table *table;
	struct abi_addr_key key;
	const struct subnet *s;

	if (at.owner != PORT_OF_ENI || !row || !row->kind)
		return false;
	s = &m->subnets[m->enis[at.index].subnet];
	memset(&key, 0, sizeof(key));
	key.vpc = row->vpc;
	key.addr = p->dst.a;
	if (!prefix_contains(&s->cidr, &p->dst) || host_map_lookup(t->w->world->addrs, &key))
		return false;
	deny_add(t, p, ABI_GATE_ROUTE, p->port, ABI_REASON_NO_POSSIBLE_DESTINATION);
	table = &m->route_tables[s->route_table];
	for (uint32_t i = 0; i < table->n_routes; i++)
		if (table->routes[i].target == TARGET_LOCAL && prefix_contains(&table->routes[i].dst, &p->dst))
			step_rule_set(t->w, &t->t->walk.steps[t->t->walk.denied], table->routes[i].number);
	return true;
}

/* To who would send it the same way again: from one interface of an instance to another one of it, or to an instance or
 * NAT gateway that had it before. */
static bool comes_back(struct trip *t, const struct packet *p, const struct outcome *o)
{
	const struct port from = port_get(t->w->ports, p->port), to = port_get(t->w->ports, o->peer);
	const struct addr dst = { .a = o->flags & ABI_FLOW_DNAT ? o->xaddr : p->dst.a };
	const char *why = flow_back_text;
	struct walk_step *s;

	if (to.owner != PORT_OF_ENI || eni_has(&t->w->m->enis[to.index], &dst))
		return false;
	if (from.owner != PORT_OF_ENI || !model_same_instance(t->w->m, from.index, to.index)) {
		if (hand_over(t, to.index, &dst))
			return false;
		why = flow_circle_text;
	}
	deny_add(t, p, ABI_GATE_ROUTE, p->port, ABI_REASON_NO_POSSIBLE_DESTINATION);
	s = &t->t->walk.steps[t->t->walk.denied];
	step_rule_set(t->w, s, o->rule[ABI_CACHED_ROUTE]);
	if (!t->w->no_words)
		snprintf(s->reason_more, sizeof(s->reason_more), "%s", why);
	return true;
}

/* False: it had the packet before. */
static bool hand_over(struct trip *t, uint32_t eni, const struct addr *dst)
{
	for (unsigned i = 0; i < t->n_handed; i++)
		if ((t->handed[i].eni == eni || model_same_instance(t->w->m, t->handed[i].eni, eni)) &&
		    addr_cmp(&t->handed[i].dst, dst) == 0)
			return false;
	t->handed[t->n_handed++] = (struct handed){ eni, *dst };
	return true;
}

/* A NAT gateway has the packet: out, its source becomes the gateway's; back, what it remembers. */
static bool nat_pass(struct trip *t, struct packet *p, uint32_t index)
{
	const struct eni *eni = &t->w->m->enis[index];
	struct addr from = p->src;
	struct walk_step *s;

	t->t->used_nat = true;
	s = step_add(t, p, ABI_GATE_NAT, eni->obj.number);
	if (eni_has(eni, &p->dst)) {
		for (unsigned i = t->n_nats; i-- > 0;) {
			if (t->nats[i].eni != index)
				continue;
			translation_note(t, s, "destination", &p->dst, &t->nats[i].src, eni);
			p->dst = t->nats[i].src;
			p->dst_nat = t->nats[i].src_nat;
			if (p->proto == PKT_PROTO_TCP || p->proto == PKT_PROTO_UDP)
				p->dport = t->nats[i].sport;
			p->natted &= (uint8_t)~NATTED_DPORT;
			if (t->nats[i].natted & NATTED_SPORT)
				p->natted |= NATTED_DPORT;
			return true;
		}
		last_deny(t, eni->obj.number, ABI_REASON_NGW_SOURCE_ADDRESS_REASSIGN);
		return false;
	}
	if (t->leg == LEG_RETURN && t->stray == NONE)
		t->stray = index;
	if (t->n_nats == WALK_NATS_MAX) {
		t->t->walk.n--;
		deny_add(t, p, ABI_GATE_NAT, eni->obj.number, ABI_REASON_NO_POSSIBLE_DESTINATION);
		return false;
	}
	t->nats[t->n_nats++] = (struct nat_entry){
		.eni = index, .src = p->src, .sport = p->sport, .natted = p->natted, .src_nat = p->src_nat
	};
	p->src = eni->addrs[t->choice.addr % eni->n_addrs].addr;
	p->src_nat = eni;
	if (eni->n_addrs > t->t->nat_addrs)
		t->t->nat_addrs = eni->n_addrs;
	if (p->proto == PKT_PROTO_TCP || p->proto == PKT_PROTO_UDP) {
		p->sport = t->leg == LEG_FORWARD ? t->choice.port : t->choice.port ^ 1; /* it draws anew */
		p->natted |= NATTED_SPORT;
	}
	translation_note(t, s, "source", &from, &p->src, eni);
	return true;
}

/* Whose MAC the sender puts on the frame: a neighbour's of its own subnet, else the router's (0). */
static uint32_t neighbour_port(const struct trip *t, const struct packet *p)
{
	const struct port at = port_get(t->w->ports, p->port);
	const struct model *m = t->w->m;
	const struct eni *eni;
	uint32_t to;

	if (at.owner != PORT_OF_ENI)
		return 0;
	eni = &m->enis[at.index];
	if (!prefix_contains(&m->subnets[eni->subnet].cidr, &p->dst))
		return 0;
	to = model_eni_by_addr(m, m->subnets[eni->subnet].vpc, &p->dst, NULL);
	return to != NONE && to != at.index && m->enis[to].subnet == eni->subnet ? m->enis[to].obj.number : 0;
}

/* The gates of one pass in AWS's order, up to the one that denied. */
static void hop_write(struct trip *t, const struct packet *p, const struct outcome *o)
{
	static const enum abi_gate out[] = {
		ABI_GATE_PARSE,      ABI_GATE_SOURCE_CHECK, ABI_GATE_SERVICE, ABI_GATE_SG_OUT,    ABI_GATE_NACL_OUT,
		ABI_GATE_ROUTE,      ABI_GATE_INTERNET,     ABI_GATE_PEERING, ABI_GATE_IGW,       ABI_GATE_NACL_IN,
		ABI_GATE_DEST_CHECK, ABI_GATE_NAT,          ABI_GATE_SG_IN,   ABI_GATE_CONNTRACK,
	};
	/* Inbound, the gateway comes first, and its own route table after it. */
	static const enum abi_gate in[] = {
		ABI_GATE_PARSE,   ABI_GATE_INTERNET,   ABI_GATE_IGW, ABI_GATE_PEERING, ABI_GATE_ROUTE,
		ABI_GATE_NACL_IN, ABI_GATE_DEST_CHECK, ABI_GATE_NAT, ABI_GATE_SG_IN,   ABI_GATE_CONNTRACK,
	};
	const struct abi_port *from = port_row(t, p->port);
	bool inbound = from && (from->kind == ABI_PORT_IGW || from->kind == ABI_PORT_PCX);
	const enum abi_gate *order = inbound ? in : out;
	size_t n = inbound ? ARRAY_SIZE(in) : ARRAY_SIZE(out);
	struct packet q = *p;

	for (size_t i = 0; i < n; i++) {
		if (!gate_write(t, &q, o, order[i]))
			return;
		if (order[i] == ABI_GATE_IGW && o->flags & ABI_FLOW_DNAT)
			q.dst.a = o->xaddr; /* network ACL and groups see the private address */
	}
}

static const struct abi_port *port_row(const struct trip *t, uint32_t port)
{
	return host_map_lookup(t->w->world->ports, &port);
}

/* One gate of one pass: nothing when it does not apply; false when it denied. */
static bool gate_write(struct trip *t, const struct packet *p, const struct outcome *o, enum abi_gate gate)
{
	const struct abi_port *from = port_row(t, p->port), *to = port_row(t, o->peer);
	bool denied = !o->allow && o->gate == gate, out = gate == ABI_GATE_SG_OUT;
	struct walk_step *s;
	uint32_t port = p->port, rule = 0;

	switch (gate) {
	case ABI_GATE_SG_OUT:
		if (!denied && (!from->sg_policy || from->kind != ABI_PORT_ENI))
			return true;
		rule = o->rule[ABI_CACHED_SG_OUT];
		break;
	case ABI_GATE_NACL_OUT: rule = o->rule[ABI_CACHED_NACL_OUT]; break;
	case ABI_GATE_ROUTE: rule = o->rule[ABI_CACHED_ROUTE]; break;
	case ABI_GATE_NACL_IN:
		port = o->peer;
		rule = o->rule[ABI_CACHED_NACL_IN];
		break;
	case ABI_GATE_SG_IN:
		port = o->peer;
		rule = o->rule[ABI_CACHED_SG_IN];
		if (!denied && (!to || !to->sg_policy || to->kind != ABI_PORT_ENI))
			return true;
		break;
	case ABI_GATE_IGW:
		if (from->kind == ABI_PORT_IGW)
			break;
		port = o->peer;
		if (!denied && (!to || to->kind != ABI_PORT_IGW))
			return true;
		if (denied && (!to || to->kind != ABI_PORT_IGW))
			port = o->gate_port;
		break;
	case ABI_GATE_PEERING:
		if (from->kind == ABI_PORT_PCX) { /* said on the way out already */
			if (!denied)
				return true;
			break;
		}
		port = o->peer;
		if (!denied && (!to || to->kind != ABI_PORT_PCX))
			return true;
		break;
	default:
		if (!denied)
			return true;
		port = o->gate_port;
		break;
	}
	if (denied) {
		rule = gate == ABI_GATE_ROUTE && !o->deny_rule ? rule : o->deny_rule;
	} else if (!rule && gate != ABI_GATE_SG_OUT && gate != ABI_GATE_SG_IN && gate != ABI_GATE_IGW &&
		   gate != ABI_GATE_PEERING) {
		return true; /* a network ACL or a table that this packet does not meet */
	}
	s = step_add(t, p, gate, port);
	if (gate == ABI_GATE_SG_OUT || gate == ABI_GATE_SG_IN)
		s->reason = out ? o->reason_sg_out : o->reason_sg_in;
	if (gate != ABI_GATE_IGW || denied)
		step_rule_set(t->w, s, rule);
	if (gate == ABI_GATE_IGW && !denied) {
		struct addr to_addr = { .a = o->xaddr };

		if (o->flags & ABI_FLOW_DNAT)
			translation_note(t, s, "destination", &p->dst, &to_addr, p->dst_nat);
		else
			translation_note(t, s, "source", &p->src, &to_addr, p->src_nat);
	}
	if (!denied)
		return true;
	last_deny(t, port, o->reason);
	if (gate == ABI_GATE_SG_OUT || gate == ABI_GATE_SG_IN)
		step_groups_set(t->w, s, port);
	return false;
}

static struct walk_step *step_add(struct trip *t, const struct packet *p, enum abi_gate gate, uint32_t port)
{
	struct walk *w = &t->t->walk;
	struct walk_step *s = VEC_PUSH(w->steps, w->n, w->cap);
	const struct obj *object = port_gate_object(t->w->ports, gate, port);
	bool ports = p->proto == PKT_PROTO_TCP || p->proto == PKT_PROTO_UDP;

	*VEC_PUSH(t->t->natted, t->t->n_natted, t->t->cap_natted) = p->natted;
	s->leg = t->leg;
	s->gate = gate;
	s->allow = true;
	s->object = object ? object->name : NULL;
	s->eni = port_eni_name(t->w, port);
	if (!s->eni)
		s->eni = port_eni_name(t->w, p->port);
	s->reason = ABI_REASON_ACCEPT;
	s->src = p->src;
	s->dst = p->dst;
	s->src_any = choice_of(p->src_nat, &p->src);
	s->dst_any = choice_of(p->dst_nat, &p->dst);
	s->sport = s->sport_hi = ports ? p->sport : 0;
	s->dport = s->dport_hi = ports ? p->dport : 0;
	return s;
}

static void deny_add(struct trip *t, const struct packet *p, enum abi_gate gate, uint32_t port, enum abi_reason reason)
{
	step_add(t, p, gate, port);
	last_deny(t, port, reason);
}

/* The step that was added last, of the gate at port, is where it ends. */
static void last_deny(struct trip *t, uint32_t port, enum abi_reason reason)
{
	struct walk *w = &t->t->walk;
	struct walk_step *s = &w->steps[w->n - 1];

	s->allow = false;
	s->reason = reason;
	if (!s->rule)
		s->loc = port_gate_place(t->w->ports, s->gate, port, port_gate_object(t->w->ports, s->gate, port));
	w->allow = false;
	w->denied = (uint32_t)w->n - 1;
}

/* any: the NAT gateway that chose `to` or what it is translated from; its other addresses are named too. NULL: nobody chose. */
static void translation_note(const struct trip *t, struct walk_step *s, const char *what, const struct addr *from,
			     const struct addr *to, const struct eni *any)
{
	struct addr_choice was = choice_of(any, from), is = choice_of(any, to);
	char a[ADDR_CHOICE_STRLEN], b[ADDR_CHOICE_STRLEN];

	if (t->w->no_words)
		return;
	snprintf(s->reason_more, sizeof(s->reason_more), "%s %s becomes %s", what, addr_choice_format(&was, from, a),
		 addr_choice_format(&is, to, b));
}

/* Nothing to choose from when the gateway has one address only. */
static struct addr_choice choice_of(const struct eni *nat, const struct addr *a)
{
	for (uint32_t i = 0; nat && nat->n_addrs > 1 && i < nat->n_addrs; i++) {
		if (addr_cmp(&nat->addrs[i].addr, a) == 0)
			return (struct addr_choice){ nat, false };
		if (addr_cmp(&nat->addrs[i].public_ip, a) == 0)
			return (struct addr_choice){ nat, true };
	}
	return (struct addr_choice){ 0 };
}

static void uplink_write(struct trip *t, const struct packet *p)
{
	struct walk_step *s = step_add(t, p, ABI_GATE_INTERNET, p->port);

	snprintf(s->reason_more, sizeof(s->reason_more), "leaves the lab by the uplink, with the machine's address");
}

static bool eni_has(const struct eni *eni, const struct addr *a)
{
	for (uint32_t i = 0; i < eni->n_addrs; i++)
		if (addr_cmp(&eni->addrs[i].addr, a) == 0)
			return true;
	return false;
}

/* Is who has the reply now the one that sent the flow? */
static bool came_back(const struct trip *t, const struct packet *p)
{
	const struct model *m = t->w->m;
	const struct port at = port_get(t->w->ports, p->port);

	if (t->f->src.kind == END_ADDRESS || p->port == t->f->src.port)
		return true;
	/* Another interface of the same instance will do. */
	return at.owner == PORT_OF_ENI && t->f->src.kind == END_ENI &&
	       model_same_instance(m, at.index, t->f->src.index);
}

static bool is_own_loop(const struct model *m, const struct flow *f)
{
	if (f->src.kind == END_HOST)
		return f->dst.kind == END_HOST && f->src.index == f->dst.index;
	if (f->src.kind != END_ENI || f->dst.kind != END_ENI)
		return false;
	return eni_has(&m->enis[f->dst.index], &f->dst_addr) &&
	       (f->src.index == f->dst.index || model_same_instance(m, f->src.index, f->dst.index));
}

/* The reply to an address that nobody owns is on the internet: that is where it was to go. */
static bool source_is_nobody(const struct trip *t, const struct outcome *o, const struct packet *p)
{
	return t->leg == LEG_RETURN && t->f->src.kind == END_ADDRESS && o->gate == ABI_GATE_INTERNET &&
	       o->reason == ABI_REASON_UNKNOWN_DESTINATION && addr_cmp(&p->dst, &t->f->src.addr) == 0;
}

/* What stopped the answer, or where it went, is of the gateway that it had no business with. */
static void stray_note(const struct trip *t, enum stray what)
{
	const struct model *m = t->w->m;
	struct walk_step *s = &t->t->walk.steps[t->t->walk.denied];
	uint32_t nat = t->stray;

	if (s->gate == ABI_GATE_NAT && what == STRAY_DENIED && s->reason == ABI_REASON_NGW_SOURCE_ADDRESS_REASSIGN) {
		uint32_t at = model_find_eni(m, s->object);

		if (!eni_has(&m->enis[at], &s->dst)) {
			nat = nat == NONE ? at : nat;
			what = nat == at ? STRAY_DROPPED : what;
		}
	}
	if (nat != NONE && !t->w->no_words)
		flow_stray_add(m, nat, what, &t->f->dst_addr, s->reason_more, sizeof(s->reason_more));
}
