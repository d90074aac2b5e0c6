/*
 * Runs scenarios beside each other, each in a process of its own.
 */
#ifndef VMM_SCENARIO_RUNNER_H
#define VMM_SCENARIO_RUNNER_H

#include <stdio.h>

#include "vmm/scenario/scene.h"

/* A scenario in one variant. */
struct scenario_job {
	const struct scenario *s;
	struct variant v;
	char *name;   /* the scenario's, and the variant's */
	char *kernel; /* files; NULL: see skip */
	char *base;
	char *skip; /* why it cannot run here; NULL: it can */
	char *dir;  /* what is kept of a failure */
	const char *xfail;
	struct scenario_result *result;
	pid_t pid;
	uint64_t hard_end;
};

struct scenario_counts {
	unsigned passed, failed, skipped, expected, unexpected;
};

/* Told of each job when it is over. */
typedef void (*job_over_fn)(void *arg, const struct scenario_job *j);

struct runner {
	struct scenario_host host;
	struct scenario_job *job;
	unsigned nr;
	unsigned lanes;
	const char *keep; /* the folder of what is kept */
	bool progress;	  /* a line on stderr */
	job_over_fn over;
	void *arg;
};

/* runner_files.c: kernels and ramdisks of all jobs, by the helper. 0 or negative errno and a
 * sentence. */
int runner_prepare(struct runner *r, struct error *err);
/* Runs all. true: to the end; false: a signal ended it. */
bool runner_run(struct runner *r);
bool job_failed(const struct scenario_job *j); /* and was not expected to */

/* report_tap.c, report_junit.c */
void tap_begin(FILE *f, unsigned nr);
void tap_job(FILE *f, unsigned number, const struct scenario_job *j);
/* 0 or negative errno. */
int junit_write(const char *path, const struct runner *r);

#endif
