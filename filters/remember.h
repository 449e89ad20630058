/* remember.h: what an allowed packet leaves behind: entries of both ends, and first fragments for the
 * later ones. Compiles for BPF and host. */
#pragma once
#include "filters/judge.h"

/* ---- state ---- */

/* A later fragment of a lab that shows NACLs no ports of it: an answer for this packet only. */
static __always_inline int fragment_is_apart(struct world *w, const struct pkt *p)
{
	return p->frag == PKT_FRAG_LATER && world_config(w)->flags & ABI_CONFIG_STRICT_FRAGMENTS;
}

static __always_inline void flow_remember(struct abi_flow *f, const struct pass *x, const struct abi_config *c)
{
	f->seen_ns = x->now;
	f->valid_ns = x->now + c->timer_ns[ABI_TIMER_VALID];
	f->peer = x->o.peer;
	f->rule[ABI_CACHED_SG_OUT] = x->o.rule[ABI_CACHED_SG_OUT];
	f->rule[ABI_CACHED_NACL_OUT] = x->o.rule[ABI_CACHED_NACL_OUT];
	f->rule[ABI_CACHED_ROUTE] = x->o.rule[ABI_CACHED_ROUTE];
	f->rule[ABI_CACHED_NACL_IN] = x->o.rule[ABI_CACHED_NACL_IN];
	f->rule[ABI_CACHED_SG_IN] = x->o.rule[ABI_CACHED_SG_IN];
	/* as it will be for the next packet, once there are entries */
	f->reason_sg_out = x->o.track_src ? ABI_REASON_TRACKED : x->o.reason_sg_out;
	f->reason_sg_in = x->o.track_dst ? ABI_REASON_TRACKED : x->o.reason_sg_in;
	f->mtu = x->o.mtu;
	f->xaddr = x->o.xaddr;
	f->flags = (f->flags & (ABI_FLOW_TRACKED | ABI_FLOW_INBOUND)) | x->o.flags;
	f->epoch = x->epoch; /* last: what is cached is good from here on */
}

static __always_inline void fresh_init(struct pass *x, __u8 flags, __u32 rule)
{
	__builtin_memset(&x->fresh, 0, sizeof(x->fresh));
	x->fresh.created_ns = x->now;
	x->fresh.seen_ns = x->now;
	x->fresh.flags = flags;
	x->fresh.own_rule = rule;
}

/* The next packet of a flow is judged in full: what its sender remembers holds no longer. */
static __always_inline void sender_forgets(struct world *w, const struct abi_flow_key *k)
{
	flow_distrust(w, k, flow_find(w, k));
}

/* Makes a tracked entry, x->fresh. What was known of the flow while it was not tracked goes, at its other end too. 0, or
 * it is full. */
static __always_inline int flow_create(struct world *w, struct pass *x, const struct abi_flow_key *k)
{
	const struct abi_flow *f;
	int r;

	if (port_ct_take(w, k->port))
		return -1;
	r = map_insert(w, flows, k, &x->fresh);
	if (r)
		port_ct_give(w, k->port);
	if (r == -17) /* EEXIST: another CPU was quicker */
		return 0;
	if (r)
		return -1;
	f = map_get(w, cache, k);
	if (f) {
		flow_key_twin(k, f, &x->related);
		sender_forgets(w, &x->related);
		map_del(w, cache, k);
	}
	hot_distrust(w, k); /* a copy would be of that one */
	return 0;
}

/* A new entry of the sender; it knows what the receiver's own one knows (twin, or NULL). 0, or it is full. */
static __always_inline int own_create(struct world *w, struct pass *x, struct abi_flow *twin)
{
	fresh_init(x, ABI_FLOW_TRACKED, x->o.rule[ABI_CACHED_SG_OUT]);
	x->fresh.tx = x->bits;
	if (twin) {
		x->fresh.tx |= twin->rx;
		x->fresh.rx = twin->tx;
	}
	flow_remember(&x->fresh, x, world_config(w));
	if (flow_create(w, x, &x->p.key))
		return -1;
	if (!twin)
		twin = map_get(w, cache, &x->twin);
	flow_distrust(w, &x->twin, twin); /* what the receiver sends meets a tracked flow from here on */
	return 0;
}

