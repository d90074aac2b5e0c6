/*
 * Page types and references (Xen: arch/x86/mm.c). Internal to pvabi, but for
 * the descriptor pages that the VMM maps. All of it under domain.lock.
 *
 * A frame has references (somebody maps it or works on it) and, apart from
 * that, a type with a count: it is writable somewhere, or a page table of one
 * level, or holds descriptors. Two types at once are refused; that is how the
 * guest is kept from writing to its page tables behind Xen's back.
 *
 * With a resident monitor at CPL 3 (vmm/resident/ring3_area.h) the guest's kernel can write to
 * page_info. What it breaks must be its own only: nothing here is an index or a pointer, and
 * no loop or recursion ends by what is here alone.
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
#define PG_FREE	      0x1 /* given back, and nobody refers to it: nobody's */
#define PG_SHARED     0x2 /* of the heap, and the guest may map it read-write */
#define PG_PINNED     0x4 /* MMUEXT_PIN_*: holds a type reference */
#define PG_VALIDATING 0x8 /* its entries are being looked at now */
/* The guest gave it back but still refers to it: it stays the guest's until the
 * last reference goes (Xen: PGC_allocated is clear, the owner is still set). */
#define PG_GIVEN_BACK 0x10

struct page_info {
	uint32_t refs;
	uint32_t type_count;
	uint8_t type; /* enum page_type; without type_count: the last it had */
	uint8_t flags;
	union {
		/* A page table's: linear entries. How many entries of other tables of the
		 * same level name this one (they are among type_count), and its own entries
		 * of that kind. Never both: so they form no chains (Xen: arch/x86/mm.c,
		 * linear_pt_count). */
		struct {
			uint16_t linear_in, linear_out;
		};
		/* Without type_count: mm_tlb_stamp() when the last reference of `type` went
		 * (Xen: tlbflush_timestamp). */
		uint32_t tlb_stamp;
	};
};
_Static_assert(sizeof(struct page_info) == 16, "one for every frame of the machine");

/* Entry bits (SDM vol. 3, 4.5). */
#define PTE_P		 0x001UL
#define PTE_RW		 0x002UL
#define PTE_US		 0x004UL
#define PTE_PWT		 0x008UL
#define PTE_PCD		 0x010UL
#define PTE_A		 0x020UL
#define PTE_D		 0x040UL
#define PTE_PSE		 0x080UL
#define PTE_PAT		 0x080UL /* in an L1 entry */
#define PTE_CACHE	 (PTE_PWT | PTE_PCD | PTE_PAT)
#define PTE_G		 0x100UL
#define PTE_AVAIL	 0xe00UL
#define PTE_GUEST_KERNEL (1UL << 52) /* Xen: _PAGE_GUEST_KERNEL */
#define PTE_AVAIL_HIGH	 (0x7ffUL << 52)
#define PTE_NX		 (1UL << 63)
#define PTE_ADDR	 0x000ffffffffff000UL

static inline uint64_t pte_mfn(uint64_t pte)
{
	return (pte & PTE_ADDR) >> PAGE_SHIFT;
}

/* A frame that the guest owns or that Xen shares with it. NULL otherwise. */
struct page_info *mm_page_of_guest(const struct domain *d, uint64_t mfn);
/* The same with a reference taken. */
struct page_info *mm_page_get(struct domain *d, uint64_t mfn);
void mm_page_put(struct domain *d, uint64_t mfn);

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
/* What a present L1 entry refers to: -EINVAL for its bits, -EPERM for what is no
 * memory and not permitted (iocap.c), -EBUSY for memory that is not the guest's or must
 * not be writable, -EACCES for a frame of Xen's with cache attributes. More than 0: bits
 * that are to be the opposite of what the guest wanted (a device's page is not cached). */
int mm_l1e_get(struct domain *d, uint64_t l1e);
/* May it have these bits at all? */
bool mm_l1e_bits_ok(const struct domain *d, uint64_t l1e);
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
/* *pte = val when it is *old; else false and *old tells what it is. */
bool mm_pte_cmpxchg(struct vcpu *v, uint64_t *pte, uint64_t maddr, uint64_t *old, uint64_t val);
/* Changes entry `slot` of table frame `mfn` of `level` to `val` for guest v, with
 * references moved from the old to the new. */
int mm_entry_update(struct vcpu *v, uint64_t mfn, unsigned slot, unsigned level, uint64_t val,
		    enum pte_store_how how);
/* The same for an L1 entry that names a page of DOMID_IO, a device's: the guest's own
 * rights count. For memory only what names the same page as before succeeds. */
int mm_entry_update_io(struct vcpu *v, uint64_t mfn, unsigned slot, uint64_t val,
		       enum pte_store_how how);
/* As a kernel's or a user's L4 about to be loaded: with or without the M2P. */
void mm_l4_show_m2p(struct vcpu *v, uint64_t mfn, bool show);
/* And with or without what is the kernel's: domain.kernel_slots. */
void mm_l4_show_kernel(struct vcpu *v, uint64_t mfn, bool show);

