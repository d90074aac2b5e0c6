/*
 * A domain's core dump: a file that is two things at once.
 *
 * By its sections it is what Xen's dump-core writes (docs/misc/dump-core-format.txt:
 * .note.Xen, .xen_prstatus, .xen_shared_info, .xen_p2m, .xen_pages), which crash and others
 * read. By its program headers it is a core file as gdb reads it: registers of the vcpus,
 * and the memory that the kernel of one of them maps, by virtual address. Those headers
 * stand at the end of the file: where they follow the ELF header crash takes the file for a
 * dump of a machine (netdump.c, is_netdump).
 *
 * Pages of zeros are holes in the file.
 */
#ifndef VMM_DUMP_CORE_DUMP_H
#define VMM_DUMP_CORE_DUMP_H

#include <elf.h>
#include <stdatomic.h>

#include "vmm/error.h"
#include "vmm/vcpu.h"

/* xg_core.h of Xen's tools, which is not among its public headers. */
#define XC_CORE_MAGIC 0xF00FEBEDull
struct core_p2m {
	uint64_t pfn, gmfn;
};

/* What is kept of one vcpu. */
struct core_vcpu {
	unsigned id;
	struct vcpu_guest_context context;
};

struct core_dump {
	struct guest *guest;
	char path[4096]; /* the file; what is written goes to .part and gets this name at the end */
	/* core_dump_prepare() */
	unsigned nr_vcpus;
	struct core_vcpu *vcpu;
	uint64_t l4; /* of the first vcpu's kernel */
	/* core_dump_write() */
	uint64_t nr_pages;
	struct core_p2m *p2m; /* by pfn */
	uint32_t *index;      /* of .xen_pages by mfn, UINT32_MAX: none */
	Elf64_Phdr *load;     /* with offsets from the start of .xen_pages */
	unsigned nr_loads;
	/* Told to others while it is written. */
	_Atomic uint64_t done, total; /* pages */
	_Atomic bool cancelled;	      /* somebody wants it to end */
};

/* Looks at the vcpus, which must be at rest or have ended; no more than that. Then
 * core_dump_free(), also when it fails: 0, -ENOMEM, -ENODATA: no vcpu ever ran, with a
 * sentence. `c` was all zero, or freed; its path may be `path`. */
int core_dump_prepare(struct core_dump *c, struct guest *g, const char *path, struct error *err);
/* Writes the file. On failure (a sentence; -ECANCELED) nothing is left of it. Any thread. */
int core_dump_write(struct core_dump *c, struct error *err);
void core_dump_free(struct core_dump *c);

/* Where a domain's dump goes when the user names no file: NAME.core in
 * $XDG_STATE_HOME/xenolith, for root without that variable /var/lib/xenolith/dump. Makes the
 * folder. */
int core_dump_default_path(const char *name, char *path, size_t size, struct error *err);

/* ---- internal ---- */
/* core_notes.c */
void core_vcpu_fill(struct core_vcpu *cv, struct vcpu *v);
/* Contents of .note.Xen, and of the PT_NOTE for gdb; the caller frees them. NULL: no memory. */
void *core_xen_notes(const struct core_dump *c, size_t *size);
void *core_gdb_notes(const struct core_dump *c, size_t *size);
/* core_map.c: 0 or -ENOMEM */
int core_list_pages(struct core_dump *c);
int core_map_memory(struct core_dump *c);

/* ---- one at a time for a domain, in a thread of its own (core_job.c) ---- */
struct core_job;
struct event_loop;
/* In the loop's thread. The domain is paused until the file is written; `live`: only for
 * the moment in which its vcpus are looked at. -EBUSY: there is one already. */
int core_job_start(struct guest *g, struct event_loop *l, const char *path, bool live,
		   struct error *err);
struct core_job_state {
	bool running;
	uint64_t done, pages;
	int rc; /* of the last that ended */
	struct error err;
};
/* False: there never was one. */
bool core_job_look(const struct guest *g, struct core_job_state *s);
/* The domain ends: what is not yet whole is given up. The loop does not run any more. */
void core_job_end(struct guest *g);

#endif
