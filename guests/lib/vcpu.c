/* Vcpus: a stack each with its struct cpu at the bottom. */
#include "guests/lib/guest.h"

extern const char entry_event[], entry_failsafe[], entry_syscall[], vcpu_entry[];

uint8_t cpu_stacks[GUEST_VCPUS][STACK_SIZE] __attribute__((aligned(STACK_SIZE)));

static bool initialised[GUEST_VCPUS];

struct cpu *cpu_of(unsigned id)
{
	return (struct cpu *)cpu_stacks[id];
}

struct cpu *this_cpu(void)
{
	uint64_t sp;

	__asm__("mov %%rsp, %0" : "=r"(sp));
	return (struct cpu *)(sp & ~(STACK_SIZE - 1UL));
}

void pause(void)
{
	__asm__ volatile("pause" ::: "memory");
}

void yield(void)
{
	HCALL(sched_op_compat, SCHEDOP_yield, 0);
}

void vcpu_main(void (*fn)(void *), void *arg);

void vcpu_main(void (*fn)(void *), void *arg)
{
	fn(arg);
	/* Comes back when somebody has it up again without another start. */
	for (;;)
		HCALL(vcpu_op, VCPUOP_down, this_cpu()->id, 0);
}

void vcpu_context(struct vcpu_guest_context *c, unsigned id, void (*fn)(void *), void *arg)
{
	uint64_t top = (uint64_t)cpu_stacks[id] + STACK_SIZE - STACK_TOP_GAP;

	memset(c, 0, sizeof(*c));
	c->flags = VGCF_in_kernel;
	c->user_regs.rip = (uint64_t)vcpu_entry;
	c->user_regs.rsp = top;
	c->user_regs.rdi = (uint64_t)fn;
	c->user_regs.rsi = (uint64_t)arg;
	c->user_regs.cs = FLAT_KERNEL_CS;
	c->user_regs.ss = FLAT_KERNEL_SS;
	c->user_regs.rflags = 0x200;
	/* By number here, a list with an end in set_trap_table. */
	for (const struct trap_info *t = trap_table; t->address; t++)
		c->trap_ctxt[t->vector] = *t;
	c->kernel_ss = FLAT_KERNEL_SS;
	c->kernel_sp = top;
	c->ctrlreg[3] = xen_pfn_to_cr3(mfn_of((void *)start_info->pt_base));
	c->event_callback_eip = (unsigned long)entry_event;
	c->failsafe_callback_eip = (unsigned long)entry_failsafe;
	c->syscall_callback_eip = (unsigned long)entry_syscall;
}

static struct vcpu_guest_context context;

long vcpu_start(unsigned id, void (*fn)(void *), void *arg)
{
	struct cpu *c = cpu_of(id);
	struct vcpu_info *info = c->info; /* placed before the start */
	long rc;

	if (initialised[id])
		fail("vcpu %u was started before", id);
	memset(c, 0, sizeof(*c));
	c->id = id;
	c->info = info ? info : &shared_info->vcpu_info[id];
	vcpu_context(&context, id, fn, arg);
	rc = HCALL(vcpu_op, VCPUOP_initialise, id, &context);
	if (rc)
		return rc;
	initialised[id] = true;
	c->info->evtchn_upcall_mask = 1;
	return HCALL(vcpu_op, VCPUOP_up, id, 0);
}

void vcpu_wait(unsigned id)
{
	while (HCALL(vcpu_op, VCPUOP_is_up, id, 0) == 1)
		yield();
}
