/* draw_step.c: what comes next in a random scenario: new packets, packets that go on where others arrived, answers, ICMP
 * errors, fragments whole and broken, time, edits. */
#include <stdio.h>
#include <string.h>
#include "tests/support/scenario_draw.h"
#include "util/mem.h"

enum { SYN = 2, ACK = 16, RST = 4, FIN = 1, ICMP = 1, TCP = 6, UDP = 17, ICMP6 = 58, ESP = 50, TRIES = 8 };
enum { NAT_PORT = 2000 };

void draw_start(struct draw *d, uint64_t seed)
{
	memset(d, 0, sizeof(*d));
	d->r.s = seed * 0x9e3779b97f4a7c15ull + 1;
	rng_next(&d->r);
}

static unsigned below(struct draw *d, unsigned n)
{
	return rng_below(&d->r, n);
}

static bool is_icmp(const struct oracle_flow *f)
{
	return f->proto == (f->family == 4 ? ICMP : ICMP6);
}

/* ---- names and addresses ---- */

static void name_of_port(const struct model *m, uint32_t port, char *buf, size_t size)
{
	buf[0] = 0;
	for (uint32_t i = 0; i < m->n_enis; i++)
		if (m->enis[i].obj.number == port)
			snprintf(buf, size, "%s", m->enis[i].obj.name);
	for (uint32_t i = 0; i < m->n_hosts; i++)
		if (m->hosts[i].port == port)
			snprintf(buf, size, "%s", m->hosts[i].obj.name);
	for (uint32_t i = 0; i < m->n_igws; i++) {
		if (m->igws[i].port == port)
			snprintf(buf, size, "igw:%s", m->igws[i].obj.name);
		if (m->igws[i].inet_port == port)
			snprintf(buf, size, "inet:%s", m->igws[i].obj.name);
	}
	if (m->uplink.on && m->uplink.port == port)
		snprintf(buf, size, "uplink");
	for (uint32_t i = 0; i < m->n_peerings; i++)
		for (int end = 0; end < 2; end++)
			if (m->peerings[i].ports[end] == port)
				snprintf(buf, size, "pcx:%s/%d", m->peerings[i].obj.name, end);
}

/* The other end of a link. */
static void across(const char *peer, char *buf, size_t size)
{
	snprintf(buf, size, "%s", peer);
	if (!strncmp(peer, "igw:", 4))
		snprintf(buf, size, "inet:%s", peer + 4);
	else if (!strncmp(peer, "inet:", 5))
		snprintf(buf, size, "igw:%s", peer + 5);
	else if (!strncmp(peer, "pcx:", 4))
		buf[strlen(buf) - 1] ^= 1;
}

static struct addr eni_addr(struct draw *d, const struct model *m, const struct eni *e, int family)
{
	if (family == 6)
		return oracle_lab_six(m->vpcs[model_eni_vpc(m, (uint32_t)(e - m->enis))].obj.number, e->obj.number);
	return e->addrs[below(d, e->n_addrs)].addr;
}

static bool owns_addr(const struct model *m, uint32_t eni, const struct addr *a)
{
	const struct oracle_place place = { m, true };

	return oracle_owns(&place, &m->enis[eni], a);
}

static struct addr parsed(const char *s)
{
	struct addr a = { 0 };

	addr_parse(s, &a);
	return a;
}

static struct addr random_dst(struct draw *d, const struct model *m, int family)
{
	static const char *const odd4[] = { "10.0.0.1", "10.0.0.2", "10.0.0.77",  "169.254.169.254", "224.0.0.1",
					    "8.8.8.8",  "10.9.0.1", "100.64.0.1", "203.0.113.250" };
	static const char *const odd6[] = { "2001:db8:1::9999", "fe80::1",     "ff02::1",
					    "fd00:ec2::254",    "2001:db9::1", "::1" };
	const struct eni *e = &m->enis[below(d, m->n_enis)];
	const struct eni_addr *a = &e->addrs[below(d, e->n_addrs)];

	if (below(d, 12) == 0)
		return parsed(family == 4 ? odd4[below(d, ARRAY_SIZE(odd4))] : odd6[below(d, ARRAY_SIZE(odd6))]);
	if (family == 4 && below(d, 5) == 0 && m->n_hosts)
		return m->hosts[below(d, m->n_hosts)].addr;
	if (family == 4 && below(d, 3) == 0 && !addr_is_zero(&a->public_ip))
		return a->public_ip;
	return eni_addr(d, m, e, family);
}

