/*
 * Guest memory: walks, and copies that cross pages, meet bad addresses, lack
 * permission, or go through large pages.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/test_domain.h"
#include "test/unit/test_run.h"

#define RW (TEST_PTE_P | TEST_PTE_RW | TEST_PTE_US)

static struct test_domain *t;
static struct vcpu *v;

static void setup(void)
{
	t = test_domain_new(2, PROFILE_XEN_4_17);
	v = t->d->vcpu[0];
}

static void teardown(void)
{
	test_domain_free(t);
}

static int from(uint64_t va, size_t len)
{
	char buf[3 * PAGE_SIZE];

	return guest_copy_from(v, buf, va, len);
}

static int to(uint64_t va, size_t len)
{
	char buf[3 * PAGE_SIZE] = {0};

	return guest_copy_to(v, va, buf, len);
}

/* Entry of the common tables at `level` for va. */
static uint64_t *entry(uint64_t va, unsigned level)
{
	uint64_t *table = frame_ptr(t->d, t->l4);

	for (unsigned l = 4; l > level; l--)
		table = frame_ptr(t->d, table[va >> (12 + 9 * (l - 1)) & 511] << 12 >> 24);
	return &table[va >> (12 + 9 * (level - 1)) & 511];
}

START_TEST(test_copy_crosses_pages)
{
	uint64_t va = test_alloc(t, 3 * PAGE_SIZE) + 1000;
	char in[2 * PAGE_SIZE], out[2 * PAGE_SIZE];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (char)(i * 7 + i / 256);
	ck_assert_int_eq(guest_copy_to(v, va, in, sizeof(in)), 0);
	ck_assert_int_eq(guest_copy_from(v, out, va, sizeof(out)), 0);
	ck_assert_mem_eq(in, out, sizeof(in));
	test_read(t, va, out, sizeof(out));
	ck_assert_mem_eq(in, out, sizeof(in));
}
END_TEST

START_TEST(test_copy_stops_at_hole)
{
	uint64_t va = test_alloc(t, PAGE_SIZE);

	ck_assert_int_eq(from(va, PAGE_SIZE), 0);
	ck_assert_int_eq(from(va + 1, PAGE_SIZE), -EFAULT);
	ck_assert_int_eq(to(va + PAGE_SIZE - 1, 1), 0);
	ck_assert_int_eq(to(va + PAGE_SIZE - 1, 2), -EFAULT);
	ck_assert_int_eq(from(va + PAGE_SIZE, 1), -EFAULT);
	ck_assert_int_eq(from(TEST_VA_UNMAPPED, 8), -EFAULT);
	ck_assert_int_eq(from(0, 8), -EFAULT);
}
END_TEST

START_TEST(test_copy_of_nothing)
{
	ck_assert_int_eq(from(TEST_VA_UNMAPPED, 0), 0);
	ck_assert_int_eq(to(XEN_VIRT_START, 0), 0);
}
END_TEST

START_TEST(test_bad_addresses)
{
	static const uint64_t bad[] = {
		0x800000000000ull,     0xffff7fffffffffffull, XEN_VIRT_START, XEN_VIRT_START + 123,
		XEN_VIRT_END - 1,      0x8000000000000000ull, ~0ull - 3,      ~0ull,
		0x0000ffffffffffffull,
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(from(bad[i], 8), -EFAULT);
		ck_assert_int_eq(to(bad[i], 8), -EFAULT);
	}
}
END_TEST

/* Xen's slots are refused even when the guest's own tables would lead somewhere. */
START_TEST(test_xen_range_is_refused)
{
	uint64_t va = test_alloc(t, PAGE_SIZE);
	uint64_t *l4 = frame_ptr(t->d, t->l4);

	l4[256] = l4[va >> 39 & 511];
	ck_assert_int_eq(from(XEN_VIRT_START | (va & 0x7fffffffffull), 8), -EFAULT);
	l4[272] = l4[va >> 39 & 511];
	ck_assert_int_eq(from(XEN_VIRT_END | (va & 0x7fffffffffull), 8), 0);
}
END_TEST

