/*
 * physdev_op: what a domU without devices may do, and each refusal.
 */
#include <errno.h>
#include <string.h>

#include "pvabi/mm.h"
#include "test/unit/test_domain.h"
#include "test/unit/test_run.h"

static struct test_domain *t;
static uint64_t page;

static void setup_profile(enum abi_profile_id id)
{
	t = test_domain_new(1, id);
	page = test_alloc(t, PAGE_SIZE);
}

static void setup(void)
{
	setup_profile(PROFILE_XEN_4_17);
}

static void teardown(void)
{
	test_domain_free(t);
}

static long physdev(unsigned cmd, uint64_t arg)
{
	return HCALL(t, 0, __HYPERVISOR_physdev_op, cmd, arg);
}

static long with_block(unsigned cmd, void *b, size_t size)
{
	long rc;

	test_write(t, page, b, size);
	rc = physdev(cmd, page);
	test_read(t, page, b, size);
	return rc;
}
#define OP(cmd, b) with_block(PHYSDEVOP_##cmd, &(b), sizeof(b))

START_TEST(test_set_iopl)
{
	struct physdev_set_iopl op = {.iopl = 1};

	ck_assert_int_eq(OP(set_iopl, op), 0);
	ck_assert_uint_eq(t->d->vcpu[0]->iopl, 1);
	op.iopl = 4;
	ck_assert_int_eq(OP(set_iopl, op), -EINVAL);
	op.iopl = ~0u;
	ck_assert_int_eq(OP(set_iopl, op), -EINVAL);
	ck_assert_uint_eq(t->d->vcpu[0]->iopl, 1);
	ck_assert_int_eq(physdev(PHYSDEVOP_set_iopl, 0), -EFAULT);
}
END_TEST

START_TEST(test_set_iobitmap)
{
	struct physdev_set_iobitmap op = {.nr_ports = 65536};
	const struct vcpu *v = t->d->vcpu[0];

	op.bitmap.p = (uint8_t *)0x7000000000;
	ck_assert_int_eq(OP(set_iobitmap, op), 0);
	ck_assert_uint_eq(v->iobmp_va, 0x7000000000);
	ck_assert_uint_eq(v->iobmp_limit, 65536);
	op.nr_ports = 65537;
	ck_assert_int_eq(OP(set_iobitmap, op), -EINVAL);
	op.nr_ports = 0;
	op.bitmap.p = (uint8_t *)XEN_VIRT_START;
	ck_assert_int_eq(OP(set_iobitmap, op), -EINVAL);
	ck_assert_uint_eq(v->iobmp_limit, 65536);
	op.bitmap.p = NULL;
	ck_assert_int_eq(OP(set_iobitmap, op), 0);
	ck_assert_uint_eq(v->iobmp_limit, 0);
}
END_TEST

START_TEST(test_free_pirqs)
{
	struct physdev_get_free_pirq op = {.type = MAP_PIRQ_TYPE_MSI};
	struct physdev_eoi eoi = {.irq = DEFAULT_NR_PIRQS - 1};

	ck_assert_int_eq(OP(eoi, eoi), -EINVAL);
	ck_assert_int_eq(OP(get_free_pirq, op), 0);
	ck_assert_uint_eq(op.pirq, DEFAULT_NR_PIRQS - 1);
	ck_assert_int_eq(OP(eoi, eoi), 0);
	eoi.irq = DEFAULT_NR_PIRQS;
	ck_assert_int_eq(OP(eoi, eoi), -EINVAL);
	op.type = MAP_PIRQ_TYPE_GSI;
	ck_assert_int_eq(OP(get_free_pirq, op), 0);
	ck_assert_uint_eq(op.pirq, 16);
	/* 8 lines and 32 more, two of them taken. */
	for (unsigned i = 0; i < 38; i++)
		ck_assert_int_eq(OP(get_free_pirq, op), 0);
	ck_assert_int_eq(OP(get_free_pirq, op), -ENOSPC);
}
END_TEST

START_TEST(test_status_query)
{
	struct physdev_irq_status_query op = {.irq = DEFAULT_NR_PIRQS - 1};

	ck_assert_int_eq(OP(irq_status_query, op), 0);
	ck_assert_uint_eq(op.flags, XENIRQSTAT_needs_eoi);
	op.irq = DEFAULT_NR_PIRQS;
	ck_assert_int_eq(OP(irq_status_query, op), -EINVAL);
	op.irq = ~0u;
	ck_assert_int_eq(OP(irq_status_query, op), -EINVAL);
	ck_assert_int_eq(physdev(PHYSDEVOP_IRQ_UNMASK_NOTIFY, 0), 0);
}
END_TEST

/* Held writable as long as the domain lives: it cannot become a page table. */
START_TEST(test_eoi_page)
{
	struct physdev_pirq_eoi_gmfn op = {.gmfn = test_frame(t)};
	uint64_t mfn = op.gmfn;

	op.gmfn = t->d->nr_frames;
	ck_assert_int_eq(OP(pirq_eoi_gmfn_v2, op), -EINVAL);
	op.gmfn = ~0ull;
	ck_assert_int_eq(OP(pirq_eoi_gmfn_v1, op), -EINVAL);
	op.gmfn = mfn;
	ck_assert_int_eq(OP(pirq_eoi_gmfn_v2, op), 0);
	ck_assert_int_eq(OP(pirq_eoi_gmfn_v1, op), -EBUSY);
	domain_lock(t->d);
	ck_assert_int_ne(mm_get_page_and_type(t->d, mfn, PGT_L1), 0);
	domain_unlock(t->d);
}
END_TEST

