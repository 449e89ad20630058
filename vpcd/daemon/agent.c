/* agent.c: the lab's own process: what listens and what runs, made equal to what the daemon asks for.
 *
 * It enters the lab's user namespace, where it is root of the instances' networks and nobody on the
 * machine, and a network namespace of its own. It keeps listeners and programs while the daemon is
 * away. Control: JSON lines on RUN_DIR/agents/LAB.sock.
 *
 *   to the agent    {"set":SEQ,"places":[{"name","ns","hosts":FILE,"listen":["tcp/80"],"run":["…"]}]}   all there shall be
 *                   {"stop":SEQ}                                                              nothing; then end
 *   from it         {"done":SEQ,"errors":["…"]}                                               it is so
 *                   {"exit":{"name","run","code":N|null,"signal":N|null}}                      a program ended
 *
 * What is unchanged is left alone: a listener is known by instance, its namespace's inode, protocol and port;
 * a program by instance, inode and command. Programs run once; one that ended is not started again. First all
 * that is not wanted ends, then what is new begins, so a new program finds its port free. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "daemon/agent.h"
#include "daemon/agent_listen.h"
#include "daemon/agent_run.h"
#include "daemon/loop.h"
#include "util/log.h"
#include "util/mem.h"
#include "util/str.h"

enum { TERM_MS = 300, SWEEP_MS = 20, SWEEPS_MAX = 100 };

struct held { /* a listener and what it is known by */
	char *name, *spec;
	uint64_t ns_inode;
	struct listener *listener;
	bool wanted;
};
struct agent {
	const char *lab;
	int log_fd, hosts_fd;
	struct loop *loop;
	struct answerer *answerer;
	int client; /* the daemon; -1 */
	struct strbuf in;

	json_t *wanted; /* array of places */
	json_int_t seq; /* to be reported as done; -1: nothing */
	bool quitting;
	struct held *held;
	size_t n_held, cap_held;
	struct program **programs;
	bool *keep; /* beside programs, while converging */
	size_t n_programs, cap_programs, cap_keep;
	struct timer *killer, *sweeper;
	unsigned sweeps;
};

static int enter_lab(struct agent *a, const struct kern_dirs *dirs, struct err *e);
static void on_connect(void *ctx, int fd, uint32_t events);
static void on_client(void *ctx, int fd, uint32_t events);
static void on_line(struct agent *a, const char *line, size_t n);
static void on_signal(void *ctx, int signo);
static void on_killer(void *ctx);
static void on_sweeper(void *ctx);
static void converge(struct agent *a);
static void say(struct agent *a, json_t *o);
static void agent_done(struct agent *a);

int agent_run(const char *lab, const struct kern_dirs *dirs, struct err *e)
{
	struct agent a = { .lab = lab, .client = -1, .seq = -1 };
	struct rlimit files;
	sigset_t set;
	int r;

	setsid();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	signal(SIGPIPE, SIG_IGN);
	r = enter_lab(&a, dirs, e);
	if (r < 0)
		return r;
	a.loop = loop_new();
	a.answerer = answerer_new(a.loop);
	a.killer = timer_new(a.loop, on_killer, &a);
	a.sweeper = timer_new(a.loop, on_sweeper, &a);
	a.wanted = json_array();
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	r = loop_signals(a.loop, &set, on_signal, &a, e);
	if (r < 0)
		return r;
	fcntl(AGENT_CONTROL_FD, F_SETFL, O_NONBLOCK);
	fcntl(AGENT_CONTROL_FD, F_SETFD, FD_CLOEXEC);
	listen(AGENT_CONTROL_FD, 8); /* once more: who connects from here on sees this process, not its parent */
	r = loop_watch(a.loop, AGENT_CONTROL_FD, EPOLLIN, on_connect, &a);
	if (r < 0)
		return err_set(e, r, "the control socket: %s", strerror(-r));
	r = loop_run(a.loop, e);
	agent_done(&a);
	return r;
}

/* ---- into the lab ---- */

