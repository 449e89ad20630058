/* replay.c: finds a captured packet's direction, makes the frame that its sender would send, has it judged and says
 * in words what came of it. Pure: engines in the kernel are handed in. */
#include "path/replay.h"
#include <errno.h>
#include <string.h>
#include "filters/verdict.h"
#include "filters/world.h"
#include "path/trial.h"
#include "plan/desired.h"
#include "util/mem.h"

enum {
	FRAME_MAX = ETH_HLEN_ + 65536 + 64,
	SWEEP_NS = 1000000000,
	ETHERTYPE_V4 = 0x0800,
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_V6 = 0x86dd
};

struct replay {
	struct replay_scene scene;
	enum replay_assume assume;
	struct addr alias; /* who the interface was on the machine of the capture; all zero: not known yet */
	bool has_alias;
	struct walker *words; /* names and places of rules */
	struct world *world;  /* the host engine's; NULL: another engine */
	struct replay_engine engine;
	uint64_t now_ns, swept_ns;
	uint8_t *frame; /* FRAME_MAX */
};
struct sent { /* a frame, ready to be judged */
	uint32_t port, held, len;
	bool peering, outbound;
};

static void world_config_set(struct world *w, const struct model *m);
static int host_row(void *ctx, const struct map_rows *rows, const struct map_row *row, struct err *e);
static int host_pass(void *ctx, uint32_t port, bool peering, uint64_t now_ns, const uint8_t *frame, uint32_t held,
		     uint32_t len, struct pass *ret, struct err *e);
static int host_sweep(void *ctx, uint64_t now_ns, struct err *e);
static int clock_move(struct replay *r, uint64_t time_ns, struct err *e);
static void packet_read(struct replay *r, const struct captured *c, struct replayed *ret, enum abi_reason *reason);
static bool direction_find(struct replay *r, const struct pkt *p, bool *ret_outbound);
static bool is_own(const struct replay *r, const struct abi_addr *a, const struct addr **ret_private);
static void address_put(struct replay *r, const struct pkt *p, const struct abi_addr *from, const struct addr *to);
static void own_address_put(struct replay *r, struct replayed *p, bool outbound);
static void frame_shorten(struct replay *r, const struct pkt *p, struct sent *s);
static int stranger_make(struct replay *r, const struct addr *dst, struct err *e);
static void answer_fill(const struct replay *r, const struct sent *s, const struct outcome *o, struct replayed *ret);

int replay_new(struct replay_scene *scene, enum replay_assume assume, const struct replay_engine *engine,
	       struct replay **ret, struct err *e)
{
	struct replay *r = xcalloc(1, sizeof(*r));
	int rc = walker_new(scene->m, &r->words, e);

	if (rc == 0 && !engine) {
		r->world = world_new(2 * scene->m->conntrack_entries + 1024);
		world_config_set(r->world, scene->m);
		rc = world_load(r->world, &scene->desired->maps);
		if (rc < 0)
			err_set(e, rc, "the tables of lab %s do not fit the filter", scene->m->name);
	}
	if (rc < 0) {
		replay_free(&r);
		return rc;
	}
	r->engine = engine ? *engine : (struct replay_engine){ r->world, 0, host_row, host_pass, host_sweep };
	r->assume = assume;
	r->frame = xcalloc(1, FRAME_MAX);
	r->scene = *scene;
	*scene = (struct replay_scene){ 0 };
	*ret = r;
	return 0;
}

void replay_free(struct replay **r)
{
	if (!r || !*r)
		return;
	replay_scene_done(&(*r)->scene);
	walker_free(&(*r)->words);
	world_free(&(*r)->world);
	free((*r)->frame);
	free(*r);
	*r = NULL;
}

int replay_packet(struct replay *r, const struct captured *c, struct replayed *ret, struct err *e)
{
	struct addr dst;
	struct sent s = { 0 };
	struct pass x = { 0 };
	enum abi_reason reason;
	uint8_t to[6], from[6];
	int rc;

	*ret = (struct replayed){ 0 };
	rc = clock_move(r, c->time_ns, e);
	if (rc < 0)
		return rc;
	packet_read(r, c, ret, &reason);
	if (ret->fate != REPLAY_JUDGED)
		return 0;
	/* What has no addresses has no direction; the interface would not be let say it. */
	s.outbound = true;
	ret->has_way = ret->packet.key.family == 4 && !addr_is_unset(&ret->packet.key.dst);
	if (ret->has_way) {
		if (!direction_find(r, &ret->packet, &s.outbound)) {
			ret->fate = REPLAY_FOREIGN;
			return 0;
		}
		own_address_put(r, ret, s.outbound);
	}
	s.len = c->len + ETH_HLEN_;
	s.held = c->captured_len + ETH_HLEN_;
	s.port = r->scene.port;
	dst = (struct addr){ ret->packet.key.dst };
	if (!s.outbound)
		s.port = replay_sender(&r->scene, &(struct addr){ ret->packet.key.src }, &dst, &s.peering);
	else if (reason == ABI_REASON_NONE && ret->packet.key.family == 4)
		rc = stranger_make(r, &dst, e);
	if (rc < 0)
		return rc;
	port_mac(s.outbound && reason == ABI_REASON_NONE ? replay_neighbour(&r->scene, &dst) : 0, to);
	port_mac(s.port, from);
	memcpy(r->frame, to, sizeof(to));
	memcpy(r->frame + sizeof(to), from, sizeof(from));
	frame_shorten(r, &ret->packet, &s);
	rc = r->engine.pass(r->engine.ctx, s.port, s.peering, r->now_ns, r->frame, s.held, s.len, &x, e);
	if (rc < 0)
		return rc;
	answer_fill(r, &s, &x.o, ret);
	return 0;
}

