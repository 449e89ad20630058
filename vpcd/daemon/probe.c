/* probe.c: many probes at a time, each one flow with one packet and its answer.
 *
 * The verdict is never guessed: "allow" is the answer seen by the sender, "deny" is a verdict event of the
 * data path about this flow. It gets a source port that no connection has, unless one is asked for. All tuples under which the flow may appear are watched:
 *
 *   forward   (source side) -> (destination side), return the other way round
 *   sides     the private address and the public one of the same interface; behind a NAT gateway also the
 *             gateway's addresses with the port it chose, learnt from the first packet that it sends
 *
 * The data path reports packets of a watched tuple at every port. Flows that could be mistaken for each other
 * (same tuple; same destination through a NAT gateway) wait for each other. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include "daemon/http.h"
#include "daemon/lab.h"
#include "daemon/loop.h"
#include "daemon/verdict.h"
#include "daemon/probe.h"
#include "daemon/probe_door.h"
#include "daemon/probe_parts.h"
#include "daemon/probe_port.h"
#include "daemon/probe_side.h"
#include "daemon/probe_socket.h"
#include "daemon/server.h"
#include "filters/explain.h"
#include "filters/packet.h"
#include "kern/datapath.h"
#include "kern/kern.h"
#include "model/flow.h"
#include "plan/desired.h"
#include "util/mem.h"
#include "util/str.h"

enum {
	RUNNING_MAX = 64,
	FLOWS_MAX = 10000,
	TIMEOUT_DEFAULT_MS = 2000,
	TIMEOUT_MAX_MS = 60000,
	WATCH_SPARE_MS = 1000,
	BUSY_MS = 10,
};

static int read_batch(struct batch *b, const json_t *o, struct err *e);
static int read_flow(struct batch *b, struct probe *p, const json_t *o, struct err *e);
static void start_some(void *ctx);
static bool conflicts(const struct probe *p, const struct probe *q);
static void start(struct probe *p);
static void on_sender(void *ctx, int fd, uint32_t events);
static void on_door(void *ctx, const struct door *d);
static void on_timeout(void *ctx);
static void finish_allow(struct probe *p, const char *note);
static void finish_deny(struct probe *p, int leg, const struct abi_event *ev, const char *why);
static void finish_silent(struct probe *p, const char *note);
static void finish_untried(struct probe *p, const char *note);
static bool finish_unsent(struct probe *p);
static void finish_arp(struct probe *p, int leg, uint32_t eni);
static void finish_stray(struct probe *p);
static void finish_back(struct probe *p, int leg, const struct abi_event *ev, const char *why);
static void finish(struct probe *p);
static void batch_end(struct batch *b);

struct probes *probes_new(struct lab *l)
{
	struct probes *all = xcalloc(1, sizeof(*all));

	all->lab = l;
	all->doors = (struct doors){ .loop = l->server->loop, .seen = on_door, .ctx = all };
	all->starter = timer_new(l->server->loop, start_some, all);
	return all;
}

void probes_free(struct probes **p)
{
	if (!*p)
		return;
	for (struct batch *b = (*p)->batches; b && !(*p)->lab->server->http; b = b->next)
		b->request = NULL; /* answered with the server, and gone */
	probes_model_gone(*p);
	timer_free(&(*p)->starter);
	free(*p);
	*p = NULL;
}

void probes_ask(struct probes *all, struct request *r)
{
	struct batch *b = xcalloc(1, sizeof(*b));
	json_error_t where;
	struct err e = { 0 };
	size_t len;
	const char *body = request_body(r, &len);
	json_t *o = json_loadb(body, len, 0, &where);

	*b = (struct batch){ .all = all, .request = r, .next = all->batches };
	all->batches = b;
	if (!o)
		err_set(&e, -EINVAL, "the body is not JSON: line %d: %s", where.line, where.text);
	else
		read_batch(b, o, &e);
	json_decref(o);
	if (e.code) {
		answer_err(r, &e);
		b->request = NULL;
		b->n = 0;
		batch_end(b);
		return;
	}
	for (size_t i = 0; i < b->n; i++) {
		struct probe *p = &b->probes[i];

		p->prev = all->last;
		if (all->last)
			all->last->next = p;
		else
			all->first = p;
		all->last = p;
	}
	if (b->n == 0)
		batch_end(b);
	else
		timer_set_us(all->starter, 0);
}

