/*
 * Options that `run` has in common with `create`: `into` is a struct run_options, or begins
 * with one. verb_run.c
 */
#ifndef VMM_RUN_OPTIONS_H
#define VMM_RUN_OPTIONS_H

#include "vmm/options.h"
#include "vmm/vmm.h"

/* The defaults of a domain without a kernel and a name. */
void run_options_init(struct run_options *o);

int run_option_profile(void *into, const char *value, struct error *err);
int run_option_p2m(void *into, const char *value, struct error *err);
int run_option_monitor(void *into, const char *value, struct error *err);
int run_option_gate(void *into, const char *value, struct error *err);
int run_option_xenstore(void *into, const char *value, struct error *err);
int run_option_hugepages(void *into, const char *value, struct error *err);
int run_option_kernel_cache(void *into, const char *value, struct error *err);
int run_option_stats(void *into, const char *value, struct error *err);
int run_option_time(void *into, const char *value, struct error *err);
int run_option_trace(void *into, const char *value, struct error *err);
int run_option_trace_file(void *into, const char *value, struct error *err);
int run_option_trace_format(void *into, const char *value, struct error *err);
int run_option_symbols(void *into, const char *value, struct error *err);
int run_option_inject(void *into, const char *value, struct error *err);
int run_option_inject_seed(void *into, const char *value, struct error *err);
int run_option_inject_log(void *into, const char *value, struct error *err);
int run_option_replay(void *into, const char *value, struct error *err);
int run_option_paused(void *into, const char *value, struct error *err);
int run_option_gdb(void *into, const char *value, struct error *err);
int run_option_gdb_nowait(void *into, const char *value, struct error *err);
int run_option_watch(void *into, const char *value, struct error *err);
int run_option_quiet(void *into, const char *value, struct error *err);
int run_option_verbose(void *into, const char *value, struct error *err);
/* A regular file with something in it that we may read; `what` is it. */
int run_check_file(const char *what, const char *path, struct error *err);

/* Rows of both verbs' tables. */
/* clang-format off */
#define RUN_OPTION_ROWS \
	{.name = "profile", \
	 .arg = "NAME", \
	 .help = "version of Xen to imitate: xen-3.0.1, xen-3.0.2,\nxen-4.17 (default)", \
	 .parse = run_option_profile}, \
	{.name = "p2m", \
	 .arg = "ORDER", \
	 .help = "machine frames of the guest's memory: identity (default),\n" \
		 "or shuffle[:SEED] to tell pfns from mfns", \
	 .parse = run_option_p2m}, \
	{.name = "monitor", \
	 .arg = "KIND", \
	 .help = "where hypercalls are handled: auto (default), forward,\nresident", \
	 .parse = run_option_monitor}, \
	{.name = "gate", \
	 .arg = "KIND", \
	 .help = "instruction in the hypercall page: auto (default),\nsyscall, vmcall", \
	 .parse = run_option_gate}, \
	{.name = "hugepages", \
	 .arg = "SIZE", \
	 .arg_optional = true, \
	 .help = "memory of the host's pool of huge pages, 2M (default) or 1G;\n" \
		 "without this option the host makes such pages by itself", \
	 .parse = run_option_hugepages}, \
	{.name = "kernel-cache", \
	 .arg = "DIR", \
	 .help = "keep unpacked kernels in this folder, and take them from there", \
	 .parse = run_option_kernel_cache}, \
	{.name = "gdb", \
	 .arg = "WHERE", \
	 .arg_optional = true, \
	 .help = "wait for gdb before the first instruction, on gdb.sock in the\n" \
		 "domain's folder, on a local TCP port (--gdb=PORT) or on\n" \
		 "--gdb=unix:PATH", \
	 .parse = run_option_gdb}, \
	{.name = "gdb-nowait", \
	 .help = "with --gdb: start without waiting for it", \
	 .parse = run_option_gdb_nowait}, \
	{.name = "trace", \
	 .arg = "WHAT", \
	 .help = "record what happens: CATEGORY,...[:FILTER] (xenolith help trace);\n" \
		 "may be given again", \
	 .parse = run_option_trace}, \
	{.name = "trace-file", \
	 .arg = "PATH", \
	 .help = "where to (default NAME.trace): *.json is a timeline for Perfetto,\n" \
		 "a path with a / at its end a folder in CTF, else it is text", \
	 .parse = run_option_trace_file}, \
	{.name = "trace-format", \
	 .arg = "FORMAT", \
	 .help = "text, json or ctf, whatever the path", \
	 .parse = run_option_trace_format}, \
	{.name = "symbols", \
	 .arg = "FILE", \
	 .help = "the kernel's System.map or ELF file, for names in traces", \
	 .parse = run_option_symbols}, \
	{.name = "time", \
	 .arg = "KIND", \
	 .help = "host (default), or virtual[:QUANTUM]: driven by what the guest\n" \
		 "does (10us an exit), for runs that replay; one vcpu", \
	 .parse = run_option_time}, \
	{.name = "inject", \
	 .arg = "RULE", \
	 .help = "what is to go wrong: 'WHAT[:CONDITION] ACTION[=VALUE] [p=0.1] ...'\n" \
		 "(xenolith help inject); may be given again", \
	 .parse = run_option_inject}, \
	{.name = "inject-seed", \
	 .arg = "N", \
	 .help = "of the rules' chances (default: another every time)", \
	 .parse = run_option_inject_seed}, \
	{.name = "inject-log", \
	 .arg = "FILE", \
	 .help = "the list of what was injected (default: NAME.faults)", \
	 .parse = run_option_inject_log}, \
	{.name = "replay", \
	 .arg = "FILE", \
	 .help = "inject what such a list has", \
	 .parse = run_option_replay}, \
	{.name = "watch", \
	 .arg = "SECONDS", \
	 .arg_optional = true, \
	 .help = "report rings, events, grants and xenstore states that stand\nstill for so long (default 10)", \
	 .parse = run_option_watch}
/* clang-format on */

#endif
