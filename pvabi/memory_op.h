/* The handlers of memory_op that have files of their own. Internal to pvabi. */
#ifndef PVABI_MEMORY_OP_H
#define PVABI_MEMORY_OP_H

#include "pvabi/pvabi.h"

#define MEMOP_EXTENT_SHIFT 6 /* xen/hypercall.h */

/* memory_reservation.c */
long memory_increase_reservation(struct vcpu *v, void *arg, const uint64_t *args);
long memory_decrease_reservation(struct vcpu *v, void *arg, const uint64_t *args);
long memory_populate_physmap(struct vcpu *v, void *arg, const uint64_t *args);
/* memory_exchange.c */
long memory_exchange(struct vcpu *v, void *arg, const uint64_t *args);
/* memory_map.c */
long memory_map_get(struct vcpu *v, void *arg, const uint64_t *args);
long memory_map_set(struct vcpu *v, void *arg, const uint64_t *args);

#define DOMU_MAX_ORDER 9 /* Xen: CONFIG_DOMU_MAX_ORDER */

/* xen_memory_reservation.mem_flags: false for a wish that only the privileged may
 * have, an exact node (Xen: propagate_node()). */
static inline bool mem_flags_node_ok(unsigned int mem_flags)
{
	return XENMEMF_get_node(mem_flags) == 0xff || !(mem_flags & XENMEMF_exact_node_request);
}

#endif
