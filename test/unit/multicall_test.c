/*
 * multicall: results, order, unreadable and unwritable entries, nesting, iret.
 */
#include <errno.h>
#include <string.h>

#include "test/unit/test_domain.h"
#include "test/unit/test_run.h"

static struct test_domain *t;

static void setup(void)
{
	t = test_domain_new(1, PROFILE_XEN_4_17);
}

static void teardown(void)
{
	test_domain_free(t);
}

static struct multicall_entry entry(unsigned long op, unsigned long a0, unsigned long a1,
				    unsigned long a2)
{
	struct multicall_entry e = {.op = op, .result = 0x5555};

	e.args[0] = a0;
	e.args[1] = a1;
	e.args[2] = a2;
	return e;
}

static long multicall(uint64_t list, uint64_t nr)
{
	return HCALL(t, 0, __HYPERVISOR_multicall, list, nr);
}

static long result(uint64_t list, unsigned i)
{
	struct multicall_entry e;

	test_read(t, list + i * sizeof(e), &e, sizeof(e));
	return e.result;
}

START_TEST(test_results)
{
	struct multicall_entry list[] = {
		entry(__HYPERVISOR_xen_version, XENVER_version, 0, 0),
		entry(1000, 0, 0, 0),
		entry(__HYPERVISOR_xen_version, XENVER_extraversion, TEST_VA_UNMAPPED, 0),
		entry(__HYPERVISOR_xen_version, XENVER_pagesize, 0, 0),
	};
	uint64_t va = test_put(t, list, sizeof(list));

	ck_assert_int_eq(multicall(va, 4), 0);
	ck_assert_int_eq(result(va, 0), 4 << 16 | 17);
	ck_assert_int_eq(result(va, 1), -ENOSYS);
	ck_assert_int_eq(result(va, 2), -EFAULT);
	ck_assert_int_eq(result(va, 3), PAGE_SIZE);
	ck_assert_uint_eq(t->d->vcpu[0]->hypercalls[__HYPERVISOR_xen_version], 3);
	ck_assert_uint_eq(t->d->vcpu[0]->hypercalls[__HYPERVISOR_multicall], 1);
}
END_TEST

START_TEST(test_empty_and_bad_lists)
{
	ck_assert_int_eq(multicall(0, 0), 0);
	ck_assert_int_eq(multicall(TEST_VA_UNMAPPED, 0), 0);
	ck_assert_int_eq(multicall(XEN_VIRT_START, 0), -EFAULT);
	ck_assert_int_eq(multicall(1ull << 47, 0), -EFAULT);
	ck_assert_int_eq(multicall(TEST_VA_UNMAPPED, 1), -EFAULT);
	ck_assert_int_eq(multicall(~0ull, 1), -EFAULT);
	/* The count has 32 bits. */
	ck_assert_int_eq(multicall(TEST_VA_UNMAPPED, 1ull << 32), 0);
}
END_TEST

/* What was done before the fault stays done. */
START_TEST(test_list_ends_in_a_hole)
{
	struct multicall_entry e = entry(__HYPERVISOR_xen_version, XENVER_version, 0, 0);
	uint64_t page = test_alloc(t, PAGE_SIZE), va = page + PAGE_SIZE - 2 * sizeof(e) - 8;

	test_write(t, va, &e, sizeof(e));
	test_write(t, va + sizeof(e), &e, sizeof(e));
	ck_assert_int_eq(multicall(va, 3), -EFAULT);
	ck_assert_int_eq(result(va, 0), 4 << 16 | 17);
	ck_assert_int_eq(result(va, 1), 4 << 16 | 17);
	ck_assert(!t->d->vcpu[0]->in_multicall);
}
END_TEST

START_TEST(test_result_cannot_be_written)
{
	struct multicall_entry list[2] = {
		entry(__HYPERVISOR_console_io, CONSOLEIO_write, 0, 0),
		entry(__HYPERVISOR_console_io, CONSOLEIO_write, 0, 0),
	};
	uint64_t text = test_put(t, "x", 1), mfn = test_frame(t);

	for (unsigned i = 0; i < 2; i++) {
		list[i].args[1] = 1;
		list[i].args[2] = text;
	}
	memcpy(frame_ptr(t->d, mfn), list, sizeof(list));
	test_map(t, 0x5000000000ull, mfn, false);
	ck_assert_int_eq(multicall(0x5000000000ull, 2), -EFAULT);
	/* The first was made, the second not. */
	ck_assert_uint_eq(t->console_out_len, 1);
}
END_TEST