START_TEST(test_last_page_of_address_space)
{
	uint64_t va = ~0ull - PAGE_SIZE + 1;

	test_map(t, va, test_frame(t), true);
	ck_assert_int_eq(to(va, PAGE_SIZE), 0);
	ck_assert_int_eq(from(va, PAGE_SIZE), 0);
	ck_assert_int_eq(from(~0ull, 1), 0);
	ck_assert_int_eq(from(~0ull, 2), -EFAULT);
	ck_assert_int_eq(from(va, PAGE_SIZE + 1), -EFAULT);
}
END_TEST

START_TEST(test_permissions)
{
	uint64_t va = test_alloc(t, PAGE_SIZE);

	for (unsigned level = 1; level <= 4; level++) {
		uint64_t *e = entry(va, level), saved = *e;

		*e = saved & ~TEST_PTE_RW;
		ck_assert_int_eq(from(va, 8), 0);
		ck_assert_int_eq(to(va, 8), -EFAULT);
		*e = saved & ~TEST_PTE_US;
		ck_assert_int_eq(from(va, 8), -EFAULT);
		ck_assert_int_eq(to(va, 8), -EFAULT);
		*e = saved & ~TEST_PTE_P;
		ck_assert_int_eq(from(va, 8), -EFAULT);
		*e = saved | 1ull << 63; /* no-execute is no obstacle to data */
		ck_assert_int_eq(to(va, 8), 0);
		*e = saved;
		ck_assert_int_eq(to(va, 8), 0);
	}
}
END_TEST

START_TEST(test_accessed_and_dirty)
{
	uint64_t va = test_alloc(t, PAGE_SIZE);

	ck_assert_int_eq(from(va, 1), 0);
	for (unsigned level = 1; level <= 4; level++)
		ck_assert(*entry(va, level) & TEST_PTE_A);
	ck_assert(!(*entry(va, 1) & TEST_PTE_D));
	ck_assert_int_eq(to(va, 1), 0);
	ck_assert(*entry(va, 1) & TEST_PTE_D);
	for (unsigned level = 2; level <= 4; level++)
		ck_assert(!(*entry(va, level) & TEST_PTE_D));
}
END_TEST

START_TEST(test_failed_access_leaves_no_trace)
{
	uint64_t va = test_alloc(t, PAGE_SIZE);

	*entry(va, 1) &= ~TEST_PTE_RW;
	ck_assert_int_eq(to(va, 1), -EFAULT);
	ck_assert(!(*entry(va, 1) & (TEST_PTE_A | TEST_PTE_D)));
}
END_TEST

START_TEST(test_walk_reports)
{
	uint64_t va = test_alloc(t, PAGE_SIZE) + 0x123;
	struct guest_walk w;

	ck_assert(guest_walk(t->d, t->l4, va, &w));
	ck_assert(w.present && w.writable && w.user);
	ck_assert_uint_eq(w.level, 1);
	ck_assert_uint_eq(w.maddr & 0xfff, 0x123);
	ck_assert_uint_eq(w.pte, *entry(va, 1));
	ck_assert_ptr_eq(t->memory + w.pte_maddr, entry(va, 1));

	ck_assert(guest_walk(t->d, t->l4, va + PAGE_SIZE, &w));
	ck_assert(!w.present && !w.writable && !w.user);
	ck_assert_uint_eq(w.level, 1);
	ck_assert(guest_walk(t->d, t->l4, TEST_VA_UNMAPPED, &w));
	ck_assert(!w.present);
	ck_assert_uint_eq(w.level, 4);
	*entry(va, 2) = 0;
	ck_assert(guest_walk(t->d, t->l4, va, &w));
	ck_assert_uint_eq(w.level, 2);

	ck_assert(!guest_walk(t->d, t->l4, 0x800000000000ull, &w));
	ck_assert(!w.present);
	ck_assert(!guest_walk(t->d, t->d->nr_frames, va, &w));
	ck_assert(!guest_walk(t->d, INVALID_MFN, va, &w));
}
END_TEST

START_TEST(test_walk_leaves_memory)
{
	uint64_t va = test_alloc(t, PAGE_SIZE);
	uint64_t outside = t->d->nr_frames * PAGE_SIZE;
	struct guest_walk w;

	for (unsigned level = 1; level <= 4; level++) {
		uint64_t *e = entry(va, level), saved = *e;

		*e = outside | RW;
		ck_assert(!guest_walk(t->d, t->l4, va, &w));
		ck_assert(!w.present);
		ck_assert_int_eq(to(va, 8), -EFAULT);
		*e = 0x000ffffffffff000ull | RW;
		ck_assert_int_eq(from(va, 8), -EFAULT);
		*e = saved;
	}
}
END_TEST

