/* http.c: libmicrohttpd in our loop. One MHD daemon a door (all requests, GET only), driven by its
 * epoll descriptor and its timeout; connections that wait for their answer are suspended. */
#include <errno.h>
#include <grp.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "conf/entry.h"
#include "daemon/http.h"
#include "daemon/loop.h"
#include "util/log.h"
#include "util/mem.h"
#include "util/str.h"

enum {
	BODY_MAX = 16 * 1024 * 1024,
	WORDS_MAX = 4,
	WORD_MAX = 64,
	CONNECTIONS_MAX = 512, /* of a door */
	FOLLOWERS_MAX = 448,   /* of them: the others are for questions */
	IDLE_TIMEOUT_S = 120,
	STREAM_BLOCK = 64 * 1024,
	STATUS_TOO_LARGE = 413,
};

struct door {
	struct http *http;
	struct MHD_Daemon *mhd;
	struct timer *timer; /* when MHD wants to run without an event */
	char *path;
	int epoll_fd;
	bool view_only, metrics_only;
};
struct http {
	struct loop *loop;
	struct door doors[3];
	const struct route_entry *table;
	void *ctx;
	struct request *requests; /* all that are open */
	struct stream *streams;
	unsigned n_requests;
	bool closing;
};
struct request {
	struct door *door;
	struct MHD_Connection *conn;
	char *method, *path;
	char words[WORDS_MAX][WORD_MAX];
	unsigned n_words;
	struct strbuf body;
	struct ucred peer;
	bool too_large, dispatched, answered, suspended, queued;
	unsigned status;
	struct MHD_Response *response;
	struct request *prev, *next;
};
struct stream {
	struct door *door;
	struct MHD_Connection *conn;
	struct stream_setup setup;
	int fd;
	bool suspended, left; /* left: by its reader */
	struct stream *prev, *next;
};

static int door_open(struct door *d, struct http *h, const char *path, bool view_only, struct err *e);
static int metrics_open(struct door *d, struct http *h, uint16_t port, struct err *e);
static void door_close(struct door *d);
static void door_run(void *ctx);
static void door_ready(void *ctx, int fd, uint32_t events);
static enum MHD_Result on_access(void *ctx, struct MHD_Connection *conn, const char *url, const char *method,
				 const char *version, const char *data, size_t *size, void **con_cls);
static void on_completed(void *ctx, struct MHD_Connection *conn, void **con_cls, enum MHD_RequestTerminationCode why);
static void on_log(void *ctx, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static struct request *request_new(struct door *d, struct MHD_Connection *conn, const char *url, const char *method);
static void dispatch(struct request *r);
static bool route_matches(const char *pattern, const char *path, struct request *r);
static bool args_known(struct request *r, const struct route_entry *t);
static void answer(struct request *r, unsigned status, const char *type, void *body, size_t n);
static json_t *diag_json(const struct diag *d);
static ssize_t stream_read(void *ctx, uint64_t pos, char *buf, size_t max);
static void stream_left(void *ctx, int fd, uint32_t events);
static void stream_free(void *ctx);
static unsigned status_of(int code);
static const char *code_of(unsigned status);

int http_new(struct loop *loop, const struct http_setup *setup, struct http **ret, struct err *e)
{
	struct http *h = xcalloc(1, sizeof(*h));
	int r;

	h->loop = loop;
	h->table = setup->table;
	h->ctx = setup->ctx;
	r = door_open(&h->doors[0], h, setup->socket, false, e);
	if (r == 0)
		r = door_open(&h->doors[1], h, setup->view_socket, true, e);
	if (r == 0 && setup->metrics_port)
		r = metrics_open(&h->doors[2], h, setup->metrics_port, e);
	if (r < 0) {
		http_free(&h);
		return r;
	}
	*ret = h;
	return 0;
}

void http_free(struct http **hp)
{
	struct http *h = *hp;

	if (!h)
		return;
	h->closing = true;
	for (struct request *r = h->requests; r; r = r->next)
		if (r->dispatched && !r->answered)
			answer_fail(r, 503, "ServiceUnavailable",
				    "vpcd is ending; what was begun goes on when it is started again");
	for (struct stream *s = h->streams; s; s = s->next)
		stream_wake(s);
	for (unsigned i = 0; i < ARRAY_SIZE(h->doors); i++)
		if (h->doors[i].mhd) {
			for (unsigned rounds = 0; rounds < 8; rounds++)
				MHD_run(h->doors[i].mhd); /* lets the last answers out */
		}
	for (unsigned i = 0; i < ARRAY_SIZE(h->doors); i++)
		door_close(&h->doors[i]);
	free(h);
	*hp = NULL;
}

/* Who only listens to events does not keep the daemon. */
unsigned http_open_requests(const struct http *h)
{
	unsigned n = h->n_requests;

	for (const struct stream *s = h->streams; s && n; s = s->next)
		n--;
	return n;
}

const char *request_word(const struct request *r, unsigned i)
{
	return i < r->n_words ? r->words[i] : NULL;
}

const char *request_arg(const struct request *r, const char *name)
{
	return MHD_lookup_connection_value(r->conn, MHD_GET_ARGUMENT_KIND, name);
}

bool request_flag(const struct request *r, const char *name)
{
	const char *value = NULL;

	return MHD_lookup_connection_value_n(r->conn, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value, NULL) &&
	       !str_eq(value, "0");
}

int request_number(struct request *r, const char *name, uint64_t max, uint64_t *ret)
{
	const char *text = request_arg(r, name);
	uint64_t n;

	if (!text || !*text)
		return 0;
	errno = 0;
	n = strtoull(text, NULL, 10);
	if (!errno && n <= max && strspn(text, "0123456789") == strlen(text)) {
		*ret = n;
		return 0;
	}
	answer_fail(r, 400, "InvalidParameterValue", "%s=%s is no number that fits", name, text);
	return -EINVAL;
}

const char *request_header(const struct request *r, const char *name)
{
	return MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND, name);
}