/* Later packets of the flow pass by its state; what let the first one pass is of interest. */
static void note_arrival(struct probe *p, const struct abi_event *ev)
{
	/* Behind a NAT gateway the first packet is not heard of, mostly: a later one follows it by its state. */
	if ((!p->forward_seen && ev->port == p->flow.src.port && ev->reason_sg_out == ABI_REASON_TRACKED) ||
	    (!p->arrived && ev->peer == p->flow.dst.port && ev->reason_sg_in == ABI_REASON_TRACKED &&
	     (!p->nat_port || p->nat_known)))
		p->by_state = true;
	if (!p->arrived && (event_has_rule(ev) || !p->forward_seen))
		p->last_allow = *ev;
	p->forward_seen = true;
	p->arrived = p->arrived || ev->peer == p->flow.dst.port;
}

void probes_event(struct probes *all, const struct abi_event *ev)
{
	struct probe *next;

	for (struct probe *p = all->first; p; p = next) {
		const char *back;
		uint32_t nat;
		int leg;

		next = p->next;
		leg = p->running ? probe_leg_of_arp(p, ev) : LEG_NONE;
		if (leg != LEG_NONE) {
			finish_arp(p, leg, port_get(all->lab->ports, ev->port).index);
			continue;
		}
		if (!p->running || ev->proto != p->wire.proto)
			continue;
		probe_learn_nat(p, ev);
		probe_learn_stray(p, ev);
		leg = probe_leg_of(p, ev);
		if (leg == LEG_NONE)
			continue;
		back = probe_comes_back(p, ev, leg);
		if (back) {
			finish_back(p, leg, ev, back);
			continue;
		}
		nat = probe_stray_begins(p, ev, leg);
		if (nat != NONE) {
			p->stray = p->stray == NONE ? nat : p->stray;
			p->stray_at = nat;
		} else if (leg == LEG_RETURN && probe_stray_arrived(p, ev)) {
			finish_stray(p);
			continue;
		}
		if (ev->allow) {
			if (leg == LEG_FORWARD)
				note_arrival(p, ev);
			continue;
		}
		/* TCP of an earlier probe may send its SYN-ACK again: a denied return needs a forward packet first. */
		if (leg == LEG_RETURN && !p->forward_seen && ev->proto == IPPROTO_TCP) {
			p->late = *ev;
			p->late_known = true;
			continue;
		}
		finish_deny(p, leg, ev, NULL);
	}
}

void probes_model_gone(struct probes *all)
{
	struct probe *next;

	for (struct probe *p = all->first; p; p = next) {
		next = p->next;
		finish_silent(p, "the lab was changed while the probe was under way");
	}
}

/* ---- what is asked ---- */

static int read_batch(struct batch *b, const json_t *o, struct err *e)
{
	const json_t *flows = json_object_get(o, "flows"), *timeout = json_object_get(o, "timeout_ms"), *v;
	size_t i;

	if (!json_is_array(flows))
		return err_set_aws(e, -EINVAL, "MissingParameter", "the body has no list \"flows\"");
	if (json_array_size(flows) > FLOWS_MAX)
		return err_set_aws(e, -EINVAL, "InvalidParameterValue", "at most %d flows can be probed at a time",
				   FLOWS_MAX);
	b->timeout_ms = TIMEOUT_DEFAULT_MS;
	if (timeout && !json_is_null(timeout)) {
		json_int_t ms = json_integer_value(timeout);

		if (!json_is_integer(timeout) || ms < 1 || ms > TIMEOUT_MAX_MS)
			return err_set_aws(e, -EINVAL, "InvalidParameterValue", "timeout_ms is a number from 1 to %d",
					   TIMEOUT_MAX_MS);
		b->timeout_ms = (uint32_t)ms;
	}
	b->probes = xcalloc(json_array_size(flows) + 1, sizeof(*b->probes));
	json_array_foreach(flows, i, v)
	{
		int r = read_flow(b, &b->probes[i], v, e);

		if (r < 0)
			return json_array_size(flows) > 1 ? err_wrap(e, "flow %zu", i + 1) : r;
	}
	b->n = json_array_size(flows);
	return 0;
}

