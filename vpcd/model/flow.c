/* flow.c: reads FLOW texts and finds out who sends to which address. Pure.
 *
 * The text is one line of a person's thought, so every error says which word was not understood
 * and how a flow is written. Which address DST stands for is decided here and nowhere else:
 * design 3 "DST stands for its private address where SRC is joined to it". */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "filters/rule.h"
#include "model/flow.h"
#include "util/mem.h"
#include "util/str.h"

enum { SPORT_DEFAULT = 40000, PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_ICMP6 = 58 };
enum { ICMP_ECHO = 8 };
#define HOW "write SRC[:PORT] -> DST PROTO[/PORT], e.g. laptop -> web-1 tcp/443"
#define HOW_PROTO "write tcp/PORT, udp/PORT, icmp, icmp/TYPE[.CODE] or a protocol number"

const char flow_back_text[] = "the route leads back to the instance that sends it";
const char flow_circle_text[] = "the routes lead it round in a circle: it has been there before";

struct end_text {
	char name[64], at[64];
}; /* NAME[@AT] */

static int split_port(char *word, uint16_t *ret_sport, struct err *e);
static int split_end(const char *word, struct end_text *ret, struct err *e);
static int find_end(const struct model *m, const struct end_text *t, const struct flow_end *src, struct flow_end *ret,
		    struct err *e);
static int find_private(const struct model *m, const char *text, const struct addr *a, uint32_t *ret, struct err *e);
static int source_addr(const struct model *m, const struct end_text *t, struct flow_end *end, struct err *e);
static int dst_addr(const struct model *m, const struct end_text *t, struct flow *f, struct err *e);
static int parse_proto(const char *text, struct flow *f, struct err *e);
static int unknown_name(const struct model *m, const char *name, struct err *e);
static uint32_t end_vpc(const struct model *m, const struct flow_end *end);
static bool end_choose(const struct model *m, struct flow_end *end, const struct addr *a);

int flow_parse(const struct model *m, const char *text, struct flow *ret, struct err *e)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char *p = copy, *src = str_word(&p), *arrow = str_word(&p), *dst = str_word(&p), *proto = str_word(&p);
	char *more = str_word(&p);

	if (!src)
		return err_set(e, -EINVAL, "the flow is empty; " HOW);
	if (!arrow || strcmp(arrow, "->") != 0)
		return err_set(e, -EINVAL, "\"%s\": \"->\" is wanted after %s; " HOW, text, src);
	if (!dst || !proto)
		return err_set(e, -EINVAL, "\"%s\" has no %s; " HOW, text, dst ? "protocol" : "destination");
	if (more)
		return err_set(e, -EINVAL, "\"%s\": what is \"%s\" after the protocol? " HOW, text, more);
	return flow_parse_words(m, src, dst, proto, ret, e);
}

int flow_parse_words(const struct model *m, const char *src, const char *dst, const char *proto, struct flow *ret,
		     struct err *e)
{
	struct flow f = { .sport = SPORT_DEFAULT };
	struct end_text from, to;
	char word[128];
	int r;

	if (str_copy(word, sizeof(word), src) >= sizeof(word))
		return err_set(e, -EINVAL, "the source \"%.40s…\" is too long for a name or an address", src);
	r = split_port(word, &f.sport, e);
	if (r < 0)
		return r;
	r = split_end(word, &from, e);
	if (r < 0)
		return r;
	r = split_end(dst, &to, e);
	if (r < 0)
		return r;
	r = parse_proto(proto, &f, e);
	if (r < 0)
		return r;
	r = find_end(m, &from, NULL, &f.src, e);
	if (r < 0)
		return r;
	r = find_end(m, &to, &f.src, &f.dst, e);
	if (r < 0)
		return r;
	str_copy(f.src.name, sizeof(f.src.name), word);
	str_copy(f.dst.name, sizeof(f.dst.name), dst);
	r = source_addr(m, &from, &f.src, e);
	if (r < 0)
		return r;
	r = dst_addr(m, &to, &f, e);
	if (r < 0)
		return r;
	*ret = f;
	return 0;
}

