/* client.c: one HTTP request to vpcd, and its errors in words. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include "cli/client.h"
#include "cli/exchange.h"
#include "util/mem.h"
#include "util/str.h"

enum { SILENT_MS_MAX = 10000, SOCKET_PATH_MAX = sizeof(((struct sockaddr_un *)0)->sun_path) };

struct call {
	const struct request *q;
	struct strbuf body;
	bool left_alone; /* by the reader of stdout */
};

static int socket_choose(const struct request *q, char *path, size_t size, int *ret_fd);
static int socket_open(const char *path);
static int perform(struct call *c, int fd, const char *socket_path, struct reply *ret);
static int fail_silent(const char *socket_path);
static bool body_take(void *ctx, unsigned status, const char *p, size_t n);
static bool look(void *ctx);
static bool reader_gone(void);
static int answer_take(const struct request *q, struct strbuf *body, struct reply *ret);
static int error_print(const struct request *q, const struct reply *r);
static size_t diags_print(const json_t *errors, bool *ret_edits);

int client_call(const struct request *q, struct reply *ret)
{
	struct call c = { .q = q };
	char socket_path[SOCKET_PATH_MAX];
	_cleanup_close_ int fd = -1;
	int r = socket_choose(q, socket_path, sizeof(socket_path), &fd);

	*ret = (struct reply){ 0 };
	if (r == 0)
		r = perform(&c, fd, socket_path, ret);
	if (r == 0)
		r = answer_take(q, &c.body, ret);
	strbuf_done(&c.body);
	return r;
}

void reply_done(struct reply *r)
{
	json_decref(r->json);
	free(r->text);
	*r = (struct reply){ 0 };
}

int client_get(struct reply *ret, const char *fmt, ...)
{
	struct request q = { 0 };
	char *path;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vasprintf(&path, fmt, ap);
	va_end(ap);
	if (r < 0)
		abort();
	q.path = path;
	q.bad_code = EXIT_USAGE;
	r = client_call(&q, ret);
	free(path);
	return r;
}

bool client_refused(void)
{
	char path[SOCKET_PATH_MAX];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "%s/vpcd.sock", run_dir());
	fd = socket_open(path);
	return fd == -EACCES || fd == -EPERM;
}

bool client_answers(void)
{
	struct request q = { .path = "/v1/version", .quiet = true };
	struct reply reply;
	bool yes = client_call(&q, &reply) == 0;

	reply_done(&reply);
	return yes;
}

void json_print(const json_t *v)
{
	json_dumpf(v, stdout, JSON_INDENT(1) | JSON_ENCODE_ANY);
	putchar('\n');
}

void path_add(struct strbuf *b, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c))
			strbuf_add(b, text, 1);
		else
			strbuf_addf(b, "%%%02X", c);
	}
}

/* The full socket; for reading, the view socket will do where the full one is not ours to open. */
static int socket_choose(const struct request *q, char *path, size_t size, int *ret_fd)
{
	int fd;

	snprintf(path, size, "%s/vpcd.sock", run_dir());
	fd = socket_open(path);
	if ((fd == -EACCES || fd == -EPERM) && !q->method && !q->take) {
		snprintf(path, size, "%s/view.sock", run_dir());
		fd = socket_open(path);
	}
	*ret_fd = fd;
	if (fd >= 0)
		return 0;
	if (q->quiet)
		return EXIT_CANNOT;
	if (fd == -EAGAIN)
		return fail_silent(path);
	if (fd == -EACCES || fd == -EPERM)
		return fail(EXIT_CANNOT,
			    "%s is not open to you; run vpc as root, or join the group vpcd (to look only: vpcd-view)",
			    path);
	return fail(EXIT_CANNOT, "no vpcd answers on %s; vpc up FILE starts one", path);
}

/* -EAGAIN: so many have asked already that the kernel queues no more, and none was taken on for long. */
static int socket_open(const char *path)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct timeval limit = { .tv_sec = SILENT_MS_MAX / 1000 };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	if (fd < 0 || strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	memcpy(sun.sun_path, path, strlen(path) + 1);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)); /* connect keeps to it */
	return connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ? -errno : TAKE_FD(fd);
}

