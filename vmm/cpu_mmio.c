/*
 * A vcpu's accesses to machine addresses that are no memory.
 */
#include <string.h>

#include "vmm/cpu_internal.h"
#include "vmm/io_space.h"
#include "vmm/resident/ring3.h"

/* KVM finishes the instruction at the next entry, and the
 * guest runs on, unless there is something for this thread to do: what the device raised
 * just now among it, for which nobody kicks us. */
int cpu_mmio(struct cpu *c, struct cpu_exit *x)
{
	struct kvm_run *run = c->run;
	const struct vcpu *v = c->vcpu;
	int rc = ring3_is_on(c) && run->mmio.is_write ? ring3_exit(c, x, run->mmio.phys_addr) : -1;

	if (rc >= 0)
		return rc;

	if (!c->machine->io)
		memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
	else if (run->mmio.is_write)
		io_space_write(c->machine->io, IO_MEMORY, run->mmio.phys_addr, run->mmio.data,
			       run->mmio.len);
	else
		io_space_read(c->machine->io, IO_MEMORY, run->mmio.phys_addr, run->mmio.data,
			      run->mmio.len);
	c->mmio_exits++;
	c->went_on = true;
	/* A signal that came since KVM_RUN returned is known by `signalled`; the handler of
	 * one that is still to come sets immediate_exit. */
	if (c->signalled || atomic_load(&c->kick) || vcpu_events_need_delivery(v) ||
	    atomic_load(&v->nmi_pending))
		run->immediate_exit = 1;
	return 1;
}

/* The guest accessed a device by an instruction that KVM's emulator does not know. KVM itself
 * makes that an invalid opcode, when it does not ask us (handle_emulation_failure()). */
bool cpu_unknown_to_kvm(struct cpu *c, struct cpu_exit *x)
{
	if (c->run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION ||
	    (c->sregs.cs.selector & 3) != 3)
		return false;
	cpu_collect_direct(c);
	x->kind = CPU_EXIT_TRAP;
	x->vector = 6;
	return true;
}
