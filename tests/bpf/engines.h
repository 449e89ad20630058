/* engines.h: three filters side by side: the BPF object (BPF_PROG_TEST_RUN), the host build of the same headers, and
 * the oracle, fed with one scenario. Every packet must have the same verdict, gate, deciding rule and state in all.
 *
 * The object is loaded once; a scenario costs the rows in which its topology differs from the one before. */
#pragma once
#include "tests/bpf/pass_lab.h"
#include "tests/bpf/wire.h"
#include "tests/support/scenario.h"
#include "tests/support/scenario_six.h"
#include "model/registry.h"

enum { ENGINES_FLOWS = 1 << 14, WHY_MAX = 900, RULES_MAX = 4096 };

struct engines {
	struct lab l; /* what pass_lab.h works with; its model is the one that is loaded now */
	struct registry *registry;
	struct oracle_lab *o;
	char **lines; /* of the topology as it is now */
	unsigned n_lines;
	bool six;
	__u64 now_ns;
	int cache, frags;
	char why[WHY_MAX];                                /* of the last disagreement */
	uint64_t hits[RULES_MAX], hits_before[RULES_MAX]; /* of rules, the implicit * among them, since the start */
	struct pass last;                                 /* as the host judged it */
	struct oracle_answer answer;
	unsigned long packets, allowed, denied_at[ABI_GATE_MAX], cached, tracked, related, conns;
};

static inline void engines_up(struct engines *e)
{
	memset(e, 0, sizeof(*e));
	/* places for every interface of a scenario */
	lab_load(&e->l,
		 &(struct datapath_sizes){
			 .ports = 256, .rules = 4096, .routes = 4096, .tables_rows = 16384, .flows = ENGINES_FLOWS });
	e->cache = pin_fd("map_cache");
	e->frags = pin_fd("map_frags");
}

static inline void engines_forget(struct engines *e)
{
	if (e->o)
		oracle_lab_free(&e->o);
	if (e->registry)
		registry_free(&e->registry);
	model_free(&e->l.m);
	for (unsigned i = 0; i < e->n_lines; i++)
		free(e->lines[i]);
	free(e->lines);
	e->lines = NULL;
	e->n_lines = 0;
}

static inline void engines_down(struct engines *e)
{
	engines_forget(e);
	close(e->cache);
	close(e->frags);
	lab_down(&e->l);
}

/* ---- the topology ---- */

/* IPv6 beside what the model says: an address for each interface, a route for each VPC. */
static inline void rows_six(const struct model *m, struct map_rows *rows)
{
	struct map_rows out;

	map_rows_init(&out);
	for (size_t i = 0; i < rows->n; i++) {
		struct abi_port port;

		if (rows->v[i].map != ABI_MAP_PORTS) {
			map_rows_add(&out, rows->v[i].map, map_row_key(rows, &rows->v[i]),
				     map_row_value(rows, &rows->v[i]));
			continue;
		}
		memcpy(&port, map_row_value(rows, &rows->v[i]), sizeof(port));
		if (port.kind == ABI_PORT_ENI || port.kind == ABI_PORT_NAT)
			port.flags |= ABI_PORT_IPV6;
		map_rows_add(&out, ABI_MAP_PORTS, map_row_key(rows, &rows->v[i]), &port);
	}
	for (uint32_t i = 0; i < m->n_enis; i++) {
		const uint32_t vpc = m->vpcs[model_eni_vpc(m, i)].obj.number, port = m->enis[i].obj.number;
		struct abi_addr_key key = { .vpc = vpc, .addr = oracle_lab_six(vpc, port).a };
		struct abi_addr_val val = { .port = port, .subnet = m->subnets[m->enis[i].subnet].obj.number };

		map_rows_add(&out, ABI_MAP_ADDRS, &key, &val);
	}
	for (uint32_t i = 0; i < m->n_route_tables; i++) {
		const struct route_table *t = &m->route_tables[i];
		struct abi_lpm_key key = { .prefixlen = ABI_LPM_TABLE_BITS + 48,
					   .table_lo = t->obj.number,
					   .addr = oracle_lab_six(m->vpcs[t->vpc].obj.number, 0).a };
		struct abi_route val = { .kind = ABI_ROUTE_LOCAL };

		for (uint32_t k = 0; k < t->n_routes && !val.route; k++)
			if (t->routes[k].target == TARGET_LOCAL)
				val.route = t->routes[k].number;
		if (val.route)
			map_rows_add(&out, ABI_MAP_ROUTES, &key, &val);
	}
	map_rows_sort(&out);
	map_rows_done(rows);
	*rows = out;
}

