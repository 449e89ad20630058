/* probes.c: asks the daemon for probes and reads its answers. */
#include <string.h>
#include "cli/client.h"
#include "cli/probes.h"
#include "filters/explain.h"
#include "util/mem.h"
#include "util/str.h"

enum { TIMEOUT_MS = 1000 };

int probes_send(const char *lab, json_t *flows, uint32_t timeout_ms, json_t **ret)
{
	_cleanup_free_ char *path = xasprintf("/v1/labs/%s/probes", lab), *body = NULL;
	_cleanup_reply_ struct reply reply = { 0 };
	struct request q = { .method = "POST", .bad_code = EXIT_USAGE };
	json_t *o = json_pack("{s:o,s:i}", "flows", flows, "timeout_ms", (int)(timeout_ms ? timeout_ms : TIMEOUT_MS));
	size_t n = json_array_size(flows);
	int r;

	body = json_dumps(o, JSON_COMPACT);
	q.path = path;
	q.body = body;
	q.body_len = strlen(body);
	r = client_call(&q, &reply);
	json_decref(o);
	if (r)
		return r;
	if (json_array_size(json_object_get(reply.json, "results")) != n)
		return fail(EXIT_BROKEN, "vpcd answers %zu probes where %zu were asked for",
			    json_array_size(json_object_get(reply.json, "results")), n);
	*ret = json_incref(reply.json);
	return 0;
}

json_t *probe_flow(const char *src, const char *dst, const char *proto, uint32_t from_port)
{
	_cleanup_free_ char *name = xstrdup(src);
	char *colon = strchr(name, ':');
	uint32_t port = from_port;

	/* What is no port stays in the name, and the daemon says what is wrong with it. */
	if (colon && !strchr(colon + 1, ':') && str_to_u32(colon + 1, 1, 65535, &port) == 0) {
		*colon = '\0';
		port = from_port ? from_port : port;
	}
	return json_pack("{s:s,s:s,s:s,s:o}", "src", name, "dst", dst, "proto", proto, "from_port",
			 port ? json_integer(port) : json_null());
}

bool probe_is_by_state(const json_t *probe)
{
	return str_eq(json_string_value(json_object_get(probe, "verdict")), "allow") &&
	       str_eq(json_string_value(json_object_get(probe, "reason")), reason_name(ABI_REASON_TRACKED));
}

uint16_t probe_from_port(const json_t *probe)
{
	return (uint16_t)json_integer_value(json_object_get(probe, "from_port"));
}

void answer_of_probe(const json_t *probe, struct answer *ret)
{
	const json_t *denied = json_object_get(probe, "denied");

	*ret = (struct answer){
		.allow = str_eq(json_string_value(json_object_get(probe, "verdict")), "allow"),
		.leg = json_string_value(json_object_get(denied, "leg")),
		.gate = json_string_value(json_object_get(denied, "gate")),
		.object = json_string_value(json_object_get(denied, "object")),
		.reason = json_string_value(json_object_get(denied, "reason")),
		.rule_gate = json_string_value(json_object_get(probe, "rule_gate")),
		.rule = json_string_value(json_object_get(probe, "rule")),
		.file = json_string_value(json_object_get(probe, "file")),
		.line = (uint32_t)json_integer_value(json_object_get(probe, "line")),
	};
}
