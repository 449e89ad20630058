/* capture.h: copies of frames with their verdict, for captures, and the sampling of packets that pass by their
 * flow's entry. One test of a flag a packet while nobody asks. */
#pragma once
#include "maps.h"
#include "filters/verdict.h"

/* Made ready here, then put into the ring at its real length. */
struct capture_room {
	struct abi_capture head;
	__u8 frame[ABI_SNAPLEN_MAX];
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct capture_room);
} capture_rooms SEC(".maps") __weak;

/* A port's MAC address: what it receives is addressed to. */
static __always_inline void mac_of_port(__u8 *mac, __u32 port)
{
	mac[0] = ABI_MAC0;
	mac[1] = ABI_MAC1;
	mac[2] = port >> 24;
	mac[3] = port >> 16;
	mac[4] = port >> 8;
	mac[5] = port;
}

enum { CAPTURE_INBOUND = 1, CAPTURE_ACTION_SHIFT = 8 };

/* The frame as it is now, seen at a port. how: CAPTURE_INBOUND, and the program's answer above it. */
PIECE frame_capture(struct __sk_buff *skb, struct pass *x, __u32 port, __u32 how)
{
	const __u32 *snaplen = bpf_map_lookup_elem(&taps, &port);
	struct abi_port_stats *stats;
	struct capture_room *room;
	__u32 zero = 0, len;

	if (!x || !snaplen || !*snaplen)
		return 0;
	room = bpf_map_lookup_elem(&capture_rooms, &zero);
	stats = bpf_map_lookup_elem(&port_stats, &port);
	if (!room || !stats)
		return 0;
	stats->captured++;
	event_of(NULL, x, x->o.allow ? 0 : ABI_EVENT_DENY);
	room->head.event = x->event;
	room->head.time_ns = bpf_ktime_get_ns();
	room->head.port = port;
	room->head.inbound = how & CAPTURE_INBOUND;
	room->head.action = how >> CAPTURE_ACTION_SHIFT;
	room->head.len = skb->len;
	len = skb->len < *snaplen ? skb->len : *snaplen;
	if (len > ABI_SNAPLEN_MAX)
		len = ABI_SNAPLEN_MAX;
	if (len < 1 || bpf_skb_load_bytes(skb, 0, room->frame, len)) {
		stats->captures_lost++;
		return 0;
	}
	room->head.cap_len = len;
	if (how & CAPTURE_INBOUND) {
		mac_of_port(room->frame, port);
		mac_of_port(room->frame + 6, 0);
	}
	if (bpf_ringbuf_output(&captures, room, sizeof(room->head) + len, 0))
		stats->captures_lost++;
	return 0;
}
