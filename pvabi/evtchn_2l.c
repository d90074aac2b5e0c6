/*
 * The two-level event ABI: a pending and a mask bit for each port in
 * shared_info, a selector of words with something pending in each vcpu_info.
 *
 * The guest and other threads change the same words at any time, so every
 * access is one atomic operation.
 */
#include "pvabi/evtchn.h"

#define WORD_BITS 64u

static bool bit_test(const xen_ulong_t *words, unsigned bit)
{
	return __atomic_load_n(&words[bit / WORD_BITS], __ATOMIC_SEQ_CST) >> bit % WORD_BITS & 1;
}

static bool bit_test_and_set(xen_ulong_t *words, unsigned bit)
{
	uint64_t mask = 1ull << bit % WORD_BITS;

	return __atomic_fetch_or(&words[bit / WORD_BITS], mask, __ATOMIC_SEQ_CST) & mask;
}

static bool bit_test_and_clear(xen_ulong_t *words, unsigned bit)
{
	uint64_t mask = 1ull << bit % WORD_BITS;

	return __atomic_fetch_and(&words[bit / WORD_BITS], ~mask, __ATOMIC_SEQ_CST) & mask;
}

/*
 * The port's word is selected for v. The vcpu_info pointer is read after the
 * pending bit was set (or the mask bit cleared): when the guest has it moved at
 * this moment and we still write to the old place, whoever moved it marks every
 * word selected in the new place afterwards, and that finds our bit.
 */
static void select_word(struct vcpu *v, evtchn_port_t port)
{
	if (!bit_test_and_set(&vcpu_info_get(v)->evtchn_pending_sel, port / WORD_BITS))
		vcpu_mark_events_pending(v);
}

/* Xen: common/event_2l.c, evtchn_2l_set_pending. The order matters: the guest
 * clears upcall_pending, then the selector, then pending bits; we go the other
 * way. An event that is pending already has woken whom it concerns. Since
 * changeset c445d4a0dd76 the vcpus in SCHEDOP_poll are woken too, even by a
 * masked port: that is what they wait for. */
static void set_pending(struct vcpu *v, evtchn_port_t port)
{
	struct domain *d = shared(v->domain);
	struct shared_info *si = shared(d->shared_info);

	if (bit_test_and_set(si->evtchn_pending, port))
		return;
	if (!bit_test(si->evtchn_mask, port))
		select_word(v, port);
	evtchn_check_pollers(d, port);
}

static void clear_pending(struct domain *d, evtchn_port_t port)
{
	bit_test_and_clear(shared(d->shared_info)->evtchn_pending, port);
}

/* Xen: common/event_2l.c, evtchn_2l_unmask. */
static void unmask(struct domain *d, evtchn_port_t port)
{
	struct shared_info *si = shared(d->shared_info);

	if (bit_test_and_clear(si->evtchn_mask, port) && bit_test(si->evtchn_pending, port))
		select_word(shared(d->vcpu[shared(d->evtchn)[port].notify_vcpu]), port);
}

static bool is_pending(const struct domain *d, evtchn_port_t port)
{
	return bit_test(shared(d->shared_info)->evtchn_pending, port);
}

static bool is_masked(const struct domain *d, evtchn_port_t port)
{
	return bit_test(shared(d->shared_info)->evtchn_mask, port);
}

const struct evtchn_port_ops evtchn_2l_ops = {
	.nr_ports = EVTCHN_2L_PORTS,
	.set_pending = set_pending,
	.clear_pending = clear_pending,
	.unmask = unmask,
	.is_pending = is_pending,
	.is_masked = is_masked,
};

_Static_assert(sizeof(((struct shared_info *)0)->evtchn_pending) * 8 == EVTCHN_2L_PORTS, "xen.h");
_Static_assert(sizeof(((struct shared_info *)0)->evtchn_mask) * 8 == EVTCHN_2L_PORTS, "xen.h");
