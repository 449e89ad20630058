/* record_window.c: entries in, records out. Flows that look the same in a record (echoes of several pings, a route
 * that changed) become one. Pure. */
#include "model/record_window.h"
#include "util/mem.h"

enum side { SIDE_NONE, SIDE_ACCEPT, SIDE_REJECT };

void record_window_init(struct record_window *w, const struct model *m)
{
	*w = (struct record_window){ .m = m, .n_ports = 1 };
	for (uint32_t i = 0; i < m->n_enis; i++)
		if (m->enis[i].obj.number >= w->n_ports)
			w->n_ports = m->enis[i].obj.number + 1;
	w->eni_of_port = xcalloc(w->n_ports, sizeof(*w->eni_of_port));
	for (uint32_t i = 0; i < w->n_ports; i++)
		w->eni_of_port[i] = NONE;
	for (uint32_t i = 0; i < m->n_enis; i++)
		w->eni_of_port[m->enis[i].obj.number] = i;
}

void record_window_done(struct record_window *w)
{
	while (record_window_shrink(w))
		;
	free(w->blocks);
	free(w->eni_of_port);
	*w = (struct record_window){ 0 };
}

/* Indexes first: they point into the blocks. */
bool record_window_shrink(struct record_window *w)
{
	for (size_t i = 0; i < RECORD_WINDOW_INDEXES; i++)
		if (w->index[i].slots) {
			keymap_done(&w->index[i]);
			return true;
		}
	w->n = 0;
	if (w->n_blocks)
		free(w->blocks[--w->n_blocks]);
	return w->n_blocks > 0;
}

static uint32_t eni_at(const struct record_window *w, uint32_t port)
{
	return port && port < w->n_ports ? w->eni_of_port[port] : NONE;
}

/* At the interface that sent it. */
static enum side side_out(const struct abi_log_key *k)
{
	bool own = k->end == k->flow.port;

	return k->gate == ABI_GATE_SG_OUT || k->gate == ABI_GATE_NACL_OUT || (k->gate == ABI_GATE_CONNTRACK && own)
		       ? SIDE_REJECT
		       : SIDE_ACCEPT;
}

/* At the interface that got it, or was to get it. A NAT gateway's refusal is its own, not its interface's. */
static enum side side_in(const struct abi_log_key *k)
{
	switch (k->gate) {
	case ABI_GATE_NONE:
	case ABI_GATE_NAT: return SIDE_ACCEPT;
	case ABI_GATE_NACL_IN:
	case ABI_GATE_SG_IN: return SIDE_REJECT;
	case ABI_GATE_CONNTRACK: return k->end == k->flow.port ? SIDE_NONE : SIDE_REJECT;
	default: return SIDE_NONE;
	}
}

static struct record *record_get(struct record_window *w, const struct record *like)
{
	struct keymap *index = &w->index[keymap_hash(0, &like->key, sizeof(like->key)) % RECORD_WINDOW_INDEXES];
	uint64_t i = keymap_get(index, &like->key, sizeof(like->key));
	struct record *r;

	if (i != KEYMAP_NONE)
		return record_window_at(w, i);
	if (w->n == w->n_blocks * RECORD_BLOCK)
		*VEC_PUSH(w->blocks, w->n_blocks, w->cap_blocks) = xcalloc(RECORD_BLOCK, sizeof(**w->blocks));
	r = record_window_at(w, w->n);
	*r = *like;
	keymap_put(index, &r->key, sizeof(r->key), w->n++);
	return r;
}

static void add_side(struct record_window *w, uint32_t eni, bool ingress, bool reject, const struct abi_log_key *k,
		     const struct abi_log *log)
{
	const struct abi_flow_key *f = &k->flow;
	struct record like, *r;

	memset(&like, 0, sizeof(like));
	like.key.eni = eni;
	like.key.ingress = ingress;
	like.key.reject = reject;
	like.key.proto = f->proto;
	like.key.family = f->family;
	if (f->proto != 1 && f->proto != 58) {
		like.key.sport = (uint16_t)(f->sport[0] << 8 | f->sport[1]);
		like.key.dport = (uint16_t)(f->dport[0] << 8 | f->dport[1]);
	}
	like.key.src = f->src;
	like.key.dst = ingress ? log->dst : f->dst;
	like.first_ns = log->first_ns;
	like.peer = log->peer;
	like.rule = ingress ? log->rule_in : log->rule_out;
	like.no_match = reject && (k->gate == ABI_GATE_SG_IN || k->gate == ABI_GATE_SG_OUT);
	if (like.no_match || (reject && k->gate == ABI_GATE_CONNTRACK))
		like.rule = 0;
	r = record_get(w, &like);
	r->packets += log->packets;
	r->bytes += log->bytes;
	r->tcp_flags |= log->tcp_flags;
	if (log->first_ns < r->first_ns)
		r->first_ns = log->first_ns;
	if (log->last_ns > r->last_ns)
		r->last_ns = log->last_ns;
}

void record_window_add(struct record_window *w, const struct abi_log_key *k, const struct abi_log *log)
{
	uint32_t from = eni_at(w, k->flow.port), to = eni_at(w, k->end);
	enum side out = side_out(k), in = side_in(k);

	if (!log->packets)
		return;
	if (from != NONE)
		add_side(w, from, false, out == SIDE_REJECT, k, log);
	if (to != NONE && in != SIDE_NONE)
		add_side(w, to, true, in == SIDE_REJECT, k, log);
}

bool flow_log_covers(const struct model *m, const struct flow_log *log, uint32_t eni)
{
	switch (log->scope) {
	case KIND_VPC: return model_eni_vpc(m, eni) == log->index;
	case KIND_SUBNET: return m->enis[eni].subnet == log->index;
	default: return eni == log->index;
	}
}

bool flow_log_wants(const struct flow_log *log, const struct record *r)
{
	return log->traffic == FLOW_LOG_ALL || (log->traffic == FLOW_LOG_REJECT) == (r->key.reject != 0);
}
