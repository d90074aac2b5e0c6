/*
 * Hypercalls 2 and 10: the guest's GDT; and the pages of its LDT (Xen:
 * arch/x86/pv/descriptor-tables.c).
 */
#include <errno.h>
#include <string.h>

#include "pvabi/hypercalls.h"
#include "pvabi/mm.h"

#define SEG_P	      (1UL << 47)
#define SEG_DPL	      (3UL << 45)
#define SEG_S	      (1UL << 44)
#define SEG_TYPE      (0xfUL << 40)
#define CALL_GATE     (0xcUL << 40)
#define GATE_RESERVED (0xe0UL << 32) /* and the parameter count, 0 in 64-bit gates */
#define GATE_COUNT    (0x1fUL << 32)

int mm_check_descriptor(uint64_t *desc)
{
	uint64_t e = *desc;

	if (!(e & SEG_P))
		return 0; /* any use of it faults */
	e |= SEG_DPL;	  /* a 64-bit guest has ring 3 only */
	if (!(e & SEG_S)) {
		if (!(e & SEG_TYPE))
			return 0; /* the upper half of a call gate */
		if ((e & SEG_TYPE) != CALL_GATE)
			return -EINVAL;
		uint64_t cs = e >> 16 & 0xffff;
		/* Xen: guest_gate_selector_okay(): the guest's own part of the GDT, its
		 * LDT, or Xen's flat code segment. */
		if (cs >> 3 >= FIRST_RESERVED_GDT_ENTRY && cs != FLAT_KERNEL_CS && !(cs & 4))
			return -EINVAL;
		if (e & (GATE_RESERVED | GATE_COUNT))
			return -EINVAL;
		/* DPL 0 makes every use fault; the real one is kept in the selector. */
		e = (e & ~SEG_DPL) | 3UL << 16;
	}
	if (e != *desc)
		*desc = e;
	return 0;
}

int vcpu_set_gdt(struct vcpu *v, const uint64_t *frames, unsigned entries)
{
	struct domain *d = shared(v->domain);
	unsigned nr = (entries + 511) / 512, i;

	if (entries > FIRST_RESERVED_GDT_ENTRY)
		return -EINVAL;
	for (i = 0; i < nr; i++) {
		if (mm_get_descriptor_page(d, frames[i])) {
			while (i-- > 0)
				mm_put_descriptor_page(d, frames[i]);
			return -EINVAL;
		}
	}
	for (i = 0; i < (v->gdt_ents + 511) / 512; i++)
		mm_put_descriptor_page(d, v->gdt_frames[i]);
	memset(v->gdt_frames, 0, sizeof(v->gdt_frames));
	memcpy(v->gdt_frames, frames, nr * sizeof(frames[0]));
	v->gdt_ents = entries;
	host_of(d)->descriptors_changed(v);
	return 0;
}

/* Xen: pv_map_ldt_shadow_page(). */
bool vcpu_ldt_map(struct vcpu *v, unsigned n)
{
	struct guest_walk w;

	if (v->ldt_mapped >> n & 1)
		return true;
	if (n >= (v->ldt_ents * 8 + PAGE_SIZE - 1) / PAGE_SIZE ||
	    !guest_walk(shared(v->domain), v->guest_table, v->ldt_base + n * PAGE_SIZE, &w) ||
	    !w.present || w.level != 1 ||
	    mm_get_descriptor_page(shared(v->domain), w.maddr >> PAGE_SHIFT))
		return false;
	v->ldt_frames[n] = w.maddr >> PAGE_SHIFT;
	v->ldt_mapped |= 1u << n;
	host_of(shared(v->domain))->descriptors_changed(v);
	return true;
}

/* Xen: pv_destroy_ldt(). */
void vcpu_ldt_drop(struct vcpu *v)
{
	if (!v->ldt_mapped)
		return;
	for (unsigned n = 0; n < LDT_PAGES; n++)
		if (v->ldt_mapped >> n & 1)
			mm_put_descriptor_page(shared(v->domain), v->ldt_frames[n]);
	v->ldt_mapped = 0;
	host_of(shared(v->domain))->descriptors_changed(v);
}

long hypercall_set_gdt(struct vcpu *v, const uint64_t *args)
{
	uint32_t entries = (uint32_t)args[1];
	uint64_t frames[GUEST_GDT_FRAMES] = {0};

	if (entries > FIRST_RESERVED_GDT_ENTRY)
		return -EINVAL;
	if (guest_copy_from(v, frames, args[0], (entries + 511) / 512 * sizeof(frames[0])))
		return -EFAULT;
	return vcpu_set_gdt(v, frames, entries);
}

long hypercall_update_descriptor(struct vcpu *v, const uint64_t *args)
{
	struct domain *d = shared(v->domain);
	uint64_t maddr = args[0], desc = args[1];
	uint64_t mfn = maddr >> PAGE_SHIFT;
	struct page_info *p;

	if ((maddr & 7) || mm_check_descriptor(&desc))
		return -EINVAL;
	p = mm_page_get(d, mfn);
	if (!p)
		return -EINVAL;
	/* A descriptor page stays one; anything else must be writable for the guest. */
	enum page_type type = p->type_count && p->type == PGT_SEGDESC ? PGT_SEGDESC : PGT_WRITABLE;
	int rc = mm_type_get(d, mfn, type);
	if (!rc) {
		uint64_t *e =
			(uint64_t *)((uint8_t *)frame_ptr(d, mfn) + (maddr & (PAGE_SIZE - 1)));
		__atomic_store_n(e, desc, __ATOMIC_SEQ_CST);
		mm_type_put(d, mfn);
	}
	mm_page_put(d, mfn);
	return rc ? -EINVAL : 0;
}
