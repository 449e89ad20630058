/* views.c: labs and the things of a model that have no counters of their own. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include "conf/schema.h"
#include "daemon/alarms.h"
#include "daemon/flow_logs.h"
#include "daemon/lab.h"
#include "daemon/nat_metrics.h"
#include "daemon/verdict.h"
#include "daemon/views.h"
#include "kern/datapath.h"
#include "kern/kern.h"
#include "kern/nl.h"
#include "plan/desired.h"
#include "util/mem.h"
#include "util/str.h"

static json_t *view_vpcs(struct lab *l, const char *name);
static json_t *view_subnets(struct lab *l, const char *name);
static json_t *view_igws(struct lab *l, const char *name);
static json_t *view_nat_gateways(struct lab *l, const char *name);
static json_t *view_peerings(struct lab *l, const char *name);
static json_t *view_prefix_lists(struct lab *l, const char *name);
static json_t *view_instances(struct lab *l, const char *name);
static json_t *view_interfaces(struct lab *l, const char *name);
static json_t *view_hosts(struct lab *l, const char *name);
static json_t *prefix_text(const struct prefix *p);
static void add_workload(json_t *o, const struct workload *w);

static const struct {
	enum obj_kind kind;
	json_t *(*fn)(struct lab *l, const char *name);
} kinds[] = {
	{ KIND_VPC, view_vpcs },
	{ KIND_SUBNET, view_subnets },
	{ KIND_INSTANCE, view_instances },
	{ KIND_INTERFACE, view_interfaces },
	{ KIND_ROUTE_TABLE, view_route_tables },
	{ KIND_SECURITY_GROUP, view_security_groups },
	{ KIND_NACL, view_nacls },
	{ KIND_IGW, view_igws },
	{ KIND_NAT_GATEWAY, view_nat_gateways },
	{ KIND_PEERING, view_peerings },
	{ KIND_PREFIX_LIST, view_prefix_lists },
	{ KIND_HOST, view_hosts },
	{ KIND_FLOW_LOG, view_flow_logs },
	{ KIND_ALARM, view_alarms },
};

bool view_lab_is_there(const struct lab *l)
{
	return l->model || l->going || l->broken || l->state == LAB_FAILED || (l->tx && l->state == LAB_APPLYING);
}

json_t *view_lab(const struct lab *l)
{
	const struct model *m = l->model;
	json_t *o = json_object();

	json_object_set_new(o, "name", json_string(l->name));
	json_object_set_new(o, "file", json_text(m ? m->file : NULL));
	json_object_set_new(o, "revision", json_integer((json_int_t)l->revision));
	json_object_set_new(o, "state", json_string(lab_state_name(l->state)));
	json_object_set_new(o, "datapath",
			    m ? json_string(m->datapath == DATAPATH_KERNEL ? "kernel" : "fast") : json_null());
	json_object_set_new(o, "vpcs", m ? json_integer(m->n_vpcs) : json_null());
	json_object_set_new(o, "instances", m ? json_integer(m->n_instances) : json_null());
	json_object_set_new(o, "hosts", m ? json_integer(m->n_hosts) : json_null());
	return o;
}

json_t *view_kind(struct lab *l, const char *kind, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(obj_kind_name(kinds[i].kind), kind) == 0)
			return kinds[i].fn(l, name);
	return NULL;
}

const char *view_not_found(const char *kind)
{
	const struct schema_kind *k = schema_kind_find(kind);

	return k && k->not_found ? k->not_found : "InvalidParameterValue.NotFound";
}

void view_place(json_t *o, const struct obj *obj)
{
	json_object_set_new(o, "origin", json_string(origin_name(obj->origin)));
	json_object_set_new(o, "file", json_file(obj->loc));
	json_object_set_new(o, "line", json_line(obj->loc));
}

const char *origin_name(enum origin o)
{
	static const char *const names[] = {
		[ORIGIN_FILE] = "file",
		[ORIGIN_API] = "api",
		[ORIGIN_MANAGED] = "managed",
		[ORIGIN_IMPLICIT] = "implicit",
	};

	return names[o];
}

bool view_wants(const char *wanted, const char *name)
{
	return !wanted || obj_name_matches(name, wanted);
}

/* ---- health of interfaces, measured in the router's namespace ---- */

struct look {
	const struct lab *l;
	uint32_t vpc;
	struct eni_health *all;
};

