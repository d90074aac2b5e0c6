/*
 * `xenolith test`: scenarios in, TAP or JUnit out.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/scenario/runner.h"
#include "vmm/trace/trace.h"
#include "vmm/verb.h"

#define MAX_PATIENCE 1000

struct test_options {
	unsigned lanes; /* 0: as many as there are cpus */
	unsigned patience;
	const char *junit, *keep, *helper, *trace;
	struct matrix matrix;
	bool list;
};

static int parse_jobs(void *into, const char *value, struct error *err)
{
	unsigned long long n;
	int rc = option_number("jobs", "scenarios at a time", value, 1, 256, &n, err);

	if (!rc)
		((struct test_options *)into)->lanes = (unsigned)n;
	return rc;
}

static int parse_patience(void *into, const char *value, struct error *err)
{
	unsigned long long n;
	int rc = option_number("patience", "", value, 1, MAX_PATIENCE, &n, err);

	if (!rc)
		((struct test_options *)into)->patience = (unsigned)n;
	return rc;
}

static int parse_junit(void *into, const char *value, struct error *err)
{
	((struct test_options *)into)->junit = value;
	return *value ? 0 : error_set(err, -EINVAL, "option --junit needs a file");
}

static int parse_keep(void *into, const char *value, struct error *err)
{
	((struct test_options *)into)->keep = value;
	return *value ? 0 : error_set(err, -EINVAL, "option --keep needs a folder");
}

static int parse_helper(void *into, const char *value, struct error *err)
{
	((struct test_options *)into)->helper = value;
	return access(value, X_OK) ? error_set(err, -EINVAL, "cannot run the helper '%s': %s",
					       value, strerror(errno))
				   : 0;
}

static int parse_trace(void *into, const char *value, struct error *err)
{
	((struct test_options *)into)->trace = value;
	return trace_what_check(value, err);
}

static int parse_matrix(void *into, const char *value, struct error *err)
{
	return matrix_parse(&((struct test_options *)into)->matrix, value, err);
}

static int parse_list(void *into, const char *value, struct error *err)
{
	((struct test_options *)into)->list = true;
	return 0;
}

static const struct option options[] = {
	{.name = "jobs",
	 .letter = 'j',
	 .arg = "N",
	 .help = "scenarios at a time (default: one for each cpu)",
	 .parse = parse_jobs},
	{.name = "matrix",
	 .letter = 'm',
	 .arg = "KEY=VALUE|VALUE,...",
	 .help = "each scenario with each combination of: kernel, profile, vcpus,\n"
		 "memory, p2m, disk, vif (added to the device), feature",
	 .parse = parse_matrix},
	{.name = "junit", .arg = "FILE", .help = "write JUnit XML, too", .parse = parse_junit},
	{.name = "keep",
	 .letter = 'k',
	 .arg = "FOLDER",
	 .help = "where console, trace and list of faults of failures are kept\n"
		 "(default: a new one in /tmp)",
	 .parse = parse_keep},
	{.name = "trace",
	 .arg = "WHAT",
	 .help = "record more of each (xenolith help trace)",
	 .parse = parse_trace},
	{.name = "helper",
	 .arg = "PROGRAM",
	 .help = "finds kernels and makes ramdisks (default: guests/linux/scenario.sh\n"
		 "beside this program)",
	 .parse = parse_helper},
	{.name = "patience",
	 .arg = "N",
	 .help = "multiplies all time limits, for slow machines",
	 .parse = parse_patience},
	{.name = "list", .letter = 'l', .help = "only print names and titles", .parse = parse_list},
	{.name = NULL},
};

/* ---- files ---- */

struct scenarios {
	struct scenario **s;
	unsigned nr;
};

static int read_one(struct scenarios *all, const char *path, struct error *err)
{
	struct scenario **s = realloc(all->s, (all->nr + 1) * sizeof(*s));

	if (!s)
		return error_set(err, -ENOMEM, "out of memory");
	all->s = s;
	s[all->nr] = scenario_read(path, err);
	if (!s[all->nr])
		return -EINVAL;
	all->nr++;
	return 0;
}

static int is_scenario(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 4 && !strcmp(d->d_name + n - 4, ".scn");
}

