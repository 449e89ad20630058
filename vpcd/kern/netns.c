/* netns.c: network namespaces: going into them, making them, in bulk too. Kernel room.
 *
 * Published as `ip netns` does it, so that `ip netns exec` works. A namespace belongs to the user
 * namespace of the process that unshares it: instances' ones are made by a child that has joined
 * the lab's, one after another, while the parent mounts and fills those it got. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "kern/ns.h"
#include "util/mem.h"

int netns_open(const char *name)
{
	_cleanup_free_ char *path = NULL;
	int fd;

	if (!*name || *name == '.' || strchr(name, '/'))
		return -EINVAL;
	path = xasprintf(NETNS_DIR "/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

uint64_t netns_inode(const char *name)
{
	char path[sizeof(NETNS_DIR) + NAME_MAX + 1];
	struct stat st;

	if (!*name || *name == '.' || strchr(name, '/') ||
	    (size_t)snprintf(path, sizeof(path), NETNS_DIR "/%s", name) >= sizeof(path))
		return 0;
	return lstat(path, &st) < 0 ? 0 : st.st_ino;
}

int netns_enter(int ns_fd)
{
	return setns(ns_fd, CLONE_NEWNET) < 0 ? -errno : 0;
}

void netns_leave(int self_fd)
{
	if (setns(self_fd, CLONE_NEWNET) < 0)
		abort(); /* anything done now would be done to the wrong network */
}

static int self_netns(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int netns_call(int ns_fd, int (*fn)(void *ctx), void *ctx)
{
	_cleanup_close_ int self = self_netns();
	int r;

	if (self < 0)
		return self;
	r = netns_enter(ns_fd);
	if (r < 0)
		return r;
	r = fn(ctx);
	netns_leave(self);
	return r;
}

int netns_owner(int ns_fd)
{
	int fd = ioctl(ns_fd, NS_GET_USERNS);

	return fd < 0 ? -errno : fd;
}

/* Says that the mount on NETNS_DIR is this daemon's, so that it may take it away again. */
static char *netns_dir_mark(const struct kern_dirs *dirs)
{
	return xasprintf("%s/netns-mounted", dirs->run_dir);
}

/* As iproute2: a mount point of its own, shared, so that mounts reach other mount namespaces. */
int netns_dir_prepare(const struct kern_dirs *dirs, struct err *e)
{
	_cleanup_free_ char *mark = netns_dir_mark(dirs);
	_cleanup_close_ int dir = -1, made = -1;

	if (mkdir(NETNS_DIR, 0755) < 0 && errno != EEXIST)
		return err_set(e, -errno, "%s: %s", NETNS_DIR, strerror(errno));
	dir = open(NETNS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(e, -errno, "%s: %s", NETNS_DIR, strerror(errno));
	/* Two that bind at once would stack two mounts; iproute2 takes the same lock. */
	flock(dir, LOCK_EX);
	if (mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) == 0)
		return 0;
	if (errno != EINVAL)
		return err_set(e, -errno, "making %s shared: %s", NETNS_DIR, strerror(errno));
	made = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (made < 0)
		return err_set(e, -errno, "%s: %s", mark, strerror(errno));
	if (mount(NETNS_DIR, NETNS_DIR, "none", MS_BIND | MS_REC, NULL) < 0)
		return err_set(e, -errno, "mounting %s on itself: %s", NETNS_DIR, strerror(errno));
	if (mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) < 0)
		return err_set(e, -errno, "making %s shared: %s", NETNS_DIR, strerror(errno));
	return 0;
}

void netns_dir_release(const struct kern_dirs *dirs)
{
	_cleanup_free_ char *mark = netns_dir_mark(dirs);
	struct dirent *de;
	DIR *dir;
	int names = 0;

	if (access(mark, F_OK) < 0)
		return;
	dir = opendir(NETNS_DIR);
	if (!dir)
		return;
	flock(dirfd(dir), LOCK_EX);
	while ((de = readdir(dir)))
		names += de->d_name[0] != '.';
	closedir(dir); /* an open folder keeps the mount busy */
	if (!names && umount2(NETNS_DIR, UMOUNT_NOFOLLOW) == 0)
		unlink(mark);
}

int netns_new(int self_fd, struct err *e)
{
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		return err_set(e, -errno, "new network namespace: %s", strerror(errno));
	fd = self_netns();
	netns_leave(self_fd);
	return fd < 0 ? err_set(e, fd, "new network namespace: %s", strerror(-fd)) : fd;
}

/* ---- many, by a child ---- */

struct netns_maker {
	pid_t pid;
	int sock;
};

/* Sends one fd, or the errno that ended it. */
static int send_fd(int sock, int fd, int error)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { .buf = { 0 } };
	struct iovec iov = { &error, sizeof(error) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (!error) {
		m.msg_control = control.buf;
		m.msg_controllen = sizeof(control.buf);
		CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &fd, sizeof(fd));
	}
	return sendmsg(sock, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static _Noreturn void maker_child(int sock, int userns_fd, uint32_t count)
{
	int error = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setns(userns_fd, CLONE_NEWUSER) < 0)
		error = errno;
	for (uint32_t i = 0; i < count && !error; i++) {
		int fd = -1;

		if (unshare(CLONE_NEWNET) < 0)
			error = errno;
		else if ((fd = self_netns()) < 0)
			error = -fd;
		/* The socket's buffer is the bound on how far it runs ahead. */
		if (!error && send_fd(sock, fd, 0) < 0)
			break;
		if (fd >= 0)
			close(fd);
	}
	if (error)
		send_fd(sock, -1, error);
	_exit(0);
}

int netns_maker_start(int userns_fd, uint32_t count, struct netns_maker **ret, struct err *e)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(e, -errno, "socket pair: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		maker_child(pair[1], userns_fd, count);
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return err_set(e, -errno, "fork: %s", strerror(errno));
	}
	*ret = xcalloc(1, sizeof(**ret));
	**ret = (struct netns_maker){ .pid = pid, .sock = pair[0] };
	return 0;
}

int netns_maker_next(struct netns_maker *m, struct err *e)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	int error = 0, fd = -1;
	struct iovec iov = { &error, sizeof(error) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf)
	};
	struct cmsghdr *c;
	ssize_t n;

	do
		n = recvmsg(m->sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(e, -errno, "new network namespace: %s", strerror(errno));
	if (n == 0)
		return err_set(e, -EIO, "new network namespace: the process that makes them died");
	if (error)
		return err_set(e, -error, "new network namespace: %s", strerror(error));
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_type != SCM_RIGHTS) /* our own table of files is full */
		return err_set(e, -EMFILE, "new network namespace: %s", strerror(EMFILE));
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

void netns_maker_stop(struct netns_maker **m)
{
	if (!*m)
		return;
	close((*m)->sock);
	kill((*m)->pid, SIGKILL);
	while (waitpid((*m)->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(*m);
	*m = NULL;
}
