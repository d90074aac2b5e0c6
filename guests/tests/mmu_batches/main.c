/*
 * mmu_update: its three commands, batches that fail half-way and say how far they came,
 * and whose domain's pages they are about.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "mmu_update: commands, batches, domains";

static uint64_t *l1;
static uint64_t l1_maddr;
static void *leaf;

static uint64_t good(unsigned slot)
{
	(void)slot;
	return mfn_of(leaf) << PAGE_SHIFT | PTE_LEAF;
}

static long batch(struct mmu_update *u, unsigned nr, uint32_t *done, domid_t dom)
{
	*done = 99;
	return HCALL(mmu_update, u, nr, done, dom);
}

void guest_main(void)
{
	struct mmu_update u[8];
	uint32_t done;
	long rc;

	l1 = page_alloc();
	leaf = page_alloc();
	l1_maddr = mfn_of(l1) << PAGE_SHIFT;
	for (unsigned i = 0; i < 8; i++)
		u[i] = (struct mmu_update){l1_maddr + 8 * i, good(i)};
	rc = batch(u, 1, &done, DOMID_SELF);
	say("an entry of a page that is no table: %e, done %u", rc, done);
	say("written: %d", l1[0] == good(0));
	page_readonly(l1);
	say_rc("pin", mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(l1), 0));
	rc = batch(u, 8, &done, DOMID_SELF);
	say("eight good ones: %e, done %u", rc, done);
	u[3].val = good(3) | PTE_PSE;
	rc = batch(u, 8, &done, DOMID_SELF);
	say("the fourth is bad: %e, done %u", rc, done);
	rc = HCALL(mmu_update, u, 8, 0, DOMID_SELF);
	say("nowhere to say how many: %e", rc);
	rc = HCALL(mmu_update, u, 8, VA_UNMAPPED, DOMID_SELF);
	say("a bad place to say how many: %e", rc);
	rc = batch(u, 0, &done, DOMID_SELF);
	say("none: %e, done %u", rc, done);
	say_rc("none at a bad address", HCALL(mmu_update, VA_UNMAPPED, 0, 0, DOMID_SELF));
	say_rc("none in Xen", HCALL(mmu_update, VA_XEN, 0, 0, DOMID_SELF));
	rc = HCALL(mmu_update, VA_UNMAPPED, 1, &done, DOMID_SELF);
	say("one at a bad address: %e, done %u", rc, done);
	say_rc("one in Xen", HCALL(mmu_update, VA_XEN, 1, 0, DOMID_SELF));
	say_rc("count with the top bit", HCALL(mmu_update, u, 0x80000000u, &done, DOMID_SELF));
	say_rc("command 3", mmu_update_one(l1_maddr | 3, good(0), DOMID_SELF));
	say_rc("command 3 + 4", mmu_update_one(l1_maddr | 7, good(0), DOMID_SELF));
	say_rc("not aligned to 8", mmu_update_one(l1_maddr | 4, good(0), DOMID_SELF));
	say_rc("a frame beyond memory", mmu_update_one(0xffffffful << 12, good(0), DOMID_SELF));
	say_rc("an address beyond 52 bits", mmu_update_one(1ul << 60, good(0), DOMID_SELF));
	say_rc("machphys",
	       mmu_update_one(mfn_of(leaf) << 12 | MMU_MACHPHYS_UPDATE, 0x4242, DOMID_SELF));
	say("read back: 0x%lx", pfn_of(va_of_mfn(mfn_of(leaf))));
	mmu_update_one(mfn_of(leaf) << 12 | MMU_MACHPHYS_UPDATE, pfn_of(leaf), DOMID_SELF);
	say_rc("machphys of shared_info",
	       mmu_update_one(start_info->shared_info | MMU_MACHPHYS_UPDATE, 1, DOMID_SELF));
	say_rc("machphys of a frame beyond memory",
	       mmu_update_one(0xffffffful << 12 | MMU_MACHPHYS_UPDATE, 1, DOMID_SELF));
	u[0].val = good(0) | PTE_D;
	batch(u, 1, &done, DOMID_SELF);
	rc = mmu_update_one(l1_maddr | MMU_PT_UPDATE_PRESERVE_AD, good(0) & ~PTE_A, DOMID_SELF);
	say("preserve A/D: %e, bits 0x%lx", rc, l1[0] & (PTE_A | PTE_D));
	rc = mmu_update_one(l1_maddr, good(0) & ~PTE_A, DOMID_SELF);
	say("without: %e, bits 0x%lx", rc, l1[0] & (PTE_A | PTE_D));
	say_rc("domain 0x4d2", mmu_update_one(l1_maddr, good(0), 1234));
	say_rc("DOMID_IO", mmu_update_one(l1_maddr, good(0), DOMID_IO));
	say_rc("DOMID_XEN", mmu_update_one(l1_maddr, good(0), DOMID_XEN));
	say_rc("DOMID_COW", mmu_update_one(l1_maddr, good(0), DOMID_COW));
	say_rc("DOMID_INVALID", mmu_update_one(l1_maddr, good(0), DOMID_INVALID));
	if (!is_dom0())
		say_rc("domain 0", mmu_update_one(l1_maddr, good(0), 0));
	rc = HCALL(mmu_update, u, 1, &done, (uint64_t)1234 << 16 | DOMID_SELF);
	say("pages of another domain: %e", rc);
}
