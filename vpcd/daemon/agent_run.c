/* agent_run.c: starting a program inside an instance and keeping what it prints.
 *
 * The child joins the instance's network, takes a mount namespace in which /etc/hosts holds the lab's
 * names and /sys shows the instance's devices, and leads a session of its own. The program itself is kept to a
 * process namespace (kern/jail.h), which the child outlives: as long as it lives, and no longer, whatever the
 * program started may run, so its end is the end of all of it.
 * Output goes through a pipe into NAME.log of the lab's log folder, which is turned over at LOG_MAX. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include "daemon/agent_run.h"
#include "daemon/loop.h"
#include "kern/exec_path.h"
#include "kern/jail.h"
#include "kern/names.h"
#include "model/command.h"
#include "util/log.h"
#include "util/mem.h"
#include "util/str.h"

enum { LOG_MAX = 1024 * 1024, READ_MAX = 16 * 1024 };

struct program {
	struct loop *loop;
	char *name, *command, *log_file;
	int log_fd; /* borrowed: the folder */
	uint64_t ns_inode;
	pid_t pid;
	int out_fd; /* what it prints; -1 */
};

static _Noreturn void child(const struct program_setup *s, char **argv, int out_fd);
static void on_output(void *ctx, int fd, uint32_t events);
static void drain(struct program *p);
static void log_bytes(struct program *p, const char *bytes, size_t n);
static void log_note(struct program *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

int program_start(struct loop *l, const struct program_setup *s, struct program **ret, struct err *e)
{
	_cleanup_free_ char **argv = NULL;
	struct program *p;
	int pipes[2], r;
	pid_t pid;

	r = command_split(s->command, &argv, e);
	if (r < 0)
		return err_wrap(e, "%s: run %s", s->name, s->command);
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return err_set(e, errno, "%s: pipe: %s", s->name, strerror(errno));
	pid = fork();
	if (pid == 0)
		child(s, argv, pipes[1]);
	close(pipes[1]);
	if (pid < 0) {
		r = err_set(e, errno, "%s: fork: %s", s->name, strerror(errno));
		close(pipes[0]);
		return r;
	}
	p = xcalloc(1, sizeof(*p));
	*p = (struct program){
		.loop = l, .ns_inode = s->ns_inode, .pid = pid, .out_fd = pipes[0], .log_fd = s->log_fd
	};
	p->name = xstrdup(s->name);
	p->command = xstrdup(s->command);
	p->log_file = xasprintf("%s.log", s->name);
	fcntl(p->out_fd, F_SETFL, O_NONBLOCK);
	loop_watch(l, p->out_fd, EPOLLIN, on_output, p);
	log_note(p, "started: %s", p->command);
	*ret = p;
	return 0;
}

void program_free(struct program **p)
{
	if (!*p)
		return;
	if ((*p)->out_fd >= 0) {
		loop_unwatch((*p)->loop, (*p)->out_fd);
		close((*p)->out_fd);
	}
	free((*p)->name);
	free((*p)->command);
	free((*p)->log_file);
	free(*p);
	*p = NULL;
}

bool program_is(const struct program *p, const char *name, uint64_t ns_inode, const char *command)
{
	return p->ns_inode == ns_inode && str_eq(p->name, name) && str_eq(p->command, command);
}

bool program_runs(const struct program *p)
{
	return p->pid != 0;
}

const char *program_name(const struct program *p)
{
	return p->name;
}

const char *program_command(const struct program *p)
{
	return p->command;
}

pid_t program_pid(const struct program *p)
{
	return p->pid;
}

void program_stop(struct program *p, int signo)
{
	if (!p->pid)
		return;
	kill(p->pid, signo); /* before its own setsid() there is no group yet */
	kill(-p->pid, signo);
}

void program_ended(struct program *p, int status)
{
	p->pid = 0;
	drain(p);
	if (WIFEXITED(status))
		log_note(p, "exit code %d: %s", WEXITSTATUS(status), p->command);
	else
		log_note(p, "ended by signal %d: %s", WTERMSIG(status), p->command);
}

/* ---- in the child ---- */

static _Noreturn void give_up(const char *what)
{
	dprintf(STDERR_FILENO, "[vpcd] %s: %s\n", what, strerror(errno));
	_exit(126);
}

static _Noreturn void child(const struct program_setup *s, char **argv, int out_fd)
{
	const char *path = getenv("PATH");
	char *env[] = {
		xasprintf("PATH=%s", path ? path : EXEC_PATH_USUAL),
		xstrdup("HOME=/"),
		xstrdup("LANG=C.UTF-8"),
		xasprintf("VPC_LAB=%s", s->lab),
		xasprintf("VPC_INSTANCE=%s", s->name),
		NULL,
	};
	int in = open("/dev/null", O_RDONLY), r;
	struct jail_end end;
	struct err e = { 0 };
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == 1)
		_exit(126); /* the agent died meanwhile */
	setsid();
	dup2(out_fd, STDOUT_FILENO);
	dup2(out_fd, STDERR_FILENO);
	if (in >= 0)
		dup2(in, STDIN_FILENO);
	if (setns(s->ns_fd, CLONE_NEWNET) < 0)
		give_up("cannot join its network");
	/* The lab's user may not be allowed to walk to that folder, and a descriptor of another mount namespace
	 * cannot be mounted; but the working directory moves along into the new one. */
	if (fchdir(s->hosts_fd) < 0)
		give_up("the folder with the lab's names");
	if (unshare(CLONE_NEWNS) < 0)
		give_up("no mount namespace");
	mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL);
	r = s->hosts ? names_mount(s->hosts) : 0;
	if (r < 0)
		dprintf(STDERR_FILENO, "[vpcd] names of the lab are not in /etc/hosts: %s\n", strerror(-r));
	/* Refused where parts of the machine's /sys are covered (some containers): then it shows those devices. */
	mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	if (chdir("/") < 0)
		give_up("/");
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	close_range(STDERR_FILENO + 1, ~0u, 0); /* the agent's: who waits for the program does not exec */
	jail_rename("vpcd-run");
	r = jail_fork(NULL, NULL, true, &end, &e);
	if (r == 0) {
		r = exec_path(path, argv, env);
		dprintf(STDERR_FILENO, "[vpcd] cannot run %s: %s\n", argv[0], strerror(-r));
		_exit(127);
	}
	if (r < 0) {
		dprintf(STDERR_FILENO, "[vpcd] %s\n", e.msg);
		_exit(126);
	}
	if (end.left) {
		dprintf(STDERR_FILENO, "[vpcd] what it started runs on: %s\n", s->command);
		while (wait(NULL) < 0 && errno == EINTR)
			;
	}
	if (WIFSIGNALED(end.status)) {
		signal(WTERMSIG(end.status), SIG_DFL);
		raise(WTERMSIG(end.status));
	}
	_exit(WEXITSTATUS(end.status));
}

