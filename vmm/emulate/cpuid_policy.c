/*
 * The CPUID of a PV guest: allow-lists over the host's leaves (Xen:
 * include/public/arch-x86/cpufeatureset.h, the features marked for PV;
 * arch/x86/cpuid.c, guest_cpuid), leaf 0xD computed for just those features, and
 * the Xen leaves (arch-x86/cpuid.h).
 */
#include <cpuid.h>
#include <linux/kvm.h>
#include <string.h>

#include "pvabi/pvabi.h"
#include "vmm/emulate/cpuid_policy.h"

#define BIT(n)	       (1u << (n))
#define CR4_OSXSAVE    0x40000UL
#define F1C_XSAVE      BIT(26)
#define F1C_OSXSAVE    BIT(27)
#define F1C_HYPERVISOR BIT(31)
#define XEN_LEAF       0x40000000u
#define XEN_LEAVES     XEN_CPUID_MAX_NUM_LEAVES

/* x87, SSE, AVX, the three AVX-512 components. */
#define XCR0_KNOWN  0xe7UL
#define XCR0_AVX    0x7UL
#define XCR0_AVX512 0xe0UL

/* FPU DE TSC MSR PAE CX8 APIC CMOV PAT CLFLUSH MMX FXSR SSE SSE2 */
#define ALLOW_1D                                                                            \
	(BIT(0) | BIT(2) | BIT(4) | BIT(5) | BIT(6) | BIT(8) | BIT(9) | BIT(15) | BIT(16) | \
	 BIT(19) | BIT(23) | BIT(24) | BIT(25) | BIT(26))
/* SSE3 PCLMULQDQ SSSE3 FMA CX16 SSE4.1 SSE4.2 MOVBE POPCNT AES XSAVE AVX F16C RDRAND */
#define ALLOW_1C                                                                                \
	(BIT(0) | BIT(1) | BIT(9) | BIT(12) | BIT(13) | BIT(19) | BIT(20) | BIT(22) | BIT(23) | \
	 BIT(25) | F1C_XSAVE | BIT(28) | BIT(29) | BIT(30))
#define AVX_1C (BIT(12) | BIT(28) | BIT(29))
/* FSGSBASE BMI1 AVX2 BMI2 ERMS AVX512F/DQ RDSEED ADX IFMA CLFLUSHOPT CLWB CD SHA BW VL */
#define ALLOW_7B                                                                              \
	(BIT(0) | BIT(3) | BIT(5) | BIT(8) | BIT(9) | BIT(16) | BIT(17) | BIT(18) | BIT(19) | \
	 BIT(21) | BIT(23) | BIT(24) | BIT(28) | BIT(29) | BIT(30) | BIT(31))
#define AVX512_7B (BIT(16) | BIT(17) | BIT(21) | BIT(28) | BIT(30) | BIT(31))
/* VBMI VBMI2 GFNI VAES VPCLMULQDQ VNNI BITALG VPOPCNTDQ RDPID */
#define ALLOW_7C \
	(BIT(1) | BIT(6) | BIT(8) | BIT(9) | BIT(10) | BIT(11) | BIT(12) | BIT(14) | BIT(22))
#define AVX512_7C  (BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14))
#define ALLOW_7D   BIT(4)	     /* FSRM */
#define ALLOW_7_1A (BIT(4) | BIT(5)) /* AVX-VNNI, AVX512-BF16 */
/* SYSCALL NX MMXEXT FFXSR RDTSCP LM, and AMD's copies of leaf 1 */
#define ALLOW_E1D  (BIT(11) | BIT(20) | BIT(22) | BIT(25) | BIT(27) | BIT(29))
#define COPIES_E1D (ALLOW_1D & 0x0183f3ffu)
/* LAHF CR8_LEGACY ABM SSE4A MISALIGNSSE 3DNOWPREFETCH XOP FMA4 TBM */
#define ALLOW_E1C \
	(BIT(0) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(11) | BIT(16) | BIT(21))
#define ALLOW_E8B (BIT(0) | BIT(2))	     /* CLZERO RSTR_FP_ERR_PTRS */
#define ALLOW_D1A (BIT(0) | BIT(1) | BIT(2)) /* XSAVEOPT XSAVEC XGETBV1 */

