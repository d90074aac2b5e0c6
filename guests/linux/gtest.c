/*
 * Tests that run inside the guest, as an ordinary Linux program: processes,
 * signals, FPU state, memory, clocks. Prints TAP. Static, so that the ramdisk needs
 * no libraries.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <immintrin.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096

static const char *self;
static long scale = 1; /* divides the loops */

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			printf("# %s:%d: %s (errno %s)\n", __func__, __LINE__, #cond,              \
			       strerror(errno));                                                   \
			return false;                                                              \
		}                                                                                  \
	} while (0)

static bool wait_ok(pid_t pid)
{
	int st;

	return waitpid(pid, &st, 0) == pid && WIFEXITED(st) && WEXITSTATUS(st) == 0;
}

static bool test_fork_exec(void)
{
	for (long i = 0; i < 200 / scale; i++) {
		pid_t p = fork();
		CHECK(p >= 0);
		if (!p) {
			execl("/proc/self/exe", self, "nothing", NULL);
			_exit(1);
		}
		CHECK(wait_ok(p));
	}
	return true;
}

static bool test_pipe(void)
{
	int a[2], b[2];
	unsigned v;

	CHECK(!pipe(a) && !pipe(b));
	pid_t p = fork();
	CHECK(p >= 0);
	if (!p) {
		while (read(a[0], &v, sizeof(v)) == sizeof(v) && v != ~0u) {
			v = v * 2654435761u + 1;
			if (write(b[1], &v, sizeof(v)) != sizeof(v))
				_exit(1);
		}
		_exit(0);
	}
	for (unsigned i = 0; i < 1000 / (unsigned)scale; i++) {
		CHECK(write(a[1], &i, sizeof(i)) == sizeof(i));
		CHECK(read(b[0], &v, sizeof(v)) == sizeof(v));
		CHECK(v == i * 2654435761u + 1);
	}
	v = ~0u;
	CHECK(write(a[1], &v, sizeof(v)) == sizeof(v));
	CHECK(wait_ok(p));
	close(a[0]), close(a[1]), close(b[0]), close(b[1]);
	return true;
}

static volatile sig_atomic_t alarms;

static void on_alarm(int s)
{
	alarms++;
}

static bool test_timer_signals(void)
{
	struct itimerval it = {.it_interval = {0, 5000}, .it_value = {0, 5000}}, off = {0};
	volatile unsigned long n = 0;

	signal(SIGALRM, on_alarm);
	alarms = 0;
	CHECK(!setitimer(ITIMER_REAL, &it, NULL));
	while (alarms < 20)
		n++;
	CHECK(!setitimer(ITIMER_REAL, &off, NULL));
	CHECK(n > 0);
	return true;
}

static uint8_t *guarded;
static volatile sig_atomic_t faults;

static void on_segv(int s, siginfo_t *si, void *ctx)
{
	uint8_t *page = (uint8_t *)((uintptr_t)si->si_addr & ~(uintptr_t)(PAGE - 1));

	faults++;
	if (page < guarded || page >= guarded + 64 * PAGE ||
	    mprotect(page, PAGE, PROT_READ | PROT_WRITE))
		_exit(9);
}

static bool test_segv_handler(void)
{
	static uint8_t alt[65536];
	stack_t ss = {.ss_sp = alt, .ss_size = sizeof(alt)};
	struct sigaction sa = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK}, old;

	guarded = mmap(NULL, 64 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(guarded != MAP_FAILED);
	CHECK(!sigaltstack(&ss, NULL) && !sigaction(SIGSEGV, &sa, &old));
	for (int round = 0; round < 5; round++) {
		faults = 0;
		CHECK(!mprotect(guarded, 64 * PAGE, PROT_READ));
		for (int i = 0; i < 64; i++)
			guarded[i * PAGE] = (uint8_t)(i + round);
		CHECK(faults == 64);
		for (int i = 0; i < 64; i++)
			CHECK(guarded[i * PAGE] == (uint8_t)(i + round));
	}
	sigaction(SIGSEGV, &old, NULL);
	munmap(guarded, 64 * PAGE);
	return true;
}

static void on_trap(int s, siginfo_t *si, void *ctx)
{
	faults++;
}

static bool test_int3_and_ud(void)
{
	struct sigaction sa = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO}, old;

	CHECK(!sigaction(SIGTRAP, &sa, &old));
	faults = 0;
	for (int i = 0; i < 10; i++)
		__asm__ volatile("int3");
	CHECK(faults == 10);
	sigaction(SIGTRAP, &old, NULL);
	for (int i = 0; i < 2; i++) {
		pid_t p = fork();
		int st;
		CHECK(p >= 0);
		if (!p) {
			if (i == 0)
				__asm__ volatile("ud2");
			else
				__asm__ volatile("hlt");
			_exit(0);
		}
		CHECK(waitpid(p, &st, 0) == p && WIFSIGNALED(st));
		CHECK(WTERMSIG(st) == (i == 0 ? SIGILL : SIGSEGV));
	}
	return true;
}

