/* uplink.h: what a lab's link into the machine's network is called and which addresses it has. Pure. */
#pragma once
#include <stdint.h>
#include "util/addr.h"

#define UPLINK_KEY "uplink" /* in the registry: the address of the lab's end, kept for a running lab */
#define UPLINK_IFNAME_MAX 16
#define UPLINK_END "uplink" /* interface of the lab's side towards it: no object has such a port */
enum {
	UPLINK_TABLE = 100, /* in the uplink's own namespace: what came from the lab goes on to the machine */
	UPLINK_MARK = 1,    /* and carries this mark */
};
enum { UPLINK_PREFIX_LEN = 30, UPLINK_TRIES = 64 };

/* The lab's end: the third address of a /30 of 169.254/16, by the lab's name and, where that one is taken, attempt.
 * Never in 169.254.0.0/24 (the labs' own gateways), 169.254.169.0/24 (clouds' metadata) or 169.254.255.0/24. */
struct addr uplink_addr(const char *lab, unsigned attempt);
struct addr uplink_machine_addr(const struct addr *lab_end);
/* Of the machine's end: "vpcd" and eight hex digits. */
char *uplink_ifname(const char *lab, char buf[UPLINK_IFNAME_MAX]);
