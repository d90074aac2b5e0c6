/*
 * What a Linux guest's kernel costs, in the guest's clock:
 *   bench [NAME...]     all, or those named, one line each: "BENCH name value unit"
 *   bench nop           ends at once (what fork+exec+wait starts)
 * As /init of a ramdisk it says "MARK init", mounts what Linux offers, runs `sh /cmd`, says
 * "MARK done" and powers off.
 *
 * A value is the median of several batches, each long enough for the clock; of what takes more than
 * a second, a second run. Around its batches it says "MARK begin NAME" and "MARK end NAME
 * OPERATIONS" and rests, so that whoever watches from outside can count exits.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCHES	  5
#define BATCH_NS  120000000ull
#define SLOW_NS	  1000000000ull
#define FAULTS	  2048 /* pages of one mapping */
#define LARGE	  (64ul << 20)
#define REST_USEC 250000

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Each does n operations and returns how long they took, ns. */

static uint64_t do_getpid(unsigned n)
{
	uint64_t t = now();

	while (n--)
		syscall(SYS_getpid);
	return now() - t;
}

/* First touches; making and removing the mapping does not count. */
static uint64_t do_fault(unsigned n)
{
	uint64_t took = 0;

	while (n) {
		unsigned pages = n < FAULTS ? n : FAULTS;
		char *p = mmap(NULL, FAULTS * 4096ul, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			die("mmap");
		madvise(p, FAULTS * 4096ul, MADV_NOHUGEPAGE);
		uint64_t t = now();
		for (unsigned i = 0; i < pages; i++)
			((volatile char *)p)[i * 4096ul] = 1;
		took += now() - t;
		munmap(p, FAULTS * 4096ul);
		n -= pages;
	}
	return took;
}

static uint64_t do_forkexec(unsigned n)
{
	uint64_t t = now();

	while (n--) {
		int status;
		pid_t pid = fork();
		if (pid < 0)
			die("fork");
		if (!pid) {
			execl("/proc/self/exe", "bench", "nop", NULL);
			_exit(1);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			die("the child");
	}
	return now() - t;
}

/* A byte to another process and back: two switches. */
static uint64_t do_pipe(unsigned n)
{
	int there[2], back[2];
	char c = 0;

	if (pipe(there) || pipe(back))
		die("pipe");
	pid_t pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		close(there[1]);
		while (read(there[0], &c, 1) == 1 && write(back[1], &c, 1) == 1)
			;
		_exit(0);
	}
	/* The child's first steps are not part of it. */
	if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
		die("pipe");
	uint64_t t = now();
	for (unsigned i = 0; i < n; i++)
		if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
			die("pipe");
	t = now() - t;
	close(there[1]);
	close(there[0]);
	close(back[0]);
	close(back[1]);
	waitpid(pid, NULL, 0);
	return t;
}

/* 64 MiB of small pages: mapped and filled in by the kernel, without faults, and unmapped. */
static uint64_t do_mmap(unsigned n)
{
	uint64_t t = now();

	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	while (n--) {
		char *p = mmap(NULL, LARGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (p == MAP_FAILED)
			die("mmap");
		munmap(p, LARGE);
	}
	return now() - t;
}

/* make compiles and links the tree at /tree (test/bench/tree.sh). */
static uint64_t do_build(unsigned n)
{
	uint64_t t = now();

	while (n--)
		if (system("make -s -C /tree clean && make -s -C /tree") != 0)
			die("make");
	return now() - t;
}

static const struct row {
	const char *name, *unit;
	uint64_t (*run)(unsigned n);
	double scale; /* ns in a unit */
	unsigned batches;
} rows[] = {
	{"getpid", "us", do_getpid, 1e3, BATCHES},
	{"fault", "us", do_fault, 1e3, BATCHES},
	{"forkexec", "ms", do_forkexec, 1e6, BATCHES},
	{"pipe", "us", do_pipe, 1e3, BATCHES},
	{"mmap", "ms", do_mmap, 1e6, 3},
	{"build", "ms", do_build, 1e6, 3},
};
#define NR_ROWS (sizeof(rows) / sizeof(rows[0]))

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(const struct row *r)
{
	double each[BATCHES];
	unsigned n = 1, batches = r->batches;
	uint64_t took;

	/* The first run also warms up. After one of a second or more, one more is enough. */
	while ((took = r->run(n)) < BATCH_NS && n < 1u << 20)
		n *= 4;
	if (took > SLOW_NS)
		batches = 1;
	printf("MARK begin %s\n", r->name);
	usleep(REST_USEC);
	for (unsigned i = 0; i < batches; i++)
		each[i] = (double)r->run(n) / n;
	usleep(REST_USEC);
	printf("MARK end %s %u\n", r->name, n * batches);
	usleep(REST_USEC);
	qsort(each, batches, sizeof(each[0]), compare);
	printf("BENCH %s %.4f %s\n", r->name, each[batches / 2] / r->scale, r->unit);
}

static _Noreturn void be_init(void)
{
	printf("MARK init\n");
	umask(0);
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mkdir("/tmp", 0777);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
	setenv("PATH", "/bin", 1);
	pid_t pid = fork();
	if (!pid) {
		execl("/bin/busybox", "sh", "/cmd", NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	printf("MARK done\n");
	usleep(REST_USEC);
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "nop"))
		return 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (getpid() == 1)
		be_init();
	for (size_t i = 0; i < NR_ROWS; i++) {
		int wanted = argc == 1;
		for (int k = 1; k < argc; k++)
			wanted |= !strcmp(argv[k], rows[i].name);
		if (wanted)
			measure(&rows[i]);
	}
	return 0;
}
