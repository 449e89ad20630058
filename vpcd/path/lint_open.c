/* lint_open.c: doors that stand open: ports by which a machine is administered, open to most of the internet.
 * Most: more than half of all IPv4 addresses, in one rule or in several rules of one group, as 0.0.0.0/1 and
 * 128.0.0.0/1. Pure. */
#include <stdio.h>
#include "path/lint.h"
#include "util/mem.h"
#include "util/str.h"

enum { PROTO_TCP = 6 };
static const uint64_t EVERY_ADDRESS = 1ull << 32;

static const struct admin_port {
	uint16_t port;
	const char *name;
} admin_ports[] = {
	{ 22, "SSH (22)" },
	{ 23, "telnet (23)" },
	{ 3389, "remote desktop (3389)" },
	{ 5985, "WinRM (5985)" },
	{ 5986, "WinRM over TLS (5986)" },
};
enum { N_ADMIN_PORTS = ARRAY_SIZE(admin_ports) };

struct span { /* IPv4 prefixes, none of them inside another */
	struct prefix *v;
	size_t n, cap;
	uint64_t size; /* addresses in all of them */
};

static void group_check(const struct model *m, const struct security_group *g, struct diag_list *l);

void lint_open(const struct model *m, const bool *carried, struct diag_list *l)
{
	for (uint32_t i = 0; i < m->n_security_groups; i++)
		if (carried[i])
			group_check(m, &m->security_groups[i], l);
}

static void span_add(struct span *s, const struct prefix *p)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++)
		if (prefix_covers(&s->v[i], p))
			return;
	for (size_t i = 0; i < s->n; i++) {
		if (prefix_covers(p, &s->v[i]))
			s->size -= prefix_size(&s->v[i]);
		else
			s->v[kept++] = s->v[i];
	}
	s->n = kept;
	*VEC_PUSH(s->v, s->n, s->cap) = *p;
	s->size += prefix_size(p);
}

static const struct prefix *peer_prefixes(const struct model *m, const struct model_rule *r, uint32_t *ret_n)
{
	*ret_n = r->rule.peer_kind == PEER_PREFIX;
	if (r->rule.peer_kind != PEER_PREFIX_LIST)
		return &r->rule.peer;
	*ret_n = m->prefix_lists[r->peer_index].n_entries;
	return m->prefix_lists[r->peer_index].entries;
}

static bool is_most(const struct span *s)
{
	return s->size > EVERY_ADDRESS / 2;
}

static bool rule_has_port(const struct rule *r, uint16_t port)
{
	if (r->proto != RULE_PROTO_ALL && r->proto != PROTO_TCP)
		return false;
	for (unsigned i = 0; i < r->n_ports; i++)
		if (port >= r->ports[i].lo && port <= r->ports[i].hi)
			return true;
	return !r->n_ports;
}

/* share: how many addresses each of the ports is open to, at least. */
static void open_add(const struct security_group *g, const struct model_rule *r, const bool *is_open, bool alone,
		     uint64_t share, struct diag_list *l)
{
	char text[160], to_whom[48] = "everybody";
	struct strbuf ports = { 0 };
	size_t left = 0;

	for (size_t i = 0; i < N_ADMIN_PORTS; i++)
		left += is_open[i];
	for (size_t i = 0; i < N_ADMIN_PORTS; i++)
		if (is_open[i])
			strbuf_addf(&ports, "%s%s", admin_ports[i].name, --left > 1 ? ", " : left ? " and " : "");
	if (share < EVERY_ADDRESS)
		snprintf(to_whom, sizeof(to_whom), "%u %% of all IPv4 addresses",
			 (unsigned)(share * 100 / EVERY_ADDRESS));
	diag_add(l, SEV_WARNING, r->loc, "open-admin-port",
		 "name the administrators' range, a prefix list, or a bastion's group",
		 "security-group %s: \"%s\"%s opens %s to %s", g->obj.name, rule_format(&r->rule, text, sizeof(text)),
		 alone ? "" : ", with the rules before it,", ports.s, to_whom);
	strbuf_done(&ports);
}

/* Told at the rule that is too much by itself, and at the one with which several are. */
static void group_check(const struct model *m, const struct security_group *g, struct diag_list *l)
{
	struct span open[N_ADMIN_PORTS] = { 0 };

	for (uint32_t k = 0; k < g->dir[RULE_IN].n; k++) {
		const struct model_rule *r = &g->dir[RULE_IN].v[k];
		bool told[N_ADMIN_PORTS] = { false }, any = false, alone;
		struct span own = { 0 };
		uint64_t share = EVERY_ADDRESS;
		uint32_t n;
		const struct prefix *peers = peer_prefixes(m, r, &n);

		for (uint32_t i = 0; i < n; i++)
			span_add(&own, &peers[i]);
		alone = is_most(&own);
		for (size_t p = 0; p < N_ADMIN_PORTS; p++) {
			bool was = is_most(&open[p]);

			if (!rule_has_port(&r->rule, admin_ports[p].port))
				continue;
			for (size_t i = 0; i < own.n; i++)
				span_add(&open[p], &own.v[i]);
			told[p] = alone || (!was && is_most(&open[p]));
			any |= told[p];
			if (told[p] && open[p].size < share)
				share = open[p].size;
		}
		if (any)
			open_add(g, r, told, alone, alone ? own.size : share, l);
		free(own.v);
	}
	for (size_t p = 0; p < N_ADMIN_PORTS; p++)
		free(open[p].v);
}
