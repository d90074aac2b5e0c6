/*
 * The table and its dispatch: every row is sane, unknown numbers are refused,
 * argument blocks are copied, profiles hide calls, the hypercall page.
 */
#include <errno.h>
#include <string.h>

#include "pvabi/hypercalls.h"
#include "test/unit/test_domain.h"
#include "test/unit/test_run.h"

static struct test_domain *t;

static void setup(void)
{
	t = test_domain_new(2, PROFILE_XEN_4_17);
}

static void teardown(void)
{
	test_domain_free(t);
}

static void use_profile(enum abi_profile_id id)
{
	test_domain_free(t);
	t = test_domain_new(2, id);
}

static long call(uint64_t nr)
{
	return HCALL(t, 0, nr, TEST_VA_UNMAPPED, TEST_VA_UNMAPPED, TEST_VA_UNMAPPED);
}

START_TEST(test_table_is_sane)
{
	unsigned families = 0;

	for (unsigned nr = 0; nr < NR_HYPERCALLS; nr++) {
		const struct hypercall *hc = &hypercall_table[nr];

		if (!hc->name)
			continue;
		ck_assert_uint_le(hc->nargs, NR_HYPERCALL_ARGS);
		ck_assert(hc->profiles & PROFILES_4_17);
		ck_assert(!(hc->profiles & ~PROFILES_ALL));
		if (!hc->subops)
			continue;
		families++;
		ck_assert_uint_lt(hc->subop_arg, hc->nargs);
		for (const struct subop *s = hc->subops; s->name; s++) {
			ck_assert_ptr_nonnull(s->fn);
			ck_assert(s->profiles && !(s->profiles & ~PROFILES_ALL));
			ck_assert_uint_le(s->size, sizeof(struct vcpu_guest_context));
			ck_assert_msg(!s->size == !s->dir, "%s.%s: a block has a direction",
				      hc->name, s->name);
			for (const struct subop *o = hc->subops; o < s; o++)
				ck_assert_msg(o->nr != s->nr, "%s.%s: number used twice", hc->name,
					      s->name);
		}
	}
	ck_assert_uint_eq(families, 9);
}
END_TEST

START_TEST(test_names_of_all_numbers)
{
	/* xen.h has no hypercall 11, and none from 43 to 47 or after 55. */
	for (unsigned nr = 0; nr < NR_HYPERCALLS; nr++) {
		bool exists = nr != 11 && nr < 56 && (nr < 43 || nr > 47);

		ck_assert_msg(!!hypercall_table[nr].name == exists, "hypercall %u", nr);
	}
	ck_assert_str_eq(hypercall_table[29].name, "sched_op");
	ck_assert_str_eq(hypercall_table[48].name, "mca");
}
END_TEST

START_TEST(test_unknown_numbers)
{
	static const uint64_t nrs[] = {11,
				       27 /* xsm_op */,
				       38 /* tmem_op */,
				       43,
				       56,
				       63,
				       64,
				       65,
				       1ull << 32,
				       (1ull << 32) + __HYPERVISOR_xen_version,
				       ~0ull};

	for (size_t i = 0; i < sizeof(nrs) / sizeof(nrs[0]); i++)
		ck_assert_int_eq(call(nrs[i]), -ENOSYS);
}
END_TEST

START_TEST(test_unknown_subops)
{
	static const unsigned families[] = {__HYPERVISOR_memory_op,	   __HYPERVISOR_xen_version,
					    __HYPERVISOR_vcpu_op,	   __HYPERVISOR_nmi_op,
					    __HYPERVISOR_sched_op,	   __HYPERVISOR_callback_op,
					    __HYPERVISOR_event_channel_op, __HYPERVISOR_physdev_op};

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		ck_assert_int_eq(HCALL(t, 0, families[i], 63), -ENOSYS);
		ck_assert_int_eq(HCALL(t, 0, families[i], ~0ull), -ENOSYS);
	}
}
END_TEST

/* The number is an int; what is above it does not count. */
START_TEST(test_subop_number_is_32_bits)
{
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_xen_version, 0xabcd00000000ull | XENVER_version),
			 4 << 16 | 17);
}
END_TEST

START_TEST(test_arguments_and_result)
{
	struct vcpu *v = t->d->vcpu[0];

	v->regs.rip = 0x1234;
	v->regs.rbx = 7;
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_xen_version, XENVER_version, 1, 2, 3, 4, 5),
			 4 << 16 | 17);
	/* Nothing but rax changes. */
	ck_assert_uint_eq(v->regs.rip, 0x1234);
	ck_assert_uint_eq(v->regs.rbx, 7);
	ck_assert_uint_eq(v->regs.rdi, XENVER_version);
	ck_assert_uint_eq(v->regs.rsi, 1);
	ck_assert_uint_eq(v->regs.r9, 5);
}
END_TEST

