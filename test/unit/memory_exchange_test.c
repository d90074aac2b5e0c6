/*
 * XENMEM_exchange: chunks of the larger extent, each wholly or not at all (Xen:
 * common/memory.c, memory_exchange).
 */
#include <errno.h>

#include "test/unit/test_mm.h"
#include "test/unit/test_run.h"

/* Frames that test_frame() does not come to, aligned to 16. */
#define LOW 64ul

static struct test_domain *t;
static struct xen_memory_exchange x;
static uint64_t in, out, arg, pages;

static void setup(void)
{
	t = test_domain_new(1, PROFILE_XEN_4_17);
	in = test_alloc(t, PAGE_SIZE);
	out = test_alloc(t, PAGE_SIZE);
	arg = test_alloc(t, sizeof(x));
	pages = t->d->tot_pages;
	x = (struct xen_memory_exchange){
		.in = {.domid = DOMID_SELF},
		.out = {.domid = DOMID_SELF},
	};
	x.in.extent_start.p = (xen_pfn_t *)in;
	x.out.extent_start.p = (xen_pfn_t *)out;
}

static void teardown(void)
{
	test_domain_free(t);
}

static void list(uint64_t va, unsigned i, xen_pfn_t val)
{
	test_write(t, va + i * sizeof(val), &val, sizeof(val));
}

static xen_pfn_t listed(uint64_t va, unsigned i)
{
	xen_pfn_t val;

	test_read(t, va + i * sizeof(val), &val, sizeof(val));
	return val;
}

/* With what `x` says; the answer says how far it came. */
static long call(void)
{
	long rc;

	test_write(t, arg, &x, sizeof(x));
	rc = HCALL(t, 0, __HYPERVISOR_memory_op, XENMEM_exchange, arg);
	test_read(t, arg, &x, sizeof(x));
	return rc;
}

static long exchange(uint64_t nr_in, unsigned in_order, uint64_t nr_out, unsigned out_order)
{
	x.in.nr_extents = nr_in;
	x.in.extent_order = in_order;
	x.out.nr_extents = nr_out;
	x.out.extent_order = out_order;
	x.nr_exchanged = 0;
	return call();
}

/* Frames LOW and on: the guest's, unused, and called as they always were. */
static void assert_kept(unsigned nr)
{
	for (uint64_t f = LOW; f < LOW + nr; f++) {
		ck_assert_ptr_nonnull(mm_page_of_guest(t->d, f));
		ck_assert_uint_eq(t->d->m2p[f], f);
		ck_assert_int_eq(mm_page(t, f)->refs, 0);
	}
	ck_assert_uint_eq(t->d->tot_pages, pages);
}

START_TEST(frames_for_others)
{
	/* Nothing else is free, so the same four come back, with other names. */
	for (unsigned i = 0; i < 4; i++) {
		list(in, i, LOW + 3 - i);
		list(out, i, 0x1000 + i);
	}
	ck_assert_int_eq(exchange(4, 0, 4, 0), 0);
	ck_assert_uint_eq(x.nr_exchanged, 4);
	uint64_t seen = 0;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t mfn = listed(out, i);
		ck_assert_uint_ge(mfn, LOW);
		ck_assert_uint_lt(mfn, LOW + 4);
		ck_assert_uint_eq(t->d->m2p[mfn], 0x1000 + i);
		seen |= 1u << (mfn - LOW);
	}
	ck_assert_uint_eq(seen, 15);
	ck_assert_uint_eq(t->d->tot_pages, pages);
}
END_TEST

START_TEST(single_frames_for_contiguous_ones_and_back)
{
	for (unsigned i = 0; i < 4; i++)
		list(in, i, LOW + i);
	list(out, 0, 0x2000);
	ck_assert_int_eq(exchange(4, 0, 1, 2), 0);
	ck_assert_uint_eq(x.nr_exchanged, 4);
	ck_assert_uint_eq(listed(out, 0), LOW);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_uint_eq(t->d->m2p[LOW + i], 0x2000 + i);
	list(in, 0, LOW);
	for (unsigned i = 0; i < 4; i++)
		list(out, i, LOW + i);
	ck_assert_int_eq(exchange(1, 2, 4, 0), 0);
	ck_assert_uint_eq(x.nr_exchanged, 1);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_uint_eq(t->d->m2p[listed(out, i)], LOW + i);
	ck_assert_uint_eq(t->d->tot_pages, pages);
}
END_TEST

