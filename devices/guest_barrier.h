/*
 * A barrier that the guest lacks. Linux's xenbus writes its producer index and
 * then reads our consumer index, with no fence between, to decide whether a notification is
 * needed (drivers/xen/xenbus/xenbus_comms.c: "Implies mb()", of a hypercall
 * that it then may not make). Its write may still be in the processor's store
 * buffer when we look for more and, finding none, go to sleep: nobody would wake
 * us. membarrier(2) interrupts every processor that runs a thread of ours, vcpus
 * included; after it we see all that they had written.
 */
#ifndef DEVICES_GUEST_BARRIER_H
#define DEVICES_GUEST_BARRIER_H

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Once per process, before guest_barrier(). */
static inline void guest_barrier_init(void)
{
	syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
}

/* To be called between the last store of a consumer index and the last look at
 * the guest's producer index. */
static inline void guest_barrier(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))
		syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

#endif