START_TEST(test_statistics)
{
	struct vcpu *v = t->d->vcpu[1];

	HCALL(t, 1, __HYPERVISOR_xen_version, XENVER_version);
	HCALL(t, 1, __HYPERVISOR_xen_version, 99);
	HCALL(t, 1, 1000);
	ck_assert_uint_eq(v->hypercalls[__HYPERVISOR_xen_version], 2);
	ck_assert_uint_eq(t->d->vcpu[0]->hypercalls[__HYPERVISOR_xen_version], 0);
}
END_TEST

/* A block copied in, used and copied out; and the three ways in which that fails. */
START_TEST(test_argument_block)
{
	struct physdev_irq_status_query q = {.irq = 3, .flags = 0xff};
	uint64_t va = test_alloc(t, PAGE_SIZE), end = va + PAGE_SIZE - sizeof(q);

	test_write(t, end, &q, sizeof(q));
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_physdev_op, PHYSDEVOP_irq_status_query, end), 0);
	test_read(t, end, &q, sizeof(q));
	ck_assert_uint_eq(q.flags, XENIRQSTAT_needs_eoi);

	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_physdev_op, PHYSDEVOP_irq_status_query, end + 1),
			 -EFAULT);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_physdev_op, PHYSDEVOP_irq_status_query, 0),
			 -EFAULT);
	ck_assert_int_eq(
		HCALL(t, 0, __HYPERVISOR_physdev_op, PHYSDEVOP_irq_status_query, XEN_VIRT_START),
		-EFAULT);
	/* Readable only: the answer cannot be given. */
	*test_map_pte(t, va, 0) = 0;
	test_map(t, va, 100, false);
	memset(frame_ptr(t->d, 100), 0, PAGE_SIZE);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_physdev_op, PHYSDEVOP_irq_status_query, va),
			 -EFAULT);
	/* A refused call writes nothing. */
	q.irq = NR_PIRQS;
	memcpy(frame_ptr(t->d, 100), &q, sizeof(q));
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_physdev_op, PHYSDEVOP_irq_status_query, va),
			 -EINVAL);
}
END_TEST

START_TEST(test_lock_is_free_afterwards)
{
	for (unsigned nr = 0; nr < 70; nr++) {
		if (nr == __HYPERVISOR_iret)
			continue; /* with these registers it ends the domain */
		call(nr);
		ck_assert_uint_eq(t->d->lock.state, 0);
		ck_assert_uint_eq(t->d->evtchn_lock.state, 0);
	}
}
END_TEST

START_TEST(test_profiles)
{
	use_profile(PROFILE_XEN_3_0_2);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_xen_version, XENVER_version), 3 << 16);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_xen_version, XENVER_pagesize), -ENOSYS);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_sched_op, SCHEDOP_yield), 0);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_sched_op_compat, SCHEDOP_yield), 0);
	for (unsigned nr = 30; nr < 64; nr++)
		ck_assert_int_eq(call(nr), -ENOSYS);
	use_profile(PROFILE_XEN_3_0_1);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_sched_op_compat, SCHEDOP_yield), 0);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_sched_op, SCHEDOP_yield), -ENOSYS);
}
END_TEST

START_TEST(test_profile_names)
{
	ck_assert_ptr_eq(abi_profile_find("xen-4.17"), abi_profile_get(PROFILE_XEN_4_17));
	ck_assert_ptr_eq(abi_profile_find("xen-3.0.2"), abi_profile_get(PROFILE_XEN_3_0_2));
	ck_assert_ptr_null(abi_profile_find("xen-5"));
	ck_assert_ptr_null(abi_profile_find(""));
	ck_assert_ptr_null(abi_profile_get(NR_PROFILES));
	for (unsigned i = 0; i < NR_PROFILES; i++)
		ck_assert_uint_eq(abi_profile_get(i)->id, i);
}
END_TEST

START_TEST(test_calls_after_the_end)
{
	domain_shutdown(t->d, SHUTDOWN_poweroff);
	for (unsigned nr = 0; nr < 64; nr++)
		if (nr != __HYPERVISOR_iret)
			call(nr);
	ck_assert_uint_eq(t->shutdowns, 1);
	ck_assert_uint_eq(t->d->shutdown_code, SHUTDOWN_poweroff);
}
END_TEST

