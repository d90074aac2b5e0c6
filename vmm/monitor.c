/*
 * Places the monitor into a domain: page tables for Xen's L4 slots, the image,
 * the M2P mapping, a direct map of machine memory, and for each vcpu a GDT, an
 * LDT window, a TSS and a stack (Xen: its per-domain mapping, arch/x86/pv).
 */
#include <errno.h>
#include <string.h>

#include "pvabi/m2p.h"
#include "pvabi/mm.h"
#include "vmm/bell.h"
#include "vmm/monitor.h"
#include "vmm/resident/resident.h"
#include "vmm/resident/ring3.h"

#define P   0x001UL
#define RW  0x002UL
#define US  0x004UL
#define A   0x020UL
#define D   0x040UL
#define PSE 0x080UL
#define NX  (1UL << 63)

#define TABLE_FLAGS (P | RW | A)
#define DATA_FLAGS  (P | RW | A | D | NX)
#define SUPERPAGE   0x200000UL
#define GIB	    0x40000000UL
#define VCPU_PAGES  (MON_VCPU_STRIDE / PAGE_SIZE)

struct tss64 {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3, iomap_base;
} __attribute__((packed));
_Static_assert(sizeof(struct tss64) == 104, "SDM vol. 3, 8.7");

static uint64_t *table(struct domain *d, uint64_t mfn)
{
	return frame_ptr(d, mfn);
}

/* The table below entry `i` of the table in frame `mfn`, made when missing. */
static uint64_t subtable(struct domain *d, uint64_t mfn, unsigned i, uint64_t flags)
{
	uint64_t *e = table(d, mfn);

	/* Tables that the guest can write to (vmm/resident/ring3_area.h). */
	if (!e)
		return INVALID_MFN;
	e += i;
	if (!(*e & P)) {
		uint64_t sub = heap_alloc(d, 1, 1);
		if (sub == INVALID_MFN)
			return INVALID_MFN;
		*e = sub << PAGE_SHIFT | flags;
	}
	return pte_mfn(*e);
}

static unsigned index_of(uint64_t va, unsigned level)
{
	return va >> (PAGE_SHIFT + 9 * (level - 1)) & 511;
}

/* The L1 (level 1) or L2 (level 2) entry for va, below L4 slot tables. */
static uint64_t *entry(struct domain *d, uint64_t va, unsigned level, uint64_t flags,
		       uint64_t *maddr)
{
	uint64_t *slot = &d->xen_l4[index_of(va, 4) - XEN_L4_FIRST];
	uint64_t mfn;

	if (!*slot) {
		mfn = heap_alloc(d, 1, 1);
		if (mfn == INVALID_MFN)
			return NULL;
		*slot = mfn << PAGE_SHIFT | flags;
	}
	mfn = (*slot & ~NX) >> PAGE_SHIFT;
	for (unsigned l = 3; l > level; l--) {
		mfn = subtable(d, mfn, index_of(va, l), flags);
		if (mfn == INVALID_MFN)
			return NULL;
	}
	uint64_t *t = table(d, mfn);
	if (maddr)
		*maddr = mfn * PAGE_SIZE + 8 * index_of(va, level);
	return t ? t + index_of(va, level) : NULL;
}

static int map(struct domain *d, uint64_t va, uint64_t mfn, uint64_t nr, uint64_t table_flags,
	       uint64_t flags)
{
	for (uint64_t n = 0; n < nr; n++) {
		uint64_t *e = entry(d, va + n * PAGE_SIZE, 1, table_flags, NULL);
		if (!e)
			return -ENOMEM;
		*e = (mfn + n) << PAGE_SHIFT | flags;
	}
	return 0;
}

/* Only the tables: entries come when they are needed (monitor_direct_show). */
static int map_direct(struct monitor *m)
{
	struct domain *d = m->domain;
	uint64_t nr = (d->nr_frames * PAGE_SIZE + GIB - 1) / GIB, mfn = heap_alloc(d, nr, 1);

	if (mfn == INVALID_MFN)
		return -ENOMEM;
	for (uint64_t i = 0; i < nr; i++) {
		uint64_t *e = entry(d, MON_DIRECTMAP_VA + i * GIB, 3, TABLE_FLAGS, NULL);
		if (!e)
			return -ENOMEM;
		*e = (mfn + i) << PAGE_SHIFT | TABLE_FLAGS;
	}
	m->direct = table(d, mfn);
	return 0;
}

void monitor_direct_show(struct monitor *m, uint64_t maddr)
{
	uint64_t *e = &m->direct[maddr / SUPERPAGE];

	if (!(__atomic_load_n(e, __ATOMIC_RELAXED) & P))
		__atomic_store_n(e, (maddr & ~(SUPERPAGE - 1)) | DATA_FLAGS | PSE,
				 __ATOMIC_SEQ_CST);
}

#define M2P_TABLE_FLAGS (TABLE_FLAGS | US)

