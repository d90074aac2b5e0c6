/*
 * Whole vcpu contexts: VCPUOP_initialise, and loading one again as a toolstack does
 * (Xen: arch/x86/domain.c, arch_set_info_guest).
 */
#include <errno.h>
#include <string.h>

#include "pvabi/bounce.h"
#include "pvabi/mm.h"
#include "test/unit/test_domain.h"
#include "test/unit/test_run.h"

#define NON_CANONICAL (1ull << 47)
#define KERNEL	      0xffffffff81000000ull

static struct test_domain *t;
static struct vcpu *v; /* vcpu 1, not initialised */
static struct vcpu_guest_context c;
static uint64_t va;

static void setup(void)
{
	t = test_domain_new(2, PROFILE_XEN_4_17);
	v = t->d->vcpu[1];
	v->initialised = false;
	v->guest_table = INVALID_MFN;
	v->pause_flags = VPF_DOWN;
	memset(&c, 0, sizeof(c));
	c.flags = VGCF_in_kernel;
	c.user_regs.rip = KERNEL;
	c.user_regs.rsp = KERNEL + 0x1000;
	c.user_regs.rdi = 0x42;
	c.user_regs.cs = FLAT_KERNEL_CS;
	c.user_regs.ss = FLAT_KERNEL_SS;
	c.ctrlreg[3] = xen_pfn_to_cr3(test_frame(t)); /* empty, so a valid L4 */
	va = test_alloc(t, sizeof(c));
}

static void teardown(void)
{
	test_domain_free(t);
}

static long initialise(void)
{
	test_write(t, va, &c, sizeof(c));
	return HCALL(t, 0, __HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, va);
}

static const struct page_info *page(uint64_t mfn)
{
	return &t->d->pages[mfn];
}

START_TEST(test_initialise)
{
	uint64_t l4 = xen_cr3_to_pfn(c.ctrlreg[3]), gdt = test_frame(t);

	c.flags |= VGCF_i387_valid | VGCF_failsafe_disables_events;
	memset(&c.fpu_ctxt, 0x5a, sizeof(c.fpu_ctxt));
	c.user_regs.rflags = 0x3002;
	c.user_regs.cs = FLAT_KERNEL_CS & ~3;
	c.user_regs.ss = 0x11;
	c.trap_ctxt[0] = (struct trap_info){0, 4, 0, KERNEL + 1};
	c.ldt_base = 0x7000;
	c.ldt_ents = 8192;
	c.gdt_frames[0] = gdt;
	c.gdt_ents = 512;
	c.kernel_ss = 0x18;
	c.kernel_sp = KERNEL + 0x2000;
	c.ctrlreg[0] = ~0ull;
	c.ctrlreg[4] = ~0ull;
	c.debugreg[0] = KERNEL;
	c.debugreg[1] = XEN_VIRT_START; /* refused, and no error */
	c.debugreg[7] = 1;
	c.event_callback_eip = KERNEL + 2;
	c.failsafe_callback_eip = KERNEL + 3;
	c.syscall_callback_eip = KERNEL + 4;
	c.fs_base = 0x1000;
	c.gs_base_kernel = 0x2000;
	c.gs_base_user = 0x3000;
	c.vm_assist = ~0ul; /* of vcpu 0 alone */
	ck_assert_int_eq(initialise(), 0);

	ck_assert(v->initialised);
	ck_assert_uint_eq(v->pause_flags, VPF_DOWN);
	ck_assert(v->kernel_mode);
	ck_assert_uint_eq(v->regs.rip, KERNEL);
	ck_assert_uint_eq(v->regs.rdi, 0x42);
	ck_assert_uint_eq(v->regs.cs, FLAT_KERNEL_CS);
	ck_assert_uint_eq(v->regs.ss, 0x13);
	ck_assert_uint_eq(v->regs.rflags, 0x202);
	ck_assert_uint_eq(v->iopl, 3);
	ck_assert_uint_eq(v->traps[0].address, KERNEL + 1);
	ck_assert_uint_eq(v->traps[0].cs, 3);
	ck_assert_uint_eq(v->ldt_base, 0x7000);
	ck_assert_uint_eq(v->ldt_ents, 8192);
	ck_assert_uint_eq(v->gdt_frames[0], gdt);
	ck_assert_uint_eq(v->gdt_ents, 512);
	ck_assert_uint_eq(v->kernel_ss, 0x1b);
	ck_assert_uint_eq(v->kernel_sp, KERNEL + 0x2000);
	ck_assert_uint_eq(v->ctrlreg[0], 0x8005003b);
	ck_assert_uint_eq(v->ctrlreg[4], 0x5066c);
	ck_assert_uint_eq(v->debugreg[0], KERNEL);
	ck_assert_uint_eq(v->debugreg[1], 0);
	ck_assert_uint_eq(v->debugreg[6], 0xffff0ff0);
	ck_assert_uint_eq(v->debugreg[7], 0x401);
	ck_assert_uint_eq(v->event_callback.eip, KERNEL + 2);
	ck_assert_uint_eq(v->failsafe_callback.eip, KERNEL + 3);
	ck_assert(v->failsafe_callback.mask_events);
	ck_assert_uint_eq(v->syscall_callback.eip, KERNEL + 4);
	ck_assert(!v->syscall_callback.mask_events);
	ck_assert_uint_eq(v->fs_base, 0x1000);
	ck_assert_uint_eq(v->gs_base_kernel, 0x2000);
	ck_assert_uint_eq(v->gs_base_user, 0x3000);
	ck_assert(v->fpu_valid);
	ck_assert_uint_eq(v->fpu_ctxt[511], 0x5a);
	ck_assert_uint_eq(t->d->vm_assist, 0);
	ck_assert_uint_eq(v->guest_table, l4);
	ck_assert_uint_eq(v->guest_table_user, 0);
	ck_assert_int_eq(page(l4)->type, PGT_L4);
	ck_assert_uint_eq(page(l4)->type_count, 1);
	ck_assert_int_eq(page(gdt)->type, PGT_SEGDESC);
	ck_assert_uint_eq(t->descriptors_changed[1] > 0, 1);

	ck_assert_int_eq(initialise(), -EEXIST);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, TEST_VA_UNMAPPED),
			 -EFAULT);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_vcpu_op, VCPUOP_up, 1, 0), 0);
}
END_TEST

