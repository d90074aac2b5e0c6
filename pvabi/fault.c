/*
 * The catalogue of faults, and the way from a point to its host.
 */
#include "pvabi/fault.h"
#include "pvabi/evtchn.h"

const struct fault_point fault_points[] = {
#define FAULT(p, k, v, e) {PROBE_##p, FAULT_##k, v, e},
#include "pvabi/faults.def"
#undef FAULT
};
const unsigned nr_fault_points = sizeof(fault_points) / sizeof(fault_points[0]);

const char *fault_kind_name(enum fault_kind k)
{
	static const char *const names[NR_FAULT_KINDS] = {
		[FAULT_FAIL] = "fail",	       [FAULT_DROP] = "drop",
		[FAULT_DELAY] = "delay",       [FAULT_DUPLICATE] = "duplicate",
		[FAULT_STORM] = "storm",       [FAULT_REORDER] = "reorder",
		[FAULT_CORRUPT] = "corrupt",   [FAULT_SHORT] = "short",
		[FAULT_WRONG_ID] = "wrong_id", [FAULT_WRONG_STATUS] = "wrong_status",
		[FAULT_WRONG_OP] = "wrong_op", [FAULT_JUMP] = "jump",
		[FAULT_SKIP] = "skip",	       [FAULT_REPEAT] = "repeat",
		[FAULT_DIE] = "die",	       [FAULT_RESTART] = "restart",
		[FAULT_STALL] = "stall",       [FAULT_SPURIOUS] = "spurious",
		[FAULT_STEP] = "step",	       [FAULT_PRESSURE] = "pressure",
		[FAULT_TEAR] = "tear",	       [FAULT_SPLIT] = "split",
		[FAULT_CHAIN] = "chain",       [FAULT_REVOKE] = "revoke",
		[FAULT_KEEP] = "keep",	       [FAULT_STEAL] = "steal",
	};

	return names[k];
}

bool fault_decide(struct domain *d, enum probe_id id, const uint64_t *fields, const void *block,
		  size_t size, struct fault *f)
{
	struct fault_host *h = d->fault_host;
	struct probe_hit hit = {
		.id = id,
		.time = host_of(d)->system_time(d),
		.field = fields,
		.block = block,
		.block_size = size,
	};

	return h && h->decide(h, d, &hit, f);
}

void fault_event(struct domain *d, evtchn_port_t port)
{
	struct evtchn *chn;

	evtchn_lock(d);
	chn = evtchn_from_port(d, port);
	if (chn && evtchn_usable(chn) && chn->notify_vcpu < d->nr_vcpus)
		evtchn_ops(d)->set_pending(d->vcpu[chn->notify_vcpu], port);
	evtchn_unlock(d);
}