const char *request_body(const struct request *r, size_t *ret_len)
{
	if (ret_len)
		*ret_len = r->body.n;
	return r->body.s ? r->body.s : "";
}

uint32_t request_uid(const struct request *r)
{
	return r->peer.uid;
}

void answer_json(struct request *r, unsigned status, json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT);
	size_t n = text ? strlen(text) : 0;

	json_decref(o);
	if (!text) {
		text = xstrdup("{\"error\":{\"code\":\"InternalError\",\"message\":\"the answer is not UTF-8\"}}\n");
		answer(r, 500, "application/json", text, strlen(text));
		return;
	}
	text = xrealloc(text, n + 2);
	memcpy(text + n, "\n", 2);
	answer(r, status, "application/json", text, n + 1);
}

void answer_text(struct request *r, unsigned status, char *text)
{
	answer(r, status, "text/plain; charset=utf-8", text, strlen(text));
}

void answer_fail(struct request *r, unsigned status, const char *code, const char *fmt, ...)
{
	_cleanup_free_ char *msg = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&msg, fmt, ap) < 0)
		msg = xstrdup(code);
	va_end(ap);
	entry_clean_text(msg); /* it may quote what was asked */
	answer_json(r, status, json_pack("{s{ssss}}", "error", "code", code, "message", msg));
}

void answer_err(struct request *r, const struct err *e)
{
	unsigned status = status_of(e->code);

	answer_fail(r, status, e->aws[0] ? e->aws : code_of(status), "%s", e->msg);
}

void answer_diags(struct request *r, const struct diag_list *l)
{
	const struct diag *first = NULL;
	json_t *o;

	for (size_t i = 0; i < l->n && !first; i++)
		if (l->v[i].severity == SEV_ERROR)
			first = &l->v[i];
	o = json_pack("{s{ssss}so}", "error", "code", first && first->code ? first->code : "InvalidParameterValue",
		      "message", first ? first->message : "the topology is not valid", "errors", diags_json(l, -1));
	answer_json(r, 400, o);
}

json_t *diags_json(const struct diag_list *l, int severity)
{
	json_t *a = json_array();

	for (size_t i = 0; i < l->n; i++)
		if (severity < 0 || (int)l->v[i].severity == severity)
			json_array_append_new(a, diag_json(&l->v[i]));
	return a;
}

bool request_may_follow(struct request *r)
{
	unsigned n = 0;

	for (const struct stream *s = r->door->http->streams; s; s = s->next)
		n += s->door == r->door;
	if (n < FOLLOWERS_MAX)
		return true;
	answer_fail(r, 503, "RequestLimitExceeded",
		    "%s: %u readers follow what happens, and it takes no more; end some", r->door->path, n);
	return false;
}

