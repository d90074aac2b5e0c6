/* Two-level event channels, from the guest's side. */
#include "guests/lib/guest.h"

#define PORTS 4096
#define WORDS 64

volatile unsigned event_count[PORTS];
static event_fn handlers[PORTS];
void (*event_upcall)(struct frame *f) = event_upcall_default;

void events_init(void)
{
	memset(shared_info->evtchn_mask, 0xff, sizeof(shared_info->evtchn_mask));
}

void event_handler(evtchn_port_t port, event_fn fn)
{
	handlers[port] = fn;
	evtchn_unmask(port);
}

static uint64_t bit(evtchn_port_t port)
{
	return 1ull << port % 64;
}

bool event_pending(evtchn_port_t port)
{
	return __atomic_load_n(&shared_info->evtchn_pending[port / 64], __ATOMIC_SEQ_CST) &
	       bit(port);
}

bool event_masked(evtchn_port_t port)
{
	return __atomic_load_n(&shared_info->evtchn_mask[port / 64], __ATOMIC_SEQ_CST) & bit(port);
}

void event_mask(evtchn_port_t port)
{
	__atomic_fetch_or(&shared_info->evtchn_mask[port / 64], bit(port), __ATOMIC_SEQ_CST);
}

void event_clear(evtchn_port_t port)
{
	__atomic_fetch_and(&shared_info->evtchn_pending[port / 64], ~bit(port), __ATOMIC_SEQ_CST);
}

bool event_unmask_raw(evtchn_port_t port)
{
	__atomic_fetch_and(&shared_info->evtchn_mask[port / 64], ~bit(port), __ATOMIC_SEQ_CST);
	return event_pending(port);
}

static void take(evtchn_port_t port)
{
	event_clear(port);
	event_count[port]++;
	if (handlers[port])
		handlers[port](port);
}

/* Pending flag, then selector, then pending bits: the order of xen.h. */
void event_upcall_default(struct frame *f)
{
	struct vcpu_info *info = this_cpu()->info;

	(void)f;
	while (__atomic_exchange_n(&info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST)) {
		uint64_t sel = __atomic_exchange_n(&info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);

		for (unsigned w = 0; w < WORDS; w++) {
			uint64_t ports;

			if (!(sel & 1ull << w))
				continue;
			ports = __atomic_load_n(&shared_info->evtchn_pending[w], __ATOMIC_SEQ_CST) &
				~shared_info->evtchn_mask[w];
			for (unsigned b = 0; b < 64; b++)
				if (ports & 1ull << b)
					take(w * 64 + b);
		}
	}
}

void events_on(void)
{
	struct vcpu_info *info = this_cpu()->info;

	__atomic_store_n(&info->evtchn_upcall_mask, 0, __ATOMIC_SEQ_CST);
	/* Any hypercall delivers. */
	if (__atomic_load_n(&info->evtchn_upcall_pending, __ATOMIC_SEQ_CST))
		HCALL(xen_version, XENVER_version, 0);
}

void events_off(void)
{
	__atomic_store_n(&this_cpu()->info->evtchn_upcall_mask, 1, __ATOMIC_SEQ_CST);
}

/* Xen before 3.0.3 has the old call only, with the number before the block. */
static long evtchn_op(unsigned cmd, void *block, size_t size)
{
	long rc = HCALL(event_channel_op, cmd, block);
	struct evtchn_op old = {.cmd = cmd};

	if (rc != -38)
		return rc;
	memcpy(&old.u, block, size);
	rc = HCALL(event_channel_op_compat, &old);
	memcpy(block, &old.u, size);
	return rc;
}

long evtchn_alloc_unbound(domid_t dom, domid_t remote)
{
	struct evtchn_alloc_unbound op = {.dom = dom, .remote_dom = remote};
	long rc = evtchn_op(EVTCHNOP_alloc_unbound, &op, sizeof(op));

	return rc ? rc : op.port;
}

long evtchn_bind_interdomain(domid_t remote, evtchn_port_t port)
{
	struct evtchn_bind_interdomain op = {.remote_dom = remote, .remote_port = port};
	long rc = evtchn_op(EVTCHNOP_bind_interdomain, &op, sizeof(op));

	return rc ? rc : op.local_port;
}

long evtchn_bind_virq(unsigned virq, unsigned vcpu)
{
	struct evtchn_bind_virq op = {.virq = virq, .vcpu = vcpu};
	long rc = evtchn_op(EVTCHNOP_bind_virq, &op, sizeof(op));

	return rc ? rc : op.port;
}

long evtchn_bind_ipi(unsigned vcpu)
{
	struct evtchn_bind_ipi op = {.vcpu = vcpu};
	long rc = evtchn_op(EVTCHNOP_bind_ipi, &op, sizeof(op));

	return rc ? rc : op.port;
}

long evtchn_close(evtchn_port_t port)
{
	struct evtchn_close op = {.port = port};

	return evtchn_op(EVTCHNOP_close, &op, sizeof(op));
}

long evtchn_send(evtchn_port_t port)
{
	struct evtchn_send op = {.port = port};

	return evtchn_op(EVTCHNOP_send, &op, sizeof(op));
}

long evtchn_unmask(evtchn_port_t port)
{
	struct evtchn_unmask op = {.port = port};

	return evtchn_op(EVTCHNOP_unmask, &op, sizeof(op));
}

long evtchn_bind_vcpu(evtchn_port_t port, unsigned vcpu)
{
	struct evtchn_bind_vcpu op = {.port = port, .vcpu = vcpu};

	return evtchn_op(EVTCHNOP_bind_vcpu, &op, sizeof(op));
}

evtchn_port_t evtchn_loop(evtchn_port_t *send)
{
	long a = evtchn_alloc_unbound(DOMID_SELF, DOMID_SELF);
	long b = a < 0 ? a : evtchn_bind_interdomain(DOMID_SELF, a);

	if (b < 0)
		fail("no loop of ports: %e", b);
	*send = b;
	return a;
}
