/* datapath_tell.c: what the data path tells: verdict events, every packet of watched flows, captured frames, drops
 * that were gathered. Never prints. */
#include <errno.h>
#include <string.h>
#include <bpf/bpf.h>
#include "filters/world.h"
#include "filters/tell.h"
#include "kern/datapath_parts.h"
#include "util/mem.h"

static void flag_set(struct datapath *d, __u32 flag, bool on);
static int on_event(void *ctx, void *data, size_t size);
static int on_capture(void *ctx, void *data, size_t size);

int tell_ready(struct datapath *d, struct err *e)
{
	d->ring = ring_buffer__new(d->maps[DP_EVENTS], on_event, d, NULL);
	if (!d->ring)
		return err_set(e, -errno, "BPF ring buffer events: %s", strerror(errno));
	d->capture_ring = ring_buffer__new(d->maps[DP_CAPTURES], on_capture, d, NULL);
	if (!d->capture_ring)
		return err_set(e, -errno, "BPF ring buffer captures: %s", strerror(errno));
	return 0;
}

void tell_close(struct datapath *d)
{
	ring_buffer__free(d->ring);
	ring_buffer__free(d->capture_ring);
}

void tell_clear(struct datapath *d)
{
	__u32 none = 0;
	struct abi_flow_key k;

	while (!bpf_map_get_next_key(d->maps[DP_WATCHES], NULL, &k) && !bpf_map_delete_elem(d->maps[DP_WATCHES], &k))
		;
	flag_set(d, ABI_CONFIG_WATCH, false);
	if (!(d->config->flags & ABI_CONFIG_CAPTURE))
		return;
	flag_set(d, ABI_CONFIG_CAPTURE, false);
	for (__u32 port = 0; port < d->max_entries[DP_TAPS]; port++)
		bpf_map_update_elem(d->maps[DP_TAPS], &port, &none, BPF_ANY);
}

/* ---- events ---- */

int datapath_events_fd(struct datapath *d)
{
	return ring_buffer__epoll_fd(d->ring);
}

/* A callback that ends with an error ends the round; what it was given counts as taken. */
static int tell_consume(struct datapath *d, struct ring_buffer *ring, unsigned max)
{
	int r;

	d->budget = max ? max : UINT32_MAX;
	r = ring_buffer__consume(ring);
	return r == -EAGAIN ? 1 : r < 0 ? r : 0;
}

int datapath_events_consume(struct datapath *d, unsigned max, int (*fn)(void *ctx, const struct abi_event *ev),
			    void *ctx)
{
	d->event_fn = fn;
	d->event_ctx = ctx;
	return tell_consume(d, d->ring, max);
}

static int on_event(void *ctx, void *data, size_t size)
{
	struct datapath *d = ctx;
	int r = size >= sizeof(struct abi_event) && d->event_fn ? d->event_fn(d->event_ctx, data) : 0;

	return r ? r : --d->budget ? 0 : -EAGAIN;
}

uint64_t datapath_events_lost(struct datapath *d)
{
	struct abi_port_stats s;

	return datapath_port_stats(d, 0, &s) ? 0 : s.events_lost;
}

void datapath_sample(struct datapath *d, const uint32_t sample[ABI_TELL_MAX])
{
	for (unsigned i = 0; i < ABI_TELL_MAX; i++)
		d->config->sample[i] = sample[i];
	flag_set(d, ABI_CONFIG_SAMPLE, sample[ABI_TELL_ESTABLISHED] != 0);
}

int datapath_drop(struct datapath *d, const struct abi_flow_key *flow, struct abi_drop *ret)
{
	return bpf_map_lookup_elem(d->maps[DP_DROPS], flow, ret) ? -errno : 0;
}

uint32_t datapath_drops_sweep(struct datapath *d, uint64_t quiet_ns)
{
	__u32 n = d->max_entries[DP_DROPS], many = n / 2, gone = 0, at;
	_cleanup_free_ struct abi_flow_key *keys = xcalloc(n, sizeof(*keys));
	_cleanup_free_ struct abi_drop *drops = xcalloc(n, sizeof(*drops));
	uint64_t now_ns;

	/* All of them in one call: ENOENT says that these were the last. */
	if (bpf_map_lookup_batch(d->maps[DP_DROPS], NULL, &at, keys, drops, &n, NULL) && errno != ENOENT)
		return 0;
	now_ns = ktime_ns();
	if (n < many)
		quiet_ns = DROP_FORGET_NS;
	for (__u32 i = 0; i < n; i++)
		if (drops[i].last_ns + quiet_ns < now_ns && !bpf_map_delete_elem(d->maps[DP_DROPS], &keys[i]))
			gone++;
	return n - gone;
}

static void flag_set(struct datapath *d, __u32 flag, bool on)
{
	if (on)
		__atomic_or_fetch(&d->config->flags, flag, __ATOMIC_RELEASE);
	else
		__atomic_and_fetch(&d->config->flags, ~flag, __ATOMIC_RELEASE);
}

/* ---- watches ---- */

int datapath_watch(struct datapath *d, const struct abi_flow_key *flow, uint64_t for_ns, struct err *e)
{
	struct abi_watch w = { .until_ns = ktime_ns() + for_ns };

	if (bpf_map_update_elem(d->maps[DP_WATCHES], flow, &w, BPF_NOEXIST)) {
		if (errno == EEXIST)
			return bpf_map_update_elem(d->maps[DP_WATCHES], flow, &w, BPF_EXIST) ? -errno : 0;
		return err_set(e, -errno, "too many flows are watched at once (%u)", d->watches);
	}
	d->watches++;
	flag_set(d, ABI_CONFIG_WATCH, true);
	datapath_epoch_bump(d); /* its next packet takes the long way, where watches are looked at */
	return 0;
}

int datapath_unwatch(struct datapath *d, const struct abi_flow_key *flow)
{
	if (bpf_map_delete_elem(d->maps[DP_WATCHES], flow))
		return -errno;
	if (d->watches && --d->watches == 0)
		flag_set(d, ABI_CONFIG_WATCH, false);
	return 0;
}

/* ---- captures ---- */

int datapath_tap(struct datapath *d, uint32_t port, uint32_t snaplen, struct err *e)
{
	if (bpf_map_update_elem(d->maps[DP_TAPS], &port, &snaplen, BPF_ANY))
		return err_set(e, -errno, "port %u cannot be captured: %s", port, strerror(errno));
	return 0;
}

void datapath_capture(struct datapath *d, bool on)
{
	flag_set(d, ABI_CONFIG_CAPTURE, on);
}

int datapath_captures_fd(struct datapath *d)
{
	return ring_buffer__epoll_fd(d->capture_ring);
}

int datapath_captures_consume(struct datapath *d, unsigned max,
			      int (*fn)(void *ctx, const struct abi_capture *c, const uint8_t *frame), void *ctx)
{
	d->capture_fn = fn;
	d->capture_ctx = ctx;
	return tell_consume(d, d->capture_ring, max);
}

static int on_capture(void *ctx, void *data, size_t size)
{
	struct datapath *d = ctx;
	const struct abi_capture *c = data;
	int r = 0;

	if (size >= sizeof(*c) && c->cap_len <= size - sizeof(*c) && d->capture_fn)
		r = d->capture_fn(d->capture_ctx, c, (const uint8_t *)(c + 1));
	return r ? r : --d->budget ? 0 : -EAGAIN;
}
