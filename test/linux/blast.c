/*
 * TCP as fast as it goes, for figures: what is sent differs all over, and both ends say
 * how much it was and its sum.
 *	blast take PORT			one connection; to its end
 *	blast send ADDRESS PORT MiB	tries for two minutes to connect
 *	blast give PORT MiB		sends to who connects
 *	blast fetch ADDRESS PORT
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 65536

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int die(const char *what)
{
	perror(what);
	exit(1);
}

static int accept_one(const char *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int one = 1, l = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(l, (struct sockaddr *)&a, sizeof(a)) || listen(l, 1))
		die("listen");
	int fd = accept(l, NULL, NULL);
	return fd < 0 ? die("accept") : fd;
}

static int connect_to(const char *address, const char *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};

	inet_aton(address, &a.sin_addr);
	for (unsigned i = 0; i < 600; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (!connect(fd, (struct sockaddr *)&a, sizeof(a)))
			return fd;
		close(fd);
		usleep(200000);
	}
	return die("connect");
}

/* Does not depend on how the stream is cut. */
static uint64_t sum_of(uint64_t sum, const uint8_t *p, ssize_t n)
{
	for (ssize_t i = 0; i < n; i++)
		sum = sum * 31 + p[i];
	return sum;
}

static void report(const char *what, uint64_t bytes, uint64_t sum, double start)
{
	double t = now() - start;

	printf("BLAST %s %llu %016llx %.3f s %.2f MB/s\n", what, (unsigned long long)bytes,
	       (unsigned long long)sum, t, (double)bytes / 1e6 / t);
}

static void receive(int fd)
{
	static uint8_t buf[CHUNK];
	uint64_t bytes = 0, sum = 0;
	double start = now();
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		sum = sum_of(sum, buf, n);
		bytes += (uint64_t)n;
	}
	report("got", bytes, sum, start);
	close(fd);
}

static void transmit(int fd, const char *mib)
{
	static uint64_t buf[CHUNK / 8];
	uint64_t bytes = 0, sum = 0, x = 88172645463325252ull, all = strtoull(mib, NULL, 10) << 20;
	double start = now();

	while (bytes < all) {
		for (unsigned i = 0; i < CHUNK / 8; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			buf[i] = x;
		}
		sum = sum_of(sum, (uint8_t *)buf, CHUNK);
		for (size_t at = 0; at < CHUNK;) {
			ssize_t n = send(fd, (uint8_t *)buf + at, CHUNK - at, MSG_NOSIGNAL);
			if (n <= 0)
				die("send");
			at += (size_t)n;
		}
		bytes += CHUNK;
	}
	shutdown(fd, SHUT_WR);
	/* The other end closes when it has everything. */
	while (read(fd, buf, sizeof(buf)) > 0)
		;
	report("sent", bytes, sum, start);
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "take"))
		receive(accept_one(argv[2]));
	else if (argc == 5 && !strcmp(argv[1], "send"))
		transmit(connect_to(argv[2], argv[3]), argv[4]);
	else if (argc == 4 && !strcmp(argv[1], "give"))
		transmit(accept_one(argv[2]), argv[3]);
	else if (argc == 4 && !strcmp(argv[1], "fetch"))
		receive(connect_to(argv[2], argv[3]));
	else
		return 2;
	return 0;
}
