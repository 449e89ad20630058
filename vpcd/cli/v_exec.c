/* v_exec.c: vpc exec and vpc shell: a command inside an instance or host.
 *
 * Works without the daemon: the namespaces hold everything. The command gets the instance's network, a
 * mount namespace in which /sys shows that network and /etc/hosts the names of the lab, the instance's
 * host name, the lab's user namespace, where it is root and nobody on the machine, and a process
 * namespace of its own (kern/jail.h). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cli/client.h"
#include "cli/hosts.h"
#include "cli/verbs.h"
#include "kern/exec_path.h"
#include "kern/jail.h"
#include "kern/names.h"
#include "kern/kern.h"
#include "util/mem.h"
#include "util/str.h"

struct place {
	char lab[LAB_SIZE], name[LAB_SIZE];
	char ns[2 * LAB_SIZE]; /* LAB.NAME */
};

struct way_in {
	const struct place *place;
	int user_fd;
};

static int enter(const struct args *a, const char *word, char **argv);
static int place_find(const struct args *a, const char *word, struct place *ret);
static int place_search(const struct args *a, struct place *ret);
static int enter_namespaces(const struct place *p, int net_fd);
static void mounts_make(const struct place *p);
static int confine(const struct place *p, int user_fd, char **argv);
static int become_root_inside(void *ctx);
static bool same_owner(int net_fd, int user_fd);
static int run(char **argv);

int exec_run(const struct args *a)
{
	return enter(a, a->words[0], a->words + 1);
}

int shell_run(const struct args *a)
{
	const char *shell = getenv("SHELL");
	char *argv[] = { (char *)(shell && access(shell, X_OK) == 0 ? shell : "/bin/sh"), NULL };

	return enter(a, a->words[0], argv);
}

static int enter(const struct args *a, const char *word, char **argv)
{
	const struct kern_dirs dirs = { run_dir(), state_dir(), bpf_dir() };
	_cleanup_close_ int net_fd = -1, user_fd = -1;
	struct place p;
	int r = place_find(a, word, &p);

	if (r)
		return r;
	if (geteuid() != 0)
		return fail(EXIT_EXEC, "entering %s needs root; run the same as root, e.g. with sudo", p.ns);
	user_fd = userns_open(p.lab, &dirs);
	if (user_fd < 0)
		return fail(EXIT_EXEC, "no lab %s is running; vpc show lists labs, vpc up FILE brings one up", p.lab);
	net_fd = netns_open(p.ns);
	if (net_fd < 0)
		return fail(
			EXIT_EXEC,
			"lab %s has no instance or host %s running (no namespace %s); vpc show instances --lab %s lists them",
			p.lab, p.name, p.ns, p.lab);
	if (!same_owner(net_fd, user_fd))
		return fail(EXIT_EXEC, "%s is no instance or host of lab %s; exec enters those only", p.ns, p.lab);
	r = enter_namespaces(&p, net_fd);
	return r ? r : confine(&p, user_fd, argv);
}

static int place_find(const struct args *a, const char *word, struct place *ret)
{
	const char *slash = strchr(word, '/'), *name = slash ? slash + 1 : word;

	if (!str_is_name(name) || (slash && slash == word))
		return fail(EXIT_EXEC, "%s: \"%s\" is no INSTANCE or LAB/INSTANCE", a->verb->name, word);
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	if (slash && a->lab && (strlen(a->lab) != (size_t)(slash - word) || strncmp(a->lab, word, strlen(a->lab)) != 0))
		return fail(EXIT_EXEC, "%s: --lab %s and %s name two labs", a->verb->name, a->lab, word);
	if (slash)
		snprintf(ret->lab, sizeof(ret->lab), "%.*s", (int)(slash - word), word);
	else if (a->lab)
		snprintf(ret->lab, sizeof(ret->lab), "%s", a->lab);
	else {
		int r = place_search(a, ret);

		if (r)
			return r;
	}
	if (!str_is_name(ret->lab))
		return fail(EXIT_EXEC, "%s: \"%s\" is no name of a lab", a->verb->name, ret->lab);
	snprintf(ret->ns, sizeof(ret->ns), "%s.%s", ret->lab, ret->name);
	return 0;
}

