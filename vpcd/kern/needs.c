/* needs.c: the table of what vpcd needs of the kernel, and a try of each. Kernel room, never prints.
 *
 * A child tries them in order and ends at the first that fails; what it made goes with it. */
#include "kern/needs.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include "kern/nft.h"
#include "kern/nl.h"
#include "kern/ns.h"
#include "util/mem.h"

enum { KERNEL_MAJOR = 6, KERNEL_MINOR = 1, MTU = 1500 };

struct trial {
	struct nl_ns *nl; /* of the namespace it is in */
	int ifindex;      /* of a veth pair in there */
};

static int try_capabilities(struct trial *t, struct err *e)
{
	static const struct {
		unsigned number;
		const char *name;
	} wanted[] = {
		{ CAP_SYS_ADMIN, "CAP_SYS_ADMIN" },
		{ CAP_NET_ADMIN, "CAP_NET_ADMIN" },
		{ CAP_SETUID, "CAP_SETUID" },
		{ CAP_SETGID, "CAP_SETGID" },
	};
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	(void)t;
	if (syscall(SYS_capget, &head, data) < 0)
		return err_set(e, -errno, "capget: %s", strerror(errno));
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		if (!(data[wanted[i].number / 32].effective >> wanted[i].number % 32 & 1))
			return err_set(e, -EPERM, "%s is missing", wanted[i].name);
	return 0;
}

static int try_release(struct trial *t, struct err *e)
{
	unsigned major = 0, minor = 0;
	struct utsname u;

	(void)t;
	if (uname(&u) == 0 && sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
	    (major > KERNEL_MAJOR || (major == KERNEL_MAJOR && minor >= KERNEL_MINOR)))
		return 0;
	return err_set(e, -ENOSYS, "this one is %s", u.release);
}

static int try_userns(struct trial *t, struct err *e)
{
	int r = userns_try();

	(void)t;
	return r < 0 ? err_set(e, r, "%s", strerror(-r)) : 0;
}

static int try_netns(struct trial *t, struct err *e)
{
	return unshare(CLONE_NEWNET) < 0 ? err_set(e, -errno, "%s", strerror(errno)) : nl_ns_open(&t->nl, e);
}

static int try_veth(struct trial *t, struct err *e)
{
	_cleanup_close_ int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct link_row row = { .ifname = "a", .peer_ifname = "b", .mac = { 2 }, .peer_mac = { 2 }, .mtu = MTU };
	int r = here < 0 ? err_set(e, -errno, "/proc/self/ns/net: %s", strerror(errno))
			 : nl_link_add_veth(t->nl, &row, here, e);

	if (r < 0)
		return r;
	nl_ns_forget(t->nl); /* it was to have any number */
	t->ifindex = nl_link_index(t->nl, row.ifname, e);
	return t->ifindex < 0 ? t->ifindex : 0;
}

static int try_bpf(struct trial *t, struct err *e)
{
	static const struct bpf_insn pass[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
						{ .code = BPF_JMP | BPF_EXIT } };
	_cleanup_close_ int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "try", "GPL", pass, ARRAY_SIZE(pass), NULL);
	_cleanup_close_ int ring = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "try", 0, 0, (__u32)getpagesize(), NULL);

	if (fd < 0 || ring < 0)
		return err_set(e, -errno, "%s: %s", fd < 0 ? "load a program" : "make a ring buffer", strerror(errno));
	return nl_filter_set(t->nl, t->ifindex, false, fd, "try", e);
}

static int try_nft(struct trial *t, struct err *e)
{
	struct prefix inside = { 0 };
	struct addr to = { 0 };
	struct nft_row row = { .inside = &inside, .n_inside = 1, .addrs = &to, .n_addrs = 1 };

	(void)t;
	addr_parse("10.0.0.1", &to);
	prefix_parse("10.0.0.0/16", &inside, NULL);
	row.idle_s = row.udp_s = row.icmp_s = 60;
	return nft_write("try", &row, e);
}

static const struct need {
	const char *what;
	int (*attempt)(struct trial *t, struct err *e);
	const char *how;
} needs[] = {
	{ "all rights of root", try_capabilities,
	  "start it outside of the container, or give that the right (--privileged)" },
	{ "Linux 6.1 or newer", try_release, "boot a newer kernel" },
	{ "user namespaces", try_userns, "a kernel with CONFIG_USER_NS, and a limit: sysctl user.max_user_namespaces" },
	{ "network namespaces", try_netns, "a kernel with CONFIG_NET_NS" },
	{ "veth pairs", try_veth, "a kernel with CONFIG_VETH; modprobe veth" },
	{ "BPF programs at TC hooks", try_bpf,
	  "a kernel with CONFIG_BPF_SYSCALL, CONFIG_NET_CLS_BPF and CONFIG_NET_SCH_INGRESS; modprobe cls_bpf sch_ingress" },
	{ "nf_tables with NAT", try_nft,
	  "a kernel with CONFIG_NF_TABLES and CONFIG_NFT_NAT; modprobe nft_chain_nat nft_masq" },
};

static _Noreturn void child(int say)
{
	struct trial t = { 0 };
	struct err e = { 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	libbpf_set_print(NULL);
	for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
		char text[sizeof(e.msg)];
		int n;

		if (needs[i].attempt(&t, &e) == 0)
			continue;
		n = snprintf(text, sizeof(text), "vpcd needs %s: %s; %s", needs[i].what, e.msg, needs[i].how);
		(void)!write(say, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
		_exit(1);
	}
	_exit(0);
}

int needs_check(struct err *e)
{
	char text[sizeof(e->msg)] = "";
	_cleanup_close_ int heard = -1;
	int pipes[2], status;
	ssize_t n;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return err_set(e, -errno, "pipe: %s", strerror(errno));
	heard = pipes[0];
	pid = fork();
	if (pid == 0)
		child(pipes[1]);
	close(pipes[1]);
	if (pid < 0)
		return err_set(e, -errno, "fork: %s", strerror(errno));
	do
		n = read(heard, text, sizeof(text) - 1);
	while (n < 0 && errno == EINTR);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return err_set(e, -ENOSYS, "%s", n > 0 ? text : "what vpcd needs of the kernel could not be tried");
}
