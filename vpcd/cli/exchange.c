/* exchange.c: the conversation of a request: sends and receives at once, http_parser reads the answer.
 *
 * A server may answer, and even hang up, before it has read all of the request. So an answer is listened for from the
 * first byte on, and a request that the other side takes no more of is not an error: what matters is whether the
 * answer is whole. On a Unix socket whatever was sent before the end can still be read, also where a reset tells of
 * it. */
#include <errno.h>
#include <http_parser.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include "cli/exchange.h"
#include "util/err.h"
#include "util/mem.h"
#include "util/str.h"

enum { PIECE_MAX = 64 * 1024 };

struct talk {
	const struct exchange *x;
	int fd;
	struct iovec unsent[2]; /* head and body */
	http_parser parser;
	unsigned status; /* of the answer whose body comes; informational ones do not count */
	bool heard, whole, ended;
};

static int head_make(const struct exchange *x, struct strbuf *head, struct err *e);
static bool is_word(const char *text);
static int talk_on(struct talk *t, struct err *e);
static int talk_send(struct talk *t, struct err *e);
static int talk_receive(struct talk *t, struct err *e);
static int talk_parse(struct talk *t, const char *p, size_t n, struct err *e);
static int talk_end(struct talk *t, struct err *e);
static int on_headers(http_parser *parser);
static int on_body(http_parser *parser, const char *p, size_t n);
static int on_complete(http_parser *parser);
static bool is_informational(const http_parser *parser);
static int64_t now_ms(void);

static const http_parser_settings parser_settings = {
	.on_headers_complete = on_headers,
	.on_body = on_body,
	.on_message_complete = on_complete,
};

int exchange_run(int fd, const struct exchange *x, unsigned *ret_status, struct err *e)
{
	_cleanup_strbuf_ struct strbuf head = { 0 };
	struct talk t = { .x = x, .fd = fd };
	int r = head_make(x, &head, e);

	if (r < 0)
		return r;
	t.unsent[0] = (struct iovec){ head.s, head.n };
	t.unsent[1] = (struct iovec){ (char *)x->body, x->body ? x->body_len : 0 };
	http_parser_init(&t.parser, HTTP_RESPONSE);
	t.parser.data = &t;
	r = talk_on(&t, e);
	if (r == 0)
		*ret_status = t.status;
	return r;
}

/* No text of a caller adds a line of its own: that would be another header, or another request. */
static int head_make(const struct exchange *x, struct strbuf *head, struct err *e)
{
	if (!is_word(x->method) || !is_word(x->path))
		return err_set(e, -EINVAL, "a blank or a control character stands in \"%s %s\"", x->method, x->path);
	strbuf_addf(head, "%s %s HTTP/1.1\r\nHost: vpcd\r\nConnection: close\r\n", x->method, x->path);
	for (const char *const *h = x->headers; h && *h; h++) {
		if (strpbrk(*h, "\r\n"))
			return err_set(e, -EINVAL, "a line break stands in the header \"%s\"", *h);
		strbuf_addf(head, "%s\r\n", *h);
	}
	if (x->body)
		strbuf_addf(head, "Content-Length: %zu\r\n", x->body_len);
	strbuf_adds(head, "\r\n");
	return 0;
}

static bool is_word(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return false;
	return true;
}

static int talk_on(struct talk *t, struct err *e)
{
	const struct exchange *x = t->x;
	const int64_t began_ms = now_ms();
	int64_t tick_ms = began_ms + EXCHANGE_TICK_MS, now = began_ms;

	while (!t->whole && !t->ended) {
		bool sends = t->unsent[0].iov_len || t->unsent[1].iov_len;
		struct pollfd p = { .fd = t->fd, .events = POLLIN | (sends ? POLLOUT : 0) };
		int n = poll(&p, 1, tick_ms > now ? (int)(tick_ms - now) : 0), r = 0;

		if (n < 0 && errno != EINTR)
			return err_set(e, errno, "poll: %s", strerror(errno));
		if (n > 0 && p.revents & ~POLLOUT)
			r = talk_receive(t, e);
		if (r == 0 && n > 0 && p.revents & POLLOUT)
			r = talk_send(t, e);
		if (r < 0)
			return r;
		now = now_ms();
		if (!t->heard && x->silent_ms_max && now - began_ms >= x->silent_ms_max)
			return err_set(e, -ETIMEDOUT, "%s", strerror(ETIMEDOUT));
		if (x->stop && *x->stop)
			t->ended = true;
		if (now < tick_ms || t->whole || t->ended)
			continue;
		if (x->tick && !x->tick(x->ctx))
			t->ended = true;
		now = now_ms();
		tick_ms = now + EXCHANGE_TICK_MS;
	}
	return 0;
}

static int talk_send(struct talk *t, struct err *e)
{
	struct msghdr m = { .msg_iov = t->unsent, .msg_iovlen = ARRAY_SIZE(t->unsent) };
	ssize_t n = sendmsg(t->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n < 0 && errno != EPIPE && errno != ECONNRESET)
		return err_set(e, errno, "%s", strerror(errno));
	for (size_t i = 0; i < ARRAY_SIZE(t->unsent); i++) {
		struct iovec *v = &t->unsent[i];
		size_t sent = n < 0 || (size_t)n > v->iov_len ? v->iov_len : (size_t)n;

		v->iov_base = (char *)v->iov_base + sent;
		v->iov_len -= sent;
		n -= n < 0 ? 0 : (ssize_t)sent;
	}
	return 0;
}

static int talk_receive(struct talk *t, struct err *e)
{
	char piece[PIECE_MAX];
	ssize_t n = recv(t->fd, piece, sizeof(piece), MSG_DONTWAIT);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n < 0 && errno != ECONNRESET)
		return err_set(e, errno, "%s", strerror(errno));
	if (n > 0)
		return talk_parse(t, piece, (size_t)n, e);
	return talk_end(t, e);
}

static int talk_parse(struct talk *t, const char *p, size_t n, struct err *e)
{
	enum http_errno why;

	http_parser_execute(&t->parser, &parser_settings, p, n);
	why = HTTP_PARSER_ERRNO(&t->parser);
	if (t->whole || t->ended)
		return 0;
	if (why != HPE_OK)
		return err_set(e, -EPROTO, "what comes is no HTTP: %s", http_errno_description(why));
	if (t->parser.upgrade)
		return err_set(e, -EPROTO, "what comes is no HTTP: another protocol begins");
	return 0;
}

/* The parser knows whether that is where an answer may end. */
static int talk_end(struct talk *t, struct err *e)
{
	http_parser_execute(&t->parser, &parser_settings, NULL, 0);
	return t->whole || t->ended ? 0 : err_set(e, -ECONNRESET, "the connection was closed early");
}

static int on_headers(http_parser *parser)
{
	struct talk *t = parser->data;

	t->heard = true;
	if (!is_informational(parser))
		t->status = parser->status_code;
	return 0;
}

/* Pausing makes the parser leave what follows alone. */
static int on_body(http_parser *parser, const char *p, size_t n)
{
	struct talk *t = parser->data;

	if (!t->x->take(t->x->ctx, t->status, p, n)) {
		t->ended = true;
		http_parser_pause(parser, 1);
	}
	return 0;
}

static int on_complete(http_parser *parser)
{
	struct talk *t = parser->data;

	if (!is_informational(parser)) {
		t->whole = true;
		http_parser_pause(parser, 1);
	}
	return 0;
}

/* 100 and its like come before an answer, and have no body. */
static bool is_informational(const http_parser *parser)
{
	return parser->status_code / 100 == 1;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
