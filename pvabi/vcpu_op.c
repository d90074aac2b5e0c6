/*
 * Hypercall 24, vcpu_op (vcpu.h; Xen: common/domain.c, common_vcpu_op;
 * arch/x86/domain.c, do_vcpu_op): args are the operation, the vcpu, the block.
 */
#include <errno.h>
#include <string.h>

#include "pvabi/hypercalls.h"
#include "pvabi/mm.h"

#define MILLISECOND	1000000UL
#define STIME_DELTA_MAX ((uint64_t)INT64_MAX >> 2) /* xen/time.h */

/* The vcpu that the call is about, NULL when there is none. */
static struct vcpu *target(struct vcpu *v, const uint64_t *args)
{
	uint32_t id = (uint32_t)args[1];

	return id < v->domain->nr_vcpus ? v->domain->vcpu[id] : NULL;
}

/* The vcpu comes before everything else, even a wrong operation or pointer. */
long vcpu_op_check(struct vcpu *v, const uint64_t *args)
{
	struct vcpu *t = target(v, args);

	if (!t)
		return -ENOENT;
	if ((int)args[0] == VCPUOP_set_singleshot_timer && t != v)
		return -EINVAL;
	return 0;
}

static bool is_down(const struct vcpu *v)
{
	return atomic_load(&v->pause_flags) & VPF_DOWN;
}

void vcpu_up(struct vcpu *v)
{
	if (atomic_fetch_and(&v->pause_flags, ~VPF_DOWN) & VPF_DOWN)
		host_of(v->domain)->vcpu_kick(v);
}

static long initialise(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct vcpu_guest_context *c = arg;
	struct vcpu *t = target(v, args);
	int rc;

	if (t->initialised)
		return -EEXIST;
	rc = vcpu_set_context(t, c);
	if (!rc && c->flags & VGCF_online)
		vcpu_up(t);
	return rc;
}

static long up(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct vcpu *t = target(v, args);

	if (!t->initialised)
		return -EINVAL;
	vcpu_up(t);
	return 0;
}

static long down(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct vcpu *t = target(v, args), *other;
	bool last = true;

	for_each_vcpu (v->domain, other)
		if (other != t && !is_down(other))
			last = false;
	/* Who sees that it is down must not see it running (another's thread does that
	 * on its own way out). */
	if (!last && t == v)
		vcpu_runstate_change(v, RUNSTATE_offline,
				     host_of(v->domain)->system_time(v->domain));
	if (last)
		domain_shutdown(v->domain, SHUTDOWN_poweroff);
	else if (!(atomic_fetch_or(&t->pause_flags, VPF_DOWN) & VPF_DOWN))
		host_of(v->domain)->vcpu_kick(t);
	return 0;
}

static long is_up(struct vcpu *v, void *arg, const uint64_t *args)
{
	return !is_down(target(v, args));
}

static long get_runstate_info(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct domain *d = v->domain;

	vcpu_runstate_get(target(v, args), host_of(d)->system_time(d), arg);
	return 0;
}

static long set_periodic_timer(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct vcpu_set_periodic_timer *s = arg;

	if (s->period_ns < MILLISECOND || s->period_ns > STIME_DELTA_MAX)
		return -EINVAL;
	vcpu_set_periodic_timer(target(v, args), s->period_ns);
	return 0;
}

static long stop_periodic_timer(struct vcpu *v, void *arg, const uint64_t *args)
{
	vcpu_set_periodic_timer(target(v, args), 0);
	return 0;
}

/* vcpu_op_check() saw that it is v's own. 4.17 does not look at
 * VCPU_SSHOTTMR_future: a past time fires at once, and there is no -ETIME. */
static long set_singleshot_timer(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct vcpu_set_singleshot_timer *s = arg;

	if (s->timeout_abs_ns < host_of(v->domain)->system_time(v->domain)) {
		atomic_store(&v->timer[TIMER_SINGLESHOT], 0);
		vcpu_send_virq(v, VIRQ_TIMER);
	} else {
		PROBE_HIT(v->domain, timer_set, TIMER_SINGLESHOT, s->timeout_abs_ns);
		atomic_store(&v->timer[TIMER_SINGLESHOT], s->timeout_abs_ns);
	}
	return 0;
}

static long stop_singleshot_timer(struct vcpu *v, void *arg, const uint64_t *args)
{
	if (target(v, args) != v)
		return -EINVAL;
	atomic_store(&v->timer[TIMER_SINGLESHOT], 0);
	return 0;
}

