/* flood: sends UDP datagrams at an even rate: every other one to the same port, the others to a new port each.
 *
 *	flood ADDRESS RATE SECONDS
 *
 * RATE 0: as fast as it goes. Prints how many went out and how long it took. Exit 1 when it fell behind by more
 * than a tenth. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 64, SAME_PORT = 9, FIRST_PORT = 1024, PORTS = 60000 };

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to[BATCH];
	struct iovec data = { .iov_base = (char[18]){ "flood" }, .iov_len = 18 };
	struct mmsghdr msgs[BATCH] = { 0 };
	unsigned long sent = 0, total;
	double start, rate, seconds, took;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (argc != 4)
		return 2;
	rate = atof(argv[2]);
	seconds = atof(argv[3]);
	total = (unsigned long)(rate * seconds) / BATCH * BATCH;
	for (int i = 0; i < BATCH; i++) {
		to[i] = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(SAME_PORT) };
		inet_pton(AF_INET, argv[1], &to[i].sin_addr);
		msgs[i].msg_hdr = (struct msghdr){
			.msg_name = &to[i], .msg_namelen = sizeof(to[i]), .msg_iov = &data, .msg_iovlen = 1
		};
	}
	start = now();
	while (rate ? sent < total : now() - start < seconds) {
		int done = 0;

		if (rate && (now() - start) * rate < (double)sent) {
			sched_yield();
			continue;
		}
		for (unsigned i = 1; i < BATCH; i += 2)
			to[i].sin_port = htons((unsigned short)(FIRST_PORT + (sent + i) % PORTS));
		while (done < BATCH) {
			int r = sendmmsg(fd, msgs + done, (unsigned)(BATCH - done), 0);

			if (r <= 0) {
				perror("sendmmsg");
				return 1;
			}
			done += r;
		}
		sent += BATCH;
	}
	took = now() - start;
	printf("%lu packets in %.2f s\n", sent, took);
	return rate && took > (double)total / rate * 1.1;
}
