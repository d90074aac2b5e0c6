/*
 * Event channels: every EVTCHNOP_* with its errors, the two-level marks, VIRQs,
 * the backends' end.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "test/unit/test_evtchn.h"

static struct test_domain *t;

static void setup(void)
{
	t = test_domain_new(4, PROFILE_XEN_4_17);
}

static void teardown(void)
{
	test_domain_free(t);
}

static struct evtchn_status status_of(evtchn_port_t port)
{
	struct evtchn_status s = {.dom = DOMID_SELF, .port = port, .status = ~0u, .vcpu = ~0u};

	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_status, &s), 0);
	return s;
}

/* Everything that a guest's upcall would find and clear. */
static void vcpu_consume(unsigned vcpu)
{
	struct vcpu_info *info = vcpu_info_of(t, vcpu);

	info->evtchn_upcall_pending = 0;
	info->evtchn_pending_sel = 0;
}

START_TEST(test_port_0_is_reserved)
{
	ck_assert_int_eq(status_of(0).status, EVTCHNSTAT_closed);
	ck_assert_int_eq(close_port(t, 0), -EINVAL);
	ck_assert_int_eq(send_port(t, 0, 0), -EINVAL);
	ck_assert_int_eq(bind_ipi(t, 0), 1);
}
END_TEST

START_TEST(test_alloc_unbound)
{
	struct evtchn_alloc_unbound a = {.dom = 1, .remote_dom = DOMID_SELF};
	struct evtchn_status s;

	ck_assert_int_eq(alloc_unbound(t, 0), 1);
	s = status_of(1);
	ck_assert_int_eq(s.status, EVTCHNSTAT_unbound);
	ck_assert_int_eq(s.u.unbound.dom, 0);
	ck_assert_int_eq(s.vcpu, 0);
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_alloc_unbound, &a), 0);
	ck_assert_int_eq(a.port, 2);
	ck_assert_int_eq(status_of(2).u.unbound.dom, 1);
	ck_assert_int_eq(send_port(t, 0, 1), 0); /* dropped */
	a.dom = 7;
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_alloc_unbound, &a), -ESRCH);
	a.dom = 0;
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_alloc_unbound, &a), -EPERM);
}
END_TEST

START_TEST(test_bind_interdomain_self)
{
	long unbound = alloc_unbound(t, DOMID_SELF), local;
	struct evtchn_status s;

	local = bind_self(t, unbound);
	ck_assert_int_eq(local, 2);
	/* The binder's port starts pending, the other does not. */
	ck_assert(port_pending(t, local));
	ck_assert(!port_pending(t, unbound));
	s = status_of(local);
	ck_assert_int_eq(s.status, EVTCHNSTAT_interdomain);
	ck_assert_int_eq(s.u.interdomain.dom, 1);
	ck_assert_int_eq(s.u.interdomain.port, unbound);
	ck_assert_int_eq(status_of(unbound).u.interdomain.port, local);
	ck_assert_int_eq(send_port(t, 0, local), 0);
	ck_assert(port_pending(t, unbound));
	/* Closing one end leaves the other waiting for us. */
	ck_assert_int_eq(close_port(t, local), 0);
	ck_assert_int_eq(status_of(local).status, EVTCHNSTAT_closed);
	ck_assert(!port_pending(t, local));
	s = status_of(unbound);
	ck_assert_int_eq(s.status, EVTCHNSTAT_unbound);
	ck_assert_int_eq(s.u.unbound.dom, 1);
	ck_assert_int_eq(bind_self(t, unbound), local);
}
END_TEST

START_TEST(test_bind_interdomain_errors)
{
	struct evtchn_bind_interdomain a = {.remote_dom = 7, .remote_port = 1};
	long for_dom0 = alloc_unbound(t, 0);

	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_bind_interdomain, &a), -ESRCH);
	a.remote_dom = 0;
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_bind_interdomain, &a), -EINVAL);
	ck_assert_int_eq(bind_self(t, for_dom0), -EINVAL);
	ck_assert_int_eq(bind_self(t, 0), -EINVAL);
	/* The port that the call itself would get. */
	ck_assert_int_eq(bind_self(t, for_dom0 + 1), -EINVAL);
	ck_assert_int_eq(bind_self(t, 63), -EINVAL);
	ck_assert_int_eq(bind_self(t, 64), -EINVAL);
	ck_assert_int_eq(bind_self(t, ~0u), -EINVAL);
	ck_assert_int_eq(bind_ipi(t, 0), for_dom0 + 1);
}
END_TEST

