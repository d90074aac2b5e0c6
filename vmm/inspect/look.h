/*
 * Looking at vcpus that run: each is kicked, and its thread shows its registers and its
 * last exits on the way (struct cpu_look). Nobody waits for it: who asked is told by the
 * event loop, when all have answered or LOOK_MS went by.
 */
#ifndef VMM_INSPECT_LOOK_H
#define VMM_INSPECT_LOOK_H

#include "vmm/vcpu.h"

#define LOOK_MS 1000

/* By c's thread. */
void look_take(struct cpu *c);

static inline void look_if_wanted(struct cpu *c)
{
	if (atomic_load_explicit(&c->look_wanted, memory_order_relaxed) !=
	    atomic_load_explicit(&c->look_done, memory_order_relaxed))
		look_take(c);
}

/* In the loop's thread: asks all vcpus. guest.look_fd (made here, closed by the guest's
 * owner) is written for each that answers. 0, or negative errno. */
int look_ask(struct guest *g);
/* Have all answered, or will they never (the domain's vcpus have ended)? */
bool look_complete(const struct guest *g);
/* What vcpu `id` showed last, if that is an answer to the last look_ask(), or what it has
 * since it runs no more. NULL: its thread did not answer. The caller's to fill. */
const struct cpu_look *look_at(struct guest *g, unsigned id, struct cpu_look *own);

#endif
