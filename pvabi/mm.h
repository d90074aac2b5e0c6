/*
 * Page types and references (Xen: arch/x86/mm.c). Internal to pvabi, but for
 * the descriptor pages that the VMM maps. All of it under domain.lock.
 *
 * A frame has references (somebody maps it or works on it) and, apart from
 * that, a type with a count: it is writable somewhere, or a page table of one
 * level, or holds descriptors. Two types at once are refused; that is how the
 * guest is kept from writing to its page tables behind Xen's back.
 */
#ifndef PVABI_MM_H
#define PVABI_MM_H

#include "pvabi/pvabi.h"

enum page_type {
	PGT_NONE,
	PGT_L1,
	PGT_L2,
	PGT_L3,
	PGT_L4,
	PGT_SEGDESC,
	PGT_WRITABLE,
};

/* page_info.flags. All zero: a frame of RAM that the guest owns. */
#define PG_FREE 0x1	  /* given back: nobody's */
#define PG_SHARED 0x2	  /* of the heap, and the guest may map it read-write */
#define PG_PINNED 0x4	  /* MMUEXT_PIN_*: holds a type reference */
#define PG_UNCLEAN 0x10	  /* free, with what the guest left in it */
#define PG_VALIDATING 0x8 /* its entries are being looked at now */

struct page_info {
	uint32_t refs;
	uint32_t type_count;
	uint8_t type; /* enum page_type; meaningful while type_count > 0 */
	uint8_t flags;
	/* Linear page tables: entries of other tables of the same level that name this
	 * one (they are among type_count), and its own entries of that kind. Never
	 * both: so they form no chains (Xen: arch/x86/mm.c, linear_pt_count). */
	uint16_t linear_in, linear_out;
};

/* Entry bits (SDM vol. 3, 4.5). */
#define PTE_P 0x001UL
#define PTE_RW 0x002UL
#define PTE_US 0x004UL
#define PTE_A 0x020UL
#define PTE_D 0x040UL
#define PTE_PSE 0x080UL
#define PTE_G 0x100UL
#define PTE_AVAIL 0xe00UL
#define PTE_GUEST_KERNEL (1UL << 52) /* Xen: _PAGE_GUEST_KERNEL */
#define PTE_AVAIL_HIGH (0x7ffUL << 52)
#define PTE_NX (1UL << 63)
#define PTE_ADDR 0x000ffffffffff000UL

static inline uint64_t pte_mfn(uint64_t pte)
{
	return (pte & PTE_ADDR) >> PAGE_SHIFT;
}

/* A frame that the guest owns or that Xen shares with it. NULL otherwise. */
struct page_info *mm_page_of_guest(const struct domain *d, uint64_t mfn);
/* The same with a reference taken. */
struct page_info *mm_page_get(struct domain *d, uint64_t mfn);
void mm_page_put(struct page_info *p);

/* Type references. Taking the first one of a page-table type validates the
 * frame's entries: -EINVAL, -EBUSY or -EPERM when they, or the frame's present
 * type, do not allow it. */
int mm_type_get(struct domain *d, uint64_t mfn, enum page_type type);
void mm_type_put(struct domain *d, uint64_t mfn);
/* Reference and type in one; -EINVAL when the frame is not the guest's. */
int mm_get_page_and_type(struct domain *d, uint64_t mfn, enum page_type type);
void mm_put_page_and_type(struct domain *d, uint64_t mfn);

/* mm_validate.c: all entries of a table. */
int mm_table_validate(struct domain *d, uint64_t mfn, enum page_type type);
void mm_table_invalidate(struct domain *d, uint64_t mfn, enum page_type type);
/* What a present L1 entry refers to. */
int mm_l1e_get(struct domain *d, uint64_t l1e);
void mm_l1e_put(struct domain *d, uint64_t l1e);
/* What an entry of a table of `level` 2..4 refers to; table_mfn holds it. */
int mm_lxe_get(struct domain *d, uint64_t entry, unsigned level, uint64_t table_mfn);
void mm_lxe_put(struct domain *d, uint64_t entry, unsigned level, uint64_t table_mfn);
/* The bits that Xen adds to a present guest entry (adjust_guest_l*e). */
uint64_t mm_adjust(uint64_t entry, unsigned level);
/* A slot of a table of this level that belongs to the guest. */
bool mm_guest_slot(unsigned level, unsigned slot);

/* descriptors.c: 0 when a guest may have this descriptor (fixed up in place), or
 * -EINVAL (Xen: check_descriptor). */
int mm_check_descriptor(uint64_t *desc);

/* mm_pte.c: the one place that stores into page tables in use. */
enum pte_store_how { PTE_SET, PTE_PRESERVE_AD };
void mm_pte_store(struct vcpu *v, uint64_t *pte, uint64_t maddr, uint64_t val,
		  enum pte_store_how how);
/* Changes entry `slot` of table frame `mfn` of `level` to `val` for guest v, with
 * references moved from the old to the new. */
int mm_entry_update(struct vcpu *v, uint64_t mfn, unsigned slot, unsigned level, uint64_t val,
		    enum pte_store_how how);

/* The foreigndom argument of the MMU calls: 0 for the guest itself, -EPERM for
 * a domain it has no rights to, -ESRCH. */
int mm_foreign_domain(const struct domain *d, uint32_t domid);

/* Xen's mark in `count` of an MMU call that it restarts (xen/include/asm/mm.h); not public,
 * but a guest that sets it is answered the same way. */
#define MMU_UPDATE_PREEMPTED 0x80000000u

/* All of an array's addresses are ones that a guest may pass (Xen: guest_handle_okay). */
static inline bool mm_range_ok(uint64_t va, uint64_t len)
{
	return !len || (guest_addr_ok(va) && va + len - 1 >= va && guest_addr_ok(va + len - 1));
}

/* mmuext.c: MMUEXT_NEW_BASEPTR, and what a mov to CR3 does. */
int mm_new_baseptr(struct vcpu *v, uint64_t mfn);

/* update_va.c: the vcpus named by a bitmap in guest memory; -EFAULT. */
int mm_vcpu_mask(struct vcpu *v, uint64_t bitmap_va, uint32_t *mask);

/* mm_alloc.c: frames that the guest gave back and may have again. */
uint64_t mm_alloc_frames(struct domain *d, unsigned order);
int mm_free_frame(struct domain *d, uint64_t mfn);

#endif
