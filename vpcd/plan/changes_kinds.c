/* changes_kinds.c: each kind of object in words: a new one, and what is different between two. Pure. */
#include <stdio.h>
#include <string.h>
#include "plan/changes_ctx.h"
#include "util/mem.h"
#include "util/str.h"

#define NAMES_MAX 256

static bool interface_shown(const struct model *m, const void *object);
static void addr_text(const struct addr *a, char buf[ADDR_STRLEN]);
static void group_names(const struct model *m, const struct eni *eni, char *buf, size_t size);
static void describe_eni(struct notes *n, const struct model *m, const struct eni *eni);
static void compare_eni(struct notes *n, const struct model *was, const struct eni *a, const struct model *now,
			const struct eni *b);
static void compare_addrs(struct notes *n, const struct eni *a, const struct eni *b);
static void compare_work(struct notes *n, const struct workload *a, const struct workload *b);
static void compare_name(struct notes *n, const char *word, const char *a, const char *b);
static void compare_timer(struct notes *n, const char *word, uint32_t a, uint32_t b);
static const char *yes_no(bool b);

static const char *vpc_name(const struct model *m, uint32_t i)
{
	return i == NONE ? "none" : m->vpcs[i].obj.name;
}

static void vpc_describe(struct notes *n, const struct model *m, const void *object)
{
	const struct vpc *v = object;
	char text[PREFIX_STRLEN];

	(void)m;
	for (uint32_t i = 0; i < v->n_cidrs; i++)
		note(n, "%s", prefix_format(&v->cidrs[i], text));
}

static void vpc_compare(struct notes *n, const struct model *was, const void *a, const struct model *now, const void *b)
{
	const struct vpc *x = a, *y = b;

	(void)was;
	(void)now;
	compare_name(n, "region", x->region, y->region);
	compare_prefixes(n, "cidr", x->cidrs, x->n_cidrs, y->cidrs, y->n_cidrs);
}

static void subnet_describe(struct notes *n, const struct model *m, const void *object)
{
	const struct subnet *s = object;
	char text[PREFIX_STRLEN];

	note(n, "%s in VPC %s, zone %s", prefix_format(&s->cidr, text), vpc_name(m, s->vpc), s->zone);
}

static void subnet_compare(struct notes *n, const struct model *was, const void *a, const struct model *now,
			   const void *b)
{
	const struct subnet *x = a, *y = b;
	char old[PREFIX_STRLEN], new[PREFIX_STRLEN];

	compare_name(n, "vpc", vpc_name(was, x->vpc), vpc_name(now, y->vpc));
	compare_name(n, "cidr", prefix_format(&x->cidr, old), prefix_format(&y->cidr, new));
	compare_name(n, "zone", x->zone, y->zone);
	compare_name(n, "route-table", was->route_tables[x->route_table].obj.name,
		     now->route_tables[y->route_table].obj.name);
	compare_name(n, "nacl", was->nacls[x->nacl].obj.name, now->nacls[y->nacl].obj.name);
	compare_name(n, "map-public-ip", yes_no(x->map_public_ip), yes_no(y->map_public_ip));
}

static void route_table_describe(struct notes *n, const struct model *m, const void *object)
{
	const struct route_table *t = object;
	uint32_t routes = 0;

	for (uint32_t i = 0; i < t->n_routes; i++)
		routes += t->routes[i].target != TARGET_LOCAL;
	note(n, "in VPC %s%s, %u route%s beside the local ones", vpc_name(m, t->vpc), t->is_main ? ", main" : "",
	     routes, routes == 1 ? "" : "s");
}

static void route_table_compare(struct notes *n, const struct model *was, const void *a, const struct model *now,
				const void *b)
{
	const struct route_table *x = a, *y = b;

	compare_name(n, "vpc", vpc_name(was, x->vpc), vpc_name(now, y->vpc));
	compare_name(n, "main", yes_no(x->is_main), yes_no(y->is_main));
	compare_routes(n, was, x, now, y);
}

static void igw_describe(struct notes *n, const struct model *m, const void *object)
{
	note(n, "for VPC %s", vpc_name(m, ((const struct igw *)object)->vpc));
}

