/* sysctl.h: kernel settings of the network namespace this thread is in (netns_enter first).
 * Paths as in rows: "net/ipv4/ip_forward". Kernel room. */
#pragma once
#include <stddef.h>

int sysctl_read(const char *path, char *buf, size_t size); /* without the newline; 0, -ENOENT, ... */
int sysctl_write(const char *path, const char *value);
