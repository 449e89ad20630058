/* test_corpora.c: the kept inputs of the fuzzers (tests/fuzz/corpus) through the same entry points, with
 * sanitizers; each of them was found to reach something that the others do not, or once broke something. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include "test.h"
#include "tests/fuzz/fuzz.h"
#include "util/mem.h"
#include "util/str.h"

enum { INPUT_MAX = 1 << 20, INPUTS_MIN = 10 };

static void run_corpus(const char *name, int (*entry)(const uint8_t *data, size_t n))
{
	char dir[200], path[500];
	struct dirent *de;
	unsigned count = 0;
	DIR *d;

	snprintf(dir, sizeof(dir), "tests/fuzz/corpus/%s", name);
	d = opendir(dir);
	assert_non_null(d);
	while ((de = readdir(d))) {
		_cleanup_free_ char *text = NULL;
		_cleanup_free_ uint8_t *exact = NULL;
		size_t n;

		if (de->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, de->d_name);
		assert_int_equal(read_whole_file(path, INPUT_MAX, &text, &n), 0);
		exact = xmalloc(n ? n : 1);
		memcpy(exact, text, n); /* a read past its end is seen */
		if (entry(exact, n))
			fail_msg("%s", path);
		count++;
	}
	closedir(d);
	assert_true(count >= INPUTS_MIN);
}

static void packets(void **state)
{
	(void)state;
	run_corpus("packet", fuzz_packet);
}

static void rules(void **state)
{
	(void)state;
	run_corpus("rule", fuzz_rule);
}

static void topologies(void **state)
{
	(void)state;
	run_corpus("topology", fuzz_topology);
}

static void captures(void **state)
{
	(void)state;
	run_corpus("capture", fuzz_capture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets),
		cmocka_unit_test(rules),
		cmocka_unit_test(topologies),
		cmocka_unit_test(captures),
	};

	return cmocka_run_group_tests_name("corpora", tests, NULL, NULL);
}
