/*
 * What the processor finds in the descriptor tables of a vcpu, for loads of selectors that it
 * does not execute itself.
 */
#ifndef PVABI_DESCRIPTOR_READ_H
#define PVABI_DESCRIPTOR_READ_H

#include "pvabi/pvabi.h"

/* The descriptor of a selector that is not null; false: there is none, beyond the limit. */
bool descriptor_read(struct vcpu *v, uint16_t sel, uint64_t *desc);
/* Is this 64-bit code: Xen's flat selector, or one of the guest's for such a segment? */
bool descriptor_is_code64(struct vcpu *v, uint16_t sel);
/* May ring 3's DS, ES, FS, GS hold this? */
bool descriptor_loadable(uint64_t desc);

#endif
