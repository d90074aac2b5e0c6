/*
 * Where the resident monitor at CPL 3 is, and what it is made of (ring3_area.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/resident/resident.h"
#include "vmm/resident/ring3_internal.h"

#define TABLE_FLAGS (PTE_P | PTE_RW | PTE_US | PTE_A)
#define DATA_FLAGS  (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D | PTE_NX)
#define TEXT_FLAGS  (PTE_P | PTE_US | PTE_A)
#define SUPERPAGE   0x200000UL
#define GIB	    0x40000000UL

#define AREA_PAGES   1
#define STACK_PAGES  ((RING3_STACK_END - RING3_STACK_OFFSET) / PAGE_SIZE)
#define VCPU_PAGES   ((sizeof(struct vcpu) + PAGE_SIZE - 1) / PAGE_SIZE)
#define BLOCK_PAGES  (AREA_PAGES + STACK_PAGES + VCPU_PAGES)
#define DOMAIN_PAGES ((sizeof(struct ring3_domain) + PAGE_SIZE - 1) / PAGE_SIZE)

const char *ring3_refusal(const struct host_features *h)
{
	if (!h->syscall_faults)
		return "this KVM runs CPL 0 natively";
	if (!h->fsgsbase)
		return "guests cannot read and write their segment bases by themselves on this KVM";
	return NULL;
}

static uint64_t image_pages(void)
{
	return (uint64_t)(ring3_image_end - ring3_image + PAGE_SIZE - 1) / PAGE_SIZE;
}

uint64_t ring3_heap_frames(uint64_t nr_frames, unsigned nr_vcpus)
{
	uint64_t pages = nr_frames * sizeof(struct page_info) / PAGE_SIZE + 1;

	return image_pages() + 1 + DOMAIN_PAGES + nr_vcpus * (BLOCK_PAGES + 1) + 8 + pages / 512 +
	       pages / 512 / 512 + 4;
}

static uint64_t take(struct ring3 *r, uint64_t n)
{
	uint64_t mfn = r->next;

	if (r->next + n > r->end)
		return INVALID_MFN;
	r->next += n;
	return mfn;
}

/* The entry for va in a table of this level, with the tables above it; NULL: no memory. */
static uint64_t *entry_at(struct ring3 *r, uint64_t va, unsigned lowest)
{
	struct domain *d = r->monitor->domain;
	uint64_t mfn = pte_mfn(d->xen_l4[RING3_SLOT - XEN_L4_FIRST]);

	for (unsigned level = 3;; level--) {
		uint64_t *e = (uint64_t *)frame_ptr(d, mfn) +
			      (va >> (PAGE_SHIFT + 9 * (level - 1)) & 511);

		if (level == lowest)
			return e;
		if (!(*e & PTE_P)) {
			mfn = take(r, 1);
			if (mfn == INVALID_MFN)
				return NULL;
			*e = mfn << PAGE_SHIFT | TABLE_FLAGS;
		}
		mfn = pte_mfn(*e);
	}
}

static int map(struct ring3 *r, uint64_t va, uint64_t maddr, uint64_t nr, uint64_t flags)
{
	for (; nr; nr--, va += PAGE_SIZE, maddr += PAGE_SIZE) {
		uint64_t *e = entry_at(r, va, 1);

		if (!e)
			return -ENOMEM;
		*e = maddr | flags;
	}
	return 0;
}

/* By superpages, whose last may reach beyond it. */
static int map_large(struct ring3 *r, uint64_t va, uint64_t maddr, uint64_t size)
{
	for (uint64_t at = 0; at < size; at += SUPERPAGE) {
		uint64_t *e = entry_at(r, va + at, 2);

		if (!e)
			return -ENOMEM;
		*e = (maddr + at) | DATA_FLAGS | PTE_PSE;
	}
	return 0;
}