/* Who root of the lab is on the machine: read from outside, where its numbers mean something. */
static int root_of_userns(int userns, uid_t *ret_uid, gid_t *ret_gid)
{
	unsigned inside, outside[2] = { 0, 0 };
	int hold[2];
	pid_t pid;
	char c;

	if (pipe2(hold, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		c = setns(userns, CLONE_NEWUSER) < 0 ? (char)errno : 0;
		(void)!write(hold[1], &c, 1);
		for (;;)
			pause();
	}
	close(hold[1]);
	if (pid < 0 || read(hold[0], &c, 1) != 1)
		c = EIO;
	close(hold[0]);
	for (unsigned i = 0; i < 2 && !c; i++) {
		_cleanup_free_ char *path = xasprintf("/proc/%d/%s", (int)pid, i ? "gid_map" : "uid_map");
		_cleanup_free_ char *text = NULL;

		if (read_whole_file(path, 4096, &text, NULL) < 0 || sscanf(text, "%u %u", &inside, &outside[i]) != 2 ||
		    inside != 0)
			c = EINVAL;
	}
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	*ret_uid = outside[0];
	*ret_gid = outside[1];
	return c ? -c : 0;
}

/* RUN_DIR/KIND/LAB, made when missing. */
static int open_folder(const char *run_dir, const char *kind, const char *lab, struct err *e)
{
	_cleanup_free_ char *parent = xasprintf("%s/%s", run_dir, kind);
	_cleanup_free_ char *path = xasprintf("%s/%s", parent, lab);
	int fd;

	mkdir(parent, 0755); /* where it cannot be made, opening says why */
	mkdir(path, 0755);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_set(e, errno, "%s: %s", path, strerror(errno)) : fd;
}

static int enter_lab(struct agent *a, const struct kern_dirs *dirs, struct err *e)
{
	_cleanup_close_ int userns = userns_open(a->lab, dirs);
	uid_t uid = 0;
	gid_t gid = 0;
	int r;

	if (userns < 0)
		return err_set(e, userns, "lab %s has no user namespace: %s", a->lab, strerror(-userns));
	r = root_of_userns(userns, &uid, &gid);
	if (r < 0)
		return err_set(e, r, "the user namespace of lab %s: %s", a->lab, strerror(-r));
	a->hosts_fd = open_folder(dirs->run_dir, "hosts", a->lab, e);
	a->log_fd = open_folder(dirs->run_dir, "logs", a->lab, e);
	if (a->hosts_fd < 0 || a->log_fd < 0)
		return e->code;
	if (fchown(a->log_fd, uid, gid) < 0 || fchmod(a->log_fd, 0750) < 0)
		return err_set(e, errno, "the log folder: %s", strerror(errno));
	if (setns(userns, CLONE_NEWUSER) < 0)
		return err_set(e, errno, "entering the user namespace of lab %s: %s", a->lab, strerror(errno));
	setgroups(0, NULL); /* refused where the namespace denies it: then there is nothing to drop */
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_set(e, errno, "becoming root of lab %s: %s", a->lab, strerror(errno));
	if (unshare(CLONE_NEWNET) < 0)
		return err_set(e, errno, "a network namespace of its own: %s", strerror(errno));
	return 0;
}

/* ---- control ---- */

static void client_close(struct agent *a)
{
	if (a->client < 0)
		return;
	loop_unwatch(a->loop, a->client);
	close(a->client);
	a->client = -1;
	strbuf_done(&a->in);
}

/* The newest daemon is the one that counts. */
static void on_connect(void *ctx, int fd, uint32_t events)
{
	struct agent *a = ctx;
	int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (c < 0)
		return;
	client_close(a);
	a->client = c;
	if (loop_watch(a->loop, c, EPOLLIN, on_client, a) < 0)
		client_close(a);
}

static void on_client(void *ctx, int fd, uint32_t events)
{
	struct agent *a = ctx;
	char buf[64 * 1024];
	ssize_t n = read(fd, buf, sizeof(buf));

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || a->in.n + (size_t)n > AGENT_LINE_MAX) {
		client_close(a);
		return;
	}
	for (char *p = buf, *end = buf + n; p < end;) {
		char *nl = memchr(p, '\n', (size_t)(end - p));

		if (!nl) {
			strbuf_add(&a->in, p, (size_t)(end - p));
			return;
		}
		strbuf_add(&a->in, p, (size_t)(nl - p));
		on_line(a, a->in.s ? a->in.s : "", a->in.n);
		if (a->client < 0)
			return;
		strbuf_done(&a->in);
		p = nl + 1;
	}
}

static void on_line(struct agent *a, const char *line, size_t n)
{
	json_t *o = json_loadb(line, n, 0, NULL);
	json_t *places = json_object_get(o, "places");

	if (json_is_array(places)) {
		json_decref(a->wanted);
		a->wanted = json_incref(places);
		a->seq = json_integer_value(json_object_get(o, "set"));
		a->quitting = false;
	} else if (json_is_integer(json_object_get(o, "stop"))) {
		json_decref(a->wanted);
		a->wanted = json_array();
		a->seq = json_integer_value(json_object_get(o, "stop"));
		a->quitting = true;
	}
	json_decref(o);
	converge(a);
}

