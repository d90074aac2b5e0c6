/*
 * What the subjects about memory have in common: a frame's page_info in words.
 */
#ifndef VMM_INSPECT_FRAMES_H
#define VMM_INSPECT_FRAMES_H

#include "pvabi/mm.h"
#include "vmm/inspect/inspect.h"

/* Type, counts, references, whose it is, its pfn. domain.lock is held. */
void frame_describe(const struct domain *d, uint64_t mfn, json_t *j);
/* An entry's bits: "present writable user ...". level 1 to 4. */
json_t *pte_flags(uint64_t pte, unsigned level);
/* The pfn that the M2P has for the frame; INVALID_MFN. */
uint64_t frame_pfn(const struct domain *d, uint64_t mfn);

/* ---- the guest's p2m (p2m.c) ---- */

/* Where the guest keeps it, from shared_info. */
enum p2m_form { P2M_NONE, P2M_LINEAR, P2M_TREE };
struct p2m_view {
	enum p2m_form form;
	uint64_t max_pfn; /* entries */
	uint64_t l4, va;  /* of a linear one */
	uint64_t top;	  /* of a tree: the frame list list */
	/* The page looked up last. */
	uint64_t page;
	const uint64_t *words;
};
void p2m_open(const struct domain *d, struct p2m_view *p);
/* The entry for pfn. False: there is no page for it, or no such entry. */
bool p2m_read(const struct domain *d, struct p2m_view *p, uint64_t pfn, uint64_t *entry);
/* Entries that are no frame numbers (Linux: arch/x86/include/asm/xen/page.h). */
#define P2M_INVALID  (~0ull)
#define P2M_FOREIGN  (1ull << 63)
#define P2M_IDENTITY (1ull << 62)

#endif