struct stream *answer_stream(struct request *r, const struct stream_setup *setup)
{
	struct http *h = r->door->http;
	struct stream *s = xcalloc(1, sizeof(*s));

	*s = (struct stream){ .door = r->door, .conn = r->conn, .setup = *setup, .next = h->streams };
	if (h->streams)
		h->streams->prev = s;
	h->streams = s;
	s->fd = MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	loop_watch(h->loop, s->fd, 0, stream_left, s); /* for a hang-up, which is told unasked */
	r->response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, stream_read, s, stream_free);
	MHD_add_response_header(r->response, MHD_HTTP_HEADER_CONTENT_TYPE, setup->type);
	r->status = 200;
	r->answered = true;
	if (r->suspended) {
		r->suspended = false;
		MHD_resume_connection(r->conn);
		timer_set_us(r->door->timer, 0);
	}
	return s;
}

void stream_wake(struct stream *s)
{
	if (!s->suspended)
		return;
	s->suspended = false;
	MHD_resume_connection(s->conn);
	if (s->door->timer)
		timer_set_us(s->door->timer, 0);
}

/* ---- doors ---- */

/* Rights come from a group of the machine; without it the socket is root's alone. */
static int socket_listen(const char *path, const char *group, struct err *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const struct group *g = getgrnam(group);
	int fd, r = 0;
	mode_t mask;

	if (strlen(path) >= sizeof(sa.sun_path))
		return err_set(e, -ENAMETOOLONG, "%s: the path of a socket has at most %zu characters", path,
			       sizeof(sa.sun_path) - 1);
	memcpy(sa.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(e, errno, "%s: %s", path, strerror(errno));
	unlink(path); /* the lock on the run directory says that nobody listens there */
	mask = umask(0177);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 128) < 0)
		r = err_set(e, errno, "%s: %s", path, strerror(errno));
	umask(mask);
	if (r == 0 && g && (chown(path, 0, g->gr_gid) < 0 || chmod(path, 0660) < 0))
		r = err_set(e, errno, "%s: %s", path, strerror(errno));
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

static int door_start(struct door *d, struct http *h, const char *path, int fd, struct err *e)
{
	const union MHD_DaemonInfo *info;

	d->http = h;
	d->path = xstrdup(path);
	d->mhd = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
				  on_access, d, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
				  MHD_OPTION_NOTIFY_COMPLETED, on_completed, d, MHD_OPTION_CONNECTION_LIMIT,
				  (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S,
				  MHD_OPTION_END);
	if (!d->mhd) {
		close(fd);
		return err_set(e, -EIO, "%s: the HTTP server does not start", path);
	}
	info = MHD_get_daemon_info(d->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	d->epoll_fd = info->epoll_fd;
	d->timer = timer_new(h->loop, door_run, d);
	return loop_watch(h->loop, d->epoll_fd, EPOLLIN, door_ready, d);
}

static int door_open(struct door *d, struct http *h, const char *path, bool view_only, struct err *e)
{
	int fd = socket_listen(path, view_only ? "vpcd-view" : "vpcd", e);

	d->view_only = view_only;
	return fd < 0 ? fd : door_start(d, h, path, fd, e);
}

/* Loopback only: who may be on this machine may know what is counted. */
static int metrics_open(struct door *d, struct http *h, uint16_t port, struct err *e)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), yes = 1;
	char where[32];

	snprintf(where, sizeof(where), "127.0.0.1:%u", port);
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	d->view_only = d->metrics_only = true;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 16) < 0) {
		int code = errno;

		cleanup_closep(&fd);
		return err_set(e, code == EADDRINUSE ? -EBUSY : -code,
			       "%s: no metrics there: %s; choose another --metrics-port", where, strerror(code));
	}
	return door_start(d, h, where, fd, e);
}

static void door_close(struct door *d)
{
	if (!d->mhd)
		return;
	loop_unwatch(d->http->loop, d->epoll_fd);
	timer_free(&d->timer);
	MHD_stop_daemon(d->mhd);
	if (!d->metrics_only)
		unlink(d->path);
	free(d->path);
}

static void door_ready(void *ctx, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	door_run(ctx);
}

static void door_run(void *ctx)
{
	struct door *d = ctx;
	MHD_UNSIGNED_LONG_LONG ms;

	MHD_run(d->mhd);
	if (MHD_get_timeout(d->mhd, &ms) == MHD_YES)
		timer_set_ms(d->timer, ms);
	else
		timer_stop(d->timer);
}