/* mm_flush.c: every flush that pvabi asks for goes through here, so that it is known
 * which vcpus may still use a translation. As host_ops.tlb_flush. */
void mm_tlb_flush(struct domain *d, uint32_t vcpus, uint64_t va);
/* Whoever may have translations from before `stamp` loses them. */
void mm_tlb_flush_since(struct domain *d, uint32_t stamp);
void mm_tlb_init(struct domain *d);
/* The stamp of a frame whose last reference of a type goes. With the domain's lock. */
uint32_t mm_tlb_stamp(struct domain *d);

/* A vcpu that loads page tables has a flush that it need not be asked for. Without a lock, by the
 * vcpu's own thread: what mm_tlb_now() was before is what mm_tlb_flushed() gets after. */
static inline uint32_t mm_tlb_now(const struct domain *d)
{
	return atomic_load_explicit(&d->tlb_clock, memory_order_relaxed);
}

static inline void mm_tlb_flushed(struct vcpu *v, uint32_t since)
{
	atomic_store_explicit(&v->tlb_time, since, memory_order_relaxed);
}

/* Time of a vcpu that has no translations, and flushes before it has any again. */
#define MM_TLB_NONE UINT32_MAX

/* The foreigndom argument of the MMU calls (Xen: get_pg_owner()): 0 for the guest
 * itself, which must be called DOMID_SELF; -EPERM for what exists but is not the
 * guest's; -ESRCH. */
int mm_foreign_domain(const struct domain *d, uint32_t domid);
/* The same for calls that also take the guest's own number (Xen:
 * rcu_lock_domain_by_any_id()). */
int mm_any_domain(const struct domain *d, domid_t domid);

/* Xen's mark in `count` of an MMU call that it restarts (xen/include/asm/mm.h); not public,
 * but a guest that sets it is answered the same way. */
#define MMU_UPDATE_PREEMPTED 0x80000000u

/* Called before every element of a batch, however long: lets others have the lock
 * now and then (Xen: hypercall_preempt_check()). False: the domain has ended. */
static inline bool mm_breathe(struct vcpu *v, uint64_t i)
{
	struct domain *d = shared(v->domain);

	if (!i || i % 512)
		return true;
	domain_unlock(d);
	domain_lock(d);
	return !d->is_shut_down;
}

/* A batch is interrupted and goes on with the `left` elements at `list`; rest: its arguments, of
 * which these two are set. */
static inline long mm_continue(struct vcpu *v, uint64_t *rest, uint64_t list, uint32_t left)
{
	rest[0] = list;
	rest[1] = left | MMU_UPDATE_PREEMPTED;
	return hypercall_continue(v, rest);
}

/* mmuext.c: MMUEXT_NEW_BASEPTR, and what a mov to CR3 does. */
int mm_new_baseptr(struct vcpu *v, uint64_t mfn);

/* update_va.c: the vcpus named by a bitmap in guest memory; -EFAULT. */
int mm_vcpu_mask(struct vcpu *v, uint64_t bitmap_va, uint32_t *mask);

/* mm_alloc.c: frames that the guest gave back and may have again. */

/* 2^order frames, aligned, all below machine address 2^bits (0: anywhere).
 * INVALID_MFN when there are none or the guest has its maximum. */
uint64_t mm_alloc_frames(struct domain *d, unsigned order, unsigned bits);
/* The bitmap of frames given back, made when it is needed first. -ENOMEM. mm_domain.c */
int mm_free_frames_init(struct domain *d);
/* Frames of RAM that nobody has from the start. -ENOMEM. */
int mm_spare_init(struct domain *d, uint64_t first, uint64_t end);
/* The M2P of `nr` frames: they are pfn and so on. */
void mm_frames_name(struct domain *d, uint64_t mfn, uint64_t pfn, uint64_t nr);
/* Frames that go back to the host together: nobody gets them before. */
#define MM_RELEASE_MAX 512
struct mm_release {
	unsigned nr;
	uint64_t mfn[MM_RELEASE_MAX];
};
void mm_release_flush(struct domain *d, struct mm_release *r);
/* Takes a frame of RAM from the guest as soon as nobody refers to it. -EINVAL when
 * it is not the guest's, -ENOMEM. One that goes now is put into `r`. */
int mm_free_frame_into(struct domain *d, uint64_t mfn, struct mm_release *r);
int mm_free_frame(struct domain *d, uint64_t mfn);
/* The last reference to a frame given back went. */
void mm_frame_unused(struct domain *d, uint64_t mfn);
/* XENMEM_exchange: nr_in frames that nobody refers to for nr_out times 2^out_order
 * others; all or none. -EINVAL, -ENOMEM. */
#define MM_EXCHANGE_MAX 512 /* frames of a chunk: Xen, CONFIG_DOMU_MAX_ORDER */
int mm_exchange_frames(struct domain *d, const uint64_t *in, unsigned nr_in, uint64_t *out,
		       unsigned nr_out, unsigned out_order, unsigned bits);

#endif
