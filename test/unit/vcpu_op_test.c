/*
 * vcpu_op: every sub-operation and its errors, as Xen 4.17 answers (common/domain.c,
 * common_vcpu_op; arch/x86/domain.c, do_vcpu_op).
 */
#include <errno.h>
#include <string.h>

#include "pvabi/mm.h"
#include "test/unit/test_domain.h"
#include "test/unit/test_run.h"

#define NR_VCPUS 3

static struct test_domain *t;
static struct vcpu *v, *other;

static void setup(void)
{
	t = test_domain_new(NR_VCPUS, PROFILE_XEN_4_17);
	v = t->d->vcpu[0];
	other = t->d->vcpu[1];
}

static void teardown(void)
{
	test_domain_free(t);
}

static long op(unsigned nr, unsigned vcpu, uint64_t arg)
{
	return HCALL(t, 0, __HYPERVISOR_vcpu_op, nr, vcpu, arg);
}

#define OP(nr, vcpu, block) op(nr, vcpu, test_put(t, &(block), sizeof(block)))

static bool timer_event(struct vcpu *w)
{
	return w->domain->shared_info->evtchn_pending[0] >> w->virq_to_evtchn[VIRQ_TIMER] & 1;
}

static void bind_timer(unsigned vcpu)
{
	struct evtchn_bind_virq b = {.virq = VIRQ_TIMER, .vcpu = vcpu};

	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq,
			       test_put(t, &b, sizeof(b))),
			 0);
}

/* The vcpu is looked up first: before the operation and the pointer are. */
START_TEST(test_unknown_vcpu)
{
	for (unsigned nr = 0; nr < 20; nr++) {
		ck_assert_int_eq(op(nr, NR_VCPUS, TEST_VA_UNMAPPED), -ENOENT);
		ck_assert_int_eq(op(nr, ~0u, 0), -ENOENT);
	}
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_vcpu_op, VCPUOP_is_up, 1ull << 32, 0), 1);
}
END_TEST

START_TEST(test_unknown_operation)
{
	for (unsigned nr = 14; nr < 40; nr++)
		ck_assert_int_eq(op(nr, 0, 0), -ENOSYS);
	ck_assert_int_eq(op(~0u, 0, 0), -ENOSYS);
}
END_TEST

START_TEST(test_bad_pointers)
{
	static const unsigned reading[] = {
		VCPUOP_initialise,
		VCPUOP_set_periodic_timer,
		VCPUOP_set_singleshot_timer,
		VCPUOP_register_vcpu_info,
		VCPUOP_get_runstate_info,
		VCPUOP_register_runstate_memory_area,
		VCPUOP_register_vcpu_time_memory_area,
	};

	for (unsigned i = 0; i < sizeof(reading) / sizeof(reading[0]); i++)
		ck_assert_int_eq(op(reading[i], 0, TEST_VA_UNMAPPED), -EFAULT);
}
END_TEST

START_TEST(test_up_and_down)
{
	for (unsigned i = 0; i < NR_VCPUS; i++)
		ck_assert_int_eq(op(VCPUOP_is_up, i, 0), 1);
	ck_assert_int_eq(op(VCPUOP_down, 1, 0), 0);
	ck_assert_int_eq(op(VCPUOP_is_up, 1, 0), 0);
	ck_assert_uint_eq(t->kicks[1], 1);
	ck_assert_int_eq(op(VCPUOP_down, 1, 0), 0); /* already */
	ck_assert_uint_eq(t->kicks[1], 1);
	ck_assert_int_eq(op(VCPUOP_up, 1, 0), 0);
	ck_assert_int_eq(op(VCPUOP_is_up, 1, 0), 1);
	ck_assert_uint_eq(t->kicks[1], 2);
	ck_assert_int_eq(op(VCPUOP_up, 1, 0), 0);
	ck_assert_uint_eq(t->kicks[1], 2);
	other->initialised = false;
	ck_assert_int_eq(op(VCPUOP_up, 1, 0), -EINVAL);
	/* Only VPF_DOWN goes. */
	atomic_store(&t->d->vcpu[2]->pause_flags, VPF_DOWN | VPF_BLOCKED);
	ck_assert_int_eq(op(VCPUOP_up, 2, 0), 0);
	ck_assert_uint_eq(t->d->vcpu[2]->pause_flags, VPF_BLOCKED);
}
END_TEST

