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

/* ---- counts that have a number: what is the name of one? ---- */

typedef const char *(*name_fn)(unsigned nr, char buf[24]);

static const char *exit_name(unsigned nr, char buf[24])
{
	return exit_names[nr];
}

static const char *vector_name(unsigned nr, char buf[24])
{
	snprintf(buf, 24, "%u", nr);
	return buf;
}

static const char *emulated_name(unsigned nr, char buf[24])
{
	return emulate_count_name(nr);
}

static const char *hypercall_name(unsigned nr, char buf[24])
{
	if (hypercall_table[nr].name)
		return hypercall_table[nr].name;
	snprintf(buf, 24, "hypercall_%u", nr);
	return buf;
}

static void text(FILE *f, const char *what, const uint64_t *count, unsigned nr, name_fn name)
{
	char buf[24];

	for (unsigned k = 0; k < nr; k++)
		if (count[k])
			fprintf(f, "  %s%-*s %10lu\n", what, (int)(26 - strlen(what)), name(k, buf),
				(unsigned long)count[k]);
}

static void json(FILE *f, const char *what, const uint64_t *count, unsigned nr, name_fn name,
		 bool zeros)
{
	const char *sep = "";
	char buf[24];

	fprintf(f, "  \"%s\": {", what);
	for (unsigned k = 0; k < nr; k++)
		if (count[k] || zeros) {
			fprintf(f, "%s\"%s\": %lu", sep, name(k, buf), (unsigned long)count[k]);
			sep = ", ";
		}
	fprintf(f, "},\n");
}

/* ---- what was handled inside the guest, and cost no exit: struct resident_counts ---- */

static const struct {
	const char *json, *text; /* text NULL: told with others */
} inside[] = {
	{"syscalls", "system calls"},
	{"hypercalls", "hypercalls"},
	{"page_faults", "page faults"},
	{"pt_writes", "writes to tables"},
	{"privileged", "privileged"},
	{"handed_on", "handed on"},
	{"calls", NULL},
	{"fills", NULL},
	{"bells", "bells"},
};
#define NR_INSIDE (sizeof(inside) / sizeof(inside[0]))
_Static_assert(sizeof(struct resident_counts) == NR_INSIDE * sizeof(uint64_t), "in their order");

static const char *inside_name(unsigned nr, char buf[24])
{
	return inside[nr].json;
}

static void print_inside(FILE *f, const struct resident_counts *n)
{
	const uint64_t *count = (const uint64_t *)n;

	for (unsigned k = 0; k < NR_INSIDE; k++)
		if (inside[k].text)
			fprintf(f, "  in the guest: %-16s %6lu\n", inside[k].text,
				(unsigned long)count[k]);
	fprintf(f, "  asked for by handlers %15lu\n", (unsigned long)(n->calls + n->fills));
}

static void print_counts(FILE *f, const struct counts *n)
{
	text(f, "exits ", n->exits, NR_CPU_EXITS, exit_name);
	text(f, "vector ", n->traps, 32, vector_name);
	text(f, "emulated ", n->emulated, NR_EMULATE_COUNTS, emulated_name);
	text(f, "", n->hypercalls, NR_HYPERCALLS, hypercall_name);
	if (n->has_resident) {
		text(f, "exits for ", n->hypercall_exits, NR_HYPERCALLS, hypercall_name);
		print_inside(f, &n->resident);
	}
	fprintf(f,
		"  slept in SCHEDOP_poll %15lu\n  slept in SCHEDOP_block %14lu\n"
		"  kicks by signal %21lu\n",
		(unsigned long)n->polls, (unsigned long)n->blocks, (unsigned long)n->kicks);
	fprintf(f, "  KVM_RUN %29lu\n  page-table touches %18lu\n  accesses to no memory %15lu\n",
		(unsigned long)n->runs, (unsigned long)n->touches, (unsigned long)n->mmio);
}

static void print_text(FILE *f, const struct counts *n, const struct guest_devices *devices,
		       const struct start_profile *t, uint64_t all, uint64_t guest)
{
	fprintf(f, "xenolith: statistics\n");
	print_counts(f, n);
	fprintf(f, "  grants in use at the end %12u\n", n->grants);
	if (n->strays)
		fprintf(f, "  entries at a wrong place %12lu\n", (unsigned long)n->strays);
	if (n->trace.records || n->trace.lost)
		fprintf(f, "  records of traces %19lu, lost %lu\n", (unsigned long)n->trace.records,
			(unsigned long)n->trace.lost);
	guest_devices_text(f, devices);
	if (n->first_entry)
		fprintf(f, "  to the first instruction %12lu us\n",
			(unsigned long)(n->first_entry - t->begin) / 1000);
	start_profile_text(f, t);
	fprintf(f, "  resident beyond the guest's %9lu KiB (guest's: %lu KiB)\n",
		(unsigned long)(all - guest), (unsigned long)guest);
}

static void print_json(FILE *f, const struct counts *n, const struct guest_devices *devices,
		       const struct start_profile *t, uint64_t all, uint64_t guest)
{
	fprintf(f, "{\n");
	json(f, "exits", n->exits, NR_CPU_EXITS, exit_name, true);
	json(f, "vectors", n->traps, 32, vector_name, false);
	json(f, "emulated", n->emulated, NR_EMULATE_COUNTS, emulated_name, false);
	json(f, "hypercalls", n->hypercalls, NR_HYPERCALLS, hypercall_name, false);
	json(f, "hypercall_exits", n->hypercall_exits, NR_HYPERCALLS, hypercall_name, false);
	json(f, "in_guest", (const uint64_t *)&n->resident, NR_INSIDE, inside_name, true);
	fprintf(f, "  \"polls\": %lu, \"blocks\": %lu, \"kicks\": %lu", (unsigned long)n->polls,
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
