/*
 * A machine whose RAM has a hole for devices: frames, the M2P, what the guest is given and
 * what it can be given later, its memory map, and the domain builder in it.
 */
#include <errno.h>
#include <string.h>

#include "test/unit/test_build.h"
#include "test/unit/test_run.h"
#include "vmm/build_internal.h"

#define HOLE	 6144ul
#define FRAMES	 2048ul
#define AFTER	 (HOLE + FRAMES)
#define MEMORY	 32ul /* MiB that the guest has: 6144 frames below, 2048 above */
#define SPARE	 1024ul
#define NR_PAGES (MEMORY * MIB_FRAMES)

static struct built b;
static struct domain *d;

static void setup(void)
{
	built_linux(&b, MEMORY);
	test_domain_free(b.t);
	b.t = test_domain_with_hole(NR_PAGES + FRAMES + SPARE, NR_PAGES, HOLE, FRAMES);
	d = b.t->d;
}

static void teardown(void)
{
	built_free(&b);
}

START_TEST(frames)
{
	ck_assert_uint_eq(d->tot_pages, NR_PAGES);
	ck_assert_uint_eq(d->ram_used, NR_PAGES + FRAMES);
	ck_assert_uint_eq(domain_ram_frame(d, HOLE - 1), HOLE - 1);
	ck_assert_uint_eq(domain_ram_frame(d, HOLE), AFTER);
	for (uint64_t mfn = HOLE; mfn < AFTER; mfn++) {
		ck_assert_ptr_null(frame_ptr(d, mfn));
		ck_assert_ptr_null(mm_page_of_guest(d, mfn));
		ck_assert(!domain_is_memory(d, mfn));
		ck_assert_uint_eq(d->m2p[mfn], INVALID_MFN);
	}
	ck_assert_ptr_nonnull(frame_ptr(d, HOLE - 1));
	ck_assert_ptr_nonnull(mm_page_of_guest(d, AFTER));
	ck_assert_int_eq(domain_permit_iomem(d, HOLE, FRAMES), 0);
	ck_assert_int_eq(domain_permit_iomem(d, HOLE - 1, 1), -EINVAL);
	ck_assert_int_eq(domain_permit_iomem(d, HOLE, FRAMES + 1), -EINVAL);
	/* No entry without the right, and no table there. */
	ck_assert_int_eq(mm_l1e_get(d, (AFTER - 1) << PAGE_SHIFT | PTE_P), PTE_PWT | PTE_PCD);
	ck_assert_int_eq(domain_revoke_iomem(d, HOLE, FRAMES), 0);
	ck_assert_int_eq(mm_l1e_get(d, HOLE << PAGE_SHIFT | PTE_P), -EPERM);
	ck_assert_int_lt(mm_get_page_and_type(d, HOLE, PGT_L1), 0);
	ck_assert_int_eq(mm_free_frame(d, HOLE), -EINVAL);
}
END_TEST

/* The balloon's: behind what it has, and across the hole. */
START_TEST(more_frames)
{
	uint64_t mfn;

	d->max_pages = NR_PAGES + SPARE;
	ck_assert_uint_eq(mm_alloc_frames(d, 0, 0), NR_PAGES + FRAMES);
	ck_assert_uint_eq(mm_alloc_frames(d, 9, 0) % 512, 0);
	while ((mfn = mm_alloc_frames(d, 0, 0)) != INVALID_MFN)
		ck_assert(domain_is_memory(d, mfn));
	ck_assert_uint_eq(d->tot_pages, NR_PAGES + SPARE);
	test_domain_free(b.t);
	/* It begins below the hole, and grows over it. */
	b.t = test_domain_with_hole(NR_PAGES + FRAMES, HOLE - 100, HOLE, FRAMES);
	d = b.t->d;
	ck_assert_uint_eq(d->ram_used, HOLE - 100);
	d->max_pages = NR_PAGES;
	ck_assert_uint_eq(mm_alloc_frames(d, 0, 0), HOLE - 100);
	ck_assert_uint_eq(mm_alloc_frames(d, 8, 0), AFTER);
	while ((mfn = mm_alloc_frames(d, 0, 0)) != INVALID_MFN)
		ck_assert(domain_is_memory(d, mfn));
	ck_assert_uint_eq(d->tot_pages, NR_PAGES);
}
END_TEST

/* What Linux's xen_create_contiguous_region() does: scattered frames from above 4 GiB for
 * contiguous ones below. */
