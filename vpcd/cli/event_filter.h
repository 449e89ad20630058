/* event_filter.h: which events of the stream a person asked for: --verdict --from --to --proto --port --gate --rule
 * --instance, --since. */
#pragma once
#include <jansson.h>
#include "cli/cli.h"
#include "util/addr.h"

struct event_filter {
	const char *lab; /* NULL: any */
	const char *verdict, *gate, *gate_object, *rule, *instance;
	const char *from, *to;
	struct prefix from_prefix, to_prefix; /* valid where from, to are no names */
	bool from_is_prefix, to_is_prefix;
	uint16_t proto;
	uint32_t port; /* 0: any */
	bool has_proto;
	bool packets_only; /* something was asked that only verdicts have */
	char since[40];    /* a time as events have it; "": any */
	char gate_word[64];
};
/* Reads the options. ret_seq: as the query of /v1/events wants it. An exit code. */
int event_filter_read(const struct args *a, const char *lab, struct event_filter *ret, char ret_seq[24]);
bool event_matches(const struct event_filter *f, const json_t *event);
