/*
 * The monitor's pages, tables and per-vcpu areas in a domain's Xen heap.
 */
#ifndef VMM_MONITOR_H
#define VMM_MONITOR_H

#include "pvabi/pvabi.h"
#include "vmm/monitor_layout.h"

struct resident; /* vmm/resident/resident.h */
struct ring3;	 /* vmm/resident/ring3.h */

struct monitor {
	struct domain *domain;
	struct resident *resident; /* at CPL 0; */
	struct ring3 *ring3;	   /* or at CPL 3; both NULL: everything is forwarded */
	uint64_t idt_mfn;
	uint64_t *direct;	      /* an L2 entry for each 2 MiB of machine memory */
	uint64_t vcpu_mfn[MAX_VCPUS]; /* first frame of the vcpu's area, contiguous */
	uint64_t *vcpu_l1[MAX_VCPUS]; /* its 64 entries */
	uint64_t vcpu_l1_maddr[MAX_VCPUS];
};

/* Heap frames that monitor_create takes for this many frames and vcpus. */
uint64_t monitor_heap_frames(uint64_t nr_frames, unsigned nr_vcpus);
/* Builds everything in d's heap and sets d->xen_l4[], d->m2p_va. m2p_slot:
 * MON_SLOT_M2P, or MON_SLOT_M2P_LOW. 0 or -ENOMEM. */
int monitor_create(struct monitor *m, struct domain *d, unsigned m2p_slot);

/* Exception `vector` leads to this label of the image. By one thread at a
 * time; on hosts that read the table at each exception (those that interpret CPL 0) at any time. */
void monitor_set_gate(struct monitor *m, unsigned vector, const uint8_t *label);

/* Shows the guest the part of the M2P with this address, which it touched: true when it may
 * look again. domain.lock. */
bool monitor_m2p_show(struct monitor *m, const struct vcpu *v, uint64_t va);
/* The monitor can reach this machine address from now on. Any thread. */
void monitor_direct_show(struct monitor *m, uint64_t maddr);

/* Host pointer to `offset` in vcpu id's area. */
void *monitor_vcpu_ptr(const struct monitor *m, unsigned id, uint64_t offset);
static inline uint64_t monitor_vcpu_va(unsigned id, uint64_t offset)
{
	return MON_VCPU_VA + id * MON_VCPU_STRIDE + offset;
}

/* Shows the vcpu its GDT's frames and those of its LDT that it has used. Page-table
 * overwrites are reported through ops->pte_overwritten. */
void monitor_load_descriptors(struct monitor *m, struct vcpu *v);

#endif