static void neighbour(struct draw *d, const struct model *m, struct step *s)
{
	const uint32_t from = model_find_eni(m, s->from);

	for (uint32_t i = 0; from != NONE && i < m->n_enis; i++) {
		const struct eni *e = &m->enis[i];
		const bool owns = owns_addr(m, i, &s->frame.flow.dst);

		if (i != from && e->subnet == m->enis[from].subnet && (owns ? below(d, 8) : below(d, 200) == 0))
			snprintf(s->mac, sizeof(s->mac), "%s", e->obj.name);
	}
}

/* ---- packets ---- */

static void traffic(struct draw *d, struct oracle_frame *f)
{
	static const uint8_t protos[] = { TCP, TCP, TCP, UDP, UDP, UDP, ICMP, ESP, 132 };
	static const uint16_t ports[] = { 22, 53, 80, 81, 443, 1023, 1024, 40000 };
	static const uint16_t types4[] = { 0x800, 0x800, 0, 0xd00, 0x304, 0x300, 0x801 };
	static const uint16_t types6[] = { 128 << 8, 128 << 8, 129 << 8, 1 << 8 | 4, 2 << 8 };
	static const uint8_t flags[] = { SYN, SYN, SYN, SYN | ACK, ACK, ACK, FIN | ACK, RST };
	struct oracle_flow *o = &f->flow;

	o->proto = protos[below(d, ARRAY_SIZE(protos))];
	if (o->proto == ICMP && o->family == 6 && below(d, 8))
		o->proto = ICMP6;
	if (o->proto == TCP || o->proto == UDP) {
		o->a = (uint16_t)(40000 + below(d, 3));
		o->b = ports[below(d, ARRAY_SIZE(ports))];
	} else if (is_icmp(o)) {
		o->b = o->family == 4 ? types4[below(d, ARRAY_SIZE(types4))] : types6[below(d, ARRAY_SIZE(types6))];
		if (o->b >> 8 != 3 && o->b >> 8 != 1 && o->b >> 8 != 2)
			o->a = (uint16_t)below(d, 3);
	}
	if (o->proto == TCP)
		f->tcp_flags = flags[below(d, ARRAY_SIZE(flags))];
	f->bytes = 20 + below(d, 3) * 8;
}

static void fragment(struct draw *d, struct step *s)
{
	static const uint32_t sizes[] = { 24, 24, 24, 64, 12, 4 };

	if (s->frame.is_error || below(d, 14))
		return;
	s->frame.frag = ORACLE_FIRST;
	s->frame.frag_id = 1 + below(d, 4);
	s->frame.bytes = sizes[below(d, ARRAY_SIZE(sizes))];
	d->queued = true;
	d->next = *s;
	d->next.frame.frag = ORACLE_LATER;
	d->next.frame.tcp_flags = 0;
	d->next.frame.frag_id = below(d, 6) ? s->frame.frag_id : 9;
	d->next.frame.frag_off = below(d, 5) ? (s->frame.bytes + 7) / 8 * 8 : 8 * (1 + below(d, 5));
	d->next.frame.bytes = 8 + 8 * below(d, 2);
	if (below(d, 8) == 0) { /* nothing but the later one */
		*s = d->next;
		d->queued = false;
	}
}

static void fresh_packet(struct draw *d, const struct model *m, bool six, struct step *s)
{
	const uint32_t i = below(d, m->n_enis + 1);
	const bool host = i == m->n_enis;
	struct oracle_flow *f = &s->frame.flow;

	f->family = six && !host && below(d, 3) == 0 ? 6 : 4;
	if (host) {
		const struct host *h = &m->hosts[below(d, m->n_hosts)];

		snprintf(s->from, sizeof(s->from), "%s", h->obj.name);
		f->src = h->addr;
	} else {
		snprintf(s->from, sizeof(s->from), "%s", m->enis[i].obj.name);
		f->src = eni_addr(d, m, &m->enis[i], f->family);
	}
	if (below(d, 20) == 0)
		f->src = random_dst(d, m, f->family);
	f->dst = random_dst(d, m, f->family);
	traffic(d, &s->frame);
	if (below(d, 60) == 0 && f->proto == UDP) {
		f->a = f->family == 4 ? 67 : 547;
		f->b = f->family == 4 ? 68 : 546;
	}
	if (below(d, 40) == 0) { /* out of the blue, at a link's end */
		name_of_port(m, 1 + below(d, 30), s->from, sizeof(s->from));
		if (!*s->from)
			snprintf(s->from, sizeof(s->from), "h0");
	}
	neighbour(d, m, s);
	fragment(d, s);
}

