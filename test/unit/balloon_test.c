/*
 * More memory than at start and less: what the domain may own, the frames that it
 * never had, and how those given back go to the host (Xen: common/page_alloc.c,
 * assign_pages; tools/libs/light, libxl__build_pre).
 */
#include <errno.h>
#include <string.h>

#include "test/unit/test_mm.h"
#include "test/unit/test_run.h"

#define SPARE 1000ul
#define LOW   64ul /* frames that test_frame() does not come to */

static struct test_domain *t;
static struct xen_memory_reservation r;
static uint64_t list, arg;

static void setup(void)
{
	t = test_domain_with_spare(SPARE);
	list = test_alloc(t, 2 * PAGE_SIZE);
	arg = test_alloc(t, sizeof(r));
	r = (struct xen_memory_reservation){.domid = DOMID_SELF};
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

static long call(uint64_t cmd, uint64_t nr, unsigned order)
{
	r.nr_extents = nr;
	r.extent_order = order;
	test_write(t, arg, &r, sizeof(r));
	return HCALL(t, 0, __HYPERVISOR_memory_op, cmd, arg);
}

START_TEST(frames_that_it_never_had)
{
	const struct domain *d = t->d;

	ck_assert_uint_eq(d->tot_pages, TEST_RAM_FRAMES);
	ck_assert_ptr_nonnull(mm_page_of_guest(d, TEST_RAM_FRAMES - 1));
	for (uint64_t mfn = TEST_RAM_FRAMES; mfn < TEST_RAM_FRAMES + SPARE; mfn += 333) {
		ck_assert_ptr_null(mm_page_of_guest(d, mfn));
		ck_assert_uint_eq(d->m2p[mfn], INVALID_MFN);
		ck_assert_int_eq(mm_free_frame(t->d, mfn), -EINVAL);
		uint64_t out;
		ck_assert_int_eq(mm_exchange_frames(t->d, &mfn, 1, &out, 1, 0, 0), -EINVAL);
	}
}
END_TEST

/* d->max_pages is what assign_pages() looks at, whatever the machine has. */
START_TEST(no_more_than_the_maximum)
{
	struct domain *d = t->d;

	ck_assert_int_eq(call(XENMEM_increase_reservation, 1, 0), 0);
	d->max_pages = TEST_RAM_FRAMES + 3;
	ck_assert_int_eq(call(XENMEM_increase_reservation, 2, 1), 1);
	for (unsigned i = 0; i < 3; i++)
		set(i, 0x5000 + i);
	ck_assert_int_eq(call(XENMEM_populate_physmap, 3, 0), 1);
	ck_assert_uint_eq(d->m2p[get(0)], 0x5000);
	ck_assert_uint_eq(get(1), 0x5001);
	ck_assert_uint_eq(d->tot_pages, d->max_pages);
	/* Lowered, it takes nothing away, but nothing can be had. */
	d->max_pages = LOW;
	set(0, LOW);
	ck_assert_int_eq(call(XENMEM_decrease_reservation, 1, 0), 1);
	ck_assert_int_eq(call(XENMEM_increase_reservation, 1, 0), 0);
	ck_assert_uint_eq(d->tot_pages, TEST_RAM_FRAMES + 2);
	/* Nor is there more than the machine has. */
	d->max_pages = 2 * TEST_RAM_FRAMES;
	ck_assert_int_eq(call(XENMEM_increase_reservation, 1023, 0), SPARE - 2);
	ck_assert_uint_eq(get(0), LOW); /* what it gave back comes first */
}
END_TEST

START_TEST(aligned_extents_of_them)
{
	struct domain *d = t->d;
	uint64_t zeros[PAGE_SIZE / 8] = {0};

	d->max_pages = 2 * TEST_RAM_FRAMES;
	ck_assert_int_eq(call(XENMEM_increase_reservation, 1, 0), 1);
	ck_assert_uint_eq(get(0), TEST_RAM_FRAMES);
	ck_assert_int_eq(call(XENMEM_increase_reservation, 1, 4), 1);
	ck_assert_uint_eq(get(0), TEST_RAM_FRAMES + 16);
	for (uint64_t i = 0; i < 16; i++) {
		ck_assert_ptr_nonnull(mm_page_of_guest(d, TEST_RAM_FRAMES + 16 + i));
		ck_assert_mem_eq(frame_ptr(d, TEST_RAM_FRAMES + 16 + i), zeros, PAGE_SIZE);
	}
	/* Those between are not lost, and nobody's. */
	ck_assert_ptr_null(mm_page_of_guest(d, TEST_RAM_FRAMES + 1));
	ck_assert_int_eq(call(XENMEM_increase_reservation, 16, 0), 16);
	ck_assert_uint_eq(get(0), TEST_RAM_FRAMES + 1);
	ck_assert_uint_eq(get(14), TEST_RAM_FRAMES + 15);
	ck_assert_uint_eq(get(15), TEST_RAM_FRAMES + 32);
	r.mem_flags = XENMEMF_address_bits(24); /* 16 MiB: all below are in use */
	ck_assert_int_eq(call(XENMEM_increase_reservation, 1, 0), 0);
}
END_TEST

START_TEST(neighbours_go_to_the_host_together)
{
	struct domain *d = t->d;
	static const uint64_t order[] = {5, 3, 4, 9, 2, 8, 20};

	for (unsigned i = 0; i < 7; i++) {
		set(i, LOW + order[i]);
		memset(frame_ptr(d, LOW + order[i]), 0xaa, PAGE_SIZE);
	}
	ck_assert_int_eq(call(XENMEM_decrease_reservation, 7, 0), 7);
	ck_assert_uint_eq(t->frames_released, 7);
	ck_assert_uint_eq(t->releases, 3); /* 2-5, 8-9, 20 */
	ck_assert_int_eq(call(XENMEM_increase_reservation, 7, 0), 7);
	for (unsigned i = 0; i < 7; i++)
		ck_assert_uint_eq(*(uint64_t *)frame_ptr(d, get(i)), 0);
	/* More than one batch, with one that is in use and a bad one at the end. */
	ck_assert_ptr_nonnull(mm_page_get(d, LOW + 7));
	for (unsigned i = 0; i < 700; i++)
		set(i, LOW + i);
	set(700, INVALID_MFN);
	t->frames_released = t->releases = 0;
	ck_assert_int_eq(call(XENMEM_decrease_reservation, 701, 0), 700);
	ck_assert_uint_eq(t->frames_released, 699);
	ck_assert_uint_eq(t->releases, 3);
	ck_assert_uint_eq(d->tot_pages, TEST_RAM_FRAMES - 699);
	mm_page_put(d, LOW + 7);
	ck_assert_uint_eq(t->frames_released, 700);
	ck_assert_uint_eq(d->tot_pages, TEST_RAM_FRAMES - 700);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		frames_that_it_never_had,
		no_more_than_the_maximum,
		aligned_extents_of_them,
		neighbours_go_to_the_host_together,
	};

	return RUN_TESTS("balloon", setup, teardown, tests);
}
