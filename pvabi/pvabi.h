/*
 * pvabi: the Xen PV ABI as a library. This header is the folder's contract.
 *
 * pvabi knows nothing of KVM, files or threads. It sees domains, vcpus and a
 * short table of services (struct host_ops) that its host provides; the host
 * is the VMM, or a unit test with a domain in plain memory.
 *
 * Units: times are nanoseconds of the domain's system time unless a name says
 * otherwise; sizes are bytes; "mfn" and "pfn" are 4 KiB frame numbers.
 *
 * Errors: functions return 0 or a negative errno value of the ABI (xen/errno.h
 * has the same numbers as Linux for all that are used here).
 *
 * Locking: struct domain.lock covers everything that has no other rule. The
 * dispatcher takes it around a hypercall handler unless the handler's row says
 * HC_UNLOCKED. struct domain.evtchn_lock covers the event-channel table and may
 * be taken with or without `lock` held (order: lock, then evtchn_lock). Fields
 * of a vcpu belong to the thread that runs the vcpu unless they are _Atomic or
 * say otherwise; the fields of a vcpu that is down belong to the holder of
 * `lock`.
 */
#ifndef PVABI_PVABI_H
#define PVABI_PVABI_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pvabi/host_ops.h"
#include "pvabi/hypercall_table.h"
#include "pvabi/limits.h"
#include "pvabi/lock.h"
#include "pvabi/probe.h"
#include "pvabi/ram_order.h"
#include "pvabi/vcpu.h"
#include "pvabi/xen_abi.h"

struct domain;
struct vcpu;
struct evtchn_port_ops; /* pvabi/evtchn.h */
struct evtchn_fifo;	/* pvabi/evtchn_fifo.c */
struct page_info;	/* pvabi/mm.h */
struct e820_entry;	/* pvabi/memory_map.c */

/* ------------------------------------------------------------------------ */
/* ABI profiles: which version of Xen is imitated.                           */

enum abi_profile_id {
	PROFILE_XEN_3_0_1, /* no sched_op_new */
	PROFILE_XEN_3_0_2, /* changeset c445d4a0dd76: sched_op_new beside sched_op */
	PROFILE_XEN_4_17,
	NR_PROFILES
};

#define PROFILE_BIT(id) (1u << (id))
#define PROFILES_ALL	((1u << NR_PROFILES) - 1)
#define PROFILES_4_17	PROFILE_BIT(PROFILE_XEN_4_17)

struct abi_profile {
	enum abi_profile_id id;
	const char *name;	  /* as on the command line: "xen-4.17" */
	uint32_t version;	  /* XENVER_version: major << 16 | minor */
	const char *extraversion; /* XENVER_extraversion */
	uint64_t features;	  /* XENVER_get_features, submap 0 (bit XENFEAT_*) */
	bool poll_needs_masked;	  /* SCHEDOP_poll: -EINVAL unless upcalls are masked */
	bool vcpu_info_placement; /* VCPUOP_register_vcpu_info */
};

/* NULL when there is no such profile. */
const struct abi_profile *abi_profile_find(const char *name);
const struct abi_profile *abi_profile_get(enum abi_profile_id id);

/* ------------------------------------------------------------------------ */
/* Event channels                                                             */

/* Called when the guest sends on a port that an in-process backend holds.
 * Runs in the sending vcpu's thread with evtchn_lock held: must not block or
 * call back into evtchn_*; typically writes an eventfd. */
typedef void (*evtchn_notify_fn)(void *arg);

enum evtchn_state {
	ECS_FREE = 0,
	ECS_RESERVED,
	ECS_UNBOUND,
	ECS_INTERDOMAIN, /* remote: another port here, or a backend in our process */
	ECS_PIRQ,
	ECS_VIRQ,
	ECS_IPI,
};

struct evtchn {
	uint8_t state; /* enum evtchn_state */
	/* FIFO only: the queue for events to come, and the one that it was on last. */
	uint8_t priority, last_priority;
	bool pending; /* since the guest has given no page for the port's word */
	uint16_t notify_vcpu, last_vcpu;
	/* Since it was bound, for who inspects it: EVTCHNOP_sends of the guest, events that a
	 * backend sent it. */
	uint32_t sent, raised;
	union {
		struct {
			domid_t remote_domid;
		} unbound;
		struct {
			domid_t remote_domid;
			evtchn_port_t remote_port;
			SHARED_PTR(struct domain) remote; /* NULL when it is a backend of ours */
			evtchn_notify_fn notify;
			void *arg;
			int fd; /* that notify writes to, known to host_ops.event_fd; -1 */
		} interdomain;
		uint16_t virq;
		uint16_t pirq;
	} u;
};