START_TEST(test_map_pirq)
{
	struct physdev_map_pirq op = {.domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI};
	struct physdev_unmap_pirq un = {.domid = DOMID_SELF};

	ck_assert_int_eq(OP(map_pirq, op), -EPERM);
	ck_assert_int_eq(OP(unmap_pirq, un), -EPERM);
	op.domid = un.domid = 0;
	ck_assert_int_eq(OP(map_pirq, op), -EPERM);
	ck_assert_int_eq(OP(unmap_pirq, un), -EPERM);
	op.domid = un.domid = 1234;
	ck_assert_int_eq(OP(map_pirq, op), -ESRCH);
	ck_assert_int_eq(OP(unmap_pirq, un), -ESRCH);
	op.type = MAP_PIRQ_TYPE_MSI_SEG;
	ck_assert_int_eq(OP(map_pirq, op), -ESRCH);
	ck_assert_int_eq(op.type, MAP_PIRQ_TYPE_MSI);
	op.type = MAP_PIRQ_TYPE_MULTI_MSI;
	op.table_base = 1;
	ck_assert_int_eq(OP(map_pirq, op), -EINVAL);
}
END_TEST

START_TEST(test_refusals)
{
	static const struct {
		unsigned cmd;
		int good, bad; /* with a readable block of zeroes, with none */
	} ops[] = {
		{PHYSDEVOP_apic_read, -EPERM, -EFAULT},
		{PHYSDEVOP_apic_write, -EPERM, -EFAULT},
		{PHYSDEVOP_alloc_irq_vector, -EPERM, -EFAULT},
		{PHYSDEVOP_free_irq_vector, -ENOSYS, -ENOSYS},
		{PHYSDEVOP_manage_pci_add, -EPERM, -EFAULT},
		{PHYSDEVOP_manage_pci_remove, -EPERM, -EFAULT},
		{PHYSDEVOP_manage_pci_add_ext, -EPERM, -EFAULT},
		{PHYSDEVOP_restore_msi, -ENODEV, -EFAULT},
		{PHYSDEVOP_restore_msi_ext, -ENODEV, -EFAULT},
		{PHYSDEVOP_setup_gsi, -EPERM, -EFAULT},
		{PHYSDEVOP_pci_mmcfg_reserved, -EPERM, -EPERM},
		{PHYSDEVOP_pci_device_add, -EPERM, -EFAULT},
		{PHYSDEVOP_pci_device_remove, -EPERM, -EFAULT},
		{PHYSDEVOP_dbgp_op, -EPERM, -EPERM},
		{PHYSDEVOP_prepare_msix, -EPERM, -EFAULT},
		{PHYSDEVOP_release_msix, -EPERM, -EFAULT},
		{0, -ENOSYS, -ENOSYS},
		{22, -ENOSYS, -ENOSYS},
		{32, -ENOSYS, -ENOSYS},
	};

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		ck_assert_int_eq(physdev(ops[i].cmd, page), ops[i].good);
		ck_assert_int_eq(physdev(ops[i].cmd, TEST_VA_UNMAPPED), ops[i].bad);
	}
}
END_TEST

START_TEST(test_bad_values)
{
	struct physdev_manage_pci_ext ext = {.is_extfn = 2};
	struct physdev_setup_gsi gsi = {.gsi = -1};

	ck_assert_int_eq(OP(manage_pci_add_ext, ext), -EINVAL);
	ext.is_extfn = 1;
	ext.is_virtfn = 2;
	ck_assert_int_eq(OP(manage_pci_add_ext, ext), -EINVAL);
	ck_assert_int_eq(OP(setup_gsi, gsi), -EINVAL);
	gsi.gsi = 24;
	ck_assert_int_eq(OP(setup_gsi, gsi), -EINVAL);
}
END_TEST

static long old_call(struct physdev_op *op)
{
	long rc;

	test_write(t, page, op, sizeof(*op));
	rc = HCALL(t, 0, __HYPERVISOR_physdev_op_compat, page);
	test_read(t, page, op, sizeof(*op));
	return rc;
}

START_TEST(test_old_call)
{
	struct physdev_op op = {.cmd = PHYSDEVOP_irq_status_query};

	for (int id = NR_PROFILES - 1; id >= 0; id--) {
		teardown();
		setup_profile(id);
		op.cmd = PHYSDEVOP_irq_status_query;
		op.u.irq_status_query.irq = 3;
		op.u.irq_status_query.flags = 0;
		ck_assert_int_eq(old_call(&op), 0);
		ck_assert_uint_eq(op.u.irq_status_query.flags, XENIRQSTAT_needs_eoi);
		op.cmd = PHYSDEVOP_set_iopl;
		op.u.set_iopl.iopl = 3;
		ck_assert_int_eq(old_call(&op), 0);
		ck_assert_uint_eq(t->d->vcpu[0]->iopl, 3);
		op.cmd = 99;
		ck_assert_int_eq(old_call(&op), -ENOSYS);
		ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_physdev_op_compat, TEST_VA_UNMAPPED),
				 -EFAULT);
		/* The whole of the old structure must be readable. */
		ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_physdev_op_compat, page + PAGE_SIZE - 8),
				 -EFAULT);
	}
	op.cmd = PHYSDEVOP_eoi;
	ck_assert_int_eq(old_call(&op), -ENOSYS);
	ck_assert_int_eq(physdev(PHYSDEVOP_set_iopl, page), -ENOSYS);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_set_iopl, test_set_iobitmap, test_free_pirqs, test_status_query, test_eoi_page,
		test_map_pirq, test_refusals,	  test_bad_values, test_old_call,
	};

	return RUN_TESTS("physdev", setup, teardown, tests);
}
