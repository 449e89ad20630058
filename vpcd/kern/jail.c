/* jail.c: the process namespace of a program inside an instance. Kernel room, never prints.
 *
 *   caller ── init (process 1 inside: reaps, passes signals on) ── the program
 *
 * All instances of a lab have one user namespace, so their roots are one user: without a process
 * namespace they could signal and trace each other, and with CAP_SYS_ADMIN step into each other's
 * networks. The namespace dies with init; init lives as long as anything the program started. */
#include "kern/jail.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "util/mem.h"

/* setns() and mounts; whoever needs them takes a user namespace more, which owns nothing of the lab. */
static const int dropped[] = { CAP_SYS_ADMIN, CAP_SYS_MODULE, CAP_SYS_BOOT, CAP_SYS_RAWIO, CAP_SYS_TIME, CAP_MKNOD };
static const int passed_on[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT };

#define INIT_NAME "vpc-init"

static volatile pid_t below; /* whom signals are passed on to: of the caller init, of init the program */

static void pass_on(int signo, siginfo_t *info, void *ctx)
{
	int keep = errno;

	(void)ctx;
	/* What a terminal sends goes to its whole foreground group, so the program has it already. */
	if (below > 0 && info->si_code <= 0)
		kill(below, signo);
	errno = keep;
}

struct signals {
	struct sigaction old[ARRAY_SIZE(passed_on)];
	sigset_t mask;
};

/* From here on they are caught, but held back until it is known whom to pass them on to. */
static void signals_catch(struct signals *ret_s)
{
	struct sigaction sa = { .sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART };
	sigset_t all;

	sigfillset(&all);
	sa.sa_mask = all;
	sigprocmask(SIG_SETMASK, &all, &ret_s->mask);
	for (size_t i = 0; i < ARRAY_SIZE(passed_on); i++)
		sigaction(passed_on[i], &sa, &ret_s->old[i]);
}

static void signals_go_to(const struct signals *s, pid_t pid)
{
	below = pid;
	sigprocmask(SIG_SETMASK, &s->mask, NULL);
}

static void signals_restore(const struct signals *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(passed_on); i++)
		sigaction(passed_on[i], &s->old[i], NULL);
	sigprocmask(SIG_SETMASK, &s->mask, NULL);
}

/* Process 1 until nothing is left; says how the program ended as soon as it has. */
static _Noreturn void init_run(pid_t program, bool bound, int report)
{
	struct jail_end end = { 0 };
	siginfo_t info;
	int null;
	pid_t pid;

	for (;;) {
		pid = waitpid(-1, &end.status, 0);
		if (pid < 0 && errno != EINTR)
			_exit(0);
		if (pid != program)
			continue;
		below = 0;
		if (!bound)
			prctl(PR_SET_PDEATHSIG, 0);
		/* What it started is process 1's by now. */
		end.left = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		for (int fd = 0; null >= 0 && fd <= 2; fd++)
			dup2(null, fd); /* who reads the program's output waits for its end */
		(void)!write(report, &end, sizeof(end));
		close(report);
	}
}

/* Becomes init. Returns in the program only. */
static void init_start(int (*become)(void *ctx), void *ctx, bool bound, int report, const struct signals *s)
{
	struct jail_end end = { 0 };
	int code = 0;
	pid_t pid;

	/* Some containers refuse a proc of one's own. The one that is there shows others, but cannot be used to
	 * signal or trace them: their numbers there are none here. */
	mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	if (become)
		code = become(ctx);
	if (code)
		goto out;
	for (size_t i = 0; i < ARRAY_SIZE(dropped); i++)
		prctl(PR_CAPBSET_DROP, dropped[i]);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* after become(): a change of user forgets it */
	pid = fork();
	if (pid == 0) {
		close(report);
		signals_restore(s);
		return;
	}
	if (pid > 0) {
		signals_go_to(s, pid);
		jail_rename(INIT_NAME);    /* not before: the program's words may be the arguments */
		prctl(PR_SET_DUMPABLE, 0); /* it still has what the program must not get */
		report = dup2(report, STDERR_FILENO + 1);
		close_range(STDERR_FILENO + 2, ~0u, 0); /* whatever is open here: init does not exec */
		init_run(pid, bound, report);
	}
	code = 126;
out:
	end.status = W_EXITCODE(code, 0);
	(void)!write(report, &end, sizeof(end));
	_exit(0);
}

/* The arguments of a process lie behind each other in memory; argv[0] is the first. */
void jail_rename(const char *text)
{
	_cleanup_close_ int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	char old[256];
	ssize_t n = fd >= 0 ? read(fd, old, sizeof(old)) : 0;

	if (n > 0) {
		memset(program_invocation_name, 0, (size_t)n);
		memcpy(program_invocation_name, text, strnlen(text, (size_t)n - 1));
	}
	prctl(PR_SET_NAME, text);
}

int jail_fork(int (*become)(void *ctx), void *ctx, bool bound, struct jail_end *ret, struct err *e)
{
	struct signals s;
	_cleanup_close_ int said = -1, report = -1;
	int pipes[2], r = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return err_set(e, -errno, "pipe: %s", strerror(errno));
	said = pipes[0];
	report = pipes[1];
	if (unshare(CLONE_NEWPID | CLONE_NEWIPC) < 0)
		return err_set(e, -errno, "no process namespace of its own: %s", strerror(errno));
	signals_catch(&s);
	pid = fork();
	if (pid == 0) {
		close(TAKE_FD(said));
		init_start(become, ctx, bound, TAKE_FD(report), &s);
		return 0;
	}
	if (pid < 0) {
		r = err_set(e, -errno, "fork: %s", strerror(errno));
		goto out;
	}
	signals_go_to(&s, pid);
	close(TAKE_FD(report));
	do
		n = read(said, ret, sizeof(*ret));
	while (n < 0 && errno == EINTR);
	below = 0;
	if (n != sizeof(*ret))
		*ret = (struct jail_end){ .status = SIGKILL }; /* init was killed, and everything with it */
	if (!ret->left)
		waitpid(pid, NULL, 0); /* it ends at once */
	r = 1;
out:
	signals_restore(&s);
	return r;
}
