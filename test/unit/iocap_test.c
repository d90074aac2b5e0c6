/*
 * Rights to what is no memory: frames of devices in the guest's page tables, and I/O
 * ports (Xen: arch/x86/mm.c, get_page_from_l1e, l1_disallow_mask; common/rangeset.c).
 */
#include <errno.h>

#include "test/unit/test_mm.h"
#include "test/unit/test_run.h"

#define VA  0x4000000000ull
#define DEV 0xe0000ull /* a frame of a device */

static struct test_domain *t;
static uint64_t l1, f;

static void setup(void)
{
	t = test_domain_new(1, PROFILE_XEN_4_17);
	l1 = mm_l1_at(t, VA);
	f = test_frame(t);
}

static void teardown(void)
{
	test_domain_free(t);
}

static long update_for(uint64_t val, domid_t owner)
{
	struct mmu_update req = {maddr(l1, 0), val};

	return HCALL(t, 0, __HYPERVISOR_mmu_update, test_put(t, &req, sizeof(req)), 1, 0, owner);
}

static uint64_t pte(void)
{
	return mm_table(t, l1)[0];
}

static bool permitted(uint64_t mfn)
{
	domain_lock(t->d);
	bool yes = domain_iomem_permitted(t->d, mfn);
	domain_unlock(t->d);
	return yes;
}

START_TEST(ranges_join_and_part)
{
	ck_assert_int_eq(domain_permit_iomem(t->d, DEV, 4), 0);
	ck_assert_int_eq(domain_permit_iomem(t->d, DEV + 8, 4), 0);
	ck_assert_int_eq(domain_permit_iomem(t->d, DEV - 8, 1), 0);
	ck_assert_uint_eq(t->d->iocaps.nr_iomem, 3);
	ck_assert_int_eq(domain_permit_iomem(t->d, DEV + 4, 4), 0); /* between two */
	ck_assert_uint_eq(t->d->iocaps.nr_iomem, 2);
	ck_assert(permitted(DEV) && permitted(DEV + 11) && !permitted(DEV + 12));
	ck_assert(!permitted(DEV - 1) && permitted(DEV - 8) && !permitted(DEV - 7));
	ck_assert_int_eq(domain_revoke_iomem(t->d, DEV + 2, 3), 0);
	ck_assert(permitted(DEV + 1) && !permitted(DEV + 2) && !permitted(DEV + 4));
	ck_assert(permitted(DEV + 5));
	ck_assert_int_eq(domain_permit_iomem(t->d, DEV + 100, 1), 0);
	ck_assert_int_eq(domain_permit_iomem(t->d, DEV, 12), 0);
	ck_assert_uint_eq(t->d->iocaps.nr_iomem, 3);
	ck_assert_int_eq(domain_revoke_iomem(t->d, 0, ~0ull >> 12), 0);
	ck_assert_uint_eq(t->d->iocaps.nr_iomem, 0);
	ck_assert_int_eq(domain_revoke_iomem(t->d, DEV, 1), 0);
}
END_TEST

START_TEST(what_cannot_be_permitted)
{
	ck_assert_int_eq(domain_permit_iomem(t->d, DEV, 0), -EINVAL);
	ck_assert_int_eq(domain_permit_iomem(t->d, f, 1), -EINVAL);
	ck_assert_int_eq(domain_permit_iomem(t->d, t->d->nr_frames - 1, 2), -EINVAL);
	ck_assert_int_eq(domain_permit_iomem(t->d, 1ull << 40, 1), -EINVAL);
	ck_assert_int_eq(domain_permit_iomem(t->d, DEV, ~0ull), -EINVAL);
	ck_assert_int_eq(domain_permit_iomem(t->d, t->d->nr_frames, 1), 0);
}
END_TEST

