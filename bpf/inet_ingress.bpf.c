/* inet_ingress: the lab's internet. TC ingress of its ends of gateway links and host links. */
#include "frame.h"

SEC("tc")
int inet_ingress(struct __sk_buff *skb)
{
	return frame_of_link(skb);
}
