/* flow_log_file.c: append, and rotation by size. */
#include "daemon/flow_log_file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "util/mem.h"

static void rotate(const char *path)
{
	for (int i = FLOW_LOG_FILES_OLD; i > 0; i--) {
		_cleanup_free_ char *to = xasprintf("%s.%d", path, i);
		_cleanup_free_ char *from = i > 1 ? xasprintf("%s.%d", path, i - 1) : xstrdup(path);

		rename(from, to); /* not there yet: nothing to do */
	}
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

int flow_log_file_add(const char *state_dir, const char *lab, const char *name, const char *lines, size_t n,
		      bool begins, struct flow_log_mark *mark, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/%s/flow-log-%s.log", state_dir, lab, name);
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (begins && stat(path, &st) == 0 && st.st_size > 0 && (size_t)st.st_size + n > FLOW_LOG_FILE_MAX)
		rotate(path);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	r = write_all(fd, lines, n);
	if (r < 0) {
		(void)!ftruncate(fd, st.st_size); /* half a line would spoil the next one */
		return err_set(e, r, "%s: %s", path, strerror(-r));
	}
	*mark = (struct flow_log_mark){ st.st_ino, (uint64_t)st.st_size + n };
	return 0;
}

void flow_log_file_cut(const char *state_dir, const char *lab, const char *name, const struct flow_log_mark *mark)
{
	_cleanup_free_ char *path = xasprintf("%s/%s/flow-log-%s.log", state_dir, lab, name);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	uint64_t size = mark->size;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	if (st.st_ino != mark->file)
		size = 0; /* begun after the one that was put aside */
	if ((uint64_t)st.st_size > size)
		(void)!ftruncate(fd, (off_t)size);
}
