/* lint_replies.c: an ACL is stateless: who lets a request pass has to let its reply pass, which goes to a
 * port that the client drew at random. Pure.
 *
 * A rule that admits tcp or udp without the whole of 32768-60999 (Linux's range) is about requests; one
 * that admits that range is about replies. For each request rule the other direction is asked for 1024-65535:
 * some of Linux's range does not pass: lost-reply; 1 % or more of 1024-65535 do not: ephemeral-range-short. */
#include <stdio.h>
#include <string.h>
#include "path/lint.h"

enum {
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	LINUX_LO = 32768,
	LINUX_HI = 60999,
	CLIENT_LO = 1024, /* NAT gateways, older systems */
	CLIENT_HI = 65535,
};

static void nacl_check(const struct nacl *n, enum rule_dir dir, struct diag_list *l);
static bool port_passes(const struct rule_list *rules, uint16_t proto, const struct prefix *peer, uint16_t port);

void lint_replies(const struct model *m, struct diag_list *l)
{
	for (uint32_t i = 0; i < m->n_nacls; i++) {
		bool used = false;

		for (uint32_t k = 0; k < m->n_subnets; k++)
			used = used || m->subnets[k].nacl == i;
		if (!used || !m->nacls[i].obj.loc.line)
			continue;
		nacl_check(&m->nacls[i], RULE_IN, l);
		nacl_check(&m->nacls[i], RULE_OUT, l);
	}
}

/* About requests: names few ports, or everything. */
static bool is_request(const struct rule *r)
{
	if (!r->allow || (r->proto != PROTO_TCP && r->proto != PROTO_UDP))
		return false;
	for (unsigned i = 0; i < r->n_ports; i++)
		if (r->ports[i].lo <= LINUX_LO && r->ports[i].hi >= LINUX_HI)
			return false;
	return r->n_ports > 0;
}

/* Ranges of lo..hi whose packets to peer do not pass, as text. How many ports. */
static uint32_t lost_text(const struct rule_list *rules, uint16_t proto, const struct prefix *peer, uint32_t lo,
			  uint32_t hi, char *buf, size_t size)
{
	uint32_t lost = 0, from = 0;
	size_t n = 0;
	bool in = false;

	buf[0] = '\0';
	for (uint32_t port = lo; port <= hi + 1; port++) {
		bool gone = port <= hi && !port_passes(rules, proto, peer, (uint16_t)port);

		lost += gone;
		if (gone && !in)
			from = port;
		if (!gone && in && n < size)
			n += (size_t)snprintf(buf + n, size - n, "%s%u-%u", n ? ", " : "", from, port - 1);
		in = gone;
	}
	return lost;
}

static void nacl_check(const struct nacl *n, enum rule_dir dir, struct diag_list *l)
{
	const struct rule_list *requests = &n->dir[dir], *replies = &n->dir[!dir];
	char rules[160], ranges[160], first[160] = "";
	const char *way = dir == RULE_IN ? "in" : "out", *back = dir == RULE_IN ? "outbound" : "inbound";
	bool all_lost = false;
	size_t at = 0;
	unsigned count = 0;
	char fix[200];

	rules[0] = '\0';
	for (uint32_t i = 0; i < requests->n; i++) {
		const struct rule *r = &requests->v[i].rule;
		char peer[PREFIX_STRLEN], name[8];
		uint32_t lost;

		if (!is_request(r) || r->peer.family != FAMILY_V4)
			continue;
		lost = lost_text(replies, r->proto, &r->peer, CLIENT_LO, CLIENT_HI, ranges, sizeof(ranges));
		if (lost * 100 < CLIENT_HI - CLIENT_LO + 1) /* a port taken out on purpose, e.g. a deny of 3389 */
			continue;
		all_lost = lost_text(replies, r->proto, &r->peer, LINUX_LO, LINUX_HI, peer, sizeof(peer)) > 0;
		if (all_lost) {
			snprintf(fix, sizeof(fix), "add %s = NUMBER allow %s 1024-65535 %s %s", back,
				 rule_proto_name(r->proto, name), dir == RULE_IN ? "to" : "from",
				 prefix_format(&r->peer, peer));
			diag_add(l, SEV_WARNING, requests->v[i].loc, "lost-reply", fix,
				 "nacl %s: rule %u lets requests %s, and %s no rule lets the replies pass to ports %s",
				 n->obj.name, r->nacl_number, way, back, ranges);
			continue;
		}
		if (count++ == 0)
			snprintf(first, sizeof(first), "%s", ranges);
		if (at < sizeof(rules))
			at += (size_t)snprintf(rules + at, sizeof(rules) - at, "%s%u", at ? ", " : "", r->nacl_number);
	}
	if (!count)
		return;
	snprintf(fix, sizeof(fix), "let %s replies pass to 1024-65535, or write down that such clients do not matter",
		 back);
	diag_add(
		l, SEV_WARNING, n->obj.loc, "ephemeral-range-short", fix,
		"nacl %s: replies to what rule%s %s let%s %s are lost where the client's port is %s: %s rules leave it out",
		n->obj.name, count == 1 ? "" : "s", rules, count == 1 ? "s" : "", way, first, back);
}

/* First match among the rules for all of peer; what is said of a part of it, others do not have. */
static bool port_passes(const struct rule_list *rules, uint16_t proto, const struct prefix *peer, uint16_t port)
{
	for (uint32_t i = 0; i < rules->n; i++) {
		const struct rule *r = &rules->v[i].rule;
		bool hit = !r->n_ports;

		if (r->proto != RULE_PROTO_ALL && r->proto != proto)
			continue;
		for (unsigned k = 0; k < r->n_ports && !hit; k++)
			hit = port >= r->ports[k].lo && port <= r->ports[k].hi;
		if (!hit || !prefix_covers(&r->peer, peer))
			continue;
		return r->allow;
	}
	return false;
}