/* A public address of an interface in the VPC is outside, too. */
static bool is_outside(const struct model *m, uint32_t vpc, const struct addr *a)
{
	for (uint32_t i = 0; i < m->vpcs[vpc].n_cidrs; i++)
		if (prefix_contains(&m->vpcs[vpc].cidrs[i], a))
			return false;
	return true;
}

/* Is there a route to a NAT gateway for a part of the VPC itself? */
static bool nat_inside(const struct model *m, uint32_t vpc)
{
	for (uint32_t i = 0; i < m->n_route_tables; i++) {
		const struct route_table *t = &m->route_tables[i];

		for (uint32_t k = 0; t->vpc == vpc && k < t->n_routes; k++)
			for (uint32_t c = 0; t->routes[k].target == TARGET_NAT && c < m->vpcs[vpc].n_cidrs; c++)
				if (prefix_covers(&m->vpcs[vpc].cidrs[c], &t->routes[k].dst))
					return true;
	}
	return false;
}

static int read_flow(struct batch *b, struct probe *p, const json_t *o, struct err *e)
{
	const struct model *m = b->all->lab->model;
	const char *src = json_string_value(json_object_get(o, "src")),
		   *dst = json_string_value(json_object_get(o, "dst"));
	const char *proto = json_string_value(json_object_get(o, "proto"));
	const json_t *port = json_object_get(o, "from_port");
	struct flow *f = &p->flow;
	int r;

	*p = (struct probe){ .batch = b, .fd = -1, .stray = NONE };
	if (!src || !dst || !proto)
		return err_set_aws(e, -EINVAL, "MissingParameter",
				   "a flow is {\"src\",\"dst\",\"proto\",\"from_port\"}");
	r = flow_parse_words(m, src, dst, proto, f, e);
	if (r < 0)
		return r;
	if (port && !json_is_null(port)) {
		json_int_t n = json_integer_value(port);

		if (!json_is_integer(port) || n < 1 || n > 65535)
			return err_set_aws(e, -EINVAL, "InvalidParameterValue",
					   "from_port is a number from 1 to 65535");
		f->sport = (uint16_t)n;
		p->port_given = true;
	}
	if (f->src.kind == END_ADDRESS)
		return err_set(e, -EINVAL, "nobody in lab %s has the address %s, so nothing can be sent from there",
			       m->name, src);
	if (f->src.kind == END_ENI && m->enis[f->src.index].owner != ENI_OF_INSTANCE)
		return err_set(e, -EINVAL, "%s is a NAT gateway and sends nothing of its own", src);
	if (addr_family(&f->dst_addr) != FAMILY_V4 || addr_family(&f->src.addr) != FAMILY_V4)
		return err_set(e, -EINVAL, "IPv6 is not carried in this lab");
	p->wire = (struct wire){ .proto = f->proto,
				 .src = f->src.addr,
				 .dst = f->dst_addr,
				 .sport = f->sport,
				 .dport = f->dport,
				 .icmp_type = f->icmp_type,
				 .icmp_code = f->icmp_code };
	if (!probe_port_is_free_to_choose(&p->wire)) {
		p->wire.sport = 0;
		p->port_given = true;
	}
	p->src_vpc = f->src.kind == END_ENI ? model_eni_vpc(m, f->src.index) : NONE;
	p->dst_vpc = f->dst.kind == END_ENI ? model_eni_vpc(m, f->dst.index) : NONE;
	side_add(p->a, &p->n_a, &f->src.addr, p->wire.sport);
	side_add(p->b, &p->n_b, &f->dst_addr, p->wire.dport);
	if (f->src.kind == END_ENI)
		sides_of(m, f->src.index, &f->src.addr, p->a, &p->n_a, p->wire.sport);
	p->may_nat = f->src.kind == END_ENI &&
		     (p->src_vpc != p->dst_vpc || is_outside(m, p->src_vpc, &f->dst_addr) || nat_inside(m, p->src_vpc));
	if (f->dst.kind == END_ENI)
		sides_of(m, f->dst.index, &f->dst_addr, p->b, &p->n_b, p->wire.dport);
	return 0;
}