START_TEST(test_nested)
{
	uint64_t va = test_alloc(t, PAGE_SIZE);
	struct multicall_entry list[] = {
		entry(__HYPERVISOR_multicall, va, 1, 0),
		entry(__HYPERVISOR_xen_version, XENVER_version, 0, 0),
	};

	test_write(t, va, list, sizeof(list));
	ck_assert_int_eq(multicall(va, 2), 0);
	ck_assert_int_eq(result(va, 0), -EINVAL);
	ck_assert_int_eq(result(va, 1), 4 << 16 | 17);
	ck_assert_int_eq(multicall(va, 2), 0);
}
END_TEST

/* The list is over, rax is what iret restored, and so is the entry's result. */
START_TEST(test_iret_ends_the_list)
{
	struct vcpu *v = t->d->vcpu[0];
	struct multicall_entry list[] = {
		entry(__HYPERVISOR_iret, 0, 0, 0),
		entry(__HYPERVISOR_xen_version, XENVER_version, 0, 0),
	};
	struct iret_context frame = {
		.rax = 0x1234567,
		.rip = 0x400000,
		.cs = FLAT_KERNEL_CS & ~3u, /* RPL 0: to kernel mode */
		.rflags = 0x202,
		.rsp = 0x500000,
		.ss = FLAT_KERNEL_SS,
	};
	uint64_t va = test_put(t, list, sizeof(list));

	v->regs.rsp = test_put(t, &frame, sizeof(frame));
	v->kernel_mode = true;
	ck_assert_int_eq(multicall(va, 2), 0x1234567);
	ck_assert_uint_eq(v->regs.rip, 0x400000);
	ck_assert_int_eq(result(va, 0), 0x1234567);
	ck_assert_int_eq(result(va, 1), 0x5555);
	ck_assert(!v->in_multicall);
	ck_assert_uint_eq(t->shutdowns, 0);
}
END_TEST

/* A call that changes a later entry: each is read when its turn comes. */
START_TEST(test_entries_are_read_in_turn)
{
	uint64_t va = test_alloc(t, PAGE_SIZE);
	struct multicall_entry list[] = {
		/* Writes 1024 bytes over the second entry. */
		entry(__HYPERVISOR_xen_version, XENVER_capabilities, va + sizeof(list[0]), 0),
		entry(__HYPERVISOR_xen_version, XENVER_version, 0, 0),
	};

	test_write(t, va, list, sizeof(list));
	ck_assert_int_eq(multicall(va, 2), 0);
	ck_assert_int_eq(result(va, 1), -ENOSYS);
}
END_TEST

/* An event pending for v that it lets in, or not. */
static void set_event(struct vcpu *v, bool let_in)
{
	vcpu_info_get(v)->evtchn_upcall_mask = !let_in;
	vcpu_info_get(v)->evtchn_upcall_pending = 1;
}

/* Xen: common/multicall.c, `preempted`. */
START_TEST(test_event_between_entries)
{
	struct vcpu *v = t->d->vcpu[0];
	struct multicall_entry list[] = {
		entry(__HYPERVISOR_xen_version, XENVER_version, 0, 0),
		entry(__HYPERVISOR_xen_version, XENVER_version, 0, 0),
	};
	uint64_t va = test_put(t, list, sizeof(list));

	v->regs.rip = 0x400002;
	set_event(v, false);
	ck_assert_int_eq(multicall(va, 2), 0);
	ck_assert_uint_eq(v->regs.rip, 0x400002);
	test_write(t, va, list, sizeof(list));
	set_event(v, true);
	ck_assert_int_eq(multicall(va, 2), __HYPERVISOR_multicall);
	ck_assert_uint_eq(v->regs.rip, 0x400000);
	ck_assert_uint_eq(v->regs.rdi, va + sizeof(list[0]));
	ck_assert_uint_eq(v->regs.rsi, 1);
	ck_assert_int_eq(result(va, 0), 4 << 16 | 17);
	ck_assert_int_eq(result(va, 1), 0x5555);
	/* One entry is always made, so the guest gets on even if it takes no event. */
	v->regs.rip = 0x400002;
	ck_assert_int_eq(multicall(v->regs.rdi, v->regs.rsi), 0);
	ck_assert_uint_eq(v->regs.rip, 0x400002);
	ck_assert_int_eq(result(va, 1), 4 << 16 | 17);
}
END_TEST

