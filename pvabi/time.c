/*
 * The clocks a guest reads from memory: vcpu_time_info, from which it computes
 * system time out of the TSC, and the wall clock in shared_info.
 *
 * Both carry a version that is odd while the rest is being written; readers try
 * again when they saw it odd or changed (xen.h: struct vcpu_time_info).
 */
#include <string.h>

#include "pvabi/pvabi.h"

#define NSEC_PER_SEC 1000000000ull

/* The guest's other vcpus may read at any time; x86 keeps stores in order, so
 * keeping the compiler from moving them is all that it takes there. */
static void order_stores(void)
{
	atomic_thread_fence(memory_order_release);
}

static void publish_in_vcpu_info(struct vcpu *v, struct vcpu_time_info t)
{
	struct vcpu_time_info *u = &vcpu_info_get(v)->time;
	uint32_t version = t.version;

	t.version = version - 1;
	__atomic_store_n(&u->version, t.version, __ATOMIC_RELAXED);
	order_stores();
	*u = t;
	order_stores();
	__atomic_store_n(&u->version, version, __ATOMIC_RELAXED);
}

/* VCPUOP_register_vcpu_time_memory_area: an address of the kernel's. When it is
 * not mapped (any more) nothing is written, as on Xen. */
static void publish_in_area(struct vcpu *v, struct vcpu_time_info t)
{
	uint64_t va = v->time_area_va;
	uint64_t version_va = va + offsetof(struct vcpu_time_info, version);
	uint32_t version = t.version;

	if (!va)
		return;
	t.version = version - 1;
	if (guest_copy_to_kernel(v, version_va, &t.version, sizeof(t.version)))
		return;
	order_stores();
	guest_copy_to_kernel(v, va, &t, sizeof(t));
	order_stores();
	guest_copy_to_kernel(v, version_va, &version, sizeof(version));
}

void vcpu_time_update(struct vcpu *v)
{
	struct domain *d = v->domain;
	struct vcpu_time_info t;

	memset(&t, 0, sizeof(t));
	/* v's thread and a vcpu that registers an area for v may meet here. */
	pv_lock(&v->time_lock, host_of(d)->lock_wait);
	host_of(d)->time_info(d, &t);
	v->time_version += 2;
	t.version = v->time_version;
	publish_in_vcpu_info(v, t);
	publish_in_area(v, t);
	pv_unlock(&v->time_lock, host_of(d)->lock_wake);
}

/* The wall clock is that of system time 0 (Xen: common/time.c,
 * update_domain_wallclock_time; xen.h: wc_sec). */
void domain_wallclock_update(struct domain *d)
{
	struct shared_info *si = d->shared_info;
	uint64_t at_zero = host_of(d)->wallclock(d) - host_of(d)->system_time(d);
	uint64_t sec = at_zero / NSEC_PER_SEC;
	uint32_t version = __atomic_load_n(&si->wc_version, __ATOMIC_RELAXED) | 1;

	__atomic_store_n(&si->wc_version, version, __ATOMIC_RELAXED);
	order_stores();
	si->wc_sec = sec;
	si->wc_sec_hi = sec >> 32;
	si->wc_nsec = at_zero % NSEC_PER_SEC;
	order_stores();
	__atomic_store_n(&si->wc_version, version + 1, __ATOMIC_RELAXED);
}
