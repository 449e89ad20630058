/* test_exchange.c: one HTTP request and its answer, against servers that cut, dawdle, hang up and talk nonsense.
 *
 * Where pieces matter the socket is a SOCK_SEQPACKET one: the exchange then reads exactly the pieces that were sent,
 * and all of them can lie there before it begins. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include "test.h"
#include "cli/exchange.h"
#include "util/err.h"
#include "util/mem.h"
#include "util/str.h"

enum { TICKS_MAX = 300, LARGE = 5 << 20, RANDOM_ROUNDS = 3000 };

/* What the caller of an exchange got to see. */
struct heard {
	int r;
	unsigned status;
	struct strbuf body;
	struct err e;
	size_t end_at;  /* bytes after which take ends it; 0: never */
	unsigned ticks; /* so far */
	unsigned ticks_max;
	sem_t *taken, *ticked; /* posted for each; may be NULL */
};

static bool take(void *ctx, unsigned status, const char *p, size_t n)
{
	struct heard *h = ctx;

	assert_true(n > 0);
	h->status = status;
	strbuf_add(&h->body, p, n);
	if (h->taken)
		sem_post(h->taken);
	return !h->end_at || h->body.n < h->end_at;
}

static bool tick(void *ctx)
{
	struct heard *h = ctx;

	if (h->ticked)
		sem_post(h->ticked);
	return ++h->ticks < (h->ticks_max ? h->ticks_max : TICKS_MAX);
}

static void heard_done(struct heard *h)
{
	strbuf_done(&h->body);
}

/* Fills in what is not given. */
static void ask(int fd, struct exchange x, struct heard *h)
{
	unsigned status = 4711;

	x.method = x.method ? x.method : "GET";
	x.path = x.path ? x.path : "/v1/labs";
	x.take = take;
	x.tick = tick;
	x.ctx = h;
	h->r = exchange_run(fd, &x, &status, &h->e);
	if (h->r == 0) {
		assert_int_equal(h->e.code, 0);
		assert_int_not_equal(status, 4711);
		if (h->body.n)
			assert_int_equal(h->status, status);
		h->status = status;
	} else {
		assert_int_equal(status, 4711);
		assert_int_equal(h->e.code, h->r);
		assert_true(h->e.msg[0]);
	}
	assert_true(h->ticks < TICKS_MAX);
}

static void pair(int type, int fd[2])
{
	int room = 1 << 20;

	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fd), 0);
	if (type == SOCK_SEQPACKET)
		setsockopt(fd[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
}

static void say(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		assert_true(sent > 0);
		p += sent;
		n -= (size_t)sent;
	}
}

static void says(int fd, const char *text)
{
	say(fd, text, strlen(text));
}

enum hang_up { CLOSES, STOPS_SENDING };

/* An answer that lies there before it is asked for, in pieces of piece bytes but the first, which has first (0: one
 * piece), and then the connection ends. */
static void answer(const char *text, size_t n, size_t first, size_t piece, enum hang_up how, struct heard *h)
{
	int fd[2];

	*h = (struct heard){ 0 };
	pair(SOCK_SEQPACKET, fd);
	for (size_t at = 0, len; at < n; at += len) {
		len = at == 0 && first ? first : piece;
		len = len < n - at ? len : n - at;
		say(fd[1], text + at, len);
	}
	if (how == CLOSES)
		close(fd[1]);
	else
		shutdown(fd[1], SHUT_WR);
	ask(fd[0], (struct exchange){ 0 }, h);
	close(fd[0]);
	if (how != CLOSES)
		close(fd[1]);
}

#define OK "HTTP/1.1 200 OK\r\n"
#define LENGTH_5 "Content-Length: 5\r\n\r\nhello"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

