/* flush.h: forgetting tracked connections on request, of a lab or of one instance, a slice at a time. */
#pragma once

struct lab;
struct request;
struct flush;

struct flush *flush_new(struct lab *l);
/* Answers a request that waits with 503. */
void flush_free(struct flush **f);
/* Takes the request over: {"flushed":N} when all is done. instance NULL: the whole lab. */
void flush_ask(struct flush *f, const char *instance, struct request *r);