char *flow_format(const struct flow *f, char *buf, size_t size)
{
	char sport[8] = "", proto[24], buf_name[8];
	const char *name;
	bool has_ports = f->proto == PROTO_TCP || f->proto == PROTO_UDP;

	if (has_ports && f->sport != SPORT_DEFAULT)
		snprintf(sport, sizeof(sport), ":%u", f->sport);
	name = rule_proto_name(f->proto, buf_name);
	if (has_ports)
		snprintf(proto, sizeof(proto), "%s/%u", name, f->dport);
	else if (f->proto == PROTO_ICMP && (f->icmp_type != ICMP_ECHO || f->icmp_code != 0))
		snprintf(proto, sizeof(proto), "%s/%u.%u", name, f->icmp_type, f->icmp_code);
	else
		snprintf(proto, sizeof(proto), "%s", name);
	snprintf(buf, size, "%s%s -> %s %s", f->src.name, sport, f->dst.name, proto);
	return buf;
}

/* Cuts ":PORT" off. IPv6 addresses have colons of their own: those carry no port here. */
static int split_port(char *word, uint16_t *ret_sport, struct err *e)
{
	char *colon = strchr(word, ':');
	uint32_t port;

	if (!colon || strchr(colon + 1, ':'))
		return 0;
	if (str_to_u32(colon + 1, 1, 65535, &port) < 0)
		return err_set(e, -EINVAL, "\"%s\": the source port must be a number from 1 to 65535", word);
	*colon = '\0';
	*ret_sport = (uint16_t)port;
	return 0;
}

static int split_end(const char *word, struct end_text *ret, struct err *e)
{
	const char *at = strchr(word, '@');
	size_t n = at ? (size_t)(at - word) : strlen(word);

	if (n == 0 || n >= sizeof(ret->name) || (at && (!at[1] || strlen(at + 1) >= sizeof(ret->at))))
		return err_set(e, -EINVAL,
			       "\"%.60s\" is no end of a flow; write a name, an address, NAME@public or NAME@ADDRESS",
			       word);
	memcpy(ret->name, word, n);
	ret->name[n] = '\0';
	str_copy(ret->at, sizeof(ret->at), at ? at + 1 : "");
	return 0;
}

/* By name, else by address: a host's, a public one, a private one; else nobody's. src NULL: it is the
 * source. A private address of the destination means what it means in the source's own VPC. */
static int find_end(const struct model *m, const struct end_text *t, const struct flow_end *src, struct flow_end *ret,
		    struct err *e)
{
	struct addr a;
	uint32_t i, found = NONE;

	*ret = (struct flow_end){ .kind = END_ADDRESS, .index = NONE };
	if ((i = model_find_instance(m, t->name)) != NONE && m->instances[i].n_enis) {
		i = m->instances[i].enis[0];
		*ret = (struct flow_end){ .kind = END_ENI, .index = i, .port = m->enis[i].obj.number };
		return 0;
	}
	if ((i = model_find_eni(m, t->name)) != NONE) {
		*ret = (struct flow_end){ .kind = END_ENI, .index = i, .port = m->enis[i].obj.number };
		return 0;
	}
	if ((i = model_find_host(m, t->name)) != NONE) {
		*ret = (struct flow_end){ .kind = END_HOST, .index = i, .port = m->hosts[i].port };
		return 0;
	}
	if (addr_parse(t->name, &a) < 0)
		return unknown_name(m, t->name, e);
	if (t->at[0])
		return err_set(e, -EINVAL, "%s@%s: @ chooses an address of a named instance; %s is an address already",
			       t->name, t->at, t->name);
	ret->addr = a;
	if ((i = model_host_by_addr(m, &a)) != NONE) {
		*ret = (struct flow_end){ .kind = END_HOST, .index = i, .port = m->hosts[i].port, .addr = a };
		return 0;
	}
	found = model_eni_by_public(m, &a, NULL);
	if (found == NONE && src && src->kind == END_ENI) {
		found = model_eni_by_addr(m, model_eni_vpc(m, src->index), &a, NULL);
		for (uint32_t v = 0; v < m->n_vpcs && found == NONE; v++)
			if (model_vpcs_joined(m, model_eni_vpc(m, src->index), v))
				found = model_eni_by_addr(m, v, &a, NULL);
	} else if (found == NONE && !src) {
		int r = find_private(m, t->name, &a, &found, e);

		if (r < 0)
			return r;
	}
	if (found != NONE)
		*ret = (struct flow_end){
			.kind = END_ENI, .index = found, .port = m->enis[found].obj.number, .addr = a
		};
	return 0;
}