/* n frames of ours at va; their memory, or NULL. */
static void *place(struct ring3 *r, uint64_t va, uint64_t n, uint64_t flags)
{
	uint64_t mfn = take(r, n);

	if (mfn == INVALID_MFN || map(r, va, mfn << PAGE_SHIFT, n, flags))
		return NULL;
	return frame_ptr(r->monitor->domain, mfn);
}

/* All of machine memory where the gates and the forwarding monitor have it, for the kernel, too. */
static void show_memory(struct ring3 *r)
{
	struct domain *d = r->monitor->domain;
	uint64_t size = d->nr_frames * PAGE_SIZE;
	uint64_t *l3 = frame_ptr(d, pte_mfn(d->xen_l4[MON_SLOT_DIRECTMAP - XEN_L4_FIRST]));

	d->xen_l4[MON_SLOT_DIRECTMAP - XEN_L4_FIRST] |= PTE_US;
	for (uint64_t i = 0; i * GIB < size; i++)
		l3[i] |= PTE_US;
	for (uint64_t a = 0; a < size; a += SUPERPAGE)
		r->monitor->direct[a / SUPERPAGE] = a | DATA_FLAGS | PTE_PSE;
}

/* What the handlers need, and nothing that the guest is not to know, as our addresses. */
static void copy_domain(struct ring3 *r)
{
	const struct domain *d = r->monitor->domain;
	struct domain *to = &r->domain->domain;

	r->domain->profile = *d->profile;
	r->domain->profile.name = r->domain->profile.extraversion = NULL;
	*to = (struct domain){
		.domid = d->domid,
		.profile = (void *)(RING3_DOMAIN_VA + offsetof(struct ring3_domain, profile)),
		.memory = (void *)MON_DIRECTMAP_VA,
		.pages = (void *)RING3_PAGES_VA,
		.nr_ram = d->nr_ram,
		.hole_start = d->hole_start,
		.hole_frames = d->hole_frames,
		.low_frames = d->low_frames,
		.heap_start = d->heap_start,
		.nr_frames = d->nr_frames,
		.ram_used = d->ram_used,
		.tlb_clock = d->tlb_clock,
		.nr_m2p = d->nr_m2p,
		.m2p_va = d->m2p_va,
		.vm_assist = d->vm_assist,
		.nr_vcpus = d->nr_vcpus,
		.kernel_slots = d->kernel_slots,
	};
	memcpy(to->xen_l4, d->xen_l4, sizeof(to->xen_l4));
	for (unsigned i = 0; i < d->nr_vcpus; i++)
		to->vcpu[i] = (void *)(ring3_block_va(i) + RING3_VCPU_OFFSET);
}

static int create_cpu(struct ring3 *r, unsigned id, uint64_t stub_mfn)
{
	struct monitor *mon = r->monitor;
	uint64_t va = ring3_block_va(id);
	uint64_t stack_page = mon->vcpu_mfn[id] + 5 + MON_STACK_SIZE / PAGE_SIZE - 1;

	if (map(r, va, stub_mfn << PAGE_SHIFT, 1, TEXT_FLAGS) ||
	    map(r, va + RING3_EXIT_OFFSET, r->exits, 1, DATA_FLAGS) ||
	    map(r, va + RING3_GATE_OFFSET, stack_page << PAGE_SHIFT, 1, DATA_FLAGS))
		return -ENOMEM;
	r->cpu[id].area = place(r, va + RING3_AREA_OFFSET, AREA_PAGES, DATA_FLAGS);
	r->cpu[id].stack = place(r, va + RING3_STACK_OFFSET, STACK_PAGES, DATA_FLAGS);
	r->cpu[id].vcpu = place(r, va + RING3_VCPU_OFFSET, VCPU_PAGES, DATA_FLAGS);
	r->cpu[id].gate = monitor_vcpu_ptr(mon, id, MON_STACK_TOP);
	if (!r->cpu[id].area || !r->cpu[id].stack || !r->cpu[id].vcpu)
		return -ENOMEM;
	*r->cpu[id].area = (struct ring3_area){
		.entry = RING3_IMAGE_VA,
		.off = 1,
		.lstar = va + (uint64_t)(ring3_syscall - ring3_stub),
		.load_cr3 = va + (uint64_t)(ring3_cr3 - ring3_stub),
	};
	*r->cpu[id].vcpu = (struct vcpu){
		.id = id,
		.domain = (void *)RING3_DOMAIN_VA,
		.tlb_time = mon->domain->vcpu[id]->tlb_time,
	};
	return 0;
}