/* ---- the host's engine ---- */

static void world_config_set(struct world *w, const struct model *m)
{
	config_timers_set(&w->config, 1); /* a capture runs in real time, whatever the lab's clock */
	w->config.flags =
		(m->strict_icmp ? ABI_CONFIG_STRICT_ICMP : 0) | (m->strict_fragments ? ABI_CONFIG_STRICT_FRAGMENTS : 0);
}

static int host_row(void *ctx, const struct map_rows *rows, const struct map_row *row, struct err *e)
{
	struct world *w = ctx;
	int r = host_map_update(w->addrs, map_row_key(rows, row), map_row_value(rows, row));

	return r < 0 ? err_set(e, r, "one address more does not fit the filter") : 0;
}

static int host_pass(void *ctx, uint32_t port, bool peering, uint64_t now_ns, const uint8_t *frame, uint32_t held,
		     uint32_t len, struct pass *ret, struct err *e)
{
	struct world *w = ctx;
	enum abi_reason reason;

	(void)e;
	memset(ret, 0, sizeof(*ret));
	ret->p.key.port = port;
	ret->p.segs = 1;
	w->now_ns = now_ns;
	w->config.epoch++; /* nothing remembered: each packet has its own reason */
	reason = packet_parse(frame, frame + held, len, &ret->p);
	if (reason == ABI_REASON_NONE && !peering)
		reason = packet_may_be_sent(&ret->p);
	pass_packet(w, ret, reason);
	return 0;
}

static int host_sweep(void *ctx, uint64_t now_ns, struct err *e)
{
	struct world *w = ctx;

	(void)e;
	w->now_ns = now_ns;
	world_reap(w);
	return 0;
}

/* ---- one packet ---- */

/* Time never runs back, whatever the capture says, and begins at 1: 0 means none. */
static int clock_move(struct replay *r, uint64_t time_ns, struct err *e)
{
	if (time_ns > r->now_ns)
		r->now_ns = time_ns;
	if (!r->now_ns)
		r->now_ns = 1;
	if (r->now_ns - r->swept_ns < SWEEP_NS)
		return 0;
	r->swept_ns = r->now_ns;
	return r->engine.sweep(r->engine.ctx, r->now_ns, e);
}

/* Into r->frame, behind room for the link's header, and parsed. *reason: why it is no good packet. */
static void packet_read(struct replay *r, const struct captured *c, struct replayed *ret, enum abi_reason *reason)
{
	uint8_t *f = r->frame;

	*reason = ABI_REASON_NONE;
	if (c->ethertype == ETHERTYPE_ARP)
		ret->fate = REPLAY_ARP;
	else if (c->len < (c->ethertype == ETHERTYPE_V4   ? IP4_HLEN_MIN
			   : c->ethertype == ETHERTYPE_V6 ? IP6_HLEN
							  : 0) ||
		 c->len > FRAME_MAX - ETH_HLEN_)
		ret->fate = REPLAY_CUT; /* no program is ever shown such a thing */
	if (ret->fate != REPLAY_JUDGED)
		return;
	memset(f, 0, 2 * 6);
	f[12] = (uint8_t)(c->ethertype >> 8);
	f[13] = (uint8_t)c->ethertype;
	memcpy(f + ETH_HLEN_, c->l3, c->captured_len);
	*reason = packet_parse(f, f + ETH_HLEN_ + c->captured_len, c->len + ETH_HLEN_, &ret->packet);
	if (*reason == ABI_REASON_MALFORMED && c->captured_len < c->len)
		ret->fate = REPLAY_CUT;
}

/* False: the packet is none of the interface's. */
static bool direction_find(struct replay *r, const struct pkt *p, bool *ret_outbound)
{
	bool from = is_own(r, &p->key.src, NULL), to = is_own(r, &p->key.dst, NULL);

	if (from != to) {
		*ret_outbound = from;
		return true;
	}
	if (from || r->assume == ASSUME_NOTHING)
		return false;
	*ret_outbound = r->assume == ASSUME_OUTBOUND;
	if (!r->has_alias) {
		r->alias.a = *ret_outbound ? p->key.src : p->key.dst;
		r->has_alias = true;
	}
	return true;
}

