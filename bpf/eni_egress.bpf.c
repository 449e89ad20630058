/* eni_egress: what reaches an interface through the router's stack. TC egress of its router end.
 * Only what a pass has judged for this very interface goes on, and the router's own ICMP errors. */
#include "frame.h"

SEC("tc")
int eni_egress(struct __sk_buff *skb)
{
	enum abi_reason reason;
	struct pass *x = frame_read(skb, &reason);
	__u8 ttl;

	if (!x)
		return TC_ACT_SHOT;
	if (reason == ABI_REASON_NONE && x->p.kind == PKT_ARP)
		return TC_ACT_OK; /* ours, from eni_ingress */
	if (reason == ABI_REASON_NONE && skb->mark & ABI_MARK_JUDGED &&
	    skb->mark >> ABI_MARK_PORT_SHIFT == x->p.key.port) {
		if (!(skb->mark & ABI_MARK_TTL)) {
			ttl = x->p.ttl + 1;
			frame_ttl_set(skb, &x->p, ttl);
		}
		skb->mark = 0;
		return TC_ACT_OK;
	}
	if (reason == ABI_REASON_NONE && !skb->ingress_ifindex && x->p.icmp_error)
		return TC_ACT_OK;
	pass_packet(NULL, x, reason == ABI_REASON_NONE ? ABI_REASON_NOT_JUDGED : reason);
	if (config.flags & ABI_CONFIG_CAPTURE)
		frame_capture(skb, x, x->p.key.port, CAPTURE_INBOUND | TC_ACT_SHOT << CAPTURE_ACTION_SHIFT);
	return TC_ACT_SHOT;
}