/* Only the upper tables: the rest comes when it is looked at (monitor_m2p_show). */
static int map_m2p(struct domain *d, unsigned slot)
{
	uint64_t size = d->nr_m2p * 8;

	d->m2p_va = 0xffff000000000000UL | (uint64_t)slot << 39;
	for (uint64_t offset = 0; offset < size; offset += GIB)
		if (!entry(d, d->m2p_va + offset, 2, M2P_TABLE_FLAGS, NULL))
			return -ENOMEM;
	return 0;
}

bool monitor_m2p_show(struct monitor *m, const struct vcpu *v, uint64_t va)
{
	struct domain *d = m->domain;
	uint64_t chunk = (va - d->m2p_va) / 8 / M2P_CHUNK,
		 first = chunk * (M2P_CHUNK * 8 / PAGE_SIZE);
	uint64_t end = first + M2P_CHUNK * 8 / PAGE_SIZE, pages = m2p_frames(d->nr_m2p);
	const uint64_t *e = entry(d, va, 1, M2P_TABLE_FLAGS, NULL);

	if (!e)
		return false;
	if (*e & P) {
		/* Another vcpu's fault; or these are tables that do not have the M2P. */
		const uint64_t *l4 = frame_ptr(d, v->guest_table);

		return l4 && l4[d->m2p_va >> 39 & 511] & P;
	}
	m2p_write(d, chunk);
	return !map(d, d->m2p_va + first * PAGE_SIZE, d->m2p_mfn + first,
		    (end < pages ? end : pages) - first, M2P_TABLE_FLAGS, P | US | A | NX);
}

static int map_image(struct monitor *m)
{
	struct domain *d = m->domain;
	size_t size = (size_t)(monitor_image_end - monitor_image);
	uint64_t pages = (size + PAGE_SIZE - 1) / PAGE_SIZE;
	/* One page more: the IDT. */
	uint64_t mfn = heap_alloc(d, pages + 1, 1);

	if (mfn == INVALID_MFN)
		return -ENOMEM;
	memcpy(frame_ptr(d, mfn), monitor_image, size);
	m->idt_mfn = mfn + pages;
	uint64_t *idt = frame_ptr(d, m->idt_mfn);
	/* The last two are bells', with a place only when there are some (monitor_set_gate). */
	for (unsigned vec = 0; vec <= BELL_TIMER_VECTOR; vec++) {
		uint64_t va = monitor_va(monitor_trap_stubs) + vec * MON_TRAP_STUB_SIZE;
		/* Faults of the monitor itself must find a stack wherever it was. */
		uint64_t ist = vec == 8 ? 1 : vec == 2 || vec == 18 ? 2 : vec == 1 ? 3 : 0;
		uint64_t dpl = vec == 3 || vec == 4 ? 3 : 0;
		idt[2 * vec] = (va & 0xffff) | (uint64_t)MON_CS << 16 | ist << 32 | 0xeUL << 40 |
			       dpl << 45 | 1UL << 47 | (va >> 16 & 0xffff) << 48;
		idt[2 * vec + 1] = va >> 32;
	}
	int rc = map(d, MON_TEXT_VA, mfn, pages, TABLE_FLAGS, P | A);
	return rc ? rc : map(d, MON_IDT_VA, mfn + pages, 1, TABLE_FLAGS, P | A | NX);
}

/* Xen's part of the GDT: page FIRST_RESERVED_GDT_PAGE, entries from its start. */
static void fill_xen_gdt(uint64_t *gdt, unsigned vcpu)
{
	uint64_t tss = monitor_vcpu_va(vcpu, MON_TSS_OFFSET);
	uint64_t ldt = monitor_vcpu_va(vcpu, MON_LDT_OFFSET);

	gdt[(MON_CS >> 3) & 511] = 0x00af9b000000ffffUL;
	gdt[(MON_DS >> 3) & 511] = 0x00cf93000000ffffUL;
	gdt[(FLAT_RING3_CS32 >> 3) & 511] = 0x00cffb000000ffffUL;
	gdt[(FLAT_RING3_DS32 >> 3) & 511] = 0x00cff3000000ffffUL;
	gdt[(FLAT_RING3_CS64 >> 3) & 511] = 0x00affb000000ffffUL;
	gdt[(MON_TSS >> 3) & 511] = (sizeof(struct tss64) - 1) | (tss & 0xffffff) << 16 |
				    0x8bUL << 40 | (tss >> 24 & 0xff) << 56;
	gdt[((MON_TSS >> 3) & 511) + 1] = tss >> 32;
	gdt[(MON_LDT >> 3) & 511] =
		0xffff | (ldt & 0xffffff) << 16 | 0x82UL << 40 | (ldt >> 24 & 0xff) << 56;
	gdt[((MON_LDT >> 3) & 511) + 1] = ldt >> 32;
}

