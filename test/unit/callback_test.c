/*
 * callback_op, set_callbacks and nmi_op: Xen 4.17's answers (arch/x86/pv/callback.c).
 */
#include <errno.h>
#include <string.h>

#include "pvabi/pvabi.h"
#include "test/unit/test_domain.h"
#include "test/unit/test_run.h"

#define NON_CANONICAL (1ull << 47)
#define HANDLER	      0xffffffff81000000ull

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

static long reg(unsigned vcpu, unsigned type, uint64_t address, unsigned flags)
{
	struct callback_register r = {.type = type, .flags = flags, .address = address};

	return HCALL(t, vcpu, __HYPERVISOR_callback_op, CALLBACKOP_register,
		     test_put(t, &r, sizeof(r)));
}

static long unreg(unsigned type)
{
	struct callback_unregister u = {.type = type};

	return HCALL(t, 0, __HYPERVISOR_callback_op, CALLBACKOP_unregister,
		     test_put(t, &u, sizeof(u)));
}

START_TEST(test_register)
{
	struct {
		unsigned type;
		struct guest_callback *cb;
	} all[] = {
		{CALLBACKTYPE_event, &v->event_callback},
		{CALLBACKTYPE_failsafe, &v->failsafe_callback},
		{CALLBACKTYPE_syscall, &v->syscall_callback},
		{CALLBACKTYPE_syscall32, &v->syscall32_callback},
		{CALLBACKTYPE_sysenter, &v->sysenter_callback},
	};

	for (unsigned i = 0; i < 5; i++) {
		bool always = all[i].type == CALLBACKTYPE_event;

		ck_assert_int_eq(reg(0, all[i].type, HANDLER + i, CALLBACKF_mask_events), 0);
		ck_assert_uint_eq(all[i].cb->eip, HANDLER + i);
		ck_assert(all[i].cb->mask_events);
		ck_assert_int_eq(reg(0, all[i].type, NON_CANONICAL, 0), -EINVAL);
		ck_assert_uint_eq(all[i].cb->eip, HANDLER + i);
		/* Anew: the flag as well; others are ignored. */
		ck_assert_int_eq(reg(0, all[i].type, HANDLER, 0xfffe), 0);
		ck_assert_uint_eq(all[i].cb->eip, HANDLER);
		ck_assert_int_eq(all[i].cb->mask_events, always);
		ck_assert_int_eq(unreg(all[i].type), -EINVAL);
		ck_assert_int_eq(reg(0, all[i].type, 0, 0), 0);
		ck_assert_uint_eq(all[i].cb->eip, 0);
	}
	ck_assert_uint_eq(t->d->vcpu[1]->event_callback.eip, 0);
}
END_TEST

START_TEST(test_unknown_types)
{
	static const unsigned bad[] = {CALLBACKTYPE_sysenter_deprecated, 6, 8, 0xffff};

	for (unsigned i = 0; i < 4; i++) {
		ck_assert_int_eq(reg(0, bad[i], HANDLER, 0), -ENOSYS);
		/* The address comes first. */
		ck_assert_int_eq(reg(0, bad[i], NON_CANONICAL, 0), -EINVAL);
		ck_assert_int_eq(unreg(bad[i]), -ENOSYS);
	}
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_callback_op, 2, 0), -ENOSYS);
	ck_assert_int_eq(
		HCALL(t, 0, __HYPERVISOR_callback_op, CALLBACKOP_register, TEST_VA_UNMAPPED),
		-EFAULT);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_callback_op, CALLBACKOP_unregister, 0), -EFAULT);
}
END_TEST

