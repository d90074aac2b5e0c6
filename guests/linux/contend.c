/*
 * Contention for the kernel's spin locks, as an ordinary Linux program: contend SECONDS.
 * More threads than cpus fight for locks of the file table, of a directory, of signals, of
 * futexes and of the run queues. Every ten seconds it says how far each has come and how
 * late its timer was; a kind of work that stood still the whole time ends it with 1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define INTERVAL 10
#define THREADS	 3 /* of each kind */

static _Atomic int stop;

static void files(unsigned n) /* the process's file table */
{
	int fd = dup(1);

	if (fd >= 0)
		close(fd);
}

static void names(unsigned n) /* a directory's lock, and the dcache's */
{
	char name[32];

	snprintf(name, sizeof(name), "/tmp/contend.%u", n % 7);
	int fd = open(name, O_CREAT | O_RDWR, 0600);
	if (fd >= 0)
		close(fd);
	unlink(name);
}

static void signals(unsigned n) /* the process's signal lock */
{
	kill(getpid(), SIGUSR1);
}

static uint32_t word;
static void futexes(unsigned n) /* one bucket's lock */
{
	struct timespec soon = {0, 50000};

	if (n & 1)
		syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	else
		syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &soon, NULL, 0);
}

static int pipe_fds[2];
static void pipes(unsigned n) /* a pipe's lock and the run queues' */
{
	char c = 0;

	if (write(pipe_fds[1], &c, 1) == 1 && read(pipe_fds[0], &c, 1) < 0)
		return;
	sched_yield();
}

static void maps(unsigned n) /* page tables, and flushes on other cpus */
{
	char *p = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return;
	p[0] = p[8192] = 1;
	munmap(p, 16384);
}

static struct kind {
	const char *name;
	void (*once)(unsigned n);
	_Atomic uint64_t done;
} kinds[] = {
	{.name = "files", .once = files},     {.name = "names", .once = names},
	{.name = "signals", .once = signals}, {.name = "futexes", .once = futexes},
	{.name = "pipes", .once = pipes},     {.name = "maps", .once = maps},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void *work(void *arg)
{
	struct kind *k = arg;

	for (unsigned n = 0; !atomic_load_explicit(&stop, memory_order_relaxed); n++) {
		k->once(n);
		atomic_fetch_add_explicit(&k->done, 1, memory_order_relaxed);
	}
	return NULL;
}

static void nothing(int sig)
{
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
	long seconds = argc > 1 ? atol(argv[1]) : INTERVAL;
	uint64_t before[KINDS] = {0}, start = now();
	pthread_t t[KINDS * THREADS];
	int stood = 0;

	signal(SIGUSR1, nothing);
	if (pipe(pipe_fds))
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned i = 0; i < KINDS * THREADS; i++)
		if (pthread_create(&t[i], NULL, work, &kinds[i % KINDS]))
			return 2;
	for (long s = 0; s < seconds; s += INTERVAL) {
		uint64_t due = start + (uint64_t)(s + INTERVAL) * 1000000000;
		struct timespec until = {(time_t)(due / 1000000000), (long)(due % 1000000000)};

		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL))
			;
		printf("CONTEND %ld s, %lu us late:", s + INTERVAL,
		       (unsigned long)(now() - due) / 1000);
		for (unsigned i = 0; i < KINDS; i++) {
			uint64_t done = atomic_load(&kinds[i].done);

			printf(" %s %lu", kinds[i].name, (unsigned long)(done - before[i]));
			stood |= done == before[i];
			before[i] = done;
		}
		printf("\n");
	}
	atomic_store(&stop, 1);
	printf("CONTEND end%s\n", stood ? ", something stood still" : "");
	_exit(stood);
}
