/*
 * Debug registers by hypercall and by mov, breakpoints that hit, single steps: what the
 * guest's handler finds in its frame and in DR6.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Breakpoints";

static uint64_t cell;

static long set(unsigned reg, uint64_t val)
{
	return HCALL(set_debugreg, reg, val);
}

static uint64_t get(unsigned reg)
{
	return HCALL(get_debugreg, reg);
}

static void set_and_say(unsigned reg, uint64_t val)
{
	long rc = set(reg, val);

	say("DR%u = 0x%lx: %e, reads 0x%lx", reg, val, rc, get(reg));
}

static void mov_from(void *arg)
{
	uint64_t v = 0;

	switch ((uint64_t)arg) {
	case 0:
		__asm__ volatile("mov %%dr0, %0" : "=r"(v));
		break;
	case 4:
		__asm__ volatile("mov %%dr4, %0" : "=r"(v));
		break;
	case 6:
		__asm__ volatile("mov %%dr6, %0" : "=r"(v));
		break;
	case 7:
		__asm__ volatile("mov %%dr7, %0" : "=r"(v));
		break;
	}
	cell = v;
}

static void say_mov_from(unsigned reg)
{
	struct trap t = trap_of(mov_from, (void *)(uint64_t)reg);

	if (t.vector < 0)
		say("mov from dr%u: 0x%lx", reg, cell);
	else
		say("mov from dr%u: #%d", reg, t.vector);
}

static void mov_to_0(void *v)
{
	__asm__ volatile("mov %0, %%dr0" : : "r"(v));
}

static void mov_to_6(void *v)
{
	__asm__ volatile("mov %0, %%dr6" : : "r"(v));
}

static void mov_to_7(void *v)
{
	__asm__ volatile("mov %0, %%dr7" : : "r"(v));
}

static void nothing(void *arg)
{
	(void)arg;
	__asm__ volatile("nop");
}

static void use_cell(void *write)
{
	if (write)
		*(volatile uint64_t *)&cell = 1;
	else
		(void)*(volatile uint64_t *)&cell;
}

static unsigned steps;

static bool count_steps(struct frame *f)
{
	if (f->vector != 1)
		return false;
	steps++;
	if (steps == 3)
		f->rflags &= ~0x100ul;
	return true;
}

static void step(void *arg)
{
	(void)arg;
	__asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq; nop; nop; nop; nop" : : : "memory");
}

void guest_main(void)
{
	struct trap t;

	set_and_say(0, 0x1234);
	set_and_say(3, 0x7ffffffff000ul);
	set_and_say(1, 0x800000000000ul);
	set_and_say(1, (uint64_t)VA_XEN);
	set_and_say(1, 0xffff880000000000ul);
	set_and_say(4, 0);
	set_and_say(5, 0);
	set_and_say(6, 0);
	set_and_say(6, 0xffffffff);
	set_and_say(6, 1ul << 32);
	set_and_say(7, 0);
	set_and_say(7, 0xd800);
	set_and_say(7, 0x2000);
	set_and_say(7, 1ul << 32);
	set_and_say(7, 0x00020001); /* I/O, and CR4.DE is off */
	set_and_say(7, 0x00020000);
	set_and_say(7, 0x300);
	set_and_say(8, 0);
	set_and_say(31, 0);
	say("DR%d: 0x%lx", -1, get(~0u));
	set(7, 0);
	set(6, 0);
	say_mov_from(0);
	say_mov_from(4);
	say_mov_from(6);
	say_mov_from(7);
	say_trap("mov to dr0", trap_of(mov_to_0, (void *)0x4321));
	say("DR0: 0x%lx", get(0));
	say_trap("mov to dr0 of an address in Xen", trap_of(mov_to_0, VA_XEN));
	say_trap("mov to dr6 of too much", trap_of(mov_to_6, (void *)(1ul << 32)));
	say_trap("mov to dr7 with GD", trap_of(mov_to_7, (void *)0x2000));

	set(6, 0);
	set(0, (uint64_t)nothing);
	set(7, 0x1);
	t = trap_of(nothing, NULL);
	say_trap("breakpoint", t);
	say("at it: %d, DR6 0x%lx", t.rip == (uint64_t)nothing, get(6));
	set(6, 0);
	set(0, (uint64_t)&cell);
	set(7, 0x000d0001); /* writes, 8 bytes would be 9: 4 bytes */
	say_trap("read with a breakpoint on writes", trap_of(use_cell, NULL));
	say_trap("write", trap_of(use_cell, (void *)1));
	say("DR6 0x%lx", get(6));
	set(6, 0);
	set(7, 0x000f0001);
	say_trap("read with a breakpoint on both", trap_of(use_cell, NULL));
	say("DR6 0x%lx", get(6));
	set(7, 0);
	set(6, 0);
	say_trap("disabled", trap_of(use_cell, NULL));
	trap_hook = count_steps;
	say_trap("single step", trap_of(step, NULL));
	trap_hook = NULL;
	say("steps: %u, DR6 0x%lx", steps, get(6));
}