struct answer_case {
	const char *text;
	unsigned status;
	const char *body;
	bool to_end; /* ends with the connection */
};
static const struct answer_case good[] = {
	{ OK LENGTH_5, 200, "hello", false },
	{ OK "Content-Length: 0\r\n\r\n", 200, "", false },
	{ "HTTP/1.1 404 Not Found\r\ncontent-length:   5  \r\nX: y\r\n\r\nhello", 404, "hello", false },
	{ "HTTP/1.1 204 No Content\r\n\r\n", 204, "", false },
	{ "HTTP/1.1 200 \r\n" LENGTH_5, 200, "hello", false },
	{ OK "Connection: close\r\n" LENGTH_5, 200, "hello", false },
	{ OK "Connection: keep-alive\r\n" LENGTH_5, 200, "hello", false },
	{ CHUNKED "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", 200, "hello", false },
	{ CHUNKED "1;a=b\r\nh\r\n04\r\nello\r\n00\r\nTrailer: x\r\nOther: y\r\n\r\n", 200, "hello", false },
	{ CHUNKED "a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", 200, "01234567890123456789a", false },
	{ CHUNKED "0\r\n\r\n", 200, "", false },
	{ "HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 503,
	  "hello", false },
	{ OK "\r\nhello", 200, "hello", true },
	{ "HTTP/1.0 200 OK\r\nServer: old\r\n\r\nhello", 200, "hello", true },
	{ OK "Connection: close\r\n\r\n", 200, "", true },
	{ "HTTP/1.1 100 Continue\r\n\r\n" OK LENGTH_5, 200, "hello", false },
	{ "HTTP/1.1 102 Processing\r\nX: y\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 400 x\r\n" LENGTH_5, 400,
	  "hello", false },
	{ "HTTP/1.0 100 Continue\r\n\r\n" OK LENGTH_5, 200, "hello", false },
	{ "HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\n" OK "\r\nhello", 200, "hello", true },
	{ OK "Set-Cookie: a\r\n folded\r\n" LENGTH_5, 200, "hello", false },
};

static void expect_good(const struct answer_case *c, struct heard *h)
{
	if (h->r || h->status != c->status || !str_eq(h->body.s ? h->body.s : "", c->body))
		fail_msg("%s\n-> %d %s, status %u, body %s", c->text, h->r, h->e.msg, h->status, h->body.s);
	heard_done(h);
}

static void split_anywhere(void **state)
{
	struct heard h;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		const struct answer_case *c = &good[i];
		size_t n = strlen(c->text);

		for (enum hang_up how = CLOSES; how <= STOPS_SENDING; how++) {
			answer(c->text, n, 0, n, how, &h);
			expect_good(c, &h);
			answer(c->text, n, 1, 1, how, &h);
			expect_good(c, &h);
			for (size_t first = 1; first < n; first++) {
				answer(c->text, n, first, n, how, &h);
				expect_good(c, &h);
			}
		}
	}
}

static void cut_anywhere(void **state)
{
	struct heard h;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		const struct answer_case *c = &good[i];
		size_t n = strlen(c->text), body_at = n - strlen(c->body);

		for (size_t left = 0; left < n; left++) {
			answer(c->text, left, 0, n, left % 2 ? CLOSES : STOPS_SENDING, &h);
			if (c->to_end && left >= body_at)
				assert_int_equal(h.r, 0);
			else if (h.r != -ECONNRESET)
				fail_msg("%.*s\n-> %d %s", (int)left, c->text, h.r, h.e.msg);
			else
				assert_string_equal(h.e.msg, "the connection was closed early");
			heard_done(&h);
		}
	}
}

/* What follows a whole answer is nobody's; the connection need not end. */
static void ends_with_its_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		const struct answer_case *c = &good[i];
		struct heard h = { 0 };
		int fd[2];

		if (c->to_end)
			continue;
		pair(SOCK_STREAM, fd);
		says(fd[1], c->text);
		says(fd[1], i % 2 ? "HTTP/1.1 500 x\r\n\r\nmore" : "\1\2 nonsense");
		ask(fd[0], (struct exchange){ 0 }, &h);
		expect_good(c, &h);
		assert_true(h.ticks == 0);
		close(fd[0]);
		close(fd[1]);
	}
}

