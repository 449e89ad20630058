/* client.h: vpc as a client of vpcd: HTTP with JSON on the daemon's socket (docs/json.md).
 * Every call prints what went wrong in one sentence and returns an exit code; 0 is success. */
#pragma once
#include <signal.h>
#include <jansson.h>
#include "cli/cli.h"

struct request {
	const char *method; /* NULL: GET */
	const char *path;   /* "/v1/labs" with its query; see path_add */
	const char *body;   /* NULL: none */
	size_t body_len;
	const char *headers[3];      /* "Vpcd-File: x"; NULL-terminated */
	bool text;                   /* the answer is no JSON */
	bool waits;                  /* the answer comes when it comes, a silent vpcd is no error */
	bool quiet;                  /* says nothing about an error */
	enum exit_code bad_code;     /* what a 400 means for this verb; 0: EXIT_BROKEN */
	void (*progress)(void *ctx); /* called some times a second while it waits; may be NULL */
	void *progress_ctx;
	/* Takes the body as it comes instead of *ret; false ends the call, which then is no error. */
	bool (*take)(void *ctx, const char *p, size_t n);
	void *take_ctx;
	bool for_reader; /* of no use any more once the reader of stdout has gone: ends the process then, by SIGPIPE */
	const volatile sig_atomic_t *stop; /* becomes true: ends the call, which then is no error; may be NULL */
};
struct reply {
	long status;
	json_t *json; /* NULL when text */
	char *text;   /* always there */
};
int client_call(const struct request *q, struct reply *ret);
void reply_done(struct reply *r);
#define _cleanup_reply_ __attribute__((cleanup(reply_done)))
/* GET of a formatted path. */
int client_get(struct reply *ret, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Is one there that answers? Says nothing. */
bool client_answers(void);
/* Is there a socket that this user may not open? */
bool client_refused(void);
/* Starts vpcd when none answers, and says so. An exit code. */
int daemon_start(void);
/* Prints JSON as the result of a verb. */
void json_print(const json_t *v);

/* The lab of a verb whose only word is LAB. An exit code. */
int lab_of_word(const struct args *a, char *ret_lab);
/* Which lab is meant: --lab, else LAB of "LAB/NAME", else the only one there is, else the only one that
 * has NAME. word may be NULL; *ret_name is what stands behind the slash. ret_lab: at least 64 bytes. */
int lab_of(const struct args *a, const char *word, char *ret_lab, const char **ret_name);
/* The same for a thing of a kind ("security-group"); NULL: whatever has an address. */
int lab_of_kind(const struct args *a, const char *kind, const char *word, char *ret_lab, const char **ret_name);
/* The same where word may be a lab's name too: *ret_name NULL, all of that lab is meant. */
int lab_or_name(const struct args *a, const char *kind, const char *word, char *ret_lab, const char **ret_name);
/* Has the lab, which is up, something of that name that verdict events name as an end? Says nothing. */
bool lab_knows(const char *lab, const char *name);
#define LAB_SIZE 64
/* Adds text to a path, with %XX for what may not stand there. */
struct strbuf;
void path_add(struct strbuf *b, const char *text);