START_TEST(mapping)
{
	ck_assert_int_eq(update_for(entry(DEV, LEAF | PTE_RW), DOMID_SELF), -EPERM);
	ck_assert_int_eq(update_for(entry(DEV, LEAF | PTE_RW), DOMID_IO), -EPERM);
	/* Without any device no entry may have cache attributes. */
	ck_assert_int_eq(update_for(entry(f, LEAF | PTE_PCD), DOMID_SELF), -EINVAL);
	ck_assert_int_eq(domain_permit_iomem(t->d, DEV, 2), 0);
	ck_assert_int_eq(update_for(entry(DEV + 2, LEAF | PTE_RW), DOMID_SELF), -EPERM);
	ck_assert_int_eq(update_for(PTE_ADDR | LEAF, DOMID_SELF), -EINVAL);
	for (int io = 0; io < 2; io++) {
		domid_t who = io ? DOMID_IO : DOMID_SELF;

		ck_assert_int_eq(update_for(entry(DEV + 1, LEAF | PTE_RW | PTE_PCD), who), 0);
		ck_assert_uint_eq(pte(), entry(DEV + 1, LEAF | PTE_RW | PTE_PCD | PTE_G));
		ck_assert_int_eq(update_for(entry(DEV, LEAF), who), 0);
		ck_assert_int_eq(update_for(0, who), 0);
	}
	/* Memory is nobody's but the guest's, with attributes now. */
	ck_assert_int_eq(update_for(entry(f, LEAF), DOMID_IO), -EBUSY);
	ck_assert_int_eq(update_for(entry(f, LEAF | PTE_PAT | PTE_PCD), DOMID_SELF), 0);
	ck_assert_uint_eq(pte(), entry(f, LEAF | PTE_PAT | PTE_PCD | PTE_G));
	ck_assert_int_eq(mm_page(t, f)->refs, 1);
	ck_assert_int_eq(update_for(entry(DEV, LEAF), DOMID_SELF), 0);
	ck_assert_int_eq(mm_page(t, f)->refs, 0);
	ck_assert_int_eq(update_for(entry(t->d->shared_info_mfn, LEAF | PTE_PCD), DOMID_SELF),
			 -EACCES);
	ck_assert_int_eq(mm_page(t, t->d->shared_info_mfn)->refs, 0);
}
END_TEST

/* Xen: what would be cached is made uncached; WC, UC- and UC stay. */
START_TEST(cache_attributes)
{
	static const struct {
		uint64_t want, get;
	} c[] = {
		{0, PTE_PWT | PTE_PCD},
		{PTE_PWT, PTE_PWT | PTE_PCD},
		{PTE_PWT | PTE_PAT, PTE_PWT | PTE_PCD},
		{PTE_PCD, PTE_PCD},
		{PTE_PCD | PTE_PWT, PTE_PCD | PTE_PWT},
		{PTE_PAT, PTE_PAT},
		{PTE_PAT | PTE_PCD, PTE_PAT | PTE_PCD},
		{PTE_PAT | PTE_PCD | PTE_PWT, PTE_PAT | PTE_PCD | PTE_PWT},
	};
	uint64_t va = VA + 0x200000, old;

	ck_assert_int_eq(domain_permit_iomem(t->d, DEV, 1), 0);
	for (unsigned i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		uint64_t val = entry(DEV, LEAF | PTE_RW | c[i].want);
		uint64_t got = entry(DEV, LEAF | PTE_RW | PTE_G | c[i].get);

		ck_assert_int_eq(update_for(val, DOMID_SELF), 0);
		ck_assert_uint_eq(pte(), got);
		ck_assert_int_eq(update_for(0, DOMID_SELF), 0);
		/* update_va_mapping, also over itself. */
		for (int again = 0; again < 2; again++)
			ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_update_va_mapping, VA, val, 0),
					 0);
		ck_assert_uint_eq(pte(), got);
		ck_assert_int_eq(update_for(0, DOMID_SELF), 0);
		/* A store into the table. */
		if (!i)
			test_map(t, va, l1, false);
		old = 0;
		ck_assert_int_eq(mm_ptwr_write(t->d->vcpu[0], va, &old, val, true), 0);
		ck_assert_uint_eq(pte(), got);
		/* A whole table. */
		ck_assert_int_eq(update_for(0, DOMID_SELF), 0);
		uint64_t other = test_frame(t);
		mm_table(t, other)[7] = val;
		ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, other, 0), 0);
		ck_assert_uint_eq(mm_table(t, other)[7], got);
		ck_assert_int_eq(mm_ext(t, MMUEXT_UNPIN_TABLE, other, 0), 0);
	}
}
END_TEST

