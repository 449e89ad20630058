/* pcapng.c: blocks of a pcapng file. A block is type, length, body, length again; options are code, length and value,
 * filled up to 32 bits. Pure: no system calls. */
#include "util/pcapng.h"
#include <errno.h>
#include <string.h>

enum {
	BYTE_ORDER_MAGIC = 0x1a2b3c4d,
	LINKTYPE_ETHERNET = 1,
	RESOLUTION_NS = 9, /* 10^-9 s */
	BLOCK_MIN = 12,
	BLOCK_MAX = 1 << 20,
	PACKET_HEAD = 28, /* of a packet block, before its data */
	STATISTICS_HEAD = 20,
	TEXT_MAX = 1024,
};
/* Options, by block. */
enum { OPT_END = 0, OPT_COMMENT = 1 };
enum { SHB_OS = 3, SHB_APPLICATION = 4 };
enum { IF_NAME = 2, IF_DESCRIPTION = 3, IF_TSRESOL = 9, IF_FILTER = 11 };
enum { EPB_FLAGS = 2, EPB_VERDICT = 7 };
enum { FLAG_INBOUND = 1, FLAG_OUTBOUND = 2, VERDICT_EBPF_TC = 1 };
enum { ISB_IFRECV = 4, ISB_IFDROP = 5, ISB_FILTERACCEPT = 6, ISB_USRDELIV = 8 };

static void add16(struct strbuf *b, uint16_t v)
{
	strbuf_add(b, &v, sizeof(v));
}

static void add32(struct strbuf *b, uint32_t v)
{
	strbuf_add(b, &v, sizeof(v));
}

static void add64(struct strbuf *b, uint64_t v)
{
	strbuf_add(b, &v, sizeof(v));
}

static void pad(struct strbuf *b, size_t n)
{
	static const uint8_t zero[3];

	strbuf_add(b, zero, -n & 3);
}

static size_t block_begin(struct strbuf *b, uint32_t type)
{
	size_t at = b->n;

	add32(b, type);
	add32(b, 0); /* its length: known at its end */
	return at;
}

static void block_end(struct strbuf *b, size_t at)
{
	uint32_t len = (uint32_t)(b->n - at) + 4;

	memcpy(b->s + at + 4, &len, sizeof(len));
	add32(b, len);
}

static void option(struct strbuf *b, uint16_t code, const void *p, size_t n)
{
	add16(b, code);
	add16(b, (uint16_t)n);
	strbuf_add(b, p, n);
	pad(b, n);
}

static void option_text(struct strbuf *b, uint16_t code, const char *text)
{
	if (text && *text)
		option(b, code, text, strnlen(text, TEXT_MAX));
}

static void options_end(struct strbuf *b)
{
	add32(b, OPT_END);
}

void pcapng_section(struct strbuf *b, const char *os, const char *application)
{
	size_t at = block_begin(b, PCAPNG_SECTION);

	add32(b, BYTE_ORDER_MAGIC);
	add16(b, 1);
	add16(b, 0);
	add64(b, UINT64_MAX); /* length of the section: not known */
	option_text(b, SHB_OS, os);
	option_text(b, SHB_APPLICATION, application);
	options_end(b);
	block_end(b, at);
}

void pcapng_interface(struct strbuf *b, const struct pcapng_interface *i)
{
	static const uint8_t resolution = RESOLUTION_NS;
	char filter[TEXT_MAX];
	size_t at = block_begin(b, PCAPNG_INTERFACE);

	add16(b, LINKTYPE_ETHERNET);
	add16(b, 0);
	add32(b, i->snaplen);
	option_text(b, IF_NAME, i->name);
	option_text(b, IF_DESCRIPTION, i->description);
	option(b, IF_TSRESOL, &resolution, 1);
	if (i->filter && *i->filter) {
		filter[0] = 0; /* in libpcap's words */
		strncpy(filter + 1, i->filter, sizeof(filter) - 2);
		filter[sizeof(filter) - 1] = 0;
		option(b, IF_FILTER, filter, 1 + strlen(filter + 1));
	}
	options_end(b);
	block_end(b, at);
}