static int look_inside(void *ctx)
{
	const struct look *k = ctx;
	const struct model *m = k->l->model;
	struct datapath *d = lab_datapath(k->l);
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct nl_ns *nl = NULL;

	if (nl_ns_open(&nl, NULL) < 0)
		return 0;
	for (uint32_t i = 0; fd >= 0 && i < m->n_enis; i++) {
		uint32_t ifindex = ABI_IFINDEX_BASE + m->enis[i].obj.number;
		struct ifreq ifr = { .ifr_ifindex = (int)ifindex };

		if (model_eni_vpc(m, i) != k->vpc || ioctl(fd, SIOCGIFNAME, &ifr) < 0)
			continue;
		/* A veth end runs when both are up. */
		if (ioctl(fd, SIOCGIFFLAGS, &ifr) == 0)
			k->all[i].link_up = (ifr.ifr_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
		k->all[i].filters_ok = d && datapath_attached(d, nl, HOOK_ENI_INGRESS, ifindex) == 1 &&
				       datapath_attached(d, nl, HOOK_ENI_EGRESS, ifindex) == 1;
	}
	nl_ns_close(&nl);
	return 0;
}

struct eni_health *enis_look(const struct lab *l)
{
	const struct model *m = l->model;
	struct eni_health *all = xcalloc(m->n_enis + 1, sizeof(*all));
	char name[128];

	for (uint32_t v = 0; v < m->n_vpcs; v++) {
		struct look k = { .l = l, .vpc = v, .all = all };
		_cleanup_close_ int router = netns_open(ns_name_router(m, v, name));

		if (router >= 0)
			netns_call(router, look_inside, &k);
	}
	for (uint32_t i = 0; i < m->n_enis; i++) {
		const struct eni *eni = &m->enis[i];
		const char *owner = eni->obj.name;
		_cleanup_close_ int fd = -1;

		if (eni->owner == ENI_OF_INSTANCE && eni->owner_index == NONE)
			continue;
		if (eni->owner == ENI_OF_INSTANCE)
			owner = m->instances[eni->owner_index].obj.name;
		fd = netns_open(ns_name_of(m, owner, name));
		all[i].namespace_there = fd >= 0;
		all[i].zone_out = model_subnet_is_out(m, eni->subnet);
	}
	return all;
}

struct gateways {
	const struct lab *l;
	uint32_t vpc; /* whose router it is in; NONE: on the internet */
	bool ok;
};

static int gateways_look_inside(void *ctx)
{
	struct gateways *g = ctx;
	const struct model *m = g->l->model;
	struct datapath *d = lab_datapath(g->l);
	struct nl_ns *nl = NULL;
	bool ok = d && nl_ns_open(&nl, NULL) == 0;

	for (uint32_t i = 0; ok && i < m->n_igws; i++) {
		const struct igw *igw = &m->igws[i];

		if (igw->vpc != NONE && g->vpc == NONE)
			ok = datapath_attached(d, nl, HOOK_LINK_INGRESS, ABI_IFINDEX_BASE + igw->inet_port) == 1;
		else if (igw->vpc != NONE && g->vpc == igw->vpc)
			ok = datapath_attached(d, nl, HOOK_LINK_INGRESS, ABI_IFINDEX_BASE + igw->port) == 1 &&
			     datapath_attached(d, nl, HOOK_IGW_EGRESS, ABI_IFINDEX_BASE + igw->port) == 1;
	}
	for (uint32_t i = 0; ok && g->vpc != NONE && i < 2 * m->n_peerings; i++)
		if (m->peerings[i / 2].vpcs[i % 2] == g->vpc) {
			uint32_t ifindex = ABI_IFINDEX_BASE + m->peerings[i / 2].ports[i % 2];

			ok = datapath_attached(d, nl, HOOK_LINK_INGRESS, ifindex) == 1 &&
			     datapath_attached(d, nl, HOOK_ENI_EGRESS, ifindex) == 1;
		}
	for (uint32_t i = 0; ok && g->vpc == NONE && i < m->n_hosts; i++)
		ok = datapath_attached(d, nl, HOOK_LINK_INGRESS, ABI_IFINDEX_BASE + m->hosts[i].port) == 1;
	nl_ns_close(&nl);
	g->ok = ok;
	return 0;
}

bool gateways_look(const struct lab *l)
{
	const struct model *m = l->model;
	bool internet = m->n_hosts > 0;
	char name[128];

	for (uint32_t i = 0; i < m->n_igws; i++)
		internet |= m->igws[i].vpc != NONE;
	for (uint32_t v = 0; v < m->n_vpcs + internet; v++) {
		struct gateways g = { .l = l, .vpc = v < m->n_vpcs ? v : NONE };
		_cleanup_close_ int fd =
			netns_open(v < m->n_vpcs ? ns_name_router(m, v, name) : ns_name_internet(m, name));

		if (fd < 0 || netns_call(fd, gateways_look_inside, &g) < 0 || !g.ok)
			return false;
	}
	return true;
}

/* An outage of its zone leaves an instance's state as it was. */
static const char *health_name(const struct lab *l, const struct eni_health *h)
{
	if (h->namespace_there && (h->link_up || h->zone_out) && h->filters_ok)
		return "running";
	return l->state == LAB_APPLYING ? "pending" : "broken";
}

/* ---- kinds ---- */

static json_t *view_vpcs(struct lab *l, const char *name)
{
	const struct model *m = l->model;
	json_t *a = json_array();

	for (uint32_t i = 0; i < m->n_vpcs; i++) {
		const struct vpc *v = &m->vpcs[i];
		json_t *o, *cidrs;

		if (!view_wants(name, v->obj.name))
			continue;
		o = json_object();
		cidrs = json_array();
		for (uint32_t k = 0; k < v->n_cidrs; k++)
			json_array_append_new(cidrs, prefix_text(&v->cidrs[k]));
		json_object_set_new(o, "name", json_string(v->obj.name));
		json_object_set_new(o, "id", json_text(v->obj.id));
		json_object_set_new(o, "number", json_integer(v->obj.number));
		json_object_set_new(o, "region", json_string(v->region));
		json_object_set_new(o, "cidrs", cidrs);
		json_object_set_new(o, "internet_gateway",
				    v->igw == NONE ? json_null() : json_string(m->igws[v->igw].obj.name));
		json_object_set_new(o, "main_route_table", json_string(m->route_tables[v->main_table].obj.name));
		json_object_set_new(o, "default_nacl", json_string(m->nacls[v->default_nacl].obj.name));
		json_object_set_new(o, "default_security_group",
				    json_string(m->security_groups[v->default_group].obj.name));
		view_place(o, &v->obj);
		json_array_append_new(a, o);
	}
	return a;
}

/* AWS keeps five addresses of each subnet (semantics 1.2). */
static uint64_t subnet_available(const struct model *m, uint32_t subnet)
{
	uint64_t n = prefix_size(&m->subnets[subnet].cidr);

	n = n > 5 ? n - 5 : 0;
	for (uint32_t i = 0; i < m->n_enis; i++)
		if (m->enis[i].subnet == subnet)
			n -= m->enis[i].n_addrs < n ? m->enis[i].n_addrs : n;
	return n;
}

static json_t *view_subnets(struct lab *l, const char *name)
{
	const struct model *m = l->model;
	json_t *a = json_array();

	for (uint32_t i = 0; i < m->n_subnets; i++) {
		const struct subnet *s = &m->subnets[i];
		json_t *o;

		if (!view_wants(name, s->obj.name))
			continue;
		o = json_object();
		json_object_set_new(o, "name", json_string(s->obj.name));
		json_object_set_new(o, "id", json_text(s->obj.id));
		json_object_set_new(o, "vpc", json_string(m->vpcs[s->vpc].obj.name));
		json_object_set_new(o, "zone", json_string(s->zone));
		json_object_set_new(o, "cidr", prefix_text(&s->cidr));
		json_object_set_new(o, "available", json_integer((json_int_t)subnet_available(m, i)));
		json_object_set_new(o, "route_table", json_string(m->route_tables[s->route_table].obj.name));
		json_object_set_new(o, "nacl", json_string(m->nacls[s->nacl].obj.name));
		json_object_set_new(o, "map_public_ip", json_boolean(s->map_public_ip));
		view_place(o, &s->obj);
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *addresses_of(const struct eni *eni)
{
	json_t *a = json_array();

	for (uint32_t k = 0; k < eni->n_addrs; k++)
		json_array_append_new(a, json_pack("{soso}", "private", json_addr(&eni->addrs[k].addr), "public",
						   json_addr(&eni->addrs[k].public_ip)));
	return a;
}

static void add_eni(json_t *o, const struct model *m, const struct eni *eni)
{
	const struct subnet *s = &m->subnets[eni->subnet];
	json_t *groups = json_array();

	for (uint32_t k = 0; k < eni->n_groups; k++)
		json_array_append_new(groups, json_string(m->security_groups[eni->groups[k]].obj.name));
	json_object_set_new(o, "eni", json_text(eni->obj.id));
	json_object_set_new(o, "subnet", json_string(s->obj.name));
	json_object_set_new(o, "vpc", json_string(m->vpcs[s->vpc].obj.name));
	json_object_set_new(o, "zone", json_string(s->zone));
	json_object_set_new(o, "addresses", addresses_of(eni));
	json_object_set_new(o, "security_groups", groups);
	json_object_set_new(o, "source_dest_check", json_boolean(eni->source_dest_check));
}

static json_t *view_instances(struct lab *l, const char *name)
{
	const struct model *m = l->model;
	_cleanup_free_ struct eni_health *health = enis_look(l);
	json_t *a = json_array();
	char ns[128];

	for (uint32_t i = 0; i < m->n_instances; i++) {
		const struct instance *inst = &m->instances[i];
		json_t *o;

		if (!view_wants(name, inst->obj.name) || !inst->n_enis)
			continue;
		o = json_object();
		json_object_set_new(o, "name", json_string(inst->obj.name));
		json_object_set_new(o, "id", json_text(inst->obj.id));
		add_eni(o, m, &m->enis[inst->enis[0]]);
		json_object_set_new(o, "state", json_string(health_name(l, &health[inst->enis[0]])));
		add_workload(o, &inst->work);
		json_object_set_new(o, "namespace", json_string(ns_name_of(m, inst->obj.name, ns)));
		view_place(o, &inst->obj);
		json_array_append_new(a, o);
	}
	return a;
}

/* Every interface there is: AWS's DescribeNetworkInterfaces. status: semantics 7. */
static json_t *view_interfaces(struct lab *l, const char *name)
{
	const struct model *m = l->model;
	_cleanup_free_ struct eni_health *health = enis_look(l);
	json_t *a = json_array();

	for (uint32_t i = 0; i < m->n_enis; i++) {
		const struct eni *eni = &m->enis[i];
		bool of_instance = eni->owner == ENI_OF_INSTANCE, attached = eni->owner_index != NONE;
		json_t *o;

		if (!view_wants(name, eni->obj.name))
			continue;
		o = json_object();
		json_object_set_new(o, "name", json_string(eni->obj.name));
		add_eni(o, m, eni);
		json_object_set_new(o, "type", json_string(of_instance ? "interface" : "nat-gateway"));
		json_object_set_new(o, "instance",
				    of_instance && attached ? json_string(m->instances[eni->owner_index].obj.name)
							    : json_null());
		json_object_set_new(o, "index", attached ? json_integer(eni->device_index) : json_null());
		json_object_set_new(o, "state", json_string(attached ? health_name(l, &health[i]) : "available"));
		view_place(o, &eni->obj);
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *view_igws(struct lab *l, const char *name)
{
	const struct model *m = l->model;
	json_t *a = json_array();

	for (uint32_t i = 0; i < m->n_igws; i++) {
		const struct igw *g = &m->igws[i];

		if (view_wants(name, g->obj.name))
			json_array_append_new(a, json_pack("{ssso ss ss so so}", "name", g->obj.name, "id",
							   json_text(g->obj.id), "vpc", m->vpcs[g->vpc].obj.name,
							   "state", "available", "file", json_file(g->obj.loc), "line",
							   json_line(g->obj.loc)));
	}
	return a;
}

static json_t *view_nat_gateways(struct lab *l, const char *name)
{
	const struct model *m = l->model;
	_cleanup_free_ struct eni_health *health = enis_look(l);
	json_t *a = json_array();
	char ns[128];

	for (uint32_t i = 0; i < m->n_nat_gateways; i++) {
		const struct nat_gateway *g = &m->nat_gateways[i];
		const struct eni *eni = &m->enis[g->eni];
		const struct subnet *s = &m->subnets[eni->subnet];
		const char *health_now = health_name(l, &health[g->eni]);
		json_t *o;

		if (!view_wants(name, g->obj.name))
			continue;
		o = json_object();
		json_object_set_new(o, "name", json_string(g->obj.name));
		json_object_set_new(o, "id", json_text(g->obj.id));
		json_object_set_new(o, "subnet", json_string(s->obj.name));
		json_object_set_new(o, "vpc", json_string(m->vpcs[s->vpc].obj.name));
		json_object_set_new(o, "private", json_addr(&eni->addrs[0].addr));
		json_object_set_new(o, "public", json_addr(&eni->addrs[0].public_ip));
		json_object_set_new(o, "addresses", addresses_of(eni));
		json_object_set_new(o, "state",
				    json_string(strcmp(health_now, "running") == 0 ? "available" : health_now));
		json_object_set_new(o, "namespace", json_string(ns_name_of(m, g->obj.name, ns)));
		json_object_set_new(o, "metrics", view_nat_metrics(l, g));
		json_object_set_new(o, "file", json_file(g->obj.loc));
		json_object_set_new(o, "line", json_line(g->obj.loc));
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *view_peerings(struct lab *l, const char *name)
{
	const struct model *m = l->model;
	json_t *a = json_array();

	for (uint32_t i = 0; i < m->n_peerings; i++) {
		const struct peering *p = &m->peerings[i];
		json_t *o;

		if (!view_wants(name, p->obj.name))
			continue;
		o = json_pack("{ss so ss ss ss sb}", "name", p->obj.name, "id", json_text(p->obj.id), "vpc",
			      m->vpcs[p->vpcs[0]].obj.name, "peer_vpc", m->vpcs[p->vpcs[1]].obj.name, "state", "active",
			      "between_regions", p->cross_region);
		view_place(o, &p->obj);
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *view_prefix_lists(struct lab *l, const char *name)
{
	const struct model *m = l->model;
	json_t *a = json_array();

	for (uint32_t i = 0; i < m->n_prefix_lists; i++) {
		const struct prefix_list *p = &m->prefix_lists[i];
		json_t *entries;

		if (!view_wants(name, p->obj.name))
			continue;
		entries = json_array();
		for (uint32_t k = 0; k < p->n_entries; k++)
			json_array_append_new(entries, prefix_text(&p->entries[k]));
		json_array_append_new(a, json_pack("{ss so so so so}", "name", p->obj.name, "id", json_text(p->obj.id),
						   "entries", entries, "file", json_file(p->obj.loc), "line",
						   json_line(p->obj.loc)));
	}
	return a;
}

static json_t *view_hosts(struct lab *l, const char *name)
{
	const struct model *m = l->model;
	json_t *a = json_array();
	char ns[128];

	for (uint32_t i = 0; i < m->n_hosts; i++) {
		const struct host *h = &m->hosts[i];
		json_t *o;

		if (!view_wants(name, h->obj.name))
			continue;
		o = json_object();
		json_object_set_new(o, "name", json_string(h->obj.name));
		json_object_set_new(o, "address", json_addr(&h->addr));
		json_object_set_new(o, "namespace", json_string(ns_name_of(m, h->obj.name, ns)));
		add_workload(o, &h->work);
		json_object_set_new(o, "file", json_file(h->obj.loc));
		json_object_set_new(o, "line", json_line(h->obj.loc));
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *prefix_text(const struct prefix *p)
{
	char buf[PREFIX_STRLEN];

	return json_string(prefix_format(p, buf));
}

static void add_workload(json_t *o, const struct workload *w)
{
	json_t *listen = json_array(), *run = json_array();
	char spec[16];

	for (uint32_t i = 0; i < w->n_listen; i++) {
		snprintf(spec, sizeof(spec), "%s/%u", w->listen[i].proto == 17 ? "udp" : "tcp", w->listen[i].port);
		json_array_append_new(listen, json_string(spec));
	}
	for (uint32_t i = 0; i < w->n_run; i++)
		json_array_append_new(run, json_string(w->run[i]));
	json_object_set_new(o, "listen", listen);
	json_object_set_new(o, "run", run);
}

json_t *model_json(const struct document *d, struct registry *r)
{
	_cleanup_free_ char *document = document_dump(d), *registry = registry_dump(r);

	return json_pack("{soso}", "document", json_loads(document, 0, NULL), "registry",
			 json_loads(registry, 0, NULL));
}

json_t *view_nat_metrics(struct lab *l, const struct nat_gateway *g)
{
	struct nat_metrics metrics;
	json_t *o;

	if (!nat_metrics_of(l, g, &metrics))
		return json_null();
	o = json_object();
#define ADD(id, member, cloudwatch, name, type) \
	json_object_set_new(o, cloudwatch, json_integer((json_int_t)metrics.member));
	NAT_METRICS(ADD)
#undef ADD
	return o;
}
