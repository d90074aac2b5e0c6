/*
 * Emulated instructions: bytes in a guest page, executed by the emulator, the
 * registers compared. At the end, random bytes that must do no harm.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pvabi/mm.h"
#include "test/unit/test_bars.h"
#include "test/unit/test_domain.h"
#include "test/unit/test_run.h"
#include "vmm/emulate/decode.h"
#include "vmm/emulate/emulate.h"
#include "vmm/emulate/pit.h"
#include "vmm/io_space.h"

#define CODE(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static struct test_domain *t;
static struct vcpu *v;
static uint64_t code;
static struct cpuid_policy policy;
static uint64_t xcr0[MAX_VCPUS];
static unsigned xcr0_changes;

static void on_xcr0(struct vcpu *who, uint64_t val)
{
	xcr0_changes++;
}

static void on_bases(struct vcpu *who)
{
}

static uint64_t tsc(struct vcpu *who)
{
	return 0x123456789abcUL;
}

static struct port_latches latches;
static struct emulate_env env = {
	.cpuid = &policy,
	.xcr0_changed = on_xcr0,
	.segment_bases_changed = on_bases,
	.read_tsc = tsc,
	.xcr0 = xcr0,
	.latches = &latches,
};

static void setup(void)
{
	t = test_domain_new(1, PROFILE_XEN_4_17);
	v = t->d->vcpu[0];
	code = test_alloc(t, PAGE_SIZE);
	cpuid_policy_build(&policy, t->d, NULL, 2000000);
	xcr0[0] = 1;
	env.pit = pit_create();
}

static void teardown(void)
{
	pit_destroy(env.pit);
	test_domain_free(t);
}

static void load(const uint8_t *bytes, size_t len)
{
	test_write(t, code, bytes, len);
	v->regs.rip = code;
}

static enum emulate_result privileged(const uint8_t *bytes, size_t len)
{
	load(bytes, len);
	return emulate_privileged(v, &env);
}

START_TEST(forced_cpuid_shows_xen)
{
	v->regs.rax = 0x40000000;
	load(CODE(0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2));
	ck_assert_int_eq(emulate_invalid_op(v, &env), EMUL_DONE);
	ck_assert_uint_eq(v->regs.rbx, XEN_CPUID_SIGNATURE_EBX);
	ck_assert_uint_eq(v->regs.rip, code + 7);
	/* The prefix before anything else, and ud2 alone, are what they are. */
	load(CODE(0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0x31));
	ck_assert_int_eq(emulate_invalid_op(v, &env), EMUL_UNHANDLED);
	load(CODE(0x0f, 0x0b, 0x90, 0x90, 0x90, 0x90, 0x90));
	ck_assert_int_eq(emulate_invalid_op(v, &env), EMUL_UNHANDLED);
}
END_TEST

START_TEST(xsave_leaf_agrees_with_xcr0)
{
	uint32_t r[4];

	if (!policy.xcr0_mask)
		return;
	cpuid_policy_query(&policy, v, policy.xcr0_mask, 0xd, 0, r);
	ck_assert_uint_eq(r[0], (uint32_t)policy.xcr0_mask);
	ck_assert_uint_eq(r[1], r[2]);
	uint32_t all = r[2];
	cpuid_policy_query(&policy, v, 3, 0xd, 0, r);
	ck_assert_uint_eq(r[1], 576);
	ck_assert_uint_eq(r[2], all);
	cpuid_policy_query(&policy, v, 1, 1, 0, r);
	ck_assert_uint_ne(r[2] & 1u << 31, 0); /* hypervisor */
	ck_assert_uint_eq(r[2] & 1u << 21, 0); /* x2APIC */
	ck_assert_uint_eq(r[3] & (1u << 3 | 1u << 13 | 1u << 12 | 1u << 7),
			  0); /* PSE PGE MTRR MCE */
}
END_TEST