void pcapng_packet(struct strbuf *b, const struct pcapng_packet *p)
{
	uint64_t action = p->tc_action;
	uint8_t verdict[9] = { VERDICT_EBPF_TC };
	uint32_t flags = p->inbound ? FLAG_INBOUND : FLAG_OUTBOUND;
	size_t at = block_begin(b, PCAPNG_PACKET);

	memcpy(verdict + 1, &action, sizeof(action));
	add32(b, p->interface);
	add32(b, (uint32_t)(p->time_ns >> 32));
	add32(b, (uint32_t)p->time_ns);
	add32(b, p->cap_len);
	add32(b, p->len);
	strbuf_add(b, p->data, p->cap_len);
	pad(b, p->cap_len);
	option_text(b, OPT_COMMENT, p->comment);
	option(b, EPB_FLAGS, &flags, sizeof(flags));
	option(b, EPB_VERDICT, verdict, sizeof(verdict));
	options_end(b);
	block_end(b, at);
}

static void option_count(struct strbuf *b, uint16_t code, int64_t count)
{
	uint64_t v = (uint64_t)count;

	if (count != PCAPNG_COUNT_UNKNOWN)
		option(b, code, &v, sizeof(v));
}

void pcapng_statistics(struct strbuf *b, const struct pcapng_counts *c)
{
	size_t at = block_begin(b, PCAPNG_STATISTICS);

	add32(b, c->interface);
	add32(b, (uint32_t)(c->time_ns >> 32));
	add32(b, (uint32_t)c->time_ns);
	option_count(b, ISB_IFRECV, c->received);
	option_count(b, ISB_IFDROP, c->dropped);
	option_count(b, ISB_FILTERACCEPT, c->accepted);
	option_count(b, ISB_USRDELIV, c->delivered);
	options_end(b);
	block_end(b, at);
}

/* ---- reading back ---- */

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

int pcapng_next(const uint8_t *p, size_t n, uint32_t *ret_type)
{
	uint32_t len;

	if (n < 8)
		return 0;
	len = get32(p + 4);
	if (len < BLOCK_MIN || len > BLOCK_MAX || len % 4)
		return -EINVAL;
	if (n < len)
		return 0;
	*ret_type = get32(p);
	return (int)len;
}

static uint64_t time_of(const uint8_t *block)
{
	return (uint64_t)get32(block + 12) << 32 | get32(block + 16);
}

int pcapng_packet_read(const uint8_t *block, size_t n, struct pcapng_packet *ret)
{
	if (n < PACKET_HEAD + 4 || get32(block + 20) > n - PACKET_HEAD - 4)
		return -EINVAL;
	*ret = (struct pcapng_packet){ .interface = get32(block + 8),
				       .time_ns = time_of(block),
				       .data = block + PACKET_HEAD,
				       .cap_len = get32(block + 20),
				       .len = get32(block + 24) };
	return 0;
}

int pcapng_statistics_read(const uint8_t *block, size_t n, struct pcapng_counts *ret)
{
	struct pcapng_counts c = { .received = PCAPNG_COUNT_UNKNOWN,
				   .dropped = PCAPNG_COUNT_UNKNOWN,
				   .accepted = PCAPNG_COUNT_UNKNOWN,
				   .delivered = PCAPNG_COUNT_UNKNOWN };
	size_t at = STATISTICS_HEAD;

	if (n < STATISTICS_HEAD + 4)
		return -EINVAL;
	c.interface = get32(block + 8);
	c.time_ns = time_of(block);
	while (at + 4 <= n - 4) {
		uint16_t code, len;
		int64_t v;

		memcpy(&code, block + at, 2);
		memcpy(&len, block + at + 2, 2);
		if (code == OPT_END)
			break;
		if (at + 4 + len > n - 4)
			return -EINVAL;
		if (len == sizeof(v)) {
			memcpy(&v, block + at + 4, sizeof(v));
			if (code == ISB_IFRECV)
				c.received = v;
			else if (code == ISB_IFDROP)
				c.dropped = v;
		}
		at += 4 + ((len + 3u) & ~3u);
	}
	*ret = c;
	return 0;
}