/* An ICMP error of whoever got a packet, about it. */
static void error_about(struct draw *d, const struct model *m, const struct drawn_packet *p, struct step *s)
{
	struct oracle_flow *f = &s->frame.flow;

	f->family = p->got.family;
	f->proto = f->family == 4 ? ICMP : ICMP6;
	f->src = p->got.dst;
	f->dst = p->got.src;
	f->a = 0;
	f->b = f->family == 4 ? (uint16_t)(below(d, 2) ? 0x303 : 0xb00) : (uint16_t)(below(d, 2) ? 0x104 : 0x200);
	s->frame.is_error = true;
	s->frame.about = p->got;
	if (below(d, 10) == 0 && (p->got.proto == TCP || p->got.proto == UDP))
		s->frame.about.b++; /* about another */
	if (below(d, 20) == 0)
		s->frame.about.src = p->got.dst;
	if (below(d, 10) == 0)
		f->dst = random_dst(d, m, f->family); /* to somebody who has not sent it */
}

static void answer_to(struct draw *d, const struct model *m, const struct drawn_packet *p, struct step *s)
{
	static const uint8_t flags[] = { SYN | ACK, SYN | ACK, ACK, ACK, FIN | ACK, RST };

	snprintf(s->from, sizeof(s->from), "%s", p->peer);
	if (below(d, 7) == 0) {
		error_about(d, m, p, s);
		return;
	}
	s->frame.flow = oracle_flow_back(&p->got);
	if (s->frame.flow.proto == TCP)
		s->frame.tcp_flags = flags[below(d, ARRAY_SIZE(flags))];
	s->frame.bytes = 20;
}

static bool same_flow(const struct oracle_flow *a, const struct oracle_flow *b)
{
	return a->family == b->family && a->proto == b->proto && a->a == b->a && a->b == b->b &&
	       !memcmp(&a->src, &b->src, sizeof(a->src)) && !memcmp(&a->dst, &b->dst, sizeof(a->dst));
}

static bool is_of(const struct eni *eni, const struct addr *a)
{
	for (uint32_t i = 0; i < eni->n_addrs; i++)
		if (addr_cmp(&eni->addrs[i].addr, a) == 0)
			return true;
	return false;
}

/* Its source is one of the gateway's, the same one for the same flow. */
static void nat_source(const struct eni *nat, struct oracle_flow *f)
{
	f->src = nat->addrs[(f->a + f->b) % nat->n_addrs].addr;
	if (f->proto == TCP || f->proto == UDP)
		f->a = (uint16_t)(NAT_PORT + f->a % 8);
}

/* What a NAT gateway does with what it got: out under an address of its own, or back to who asked. */
static bool through_nat(struct draw *d, const struct eni *nat, const struct drawn_packet *p, struct step *s)
{
	struct oracle_flow *f = &s->frame.flow;

	if (!is_of(nat, &p->got.dst)) {
		nat_source(nat, f);
		return true;
	}
	for (unsigned i = 0; i < DRAW_RECENT; i++) { /* who asked: something that the NAT's own packet came of */
		const struct drawn_packet *q = &d->recent[i];
		struct oracle_flow out = q->got;

		if (!q->allowed || strcmp(q->peer, p->peer) || q->got.family != 4)
			continue;
		nat_source(nat, &out);
		out = oracle_flow_back(&out);
		if (same_flow(&out, &p->got)) {
			*f = oracle_flow_back(&q->got);
			return true;
		}
	}
	return false;
}

/* A packet that arrived goes on: over a link, through an appliance or NAT gateway; or it is answered. */
static bool follow_up(struct draw *d, const struct model *m, struct step *s)
{
	const struct drawn_packet *p = &d->recent[below(d, DRAW_RECENT)];
	uint32_t eni;

	if (!p->allowed || !*p->peer)
		return false;
	*s = p->step;
	*s->mac = 0;
	s->frame.flow = p->got;
	s->frame.mac = 0;
	if (strchr(p->peer, ':')) {
		across(p->peer, s->from, sizeof(s->from));
		return true;
	}
	snprintf(s->from, sizeof(s->from), "%s", p->peer);
	eni = model_find_eni(m, p->peer);
	if (eni == NONE) { /* a host, or the uplink */
		if (p->step.frame.is_error || p->step.frame.frag != ORACLE_WHOLE)
			return false;
		answer_to(d, m, p, s);
		return true;
	}
	if (m->enis[eni].owner == ENI_OF_NAT_GATEWAY)
		return !p->step.frame.is_error && through_nat(d, &m->enis[eni], p, s);
	if (owns_addr(m, eni, &p->got.dst)) {
		if (p->step.frame.is_error || p->step.frame.frag != ORACLE_WHOLE)
			return false;
		answer_to(d, m, p, s);
	}
	neighbour(d, m, s);
	return true;
}