/* ---- running ---- */

static void start_some(void *ctx)
{
	struct probes *all = ctx;
	struct probe *next;

	if (all->first && all->lab->tx &&
	    all->lab->events_fd < 0) { /* its data path is being changed: nothing would be heard */
		timer_set_ms(all->starter, BUSY_MS);
		return;
	}
	for (struct probe *p = all->first; p && all->n_running < RUNNING_MAX; p = next) {
		bool wait = false;

		next = p->next;
		if (p->running)
			continue;
		for (struct probe *q = all->first; q != p && !wait; q = q->next)
			wait = conflicts(p, q);
		if (!wait)
			start(p);
	}
}

static bool conflicts(const struct probe *p, const struct probe *q)
{
	const struct wire *x = &p->wire, *y = &q->wire;

	if (x->proto != y->proto)
		return false;
	/* One sends from where the other one is answered. */
	if (sides_meet(p->a, p->n_a, q->b, q->n_b, true) || sides_meet(p->b, p->n_b, q->a, q->n_a, true))
		return true;
	if (!sides_meet(p->b, p->n_b, q->b, q->n_b, true))
		return false;
	return (p->may_nat && q->may_nat) || sides_meet(p->a, p->n_a, q->a, q->n_a, p->port_given && q->port_given);
}

static const char *end_ns(const struct probe *p, const struct flow_end *end, char *buf)
{
	const struct model *m = p->batch->all->lab->model;

	if (end->kind == END_HOST)
		return ns_name_of(m, m->hosts[end->index].obj.name, buf);
	if (end->kind == END_ENI && m->enis[end->index].owner == ENI_OF_INSTANCE &&
	    m->enis[end->index].owner_index != NONE)
		return ns_name_of(m, m->instances[m->enis[end->index].owner_index].obj.name, buf);
	return NULL;
}

static void choose_port(struct probe *p)
{
	const struct lab *l = p->batch->all->lab;
	struct datapath *d = lab_datapath(l);

	if (p->port_given || !d)
		return;
	p->wire.sport = probe_port_choose(d, l->model, &p->flow, &p->wire, p->a, p->n_a, p->b, p->n_b);
	for (unsigned i = 0; i < p->n_a; i++)
		p->a[i].port = p->wire.sport;
}

static void start(struct probe *p)
{
	struct probes *all = p->batch->all;
	struct loop *loop = all->lab->server->loop;
	char src_ns[128], dst_ns[128], note[160];
	const char *there = end_ns(p, &p->flow.dst, dst_ns);
	_cleanup_close_ int here_fd = netns_open(end_ns(p, &p->flow.src, src_ns)),
			    there_fd = there ? netns_open(there) : -1;

	p->running = true;
	all->n_running++;
	p->timer = timer_new(loop, on_timeout, p);
	if (here_fd < 0) {
		snprintf(note, sizeof(note), "namespace %s: %s", src_ns, strerror(-here_fd));
		finish_untried(p, note);
		return;
	}
	if (finish_unsent(p))
		return;
	choose_port(p);
	probe_watch(p);
	probe_watch_askers(p);
	probe_forget_silent(p);
	if (there_fd >= 0)
		p->door = door_get(&all->doors, there, there_fd, &p->wire);
	probe_learn_older_nat(p);
	p->sent_ns = clock_ns();
	p->fd = sender_open(here_fd, &p->wire);
	if (p->fd < 0) {
		snprintf(note, sizeof(note), "%s cannot send it: %s", p->flow.src.name, strerror(-p->fd));
		finish_untried(p, note);
		return;
	}
	timer_set_ms(p->timer, p->batch->timeout_ms);
	loop_watch(loop, p->fd, p->wire.proto == IPPROTO_TCP ? EPOLLOUT : EPOLLIN, on_sender, p);
}

