/* userns.c: the lab's user namespace and the files that keep namespaces alive. Kernel room.
 *
 * The user namespace owns the instances' network namespaces: root inside an instance is an
 * unprivileged user of the machine. A bind mount of it at RUN_DIR/ns/LAB.user outlives the daemon. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include "kern/ns.h"
#include "util/mem.h"
#include "util/str.h"

enum {
	/* 0x70000000..0x7ffeffff: free by systemd's table of UIDs; a block of 65,536 a lab, by its name. */
	UID_BASE = 0x70000000,
	UID_BLOCKS = 0x0ffe,
	UID_COUNT = 65536,
};

static char *userns_path(const char *lab, const struct kern_dirs *dirs)
{
	return xasprintf("%s/ns/%s.user", dirs->run_dir, lab);
}

uint64_t ns_inode(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static bool is_nsfs(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == NSFS_MAGIC;
}

int userns_open(const char *lab, const struct kern_dirs *dirs)
{
	_cleanup_free_ char *path = userns_path(lab, dirs);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return is_nsfs(fd) ? TAKE_FD(fd) : -ENOENT; /* a file whose mount a crash prevented */
}

static int map_ids(pid_t pid, const char *lab, struct err *e)
{
	static const char *const files[] = { "uid_map", "gid_map" };
	uint32_t hash = 2166136261u;
	char map[64];
	int n;

	for (const char *p = lab; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	n = snprintf(map, sizeof(map), "0 %u %u\n", (uint32_t)UID_BASE + hash % UID_BLOCKS * UID_COUNT, UID_COUNT);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *path = xasprintf("/proc/%d/%s", (int)pid, files[i]);
		_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

		if (fd < 0 || write(fd, map, (size_t)n) != n)
			return err_set(e, -errno, "user namespace of lab %s: %s: %s", lab, files[i], strerror(errno));
	}
	return 0;
}

/* A new user namespace; 0 or errno. The kernel makes none for a process in a chroot, so the child,
 * which needs no files, first goes to the root of its mount namespace. */
static int unshare_user(void)
{
	int mnt;

	if (unshare(CLONE_NEWUSER) == 0)
		return 0;
	if (errno != EPERM)
		return errno;
	mnt = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (mnt < 0 || setns(mnt, CLONE_NEWNS) < 0)
		return EPERM;
	return unshare(CLONE_NEWUSER) == 0 ? 0 : errno;
}

int userns_try(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(unshare_user());
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

/* The child unshares, says how that went, and lives until its end of the pipe closes. */
static _Noreturn void hold_new_userns(int say, int wait_fd)
{
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	c = (char)unshare_user();
	if (write(say, &c, 1) == 1)
		while (read(wait_fd, &c, 1) < 0 && errno == EINTR)
			;
	_exit(0);
}

static int new_userns(const char *lab, struct err *e)
{
	int say[2], hold[2], fd = -1, r = 0;
	char c = 0;
	pid_t pid;

	if (pipe2(say, O_CLOEXEC) < 0)
		return err_set(e, -errno, "pipe: %s", strerror(errno));
	if (pipe2(hold, O_CLOEXEC) < 0) {
		r = err_set(e, -errno, "pipe: %s", strerror(errno));
		goto out_say;
	}
	pid = fork();
	if (pid == 0) {
		close(hold[1]);
		hold_new_userns(say[1], hold[0]);
	}
	if (pid < 0) {
		r = err_set(e, -errno, "user namespace of lab %s: fork: %s", lab, strerror(errno));
		goto out;
	}
	close(say[1]); /* so that a child that dies is an end of file */
	say[1] = -1;
	if (read(say[0], &c, 1) != 1)
		r = err_set(e, -EIO, "user namespace of lab %s: its process died", lab);
	else if (c)
		r = err_set(e, -c, "user namespace of lab %s: %s", lab, strerror(c));
	else
		r = map_ids(pid, lab, e);
	if (r == 0) {
		_cleanup_free_ char *path = xasprintf("/proc/%d/ns/user", (int)pid);

		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			r = err_set(e, -errno, "user namespace of lab %s: %s: %s", lab, path, strerror(errno));
	}
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
out:
	close(hold[0]);
	close(hold[1]);
out_say:
	close(say[0]);
	if (say[1] >= 0)
		close(say[1]);
	return r < 0 ? r : fd;
}

int userns_make(const char *lab, const struct kern_dirs *dirs, struct err *e)
{
	_cleanup_free_ char *path = userns_path(lab, dirs), *dir = xasprintf("%s/ns", dirs->run_dir);
	_cleanup_free_ char *text = xasprintf("vpcd %s\n", lab);
	_cleanup_close_ int fd = userns_open(lab, dirs);
	int r;

	if (fd >= 0)
		return TAKE_FD(fd);
	if (mkdir(dirs->run_dir, 0755) < 0 && errno != EEXIST)
		return err_set(e, -errno, "%s: %s", dirs->run_dir, strerror(errno));
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_set(e, -errno, "%s: %s", dir, strerror(errno));
	fd = new_userns(lab, e);
	if (fd < 0)
		return TAKE_FD(fd);
	r = ns_mount(path, fd, text, e);
	return r < 0 ? r : TAKE_FD(fd);
}

int userns_remove(const char *lab, const struct kern_dirs *dirs, struct err *e)
{
	_cleanup_free_ char *path = userns_path(lab, dirs), *dir = xasprintf("%s/ns", dirs->run_dir);
	int r = ns_unmount(path, e);

	rmdir(dir); /* the last lab's */
	return r;
}

/* ---- files that hold a namespace ---- */

/* A new file with its text, in one step; -EEXIST when the name is taken. */
static int make_file(const char *path, const char *text)
{
	_cleanup_free_ char *dir = xstrdup(path);
	_cleanup_close_ int fd = -1;
	char link[64];

	*strrchr(dir, '/') = '\0';
	fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0444);
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
		fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return -errno;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0 &&
	    !(errno == EEXIST && access(path, F_OK) == 0))
		return -errno;
	return 0;
}

