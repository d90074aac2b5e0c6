/*
 * memory_op: frames given back, taken again, and how many were done (Xen:
 * common/memory.c, decrease_reservation, populate_physmap, increase_reservation).
 */
#include <errno.h>
#include <string.h>

#include "test/unit/test_mm.h"
#include "test/unit/test_run.h"

#define LOW	  64ul			/* frames that test_frame() does not come to */
#define START(nr) ((uint64_t)(nr) << 6) /* xen/hypercall.h: MEMOP_EXTENT_SHIFT */

static struct test_domain *t;
static struct xen_memory_reservation r;
static uint64_t list, arg, pages;

static void setup(void)
{
	t = test_domain_new(1, PROFILE_XEN_4_17);
	list = test_alloc(t, PAGE_SIZE);
	arg = test_alloc(t, sizeof(r));
	pages = t->d->tot_pages;
	r = (struct xen_memory_reservation){.nr_extents = 1, .domid = DOMID_SELF};
	r.extent_start.p = (xen_pfn_t *)list;
}

static void teardown(void)
{
	test_domain_free(t);
}

static void set(unsigned i, xen_pfn_t val)
{
	test_write(t, list + i * sizeof(val), &val, sizeof(val));
}

static xen_pfn_t get(unsigned i)
{
	xen_pfn_t val;

	test_read(t, list + i * sizeof(val), &val, sizeof(val));
	return val;
}

static long call(uint64_t cmd)
{
	test_write(t, arg, &r, sizeof(r));
	return HCALL(t, 0, __HYPERVISOR_memory_op, cmd, arg);
}

static long many(uint64_t cmd, uint64_t nr, unsigned order)
{
	r.nr_extents = nr;
	r.extent_order = order;
	return call(cmd);
}

START_TEST(frames_given_back_and_taken_again)
{
	struct domain *d = t->d;
	uint64_t f = test_frame(t), before = d->tot_pages;

	memset(frame_ptr(d, f), 0x5a, PAGE_SIZE);
	set(0, f);
	ck_assert_int_eq(call(XENMEM_decrease_reservation), 1);
	ck_assert_uint_eq(d->tot_pages, before - 1);
	ck_assert_uint_eq(d->m2p[f], INVALID_MFN);
	ck_assert_ptr_null(mm_page_of_guest(d, f));
	ck_assert_uint_eq(t->frames_released, 1);
	/* Again: it is not the guest's any more. */
	ck_assert_int_eq(call(XENMEM_decrease_reservation), 0);
	set(0, 0x321);
	ck_assert_int_eq(call(XENMEM_populate_physmap), 1);
	ck_assert_uint_eq(get(0), f);
	ck_assert_uint_eq(d->m2p[f], 0x321);
	ck_assert_int_eq(call(XENMEM_populate_physmap), 0);
}
END_TEST

/* guest_remove_page() takes the reference of the allocation; others keep it. */
START_TEST(a_mapped_frame_goes_with_its_mapping)
{
	uint64_t l1 = test_frame(t);

	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, l1, 0), 0);
	ck_assert_int_eq(mm_update(t, maddr(l1, 0), entry(LOW, LEAF | PTE_RW)), 0);
	set(0, LOW);
	ck_assert_int_eq(call(XENMEM_decrease_reservation), 1);
	ck_assert_int_eq(call(XENMEM_decrease_reservation), 1); /* sic */
	ck_assert_uint_eq(t->d->tot_pages, pages);
	ck_assert_uint_eq(t->frames_released, 0);
	/* Nobody gets it yet. */
	ck_assert_int_eq(call(XENMEM_increase_reservation), 0);
	ck_assert_int_eq(mm_update(t, maddr(l1, 0), 0), 0);
	ck_assert_uint_eq(t->d->tot_pages, pages - 1);
	ck_assert_uint_eq(t->frames_released, 1);
	ck_assert_int_eq(call(XENMEM_decrease_reservation), 0);
	ck_assert_int_eq(call(XENMEM_increase_reservation), 1);
	ck_assert_uint_eq(get(0), LOW);
}
END_TEST

START_TEST(extents_stop_where_they_fail)
{
	const uint64_t bad[] = {t->d->nr_frames, ~0ul, t->d->m2p_mfn};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t before = t->d->tot_pages;
		set(0, LOW + i);
		set(1, bad[i]);
		set(2, LOW + 16 + i);
		ck_assert_int_eq(many(XENMEM_decrease_reservation, 3, 0), 1);
		ck_assert_uint_eq(t->d->tot_pages, before - 1);
	}
	/* Within an extent those before the bad one stay gone. */
	set(0, LOW + 28);
	ck_assert_int_eq(mm_free_frame(t->d, LOW + 30), 0);
	uint64_t before = t->d->tot_pages;
	ck_assert_int_eq(many(XENMEM_decrease_reservation, 1, 2), 0);
	ck_assert_uint_eq(t->d->tot_pages, before - 2);
}
END_TEST