/* A question (GET) is answered at once, whatever the daemon is doing; work and streams may take their time. */
static int perform(struct call *c, int fd, const char *socket_path, struct reply *ret)
{
	const struct request *q = c->q;
	const char *headers[1 + ARRAY_SIZE(q->headers) + 1] = {
		q->text ? "Content-Type: text/plain" : "Content-Type: application/json",
	};
	const struct exchange x = {
		.method = q->method ? q->method : "GET",
		.path = q->path,
		.headers = headers,
		.body = q->body,
		.body_len = q->body_len,
		.silent_ms_max = q->method || q->take || q->waits ? 0 : SILENT_MS_MAX,
		.take = body_take,
		.tick = look,
		.ctx = c,
		.stop = q->stop,
	};
	unsigned status = 0;
	struct err e = { 0 };
	int r;

	memcpy(headers + 1, q->headers, sizeof(q->headers));
	r = exchange_run(fd, &x, &status, &e);
	ret->status = status;
	if (c->left_alone)
		return fail(EXIT_BROKEN, "the result cannot be written: its reader has gone");
	if (r == 0)
		return 0;
	if (q->quiet)
		return EXIT_CANNOT;
	if (r == -ETIMEDOUT)
		return fail_silent(socket_path);
	if (r == -EINVAL)
		return fail(EXIT_USAGE, "vpcd cannot be asked that: %s", e.msg);
	return fail(EXIT_BROKEN, "vpcd on %s did not finish its answer to %s: %s", socket_path, q->path, e.msg);
}

static int fail_silent(const char *socket_path)
{
	return fail(EXIT_CANNOT,
		    "vpcd on %s says nothing for %d seconds: it is stopped or hangs; end it (kill -9), "
		    "labs live on and the next vpc up starts another",
		    socket_path, SILENT_MS_MAX / 1000);
}

static bool body_take(void *ctx, unsigned status, const char *p, size_t n)
{
	struct call *c = ctx;

	if (c->q->take && status < 400)
		return c->q->take(c->q->take_ctx, p, n);
	strbuf_add(&c->body, p, n);
	return true;
}

static bool look(void *ctx)
{
	struct call *c = ctx;

	if (c->q->for_reader && reader_gone()) {
		raise(SIGPIPE);
		c->left_alone = true;
		return false;
	}
	if (c->q->progress)
		c->q->progress(c->q->progress_ctx);
	return true;
}

/* It would be found out by a write; but there may be nothing to write for long. */
static bool reader_gone(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

static int answer_take(const struct request *q, struct strbuf *body, struct reply *ret)
{
	json_error_t je;

	ret->text = strbuf_take(body);
	if ((!q->text && !q->take) || ret->status >= 400)
		ret->json = json_loads(ret->text, 0, &je);
	if (ret->status >= 400) {
		int r = error_print(q, ret);

		reply_done(ret);
		return r;
	}
	if (!q->text && !q->take && !ret->json) {
		reply_done(ret);
		return q->quiet ? EXIT_CANNOT
				: fail(EXIT_BROKEN, "vpcd's answer to %s is no JSON: %s", q->path, je.text);
	}
	return 0;
}

/* 404: nobody knows the object. 403: not for you. 503: cannot. What else 4xx means, the verb says. */
static int error_print(const struct request *q, const struct reply *r)
{
	const char *message = json_string_value(json_object_get(json_object_get(r->json, "error"), "message"));
	const json_t *errors = json_object_get(r->json, "errors");
	enum exit_code code = EXIT_BROKEN;
	bool edits = false;
	size_t n;

	if (r->status == 404)
		code = EXIT_USAGE;
	else if (r->status == 403 || r->status == 401 || r->status == 503)
		code = EXIT_CANNOT;
	else if (r->status == 400 && q->bad_code)
		code = q->bad_code;
	if (q->quiet)
		return code;
	n = diags_print(errors, &edits);
	if (n && edits && str_eq(q->method, "PUT"))
		return fail(code,
			    "%zu error%s; nothing was changed; edits (vpc set) stay until vpc unset takes them out, "
			    "and vpc show topology has them",
			    n, n == 1 ? "" : "s");
	if (n)
		return fail(code, "%zu error%s; nothing was changed", n, n == 1 ? "" : "s");
	if (message)
		return fail(code, "%s", message);
	return fail(code, "vpcd answers %ld to %s without saying why", r->status, q->path);
}

/* How many of them are errors; is one of them about what no file says? */
static size_t diags_print(const json_t *errors, bool *ret_edits)
{
	size_t i, n = 0;
	json_t *d;

	json_array_foreach(errors, i, d)
	{
		const char *file = json_string_value(json_object_get(d, "file"));
		const char *fix = json_string_value(json_object_get(d, "fix"));
		json_int_t line = json_integer_value(json_object_get(d, "line"));

		if (file && line)
			fprintf(stderr, "%s:%" JSON_INTEGER_FORMAT ": ", file, line);
		else
			fprintf(stderr, "%s: ", file ? file : "an edit");
		fprintf(stderr, "%s: %s%s%s\n", json_string_value(json_object_get(d, "severity")),
			json_string_value(json_object_get(d, "message")), fix ? "; " : "", fix ? fix : "");
		n += str_eq(json_string_value(json_object_get(d, "severity")), "error");
		*ret_edits |= !file;
	}
	return n;
}
