/* crew.c: one connection to one agent. The agent's socket is made here and handed to it as descriptor 3, so
 * a restarted daemon finds the agent by connecting. An agent that dies is started again with what was
 * last asked. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include "daemon/agent.h"
#include "daemon/crew.h"
#include "daemon/events.h"
#include "daemon/lab.h"
#include "daemon/loop.h"
#include "daemon/server.h"
#include "plan/desired.h"
#include "util/log.h"
#include "util/mem.h"
#include "util/str.h"

enum { ANSWER_MS = 5000, RESTART_MS = 1000 };

struct crew {
	struct lab *lab;
	char *dir, *path, *log; /* RUN_DIR/agents, its LAB.sock and LAB.log */
	int fd;
	pid_t pid; /* our child; 0: not, or not ours */
	uint32_t seq;
	char *asked; /* the last "set" message; NULL: nothing shall run */
	struct strbuf in, out;
	void (*done)(void *ctx);
	void *done_ctx;
	struct timer *timer; /* waiting for an answer, or before a restart */
};

static void on_timer(void *ctx);
static void on_socket(void *ctx, int fd, uint32_t events);
static void on_line(struct crew *c, const char *line, size_t n);
static void flush(struct crew *c);
static void lost(struct crew *c);
static void finish(struct crew *c);
static void disconnect(struct crew *c);
static int crew_connect(struct crew *c);
static int spawn(struct crew *c, struct err *e);
static void send_line(struct crew *c, const char *text);
static char *message(struct crew *c, const struct model *m, const struct model *keep);

struct crew *crew_new(struct lab *l)
{
	struct crew *c = xcalloc(1, sizeof(*c));
	const char *run = l->server->dirs.run_dir;

	*c = (struct crew){ .lab = l, .fd = -1 };
	c->dir = xasprintf("%s/agents", run);
	c->path = xasprintf("%s/agents/%s.sock", run, l->name);
	c->log = xasprintf("%s/agents/%s.log", run, l->name);
	c->timer = timer_new(l->server->loop, on_timer, c);
	return c;
}

void crew_free(struct crew **c)
{
	if (!*c)
		return;
	disconnect(*c);
	timer_free(&(*c)->timer);
	strbuf_done(&(*c)->in);
	strbuf_done(&(*c)->out);
	free((*c)->asked);
	free((*c)->dir);
	free((*c)->path);
	free((*c)->log);
	free(*c);
	*c = NULL;
}

void crew_set(struct crew *c, const struct model *m, const struct model *keep, void (*done)(void *ctx), void *ctx)
{
	struct err e = { 0 };

	finish(c); /* an answer to what was asked before is of no use any more */
	free(c->asked);
	c->asked = m ? message(c, m, keep) : NULL;
	c->done = done;
	c->done_ctx = ctx;
	if (c->fd < 0)
		crew_connect(c);
	if (c->fd < 0 && !c->asked) {
		unlink(c->path);
		unlink(c->log);
		rmdir(c->dir); /* the last lab's */
		finish(c);
		return;
	}
	if (c->fd < 0 && spawn(c, &e) < 0) {
		log_error("agent", c->lab->name, "does not start: %s", e.msg);
		finish(c);
		return;
	}
	if (c->asked) {
		send_line(c, c->asked);
	} else {
		_cleanup_free_ char *stop = xasprintf("{\"stop\":%u}\n", ++c->seq);

		send_line(c, stop);
	}
	timer_set_ms(c->timer, ANSWER_MS);
}

void crew_reap(struct crew *c)
{
	int status;

	if (!c->pid || waitpid(c->pid, &status, WNOHANG) != c->pid)
		return;
	c->pid = 0;
	if (c->asked)
		log_warn("agent", c->lab->name, "ended (%s %d); see %s", WIFSIGNALED(status) ? "signal" : "exit code",
			 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), c->log);
	if (c->fd >= 0)
		lost(c);
}

