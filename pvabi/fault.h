/*
 * Faults: probes (probe.h) at which something can be made to go wrong on purpose. The point
 * asks; what it is told to do, it does itself, since only it knows what that means there.
 *
 * The host decides by rules that its user gives (domain.fault_host), and arms the probes.
 */
#ifndef PVABI_FAULT_H
#define PVABI_FAULT_H

#include "pvabi/pvabi.h"

enum fault_kind {
	FAULT_FAIL,
	FAULT_DROP,
	FAULT_DELAY,
	FAULT_DUPLICATE,
	FAULT_STORM,
	FAULT_REORDER,
	FAULT_CORRUPT,
	FAULT_SHORT,
	FAULT_WRONG_ID,
	FAULT_WRONG_STATUS,
	FAULT_WRONG_OP,
	FAULT_JUMP,
	FAULT_SKIP,
	FAULT_REPEAT,
	FAULT_DIE,
	FAULT_RESTART,
	FAULT_STALL,
	FAULT_SPURIOUS,
	FAULT_STEP,
	FAULT_PRESSURE,
	FAULT_TEAR,
	FAULT_SPLIT,
	FAULT_CHAIN,
	FAULT_REVOKE,
	FAULT_KEEP,
	FAULT_STEAL,
	NR_FAULT_KINDS
};

struct fault {
	enum fault_kind kind;
	bool has_value; /* else value is 0, and the point takes its default */
	int64_t value;	/* a time is in ns, an errno negative */
};

struct fault_host {
	/* Is anything to go wrong here? Any thread; does not block or call back. */
	bool (*decide)(struct fault_host *h, struct domain *d, const struct probe_hit *hit,
		       struct fault *f);
	/* The event comes (again) in `ns`. Any thread, evtchn_lock held perhaps. */
	void (*event_later)(struct fault_host *h, evtchn_port_t port, uint64_t ns);
	/* Lets go of a backend's grant (grant_backend_release()) in `ns`. False: nobody will. Any
	 * thread, without locks of pvabi's. */
	bool (*release_later)(struct fault_host *h, uint32_t ref, bool readonly, uint64_t ns);
	/* Waits, no longer than 10 s. By threads of vcpus and backends without locks. */
	void (*wait)(struct fault_host *h, uint64_t ns);
};

bool fault_decide(struct domain *d, enum probe_id id, const uint64_t *fields, const void *block,
		  size_t size, struct fault *f);
#if defined(PVABI_RESIDENT) || defined(NO_PROBES)
#define FAULT_PROBE_ARMED(d, name) 0
#else
#define FAULT_PROBE_ARMED(d, name) \
	(atomic_load_explicit(&(d)->probe_armed[PROBE_##name], memory_order_relaxed) & PROBE_FAULTY)
#endif
/* if (FAULT_AT(d, blk_request, &f, disk, queue, ...)): the fields of the probe. */
#define FAULT_AT(d, name, f, ...)      \
	(FAULT_PROBE_ARMED(d, name) && \
	 fault_decide(d, PROBE_##name, (const uint64_t[]){__VA_ARGS__}, NULL, 0, f))
#define FAULT_AT_BLOCK(d, name, f, block, size, ...) \
	(FAULT_PROBE_ARMED(d, name) &&               \
	 fault_decide(d, PROBE_##name, (const uint64_t[]){__VA_ARGS__}, block, size, f))

static inline void fault_wait(struct domain *d, const struct fault *f)
{
	if (f->value > 0)
		d->fault_host->wait(d->fault_host, (uint64_t)f->value);
}
static inline int64_t fault_value(const struct fault *f, int64_t otherwise)
{
	return f->has_value ? f->value : otherwise;
}

/* Raises the event of a port, whatever rules there are. */
void fault_event(struct domain *d, evtchn_port_t port);

/* ---- the catalogue ---- */
struct fault_point {
	enum probe_id probe;
	enum fault_kind kind;
	const char *value; /* what its value is: "TIME", "ERRNO", "N" ...; "": it has none */
	const char *effect;
};
extern const struct fault_point fault_points[];
extern const unsigned nr_fault_points;
/* "fail", "wrong_id" ... */
const char *fault_kind_name(enum fault_kind k);

#endif