START_TEST(test_bind_virq)
{
	struct evtchn_status s;
	long timer1, console;

	ck_assert_int_eq(bind_virq(t, VIRQ_TIMER, 0), 1);
	timer1 = bind_virq(t, VIRQ_TIMER, 1);
	ck_assert_int_eq(timer1, 2);
	ck_assert_int_eq(bind_virq(t, VIRQ_TIMER, 1), -EEXIST);
	ck_assert_int_eq(bind_virq(t, VIRQ_TIMER, 4), -ENOENT);
	ck_assert_int_eq(bind_virq(t, VIRQ_TIMER, ~0u), -ENOENT);
	ck_assert_int_eq(bind_virq(t, NR_VIRQS, 0), -EINVAL);
	ck_assert_int_eq(bind_virq(t, ~0u, 0), -EINVAL);
	ck_assert_int_eq(bind_virq(t, VIRQ_CONSOLE, 1), -EINVAL);
	console = bind_virq(t, VIRQ_CONSOLE, 0);
	ck_assert_int_gt(console, 0);
	s = status_of(timer1);
	ck_assert_int_eq(s.status, EVTCHNSTAT_virq);
	ck_assert_int_eq(s.u.virq, VIRQ_TIMER);
	ck_assert_int_eq(s.vcpu, 1);
	ck_assert_int_eq(send_port(t, 0, timer1), -EINVAL);
	ck_assert_int_eq(close_port(t, timer1), 0);
	ck_assert_int_eq(bind_virq(t, VIRQ_TIMER, 1), timer1);
}
END_TEST

START_TEST(test_virq_delivery)
{
	long timer2 = bind_virq(t, VIRQ_TIMER, 2), console = bind_virq(t, VIRQ_CONSOLE, 0);
	struct evtchn_bind_vcpu b = {.port = console, .vcpu = 3};

	vcpu_send_virq(t->d->vcpu[1], VIRQ_TIMER); /* not bound */
	ck_assert(!vcpu_info_of(t, 1)->evtchn_upcall_pending);
	vcpu_send_virq(t->d->vcpu[2], VIRQ_TIMER);
	ck_assert(port_pending(t, timer2));
	ck_assert(vcpu_info_of(t, 2)->evtchn_upcall_pending);
	ck_assert_int_eq(vcpu_info_of(t, 2)->evtchn_pending_sel, 1);
	ck_assert_int_eq(t->kicks[2], 1);
	/* A global VIRQ may be moved, and closed after that. */
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_bind_vcpu, &b), 0);
	domain_send_global_virq(t->d, VIRQ_CONSOLE);
	ck_assert(port_pending(t, console));
	ck_assert(vcpu_info_of(t, 3)->evtchn_upcall_pending);
	ck_assert(!vcpu_info_of(t, 0)->evtchn_upcall_pending);
	ck_assert_int_eq(close_port(t, console), 0);
	ck_assert_int_eq(bind_virq(t, VIRQ_CONSOLE, 0), console);
	/* Out of range or of the other kind: nothing. */
	vcpu_send_virq(t->d->vcpu[0], 1000);
	vcpu_send_virq(t->d->vcpu[0], VIRQ_CONSOLE);
	domain_send_global_virq(t->d, VIRQ_TIMER);
	domain_send_global_virq(t->d, 1000);
	ck_assert(!vcpu_info_of(t, 0)->evtchn_upcall_pending);
}
END_TEST

START_TEST(test_bind_ipi)
{
	long port = bind_ipi(t, 2);

	ck_assert_int_eq(bind_ipi(t, 4), -ENOENT);
	ck_assert_int_eq(status_of(port).status, EVTCHNSTAT_ipi);
	ck_assert_int_eq(status_of(port).vcpu, 2);
	ck_assert_int_eq(send_port(t, 1, port), 0);
	ck_assert(port_pending(t, port));
	ck_assert(vcpu_info_of(t, 2)->evtchn_upcall_pending);
	ck_assert_int_eq(t->kicks[2], 1);
	/* Pending already: nobody is told again. */
	vcpu_consume(2);
	ck_assert_int_eq(send_port(t, 1, port), 0);
	ck_assert(!vcpu_info_of(t, 2)->evtchn_upcall_pending);
	ck_assert_int_eq(t->kicks[2], 1);
}
END_TEST

