/*
 * xen_version: every sub-operation, its answer and its faults.
 */
#include <errno.h>
#include <string.h>

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

static long version_op(unsigned cmd, uint64_t arg)
{
	return HCALL(t, 0, __HYPERVISOR_xen_version, cmd, arg);
}

/* The block at the very end of the page, so that a byte too many is a fault. */
static uint64_t at_end(size_t size)
{
	uint64_t va = page + PAGE_SIZE - size;

	memset(test_ptr(t, page), 0xee, PAGE_SIZE);
	return va;
}

static void *block(uint64_t va)
{
	return test_ptr(t, va);
}

START_TEST(test_version)
{
	ck_assert_int_eq(version_op(XENVER_version, 0), 0x40011);
	ck_assert_int_eq(version_op(XENVER_version, TEST_VA_UNMAPPED), 0x40011);
	ck_assert_int_eq(version_op(XENVER_version, ~0ull), 0x40011);
}
END_TEST

START_TEST(test_strings)
{
	uint64_t va = at_end(sizeof(xen_extraversion_t));

	ck_assert_int_eq(version_op(XENVER_extraversion, va), 0);
	ck_assert_str_eq(block(va), ".5");
	va = at_end(sizeof(xen_capabilities_info_t));
	ck_assert_int_eq(version_op(XENVER_capabilities, va), 0);
	ck_assert_str_eq(block(va), "xen-3.0-x86_64 ");
	/* All of the block is written. */
	ck_assert_uint_eq(((uint8_t *)block(va))[1023], 0);
	va = at_end(sizeof(xen_changeset_info_t));
	ck_assert_int_eq(version_op(XENVER_changeset, va), 0);
	ck_assert_uint_gt(strlen(block(va)), 0);
}
END_TEST

START_TEST(test_compile_info)
{
	uint64_t va = at_end(sizeof(struct xen_compile_info));
	const struct xen_compile_info *i = block(va);

	ck_assert_int_eq(version_op(XENVER_compile_info, va), 0);
	ck_assert_uint_gt(strlen(i->compiler), 0);
	ck_assert_uint_lt(strnlen(i->compiler, sizeof(i->compiler)), sizeof(i->compiler));
	ck_assert_str_eq(i->compile_by, "xenolith");
	ck_assert_uint_lt(strnlen(i->compile_date, sizeof(i->compile_date)),
			  sizeof(i->compile_date));
}
END_TEST

START_TEST(test_platform_parameters)
{
	uint64_t va = at_end(8);

	ck_assert_int_eq(version_op(XENVER_platform_parameters, va), 0);
	ck_assert_uint_eq(*(uint64_t *)block(va), 0xffff800000000000ull);
}
END_TEST

static uint32_t features(void)
{
	struct xen_feature_info fi = {.submap_idx = 0, .submap = ~0u};
	uint64_t va = at_end(sizeof(fi));

	test_write(t, va, &fi, sizeof(fi));
	ck_assert_int_eq(version_op(XENVER_get_features, va), 0);
	test_read(t, va, &fi, sizeof(fi));
	ck_assert_uint_eq(fi.submap_idx, 0);
	return fi.submap;
}

#define F(name) (1u << XENFEAT_##name)

START_TEST(test_features)
{
	uint32_t expected = F(memory_op_vnode_supported) | F(mmu_pt_update_preserve_ad) |
			    F(highmem_assist) | F(gnttab_map_avail_bits) | F(direct_mapped);

	ck_assert_uint_eq(features(), expected);
	t->d->vm_assist |= 1u << VMASST_TYPE_pae_extended_cr3;
	ck_assert_uint_eq(features(), expected | F(pae_pgdir_above_4gb));
}
END_TEST

START_TEST(test_features_beyond)
{
	struct xen_feature_info fi = {.submap_idx = XENFEAT_NR_SUBMAPS, .submap = 5};
	uint64_t va = test_put(t, &fi, sizeof(fi));

	ck_assert_int_eq(version_op(XENVER_get_features, va), -EINVAL);
	fi.submap_idx = ~0u;
	test_write(t, va, &fi, sizeof(fi));
	ck_assert_int_eq(version_op(XENVER_get_features, va), -EINVAL);
	test_read(t, va, &fi, sizeof(fi));
	ck_assert_uint_eq(fi.submap, 5);
	ck_assert_int_eq(version_op(XENVER_get_features, 0), -EFAULT);
}
END_TEST

START_TEST(test_pagesize)
{
	ck_assert_int_eq(version_op(XENVER_pagesize, 0), 4096);
	ck_assert_int_eq(version_op(XENVER_pagesize, page), -EINVAL);
}
END_TEST

START_TEST(test_guest_handle)
{
	uint64_t va = at_end(sizeof(xen_domain_handle_t));

	ck_assert_int_eq(version_op(XENVER_guest_handle, va), 0);
	ck_assert_mem_eq(block(va), t->d->handle, sizeof(xen_domain_handle_t));
}
END_TEST

/* For the privileged: include/xsm/dummy.h. */
START_TEST(test_denied)
{
	uint64_t va = at_end(9);

	ck_assert_int_eq(version_op(XENVER_commandline, va), 0);
	ck_assert_str_eq(block(va), "<denied>");
	ck_assert_int_eq(version_op(XENVER_build_id, 0), -EPERM);
	ck_assert_int_eq(version_op(XENVER_build_id, TEST_VA_UNMAPPED), -EPERM);
}
END_TEST

START_TEST(test_faults)
{
	static const struct {
		unsigned cmd;
		size_t size;
	} ops[] = {
		{XENVER_extraversion, sizeof(xen_extraversion_t)},
		{XENVER_compile_info, sizeof(struct xen_compile_info)},
		{XENVER_capabilities, sizeof(xen_capabilities_info_t)},
		{XENVER_changeset, sizeof(xen_changeset_info_t)},
		{XENVER_platform_parameters, 8},
		{XENVER_guest_handle, sizeof(xen_domain_handle_t)},
		{XENVER_get_features, sizeof(struct xen_feature_info)},
		{XENVER_commandline, 9},
	};

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		ck_assert_int_eq(version_op(ops[i].cmd, 0), -EFAULT);
		ck_assert_int_eq(version_op(ops[i].cmd, TEST_VA_UNMAPPED), -EFAULT);
		ck_assert_int_eq(version_op(ops[i].cmd, XEN_VIRT_START), -EFAULT);
		ck_assert_int_eq(version_op(ops[i].cmd, at_end(ops[i].size) + 1), -EFAULT);
	}
}
END_TEST

START_TEST(test_unknown)
{
	ck_assert_int_eq(version_op(11, 0), -ENOSYS);
	ck_assert_int_eq(version_op(~0u, 0), -ENOSYS);
}
END_TEST

START_TEST(test_old_profile)
{
	teardown();
	setup_profile(PROFILE_XEN_3_0_2);
	ck_assert_int_eq(version_op(XENVER_version, 0), 0x30000);
	ck_assert_uint_eq(features(), 0);
	t->d->vm_assist |= 1u << VMASST_TYPE_pae_extended_cr3;
	ck_assert_uint_eq(features(), 0);
	for (unsigned cmd = XENVER_pagesize; cmd <= XENVER_build_id; cmd++)
		ck_assert_int_eq(version_op(cmd, 0), -ENOSYS);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_version,  test_strings,	     test_compile_info, test_platform_parameters,
		test_features, test_features_beyond, test_pagesize,	test_guest_handle,
		test_denied,   test_faults,	     test_unknown,	test_old_profile,
	};

	return RUN_TESTS("xen_version", setup, teardown, tests);
}
