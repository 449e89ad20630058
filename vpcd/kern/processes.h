/* processes.h: what runs in namespaces that go. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Kills the processes that stand in one of the network namespaces (inodes, which it sorts) and in that user
 * namespace: programs inside instances, and none of the machine's. Returns how many. */
unsigned processes_kill(uint64_t *net_inodes, size_t n, uint64_t userns_inode);