START_TEST(test_bind_pirq)
{
	struct evtchn_bind_pirq a = {.pirq = 4};

	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_bind_pirq, &a), -EPERM);
	a.pirq = 5000;
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_bind_pirq, &a), -EINVAL);
}
END_TEST

START_TEST(test_bind_vcpu)
{
	struct evtchn_bind_vcpu a = {.port = bind_ipi(t, 0), .vcpu = 1};
	long unbound;

	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_bind_vcpu, &a), -EINVAL);
	a.port = bind_virq(t, VIRQ_DEBUG, 0);
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_bind_vcpu, &a), -EINVAL);
	a.port = 0;
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_bind_vcpu, &a), -EINVAL);
	a.port = 4096;
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_bind_vcpu, &a), -EINVAL);
	a.vcpu = 4;
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_bind_vcpu, &a), -ENOENT);
	a.port = unbound = alloc_unbound(t, 0);
	a.vcpu = 3;
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_bind_vcpu, &a), 0);
	ck_assert_int_eq(status_of(unbound).vcpu, 3);
	/* A port that is used again notifies vcpu 0. */
	ck_assert_int_eq(close_port(t, unbound), 0);
	ck_assert_int_eq(alloc_unbound(t, 0), unbound);
	ck_assert_int_eq(status_of(unbound).vcpu, 0);
}
END_TEST

START_TEST(test_mask_and_unmask)
{
	struct evtchn_unmask u = {.port = bind_ipi(t, 1)};
	evtchn_port_t port = u.port;

	port_set_mask(t, port, true);
	ck_assert_int_eq(send_port(t, 0, port), 0);
	ck_assert(port_pending(t, port));
	ck_assert(!vcpu_info_of(t, 1)->evtchn_upcall_pending);
	ck_assert_int_eq(t->kicks[1], 0);
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_unmask, &u), 0);
	ck_assert(vcpu_info_of(t, 1)->evtchn_upcall_pending);
	ck_assert_int_eq(t->kicks[1], 1);
	/* Not masked: pending bits are left to whoever set them. */
	vcpu_consume(1);
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_unmask, &u), 0);
	ck_assert(!vcpu_info_of(t, 1)->evtchn_upcall_pending);
	/* A free port is accepted and left alone, a port that is none is not. */
	u.port = 40;
	port_set_mask(t, 40, true);
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_unmask, &u), 0);
	ck_assert(t->d->shared_info->evtchn_mask[0] >> 40 & 1);
	u.port = 64;
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_unmask, &u), -EINVAL);
	u.port = ~0u;
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_unmask, &u), -EINVAL);
}
END_TEST

START_TEST(test_status_errors)
{
	struct evtchn_status s = {.dom = 7, .port = 1};

	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_status, &s), -ESRCH);
	s.dom = 0;
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_status, &s), -EPERM);
	s.port = 5000; /* that there is no such port comes first */
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_status, &s), -EINVAL);
	s.port = 1;
	s.dom = 1;
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_status, &s), 0);
	s.port = 64; /* beyond the table as far as it has grown */
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_status, &s), -EINVAL);
	for (unsigned i = 1; i <= 64; i++)
		ck_assert_int_eq(bind_ipi(t, 0), i);
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_status, &s), 0);
	ck_assert_int_eq(s.status, EVTCHNSTAT_ipi);
	s.port = 127;
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_status, &s), 0);
	ck_assert_int_eq(s.status, EVTCHNSTAT_closed);
	s.port = 128;
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_status, &s), -EINVAL);
}
END_TEST

START_TEST(test_port_limit)
{
	for (long i = 1; i < EVTCHN_2L_PORTS; i++)
		ck_assert_int_eq(bind_ipi(t, 3), i);
	ck_assert_int_eq(bind_ipi(t, 3), -ENOSPC);
	ck_assert_int_eq(alloc_unbound(t, 0), -ENOSPC);
	ck_assert_int_eq(bind_virq(t, VIRQ_TIMER, 0), -ENOSPC);
	ck_assert_int_eq(bind_self(t, 1), -ENOSPC);
	ck_assert_int_eq(evtchn_bind_backend(t->d, (evtchn_notify_fn)abort, NULL), -ENOSPC);
	ck_assert_int_eq(send_port(t, 0, 4095), 0);
	ck_assert_uint_eq(vcpu_info_of(t, 3)->evtchn_pending_sel, 1ull << 63);
	ck_assert_int_eq(send_port(t, 0, 4096), -EINVAL);
	ck_assert_int_eq(close_port(t, 4000), 0);
	ck_assert_int_eq(alloc_unbound(t, 0), 4000);
}
END_TEST