static void igw_compare(struct notes *n, const struct model *was, const void *a, const struct model *now, const void *b)
{
	compare_name(n, "vpc", vpc_name(was, ((const struct igw *)a)->vpc),
		     vpc_name(now, ((const struct igw *)b)->vpc));
}

static void peering_describe(struct notes *n, const struct model *m, const void *object)
{
	const struct peering *p = object;

	note(n, "VPC %s and VPC %s%s", vpc_name(m, p->vpcs[0]), vpc_name(m, p->vpcs[1]),
	     p->cross_region ? ", between regions" : "");
}

static void peering_compare(struct notes *n, const struct model *was, const void *a, const struct model *now,
			    const void *b)
{
	const struct peering *x = a, *y = b;

	compare_name(n, "vpc", vpc_name(was, x->vpcs[0]), vpc_name(now, y->vpcs[0]));
	compare_name(n, "peer-vpc", vpc_name(was, x->vpcs[1]), vpc_name(now, y->vpcs[1]));
}

static void nat_describe(struct notes *n, const struct model *m, const void *object)
{
	describe_eni(n, m, &m->enis[((const struct nat_gateway *)object)->eni]);
}

static void nat_compare(struct notes *n, const struct model *was, const void *a, const struct model *now, const void *b)
{
	const struct nat_gateway *x = a, *y = b;

	compare_name(n, "connectivity", x->is_public ? "public" : "private", y->is_public ? "public" : "private");
	compare_eni(n, was, &was->enis[x->eni], now, &now->enis[y->eni]);
}

static void rules_describe(struct notes *n, const struct model *m, uint32_t vpc, const struct rule_list dir[2])
{
	note(n, "in VPC %s, %u inbound and %u outbound rule%s", vpc_name(m, vpc), dir[RULE_IN].n, dir[RULE_OUT].n,
	     dir[RULE_OUT].n == 1 ? "" : "s");
}

static void group_describe(struct notes *n, const struct model *m, const void *object)
{
	const struct security_group *g = object;

	rules_describe(n, m, g->vpc, g->dir);
}

static void group_compare(struct notes *n, const struct model *was, const void *a, const struct model *now,
			  const void *b)
{
	const struct security_group *x = a, *y = b;

	compare_name(n, "vpc", vpc_name(was, x->vpc), vpc_name(now, y->vpc));
	for (int dir = RULE_IN; dir <= RULE_OUT; dir++)
		compare_rules(n, &x->dir[dir], &y->dir[dir], (enum rule_dir)dir);
}

static void nacl_describe(struct notes *n, const struct model *m, const void *object)
{
	const struct nacl *acl = object;

	rules_describe(n, m, acl->vpc, acl->dir);
}

static void nacl_compare(struct notes *n, const struct model *was, const void *a, const struct model *now,
			 const void *b)
{
	const struct nacl *x = a, *y = b;

	compare_name(n, "vpc", vpc_name(was, x->vpc), vpc_name(now, y->vpc));
	for (int dir = RULE_IN; dir <= RULE_OUT; dir++)
		compare_rules(n, &x->dir[dir], &y->dir[dir], (enum rule_dir)dir);
}

static void prefix_list_describe(struct notes *n, const struct model *m, const void *object)
{
	const struct prefix_list *l = object;

	(void)m;
	note(n, "%u entr%s", l->n_entries, l->n_entries == 1 ? "y" : "ies");
}

static void prefix_list_compare(struct notes *n, const struct model *was, const void *a, const struct model *now,
				const void *b)
{
	const struct prefix_list *x = a, *y = b;

	(void)was;
	(void)now;
	compare_prefixes(n, "entry", x->entries, x->n_entries, y->entries, y->n_entries);
}

static void instance_describe(struct notes *n, const struct model *m, const void *object)
{
	const struct instance *in = object;

	if (in->n_enis)
		describe_eni(n, m, &m->enis[in->enis[0]]);
}

static void instance_compare(struct notes *n, const struct model *was, const void *a, const struct model *now,
			     const void *b)
{
	const struct instance *x = a, *y = b;

	if (x->n_enis && y->n_enis)
		compare_eni(n, was, &was->enis[x->enis[0]], now, &now->enis[y->enis[0]]);
	compare_work(n, &x->work, &y->work);
}

