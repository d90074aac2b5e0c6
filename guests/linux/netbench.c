/*
 * TCP both ways, every byte looked at:
 *   netbench serve PORT                  answers any number of clients, one at a time
 *   netbench ADDRESS PORT up|down MB     sends or receives that much; prints one line
 *   netbench ADDRESS PORT rr COUNT       small requests, each answered before the next
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (1u << 20)

#define REQUEST 64 /* bytes, and of its answer */

struct order {
	char direction; /* of the client: 'u' or 'd'; 'r': requests, as many as `chunks` */
	uint32_t chunks;
} __attribute__((packed));

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "netbench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static bool whole(ssize_t (*f)(int, void *, size_t), int fd, void *buffer, size_t n)
{
	for (size_t did = 0; did < n;) {
		ssize_t r = f(fd, (char *)buffer + did, n - did);
		if (r <= 0)
			return false;
		did += (size_t)r;
	}
	return true;
}

static ssize_t put(int fd, void *buffer, size_t n)
{
	return write(fd, buffer, n);
}

/* What a chunk holds: nothing that moves or repeats passes for it. */
static void fill(uint32_t *buffer, uint32_t chunk)
{
	for (uint32_t i = 0; i < CHUNK / 4; i++)
		buffer[i] = (chunk * (CHUNK / 4) + i) * 2654435761u;
}

static bool send_all(int fd, uint32_t chunks)
{
	uint32_t *buffer = malloc(CHUNK);
	bool ok = buffer;
	char end;

	for (uint32_t i = 0; ok && i < chunks; i++) {
		fill(buffer, i);
		ok = whole(put, fd, buffer, CHUNK);
	}
	ok = ok && whole(read, fd, &end, 1) && end == 'k';
	free(buffer);
	return ok;
}

static bool receive_all(int fd, uint32_t chunks)
{
	uint32_t *buffer = malloc(CHUNK), *expected = malloc(CHUNK);
	bool ok = buffer && expected;

	for (uint32_t i = 0; ok && i < chunks; i++) {
		ok = whole(read, fd, buffer, CHUNK);
		fill(expected, i);
		if (ok && memcmp(buffer, expected, CHUNK)) {
			fprintf(stderr, "netbench: chunk %u is wrong\n", i);
			ok = false;
		}
	}
	if (ok)
		ok = whole(put, fd, (char[]){'k'}, 1);
	free(buffer);
	free(expected);
	return ok;
}

static bool answer_all(int fd, uint32_t requests)
{
	char buffer[REQUEST];

	while (requests--)
		if (!whole(read, fd, buffer, REQUEST) || !whole(put, fd, buffer, REQUEST))
			return false;
	return true;
}

static bool ask_all(int fd, uint32_t requests)
{
	char buffer[REQUEST], answer[REQUEST];

	for (uint32_t i = 0; i < requests; i++) {
		memset(buffer, (int)i, REQUEST);
		if (!whole(put, fd, buffer, REQUEST) || !whole(read, fd, answer, REQUEST))
			return false;
		if (memcmp(buffer, answer, REQUEST)) {
			fprintf(stderr, "netbench: answer %u is wrong\n", i);
			return false;
		}
	}
	return true;
}

static void serve(unsigned port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int one = 1, s = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) || listen(s, 4))
		die("the port");
	for (;;) {
		int fd = accept(s, NULL, NULL);
		struct order o;
		if (fd < 0)
			die("accept");
		if (whole(read, fd, &o, sizeof(o)))
			(o.direction == 'r'   ? answer_all
			 : o.direction == 'u' ? receive_all
					      : send_all)(fd, ntohl(o.chunks));
		close(fd);
	}
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	struct order o;
	double took;
	int s, one = 1;

	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve(atoi(argv[2]));
	if (argc != 5 || !inet_aton(argv[1], &a.sin_addr) || atoi(argv[4]) <= 0) {
		fprintf(stderr, "usage: netbench serve PORT | ADDRESS PORT up|down MB | ADDRESS "
				"PORT rr COUNT\n");
		return 2;
	}
	a.sin_port = htons(atoi(argv[2]));
	o = (struct order){argv[3][0], htonl(atoi(argv[4]))};
	s = socket(AF_INET, SOCK_STREAM, 0);
	if (s < 0 || connect(s, (struct sockaddr *)&a, sizeof(a)))
		die("connect");
	/* A request is not held back for the acknowledgement of the one before. */
	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	took = seconds();
	if (!whole(put, s, &o, sizeof(o)) ||
	    !(o.direction == 'r'   ? ask_all
	      : o.direction == 'u' ? send_all
				   : receive_all)(s, ntohl(o.chunks)))
		die("a transfer");
	took = seconds() - took;
	if (o.direction == 'r') {
		printf("NET tcp-rr %u %s: %.2f per s, %.2f MB/s\n", REQUEST, argv[4],
		       atoi(argv[4]) / took, atoi(argv[4]) / took * REQUEST / 1e6);
		return 0;
	}
	printf("NET tcp-%s %u %s: %.2f per s, %.2f MB/s\n", argv[3], CHUNK, argv[4],
	       atoi(argv[4]) / took, atoi(argv[4]) / took * (CHUNK / 1e6));
	return 0;
}
