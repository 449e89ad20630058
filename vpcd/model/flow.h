/* flow.h: FLOW texts of design 3, "SRC[:PORT] -> DST PROTO[/PORT]", resolved against a model. Pure. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "model/model.h"

enum end_kind { END_ENI, END_HOST, END_ADDRESS /* owned by nobody in the lab */ };
struct flow_end {
	enum end_kind kind;
	uint32_t index;   /* eni or host; NONE for END_ADDRESS */
	uint32_t port;    /* KIND_PORT number of it; 0 for END_ADDRESS */
	struct addr addr; /* SRC: the address it sends from (private for an ENI) */
	char name[64];    /* as written */
};
struct flow {
	struct flow_end src, dst;
	struct addr dst_addr; /* what SRC sends to: private where joined, else public; see no_public */
	bool no_public; /* DST would need a public address and has none: denied at igw, dst_addr is its private one */
	uint8_t proto;  /* IP protocol number */
	uint16_t sport, dport; /* host order; tcp, udp; sport 40000 unless given */
	uint8_t icmp_type, icmp_code;
};
/* -ENOENT unknown name (names it, suggests), -EINVAL syntax; the error tells how it is written. */
int flow_parse(const struct model *m, const char *text, struct flow *ret, struct err *e);
/* The command line's three words SRC DST PROTO/PORT. */
int flow_parse_words(const struct model *m, const char *src, const char *dst, const char *proto, struct flow *ret,
		     struct err *e);
char *flow_format(const struct flow *f, char *buf, size_t size); /* "laptop -> web-1 tcp/443" */
/* An answer that left by a NAT gateway which has not opened its connection, and what became of it. */
enum stray { STRAY_DROPPED, STRAY_DENIED /* further on */, STRAY_ARRIVED };
/* Says so behind what buf holds already; nat: the gateway's interface. */
void flow_stray_add(const struct model *m, uint32_t nat, enum stray what, const struct addr *asked, char *buf,
		    size_t size);
/* Of a packet that a route brings back to the instance which sends it. */
extern const char flow_back_text[], flow_circle_text[];
