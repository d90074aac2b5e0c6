/*
 * `xenolith create`, as xl does it: the command waits until the domain is up, and a child
 * that outlives it stays with the domain and with those that follow it.
 */
#include "vmm/create.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "vmm/boot/bootloader.h"
#include "vmm/create_successor.h"
#include "vmm/create_wait.h"
#include "vmm/dump/core_dump.h"
#include "vmm/log_file.h"
#include "vmm/stats.h"
#include "vmm/verb_domain.h"

/* Between a domain and the one that follows it, as xl sleeps. */
#define RESTART_PAUSE_S 2
/* Xen's older toolstack refused a restart after less than a minute (xend: XendDomainInfo,
 * MINIMUM_RESTART_TIME). A guest that is meant to reboot early does so a few times at
 * most. */
#define SHORT_LIFE_NS	10000000000ull
#define MAX_SHORT_LIVES 5
#define MAX_LOG_SIZE	(1 << 20)

/* The child's. */
struct creation {
	const struct create_options *o;
	struct domain_settings *s;
	struct boot_found boot;
	sigset_t signals;     /* that end a domain */
	unsigned short_lives; /* of domains in a row */
	uint64_t up;	      /* when this one was, ns */
	bool succeeded;	      /* another process has made the next one */
	int tell_fd;	      /* create_wait.h */
	int log_fd;	      /* -1: in the foreground */
	char core_path[4096];
	bool in_background; /* standard error is the log */
};

static void on_doing(void *arg, const char *what)
{
	create_tell_doing(((struct creation *)arg)->tell_fd, what);
}

/* From now on on our own. */
static void go_to_background(struct creation *c)
{
	setsid();
	dup2(c->log_fd, STDERR_FILENO);
	dup2(c->log_fd, STDOUT_FILENO);
	close(c->log_fd);
	c->log_fd = -1;
	c->in_background = true;
}

static void on_up(void *arg, const char *name, unsigned domid)
{
	struct creation *c = arg;

	c->up = stats_now();
	boot_found_free(&c->boot);
	if (c->log_fd >= 0)
		go_to_background(c);
	create_tell_up(c->tell_fd, name, domid);
	if (c->tell_fd >= 0 && !c->o->foreground) {
		close(c->tell_fd);
		c->tell_fd = -1;
	}
}

static void say(const struct creation *c, enum log_level level, const char *text)
{
	if (level <= c->s->run.log_level)
		fprintf(stderr, "xenolith: %s: %s\n", c->s->run.name, text);
}

/* Counts how long the domain lived. False: it is not to be restarted any more. */
static bool lived_long_enough(struct creation *c, uint64_t ns)
{
	c->short_lives = ns < SHORT_LIFE_NS ? c->short_lives + 1 : 0;
	if (c->short_lives < MAX_SHORT_LIVES)
		return true;
	fprintf(stderr,
		"xenolith: %s: not restarted any more: it has ended within %llu s, %u times "
		"in a row\n",
		c->s->run.name, SHORT_LIFE_NS / 1000000000, c->short_lives);
	return false;
}

/* rename-restart. False: the domain is not kept. */
static bool succeed(struct creation *c)
{
	struct error err;
	char text[600];

	if (!lived_long_enough(c, stats_now() - c->up)) {
		c->succeeded = true;
		return false;
	}
	if (successor_rename(c->s->run.name, &err)) {
		snprintf(text, sizeof(text), "it cannot be kept: %s", err.text);
		say(c, LOG_ERROR, text);
		return false;
	}
	c->succeeded = true;
	say(c, LOG_WARN, "it is kept under another name; restarting");
	if (successor_start(c->o->argv, c->s->run.uuid, c->short_lives, &err)) {
		snprintf(text, sizeof(text), "the next domain cannot be created: %s", err.text);
		say(c, LOG_ERROR, text);
	}
	return true;
}

