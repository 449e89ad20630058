/* test_verified.c: how much work the kernel's verifier has with each program. Each lab loads programs of its own, and
 * for a small one that is most of `up`: 118,000 instructions take 250 ms here, 44,000 take 60. The verifier gives up at
 * a million; the rest of the way there is for older kernels, which prune less. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "tests/unit/test.h"
#include "kern/datapath.h"
#include "util/mem.h"

enum { VERIFIED_MAX = 70000 };

static void verifier_has_margin(void **state)
{
	static const char *const programs[] = { "eni_ingress", "eni_egress", "igw_egress", "link_ingress", "reap" };
	const struct datapath_sizes sizes = {
		.ports = 64, .rules = 64, .routes = 64, .tables_rows = 64, .flows = 1024
	};
	const char *base = getenv("VPCD_BPF_DIR");
	struct datapath *d = NULL;
	struct err e = { 0 };
	char dir[128], path[192];

	(void)state;
	snprintf(dir, sizeof(dir), "%s/verified-%d", base ? base : "/sys/fs/bpf", getpid());
	if (datapath_load(dir, &sizes, &d, &e) < 0)
		fail_msg("%s", e.msg);
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		struct bpf_prog_info info;
		__u32 len = sizeof(info);
		int fd;

		memset(&info, 0, sizeof(info));
		snprintf(path, sizeof(path), "%s/prog_%s", dir, programs[i]);
		fd = bpf_obj_get(path);
		assert_true(fd >= 0);
		assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
		close(fd);
		print_message("# %-12s %6u instructions verified, %u in the program\n", programs[i],
			      info.verified_insns, info.xlated_prog_len / 8);
		assert_true(info.verified_insns > 0);
		assert_true(info.verified_insns <= VERIFIED_MAX);
	}
	datapath_close(&d);
	assert_int_equal(datapath_unpin(dir, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(verifier_has_margin) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