/* The verdict events that this answer caused are in the ring already: they name the rules. */
static void drain_events(struct probes *all)
{
	struct datapath *d = lab_datapath(all->lab);

	if (d && all->lab->events_fd >= 0)
		lab_drain_events(all->lab);
}

static void on_sender(void *ctx, int fd, uint32_t events)
{
	struct probe *p = ctx;
	int r = sender_ready(fd, &p->wire);

	(void)events;
	if (r == 0)
		return;
	drain_events(p->batch->all);
	if (p->done)
		return;
	if (r > 0)
		finish_allow(p, NULL);
	else if (r == -ECONNREFUSED)
		finish_allow(p, "nothing listens there: the destination refused, and its refusal came back");
	else
		loop_unwatch(p->batch->all->lab->server->loop,
			     fd); /* an error of the way: a verdict or the timeout will say more */
}

static void on_door(void *ctx, const struct door *d)
{
	struct probes *all = ctx;
	struct probe *next;

	drain_events(all);
	for (struct probe *p = all->first; p; p = next) {
		next = p->next;
		if (p->running && p->door == d)
			finish_allow(p, "seen at the destination; no answer is due to it");
	}
}

static void on_timeout(void *ctx)
{
	struct probe *p = ctx;
	char note[256];

	drain_events(p->batch->all);
	if (p->done)
		return;
	/* The source that a NAT gateway chose was watched only after the first packet had passed, answer and all. */
	if ((p->nat_port || p->stray != NONE) && p->forward_seen && !p->sent_again &&
	    sender_again(p->fd, &p->wire) == 0) {
		p->sent_again = true;
		timer_set_ms(p->timer, p->batch->timeout_ms);
		return;
	}
	if (p->late_known) {
		finish_deny(p, LEG_RETURN, &p->late, NULL);
		return;
	}
	if (p->stray != NONE) { /* as far as it was heard of */
		note[0] = '\0';
		flow_stray_add(p->batch->all->lab->model, p->stray, STRAY_DENIED, &p->wire.dst, note, sizeof(note));
		finish_silent(p, note);
		return;
	}
	snprintf(note, sizeof(note),
		 p->forward_seen ? "the request passed every filter, but no answer was heard within %u ms"
				 : "nothing was heard of it within %u ms: no answer and no verdict",
		 p->batch->timeout_ms);
	finish_silent(p, note);
}

/* ---- what the data path is asked to tell ---- */

static void watch_key(struct probe *p, const struct abi_flow_key *k)
{
	struct datapath *d = lab_datapath(p->batch->all->lab);

	for (unsigned i = 0; i < p->n_watched; i++)
		if (memcmp(&p->watched[i], k, sizeof(*k)) == 0)
			return;
	if (!d || p->n_watched == WATCHES_MAX ||
	    datapath_watch(d, k, (p->batch->timeout_ms + WATCH_SPARE_MS) * 1000000ull, NULL) < 0)
		return;
	p->watched[p->n_watched++] = *k;
}

static void watch_tuple(struct probe *p, const struct side *from, const struct side *to, int leg)
{
	uint8_t type = leg == LEG_FORWARD ? p->wire.icmp_type : probe_answer_type(&p->wire);
	struct abi_flow_key k =
		p->wire.proto == IPPROTO_ICMP
			? side_key_icmp(from, to, leg == LEG_FORWARD ? from->port : to->port, type, p->wire.icmp_code)
			: side_key(from, to, p->wire.proto);

	watch_key(p, &k);
}

void probe_watch_arp(struct probe *p, const struct addr *asker, const struct addr *wanted)
{
	const struct abi_flow_key k = side_key(&(struct side){ *asker, 0 }, &(struct side){ *wanted, 0 }, 0);

	watch_key(p, &k);
}

