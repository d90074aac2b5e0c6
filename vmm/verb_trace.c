/*
 * `xenolith trace`: what happens in a running domain, until the user has seen enough.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "vmm/run_options.h"
#include "vmm/trace/trace_options.h"
#include "vmm/verb_domain.h"

#define MAX_SECONDS 86400

struct trace_verb {
	struct trace_options trace;
	unsigned seconds; /* 0: until Ctrl-C */
};

static int parse_file(void *into, const char *value, struct error *err)
{
	return trace_option_file(&((struct trace_verb *)into)->trace, value, err);
}

static int parse_format(void *into, const char *value, struct error *err)
{
	return trace_option_format(&((struct trace_verb *)into)->trace, value, err);
}

static int parse_symbols(void *into, const char *value, struct error *err)
{
	return trace_option_symbols(&((struct trace_verb *)into)->trace, value, err);
}

static int parse_seconds(void *into, const char *value, struct error *err)
{
	unsigned long long n;
	int rc = option_number("seconds", "seconds", value, 1, MAX_SECONDS, &n, err);

	if (!rc)
		((struct trace_verb *)into)->seconds = (unsigned)n;
	return rc;
}

static const struct option options[] = {
	{.name = "output",
	 .letter = 'o',
	 .arg = "PATH",
	 .help = "*.json is a timeline for Perfetto, a path with a / at its end\n"
		 "a folder in CTF, else it is text (default: text to stdout)",
	 .parse = parse_file},
	{.name = "format",
	 .letter = 'f',
	 .arg = "FORMAT",
	 .help = "text, json or ctf",
	 .parse = parse_format},
	{.name = "symbols",
	 .arg = "FILE",
	 .help = "the kernel's System.map or ELF file",
	 .parse = parse_symbols},
	{.name = "seconds",
	 .letter = 's',
	 .arg = "N",
	 .help = "ends after N seconds",
	 .parse = parse_seconds},
	{.name = NULL},
};

/* The domain's process has another working directory, perhaps. */
static char *absolute(const char *path)
{
	char dir[PATH_MAX], *p;

	if (*path == '/')
		return strdup(path);
	return getcwd(dir, sizeof(dir)) && asprintf(&p, "%s/%s", dir, path) >= 0 ? p : NULL;
}

/* A pipe that only we know the name of. */
static int make_pipe(char *path, size_t size)
{
	const char *dir = getenv("TMPDIR");

	snprintf(path, size, "%s/xenolith-trace-XXXXXX", dir && *dir ? dir : "/tmp");
	if (!mkdtemp(path))
		return -errno;
	strncat(path, "/pipe", size - strlen(path) - 1);
	if (mkfifo(path, 0600))
		return -errno;
	return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

static void remove_pipe(char *path)
{
	unlink(path);
	*strrchr(path, '/') = 0;
	rmdir(path);
}

static json_t *arguments(const struct trace_verb *o, const char *path)
{
	json_t *what = json_array(), *args;

	for (unsigned i = 0; i < o->trace.nr_what; i++)
		json_array_append_new(what, json_string(o->trace.what[i]));
	args = json_pack("{s:o,s:s,s:s}", "what", what, "path", path, "format",
			 trace_format_names[o->trace.format]);
	if (args && o->trace.symbols) {
		char *symbols = absolute(o->trace.symbols);

		json_object_set_new(args, "symbols", json_string(symbols));
		free(symbols);
	}
	return args;
}

/* Copies what is there. 1: its writer has gone, so has our reader, or nothing can be written. */
static bool copy(int from)
{
	char buf[65536];
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) > 0)
		for (ssize_t done = 0, w; done < n; done += w)
			if ((w = write(STDOUT_FILENO, buf + done, (size_t)(n - done))) <= 0)
				return true;
	return n == 0 || errno != EAGAIN;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

