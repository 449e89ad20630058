/* build.c: the same kernel work as a lab's, by bare system calls in one loop: the limit that `up` and `down` are
 * measured against (tests/bench/build.sh does that). And the topology of that lab.
 *
 *	build topology N     INI text: N instances in N / 20 subnets of 5 VPCs
 *	build bare N         makes and removes it; prints "up_ms down_ms"
 *
 * Every instance: a network namespace owned by a user namespace and mounted under a name, lo up, a veth pair with
 * fixed MACs, MTU and ifindex to its VPC's namespace, both ends up, address and default route inside, host route and
 * fixed neighbour outside. No filter, no setting, nothing read back. */
#include <errno.h>
#include <fcntl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { VPCS = 5, PER_SUBNET = 20, GROUPS = 4, MTU = 9001, FIRST_INDEX = 100, AGAIN_MS = 1 };

struct msg {
	struct nlmsghdr h;
	uint8_t rest[1024];
};
struct ns {
	int fd, sock;
};

static _Noreturn void die(const char *fmt, ...)
{
	int error = errno;
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, ": %s\n", strerror(error));
	exit(1);
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* ---- messages ---- */

static void *put(struct msg *m, const void *p, size_t n)
{
	uint8_t *at = (uint8_t *)m + m->h.nlmsg_len;

	if (n)
		memcpy(at, p, n);
	m->h.nlmsg_len += (uint32_t)NLMSG_ALIGN(n);
	return at;
}

static struct rtattr *attr(struct msg *m, unsigned type, const void *p, size_t n)
{
	struct rtattr a = { .rta_len = (unsigned short)RTA_LENGTH(n), .rta_type = (unsigned short)type };
	struct rtattr *at = put(m, &a, sizeof(a));

	put(m, p, n);
	return at;
}

static void nest_end(struct msg *m, struct rtattr *nest)
{
	nest->rta_len = (unsigned short)((uint8_t *)m + m->h.nlmsg_len - (uint8_t *)nest);
}

static void begin(struct msg *m, int type, int flags, const void *header, size_t size)
{
	memset(m, 0, sizeof(*m));
	m->h = (struct nlmsghdr){ .nlmsg_len = NLMSG_HDRLEN,
				  .nlmsg_type = (uint16_t)type,
				  .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags) };
	put(m, header, size);
}

static void talk(int sock, struct msg *m, const char *what)
{
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		uint8_t rest[512];
	} ack;

	if (send(sock, m, m->h.nlmsg_len, 0) < 0 || recv(sock, &ack, sizeof(ack), 0) < 0)
		die("%s", what);
	if (ack.h.nlmsg_type != NLMSG_ERROR || ack.e.error) {
		errno = ack.h.nlmsg_type == NLMSG_ERROR ? -ack.e.error : EPROTO;
		die("%s", what);
	}
}