START_TEST(test_last_one_down)
{
	ck_assert_int_eq(op(VCPUOP_down, 1, 0), 0);
	ck_assert_int_eq(op(VCPUOP_down, 2, 0), 0);
	ck_assert(!t->d->is_shut_down);
	ck_assert_int_eq(op(VCPUOP_down, 0, 0), 0);
	ck_assert(t->d->is_shut_down);
	ck_assert_uint_eq(t->shutdown_reason, SHUTDOWN_poweroff);
}
END_TEST

START_TEST(test_runstate_info)
{
	uint64_t va = test_alloc(t, PAGE_SIZE);
	struct vcpu_runstate_info info;

	vcpu_runstate_change(other, RUNSTATE_running, t->now);
	t->now += 500;
	ck_assert_int_eq(op(VCPUOP_get_runstate_info, 1, va), 0);
	test_read(t, va, &info, sizeof(info));
	ck_assert_int_eq(info.state, RUNSTATE_running);
	ck_assert_uint_eq(info.time[RUNSTATE_running], 500);
}
END_TEST

START_TEST(test_runstate_area)
{
	struct vcpu_register_runstate_memory_area area;
	uint64_t va = test_alloc(t, PAGE_SIZE);
	struct vcpu_runstate_info info;

	for (unsigned i = 0; i < 2; i++) {
		struct vcpu *w = t->d->vcpu[i];

		vcpu_runstate_change(w, RUNSTATE_running, t->now);
		area.addr.p = va + i * 256;
		ck_assert_int_eq(OP(VCPUOP_register_runstate_memory_area, i, area), 0);
		ck_assert_uint_eq(w->runstate_area_va, va + i * 256);
		test_read(t, va + i * 256, &info, sizeof(info));
		ck_assert_int_eq(info.state, RUNSTATE_running);
		ck_assert_uint_eq(info.state_entry_time, t->now);
	}
	/* Not one that can be written, but one that is allowed; then none. */
	area.addr.p = TEST_VA_UNMAPPED;
	ck_assert_int_eq(OP(VCPUOP_register_runstate_memory_area, 0, area), 0);
	ck_assert_uint_eq(v->runstate_area_va, TEST_VA_UNMAPPED);
	area.addr.p = XEN_VIRT_START;
	ck_assert_int_eq(OP(VCPUOP_register_runstate_memory_area, 0, area), -EFAULT);
	ck_assert_uint_eq(v->runstate_area_va, TEST_VA_UNMAPPED);
	area.addr.p = 0;
	ck_assert_int_eq(OP(VCPUOP_register_runstate_memory_area, 0, area), 0);
	ck_assert_uint_eq(v->runstate_area_va, 0);
}
END_TEST

START_TEST(test_time_area)
{
	struct vcpu_register_time_memory_area area;
	uint64_t va = test_alloc(t, PAGE_SIZE);
	struct vcpu_time_info time;

	other->guest_table = INVALID_MFN; /* not initialised yet */
	for (unsigned i = 0; i < 2; i++) {
		area.addr.p = va + i * 64;
		ck_assert_int_eq(OP(VCPUOP_register_vcpu_time_memory_area, i, area), 0);
		test_read(t, va + i * 64, &time, sizeof(time));
		ck_assert_uint_eq(time.system_time, t->now);
		ck_assert_uint_eq(time.tsc_shift, 1);
		ck_assert(time.version && !(time.version & 1));
		ck_assert_uint_eq(vcpu_info_get(t->d->vcpu[i])->time.system_time, t->now);
	}
	area.addr.p = XEN_VIRT_END - 8;
	ck_assert_int_eq(OP(VCPUOP_register_vcpu_time_memory_area, 0, area), -EFAULT);
	ck_assert_uint_eq(v->time_area_va, va);
	area.addr.p = 0;
	ck_assert_int_eq(OP(VCPUOP_register_vcpu_time_memory_area, 0, area), 0);
	ck_assert_uint_eq(v->time_area_va, 0);
}
END_TEST