/* An entry of the receiver that has sent nothing yet leads to the sender. */
static __always_inline void fresh_leads_back(struct pass *x)
{
	x->fresh.peer = x->p.key.port;
	x->fresh.seen_ns = 0;
	if (x->o.flags & ABI_FLOW_DNAT) { /* where its packets go is where the sender's are found */
		x->fresh.flags |= ABI_FLOW_SNAT;
		x->fresh.xaddr = x->p.key.dst;
	}
}

/* A new entry of the receiver; it knows what the sender's own one knows (own, or NULL). 0, or it is full. */
static __always_inline int twin_create(struct world *w, struct pass *x, const struct abi_flow *own)
{
	fresh_init(x, ABI_FLOW_TRACKED | ABI_FLOW_INBOUND, x->o.rule[ABI_CACHED_SG_IN]);
	fresh_leads_back(x);
	x->fresh.heard_ns = x->now;
	x->fresh.rx = x->bits;
	if (own) {
		x->fresh.rx |= own->tx;
		x->fresh.tx = own->rx;
	}
	return flow_create(w, x, &x->twin);
}

/* The sender's entry f now leads to another port than before. Who is at the old one must tell it again what it sends;
 * what the one at the new one remembers is of a time when the flow was not this one's. */
static __always_inline void peer_changed(struct world *w, struct pass *x, struct abi_flow *f)
{
	struct abi_flow *end;

	flow_key_twin(&x->p.key, f, &x->related);
	end = flow_find(w, &x->related);
	flow_distrust(w, &x->related, end);
	flow_settle(w, &x->p.key, f, x->now);
	if (end && end->heard_ns < f->seen_ns)
		end->heard_ns = f->seen_ns;
	sender_forgets(w, &x->twin);
}

/* The outcome, into the sender's entry f or, where the flow needs none, into one of the cache. heard: what the
 * receiver's own entry has seen of it, where there is one. */
static __always_inline void outcome_remember(struct world *w, struct pass *x, struct abi_flow *f, __u8 heard)
{
	const struct abi_config *c = world_config(w);

	if (!f) {
		f = map_get(w, cache, &x->p.key);
		x->o.fresh = !f || !f->seen_ns;
		if (f && !heard)
			x->bits = flow_bits_of(&x->p, f->tx);
	}
	if (f) {
		if (f->peer != x->o.peer)
			peer_changed(w, x, f);
		f->tx = !heard || f->flags & ABI_FLOW_TRACKED ? f->tx | x->bits : heard;
		flow_remember(f, x, c);
		return;
	}
	fresh_init(x, 0, x->o.rule[ABI_CACHED_SG_OUT]);
	x->fresh.tx = heard ? heard : x->bits;
	flow_remember(&x->fresh, x, c);
	map_put(w, cache, &x->p.key, &x->fresh);
}

/* The receiver's own entry hears of the packet. The sender's next one takes the long way too where nobody else would
 * tell of it: its packets do not come back by the sender, or it has not heard of all that the sender has sent. */
static __always_inline void twin_hears(struct world *w, struct pass *x, struct abi_flow *twin)
{
	struct abi_flow *f;

	twin->rx |= flow_bits_of(&x->p, twin->rx);
	twin->heard_ns = x->now;
	f = flow_find(w, &x->p.key);
	if (f && (twin->peer != x->p.key.port || f->tx & ~twin->rx))
		f->valid_ns = 0; /* the mark follows in flow_update */
}

/* An interface that does not track the flow may begin to, by what it sends. Then the sender must not go on by what it
 * remembers, so the interface notes who that is, in what it would remember of its own packets. There is room for one: a
 * second way to it takes the place of the first, which is to be judged anew; and a way by which its own packets do not
 * leave is judged every time. */
static __always_inline void way_noted(struct world *w, struct pass *x)
{
	const struct abi_port *d = map_get(w, ports, &x->o.peer);
	struct abi_flow *f;

	if (!d || !d->sg_policy)
		return;
	f = map_get(w, cache, &x->twin);
	if (f && f->peer == x->p.key.port)
		return;
	if (f && f->seen_ns) {
		sender_forgets(w, &x->p.key);
		return;
	}
	if (f) {
		flow_key_twin(&x->twin, f, &x->related);
		sender_forgets(w, &x->related);
	}
	fresh_init(x, 0, 0);
	fresh_leads_back(x);
	map_put(w, cache, &x->twin, &x->fresh);
	if (map_get(w, flows, &x->twin)) /* it has begun meanwhile, and did not see the note */
		sender_forgets(w, &x->p.key);
}