START_TEST(test_set_callbacks)
{
	v->syscall_callback.mask_events = true;
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_set_callbacks, HANDLER, HANDLER + 1, HANDLER + 2),
			 0);
	ck_assert_uint_eq(v->event_callback.eip, HANDLER);
	ck_assert_uint_eq(v->failsafe_callback.eip, HANDLER + 1);
	ck_assert_uint_eq(v->syscall_callback.eip, HANDLER + 2);
	ck_assert(!v->syscall_callback.mask_events);
	/* Bad ones are left out, and that is no error. */
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_set_callbacks, HANDLER + 4, NON_CANONICAL, 0), 0);
	ck_assert_uint_eq(v->event_callback.eip, HANDLER + 4);
	ck_assert_uint_eq(v->failsafe_callback.eip, HANDLER + 1);
	ck_assert_uint_eq(v->syscall_callback.eip, 0);
}
END_TEST

static void expect_nmi_gate(uint64_t address)
{
	const struct trap_info *ti = &v->traps[2];

	ck_assert_uint_eq(ti->address, address);
	ck_assert_uint_eq(ti->vector, address ? 2 : 0);
	ck_assert_uint_eq(ti->flags, address ? 4 : 0); /* DPL 0, events masked */
	ck_assert_uint_eq(ti->cs, address ? FLAT_KERNEL_CS : 0);
}

START_TEST(test_nmi_callback)
{
	ck_assert_int_eq(reg(0, CALLBACKTYPE_nmi, HANDLER, 0), 0);
	expect_nmi_gate(HANDLER);
	ck_assert_int_eq(reg(0, CALLBACKTYPE_nmi, NON_CANONICAL, 0), -EINVAL);
	expect_nmi_gate(HANDLER);
	ck_assert_int_eq(unreg(CALLBACKTYPE_nmi), 0);
	expect_nmi_gate(0);
	ck_assert_int_eq(unreg(CALLBACKTYPE_nmi), 0);
}
END_TEST

START_TEST(test_nmi_op)
{
	struct xennmi_callback cb = {.handler_address = HANDLER};

	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_nmi_op, XENNMI_register_callback,
			       test_put(t, &cb, sizeof(cb))),
			 0);
	expect_nmi_gate(HANDLER);
	cb.handler_address = NON_CANONICAL;
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_nmi_op, XENNMI_register_callback,
			       test_put(t, &cb, sizeof(cb))),
			 -EINVAL);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_nmi_op, XENNMI_register_callback, 0), -EFAULT);
	expect_nmi_gate(HANDLER);
	/* No argument is looked at. */
	ck_assert_int_eq(
		HCALL(t, 0, __HYPERVISOR_nmi_op, XENNMI_unregister_callback, TEST_VA_UNMAPPED), 0);
	expect_nmi_gate(0);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_nmi_op, 2, 0), -ENOSYS);
	ck_assert(!v->nmi_pending);
}
END_TEST

/* A reason that is still there makes the first NMI for a new handler: on vcpu 0. */
START_TEST(test_nmi_is_not_lost)
{
	t->d->shared_info->arch.nmi_reason = 1;
	ck_assert_int_eq(reg(1, CALLBACKTYPE_nmi, HANDLER, 0), 0);
	ck_assert(!t->d->vcpu[1]->nmi_pending);
	ck_assert_int_eq(reg(0, CALLBACKTYPE_nmi, HANDLER, 0), 0);
	ck_assert(v->nmi_pending);
}
END_TEST

/* callback_op is newer than the old profiles; set_callbacks and nmi_op are not. */
START_TEST(test_old_profile)
{
	test_domain_free(t);
	t = test_domain_new(1, PROFILE_XEN_3_0_2);
	v = t->d->vcpu[0];
	ck_assert_int_eq(reg(0, CALLBACKTYPE_event, HANDLER, 0), -ENOSYS);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_set_callbacks, HANDLER, 0, 0), 0);
	ck_assert_uint_eq(v->event_callback.eip, HANDLER);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_nmi_op, XENNMI_unregister_callback, 0), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_register, test_unknown_types,   test_set_callbacks, test_nmi_callback,
		test_nmi_op,   test_nmi_is_not_lost, test_old_profile,
	};

	return RUN_TESTS("callback", setup, teardown, tests);
}
