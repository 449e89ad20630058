/* files.c: names and logs of a lab under RUN_DIR. The log folder belongs to the lab's unprivileged user:
 * nothing in it is trusted (no links are followed, only plain files of that owner are read). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "daemon/files.h"
#include "util/mem.h"
#include "util/str.h"

enum { LOG_FILE_MAX = 4 * 1024 * 1024 };

static int write_hosts(const struct model *m, uint32_t vpc, const char *path, struct err *e);
static int rewrite(const char *path, const char *text, size_t n, struct err *e);
static int read_log(int folder, const char *file, struct strbuf *b);
static void remove_folder(const char *path);

int hosts_write(const struct model *m, const char *run_dir, struct err *e)
{
	_cleanup_free_ char *all = xasprintf("%s/hosts", run_dir);
	_cleanup_free_ char *folder = xasprintf("%s/hosts/%s", run_dir, m->name);
	int r = 0;

	if ((mkdir(all, 0755) < 0 && errno != EEXIST) || (mkdir(folder, 0755) < 0 && errno != EEXIST))
		return err_set(e, errno, "%s: %s", folder, strerror(errno));
	for (uint32_t v = 0; v <= m->n_vpcs && r == 0; v++) {
		bool internet = v == m->n_vpcs;
		_cleanup_free_ char *path = hosts_path(run_dir, m->name, internet ? NULL : m->vpcs[v].obj.name);

		r = write_hosts(m, internet ? NONE : v, path, e);
	}
	return r;
}

char *hosts_path(const char *run_dir, const char *lab, const char *vpc)
{
	return xasprintf("%s/hosts/%s/%s", run_dir, lab, vpc ? vpc : "internet");
}

int program_log_read(const char *run_dir, const char *lab, const char *name, char **ret, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/logs/%s", run_dir, lab);
	_cleanup_free_ char *file = xasprintf("%s.log", name), *older = xasprintf("%s.log.1", name);
	_cleanup_close_ int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_strbuf_ struct strbuf b = { 0 };
	int r, found;

	if (folder < 0)
		return err_set(e, errno, "%s has printed nothing", name);
	found = read_log(folder, older, &b);
	r = read_log(folder, file, &b);
	if (found == -ENOENT && r == -ENOENT)
		return err_set(e, -ENOENT, "%s has printed nothing", name);
	if (r < 0 && r != -ENOENT)
		return err_set(e, r, "%s/%s: %s", path, file, strerror(-r));
	*ret = strbuf_take(&b);
	return 0;
}

void lab_files_remove(const char *run_dir, const char *lab)
{
	static const char *const kinds[] = { "hosts", "logs" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		_cleanup_free_ char *folder = xasprintf("%s/%s/%s", run_dir, kinds[i], lab);

		remove_folder(folder);
	}
}

static void add_name(struct strbuf *b, const struct addr *a, const char *name)
{
	char buf[ADDR_STRLEN];

	if (!addr_is_zero(a))
		strbuf_addf(b, "%s\t%s\n", addr_format(a, buf), name);
}

static int write_hosts(const struct model *m, uint32_t vpc, const char *path, struct err *e)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };

	strbuf_adds(&b, "127.0.0.1\tlocalhost\n::1\tlocalhost\n");
	for (uint32_t i = 0; i < m->n_enis; i++) {
		const struct eni *eni = &m->enis[i];
		const struct addr *at = &eni->addrs[0].addr;

		if (!model_vpcs_joined(m, model_eni_vpc(m, i), vpc)) {
			at = NULL;
			for (uint32_t k = 0; k < eni->n_addrs && !at; k++)
				if (!addr_is_zero(&eni->addrs[k].public_ip))
					at = &eni->addrs[k].public_ip;
		}
		if (at)
			add_name(&b, at, eni->obj.name);
	}
	for (uint32_t i = 0; i < m->n_hosts; i++)
		add_name(&b, &m->hosts[i].addr, m->hosts[i].obj.name);
	return rewrite(path, b.s, b.n, e);
}

/* In place: running programs have the file itself mounted, a new one under the same name would not reach them. */
static int rewrite(const char *path, const char *text, size_t n, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0 || pwrite(fd, text, n, 0) != (ssize_t)n || ftruncate(fd, (off_t)n) < 0 || fchmod(fd, 0644) < 0)
		return err_set(e, errno ? errno : EIO, "%s: %s", path, strerror(errno));
	return 0;
}

static int read_log(int folder, const char *file, struct strbuf *b)
{
	_cleanup_close_ int fd = openat(folder, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	struct stat st, owner;
	size_t n;
	int r;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || fstat(folder, &owner) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != owner.st_uid)
		return -EPERM;
	r = read_whole_fd(fd, LOG_FILE_MAX, &text, &n);
	if (r < 0)
		return r;
	/* What programs print need not be text: the rest of the way it has to be free of NUL. */
	for (size_t i = 0; i < n; i++)
		if (text[i] == '\0')
			text[i] = '?';
	strbuf_add(b, text, n);
	return 0;
}

static void remove_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (!dir)
		return;
	while ((d = readdir(dir)))
		if (d->d_name[0] != '.')
			unlinkat(dirfd(dir), d->d_name, 0);
	closedir(dir);
	rmdir(path);
}
