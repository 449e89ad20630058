/* probes.h: real packets, sent by the daemon from inside the lab. */
#pragma once
#include <jansson.h>
#include "cli/cli.h"
#include "path/expect.h"

/* flows: array of {"src","dst","proto","from_port"}; taken over. ret: {"results":[PROBE…]}. An exit code. */
int probes_send(const char *lab, json_t *flows, uint32_t timeout_ms, json_t **ret);
/* A flow for probes_send. from_port 0: none said. SRC may carry one itself, as SRC:PORT. NULL: no UTF-8. */
json_t *probe_flow(const char *src, const char *dst, const char *proto, uint32_t from_port);
/* An older connection let it pass: it shows nothing of the rules. */
bool probe_is_by_state(const json_t *probe);
uint16_t probe_from_port(const json_t *probe); /* 0: none */
/* The words of a PROBE; borrowed from it. */
void answer_of_probe(const json_t *probe, struct answer *ret);
