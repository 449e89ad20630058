/* tcx.c: BPF programs that the kernel calls at the hooks of an interface without a classifier between (Linux 6.6): 60 ns
 * less a packet than nl_tc.c's. To put the first one there, and to take it away with its interface, the kernel waits
 * for all processors, 10 to 20 ms under its lock on links; so it comes later and to small labs only
 * (kern_quicken), before a filter that says the same. Kernel room, never prints. */
#include "kern/tcx.h"
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of the kernel's header, which may be an older one. */
enum { TCX_INGRESS = 46, TCX_EGRESS = 47, REPLACE = 1 << 2, BEFORE = 1 << 3 };
struct tcx_attach {
	__u32 ifindex, prog_fd, type, flags, replaced_fd, beside_fd;
	__u64 revision;
};
struct tcx_query {
	__u32 ifindex, type, flags, attach_flags;
	__u64 prog_ids;
	__u32 count, pad;
	__u64 prog_flags, link_ids, link_flags, revision;
};

static int tcx_type(bool egress)
{
	return egress ? TCX_EGRESS : TCX_INGRESS;
}

uint32_t tcx_get(uint32_t ifindex, bool egress)
{
	__u32 ids[8] = { 0 };
	struct tcx_query q = { .ifindex = ifindex,
			       .type = tcx_type(egress),
			       .prog_ids = (uintptr_t)ids,
			       .count = sizeof(ids) / sizeof(ids[0]) };

	/* ENOSPC: there are more; the first ones are told. */
	if (syscall(SYS_bpf, BPF_PROG_QUERY, &q, sizeof(q)) < 0 && errno != ENOSPC)
		return 0;
	return ids[0];
}

int tcx_set(uint32_t ifindex, bool egress, int prog_fd, uint32_t replaced)
{
	struct tcx_attach a = {
		.ifindex = ifindex, .prog_fd = (__u32)prog_fd, .type = tcx_type(egress), .flags = BEFORE
	};
	union bpf_attr by_id;
	int old = -1, r;

	if (replaced) {
		memset(&by_id, 0, sizeof(by_id));
		by_id.prog_id = replaced;
		old = (int)syscall(SYS_bpf, BPF_PROG_GET_FD_BY_ID, &by_id, sizeof(by_id));
		if (old < 0)
			return -errno;
		a.flags = REPLACE;
		a.replaced_fd = (__u32)old;
	}
	r = syscall(SYS_bpf, BPF_PROG_ATTACH, &a, sizeof(a)) < 0 ? -errno : 0;
	if (old >= 0)
		close(old);
	return r;
}
