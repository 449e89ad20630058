/* pcx_ingress: what comes from a peer VPC. TC ingress of the router's end of a peering connection's link. */
#include "frame.h"

SEC("tc")
int pcx_ingress(struct __sk_buff *skb)
{
	enum abi_reason reason;
	struct pass *x = frame_read(skb, &reason);

	if (!x)
		return TC_ACT_SHOT;
	if (reason == ABI_REASON_NONE && x->p.kind == PKT_ARP)
		return TC_ACT_SHOT; /* neighbours are permanent here */
	return frame_pass(skb, x, reason);
}