/* The tracked entry of a key, or NULL. One that this packet begins anew goes, and with it what remembers it: the
 * other end of the packet, and the other end that the entry had. */
static __always_inline struct abi_flow *flow_kept(struct world *w, struct pass *x, const struct abi_flow_key *k,
						  const struct abi_flow_key *other)
{
	struct abi_flow *f = map_get(w, flows, k);

	if (!f || !flow_is_reused(&x->p, f))
		return f;
	flow_key_twin(k, f, &x->related);
	flow_delete(w, k);
	sender_forgets(w, other);
	sender_forgets(w, &x->related);
	return NULL;
}

/* Keeps what an allowed packet means for the flow: an entry at each end that wants one, or the packet is denied and
 * leaves nothing; then the outcome. */
PIECE flow_update(struct world *w, struct pass *x)
{
	struct abi_flow *own, *twin;
	__u8 heard;

	if (!x)
		return 0;
	if (x->p.icmp_error || fragment_is_apart(w, &x->p))
		return 1; /* belongs to a flow that has its entry, and says nothing of its other packets */
	flow_key_reverse(&x->p.key, x->o.peer, &x->twin);
	x->twin.src = x->dst;
	if (x->o.flags & ABI_FLOW_SNAT)
		x->twin.dst = x->o.xaddr;
	own = flow_kept(w, x, &x->p.key, &x->twin);
	twin = flow_kept(w, x, &x->twin, &x->p.key);
	x->bits = flow_bits_of(&x->p, own ? own->tx : twin ? twin->rx : 0);
	x->o.fresh = !own && x->o.track_src;
	if (x->o.fresh && own_create(w, x, twin))
		return outcome_deny(&x->o, ABI_GATE_CONNTRACK, ABI_REASON_CONNTRACK_FULL, x->p.key.port, 0);
	if (!twin && x->o.track_dst && twin_create(w, x, own)) {
		if (x->o.fresh)
			flow_delete(w, &x->p.key);
		return outcome_deny(&x->o, ABI_GATE_CONNTRACK, ABI_REASON_CONNTRACK_FULL, x->o.peer, 0);
	}
	heard = twin ? twin->rx | flow_bits_of(&x->p, twin->rx) : x->o.track_dst ? x->bits : 0;
	if (!x->o.fresh)
		outcome_remember(w, x, own, heard);
	if (twin)
		twin_hears(w, x, twin);
	else if (!x->o.track_dst)
		way_noted(w, x);
	hot_distrust(w, &x->p.key); /* its entry is another one now, or says something else */
	return 1;
}

/* ---- fragments ---- */

static __always_inline void frag_key_set(const struct pkt *p, struct abi_frag_key *k)
{
	__builtin_memset(k, 0, sizeof(*k));
	k->port = p->key.port;
	k->proto = p->frag_proto;
	k->family = p->key.family;
	k->id = p->frag_id;
	k->src = p->key.src;
	k->dst = p->key.dst;
}

/* A later fragment takes the ports of its first one. 0, or the reason it must die. */
PIECE frag_resolve(struct world *w, struct pass *x)
{
	struct abi_frag_key k;
	const struct abi_frag *f;

	if (!x)
		return ABI_REASON_MALFORMED;
	frag_key_set(&x->p, &k);
	f = map_get(w, frags, &k);
	if (!f || x->now - f->seen_ns > world_config(w)->timer_ns[ABI_TIMER_FRAGMENT])
		return ABI_REASON_FRAGMENT_ORPHAN;
	if (x->p.frag_off < f->first_end)
		return ABI_REASON_FRAGMENT_TINY;
	__builtin_memcpy(x->p.key.sport, f->sport, 2);
	__builtin_memcpy(x->p.key.dport, f->dport, 2);
	x->p.key.proto = f->proto;
	return ABI_REASON_NONE;
}

PIECE frag_remember(struct world *w, struct pass *x)
{
	struct abi_frag_key k;
	struct abi_frag f;

	if (!x)
		return 0;
	frag_key_set(&x->p, &k);
	__builtin_memset(&f, 0, sizeof(f));
	f.seen_ns = x->now;
	__builtin_memcpy(f.sport, x->p.key.sport, 2);
	__builtin_memcpy(f.dport, x->p.key.dport, 2);
	f.first_end = x->p.frag_len;
	f.proto = x->p.key.proto;
	map_put(w, frags, &k, &f);
	return 0;
}
