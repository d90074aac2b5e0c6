/*
 * Runs a guest for `make bench` and writes down what is seen of it from outside:
 *   watch [-l SECONDS] [-b SECONDS] [-f] [-g MIB] [-s FILE] [-q SOCKET] COMMAND...
 * -l: it may take that long; -b: until its init. -f: the first entry into a guest of KVM is
 * looked for, with the kernel's tracepoint. -g: the guest's size: mappings of half of it or more
 * are the guest's memory. -s: a file that it leaves (xenolith's --stats). -q: prints JSON with
 * "exits" while it runs (xenolith list -l).
 *
 * The guest's lines that matter come out with the milliseconds since exec before them:
 *   EXEC NS                      when (CLOCK_MONOTONIC)
 *   AT MS MARK|BENCH|BLK|NET|= ...
 *   KVM NAME=N ...               after a MARK: KVM's own counts (debugfs)
 *   USER N                       after a MARK: exits to our program
 *   FIRST MS                     -f
 *   MEMORY KIB                   at "MARK done": resident beyond the guest's
 *   STATS {...}                  -s
 *   LOG ...                      any other line
 *   END STATUS                   of the command; "killed" when it was ended from here
 * Status: 0 when the guest said that it is done, 2 when it never came to its init.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KVM_DEBUG "/sys/kernel/debug/kvm"
#define TRACING	  "/sys/kernel/tracing"
#define LINE	  4096
#define GRACE_MS  8000 /* for a guest that is done to be gone */

static pid_t child;
static uint64_t exec_ns;
static unsigned long guest_mib;
static const char *control;
static bool booted, done;
static uint64_t done_ms;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t since_ms(void)
{
	return (now_ns() - exec_ns) / 1000000;
}

/* ---- KVM's counts: a folder PID-FD with a file for each ---- */

static void kvm_file(const char *dir, const char *name)
{
	char path[512], text[32];

	snprintf(path, sizeof(path), KVM_DEBUG "/%s/%s", dir, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return;
	text[n] = '\0';
	if (strtoull(text, NULL, 10))
		printf(" %s=%llu", name, strtoull(text, NULL, 10));
}

static void kvm_counts(void)
{
	static const char *const names[] = {
		"exits",
		"io_exits",
		"mmio_exits",
		"irq_exits",
		"halt_exits",
		"hypercalls",
		"irq_window_exits",
		"nmi_window_exits",
		"request_irq_exits",
		"signal_exits",
		"insn_emulation",
		"tlb_flush",
		"invlpg",
		"pf_taken",
		"pf_fixed",
		"mmu_pte_write",
		"host_state_reload",
		"irq_injections",
		"pf_fast",
		"pf_emulate",
	};
	char want[32];
	DIR *d = opendir(KVM_DEBUG);
	struct dirent *e;

	snprintf(want, sizeof(want), "%d-", (int)child);
	while (d && (e = readdir(d))) {
		if (strncmp(e->d_name, want, strlen(want)))
			continue;
		printf("KVM");
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			kvm_file(e->d_name, names[i]);
		printf("\n");
	}
	if (d)
		closedir(d);
}

/* vmm/control/control.h: a line of JSON each way. The domain's own sum is the largest of the
 * counts in it. */
static void user_exits(void)
{
	static const char request[] = "{\"version\": 1, \"request\": \"info\"}\n";
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = 5};
	char text[65536];
	size_t len = 0;
	ssize_t n = 1;
	unsigned long long most = 0;

	if (!control)
		return;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", control);
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (!connect(s, (struct sockaddr *)&a, sizeof(a)) &&
	    write(s, request, strlen(request)) == (ssize_t)strlen(request))
		while (len < sizeof(text) - 1 && n > 0 && !memchr(text, '\n', len)) {
			n = read(s, text + len, sizeof(text) - 1 - len);
			len += n > 0 ? (size_t)n : 0;
		}
	close(s);
	text[len] = '\0';
	for (const char *p = text; (p = strstr(p, "\"exits\":")); p++) {
		unsigned long long is = strtoull(p + 8, NULL, 10);
		most = is > most ? is : most;
	}
	if (most)
		printf("USER %llu\n", most);
}

/* Mappings without a file that follow each other are one: the guest's memory, a part of which was
 * moved there, is several. */
static void memory(void)
{
	unsigned long long lo, hi, begin = 0, end = 0, inode;
	unsigned long kib, run = 0, sum = 0;
	char path[64], line[512];

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)child);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx-%llx %*s %*s %*s %llu", &lo, &hi, &inode) == 3) {
			if (lo != end || inode) {
				sum += (end - begin) >> 20 >= guest_mib / 2 ? 0 : run;
				begin = lo;
				run = 0;
			}
			end = hi;
		} else if (sscanf(line, "Rss: %lu kB", &kib) == 1) {
			run += kib;
		}
	}
	sum += (end - begin) >> 20 >= guest_mib / 2 ? 0 : run;
	if (f)
		fclose(f);
	if (sum)
		printf("MEMORY %lu\n", sum);
}

/* ---- the first entry ---- */

static bool tracing(const char *file, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), TRACING "/%s", file);
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, value, strlen(value)) > 0;
	if (fd >= 0)
		close(fd);
	return ok;
}

