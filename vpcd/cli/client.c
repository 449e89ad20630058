/* client.c: one HTTP request to vpcd, and its errors in words. */
#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "cli/client.h"
#include "util/mem.h"
#include "util/str.h"

enum { POLL_MS = 100, SILENT_MS_MAX = 10000 };

struct incoming {
	CURL *h;
	const struct request *q;
	struct strbuf body;
	bool ended; /* by the one who takes it */
};

static int socket_choose(const struct request *q, char *path, size_t size);
static int socket_try(const char *path);
static int perform(struct incoming *in, const char *socket_path);
static int fail_silent(const char *socket_path);
static int answer_take(CURL *h, const struct request *q, struct strbuf *body, struct reply *ret);
static int error_print(const struct request *q, const struct reply *r);
static size_t diags_print(const json_t *errors, bool *ret_edits);
static size_t body_add(char *p, size_t size, size_t n, void *ctx);

int client_call(const struct request *q, struct reply *ret)
{
	struct curl_slist *headers = NULL;
	struct strbuf url = { 0 };
	struct incoming in = { .q = q };
	char socket_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	CURL *h;
	int r = socket_choose(q, socket_path, sizeof(socket_path));

	*ret = (struct reply){ 0 };
	if (r)
		return r;
	h = in.h = curl_easy_init();
	if (!h)
		return fail(EXIT_BROKEN, "libcurl could not be set up");
	strbuf_addf(&url, "http://vpcd%s", q->path);
	curl_easy_setopt(h, CURLOPT_URL, url.s);
	curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, socket_path);
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, body_add);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, &in);
	curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, q->method ? q->method : "GET");
	if (q->body) {
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, q->body);
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE, (long)q->body_len);
	}
	headers = curl_slist_append(headers, "Expect:");
	headers = curl_slist_append(headers, q->text ? "Content-Type: text/plain" : "Content-Type: application/json");
	for (size_t i = 0; i < ARRAY_SIZE(q->headers) && q->headers[i]; i++)
		headers = curl_slist_append(headers, q->headers[i]);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
	r = perform(&in, socket_path);
	if (r == 0)
		r = answer_take(h, q, &in.body, ret);
	curl_slist_free_all(headers);
	curl_easy_cleanup(h);
	strbuf_done(&in.body);
	strbuf_done(&url);
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
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int r;

	snprintf(path, sizeof(path), "%s/vpcd.sock", run_dir());
	r = socket_try(path);
	return r == -EACCES || r == -EPERM;
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
static int socket_choose(const struct request *q, char *path, size_t size)
{
	int r;

	snprintf(path, size, "%s/vpcd.sock", run_dir());
	r = socket_try(path);
	if ((r == -EACCES || r == -EPERM) && !q->method && !q->take) {
		snprintf(path, size, "%s/view.sock", run_dir());
		r = socket_try(path);
	}
	if (r == 0)
		return 0;
	if (q->quiet)
		return EXIT_CANNOT;
	if (r == -EAGAIN)
		return fail_silent(path);
	if (r == -EACCES || r == -EPERM)
		return fail(EXIT_CANNOT,
			    "%s is not open to you; run vpc as root, or join the group vpcd (to look only: vpcd-view)",
			    path);
	return fail(EXIT_CANNOT, "no vpcd answers on %s; vpc up FILE starts one", path);
}

/* -EAGAIN: so many have asked already that the kernel queues no more, and none was taken on for long. */
static int socket_try(const char *path)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct timeval limit = { .tv_sec = SILENT_MS_MAX / 1000 };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	if (fd < 0 || strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	memcpy(sun.sun_path, path, strlen(path) + 1);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)); /* connect keeps to it */
	return connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ? -errno : 0;
}

/* For something to happen, or a little. How long that was. */
static int wait_ms(CURLM *multi)
{
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	curl_multi_poll(multi, NULL, 0, POLL_MS, NULL);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return (int)((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000);
}

/* It would be found out by a write; but there may be nothing to write for long. */
static bool reader_gone(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

/* A question (GET) is answered at once, whatever the daemon is doing; work and streams may take their time. */
static int perform(struct incoming *in, const char *socket_path)
{
	const struct request *q = in->q;
	CURL *h = in->h;
	CURLM *multi = curl_multi_init();
	CURLcode result = CURLE_OK;
	int running = 1, left, waited_ms = 0;
	bool left_alone = false;
	long status = 0;
	CURLMsg *msg;

	curl_multi_add_handle(multi, h);
	while (running) {
		if (curl_multi_perform(multi, &running) != CURLM_OK)
			break;
		if (!running)
			break;
		if (status == 0 && waited_ms >= SILENT_MS_MAX && !q->method && !q->take && !q->waits) {
			result = CURLE_OPERATION_TIMEDOUT;
			break;
		}
		waited_ms += wait_ms(multi);
		curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
		if (q->stop && *q->stop) {
			in->ended = true;
			break;
		}
		if (q->for_reader && reader_gone()) {
			raise(SIGPIPE);
			left_alone = true;
			break;
		}
		if (q->progress)
			q->progress(q->progress_ctx);
	}
	while ((msg = curl_multi_info_read(multi, &left)))
		if (msg->msg == CURLMSG_DONE)
			result = msg->data.result;
	curl_multi_remove_handle(multi, h);
	curl_multi_cleanup(multi);
	if (left_alone)
		return fail(EXIT_BROKEN, "the result cannot be written: its reader has gone");
	curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
	/* A refusal may come, and the connection go, before all of the request was read. */
	if (result == CURLE_OK || in->ended || status >= 400)
		return 0;
	if (q->quiet)
		return EXIT_CANNOT;
	if (result == CURLE_OPERATION_TIMEDOUT)
		return fail_silent(socket_path);
	return fail(EXIT_BROKEN, "vpcd on %s did not finish its answer to %s: %s", socket_path, q->path,
		    curl_easy_strerror(result));
}

static int fail_silent(const char *socket_path)
{
	return fail(EXIT_CANNOT,
		    "vpcd on %s says nothing for %d seconds: it is stopped or hangs; end it (kill -9), "
		    "labs live on and the next vpc up starts another",
		    socket_path, SILENT_MS_MAX / 1000);
}

static int answer_take(CURL *h, const struct request *q, struct strbuf *body, struct reply *ret)
{
	json_error_t je;

	curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &ret->status);
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

static size_t body_add(char *p, size_t size, size_t n, void *ctx)
{
	struct incoming *in = ctx;
	long status = 0;

	curl_easy_getinfo(in->h, CURLINFO_RESPONSE_CODE, &status);
	if (!in->q->take || status >= 400) {
		strbuf_add(&in->body, p, size * n);
		return size * n;
	}
	in->ended = !in->q->take(in->q->take_ctx, p, size * n);
	return in->ended ? 0 : size * n;
}