START_TEST(test_periodic_timer)
{
	struct vcpu_set_periodic_timer s = {.period_ns = 999999};

	ck_assert_int_eq(OP(VCPUOP_set_periodic_timer, 1, s), -EINVAL);
	s.period_ns = ((uint64_t)INT64_MAX >> 2) + 1;
	ck_assert_int_eq(OP(VCPUOP_set_periodic_timer, 1, s), -EINVAL);
	s.period_ns = (uint64_t)INT64_MAX >> 2;
	ck_assert_int_eq(OP(VCPUOP_set_periodic_timer, 1, s), 0);
	s.period_ns = 1000000;
	ck_assert_int_eq(OP(VCPUOP_set_periodic_timer, 1, s), 0);
	ck_assert_uint_eq(other->periodic_period, 1000000);
	ck_assert_uint_eq(other->timer[TIMER_PERIODIC], other->periodic_last + 1000000);
	ck_assert_uint_ge(t->kicks[1], 1);
	ck_assert_int_eq(op(VCPUOP_stop_periodic_timer, 1, TEST_VA_UNMAPPED), 0);
	ck_assert_uint_eq(other->periodic_period, 0);
	ck_assert_uint_eq(other->timer[TIMER_PERIODIC], 0);
}
END_TEST

START_TEST(test_singleshot_timer)
{
	struct vcpu_set_singleshot_timer s = {.timeout_abs_ns = t->now + 5};

	bind_timer(0);
	ck_assert_int_eq(OP(VCPUOP_set_singleshot_timer, 0, s), 0);
	ck_assert_uint_eq(v->timer[TIMER_SINGLESHOT], t->now + 5);
	ck_assert(!timer_event(v));
	/* Now is not past. */
	s.timeout_abs_ns = t->now;
	s.flags = VCPU_SSHOTTMR_future;
	ck_assert_int_eq(OP(VCPUOP_set_singleshot_timer, 0, s), 0);
	ck_assert_uint_eq(v->timer[TIMER_SINGLESHOT], t->now);
	ck_assert(!timer_event(v));
	/* Past: at once, and whatever the flag says. */
	s.timeout_abs_ns = t->now - 1;
	ck_assert_int_eq(OP(VCPUOP_set_singleshot_timer, 0, s), 0);
	ck_assert_uint_eq(v->timer[TIMER_SINGLESHOT], 0);
	ck_assert(timer_event(v));

	s.timeout_abs_ns = t->now + 5;
	ck_assert_int_eq(OP(VCPUOP_set_singleshot_timer, 0, s), 0);
	ck_assert_int_eq(op(VCPUOP_stop_singleshot_timer, 0, TEST_VA_UNMAPPED), 0);
	ck_assert_uint_eq(v->timer[TIMER_SINGLESHOT], 0);
	/* Another's is refused before the argument is read. */
	ck_assert_int_eq(op(VCPUOP_set_singleshot_timer, 1, TEST_VA_UNMAPPED), -EINVAL);
	ck_assert_int_eq(op(VCPUOP_stop_singleshot_timer, 1, 0), -EINVAL);
}
END_TEST

static long place(unsigned vcpu, uint64_t mfn, uint32_t offset)
{
	struct vcpu_register_vcpu_info info = {.mfn = mfn, .offset = offset};

	return OP(VCPUOP_register_vcpu_info, vcpu, info);
}

START_TEST(test_vcpu_info)
{
	struct vcpu_info *old = vcpu_info_get(v), *new;
	uint64_t mfn = test_frame(t);

	old->evtchn_upcall_mask = 1;
	old->arch.cr2 = 0x1234;
	ck_assert_int_eq(place(0, mfn, PAGE_SIZE - 63), -ENXIO);
	ck_assert_int_eq(place(0, mfn, ~0u), -ENXIO);
	ck_assert_int_eq(place(0, mfn, 4), -ENXIO);
	ck_assert_int_eq(place(0, t->d->nr_frames, 0), -EINVAL);
	ck_assert_int_eq(place(0, ~0ull, 0), -EINVAL);
	ck_assert_ptr_eq(vcpu_info_get(v), old);

	ck_assert_int_eq(place(0, mfn, PAGE_SIZE - 64), 0);
	new = vcpu_info_get(v);
	ck_assert_ptr_eq(new, (uint8_t *)frame_ptr(t->d, mfn) + PAGE_SIZE - 64);
	ck_assert_uint_eq(v->vcpu_info_mfn, mfn);
	ck_assert_uint_eq(new->evtchn_upcall_mask, 1);
	ck_assert_uint_eq(new->arch.cr2, 0x1234);
	/* Everything may be pending, and the clock is there. */
	ck_assert_uint_eq(new->evtchn_upcall_pending, 1);
	ck_assert_uint_eq(new->evtchn_pending_sel, ~0ul);
	ck_assert_uint_eq(new->time.system_time, t->now);
	/* Once only. */
	ck_assert_int_eq(place(0, mfn, 0), -EINVAL);
	ck_assert_int_eq(place(0, mfn, 1), -ENXIO); /* checked before */
}
END_TEST

