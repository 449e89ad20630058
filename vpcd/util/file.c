/* file.c: whole files in and out, the part of str.h that makes system calls. Nothing else in
 * the rooms below the kernel's does. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "util/mem.h"
#include "util/str.h"

#define READ_STEP_BYTES ((size_t)16 * 1024)

static int write_new(const char *path, const void *p, size_t n, unsigned mode, const struct stat *owner, bool synced);
static int write_all(int fd, const char *p, size_t n);
static int sync_folder_of(const char *path);

int read_whole_fd(int fd, size_t max, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *buf = NULL;
	size_t n = 0, cap = 0;

	for (;;) {
		size_t room;
		ssize_t got;

		vec_reserve((void **)&buf, &cap, n + READ_STEP_BYTES + 1, 1);
		/* One byte more than allowed is asked for, to see that there is one. */
		room = max - n < cap - n - 1 ? max - n + 1 : cap - n - 1;
		got = read(fd, buf + n, room);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
		if (n > max)
			return -EFBIG;
	}
	buf[n] = '\0';
	*ret = TAKE_PTR(buf);
	if (ret_len)
		*ret_len = n;
	return 0;
}

int read_whole_file(const char *path, size_t max, char **ret, size_t *ret_len)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return read_whole_fd(fd, max, ret, ret_len);
}

int write_whole_file(const char *path, const void *p, size_t n, unsigned mode)
{
	int r = write_new(path, p, n, mode, NULL, true);

	return r < 0 ? r : sync_folder_of(path);
}

int replace_whole_file(const char *path, const void *p, size_t n, unsigned mode)
{
	return write_new(path, p, n, mode, NULL, false);
}

int rewrite_whole_file(const char *path, const void *p, size_t n)
{
	_cleanup_free_ char *real = realpath(path, NULL);
	struct stat st;
	int r;

	if (!real || stat(real, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	r = write_new(real, p, n, st.st_mode & 07777, &st, true);
	return r < 0 ? r : sync_folder_of(real);
}

/* owner: whose it becomes, where that is allowed; NULL: of whoever asks. */
static int write_new(const char *path, const void *p, size_t n, unsigned mode, const struct stat *owner, bool synced)
{
	_cleanup_free_ char *tmp = xasprintf("%s.%d.tmp", path, (int)getpid());
	int r, fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	r = write_all(fd, p, n);
	if (r == 0 && owner && fchown(fd, owner->st_uid, owner->st_gid) < 0 && errno != EPERM)
		r = -errno;
	if (r == 0 && (fchmod(fd, mode) < 0 || (synced && fsync(fd) < 0)))
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(tmp);
	return r;
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t put = write(fd, p, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		p += put;
		n -= (size_t)put;
	}
	return 0;
}

/* A renamed file survives a crash only once its folder is on disk too. */
static int sync_folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *dir = NULL;
	_cleanup_close_ int fd = -1;

	if (!slash)
		dir = xstrdup(".");
	else if (slash == path)
		dir = xstrdup("/");
	else
		dir = xasprintf("%.*s", (int)(slash - path), path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}
