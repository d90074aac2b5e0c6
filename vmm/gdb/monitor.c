/*
 * gdb's `monitor` commands: a table. The domain is at rest.
 */
#include <stdlib.h>
#include <string.h>

#include "pvabi/m2p.h"
#include "pvabi/mm.h"
#include "vmm/debug_keys.h"
#include "vmm/gdb/gdb_internal.h"
#include "vmm/inject/inject.h"
#include "vmm/inspect/inspect.h"
#include "vmm/report.h"
#include "vmm/stats.h"

struct monitor_command {
	const char *name, *args, *help;
	void (*fn)(struct gdb_server *s, const char *args, FILE *out);
};

static void show_vcpus(struct gdb_server *s, const char *args, FILE *out)
{
	report_vcpus(out, s->p.guest);
}

static void show_stats(struct gdb_server *s, const char *args, FILE *out)
{
	stats_counters_print(out, s->p.guest);
}

static bool read_number(const char *text, uint64_t *n)
{
	char *end;

	*n = strtoull(text, &end, 16);
	return *text && !*end;
}

static void show_walk(struct gdb_server *s, const char *args, FILE *out)
{
	static const char *const names[] = {"kernel", "user"};
	struct vcpu *v = gdb_vcpu(s);
	const uint64_t l4[] = {v->guest_table, v->guest_table_user};
	uint64_t va;

	if (!read_number(args, &va)) {
		fprintf(out, "walk takes a virtual address, hexadecimal\n");
		return;
	}
	for (unsigned i = 0; i < 2; i++) {
		struct guest_walk w;

		if (!l4[i])
			continue;
		fprintf(out, "%s tables, L4 frame 0x%llx: ", names[i], (unsigned long long)l4[i]);
		if (!guest_walk(v->domain, l4[i], va, &w))
			fprintf(out, "not canonical, or out of the machine's memory\n");
		else if (!w.present)
			fprintf(out, "not present: L%u entry 0x%llx at machine address 0x%llx\n",
				w.level, (unsigned long long)w.pte,
				(unsigned long long)w.pte_maddr);
		else
			fprintf(out,
				"machine address 0x%llx, %s, L%u entry 0x%llx at machine address "
				"0x%llx\n",
				(unsigned long long)w.maddr, w.writable ? "writable" : "read-only",
				w.level, (unsigned long long)w.pte,
				(unsigned long long)w.pte_maddr);
	}
}

static void show_frame(struct gdb_server *s, const char *args, FILE *out)
{
	static const char *const types[] = {
		[PGT_NONE] = "no type",	     [PGT_L1] = "L1 table", [PGT_L2] = "L2 table",
		[PGT_L3] = "L3 table",	     [PGT_L4] = "L4 table", [PGT_SEGDESC] = "descriptors",
		[PGT_WRITABLE] = "writable",
	};
	struct domain *d = gdb_domain(s);
	uint64_t mfn;

	if (!read_number(args, &mfn) || mfn >= d->nr_frames) {
		fprintf(out, "frame takes a machine frame's number, hexadecimal, below 0x%llx\n",
			(unsigned long long)d->nr_frames);
		return;
	}
	domain_lock(d);
	const struct page_info *p = &d->pages[mfn];
	unsigned type = __atomic_load_n(&p->type, __ATOMIC_RELAXED);
	fprintf(out, "frame 0x%llx: %s, %u references, %s %u times%s%s", (unsigned long long)mfn,
		p->flags & PG_FREE     ? "nobody's"
		: p->flags & PG_SHARED ? "Xen's, shared with the guest"
		: mfn >= d->nr_ram     ? "Xen's"
				       : "the guest's",
		p->refs, type <= PGT_WRITABLE ? types[type] : "?", p->type_count,
		p->flags & PG_PINNED ? ", pinned" : "",
		p->flags & PG_GIVEN_BACK ? ", given back" : "");
	if (mfn < d->nr_m2p)
		fprintf(out, ", pfn 0x%llx", (unsigned long long)m2p_get(d, mfn));
	fputc('\n', out);
	domain_unlock(d);
}