START_TEST(ports_answer_like_absent_hardware)
{
	v->iopl = 1;
	v->regs.rax = 0x1100;
	ck_assert_int_eq(privileged(CODE(0xe4, 0x60)), EMUL_DONE); /* in $0x60, %al */
	ck_assert_uint_eq(v->regs.rax, 0x11ff);
	v->regs.rdx = 0xcfc;
	ck_assert_int_eq(privileged(CODE(0xed)), EMUL_DONE); /* in %dx, %eax */
	ck_assert_uint_eq(v->regs.rax, 0xffffffff);
	/* But two of them remember what was written. */
	v->regs.rdx = 0xcf8;
	v->regs.rax = 0x80001234;
	ck_assert_int_eq(privileged(CODE(0xef)), EMUL_DONE); /* out %eax, %dx */
	v->regs.rax = 0;
	ck_assert_int_eq(privileged(CODE(0xed)), EMUL_DONE);
	ck_assert_uint_eq(v->regs.rax, 0x80001234);
	ck_assert_int_eq(privileged(CODE(0xec)), EMUL_DONE); /* in %dx, %al */
	ck_assert_uint_eq(v->regs.rax, 0x800012ff);
	v->regs.rax = 0x55;
	ck_assert_int_eq(privileged(CODE(0xe6, 0x70)), EMUL_DONE); /* out %al, $0x70 */
	ck_assert_int_eq(privileged(CODE(0xe5, 0x70)), EMUL_DONE); /* in $0x70, %eax */
	ck_assert_uint_eq(v->regs.rax, 0xffffff55);
	v->iopl = 0;
	ck_assert_int_eq(privileged(CODE(0xed)), EMUL_UNHANDLED);
	v->domain->vm_assist = 1UL << VMASST_TYPE_architectural_iopl;
	ck_assert_int_eq(privileged(CODE(0xed)), EMUL_DONE);
	ck_assert_int_eq(privileged(CODE(0xfa)), EMUL_DONE); /* cli */
	v->domain->vm_assist = 0;
	v->iopl = 1;
	v->kernel_mode = false;
	ck_assert_int_eq(privileged(CODE(0xed)), EMUL_UNHANDLED);
}
END_TEST

START_TEST(msrs)
{
	v->regs.rcx = 0xc0000080;
	ck_assert_int_eq(privileged(CODE(0x0f, 0x32)), EMUL_DONE);
	ck_assert_uint_eq(v->regs.rax, 0xd01);
	v->regs.rcx = 0x12345;
	ck_assert_int_eq(privileged(CODE(0x0f, 0x32)), EMUL_UNHANDLED);
	v->regs.rcx = 0xc0000100;
	v->regs.rax = 0x1000;
	v->regs.rdx = 0x7fff;
	ck_assert_int_eq(privileged(CODE(0x0f, 0x30)), EMUL_DONE);
	ck_assert_uint_eq(v->fs_base, 0x7fff00001000UL);
	v->regs.rdx = 0x80000000; /* not canonical */
	ck_assert_int_eq(privileged(CODE(0x0f, 0x30)), EMUL_UNHANDLED);
	v->kernel_mode = false;
	ck_assert_int_eq(privileged(CODE(0x0f, 0x32)), EMUL_UNHANDLED);
}
END_TEST

