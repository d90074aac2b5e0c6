/*
 * memory_op's questions, the memory map, and what a PV domain gets from the calls
 * that are for others (Xen: common/memory.c, arch/x86/mm.c).
 */
#include <errno.h>
#include <string.h>

#include "test/unit/test_mm.h"
#include "test/unit/test_run.h"

#define START(nr) ((uint64_t)(nr) << 6) /* xen/hypercall.h: MEMOP_EXTENT_SHIFT */

struct e820 {
	uint64_t addr, size;
	uint32_t type;
} __attribute__((packed));

static struct test_domain *t;
static uint64_t buf;

static void setup(void)
{
	t = test_domain_new(1, PROFILE_XEN_4_17);
	buf = test_alloc(t, 8 * PAGE_SIZE);
}

static void teardown(void)
{
	test_domain_free(t);
}

static long call_at(uint64_t cmd, uint64_t va)
{
	return HCALL(t, 0, __HYPERVISOR_memory_op, cmd, va);
}

static long with_block(uint64_t cmd, void *block, size_t size)
{
	uint64_t va = test_put(t, block, size);
	long rc = call_at(cmd, va);

	test_read(t, va, block, size);
	return rc;
}
#define OP(cmd, block) with_block(XENMEM_##cmd, block, sizeof(*(block)))

START_TEST(numbers)
{
	static const struct {
		domid_t dom;
		long rc;
	} cases[] = {{0, -EPERM}, {1234, -ESRCH}, {DOMID_IO, -ESRCH}, {DOMID_XEN, -ESRCH}};
	static const unsigned cmds[] = {XENMEM_current_reservation, XENMEM_maximum_reservation,
					XENMEM_maximum_gpfn};
	domid_t self = DOMID_SELF, own = 1;

	for (unsigned i = 0; i < 3; i++) {
		for (unsigned j = 0; j < sizeof(cases) / sizeof(cases[0]); j++) {
			domid_t dom = cases[j].dom;
			ck_assert_int_eq(with_block(cmds[i], &dom, sizeof(dom)), cases[j].rc);
		}
		ck_assert_int_eq(call_at(cmds[i], TEST_VA_UNMAPPED), -EFAULT);
		ck_assert_int_eq(with_block(cmds[i] | START(1), &self, sizeof(self)), -EINVAL);
	}
	ck_assert_int_eq(mm_free_frame(t->d, 1), 0);
	ck_assert_int_eq(OP(current_reservation, &self), TEST_RAM_FRAMES - 1);
	ck_assert_int_eq(OP(current_reservation, &own), TEST_RAM_FRAMES - 1);
	ck_assert_int_eq(OP(maximum_reservation, &self), (long)t->d->max_pages);
	ck_assert_int_eq(call_at(XENMEM_maximum_ram_page, 0), (long)t->d->nr_frames);
	/* What the guest said, and 0 before it did. */
	ck_assert_int_eq(OP(maximum_gpfn, &self), 0);
	t->d->shared_info->arch.max_pfn = 1000;
	ck_assert_int_eq(OP(maximum_gpfn, &self), 999);
}
END_TEST

static long map_get(uint32_t *nr, uint64_t va)
{
	struct xen_memory_map m = {.nr_entries = *nr};
	long rc;

	m.buffer.p = (void *)va;
	rc = OP(memory_map, &m);
	*nr = m.nr_entries;
	return rc;
}

static long map_set(uint32_t nr, uint64_t va, domid_t dom)
{
	struct xen_foreign_memory_map f = {.domid = dom, .map.nr_entries = nr};

	f.map.buffer.p = (void *)va;
	return OP(set_memory_map, &f);
}

START_TEST(the_map_that_libxl_gives)
{
	struct e820 e[2];
	uint32_t nr = 2;

	ck_assert_int_eq(map_get(&nr, buf), 0);
	ck_assert_uint_eq(nr, 1);
	test_read(t, buf, e, sizeof(e));
	ck_assert_uint_eq(e[0].addr, 0);
	ck_assert_uint_eq(e[0].size, t->d->max_pages * PAGE_SIZE);
	ck_assert_uint_eq(e[0].type, 1);
	ck_assert_uint_eq(e[1].size, 0);
	nr = 1;
	ck_assert_int_eq(map_get(&nr, TEST_VA_UNMAPPED), -EFAULT);
	nr = 0;
	ck_assert_int_eq(map_get(&nr, TEST_VA_UNMAPPED), 0);
	ck_assert_uint_eq(nr, 0);
	ck_assert_int_eq(call_at(XENMEM_memory_map, TEST_VA_UNMAPPED), -EFAULT);
	ck_assert_int_eq(call_at(XENMEM_machine_memory_map, buf), -EPERM);
}
END_TEST