START_TEST(a_chunk_without_contiguous_frames)
{
	uint64_t released = t->frames_released;

	/* Four that are not neighbours make no extent of order 2. */
	for (unsigned i = 0; i < 4; i++)
		list(in, i, LOW + 2 * i);
	ck_assert_int_eq(exchange(4, 0, 1, 2), -ENOMEM);
	ck_assert_uint_eq(x.nr_exchanged, 0);
	ck_assert_uint_eq(t->frames_released, released);
	assert_kept(8);
	/* Nor four neighbours, when two extents of two must be aligned. */
	for (unsigned i = 0; i < 4; i++)
		list(in, i, LOW + 1 + i);
	ck_assert_int_eq(exchange(4, 0, 1, 2), -ENOMEM);
	assert_kept(8);
}
END_TEST

/* What goes before in the same chunk comes back; chunks before stay exchanged. */
START_TEST(a_frame_in_the_middle_that_cannot_go)
{
	struct chain c = chain_new(t);
	const uint64_t bad[] = {c.l1,	       c.leaf, t->d->nr_frames, ~0UL, t->d->shared_info_mfn,
				t->d->m2p_mfn, LOW + 4 /* named before */};

	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, c.l1, 0), 0);
	for (unsigned n = 0; n < sizeof(bad) / sizeof(bad[0]); n++) {
		for (unsigned i = 0; i < 8; i++)
			list(in, i, LOW + i);
		list(in, 6, bad[n]);
		list(out, 0, LOW);
		list(out, 1, 0x3000);
		ck_assert_int_eq(exchange(8, 0, 2, 2), -EINVAL);
		ck_assert_uint_eq(x.nr_exchanged, 4);
		ck_assert_uint_eq(listed(out, 1), 0x3000);
		assert_kept(8);
	}
	ck_assert_int_eq(mm_page(t, c.leaf)->refs, 1);
	ck_assert(mm_page(t, c.l1)->flags & PG_PINNED);
}
END_TEST

START_TEST(a_frame_given_back)
{
	ck_assert_int_eq(mm_free_frame(t->d, LOW), 0);
	list(in, 0, LOW);
	ck_assert_int_eq(exchange(1, 0, 1, 0), -EINVAL);
	ck_assert_uint_eq(x.nr_exchanged, 0);
	ck_assert_uint_eq(t->d->tot_pages, pages - 1);
	/* But the exchange may hand it out. */
	list(in, 0, LOW + 1);
	list(out, 0, 0x4000);
	ck_assert_int_eq(exchange(1, 0, 1, 0), 0);
	ck_assert_uint_eq(listed(out, 0), LOW);
	ck_assert_uint_eq(t->d->m2p[LOW], 0x4000);
	ck_assert_uint_eq(t->d->m2p[LOW + 1], INVALID_MFN);
	ck_assert_uint_eq(t->frames_released, 2);
}
END_TEST

START_TEST(lists_that_cannot_be_read_or_written)
{
	uint64_t ro = 0x5000000000ull, last = in + PAGE_SIZE - sizeof(xen_pfn_t);

	/* The second entry of the chunk is on no page. */
	list(in, PAGE_SIZE / sizeof(xen_pfn_t) - 1, LOW);
	x.in.extent_start.p = (xen_pfn_t *)last;
	ck_assert_int_eq(exchange(2, 0, 1, 1), -EFAULT);
	ck_assert_uint_eq(x.nr_exchanged, 0);
	assert_kept(2);
	/* In Xen's range: before anything else. */
	x.in.extent_start.p = (xen_pfn_t *)XEN_VIRT_START;
	ck_assert_int_eq(exchange(2, 0, 1, 1), -EFAULT);
	/* What is exchanged is exchanged, even when nobody hears of it. */
	x.in.extent_start.p = (xen_pfn_t *)in;
	list(in, 0, LOW);
	test_map(t, ro, test_frame(t), false);
	x.out.extent_start.p = (xen_pfn_t *)ro;
	ck_assert_int_eq(exchange(1, 0, 1, 0), -EFAULT);
	ck_assert_uint_eq(x.nr_exchanged, 0);
	ck_assert_uint_eq(t->d->m2p[LOW], 0);
	ck_assert_uint_eq(t->d->tot_pages, pages);
	/* The argument itself. */
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_memory_op, XENMEM_exchange, TEST_VA_UNMAPPED),
			 -EFAULT);
}
END_TEST

