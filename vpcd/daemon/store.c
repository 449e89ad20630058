/* store.c: files of one lab's folder. Knows nothing of what document and registry mean. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "daemon/store.h"
#include "util/mem.h"
#include "util/str.h"

#define STORE_VERSION 1
#define STORE_FILE_MAX ((size_t)256 * 1024 * 1024)
#define JOURNAL_MAX ((off_t)1024 * 1024) /* then it is renamed to journal.1 */

static int parse(const char *text, const char *path, struct stored *ret, struct err *e);
static char *dump_member(const json_t *o, const char *key);
static int make_folder(const char *state_dir, const char *lab, struct err *e);
static int write_file(const char *path, const char *text, size_t n, struct err *e);
static int sync_folder(const char *path);

void stored_done(struct stored *s)
{
	free(s->document);
	free(s->registry);
	*s = (struct stored){ 0 };
}

int store_labs(const char *state_dir, char ***ret, struct err *e)
{
	DIR *dir = opendir(state_dir);
	char **names = NULL;
	size_t n = 0, cap = 0;
	struct dirent *d;

	if (!dir && errno != ENOENT)
		return err_set(e, errno, "%s: %s", state_dir, strerror(errno));
	while (dir && (d = readdir(dir)))
		if (str_is_name(d->d_name))
			*VEC_PUSH(names, n, cap) = xstrdup(d->d_name);
	if (dir)
		closedir(dir);
	*VEC_PUSH(names, n, cap) = NULL;
	*ret = names;
	return 0;
}

int store_load(const char *state_dir, const char *lab, struct stored *ret, struct err *e)
{
	_cleanup_free_ char *folder = xasprintf("%s/%s", state_dir, lab);
	_cleanup_free_ char *path = xasprintf("%s/lab.json", folder);
	_cleanup_free_ char *text = NULL;
	int r;

	if (access(folder, F_OK) < 0)
		return err_set(e, errno, "%s: %s", folder, strerror(errno));
	r = read_whole_file(path, STORE_FILE_MAX, &text, NULL);
	if (r == -ENOENT) { /* killed between making the folder and the first file */
		*ret = (struct stored){ .going = true };
		return 0;
	}
	if (r < 0)
		return err_set(e, r, "%s: %s", path, strerror(-r));
	return parse(text, path, ret, e);
}

int store_save(const char *state_dir, const char *lab, const struct stored *s, const char *topology, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/%s/lab.json", state_dir, lab);
	_cleanup_free_ char *given = xasprintf("%s/%s/topology.ini", state_dir, lab);
	_cleanup_strbuf_ struct strbuf b = { 0 };
	int r = make_folder(state_dir, lab, e);

	if (r < 0)
		return r;
	strbuf_reserve(&b, (s->document ? strlen(s->document) : 0) + (s->registry ? strlen(s->registry) : 0));
	strbuf_addf(&b, "{\"version\":%d,\"revision\":%llu,\"going\":%s,\n\"document\":", STORE_VERSION,
		    (unsigned long long)s->revision, s->going ? "true" : "false");
	strbuf_adds(&b, s->document ? s->document : "null");
	strbuf_adds(&b, ",\n\"registry\":");
	strbuf_adds(&b, s->registry ? s->registry : "null");
	strbuf_adds(&b, "}\n");
	if (topology) {
		r = write_file(given, topology, strlen(topology), e);
		if (r < 0)
			return r;
	}
	r = write_file(path, b.s, b.n, e);
	/* Without the file, too, the lab is going (store_load): a full disk does not keep it up. */
	if (r < 0 && s->going && unlink(path) == 0) {
		_cleanup_free_ char *folder = xasprintf("%s/%s", state_dir, lab);

		sync_folder(folder);
		return 0;
	}
	return r;
}

