/*
 * Hypercall 24, vcpu_op (vcpu.h; Xen: common/domain.c, common_vcpu_op;
 * arch/x86/domain.c, do_vcpu_op): args are the operation, the vcpu, the block.
 */
#include <errno.h>
#include <string.h>

#include "pvabi/hypercalls.h"
#include "pvabi/mm.h"

#define MILLISECOND 1000000UL
#define STIME_DELTA_MAX ((uint64_t)INT64_MAX >> 2) /* xen/time.h */

/* The vcpu that the call is about, or NULL: -ENOENT. */
static struct vcpu *target(struct vcpu *v, const uint64_t *args)
{
	uint32_t id = (uint32_t)args[1];

	return id < v->domain->nr_vcpus ? v->domain->vcpu[id] : NULL;
}

static long initialise(struct vcpu *v, struct vcpu *t, void *arg)
{
	if (!(atomic_load(&t->pause_flags) & VPF_DOWN))
		return -EEXIST;
	return vcpu_set_context(t, arg);
}

void vcpu_up(struct vcpu *v)
{
	if (atomic_fetch_and(&v->pause_flags, ~VPF_DOWN) & VPF_DOWN)
		v->domain->ops->vcpu_kick(v);
}

static long up(struct vcpu *v, struct vcpu *t, void *arg)
{
	if (!t->initialised)
		return -EINVAL;
	vcpu_up(t);
	return 0;
}

static long down(struct vcpu *v, struct vcpu *t, void *arg)
{
	struct vcpu *other;
	bool last = true;

	for_each_vcpu(v->domain, other)
		if (other != t && !(atomic_load(&other->pause_flags) & VPF_DOWN))
			last = false;
	if (last) {
		domain_shutdown(v->domain, SHUTDOWN_poweroff);
		return 0;
	}
	atomic_fetch_or(&t->pause_flags, VPF_DOWN);
	v->domain->ops->vcpu_kick(t);
	return 0;
}

static long is_up(struct vcpu *v, struct vcpu *t, void *arg)
{
	return !(atomic_load(&t->pause_flags) & VPF_DOWN);
}

static long get_runstate_info(struct vcpu *v, struct vcpu *t, void *arg)
{
	vcpu_runstate_get(t, v->domain->ops->system_time(v->domain), arg);
	return 0;
}

static long set_periodic_timer(struct vcpu *v, struct vcpu *t, void *arg)
{
	const struct vcpu_set_periodic_timer *s = arg;

	if (s->period_ns < MILLISECOND || s->period_ns > STIME_DELTA_MAX)
		return -EINVAL;
	vcpu_set_periodic_timer(t, s->period_ns);
	return 0;
}

static long stop_periodic_timer(struct vcpu *v, struct vcpu *t, void *arg)
{
	vcpu_set_periodic_timer(t, 0);
	return 0;
}

static long set_singleshot_timer(struct vcpu *v, struct vcpu *t, void *arg)
{
	const struct vcpu_set_singleshot_timer *s = arg;

	if (t != v)
		return -EINVAL;
	/* A past time fires at once, whatever VCPU_SSHOTTMR_future says: so 4.17. */
	if (s->timeout_abs_ns < v->domain->ops->system_time(v->domain)) {
		atomic_store(&v->timer[TIMER_SINGLESHOT], 0);
		vcpu_send_virq(v, VIRQ_TIMER);
		return 0;
	}
	atomic_store(&v->timer[TIMER_SINGLESHOT], s->timeout_abs_ns);
	return 0;
}

static long stop_singleshot_timer(struct vcpu *v, struct vcpu *t, void *arg)
{
	if (t != v)
		return -EINVAL;
	atomic_store(&v->timer[TIMER_SINGLESHOT], 0);
	return 0;
}

/* Xen: map_vcpu_info(). */
static int place_vcpu_info(struct vcpu *v, struct vcpu *t, uint64_t mfn, unsigned offset)
{
	struct domain *d = v->domain;

	if (offset > PAGE_SIZE - sizeof(struct vcpu_info) ||
	    offset % _Alignof(struct vcpu_info))
		return -ENXIO;
	if (t->vcpu_info_mfn != INVALID_MFN)
		return -EINVAL;
	if (t != v && !(atomic_load(&t->pause_flags) & VPF_DOWN))
		return -EINVAL;
	if (mm_get_page_and_type(d, mfn, PGT_WRITABLE))
		return -EINVAL;
	struct vcpu_info *to = (void *)((uint8_t *)frame_ptr(d, mfn) + offset);
	memcpy(to, vcpu_info_get(t), sizeof(*to));
	vcpu_info_set(t, to);
	t->vcpu_info_mfn = mfn;
	/* Nothing may be lost on the way: everything is pending. */
	__atomic_store_n(&to->evtchn_pending_sel, ~0UL, __ATOMIC_SEQ_CST);
	vcpu_mark_events_pending(t);
	return 0;
}