/* An address of the interface's own, public ones and the one that stands for it among them. */
static bool is_own(const struct replay *r, const struct abi_addr *a, const struct addr **ret_private)
{
	const struct eni *eni = &r->scene.m->enis[r->scene.eni];

	for (uint32_t i = 0; i < eni->n_addrs; i++)
		if (!memcmp(&eni->addrs[i].addr.a, a, sizeof(*a)) ||
		    (!addr_is_unset(&eni->addrs[i].public_ip.a) &&
		     !memcmp(&eni->addrs[i].public_ip.a, a, sizeof(*a)))) {
			if (ret_private)
				*ret_private = &eni->addrs[i].addr;
			return true;
		}
	if (ret_private)
		*ret_private = &eni->addrs[0].addr;
	return r->has_alias && !memcmp(&r->alias.a, a, sizeof(*a));
}

/* The interface's end of the packet, and of the packet that an ICMP error quotes, gets the private address. */
static void own_address_put(struct replay *r, struct replayed *ret, bool outbound)
{
	struct pkt *p = &ret->packet;
	struct abi_addr own = outbound ? p->key.src : p->key.dst;
	const struct addr *private = NULL;
	struct pkt again = { 0 };

	is_own(r, &own, &private);
	if (!memcmp(&own, &private->a, sizeof(own)))
		return;
	address_put(r, p, &own, private);
	again.segs = 1;
	(void)packet_parse(r->frame, r->frame + ETH_HLEN_ + p->len, p->len + ETH_HLEN_, &again);
	p->key = again.key;
}

static void address_put(struct replay *r, const struct pkt *p, const struct abi_addr *from, const struct addr *to)
{
	uint8_t *ip = r->frame + ETH_HLEN_, *quoted = r->frame + p->l4_off + 8;

	for (unsigned at = 12; at <= 16; at += 4) {
		if (!memcmp(ip + at, from->b + 12, 4))
			memcpy(ip + at, to->a.b + 12, 4);
		if (p->icmp_error && !memcmp(quoted + at, from->b + 12, 4))
			memcpy(quoted + at, to->a.b + 12, 4);
	}
}

/* A larger packet than the engine takes says of itself that it is smaller; no gate looks at the size. */
static void frame_shorten(struct replay *r, const struct pkt *p, struct sent *s)
{
	const uint32_t max = r->engine.frame_max, l4 = p->l4_off;
	uint8_t *ip = r->frame + ETH_HLEN_;
	uint32_t left;

	if (!max || s->len <= max)
		return;
	s->len = max;
	if (s->held > max)
		s->held = max;
	if (p->key.family != 4 || l4 + 8 > max)
		return;
	left = max - ETH_HLEN_;
	ip[2] = (uint8_t)(left >> 8);
	ip[3] = (uint8_t)left;
	if (p->key.proto != PKT_PROTO_UDP || p->frag == PKT_FRAG_LATER)
		return;
	left = max - l4;
	r->frame[l4 + 4] = (uint8_t)(left >> 8);
	r->frame[l4 + 5] = (uint8_t)left;
}

/* The receiver existed, or nobody would have sent to it. */
static int stranger_make(struct replay *r, const struct addr *dst, struct err *e)
{
	struct map_rows row;
	int rc = 0;

	map_rows_init(&row);
	if (replay_stranger_row(&r->scene, dst, &row))
		rc = r->engine.row(r->engine.ctx, &row, &row.v[0], e);
	map_rows_done(&row);
	return rc;
}

static void answer_fill(const struct replay *r, const struct sent *s, const struct outcome *o, struct replayed *ret)
{
	const enum abi_cached_gate groups = s->outbound ? ABI_CACHED_SG_OUT : ABI_CACHED_SG_IN;
	const enum abi_cached_gate acl = s->outbound ? ABI_CACHED_NACL_OUT : ABI_CACHED_NACL_IN;
	const struct ports *ports = r->words->ports;
	struct walk_step words = { 0 };

	ret->outbound = s->outbound;
	ret->allow = o->allow;
	if (!o->allow) {
		ret->gate = (enum abi_gate)o->gate;
		ret->reason = (enum abi_reason)o->reason;
		ret->rule = o->deny_rule;
		if (ret->gate == ABI_GATE_ROUTE && !ret->rule)
			ret->rule = o->rule[ABI_CACHED_ROUTE];
		ret->is_route = !gate_has_rules(ret->gate); /* the route that led there */
	} else if (r->scene.m->enis[r->scene.eni].n_groups) {
		ret->gate = s->outbound ? ABI_GATE_SG_OUT : ABI_GATE_SG_IN;
		ret->reason = (enum abi_reason)(s->outbound ? o->reason_sg_out : o->reason_sg_in);
		ret->rule = o->rule[groups];
	} else {
		ret->gate = s->outbound ? ABI_GATE_NACL_OUT : ABI_GATE_NACL_IN;
		ret->reason = ABI_REASON_ACCEPT;
		ret->rule = o->rule[acl];
	}
	words.gate = ret->gate;
	step_rule_set(r->words, &words, ret->rule);
	memcpy(ret->rule_text, words.rule_text, sizeof(ret->rule_text));
	ret->loc = words.loc;
	if (!ret->allow && !ret->rule)
		ret->loc = port_gate_place(ports, ret->gate, o->gate_port,
					   port_denial_object(ports, ret->gate, o->gate_port, o->peer));
}