/* No event for the guest, but the host wants the vcpu: to stop it, or to run a timer. */
START_TEST(test_wanted_between_entries)
{
	struct vcpu *v = t->d->vcpu[0];
	struct multicall_entry list[] = {
		entry(__HYPERVISOR_xen_version, XENVER_version, 0, 0),
		entry(__HYPERVISOR_xen_version, XENVER_version, 0, 0),
	};
	uint64_t va = test_put(t, list, sizeof(list));

	v->regs.rip = 0x400002;
	set_event(v, false);
	atomic_store(&v->wanted, true);
	ck_assert_int_eq(multicall(va, 2), __HYPERVISOR_multicall);
	ck_assert_uint_eq(v->regs.rip, 0x400000);
	ck_assert_uint_eq(v->regs.rsi, 1);
	atomic_store(&v->wanted, false);
	v->regs.rip = 0x400002;
	ck_assert_int_eq(multicall(v->regs.rdi, 1), 0);
	ck_assert_int_eq(result(va, 1), 4 << 16 | 17);
}
END_TEST

/* The entry's own list is interrupted: what is left of it stands in the entry. */
START_TEST(test_event_inside_an_entry)
{
	struct vcpu *v = t->d->vcpu[0];
	struct gnttab_map_grant_ref maps[3] = {{.ref = ~0u}, {.ref = ~0u}, {.ref = ~0u}};
	uint64_t ops = test_put(t, maps, sizeof(maps));
	struct multicall_entry e,
		list[] = {
			entry(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, ops, 3),
			entry(__HYPERVISOR_xen_version, XENVER_version, 0, 0),
		};
	uint64_t va = test_put(t, list, sizeof(list));

	set_event(v, true);
	ck_assert_int_eq(multicall(va, 2), __HYPERVISOR_multicall);
	ck_assert_uint_eq(v->regs.rdi, va);
	ck_assert_uint_eq(v->regs.rsi, 2);
	test_read(t, va, &e, sizeof(e));
	ck_assert_uint_eq(e.op, __HYPERVISOR_grant_table_op);
	ck_assert_uint_eq(e.args[0], GNTTABOP_map_grant_ref);
	ck_assert_uint_eq(e.args[1], ops + sizeof(maps[0]));
	ck_assert_uint_eq(e.args[2], 2);
	ck_assert_int_eq(result(va, 1), 0x5555);
	set_event(v, false);
	ck_assert_int_eq(multicall(va, 2), 0);
	ck_assert_int_eq(result(va, 0), 0);
	ck_assert_int_eq(result(va, 1), 4 << 16 | 17);
}
END_TEST

START_TEST(test_shutdown_ends_a_long_list)
{
	struct multicall_entry list[] = {
		entry(__HYPERVISOR_sched_op_compat, SCHEDOP_shutdown, SHUTDOWN_poweroff, 0),
		entry(__HYPERVISOR_xen_version, XENVER_version, 0, 0),
	};
	uint64_t va = test_put(t, list, sizeof(list));

	ck_assert_int_eq(multicall(va, 2), 0);
	ck_assert_uint_eq(t->shutdowns, 1);
	ck_assert_int_eq(result(va, 1), 0x5555);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_results,
		test_empty_and_bad_lists,
		test_list_ends_in_a_hole,
		test_result_cannot_be_written,
		test_nested,
		test_iret_ends_the_list,
		test_entries_are_read_in_turn,
		test_event_between_entries,
		test_wanted_between_entries,
		test_event_inside_an_entry,
		test_shutdown_ends_a_long_list,
	};

	return RUN_TESTS("multicall", setup, teardown, tests);
}