/* Xen: include/xsm/dummy.h and the heads of the handlers. */
START_TEST(test_privileged_calls)
{
	uint64_t va = test_alloc(t, PAGE_SIZE);
	uint32_t head[6] = {0, 0xffffffff /* domctl: interface version */};

	ck_assert_int_eq(call(__HYPERVISOR_platform_op), -EFAULT);
	ck_assert_int_eq(call(__HYPERVISOR_sysctl), -EFAULT);
	ck_assert_int_eq(call(__HYPERVISOR_domctl), -EFAULT);
	head[1] = 0x12345678;
	test_write(t, va, head, sizeof(head));
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_platform_op, va), -EACCES);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_sysctl, va), -EACCES);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_domctl, va), -EACCES);
	/* cmd, interface version, domain: XEN_DOMCTL_pausedomain */
	head[0] = 3;
	head[1] = 0x15;
	head[2] = 0;
	test_write(t, va, head, sizeof(head));
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_domctl, va), -EPERM);
	head[2] = 77;
	test_write(t, va, head, sizeof(head));
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_domctl, va), -ESRCH);
	head[0] = 1; /* XEN_DOMCTL_createdomain names no domain */
	test_write(t, va, head, sizeof(head));
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_domctl, va), -EPERM);
	ck_assert_int_eq(call(__HYPERVISOR_kexec_op), -EPERM);
	ck_assert_int_eq(call(__HYPERVISOR_hypfs_op), -EPERM);
	ck_assert_int_eq(call(48), -EPERM);
	ck_assert_int_eq(call(__HYPERVISOR_xenpmu_op), -EOPNOTSUPP);
}
END_TEST

START_TEST(test_hypercall_page)
{
	static const uint8_t by_syscall[] = {0x51, 0x41, 0x53, 0xb8, 12,   0,	 0,
					     0,	   0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3};
	static const uint8_t iret[] = {0x51, 0x41, 0x53, 0x50, 0xb8, 23, 0, 0, 0, 0x0f, 0x05};
	static const uint8_t by_vmcall[] = {0x51, 0x41, 0x53, 0xb8, 127,  0,	0,   0,
					    0x0f, 0x01, 0xc1, 0x41, 0x5b, 0x59, 0xc3};
	uint8_t page[PAGE_SIZE];

	hypercall_page_fill(page, 0);
	ck_assert_mem_eq(page + 12 * 32, by_syscall, sizeof(by_syscall));
	ck_assert_mem_eq(page + 23 * 32, iret, sizeof(iret));
	for (unsigned i = 0; i < 128; i++)
		ck_assert_uint_eq(page[i * 32 + (i == 23 ? 5 : 4)], i);
	hypercall_page_fill(page, 0xc1010f);
	ck_assert_mem_eq(page + 127 * 32, by_vmcall, sizeof(by_vmcall));
	ck_assert_uint_eq(page[127 * 32 + sizeof(by_vmcall)], 0xcc);
}
END_TEST

/* Arguments of rubbish into every call; vcpu 1 is the one that may break. */
START_TEST(test_random_arguments)
{
	uint64_t x = 0x9e3779b97f4a7c15ull, page = test_alloc(t, 4 * PAGE_SIZE);

	for (unsigned i = 0; i < 200000; i++) {
		uint64_t a[NR_HYPERCALL_ARGS], nr = i % 64;

		for (unsigned j = 0; j < NR_HYPERCALL_ARGS; j++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			switch (x >> 60) {
			case 0 ... 5:
				a[j] = x % 40;
				break;
			case 6 ... 12:
				a[j] = page + (x >> 20) % (4 * PAGE_SIZE);
				break;
			case 13:
				a[j] = DOMID_SELF;
				break;
			default:
				a[j] = x;
			}
		}
		/* A list of this many entries, or this much text, takes its time. */
		if (nr == __HYPERVISOR_multicall || nr == __HYPERVISOR_console_io)
			a[1] %= 100;
		if (nr == __HYPERVISOR_grant_table_op)
			a[2] %= 100;
		if (nr == __HYPERVISOR_mmu_update || nr == __HYPERVISOR_mmuext_op)
			a[1] %= 100;
		test_hypercall(t, 1, nr, a);
		ck_assert_uint_eq(t->d->lock.state, 0);
		t->d->vcpu[1]->kernel_mode = true;
		t->d->vcpu[1]->guest_table = t->l4;
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_table_is_sane,    test_names_of_all_numbers,    test_unknown_numbers,
		test_unknown_subops,   test_subop_number_is_32_bits, test_arguments_and_result,
		test_statistics,       test_argument_block,	     test_lock_is_free_afterwards,
		test_profiles,	       test_profile_names,	     test_calls_after_the_end,
		test_privileged_calls, test_hypercall_page,	     test_random_arguments,
	};

	return RUN_TESTS("hypercall", setup, teardown, tests);
}