START_TEST(sums_that_do_not_add_up)
{
	list(in, 0, LOW);
	ck_assert_int_eq(exchange(0, 0, 0, 0), 0);
	ck_assert_int_eq(exchange(1, 0, 2, 0), -EINVAL);
	ck_assert_int_eq(exchange(1, 1, 1, 0), -EINVAL);
	ck_assert_int_eq(exchange(1ul << 63, 2, 1ul << 63, 2), -EINVAL);
	/* Orders are looked at first. */
	ck_assert_int_eq(exchange(1, 10, 1, 0), -EPERM);
	ck_assert_int_eq(exchange(1, 0, 1, 64), -EPERM);
	ck_assert_int_eq(exchange(1, ~0u, 1, ~0u), -EPERM);
	x.in.nr_extents = x.out.nr_extents = 1;
	x.in.extent_order = x.out.extent_order = 0;
	x.nr_exchanged = 2;
	ck_assert_int_eq(call(), -EINVAL);
	ck_assert_uint_eq(x.nr_exchanged, 2);
	/* All done before. */
	x.nr_exchanged = 1;
	ck_assert_int_eq(call(), 0);
	assert_kept(1);
}
END_TEST

START_TEST(goes_on_where_it_was)
{
	for (unsigned i = 0; i < 8; i++)
		list(in, i, LOW + i);
	list(in, 0, ~0ul); /* not looked at */
	list(out, 1, 0x5000);
	x.in.nr_extents = 8;
	x.out.nr_extents = 2;
	x.out.extent_order = 2;
	x.nr_exchanged = 4;
	ck_assert_int_eq(call(), 0);
	ck_assert_uint_eq(x.nr_exchanged, 8);
	ck_assert_uint_eq(listed(out, 0), 0);
	ck_assert_uint_eq(listed(out, 1), LOW + 4);
	ck_assert_uint_eq(t->d->m2p[LOW + 4], 0x5000);
}
END_TEST

START_TEST(domains_and_wishes)
{
	static const struct {
		domid_t dom;
		int rc;
	} cases[] = {{1, 0}, {DOMID_SELF, 0}, {0, -EPERM}, {1234, -ESRCH}, {DOMID_IO, -ESRCH}};

	list(in, 0, LOW);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		x.in.domid = x.out.domid = cases[i].dom;
		list(out, 0, LOW);
		ck_assert_msg(exchange(1, 0, 1, 0) == cases[i].rc, "domain %u", cases[i].dom);
	}
	x.in.domid = DOMID_SELF;
	x.out.domid = 1; /* the same, but not the same number */
	ck_assert_int_eq(exchange(1, 0, 1, 0), -EINVAL);
	x.out.domid = DOMID_SELF;
	/* Below 256 KiB there is no free frame; below 512 KiB there is. */
	x.out.mem_flags = XENMEMF_address_bits(18);
	ck_assert_int_eq(exchange(1, 0, 1, 0), -ENOMEM);
	assert_kept(1);
	x.out.mem_flags = XENMEMF_address_bits(19);
	ck_assert_int_eq(exchange(1, 0, 1, 0), 0);
	/* An exact node is for the privileged. */
	x.out.mem_flags = XENMEMF_exact_node(0);
	ck_assert_int_eq(exchange(1, 0, 1, 0), -EINVAL);
	assert_kept(1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		frames_for_others,
		single_frames_for_contiguous_ones_and_back,
		a_chunk_without_contiguous_frames,
		a_frame_in_the_middle_that_cannot_go,
		a_frame_given_back,
		lists_that_cannot_be_read_or_written,
		sums_that_do_not_add_up,
		goes_on_where_it_was,
		domains_and_wishes,
	};

	return RUN_TESTS("memory_exchange", setup, teardown, tests);
}