struct source {
	const struct kvm_cpuid2 *kvm; /* NULL: the processor itself */
};

static void host_leaf(const struct source *s, uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	memset(r, 0, 4 * sizeof(*r));
	if (!s->kvm) {
		__cpuid_count(leaf, sub, r[0], r[1], r[2], r[3]);
		return;
	}
	for (unsigned i = 0; i < s->kvm->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &s->kvm->entries[i];
		if (e->function == leaf &&
		    (e->index == sub || !(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX))) {
			r[0] = e->eax;
			r[1] = e->ebx;
			r[2] = e->ecx;
			r[3] = e->edx;
			return;
		}
	}
}

static void add(struct cpuid_policy *p, uint32_t leaf, uint32_t sub, bool has_sub,
		const uint32_t r[4])
{
	if (p->nr < CPUID_POLICY_MAX)
		p->leaves[p->nr++] =
			(struct cpuid_leaf){leaf, sub, has_sub, r[0], r[1], r[2], r[3]};
}

static const struct cpuid_leaf *find(const struct cpuid_policy *p, uint32_t leaf, uint32_t sub)
{
	for (unsigned i = 0; i < p->nr; i++)
		if (p->leaves[i].leaf == leaf &&
		    (!p->leaves[i].has_subleaf || p->leaves[i].subleaf == sub))
			return &p->leaves[i];
	return NULL;
}

static uint64_t native_xcr0(void)
{
	uint32_t lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (uint64_t)hi << 32 | lo;
}

static uint64_t usable_xcr0(const struct source *s)
{
	uint32_t r[4], f[4];

	host_leaf(s, 1, 0, f);
	if (!(f[2] & F1C_XSAVE) || (!s->kvm && !(f[2] & F1C_OSXSAVE)))
		return 0;
	host_leaf(s, 0xd, 0, r);
	uint64_t mask = ((uint64_t)r[3] << 32 | r[0]) & XCR0_KNOWN;
	if (!s->kvm)
		mask &= native_xcr0();
	if ((mask & XCR0_AVX) != XCR0_AVX)
		mask &= 3;
	if ((mask & XCR0_AVX512) != XCR0_AVX512)
		mask &= ~XCR0_AVX512;
	return mask;
}

static void add_features(struct cpuid_policy *p, const struct source *s)
{
	bool avx = (p->xcr0_mask & XCR0_AVX) == XCR0_AVX;
	bool avx512 = (p->xcr0_mask & XCR0_AVX512) == XCR0_AVX512;
	uint32_t r[4];

	host_leaf(s, 1, 0, r);
	r[1] = (r[1] & 0xff00) |
	       1u << 16; /* one logical processor; the APIC id comes with the vcpu */
	r[2] &= ALLOW_1C;
	if (!p->xcr0_mask)
		r[2] &= ~F1C_XSAVE;
	if (!avx)
		r[2] &= ~AVX_1C;
	r[2] |= F1C_HYPERVISOR;
	r[3] &= ALLOW_1D;
	add(p, 1, 0, false, r);

	host_leaf(s, 7, 0, r);
	uint32_t max_sub = r[0] > 1 ? 1 : r[0];
	r[0] = max_sub;
	r[1] &= ALLOW_7B & ~(avx ? 0 : BIT(5)) & ~(avx512 ? 0 : AVX512_7B);
	r[2] &= ALLOW_7C & ~(avx ? 0 : BIT(9) | BIT(10)) & ~(avx512 ? 0 : AVX512_7C);
	r[3] &= ALLOW_7D;
	add(p, 7, 0, true, r);
	if (max_sub) {
		host_leaf(s, 7, 1, r);
		r[0] &= ALLOW_7_1A & ~(avx ? 0 : BIT(4)) & ~(avx512 ? 0 : BIT(5));
		r[1] = r[2] = r[3] = 0;
		add(p, 7, 1, true, r);
	}
}