/* As `xenolith inspect`, of a domain that is at rest. */
static void inspect(struct gdb_server *s, const char *args, FILE *out)
{
	const struct inspect_target t = {.guest = s->p.guest,
					 .xenstore = s->p.guest->devices.xenstore};
	const char *word[1 + INSPECT_MAX_ARGS + 1];
	char *text = strdup(args), *rest = NULL;
	unsigned nr = 0;
	struct error err;
	json_t *j;

	for (char *w = text ? strtok_r(text, " ", &rest) : NULL; w && nr < 1 + INSPECT_MAX_ARGS + 1;
	     w = strtok_r(NULL, " ", &rest))
		word[nr++] = w;
	if (!inspect_fill(&t, nr ? word[0] : "nothing", nr ? nr - 1 : 0, word + 1, &j, &err)) {
		inspect_find(word[0], &err)->print(out, j);
		json_decref(j);
	} else {
		fprintf(out, "%s\n", err.text);
	}
	free(text);
}

static void show_log(struct gdb_server *s, const char *args, FILE *out)
{
	char *text = log_ring_read(&s->p.guest->log, false);

	fputs(text ? text : "", out);
	free(text);
}

static void press_keys(struct gdb_server *s, const char *args, FILE *out)
{
	for (; *args; args++)
		if (!debug_key(s->p.guest, *args))
			fprintf(out, "'%c' is no debug key; 'monitor keys h' lists them\n", *args);
	show_log(s, args, out);
}

static void print_rule(void *arg, unsigned nr, const char *text, uint64_t hits, uint64_t taken)
{
	fprintf(arg, "%u: %s (%llu hits, %llu taken)\n", nr, text, (unsigned long long)hits,
		(unsigned long long)taken);
}

/* As `xenolith inject`: a rule, "-r [N]" or nothing. */
static void inject(struct gdb_server *s, const char *args, FILE *out)
{
	const struct inject_options none = {.nr_rules = 0};
	struct guest *g = s->p.guest;
	struct error err;

	if (!strncmp(args, "-r", 2)) {
		int nr = args[2] ? atoi(args + 2) : -1;
		if (!g->injector || injector_remove(g->injector, nr))
			fprintf(out, "it has no such rule\n");
	} else if (*args) {
		if (!g->injector)
			g->injector =
				injector_create(g, s->p.loop, g->devices.xenstore, &none, &err);
		if (!g->injector || injector_add(g->injector, args, &err) < 0)
			fprintf(out, "%s\n", err.text);
	}
	if (g->injector)
		injector_list(g->injector, print_rule, out);
}

static void set_step_events(struct gdb_server *s, const char *args, FILE *out)
{
	if (!strcmp(args, "on"))
		s->debugger->step_events = true;
	else if (!strcmp(args, "off"))
		s->debugger->step_events = false;
	else if (*args)
		fprintf(out, "step-events takes on or off\n");
	fprintf(out, "a single step %s the vcpu's events\n",
		s->debugger->step_events ? "takes" : "does not take");
}

static void show_help(struct gdb_server *s, const char *args, FILE *out);

static const struct monitor_command commands[] = {
	{"frame", "MFN", "whose a machine frame is, and its type", show_frame},
	{"help", "", "this list", show_help},
	{"inject", "[RULE|-r [N]]", "faults, as of 'xenolith inject'", inject},
	{"inspect", "WHAT [ARG]...", "as 'xenolith inspect': events, rings, ...", inspect},
	{"keys", "KEYS", "debug keys as of 'xenolith debug-keys', and the log", press_keys},
	{"log", "", "the domain's log, as of 'xenolith dmesg'", show_log},
	{"stats", "", "how often and why the guest was left", show_stats},
	{"step-events", "[on|off]", "do single steps take events (off)?", set_step_events},
	{"vcpus", "", "registers and last exits of all vcpus that are up", show_vcpus},
	{"walk", "ADDRESS", "where a virtual address leads", show_walk},
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void show_help(struct gdb_server *s, const char *args, FILE *out)
{
	char name[40];

	for (size_t i = 0; i < NR_COMMANDS; i++) {
		snprintf(name, sizeof(name), "%s %s", commands[i].name, commands[i].args);
		fprintf(out, "%-22s%s\n", name, commands[i].help);
	}
}

void gdb_monitor(struct gdb_server *s, const char *text, FILE *out)
{
	size_t n = strcspn(text, " ");
	const char *args = text + n + strspn(text + n, " ");

	for (size_t i = 0; i < NR_COMMANDS; i++)
		if (strlen(commands[i].name) == n && !strncmp(commands[i].name, text, n)) {
			commands[i].fn(s, args, out);
			return;
		}
	fprintf(out, "there is no monitor command '%.*s':\n", (int)n, text);
	show_help(s, "", out);
}