static void no_http(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "SSH-2.0-OpenSSH_9.2\r\n", "no HTTP: " },
		{ "{\"api\":1}\n", "no HTTP: " },
		{ "GET / HTTP/1.1\r\n\r\n", "no HTTP: " },
		{ "HTTP/1.1 two OK\r\n\r\n", "no HTTP: invalid HTTP status code" },
		{ "HTTP/1.1 99999 OK\r\n\r\n", "no HTTP: invalid HTTP status code" },
		{ "HTTP/x.1 200 OK\r\n\r\n", "no HTTP: invalid HTTP version" },
		{ OK "X\x01: 5\r\n\r\nhello", "no HTTP: invalid character in header" },
		{ OK "Content-Length: five\r\n\r\nhello", "no HTTP: invalid character in content-length header" },
		{ OK "Content-Length: -5\r\n\r\nhello", "no HTTP: invalid character in content-length header" },
		{ OK "Content-Length: 99999999999999999999999\r\n\r\nhello", "no HTTP: " },
		{ OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		  "no HTTP: unexpected content-length header" },
		{ OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "no HTTP: " },
		{ CHUNKED "five\r\nhello\r\n0\r\n\r\n", "no HTTP: " },
		{ CHUNKED "g\r\nhello\r\n0\r\n\r\n", "no HTTP: invalid character in chunk size header" },
		{ CHUNKED "ffffffffffffffffff\r\nhello", "no HTTP: " },
		{ CHUNKED "-1\r\nhello\r\n0\r\n\r\n", "no HTTP: invalid character in chunk size header" },
		{ "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\nwhatever",
		  "no HTTP: another protocol" },
		{ "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n", "no HTTP: another protocol" },
		{ "HTTP/1.1 100 Continue\r\n\r\n\r\nnonsense", "no HTTP: " },
	};
	struct heard h;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		for (size_t piece = 1; piece < 4000; piece *= 60) {
			answer(bad[i].text, strlen(bad[i].text), 0, piece, CLOSES, &h);
			if (h.r != -EPROTO || !strstr(h.e.msg, bad[i].says))
				fail_msg("%s\n-> %d %s", bad[i].text, h.r, h.e.msg);
			heard_done(&h);
		}
}

static void long_header(int kb, struct heard *h)
{
	_cleanup_strbuf_ struct strbuf text = { 0 };

	strbuf_adds(&text, OK "X: ");
	for (int i = 0; i < kb * 16; i++)
		strbuf_addf(&text, "%064d", i);
	strbuf_adds(&text, "\r\n" LENGTH_5);
	answer(text.s, text.n, 0, 4096, CLOSES, h);
}

static void header_without_end(void **state)
{
	struct heard h;

	(void)state;
	long_header(60, &h);
	assert_int_equal(h.r, 0);
	assert_string_equal(h.body.s, "hello");
	heard_done(&h);
	long_header(100, &h);
	assert_int_equal(h.r, -EPROTO);
	assert_non_null(strstr(h.e.msg, "too many header bytes"));
	heard_done(&h);
}

/* Whatever comes, how it is cut makes no difference. */
static void random_bytes(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < RANDOM_ROUNDS; round++) {
		const char *text = good[rand_r(&seed) % ARRAY_SIZE(good)].text;
		size_t n = strlen(text);
		_cleanup_free_ char *bytes = xstrdup(text);
		struct heard whole, cut;

		for (int k = rand_r(&seed) % 4; k >= 0; k--) {
			size_t at = (size_t)rand_r(&seed) % n;

			bytes[at] = rand_r(&seed) % 2 ? (char)rand_r(&seed) : text[(size_t)rand_r(&seed) % n];
		}
		answer(bytes, n, 0, n, CLOSES, &whole);
		answer(bytes, n, 0, 1 + (size_t)rand_r(&seed) % 3, CLOSES, &cut);
		if (whole.r != cut.r || whole.status != cut.status || whole.body.n != cut.body.n ||
		    (whole.body.n && memcmp(whole.body.s, cut.body.s, cut.body.n) != 0))
			fail_msg("%.*s\n-> whole: %d %s; cut: %d %s", (int)n, bytes, whole.r, whole.e.msg, cut.r,
				 cut.e.msg);
		heard_done(&whole);
		heard_done(&cut);
	}
}

