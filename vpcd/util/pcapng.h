/* pcapng.h: writes capture files as draft-ietf-opsawg-pcapng has them, block by block into a buffer: Ethernet frames,
 * times in nanoseconds, this machine's byte order. Pure. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/str.h"

enum {
	PCAPNG_SECTION = 0x0a0d0d0a,
	PCAPNG_INTERFACE = 1,
	PCAPNG_STATISTICS = 5,
	PCAPNG_PACKET = 6,
	PCAPNG_COUNT_UNKNOWN = -1,
};
/* Texts may be NULL. */
void pcapng_section(struct strbuf *b, const char *os, const char *application);
struct pcapng_interface { /* numbered 0, 1, … as they come */
	const char *name, *description, *filter;
	uint32_t snaplen;
};
void pcapng_interface(struct strbuf *b, const struct pcapng_interface *i);
struct pcapng_packet {
	uint32_t interface;
	uint64_t time_ns; /* since 1970 */
	const void *data; /* cap_len bytes of len */
	uint32_t cap_len, len;
	bool inbound;
	uint8_t tc_action; /* TC_ACT_*: the verdict of a program at a TC hook */
	const char *comment;
};
void pcapng_packet(struct strbuf *b, const struct pcapng_packet *p);
struct pcapng_counts {
	uint32_t interface;
	uint64_t time_ns;
	int64_t received, dropped, accepted, delivered; /* isb_ifrecv, _ifdrop, _filteraccept, _usrdeliv */
};
void pcapng_statistics(struct strbuf *b, const struct pcapng_counts *c);

/* The next block of a stream that pcapng_* wrote: its whole length, 0 when n bytes do not hold it yet, -EINVAL. */
int pcapng_next(const uint8_t *p, size_t n, uint32_t *ret_type);
/* What a packet or statistics block says; data and comment are not copied, comment is left NULL. -EINVAL */
int pcapng_packet_read(const uint8_t *block, size_t n, struct pcapng_packet *ret);
int pcapng_statistics_read(const uint8_t *block, size_t n, struct pcapng_counts *ret);