int ring3_create(struct machine *m, struct monitor *mon, struct error *err)
{
	struct domain *d = mon->domain;
	uint64_t frames = ring3_heap_frames(d->nr_frames, d->nr_vcpus);
	uint64_t mfn = heap_alloc(d, frames, 1);
	uint64_t size = (d->nr_frames * sizeof(struct page_info) + PAGE_SIZE - 1) & PAGE_MASK;
	struct ring3 *r = mfn == INVALID_MFN ? NULL : calloc(1, sizeof(*r));

	if (!r)
		goto no_memory;
	mon->ring3 = r;
	r->machine = m;
	r->monitor = mon;
	r->next = mfn + 1;
	r->end = mfn + frames;
	d->xen_l4[RING3_SLOT - XEN_L4_FIRST] = mfn << PAGE_SHIFT | TABLE_FLAGS;
	uint64_t pages = (m->memory_size + GIB - 1) & ~(GIB - 1);
	if (pages < 1UL << 32)
		pages = 1UL << 32; /* devices are below */
	r->exits = (pages + size + SUPERPAGE - 1) & ~(SUPERPAGE - 1);
	if (r->exits + PAGE_SIZE > 1UL << m->address_bits ||
	    machine_map(m, pages, size, d->pages, false))
		return error_set(err, -ENOSPC,
				 "cannot place the resident monitor beside so much "
				 "memory: use --monitor=forward");
	void *image = place(r, RING3_IMAGE_VA, image_pages(), DATA_FLAGS & ~PTE_NX);
	uint64_t stub = take(r, 1);
	r->domain = place(r, RING3_DOMAIN_VA, DOMAIN_PAGES, DATA_FLAGS);
	if (!image || stub == INVALID_MFN || !r->domain ||
	    map_large(r, RING3_PAGES_VA, pages, size))
		goto no_memory;
	memcpy(image, ring3_image, (size_t)(ring3_image_end - ring3_image));
	memcpy(frame_ptr(d, stub), ring3_stub, (size_t)(ring3_stub_end - ring3_stub));
	for (unsigned i = 0; i < d->nr_vcpus; i++)
		if (create_cpu(r, i, stub))
			goto no_memory;
	show_memory(r);
	d->kernel_slots =
		1u << (RING3_SLOT - XEN_L4_FIRST) | 1u << (MON_SLOT_DIRECTMAP - XEN_L4_FIRST);
	copy_domain(r);
	pthread_mutex_init(&r->gates_lock, NULL);
	monitor_set_gate(mon, 0, monitor_gate_out);
	d->has_inner_lock = true;
	return 0;
no_memory:
	return error_set(err, -ENOMEM, "cannot place the resident monitor: out of memory");
}

void ring3_destroy(struct monitor *mon)
{
	if (!mon->ring3)
		return;
	mon->domain->has_inner_lock = false;
	pthread_mutex_destroy(&mon->ring3->gates_lock);
	free(mon->ring3);
	mon->ring3 = NULL;
}

uint64_t ring3_lstar(const struct cpu *c)
{
	return ring3_block_va(c->vcpu->id) + (uint64_t)(ring3_syscall - ring3_stub);
}

void ring3_count(const struct monitor *mon, struct resident_counts *n)
{
	const struct ring3 *r = mon->ring3;

	memset(n, 0, sizeof(*n));
	for (unsigned i = 0; i < mon->domain->nr_vcpus; i++)
		resident_counts_add(n, &r->cpu[i].area->count);
}
