/* igw_ingress: what comes from the internet. TC ingress of the router end of a VPC's internet link. */
#include "frame.h"

SEC("tc")
int igw_ingress(struct __sk_buff *skb)
{
	return frame_of_link(skb);
}