static void interface_describe(struct notes *n, const struct model *m, const void *object)
{
	const struct eni *eni = object;

	if (eni->owner_index != NONE)
		note(n, "eth%u of %s", eni->device_index, m->instances[eni->owner_index].obj.name);
	describe_eni(n, m, eni);
}

static void interface_compare(struct notes *n, const struct model *was, const void *a, const struct model *now,
			      const void *b)
{
	const struct eni *x = a, *y = b;

	compare_name(n, "instance", x->owner_index == NONE ? "none" : was->instances[x->owner_index].obj.name,
		     y->owner_index == NONE ? "none" : now->instances[y->owner_index].obj.name);
	if (x->device_index != y->device_index)
		note(n, "index %u -> %u", x->device_index, y->device_index);
	compare_eni(n, was, x, now, y);
}

static void host_describe(struct notes *n, const struct model *m, const void *object)
{
	char text[ADDR_STRLEN];

	(void)m;
	note(n, "%s on the internet", addr_format(&((const struct host *)object)->addr, text));
}

static void host_compare(struct notes *n, const struct model *was, const void *a, const struct model *now,
			 const void *b)
{
	const struct host *x = a, *y = b;
	char old[ADDR_STRLEN], new[ADDR_STRLEN];

	(void)was;
	(void)now;
	compare_name(n, "address", addr_format(&x->addr, old), addr_format(&y->addr, new));
	compare_work(n, &x->work, &y->work);
}

static const char *flow_log_scope(const struct model *m, const struct flow_log *l)
{
	return l->scope == KIND_VPC      ? m->vpcs[l->index].obj.name
	       : l->scope == KIND_SUBNET ? m->subnets[l->index].obj.name
					 : m->enis[l->index].obj.name;
}

static void flow_log_describe(struct notes *n, const struct model *m, const void *object)
{
	const struct flow_log *l = object;

	note(n, "of %s %s", obj_kind_name(l->scope), flow_log_scope(m, l));
}

static void flow_log_compare(struct notes *n, const struct model *was, const void *a, const struct model *now,
			     const void *b)
{
	static const char *const traffics[] = {
		[FLOW_LOG_ALL] = "all", [FLOW_LOG_ACCEPT] = "accept", [FLOW_LOG_REJECT] = "reject"
	};
	const struct flow_log *x = a, *y = b;
	char old[16], new[16];

	compare_name(n, "kind", obj_kind_name(x->scope), obj_kind_name(y->scope));
	compare_name(n, "of", flow_log_scope(was, x), flow_log_scope(now, y));
	compare_name(n, "traffic", traffics[x->traffic], traffics[y->traffic]);
	compare_name(n, "format", x->format ? x->format : "default", y->format ? y->format : "default");
	snprintf(old, sizeof(old), "%u", x->interval_s);
	snprintf(new, sizeof(new), "%u", y->interval_s);
	compare_name(n, "max-aggregation-interval", old, new);
	compare_name(n, "log-destination", x->to_file ? "file" : "none", y->to_file ? "file" : "none");
}

static void alarm_describe(struct notes *n, const struct model *m, const void *object)
{
	const struct alarm *a = object;

	(void)m;
	note(n, "of %s", metric_names[a->metric].name);
}

static void alarm_words(const struct alarm *a, char buf[NAMES_MAX])
{
	static const char *const comparisons[] = { ALARM_COMPARISON_NAMES };
	int n = snprintf(buf, NAMES_MAX, "%s %g, %u of %u s", comparisons[a->comparison], a->threshold,
			 a->evaluation_periods, a->period_s);

	for (uint32_t i = 0; i < a->n_dimensions && n > 0 && n < NAMES_MAX; i++)
		n += snprintf(buf + n, (size_t)(NAMES_MAX - n), " %s=%s", a->dimensions[i].name,
			      a->dimensions[i].value);
}

