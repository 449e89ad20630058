/* link_ingress: what arrives at an end of a link: from the internet at a VPC's, from a VPC or host at the internet's, from the
 * peer VPC at a peering connection's. TC ingress of those ends; what kind of port it is decides about the gates. */
#include "frame.h"

SEC("tc")
int link_ingress(struct __sk_buff *skb)
{
	return frame_of_link(skb);
}