int store_remove(const char *state_dir, const char *lab, struct err *e)
{
	static const char *const files[] = { "topology.ini",   "journal",     "journal.1",
					     "flow-logs.json", "alarms.json", "lab.json" };
	_cleanup_free_ char *folder = xasprintf("%s/%s", state_dir, lab);
	struct dirent *d;
	DIR *dir;

	/* Only files of ours and their half-written predecessors; lab.json, which says "going", is the last one. */
	dir = opendir(folder);
	if (!dir)
		return errno == ENOENT ? 0 : err_set(e, errno, "%s: %s", folder, strerror(errno));
	while ((d = readdir(dir))) {
		size_t n = strlen(d->d_name);

		if ((n > 4 && strcmp(d->d_name + n - 4, ".tmp") == 0) || strncmp(d->d_name, "flow-log-", 9) == 0)
			unlinkat(dirfd(dir), d->d_name, 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		unlinkat(dirfd(dir), files[i], 0);
	closedir(dir);
	if (rmdir(folder) < 0)
		return err_set(e, errno, "%s: %s", folder, strerror(errno));
	sync_folder(state_dir);
	return 0;
}

int journal_add(const char *state_dir, const char *lab, uint64_t revision, const char *action, json_t *more,
		struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/%s/journal", state_dir, lab);
	_cleanup_free_ char *text = NULL, *line = NULL;
	json_t *o = json_object();
	struct timespec ts;
	struct tm tm;
	struct stat st;
	char when[40];
	int fd, r = 0;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	json_object_set_new(o, "time", json_string(when));
	json_object_set_new(o, "revision", json_integer((json_int_t)revision));
	json_object_set_new(o, "action", json_string(action));
	if (more)
		json_object_update(o, more);
	json_decref(more);
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	line = xasprintf("%s\n", text ? text : "{}");
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(e, errno, "%s: %s", path, strerror(errno));
	if (write(fd, line, strlen(line)) != (ssize_t)strlen(line))
		r = err_set(e, errno ? errno : EIO, "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) == 0 && st.st_size > JOURNAL_MAX) {
		_cleanup_free_ char *old = xasprintf("%s.1", path);

		(void)!rename(path, old);
	}
	close(fd);
	return r;
}

static int parse(const char *text, const char *path, struct stored *ret, struct err *e)
{
	json_error_t where;
	json_t *o = json_loads(text, 0, &where);
	const json_t *version = json_object_get(o, "version"), *revision = json_object_get(o, "revision");
	const json_t *going = json_object_get(o, "going");
	struct stored s = { 0 };

	if (!o)
		return err_set(e, -EBADMSG, "%s is broken at line %d: %s", path, where.line, where.text);
	if (!json_is_integer(version) || !json_is_integer(revision) || !json_is_boolean(going)) {
		json_decref(o);
		return err_set(e, -EBADMSG, "%s is broken: version, revision or going is missing", path);
	}
	if (json_integer_value(version) != STORE_VERSION) {
		int got = (int)json_integer_value(version);

		json_decref(o);
		return err_set(e, -EBADMSG, "%s was written in version %d; this vpcd reads version %d", path, got,
			       STORE_VERSION);
	}
	s.revision = (uint64_t)json_integer_value(revision);
	s.going = json_is_true(going);
	s.document = dump_member(o, "document");
	s.registry = dump_member(o, "registry");
	json_decref(o);
	if (!s.going && (!s.document || !s.registry)) {
		stored_done(&s);
		return err_set(e, -EBADMSG, "%s is broken: document or registry is missing", path);
	}
	*ret = s;
	return 0;
}

static char *dump_member(const json_t *o, const char *key)
{
	const json_t *m = json_object_get(o, key);

	return json_is_object(m) || json_is_array(m) ? json_dumps(m, JSON_COMPACT) : NULL;
}

static int make_folder(const char *state_dir, const char *lab, struct err *e)
{
	_cleanup_free_ char *folder = xasprintf("%s/%s", state_dir, lab);

	if (mkdir(folder, 0700) == 0)
		return sync_folder(state_dir) < 0 ? err_set(e, errno, "%s: %s", state_dir, strerror(errno)) : 0;
	return errno == EEXIST ? 0 : err_set(e, errno, "%s: %s", folder, strerror(errno));
}

static int write_file(const char *path, const char *text, size_t n, struct err *e)
{
	int r = write_whole_file(path, text, n, 0600);

	return r < 0 ? err_set(e, r, "%s: %s", path, strerror(-r)) : 0;
}

static int sync_folder(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}