static int map_vcpu(struct monitor *m, unsigned id)
{
	struct domain *d = m->domain;
	uint64_t va = monitor_vcpu_va(id, 0);
	/* The guest's GDT and LDT windows take no frames of ours, but one page of
	 * the GDT, which is Xen's. */
	uint64_t frames = 1 + 1 + 3 + MON_STACK_SIZE / PAGE_SIZE;
	uint64_t mfn = heap_alloc(d, frames, 1);

	if (mfn == INVALID_MFN)
		return -ENOMEM;
	m->vcpu_mfn[id] = mfn;
	m->vcpu_l1[id] = entry(d, va, 1, TABLE_FLAGS, &m->vcpu_l1_maddr[id]);
	if (!m->vcpu_l1[id])
		return -ENOMEM;
	int rc = map(d, va + FIRST_RESERVED_GDT_PAGE * PAGE_SIZE, mfn, 1, TABLE_FLAGS, DATA_FLAGS);
	if (!rc)
		rc = map(d, va + MON_TSS_OFFSET, mfn + 1, 4, TABLE_FLAGS, DATA_FLAGS);
	if (!rc)
		rc = map(d, va + MON_STACK_OFFSET, mfn + 5, MON_STACK_SIZE / PAGE_SIZE, TABLE_FLAGS,
			 DATA_FLAGS);
	if (rc)
		return rc;
	fill_xen_gdt(frame_ptr(d, mfn), id);
	struct tss64 *tss = frame_ptr(d, mfn + 1);
	tss->rsp[0] = va + MON_STACK_TOP;
	for (unsigned i = 0; i < 3; i++)
		tss->ist[i] = va + MON_IST_OFFSET + (i + 1) * PAGE_SIZE;
	tss->iomap_base = sizeof(*tss); /* no I/O bitmap: every port faults */
	return 0;
}

uint64_t monitor_heap_frames(uint64_t nr_frames, unsigned nr_vcpus)
{
	uint64_t l2 = nr_frames / (512 * 512) + 2; /* direct map */
	uint64_t m2p = nr_frames / (512 * 512) + 4;

	return resident_heap_frames(nr_frames) + ring3_heap_frames(nr_frames, nr_vcpus) + 8 + l2 +
	       l2 / 512 + 2 + m2p + m2p / 512 + 2 + nr_vcpus * (6 + MON_STACK_SIZE / PAGE_SIZE);
}

void monitor_set_gate(struct monitor *m, unsigned vector, const uint8_t *label)
{
	uint64_t *gate = (uint64_t *)frame_ptr(m->domain, m->idt_mfn) + 2 * vector;
	uint64_t va = monitor_va(label);

	/* All of the image is in one part of 4 GiB. */
	__atomic_store_n(&gate[0],
			 (gate[0] & ~0xffff00000000ffffUL) | (va & 0xffff) |
				 (va >> 16 & 0xffff) << 48,
			 __ATOMIC_SEQ_CST);
}

int monitor_create(struct monitor *m, struct domain *d, unsigned m2p_slot)
{
	memset(m, 0, sizeof(*m));
	m->domain = d;
	int rc = map_image(m);
	for (unsigned i = 0; !rc && i < d->nr_vcpus; i++)
		rc = map_vcpu(m, i);
	if (!rc)
		rc = map_direct(m);
	if (!rc)
		rc = map_m2p(d, m2p_slot);
	return rc;
}

void *monitor_vcpu_ptr(const struct monitor *m, unsigned id, uint64_t offset)
{
	uint64_t mfn = m->vcpu_mfn[id];

	if (offset >= MON_STACK_OFFSET)
		return (uint8_t *)frame_ptr(m->domain, mfn + 5) + (offset - MON_STACK_OFFSET);
	return (uint8_t *)frame_ptr(m->domain, mfn + 1) + (offset - MON_TSS_OFFSET);
}

static void set_l1(struct monitor *m, struct vcpu *v, unsigned i, uint64_t val)
{
	uint64_t *e = &m->vcpu_l1[v->id][i];
	uint64_t old = *e;

	/* The processor sets A and D here. */
	if (((old ^ val) & ~(A | D)) == 0)
		return;
	__atomic_store_n(e, val, __ATOMIC_SEQ_CST);
	if (old & P)
		v->domain->ops->pte_overwritten(v, m->vcpu_l1_maddr[v->id] + 8 * i);
}

void monitor_load_descriptors(struct monitor *m, struct vcpu *v)
{
	for (unsigned i = 0; i < GUEST_GDT_FRAMES; i++)
		set_l1(m, v, i,
		       i * 512 < v->gdt_ents ? v->gdt_frames[i] << PAGE_SHIFT | DATA_FLAGS : 0);
	for (unsigned n = 0; n < LDT_PAGES; n++)
		set_l1(m, v, MON_LDT_OFFSET / PAGE_SIZE + n,
		       v->ldt_mapped >> n & 1 ? v->ldt_frames[n] << PAGE_SHIFT | DATA_FLAGS : 0);
}