static void link_up(int sock, int ifindex)
{
	struct ifinfomsg ifi = { .ifi_index = ifindex, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct msg m;

	begin(&m, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	talk(sock, &m, "link up");
}

static void end_attrs(struct msg *m, const char *name, uint32_t number)
{
	uint8_t mac[6] = { 0x02, 0x10, 0, 0, (uint8_t)(number >> 8), (uint8_t)number };
	uint32_t mtu = MTU, one = 1;

	attr(m, IFLA_IFNAME, name, strlen(name) + 1);
	attr(m, IFLA_ADDRESS, mac, sizeof(mac));
	attr(m, IFLA_MTU, &mtu, sizeof(mtu));
	attr(m, IFLA_NUM_TX_QUEUES, &one, sizeof(one));
	attr(m, IFLA_NUM_RX_QUEUES, &one, sizeof(one));
}

static void veth_add(int sock, uint32_t i, int peer_ns)
{
	struct ifinfomsg ifi = { .ifi_index = FIRST_INDEX + (int)i }, peer = { 0 };
	struct rtattr *info, *data, *end;
	char name[IFNAMSIZ];
	struct msg m;

	snprintf(name, sizeof(name), "i%u", i);
	begin(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi, sizeof(ifi));
	end_attrs(&m, name, 0);
	info = attr(&m, IFLA_LINKINFO, NULL, 0);
	attr(&m, IFLA_INFO_KIND, "veth", 5);
	data = attr(&m, IFLA_INFO_DATA, NULL, 0);
	end = attr(&m, VETH_INFO_PEER, NULL, 0);
	put(&m, &peer, sizeof(peer));
	end_attrs(&m, "eth0", i + 1);
	attr(&m, IFLA_NET_NS_FD, &peer_ns, sizeof(peer_ns));
	nest_end(&m, end);
	nest_end(&m, data);
	nest_end(&m, info);
	talk(sock, &m, "veth pair");
}

static void addr_add(int sock, int ifindex, uint32_t addr)
{
	struct ifaddrmsg ifa = { .ifa_family = AF_INET, .ifa_prefixlen = 24, .ifa_index = (uint32_t)ifindex };
	struct msg m;

	begin(&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &ifa, sizeof(ifa));
	attr(&m, IFA_LOCAL, &addr, 4);
	attr(&m, IFA_ADDRESS, &addr, 4);
	talk(sock, &m, "address");
}

/* via 0: a host route to dst; dst 0: the default route. */
static void route_add(int sock, int ifindex, uint32_t dst, uint32_t via)
{
	struct rtmsg rt = { .rtm_family = AF_INET,
			    .rtm_dst_len = dst ? 32 : 0,
			    .rtm_table = RT_TABLE_MAIN,
			    .rtm_protocol = RTPROT_STATIC,
			    .rtm_scope = via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
			    .rtm_type = RTN_UNICAST };
	struct msg m;

	begin(&m, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &rt, sizeof(rt));
	if (dst)
		attr(&m, RTA_DST, &dst, 4);
	if (via)
		attr(&m, RTA_GATEWAY, &via, 4);
	attr(&m, RTA_OIF, &ifindex, 4);
	talk(sock, &m, "route");
}

static void neigh_add(int sock, int ifindex, uint32_t dst, uint32_t number)
{
	struct ndmsg nd = { .ndm_family = AF_INET, .ndm_ifindex = ifindex, .ndm_state = NUD_PERMANENT };
	uint8_t mac[6] = { 0x02, 0x10, 0, 0, (uint8_t)(number >> 8), (uint8_t)number };
	struct msg m;

	begin(&m, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, &nd, sizeof(nd));
	attr(&m, NDA_DST, &dst, 4);
	attr(&m, NDA_LLADDR, mac, sizeof(mac));
	talk(sock, &m, "neighbour");
}

/* ---- namespaces ---- */

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("%s", path);
	close(fd);
}

static void own_user_namespace(const char *dir)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		die("user namespace");
	write_file("/proc/self/setgroups", "deny");
	write_file("/proc/self/uid_map", "0 0 1");
	write_file("/proc/self/gid_map", "0 0 1");
	if (mount("tmpfs", dir, "tmpfs", 0, NULL) < 0)
		die("tmpfs on %s", dir);
}

static struct ns ns_new(const char *path)
{
	struct ns ns;
	char self[64];
	int file;

	if (unshare(CLONE_NEWNET) < 0)
		die("network namespace");
	ns.fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	ns.sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	file = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444);
	if (ns.fd < 0 || ns.sock < 0 || file < 0)
		die("%s", path);
	close(file);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", ns.fd);
	if (mount(self, path, "none", MS_BIND, NULL) < 0)
		die("mount on %s", path);
	link_up(ns.sock, 1);
	return ns;
}

static void ns_remove(const struct ns *ns, const char *path)
{
	umount2(path, MNT_DETACH);
	unlink(path);
	close(ns->sock);
	close(ns->fd);
}

static void name_of(char path[128], const char *dir, const char *kind, uint32_t i)
{
	snprintf(path, 128, "%s/%s%u", dir, kind, i);
}

/* In its own namespace. */
static int index_of(int sock, const char *name)
{
	struct ifreq r = { 0 };

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(sock, SIOCGIFINDEX, &r) < 0)
		die("%s", name);
	return r.ifr_ifindex;
}