/* Until the user, the clock or the domain ends it; then what is left is fetched, too. */
static int follow(struct link *l, json_int_t session, int from, int signals, unsigned seconds)
{
	int64_t end = seconds ? now_ms() + seconds * 1000ll : INT64_MAX;
	struct pollfd p[] = {{.fd = signals, .events = POLLIN},
			     {.fd = l->fd, .events = POLLIN},
			     {.fd = from, .events = POLLIN}};
	bool stopping = false;
	struct error err;
	json_t *ok;
	int rc;

	while (1) {
		int64_t left = end - now_ms();

		if (!stopping && left > 0 && poll(p, 3, left > 1000 ? 1000 : (int)left) < 0)
			break;
		if (!stopping && (p[0].revents || left <= 0)) {
			stopping = true;
			if (link_send(l, "trace-stop", json_pack("{s:I}", "session", session),
				      &err))
				break;
		}
		if (from < 0 && (stopping || p[1].revents))
			break;
		if (from >= 0 && p[2].revents && copy(from))
			break;
		if (!stopping && p[1].revents)
			break; /* the domain has ended */
		if (stopping && from >= 0 && poll(&p[2], 1, 1000) <= 0)
			break;
	}
	if (!stopping) {
		fprintf(stderr,
			"xenolith: the trace is over: the domain or its reader has ended\n");
		return EXIT_OK;
	}
	ok = link_answer(l, ANSWER_MS, "the trace's end", &rc, &err);
	if (!ok)
		return rc == -EPIPE ? EXIT_OK : verb_failed(rc, &err);
	if (info_int(ok, "lost"))
		fprintf(stderr,
			"xenolith: %lld records, and %lld that were lost: too many at a time\n",
			(long long)info_int(ok, "records"), (long long)info_int(ok, "lost"));
	json_decref(ok);
	return EXIT_OK;
}

static int trace(const char *domain, const struct trace_verb *o)
{
	char pipe_path[PATH_MAX] = "", *path;
	int from = -1, rc = 0, status;
	struct error err;
	struct link l;
	sigset_t set;

	if (!o->trace.path && (from = make_pipe(pipe_path, sizeof(pipe_path))) < 0) {
		fprintf(stderr, "xenolith: cannot make a pipe: %s\n", strerror(-from));
		return EXIT_HOST_FAILED;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	path = absolute(o->trace.path ? o->trace.path : pipe_path);
	rc = link_find(&l, domain, &err);
	if (rc) {
		status = verb_failed(rc, &err);
	} else {
		json_t *ok =
			link_ask(&l, "trace-start", arguments(o, path), ANSWER_MS, NULL, &rc, &err);

		status = ok ? follow(&l, info_int(ok, "session"), from, signals, o->seconds)
			    : verb_failed(rc, &err);
		json_decref(ok);
		link_close(&l);
	}
	if (from >= 0) {
		close(from);
		remove_pipe(pipe_path);
	}
	close(signals);
	free(path);
	return status;
}

static int run(const struct verb *v, int argc, char **argv)
{
	struct trace_verb o = {0};
	struct error err;
	int status, n = verb_parse_operands(v, argc, argv, &o, 1, 8, &status);

	if (n < 0)
		return status;
	for (int i = 1; i < n; i++)
		if (trace_option_what(&o.trace, argv[i], &err))
			return bad_usage("%s", err.text);
	if (!o.trace.path && o.trace.format == TRACE_CTF)
		return bad_usage("a trace in CTF is a folder: --output says which");
	return trace(argv[0], &o);
}

const struct verb verb_trace = {
	.name = "trace",
	.operands = "DOMAIN [WHAT...]",
	.summary = "show what happens in a domain",
	.more = "WHAT is CATEGORY,...[:CONDITION,...]. The categories are hypercall, mmu, event,\n"
		"timer, grant, xenstore, console, block, net, pci, monitor, fault, all; a probe's\n"
		"name does, too. A condition is FIELD=VALUE (or != < <= > >= and ~ for "
		"'contains'),\n"
		"of the fields that the records show, or vcpu, rip, kernel, duration (ns), name "
		"and\n"
		"op (of a hypercall), text. All conditions must hold. Several WHATs add up. "
		"Without\n"
		"any it is all but mmu and monitor. Examples:\n"
		"  xenolith trace NAME hypercall:name=sched_op,op=poll\n"
		"  xenolith trace NAME 'hypercall:result<0' block:disk=51712\n"
		"  xenolith trace NAME 'xenstore:text~/vbd/' -s 10\n",
	.options = options,
	.run = run,
};
