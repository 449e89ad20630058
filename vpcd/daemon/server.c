/* server.c: start, labs on disk, signals, end. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "daemon/alarms.h"
#include "daemon/api.h"
#include "daemon/crew.h"
#include "daemon/events.h"
#include "daemon/http.h"
#include "daemon/lab.h"
#include "daemon/loop.h"
#include "daemon/server.h"
#include "daemon/store.h"
#include "daemon/transaction.h"
#include "util/log.h"
#include "util/mem.h"
#include "util/str.h"

enum { IDLE_LOOK_MS = 500 };

static int take_run_dir(struct server *s, struct err *e);
static int load_labs(struct server *s, struct err *e);
static void find_orphans(struct server *s);
static void on_signal(void *ctx, int signo);
static void on_idle(void *ctx);
static void names_free(char **names);

int server_run(const struct server_options *o, struct err *e)
{
	_cleanup_free_ char *socket = xasprintf("%s/vpcd.sock", o->dirs.run_dir);
	_cleanup_free_ char *view = xasprintf("%s/view.sock", o->dirs.run_dir);
	struct http_setup setup = {
		.socket = socket, .view_socket = view, .table = api_table, .metrics_port = o->metrics_port
	};
	struct server s = {
		.dirs = o->dirs, .exit_when_idle_s = o->exit_when_idle_s, .allow_uplink = o->allow_uplink, .lock_fd = -1
	};
	struct rlimit files;
	sigset_t set;
	int r;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	signal(SIGPIPE, SIG_IGN);
	umask(022);
	r = take_run_dir(&s, e);
	if (r < 0)
		return r;
	s.loop = loop_new();
	s.events = events_new();
	s.idle = timer_new(s.loop, on_idle, &s);
	setup.ctx = &s;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	r = loop_signals(s.loop, &set, on_signal, &s, e);
	if (r == 0)
		r = load_labs(&s, e);
	if (r == 0)
		r = http_new(s.loop, &setup, &s.http, e);
	if (r == 0) {
		log_info("vpcd", NULL, "version %s, listening on %s", VPCD_VERSION, socket);
		timer_set_ms(s.idle, IDLE_LOOK_MS);
		r = loop_run(s.loop, e);
	}
	http_free(&s.http);
	while (s.n_labs)
		server_lab_remove(&s, s.labs[s.n_labs - 1]);
	free(s.labs);
	timer_free(&s.idle);
	events_free(&s.events);
	loop_free(&s.loop);
	close(s.lock_fd);
	return r;
}

struct lab *server_lab(const struct server *s, const char *name)
{
	for (size_t i = 0; i < s->n_labs; i++)
		if (strcmp(s->labs[i]->name, name) == 0)
			return s->labs[i];
	return NULL;
}

struct lab *server_lab_add(struct server *s, const char *name)
{
	struct lab *l = lab_new(s, name);
	size_t at = s->n_labs;

	*VEC_PUSH(s->labs, s->n_labs, s->cap_labs) = l;
	for (; at > 0 && strcmp(s->labs[at - 1]->name, name) > 0; at--) {
		s->labs[at] = s->labs[at - 1];
		s->labs[at - 1] = l;
	}
	return l;
}

void server_lab_remove(struct server *s, struct lab *l)
{
	for (size_t i = 0; i < s->n_labs; i++) {
		if (s->labs[i] != l)
			continue;
		memmove(&s->labs[i], &s->labs[i + 1], (s->n_labs - i - 1) * sizeof(*s->labs));
		s->n_labs--;
		break;
	}
	lab_free(&l);
}

/* One daemon a run directory. The lock ends with the process, however that ends. */
static int take_run_dir(struct server *s, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/vpcd.lock", s->dirs.run_dir);
	_cleanup_free_ char *pid = xasprintf("%d\n", (int)getpid());

	if (mkdir(s->dirs.run_dir, 0755) < 0 && errno != EEXIST)
		return err_set(e, errno, "%s: %s", s->dirs.run_dir, strerror(errno));
	if (mkdir(s->dirs.state_dir, 0700) < 0 && errno != EEXIST)
		return err_set(e, errno, "%s: %s", s->dirs.state_dir, strerror(errno));
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock_fd < 0)
		return err_set(e, errno, "%s: %s", path, strerror(errno));
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		char other[32] = "";

		(void)!read(s->lock_fd, other, sizeof(other) - 1);
		other[strcspn(other, "\n")] = '\0';
		close(s->lock_fd);
		s->lock_fd = -1;
		return err_set(e, -EBUSY, "another vpcd (pid %s) already serves %s; VPCD_RUN_DIR moves this one aside",
			       *other ? other : "?", s->dirs.run_dir);
	}
	if (ftruncate(s->lock_fd, 0) < 0 || write(s->lock_fd, pid, strlen(pid)) < 0)
		return err_set(e, errno, "%s: %s", path, strerror(errno));
	return 0;
}

/* A lab whose files are broken is shown as failed; the others go on. */
static int load_labs(struct server *s, struct err *e)
{
	char **names = NULL;
	int r = store_labs(s->dirs.state_dir, &names, e);

	if (r < 0)
		return r;
	for (char **n = names; *n; n++) {
		struct lab *l = server_lab_add(s, *n);
		struct err why = { 0 };

		if (lab_load(l, &why) < 0) {
			lab_fail(l, &why);
			continue;
		}
		lab_set_state(l, LAB_APPLYING);
		transaction_ask(l, l->going ? ASK_DOWN : ASK_MEND, NULL);
	}
	names_free(names);
	find_orphans(s);
	return 0;
}

/* Things with our mark and no folder: somebody removed the folder. Shown, so that `down` can clear them. */
static void find_orphans(struct server *s)
{
	char **names = NULL;
	struct err e = { 0 };

	if (kern_labs(&s->dirs, &names, &e) < 0) {
		log_warn("vpcd", NULL, "%s", e.msg);
		return;
	}
	for (char **n = names; *n; n++) {
		struct err why = { 0 };

		if (!str_is_name(*n) || server_lab(s, *n))
			continue;
		err_set(&why, -ENOENT, "lab %s is in the kernel, but %s/%s is not there; `vpc down %s` clears it", *n,
			s->dirs.state_dir, *n, *n);
		lab_fail(server_lab_add(s, *n), &why);
	}
	names_free(names);
}

static void on_signal(void *ctx, int signo)
{
	struct server *s = ctx;

	if (signo == SIGCHLD) {
		for (size_t i = 0; i < s->n_labs; i++) {
			crew_reap(s->labs[i]->crew);
			alarms_child_ended(s->labs[i]->alarms);
		}
	} else if (signo != SIGHUP) {
		log_info("vpcd", NULL, "ending; labs stay as they are");
		loop_stop(s->loop);
	}
}

/* Counts from the moment there is neither a lab nor anybody asking. */
static void on_idle(void *ctx)
{
	struct server *s = ctx;
	uint64_t now = clock_ns();

	if (!s->exit_when_idle_s)
		return;
	timer_set_ms(s->idle, IDLE_LOOK_MS);
	if (s->n_labs || http_open_requests(s->http)) {
		s->idle_since_ns = 0;
		return;
	}
	if (!s->idle_since_ns)
		s->idle_since_ns = now;
	if (now - s->idle_since_ns >= s->exit_when_idle_s * 1000000000ull) {
		log_info("vpcd", NULL, "no lab is left: ending");
		loop_stop(s->loop);
	}
}

static void names_free(char **names)
{
	for (char **n = names; n && *n; n++)
		free(*n);
	free(names);
}
