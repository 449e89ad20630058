/* start.c: starts vpcd beside vpc when none answers. That daemon ends by itself some seconds after its
 * last lab; what it says goes to RUN_DIR/vpcd.log. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "cli/client.h"
#include "util/mem.h"
#include "util/str.h"

#define IDLE_S "10" /* seconds without a lab after which it ends */
enum { START_MS_MAX = 15000, LOOK_EVERY_MS = 5, LOG_MAX = 1 << 20 };

static bool program_find(char *path, size_t size);
static bool program_at(const char *dir, size_t len, char *path, size_t size);
static void child_run(const char *program, int log_fd) __attribute__((noreturn));
static int answer_wait(pid_t child, const char *log_path, off_t log_from);
static int log_open(char *path, size_t size);
static char *log_last_line(const char *path, off_t from);

int daemon_start(void)
{
	char program[4096], log_path[4096];
	_cleanup_close_ int log_fd = -1;
	off_t log_from;
	pid_t child;

	if (client_answers())
		return 0;
	if (access(run_dir(), F_OK) == 0 && access(run_dir(), X_OK) != 0)
		return fail(EXIT_CANNOT, "%s is not open to you; run vpc as root", run_dir());
	if (client_refused())
		return fail(EXIT_CANNOT, "%s/vpcd.sock is not open to you; run vpc as root, or join the group vpcd",
			    run_dir());
	if (geteuid() != 0)
		return fail(
			EXIT_CANNOT,
			"no vpcd answers on %s/vpcd.sock, and starting one needs root; run the same as root, e.g. with sudo",
			run_dir());
	if (!program_find(program, sizeof(program)))
		return fail(
			EXIT_CANNOT,
			"no vpcd answers, and there is no program vpcd beside vpc or in PATH; build it with make, or install it");
	log_fd = log_open(log_path, sizeof(log_path));
	if (log_fd < 0)
		return fail(EXIT_CANNOT, "vpcd's log cannot be written: %s: %s", log_path, strerror(errno));
	fprintf(stderr, "starting vpcd (it ends by itself after the last lab; its log is %s)\n", log_path);
	log_from = lseek(log_fd, 0, SEEK_END);
	child = fork();
	if (child < 0)
		return fail(EXIT_CANNOT, "vpcd cannot be started: fork: %s", strerror(errno));
	if (child == 0)
		child_run(program, log_fd);
	return answer_wait(child, log_path, log_from);
}

/* Beside vpc, then along PATH, then where daemons live, which many a PATH lacks. */
static bool program_find(char *path, size_t size)
{
	static const char *const usual = "/usr/local/sbin:/usr/sbin:/sbin";
	char self[4096];
	const char *lists[2] = { getenv("PATH"), usual };
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n > 0) {
		self[n] = '\0';
		if (program_at(self, (size_t)(strrchr(self, '/') - self), path, size))
			return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (const char *p = lists[i]; p && *p; p += strcspn(p, ":"), p += *p == ':')
			if (program_at(p, strcspn(p, ":"), path, size))
				return true;
	return false;
}

static bool program_at(const char *dir, size_t len, char *path, size_t size)
{
	return (size_t)snprintf(path, size, "%.*s/vpcd", (int)len, dir) < size && access(path, X_OK) == 0;
}

static void child_run(const char *program, int log_fd)
{
	char *argv[] = { (char *)program, (char *)"--exit-when-idle", (char *)IDLE_S, NULL };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	setsid();
	if (chdir("/") < 0 || null < 0)
		_exit(126);
	dup2(null, STDIN_FILENO);
	dup2(log_fd, STDOUT_FILENO);
	dup2(log_fd, STDERR_FILENO);
	execv(program, argv);
	_exit(126);
}

static int answer_wait(pid_t child, const char *log_path, off_t log_from)
{
	static const struct timespec pause = { .tv_nsec = LOOK_EVERY_MS * 1000000L };
	int status;

	for (int ms = 0; ms < START_MS_MAX; ms += LOOK_EVERY_MS) {
		if (client_answers())
			return 0;
		if (waitpid(child, &status, WNOHANG) == child) {
			_cleanup_free_ char *line = log_last_line(log_path, log_from);

			return fail(EXIT_CANNOT, "vpcd could not start: %s", *line ? line : "it said nothing");
		}
		nanosleep(&pause, NULL);
	}
	return fail(EXIT_CANNOT, "vpcd was started but does not answer after %d seconds; see %s", START_MS_MAX / 1000,
		    log_path);
}

static int log_open(char *path, size_t size)
{
	struct stat st;
	int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW;

	snprintf(path, size, "%s", run_dir());
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return -1;
	snprintf(path, size, "%s/vpcd.log", run_dir());
	if (stat(path, &st) == 0 && st.st_size > LOG_MAX)
		flags |= O_TRUNC;
	return open(path, flags, 0640);
}

static char *log_last_line(const char *path, off_t from)
{
	_cleanup_free_ char *text = NULL;
	char *line;
	size_t len;

	if (read_whole_file(path, 2 * LOG_MAX, &text, &len) < 0 || (off_t)len <= from)
		return xstrdup("");
	line = str_trim(text + from);
	return xstrdup(strrchr(line, '\n') ? strrchr(line, '\n') + 1 : line);
}
