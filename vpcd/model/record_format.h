/* record_format.h: fields and formats of flow log records (semantics 15). Pure.
 * A record's row is its fields in the order of the list below, joined by tabs; "-" = no value. */
#pragma once
#include <stddef.h>
#include "util/err.h"
#include "util/str.h"

/* clang-format off */
/* AWS's name, version of its format that brought it; rule is ours. */
#define RECORD_FIELDS(X) \
	X(VERSION, "version", 2) X(ACCOUNT_ID, "account-id", 2) X(INTERFACE_ID, "interface-id", 2) \
	X(SRCADDR, "srcaddr", 2) X(DSTADDR, "dstaddr", 2) X(SRCPORT, "srcport", 2) X(DSTPORT, "dstport", 2) \
	X(PROTOCOL, "protocol", 2) X(PACKETS, "packets", 2) X(BYTES, "bytes", 2) X(START, "start", 2) X(END, "end", 2) \
	X(ACTION, "action", 2) X(LOG_STATUS, "log-status", 2) \
	X(VPC_ID, "vpc-id", 3) X(SUBNET_ID, "subnet-id", 3) X(INSTANCE_ID, "instance-id", 3) X(TCP_FLAGS, "tcp-flags", 3) \
	X(TYPE, "type", 3) X(PKT_SRCADDR, "pkt-srcaddr", 3) X(PKT_DSTADDR, "pkt-dstaddr", 3) \
	X(REGION, "region", 4) X(AZ_ID, "az-id", 4) X(SUBLOCATION_TYPE, "sublocation-type", 4) \
	X(SUBLOCATION_ID, "sublocation-id", 4) \
	X(PKT_SRC_AWS_SERVICE, "pkt-src-aws-service", 5) X(PKT_DST_AWS_SERVICE, "pkt-dst-aws-service", 5) \
	X(FLOW_DIRECTION, "flow-direction", 5) X(TRAFFIC_PATH, "traffic-path", 5) \
	X(RULE, "rule", 0)
/* clang-format on */
enum record_field {
#define X(name, text, version) RECORD_##name,
	RECORD_FIELDS(X)
#undef X
		RECORD_FIELD_MAX
};
const char *record_field_name(enum record_field f);

struct record_format {
	unsigned char fields[64];
	size_t n;
	int version; /* what its field version says: the highest of its fields' */
};
/* "${version} ${vpc-id}"; NULL: AWS's default. -EINVAL with words. */
int record_format_parse(const char *text, struct record_format *ret, struct err *e);
/* A line without its end. */
void record_line(const struct record_format *f, const char *row, struct strbuf *out);