START_TEST(control_registers)
{
	uint64_t cr0 = v->ctrlreg[0] = 0x80050033;

	ck_assert_int_eq(privileged(CODE(0x0f, 0x20, 0xc0)), EMUL_DONE); /* mov %cr0, %rax */
	ck_assert_uint_eq(v->regs.rax, cr0);
	v->regs.rax = cr0 | 8;
	ck_assert_int_eq(privileged(CODE(0x0f, 0x22, 0xc0)), EMUL_DONE);
	ck_assert_uint_eq(v->ctrlreg[0], cr0 | 8);
	ck_assert_int_eq(privileged(CODE(0x0f, 0x06)), EMUL_DONE); /* clts */
	ck_assert_uint_eq(v->ctrlreg[0], cr0);
	v->regs.rax = cr0 & ~0x10000UL; /* WP is Xen's */
	ck_assert_int_eq(privileged(CODE(0x0f, 0x22, 0xc0)), EMUL_UNHANDLED);
	ck_assert_int_eq(privileged(CODE(0x0f, 0x20, 0xd8)), EMUL_DONE); /* mov %cr3, %rax */
	ck_assert_uint_eq(v->regs.rax, v->guest_table << PAGE_SHIFT);
	v->regs.rax = t->d->nr_frames << PAGE_SHIFT; /* no such frame */
	ck_assert_int_eq(privileged(CODE(0x0f, 0x22, 0xd8)), EMUL_UNHANDLED);
	ck_assert_int_eq(privileged(CODE(0xf4)), EMUL_UNHANDLED); /* hlt */
}
END_TEST

START_TEST(what_is_emulated_is_counted)
{
	static uint64_t counts[1][NR_EMULATE_COUNTS];
	uint64_t sum = 0;

	env.counts = counts;
	privileged(CODE(0x0f, 0x20, 0xc0)); /* mov %cr0, %rax */
	privileged(CODE(0x0f, 0x20, 0xc0));
	privileged(CODE(0x0f, 0x09)); /* wbinvd */
	privileged(CODE(0x90));	      /* nop: not emulated */
	env.counts = NULL;
	privileged(CODE(0x0f, 0x09));
	for (unsigned i = 0; emulate_count_name(i); i++) {
		sum += counts[0][i];
		if (!strcmp(emulate_count_name(i), "mov_cr_dr"))
			ck_assert_uint_eq(counts[0][i], 2);
		else if (!strcmp(emulate_count_name(i), "wbinvd"))
			ck_assert_uint_eq(counts[0][i], 1);
	}
	ck_assert_uint_eq(sum, 3);
}
END_TEST

START_TEST(xsetbv_is_checked)
{
	v->regs.rcx = 0;
	v->regs.rdx = 0;
	v->regs.rax = 2;						      /* SSE without x87 */
	ck_assert_int_eq(privileged(CODE(0x0f, 0x01, 0xd1)), EMUL_EXCEPTION); /* #UD */
	v->ctrlreg[4] |= 1 << 18;					      /* OSXSAVE */
	ck_assert_int_eq(privileged(CODE(0x0f, 0x01, 0xd1)), EMUL_UNHANDLED);
	v->regs.rax = 1;
	xcr0_changes = 0;
	if (policy.xcr0_mask) {
		ck_assert_int_eq(privileged(CODE(0x0f, 0x01, 0xd1)), EMUL_DONE);
		ck_assert_uint_eq(xcr0_changes, 1);
	}
}
END_TEST

START_TEST(pit_counts_down)
{
	uint8_t lo, hi;

	/* Channel 2, low then high byte, mode 0, gate on. */
	pit_write(env.pit, 0x61, 0, 1);
	pit_write(env.pit, 0x43, 0, 0xb0);
	pit_write(env.pit, 0x42, 0, 0xff);
	pit_write(env.pit, 0x42, 0, 0xff);
	pit_read(env.pit, 0x42, 1000000, &lo);
	pit_read(env.pit, 0x42, 1000000, &hi);
	ck_assert_uint_eq((unsigned)(hi << 8 | lo), 65535 - 1193);
	pit_read(env.pit, 0x61, 54000000, &lo);
	ck_assert_uint_eq(lo & 0x20, 0);
	pit_read(env.pit, 0x61, 56000000, &lo);
	ck_assert_uint_eq(lo & 0x20, 0x20);
	ck_assert(!pit_read(env.pit, 0x60, 0, &lo));
}
END_TEST

/* A pinned L1 mapped read-only at the address that this returns; its entry 0
 * names `leaf`. */
