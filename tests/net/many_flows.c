/* many_flows: sends one UDP datagram from each of many source ports to one destination.
 *
 *	many_flows ADDRESS PORT FIRST COUNT
 *
 * Prints how many went out and how long it took. Exit 1 unless all did. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int send_from(const struct sockaddr_in *to, unsigned port)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons((unsigned short)port) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), r = -1;

	if (fd >= 0 && bind(fd, (struct sockaddr *)&own, sizeof(own)) == 0)
		r = sendto(fd, "flow", 4, 0, (const struct sockaddr *)to, sizeof(*to)) == 4 ? 0 : -1;
	if (fd >= 0)
		close(fd);
	return r;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	unsigned first, count, sent = 0;
	double start = now();

	if (argc != 5 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
		return 2;
	to.sin_port = htons((unsigned short)atoi(argv[2]));
	first = (unsigned)atoi(argv[3]);
	count = (unsigned)atoi(argv[4]);
	for (unsigned i = 0; i < count; i++)
		if (send_from(&to, first + i) < 0)
			perror("send");
		else
			sent++;
	printf("%u packets in %.2f s\n", sent, now() - start);
	return sent == count ? 0 : 1;
}