START_TEST(no_table_and_no_buffer)
{
	uint64_t word = 0;

	ck_assert_int_eq(domain_permit_iomem(t->d, DEV, 1), 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, DEV, 0), -EINVAL);
	ck_assert_int_eq(mm_update(t, maddr(DEV, 0), 0), -EINVAL);
	ck_assert_int_eq(update_for(entry(DEV, LEAF | PTE_RW), DOMID_SELF), 0);
	ck_assert_int_eq(guest_copy_from(t->d->vcpu[0], &word, VA, 8), -EFAULT);
	ck_assert_int_eq(guest_copy_to(t->d->vcpu[0], VA, &word, 8), -EFAULT);
	/* An entry stays when the right goes; it cannot be made again. */
	ck_assert_int_eq(domain_revoke_iomem(t->d, DEV, 1), 0);
	ck_assert_uint_eq(pte() & PTE_ADDR, DEV << PAGE_SHIFT);
	ck_assert_int_eq(update_for(0, DOMID_SELF), 0);
	ck_assert_int_eq(update_for(entry(DEV, LEAF), DOMID_SELF), -EPERM);
}
END_TEST

START_TEST(ports)
{
	ck_assert(!domain_ioports_permitted(t->d, 0xc000, 1));
	ck_assert_int_eq(domain_permit_ioports(t->d, 0xc000, 0), -EINVAL);
	ck_assert_int_eq(domain_permit_ioports(t->d, 0xffff, 2), -EINVAL);
	ck_assert_int_eq(domain_permit_ioports(t->d, 0x10000, 1), -EINVAL);
	ck_assert_int_eq(domain_permit_ioports(t->d, 0xc03c, 8), 0);
	ck_assert_int_eq(domain_permit_ioports(t->d, 0xffff, 1), 0);
	ck_assert_int_eq(domain_permit_ioports(t->d, 0xffff, 1), 0);
	ck_assert_uint_eq(t->d->iocaps.nr_ports, 9);
	ck_assert(domain_ioports_permitted(t->d, 0xc03c, 8));
	ck_assert(domain_ioports_permitted(t->d, 0xc03e, 4));
	ck_assert(!domain_ioports_permitted(t->d, 0xc03b, 2));
	ck_assert(!domain_ioports_permitted(t->d, 0xc040, 5));
	ck_assert(domain_ioports_permitted(t->d, 0xffff, 1));
	ck_assert(!domain_ioports_permitted(t->d, 0xffff, 2));
	/* They count as a device, too. */
	ck_assert_int_eq(update_for(entry(f, LEAF | PTE_PCD), DOMID_SELF), 0);
	domain_revoke_ioports(t->d, 0xffff, 1);
	domain_revoke_ioports(t->d, 0xc000, 0x100);
	ck_assert_uint_eq(t->d->iocaps.nr_ports, 0);
	ck_assert(!domain_has_io(t->d));
	ck_assert_int_eq(update_for(entry(f, LEAF | PTE_PCD), DOMID_SELF), -EINVAL);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		ranges_join_and_part, what_cannot_be_permitted, mapping,
		cache_attributes,     no_table_and_no_buffer,	ports,
	};

	return RUN_TESTS("iocap", setup, teardown, tests);
}