static bool on_shutdown(void *arg, unsigned code)
{
	struct creation *c = arg;
	enum on_action a = code < NR_SHUTDOWN_CODES ? c->s->on[code] : ON_DESTROY;

	if (a == ON_RENAME_RESTART)
		return succeed(c);
	if (a != ON_PRESERVE)
		return false;
	say(c, LOG_WARN, "it is preserved; 'xenolith destroy' ends it");
	return true;
}

/* xl: handle_domain_death(). */
static const char *on_core_dump(void *arg, unsigned code)
{
	struct creation *c = arg;
	enum on_action a = code < NR_SHUTDOWN_CODES ? c->s->on[code] : ON_DESTROY;
	struct error err;

	if (a != ON_COREDUMP_DESTROY && a != ON_COREDUMP_RESTART)
		return NULL;
	if (!core_dump_default_path(c->s->run.name, c->core_path, sizeof(c->core_path), &err))
		return c->core_path;
	say(c, LOG_ERROR, err.text);
	return NULL;
}

static const char *first_disk(const struct run_options *o)
{
	for (unsigned i = 0; i < o->nr_devices; i++)
		if (!strcmp(o->device[i].kind->option, "disk"))
			return o->device[i].spec;
	return NULL;
}

/* The guest's own boot loader is asked anew for each domain: a reboot may be meant for a
 * new kernel. */
static int find_kernel(struct creation *c, struct run_options *run)
{
	/* xl hands these to pygrub, before the options of the file. */
	struct boot_wish wish = {
		.kernel = run->kernel, .ramdisk = run->ramdisk, .args = run->cmdline};
	struct boot_found *b = &c->boot;
	struct error err;
	char text[512];

	if (!c->s->bootloader)
		return 0;
	on_doing(c, "looking for the kernel in the first disk");
	if (boot_wish_read(&wish, c->s->bootloader_arg, &err) ||
	    bootloader_run(b, first_disk(run), &wish, &err))
		return bad_usage("%s", err.text);
	if (strlen(b->cmdline) >= MAX_GUEST_CMDLINE) {
		boot_found_free(b);
		return bad_usage("the boot loader's command line has more than %d characters",
				 MAX_GUEST_CMDLINE - 1);
	}
	snprintf(text, sizeof(text), "booting %s%s%s%s", b->title, b->title[0] ? " (" : "",
		 b->kernel_name, b->title[0] ? ")" : "");
	say(c, LOG_INFO, text);
	run->kernel = b->kernel_name;
	run->kernel_data = b->kernel;
	run->kernel_size = b->kernel_size;
	run->ramdisk = b->ramdisk ? b->ramdisk_name : NULL;
	run->ramdisk_data = b->ramdisk;
	run->ramdisk_size = b->ramdisk_size;
	run->cmdline = b->cmdline;
	return 0;
}

static bool restarts(enum on_action a)
{
	return a == ON_RESTART || a == ON_RENAME_RESTART || a == ON_COREDUMP_RESTART;
}

/* Is there to be another domain? */
static bool follows(struct creation *c, const struct run_result *res)
{
	return res->ran && res->shut_down && res->shutdown_code < NR_SHUTDOWN_CODES &&
	       restarts(c->s->on[res->shutdown_code]) && !c->succeeded &&
	       lived_long_enough(c, res->lived);
}

/* 128 + n when signal n came meanwhile. */
static int restart_pause(const struct creation *c)
{
	struct timespec t = {.tv_sec = RESTART_PAUSE_S};
	int sig = sigtimedwait(&c->signals, NULL, &t);

	return sig > 0 ? 128 + sig : 0;
}

/* A guest that reboots for ever fills two logs and no more. */
static void limit_log(const struct creation *c)
{
	struct error err;
	struct stat st;
	char path[4096];

	if (!c->in_background || fstat(STDERR_FILENO, &st) || st.st_size < MAX_LOG_SIZE)
		return;
	int fd = log_file_open(c->s->run.name, path, sizeof(path), &err);
	if (fd < 0)
		return;
	dup2(fd, STDERR_FILENO);
	dup2(fd, STDOUT_FILENO);
	close(fd);
}