/* An answer may leave by a NAT gateway of its VPC that the request did not pass: from a port that it draws then. */
static void watch_stray(struct probe *p)
{
	const struct model *m = p->batch->all->lab->model;

	if (p->wire.proto != IPPROTO_UDP || p->dst_vpc == NONE)
		return;
	for (uint32_t i = 0; i < m->n_nat_gateways; i++) {
		const struct eni *eni = &m->enis[m->nat_gateways[i].eni];

		if (model_eni_vpc(m, m->nat_gateways[i].eni) != p->dst_vpc)
			continue;
		for (uint32_t k = 0; k < eni->n_addrs; k++)
			for (unsigned a = 0; a < p->n_a; a++) {
				watch_tuple(p, &(struct side){ eni->addrs[k].addr, 0 }, &p->a[a], LEG_RETURN);
				if (!addr_is_zero(&eni->addrs[k].public_ip))
					watch_tuple(p, &(struct side){ eni->addrs[k].public_ip, 0 }, &p->a[a],
						    LEG_RETURN);
			}
	}
}

void probe_watch(struct probe *p)
{
	for (unsigned i = 0; i < p->n_a; i++)
		for (unsigned k = 0; k < p->n_b; k++) {
			watch_tuple(p, &p->a[i], &p->b[k], LEG_FORWARD);
			if (wire_is_answered(&p->wire))
				watch_tuple(p, &p->b[k], &p->a[i], LEG_RETURN);
		}
	watch_stray(p);
}

/* ---- the end of one ---- */

static void set_result(struct probe *p, const struct verdict_words *w, json_t *denied, const char *note)
{
	static const struct verdict_words nothing;
	char text[256];
	json_t *o = json_object();

	if (!w)
		w = &nothing;
	json_object_set_new(o, "flow", json_string(flow_format(&p->flow, text, sizeof(text))));
	json_object_set_new(o, "from_port", p->wire.sport ? json_integer(p->wire.sport) : json_null());
	json_object_set_new(o, "verdict", json_string(denied ? "deny" : "allow"));
	json_object_set_new(o, "denied", denied ? denied : json_null());
	json_object_set_new(o, "reason",
			    denied ? json_incref(json_object_get(denied, "reason")) : json_text(w->reason));
	json_object_set_new(o, "rule_gate",
			    denied ? json_incref(json_object_get(denied, "gate")) : json_text(w->rule_gate));
	json_object_set_new(o, "rule", json_text(w->rule));
	json_object_set_new(o, "file", json_file(w->loc));
	json_object_set_new(o, "line", json_line(w->loc));
	json_object_set_new(o, "rtt_us",
			    denied ? json_null() : json_integer((json_int_t)((clock_ns() - p->sent_ns) / 1000)));
	json_object_set_new(o, "note", json_text(note));
	p->result = o;
}

static void finish_allow(struct probe *p, const char *note)
{
	struct verdict_words w = { 0 };
	char state[256];

	if (p->forward_seen)
		verdict_words(p->batch->all->lab->ports, &p->last_allow, &w);
	if (p->by_state) {
		w.reason = reason_name(ABI_REASON_TRACKED);
		snprintf(state, sizeof(state), "an older connection of this very flow let it pass%s%s%s",
			 w.rule[0] ? "" : "; the rule that began it is gone", note ? "; " : "", note ? note : "");
		note = state;
	}
	set_result(p, &w, NULL, note);
	finish(p);
}

/* The NAT gateway that an answer had no business with, behind what note holds. */
static void stray_words(const struct probe *p, const struct abi_event *ev, char *note, size_t size)
{
	const struct lab *l = p->batch->all->lab;
	const uint32_t at = port_get(l->ports, ev->gate_port).index;
	const bool refused = ev->gate == ABI_GATE_NAT && ev->reason == ABI_REASON_NGW_SOURCE_ADDRESS_REASSIGN &&
			     !probe_is_for_nat(p, ev, &l->model->enis[at]);

	if (refused && (p->stray == NONE || p->stray == at))
		flow_stray_add(l->model, at, STRAY_DROPPED, &p->wire.dst, note, size);
	else if (p->stray != NONE)
		flow_stray_add(l->model, p->stray, STRAY_DENIED, &p->wire.dst, note, size);
}

