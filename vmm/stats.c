/*
 * Counters of a run, as a table for people or as JSON for benches.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "vmm/resident/resident.h"
#include "vmm/resident/ring3.h"
#include "vmm/report.h"
#include "vmm/stats.h"
#include "vmm/trace/trace.h"

struct counts {
	uint64_t exits[NR_CPU_EXITS], traps[32], hypercalls[NR_HYPERCALLS];
	uint64_t hypercall_exits[NR_HYPERCALLS];
	uint64_t emulated[NR_EMULATE_COUNTS];
	uint64_t runs, touches, flushes, mmio, first_entry;
	uint64_t polls, blocks, kicks, strays;
	unsigned grants; /* in use */
	bool has_resident;
	struct resident_counts resident;
	struct trace_counts trace;
};

static const char *const exit_names[NR_CPU_EXITS] = {
	[CPU_EXIT_TRAP] = "exception",	      [CPU_EXIT_SYSCALL] = "syscall",
	[CPU_EXIT_SYSCALL32] = "syscall32",   [CPU_EXIT_HYPERCALL] = "vmcall",
	[CPU_EXIT_IRET_FAULT] = "iret_fault", [CPU_EXIT_KICK] = "kick",
	[CPU_EXIT_FATAL] = "fatal",
};

uint64_t stats_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void collect(const struct guest *g, struct counts *n)
{
	memset(n, 0, sizeof(*n));
	n->grants = report_grants(NULL, g->domain);
	n->has_resident = g->monitor.resident || g->monitor.ring3;
	if (g->monitor.ring3)
		ring3_count(&g->monitor, &n->resident);
	else
		resident_count(&g->monitor, &n->resident);
	for (unsigned i = 0; i < g->domain->nr_vcpus; i++) {
		const struct cpu *c = g->cpu[i];
		for (unsigned k = 0; k < NR_CPU_EXITS; k++)
			n->exits[k] += c->exits[k];
		for (unsigned k = 0; k < 32; k++)
			n->traps[k] += c->traps[k];
		for (unsigned k = 0; k < NR_HYPERCALLS; k++)
			n->hypercalls[k] += c->vcpu->hypercalls[k];
		for (unsigned k = 0; k < NR_HYPERCALLS; k++)
			n->hypercall_exits[k] += c->hypercall_exits[k];
		for (unsigned k = 0; k < NR_EMULATE_COUNTS; k++)
			n->emulated[k] += g->emulated[i][k];
		n->runs += c->kvm_runs;
		n->polls += c->polls;
		n->blocks += c->blocks;
		n->strays += c->strays;
		n->kicks += atomic_load(&c->kicks);
		n->touches += c->touches;
		n->mmio += c->mmio_exits;
		n->flushes += c->flushes;
		if (c->first_entry && (!n->first_entry || c->first_entry < n->first_entry))
			n->first_entry = c->first_entry;
	}
}

/* Resident KiB of the whole process and of the guest's RAM in it: the Xen heap behind it is ours.
 */
static void resident(const struct guest *g, uint64_t *all, uint64_t *guest)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	char line[256];
	uint64_t lo = (uintptr_t)g->machine->memory, hi = lo + g->domain->heap_start * PAGE_SIZE;
	bool inside = false;

	*all = *guest = 0;
	while (f && fgets(line, sizeof(line), f)) {
		unsigned long a, b, kib;
		if (sscanf(line, "%lx-%lx ", &a, &b) == 2)
			inside = a >= lo && b <= hi;
		else if (sscanf(line, "Rss: %lu kB", &kib) == 1) {
			*all += kib;
			*guest += inside ? kib : 0;
		}
	}
	if (f)
		fclose(f);
}

static const char *hypercall_name(unsigned nr, char buf[24])
{
	if (hypercall_table[nr].name)
		return hypercall_table[nr].name;
	snprintf(buf, 24, "hypercall_%u", nr);
	return buf;
}