static long register_vcpu_info(struct vcpu *v, struct vcpu *t, void *arg)
{
	const struct vcpu_register_vcpu_info *info = arg;

	if (!v->domain->profile->vcpu_info_placement)
		return -ENOSYS;
	int rc = place_vcpu_info(v, t, info->mfn, info->offset);
	vcpu_time_update(t);
	return rc;
}

static long register_runstate_memory_area(struct vcpu *v, struct vcpu *t, void *arg)
{
	const struct vcpu_register_runstate_memory_area *area = arg;
	uint64_t va = area->addr.p;

	if (!mm_range_ok(va, sizeof(struct vcpu_runstate_info)))
		return -EFAULT;
	t->runstate_area_va = va;
	if (t == v) {
		t->runstate_dirty = true;
		vcpu_runstate_publish(t);
	} else {
		struct vcpu_runstate_info info;
		vcpu_runstate_get(t, v->domain->ops->system_time(v->domain), &info);
		guest_copy_to(v, va, &info, sizeof(info));
	}
	return 0;
}

static long register_time_area(struct vcpu *v, struct vcpu *t, void *arg)
{
	const struct vcpu_register_time_memory_area *area = arg;
	uint64_t va = area->addr.p;

	if (!mm_range_ok(va, sizeof(struct vcpu_time_info)))
		return -EFAULT;
	t->time_area_va = va;
	vcpu_time_update(t);
	return 0;
}

static long send_nmi(struct vcpu *v, struct vcpu *t, const uint64_t *args)
{
	if (args[2])
		return -EINVAL;
	vcpu_inject_nmi(t);
	return 0;
}

/* Only for a hardware domain's pinned vcpus. */
static long get_physid(struct vcpu *v, struct vcpu *t, void *arg)
{
	return -EINVAL;
}

/* The target is looked up before the argument is read, as in Xen, where the
 * table's dispatcher reads it first: a bad pointer and a bad vcpu at once is the
 * one case in which the errno differs. */
#define FOR_TARGET(name)                                                                           \
	static long op_##name(struct vcpu *v, void *arg, const uint64_t *args)                     \
	{                                                                                          \
		struct vcpu *t = target(v, args);                                                  \
		return t ? name(v, t, arg) : -ENOENT;                                              \
	}

FOR_TARGET(initialise)
FOR_TARGET(up)
FOR_TARGET(down)
FOR_TARGET(is_up)
FOR_TARGET(get_runstate_info)
FOR_TARGET(set_periodic_timer)
FOR_TARGET(stop_periodic_timer)
FOR_TARGET(set_singleshot_timer)
FOR_TARGET(stop_singleshot_timer)
FOR_TARGET(register_vcpu_info)
FOR_TARGET(register_runstate_memory_area)
FOR_TARGET(register_time_area)
FOR_TARGET(get_physid)

static long op_send_nmi(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct vcpu *t = target(v, args);

	return t ? send_nmi(v, t, args) : -ENOENT;
}

#define ROW(op, size, dir, fn)                                                                     \
	{                                                                                          \
		VCPUOP_##op, "VCPUOP_" #op, size, dir, PROFILES_ALL, fn                            \
	}

const struct subop vcpu_op_subops[] = {
	ROW(initialise, sizeof(struct vcpu_guest_context), ARG_IN, op_initialise),
	ROW(up, 0, 0, op_up),
	ROW(down, 0, 0, op_down),
	ROW(is_up, 0, 0, op_is_up),
	ROW(get_runstate_info, sizeof(struct vcpu_runstate_info), ARG_OUT, op_get_runstate_info),
	ROW(register_runstate_memory_area, sizeof(struct vcpu_register_runstate_memory_area), ARG_IN,
	    op_register_runstate_memory_area),
	ROW(set_periodic_timer, sizeof(struct vcpu_set_periodic_timer), ARG_IN,
	    op_set_periodic_timer),
	ROW(stop_periodic_timer, 0, 0, op_stop_periodic_timer),
	ROW(set_singleshot_timer, sizeof(struct vcpu_set_singleshot_timer), ARG_IN,
	    op_set_singleshot_timer),
	ROW(stop_singleshot_timer, 0, 0, op_stop_singleshot_timer),
	ROW(register_vcpu_info, sizeof(struct vcpu_register_vcpu_info), ARG_IN,
	    op_register_vcpu_info),
	ROW(send_nmi, 0, 0, op_send_nmi),
	ROW(get_physid, 0, 0, op_get_physid),
	ROW(register_vcpu_time_memory_area, sizeof(struct vcpu_register_time_memory_area), ARG_IN,
	    op_register_time_area),
	{0},
};
