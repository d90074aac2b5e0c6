/*
 * rdmsr and wrmsr of the guest's kernel (Xen: arch/x86/msr.c, guest_rdmsr and
 * guest_wrmsr; arch/x86/pv/emul-priv-op.c, read_msr and write_msr; traps.c,
 * guest_wrmsr_xen).
 */
#include "pvabi/mm.h"
#include "vmm/emulate/msr.h"

#define EFER_SCE	     (1UL << 0)
#define EFER_LME	     (1UL << 8)
#define EFER_LMA	     (1UL << 10)
#define EFER_NX		     (1UL << 11)
#define XEN_PAT		     0x050100070406UL /* Xen: XEN_MSR_PAT */
#define APIC_ENABLED	     0x800UL
#define APIC_BSP	     0x100UL
#define LFENCE_SERIALISE     2UL
#define FEATURE_CONTROL_LOCK 1UL
#define TSC_FREQ_SEL	     (1UL << 24)

/* Xen: cpu/mcheck/vmce.c. Machine checks never happen to a guest: registers without contents. */
#define MC_BANKS      2
#define INTEL_MCG_CAP (1UL << 24 | 1UL << 11 | 1UL << 10 | MC_BANKS) /* SER, TES, CMCI */

enum {
	P5_MC_ADDR = 0,
	P5_MC_TYPE = 1,
	TSC = 0x10,
	PLATFORM_ID = 0x17,
	APIC_BASE = 0x1b,
	FEATURE_CONTROL = 0x3a,
	UCODE_REV = 0x8b,
	MTRR_CAP = 0xfe,
	MISC_FEATURES_ENABLES = 0x140,
	MCG_CAP = 0x179,
	MCG_STATUS = 0x17a,
	MCG_CTL = 0x17b,
	PERF_STATUS = 0x198,
	PERF_CTL = 0x199,
	THERM_STATUS = 0x19c,
	MISC_ENABLE = 0x1a0,
	CR_PAT = 0x277,
	MC_CTL2 = 0x280, /* 32 of them */
	PERF_CAPABILITIES = 0x345,
	MC_FIRST = 0x400,
	MC_LAST = 0x47f,
	HYPERCALL_PAGE = 0x40000000,
	EFER = (int)0xc0000080,
	FS_BASE = (int)0xc0000100,
	GS_BASE = (int)0xc0000101,
	KERNEL_GS_BASE = (int)0xc0000102,
	TSC_AUX = (int)0xc0000103,
	HWCR = (int)0xc0010015,
	MMIO_CONF_BASE = (int)0xc0010058,
	DE_CFG = (int)0xc0011029,
};

static bool canonical(uint64_t va)
{
	return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

static bool is_amd(const struct vcpu *v, const struct emulate_env *env)
{
	uint32_t r[4];

	cpuid_policy_query(env->cpuid, v, 0, 0, 0, r);
	return r[2] == 0x444d4163;
}

bool msr_read(struct vcpu *v, const struct emulate_env *env, uint32_t msr, uint64_t *val)
{
	switch ((int)msr) {
	case TSC:
		*val = env->read_tsc(v);
		return true;
	case APIC_BASE:
		*val = 0xfee00000UL | APIC_ENABLED | (v->id ? 0 : APIC_BSP);
		return true;
	case MC_FIRST ... MC_LAST:
		/* The control register of a bank has all bits, the others none. */
		*val = msr < MC_FIRST + 4 * MC_BANKS && !(msr & 3) ? ~0UL : 0;
		return true;
	case MCG_CAP:
		*val = is_amd(v, env) ? MC_BANKS : INTEL_MCG_CAP;
		return true;
	case P5_MC_ADDR:
	case P5_MC_TYPE:
	case MC_CTL2 ... MC_CTL2 + 31:
	case MCG_STATUS:
	case MCG_CTL:
	case UCODE_REV:
	case TSC_AUX:
	case MISC_FEATURES_ENABLES:
	case PERF_CAPABILITIES:
	case HYPERCALL_PAGE:
		*val = 0;
		return true;
	case PERF_STATUS:
	case PERF_CTL:
	case THERM_STATUS:
		*val = 0;
		return !is_amd(v, env);
	case CR_PAT:
		*val = XEN_PAT;
		return true;
	case EFER:
		*val = EFER_SCE | EFER_LME | EFER_LMA | EFER_NX;
		return true;
	case FS_BASE:
		*val = v->fs_base;
		return true;
	case GS_BASE:
		*val = v->kernel_mode ? v->gs_base_kernel : v->gs_base_user;
		return true;
	case KERNEL_GS_BASE:
		*val = v->gs_base_user;
		return true;
	case PLATFORM_ID:
		*val = 0;
		return !is_amd(v, env);
	case MISC_ENABLE:
		*val = 0x1801; /* fast strings; no BTS, no PEBS */
		return !is_amd(v, env);
	case FEATURE_CONTROL:
		*val = FEATURE_CONTROL_LOCK;
		return !is_amd(v, env);
	case HWCR:
		*val = TSC_FREQ_SEL;
		return is_amd(v, env);
	case MMIO_CONF_BASE:
		*val = 0;
		return is_amd(v, env);
	case DE_CFG:
		*val = LFENCE_SERIALISE;
		return is_amd(v, env);
	default:
		return false;
	}
}

/* Hypercalls by `syscall` are understood on every host. */
static bool write_hypercall_page(struct vcpu *v, uint64_t maddr)
{
	struct domain *d = v->domain;
	uint64_t mfn = maddr >> PAGE_SHIFT;

	if (maddr & (PAGE_SIZE - 1))
		return false;
	domain_lock(d);
	bool ok = !mm_get_page_and_type(d, mfn, PGT_WRITABLE);
	if (ok) {
		hypercall_page_fill(frame_ptr(d, mfn), 0);
		mm_put_page_and_type(d, mfn);
	}
	domain_unlock(d);
	return ok;
}

bool msr_write(struct vcpu *v, const struct emulate_env *env, uint32_t msr, uint64_t val)
{
	uint64_t now;

	switch ((int)msr) {
	case FS_BASE:
		if (!canonical(val))
			return false;
		v->fs_base = val;
		env->segment_bases_changed(v);
		return true;
	case GS_BASE:
		if (!canonical(val))
			return false;
		v->gs_base_kernel = val;
		env->segment_bases_changed(v);
		return true;
	case KERNEL_GS_BASE:
		if (!canonical(val))
			return false;
		v->gs_base_user = val;
		env->segment_bases_changed(v);
		return true;
	case EFER: /* Linux writes back what it read */
		return msr_read(v, env, msr, &now) && now == val;
	case UCODE_REV: /* Intel's way to ask for the revision */
		return !is_amd(v, env) && !val;
	case MISC_ENABLE: /* whatever is written */
	case PERF_CTL:
		return !is_amd(v, env);
	case HWCR:
	case MMIO_CONF_BASE:
	case DE_CFG:
		return is_amd(v, env);
	case MISC_FEATURES_ENABLES:
	case TSC_AUX:
		return !val;
	case MCG_CAP:
	case MCG_STATUS:
	case MCG_CTL:
	case MC_CTL2 ... MC_CTL2 + 31:
		return true;
	case MC_FIRST ... MC_LAST:
		return !val || !(msr & 3) || msr >= MC_FIRST + 4 * MC_BANKS;
	case HYPERCALL_PAGE:
		return write_hypercall_page(v, val);
	default:
		return false;
	}
}
