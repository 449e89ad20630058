/* exchange.h: one HTTP/1.1 request and its answer on a connected Unix stream socket. */
#pragma once
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

enum { EXCHANGE_TICK_MS = 100 };

struct err;
struct exchange {
	const char *method, *path;  /* path: with its query, nothing left to encode */
	const char *const *headers; /* "Name: value" as text; NULL-terminated; may be NULL */
	const char *body;           /* NULL: none, else body_len bytes */
	size_t body_len;
	int silent_ms_max; /* an answer that has not begun by then is given up; 0: never */
	/* The next piece of the answer's body, as soon as it is there. False ends the exchange. */
	bool (*take)(void *ctx, unsigned status, const char *p, size_t n);
	/* Called each EXCHANGE_TICK_MS for as long as it lasts. False ends the exchange. May be NULL. */
	bool (*tick)(void *ctx);
	void *ctx;
	const volatile sig_atomic_t *stop; /* becomes true: ends the exchange; may be NULL */
};

/* Returns when the answer is whole, however much of the request is still unsent, or when take, tick or stop has ended
 * it: 0 and its status (0: there was none yet). -ETIMEDOUT: silent for too long. -EINVAL: such a request cannot be
 * made, nothing was sent. Else the answer is not whole, and e says why. fd stays the caller's, of no more use. */
int exchange_run(int fd, const struct exchange *x, unsigned *ret_status, struct err *e);