START_TEST(test_lower_port_limit)
{
	t->d->max_evtchn_port = 100;
	for (long i = 1; i <= 100; i++)
		ck_assert_int_eq(bind_ipi(t, 0), i);
	ck_assert_int_eq(bind_ipi(t, 0), -ENOSPC);
}
END_TEST

START_TEST(test_reset)
{
	struct evtchn_reset r = {.dom = 7};
	long ipi = bind_ipi(t, 0), virq = bind_virq(t, VIRQ_TIMER, 3);
	long unbound = alloc_unbound(t, DOMID_SELF), local = bind_self(t, unbound);

	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_reset, &r), -ESRCH);
	r.dom = 0;
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_reset, &r), -EPERM);
	r.dom = DOMID_SELF;
	ck_assert_int_eq(EVTCHN_OP(t, 0, 14 /* reset_cont */, &r), -EBUSY);
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_reset, &r), 0);
	ck_assert_int_eq(status_of(ipi).status, EVTCHNSTAT_closed);
	ck_assert_int_eq(status_of(virq).status, EVTCHNSTAT_closed);
	ck_assert_int_eq(status_of(unbound).status, EVTCHNSTAT_closed);
	ck_assert_int_eq(status_of(local).status, EVTCHNSTAT_closed);
	ck_assert(!port_pending(t, local));
	ck_assert_int_eq(bind_virq(t, VIRQ_TIMER, 3), 1);
}
END_TEST

START_TEST(test_bad_pointers)
{
	for (unsigned cmd = EVTCHNOP_bind_interdomain; cmd <= 14; cmd++) {
		ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_event_channel_op, cmd, TEST_VA_UNMAPPED),
				 -EFAULT);
		ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_event_channel_op, cmd, XEN_VIRT_START),
				 -EFAULT);
	}
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_event_channel_op, 15, TEST_VA_UNMAPPED), -ENOSYS);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_event_channel_op, -1ull, TEST_VA_UNMAPPED),
			 -ENOSYS);
}
END_TEST

START_TEST(test_compat)
{
	struct evtchn_op op = {.cmd = EVTCHNOP_bind_ipi, .u.bind_ipi = {.vcpu = 1}};
	uint64_t va = test_put(t, &op, sizeof(op));

	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_event_channel_op_compat, va), 0);
	test_read(t, va, &op, sizeof(op));
	ck_assert_int_eq(op.u.bind_ipi.port, 1);
	op.cmd = EVTCHNOP_send;
	op.u.send.port = 1;
	test_write(t, va, &op, sizeof(op));
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_event_channel_op_compat, va), 0);
	ck_assert(port_pending(t, 1));
	op.cmd = EVTCHNOP_reset;
	test_write(t, va, &op, sizeof(op));
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_event_channel_op_compat, va), -ENOSYS);
	op.cmd = ~0u;
	test_write(t, va, &op, sizeof(op));
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_event_channel_op_compat, va), -ENOSYS);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_event_channel_op_compat, TEST_VA_UNMAPPED),
			 -EFAULT);
}
END_TEST

static void count(void *arg)
{
	++*(unsigned *)arg;
}

