/*
 * Hypercalls 8 and 9: the debug registers (Xen: arch/x86/pv/misc-hypercalls.c,
 * set_debugreg; x86_emulate.c, x86emul_read_dr).
 *
 * Breakpoints on I/O ports never reach the processor: a guest's ports are
 * emulated. Their enable bits are kept apart, in debugreg[5].
 */
#include <errno.h>

#include "pvabi/bounce.h"
#include "pvabi/hypercalls.h"

/* SDM vol. 3, 18.2.3 and 18.2.4; Xen: asm/debugreg.h. */
#define DR6_ALWAYS_ZERO	   0x1000UL
#define DR6_ALWAYS_ONE	   0xffff0ff0UL
#define DR7_ALWAYS_ZERO	   0xd800UL
#define DR7_ALWAYS_ONE	   0x400UL
#define DR7_GENERAL_DETECT 0x2000UL
#define DR7_ENABLES	   0xffUL
#define DR7_IO		   2

/* DR4 and DR5 are DR6 and DR7, or with CR4.DE nothing. */
static int alias(const struct vcpu *v, unsigned reg)
{
	if (reg > 7)
		return -ENODEV;
	if (reg == 4 || reg == 5)
		return v->ctrlreg[4] & CR4_DE ? -ENODEV : (int)reg + 2;
	return (int)reg;
}

/* The enable bits of breakpoints on I/O in this DR7. */
static uint64_t io_enables(uint64_t dr7)
{
	uint64_t enables = 0;

	for (unsigned i = 0; i < 4; i++)
		if ((dr7 >> (16 + 4 * i) & 3) == DR7_IO)
			enables |= dr7 & 3UL << (2 * i);
	return enables;
}

static bool any_io(uint64_t dr7)
{
	for (unsigned i = 0; i < 4; i++)
		if ((dr7 >> (16 + 4 * i) & 3) == DR7_IO)
			return true;
	return false;
}

static int set_control(struct vcpu *v, uint64_t val)
{
	uint64_t io = 0;

	val = (val & ~DR7_ALWAYS_ZERO) | DR7_ALWAYS_ONE;
	if (val & DR7_GENERAL_DETECT)
		return -EPERM;
	/* A type of "I/O" needs CR4.DE even if that breakpoint is not enabled, but only
	 * while any is. */
	if (val & DR7_ENABLES) {
		if (any_io(val) && !(v->ctrlreg[4] & CR4_DE))
			return -EPERM;
		io = io_enables(val);
	}
	v->debugreg[5] = io;
	v->debugreg[7] = val & ~io;
	return 0;
}

int vcpu_set_debugreg(struct vcpu *v, unsigned reg, uint64_t val)
{
	int nr = alias(v, reg), rc = 0;

	if (nr < 0)
		return nr;
	if (nr < 4) {
		/* No breakpoints in Xen. */
		if (!guest_addr_ok(val))
			return -EPERM;
		v->debugreg[nr] = val;
	} else if (val >> 32) {
		return -EINVAL;
	} else if (nr == 6) {
		v->debugreg[6] = (val & ~DR6_ALWAYS_ZERO) | DR6_ALWAYS_ONE;
	} else {
		rc = set_control(v, val);
	}
	if (!rc)
		host_of(v->domain)->debugregs_changed(v);
	return rc;
}

int vcpu_get_debugreg(struct vcpu *v, unsigned reg, uint64_t *val)
{
	int nr = alias(v, reg);

	if (nr < 0)
		return nr;
	*val = v->debugreg[nr] | (nr == 7 ? v->debugreg[5] : 0);
	return 0;
}

long hypercall_set_debugreg(struct vcpu *v, const uint64_t *args)
{
	return vcpu_set_debugreg(v, (unsigned)args[0], args[1]);
}

long hypercall_get_debugreg(struct vcpu *v, const uint64_t *args)
{
	uint64_t val;
	int rc = vcpu_get_debugreg(v, (unsigned)args[0], &val);

	return rc ? rc : (long)val;
}
