/* test_store.c: a lab's folder: what is saved is loaded again, broken files are told from missing ones and
 * left as they are; the journal; the numbered event stream. The daemon's room is in no library of the
 * unit tests, so its files are included. */
#include "test.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "daemon/events.c"
#include "daemon/store.c"

struct folder {
	char path[64];
};

static int setup(void **state)
{
	struct folder *f = xcalloc(1, sizeof(*f));
	const char *tmp = getenv("TMPDIR");

	snprintf(f->path, sizeof(f->path), "%.40s/vpcd-store.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(f->path))
		return -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct folder *f = *state;
	struct err e;
	int r = store_remove(f->path, "demo", &e);

	r |= rmdir(f->path);
	free(f);
	return r;
}

static void write_raw(const struct folder *f, const char *text)
{
	_cleanup_free_ char *dir = xasprintf("%s/demo", f->path), *path = xasprintf("%s/lab.json", dir);

	mkdir(dir, 0700);
	assert_int_equal(write_whole_file(path, text, strlen(text), 0600), 0);
}

static void test_round_trip(void **state)
{
	struct folder *f = *state;
	struct stored s = { .revision = 41,
			    .document = (char *)"{\"sections\":[1,2]}",
			    .registry = (char *)"{\"seed\":7}" };
	_cleanup_stored_ struct stored back = { 0 };
	_cleanup_free_ char *given = xasprintf("%s/demo/topology.ini", f->path);
	_cleanup_free_ char *text = NULL;
	char **labs = NULL;
	struct err e;

	assert_int_equal(store_load(f->path, "demo", &back, &e), -ENOENT);
	assert_int_equal(store_save(f->path, "demo", &s, "[vpc a]\n", &e), 0);
	s.revision = 42;
	assert_int_equal(store_save(f->path, "demo", &s, NULL, &e), 0);
	assert_int_equal(store_load(f->path, "demo", &back, &e), 0);
	assert_int_equal(back.revision, 42);
	assert_false(back.going);
	assert_string_equal(back.document, s.document);
	assert_string_equal(back.registry, s.registry);
	assert_int_equal(read_whole_file(given, 100, &text, NULL), 0);
	assert_string_equal(text, "[vpc a]\n");
	assert_int_equal(store_labs(f->path, &labs, &e), 0);
	assert_string_equal(labs[0], "demo");
	assert_null(labs[1]);
	free(labs[0]);
	free(labs);
}

static void test_going(void **state)
{
	struct folder *f = *state;
	struct stored s = { .revision = 3, .going = true };
	_cleanup_stored_ struct stored back = { 0 };
	struct err e;

	assert_int_equal(store_save(f->path, "demo", &s, NULL, &e), 0);
	assert_int_equal(store_load(f->path, "demo", &back, &e), 0);
	assert_true(back.going);
	assert_null(back.document);
}

/* Killed between making the folder and its first file: the lab was never up. */
static void test_empty_folder(void **state)
{
	struct folder *f = *state;
	_cleanup_free_ char *dir = xasprintf("%s/demo", f->path);
	struct stored back = { 0 };
	struct err e;

	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(store_load(f->path, "demo", &back, &e), 0);
	assert_true(back.going);
}

static void test_broken(void **state)
{
	static const char *const broken[] = {
		"",
		"{",
		"[]",
		"{}",
		"{\"version\":1,\"revision\":1,\"going\":false}",
		"{\"version\":1,\"revision\":1,\"going\":false,\"document\":null,\"registry\":{}}",
		"{\"version\":1,\"revision\":\"1\",\"going\":false,\"document\":{},\"registry\":{}}",
		"{\"version\":2,\"revision\":1,\"going\":false,\"document\":{},\"registry\":{}}",
	};
	struct folder *f = *state;
	_cleanup_free_ char *path = xasprintf("%s/demo/lab.json", f->path);

	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		struct stored back = { 0 };
		struct err e = { 0 };
		char *text = NULL;

		write_raw(f, broken[i]);
		assert_int_equal(store_load(f->path, "demo", &back, &e), -EBADMSG);
		assert_non_null(strstr(e.msg, path));
		assert_null(back.document);
		assert_int_equal(read_whole_file(path, 1000, &text, NULL), 0);
		assert_string_equal(text, broken[i]);
		free(text);
	}
}

static void test_journal(void **state)
{
	struct folder *f = *state;
	struct stored s = { .revision = 1, .going = true };
	_cleanup_free_ char *path = xasprintf("%s/demo/journal", f->path), *text = NULL;
	struct stat st;
	struct err e;
	json_t *line;
	char *second;

	assert_int_equal(store_save(f->path, "demo", &s, NULL, &e), 0);
	assert_int_equal(journal_add(f->path, "demo", 1, "begin", NULL, &e), 0);
	assert_int_equal(journal_add(f->path, "demo", 1, "failed", json_pack("{ss}", "error", "a \"b\"\n"), &e), 0);
	assert_int_equal(read_whole_file(path, 10000, &text, NULL), 0);
	second = strchr(text, '\n') + 1;
	line = json_loads(second, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(line, "action")), "failed");
	assert_string_equal(json_string_value(json_object_get(line, "error")), "a \"b\"\n");
	assert_int_equal(json_integer_value(json_object_get(line, "revision")), 1);
	json_decref(line);
	/* It does not grow without end. */
	assert_int_equal(truncate(path, JOURNAL_MAX + 1), 0);
	assert_int_equal(journal_add(f->path, "demo", 2, "begin", NULL, &e), 0);
	assert_int_equal(journal_add(f->path, "demo", 3, "begin", NULL, &e), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size < 1000);
}

static void count(void *ctx)
{
	++*(unsigned *)ctx;
}

static void test_events(void **state)
{
	struct events *ev = events_new();
	uint64_t seq = 0, first, last;
	unsigned added = 0, n = 0;
	const char *line;
	json_t *o;

	(void)state;
	assert_null(events_next(ev, &seq));
	events_on_add(ev, count, &added);
	for (unsigned i = 0; i < EVENTS_KEPT + 5; i++)
		events_add(ev, i % 2 ? "demo" : NULL, "lab", json_pack("{si}", "i", (int)i));
	assert_int_equal(added, EVENTS_KEPT + 5);
	line = events_next(ev, &seq); /* the oldest five are gone */
	o = json_loads(line, 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(o, "i")), 5);
	assert_int_equal(json_integer_value(json_object_get(o, "seq")), seq);
	json_decref(o);
	for (first = last = seq, n = 1; events_next(ev, &seq); n++) {
		assert_int_equal(seq, last + 1);
		last = seq;
	}
	assert_int_equal(n, EVENTS_KEPT);
	assert_int_equal(last - first + 1, EVENTS_KEPT);
	seq = last + 100; /* a number to come */
	assert_null(events_next(ev, &seq));
	events_free(&ev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_going, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_journal, setup, teardown),
		cmocka_unit_test(test_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
