/* probes.h: real packets, sent by the daemon from inside the lab. */
#pragma once
#include <jansson.h>
#include "cli/cli.h"
#include "path/expect.h"

/* flows: array of {"src","dst","proto","from_port"}; taken over. ret: {"results":[PROBE…]}. An exit code. */
int probes_send(const char *lab, json_t *flows, uint32_t timeout_ms, json_t **ret);
/* A flow for probes_send. from_port 0: none said. SRC may carry one itself, as SRC:PORT. NULL: no UTF-8. */
json_t *probe_flow(const char *src, const char *dst, const char *proto, uint32_t from_port);
/* The words of a PROBE; borrowed from it. */
void answer_of_probe(const json_t *probe, struct answer *ret);