static void alarm_compare(struct notes *n, const struct model *was, const void *a, const struct model *now,
			  const void *b)
{
	const struct alarm *x = a, *y = b;
	char old[NAMES_MAX], new[NAMES_MAX];

	(void)was;
	(void)now;
	alarm_words(x, old);
	alarm_words(y, new);
	compare_name(n, "metric", metric_names[x->metric].name, metric_names[y->metric].name);
	compare_name(n, "threshold", old, new);
	compare_name(n, "run", x->run ? x->run : "nothing", y->run ? y->run : "nothing");
}

#define VIEW(k, field, type, words) \
	{ \
		k, offsetof(struct model, field), offsetof(struct model, n_##field), sizeof(struct type), NULL, \
			words##_describe, words##_compare \
	}
/* In the order in which things depend on each other. */
const struct kind_view kind_views[] = {
	VIEW(KIND_VPC, vpcs, vpc, vpc),
	VIEW(KIND_IGW, igws, igw, igw),
	VIEW(KIND_PEERING, peerings, peering, peering),
	VIEW(KIND_ROUTE_TABLE, route_tables, route_table, route_table),
	VIEW(KIND_NACL, nacls, nacl, nacl),
	VIEW(KIND_PREFIX_LIST, prefix_lists, prefix_list, prefix_list),
	VIEW(KIND_SECURITY_GROUP, security_groups, security_group, group),
	VIEW(KIND_SUBNET, subnets, subnet, subnet),
	VIEW(KIND_NAT_GATEWAY, nat_gateways, nat_gateway, nat),
	VIEW(KIND_INSTANCE, instances, instance, instance),
	{ KIND_INTERFACE, offsetof(struct model, enis), offsetof(struct model, n_enis), sizeof(struct eni),
	  interface_shown, interface_describe, interface_compare },
	VIEW(KIND_HOST, hosts, host, host),
	VIEW(KIND_FLOW_LOG, flow_logs, flow_log, flow_log),
	VIEW(KIND_ALARM, alarms, alarm, alarm),
};
const size_t n_kind_views = ARRAY_SIZE(kind_views);

/* An instance's first interface and a NAT gateway's are part of them. */
static bool interface_shown(const struct model *m, const void *object)
{
	const struct eni *eni = object;

	if (eni->owner != ENI_OF_INSTANCE)
		return false;
	return eni->owner_index == NONE || &m->enis[m->instances[eni->owner_index].enis[0]] != eni;
}

static void describe_eni(struct notes *n, const struct model *m, const struct eni *eni)
{
	char text[ADDR_STRLEN], groups[NAMES_MAX];

	note(n, "%s in subnet %s", addr_format(&eni->addrs[0].addr, text), m->subnets[eni->subnet].obj.name);
	if (!addr_is_zero(&eni->addrs[0].public_ip))
		note(n, "public %s", addr_format(&eni->addrs[0].public_ip, text));
	if (eni->n_addrs > 1)
		note(n, "%u more address%s", eni->n_addrs - 1, eni->n_addrs == 2 ? "" : "es");
	if (eni->n_groups) {
		group_names(m, eni, groups, sizeof(groups));
		note(n, "security group%s %s", eni->n_groups == 1 ? "" : "s", groups);
	}
}

static void compare_eni(struct notes *n, const struct model *was, const struct eni *a, const struct model *now,
			const struct eni *b)
{
	char old[NAMES_MAX], new[NAMES_MAX];

	compare_name(n, "subnet", was->subnets[a->subnet].obj.name, now->subnets[b->subnet].obj.name);
	compare_addrs(n, a, b);
	group_names(was, a, old, sizeof(old));
	group_names(now, b, new, sizeof(new));
	compare_name(n, "security-groups", old, new);
	compare_name(n, "source-dest-check", yes_no(a->source_dest_check), yes_no(b->source_dest_check));
	compare_timer(n, "tcp-established-timeout", a->tcp_established_s, b->tcp_established_s);
	compare_timer(n, "udp-timeout", a->udp_s, b->udp_s);
	compare_timer(n, "udp-stream-timeout", a->udp_stream_s, b->udp_stream_s);
}

/* 0: the default. */
static void compare_timer(struct notes *n, const char *word, uint32_t a, uint32_t b)
{
	char old[16] = "default", new[16] = "default";

	if (a == b)
		return;
	if (a)
		snprintf(old, sizeof(old), "%u", a);
	if (b)
		snprintf(new, sizeof(new), "%u", b);
	compare_name(n, word, old, new);
}

/* Either may be NULL: none. */
static void compare_addr(struct notes *n, const struct eni_addr *a, const struct eni_addr *b)
{
	char old[ADDR_STRLEN] = "none", new[ADDR_STRLEN] = "none";
	char old_public[ADDR_STRLEN] = "none", new_public[ADDR_STRLEN] = "none";

	if (a && b && addr_cmp(&a->addr, &b->addr) == 0 && addr_cmp(&a->public_ip, &b->public_ip) == 0)
		return;
	if (a) {
		addr_text(&a->addr, old);
		addr_text(&a->public_ip, old_public);
	}
	if (b) {
		addr_text(&b->addr, new);
		addr_text(&b->public_ip, new_public);
	}
	compare_name(n, "address", old, new);
	compare_name(n, "public-ip", old_public, new_public);
}

static const struct eni_addr *addr_of(const struct eni *eni, const struct addr *a)
{
	for (uint32_t i = 0; i < eni->n_addrs; i++)
		if (addr_cmp(&eni->addrs[i].addr, a) == 0)
			return &eni->addrs[i];
	return NULL;
}

/* As many as there were: place by place. Else which ones came and went: the others have moved up. */
static void compare_addrs(struct notes *n, const struct eni *a, const struct eni *b)
{
	if (a->n_addrs == b->n_addrs) {
		for (uint32_t i = 0; i < a->n_addrs; i++)
			compare_addr(n, &a->addrs[i], &b->addrs[i]);
		return;
	}
	for (uint32_t i = 0; i < a->n_addrs; i++)
		compare_addr(n, &a->addrs[i], addr_of(b, &a->addrs[i].addr));
	for (uint32_t i = 0; i < b->n_addrs; i++)
		if (!addr_of(a, &b->addrs[i].addr))
			compare_addr(n, NULL, &b->addrs[i]);
}

/* The lists are short. */
static void compare_work(struct notes *n, const struct workload *a, const struct workload *b)
{
	bool same = a->n_run == b->n_run;

	for (int side = 0; side < 2; side++) {
		const struct workload *from = side ? b : a, *to = side ? a : b;

		for (uint32_t i = 0; i < from->n_listen; i++) {
			const struct listen_spec *l = &from->listen[i];
			bool found = false;

			for (uint32_t k = 0; k < to->n_listen && !found; k++)
				found = to->listen[k].proto == l->proto && to->listen[k].port == l->port;
			if (!found)
				note(n, "listen %s/%u %s", l->proto == 17 ? "udp" : "tcp", l->port,
				     side ? "added" : "removed");
		}
	}
	for (uint32_t i = 0; same && i < a->n_run; i++)
		same = strcmp(a->run[i], b->run[i]) == 0;
	if (!same)
		note(n, "run changed");
}

/* Sorted by name, so that the order in the file does not count. */
static void group_names(const struct model *m, const struct eni *eni, char *buf, size_t size)
{
	const char *names[16];
	uint32_t n = 0;
	size_t at = 0;

	buf[0] = '\0';
	for (uint32_t i = 0; i < eni->n_groups && n < ARRAY_SIZE(names); i++) {
		const char *name = m->security_groups[eni->groups[i]].obj.name;
		uint32_t k = n++;

		for (; k > 0 && strcmp(names[k - 1], name) > 0; k--)
			names[k] = names[k - 1];
		names[k] = name;
	}
	for (uint32_t i = 0; i < n && at + 1 < size; i++) {
		if (i)
			buf[at++] = ' ';
		at += str_copy(buf + at, size - at, names[i]);
	}
}

static void addr_text(const struct addr *a, char buf[ADDR_STRLEN])
{
	if (addr_is_zero(a))
		snprintf(buf, ADDR_STRLEN, "none");
	else
		addr_format(a, buf);
}

static void compare_name(struct notes *n, const char *word, const char *a, const char *b)
{
	if (strcmp(a, b) != 0)
		note(n, "%s %s -> %s", word, a[0] ? a : "none", b[0] ? b : "none");
}

static const char *yes_no(bool b)
{
	return b ? "yes" : "no";
}
