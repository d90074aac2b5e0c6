/* I/O ports: what every guest finds there, and its devices. */
#ifndef VMM_EMULATE_PORT_IO_H
#define VMM_EMULATE_PORT_IO_H

#include "vmm/emulate/emulate.h"

/* Does the virtual IOPL allow the code that runs now to do I/O, cli and sti (Xen:
 * iopl_ok)? */
bool iopl_allows(const struct vcpu *v);
/* May the code that runs now touch these ports (Xen: guest_io_okay)? */
bool port_io_allowed(struct vcpu *v, uint16_t port, unsigned bytes);
/* bytes: 1, 2 or 4. Absent hardware reads as all ones. */
uint32_t port_io_read(struct vcpu *v, const struct emulate_env *env, uint16_t port, unsigned bytes);
void port_io_write(struct vcpu *v, const struct emulate_env *env, uint16_t port, unsigned bytes,
		   uint32_t val);

#endif
