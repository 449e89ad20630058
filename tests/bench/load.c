/* load.c: the benchmark's generators. Each is one process, pinned to one processor, that waits for an amount on its
 * standard input, does that much and prints one line; so that many of them can be measured in turns.
 *
 *	load CPU udp NS ADDRESS PORT SIZE FLOWS packets     -> "median_ns mean_ns sent": a packet, by sendmmsg
 *	load CPU connect NS NS2 ADDRESS         connections -> "median_ns mean_ns done": connect, request, response, close
 *	load CPU pong NS NS2 ADDRESS            turns       -> "median_ns mean_ns done": a datagram there and one back
 *	load CPU stream NS NS2 ADDRESS          ms          -> "bits_per_s": one TCP stream, the receiver on the other CPU
 *	load CPU pace NS NS2 ADDRESS            until the input ends: a datagram and a byte of TCP there and back, over and
 *	                                        over -> "sent lost": lost is 0 unless something between them lost it
 *
 * A veth carries a packet to its receiver in the sender's own time. One thread that holds both ends therefore measures
 * the whole way and no scheduler: `connect` and `pong` do so. Medians are over batches, so that
 * another process on this processor, which makes some batches long, does not count; the mean has all of it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	BATCH = 64,         /* packets a sendmmsg */
	SOCKETS_MANY = 100, /* times ports = 10,000 flows */
	PORTS_MANY = 100,
	PORT_PONG = 5000,
	PORT_TCP = 5201,
	STEP = 16, /* connections or turns a sample */
	SAMPLES_MAX = 1 << 16,
	MESSAGE = 64,
	CHUNK = 128 << 10,
	WAIT_MS = 500,
};

static double samples[SAMPLES_MAX];

static _Noreturn void die(const char *fmt, ...)
{
	int error = errno;
	va_list ap;

	va_start(ap, fmt);
	fputs("load: ", stderr);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, ": %s\n", strerror(error));
	exit(1);
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		die("processor %d", cpu);
}