START_TEST(larger_extents)
{
	set(0, LOW);
	set(1, LOW + 4);
	ck_assert_int_eq(many(XENMEM_decrease_reservation, 2, 2), 2);
	ck_assert_uint_eq(t->d->tot_pages, pages - 8);
	set(0, 0x777000);
	ck_assert_int_eq(many(XENMEM_populate_physmap, 1, 3), 1);
	ck_assert_uint_eq(get(0), LOW);
	ck_assert_uint_eq(t->d->m2p[LOW + 7], 0x777007);
	/* A hole in them: none of order 3, but four of order 1. */
	ck_assert_int_eq(many(XENMEM_decrease_reservation, 1, 3), 1);
	set(0, 1);
	ck_assert_int_eq(many(XENMEM_populate_physmap, 1, 0), 1);
	ck_assert_int_eq(many(XENMEM_populate_physmap, 1, 3), 0);
	ck_assert_int_eq(many(XENMEM_increase_reservation, 4, 1), 3);
	ck_assert_uint_eq(get(0), LOW + 2);
	ck_assert_int_eq(many(XENMEM_increase_reservation, 1, 10), 0);
	ck_assert_int_eq(many(XENMEM_increase_reservation, 1, ~0u), 0);
}
END_TEST

START_TEST(goes_on_where_it_was)
{
	set(0, ~0ul); /* not looked at */
	set(1, LOW);
	ck_assert_int_eq(many(XENMEM_decrease_reservation | START(1), 2, 0), 2);
	/* What is to be done there is nothing: the start is the answer. */
	ck_assert_int_eq(many(XENMEM_decrease_reservation | START(3), 2, 0), 3);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_memory_op, XENMEM_populate_physmap | START(5), 1),
			 5);
	ck_assert_int_eq(many(XENMEM_decrease_reservation, 1ul << 40, 0), 0);
}
END_TEST

START_TEST(domains_addresses_and_wishes)
{
	static const struct {
		domid_t dom;
		long done;
	} cases[] = {{1, 1}, {DOMID_SELF, 1}, {0, 0}, {1234, 0}, {DOMID_IO, 0}};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		r.domid = cases[i].dom;
		set(0, LOW + i);
		ck_assert_msg(call(XENMEM_decrease_reservation) == cases[i].done, "domain %u",
			      cases[i].dom);
	}
	r.domid = DOMID_SELF;
	ck_assert_int_eq(mm_free_frame(t->d, 1), 0);
	r.mem_flags = XENMEMF_populate_on_demand;
	ck_assert_int_eq(call(XENMEM_populate_physmap), 0);
	r.mem_flags = XENMEMF_exact_node(0);
	ck_assert_int_eq(call(XENMEM_increase_reservation), 0);
	/* Below 8 KiB there is one frame that is free, below 4 KiB there can be none. */
	r.mem_flags = XENMEMF_address_bits(12);
	ck_assert_int_eq(call(XENMEM_increase_reservation), 0);
	r.mem_flags = XENMEMF_address_bits(13);
	ck_assert_int_eq(many(XENMEM_increase_reservation, 2, 0), 1);
	ck_assert_uint_eq(get(0), 1);
	r.mem_flags = 0;
	/* Nowhere to say which: that is allowed. */
	uint64_t before = t->d->tot_pages;
	r.extent_start.p = NULL;
	ck_assert_int_eq(many(XENMEM_increase_reservation, 1, 0), 1);
	ck_assert_uint_eq(t->d->tot_pages, before + 1);
	r.extent_start.p = (xen_pfn_t *)TEST_VA_UNMAPPED;
	ck_assert_int_eq(call(XENMEM_decrease_reservation), 0);
	ck_assert_int_eq(call(XENMEM_populate_physmap), 0);
	r.extent_start.p = (xen_pfn_t *)XEN_VIRT_START;
	ck_assert_int_eq(call(XENMEM_increase_reservation), 0);
	ck_assert_int_eq(
		HCALL(t, 0, __HYPERVISOR_memory_op, XENMEM_decrease_reservation, TEST_VA_UNMAPPED),
		0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		frames_given_back_and_taken_again,
		a_mapped_frame_goes_with_its_mapping,
		extents_stop_where_they_fail,
		larger_extents,
		goes_on_where_it_was,
		domains_addresses_and_wishes,
	};

	return RUN_TESTS("reservation", setup, teardown, tests);
}
