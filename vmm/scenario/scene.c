/*
 * A scene from its start to its verdict.
 */
#include "vmm/scenario/scene.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vmm/scenario/trace_reader.h"

#define CONSOLE_MAX (32u << 20) /* of what is looked at; the file has it all */
#define ACTION_NS   90000000000ull
#define EXIT_NS	    180000000000ull

uint64_t scene_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int scene_fail(struct scene *sc, unsigned line, const char *fmt, ...)
{
	struct scenario_result *r = sc->result;
	va_list ap;

	if (r->verdict == FAILED)
		return -1;
	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
	r->line = line;
	r->verdict = FAILED;
	return -1;
}

bool scene_failed(const struct scene *sc)
{
	return sc->result->verdict == FAILED;
}

/* ---- the console ---- */

static void take_console(struct scene *sc, const char *bytes, size_t len)
{
	fwrite(bytes, 1, len, sc->console_log);
	if (sc->console_len + len + 1 > sc->console_size) {
		size_t size = (sc->console_len + len) * 2 + 65536;
		char *p = sc->console_len < CONSOLE_MAX ? realloc(sc->console, size) : NULL;

		if (!p)
			return;
		sc->console = p;
		sc->console_size = size;
	}
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != '\r')
			sc->console[sc->console_len++] =
				(char)(bytes[i] == '\n' || isprint((unsigned char)bytes[i])
					       ? bytes[i]
					       : '?');
	sc->console[sc->console_len] = 0;
	scene_judge_console(sc, false);
}

static bool read_console(struct scene *sc)
{
	char buf[65536];
	ssize_t n;

	while ((n = read(sc->console_out, buf, sizeof(buf))) > 0)
		take_console(sc, buf, (size_t)n);
	return n < 0 && errno == EAGAIN;
}

/* ---- its end ---- */

static const char *how_it_ended(const struct scene *sc, int status)
{
	static const struct {
		const char *message, *how;
	} rows[] = {
		{"the guest powered off", "poweroff"},
		{"the guest asked for a reboot", "reboot"},
		{"the guest suspended itself", "suspend"},
		{"the guest crashed", "crash"},
		{"the guest's watchdog expired", "watchdog"},
		{"the host failed", "host failure"},
	};
	char path[4200], line[1024];
	const char *how = NULL;
	FILE *f;

	if (WIFSIGNALED(status) || WEXITSTATUS(status) > 128)
		return "signal";
	snprintf(path, sizeof(path), "%s/messages.log", sc->dir);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			if (strstr(line, rows[i].message))
				how = rows[i].how;
	if (f)
		fclose(f);
	return how			    ? how
	       : WEXITSTATUS(status) == 0   ? "destroyed"
	       : WEXITSTATUS(status) == 2   ? "refused: see messages.log"
	       : WEXITSTATUS(status) == 127 ? "not run"
					    : "failure: see messages.log";
}

static void note_end(struct scene *sc)
{
	int status;

	if (sc->ended || waitpid(sc->domain, &status, WNOHANG) != sc->domain)
		return;
	while (read_console(sc))
		if (poll(&(struct pollfd){.fd = sc->console_out, .events = POLLIN}, 1, 200) <= 0)
			break;
	sc->ended = true;
	sc->how = how_it_ended(sc, status);
	scene_judge_console(sc, true);
}

void scene_pump(struct scene *sc, int ms)
{
	struct pollfd p[] = {{.fd = sc->ended ? -1 : sc->console_out, .events = POLLIN},
			     {.fd = sc->ended ? -1 : sc->pid_fd, .events = POLLIN}};

	fflush(sc->console_log);
	if (poll(p, 2, ms) > 0 && p[0].revents & POLLIN)
		read_console(sc);
	else if (p[0].revents & POLLHUP)
		poll(&p[1], 1, ms);
	note_end(sc);
	trace_reader_poll(sc->trace);
	if (!sc->ended && scene_now() > sc->deadline)
		scene_fail(sc, 0, "it was not over within its limit of %llu s",
			   (unsigned long long)(sc->s->limit * sc->host->patience / 1000000000));
}

static void wait_until(struct scene *sc, uint64_t when)
{
	while (!sc->ended && !scene_failed(sc) && scene_now() < when) {
		uint64_t left = (when - scene_now()) / 1000000 + 1;

		scene_pump(sc, left > 50 ? 50 : (int)left);
	}
}