START_TEST(test_backend)
{
	unsigned notified = 0;
	int port = evtchn_bind_backend(t->d, count, &notified);
	struct evtchn_bind_vcpu b = {.port = port, .vcpu = 2};
	struct evtchn_status s;

	ck_assert_int_eq(port, 1);
	s = status_of(port);
	ck_assert_int_eq(s.status, EVTCHNSTAT_interdomain);
	ck_assert_int_eq(s.u.interdomain.dom, 0);
	ck_assert_int_eq(send_port(t, 3, port), 0);
	ck_assert_uint_eq(notified, 1);
	ck_assert(!port_pending(t, port));
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_bind_vcpu, &b), 0);
	evtchn_backend_send(t->d, port);
	ck_assert(port_pending(t, port));
	ck_assert(vcpu_info_of(t, 2)->evtchn_upcall_pending);
	/* The backend goes: the guest's port waits for it. */
	evtchn_backend_close(t->d, port);
	s = status_of(port);
	ck_assert_int_eq(s.status, EVTCHNSTAT_unbound);
	ck_assert_int_eq(s.u.unbound.dom, 0);
	ck_assert_int_eq(send_port(t, 3, port), 0);
	ck_assert_uint_eq(notified, 1);
	port_clear(t, port);
	evtchn_backend_send(t->d, port);
	ck_assert(!port_pending(t, port));
	/* And comes back, with one notification for what it missed. */
	ck_assert_int_eq(evtchn_backend_connect(t->d, port, count, &notified), 0);
	ck_assert_uint_eq(notified, 2);
	ck_assert_int_eq(evtchn_backend_connect(t->d, port, count, &notified), -EINVAL);
	/* The guest closes it: the backend's end is dead. */
	ck_assert_int_eq(close_port(t, port), 0);
	ck_assert_int_eq(bind_ipi(t, 0), port);
	evtchn_backend_send(t->d, port);
	ck_assert(!port_pending(t, port));
	evtchn_backend_close(t->d, port);
	ck_assert_int_eq(status_of(port).status, EVTCHNSTAT_ipi);
	evtchn_backend_send(t->d, ~0u);
	evtchn_backend_close(t->d, ~0u);
}
END_TEST

START_TEST(test_backend_connect_errors)
{
	unsigned notified = 0;

	ck_assert_int_eq(evtchn_backend_connect(t->d, 0, count, &notified), -EINVAL);
	ck_assert_int_eq(evtchn_backend_connect(t->d, 9, count, &notified), -EINVAL);
	ck_assert_int_eq(evtchn_backend_connect(t->d, ~0u, count, &notified), -EINVAL);
	ck_assert_int_eq(evtchn_backend_connect(t->d, alloc_unbound(t, 5), count, &notified),
			 -EINVAL);
	ck_assert_int_eq(
		evtchn_backend_connect(t->d, alloc_unbound(t, DOMID_SELF), count, &notified),
		-EINVAL);
	ck_assert_int_eq(evtchn_backend_connect(t->d, bind_ipi(t, 0), count, &notified), -EINVAL);
	ck_assert_uint_eq(notified, 0);
	ck_assert_int_eq(evtchn_backend_connect(t->d, alloc_unbound(t, 0), count, &notified), 0);
	ck_assert_uint_eq(notified, 1);
}
END_TEST

/* The host that has eventfds of backends: by port, -1 when it has none. */
static int fd_of[64];
static bool fd_refused;

static bool take_fd(struct domain *d, evtchn_port_t port, int fd, bool on)
{
	ck_assert_uint_lt(port, 64);
	ck_assert_int_eq(fd_of[port], on ? -1 : fd);
	if (on && fd_refused)
		return false;
	fd_of[port] = on ? fd : -1;
	return true;
}

/* Whoever ends the connection, the host has the eventfd no longer. */
START_TEST(test_backend_fd)
{
	struct evtchn_reset r = {.dom = DOMID_SELF};
	struct host_ops ops = *t->d->ops;
	unsigned notified = 0;
	long port;

	for (unsigned i = 0; i < 64; i++)
		fd_of[i] = -1;
	port = alloc_unbound(t, 0);
	/* A host that has no use for them. */
	ck_assert_int_eq(evtchn_backend_connect(t->d, port, count, &notified), 0);
	evtchn_backend_offer_fd(t->d, port, 7);
	evtchn_backend_close(t->d, port);
	ops.event_fd = take_fd;
	t->d->ops = &ops;
	/* No backend is there. */
	evtchn_backend_offer_fd(t->d, port, 7);
	ck_assert_int_eq(fd_of[port], -1);
	/* The backend leaves. */
	ck_assert_int_eq(evtchn_backend_connect(t->d, port, count, &notified), 0);
	evtchn_backend_offer_fd(t->d, port, 7);
	ck_assert_int_eq(fd_of[port], 7);
	ck_assert_int_eq(send_port(t, 0, port), 0);
	ck_assert_uint_eq(notified, 3); /* two of them for connecting */
	evtchn_backend_close(t->d, port);
	ck_assert_int_eq(fd_of[port], -1);
	/* The guest closes the port. */
	ck_assert_int_eq(evtchn_backend_connect(t->d, port, count, &notified), 0);
	evtchn_backend_offer_fd(t->d, port, 8);
	ck_assert_int_eq(close_port(t, port), 0);
	ck_assert_int_eq(fd_of[port], -1);
	evtchn_backend_close(t->d, port);
	/* It closes all. */
	port = evtchn_bind_backend(t->d, count, &notified);
	evtchn_backend_offer_fd(t->d, port, 9);
	ck_assert_int_eq(fd_of[port], 9);
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_reset, &r), 0);
	ck_assert_int_eq(fd_of[port], -1);
	/* The host refuses one: it is not asked to give it back. */
	fd_refused = true;
	port = evtchn_bind_backend(t->d, count, &notified);
	evtchn_backend_offer_fd(t->d, port, 9);
	evtchn_backend_close(t->d, port);
	ck_assert_int_eq(fd_of[port], -1);
}
END_TEST