/* Who sends from a private address: it must be one VPC's only. */
static int find_private(const struct model *m, const char *text, const struct addr *a, uint32_t *ret, struct err *e)
{
	for (uint32_t v = 0; v < m->n_vpcs; v++) {
		uint32_t i = model_eni_by_addr(m, v, a, NULL);

		if (i == NONE)
			continue;
		if (*ret != NONE)
			return err_set(e, -EINVAL, "%s is %s in %s and %s in %s; write the name instead of the address",
				       text, m->enis[*ret].obj.name, m->vpcs[model_eni_vpc(m, *ret)].obj.name,
				       m->enis[i].obj.name, m->vpcs[v].obj.name);
		*ret = i;
	}
	return 0;
}

/* SRC@ADDRESS may be an address that is not its own: that is how a spoofed packet is asked for. */
static int source_addr(const struct model *m, const struct end_text *t, struct flow_end *end, struct err *e)
{
	uint32_t at;

	if (end->kind == END_HOST)
		end->addr = m->hosts[end->index].addr;
	if (end->kind == END_ENI) {
		/* Given by its public address: it sends from the private one behind it. */
		if (!addr_is_zero(&end->addr) && model_eni_by_public(m, &end->addr, &at) == end->index)
			end->addr = m->enis[end->index].addrs[at].addr;
		else if (addr_is_zero(&end->addr))
			end->addr = m->enis[end->index].addrs[0].addr;
	}
	if (!t->at[0])
		return 0;
	if (addr_parse(t->at, &end->addr) < 0)
		return err_set(e, -EINVAL, "%s@%s: a source sends from an address; write %s or %s@ADDRESS", t->name,
			       t->at, t->name, t->name);
	if (end->kind == END_ENI)
		end_choose(m, end, &end->addr);
	return 0;
}

static int dst_addr(const struct model *m, const struct end_text *t, struct flow *f, struct err *e)
{
	const struct eni *eni;
	struct addr want;

	if (f->dst.kind == END_HOST) {
		f->dst_addr = m->hosts[f->dst.index].addr;
		if (t->at[0] && strcmp(t->at, "public") != 0 &&
		    (addr_parse(t->at, &want) < 0 || addr_cmp(&want, &f->dst_addr) != 0))
			return err_set(e, -EINVAL, "host %s has only one address; leave @%s out", t->name, t->at);
		return 0;
	}
	if (f->dst.kind == END_ADDRESS || !addr_is_zero(&f->dst.addr)) { /* written as an address: taken as it is */
		f->dst_addr = f->dst.addr;
		return 0;
	}
	eni = &m->enis[f->dst.index];
	if (!t->at[0] && model_vpcs_joined(m, end_vpc(m, &f->src), model_eni_vpc(m, f->dst.index))) {
		f->dst_addr = eni->addrs[0].addr;
		return 0;
	}
	if (!t->at[0] || strcmp(t->at, "public") == 0) {
		f->dst_addr = eni->addrs[0].addr;
		f->no_public = true;
		for (uint32_t i = 0; i < eni->n_addrs && f->no_public; i++) {
			if (addr_is_zero(&eni->addrs[i].public_ip))
				continue;
			f->dst_addr = eni->addrs[i].public_ip;
			f->no_public = false;
		}
		return 0;
	}
	if (addr_parse(t->at, &want) < 0)
		return err_set(e, -EINVAL, "%s@%s: after @ stands \"public\" or one of its addresses", t->name, t->at);
	if (end_choose(m, &f->dst, &want)) {
		f->dst_addr = want;
		return 0;
	}
	return err_set(e, -ENOENT, "%s has no address %s; leave it out, or write %s@public", t->name, t->at, t->name);
}

/* The interface of an end that has an address, private or public: with several, it need not be the first. */
static bool end_choose(const struct model *m, struct flow_end *end, const struct addr *a)
{
	const struct eni *eni = &m->enis[end->index];
	const struct instance *in =
		eni->owner == ENI_OF_INSTANCE && eni->owner_index != NONE ? &m->instances[eni->owner_index] : NULL;

	for (uint32_t i = 0; i < (in ? in->n_enis : 1); i++) {
		uint32_t index = in ? in->enis[i] : end->index;

		for (uint32_t k = 0; k < m->enis[index].n_addrs; k++) {
			if (addr_cmp(a, &m->enis[index].addrs[k].addr) != 0 &&
			    addr_cmp(a, &m->enis[index].addrs[k].public_ip) != 0)
				continue;
			end->index = index;
			end->port = m->enis[index].obj.number;
			return true;
		}
	}
	return false;
}