static int ns_socket(const char *ns, int type)
{
	char path[128];
	int fd, s, on = 1;
	struct timeval wait = { .tv_usec = WAIT_MS * 1000 };

	snprintf(path, sizeof(path), "/run/netns/%s", ns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		die("namespace %s", ns);
	close(fd);
	s = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	if (s < 0)
		die("socket in %s", ns);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	return s;
}

static struct sockaddr_in to_addr(const char *text, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	if (text && inet_pton(AF_INET, text, &a.sin_addr) != 1)
		die("address %s", text);
	return a;
}

static int double_cmp(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* n samples, in ns a piece. */
static void tell(unsigned n, double mean, unsigned long done)
{
	qsort(samples, n, sizeof(*samples), double_cmp);
	printf("%.1f %.1f %lu\n", n ? samples[n / 2] : 0, mean, done);
	fflush(stdout);
}

static int ask(unsigned long *ret)
{
	return scanf("%lu", ret) == 1;
}

/* ---- udp ---- */

struct udp_load {
	int fds[SOCKETS_MANY];
	unsigned next[SOCKETS_MANY]; /* each socket's own: each comes to send to each port */
	struct sockaddr_in to[PORTS_MANY];
	unsigned n_fds, n_ports, size, batch;
};

static void udp_go(struct udp_load *l, unsigned long count)
{
	static uint8_t payload[2048];
	struct iovec data = { .iov_base = payload, .iov_len = l->size };
	struct mmsghdr m[BATCH] = { 0 };
	unsigned long sent = 0;
	unsigned n = 0;
	double start = now_ns(), from, at;

	for (; sent < count; l->batch = (l->batch + 1) % l->n_fds) {
		unsigned want = count - sent < BATCH ? (unsigned)(count - sent) : BATCH, done = 0;
		unsigned *port = &l->next[l->batch];

		for (unsigned i = 0; i < want; i++) {
			m[i].msg_hdr = (struct msghdr){ .msg_name = &l->to[*port],
							.msg_namelen = sizeof(l->to[0]),
							.msg_iov = &data,
							.msg_iovlen = 1 };
			*port = (*port + 1) % l->n_ports;
		}
		from = now_ns();
		while (done < want) {
			int r = sendmmsg(l->fds[l->batch], m + done, want - done, 0);

			if (r <= 0)
				die("sendmmsg");
			done += (unsigned)r;
		}
		at = now_ns();
		sent += want;
		if (want == BATCH && n < SAMPLES_MAX)
			samples[n++] = (at - from) / BATCH;
	}
	tell(n, (now_ns() - start) / (double)sent, sent);
}

static void udp(char **arg)
{
	const int many = atoi(arg[4]) > 1, port = atoi(arg[2]), room = 4 << 20;
	struct udp_load l = { .n_fds = many ? SOCKETS_MANY : 1,
			      .n_ports = many ? PORTS_MANY : 1,
			      .size = (unsigned)atoi(arg[3]) };
	unsigned long count;

	for (unsigned i = 0; i < l.n_ports; i++)
		l.to[i] = to_addr(arg[1], port + (int)i);
	for (unsigned i = 0; i < l.n_fds; i++) {
		struct sockaddr_in from = to_addr(NULL, 20000 + (int)i);

		l.fds[i] = ns_socket(arg[0], SOCK_DGRAM);
		setsockopt(l.fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
		if (bind(l.fds[i], (struct sockaddr *)&from, sizeof(from)) < 0)
			die("bind in %s", arg[0]);
	}
	while (ask(&count))
		udp_go(&l, count);
}

/* ---- connect, request, response, close; both ends in one thread ---- */

static int listener(const char *ns)
{
	struct sockaddr_in a = to_addr(NULL, PORT_TCP);
	int s = ns_socket(ns, SOCK_STREAM);

	if (bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 64) < 0)
		die("listen in %s", ns);
	return s;
}

static void pass_on(int from, int to, const char *what)
{
	char text[MESSAGE] = "what is it", got[MESSAGE];

	if (send(from, text, sizeof(text), MSG_NOSIGNAL) != sizeof(text) ||
	    recv(to, got, sizeof(got), MSG_WAITALL) != sizeof(got))
		die("%s", what);
}

static void connect_once(int listening, const struct sockaddr_in *to)
{
	int client, server, on = 1;
	char end;

	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (client < 0 || connect(client, (const struct sockaddr *)to, sizeof(*to)) < 0)
		die("connect");
	server = accept(listening, NULL, NULL);
	if (server < 0)
		die("accept");
	pass_on(client, server, "request");
	pass_on(server, client, "response");
	close(client);
	if (recv(server, &end, 1, 0) != 0)
		die("end of a connection");
	close(server);
}

static void connects(char **arg)
{
	const struct sockaddr_in to = to_addr(arg[2], PORT_TCP);
	int listening = listener(arg[1]);
	unsigned long count;

	close(ns_socket(arg[0], SOCK_STREAM));
	while (ask(&count)) {
		unsigned n = 0;
		double start = now_ns(), from = start, at;

		for (unsigned long i = 1; i <= count; i++) {
			connect_once(listening, &to);
			if (i % STEP)
				continue;
			at = now_ns();
			if (n < SAMPLES_MAX)
				samples[n++] = (at - from) / STEP;
			from = at;
		}
		tell(n, (now_ns() - start) / (double)count, count);
	}
}

/* ---- a datagram there and one back ---- */

static void udp_pair(char **arg, int *ret_a, int *ret_b)
{
	struct sockaddr_in to = to_addr(arg[2], PORT_PONG), here = to_addr(NULL, PORT_PONG), from;
	socklen_t size = sizeof(from);
	int a = ns_socket(arg[0], SOCK_DGRAM), b;
	char c = 0;

	if (connect(a, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("%s", arg[2]);
	b = ns_socket(arg[1], SOCK_DGRAM);
	if (bind(b, (struct sockaddr *)&here, sizeof(here)) < 0)
		die("bind in %s", arg[1]);
	if (send(a, &c, 1, 0) != 1 || recvfrom(b, &c, 1, 0, (struct sockaddr *)&from, &size) != 1 ||
	    connect(b, (struct sockaddr *)&from, size) < 0)
		die("the first datagram to %s", arg[2]);
	*ret_a = a;
	*ret_b = b;
}

static void pong(char **arg)
{
	unsigned long count;
	int a, b;

	udp_pair(arg, &a, &b);
	while (ask(&count)) {
		unsigned n = 0;
		double start = now_ns(), from = start, at;

		for (unsigned long i = 1; i <= count; i++) {
			pass_on(a, b, "ping");
			pass_on(b, a, "pong");
			if (i % STEP)
				continue;
			at = now_ns();
			if (n < SAMPLES_MAX)
				samples[n++] = (at - from) / STEP;
			from = at;
		}
		tell(n, (now_ns() - start) / (double)count, count);
	}
}

static void tcp_pair(char **arg, int *ret_a, int *ret_b)
{
	struct sockaddr_in to = to_addr(arg[2], PORT_TCP);
	int listening = listener(arg[1]), a = ns_socket(arg[0], SOCK_STREAM), b, on = 1;

	if (connect(a, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connect in %s", arg[0]);
	b = accept(listening, NULL, NULL);
	if (b < 0)
		die("accept");
	close(listening);
	setsockopt(a, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(b, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	*ret_a = a;
	*ret_b = b;
}

/* What comes within WAIT_MS counts as come. */
static int echoed(int a, int b)
{
	char c = 1;

	return send(a, &c, 1, MSG_NOSIGNAL) == 1 && recv(b, &c, 1, 0) == 1 && send(b, &c, 1, MSG_NOSIGNAL) == 1 &&
	       recv(a, &c, 1, 0) == 1;
}

static void pace(char **arg)
{
	unsigned long sent = 0, lost = 0;
	int u[2], t[2];
	char c;

	udp_pair(arg, &u[0], &u[1]);
	tcp_pair(arg, &t[0], &t[1]);
	fcntl(0, F_SETFL, O_NONBLOCK);
	do {
		sent += 2;
		lost += !echoed(u[0], u[1]);
		lost += !echoed(t[0], t[1]);
	} while (read(0, &c, 1) != 0);
	printf("%lu %lu\n", sent, lost);
}

/* ---- one TCP stream ---- */

struct stream_end {
	int fd, cpu;
	unsigned long bytes;
};

static void *receive(void *p)
{
	static char room[CHUNK];
	struct stream_end *end = p;
	ssize_t n;

	pin(end->cpu);
	while ((n = recv(end->fd, room, sizeof(room), 0)) > 0 || (n < 0 && errno == EAGAIN))
		if (n > 0)
			__atomic_fetch_add(&end->bytes, (unsigned long)n, __ATOMIC_RELAXED);
	return NULL;
}

static void stream(int cpu, char **arg)
{
	const int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	struct stream_end end = { .cpu = (cpu + 1) % cpus };
	static char data[CHUNK];
	unsigned long ms, before;
	pthread_t receiver;
	double start, span;
	int a;

	tcp_pair(arg, &a, &end.fd);
	if (pthread_create(&receiver, NULL, receive, &end))
		die("thread");
	while (ask(&ms)) {
		start = now_ns();
		before = __atomic_load_n(&end.bytes, __ATOMIC_RELAXED);
		do {
			if (send(a, data, sizeof(data), MSG_NOSIGNAL) < 0)
				die("send in %s", arg[0]);
			span = now_ns() - start;
		} while (span < (double)ms * 1e6);
		printf("%.0f\n", (double)(__atomic_load_n(&end.bytes, __ATOMIC_RELAXED) - before) * 8e9 / span);
		fflush(stdout);
	}
	shutdown(a, SHUT_WR);
	pthread_join(receiver, NULL);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[2] : "";
	const int cpu = argc > 1 ? atoi(argv[1]) : 0;

	pin(cpu);
	if (argc == 8 && strcmp(what, "udp") == 0)
		udp(argv + 3);
	else if (argc == 6 && strcmp(what, "connect") == 0)
		connects(argv + 3);
	else if (argc == 6 && strcmp(what, "pong") == 0)
		pong(argv + 3);
	else if (argc == 6 && strcmp(what, "pace") == 0)
		pace(argv + 3);
	else if (argc == 6 && strcmp(what, "stream") == 0)
		stream(cpu, argv + 3);
	else
		return fputs("usage: load CPU udp|connect|pong|stream|pace NAMESPACE...; load.c says how\n", stderr), 2;
	return 0;
}