static void on_log(void *ctx, const char *fmt, va_list ap)
{
	char line[256];

	(void)ctx;
	vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	log_debug("http", NULL, "%s", line);
}

/* ---- one request ---- */

/* MHD calls this at the headers, for each piece of the body, at its end, and again after a resume. */
static enum MHD_Result on_access(void *ctx, struct MHD_Connection *conn, const char *url, const char *method,
				 const char *version, const char *data, size_t *size, void **con_cls)
{
	struct request *r = *con_cls;

	(void)version;
	if (!r) {
		*con_cls = request_new(ctx, conn, url, method);
		return MHD_YES;
	}
	if (*size) {
		if (r->body.n + *size > BODY_MAX)
			r->too_large = true;
		else
			strbuf_add(&r->body, data, *size);
		*size = 0;
		return MHD_YES;
	}
	if (!r->dispatched) {
		r->dispatched = true;
		dispatch(r);
	}
	if (!r->answered) {
		r->suspended = true;
		MHD_suspend_connection(conn);
		return MHD_YES;
	}
	r->queued = true;
	return MHD_queue_response(conn, r->status, r->response);
}

static void on_completed(void *ctx, struct MHD_Connection *conn, void **con_cls, enum MHD_RequestTerminationCode why)
{
	struct request *r = *con_cls;
	struct http *h;

	(void)ctx;
	(void)conn;
	(void)why;
	if (!r)
		return;
	h = r->door->http;
	if (r->prev)
		r->prev->next = r->next;
	else
		h->requests = r->next;
	if (r->next)
		r->next->prev = r->prev;
	h->n_requests--;
	if (r->response)
		MHD_destroy_response(r->response);
	strbuf_done(&r->body);
	free(r->method);
	free(r->path);
	free(r);
	*con_cls = NULL;
}

static struct request *request_new(struct door *d, struct MHD_Connection *conn, const char *url, const char *method)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct request *r = xcalloc(1, sizeof(*r));
	socklen_t size = sizeof(r->peer);

	*r = (struct request){ .door = d, .conn = conn, .method = xstrdup(method), .path = xstrdup(url) };
	r->next = d->http->requests;
	if (r->next)
		r->next->prev = r;
	d->http->requests = r;
	d->http->n_requests++;
	if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &r->peer, &size) < 0)
		r->peer = (struct ucred){ .pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	return r;
}

static void dispatch(struct request *r)
{
	const struct http *h = r->door->http;
	bool path_known = false;

	if (h->closing) {
		answer_fail(r, 503, "ServiceUnavailable", "vpcd is ending");
		return;
	}
	if (r->too_large) {
		answer_fail(r, STATUS_TOO_LARGE, "RequestEntityTooLarge", "the body is larger than %d MB",
			    BODY_MAX >> 20);
		return;
	}
	for (const struct route_entry *t = h->table; t->method; t++) {
		if (!route_matches(t->path, r->path, r))
			continue;
		if (r->door->metrics_only && strcmp(t->path, METRICS_PATH) != 0)
			continue;
		path_known = true;
		if (strcmp(t->method, r->method) != 0)
			continue;
		if (r->door->view_only && strcmp(r->method, "GET") != 0)
			continue;
		if (!args_known(r, t))
			return;
		if (t->turn == TURN_CHANGE)
			log_info("http", NULL, "%s %s by uid %u, pid %d", r->method, r->path, r->peer.uid,
				 (int)r->peer.pid);
		t->fn(h->ctx, r);
		return;
	}
	if (path_known && r->door->view_only)
		answer_fail(r, 403, "UnauthorizedOperation", "%s only answers GET; use vpcd.sock to change or probe",
			    r->door->path);
	else if (path_known)
		answer_fail(r, 405, "UnsupportedOperation", "%s does not know %s", r->path, r->method);
	else
		answer_fail(r, 404, "InvalidAction", "nothing is at %s", r->path);
}

static bool route_matches(const char *pattern, const char *path, struct request *r)
{
	r->n_words = 0;
	while (*pattern) {
		size_t np = strcspn(pattern + 1, "/"), n;

		if (*path == '\0')
			return strcmp(pattern, "/*?") == 0;
		if (*path != '/')
			return false;
		n = strcspn(path + 1, "/");
		if (pattern[1] == '*') {
			if (n == 0 || n >= WORD_MAX || r->n_words == WORDS_MAX)
				return n == 0 && path[1] == '\0' && strcmp(pattern, "/*?") == 0;
			memcpy(r->words[r->n_words], path + 1, n);
			r->words[r->n_words++][n] = '\0';
		} else if (np != n || memcmp(pattern + 1, path + 1, n) != 0) {
			return false;
		}
		pattern += np + 1;
		path += n + 1;
	}
	return *path == '\0';
}