static uint64_t mapped_table(uint64_t *l1, uint64_t *leaf)
{
	uint64_t va = 0x40000000;

	*l1 = test_frame(t);
	*leaf = test_frame(t);
	((uint64_t *)frame_ptr(t->d, *l1))[0] = *leaf << PAGE_SHIFT | PTE_P | PTE_US;
	test_map(t, va, *l1, false);
	ck_assert_int_eq(mm_get_page_and_type(t->d, *l1, PGT_L1), 0);
	return va;
}

static enum emulate_result store(uint64_t va, const uint8_t *bytes, size_t len)
{
	load(bytes, len);
	v->regs.rdi = va;
	return emulate_pt_write(v, va);
}

START_TEST(stores_to_page_tables)
{
	uint64_t l1, leaf, va = mapped_table(&l1, &leaf);
	uint64_t *e = frame_ptr(t->d, l1), first = e[0];

	/* mov %rax, (%rdi): validated, completed, counted. */
	v->regs.rax = leaf << PAGE_SHIFT | PTE_P | PTE_A;
	ck_assert_int_eq(store(va, CODE(0x48, 0x89, 0x07)), EMUL_DONE);
	ck_assert_uint_eq(e[0], leaf << PAGE_SHIFT | PTE_P | PTE_A | PTE_US | PTE_GUEST_KERNEL);
	/* xchg %rax, (%rdi) */
	v->regs.rax = 0;
	uint64_t was = e[0];
	ck_assert_int_eq(store(va, CODE(0x48, 0x87, 0x07)), EMUL_DONE);
	ck_assert_uint_eq(v->regs.rax, was);
	ck_assert_uint_eq(e[0], 0);
	ck_assert_uint_eq(t->d->pages[leaf].refs, 0);
	/* lock cmpxchg %rcx, (%rdi): fails, then succeeds. */
	v->regs.rax = 1;
	v->regs.rcx = first;
	ck_assert_int_eq(store(va, CODE(0xf0, 0x48, 0x0f, 0xb1, 0x0f)), EMUL_DONE);
	ck_assert_uint_eq(v->regs.rax, 0);
	ck_assert_uint_eq(v->regs.rflags & FLAG_ZF, 0);
	ck_assert_int_eq(store(va, CODE(0xf0, 0x48, 0x0f, 0xb1, 0x0f)), EMUL_DONE);
	ck_assert_uint_eq(v->regs.rflags & FLAG_ZF, FLAG_ZF);
	ck_assert_uint_eq(e[0] & PTE_ADDR, first & PTE_ADDR);
	/* lock btr $0, (%rdi): clears the present bit, carry says it was set. */
	ck_assert_int_eq(store(va, CODE(0xf0, 0x48, 0x0f, 0xba, 0x37, 0x00)), EMUL_DONE);
	ck_assert_uint_eq(v->regs.rflags & FLAG_CF, FLAG_CF);
	ck_assert_uint_eq(e[0] & PTE_P, 0);
	/* movl $0, 4(%rdi): half an entry. */
	e[0] |= PTE_NX;
	v->regs.rdi = va;
	load(CODE(0xc7, 0x47, 0x04, 0, 0, 0, 0));
	ck_assert_int_eq(emulate_pt_write(v, va + 4), EMUL_DONE);
	ck_assert_uint_eq(e[0] >> 32, 0);
	/* What validation refuses, and frames that are no tables, get their fault. */
	v->regs.rax = l1 << PAGE_SHIFT | PTE_P | PTE_RW;
	ck_assert_int_eq(store(va, CODE(0x48, 0x89, 0x07)), EMUL_UNHANDLED);
	test_map(t, 0x40001000, leaf, false);
	v->regs.rax = 0;
	ck_assert_int_eq(store(0x40001000, CODE(0x48, 0x89, 0x07)), EMUL_UNHANDLED);
}
END_TEST

