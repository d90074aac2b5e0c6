/*
 * Lanes of scenarios: processes are started, watched, and ended when they hang or the user
 * has seen enough.
 */
#include "vmm/scenario/runner.h"

#include <errno.h>
#include <fnmatch.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process that has not ended so long after its own limit hangs. */
#define HARD_NS	  45000000000ull
#define MAX_LINES 4096

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static void remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

bool job_failed(const struct scenario_job *j)
{
	return (j->result->verdict == FAILED || j->result->verdict == NOT_RUN) && !j->xfail;
}

/* In the child. Its parent's death is its own, and the domain's. */
static void run_job(struct runner *r, struct scenario_job *j, const char *run_dir, pid_t parent)
{
	struct scene sc = {.s = j->s,
			   .v = j->v,
			   .host = &r->host,
			   .kernel = j->kernel,
			   .base = j->base,
			   .dir = j->dir,
			   .run_dir = run_dir,
			   .result = j->result};
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent)
		scene_run(&sc);
	_exit(0);
}

static void start_job(struct runner *r, struct scenario_job *j, const char *run_dir)
{
	pid_t self = getpid();

	remove_tree(run_dir);
	if (mkdir(run_dir, 0700) || (mkdir(j->dir, 0700) && errno != EEXIST)) {
		j->result->verdict = FAILED;
		snprintf(j->result->text, sizeof(j->result->text),
			 "cannot make %.160s or %.160s: %s", j->dir, run_dir, strerror(errno));
		return;
	}
	fflush(NULL);
	j->hard_end = scene_now() + j->s->limit * r->host.patience + HARD_NS;
	j->pid = fork();
	if (!j->pid)
		run_job(r, j, run_dir, self);
	if (j->pid < 0) {
		j->result->verdict = FAILED;
		snprintf(j->result->text, sizeof(j->result->text), "no process: %s",
			 strerror(errno));
	}
}

/* What is not for reading is not kept. */
static void clean_up(struct scenario_job *j)
{
	char path[4200];

	if (j->result->verdict != FAILED) {
		remove_tree(j->dir);
		return;
	}
	for (unsigned i = 0; i < j->s->nr_disks; i++) {
		snprintf(path, sizeof(path), "%s/%s.img", j->dir, j->s->disk[i].dev);
		unlink(path);
	}
}

/* It fails, but not in the way that is known: that counts. */
static bool fails_otherwise(const struct scenario_job *j)
{
	const struct text_list *l = &j->s->xfail_message;
	bool known = !l->nr;

	for (unsigned i = 0; !known && i < l->nr; i++)
		known = scenario_matches(l->text[i], j->result->text);
	return j->xfail && j->result->verdict == FAILED && !known;
}

static void job_over(struct runner *r, struct scenario_job *j, int status)
{
	j->pid = 0;
	if (j->result->verdict == NOT_RUN) {
		j->result->verdict = FAILED;
		snprintf(j->result->text, sizeof(j->result->text),
			 WIFSIGNALED(status) ? "its process was ended by signal %d"
					     : "its process ended with status %d",
			 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	}
	if (fails_otherwise(j))
		j->xfail = NULL;
	clean_up(j);
	r->over(r->arg, j);
}

static void show(const struct runner *r, unsigned done, unsigned failed)
{
	if (!r->progress)
		return;
	fprintf(stderr, "\r\033[K%u of %u", done, r->nr);
	if (failed)
		fprintf(stderr, ", %u failed", failed);
	fputc(':', stderr);
	for (unsigned i = 0, n = 0; i < r->nr && n < 3; i++)
		if (r->job[i].pid > 0)
			fprintf(stderr, "%s %.24s", n++ ? "," : "", r->job[i].name);
	fflush(stderr);
}

struct lanes {
	char dir[4000];
	int job[256]; /* -1: free */
	unsigned done, failed, next;
	int signals;
	bool stopped;
};

static unsigned running(const struct runner *r, const struct lanes *l)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->lanes; i++)
		n += l->job[i] >= 0;
	return n;
}

static void note(struct runner *r, struct lanes *l, struct scenario_job *j, int status)
{
	job_over(r, j, status);
	l->done++;
	l->failed += job_failed(j);
	show(r, l->done, l->failed);
}

static void fill(struct runner *r, struct lanes *l)
{
	for (unsigned i = 0; i < r->lanes && !l->stopped; i++) {
		char dir[4100];

		while (l->job[i] < 0 && l->next < r->nr) {
			struct scenario_job *j = &r->job[l->next++];

			if (j->skip) {
				j->result->verdict = SKIPPED;
				snprintf(j->result->text, sizeof(j->result->text), "%s", j->skip);
				note(r, l, j, 0);
				continue;
			}
			snprintf(dir, sizeof(dir), "%s/%u", l->dir, i);
			start_job(r, j, dir);
			if (j->pid > 0)
				l->job[i] = (int)(j - r->job);
			else
				note(r, l, j, 0);
		}
	}
}

static void reap(struct runner *r, struct lanes *l)
{
	for (unsigned i = 0; i < r->lanes; i++) {
		struct scenario_job *j = l->job[i] >= 0 ? &r->job[l->job[i]] : NULL;
		int status;

		if (!j)
			continue;
		if (waitpid(j->pid, &status, WNOHANG) == j->pid) {
			l->job[i] = -1;
			note(r, l, j, status);
		} else if (scene_now() > j->hard_end || l->stopped) {
			if (!l->stopped)
				snprintf(j->result->text, sizeof(j->result->text),
					 "it hung, and was ended");
			kill(j->pid, SIGKILL);
		}
	}
}

static void wait_for_news(struct lanes *l)
{
	struct pollfd p = {.fd = l->signals, .events = POLLIN};
	struct signalfd_siginfo info;

	if (poll(&p, 1, 500) <= 0)
		return;
	while (read(l->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		l->stopped |= info.ssi_signo != SIGCHLD;
}

bool runner_run(struct runner *r)
{
	struct lanes l = {.next = 0};
	const char *tmp = getenv("TMPDIR");
	sigset_t set, old;

	if (r->lanes > sizeof(l.job) / sizeof(l.job[0]))
		r->lanes = sizeof(l.job) / sizeof(l.job[0]);
	memset(l.job, -1, sizeof(l.job));
	snprintf(l.dir, sizeof(l.dir), "%s/xenolith-run-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(l.dir)) {
		fprintf(stderr, "xenolith: cannot make a folder in %s: %s\n",
			tmp && *tmp ? tmp : "/tmp", strerror(errno));
		return false;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &old);
	l.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	while (fill(r, &l), running(r, &l)) {
		show(r, l.done, l.failed);
		wait_for_news(&l);
		reap(r, &l);
	}
	if (r->progress)
		fputs("\r\033[K", stderr);
	close(l.signals);
	sigprocmask(SIG_SETMASK, &old, NULL);
	remove_tree(l.dir);
	return !l.stopped;
}