/* The sender goes on. */
static bool once_more(struct draw *d, struct step *s)
{
	static const uint8_t flags[] = { SYN, ACK, ACK, ACK, FIN | ACK, RST };
	const struct drawn_packet *p = &d->recent[below(d, DRAW_RECENT)];

	if (!*p->step.from)
		return false;
	*s = p->step;
	if (s->frame.flow.proto == TCP && s->frame.frag != ORACLE_LATER && below(d, 3))
		s->frame.tcp_flags = flags[below(d, ARRAY_SIZE(flags))];
	return true;
}

/* ---- the rest ---- */

static void draw_wait(struct draw *d, const struct model *m, struct step *s)
{
	static const uint32_t edges_s[] = { 4, 4, 10, 30, 30, 30, 60, 120, 180, 600 };
	const unsigned kind = below(d, 10);

	s->kind = STEP_WAIT;
	if (kind < 5)
		s->wait_ms = 1 + below(d, 3000);
	else if (kind < 9)
		s->wait_ms = edges_s[below(d, ARRAY_SIZE(edges_s))] * 1000u - 600 + below(d, 1200);
	else
		s->wait_ms = 432000u * 1000u - 600 + below(d, 1200);
	s->wait_ms /= m->clock;
	s->wait_ms += !s->wait_ms;
}

/* A line that may change while connections live: a rule, a route, membership, a list, a setting. */
static bool is_editable(const char *line)
{
	static const char *const keys[] = { "inbound =",           "outbound =",   "route =",
					    "security-groups =",   "entry =",      "nacl =",
					    "source-dest-check =", "route-table =" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strncmp(line, keys[i], strlen(keys[i])))
			return true;
	return false;
}

/* The text of another line of its kind; an ACL's rule keeps its number. */
static char *edited(struct draw *d, const char *old, char *const *lines, unsigned n)
{
	const char *eq = strchr(old, '=');
	const size_t key = (size_t)(eq - old) + 2;
	const bool numbered = eq[1] && eq[2] >= '0' && eq[2] <= '9';

	if (below(d, 3) == 0)
		return xstrdup("");
	for (unsigned i = 0; i < 40; i++) {
		const char *line = lines[below(d, n)];
		char *text;

		if (strlen(line) <= key || strncmp(line, old, key) ||
		    (line[key] >= '0' && line[key] <= '9') != numbered)
			continue;
		if (!numbered || old[0] == 'r' || old[0] == 'e')
			return xstrdup(line);
		text = xasprintf("%.*s%s", (int)(key + strcspn(old + key, " ")), old,
				 line + key + strcspn(line + key, " "));
		return text;
	}
	return xstrdup("");
}

static bool draw_edit(struct draw *d, char *const *lines, unsigned n, struct step *s)
{
	for (unsigned i = 0; i < 60; i++) {
		const unsigned at = below(d, n);

		if (!is_editable(lines[at]))
			continue;
		s->kind = STEP_EDIT;
		s->line = at;
		s->text = edited(d, lines[at], lines, n);
		return true;
	}
	return false;
}

void draw_step(struct draw *d, const struct model *m, bool six, char *const *lines, unsigned n_lines, struct step *ret)
{
	const unsigned kind = below(d, 1000);

	memset(ret, 0, sizeof(*ret));
	if (d->queued) {
		d->queued = false;
		*ret = d->next;
		return;
	}
	if (kind < 60) {
		draw_wait(d, m, ret);
		return;
	}
	if (kind < 70) {
		ret->kind = STEP_SWEEP;
		return;
	}
	if (kind < 71) {
		ret->kind = STEP_FLUSH;
		return;
	}
	if (kind < 81 && draw_edit(d, lines, n_lines, ret))
		return;
	for (int i = 0; i < TRIES; i++) {
		memset(ret, 0, sizeof(*ret));
		if (kind < 550 ? follow_up(d, m, ret) : kind < 750 && once_more(d, ret))
			return;
	}
	memset(ret, 0, sizeof(*ret));
	fresh_packet(d, m, six, ret);
}

void draw_heard(struct draw *d, const struct model *m, const struct step *s, const struct oracle_answer *a)
{
	struct drawn_packet *p = &d->recent[d->n_recent++ % DRAW_RECENT];

	if (!a->allow && below(d, 4)) { /* mostly what lives is worth keeping */
		d->n_recent--;
		return;
	}
	memset(p, 0, sizeof(*p));
	p->step = *s;
	p->allowed = a->allow;
	p->got = a->got;
	if (a->allow)
		name_of_port(m, a->peer, p->peer, sizeof(p->peer));
}