START_TEST(m2p_loads)
{
	t->d->m2p[5] = 0x1122334455667788UL;
	v->regs.rdi = XEN_VIRT_START + 5 * 8;
	load(CODE(0x48, 0x8b, 0x07)); /* mov (%rdi), %rax */
	ck_assert_int_eq(emulate_m2p_read(v, v->regs.rdi), EMUL_DONE);
	ck_assert_uint_eq(v->regs.rax, 0x1122334455667788UL);
	load(CODE(0x0f, 0xb6, 0x4f, 0x01)); /* movzbl 1(%rdi), %ecx */
	ck_assert_int_eq(emulate_m2p_read(v, v->regs.rdi + 1), EMUL_DONE);
	ck_assert_uint_eq(v->regs.rcx, 0x77);
	load(CODE(0x48, 0x3b, 0x07)); /* cmp (%rdi), %rax */
	ck_assert_int_eq(emulate_m2p_read(v, v->regs.rdi), EMUL_DONE);
	ck_assert_uint_eq(v->regs.rflags & FLAG_ZF, FLAG_ZF);
	v->regs.rcx = 1;
	v->regs.rflags = FLAG_ZF;
	load(CODE(0x48, 0x0f, 0x44, 0x0f)); /* cmove (%rdi), %rcx */
	ck_assert_int_eq(emulate_m2p_read(v, v->regs.rdi), EMUL_DONE);
	ck_assert_uint_eq(v->regs.rcx, 0x1122334455667788UL);
	v->regs.rsp = test_alloc(t, PAGE_SIZE) + 64;
	load(CODE(0xff, 0x37)); /* push (%rdi) */
	ck_assert_int_eq(emulate_m2p_read(v, v->regs.rdi), EMUL_DONE);
	uint64_t pushed;
	test_read(t, v->regs.rsp, &pushed, sizeof(pushed));
	ck_assert_uint_eq(pushed, 0x1122334455667788UL);
	/* An element of a string each time; the instruction ends with the last. */
	v->regs.rsi = v->regs.rdi;
	v->regs.rdi = v->regs.rsp;
	v->regs.rcx = 2;
	load(CODE(0xf3, 0xa5)); /* rep movsl */
	uint64_t rip = v->regs.rip;
	ck_assert_int_eq(emulate_m2p_read(v, v->regs.rsi), EMUL_EXCEPTION);
	ck_assert_uint_eq(v->regs.rip, rip);
	ck_assert_int_eq(emulate_m2p_read(v, v->regs.rsi), EMUL_DONE);
	ck_assert_uint_eq(v->regs.rip, rip + 2);
	ck_assert_uint_eq(v->regs.rdi, v->regs.rsp + 8);
	v->regs.rdi = XEN_VIRT_START + t->d->nr_m2p * 8 - 4; /* its end is outside */
	load(CODE(0x48, 0x8b, 0x07));
	ck_assert_int_eq(emulate_m2p_read(v, v->regs.rdi), EMUL_UNHANDLED);
	load(CODE(0x48, 0x89, 0x07)); /* a store */
	ck_assert_int_eq(emulate_m2p_read(v, XEN_VIRT_START), EMUL_UNHANDLED);
}
END_TEST

START_TEST(alu_matches_arithmetic)
{
	uint64_t r, f = 0;

	ck_assert(alu(ZYDIS_MNEMONIC_ADD, 0xff, 1, 1, &r, &f));
	ck_assert_uint_eq(r, 0);
	ck_assert_uint_eq(f & (FLAG_CF | FLAG_ZF | FLAG_OF), FLAG_CF | FLAG_ZF);
	ck_assert(alu(ZYDIS_MNEMONIC_ADC, 1, 1, 8, &r, &f)); /* with the carry of before */
	ck_assert_uint_eq(r, 3);
	f = 0;
	ck_assert(alu(ZYDIS_MNEMONIC_SUB, 0x80000000, 1, 4, &r, &f));
	ck_assert_uint_eq(r, 0x7fffffff);
	ck_assert_uint_eq(f & FLAG_OF, FLAG_OF);
	ck_assert(!alu(ZYDIS_MNEMONIC_MUL, 1, 1, 8, &r, &f));
}
END_TEST