static int parse_proto(const char *text, struct flow *f, struct err *e)
{
	char name[32], *arg;
	uint16_t proto;
	uint32_t port;

	if (str_copy(name, sizeof(name), text) >= sizeof(name))
		return err_set(e, -EINVAL, "protocol \"%.24s…\" is not known; " HOW_PROTO, text);
	arg = strchr(name, '/');
	if (arg)
		*arg++ = '\0';
	if (rule_proto_parse(name, &proto) < 0 || proto > 255)
		return err_set(e, -EINVAL, "protocol \"%s\" is not known; " HOW_PROTO, name);
	f->proto = (uint8_t)proto;
	if (proto == PROTO_TCP || proto == PROTO_UDP) {
		if (!arg)
			return err_set(e, -EINVAL, "%s needs a destination port, e.g. %s/%s", name, name,
				       proto == PROTO_TCP ? "443" : "53");
		if (str_to_u32(arg, 1, 65535, &port) < 0)
			return err_set(e, -EINVAL, "%s/%s: the port must be a number from 1 to 65535", name, arg);
		f->dport = (uint16_t)port;
		return 0;
	}
	if (proto == PROTO_ICMP6)
		return err_set(e, -EINVAL, "icmpv6 is not carried in this lab; " HOW_PROTO);
	if (proto == PROTO_ICMP) {
		int16_t type = ICMP_ECHO, code = 0;
		char *dot = arg ? strchr(arg, '.') : NULL;

		if (dot)
			*dot = '/'; /* a rule writes TYPE/CODE */
		if (arg && (!*arg || rule_icmp_parse(arg, proto, &type, &code) < 0 || type < 0))
			return err_set(
				e, -EINVAL,
				"\"%s\" is no ICMP type; write icmp, icmp/TYPE or icmp/TYPE.CODE with numbers, or a name such as icmp/echo-request",
				text);
		f->icmp_type = (uint8_t)type;
		f->icmp_code = (uint8_t)(code < 0 ? 0 : code);
		return 0;
	}
	if (arg)
		return err_set(e, -EINVAL, "protocol %s has no ports; write %s alone", name, name);
	return 0;
}

static int unknown_name(const struct model *m, const char *name, struct err *e)
{
	_cleanup_free_ const char **all = xcalloc(m->n_instances + m->n_enis + m->n_hosts + 1, sizeof(*all));
	const char *near;
	size_t n = 0;

	for (uint32_t i = 0; i < m->n_instances; i++)
		all[n++] = m->instances[i].obj.name;
	for (uint32_t i = 0; i < m->n_enis; i++)
		all[n++] = m->enis[i].obj.name;
	for (uint32_t i = 0; i < m->n_hosts; i++)
		all[n++] = m->hosts[i].obj.name;
	near = str_nearest(name, all, n);
	if (near)
		return err_set(e, -ENOENT, "lab %s has no instance, interface or host \"%s\"; did you mean %s?",
			       m->name, name, near);
	return err_set(e, -ENOENT, "lab %s has no instance, interface or host \"%s\", and it is no address", m->name,
		       name);
}

static uint32_t end_vpc(const struct model *m, const struct flow_end *end)
{
	return end->kind == END_ENI ? model_eni_vpc(m, end->index) : NONE;
}

void flow_stray_add(const struct model *m, uint32_t nat, enum stray what, const struct addr *asked, char *buf,
		    size_t size)
{
	char addr[ADDR_STRLEN];
	size_t n = strlen(buf);

	n += (size_t)snprintf(buf + n, size - n, "%sthe answer left by NAT gateway %s, which knows no such connection",
			      n ? "; " : "", m->enis[nat].obj.name);
	if (what == STRAY_DROPPED || n >= size)
		return;
	n += (size_t)snprintf(buf + n, size - n, " and gave it another source");
	if (what == STRAY_ARRIVED && n < size)
		snprintf(buf + n, size - n, ": it arrives, but not from %s, which was asked", addr_format(asked, addr));
}