/* A file, or all of a folder. */
static int read_path(struct scenarios *all, const char *path, struct error *err)
{
	struct dirent **entry;
	struct stat st;
	int n, rc = 0;

	if (stat(path, &st))
		return error_set(err, -EINVAL, "cannot read %s: %s", path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return read_one(all, path, err);
	n = scandir(path, &entry, is_scenario, alphasort);
	if (n < 0)
		return error_set(err, -EINVAL, "cannot read %s: %s", path, strerror(errno));
	if (!n)
		rc = error_set(err, -EINVAL, "%s has no scenario (*.scn) in it", path);
	for (int i = 0; i < n; i++) {
		char file[PATH_MAX];

		snprintf(file, sizeof(file), "%s/%s", path, entry[i]->d_name);
		if (!rc)
			rc = read_one(all, file, err);
		free(entry[i]);
	}
	free(entry);
	return rc;
}

/* ---- the run ---- */

struct report {
	struct scenario_counts counts;
	unsigned number;
	bool progress;
};

static void on_over(void *arg, const struct scenario_job *j)
{
	struct report *r = arg;

	if (r->progress)
		fputs("\r\033[K", stderr);
	tap_job(stdout, ++r->number, j);
	switch (j->result->verdict) {
	case PASSED:
		r->counts.passed++;
		r->counts.unexpected += j->xfail != NULL;
		break;
	case SKIPPED:
		r->counts.skipped++;
		break;
	default:
		*(j->xfail ? &r->counts.expected : &r->counts.failed) += 1;
	}
}

/* A file's name of a job's; again > 1: of another of the same name. */
static char *folder_of(const char *keep, const char *name, unsigned again)
{
	char *p;

	if ((again > 1 ? asprintf(&p, "%s/%s~%u", keep, name, again)
		       : asprintf(&p, "%s/%s", keep, name)) < 0)
		return NULL;
	for (char *c = p + strlen(keep) + 1; *c; c++)
		if (*c == '/' || *c == ' ' || *c == '[' || *c == ']')
			*c = '_';
	return p;
}

/* Folders of scenarios may have files of the same name: which of them is scenario i? */
static unsigned namesake(const struct scenarios *all, unsigned i)
{
	unsigned n = 1;

	for (unsigned k = 0; k < i; k++)
		n += !strcmp(all->s[k]->name, all->s[i]->name);
	return n;
}

static int make_jobs(struct runner *r, const struct scenarios *all, const struct matrix *m,
		     struct error *err)
{
	unsigned points = matrix_points(m);
	struct scenario_result *results;

	r->nr = all->nr * points;
	results = mmap(NULL, (r->nr + 1) * sizeof(*results), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	r->job = calloc(r->nr + 1, sizeof(*r->job));
	if (results == MAP_FAILED || !r->job)
		return error_set(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < r->nr; i++) {
		struct scenario_job *j = &r->job[i];
		char variant[256];
		int n;

		j->s = all->s[i / points];
		matrix_variant(m, i % points, &j->v);
		variant_name(&j->v, variant, sizeof(variant));
		n = *variant ? asprintf(&j->name, "%s [%s]", j->s->name, variant)
			     : asprintf(&j->name, "%s", j->s->name);
		j->dir = n < 0 ? NULL : folder_of(r->keep, j->name, namesake(all, i / points));
		j->result = &results[i];
		if (!j->dir)
			return error_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

static void free_jobs(struct runner *r)
{
	for (unsigned i = 0; r->job && i < r->nr; i++) {
		struct scenario_job *j = &r->job[i];

		free(j->name);
		free(j->kernel);
		free(j->base);
		free(j->skip);
		free(j->dir);
	}
	free(r->job);
}

/* The folder for what is kept, in full. */
static int make_keep(const char *keep, char *path, size_t size, struct error *err)
{
	const char *tmp = getenv("TMPDIR");
	char real[PATH_MAX];

	if (!keep) {
		snprintf(path, size, "%s/xenolith-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
		return mkdtemp(path) ? 0
				     : error_set(err, -errno, "cannot make a folder in %s: %s",
						 tmp && *tmp ? tmp : "/tmp", strerror(errno));
	}
	if (mkdir(keep, 0777) && errno != EEXIST)
		return error_set(err, -EINVAL, "cannot make the folder %s: %s", keep,
				 strerror(errno));
	if (!realpath(keep, real) || access(real, W_OK))
		return error_set(err, -EINVAL, "cannot write to the folder %s: %s", keep,
				 strerror(errno));
	snprintf(path, size, "%s", real);
	return 0;
}

/* In the source tree, beside the program. */
static int find_helper(char *path, size_t size, const char *program, struct error *err)
{
	const char *slash = strrchr(program, '/');

	snprintf(path, size, "%.*s/guests/linux/scenario.sh", (int)(slash - program), program);
	return access(path, X_OK) ? error_set(err, -EINVAL,
					      "there is no %s to find kernels with; --helper names "
					      "another program",
					      path)
				  : 0;
}

static void print_summary(const struct report *r, const struct runner *run, bool whole)
{
	const struct scenario_counts *c = &r->counts;

	printf("# %u passed, %u failed, %u skipped, %u failed as expected\n", c->passed, c->failed,
	       c->skipped, c->expected);
	if (c->unexpected)
		printf("# %u of those that passed were expected to fail: their xfail lines are "
		       "out of date\n",
		       c->unexpected);
	if (c->failed || c->expected)
		printf("# console, trace and faults of what failed are in %s\n", run->keep);
	if (!whole)
		printf("Bail out! ended by a signal\n");
}

static int run_all(const struct test_options *o, const struct scenarios *all)
{
	char program[PATH_MAX] = "", helper[PATH_MAX + 32], keep[PATH_MAX];
	struct report report = {.progress = isatty(STDERR_FILENO)};
	struct runner r = {.lanes = o->lanes, .progress = report.progress, .arg = &report};
	struct error err;
	int status = EXIT_OK;

	if (readlink("/proc/self/exe", program, sizeof(program) - 1) < 0)
		return bad_usage("cannot find this program: %s", strerror(errno));
	if (!o->helper && find_helper(helper, sizeof(helper), program, &err))
		return bad_usage("%s", err.text);
	if (make_keep(o->keep, keep, sizeof(keep), &err))
		return bad_usage("%s", err.text);
	if (!r.lanes)
		r.lanes = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	r.host = (struct scenario_host){.program = program,
					.helper = o->helper ? o->helper : helper,
					.patience = o->patience,
					.trace = o->trace};
	r.keep = keep;
	r.over = on_over;
	if (make_jobs(&r, all, &o->matrix, &err) || runner_prepare(&r, &err)) {
		fprintf(stderr, "xenolith: %s\n", err.text);
		rmdir(keep);
		free_jobs(&r);
		return EXIT_HOST_FAILED;
	}
	for (unsigned i = 0; access("/dev/kvm", R_OK | W_OK) && i < r.nr; i++)
		if (!r.job[i].skip)
			r.job[i].skip = strdup("no usable /dev/kvm here");
	tap_begin(stdout, r.nr);
	bool whole = runner_run(&r);
	print_summary(&report, &r, whole);
	if (o->junit && (errno = -junit_write(o->junit, &r))) {
		fprintf(stderr, "xenolith: cannot write %s: %s\n", o->junit, strerror(errno));
		status = EXIT_HOST_FAILED;
	}
	if (!o->keep)
		rmdir(keep); /* when it is empty */
	status = report.counts.failed ? EXIT_HOST_FAILED : status;
	free_jobs(&r);
	return whole ? status : 128 + 2;
}

static int run(const struct verb *v, int argc, char **argv)
{
	struct test_options o = {.patience = 1};
	struct scenarios all = {0};
	struct error err;
	int status, n = verb_parse(v, argc, argv, &o, ANY_OPERANDS, &status);

	if (n < 0)
		return status;
	if (!n)
		status = bad_usage("'test' needs scenarios: files, or folders of *.scn");
	else
		status = EXIT_OK;
	for (int i = 0; i < n && status == EXIT_OK; i++)
		if (read_path(&all, argv[i], &err))
			status = bad_usage("%s", err.text);
	for (unsigned i = 0; status == EXIT_OK && o.list && i < all.nr; i++)
		printf("%-36s %s\n", all.s[i]->name, all.s[i]->title);
	if (status == EXIT_OK && !o.list)
		status = run_all(&o, &all);
	for (unsigned i = 0; i < all.nr; i++)
		scenario_free(all.s[i]);
	free(all.s);
	matrix_free(&o.matrix);
	return status;
}

const struct verb verb_test = {
	.name = "test",
	.operands = "FILE|FOLDER...",
	.summary = "run scenarios and report what failed",
	.more = "A scenario is a text file (*.scn) that says which guest with which devices is "
		"run,\n"
		"what is done to it or injected, and what must come of it; docs/scenarios.md has "
		"the\n"
		"format. The report on stdout is TAP version 14. Examples:\n"
		"  xenolith test test/scenarios\n"
		"  xenolith test my-driver.scn --junit report.xml --keep failures\n"
		"  xenolith test blk.scn --matrix 'kernel=cloud|6.12,vcpus=1|2|4,"
		"feature=none|no-persistent'\n",
	.options = options,
	.run = run,
};
