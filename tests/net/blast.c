/* blast: sends UDP datagrams as fast as the kernel takes them, to two ports in turn, from 16 sockets.
 *
 *	blast ADDRESS COUNT PORT PORT
 *
 * Prints how many went out and how long it took. Exit 1 unless all did. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SOCKETS = 16, BATCH = 64, LIMIT_S = 30 };

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to[2] = { { .sin_family = AF_INET }, { .sin_family = AF_INET } };
	struct iovec data = { .iov_base = (char[18]){ "blast" }, .iov_len = 18 };
	struct mmsghdr msgs[BATCH] = { 0 };
	int fds[SOCKETS];
	unsigned long sent = 0, count;
	double start = now();

	if (argc != 5)
		return 2;
	count = strtoul(argv[2], NULL, 10);
	for (int i = 0; i < 2; i++) {
		inet_pton(AF_INET, argv[1], &to[i].sin_addr);
		to[i].sin_port = htons((unsigned short)atoi(argv[3 + i]));
	}
	for (int i = 0; i < BATCH; i++)
		msgs[i].msg_hdr = (struct msghdr){
			.msg_name = &to[i % 2], .msg_namelen = sizeof(to[0]), .msg_iov = &data, .msg_iovlen = 1
		};
	for (int i = 0; i < SOCKETS; i++)
		fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
	for (unsigned long i = 0; sent < count && now() - start < LIMIT_S; i++) {
		unsigned n = count - sent < BATCH ? (unsigned)(count - sent) : BATCH;

		/* Whole batches or an even rest: each port gets its half. */
		for (unsigned done = 0; done < n;) {
			int r = sendmmsg(fds[i % SOCKETS], msgs + done, n - done, 0);

			if (r <= 0) {
				perror("sendmmsg");
				return 1;
			}
			done += (unsigned)r;
		}
		sent += n;
	}
	printf("%lu packets in %.2f s\n", sent, now() - start);
	return sent == count ? 0 : 1;
}