START_TEST(spare_frames)
{
	uint64_t in[64], out;

	test_domain_free(b.t);
	b.t = test_domain_with_spare_hole(NR_PAGES + FRAMES + 256, NR_PAGES, HOLE, FRAMES, 256);
	d = b.t->d;
	ck_assert_uint_eq(d->tot_pages, NR_PAGES);
	ck_assert_uint_eq(domain_ram_frame(d, HOLE - 257), HOLE - 257);
	ck_assert_uint_eq(domain_ram_frame(d, HOLE - 256), AFTER);
	ck_assert_uint_eq(d->ram_used, NR_PAGES + FRAMES + 256);
	ck_assert_ptr_null(mm_page_of_guest(d, HOLE - 1));
	ck_assert_uint_eq(d->m2p[HOLE - 1], INVALID_MFN);
	for (unsigned i = 0; i < 64; i++)
		in[i] = AFTER + 3 * i;
	/* 2^24: HOLE is 24 MiB. */
	ck_assert_int_eq(mm_exchange_frames(d, in, 64, &out, 1, 6, 24), -ENOMEM);
	ck_assert_int_eq(mm_exchange_frames(d, in, 64, &out, 1, 6, 25), 0);
	ck_assert_uint_eq(out, HOLE - 256);
	ck_assert_uint_eq(d->tot_pages, NR_PAGES);
	ck_assert_ptr_nonnull(mm_page_of_guest(d, out));
	/* Who does not care gets others first. */
	d->max_pages = NR_PAGES + 256;
	for (unsigned i = 0; i < 64; i++)
		ck_assert_uint_eq(mm_alloc_frames(d, 0, 0), AFTER + 3 * i);
	ck_assert_uint_eq(mm_alloc_frames(d, 0, 0), HOLE - 192);
	ck_assert_uint_eq(mm_alloc_frames(d, 0, 0), HOLE - 191);
}
END_TEST

static void build(enum p2m_order order)
{
	b.p.p2m = order;
	b.p.p2m_seed = 7;
	built_ok(&b);
	ck_assert_uint_eq(b.si->nr_pages, NR_PAGES);
	for (uint64_t pfn = 0; pfn < NR_PAGES; pfn++) {
		uint64_t mfn = built_p2m(&b, pfn);

		ck_assert(domain_is_memory(d, mfn));
		ck_assert_uint_eq(d->m2p[mfn], pfn);
		if (order == P2M_IDENTITY)
			ck_assert_uint_eq(mfn, pfn < HOLE ? pfn : pfn + FRAMES);
	}
}

START_TEST(built_in_order)
{
	build(P2M_IDENTITY);
}
END_TEST

START_TEST(built_shuffled)
{
	build(P2M_SHUFFLE);
}
END_TEST

struct e820 {
	uint64_t addr, size;
	uint32_t type;
} __attribute__((packed));

/* libxl_x86.c, e820_sanitize(), of a PC with RAM up to 3.5 GiB and from 4 GiB on. */
START_TEST(memory_map)
{
	static const uint64_t start = 0xe0000, end = 0xfec00, four = 0x100000;
	const struct {
		uint64_t now, balloon;
		unsigned nr;
		struct e820 map[4];
	} c[] = {
		{0x20000,
		 0,
		 3,
		 {{0, 0x20000, 1}, {0x20000, start - 0x20000, 5}, {end, four - end, 2}}},
		{0x20000,
		 0x8000,
		 4,
		 {{0, 0x20000, 1},
		  {0x20000, start - 0x20000, 5},
		  {end, four - end, 2},
		  {four, 0x8000, 1}}},
		{start, 0, 2, {{0, start, 1}, {end, four - end, 2}}},
		{0x180000,
		 0x100,
		 3,
		 {{0, start, 1}, {end, four - end, 2}, {four, 0x180000 - start + 0x100, 1}}},
	};

	for (unsigned i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		ck_assert_int_eq(domain_map_hole(d, start, end, c[i].now, c[i].balloon), 0);
		ck_assert_uint_eq(d->nr_memory_map, c[i].nr);
		const struct e820 *m = (const struct e820 *)d->memory_map;
		for (unsigned k = 0; k < c[i].nr; k++) {
			ck_assert_uint_eq(m[k].addr, c[i].map[k].addr * PAGE_SIZE);
			ck_assert_uint_eq(m[k].size, c[i].map[k].size * PAGE_SIZE);
			ck_assert_uint_eq(m[k].type, c[i].map[k].type);
		}
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		frames, more_frames, spare_frames, built_in_order, built_shuffled, memory_map,
	};

	built_setup();
	return RUN_TESTS("machine_hole", setup, teardown, tests);
}