/* A denial that no event told: the gate of an object that needs no rule for it. */
static struct verdict_words gate_words(enum abi_gate gate, enum abi_reason reason, const struct obj *object)
{
	struct verdict_words w = { .gate = gate_name(gate), .reason = reason_name(reason) };

	if (object) {
		w.object = object->name;
		w.loc = object->loc;
	}
	return w;
}

/* The gateway of the VPC that the flow means, or the VPC that has none. */
static struct verdict_words igw_words(const struct probe *p, enum abi_reason reason)
{
	const struct model *m = p->batch->all->lab->model;
	const struct vpc *vpc = &m->vpcs[p->dst_vpc];
	struct verdict_words w = gate_words(ABI_GATE_IGW, reason, vpc->igw == NONE ? NULL : &m->igws[vpc->igw].obj);

	if (vpc->igw == NONE)
		w.loc = vpc->obj.loc;
	return w;
}

static void finish_denied(struct probe *p, int leg, const struct verdict_words *w, const char *note)
{
	set_result(p, w,
		   json_pack("{ssssss?ss}", "leg", leg == LEG_FORWARD ? "forward" : "return", "gate", w->gate, "object",
			     w->object, "reason", w->reason),
		   note);
	finish(p);
}

/* why: what the event does not say; may be NULL. */
static void finish_deny(struct probe *p, int leg, const struct abi_event *ev, const char *why)
{
	const struct lab *l = p->batch->all->lab;
	struct verdict_words w;
	char note[256];

	verdict_words(l->ports, ev, &w);
	if (p->flow.no_public &&
	    ev->gate == ABI_GATE_IGW) /* of all VPCs with that private address, the flow means one */
		w = igw_words(p, (enum abi_reason)ev->reason);
	groups_words(l->ports, ev, note, sizeof(note));
	if (why)
		snprintf(note, sizeof(note), "%s", why);
	if (leg == LEG_RETURN)
		stray_words(p, ev, note, sizeof(note));
	finish_denied(p, leg, &w, note);
}

/* design 3: having no public address, it is denied at igw. A host's packet shows that; from another VPC there is no
 * address that a packet could carry. Nor does anything leave by a link that is down. */
static bool finish_unsent(struct probe *p)
{
	const struct model *m = p->batch->all->lab->model;
	const struct flow_end *src = &p->flow.src;
	struct verdict_words w;
	char note[256];

	if (src->kind != END_ENI)
		return false;
	if (model_subnet_is_out(m, m->enis[src->index].subnet)) {
		w = gate_words(ABI_GATE_SOURCE_CHECK, ABI_REASON_PORT_DOWN, &m->enis[src->index].obj);
		snprintf(note, sizeof(note), "no packet was sent: the link of %s is down, as all of its zone",
			 src->name);
	} else if (p->flow.no_public) {
		w = igw_words(p, ABI_REASON_IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS);
		snprintf(note, sizeof(note),
			 "no packet was sent: %s has no public address, so %s has no address to send to",
			 p->flow.dst.name, src->name);
	} else {
		return false;
	}
	finish_denied(p, LEG_FORWARD, &w, note);
	return true;
}

/* Nobody answers ARP for an address of its own subnet: the local route leads to nobody. */
static void finish_arp(struct probe *p, int leg, uint32_t eni)
{
	const struct model *m = p->batch->all->lab->model;
	const struct addr *wanted = leg == LEG_FORWARD ? &p->wire.dst : &p->wire.src;
	const struct subnet *s = &m->subnets[m->enis[eni].subnet];
	const struct route_table *t = &m->route_tables[s->route_table];
	struct verdict_words w = gate_words(ABI_GATE_ROUTE, ABI_REASON_NO_POSSIBLE_DESTINATION, &t->obj);
	char addr[ADDR_STRLEN], note[160];

	local_route_words(m, t, wanted, &w);
	snprintf(note, sizeof(note), "no interface answers ARP for %s", addr_format(wanted, addr));
	finish_denied(p, leg, &w, note);
}

