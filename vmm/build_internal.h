/*
 * The domain builder's parts, seen by each other and by its unit test.
 *
 * First everything is decided with no memory at all (build_ramdisk, then
 * build_layout_compute), then the frames are filled. Within the builder a pfn
 * is an offset into the guest's own view of its memory, and pfn n of the
 * initial mapping is at notes.virt_base + n * PAGE_SIZE.
 */
#ifndef VMM_BUILD_INTERNAL_H
#define VMM_BUILD_INTERNAL_H

#include "vmm/build.h"

/* ---- build_layout.c ---- */

/* The page tables of one level: `count` consecutive tables, the first one for
 * the `first`-th span of the address space that such a table covers. */
struct build_table_run {
	uint64_t first, count;
	uint64_t pfn;
};

/* A virtual range mapped to consecutive pfns, and the tables it adds. */
struct build_mapping {
	uint64_t va;
	uint64_t pfn, pages;
	struct build_table_run tables[5]; /* by level, 1 to 4 */
	uint64_t tables_pfn, nr_tables;	  /* all of them */
};

struct build_segment {
	uint64_t pfn, pages;
};

struct build_layout {
	uint64_t virt_base;
	struct build_segment kernel;
	struct build_segment ramdisk;
	bool ramdisk_by_frame; /* SIF_MOD_START_PFN; else inside the initial mapping */
	struct build_segment p2m;
	bool p2m_apart; /* at notes.init_p2m, behind everything else */
	uint64_t start_info_pfn, xenstore_pfn, console_pfn, stack_pfn;
	struct build_mapping maps[2]; /* the initial mapping; the p2m list's, if apart */
	unsigned nr_maps;
	uint64_t end_pfn; /* frames needed */
};

/* The layout for a domain of nr_ram frames, which may come out larger than that.
 * -EINVAL: the kernel's notes cannot be honoured. */
int build_layout_compute(struct build_layout *l, const struct kernel_image *k,
			 const struct build_ramdisk *r, uint64_t nr_ram, struct error *err);
/* The smallest size, in MiB, into which the layout fits; 0: none. */
uint64_t build_layout_needed_mib(const struct kernel_image *k, const struct build_ramdisk *r);

static inline uint64_t build_pfn_to_va(const struct build_layout *l, uint64_t pfn)
{
	return l->virt_base + pfn * PAGE_SIZE;
}

/* ---- build_p2m.c ---- */

struct build_p2m {
	const struct domain *domain;
	uint64_t nr;
};

/* Of the pfns that d has, and what its M2P says of them. */
void build_p2m_init(struct build_p2m *m, struct domain *d, enum p2m_order order, uint64_t seed);

static inline uint64_t build_pfn_to_mfn(const struct build_p2m *m, uint64_t pfn)
{
	return domain_ram_frame(m->domain, ram_order_at(&m->domain->order, pfn));
}

static inline void *build_pfn_ptr(const struct domain *d, const struct build_p2m *m, uint64_t pfn)
{
	return frame_ptr(d, build_pfn_to_mfn(m, pfn));
}

/* Writes the guest's list to the pfns from `pfn`. */
void build_p2m_write(struct domain *d, const struct build_p2m *m, uint64_t pfn);
/* Copies to guest memory at byte `offset` of the pfns, or zeroes it (src NULL). */
void build_copy(struct domain *d, const struct build_p2m *m, uint64_t offset, const void *src,
		uint64_t len);

/* ---- build_place.c ---- */

/* Bytes that are to come into the guest's memory. */
struct build_source {
	const uint8_t *data;
	uint64_t size;
	bool movable; /* in pages that nobody needs afterwards */
	int fd;	      /* `data` is a mapping of it at fd_offset; -1: it is not */
	uint64_t fd_offset;
	bool kept; /* nobody writes to the file */
};

struct build_placement {
	struct domain *d;
	const struct build_p2m *p2m;
	const struct build_placer *placer;
	void *placer_arg;
};

/* To byte `offset` of the pfns. Negative errno: the file cannot be read. */
int build_place(struct build_placement *p, uint64_t offset, const struct build_source *s);

/* ---- build_tables.c ---- */

/* Fills the page tables. Their frames must still be zero. */
void build_tables_write(struct domain *d, const struct build_p2m *m, const struct build_layout *l);

#endif
