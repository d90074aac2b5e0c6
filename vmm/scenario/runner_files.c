/*
 * Kernels and ramdisks: found and made by a helper, a program of the user's or the tree's
 * guests/linux/scenario.sh:
 *
 *   HELPER kernel NAME               prints the path of a kernel
 *   HELPER ramdisk NAME MODULE...    prints the path of a ramdisk with /init and the modules
 *
 * Status 3 is "not to be had here": what it says on stderr is why the scenario is skipped.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/scenario/runner.h"

#define SKIP_STATUS 3

struct answer {
	int status;
	char out[4096], err[512];
};

static void first_line(FILE *f, char *buf, size_t size)
{
	rewind(f);
	if (!fgets(buf, (int)size, f))
		*buf = 0;
	buf[strcspn(buf, "\n")] = 0;
}

/* stderr may have a line of progress before the one that counts. */
static void last_line(FILE *f, char *buf, size_t size)
{
	rewind(f);
	*buf = 0;
	while (fgets(buf, (int)size, f))
		;
	buf[strcspn(buf, "\n")] = 0;
}

static int ask_helper(char *const argv[], struct answer *a)
{
	FILE *out = tmpfile(), *err = tmpfile();
	int status = 0;
	pid_t pid = out && err ? fork() : -1;

	if (!pid) {
		dup2(open("/dev/null", O_RDONLY), 0);
		dup2(fileno(out), 1);
		dup2(fileno(err), 2);
		execv(argv[0], argv);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	a->status = pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	if (out && err) {
		first_line(out, a->out, sizeof(a->out));
		last_line(err, a->err, sizeof(a->err));
	}
	if (out)
		fclose(out);
	if (err)
		fclose(err);
	return pid > 0 ? 0 : -errno;
}

/* 0: there it is (or *skip says why not); -EINVAL and a sentence: the helper is of no use. */
static int take(const struct runner *r, char *const argv[], char **path, char **skip,
		struct error *err)
{
	struct answer a = {.status = 0};
	int rc = ask_helper(argv, &a);

	if (rc)
		return error_set(err, rc, "cannot run %s: %s", argv[0], strerror(-rc));
	if (a.status == SKIP_STATUS) {
		*skip = strdup(*a.err ? a.err : "not to be had here");
		return 0;
	}
	if (a.status || !*a.out)
		return error_set(err, -EINVAL, "%s %s %s failed with status %d%s%s", argv[0],
				 argv[1], argv[2], a.status, *a.err ? ": " : "", a.err);
	*path = strdup(a.out);
	return *path ? 0 : error_set(err, -ENOMEM, "out of memory");
}

static bool same_ramdisk(const struct scenario_job *a, const struct scenario_job *b)
{
	if (!b->base || strcmp(a->kernel, b->kernel) || a->s->nr_modules != b->s->nr_modules)
		return false;
	for (unsigned i = 0; i < a->s->nr_modules; i++)
		if (strcmp(a->s->module[i].name, b->s->module[i].name))
			return false;
	return true;
}

/* The guest's name for the helper: "cloud" of "linux-cloud". */
static const char *guest_name(const struct scenario_job *j)
{
	const char *k = j->v.value[MATRIX_KERNEL] ? j->v.value[MATRIX_KERNEL] : j->s->guest;

	return !strncmp(k, "linux-", 6) ? k + 6 : k;
}

static int find_kernel(struct runner *r, struct scenario_job *j, struct error *err)
{
	const char *name = guest_name(j);

	for (struct scenario_job *o = r->job; o < j; o++)
		if (!strcmp(guest_name(o), name) && (o->kernel || o->skip)) {
			if (o->kernel)
				j->kernel = strdup(o->kernel);
			else if (o->skip)
				j->skip = strdup(o->skip);
			return 0;
		}
	if (strchr(name, '/')) {
		if (access(name, R_OK))
			return error_set(err, -EINVAL, "%s: the guest's kernel %s: %s", j->s->path,
					 name, strerror(errno));
		j->kernel = realpath(name, NULL);
		return j->kernel ? 0 : error_set(err, -errno, "%s: %s", name, strerror(errno));
	}
	char *argv[] = {(char *)r->host.helper, "kernel", (char *)name, NULL};
	return take(r, argv, &j->kernel, &j->skip, err);
}

static int find_ramdisk(struct runner *r, struct scenario_job *j, struct error *err)
{
	char *argv[SCENARIO_MAX_MODULES + 4] = {(char *)r->host.helper, "ramdisk",
						(char *)guest_name(j)};

	/* A small guest of ours has none, and a user's own guest perhaps its own. */
	if (!j->kernel || j->s->ramdisk || !strncmp(guest_name(j), "small:", 6))
		return 0;
	for (struct scenario_job *o = r->job; o < j; o++)
		if (o->kernel && same_ramdisk(j, o)) {
			j->base = strdup(o->base);
			return 0;
		}
	for (unsigned i = 0; i < j->s->nr_modules; i++)
		argv[3 + i] = j->s->module[i].name;
	return take(r, argv, &j->base, &j->skip, err);
}

/* xfail rows are for versions as in vmlinuz-VERSION. */
static const char *expected_failure(const struct scenario_job *j)
{
	const char *base = strrchr(j->kernel, '/') ? strrchr(j->kernel, '/') + 1 : j->kernel;

	if (!strncmp(base, "vmlinuz-", 8))
		base += 8;
	for (unsigned i = 0; i < j->s->xfail_kernel.nr; i++)
		if (!fnmatch(j->s->xfail_kernel.text[i], base, 0))
			return j->s->xfail_reason.text[i];
	return NULL;
}

int runner_prepare(struct runner *r, struct error *err)
{
	for (unsigned i = 0; i < r->nr; i++) {
		struct scenario_job *j = &r->job[i];
		int rc = find_kernel(r, j, err);

		if (r->progress)
			fprintf(stderr, "\r\033[Kfinding kernels and ramdisks: %u of %u", i + 1,
				r->nr);
		if (!rc)
			rc = find_ramdisk(r, j, err);
		if (!rc && j->kernel)
			j->xfail = expected_failure(j);
		if (rc) {
			if (r->progress)
				fputs("\r\033[K", stderr);
			return rc;
		}
	}
	if (r->progress)
		fputs("\r\033[K", stderr);
	return 0;
}