START_TEST(shifts_and_conditions)
{
	uint64_t r, f = FLAG_CF | FLAG_ZF;

	ck_assert(shift(ZYDIS_MNEMONIC_SHL, 0x81, 1, 1, &r, &f));
	ck_assert_uint_eq(r, 2);
	ck_assert_uint_eq(f & (FLAG_CF | FLAG_ZF), FLAG_CF);
	ck_assert(shift(ZYDIS_MNEMONIC_RCR, 0, 1, 4, &r, &f)); /* the carry goes in */
	ck_assert_uint_eq(r, 0x80000000);
	ck_assert(shift(ZYDIS_MNEMONIC_SAR, 0x8000, 4, 2, &r, &f));
	ck_assert_uint_eq(r, 0xf800);
	f = FLAG_CF | FLAG_PF;
	ck_assert(shift(ZYDIS_MNEMONIC_SHR, 5, 0, 8, &r, &f)); /* by 0: no flags */
	ck_assert_uint_eq(f, FLAG_CF | FLAG_PF);
	ck_assert(!shift(ZYDIS_MNEMONIC_ADD, 5, 1, 8, &r, &f));
	/* SDM vol. 1, appendix B: cc 2 is below, 6 below or equal, 12 less, 15 greater. */
	ck_assert(condition(FLAG_CF, 2) && !condition(FLAG_CF, 3));
	ck_assert(condition(FLAG_ZF, 6) && condition(FLAG_CF, 6) && !condition(0, 6));
	ck_assert(condition(FLAG_SF, 12) && !condition(FLAG_SF | FLAG_OF, 12));
	ck_assert(condition(0, 15) && !condition(FLAG_ZF, 15) && !condition(FLAG_OF, 15));
}
END_TEST

START_TEST(random_bytes_do_no_harm)
{
	uint64_t l1, leaf, va = mapped_table(&l1, &leaf);
	uint8_t bytes[16];

	srand(815);
	for (unsigned n = 0; n < 100000; n++) {
		for (unsigned i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)rand();
		if (n % 4 == 0)
			bytes[0] = 0x0f;
		test_write(t, code, bytes, sizeof(bytes));
		for (uint64_t *r = (uint64_t *)&v->regs; r < &v->regs.rdi + 1; r++)
			*r = rand() % 2 ? va + (unsigned)rand() % 4096
					: XEN_VIRT_START + (unsigned)rand() % 4096;
		v->regs.rcx &= 0xfff;
		v->regs.rip = code;
		v->regs.rflags = (unsigned)rand() & 0xcd5;
		v->kernel_mode = true;
		v->iopl = (unsigned)rand() % 4;
		for (unsigned i = 0; i < 256; i++)
			v->traps[i].address = 0x1000;
		switch (n % 4) {
		case 0:
			emulate_privileged(v, &env);
			break;
		case 1:
			emulate_pt_write(v, va + (unsigned)rand() % 4096);
			break;
		case 2:
			emulate_m2p_read(v, XEN_VIRT_START + (unsigned)rand() % 4096);
			break;
		default:
			emulate_int(v);
		}
	}
}
END_TEST

/* Ports of a device: IOPL and the right to the port are both needed (Xen:
 * guest_io_read(), admin_io_okay()). */
