/*
 * The local APICs of KVM, of which nothing is used but one interrupt (bell.h). Registers: SDM
 * vol. 3, 10.4 (local APIC), 10.12 (x2APIC).
 */
#include <asm/kvm_para.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/bell.h"
#include "vmm/cpu_internal.h"
#include "vmm/resident/resident.h"

#define CPUID_1C_X2APIC	  (1u << 21)
#define CPUID_1C_DEADLINE (1u << 24)
#define APIC_BASE_X2APIC  (1u << 10)
#define APIC_BASE_ENABLED (1u << 11)
#define REG_SPURIOUS	  0xf0
#define SPURIOUS_ENABLED  0x1ffu
#define REG_TIMER	  0x320
#define TIMER_DEADLINE	  (2u << 17)
#define MSI_ADDRESS	  0xfee00000u
#define MSI_DEST_SHIFT	  12

static bool has(const struct machine *m, int cap)
{
	return ioctl(m->kvm_fd, KVM_CHECK_EXTENSION, cap) > 0;
}

bool bells_offered(const struct machine *m, bool *timers)
{
	*timers = m->host.tsc_khz && has(m, KVM_CAP_TSC_DEADLINE_TIMER);
	return has(m, KVM_CAP_SPLIT_IRQCHIP) && has(m, KVM_CAP_SIGNAL_MSI);
}

void bells_create(struct machine *m)
{
	struct kvm_enable_cap cap = {.cap = KVM_CAP_SPLIT_IRQCHIP};
	bool timers;

	m->bells = bells_offered(m, &timers) && !ioctl(m->vm_fd, KVM_ENABLE_CAP, &cap);
	m->bell_timers = m->bells && timers;
}

void bell_cpuid(const struct machine *m, struct kvm_cpuid2 *cpuid)
{
	for (unsigned i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 1)
			cpuid->entries[i].ecx |=
				CPUID_1C_X2APIC | (m->bell_timers ? CPUID_1C_DEADLINE : 0);
}

static void put(struct kvm_lapic_state *l, unsigned reg, uint32_t value)
{
	memcpy(l->regs + reg, &value, sizeof(value));
}

/* A KVM that does not offer it wants the APIC's own MSR for every bell. */
static void end_without_exit(struct cpu *c)
{
	const uint32_t *eoi = &resident_cpu_area(c)->eoi;
	uint64_t maddr = (uint64_t)((const uint8_t *)eoi - c->machine->memory);

	cpu_write_msr(c, MSR_KVM_PV_EOI_EN, maddr | KVM_MSR_ENABLED);
}

int bell_create(struct cpu *c)
{
	/* All but the first wait for the first to start them. */
	struct kvm_mp_state runs = {.mp_state = KVM_MP_STATE_RUNNABLE};
	struct kvm_lapic_state l;

	if (ioctl(c->fd, KVM_GET_LAPIC, &l) < 0)
		return -errno;
	put(&l, REG_SPURIOUS, SPURIOUS_ENABLED);
	if (c->machine->bell_timers)
		put(&l, REG_TIMER, TIMER_DEADLINE | BELL_TIMER_VECTOR);
	if (ioctl(c->fd, KVM_SET_LAPIC, &l) < 0 || ioctl(c->fd, KVM_SET_MP_STATE, &runs) < 0)
		return -errno;
	end_without_exit(c);
	return 0;
}

void bell_sregs(struct kvm_sregs *s)
{
	s->apic_base |= APIC_BASE_ENABLED | APIC_BASE_X2APIC;
	s->idt.limit = (BELL_TIMER_VECTOR + 1) * 16 - 1;
}

bool bell_ring(struct cpu *c)
{
	struct kvm_msi msi = {
		.address_lo = MSI_ADDRESS | c->vcpu->id << MSI_DEST_SHIFT,
		.data = BELL_VECTOR,
	};

	return ioctl(c->machine->vm_fd, KVM_SIGNAL_MSI, &msi) > 0;
}

void bell_arm(struct cpu *c, uint64_t tsc)
{
	cpu_write_msr(c, MSR_TSC_DEADLINE, tsc);
}
