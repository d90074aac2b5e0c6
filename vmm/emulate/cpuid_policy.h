/*
 * What CPUID shows a PV guest: the host's leaves cut down as Xen's PV policy
 * cuts them, plus the Xen leaves at 0x40000000.
 */
#ifndef VMM_EMULATE_CPUID_POLICY_H
#define VMM_EMULATE_CPUID_POLICY_H

#include <stdbool.h>
#include <stdint.h>

struct kvm_cpuid2;
struct domain;
struct vcpu;

struct cpuid_leaf {
	uint32_t leaf, subleaf;
	bool has_subleaf; /* subleaf matters */
	uint32_t a, b, c, d;
};

#define CPUID_POLICY_MAX 96

struct cpuid_policy {
	struct cpuid_leaf leaves[CPUID_POLICY_MAX];
	unsigned nr;
	uint32_t max_basic, max_extended;
	uint64_t xcr0_mask; /* bits the guest may set in XCR0; 0: no XSAVE */
};

/* `supported`: KVM_GET_SUPPORTED_CPUID of the host, or NULL to start from the
 * processor's own CPUID: hosts where guest code at CPL 3 sees that anyway
 * (HOSTS: no hardware virtualisation). tsc_khz: of guest-visible TSC. */
void cpuid_policy_build(struct cpuid_policy *p, const struct domain *d,
			const struct kvm_cpuid2 *supported, uint32_t tsc_khz);
/* The answer for one vcpu (APIC ids, OSXSAVE by its CR4, leaf 0xD by its XCR0). */
void cpuid_policy_query(const struct cpuid_policy *p, const struct vcpu *v, uint64_t xcr0,
			uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
/* The same for KVM_SET_CPUID2 of vcpu v; with `processor`, its leaves and of the policy
 * only Xen's. `max`: capacity of out->entries. */
void cpuid_policy_to_kvm(const struct cpuid_policy *p, const struct vcpu *v,
			 const struct kvm_cpuid2 *processor, struct kvm_cpuid2 *out, unsigned max);

#endif