/* NULL: it is no valid topology. */
static inline struct model *engines_model(struct engines *e, char *const *lines, unsigned n, struct map_rows *rows)
{
	_cleanup_free_ char *shown = scenario_topology(lines, n), *text = six_hide(shown);
	_cleanup_document_ struct document d = { 0 };
	_cleanup_diag_list_ struct diag_list diags;
	struct registry *registry = e->registry ? registry_clone(e->registry) : registry_new(1);
	struct model *m = NULL;
	struct err err = { 0 };

	diag_list_init(&diags);
	document_parse(text, strlen(text), "t.ini", &d, &diags);
	registry_begin(registry);
	if (diags.errors || model_build(&d, "t", registry, &m, &diags)) {
		registry_free(&registry);
		return NULL;
	}
	registry_end(registry);
	six_show(m, lines);
	map_rows_init(rows);
	if (maps_desired(m, rows, &err)) {
		registry_free(&registry);
		map_rows_done(rows);
		model_free(&m);
		return NULL;
	}
	if (e->registry)
		registry_free(&e->registry);
	e->registry = registry;
	map_rows_sort(rows);
	if (e->six)
		rows_six(m, rows);
	return m;
}

static inline struct host_map *host_of(struct engines *e, unsigned map)
{
	struct world *w = e->l.w;
	struct host_map *const maps[ABI_MAP_SYNC_MAX] = {
		[ABI_MAP_PORTS] = w->ports,     [ABI_MAP_ADDRS] = w->addrs,       [ABI_MAP_ROUTES] = w->routes,
		[ABI_MAP_INET] = w->inet,       [ABI_MAP_POLICIES] = w->policies, [ABI_MAP_PEERS] = w->peers,
		[ABI_MAP_MEMBERS] = w->members, [ABI_MAP_RULES] = w->rules,
	};

	return maps[map];
}

static inline void row_remove(struct engines *e, const struct map_rows *rows, const struct map_row *row)
{
	struct host_map *m = host_of(e, row->map);
	struct err err = { 0 };

	if (datapath_row_del(e->l.d, rows, row, &err))
		fail_msg("%s", err.msg);
	if (host_map_delete(m, map_row_key(rows, row))) /* arrays have no deletion */
		memset(host_map_lookup(m, map_row_key(rows, row)), 0, row->value_size);
}