/* What was handled inside the guest, and cost no exit. */
static void print_resident(FILE *f, const struct counts *counts)
{
	const struct resident_counts *n = &counts->resident;
	char buf[24];

	for (unsigned k = 0; k < NR_HYPERCALLS; k++)
		if (counts->hypercall_exits[k])
			fprintf(f, "  exits for %-16s %10lu\n", hypercall_name(k, buf),
				(unsigned long)counts->hypercall_exits[k]);
	fprintf(f,
		"  in the guest: system calls %8lu\n  in the guest: hypercalls %10lu\n"
		"  in the guest: page faults %9lu\n  in the guest: writes to tables %4lu\n  in the "
		"guest: privileged %10lu\n"
		"  in the guest: handed on %11lu\n  in the guest: told of events %6lu\n  asked for "
		"by handlers %13lu\n",
		(unsigned long)n->syscalls, (unsigned long)n->hypercalls,
		(unsigned long)n->page_faults, (unsigned long)n->pt_writes,
		(unsigned long)n->privileged, (unsigned long)n->forwarded, (unsigned long)n->bells,
		(unsigned long)(n->calls + n->fills));
}

static void print_counts(FILE *f, const struct counts *n)
{
	char buf[24];

	for (unsigned k = 0; k < NR_CPU_EXITS; k++)
		if (n->exits[k])
			fprintf(f, "  exits %-20s %10lu\n", exit_names[k],
				(unsigned long)n->exits[k]);
	for (unsigned k = 0; k < 32; k++)
		if (n->traps[k])
			fprintf(f, "  vector %-19u %10lu\n", k, (unsigned long)n->traps[k]);
	for (unsigned k = 0; emulate_count_name(k); k++)
		if (n->emulated[k])
			fprintf(f, "  emulated %-17s %10lu\n", emulate_count_name(k),
				(unsigned long)n->emulated[k]);
	for (unsigned k = 0; k < NR_HYPERCALLS; k++)
		if (n->hypercalls[k])
			fprintf(f, "  %-26s %10lu\n", hypercall_name(k, buf),
				(unsigned long)n->hypercalls[k]);
	if (n->has_resident)
		print_resident(f, n);
	fprintf(f,
		"  slept in SCHEDOP_poll %13lu\n  slept in SCHEDOP_block %12lu\n"
		"  kicks by signal %19lu\n",
		(unsigned long)n->polls, (unsigned long)n->blocks, (unsigned long)n->kicks);
	fprintf(f, "  KVM_RUN %27lu\n  page-table touches %16lu\n  accesses to no memory %13lu\n",
		(unsigned long)n->runs, (unsigned long)n->touches, (unsigned long)n->mmio);
}

static void print_text(FILE *f, const struct counts *n, const struct guest_devices *devices,
		       const struct start_profile *t, uint64_t all, uint64_t guest)
{
	fprintf(f, "xenolith: statistics\n");
	print_counts(f, n);
	fprintf(f, "  grants in use at the end %8u\n", n->grants);
	if (n->strays)
		fprintf(f, "  entries at a wrong place %10lu\n", (unsigned long)n->strays);
	if (n->trace.records || n->trace.lost)
		fprintf(f, "  records of traces %15lu, lost %lu\n", (unsigned long)n->trace.records,
			(unsigned long)n->trace.lost);
	guest_devices_text(f, devices);
	if (n->first_entry)
		fprintf(f, "  to the first instruction %10lu us\n",
			(unsigned long)(n->first_entry - t->begin) / 1000);
	start_profile_text(f, t);
	fprintf(f, "  resident beyond the guest's %7lu KiB (guest's: %lu KiB)\n",
		(unsigned long)(all - guest), (unsigned long)guest);
}