static bool file_has_text(int fd, const char *text)
{
	char buf[128];
	ssize_t n = pread(fd, buf, sizeof(buf), 0);

	return n == (ssize_t)strlen(text) && !memcmp(buf, text, (size_t)n);
}

int ns_mount(const char *path, int fd, const char *text, struct err *e)
{
	_cleanup_close_ int old = -1;
	char source[64];
	int r = make_file(path, text);

	if (r < 0)
		return err_set(e, r, "%s: %s", path, strerror(-r));
	old = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (old < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (!file_has_text(old, text))
		return err_set(e, -EEXIST, "%s exists and is not this lab's", path);
	snprintf(source, sizeof(source), "/proc/self/fd/%d", fd);
	if (mount(source, path, "none", MS_BIND, NULL) < 0)
		return err_set(e, -errno, "mount on %s: %s", path, strerror(errno));
	return 0;
}

int ns_unmount(const char *path, struct err *e)
{
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
		return err_set(e, -errno, "unmount %s: %s", path, strerror(errno));
	if (unlink(path) < 0 && errno != ENOENT)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

/* ---- what stands at a name under /run/netns ---- */

enum netns_found netns_examine(const char *name, const char *text, uint64_t userns_inode, int *ret_fd)
{
	_cleanup_close_ int fd = netns_open(name), owner = -1;

	*ret_fd = -1;
	if (fd < 0)
		return fd == -ENOENT ? NETNS_ABSENT : NETNS_FOREIGN;
	if (!is_nsfs(fd))
		return file_has_text(fd, text) ? NETNS_HALF : NETNS_FOREIGN;
	owner = netns_owner(fd);
	*ret_fd = TAKE_FD(fd);
	return userns_inode && ns_inode(owner) == userns_inode ? NETNS_OWNED : NETNS_FOREIGN;
}