/* Every process keeps a pattern of its own in xmm or ymm registers across yields. */
static bool sse_loop(unsigned seed)
{
	for (long i = 0; i < 300 / scale; i++) {
		double a = seed + (double)i, b = 0;
		__asm__ volatile("movq %1, %%xmm7\n\tmovq %1, %%xmm15\n\tmov %2, %%eax\n\tsyscall\n\t"
				 "movq %%xmm15, %0"
				 : "=r"(b)
				 : "r"(a), "i"(SYS_sched_yield)
				 : "rax", "rcx", "r11", "xmm7", "xmm15", "memory");
		if (a != b)
			return false;
	}
	return true;
}

__attribute__((target("avx"))) static bool avx_loop(unsigned seed)
{
	for (long i = 0; i < 300 / scale; i++) {
		uint32_t in[8], out[8];
		for (int k = 0; k < 8; k++)
			in[k] = seed * 1000003u + (uint32_t)i * 31u + (uint32_t)k;
		__asm__ volatile("vmovdqu (%0), %%ymm9\n\tmov %2, %%eax\n\tsyscall\n\t"
				 "vmovdqu %%ymm9, (%1)"
				 :
				 : "r"(in), "r"(out), "i"(SYS_sched_yield)
				 : "rax", "rcx", "r11", "xmm9", "memory");
		if (memcmp(in, out, sizeof(in)))
			return false;
	}
	return true;
}

__attribute__((target("avx512f"))) static bool avx512_loop(unsigned seed)
{
	for (long i = 0; i < 300 / scale; i++) {
		uint32_t in[16], out[16];
		for (int k = 0; k < 16; k++)
			in[k] = seed * 1000033u + (uint32_t)i * 37u + (uint32_t)k;
		__asm__ volatile("vmovdqu32 (%0), %%zmm20\n\tmov %2, %%eax\n\tsyscall\n\t"
				 "vmovdqu32 %%zmm20, (%1)"
				 :
				 : "r"(in), "r"(out), "i"(SYS_sched_yield)
				 : "rax", "rcx", "r11", "xmm20", "memory");
		if (memcmp(in, out, sizeof(in)))
			return false;
	}
	return true;
}

static bool in_processes(bool (*fn)(unsigned))
{
	pid_t p[6];

	for (unsigned i = 0; i < 6; i++) {
		p[i] = fork();
		CHECK(p[i] >= 0);
		if (!p[i])
			_exit(!fn(i + 1));
	}
	bool ok = true;
	for (unsigned i = 0; i < 6; i++)
		ok &= wait_ok(p[i]);
	CHECK(ok);
	return true;
}

static bool test_fpu_sse(void)
{
	return in_processes(sse_loop);
}

static bool test_fpu_avx(void)
{
	return in_processes(avx_loop);
}

static bool test_fpu_avx512(void)
{
	return in_processes(avx512_loop);
}

static bool test_cow(void)
{
	const size_t n = 200;
	uint8_t *m = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(m != MAP_FAILED);
	for (size_t i = 0; i < n; i++)
		m[i * PAGE] = (uint8_t)i;
	for (int round = 0; round < 5; round++) {
		pid_t p = fork();
		CHECK(p >= 0);
		if (!p) {
			for (size_t i = 0; i < n; i += 2)
				m[i * PAGE] ^= 0xff;
			for (size_t i = 0; i < n; i++)
				if (m[i * PAGE] != (uint8_t)(i % 2 ? i : i ^ 0xff))
					_exit(1);
			_exit(0);
		}
		CHECK(wait_ok(p));
		for (size_t i = 0; i < n; i++)
			CHECK(m[i * PAGE] == (uint8_t)i);
	}
	munmap(m, n * PAGE);
	return true;
}

static bool test_map_storm(void)
{
	for (int i = 0; i < 200 / scale; i++) {
		size_t len = (size_t)(1 + i % 64) * PAGE;
		uint8_t *m = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(m != MAP_FAILED);
		memset(m, i, len);
		CHECK(!mprotect(m, PAGE, PROT_READ) && m[0] == (uint8_t)i);
		CHECK(!mprotect(m, PAGE, PROT_READ | PROT_WRITE));
		m[0] = 1;
		m = mremap(m, len, 2 * len, MREMAP_MAYMOVE);
		CHECK(m != MAP_FAILED);
		CHECK(m[0] == 1 && m[len - 1] == (uint8_t)i && m[len] == 0);
		CHECK(!munmap(m, 2 * len));
	}
	return true;
}

