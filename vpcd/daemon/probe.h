/* probe.h: real packets from inside SRC, answered at DST, judged by the data path's own verdict events. */
#pragma once
#include "abi.h"

struct lab;
struct probes;
struct request;

struct probes *probes_new(struct lab *l);
void probes_free(struct probes **p);
/* POST /v1/labs/L/probes: answered when all flows of the body have their verdict. */
void probes_ask(struct probes *p, struct request *r);
void probes_event(struct probes *p, const struct abi_event *ev);
/* The model is about to be replaced: probes under way end without a verdict. */
void probes_model_gone(struct probes *p);
