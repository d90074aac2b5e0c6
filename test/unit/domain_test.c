/*
 * A domain's life: what domain_create sets up and refuses, the heap, the M2P,
 * and that it ends once.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "pvabi/m2p.h"
#include "pvabi/grant_table.h"
#include "pvabi/mm.h"
#include "test/unit/test_domain.h"
#include "test/unit/test_run.h"

static struct test_domain *t;

static void setup(void)
{
	t = test_domain_new(3, PROFILE_XEN_4_17);
}

static void teardown(void)
{
	test_domain_free(t);
}

static struct domain_config config(void)
{
	return (struct domain_config){
		.domid = 2,
		.name = "other",
		.profile = PROFILE_XEN_4_17,
		.nr_vcpus = 1,
		.nr_ram = 512,
		.heap_start = 512,
		.heap_frames = domain_heap_frames(512, 1, NULL),
	};
}

static void *memory_of(const struct domain_config *c)
{
	return mmap(NULL, (c->heap_start + c->heap_frames) * PAGE_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/* On the host of the fixture's domain; destroyed at once when it comes to be. */
static int try_create(struct domain_config c)
{
	void *memory = memory_of(&c);
	struct domain *d;

	c.memory = memory;
	d = domain_create(&c, t->d->ops, t);
	if (!d)
		return -errno;
	domain_destroy(d);
	return 0;
}

START_TEST(test_new_domain)
{
	const struct domain *d = t->d;

	ck_assert_uint_eq(d->nr_vcpus, 3);
	ck_assert_uint_eq(d->tot_pages, TEST_RAM_FRAMES);
	ck_assert_ptr_nonnull(d->grant_table);
	ck_assert_ptr_eq(frame_ptr(d, d->shared_info_mfn), d->shared_info);
	ck_assert_ptr_null(frame_ptr(d, d->nr_frames));
	ck_assert_ptr_null(frame_ptr(d, INVALID_MFN));
	for (unsigned i = 0; i < 3; i++) {
		const struct vcpu *v = d->vcpu[i];

		ck_assert_ptr_eq(v->domain, d);
		ck_assert_uint_eq(v->id, i);
		ck_assert_ptr_eq(v->vcpu_info, &d->shared_info->vcpu_info[i]);
		ck_assert_uint_eq(v->vcpu_info->evtchn_upcall_mask, 1);
	}
	/* The guest may map shared_info, and not the M2P for writing. */
	ck_assert_ptr_nonnull(mm_page_of_guest(d, d->shared_info_mfn));
	ck_assert_ptr_null(mm_page_of_guest(d, d->m2p_mfn));
}
END_TEST

START_TEST(test_m2p)
{
	struct domain_config c = config();
	struct domain *d;

	c.heap_start = 700; /* a gap between RAM and heap */
	c.memory = memory_of(&c);
	d = domain_create(&c, t->d->ops, t);
	ck_assert_ptr_nonnull(d);
	ck_assert_uint_eq(d->nr_m2p, d->nr_frames);
	ck_assert_uint_eq(d->m2p_va, 0xffff800000000000ull);
	ck_assert_uint_eq(m2p_get(d, 511), 511);
	for (uint64_t i = 512; i < d->nr_m2p; i++)
		ck_assert_uint_eq(m2p_get(d, i), INVALID_MFN);
	domain_destroy(d);
}
END_TEST

START_TEST(test_bad_configurations)
{
	struct domain_config c = config();

	ck_assert_int_eq(try_create(c), 0);
#define REFUSED(field, value, rc)                    \
	do {                                         \
		c = config();                        \
		c.field = value;                     \
		ck_assert_int_eq(try_create(c), rc); \
	} while (0)
	REFUSED(nr_vcpus, 0, -EINVAL);
	REFUSED(nr_vcpus, MAX_VCPUS + 1, -EINVAL);
	REFUSED(nr_ram, 0, -EINVAL);
	REFUSED(nr_ram, 513, -EINVAL);
	REFUSED(profile, NR_PROFILES, -EINVAL);
	REFUSED(domid, DOMID_FIRST_RESERVED, -EINVAL);
	REFUSED(heap_frames, 0, -EINVAL);
	/* Too small for what has to go into it, at every stage. */
	for (uint64_t n = 1; n < 4; n++)
		REFUSED(heap_frames, n, -ENOMEM);
#undef REFUSED
	c = config();
	c.nr_vcpus = MAX_VCPUS;
	ck_assert_int_eq(try_create(c), 0);
	domain_destroy(NULL);
}
END_TEST