/* ---- what is sent ---- */

static void request_is(struct exchange x, const char *want)
{
	struct heard h = { 0 };
	char got[2000];
	ssize_t n;
	int fd[2];

	pair(SOCK_STREAM, fd);
	says(fd[1], OK LENGTH_5);
	shutdown(fd[1], SHUT_WR);
	ask(fd[0], x, &h);
	assert_int_equal(h.r, 0);
	n = recv(fd[1], got, sizeof(got) - 1, MSG_DONTWAIT);
	assert_true(n >= 0);
	got[n] = '\0';
	assert_string_equal(got, want);
	close(fd[0]);
	close(fd[1]);
	heard_done(&h);
}

static void requests(void **state)
{
	static const char *const headers[] = { "Content-Type: text/plain", "Vpcd-File: \xc3\xa9 a b.ini", NULL };

	(void)state;
	request_is((struct exchange){ 0 }, "GET /v1/labs HTTP/1.1\r\nHost: vpcd\r\nConnection: close\r\n\r\n");
	request_is(
		(struct exchange){
			.method = "PUT", .path = "/a%20b?c=d", .headers = headers, .body = "x\ny", .body_len = 3 },
		"PUT /a%20b?c=d HTTP/1.1\r\nHost: vpcd\r\nConnection: close\r\nContent-Type: text/plain\r\n"
		"Vpcd-File: \xc3\xa9 a b.ini\r\nContent-Length: 3\r\n\r\nx\ny");
	request_is((struct exchange){ .method = "POST", .body = "" },
		   "POST /v1/labs HTTP/1.1\r\nHost: vpcd\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
}

static void refused(const char *method, const char *path, const char *header)
{
	const char *const headers[] = { header, NULL };
	const struct exchange x = { .method = method, .path = path, .headers = headers, .take = take };
	struct err e = { 0 };
	unsigned status = 4711;
	int fd[2];
	char c;

	pair(SOCK_STREAM, fd);
	assert_int_equal(exchange_run(fd[0], &x, &status, &e), -EINVAL);
	assert_int_equal(status, 4711);
	assert_true(e.msg[0]);
	assert_int_equal(recv(fd[1], &c, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	close(fd[0]);
	close(fd[1]);
}

static void no_line_is_smuggled(void **state)
{
	(void)state;
	refused("GET", "/a b", NULL);
	refused("GET", "/a\r\nX: y", NULL);
	refused("GET", "/a\n", NULL);
	refused("GET", "/a\tb", NULL);
	refused("GET", "/a\x7f", NULL);
	refused("GET /b", "/a", NULL);
	refused("GET", "/a", "Vpcd-File: a\r\nX: y");
	refused("GET", "/a", "Vpcd-File: a\nX: y");
	refused("GET", "/a", "Vpcd-File: a\r");
	refused("GET", "/a", "Vpcd-File: a\r\n\r\nGET /b HTTP/1.1");
}

/* ---- servers that live while they are asked ---- */

struct server {
	int fd;
	const char *text, *rest;
	size_t reads; /* of the request, before it answers */
	sem_t taken, ticked;
	size_t sum; /* of the bytes it read */
	pthread_t thread;
};

static size_t read_up_to(int fd, size_t most)
{
	char buf[10000];
	size_t all = 0;
	ssize_t n;

	while (all < most && (n = recv(fd, buf, most - all < sizeof(buf) ? most - all : sizeof(buf), 0)) > 0)
		all += (size_t)n;
	return all;
}

/* Serves one exchange, which is asked with a large body or without one. */
static void serve(void *(*run)(void *), struct server *s, struct exchange x, struct heard *h)
{
	_cleanup_free_ char *large = NULL;
	int fd[2];

	if (x.body_len) {
		large = xmalloc(x.body_len);
		memset(large, 'b', x.body_len);
		x.method = "PUT";
		x.body = large;
	}
	pair(SOCK_STREAM, fd);
	s->fd = fd[1];
	sem_init(&s->taken, 0, 0);
	sem_init(&s->ticked, 0, 0);
	h->taken = &s->taken;
	h->ticked = &s->ticked;
	assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
	ask(fd[0], x, h);
	close(fd[0]);
	pthread_join(s->thread, NULL);
}

static void *early_run(void *ctx)
{
	struct server *s = ctx;

	read_up_to(s->fd, s->reads);
	if (s->text)
		send(s->fd, s->text, strlen(s->text), MSG_NOSIGNAL);
	close(s->fd);
	return NULL;
}

/* SIGPIPE would end the test. */
static void answers_before_it_has_read(void **state)
{
	static const char *const texts[] = {
		"HTTP/1.1 413 x\r\n" LENGTH_5,
		"HTTP/1.1 413 x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"HTTP/1.1 413 x\r\nConnection: close\r\n\r\nhello",
	};
	(void)state;
	for (int i = 0; i < 120; i++) {
		struct server s = { .text = texts[i % 3], .reads = (size_t)i * 10000 };
		struct heard h = { 0 };

		serve(early_run, &s, (struct exchange){ .body_len = LARGE }, &h);
		if (h.r || h.status != 413 || !str_eq(h.body.s, "hello"))
			fail_msg("after %zu bytes: %d %s, status %u", s.reads, h.r, h.e.msg, h.status);
		heard_done(&h);
	}
}

static void hangs_up_before_it_answers(void **state)
{
	(void)state;
	for (int i = 0; i < 60; i++) {
		struct server s = { .text = i % 2 ? "HTTP/1.1 413 x\r\nContent-Le" : NULL, .reads = (size_t)i * 10000 };
		struct heard h = { 0 };

		serve(early_run, &s, (struct exchange){ .body_len = LARGE }, &h);
		assert_int_equal(h.r, -ECONNRESET);
		assert_string_equal(h.e.msg, "the connection was closed early");
		heard_done(&h);
	}
}

static void *deaf_run(void *ctx)
{
	struct server *s = ctx;

	read_up_to(s->fd, s->reads);
	shutdown(s->fd, SHUT_RD);
	sem_wait(&s->ticked);
	says(s->fd, s->text);
	close(s->fd);
	return NULL;
}

/* The time between is waited for, not spun away: a tick comes after its time. */
static void takes_no_more_and_answers_late(void **state)
{
	struct server s = { .text = "HTTP/1.1 400 x\r\n" LENGTH_5, .reads = 100000 };
	struct timespec before, after;
	struct heard h = { 0 };

	(void)state;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
	serve(deaf_run, &s, (struct exchange){ .body_len = LARGE }, &h);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
	assert_int_equal(h.status, 400);
	assert_true(h.ticks >= 1);
	assert_true((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 <
		    EXCHANGE_TICK_MS / 2);
	heard_done(&h);
}

static void *full_duplex_run(void *ctx)
{
	struct server *s = ctx;
	char head[100];
	_cleanup_free_ char *large = xmalloc(LARGE);

	memset(large, 'a', LARGE);
	snprintf(head, sizeof(head), OK "Content-Length: %d\r\n\r\n", LARGE);
	says(s->fd, head);
	say(s->fd, large, LARGE - 1); /* does not fit: somebody must read before we do */
	s->sum = read_up_to(s->fd, LARGE);
	say(s->fd, large, 1);
	close(s->fd);
	return NULL;
}

static void sends_and_hears_at_once(void **state)
{
	struct heard h = { 0 };
	struct server s = { 0 };

	(void)state;
	serve(full_duplex_run, &s, (struct exchange){ .body_len = LARGE }, &h);
	assert_int_equal(h.r, 0);
	assert_int_equal(h.body.n, LARGE);
	assert_true(memchr(h.body.s, 'a', h.body.n) == h.body.s && strspn(h.body.s, "a") == h.body.n);
	assert_int_equal(s.sum, LARGE);
	heard_done(&h);
}

static void *stream_run(void *ctx)
{
	struct server *s = ctx;

	says(s->fd, CHUNKED);
	for (int i = 0; i < 500; i++) {
		says(s->fd, i % 2 ? "3\r\none\r\n" : "1\r\nx\r\n");
		sem_wait(&s->taken);
	}
	says(s->fd, "0\r\n\r\n");
	close(s->fd);
	return NULL;
}

/* The next piece is sent when the one before was taken; none waits for a tick. */
static void pieces_come_at_once(void **state)
{
	struct heard h = { 0 };
	struct server s = { 0 };

	(void)state;
	serve(stream_run, &s, (struct exchange){ 0 }, &h);
	assert_int_equal(h.r, 0);
	assert_int_equal(h.body.n, 1000);
	assert_true(h.ticks < 100);
	heard_done(&h);
}

static void *pausing_run(void *ctx)
{
	struct server *s = ctx;

	says(s->fd, s->text);
	for (int i = 0; i < 3; i++)
		sem_wait(&s->ticked);
	says(s->fd, s->rest);
	close(s->fd);
	return NULL;
}

/* It spoke in time; what it takes for the rest is its own affair. */
static void slow_is_not_silent(void **state)
{
	struct server both[] = {
		{ .text = "HTTP/1.1 102 Processing\r\n\r\n", .rest = OK LENGTH_5 },
		{ .text = OK "Content-Length: 5\r\n\r\n", .rest = "hello" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
		struct heard h = { 0 };

		serve(pausing_run, &both[i], (struct exchange){ .silent_ms_max = EXCHANGE_TICK_MS * 2 }, &h);
		assert_int_equal(h.r, 0);
		assert_string_equal(h.body.s, "hello");
		heard_done(&h);
	}
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void silence(const char *text, int silent_ms_max, unsigned ticks_min)
{
	struct heard h = { 0 };
	int64_t began = now_ms();
	int fd[2];

	pair(SOCK_STREAM, fd);
	says(fd[1], text);
	ask(fd[0], (struct exchange){ .silent_ms_max = silent_ms_max }, &h);
	assert_int_equal(h.r, -ETIMEDOUT);
	assert_true(now_ms() - began >= silent_ms_max);
	assert_true(h.ticks >= ticks_min);
	close(fd[0]);
	close(fd[1]);
	heard_done(&h);
}

static void silent(void **state)
{
	(void)state;
	silence("", 30, 0);
	silence("HTTP/1.1 200 O", 30, 0);
	silence("", EXCHANGE_TICK_MS * 5 / 2, 2);
}

/* An answer that lies there is read however late it is looked at. */
static bool tick_slowly(void *ctx)
{
	int64_t until = now_ms() + 3 * EXCHANGE_TICK_MS;
	struct server *s = ctx;

	says(s->fd, OK "Content-Length: 0\r\n\r\n");
	while (now_ms() < until)
		sched_yield();
	return true;
}

static void late_look(void **state)
{
	struct server s = { 0 };
	struct exchange x = { .method = "GET", .path = "/", .tick = tick_slowly, .ctx = &s };
	struct err e = { 0 };
	unsigned status;
	int fd[2];

	(void)state;
	x.silent_ms_max = 2 * EXCHANGE_TICK_MS;
	pair(SOCK_STREAM, fd);
	s.fd = fd[1];
	assert_int_equal(exchange_run(fd[0], &x, &status, &e), 0);
	assert_int_equal(status, 200);
	close(fd[0]);
	close(fd[1]);
}

/* ---- who ends it ---- */

static void take_ends(void **state)
{
	const char *text = CHUNKED "2\r\nab\r\n2\r\ncd\r\n2\r\nef\r\n0\r\n\r\n";

	(void)state;
	for (size_t end = 1; end <= 6; end++) {
		struct heard h = { .end_at = end };
		int fd[2];

		pair(SOCK_STREAM, fd);
		says(fd[1], text);
		ask(fd[0], (struct exchange){ 0 }, &h);
		assert_int_equal(h.r, 0);
		assert_int_equal(h.status, 200);
		assert_int_equal(h.body.n, (end + 1) / 2 * 2);
		assert_true(h.ticks == 0);
		close(fd[0]);
		close(fd[1]);
		heard_done(&h);
	}
}

static void tick_ends(void **state)
{
	struct heard h = { .ticks_max = 2 };
	int fd[2];

	(void)state;
	pair(SOCK_STREAM, fd);
	ask(fd[0], (struct exchange){ 0 }, &h);
	assert_int_equal(h.r, 0);
	assert_int_equal(h.status, 0);
	assert_int_equal(h.ticks, 2);
	close(fd[0]);
	close(fd[1]);
}

static volatile sig_atomic_t alarms, interrupted;

static void on_alarm(int signo)
{
	(void)signo;
	if (++alarms >= 20)
		interrupted = 1;
}

/* Signals come all the time; only the one that asks for it ends anything. */
static void signals(void **state)
{
	struct itimerval each = { { 0, 2000 }, { 0, 2000 } }, none = { 0 };
	struct sigaction sa = { .sa_handler = on_alarm };
	struct heard h = { 0 }, duplex = { 0 };
	struct server s = { 0 };
	int fd[2];

	(void)state;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &each, NULL);
	pair(SOCK_STREAM, fd);
	says(fd[1], CHUNKED "5\r\nhello\r\n");
	ask(fd[0], (struct exchange){ .stop = &interrupted }, &h);
	assert_int_equal(h.r, 0);
	assert_int_equal(h.status, 200);
	assert_string_equal(h.body.s, "hello");
	assert_true(alarms >= 20);
	serve(stream_run, &s, (struct exchange){ .body_len = LARGE }, &duplex);
	assert_int_equal(duplex.r, 0);
	assert_int_equal(duplex.body.n, 1000);
	silence("", 3 * EXCHANGE_TICK_MS / 2, 1);
	setitimer(ITIMER_REAL, &none, NULL);
	close(fd[0]);
	close(fd[1]);
	heard_done(&h);
	heard_done(&duplex);
}

static void no_socket(void **state)
{
	struct heard h = { 0 };

	(void)state;
	ask(-1, (struct exchange){ .silent_ms_max = 10 }, &h);
	assert_int_equal(h.r, -ETIMEDOUT); /* poll leaves it out */
	h = (struct heard){ 0 };
	ask(1023, (struct exchange){ 0 }, &h);
	assert_int_equal(h.r, -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(split_anywhere),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(ends_with_its_answer),
		cmocka_unit_test(no_http),
		cmocka_unit_test(header_without_end),
		cmocka_unit_test(random_bytes),
		cmocka_unit_test(requests),
		cmocka_unit_test(no_line_is_smuggled),
		cmocka_unit_test(answers_before_it_has_read),
		cmocka_unit_test(hangs_up_before_it_answers),
		cmocka_unit_test(takes_no_more_and_answers_late),
		cmocka_unit_test(sends_and_hears_at_once),
		cmocka_unit_test(pieces_come_at_once),
		cmocka_unit_test(slow_is_not_silent),
		cmocka_unit_test(silent),
		cmocka_unit_test(late_look),
		cmocka_unit_test(take_ends),
		cmocka_unit_test(tick_ends),
		cmocka_unit_test(signals),
		cmocka_unit_test(no_socket),
	};

	return cmocka_run_group_tests_name("exchange", tests, NULL, NULL);
}
