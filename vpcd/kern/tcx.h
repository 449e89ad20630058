/* tcx.h: programs called by the kernel itself at the hooks of an interface. In the network namespace that this thread is
 * in. Kernel room. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Id of the program that comes first; 0: none, or the kernel does not know how. */
uint32_t tcx_get(uint32_t ifindex, bool egress);
/* Puts the program first, or in the place of another one (its id; 0: no other). -EINVAL: the kernel does not know how. */
int tcx_set(uint32_t ifindex, bool egress, int prog_fd, uint32_t replaced);