START_TEST(a_map_of_the_guest_s)
{
	struct e820 set[3] = {{0, 1 << 20, 1}, {1 << 20, 1 << 12, 2}, {2 << 20, 7, 77}}, got[3];
	uint32_t nr = 3;

	test_write(t, buf, set, sizeof(set));
	ck_assert_int_eq(map_set(3, buf, DOMID_SELF), 0);
	memset(got, 0, sizeof(got));
	test_write(t, buf, got, sizeof(got));
	ck_assert_int_eq(map_get(&nr, buf), 0);
	ck_assert_uint_eq(nr, 3);
	test_read(t, buf, got, sizeof(got));
	ck_assert_mem_eq(got, set, sizeof(set));
	nr = 2;
	ck_assert_int_eq(map_get(&nr, buf), 0);
	ck_assert_uint_eq(nr, 2);
	/* One that cannot be is not taken; the largest has 1024 entries (E820MAX). */
	ck_assert_int_eq(map_set(1025, buf, DOMID_SELF), -EINVAL);
	ck_assert_int_eq(map_set(2, TEST_VA_UNMAPPED, DOMID_SELF), -EFAULT);
	ck_assert_int_eq(map_set(2, buf, 0), -EPERM);
	ck_assert_int_eq(map_set(2, buf, 1234), -ESRCH);
	nr = 9;
	ck_assert_int_eq(map_get(&nr, buf), 0);
	ck_assert_uint_eq(nr, 3);
	ck_assert_int_eq(map_set(1024, buf, 1), 0);
	nr = ~0u;
	ck_assert_int_eq(map_get(&nr, buf), 0);
	ck_assert_uint_eq(nr, 1024);
	/* None: as if nobody had ever given one. */
	ck_assert_int_eq(map_set(0, TEST_VA_UNMAPPED, DOMID_SELF), 0);
	nr = 1;
	ck_assert_int_eq(map_get(&nr, buf), -ENOSYS);
}
END_TEST

START_TEST(the_machphys_table)
{
	struct xen_machphys_mapping m;
	struct xen_machphys_mfn_list l = {.max_extents = 5, .nr_extents = 77};
	uint64_t mfns[2];

	ck_assert_int_eq(OP(machphys_mapping, &m), 0);
	ck_assert_uint_eq(m.v_start, 0xffff800000000000ul);
	ck_assert_uint_eq(m.v_end, 0xffff804000000000ul);
	ck_assert_uint_eq(m.max_mfn, t->d->nr_m2p - 1);
	ck_assert_int_eq(call_at(XENMEM_machphys_mapping, TEST_VA_UNMAPPED), -EFAULT);
	/* 2 MiB an extent. */
	l.extent_start.p = (xen_pfn_t *)buf;
	ck_assert_int_eq(OP(machphys_mfn_list, &l), 0);
	ck_assert_uint_eq(l.nr_extents, 1);
	test_read(t, buf, mfns, sizeof(mfns));
	ck_assert_uint_eq(mfns[0], t->d->m2p_mfn);
	ck_assert_uint_eq(mfns[1], 0);
	l.extent_start.p = (xen_pfn_t *)TEST_VA_UNMAPPED;
	ck_assert_int_eq(OP(machphys_mfn_list, &l), -EFAULT);
	l.max_extents = 0;
	ck_assert_int_eq(OP(machphys_mfn_list, &l), 0);
	ck_assert_uint_eq(l.nr_extents, 0);
	ck_assert_int_eq(call_at(XENMEM_machphys_compat_mfn_list, buf), -EOPNOTSUPP);
}
END_TEST

static long add(unsigned space, domid_t dom)
{
	struct xen_add_to_physmap a = {.domid = dom, .space = space};

	return OP(add_to_physmap, &a);
}