int scene_call(struct scene *sc, char *const argv[])
{
	char path[4200];
	uint64_t end = scene_now() + ACTION_NS * sc->host->patience;
	int status = 0;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/actions.log", sc->dir);
	FILE *f = fopen(path, "ae");
	if (!f)
		return -errno;
	for (int i = 1; argv[i]; i++)
		fprintf(f, "%s%s", i > 1 ? " " : "$ xenolith ", argv[i]);
	fputc('\n', f);
	fflush(f);
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_RDONLY);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		dup2(null, 0);
		dup2(fileno(f), 1);
		dup2(fileno(f), 2);
		/* Where the list of faults is that are injected later. */
		if (chdir(sc->dir))
			_exit(127);
		execv(argv[0], argv);
		_exit(127);
	}
	fclose(f);
	while (pid > 0 && waitpid(pid, &status, WNOHANG) == 0) {
		if (scene_now() > end || scene_now() > sc->deadline + ACTION_NS) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -ETIMEDOUT;
		}
		scene_pump(sc, 10);
	}
	return pid < 0 ? -EAGAIN : WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

/* ---- steps ---- */

/* It can be spoken to, and its console is there. */
static int wait_for_domain(struct scene *sc)
{
	uint64_t end = scene_now() + ACTION_NS * sc->host->patience;
	char value[16];

	while (!sc->ended && !scene_failed(sc) && scene_now() < end) {
		for (unsigned id = 1; id < 4; id++) {
			sc->domid = id;
			char *path = scene_store_path(sc, "domid");
			int rc = scene_store_read(sc, path ? path : "", value, sizeof(value));
			free(path);
			if (!rc)
				return 0;
		}
		scene_pump(sc, 20);
	}
	sc->domid = 1;
	return sc->ended || scene_failed(sc) ? 0 : scene_fail(sc, 0, "the domain did not start");
}

static int run_step(struct scene *sc, const struct step *st)
{
	if (st->at)
		wait_until(sc, sc->started + st->at);
	switch (st->kind) {
	case STEP_DO:
		return scene_do(sc, st);
	case STEP_WAIT:
		wait_until(sc, scene_now() + st->within);
		return scene_failed(sc) ? -1 : 0;
	default:
		return scene_expect(sc, st);
	}
}

static int run_steps(struct scene *sc, bool *exit_expected)
{
	unsigned left = 0;

	for (unsigned i = 0; i < sc->s->nr_steps; i++) {
		const struct step *st = &sc->s->step[i];

		if (st->kind == STEP_REPEAT) {
			left = st->n;
		} else if (st->kind == STEP_END) {
			if (--left)
				i = st->partner;
		} else if (run_step(sc, st)) {
			return -1;
		}
		*exit_expected |= st->kind == STEP_EXIT;
	}
	return 0;
}

/* Without a word about its end it is to power off. */
static void expect_poweroff(struct scene *sc)
{
	struct step st = {.kind = STEP_EXIT, .text = "poweroff", .within = EXIT_NS};

	scene_expect(sc, &st);
}

/* What xenolith has to say against itself. */
static void judge_messages(struct scene *sc)
{
	char path[4200], line[1024];
	FILE *f;

	snprintf(path, sizeof(path), "%s/messages.log", sc->dir);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		if (strstr(line, "is held by a backend that has ended") ||
		    strstr(line, "the host failed") || strstr(line, "Sanitizer"))
			scene_fail(sc, 0, "%s", line);
	}
	if (f)
		fclose(f);
}

void scene_run(struct scene *sc)
{
	bool exit_expected = false;
	uint64_t start = scene_now();
	char path[4200];

	signal(SIGPIPE, SIG_IGN);
	sc->pid_fd = sc->console_in = sc->console_out = -1;
	sc->deadline = start + sc->s->limit * sc->host->patience;
	setenv("XDG_RUNTIME_DIR", sc->run_dir, 1);
	if (!scene_start(sc) && !wait_for_domain(sc) && !run_steps(sc, &exit_expected) &&
	    !exit_expected)
		expect_poweroff(sc);
	scene_end(sc);
	if (sc->trace) {
		trace_reader_poll(sc->trace);
		scene_expect_end(sc);
	}
	judge_messages(sc);
	sc->result->ns = scene_now() - start;
	if (!scene_failed(sc))
		sc->result->verdict = PASSED;
	else if (sc->trace) {
		snprintf(path, sizeof(path), "%s/trace.txt", sc->dir);
		trace_reader_text(sc->trace, path);
	}
	snprintf(path, sizeof(path), "%s/trace.raw", sc->dir);
	unlink(path);
	if (sc->console_log)
		fclose(sc->console_log);
	trace_reader_close(sc->trace);
}