/* One domain after the other. */
static int live(struct creation *c)
{
	struct run_result res;
	int status;

	for (;;) {
		struct run_options run = c->s->run;

		run.hooks = (struct run_hooks){
			.arg = c,
			.doing = on_doing,
			.up = on_up,
			.core_dump = on_core_dump,
			.preserve = on_shutdown,
		};
		status = find_kernel(c, &run);
		if (status)
			return status;
		status = domain_run(&run, &res);
		boot_found_free(&c->boot);
		if (!follows(c, &res))
			/* It should have been restarted, and is no more. */
			return c->short_lives == MAX_SHORT_LIVES && !status ? EXIT_GUEST_CRASHED
									    : status;
		say(c, LOG_WARN, "restarting");
		c->s->run.paused = false; /* only the first is left so */
		c->s->run.gdb_nowait = true;
		limit_log(c);
		status = restart_pause(c);
		if (status)
			return status;
	}
}

static void input_from_nowhere(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		dup2(fd, STDIN_FILENO);
		close(fd);
	}
}

static int child(struct creation *c)
{
	sigprocmask(SIG_UNBLOCK, &c->signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* The parent ends us as it should, unless it is killed itself. */
	if (c->o->foreground)
		prctl(PR_SET_PDEATHSIG, SIGTERM);
	c->s->run.console = CONSOLE_SOCKET;
	input_from_nowhere();
	return live(c);
}

/* Opens the log; a domain without one is better than none. */
static int open_log(const struct create_options *o, const struct domain_settings *s)
{
	struct error err;
	char path[4096];

	if (o->foreground)
		return -1;
	int fd = log_file_open(s->run.name, path, sizeof(path), &err);
	if (fd >= 0)
		return fd;
	bad_usage("there will be no log: %s", err.text);
	return open("/dev/null", O_WRONLY | O_CLOEXEC);
}

/* -c: as `console` does it, and before the guest runs. With -F the domain is waited for
 * afterwards. */
static int attach(struct create_wait *w, bool until_end, bool unpause)
{
	char domid[12];

	snprintf(domid, sizeof(domid), "%u", w->domid);
	int status = console_attach(domid, unpause);
	if (!until_end)
		return status;
	w->until_end = true;
	return create_wait(w);
}

int domain_create_new(const struct create_options *o, struct domain_settings *s)
{
	struct creation c = {.o = o,
			     .s = s,
			     .short_lives = successor_short_lives(),
			     .tell_fd = -1,
			     .log_fd = -1};
	bool wants_pause = s->run.paused;
	int fd[2];

	s->run.paused |= o->console;
	if (pipe2(fd, O_CLOEXEC)) {
		bad_usage("cannot make a pipe: %s", strerror(errno));
		return EXIT_HOST_FAILED;
	}
	sigemptyset(&c.signals);
	sigaddset(&c.signals, SIGINT);
	sigaddset(&c.signals, SIGTERM);
	sigaddset(&c.signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &c.signals, NULL);
	struct create_wait w = {
		.fd = fd[0],
		.signal_fd = signalfd(-1, &c.signals, SFD_CLOEXEC),
		.quiet = o->quiet,
		.until_end = o->foreground && !o->console,
		.patience_ms = 2000,
	};
	fflush(NULL);
	w.child = fork();
	if (w.child < 0) {
		bad_usage("cannot start a process: %s", strerror(errno));
		return EXIT_HOST_FAILED;
	}
	if (!w.child) {
		close(fd[0]);
		close(w.signal_fd);
		c.tell_fd = fd[1];
		c.log_fd = open_log(o, s);
		return child(&c);
	}
	close(fd[1]);
	int status = create_wait(&w);
	if (o->console && w.is_up)
		status = attach(&w, o->foreground, !wants_pause);
	close(fd[0]);
	close(w.signal_fd);
	return status;
}
