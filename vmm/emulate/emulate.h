/*
 * Emulation of the instructions that a PV guest may execute although CPL 3
 * cannot, decoded with Zydis. Works on struct vcpu; needs no KVM.
 */
#ifndef VMM_EMULATE_EMULATE_H
#define VMM_EMULATE_EMULATE_H

#include "pvabi/pvabi.h"
#include "vmm/emulate/cpuid_policy.h"

enum emulate_result {
	EMUL_DONE,	/* regs updated, rip behind the instruction */
	EMUL_EXCEPTION, /* an exception was reflected to the guest instead: go on */
	EMUL_UNHANDLED, /* not ours: reflect the original fault */
};

#define NR_EMULATE_COUNTS 20

/* Ports that remember what was written to them. One for the domain. */
struct port_latches {
	_Atomic uint8_t rtc_index;
	_Atomic uint32_t pci_address;
};

/* Reads and writes of model-specific registers and of I/O ports that have an
 * effect outside pvabi's state; the emulator asks its environment for them. */
struct emulate_env {
	const struct cpuid_policy *cpuid;
	/* The guest set XCR0 (already checked against the policy). */
	void (*xcr0_changed)(struct vcpu *v, uint64_t xcr0);
	/* fs_base/gs_base* of v changed by wrmsr. */
	void (*segment_bases_changed)(struct vcpu *v);
	uint64_t (*read_tsc)(struct vcpu *v);
	struct pit *pit; /* vmm/emulate/pit.h */
	struct io_space *io; /* vmm/io_space.h: the domain's devices; NULL: it has none */
	struct port_latches *latches;
	uint64_t *xcr0; /* one per vcpu, indexed by v->id */
	/* Statistics: what emulate_privileged() carried out, see emulate_count_name().
	 * NULL: nobody counts. */
	uint64_t (*counts)[NR_EMULATE_COUNTS]; /* one array per vcpu */
};

/* The instruction's name; NULL: there is no such count. */
const char *emulate_count_name(unsigned i);

/* #GP(0) at regs.rip, guest kernel (or user with IOPL): cpuid under faulting,
 * in/out/ins/outs, cli, sti, hlt, clts, lmsw, mov cr/dr, rdmsr, wrmsr, wbinvd,
 * invd, invlpg, rdpmc, rdtsc(p), xsetbv, ... as Xen's pv/emul-priv-op.c. */
enum emulate_result emulate_privileged(struct vcpu *v, const struct emulate_env *env);
/* #UD: the forced-emulation prefix (ud2; "xen") before cpuid (Xen: emul-inv-op.c). */
enum emulate_result emulate_invalid_op(struct vcpu *v, const struct emulate_env *env);
/* `int n` seen as #GP with an IDT error code or as #UD at the CD byte. */
enum emulate_result emulate_int(struct vcpu *v);
/* Write #PF of the guest's kernel at `va` that may be a read-only page-table
 * page: mov, movnti, xchg, cmpxchg(8b), add, sub, and, or, xor, bts, btr, btc, inc, dec, not, neg,
 * xadd, stos, movs with any width up to 8 (Xen: pv/ro-page-fault.c). */
enum emulate_result emulate_pt_write(struct vcpu *v, uint64_t va);
/* A load by the guest from the M2P's fixed place on hosts where CPL 3 cannot
 * reach it: the instruction is a load from [XEN_VIRT_START, +8 * nr_m2p). */
enum emulate_result emulate_m2p_read(struct vcpu *v, uint64_t va);

#endif