/* ---- its log ---- */

static void on_output(void *ctx, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	drain(ctx);
}

static void drain(struct program *p)
{
	char buf[READ_MAX];
	ssize_t n;

	if (p->out_fd < 0)
		return;
	/* Bounded: a program that prints without end must not keep the loop from the others. */
	for (unsigned i = 0; i < 8; i++) {
		n = read(p->out_fd, buf, sizeof(buf));
		if (n <= 0)
			break;
		log_bytes(p, buf, (size_t)n);
	}
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	loop_unwatch(p->loop, p->out_fd);
	close(p->out_fd);
	p->out_fd = -1;
}

static void log_bytes(struct program *p, const char *bytes, size_t n)
{
	int fd = openat(p->log_fd, p->log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	struct stat st;

	if (fd < 0)
		return;
	(void)!write(fd, bytes, n);
	if (fstat(fd, &st) == 0 && st.st_size > LOG_MAX) {
		_cleanup_free_ char *old = xasprintf("%s.1", p->log_file);

		(void)!renameat(p->log_fd, p->log_file, p->log_fd, old);
	}
	close(fd);
}

static void log_note(struct program *p, const char *fmt, ...)
{
	_cleanup_free_ char *msg = NULL, *line = NULL;
	struct timespec ts;
	struct tm tm;
	char when[40];
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&msg, fmt, ap) < 0)
		msg = NULL;
	va_end(ap);
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	line = xasprintf("[vpcd] %s %s\n", when, msg ? msg : "");
	log_bytes(p, line, strlen(line));
}
