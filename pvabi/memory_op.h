/* The reservation calls of memory_op, in memory_reservation.c. Internal to pvabi. */
#ifndef PVABI_MEMORY_OP_H
#define PVABI_MEMORY_OP_H

#include "pvabi/pvabi.h"

long memory_increase_reservation(struct vcpu *v, void *arg, const uint64_t *args);
long memory_decrease_reservation(struct vcpu *v, void *arg, const uint64_t *args);
long memory_populate_physmap(struct vcpu *v, void *arg, const uint64_t *args);
long memory_exchange(struct vcpu *v, void *arg, const uint64_t *args);

#endif