/* Size and place of each component as the processor has them (SDM vol. 1, 13.2). */
static void add_xsave(struct cpuid_policy *p, const struct source *s)
{
	uint32_t r[4];

	if (!p->xcr0_mask)
		return;
	host_leaf(s, 0xd, 1, r);
	uint32_t sub1[4] = {r[0] & ALLOW_D1A, 0, 0, 0};
	uint32_t sub0[4] = {(uint32_t)p->xcr0_mask, 0, 0, 0};
	add(p, 0xd, 0, true, sub0);
	add(p, 0xd, 1, true, sub1);
	for (uint32_t i = 2; i < 32; i++) {
		if (!(p->xcr0_mask >> i & 1))
			continue;
		host_leaf(s, 0xd, i, r);
		r[2] &= 2; /* alignment; no supervisor states */
		r[3] = 0;
		add(p, 0xd, i, true, r);
	}
}

#define XSAVE_HEADER_END 576u

static uint32_t standard_size(const struct cpuid_policy *p, uint64_t xcr0)
{
	uint32_t size = XSAVE_HEADER_END;

	for (uint32_t i = 2; i < 32; i++) {
		const struct cpuid_leaf *l = xcr0 >> i & 1 ? find(p, 0xd, i) : NULL;
		if (l && l->b + l->a > size)
			size = l->b + l->a;
	}
	return size;
}

static uint32_t compacted_size(const struct cpuid_policy *p, uint64_t xcr0)
{
	uint32_t size = XSAVE_HEADER_END;

	for (uint32_t i = 2; i < 32; i++) {
		const struct cpuid_leaf *l = xcr0 >> i & 1 ? find(p, 0xd, i) : NULL;
		if (!l)
			continue;
		if (l->c & 2)
			size = (size + 63) & ~63u;
		size += l->a;
	}
	return size;
}

static void add_extended(struct cpuid_policy *p, const struct source *s, bool amd)
{
	uint32_t r[4];

	host_leaf(s, 0x80000001, 0, r);
	r[2] &= ALLOW_E1C;
	r[3] &= ALLOW_E1D | (amd ? COPIES_E1D : 0);
	add(p, 0x80000001, 0, false, r);
	for (uint32_t l = 0x80000002; l <= 0x80000006; l++) {
		host_leaf(s, l, 0, r);
		add(p, l, 0, false, r);
	}
	memset(r, 0, sizeof(r)); /* no invariant TSC: the guest might be moved */
	add(p, 0x80000007, 0, false, r);
	host_leaf(s, 0x80000008, 0, r);
	r[0] &= 0xffff;
	r[1] &= ALLOW_E8B;
	r[2] = r[3] = 0;
	add(p, 0x80000008, 0, false, r);
}

static unsigned bits_for(uint64_t n)
{
	return n ? 64 - (unsigned)__builtin_clzll(n) : 0;
}

static void add_xen(struct cpuid_policy *p, const struct domain *d, uint32_t tsc_khz)
{
	struct vcpu_time_info t;
	uint32_t sig[4] = {XEN_LEAF + XEN_LEAVES, XEN_CPUID_SIGNATURE_EBX, XEN_CPUID_SIGNATURE_ECX,
			   XEN_CPUID_SIGNATURE_EDX};
	uint32_t version[4] = {d->profile->version, 0, 0, 0};
	uint32_t pages[4] = {1, XEN_LEAF, XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD, 0};
	uint32_t pv[4] = {0, bits_for(d->nr_frames) + PAGE_SHIFT, 0, 0};
	uint32_t none[4] = {0};

	d->ops->time_info((struct domain *)d, &t);
	/* Leaf 3: native TSC, never emulated; frequency; scaling. */
	uint32_t time0[4] = {(t.flags & XEN_PVCLOCK_TSC_STABLE_BIT) ? 2 : 0, 2, tsc_khz, 0};
	uint32_t time1[4] = {0, 0, t.tsc_to_system_mul, (uint32_t)t.tsc_shift};
	uint32_t time2[4] = {tsc_khz, 0, 0, 0};
	add(p, XEN_LEAF, 0, false, sig);
	add(p, XEN_LEAF + 1, 0, false, version);
	add(p, XEN_LEAF + 2, 0, false, pages);
	add(p, XEN_LEAF + 3, 0, true, time0);
	add(p, XEN_LEAF + 3, 1, true, time1);
	add(p, XEN_LEAF + 3, 2, true, time2);
	add(p, XEN_LEAF + 4, 0, false, none);
	add(p, XEN_LEAF + 5, 0, false, pv);
}

