/*
 * The catalogue of probes as tables, and the way from a probe to the host.
 */
#include <stdlib.h>
#include <string.h>

#include "pvabi/hypercalls.h"

static struct probe_desc probes[NR_PROBES];

static const struct {
	const char *name;
	enum probe_category category;
	const char *fields;
} catalogue[NR_PROBES] = {
#define PROBE(c, n, f) {#n, PROBES_##c, f},
#include "pvabi/probes.def"
#undef PROBE
};

/* ---- enumerations ---- */

static const char *const timers[] = {[TIMER_SINGLESHOT] = "singleshot",
				     [TIMER_PERIODIC] = "periodic",
				     [TIMER_POLL] = "poll",
				     "watchdog",
				     NULL};
static const char *const runstates[] = {"running", "runnable", "blocked", "offline", NULL};
/* xen.h: MMUEXT_*; 4 and others are not used. */
static const char *const mmuext_ops[] = {"pin_l1",
					 "pin_l2",
					 "pin_l3",
					 "pin_l4",
					 "unpin",
					 "new_baseptr",
					 "tlb_flush_local",
					 "invlpg_local",
					 "tlb_flush_multi",
					 "invlpg_multi",
					 "tlb_flush_all",
					 "invlpg_all",
					 "flush_cache",
					 "set_ldt",
					 "",
					 "new_user_baseptr",
					 "clear_page",
					 "copy_page",
					 "flush_cache_global",
					 "mark_super",
					 "unmark_super",
					 NULL};
/* xs_wire.h: enum xsd_sockmsg_type */
static const char *const xs_types[] = {
	"control",  "directory",  "read",      "get_perms",	"watch",	  "unwatch",
	"tx_start", "tx_end",	  "introduce", "release",	"getdomainpath",  "write",
	"mkdir",    "rm",	  "set_perms", "watch_event",	"error",	  "is_introduced",
	"resume",   "set_target", "",	       "reset_watches", "directory_part", NULL};
static const char *const xenbus_states[] = {
	"Unknown", "Initialising", "InitWait",	    "Initialised",  "Connected",
	"Closing", "Closed",	   "Reconfiguring", "Reconfigured", NULL};
static const char *const blkif_ops[] = {"read",	    "write",   "barrier",  "flush",
					"reserved", "discard", "indirect", NULL};
/* io/pciif.h: XEN_PCI_OP_* */
static const char *const pci_ops[] = {"conf_read",     "conf_write",	   "enable_msi",
				      "disable_msi",   "enable_msix",	   "disable_msix",
				      "aer_detected",  "aer_resume",	   "aer_mmio",
				      "aer_slotreset", "enable_multi_msi", NULL};
static const char *const exits[] = {"trap",	  "syscall", "syscall32", "hypercall",
				    "iret_fault", "kick",    "fatal",	  NULL};
static const char *hypercalls[NR_HYPERCALLS + 1];

static const struct {
	const char *name;
	const char *const *names;
} enumerations[] = {
	{"hypercall", hypercalls}, {"timer", timers},	  {"runstate", runstates},
	{"mmuext", mmuext_ops},	   {"xs_type", xs_types}, {"xenbus_state", xenbus_states},
	{"blkif_op", blkif_ops},   {"pci_op", pci_ops},	  {"exit", exits},
};

const char *probe_enum_name(const struct probe_field *f, uint64_t value)
{
	if (!f->names)
		return NULL;
	for (uint64_t i = 0; f->names[i]; i++)
		if (i == value)
			return f->names[i][0] ? f->names[i] : NULL;
	return NULL;
}

int probe_enum_value(const struct probe_field *f, const char *name)
{
	for (int i = 0; f->names && f->names[i]; i++)
		if (f->names[i][0] && !strcmp(f->names[i], name))
			return i;
	return -1;
}

/* ---- the table ---- */

static void parse_fields(struct probe_desc *p, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, " ");

		if (len == 1 && *text == 'T') {
			p->text = true;
		} else if (len) {
			struct probe_field *f = &p->field[p->nr_fields++];
			size_t name = strcspn(text, ":");
			const char *format = text + name + 1;

			/* The catalogue is ours: a wrong row is found by the first test. */
			if (name >= sizeof(f->name) || name >= len ||
			    p->nr_fields > PROBE_MAX_FIELDS)
				abort();
			memcpy(f->name, text, name);
			if (len - name == 2) {
				f->format = *format;
			} else {
				for (size_t i = 0;
				     i < sizeof(enumerations) / sizeof(enumerations[0]); i++)
					if (strlen(enumerations[i].name) == len - name - 1 &&
					    !memcmp(enumerations[i].name, format, len - name - 1))
						f->names = enumerations[i].names;
				if (!f->names)
					abort();
			}
		}
		text += len;
		text += strspn(text, " ");
	}
}

void probes_init(void)
{
	if (probes[0].name)
		return;
	for (unsigned i = 0; i < NR_HYPERCALLS; i++)
		hypercalls[i] = hypercall_table[i].name ? hypercall_table[i].name : "";
	for (unsigned i = 0; i < NR_PROBES; i++) {
		probes[i].name = catalogue[i].name;
		probes[i].category = catalogue[i].category;
		parse_fields(&probes[i], catalogue[i].fields);
	}
}

const struct probe_desc *probe_get(enum probe_id id)
{
	return &probes[id];
}

const char *probe_category_name(enum probe_category c)
{
	static const char *const names[NR_PROBE_CATEGORIES] = {
		[PROBES_HYPERCALL] = "hypercall",
		[PROBES_MMU] = "mmu",
		[PROBES_EVENT] = "event",
		[PROBES_TIMER] = "timer",
		[PROBES_GRANT] = "grant",
		[PROBES_XENSTORE] = "xenstore",
		[PROBES_CONSOLE] = "console",
		[PROBES_BLOCK] = "block",
		[PROBES_NET] = "net",
		[PROBES_PCI] = "pci",
		[PROBES_MONITOR] = "monitor",
		[PROBES_FAULT] = "fault",
	};

	return names[c];
}

/* ---- hits ---- */

void probe_hit_span(struct domain *d, enum probe_id id, uint64_t start, const uint64_t *fields,
		    const void *block, size_t size)
{
	struct probe_host *h = d->probe_host;
	uint64_t now = host_of(d)->system_time(d);
	struct probe_hit hit = {
		.id = id,
		.time = start ? start : now,
		.duration = start && now > start ? now - start : 0,
		.field = fields,
		.block = block,
		.block_size = size,
	};

	if (h)
		h->hit(h, d, &hit);
}

void probe_hit(struct domain *d, enum probe_id id, const uint64_t *fields)
{
	probe_hit_span(d, id, 0, fields, NULL, 0);
}