static void finish_stray(struct probe *p)
{
	const struct model *m = p->batch->all->lab->model;
	const struct verdict_words w =
		gate_words(ABI_GATE_NAT, ABI_REASON_NGW_SOURCE_ADDRESS_REASSIGN, &m->enis[p->stray].obj);
	char note[256] = "";

	flow_stray_add(m, p->stray, STRAY_ARRIVED, &p->wire.dst, note, sizeof(note));
	finish_denied(p, LEG_RETURN, &w, note);
}

/* No gate stops it: it goes round until its TTL ends, or is its sender's own when it comes. */
static void finish_back(struct probe *p, int leg, const struct abi_event *ev, const char *why)
{
	struct abi_event e = *ev;

	e.allow = 0;
	e.gate = ABI_GATE_ROUTE;
	e.reason = ABI_REASON_NO_POSSIBLE_DESTINATION;
	e.gate_port = ev->port;
	e.deny_rule = ev->rule[ABI_CACHED_ROUTE];
	finish_deny(p, leg, &e, why);
}

static void finish_silent(struct probe *p, const char *note)
{
	set_result(p, NULL, json_pack("{snsnsnsn}", "leg", "gate", "object", "reason"), note);
	finish(p);
}

/* Nothing left the sender: neither allowed nor denied. */
static void finish_untried(struct probe *p, const char *note)
{
	set_result(p, NULL, json_object(), note);
	json_object_set_new(p->result, "verdict", json_null());
	json_object_set_new(p->result, "denied", json_null());
	json_object_set_new(p->result, "reason", json_null());
	json_object_set_new(p->result, "rule_gate", json_null());
	finish(p);
}

static void abort_half_open(struct probe *p)
{
	char name[128];
	_cleanup_close_ int ns = netns_open(end_ns(p, &p->flow.src, name));

	if (ns >= 0)
		sender_abort(p->fd, ns, &p->wire);
}

/* A question by ARP has no ports: several probes may wait for the same one. */
static bool is_watched_by_another(const struct probe *p, const struct abi_flow_key *k)
{
	unsigned left = k->proto ? 0 : p->batch->all->n_running;

	for (const struct probe *q = p->batch->all->first; q && left; q = q->next) {
		if (!q->running)
			continue;
		left--;
		for (unsigned i = 0; i < q->n_watched; i++)
			if (memcmp(&q->watched[i], k, sizeof(*k)) == 0)
				return true;
	}
	return false;
}

static void finish(struct probe *p)
{
	struct batch *b = p->batch;
	struct probes *all = b->all;
	struct datapath *d = lab_datapath(all->lab);

	if (p->done)
		return;
	p->done = true;
	if (p->running)
		all->n_running--;
	p->running = false;
	for (unsigned i = 0; d && i < p->n_watched; i++)
		if (!is_watched_by_another(p, &p->watched[i]))
			datapath_unwatch(d, &p->watched[i]);
	if (p->fd >= 0) {
		loop_unwatch(all->lab->server->loop, p->fd);
		if (p->forward_seen && json_is_object(json_object_get(p->result, "denied")))
			abort_half_open(p);
		close(p->fd);
	}
	p->fd = -1;
	if (p->door)
		door_put(p->door);
	p->door = NULL;
	timer_free(&p->timer);
	if (p->prev)
		p->prev->next = p->next;
	else
		all->first = p->next;
	if (p->next)
		p->next->prev = p->prev;
	else
		all->last = p->prev;
	timer_set_us(all->starter, 0);
	if (++b->done == b->n)
		batch_end(b);
}

static void batch_end(struct batch *b)
{
	struct batch **link = &b->all->batches;
	json_t *results = json_array();

	for (size_t i = 0; i < b->n; i++)
		json_array_append_new(results, b->probes[i].result);
	if (b->request)
		answer_json(b->request, 200, json_pack("{so}", "results", results));
	else
		json_decref(results);
	while (*link != b)
		link = &(*link)->next;
	*link = b->next;
	free(b->probes);
	free(b);
}