/* What is kept is the beginning. */
static int first_begin(void)
{
	tracing("events/kvm/kvm_entry/enable", "0");
	tracing("trace_clock", "mono");
	tracing("options/overwrite", "0");
	tracing("buffer_size_kb", "16");
	tracing("trace", "\n");
	if (!tracing("events/kvm/kvm_entry/enable", "1"))
		return -1;
	return open(TRACING "/trace", O_RDONLY | O_CLOEXEC);
}

/* True when there was one: "qemu-123 [000] d... 12.345678: kvm_entry: ..." */
static bool first_look(int fd)
{
	char text[8192], *p;
	ssize_t n = lseek(fd, 0, SEEK_SET) ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return false;
	text[n] = '\0';
	p = strstr(text, ": kvm_entry");
	if (!p)
		return false;
	while (p > text && p[-1] != ' ')
		p--;
	printf("FIRST %.2f\n", strtod(p, NULL) * 1e3 - exec_ns / 1e6);
	tracing("events/kvm/kvm_entry/enable", "0");
	return true;
}

/* ---- the guest's lines ---- */

static bool begins(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

static void take_line(char *line)
{
	if (!begins(line, "MARK ") && !begins(line, "BENCH ") && !begins(line, "BLK ") &&
	    !begins(line, "NET ") && !begins(line, "= ")) {
		if (*line)
			printf("LOG %s\n", line);
		return;
	}
	printf("AT %lu %s\n", (unsigned long)since_ms(), line);
	if (begins(line, "MARK init") || begins(line, "= "))
		booted = true;
	if (begins(line, "MARK done"))
		memory();
	if (begins(line, "MARK ") && !begins(line, "MARK init")) {
		kvm_counts();
		user_exits();
	}
	if (!done && (begins(line, "MARK done") || begins(line, "= end"))) {
		done = true;
		done_ms = since_ms();
	}
}

static void take_bytes(const char *buf, ssize_t n)
{
	static char line[LINE];
	static size_t len;

	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] == '\n') {
			line[len] = '\0';
			take_line(line);
			len = 0;
		} else if (buf[i] != '\r' && len < sizeof(line) - 1) {
			line[len++] = buf[i];
		}
	}
}

static void print_stats(const char *path)
{
	FILE *f = fopen(path, "re");
	int c;

	if (!f)
		return;
	printf("STATS ");
	while ((c = fgetc(f)) != EOF)
		putchar(c == '\n' ? ' ' : c);
	printf("\n");
	fclose(f);
}

static int start(char **argv)
{
	int pipe_fd[2];

	if (pipe2(pipe_fd, O_CLOEXEC)) {
		perror("watch: pipe");
		exit(1);
	}
	exec_ns = now_ns();
	child = fork();
	if (!child) {
		int null = open("/dev/null", O_RDONLY);
		dup2(null, 0);
		dup2(pipe_fd[1], 1);
		dup2(pipe_fd[1], 2);
		execvp(argv[0], argv);
		fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	close(pipe_fd[1]);
	printf("EXEC %llu\n", (unsigned long long)exec_ns);
	return pipe_fd[0];
}

int main(int argc, char **argv)
{
	unsigned long limit = 300, boot_limit = 300;
	const char *stats = NULL;
	bool first = false, killed = false;
	int c, status, trace_fd = -1;
	char buf[4096];

	while ((c = getopt(argc, argv, "+l:b:fg:s:q:")) != -1) {
		switch (c) {
		case 'l':
			limit = strtoul(optarg, NULL, 10);
			break;
		case 'b':
			boot_limit = strtoul(optarg, NULL, 10);
			break;
		case 'f':
			first = true;
			break;
		case 'g':
			guest_mib = strtoul(optarg, NULL, 10);
			break;
		case 's':
			stats = optarg;
			break;
		case 'q':
			control = optarg;
			break;
		default:
			return 2;
		}
	}
	if (optind == argc) {
		fprintf(stderr, "watch: a command is missing\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (first)
		trace_fd = first_begin();
	struct pollfd p = {.fd = start(argv + optind), .events = POLLIN};
	for (;;) {
		int n = poll(&p, 1, trace_fd >= 0 ? 20 : 500);
		if (n > 0) {
			ssize_t r = read(p.fd, buf, sizeof(buf));
			if (r <= 0)
				break;
			take_bytes(buf, r);
		}
		if (trace_fd >= 0 && first_look(trace_fd)) {
			close(trace_fd);
			trace_fd = -1;
		}
		if (since_ms() > limit * 1000 || (!booted && since_ms() > boot_limit * 1000) ||
		    (done && since_ms() > done_ms + GRACE_MS)) {
			killed = true;
			kill(child, SIGKILL);
			break;
		}
	}
	take_bytes("\n", 1);
	waitpid(child, &status, 0);
	if (trace_fd >= 0)
		tracing("events/kvm/kvm_entry/enable", "0");
	if (stats)
		print_stats(stats);
	if (killed)
		printf("END killed\n");
	else
		printf("END %d\n",
		       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return done ? 0 : booted ? 1 : 2;
}
