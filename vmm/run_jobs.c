/*
 * What is done beside each other at the start of a run: KVM is asked what it can do while the
 * kernel is read and unpacked, and so is the ramdisk.
 */
#include <errno.h>

#include "vmm/probe.h"
#include "vmm/run_internal.h"

static void *run_job(void *arg)
{
	struct run_job *j = arg;
	uint64_t from = stats_now();

	j->rc = j->work(j->run, &j->err);
	start_profile_add(&j->run->profile, j->phase, from);
	return NULL;
}

static void prepare(struct run *r, struct run_job *j, const char *phase,
		    int (*work)(struct run *r, struct error *err))
{
	j->run = r;
	j->phase = phase;
	j->work = work;
}

void run_job_start(struct run *r, struct run_job *j, const char *phase,
		   int (*work)(struct run *r, struct error *err))
{
	prepare(r, j, phase, work);
	j->busy = !pthread_create(&j->thread, NULL, run_job, j);
	if (!j->busy)
		run_job(j);
}

int run_job_end(struct run_job *j)
{
	if (j->busy)
		pthread_join(j->thread, NULL);
	j->busy = false;
	if (j->rc)
		j->run->err = j->err;
	return j->rc;
}

static int open_host(struct run *r, struct error *err)
{
	int rc = machine_open(&r->machine, err);

	return rc ? rc : host_know(&r->machine, err);
}

void run_open_host(struct run *r)
{
	run_job_start(r, &r->host_job, "host", open_host);
}

static int unpack_ramdisk(struct run *r, struct error *err)
{
	return build_ramdisk_init(&r->ramdisk, r->ramdisk_file, r->ramdisk_size, err);
}

void run_unpack_ramdisk(struct run *r)
{
	run_job_start(r, &r->ramdisk_job, "ramdisk", unpack_ramdisk);
}

/* A thread costs more than KVM takes for less. */
#define MUCH_MEMORY (4ul << 30)

static int show_memory(struct run *r, struct error *err)
{
	return machine_show_memory(&r->machine, err);
}

void run_show_memory(struct run *r)
{
	if (r->machine.memory_size >= MUCH_MEMORY) {
		run_job_start(r, &r->memory_job, "memory for KVM", show_memory);
		return;
	}
	prepare(r, &r->memory_job, "memory for KVM", show_memory);
	run_job(&r->memory_job);
}
