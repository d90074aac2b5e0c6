/*
 * What a disk does: blkbench FILE read|write rand|seq BLOCK DEPTH COUNT
 * COUNT transfers of BLOCK bytes, DEPTH of them at a time, by the kernel's AIO and,
 * where the file takes it, past the cache. Prints one line.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_DEPTH 128

struct bench {
	int fd;
	bool write, sequential;
	uint64_t block, size, done, started, seed;
	unsigned long depth, count;
	aio_context_t aio;
	struct iocb cb[MAX_DEPTH];
	char *buffer;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "blkbench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t next_offset(struct bench *b)
{
	uint64_t blocks = b->size / b->block;

	if (b->sequential)
		return b->started % blocks * b->block;
	b->seed = b->seed * 6364136223846793005u + 1442695040888963407u;
	return (b->seed >> 33) % blocks * b->block;
}

static void start(struct bench *b, unsigned long slot)
{
	struct iocb *cb = &b->cb[slot];

	*cb = (struct iocb){
		.aio_data = slot,
		.aio_lio_opcode = b->write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
		.aio_fildes = b->fd,
		.aio_buf = (uintptr_t)(b->buffer + slot * b->block),
		.aio_nbytes = b->block,
		.aio_offset = next_offset(b),
	};
	b->started++;
}

static void submit(struct bench *b, struct iocb **list, long n)
{
	for (long did; n; list += did, n -= did) {
		did = syscall(SYS_io_submit, b->aio, n, list);
		if (did <= 0)
			die("io_submit");
	}
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void run(struct bench *b)
{
	struct io_event events[MAX_DEPTH];
	struct iocb *list[MAX_DEPTH];
	long n;

	for (n = 0; n < (long)b->depth && b->started < b->count; n++) {
		start(b, n);
		list[n] = &b->cb[n];
	}
	submit(b, list, n);
	while (b->done < b->count) {
		long again = 0;

		n = syscall(SYS_io_getevents, b->aio, 1, MAX_DEPTH, events, NULL);
		if (n <= 0)
			die("io_getevents");
		for (long i = 0; i < n; i++) {
			if (events[i].res != (int64_t)b->block) {
				errno = events[i].res < 0 ? -events[i].res : EIO;
				die("a transfer");
			}
			b->done++;
			if (b->started < b->count) {
				start(b, events[i].data);
				list[again++] = &b->cb[events[i].data];
			}
		}
		submit(b, list, again);
	}
}

int main(int argc, char **argv)
{
	struct bench b = {.seed = 1};
	struct stat st;
	double before, took;

	if (argc != 7) {
		fprintf(stderr, "usage: blkbench FILE read|write rand|seq BLOCK DEPTH COUNT\n");
		return 2;
	}
	b.write = !strcmp(argv[2], "write");
	b.sequential = !strcmp(argv[3], "seq");
	b.block = strtoul(argv[4], NULL, 0);
	b.depth = strtoul(argv[5], NULL, 0);
	b.count = strtoul(argv[6], NULL, 0);
	if (!b.depth || b.depth > MAX_DEPTH || !b.block || b.block % 512 || !b.count) {
		fprintf(stderr, "blkbench: DEPTH is 1 to %d, BLOCK a multiple of 512\n", MAX_DEPTH);
		return 2;
	}
	b.fd = open(argv[1], (b.write ? O_RDWR : O_RDONLY) | O_DIRECT);
	if (b.fd < 0 && errno == EINVAL)
		b.fd = open(argv[1], b.write ? O_RDWR : O_RDONLY);
	if (b.fd < 0 || fstat(b.fd, &st))
		die(argv[1]);
	b.size = st.st_size;
	if (S_ISBLK(st.st_mode) && ioctl(b.fd, BLKGETSIZE64, &b.size))
		die("its size");
	if (b.size < b.block) {
		errno = EFBIG;
		die(argv[1]);
	}
	if (posix_memalign((void **)&b.buffer, 4096, b.block * b.depth))
		die("memory");
	memset(b.buffer, 0x5a, b.block * b.depth);
	if (syscall(SYS_io_setup, b.depth, &b.aio))
		die("io_setup");

	before = seconds();
	run(&b);
	if (b.write && fsync(b.fd))
		die("fsync");
	took = seconds() - before;
	printf("BLK %s-%s %s %s %s: %.0f per s, %.2f MB/s\n", argv[3], argv[2], argv[4], argv[5],
	       argv[6], b.count / took, b.count * b.block / took / 1e6);
	return 0;
}
