/* host_lab.h: a lab on the host's maps: frames go through the whole filter, and what it keeps can be looked at. */
#pragma once
#include <string.h>
#include "conf/build.h"
#include "filters/explain.h"
#include "filters/verdict.h"
#include "filters/world.h"
#include "plan/desired.h"
#include "test.h"
#include "tests/bpf/frames.h"
#include "util/mem.h"

enum { LAB_FLOWS = 1024 };

struct lab {
	struct model *m;
	struct world *w;
};

/* Another topology in the place of the one that is there; state and counters stay. */
static inline void lab_load(struct lab *l, const char *text)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	struct map_rows rows;
	struct err e = { 0 };

	model_free(&l->m);
	if (model_from_text(text, strlen(text), "t.ini", &l->m, &diags) < 0)
		fail_msg("line %u: %s", diags.v[0].line, diags.v[0].message);
	map_rows_init(&rows);
	assert_int_equal(maps_desired(l->m, &rows, &e), 0);
	assert_int_equal(world_load(l->w, &rows), 0);
	map_rows_done(&rows);
}

static inline void lab_up(struct lab *l, const char *text)
{
	*l = (struct lab){ .w = world_new(LAB_FLOWS) };
	l->w->config.hot_sets = 8; /* few, so that flows meet */
	l->w->config.hot_cpus = 1;
	lab_load(l, text);
}

static inline void lab_down(struct lab *l)
{
	world_free(&l->w);
	model_free(&l->m);
}

/* The port of an interface, or of an internet gateway. */
static inline uint32_t port_of(const struct lab *l, const char *name)
{
	const uint32_t i = model_find_eni(l->m, name);

	for (uint32_t k = 0; k < l->m->n_igws; k++)
		if (!strcmp(l->m->igws[k].obj.name, name))
			return l->m->igws[k].port;
	assert_true(i != NONE);
	return l->m->enis[i].obj.number;
}

static inline struct abi_addr address(const struct lab *l, const char *name)
{
	const uint32_t i = model_find_eni(l->m, name);
	struct addr a;

	if (i != NONE)
		return l->m->enis[i].addrs[0].addr.a;
	assert_int_equal(addr_parse(name, &a), 0);
	return a.a;
}

/* As it comes from the wire: what an interface may not say is seen, too. */
static inline struct pass send_raw(struct lab *l, const char *from, const uint8_t *frame, size_t n, uint32_t segs)
{
	struct pass x = { 0 };
	enum abi_reason reason;

	x.p.key.port = port_of(l, from);
	x.p.segs = segs;
	reason = packet_parse(frame, frame + n, (uint32_t)n, &x.p);
	if (reason == ABI_REASON_NONE)
		reason = packet_may_be_sent(&x.p);
	pass_packet(l->w, &x, reason);
	return x;
}

static inline struct pass send_frame(struct lab *l, const char *from, const struct frame_spec *s, uint32_t segs)
{
	uint8_t frame[FRAME_MAX];

	return send_raw(l, from, frame, frame_build(frame, s), segs);
}

static inline void denied(const struct pass *x, enum abi_gate gate)
{
	assert_false(x->o.allow);
	assert_string_equal(gate_name(x->o.gate), gate_name(gate));
}
