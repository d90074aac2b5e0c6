/*
 * The order of RAM, and an M2P that is written when it is looked at.
 */
#include <check.h>
#include <string.h>

#include "pvabi/m2p.h"
#include "pvabi/mm.h"
#include "test/unit/test_domain.h"
#include "test/unit/test_run.h"

/* Too large for test_domain to write its M2P. */
#define NR (5ul << 20)

static struct test_domain *t;
static struct domain *d;

static void setup(void)
{
	t = test_domain_fresh(NR, 1, PROFILE_XEN_4_17);
	d = t->d;
}

static void teardown(void)
{
	test_domain_free(t);
}

static unsigned written(void)
{
	unsigned n = 0;

	for (uint64_t chunk = 0; chunk * M2P_CHUNK < d->nr_m2p; chunk++)
		n += m2p_is_written(d, chunk);
	return n;
}

/* Of sizes on both sides of powers of two: every number comes once, and the way back leads
 * where it came from. */
START_TEST(a_permutation)
{
	static const uint64_t sizes[] = {1,  2,	   3,	 4,	5,     63,    64,
					 65, 1000, 4096, 16383, 16385, 100000};
	static uint8_t seen[100000];
	struct ram_order o;

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (uint64_t seed = 0; seed < 5; seed++) {
			uint64_t nr = sizes[i];

			ram_order_shuffle(&o, nr, seed);
			memset(seen, 0, sizeof(seen));
			for (uint64_t n = 0; n < nr; n++) {
				uint64_t at = ram_order_at(&o, n);

				ck_assert_uint_lt(at, nr);
				ck_assert_uint_eq(seen[at]++, 0);
				ck_assert_uint_eq(ram_order_of(&o, at), n);
			}
		}
}
END_TEST

/* Neighbours do not stay neighbours, nor do numbers keep their lowest bits. */
START_TEST(looks_random)
{
	const uint64_t nr = 1 << 18;
	struct ram_order o;
	unsigned pairs = 0, bits[8] = {0};

	for (uint64_t seed = 1; seed < 4; seed++) {
		ram_order_shuffle(&o, nr, seed);
		for (uint64_t n = 0; n + 1 < nr; n++) {
			uint64_t a = ram_order_at(&o, n), b = ram_order_at(&o, n + 1);

			pairs += b - a == 1 || a - b == 1;
			for (unsigned k = 0; k < 8; k++)
				bits[k] += (a ^ n) >> k & 1;
		}
	}
	ck_assert_uint_lt(pairs, 100);
	for (unsigned k = 0; k < 8; k++) {
		ck_assert_uint_gt(bits[k], 3 * nr / 4);
		ck_assert_uint_lt(bits[k], 3 * nr * 3 / 4);
	}
}
END_TEST

START_TEST(nothing_is_written_at_first)
{
	ck_assert_uint_eq(written(), 0);
	ck_assert_uint_eq(m2p_get(d, 0), 0);
	ck_assert_uint_eq(m2p_get(d, NR - 1), NR - 1);
	ck_assert_uint_eq(m2p_get(d, NR), INVALID_MFN);
	ck_assert_uint_eq(m2p_get(d, d->nr_m2p - 1), INVALID_MFN);
	ck_assert_uint_eq(written(), 0);
}
END_TEST

START_TEST(changes_write_a_chunk)
{
	/* What it says anyway needs none. */
	m2p_set(d, 77, 77);
	ck_assert_uint_eq(written(), 0);
	m2p_set(d, 3 * M2P_CHUNK + 5, 42);
	ck_assert_uint_eq(written(), 1);
	ck_assert(m2p_is_written(d, 3));
	ck_assert_uint_eq(m2p_get(d, 3 * M2P_CHUNK + 5), 42);
	for (uint64_t i = 6; i < M2P_CHUNK; i++)
		ck_assert_uint_eq(d->m2p[3 * M2P_CHUNK + i], 3 * M2P_CHUNK + i);
	/* Back to what it said at first is a change, now. */
	m2p_set(d, 3 * M2P_CHUNK + 5, 3 * M2P_CHUNK + 5);
	ck_assert_uint_eq(d->m2p[3 * M2P_CHUNK + 5], 3 * M2P_CHUNK + 5);
	/* A chunk that is written again keeps what is in it. */
	m2p_set(d, 3 * M2P_CHUNK, 9);
	m2p_write(d, 3);
	ck_assert_uint_eq(m2p_get(d, 3 * M2P_CHUNK), 9);
}
END_TEST

/* The last chunk is not a whole one, and memory behind the last entry says INVALID, too. */
START_TEST(the_end)
{
	uint64_t chunk = (d->nr_m2p - 1) / M2P_CHUNK;
	uint64_t end = m2p_frames(d->nr_m2p) * (PAGE_SIZE / 8);

	m2p_write(d, chunk);
	for (uint64_t mfn = d->nr_m2p - 1; mfn < end; mfn++)
		ck_assert_uint_eq(d->m2p[mfn], INVALID_MFN);
}
END_TEST

/* What was written before the order is known is written again. */
START_TEST(another_order)
{
	struct ram_order o;

	m2p_write(d, 2);
	ram_order_shuffle(&o, NR, 7);
	m2p_order(d, &o);
	for (uint64_t pfn = 0; pfn < NR; pfn += 101)
		ck_assert_uint_eq(m2p_get(d, domain_ram_frame(d, ram_order_at(&o, pfn))), pfn);
	for (uint64_t mfn = 2 * M2P_CHUNK; mfn < 3 * M2P_CHUNK; mfn++)
		ck_assert_uint_eq(d->m2p[mfn], ram_order_of(&o, mfn));
}
END_TEST

/* Frames that go and come are named as ever. */
START_TEST(given_back)
{
	const uint64_t mfn = 5 * M2P_CHUNK + 1;

	ck_assert_int_eq(mm_free_frame(d, mfn), 0);
	ck_assert_uint_eq(m2p_get(d, mfn), INVALID_MFN);
	ck_assert_uint_eq(m2p_get(d, mfn + 1), mfn + 1);
	ck_assert_uint_eq(mm_alloc_frames(d, 0, 0), mfn);
	mm_frames_name(d, mfn, 0x1234, 1);
	ck_assert_uint_eq(m2p_get(d, mfn), 0x1234);
	ck_assert_uint_eq(written(), 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_permutation,
		looks_random,
		nothing_is_written_at_first,
		changes_write_a_chunk,
		the_end,
		another_order,
		given_back,
	};

	return RUN_TESTS("m2p", setup, teardown, tests);
}
