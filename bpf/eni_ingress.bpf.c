/* eni_ingress: what an instance or NAT gateway sends. TC ingress of the interface's router end.
 * One pass does the whole way to the receiver. */
#include "arp.h"

SEC("tc")
int eni_ingress(struct __sk_buff *skb)
{
	enum abi_reason reason;
	struct pass *x = frame_read(skb, &reason);
	int action;

	if (!x)
		return TC_ACT_SHOT;
	if (reason == ABI_REASON_NONE)
		reason = packet_may_be_sent(&x->p);
	if (reason == ABI_REASON_NONE && x->p.kind == PKT_ARP) {
		reason = arp_answer(skb, x, &action);
		if (reason == ABI_REASON_NONE)
			return action;
	}
	return frame_pass(skb, x, reason);
}