struct iomem_range {
	uint64_t first, end; /* frames; end is not in it */
};

/* ------------------------------------------------------------------------ */
/* domains                                                                    */

struct domain {
	domid_t domid;
	const char *name;
	xen_domain_handle_t handle; /* uuid */
	SHARED_PTR(const struct abi_profile) profile;
	const struct host_ops *ops;
	void *host;

	struct pv_lock lock;
	struct pv_lock evtchn_lock;
	bool has_inner_lock; /* host_ops.inner_lock. Set before the domain runs */

	/* Machine memory: guest RAM is frames [0, nr_ram), but for a hole that devices
	 * use; the Xen heap follows at [heap_start, nr_frames). `memory` maps it all,
	 * frame n at n * PAGE_SIZE. */
	SHARED_PTR(uint8_t) memory;
	uint64_t nr_ram;
	uint64_t hole_start, hole_frames; /* no memory is there; 0 frames: no hole */
	uint64_t low_frames; /* the first of RAM that were the guest's from the start */
	uint64_t heap_start;
	uint64_t nr_frames;
	uint64_t heap_next;		    /* next free heap frame: heap_alloc() */
	SHARED_PTR(struct page_info) pages; /* nr_frames entries */
	uint64_t ram_used;		    /* RAM from here on never was the guest's */
	uint64_t tot_pages;		    /* frames the guest owns now */
	uint64_t max_pages;		    /* it may own (XENMEM_maximum_reservation) */
	SHARED_PTR(uint64_t) free_frames;   /* bitmap of RAM given back, NULL: none ever was */
	uint64_t free_hint;		    /* no free frame below it */
	unsigned invalidate_depth;	    /* mm_table_invalidate() */
	_Atomic uint32_t tlb_clock;	    /* counts flushes and releases: mm_flush.c */
	uint64_t map_pages;		    /* of RAM in the memory map; at first all that it has */
	/* XENMEM_set_memory_map's; NULL: one entry of RAM, map_pages long. */
	struct e820_entry *memory_map; /* memory_map.c */
	uint32_t nr_memory_map;
	SHARED_PTR(uint64_t)
	m2p; /* in the heap; nr_m2p entries, of which m2p.h knows what is written */
	SHARED_PTR(uint64_t) m2p_written; /* a bit for each chunk: m2p.h */
	struct ram_order order;		  /* of the frames that were the domain's from the start */
	uint64_t nr_m2p;
	uint64_t m2p_mfn;
	uint64_t m2p_va; /* where guests find it (XENMEM_machphys_mapping) */

	SHARED_PTR(struct shared_info) shared_info;
	uint64_t shared_info_mfn;
	uint64_t vm_assist;   /* bit VMASST_TYPE_* */
	unsigned pause_count; /* domain_pause() */
	bool privileged;      /* SIF_PRIVILEGED-like rights; false for now */

	unsigned nr_vcpus;
	SHARED_PTR(struct vcpu) vcpu[MAX_VCPUS];

	/* EVTCHN_FIFO_NR_CHANNELS entries, those in use touched */
	SHARED_PTR(struct evtchn) evtchn;
	unsigned nr_evtchns;	       /* ports below this are valid, in use or free */
	evtchn_port_t max_evtchn_port; /* highest the guest may have (xl.cfg: event_channels) */
	SHARED_PTR(struct evtchn_fifo) evtchn_fifo; /* NULL: two levels */
	_Atomic uint32_t poll_mask;		    /* bit n: vcpu n is in SCHEDOP_poll */
	/* Requests of the guest's that the host's I/O has now: backends count them here. */
	_Atomic unsigned backend_work;
	/* Events to and from backends wait until evtchn_deferred_send() and _raise(): a bit for
	 * each port, first of those from them. NULL: they do not. Set before the domain runs,
	 * the host's. */
	_Atomic uint64_t *deferred;

	struct grant_table *grant_table; /* pvabi/grant_table.h */