START_TEST(test_moved_vcpu_info)
{
	static struct vcpu_info placed;
	long port = bind_ipi(t, 1);

	vcpu_info_set(t->d->vcpu[1], &placed);
	ck_assert_int_eq(send_port(t, 0, port), 0);
	ck_assert(placed.evtchn_upcall_pending);
	ck_assert_int_eq(placed.evtchn_pending_sel, 1);
	ck_assert(!t->d->shared_info->vcpu_info[1].evtchn_upcall_pending);
}
END_TEST

/* The host of a vcpu that takes its events the moment it is kicked. */
static unsigned taken;

static void kick_and_take(struct vcpu *v)
{
	struct vcpu_info *info = vcpu_info_get(v);

	if (!info->evtchn_upcall_pending)
		return;
	info->evtchn_upcall_pending = 0;
	while (info->evtchn_pending_sel) {
		unsigned w = __builtin_ctzl(info->evtchn_pending_sel);

		info->evtchn_pending_sel &= ~(1ul << w);
		for (unsigned b = 0; b < 64; b++) {
			if (port_pending(t, w * 64 + b)) {
				port_clear(t, w * 64 + b);
				taken++;
			}
		}
	}
}

/* Whatever is told last must be marked first, or such a vcpu misses it. */
START_TEST(test_order_of_marks)
{
	struct host_ops ops = *t->d->ops;
	struct evtchn_unmask u;

	ops.vcpu_kick = ops.vcpu_notify = kick_and_take;
	t->d->ops = &ops;
	for (unsigned i = 1; i <= 200; i++) {
		long port = bind_ipi(t, i % 4);

		ck_assert_int_eq(send_port(t, 0, port), 0);
		ck_assert(!port_pending(t, port));
		ck_assert_uint_eq(taken, 2 * i - 1);
		port_set_mask(t, port, true);
		ck_assert_int_eq(send_port(t, 0, port), 0);
		ck_assert(port_pending(t, port));
		u.port = port;
		ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_unmask, &u), 0);
		ck_assert(!port_pending(t, port));
		ck_assert_uint_eq(taken, 2 * i);
	}
}
END_TEST

START_TEST(test_old_profile)
{
	uint64_t va;

	test_domain_free(t);
	t = test_domain_new(1, PROFILE_XEN_3_0_2);
	va = test_alloc(t, PAGE_SIZE);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_event_channel_op, EVTCHNOP_close, va), -ENOSYS);
	ck_assert_int_eq(bind_ipi(t, 0), 1);
	ck_assert_int_eq(send_port(t, 0, 1), 0);
	ck_assert(port_pending(t, 1));
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		test_port_0_is_reserved,
		test_alloc_unbound,
		test_bind_interdomain_self,
		test_bind_interdomain_errors,
		test_bind_virq,
		test_virq_delivery,
		test_bind_ipi,
		test_bind_pirq,
		test_bind_vcpu,
		test_mask_and_unmask,
		test_status_errors,
		test_port_limit,
		test_lower_port_limit,
		test_reset,

		test_bad_pointers,
		test_compat,
		test_backend,
		test_backend_connect_errors,
		test_backend_fd,
		test_moved_vcpu_info,
		test_order_of_marks,
		test_old_profile,
	};
	Suite *s = suite_create("event_channel");
	TCase *c = tcase_create("event_channel");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(c, tests[i]);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