START_TEST(ports_of_a_device)
{
	struct test_bars dev;
	uint32_t word = 0;

	test_bars_init(&dev);
	dev.device.bar[1] = (struct pci_bar){.kind = PCI_BAR_IO, .size = 16, .address = 0xc040};
	env.io = io_space_create();
	ck_assert_int_eq(io_space_add(env.io, IO_PORTS, &dev.device, &dev.device.bar[1], 1), 0);
	v->regs.rdx = 0xc044;
	v->iopl = 0;
	ck_assert_int_eq(privileged(CODE(0xed)), EMUL_UNHANDLED);
	v->iopl = 1;
	ck_assert_int_eq(privileged(CODE(0xed)), EMUL_DONE);
	ck_assert_uint_eq((uint32_t)v->regs.rax, 0xffffffff); /* no right */
	ck_assert_uint_eq(dev.reads, 0);
	ck_assert_int_eq(domain_permit_ioports(t->d, 0xc040, 16), 0);
	ck_assert_int_eq(privileged(CODE(0xed)), EMUL_DONE);
	ck_assert_uint_eq((uint32_t)v->regs.rax, 0x07060504);
	ck_assert_int_eq(privileged(CODE(0x66, 0xed)), EMUL_DONE);
	ck_assert_uint_eq(dev.bytes, 2);
	v->regs.rax = 0x11223344;
	ck_assert_int_eq(privileged(CODE(0xef)), EMUL_DONE);
	ck_assert_uint_eq(dev.value, 0x11223344);
	ck_assert_uint_eq(dev.bytes, 4);
	/* Half of it permitted: two ports as a word when the first is even, else one by one. */
	domain_revoke_ioports(t->d, 0xc046, 10);
	dev.reads = 0;
	ck_assert_int_eq(privileged(CODE(0xed)), EMUL_DONE);
	ck_assert_uint_eq((uint32_t)v->regs.rax, 0xffff0504);
	ck_assert_uint_eq(dev.reads, 1);
	ck_assert_uint_eq(dev.bytes, 2);
	v->regs.rdx = 0xc043;
	dev.reads = 0;
	ck_assert_int_eq(privileged(CODE(0xed)), EMUL_DONE);
	ck_assert_uint_eq((uint32_t)v->regs.rax, 0xff050403);
	ck_assert_uint_eq(dev.reads, 2);
	/* Never: CONFIG_ADDRESS as a whole, RTC. */
	ck_assert_int_eq(domain_permit_ioports(t->d, 0, 0x10000), 0);
	atomic_store(&latches.pci_address, 0x80001234);
	v->regs.rdx = 0xcf8;
	ck_assert_int_eq(privileged(CODE(0xed)), EMUL_DONE);
	ck_assert_uint_eq((uint32_t)v->regs.rax, 0x80001234);
	/* rep outsd, rep insb. */
	word = 0xcafef00d;
	uint64_t buf = test_alloc(t, PAGE_SIZE);
	test_write(t, buf, &word, 4);
	v->regs.rdx = 0xc048;
	v->regs.rsi = buf;
	v->regs.rcx = 3;
	dev.writes = 0;
	ck_assert_int_eq(privileged(CODE(0xf3, 0x6f)), EMUL_DONE);
	ck_assert_uint_eq(dev.writes, 3);
	ck_assert_uint_eq(v->regs.rcx, 0);
	v->regs.rdi = buf;
	v->regs.rcx = 4;
	ck_assert_int_eq(privileged(CODE(0xf3, 0x6c)), EMUL_DONE);
	test_read(t, buf, &word, 4);
	ck_assert_uint_eq(word, 0x08080808);
	io_space_destroy(env.io);
	env.io = NULL;
	v->iopl = 0;
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		ports_of_a_device,
		forced_cpuid_shows_xen,
		xsave_leaf_agrees_with_xcr0,
		ports_answer_like_absent_hardware,
		msrs,
		control_registers,
		xsetbv_is_checked,
		what_is_emulated_is_counted,
		pit_counts_down,
		stores_to_page_tables,
		m2p_loads,
		alu_matches_arithmetic,
		shifts_and_conditions,
		random_bytes_do_no_harm,
	};

	return RUN_TESTS("emulate", setup, teardown, tests);
}