/* Another vcpu's only while it is down. */
START_TEST(test_vcpu_info_of_another)
{
	uint64_t mfn = test_frame(t);

	ck_assert_int_eq(place(1, mfn, 64), -EINVAL);
	atomic_fetch_or(&other->pause_flags, VPF_DOWN);
	ck_assert_int_eq(place(1, mfn, 64), 0);
	ck_assert_ptr_eq(vcpu_info_get(other), (uint8_t *)frame_ptr(t->d, mfn) + 64);
	ck_assert_uint_eq(vcpu_info_get(other)->evtchn_upcall_mask, 1);
	/* Two on one page. */
	ck_assert_int_eq(place(0, mfn, 128), 0);
}
END_TEST

/* A page table is no place for it, and with it there the frame cannot become one. */
START_TEST(test_vcpu_info_page_type)
{
	uint64_t table = test_frame(t), mfn = test_frame(t);

	domain_lock(t->d);
	ck_assert_int_eq(mm_get_page_and_type(t->d, table, PGT_L1), 0);
	domain_unlock(t->d);
	ck_assert_int_eq(place(0, table, 0), -EINVAL);
	ck_assert_int_eq(place(0, mfn, 0), 0);
	domain_lock(t->d);
	ck_assert_int_ne(mm_get_page_and_type(t->d, mfn, PGT_L1), 0);
	domain_unlock(t->d);
}
END_TEST

START_TEST(test_send_nmi)
{
	ck_assert_int_eq(op(VCPUOP_send_nmi, 1, 1), -EINVAL);
	ck_assert(!other->nmi_pending);
	ck_assert_int_eq(op(VCPUOP_send_nmi, 1, 0), 0);
	ck_assert(other->nmi_pending);
	ck_assert_uint_eq(t->kicks[1], 1);
	ck_assert_int_eq(op(VCPUOP_send_nmi, 1, 0), 0);
	ck_assert_uint_eq(t->kicks[1], 1);
}
END_TEST

/* A hardware domain's only. */
START_TEST(test_physid)
{
	ck_assert_int_eq(op(VCPUOP_get_physid, 0, test_alloc(t, 8)), -EINVAL);
	ck_assert_int_eq(op(VCPUOP_get_physid, 0, TEST_VA_UNMAPPED), -EINVAL);
}
END_TEST

START_TEST(test_old_profiles)
{
	static const struct {
		unsigned nr;
		bool has;
	} rows[] = {
		{VCPUOP_is_up, true},
		{VCPUOP_set_singleshot_timer, false},
		{VCPUOP_register_vcpu_info, false},
		{VCPUOP_register_vcpu_time_memory_area, false},
		{VCPUOP_send_nmi, false},
	};
	uint64_t va;

	for (unsigned id = PROFILE_XEN_3_0_1; id <= PROFILE_XEN_3_0_2; id++) {
		test_domain_free(t);
		t = test_domain_new(NR_VCPUS, id);
		va = test_alloc(t, PAGE_SIZE);
		for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			long rc = op(rows[i].nr, 0, va);

			ck_assert_int_eq(rc == -ENOSYS, !rows[i].has);
		}
		ck_assert_int_eq(op(VCPUOP_get_runstate_info, 0, va),
				 id == PROFILE_XEN_3_0_1 ? -ENOSYS : 0);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_unknown_vcpu,	  test_unknown_operation, test_bad_pointers,
		test_up_and_down,	  test_last_one_down,	  test_runstate_info,
		test_runstate_area,	  test_time_area,	  test_periodic_timer,
		test_singleshot_timer,	  test_vcpu_info,	  test_vcpu_info_of_another,
		test_vcpu_info_page_type, test_send_nmi,	  test_physid,
		test_old_profiles,
	};

	return RUN_TESTS("vcpu_op", setup, teardown, tests);
}
