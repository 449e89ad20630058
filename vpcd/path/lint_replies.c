/* lint_replies.c: an ACL is stateless: who lets a request pass has to let its reply pass, which goes to a
 * port that the client drew at random. Pure.
 *
 * A rule that admits tcp or udp without the whole of 32768-60999 (Linux's range) is about requests; one
 * that admits that range is about replies. For each request rule the other direction is asked for 1024-65535:
 * some of Linux's range does not pass: lost-reply; 1 % or more of 1024-65535 do not: ephemeral-range-short. */
#include <stdio.h>
#include <string.h>
#include "path/lint.h"
#include "util/mem.h"

enum {
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	LINUX_LO = 32768,
	LINUX_HI = 60999,
	CLIENT_LO = 1024, /* NAT gateways, older systems */
	CLIENT_HI = 65535,
};

static void nacl_check(const struct nacl *n, enum rule_dir dir, struct diag_list *l);

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

struct ranges {
	struct port_range *v;
	size_t n, cap;
};

static void range_add(struct ranges *r, uint32_t lo, uint32_t hi)
{
	if (lo <= hi)
		*VEC_PUSH(r->v, r->n, r->cap) = (struct port_range){ (uint16_t)lo, (uint16_t)hi };
}

/* Takes lo..hi out of left; what was there goes to taken (NULL: nowhere). */
static void ranges_take(struct ranges *left, uint32_t lo, uint32_t hi, struct ranges *taken)
{
	struct ranges rest = { 0 };

	for (size_t i = 0; i < left->n; i++) {
		const struct port_range *p = &left->v[i];
		uint32_t from = p->lo > lo ? p->lo : lo, to = p->hi < hi ? p->hi : hi;

		if (from > to) {
			range_add(&rest, p->lo, p->hi);
			continue;
		}
		if (p->lo < from)
			range_add(&rest, p->lo, from - 1);
		range_add(&rest, to + 1, p->hi);
		if (taken)
			range_add(taken, from, to);
	}
	free(left->v);
	*left = rest;
}

static int range_cmp(const void *x, const void *y)
{
	const struct port_range *a = x, *b = y;

	return (a->lo > b->lo) - (a->lo < b->lo);
}

/* Ports whose packets to peer do not pass, ascending. First match among the rules for all of peer; what is said of
 * a part of it, others do not have. */
static void lost_ports(const struct rule_list *rules, uint16_t proto, const struct prefix *peer, struct ranges *ret)
{
	struct ranges left = { 0 };

	range_add(&left, CLIENT_LO, CLIENT_HI);
	for (uint32_t i = 0; i < rules->n && left.n; i++) {
		const struct rule *r = &rules->v[i].rule;

		if ((r->proto != RULE_PROTO_ALL && r->proto != proto) || !prefix_covers(&r->peer, peer))
			continue;
		if (!r->n_ports)
			ranges_take(&left, 0, CLIENT_HI, r->allow ? NULL : ret);
		for (unsigned k = 0; k < r->n_ports; k++)
			ranges_take(&left, r->ports[k].lo, r->ports[k].hi, r->allow ? NULL : ret);
	}
	for (size_t i = 0; i < left.n; i++)
		range_add(ret, left.v[i].lo, left.v[i].hi);
	free(left.v);
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), range_cmp);
}

/* How many of the ports lo..hi are among r. */
static uint32_t ports_in(const struct ranges *r, uint32_t lo, uint32_t hi)
{
	uint32_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		uint32_t from = r->v[i].lo > lo ? r->v[i].lo : lo, to = r->v[i].hi < hi ? r->v[i].hi : hi;

		n += from <= to ? to - from + 1 : 0;
	}
	return n;
}

/* "1024-32767, 61000-65535" */
static char *ranges_text(const struct ranges *r, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < r->n && n < size; i++) {
		size_t last = i;

		while (last + 1 < r->n && r->v[last + 1].lo == r->v[last].hi + 1)
			last++;
		n += (size_t)snprintf(buf + n, size - n, "%s%u-%u", n ? ", " : "", r->v[i].lo, r->v[last].hi);
		i = last;
	}
	return buf;
}

static void nacl_check(const struct nacl *n, enum rule_dir dir, struct diag_list *l)
{
	const struct rule_list *requests = &n->dir[dir], *replies = &n->dir[!dir];
	char rules[160], ranges[160], first[160] = "";
	const char *way = dir == RULE_IN ? "in" : "out", *back = dir == RULE_IN ? "outbound" : "inbound";
	struct ranges lost = { 0 };
	const struct rule *before = NULL;
	size_t at = 0;
	unsigned count = 0;
	char fix[200];

	rules[0] = '\0';
	for (uint32_t i = 0; i < requests->n; i++) {
		const struct rule *r = &requests->v[i].rule;
		char peer[PREFIX_STRLEN], name[8];

		if (!is_request(r) || r->peer.family != FAMILY_V4)
			continue;
		if (!before || before->proto != r->proto || prefix_cmp(&before->peer, &r->peer) != 0) {
			lost.n = 0;
			lost_ports(replies, r->proto, &r->peer, &lost);
			before = r;
		}
		ranges_text(&lost, ranges, sizeof(ranges));
		if (ports_in(&lost, CLIENT_LO, CLIENT_HI) * 100 < CLIENT_HI - CLIENT_LO + 1)
			continue; /* a port taken out on purpose, e.g. a deny of 3389 */
		if (ports_in(&lost, LINUX_LO, LINUX_HI)) {
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
	free(lost.v);
	if (!count)
		return;
	snprintf(fix, sizeof(fix), "let %s replies pass to 1024-65535, or write down that such clients do not matter",
		 back);
	diag_add(
		l, SEV_WARNING, n->obj.loc, "ephemeral-range-short", fix,
		"nacl %s: replies to what rule%s %s let%s %s are lost where the client's port is %s: %s rules leave it out",
		n->obj.name, count == 1 ? "" : "s", rules, count == 1 ? "s" : "", way, first, back);
}
