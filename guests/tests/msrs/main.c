/*
 * Model-specific registers of a PV guest's kernel: what can be read, which writes are carried
 * out, which are dropped in silence, and which fault. Nothing here is a matter of the
 * processor's vendor.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "MSRs";

static uint64_t value;

static void read_msr(void *msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"((uint32_t)(uint64_t)msr));
	value = (uint64_t)hi << 32 | lo;
}

static void write_msr(void *msr)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"((uint32_t)(uint64_t)msr), "a"((uint32_t)value), "d"(value >> 32));
}

static bool rd(uint32_t msr)
{
	return trap_of(read_msr, (void *)(uint64_t)msr).vector < 0;
}

static const char *wr(uint32_t msr, uint64_t val)
{
	value = val;
	return trap_of(write_msr, (void *)(uint64_t)msr).vector < 0 ? "taken" : "#GP";
}

static void say_readable(const char *name, uint32_t msr)
{
	say("%s: %s", name, rd(msr) ? "readable" : "#GP");
}

static void say_value(const char *name, uint32_t msr)
{
	if (rd(msr))
		say("%s: 0x%lx", name, value);
	else
		say("%s: #GP", name);
}

/* Written with what it is, and with another value. */
static void say_writes(const char *name, uint32_t msr, uint64_t other)
{
	uint64_t was = rd(msr) ? value : 0;
	const char *same = wr(msr, was), *changed = wr(msr, was ^ other);

	say("%s: the same %s, changed %s, reads as before: %d", name, same, changed,
	    rd(msr) && value == was);
}

/* xen_version by its entry of a hypercall page. */
static long through_page(const uint8_t *page, unsigned cmd)
{
	uint64_t to = (uint64_t)page + 32 * __HYPERVISOR_xen_version;
	uint64_t rdi = cmd, rsi = 0;
	long rc;

	__asm__ volatile("call *%%rdx"
			 : "=a"(rc), "+D"(rdi), "+S"(rsi), "+d"(to)
			 :
			 : "rcx", "r8", "r9", "r10", "r11", "memory");
	return rc;
}

void guest_main(void)
{
	uint8_t *page = page_alloc();

	say_readable("TSC", 0x10);
	say_value("APIC_BASE", 0x1b);
	say_value("PAT", 0x277);
	say_readable("EFER", 0xc0000080);
	say_value("STAR", 0xc0000081);
	say_value("LSTAR", 0xc0000082);
	say_value("CSTAR", 0xc0000083);
	say_value("SFMASK", 0xc0000084);
	say_value("SYSENTER_CS", 0x174);
	say_value("MTRRcap", 0xfe);
	say_value("MTRRdefType", 0x2ff);
	say_value("DEBUGCTL", 0x1d9);
	say_value("MISC_FEATURES_ENABLES", 0x140);
	say_value("MCG_STATUS", 0x17a);
	say_value("MCG_CTL", 0x17b);
	say_value("P5_MC_ADDR", 0);
	say_value("MC0_CTL", 0x400);
	say_value("MC0_STATUS", 0x401);
	say_value("MC31_STATUS", 0x47d);
	say_value("PERF_CAPABILITIES", 0x345);
	say_value("UCODE_WRITE", 0x79);
	say_value("PRED_CMD", 0x49);
	say_value("FLUSH_CMD", 0x10b);
	say_value("TEST_CTRL", 0x33);
	say_value("CORE_CAPABILITIES", 0xcf);
	say_value("TSX_CTRL", 0x122);
	say_value("U_CET", 0x6a0);
	say_value("PPIN", 0x4f);
	say_value("x2APIC ID", 0x802);
	say_value("hypervisor 0x40000000", 0x40000000);
	say_value("hypervisor 0x40000001", 0x40000001);
	say_value("hypervisor 0x40000200", 0x40000200);
	say_value("0x12345678", 0x12345678);
	say_value("BNDCFGS", 0xd90);
	say_value("XSS", 0xda0);

	say_writes("APIC_BASE", 0x1b, 0x800);
	say_writes("PAT", 0x277, 1);
	say_writes("EFER", 0xc0000080, 1);
	say_writes("EFER, a reserved bit", 0xc0000080, 1ul << 40);
	say("TSC: %s", wr(0x10, 0));
	say("LSTAR: %s", wr(0xc0000082, 0));
	say("SYSENTER_CS: %s", wr(0x174, 0));
	say("DEBUGCTL: %s", wr(0x1d9, 0));
	say("MTRRdefType: %s", wr(0x2ff, 0));
	say("UCODE_REV, 1: %s", wr(0x8b, 1));
	say("MISC_FEATURES_ENABLES: %s, 2: %s", wr(0x140, 0), wr(0x140, 2));
	say("MCG_STATUS: %s", wr(0x17a, 0));
	say("MC0_CTL: %s", wr(0x400, 0));
	say("MC0_STATUS: %s", wr(0x401, 0));
	say("P5_MC_ADDR: %s", wr(0, 0));
	say("PERF_CAPABILITIES: %s", wr(0x345, 0));
	say("TSX_CTRL: %s", wr(0x122, 0));
	say("U_CET: %s", wr(0x6a0, 0));
	say("x2APIC EOI: %s", wr(0x80b, 0));
	say("the hypercall page, a frame beyond memory: %s", wr(0x40000000, 0xffffffful << 12));
	say("the hypercall page, page 1: %s", wr(0x40000000, mfn_of(page) << 12 | 1));
	say("the hypercall page, a page table: %s", wr(0x40000000, mfn_of(pte_of(page, 1)) << 12));
	say("the hypercall page: %s", wr(0x40000000, mfn_of(page) << 12));
	say("xen_version through it: 0x%lx", through_page(page, XENVER_version));
	say("0x12345678: %s", wr(0x12345678, 0));
	say("XSS: %s", wr(0xda0, 0));
}
