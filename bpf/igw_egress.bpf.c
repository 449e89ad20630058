/* igw_egress: what leaves through the router's stack for the internet. TC egress of the router end of
 * a VPC's internet link. The pass has judged it; here the source becomes public, fragments included. */
#include "frame.h"

SEC("tc")
int igw_egress(struct __sk_buff *skb)
{
	const struct abi_addr_val *src;
	const struct abi_port *s;
	enum abi_reason reason;
	struct pass *x = frame_read(skb, &reason);

	if (!x)
		return TC_ACT_SHOT;
	if (reason == ABI_REASON_NONE && x->p.kind == PKT_ARP)
		return TC_ACT_SHOT;
	s = bpf_map_lookup_elem(&ports, &x->p.key.port);
	if (reason == ABI_REASON_NONE && s && skb->mark & ABI_MARK_JUDGED &&
	    skb->mark >> ABI_MARK_PORT_SHIFT == x->p.key.port) {
		src = addr_owner(NULL, x, s->vpc, &x->p.key.src);
		if (src && !addr_is_unset(&src->public_ip)) {
			skb->mark = 0;
			return frame_translate(skb, &x->p, IP_SRC_OFF, addr_v4_raw(&x->p.key.src),
					       addr_v4_raw(&src->public_ip))
				       ? TC_ACT_SHOT
				       : TC_ACT_OK;
		}
	}
	pass_packet(NULL, x, reason == ABI_REASON_NONE ? ABI_REASON_NOT_JUDGED : reason);
	if (config.flags & ABI_CONFIG_CAPTURE)
		frame_capture(skb, x, x->p.key.port, CAPTURE_INBOUND | TC_ACT_SHOT << CAPTURE_ACTION_SHIFT);
	return TC_ACT_SHOT;
}