START_TEST(test_online)
{
	c.flags |= VGCF_online;
	ck_assert_int_eq(initialise(), 0);
	ck_assert_uint_eq(v->pause_flags, 0);
	ck_assert_uint_eq(t->kicks[1], 1);
}
END_TEST

/* Start in user mode: with the pair of tables only. */
START_TEST(test_user_mode)
{
	uint64_t user = test_frame(t);

	c.flags = 0;
	ck_assert_int_eq(initialise(), -EINVAL);
	c.ctrlreg[1] = xen_pfn_to_cr3(user);
	ck_assert_int_eq(initialise(), 0);
	ck_assert(!v->kernel_mode);
	ck_assert_uint_eq(v->guest_table_user, user);
	ck_assert_uint_eq(page(user)->type_count, 1);
}
END_TEST

/* One bad thing at a time. */
START_TEST(test_refused)
{
	switch (_i) {
	case 0:
		c.user_regs.rip = NON_CANONICAL;
		break;
	case 1:
		c.user_regs.rsp = NON_CANONICAL;
		break;
	case 2:
		c.kernel_sp = NON_CANONICAL;
		break;
	case 3:
		c.fs_base = NON_CANONICAL;
		break;
	case 4:
		c.gs_base_kernel = NON_CANONICAL;
		break;
	case 5:
		c.gs_base_user = NON_CANONICAL;
		break;
	case 6:
		c.event_callback_eip = NON_CANONICAL;
		break;
	case 7:
		c.failsafe_callback_eip = NON_CANONICAL;
		break;
	case 8:
		c.syscall_callback_eip = NON_CANONICAL;
		break;
	case 9:
		c.trap_ctxt[255].address = NON_CANONICAL;
		break;
	case 10:
		c.ldt_base = 0x1008;
		break;
	case 11:
		c.ldt_base = XEN_VIRT_START;
		break;
	case 12:
		c.ldt_ents = 8193;
		break;
	case 13:
		c.gdt_ents = FIRST_RESERVED_GDT_ENTRY + 1;
		break;
	case 14:
		c.gdt_ents = ~0ul;
		break;
	case 15:
		c.gdt_ents = 1;
		c.gdt_frames[0] = t->d->nr_frames;
		break;
	case 16:
		c.ctrlreg[3] = xen_pfn_to_cr3(t->d->nr_frames);
		break;
	case 17:
		c.ctrlreg[3] = xen_pfn_to_cr3(t->d->shared_info_mfn);
		break;
	case 18:
		c.ctrlreg[1] = xen_pfn_to_cr3(INVALID_MFN >> 12);
		break;
	default:
		ck_abort();
	}
	ck_assert_int_eq(initialise(), -EINVAL);
	ck_assert(!v->initialised);
}
END_TEST
#define REFUSED 19

