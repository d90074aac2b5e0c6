/*
 * rdmsr and wrmsr of the guest's kernel (Xen: arch/x86/msr.c, guest_rdmsr and
 * guest_wrmsr; arch/x86/pv/emul-priv-op.c, read_msr and write_msr).
 */
#include "vmm/emulate/msr.h"

#define EFER_SCE	 (1UL << 0)
#define EFER_LME	 (1UL << 8)
#define EFER_LMA	 (1UL << 10)
#define EFER_NX		 (1UL << 11)
#define XEN_PAT		 0x050100070406UL /* Xen: XEN_MSR_PAT */
#define APIC_ENABLED	 0x800UL
#define APIC_BSP	 0x100UL
#define LFENCE_SERIALISE 2UL
#define TSC_FREQ_SEL	 (1UL << 24)

enum {
	TSC = 0x10,
	PLATFORM_ID = 0x17,
	APIC_BASE = 0x1b,
	FEATURE_CONTROL = 0x3a,
	UCODE_REV = 0x8b,
	MTRR_CAP = 0xfe,
	MCG_CAP = 0x179,
	MCG_STATUS = 0x17a,
	MISC_ENABLE = 0x1a0,
	CR_PAT = 0x277,
	EFER = (int)0xc0000080,
	FS_BASE = (int)0xc0000100,
	GS_BASE = (int)0xc0000101,
	KERNEL_GS_BASE = (int)0xc0000102,
	TSC_AUX = (int)0xc0000103,
	HWCR = (int)0xc0010015,
	MMIO_CONF_BASE = (int)0xc0010058,
	AMD_PATCH_LOADER = (int)0xc0010020,
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
	case UCODE_REV:
	case MCG_CAP:
	case MCG_STATUS:
	case TSC_AUX:
		*val = 0;
		return true;
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
	case MISC_ENABLE:
	case FEATURE_CONTROL:
		*val = msr == MISC_ENABLE ? 0x1801 : 0; /* fast strings; no BTS, no PEBS */
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
	case UCODE_REV: /* the architectural way to ask for the revision */
	case AMD_PATCH_LOADER:
	case TSC:
		return true;
	default:
		/* What changes nothing is no offence. */
		return msr_read(v, env, msr, &now) && now == val;
	}
}