static void instance_add(struct ns *in, const struct ns *router, const char *path, uint32_t i)
{
	uint32_t subnet = i / PER_SUBNET, net = 10u << 24 | (subnet % VPCS) << 16 | (subnet / VPCS) << 8;
	uint32_t addr = htobe32(net | (4 + i % PER_SUBNET)), gateway = htobe32(net | 1);
	int ifindex;

	*in = ns_new(path);
	veth_add(router->sock, i, in->fd);
	link_up(router->sock, FIRST_INDEX + (int)i);
	route_add(router->sock, FIRST_INDEX + (int)i, addr, 0);
	neigh_add(router->sock, FIRST_INDEX + (int)i, addr, i + 1);
	ifindex = index_of(in->sock, "eth0");
	addr_add(in->sock, ifindex, addr);
	link_up(in->sock, ifindex);
	route_add(in->sock, ifindex, 0, gateway);
}

static void wait_gone(int sock, uint32_t i)
{
	struct ifreq r = { .ifr_ifindex = FIRST_INDEX + (int)i };

	while (ioctl(sock, SIOCGIFNAME, &r) == 0)
		poll(NULL, 0, AGAIN_MS);
}

static void bare(uint32_t n, const char *dir)
{
	struct ns routers[VPCS], *in = calloc(n, sizeof(*in));
	struct rlimit files = { 4ul * n + 256, 4ul * n + 256 };
	char path[128];
	double start, up;

	setrlimit(RLIMIT_NOFILE, &files);
	own_user_namespace(dir);
	start = now_ms();
	for (uint32_t v = 0; v < VPCS; v++) {
		name_of(path, dir, "router", v);
		routers[v] = ns_new(path);
	}
	for (uint32_t i = 0; i < n; i++) {
		name_of(path, dir, "i", i);
		instance_add(&in[i], &routers[i / PER_SUBNET % VPCS], path, i);
	}
	up = now_ms();
	for (uint32_t i = 0; i < n; i++) {
		name_of(path, dir, "i", i);
		ns_remove(&in[i], path);
	}
	/* This thread still lives in the last one. */
	if (setns(routers[0].fd, CLONE_NEWNET) < 0)
		die("router");
	for (uint32_t i = 0; i < n; i++)
		wait_gone(routers[i / PER_SUBNET % VPCS].sock, i);
	for (uint32_t v = 0; v < VPCS; v++) {
		name_of(path, dir, "router", v);
		ns_remove(&routers[v], path);
	}
	printf("%.1f %.1f\n", up - start, now_ms() - up);
	free(in);
}

/* ---- the lab ---- */

static void topology(uint32_t n)
{
	printf("[lab bench]\nquotas = off\n");
	for (uint32_t v = 0; v < VPCS; v++) {
		printf("\n[vpc v%u]\ncidr = 10.%u.0.0/16\n\n[internet-gateway g%u]\nvpc = v%u\n", v, v, v, v);
		printf("\n[route-table r%u]\nvpc = v%u\nroute = 0.0.0.0/0 via igw:g%u\n", v, v, v);
		for (uint32_t g = 0; g < GROUPS; g++)
			printf("\n[security-group v%u-%u]\nvpc = v%u\ninbound = tcp %u from 10.0.0.0/8\n"
			       "inbound = tcp 80 from sg:v%u-%u\ninbound = icmp from 0.0.0.0/0\n"
			       "inbound = udp 5000 from 10.0.0.0/8\ninbound = tcp 5201 from 10.0.0.0/8\n",
			       v, g, v, 1000 + g, v, (g + 1) % GROUPS);
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t s = i / PER_SUBNET, v = s % VPCS;

		if (i % PER_SUBNET == 0)
			printf("\n[subnet s%u]\nvpc = v%u\ncidr = 10.%u.%u.0/24\nroute-table = r%u\n", s, v, v,
			       s / VPCS, v);
		printf("\n[instance i%u]\nsubnet = s%u\nsecurity-groups = v%u-%u\n", i, s, v, i % GROUPS);
	}
}

int main(int argc, char **argv)
{
	uint32_t n = argc == 3 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
	const char *dir = getenv("TMPDIR");

	if (n && strcmp(argv[1], "topology") == 0)
		topology(n);
	else if (n && strcmp(argv[1], "bare") == 0)
		bare(n, dir ? dir : "/tmp");
	else
		return fputs("usage: build topology|bare N\n", stderr), 2;
	return 0;
}