static void print_json(FILE *f, const struct counts *n, const struct guest_devices *devices,
		       const struct start_profile *t, uint64_t all, uint64_t guest)
{
	const char *sep = "";
	char buf[24];

	fprintf(f, "{\n  \"exits\": {");
	for (unsigned k = 0; k < NR_CPU_EXITS; k++, sep = ", ")
		fprintf(f, "%s\"%s\": %lu", sep, exit_names[k], (unsigned long)n->exits[k]);
	fprintf(f, "},\n  \"vectors\": {");
	sep = "";
	for (unsigned k = 0; k < 32; k++)
		if (n->traps[k]) {
			fprintf(f, "%s\"%u\": %lu", sep, k, (unsigned long)n->traps[k]);
			sep = ", ";
		}
	fprintf(f, "},\n  \"emulated\": {");
	sep = "";
	for (unsigned k = 0; emulate_count_name(k); k++)
		if (n->emulated[k]) {
			fprintf(f, "%s\"%s\": %lu", sep, emulate_count_name(k),
				(unsigned long)n->emulated[k]);
			sep = ", ";
		}
	fprintf(f, "},\n  \"hypercalls\": {");
	sep = "";
	for (unsigned k = 0; k < NR_HYPERCALLS; k++)
		if (n->hypercalls[k]) {
			fprintf(f, "%s\"%s\": %lu", sep, hypercall_name(k, buf),
				(unsigned long)n->hypercalls[k]);
			sep = ", ";
		}
	fprintf(f, "},\n  \"hypercall_exits\": {");
	sep = "";
	for (unsigned k = 0; k < NR_HYPERCALLS; k++)
		if (n->hypercall_exits[k]) {
			fprintf(f, "%s\"%s\": %lu", sep, hypercall_name(k, buf),
				(unsigned long)n->hypercall_exits[k]);
			sep = ", ";
		}
	fprintf(f,
		"},\n  \"in_guest\": {\"syscalls\": %lu, \"hypercalls\": %lu, \"page_faults\": "
		"%lu, \"pt_writes\": "
		"%lu, "
		"\"privileged\": %lu, \"handed_on\": %lu, \"calls\": %lu, \"fills\": %lu, "
		"\"bells\": %lu",
		(unsigned long)n->resident.syscalls, (unsigned long)n->resident.hypercalls,
		(unsigned long)n->resident.page_faults, (unsigned long)n->resident.pt_writes,
		(unsigned long)n->resident.privileged, (unsigned long)n->resident.forwarded,
		(unsigned long)n->resident.calls, (unsigned long)n->resident.fills,
		(unsigned long)n->resident.bells);
	fprintf(f, "},\n  \"polls\": %lu, \"blocks\": %lu, \"kicks\": %lu", (unsigned long)n->polls,
		(unsigned long)n->blocks, (unsigned long)n->kicks);
	fprintf(f,
		",\n  \"kvm_run\": %lu,\n  \"page_table_touches\": %lu,\n  \"mmio_exits\": %lu,\n",
		(unsigned long)n->runs, (unsigned long)n->touches, (unsigned long)n->mmio);
	fprintf(f, "  \"start_us\": %lu,\n",
		n->first_entry ? (unsigned long)(n->first_entry - t->begin) / 1000 : 0);
	/* CLOCK_MONOTONIC, for who knows when the program was started. */
	fprintf(f, "  \"first_entry_ns\": %lu,\n", (unsigned long)n->first_entry);
	start_profile_json(f, t);
	fprintf(f, ",\n");
	fprintf(f, "  \"strays\": %lu,\n  \"grants_in_use\": %u,\n", (unsigned long)n->strays,
		n->grants);
	fprintf(f, "  \"trace\": {\"records\": %lu, \"lost\": %lu},\n",
		(unsigned long)n->trace.records, (unsigned long)n->trace.lost);
	guest_devices_json(f, devices);
	fprintf(f, "  \"resident_kib\": %lu,\n  \"resident_guest_kib\": %lu\n}\n",
		(unsigned long)all, (unsigned long)guest);
}

void stats_sample(const struct guest *g, struct start_profile *p)
{
	struct rusage u;

	resident(g, &p->resident_kib, &p->resident_guest_kib);
	if (!getrusage(RUSAGE_SELF, &u))
		p->minor_faults = (uint64_t)u.ru_minflt;
}

int stats_print(const struct guest *g, const struct start_profile *t, const char *path,
		struct error *err)
{
	struct counts n;
	uint64_t all, guest;

	collect(g, &n);
	tracer_counts(g->tracer, &n.trace);
	resident(g, &all, &guest);
	if (!path) {
		print_text(stderr, &n, &g->devices, t, all, guest);
		return 0;
	}
	FILE *f = fopen(path, "we");
	if (!f)
		return error_set(err, -errno, "--stats: %s: %s", path, strerror(errno));
	print_json(f, &n, &g->devices, t, all, guest);
	if (fclose(f))
		return error_set(err, -errno, "--stats: %s: %s", path, strerror(errno));
	return 0;
}

void stats_counters_print(FILE *f, const struct guest *g)
{
	struct counts n;

	collect(g, &n);
	print_counts(f, &n);
}
