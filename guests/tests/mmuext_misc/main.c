/*
 * The rest of mmuext_op: flushes, LDT, clearing and copying pages, and what does not
 * exist.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "mmuext_op: flushes, LDT, pages, errors";

static long list(void *ops, unsigned nr, uint32_t *done)
{
	*done = 99;
	return HCALL(mmuext_op, ops, nr, done, DOMID_SELF);
}

void guest_main(void)
{
	uint8_t *a = page_alloc(), *b = page_alloc();
	struct mmuext_op ops[3];
	uint64_t all = ~0ul;
	uint32_t done;
	long rc;

	say_rc("local flush", mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0));
	say_rc("local invlpg", mmuext(MMUEXT_INVLPG_LOCAL, (uint64_t)a, 0));
	say_rc("local invlpg, not canonical", mmuext(MMUEXT_INVLPG_LOCAL, 1ul << 63, 0));
	say_rc("local invlpg in Xen", mmuext(MMUEXT_INVLPG_LOCAL, (uint64_t)VA_XEN, 0));
	say_rc("flush on a list", mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, (uint64_t)&all));
	say_rc("flush, the list at a bad address",
	       mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, (uint64_t)VA_UNMAPPED));
	say_rc("invlpg on a list", mmuext(MMUEXT_INVLPG_MULTI, (uint64_t)a, (uint64_t)&all));
	say_rc("invlpg, the list at a bad address",
	       mmuext(MMUEXT_INVLPG_MULTI, (uint64_t)a, (uint64_t)VA_UNMAPPED));
	say_rc("flush all", mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0));
	say_rc("invlpg all", mmuext(MMUEXT_INVLPG_ALL, (uint64_t)a, 0));
	if (!is_dom0()) {
		say_rc("flush cache", mmuext(MMUEXT_FLUSH_CACHE, 0, 0));
		say_rc("flush cache global", mmuext(MMUEXT_FLUSH_CACHE_GLOBAL, 0, 0));
	}
	say_rc("set LDT", mmuext(MMUEXT_SET_LDT, (uint64_t)a, 4));
	say_rc("set LDT, not aligned", mmuext(MMUEXT_SET_LDT, (uint64_t)a + 8, 4));
	say_rc("set LDT, 8192 entries", mmuext(MMUEXT_SET_LDT, (uint64_t)a, 8192));
	say_rc("set LDT, 8193 entries", mmuext(MMUEXT_SET_LDT, (uint64_t)a, 8193));
	say_rc("set LDT in Xen", mmuext(MMUEXT_SET_LDT, (uint64_t)VA_XEN & PAGE_MASK, 4));
	say_rc("set LDT, not mapped", mmuext(MMUEXT_SET_LDT, (uint64_t)VA_UNMAPPED, 4));
	say_rc("set LDT, not canonical", mmuext(MMUEXT_SET_LDT, 1ul << 63, 4));
	say_rc("set LDT, none", mmuext(MMUEXT_SET_LDT, 0, 0));
	memset(a, 0x5a, PAGE_SIZE);
	say_rc("copy page", mmuext(MMUEXT_COPY_PAGE, mfn_of(b), mfn_of(a)));
	say("copied: %d", !memcmp(a, b, PAGE_SIZE));
	say_rc("clear page", mmuext(MMUEXT_CLEAR_PAGE, mfn_of(a), 0));
	say("cleared: %d", !a[0] && !a[PAGE_SIZE - 1]);
	say_rc("clear a page table", mmuext(MMUEXT_CLEAR_PAGE, mfn_of(pte_of(a, 1)), 0));
	say_rc("copy over a page table", mmuext(MMUEXT_COPY_PAGE, mfn_of(pte_of(a, 1)), mfn_of(a)));
	say_rc("copy from a page table", mmuext(MMUEXT_COPY_PAGE, mfn_of(a), mfn_of(pte_of(a, 1))));
	say_rc("clear beyond memory", mmuext(MMUEXT_CLEAR_PAGE, 0xffffffful, 0));
	say_rc("copy from beyond memory", mmuext(MMUEXT_COPY_PAGE, mfn_of(a), 0xffffffful));
	say_rc("mark super", mmuext(MMUEXT_MARK_SUPER, mfn_of(a), 0));
	say_rc("unmark super", mmuext(MMUEXT_UNMARK_SUPER, mfn_of(a), 0));
	say_rc("number 14", mmuext(14, 0, 0));
	say_rc("number 18", mmuext(18, 0, 0));
	say_rc("number 2^32 - 1", mmuext(~0u, 0, 0));
	memset(ops, 0, sizeof(ops));
	ops[0].cmd = ops[2].cmd = MMUEXT_TLB_FLUSH_LOCAL;
	ops[1].cmd = 77;
	rc = list(ops, 3, &done);
	say("three, the second bad: %e, done %u", rc, done);
	ops[1].cmd = MMUEXT_TLB_FLUSH_LOCAL;
	rc = list(ops, 3, &done);
	say("three good: %e, done %u", rc, done);
	rc = list(VA_UNMAPPED, 1, &done);
	say("at a bad address: %e, done %u", rc, done);
	say_rc("in Xen", HCALL(mmuext_op, VA_XEN, 1, 0, DOMID_SELF));
	say_rc("none at a bad address", HCALL(mmuext_op, VA_UNMAPPED, 0, 0, DOMID_SELF));
	say_rc("for domain 1234", HCALL(mmuext_op, ops, 1, 0, 1234));
	say_rc("for DOMID_IO", HCALL(mmuext_op, ops, 1, 0, DOMID_IO));
	say_rc("for DOMID_XEN", HCALL(mmuext_op, ops, 1, 0, DOMID_XEN));
}