START_TEST(test_large_pages)
{
	uint64_t va = test_alloc(t, PAGE_SIZE), mark = 0x1122334455667788;
	struct guest_walk w;

	/* 2 MiB: frames 512 to 1023. */
	*entry(va, 2) = 512 * PAGE_SIZE | RW | TEST_PTE_PS | 1ull << 12 /* PAT */;
	ck_assert_int_eq(guest_copy_to(v, (va & ~0x1fffffull) + 0x1ff8 + 4, &mark, 8), 0);
	ck_assert_mem_eq(t->memory + 512 * PAGE_SIZE + 0x1ff8 + 4, &mark, 8);
	ck_assert(*entry(va, 2) & TEST_PTE_D);
	ck_assert(guest_walk(t->d, t->l4, va, &w));
	ck_assert_uint_eq(w.level, 2);
	/* It reaches beyond memory: up to the end only. */
	*entry(va, 2) = (t->d->nr_frames & ~511ul) * PAGE_SIZE | RW | TEST_PTE_PS;
	ck_assert_int_eq(from((va | 0x1fffff) - 8, 8), -EFAULT);
	/* 1 GiB, and what no processor knows. */
	*entry(va, 3) = RW | TEST_PTE_PS;
	ck_assert_int_eq(from(va & ~0x3fffffffull, 8), 0);
	ck_assert_int_eq(from((va & ~0x3fffffffull) + 0x3ffffff0, 8), -EFAULT);
	*entry(va, 4) |= TEST_PTE_PS;
	ck_assert_int_eq(from(va & ~0x3fffffffull, 8), -EFAULT);
	ck_assert(!guest_walk(t->d, t->l4, va, &w));
}
END_TEST

START_TEST(test_table_that_points_to_itself)
{
	uint64_t *l4 = frame_ptr(t->d, t->l4);
	uint64_t va = 5ull << 39 | 5ull << 30 | 5ull << 21 | 5ull << 12, e;

	l4[5] = t->l4 * PAGE_SIZE | RW;
	ck_assert_int_eq(guest_copy_from(v, &e, va + 5 * 8, 8), 0);
	ck_assert_uint_eq(e & ~TEST_PTE_D, l4[5] & ~TEST_PTE_D);
}
END_TEST

START_TEST(test_user_tables)
{
	uint64_t va = test_alloc(t, PAGE_SIZE);

	v->guest_table_user = test_frame(t);
	v->kernel_mode = false;
	ck_assert_int_eq(from(va, 8), -EFAULT);
	v->kernel_mode = true;
	ck_assert_int_eq(from(va, 8), 0);
}
END_TEST

/* Page tables of rubbish: whatever they say, we stay inside the domain. */
START_TEST(test_random_tables)
{
	uint64_t *frames = frame_ptr(t->d, 64);
	uint64_t x = 88172645463325252ull;

	for (size_t i = 0; i < 64 * 512; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		frames[i] = x % 8 ? (64 + x % 64) * PAGE_SIZE | (x >> 20 & 0xfff) | TEST_PTE_P : x;
	}
	v->guest_table = 64;
	for (size_t i = 0; i < 200000; i++) {
		char buf[64];

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		if (x & 1)
			guest_copy_from(v, buf, (int64_t)(x << 16) >> 16, x % sizeof(buf));
		else
			guest_copy_from(v, buf, x, x % sizeof(buf));
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_copy_crosses_pages,
		test_copy_stops_at_hole,
		test_copy_of_nothing,
		test_bad_addresses,
		test_xen_range_is_refused,
		test_last_page_of_address_space,
		test_permissions,
		test_accessed_and_dirty,
		test_failed_access_leaves_no_trace,
		test_walk_reports,
		test_walk_leaves_memory,
		test_large_pages,
		test_table_that_points_to_itself,
		test_user_tables,
		test_random_tables,
	};

	return RUN_TESTS("guest_access", setup, teardown, tests);
}