START_TEST(physical_maps_are_the_guest_s_own)
{
	struct xen_add_to_physmap_batch b = {.domid = DOMID_SELF};
	struct xen_remove_from_physmap r = {.domid = DOMID_SELF};

	ck_assert_int_eq(add(XENMAPSPACE_shared_info, DOMID_SELF), -EACCES);
	ck_assert_int_eq(add(XENMAPSPACE_gmfn_range, DOMID_SELF), -EACCES);
	ck_assert_int_eq(add(99, 1), -EACCES);
	ck_assert_int_eq(add(XENMAPSPACE_gmfn_foreign, DOMID_SELF), -ENOSYS);
	ck_assert_int_eq(add(XENMAPSPACE_shared_info, 1234), -ESRCH);
	ck_assert_int_eq(OP(add_to_physmap_batch, &b), -EACCES);
	b.space = XENMAPSPACE_gmfn_range;
	ck_assert_int_eq(OP(add_to_physmap_batch, &b), -EOPNOTSUPP);
	ck_assert_int_eq(OP(remove_from_physmap, &r), -EACCES);
	r.domid = 1234;
	ck_assert_int_eq(OP(remove_from_physmap, &r), -ESRCH);
}
END_TEST

START_TEST(calls_for_others)
{
	struct xen_pod_target p = {.domid = DOMID_SELF};
	struct xen_mem_access_op a = {.domid = 1};
	struct xen_memory_reservation c = {.domid = 1};
	struct xen_mem_acquire_resource q = {.domid = 1};
	struct xen_vnuma_topology_info v = {.domid = DOMID_SELF};
	struct xen_reserved_device_memory_map m = {.flags = 0, .nr_entries = 5};

	ck_assert_int_eq(OP(set_pod_target, &p), -EINVAL);
	p.domid = 1234;
	ck_assert_int_eq(OP(get_pod_target, &p), -ESRCH);
	ck_assert_int_eq(OP(access_op, &a), -EPERM);
	a.domid = 0;
	ck_assert_int_eq(OP(access_op, &a), -EINVAL);
	a.domid = DOMID_SELF;
	ck_assert_int_eq(OP(access_op, &a), -ESRCH);
	ck_assert_int_eq(OP(claim_pages, &c), -EPERM);
	c.domid = DOMID_SELF;
	ck_assert_int_eq(OP(claim_pages, &c), -EINVAL);
	ck_assert_int_eq(OP(acquire_resource, &q), -EPERM);
	q.pad = 1;
	ck_assert_int_eq(OP(acquire_resource, &q), -EINVAL);
	ck_assert_int_eq(OP(get_vnumainfo, &v), -EOPNOTSUPP);
	v.domid = 1234;
	ck_assert_int_eq(OP(get_vnumainfo, &v), -ESRCH);
	ck_assert_int_eq(OP(reserved_device_memory_map, &m), 0);
	ck_assert_uint_eq(m.nr_entries, 0);
	m.flags = ~0u;
	ck_assert_int_eq(OP(reserved_device_memory_map, &m), -EINVAL);
	m.buffer.p = (void *)XEN_VIRT_START;
	ck_assert_int_eq(OP(reserved_device_memory_map, &m), -EFAULT);
	ck_assert_int_eq(call_at(XENMEM_get_sharing_freed_pages, 0), 0);
	ck_assert_int_eq(call_at(XENMEM_paging_op, buf), -ENOSYS);
	ck_assert_int_eq(call_at(0x3f, buf), -ENOSYS);
}
END_TEST

/* A start that Xen never gives: do_memory_op() looks at it before the argument. */
START_TEST(where_nothing_goes_on)
{
	static const struct {
		unsigned cmd;
		int rc;
	} cases[] = {
		{XENMEM_exchange, -EINVAL},
		{XENMEM_maximum_ram_page, -EINVAL},
		{XENMEM_remove_from_physmap, -EINVAL},
		{XENMEM_claim_pages, -EINVAL},
		{XENMEM_get_vnumainfo, -EINVAL},
		{XENMEM_reserved_device_memory_map, -EINVAL},
		{XENMEM_memory_map, -ENOSYS},
		{XENMEM_machphys_mapping, -ENOSYS},
		{XENMEM_get_sharing_freed_pages, -ENOSYS},
		{0x3f, -ENOSYS},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_msg(call_at(cases[i].cmd | START(1), TEST_VA_UNMAPPED) == cases[i].rc,
			      "command %u", cases[i].cmd);
	ck_assert_int_eq(call_at(XENMEM_add_to_physmap | START(0x10000), buf), -EDOM);
	ck_assert_int_eq(call_at(XENMEM_add_to_physmap | START(0xffff), TEST_VA_UNMAPPED), -EFAULT);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		numbers,
		the_map_that_libxl_gives,
		a_map_of_the_guest_s,
		the_machphys_table,
		physical_maps_are_the_guest_s_own,
		calls_for_others,
		where_nothing_goes_on,
	};

	return RUN_TESTS("memory_op", setup, teardown, tests);
}