	struct {		  /* physdev.c; evtchn_lock */
		bool has_eoi_map; /* PHYSDEVOP_pirq_eoi_gmfn_*: a writable reference */
		bool auto_unmask; /* v1: an EOI unmasks the port, too */
		uint64_t eoi_map_mfn;
	} physdev;

	struct iocaps {				      /* iocap.c */
		SHARED_PTR(struct iomem_range) iomem; /* sorted, apart from each other; lock */
		unsigned nr_iomem;
		/* A bit for each port; NULL: none ever was permitted. Only grows. */
		_Atomic uint64_t *_Atomic ports;
		_Atomic unsigned nr_ports;
	} iocaps;

	struct {
		_Atomic uint64_t deadline; /* 0: free or stopped */
		bool in_use;
	} watchdog[2];

	_Atomic bool shutdown_claimed; /* somebody ends the domain: domain.c */
	_Atomic bool is_shut_down;
	/* Who asked for it wants it to go on: the next SHUTDOWN_suspend ends nothing. */
	_Atomic bool suspend_goes_on;
	unsigned shutdown_code; /* SHUTDOWN_*, valid once is_shut_down */
	bool shutdown_code_set; /* SCHEDOP_shutdown_code */
	/* Bytes of PROBE_TRACED and PROBE_FAULTY, changed at any time; and who is asked
	 * then: set before the first is. probe.h */
	_Alignas(8) _Atomic uint8_t probe_armed[(NR_PROBES + 7) / 8 * 8];
	struct probe_host *probe_host;
	struct fault_host *fault_host; /* fault.h */

	/* What a crash was about, for the report; static or inside crash_buf. */
	char crash_reason[160];

	/* ---- large, and seldom used ---- */
	/* What slots XEN_L4_FIRST..XEN_L4_LAST of every guest L4 hold. */
	uint64_t xen_l4[XEN_L4_LAST - XEN_L4_FIRST + 1];
	/* A bit for each of them that the guest's kernel may use: those that are loaded as user
	 * mode's have that entry without _PAGE_USER. Before the domain runs, the host's. */
	uint32_t kernel_slots;

	unsigned nr_pirqs;  /* that the guest may name */
	struct pirq {	    /* pirq.c; evtchn_lock */
		bool taken; /* PHYSDEVOP_get_free_pirq or domain_get_free_pirq */
		bool permitted;
		bool in_service;	/* sent, and waits for the guest's EOI */
		evtchn_port_t port;	/* 0: not bound */
		void (*eoi)(void *arg); /* NULL: edge-triggered, needs none */
		void *arg;
	} pirq[NR_PIRQS];
};

/* The services for d. Code of ours that runs inside the guest (vmm/resident) has its own. */
#ifdef PVABI_RESIDENT
extern struct host_ops resident_host_ops;
#endif
static inline const struct host_ops *host_of(const struct domain *d)
{
#ifdef PVABI_RESIDENT
	return &resident_host_ops;
#else
	return d->ops;
#endif
}

static inline struct vcpu_info *vcpu_info_get(const struct vcpu *v)
{
#ifdef PVABI_WINDOW
	return (void *)shared_address(
		(uintptr_t)__atomic_load_n(&v->vcpu_info.host, __ATOMIC_SEQ_CST));
#else
	return __atomic_load_n(&v->vcpu_info, __ATOMIC_SEQ_CST);
#endif
}

#ifndef PVABI_RESIDENT
static inline void vcpu_info_set(struct vcpu *v, struct vcpu_info *to)
{
	__atomic_store_n(&v->vcpu_info, to, __ATOMIC_SEQ_CST);
}
#endif

