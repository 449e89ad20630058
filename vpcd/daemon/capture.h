/* capture.h: frames of a lab's interfaces with their verdicts, as a pcapng stream to each who asks. */
#pragma once

struct captures;
struct lab;
struct request;

struct captures *captures_new(struct lab *l);
void captures_free(struct captures **c); /* ends the streams */
/* POST /v1/labs/L/captures: answered with a stream that its reader ends. */
void captures_ask(struct captures *c, struct request *r);
/* The data path is there; it is about to be replaced. */
void captures_start(struct captures *c);
void captures_rest(struct captures *c);
/* The lab's model is about to be replaced: what was said of rules is looked up anew. */
void captures_model_gone(struct captures *c);