static void say(struct agent *a, json_t *o)
{
	_cleanup_free_ char *text = json_dumps(o, JSON_COMPACT);
	_cleanup_free_ char *line = xasprintf("%s\n", text ? text : "{}");

	json_decref(o);
	if (a->client >= 0)
		(void)!send(a->client, line, strlen(line), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* ---- making it so ---- */

static uint64_t inode_of(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void held_done(struct held *h)
{
	listener_close(&h->listener);
	free(h->name);
	free(h->spec);
}

static struct held *held_find(struct agent *a, const char *name, uint64_t ns_inode, const char *spec)
{
	for (size_t i = 0; i < a->n_held; i++)
		if (a->held[i].ns_inode == ns_inode && str_eq(a->held[i].name, name) && str_eq(a->held[i].spec, spec))
			return &a->held[i];
	return NULL;
}

/* Marks what stays. A program wanted twice needs two. */
static void mark(struct agent *a)
{
	size_t i, k;
	json_t *place, *v;

	vec_reserve((void **)&a->keep, &a->cap_keep, a->n_programs, sizeof(*a->keep));
	if (a->n_programs)
		memset(a->keep, 0, a->n_programs * sizeof(*a->keep));
	for (i = 0; i < a->n_held; i++)
		a->held[i].wanted = false;
	json_array_foreach(a->wanted, i, place)
	{
		_cleanup_close_ int ns = netns_open(text_of(place, "ns"));
		uint64_t inode = inode_of(ns);
		const char *name = text_of(place, "name");

		json_array_foreach(json_object_get(place, "listen"), k, v)
		{
			struct held *h = held_find(a, name, inode, json_string_value(v));

			if (h)
				h->wanted = true;
		}
		json_array_foreach(json_object_get(place, "run"), k,
				   v) for (size_t p = 0; p < a->n_programs;
					   p++) if (!a->keep[p] &&
						    program_is(a->programs[p], name, inode, json_string_value(v)))
		{
			a->keep[p] = true;
			break;
		}
	}
}

static bool is_program(const struct agent *a, pid_t pid)
{
	for (size_t i = 0; i < a->n_programs; i++)
		if (program_pid(a->programs[i]) == pid)
			return true;
	return false;
}

/* Ends what is not wanted. True when all of it is gone. */
static bool end_unwanted(struct agent *a)
{
	size_t n = 0;
	bool waiting = false;

	for (size_t i = 0; i < a->n_held; i++) {
		if (a->held[i].wanted)
			a->held[n++] = a->held[i];
		else
			held_done(&a->held[i]);
	}
	a->n_held = n;
	n = 0;
	for (size_t i = 0; i < a->n_programs; i++) {
		struct program *p = a->programs[i];

		if (!a->keep[i] && !program_runs(p)) {
			program_free(&p);
			continue;
		}
		if (!a->keep[i]) {
			program_stop(p, SIGTERM);
			timer_set_ms(a->killer, TERM_MS);
			waiting = true;
		}
		a->programs[n++] = p;
	}
	a->n_programs = n;
	return !waiting;
}

/* What was killed takes all it had started with it, a moment later: until then that is the agent's child.
 * Bounded: what the kernel cannot end must not keep a lab from going down. */
static bool leftovers_are_gone(struct agent *a)
{
	_cleanup_free_ char *path = xasprintf("/proc/self/task/%d/children", (int)getpid());
	_cleanup_free_ char *text = NULL;
	bool gone = true;
	char *p, *word;

	if (a->sweeps < SWEEPS_MAX && read_whole_file(path, 1 << 20, &text, NULL) == 0)
		for (p = text; (word = str_word(&p));)
			gone = gone && is_program(a, (pid_t)atoi(word));
	a->sweeps = gone ? 0 : a->sweeps + 1;
	if (!gone)
		timer_set_ms(a->sweeper, SWEEP_MS);
	return gone;
}

static void add_error(json_t *errors, const struct err *e)
{
	log_warn("agent", NULL, "%s", e->msg);
	json_array_append_new(errors, json_string(e->msg));
}

static void begin_listener(struct agent *a, int ns, uint64_t inode, const char *name, const char *spec, json_t *errors)
{
	uint8_t proto = strncmp(spec, "udp/", 4) == 0 ? IPPROTO_UDP : IPPROTO_TCP;
	struct err e = { 0 };
	struct listener *l;
	uint32_t port;

	if (held_find(a, name, inode, spec))
		return;
	if ((strncmp(spec, "udp/", 4) != 0 && strncmp(spec, "tcp/", 4) != 0) ||
	    str_to_u32(spec + 4, 1, 65535, &port) < 0) {
		err_set(&e, -EINVAL, "%s: listen %s is not known", name, spec);
		add_error(errors, &e);
	} else if (listener_open(a->answerer, ns, name, proto, (uint16_t)port, &l, &e) < 0) {
		add_error(errors, &e);
	} else {
		*VEC_PUSH(a->held, a->n_held, a->cap_held) = (struct held){
			.name = xstrdup(name), .spec = xstrdup(spec), .ns_inode = inode, .listener = l, .wanted = true
		};
	}
}

/* used: programs that already stand for an earlier line with the same command. */
static void begin_programs(struct agent *a, const json_t *place, int ns, uint64_t inode, json_t *errors)
{
	size_t k, had = a->n_programs;
	_cleanup_free_ bool *used = xcalloc(had + 1, sizeof(*used));
	const char *name = text_of(place, "name"), *hosts = text_of(place, "hosts");
	json_t *v;

	json_array_foreach(json_object_get(place, "run"), k, v)
	{
		struct program_setup s = { .lab = a->lab,
					   .name = name,
					   .command = json_string_value(v),
					   .log_fd = a->log_fd,
					   .hosts_fd = a->hosts_fd,
					   .hosts = *hosts ? hosts : NULL,
					   .ns_fd = ns,
					   .ns_inode = inode };
		struct err e = { 0 };
		struct program *p;
		size_t i;

		if (!s.command)
			continue;
		for (i = 0; i < had; i++)
			if (!used[i] && program_is(a->programs[i], name, inode, s.command))
				break;
		if (i < had)
			used[i] = true;
		else if (program_start(a->loop, &s, &p, &e) < 0)
			add_error(errors, &e);
		else
			*VEC_PUSH(a->programs, a->n_programs, a->cap_programs) = p;
	}
}

static void begin_new(struct agent *a, json_t *errors)
{
	size_t i, k;
	json_t *place, *v;

	json_array_foreach(a->wanted, i, place)
	{
		_cleanup_close_ int ns = netns_open(text_of(place, "ns"));
		const char *name = text_of(place, "name");

		if (ns < 0) {
			struct err e = { 0 };

			err_set(&e, ns, "%s: namespace %s: %s", name, text_of(place, "ns"), strerror(-ns));
			add_error(errors, &e);
			continue;
		}
		json_array_foreach(json_object_get(place, "listen"), k, v) if (json_is_string(v))
			begin_listener(a, ns, inode_of(ns), name, json_string_value(v), errors);
		begin_programs(a, place, ns, inode_of(ns), errors);
	}
}

static void converge(struct agent *a)
{
	json_t *errors;

	if (a->seq < 0)
		return;
	mark(a);
	if (!end_unwanted(a) || !leftovers_are_gone(a))
		return;
	timer_stop(a->killer);
	errors = json_array();
	begin_new(a, errors);
	say(a, json_pack("{sIso}", "done", a->seq, "errors", errors));
	a->seq = -1;
	if (a->quitting)
		loop_stop(a->loop);
}

static void agent_done(struct agent *a)
{
	client_close(a);
	for (size_t i = 0; i < a->n_held; i++)
		held_done(&a->held[i]);
	for (size_t i = 0; i < a->n_programs; i++)
		program_free(&a->programs[i]);
	free(a->held);
	free(a->programs);
	free(a->keep);
	json_decref(a->wanted);
	answerer_free(&a->answerer);
	timer_free(&a->killer);
	timer_free(&a->sweeper);
	close(a->log_fd);
	close(a->hosts_fd);
	loop_free(&a->loop);
}

static void on_killer(void *ctx)
{
	struct agent *a = ctx;

	mark(a);
	for (size_t i = 0; i < a->n_programs; i++)
		if (!a->keep[i])
			program_stop(a->programs[i], SIGKILL);
	timer_set_ms(a->killer, TERM_MS);
}

static void on_sweeper(void *ctx)
{
	converge(ctx);
}

static void on_child(struct agent *a, pid_t pid, int status)
{
	for (size_t i = 0; i < a->n_programs; i++) {
		struct program *p = a->programs[i];

		if (program_pid(p) != pid)
			continue;
		program_ended(p, status);
		say(a, json_pack("{s{ssssso so}}", "exit", "name", program_name(p), "run", program_command(p), "code",
				 WIFEXITED(status) ? json_integer(WEXITSTATUS(status)) : json_null(), "signal",
				 WIFSIGNALED(status) ? json_integer(WTERMSIG(status)) : json_null()));
	}
}

static void on_signal(void *ctx, int signo)
{
	struct agent *a = ctx;
	int status;
	pid_t pid;

	if (signo == SIGCHLD) {
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			on_child(a, pid, status);
		converge(a);
	} else if (signo != SIGHUP) {
		json_decref(a->wanted);
		a->wanted = json_array();
		a->seq = 0;
		a->quitting = true;
		converge(a);
	}
}
