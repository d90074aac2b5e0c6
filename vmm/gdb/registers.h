/*
 * A vcpu's registers as gdb numbers and describes them.
 *
 * The numbers are those of the description: gdb takes the registers in the order in which
 * it finds them there. Names, types and features are gdb's (gdb's manual, "i386 Features");
 * those of the last feature are ours.
 */
#ifndef VMM_GDB_REGISTERS_H
#define VMM_GDB_REGISTERS_H

#include "vmm/vcpu.h"

#define GDB_REG_MAX 16 /* bytes */

/* That gdb needs first: frame pointer, stack pointer, instruction pointer. */
#define GDB_REG_RBP 6
#define GDB_REG_RSP 7
#define GDB_REG_RIP 16

/* What one look at a vcpu needs: its vector state comes from KVM in one piece. */
#define XSAVE_SIZE 4096
struct register_view {
	struct vcpu *v;
	bool avx;	  /* the host has it */
	bool have_xsave;  /* was read */
	bool xsave_dirty; /* is to be written */
	uint8_t xsave[XSAVE_SIZE];
};

/* v is at rest. */
void registers_look(struct register_view *r, struct vcpu *v, bool avx);
/* Writes back what was changed. 0 or negative errno. */
int registers_done(struct register_view *r);

unsigned registers_count(bool avx);
/* Bytes of register n; 0: there is none. */
unsigned register_size(unsigned n, bool avx);
/* In the target's byte order. False: there is no such register, or KVM does not tell. */
bool register_get(struct register_view *r, unsigned n, uint8_t *buf);
/* False: it cannot be changed. */
bool register_set(struct register_view *r, unsigned n, const uint8_t *buf);

/* The target description; the caller frees it. NULL: no memory. */
char *registers_xml(bool avx);

#endif
