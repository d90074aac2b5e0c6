/*
 * What a domain finds when it starts: start_info, the boot page tables, the state of
 * its only vcpu that runs, and that everything is where xen.h's list of the boot
 * layout says.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "The world at the first instruction";

static bool in_boot_tables(uint64_t va)
{
	return va >= start_info->pt_base &&
	       va < start_info->pt_base + start_info->nr_pt_frames * PAGE_SIZE;
}

void guest_main(void)
{
	const uint64_t *p2m = (const uint64_t *)start_info->mfn_list;
	unsigned unmapped = 0, foreign = 0;

	say("magic: %s", start_info->magic);
	say("module: %u, first p2m pfn: %lu", start_info->mod_len ? 1 : 0,
	    start_info->first_p2m_pfn);
	say("shared_info is page aligned: %d", !(start_info->shared_info % PAGE_SIZE));
	say("p2m list is page aligned: %d", !(start_info->mfn_list % PAGE_SIZE));
	say("page tables are page aligned: %d", !(start_info->pt_base % PAGE_SIZE));
	/* The L4 comes first, and all of them are mapped read-only. */
	say("the L4 is one of them: %d", in_boot_tables((uint64_t)pte_of(start_info, 4)));
	say("the L1 is one of them: %d", in_boot_tables((uint64_t)pte_of(start_info, 1)));
	say("mapped read-only: %d", !(*pte_of(pte_of(start_info, 1), 1) & PTE_RW));
	/* Everything up to the page tables' end is mapped to the p2m list's frame. */
	for (uint64_t va = VIRT_BASE;
	     va < start_info->pt_base + start_info->nr_pt_frames * PAGE_SIZE; va += PAGE_SIZE) {
		uint64_t *pte = pte_of((void *)va, 1);

		if (!pte || !(*pte & PTE_P))
			unmapped++;
		else if ((*pte << 12 >> 24) != p2m[pfn_of((void *)va)] && (void *)va != shared_info)
			foreign++;
	}
	say("pages not mapped: %u, to other frames: %u", unmapped, foreign);
	say("upcall mask: %u, pending: %u", this_cpu()->info->evtchn_upcall_mask,
	    this_cpu()->info->evtchn_upcall_pending);
	say("wall clock: %d", shared_info->wc_sec != 0);
	say_trap("reading a hole", trap_of_read(VA_UNMAPPED));
	say_trap("writing a hole", trap_of_write(VA_UNMAPPED));
}
