/*
 * Privileged instructions that Linux executes thousands of times (Xen: arch/x86/pv/
 * emul-priv-op.c): cli and sti, in vain; its search for PCI devices by the configuration
 * ports, which finds none; and at each switch of tasks the user's GS base. All others the host
 * decodes (vmm/emulate/emulate_privileged.c).
 */
#include "vmm/resident/guest/resident_guest.h"

#define PCI_ADDRESS 0xcf8
#define PCI_DATA    0xcfc

#define TWO_BYTES  0x0f
#define RDMSR	   0x32 /* behind it */
#define OPERAND_16 0x66
#define IN_AL	   0xec
#define IN_EAX	   0xed
#define OUT_EAX	   0xef
#define CLI	   0xfa
#define STI	   0xfb

/* With the right to all I/O; a domain with rights to some ports is the host's business. */
bool resident_privileged(struct vcpu *v, const struct cpu_user_regs *f, struct privileged_insn *in)
{
	uint8_t b[2];
	uint16_t port = (uint16_t)f->rdx;

	if (f->error_code || !v->kernel_mode || f->rflags & EFLAGS_TF ||
	    guest_copy_from(v, b, f->rip, 1))
		return false;
	if (b[0] == TWO_BYTES) {
		*in = (struct privileged_insn){.opcode = RDMSR, .len = 2};
		return (uint32_t)f->rcx == MSR_KERNEL_GS_BASE &&
		       !guest_copy_from(v, b, f->rip, 2) && b[1] == RDMSR;
	}
	if (v->iopl < 1)
		return false;
	in->len = 1;
	in->bytes = 4;
	if (b[0] == OPERAND_16) {
		if (guest_copy_from(v, b, f->rip, 2))
			return false;
		b[0] = b[1];
		in->len = 2;
		in->bytes = 2;
	}
	in->opcode = b[0];
	switch (in->opcode) {
	case CLI:
	case STI:
		return in->len == 1;
	case IN_AL:
		in->bytes = 1;
		return port >= PCI_DATA && port < PCI_DATA + 4;
	case IN_EAX:
		return port >= PCI_DATA && port + in->bytes <= PCI_DATA + 4;
	case OUT_EAX:
		return port == PCI_ADDRESS && in->bytes == 4;
	default:
		return false;
	}
}

void resident_privileged_do(struct vcpu *v, const struct privileged_insn *in)
{
	struct cpu_user_regs *u = &v->regs;

	switch (in->opcode) {
	case IN_AL:
	case IN_EAX:
		/* Nobody answers. 32 bits clear those above. */
		u->rax = in->bytes == 4 ? 0xffffffff : u->rax | ((1UL << 8 * in->bytes) - 1);
		break;
	case RDMSR:
		u->rax = (uint32_t)v->gs_base_user;
		u->rdx = v->gs_base_user >> 32;
		break;
	case OUT_EAX:
		resident_set_pci_address((uint32_t)u->rax);
		break;
	default:
		break;
	}
	u->rip += in->len;
	u->rflags &= ~EFLAGS_RF;
}
