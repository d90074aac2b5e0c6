/*
 * What the unit tests of page types and of the MMU calls share: tables made by
 * hand, the calls in one line, and the counts to look at.
 */
#ifndef TEST_UNIT_TEST_MM_H
#define TEST_UNIT_TEST_MM_H

#include "pvabi/mm.h"
#include "test/unit/test_domain.h"

#define LEAF (PTE_P | PTE_US | PTE_A)
#define DIR  (PTE_P | PTE_RW | PTE_US | PTE_A)

static inline uint64_t *mm_table(struct test_domain *t, uint64_t mfn)
{
	return frame_ptr(t->d, mfn);
}

static inline const struct page_info *mm_page(struct test_domain *t, uint64_t mfn)
{
	return &t->d->pages[mfn];
}

static inline uint64_t maddr(uint64_t mfn, unsigned slot)
{
	return mfn * PAGE_SIZE + 8 * slot;
}

static inline uint64_t entry(uint64_t mfn, uint64_t flags)
{
	return mfn << PAGE_SHIFT | flags;
}

/* L4 -> L3 -> L2 -> L1 -> one read-only leaf, each through slot 0; no types yet. */
struct chain {
	uint64_t l4, l3, l2, l1, leaf;
};
struct chain chain_new(struct test_domain *t);
/* No frame of it has a reference or a type. */
bool chain_unused(struct test_domain *t, const struct chain *c);

/* MMUEXT_* of vcpu 0, one operation. */
long mm_ext(struct test_domain *t, unsigned cmd, uint64_t arg1, uint64_t arg2);
/* mmu_update of vcpu 0, one request. */
long mm_update(struct test_domain *t, uint64_t ptr, uint64_t val);
/* An empty, pinned L1 of the common tables, for the 2 MiB at va. */
uint64_t mm_l1_at(struct test_domain *t, uint64_t va);

#endif
