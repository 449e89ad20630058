/* inet_ingress: the lab's internet. TC ingress of its ends of gateway links and host links. */
#include "frame.h"

SEC("tc")
int inet_ingress(struct __sk_buff *skb)
{
	enum abi_reason reason;
	struct pass *x = frame_read(skb, &reason);

	if (!x)
		return TC_ACT_SHOT;
	if (reason == ABI_REASON_NONE && x->p.kind == PKT_ARP)
		return TC_ACT_SHOT; /* neighbours are permanent here */
	return frame_pass(skb, x, reason);
}
