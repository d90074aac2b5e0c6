/*
 * The slots 256 to 271 of every top-level table are Xen's: a guest sees them filled, what it puts
 * there itself is replaced, and it cannot change them. All others are its own.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Xen's slots in top-level tables";

static uint64_t *l3;
static unsigned m2p_slot;

static long set(uint64_t *l4, unsigned slot, uint64_t val)
{
	return mmu_update_one((mfn_of(l4) << 12) + 8 * slot, val, DOMID_SELF);
}

static unsigned differing(const uint64_t *a, const uint64_t *b)
{
	unsigned n = 0;

	/* 258: the table itself. The M2P is shown to kernels only. */
	for (unsigned i = 256; i < 272; i++)
		if (i != 258 && i != m2p_slot)
			n += !!((a[i] ^ b[i]) & ~(PTE_A | PTE_D));
	return n;
}

void guest_main(void)
{
	uint64_t *boot = (uint64_t *)start_info->pt_base, *l4 = page_alloc(), entry;
	struct xen_machphys_mapping m;
	static const unsigned slots[] = {0, 1, 255, 256, 257, 260, 271, 272, 273, 510, 511};

	HCALL(memory_op, XENMEM_machphys_mapping, &m);
	m2p_slot = m.v_start >> 39 & 511;
	l3 = page_alloc();
	page_readonly(l3);
	mmuext(MMUEXT_PIN_L3_TABLE, mfn_of(l3), 0);
	entry = mfn_of(l3) << 12 | PTE_TABLE;
	for (unsigned i = 0; i < 512; i++)
		l4[i] = i < 256 || i > 271 ? 0 : 0xdeadbeef000 | i;
	page_readonly(l4);
	say_rc("an L4 with nonsense in Xen's slots", mmuext(MMUEXT_PIN_L4_TABLE, mfn_of(l4), 0));
	say("Xen's slots as in the boot tables: %d", !differing(l4, boot));
	for (unsigned i = 0; i < ARRAY_SIZE(slots); i++) {
		unsigned s = slots[i];
		uint64_t old = boot[s];
		long rc;

		if (s != 511) {
			rc = set(l4, s, entry);
			say("slot %u = an L3: %e, written: %d, 0: %e, absent nonsense: %e", s, rc,
			    (l4[s] & ~0xffful) == (entry & ~0xffful), set(l4, s, 0),
			    set(l4, s, 0x123456780));
			set(l4, s, 0);
		}
		rc = set(boot, s, old);
		say("slot %u of the tables in use, the same: %e", s, rc);
	}
	say_rc("unpin", mmuext(MMUEXT_UNPIN_TABLE, mfn_of(l4), 0));
	page_writable(l4);
	say("Xen's slots are readable: %d", l4[257] != (0xdeadbeef000 | 257));
	memcpy(l4, boot, PAGE_SIZE);
	page_readonly(l4);
	say_rc("a copy of the boot L4", mmuext(MMUEXT_PIN_L4_TABLE, mfn_of(l4), 0));
	say("it has the M2P: %d", !!(l4[m2p_slot] & PTE_P));
	say_rc("as baseptr", mmuext(MMUEXT_NEW_BASEPTR, mfn_of(l4), 0));
	say("it has the M2P: %d", !!(l4[m2p_slot] & PTE_P));
	say("Xen's slots as in the boot tables: %d", !differing(l4, boot));
	say_rc("back", mmuext(MMUEXT_NEW_BASEPTR, mfn_of(boot), 0));
	say_rc("as user mode's", mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(l4), 0));
	say("it has the M2P: %d", !!(l4[m2p_slot] & PTE_P));
	say_rc("m2p_strict", HCALL(vm_assist, VMASST_CMD_enable, VMASST_TYPE_m2p_strict));
	mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0);
	say_rc("as user mode's", mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(l4), 0));
	say("it has the M2P: %d", !!(l4[m2p_slot] & PTE_P));
	mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0);
	mmuext(MMUEXT_UNPIN_TABLE, mfn_of(l4), 0);
	say_rc("pinned again", mmuext(MMUEXT_PIN_L4_TABLE, mfn_of(l4), 0));
	say("it has the M2P: %d", !!(l4[m2p_slot] & PTE_P));
	say_rc("as user mode's", mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(l4), 0));
	say("it has the M2P: %d", !!(l4[m2p_slot] & PTE_P));
	say_trap("reading above Xen", trap_of_read((void *)0xffff880000000000ul));
}