/* No answer in time: go on without. With nothing to run any more the agent must be gone. */
static void on_timer(void *ctx)
{
	struct crew *c = ctx;
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);
	struct err e = { 0 };

	if (c->fd >= 0) {
		log_warn("agent", c->lab->name, "has not answered for %d s", ANSWER_MS / 1000);
		if (!c->asked && getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 1 &&
		    peer.pid != getpid())
			kill(peer.pid, SIGKILL);
		else if (!c->asked && c->pid)
			kill(c->pid, SIGKILL);
		finish(c);
	} else if (c->asked) {
		if (crew_connect(c) < 0 && spawn(c, &e) < 0) {
			log_error("agent", c->lab->name, "does not start: %s", e.msg);
			return;
		}
		send_line(c, c->asked);
	}
}

static void finish(struct crew *c)
{
	void (*done)(void *ctx) = c->done;

	c->done = NULL;
	timer_stop(c->timer);
	if (done)
		done(c->done_ctx);
}

static void disconnect(struct crew *c)
{
	if (c->fd < 0)
		return;
	loop_unwatch(c->lab->server->loop, c->fd);
	close(c->fd);
	c->fd = -1;
	strbuf_done(&c->in);
	strbuf_done(&c->out);
}

static void lost(struct crew *c)
{
	disconnect(c);
	finish(c);
	if (c->asked) {
		timer_set_ms(c->timer, RESTART_MS);
		return;
	}
	unlink(c->path);
	unlink(c->log);
	rmdir(c->dir);
}

static int unix_addr(const char *path, struct sockaddr_un *sa)
{
	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(sa->sun_path))
		return -ENAMETOOLONG;
	memcpy(sa->sun_path, path, strlen(path));
	return 0;
}

static int watch(struct crew *c, int fd)
{
	int r = loop_watch(c->lab->server->loop, fd, EPOLLIN, on_socket, c);

	if (r < 0) {
		close(fd);
		return r;
	}
	c->fd = fd;
	return 0;
}

static int crew_connect(struct crew *c)
{
	struct sockaddr_un sa;
	int fd, r = unix_addr(c->path, &sa);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return watch(c, fd);
}

static int control_socket(struct crew *c, struct err *e)
{
	struct sockaddr_un sa;
	int fd, r = unix_addr(c->path, &sa);

	if (r < 0)
		return err_set(e, r, "%s: %s", c->path, strerror(-r));
	if (mkdir(c->dir, 0700) < 0 && errno != EEXIST)
		return err_set(e, errno, "%s: %s", c->dir, strerror(errno));
	unlink(c->path); /* nobody answers there */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 8) < 0) {
		r = err_set(e, errno, "%s: %s", c->path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return r;
	}
	return fd;
}