void cpuid_policy_build(struct cpuid_policy *p, const struct domain *d,
			const struct kvm_cpuid2 *supported, uint32_t tsc_khz)
{
	struct source s = {supported};
	uint32_t r[4], none[4] = {0};

	memset(p, 0, sizeof(*p));
	p->xcr0_mask = usable_xcr0(&s);
	host_leaf(&s, 0, 0, r);
	bool amd = r[2] == 0x444d4163; /* "...cAMD" */
	p->max_basic = r[0] < 0xd ? r[0] : 0xd;
	r[0] = p->max_basic;
	add(p, 0, 0, false, r);
	add_features(p, &s);
	if (!amd) {
		host_leaf(&s, 2, 0, r);
		add(p, 2, 0, false, r);
		for (uint32_t i = 0; i < 4; i++) {
			host_leaf(&s, 4, i, r);
			if (!(r[0] & 0x1f))
				break;
			r[0] &= 0x3fff; /* every cache is one vcpu's own */
			add(p, 4, i, true, r);
		}
	}
	add(p, 5, 0, false, none);
	add(p, 6, 0, false, none);
	add(p, 0xa, 0, false, none);
	add_xsave(p, &s);
	host_leaf(&s, 0x80000000, 0, r);
	p->max_extended = r[0] > 0x80000008 ? 0x80000008 : r[0];
	r[0] = p->max_extended;
	add(p, 0x80000000, 0, false, r);
	add_extended(p, &s, amd);
	add_xen(p, d, tsc_khz);
}

void cpuid_policy_query(const struct cpuid_policy *p, const struct vcpu *v, uint64_t xcr0,
			uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	const struct cpuid_leaf *l = find(p, leaf, subleaf);
	uint32_t apic_id = v->id * 2; /* Xen: a package of its own for each vcpu */

	memset(out, 0, 4 * sizeof(*out));
	if (leaf == 0xb && p->max_basic >= 0xb) {
		out[2] = subleaf & 0xff;
		out[3] = apic_id;
		return;
	}
	if (!l)
		return;
	out[0] = l->a;
	out[1] = l->b;
	out[2] = l->c;
	out[3] = l->d;
	if (leaf == 1) {
		out[1] |= apic_id << 24;
		/* Xen shows a PV kernel its own CR4.OSXSAVE: Linux decides on it. */
		if (out[2] & F1C_XSAVE)
			out[2] |= F1C_OSXSAVE;
	} else if (leaf == 0xd && subleaf == 0) {
		out[1] = standard_size(p, xcr0);
		out[2] = standard_size(p, p->xcr0_mask);
	} else if (leaf == 0xd && subleaf == 1 && (out[0] & BIT(1))) {
		out[1] = compacted_size(p, xcr0);
	}
}

static bool is_hypervisors(uint32_t leaf)
{
	return leaf >> 28 == 4;
}

void cpuid_policy_to_kvm(const struct cpuid_policy *p, const struct vcpu *v,
			 const struct kvm_cpuid2 *processor, struct kvm_cpuid2 *out, unsigned max)
{
	uint32_t r[4];

	out->nent = 0;
	for (unsigned i = 0; processor && i < processor->nent && out->nent < max; i++)
		if (!is_hypervisors(processor->entries[i].function))
			out->entries[out->nent++] = processor->entries[i];
	for (unsigned i = 0; i < p->nr && out->nent < max; i++) {
		const struct cpuid_leaf *l = &p->leaves[i];
		if (processor && !is_hypervisors(l->leaf))
			continue;
		cpuid_policy_query(p, v, p->xcr0_mask, l->leaf, l->subleaf, r);
		out->entries[out->nent++] = (struct kvm_cpuid_entry2){
			.function = l->leaf,
			.index = l->subleaf,
			.flags = l->has_subleaf ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
			.eax = r[0],
			.ebx = r[1],
			.ecx = r[2],
			.edx = r[3]};
	}
}