struct arg_look {
	const struct route_entry *route;
	const char *stranger;
};

static enum MHD_Result on_arg(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct arg_look *look = ctx;

	(void)kind;
	(void)value;
	for (unsigned i = 0; i < ARGS_MAX; i++)
		if (str_eq(look->route->args[i], name))
			return MHD_YES;
	look->stranger = name;
	return MHD_NO;
}

/* False: the query has a name that the route does not know, and the request is answered. */
static bool args_known(struct request *r, const struct route_entry *t)
{
	_cleanup_strbuf_ struct strbuf known = { 0 };
	struct arg_look look = { .route = t };

	MHD_get_connection_values(r->conn, MHD_GET_ARGUMENT_KIND, on_arg, &look);
	if (!look.stranger)
		return true;
	for (unsigned i = 0; i < ARGS_MAX && t->args[i]; i++)
		strbuf_addf(&known, "%s%s", i ? ", " : "", t->args[i]);
	answer_fail(r, 400, "UnknownParameter", "%s %s has no parameter \"%s\"; it has %s", r->method, r->path,
		    look.stranger, known.n ? known.s : "none");
	return false;
}

/* Takes body over. */
static void answer(struct request *r, unsigned status, const char *type, void *body, size_t n)
{
	if (r->answered) { /* a programmer's mistake, but no reason to die */
		log_error("http", NULL, "%s %s was answered twice", r->method, r->path);
		free(body);
		return;
	}
	r->response = MHD_create_response_from_buffer(n, body, MHD_RESPMEM_MUST_FREE);
	MHD_add_response_header(r->response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	r->status = status;
	r->answered = true;
	if (r->suspended) {
		r->suspended = false;
		MHD_resume_connection(r->conn);
		timer_set_us(r->door->timer, 0);
	}
}

static json_t *diag_json(const struct diag *d)
{
	return json_pack("{ss? so ss ss? ss? ss?}", "file", d->file, "line",
			 d->line ? json_integer(d->line) : json_null(), "severity",
			 d->severity == SEV_ERROR ? "error" : "warning", "code", d->code, "message", d->message, "fix",
			 d->fix);
}

/* ---- streams of events ---- */

static ssize_t stream_read(void *ctx, uint64_t pos, char *buf, size_t max)
{
	struct stream *s = ctx;
	ssize_t n = s->setup.read(s->setup.ctx, buf, max);

	(void)pos;
	if (n > 0)
		return n;
	if (s->left)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (n < 0 || s->door->http->closing)
		return MHD_CONTENT_READER_END_OF_STREAM;
	s->suspended = true;
	MHD_suspend_connection(s->conn);
	return 0;
}

/* MHD does not look at a connection that sleeps. Who has ended only his own side still reads: that is no hang-up. */
static void stream_left(void *ctx, int fd, uint32_t events)
{
	struct stream *s = ctx;

	(void)events;
	loop_unwatch(s->door->http->loop, fd);
	s->left = true;
	stream_wake(s);
}

/* MHD closes the connection after this. */
static void stream_free(void *ctx)
{
	struct stream *s = ctx;

	loop_unwatch(s->door->http->loop, s->fd);
	if (s->prev)
		s->prev->next = s->next;
	else
		s->door->http->streams = s->next;
	if (s->next)
		s->next->prev = s->prev;
	s->setup.gone(s->setup.ctx);
	free(s);
}

static unsigned status_of(int code)
{
	switch (-code) {
	case ENOENT: return 404;
	case EINVAL:
	case E2BIG:
	case ERANGE: return 400;
	case EEXIST:
	case EBUSY: return 409;
	case EPERM:
	case EACCES: return 403;
	default: return 500;
	}
}

static const char *code_of(unsigned status)
{
	switch (status) {
	case 400: return "InvalidParameterValue";
	case 403: return "UnauthorizedOperation";
	case 404: return "InvalidParameterValue.NotFound";
	case 409: return "IncorrectState";
	default: return "InternalError";
	}
}