static inline void row_put(struct engines *e, const struct map_rows *rows, const struct map_row *row)
{
	struct err err = { 0 };

	if (datapath_row_set(e->l.d, rows, row, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(host_map_update(host_of(e, row->map), map_row_key(rows, row), map_row_value(rows, row)), 0);
}

/* Writes what differs. Nothing is judged meanwhile, so the order is no matter here. */
static inline void rows_switch(struct engines *e, struct map_rows *rows)
{
	struct map_rows *old = &e->l.rows;
	size_t i = 0, k = 0;

	while (i < old->n || k < rows->n) {
		const struct map_row *a = i < old->n ? &old->v[i] : NULL, *b = k < rows->n ? &rows->v[k] : NULL;
		int c = !a                 ? 1
			: !b               ? -1
			: a->map != b->map ? (a->map < b->map ? -1 : 1)
					   : memcmp(map_row_key(old, a), map_row_key(rows, b), a->key_size);

		if (c < 0)
			row_remove(e, old, a);
		else if (c > 0 || memcmp(map_row_value(old, a), map_row_value(rows, b), b->value_size))
			row_put(e, rows, b);
		i += c <= 0;
		k += c >= 0;
	}
	map_rows_done(old);
	*old = *rows;
}

static inline void engines_load(struct engines *e, struct model *m, struct map_rows *rows)
{
	struct datapath_config config = { .clock = m->clock,
					  .event_burst = 1,
					  .events_per_s = 1,
					  .strict_icmp = m->strict_icmp,
					  .strict_fragments = m->strict_fragments };
	struct err err = { 0 };

	rows_switch(e, rows);
	if (datapath_configure(e->l.d, &config, &err))
		fail_msg("%s", err.msg);
	config_timers_set(&e->l.w->config, m->clock);
	e->l.w->config.event_burst = 1;
	e->l.w->config.flags =
		(m->strict_icmp ? ABI_CONFIG_STRICT_ICMP : 0) | (m->strict_fragments ? ABI_CONFIG_STRICT_FRAGMENTS : 0);
	e->l.w->config.epoch = datapath_epoch_bump(e->l.d);
	if (e->o)
		oracle_lab_set(e->o, m);
	model_free(&e->l.m);
	e->l.m = m;
	lab_now_set(&e->l, e->now_ns);
}

static inline int forget_host(void *ctx, const void *key, void *value)
{
	(void)value;
	host_map_delete(ctx, key);
	return 0;
}

static inline void map_empty(int fd, size_t key_size)
{
	char key[64], next[64];
	int r = bpf_map_get_next_key(fd, NULL, next);

	assert_true(key_size <= sizeof(key));
	while (!r) {
		memcpy(key, next, key_size);
		r = bpf_map_get_next_key(fd, key, next);
		bpf_map_delete_elem(fd, key);
	}
}

static inline void engines_flush(struct engines *e)
{
	uint64_t n = 0;

	while (datapath_flush(e->l.d, 0, 0, &n) > 0)
		;
	host_map_each(e->l.w->flows, forget_host, e->l.w->flows);
	for (__u32 set = 0; set < e->l.w->config.hot_sets; set++) { /* time begins anew */
		static const struct abi_hot_set none;

		*(struct abi_hot_set *)host_map_lookup(e->l.w->hot, &set) = none;
		assert_int_equal(bpf_map_update_elem(e->l.d->maps[DP_HOT], &set, &none, BPF_ANY), 0);
	}
	e->l.w->config.epoch = datapath_epoch_bump(e->l.d); /* which a flush does too */
	for (__u32 port = 0; port < ABI_PORTS_MAX && port < 256; port++)
		*(__s64 *)host_map_lookup(e->l.w->port_ct, &port) = 0;
	if (e->o)
		oracle_conns_done(oracle_lab_conns(e->o));
}

static inline uint64_t rule_hits(struct engines *e, uint32_t rule)
{
	struct abi_counter c = { 0 };

	datapath_rule_hits(e->l.d, rule, &c);
	return c.packets;
}

/* Which rules a packet counts at: those it came by, and the one of an ACL that denied it. */
static inline void hits_add(struct engines *e, const struct oracle_answer *a)
{
	for (int i = 0; i < ORACLE_AT_MAX; i++)
		if (i != ORACLE_AT_ROUTE && a->rule[i] < RULES_MAX)
			e->hits[a->rule[i]]++;
	if (!a->allow && (a->gate == ABI_GATE_NACL_IN || a->gate == ABI_GATE_NACL_OUT) && a->deny_rule < RULES_MAX)
		e->hits[a->deny_rule]++;
}

static inline void hits_start(struct engines *e)
{
	memset(e->hits, 0, sizeof(e->hits));
	for (uint32_t i = 1; i < RULES_MAX; i++)
		if (i < 256 || e->hits_before[i])
			e->hits_before[i] = rule_hits(e, i);
}

/* False: a rule's counter in BPF is not what the oracle counts. */
static inline bool hits_agree(struct engines *e, uint32_t *rule)
{
	for (*rule = 1; *rule < 256; ++*rule)
		if (rule_hits(e, *rule) - e->hits_before[*rule] != e->hits[*rule])
			return false;
	return true;
}

/* A fresh start. False: the topology is not valid. */
static inline bool engines_start(struct engines *e, const struct scenario *s)
{
	struct map_rows rows;
	struct model *m;

	engines_flush(e);
	engines_forget(e);
	e->six = s->six;
	m = engines_model(e, s->lines, s->n_lines, &rows);
	if (!m)
		return false;
	map_empty(e->cache, sizeof(struct abi_flow_key));
	map_empty(e->frags, sizeof(struct abi_frag_key));
	host_map_each(e->l.w->cache, forget_host, e->l.w->cache);
	host_map_each(e->l.w->frags, forget_host, e->l.w->frags);
	e->lines = xcalloc(s->n_lines + 1, sizeof(*e->lines));
	for (; e->n_lines < s->n_lines; e->n_lines++)
		e->lines[e->n_lines] = xstrdup(s->lines[e->n_lines]);
	e->now_ns = 1000000000000ull;
	e->o = oracle_lab_new(m, s->six);
	engines_load(e, m, &rows);
	hits_start(e);
	return true;
}

/* False: it would make no valid topology; nothing changed. */
static inline bool engines_edit(struct engines *e, unsigned line, const char *text)
{
	struct map_rows rows;
	struct model *m;
	char *before;

	if (line >= e->n_lines)
		return false;
	before = e->lines[line];
	e->lines[line] = xstrdup(text);
	m = engines_model(e, e->lines, e->n_lines, &rows);
	if (!m) {
		free(e->lines[line]);
		e->lines[line] = before;
		return false;
	}
	free(before);
	engines_load(e, m, &rows);
	return true;
}

/* ---- one packet ---- */

static inline struct abi_flow_key key_of(uint32_t port, const struct oracle_flow *f)
{
	struct abi_flow_key k = {
		.port = port, .proto = f->proto, .family = (__u8)f->family, .src = f->src.a, .dst = f->dst.a
	};

	put16(k.sport, f->a);
	put16(k.dport, f->b);
	return k;
}

static inline void disagree(struct engines *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline void disagree(struct engines *e, const char *fmt, ...)
{
	va_list ap;

	if (*e->why)
		return;
	va_start(ap, fmt);
	vsnprintf(e->why, sizeof(e->why), fmt, ap);
	va_end(ap);
}

/* What all three say of one interface's connection. */
static inline void compare_conn(struct engines *e, const char *whose, uint32_t port, const struct oracle_flow *f)
{
	struct abi_flow_key k = key_of(port, f), twin;
	const struct abi_flow *host = host_map_lookup(e->l.w->flows, &k);
	const struct oracle_conn *c = oracle_conn_at(oracle_lab_conns(e->o), port, f);
	const struct abi_port *p = host_map_lookup(e->l.w->ports, &port);
	const struct abi_flow *found;
	struct abi_flow bpf, own, other; /* as they are, and as they would be asked */
	struct flow_life life;
	__u64 until, want;
	const bool in_bpf = bpf_map_lookup_elem(e->l.flows, &k, &bpf) == 0;

	if (in_bpf != (host != NULL) || (host && memcmp(&bpf, host, sizeof(bpf)))) {
		disagree(e, "%s's entry: BPF and host differ (there: %d, %d)", whose, in_bpf, host != NULL);
		return;
	}
	if ((host != NULL) != (c != NULL)) {
		disagree(e, "%s's entry: %s, the oracle says %s", whose, host ? "tracked" : "none",
			 c ? "tracked" : "none");
		return;
	}
	if (!c)
		return;
	flow_key_twin(&k, host, &twin);
	own = *host;
	flow_settle(e->l.w, &k, &own, e->now_ns);
	found = flow_find(e->l.w, &twin);
	other = found ? *found : own;
	flow_settle(e->l.w, &twin, &other, e->now_ns);
	flow_life_of(port, &own, found ? &other : NULL, &life);
	until = life.seen_ns + flow_timeout_ns(&e->l.w->config, p, k.proto, life.tx, life.rx);
	want = c->seen_ns + oracle_conn_timeout(c);
	if (host->own_rule != c->rule || !(host->flags & ABI_FLOW_TRACKED) ||
	    !(host->flags & ABI_FLOW_INBOUND) != !c->inbound)
		disagree(e, "%s's entry: rule %u flags %u, the oracle says rule %u %s", whose, host->own_rule,
			 host->flags, c->rule, c->inbound ? "inbound" : "outbound");
	if (until != want)
		disagree(e, "%s's entry: %lld ms left, the oracle says %lld (tx %u rx %u; %u/%u packets, flags %u/%u)",
			 whose, (long long)(until - e->now_ns) / 1000000, (long long)(want - e->now_ns) / 1000000,
			 life.tx, life.rx, c->packets[0], c->packets[1], c->flags[0], c->flags[1]);
}

static inline void compare_verdict(struct engines *e, const struct pass *host, const struct oracle_answer *a)
{
	const struct outcome *o = &host->o;
	static const enum abi_reason how[] = { ABI_REASON_ACCEPT, ABI_REASON_TRACKED, ABI_REASON_RELATED };

	if (o->allow != a->allow || o->gate != a->gate) {
		disagree(e, "%s at %s (%s), the oracle says %s at %s", o->allow ? "allowed" : "denied",
			 gate_name(o->gate), reason_name(o->reason), a->allow ? "allowed" : "denied",
			 gate_name(a->gate));
		return;
	}
	if (!o->allow) {
		if (o->deny_rule != a->deny_rule || (a->gate_port && o->gate_port != a->gate_port))
			disagree(e, "denied at %s by rule %u of port %u, the oracle says %u of port %u",
				 gate_name(o->gate), o->deny_rule, o->gate_port, a->deny_rule, a->gate_port);
		return;
	}
	if (memcmp(o->rule, a->rule, sizeof(o->rule)) || o->peer != a->peer)
		disagree(e, "rules %u %u %u %u %u to port %u, the oracle says %u %u %u %u %u to port %u", o->rule[0],
			 o->rule[1], o->rule[2], o->rule[3], o->rule[4], o->peer, a->rule[0], a->rule[1], a->rule[2],
			 a->rule[3], a->rule[4], a->peer);
	if (o->path == ABI_PATH_FULL && (o->reason_sg_out != how[a->how_out] || o->reason_sg_in != how[a->how_in]))
		disagree(e, "groups by %s, %s, the oracle says %s, %s", reason_name(o->reason_sg_out),
			 reason_name(o->reason_sg_in), reason_name(how[a->how_out]), reason_name(how[a->how_in]));
	if ((o->flags & ABI_FLOW_SNAT && memcmp(&o->xaddr, &a->got.src, 16)) ||
	    (o->flags & ABI_FLOW_DNAT && memcmp(&o->xaddr, &a->got.dst, 16)))
		disagree(e, "the oracle has another translated address");
}

static inline void engines_packet(struct engines *e, const struct step *s)
{
	struct oracle_frame f = s->frame;
	const uint32_t port = scenario_port(e->l.m, s->from);
	uint8_t frame[FRAME_MAX];
	struct oracle_flow back, sent;
	struct pass bpf;
	size_t n;

	if (!port || !host_map_lookup(e->l.w->ports, &port) ||
	    !((const struct abi_port *)host_map_lookup(e->l.w->ports, &port))->kind)
		return; /* a step of a smaller topology than it was made for */
	f.mac = *s->mac ? scenario_port(e->l.m, s->mac) : 0;
	n = wire_build(frame, &f);
	if (!pass_bpf(&e->l, port, frame, n, &bpf))
		return;
	pass_host(&e->l, port, frame, n, &e->last);
	e->answer = oracle_lab_pass(e->o, port, &f, e->now_ns);
	hits_add(e, &e->answer);
	e->packets++;
	e->allowed += e->last.o.allow;
	e->denied_at[e->last.o.gate]++;
	e->cached += e->last.o.path == ABI_PATH_CACHED;
	e->tracked += e->answer.how_out == ORACLE_TRACKED || e->answer.how_in == ORACLE_TRACKED;
	e->related += e->answer.how_out == ORACLE_RELATED || e->answer.how_in == ORACLE_RELATED;
	if (memcmp(&e->last.o, &bpf.o, sizeof(bpf.o)))
		disagree(e, "BPF says %s at %s (%s), the host %s at %s (%s)", bpf.o.allow ? "allowed" : "denied",
			 gate_name(bpf.o.gate), reason_name(bpf.o.reason), e->last.o.allow ? "allowed" : "denied",
			 gate_name(e->last.o.gate), reason_name(e->last.o.reason));
	compare_verdict(e, &e->last, &e->answer);
	sent = f.flow;
	if (f.frag == ORACLE_LATER) {
		sent.a = read_be16(e->last.p.key.sport);
		sent.b = read_be16(e->last.p.key.dport);
	}
	compare_conn(e, "the sender", port, &sent);
	if (e->answer.allow) {
		e->answer.got.a = sent.a;
		e->answer.got.b = sent.b;
		back = oracle_flow_back(&e->answer.got);
		compare_conn(e, "the receiver", e->answer.peer, &back);
	}
	if (host_map_count(e->l.w->flows) != oracle_lab_conns(e->o)->n)
		disagree(e, "%zu entries, the oracle has %zu", host_map_count(e->l.w->flows),
			 oracle_lab_conns(e->o)->n);
}

static inline void engines_sweep(struct engines *e)
{
	uint64_t bpf = 0;
	unsigned host = world_reap(e->l.w), oracle = oracle_conns_sweep(oracle_lab_conns(e->o), e->now_ns);

	assert_int_equal(datapath_reap(e->l.d, 0, &bpf), 0);
	if (bpf != host || host != oracle)
		disagree(e, "swept: BPF %llu, host %u, oracle %u", (unsigned long long)bpf, host, oracle);
	if (datapath_flows_count(e->l.d) != host_map_count(e->l.w->flows))
		disagree(e, "after the sweep: BPF has %llu entries, the host %zu",
			 (unsigned long long)datapath_flows_count(e->l.d), host_map_count(e->l.w->flows));
	e->conns += oracle_lab_conns(e->o)->n;
}

/* False: the engines disagree, e->why says how. */
static inline bool engines_step(struct engines *e, const struct step *s)
{
	e->why[0] = 0;
	switch (s->kind) {
	case STEP_PACKET: engines_packet(e, s); break;
	case STEP_WAIT:
		e->now_ns += s->wait_ms * 1000000ull;
		lab_now_set(&e->l, e->now_ns);
		break;
	case STEP_EDIT: engines_edit(e, s->line, s->text); break;
	case STEP_SWEEP: engines_sweep(e); break;
	case STEP_FLUSH: engines_flush(e); break;
	}
	return !*e->why;
}

/* The first step at which they disagree; -1: none; -2: no valid topology. */
static inline int engines_run(struct engines *e, const struct scenario *s)
{
	if (!engines_start(e, s))
		return -2;
	for (unsigned i = 0; i < s->n_steps; i++)
		if (!engines_step(e, &s->steps[i]))
			return (int)i;
	return -1;
}

/* ---- the smallest case ---- */

static inline bool still_fails(struct engines *e, const struct scenario *s)
{
	return engines_run(e, s) >= 0;
}

static inline bool shrink_steps(struct engines *e, struct scenario *s)
{
	bool any = false;

	for (unsigned width = s->n_steps / 2 ? s->n_steps / 2 : 1; width; width /= 2)
		for (unsigned i = 0; i + width <= s->n_steps;) {
			struct scenario t;

			scenario_copy(s, &t);
			for (unsigned k = 0; k < width; k++)
				scenario_step_remove(&t, i);
			if (still_fails(e, &t)) {
				scenario_done(s);
				*s = t;
				any = true;
			} else {
				scenario_done(&t);
				i += width;
			}
		}
	return any;
}

/* A section as a whole, then single lines. */
static inline bool shrink_lines(struct engines *e, struct scenario *s)
{
	bool any = false;

	for (int sections = 1; sections >= 0; sections--)
		for (unsigned i = 0; i < s->n_lines; i++) {
			struct scenario t;

			if (!*s->lines[i] || (sections && s->lines[i][0] != '['))
				continue;
			scenario_copy(s, &t);
			*t.lines[i] = 0;
			for (unsigned k = i + 1; sections && k < t.n_lines && t.lines[k][0] != '['; k++)
				*t.lines[k] = 0;
			if (still_fails(e, &t)) {
				scenario_done(s);
				*s = t;
				any = true;
			} else {
				scenario_done(&t);
			}
		}
	return any;
}

/* s fails; makes it as small as it can be while it does. */
static inline void engines_shrink(struct engines *e, struct scenario *s)
{
	int at = engines_run(e, s);

	while (at >= 0 && s->n_steps > (unsigned)at + 1)
		scenario_step_remove(s, s->n_steps - 1);
	for (int round = 0; round < 4; round++)
		if (!(shrink_steps(e, s) | shrink_lines(e, s)))
			break;
	engines_run(e, s); /* e->why is of the small one */
}
