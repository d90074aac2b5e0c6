/*
 * The parts of a run, from the files to the exit status. Internal to vmm/run*.c. All
 * that return an int fail with a negative errno and a sentence in run.err.
 */
#ifndef VMM_RUN_INTERNAL_H
#define VMM_RUN_INTERNAL_H

#include "vmm/control/control.h"
#include "vmm/domain_control.h"
#include "vmm/runtime_dir.h"
#include "vmm/stats.h"
#include "vmm/vcpu.h"
#include "vmm/vmm.h"

#define ENDED_BY_ESCAPE	 (-1) /* Ctrl-] */
#define ENDED_BY_DESTROY (-2) /* xenolith destroy */

struct run;

/* Something that another thread does meanwhile. */
struct run_job {
	struct run *run;
	const char *phase; /* in the profile */
	int (*work)(struct run *r, struct error *err);
	pthread_t thread;
	bool busy;
	int rc;
	struct error err;
};

struct run {
	const struct run_options *o;
	const char *name;
	char numbered_name[80];
	struct runtime_dir dir;
	uint16_t domid;
	struct machine machine;
	struct guest guest;
	struct kernel_image kernel;
	bool have_kernel;
	const void *ramdisk_file;
	size_t ramdisk_size;
	int ramdisk_fd; /* of what we have mapped; -1: that is not ours */
	struct build_ramdisk ramdisk;
	struct run_job host_job, ramdisk_job, memory_job;
	struct event_loop *loop;
	struct xenstore *xenstore;
	struct domain_control control;
	struct control *server;
	struct build_result built;
	int store_port, console_port;
	struct cpu cpus[MAX_VCPUS];
	unsigned nr_threads;
	int signal_fd;
	_Atomic int ended_by; /* a signal, or one of ENDED_BY_* */
	struct start_profile profile;
	uint64_t up; /* when it was; 0: it was not */
	char console_path[128];
	struct error err;
};

/* ---- run_files.c: before KVM is touched ---- */
void run_doing(const struct run *r, const char *what);
void run_say(const struct run *r, enum log_level level, const char *text);
int run_load_files(struct run *r);
void run_drop_ramdisk(struct run *r);
/* The domain's name, folder and id. */
int run_take_name(struct run *r);

/* ---- run_jobs.c ---- */
void run_job_start(struct run *r, struct run_job *j, const char *phase,
		   int (*work)(struct run *r, struct error *err));
/* Waits for it: its result, in run.err its sentence. More than once: the same. */
int run_job_end(struct run_job *j);
void run_open_host(struct run *r);
void run_unpack_ramdisk(struct run *r);
void run_show_memory(struct run *r);

/* ---- run_build.c ---- */
/* The domain, its devices and what others know of it; nothing runs yet. */
int run_build(struct run *r);

/* ---- run_layout.c ---- */
/* What machine addresses are: RAM, the heap behind it, and for devices of a large domain a
 * hole below 4 GiB. In frames. */
struct machine_layout {
	uint64_t ram, spare_frames, hole_start, hole_frames, heap_start, heap_frames;
};
void machine_lay_out(const struct run_options *o, struct machine_layout *l);

/* ---- run_sockets.c: what others reach the domain by ---- */
int run_create_console(struct run *r);
int run_create_xenstore(struct run *r);
/* When the vcpus are there, and before the first runs. */
int run_create_gdb(struct run *r);
/* In the loop's thread: there is one, or it is made where the user may find it. */
int run_gdb_server(void *run, struct gdb_server **s, struct error *err);

/* ---- run_end.c ---- */
/* The exit status; tells why. */
int run_outcome(struct run *r);
/* A word for those who wait for the end. */
const char *run_how_it_ended(const struct run *r);
/* How many faults were injected, and how to have them again. */
void run_tell_faults(struct run *r);
void run_tell_losses(struct run *r);
/* When the backends are gone. */
void run_check_grants(struct run *r);
void run_fill_result(const struct run *r, struct run_result *result);

#endif