/* The only lab with a namespace LAB.NAME. A lab's name has no dot. */
static int place_search(const struct args *a, struct place *ret)
{
	_cleanup_strbuf_ struct strbuf all = { 0 };
	const struct kern_dirs dirs = { run_dir(), state_dir(), bpf_dir() };
	DIR *d = opendir("/run/netns");
	struct dirent *entry;
	unsigned n = 0;

	while (d && (entry = readdir(d))) {
		const char *dot = strchr(entry->d_name, '.');
		_cleanup_close_ int fd = -1;
		char lab[LAB_SIZE];

		if (!dot || strcmp(dot + 1, ret->name) != 0 || dot - entry->d_name >= LAB_SIZE)
			continue;
		snprintf(lab, sizeof(lab), "%.*s", (int)(dot - entry->d_name), entry->d_name);
		fd = userns_open(lab, &dirs);
		if (fd < 0 && fd != -EACCES)
			continue;
		strbuf_addf(&all, "%s%s/%s", n++ ? ", " : "", lab, ret->name);
		snprintf(ret->lab, sizeof(ret->lab), "%s", lab);
	}
	if (d)
		closedir(d);
	if (n == 1)
		return 0;
	if (n == 0)
		return fail(EXIT_EXEC, "%s: no running lab has an instance or host \"%s\"; vpc show lists labs",
			    a->verb->name, ret->name);
	return fail(EXIT_EXEC, "%s: which one? %s", a->verb->name, all.s);
}

static int enter_namespaces(const struct place *p, int net_fd)
{
	if (setns(net_fd, CLONE_NEWNET) < 0)
		return fail(EXIT_EXEC, "%s: its network cannot be joined: %s", p->ns, strerror(errno));
	if (unshare(CLONE_NEWNS | CLONE_NEWUTS) < 0)
		return fail(EXIT_EXEC, "%s: no mount namespace of its own: %s", p->ns, strerror(errno));
	mounts_make(p);
	if (sethostname(p->name, strlen(p->name)) < 0)
		warn_line("the host name is not set to %s: %s", p->name, strerror(errno));
	return 0;
}

/* The program's own exit code, or what a shell says of a signal. */
static int confine(const struct place *p, int user_fd, char **argv)
{
	struct way_in way = { p, user_fd };
	struct jail_end end;
	struct err e = { 0 };
	int r;

	fflush(NULL);
	r = jail_fork(become_root_inside, &way, false, &end, &e);
	if (r < 0)
		return fail(EXIT_EXEC, "%s: %s", p->ns, e.msg);
	if (r == 0)
		_exit(run(argv));
	return WIFEXITED(end.status) ? WEXITSTATUS(end.status) : 128 + WTERMSIG(end.status);
}

/* Made by the machine's root, so root inside cannot take them away. */
static void mounts_make(const struct place *p)
{
	_cleanup_free_ char *hosts = NULL;
	int r;

	mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL);
	if (mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		warn_line("/sys shows the machine's devices, not those of %s: %s", p->ns, strerror(errno));
	hosts = hosts_file_of(p->lab, p->name);
	r = hosts ? names_mount(hosts) : 0;
	if (r < 0)
		warn_line("the lab's names are not in /etc/hosts: %s", strerror(-r));
}

static int become_root_inside(void *ctx)
{
	const struct way_in *way = ctx;
	const struct place *p = way->place;

	if (setns(way->user_fd, CLONE_NEWUSER) < 0)
		return fail(EXIT_EXEC, "%s: the lab's user namespace cannot be joined: %s", p->ns, strerror(errno));
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return fail(EXIT_EXEC, "%s: cannot become root inside: %s", p->ns, strerror(errno));
	setenv("HOME", "/", 1); /* the caller's home is not open to it */
	setenv("VPC_LAB", p->lab, 1);
	setenv("VPC_INSTANCE", p->name, 1);
	if (access(".", X_OK) < 0 && chdir("/") < 0)
		return fail(EXIT_EXEC, "/: %s", strerror(errno));
	return 0;
}

/* Is it the lab's user namespace that owns the network? Gateways and routers are the machine's. */
static bool same_owner(int net_fd, int user_fd)
{
	_cleanup_close_ int owner = ioctl(net_fd, NS_GET_USERNS);
	struct stat a, b;

	return owner >= 0 && fstat(owner, &a) == 0 && fstat(user_fd, &b) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

static int run(char **argv)
{
	int r;

	fflush(NULL);
	signal(SIGPIPE, SIG_DFL);
	r = exec_path(getenv("PATH"), argv, environ);
	return fail(EXIT_EXEC, "%s cannot be run: %s", argv[0],
		    r == -ENOENT && !strchr(argv[0], '/') ? "there is no such command in PATH" : strerror(-r));
}
