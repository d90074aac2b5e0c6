/* Model-specific registers as a PV kernel sees them. */
#ifndef VMM_EMULATE_MSR_H
#define VMM_EMULATE_MSR_H

#include "vmm/emulate/emulate.h"

/* False: #GP. */
bool msr_read(struct vcpu *v, const struct emulate_env *env, uint32_t msr, uint64_t *val);
bool msr_write(struct vcpu *v, const struct emulate_env *env, uint32_t msr, uint64_t val);

#endif
