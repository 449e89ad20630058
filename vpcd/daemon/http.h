/* http.h: HTTP/1.1 on two unix sockets inside the loop: transport and nothing of what is asked.
 *
 * A request is given to its handler once its body is complete. The handler answers at once or keeps
 * the request and answers later; until then the connection sleeps. After the answer the request is
 * gone for the handler. A client that goes away does not end what it asked for. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <jansson.h>
#include "util/diag.h"
#include "util/err.h"

struct loop;
struct http;
struct request;

enum turn {
	TURN_NONE,   /* asks nothing of a lab */
	TURN_LOOK,   /* looks at a lab */
	TURN_CHANGE, /* waits for its turn at a lab; not on the read-only door; the asker is logged */
};
enum { ARGS_MAX = 6 };
/* Path words that are "*" match anything and become request_word() 0, 1, …; a last "*?" may be missing. */
struct route_entry {
	const char *method, *path;
	void (*fn)(void *ctx, struct request *r);
	enum turn turn;
	const char *args[ARGS_MAX]; /* names that its query may have */
};
#define METRICS_PATH "/metrics"
struct http_setup {
	const char *socket, *view_socket; /* paths */
	uint16_t metrics_port;            /* of 127.0.0.1, answers METRICS_PATH only; 0: none */
	const struct route_entry *table;  /* ends with method NULL */
	void *ctx;
};
int http_new(struct loop *loop, const struct http_setup *setup, struct http **ret, struct err *e);
/* Answers what still waits with 503. */
void http_free(struct http **h);
unsigned http_open_requests(const struct http *h);

const char *request_word(const struct request *r, unsigned i);      /* NULL when missing */
const char *request_arg(const struct request *r, const char *name); /* of the query; NULL */
bool request_flag(const struct request *r, const char *name);       /* it is in the query, and not as 0 */
/* A number of the query, at most max; *ret stays where there is none. 0, or it is none and the request is answered. */
int request_number(struct request *r, const char *name, uint64_t max, uint64_t *ret);
const char *request_header(const struct request *r, const char *name); /* NULL */
const char *request_body(const struct request *r, size_t *ret_len);    /* NUL-terminated */
uint32_t request_uid(const struct request *r);

void answer_json(struct request *r, unsigned status, json_t *o);  /* takes o over */
void answer_text(struct request *r, unsigned status, char *text); /* takes text over */
void answer_fail(struct request *r, unsigned status, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The status comes from the errno, the code from e->aws where it has one. */
void answer_err(struct request *r, const struct err *e);
/* 400 with all findings; the first error is the message. */
void answer_diags(struct request *r, const struct diag_list *l);
json_t *diags_json(const struct diag_list *l, int severity); /* -1: all; else one severity */
/* A body that is made while it is read. read: at most max bytes; 0: none now, stream_wake() says when there are
 * some; STREAM_END. gone is called once, at the end, whoever ended it; the stream is not to be woken any more. */
enum { STREAM_END = -1 };
struct stream;
struct stream_setup {
	const char *type; /* of the body */
	ssize_t (*read)(void *ctx, char *buf, size_t max);
	void (*gone)(void *ctx);
	void *ctx;
};
/* False: so many readers of streams are at this door that no more are let in for long, and the request is answered. */
bool request_may_follow(struct request *r);
struct stream *answer_stream(struct request *r, const struct stream_setup *setup);
void stream_wake(struct stream *s);
