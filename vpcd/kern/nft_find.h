/* nft_find.h: connections of a NAT gateway, in whose namespace this thread is. Kernel room. */
#pragma once
#include "abi.h"

/* As the gateway sends it on, what an interface sends to it: with another source. IPv4; TCP, UDP or an ICMP query (sport:
 * its identifier; dport: type and code). The key's port is kept. -ENOENT: it knows no such connection. */
int nft_find_source(const struct abi_flow_key *sent, struct abi_flow_key *ret);
