/*
 * A small lock that sleeps through its host, so that pvabi needs no threads
 * library. 0: free, 1: held, 2: held and somebody may be asleep on it (the
 * three-state futex lock of Drepper, "Futexes Are Tricky", section 5).
 */
#ifndef PVABI_LOCK_H
#define PVABI_LOCK_H

#include <stdatomic.h>
#include <stdint.h>

/* Some microseconds, which is what most handlers hold one for. To sleep takes an exit of the
 * virtual machine there, and to wake somebody another. */
#define PV_LOCK_SPINS 256

struct pv_lock {
	_Atomic uint32_t state;
};

static inline void pv_lock(struct pv_lock *l, void (*wait)(_Atomic uint32_t *, uint32_t))
{
	uint32_t c = 0;

	if (atomic_compare_exchange_strong(&l->state, &c, 1))
		return;
	for (unsigned n = 0; n < PV_LOCK_SPINS && c; n++) {
		__builtin_ia32_pause();
		c = atomic_load_explicit(&l->state, memory_order_relaxed);
		if (!c && atomic_compare_exchange_strong(&l->state, &c, 1))
			return;
	}
	if (c != 2)
		c = atomic_exchange(&l->state, 2);
	while (c != 0) {
		wait(&l->state, 2);
		c = atomic_exchange(&l->state, 2);
	}
}

static inline void pv_unlock(struct pv_lock *l, void (*wake)(_Atomic uint32_t *))
{
	if (atomic_exchange(&l->state, 0) == 2)
		wake(&l->state);
}

#endif
