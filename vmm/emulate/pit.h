/*
 * What is left of a PC's timer for a PV guest: channel 2 of the i8254 and its
 * gate at port 0x61, with which kernels measure the TSC (Xen emulates them, too:
 * arch/x86/emul-i8254.c, pv_pit_handler). Channel 0 and 1 count, but raise nothing.
 */
#ifndef VMM_EMULATE_PIT_H
#define VMM_EMULATE_PIT_H

#include <stdbool.h>
#include <stdint.h>

struct pit;

struct pit *pit_create(void);
void pit_destroy(struct pit *p);
/* Port 0x40-0x43 or 0x61: true, with the byte read or taken. `now`: ns. Any thread. */
bool pit_read(struct pit *p, uint16_t port, uint64_t now, uint8_t *val);
bool pit_write(struct pit *p, uint16_t port, uint64_t now, uint8_t val);

#endif
