/* pcx_ingress: what comes from a peer VPC. TC ingress of the router's end of a peering connection's link. */
#include "frame.h"

SEC("tc")
int pcx_ingress(struct __sk_buff *skb)
{
	return frame_of_link(skb);
}