#define for_each_vcpu(d, v)                                      \
	for (unsigned i_##v = 0; i_##v < (d)->nr_vcpus; i_##v++) \
		if (((v) = shared((d)->vcpu[i_##v])))

/* What the domain may have of grant tables; frames 0: all of it as xl gives it. */
#define GRANT_FRAMES_DEFAULT	64
#define MAPTRACK_FRAMES_DEFAULT 1024
#define GRANT_FRAMES_LIMIT	1024
#define MAPTRACK_FRAMES_LIMIT	32768
struct grant_limits {
	unsigned frames;	  /* 1 to GRANT_FRAMES_LIMIT */
	unsigned maptrack_frames; /* 0 to MAPTRACK_FRAMES_LIMIT, of 256 mappings each */
	unsigned version;	  /* 1 or 2: the highest */
};

struct domain_config {
	domid_t domid;
	const char *name;
	xen_domain_handle_t handle;
	enum abi_profile_id profile;
	unsigned nr_vcpus;
	uint64_t nr_ram;       /* frames */
	uint64_t nr_populated; /* of them the guest's from the start, the first; 0: all */
	uint64_t heap_frames;  /* frames of Xen heap behind RAM (from heap_start) */
	uint8_t *memory;       /* the host's; must outlive the domain */
	uint64_t heap_start;   /* >= nr_ram */
	/* Frames below heap_start that are no memory although RAM lies above: nr_ram and
	 * heap_start are frame numbers, the hole counted; nr_populated is not. */
	uint64_t hole_start, hole_frames;
	/* RAM right below the hole that is nobody's at first: for what must be below 4 GiB
	 * (XENMEM_exchange), as a host of Xen's has some left. */
	uint64_t spare_frames;
	struct grant_limits grants;
};

/* Frames of Xen heap that a domain of this size needs for pvabi's own use
 * (shared_info, grant frames, M2P); the host adds its monitor's. */
uint64_t domain_heap_frames(uint64_t nr_ram, unsigned nr_vcpus, const struct grant_limits *grants);

/* Allocates the domain with all its vcpus down (VPF_DOWN), an empty event
 * channel table, shared_info, and an M2P that says in which order the RAM that the guest
 * has is its pfns (at first: the n-th frame is n) and INVALID for all else.
 * `memory` must be zero-filled. The name is copied. NULL with errno set on failure. */
struct domain *domain_create(const struct domain_config *c, const struct host_ops *ops, void *host);
void domain_destroy(struct domain *d);

/* What domain_create() and domain_destroy() call of the other files. The inits
 * run with memory, the heap, shared_info, the M2P and all vcpus in place, mm
 * first; each returns 0 or a negative errno value, and its own half-done work
 * undone. The destroys run in the opposite order and must accept a domain
 * whose init failed or never ran. mm allocates d->pages (lazily zero: a huge
 * domain must not be touched as a whole). */
int mm_domain_init(struct domain *d);	  /* mm.c */
void mm_domain_destroy(struct domain *d); /* mm.c */
int evtchn_domain_init(struct domain *d); /* event_channel.c */
void evtchn_domain_destroy(struct domain *d);

/* nr contiguous zeroed frames of Xen heap, aligned to `align` frames;
 * INVALID_MFN when the heap is used up. Under `lock` once a vcpu runs. */
uint64_t heap_alloc(struct domain *d, uint64_t nr, uint64_t align);

/* Ends the domain with SHUTDOWN_crash and a reason for the report. */
void domain_crash(struct domain *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* SHUTDOWN_*; the first caller wins. */
void domain_shutdown(struct domain *d, unsigned reason);

void domain_log(struct domain *d, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Frame n of machine memory, or NULL when there is no such frame. */
static inline void *frame_ptr(const struct domain *d, uint64_t mfn)
{
	return mfn < d->nr_frames && mfn - d->hole_start >= d->hole_frames
		       ? shared(d->memory) + mfn * PAGE_SIZE
		       : NULL;
}

/* RAM or heap. What is not may be a device's (iocap.c). */
static inline bool domain_is_memory(const struct domain *d, uint64_t mfn)
{
	return mfn < d->nr_ram ? mfn - d->hole_start >= d->hole_frames
			       : mfn >= d->heap_start && mfn < d->nr_frames;
}
/* The n-th frame of RAM that a domain has from the start, and the one behind the last of n
 * frames. */
static inline uint64_t domain_ram_frame(const struct domain *d, uint64_t n)
{
	return n < d->low_frames ? n : n - d->low_frames + d->hole_start + d->hole_frames;
}
static inline uint64_t domain_ram_end(const struct domain *d, uint64_t n)
{
	return n ? domain_ram_frame(d, n - 1) + 1 : 0;
}

static inline void domain_lock(struct domain *d)
{
	pv_lock(&d->lock, host_of(d)->lock_wait);
#ifndef PVABI_RESIDENT
	if (d->has_inner_lock)
		d->ops->inner_lock(d);
#endif
}

static inline void domain_unlock(struct domain *d)
{
#ifndef PVABI_RESIDENT
	if (d->has_inner_lock)
		d->ops->inner_unlock(d);
#endif
	pv_unlock(&d->lock, host_of(d)->lock_wake);
}

/* ------------------------------------------------------------------------ */
/* Probes (probe.h)                                                           */

/* For a trace, a fault or both. */
static inline bool probe_asks(const struct domain *d, enum probe_id id)
{
	return atomic_load_explicit(&d->probe_armed[id], memory_order_relaxed);
}
static inline bool probe_asks_any(const struct domain *d)
{
	typedef uint64_t __attribute__((may_alias)) word;
	const word *armed = (const word *)d->probe_armed;
	uint64_t any = 0;

	for (unsigned i = 0; i < sizeof(d->probe_armed) / sizeof(*armed); i++)
		any |= __atomic_load_n(&armed[i], __ATOMIC_RELAXED);
	return any;
}
static inline bool probe_is_armed(const struct domain *d, enum probe_id id)
{
#if defined(PVABI_RESIDENT) || defined(NO_PROBES)
	/* Calls that are traced are not made there; or it is to be measured what the checks
	 * cost (test/bench/trace.sh). */
	return false;
#endif
	return __builtin_expect(probe_asks(d, id), 0);
}
static inline bool probe_is_traced(const struct domain *d, enum probe_id id)
{
	return probe_is_armed(d, id) &&
	       atomic_load_explicit(&d->probe_armed[id], memory_order_relaxed) & PROBE_TRACED;
}
/* Only when it is traced. probe.c */
void probe_hit(struct domain *d, enum probe_id id, const uint64_t *fields);
/* What took from `start` (system time) until now; with a block. */
void probe_hit_span(struct domain *d, enum probe_id id, uint64_t start, const uint64_t *fields,
		    const void *block, size_t size);
/* PROBE_HIT(d, event_from_backend, port): the fields in the order of the catalogue. */
#define PROBE_HIT(d, name, ...)                                                      \
	do {                                                                         \
		if (probe_is_traced(d, PROBE_##name))                                \
			probe_hit(d, PROBE_##name, (const uint64_t[]){__VA_ARGS__}); \
	} while (0)
/* The same with a block behind it. */
#define PROBE_HIT_BLOCK(d, name, block, size, ...)                                                 \
	do {                                                                                       \
		if (probe_is_traced(d, PROBE_##name))                                              \
			probe_hit_span(d, PROBE_##name, 0, (const uint64_t[]){__VA_ARGS__}, block, \
				       size);                                                      \
	} while (0)

/* ------------------------------------------------------------------------ */
/* Guest virtual memory (guest_access.c)                                      */

/* Copies through v's current page tables (kernel's or user's, by kernel_mode)
 * as the guest's kernel would: 0, or -EFAULT with nothing or a part copied.
 * Addresses in Xen's own range are refused. Sets accessed and dirty bits. */
int guest_copy_from(struct vcpu *v, void *dst, uint64_t va, size_t len);
int guest_copy_to(struct vcpu *v, uint64_t va, const void *src, size_t len);
/* The same through the kernel's tables whatever mode v is in: for areas that the
 * kernel registered by address. */
int guest_copy_from_kernel(struct vcpu *v, void *dst, uint64_t va, size_t len);
int guest_copy_to_kernel(struct vcpu *v, uint64_t va, const void *src, size_t len);

/* Xen's check of a guest handle before it is used (access_ok): only the start of
 * the array counts, and an array of no elements is checked too. */
static inline bool guest_addr_ok(uint64_t va)
{
	return va < 1ull << 47 || va >= XEN_VIRT_END;
}

/* A page-table walk. levels: entry addresses as machine addresses. */
struct guest_walk {
	uint64_t maddr;	    /* of the byte at va; valid when `present` */
	uint64_t pte_maddr; /* of the lowest entry reached */
	uint64_t pte;	    /* that entry */
	unsigned level;	    /* 1: an L1 entry, 2..4: the walk stopped there */
	bool present, writable, user;
};
/* Walks from L4 frame `l4`. False when the walk left machine memory or va is not
 * canonical. */
bool guest_walk(const struct domain *d, uint64_t l4, uint64_t va, struct guest_walk *w);
/* True when there is an L1 entry for va, whatever it says, a device's page for example:
 * pte and pte_maddr are its. */
bool guest_walk_l1(const struct domain *d, uint64_t l4, uint64_t va, struct guest_walk *w);
/* The L4 that the guest uses now. */
static inline uint64_t vcpu_l4(const struct vcpu *v)
{
	return v->kernel_mode ? v->guest_table : v->guest_table_user;
}

/* ------------------------------------------------------------------------ */
/* Traps and callbacks into the guest (traps.c)                               */

#define TRAP_HAS_ERROR(vec) ((0x227d00u >> (vec)) & 1) /* 8,10-14,17,21: SDM vol. 3, 6.15 */

/* Reflects exception `vector` to the guest through its trap table, as Xen's
 * create_bounce_frame does. Crashes the domain when there is no handler or no
 * stack to put the frame on. #PF: the caller has set cr2 with trap_set_cr2(). */
void trap_inject(struct vcpu *v, unsigned vector, uint32_t error_code);
void trap_set_cr2(struct vcpu *v, uint64_t cr2);
/* `int n` of the guest (rip already behind it), when its table allows it from
 * the current mode; false: it is to get #GP instead. */
bool trap_soft_interrupt(struct vcpu *v, unsigned vector);
/* `syscall` (64-bit), `syscall` (compatibility mode), sysenter from user mode. */
void trap_syscall(struct vcpu *v);
void trap_syscall32(struct vcpu *v);
void trap_sysenter(struct vcpu *v);
/* A selector in regs.ds, es, fs or gs cannot be loaded: the failsafe callback. */
void trap_failsafe(struct vcpu *v);
/* Delivers a pending NMI or event upcall when the guest can take it now, and
 * does what in_syscall asks for; call before every entry. True when regs changed. */
bool vcpu_deliver_events(struct vcpu *v);
/* Only what in_syscall asks for: regs are then what v goes on with when there is no event.
 * For who looks at them, or enters v without its events. */
bool vcpu_settle_regs(struct vcpu *v);
/* Debug registers by number, as set_debugreg and mov to dr: 0, -EPERM, -EINVAL,
 * -ENODEV (no such register). */
int vcpu_set_debugreg(struct vcpu *v, unsigned reg, uint64_t val);
int vcpu_get_debugreg(struct vcpu *v, unsigned reg, uint64_t *val);
/* SEGBASE_GS_USER_SEL: the base that loading this selector gives. */
int vcpu_load_user_gs(struct vcpu *v, uint16_t sel);
/* Kernel <-> user: page tables, gs base. */
void vcpu_toggle_mode(struct vcpu *v);

/* ------------------------------------------------------------------------ */
/* vcpus: state, time and scheduling                                          */

/* Loads a vcpu_guest_context as XEN_DOMCTL_setvcpucontext and
 * VCPUOP_initialise do, with Xen's checks. The vcpu stays down; VGCF_online is the
 * caller's. Under `lock`, or before any vcpu ran. An initialised vcpu keeps its
 * tables: -EOPNOTSUPP when the context names others. */
int vcpu_set_context(struct vcpu *v, const struct vcpu_guest_context *c);
/* What XEN_DOMCTL_getvcpucontext answers, of a vcpu at rest; the vector state is fpu_ctxt's,
 * the host may know a newer one. */
void vcpu_get_context(struct vcpu *v, struct vcpu_guest_context *c);
/* What an iretq to v's cs, ss and rip would fault with: the vector and its error code; -1:
 * nothing. */
int vcpu_iret_fault(struct vcpu *v, uint32_t *error);
/* Clears VPF_DOWN. */
void vcpu_up(struct vcpu *v);
/* The earliest armed deadline of v (vcpu 0: the domain's watchdogs too); 0: none.
 * Any thread. v's looks before it sleeps or enters the guest: a hypercall of v's
 * own that arms a timer need not kick v. */
uint64_t vcpu_next_deadline(struct vcpu *v);
/* Fires what is due. By v's thread, before it sleeps or enters the guest. */
void vcpu_run_timers(struct vcpu *v, uint64_t now);
/* The same for TIMER_SINGLESHOT alone. */
void vcpu_run_singleshot(struct vcpu *v, uint64_t now);
/* RUNSTATE_*: by v's thread (or with v down). Updates the registered area when
 * v next can be written to: call vcpu_runstate_publish before entry. */
void vcpu_runstate_change(struct vcpu *v, int state, uint64_t now);
void vcpu_runstate_publish(struct vcpu *v);
/* What VCPUOP_get_runstate_info answers: with the current state's time up to
 * `now`. Any thread. */
void vcpu_runstate_get(struct vcpu *v, uint64_t now, struct vcpu_runstate_info *out);
/* VCPUOP_set_periodic_timer; 0 stops it. By v's thread or under `lock`. */
void vcpu_set_periodic_timer(struct vcpu *v, uint64_t period);
/* Part of the time accounted as running was stolen by the host; what the guest was told
 * already stays as it is. By v's thread. */
void vcpu_runstate_steal(struct vcpu *v, uint64_t ns);
/* Publishes vcpu_time_info in vcpu_info and in the registered area. Any thread. */
void vcpu_time_update(struct vcpu *v);
/* Publishes shared_info's wall clock. Under `lock`, or before any vcpu ran. */
void domain_wallclock_update(struct domain *d);
/* Leaves SCHEDOP_block/poll: true when v was in one, and is on its way. Any thread. */
bool vcpu_unblock(struct vcpu *v);
/* No vcpu runs until as many unpauses have come (Xen: domain_pause_by_systemcontroller);
 * time goes on. They may still be on their way out of the guest when this returns. Both
 * by one thread, or before any vcpu ran. -EOVERFLOW: 255 are there already; -EINVAL: it
 * is not paused. pause.c */
int domain_pause(struct domain *d);
int domain_unpause(struct domain *d);
/* v is asked to notice evtchn_upcall_pending. Any thread. */
void vcpu_mark_events_pending(struct vcpu *v);
/* An event is pending and upcalls are not masked. */
bool vcpu_events_need_delivery(const struct vcpu *v);
void vcpu_inject_nmi(struct vcpu *v);

/* ------------------------------------------------------------------------ */
/* Event channels for backends and for the domain builder (evtchn.c)          */

/* A port for an in-process backend (remote domid 0): bound at once as Xen's
 * toolstack leaves store and console ports once their daemons have bound.
 * Returns the port or a negative errno. */
int evtchn_bind_backend(struct domain *d, evtchn_notify_fn notify, void *arg);
/* As EVTCHNOP_bind_interdomain from the backend's side: takes over a port that
 * the guest allocated for domid 0 and published in xenstore. -EINVAL when it is
 * not such a port. Calls notify once: the guest may have sent before. */
int evtchn_backend_connect(struct domain *d, evtchn_port_t port, evtchn_notify_fn notify,
			   void *arg);
/* All that `notify` of a port does is to write 1 to this eventfd, which stays open until the port
 * is closed: the guest's sends may do that without it. */
void evtchn_backend_offer_fd(struct domain *d, evtchn_port_t port, int fd);
/* The port goes back to waiting for domid 0; notify is not called again once this
 * returned. Nothing happens when the guest closed the port before. */
void evtchn_backend_close(struct domain *d, evtchn_port_t port);
/* The backend notifies the guest. Any thread. */
void evtchn_backend_send(struct domain *d, evtchn_port_t port);
/* What was deferred, in the order of the ports: tells the backends; raises the guest's
 * events. False: nothing was. Any thread. */
#define EVTCHN_DEFERRED_WORDS (EVTCHN_FIFO_NR_CHANNELS / 64)
bool evtchn_deferred_send(struct domain *d);
bool evtchn_deferred_raise(struct domain *d);
/* Marks the port pending for v and wakes whom it concerns. evtchn_lock is held. */
void evtchn_set_pending(struct vcpu *v, evtchn_port_t port);
/* Nothing happens when the guest has not bound the VIRQ. Any thread. */
void vcpu_send_virq(struct vcpu *v, unsigned virq);
void domain_send_global_virq(struct domain *d, unsigned virq);

/* The guest may name NR_PIRQS of them from now on. Any thread. pirq.c */
void domain_raise_pirqs(struct domain *d);
/* One that nobody has, kept for the caller until domain_revoke_pirq(): of the lines from 16
 * on (line), or one from the end downwards, as MSIs get them (Xen: get_free_pirq()). With
 * nr > 1 as many in a row, the first is told (Xen: get_free_pirqs()). -ENOSPC. Any thread. */
int domain_get_free_pirq(struct domain *d, bool line, unsigned nr);
/* The guest may bind PIRQ n from now on. `eoi` (NULL: none is needed) is called for each
 * that was sent when the guest has acknowledged it, and when the guest binds it, with
 * evtchn_lock held: must not block or call back. -EINVAL: n is no PIRQ; -EEXIST: it may already;
 * -EBUSY: the guest still has it bound from the last time. Any thread. */
int domain_permit_pirq(struct domain *d, unsigned n, void (*eoi)(void *arg), void *arg);
/* The device is gone: nothing is sent, `eoi` is not called again once this returned. */
void domain_revoke_pirq(struct domain *d, unsigned n);
/* The device's interrupt. Nothing happens when the guest has not bound it. Any thread. */
void domain_send_pirq(struct domain *d, unsigned n);

/* ------------------------------------------------------------------------ */
/* Rights to what is no memory (iocap.c)                                      */

/* The guest may map these frames, as Xen's iomem_permit_access(). -EINVAL: there are none, or
 * one is memory, or an entry cannot name it; -ENOMEM. Revoking what was not permitted is no
 * error; entries that name them stay. Both take `lock`. */
int domain_permit_iomem(struct domain *d, uint64_t mfn, uint64_t nr);
int domain_revoke_iomem(struct domain *d, uint64_t mfn, uint64_t nr);
/* `lock` is held. */
bool domain_iomem_permitted(const struct domain *d, uint64_t mfn); /* iomem_permitted.c */
/* I/O ports, as Xen's ioports_permit_access(): beside this right the guest's kernel needs
 * IOPL, or its programs a bit in the I/O bitmap. -EINVAL, -ENOMEM. Any thread. */
int domain_permit_ioports(struct domain *d, unsigned first, unsigned nr);
void domain_revoke_ioports(struct domain *d, unsigned first, unsigned nr);
bool domain_ioports_permitted(const struct domain *d, unsigned first, unsigned nr);
/* Has it any of these rights (Xen: l1_disallow_mask())? */
static inline bool domain_has_io(const struct domain *d)
{
	return d->iocaps.nr_iomem || d->iocaps.nr_ports;
}
void iocap_domain_destroy(struct domain *d);

/* The pseudo-physical memory map of a guest that is to reach devices: RAM but for
 * [start, end), which has none up to 4 GiB; frames. `now` of RAM, and `balloon` that it may
 * have later. Before any vcpu runs. -ENOMEM. memory_map.c */
int domain_map_hole(struct domain *d, uint64_t start, uint64_t end, uint64_t now, uint64_t balloon);

/* ------------------------------------------------------------------------ */
/* Page tables (mm.c ...)                                                     */

/* Marks the domain's frames: RAM as the guest's, `nr` heap frames from mfn as
 * shared with it (mappable read-write) or as Xen's own. */
void mm_share_heap(struct domain *d, uint64_t mfn, uint64_t nr);
/* Validates and pins the boot page tables at L4 `mfn`, as libxc does with
 * MMUEXT_PIN_L4_TABLE. vcpu_set_context() makes them v's. */
int mm_boot_tables(struct vcpu *v, uint64_t mfn);

/* References that a vcpu's state holds: its L4s, its GDT and LDT frames. 0 or a
 * negative errno. Under `lock`. */
int mm_get_l4(struct domain *d, uint64_t mfn);
void mm_put_l4(struct domain *d, uint64_t mfn);
int mm_get_descriptor_page(struct domain *d, uint64_t mfn);
void mm_put_descriptor_page(struct domain *d, uint64_t mfn);

/* Gives v a GDT of `entries` descriptors in these frames; -EINVAL when there are
 * too many, or a frame cannot be a descriptor page. Under `lock`. descriptors.c */
int vcpu_set_gdt(struct vcpu *v, const uint64_t *frames, unsigned entries);
/* v loads a selector from page n of its LDT: from now on it is a descriptor page, at
 * ldt_frames[n]. False when it cannot be one. Under `lock`. */
bool vcpu_ldt_map(struct vcpu *v, unsigned n);
/* It is to be looked for again; the pages may be something else now. */
void vcpu_ldt_drop(struct vcpu *v);

/* A write fault of the guest's kernel on a read-only mapping: does the page-table
 * page at `va` (one aligned 8-byte entry) accept the new value? Performs
 *   *va = new                        (cmpxchg false)
 *   if (*va == *old) *va = new; else *old = *va   (cmpxchg true)
 * through validation. 0 done; -EAGAIN compare failed; -EINVAL refused (Xen
 * gives the guest its fault); -ENOENT: not a page-table page. Takes `lock`. */
int mm_ptwr_write(struct vcpu *v, uint64_t va, uint64_t *old, uint64_t new, bool cmpxchg);

#endif