static _Noreturn void become_agent(struct crew *c, int control)
{
	char *argv[] = { (char *)"vpcd", (char *)"--agent", c->lab->name, NULL };
	int in = open("/dev/null", O_RDONLY), out = open(c->log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	sigset_t none;

	if (in >= 0)
		dup2(in, STDIN_FILENO);
	dup2(out >= 0 ? out : in, STDOUT_FILENO);
	dup2(out >= 0 ? out : in, STDERR_FILENO);
	if (in > STDERR_FILENO)
		close(in);
	if (out > STDERR_FILENO)
		close(out);
	if (control == AGENT_CONTROL_FD)
		fcntl(control, F_SETFD, 0);
	else
		dup2(control, AGENT_CONTROL_FD);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv("/proc/self/exe", argv);
	_exit(127);
}

static int spawn(struct crew *c, struct err *e)
{
	_cleanup_close_ int control = control_socket(c, e);
	int r;

	if (control < 0)
		return TAKE_FD(control);
	c->pid = fork();
	if (c->pid == 0)
		become_agent(c, control);
	if (c->pid < 0) {
		c->pid = 0;
		return err_set(e, errno, "fork: %s", strerror(errno));
	}
	r = crew_connect(c);
	return r < 0 ? err_set(e, r, "%s: %s", c->path, strerror(-r)) : 0;
}

static void send_line(struct crew *c, const char *text)
{
	strbuf_adds(&c->out, text);
	flush(c);
}

static void flush(struct crew *c)
{
	size_t sent = 0;

	while (sent < c->out.n) {
		ssize_t n = send(c->fd, c->out.s + sent, c->out.n - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break; /* full: later; broken: reading says so */
		sent += (size_t)n;
	}
	memmove(c->out.s, c->out.s + sent, c->out.n - sent);
	c->out.n -= sent;
	if (c->out.s)
		c->out.s[c->out.n] = '\0';
	loop_watch(c->lab->server->loop, c->fd, c->out.n ? EPOLLIN | EPOLLOUT : EPOLLIN, on_socket, c);
}

static void on_socket(void *ctx, int fd, uint32_t events)
{
	struct crew *c = ctx;
	char buf[16 * 1024];
	ssize_t n;

	if (events & EPOLLOUT)
		flush(c);
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	n = read(fd, buf, sizeof(buf));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || c->in.n + (size_t)n > AGENT_LINE_MAX) {
		lost(c);
		return;
	}
	for (char *p = buf, *end = buf + n; p < end;) {
		char *nl = memchr(p, '\n', (size_t)(end - p));

		strbuf_add(&c->in, p, (size_t)((nl ? nl : end) - p));
		if (!nl)
			return;
		on_line(c, c->in.s, c->in.n);
		if (c->fd < 0)
			return;
		strbuf_done(&c->in);
		p = nl + 1;
	}
}

/* The agent is nobody on this machine: what it says is only shown. */
static void on_line(struct crew *c, const char *line, size_t n)
{
	json_t *o = json_loadb(line, n, 0, NULL), *v;
	json_t *end = json_object_get(o, "exit");
	size_t i;

	if (json_is_object(end))
		events_add(c->lab->server->events, c->lab->name, "exit", json_incref(end));
	json_array_foreach(json_object_get(o, "errors"), i, v)
	{
		if (!json_is_string(v))
			continue;
		log_warn("agent", c->lab->name, "%s", json_string_value(v));
		events_add(c->lab->server->events, c->lab->name, "agent", json_pack("{sO}", "error", v));
	}
	if (json_integer_value(json_object_get(o, "done")) == (json_int_t)c->seq && c->asked)
		finish(c); /* after a "stop" the end of the connection counts */
	json_decref(o);
}

static void add_place(json_t *places, const struct model *m, const struct workload *w, const char *name,
		      const char *hosts)
{
	json_t *listen = json_array(), *run = json_array();
	char ns[128], spec[16];

	for (uint32_t i = 0; i < w->n_listen; i++) {
		snprintf(spec, sizeof(spec), "%s/%u", w->listen[i].proto == 17 ? "udp" : "tcp", w->listen[i].port);
		json_array_append_new(listen, json_string(spec));
	}
	for (uint32_t i = 0; i < w->n_run; i++)
		json_array_append_new(run, json_string(w->run[i]));
	json_array_append_new(places, json_pack("{sssssssoso}", "name", name, "ns", ns_name_of(m, name, ns), "hosts",
						hosts, "listen", listen, "run", run));
}

/* NULL when nothing listens or runs. */
static char *message(struct crew *c, const struct model *m, const struct model *keep)
{
	json_t *places = json_array(), *o;
	_cleanup_free_ char *text = NULL;

	for (uint32_t i = 0; i < m->n_instances; i++) {
		const struct instance *inst = &m->instances[i];

		if (!inst->n_enis || (!inst->work.n_listen && !inst->work.n_run) ||
		    (keep && model_find_instance(keep, inst->obj.name) == NONE))
			continue;
		add_place(places, m, &inst->work, inst->obj.name, m->vpcs[model_eni_vpc(m, inst->enis[0])].obj.name);
	}
	for (uint32_t i = 0; i < m->n_hosts; i++) {
		const struct host *h = &m->hosts[i];

		if ((h->work.n_listen || h->work.n_run) && (!keep || model_find_host(keep, h->obj.name) != NONE))
			add_place(places, m, &h->work, h->obj.name, "internet");
	}
	if (json_array_size(places) == 0) {
		json_decref(places);
		return NULL;
	}
	o = json_pack("{siso}", "set", (int)++c->seq, "places", places);
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return xasprintf("%s\n", text);
}