/* Nothing is held after a failure: the frames are free for any use. */
START_TEST(test_failure_leaves_nothing)
{
	uint64_t l4 = xen_cr3_to_pfn(c.ctrlreg[3]), gdt = test_frame(t);

	c.gdt_frames[0] = gdt;
	c.gdt_ents = 1;
	c.ctrlreg[1] = xen_pfn_to_cr3(t->d->nr_frames);
	ck_assert_int_eq(initialise(), -EINVAL);
	ck_assert_uint_eq(page(l4)->type_count, 0);
	ck_assert_uint_eq(page(l4)->refs, 0);
	ck_assert_uint_eq(page(gdt)->type_count, 0);
	ck_assert_uint_eq(page(gdt)->refs, 0);
	ck_assert_uint_eq(v->gdt_ents, 0);
	c.ctrlreg[1] = 0;
	ck_assert_int_eq(initialise(), 0);
}
END_TEST

/* An initialised vcpu gets new registers, but no new tables. */
START_TEST(test_set_again)
{
	uint64_t user = test_frame(t), gdt = test_frame(t);
	struct vcpu_guest_context bad;

	c.ctrlreg[1] = xen_pfn_to_cr3(user);
	c.gdt_frames[0] = gdt;
	c.gdt_ents = 3;
	c.ldt_base = 0x1000;
	c.ldt_ents = 1;
	ck_assert_int_eq(initialise(), 0);
	c.user_regs.rax = 7;
	c.flags = 0;
	ck_assert_int_eq(vcpu_set_context(v, &c), 0);
	ck_assert_uint_eq(v->regs.rax, 7);
	ck_assert(!v->kernel_mode);
	ck_assert_uint_eq(page(user)->type_count, 1);
	for (unsigned i = 0; i < 6; i++) {
		bad = c;
		switch (i) {
		case 0:
			bad.ctrlreg[3] = c.ctrlreg[1];
			break;
		case 1:
			bad.ctrlreg[1] = 0;
			break;
		case 2:
			bad.gdt_ents = 4;
			break;
		case 3:
			bad.gdt_frames[0]++;
			break;
		case 4:
			bad.ldt_ents = 2;
			break;
		case 5:
			bad.ldt_base = 0x2000;
			break;
		}
		bad.user_regs.rax = 8;
		ck_assert_int_eq(vcpu_set_context(v, &bad), -EOPNOTSUPP);
		ck_assert_uint_eq(v->regs.rax, 7);
	}
}
END_TEST

/* vcpu 0's context has the domain's assists. */
START_TEST(test_vm_assist)
{
	struct vcpu *v0 = t->d->vcpu[0];

	v0->initialised = false;
	c.vm_assist = 1ul << 63;
	ck_assert_int_eq(vcpu_set_context(v0, &c), -EINVAL);
	c.vm_assist = 1ul << VMASST_TYPE_writable_pagetables;
	ck_assert_int_eq(vcpu_set_context(v0, &c), 0);
	ck_assert_uint_eq(t->d->vm_assist, 1ul << VMASST_TYPE_writable_pagetables);
	ck_assert_uint_ne(t->d->shared_info->wc_version, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vcpu_context");
	TCase *tc = tcase_create("vcpu_context");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_initialise);
	tcase_add_test(tc, test_online);
	tcase_add_test(tc, test_user_mode);
	tcase_add_loop_test(tc, test_refused, 0, REFUSED);
	tcase_add_test(tc, test_failure_leaves_nothing);
	tcase_add_test(tc, test_set_again);
	tcase_add_test(tc, test_vm_assist);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
