/*
 * What pvabi asks of its host: the VMM, or a unit test with a domain in plain memory.
 * A part of pvabi.h. Every member must be set.
 */
#ifndef PVABI_HOST_OPS_H
#define PVABI_HOST_OPS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pvabi/xen_abi.h"

struct domain;
struct vcpu;
struct vcpu_time_info;

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

struct host_ops {
	/* The domain's system time. Monotonic over all vcpus; equals what a guest
	 * computes from the published vcpu_time_info. Any thread. */
	uint64_t (*system_time)(struct domain *d);
	/* The guest-visible TSC now, and the parameters that turn it into system time
	 * (xen.h: struct vcpu_time_info): fills all fields except version. */
	void (*time_info)(struct domain *d, struct vcpu_time_info *t);
	/* Host wall-clock time (ns since 1970), for shared_info.wc_*. */
	uint64_t (*wallclock)(struct domain *d);

	/* Something changed for `v`: pause flags cleared, events pending, a timer
	 * armed or `stop` set. Wakes it if it sleeps, makes it leave guest mode if it
	 * is in it. Any thread; cheap when v is already on its way. */
	void (*vcpu_kick)(struct vcpu *v);
	/* The same for events that became pending: when code inside the guest delivers them, v
	 * need not leave guest mode. */
	void (*vcpu_notify)(struct vcpu *v);

	/* The processor's idea of v's state is stale: before v runs again the host
	 * loads it. Called by v's own thread, or while v is down. */
	void (*descriptors_changed)(struct vcpu *v); /* gdt_frames, ldt_base/ents */
	void (*debugregs_changed)(struct vcpu *v);
	void (*fpu_ts_changed)(struct vcpu *v); /* ctrlreg[0] & CR0.TS */

	/* Flush translations on the vcpus in `vcpus` (bit n: vcpu n; never-run ones are
	 * ignored): of one page, or of everything when va is ~0. Returns when no vcpu
	 * can use the old translation any more. `lock` is held. */
	void (*tlb_flush)(struct domain *d, uint32_t vcpus, uint64_t va);
	/* A present page-table entry in use was overwritten in memory at machine
	 * address `maddr`. Hosts with shadow paging must be told from inside the guest
	 * (HOSTS: shadow paging); others ignore it. v: the current vcpu. */
	void (*pte_overwritten)(struct vcpu *v, uint64_t maddr);

	/* v, which is current, uses other page tables from now on: vcpu_l4(). Before the old
	 * ones may become anything else; `lock` is held. */
	void (*tables_changed)(struct vcpu *v);

	/* EVTCHNOP_send on this port is nothing but a write to this eventfd from now on (on), or
	 * no more: who handles it inside the guest may have the host's kernel do it. False: it
	 * cannot. evtchn_lock is held. NULL: never. */
	bool (*event_fd)(struct domain *d, evtchn_port_t port, int fd, bool on);

	/* console_io. read: bytes taken, 0 when there are none. */
	void (*console_write)(struct domain *d, const char *buf, size_t len);
	size_t (*console_read)(struct domain *d, char *buf, size_t len);

	/* The domain ended with SHUTDOWN_* reason: stop every vcpu soon. */
	void (*shutdown)(struct domain *d, unsigned reason);
	/* Frames that the guest gave back; their memory may be returned. */
	void (*frames_released)(struct domain *d, uint64_t mfn, uint64_t nr);
	/* Such frames are to be the guest's again. False: the host has no memory for them. NULL:
	 * it always has. */
	bool (*frames_wanted)(struct domain *d, uint64_t mfn, uint64_t nr);

	/* Sleep while *word == val, and wake sleepers: for struct pv_lock. */
	void (*lock_wait)(_Atomic uint32_t *word, uint32_t val);
	void (*lock_wake)(_Atomic uint32_t *word);

	/* domain.has_inner_lock: handlers inside the guest have a lock of their own, which is held
	 * with `lock`. Returns after a while even when the guest has destroyed it: the domain
	 * has crashed then. NULL: never. */
	void (*inner_lock)(struct domain *d);
	void (*inner_unlock)(struct domain *d);

	void (*vlog)(struct domain *d, enum log_level level, const char *fmt, va_list ap);
};

#endif
