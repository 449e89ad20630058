/* iptables.h: what iptables-legacy has told this network namespace. nf_tables, iptables-nft's chains among them, is asked by
 * nft*.c. Kernel room. */
#pragma once

/* Is the policy of its chain FORWARD drop? 1, 0; 0 also where there is no such table, and then none is made. */
int iptables_forward_drops(void);
