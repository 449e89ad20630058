/* value.h: the values a key can have: their text forms, checked and parsed. Pure.
 * One check and one hint a type: reader, API edits and the semantic checks use the same. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "model/model.h"

enum value_type {
	VALUE_BOOL,      /* yes | no */
	VALUE_CHOICE,    /* one of the words of arg, separated by | */
	VALUE_COUNT,     /* a number from 1 */
	VALUE_RANGE,     /* a number in the range of arg, "60-180" */
	VALUE_CLOCK,     /* 60x */
	VALUE_QUOTA,     /* aws | off | NAME=N|off (a list) */
	VALUE_REF,       /* the name of a thing of kind arg; resolved in build */
	VALUE_ZONE,      /* a */
	VALUE_ZONES,     /* a, us-east-1a */
	VALUE_REGION,    /* us-east-1 */
	VALUE_PREFIX,    /* 10.0.0.0/16 */
	VALUE_ADDRESS,   /* 10.0.0.10 */
	VALUE_PUBLIC_IP, /* auto | ADDRESS | none */
	VALUE_NAT_IP,    /* auto | ADDRESS */
	VALUE_NAT_ADDRESS,
	VALUE_ROUTE,    /* PREFIX|pl:NAME via TARGET */
	VALUE_EDGE,     /* igw:NAME */
	VALUE_TARGET,   /* a target of routes (a list) */
	VALUE_GROUP_IN, /* PROTO [PORTS] from PEER | none */
	VALUE_GROUP_OUT,
	VALUE_NACL_IN, /* NUMBER allow|deny PROTO [PORT] from PREFIX | none */
	VALUE_NACL_OUT,
	VALUE_LISTEN,        /* tcp/80 (a list) */
	VALUE_COMMAND,       /* argv without a shell */
	VALUE_METRIC,        /* vpcd_gate_packets_total */
	VALUE_DIMENSION,     /* gate=sg-in (a list) */
	VALUE_NUMBER,        /* 0.9 */
	VALUE_RECORD_FORMAT, /* ${version} ${vpc-id} */
	VALUE_ALLOW,         /* FLOW */
	VALUE_DENY,          /* FLOW [at [return:]GATE[@OBJECT]] */
	VALUE_LATER,         /* a key of the language that does nothing yet */
	VALUE_TYPE_MAX
};

/* Is text a value of the type? -EINVAL: the error says why not; e->aws has the code. For lists,
 * text is one word. */
int value_check(enum value_type type, const char *arg, const char *text, struct err *e);
/* How to mend a value of the type: "write yes or no". */
const char *value_hint(enum value_type type);

int value_metric(const char *text, enum metric_id *ret, struct err *e);
int value_number(const char *text, double *ret);

struct route_text {
	struct prefix dst; /* family 0: prefix_list counts */
	char prefix_list[RULE_PEER_NAME_MAX];
	enum target_kind target;
	char name[RULE_PEER_NAME_MAX]; /* "" for local */
};
struct public_ip_text {
	enum { PUBLIC_IP_NONE, PUBLIC_IP_AUTO, PUBLIC_IP_ADDRESS } kind;
	struct addr addr;
};
struct quota_text {
	enum { QUOTA_ALL_AWS, QUOTA_ALL_OFF, QUOTA_ONE } kind;
	uint32_t quota; /* index into quota_rows */
	uint32_t value; /* UINT32_MAX = off */
};
/* One AWS quota: its name in the file, its place in struct quotas, its default. */
extern const struct quota_row {
	const char *name;
	size_t offset;
	uint32_t aws;
} quota_rows[];
extern const size_t n_quota_rows;

int value_bool(const char *text, bool *ret);
int value_clock(const char *text, uint32_t *ret);
int value_quota(const char *text, struct quota_text *ret, struct err *e);
int value_prefix(const char *text, struct prefix *ret, struct err *e);
int value_address(const char *text, struct addr *ret, struct err *e);
int value_public_ip(const char *text, struct public_ip_text *ret, struct err *e);
int value_route(const char *text, struct route_text *ret, struct err *e);
/* "igw:NAME", "local": only target and name of *ret are set. */
int value_target(const char *text, struct route_text *ret, struct err *e);
int value_rule(enum value_type type, const char *text, struct rule *ret, struct err *e);
static inline bool value_is_rule(enum value_type type)
{
	return type == VALUE_GROUP_IN || type == VALUE_GROUP_OUT || type == VALUE_NACL_IN || type == VALUE_NACL_OUT;
}
int value_listen(const char *text, struct listen_spec *ret, struct err *e);
/* Cuts "FLOW [at LEG:GATE@OBJECT]" in place; missing parts are NULL. */
struct expect_text {
	char *flow, *leg, *gate, *object;
};
int value_expect(bool allow, char *text, struct expect_text *ret, struct err *e);
