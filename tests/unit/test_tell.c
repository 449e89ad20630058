/* test_tell.c: of which packets somebody hears: gathered drops, sampling, buckets of a port and of the lab. */
#include <string.h>
#include "filters/verdict.h"
#include "filters/world.h"
#include "test.h"

#define S 1000000000ull

struct heard {
	unsigned n;
	struct abi_event last;
};

static void on_event(void *ctx, const struct abi_event *ev)
{
	struct heard *h = ctx;

	h->n++;
	h->last = *ev;
}

static struct world *world_make(struct heard *h)
{
	struct world *w = world_new(64);

	*h = (struct heard){ 0 };
	w->event = on_event;
	w->event_ctx = h;
	w->config.event_burst = 10;
	w->config.event_ns = S / 10;
	w->config.drop_ns = S;
	return w;
}

/* A packet of flow number i of a port, denied or the first of its flow, at a time. */
static void report(struct world *w, unsigned port, unsigned i, bool allow, uint64_t now)
{
	struct pass x;

	memset(&x, 0, sizeof(x));
	x.p.key.port = port;
	x.p.key.proto = 17;
	memcpy(x.p.key.src.b, &i, sizeof(i));
	x.p.segs = 1;
	x.now = now;
	x.o.allow = x.o.fresh = allow;
	if (!allow)
		outcome_deny(&x.o, ABI_GATE_SG_IN, ABI_REASON_ENI_SG_RULES_MISMATCH, port, 0);
	pass_report(w, &x, 0);
}

static uint64_t lost(struct world *w, uint32_t port)
{
	return ((struct abi_port_stats *)host_map_lookup(w->port_stats, &port))->events_lost;
}

static void test_drops(void **state)
{
	struct heard h;
	struct world *w = world_make(&h);

	(void)state;
	for (unsigned k = 0; k < 1000; k++)
		report(w, 1, 7, false, 5 * S + k * 1000);
	assert_int_equal(h.n, 1); /* the first of them; the others wait for the second to pass */
	assert_int_equal(h.last.count, 1);
	report(w, 1, 7, false, 6 * S + 1);
	assert_int_equal(h.n, 2);
	assert_int_equal(h.last.count, 1001);
	assert_true(h.last.first_ns == 5 * S);
	report(w, 1, 8, false, 6 * S + 2); /* another flow */
	assert_int_equal(h.n, 3);
	assert_int_equal(h.last.count, 1);
	report(w, 1, 7, false, 6 * S + 1 + 61 * S); /* after a minute of silence they are counted anew */
	assert_int_equal(h.last.count, 1);
	assert_int_equal(lost(w, 1), 0);
	world_free(&w);
}

static void test_buckets(void **state)
{
	struct heard h;
	struct world *w = world_make(&h);

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		report(w, 1, i, false, 5 * S);
	assert_int_equal(h.n, 10); /* the burst */
	assert_int_equal(lost(w, 1), 40);
	report(w, 1, 100, true, 5 * S);  /* new flows are not hidden by a flood of drops */
	report(w, 2, 100, false, 5 * S); /* nor is another port */
	assert_int_equal(h.n, 12);
	for (unsigned i = 0; i < 50; i++)
		report(w, 1, 200 + i, false, 5 * S + S / 2);
	assert_int_equal(h.n, 17); /* five tokens in half a second */
	assert_int_equal(lost(w, 1), 85);
	assert_int_equal(lost(w, 0), 85); /* of the whole lab */
	w->config.lab_event_burst = 3;
	w->config.lab_event_ns = S;
	for (unsigned port = 3; port < 20; port++)
		report(w, port, 1, false, 9 * S);
	assert_int_equal(h.n, 20); /* however many ports there are */
	world_free(&w);
}

static void test_sampling(void **state)
{
	struct heard h;
	struct world *w = world_make(&h);

	(void)state;
	w->config.event_burst = 1000;
	w->config.sample[ABI_TELL_NEW] = 10;
	w->config.sample[ABI_TELL_DENIED] = 0;
	for (unsigned i = 0; i < 200; i++)
		report(w, 1, i, true, 5 * S);
	assert_int_equal(h.n, 20);
	for (unsigned i = 0; i < 200; i++)
		report(w, 1, i, false, 5 * S);
	assert_int_equal(h.n, 20);
	assert_int_equal(lost(w, 1), 0); /* what nobody asked for is not lost */
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drops),
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_sampling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