/* Xen: map_vcpu_info(). The place is never left again, its reference is for ever. */
static int place_vcpu_info(struct vcpu *v, struct vcpu *t, uint64_t mfn, unsigned offset)
{
	struct domain *d = v->domain;
	struct vcpu_info *to;

	if (offset > PAGE_SIZE - sizeof(*to) || offset % _Alignof(struct vcpu_info))
		return -ENXIO;
	if (t->vcpu_info_mfn != INVALID_MFN)
		return -EINVAL;
	if (t != v && !is_down(t))
		return -EINVAL;
	if (mm_get_page_and_type(d, mfn, PGT_WRITABLE))
		return -EINVAL;
	to = (struct vcpu_info *)((uint8_t *)frame_ptr(d, mfn) + offset);
	memcpy(to, vcpu_info_get(t), sizeof(*to));
	vcpu_info_set(t, to);
	t->vcpu_info_mfn = mfn;
	/* Nothing may be lost on the way: everything is pending. */
	__atomic_store_n(&to->evtchn_pending_sel, ~0UL, __ATOMIC_SEQ_CST);
	vcpu_mark_events_pending(t);
	return 0;
}

static long register_vcpu_info(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct vcpu_register_vcpu_info *info = arg;
	struct vcpu *t = target(v, args);
	int rc = place_vcpu_info(v, t, info->mfn, info->offset);

	vcpu_time_update(t);
	return rc;
}

/* An area that cannot be written now is no error; address 0 ends it. The area of
 * another vcpu is first filled through the caller's tables: it may have none yet. */
static long register_runstate_memory_area(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct vcpu_register_runstate_memory_area *area = arg;
	struct vcpu_runstate_info info;
	struct vcpu *t = target(v, args);
	struct domain *d = v->domain;
	uint64_t va = area->addr.p;

	if (!guest_addr_ok(va))
		return -EFAULT;
	__atomic_store_n(&t->runstate_area_va, va, __ATOMIC_RELAXED);
	if (!va)
		return 0;
	if (t == v)
		info = v->runstate;
	else
		vcpu_runstate_get(t, host_of(d)->system_time(d), &info);
	guest_copy_to(v, va, &info, sizeof(info));
	return 0;
}

static long register_time_memory_area(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct vcpu_register_time_memory_area *area = arg;
	struct vcpu *t = target(v, args);
	uint64_t va = area->addr.p;

	if (!guest_addr_ok(va))
		return -EFAULT;
	__atomic_store_n(&t->time_area_va, va, __ATOMIC_RELAXED);
	vcpu_time_update(t);
	if (t != v && va) {
		struct vcpu_time_info time;

		/* Not while t publishes: an odd version would stay in the area. */
		pv_lock(&t->time_lock, host_of(v->domain)->lock_wait);
		time = vcpu_info_get(t)->time;
		pv_unlock(&t->time_lock, host_of(v->domain)->lock_wake);
		guest_copy_to(v, va, &time, sizeof(time));
	}
	return 0;
}

static long send_nmi(struct vcpu *v, void *arg, const uint64_t *args)
{
	if (args[2])
		return -EINVAL;
	vcpu_inject_nmi(target(v, args));
	return 0;
}

/* Only for a hardware domain's pinned vcpus. */
static long get_physid(struct vcpu *v, void *arg, const uint64_t *args)
{
	return -EINVAL;
}

/* Timers, placement of vcpu_info, NMIs came after the 3.0 series; run states with
 * 3.0.2. */
#define ALL	    PROFILES_ALL
#define SINCE_3_0_2 (PROFILE_BIT(PROFILE_XEN_3_0_2) | PROFILES_4_17)
#define NEW	    PROFILES_4_17
#define ROW(op, size, dir, who, fn)                            \
	{                                                      \
		VCPUOP_##op, "VCPUOP_" #op, size, dir, who, fn \
	}

/* clang-format off */
const struct subop vcpu_op_subops[] = {
	ROW(initialise, sizeof(struct vcpu_guest_context), ARG_IN, ALL, initialise),
	ROW(up, 0, 0, ALL, up),
	ROW(down, 0, 0, ALL, down),
	ROW(is_up, 0, 0, ALL, is_up),
	ROW(get_runstate_info, sizeof(struct vcpu_runstate_info), ARG_OUT, SINCE_3_0_2,
	    get_runstate_info),
	ROW(register_runstate_memory_area, sizeof(struct vcpu_register_runstate_memory_area), ARG_IN,
	    SINCE_3_0_2, register_runstate_memory_area),
	ROW(set_periodic_timer, sizeof(struct vcpu_set_periodic_timer), ARG_IN, NEW,
	    set_periodic_timer),
	ROW(stop_periodic_timer, 0, 0, NEW, stop_periodic_timer),
	ROW(set_singleshot_timer, sizeof(struct vcpu_set_singleshot_timer), ARG_IN, NEW,
	    set_singleshot_timer),
	ROW(stop_singleshot_timer, 0, 0, NEW, stop_singleshot_timer),
	ROW(register_vcpu_info, sizeof(struct vcpu_register_vcpu_info), ARG_IN, NEW,
	    register_vcpu_info),
	ROW(send_nmi, 0, 0, NEW, send_nmi),
	ROW(get_physid, 0, 0, NEW, get_physid),
	ROW(register_vcpu_time_memory_area, sizeof(struct vcpu_register_time_memory_area), ARG_IN,
	    NEW, register_time_memory_area),
	{0},
};
/* clang-format on */
