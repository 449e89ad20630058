/* igw_ingress: what comes from the internet. TC ingress of the router end of a VPC's internet link. */
#include "frame.h"

SEC("tc")
int igw_ingress(struct __sk_buff *skb)
{
	enum abi_reason reason;
	struct pass *x = frame_read(skb, &reason);

	if (!x)
		return TC_ACT_SHOT;
	if (reason == ABI_REASON_NONE && x->p.kind == PKT_ARP)
		return TC_ACT_SHOT; /* neighbours are permanent here */
	return frame_pass(skb, x, reason);
}