static bool test_clock(void)
{
	struct timespec a, b;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	CHECK(!clock_gettime(CLOCK_MONOTONIC, &a));
	for (long i = 0; i < 2000 / scale; i++) {
		cpu_set_t set;
		CPU_ZERO(&set);
		CPU_SET((size_t)(i % cpus), &set);
		if (i % 50 == 0)
			CHECK(!sched_setaffinity(0, sizeof(set), &set));
		CHECK(!clock_gettime(CLOCK_MONOTONIC, &b));
		int64_t d = (b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec;
		CHECK(d >= 0 && d < 30000000000L);
		a = b;
	}
	cpu_set_t all;
	memset(&all, 0xff, sizeof(all));
	sched_setaffinity(0, sizeof(all), &all);
	/* Sleeping takes at least what was asked for. */
	struct timespec ms = {0, 20000000};
	CHECK(!clock_gettime(CLOCK_MONOTONIC, &a) && !nanosleep(&ms, NULL) &&
	      !clock_gettime(CLOCK_MONOTONIC, &b));
	CHECK((b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec >= 20000000);
	return true;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long counter;

static void *count(void *arg)
{
	for (int i = 0; i < 500; i++) {
		pthread_mutex_lock(&mutex);
		long c = counter;
		if (i % 16 == 0)
			sched_yield();
		counter = c + 1;
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static bool test_threads(void)
{
	pthread_t t[8];

	counter = 0;
	for (int i = 0; i < 8; i++)
		CHECK(!pthread_create(&t[i], NULL, count, NULL));
	for (int i = 0; i < 8; i++)
		CHECK(!pthread_join(t[i], NULL));
	CHECK(counter == 8 * 500);
	return true;
}

static bool test_oom(void)
{
	pid_t p = fork();
	int st;

	CHECK(p >= 0);
	if (!p) {
		FILE *f = fopen("/proc/self/oom_score_adj", "w");
		if (f) {
			fputs("1000", f);
			fclose(f);
		}
		for (;;) {
			uint8_t *m = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE,
					  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
			if (m == MAP_FAILED)
				_exit(3);
			for (size_t i = 0; i < 4 << 20; i += PAGE)
				m[i] = 1;
		}
	}
	CHECK(waitpid(p, &st, 0) == p);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL);
	/* The system goes on. */
	p = fork();
	CHECK(p >= 0);
	if (!p)
		_exit(0);
	CHECK(wait_ok(p));
	return true;
}

static uint64_t xcr0(void)
{
	uint32_t a, d;

	__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	return (uint64_t)d << 32 | a;
}

static bool have_avx(void)
{
	return __builtin_cpu_supports("avx") && (xcr0() & 6) == 6;
}

static bool have_avx512(void)
{
	return __builtin_cpu_supports("avx512f") && (xcr0() & 0xe6) == 0xe6;
}

static const struct {
	const char *name;
	bool (*fn)(void);
	bool (*needs)(void);
} tests[] = {
	{"fork and exec", test_fork_exec, NULL},
	{"pipes between processes", test_pipe, NULL},
	{"interval timer signals", test_timer_signals, NULL},
	{"SIGSEGV handler on an alternate stack", test_segv_handler, NULL},
	{"int3, ud2, hlt", test_int3_and_ud, NULL},
	{"SSE state across context switches", test_fpu_sse, NULL},
	{"AVX state across context switches", test_fpu_avx, have_avx},
	{"AVX-512 state across context switches", test_fpu_avx512, have_avx512},
	{"copy on write", test_cow, NULL},
	{"mmap, mprotect, mremap, munmap", test_map_storm, NULL},
	{"monotonic clock on all cpus", test_clock, NULL},
	{"threads and futexes", test_threads, NULL},
	{"memory pressure to the OOM killer", test_oom, NULL},
};

int main(int argc, char **argv)
{
	int failed = 0;

	self = argv[0];
	if (argc > 1 && !strcmp(argv[1], "nothing"))
		return 0;
	/* gtest [SCALE [oom|rest]] */
	const char *which = argc > 2 ? argv[2] : "";
	if (argc > 1)
		scale = atol(argv[1]) > 0 ? atol(argv[1]) : 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		bool oom = tests[i].fn == test_oom;
		if ((oom && !strcmp(which, "rest")) || (!oom && !strcmp(which, "oom")))
			continue;
		if (tests[i].needs && !tests[i].needs()) {
			printf("ok - %s # SKIP this processor does not have it\n", tests[i].name);
			continue;
		}
		bool ok = tests[i].fn();
		failed += !ok;
		printf("%s - %s\n", ok ? "ok" : "not ok", tests[i].name);
	}
	return failed != 0;
}