/* A terabyte of guest: only what is used of its tables takes memory. */
START_TEST(test_huge_domain)
{
	struct domain_config c = config();

	c.nr_ram = c.heap_start = 1ull << 28;
	c.heap_frames = domain_heap_frames(c.nr_ram, 1, NULL);
	ck_assert_int_eq(try_create(c), 0);
}
END_TEST

START_TEST(test_heap_budget)
{
	struct domain *d = t->d;
	uint64_t left = d->nr_frames - d->heap_next;

	/* What domain_heap_frames counts in: all grant and status frames. */
	ck_assert_int_eq(grant_table_set_version(d, 2), 0);
	ck_assert_int_eq(grant_table_grow(d, GRANT_FRAMES_DEFAULT), 0);
	ck_assert_uint_eq(left - (d->nr_frames - d->heap_next),
			  GRANT_FRAMES_DEFAULT - 1 + GRANT_STATUS_FRAMES(GRANT_FRAMES_DEFAULT));
}
END_TEST

START_TEST(test_heap_alloc)
{
	struct domain *d = t->d;
	uint64_t a = heap_alloc(d, 1, 1), b = heap_alloc(d, 2, 1), c = heap_alloc(d, 3, 16);

	ck_assert_uint_ge(a, d->heap_start);
	ck_assert_uint_eq(b, a + 1);
	ck_assert_uint_ge(c, b + 2);
	ck_assert_uint_eq(c % 16, 0);
	ck_assert_uint_eq(heap_alloc(d, 0, 1), INVALID_MFN);
	ck_assert_uint_eq(heap_alloc(d, ~0ull, 1), INVALID_MFN);
	ck_assert_uint_eq(heap_alloc(d, 1, 1ull << 40), INVALID_MFN);
	ck_assert_uint_eq(heap_alloc(d, 1, 1), c + 3);
	while (heap_alloc(d, 1, 1) != INVALID_MFN)
		;
	ck_assert_uint_eq(d->heap_next, d->nr_frames);
}
END_TEST

START_TEST(test_shutdown_once)
{
	domain_shutdown(t->d, SHUTDOWN_reboot);
	domain_shutdown(t->d, SHUTDOWN_poweroff);
	domain_crash(t->d, "too late");
	ck_assert_uint_eq(t->shutdowns, 1);
	ck_assert_uint_eq(t->shutdown_reason, SHUTDOWN_reboot);
	ck_assert_uint_eq(t->d->shutdown_code, SHUTDOWN_reboot);
	ck_assert_str_eq(t->d->crash_reason, "");
}
END_TEST

START_TEST(test_crash)
{
	domain_crash(t->d, "vcpu %d: %0300d", 3, 5);
	domain_crash(t->d, "second");
	ck_assert(t->d->is_shut_down);
	ck_assert_uint_eq(t->shutdowns, 1);
	ck_assert_uint_eq(t->d->shutdown_code, SHUTDOWN_crash);
	ck_assert_int_eq(strncmp(t->d->crash_reason, "vcpu 3: 000", 11), 0);
	ck_assert_uint_eq(strlen(t->d->crash_reason), sizeof(t->d->crash_reason) - 1);
}
END_TEST

/* SCHEDOP_shutdown_code: the code given before stands. */
START_TEST(test_shutdown_code)
{
	t->d->shutdown_code = SHUTDOWN_suspend;
	t->d->shutdown_code_set = true;
	domain_crash(t->d, "x");
	ck_assert_uint_eq(t->shutdown_reason, SHUTDOWN_suspend);
}
END_TEST

static void *ender(void *arg)
{
	domain_shutdown(t->d, (uintptr_t)arg);
	return NULL;
}

START_TEST(test_shutdown_race)
{
	pthread_t th[4];

	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&th[i], NULL, ender, (void *)(i + 1));
	for (unsigned i = 0; i < 4; i++)
		pthread_join(th[i], NULL);
	ck_assert_uint_eq(t->shutdowns, 1);
	ck_assert_uint_eq(t->shutdown_reason, t->d->shutdown_code);
}
END_TEST

START_TEST(test_log)
{
	domain_log(t->d, LOG_INFO, "%s %u", "number", 7);
	ck_assert_str_eq(t->log_last, "number 7");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_new_domain,    test_m2p,	      test_bad_configurations,
		test_huge_domain,   test_heap_budget, test_heap_alloc,
		test_shutdown_once, test_crash,	      test_shutdown_code,
		test_shutdown_race, test_log,
	};

	return RUN_TESTS("domain", setup, teardown, tests);
}
